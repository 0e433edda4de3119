/* SPDX-License-Identifier: ISC */
/* dns.c: asks the resolver, and remembers for a minute what it said.
 *
 * Most mail comes from few senders, and each message asks some five questions: what is known here
 * wakes nobody. An answer that did not come is remembered for a short time, so that a dead name
 * server is waited for once and not for each message.
 */
#include "base/log.h"
#include "base/memory.h"
#include "roles/receiver/receiver.h"

enum {
    KNOWN_MAX = 8192,           /* one more, and it begins anew … */
    KNOWN_OCTETS_MAX = 8 << 20, /* … or so many octets */
    KNOWN_MS = MINUTE_MS,       /* at most; less if the answer says so */
    FAILURE_KNOWN_MS = 10 * SECOND_MS,
    QUESTION_KEY_MAX = 2 + DNS_NAME_MAX,
};

struct known { /* an answer */
    int64_t until_ms;
    struct arena arena;
    struct dns_answer answer;
};

struct key {
    size_t len;
    char bytes[QUESTION_KEY_MAX];
};

static struct str key_of(struct dns_question question, struct key *room)
{
    struct str name = str_first(question.name, DNS_NAME_MAX);

    room->bytes[0] = (char)(question.type & 0xff);
    room->bytes[1] = (char)(question.type >> 8 & 0xff);
    for (size_t i = 0; i < name.len; i++)
        room->bytes[2 + i] = ascii_lower(name.ptr[i]);
    return str_of(room->bytes, 2 + name.len);
}

static void known_free(struct receiver *receiver, struct known *known)
{
    if (known == NULL)
        return;
    receiver->dns_octets -= arena_size(&known->arena);
    arena_fini(&known->arena);
    memory_free(known);
}

void receiver_dns_fini(struct receiver *receiver)
{
    struct known *known;
    size_t cursor = 0;

    while ((known = map_next(&receiver->dns_known, &cursor, NULL)) != NULL)
        known_free(receiver, known);
    map_fini(&receiver->dns_known);
}

static void begin_anew(struct receiver *receiver)
{
    receiver_dns_fini(receiver);
    map_init(&receiver->dns_known);
}

static int64_t lifetime(const struct dns_answer *answer)
{
    int64_t ttl = (int64_t)answer->ttl_s * SECOND_MS;

    if (answer->status == DNS_FAILED)
        return FAILURE_KNOWN_MS;
    return answer->status == DNS_FOUND && ttl < KNOWN_MS ? ttl : KNOWN_MS;
}

static void keep(struct receiver *receiver, struct dns_question question,
                 const struct dns_answer *answer)
{
    struct known *known = memory_new(sizeof *known);
    struct key room;

    if (receiver->dns_known.count >= KNOWN_MAX || receiver->dns_octets >= KNOWN_OCTETS_MAX)
        begin_anew(receiver);
    known->until_ms = loop_now(receiver->process->loop).mono_ms + lifetime(answer);
    known->answer = dns_answer_copy(&known->arena, answer);
    receiver->dns_octets += arena_size(&known->arena);
    known_free(receiver, map_put(&receiver->dns_known, key_of(question, &room), known));
}

const struct dns_answer *receiver_dns_find(const struct receiver *receiver,
                                           struct dns_question question)
{
    static const struct dns_answer failed = { .status = DNS_FAILED };
    struct key room;
    const struct known *known = map_find(&receiver->dns_known, key_of(question, &room));

    if (known != NULL && known->until_ms > loop_now(receiver->process->loop).mono_ms)
        return &known->answer;
    return receiver->resolver == NULL ? &failed : NULL;
}

/* ---- asking ---- */

void receiver_dns_ask(struct receiver *receiver, struct lookup *lookup,
                      struct dns_question question)
{
    lookup->receiver = receiver;
    lookup->ticket = receiver_ticket(receiver);
    lookup->question.type = question.type;
    buf_reset(&lookup->name);
    buf_add(&lookup->name, question.name);
    lookup->question.name = buf_str(&lookup->name);
    (void)map_put(&receiver->lookups, receiver_ticket_key(&lookup->ticket), lookup);
    channel_send(receiver->resolver, dns_ask, .ticket = lookup->ticket,
                 .name = lookup->question.name, .type = lookup->question.type);
}

void receiver_dns_forget(struct lookup *lookup)
{
    if (lookup->ticket != 0)
        (void)map_remove(&lookup->receiver->lookups, receiver_ticket_key(&lookup->ticket));
    lookup->ticket = 0;
    buf_fini(&lookup->name);
}

static bool take_answer(struct receiver *receiver, struct cursor payload)
{
    struct message_dns_answer message;
    struct dns_answer answer;
    struct arena arena = { 0 };

    if (!message_get_dns_answer(payload, &message))
        return false;
    struct lookup *lookup = map_remove(&receiver->lookups, receiver_ticket_key(&message.ticket));
    struct cursor cursor = cursor_over(message.answer);
    bool decoded = dns_answer_decode(&cursor, &arena, &answer) && cursor_done(&cursor);
    if (decoded && lookup != NULL) {
        lookup->ticket = 0;
        keep(receiver, lookup->question, &answer);
        lookup->answered(lookup, &answer);
    }
    arena_fini(&arena);
    return decoded;
}

static bool on_message(void *context, struct channel *channel, enum message_type type,
                       struct cursor payload)
{
    (void)channel;
    return type == MESSAGE_dns_answer && take_answer(context, payload);
}

/* Whoever waits is told that there is no answer; further questions have none either. */
static void on_broken(void *context, struct channel *channel, const char *why)
{
    static const struct dns_answer failed = { .status = DNS_FAILED };
    struct receiver *receiver = context;
    struct lookup *lookup;
    size_t cursor = 0;

    log_warn("resolver_lost", LOG_TEXT("why", why));
    receiver->resolver = NULL;
    receiver_bury_channel(receiver, channel);
    while ((lookup = map_next(&receiver->lookups, &cursor, NULL)) != NULL) {
        (void)map_remove(&receiver->lookups, receiver_ticket_key(&lookup->ticket));
        lookup->ticket = 0;
        lookup->answered(lookup, &failed);
        cursor = 0;
    }
}

static const struct channel_host resolver_hooks_here = { .message = on_message,
                                                         .broken = on_broken };

void receiver_resolver_came(struct receiver *receiver, unsigned index, int fd)
{
    if (receiver->resolver != NULL)
        channel_cut(receiver->resolver, "a new one came");
    receiver->resolver =
        channel_new(ROLE_RECEIVER, ROLE_RESOLVER, index, &resolver_hooks_here, receiver);
    channel_attach(receiver->resolver, receiver->process->loop, fd);
}
