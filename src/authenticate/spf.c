/* SPDX-License-Identifier: ISC */
/* spf.c: see spf.h.
 *
 * check_host() of RFC 7208 4, which calls itself for include and redirect. Whatever needs an answer
 * that is not there ends with MATCH_ASK, all the way up.
 */
#include "authenticate/spf.h"

#include <string.h>

#include "authenticate/spf_macro.h"
#include "authenticate/spf_record.h"
#include "base/check.h"

enum {
    TERMS_MAX = 10, /* that ask the DNS (4.6.4) */
    VOIDS_MAX = 2,
    NAMES_MAX = 10, /* of an MX or a PTR */
};

struct run {
    const struct spf_request *request;
    const struct dns_answers *known;
    struct arena arena;
    struct spf_values values;
    unsigned terms;
    unsigned voids;
    struct dns_question question; /* with MATCH_ASK */
    struct str explain;           /* of the record that decided, not yet expanded */
    struct str explain_domain;
    struct str mechanism;
};

/* What looking something up, or a directive, comes to. */
enum match { MATCH_NO, MATCH_YES, MATCH_ASK, MATCH_TEMPERROR, MATCH_PERMERROR };

/* What check_host() comes to: a result, or that something must be asked first. */
struct outcome {
    bool asks;
    enum spf_result result;
};

static struct outcome check_host(struct run *run, struct str domain, bool is_included);

static struct outcome ends(enum spf_result result)
{
    return (struct outcome){ .result = result };
}

static struct outcome ends_with(enum match match)
{
    if (match == MATCH_ASK)
        return (struct outcome){ .asks = true };
    return ends(match == MATCH_TEMPERROR ? SPF_TEMPERROR : SPF_PERMERROR);
}

/* ---- the DNS ---- */

/* NULL: the question must be asked first. What is no name has no records. */
static const struct dns_answer *answer_to(struct run *run, struct str name, enum dns_type type)
{
    static const struct dns_answer nothing = { .status = DNS_NO_NAME };
    struct dns_question question = { name, type };

    if (!dns_name_is_valid(name))
        return &nothing;
    const struct dns_answer *answer = dns_answers_find(run->known, question);
    if (answer == NULL)
        run->question = question;
    return answer;
}

/* For a directive: MATCH_YES with an answer, which may hold no record. */
static enum match look_up(struct run *run, struct str name, enum dns_type type,
                          const struct dns_answer **out_answer)
{
    *out_answer = answer_to(run, name, type);
    if (*out_answer == NULL)
        return MATCH_ASK;
    if ((*out_answer)->status == DNS_FAILED)
        return MATCH_TEMPERROR;
    if ((*out_answer)->status != DNS_FOUND && ++run->voids > VOIDS_MAX)
        return MATCH_PERMERROR;
    return MATCH_YES;
}

static bool same_network(struct endpoint a, struct endpoint b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    if (a.family != b.family || memcmp(a.address, b.address, whole) != 0)
        return false;
    return rest == 0 || (a.address[whole] ^ b.address[whole]) >> (8 - rest) == 0;
}

static bool is_ip4(const struct run *run)
{
    return run->request->client.family == ENDPOINT_IP4;
}

static unsigned prefix(const struct run *run, const struct spf_directive *directive)
{
    return is_ip4(run) ? directive->prefix4 : directive->prefix6;
}

static enum match match_address(struct run *run, struct str name, unsigned bits)
{
    const struct dns_answer *answer;
    enum match found = look_up(run, name, is_ip4(run) ? DNS_A : DNS_AAAA, &answer);

    if (found != MATCH_YES)
        return found;
    for (uint32_t i = 0; i < answer->record_count; i++)
        if (same_network(answer->record[i].address, run->request->client, bits))
            return MATCH_YES;
    return MATCH_NO;
}

/* ---- the validated name (5.5) ---- */

/* Does the client's name lead back to it? Errors count as no. */
static enum match leads_back(struct run *run, struct str name)
{
    const struct dns_answer *answer = answer_to(run, name, is_ip4(run) ? DNS_A : DNS_AAAA);

    if (answer == NULL)
        return MATCH_ASK;
    for (uint32_t i = 0; answer->status == DNS_FOUND && i < answer->record_count; i++)
        if (endpoint_same_address(answer->record[i].address, run->request->client))
            return MATCH_YES;
    return MATCH_NO;
}

static bool is_below(struct str name, struct str domain)
{
    if (!str_ends_nocase(name, domain))
        return false;
    return name.len == domain.len || name.ptr[name.len - domain.len - 1] == '.';
}

/* A name of the client that leads back and is the domain's or below it. With any_too, another one
 * is better than none (the macro %{p}). */
static enum match validated_name(struct run *run, struct str domain, bool any_too,
                                 struct str *out_name)
{
    struct buf reverse = { 0 };
    dns_add_reverse_name(&reverse, run->request->client);
    struct str name = arena_str(&run->arena, buf_str(&reverse));
    buf_fini(&reverse);
    const struct dns_answer *names = answer_to(run, name, DNS_PTR);
    bool found = false;

    if (names == NULL)
        return MATCH_ASK;
    for (uint32_t i = 0; i < names->record_count && i < NAMES_MAX; i++) {
        struct str candidate = names->record[i].name;
        bool is_domains = is_below(candidate, domain);
        if (!is_domains && (!any_too || found))
            continue;
        enum match match = leads_back(run, candidate);
        if (match == MATCH_ASK)
            return match;
        if (match == MATCH_YES)
            *out_name = candidate;
        if (match == MATCH_YES && is_domains)
            return MATCH_YES;
        found = found || match == MATCH_YES;
    }
    return found ? MATCH_YES : MATCH_NO;
}

/* ---- names ---- */

/* MATCH_ASK, or MATCH_YES with %{p} filled in where the text wants it. */
static enum match prepare_values(struct run *run, struct str text, struct str domain)
{
    run->values.domain = domain;
    run->values.validated = STR_NONE;
    if (!spf_macro_wants_validated(text))
        return MATCH_YES;
    enum match match = validated_name(run, domain, true, &run->values.validated);
    return match == MATCH_ASK ? match : MATCH_YES;
}

/* MATCH_ASK, or MATCH_YES with the name that a domain-spec stands for. */
static enum match target_name(struct run *run, struct str spec, struct str domain,
                              struct str *out_name)
{
    struct buf name = { 0 };

    if (spec.len == 0) {
        *out_name = domain;
        return MATCH_YES;
    }
    if (prepare_values(run, spec, domain) == MATCH_ASK)
        return MATCH_ASK;
    spf_macro_expand_name(spec, &run->values, &name);
    *out_name = arena_str(&run->arena, buf_str(&name));
    buf_fini(&name);
    return MATCH_YES;
}

/* ---- directives (5) ---- */

/* 5.2: only a pass is a match; who includes what is no SPF has made an error. */
static enum match match_include(struct run *run, struct str name)
{
    struct outcome outcome = check_host(run, name, true);

    if (outcome.asks)
        return MATCH_ASK;
    switch (outcome.result) {
    case SPF_PASS:
        return MATCH_YES;
    case SPF_FAIL:
    case SPF_SOFTFAIL:
    case SPF_NEUTRAL:
        return MATCH_NO;
    case SPF_TEMPERROR:
        return MATCH_TEMPERROR;
    case SPF_PERMERROR:
    case SPF_NONE:
        break;
    }
    return MATCH_PERMERROR;
}

static enum match match_mx(struct run *run, struct str name, unsigned bits)
{
    const struct dns_answer *hosts;
    enum match found = look_up(run, name, DNS_MX, &hosts);

    if (found != MATCH_YES)
        return found;
    if (hosts->record_count > NAMES_MAX)
        return MATCH_PERMERROR;
    for (uint32_t i = 0; i < hosts->record_count; i++) {
        enum match match = match_address(run, hosts->record[i].name, bits);
        if (match != MATCH_NO)
            return match;
    }
    return MATCH_NO;
}

static enum match match_exists(struct run *run, struct str name)
{
    const struct dns_answer *answer;
    enum match found = look_up(run, name, DNS_A, &answer);

    if (found != MATCH_YES)
        return found;
    return answer->status == DNS_FOUND ? MATCH_YES : MATCH_NO;
}

static enum match match_network(const struct run *run, const struct spf_directive *directive)
{
    bool is_in = same_network(directive->network, run->request->client, prefix(run, directive));
    return is_in ? MATCH_YES : MATCH_NO;
}

static bool asks_the_dns(const struct spf_directive *directive)
{
    return directive->mechanism != SPF_ALL && directive->mechanism != SPF_IP4 &&
           directive->mechanism != SPF_IP6;
}

static enum match match_directive(struct run *run, const struct spf_directive *directive,
                                  struct str domain)
{
    struct str name;

    if (asks_the_dns(directive)) {
        if (++run->terms > TERMS_MAX)
            return MATCH_PERMERROR;
        if (target_name(run, directive->target, domain, &name) == MATCH_ASK)
            return MATCH_ASK;
    }
    switch (directive->mechanism) {
    case SPF_ALL:
        return MATCH_YES;
    case SPF_INCLUDE:
        return match_include(run, name);
    case SPF_A:
        return match_address(run, name, prefix(run, directive));
    case SPF_MX:
        return match_mx(run, name, prefix(run, directive));
    case SPF_PTR:
        return validated_name(run, name, false, &name);
    case SPF_IP4:
    case SPF_IP6:
        return match_network(run, directive);
    case SPF_EXISTS:
        return match_exists(run, name);
    }
    return MATCH_PERMERROR;
}

static enum spf_result result_of(char qualifier)
{
    switch (qualifier) {
    case '-':
        return SPF_FAIL;
    case '~':
        return SPF_SOFTFAIL;
    case '?':
        return SPF_NEUTRAL;
    default:
        return SPF_PASS;
    }
}

/* ---- check_host() ---- */

/* The one record among the TXT records (4.5). MATCH_NO: none. */
static enum match choose_record(const struct dns_answer *answer, struct str *out_text)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < answer->record_count; i++) {
        if (!spf_record_is_meant(answer->record[i].data))
            continue;
        *out_text = answer->record[i].data;
        count++;
    }
    if (count == 0)
        return MATCH_NO;
    return count == 1 ? MATCH_YES : MATCH_PERMERROR;
}

static struct outcome follow_redirect(struct run *run, const struct spf_record *record,
                                      struct str domain, bool is_included)
{
    struct str name;

    if (++run->terms > TERMS_MAX)
        return ends(SPF_PERMERROR);
    if (target_name(run, record->redirect, domain, &name) == MATCH_ASK)
        return ends_with(MATCH_ASK);
    struct outcome outcome = check_host(run, name, is_included);
    if (!outcome.asks && outcome.result == SPF_NONE)
        return ends(SPF_PERMERROR);
    return outcome;
}

static struct outcome evaluate(struct run *run, const struct spf_record *record, struct str domain,
                               bool is_included)
{
    for (unsigned i = 0; i < record->count; i++) {
        const struct spf_directive *directive = &record->directive[i];
        enum match match = match_directive(run, directive, domain);
        if (match == MATCH_NO)
            continue;
        if (!is_included)
            run->mechanism = directive->text;
        if (match != MATCH_YES)
            return ends_with(match);
        if (!is_included) {
            run->explain = record->explain;
            run->explain_domain = domain;
        }
        return ends(result_of(directive->qualifier));
    }
    if (record->redirect.len > 0)
        return follow_redirect(run, record, domain, is_included);
    return ends(SPF_NEUTRAL);
}

/* As deep as there may be terms. */
static struct outcome check_host(struct run *run, struct str domain, bool is_included)
{
    struct spf_record record;
    struct str text;

    if (!dns_name_is_valid(domain) || str_find(domain, '.') < 0)
        return ends(SPF_NONE);
    const struct dns_answer *answer = answer_to(run, domain, DNS_TXT);
    if (answer == NULL)
        return ends_with(MATCH_ASK);
    if (answer->status == DNS_FAILED)
        return ends(SPF_TEMPERROR);
    switch (choose_record(answer, &text)) {
    case MATCH_NO:
        return ends(SPF_NONE);
    case MATCH_YES:
        break;
    default:
        return ends(SPF_PERMERROR);
    }
    if (!spf_record_parse(text, &run->arena, &record))
        return ends(SPF_PERMERROR);
    return evaluate(run, &record, domain, is_included);
}

/* ---- the whole ---- */

/* What the domain's owner says to those who fail (6.2). MATCH_YES: *out_text; any trouble: none. */
static enum match explain(struct run *run, struct str *out_text)
{
    struct buf text = { 0 };
    struct str name;

    if (run->explain.len == 0)
        return MATCH_NO;
    if (target_name(run, run->explain, run->explain_domain, &name) == MATCH_ASK)
        return MATCH_ASK;
    const struct dns_answer *answer = answer_to(run, name, DNS_TXT);
    if (answer == NULL)
        return MATCH_ASK;
    if (answer->status != DNS_FOUND || answer->record_count != 1 ||
        !spf_explanation_is_valid(answer->record[0].data))
        return MATCH_NO;
    if (prepare_values(run, answer->record[0].data, run->explain_domain) == MATCH_ASK)
        return MATCH_ASK;
    spf_macro_expand(answer->record[0].data, &run->values, &text);
    *out_text = arena_str(&run->arena, buf_str(&text));
    buf_fini(&text);
    return MATCH_YES;
}

/* Both texts into `room`, which may move while it grows. */
static void give_texts(const struct run *run, struct str explanation, struct buf *room,
                       struct spf_verdict *verdict)
{
    size_t split = run->mechanism.len;

    buf_add(room, run->mechanism);
    buf_add(room, explanation);
    verdict->mechanism = str_first(buf_str(room), split);
    verdict->explanation = str_skip(buf_str(room), split);
}

static void set_values(struct run *run, struct str domain)
{
    const struct spf_request *request = run->request;

    run->values = (struct spf_values){
        .client = request->client,
        .sender_local = request->sender_local.len > 0 ? request->sender_local : STR("postmaster"),
        .sender_domain = domain,
        .helo = request->helo,
        .receiver = request->receiver,
        .now_s = request->now_s,
    };
}

/* Lower case, without a final dot. */
static struct str normal_name(struct arena *arena, struct str name)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    char *copy = arena_new(arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        copy[i] = ascii_lower(name.ptr[i]);
    return str_of(copy, name.len);
}

bool spf_decide(const struct spf_request *request, const struct dns_answers *known,
                struct buf *room, struct spf_verdict *out_verdict,
                struct dns_question *out_question)
{
    struct run run = { .request = request, .known = known };
    struct str domain = normal_name(&run.arena, request->sender_domain);
    struct str explanation = STR_NONE;

    buf_reset(room);
    set_values(&run, domain);
    struct outcome outcome = check_host(&run, domain, false);
    if (!outcome.asks && outcome.result == SPF_FAIL)
        outcome.asks = explain(&run, &explanation) == MATCH_ASK;
    if (outcome.asks) {
        buf_add(room, run.question.name);
        *out_question = (struct dns_question){ buf_str(room), run.question.type };
    } else {
        out_verdict->result = outcome.result;
        give_texts(&run, explanation, room, out_verdict);
    }
    arena_fini(&run.arena);
    return !outcome.asks;
}

const char *spf_result_name(enum spf_result result)
{
    static const char *const name[] = {
        [SPF_NONE] = "none",           [SPF_NEUTRAL] = "neutral",   [SPF_PASS] = "pass",
        [SPF_FAIL] = "fail",           [SPF_SOFTFAIL] = "softfail", [SPF_TEMPERROR] = "temperror",
        [SPF_PERMERROR] = "permerror",
    };
    return name[result];
}
