/* SPDX-License-Identifier: ISC */
/* report_mail.c: see report_mail.h. */
#include "authenticate/report_mail.h"

#include <inttypes.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/gzip.h"

/* Neither base64 nor our own words hold a line that begins so. */
#define BOUNDARY "=_report"

enum {
    WORD_MAX = 320, /* the longest address; no line gets near 998 octets */
};

/* Printable, without white space. */
static bool is_word(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    return text.len > 0 && text.len <= WORD_MAX;
}

/* Letters, digits and what else is allowed. */
static bool is_made_of(struct str text, struct str others)
{
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_alnum(text.ptr[i]) && str_find(others, text.ptr[i]) < 0)
            return false;
    return text.len <= WORD_MAX;
}

static bool is_well_formed(const struct report_mail *mail)
{
    return is_word(mail->from) && is_word(mail->to) && is_word(mail->message_id) &&
           mail->submitter.len > 0 && is_made_of(mail->submitter, STR("-._")) &&
           mail->domain.len > 0 && is_made_of(mail->domain, STR("-._")) && mail->id.len > 0 &&
           is_made_of(mail->id, STR("-._+@")) && is_made_of(mail->unique, STR(""));
}

/* ---- the attachment ---- */

/* receiver!domain!begin!end[!unique].xml.gz */
static void add_file_name(struct buf *out, const struct report_mail *mail)
{
    buf_add_format(out, "%.*s!%.*s!%" PRId64 "!%" PRId64, STR_FMT(mail->submitter),
                   STR_FMT(mail->domain), mail->begin_s, mail->end_s);
    if (mail->unique.len > 0)
        buf_add_format(out, "!%.*s", STR_FMT(mail->unique));
    buf_add(out, STR(".xml.gz"));
}

static void add_attachment(struct buf *out, const struct report_mail *mail)
{
    struct buf packed = { 0 };

    buf_add(out, STR("--" BOUNDARY "\r\n"
                     "Content-Type: application/gzip\r\n"
                     "Content-Transfer-Encoding: base64\r\n"
                     "Content-Disposition: attachment;\r\n"
                     "\tfilename=\""));
    add_file_name(out, mail);
    buf_add(out, STR("\"\r\n\r\n"));
    gzip_add(&packed, mail->xml);
    base64_add_lines(out, buf_str(&packed));
    buf_add(out, STR("--" BOUNDARY "--\r\n"));
    buf_fini(&packed);
}

/* ---- the rest ---- */

static void add_header(struct buf *out, const struct report_mail *mail)
{
    buf_add_format(out, "From: <%.*s>\r\nTo: <%.*s>\r\n", STR_FMT(mail->from), STR_FMT(mail->to));
    buf_add_format(out,
                   "Subject: Report Domain: %.*s\r\n"
                   " Submitter: %.*s\r\n"
                   " Report-ID: <%.*s>\r\n",
                   STR_FMT(mail->domain), STR_FMT(mail->submitter), STR_FMT(mail->id));
    buf_add(out, STR("Date: "));
    clock_add_rfc5322(out, mail->date_s * SECOND_MS);
    buf_add_format(out, "\r\nMessage-ID: %.*s\r\n", STR_FMT(mail->message_id));
    buf_add(out, STR("Auto-Submitted: auto-generated\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: multipart/mixed; boundary=\"" BOUNDARY "\"\r\n"
                     "\r\n"));
}

static void add_words(struct buf *out, const struct report_mail *mail)
{
    buf_add(out, STR("--" BOUNDARY "\r\n"
                     "Content-Type: text/plain; charset=us-ascii\r\n"
                     "\r\n"));
    buf_add_format(out,
                   "A DMARC aggregate report about mail that gave\r\n"
                   "%.*s\r\n"
                   "or a domain below it as its author's, as %.*s\r\nsaw it",
                   STR_FMT(mail->domain), STR_FMT(mail->submitter));
    buf_add(out, STR(" from "));
    clock_add_rfc5322(out, mail->begin_s * SECOND_MS);
    buf_add(out, STR("\r\nto "));
    clock_add_rfc5322(out, mail->end_s * SECOND_MS);
    buf_add(out, STR(".\r\n"
                     "\r\n"
                     "The domain's DMARC record asks for such reports (rua=); without it, none are "
                     "sent.\r\n"
                     "The attachment is XML in the form of RFC 9990, made to be read by a "
                     "program.\r\n"));
}

bool report_mail_add(struct buf *out, const struct report_mail *mail)
{
    if (!is_well_formed(mail))
        return false;
    add_header(out, mail);
    add_words(out, mail);
    add_attachment(out, mail);
    return true;
}
