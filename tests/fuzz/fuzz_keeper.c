/* SPDX-License-Identifier: ISC */
/* fuzz_keeper.c: receivers, deliverers and the resolver have been taken over, the operator asks for
 * anything, and the disk fails.
 *
 * The real keeper over the real store on a disk in memory. Its peers say whatever the table lets
 * them say (speak.h), in any order; time passes, peers die and come again, writes and syncs fail.
 * Whatever they do
 *   1  the keeper does not die: a peer that breaks the rules loses its channel, no more
 *   2  what it says is in the table and decodes
 *   3  a 250 for a content stands for a message that outlives a power cut, unless its recipients
 *      were answered for since, by a deliverer that had it
 *   4  each event is one line of printable ASCII
 *   5  at the control socket, every line is answered by lines of JSON that say ok or not
 *
 * The input is a row of operations: an octet (low half: what; high half: whose), then what speak.c
 * makes a frame of.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "net/socket.h"
#include "roles/keeper/keeper.h"
#include "roles/keeper/session.h"

#include "hand_loop.h"
#include "speak.h"
#include "store/fake_disk.h"

enum { PEERS = 6, CALLERS = 2, TURNS = 6, SEGMENT = 64 * 1024, OPERATIONS_MAX = 400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    enum role role;
    unsigned index;
} who[PEERS] = {
    { ROLE_RECEIVER, 1 },  { ROLE_RECEIVER, 2 }, { ROLE_DELIVERER, 1 },
    { ROLE_DELIVERER, 2 }, { ROLE_RESOLVER, 1 }, { ROLE_PORTAL, 1 },
};

struct caller {
    int fd; /* ours; -1: none */
    int peer;
    struct buf line;
};

struct world {
    struct role_process process;
    struct keeper *keeper;
    struct fake_disk *disk;
    struct speak speak;
    bool has[PEERS][SPEAK_IDS];    /* was handed the message, or claimed to have it */
    bool is_stored[SPEAK_IDS];     /* a 250 was said for it */
    bool is_touched[SPEAK_IDS];    /* since then something may have been settled */
    struct caller caller[CALLERS]; /* at the control socket */
    int listener;
    /* By ticket: number of the id + 1 that was committed or asked about. */
    unsigned expects[PEERS][8];
};

static void one_line(void *context, struct str line)
{
    (void)context;
    for (size_t i = 0; i < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
}

/* ---- the node ---- */

static const char config_text[] = "hostname = mx2.example.net\n"
                                  "addresses = {\"198.51.100.1\"}\n"
                                  "deliverers = 2\n"
                                  "report { tls = yes from = \"tls@mx2.example.net\" }\n"
                                  "sign { domain = mx2.example.net selector = s key = \"/k\" }\n";

static struct log_store_settings store_settings(void)
{
    return (struct log_store_settings){ .segment_size = SEGMENT, .large_body_size = SEGMENT / 8 };
}

static void noted(void *context, int error)
{
    (void)context;
    (void)error;
}

static void add_domain(struct directory *directory, struct str name, struct str primary)
{
    struct domain_record record = { .name = name };

    if (primary.len > 0) {
        record.primary[0] = primary;
        record.primary_count = 1;
    }
    directory_put_domain(directory, &record, noted, NULL);
}

static void open_stores(struct world *world)
{
    struct keeper *keeper = world->keeper;
    struct log_store_settings settings = store_settings();

    keeper->commits.worker = worker_new_inline();
    keeper->upkeep.worker = worker_new_inline();
    keeper->records.worker = worker_new_inline();
    settings.upkeep = keeper->upkeep.worker;
    check(directory_open(":memory:", keeper->records.worker, &keeper->directory) == 0);
    add_domain(keeper->directory, STR("example.org"), STR("192.0.2.1:25"));
    add_domain(keeper->directory, STR("example.net"), STR_NONE);
    check(log_store_open(&settings, fake_disk_use(world->disk), keeper->commits.worker,
                         keeper_now(keeper), &keeper->store) == 0);
}

/* As start() in keeper.c does, but for the disk, the workers and the control socket. */
static void start(struct world *world)
{
    struct keeper *keeper = world->keeper;
    struct schedule_settings settings = { .probes_per_second = 200,
                                          .defaults = &world->process.config->defaults };

    open_stores(world);
    keeper->started_ms = keeper_now(keeper).mono_ms;
    keeper->intake = intake_new(keeper->store, 64 * 1024, &keeper_intake_host, keeper);
    keeper->handover = handover_new(keeper->store, &keeper_handover_host, keeper);
    keeper->under_way = under_way_open(""); /* without a file */
    keeper->schedule = schedule_new(&settings, &keeper_schedule_host, keeper,
                                    &world->process.random, keeper_now(keeper));
    keeper->insisting = greylist_new();
    keeper_quota_init(keeper);
    keeper_recipients_init(keeper);
    keeper_policies_start(keeper);
    keeper_routes_configure(keeper);
    keeper_control_start(keeper);
    keeper_notices_start(keeper);
    keeper_domain_changed(keeper, STR("example.org"));
    keeper_domain_changed(keeper, STR("example.net"));
    keeper_addresses_start(keeper);
}

static struct channel *channel_of(const struct world *world, unsigned peer)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        struct channel *channel = world->keeper->peer[i].channel;
        if (channel != NULL && channel_peer(channel) == who[peer].role &&
            channel_peer_index(channel) == who[peer].index)
            return channel;
    }
    return NULL;
}

static void come(struct world *world, unsigned peer)
{
    struct channel *former = channel_of(world, peer);

    for (int i = 0; i < 8; i++)
        world->expects[peer][i] = 0;
    keeper_hooks.peer(world->keeper, who[peer].role, who[peer].index, -1);
    speak_nonsense(former);
}

/* ---- what the keeper says ---- */

static void hear_answer(struct world *world, unsigned peer, struct cursor payload)
{
    struct message_content_answer message;

    check(message_get_content_answer(payload, &message));
    struct cursor cursor = cursor_over(message.verdict);
    struct verdict verdict = verdict_decode(&cursor);
    check(cursor_done(&cursor));
    if (message.ticket < 8 && verdict.fate == FATE_ACCEPT) {
        unsigned number = world->expects[peer][message.ticket];
        check(number > 0); /* nobody is told 250 who has not committed or asked */
        if (number <= SPEAK_IDS && !world->is_stored[number - 1])
            world->is_stored[number - 1] = true;
    }
}

static void hear_deliver(struct world *world, unsigned peer, struct cursor payload)
{
    struct message_deliver message;
    struct envelope envelope;
    struct arena arena = { 0 };

    check(message_get_deliver(payload, &message));
    struct cursor cursor = cursor_over(message.envelope);
    check(envelope_decode(&cursor, &arena, &envelope) && cursor_done(&cursor));
    if (speak_id_number(envelope.id) < SPEAK_IDS)
        world->has[peer][speak_id_number(envelope.id)] = true;
    check(speak_id_number(envelope.id) < SPEAK_IDS || world->speak.tickets > 0);
    check(envelope.recipient_count > 0 && envelope.recipient_count <= HANDOVER_RECIPIENTS_MAX);
    check(message.recipients.len == envelope.recipient_count * sizeof(uint32_t));
    for (uint32_t i = 0; i < envelope.recipient_count; i++)
        check(str_equals(recipient_domain(&envelope.recipient[i]), message.domain));
    arena_fini(&arena);
}

static void hear(struct world *world, unsigned peer, enum message_type type, struct cursor payload)
{
    struct message_session_open opened;
    struct message_dns_ask asked;

    switch (type) {
    case MESSAGE_content_answer:
        hear_answer(world, peer, payload);
        return;
    case MESSAGE_deliver:
        hear_deliver(world, peer, payload);
        return;
    case MESSAGE_session_open:
        check(message_get_session_open(payload, &opened));
        speak_saw_session(&world->speak, opened.session);
        return;
    case MESSAGE_dns_ask:
        check(message_get_dns_ask(payload, &asked) && asked.name.len <= DNS_NAME_MAX);
        speak_saw_ticket(&world->speak, asked.ticket);
        return;
    default:
        return;
    }
}

static void hear_all(struct world *world)
{
    for (unsigned peer = 0; peer < PEERS; peer++) {
        struct channel *channel = channel_of(world, peer);
        if (channel == NULL)
            continue;
        struct str bytes = channel_pending(channel);
        size_t size = bytes.len;
        while (bytes.len > 0) {
            struct cursor payload;
            enum message_type type = hear_frame(&bytes, ROLE_KEEPER, who[peer].role, &payload);
            hear(world, peer, type, payload);
        }
        channel_taken(channel, size);
    }
}

/* ---- the operator ---- */

static void touch_all(struct world *world)
{
    for (int i = 0; i < SPEAK_IDS; i++)
        world->is_touched[i] = true;
}

static void hear_caller(struct caller *caller)
{
    char bytes[4096];
    ssize_t got;

    while (caller->fd >= 0 && (got = recv(caller->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        buf_add_bytes(&caller->line, bytes, (size_t)got);
        struct str text = buf_str(&caller->line);
        struct str rest = text;
        struct str line;
        while (str_find(rest, '\n') >= 0 && str_cut(&rest, '\n', &line)) {
            json_t *answer = json_loadb(line.ptr, line.len, 0, NULL);
            check(json_is_boolean(json_object_get(answer, "ok")));
            json_decref(answer);
        }
        buf_consume(&caller->line, text.len - rest.len);
    }
}

static void caller_go(struct caller *caller)
{
    if (caller->fd >= 0)
        (void)close(caller->fd);
    caller->fd = -1;
    buf_fini(&caller->line);
}

static void caller_come(struct world *world, struct caller *caller)
{
    int fd[2];

    caller_go(caller);
    check(socket_pair(SOCK_STREAM, fd) == 0);
    *caller = (struct caller){ .fd = fd[0], .peer = fd[1] };
    hand_socket.accepted = fd[1];
    check(hand_loop_ready(world->process.loop, world->listener, WATCH_READ));
    check(hand_socket.accepted < 0);
}

static void caller_say(struct world *world, struct caller *caller, struct str bytes)
{
    if (caller->fd < 0)
        caller_come(world, caller);
    touch_all(world); /* the operator may discard */
    if (bytes.len > 0)
        (void)send(caller->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)hand_loop_ready(world->process.loop, caller->peer, WATCH_READ);
}

/* ---- turns ---- */

static void turn(struct world *world)
{
    struct keeper *keeper = world->keeper;

    for (int i = 0; i < TURNS; i++) {
        (void)keeper_hooks.turn(keeper, keeper_now(keeper));
        (void)worker_collect(keeper->commits.worker);
        (void)worker_collect(keeper->upkeep.worker);
        (void)worker_collect(keeper->records.worker);
        (void)stream_set_flush(&world->process.streams);
        hear_all(world);
        for (unsigned k = 0; k < CALLERS; k++)
            hear_caller(&world->caller[k]);
    }
}

/* ---- what the peers do ---- */

static void note_what_was_said(struct world *world, unsigned peer, enum message_type type,
                               struct cursor payload)
{
    struct message_content_commit commit;
    struct message_doubt_ask doubt;
    struct message_unfinished unfinished;
    struct message_delivered delivered;
    struct envelope envelope;
    struct arena arena = { 0 };

    if (type == MESSAGE_unfinished && message_get_unfinished(payload, &unfinished) &&
        speak_id_number(unfinished.id) < SPEAK_IDS)
        world->has[peer][speak_id_number(unfinished.id)] = true;
    if (type == MESSAGE_delivered && message_get_delivered(payload, &delivered)) {
        unsigned number = speak_id_number(delivered.id);
        if (number < SPEAK_IDS && world->has[peer][number])
            world->is_touched[number] = true;
    }
    if (type == MESSAGE_content_commit && message_get_content_commit(payload, &commit)) {
        struct cursor cursor = cursor_over(commit.envelope);
        if (commit.ticket < 8 && envelope_decode(&cursor, &arena, &envelope))
            world->expects[peer][commit.ticket] = speak_id_number(envelope.id) + 1;
        arena_fini(&arena);
    }
    if (type == MESSAGE_doubt_ask && message_get_doubt_ask(payload, &doubt) && doubt.ticket < 8)
        world->expects[peer][doubt.ticket] = speak_id_number(doubt.id) + 1;
}

static void say(struct world *world, unsigned peer, struct cursor *input)
{
    enum message_type type = speak_type(who[peer].role, ROLE_KEEPER, cursor_u8(input));
    struct channel *channel = channel_of(world, peer);
    struct speak *speak = &world->speak;
    struct speak untold = { .wall_ms = keeper_now(world->keeper).wall_ms };
    struct buf frame = { 0 };

    speak->wall_ms = untold.wall_ms;
    speak_frame(&frame, who[peer].role == ROLE_RECEIVER ? &untold : speak, type, input);
    if (channel != NULL && frame.len > 0) {
        struct str bytes = buf_str(&frame);
        struct cursor payload;
        enum message_type heard = hear_frame(&bytes, who[peer].role, ROLE_KEEPER, &payload);
        note_what_was_said(world, peer, heard, payload);
        channel_feed(channel, buf_str(&frame));
    }
    buf_fini(&frame);
}

static void pass_time(struct world *world, uint8_t n)
{
    static const int64_t spans[] = { 1,       SECOND_MS, 11 * SECOND_MS, MINUTE_MS,
                                     HOUR_MS, DAY_MS,    6 * DAY_MS,     100 };
    int64_t ms = spans[n % 8];

    hand_loop_pass(world->process.loop, ms);
    if (ms >= HOUR_MS)
        touch_all(world); /* held long enough, perhaps */
}

static void trouble(struct world *world, uint8_t n)
{
    switch (n % 4) {
    case 0:
        fake_disk_fail_write(world->disk, 1 + n / 32, n & 16 ? -ENOSPC : -EIO);
        return;
    case 1:
        fake_disk_fail_sync(world->disk, 1 + n / 32, -EIO);
        return;
    case 2:
        fake_disk_set_capacity(world->disk, n & 16 ? 0 : 3 * (uint64_t)SEGMENT);
        return;
    case 3:
        fake_disk_be_cold(world->disk, n & 16 ? 0 : 50);
        return;
    }
}

static void operate(struct world *world, uint8_t operation, struct cursor *input)
{
    unsigned peer = (operation >> 4) % PEERS;
    struct channel *channel = channel_of(world, peer);
    struct caller *caller = &world->caller[(operation >> 4) % CALLERS];

    switch (operation & 15) {
    case 7:
        caller_say(world, caller, cursor_bytes(input, cursor_u8(input)));
        turn(world);
        return;
    case 8:
        caller_go(caller);
        (void)hand_loop_ready(world->process.loop, caller->peer, WATCH_READ);
        turn(world);
        return;
    case 9:
        pass_time(world, cursor_u8(input));
        return;
    case 10:
        come(world, peer);
        return;
    case 11:
        if (channel != NULL) {
            touch_all(world);
            channel_feed(channel, cursor_bytes(input, cursor_u8(input)));
        }
        return;
    case 12:
        trouble(world, cursor_u8(input));
        return;
    case 13:
    case 14:
    case 15:
        turn(world);
        return;
    default:
        say(world, peer, input);
        if ((operation & 1) != 0)
            turn(world);
    }
}

/* ---- afterwards ---- */

/* Nobody has answered for it: all of its recipients wait. */
static void must_wait(void *context, int error, struct store_reader *reader,
                      const struct stored_message *message)
{
    (void)context;
    check(error == 0 && message->envelope.recipient_count > 0);
    for (uint32_t i = 0; i < message->envelope.recipient_count; i++)
        check(message->recipient_state[i] == RECIPIENT_PENDING);
    store_reader_close(reader);
}

/* The power goes; what was told 250 is there. */
static void check_promises(struct world *world)
{
    struct log_store_settings settings = store_settings();
    struct worker *worker = worker_new_inline();
    struct now now = { .mono_ms = 1, .wall_ms = 1 };
    struct store *store;

    fake_disk_set_capacity(world->disk, 0);
    fake_disk_cut_power(world->disk);
    check(log_store_open(&settings, fake_disk_use(world->disk), worker, now, &store) == 0);
    for (unsigned i = 0; i < SPEAK_IDS; i++)
        if (world->is_stored[i] && !world->is_touched[i])
            store_open(store, speak_id((uint8_t)i), STR_NONE, must_wait, NULL);
    for (int i = 0; i < TURNS; i++) {
        store_turn(store, now);
        (void)worker_collect(worker);
    }
    store_close(store);
    worker_free(worker);
}

static void begin(struct world *world, uint64_t seed)
{
    static struct config *config;
    struct config_problems problems = { 0 };
    int listener[2];

    if (config == NULL)
        check(config_load_text(STR("fuzz"), str_from(config_text), &config, &problems) == 0);
    *world = (struct world){ .process = { .role = ROLE_KEEPER, .config = config } };
    world->process.loop = loop_new();
    random_from_seed(&world->process.random, 1);
    stream_set_init(&world->process.streams);
    world->disk = fake_disk_new(seed); /* what a power cut leaves */
    hand_socket = (struct hand_socket){ .accepted = -1 };
    world->keeper = keeper_hooks.create(&world->process);
    check(socket_pair(SOCK_STREAM, listener) == 0);
    (void)close(listener[1]);
    world->listener = listener[0];
    for (unsigned i = 0; i < CALLERS; i++)
        world->caller[i].fd = world->caller[i].peer = -1;
    keeper_hooks.listener(world->keeper, LISTENER_CONTROL, world->listener);
    start(world);
    for (unsigned peer = 0; peer < PEERS; peer++)
        come(world, peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;
    struct cursor input = cursor_over(str_of(data, size));

    log_set_sink(one_line, NULL);
    log_set_level(LOG_DEBUG);
    check(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as role.c does */
    begin(&world, size);
    for (int i = 0; i < OPERATIONS_MAX && input.left.len > 0; i++)
        operate(&world, cursor_u8(&input), &input);
    turn(&world);
    if (size % 2 != 0)
        fake_disk_die_at(world.disk, 1);
    keeper_hooks.destroy(world.keeper);
    for (unsigned i = 0; i < CALLERS; i++)
        caller_go(&world.caller[i]);
    loop_free(world.process.loop);
    check_promises(&world);
    fake_disk_free(world.disk);
    return 0;
}
