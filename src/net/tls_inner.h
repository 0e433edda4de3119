/* SPDX-License-Identifier: ISC */
/* tls_inner.h: what tls.c, tls_server.c and tls_client.c share. */
#pragma once

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls {
    SSL *ssl;
    enum tls_state state;
    struct str in;   /* fed and not taken yet; empty between calls */
    struct buf *out; /* of the call under way */
    struct buf why;
    struct buf reason; /* … in our words, if it is we who do not trust the peer */
    enum tls_fault fault;
    struct tls_server *server;     /* held on to; NULL: we are the client */
    struct tls_expected *expected; /* of the server; NULL: we are it */
};

/* What both sides have in common; `ciphers` are for TLS 1.2. NULL: no memory. */
SSL_CTX *tls_context_new(const SSL_METHOD *method, const char *ciphers);
void tls_expected_free(struct tls_expected *expected);
/* Is this who the server should be? As OpenSSL asks it. */
int tls_judge_chain(X509_STORE_CTX *store, void *argument);
/* What the server has shown to us; false: nothing yet. */
bool tls_server_digests(const struct tls *tls, uint8_t *out_key, uint8_t *out_certificate);
/* Both SHA-256, of SECURITY_DIGEST_SIZE octets. */
bool tls_digests(X509 *certificate, uint8_t *out_key, uint8_t *out_certificate);
struct tls_pair { /* what was read of one tls_certificate; {0}: nothing */
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};
/* False: there is none in it. */
bool tls_pair_read_chain(struct tls_pair *pair, struct str pem);
bool tls_pair_read_key(struct tls_pair *pair, struct str pem);
void tls_pair_fini(struct tls_pair *pair);
/* Takes over `ssl`. */
struct tls *tls_over(SSL *ssl);
/* OpenSSL's reason for what it refused last; takes it off its list. */
void tls_add_error(struct buf *out);
