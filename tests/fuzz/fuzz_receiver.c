/* SPDX-License-Identifier: ISC */
/* fuzz_receiver.c: a whole receiver between strangers and a keeper in any mood.
 *
 * The real role, streams included: up to three clients send what they like in whatever pieces, come
 * and go. The keeper answers in any order, late, twice, with any verdict, grants credit in pieces,
 * dies and comes again, or says what no keeper would; so does the resolver. Time passes.
 *   1  the receiver does not die
 *   2  a client gets lines of printable ASCII that are replies, and a message is taken (250) only
 *      where a commit was answered so
 *   3  the keeper gets what the table allows: content in the order open, data, commit or abort,
 *      never more of it ahead than the window, with our Received field in front and no bare CR, LF
 *   4  each event is one line of printable ASCII
 * Filters, where a domain names them, say what they like too, or never come.
 *
 * The input is a row of operations: an octet (low half: what; high half: whose or which), then what
 * it needs.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "net/socket.h"
#include "roles/receiver/receiver.h"

#include "hand_loop.h"
#include "speak.h"

enum { CLIENTS = 3, UPLOADS = 32, ASKS = 64, FILTERS = 4, OPERATIONS_MAX = 600 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
    int fd;   /* ours; -1: none */
    int peer; /* the receiver's */
    struct buf line;
};

struct upload { /* content, as the keeper knows it */
    uint64_t ticket;
    uint64_t ahead; /* octets without credit */
    uint64_t octets;
    struct message_id id;
    char last;
    bool is_open;
};

struct world {
    struct role_process process;
    struct receiver *receiver;
    struct client client[CLIENTS];
    struct speak resolver; /* tickets of questions */
    uint64_t ask[ASKS];
    unsigned asks;
    uint64_t question;         /* 0: none is open */
    uint64_t policy_ask[ASKS]; /* not answered yet */
    unsigned policy_asks;
    struct upload upload[UPLOADS];
    unsigned uploads;
    uint64_t want[ASKS]; /* uploads of which a piece was wanted, and its size */
    uint64_t want_octets[ASKS];
    unsigned wants;
    struct leash leash;  /* the supervisor's end */
    int filter[FILTERS]; /* our ends of the last ones; -1: none */
    int filter_peer[FILTERS];
    unsigned filters;
    unsigned granted, taken; /* 250 for content: said by the keeper, heard by a client */
    bool is_lying;           /* the keeper has said what no keeper would */
};

static void one_line(void *context, struct str line)
{
    (void)context;
    for (size_t i = 0; i < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
}

/* ---- clients ---- */

static const struct str promise = { "250 2.0.0 Stored", 16 };

/* Whatever else is 250 says of what: sender, recipient, chunk, greeting, nothing. */
static void check_reply(struct world *world, struct str line)
{
    check(line.len >= 5 && line.ptr[line.len - 1] == '\r');
    check(line.ptr[0] >= '2' && line.ptr[0] <= '5');
    check(ascii_is_digit(line.ptr[1]) && ascii_is_digit(line.ptr[2]));
    check(line.ptr[3] == ' ' || line.ptr[3] == '-');
    for (size_t i = 0; i + 1 < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
    if (str_starts(line, promise)) {
        world->taken++;
        check(world->is_lying || world->taken <= world->granted);
    }
}

static void hear_client(struct world *world, struct client *client)
{
    char bytes[4096];
    ssize_t got;

    while (client->fd >= 0 && (got = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        buf_add_bytes(&client->line, bytes, (size_t)got);
        struct str text = buf_str(&client->line);
        struct str rest = text;
        struct str line;
        while (str_find(rest, '\n') >= 0 && str_cut(&rest, '\n', &line))
            check_reply(world, line);
        buf_consume(&client->line, text.len - rest.len);
    }
}

static void client_close(struct client *client)
{
    if (client->fd >= 0)
        (void)close(client->fd);
    client->fd = -1;
    buf_fini(&client->line);
}

static void client_come(struct world *world, struct client *client, uint8_t n)
{
    int fd[2];

    client_close(client);
    check(socket_pair(SOCK_STREAM, fd) == 0);
    client->fd = fd[0];
    client->peer = fd[1];
    hand_socket.accepted = fd[1];
    hand_socket.client = (struct endpoint){ .family = n & 1 ? ENDPOINT_IP6 : ENDPOINT_IP4,
                                            .address = { 192, 0, 2, n },
                                            .port = 4711 };
    if (n & 2)
        (void)send(client->fd, "EHLO too.early\r\n", 16, MSG_NOSIGNAL);
    if (!hand_loop_ready(world->process.loop, world->receiver->own[0].fd, WATCH_READ)) {
        (void)close(hand_socket.accepted); /* nobody accepts any more */
        hand_socket.accepted = -1;
        client_close(client);
    }
}

static void client_send(struct world *world, struct client *client, struct str bytes)
{
    if (client->fd < 0 || bytes.len == 0)
        return;
    (void)send(client->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)hand_loop_ready(world->process.loop, client->peer, WATCH_READ);
}

/* ---- what the keeper hears ---- */

static struct upload *find_upload(struct world *world, uint64_t ticket)
{
    for (unsigned i = 0; i < world->uploads; i++)
        if (world->upload[i].ticket == ticket)
            return &world->upload[i];
    return NULL;
}

static void hear_open(struct world *world, struct cursor payload)
{
    struct message_content_open message;

    check(message_get_content_open(payload, &message));
    check(find_upload(world, message.ticket) == NULL);
    if (world->uploads == UPLOADS) {
        world->uploads--;
        memmove(world->upload, world->upload + 1, world->uploads * sizeof world->upload[0]);
    }
    world->upload[world->uploads++] =
        (struct upload){ .ticket = message.ticket, .id = message.id, .is_open = true };
}

static void hear_data(struct world *world, struct cursor payload)
{
    struct message_content_data message;

    check(message_get_content_data(payload, &message));
    struct upload *upload = find_upload(world, message.ticket);
    if (upload == NULL)
        return; /* of long ago */
    check((upload->is_open || world->is_lying) && message.bytes.len > 0);
    upload->ahead += message.bytes.len;
    check(upload->ahead <= RECEIVE_WINDOW);
    for (size_t i = 0; i < message.bytes.len; i++) {
        char c = message.bytes.ptr[i];
        check((upload->last == '\r') == (c == '\n'));
        upload->last = c;
    }
}

static void hear_commit(struct world *world, struct cursor payload)
{
    struct message_content_commit message;
    struct envelope envelope;
    struct arena arena = { 0 };

    check(message_get_content_commit(payload, &message));
    struct cursor cursor = cursor_over(message.envelope);
    check(envelope_decode(&cursor, &arena, &envelope) && cursor_done(&cursor));
    check(envelope.recipient_count > 0);
    struct upload *upload = find_upload(world, message.ticket);
    if (upload != NULL) {
        check(upload->is_open || world->is_lying);
        check(message_id_equals(upload->id, envelope.id));
        check(world->filters > 0 || str_starts(message.front, STR("Received: from ")) ||
              str_starts(message.front, STR("Authentication-Results: mx2.example.net;")));
        check(upload->last != '\r');
        upload->is_open = false;
    }
    arena_fini(&arena);
}

static void hear_abort(struct world *world, struct cursor payload)
{
    struct message_content_abort message;

    check(message_get_content_abort(payload, &message));
    struct upload *upload = find_upload(world, message.ticket);
    if (upload != NULL) {
        check(upload->is_open || world->is_lying);
        upload->is_open = false;
    }
}

static void hear_want(struct world *world, struct cursor payload)
{
    struct message_content_want message;

    check(message_get_content_want(payload, &message) && message.octets <= 65535);
    if (world->wants < ASKS) {
        world->want[world->wants] = message.ticket;
        world->want_octets[world->wants++] = message.octets;
    }
}

/* Another content begins. */
static void hear_restart(struct world *world, struct cursor payload)
{
    struct message_content_restart message;

    check(message_get_content_restart(payload, &message));
    struct upload *upload = find_upload(world, message.ticket);
    if (upload != NULL) {
        check(upload->is_open || world->is_lying);
        upload->last = 0;
    }
}

static void hear(struct world *world, enum message_type type, struct cursor payload)
{
    struct message_recipient_ask ask;
    struct message_policy_ask policy;
    struct message_turn_ask turn;
    struct message_sign_of_life life;

    switch (type) {
    case MESSAGE_recipient_ask:
        check(message_get_recipient_ask(payload, &ask) && ask.recipient.len > 0);
        world->ask[world->asks++ % ASKS] = ask.ticket;
        return;
    case MESSAGE_content_open:
        hear_open(world, payload);
        return;
    case MESSAGE_content_data:
        hear_data(world, payload);
        return;
    case MESSAGE_content_commit:
        hear_commit(world, payload);
        return;
    case MESSAGE_content_abort:
        hear_abort(world, payload);
        return;
    case MESSAGE_content_want:
        hear_want(world, payload);
        return;
    case MESSAGE_content_restart:
        hear_restart(world, payload);
        return;
    case MESSAGE_policy_ask:
        check(message_get_policy_ask(payload, &policy) && policy.domain.len > 0);
        world->policy_ask[world->policy_asks++ % ASKS] = policy.ticket;
        return;
    case MESSAGE_turn_ask: /* nobody logs in without TLS */
        check(message_get_turn_ask(payload, &turn) && turn.node.len > 0 && turn.user.len == 0);
        world->question = turn.ticket;
        return;
    case MESSAGE_sign_of_life:
        check(message_get_sign_of_life(payload, &life) && life.client.len > 0);
        return;
    case MESSAGE_login_ask:
        check(false);
    default:
        return;
    }
}

static void hear_peer(struct world *world, struct channel *channel, enum role peer)
{
    struct message_dns_ask asked;

    if (channel == NULL)
        return;
    struct str bytes = channel_pending(channel);
    size_t size = bytes.len;
    while (bytes.len > 0) {
        struct cursor payload;
        enum message_type type = hear_frame(&bytes, ROLE_RECEIVER, peer, &payload);
        if (peer == ROLE_KEEPER) {
            hear(world, type, payload);
        } else {
            check(message_get_dns_ask(payload, &asked) && asked.name.len <= DNS_NAME_MAX);
            speak_saw_ticket(&world->resolver, asked.ticket);
        }
    }
    channel_taken(channel, size);
}

/* ---- what the keeper says ---- */

static void add_verdict(struct buf *out, uint8_t n, const char *text)
{
    static const uint16_t codes[] = { 250, 250, 250, 451, 452, 550, 421, 554 };
    struct verdict verdict = verdict_make(codes[n % 8], 0, 0, str_from(text));
    verdict_encode(out, &verdict);
}

/* A frame as channel_send() makes it, from the other side. */
#define KEEPER_SAYS(world, name, ...)                                                              \
    do {                                                                                           \
        const struct message_##name message = { __VA_ARGS__ };                                     \
        struct buf payload = { 0 };                                                                \
        message_put_##name(&payload, &message);                                                    \
        feed_keeper((world), MESSAGE_##name, &payload);                                            \
    } while (0)

static void feed_keeper(struct world *world, enum message_type type, struct buf *payload)
{
    struct buf frame = { 0 };

    buf_add_u32(&frame, (uint32_t)payload->len);
    buf_add_u16(&frame, (uint16_t)type);
    buf_add_u16(&frame, 0);
    buf_add(&frame, buf_str(payload));
    if (world->receiver->keeper != NULL)
        channel_feed(world->receiver->keeper, buf_str(&frame));
    buf_fini(&frame);
    buf_fini(payload);
}

static void answer_recipient(struct world *world, uint8_t which, uint8_t n)
{
    struct buf verdict = { 0 };

    if (world->asks == 0)
        return;
    unsigned known = world->asks < ASKS ? world->asks : ASKS;
    add_verdict(&verdict, n, "OK if you say so");
    KEEPER_SAYS(world, recipient_answer,
                .ticket = world->ask[(world->asks - 1 - which % known) % ASKS],
                .verdict = buf_str(&verdict), .size_max = n & 0x20 ? 2000 : 0, .needs_proof = n & 1,
                .holds_for = n & 0x40   ? STR("@example.org")
                             : n & 0x80 ? STR("user@example.org")
                                        : STR_NONE,
                .company = n & 0x10   ? str_of("a@example.org\0b@example.org", 28)
                           : n & 0x08 ? str_of("\0\0c", 3)
                                      : STR_NONE);
    buf_fini(&verdict);
}

static void answer_content(struct world *world, uint8_t which, uint8_t n)
{
    struct buf verdict = { 0 };

    if (world->uploads == 0)
        return;
    struct upload *upload = &world->upload[world->uploads - 1 - which % world->uploads];
    if (upload->is_open && n & 0x10) { /* credit, and a little of it first */
        uint64_t octets = n & 0x20 ? upload->ahead / 2 : upload->ahead;
        upload->ahead -= octets;
        KEEPER_SAYS(world, content_taken, .ticket = upload->ticket, .octets = octets);
    } else if (!upload->is_open) {
        world->granted += n % 8 < 3;
        add_verdict(&verdict, n, "Stored");
        KEEPER_SAYS(world, content_answer, .ticket = upload->ticket, .verdict = buf_str(&verdict));
        buf_fini(&verdict);
    }
}

static void say_anything(struct world *world, struct channel *channel, enum role who,
                         struct cursor *input)
{
    enum message_type type = speak_type(who, ROLE_RECEIVER, cursor_u8(input));
    struct speak speak = { 0 };
    struct buf frame = { 0 };

    world->is_lying = world->is_lying || who == ROLE_KEEPER;
    for (unsigned i = 0; who == ROLE_KEEPER && i < world->uploads; i++)
        speak_saw_ticket(&speak, world->upload[i].ticket);
    speak_frame(&frame, who == ROLE_KEEPER ? &speak : &world->resolver, type, input);
    if (channel != NULL)
        channel_feed(channel, buf_str(&frame));
    buf_fini(&frame);
}

static void keeper_comes(struct world *world)
{
    struct channel *former = world->receiver->keeper;

    receiver_hooks.peer(world->receiver, ROLE_KEEPER, 0, -1);
    speak_nonsense(former);
    for (unsigned i = 0; i < world->uploads; i++)
        world->upload[i].is_open = false; /* no octet of them comes any more */
}

static void resolver_comes(struct world *world)
{
    struct channel *former = world->receiver->resolver;

    receiver_hooks.peer(world->receiver, ROLE_RESOLVER, 0, -1);
    speak_nonsense(former);
}

static void keeper_goes(struct world *world)
{
    speak_nonsense(world->receiver->keeper);
    for (unsigned i = 0; i < world->uploads; i++)
        world->upload[i].is_open = false;
}

static void tell_health(struct world *world, uint8_t n)
{
    struct buf verdict = { 0 };
    add_verdict(&verdict, n, "Not now");
    KEEPER_SAYS(world, health, .verdict = buf_str(&verdict), .size_max = 3000);
    buf_fini(&verdict);
}

/* What domains want follows from the order in which they are asked about. */
static void answer_policies(struct world *world)
{
    unsigned count = world->policy_asks < ASKS ? world->policy_asks : ASKS;

    for (unsigned i = 0; i < count; i++) {
        uint64_t ticket = world->policy_ask[i];
        struct policy policy = { .is_protected = ticket % 2 != 0,
                                 .checks_senders = ticket % 3 != 0,
                                 .dmarc_reject = (enum setting_action)(ticket % 3),
                                 .spf_fail = (enum setting_action)(ticket % 3),
                                 .own_sender = (enum setting_action)(ticket % 3) };
        struct door_policy door = { .helo_check = (enum setting_helo)(ticket % 3),
                                    .needs_reverse_name = ticket % 7 == 0,
                                    .dnsbl_threshold = ticket % 5 == 0 };
        struct filter_policy filters = { .reject = (enum setting_action)(ticket % 3),
                                         .gone = (enum setting_gone)(ticket / 3 % 3),
                                         .names = { ticket % 4 == 0 ? 3 : 0, "a,b" } };
        struct buf bytes[3] = { { 0 } };
        policy_encode(&bytes[0], &policy);
        door_policy_encode(&bytes[1], &door);
        filter_policy_encode(&bytes[2], &filters);
        KEEPER_SAYS(world, policy_answer, .ticket = ticket, .policy = buf_str(&bytes[0]),
                    .door = buf_str(&bytes[1]), .filters = buf_str(&bytes[2]));
        for (int k = 0; k < 3; k++)
            buf_fini(&bytes[k]);
    }
    world->policy_asks = 0;
}

static void answer_question(struct world *world, uint8_t n)
{
    struct buf verdict = { 0 };

    if (world->question == 0)
        return;
    add_verdict(&verdict, n, "Your turn, or not");
    KEEPER_SAYS(world, question_answer, .ticket = world->question, .verdict = buf_str(&verdict),
                .user = STR("example.org"));
    buf_fini(&verdict);
    world->question = 0;
}

/* Now and then the content cannot be read. */
static void answer_wants(struct world *world)
{
    static char bytes[65536];

    for (unsigned i = 0; i < world->wants; i++)
        KEEPER_SAYS(
            world, content_piece, .ticket = world->want[i],
            .bytes = str_of(bytes, world->want[i] % 16 == 15 ? 0 : (size_t)world->want_octets[i]));
    world->wants = 0;
}

/* ---- filters ---- */

static void filter_comes(struct world *world, uint64_t ticket)
{
    unsigned at = world->filters++ % FILTERS;
    int fd[2];

    if (ticket % 4 == 3) {
        receiver_hooks.filter(world->receiver, ticket, -ECONNREFUSED, -1);
        return;
    }
    if (world->filter[at] >= 0)
        (void)close(world->filter[at]);
    check(socket_pair(SOCK_STREAM, fd) == 0);
    world->filter[at] = fd[0];
    world->filter_peer[at] = fd[1];
    receiver_hooks.filter(world->receiver, ticket, 0, fd[1]);
}

static void hear_leash(struct world *world)
{
    struct leash_packet packet;
    struct message_filter_ask message;

    while (leash_receive(&world->leash, ROLE_RECEIVER, ROLE_SUPERVISOR, &packet) == 1) {
        check(packet.type == MESSAGE_filter_ask);
        check(message_get_filter_ask(packet.payload, &message) && message.name.len == 1);
        filter_comes(world, message.ticket);
    }
}

/* What it is told it does not read, as long as the socket takes it. */
static void filter_says(struct world *world, uint8_t which, struct str bytes)
{
    static const char hello[] = "\0\0\0\15O\0\0\0\6\0\0\0\x3b\0\0\0";
    unsigned at = which % FILTERS;
    const char protocol = (char)(which & 8 ? 0x7f : 0x6f);

    if (world->filter[at] < 0)
        return;
    if (which & 4) {
        (void)send(world->filter[at], hello, sizeof hello - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)send(world->filter[at], &protocol, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (bytes.len > 0) {
        (void)send(world->filter[at], bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
        (void)close(world->filter[at]);
        world->filter[at] = -1;
    }
    (void)hand_loop_ready(world->process.loop, world->filter_peer[at], WATCH_READ);
}

/* ---- turns ---- */

static void turn(struct world *world)
{
    for (int i = 0; i < 3; i++) {
        answer_policies(world);
        answer_wants(world);
        answer_question(world, (uint8_t)world->question);
        hear_leash(world);
        struct now now = loop_now(world->process.loop);
        check(receiver_hooks.turn(world->receiver, now) > 0);
        (void)stream_set_flush(&world->process.streams);
        hear_peer(world, world->receiver->keeper, ROLE_KEEPER);
        hear_peer(world, world->receiver->resolver, ROLE_RESOLVER);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        hear_client(world, &world->client[i]);
}

static void pass_time(struct world *world, uint8_t n)
{
    static const int64_t spans[] = { 10,        SECOND_MS,     6 * SECOND_MS,
                                     MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS };
    hand_loop_pass(world->process.loop, spans[n % 6]);
}

static void operate(struct world *world, uint8_t operation, struct cursor *input)
{
    struct client *client = &world->client[(operation >> 4) % CLIENTS];
    uint8_t which = operation >> 4;

    switch (operation & 15) {
    case 6:
        client_come(world, client, cursor_u8(input));
        break;
    case 7:
        if (client->fd >= 0 && which & 8)
            (void)shutdown(client->fd, SHUT_WR);
        else
            client_close(client);
        (void)hand_loop_ready(world->process.loop, client->peer, WATCH_READ);
        break;
    case 8:
        answer_recipient(world, which, cursor_u8(input));
        break;
    case 9:
        answer_content(world, which, cursor_u8(input));
        break;
    case 10:
        say_anything(world, world->receiver->keeper, ROLE_KEEPER, input);
        break;
    case 11:
        if (which & 1)
            keeper_goes(world);
        else
            keeper_comes(world);
        break;
    case 12:
        if (which == 15)
            resolver_comes(world);
        else
            say_anything(world, world->receiver->resolver, ROLE_RESOLVER, input);
        break;
    case 13:
        pass_time(world, cursor_u8(input));
        break;
    case 14:
        tell_health(world, which);
        break;
    case 15:
        if (which == 15)
            receiver_hooks.stop(world->receiver);
        else
            filter_says(world, which, cursor_bytes(input, cursor_u8(input)));
        break;
    default:
        client_send(world, client, cursor_bytes(input, cursor_u8(input)));
        break;
    }
    if ((operation & 15) != 8)
        turn(world);
}

/* ---- life ---- */

static const char config_text[] = "hostname = mx2.example.net\n"
                                  "postmaster = postmaster@example.org\n"
                                  "smtp { message-size = 1MB sessions-per-client = 2 "
                                  "recipients = 100 errors = 10 }\n";

static void begin(struct world *world)
{
    static struct config *config;
    struct config_problems problems = { 0 };
    int listener[2];
    int leash[2];

    if (config == NULL)
        check(config_load_text(STR("fuzz"), str_from(config_text), &config, &problems) == 0);
    *world = (struct world){ .process = { .role = ROLE_RECEIVER, .index = 1, .config = config } };
    world->process.loop = loop_new();
    world->process.is_running = true;
    random_from_seed(&world->process.random, 1);
    stream_set_init(&world->process.streams);
    hand_socket = (struct hand_socket){ .accepted = -1 };
    check(socket_pair(SOCK_SEQPACKET, leash) == 0);
    world->process.leash.fd = leash[0];
    world->leash.fd = leash[1];
    for (unsigned i = 0; i < FILTERS; i++)
        world->filter[i] = -1;
    world->receiver = receiver_hooks.create(&world->process);
    check(socket_pair(SOCK_STREAM, listener) == 0);
    (void)close(listener[1]);
    receiver_hooks.listener(world->receiver, LISTENER_SMTP, listener[0]);
    receiver_hooks.board(world->receiver, board_make());
    check(receiver_hooks.start(world->receiver) == 0);
    keeper_comes(world);
    receiver_hooks.peer(world->receiver, ROLE_RESOLVER, 0, -1);
    for (unsigned i = 0; i < CLIENTS; i++)
        world->client[i].fd = world->client[i].peer = -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;
    struct cursor input = cursor_over(str_of(data, size));

    log_set_sink(one_line, NULL);
    log_set_level(LOG_DEBUG);
    check(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as role.c does */
    begin(&world);
    client_come(&world, &world.client[0], 0);
    for (int i = 0; i < OPERATIONS_MAX && input.left.len > 0; i++)
        operate(&world, cursor_u8(&input), &input);
    turn(&world);
    receiver_hooks.destroy(world.receiver);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_close(&world.client[i]);
    for (unsigned i = 0; i < FILTERS; i++)
        if (world.filter[i] >= 0)
            (void)close(world.filter[i]);
    leash_fini(&world.process.leash);
    leash_fini(&world.leash);
    loop_free(world.process.loop);
    return 0;
}
