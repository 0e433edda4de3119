/* SPDX-License-Identifier: ISC */
/* own_key.c: see own_key.h. */
#include "roles/own_key.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

void own_key_read(struct own_key *own, const struct config *config)
{
    char name[4096];
    char pem[16384];

    if (config->sign_key.len == 0 || config->sign_key.len >= sizeof name)
        return;
    memcpy(name, config->sign_key.ptr, config->sign_key.len);
    name[config->sign_key.len] = '\0';
    FILE *file = fopen(name, "re");
    size_t len = file != NULL ? fread(pem, 1, sizeof pem, file) : 0;
    buf_add(&own->domain, config->sign_domain); /* the configuration may be replaced */
    buf_add(&own->selector, config->sign_selector);
    if (!signing_key_read(str_of(pem, len), buf_str(&own->domain), buf_str(&own->selector),
                          &own->key))
        log_error("sign_key_unusable", LOG_TEXT("file", name),
                  LOG_TEXT("hint", "it must be a private key in PEM, RSA or Ed25519, that we may "
                                   "read; nothing is sealed or signed"));
    OPENSSL_cleanse(pem, len);
    if (file != NULL)
        (void)fclose(file);
}

void own_key_fini(struct own_key *own)
{
    signing_key_fini(&own->key);
    buf_fini(&own->domain);
    buf_fini(&own->selector);
}
