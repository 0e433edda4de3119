/* SPDX-License-Identifier: ISC */
/* test_route_state.c: every state and every event, with every count that matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "schedule/inner.h"
#include "world.h"

enum {
    UP = ROUTE_STATE_UP,
    SHAKY = ROUTE_STATE_SHAKY,
    DOWN = ROUTE_STATE_DOWN,
    PAUSED = ROUTE_STATE_PAUSED
};
enum {
    ANSWERED = ROUTE_EVENT_ANSWERED,
    FAILED = ROUTE_EVENT_FAILED,
    NO_PLAN = ROUTE_EVENT_NO_PLAN,
    PAUSE = ROUTE_EVENT_PAUSE,
    RESUME = ROUTE_EVENT_RESUME
};

static const struct {
    int from;
    uint32_t good, bad; /* in a row, before */
    int event;
    int to;
} arrows[] = {
    { UP, 0, 0, ANSWERED, UP },         { UP, 0, 0, FAILED, SHAKY },
    { UP, 0, 2, FAILED, DOWN },         { UP, 0, 0, NO_PLAN, DOWN },
    { UP, 0, 0, PAUSE, PAUSED },        { UP, 0, 0, RESUME, UP },
    { SHAKY, 0, 0, ANSWERED, SHAKY },   { SHAKY, 1, 0, ANSWERED, UP },
    { SHAKY, 0, 1, FAILED, SHAKY },     { SHAKY, 0, 2, FAILED, DOWN },
    { SHAKY, 0, 0, NO_PLAN, DOWN },     { SHAKY, 0, 0, PAUSE, PAUSED },
    { SHAKY, 0, 0, RESUME, SHAKY },     { DOWN, 0, 3, ANSWERED, DOWN },
    { DOWN, 1, 0, ANSWERED, UP },       { DOWN, 1, 0, FAILED, DOWN },
    { DOWN, 0, 9, FAILED, DOWN },       { DOWN, 0, 0, NO_PLAN, DOWN },
    { DOWN, 0, 0, PAUSE, PAUSED },      { DOWN, 0, 0, RESUME, DOWN },
    { PAUSED, 1, 0, ANSWERED, PAUSED }, { PAUSED, 0, 2, FAILED, PAUSED },
    { PAUSED, 0, 0, NO_PLAN, PAUSED },  { PAUSED, 0, 0, PAUSE, PAUSED },
    { PAUSED, 1, 2, RESUME, SHAKY },
};

static void follows_every_arrow(void **state)
{
    struct verdict verdict = verdict_make(451, 0, 0, STR("test"));

    (void)state;
    for (size_t i = 0; i < sizeof arrows / sizeof *arrows; i++) {
        struct world *world = world_new(i);
        world_set(world, SETTING_PROBES_UP, 2);
        world_add_domain(world, 0, 0);
        struct route *route = map_find(&world->schedule->routes, world_domain(0));
        route->state = (enum route_state)arrows[i].from;
        world->state[0] = route->state;
        route->good = arrows[i].good;
        route->bad = arrows[i].bad;
        route_state_event(route, (enum route_event)arrows[i].event, &verdict);
        if ((int)route->state != arrows[i].to)
            fail_msg("arrow %zu leads to %s", i, route_state_name(route->state));
        world_free(world);
    }
}

static void counts_in_a_row(void **state)
{
    struct world *world = world_new(1);
    struct verdict verdict = verdict_make(451, 0, 0, STR("test"));

    (void)state;
    world_add_domain(world, 0, 0);
    struct route *route = map_find(&world->schedule->routes, world_domain(0));
    world_set(world, SETTING_PROBES_UP, 2);
    route->settings = world->settings;
    for (int i = 0; i < 10; i++) { /* good and bad in turn get nowhere */
        route_state_event(route, ROUTE_EVENT_ANSWERED, &verdict);
        route_state_event(route, ROUTE_EVENT_FAILED, &verdict);
        assert_int_equal(route->state, ROUTE_STATE_SHAKY);
    }
    world_free(world);
}

static void an_outage_from_beginning_to_end(void **state)
{
    struct world *world = world_new(2);

    (void)state;
    world_add_domain(world, 0, 0);
    assert_int_equal(world->state[0], ROUTE_STATE_SHAKY);
    world_run(world, SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    world_kill(world, 0);
    (void)world_arrive(world, 0);
    world_run(world, 5 * SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_SHAKY);
    world_run(world, 20 * SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_DOWN);
    world_revive(world, 0);
    world_run(world, 10 * SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    assert_int_equal(world->delivered, 1);
    assert_int_equal(world->drained, 1);
    world_free(world);
}

static void paused_neither_probes_nor_drains(void **state)
{
    struct world *world = world_new(3);

    (void)state;
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    schedule_pause(world->schedule, world_domain(0), world->now.wall_ms + HOUR_MS, world->now);
    world->probes = 0;
    for (int i = 0; i < 10; i++)
        (void)world_arrive(world, 0);
    schedule_wake(world->schedule, world_domain(0), world->now);
    world_run(world, HOUR_MS - SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_PAUSED);
    assert_int_equal(world->probes + world->delivered, 0);
    world_run(world, 3 * SECOND_MS); /* its time is over */
    assert_int_equal(world->delivered, 10);

    schedule_pause(world->schedule, world_domain(0), NEVER_MS, world->now);
    (void)world_arrive(world, 0);
    world_run(world, 10 * DAY_MS / 4);
    assert_int_equal(world->delivered, 10);
    schedule_pause(world->schedule, world_domain(0), 0, world->now);
    world_run(world, SECOND_MS);
    assert_int_equal(world->delivered, 11);
    world_free(world);
}

static void keeps_the_last_plan_when_dns_dies(void **state)
{
    struct world *world = world_new(4);

    (void)state;
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    world->dns_is_dead = true;
    world_run(world, 2 * HOUR_MS);
    assert_true(world_status(world, 0).plan_is_old);
    (void)world_arrive(world, 0);
    world_run(world, SECOND_MS);
    assert_int_equal(world->delivered, 1);
    world->dns_is_dead = false;
    world_run(world, 2 * MINUTE_MS);
    assert_false(world_status(world, 0).plan_is_old);
    world_free(world);
}

static void no_plan_is_down_until_there_is_one(void **state)
{
    struct world *world = world_new(5);

    (void)state;
    world->dns_is_dead = true;
    (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_DOWN);
    assert_int_equal(world->opened, 0);
    world->dns_is_dead = false;
    world_run(world, 40 * SECOND_MS);
    assert_int_equal(world->delivered, 1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_every_arrow),
        cmocka_unit_test(counts_in_a_row),
        cmocka_unit_test(an_outage_from_beginning_to_end),
        cmocka_unit_test(paused_neither_probes_nor_drains),
        cmocka_unit_test(keeps_the_last_plan_when_dns_dies),
        cmocka_unit_test(no_plan_is_down_until_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
