/* SPDX-License-Identifier: ISC */
/* results.h: the Authentication-Results field (RFC 8601): what we found, and who else claims to be
 * us. */
#pragma once

#include "authenticate/arc.h"
#include "authenticate/dkim.h"
#include "authenticate/dmarc.h"
#include "authenticate/spf.h"

struct results {
    struct str authserv_id; /* our name */
    struct str sender;      /* of MAIL FROM; empty: SPF is about HELO */
    struct str helo;
    struct spf_verdict spf;
    const struct dkim *dkim;
    struct str author; /* empty: there is none, and DMARC has nothing to say */
    struct dmarc_verdict dmarc;
    const struct arc *arc;
};

/* "mx2.example.net; spf=pass …": what stands behind the field's name, folded, without the last
 * CRLF. ARC-Authentication-Results says the same. */
void results_add_value(struct buf *out, const struct results *results);
/* The whole field, with CRLF. */
void results_add_field(struct buf *out, const struct results *results);
/* Is this such a field, and claims to be ours? */
bool results_are_forged(const struct header_field *field, struct str authserv_id);
/* Does this field claim to be written by `authserv_id` (5)? Then nobody behind us may see it. */
bool results_claims(struct str value, struct str authserv_id);
