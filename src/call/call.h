/* SPDX-License-Identifier: ISC */
/* call.h: the conversation by which a primary without an address calls its backup (ATRN, RFC 2645;
 * SPEC D3): the client's side of receive/turning.c.
 *
 *     BANNER ─▶ EHLO ─▶ STARTTLS ─▶ SECURING ─▶ EHLO ─▶ AUTH ─▶ ATRN ─▶ TURNED
 *                 └── where TLS is on already ───────▶┘      (any ─▶ OVER)
 *
 * The secret is said to nobody but who has shown over TLS that he is the backup. From TURNED on the
 * connection is the local server's, who is the server of it.
 *
 * A state machine over bytes, as deliver/client.h; calls do not nest. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

struct call;

struct call_settings {   /* outlives the call */
    struct str hostname; /* for EHLO */
    struct str user;
    struct str secret;   /* empty: he is known by the certificate that was shown (AUTH EXTERNAL) */
    struct str domains;  /* with commas between them; empty: all of the user's */
    struct str instance; /* which of this user's callers we are: letters and digits */
};

enum call_end {
    CALL_LOST,     /* the connection, or what came was no SMTP: call again soon */
    CALL_LATER,    /* the backup says: not now */
    CALL_REFUSED,  /* it knows neither user nor secret, or the domains are not his: an error of ours
                    */
    CALL_STRANGER, /* it cannot do what a backup does: no TLS, no AUTH, no ATRN WAIT */
};

struct call_host {
    void (*send)(void *context, struct str bytes);
    /* The handshake is next; then call_secured(). */
    void (*start_tls)(void *context);
    /* Logged in; the answer may take hours. */
    void (*waits)(void *context);
    /* What follows is for the local server; `rest` has come already. */
    void (*turned)(void *context, struct str rest);
    /* `why`: the backup's words, or ours; lives during the call. Nothing follows. */
    void (*over)(void *context, enum call_end end, struct str why);
};

struct call *call_new(const struct call_settings *settings, const struct call_host *host,
                      void *context, bool is_secure, struct now now);
void call_free(struct call *call); /* NULL is fine */
void call_feed(struct call *call, struct str bytes, struct now now);
void call_secured(struct call *call, struct now now);
void call_lost(struct call *call); /* the connection is gone */
int64_t call_deadline(const struct call *call);
void call_tick(struct call *call, struct now now);
