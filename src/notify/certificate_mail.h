/* SPDX-License-Identifier: ISC */
/* certificate_mail.h: the postmaster is told that a certificate of ours ends: when it is good for
 * 14 days, for 3, and when it has ended. Pure. */
#pragma once

#include "base/buf.h"
#include "base/cursor.h"
#include "notify/language.h"

enum certificate_step {
    CERTIFICATE_FINE,
    CERTIFICATE_14_DAYS,
    CERTIFICATE_3_DAYS,
    CERTIFICATE_OVER
};

struct certificate_told { /* of one file, so that nothing is said twice; also after a restart */
    int64_t end_ms;
    enum certificate_step step;
};

/* What is to be said now, of a certificate that ends then; FINE: nothing. A step that was missed is
 * not made up for, and a certificate that was renewed begins anew. */
enum certificate_step certificate_due(int64_t end_ms, const struct certificate_told *told,
                                      int64_t now_ms);
void certificate_told_encode(struct buf *out, const struct certificate_told *told);
/* False: malformed, and nothing was told. */
bool certificate_told_decode(struct str bytes, struct certificate_told *out_told);

struct certificate_mail {
    struct str file;
    int64_t end_ms;
    struct str node;
    struct str to;
    struct str message_id; /* with brackets */
    int64_t now_ms;
    enum language language;
};

/* Header and text, CRLF. */
void certificate_mail_add(struct buf *out, const struct certificate_mail *mail);
