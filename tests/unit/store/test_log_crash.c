/* SPDX-License-Identifier: ISC */
/* test_log_crash.c: the power fails at any moment; what was promised is there.
 *
 * Each seed plays several lives of one disk. In each life random messages are
 * appended, settled, released and listed, until the power is cut at a random
 * write, sync or rename. The disk then keeps an arbitrary part of what was not
 * synced. The store is opened again and compared with a model.
 *
 * The model is the list of operations in the order asked. What was answered with 0
 * is a prefix of it (promise 3). After the crash there must be a k, not less than the
 * number answered, so that the store is exactly what the first k operations make:
 * nothing lost, nothing undone, nothing else there, and no later operation without an
 * earlier one.
 *
 * To show that this would notice: a disk that lies about sync must be found out.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/fake_disk.h"
#include "store/log/log_store.h"
#include "store/rig.h"

enum { OPERATIONS_MAX = 1200, LIVES = 4, SEEDS = 600 };

struct operation {
    struct rig_message message; /* of an append, or the one that is settled */
    bool is_settle;
    uint32_t domain;
    enum outcome outcome;
    uint32_t recipient[2];
    uint32_t count;
    struct rig_answer answer;
};

struct model { /* of one message: -1 absent */
    int state[RIG_RECIPIENTS_MAX];
    bool is_there;
};

struct world {
    struct rig rig;
    struct fake_disk *fake;
    struct operation operation[OPERATIONS_MAX];
    uint32_t count;
    uint32_t certain;  /* operations that are known to have happened */
    uint32_t messages; /* numbers 1 … */
    struct rig_message message[OPERATIONS_MAX];
    struct model seen[OPERATIONS_MAX];
    struct model want[OPERATIONS_MAX];
    const char *failure;
};

/* What is logged: damage, where there can be none, and whether segments were compacted. */
static unsigned damaged;
static unsigned compacted;

static void count_events(void *context, struct str line)
{
    char text[256] = { 0 };

    (void)context;
    memcpy(text, line.ptr, line.len < sizeof text - 1 ? line.len : sizeof text - 1);
    damaged += strstr(text, "_damaged ") != NULL || strstr(text, "_unreadable ") != NULL ? 1 : 0;
    compacted += strstr(text, " spool_compacted ") != NULL ? 1 : 0;
    if (getenv("HOLDFAST_LOG") != NULL)
        (void)fprintf(stderr, "%.*s\n", STR_FMT(line));
}

static int open_log(struct rig *rig, struct store **out_store)
{
    struct world *world = rig->driver.context;
    struct log_store_settings settings = { .segment_size = 65536, .large_body_size = 16384 };
    return log_store_open(&settings, fake_disk_use(world->fake), rig->worker, rig->now, out_store);
}

static uint32_t below(struct world *world, uint32_t bound)
{
    return (uint32_t)random_below(&world->rig.random, bound);
}

/* ---- the model ---- */

static bool changes(enum outcome outcome, int state, int *out_next)
{
    switch (outcome) {
    case OUTCOME_DELIVERED:
        *out_next = RECIPIENT_GONE;
        return state == RECIPIENT_PENDING;
    case OUTCOME_RESCUED:
        *out_next = RECIPIENT_RESCUED;
        return state == RECIPIENT_PENDING;
    case OUTCOME_RELEASED:
        *out_next = RECIPIENT_PENDING;
        return state == RECIPIENT_RESCUED;
    case OUTCOME_DISCARDED:
        *out_next = RECIPIENT_GONE;
        return state != RECIPIENT_GONE;
    }
    return false;
}

static bool names(const struct operation *operation, uint32_t i)
{
    if (i % operation->message.domains != operation->domain)
        return false;
    for (uint32_t at = 0; at < operation->count; at++)
        if (operation->recipient[at] == i)
            return true;
    return operation->count == 0;
}

static void model_apply(struct world *world, const struct operation *operation)
{
    struct model *model = &world->want[operation->message.number];
    bool is_left = false;

    if (!operation->is_settle)
        model->is_there = true;
    for (uint32_t i = 0; i < operation->message.recipient_count; i++) {
        int next;
        if (operation->is_settle && names(operation, i) &&
            changes(operation->outcome, model->state[i], &next))
            model->state[i] = next;
        is_left |= model->state[i] != RECIPIENT_GONE;
    }
    if (!is_left)
        model->is_there = false;
}

static bool model_is_seen(const struct world *world)
{
    for (uint32_t i = 1; i <= world->messages; i++) {
        const struct model *want = &world->want[i];
        const struct model *seen = &world->seen[i];
        if (want->is_there != seen->is_there)
            return false;
        if (want->is_there && memcmp(want->state, seen->state, sizeof want->state) != 0)
            return false;
    }
    return true;
}

/* Finds the k of the head comment, and forgets what has not happened. */
static bool model_matches(struct world *world)
{
    memset(world->want, 0, sizeof world->want);
    for (uint32_t i = 0; i < world->certain; i++)
        model_apply(world, &world->operation[i]);
    for (uint32_t k = world->certain;; k++) {
        if (model_is_seen(world)) {
            world->count = world->certain = k;
            return true;
        }
        if (k == world->count)
            return false;
        model_apply(world, &world->operation[k]);
    }
}

/* ---- looking at the store ---- */

static void look_at_messages(struct world *world)
{
    struct rig_content content;

    for (uint32_t i = 1; i <= world->messages; i++) {
        rig_look(&world->rig, &world->message[i], STR_NONE, &content);
        world->seen[i] = (struct model){ .is_there = content.error == 0 };
        if (content.error != 0 && content.error != -ENOENT)
            world->failure = "open failed";
        if (content.error != 0)
            continue;
        if (content.read_error != 0 || !content.is_same)
            world->failure = "content differs";
        for (uint32_t r = 0; r < content.recipient_count; r++)
            world->seen[i].state[r] = (int)content.state[r];
    }
}

static uint32_t entries_wanted(const struct world *world)
{
    uint32_t entries = 0;
    for (uint32_t i = 1; i <= world->messages; i++) {
        bool has[RIG_DOMAINS] = { false };
        if (!world->want[i].is_there)
            continue;
        for (uint32_t r = 0; r < world->message[i].recipient_count; r++)
            if (world->want[i].state[r] != RECIPIENT_GONE)
                has[r % world->message[i].domains] = true;
        for (int d = 0; d < RIG_DOMAINS; d++)
            entries += has[d] ? 1 : 0;
    }
    return entries;
}

static bool is_before(struct store_position a, struct store_position b)
{
    return a.since_ms != b.since_ms ? a.since_ms < b.since_ms : a.order < b.order;
}

static void look_at_lists(struct world *world)
{
    static struct rig_list list;
    uint32_t total = 0;

    for (int d = 0; d < RIG_DOMAINS; d++) {
        for (unsigned state = ENTRY_HELD; state <= ENTRY_RESCUED; state++) {
            struct store_query query = { .domain = rig_domain[d], .states = 1U << state };
            rig_list_all(&world->rig, query, 1 + below(world, 50), &list);
            total += list.count;
            for (uint32_t i = 1; i < list.count; i++)
                if (!is_before(list.position[i - 1], list.position[i]))
                    world->failure = "order is not kept";
        }
    }
    struct store_query everything = { .newest_first = true };
    rig_list_all(&world->rig, everything, 7, &list);
    if (list.count != total || total != entries_wanted(world))
        world->failure = "listings differ from what is there";
}

static void check_world(struct world *world)
{
    look_at_messages(world);
    if (!model_matches(world))
        world->failure = "not the state after any number of operations";
    else
        look_at_lists(world);
}

/* ---- living ---- */

static void add_message(struct world *world)
{
    struct operation *operation = &world->operation[world->count++];
    uint32_t size = below(world, 10) == 0 ? below(world, 60000) : below(world, 3000);

    *operation = (struct operation){ 0 };
    operation->message = (struct rig_message){
        .number = ++world->messages,
        .size = size,
        .recipient_count = 1 + below(world, 4),
        .domains = 1 + below(world, RIG_DOMAINS),
        .received_ms = world->rig.now.wall_ms,
        .front = below(world, (size < 3000 ? size : 3000) + 1),
    };
    world->message[world->messages] = operation->message;
    rig_append(&world->rig, &operation->message, &operation->answer);
}

static void settle_message(struct world *world)
{
    struct operation *operation = &world->operation[world->count++];

    *operation = (struct operation){ .is_settle = true };
    /* Old ones and new ones, so that segments become free and some stay long. */
    uint32_t back = below(world, 2) == 0 ? below(world, world->messages)
                                         : below(world, world->messages < 9 ? world->messages : 9);
    operation->message = world->message[world->messages - back];
    operation->domain = below(world, operation->message.domains);
    operation->outcome =
        (enum outcome)(below(world, 3) == 0 ? 1 + below(world, 4) : OUTCOME_DELIVERED);
    operation->count = below(world, 3) == 0 ? 1 + below(world, 2) : 0;
    for (uint32_t i = 0; i < operation->count; i++)
        operation->recipient[i] = below(world, operation->message.recipient_count);
    rig_settle(&world->rig, operation->message.number, rig_domain[operation->domain],
               operation->outcome, operation->recipient, operation->count, &operation->answer);
}

static void count_answers(struct world *world)
{
    while (world->certain < world->count) {
        const struct rig_answer *answer = &world->operation[world->certain].answer;
        bool is_done = answer->is_there && (answer->error == 0 || answer->error == -ENOENT);
        if (!is_done)
            break;
        world->certain++;
    }
    /* Nothing is answered with 0 before what was asked earlier (promise 3). A settlement of what is
     * gone already is no operation on the disk. */
    for (uint32_t i = world->certain; i < world->count; i++)
        if (world->operation[i].answer.is_there && world->operation[i].answer.error == 0 &&
            !world->operation[i].is_settle)
            world->failure = "answered out of order";
}

static void live(struct world *world, bool ends)
{
    uint32_t steps = 20 + below(world, 150);

    if (ends)
        fake_disk_die_at(world->fake, 1 + below(world, 300));
    for (uint32_t i = 0; i < steps && !fake_disk_is_dead(world->fake); i++) {
        if (world->count + 1 >= OPERATIONS_MAX)
            break;
        if (world->messages == 0 || below(world, 100) < 45)
            add_message(world);
        else
            settle_message(world);
        if (below(world, 3) == 0)
            rig_pass(&world->rig, below(world, 50));
    }
    if (!ends) {
        rig_idle(&world->rig);
        count_answers(world);
    }
    count_answers(world);
}

static void cut_power(struct world *world)
{
    count_answers(world);
    fake_disk_die_at(world->fake, 1);
    /* Nothing can be written any more; what is answered now is not 0. */
    rig_close(&world->rig);
    count_answers(world);
    fake_disk_cut_power(world->fake);
}

static const char *play(uint64_t seed, bool lies)
{
    struct world *world = memory_new(sizeof *world);

    world->fake = fake_disk_new(seed);
    random_from_seed(&world->rig.random, seed);
    world->rig.worker = worker_new_inline();
    world->rig.now = (struct now){ .mono_ms = 1000, .wall_ms = 1700000000000 };
    world->rig.driver = (struct rig_driver){ open_log, world };
    fake_disk_be_cold(world->fake, below(world, 100));
    fake_disk_lie(world->fake, lies);
    rig_open(&world->rig);
    for (int i = 0; i < LIVES && world->failure == NULL; i++) {
        bool crashes = below(world, 4) > 0 || lies;
        live(world, crashes);
        if (world->failure != NULL)
            break;
        if (crashes)
            cut_power(world);
        else
            rig_close(&world->rig);
        rig_open(&world->rig);
        check_world(world);
    }
    const char *failure = world->failure;
    rig_close(&world->rig);
    worker_free(world->rig.worker);
    fake_disk_free(world->fake);
    memory_free(world);
    return failure;
}

static uint64_t seeds(void)
{
    const char *text = getenv("HOLDFAST_SEEDS");
    return text != NULL ? strtoull(text, NULL, 10) : SEEDS;
}

static void keeps_every_promise_over_power_cuts(void **state)
{
    const char *only = getenv("HOLDFAST_SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : seeds();

    (void)state;
    for (uint64_t seed = first; seed <= last; seed++) {
        const char *failure = play(seed, false);
        if (failure == NULL && damaged > 0)
            failure = "damage is reported where there is none";
        if (failure != NULL)
            fail_msg("seed %llu: %s", (unsigned long long)seed, failure);
    }
    assert_true(only != NULL || compacted > last / 4);
}

static void notices_a_disk_that_lies(void **state)
{
    unsigned found = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        found += play(seed, true) != NULL ? 1 : 0;
    assert_true(found >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_every_promise_over_power_cuts),
        cmocka_unit_test(notices_a_disk_that_lies),
    };
    log_set_sink(count_events, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
