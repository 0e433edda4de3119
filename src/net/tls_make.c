/* SPDX-License-Identifier: ISC */
/* tls_make.c: a certificate of our own making: ECDSA over P-256, signed by itself. */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "net/tls.h"

enum { LASTS_S = 10 * 365 * 86400, EARLIER_S = 86400, NAME_MAX_HERE = 255, COMMON_NAME_MAX = 64 };

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool is_fine = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return is_fine;
}

static bool add_name(X509 *certificate, struct str hostname)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    struct str common = str_first(hostname, COMMON_NAME_MAX);
    struct buf value = { 0 };

    buf_add_format(&value, "DNS:%.*s", STR_FMT(hostname));
    buf_add_byte(&value, '\0');
    bool is_fine = X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
                                              (const unsigned char *)common.ptr, (int)common.len,
                                              -1, 0) == 1 &&
                   X509_set_issuer_name(certificate, name) == 1 &&
                   add_extension(certificate, NID_subject_alt_name, value.ptr);
    buf_fini(&value);
    return is_fine;
}

static bool set_serial(X509 *certificate)
{
    uint64_t serial = 0;

    return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1;
}

static bool fill_in(X509 *certificate, EVP_PKEY *key, struct str hostname)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -EARLIER_S) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), LASTS_S) != NULL &&
           X509_set_pubkey(certificate, key) == 1 && add_name(certificate, hostname) &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool take_pem(BIO *bio, struct buf *out)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);

    if (len > 0)
        buf_add_bytes(out, bytes, (size_t)len);
    return len > 0;
}

bool tls_make_certificate(struct str hostname, struct buf *out_chain, struct buf *out_key)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *chain_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_secmem());
    bool is_fine = key != NULL && certificate != NULL && chain_bio != NULL && key_bio != NULL &&
                   hostname.len > 0 && hostname.len <= NAME_MAX_HERE &&
                   fill_in(certificate, key, hostname) &&
                   PEM_write_bio_X509(chain_bio, certificate) == 1 &&
                   PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                   take_pem(chain_bio, out_chain) && take_pem(key_bio, out_key);

    BIO_free(chain_bio);
    BIO_free(key_bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_fine;
}
