/* SPDX-License-Identifier: ISC */
/* fuzz_canonical.c: a canonical form does not depend on the pieces in which a body comes, and is
 * its own canonical form; the fields of a header are the header, octet for octet. The first octet
 * chooses how, the second the size of the pieces. */
#include "authenticate/canonical.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *context, struct str bytes)
{
    buf_add(context, bytes);
}

static void make(struct str text, enum canonical how, size_t piece, struct buf *out)
{
    struct canonical_body body = { .how = how, .give = take, .context = out };

    for (size_t at = 0; at < text.len; at += piece)
        canonical_body(&body, str_first(str_skip(text, at), piece));
    canonical_body_end(&body);
}

static void check_body(struct str text, enum canonical how, size_t piece)
{
    struct buf whole = { 0 };
    struct buf pieces = { 0 };
    struct buf again = { 0 };

    make(text, how, text.len + 1, &whole);
    make(text, how, piece, &pieces);
    make(buf_str(&whole), how, piece, &again);
    check(str_equals(buf_str(&whole), buf_str(&pieces)));
    check(str_equals(buf_str(&whole), buf_str(&again)));
    check(whole.len <= text.len + 2);
    buf_fini(&whole);
    buf_fini(&pieces);
    buf_fini(&again);
}

static void check_header(struct str text, enum canonical how)
{
    struct arena arena = { 0 };
    struct header header;
    struct buf canonical = { 0 };
    size_t at = 0;

    header_parse(text, &arena, &header);
    for (uint32_t i = 0; i < header.count; i++) {
        const struct header_field *field = &header.field[i];
        check(field->raw.ptr == text.ptr + at);
        at += field->raw.len;
        canonical_add_field(&canonical, field, how);
        canonical_add_signature(&canonical, field, how);
    }
    check(at == text.len);
    check(canonical.len <= 2 * text.len + header.count * 4);
    buf_fini(&canonical);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum canonical how = data[0] % 2 == 0 ? CANONICAL_SIMPLE : CANONICAL_RELAXED;
    struct str text = str_of(data + 2, size - 2);
    check_body(text, how, data[1] % 16 + 1U);
    check_header(text, how);
    return 0;
}
