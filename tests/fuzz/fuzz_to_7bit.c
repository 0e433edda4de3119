/* SPDX-License-Identifier: ISC */
/* fuzz_to_7bit.c: whatever the content, its 7-bit form has no octet above 127, is the same however
 * the content is cut, and needs no conversion itself; what is fine has nothing to convert. Octets
 * that are no lines of text come out as such.
 *
 * First octet: bit 0 says that it need not have lines, bit 1 that only that counts, the rest is the
 * size of the pieces.
 */
#include "base/check.h"
#include "wire/content.h"
#include "wire/mime.h"
#include "wire/to_7bit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum to_7bit_finding convert(struct str content, unsigned flags, size_t piece,
                                    struct buf *out)
{
    struct to_7bit *to = to_7bit_new(flags);

    for (size_t at = 0; at < content.len; at += piece)
        to_7bit_look(to, str_first(str_skip(content, at), piece));
    enum to_7bit_finding found = to_7bit_found(to);
    check((found == TO_7BIT_IMPOSSIBLE) <= (to_7bit_why(to) != NULL));
    if (found == TO_7BIT_CONVERTS) {
        for (size_t at = 0; at < content.len; at += piece)
            to_7bit_add(to, str_first(str_skip(content, at), piece), out);
        to_7bit_add_end(to, out);
    }
    to_7bit_free(to);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = { 0 }, pieces = { 0 }, again = { 0 };

    if (size == 0)
        return 0;
    unsigned flags = data[0] & (TO_7BIT_HAS_OCTETS | TO_7BIT_TAKES_HIGH);
    bool has_octets = (flags & TO_7BIT_HAS_OCTETS) != 0;
    bool takes_high = (flags & TO_7BIT_TAKES_HIGH) != 0;
    struct str content = str_of(data + 1, size - 1);
    enum to_7bit_finding found = convert(content, flags, size, &whole);
    check(convert(content, flags, (size_t)(data[0] >> 2) + 1, &pieces) == found);
    check(str_equals(buf_str(&whole), buf_str(&pieces)));
    check(takes_high || mime_look_at(buf_str(&whole)).high == 0);
    if (found == TO_7BIT_IS_FINE)
        check((takes_high || mime_look_at(content).high == 0) &&
              !(has_octets && content_is_rough(content)));
    check(!has_octets || !content_is_rough(buf_str(&whole)));
    if (found == TO_7BIT_CONVERTS)
        check(convert(buf_str(&whole), flags & TO_7BIT_TAKES_HIGH, size, &again) ==
              TO_7BIT_IS_FINE);
    buf_fini(&whole);
    buf_fini(&pieces);
    buf_fini(&again);
    return 0;
}
