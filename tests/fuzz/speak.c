/* SPDX-License-Identifier: ISC */
/* speak.c: see speak.h. */
#include "speak.h"

#include <string.h>

#include "base/check.h"
#include "mail/envelope.h"
#include "mail/verdict.h"
#include "base/clock.h"
#include "wire/dns.h"

enum { FRAME_HEADER = 8, LONG_TEXT = 100000 };

/* ---- what was seen ---- */

struct message_id speak_id(uint8_t number)
{
    struct message_id id = { { 1, 0x9a, 0xa5, number } };
    id.bytes[MESSAGE_ID_SIZE - 1] = number;
    return id;
}

unsigned speak_id_number(struct message_id id)
{
    for (unsigned i = 0; i < SPEAK_IDS; i++)
        if (message_id_equals(id, speak_id((uint8_t)i)))
            return i;
    return SPEAK_IDS;
}

void speak_saw_session(struct speak *speak, uint64_t session)
{
    speak->session[speak->sessions++ % SPEAK_NUMBERS] = session;
}

void speak_saw_ticket(struct speak *speak, uint64_t ticket)
{
    speak->ticket[speak->tickets++ % SPEAK_NUMBERS] = ticket;
}

/* ---- fields ---- */

static uint64_t pick(const uint64_t *seen, unsigned count, uint8_t n)
{
    if (count > SPEAK_NUMBERS)
        count = SPEAK_NUMBERS;
    return n < 0xf0 && count > 0 ? seen[n % count] : n;
}

static uint64_t number(const struct speak *speak, struct str field, struct cursor *input)
{
    static const uint64_t odd[] = { UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1,
                                    UINT32_MAX, 65536,     65537,
                                    1u << 20,   1u << 31 };
    uint8_t n = cursor_u8(input);

    if (str_equals(field, STR("session")))
        return pick(speak->session, speak->sessions, n);
    if (str_equals(field, STR("ticket")))
        return speak->tickets > 0 ? pick(speak->ticket, speak->tickets, n) : n % 8;
    if (str_equals(field, STR("connect_timeout_ms")) ||
        str_equals(field, STR("greeting_timeout_ms")))
        return n * 100u;
    if (n < 0xf0)
        return str_equals(field, STR("octets")) ? (uint64_t)n * n * 2 : n;
    return odd[n % (sizeof odd / sizeof *odd)];
}

/* Words that occur, and words that do harm where somebody builds on their being good. */
static struct str word(struct cursor *input)
{
    static const char *const words[] = {
        "a@example.org",
        "b@example.org",
        "c@example.net",
        "example.org",
        "example.net",
        "",
        "x",
        "@",
        "a@",
        "mx.example",
        "a@EXAMPLE.ORG",
        "postmaster",
        "a@b\r\nDATA",
        "no such\nuser key=\"value\"",
        "a@unlisted.test",
        "\xff\x1b[2J",
    };
    static char room[LONG_TEXT];
    uint8_t n = cursor_u8(input);

    if (n < 0xe0)
        return str_from(words[n % (sizeof words / sizeof *words)]);
    if (n < 0xf8)
        return cursor_bytes(input, n & 0x1f);
    memset(room, 'x', sizeof room);
    room[1] = '@';
    return str_of(room, n < 0xfc ? (size_t)(n & 3) * 250 : sizeof room);
}

static void put_endpoint(struct buf *out, struct cursor *input)
{
    uint8_t n = cursor_u8(input);
    struct endpoint endpoint = { .family = n & 1 ? ENDPOINT_IP6 : ENDPOINT_IP4,
                                 .address = { 192, 0, 2, n },
                                 .port = n & 2 ? 25 : 0 };
    endpoint_encode(out, endpoint);
}

static void put_verdict(struct buf *out, struct cursor *input)
{
    static const uint16_t codes[] = { 250, 450, 550, 452, 421, 354, 251, 599 };
    uint8_t n = cursor_u8(input);

    buf_add_u16(out, n < 0xf0 ? codes[n % 8] : n);
    buf_add_u8(out, (uint8_t)(codes[n % 8] / 100));
    buf_add_u8(out, n & 8 ? 5 : 0);
    buf_add_u8(out, n & 8 ? 3 : 0);
    buf_add_counted(out, n & 16 ? word(input) : STR("as you like it"));
}

static void put_envelope(struct buf *out, const struct speak *speak, struct cursor *input)
{
    static const int64_t times[] = { 0, -1, 1000, -100000000, INT64_MAX, INT64_MIN, 1, 2 };
    struct recipient recipient[16] = { 0 };
    uint8_t shape = cursor_u8(input);
    uint8_t when = cursor_u8(input);
    struct envelope envelope = { .id = speak_id(shape % SPEAK_IDS),
                                 .received_ms = speak->wall_ms,
                                 .sender = word(input),
                                 .helo = shape & 0x80 ? word(input) : STR("client.test"),
                                 .protocol = STR("ESMTP"),
                                 .recipient = recipient,
                                 .recipient_count = shape >> 3 & 15 };

    if (when != 0)
        envelope.received_ms =
            when < 0xf0 ? speak->wall_ms + (int64_t)when * SECOND_MS : times[when % 8];
    for (uint32_t i = 0; i < envelope.recipient_count; i++)
        recipient[i].address = word(input);
    envelope_encode(out, &envelope);
}

static void put_dns_answer(struct buf *out, struct cursor *input)
{
    struct dns_record record[4] = { 0 };
    uint8_t shape = cursor_u8(input);
    struct dns_answer answer = { .status = (enum dns_status)(shape & 3),
                                 .secure = (shape & 4) != 0,
                                 .ttl_s = (shape & 8) != 0 ? UINT32_MAX : 300,
                                 .record = record };

    if (answer.status == DNS_FOUND)
        answer.record_count = 1 + (shape >> 4 & 3);
    for (uint32_t i = 0; i < answer.record_count; i++) {
        uint8_t n = cursor_u8(input);
        record[i].preference = n;
        record[i].name = n & 0x80 ? word(input) : n & 1 ? STR("mx1.test") : STR("mx2.test");
        record[i].address = (struct endpoint){ .family = n & 2 ? ENDPOINT_IP6 : ENDPOINT_IP4,
                                               .address = { 192, 0, 2, n } };
    }
    dns_answer_encode(out, &answer);
}

static uint8_t verdict_count; /* of the field before: `stages` has as many */

static void put_many(struct buf *out, struct cursor *input, bool verdicts)
{
    uint8_t count = cursor_u8(input);

    verdict_count = count % 128;
    for (uint8_t i = 0; i < count % 128; i++) {
        if (!verdicts)
            buf_add_u32(out, count < 0xc0 ? i : cursor_u8(input));
        else
            put_verdict(out, input);
    }
}

static void put_stages(struct buf *out)
{
    for (uint8_t i = 0; i < verdict_count; i++)
        buf_add_u8(out, (uint8_t)((verdict_count + i) % STAGES));
}

static void put_content(struct buf *out, struct cursor *input)
{
    static const char line[] = "A line of content that says nothing\r\n";
    size_t size = cursor_u8(input);

    size = size < 0xf0 ? size : 4096 * (size & 15) + 1;
    for (size_t i = 0; i < size; i++)
        buf_add_byte(out, line[i % (sizeof line - 1)]);
}

static void put_text(struct buf *out, const struct speak *speak, struct str field,
                     struct cursor *input)
{
    if (str_equals(field, STR("client")) || str_equals(field, STR("endpoint")) ||
        str_equals(field, STR("from")))
        put_endpoint(out, input);
    else if (str_equals(field, STR("envelope")))
        put_envelope(out, speak, input);
    else if (str_equals(field, STR("verdict")))
        put_verdict(out, input);
    else if (str_equals(field, STR("verdicts")) || str_equals(field, STR("recipients")))
        put_many(out, input, field.len == 8);
    else if (str_equals(field, STR("stages")))
        put_stages(out);
    else if (str_equals(field, STR("answer")))
        put_dns_answer(out, input);
    else if (str_equals(field, STR("bytes")) || str_equals(field, STR("content")))
        put_content(out, input);
    else
        buf_add(out, word(input));
}

/* Now and then what stands there is not of the kind. */
static void text(struct buf *out, const struct speak *speak, struct str field, struct cursor *input)
{
    struct buf bytes = { 0 };

    if (input->left.len > 0 && (uint8_t)input->left.ptr[0] == 0xff)
        buf_add(&bytes, cursor_bytes(input, input->left.len < 16 ? input->left.len : 16));
    else
        put_text(&bytes, speak, field, input);
    buf_add_counted(out, buf_str(&bytes));
    buf_fini(&bytes);
}

/* ---- frames ---- */

enum message_type speak_type(enum role self, enum role peer, uint8_t n)
{
    enum message_type allowed[MESSAGE_COUNT];
    unsigned count = 0;

    for (int type = MESSAGE_NONE + 1; type < MESSAGE_COUNT; type++)
        if (message_is_allowed((enum message_type)type, self, peer))
            allowed[count++] = (enum message_type)type;
    check(count > 0);
    return allowed[n % count];
}

#define NUMBER(name) buf_add_u64(&payload, number(speak, STR(#name), input));
#define IDENTITY(name)                                                                             \
    id = speak_id(cursor_u8(input) % SPEAK_IDS);                                                   \
    buf_add_bytes(&payload, id.bytes, sizeof id.bytes);
#define TEXT(name) text(&payload, speak, STR(#name), input);
#define MESSAGE(name, senders, takers, size_max, fields)                                           \
    case MESSAGE_##name:                                                                           \
        fields break;

void speak_frame(struct buf *out, const struct speak *speak, enum message_type type,
                 struct cursor *input)
{
    struct buf payload = { 0 };
    struct message_id id;

    switch (type) {
#include "roles/messages.def"
    case MESSAGE_NONE:
    case MESSAGE_COUNT:
        check(false);
    }
    if (payload.len <= message_size_max(type)) {
        buf_add_u32(out, (uint32_t)payload.len);
        buf_add_u16(out, (uint16_t)type);
        buf_add_u16(out, 0);
        buf_add(out, buf_str(&payload));
    }
    buf_fini(&payload);
}

#undef NUMBER
#undef IDENTITY
#undef TEXT
#undef MESSAGE

void speak_nonsense(struct channel *channel)
{
    if (channel != NULL)
        channel_feed(channel, STR("\0\0\0\0\xff\xff\0\0"));
}

enum message_type hear_frame(struct str *bytes, enum role self, enum role peer,
                             struct cursor *out_payload)
{
    struct cursor cursor = cursor_over(*bytes);
    uint32_t size = cursor_u32(&cursor);
    enum message_type type = (enum message_type)cursor_u16(&cursor);

    (void)cursor_u16(&cursor);
    check(cursor_ok(&cursor) && message_is_allowed(type, self, peer));
    check(size <= message_size_max(type) && size <= cursor.left.len);
    *out_payload = cursor_over(str_first(cursor.left, size));
    *bytes = str_skip(*bytes, FRAME_HEADER + size);
    return type;
}
