/* SPDX-License-Identifier: ISC */
/* dsn.c: see dsn.h. */
#include "wire/dsn.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mail/address.h"
#include "wire/content.h"
#include "wire/dsn_returned.h"
#include "wire/header.h"
#include "wire/xtext.h"

enum {
    WORD_MAX = 320,    /* names and ids that are ours */
    SUBJECT_MAX = 200, /* octets */
    VALUE_MAX = 500,   /* octets of what a stranger wrote, in one field */
    ENCODED_MAX = 900, /* the same in unitext; with the field's name within a line */
    TYPE_MAX = 32,     /* of an address: rfc822, utf-8, x400 … */
    BOUNDARY_MAX = 48, /* RFC 2046 5.1.1 allows 70 */
};

/* ---- what stands in a field ---- */

/* Printable ASCII without white space. */
static bool is_word(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    return text.len > 0 && text.len <= WORD_MAX;
}

static bool has_high(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return true;
    return false;
}

static bool is_message_id(struct str text)
{
    if (!is_word(text) || text.len < 3 || text.ptr[0] != '<' || text.ptr[text.len - 1] != '>')
        return false;
    struct str inner = str_first(str_skip(text, 1), text.len - 2);
    return str_find(inner, '<') < 0 && str_find(inner, '>') < 0;
}

static bool is_address(struct str text, bool may_be_utf8)
{
    struct address address;
    return address_parse(text, may_be_utf8 ? ADDRESS_MAY_BE_UTF8 : 0, &address);
}

static bool is_time(int64_t wall_ms)
{
    return wall_ms > 0 && wall_ms <= ENVELOPE_TIME_MAX;
}

/* NAME: TYPE; VALUE, or without a type. The value is brought into one clean line; none is left out
 * with its name. */
static void add_field(struct buf *out, const char *name, const char *type, struct str value,
                      bool may_be_utf8)
{
    struct buf line = { 0 };
    size_t start = out->len;

    mime_add_clean_line(&line, value, VALUE_MAX);
    for (size_t i = 0; i < line.len && !may_be_utf8; i++)
        if ((unsigned char)line.ptr[i] >= 0x80)
            line.ptr[i] = '?';
    struct str clean = str_trim(buf_str(&line));
    if (clean.len > 0) {
        buf_add_format(out, "%s: %s", name, type);
        mime_add_folded(out, clean, out->len - start);
        buf_add(out, STR("\r\n"));
    }
    buf_fini(&line);
}

static void add_time(struct buf *out, const char *name, int64_t wall_ms)
{
    if (!is_time(wall_ms))
        return;
    buf_add_format(out, "%s: ", name);
    clock_add_rfc5322(out, wall_ms);
    buf_add(out, STR("\r\n"));
}

/* A clean line as it is? Then it can go between two line ends. */
static bool is_clean(struct str text)
{
    struct buf line = { 0 };
    mime_add_clean_line(&line, text, VALUE_MAX);
    bool same = str_equals(buf_str(&line), text);
    buf_fini(&line);
    return same;
}

/* An address of whatever kind, with its type (RFC 3464 2.1.2, RFC 6533 3). */
static void add_address(struct buf *out, const char *name, struct str address, bool may_be_utf8)
{
    struct buf encoded = { 0 };

    if (!has_high(address) || !is_clean(address)) {
        add_field(out, name, "rfc822; ", address, false);
    } else if (may_be_utf8) {
        add_field(out, name, "utf-8; ", address, true);
    } else {
        unitext_add(&encoded, address);
        if (encoded.len <= ENCODED_MAX)
            buf_add_format(out, "%s: utf-8; %.*s\r\n", name, STR_FMT(buf_str(&encoded)));
        else
            add_field(out, name, "utf-8; ", address, false);
    }
    buf_fini(&encoded);
}

/* What xtext stands for; as it came if that has no place in a field. */
static void add_decoded(struct buf *out, const char *name, const char *type, struct str xtext)
{
    struct buf decoded = { 0 };

    bool is_good = xtext_decode(&decoded, xtext) && !has_high(buf_str(&decoded)) &&
                   is_clean(buf_str(&decoded));
    add_field(out, name, type, is_good ? buf_str(&decoded) : xtext, false);
    buf_fini(&decoded);
}

/* ORCPT=type;xtext (RFC 3461 4.2). */
static void add_original(struct buf *out, struct str original, bool may_be_utf8)
{
    static const char name[] = "Original-Recipient";
    struct str rest = original;
    struct str type = STR_NONE;
    struct buf decoded = { 0 };
    char shown[TYPE_MAX + 3];

    if (original.len > VALUE_MAX || !str_cut(&rest, ';', &type) || rest.len == 0)
        return;
    for (size_t i = 0; i < type.len; i++)
        if (!ascii_is_alnum(type.ptr[i]) && type.ptr[i] != '-')
            return;
    if (type.len == 0 || type.len > TYPE_MAX)
        return;
    if (str_equals_nocase(type, STR("utf-8")) && unitext_decode(&decoded, rest)) {
        if (has_high(buf_str(&decoded)))
            add_address(out, name, buf_str(&decoded), may_be_utf8);
        else
            add_field(out, name, "utf-8; ", buf_str(&decoded), false);
    } else {
        (void)snprintf(shown, sizeof shown, "%.*s; ", STR_FMT(type));
        add_decoded(out, name, shown, rest);
    }
    buf_fini(&decoded);
}

/* ---- what became of a recipient ---- */

const char *dsn_action_name(enum dsn_action action)
{
    static const char *const name[] = { "failed", "delayed", "delivered", "relayed" };
    return name[action];
}

/* What an answer without an enhanced code stands for, where SMTP itself is clear (RFC 5321 4.2.3).
 * 550 is not: it is said of addresses, of clients and of content. */
static struct str status_of_code(uint16_t code)
{
    static const struct {
        uint16_t code;
        char subject_detail[5];
    } known[] = {
        { 421, "4.2" }, { 450, "2.0" }, { 452, "3.1" }, { 551, "1.6" },
        { 552, "2.2" }, { 553, "1.3" }, { 555, "5.4" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code)
            return str_from(known[i].subject_detail);
    return STR("0.0");
}

/* Only a failure may have either class (RFC 3464 2.3.4). */
static unsigned status_class(const struct dsn_recipient *recipient)
{
    switch (recipient->action) {
    case DSN_DELAYED:
        return 4;
    case DSN_DELIVERED:
    case DSN_RELAYED:
        return 2;
    case DSN_FAILED:
        break;
    }
    return recipient->verdict != NULL && recipient->verdict->fate == FATE_DEFER ? 4 : 5;
}

void dsn_add_status(struct buf *out, const struct dsn_recipient *recipient)
{
    const struct verdict *verdict = recipient->verdict;
    unsigned class = status_class(recipient);

    if (recipient->action == DSN_FAILED && recipient->is_expired)
        buf_add(out, STR("4.4.7"));
    else if (verdict == NULL || (class == 2) != (verdict->fate == FATE_ACCEPT))
        buf_add_format(out, class == 4 ? "%u.4.0" : "%u.0.0", class);
    else if (verdict->enhanced[0] != 0)
        buf_add_format(out, "%u.%u.%u", class, verdict->enhanced[1], verdict->enhanced[2]);
    else
        buf_add_format(out, "%u.%.*s", class, STR_FMT(status_of_code(verdict->code)));
}

/* smtp is for what a server said (RFC 3464 2.3.6); what we found out by ourselves has our name. */
static void add_diagnosis(struct buf *out, const struct dsn_recipient *recipient)
{
    struct buf line = { 0 };

    if (recipient->verdict == NULL)
        return;
    verdict_add_line(&line, recipient->verdict);
    add_field(out, "Diagnostic-Code", recipient->is_reply ? "smtp; " : "x-holdfast; ",
              buf_str(&line), false);
    buf_fini(&line);
}

static void add_recipient(struct buf *out, const struct dsn *dsn,
                          const struct dsn_recipient *recipient)
{
    buf_add(out, STR("\r\n"));
    add_original(out, recipient->original, dsn->may_be_utf8);
    add_address(out, "Final-Recipient", recipient->address, dsn->may_be_utf8);
    buf_add_format(out, "Action: %s\r\nStatus: ", dsn_action_name(recipient->action));
    dsn_add_status(out, recipient);
    buf_add(out, STR("\r\n"));
    add_field(out, "Remote-MTA", "dns; ", recipient->remote, false);
    add_diagnosis(out, recipient);
    add_time(out, "Last-Attempt-Date", recipient->last_attempt_ms);
    add_field(out, "Final-Log-Id", "", dsn->log_id, false);
    if (recipient->action == DSN_DELAYED)
        add_time(out, "Will-Retry-Until", recipient->will_retry_until_ms);
}

/* ---- the message ---- */

/* The name in HELO, and behind it the address as in Received (RFC 3464 2.2.4). A HELO is any
 * text; in a comment or a name it must not begin another one. */
static void add_client(struct buf *out, const struct dsn *dsn)
{
    struct buf line = { 0 };
    struct str helo = str_first(dsn->helo, WORD_MAX);

    for (size_t i = 0; i < helo.len; i++)
        buf_add_byte(&line, is_word(str_first(str_skip(helo, i), 1)) &&
                                    str_find(STR("()\\\"<>;"), helo.ptr[i]) < 0
                                ? helo.ptr[i]
                                : '?');
    if (dsn->client.family != ENDPOINT_NONE) {
        buf_add(&line, helo.len > 0 ? STR(" ([") : STR("["));
        endpoint_add_ip(&line, dsn->client);
        buf_add(&line, helo.len > 0 ? STR("])") : STR("]"));
    }
    add_field(out, "Received-From-MTA", "dns; ", buf_str(&line), false);
    buf_fini(&line);
}

static void add_status_fields(struct buf *out, const struct dsn *dsn)
{
    if (dsn->envelope_id.len <= VALUE_MAX)
        add_decoded(out, "Original-Envelope-Id", "", dsn->envelope_id);
    add_field(out, "Reporting-MTA", "dns; ", dsn->reporting_mta, false);
    add_client(out, dsn);
    add_time(out, "Arrival-Date", dsn->arrival_ms);
    for (uint32_t i = 0; i < dsn->recipient_count; i++)
        add_recipient(out, dsn, &dsn->recipient[i]);
}

static bool contains(struct str text, struct str word)
{
    return text.len > 0 && memmem(text.ptr, text.len, word.ptr, word.len) != NULL;
}

/* Made of our Message-ID, which holds chance. A number behind it, as often as it stands in what
 * may be written as it came; of so many only a few can. (Encoded text has no "=_" at all.) */
static void make_boundary(struct buf *out, struct str message_id, struct str words,
                          struct str returned)
{
    buf_add(out, STR("=_"));
    for (size_t i = 0; i < message_id.len && out->len < BOUNDARY_MAX; i++)
        if (ascii_is_alnum(message_id.ptr[i]))
            buf_add_byte(out, message_id.ptr[i]);
    size_t stem = out->len;
    for (unsigned n = 0; contains(words, buf_str(out)) || contains(returned, buf_str(out)); n++) {
        out->len = stem;
        buf_add_format(out, "_%u_", n);
    }
}

/* The Message-ID of what this answers, if it has one that is well-formed. */
static void add_thread(struct buf *out, struct str content)
{
    struct arena arena = { 0 };
    struct header header;

    header_parse(str_first(content, content_header_size(content, 0)), &arena, &header);
    const struct header_field *field = header_find(&header, STR("Message-ID"));
    struct str id = field != NULL ? field->value : STR_NONE;
    while (id.len > 0 && (id.ptr[id.len - 1] == '\r' || id.ptr[id.len - 1] == '\n'))
        id.len--;
    id = str_trim(id);
    if (is_message_id(id))
        buf_add_format(out, "In-Reply-To: %.*s\r\nReferences: %.*s\r\n", STR_FMT(id), STR_FMT(id));
    arena_fini(&arena);
}

static void add_subject(struct buf *out, struct str subject)
{
    struct buf line = { 0 };

    mime_add_clean_line(&line, subject, SUBJECT_MAX);
    buf_add(out, STR("Subject: "));
    mime_add_words(out, str_trim(buf_str(&line)));
    buf_add(out, STR("\r\n"));
    buf_fini(&line);
}

static void add_from(struct buf *out, const struct dsn *dsn)
{
    struct buf line = { 0 };

    mime_add_clean_line(&line, dsn->from_name, SUBJECT_MAX);
    buf_add(out, STR("From: "));
    if (str_trim(buf_str(&line)).len > 0) {
        mime_add_phrase(out, str_trim(buf_str(&line)));
        buf_add(out, STR("\r\n "));
    }
    buf_add_format(out, "<%.*s>\r\n", STR_FMT(dsn->from));
    buf_fini(&line);
}

static void add_header(struct buf *out, const struct dsn *dsn, struct str boundary, bool is_8bit)
{
    add_from(out, dsn);
    buf_add_format(out, "To: <%.*s>\r\n", STR_FMT(dsn->to));
    add_subject(out, dsn->subject);
    add_time(out, "Date", is_time(dsn->date_ms) ? dsn->date_ms : 1);
    buf_add_format(out, "Message-ID: %.*s\r\n", STR_FMT(dsn->message_id));
    add_thread(out, dsn->content);
    buf_add(out, STR("Auto-Submitted: auto-replied\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: multipart/report; report-type=delivery-status;\r\n"));
    buf_add_format(out, "\tboundary=\"%.*s\"\r\n", STR_FMT(boundary));
    if (is_8bit)
        buf_add(out, STR("Content-Transfer-Encoding: 8bit\r\n"));
}

static void begin_part(struct buf *out, struct str boundary, const char *type,
                       enum mime_encoding encoding)
{
    buf_add_format(out, "\r\n--%.*s\r\nContent-Type: %s\r\n", STR_FMT(boundary), type);
    if (encoding != MIME_7BIT)
        buf_add_format(out, "Content-Transfer-Encoding: %s\r\n", mime_encoding_name(encoding));
}

static bool is_language_tag(struct str tag)
{
    for (size_t i = 0; i < tag.len; i++)
        if (!ascii_is_alnum(tag.ptr[i]) && tag.ptr[i] != '-')
            return false;
    return tag.len > 0 && tag.len <= 35; /* RFC 5646 4.4.1 */
}

static void add_words(struct buf *out, const struct dsn *dsn, struct str boundary, struct str words,
                      enum mime_encoding encoding)
{
    begin_part(out, boundary,
               has_high(words) ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
               encoding);
    if (is_language_tag(dsn->language))
        buf_add_format(out, "Content-Language: %.*s\r\n", STR_FMT(dsn->language));
    buf_add(out, STR("\r\n"));
    mime_add_encoded(out, encoding, words);
}

static void add_message(struct buf *out, const struct dsn *dsn, struct str fields, struct str words,
                        const struct dsn_returned *returned, struct dsn_form *form)
{
    struct buf boundary = { 0 };
    bool fields_are_utf8 = has_high(fields);

    make_boundary(&boundary, dsn->message_id, words, returned->octets);
    form->needs_utf8 = fields_are_utf8 || returned->needs_utf8 || has_high(dsn->to);
    form->is_whole = returned->is_whole;
    /* Where octets travel as they are anyway, so may the words. */
    bool is_8bit = form->needs_utf8 || returned->encoding == MIME_8BIT;
    enum mime_encoding encoding = mime_encoding_for(mime_look_at(words), words.len, is_8bit);
    form->body_type = is_8bit ? BODY_8BITMIME : BODY_7BIT;

    add_header(out, dsn, buf_str(&boundary), is_8bit);
    add_words(out, dsn, buf_str(&boundary), words, encoding);
    begin_part(out, buf_str(&boundary),
               fields_are_utf8 ? "message/global-delivery-status" : "message/delivery-status",
               fields_are_utf8 ? MIME_8BIT : MIME_7BIT);
    buf_add(out, STR("\r\n"));
    buf_add(out, fields);
    if (returned->octets.len > 0) {
        begin_part(out, buf_str(&boundary), returned->type, returned->encoding);
        buf_add(out, STR("\r\n"));
        mime_add_encoded(out, returned->encoding, returned->octets);
    }
    buf_add_format(out, "\r\n--%.*s--\r\n", STR_FMT(buf_str(&boundary)));
    buf_fini(&boundary);
}

bool dsn_add(struct buf *out, const struct dsn *dsn, struct dsn_form *out_form)
{
    struct buf fields = { 0 };
    struct buf words = { 0 };

    if (!is_address(dsn->from, false) || !is_address(dsn->to, dsn->may_be_utf8) ||
        !is_message_id(dsn->message_id) || !is_word(dsn->reporting_mta))
        return false;
    add_status_fields(&fields, dsn);
    mime_add_clean_lines(&words, dsn->words);
    struct dsn_returned returned =
        dsn_returned(dsn->content, dsn->returns_whole, dsn->returned_max, dsn->may_be_utf8);
    add_message(out, dsn, buf_str(&fields), buf_str(&words), &returned, out_form);
    buf_fini(&fields);
    buf_fini(&words);
    return true;
}
