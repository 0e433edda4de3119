/* SPDX-License-Identifier: ISC */
/* certificate_mail.c: see certificate_mail.h. */
#include "notify/certificate_mail.h"

#include "base/clock.h"
#include "notify/when.h"
#include "wire/mime.h"

/* ---- when ---- */

static enum certificate_step step_of(int64_t left_ms)
{
    if (left_ms <= 0)
        return CERTIFICATE_OVER;
    if (left_ms <= 3LL * DAY_MS)
        return CERTIFICATE_3_DAYS;
    return left_ms <= 14LL * DAY_MS ? CERTIFICATE_14_DAYS : CERTIFICATE_FINE;
}

enum certificate_step certificate_due(int64_t end_ms, const struct certificate_told *told,
                                      int64_t now_ms)
{
    enum certificate_step step = step_of(end_ms - now_ms);
    bool is_known = told->end_ms == end_ms && told->step >= step;

    return is_known ? CERTIFICATE_FINE : step;
}

void certificate_told_encode(struct buf *out, const struct certificate_told *told)
{
    buf_add_u64(out, (uint64_t)told->end_ms);
    buf_add_u8(out, (uint8_t)told->step);
}

bool certificate_told_decode(struct str bytes, struct certificate_told *out_told)
{
    struct cursor cursor = cursor_over(bytes);
    int64_t end_ms = (int64_t)cursor_u64(&cursor);
    unsigned step = cursor_u8(&cursor);

    if (!cursor_done(&cursor) || step > CERTIFICATE_OVER)
        return false;
    *out_told = (struct certificate_told){ .end_ms = end_ms, .step = (enum certificate_step)step };
    return true;
}

/* ---- what ---- */

static const struct {
    const char *ends, *is_over;           /* behind the node's name, in the subject */
    const char *until, *was_until, *hint; /* of the text */
} words[LANGUAGE_COUNT] = {
    [LANGUAGE_EN] = {
        .ends = "a certificate ends soon",
        .is_over = "a certificate has ended",
        .until = "is good until",
        .was_until = "was good until",
        .hint = "Clients that check who we are will bring no mail then. Please renew it; the file is\r\n"
                "read anew within a minute, without a restart.\r\n",
    },
    [LANGUAGE_DE] = {
        .ends = "ein Zertifikat läuft bald ab",
        .is_over = "ein Zertifikat ist abgelaufen",
        .until = "gilt bis",
        .was_until = "galt bis",
        .hint = "Danach bringen Clients, die prüfen, wer wir sind, keine Mail mehr. Bitte erneuern Sie\r\n"
                "es; die Datei wird binnen einer Minute neu gelesen, ohne Neustart.\r\n",
    },
};

static void add_header(struct buf *out, const struct certificate_mail *mail,
                       enum mime_encoding encoding)
{
    bool is_over = mail->end_ms <= mail->now_ms;
    struct buf subject = { 0 };

    buf_add_format(&subject, "%.*s: %s", STR_FMT(mail->node),
                   is_over ? words[mail->language].is_over : words[mail->language].ends);
    buf_add_format(out, "From: holdfast <postmaster@%.*s>\r\nTo: <%.*s>\r\nSubject: ",
                   STR_FMT(mail->node), STR_FMT(mail->to));
    mime_add_words(out, buf_str(&subject));
    buf_add(out, STR("\r\nDate: "));
    clock_add_rfc5322(out, mail->now_ms);
    buf_add_format(out,
                   "\r\nMessage-ID: %.*s\r\n"
                   "Auto-Submitted: auto-generated\r\n"
                   "X-Holdfast-Event: certificate-ends\r\n"
                   "Content-Language: %s\r\n"
                   "MIME-Version: 1.0\r\n"
                   "Content-Type: text/plain; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: %s\r\n"
                   "\r\n",
                   STR_FMT(mail->message_id), language_tag(mail->language),
                   mime_encoding_name(encoding));
    buf_fini(&subject);
}

static void add_text(struct buf *out, const struct certificate_mail *mail)
{
    bool is_over = mail->end_ms <= mail->now_ms;

    buf_add_format(out, "%.*s\r\n%s ", STR_FMT(mail->file),
                   is_over ? words[mail->language].was_until : words[mail->language].until);
    when_add(out, mail->language, mail->end_ms, 0);
    buf_add(out, STR(".\r\n\r\n"));
    buf_add(out, str_from(words[mail->language].hint));
}

void certificate_mail_add(struct buf *out, const struct certificate_mail *mail)
{
    struct buf text = { 0 };

    add_text(&text, mail);
    enum mime_encoding encoding = mime_encoding_for(mime_look_at(buf_str(&text)), text.len, false);
    add_header(out, mail, encoding);
    mime_add_encoded(out, encoding, buf_str(&text));
    buf_fini(&text);
}
