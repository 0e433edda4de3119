/* SPDX-License-Identifier: ISC */
/* organisation.h: where an organisation's part of the DNS begins (RFC 9989 4.10). */
#pragma once

#include "authenticate/dmarc_record.h"
#include "wire/dns.h"

enum organisation_state { ORGANISATION_FOUND, ORGANISATION_ASKS, ORGANISATION_TEMPERROR };

struct organisation {
    struct str domain; /* a part of the name that was asked about */
    bool has_own;      /* there is a record at the name itself */
    struct dmarc_record own;
    bool has_record; /* … at the organisation's domain */
    struct dmarc_record record;
    bool has_suffix; /* … at a public suffix above it (psd=y) */
    struct str suffix;
    struct dmarc_record suffix_record;
    bool is_sure; /* a record says so (psd=); else it was found, or guessed */
};

/* Only the record at `name` itself, if *out_has. */
enum organisation_state organisation_own(struct str name, const struct dns_answers *known,
                                         struct buf *room, bool *out_has,
                                         struct dmarc_record *out_record,
                                         struct dns_question *out_question);
/* Walks up from `name` (normal form). With ASKS, the question's name lives in `room`. */
enum organisation_state organisation_find(struct str name, const struct dns_answers *known,
                                          struct buf *room, struct organisation *out_organisation,
                                          struct dns_question *out_question);
/* As the public suffix list has it: one label more than the suffix. STR_NONE for a suffix itself.
 */
struct str organisation_by_list(struct str name);
