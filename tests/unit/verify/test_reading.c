/* SPDX-License-Identifier: ISC */
/* test_reading.c: the answers of real servers, one row each. */
#include "testing.h"

#include "verify/reading.h"

static const struct {
    enum probe_stage stage;
    uint16_t code;
    const char *text;
    enum reading reading;
} cases[] = {
    { PROBE_CONNECT, 451, "4.4.1 Connection refused", READING_SILENT },
    { PROBE_GREETING, 421, "4.3.2 too busy", READING_SILENT },
    { PROBE_GREETING, 554, "5.7.1 blocked by our list", READING_UNWELCOME },
    { PROBE_GREETING, 450, "4.7.0 not now", READING_UNWELCOME },
    { PROBE_MAIL, 550, "5.7.1 sender refused", READING_UNWELCOME },
    { PROBE_MAIL, 450, "4.7.1 slow down", READING_LATER },
    { PROBE_MAIL, 421, "4.7.0 closing", READING_SILENT },
    { PROBE_RCPT, 250, "2.1.5 Ok", READING_VALID },
    { PROBE_RCPT, 251, "will forward", READING_VALID },
    { PROBE_RCPT, 252, "2.0.0 cannot verify", READING_ANYTHING },
    /* Postfix, Dovecot, Exchange, Gmail */
    { PROBE_RCPT, 550, "5.1.1 <x@example.org>: Recipient address rejected: User unknown",
      READING_INVALID },
    { PROBE_RCPT, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound; not found", READING_INVALID },
    { PROBE_RCPT, 550, "5.2.1 The email account is disabled", READING_INVALID },
    { PROBE_RCPT, 550, "5.1.2 bad host", READING_INVALID },
    { PROBE_RCPT, 553, "5.1.3 bad syntax", READING_INVALID },
    { PROBE_RCPT, 550, "5.1.6 has moved", READING_INVALID },
    { PROBE_RCPT, 551, "User not local", READING_INVALID },
    { PROBE_RCPT, 552, "5.2.2 over quota", READING_FULL },
    { PROBE_RCPT, 452, "4.2.2 mailbox full", READING_FULL },
    { PROBE_RCPT, 452, "4.5.3 too many recipients", READING_NOT_TRIED },
    { PROBE_RCPT, 450, "4.2.0 Greylisted", READING_LATER },
    { PROBE_RCPT, 451, "4.7.1 Greylisting in action", READING_LATER },
    { PROBE_RCPT, 451, "temporary lookup failure", READING_LATER },
    { PROBE_RCPT, 421, "4.7.0 too many errors", READING_SILENT },
    { PROBE_RCPT, 550, "Unknown user", READING_UNSURE }, /* Exim */
    { PROBE_RCPT, 550, "5.7.1 Relaying denied", READING_REFUSED },
    { PROBE_RCPT, 554, "5.7.1 Service unavailable; Client host blocked", READING_REFUSED },
    { PROBE_RCPT, 553, "sorry, that domain isn't in my list of allowed rcpthosts",
      READING_REFUSED },
    { PROBE_RCPT, 554, "Relay access denied", READING_REFUSED },
    { PROBE_RCPT, 550, "5.4.1 Recipient address rejected: Access denied", READING_UNSURE },
};

static void each_answer_has_its_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct verdict verdict = verdict_from_reply(cases[i].code, str_from(cases[i].text));
        enum reading reading = reading_of(cases[i].stage, &verdict);
        assert_string_equal(reading_name(reading), reading_name(cases[i].reading));
    }
}

static void a_control_tells_it_from_us(void **state)
{
    static const struct {
        enum reading reading, control, both;
    } rows[] = {
        { READING_UNSURE, READING_VALID, READING_INVALID },
        { READING_UNSURE, READING_FULL, READING_INVALID },
        { READING_UNSURE, READING_UNSURE, READING_UNWELCOME },
        { READING_UNSURE, READING_INVALID, READING_UNWELCOME },
        { READING_UNSURE, READING_REFUSED, READING_UNWELCOME },
        { READING_UNSURE, READING_LATER, READING_UNSURE },
        { READING_UNSURE, READING_SILENT, READING_UNSURE },
        { READING_UNSURE, READING_ANYTHING, READING_UNSURE },
        { READING_REFUSED, READING_VALID, READING_REFUSED },
        { READING_REFUSED, READING_REFUSED, READING_UNWELCOME },
        { READING_VALID, READING_REFUSED, READING_VALID },
        { READING_INVALID, READING_REFUSED, READING_INVALID },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(reading_with_control(rows[i].reading, rows[i].control), rows[i].both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_has_its_meaning),
        cmocka_unit_test(a_control_tells_it_from_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
