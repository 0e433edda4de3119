/* SPDX-License-Identifier: ISC */
/* fuzz_session.c: a whole session, its host's answers mixed in as the input says.
 *
 * The input is a row of operations, each an octet; those from 0x80 on are followed
 * by that many (less 0x80) octets which the client sends. Whatever happens: the
 * host is called in an order that makes sense, replies are well-formed lines,
 * content has no bare CR or LF, the window and the buffers keep their bounds.
 */
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "receive/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ASKED_MAX = 64 };

struct world {
    struct receive_settings settings;
    struct random random;
    struct now now;
    struct receive_session *session;
    uint64_t asked[ASKED_MAX];
    size_t asked_count;
    struct message_id id;
    uint64_t untaken;
    char last;   /* octet of content */
    bool inside; /* a call into the session */
    bool open, committed, closed;
};

static void check_call(const struct world *world)
{
    check(world->inside);
    check(!world->closed);
}

static void check_reply(struct str line)
{
    check(line.len >= 4 && line.ptr[line.len - 1] == '\r');
    check(line.ptr[0] >= '2' && line.ptr[0] <= '5');
    check(ascii_is_digit(line.ptr[1]) && ascii_is_digit(line.ptr[2]));
    check(line.ptr[3] == ' ' || line.ptr[3] == '-');
    for (size_t i = 0; i + 1 < line.len; i++)
        check((unsigned char)line.ptr[i] >= ' ' && (unsigned char)line.ptr[i] < 0x7f);
}

static void world_send(void *context, struct str bytes)
{
    struct str line = STR_NONE;
    check_call(context);
    check(bytes.len > 0 && bytes.ptr[bytes.len - 1] == '\n');
    bytes.len--;
    while (str_cut(&bytes, '\n', &line))
        check_reply(line);
}

static void world_ask(void *context, uint64_t ticket, struct str sender,
                      const struct recipient *recipient)
{
    struct world *world = context;
    (void)sender;
    check_call(world);
    check(recipient->address.len > 0 && world->asked_count < ASKED_MAX);
    world->asked[world->asked_count++] = ticket;
}

static void world_open(void *context, struct message_id id)
{
    struct world *world = context;
    check_call(world);
    check(!world->open);
    world->open = true;
    world->id = id;
    world->untaken = 0;
    world->last = '\0';
}

static void world_write(void *context, struct str bytes)
{
    struct world *world = context;
    check_call(world);
    check(world->open && bytes.len > 0);
    for (size_t i = 0; i < bytes.len; i++) {
        check((world->last == '\r') == (bytes.ptr[i] == '\n'));
        world->last = bytes.ptr[i];
    }
    world->untaken += bytes.len;
    check(world->untaken <= RECEIVE_WINDOW);
}

static void world_commit(void *context, const struct envelope *envelope)
{
    struct world *world = context;
    check_call(world);
    check(world->open && world->last != '\r');
    check(envelope->recipient_count > 0);
    check(envelope->recipient_count <= world->settings.recipients_max);
    check(message_id_equals(envelope->id, world->id));
    world->open = false;
    world->committed = true;
}

static void world_abort(void *context)
{
    struct world *world = context;
    check(world->inside && world->open);
    world->open = false;
}

static void world_close(void *context)
{
    struct world *world = context;
    check_call(world);
    world->closed = true;
}

static const struct receive_host host = {
    .send = world_send,
    .ask_recipient = world_ask,
    .content_open = world_open,
    .content_write = world_write,
    .content_commit = world_commit,
    .content_abort = world_abort,
    .close = world_close,
};

static void answer_recipient(struct world *world, size_t at, uint16_t code)
{
    struct verdict verdict = verdict_make(code, 1, 5, STR("So be it"));
    if (at >= world->asked_count)
        return;
    uint64_t ticket = world->asked[at];
    world->asked[at] = world->asked[--world->asked_count];
    receive_recipient_answer(world->session, ticket, &verdict, world->now);
}

static void answer_content(struct world *world, uint16_t code)
{
    struct verdict verdict = verdict_make(code, 0, 0, STR("So be it"));
    world->committed = false;
    receive_content_answer(world->session, world->id, &verdict, world->now);
}

static void take_content(struct world *world)
{
    uint64_t taken = world->untaken;
    world->untaken = 0;
    receive_content_taken(world->session, world->id, taken, world->now);
}

static void wait(struct world *world)
{
    int64_t at = receive_deadline(world->session);
    if (at == NEVER_MS)
        return;
    if (at > world->now.mono_ms)
        world->now.mono_ms = at;
    receive_tick(world->session, world->now);
    world->asked_count = 0; /* their answers would come too late, or not at all */
    check(receive_deadline(world->session) > world->now.mono_ms);
}

static void set_refusal(struct world *world, uint16_t code)
{
    struct verdict refusal = verdict_make(code, 3, 1, STR("So be it"));
    receive_set_refusal(world->session, &refusal, world->now);
}

static void operate(struct world *world, uint8_t operation)
{
    switch (operation % 16) {
    case 0:
        answer_recipient(world, 0, 250);
        return;
    case 1:
        answer_recipient(world, 1, 250);
        return;
    case 2:
        answer_recipient(world, 0, 550);
        return;
    case 3:
        answer_content(world, 250);
        return;
    case 4:
        answer_content(world, 451);
        return;
    case 5:
        take_content(world);
        return;
    case 6:
        receive_client_name(world->session, STR("client.example"), world->now);
        return;
    case 7:
        wait(world);
        return;
    case 8:
        world->now.mono_ms += SECOND_MS;
        receive_tick(world->session, world->now);
        return;
    case 9:
        receive_end(world->session, world->now);
        return;
    case 10:
        receive_shutdown(world->session, world->now);
        return;
    case 11:
        set_refusal(world, 452);
        return;
    case 12:
        set_refusal(world, 250);
        return;
    default:
        return;
    }
}

static void feed(struct world *world, struct str bytes)
{
    if (receive_wants_input(world->session))
        receive_feed(world->session, bytes, world->now);
}

static void ignore_line(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static void prepare(struct world *world, uint8_t mode)
{
    *world = (struct world){
        .settings = { .hostname = STR("mx.example"),
                      .message_size_max = (mode & 1) != 0 ? 300 : 1000000,
                      .recipients_max = 3,
                      .errors_max = 10,
                      .command_timeout_ms = 5 * MINUTE_MS,
                      .data_timeout_ms = 3 * MINUTE_MS,
                      .session_timeout_ms = 30 * MINUTE_MS,
                      .data_rate_min = (mode & 2) != 0 ? 0 : 100,
                      .bare_newline_reject = (mode & 4) != 0,
                      .chunking = (mode & 8) == 0 },
    };
    random_from_seed(&world->random, 1);
    log_set_sink(ignore_line, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;
    struct verdict none = verdict_accept();
    struct endpoint client = { .family = ENDPOINT_IP4, .address = { 192, 0, 2, 7 }, .port = 4711 };

    if (size < 1)
        return 0;
    prepare(&world, data[0]);
    world.inside = true;
    world.session =
        receive_new(&world.settings, &host, &world, client, &world.random, world.now, &none);
    for (size_t at = 1; at < size && !world.closed;) {
        uint8_t operation = data[at++];
        if (operation < 0x80) {
            operate(&world, operation);
            continue;
        }
        struct str bytes = str_first(str_of(data + at, size - at), operation - 0x80U);
        feed(&world, bytes);
        at += bytes.len;
    }
    receive_free(world.session);
    check(!world.open);
    return 0;
}
