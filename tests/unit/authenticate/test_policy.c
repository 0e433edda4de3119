/* SPDX-License-Identifier: ISC */
/* test_policy.c: what becomes of a message, by what its domains want and what was found. */
#include "testing.h"

#include "authenticate/policy.h"

/* An authentication that has come to this. */
struct found {
    const char *sender;
    const char *client;
    enum spf_result spf;
    enum dkim_result dkim; /* of one signature by `signer` */
    const char *signer;    /* NULL: there is none */
    enum dmarc_result dmarc;
    enum dmarc_policy wanted;
};

static struct authentication *make(const struct found *found)
{
    struct authentication_request request = { .sender = str_from(found->sender) };

    assert_true(endpoint_from_ip(str_from(found->client), 25, &request.client));
    struct authentication *made = authentication_new(&request);
    made->results.spf.result = found->spf;
    made->results.dmarc.result = found->dmarc;
    made->results.dmarc.wanted = found->wanted;
    if (found->signer != NULL) {
        made->dkim.count = 1;
        made->dkim.verdict[0].result = found->dkim;
        made->dkim.verdict[0].domain = str_from(found->signer);
    }
    return made;
}

static struct policy protecting(void)
{
    struct policy policy = { .is_protected = true,
                             .checks_senders = true,
                             .dmarc_reject = ACTION_REFUSE,
                             .spf_fail = ACTION_TAG,
                             .own_sender = ACTION_REFUSE,
                             .primary_count = 1 };
    assert_true(endpoint_from_ip(STR("192.0.2.25"), 25, &policy.primary[0]));
    return policy;
}

#define STRANGER "198.51.100.1"
#define PRIMARY  "192.0.2.25"

static void strangers_do_not_use_our_domain(void **state)
{
    static const struct {
        struct found found;
        enum judgement judgement;
        unsigned code;
    } cases[] = {
        { { "boss@example.org", STRANGER, SPF_NONE, 0, NULL, 0, 0 }, JUDGED_TO_REFUSE, 550 },
        { { "boss@example.org", STRANGER, SPF_FAIL, 0, NULL, 0, 0 }, JUDGED_TO_REFUSE, 550 },
        { { "boss@example.org", STRANGER, SPF_SOFTFAIL, 0, NULL, 0, 0 }, JUDGED_TO_REFUSE, 550 },
        { { "boss@example.org", STRANGER, SPF_PASS, 0, NULL, 0, 0 }, JUDGED_GOOD, 0 },
        { { "boss@example.org", PRIMARY, SPF_FAIL, 0, NULL, 0, 0 }, JUDGED_GOOD, 0 },
        { { "boss@example.org", STRANGER, SPF_FAIL, DKIM_PASS, "example.org", 0, 0 },
          JUDGED_GOOD,
          0 },
        { { "boss@example.org", STRANGER, SPF_FAIL, DKIM_PASS, "mail.example.org", 0, 0 },
          JUDGED_GOOD,
          0 },
        { { "boss@example.org", STRANGER, SPF_FAIL, DKIM_FAIL, "example.org", 0, 0 },
          JUDGED_TO_REFUSE,
          550 },
        { { "boss@example.org", STRANGER, SPF_FAIL, DKIM_PASS, "example.com", 0, 0 },
          JUDGED_TO_REFUSE,
          550 },
        { { "boss@example.org", STRANGER, SPF_TEMPERROR, 0, NULL, 0, 0 }, JUDGED_UNSURE, 451 },
        { { "boss@example.org", STRANGER, SPF_FAIL, DKIM_TEMPERROR, "example.org", 0, 0 },
          JUDGED_UNSURE,
          451 },
    };
    struct policy policy = protecting();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct authentication *made = make(&cases[i].found);
        struct verdict reason = { 0 };
        assert_int_equal(policy_judge(&policy, &policy, made, &reason), cases[i].judgement);
        assert_int_equal(reason.code, cases[i].code);
        struct policy nobodys = { 0 };
        assert_int_equal(policy_judge(&policy, &nobodys, made, &reason), JUDGED_GOOD);
        authentication_free(made);
    }
}

static void dmarc_and_spf_are_the_domains_to_judge(void **state)
{
    const struct found rejected = { "a@client.example", STRANGER,           SPF_FAIL, 0, NULL,
                                    DMARC_FAIL,         DMARC_POLICY_REJECT };
    const struct found lesser = { "a@client.example",     STRANGER, SPF_FAIL, 0, NULL, DMARC_FAIL,
                                  DMARC_POLICY_QUARANTINE };
    struct authentication *one = make(&rejected);
    struct authentication *other = make(&lesser);
    struct policy policy = protecting();
    const struct policy nobodys = { 0 };
    struct verdict reason;

    (void)state;
    assert_int_equal(policy_judge(&policy, &nobodys, one, &reason), JUDGED_TO_REFUSE);
    assert_int_equal(policy_judge(&policy, &nobodys, other, &reason), JUDGED_GOOD);
    one->results.dmarc.result = DMARC_TEMPERROR; /* what may prove it did not come */
    assert_int_equal(policy_judge(&policy, &nobodys, one, &reason), JUDGED_UNSURE);
    assert_int_equal(reason.code, 451);
    one->results.dmarc.wanted = DMARC_POLICY_NONE; /* the policy itself did not */
    assert_int_equal(policy_judge(&policy, &nobodys, one, &reason), JUDGED_GOOD);
    one->results.dmarc.result = DMARC_FAIL;
    one->results.dmarc.wanted = DMARC_POLICY_REJECT;
    policy.dmarc_reject = ACTION_HOLD;
    assert_int_equal(policy_judge(&policy, &nobodys, one, &reason), JUDGED_TO_HOLD);
    policy.dmarc_reject = ACTION_TAG;
    assert_int_equal(policy_judge(&policy, &nobodys, one, &reason), JUDGED_GOOD);
    policy.spf_fail = ACTION_REFUSE;
    assert_int_equal(policy_judge(&policy, &nobodys, other, &reason), JUDGED_TO_REFUSE);
    assert_int_equal(reason.enhanced[2], 23);
    policy.checks_senders = false;
    assert_int_equal(policy_judge(&policy, &nobodys, other, &reason), JUDGED_GOOD);
    authentication_free(one);
    authentication_free(other);
}

static void survives_the_channel(void **state)
{
    struct policy policy = protecting();
    struct policy again;
    struct buf bytes = { 0 };

    (void)state;
    policy_encode(&bytes, &policy);
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        struct cursor cursor = cursor_over(str_first(buf_str(&bytes), cut));
        assert_int_equal(policy_decode(&cursor, &again), cut == bytes.len);
    }
    assert_true(again.is_protected && again.checks_senders && !again.seals);
    assert_int_equal(again.own_sender, ACTION_REFUSE);
    assert_true(policy_is_primary(&again, policy.primary[0]));
    buf_fini(&bytes);
}

/* Who answers for it need not be the sender's domain. */
static void suspects_want_spf_or_dkim(void **state)
{
    static const struct {
        struct found found;
        enum judgement judgement;
    } cases[] = {
        { { "a@b.example", STRANGER, SPF_PASS, 0, NULL, 0, 0 }, JUDGED_GOOD },
        { { "", STRANGER, SPF_PASS, 0, NULL, 0, 0 }, JUDGED_GOOD },
        { { "a@b.example", STRANGER, SPF_FAIL, DKIM_PASS, "c.example", 0, 0 }, JUDGED_GOOD },
        { { "a@b.example", STRANGER, SPF_NONE, 0, NULL, 0, 0 }, JUDGED_TO_REFUSE },
        { { "a@b.example", STRANGER, SPF_SOFTFAIL, 0, NULL, 0, 0 }, JUDGED_TO_REFUSE },
        { { "a@b.example", STRANGER, SPF_TEMPERROR, 0, NULL, 0, 0 }, JUDGED_TO_REFUSE },
        { { "a@b.example", STRANGER, SPF_NONE, DKIM_FAIL, "b.example", 0, 0 }, JUDGED_TO_REFUSE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct authentication *authentication = make(&cases[i].found);
        struct verdict reason = verdict_accept();
        assert_int_equal(policy_judge_suspect(authentication, &reason), cases[i].judgement);
        assert_int_equal(reason.code, cases[i].judgement == JUDGED_GOOD ? 250 : 450);
        authentication_free(authentication);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suspects_want_spf_or_dkim),
        cmocka_unit_test(strangers_do_not_use_our_domain),
        cmocka_unit_test(dmarc_and_spf_are_the_domains_to_judge),
        cmocka_unit_test(survives_the_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
