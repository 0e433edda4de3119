/* SPDX-License-Identifier: ISC */
/* test_cli.c: tables and numbers, and whole commands against a node that answers from memory. The
 * node is a child process that speaks the control protocol on a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/table.h"
#include "control/fake.h"
#include "control/line.h"

static void assert_text(struct buf *buf, const char *expected)
{
    buf_add_byte(buf, '\0');
    assert_string_equal(buf->ptr, expected);
    buf_fini(buf);
}

static void aligns_columns(void **state)
{
    struct table table = { .heading = { "NAME", ">COUNT", "REST" } };
    struct buf out = { 0 };
    (void)state;
    table_add(&table, STR("übung"));
    table_add(&table, STR("5"));
    table_add(&table, STR("a\x1b[31m"));
    table_add(&table, STR("x"));
    table_add(&table, STR("1234567"));
    table_add(&table, STR(""));
    table_print(&table, &out);
    assert_text(&out, "NAME     COUNT  REST\n"
                      "übung        5  a\\x1b[31m\n"
                      "x      1234567  \n");
}

static void colors_only_where_asked(void **state)
{
    struct table table = { .heading = { "A" }, .use_color = true };
    struct buf out = { 0 };
    (void)state;
    table_add_colored(&table, STR("up"), COLOR_GOOD);
    table_print(&table, &out);
    assert_text(&out, "\033[1mA\033[0m\n\033[32mup\033[0m\n");
}

static void writes_numbers_for_people(void **state)
{
    static const struct {
        int64_t number;
        const char *size, *span;
    } cases[] = {
        { 0, "0 B", "0s" },
        { 999, "999 B", "0s" },
        { 1000, "1.0 kB", "1s" },
        { 59999, "60 kB", "59s" },
        { 60000, "60 kB", "1m" },
        { 999949, "1000 kB", "16m" },
        { 999950, "1.0 MB", "16m" },
        { 11520000, "12 MB", "3h12m" },
        { 187200000, "187 MB", "2d4h" },
        { 2500000000000, "2.5 TB", "28935d4h" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf size = { 0 };
        struct buf span = { 0 };
        human_add_size(&size, cases[i].number);
        human_add_span(&span, cases[i].number);
        assert_text(&size, cases[i].size);
        assert_text(&span, cases[i].span);
    }
}

/* ---- a node ---- */

static char socket_path[64];
static pid_t node;

static void ignore_line(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static void serve(struct fake *fake, int fd)
{
    struct control_lines lines = { .size_max = CONTROL_REQUEST_MAX };
    struct str line;
    char bytes[4096];
    ssize_t got;

    while ((got = read(fd, bytes, sizeof bytes)) > 0) {
        control_lines_feed(&lines, str_of(bytes, (size_t)got));
        while (control_lines_next(&lines, &line)) {
            fake->more = true;
            control_request(fake->control, 1, line, fake_now());
            fake_turn(fake);
            while (fake->more) {
                control_continue(fake->control, 1);
                fake_turn(fake);
            }
            check(write(fd, fake->answers.ptr, fake->answers.len) == (ssize_t)fake->answers.len);
            buf_reset(&fake->answers);
        }
    }
    control_lines_fini(&lines);
    (void)close(fd);
}

static int start_node(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    (void)snprintf(socket_path, sizeof socket_path, "/tmp/holdfast-cli-%d.sock", (int)getpid());
    memcpy(address.sun_path, socket_path, strlen(socket_path));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    node = fork();
    if (node == 0) {
        log_set_sink(ignore_line, NULL);
        struct fake *fake = fake_new();
        fake->knows_routes = true;
        for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;)
            serve(fake, fd);
        fake_free(fake);
        _exit(0);
    }
    (void)close(listener);
    return 0;
}

static int stop_node(void **state)
{
    (void)state;
    (void)kill(node, SIGKILL);
    (void)waitpid(node, NULL, 0);
    (void)unlink(socket_path);
    return 0;
}

/* Runs the command; what it printed is in `printed` (standard output and error, 16 KiB). */
static char printed[16384];

static int run(const char *const *words)
{
    char name[] = "/tmp/holdfast-cli-XXXXXX";
    char *argv[16] = { (char *)(uintptr_t) "holdfast" };
    int argc = 1;
    int fd = mkstemp(name);
    int saved[2] = { dup(1), dup(2) };

    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    argv[argc++] = (char *)(uintptr_t) "--socket";
    argv[argc++] = socket_path;
    (void)fflush(stdout);
    assert_true(dup2(fd, 1) >= 0 && dup2(fd, 2) >= 0);
    int status = cli_main(argc, argv);
    assert_true(dup2(saved[0], 1) >= 0 && dup2(saved[1], 2) >= 0);
    ssize_t len = pread(fd, printed, sizeof printed - 1, 0);
    printed[len > 0 ? len : 0] = '\0';
    (void)close(fd);
    (void)close(saved[0]);
    (void)close(saved[1]);
    (void)unlink(name);
    return status;
}

#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

/* A table's row, whatever the width of its columns. */
static void assert_row(const char *first, const char *second, const char *third)
{
    char cells[3][64] = { { 0 } };
    const char *row = printed;

    while (row != NULL && (strncmp(row, first, strlen(first)) != 0 || row[strlen(first)] != ' '))
        row = strchr(row, '\n') != NULL ? strchr(row, '\n') + 1 : NULL;
    assert_non_null(row);
    assert_int_equal(sscanf(row, "%63s %63s %63s", cells[0], cells[1], cells[2]), 3);
    assert_string_equal(cells[0], first);
    assert_string_equal(cells[1], second);
    assert_string_equal(cells[2], third);
}

static void assert_printed(const char *part)
{
    if (strstr(printed, part) == NULL)
        print_error("printed:\n%s\nlacks: %s\n", printed, part);
    assert_non_null(strstr(printed, part));
}

static void tells_a_domain_s_story(void **state)
{
    (void)state;
    assert_int_equal(RUN("domain", "list"), EXIT_OK);
    assert_printed("no domain is protected yet");
    assert_int_equal(
        RUN("domain", "add", "example.org", "--primary", "127.0.0.1:2526", "--hold", "3d"),
        EXIT_OK);
    assert_printed("primary         127.0.0.1:2526");
    assert_row("hold", "3d", "domain");
    assert_row("rescue", "30d", "node");
    assert_int_equal(RUN("domain", "add", "example.org"), EXIT_REFUSED);
    assert_printed("holdfast: example.org is protected already");
    assert_int_equal(RUN("domain", "set", "example.org", "--set", "holt=1d"), EXIT_REFUSED);
    assert_printed("did you mean hold?");
    assert_int_equal(RUN("domain", "pause", "example.org"), EXIT_OK);
    assert_printed("paused          until `holdfast domain resume`");
    assert_int_equal(RUN("domain", "resume", "example.org"), EXIT_OK);
    assert_int_equal(RUN("domain", "check", "example.org"), EXIT_OK);
    assert_printed("problem         no host is known");
    assert_int_equal(RUN("domain", "list"), EXIT_OK);
    assert_printed("example.org  up");
    assert_int_equal(RUN("domain", "remove", "example.org"), EXIT_REFUSED);
    assert_printed("--force");
    assert_int_equal(RUN("domain", "remove", "example.org", "--force"), EXIT_OK);
    assert_printed("example.org is no longer protected");
    assert_int_equal(RUN("domain", "show", "example.org"), EXIT_REFUSED);
}

static void tells_the_state(void **state)
{
    (void)state;
    assert_int_equal(RUN("status"), EXIT_OK);
    assert_printed("hostname        mx2.example.net\n");
    assert_printed("store           ok, 20 B used, 1.0 kB free\n");
    assert_printed("receiver-1   42");
    assert_int_equal(RUN("status", "--json"), EXIT_OK);
    json_t *json = json_loads(printed, 0, NULL);
    assert_true(json_is_true(json_object_get(json, "ok")));
    json_decref(json);
}

static void shows_and_settles_messages(void **state)
{
    (void)state;
    assert_int_equal(RUN("queue", "list", "--limit", "1"), EXIT_OK);
    assert_printed(FAKE_HELD "  example.org  held");
    assert_printed("more: the same with --after 1763750000000.1");
    assert_int_equal(RUN("queue", "show", FAKE_HELD), EXIT_OK);
    assert_printed("sender          s@remote.example");
    assert_printed("Anna@example.org  held");
    assert_null(strchr(printed, '\x1b'));
    assert_int_equal(RUN("queue", "release", FAKE_HELD), EXIT_OK);
    assert_printed("done for 1 recipients");
    assert_int_equal(RUN("queue", "show", "01KAM0000000000000000000ZZ"), EXIT_REFUSED);
    assert_int_equal(RUN("queue", "show", "01KAM0000000000000000000ZZ", "--json"), EXIT_REFUSED);
    assert_printed("\"code\":\"no-such-message\"");
    assert_int_equal(RUN("queue", "flush"), EXIT_OK);
}

static void speaks_german(void **state)
{
    (void)state;
    (void)setenv("LC_ALL", "de_DE.UTF-8", 1);
    int status = RUN("status");
    (void)setenv("LC_ALL", "C", 1);
    assert_int_equal(status, EXIT_OK);
    assert_printed("läuft seit      ");
    assert_printed("Lager           ok, 20 B belegt, 1.0 kB frei\n");
    assert_printed("ROLLE");
}

static void exports_the_very_octets(void **state)
{
    (void)state;
    assert_int_equal(RUN("queue", "export", FAKE_HELD), EXIT_OK);
    assert_string_equal(printed, "Subject: x\r\n\r\nhey\n");
    assert_int_equal(RUN("queue", "export", "01KAM0000000000000000000ZZ"), EXIT_REFUSED);
}

static void says_what_to_do_without_a_node(void **state)
{
    (void)stop_node(state);
    assert_int_equal(RUN("status"), EXIT_REFUSED);
    assert_printed("is holdfast running? start it with");
    assert_int_equal(RUN("version"), EXIT_OK);
    assert_int_equal(RUN("check-config", "--config", "/nowhere"), EXIT_USAGE);
    assert_printed("cannot be read");
    assert_int_equal(RUN("domain"), EXIT_OK);
    assert_int_equal(RUN("--help"), EXIT_OK);
}

int main(void)
{
    (void)setenv("LC_ALL", "C", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns_columns),
        cmocka_unit_test(colors_only_where_asked),
        cmocka_unit_test(writes_numbers_for_people),
        cmocka_unit_test_setup_teardown(tells_a_domain_s_story, start_node, stop_node),
        cmocka_unit_test_setup_teardown(tells_the_state, start_node, stop_node),
        cmocka_unit_test_setup_teardown(shows_and_settles_messages, start_node, stop_node),
        cmocka_unit_test_setup_teardown(speaks_german, start_node, stop_node),
        cmocka_unit_test_setup_teardown(exports_the_very_octets, start_node, stop_node),
        cmocka_unit_test_setup(says_what_to_do_without_a_node, start_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
