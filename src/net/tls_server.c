/* SPDX-License-Identifier: ISC */
/* tls_server.c: certificates by name, the tickets that sessions are resumed with, and what clients
 * may show of themselves.
 *
 * Each name has a context of its own, with one certificate of each kind (RSA, ECDSA) that has this
 * name: two of them need not have all their names in common.
 * Connections hold on to what they began with: certificates are replaced while they go on.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "net/tls_inner.h"

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!PSK:!SRP"

enum { NAME_SIZE = 16, SECRET_SIZE = 32 }; /* of a ticket key: name, HMAC, AES */
enum { /* of what a client shows; in memory it may be 20 times larger */
       CLIENT_CHAIN_MAX = 10,
       CLIENT_CHAIN_OCTETS_MAX = 16 * 1024
};
_Static_assert(NAME_SIZE + 2 * SECRET_SIZE == TLS_TICKET_KEY_SIZE, "a ticket key's parts");

struct site { /* of one name */
    struct link link;
    SSL_CTX *context;
};

struct tls_server {
    size_t holders; /* its owner, and connections */
    struct link sites;
    struct map by_name; /* lower case; "*.example.net" too: struct site */
};

struct tickets { /* each context's own */
    uint8_t key[2][TLS_TICKET_KEY_SIZE];
    bool has[2];
};

static void free_tickets(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number,
                         void *argument)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)argument;
    if (pointer != NULL)
        OPENSSL_cleanse(pointer, sizeof(struct tickets));
    memory_free(pointer);
}

static int tickets_index(void)
{
    static int index = -1;

    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_tickets);
    return index;
}

static bool use_key(const uint8_t *key, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                    const unsigned char *iv, bool seals)
{
    char digest[] = "SHA256";
    uint8_t secret[SECRET_SIZE];

    memcpy(secret, key + NAME_SIZE, SECRET_SIZE);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, SECRET_SIZE),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    bool is_fine = EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
                   EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + NAME_SIZE + SECRET_SIZE,
                                     iv, seals) == 1;
    OPENSSL_cleanse(secret, sizeof secret);
    return is_fine;
}

/* As OpenSSL asks for it: 1 fine, 2 fine and a new ticket is due, 0 no such key, -1 an error. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals)
{
    const struct tickets *tickets = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tickets_index());

    if (tickets == NULL || !tickets->has[0])
        return 0;
    if (seals) {
        memcpy(name, tickets->key[0], NAME_SIZE);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
            return -1;
        return use_key(tickets->key[0], cipher, mac, iv, true) ? 1 : -1;
    }
    for (int i = 0; i < 2; i++)
        if (tickets->has[i] && memcmp(name, tickets->key[i], NAME_SIZE) == 0)
            return use_key(tickets->key[i], cipher, mac, iv, false) ? 1 + i : -1;
    return 0;
}

static void put_tickets(SSL_CTX *context, const struct tls_server_settings *settings)
{
    const struct str key[2] = { settings->ticket_key, settings->ticket_key_before };
    struct tickets *tickets = memory_new(sizeof *tickets);

    for (int i = 0; i < 2; i++) {
        tickets->has[i] = key[i].len == TLS_TICKET_KEY_SIZE;
        if (tickets->has[i])
            memcpy(tickets->key[i], key[i].ptr, TLS_TICKET_KEY_SIZE);
    }
    check(SSL_CTX_set_ex_data(context, tickets_index(), tickets) == 1);
    if (!tickets->has[0]) {
        (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        (void)SSL_CTX_set_num_tickets(context, 0);
        return;
    }
    (void)SSL_CTX_set_num_tickets(context, 1);
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
}

/* ---- names ---- */

static void add_lower(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        buf_add_byte(out, ascii_lower(name.ptr[i]));
}

/* For "mx.example.net" also what "*.example.net" stands for. */
static struct site *find_site(const struct tls_server *server, struct str name)
{
    struct buf key = { 0 };

    add_lower(&key, name);
    struct site *site = map_find(&server->by_name, buf_str(&key));
    ptrdiff_t dot = str_find(buf_str(&key), '.');
    if (site == NULL && dot > 0) {
        struct buf wild = { 0 };
        buf_add_byte(&wild, '*');
        buf_add(&wild, str_skip(buf_str(&key), (size_t)dot));
        site = map_find(&server->by_name, buf_str(&wild));
        buf_fini(&wild);
    }
    buf_fini(&key);
    return site;
}

/* Of the certificate, the DNS names; where it has none, its common name. */
static void each_name(X509 *certificate, void (*each)(void *context, struct str name),
                      void *context)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
    char common[256];

    for (int i = 0; i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            each(context, str_of(ASN1_STRING_get0_data(name->d.dNSName),
                                 (size_t)ASN1_STRING_length(name->d.dNSName)));
    }
    GENERAL_NAMES_free(names);
    int len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common,
                                        sizeof common);
    if (count == 0 && len > 0)
        each(context, str_of(common, (size_t)len));
}

/* ---- certificates ---- */

static int on_server_name(SSL *ssl, int *alert, void *argument)
{
    const struct tls_server *server = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    const struct site *site = find_site(server, str_from(name));
    if (site == NULL) /* whoever cares finds out by the certificate (RFC 6066 3) */
        return SSL_TLSEXT_ERR_NOACK;
    (void)SSL_set_SSL_CTX(ssl, site->context);
    return SSL_TLSEXT_ERR_OK;
}

/* ---- what clients show ---- */

/* Whoever signed it and whatever it says: that he has its key is proved by the handshake, and whose
 * it is, if anybody's, is found out by who wants to know. */
static int take_chain(X509_STORE_CTX *store, void *argument)
{
    (void)argument;
    if (sk_X509_num(X509_STORE_CTX_get0_untrusted(store)) > CLIENT_CHAIN_MAX) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_CHAIN_TOO_LONG);
        return 0;
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* Who has a ticket and was not asked when he got it is asked now. No names of authorities are
 * said: any one will do. */
static void ask_for_certificate(SSL *ssl)
{
    static const unsigned char id[] = "holdfast, asking";

    check(SSL_set_session_id_context(ssl, id, sizeof id - 1) == 1);
    SSL_set_max_cert_list(ssl, CLIENT_CHAIN_OCTETS_MAX);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
}

/* ---- certificates, with their keys ---- */

static struct site *site_new(struct tls_server *server, const struct tls_server_settings *settings)
{
    struct site *site = memory_new(sizeof *site);

    site->context = tls_context_new(TLS_server_method(), CIPHERS);
    check(site->context != NULL);
    (void)SSL_CTX_set_session_cache_mode(site->context, SSL_SESS_CACHE_OFF);
    static const unsigned char id[] = "holdfast";
    check(SSL_CTX_set_session_id_context(site->context, id, sizeof id - 1) == 1);
    (void)SSL_CTX_set_dh_auto(site->context, 1);
    SSL_CTX_set_cert_verify_callback(site->context, take_chain, NULL);
    (void)SSL_CTX_set_tlsext_servername_callback(site->context, on_server_name);
    (void)SSL_CTX_set_tlsext_servername_arg(site->context, server);
    put_tickets(site->context, settings);
    list_append(&server->sites, &site->link);
    return site;
}

static bool has_kind(SSL_CTX *context, EVP_PKEY *key)
{
    long found = SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST);

    while (found == 1) {
        const EVP_PKEY *other = SSL_CTX_get0_privatekey(context);
        if (other != NULL && EVP_PKEY_get_base_id(other) == EVP_PKEY_get_base_id(key))
            return true;
        found = SSL_CTX_set_current_cert(context, SSL_CERT_SET_NEXT);
    }
    return false;
}

struct putting {
    struct tls_server *server;
    const struct tls_server_settings *settings;
    const struct tls_pair *pair;
    unsigned sites; /* that have it now */
    bool has_failed;
};

static void put_into(struct putting *putting, struct site *site)
{
    const struct tls_pair *pair = putting->pair;

    putting->sites++;
    if (SSL_CTX_use_cert_and_key(site->context, pair->leaf, pair->key, pair->chain, 0) != 1)
        putting->has_failed = true;
}

/* The first certificate of its kind that has a name has it for good. */
static void put_under(void *context, struct str name)
{
    struct putting *putting = context;
    struct buf key = { 0 };

    add_lower(&key, name);
    struct site *site = map_find(&putting->server->by_name, buf_str(&key));
    if (site == NULL && key.len > 0) {
        site = site_new(putting->server, putting->settings);
        (void)map_put(&putting->server->by_name, buf_str(&key), site);
    }
    if (site != NULL && !has_kind(site->context, putting->pair->key))
        put_into(putting, site);
    buf_fini(&key);
}

/* One whose names are all taken, or that has none, is nobody's; unless it is the first, it is only
 * tried. */
static bool put_pair(struct tls_server *server, const struct tls_server_settings *settings,
                     const struct tls_pair *pair)
{
    struct putting putting = { .server = server, .settings = settings, .pair = pair };

    each_name(pair->leaf, put_under, &putting);
    if (putting.sites == 0)
        put_into(&putting, site_new(server, settings));
    return !putting.has_failed;
}

static bool add_certificate(struct tls_server *server, const struct tls_server_settings *settings,
                            const struct tls_certificate *certificate, struct buf *why)
{
    struct tls_pair pair = { 0 };
    const char *what = NULL;

    if (!tls_pair_read_chain(&pair, certificate->chain))
        what = "there is no certificate in it (PEM)";
    else if (!tls_pair_read_key(&pair, certificate->key))
        what = "there is no private key without a passphrase in it (PEM)";
    else if (X509_check_private_key(pair.leaf, pair.key) != 1)
        what = "certificate and key do not belong together";
    if (what != NULL)
        buf_add(why, str_from(what));
    else if (!put_pair(server, settings, &pair))
        tls_add_error(why);
    else
        what = "";
    tls_pair_fini(&pair);
    ERR_clear_error();
    return what != NULL && what[0] == '\0';
}

/* ---- the whole ---- */

struct tls_server *tls_server_new(const struct tls_server_settings *settings, struct buf *why)
{
    struct tls_server *server = memory_new(sizeof *server);
    bool is_fine = settings->certificate_count > 0;

    server->holders = 1;
    list_init(&server->sites);
    map_init(&server->by_name);
    for (size_t i = 0; is_fine && i < settings->certificate_count; i++)
        is_fine = add_certificate(server, settings, &settings->certificate[i], why);
    if (is_fine)
        return server;
    tls_server_free(server);
    return NULL;
}

void tls_server_free(struct tls_server *server)
{
    if (server == NULL || --server->holders > 0)
        return;
    list_each_safe (link, &server->sites) {
        struct site *site = container_of(link, struct site, link);
        list_remove(link);
        SSL_CTX_free(site->context);
        memory_free(site);
    }
    map_fini(&server->by_name);
    memory_free(server);
}

int64_t tls_certificate_end(struct str chain)
{
    struct tls_pair pair = { 0 };
    struct tm end = { 0 };
    int64_t end_s = 0;

    if (tls_pair_read_chain(&pair, chain) &&
        ASN1_TIME_to_tm(X509_get0_notAfter(pair.leaf), &end) == 1)
        end_s = (int64_t)timegm(&end);
    tls_pair_fini(&pair);
    ERR_clear_error();
    return end_s;
}

struct tls *tls_accept(struct tls_server *server, bool asks)
{
    const struct site *site = container_of(list_first(&server->sites), const struct site, link);
    struct tls *tls = tls_over(SSL_new(site->context));

    server->holders++;
    tls->server = server;
    if (asks)
        ask_for_certificate(tls->ssl);
    SSL_set_accept_state(tls->ssl);
    return tls;
}
