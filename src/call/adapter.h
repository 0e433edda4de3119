/* SPDX-License-Identifier: ISC */
/* adapter.h: between the backup, who speaks SMTP and XCLIENT, and a local server that wants
 * something else: LMTP (RFC 2033), or to be told by the PROXY protocol whose mail it is.
 *
 *     LMTP    EHLO becomes LHLO, and a transaction has one recipient: then it has one reply, too
 *     PROXY   XCLIENT is offered to the backup; each makes a new connection, that begins with
 *             a PROXY header (version 2) which names the client, and whose banner is the
 *             reply to XCLIENT
 *
 * So that commands need not be matched with replies in their hundreds, the backup is not offered
 * what would let it send several at once: it goes in lock step.
 *
 * A state machine over bytes; the host's functions may be called from within any call, and must not
 * call back. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/endpoint.h"

struct adapter;

struct adapter_settings {
    bool is_lmtp;
    bool is_proxied;
};

struct adapter_host {
    void (*to_server)(void *context, struct str bytes);
    void (*to_backup)(void *context, struct str bytes);
    /* The server is to be connected to anew, for this client (family ENDPOINT_NONE: not known);
     * nothing more comes from the connection before. */
    void (*reconnect)(void *context, struct endpoint client);
    /* What came makes no sense; the line ends. */
    void (*broken)(void *context, const char *why);
};

struct adapter *adapter_new(const struct adapter_settings *settings,
                            const struct adapter_host *host, void *context);
void adapter_free(struct adapter *adapter); /* NULL is fine */
void adapter_from_backup(struct adapter *adapter, struct str bytes);
void adapter_from_server(struct adapter *adapter, struct str bytes);

/* The PROXY header, version 2, of a connection for this client to that server. It knows one family
 * of addresses: a server of another one is named by that family's loopback, for it is the client
 * that counts. A client that is not known makes it one of our own ("LOCAL"). */
void adapter_add_proxy_header(struct buf *out, struct endpoint client, struct endpoint server);
