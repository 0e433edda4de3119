/* SPDX-License-Identifier: ISC */
/* arc.c: see arc.h. */
#include "authenticate/arc.h"

#include <string.h>

static void decide(struct arc *arc, enum arc_result result, const char *why)
{
    if (arc->is_decided)
        return;
    arc->is_decided = true;
    arc->result = result;
    arc->why = why;
}

/* ---- sets ---- */

/* "1" to "50", or 0. */
static unsigned parse_instance(struct str text)
{
    uint64_t number;
    if (!str_to_u64(text, ARC_SETS_MAX, &number) || text.ptr[0] == '0')
        return 0;
    return (unsigned)number;
}

/* "i=1;" at the front of ARC-Authentication-Results (4.1.1). */
static unsigned results_instance(struct str value)
{
    struct str spec;
    ptrdiff_t end = str_find(value, ';');

    if (end < 0)
        return 0;
    spec = str_first(value, (size_t)end);
    ptrdiff_t equals = str_find(spec, '=');
    struct str word;
    if (equals < 0)
        return 0;
    struct str name = str_first(spec, (size_t)equals);
    (void)tag_cut_word(&name, '\0', &word);
    if (!str_equals(word, STR("i")))
        return 0;
    struct str number = str_skip(spec, (size_t)equals + 1);
    (void)tag_cut_word(&number, '\0', &word);
    return parse_instance(word);
}

static unsigned tagged_instance(struct str value)
{
    struct tag_list tags;
    return tag_list_parse(value, &tags) ? parse_instance(tag_list_get(&tags, "i")) : 0;
}

static void place(struct arc *arc, const struct header_field *field, unsigned instance, int which)
{
    if (instance == 0) {
        decide(arc, ARC_FAIL, "an instance cannot be read");
        return;
    }
    struct arc_set *set = &arc->set[instance - 1];
    const struct header_field **at = which == 0   ? &set->seal
                                     : which == 1 ? &set->message
                                                  : &set->results;
    if (*at != NULL)
        decide(arc, ARC_FAIL, "an instance is there twice");
    *at = field;
    if (instance > arc->count)
        arc->count = instance;
}

static void collect(struct arc *arc, const struct header *header)
{
    for (uint32_t i = 0; i < header->count; i++) {
        const struct header_field *field = &header->field[i];
        if (header_is(field, STR("ARC-Seal")))
            place(arc, field, tagged_instance(field->value), 0);
        else if (header_is(field, STR("ARC-Message-Signature")))
            place(arc, field, tagged_instance(field->value), 1);
        else if (header_is(field, STR("ARC-Authentication-Results")))
            place(arc, field, results_instance(field->value), 2);
    }
}

/* ---- what the text alone shows ---- */

static const char *parse_seal(struct arc *arc, unsigned i, struct signature *out_seal)
{
    int64_t at_s;
    const char *why = signature_parse_common(arc->set[i].seal, &arc->arena, out_seal);

    if (why != NULL)
        return why;
    struct str state = tag_list_get(&out_seal->tags, "cv");
    if (tag_list_has(&out_seal->tags, "h"))
        return "a seal has h="; /* 4.1.3 */
    if (!signature_time(out_seal, "t", &at_s))
        return "a time is no number";
    if (!str_equals(state, i == 0 ? STR("none") : STR("pass")))
        return "a seal says that the chain had failed";
    return NULL;
}

static const char *parse_message(struct arc *arc, struct body_hashes *hashes)
{
    struct signature *message = &arc->message;
    int64_t at_s;
    const char *why =
        signature_parse_common(arc->set[arc->count - 1].message, &arc->arena, message);

    if (why == NULL)
        why = signature_parse_message(message, &arc->arena);
    if (why != NULL)
        return why;
    if (!signature_time(message, "t", &at_s))
        return "a time is no number";
    if (tag_names_nocase(message->signed_names, STR("ARC-Seal")))
        return "a message signature covers seals"; /* 4.1.2 */
    message->body = body_hashes_want(hashes, message->body_how, message->body_limit);
    return message->body < 0 ? "too many different body hashes" : NULL;
}

static const char *examine(struct arc *arc, struct body_hashes *hashes)
{
    struct signature seal;

    for (unsigned i = 0; i < arc->count; i++)
        if (arc->set[i].seal == NULL || arc->set[i].message == NULL || arc->set[i].results == NULL)
            return "a set is not whole";
    for (unsigned i = arc->count; i > 0; i--) {
        const char *why = parse_seal(arc, i - 1, &seal);
        if (why != NULL)
            return why;
    }
    return parse_message(arc, hashes);
}

/* The end of the chain is also of interest where it has failed otherwise. */
static bool says_fail(const struct header_field *seal)
{
    struct tag_list tags;
    return seal != NULL && tag_list_parse(seal->value, &tags) &&
           str_equals(tag_list_get(&tags, "cv"), STR("fail"));
}

void arc_header(struct arc *arc, const struct header *header, struct body_hashes *hashes)
{
    *arc = (struct arc){ .header = header };
    arc->message.body = -1;
    collect(arc, header);
    if (arc->count == 0) {
        decide(arc, ARC_NONE, NULL);
        return;
    }
    arc->is_closed = says_fail(arc->set[arc->count - 1].seal);
    const char *why = arc->is_decided ? NULL : examine(arc, hashes);
    if (why != NULL)
        decide(arc, ARC_FAIL, why);
}

/* ---- signatures ---- */

static void add_set(const struct arc_set *set, struct buf *out)
{
    canonical_add_field(out, set->results, CANONICAL_RELAXED);
    canonical_add_field(out, set->message, CANONICAL_RELAXED);
}

void arc_add_sealed(const struct arc_set *set, unsigned count, struct buf *out)
{
    for (unsigned i = 0; i < count; i++) {
        add_set(&set[i], out);
        if (i + 1 < count)
            canonical_add_field(out, set[i].seal, CANONICAL_RELAXED);
        else
            canonical_add_signature(out, set[i].seal, CANONICAL_RELAXED);
    }
}

static bool ask(const struct signature *signature, struct buf *room,
                struct dns_question *out_question)
{
    buf_reset(room);
    signature_add_key_name(signature, room);
    *out_question = (struct dns_question){ buf_str(room), DNS_TXT };
    return false;
}

/* True: it holds, or the chain is decided; false: its key must be asked for. */
static bool verify(struct arc *arc, const struct signature *signature, struct str data,
                   const struct dns_answers *known)
{
    struct dkim_key key = { 0 };
    const char *why;
    enum signature_state state = signature_verify(signature, data, known, &key, &why);

    if (state == SIGNATURE_ASKS)
        return false;
    if (state != SIGNATURE_GOOD)
        decide(arc, ARC_FAIL, why);
    return true;
}

static bool verify_message(struct arc *arc, const struct body_hashes *hashes,
                           const struct dns_answers *known)
{
    const struct signature *message = &arc->message;
    const struct body_hash *hash = hashes->item[message->body];
    struct buf data = { 0 };

    if ((hash->limit != UINT64_MAX && hash->limit > hash->size) ||
        message->body_value.len != BODY_HASH_SIZE ||
        memcmp(message->body_value.ptr, hash->value, BODY_HASH_SIZE) != 0) {
        decide(arc, ARC_FAIL, "the body was changed");
        return true;
    }
    signature_add_signed(message, arc->header, &data);
    bool is_known = verify(arc, message, buf_str(&data), known);
    buf_fini(&data);
    return is_known;
}

/* Without c= a header is simple (RFC 6376 3.5), which RFC 8617 does not change; but there are
 * sealers who mean relaxed then, and the test suite is one of them. So it is tried both ways. */
static bool verify_either_way(struct arc *arc, const struct body_hashes *hashes,
                              const struct dns_answers *known)
{
    if (!verify_message(arc, hashes, known))
        return false;
    if (!arc->is_decided || tag_list_has(&arc->message.tags, "c"))
        return true;
    arc->is_decided = false;
    arc->message.header_how = CANONICAL_RELAXED;
    return verify_message(arc, hashes, known);
}

bool arc_decide(struct arc *arc, const struct body_hashes *hashes, const struct dns_answers *known,
                struct buf *room, struct dns_question *out_question)
{
    struct signature seal;
    struct arena arena = { 0 };
    bool is_known = true;

    if (!arc->is_decided && !verify_either_way(arc, hashes, known))
        return ask(&arc->message, room, out_question);
    for (unsigned i = arc->count; i > 0 && is_known && !arc->is_decided; i--) {
        struct buf data = { 0 };
        (void)signature_parse_common(arc->set[i - 1].seal, &arena, &seal);
        arc_add_sealed(arc->set, i, &data);
        is_known = verify(arc, &seal, buf_str(&data), known);
        buf_fini(&data);
    }
    if (!is_known)
        (void)ask(&seal, room, out_question);
    else
        decide(arc, ARC_PASS, NULL);
    arena_fini(&arena);
    return is_known;
}

void arc_fini(struct arc *arc)
{
    arena_fini(&arc->arena);
    arc->count = 0;
}

const char *arc_result_name(enum arc_result result)
{
    static const char *const name[] = {
        [ARC_NONE] = "none", [ARC_PASS] = "pass", [ARC_FAIL] = "fail"
    };
    return name[result];
}
