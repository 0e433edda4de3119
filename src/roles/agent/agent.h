/* SPDX-License-Identifier: ISC */
/* agent.h: `holdfast agent`: runs beside a primary that nobody can connect to, calls its backup,
 * and joins each connection on which there is mail to the local server (SPEC D3). */
#pragma once

#include "base/endpoint.h"
#include "mail/security.h"
#include "net/tls.h"

enum { AGENT_LINES_MAX = 8 };

struct agent_settings {
    struct str hostname;      /* for EHLO */
    struct str backup;        /* a host or an address */
    uint16_t backup_port;     /* 366 */
    struct security security; /* what the backup has to show */
    struct str anchors;       /* PEM: whom to trust */
    struct str user, domains;
    struct str secret;                  /* empty: it is known by its certificate */
    struct tls_certificate certificate; /* empty: it has none */
    struct endpoint server;             /* the local one */
    unsigned lines;                     /* connections that wait at once, 1 … AGENT_LINES_MAX */
    bool is_lmtp, is_proxied;           /* as in call/adapter.h */
};

/* Until SIGTERM or SIGINT. The process's exit status; 2: the certificate cannot be used. */
int agent_run(const struct agent_settings *settings);
