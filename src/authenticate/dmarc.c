/* SPDX-License-Identifier: ISC */
/* dmarc.c: see dmarc.h. */
#include "authenticate/dmarc.h"

#include "authenticate/organisation.h"

struct run {
    const struct dmarc_request *request;
    const struct dns_answers *known;
    struct buf *room;
    struct organisation author;
    struct dns_question question; /* with ALIGN_ASKS */
};

enum align { ALIGN_NO, ALIGN_YES, ALIGN_ASKS, ALIGN_TEMPERROR };

static bool is_below(struct str name, struct str domain)
{
    return name.len > domain.len && str_ends_nocase(name, domain) &&
           name.ptr[name.len - domain.len - 1] == '.';
}

/* Two names of one organisation by the public suffix list (RFC 7489 3.2). */
static bool same_by_list(struct str a, struct str b)
{
    struct str domain = organisation_by_list(a);
    return domain.len > 0 && str_equals(domain, organisation_by_list(b));
}

/* Relaxed alignment (RFC 9989 4.9): one organisation. Only a name at or below the author's domain
 * can have the same, so that others need no walk. */
static enum align is_same_organisation(struct run *run, struct str name)
{
    struct organisation other;
    struct str domain = run->author.domain;

    if (!run->author.is_sure && same_by_list(name, run->request->author))
        return ALIGN_YES;
    if (!str_equals(name, domain) && !is_below(name, domain))
        return ALIGN_NO;
    switch (organisation_find(name, run->known, run->room, &other, &run->question)) {
    case ORGANISATION_ASKS:
        return ALIGN_ASKS;
    case ORGANISATION_TEMPERROR:
        return ALIGN_TEMPERROR;
    case ORGANISATION_FOUND:
        break;
    }
    return str_equals(other.domain, domain) ? ALIGN_YES : ALIGN_NO;
}

static enum align is_aligned(struct run *run, struct str name, bool is_strict)
{
    if (str_equals(name, run->request->author))
        return ALIGN_YES;
    return is_strict ? ALIGN_NO : is_same_organisation(run, name);
}

static enum align align_dkim(struct run *run, bool is_strict)
{
    enum align worst = ALIGN_NO;

    for (unsigned i = 0; i < run->request->dkim_count; i++) {
        const struct dkim_verdict *verdict = &run->request->dkim[i];
        if (verdict->result != DKIM_PASS && verdict->result != DKIM_TEMPERROR)
            continue;
        enum align align = is_aligned(run, verdict->domain, is_strict);
        if (align == ALIGN_YES && verdict->result == DKIM_TEMPERROR)
            align = ALIGN_TEMPERROR; /* it may have been good */
        if (align == ALIGN_YES || align == ALIGN_ASKS)
            return align;
        if (align == ALIGN_TEMPERROR)
            worst = align;
    }
    return worst;
}

static enum align align_spf(struct run *run, bool is_strict)
{
    const struct dmarc_request *request = run->request;

    if (request->spf_domain.len == 0 ||
        (request->spf_result != SPF_PASS && request->spf_result != SPF_TEMPERROR))
        return ALIGN_NO;
    enum align align = is_aligned(run, request->spf_domain, is_strict);
    return align == ALIGN_YES && request->spf_result == SPF_TEMPERROR ? ALIGN_TEMPERROR : align;
}

/* Does the author's domain exist at all? Asked only where np= makes a difference. */
static enum align exists(struct run *run)
{
    static const enum dns_type type[] = { DNS_A, DNS_AAAA, DNS_MX };

    for (size_t i = 0; i < sizeof type / sizeof type[0]; i++) {
        struct dns_question question = { run->request->author, type[i] };
        const struct dns_answer *answer = dns_answers_find(run->known, question);
        if (answer == NULL) {
            run->question = question;
            return ALIGN_ASKS;
        }
        if (answer->status == DNS_NO_NAME)
            return ALIGN_NO;
        if (answer->status != DNS_NODATA)
            return ALIGN_YES;
    }
    return ALIGN_YES; /* something is there, if none of these */
}

/* The record that speaks for the author (4.10.1): its own, its organisation's, that of the suffix
 * above. NULL: nobody does. */
static const struct dmarc_record *record_for(const struct run *run, struct str *out_domain)
{
    const struct organisation *author = &run->author;

    if (author->has_own) {
        *out_domain = run->request->author;
        return &author->own;
    }
    if (author->has_record) {
        *out_domain = author->domain;
        return &author->record;
    }
    *out_domain = author->suffix;
    return author->has_suffix ? &author->suffix_record : NULL;
}

/* p=, sp= or np=. False: it must be asked first. */
static bool choose_policy(struct run *run, const struct dmarc_record *record, struct str domain,
                          enum dmarc_policy *out_policy)
{
    *out_policy = record->policy;
    if (str_equals(domain, run->request->author))
        return true;
    *out_policy = record->below;
    if (record->below_not_there == record->below)
        return true;
    switch (exists(run)) {
    case ALIGN_ASKS:
        return false;
    case ALIGN_NO:
        *out_policy = record->below_not_there;
        return true;
    default:
        return true;
    }
}

static enum dmarc_policy one_step_less(enum dmarc_policy policy)
{
    return policy == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE : DMARC_POLICY_NONE;
}

/* False: something must be asked first. */
static bool judge(struct run *run, struct dmarc_verdict *verdict)
{
    const struct dmarc_record *record = record_for(run, &verdict->record_domain);

    if (record == NULL) {
        verdict->result = DMARC_NONE;
        return true;
    }
    verdict->record = *record;
    if (!choose_policy(run, record, verdict->record_domain, &verdict->published))
        return false;
    verdict->wanted = record->is_testing ? one_step_less(verdict->published) : verdict->published;
    enum align spf = align_spf(run, record->is_spf_strict);
    if (spf == ALIGN_ASKS)
        return false;
    enum align dkim = align_dkim(run, record->is_dkim_strict);
    if (dkim == ALIGN_ASKS)
        return false;
    verdict->is_spf_aligned = spf == ALIGN_YES;
    verdict->is_dkim_aligned = dkim == ALIGN_YES;
    if (verdict->is_spf_aligned || verdict->is_dkim_aligned)
        verdict->result = DMARC_PASS;
    else if (spf == ALIGN_TEMPERROR || dkim == ALIGN_TEMPERROR)
        verdict->result = DMARC_TEMPERROR;
    else
        verdict->result = DMARC_FAIL;
    return true;
}

static void give_question(struct run *run, struct dns_question *out_question)
{
    if (run->question.name.ptr != run->room->ptr) { /* else it lives there already */
        buf_reset(run->room);
        buf_add(run->room, run->question.name);
    }
    *out_question = (struct dns_question){ buf_str(run->room), run->question.type };
}

/* Is one of the names the author's own? Then nobody needs to know where its organisation begins. */
static bool is_exact(const struct dmarc_request *request, struct dmarc_verdict *verdict)
{
    verdict->is_spf_aligned = request->spf_result == SPF_PASS && request->spf_domain.len > 0 &&
                              str_equals(request->spf_domain, request->author);
    for (unsigned i = 0; i < request->dkim_count; i++)
        if (request->dkim[i].result == DKIM_PASS &&
            str_equals(request->dkim[i].domain, request->author))
            verdict->is_dkim_aligned = true;
    return verdict->is_spf_aligned || verdict->is_dkim_aligned;
}

/* As the public suffix list has it. A record in between may say otherwise; where this is used, that
 * would change nothing but what the domain's owner is told. */
static bool is_likely_aligned(struct str author, struct str name, bool is_strict)
{
    return str_equals(name, author) ||
           (!is_strict && (is_below(name, author) || same_by_list(name, author)));
}

/* One exact name decides, but the other method may have done its part, too. */
static void note_others(const struct dmarc_request *request, struct dmarc_verdict *verdict)
{
    const struct dmarc_record *record = &verdict->record;

    if (request->spf_result == SPF_PASS && request->spf_domain.len > 0)
        verdict->is_spf_aligned =
            is_likely_aligned(request->author, request->spf_domain, record->is_spf_strict);
    for (unsigned i = 0; i < request->dkim_count && !verdict->is_dkim_aligned; i++)
        verdict->is_dkim_aligned =
            request->dkim[i].result == DKIM_PASS &&
            is_likely_aligned(request->author, request->dkim[i].domain, record->is_dkim_strict);
}

/* By the author's own record, which most have. */
static enum organisation_state decide_by_own(struct run *run, struct dmarc_verdict *verdict,
                                             bool *out_is_decided)
{
    struct dmarc_record record;
    bool has = false;
    enum organisation_state state = organisation_own(run->request->author, run->known, run->room,
                                                     &has, &record, &run->question);

    *out_is_decided = state == ORGANISATION_TEMPERROR;
    if (*out_is_decided)
        verdict->result = DMARC_TEMPERROR;
    if (state != ORGANISATION_FOUND || !has || !is_exact(run->request, verdict))
        return state;
    verdict->result = DMARC_PASS;
    verdict->record_domain = run->request->author;
    verdict->record = record;
    note_others(run->request, verdict);
    verdict->published = record.policy;
    verdict->wanted = record.is_testing ? one_step_less(record.policy) : record.policy;
    *out_is_decided = true;
    return state;
}

bool dmarc_decide(const struct dmarc_request *request, const struct dns_answers *known,
                  struct buf *room, struct dmarc_verdict *out_verdict,
                  struct dns_question *out_question)
{
    struct run run = { .request = request, .known = known, .room = room };
    struct dmarc_verdict verdict = { 0 };
    bool is_decided;

    if (decide_by_own(&run, &verdict, &is_decided) == ORGANISATION_ASKS) {
        give_question(&run, out_question);
        return false;
    }
    if (is_decided) {
        *out_verdict = verdict;
        return true;
    }
    switch (organisation_find(request->author, known, room, &run.author, &run.question)) {
    case ORGANISATION_ASKS:
        give_question(&run, out_question);
        return false;
    case ORGANISATION_TEMPERROR:
        verdict.result = DMARC_TEMPERROR;
        *out_verdict = verdict;
        return true;
    case ORGANISATION_FOUND:
        break;
    }
    if (!judge(&run, &verdict)) {
        give_question(&run, out_question);
        return false;
    }
    *out_verdict = verdict; /* its domain is a part of the request's */
    return true;
}

const char *dmarc_result_name(enum dmarc_result result)
{
    static const char *const name[] = {
        [DMARC_NONE] = "none",           [DMARC_PASS] = "pass",           [DMARC_FAIL] = "fail",
        [DMARC_TEMPERROR] = "temperror", [DMARC_PERMERROR] = "permerror",
    };
    return name[result];
}
