/* SPDX-License-Identifier: ISC */
/* fuzz_envelope.c: an envelope that decodes is written back byte by byte, and its parts may be
 * looked at. */
#include "base/check.h"
#include "mail/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
        check(str_equals(buf_str(&bytes), str_first(str_of(data, size), size - cursor.left.len)));
    }
    buf_fini(&bytes);
    arena_fini(&arena);
    return 0;
}
