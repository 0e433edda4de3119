/* SPDX-License-Identifier: ISC */
/* test_relay.c: mail for listed domains and nobody else's, however the recipient is written. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "verify/relay.h"

struct fixture {
    char folder[64];
    char path[96];
    struct worker *worker;
    struct directory *directory;
};

static void ignore_line(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static void is_done(void *context, int error)
{
    (void)context;
    assert_int_equal(error, 0);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    const struct domain_record record = { .name = STR("example.org") };

    log_set_sink(ignore_line, NULL);
    (void)snprintf(fixture.folder, sizeof fixture.folder, "/tmp/holdfast-relay-XXXXXX");
    assert_non_null(mkdtemp(fixture.folder));
    (void)snprintf(fixture.path, sizeof fixture.path, "%s/directory.db", fixture.folder);
    fixture.worker = worker_new_inline();
    assert_int_equal(directory_open(fixture.path, fixture.worker, &fixture.directory), 0);
    directory_put_domain(fixture.directory, &record, is_done, NULL);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const behind[] = { "", "-wal", "-shm" };
    struct fixture *fixture = *state;

    directory_close(fixture->directory);
    worker_free(fixture->worker);
    for (size_t i = 0; i < COUNT_OF(behind); i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "%s%s", fixture->path, behind[i]);
        (void)unlink(name);
    }
    return rmdir(fixture->folder);
}

static void takes_mail_for_listed_domains_only(void **state)
{
    static const struct {
        const char *recipient;
        uint16_t code;
    } cases[] = {
        { "someone@example.org", 250 },
        { "\"a@b\"@example.org", 250 },
        { "someone@example.net", 550 },
        { "someone@sub.example.org", 550 }, /* a domain does not speak for those below it */
        { "someone@myexample.org", 550 },
        { "someone@org", 550 },
        { "someone@[192.0.2.1]", 550 },
        { "\"x@example.org\"@evil.example", 550 }, /* only the last @ counts */
        { "x%example.org@evil.example", 550 },
        { "someone@example.org@evil.example", 550 },
        { "someone@", 550 },
    };
    const struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct verdict verdict = relay_check(fixture->directory, str_from(cases[i].recipient));
        if (verdict.code != cases[i].code)
            fail_msg("%s: %u", cases[i].recipient, verdict.code);
    }
}

static void says_why(void **state)
{
    const struct fixture *fixture = *state;
    struct verdict verdict = relay_check(fixture->directory, STR("x@example.net"));
    struct buf line = { 0 };

    verdict_add_line(&line, &verdict);
    assert_str(str_first(buf_str(&line), 25), STR("550 5.7.1 Relaying denied"));
    assert_true(str_ends_nocase(buf_str(&line), STR("example.net")));
    buf_fini(&line);
}

static void has_no_postmaster_of_its_own(void **state)
{
    const struct fixture *fixture = *state;
    struct verdict verdict = relay_check(fixture->directory, STR("postmaster"));
    assert_int_equal(verdict.code, 550);
    assert_int_equal(verdict.enhanced[1], 1);
}

static void copes_with_a_name_of_any_length(void **state)
{
    const struct fixture *fixture = *state;
    char text[1000];

    memset(text, 'x', sizeof text);
    text[1] = '@';
    assert_int_equal(relay_check(fixture->directory, str_of(text, sizeof text)).code, 550);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_mail_for_listed_domains_only),
        cmocka_unit_test(says_why),
        cmocka_unit_test(has_no_postmaster_of_its_own),
        cmocka_unit_test(copes_with_a_name_of_any_length),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
