/* SPDX-License-Identifier: ISC */
/* dkim.c: see dkim.h. */
#include "authenticate/dkim.h"

#include <string.h>

#include "base/check.h"
#include "mail/domain.h"

enum { START_SIZE = 8, CLOCKS_DIFFER_S = 300 };

static void decide(struct dkim *dkim, unsigned i, enum dkim_result result, const char *why)
{
    dkim->is_decided[i] = true;
    dkim->verdict[i].result = result;
    dkim->verdict[i].why = why;
}

/* ---- the header ---- */

/* i= is d= or below it; its local part is of no concern (3.5). */
static bool identity_fits(const struct signature *signature, bool is_strict)
{
    struct str identity = tag_list_get(&signature->tags, "i");
    struct buf name = { 0 };

    if (identity.len == 0)
        return true;
    ptrdiff_t at = str_find_last(identity, '@');
    bool fits = at >= 0 && domain_normalise(str_skip(identity, (size_t)at + 1), &name);
    struct str domain = buf_str(&name);
    if (fits && !str_equals(domain, signature->domain))
        fits = !is_strict && domain.len > signature->domain.len &&
               str_ends_nocase(domain, signature->domain) &&
               domain.ptr[domain.len - signature->domain.len - 1] == '.';
    buf_fini(&name);
    return fits;
}

/* What is wrong with it that its text alone shows; NULL: nothing. */
static const char *examine(const struct signature *signature, int64_t now_s)
{
    int64_t signed_s;
    int64_t expires_s;

    if (!str_equals(tag_list_get(&signature->tags, "v"), STR("1")))
        return "unknown version";
    if (tag_list_has(&signature->tags, "q") &&
        !tag_names_nocase(tag_list_get(&signature->tags, "q"), STR("dns/txt")))
        return "unknown way to the key";
    if (!tag_names_nocase(signature->signed_names, STR("from")))
        return "From is not signed";
    if (!identity_fits(signature, false))
        return "i= is not below d=";
    if (!signature_time(signature, "t", &signed_s) || !signature_time(signature, "x", &expires_s))
        return "a time is no number";
    if (expires_s != 0 && expires_s < signed_s)
        return "it expires before it was made";
    if (expires_s != 0 && expires_s + CLOCKS_DIFFER_S < now_s)
        return "it has expired";
    return NULL;
}

static void describe(struct dkim *dkim, unsigned i)
{
    const struct signature *signature = dkim->signature[i];
    struct dkim_verdict *verdict = &dkim->verdict[i];
    struct buf start = { 0 };

    verdict->domain = signature->domain;
    verdict->selector = signature->selector;
    verdict->identity = tag_list_get(&signature->tags, "i");
    verdict->algorithm = tag_list_get(&signature->tags, "a");
    tag_add_packed(&start, tag_list_get(&signature->tags, "b"));
    verdict->start = arena_str(&dkim->arena, str_first(buf_str(&start), START_SIZE));
    buf_fini(&start);
}

static void take(struct dkim *dkim, const struct header_field *field, int64_t now_s,
                 struct body_hashes *hashes)
{
    unsigned i = dkim->count++;
    struct signature *signature = arena_new(&dkim->arena, sizeof *signature);

    dkim->signature[i] = signature;
    const char *why = signature_parse_common(field, &dkim->arena, signature);
    if (why == NULL)
        why = signature_parse_message(signature, &dkim->arena);
    describe(dkim, i);
    if (why != NULL) {
        decide(dkim, i, DKIM_NEUTRAL, why);
        return;
    }
    why = examine(signature, now_s);
    if (why != NULL) {
        decide(dkim, i, DKIM_PERMERROR, why);
        return;
    }
    signature->body = body_hashes_want(hashes, signature->body_how, signature->body_limit);
    if (signature->body < 0)
        decide(dkim, i, DKIM_POLICY, "too many different body hashes");
}

void dkim_header(struct dkim *dkim, const struct header *header, int64_t now_s,
                 struct body_hashes *hashes)
{
    *dkim = (struct dkim){ .header = header };
    for (uint32_t i = 0; i < header->count && dkim->count < DKIM_SIGNATURES_MAX; i++)
        if (header_is(&header->field[i], STR("DKIM-Signature")))
            take(dkim, &header->field[i], now_s, hashes);
}

/* ---- verdicts ---- */

/* NULL: the body is what was signed. */
static const char *compare_body(const struct signature *signature, const struct body_hash *hash)
{
    if (hash->limit != UINT64_MAX && hash->limit > hash->size)
        return "the body is shorter than what was signed";
    if (signature->body_value.len != BODY_HASH_SIZE ||
        memcmp(signature->body_value.ptr, hash->value, BODY_HASH_SIZE) != 0)
        return "the body was changed";
    return NULL;
}

/* False: the key must be asked for. */
static bool judge(struct dkim *dkim, unsigned i, const struct body_hashes *hashes,
                  const struct dns_answers *known)
{
    static const enum dkim_result result_of[] = {
        [SIGNATURE_GOOD] = DKIM_PASS,
        [SIGNATURE_BROKEN] = DKIM_FAIL,
        [SIGNATURE_TEMPERROR] = DKIM_TEMPERROR,
        [SIGNATURE_PERMERROR] = DKIM_PERMERROR,
    };
    const struct signature *signature = dkim->signature[i];
    struct dkim_key key = { 0 };
    struct buf data = { 0 };
    const char *why = compare_body(signature, hashes->item[signature->body]);

    if (why != NULL) {
        decide(dkim, i, DKIM_FAIL, why);
        return true;
    }
    signature_add_signed(signature, dkim->header, &data);
    enum signature_state state = signature_verify(signature, buf_str(&data), known, &key, &why);
    buf_fini(&data);
    if (state == SIGNATURE_ASKS)
        return false;
    dkim->verdict[i].key_bits = key.bits;
    dkim->verdict[i].is_testing = key.is_testing;
    if (state == SIGNATURE_GOOD && key.is_strict && !identity_fits(signature, true))
        decide(dkim, i, DKIM_PERMERROR, "i= is not d= itself, which the key asks for");
    else
        decide(dkim, i, result_of[state], state == SIGNATURE_GOOD ? NULL : why);
    return true;
}

bool dkim_decide(struct dkim *dkim, const struct body_hashes *hashes,
                 const struct dns_answers *known, struct buf *room,
                 struct dns_question *out_question)
{
    for (unsigned i = 0; i < dkim->count; i++) {
        if (dkim->is_decided[i] || judge(dkim, i, hashes, known))
            continue;
        buf_reset(room);
        signature_add_key_name(dkim->signature[i], room);
        *out_question = (struct dns_question){ buf_str(room), DNS_TXT };
        return false;
    }
    return true;
}

void dkim_fini(struct dkim *dkim)
{
    arena_fini(&dkim->arena);
    dkim->count = 0;
}

const char *dkim_result_name(enum dkim_result result)
{
    static const char *const name[] = {
        [DKIM_PASS] = "pass",       [DKIM_FAIL] = "fail",           [DKIM_POLICY] = "policy",
        [DKIM_NEUTRAL] = "neutral", [DKIM_TEMPERROR] = "temperror", [DKIM_PERMERROR] = "permerror",
    };
    return name[result];
}
