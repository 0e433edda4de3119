/* SPDX-License-Identifier: ISC */
/* tls_client.c: who the server is.
 *
 * OpenSSL asks us instead of looking itself (tls_judge_chain): chain, names and TLSA records are
 * its own business then, pins are ours, and whichever says no ends the handshake; unless the server
 * is only watched, then what is wrong with its chain is noted, and it goes on. Sessions are not
 * resumed: who the server is is looked at each time.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/check.h"
#include "base/endpoint.h"
#include "base/memory.h"
#include "net/tls_inner.h"

/* Servers are older than we would like: what is encrypted badly is better than what is not. */
#define CIPHERS "HIGH:!aNULL:!eNULL:!PSK:!SRP:!3DES:!MD5:!SEED:!IDEA:!CAMELLIA:!ARIA"

struct tls_client {
    SSL_CTX *context;
};

struct tls_expected {
    bool looks_at_chain;
    bool only_watches; /* and goes on, whatever it sees: */
    enum tls_fault doubt;
    const char *doubt_why;
    struct security_pin pin[SECURITY_PINS_MAX];
    size_t pin_count;
    bool was_seen;
    uint8_t key[SECURITY_DIGEST_SIZE];
    uint8_t certificate[SECURITY_DIGEST_SIZE];
};

void tls_expected_free(struct tls_expected *expected)
{
    memory_free(expected);
}

/* ---- looking at it ---- */

static enum tls_fault fault_of(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TLS_FAULT_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return TLS_FAULT_NAME;
    case X509_V_ERR_DANE_NO_MATCH:
        return TLS_FAULT_TLSA;
    default:
        return TLS_FAULT_UNTRUSTED;
    }
}

static bool is_pinned(const struct tls_expected *expected)
{
    for (size_t i = 0; i < expected->pin_count; i++) {
        const struct security_pin *pin = &expected->pin[i];
        const uint8_t *shown = pin->is_of_certificate ? expected->certificate : expected->key;
        if (expected->was_seen && memcmp(pin->digest, shown, SECURITY_DIGEST_SIZE) == 0)
            return true;
    }
    return expected->pin_count == 0;
}

int tls_judge_chain(X509_STORE_CTX *store, void *argument)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    struct tls_expected *expected = tls->expected;
    X509 *leaf = X509_STORE_CTX_get0_cert(store);

    (void)argument;
    if (leaf != NULL)
        expected->was_seen = tls_digests(leaf, expected->key, expected->certificate);
    if (!is_pinned(expected)) {
        tls->fault = TLS_FAULT_PIN;
        buf_add(&tls->reason, STR("The server shows another key than the pinned one"));
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    if (!expected->looks_at_chain) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    if (X509_verify_cert(store) > 0)
        return 1;
    int error = X509_STORE_CTX_get_error(store);
    if (expected->only_watches) {
        expected->doubt = fault_of(error);
        expected->doubt_why = X509_verify_cert_error_string(error);
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    tls->fault = fault_of(error);
    buf_add_format(&tls->reason, "The server's certificate is not trusted: %s",
                   X509_verify_cert_error_string(error));
    return 0;
}

bool tls_peer_has_proved(const struct tls *tls)
{
    const struct tls_expected *expected = tls->expected;

    return tls->state == TLS_OPEN && expected != NULL &&
           ((expected->looks_at_chain && !expected->only_watches) || expected->pin_count > 0);
}

enum tls_fault tls_peer_doubt(const struct tls *tls, struct str *out_why)
{
    const struct tls_expected *expected = tls->expected;

    if (expected == NULL || expected->doubt == TLS_FAULT_NONE)
        return TLS_FAULT_NONE;
    *out_why = str_from(expected->doubt_why);
    return expected->doubt;
}

bool tls_server_digests(const struct tls *tls, uint8_t *out_key, uint8_t *out_certificate)
{
    const struct tls_expected *expected = tls->expected;

    if (!expected->was_seen)
        return false;
    memcpy(out_key, expected->key, SECURITY_DIGEST_SIZE);
    memcpy(out_certificate, expected->certificate, SECURITY_DIGEST_SIZE);
    return true;
}

/* ---- what is demanded ---- */

static bool zero_ended(struct str text, char *room, size_t size)
{
    if (text.len == 0 || text.len >= size || memchr(text.ptr, 0, text.len) != NULL)
        return false;
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    return true;
}

static void ask_for(SSL *ssl, struct str server_name)
{
    char name[256];
    struct endpoint address;

    if (!endpoint_from_ip(server_name, 0, &address) && zero_ended(server_name, name, sizeof name))
        (void)SSL_set_tlsext_host_name(ssl, name);
}

static void demand_names(SSL *ssl, const struct security *security, size_t from)
{
    char name[256];

    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    for (size_t i = from; i < security->name_count; i++)
        if (zero_ended(security->name[i], name, sizeof name))
            check(SSL_add1_host(ssl, name) == 1);
}

/* How many of them OpenSSL can use. */
static size_t demand_tlsa(SSL *ssl, const struct security *security)
{
    char base[256];
    size_t usable = 0;

    if (security->name_count == 0 || !zero_ended(security->name[0], base, sizeof base) ||
        SSL_dane_enable(ssl, base) <= 0)
        return 0;
    (void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 3.1.1 */
    demand_names(ssl, security, 1);
    for (size_t i = 0; i < security->tlsa_count; i++) {
        const struct security_tlsa *record = &security->tlsa[i];
        if (record->usage != 2 && record->usage != 3) /* RFC 7672 3.1.3 */
            continue;
        usable += SSL_dane_tlsa_add(ssl, record->usage, record->selector, record->matching,
                                    (const unsigned char *)record->data.ptr, record->data.len) > 0;
    }
    ERR_clear_error(); /* of those that it could not */
    return usable;
}

static X509_STORE *store_of(struct str pem)
{
    X509_STORE *store = X509_STORE_new();
    BIO *bio = BIO_new_mem_buf(pem.len > 0 ? pem.ptr : "", (int)pem.len);
    X509 *next;

    check(store != NULL && bio != NULL);
    while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        (void)X509_STORE_add_cert(store, next);
        X509_free(next);
    }
    BIO_free(bio);
    ERR_clear_error();
    return store;
}

static bool demand_identity(SSL *ssl, const struct security *security, struct str anchors)
{
    if (security->level == SECURITY_TLSA)
        return demand_tlsa(ssl, security) > 0;
    if (security->level != SECURITY_NAME && !security->is_watched)
        return false;
    demand_names(ssl, security, 0);
    if (anchors.len > 0)
        check(SSL_set0_verify_cert_store(ssl, store_of(anchors)) == 1);
    return true;
}

struct tls *tls_connect(struct tls_client *client, const struct security *security,
                        struct str anchors)
{
    struct tls_expected *expected = memory_new(sizeof *expected);
    struct tls *tls = tls_over(SSL_new(client->context));

    tls->expected = expected;
    expected->pin_count = security->pin_count;
    memcpy(expected->pin, security->pin, sizeof expected->pin);
    if (security->name_count > 0)
        ask_for(tls->ssl, security->name[0]);
    expected->looks_at_chain = demand_identity(tls->ssl, security, anchors);
    expected->only_watches = security->level < SECURITY_NAME;
    SSL_set_connect_state(tls->ssl);
    return tls;
}

/* ---- the whole ---- */

struct tls_client *tls_client_new(struct str anchors)
{
    struct tls_client *client = memory_new(sizeof *client);

    client->context = tls_context_new(TLS_client_method(), CIPHERS);
    check(client->context != NULL && SSL_CTX_dane_enable(client->context) == 1);
    SSL_CTX_set_security_level(client->context, 1);
    (void)SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(client->context, tls_judge_chain, NULL);
    SSL_CTX_set_cert_store(client->context, store_of(anchors));
    return client;
}

bool tls_client_show(struct tls_client *client, struct tls_certificate certificate)
{
    struct tls_pair pair = { 0 };
    bool is_fine =
        tls_pair_read_chain(&pair, certificate.chain) &&
        tls_pair_read_key(&pair, certificate.key) &&
        SSL_CTX_use_cert_and_key(client->context, pair.leaf, pair.key, pair.chain, 1) == 1;

    tls_pair_fini(&pair);
    ERR_clear_error();
    return is_fine;
}

void tls_client_free(struct tls_client *client)
{
    if (client == NULL)
        return;
    SSL_CTX_free(client->context);
    memory_free(client);
}
