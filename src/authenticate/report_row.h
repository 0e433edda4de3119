/* SPDX-License-Identifier: ISC */
/* report_row.h: one judged message as its domain's owner is told of it (RFC 9990 3.1).
 *
 * Whoever judges a message makes the row, whoever gathers reports takes it; between them it is
 * bytes, which are believed only as far as report_row_decode() has looked at them. Every name is
 * one in normal form, every list and text has an end.
 */
#pragma once

#include "authenticate/dkim.h"
#include "authenticate/dmarc_record.h"
#include "authenticate/spf.h"

struct authentication;

enum {
    REPORT_SIGNATURES_MAX = DKIM_SIGNATURES_MAX,
    REPORT_SELECTOR_MAX = 253,
    REPORT_RUA_MAX = 1024, /* of rua=; what is longer is cut behind a whole address */
};

/* What was done because of DMARC. */
enum report_disposition {
    REPORT_NONE,
    REPORT_PASS, /* nothing, for it is from where it says it is and the policy asks for that */
    REPORT_QUARANTINE,
    REPORT_REJECT,
};

/* Why it is not what the policy asks for. */
enum report_override {
    REPORT_AS_ASKED,
    REPORT_LOCAL_POLICY,
    REPORT_TEST_MODE, /* its owner is testing (t=y) */
};

/* What the owner has published. */
struct report_policy {
    struct str domain;          /* where the record was found */
    struct dmarc_record record; /* without psd */
};

struct report_signature {
    struct str domain;
    struct str selector;
    enum dkim_result result;
};

struct report_row {
    struct report_policy policy;
    struct endpoint source; /* port 0 */
    enum report_disposition disposition;
    enum report_override override;
    bool is_dkim_aligned;
    bool is_spf_aligned;
    struct str header_from;
    bool has_null_sender;     /* MAIL FROM was <>, and SPF is about HELO (RFC 7208 2.4) */
    struct str envelope_from; /* the domain of MAIL FROM; empty: none */
    struct str spf_domain;    /* that SPF was asked about; empty: none, nothing was asked */
    enum spf_result spf_result;
    struct report_signature signature[REPORT_SIGNATURES_MAX]; /* as they stand in the header */
    uint32_t signature_count;
};

/* After authentication_decide(); `disposition` is what became of the message (holding it is
 * REPORT_QUARANTINE, taking it REPORT_NONE, which may become REPORT_PASS). The row's texts are the
 * authentication's. What was put off (451) makes no row, for it comes again. False: nobody wants to
 * be told. */
bool report_row_of(const struct authentication *authentication, enum report_disposition disposition,
                   struct report_row *out_row);
void report_row_encode(struct buf *out, const struct report_row *row);
/* Decoded texts point into the cursor's bytes. */
bool report_row_decode(struct cursor *cursor, struct report_row *out_row);
/* The policy alone, as it stands in a row. */
void report_policy_encode(struct buf *out, const struct report_policy *policy);
bool report_policy_decode(struct cursor *cursor, struct report_policy *out_policy);
