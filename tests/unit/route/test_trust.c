/* SPDX-License-Identifier: ISC */
/* test_trust.c: each row of the table in trust.h, and what TLSA records are of use. */
#include "testing.h"

#include "route/trust.h"

enum { NO = -1 }; /* the host is not used */

static const struct row {
    struct trust_facts facts;
    int level;
} rows[] = {
#define FACTS(mx, host, tlsa, policy, names)                                                       \
    {                                                                                              \
        mx, host, TRUST_TLSA_##tlsa, TRUST_POLICY_##policy, names                                  \
    }
    /* usable records: whatever the policy says */
    { FACTS(true, true, USABLE, NONE, false), SECURITY_TLSA },
    { FACTS(true, true, USABLE, TESTING, false), SECURITY_TLSA },
    { FACTS(true, true, USABLE, ENFORCE, true), SECURITY_TLSA },
    { FACTS(true, true, USABLE, ENFORCE, false), SECURITY_TLSA },
    /* none of use: TLS, and the name where the policy enforces it */
    { FACTS(true, true, UNUSABLE, NONE, false), SECURITY_MUST },
    { FACTS(true, true, UNUSABLE, TESTING, true), SECURITY_MUST },
    { FACTS(true, true, UNUSABLE, ENFORCE, true), SECURITY_NAME },
    { FACTS(true, true, UNUSABLE, ENFORCE, false), SECURITY_MUST },
    /* not to be had: not now, whatever the policy says */
    { FACTS(true, true, UNKNOWN, NONE, false), NO },
    { FACTS(true, true, UNKNOWN, ENFORCE, true), NO },
    /* proved absent: the policy decides */
    { FACTS(true, true, ABSENT, NONE, false), SECURITY_MAY },
    { FACTS(true, true, ABSENT, TESTING, true), SECURITY_MAY },
    { FACTS(true, true, ABSENT, TESTING, false), SECURITY_MAY },
    { FACTS(true, true, ABSENT, ENFORCE, true), SECURITY_NAME },
    { FACTS(true, true, ABSENT, ENFORCE, false), NO },
    /* addresses in an insecure zone: records would mean nothing */
    { FACTS(true, false, USABLE, NONE, false), SECURITY_MAY },
    { FACTS(true, false, UNKNOWN, NONE, false), SECURITY_MAY },
    { FACTS(true, false, ABSENT, TESTING, true), SECURITY_MAY },
    { FACTS(true, false, ABSENT, ENFORCE, true), SECURITY_NAME },
    { FACTS(true, false, ABSENT, ENFORCE, false), NO },
    /* an insecure MX RRset: the same */
    { FACTS(false, true, USABLE, NONE, false), SECURITY_MAY },
    { FACTS(false, false, ABSENT, NONE, false), SECURITY_MAY },
    { FACTS(false, false, ABSENT, TESTING, false), SECURITY_MAY },
    { FACTS(false, true, USABLE, ENFORCE, true), SECURITY_NAME },
    { FACTS(false, false, ABSENT, ENFORCE, false), NO },
};

static void decides_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct trust trust = trust_decide(&rows[i].facts);
        int level = trust.may_be_used ? (int)trust.level : NO;
        if (level != rows[i].level)
            fail_msg("row %zu: %d, want %d", i, level, rows[i].level);
        bool is_tested = rows[i].facts.policy == TRUST_POLICY_TESTING &&
                         rows[i].facts.policy_names_host && level != SECURITY_TLSA;
        if (trust.is_watched != is_tested)
            fail_msg("row %zu: is watched, or should be", i);
    }
}

/* DNSSEC only ever adds: with the same policy, what is secure never demands less. */
static void security_never_takes_away(void **state)
{
    (void)state;
    for (int policy = 0; policy < 3; policy++)
        for (int names = 0; names < 2; names++)
            for (int tlsa = 0; tlsa < 4; tlsa++) {
                struct trust_facts facts = { .tlsa = (enum trust_tlsa)tlsa,
                                             .policy = (enum trust_policy)policy,
                                             .policy_names_host = names != 0 };
                struct trust before = trust_decide(&facts);
                facts.is_mx_secure = facts.is_host_secure = true;
                struct trust after = trust_decide(&facts);
                if (before.may_be_used && after.may_be_used)
                    assert_true(after.level >= before.level);
            }
}

#define D32 "0123456789abcdef0123456789abcdef"

static void records_are_of_use_or_not(void **state)
{
    static const struct {
        struct str data;
        bool is_usable;
    } cases[] = {
        { { "\3\1\1" D32, 35 }, true },
        { { "\2\0\1" D32, 35 }, true },
        { { "\3\0\2" D32 D32, 67 }, true },
        { { "\3\1\0certificate", 14 }, true }, /* whether it is one, the handshake tells */
        { { "\0\1\1" D32, 35 }, false },
        { { "\1\1\1" D32, 35 }, false },
        { { "\4\1\1" D32, 35 }, false },
        { { "\377\1\1" D32, 35 }, false },
        { { "\3\2\1" D32, 35 }, false },
        { { "\3\1\3" D32, 35 }, false },
        { { "\3\1\1" D32, 34 }, false }, /* too short */
        { { "\3\1\1" D32 "x", 36 }, false },
        { { "\3\1\2" D32, 35 }, false },
        { { "\3\1\0", 3 }, false },
        { { "\3\1", 2 }, false },
        { { "", 0 }, false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dns_record record = { .data = cases[i].data };
        struct dns_answer answer = {
            .status = DNS_FOUND, .secure = true, .record = &record, .record_count = 1
        };
        struct security security = { 0 };
        enum trust_tlsa is = trust_read_tlsa(&answer, &security);
        if (is != (cases[i].is_usable ? TRUST_TLSA_USABLE : TRUST_TLSA_UNUSABLE))
            fail_msg("record %zu", i);
        answer.secure = false; /* then they might be anybody's */
        security = (struct security){ 0 };
        assert_int_equal(trust_read_tlsa(&answer, &security), TRUST_TLSA_ABSENT);
        assert_int_equal(security.tlsa_count, 0);
    }
}

static void no_answer_is_not_no_record(void **state)
{
    static const struct {
        enum dns_status status;
        enum trust_tlsa is;
    } cases[] = {
        { DNS_FAILED, TRUST_TLSA_UNKNOWN },
        { DNS_NODATA, TRUST_TLSA_ABSENT },
        { DNS_NO_NAME, TRUST_TLSA_ABSENT },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct security security = { 0 };
        struct dns_answer answer = { .status = cases[i].status, .secure = true };
        assert_int_equal(trust_read_tlsa(&answer, &security), cases[i].is);
    }
}

static void there_is_an_end_to_records(void **state)
{
    struct dns_record record[DNS_RECORDS_MAX];
    struct dns_answer answer = {
        .status = DNS_FOUND, .secure = true, .record = record, .record_count = DNS_RECORDS_MAX
    };
    struct security security = { 0 };
    (void)state;
    for (size_t i = 0; i < DNS_RECORDS_MAX; i++)
        record[i] = (struct dns_record){ .data = { "\3\1\1" D32, 35 } };
    assert_int_equal(trust_read_tlsa(&answer, &security), TRUST_TLSA_USABLE);
    assert_int_equal(security.tlsa_count, SECURITY_TLSA_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_as_the_table_says),  cmocka_unit_test(security_never_takes_away),
        cmocka_unit_test(records_are_of_use_or_not),  cmocka_unit_test(no_answer_is_not_no_record),
        cmocka_unit_test(there_is_an_end_to_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
