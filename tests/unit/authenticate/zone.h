/* SPDX-License-Identifier: ISC */
/* zone.h: a DNS for tests, from the zone data of the suites in testdata (JSON).
 *
 *     { "name": [ {"TXT": "text" or [strings]}, {"MX": [10, "name"]}, "TIMEOUT", … ] }
 *
 * "TIMEOUT": types that are not there do not get an answer. SPF is another word for TXT, unless the
 * name has TXT, too; TXT "NONE" is none.
 */
#pragma once

#include <jansson.h>

#include "wire/dns.h"

/* The file below testdata, or NULL: the test is skipped. Free with json_decref(). */
json_t *testdata_json(const char *path);
/* The answer to the question, its records in the arena. */
struct dns_answer zone_answer(const json_t *zone, struct dns_question question,
                              struct arena *arena);
/* Adds it to what is known. */
void zone_ask(const json_t *zone, struct dns_question question, struct dns_answers *known);
