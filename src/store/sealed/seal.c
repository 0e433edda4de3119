/* SPDX-License-Identifier: ISC */
/* seal.c: see seal.h. */
#include "store/sealed/seal.h"

#include <sodium.h>
#include <string.h>

#include "base/check.h"

_Static_assert(SEAL_TAG == crypto_aead_chacha20poly1305_ietf_ABYTES, "the tag of RFC 8439");
_Static_assert(SEAL_KEY_SIZE == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "its key");

enum { NONCE_SIZE = crypto_aead_chacha20poly1305_ietf_NPUBBYTES };

/* What a key of the node is used for stands in front of what it is used on. */
static const uint8_t for_id[] = "holdfast key id";
static const uint8_t for_content[] = "holdfast content";

/* ---- keys ---- */

static void name_key(struct seal_node_key *key)
{
    uint8_t hash[crypto_generichash_BYTES_MIN];

    check(crypto_generichash(hash, sizeof hash, for_id, sizeof for_id, key->bytes,
                             sizeof key->bytes) == 0);
    memcpy(key->id, hash, sizeof key->id);
}

static bool parse_key(struct str line, struct seal_node_key *out_key)
{
    size_t size = 0;

    if (line.len != (size_t)2 * SEAL_KEY_SIZE ||
        sodium_hex2bin(out_key->bytes, sizeof out_key->bytes, line.ptr, line.len, NULL, &size,
                       NULL) != 0 ||
        size != SEAL_KEY_SIZE)
        return false;
    name_key(out_key);
    return true;
}

static const char *take_line(struct seal_keys *keys, struct str line)
{
    if (line.len == 0 || line.ptr[0] == '#')
        return NULL;
    if (keys->count == SEAL_KEYS_MAX)
        return "it has more than 16 keys";
    struct seal_node_key *key = &keys->key[keys->count];
    if (!parse_key(line, key))
        return "a line is neither a key (64 hexadecimal digits) nor a comment";
    if (seal_find_key(keys, key->id) != NULL)
        return "a key stands in it twice";
    keys->count++;
    return NULL;
}

bool seal_keys_parse(struct str text, struct seal_keys *out_keys, const char **out_why)
{
    struct str line = STR_NONE;
    const char *why = NULL;

    check(sodium_init() >= 0);
    *out_keys = (struct seal_keys){ 0 };
    while (why == NULL && str_cut(&text, '\n', &line))
        why = take_line(out_keys, str_trim(line));
    if (why == NULL && out_keys->count == 0)
        why = "it has no key";
    if (why == NULL)
        return true;
    seal_keys_wipe(out_keys);
    *out_why = why;
    return false;
}

void seal_keys_wipe(struct seal_keys *keys)
{
    sodium_memzero(keys, sizeof *keys);
}

void seal_key_make(struct buf *out)
{
    struct seal_node_key key;
    char id[2 * SEAL_KEY_ID_SIZE + 1];
    char text[2 * SEAL_KEY_SIZE + 1];

    check(sodium_init() >= 0);
    randombytes_buf(key.bytes, sizeof key.bytes);
    name_key(&key);
    (void)sodium_bin2hex(id, sizeof id, key.id, sizeof key.id);
    (void)sodium_bin2hex(text, sizeof text, key.bytes, sizeof key.bytes);
    buf_add_format(out, "# key %s\n", id);
    buf_add_bytes(out, text, sizeof text - 1);
    buf_add_byte(out, '\n');
    sodium_memzero(&key, sizeof key);
    sodium_memzero(text, sizeof text);
}

const struct seal_node_key *seal_find_key(const struct seal_keys *keys, const uint8_t *id)
{
    for (uint32_t i = 0; i < keys->count; i++)
        if (memcmp(keys->key[i].id, id, SEAL_KEY_ID_SIZE) == 0)
            return &keys->key[i];
    return NULL;
}

void seal_mark_draw(struct seal_mark *mark, const struct seal_keys *keys)
{
    check(keys->count > 0);
    *mark = (struct seal_mark){ .is_sealed = true };
    memcpy(mark->key_id, keys->key[0].id, sizeof mark->key_id);
    randombytes_buf(mark->salt, sizeof mark->salt);
}

bool seal_begin(struct seal *out_seal, const struct seal_keys *keys, struct message_id id,
                const struct seal_mark *mark)
{
    const struct seal_node_key *key = seal_find_key(keys, mark->key_id);
    crypto_generichash_state state;

    if (key == NULL)
        return false;
    check(crypto_generichash_init(&state, key->bytes, sizeof key->bytes, sizeof out_seal->key) ==
          0);
    (void)crypto_generichash_update(&state, for_content, sizeof for_content);
    (void)crypto_generichash_update(&state, (const uint8_t *)id.bytes, sizeof id.bytes);
    (void)crypto_generichash_update(&state, mark->salt, sizeof mark->salt);
    check(crypto_generichash_final(&state, out_seal->key, sizeof out_seal->key) == 0);
    sodium_memzero(&state, sizeof state);
    return true;
}

void seal_wipe(struct seal *seal)
{
    sodium_memzero(seal, sizeof *seal);
}

/* ---- pieces ---- */

static void make_nonce(uint8_t nonce[NONCE_SIZE], struct seal_place place)
{
    memset(nonce, 0, NONCE_SIZE);
    nonce[0] = (uint8_t)place.part;
    nonce[1] = place.is_last ? 1 : 0;
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(place.piece >> (8 * i));
}

void seal_piece(const struct seal *seal, struct seal_place place, struct str plain, struct buf *out)
{
    uint8_t nonce[NONCE_SIZE];

    check(plain.len <= SEAL_PIECE);
    make_nonce(nonce, place);
    buf_reserve(out, plain.len + SEAL_TAG);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt((uint8_t *)out->ptr + out->len, NULL,
                                                    (const uint8_t *)plain.ptr, plain.len, NULL, 0,
                                                    NULL, nonce, seal->key);
    out->len += plain.len + SEAL_TAG;
}

bool seal_open_piece(const struct seal *seal, struct seal_place place, struct str sealed,
                     struct buf *out)
{
    uint8_t nonce[NONCE_SIZE];

    if (sealed.len < SEAL_TAG || sealed.len > SEAL_PIECE + SEAL_TAG)
        return false;
    make_nonce(nonce, place);
    buf_reserve(out, sealed.len);
    if (crypto_aead_chacha20poly1305_ietf_decrypt((uint8_t *)out->ptr + out->len, NULL, NULL,
                                                  (const uint8_t *)sealed.ptr, sealed.len, NULL, 0,
                                                  nonce, seal->key) != 0)
        return false;
    out->len += sealed.len - SEAL_TAG;
    return true;
}

void seal_part(const struct seal *seal, enum seal_part part, struct str plain, struct buf *out)
{
    uint64_t pieces = seal_pieces(plain.len);

    for (uint64_t i = 0; i < pieces; i++) {
        struct seal_place place = { part, i, i + 1 == pieces };
        seal_piece(seal, place, str_first(plain, SEAL_PIECE), out);
        plain = str_skip(plain, SEAL_PIECE);
    }
}

/* ---- sizes ---- */

uint64_t seal_pieces(uint64_t plain_size)
{
    return plain_size == 0 ? 1 : (plain_size - 1) / SEAL_PIECE + 1;
}

uint64_t seal_size(uint64_t plain_size)
{
    return plain_size + seal_pieces(plain_size) * SEAL_TAG;
}

bool seal_plain_size(uint64_t sealed_size, uint64_t *out_size)
{
    if (sealed_size < SEAL_TAG)
        return false;
    uint64_t pieces = (sealed_size - 1) / (SEAL_PIECE + SEAL_TAG) + 1;
    if (sealed_size < pieces * SEAL_TAG ||
        seal_size(sealed_size - pieces * SEAL_TAG) != sealed_size)
        return false;
    *out_size = sealed_size - pieces * SEAL_TAG;
    return true;
}
