/* SPDX-License-Identifier: ISC */
/* dns.c: see dns.h.
 *
 * An answer on the channel:
 *
 *     u8 status  u8 flags (1 secure, 2 bogus, 4 alias)  u32 ttl_s  u8 count
 *     count times: u16 preference  counted name  endpoint  counted data
 *
 * Both ends are the same program, so there is no version; the bounds are checked
 * all the same, because the sender reads from the network.
 */
#include "wire/dns.h"

#include "base/check.h"

enum { FLAG_SECURE = 1, FLAG_BOGUS = 2, FLAG_ALIAS = 4, FLAGS_ALL = 7, DNS_DATA_MAX = 65535 };

struct dns_known {
    struct dns_known *next;
    struct dns_question question;
    struct dns_answer answer;
};

void dns_answers_fini(struct dns_answers *answers)
{
    arena_fini(&answers->arena);
    answers->first = NULL;
}

static struct dns_known *find(const struct dns_answers *answers, struct dns_question question)
{
    for (struct dns_known *known = answers->first; known != NULL; known = known->next)
        if (known->question.type == question.type &&
            str_equals(known->question.name, question.name))
            return known;
    return NULL;
}

const struct dns_answer *dns_answers_find(const struct dns_answers *answers,
                                          struct dns_question question)
{
    const struct dns_known *known = find(answers, question);
    return known != NULL ? &known->answer : NULL;
}

struct dns_answer dns_answer_copy(struct arena *arena, const struct dns_answer *answer)
{
    struct dns_answer copy = *answer;

    if (copy.record_count > DNS_RECORDS_MAX)
        copy.record_count = DNS_RECORDS_MAX;
    copy.canonical = arena_str(arena, answer->canonical);
    copy.record = arena_new(arena, copy.record_count * sizeof *copy.record);
    for (uint32_t i = 0; i < copy.record_count; i++) {
        copy.record[i] = answer->record[i];
        copy.record[i].name = arena_str(arena, answer->record[i].name);
        copy.record[i].data = arena_str(arena, answer->record[i].data);
    }
    return copy;
}

void dns_answers_add(struct dns_answers *answers, struct dns_question question,
                     const struct dns_answer *answer)
{
    struct dns_known *known = find(answers, question);

    if (known == NULL) {
        known = arena_new(&answers->arena, sizeof *known);
        known->question.name = arena_str(&answers->arena, question.name);
        known->question.type = question.type;
        known->next = answers->first;
        answers->first = known;
    }
    known->answer = dns_answer_copy(&answers->arena, answer);
}

void dns_answer_encode(struct buf *out, const struct dns_answer *answer)
{
    uint32_t count = answer->record_count;
    int flags = (answer->secure ? FLAG_SECURE : 0) | (answer->bogus ? FLAG_BOGUS : 0) |
                (answer->canonical.len > 0 ? FLAG_ALIAS : 0);

    if (count > DNS_RECORDS_MAX)
        count = DNS_RECORDS_MAX;
    buf_add_u8(out, (uint8_t)answer->status);
    buf_add_u8(out, (uint8_t)flags);
    buf_add_u32(out, answer->ttl_s);
    buf_add_u8(out, (uint8_t)count);
    if (answer->canonical.len > 0)
        buf_add_counted(out, answer->canonical);
    for (uint32_t i = 0; i < count; i++) {
        const struct dns_record *record = &answer->record[i];
        buf_add_u16(out, record->preference);
        buf_add_counted(out, record->name);
        endpoint_encode(out, record->address);
        buf_add_counted(out, record->data);
    }
}

static bool decode_record(struct cursor *cursor, struct dns_record *out_record)
{
    out_record->preference = cursor_u16(cursor);
    out_record->name = cursor_counted(cursor);
    out_record->address = endpoint_decode(cursor);
    out_record->data = cursor_counted(cursor);
    return cursor_ok(cursor) && out_record->name.len <= DNS_NAME_MAX &&
           out_record->data.len <= DNS_DATA_MAX;
}

static bool refuse(struct cursor *cursor)
{
    cursor->failed = true;
    return false;
}

bool dns_answer_decode(struct cursor *cursor, struct arena *arena, struct dns_answer *out_answer)
{
    unsigned status = cursor_u8(cursor);
    unsigned flags = cursor_u8(cursor);
    struct dns_answer answer = {
        .status = (enum dns_status)status,
        .secure = (flags & FLAG_SECURE) != 0,
        .bogus = (flags & FLAG_BOGUS) != 0,
        .ttl_s = cursor_u32(cursor),
        .record_count = cursor_u8(cursor),
    };

    if (!cursor_ok(cursor) || status > DNS_FAILED || (flags & ~(unsigned)FLAGS_ALL) != 0 ||
        answer.record_count > DNS_RECORDS_MAX)
        return refuse(cursor);
    if ((flags & FLAG_ALIAS) != 0) {
        answer.canonical = cursor_counted(cursor);
        if (answer.canonical.len == 0 || answer.canonical.len > DNS_NAME_MAX)
            return refuse(cursor);
    }
    answer.record = arena_new(arena, answer.record_count * sizeof *answer.record);
    for (uint32_t i = 0; i < answer.record_count; i++)
        if (!decode_record(cursor, &answer.record[i]))
            return refuse(cursor);
    *out_answer = answer;
    return true;
}

void dns_add_reverse_name(struct buf *out, struct endpoint endpoint)
{
    static const char hex[] = "0123456789abcdef";

    check(endpoint.family != ENDPOINT_NONE);
    if (endpoint.family == ENDPOINT_IP4) {
        for (int i = 3; i >= 0; i--)
            buf_add_format(out, "%u.", (unsigned)endpoint.address[i]);
        buf_add(out, STR("in-addr.arpa"));
        return;
    }
    for (int i = 15; i >= 0; i--)
        buf_add_format(out, "%c.%c.", hex[endpoint.address[i] & 15], hex[endpoint.address[i] >> 4]);
    buf_add(out, STR("ip6.arpa"));
}

bool dns_name_is_valid(struct str name)
{
    size_t label = 0;

    if (name.len == 0 || name.len > 253)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c < 0x20 || c >= 0x7f || c == '\\')
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63 || (c == '.' && (i == 0 || name.ptr[i - 1] == '.')))
            return false;
    }
    return label > 0;
}
