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
    HALF_UP = ROUTE_STATE_HALF_UP,
    BLOCKED = ROUTE_STATE_BLOCKED,
    OTHER = ROUTE_STATE_STRANGER,
    PAUSED = ROUTE_STATE_PAUSED
};
enum {
    STRANGER = ROUTE_EVENT_STRANGER,
    ANSWERED = ROUTE_EVENT_ANSWERED,
    FAILED = ROUTE_EVENT_FAILED,
    PUT_OFF = ROUTE_EVENT_PUT_OFF,
    UNWELCOME = ROUTE_EVENT_UNWELCOME,
    DEFERRED = ROUTE_EVENT_DEFERRED,
    TAKEN = ROUTE_EVENT_TAKEN,
    WELCOME = ROUTE_EVENT_WELCOME,
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
    { UP, 0, 0, ANSWERED, UP },
    { UP, 0, 0, FAILED, SHAKY },
    { UP, 0, 2, FAILED, DOWN },
    { UP, 0, 0, NO_PLAN, DOWN },
    { UP, 0, 0, PAUSE, PAUSED },
    { UP, 0, 0, RESUME, UP },
    { SHAKY, 0, 0, ANSWERED, SHAKY },
    { SHAKY, 1, 0, ANSWERED, UP },
    { SHAKY, 0, 1, FAILED, SHAKY },
    { SHAKY, 0, 2, FAILED, DOWN },
    { SHAKY, 0, 0, NO_PLAN, DOWN },
    { SHAKY, 0, 0, PAUSE, PAUSED },
    { SHAKY, 0, 0, RESUME, SHAKY },
    { DOWN, 0, 3, ANSWERED, DOWN },
    { DOWN, 1, 0, ANSWERED, UP },
    { DOWN, 1, 0, FAILED, DOWN },
    { DOWN, 0, 9, FAILED, DOWN },
    { DOWN, 0, 0, NO_PLAN, DOWN },
    { DOWN, 0, 0, PAUSE, PAUSED },
    { DOWN, 0, 0, RESUME, DOWN },
    { PAUSED, 1, 0, ANSWERED, PAUSED },
    { PAUSED, 0, 2, FAILED, PAUSED },
    { PAUSED, 0, 0, NO_PLAN, PAUSED },
    { PAUSED, 0, 0, PAUSE, PAUSED },
    { PAUSED, 1, 2, RESUME, SHAKY },
    { UP, 0, 0, PUT_OFF, SHAKY },
    { UP, 0, 2, PUT_OFF, HALF_UP },
    { UP, 0, 0, UNWELCOME, BLOCKED },
    { UP, 0, 0, DEFERRED, HALF_UP },
    { UP, 0, 0, TAKEN, UP },
    { UP, 0, 0, WELCOME, UP },
    { SHAKY, 0, 1, PUT_OFF, SHAKY },
    { SHAKY, 0, 2, PUT_OFF, HALF_UP },
    { SHAKY, 0, 0, UNWELCOME, BLOCKED },
    { SHAKY, 0, 0, DEFERRED, SHAKY },
    { SHAKY, 0, 0, TAKEN, SHAKY },
    { SHAKY, 0, 0, WELCOME, SHAKY },
    { DOWN, 0, 0, PUT_OFF, DOWN },
    { DOWN, 0, 2, PUT_OFF, HALF_UP },
    { DOWN, 0, 0, UNWELCOME, BLOCKED },
    { DOWN, 0, 0, DEFERRED, DOWN },
    { DOWN, 0, 0, TAKEN, DOWN },
    { DOWN, 0, 0, WELCOME, DOWN },
    { HALF_UP, 1, 0, ANSWERED, HALF_UP },
    { HALF_UP, 0, 0, FAILED, SHAKY },
    { HALF_UP, 0, 2, FAILED, DOWN },
    { HALF_UP, 0, 9, PUT_OFF, HALF_UP },
    { HALF_UP, 0, 0, UNWELCOME, BLOCKED },
    { HALF_UP, 0, 0, DEFERRED, HALF_UP },
    { HALF_UP, 0, 0, TAKEN, UP },
    { HALF_UP, 0, 0, WELCOME, HALF_UP },
    { HALF_UP, 0, 0, NO_PLAN, DOWN },
    { HALF_UP, 0, 0, PAUSE, PAUSED },
    { HALF_UP, 0, 0, RESUME, HALF_UP },
    { BLOCKED, 1, 0, ANSWERED, BLOCKED },
    { BLOCKED, 0, 1, FAILED, BLOCKED },
    { BLOCKED, 0, 2, FAILED, DOWN },
    { BLOCKED, 0, 1, PUT_OFF, BLOCKED },
    { BLOCKED, 0, 2, PUT_OFF, HALF_UP },
    { BLOCKED, 0, 9, UNWELCOME, BLOCKED },
    { BLOCKED, 0, 0, DEFERRED, BLOCKED },
    { BLOCKED, 0, 0, TAKEN, UP },
    { BLOCKED, 0, 0, WELCOME, UP },
    { BLOCKED, 0, 0, NO_PLAN, DOWN },
    { BLOCKED, 0, 0, PAUSE, PAUSED },
    { BLOCKED, 0, 0, RESUME, BLOCKED },
    { UP, 0, 0, STRANGER, OTHER },
    { SHAKY, 0, 0, STRANGER, OTHER },
    { DOWN, 0, 0, STRANGER, OTHER },
    { HALF_UP, 0, 0, STRANGER, OTHER },
    { BLOCKED, 0, 0, STRANGER, OTHER },
    { PAUSED, 0, 0, STRANGER, PAUSED },
    { OTHER, 0, 9, STRANGER, OTHER },
    { OTHER, 0, 0, ANSWERED, OTHER },
    { OTHER, 1, 0, ANSWERED, UP },
    { OTHER, 0, 1, FAILED, OTHER },
    { OTHER, 0, 2, FAILED, DOWN },
    { OTHER, 0, 1, PUT_OFF, OTHER },
    { OTHER, 0, 2, PUT_OFF, HALF_UP },
    { OTHER, 0, 0, UNWELCOME, BLOCKED },
    { OTHER, 0, 0, DEFERRED, OTHER },
    { OTHER, 0, 0, TAKEN, OTHER },
    { OTHER, 0, 0, WELCOME, OTHER },
    { OTHER, 0, 0, NO_PLAN, DOWN },
    { OTHER, 0, 0, PAUSE, PAUSED },
    { OTHER, 0, 0, RESUME, OTHER },
    { PAUSED, 0, 2, PUT_OFF, PAUSED },
    { PAUSED, 0, 0, UNWELCOME, PAUSED },
    { PAUSED, 0, 0, DEFERRED, PAUSED },
    { PAUSED, 0, 0, TAKEN, PAUSED },
    { PAUSED, 0, 0, WELCOME, PAUSED },
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

/* Where stock fail2ban jails count five failures in ten minutes, four are made. */
static void check_refusals_are_rare(const struct world *world)
{
    assert_true(world->refused >= 5);
    for (uint64_t i = 4; i < world->refused; i++)
        if (world->refused_ms[i] - world->refused_ms[i - 4] < 10 * MINUTE_MS)
            fail_msg("five refusals in %ld s",
                     (long)((world->refused_ms[i] - world->refused_ms[i - 4]) / SECOND_MS));
}

/* 5yz for a greeting: blocked at once, asked rarely, up when the canary is taken. */
static void who_is_refused_at_the_door_is_blocked(void **state)
{
    struct world *world = world_new(6);

    (void)state;
    world->primary[0].greets_with = 554;
    for (int i = 0; i < 50; i++)
        (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_BLOCKED);
    assert_int_equal(world_status(world, 0).reason.code, 554);
    world_run(world, 3 * HOUR_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_BLOCKED);
    assert_int_equal(world->dispatched, 0);
    check_refusals_are_rare(world);
    world->primary[0].greets_with = 0;
    world_run(world, 6 * MINUTE_MS + 10 * SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    assert_int_equal(world->delivered, 50);
    assert_int_equal(world->state_changes, 2);
    world_free(world);
}

/* Who answers at the primary's address and is not the primary gets nothing, and is asked rarely. */
static void somebody_else_gets_nothing(void **state)
{
    struct world *world = world_new(6);

    (void)state;
    world->primary[0].is_stranger = true;
    for (int i = 0; i < 50; i++)
        (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_STRANGER);
    assert_int_equal(world_status(world, 0).reason.enhanced[2], 8);
    world_run(world, 3 * HOUR_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_STRANGER);
    assert_int_equal(world->dispatched, 0);
    check_refusals_are_rare(world);
    world->primary[0].is_stranger = false;
    world_run(world, 6 * MINUTE_MS + 10 * SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    assert_int_equal(world->delivered, 50);
    world_free(world);
}

/* Two domains at one address, of which one wants it to be somebody: it is down for that one alone.
 */
static void who_asks_for_less_does_not_answer_for_who_asks_for_more(void **state)
{
    struct world *world = world_new(7);

    (void)state;
    world_add_domain(world, 0, 0);
    world_add_domain(world, 1, 0);
    world_run(world, SECOND_MS);
    const struct route *one = map_find(&world->schedule->routes, world_domain(0));
    const struct route *other = map_find(&world->schedule->routes, world_domain(1));
    assert_ptr_equal(one->way[0].target, other->way[0].target);
    struct route_plan plan = { .count = 1, .ttl_s = 3600 };
    plan.target[0] = (struct route_target){ .host = STR("mx.example"),
                                            .endpoint = one->way[0].target->endpoint,
                                            .security = STR("pinned") };
    schedule_resolved(world->schedule, world_domain(1), &plan, NULL, world->now);
    assert_ptr_not_equal(one->way[0].target, other->way[0].target);
    assert_true(str_equals(buf_str(&other->way[0].target->security), STR("pinned")));
    assert_int_equal(one->way[0].target->security.len, 0);
    world_free(world);
}

static void a_greeting_is_enough_where_nothing_waits(void **state)
{
    struct world *world = world_new(7);

    (void)state;
    world->primary[0].greets_with = 554;
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_BLOCKED);
    world->primary[0].greets_with = 0;
    world_run(world, 7 * MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    world_free(world);
}

/* One of two refuses us: the other one takes the mail. */
static void one_that_refuses_does_not_block_its_equal(void **state)
{
    struct world *world = world_new(8);

    (void)state;
    world->primary[0].greets_with = 554;
    world->second_of[0] = 1;
    world->second_is_equal = true;
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    for (int i = 0; i < 50; i++)
        (void)world_arrive(world, 0);
    world_run(world, MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    assert_int_equal(world->delivered, 50);
    world_free(world);
}

/* 450 for a greeting is no ban: half-up, and asked more often than who refuses us. */
static void who_is_put_off_at_the_door_is_half_up(void **state)
{
    struct world *world = world_new(9);

    (void)state;
    world->primary[0].greets_with = 450;
    (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, 30 * SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_HALF_UP);
    uint64_t before = world->refused;
    world_run(world, HOUR_MS);
    assert_in_range(world->refused - before, 12, 24);
    world->primary[0].greets_with = 0;
    world_run(world, 7 * MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    assert_int_equal(world->delivered, 1);
    world_free(world);
}

static void a_421_is_a_primary_that_is_down(void **state)
{
    struct world *world = world_new(10);

    (void)state;
    world->primary[0].greets_with = 421;
    world_add_domain(world, 0, 0);
    world_run(world, 30 * SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_DOWN);
    world_free(world);
}

static void who_defers_everything_is_half_up(void **state)
{
    struct world *world = world_new(11);

    (void)state;
    world->primary[0].defers_all = true;
    for (int i = 0; i < 100; i++)
        (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_HALF_UP);
    world_run(world, HOUR_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_HALF_UP);
    assert_in_range(world->dispatched, 25, 60);
    world->primary[0].defers_all = false;
    assert_true(world_run_until_empty(world, HOUR_MS));
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    world_free(world);
}

/* Nor is it asked without a pause about who it says it does not have. */
static void who_then_refuses_everything_is_not_hurried(void **state)
{
    struct world *world = world_new(11);

    (void)state;
    world->primary[0].defers_all = true;
    for (int i = 0; i < 3; i++) /* too few for the breaker */
        (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, 12LL * HOUR_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_HALF_UP);
    world->primary[0].defers_all = false;
    world->primary[0].refuses_all = true;
    world->primary[0].refuses_at = STAGE_RECIPIENT;
    world->primary[0].refuses_unknown = true;
    uint64_t before = world->dispatched;
    world_run(world, HOUR_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_HALF_UP);
    assert_in_range(world->dispatched - before, 2, 60);
    world->primary[0].refuses_all = false;
    assert_true(world_run_until_empty(world, HOUR_MS));
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    world_free(world);
}

static void greylisting_is_not_half_up(void **state)
{
    struct world *world = world_new(12);

    (void)state;
    world->primary[0].greylist_ms = 5 * MINUTE_MS;
    for (int i = 0; i < 100; i++)
        (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, 2 * MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    world_free(world);
}

/* Others find it out: nothing is given but a canary; and others find out that it is over. */
static void the_host_may_say_that_we_are_unwelcome(void **state)
{
    struct world *world = world_new(13);
    struct verdict verdict = verdict_make(554, 7, 1, STR("Blocked using a list"));

    (void)state;
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    schedule_unwelcome(world->schedule, world_domain(0), &verdict, world->now);
    assert_int_equal(world->state[0], ROUTE_STATE_BLOCKED);
    for (int i = 0; i < 10; i++)
        (void)world_arrive(world, 0);
    world_run(world, 20 * SECOND_MS);
    assert_int_equal(world->dispatched, 0); /* at the next probe */
    assert_int_equal(world_status(world, 0).reason.code, 554);
    schedule_welcome(world->schedule, world_domain(0), world->now);
    world_run(world, SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    assert_int_equal(world->delivered, 10);

    schedule_unwelcome(world->schedule, world_domain(0), &verdict, world->now);
    world_run(world, 13 * MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_BLOCKED); /* that it greets proves nothing */
    for (int i = 0; i < 10; i++)
        (void)world_arrive(world, 0);
    world_run(world, 7 * MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP); /* the canary was taken */
    assert_int_equal(world->delivered, 20);
    world_free(world);
}

static void signs_of_life_do_not_make_it_worse(void **state)
{
    struct world *world = world_new(14);

    (void)state;
    world->primary[0].greets_with = 554;
    (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    uint64_t before = world->refused;
    world->woken = true;
    for (int i = 0; i < 600; i++) {
        schedule_wake(world->schedule, world_domain(0), world->now);
        world_run(world, SECOND_MS);
    }
    assert_in_range(world->refused - before, 9, 11); /* a minute apart */
    world_free(world);
}

static void a_sign_of_life_puts_nothing_off(void **state)
{
    struct world *world = world_new(15);

    (void)state;
    world->primary[0].greets_with = 554;
    (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_BLOCKED);
    world->primary[0].greets_with = 0;
    schedule_wake(world->schedule, world_domain(0), world->now);
    world_run(world, 7 * SECOND_MS); /* it would have been tried again after five */
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
        cmocka_unit_test(who_is_refused_at_the_door_is_blocked),
        cmocka_unit_test(somebody_else_gets_nothing),
        cmocka_unit_test(who_asks_for_less_does_not_answer_for_who_asks_for_more),
        cmocka_unit_test(a_greeting_is_enough_where_nothing_waits),
        cmocka_unit_test(one_that_refuses_does_not_block_its_equal),
        cmocka_unit_test(who_is_put_off_at_the_door_is_half_up),
        cmocka_unit_test(a_421_is_a_primary_that_is_down),
        cmocka_unit_test(who_defers_everything_is_half_up),
        cmocka_unit_test(who_then_refuses_everything_is_not_hurried),
        cmocka_unit_test(greylisting_is_not_half_up),
        cmocka_unit_test(the_host_may_say_that_we_are_unwelcome),
        cmocka_unit_test(signs_of_life_do_not_make_it_worse),
        cmocka_unit_test(a_sign_of_life_puts_nothing_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
