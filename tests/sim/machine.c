/* SPDX-License-Identifier: ISC */
/* machine.c: see machine.h. */
#include "sim/machine.h"

#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "roles/board.h"
#include "roles/keeper/keeper.h"
#include "roles/role.h"
#include "sim/edge.h"
#include "sim/keys.h"
#include "sim/ledger.h"
#include "sim/world.h"
#include "store/fake_disk.h"

enum {
    PROCESSES_MAX = 16,
    PEERS_MAX = 64,
    DELAY_FIRST_MS = 100, /* as the supervisor's */
    DELAY_MAX_MS = 30 * SECOND_MS,
    SETTLED_MS = MINUTE_MS,
    GRACE_MS = 20 * SECOND_MS,
    SEGMENT_SIZE = 128 * 1024,
    LARGE_BODY_SIZE = 24 * 1024,
};

struct peer_coming { /* a channel's other end, on the leash */
    enum role role;
    unsigned index;
    int fd;
};

struct process {
    struct role_process role;
    const struct role_hooks *hooks;
    char name[32];
    bool is_alive;
    int64_t started_ms;  /* true time */
    int64_t deadline_ms; /* monotonic */
    unsigned deaths;     /* in a row */
    struct happening spawn;
    struct peer_coming peer[PEERS_MAX];
    unsigned peer_count;
    int listener;
};

static struct {
    struct config *config;
    struct fake_disk *disk;
    struct process process[PROCESSES_MAX];
    unsigned count;
    int board;
    bool is_off;
    bool only_keeper_dies; /* machine_die_at() */
    struct happening boot;
    struct machine_counts counts;
} machine;

static bool are_peers(enum role a, enum role b)
{
    return a != b && (a == ROLE_KEEPER || b == ROLE_KEEPER);
}

/* ---- life ---- */

static struct config *copy_of(const struct config *config)
{
    struct buf bytes = { 0 };
    struct config *copy;

    config_encode(config, &bytes);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    check(config_decode(&cursor, &copy));
    buf_fini(&bytes);
    copy->data = STR(".");                     /* the working folder of the simulator */
    copy->store_memory = MACHINE_STORE_MEMORY; /* less than may be configured */
    return copy;
}

static void hand_over_peers(struct process *process)
{
    for (unsigned i = 0; i < machine.count; i++) {
        struct process *other = &machine.process[i];
        int fd[2];
        if (!other->is_alive || other == process ||
            !are_peers(process->role.role, other->role.role))
            continue;
        check(other->peer_count < PEERS_MAX);
        edge_pair(fd);
        process->hooks->peer(process->role.state, other->role.role, other->role.index, fd[0]);
        other->peer[other->peer_count++] = (struct peer_coming){ .role = process->role.role,
                                                                 .index = process->role.index,
                                                                 .fd = fd[1] };
    }
}

static void spawn_later(struct process *process)
{
    int64_t delay_ms = DELAY_FIRST_MS;

    if (world.true_ms - process->started_ms > SETTLED_MS)
        process->deaths = 0;
    process->deaths++;
    for (unsigned i = 1; i < process->deaths && delay_ms < DELAY_MAX_MS; i++)
        delay_ms *= 2;
    world_in(&process->spawn, delay_ms < DELAY_MAX_MS ? delay_ms : DELAY_MAX_MS);
}

static void count_death(const struct process *process)
{
    if (process->role.role == ROLE_KEEPER) {
        machine.counts.keeper_deaths++;
        ledger_keeper_died();
    } else if (process->role.role == ROLE_DELIVERER) {
        machine.counts.deliverer_deaths++;
    }
}

/* The end that the role itself comes to, with everything closed. */
static void end(struct process *process)
{
    process->hooks->destroy(process->role.state);
    config_free(process->role.config);
    loop_free(process->role.loop);
    for (unsigned i = 0; i < process->peer_count; i++)
        (void)close(process->peer[i].fd);
    process->peer_count = 0;
    process->is_alive = false;
    spawn_later(process);
}

static void configure(struct process *process)
{
    enum role role = process->role.role;

    process->role.config = copy_of(machine.config);
    process->role.state = process->hooks->create(&process->role);
    if (role == ROLE_RECEIVER) {
        process->hooks->listener(process->role.state, LISTENER_SMTP, process->listener);
        process->hooks->board(process->role.state, dup(machine.board));
    } else if (role == ROLE_KEEPER) {
        process->hooks->listener(process->role.state, LISTENER_CONTROL, process->listener);
        keys_hand_over(process->hooks, process->role.state);
    }
    hand_over_peers(process);
}

static void spawn(struct process *process)
{
    enum role role = process->role.role;
    unsigned index = process->role.index;

    edge_log_as(process->name);
    world_trace("-- %s starts", process->name);
    process->role = (struct role_process){ .role = role, .index = index, .hooks = process->hooks };
    process->role.leash.fd = -1;
    random_from_kernel(&process->role.random);
    stream_set_init(&process->role.streams);
    process->role.loop = loop_new();
    process->started_ms = world.true_ms;
    process->deadline_ms = 0;
    process->is_alive = true;
    configure(process);
    int error = process->hooks->prepare != NULL ? process->hooks->prepare(process->role.state) : 0;
    if (error == 0 && process->hooks->start != NULL)
        error = process->hooks->start(process->role.state);
    if (error != 0) {
        world_trace("-- %s does not start: %d", process->name, error);
        end(process);
        return;
    }
    process->role.is_running = true;
}

static void on_spawn(struct happening *happening)
{
    spawn(container_of(happening, struct process, spawn));
}

static void kill_process(struct process *process)
{
    if (!process->is_alive)
        return;
    world_trace("-- %s is killed", process->name);
    edge_kill(process->role.loop);
    for (unsigned i = 0; i < process->peer_count; i++)
        (void)close(process->peer[i].fd);
    process->peer_count = 0;
    process->is_alive = false;
    if (process->role.role == ROLE_KEEPER) {
        edge_worker_kill_all();
        fake_disk_close_all(machine.disk);
    }
    count_death(process);
    spawn_later(process);
}

static struct process *find(enum role role, unsigned index)
{
    for (unsigned i = 0; i < machine.count; i++)
        if (machine.process[i].role.role == role && machine.process[i].role.index == index)
            return &machine.process[i];
    return NULL;
}

void machine_kill(enum role role, unsigned index)
{
    struct process *process = find(role, index);
    if (process != NULL)
        kill_process(process);
}

void machine_end(enum role role, unsigned index)
{
    struct process *process = find(role, index);

    if (process == NULL || !process->is_alive || process->role.is_stopping)
        return;
    world_trace("-- %s is asked to stop", process->name);
    edge_log_as(process->name);
    edge_set_now(process->role.loop);
    process->role.is_stopping = true;
    process->role.stop_deadline_ms = world_now().mono_ms + GRACE_MS;
    process->hooks->stop(process->role.state);
    process->deadline_ms = 0;
}

static void boot(struct happening *happening)
{
    (void)happening;
    machine.is_off = false;
    for (unsigned i = 0; i < machine.count; i++)
        spawn(&machine.process[i]);
}

static void go_down(int64_t for_ms)
{
    machine.is_off = true;
    for (unsigned i = 0; i < machine.count; i++) {
        kill_process(&machine.process[i]);
        world_cancel(&machine.process[i].spawn);
        machine.process[i].deaths = 0;
        edge_listener_close(machine.process[i].listener);
    }
    world_in(&machine.boot, for_ms);
}

void machine_kill_all(void)
{
    if (machine.is_off)
        return;
    world_trace("-- everything is killed");
    go_down(chance_between(100, 10 * SECOND_MS));
}

/* The wall clock keeps what it showed, wrong or not; the other one begins anew. */
void machine_cut_power(void)
{
    world_trace("-- the power is cut");
    machine.counts.power_cuts++;
    if (!machine.is_off)
        go_down(chance_between(5 * SECOND_MS, 10 * MINUTE_MS));
    fake_disk_cut_power(machine.disk);
    world.mono_offset_ms = chance_between(SECOND_MS, MINUTE_MS) - world.true_ms;
}

void machine_die_at(uint64_t n, bool only_keeper)
{
    machine.only_keeper_dies = only_keeper;
    fake_disk_die_at(machine.disk, n);
}

void machine_reload_keys(void)
{
    struct process *process = find(ROLE_KEEPER, 1);

    if (!process->is_alive || process->role.is_stopping)
        return;
    edge_log_as(process->name);
    edge_set_now(process->role.loop);
    keys_hand_over(process->hooks, process->role.state);
    process->deadline_ms = 0;
}

void machine_look_at_disk(void)
{
    if (!fake_disk_is_dead(machine.disk))
        return;
    if (!machine.only_keeper_dies) {
        machine_cut_power();
        return;
    }
    machine_kill(ROLE_KEEPER, 1);
    fake_disk_close_all(machine.disk);
}

static void add(enum role role, unsigned index, const struct role_hooks *hooks)
{
    struct process *process = &machine.process[machine.count++];

    check(machine.count <= PROCESSES_MAX);
    process->role.role = role;
    process->role.index = index;
    process->hooks = hooks;
    process->spawn.happen = on_spawn;
    process->listener = role == ROLE_DELIVERER ? -1 : edge_listener_new();
    (void)snprintf(process->name, sizeof process->name, "%s-%u", role_name(role), index);
}

void machine_init(struct config *config)
{
    machine.config = config;
    machine.disk = fake_disk_new(chance_below(UINT64_MAX));
    machine.boot.happen = boot;
    (void)unlink("under-way"); /* the keeper's, of the seed before */
    machine.board = board_make();
    check(machine.board >= 0);
    edge_set_disk(machine.disk, SEGMENT_SIZE, LARGE_BODY_SIZE);
    add(ROLE_KEEPER, 1, &keeper_hooks);
    for (unsigned i = 1; i <= config->receivers; i++)
        add(ROLE_RECEIVER, i, &receiver_hooks);
    for (unsigned i = 1; i <= config->deliverers; i++)
        add(ROLE_DELIVERER, i, &deliverer_hooks);
}

void machine_boot(void)
{
    boot(NULL);
}

/* ---- turns ---- */

static int64_t true_time(int64_t mono_ms)
{
    return mono_ms == NEVER_MS ? NEVER_MS : mono_ms - world.mono_offset_ms;
}

unsigned machine_runnable(struct process **out_process, unsigned max)
{
    unsigned count = 0;

    edge_look();
    for (unsigned i = 0; i < machine.count && count < max; i++) {
        struct process *process = &machine.process[i];
        if (process->is_alive &&
            (process->peer_count > 0 || true_time(process->deadline_ms) <= world.true_ms ||
             edge_is_ready(process->role.loop)))
            out_process[count++] = process;
    }
    return count;
}

static void take_peers(struct process *process)
{
    for (unsigned i = 0; i < process->peer_count; i++)
        process->hooks->peer(process->role.state, process->peer[i].role, process->peer[i].index,
                             process->peer[i].fd);
    process->peer_count = 0;
}

void machine_step(struct process *process)
{
    edge_log_as(process->name);
    edge_set_now(process->role.loop);
    if (chance_percent(50)) /* the leash is a descriptor among others */
        take_peers(process);
    edge_dispatch(process->role.loop);
    take_peers(process);
    process->deadline_ms = role_turn(&process->role, world_now());
    if (loop_is_stopped(process->role.loop)) {
        world_trace("-- %s ends", process->name);
        end(process);
        count_death(process);
    }
}

int64_t machine_deadline(void)
{
    int64_t deadline_ms = NEVER_MS;

    for (unsigned i = 0; i < machine.count; i++) {
        int64_t ms = true_time(machine.process[i].deadline_ms);
        if (machine.process[i].is_alive && ms < deadline_ms)
            deadline_ms = ms;
    }
    return deadline_ms;
}

/* ---- looking in ---- */

struct keeper *machine_keeper(void)
{
    const struct process *process = find(ROLE_KEEPER, 1);
    return process->is_alive && process->role.is_running && !process->role.is_stopping
               ? process->role.state
               : NULL;
}

void machine_wake_keeper(void)
{
    find(ROLE_KEEPER, 1)->deadline_ms = 0;
}

bool machine_is_whole(void)
{
    for (unsigned i = 0; i < machine.count; i++)
        if (!machine.process[i].is_alive)
            return false;
    return true;
}

struct fake_disk *machine_disk(void)
{
    return machine.disk;
}

const struct machine_counts *machine_counts(void)
{
    return &machine.counts;
}

int machine_smtp_listener(void)
{
    unsigned index = 1 + (unsigned)chance_below(machine.config->receivers);
    return machine.is_off ? -1 : find(ROLE_RECEIVER, index)->listener;
}

int machine_control_listener(void)
{
    return machine.is_off ? -1 : find(ROLE_KEEPER, 1)->listener;
}
