/* SPDX-License-Identifier: ISC */
/* report_mail.h: the message that carries a report (RFC 9990 3.5.2).
 *
 * A few words for people, and the XML behind them as a gzip attachment. The same input makes the
 * same message, as must be where a report is sent again.
 */
#pragma once

#include "base/buf.h"

struct report_mail {
    struct str from;       /* an address of the submitter's, without brackets */
    struct str to;         /* as report_target has it */
    struct str message_id; /* with brackets */
    int64_t date_s;
    struct str submitter; /* our domain */
    struct str domain;    /* that the report is about, in normal form */
    struct str id;        /* of the report: letters, digits and -._+@ */
    struct str unique;    /* letters and digits for the name of the file; empty: none */
    int64_t begin_s;      /* of the period */
    int64_t end_s;
    struct str xml;
};

/* The whole message, with CRLF; its size is what the limit of a target is about. False, and nothing
 * is added: a text holds what has no place in a header. What report.h and report_target.h give is
 * always good. Takes some 10 ms for a megabyte of XML. */
bool report_mail_add(struct buf *out, const struct report_mail *mail);
