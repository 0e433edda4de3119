/* SPDX-License-Identifier: ISC */
/* body_hash.c: see body_hash.h. */
#include "authenticate/body_hash.h"

#include "base/check.h"
#include "base/memory.h"

static void take(void *context, struct str bytes)
{
    struct body_hash *hash = context;
    uint64_t left = hash->limit > hash->size ? hash->limit - hash->size : 0;

    check(EVP_DigestUpdate(hash->digest, bytes.ptr, left < bytes.len ? (size_t)left : bytes.len));
    hash->size += bytes.len;
}

int body_hashes_want(struct body_hashes *hashes, enum canonical how, uint64_t limit)
{
    for (unsigned i = 0; i < hashes->count; i++)
        if (hashes->item[i]->body.how == how && hashes->item[i]->limit == limit)
            return (int)i;
    if (hashes->count == BODY_HASHES_MAX)
        return -1;
    struct body_hash *hash = memory_new(sizeof *hash);
    hash->limit = limit;
    hash->body = (struct canonical_body){ .how = how, .give = take, .context = hash };
    hash->digest = EVP_MD_CTX_new();
    check(hash->digest != NULL);
    check(EVP_DigestInit_ex(hash->digest, EVP_sha256(), NULL) == 1);
    hashes->item[hashes->count] = hash;
    return (int)hashes->count++;
}

void body_hashes_add(struct body_hashes *hashes, struct str bytes)
{
    for (unsigned i = 0; i < hashes->count; i++)
        canonical_body(&hashes->item[i]->body, bytes);
}

void body_hashes_end(struct body_hashes *hashes)
{
    for (unsigned i = 0; i < hashes->count; i++) {
        struct body_hash *hash = hashes->item[i];
        canonical_body_end(&hash->body);
        check(EVP_DigestFinal_ex(hash->digest, hash->value, NULL) == 1);
    }
}

void body_hashes_fini(struct body_hashes *hashes)
{
    for (unsigned i = 0; i < hashes->count; i++) {
        EVP_MD_CTX_free(hashes->item[i]->digest);
        memory_free(hashes->item[i]);
    }
    hashes->count = 0;
}
