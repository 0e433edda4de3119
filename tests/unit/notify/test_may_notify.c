/* SPDX-License-Identifier: ISC */
/* test_may_notify.c: who is told. */
#include "testing.h"

#include "notify/may_notify.h"

static enum may_notify ask(enum notice_kind kind, uint8_t flags, const char *sender,
                           const char *text)
{
    struct envelope envelope = { .flags = flags, .sender = str_from(sender) };
    struct arena arena = { 0 };
    struct header header;

    header_parse(str_from(text), &arena, &header);
    enum may_notify may = may_notify_sender(kind, &envelope, &header);
    arena_fini(&arena);
    return may;
}

static void only_who_was_proved(void **state)
{
    (void)state;
    for (int kind = NOTICE_DELAYED; kind <= NOTICE_ARRIVED; kind++) {
        enum notice_kind k = (enum notice_kind)kind;
        assert_int_equal(ask(k, ENVELOPE_PROVED, "a@example.org", ""), MAY_NOTIFY);
        assert_int_equal(ask(k, 0, "a@example.org", ""), MAY_NOT_UNPROVED);
        assert_int_equal(ask(k, ENVELOPE_SMTPUTF8, "a@example.org", ""), MAY_NOT_UNPROVED);
        assert_int_equal(ask(k, ENVELOPE_PROVED, "", ""), MAY_NOT_NO_SENDER);
        assert_int_equal(ask(k, 0, "", ""), MAY_NOT_NO_SENDER);
        assert_int_equal(ask(k, ENVELOPE_PROVED | ENVELOPE_OWN, "a@example.org", ""), MAY_NOT_OWN);
    }
}

static void no_machine_hears_of_a_delay(void **state)
{
    static const struct {
        const char *header;
        enum may_notify want;
    } cases[] = {
        { "Subject: x\r\nFrom: a@b\r\n", MAY_NOTIFY },
        { "Auto-Submitted: no\r\n", MAY_NOTIFY },
        { "Auto-Submitted:\r\n\tNo (a person)\r\n", MAY_NOTIFY },
        { "Auto-Submitted: no; owner=x\r\n", MAY_NOTIFY },
        { "Auto-Submitted: auto-generated\r\n", MAY_NOT_AUTOMATIC },
        { "auto-submitted : auto-replied; x=y\r\n", MAY_NOT_AUTOMATIC },
        { "Auto-Submitted: nonsense\r\n", MAY_NOT_AUTOMATIC },
        { "Auto-Submitted:\r\n", MAY_NOT_AUTOMATIC },
        { "Auto-Submitted: no\r\nAuto-Submitted: auto-notified\r\n", MAY_NOT_AUTOMATIC },
        { "Content-Type: multipart/report; report-type=x\r\n", MAY_NOT_AUTOMATIC },
        { "Content-Type: multipart/mixed\r\n", MAY_NOTIFY },
        { "Precedence: bulk\r\n", MAY_NOT_BULK },
        { "Precedence: List\r\n", MAY_NOT_BULK },
        { "Precedence:  JUNK\r\n", MAY_NOT_BULK },
        { "Precedence: first-class\r\n", MAY_NOTIFY },
        { "Precedence: bulky\r\n", MAY_NOTIFY },
        { "List-Id: <x.example.org>\r\n", MAY_NOT_LIST },
        { "LIST-unsubscribe: <mailto:x@y>\r\n", MAY_NOT_LIST },
        { "Listing: x\r\n", MAY_NOTIFY },
        { "Mailing-List: x\r\n", MAY_NOT_LIST },
        { "X-Auto-Response-Suppress: DR, OOF\r\n", MAY_NOT_SUPPRESSED },
        { "X-Auto-Response-Suppress: All\r\n", MAY_NOT_SUPPRESSED },
        { "X-Auto-Response-Suppress: None\r\n", MAY_NOTIFY },
        { "X-Auto-Response-Suppress:\r\n", MAY_NOTIFY },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *header = cases[i].header;
        for (int kind = NOTICE_DELAYED; kind <= NOTICE_ARRIVED; kind++) {
            enum may_notify want = kind == NOTICE_FAILED ? MAY_NOTIFY : cases[i].want;
            enum may_notify got =
                ask((enum notice_kind)kind, ENVELOPE_PROVED, "a@example.org", header);
            if (got != want)
                fail_msg("%s %s: %s", header, notice_kind_name((enum notice_kind)kind),
                         may_notify_name(got));
        }
    }
}

static void each_recipient_has_its_own_wish(void **state)
{
    static const struct {
        unsigned notify;
        bool delayed, failed, relayed, arrived;
    } cases[] = {
        { NOTIFY_DEFAULT, true, true, false, true },
        { NOTIFY_NEVER, false, false, false, false },
        { NOTIFY_NEVER | NOTIFY_FAILURE, false, false, false, false },
        { NOTIFY_SUCCESS, false, false, true, true },
        { NOTIFY_FAILURE, false, true, false, false },
        { NOTIFY_DELAY, true, false, false, false },
        { NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, true, true, true, true },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct recipient recipient = { .notify = (uint8_t)cases[i].notify };
        const bool want[] = { cases[i].delayed, cases[i].failed, cases[i].relayed,
                              cases[i].arrived };
        for (int kind = NOTICE_DELAYED; kind <= NOTICE_ARRIVED; kind++) {
            enum notice_kind k = (enum notice_kind)kind;
            recipient.is_held_back = false;
            assert_int_equal(may_notify_of(k, &recipient),
                             want[kind] ? MAY_NOTIFY : MAY_NOT_UNASKED);
            recipient.is_held_back = true;
            assert_int_equal(may_notify_of(k, &recipient), MAY_NOT_HELD_BACK);
        }
    }
}

static void every_reason_has_a_name(void **state)
{
    (void)state;
    for (int why = MAY_NOTIFY; why <= MAY_NOT_BE_WRITTEN; why++)
        assert_non_null(may_notify_name((enum may_notify)why));
    assert_str(str_from(may_notify_name(MAY_NOT_BE_WRITTEN)), STR("not_writable"));
    assert_str(str_from(notice_kind_name(NOTICE_ARRIVED)), STR("arrived"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_who_was_proved),
        cmocka_unit_test(no_machine_hears_of_a_delay),
        cmocka_unit_test(each_recipient_has_its_own_wish),
        cmocka_unit_test(every_reason_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
