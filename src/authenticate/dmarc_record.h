/* SPDX-License-Identifier: ISC */
/* dmarc_record.h: what the owner of a domain says (RFC 9989 4.7). */
#pragma once

#include "base/str.h"

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };

enum dmarc_psd { DMARC_PSD_UNKNOWN, DMARC_PSD_NO, DMARC_PSD_YES };

struct dmarc_record {
    enum dmarc_policy policy;          /* p= */
    enum dmarc_policy below;           /* sp=, for subdomains */
    enum dmarc_policy below_not_there; /* np=, for subdomains that do not exist */
    enum dmarc_psd psd;
    bool is_spf_strict;
    bool is_dkim_strict;
    bool is_testing;    /* t=y, or the pct=0 of RFC 7489 */
    struct str reports; /* rua=, in the text */
};

/* Is this TXT record meant to be DMARC? */
bool dmarc_record_is_meant(struct str text);
/* False: it is to be taken as not there. */
bool dmarc_record_parse(struct str text, struct dmarc_record *out_record);
const char *dmarc_policy_name(enum dmarc_policy policy);
