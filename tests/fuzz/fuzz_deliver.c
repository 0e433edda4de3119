/* SPDX-License-Identifier: ISC */
/* fuzz_deliver.c: a whole conversation with a server that says anything.
 *
 * The input is a list of actions, an octet each, some with octets behind them:
 *
 *     'm' N   message N of a table is handed in, if there is room
 *     'c' N   N octets of the oldest content that is wanted, 'C' all of it
 *     'x'     that content cannot be had
 *     'd' 'q' 'e'   drained, quit, the peer closes
 *     't'     ten seconds go by
 *     'b' N   the server says the next N octets, whatever they are
 *     other   is said by the server, up to and with the next LF
 *
 * Checked is what client.h promises the host, and what leaves for the server: commands we know, one
 * to a line, chunks of the size that was announced, the lines of our content and nothing else; of
 * an address that holds a line end, nothing. Who is said to have been accepted was sent whole.
 */
#include <string.h>

#include "base/check.h"
#include "deliver/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGES = 16, WANTED_MAX = 64 };

struct wanted {
    struct message_id id;
    uint64_t offset;
    size_t size;
};

struct wire { /* what leaves */
    struct buf line;
    uint64_t chunk; /* octets of it still to come */
    bool is_last;   /* it is the last */
    unsigned ends;  /* contents that are complete */
};

struct host {
    struct deliver_client *client;
    struct wire wire;
    unsigned accepted;
    struct now now;
    unsigned window, under_way;
    uint32_t recipients[MESSAGES]; /* of the messages under way; 0: it is not */
    bool is_whole[MESSAGES];       /* all of its content was handed over */
    struct wanted wanted[WANTED_MAX];
    size_t wanted_count;
    bool is_ready, is_closed;
    bool must_secure, is_securing, is_secure;
};

/* Message n: n % 4 + 1 recipients, content of a size that goes from none to several pieces. */
static const uint32_t sizes[] = { 0, 1, 7, 300, 5000, 70000, 200000, 64 * 1024 };
static char content[200000];

static const char line_of_content[] = "A line that is of no interest\r\n.\r\n";

static bool is_content_line(struct str line)
{
    return str_equals(line, STR("..")) || str_equals(line, STR(".")) ||
           (line.len > 0 && str_starts(STR("A line that is of no interest"), line));
}

static void take_chunk(struct wire *wire, struct str line)
{
    struct str size = str_skip(line, 5);
    wire->is_last = str_ends_nocase(size, STR(" LAST"));
    if (wire->is_last)
        size.len -= 5;
    check(str_to_u64(size, 1 << 20, &wire->chunk));
    wire->ends += wire->is_last && wire->chunk == 0;
}

static void check_line(struct wire *wire, struct str line)
{
    static const char *const commands[] = {
        "EHLO me.example",
        "HELO me.example",
        "MAIL FROM:<a@s>",
        "RCPT TO:<x@d>",
        "DATA",
        "QUIT",
        "STARTTLS",
        "XCLIENT ",
        "RSET",
        "BDAT ",
    };
    bool is_known = is_content_line(line);

    for (size_t i = 0; i < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        is_known = is_known || str_starts(line, str_from(commands[i]));
    check(is_known);
    wire->ends += str_equals(line, STR("."));
    if (str_starts(line, STR("BDAT ")))
        take_chunk(wire, line);
}

static struct str skip_chunk(struct wire *wire, struct str bytes)
{
    size_t size = bytes.len < wire->chunk ? bytes.len : (size_t)wire->chunk;
    wire->chunk -= size;
    wire->ends += wire->is_last && wire->chunk == 0;
    return str_skip(bytes, size);
}

static void host_send(void *context, struct str bytes)
{
    struct host *host = context;
    struct wire *wire = &host->wire;

    check(!host->is_closed && bytes.len > 0 && !host->is_securing);
    while (bytes.len > 0) {
        ptrdiff_t end = str_find(bytes, '\n');
        if (wire->chunk > 0) {
            bytes = skip_chunk(wire, bytes);
            continue;
        }
        size_t size = end < 0 ? bytes.len : (size_t)end + 1;
        buf_add(&wire->line, str_first(bytes, size));
        bytes = str_skip(bytes, size);
        if (end < 0)
            break;
        check(wire->line.len >= 2 && wire->line.ptr[wire->line.len - 2] == '\r');
        check_line(wire, str_first(buf_str(&wire->line), wire->line.len - 2));
        buf_reset(&wire->line);
    }
}

static void host_ready(void *context, const struct smtp_greeting *greeting, unsigned window)
{
    struct host *host = context;
    check(!host->is_closed && !host->is_ready);
    check(!host->must_secure || host->is_secure); /* no mail in the clear */
    check(window >= 1 && window <= DELIVER_WINDOW_MESSAGES);
    check(greeting->messages_max == 0 || window <= greeting->messages_max);
    host->is_ready = true;
    host->window = window;
}

static void host_result(void *context, struct message_id id, const struct verdict *verdict,
                        uint32_t count, bool in_doubt)
{
    struct host *host = context;
    size_t index = id.bytes[0];
    check(!host->is_closed && count > 0 && host->recipients[index] == count);
    check(!in_doubt || host->is_whole[index]);
    bool is_accepted = false;
    for (uint32_t i = 0; i < count; i++) {
        is_accepted = is_accepted || verdict[i].fate == FATE_ACCEPT;
        check(verdict[i].code >= 200 && verdict[i].code <= 599 && verdict[i].code / 100 != 3);
        check(verdict[i].fate != FATE_ACCEPT || (host->is_whole[index] && !in_doubt));
    }
    host->accepted += is_accepted;
    check(host->accepted <= host->wire.ends);
    host->recipients[index] = 0;
    host->under_way--;
}

static void host_want_content(void *context, struct message_id id, uint64_t offset, size_t size)
{
    struct host *host = context;
    check(!host->is_closed && host->recipients[id.bytes[0]] > 0 && size > 0);
    check(offset + size <= sizes[id.bytes[0] % 8]);
    check(host->wanted_count < WANTED_MAX);
    host->wanted[host->wanted_count++] = (struct wanted){ id, offset, size };
}

static void host_closed(void *context, enum deliver_close how, const struct verdict *verdict)
{
    struct host *host = context;
    (void)how;
    check(!host->is_closed && verdict->code >= 200);
    check(host->under_way == 0);
    host->is_closed = true;
}

static void host_start_tls(void *context)
{
    struct host *host = context;
    check(!host->is_closed && !host->is_ready && !host->is_securing && !host->is_secure);
    host->is_securing = true;
}

static const struct deliver_host functions = { host_send,         host_ready,  host_result,
                                               host_want_content, host_closed, host_start_tls };
static const struct deliver_settings settings = {
    .hostname = { "me.example", 10 },
    .greeting_timeout_ms = 25 * SECOND_MS,
    .command_timeout_ms = 25 * SECOND_MS,
    .data_timeout_ms = 25 * SECOND_MS,
    .block_timeout_ms = 25 * SECOND_MS,
    .final_timeout_ms = 25 * SECOND_MS,
};

static void give_message(struct host *host, uint8_t number)
{
    size_t index = number % MESSAGES;
    struct recipient recipient[4];

    if (!host->is_ready || host->is_closed || host->under_way == host->window ||
        host->recipients[index] > 0)
        return;
    for (size_t i = 0; i < 4; i++)
        recipient[i] = (struct recipient){ .address = STR("x@d"),
                                           .original = i > 0 ? STR("rfc822;x@d") : STR_NONE,
                                           .notify = (uint8_t)(index + i) % 16 };
    if ((number & 0xc0) == 0xc0)
        recipient[0].address = number & 16 ? STR("x@d\r\nDATA") : STR("x@d> SIZE=1");
    const struct xclient origin = {
        .client = { .family = ENDPOINT_IP4, .address = { 192, 0, 2, number & 1 }, .port = 25 },
        .name = STR("client.example\r\nQUIT"),
        .helo = number & 2 ? STR("h=+ \001") : STR_NONE,
    };
    struct delivery delivery = {
        .origin = number & 4 ? &origin : NULL,
        .id = { { (uint8_t)index } },
        .sender = (number & 0xe0) == 0xa0 ? STR("a@s>\nRSET") : STR("a@s"),
        .recipient = recipient,
        .recipient_count = (uint32_t)(index % 4 + 1),
        .size = sizes[index % 8],
        .ret = (uint8_t)(index % 4),
        .envelope_id = index % 2 != 0 ? STR("Q+2BQ") : STR_NONE,
        .flags = number & 16 ? ENVELOPE_SMTPUTF8 : 0,
        .body_type = number & 32 ? BODY_BINARYMIME : BODY_8BITMIME,
    };
    host->recipients[index] = delivery.recipient_count;
    host->is_whole[index] = delivery.size == 0;
    host->under_way++;
    deliver_message(host->client, &delivery, host->now);
}

static void forget_wanted(struct host *host)
{
    host->wanted_count--;
    memmove(host->wanted, host->wanted + 1, host->wanted_count * sizeof host->wanted[0]);
}

static void give_content(struct host *host, size_t most)
{
    if (host->wanted_count == 0)
        return;
    struct wanted wanted = host->wanted[0];
    size_t size = most < wanted.size ? most : wanted.size;
    host->wanted[0].offset += size;
    host->wanted[0].size -= size;
    if (host->wanted[0].size == 0)
        forget_wanted(host);
    if (wanted.offset + size == sizes[wanted.id.bytes[0] % 8])
        host->is_whole[wanted.id.bytes[0]] = true;
    deliver_content(host->client, wanted.id, wanted.offset, str_of(content + wanted.offset, size),
                    host->now);
}

static void lose_content(struct host *host)
{
    if (host->wanted_count == 0)
        return;
    struct wanted wanted = host->wanted[0];
    forget_wanted(host);
    deliver_content_failed(host->client, wanted.id, host->now);
}

/* Returns how many octets behind the action were used. */
static size_t act(struct host *host, char action, struct str left)
{
    uint8_t number = left.len > 0 ? (uint8_t)left.ptr[0] : 0;

    switch (action) {
    case 'm':
        give_message(host, number);
        return 1;
    case 'c':
        give_content(host, number);
        return 1;
    case 'C':
        give_content(host, SIZE_MAX);
        return 0;
    case 'x':
        lose_content(host);
        return 0;
    case 'd':
        deliver_drained(host->client, host->now);
        return 0;
    case 'q':
        deliver_quit(host->client, host->now);
        return 0;
    case 'e':
        deliver_end(host->client, host->now);
        return 0;
    case 's':
        host->is_secure = host->is_secure || host->is_securing;
        host->is_securing = false;
        deliver_secured(host->client, host->now);
        return 0;
    case 't':
        host->now.mono_ms += 10 * SECOND_MS;
        deliver_tick(host->client, host->now);
        return 0;
    case 'b':
        deliver_feed(host->client, str_first(str_skip(left, 1), number), host->now);
        return 1 + (size_t)number;
    default:
        break;
    }
    ptrdiff_t lf = str_find(left, '\n');
    size_t len = lf < 0 ? left.len : (size_t)lf + 1;
    deliver_feed(host->client, str_of(&action, 1), host->now);
    deliver_feed(host->client, str_first(left, len), host->now);
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct host host = { .now = { .mono_ms = 1 } };
    struct str left = str_of(data, size);

    if (content[0] == '\0') /* once */
        for (size_t i = 0; i < sizeof content; i++)
            content[i] = line_of_content[i % (sizeof line_of_content - 1)];
    host.must_secure = left.len > 0 && left.ptr[0] == 'T';
    if (host.must_secure)
        left = str_skip(left, 1);
    host.client = deliver_new(&settings, &functions, &host,
                              host.must_secure ? DELIVER_TLS_MUST : DELIVER_TLS_MAY, host.now);
    deliver_use_origins(host.client);
    while (left.len > 0) {
        char action = left.ptr[0];
        left = str_skip(left, 1);
        left = str_skip(left, act(&host, action, left));
    }
    deliver_end(host.client, host.now);
    check(host.is_closed);
    deliver_free(host.client);
    buf_fini(&host.wire.line);
    return 0;
}
