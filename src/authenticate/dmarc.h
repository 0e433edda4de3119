/* SPDX-License-Identifier: ISC */
/* dmarc.h: does the domain that a message says it is from stand behind it, and what does its owner
 * want done if not? (RFC 9989; RFC 7489 where records were written for it)
 *
 * A pure function of the answers known so far. The organisational domain is found by walking up the
 * tree of the DNS, at most eight questions a name; the public suffix list keeps a suffix from being
 * one, and is asked where no record says where a domain begins.
 */
#pragma once

#include "authenticate/dkim.h"
#include "authenticate/dmarc_record.h"
#include "authenticate/spf.h"

enum dmarc_result {
    DMARC_NONE, /* its owner says nothing */
    DMARC_PASS,
    DMARC_FAIL,
    DMARC_TEMPERROR,
    DMARC_PERMERROR,
};

struct dmarc_request {
    struct str author;     /* of the From field, in normal form */
    struct str spf_domain; /* that SPF is about: of MAIL FROM, or HELO if that is empty */
    enum spf_result spf_result;
    const struct dkim_verdict *dkim;
    unsigned dkim_count;
};

struct dmarc_verdict {
    enum dmarc_result result;
    enum dmarc_policy published; /* for this author */
    enum dmarc_policy wanted;    /* published, one step less where its owner is testing */
    struct str record_domain;    /* where the record was found; empty: nowhere */
    struct dmarc_record record;  /* if it was; its text lives in the answers */
    bool is_spf_aligned;
    bool is_dkim_aligned;
};

/* True with the verdict, whose text is a part of the author's domain; false with the next question,
 * whose name lives in `room`. */
bool dmarc_decide(const struct dmarc_request *request, const struct dns_answers *known,
                  struct buf *room, struct dmarc_verdict *out_verdict,
                  struct dns_question *out_question);
const char *dmarc_result_name(enum dmarc_result result);
