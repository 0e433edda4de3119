/* SPDX-License-Identifier: ISC */
/* dkim_key.c: see dkim_key.h. */
#include "authenticate/dkim_key.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "authenticate/tag_list.h"
#include "base/base64.h"
#include "base/crc32c.h"

enum { ED25519_SIZE = 32, KEY_TEXT_MAX = 8192 };

/* "*" counts as each word. */
static bool names(struct str list, struct str wanted)
{
    return tag_names(list, wanted) || tag_names(list, STR("*"));
}

/* v= stands first if it is there; every list names what it is asked for, if it is there. */
static enum dkim_key_error judge_tags(const struct tag_list *tags, enum dkim_algorithm algorithm)
{
    struct str type = tag_list_has(tags, "k") ? tag_list_get(tags, "k") : STR("rsa");
    struct str wanted = algorithm == DKIM_RSA_SHA256 ? STR("rsa") : STR("ed25519");

    if (tag_list_has(tags, "v") &&
        (!str_equals(tags->tag[0].name, STR("v")) || !str_equals(tags->tag[0].value, STR("DKIM1"))))
        return DKIM_KEY_SYNTAX;
    if (!tag_list_has(tags, "p"))
        return DKIM_KEY_SYNTAX;
    if (!str_equals(type, wanted))
        return DKIM_KEY_OTHER;
    if (tag_list_has(tags, "h") && !names(tag_list_get(tags, "h"), STR("sha256")))
        return DKIM_KEY_OTHER;
    if (tag_list_has(tags, "s") && !names(tag_list_get(tags, "s"), STR("email")))
        return DKIM_KEY_OTHER;
    return tag_list_get(tags, "p").len > 0 ? DKIM_KEY_GOOD : DKIM_KEY_REVOKED;
}

/* ---- keys that were read ----
 *
 * Reading a key costs several times what verifying with it does (OpenSSL looks for a decoder among
 * all that it has), and most mail comes from few signers: the last ones are remembered, each in the
 * place that its octets say. */

enum { KEYS_KEPT = 256 };

static struct {
    struct buf der;
    EVP_PKEY *key; /* NULL: the place is free */
} kept[KEYS_KEPT];

static size_t place_of(struct str der)
{
    return crc32c(0, der) % KEYS_KEPT;
}

static EVP_PKEY *find_kept(struct str der)
{
    size_t place = place_of(der);

    if (kept[place].key == NULL || !str_equals(buf_str(&kept[place].der), der) ||
        EVP_PKEY_up_ref(kept[place].key) != 1)
        return NULL;
    return kept[place].key;
}

static void keep(struct str der, EVP_PKEY *key)
{
    size_t place = place_of(der);

    if (EVP_PKEY_up_ref(key) != 1)
        return;
    EVP_PKEY_free(kept[place].key);
    kept[place].key = key;
    buf_reset(&kept[place].der);
    buf_add(&kept[place].der, der);
}

/* SubjectPublicKeyInfo as everybody publishes it, or RSAPublicKey as the RFC has it. */
static EVP_PKEY *read_rsa_key(struct str der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.len);

    if (key == NULL) {
        at = (const unsigned char *)der.ptr;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)der.len);
    }
    if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static EVP_PKEY *rsa_key(struct str der)
{
    EVP_PKEY *key = find_kept(der);

    if (key == NULL) {
        key = read_rsa_key(der);
        if (key != NULL)
            keep(der, key);
    }
    return key;
}

static EVP_PKEY *ed25519_key(struct str bytes)
{
    if (bytes.len != ED25519_SIZE)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)bytes.ptr,
                                       bytes.len);
}

static enum dkim_key_error read_key(struct str bytes, struct dkim_key *key)
{
    bool is_rsa = key->algorithm == DKIM_RSA_SHA256;

    key->key = is_rsa ? rsa_key(bytes) : ed25519_key(bytes);
    ERR_clear_error();
    if (key->key == NULL)
        return DKIM_KEY_SYNTAX;
    key->bits = (unsigned)EVP_PKEY_get_bits(key->key);
    if (is_rsa && (key->bits < DKIM_RSA_BITS_MIN || key->bits > DKIM_RSA_BITS_MAX)) {
        dkim_key_fini(key);
        return DKIM_KEY_WEAK;
    }
    return DKIM_KEY_GOOD;
}

enum dkim_key_error dkim_key_parse(struct str text, enum dkim_algorithm algorithm,
                                   struct dkim_key *out_key)
{
    struct tag_list tags;
    struct buf packed = { 0 };
    struct buf bytes = { 0 };

    if (text.len > KEY_TEXT_MAX || !tag_list_parse(text, &tags))
        return DKIM_KEY_SYNTAX;
    enum dkim_key_error error = judge_tags(&tags, algorithm);
    if (error != DKIM_KEY_GOOD)
        return error;
    *out_key = (struct dkim_key){ .algorithm = algorithm };
    out_key->is_testing = tag_names(tag_list_get(&tags, "t"), STR("y"));
    out_key->is_strict = tag_names(tag_list_get(&tags, "t"), STR("s"));
    tag_add_packed(&packed, tag_list_get(&tags, "p"));
    error = DKIM_KEY_SYNTAX;
    if (base64_decode(&bytes, buf_str(&packed)))
        error = read_key(buf_str(&bytes), out_key);
    buf_fini(&packed);
    buf_fini(&bytes);
    return error;
}

void dkim_key_fini(struct dkim_key *key)
{
    EVP_PKEY_free(key->key);
    key->key = NULL;
}

/* RFC 8463 3: PureEdDSA over the hash. */
static bool verify(EVP_MD_CTX *context, const struct dkim_key *key, struct str data,
                   struct str signature)
{
    const EVP_MD *digest = key->algorithm == DKIM_RSA_SHA256 ? EVP_sha256() : NULL;
    unsigned char hash[SHA256_DIGEST_LENGTH];

    if (EVP_DigestVerifyInit(context, NULL, digest, NULL, key->key) != 1)
        return false;
    if (digest == NULL) {
        (void)SHA256((const unsigned char *)data.ptr, data.len, hash);
        data = str_of(hash, sizeof hash);
    }
    return EVP_DigestVerify(context, (const unsigned char *)signature.ptr, signature.len,
                            (const unsigned char *)data.ptr, data.len) == 1;
}

bool dkim_key_verify(const struct dkim_key *key, struct str data, struct str signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool holds = context != NULL && verify(context, key, data, signature);

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return holds;
}
