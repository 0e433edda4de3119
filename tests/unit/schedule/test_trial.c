/* SPDX-License-Identifier: ISC */
/* test_trial.c: a refusal is believed only when the primary has shown to be sane (SPEC P5). The
 * world checks besides that nothing is believed while the breaker is tripped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "world.h"

static void hold(struct world *world, uint32_t domain, int count)
{
    for (int i = 0; i < count; i++)
        (void)world_hold(world, domain);
}

/* Ten minutes of 550 to everything after the return, however much is held. */
static void a_primary_that_lost_its_users_empties_nothing(void **state)
{
    static const int held[] = { 1, 2, 3, 5, 40, 5000 };

    (void)state;
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        for (int as_unknown = 0; as_unknown < 2; as_unknown++) {
            struct world *world = world_new(i);
            world->primary[0].refuses_all = true;
            world->primary[0].refuses_unknown = as_unknown;
            hold(world, 0, held[i]);
            world_add_domain(world, 0, 0);
            world_run(world, 10 * MINUTE_MS);
            assert_int_equal(world->believed + world->delivered, 0);
            if (held[i] >= 20)
                assert_int_equal(world->trips, 1);
            assert_in_range(world->dispatched, held[i] < 3 ? held[i] : 3, 40);
            world->primary[0].refuses_all = false;
            world_run(world, 40 * MINUTE_MS);
            assert_int_equal(world->delivered, held[i]);
            assert_int_equal(world->believed, 0);
            assert_int_equal(world->closes, world->trips);
            assert_int_equal(world_status(world, 0).on_trial, 0);
            world_free(world);
        }
    }
}

/* Its mail is refused while it is broken; what is taken afterwards proves nothing about then. */
static void what_was_refused_before_anything_was_taken_is_tried_again(void **state)
{
    struct world *world = world_new(11);

    (void)state;
    world->primary[0].refuses_all = true;
    hold(world, 0, 3);
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_int_equal(world_status(world, 0).on_trial, 3);
    world->primary[0].refuses_all = false;
    (void)world_arrive(world, 0);
    world_run(world, 3 * SECOND_MS);
    assert_int_equal(world->delivered, 4);
    assert_int_equal(world->believed, 0);
    world_free(world);
}

static void one_refused_among_many_is_settled_soon(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct world *world = world_new(12);
        hold(world, 0, 100);
        world->mail[50].is_spam = !wrong;
        world->mail[50].is_wrong = wrong;
        world_add_domain(world, 0, 0);
        world_run(world, 35 * SECOND_MS);
        assert_int_equal(world->delivered, 99);
        assert_int_equal(world->believed, 1);
        assert_int_equal(world->refused, 1); /* it was not sent twice */
        assert_int_equal(world->trips, 0);
        world_free(world);
    }
}

/* The first one of a backlog: nobody knew then, so it is asked for once more. */
static void the_first_of_a_backlog_is_refused_twice(void **state)
{
    struct world *world = world_new(13);

    (void)state;
    hold(world, 0, 100);
    world->mail[0].is_spam = true;
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_int_equal(world->delivered, 99);
    assert_int_equal(world->believed, 1);
    assert_int_equal(world->refused, 2);
    world_free(world);
}

static void alone_it_is_believed_after_an_hour(void **state)
{
    struct world *world = world_new(14);

    (void)state;
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    uint32_t spam = world_arrive(world, 0);
    world->mail[spam].is_spam = true;
    world_run(world, 55 * MINUTE_MS);
    assert_int_equal(world->believed, 0);
    assert_in_range(world->refused, 3, 5);
    world_run(world, 60 * MINUTE_MS);
    assert_int_equal(world->believed, 1);
    assert_int_equal(world_status(world, 0).on_trial, 0);
    assert_in_range(world->controls, 2, 90);
    world_free(world);
}

/* A control is as good as a message, for recipients. */
static void a_control_proves_that_the_primary_knows_its_users(void **state)
{
    struct world *world = world_new(15);

    (void)state;
    world->control = CONTROL_TAKEN;
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    uint32_t mail = world_arrive(world, 0);
    world->mail[mail].is_wrong = true;
    world_run(world, 5 * SECOND_MS);
    assert_int_equal(world->controls, 0);
    world_run(world, 10 * SECOND_MS);
    assert_int_equal(world->controls, 1);
    assert_int_equal(world->believed, 1);
    assert_int_equal(world->refused, 2);

    mail = world_arrive(world, 0);
    world->mail[mail].is_spam = true; /* says nothing about content */
    world_run(world, 20 * MINUTE_MS);
    assert_int_equal(world->believed, 1);
    world_free(world);
}

static void a_control_that_is_refused_counts_against_the_primary(void **state)
{
    struct world *world = world_new(16);

    (void)state;
    world->control = CONTROL_REFUSED;
    world->primary[0].refuses_all = true;
    hold(world, 0, 4);
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_int_equal(world->trips, 1);
    world_free(world);
}

/* Nobody is known, all who were tried are refused, and the postmaster is as well. */
static void four_unknown_and_the_postmaster_refused_are_too_much(void **state)
{
    (void)state;
    for (unsigned count = 3; count <= 4; count++) {
        struct world *world = world_new(18);
        world->control = CONTROL_ABSENT;
        hold(world, 0, (int)count);
        for (uint32_t i = 0; i < count; i++)
            world->mail[i].is_wrong = true;
        world_add_domain(world, 0, 0);
        world_run(world, 5 * MINUTE_MS);
        assert_int_equal(world->believed, 0);
        assert_int_equal(world->trips, count == 4 ? 1 : 0);
        world->control = CONTROL_TAKEN;
        for (uint32_t i = 0; i < count; i++)
            world->mail[i].is_wrong = false;
        world_run(world, 15 * MINUTE_MS);
        assert_true(world->delivered == count);
        world_free(world);
    }
}

/* However often it is tried, it is one message. */
static void one_refused_alone_with_the_postmaster_is_no_crowd(void **state)
{
    struct world *world = world_new(19);

    (void)state;
    world->control = CONTROL_ABSENT;
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    uint32_t mail = world_arrive(world, 0);
    world->mail[mail].is_wrong = true;
    world_run(world, 2 * HOUR_MS);
    assert_int_equal(world->trips, 0);
    assert_int_equal(world->believed, 1);
    world_free(world);
}

/* Every third recipient that exists is refused. Whoever throws dice meets some of them again and
 * again, but not many. */
static void a_primary_that_refuses_every_third_is_hardly_believed(void **state)
{
    struct world *world = world_new(17);

    (void)state;
    world->primary[0].refuses_percent = 33;
    world->primary[0].refuses_at = STAGE_RECIPIENT;
    hold(world, 0, 2000);
    world_add_domain(world, 0, 0);
    world_run(world, 20 * MINUTE_MS);
    assert_true(world->trips >= 3);
    assert_true(world->believed * 50 <= world->delivered);
    world->primary[0].refuses_percent = 0;
    world_run(world, 20 * MINUTE_MS);
    assert_int_equal(world->delivered + world->believed, 2000);
    assert_int_equal(world->closes, world->trips);
    world_free(world);
}

/* What is one of five is not believed, even where the primary takes others in between. */
static void nothing_is_believed_before_it_is_judged(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 40; seed++) {
        struct world *world = world_new(seed);
        world->primary[0].latency_ms = SECOND_MS;
        world->primary[0].refuses_percent = 35;
        world->primary[0].refuses_at = STAGE_RECIPIENT;
        world_set(world, SETTING_SESSIONS, 1);
        hold(world, 0, 100);
        world_add_domain(world, 0, 0);
        for (int i = 0; i < 28 && world->trips == 0; i++)
            world_run(world, SECOND_MS);
        assert_int_equal(world->trips, 1);
        assert_int_equal(world->believed, 0);
        world_free(world);
    }
}

/* A message every ten minutes. */
static void trickle(struct world *world, int count)
{
    for (int i = 0; i < count; i++) {
        (void)world_arrive(world, 0);
        world_run(world, 10 * MINUTE_MS);
    }
}

/* Five in a row that nobody ever takes must not stop the others. */
static void bad_messages_do_not_hold_the_drain_for_ever(void **state)
{
    struct world *world = world_new(18);

    (void)state;
    hold(world, 0, 60);
    for (int i = 0; i < 8; i++)
        world->mail[i].is_spam = true;
    world_add_domain(world, 0, 0);
    world_run(world, 10 * MINUTE_MS);
    assert_int_equal(world->delivered, 52);
    trickle(world, 12);
    assert_int_equal(world->delivered, 64);
    assert_int_equal(world->believed, 8);
    assert_true(world->trips >= 1 && world->closes == world->trips);
    world_free(world);
}

/* Half of what was held is spam, which the primary refuses: it is not left lying for days. */
static void a_primary_that_filters_gets_its_mail_soon(void **state)
{
    struct world *world = world_new(25);

    (void)state;
    hold(world, 0, 5000);
    for (uint32_t i = 0; i < 5000; i++)
        world->mail[i].is_spam = random_below(&world->random, 2) == 0;
    world_add_domain(world, 0, 0);
    int64_t began_ms = world->now.mono_ms;
    uint64_t good = 0;
    for (uint32_t i = 0; i < 5000; i++)
        good += !world->mail[i].is_spam;
    while (world->delivered < good && world->now.mono_ms - began_ms < HOUR_MS)
        world_run(world, SECOND_MS);
    print_message("half of 5000 refused: the rest took %ld s, %lu trips\n",
                  (long)((world->now.mono_ms - began_ms) / SECOND_MS), (unsigned long)world->trips);
    assert_true(world->now.mono_ms - began_ms < 10 * MINUTE_MS);
    trickle(world, 12);
    print_message("%lu refusals of %lu messages were believed\n", (unsigned long)world->refused,
                  (unsigned long)world->believed);
    assert_int_equal(world->believed, 5000 - good);
    world_free(world);
}

/* A flood of spam came first, all of which the primary refuses: who wrote later does not wait for
 * days. */
static void a_flood_at_the_head_does_not_hold_up_the_rest(void **state)
{
    struct world *world = world_new(26);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint32_t number = world_hold(world, 0);
        world->mail[number].is_spam = i < 300;
        world_run(world, 10 * SECOND_MS);
    }
    world_add_domain(world, 0, 0);
    int64_t began_ms = world->now.mono_ms;
    while (world->delivered < 700 && world->now.mono_ms - began_ms < 48 * HOUR_MS)
        world_run(world, SECOND_MS);
    print_message("300 refused before 700: these took %ld s, %lu trips\n",
                  (long)((world->now.mono_ms - began_ms) / SECOND_MS), (unsigned long)world->trips);
    assert_true(world->now.mono_ms - began_ms < 2 * HOUR_MS);
    world_free(world);
}

static void a_canary_waits_longer_each_time(void **state)
{
    static const int64_t wanted_s[] = { 30, 60, 120, 240, 300, 300 };
    struct world *world = world_new(19);

    (void)state;
    world->primary[0].refuses_all = true;
    hold(world, 0, 100);
    world_add_domain(world, 0, 0);
    world_run(world, 20 * MINUTE_MS);
    for (int i = 0; i < 6; i++) {
        int64_t waited_ms = world->refused_ms[5 + i] - world->refused_ms[4 + i];
        assert_in_range(waited_ms, wanted_s[i] * SECOND_MS, wanted_s[i] * SECOND_MS + SECOND_MS);
    }
    for (int i = 0; i < 100; i++) /* the messages take turns */
        assert_true(world->mail[i].tries <= 2);
    world_free(world);
}

static void nothing_stands_about_while_it_is_tripped(void **state)
{
    struct world *world = world_new(20);

    (void)state;
    world->primary[0].refuses_all = true;
    hold(world, 0, 100);
    world_add_domain(world, 0, 0);
    world_run(world, 5 * SECOND_MS);
    assert_true(world_status(world, 0).is_tripped);
    assert_int_equal(world->primary[0].sessions, 0);
    world_free(world);
}

/* A rescue of the operator, an expiry, a flush and the end of the route in the middle of it. */
static void a_trial_may_end_in_many_ways(void **state)
{
    struct world *world = world_new(21);

    (void)state;
    world->primary[0].refuses_all = true;
    world_set(world, SETTING_HOLD, HOUR_MS);
    world_add_domain(world, 0, 0);
    world_run(world, 11 * MINUTE_MS); /* the clock is believed */
    for (int i = 0; i < 4; i++)
        (void)world_arrive(world, 0);
    world_run(world, SECOND_MS);
    assert_int_equal(world_status(world, 0).on_trial, 4);
    world->mail[0].is_stored = false;
    schedule_settled(world->schedule, world_domain(0), world->mail[0].entry.id, world->now);
    assert_false(world->mail[0].is_on_trial);
    uint64_t before = world->dispatched;
    world->woken = true;
    schedule_wake(world->schedule, world_domain(0), world->now);
    world_run(world, SECOND_MS);
    assert_true(world->dispatched > before);
    schedule_remove_route(world->schedule, world_domain(0), world->now);
    for (uint32_t i = 0; i < world->mail_count; i++)
        assert_false(world->mail[i].is_on_trial);
    world->state[0] = ROUTE_STATE_SHAKY;
    world->is_tripped[0] = false;
    world_add_domain(world, 0, 0);
    world_run(world, 62 * MINUTE_MS);
    assert_int_equal(world->expired + world->believed, 3);
    world_free(world);
}

static void flood(struct world *world, int count)
{
    hold(world, 0, count);
    for (uint32_t i = 0; i < world->mail_count; i++)
        world->mail[i].is_wrong = true;
}

/* Nothing but mail to nobody, more than can be on trial: it waits for its turn, and the primary is
 * not told the same in a loop. */
static void a_flood_to_nobody_is_settled_without_a_storm(void **state)
{
    struct world *world = world_new(24);

    (void)state;
    world->control = CONTROL_TAKEN;
    flood(world, 20 + 80 + 320 + 1280 + 5120);
    world_add_domain(world, 0, 0);
    world_run(world, 30 * MINUTE_MS);
    assert_in_range(world->believed, 6700, 6820);
    assert_in_range(world->trips, 4, 6); /* each time more of it is borne */
    assert_true(world->refused < 4UL * 6820);

    world->control = CONTROL_UNKNOWN;
    for (int i = 0; i < 6000; i++) {
        uint32_t mail = world_arrive(world, 0);
        world->mail[mail].is_wrong = true;
    }
    uint64_t before = world->refused;
    world_run(world, MINUTE_MS);
    assert_in_range(world_status(world, 0).on_trial, 3900, 4100);
    assert_in_range(world->refused - before, 5000, 2 * 6000);
    world_free(world);
}

/* MAIL is about us or about the sender: alone it is believed as others are, in a row it is us. */
static void who_is_refused_at_mail_is_unwelcome(void **state)
{
    struct world *world = world_new(22);

    (void)state;
    world->primary[0].refuses_all = true;
    world->primary[0].refuses_at = STAGE_SENDER;
    hold(world, 0, 100);
    world_add_domain(world, 0, 0);
    world_run(world, 20 * SECOND_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_BLOCKED);
    world_run(world, 10 * MINUTE_MS);
    assert_int_equal(world->trips + world->believed, 0);
    for (uint64_t i = 4; i < world->refused; i++) /* fail2ban: five in ten minutes */
        assert_true(world->refused_ms[i] - world->refused_ms[i - 4] > 5 * MINUTE_MS);
    world->primary[0].refuses_all = false;
    world_run(world, 6 * MINUTE_MS);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    assert_true(world_run_until_empty(world, HOUR_MS));
    world_free(world);
}

/* Four in ten minutes, and those that are known go on. */
static void unknown_recipients_are_tried_slowly(void **state)
{
    struct world *world = world_new(23);

    (void)state;
    hold(world, 0, 400);
    for (int i = 0; i < 100; i++)
        world->mail[i * 4].is_unsure = world->mail[i * 4].is_wrong = true;
    for (int i = 0; i < 20; i++)
        world->mail[i * 4 + 1].is_unsure = true; /* who do exist */
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_in_range(world->delivered, 280, 320);
    assert_int_equal(world->refused, 4);
    world_run(world, 2 * HOUR_MS);
    assert_in_range(world->refused, 24, 4 * 13);
    for (uint64_t i = 4; i < world->refused; i++)
        assert_true(world->refused_ms[i] - world->refused_ms[i - 4] >= 10 * MINUTE_MS);
    world->control = CONTROL_TAKEN;
    world_set(world, SETTING_REFUSALS, 0);
    world_add_domain(world, 0, 0);
    world_run(world, 2 * HOUR_MS);
    assert_int_equal(world->delivered, 300);
    assert_int_equal(world->believed, 100);
    world_free(world);
}

static void a_rate_limit_is_kept_to(void **state)
{
    struct world *world = world_new(24);

    (void)state;
    world->woken = true; /* they go again when the rest is over */
    world->primary[0].per_minute = 50;
    world->primary[0].window = 4;
    hold(world, 0, 1000);
    world_add_domain(world, 0, 0);
    world_run(world, 30 * MINUTE_MS);
    print_message("50 a minute: %lu delivered in 30 min, %u told to wait\n",
                  (unsigned long)world->delivered, world->primary[0].limited);
    assert_int_equal(world->delivered, 1000);
    assert_true(world->primary[0].limited < 200);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_primary_that_lost_its_users_empties_nothing),
        cmocka_unit_test(what_was_refused_before_anything_was_taken_is_tried_again),
        cmocka_unit_test(one_refused_among_many_is_settled_soon),
        cmocka_unit_test(the_first_of_a_backlog_is_refused_twice),
        cmocka_unit_test(alone_it_is_believed_after_an_hour),
        cmocka_unit_test(a_control_proves_that_the_primary_knows_its_users),
        cmocka_unit_test(a_control_that_is_refused_counts_against_the_primary),
        cmocka_unit_test(four_unknown_and_the_postmaster_refused_are_too_much),
        cmocka_unit_test(one_refused_alone_with_the_postmaster_is_no_crowd),
        cmocka_unit_test(a_primary_that_refuses_every_third_is_hardly_believed),
        cmocka_unit_test(nothing_is_believed_before_it_is_judged),
        cmocka_unit_test(bad_messages_do_not_hold_the_drain_for_ever),
        cmocka_unit_test(a_primary_that_filters_gets_its_mail_soon),
        cmocka_unit_test(a_flood_at_the_head_does_not_hold_up_the_rest),
        cmocka_unit_test(a_canary_waits_longer_each_time),
        cmocka_unit_test(nothing_stands_about_while_it_is_tripped),
        cmocka_unit_test(a_trial_may_end_in_many_ways),
        cmocka_unit_test(a_flood_to_nobody_is_settled_without_a_storm),
        cmocka_unit_test(who_is_refused_at_mail_is_unwelcome),
        cmocka_unit_test(unknown_recipients_are_tried_slowly),
        cmocka_unit_test(a_rate_limit_is_kept_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
