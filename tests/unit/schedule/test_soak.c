/* SPDX-License-Identifier: ISC */
/* test_soak.c: random weather, seed by seed. The world checks its promises at each step; at the
 * end the weather is fine, and everything that was held must have been handed over once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "world.h"

enum { SEEDS = 40, STEPS = 400, PRIMARIES = 3, DOMAINS = 5 };

static uint64_t below(struct world *world, uint64_t bound)
{
    return random_below(&world->random, bound);
}

static void change_temper(struct world *world, struct primary *primary)
{
    primary->refuses = below(world, 2) == 0;
    primary->session_limit = (uint32_t)below(world, 7);
    primary->latency_ms = (int64_t)below(world, 300);
    primary->defers_percent = below(world, 3) == 0 ? (uint32_t)below(world, 101) : 0;
    primary->loses_percent = below(world, 4) == 0 ? (uint32_t)below(world, 30) : 0;
    primary->loses_all = below(world, 30) == 0;
    primary->greets_with = below(world, 12) == 0 ? 554 : below(world, 12) == 0 ? 450 : 0;
    primary->refuses_all = below(world, 10) == 0;
    primary->refuses_percent = below(world, 6) == 0 ? (uint32_t)below(world, 60) : 0;
    primary->refuses_at = (enum stage)below(world, STAGES);
    primary->refuses_unknown = below(world, 3) == 0;
    primary->per_minute = below(world, 10) == 0 ? 1 + (uint32_t)below(world, 200) : 0;
}

static void set_pause(struct world *world, uint32_t domain)
{
    int64_t until_ms =
        below(world, 2) == 0 ? 0 : world->now.wall_ms + (int64_t)below(world, 600000);
    schedule_pause(world->schedule, world_domain(domain), until_ms, world->now);
}

static void something_happens(struct world *world)
{
    uint32_t domain = (uint32_t)below(world, DOMAINS);
    uint32_t primary = (uint32_t)below(world, PRIMARIES);

    switch (below(world, 12)) {
    case 0:
        world_kill(world, primary);
        break;
    case 1:
    case 2:
        world_revive(world, primary);
        break;
    case 3:
        change_temper(world, &world->primary[primary]);
        break;
    case 4:
        set_pause(world, domain);
        break;
    case 5:
        schedule_wake(world->schedule, below(world, 2) ? world_domain(domain) : STR_NONE,
                      world->now);
        break;
    case 6:
        world->dns_is_dead = below(world, 3) == 0;
        break;
    case 7: /* the domain moves */
        world->second_of[domain] = below(world, 2) ? UINT32_MAX : (uint32_t)below(world, PRIMARIES);
        world_add_domain(world, domain, primary);
        break;
    default:
        for (uint64_t i = below(world, below(world, 20) == 0 ? 5000 : 200); i > 0; i--)
            (void)world_arrive(world, (uint32_t)below(world, DOMAINS));
        break;
    }
    world_run(world, (int64_t)below(world, 20 * SECOND_MS));
}

static void the_weather_clears(struct world *world)
{
    world->dns_is_dead = false;
    for (uint32_t i = 0; i < PRIMARIES; i++) {
        world->primary[i] = (struct primary){
            .is_alive = true, .window = 4, .latency_ms = 5, .sessions = world->primary[i].sessions
        };
    }
    for (uint32_t i = 0; i < DOMAINS; i++)
        schedule_pause(world->schedule, world_domain(i), 0, world->now);
}

static void check_quiet(struct world *world)
{
    for (uint32_t i = 0; i < DOMAINS; i++) {
        struct route_status status = world_status(world, i);
        assert_int_equal(status.state, ROUTE_STATE_UP);
        assert_int_equal(status.in_flight + status.deferred + status.sessions, 0);
    }
    for (uint32_t i = 0; i < PRIMARIES; i++)
        assert_int_equal(world->primary[i].sessions, 0);
}

static void everything_arrives_in_the_end(void **state)
{
    uint64_t mail = 0, dispatched = 0, opened = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world *world = world_new(seed);
        world->woken = true;
        for (uint32_t i = 0; i < PRIMARIES; i++)
            world->primary[i].window = 1 + (uint32_t)below(world, 8);
        for (uint32_t i = 0; i < DOMAINS; i++) {
            (void)world_hold(world, i);
            world_add_domain(world, i, i % PRIMARIES);
        }
        for (int i = 0; i < STEPS; i++)
            something_happens(world);
        the_weather_clears(world);
        if (!world_run_until_empty(world, 3 * HOUR_MS))
            fail_msg("seed %lu: %u of %u are left", (unsigned long)seed,
                     world->mail_count - (uint32_t)(world->delivered + world->believed),
                     world->mail_count);
        world_run(world, 10 * MINUTE_MS);
        check_quiet(world);
        mail += world->mail_count;
        dispatched += world->dispatched;
        opened += world->opened;
        world_free(world);
    }
    print_message("%lu messages, %lu attempts, %lu sessions\n", (unsigned long)mail,
                  (unsigned long)dispatched, (unsigned long)opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_arrives_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
