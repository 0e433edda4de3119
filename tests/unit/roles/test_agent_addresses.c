/* SPDX-License-Identifier: ISC */
/* Lines go where the backup is: the system's lookup, the backup's connection and the line's states
 * are ours here. */
#include "testing.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "roles/agent/private.h"

enum { LINES = 2, WAIT_MS = 30 * SECOND_MS };

static struct {
    unsigned lookups;
    unsigned addresses; /* that there are: 192.0.2.0, 192.0.2.1, … */
    unsigned refused;   /* bits: connections that fail before they have begun */
} world;

static struct {
    unsigned count;
    unsigned to[8]; /* the last octet */
} calls[LINES];

static struct {
    unsigned count;
    const char *event;
} failures[LINES];

/* ---- what stands around it ---- */

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): theirs are reserved */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    (void)service;
    (void)hints;
    assert_string_equal(host, "backup.example");
    world.lookups++;
    for (unsigned i = world.addresses; i > 0; i--) {
        struct addrinfo *one = memory_new(sizeof *one);
        struct sockaddr_in *address = memory_new(sizeof *address);
        address->sin_addr.s_addr = htonl(0xc0000200 + i - 1);
        one->ai_family = AF_INET;
        one->ai_addr = (struct sockaddr *)address;
        one->ai_next = *found;
        *found = one;
    }
    return world.addresses > 0 ? 0 : EAI_NONAME;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
void freeaddrinfo(struct addrinfo *found)
{
    while (found != NULL) {
        struct addrinfo *next = found->ai_next;
        memory_free(found->ai_addr);
        memory_free(found);
        found = next;
    }
}

static size_t index_of(const struct agent_line *line)
{
    return (size_t)(line - line->agent->line);
}

void agent_line_enter(struct agent_line *line, enum line_state state, int64_t deadline_ms)
{
    line->state = state;
    line->deadline_ms = deadline_ms;
}

void agent_line_fail(struct agent_line *line, const char *event, struct str why, const char *hint)
{
    (void)why;
    (void)hint;
    failures[index_of(line)].count++;
    failures[index_of(line)].event = event;
    agent_addresses_look_elsewhere(line);
    line->state = LINE_RESTING;
}

void agent_backup_connect(struct agent_line *line)
{
    size_t index = index_of(line);
    struct endpoint to = agent_addresses_next(line);

    assert_int_equal(to.port, 366);
    line->state = LINE_CONNECTING;
    calls[index].to[calls[index].count++] = to.address[3];
    if (world.refused & 1u << to.address[3])
        agent_line_fail(line, "backup_away", STR("refused"), NULL);
}

/* ---- a pair of lines ---- */

static const struct agent_settings settings = { .backup = { "backup.example", 14 },
                                                .backup_port = 366,
                                                .lines = LINES };

static int set_up(void **state)
{
    struct agent *agent = memory_new(sizeof *agent);

    memset(&world, 0, sizeof world);
    memset(calls, 0, sizeof calls);
    memset(failures, 0, sizeof failures);
    agent->settings = &settings;
    agent->loop = loop_new();
    for (unsigned i = 0; i < LINES; i++)
        agent->line[i].agent = agent;
    agent_addresses_init(agent);
    *state = agent;
    return 0;
}

static int tear_down(void **state)
{
    struct agent *agent = *state;

    agent_addresses_fini(agent);
    loop_free(agent->loop);
    memory_free(agent);
    return 0;
}

static void resolve_both(struct agent *agent)
{
    for (unsigned i = 0; i < LINES; i++)
        agent_addresses_resolve(&agent->line[i]);
}

static void wait_for_lookup(const struct agent *agent)
{
    struct pollfd worker = { worker_descriptor(agent->addresses.worker), POLLIN, 0 };

    assert_int_equal(poll(&worker, 1, WAIT_MS), 1);
    assert_int_equal(worker_collect(agent->addresses.worker), 1);
}

static void fail_both(struct agent *agent)
{
    for (unsigned i = 0; i < LINES; i++)
        agent_line_fail(&agent->line[i], "backup_away", STR("no answer"), NULL);
}

/* ---- what they do ---- */

static void all_lines_wait_for_one_lookup(void **state)
{
    struct agent *agent = *state;

    world.addresses = 1;
    resolve_both(agent);
    assert_int_equal(agent->line[0].state, LINE_RESOLVING);
    wait_for_lookup(agent);
    assert_int_equal(world.lookups, 1);
    assert_int_equal(agent->line[0].state, LINE_CONNECTING);
    assert_int_equal(agent->line[1].state, LINE_CONNECTING);
}

static void what_serves_is_not_looked_up_again(void **state)
{
    struct agent *agent = *state;

    world.addresses = 1;
    agent_addresses_resolve(&agent->line[0]);
    wait_for_lookup(agent);
    agent_addresses_resolve(&agent->line[1]);
    assert_int_equal(agent->line[1].state, LINE_CONNECTING);
    assert_int_equal(world.lookups, 1);
    fail_both(agent);
    agent_addresses_resolve(&agent->line[0]);
    assert_int_equal(agent->line[0].state, LINE_RESOLVING);
    wait_for_lookup(agent);
    assert_int_equal(world.lookups, 2);
}

static void a_name_without_addresses_fails_them_all(void **state)
{
    struct agent *agent = *state;

    resolve_both(agent);
    wait_for_lookup(agent);
    for (unsigned i = 0; i < LINES; i++) {
        assert_int_equal(calls[i].count, 0);
        assert_int_equal(failures[i].count, 1);
        assert_string_equal(failures[i].event, "backup_unknown");
    }
}

/* Two lines that fail together have tried one address, not two: with two addresses they would
 * never come to the second. */
static void lines_that_fail_together_go_one_address_on(void **state)
{
    struct agent *agent = *state;

    world.addresses = 2;
    for (unsigned round = 0; round < 3; round++) {
        resolve_both(agent);
        wait_for_lookup(agent);
        fail_both(agent);
    }
    for (unsigned i = 0; i < LINES; i++) {
        assert_int_equal(calls[i].to[0], 0);
        assert_int_equal(calls[i].to[1], 1);
        assert_int_equal(calls[i].to[2], 0);
    }
}

/* The first line has found out, before the second is asked, that nobody is there: that is not to
 * say that there is no address. */
static void an_address_that_fails_at_once_does_not_hide_the_other(void **state)
{
    struct agent *agent = *state;

    world.addresses = 2;
    world.refused = 1;
    resolve_both(agent);
    wait_for_lookup(agent);
    assert_int_equal(failures[0].count, 1);
    assert_string_equal(failures[0].event, "backup_away");
    assert_int_equal(failures[1].count, 0);
    assert_int_equal(calls[1].to[0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_lines_wait_for_one_lookup, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_serves_is_not_looked_up_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_without_addresses_fails_them_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_that_fail_together_go_one_address_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_address_that_fails_at_once_does_not_hide_the_other,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
