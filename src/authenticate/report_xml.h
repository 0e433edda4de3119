/* SPDX-License-Identifier: ISC */
/* report_xml.h: the report of one domain as XML (RFC 9990 3.1.1 and its schema).
 *
 * Whatever strangers wrote stands in it as text: escaped, in UTF-8, and what XML cannot hold, or
 * shows nothing, as a question mark.
 */
#pragma once

#include "authenticate/report.h"

struct report_about { /* who tells */
    struct str organisation;
    struct str email;
    struct str contact; /* more of it; empty: there is none */
    struct str id;      /* of the report: dot-atom, perhaps with @ and another (3.5.1) */
    int64_t end_s;      /* of the period */
};

void report_xml_add(struct buf *out, const struct tally *report, const struct tally_subject *domain,
                    const struct report_about *about);
/* Text between tags. */
void report_xml_add_text(struct buf *out, struct str text);
