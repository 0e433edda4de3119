/* SPDX-License-Identifier: ISC */
/* test_text.c: the catalogue is complete for the tables, and its formats fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "config/settings.h"

static void assert_translated(const char *english)
{
    if (text_in(LANGUAGE_DE, english) == english)
        print_error("not in the catalogue: %s\n", english);
    assert_ptr_not_equal(text_in(LANGUAGE_DE, english), english);
}

static void tables_are_translated(void **state)
{
    const struct command *command;
    size_t cursor = 0;
    (void)state;
    while ((command = command_next(&cursor)) != NULL)
        assert_translated(command->help);
    for (int i = 0; i < OPTION_COUNT; i++)
        assert_translated(option_rule((enum option)i)->help);
    for (int i = 0; i < SETTING_COUNT; i++)
        assert_translated(setting_rule((enum setting)i)->help);
}

/* "%lld x %s" -> "%lld%s" */
static void add_conversions(struct buf *out, const char *text)
{
    for (const char *at = strchr(text, '%'); at != NULL; at = strchr(at + 1, '%')) {
        size_t len = strspn(at + 1, "0123456789.*l") + 2;
        buf_add_bytes(out, at, len);
    }
}

static void translations_take_the_same_values(void **state)
{
    size_t count;
    const struct text_pair *pairs = text_catalogue(LANGUAGE_DE, &count);
    (void)state;
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        struct buf english = { 0 };
        struct buf other = { 0 };
        add_conversions(&english, pairs[i].english);
        add_conversions(&other, pairs[i].other);
        assert_true(str_equals(buf_str(&english), buf_str(&other)));
        size_t ends = strlen(pairs[i].english) - 1;
        size_t other_ends = strlen(pairs[i].other) - 1;
        assert_int_equal(pairs[i].english[ends] == '\n', pairs[i].other[other_ends] == '\n');
        assert_ptr_equal(text_in(LANGUAGE_DE, pairs[i].english), pairs[i].other);
        buf_fini(&english);
        buf_fini(&other);
    }
}

static void the_environment_chooses(void **state)
{
    (void)state;
    (void)unsetenv("LC_ALL");
    (void)unsetenv("LC_MESSAGES");
    (void)setenv("LANG", "de_DE.UTF-8", 1);
    assert_int_equal(language_from_environment(), LANGUAGE_DE);
    (void)setenv("LC_MESSAGES", "C", 1);
    assert_int_equal(language_from_environment(), LANGUAGE_EN);
    (void)setenv("LC_ALL", "de_AT", 1);
    assert_int_equal(language_from_environment(), LANGUAGE_DE);
    (void)setenv("LC_ALL", "", 1);
    (void)unsetenv("LC_MESSAGES");
    (void)unsetenv("LANG");
    assert_int_equal(language_from_environment(), LANGUAGE_EN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_translated),
        cmocka_unit_test(translations_take_the_same_values),
        cmocka_unit_test(the_environment_chooses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
