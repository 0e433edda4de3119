/* SPDX-License-Identifier: ISC */
/* test_parse.c: words and options become a request, or an explanation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "control/control.h"

/* Splits at spaces, which none of the cases needs within a word. */
static int parse(struct cli *cli, const char *line, struct buf *why)
{
    static char words[512];
    static char *argv[32];
    int argc = 0;

    (void)strncpy(words, line, sizeof words - 1);
    argv[argc++] = words;
    for (char *at = words; (at = strchr(at, ' ')) != NULL && argc < 31;) {
        *at++ = '\0';
        argv[argc++] = at;
    }
    *cli = (struct cli){ .argc = argc, .argv = argv };
    return cli_parse(cli, argc, argv, why);
}

static void becomes_a_request(void **state)
{
    static const struct {
        const char *line, *request; /* NULL: refused */
    } cases[] = {
        { "holdfast status", "{\"op\":\"status\"}" },
        { "holdfast status --limit 5", "{\"limit\":5,\"op\":\"status\"}" },
        { "holdfast domain add x.org", "{\"name\":\"x.org\",\"op\":\"domain.add\"}" },
        { "holdfast --config f domain add x.org --primary a.org --primary=b.org:26 --hold 3d --set "
          "sessions=4",
          "{\"name\":\"x.org\",\"op\":\"domain.add\",\"primary\":[\"a.org\",\"b.org:26\"],"
          "\"set\":{\"hold\":\"3d\",\"sessions\":\"4\"}}" },
        { "holdfast domain set x.org --primary mx",
          "{\"name\":\"x.org\",\"op\":\"domain.set\",\"primary\":[]}" },
        { "holdfast domain remove x.org --force",
          "{\"force\":true,\"name\":\"x.org\",\"op\":\"domain.remove\"}" },
        { "holdfast domain pause x.org --until 2h",
          "{\"name\":\"x.org\",\"op\":\"domain.pause\",\"until\":\"2h\"}" },
        { "holdfast queue list --domain x.org --recipient a@x.org --state held --newest",
          "{\"domain\":\"x.org\",\"newest\":true,\"op\":\"queue.list\",\"recipient\":\"a@x.org\","
          "\"state\":\"held\"}" },
        { "holdfast queue flush", "{\"op\":\"queue.flush\"}" },
        { "holdfast queue flush x.org", "{\"domain\":\"x.org\",\"op\":\"queue.flush\"}" },
        { "holdfast queue show -- --odd", "{\"id\":\"--odd\",\"op\":\"queue.show\"}" },
        { "holdfast domain add x.org --set sessions", NULL },
        { "holdfast domain add x.org --set =5", NULL },
        { "holdfast domain add x.org --primary \xff", NULL },
        { "holdfast domain add x.org --set \xff=5", NULL },
        { "holdfast status --limit 0", NULL },
        { "holdfast status --limit x", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cli cli;
        struct buf why = { 0 };
        assert_int_equal(parse(&cli, cases[i].line, &why), EXIT_OK);
        json_t *request = cli_request(&cli, &why);
        assert_int_equal(request != NULL, cases[i].request != NULL);
        assert_int_equal(request == NULL, why.len > 0);
        if (request != NULL) {
            char *text = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
            assert_string_equal(text, cases[i].request);
            free(text);
        }
        json_decref(request);
        buf_fini(&why);
    }
}

static void says_what_is_wrong(void **state)
{
    static const char *const cases[][2] = {
        { "holdfast statsu", "there is no command `holdfast statsu`; did you mean status?" },
        { "holdfast quue list", "there is no command `holdfast quue`; did you mean queue?" },
        { "holdfast frobnicate", "there is no command `holdfast frobnicate`; see `holdfast help`" },
        { "holdfast domain ad", "there is no command `holdfast domain ad`; did you mean add?" },
        { "holdfast domain list x y",
          "\"x\" is one word too many; see `holdfast help domain list`" },
        { "holdfast domain add", "DOMAIN is missing: holdfast domain add DOMAIN" },
        { "holdfast queue show", "ID is missing: holdfast queue show ID" },
        { "holdfast status --wach",
          "there is no option --wach for `holdfast status`; did you mean --watch?" },
        { "holdfast --force status", "there is no option --force for `holdfast status`; add --help "
                                     "to see those there are" },
        { "holdfast status --watch=1",
          "--watch takes no value; leave out what stands behind the =" },
        { "holdfast status --config", "--config needs a value: --config FILE" },
        { "holdfast \x1b[2J", "there is no command `holdfast \\x1b[2J`; see `holdfast help`" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cli cli;
        struct buf why = { 0 };
        assert_int_equal(parse(&cli, cases[i][0], &why), EXIT_USAGE);
        buf_add_byte(&why, '\0');
        assert_string_equal(why.ptr, cases[i][1]);
        buf_fini(&why);
    }
}

static void bounds_repeated_options(void **state)
{
    struct cli cli;
    struct buf line = { 0 };
    struct buf why = { 0 };
    (void)state;
    buf_add(&line, STR("holdfast domain add x.org"));
    for (int i = 0; i <= VALUES_MAX; i++)
        buf_add(&line, STR(" --hold=5d"));
    buf_add_byte(&line, '\0');
    assert_int_equal(parse(&cli, line.ptr, &why), EXIT_USAGE);
    buf_fini(&line);
    buf_fini(&why);
}

static void every_command_fits_an_operation(void **state)
{
    const struct command *command;
    size_t cursor = 0;
    (void)state;
    while ((command = command_next(&cursor)) != NULL) {
        const char *name;
        const char *help;
        size_t next = 0;
        bool found = command->operation == NULL;
        while (!found && control_next_operation(&next, &name, &help))
            found = strcmp(name, command->operation) == 0;
        assert_true(found);
        assert_non_null(command->run);
        assert_non_null(command->help);
    }
}

static void helps_with_every_command(void **state)
{
    const struct command *command;
    size_t cursor = 0;
    (void)state;
    while ((command = command_next(&cursor)) != NULL) {
        struct buf help = { 0 };
        if (command->group[0] != '\0')
            assert_true(help_about(LANGUAGE_EN, command->group, command->name, &help));
        else
            assert_true(help_about(LANGUAGE_EN, command->name, NULL, &help));
        assert_true(help.len > 50);
        buf_fini(&help);
    }
    struct buf help = { 0 };
    assert_false(help_about(LANGUAGE_EN, "domain", "frobnicate", &help));
    assert_false(help_about(LANGUAGE_EN, "frobnicate", NULL, &help));
    buf_fini(&help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(becomes_a_request),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(bounds_repeated_options),
        cmocka_unit_test(every_command_fits_an_operation),
        cmocka_unit_test(helps_with_every_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
