/* SPDX-License-Identifier: ISC */
/* fuzz_session.c: a whole session, its host's answers mixed in as the input says.
 *
 * The input is a row of operations, each an octet; those from 0x80 on are followed
 * by that many (less 0x80) octets which the client sends. Whatever happens
 *   1  the host is called in an order that makes sense
 *   2  replies are well-formed lines, and what sounds like a promise (250) is one of those we know:
 *      for a message, the host's own word
 *   3  an envelope names nobody whom the host has not admitted, and asks for notices in words that
 * fit into a command and a header 4  content begins with our Received field, one field of three
 * lines, and has no bare CR or LF 5  the window keeps its bounds 6  each event is one line of
 * printable ASCII
 */
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "receive/session.h"
#include "wire/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ASKED_MAX = 64 };

struct asked {
    uint64_t ticket;
    struct buf address;
};

struct world {
    struct receive_settings settings;
    struct random random;
    struct now now;
    struct receive_session *session;
    struct asked asked[ASKED_MAX];
    size_t asked_count;
    struct buf admitted; /* addresses, a NUL before and behind each */
    struct buf head;     /* our field, once the header is there */
    unsigned stored;     /* messages for which the host said 250 */
    struct message_id id;
    uint64_t untaken;
    char last;   /* octet of content */
    bool inside; /* a call into the session */
    bool open, committed, closed;
    bool is_securing, is_secure;
    bool has_certificate; /* the client, to show */
    bool asks_login, is_logged_in;
    uint64_t question; /* the last one */
    int64_t question_ms;
};

static void check_call(const struct world *world)
{
    check(world->inside);
    check(!world->closed);
}

/* RFC 5321 4.2.1: the client may forget what it has heard 250 for. */
static void check_promise(struct world *world, struct str line)
{
    static const char *const known[] = {
        "250-mx.example", "250-SIZE",       "250-8BITMIME",         "250-CHUNKING",
        "250-SMTPUTF8",   "250-REQUIRETLS", "250-BINARYMIME",       "250-LIMITS RCPTMAX=",
        "250-DSN",        "250-STARTTLS",   "250-PIPELINING",       "250 ENHANCEDSTATUSCODES",
        "250 mx.example", "250 2.0.0 OK",   "250 2.0.0 Chunk OK",   "250 2.1.0 Sender OK",
        "250 2.1.5 ",     "250-ETRN",       "250-AUTH PLAIN LOGIN", "250 2.0.0 Your turn",
        "250-ATRN WAIT",
    };
    bool is_known = false;

    if (str_starts(line, STR("250 2.0.0 Stored"))) {
        check(world->stored > 0);
        world->stored--;
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        is_known = is_known || str_starts(line, str_from(known[i]));
    check(is_known);
}

static void check_reply(struct world *world, struct str line)
{
    if (str_starts(line, STR("25")) && line.len > 2 && line.ptr[2] != '2')
        check_promise(world, line);
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
        check_reply(context, line);
}

static void world_ask(void *context, uint64_t ticket, struct str helo, struct str sender,
                      const struct recipient *recipient)
{
    (void)helo;
    struct world *world = context;
    (void)sender;
    check_call(world);
    check(recipient->address.len > 0 && world->asked_count < ASKED_MAX);
    struct asked *asked = &world->asked[world->asked_count++];
    *asked = (struct asked){ .ticket = ticket };
    buf_add(&asked->address, recipient->address);
}

static void world_open(void *context, struct message_id id)
{
    struct world *world = context;
    check_call(world);
    check(!world->open);
    world->open = true;
    buf_reset(&world->head);
    world->id = id;
    world->untaken = 0;
    world->last = '\0';
}

/* Our field: its lines are whole, and nothing of the client's stands among them. */
static void check_received(const struct world *world, struct str head)
{
    struct str line;
    int lines = world->is_secure ? 4 : 3;

    check(str_starts(head, STR("Received: from ")));
    for (int i = 0; i < lines; i++) {
        check(str_cut(&head, '\n', &line) && line.len > 1 && line.ptr[line.len - 1] == '\r');
        check(i == 0 || line.ptr[0] == '\t');
        for (size_t k = 1; k + 1 < line.len; k++)
            check(line.ptr[k] >= ' ' && line.ptr[k] < 0x7f);
    }
    check(head.ptr != NULL);
}

static void look_at_octets(struct world *world, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        check((world->last == '\r') == (bytes.ptr[i] == '\n'));
        world->last = bytes.ptr[i];
    }
}

static void world_header(void *context, const struct envelope *envelope, struct str received,
                         struct str header)
{
    (void)envelope;
    struct world *world = context;
    check_call(world);
    check(world->open && world->head.len == 0);
    check_received(world, received);
    check(header.len <= world->settings.header_size_max);
    check(content_header_size(header, 0) == header.len);
    buf_add(&world->head, received);
    look_at_octets(world, header);
}

static void world_write(void *context, struct str bytes)
{
    struct world *world = context;
    check_call(world);
    check(world->open && bytes.len > 0 && world->head.len > 0);
    look_at_octets(world, bytes);
    world->untaken += bytes.len;
    check(world->untaken <= RECEIVE_WINDOW);
}

static void check_admitted(const struct world *world, struct str address)
{
    struct buf entry = { 0 };

    buf_add_byte(&entry, '\0');
    buf_add(&entry, address);
    buf_add_byte(&entry, '\0');
    check(memmem(world->admitted.ptr, world->admitted.len, entry.ptr, entry.len) != NULL);
    buf_fini(&entry);
}

static void check_fits(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        check(text.ptr[i] > ' ' && text.ptr[i] < 0x7f);
    check(text.len <= 500);
}

static void world_commit(void *context, const struct envelope *envelope)
{
    struct world *world = context;
    check_call(world);
    check(world->open && world->last != '\r');
    check(envelope->recipient_count > 0);
    check(envelope->recipient_count <= world->settings.recipients_max);
    check(message_id_equals(envelope->id, world->id));
    check(world->head.len > 0);
    check_fits(envelope->envelope_id);
    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        check_admitted(world, envelope->recipient[i].address);
        check_fits(envelope->recipient[i].original);
    }
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

/* The handshake is done at once, but not from within this call. */
static void world_start_tls(void *context)
{
    struct world *world = context;
    check_call(world);
    check(world->settings.has_tls && !world->is_secure && !world->is_securing);
    world->is_securing = true;
}

/* A secret goes over TLS only, from somebody who has not logged in before. */
static void world_ask_login(void *context, uint64_t ticket, struct str user, struct str secret,
                            struct str challenge)
{
    struct world *world = context;
    check_call(world);
    check(world->is_secure && world->settings.has_logins && !world->is_logged_in);
    check(user.len > 0 && user.len <= 255 && secret.len > 0 && secret.len <= 255);
    check(challenge.len == 0 || world->settings.has_cram);
    check(ticket != 0 && ticket > world->question);
    world->question = ticket;
    world->question_ms = world->now.mono_ms;
    world->asks_login = true;
}

static void world_ask_certificate(void *context, uint64_t ticket, struct str domain)
{
    struct world *world = context;
    check_call(world);
    check(world->is_secure && world->settings.has_external && world->has_certificate);
    check(!world->is_logged_in && domain.len <= 255 && str_find(domain, '\0') < 0);
    check(ticket != 0 && ticket > world->question);
    world->question = ticket;
    world->question_ms = world->now.mono_ms;
    world->asks_login = true;
}

static void world_ask_turn(void *context, uint64_t ticket, struct str user, struct str node)
{
    struct world *world = context;
    check_call(world);
    check((user.len > 0) == world->is_logged_in);
    check(node.len > 0 && node.len <= 256);
    check(ticket > world->question);
    world->question = ticket;
    world->asks_login = false;
}

static void world_offer_line(void *context, uint64_t ticket, struct str user, struct str domains,
                             struct str instance)
{
    struct world *world = context;
    check_call(world);
    check(world->settings.is_for_turns && world->is_logged_in && user.len > 0);
    check(domains.len <= 1024 && instance.len <= 64 && str_find(domains, ' ') < 0);
    check(ticket > world->question);
    world->question = ticket;
    world->asks_login = false;
}

static void world_turn_round(void *context)
{
    struct world *world = context;
    check_call(world);
    check(world->settings.is_for_turns && receive_is_turned(world->session));
}

static const struct receive_host host = {
    .send = world_send,
    .ask_recipient = world_ask,
    .content_open = world_open,
    .content_header = world_header,
    .content_write = world_write,
    .content_commit = world_commit,
    .content_abort = world_abort,
    .start_tls = world_start_tls,
    .ask_login = world_ask_login,
    .ask_certificate = world_ask_certificate,
    .ask_turn = world_ask_turn,
    .offer_line = world_offer_line,
    .turn_round = world_turn_round,
    .close = world_close,
};

static void answer_recipient(struct world *world, size_t at, uint16_t code)
{
    struct verdict verdict = verdict_make(code, 1, 5, STR("So be it"));
    struct receive_terms terms = { .needs_proof = code % 5 == 0 };
    if (at >= world->asked_count)
        return;
    struct asked asked = world->asked[at];
    terms.lacks = asked.ticket % 5 == 0 ? ENVELOPE_SMTPUTF8 | ENVELOPE_REQUIRETLS : 0;
    terms.size_max = asked.ticket % 3 == 0 ? 200 : 0;
    world->asked[at] = world->asked[--world->asked_count];
    if (code == 250) {
        buf_add_byte(&world->admitted, '\0');
        buf_add(&world->admitted, buf_str(&asked.address));
        buf_add_byte(&world->admitted, '\0');
    }
    buf_fini(&asked.address);
    receive_recipient_answer(world->session, asked.ticket, &verdict, terms, world->now);
}

static void forget_asked(struct world *world)
{
    while (world->asked_count > 0)
        buf_fini(&world->asked[--world->asked_count].address);
}

static void answer_content(struct world *world, uint16_t code)
{
    struct verdict verdict = verdict_make(code, 0, 0, STR("Stored, or not"));
    world->stored = world->committed && code == 250; /* of another one it is too late to say */
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
    forget_asked(world); /* their answers would come too late, or not at all */
    check(receive_deadline(world->session) > world->now.mono_ms);
}

static void set_refusal(struct world *world, uint16_t code)
{
    struct verdict refusal = verdict_make(code, 3, 1, STR("So be it"));
    receive_set_refusal(world->session, &refusal, world->now);
}

/* An answer that is given twice, or too late, changes nothing. */
static void answer_question(struct world *world, bool is_fine)
{
    struct verdict verdict = is_fine ? verdict_make(250, 0, 0, STR("Your turn"))
                                     : verdict_make(459, 7, 1, STR("Not yours"));
    bool is_open = world->now.mono_ms - world->question_ms < MINUTE_MS;
    world->is_logged_in = world->is_logged_in || (is_fine && is_open && world->asks_login);
    world->asks_login = false;
    receive_question_answer(world->session, world->question, &verdict, STR("user"), world->now);
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
    case 13:
        answer_question(world, true);
        return;
    case 14:
        answer_question(world, false);
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

static void secure(struct world *world)
{
    if (!world->is_securing)
        return;
    world->is_securing = false;
    world->is_secure = true;
    receive_secured(world->session, STR("TLSv1.3"), world->has_certificate, world->now);
}

static void check_event(void *context, struct str line)
{
    (void)context;
    for (size_t i = 0; i < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
}

static void prepare(struct world *world, uint8_t mode)
{
    *world = (struct world){
        .settings = { .hostname = STR("mx.example"),
                      .postmaster = (mode & 16) != 0 ? STR("p@protected.example") : STR_NONE,
                      .message_size_max = (mode & 1) != 0 ? 300 : 1000000,
                      .header_size_max = (mode & 1) != 0 ? 200 : 1000000,
                      .recipients_max = 3,
                      .errors_max = 10,
                      .command_timeout_ms = 5 * MINUTE_MS,
                      .data_timeout_ms = 3 * MINUTE_MS,
                      .session_timeout_ms = 30 * MINUTE_MS,
                      .data_rate_min = (mode & 2) != 0 ? 0 : 100,
                      .bare_newline_reject = (mode & 4) != 0,
                      .chunking = (mode & 8) == 0,
                      .has_tls = (mode & 32) != 0,
                      .has_logins = (mode & 64) != 0,
                      .has_external = (mode & 64) != 0 && (mode & 2) != 0,
                      .has_cram = (mode & 64) != 0 && (mode & 1) != 0,
                      .is_for_turns = (mode & 128) != 0 },
    };
    world->has_certificate = (mode & 4) != 0;
    random_from_seed(&world->random, 1);
    log_set_sink(check_event, NULL);
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
        secure(&world);
        struct str bytes = str_first(str_of(data + at, size - at), operation - 0x80U);
        feed(&world, bytes);
        at += bytes.len;
    }
    receive_free(world.session);
    check(!world.open);
    forget_asked(&world);
    buf_fini(&world.admitted);
    buf_fini(&world.head);
    return 0;
}
