/* SPDX-License-Identifier: ISC */
/* world.c: see world.h.
 *
 * A step is: choose by chance one of those who have something to do now, and let
 * it do that. So every order in which processes and peers may come is tried by
 * some seed. A step takes up to a millisecond.
 */
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "sim/ledger.h"
#include "sim/machine.h"
#include "sim/outside.h"

enum {
    START_MS = 1000,
    LINES_KEPT = 60,
    LINE_SIZE = 400,
    STEPS_MAX = 3000000,        /* of a run */
    STEPS_AT_ONE_TIME = 200000, /* without anything coming to rest: it turns in circles */
};

struct world world;

static struct {
    char line[LINES_KEPT][LINE_SIZE];
    unsigned next;
} last;

void world_init(uint64_t seed, bool is_traced)
{
    world = (struct world){ .seed = seed, .is_traced = is_traced };
    random_from_seed(&world.chance, seed);
    random_from_seed(&world.kernel, seed ^ UINT64_C(0x5eed0f7e4e1));
    world.true_ms = START_MS;
    world.wall_offset_ms = INT64_C(1800000000000) + chance_between(0, DAY_MS);
    world.mono_offset_ms = chance_between(0, DAY_MS);
    world.trace_hash = UINT64_C(0xcbf29ce484222325);
}

struct now world_now(void)
{
    return (struct now){ .mono_ms = world.true_ms + world.mono_offset_ms,
                         .wall_ms = world.true_ms + world.wall_offset_ms };
}

/* ---- what is to happen ---- */

void world_at(struct happening *happening, int64_t true_ms)
{
    heap_put(&world.happenings, &happening->node, true_ms);
}

void world_in(struct happening *happening, int64_t ms)
{
    world_at(happening, world.true_ms + ms);
}

void world_cancel(struct happening *happening)
{
    heap_remove(&world.happenings, &happening->node);
}

/* ---- steps ---- */

enum { RUNNABLE_MAX = 64 };

/* False when nobody has anything to do now. */
static bool act(void)
{
    struct process *process[RUNNABLE_MAX];
    unsigned count = machine_runnable(process, RUNNABLE_MAX - 1);
    bool outside = outside_is_ready();

    if (count == 0 && !outside)
        return false;
    uint64_t chosen = chance_below(count + (outside ? 1 : 0));
    if (chosen < count)
        machine_step(process[chosen]);
    else
        outside_step();
    return true;
}

static int64_t next_time(int64_t until_ms)
{
    const struct heap_node *first = heap_first(&world.happenings);
    int64_t next_ms = machine_deadline();

    if (first != NULL && first->key < next_ms)
        next_ms = first->key;
    if (next_ms > until_ms)
        next_ms = until_ms;
    return next_ms > world.true_ms ? next_ms : world.true_ms;
}

static bool happen(void)
{
    struct heap_node *node = heap_take_due(&world.happenings, world.true_ms);

    if (node == NULL)
        return false;
    struct happening *happening = (struct happening *)node;
    happening->happen(happening);
    return true;
}

void world_run(int64_t until_ms, bool (*is_over)(void))
{
    uint64_t busy = 0;

    while (world.true_ms < until_ms) {
        bool acted = happen() || act();
        if (acted) {
            world.true_ms += chance_percent(20) ? 1 : 0;
            machine_look_at_disk();
            ledger_check_step();
        } else {
            busy = 0;
            world.true_ms = next_time(until_ms);
        }
        if (++world.steps > STEPS_MAX || ++busy > STEPS_AT_ONE_TIME)
            world_fail("the run does not come to rest");
        if (acted && is_over != NULL && is_over())
            return;
    }
}

/* ---- what has happened ---- */

static void add_to_hash(const char *text)
{
    for (; *text != '\0'; text++)
        world.trace_hash = (world.trace_hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
}

static void keep(const char *line)
{
    add_to_hash(line);
    (void)snprintf(last.line[last.next++ % LINES_KEPT], LINE_SIZE, "%s", line);
    if (world.is_traced)
        (void)printf("%s\n", line);
}

void world_trace(const char *format, ...)
{
    char text[LINE_SIZE - 32];
    char line[LINE_SIZE];
    va_list arguments;
    int64_t ms = world.true_ms;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)snprintf(line, sizeof line, "%3dd %02d:%02d:%02d.%03d %s", (int)(ms / DAY_MS),
                   (int)(ms / HOUR_MS % 24), (int)(ms / MINUTE_MS % 60), (int)(ms / SECOND_MS % 60),
                   (int)(ms % SECOND_MS), text);
    keep(line);
}

void world_fail(const char *format, ...)
{
    va_list arguments;

    (void)printf("seed %llu: ", (unsigned long long)world.seed);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)printf("\nThe last that happened:\n");
    for (unsigned i = last.next > LINES_KEPT ? last.next - LINES_KEPT : 0; i < last.next; i++)
        (void)printf("    %s\n", last.line[i % LINES_KEPT]);
    (void)fflush(stdout);
    _exit(1);
}

/* ---- chance ---- */

uint64_t chance_below(uint64_t bound)
{
    return random_below(&world.chance, bound);
}

bool chance_percent(unsigned percent)
{
    return chance_below(100) < percent;
}

int64_t chance_between(int64_t least, int64_t most)
{
    return least + (int64_t)chance_below((uint64_t)(most - least) + 1);
}
