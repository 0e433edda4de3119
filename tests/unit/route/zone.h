/* SPDX-License-Identifier: ISC */
/* zone.h: a DNS for tests, written as lines of text.
 *
 *     example.org MX 10 mx1.example.org
 *     mx1.example.org A 192.0.2.1
 *     mx2.example.org A !failed        (or !nodata)
 *     mail.example.org CNAME mx1.example.org   (the one line of its name)
 *
 *     +mx1.example.org A 192.0.2.1     (validated; of a name, all lines or none)
 *     +_25._tcp.mx1.example.org TLSA 3 1 1     (a digest of zeros; or !failed, !nodata)
 *
 * A name that stands in no line does not exist. TTL is 600 s.
 */
#pragma once

#include "wire/dns.h"

/* The zone is a list of lines, ended by NULL. */
void zone_answer(const char *const *zone, struct dns_question question,
                 struct dns_answers *answers);
