/* SPDX-License-Identifier: ISC */
/* tls_rpt.h: the record by which a domain asks for reports about TLS (RFC 8460 3): TXT of
 * _smtp._tls.DOMAIN.
 */
#pragma once

#include "base/str.h"

enum {
    TLS_RPT_TARGETS_MAX = 5, /* the first of them; the others are as if they were not there */
    TLS_RPT_URI_MAX = 1024,  /* octets; a longer one is left out */
};

struct tls_rpt_record {                     /* borrowed from the text */
    struct str target[TLS_RPT_TARGETS_MAX]; /* URIs, mailto: or https:, as they were written */
    uint32_t target_count;                  /* 0: none that we could use */
};

/* The strings of a record, joined. False: it is none, and nothing is sent by it. */
bool tls_rpt_record_parse(struct str text, struct tls_rpt_record *out_record);
/* Does it mean to be one? Two of them are none (RFC 8460 3). */
bool tls_rpt_record_is_meant(struct str text);
bool tls_rpt_is_mail(struct str uri); /* else it is https: */
