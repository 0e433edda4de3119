/* SPDX-License-Identifier: ISC */
/* test_recipient_list.c: lists as others write them, and as nobody should. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/recipient_list.h"

struct expectation {
    const char *text;
    enum list_format format;
    const char *addresses; /* with blanks between them */
    size_t others, catch_alls, faults;
};

static void reads(const struct expectation *expected)
{
    struct recipient_list list = { 0 };
    struct buf read = { 0 };

    recipient_list_read(&list, str_from(expected->text), expected->format, STR("example.org"));
    for (size_t i = 0; i < list.count; i++) {
        buf_add(&read, i > 0 ? STR(" ") : STR(""));
        buf_add(&read, list.address[i]);
    }
    if (!str_equals(buf_str(&read), str_from(expected->addresses)))
        fail_msg("%s: read %.*s", expected->text, STR_FMT(buf_str(&read)));
    assert_int_equal(list.others, expected->others);
    assert_int_equal(list.catch_alls, expected->catch_alls);
    assert_int_equal(list.faults, expected->faults);
    buf_fini(&read);
    recipient_list_fini(&list);
}

#define A "a@example.org"
#define B "b@example.org"

static void every_format_comes_to_the_same(void **state)
{
    static const struct expectation cases[] = {
        { "b@example.org\nA@Example.ORG\n# c\n\na@example.org", LIST_GUESS, A " " B, 0, 0, 0 },
        { "\xef\xbb\xbf" A "\r\n" B "\r\n", LIST_GUESS, A " " B, 0, 0, 0 },
        { "Name,E-Mail,Phone\n\"Doe, John\"," A ",1\nX,\"" B "\",2\n", LIST_GUESS, A " " B, 0, 0,
          0 },
        { "mail\n" A "\n", LIST_GUESS, A, 0, 0, 0 },
        { "1;" A ";x\n2;" B ";y\n", LIST_GUESS, A " " B, 0, 0, 0 },
        { "x\t" A "\ny\t" B, LIST_CSV, A " " B, 0, 0, 0 },
        { "\"q\"\"q\"," A "\n", LIST_CSV, A, 0, 0, 0 },
        { "# map\n" A " OK\n" B "\tsomebody\n  else\n@example.org all\nlocal x\n", LIST_GUESS,
          A " " B, 0, 1, 1 },
        { "dn: uid=a,dc=org\nmail: " A "\nobjectClass: x\n\ndn: b\nmail:: YkBleGFtcGxlLm9yZw==\n",
          LIST_GUESS, A " " B, 0, 0, 0 },
        { "version: 1\nproxyAddresses: SMTP:" A "\nproxyAddresses: smtp:b@exam\n ple.org\n"
          "proxyAddresses: X500:/o=x\nproxyAddresses: smtp:c@example.com\n",
          LIST_GUESS, A " " B, 1, 0, 0 },
        { "a@example.com\nc@example.net\n" A, LIST_PLAIN, A, 2, 0, 0 },
        { "no address\na@@example.org\n<" A ">\n", LIST_PLAIN, "", 0, 0, 3 },
        { "", LIST_GUESS, "", 0, 0, 0 },
        { "\n\n,,,\n", LIST_CSV, "", 0, 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        reads(&cases[i]);
}

static void faults_are_named_by_their_line(void **state)
{
    struct recipient_list list = { 0 };
    struct buf text = { 0 };
    (void)state;
    buf_add(&text, STR(A "\n\x1b[31mbad\n"));
    for (int i = 0; i < LIST_LINE_MAX + 1; i++)
        buf_add_byte(&text, 'x');
    for (int i = 0; i < 20; i++)
        buf_add(&text, STR("\nbad"));
    recipient_list_read(&list, buf_str(&text), LIST_PLAIN, STR("example.org"));
    assert_int_equal(list.faults, 22);
    assert_int_equal(list.fault[0].line, 2);
    assert_true(str_find(list.fault[0].text, '\x1b') < 0);
    assert_int_equal(list.fault[1].line, 3);
    assert_true(list.fault[1].text.len <= 64);
    recipient_list_fini(&list);
    buf_fini(&text);
}

/* ldapsearch, played by a script. */
static void a_directory_is_asked_without_a_shell(void **state)
{
    char folder[] = "/tmp/holdfast-ldap-XXXXXX";
    char path[64];
    struct buf out = { 0 };
    struct buf why = { 0 };
    struct list_ldap ldap = { .uri = STR("ldap://h"),
                              .base = STR("dc=a; touch x"),
                              .filter = STR("(mail=*)"),
                              .attribute = STR("mail") };
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/ldapsearch", folder);
    assert_int_equal(setenv("PATH", folder, 1), 0);
    assert_int_equal(recipient_list_ldap(&ldap, &out, &why), -2); /* ENOENT */
    assert_true(str_find(buf_str(&why), '-') > 0);                /* ldap-utils */
    FILE *script = fopen(path, "w");
    assert_non_null(script);
    (void)fputs("#!/bin/sh\nfor i; do echo \"# $i\"; done\necho mail: a@example.org\n", script);
    (void)fclose(script);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(recipient_list_ldap(&ldap, &out, &why), 0);
    struct recipient_list list = { 0 };
    recipient_list_read(&list, buf_str(&out), LIST_LDIF, STR("example.org"));
    assert_int_equal(list.count, 1);
    buf_add_byte(&out, '\0');
    assert_non_null(strstr(out.ptr, "# dc=a; touch x\n"));
    recipient_list_fini(&list);
    (void)unlink(path);
    (void)rmdir(folder);
    buf_fini(&out);
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_comes_to_the_same),
        cmocka_unit_test(faults_are_named_by_their_line),
        cmocka_unit_test(a_directory_is_asked_without_a_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
