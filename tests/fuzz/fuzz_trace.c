/* SPDX-License-Identifier: ISC */
/* fuzz_trace.c: hops are counted the same in any split, and our own Received field is one field
 * whatever a client says of itself: four lines at most, one hop, and by us.
 *
 * First octet: size of the pieces, and whether the input is a header or what goes into a stamp. */
#include "base/check.h"
#include "receive/trace.h"
#include "wire/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str node = { "mx2.example.net", 15 };

static struct trace_scanner scan(struct str content, size_t piece)
{
    struct trace_scanner scanner = trace_scanner_for(node);

    for (size_t at = 0; at < content.len; at += piece)
        trace_scan(&scanner, str_first(str_skip(content, at), piece));
    return scanner;
}

static void try_header(struct str bytes, size_t piece)
{
    struct content_decoder decoder = content_decoder_for_chunks();
    struct buf content = { 0 };

    (void)content_decode(&decoder, bytes, &content);
    struct trace_scanner whole = scan(buf_str(&content), content.len + 1);
    struct trace_scanner parts = scan(buf_str(&content), piece);
    check(whole.hops == parts.hops && whole.own == parts.own && whole.place == parts.place);
    check(whole.own <= content.len / 2 && whole.hops <= content.len / 9);
    buf_fini(&content);
}

static void check_field(struct str field)
{
    struct str rest = field;
    struct str line;
    int lines = 0;

    check(str_starts(field, STR("Received: from ")));
    while (rest.len > 0) {
        check(str_cut(&rest, '\n', &line) && line.len > 1 && line.ptr[line.len - 1] == '\r');
        check(lines == 0 || line.ptr[0] == '\t');
        check(line.len <= 998);
        for (size_t i = lines > 0; i + 1 < line.len; i++)
            check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
        lines++;
    }
    check(lines == 3);
    struct trace_scanner scanner = scan(field, field.len);
    check(scanner.hops == 1 && scanner.own == 1);
}

/* helo, reverse name and recipient stand in the input with NUL between them. */
static void try_stamp(struct str bytes, bool is_ip6)
{
    struct trace_stamp stamp = {
        .client = { .family = is_ip6 ? ENDPOINT_IP6 : ENDPOINT_IP4, .address = { 192, 0, 2, 1 } },
        .node = node,
        .protocol = STR("ESMTP"),
        .wall_ms = 1763760000000,
    };
    struct buf field = { 0 };

    (void)str_cut(&bytes, '\0', &stamp.helo);
    (void)str_cut(&bytes, '\0', &stamp.client_name);
    stamp.recipient = str_first(bytes, 254);
    trace_add_received(&field, &stamp);
    check_field(buf_str(&field));
    buf_fini(&field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str bytes = str_of(data + 1, size - 1);
    if (data[0] & 1)
        try_stamp(bytes, (data[0] & 2) != 0);
    else
        try_header(bytes, (data[0] >> 1) + 1);
    return 0;
}
