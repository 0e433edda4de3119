/* SPDX-License-Identifier: ISC */
/* test_drain.c: gently, fairly, and all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <time.h>

#include "world.h"

static void hold(struct world *world, uint32_t domain, int count)
{
    for (int i = 0; i < count; i++)
        (void)world_hold(world, domain);
}

static void everything_goes_oldest_first(void **state)
{
    struct world *world = world_new(1);

    (void)state;
    hold(world, 0, 3000);
    world_set(world, SETTING_SESSIONS, 1);
    world_add_domain(world, 0, 0);
    assert_true(world_run_until_empty(world, HOUR_MS));
    for (uint32_t i = 1; i < 3000; i++)
        assert_true(world->mail[i].first_try_ms >= world->mail[i - 1].first_try_ms);
    assert_int_equal(world->dispatched, 3000);
    world_run(world, MINUTE_MS);
    assert_int_equal(world->drained, 1);
    assert_int_equal(world->primary[0].sessions, 0);
    world_free(world);
}

static int64_t time_to_drain(uint64_t seed, int messages, int64_t fixed, uint32_t limit,
                             uint32_t window, struct world **out_world)
{
    struct world *world = world_new(seed);
    int64_t began_ms = world->now.mono_ms;

    world->primary[0].session_limit = limit;
    world->primary[0].latency_ms = 50;
    world->primary[0].window = window;
    if (fixed > 0) {
        world_set(world, SETTING_SESSIONS, fixed);
        world_set(world, SETTING_SESSIONS_START, fixed);
    }
    hold(world, 0, messages);
    world_add_domain(world, 0, 0);
    assert_true(world_run_until_empty(world, 10 * HOUR_MS));
    *out_world = world;
    return world->now.mono_ms - began_ms;
}

/* SPEC P4: a primary limited to five sessions. */
static void finds_a_limit_of_five_sessions_and_keeps_to_it(void **state)
{
    (void)state;
    for (uint32_t window = 1; window <= 8; window += 7) {
        for (int messages = 1000; messages <= 30000; messages *= 30) {
            struct world *best, *world;
            int64_t best_ms = time_to_drain(2, messages, 5, 5, window, &best);
            int64_t took_ms = time_to_drain(2, messages, 0, 5, window, &world);
            double deferred = 100.0 * (double)(world->deferred + world->primary[0].refused) /
                              (double)world->dispatched;
            double share = 100.0 * (double)best_ms / (double)took_ms;
            print_message("%d messages, window %u: %lu refused sessions, %.2f %% of attempts; "
                          "%.1f %% of the best fixed setting\n",
                          messages, window, (unsigned long)world->primary[0].refused, deferred,
                          share);
            assert_true(deferred < 5.0);
            assert_true(share >= 90.0);
            assert_true(world->primary[0].sessions_max <= 5);
            world_free(best);
            world_free(world);
        }
    }
}

static void grows_to_the_limit_of_the_settings(void **state)
{
    struct world *world;

    (void)state;
    (void)time_to_drain(3, 20000, 0, 0, 1, &world);
    assert_int_equal(world->primary[0].sessions_max, 20);
    world_free(world);
}

static void new_mail_and_backlog_take_turns(void **state)
{
    struct world *world = world_new(4);
    uint32_t fresh = 0;

    (void)state;
    world_set(world, SETTING_SESSIONS, 1);
    hold(world, 0, 2000);
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    uint64_t before = world->delivered;
    uint32_t first_new = world->mail_count;
    for (int i = 0; i < 500; i++)
        (void)world_arrive(world, 0);
    while (world->delivered < before + 600)
        world_run(world, 10);
    for (uint32_t i = first_new; i < world->mail_count; i++)
        fresh += world->mail[i].deliveries;
    assert_in_range(fresh, 295, 305);
    assert_true(world_run_until_empty(world, HOUR_MS));
    world_free(world);
}

static void new_mail_for_a_route_that_is_up_goes_at_once(void **state)
{
    struct world *world = world_new(5);

    (void)state;
    world_add_domain(world, 0, 0);
    world_run(world, HOUR_MS);
    for (int i = 0; i < 100; i++) {
        uint32_t mail = world_arrive(world, 0);
        int64_t arrived_ms = world->now.mono_ms;
        world_run(world, 500);
        assert_in_range(world->mail[mail].delivered_ms - arrived_ms, 1, 20);
    }
    assert_in_range(world->opened, 1, 30); /* the sessions were used again */
    world_free(world);
}

static void more_new_mail_than_is_remembered_is_read_from_the_store(void **state)
{
    struct world *world = world_new(6);

    (void)state;
    world->primary[0].latency_ms = 100;
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    for (int i = 0; i < 5000; i++)
        (void)world_arrive(world, 0);
    assert_true(world_run_until_empty(world, HOUR_MS));
    world_free(world);
}

static void greylisting_is_waited_for(void **state)
{
    (void)state;
    for (int hint = 0; hint < 2; hint++) {
        struct world *world = world_new(7);
        world->primary[0].greylist_ms = 5 * MINUTE_MS;
        world->primary[0].says_hint = hint;
        hold(world, 0, 2000);
        world_add_domain(world, 0, 0);
        assert_true(world_run_until_empty(world, HOUR_MS));
        double each = (double)world->dispatched / 2000;
        print_message("greylisting, hint %d: %.2f attempts a message, %ld s\n", hint, each,
                      (long)((world->now.mono_ms - 1000000) / 1000));
        assert_true(each < 2.6);
        assert_int_equal(world->state[0], ROUTE_STATE_UP);
        world_free(world);
    }
}

static void deferred_ones_do_not_hold_up_the_rest(void **state)
{
    struct world *world = world_new(8);

    (void)state;
    world->primary[0].defers_percent = 30;
    hold(world, 0, 2000);
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_true(world->delivered > 1300);
    assert_true(world_status(world, 0).deferred > 400);
    assert_true(world_run_until_empty(world, 20 * HOUR_MS));
    world_free(world);
}

/* Nothing is learned of a primary from what it was never given. */
static void what_cannot_be_read_does_not_hold_up_the_rest(void **state)
{
    struct world *world = world_new(6);

    (void)state;
    hold(world, 0, 300);
    for (uint32_t i = 0; i < 100; i++) /* the oldest */
        world->mail[i].is_unreadable = true;
    world_add_domain(world, 0, 0);
    world_run(world, 10 * MINUTE_MS);
    assert_int_equal(world->delivered, 200);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(world->mail[i].tries >= 1 && world->mail[i].tries < 5);
        world->mail[i].is_unreadable = false;
    }
    schedule_wake(world->schedule, STR_NONE, world->now); /* the keys have come */
    world->woken = true;
    world_run(world, MINUTE_MS);
    assert_int_equal(world->delivered, 300);
    world_free(world);
}

static void a_primary_that_defers_everything_is_left_in_peace(void **state)
{
    struct world *world = world_new(9);

    (void)state;
    world->primary[0].defers_all = true;
    hold(world, 0, 20000);
    world_add_domain(world, 0, 0);
    world_run(world, HOUR_MS);
    assert_in_range(world->dispatched, 25, 60);
    world->primary[0].defers_all = false;
    assert_true(world_run_until_empty(world, HOUR_MS));
    world_free(world);
}

static void a_wake_retries_what_was_deferred(void **state)
{
    struct world *world = world_new(10);
    int64_t next_ms;
    uint32_t attempts;
    struct verdict last;

    (void)state;
    world->primary[0].defers_all = true;
    hold(world, 0, 5);
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_int_equal(world->delivered, 0);
    assert_true(schedule_entry_status(world->schedule, world_domain(0), world->mail[0].entry.id,
                                      world->now, &next_ms, &attempts, &last));
    assert_int_equal(attempts, 1);
    assert_in_range(next_ms - world->now.wall_ms, 3 * MINUTE_MS, 6 * MINUTE_MS);
    assert_int_equal(last.code, 451);
    world->primary[0].defers_all = false;
    world->woken = true;
    schedule_wake(world->schedule, world_domain(0), world->now);
    world_run(world, SECOND_MS);
    assert_int_equal(world->delivered, 5);
    world_free(world);
}

/* Not only what was deferred before the first one. */
static void no_wake_of_a_swarm_is_lost(void **state)
{
    struct world *world = world_new(12);

    (void)state;
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    world->primary[0].defers_all = true;
    world->woken = true;
    schedule_wake(world->schedule, world_domain(0), world->now);
    (void)world_arrive(world, 0);
    world_run(world, SECOND_MS / 2);
    assert_int_equal(world_status(world, 0).deferred, 1);
    world->primary[0].defers_all = false;
    schedule_wake(world->schedule, world_domain(0), world->now);
    world_run(world, SECOND_MS);
    assert_int_equal(world->delivered, 1);
    world_free(world);
}

static void a_poisonous_message_does_not_block_the_others(void **state)
{
    (void)state;
    for (uint32_t turn = 0; turn < 4; turn++) {
        struct world *world = world_new(11);
        world->primary[0].window = turn % 2 == 0 ? 1 : 8;
        hold(world, 0, 500);
        for (uint32_t i = 0; i <= 100; i += 100) {
            world->mail[i].is_poison = true;
            world->mail[i].is_told_421 = turn >= 2;
        }
        world_add_domain(world, 0, 0);
        world_run(world, 2 * MINUTE_MS);
        assert_int_equal(world->delivered, 498);
        assert_int_equal(world_status(world, 0).deferred, 2);
        assert_int_equal(world->state[0], ROUTE_STATE_UP);
        assert_in_range(world->mail[100].tries, 2, 4);
        world_free(world);
    }
}

static struct world *world_with_forged(uint16_t code, bool (*is_forged)(uint32_t number))
{
    struct world *world = world_new(14);

    hold(world, 0, 500);
    for (uint32_t i = 0; i < 500; i++)
        world->mail[i].forged = is_forged(i) ? code : 0;
    world_add_domain(world, 0, 0);
    return world;
}

static bool is_of_a_flood(uint32_t number)
{
    return number < 400;
}

static bool is_four_of_five(uint32_t number)
{
    return number % 5 != 0;
}

static bool is_any(uint32_t number)
{
    (void)number;
    return true;
}

/* Senders that do not exist, as a primary says. */
static void forged_mail_does_not_hold_up_the_rest(void **state)
{
    struct world *world = world_with_forged(450, is_of_a_flood);

    (void)state;
    world_run(world, MINUTE_MS);
    assert_int_equal(world->delivered, 100);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    world_free(world);
    world = world_with_forged(550, is_four_of_five);
    world_run(world, 10 * MINUTE_MS);
    assert_int_equal(world->delivered, 100);
    assert_int_equal(world->state[0], ROUTE_STATE_UP);
    world_free(world);
}

/* Its own DNS knows nobody. */
static void who_finds_no_sender_good_is_not_believed(void **state)
{
    struct world *world = world_with_forged(550, is_any);

    (void)state;
    world_run(world, 5 * HOUR_MS);
    assert_int_equal(world->believed, 0);
    assert_true(world->is_tripped[0]);
    world_free(world);
}

static void a_primary_that_drops_every_session_is_not_hammered(void **state)
{
    struct world *world = world_new(12);

    (void)state;
    world->primary[0].loses_all = true;
    hold(world, 0, 1000);
    world_add_domain(world, 0, 0);
    world_run(world, HOUR_MS);
    assert_in_range(world->opened, 10, 3600 / 4);
    world->primary[0].loses_all = false;
    assert_true(world_run_until_empty(world, HOUR_MS));
    world_free(world);
}

/* Twice in a row, so that no session of the second round has had an answer: one rest for all of
 * them is enough. */
static void deliverers_that_die_hold_up_nothing(void **state)
{
    struct world *world = world_new(12);

    (void)state;
    world->primary[0].latency_ms = 300;
    hold(world, 0, 2000);
    world_add_domain(world, 0, 0);
    while (world->primary[0].sessions < 20)
        world_run(world, SECOND_MS);
    world_kill_deliverers(world);
    world_run(world, 100);
    assert_true(world->primary[0].sessions >= 10);
    uint64_t delivered = world->delivered;
    world_kill_deliverers(world);
    world_run(world, 4 * SECOND_MS);
    assert_true(world->delivered > delivered);
    assert_true(world_run_until_empty(world, HOUR_MS));
    world_free(world);
}

static void keeps_to_messages_and_bytes(void **state)
{
    struct world *world = world_new(13);

    (void)state;
    world_set(world, SETTING_MESSAGES_PER_MINUTE, 120);
    hold(world, 0, 1000);
    world_add_domain(world, 0, 0);
    world_run(world, 2 * MINUTE_MS);
    assert_in_range(world->delivered, 230, 245);
    world_free(world);

    world = world_new(14);
    world_set(world, SETTING_BYTES_PER_SECOND, 40960);
    hold(world, 0, 1000);
    world_add_domain(world, 0, 0);
    world_run(world, 20 * SECOND_MS);
    assert_in_range(world->delivered, 190, 215);
    world_free(world);
}

static void domains_on_one_primary_share_its_sessions(void **state)
{
    enum { DOMAINS = 40 };
    struct world *world = world_new(15);
    uint64_t delivered[DOMAINS] = { 0 };

    (void)state;
    world->primary[0].session_limit = 5;
    world->primary[0].latency_ms = 20;
    for (uint32_t i = 0; i < DOMAINS; i++) {
        hold(world, i, 20000 / DOMAINS);
        world_add_domain(world, i, 0);
    }
    world_run(world, 60 * SECOND_MS);
    for (uint32_t i = 0; i < world->mail_count; i++)
        delivered[world->mail[i].domain] += world->mail[i].deliveries;
    for (uint32_t i = 0; i < DOMAINS; i++)
        assert_in_range(delivered[i], 1, 500); /* everybody had a turn within the minute */
    assert_true(world_run_until_empty(world, HOUR_MS));
    assert_true(world->primary[0].refused < 20);
    world_free(world);
}

static void a_removed_route_leaves_its_mail_alone(void **state)
{
    struct world *world = world_new(16);

    (void)state;
    hold(world, 0, 1000);
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    assert_true(world->delivered > 0);
    schedule_remove_route(world->schedule, world_domain(0), world->now);
    uint64_t dispatched = world->dispatched;
    world_run(world, MINUTE_MS);
    assert_int_equal(world->dispatched, dispatched);
    assert_int_equal(world->primary[0].sessions, 0);
    world->state[0] = ROUTE_STATE_SHAKY;
    for (uint32_t i = 0; i < world->mail_count; i++)
        world->mail[i].on = 0;
    world_add_domain(world, 0, 0);
    assert_true(world_run_until_empty(world, HOUR_MS));
    world_free(world);
}

/* SPEC F4: while the primary is down, what is held costs nothing; then a microsecond or so. */
/* Mail that trickles in needs one session at a time; both primaries get their share all the same.
 */
static void equal_primaries_share_a_trickle(void **state)
{
    (void)state;
    struct world *world = world_new(31);

    world->second_of[0] = 1;
    world->second_is_equal = true;
    world->primary[0].latency_ms = world->primary[1].latency_ms = 2;
    world_add_domain(world, 0, 0);
    world_run(world, 10 * SECOND_MS);
    for (int i = 0; i < 600; i++) {
        (void)world_arrive(world, 0);
        world_run(world, 5);
    }
    world_run(world, 10 * SECOND_MS);
    assert_int_equal(world->delivered, 600);
    assert_int_equal(world->primary[0].delivered + world->primary[1].delivered, 600);
    assert_in_range(world->primary[0].delivered, 150, 450);
    world_free(world);
}

static void a_message_costs_little(void **state)
{
    enum { MESSAGES = 200000 };
    struct world *world = world_new(17);
    struct timespec from, to;

    (void)state;
    world->primary[0].is_alive = false;
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < MESSAGES; i++)
        (void)world_arrive(world, 0);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    print_message("an arrival while down: %.0f ns, the world's part included\n", ns / MESSAGES);
    world->listings = 0;
    world->opened = 0;
    world_run(world, HOUR_MS);
    assert_int_equal(world->listings, 0);
    assert_in_range(world->opened, 600, 850);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_goes_oldest_first),
        cmocka_unit_test(finds_a_limit_of_five_sessions_and_keeps_to_it),
        cmocka_unit_test(grows_to_the_limit_of_the_settings),
        cmocka_unit_test(new_mail_and_backlog_take_turns),
        cmocka_unit_test(new_mail_for_a_route_that_is_up_goes_at_once),
        cmocka_unit_test(more_new_mail_than_is_remembered_is_read_from_the_store),
        cmocka_unit_test(greylisting_is_waited_for),
        cmocka_unit_test(deferred_ones_do_not_hold_up_the_rest),
        cmocka_unit_test(what_cannot_be_read_does_not_hold_up_the_rest),
        cmocka_unit_test(a_primary_that_defers_everything_is_left_in_peace),
        cmocka_unit_test(a_wake_retries_what_was_deferred),
        cmocka_unit_test(no_wake_of_a_swarm_is_lost),
        cmocka_unit_test(a_poisonous_message_does_not_block_the_others),
        cmocka_unit_test(forged_mail_does_not_hold_up_the_rest),
        cmocka_unit_test(who_finds_no_sender_good_is_not_believed),
        cmocka_unit_test(a_primary_that_drops_every_session_is_not_hammered),
        cmocka_unit_test(deliverers_that_die_hold_up_nothing),
        cmocka_unit_test(keeps_to_messages_and_bytes),
        cmocka_unit_test(domains_on_one_primary_share_its_sessions),
        cmocka_unit_test(a_removed_route_leaves_its_mail_alone),
        cmocka_unit_test(equal_primaries_share_a_trickle),
        cmocka_unit_test(a_message_costs_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
