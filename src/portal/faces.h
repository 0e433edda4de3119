/* SPDX-License-Identifier: ISC */
/* faces.h: the two ways to ask; private to portal/. */
#pragma once

#include "portal/portal.h"

/* dyndns.c */
bool dyndns_is_for(const struct http_request *request);
bool dyndns_read(const struct http_request *request, struct endpoint client, bool has_login,
                 struct portal_wish *wish, struct portal_answer *answer);
bool dyndns_told(const struct portal_wish *wish, const struct portal_outcome *outcome,
                 struct portal_answer *answer);

/* rest.c */
bool rest_is_for(const struct http_request *request);
bool rest_read(const struct http_request *request, bool has_login, struct portal_wish *wish,
               struct portal_answer *answer);
bool rest_told(const struct portal_wish *wish, struct str domain,
               const struct portal_outcome *outcome, struct portal_answer *answer);
void rest_refuse(struct portal_answer *answer, unsigned status, const char *code, struct str text);
