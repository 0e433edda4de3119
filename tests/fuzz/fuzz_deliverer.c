/* SPDX-License-Identifier: ISC */
/* fuzz_deliverer.c: a whole deliverer between a keeper in any mood and servers that say anything.
 *
 * The real role, streams included. The keeper opens up to four sessions, hands out messages, gives
 * their content in pieces or not at all, dies and comes again, or says what no keeper would; the
 * servers say whatever the input holds, in whatever pieces, and vanish. Time passes.
 *   1  the deliverer does not die
 *   2  the keeper gets what the table allows; each message it handed out is answered at most once,
 *      with as many verdicts as it has recipients
 *   3  a message is said to be accepted only where a server said 2yz at least three times since
 *      (MAIL, RCPT, the content)
 *   4  outside of content, a server gets lines of printable ASCII that end in CRLF
 *   5  each event is one line of printable ASCII
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
#include "roles/deliverer/deliverer.h"

#include "hand_loop.h"
#include "speak.h"

enum { SERVERS = 4, WANTS = 32, OPERATIONS_MAX = 600 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct server {
    int fd;   /* the server's end; -1: none */
    int peer; /* the deliverer's */
    uint64_t session;
    unsigned yes; /* 2yz it has said */
    uint64_t window;
};

struct want {
    uint64_t session;
    struct message_id id;
    uint64_t offset;
    uint64_t octets;
};

struct world {
    struct role_process process;
    struct deliverer *deliverer;
    struct server server[SERVERS];
    uint64_t last_session;
    struct want want[WANTS];
    unsigned wants;
    unsigned handed[SPEAK_IDS];     /* recipients of what was handed out and not answered */
    uint64_t session[SPEAK_IDS];    /* which has it */
    unsigned yes_before[SPEAK_IDS]; /* what its server had said by then */
    bool is_lying;
};

static void one_line(void *context, struct str line)
{
    (void)context;
    for (size_t i = 0; i < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
}

/* ---- servers ---- */

static void server_close(struct server *server)
{
    if (server->fd >= 0)
        (void)close(server->fd);
    server->fd = -1;
}

static struct server *server_of(struct world *world, uint64_t session)
{
    for (unsigned i = 0; i < SERVERS; i++)
        if (world->server[i].session == session)
            return &world->server[i];
    return NULL;
}

/* What the server said, and how often it said yes. */
static void server_says(struct world *world, struct server *server, struct str bytes)
{
    if (server->fd < 0 || bytes.len == 0)
        return;
    for (size_t i = 0; i < bytes.len; i++)
        server->yes += bytes.ptr[i] == '2';
    (void)send(server->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)hand_loop_ready(world->process.loop, server->peer, WATCH_READ);
}

/* Envelope and content of ours are printable, so that every octet of it has a bound. */
static void server_hears(struct server *server)
{
    char bytes[65536];
    ssize_t got;

    while (server->fd >= 0 && (got = recv(server->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        for (ssize_t i = 0; i < got; i++)
            check((bytes[i] >= ' ' && bytes[i] < 0x7f) || bytes[i] == '\r' || bytes[i] == '\n');
}

/* ---- what the keeper says ---- */

static void feed_keeper(struct world *world, enum message_type type, struct buf *payload)
{
    struct buf frame = { 0 };

    buf_add_u32(&frame, (uint32_t)payload->len);
    buf_add_u16(&frame, (uint16_t)type);
    buf_add_u16(&frame, 0);
    buf_add(&frame, buf_str(payload));
    if (world->deliverer->keeper != NULL)
        channel_feed(world->deliverer->keeper, buf_str(&frame));
    buf_fini(&frame);
    buf_fini(payload);
}

#define KEEPER_SAYS(world, name, ...)                                                              \
    do {                                                                                           \
        const struct message_##name said = { __VA_ARGS__ };                                        \
        struct buf payload_said = { 0 };                                                           \
        message_put_##name(&payload_said, &said);                                                  \
        feed_keeper((world), MESSAGE_##name, &payload_said);                                       \
    } while (0)

static void open_session(struct world *world, struct server *server, uint8_t n)
{
    struct buf endpoint = { 0 };
    int fd[2];

    server_close(server);
    check(socket_pair(SOCK_STREAM, fd) == 0);
    *server = (struct server){ .fd = fd[0], .peer = fd[1], .session = ++world->last_session };
    hand_socket.connected = fd[1];
    hand_socket.error = n & 4 ? -ECONNREFUSED : 0;
    endpoint_encode(
        &endpoint,
        (struct endpoint){ .family = ENDPOINT_IP4, .address = { 192, 0, 2, 1 }, .port = 25 });
    KEEPER_SAYS(world, session_open, .session = server->session, .domain = STR("example.org"),
                .host = STR("mx.example.org"), .endpoint = buf_str(&endpoint), .is_probe = n & 1,
                .connect_timeout_ms = 4000, .greeting_timeout_ms = 10000);
    buf_fini(&endpoint);
    if (hand_socket.connected >= 0) { /* nobody took it */
        (void)close(hand_socket.connected);
        hand_socket.connected = -ECONNREFUSED;
        server_close(server);
        return;
    }
    if ((n & 2) == 0)
        (void)hand_loop_ready(world->process.loop, server->peer, WATCH_WRITE);
}

static char line_of_content(uint64_t at)
{
    static const char line[] = "A line of content\r\n.\r\n";
    return line[at % (sizeof line - 1)];
}

static void add_content(struct buf *out, uint64_t offset, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        buf_add_byte(out, line_of_content(offset + i));
}

static void hand_out(struct world *world, struct server *server, uint8_t number, uint8_t shape)
{
    static const uint32_t sizes[] = { 0, 1, 23, 500, 5000, 70000, 140000, 65536 };
    static const char *const to[] = { "a@example.org", "b@example.org", "c@example.org",
                                      "x\r\nDATA@example.org" };
    struct recipient recipient[4] = { 0 };
    struct buf envelope = { 0 }, recipients = { 0 }, content = { 0 };
    uint64_t size = sizes[shape % 8];
    uint32_t count = 1 + (shape >> 3) % 3;
    unsigned under_way = 0;
    bool is_bad = (shape & 0xe0) == 0xe0;

    number %= SPEAK_IDS;
    for (unsigned i = 0; i < SPEAK_IDS; i++)
        under_way += world->handed[i] > 0 && world->session[i] == server->session;
    world->is_lying = world->is_lying || under_way >= server->window;
    if (world->handed[number] > 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        recipient[i].address = str_from(to[is_bad ? i + 1 : i]);
        buf_add_u32(&recipients, i);
    }
    struct envelope stored = { .id = speak_id(number),
                               .sender = STR("s@sender.example"),
                               .helo = STR("client"),
                               .body_type = shape & 0x40 ? BODY_8BITMIME : BODY_7BIT,
                               .recipient = recipient,
                               .recipient_count = count };
    envelope_encode(&envelope, &stored);
    add_content(&content, 0, shape & 0x80 || size < 1000 ? size : 1000);
    if (content.len > 65536)
        content.len = 65536;
    KEEPER_SAYS(world, deliver, .session = server->session, .domain = STR("example.org"),
                .envelope = buf_str(&envelope), .recipients = buf_str(&recipients), .size = size,
                .content = buf_str(&content));
    world->handed[number] = count;
    world->session[number] = server->session;
    world->yes_before[number] = server->yes;
    buf_fini(&envelope);
    buf_fini(&recipients);
    buf_fini(&content);
}

static void give_content(struct world *world, uint8_t which, uint8_t n)
{
    struct buf bytes = { 0 };

    if (world->wants == 0)
        return;
    unsigned at = which % world->wants;
    struct want want = world->want[at];
    world->want[at] = world->want[--world->wants];
    if (n == 0) {
        KEEPER_SAYS(world, deliver_failed, .session = want.session, .id = want.id);
        return;
    }
    uint64_t size = n < 128 ? want.octets : want.octets / 2; /* a keeper gives what was asked for */
    world->is_lying = world->is_lying || n >= 128;
    add_content(&bytes, want.offset, size);
    KEEPER_SAYS(world, deliver_content, .session = want.session, .id = want.id,
                .bytes = buf_str(&bytes));
    buf_fini(&bytes);
}

static void say_anything(struct world *world, struct cursor *input)
{
    enum message_type type = speak_type(ROLE_KEEPER, ROLE_DELIVERER, cursor_u8(input));
    struct speak speak = { 0 };
    struct buf frame = { 0 };

    world->is_lying = true;
    for (unsigned i = 0; i < SERVERS; i++)
        speak_saw_session(&speak, world->server[i].session);
    hand_socket.connected = -ENETUNREACH;
    speak_frame(&frame, &speak, type, input);
    if (world->deliverer->keeper != NULL)
        channel_feed(world->deliverer->keeper, buf_str(&frame));
    buf_fini(&frame);
}

static void keeper_goes(struct world *world)
{
    world->wants = 0;
    speak_nonsense(world->deliverer->keeper);
}

/* The next one knows nothing of the sessions there are; results come to it that it did not ask for.
 */
static void keeper_comes(struct world *world)
{
    world->wants = 0;
    for (unsigned i = 0; i < SERVERS; i++)
        world->server[i].window = 0;
    for (unsigned i = 0; i < SPEAK_IDS; i++)
        world->handed[i] = 0;
    deliverer_hooks.peer(world->deliverer, ROLE_KEEPER, 0, -1);
}

/* ---- what the keeper hears ---- */

static void hear_delivered(struct world *world, struct cursor payload)
{
    struct message_delivered message;
    bool is_accepted = false;

    check(message_get_delivered(payload, &message));
    unsigned number = speak_id_number(message.id);
    uint32_t count = (uint32_t)(message.recipients.len / 4);
    struct cursor verdicts = cursor_over(message.verdicts);
    for (uint32_t i = 0; i < count; i++)
        is_accepted = verdict_decode(&verdicts).fate == FATE_ACCEPT || is_accepted;
    check(count > 0 && cursor_done(&verdicts) && message.stages.len == count);
    check(number < SPEAK_IDS);
    if (world->is_lying)
        return;
    if (world->handed[number] > 0 && world->session[number] == message.session) {
        const struct server *server = server_of(world, message.session);
        check(world->handed[number] == count);
        check(!is_accepted || server == NULL || server->yes >= world->yes_before[number] + 3);
        world->handed[number] = 0;
    }
    if (message.in_doubt % 2 == 0)
        KEEPER_SAYS(world, delivered_noted, .session = message.session, .id = message.id);
}

static void hear_want(struct world *world, struct cursor payload)
{
    struct message_want_content message;

    check(message_get_want_content(payload, &message));
    check(message.octets > 0 && message.octets <= 65536);
    if (world->wants < WANTS)
        world->want[world->wants++] =
            (struct want){ message.session, message.id, message.offset, message.octets };
}

static void hear_ready(struct world *world, struct cursor payload)
{
    struct message_session_ready message;

    check(message_get_session_ready(payload, &message));
    struct server *server = server_of(world, message.session);
    check(message.window > 0 && message.window <= DELIVER_WINDOW_MESSAGES);
    if (server != NULL)
        server->window = message.window;
}

static void hear_ended(struct world *world, struct cursor payload)
{
    struct message_session_ended message;

    check(message_get_session_ended(payload, &message) && message.how <= SESSION_END_INTERNAL);
    struct server *server = server_of(world, message.session);
    if (server != NULL)
        server->window = 0; /* who hands out more is no keeper */
    for (unsigned i = 0; i < SPEAK_IDS; i++)
        if (world->session[i] == message.session)
            world->handed[i] = 0; /* handed out when it was not ready, or over already */
}

static void hear(struct world *world)
{
    struct channel *keeper = world->deliverer->keeper;
    struct buf heard = { 0 };

    if (keeper == NULL)
        return;
    buf_add(&heard, channel_pending(keeper));
    channel_taken(keeper, heard.len);
    struct str bytes = buf_str(&heard);
    while (bytes.len > 0) {
        struct cursor payload;
        switch (hear_frame(&bytes, ROLE_DELIVERER, ROLE_KEEPER, &payload)) {
        case MESSAGE_delivered:
            hear_delivered(world, payload);
            break;
        case MESSAGE_want_content:
            hear_want(world, payload);
            break;
        case MESSAGE_session_ready:
            hear_ready(world, payload);
            break;
        case MESSAGE_session_ended:
            hear_ended(world, payload);
            break;
        default:
            break;
        }
    }
    buf_fini(&heard);
}

/* ---- turns ---- */

static void turn(struct world *world)
{
    for (int i = 0; i < 3; i++) {
        (void)deliverer_hooks.turn(world->deliverer, loop_now(world->process.loop));
        (void)stream_set_flush(&world->process.streams);
        hear(world);
        for (unsigned k = 0; k < SERVERS; k++)
            server_hears(&world->server[k]);
    }
}

static void pass_time(struct world *world, uint8_t n)
{
    static const int64_t spans[] = {
        10, SECOND_MS, 11 * SECOND_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS
    };
    hand_loop_pass(world->process.loop, spans[n % 6]);
}

static void operate(struct world *world, uint8_t operation, struct cursor *input)
{
    struct server *server = &world->server[(operation >> 4) % SERVERS];
    uint8_t which = operation >> 4;

    switch (operation & 15) {
    case 4:
        open_session(world, server, cursor_u8(input));
        break;
    case 5:
        (void)hand_loop_ready(world->process.loop, server->peer, WATCH_WRITE);
        break;
    case 6:
        if (which & 8 && server->fd >= 0)
            (void)shutdown(server->fd, SHUT_WR);
        else
            server_close(server);
        (void)hand_loop_ready(world->process.loop, server->peer, WATCH_READ);
        break;
    case 7:
    case 8: {
        uint8_t number = cursor_u8(input);
        hand_out(world, server, number, cursor_u8(input));
        break;
    }
    case 9:
        give_content(world, which, cursor_u8(input));
        break;
    case 10:
        if (server->session != 0)
            KEEPER_SAYS(world, session_end, .session = server->session);
        break;
    case 11:
        if (which & 1)
            keeper_goes(world);
        else
            keeper_comes(world);
        break;
    case 12:
        say_anything(world, input);
        break;
    case 13:
        pass_time(world, cursor_u8(input));
        break;
    case 14:
        if (which == 15 && !world->process.is_stopping) {
            world->process.is_stopping = true;
            deliverer_hooks.stop(world->deliverer);
        }
        break;
    default:
        server_says(world, server, cursor_bytes(input, cursor_u8(input)));
        break;
    }
    if ((operation & 15) != 7)
        turn(world);
}

/* ---- life ---- */

static const char config_text[] = "hostname = mx2.example.net\n"
                                  "report { tls = yes from = \"tls@mx2.example.net\" }\n"
                                  "sign { domain = mx2.example.net selector = s key = \"/k\" }\n";

static void begin(struct world *world)
{
    static struct config *config;
    struct config_problems problems = { 0 };

    if (config == NULL)
        check(config_load_text(STR("fuzz"), str_from(config_text), &config, &problems) == 0);
    *world = (struct world){ .process = { .role = ROLE_DELIVERER, .index = 1, .config = config } };
    world->process.loop = loop_new();
    world->process.is_running = true;
    stream_set_init(&world->process.streams);
    hand_socket = (struct hand_socket){ .accepted = -1, .connected = -ECONNREFUSED };
    for (unsigned i = 0; i < SERVERS; i++)
        world->server[i].fd = world->server[i].peer = -1;
    world->deliverer = deliverer_hooks.create(&world->process);
    keeper_comes(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;
    struct cursor input = cursor_over(str_of(data, size));

    log_set_sink(one_line, NULL);
    log_set_level(LOG_DEBUG);
    check(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as role.c does */
    begin(&world);
    for (int i = 0; i < OPERATIONS_MAX && input.left.len > 0; i++)
        operate(&world, cursor_u8(&input), &input);
    turn(&world);
    deliverer_hooks.destroy(world.deliverer);
    for (unsigned i = 0; i < SERVERS; i++)
        server_close(&world.server[i]);
    loop_free(world.process.loop);
    return 0;
}
