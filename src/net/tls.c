/* SPDX-License-Identifier: ISC */
/* tls.c: see tls.h. OpenSSL reads from the octets that were fed, and writes to the caller's buffer:
 * there is no copy between. */
#include "net/tls_inner.h"

#include <limits.h>
#include <openssl/err.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

/* ---- a BIO over a call's octets ---- */

static int bio_write(BIO *bio, const char *bytes, size_t len, size_t *out_written)
{
    struct tls *tls = BIO_get_data(bio);

    if (tls->out != NULL)
        buf_add_bytes(tls->out, bytes, len);
    *out_written = len;
    return 1;
}

static int bio_read(BIO *bio, char *room, size_t size, size_t *out_read)
{
    struct tls *tls = BIO_get_data(bio);
    struct str piece = str_first(tls->in, size);

    BIO_clear_retry_flags(bio);
    *out_read = piece.len;
    if (piece.len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(room, piece.ptr, piece.len);
    tls->in = str_skip(tls->in, piece.len);
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *method;

    if (method == NULL) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "holdfast");
        check(method != NULL && BIO_meth_set_write_ex(method, bio_write) == 1 &&
              BIO_meth_set_read_ex(method, bio_read) == 1 &&
              BIO_meth_set_ctrl(method, bio_control) == 1);
    }
    return method;
}

/* ---- contexts and connections ---- */

SSL_CTX *tls_context_new(const SSL_METHOD *method, const char *ciphers)
{
    SSL_CTX *context = SSL_CTX_new(method);

    if (context == NULL)
        return NULL;
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    check(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
          SSL_CTX_set_cipher_list(context, ciphers) == 1);
    return context;
}

struct tls *tls_over(SSL *ssl)
{
    struct tls *tls = memory_new(sizeof *tls);
    BIO *bio = BIO_new(bio_method());

    check(ssl != NULL && bio != NULL);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    check(SSL_set_app_data(ssl, tls) == 1);
    tls->ssl = ssl;
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    tls_server_free(tls->server);
    tls_expected_free(tls->expected);
    buf_fini(&tls->why);
    buf_fini(&tls->reason);
    memory_free(tls);
}

enum tls_state tls_state(const struct tls *tls)
{
    return tls->state;
}

struct str tls_why(const struct tls *tls)
{
    return buf_str(&tls->why);
}

enum tls_fault tls_fault(const struct tls *tls)
{
    return tls->fault;
}

struct tls_facts tls_facts(const struct tls *tls)
{
    return (struct tls_facts){
        .version = str_from(SSL_get_version(tls->ssl)),
        .cipher = str_from(SSL_get_cipher_name(tls->ssl)),
        .bits = (unsigned)SSL_get_cipher_bits(tls->ssl, NULL),
        .is_resumed = SSL_session_reused(tls->ssl) == 1,
    };
}

void tls_add_name(struct buf *out, const struct tls *tls)
{
    if (tls == NULL)
        return;
    struct tls_facts facts = tls_facts(tls);
    buf_add_format(out, "%.*s/%.*s", STR_FMT(facts.version), STR_FMT(facts.cipher));
}

/* ---- who the peer is ---- */

bool tls_digests(X509 *certificate, uint8_t *out_key, uint8_t *out_certificate)
{
    unsigned key_size = 0;
    unsigned certificate_size = 0;
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool is_fine = len > 0 &&
                   EVP_Digest(der, (size_t)len, out_key, &key_size, EVP_sha256(), NULL) == 1 &&
                   X509_digest(certificate, EVP_sha256(), out_certificate, &certificate_size) == 1;

    OPENSSL_free(der);
    return is_fine && key_size == SECURITY_DIGEST_SIZE && certificate_size == SECURITY_DIGEST_SIZE;
}

bool tls_peer_pins(const struct tls *tls, struct security_pin *out_key,
                   struct security_pin *out_certificate)
{
    struct security_pin key = { .is_of_certificate = false };
    struct security_pin certificate = { .is_of_certificate = true };
    X509 *leaf = NULL;

    if (tls->expected == NULL &&
        (tls->state == TLS_OPEN || tls->state == TLS_CLOSED)) /* nothing is proved before */
        leaf = SSL_get0_peer_certificate(tls->ssl);
    bool is_there = tls->expected != NULL
                        ? tls_server_digests(tls, key.digest, certificate.digest)
                        : leaf != NULL && tls_digests(leaf, key.digest, certificate.digest);
    if (!is_there)
        return false;
    *out_key = key;
    *out_certificate = certificate;
    return true;
}

/* ---- what went wrong ---- */

void tls_add_error(struct buf *out)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    buf_add(out, reason != NULL ? str_from(reason) : STR("not understood"));
    ERR_clear_error();
}

static void fail(struct tls *tls)
{
    tls->state = TLS_FAILED;
    tls->in = STR_NONE;
    if (tls->fault == TLS_FAULT_NONE)
        tls->fault = TLS_FAULT_HANDSHAKE;
    if (tls->reason.len > 0)
        buf_add(&tls->why, buf_str(&tls->reason));
    else
        tls_add_error(&tls->why);
    ERR_clear_error();
}

/* Must it go on later, or is it over? */
static void judge(struct tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return;
    case SSL_ERROR_ZERO_RETURN:
        tls->state = TLS_CLOSED;
        tls->in = STR_NONE; /* whatever follows the end means nothing */
        return;
    default:
        fail(tls);
    }
}

/* ---- octets ---- */

static void shake_hands(struct tls *tls)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        tls->state = TLS_OPEN;
    else
        judge(tls, result);
}

void tls_feed(struct tls *tls, struct str bytes, struct buf *out)
{
    if (tls->state == TLS_CLOSED || tls->state == TLS_FAILED)
        return;
    check(tls->in.len == 0);
    tls->in = bytes;
    tls->out = out;
    if (tls->state == TLS_HANDSHAKE)
        shake_hands(tls);
    tls->out = NULL;
}

size_t tls_read(struct tls *tls, char *room, size_t size, struct buf *out)
{
    size_t got = 0;

    if (tls->state != TLS_OPEN)
        return 0;
    tls->out = out;
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, room, size, &got);
    if (result != 1)
        judge(tls, result);
    tls->out = NULL;
    return result == 1 ? got : 0;
}

void tls_write(struct tls *tls, struct str bytes, struct buf *out)
{
    size_t written = 0;

    check(tls->state == TLS_OPEN || tls->state == TLS_CLOSED);
    tls->out = out;
    ERR_clear_error();
    if (bytes.len > 0 && SSL_write_ex(tls->ssl, bytes.ptr, bytes.len, &written) != 1)
        fail(tls);
    tls->out = NULL;
}

void tls_end(struct tls *tls, struct buf *out)
{
    if (tls->state != TLS_OPEN && tls->state != TLS_CLOSED)
        return;
    tls->out = out;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
    tls->out = NULL;
}
