/* SPDX-License-Identifier: ISC */
/* fuzz_dsn.c: notices made of what strangers wrote, by the first octet:
 *
 *   x  xtext and unitext: what decodes is the same after it was encoded and decoded again.
 *   t  a template, up to a NUL, then values: what is made of it is clean; one with a mistake gives
 *      way to ours.
 *   w  a field of people's text: encoded it is short lines of ASCII, and decodes to itself.
 *   n  a notice: flags, then texts up to a NUL each, and the message behind them. It is one that
 *      RFC 3464 knows: parts and fields as many as there should be, in their order, no line above
 *      998 octets, every line ended by CRLF, and octets above 127 only where the form says so.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "notify/notice.h"
#include "wire/encoded_word.h"
#include "wire/mime.h"
#include "wire/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str cut(struct str *left)
{
    struct str piece = STR_NONE;
    (void)str_cut(left, '\0', &piece);
    return piece;
}

static uint8_t cut_octet(struct str *left)
{
    uint8_t octet = left->len > 0 ? (uint8_t)left->ptr[0] : 0;
    *left = str_skip(*left, 1);
    return octet;
}

static void try_xtext(struct str text)
{
    struct buf decoded = { 0 };
    struct buf encoded = { 0 };
    struct buf again = { 0 };

    if (xtext_decode(&decoded, text)) {
        xtext_add(&encoded, buf_str(&decoded));
        check(xtext_decode(&again, buf_str(&encoded)));
        check(str_equals(buf_str(&again), buf_str(&decoded)));
    }
    buf_reset(&decoded);
    buf_reset(&encoded);
    buf_reset(&again);
    if (unitext_decode(&decoded, text)) {
        check(mime_look_at(buf_str(&decoded)).is_utf8);
        unitext_add(&encoded, buf_str(&decoded));
        check(mime_look_at(buf_str(&encoded)).high == 0);
        check(unitext_decode(&again, buf_str(&encoded)));
        check(str_equals(buf_str(&again), buf_str(&decoded)));
    }
    buf_fini(&decoded);
    buf_fini(&encoded);
    buf_fini(&again);
}

/* Ends with a line end, if it is not empty; no controls but tabs. */
static void check_clean(struct str text)
{
    struct mime_look look = mime_look_at(text);

    check(look.is_utf8 && !look.has_controls);
    for (size_t i = 0; i < text.len; i++)
        check((unsigned char)text.ptr[i] >= ' ' || str_find(STR("\r\n\t"), text.ptr[i]) >= 0);
}

static void try_template(struct str bytes)
{
    struct template_values values = { 0 };
    enum occasion occasion = (enum occasion)(cut_octet(&bytes) % OCCASION_COUNT);
    struct str template = cut(&bytes);
    struct buf problems = { 0 };
    struct buf subject = { 0 };
    struct buf text = { 0 };

    for (size_t i = 0; i < PLACEHOLDER_COUNT; i++)
        values.value[i] = cut(&bytes);
    unsigned count = template_check(template, occasion, &problems);
    check((count == 0) == (problems.len == 0) && problems.len < (size_t)16 * 1024);
    bool good = template_fill(template, occasion, LANGUAGE_DE, &values, &subject, &text);
    check(good == (template.len == 0 || count == 0));
    check_clean(buf_str(&subject));
    check_clean(buf_str(&text));
    check(str_find(buf_str(&subject), '\r') < 0 && subject.len <= 200);
    check(text.len > 0 && str_ends_nocase(buf_str(&text), STR("\r\n")));
    buf_fini(&problems);
    buf_fini(&subject);
    buf_fini(&text);
}

static void try_words(struct str bytes)
{
    struct buf line = { 0 };
    struct buf field = { 0 };
    struct buf back = { 0 };

    encoded_word_decode(&back, bytes); /* of whatever it is */
    buf_reset(&back);
    mime_add_clean_line(&line, bytes, 300);
    check(line.len <= 300);
    struct str clean = str_trim(buf_str(&line));
    mime_add_words(&field, clean);
    struct mime_look look = mime_look_at(buf_str(&field));
    check(look.high == 0 && !look.has_controls && look.line_max <= 78);
    encoded_word_decode(&back, buf_str(&field));
    check(str_equals(buf_str(&back), clean));
    buf_fini(&line);
    buf_fini(&field);
    buf_fini(&back);
}

/* ---- a whole notice ---- */

static bool cut_line(struct str *text, struct str *out_line)
{
    if (text->len == 0)
        return false;
    check(str_cut(text, '\n', out_line));
    check(out_line->len > 0 && out_line->ptr[out_line->len - 1] == '\r');
    out_line->len--;
    check(str_find(*out_line, '\r') < 0 && str_find(*out_line, '\0') < 0);
    check(out_line->len <= MIME_LINE_MAX);
    return true;
}

/* The fields that may stand in a header or a group, in their order; each once at most. */
static void check_fields(struct str *text, const char *const *names, size_t count)
{
    struct str line;
    size_t next = 0;

    for (bool is_first = true; cut_line(text, &line) && line.len > 0; is_first = false) {
        if (line.ptr[0] == ' ' || line.ptr[0] == '\t') {
            check(!is_first && str_trim(line).len > 0);
            continue;
        }
        ptrdiff_t colon = str_find(line, ':');
        check(colon > 0);
        while (next < count && !str_equals(str_from(names[next]), str_first(line, (size_t)colon)))
            next++;
        check(next < count);
        next++;
    }
}

static const char *const header_names[] = { "From",
                                            "To",
                                            "Subject",
                                            "Date",
                                            "Message-ID",
                                            "In-Reply-To",
                                            "References",
                                            "Auto-Submitted",
                                            "MIME-Version",
                                            "Content-Type",
                                            "Content-Transfer-Encoding" };
static const char *const part_names[] = { "Content-Type", "Content-Transfer-Encoding",
                                          "Content-Language" };
static const char *const message_names[] = { "Original-Envelope-Id", "Reporting-MTA",
                                             "Received-From-MTA", "Arrival-Date" };
static const char *const recipient_names[] = {
    "Original-Recipient", "Final-Recipient",   "Action",       "Status",          "Remote-MTA",
    "Diagnostic-Code",    "Last-Attempt-Date", "Final-Log-Id", "Will-Retry-Until"
};

/* The part behind the delimiter line at which *text stands, up to the next one. */
static struct str cut_part(struct str *text, struct str delimiter)
{
    struct str line;

    check(cut_line(text, &line) && str_equals(line, delimiter));
    struct str part = *text;
    for (struct str rest = *text;; rest = *text) {
        check(cut_line(text, &line));
        if (str_starts(line, delimiter)) {
            *text = rest;
            check(rest.ptr - part.ptr >= 2);
            return str_first(part, (size_t)(rest.ptr - part.ptr) - 2);
        }
    }
}

static void check_status(struct str part, uint32_t recipients)
{
    check_fields(&part, part_names, 2);
    check_fields(&part, message_names, 4);
    for (uint32_t i = 0; i < recipients; i++)
        check_fields(&part, recipient_names, 9);
    check(part.len == 0);
}

static void check_notice(struct str text, const struct notice_made *made)
{
    struct str whole = text;
    char delimiter[80];

    check(made->form.needs_utf8 || made->form.is_whole || mime_look_at(text).high == 0);
    check(made->form.body_type == BODY_8BITMIME || mime_look_at(text).high == 0);
    check_fields(&text, header_names, 11);
    struct str mark = STR("\r\n\tboundary=\"");
    const char *at = memmem(whole.ptr, whole.len, mark.ptr, mark.len);
    check(at != NULL);
    struct str boundary = str_skip(whole, (size_t)(at - whole.ptr) + mark.len);
    boundary = str_first(boundary, (size_t)str_find(boundary, '"'));
    check(boundary.len > 0 && boundary.len < 70); /* RFC 2046 5.1.1 */
    int len = snprintf(delimiter, sizeof delimiter, "--%.*s", STR_FMT(boundary));
    struct str dashes = str_of(delimiter, (size_t)len);
    struct str words = cut_part(&text, dashes);
    check_fields(&words, part_names, 3);
    check_status(cut_part(&text, dashes), made->recipients);
    if (!str_equals(str_skip(text, dashes.len), STR("--\r\n"))) {
        struct str returned = cut_part(&text, dashes);
        check_fields(&returned, part_names, 2);
    }
    check(str_equals(str_skip(text, dashes.len), STR("--\r\n")));
}

static void try_notice(struct str bytes)
{
    uint8_t flags = cut_octet(&bytes);
    uint8_t shape = cut_octet(&bytes);
    struct recipient recipients[2] = { { .notify = shape & 0xf }, { .notify = 0 } };
    struct verdict verdict;
    struct notice_texts own = { 0 };
    struct envelope envelope = { .flags = ENVELOPE_PROVED | (flags & ENVELOPE_SMTPUTF8),
                                 .received_ms = 1795886400000,
                                 .ret = flags >> 2 & 3,
                                 .recipient = recipients,
                                 .recipient_count = 2 };

    envelope.sender = cut(&bytes);
    envelope.helo = cut(&bytes);
    envelope.envelope_id = cut(&bytes);
    for (size_t i = 0; i < 2; i++) {
        recipients[i].address = cut(&bytes);
        recipients[i].original = cut(&bytes);
    }
    verdict = verdict_from_reply((uint16_t)(200 + 2 * flags), cut(&bytes));
    struct notice_outcome outcome[2] = {
        { .recipient = 0, .verdict = &verdict, .is_reply = (flags & 1) != 0 },
        { .recipient = 1, .is_expired = true, .last_attempt_ms = 1795886500000 }
    };
    outcome[0].remote = cut(&bytes);
    struct notice notice = { .kind = (enum notice_kind)(flags >> 4 & 3),
                             .envelope = &envelope,
                             .outcome = outcome,
                             .outcome_count = 1 + (flags >> 6 & 1),
                             .own = &own,
                             .node = STR("mx2.example.net"),
                             .from = STR("postmaster@mx2.example.net"),
                             .message_id = STR("<n@mx2.example.net>"),
                             .now_ms = 1795886600000,
                             .until_ms = 1795886700000,
                             .returned_max = (size_t)16 * (shape >> 4) * (shape >> 4) };
    notice.domain = cut(&bytes);
    notice.contact = cut(&bytes);
    notice.from_name = cut(&bytes);
    struct str template = cut(&bytes);
    for (size_t i = 0; i < OCCASION_FIRST_FOR_OWNER; i++)
        own.text[i][LANGUAGE_EN] = template;
    notice.content = bytes;

    struct buf out = { 0 };
    struct notice_made made;
    enum may_notify may = notice_add(&out, &notice, &made);
    check((may == MAY_NOTIFY) == (out.len > 0));
    if (may == MAY_NOTIFY)
        check_notice(buf_str(&out), &made);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_skip(str_of(data, size), 1);

    if (size == 0)
        return 0;
    switch (data[0]) {
    case 'x':
        try_xtext(bytes);
        break;
    case 't':
        try_template(bytes);
        break;
    case 'w':
        try_words(bytes);
        break;
    default:
        try_notice(bytes);
        break;
    }
    return 0;
}
