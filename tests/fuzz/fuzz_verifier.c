/* SPDX-License-Identifier: ISC */
/* fuzz_verifier.c: clients that ask in any order, and a primary that says anything at any time.
 *
 *   1  who asks is answered once: at once, or later, and within the callout's limit
 *   2  at the primary are never more questions than it tolerates, nor than may be under way
 *   3  a network is told "no such mailbox" no more often in an hour than it may be
 *   4  suspects are accepted within the budgets
 *   5  what holds is an acceptance
 *
 * The input is a list of operations, an octet each, and what they need behind them.
 */
#include <stdio.h>

#include "base/check.h"
#include "base/cursor.h"
#include "base/map.h"
#include "verify/verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OPERATIONS_MAX = 600,
    NAMES = 12,
    NETWORKS = 3,
    UNDER_WAY_MAX = 64,
    LIMIT_UNKNOWN = 4,
    LIMIT_NETWORK = 3,
    LIMIT_DOMAIN = 5,
    REFUSALS = 6,
    CALLOUT_LIMIT_MS = 6000,
};

struct asker {
    uint64_t id;
    int64_t since_ms;
    unsigned network;
    bool is_waiting;
};

struct network {
    int64_t hour_ms; /* when the first of the hour was told */
    unsigned refused, suspects;
};

struct world {
    struct verifier *verifier;
    struct random random;
    struct now now;
    struct asker asker[OPERATIONS_MAX];
    unsigned asker_count;
    uint64_t inquiry[UNDER_WAY_MAX];
    unsigned under_way;
    struct network network[NETWORKS];
};

static const struct str domain = { "example.org", 11 };

static void count(struct world *world, unsigned number, const struct verifier_answer *answer)
{
    struct network *network = &world->network[number];

    if (world->now.mono_ms - network->hour_ms >= HOUR_MS)
        *network = (struct network){ .hour_ms = world->now.mono_ms };
    network->refused += answer->verdict.code == 550 && answer->verdict.enhanced[1] == 1;
    network->suspects += answer->is_suspect && !answer->holds; /* counted just now */
    /* An hour of ours may lie across two of the budgets'. */
    check(network->refused <= 2 * LIMIT_UNKNOWN);
    check(network->suspects <= 2 * LIMIT_NETWORK);
}

static void check_answer(struct world *world, struct asker *asker,
                         const struct verifier_answer *answer)
{
    int64_t waited_ms = world->now.mono_ms - asker->since_ms;

    check(answer->verdict.code != 0);
    check(!answer->holds || answer->verdict.fate == FATE_ACCEPT);
    check(!answer->is_suspect || answer->verdict.fate == FATE_ACCEPT);
    check(waited_ms >= 0);
    count(world, asker->network, answer);
}

static void on_answered(void *context, uint64_t id, const struct verifier_answer *answer)
{
    struct world *world = context;

    for (unsigned i = 0; i < world->asker_count; i++) {
        struct asker *asker = &world->asker[i];
        if (asker->id != id)
            continue;
        check(asker->is_waiting);
        asker->is_waiting = false;
        check_answer(world, asker, answer);
        return;
    }
    check(false);
}

static void on_inquire(void *context, uint64_t inquiry, struct str name, struct str address)
{
    struct world *world = context;

    check(str_equals(name, domain) && address.len > domain.len);
    for (unsigned i = 0; i < world->under_way; i++)
        check(world->inquiry[i] != inquiry);
    if (world->under_way < UNDER_WAY_MAX) /* else it is lost, as with a deliverer */
        world->inquiry[world->under_way++] = inquiry;
}

static void on_changed(void *context, const struct known_recipient *recipient, bool is_gone)
{
    (void)context;
    (void)is_gone;
    check(str_find_last(recipient->address, '@') > 0);
}

static void on_memory(void *context, struct str name)
{
    (void)context;
    check(str_equals(name, domain));
}

static void on_void(void *context, struct str name)
{
    on_memory(context, name);
}

static void on_event(void *context, struct str name, enum verifier_event event,
                     const struct verdict *said)
{
    (void)said;
    check(event <= VERIFIER_USERS_BACK);
    on_memory(context, name);
}

static const struct verifier_host host = {
    .answered = on_answered,
    .inquire = on_inquire,
    .recipient_changed = on_changed,
    .memory_changed = on_memory,
    .answers_void = on_void,
    .event = on_event,
};

static struct str name_of(unsigned number, char room[static 64])
{
    static const char *const names[NAMES] = { "anna",    "Anna", "postmaster", "o'tto",
                                              "\"a b\"", "x",    "y",          "z",
                                              "one",     "two",  "three",      "four" };
    (void)snprintf(room, 64, "%s@example.org", names[number % NAMES]);
    return str_from(room);
}

static void ask(struct world *world, struct cursor *input)
{
    char room[64];
    struct asker *asker = &world->asker[world->asker_count];
    unsigned who = cursor_u8(input);
    static const char *const networks[NETWORKS] = { "192.0.2.0", "198.51.100.0", "2001:db8::" };
    struct verifier_answer answer = { 0 };

    *asker = (struct asker){ .id = world->asker_count + 1,
                             .since_ms = world->now.mono_ms,
                             .network = who / NAMES % NETWORKS,
                             .is_waiting = true };
    world->asker_count++;
    const struct verifier_question question = { .asker = asker->id,
                                                .domain = domain,
                                                .network = str_from(networks[asker->network]),
                                                .address = name_of(who, room) };
    if (!verifier_ask(world->verifier, &question, world->now, &answer))
        return;
    check(asker->is_waiting);
    asker->is_waiting = false;
    check_answer(world, asker, &answer);
}

static struct verdict word(unsigned choice)
{
    static const struct {
        uint16_t code;
        const char *text;
    } words[] = {
        { 250, "2.1.5 ok" },   { 550, "5.1.1 none" }, { 550, "no" },
        { 550, "5.7.1 go" },   { 252, "perhaps" },    { 450, "4.2.0 grey" },
        { 452, "4.5.3 many" }, { 552, "5.2.2 full" }, { 421, "4.3.2 shutting" },
        { 451, "4.4.2 lost" },
    };
    choice %= sizeof words / sizeof *words;
    return verdict_from_reply(words[choice].code, str_from(words[choice].text));
}

static void tell(struct world *world, struct cursor *input)
{
    unsigned choice = cursor_u8(input);
    struct verdict verdict = word(cursor_u8(input));

    if (world->under_way == 0)
        return;
    unsigned at = choice % world->under_way;
    uint64_t inquiry = world->inquiry[at];
    world->inquiry[at] = world->inquiry[--world->under_way];
    verifier_told(world->verifier, inquiry, (enum probe_stage)(choice / 64), &verdict, world->now);
}

static void pass(struct world *world, struct cursor *input)
{
    static const int64_t spans[] = { 1,         100,           SECOND_MS, CALLOUT_LIMIT_MS,
                                     MINUTE_MS, 6 * MINUTE_MS, HOUR_MS,   8LL * DAY_MS };
    int64_t span_ms = spans[cursor_u8(input) % 8];

    world->now.mono_ms += span_ms;
    world->now.wall_ms += span_ms;
    verifier_tick(world->verifier, world->now);
    for (unsigned i = 0; i < world->asker_count; i++) {
        const struct asker *asker = &world->asker[i];
        check(!asker->is_waiting ||
              world->now.mono_ms < asker->since_ms + CALLOUT_LIMIT_MS + 2 * SECOND_MS + span_ms);
    }
}

static void put(struct world *world)
{
    static const struct {
        enum setting setting;
        int64_t value;
    } values[] = { { SETTING_UNKNOWN_PER_NETWORK, LIMIT_UNKNOWN },
                   { SETTING_SUSPECTS_PER_NETWORK, LIMIT_NETWORK },
                   { SETTING_SUSPECTS_PER_DOMAIN, LIMIT_DOMAIN },
                   { SETTING_CALLOUT_REFUSALS, REFUSALS },
                   { SETTING_CALLOUT_LIMIT, CALLOUT_LIMIT_MS } };
    struct domain_settings settings = { 0 };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check(setting_put_number(&settings, values[i].setting, values[i].value));
    verifier_put_domain(world->verifier, domain, &settings, NULL, world->now);
}

static void forget_somebody(struct world *world, unsigned choice)
{
    if (world->asker_count == 0)
        return;
    struct asker *asker = &world->asker[choice % world->asker_count];
    if (asker->is_waiting)
        verifier_forget_asker(world->verifier, asker->id);
    asker->is_waiting = false;
}

static void operate(struct world *world, unsigned operation, struct cursor *input)
{
    char room[64];
    struct verdict verdict;

    switch (operation % 9) {
    case 0:
    case 1:
        ask(world, input);
        break;
    case 2:
    case 3:
        tell(world, input);
        break;
    case 4:
        pass(world, input);
        break;
    case 5:
        verifier_set_primary(world->verifier, domain, cursor_u8(input) % 4 != 0, STR("p"),
                             world->now);
        break;
    case 6:
        verdict = word(cursor_u8(input));
        verifier_delivered(world->verifier, name_of(cursor_u8(input), room), &verdict, world->now);
        break;
    case 7:
        forget_somebody(world, cursor_u8(input));
        break;
    default:
        if (cursor_u8(input) % 16 == 0)
            verifier_remove_domain(world->verifier, domain, world->now);
        put(world);
        break;
    }
    struct verifier_status status;
    if (verifier_status(world->verifier, domain, world->now, &status))
        check(status.suspects <= LIMIT_DOMAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = { .now = { .mono_ms = 1000, .wall_ms = 1700000000000 } };
    struct cursor input = cursor_over(str_of(data, size));

    random_from_seed(&world.random, 1);
    world.verifier = verifier_new(&host, &world, &world.random);
    put(&world);
    verifier_set_primary(world.verifier, domain, true, STR("p"), world.now);
    for (int i = 0; i < OPERATIONS_MAX && input.left.len > 0; i++)
        operate(&world, cursor_u8(&input), &input);
    verifier_free(world.verifier);
    return 0;
}
