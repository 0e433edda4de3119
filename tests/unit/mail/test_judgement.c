/* SPDX-License-Identifier: ISC */
/* test_judgement.c: what several recipients' domains come to. */
#include "testing.h"

#include "mail/judgement.h"

/* SMTP has one answer to a content: it is refused only if all refuse. */
static void one_answer_for_all(void **state)
{
    static const struct {
        enum judgement judgement[3];
        enum judgement all;
    } cases[] = {
        { { JUDGED_GOOD, JUDGED_GOOD, JUDGED_GOOD }, JUDGED_GOOD },
        { { JUDGED_TO_REFUSE, JUDGED_TO_REFUSE, JUDGED_TO_REFUSE }, JUDGED_TO_REFUSE },
        { { JUDGED_TO_REFUSE, JUDGED_GOOD, JUDGED_TO_REFUSE }, JUDGED_GOOD },
        { { JUDGED_TO_HOLD, JUDGED_TO_HOLD, JUDGED_TO_HOLD }, JUDGED_GOOD },
        { { JUDGED_TO_HOLD, JUDGED_TO_REFUSE, JUDGED_TO_REFUSE }, JUDGED_GOOD },
        { { JUDGED_TO_REFUSE, JUDGED_UNSURE, JUDGED_GOOD }, JUDGED_UNSURE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(judgement_combine(cases[i].judgement, 3), cases[i].all);
}

/* The worse counts; of the reasons the first, unless somebody is unsure. */
static void one_reason_for_all(void **state)
{
    const struct verdict spam = verdict_make(550, 7, 1, STR("spam"));
    const struct verdict policy = verdict_make(550, 7, 23, STR("policy"));
    const struct verdict later = verdict_make(451, 7, 1, STR("later"));
    enum judgement judgement = JUDGED_GOOD;
    struct verdict reason = verdict_accept();

    (void)state;
    judgement_add(&judgement, JUDGED_GOOD, &reason, &spam);
    assert_int_equal(reason.fate, FATE_ACCEPT);
    judgement_add(&judgement, JUDGED_TO_REFUSE, &reason, &spam);
    judgement_add(&judgement, JUDGED_TO_HOLD, &reason, &policy);
    assert_int_equal(judgement, JUDGED_TO_REFUSE);
    assert_true(str_equals(verdict_text(&reason), STR("spam")));
    judgement_add(&judgement, JUDGED_UNSURE, &reason, &later);
    assert_int_equal(judgement, JUDGED_UNSURE);
    assert_int_equal(reason.code, 451);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_answer_for_all),
        cmocka_unit_test(one_reason_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
