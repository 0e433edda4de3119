/* SPDX-License-Identifier: ISC */
/* trace.c: see trace.h.
 *
 * Our field has the form that Postfix writes, since that is what the filters
 * behind us (rspamd, SpamAssassin) take apart to find the client:
 *
 *     Received: from HELO (NAME [192.0.2.1])
 *             (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits))
 *             by NODE with ESMTP id 01KAN…
 *             for <recipient>; Sat, 21 Nov 2026 21:40:49 +0000
 */
#include "receive/trace.h"

#include <string.h>

#include "base/clock.h"

struct trace_scanner trace_scanner_for(struct str own_name)
{
    return (struct trace_scanner){ .own_name = own_name };
}

static void begin_word(struct trace_scanner *scanner)
{
    scanner->word_len = 0;
    scanner->word_is_by = true;
    scanner->word_is_own = true;
}

static void end_word(struct trace_scanner *scanner)
{
    if (scanner->word_len == 0)
        return;
    if (scanner->after_by && scanner->word_is_own && scanner->word_len == scanner->own_name.len)
        scanner->own++;
    scanner->after_by = scanner->word_is_by && scanner->word_len == 2;
    begin_word(scanner);
}

static bool continues(struct str word, size_t at, char c)
{
    return at < word.len && ascii_lower(word.ptr[at]) == ascii_lower(c);
}

static void add_to_word(struct trace_scanner *scanner, char c)
{
    scanner->word_is_by = scanner->word_is_by && continues(STR("by"), scanner->word_len, c);
    scanner->word_is_own =
        scanner->word_is_own && continues(scanner->own_name, scanner->word_len, c);
    scanner->word_len++;
}

/* Comments are no words: what a client says of itself stands in them. */
static void scan_field_octet(struct trace_scanner *scanner, char c)
{
    if (c == '(' || (c == ')' && scanner->comment_depth > 0)) {
        end_word(scanner);
        scanner->comment_depth = c == '(' ? scanner->comment_depth + 1 : scanner->comment_depth - 1;
    } else if (scanner->comment_depth == 0) {
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';')
            end_word(scanner);
        else
            add_to_word(scanner, c);
    }
    if (c == '\n')
        scanner->place = TRACE_LINE_START;
}

static void begin_received(struct trace_scanner *scanner)
{
    scanner->hops++;
    scanner->in_received = true;
    scanner->after_by = false;
    scanner->comment_depth = 0;
    scanner->place = TRACE_FIELD;
    begin_word(scanner);
}

static void scan_name_octet(struct trace_scanner *scanner, char c)
{
    static const struct str name = { "received", 8 };
    bool blank = c == ' ' || c == '\t'; /* "Received :" was legal once (RFC 5322 4.5) */

    if (scanner->name_len == name.len && c == ':')
        begin_received(scanner);
    else if (continues(name, scanner->name_len, c))
        scanner->name_len++;
    else if (c == '\n')
        scanner->place = TRACE_LINE_START;
    else if (scanner->name_len < name.len || !blank)
        scanner->place = TRACE_SKIP;
}

static void scan_first_octet(struct trace_scanner *scanner, char c)
{
    if (c == '\r') { /* an empty line, for only CRLF has a CR */
        scanner->place = TRACE_BODY;
        return;
    }
    if (c == ' ' || c == '\t') {
        scanner->place = scanner->in_received ? TRACE_FIELD : TRACE_SKIP;
        return;
    }
    scanner->in_received = false;
    scanner->name_len = 0;
    scanner->place = TRACE_NAME;
    scan_name_octet(scanner, c);
}

/* Index behind the end of the line, or the end of the bytes. */
static size_t skip_line(struct trace_scanner *scanner, struct str content, size_t at)
{
    ptrdiff_t end = str_find(str_skip(content, at), '\n');
    if (end < 0)
        return content.len;
    scanner->place = TRACE_LINE_START;
    return at + (size_t)end + 1;
}

void trace_scan(struct trace_scanner *scanner, struct str content)
{
    size_t at = 0;

    while (at < content.len) {
        switch (scanner->place) {
        case TRACE_LINE_START:
            scan_first_octet(scanner, content.ptr[at++]);
            break;
        case TRACE_NAME:
            scan_name_octet(scanner, content.ptr[at++]);
            break;
        case TRACE_FIELD:
            scan_field_octet(scanner, content.ptr[at++]);
            break;
        case TRACE_SKIP:
            at = skip_line(scanner, content, at);
            break;
        case TRACE_BODY:
            return;
        }
    }
}

bool trace_is_loop(const struct trace_scanner *scanner)
{
    return scanner->hops > TRACE_HOPS_MAX || scanner->own > TRACE_OWN_MAX;
}

enum { STAMP_NAME_MAX = 255 };

/* A name from outside: what no name needs becomes "?". */
static void add_name(struct buf *out, struct str name)
{
    if (name.len == 0)
        buf_add(out, STR("unknown"));
    for (size_t i = 0; i < name.len && i < STAMP_NAME_MAX; i++) {
        char c = name.ptr[i];
        bool plain = ascii_is_alnum(c) || (c != '\0' && strchr(".-_:[]", c) != NULL);
        buf_add(out, plain ? str_of(&c, 1) : STR("?"));
    }
}

static void add_client(struct buf *out, const struct trace_stamp *stamp)
{
    buf_add(out, STR(" ("));
    add_name(out, stamp->client_name);
    buf_add(out, stamp->client.family == ENDPOINT_IP6 ? STR(" [IPv6:") : STR(" ["));
    endpoint_add_ip(out, stamp->client);
    buf_add(out, STR("])"));
}

/* Quoted local parts may hold what readers of the field stumble over. */
static bool is_plain_address(struct str address)
{
    for (size_t i = 0; i < address.len; i++) {
        char c = address.ptr[i];
        if (!ascii_is_alnum(c) && (c == '\0' || strchr(".-_@+=#/&'*!~", c) == NULL))
            return false;
    }
    return address.len > 0;
}

void trace_add_received(struct buf *out, const struct trace_stamp *stamp)
{
    struct message_id_text id = message_id_to_text(stamp->id);

    buf_add(out, STR("Received: from "));
    add_name(out, stamp->helo);
    add_client(out, stamp);
    if (stamp->tls.len > 0) {
        buf_add(out, STR("\r\n\t(using "));
        buf_add(out, stamp->tls);
        buf_add(out, STR(")"));
    }
    buf_add(out, STR("\r\n\tby "));
    buf_add(out, stamp->node);
    buf_add(out, STR(" with "));
    buf_add(out, stamp->protocol);
    buf_add(out, STR(" id "));
    buf_add(out, str_from(id.text));
    if (is_plain_address(stamp->recipient)) {
        buf_add(out, STR("\r\n\tfor <"));
        buf_add(out, stamp->recipient);
        buf_add(out, STR(">; "));
    } else {
        buf_add(out, STR(";\r\n\t"));
    }
    clock_add_rfc5322(out, stamp->wall_ms);
    buf_add(out, STR("\r\n"));
}
