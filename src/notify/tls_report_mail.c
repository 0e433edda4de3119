/* SPDX-License-Identifier: ISC */
/* tls_report_mail.c: see tls_report_mail.h. */
#include "notify/tls_report_mail.h"

#include <inttypes.h>

#include "base/base64.h"
#include "base/clock.h"

/* Neither base64 nor our own words hold a line that begins so. */
#define BOUNDARY "=_report"

enum { WORD_MAX = 320 }; /* the longest address; no line gets near 998 octets */

/* Printable, without white space, and with nothing that ends what it stands in. */
static bool is_word(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f || str_find(STR("<>\""), text.ptr[i]) >= 0)
            return false;
    return text.len > 0 && text.len <= WORD_MAX;
}

static void add_header(struct buf *out, const struct tls_report_mail *mail)
{
    buf_add_format(out, "From: <%.*s>\r\nTo: <%.*s>\r\n", STR_FMT(mail->from), STR_FMT(mail->to));
    buf_add_format(out,
                   "Subject: Report Domain: %.*s\r\n"
                   " Submitter: %.*s\r\n"
                   " Report-ID: <%.*s@%.*s>\r\n",
                   STR_FMT(mail->domain), STR_FMT(mail->submitter), STR_FMT(mail->id),
                   STR_FMT(mail->submitter));
    buf_add(out, STR("Date: "));
    clock_add_rfc5322(out, mail->date_s * SECOND_MS);
    buf_add_format(out,
                   "\r\nMessage-ID: <%.*s>\r\n"
                   "TLS-Report-Domain: %.*s\r\n"
                   "TLS-Report-Submitter: %.*s\r\n",
                   STR_FMT(mail->message_id), STR_FMT(mail->domain), STR_FMT(mail->submitter));
    buf_add(out, STR("TLS-Required: No\r\n"
                     "Auto-Submitted: auto-generated\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
                     "\tboundary=\"" BOUNDARY "\"\r\n"
                     "\r\n"));
}

static void add_words(struct buf *out, const struct tls_report_mail *mail)
{
    buf_add(out, STR("--" BOUNDARY "\r\n"
                     "Content-Type: text/plain; charset=us-ascii\r\n"
                     "\r\n"));
    buf_add_format(out,
                   "A report about TLS on the way of mail to\r\n"
                   "%.*s\r\n"
                   "as %.*s\r\nsaw it from ",
                   STR_FMT(mail->domain), STR_FMT(mail->submitter));
    clock_add_rfc5322(out, mail->begin_s * SECOND_MS);
    buf_add(out, STR("\r\nto "));
    clock_add_rfc5322(out, mail->end_s * SECOND_MS);
    buf_add(out,
            STR(".\r\n"
                "\r\n"
                "The domain asks for such reports in the DNS (_smtp._tls, rua=); without that, "
                "none are sent.\r\n"
                "The attachment is JSON in the form of RFC 8460, made to be read by a "
                "program.\r\n"));
}

/* submitter!domain!begin!end.json.gz (RFC 8460 5.1); with these there is no other of that name. */
static void add_attachment(struct buf *out, const struct tls_report_mail *mail)
{
    buf_add(out, STR("--" BOUNDARY "\r\n"
                     "Content-Type: application/tlsrpt+gzip\r\n"
                     "Content-Transfer-Encoding: base64\r\n"
                     "Content-Disposition: attachment;\r\n"));
    buf_add_format(out, "\tfilename=\"%.*s!%.*s!%" PRId64 "!%" PRId64 ".json.gz\"\r\n\r\n",
                   STR_FMT(mail->submitter), STR_FMT(mail->domain), mail->begin_s, mail->end_s);
    base64_add_lines(out, mail->packed);
    buf_add(out, STR("--" BOUNDARY "--\r\n"));
}

bool tls_report_mail_add(struct buf *out, const struct tls_report_mail *mail)
{
    if (!is_word(mail->from) || !is_word(mail->to) || !is_word(mail->domain) ||
        !is_word(mail->submitter) || !is_word(mail->id) || !is_word(mail->message_id))
        return false;
    add_header(out, mail);
    add_words(out, mail);
    add_attachment(out, mail);
    return true;
}
