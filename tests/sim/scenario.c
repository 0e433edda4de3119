/* SPDX-License-Identifier: ISC */
/* scenario.c: one seed's story.
 *
 *     boot, add domains ─▶ mail comes, and trouble of the kinds that this seed knows
 *       ─▶ everything is well again ─▶ all that was promised is there, or accounted for
 *       ─▶ stop, start: nothing is left to do
 *
 * Not every seed knows every kind of trouble: a bug that one kind hides, a seed
 * without that kind finds.
 */
#include "sim/scenario.h"

#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "sim/edge.h"
#include "sim/keys.h"
#include "sim/ledger.h"
#include "sim/machine.h"
#include "sim/operator.h"
#include "sim/primary.h"
#include "sim/sender.h"
#include "sim/trouble.h"
#include "sim/world.h"

enum {
    UPLOADS_AT_ONCE = 24,
    UPLOAD_WINDOW = 128 * 1024,
    WELL_AFTER_MS = 16 * HOUR_MS, /* from when everything is well */
};

struct domain {
    int64_t hold_ms;
    int64_t probe_ms;
    unsigned sessions;
    struct buf add; /* the request that adds it */
};

static struct {
    unsigned domains;
    unsigned primaries;
    bool is_long; /* days, not hours */
    int64_t trouble_ms;
    struct domain domain[SCENARIO_DOMAINS_MAX];
    int64_t hold_ms[SCENARIO_DOMAINS_MAX];
} story;

/* ---- the cast ---- */

struct config *scenario_config(void)
{
    static const char text[] = "hostname = \"mx2.sim.example\"\n"
                               "data = \"/\"\n"
                               "listen smtp { address = {\"198.51.100.1:25\"} }\n"
                               "store { free-min = \"0\" }\n"
                               "web { ca = \"\" }\n";
    struct config *config = NULL;
    struct config_problems problems = { 0 };

    if (config_load_text(STR("sim"), str_from(text), &config, &problems) != 0)
        world_fail("the configuration is wrong: %.*s", STR_FMT(buf_str(&problems.text)));
    config_problems_fini(&problems);
    config->receivers = (uint32_t)chance_between(1, 3);
    config->deliverers = (uint32_t)chance_between(1, 2);
    return config;
}

static void choose_domain(struct domain *domain, unsigned number)
{
    unsigned first = (unsigned)chance_below(story.primaries);
    unsigned second = (unsigned)chance_below(story.primaries);

    domain->hold_ms =
        story.is_long ? chance_between(DAY_MS, 5 * DAY_MS) : chance_between(HOUR_MS, 8 * HOUR_MS);
    domain->hold_ms -= domain->hold_ms % SECOND_MS;
    domain->probe_ms = SECOND_MS * (story.is_long ? chance_between(20 * 60, 60 * 60)
                                                  : chance_between(30, 10 * 60));
    domain->sessions = (unsigned)chance_between(1, 6);
    story.hold_ms[number] = domain->hold_ms;
    buf_add_format(&domain->add,
                   "{\"op\":\"domain.add\",\"name\":\"d%u.example\",\"primary\":[\"192.0.2.%u:25\"",
                   number, first + 1);
    if (second != first)
        buf_add_format(&domain->add, ",\"192.0.2.%u:25\"", second + 1);
    buf_add_format(&domain->add,
                   "],\"set\":{\"hold\":\"%llds\",\"probe-interval\":\"%llds\",\"sessions\":\"%u\","
                   "\"retry-first\":\"%us\",\"retry-max\":\"%um\",\"probe-interval-up\":\"%um\","
                   "\"encrypt\":\"%s\"}}",
                   (long long)domain->hold_ms / SECOND_MS, (long long)domain->probe_ms / SECOND_MS,
                   domain->sessions, (unsigned)chance_between(30, 600),
                   (unsigned)chance_between(10, 60), (unsigned)chance_between(5, 120),
                   chance_percent(70) ? "yes" : "no");
}

static void set_policies(void)
{
    for (unsigned primary = 0; primary < story.primaries; primary++) {
        int64_t probe_ms = HOUR_MS;
        unsigned sessions = 0;
        for (unsigned i = 0; i < story.domains; i++) {
            sessions += story.domain[i].sessions;
            if (story.domain[i].probe_ms < probe_ms)
                probe_ms = story.domain[i].probe_ms;
        }
        primaries_set_policy(primary, probe_ms, sessions);
    }
}

void scenario_add_domain(unsigned number)
{
    primaries_may_be_tried();
    operator_say(buf_str(&story.domain[number].add), true);
}

static void begin(void)
{
    struct config *config = scenario_config();

    story.is_long = chance_percent(30);
    story.domains = (unsigned)chance_between(1, SCENARIO_DOMAINS_MAX);
    story.primaries = (unsigned)chance_between(1, PRIMARIES_MAX);
    story.trouble_ms = world.true_ms + (story.is_long ? chance_between(2 * DAY_MS, 8 * DAY_MS)
                                                      : chance_between(2 * HOUR_MS, 30 * HOUR_MS));
    for (unsigned i = 0; i < story.domains; i++)
        choose_domain(&story.domain[i], i);
    ledger_init(story.domains, story.hold_ms,
                MACHINE_STORE_MEMORY + (uint64_t)UPLOADS_AT_ONCE * UPLOAD_WINDOW);
    machine_init(config);
    keys_init(chance_percent(40));
    primaries_start(story.primaries, story.trouble_ms);
    set_policies();
    machine_boot();
    for (unsigned i = 0; i < story.domains; i++)
        scenario_add_domain(i);
    world_run(world.true_ms + MINUTE_MS, NULL);
}

/* ---- the end ---- */

static void make_well(void)
{
    struct buf request = { 0 };

    world_trace("-- everything is well");
    trouble_end();
    primaries_heal();
    for (unsigned i = 0; i < story.domains; i++) {
        scenario_add_domain(i);
        buf_reset(&request);
        buf_add_format(&request, "{\"op\":\"domain.resume\",\"name\":\"d%u.example\"}", i);
        operator_say(buf_str(&request), true);
    }
    buf_fini(&request);
}

static void check_all(void)
{
    unsigned before = ledger_counts().checks;

    ledger_check_store();
    world_run(world.true_ms + MINUTE_MS, NULL);
    if (ledger_counts().checks == before)
        world_fail("the store does not say what it holds");
}

void scenario_play(void)
{
    begin();
    bool is_burst = chance_percent(25);
    senders_start(story.domains, (unsigned)chance_between(5, is_burst ? 100 : 50),
                  is_burst ? world.true_ms + HOUR_MS : story.trouble_ms);
    trouble_start(story.domains, story.trouble_ms);
    world_run(story.trouble_ms, NULL);
    make_well();
    world_run(world.true_ms + MINUTE_MS, NULL);
    if (ledger_is_unsure())
        machine_cut_power();
    world_run(world.true_ms + HOUR_MS, NULL);
    if (!machine_is_whole())
        world_fail("not all roles run, an hour after everything is well");
    check_all();
    if (!ledger_is_balanced())
        world_run(world.true_ms + WELL_AFTER_MS, ledger_is_balanced);
    senders_stop();
    if (!ledger_is_balanced())
        world_run(world.true_ms + WELL_AFTER_MS, NULL);
    check_all();
    ledger_check_end();
    machine_end(ROLE_KEEPER, 1);
    world_run(world.true_ms + 10 * MINUTE_MS, NULL);
    check_all();
    ledger_check_end();
}
