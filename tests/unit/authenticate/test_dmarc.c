/* SPDX-License-Identifier: ISC */
/* test_dmarc.c: alignment and policy (RFC 9989 4.7 to 4.10), case by case. */
#include "testing.h"

#include <string.h>

#include "authenticate/dmarc.h"
#include "authenticate/zone.h"

struct test {
    const char *name;
    const char *zone;
    const char *author;
    const char *spf_domain;
    enum spf_result spf;
    const char *dkim_domain; /* NULL: no signature */
    enum dkim_result dkim;
    enum dmarc_result result;
    enum dmarc_policy wanted;
};

#define REJECT "{\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=reject\"}]}"
#define SAYS(text)                                                                                 \
    "{\"_dmarc.example.com\": [{\"TXT\": \"" text "\"}],"                                          \
    " \"there.example.com\": [{\"A\": \"192.0.2.1\"}]}"

#define NONE       DMARC_POLICY_NONE
#define QUARANTINE DMARC_POLICY_QUARANTINE
#define REFUSE     DMARC_POLICY_REJECT

static const struct test tests[] = {
    { "nobody says anything", "{}", "example.com", "example.com", SPF_PASS, NULL, 0, DMARC_NONE,
      NONE },
    { "SPF, the same domain", REJECT, "example.com", "example.com", SPF_PASS, NULL, 0, DMARC_PASS,
      REFUSE },
    { "SPF, below", REJECT, "example.com", "bounce.example.com", SPF_PASS, NULL, 0, DMARC_PASS,
      REFUSE },
    { "SPF, above", REJECT, "mail.example.com", "example.com", SPF_PASS, NULL, 0, DMARC_PASS,
      REFUSE },
    { "SPF, beside", REJECT, "a.example.com", "b.example.com", SPF_PASS, NULL, 0, DMARC_PASS,
      REFUSE },
    { "SPF, another", REJECT, "example.com", "example.net", SPF_PASS, NULL, 0, DMARC_FAIL, REFUSE },
    { "SPF, looks like it", REJECT, "example.com", "badexample.com", SPF_PASS, NULL, 0, DMARC_FAIL,
      REFUSE },
    { "SPF did not pass", REJECT, "example.com", "example.com", SPF_SOFTFAIL, NULL, 0, DMARC_FAIL,
      REFUSE },
    { "SPF, nobody knows", REJECT, "example.com", "example.com", SPF_TEMPERROR, NULL, 0,
      DMARC_TEMPERROR, REFUSE },
    { "of another, nobody knows", REJECT, "example.com", "example.net", SPF_TEMPERROR, NULL, 0,
      DMARC_FAIL, REFUSE },
    { "DKIM", REJECT, "example.com", "", SPF_NONE, "example.com", DKIM_PASS, DMARC_PASS, REFUSE },
    { "DKIM, below", REJECT, "example.com", "", SPF_NONE, "x.example.com", DKIM_PASS, DMARC_PASS,
      REFUSE },
    { "DKIM, another", REJECT, "example.com", "", SPF_NONE, "example.net", DKIM_PASS, DMARC_FAIL,
      REFUSE },
    { "DKIM, broken", REJECT, "example.com", "", SPF_NONE, "example.com", DKIM_FAIL, DMARC_FAIL,
      REFUSE },
    { "DKIM, nobody knows", REJECT, "example.com", "", SPF_NONE, "example.com", DKIM_TEMPERROR,
      DMARC_TEMPERROR, REFUSE },
    { "one of both is enough", REJECT, "example.com", "example.com", SPF_FAIL, "example.com",
      DKIM_PASS, DMARC_PASS, REFUSE },
    { "a public suffix is no alignment",
      "{\"_dmarc.example.co.uk\":"
      " [{\"TXT\": \"v=DMARC1; p=reject\"}]}",
      "example.co.uk", "co.uk", SPF_PASS, NULL, 0, DMARC_FAIL, REFUSE },
    { "strict SPF", SAYS("v=DMARC1; p=reject; aspf=s"), "example.com", "x.example.com", SPF_PASS,
      NULL, 0, DMARC_FAIL, REFUSE },
    { "strict DKIM", SAYS("v=DMARC1; p=reject; adkim=s"), "example.com", "", SPF_NONE,
      "x.example.com", DKIM_PASS, DMARC_FAIL, REFUSE },
    { "sp=", SAYS("v=DMARC1; p=none; sp=reject"), "there.example.com", "", SPF_NONE, NULL, 0,
      DMARC_FAIL, REFUSE },
    { "sp= is not for the domain itself", SAYS("v=DMARC1; p=none; sp=reject"), "example.com", "",
      SPF_NONE, NULL, 0, DMARC_FAIL, NONE },
    { "np=, it exists", SAYS("v=DMARC1; p=none; np=reject"), "there.example.com", "", SPF_NONE,
      NULL, 0, DMARC_FAIL, NONE },
    { "np=, it does not", SAYS("v=DMARC1; p=none; np=reject"), "gone.example.com", "", SPF_NONE,
      NULL, 0, DMARC_FAIL, REFUSE },
    { "t=y is one step less", SAYS("v=DMARC1; p=reject; t=y"), "example.com", "", SPF_NONE, NULL, 0,
      DMARC_FAIL, QUARANTINE },
    { "pct=0 of old is, too", SAYS("v=DMARC1; p=quarantine; pct=0"), "example.com", "", SPF_NONE,
      NULL, 0, DMARC_FAIL, NONE },
    { "pct=50 of old is not", SAYS("v=DMARC1; p=quarantine; pct=50"), "example.com", "", SPF_NONE,
      NULL, 0, DMARC_FAIL, QUARANTINE },
    { "no p=, but reports", SAYS("v=DMARC1; rua=mailto:x@example.com"), "example.com", "", SPF_NONE,
      NULL, 0, DMARC_FAIL, NONE },
    { "no p=", SAYS("v=DMARC1; adkim=s"), "example.com", "", SPF_NONE, NULL, 0, DMARC_NONE, NONE },
    { "v= must come first", SAYS("p=reject; v=DMARC1"), "example.com", "", SPF_NONE, NULL, 0,
      DMARC_NONE, NONE },
    { "two records are none",
      "{\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=reject\"},"
      " {\"TXT\": \"v=DMARC1; p=none\"}]}",
      "example.com", "", SPF_NONE, NULL, 0, DMARC_NONE, NONE },
    { "beside other records",
      "{\"_dmarc.example.com\": [{\"TXT\": \"hello\"},"
      " {\"TXT\": \"v=DMARC1; p=reject\"}]}",
      "example.com", "", SPF_NONE, NULL, 0, DMARC_FAIL, REFUSE },
    { "the record cannot be asked for", "{\"_dmarc.example.com\": [\"TIMEOUT\"]}", "example.com",
      "example.com", SPF_PASS, NULL, 0, DMARC_TEMPERROR, NONE },
    { "who answers nothing above does not matter",
      "{\"_dmarc.example.com\":"
      " [{\"TXT\": \"v=DMARC1; p=reject\"}], \"_dmarc.com\": [\"TIMEOUT\"]}",
      "example.com", "x.example.com", SPF_PASS, NULL, 0, DMARC_PASS, REFUSE },
    { "nor that a suffix does not", "{\"_dmarc.com\": [\"TIMEOUT\"]}", "example.com", "", SPF_NONE,
      NULL, 0, DMARC_NONE, NONE },
    { "an organisation within",
      "{\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=reject\"}],"
      " \"_dmarc.own.example.com\": [{\"TXT\": \"v=DMARC1; p=reject; psd=n\"}]}",
      "own.example.com", "example.com", SPF_PASS, NULL, 0, DMARC_FAIL, REFUSE },
    { "and seen from outside",
      "{\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=reject; psd=n\"}],"
      " \"_dmarc.own.example.com\": [{\"TXT\": \"v=DMARC1; p=reject; psd=n\"}]}",
      "example.com", "own.example.com", SPF_PASS, NULL, 0, DMARC_FAIL, REFUSE },
    { "the suffix speaks", "{\"_dmarc.bank\": [{\"TXT\": \"v=DMARC1; p=reject; psd=y\"}]}",
      "some.bank", "", SPF_NONE, NULL, 0, DMARC_FAIL, REFUSE },
};

static void expect(const struct test *test)
{
    struct dns_answers known = { 0 };
    struct buf room = { 0 };
    struct dns_question question;
    struct dmarc_verdict verdict;
    struct dkim_verdict dkim = { .result = test->dkim, .domain = str_from(test->dkim_domain) };
    struct dmarc_request request = {
        .author = str_from(test->author),
        .spf_domain = str_from(test->spf_domain),
        .spf_result = test->spf,
        .dkim = &dkim,
        .dkim_count = test->dkim_domain != NULL ? 1 : 0,
    };
    json_t *zone = json_loads(test->zone, 0, NULL);

    assert_non_null(zone);
    for (unsigned i = 0; !dmarc_decide(&request, &known, &room, &verdict, &question); i++) {
        assert_true(i < 50);
        zone_ask(zone, question, &known);
    }
    if (verdict.result != test->result || verdict.wanted != test->wanted)
        fail_msg("%s: %s, %s", test->name, dmarc_result_name(verdict.result),
                 dmarc_policy_name(verdict.wanted));
    dns_answers_fini(&known);
    buf_fini(&room);
    json_decref(zone);
}

static void all_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        expect(&tests[i]);
}

/* One exact name decides; the owner is told whether the other method did its part, too. */
static void both_methods_are_noted(void **state)
{
    static const struct {
        const char *record;
        const char *spf_domain;
        const char *signer;
        bool is_spf_aligned, is_dkim_aligned;
    } cases[] = {
        { "v=DMARC1; p=none", "example.com", "example.com", true, true },
        { "v=DMARC1; p=none", "example.com", "mail.example.com", true, true },
        { "v=DMARC1; p=none; adkim=s", "example.com", "mail.example.com", true, false },
        { "v=DMARC1; p=none", "example.com", "example.net", true, false },
        { "v=DMARC1; p=none", "mail.example.com", "example.com", true, true },
        { "v=DMARC1; p=none; aspf=s", "mail.example.com", "example.com", false, true },
        { "v=DMARC1; p=none", "", "example.com", false, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dns_record text = { .data = str_from(cases[i].record) };
        struct dns_answer answer = { .status = DNS_FOUND, .record = &text, .record_count = 1 };
        struct dkim_verdict dkim = { .result = DKIM_PASS, .domain = str_from(cases[i].signer) };
        struct dmarc_request request = { .author = STR("example.com"),
                                         .spf_domain = str_from(cases[i].spf_domain),
                                         .spf_result = SPF_PASS,
                                         .dkim = &dkim,
                                         .dkim_count = 1 };
        struct dns_answers known = { 0 };
        struct buf room = { 0 };
        struct dns_question question = { STR("_dmarc.example.com"), DNS_TXT };
        struct dmarc_verdict verdict;

        dns_answers_add(&known, question, &answer);
        assert_true(dmarc_decide(&request, &known, &room, &verdict, &question));
        assert_int_equal(verdict.result, DMARC_PASS);
        if (verdict.is_spf_aligned != cases[i].is_spf_aligned ||
            verdict.is_dkim_aligned != cases[i].is_dkim_aligned)
            fail_msg("%zu: %d, %d", i, verdict.is_spf_aligned, verdict.is_dkim_aligned);
        dns_answers_fini(&known);
        buf_fini(&room);
    }
}

/* The record itself, for the report to its owner. */
static void gives_the_record(void **state)
{
    struct dns_record text = {
        .data = STR("v=DMARC1; p=none; sp=reject; np=none; adkim=s; rua=mailto:a@example.com")
    };
    struct dns_answer answer = { .status = DNS_FOUND, .record = &text, .record_count = 1 };
    struct dmarc_request request = { .author = STR("mail.example.com"),
                                     .spf_domain = STR("example.net"),
                                     .spf_result = SPF_PASS };
    struct dns_answers known = { 0 };
    struct buf room = { 0 };
    struct dns_question question;
    struct dmarc_verdict verdict;
    static const struct dns_answer nothing = { .status = DNS_NODATA };

    (void)state;
    while (!dmarc_decide(&request, &known, &room, &verdict, &question))
        dns_answers_add(&known, question,
                        str_equals(question.name, STR("_dmarc.example.com")) ? &answer : &nothing);
    assert_int_equal(verdict.result, DMARC_FAIL);
    assert_str(verdict.record_domain, STR("example.com"));
    assert_int_equal(verdict.record.policy, DMARC_POLICY_NONE);
    assert_int_equal(verdict.record.below, DMARC_POLICY_REJECT);
    assert_int_equal(verdict.record.below_not_there, DMARC_POLICY_NONE);
    assert_true(verdict.record.is_dkim_strict && !verdict.record.is_spf_strict);
    assert_str(verdict.record.reports, STR("mailto:a@example.com"));
    dns_answers_fini(&known);
    buf_fini(&room);
}

int main(void)
{
    static const struct CMUnitTest list[] = {
        cmocka_unit_test(all_cases),
        cmocka_unit_test(both_methods_are_noted),
        cmocka_unit_test(gives_the_record),
    };
    return cmocka_run_group_tests(list, NULL, NULL);
}
