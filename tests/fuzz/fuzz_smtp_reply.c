/* SPDX-License-Identifier: ISC */
/* fuzz_smtp_reply.c: replies, whole and octet by octet, must read the same; so must greetings. */
#include "base/check.h"
#include "wire/smtp_greeting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(struct buf *log, const struct smtp_reply *reply)
{
    struct smtp_greeting greeting = smtp_greeting_parse(reply);

    check(reply->code >= 100 && reply->code <= 599);
    check(reply->lines >= 1 && reply->lines <= SMTP_REPLY_LINES_MAX);
    check(reply->text.len <= reply->lines * (SMTP_REPLY_LINE_MAX + 1));
    buf_add_u16(log, reply->code);
    buf_add_bytes(log, reply->enhanced, sizeof reply->enhanced);
    buf_add_u32(log, reply->lines);
    buf_add_counted(log, reply->text);
    buf_add_u32(log, greeting.extensions);
    buf_add_u64(log, greeting.size_max);
    if (reply->code >= 200) {
        struct verdict verdict = smtp_reply_verdict(reply);
        size_t start = log->len;
        verdict_add_line(log, &verdict);
        for (size_t i = start; i < log->len; i++)
            check(log->ptr[i] >= ' ' && log->ptr[i] < 0x7f);
    }
}

static void read_all(struct str bytes, size_t piece, struct buf *log)
{
    struct smtp_reply_reader reader = { 0 };
    enum smtp_reply_step step = SMTP_REPLY_MORE;

    for (size_t at = 0; at < bytes.len; at += piece) {
        struct str left = str_first(str_skip(bytes, at), piece);
        struct smtp_reply reply;
        while ((step = smtp_reply_read(&reader, &left, &reply)) == SMTP_REPLY_DONE)
            note(log, &reply);
        check(step == SMTP_REPLY_MALFORMED || left.len == 0);
    }
    buf_add_u8(log, (uint8_t)step);
    smtp_reply_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = { 0 }, single = { 0 };

    read_all(str_of(data, size), size, &whole);
    read_all(str_of(data, size), 1, &single);
    check(str_equals(buf_str(&whole), buf_str(&single)));
    buf_fini(&whole);
    buf_fini(&single);
    return 0;
}
