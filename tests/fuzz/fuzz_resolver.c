/* SPDX-License-Identifier: ISC */
/* fuzz_resolver.c: receivers and the keeper ask for anything, and the network answers anything.
 *
 * The real role over a libunbound of our own, which keeps the questions and answers them in any
 * order, with any packet, at once or not at all. Askers die and come again, time passes.
 *   1  the resolver does not die
 *   2  each question is answered once at most, to the one who asked it, by what decodes
 *   3  a name that is none reaches no library
 *
 * The input is a row of operations: an octet (low half: what; high half: whose or which), then what
 * it needs.
 */
#include <unbound-event.h>
#include <unbound.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/domain.h"
#include "wire/dns.h"

#include "hand_loop.h"
#include "roles/role.h"
#include "speak.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ASKERS = 3, OPEN_MAX = 64, TICKETS = 64, OPERATIONS_MAX = 400 };

/* ---- libunbound ---- */

struct ub_ctx {
    struct {
        void *context;
        ub_event_callback_type answer;
    } question[OPEN_MAX];
    unsigned count;
};

static struct ub_ctx unbound;

struct ub_ctx *ub_ctx_create_event(struct event_base *base)
{
    (void)base;
    unbound = (struct ub_ctx){ 0 };
    return &unbound;
}

void ub_ctx_delete(struct ub_ctx *ctx)
{
    (void)ctx; /* questions that are open get no answer */
}

int ub_resolve_event(struct ub_ctx *ctx, const char *name, int rrtype, int rrclass, void *mydata,
                     ub_event_callback_type callback, int *async_id)
{
    (void)async_id;
    check(dns_name_is_valid(str_from(name)) && rrtype >= 0 && rrtype <= UINT16_MAX && rrclass == 1);
    if (ctx->count == OPEN_MAX)
        return UB_NOMEM;
    if (str_equals(str_from(name), STR("localhost"))) { /* what is known here is said at once */
        callback(mydata, 3, NULL, 0, 0, NULL, 0);
        return 0;
    }
    ctx->question[ctx->count].context = mydata;
    ctx->question[ctx->count++].answer = callback;
    return 0;
}

int ub_ctx_debuglevel(struct ub_ctx *ctx, int d)
{
    (void)ctx;
    (void)d;
    return 0;
}

int ub_ctx_set_option(struct ub_ctx *ctx, const char *opt, const char *val)
{
    (void)ctx;
    (void)opt;
    (void)val;
    return 0;
}

int ub_ctx_set_fwd(struct ub_ctx *ctx, const char *addr)
{
    (void)ctx;
    (void)addr;
    return 0;
}

int ub_ctx_resolvconf(struct ub_ctx *ctx, const char *fname)
{
    (void)ctx;
    (void)fname;
    return 0;
}

int ub_ctx_hosts(struct ub_ctx *ctx, const char *fname)
{
    (void)ctx;
    (void)fname;
    return 0;
}

int ub_ctx_add_ta(struct ub_ctx *ctx, const char *ta)
{
    (void)ctx;
    (void)ta;
    return 0;
}

const char *ub_strerror(int error)
{
    (void)error;
    return "as you like it";
}

/* ---- askers ---- */

struct world {
    struct role_process process;
    void *resolver;
    struct channel *asker[ASKERS];
    bool is_open[ASKERS][TICKETS]; /* asked and not answered */
    struct link broken;
};

static void one_line(void *context, struct str line)
{
    (void)context;
    for (size_t i = 0; i < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
}

static const struct {
    enum role role;
    unsigned index;
} who[ASKERS] = { { ROLE_KEEPER, 0 }, { ROLE_RECEIVER, 1 }, { ROLE_RECEIVER, 2 } };

static void hear(struct world *world, unsigned asker)
{
    struct message_dns_answer message;
    struct dns_answer answer;
    struct arena arena = { 0 };

    if (world->asker[asker] == NULL || channel_is_broken(world->asker[asker]))
        return;
    struct str bytes = channel_pending(world->asker[asker]);
    size_t size = bytes.len;
    while (bytes.len > 0) {
        struct cursor payload;
        check(hear_frame(&bytes, ROLE_RESOLVER, who[asker].role, &payload) == MESSAGE_dns_answer);
        check(message_get_dns_answer(payload, &message));
        struct cursor cursor = cursor_over(message.answer);
        check(dns_answer_decode(&cursor, &arena, &answer) && cursor_done(&cursor));
        check(message.ticket < TICKETS && world->is_open[asker][message.ticket]);
        world->is_open[asker][message.ticket] = false;
        arena_reset(&arena);
    }
    channel_taken(world->asker[asker], size);
    arena_fini(&arena);
}

static void turn(struct world *world)
{
    for (unsigned i = 0; i < ASKERS; i++) /* before a channel that broke is freed */
        if (world->asker[i] != NULL && channel_is_broken(world->asker[i]))
            world->asker[i] = NULL;
    (void)resolver_hooks.turn(world->resolver, loop_now(world->process.loop));
    for (unsigned i = 0; i < ASKERS; i++)
        hear(world, i);
}

/* The role keeps its channels to itself; the newest watch is that of the one it was just given. */
static void come(struct world *world, unsigned asker)
{
    struct channel *former = world->asker[asker];

    for (int i = 0; i < TICKETS; i++)
        world->is_open[asker][i] = false;
    resolver_hooks.peer(world->resolver, who[asker].role, who[asker].index, -1);
    world->asker[asker] = hand_loop_newest(world->process.loop);
    check(channel_peer(world->asker[asker]) == who[asker].role);
    speak_nonsense(former);
}

static void ask(struct world *world, unsigned asker, struct cursor *input)
{
    static const char *const names[] = {
        "example.org", "mx.example.org", "1.2.0.192.in-addr.arpa", "", "a..b", "x y"
    };
    uint8_t n = cursor_u8(input);
    struct message_dns_ask message = { .ticket = n % TICKETS,
                                       .name = str_from(names[n % 6]),
                                       .type = cursor_u8(input) };
    struct buf payload = { 0 };
    struct buf frame = { 0 };

    if (n >= 0xc0)
        message.name = cursor_bytes(input, n & 0x3f);
    if (message.type >= 0xf0)
        message.type = (uint64_t)cursor_u16(input) * 3;
    if (world->asker[asker] == NULL || world->is_open[asker][message.ticket])
        return;
    message_put_dns_ask(&payload, &message);
    buf_add_u32(&frame, (uint32_t)payload.len);
    buf_add_u16(&frame, MESSAGE_dns_ask);
    buf_add_u16(&frame, 0);
    buf_add(&frame, buf_str(&payload));
    world->is_open[asker][message.ticket] = true;
    channel_feed(world->asker[asker], buf_str(&frame));
    buf_fini(&payload);
    buf_fini(&frame);
}

/* One that is open is answered: by the packet in the input, or by nothing. */
static void answer(unsigned which, struct cursor *input)
{
    uint8_t shape = cursor_u8(input);
    struct str packet = cursor_bytes(input, cursor_u8(input));
    char *copy = memory_copy(packet.len > 0 ? packet.ptr : "", packet.len);
    static char why[] = "because";

    if (unbound.count > 0) {
        unsigned at = which % unbound.count;
        void *context = unbound.question[at].context;
        ub_event_callback_type answered = unbound.question[at].answer;
        unbound.question[at] = unbound.question[--unbound.count];
        answered(context, shape & 15, shape & 16 ? NULL : copy, (int)packet.len, (shape >> 5) % 3,
                 shape >> 5 == 1 ? why : NULL, 0);
    }
    memory_free(copy);
}

static void operate(struct world *world, uint8_t operation, struct cursor *input)
{
    unsigned asker = (operation >> 4) % ASKERS;

    switch (operation & 7) {
    case 0:
    case 1:
    case 2:
        ask(world, asker, input);
        break;
    case 3:
    case 4:
        answer(operation >> 4, input);
        break;
    case 5:
        come(world, asker);
        break;
    case 6:
        hand_loop_pass(world->process.loop, (operation >> 4) * 5 * SECOND_MS);
        break;
    case 7:
        if (world->asker[asker] != NULL)
            channel_feed(world->asker[asker], cursor_bytes(input, cursor_u8(input)));
        for (int i = 0; i < TICKETS && world->asker[asker] != NULL; i++)
            world->is_open[asker][i] = true; /* it may have been a question */
        break;
    }
    turn(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config *config;
    struct config_problems problems = { 0 };
    struct cursor input = cursor_over(str_of(data, size));
    struct world world = { .process = { .role = ROLE_RESOLVER } };

    log_set_sink(one_line, NULL);
    log_set_level(LOG_DEBUG);
    if (config == NULL)
        check(config_load_text(STR("fuzz"),
                               STR("hostname = mx2.example.net\ndns { servers = "
                                   "{\"192.0.2.53\"} trust-anchor = \"\" }"),
                               &config, &problems) == 0);
    world.process.config = config;
    world.process.loop = loop_new();
    world.resolver = resolver_hooks.create(&world.process);
    check(resolver_hooks.prepare(world.resolver) == 0);
    for (unsigned i = 0; i < ASKERS; i++)
        come(&world, i);
    for (int i = 0; i < OPERATIONS_MAX && input.left.len > 0; i++)
        operate(&world, cursor_u8(&input), &input);
    resolver_hooks.destroy(world.resolver);
    loop_free(world.process.loop);
    return 0;
}
