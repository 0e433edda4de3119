/* SPDX-License-Identifier: ISC */
/* signing.c: see signing.h.
 *
 * Tags stand in alphabetical order and b= in one line, for a seal is also about the white space in
 * the signature beside it: another program that signs so with the same key says the same.
 */
#include "authenticate/signing.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "base/base64.h"
#include "base/check.h"
#include "wire/content.h"

#define FOLD "\r\n    "

bool signing_key_read(struct str pem, struct str domain, struct str selector,
                      struct signing_key *out_key)
{
    BIO *text = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = text != NULL ? PEM_read_bio_PrivateKey(text, NULL, NULL, NULL) : NULL;
    int kind = key != NULL ? EVP_PKEY_get_base_id(key) : 0;

    BIO_free(text);
    ERR_clear_error();
    if (kind != EVP_PKEY_ED25519 &&
        (kind != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < DKIM_RSA_BITS_MIN)) {
        EVP_PKEY_free(key);
        return false;
    }
    *out_key = (struct signing_key){
        .key = key,
        .algorithm = kind == EVP_PKEY_RSA ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256,
        .domain = domain,
        .selector = selector,
    };
    return true;
}

void signing_key_fini(struct signing_key *key)
{
    EVP_PKEY_free(key->key);
    key->key = NULL;
}

static struct str algorithm_name(const struct signing_key *key)
{
    return key->algorithm == DKIM_RSA_SHA256 ? STR("rsa-sha256") : STR("ed25519-sha256");
}

/* ---- signatures ---- */

static bool sign_octets(EVP_MD_CTX *context, const struct signing_key *key, struct str data,
                        struct buf *out)
{
    const EVP_MD *digest = key->algorithm == DKIM_RSA_SHA256 ? EVP_sha256() : NULL;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    size_t size;

    if (EVP_DigestSignInit(context, NULL, digest, NULL, key->key) != 1)
        return false;
    if (digest == NULL) { /* RFC 8463 3 */
        (void)SHA256((const unsigned char *)data.ptr, data.len, hash);
        data = str_of(hash, sizeof hash);
    }
    if (EVP_DigestSign(context, NULL, &size, (const unsigned char *)data.ptr, data.len) != 1)
        return false;
    buf_reserve(out, size);
    if (EVP_DigestSign(context, (unsigned char *)out->ptr, &size, (const unsigned char *)data.ptr,
                       data.len) != 1)
        return false;
    out->len = size;
    return true;
}

/* Signs `data` and fills the signature in behind "b=" of the field in `out` that begins at `from`.
 */
static bool fill_in(const struct signing_key *key, struct str data, struct buf *out, size_t from)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct buf signature = { 0 };
    struct buf field = { 0 };
    struct str whole = str_skip(buf_str(out), from);
    size_t at = 0;

    bool is_signed = context != NULL && sign_octets(context, key, data, &signature);
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    while (is_signed && !str_starts(str_skip(whole, at), STR(" b=;")))
        at++;
    if (is_signed) {
        buf_add(&field, str_first(whole, at + 3));
        base64_add(&field, buf_str(&signature));
        buf_add(&field, str_skip(whole, at + 3));
        out->len = from;
        buf_add(out, buf_str(&field));
    }
    buf_fini(&signature);
    buf_fini(&field);
    return is_signed;
}

static void add_body_hash(struct buf *out, const struct signing *signing)
{
    buf_add(out, STR("bh="));
    base64_add(out, signing->body_hash);
    buf_add(out, STR("; c=relaxed/relaxed;"));
}

/* The field in `bytes` from `from` on. */
static struct header_field field_in(const struct buf *bytes, size_t from, struct arena *arena)
{
    struct header header;
    header_parse(str_skip(buf_str(bytes), from), arena, &header);
    check(header.count == 1);
    return header.field[0];
}

/* Signs header and body; the field without signature stands at `from`. */
static bool sign_message(const struct signing_key *key, const struct signing *signing,
                         struct buf *out, size_t from)
{
    struct arena arena = { 0 };
    struct buf data = { 0 };
    struct header_field field = field_in(out, from, &arena);
    struct signature signature = { .field = &field,
                                   .header_how = CANONICAL_RELAXED,
                                   .signed_names = signing->names };

    signature_add_signed(&signature, signing->header, &data);
    bool is_signed = fill_in(key, buf_str(&data), out, from);
    buf_fini(&data);
    arena_fini(&arena);
    return is_signed;
}

bool signing_add_dkim(const struct signing_key *key, const struct signing *signing, struct buf *out)
{
    size_t from = out->len;

    buf_add_format(out, "DKIM-Signature: a=%.*s; b=;" FOLD, STR_FMT(algorithm_name(key)));
    add_body_hash(out, signing);
    buf_add_format(out, FOLD "d=%.*s; h=%.*s;" FOLD "s=%.*s; t=%lld; v=1\r\n", STR_FMT(key->domain),
                   STR_FMT(signing->names), STR_FMT(key->selector), (long long)signing->now_s);
    if (sign_message(key, signing, out, from))
        return true;
    out->len = from;
    return false;
}

/* From is signed once more than it is there: a second one, put in front, breaks the signature (RFC
 * 6376 8.15). */
#define OWN_FIELDS                                                                                 \
    "from:from:to:subject:date:message-id:mime-version:content-type:auto-submitted:tls-required:"  \
    "tls-report-domain:tls-report-submitter"

bool signing_add_mail(const struct signing_key *key, struct str mail, int64_t now_s,
                      struct buf *out)
{
    size_t header_size = content_header_size(mail, 0);
    struct body_hashes hashes = { 0 };
    struct arena arena = { 0 };
    struct header header;

    check(header_size < mail.len);
    header_parse(str_first(mail, header_size), &arena, &header);
    int body = body_hashes_want(&hashes, CANONICAL_RELAXED, UINT64_MAX);
    body_hashes_add(&hashes, str_skip(mail, header_size + 2));
    body_hashes_end(&hashes);
    const struct signing signing = { .header = &header,
                                     .names = STR(OWN_FIELDS),
                                     .body_hash = str_of(hashes.item[body]->value, BODY_HASH_SIZE),
                                     .now_s = now_s };
    bool is_signed = signing_add_dkim(key, &signing, out);
    if (is_signed)
        buf_add(out, mail);
    body_hashes_fini(&hashes);
    arena_fini(&arena);
    return is_signed;
}

/* ---- ARC ---- */

static bool add_arc_message(const struct signing_key *key, const struct signing *signing,
                            unsigned instance, struct buf *out)
{
    size_t from = out->len;

    buf_add_format(out, "ARC-Message-Signature: a=%.*s; b=;" FOLD, STR_FMT(algorithm_name(key)));
    add_body_hash(out, signing);
    buf_add_format(out, FOLD "d=%.*s; h=%.*s;" FOLD "i=%u; s=%.*s; t=%lld\r\n",
                   STR_FMT(key->domain), STR_FMT(signing->names), instance, STR_FMT(key->selector),
                   (long long)signing->now_s);
    return sign_message(key, signing, out, from);
}

/* The new set's fields in the order in which they are sealed; a failed chain is sealed over its
 * newest set alone (5.1.2). */
static bool add_arc_seal(const struct signing_key *key, const struct signing *signing,
                         const struct arc *arc, struct arc_set *set, struct buf *out)
{
    bool has_failed = arc->result == ARC_FAIL;
    struct arena arena = { 0 };
    struct buf data = { 0 };

    buf_add_format(
        out, "ARC-Seal: a=%.*s; b=;" FOLD "cv=%s; d=%.*s; i=%u; s=%.*s;" FOLD "t=%lld\r\n",
        STR_FMT(algorithm_name(key)),
        has_failed        ? "fail"
        : arc->count == 0 ? "none"
                          : "pass",
        STR_FMT(key->domain), arc->count + 1, STR_FMT(key->selector), (long long)signing->now_s);
    struct header_field seal = field_in(out, 0, &arena);
    set->seal = &seal;
    for (unsigned i = 0; i < arc->count && !has_failed; i++) {
        canonical_add_field(&data, arc->set[i].results, CANONICAL_RELAXED);
        canonical_add_field(&data, arc->set[i].message, CANONICAL_RELAXED);
        canonical_add_field(&data, arc->set[i].seal, CANONICAL_RELAXED);
    }
    arc_add_sealed(set, 1, &data);
    set->seal = NULL;
    bool is_signed = fill_in(key, buf_str(&data), out, 0);
    buf_fini(&data);
    arena_fini(&arena);
    return is_signed;
}

bool signing_add_arc(const struct signing_key *key, const struct signing *signing,
                     const struct arc *arc, struct str results, struct buf *out)
{
    struct arena arena = { 0 };
    struct buf message = { 0 };
    struct buf seal = { 0 };
    struct buf said = { 0 };

    if (arc->is_closed || arc->count >= ARC_SETS_MAX)
        return true;
    buf_add_format(&said, "ARC-Authentication-Results: i=%u; %.*s\r\n", arc->count + 1,
                   STR_FMT(results));
    bool is_signed = add_arc_message(key, signing, arc->count + 1, &message);
    if (is_signed) {
        struct header_field message_field = field_in(&message, 0, &arena);
        struct header_field results_field = field_in(&said, 0, &arena);
        struct arc_set set = { .message = &message_field, .results = &results_field };
        is_signed = add_arc_seal(key, signing, arc, &set, &seal);
    }
    if (is_signed) {
        buf_add(out, buf_str(&seal));
        buf_add(out, buf_str(&message));
        buf_add(out, buf_str(&said));
    }
    arena_fini(&arena);
    buf_fini(&message);
    buf_fini(&seal);
    buf_fini(&said);
    return is_signed;
}
