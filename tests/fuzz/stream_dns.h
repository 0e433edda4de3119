/* SPDX-License-Identifier: ISC */
/* stream_dns.h: a DNS that answers whatever the fuzzer wrote down.
 *
 * The answers stand one after the other, each ended by a NUL: the first octet chooses the status
 * (see stream_dns.c), then one record a line. When nothing is left every name does not exist.
 */
#pragma once

#include "wire/dns.h"

struct stream_dns {
    struct str left;
    unsigned asked;
};

/* The next piece up to a NUL. */
struct str stream_cut(struct str *left);
/* Checks the question, and adds the next answer to what is known. */
void stream_dns_ask(struct stream_dns *dns, struct dns_question question,
                    struct dns_answers *known);
