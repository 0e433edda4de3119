/* SPDX-License-Identifier: ISC */
/* fuzz_envelope.c: an envelope that decodes is written back byte by byte, and its parts may be
 * looked at. The reason why recipients are held back is made fit to be shown, once. */
#include "base/check.h"
#include "mail/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(struct str written)
{
    struct cursor cursor = cursor_over(written);
    struct arena arena = { 0 };
    struct buf bytes = { 0 };
    struct envelope envelope;

    check(envelope_decode(&cursor, &arena, &envelope) && cursor_done(&cursor));
    envelope_encode(&bytes, &envelope);
    check(str_equals(buf_str(&bytes), written));
    buf_fini(&bytes);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(str_of(data, size));
    struct arena arena = { 0 };
    struct buf bytes = { 0 };
    struct envelope envelope;

    if (envelope_decode(&cursor, &arena, &envelope)) {
        check(envelope.recipient_count <= ENVELOPE_RECIPIENTS_MAX);
        for (uint32_t i = 0; i < envelope.recipient_count; i++)
            check(recipient_domain(&envelope.recipient[i]).len <=
                  envelope.recipient[i].address.len);
        envelope_encode(&bytes, &envelope);
        if (!envelope_holds_back(&envelope))
            check(
                str_equals(buf_str(&bytes), str_first(str_of(data, size), size - cursor.left.len)));
        check_again(buf_str(&bytes));
    }
    buf_fini(&bytes);
    arena_fini(&arena);
    return 0;
}
