/* SPDX-License-Identifier: ISC */
/* authentication.c: see authentication.h. */
#include "authenticate/authentication.h"

#include "authenticate/organisation.h"
#include "base/memory.h"
#include "mail/domain.h"

/* The domain of an address, in normal form; empty if there is none. */
static struct str domain_of(struct arena *arena, struct str address)
{
    struct buf name = { 0 };
    struct str domain = STR_NONE;
    ptrdiff_t at = str_find_last(address, '@');

    if (at >= 0 && domain_normalise(str_skip(address, (size_t)at + 1), &name))
        domain = arena_str(arena, buf_str(&name));
    buf_fini(&name);
    return domain;
}

struct authentication *authentication_new(const struct authentication_request *request)
{
    struct authentication *authentication = memory_new(sizeof *authentication);
    struct arena *arena = &authentication->arena;

    authentication->request = *request;
    authentication->request.authserv_id = arena_str(arena, request->authserv_id);
    authentication->request.helo = arena_str(arena, request->helo);
    authentication->request.sender = arena_str(arena, request->sender);
    return authentication;
}

void authentication_free(struct authentication *authentication)
{
    if (authentication == NULL)
        return;
    dkim_fini(&authentication->dkim);
    arc_fini(&authentication->arc);
    body_hashes_fini(&authentication->hashes);
    body_hashes_fini(&authentication->new_hashes);
    dns_answers_fini(&authentication->known);
    buf_fini(&authentication->spf_room);
    arena_fini(&authentication->arena);
    memory_free(authentication);
}

void authentication_header(struct authentication *authentication, struct str header)
{
    struct buf author = { 0 };
    struct arena *arena = &authentication->arena;

    /* First, for there is an end to how many are computed. */
    authentication->sealed_hash =
        authentication->request.may_be_sealed
            ? body_hashes_want(&authentication->hashes, CANONICAL_RELAXED, UINT64_MAX)
            : -1;
    header_parse(arena_str(arena, header), arena, &authentication->header);
    dkim_header(&authentication->dkim, &authentication->header, authentication->request.now_s,
                &authentication->hashes);
    arc_header(&authentication->arc, &authentication->header, &authentication->hashes);
    authentication->author_state = author_domain(&authentication->header, &author);
    if (authentication->author_state == AUTHOR_FOUND)
        authentication->author = arena_str(arena, buf_str(&author));
    buf_fini(&author);
}

static struct body_hashes *hashes_now(struct authentication *authentication)
{
    return authentication->has_new_body ? &authentication->new_hashes : &authentication->hashes;
}

void authentication_body(struct authentication *authentication, struct str bytes)
{
    body_hashes_add(hashes_now(authentication), bytes);
}

void authentication_end(struct authentication *authentication)
{
    body_hashes_end(hashes_now(authentication));
}

void authentication_body_anew(struct authentication *authentication)
{
    body_hashes_fini(&authentication->new_hashes);
    authentication->has_new_body = true;
    if (authentication->sealed_hash >= 0)
        (void)body_hashes_want(&authentication->new_hashes, CANONICAL_RELAXED, UINT64_MAX);
}

void authentication_answer(struct authentication *authentication, struct dns_question question,
                           const struct dns_answer *answer)
{
    dns_answers_add(&authentication->known, question, answer);
}

/* ---- decisions ---- */

/* Of MAIL FROM; of HELO where that is empty (RFC 7208 2.4). */
static bool decide_spf(struct authentication *authentication, struct buf *room,
                       struct dns_question *out_question)
{
    const struct authentication_request *asked = &authentication->request;
    ptrdiff_t at = str_find_last(asked->sender, '@');
    struct spf_request request = {
        .client = asked->client,
        .helo = asked->helo,
        .sender_domain = asked->helo,
        .receiver = asked->authserv_id,
        .now_s = asked->now_s,
    };

    if (authentication->has_spf)
        return true;
    if (at >= 0) {
        request.sender_local = str_first(asked->sender, (size_t)at);
        request.sender_domain = str_skip(asked->sender, (size_t)at + 1);
    }
    authentication->has_spf =
        spf_decide(&request, &authentication->known, &authentication->spf_room,
                   &authentication->results.spf, out_question);
    if (!authentication->has_spf) { /* that room is the verdict's */
        buf_reset(room);
        buf_add(room, out_question->name);
        out_question->name = buf_str(room);
    }
    return authentication->has_spf;
}

static struct str spf_domain(struct authentication *authentication)
{
    const struct authentication_request *asked = &authentication->request;
    struct buf name = { 0 };
    struct str domain = STR_NONE;

    if (asked->sender.len > 0)
        return domain_of(&authentication->arena, asked->sender);
    if (domain_normalise(asked->helo, &name))
        domain = arena_str(&authentication->arena, buf_str(&name));
    buf_fini(&name);
    return domain;
}

static bool decide_dmarc(struct authentication *authentication, struct buf *room,
                         struct dns_question *out_question)
{
    authentication->spf_domain = spf_domain(authentication);
    struct dmarc_request request = {
        .author = authentication->author,
        .spf_domain = authentication->spf_domain,
        .spf_result = authentication->results.spf.result,
        .dkim = authentication->dkim.verdict,
        .dkim_count = authentication->dkim.count,
    };

    if (authentication->author_state == AUTHOR_FOUND)
        return dmarc_decide(&request, &authentication->known, room, &authentication->results.dmarc,
                            out_question);
    authentication->results.dmarc = (struct dmarc_verdict){
        .result = authentication->author_state == AUTHOR_NONE ? DMARC_NONE : DMARC_PERMERROR,
    };
    return true;
}

/* What the author's domain wants is asked before anything that a stranger chose the name of:
 * whoever runs out of time for his own names has not thereby kept us from knowing it. */
static bool ask_policy(struct authentication *authentication, struct buf *room,
                       struct dns_question *out_question)
{
    struct dmarc_request request = { .author = authentication->author };
    struct dmarc_verdict verdict;

    if (!authentication->knows_policy && authentication->author_state == AUTHOR_FOUND &&
        !dmarc_decide(&request, &authentication->known, room, &verdict, out_question))
        return false;
    authentication->knows_policy = true;
    return true;
}

bool authentication_decide(struct authentication *authentication, struct buf *room,
                           struct dns_question *out_question)
{
    struct results *results = &authentication->results;

    if (!ask_policy(authentication, room, out_question) ||
        !decide_spf(authentication, room, out_question) ||
        !dkim_decide(&authentication->dkim, &authentication->hashes, &authentication->known, room,
                     out_question) ||
        !arc_decide(&authentication->arc, &authentication->hashes, &authentication->known, room,
                    out_question) ||
        !decide_dmarc(authentication, room, out_question))
        return false;
    results->authserv_id = authentication->request.authserv_id;
    results->sender = authentication->request.sender;
    results->helo = authentication->request.helo;
    results->author = authentication->author;
    results->dkim = &authentication->dkim;
    results->arc = &authentication->arc;
    return true;
}

/* ---- the seal ---- */

/* Those of RFC 6376 5.4.1 that are there, as often as they are there. */
static void add_sealed_names(const struct header *header, struct buf *out)
{
    static const char *const names[] = {
        "from",         "reply-to",
        "subject",      "date",
        "to",           "cc",
        "message-id",   "in-reply-to",
        "references",   "mime-version",
        "content-type", "content-transfer-encoding",
        "list-id",      "list-unsubscribe",
        "list-post",    "dkim-signature",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (uint32_t k = header_count(header, str_from(names[i])); k > 0; k--)
            buf_add_format(out, "%s%s", out->len > 0 ? ":" : "", names[i]);
    if (out->len == 0) /* a signature must be about From, there or not */
        buf_add(out, STR("from"));
}

bool authentication_add_seal(const struct authentication *authentication,
                             const struct signing_key *key, const struct header *header,
                             struct buf *out)
{
    struct buf names = { 0 };
    struct buf results = { 0 };

    if (authentication->sealed_hash < 0)
        return false;
    const struct body_hash *hash = authentication->has_new_body
                                       ? authentication->new_hashes.item[0]
                                       : authentication->hashes.item[authentication->sealed_hash];
    add_sealed_names(header, &names);
    results_add_value(&results, &authentication->results);
    struct signing signing = {
        .header = header,
        .names = buf_str(&names),
        .body_hash = str_of(hash->value, BODY_HASH_SIZE),
        .now_s = authentication->request.now_s,
    };
    bool is_sealed = signing_add_arc(key, &signing, &authentication->arc, buf_str(&results), out);
    buf_fini(&names);
    buf_fini(&results);
    return is_sealed;
}

bool authentication_proves_sender(const struct authentication *authentication)
{
    struct arena arena = { 0 };
    struct str sender = domain_of(&arena, authentication->request.sender);
    bool is_proved = sender.len > 0 && authentication->results.spf.result == SPF_PASS;

    for (unsigned i = 0; sender.len > 0 && i < authentication->dkim.count && !is_proved; i++) {
        const struct dkim_verdict *verdict = &authentication->dkim.verdict[i];
        struct str signer = organisation_by_list(verdict->domain);
        is_proved = verdict->result == DKIM_PASS &&
                    (str_equals(verdict->domain, sender) ||
                     (signer.len > 0 && str_equals(signer, organisation_by_list(sender))));
    }
    arena_fini(&arena);
    return is_proved;
}
