/* SPDX-License-Identifier: ISC */
/* fuzz_verdict.c: a verdict from anywhere (the channel, the disk, a server's reply) is one line of
 * printable ASCII with a code of SMTP, and is the same after a journey. */
#include "base/check.h"
#include "base/cursor.h"
#include "mail/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_verdict(const struct verdict *verdict)
{
    struct buf bytes = { 0 };
    struct buf again = { 0 };
    struct buf line = { 0 };

    check(verdict->code >= 200 && verdict->code <= 599);
    check((verdict->fate == FATE_ACCEPT) == (verdict->code < 300));
    check((verdict->fate == FATE_REJECT) == (verdict->code >= 500));
    verdict_encode(&bytes, verdict);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    struct verdict back = verdict_decode(&cursor);
    check(cursor_done(&cursor));
    verdict_encode(&again, &back);
    check(str_equals(buf_str(&bytes), buf_str(&again)));
    verdict_add_line(&line, verdict);
    for (size_t i = 0; i < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
    check(line.len <= VERDICT_TEXT_MAX + 20);
    buf_fini(&bytes);
    buf_fini(&again);
    buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(str_of(data, size));
    struct verdict verdict = verdict_decode(&cursor);

    check_verdict(&verdict);
    cursor = cursor_over(str_of(data, size));
    uint16_t code = cursor_u16(&cursor);
    verdict = verdict_from_reply(code, cursor.left);
    check_verdict(&verdict);
    return 0;
}
