/* SPDX-License-Identifier: ISC */
/* tls_pair.c: a certificate and its key, read from PEM. */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/check.h"
#include "net/tls_inner.h"

void tls_pair_fini(struct tls_pair *pair)
{
    X509_free(pair->leaf);
    sk_X509_pop_free(pair->chain, X509_free);
    EVP_PKEY_free(pair->key);
}

/* Nobody is here to be asked for a passphrase. */
static int no_passphrase(char *room, int size, int writes, void *argument)
{
    (void)room;
    (void)size;
    (void)writes;
    (void)argument;
    return -1;
}

bool tls_pair_read_chain(struct tls_pair *pair, struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.len > 0 ? pem.ptr : "", (int)pem.len);
    X509 *next;

    check(bio != NULL);
    pair->chain = sk_X509_new_null();
    pair->leaf = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    while (pair->leaf != NULL && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
        check(sk_X509_push(pair->chain, next) > 0);
    BIO_free(bio);
    ERR_clear_error(); /* the end of the file is one */
    return pair->leaf != NULL;
}

bool tls_pair_read_key(struct tls_pair *pair, struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.len > 0 ? pem.ptr : "", (int)pem.len);

    check(bio != NULL);
    pair->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return pair->key != NULL;
}
