/* SPDX-License-Identifier: ISC */
/* test_policy.c: what a domain wants done about what a filter says. */
#include "testing.h"

#include "filter/policy.h"

static struct filter_policy make(enum setting_action reject, enum setting_gone gone)
{
    return (struct filter_policy){ reject, gone, { 6, "rspamd" } };
}

static void each_outcome_is_the_domains_to_judge(void **state)
{
    static const struct {
        enum milter_outcome outcome;
        enum setting_action reject;
        enum setting_gone gone;
        enum judgement judgement;
        bool is_marked;
    } cases[] = {
        { MILTER_PASSED, ACTION_REFUSE, GONE_TAG, JUDGED_GOOD, false },
        { MILTER_REFUSED, ACTION_REFUSE, GONE_TAG, JUDGED_TO_REFUSE, false },
        { MILTER_REFUSED, ACTION_HOLD, GONE_TAG, JUDGED_TO_HOLD, false },
        { MILTER_REFUSED, ACTION_TAG, GONE_TAG, JUDGED_GOOD, true },
        { MILTER_DEFERRED, ACTION_TAG, GONE_TAG, JUDGED_UNSURE, false },
        { MILTER_TO_HOLD, ACTION_TAG, GONE_TAG, JUDGED_TO_HOLD, false },
        { MILTER_BROKEN, ACTION_REFUSE, GONE_TAG, JUDGED_GOOD, true },
        { MILTER_BROKEN, ACTION_REFUSE, GONE_HOLD, JUDGED_TO_HOLD, true },
        { MILTER_BROKEN, ACTION_REFUSE, GONE_DEFER, JUDGED_UNSURE, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct filter_policy policy = make(cases[i].reject, cases[i].gone);
        struct milter_result result = { .outcome = cases[i].outcome,
                                        .verdict = verdict_make(550, 7, 1, STR("spam")),
                                        .why = "gone" };
        struct verdict reason = verdict_accept();
        bool is_marked = false;
        assert_int_equal(filter_judge(&policy, STR("rspamd"), &result, 0, &reason, &is_marked),
                         cases[i].judgement);
        assert_int_equal(is_marked, cases[i].is_marked);
        if (cases[i].judgement != JUDGED_GOOD)
            assert_true(reason.code == 550 || reason.code == 451);
    }
}

static void a_single_recipient_may_be_refused(void **state)
{
    enum milter_outcome each[] = { MILTER_PASSED, MILTER_REFUSED };
    struct milter_result result = { .outcome = MILTER_PASSED,
                                    .recipient = each,
                                    .recipient_count = 2 };
    struct filter_policy policy = make(ACTION_REFUSE, GONE_TAG);
    struct verdict reason;
    bool is_marked = false;
    (void)state;
    assert_int_equal(filter_judge(&policy, STR("a"), &result, 0, &reason, &is_marked), JUDGED_GOOD);
    assert_int_equal(filter_judge(&policy, STR("a"), &result, 1, &reason, &is_marked),
                     JUDGED_TO_REFUSE);
    result.outcome = MILTER_BROKEN; /* later; that takes nothing back */
    result.why = "it closed the connection";
    assert_int_equal(filter_judge(&policy, STR("a"), &result, 1, &reason, &is_marked),
                     JUDGED_TO_REFUSE);
    assert_int_equal(filter_judge(&policy, STR("a"), &result, 0, &reason, &is_marked), JUDGED_GOOD);
}

static void a_mark_can_be_read_and_not_forged(void **state)
{
    struct milter_result refused = { .outcome = MILTER_REFUSED,
                                     .verdict = verdict_make(550, 7, 1, STR("Virus (Eicar)\\")) };
    struct milter_result gone = { .outcome = MILTER_BROKEN, .why = "it took too long" };
    struct buf mark = { 0 };
    struct arena arena = { 0 };
    struct header header;
    (void)state;
    filter_add_mark(&mark, STR("clamav"), &refused);
    filter_add_mark(&mark, STR("rspamd"), &gone);
    header_parse(buf_str(&mark), &arena, &header);
    assert_int_equal(header.count, 2);
    assert_true(filter_is_mark(&header.field[0]) && filter_is_mark(&header.field[1]));
    assert_buf(&mark, "X-Holdfast-Filter: clamav=refused (550 Virus \\(Eicar\\)\\\\)\r\n"
                      "X-Holdfast-Filter: rspamd=gone (it took too long)\r\n");
    buf_fini(&mark);
    header_parse(STR("x-holdfast-filter : a=gone\r\n"), &arena, &header);
    assert_true(filter_is_mark(&header.field[0]));
    arena_fini(&arena);
}

static void survives_the_channel(void **state)
{
    struct filter_policy policy = make(ACTION_HOLD, GONE_DEFER);
    struct filter_policy again;
    struct buf bytes = { 0 };
    (void)state;
    filter_policy_encode(&bytes, &policy);
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        struct cursor cursor = cursor_over(str_first(buf_str(&bytes), cut));
        assert_int_equal(filter_policy_decode(&cursor, &again), cut == bytes.len);
    }
    assert_int_equal(again.reject, ACTION_HOLD);
    assert_int_equal(again.gone, GONE_DEFER);
    assert_true(filter_policy_has(&again, STR("rspamd")));
    assert_false(filter_policy_has(&again, STR("rspam")));
    assert_false(filter_policy_has(&again, STR("")));
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_outcome_is_the_domains_to_judge),
        cmocka_unit_test(a_single_recipient_may_be_refused),
        cmocka_unit_test(a_mark_can_be_read_and_not_forged),
        cmocka_unit_test(survives_the_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
