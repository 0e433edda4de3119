/* SPDX-License-Identifier: ISC */
/* tls_report_mail.h: the message that carries a report about TLS (RFC 8460 5.3).
 *
 * A few words for people, and the JSON behind them. It asks to be handed on though TLS may fail
 * (RFC 8689 5), for that may be what it tells of. It has to be signed (authenticate/signing.h), for
 * nobody heeds one that is not.
 */
#pragma once

#include "base/buf.h"

struct tls_report_mail {
    struct str from;   /* an address of the submitter's, without brackets */
    struct str to;     /* as report_target has it */
    struct str domain; /* that the report is about, in normal form */
    struct str submitter;
    struct str id;         /* of the report: the same in each copy of it */
    struct str message_id; /* of this one, without brackets */
    int64_t date_s;
    int64_t begin_s;
    int64_t end_s;
    struct str packed; /* the report, as gzip */
};

/* The whole message, with CRLF. False, and nothing is added: a text holds what has no place in a
 * header. */
bool tls_report_mail_add(struct buf *out, const struct tls_report_mail *mail);
