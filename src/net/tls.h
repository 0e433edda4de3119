/* SPDX-License-Identifier: ISC */
/* tls.h: one TLS connection (RFC 5246, RFC 8446), between octets and octets.
 *
 * A state machine over memory, by OpenSSL: what the peer sent goes in, what it is to get comes out,
 * plain text goes both ways. It knows no socket; stream.c puts it between a socket and its host.
 *
 *     HANDSHAKE ──▶ OPEN ──▶ CLOSED     the peer has said that it sends no more
 *         └───────────┴────▶ FAILED     tls_why()
 *
 * Whom the peer must prove to be is looked at within the handshake: from somebody else no octet of
 * plain text comes in, and to somebody else none goes out.
 *
 * TLS 1.2 at least, with forward secrecy and authenticated encryption; no renegotiation, no
 * compression, no early data.
 */
#pragma once

#include "base/buf.h"
#include "mail/security.h"

struct tls;
struct tls_server;
struct tls_client;

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_CLOSED, TLS_FAILED };

/* Frees the connection; NULL is fine. */
void tls_free(struct tls *tls);
enum tls_state tls_state(const struct tls *tls);
/* Octets from the peer; all of them are taken. What is to go to the peer is added to `out`. */
void tls_feed(struct tls *tls, struct str bytes, struct buf *out);
/* The next plain text of what was fed; 0: there is no more. Not before it is OPEN. */
size_t tls_read(struct tls *tls, char *room, size_t size, struct buf *out);
/* Plain text for the peer. Only while it is OPEN. */
void tls_write(struct tls *tls, struct str bytes, struct buf *out);
/* Says that nothing more is sent. */
void tls_end(struct tls *tls, struct buf *out);
/* Why it FAILED, for people; lives as long as the connection. */
struct str tls_why(const struct tls *tls);

/* What kind of failure; as RFC 8460 4.3 tells them apart. */
enum tls_fault {
    TLS_FAULT_NONE,
    TLS_FAULT_HANDSHAKE,
    TLS_FAULT_EXPIRED,   /* the certificate's time is over, or has not begun */
    TLS_FAULT_NAME,      /* it is another one's */
    TLS_FAULT_UNTRUSTED, /* nobody whom we trust has signed it */
    TLS_FAULT_TLSA,      /* no TLSA record matches it */
    TLS_FAULT_PIN,       /* it is not the one that was agreed on */
};
enum tls_fault tls_fault(const struct tls *tls);

struct tls_facts {
    struct str version; /* "TLSv1.3" */
    struct str cipher;  /* "TLS_AES_256_GCM_SHA384" */
    unsigned bits;      /* of its key */
    bool is_resumed;
};
/* Once it is OPEN. */
struct tls_facts tls_facts(const struct tls *tls);
/* For the log: "TLSv1.3/TLS_AES_256_GCM_SHA384"; nothing for NULL, which is no TLS. */
void tls_add_name(struct buf *out, const struct tls *tls);
/* Both digests of the peer's certificate; the server's as soon as it was seen, the client's once it
 * is OPEN, be it resumed. False: there is none. */
bool tls_peer_pins(const struct tls *tls, struct security_pin *out_key,
                   struct security_pin *out_certificate);

/* ---- when we are the server ---- */

enum { TLS_TICKET_KEY_SIZE = 80 };

struct tls_certificate { /* both PEM; the chain begins with the certificate itself */
    struct str chain;
    struct str key;
};

struct tls_server_settings {
    const struct tls_certificate *certificate; /* the first is for who asks for no name of ours */
    size_t certificate_count;
    /* Of TLS_TICKET_KEY_SIZE octets: the one that seals tickets, and the one before, whose tickets
     * are still taken. Whoever shares them resumes each other's sessions. Empty: none are given
     * out. */
    struct str ticket_key, ticket_key_before;
};

/* Before confinement for the first time. NULL: a certificate cannot be used; *why says which. What
 * is given is copied. Connections that were accepted outlive it. */
struct tls_server *tls_server_new(const struct tls_server_settings *settings, struct buf *why);
void tls_server_free(struct tls_server *server); /* NULL is fine */
/* `asks`: the client may show a certificate; whoever signed it, and whatever it says:
 * tls_peer_pins(). A session is resumed only where the same is asked. */
struct tls *tls_accept(struct tls_server *server, bool asks);
/* When a certificate (PEM, the first of a chain) ends, Unix time in s; 0: it is none. */
int64_t tls_certificate_end(struct str chain);
/* One that nobody has signed but itself, as PEM, with its key. False: it could not be made. */
bool tls_make_certificate(struct str hostname, struct buf *out_chain, struct buf *out_key);

/* ---- when we are the client ---- */

/* Before confinement for the first time. `anchors`: PEM, whom to trust; empty: nobody. */
struct tls_client *tls_client_new(struct str anchors);
void tls_client_free(struct tls_client *client); /* NULL is fine; connections outlive it */
/* Servers that ask for a certificate are shown this one. False: it is none, or the key is another
 * one's. */
bool tls_client_show(struct tls_client *client, struct tls_certificate certificate);
/* `security` says what the server has to prove (from_start aside); `anchors`: PEM, whom to trust
 * instead of those of the client; empty: those. Nothing is kept. */
struct tls *tls_connect(struct tls_client *client, const struct security *security,
                        struct str anchors);
/* Once it is OPEN: was there something that the server had to prove, and has? */
bool tls_peer_has_proved(const struct tls *tls);
/* Of a server that is only watched: what it should have shown and has not; TLS_FAULT_NONE: nothing.
 */
enum tls_fault tls_peer_doubt(const struct tls *tls, struct str *out_why);
