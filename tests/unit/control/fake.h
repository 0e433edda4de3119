/* SPDX-License-Identifier: ISC */
/* fake.h: a node without a disk, for the operations: a store of two messages, a host that remembers
 * what it was asked, a directory in memory. Callbacks come from fake_turn(). */
#pragma once

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "control/control.h"

enum { FAKE_WALL_MS = 1763760000 }; /* seconds; 2025-11-21T21:20:00Z */

struct fake_message {
    const char *id;
    struct entry entry;
    struct recipient recipient[3];
    enum recipient_state state[3];
    uint32_t recipients;
    const char *content;
};

struct fake {
    struct store store; /* first */
    struct fake_message message[2];
    struct arena arena;
    unsigned open_readers;
    bool is_pinned;

    /* the one callback that waits */
    struct link waiting;

    struct worker *worker;
    struct directory *directory;
    struct config *config;
    struct control *control;

    struct buf answers; /* lines */
    bool more;
    struct buf events; /* what the host was asked: "changed example.org\n" */
    struct str why;    /* nobody is told of a bounce */
    bool knows_routes;
    struct addresses addresses;
    struct route_status route;
};

struct fake_call {
    struct link link;
    struct fake *fake;
    void (*run)(struct fake_call *call);
    union {
        store_done *done;
        control_bounced *bounced;
        store_listed *listed;
        store_opened *opened;
        store_read_done *read;
    } to;
    void *context;
    struct fake_message *message;
    struct store_query query;
    uint64_t offset;
    size_t size;
    int error;
};

static struct fake_call *fake_call(struct fake *fake, void (*run)(struct fake_call *),
                                   void *context)
{
    struct fake_call *call = memory_new(sizeof *call);
    call->fake = fake;
    call->run = run;
    call->context = context;
    list_append(&fake->waiting, &call->link);
    return call;
}

static void fake_turn(struct fake *fake)
{
    struct link *first;
    do {
        while ((first = list_first(&fake->waiting)) != NULL) {
            struct fake_call *call = container_of(first, struct fake_call, link);
            list_remove(first);
            call->run(call);
            memory_free(call);
        }
    } while (worker_collect(fake->worker) > 0 || !list_is_empty(&fake->waiting));
}

/* ---- store ---- */

struct fake_reader {
    struct store_reader reader; /* first */
    struct fake_message *message;
    struct stored_message stored;
};

static struct fake_message *fake_find(struct fake *fake, struct message_id id)
{
    for (int i = 0; i < 2; i++)
        if (message_id_equals(fake->message[i].entry.id, id))
            return &fake->message[i];
    return NULL;
}

static void fake_run_list(struct fake_call *call)
{
    struct entry entry[2];
    struct store_position position[2];
    struct store_listing listing = { entry, position, 0, false };

    for (unsigned i = 0; i < 2; i++) {
        struct entry *one = &call->fake->message[i].entry;
        if (call->query.domain.len > 0 && !str_equals(call->query.domain, one->domain))
            continue;
        if (call->query.states != 0 && (call->query.states & 1u << one->state) == 0)
            continue;
        if (i + 1 <= call->query.after.order)
            continue;
        if (listing.count == call->query.limit) {
            listing.more = true;
            break;
        }
        entry[listing.count] = *one;
        position[listing.count++] = (struct store_position){ one->since_ms, i + 1 };
    }
    call->to.listed(call->context, 0, &listing);
}

static void fake_list(struct store *store, const struct store_query *query, store_listed *listed,
                      void *context)
{
    struct fake_call *call = fake_call((struct fake *)store, fake_run_list, context);
    struct arena *arena = &call->fake->arena;
    call->to.listed = listed;
    call->query = *query;
    call->query.domain = arena_str(arena, query->domain);
    call->query.recipient = arena_str(arena, query->recipient);
}

static void fake_run_open(struct fake_call *call)
{
    if (call->message == NULL) {
        call->to.opened(call->context, -ENOENT, NULL, NULL);
        return;
    }
    struct fake_reader *reader = memory_new(sizeof *reader);
    struct fake_message *message = call->message;
    reader->reader.store = &call->fake->store;
    reader->message = message;
    reader->stored = (struct stored_message){
        .envelope = { .id = message->entry.id,
                      .received_ms = message->entry.since_ms,
                      .sender = STR("s@remote.example"),
                      .helo = STR("evil\x1b[2J\xff"),
                      .recipient = message->recipient,
                      .recipient_count = message->recipients },
        .size = message->entry.size,
        .recipient_state = message->state,
    };
    call->fake->open_readers++;
    call->to.opened(call->context, 0, &reader->reader, &reader->stored);
}

static void fake_open(struct store *store, struct message_id id, struct str domain,
                      store_opened *opened, void *context)
{
    struct fake_call *call = fake_call((struct fake *)store, fake_run_open, context);
    (void)domain;
    call->to.opened = opened;
    call->message = fake_find(call->fake, id);
}

static void fake_run_read(struct fake_call *call)
{
    struct str content = str_from(call->message->content);
    call->to.read(call->context, 0, str_first(str_skip(content, call->offset), call->size));
}

static void fake_read(struct store_reader *reader, uint64_t offset, size_t size,
                      store_read_done *done, void *context)
{
    struct fake_call *call = fake_call((struct fake *)reader->store, fake_run_read, context);
    call->to.read = done;
    call->message = ((struct fake_reader *)reader)->message;
    call->offset = offset;
    call->size = size < 5 ? size : 5; /* many pieces */
}

static void fake_reader_close(struct store_reader *reader)
{
    ((struct fake *)reader->store)->open_readers--;
    memory_free(reader);
}

static uint64_t fake_memory(const struct store *store)
{
    (void)store;
    return 0;
}

static void fake_totals(const struct store *store, struct str domain, struct store_totals *out)
{
    const struct fake *fake = (const struct fake *)store;

    *out = (struct store_totals){ 0 };
    for (int i = 0; i < 2; i++) {
        const struct entry *entry = &fake->message[i].entry;
        if (domain.len > 0 && !str_equals(domain, entry->domain))
            continue;
        out->held_count += entry->state == ENTRY_HELD;
        out->held_bytes += entry->state == ENTRY_HELD ? entry->size : 0;
        out->rescued_count += entry->state == ENTRY_RESCUED;
        out->oldest_held_ms = entry->state == ENTRY_HELD ? entry->since_ms : out->oldest_held_ms;
    }
}

static bool fake_next_domain(const struct store *store, size_t *cursor, struct str *out_domain)
{
    (void)store;
    if (*cursor > 0)
        return false;
    ++*cursor;
    *out_domain = STR("example.org");
    return true;
}

static void fake_health(const struct store *store, struct store_health *out)
{
    (void)store;
    *out = (struct store_health){ .condition = STORE_OK, .free_bytes = 1000, .used_bytes = 20 };
}

static int fake_pin(struct store *store, int64_t span_ms, const struct store_pin_host *host)
{
    struct fake *fake = (struct fake *)store;

    check(span_ms > 0);
    if (fake->is_pinned)
        return -EBUSY;
    fake->is_pinned = true;
    host->file(host->context, "00000001.seg", 8192);
    return 0;
}

static bool fake_pin_on(struct store *store, int64_t span_ms)
{
    check(span_ms > 0);
    return ((struct fake *)store)->is_pinned;
}

static void fake_unpin(struct store *store)
{
    ((struct fake *)store)->is_pinned = false;
}

static const struct store_driver fake_driver = {
    .name = "fake",
    .memory = fake_memory,
    .list = fake_list,
    .open = fake_open,
    .read = fake_read,
    .reader_close = fake_reader_close,
    .totals = fake_totals,
    .next_domain = fake_next_domain,
    .health = fake_health,
    .pin = fake_pin,
    .pin_on = fake_pin_on,
    .unpin = fake_unpin,
};

/* ---- host ---- */

static void fake_answer(void *context, uint64_t ticket, struct str line, bool more)
{
    struct fake *fake = context;
    (void)ticket;
    buf_add(&fake->answers, line);
    buf_add_byte(&fake->answers, '\n');
    fake->more = more;
}

static void fake_run_done(struct fake_call *call)
{
    call->to.done(call->context, call->error);
}

static void fake_settle(void *context, const struct settlement *settlement,
                        const struct entry *after, store_done *done, void *done_context)
{
    struct fake *fake = context;
    buf_add_format(&fake->events, "settle %d %.*s", settlement->outcome,
                   STR_FMT(settlement->domain));
    for (uint32_t i = 0; i < settlement->count; i++)
        buf_add_format(&fake->events, " %u", settlement->recipient[i]);
    buf_add_format(&fake->events, " -> %u pending %u rescued\n", after->pending, after->rescued);
    fake_call(fake, fake_run_done, done_context)->to.done = done;
}

static void fake_run_bounced(struct fake_call *call)
{
    call->to.bounced(call->context, call->error, call->fake->why);
}

static void fake_bounce(void *context, const struct settlement *settlement,
                        const struct entry *after, control_bounced *done, void *done_context)
{
    struct fake *fake = context;

    buf_add(&fake->events, STR("tell and "));
    fake_settle(context, settlement, after, NULL, NULL);
    struct fake_call *call = container_of(fake->waiting.prev, struct fake_call, link);
    call->run = fake_run_bounced;
    call->context = done_context;
    call->to.bounced = done;
}

static void fake_changed(void *context, struct str domain)
{
    buf_add_format(&((struct fake *)context)->events, "changed %.*s\n", STR_FMT(domain));
}

static void fake_paused(void *context, struct str domain, int64_t until_ms)
{
    buf_add_format(&((struct fake *)context)->events, "paused %.*s %lld\n", STR_FMT(domain),
                   (long long)until_ms);
}

static void fake_wake(void *context, struct str domain)
{
    buf_add_format(&((struct fake *)context)->events, "wake %.*s\n", STR_FMT(domain));
}

static bool fake_route(void *context, struct str domain, struct now now, struct route_status *out)
{
    struct fake *fake = context;
    (void)domain;
    (void)now;
    if (fake->knows_routes)
        *out = fake->route;
    return fake->knows_routes;
}

static const char *fake_problem(void *context, struct str domain)
{
    (void)context;
    (void)domain;
    return NULL;
}

static uint32_t fake_lines(void *context, struct str domain)
{
    (void)context;
    return str_equals(domain, STR("example.org")) ? 2 : 0;
}

static bool fake_entry(void *context, struct str domain, struct message_id id, struct now now,
                       int64_t *out_next_ms, uint32_t *out_attempts, struct verdict *out_last)
{
    (void)context;
    (void)domain;
    (void)id;
    *out_next_ms = now.wall_ms + 60000;
    *out_attempts = 3;
    *out_last = verdict_make(450, 2, 0, STR("greylisted"));
    return true;
}

static size_t fake_roles(void *context, struct control_role *out_role)
{
    (void)context;
    out_role[0] = (struct control_role){ "receiver-1", FAKE_WALL_MS * 1000LL - 5000, 42, 1 };
    return 1;
}

static void fake_new_secret(void *context, struct str domain, directory_done *done,
                            void *done_context)
{
    struct fake *fake = context;
    const struct domain_fact fact = { STR("webhook-secret"), domain, STR(""),
                                      fake->events.len % 2 == 0 ? STR("first") : STR("second") };

    buf_add_byte(&fake->events, 's');
    directory_put_fact(fake->directory, &fact, done, done_context);
}

static void fake_new_domain_secret(void *context, struct str domain, bool for_cram,
                                   struct buf *out_secret, directory_done *done, void *done_context)
{
    struct fake *fake = context;
    const struct domain_fact fact = { STR("domain-secret"), domain, STR(""), STR("digest") };

    buf_add(out_secret, for_cram ? STR("5ec2e7c7a3") : STR("5ec2e7"));
    directory_put_fact(fake->directory, &fact, done, done_context);
}

static bool fake_policy(void *context, struct str domain, struct policy_status *out_status)
{
    (void)context;
    (void)domain;
    *out_status = (struct policy_status){ .is_in_force = true,
                                          .policy.mode = STS_TESTING,
                                          .id = STR("20260101"),
                                          .expires_ms = 1800000000000 };
    return true;
}

static enum address_fate fake_tell(void *context, const struct control_telling *telling,
                                   struct buf *out_why, directory_done *done, void *done_context)
{
    struct fake *fake = context;
    const struct domain_fact fact = { STR("addresses"), telling->domain, STR(""), STR("told") };
    const struct now now = { .mono_ms = 5000, .wall_ms = FAKE_WALL_MS * 1000LL };

    if (telling->endpoint[0].port == 26) {
        buf_add(out_why, STR("nothing is set"));
        return ADDRESS_UNPROVABLE;
    }
    bool is_new = addresses_tell(&fake->addresses, telling->endpoint, telling->count, now);
    directory_put_fact(fake->directory, &fact, done, done_context);
    return is_new ? ADDRESS_TAKEN : ADDRESS_SAME;
}

static bool fake_forget(void *context, struct str domain, directory_done *done, void *done_context)
{
    struct fake *fake = context;
    const struct domain_fact fact = { STR("addresses"), domain, STR(""), STR("") };

    if (fake->addresses.told_count == 0)
        return false;
    fake->addresses = (struct addresses){ 0 };
    directory_put_fact(fake->directory, &fact, done, done_context);
    return true;
}

static const struct addresses *fake_addresses(void *context, struct str domain)
{
    const struct fake *fake = context;
    (void)domain;
    return fake->addresses.told_count > 0 ? &fake->addresses : NULL;
}

static const struct control_host fake_host = {
    .answer = fake_answer,
    .settle = fake_settle,
    .bounce = fake_bounce,
    .domain_changed = fake_changed,
    .domain_paused = fake_paused,
    .wake = fake_wake,
    .route_status = fake_route,
    .route_problem = fake_problem,
    .line_count = fake_lines,
    .policy_status = fake_policy,
    .entry_status = fake_entry,
    .new_webhook_secret = fake_new_secret,
    .new_secret = fake_new_domain_secret,
    .tell_addresses = fake_tell,
    .forget_addresses = fake_forget,
    .addresses = fake_addresses,
    .roles = fake_roles,
};

/* ---- life ---- */

#define FAKE_HELD    "01KAM0000000000000000000A1"
#define FAKE_RESCUED "01KAM0000000000000000000B2"

static void fake_init_messages(struct fake *fake)
{
    fake->message[0] = (struct fake_message){
        .entry = { .domain = STR("example.org"),
                   .state = ENTRY_HELD,
                   .since_ms = 1763750000000,
                   .size = 18,
                   .pending = 2 },
        .recipient = { { .address = STR("Anna@example.org") },
                       { .address = STR("bob@example.org") },
                       { .address = STR("carl@example.net") } },
        .state = { RECIPIENT_PENDING, RECIPIENT_PENDING, RECIPIENT_RESCUED },
        .recipients = 3,
        .content = "Subject: x\r\n\r\nhey\n",
    };
    fake->message[1] = (struct fake_message){
        .entry = { .domain = STR("example.org"),
                   .state = ENTRY_RESCUED,
                   .since_ms = 1763751000000,
                   .size = 3,
                   .rescued = 1 },
        .recipient = { { .address = STR("dora@example.org") } },
        .state = { RECIPIENT_RESCUED },
        .recipients = 1,
        .content = "abc",
    };
    check(message_id_from_text(STR(FAKE_HELD), &fake->message[0].entry.id));
    check(message_id_from_text(STR(FAKE_RESCUED), &fake->message[1].entry.id));
}

static struct fake *fake_new(void)
{
    struct fake *fake = memory_new(sizeof *fake);
    struct config_problems problems = { 0 };

    fake->store.driver = &fake_driver;
    list_init(&fake->waiting);
    fake_init_messages(fake);
    fake->worker = worker_new_inline();
    check(directory_open(":memory:", fake->worker, &fake->directory) == 0);
    check(config_load_text(STR("fake"), STR("hostname = mx2.example.net"), &fake->config,
                           &problems) == 0);
    const struct control_setup setup = {
        .host = &fake_host,
        .context = fake,
        .config = fake->config,
        .directory = fake->directory,
        .store = &fake->store,
        .started_ms = FAKE_WALL_MS * 1000LL,
    };
    fake->control = control_new(&setup);
    return fake;
}

static void fake_free(struct fake *fake)
{
    control_free(fake->control);
    fake_turn(fake);
    directory_close(fake->directory);
    worker_free(fake->worker);
    config_free(fake->config);
    check(fake->open_readers == 0);
    arena_fini(&fake->arena);
    buf_fini(&fake->answers);
    buf_fini(&fake->events);
    memory_free(fake);
}

static struct now fake_now(void)
{
    return (struct now){ .mono_ms = 1000, .wall_ms = FAKE_WALL_MS * 1000LL };
}
