/* SPDX-License-Identifier: ISC */
/* trouble.c: disks, clocks, processes, power and the operator.
 *
 * A kind of trouble is a function that makes it. Most is over after a while: what
 * ends it is a happening of its own, so that several may overlap.
 */
#include "sim/trouble.h"

#include <errno.h>

#include "base/buf.h"
#include "base/check.h"
#include "sim/edge.h"
#include "sim/keys.h"
#include "sim/ledger.h"
#include "sim/machine.h"
#include "sim/operator.h"
#include "sim/primary.h"
#include "sim/world.h"
#include "store/fake_disk.h"

enum { HUGE_DISK = 1 << 30 };

static struct {
    struct happening next;
    struct happening disk_heals;
    struct happening clock_heals;
    struct happening power;
    struct happening keys_return;
    bool power_follows; /* a start of the keeper */
    unsigned domains;
    int64_t until_ms;
    int64_t pause_ms; /* between troubles, about */
    unsigned kinds;   /* bits: those that this seed knows */
    int64_t right_wall_offset_ms;
} trouble;

/* ---- the disk ---- */

static void heal_disk(struct happening *happening)
{
    struct fake_disk *disk = machine_disk();

    (void)happening;
    world_trace("-- the disk is well");
    fake_disk_set_capacity(disk, 0);
    fake_disk_fail_always(disk, 0);
    fake_disk_be_cold(disk, 0);
    edge_worker_set_slow(false);
}

static void heal_disk_later(int64_t most_ms)
{
    world_in(&trouble.disk_heals, chance_between(SECOND_MS, most_ms));
}

static void disk_full(void)
{
    struct disk *disk = fake_disk_use(machine_disk());

    fake_disk_set_capacity(machine_disk(), HUGE_DISK);
    uint64_t used = HUGE_DISK - disk->driver->free_bytes(disk);
    uint64_t left = chance_below(300 * 1024);
    world_trace("-- the disk has %llu octets left", (unsigned long long)left);
    fake_disk_set_capacity(machine_disk(), used + left);
    heal_disk_later(5 * HOUR_MS);
}

static void disk_write_fails(void)
{
    world_trace("-- a write will fail");
    fake_disk_fail_write(machine_disk(), 1 + chance_below(20), chance_percent(80) ? -EIO : -EROFS);
}

static void disk_sync_fails(void)
{
    world_trace("-- a sync will fail");
    fake_disk_fail_sync(machine_disk(), 1 + chance_below(10), -EIO);
}

static void disk_fails(void)
{
    world_trace("-- the disk fails");
    fake_disk_fail_always(machine_disk(), -EIO);
    heal_disk_later(2 * HOUR_MS);
}

static void disk_slow(void)
{
    world_trace("-- the disk is slow and cold");
    edge_worker_set_slow(chance_percent(50));
    fake_disk_be_cold(machine_disk(), (unsigned)chance_between(1, 100));
    heal_disk_later(5 * HOUR_MS);
}

/* ---- power and processes ---- */

static void power_goes(void)
{
    machine_cut_power();
}

static void power_goes_soon(void)
{
    world_trace("-- the power will be cut");
    machine_die_at(1 + chance_below(60), false);
}

static void keeper_dies(void)
{
    machine_kill(ROLE_KEEPER, 1);
    primaries_may_be_tried();
}

/* Between a write and its sync, say; and perhaps the power goes while the next one is young. */
static void keeper_dies_soon(void)
{
    world_trace("-- the keeper will be killed");
    machine_die_at(1 + chance_below(20), true);
    if (chance_percent(50))
        trouble.power_follows = true;
}

/* From the ledger: a keeper has opened the store. */
void trouble_keeper_began(void)
{
    if (trouble.power_follows)
        world_in(&trouble.power, chance_between(0, 500));
    trouble.power_follows = false;
}

static void on_power(struct happening *happening)
{
    (void)happening;
    machine_cut_power();
}

static void deliverer_dies(void)
{
    machine_kill(ROLE_DELIVERER, 1 + (unsigned)chance_below(2));
    primaries_may_be_tried();
}

static void receiver_dies(void)
{
    machine_kill(ROLE_RECEIVER, 1 + (unsigned)chance_below(3));
}

static void all_die(void)
{
    machine_kill_all();
}

static void somebody_ends(void)
{
    static const enum role role[] = { ROLE_KEEPER, ROLE_RECEIVER, ROLE_DELIVERER };
    machine_end(role[chance_below(3)], 1);
    primaries_may_be_tried();
}

/* ---- clocks ---- */

static void heal_clock(struct happening *happening)
{
    (void)happening;
    world_trace("-- the wall clock is right");
    world.wall_offset_ms = trouble.right_wall_offset_ms;
    ledger_clock_is_wrong(false);
}

static void clock_jumps(void)
{
    static const int64_t jump[] = { -DAY_MS,        -HOUR_MS,      10LL * DAY_MS,
                                    -10LL * DAY_MS, 3LL * HOUR_MS, 30LL * MINUTE_MS };
    int64_t by_ms = jump[chance_below(sizeof jump / sizeof *jump)];

    world_trace("-- the wall clock jumps by %lld s", (long long)by_ms / SECOND_MS);
    world.wall_offset_ms += by_ms;
    ledger_clock_is_wrong(true);
    world_in(&trouble.clock_heals, chance_percent(60) ? chance_between(SECOND_MS, 50 * MINUTE_MS)
                                                      : chance_between(HOUR_MS, 12 * HOUR_MS));
}

static void machine_freezes(void)
{
    int64_t for_ms = chance_between(SECOND_MS, 2 * HOUR_MS);

    world_trace("-- the machine stands still for %lld s", (long long)for_ms / SECOND_MS);
    world.true_ms += for_ms;
}

/* ---- keys ---- */

static void on_keys_return(struct happening *happening)
{
    (void)happening;
    keys_come_back();
    primaries_may_be_tried();
}

static void keys_go_away(void)
{
    keys_go();
    world_in(&trouble.keys_return, chance_between(SECOND_MS, 3 * HOUR_MS));
}

/* ---- the operator ---- */

static void ask(const char *operation, const char *more)
{
    struct buf request = { 0 };

    buf_add_format(&request, "{\"op\":\"%s\",\"name\":\"d%u.example\"%s}", operation,
                   (unsigned)chance_below(trouble.domains), more);
    operator_say(buf_str(&request), false);
    buf_fini(&request);
    primaries_may_be_tried();
}

static void operator_flushes(void)
{
    primaries_may_be_tried();
    operator_say(STR("{\"op\":\"queue.flush\"}"), false);
}

static void operator_pauses(void)
{
    ask("domain.pause", "");
}

static void operator_resumes(void)
{
    ask("domain.resume", "");
}

static void operator_removes(void)
{
    ask("domain.remove", ",\"force\":true");
}

static void operator_adds(void)
{
    scenario_add_domain((unsigned)chance_below(trouble.domains));
}

static void settle(const char *operation)
{
    struct buf request = { 0 };
    struct str id;

    if (!ledger_choose(&id))
        return;
    if (operation[6] == 'd') /* queue.discard */
        ledger_discard_asked(id);
    buf_add_format(&request, "{\"op\":\"%s\",\"id\":\"%.*s\"}", operation, STR_FMT(id));
    operator_say(buf_str(&request), false);
    buf_fini(&request);
}

static void operator_discards(void)
{
    settle("queue.discard");
}

static void operator_releases(void)
{
    for (int i = 0; i < 5; i++)
        settle("queue.release");
}

static void look(void)
{
    ledger_check_store();
}

/* ---- */

static void (*const kinds[])(void) = {
    disk_full,
    disk_write_fails,
    disk_sync_fails,
    disk_fails,
    disk_slow,
    power_goes,
    power_goes_soon,
    keeper_dies,
    deliverer_dies,
    receiver_dies,
    all_die,
    somebody_ends,
    clock_jumps,
    machine_freezes,
    operator_flushes,
    operator_pauses,
    operator_resumes,
    operator_removes,
    operator_adds,
    operator_discards,
    operator_releases,
    look,
    look,
    power_goes_soon,
    keeper_dies,
    keeper_dies_soon,
    keeper_dies_soon,
    keys_change,
    keys_go_away,
    keys_change,
    keys_go_away,
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void on_next(struct happening *happening)
{
    unsigned kind = (unsigned)chance_below(KINDS);

    (void)happening;
    if (trouble.kinds & 1u << kind)
        kinds[kind]();
    int64_t pause_ms = chance_percent(20) ? chance_between(0, 5 * SECOND_MS)
                                          : chance_between(0, 2 * trouble.pause_ms);
    if (world.true_ms + pause_ms < trouble.until_ms)
        world_in(&trouble.next, pause_ms);
}

void trouble_start(unsigned domains, int64_t until_ms)
{
    trouble.next.happen = on_next;
    trouble.disk_heals.happen = heal_disk;
    trouble.clock_heals.happen = heal_clock;
    trouble.power.happen = on_power;
    trouble.keys_return.happen = on_keys_return;
    trouble.domains = domains;
    trouble.until_ms = until_ms;
    trouble.pause_ms = (until_ms - world.true_ms) / chance_between(4, 60);
    trouble.right_wall_offset_ms = world.wall_offset_ms;
    trouble.kinds = ~0u;
    if (!chance_percent(20)) {
        trouble.kinds &= (unsigned)random_u64(&world.chance);
        trouble.kinds &= (unsigned)random_u64(&world.chance);
    }
    world_in(&trouble.next, chance_between(0, trouble.pause_ms));
}

void trouble_end(void)
{
    world_cancel(&trouble.next);
    world_cancel(&trouble.disk_heals);
    world_cancel(&trouble.clock_heals);
    world_cancel(&trouble.power);
    world_cancel(&trouble.keys_return);
    trouble.power_follows = false;
    heal_disk(NULL);
    heal_clock(NULL);
    keys_come_back();
    machine_die_at(0, false);
    fake_disk_fail_write(machine_disk(), 0, 0);
    fake_disk_fail_sync(machine_disk(), 0, 0);
}
