/* SPDX-License-Identifier: ISC */
/* story.c: the same story for every seed, told with another chance each time (SPEC V1 to V4, N4).
 *
 *     up        whom the primary has is taken, whom it has not is refused
 *     down      … and so they are still; who was never asked about is taken on suspicion, among
 *               them one whom the primary has and some whom it has not
 *     5 days    the power goes once; what is known of recipients stays known
 *     up again  all that can be delivered is; the others lie in the rescue store, and only a
 *               sender who was proved is told
 */
#include "sim/story.h"

#include <string.h>

#include "base/check.h"
#include "base/endpoint.h"
#include "sim/edge.h"
#include "sim/keys.h"
#include "sim/ledger.h"
#include "sim/letter.h"
#include "sim/machine.h"
#include "sim/operator.h"
#include "sim/outside.h"
#include "sim/primary.h"
#include "sim/scenario.h"
#include "sim/world.h"

enum { GHOSTS = 6, MEMORY_MAX = MACHINE_STORE_MEMORY + 24 * 128 * 1024 };

#define KNOWN "known@d0.example"
#define LATE  "late@d0.example" /* the primary has him, and was never asked */
#define BAD   "bad@d0.example"

static bool knows(const char *recipient)
{
    return strcmp(recipient, KNOWN) == 0 || strcmp(recipient, LATE) == 0;
}

/* ---- a client ---- */

enum step { GREETING, HELLO, MAIL, RECIPIENT, DATA, CONTENT, GONE };

static struct {
    struct wire wire;
    enum step step;
    const char *recipient;
    struct letter *letter; /* NULL: it only asks */
    unsigned code;         /* of RCPT, or of the content */
    unsigned number;       /* each comes from a network of its own */
} client;

static void say(const char *words)
{
    wire_send(&client.wire, str_from(words));
    wire_send(&client.wire, STR("\r\n"));
}

static void say_path(const char *words, const char *address)
{
    struct buf line = { 0 };

    buf_add_format(&line, "%s<%s>\r\n", words, address);
    wire_send(&client.wire, buf_str(&line));
    buf_fini(&line);
}

static void go(void)
{
    client.step = GONE;
    wire_close(&client.wire);
}

static void send_content(void)
{
    struct buf content = { 0 };

    letter_stuff(client.letter, &content);
    client.letter->sent_whole++;
    wire_send(&client.wire, buf_str(&content));
    buf_fini(&content);
}

static void take_fate(struct str line)
{
    const bool accepted[LETTER_RECIPIENTS_MAX] = { true };

    if (line.ptr[0] == '2') /* 250 2.0.0 Stored as ID */
        ledger_promised(client.letter, str_skip(line, (size_t)str_find_last(line, ' ') + 1),
                        accepted);
    go();
}

static void take_reply(struct str line)
{
    uint64_t code = 0;

    check(str_to_u64(str_first(line, 3), 999, &code));
    client.code = (unsigned)code;
    switch (client.step) {
    case GREETING:
        say("EHLO client.elsewhere.example");
        break;
    case HELLO:
        say_path("MAIL FROM:",
                 client.letter != NULL ? client.letter->sender : "asker@elsewhere.example");
        break;
    case MAIL:
        say_path("RCPT TO:", client.recipient);
        break;
    case RECIPIENT:
        if (client.letter == NULL || code != 250) {
            go();
            return;
        }
        say("DATA");
        break;
    case DATA:
        send_content();
        break;
    case CONTENT:
        take_fate(line);
        return;
    case GONE:
        return;
    }
    client.step++;
}

static void on_input(struct wire *wire)
{
    struct buf line = { 0 };

    while (client.step != GONE && wire_take_line(wire, &line))
        if (line.len >= 4 && line.ptr[3] != '-')
            take_reply(buf_str(&line));
    buf_fini(&line);
}

static void on_end(struct wire *wire)
{
    (void)wire;
    go();
}

static const struct wire_host wire_hooks = { .input = on_input, .end = on_end };

static bool is_gone(void)
{
    return client.step == GONE;
}

static void visit(const char *recipient, struct letter *letter, unsigned wanted)
{
    struct endpoint from = { .family = ENDPOINT_IP4, .port = 40000 };
    const uint8_t address[] = { 203, 0, (uint8_t)++client.number, 7 };
    int fd[2];

    memcpy(from.address, address, sizeof address);
    client.step = GREETING;
    client.recipient = recipient;
    client.letter = letter;
    client.code = 0;
    edge_pair(fd);
    edge_listener_connect(machine_smtp_listener(), fd[1], from);
    wire_open(&client.wire, fd[0], &wire_hooks);
    world_run(world.true_ms + 5 * MINUTE_MS, is_gone);
    world_trace("   %s hears %u", recipient, client.code);
    if (client.code != wanted)
        world_fail("who writes to %s hears %u, and not %u", recipient, client.code, wanted);
}

static void ask(const char *recipient, unsigned wanted)
{
    visit(recipient, NULL, wanted);
}

static void send(const char *recipient)
{
    visit(recipient, letter_to(recipient), 250);
}

/* ---- the story ---- */

static void begin(void)
{
    static const int64_t hold_ms[] = { 10 * DAY_MS };

    ledger_init(1, hold_ms, MEMORY_MAX);
    machine_init(scenario_config());
    keys_init(false);
    primaries_know(knows);
    primaries_start(1, world.true_ms);
    primaries_set_policy(0, MINUTE_MS, 20);
    primaries_heal();
    machine_boot();
    operator_say(STR("{\"op\":\"domain.add\",\"name\":\"d0.example\",\"primary\":"
                     "[\"192.0.2.1:25\"],\"set\":{\"hold\":\"10d\",\"probe-interval\":\"60s\"}}"),
                 true);
    world_run(world.true_ms + MINUTE_MS, NULL);
}

static void send_to_ghosts(void)
{
    for (unsigned i = 0; i < GHOSTS; i++) {
        struct buf recipient = { 0 };
        buf_add_format(&recipient, "ghost%u@d0.example", i);
        buf_add_byte(&recipient, '\0');
        send(recipient.ptr);
        buf_fini(&recipient);
    }
}

static void wait_five_days(void)
{
    int64_t until_ms = world.true_ms + 5 * DAY_MS;

    world_run(world.true_ms + chance_between(HOUR_MS, 4 * DAY_MS), NULL);
    primaries_may_be_tried();
    machine_cut_power();
    world_run(until_ms, NULL);
}

static void check_end(void)
{
    struct ledger_counts counts = ledger_counts();

    ledger_check_end();
    if (counts.taken != 4 || counts.expired != 0 || counts.refused != GHOSTS)
        world_fail("%u are delivered, %u expired, %u refused", counts.taken, counts.expired,
                   counts.refused);
}

void story_play(void)
{
    begin();
    ask(KNOWN, 250);
    ask(BAD, 550);
    send(KNOWN);
    world_run(world.true_ms + MINUTE_MS, NULL);

    world_trace("-- the outage begins");
    primaries_die();
    world_run(world.true_ms + 10 * MINUTE_MS, NULL);
    ask(KNOWN, 250);
    ask(BAD, 550);
    send(KNOWN);
    send(LATE);
    send_to_ghosts();
    wait_five_days();
    ask(KNOWN, 250);
    ask(BAD, 550);
    send(KNOWN);

    world_trace("-- the outage is over");
    primaries_heal();
    world_run(world.true_ms + 16 * HOUR_MS, ledger_is_balanced);
    ledger_check_store();
    check_end();
}
