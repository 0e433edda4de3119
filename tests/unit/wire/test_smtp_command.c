/* SPDX-License-Identifier: ISC */
/* test_smtp_command.c: command lines and their arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/smtp_command.h"

static void assert_str(struct str got, const char *want)
{
    if (!str_equals(got, str_from(want)))
        fail_msg("got \"%.*s\", want \"%s\"", STR_FMT(got), want);
}

static void knows_the_verbs(void **state)
{
    static const struct {
        const char *line, *argument;
        enum smtp_verb verb;
    } cases[] = {
        { "EHLO a.example", "a.example", SMTP_EHLO },
        { "helo a.example", "a.example", SMTP_HELO },
        { "MaIl FROM:<a@b.example>  ", "FROM:<a@b.example>", SMTP_MAIL },
        { "RCPT\tTO:<>", "TO:<>", SMTP_RCPT },
        { "DATA", "", SMTP_DATA },
        { "DATA ", "", SMTP_DATA },
        { "BDAT 10 LAST", "10 LAST", SMTP_BDAT },
        { "RSET", "", SMTP_RSET },
        { "NOOP x y", "x y", SMTP_NOOP },
        { "QUIT", "", SMTP_QUIT },
        { "VRFY a", "a", SMTP_VRFY },
        { "EXPN a", "a", SMTP_EXPN },
        { "HELP", "", SMTP_HELP },
        { "STARTTLS", "", SMTP_STARTTLS },
        { "AUTH PLAIN", "PLAIN", SMTP_AUTH },
        { "", "", SMTP_UNKNOWN },
        { " EHLO a", "EHLO a", SMTP_UNKNOWN },
        { "EHLOO", "", SMTP_UNKNOWN },
        { "EHL", "", SMTP_UNKNOWN },
        { "DATA\v", "", SMTP_UNKNOWN },
        { "GET / HTTP/1.1", "/ HTTP/1.1", SMTP_UNKNOWN },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct smtp_command command = smtp_command_parse(str_from(cases[i].line));
        assert_int_equal(command.verb, cases[i].verb);
        assert_str(command.argument, cases[i].argument);
    }
}

static void reads_path_and_parameters(void **state)
{
    struct smtp_path path;
    (void)state;

    assert_int_equal(smtp_path_parse(STR("from: <a@b.example>  SIZE=12 body=8BITMIME  SMTPUTF8"),
                                     STR("FROM:"), ADDRESS_MAY_BE_NULL, &path),
                     SMTP_PATH_OK);
    assert_str(path.address.whole, "a@b.example");
    assert_int_equal(path.parameter_count, 3);
    assert_str(path.parameter[0].key, "SIZE");
    assert_str(path.parameter[0].value, "12");
    assert_str(path.parameter[1].key, "body");
    assert_str(path.parameter[1].value, "8BITMIME");
    assert_str(path.parameter[2].key, "SMTPUTF8");
    assert_null(path.parameter[2].value.ptr);
}

static void tells_what_is_wrong_with_a_path(void **state)
{
    static const struct {
        const char *argument;
        enum smtp_path_fault fault;
    } cases[] = {
        { "", SMTP_PATH_KEYWORD },
        { "TO:<a@b.example>", SMTP_PATH_KEYWORD },
        { "FROM", SMTP_PATH_KEYWORD },
        { "FROM <a@b.example>", SMTP_PATH_KEYWORD },
        { "FROM :<a@b.example>", SMTP_PATH_KEYWORD },
        { "FROM:", SMTP_PATH_ADDRESS },
        { "FROM:<a@b", SMTP_PATH_ADDRESS },
        { "FROM:SIZE=1", SMTP_PATH_ADDRESS },
        { "FROM:<>", SMTP_PATH_OK },
        { "FROM:<>x", SMTP_PATH_PARAMETER },
        { "FROM:<>SIZE=1", SMTP_PATH_PARAMETER },
        { "FROM:<> =1", SMTP_PATH_PARAMETER },
        { "FROM:<> SIZE=", SMTP_PATH_PARAMETER },
        { "FROM:<> SIZE=1=2", SMTP_PATH_PARAMETER },
        { "FROM:<> -SIZE=1", SMTP_PATH_PARAMETER },
        { "FROM:<> S_IZE=1", SMTP_PATH_PARAMETER },
        { "FROM:<> SIZE=1 size=2", SMTP_PATH_PARAMETER },
        { "FROM:<> SIZE=\x01", SMTP_PATH_PARAMETER },
        { "FROM:<> SIZE=\x7f", SMTP_PATH_PARAMETER },
        { "FROM:<> A B C D E F G H I J K L M N O P", SMTP_PATH_OK },
        { "FROM:<> A B C D E F G H I J K L M N O P Q", SMTP_PATH_PARAMETER },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct smtp_path path;
        enum smtp_path_fault fault =
            smtp_path_parse(str_from(cases[i].argument), STR("FROM:"), ADDRESS_MAY_BE_NULL, &path);
        if (fault != cases[i].fault)
            fail_msg("%s: fault %d", cases[i].argument, (int)fault);
    }
}

static void reads_the_size_of_a_chunk(void **state)
{
    static const struct {
        const char *argument;
        bool ok, last;
        uint64_t size;
    } cases[] = {
        { "0", true, false, 0 },
        { "0 LAST", true, true, 0 },
        { "86 last", true, true, 86 },
        { "00012  LAST", true, true, 12 },
        { "18446744073709551615", true, false, UINT64_MAX },
        { "18446744073709551616", false, false, 0 },
        { "", false, false, 0 },
        { "LAST", false, false, 0 },
        { "-1", false, false, 0 },
        { "+1", false, false, 0 },
        { "0x10", false, false, 0 },
        { "10 LAST LAST", false, false, 0 },
        { "10 FIRST", false, false, 0 },
        { "10LAST", false, false, 0 },
        { "1 0", false, false, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t size = 0;
        bool last = false;
        assert_int_equal(smtp_chunk_parse(str_from(cases[i].argument), &size, &last), cases[i].ok);
        assert_int_equal(last, cases[i].last);
        if (cases[i].ok)
            assert_true(size == cases[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_verbs),
        cmocka_unit_test(reads_path_and_parameters),
        cmocka_unit_test(tells_what_is_wrong_with_a_path),
        cmocka_unit_test(reads_the_size_of_a_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
