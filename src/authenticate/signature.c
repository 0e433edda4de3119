/* SPDX-License-Identifier: ISC */
/* signature.c: see signature.h. */
#include "authenticate/signature.h"

#include <stdlib.h>

#include "base/base64.h"
#include "mail/domain.h"

enum { KEYS_TRIED_MAX = 4 };

/* ---- tags ---- */

static bool decode(struct str value, struct arena *arena, struct str *out_bytes)
{
    struct buf packed = { 0 };
    struct buf bytes = { 0 };

    tag_add_packed(&packed, value);
    bool is_good = packed.len > 0 && base64_decode(&bytes, buf_str(&packed)) && bytes.len > 0;
    if (is_good)
        *out_bytes = arena_str(arena, buf_str(&bytes));
    buf_fini(&packed);
    buf_fini(&bytes);
    return is_good;
}

/* Digits alone are no domain, but a usual selector; neither need be ASCII (RFC 8616). */
static bool normal_name(struct str text, bool is_selector, struct arena *arena,
                        struct str *out_name)
{
    struct buf name = { 0 };
    bool is_good = domain_normalise(text, &name);

    if (!is_good && is_selector && dns_name_is_valid(text)) {
        is_good = true;
        buf_reset(&name);
        for (size_t i = 0; i < text.len; i++)
            buf_add_byte(&name, ascii_lower(text.ptr[i]));
    }

    if (is_good)
        *out_name = arena_str(arena, buf_str(&name));
    buf_fini(&name);
    return is_good;
}

const char *signature_parse_common(const struct header_field *field, struct arena *arena,
                                   struct signature *out_signature)
{
    struct signature *signature = out_signature;

    *signature = (struct signature){ .field = field, .body = -1, .body_limit = UINT64_MAX };
    if (!tag_list_parse(field->value, &signature->tags))
        return "not a list of tags";
    struct str algorithm = tag_list_get(&signature->tags, "a");
    if (str_equals(algorithm, STR("rsa-sha256")))
        signature->algorithm = DKIM_RSA_SHA256;
    else if (str_equals(algorithm, STR("ed25519-sha256")))
        signature->algorithm = DKIM_ED25519_SHA256;
    else if (str_equals(algorithm, STR("rsa-sha1")))
        return "rsa-sha1 is no longer accepted"; /* RFC 8301 3.1 */
    else
        return "unknown algorithm";
    if (!decode(tag_list_get(&signature->tags, "b"), arena, &signature->value))
        return "b= cannot be read";
    if (!normal_name(tag_list_get(&signature->tags, "d"), false, arena, &signature->domain))
        return "d= is no domain";
    if (!normal_name(tag_list_get(&signature->tags, "s"), true, arena, &signature->selector))
        return "s= is no selector";
    return NULL;
}

/* c= is "header" or "header/body"; simple where nothing is said. */
static bool parse_canonical(struct str text, struct signature *signature)
{
    static const struct str word[] = { { "simple", 6 }, { "relaxed", 7 } };
    struct str part[2] = { word[0], word[0] };

    if (text.len > 0) {
        (void)str_cut(&text, '/', &part[0]);
        if (text.ptr != NULL)
            part[1] = text;
    }
    for (int i = 0; i < 2; i++)
        if (!str_equals(part[i], word[0]) && !str_equals(part[i], word[1]))
            return false;
    signature->header_how = str_equals(part[0], word[1]) ? CANONICAL_RELAXED : CANONICAL_SIMPLE;
    signature->body_how = str_equals(part[1], word[1]) ? CANONICAL_RELAXED : CANONICAL_SIMPLE;
    return true;
}

const char *signature_parse_message(struct signature *signature, struct arena *arena)
{
    const struct tag_list *tags = &signature->tags;

    if (!parse_canonical(tag_list_get(tags, "c"), signature))
        return "unknown canonicalization";
    if (!decode(tag_list_get(tags, "bh"), arena, &signature->body_value))
        return "bh= cannot be read";
    if (tag_list_has(tags, "l") &&
        !str_to_u64(tag_list_get(tags, "l"), UINT64_MAX - 1, &signature->body_limit))
        return "l= is no number";
    signature->signed_names = tag_list_get(tags, "h");
    return NULL;
}

bool signature_time(const struct signature *signature, const char *tag, int64_t *out_s)
{
    uint64_t seconds = 0;

    if (tag_list_has(&signature->tags, tag) &&
        !str_to_u64(tag_list_get(&signature->tags, tag), 999999999999, &seconds)) /* 3.5 */
        return false;
    *out_s = (int64_t)seconds;
    return true;
}

/* ---- what was signed ---- */

/* Of several fields of a name the last is meant first (5.4.2); one that is not there adds nothing.
 * `taken` says of each field whether it has been had. */
static const struct header_field *take_field(const struct header *header, struct str name,
                                             bool *taken)
{
    for (uint32_t i = header->count; i > 0; i--) {
        if (taken[i - 1] || !header_is(&header->field[i - 1], name))
            continue;
        taken[i - 1] = true;
        return &header->field[i - 1];
    }
    return NULL;
}

void signature_add_signed(const struct signature *signature, const struct header *header,
                          struct buf *out)
{
    struct arena arena = { 0 };
    bool *taken = arena_new(&arena, header->count * sizeof *taken);
    struct str names = signature->signed_names;
    struct str name;

    for (unsigned i = 0; i < SIGNED_FIELDS_MAX && tag_cut_word(&names, ':', &name); i++) {
        const struct header_field *field = name.len > 0 ? take_field(header, name, taken) : NULL;
        if (field != NULL)
            canonical_add_field(out, field, signature->header_how);
    }
    canonical_add_signature(out, signature->field, signature->header_how);
    arena_fini(&arena);
}

/* ---- the key ---- */

void signature_add_key_name(const struct signature *signature, struct buf *out)
{
    buf_add(out, signature->selector);
    buf_add(out, STR("._domainkey."));
    buf_add(out, signature->domain);
}

static const char *describe(enum dkim_key_error error)
{
    switch (error) {
    case DKIM_KEY_OTHER:
        return "the key is not for this";
    case DKIM_KEY_REVOKED:
        return "the key was revoked";
    case DKIM_KEY_WEAK:
        return "the key is too short or too long";
    case DKIM_KEY_GOOD:
    case DKIM_KEY_SYNTAX:
        break;
    }
    return "the key cannot be read";
}

/* Of several keys any may fit (3.6.2.2 leaves it open). */
static enum signature_state try_keys(const struct signature *signature, struct str data,
                                     const struct dns_answer *answer, struct dkim_key *out_key,
                                     const char **out_why)
{
    enum signature_state state = SIGNATURE_PERMERROR;

    for (uint32_t i = 0; i < answer->record_count && i < KEYS_TRIED_MAX; i++) {
        struct dkim_key key;
        enum dkim_key_error error =
            dkim_key_parse(answer->record[i].data, signature->algorithm, &key);
        if (error != DKIM_KEY_GOOD) {
            if (state == SIGNATURE_PERMERROR)
                *out_why = describe(error);
            continue;
        }
        bool holds = dkim_key_verify(&key, data, signature->value);
        dkim_key_fini(&key);
        *out_key = key;
        if (holds)
            return SIGNATURE_GOOD;
        state = SIGNATURE_BROKEN;
        *out_why = "the signature does not hold";
    }
    return state;
}

enum signature_state signature_verify(const struct signature *signature, struct str data,
                                      const struct dns_answers *known, struct dkim_key *out_key,
                                      const char **out_why)
{
    struct buf name = { 0 };
    enum signature_state state = SIGNATURE_PERMERROR;

    signature_add_key_name(signature, &name);
    struct dns_question question = { buf_str(&name), DNS_TXT };
    bool is_name = dns_name_is_valid(question.name);
    const struct dns_answer *answer = is_name ? dns_answers_find(known, question) : NULL;
    *out_why = "there is no key";
    if (is_name && answer == NULL) {
        state = SIGNATURE_ASKS;
    } else if (is_name && answer->status == DNS_FAILED) {
        state = SIGNATURE_TEMPERROR;
        *out_why = "the key cannot be asked for";
    } else if (is_name && answer->status == DNS_FOUND) {
        state = try_keys(signature, data, answer, out_key, out_why);
    }
    buf_fini(&name);
    return state;
}
