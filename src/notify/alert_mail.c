/* SPDX-License-Identifier: ISC */
/* alert_mail.c: see alert_mail.h. */
#include "notify/alert_mail.h"

#include <inttypes.h>

#include "base/clock.h"
#include "notify/when.h"
#include "wire/mime.h"

static const struct {
    const char *none;    /* for what is not known */
    const char *times;   /* behind how often it was */
    const char *contact; /* where nobody is named */
} phrases[LANGUAGE_COUNT] = {
    [LANGUAGE_EN] = { "none", " times since our last word)", "whoever runs this server" },
    [LANGUAGE_DE] = { "keine", "-mal seit unserer letzten Nachricht)",
                      "wer diesen Server betreibt" },
};

/* ---- values ---- */

static struct str keep(struct arena *arena, struct buf *text)
{
    struct str kept = arena_str(arena, buf_str(text));
    buf_fini(text);
    return kept;
}

static struct str number(struct arena *arena, uint64_t value)
{
    struct buf text = { 0 };
    buf_add_format(&text, "%" PRIu64, value);
    return keep(arena, &text);
}

static struct str when(struct arena *arena, enum language language, int64_t wall_ms)
{
    struct buf text = { 0 };

    if (wall_ms <= 0)
        return str_from(phrases[language].none);
    when_add(&text, language, wall_ms, 0);
    return keep(arena, &text);
}

static struct str since(struct arena *arena, enum language language,
                        const struct alert_facts *facts)
{
    struct buf text = { 0 };

    buf_add(&text, when(arena, language, facts->since_ms));
    if (facts->times > 1)
        buf_add_format(&text, " (%" PRIu32 "%s", facts->times, phrases[language].times);
    return keep(arena, &text);
}

static struct str span(struct arena *arena, enum language language, int64_t span_ms)
{
    struct buf text = { 0 };
    when_add_span(&text, language, span_ms);
    return keep(arena, &text);
}

/* In megabytes, for people. */
static struct str size(struct arena *arena, uint64_t octets)
{
    struct buf text = { 0 };
    buf_add_format(&text, "%" PRIu64 " MB", octets / 1000000);
    return keep(arena, &text);
}

static struct str room(struct arena *arena, const struct alert_facts *facts, uint64_t amount)
{
    return facts->is_count ? number(arena, amount) : size(arena, amount);
}

static struct str or_none(struct str text, enum language language)
{
    return text.len > 0 ? text : str_from(phrases[language].none);
}

static struct template_values make_values(const struct alert_mail *mail, struct arena *arena)
{
    const struct alert_facts *facts = mail->facts;
    enum language language = mail->language;
    struct template_values values = { 0 };
    struct str *value = values.value;

    value[PLACEHOLDER_DOMAIN] = mail->domain;
    value[PLACEHOLDER_NODE] = mail->node;
    value[PLACEHOLDER_CONTACT] =
        mail->contact.len > 0 ? mail->contact : str_from(phrases[language].contact);
    value[PLACEHOLDER_PRIMARY] = or_none(facts->primary, language);
    value[PLACEHOLDER_REASON] = or_none(facts->reason, language);
    value[PLACEHOLDER_SINCE] = since(arena, language, facts);
    value[PLACEHOLDER_LASTED] = span(arena, language, facts->lasted_ms);
    value[PLACEHOLDER_OLDEST] = when(arena, language, facts->oldest_ms);
    value[PLACEHOLDER_UNTIL] = when(arena, language, facts->until_ms);
    value[PLACEHOLDER_HELD] = number(arena, facts->held);
    value[PLACEHOLDER_DELIVERED] = number(arena, facts->delivered);
    value[PLACEHOLDER_FAILURES] = number(arena, facts->failures);
    value[PLACEHOLDER_USED] = room(arena, facts, facts->used);
    value[PLACEHOLDER_QUOTA] = room(arena, facts, facts->quota);
    return values;
}

/* ---- the message ---- */

/* The event stands there for those who have their mail sorted. */
static void add_header(struct buf *out, const struct alert_mail *mail, struct str subject,
                       enum mime_encoding encoding)
{
    buf_add_format(out, "From: holdfast <%.*s>\r\nTo: <%.*s>\r\n", STR_FMT(mail->from),
                   STR_FMT(mail->to));
    if (mail->reply_to.len > 0)
        buf_add_format(out, "Reply-To: <%.*s>\r\n", STR_FMT(mail->reply_to));
    buf_add(out, STR("Subject: "));
    mime_add_words(out, subject);
    buf_add(out, STR("\r\nDate: "));
    clock_add_rfc5322(out, mail->now_ms);
    buf_add_format(out,
                   "\r\nMessage-ID: %.*s\r\n"
                   "Auto-Submitted: auto-generated\r\n"
                   "X-Holdfast-Event: %s; domain=%.*s\r\n"
                   "Content-Language: %s\r\n"
                   "MIME-Version: 1.0\r\n"
                   "Content-Type: text/plain; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: %s\r\n"
                   "\r\n",
                   STR_FMT(mail->message_id), alert_name(mail->alert), STR_FMT(mail->domain),
                   language_tag(mail->language), mime_encoding_name(encoding));
}

bool alert_mail_add(struct buf *out, const struct alert_mail *mail)
{
    struct arena arena = { 0 };
    struct buf subject = { 0 };
    struct buf text = { 0 };

    struct template_values values = make_values(mail, &arena);
    bool is_fine = template_fill(mail->own, alert_occasion(mail->alert), mail->language, &values,
                                 &subject, &text);
    enum mime_encoding encoding = mime_encoding_for(mime_look_at(buf_str(&text)), text.len, false);
    add_header(out, mail, buf_str(&subject), encoding);
    mime_add_encoded(out, encoding, buf_str(&text));
    buf_fini(&subject);
    buf_fini(&text);
    arena_fini(&arena);
    return is_fine;
}
