/* SPDX-License-Identifier: ISC */
/* portal.h: what a client of the web asks for, and what it is told (SPEC D4).
 *
 *     GET /nic/update?hostname=DOMAIN[,DOMAIN]&myip=ADDRESS[,ADDRESS]    dyndns2
 *     GET, PUT, DELETE /api/v1/domains/DOMAIN/address                    JSON; docs/api.yaml
 *
 * Pure: a request goes in, a wish comes out; what became of the wish goes in, an answer comes out.
 * Whoever asks logs in with each request (HTTP Basic): a domain, and its secret.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "route/addresses.h"
#include "wire/http.h"

enum { PORTAL_DOMAINS_MAX = 20 }; /* of one request */

enum portal_deed { PORTAL_SHOW, PORTAL_TELL, PORTAL_FORGET, PORTAL_DEEDS };

struct portal_wish {
    struct arena arena; /* owns the domains */
    bool is_dyndns;
    enum portal_deed deed;
    struct buf login; /* what the next two point into */
    struct str user, secret;
    struct str domain[PORTAL_DOMAINS_MAX]; /* normal form; at least one */
    uint32_t domain_count;
    struct endpoint endpoint[ADDRESSES_TOLD_MAX]; /* TELL: at least one; port 0: the usual one */
    uint32_t endpoint_count;
};
void portal_wish_fini(struct portal_wish *wish); /* wipes the secret */

struct portal_answer { /* {0}: none yet */
    unsigned status;
    bool is_json;
    bool wants_login;
    struct buf body;
    const char *allow;      /* the methods that there are; NULL: not the question */
    unsigned retry_after_s; /* 0: not the question */
};
void portal_answer_fini(struct portal_answer *answer);

/* True: a wish, for the caller to free. False: it is answered already. `client`: who asks, for
 * where he names no address. */
bool portal_read(const struct http_request *request, struct endpoint client,
                 struct portal_wish *out_wish, struct portal_answer *out_answer);

struct portal_outcome {
    enum address_fate fate;
    struct str text;  /* why not, for people */
    struct str state; /* JSON: the addresses, or null */
};
/* What became of it, for one domain after the other. False: the answer is complete, and the others
 * need not be asked. */
bool portal_told(const struct portal_wish *wish, struct str domain,
                 const struct portal_outcome *outcome, struct portal_answer *answer);
/* An answer about the request as a whole: 408, 413 … */
void portal_refuse(struct portal_answer *answer, unsigned status, const char *code,
                   struct str text);

/* As it goes over the wire. `has_body`: unless HEAD was asked for. */
void portal_answer_add(struct buf *out, const struct portal_answer *answer, bool keeps_alive,
                       bool has_body);
