/* SPDX-License-Identifier: ISC */
/* test_smtp_greeting.c: what EHLO's reply announces. */
#include "testing.h"

#include "wire/smtp_greeting.h"

static struct smtp_greeting greeting_of(const char *text)
{
    struct smtp_reply reply = { .code = 250, .text = str_from(text) };
    return smtp_greeting_parse(&reply);
}

static void knows_the_extensions(void **state)
{
    static const struct {
        const char *text;
        unsigned extensions;
    } cases[] = {
        { "", 0 },
        { "PIPELINING", 0 }, /* the first line is a name, not a keyword */
        { "a\nPIPELINING", EXTENSION_PIPELINING },
        { "a\npipelining\nChunking", EXTENSION_PIPELINING | EXTENSION_CHUNKING },
        { "a\n8BITMIME\nSMTPUTF8\nDSN", EXTENSION_8BITMIME | EXTENSION_SMTPUTF8 | EXTENSION_DSN },
        { "a\nSTARTTLS\nENHANCEDSTATUSCODES\nREQUIRETLS\nBINARYMIME",
          EXTENSION_STARTTLS | EXTENSION_ENHANCEDSTATUSCODES | EXTENSION_REQUIRETLS |
              EXTENSION_BINARYMIME },
        { "a\nXCLIENT NAME ADDR PROTO", EXTENSION_XCLIENT },
        { "a\nVRFY\nAUTH PLAIN\nAUTH=PLAIN\nETRN\n\n ", 0 },
        { "a\nPIPELININGS\nCHUNK", 0 },
        { "a\nSIZE ten\nDSN", EXTENSION_DSN },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(greeting_of(cases[i].text).extensions, cases[i].extensions);
}

static void reads_size_and_limits(void **state)
{
    (void)state;
    assert_int_equal(greeting_of("a\nSIZE").extensions, EXTENSION_SIZE);
    assert_int_equal(greeting_of("a\nSIZE").size_max, 0);
    assert_int_equal(greeting_of("a\nSIZE 0").size_max, 0);
    assert_int_equal(greeting_of("a\nsize 10240000").size_max, 10240000);
    assert_int_equal(greeting_of("a\nSIZE 18446744073709551615").size_max, UINT64_MAX);
    assert_int_equal(greeting_of("a\nSIZE 18446744073709551616").extensions, 0);

    struct smtp_greeting greeting = greeting_of("a\nLIMITS MAILMAX=7 rcptmax=50 RCPTDOMAINMAX=1 X");
    assert_int_equal(greeting.extensions, EXTENSION_LIMITS);
    assert_int_equal(greeting.messages_max, 7);
    assert_int_equal(greeting.recipients_max, 50);
    greeting = greeting_of("a\nLIMITS MAILMAX=1000000 RCPTMAX=-1");
    assert_int_equal(greeting.messages_max, 0);
    assert_int_equal(greeting.recipients_max, 0);
}

static void takes_the_name(void **state)
{
    (void)state;
    assert_str(greeting_of("mx.example Hello you\nDSN").name, STR("mx.example"));
    assert_str(greeting_of("mx.example").name, STR("mx.example"));
    assert_str(greeting_of("\nDSN").name, STR(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_extensions),
        cmocka_unit_test(reads_size_and_limits),
        cmocka_unit_test(takes_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
