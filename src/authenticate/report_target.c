/* SPDX-License-Identifier: ISC */
/* report_target.c: see report_target.h. */
#include "authenticate/report_target.h"

#include "authenticate/organisation.h"
#include "authenticate/tag_list.h"
#include "mail/address.h"
#include "mail/domain.h"

/* ---- rua= ---- */

static unsigned hex_value(char c)
{
    return ascii_is_digit(c) ? (unsigned)(c - '0') : (unsigned)(ascii_lower(c) - 'a') + 10;
}

/* False: a percent sign that means nothing (RFC 3986 2.1). */
static bool decode_percent(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (text.len - i < 3 || !ascii_is_hex(text.ptr[i + 1]) ||
                !ascii_is_hex(text.ptr[i + 2]))
                return false;
            c = (char)(hex_value(text.ptr[i + 1]) << 4 | hex_value(text.ptr[i + 2]));
            i += 2;
        }
        buf_add_byte(out, c);
    }
    return true;
}

/* "10m", "5000": digits and perhaps a unit of 1024 and its powers. */
static bool parse_size(struct str text, uint64_t *out_size)
{
    unsigned shift = 0;
    uint64_t size;

    if (text.len > 0 && ascii_is_alpha(text.ptr[text.len - 1])) {
        ptrdiff_t unit = str_find(STR("kmgt"), ascii_lower(text.ptr[text.len - 1]));
        if (unit < 0)
            return false;
        shift = 10 * ((unsigned)unit + 1);
        text.len--;
    }
    if (!str_to_u64(text, UINT64_MAX >> shift, &size))
        return false;
    *out_size = size << shift;
    return true;
}

/* A mailbox that can stand in a header between angle brackets: no quoted spaces, no literals. */
static bool parse_mailbox(struct str text, struct arena *arena, struct report_target *target)
{
    struct address address;
    struct buf domain = { 0 };

    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    bool is_good = address_parse(text, 0, &address) && domain_normalise(address.domain, &domain);
    if (is_good) {
        target->domain = arena_str(arena, buf_str(&domain));
        buf_reset(&domain);
        buf_add(&domain, address.local);
        buf_add_byte(&domain, '@');
        buf_add(&domain, target->domain);
        target->address = arena_str(arena, buf_str(&domain));
    }
    buf_fini(&domain);
    return is_good;
}

/* mailto:postmaster@example.com?subject=… !10m; commas and exclamation marks of an address are
 * encoded. What follows a question mark is not ours to heed. */
bool report_target_parse(struct str uri, struct arena *arena, struct report_target *out_target)
{
    static const struct str scheme = { "mailto:", 7 };
    struct buf mailbox = { 0 };
    struct str rest = STR_NONE;

    if (!str_starts_nocase(uri, scheme))
        return false;
    uri = str_skip(uri, scheme.len);
    ptrdiff_t mark = str_find_last(uri, '!');
    out_target->size_max = UINT64_MAX;
    if (mark >= 0) {
        if (!parse_size(str_skip(uri, (size_t)mark + 1), &out_target->size_max))
            return false;
        uri = str_first(uri, (size_t)mark);
    }
    rest = uri;
    (void)str_cut(&rest, '?', &uri);
    bool is_good =
        decode_percent(uri, &mailbox) && parse_mailbox(buf_str(&mailbox), arena, out_target);
    buf_fini(&mailbox);
    return is_good;
}

/* Nobody is written to twice: the larger limit stands. */
static void add_target(struct report_targets *targets, const struct report_target *target)
{
    for (unsigned i = 0; i < targets->count; i++) {
        struct report_target *other = &targets->target[i];
        if (!str_equals(other->address, target->address))
            continue;
        if (other->size_max < target->size_max)
            other->size_max = target->size_max;
        return;
    }
    if (targets->count < REPORT_TARGETS_MAX)
        targets->target[targets->count++] = *target;
}

void report_targets_parse(struct str reports, struct arena *arena,
                          struct report_targets *out_targets)
{
    struct report_target target;
    struct str uri;

    *out_targets = (struct report_targets){ 0 };
    while (tag_cut_word(&reports, ',', &uri))
        if (report_target_parse(uri, arena, &target))
            add_target(out_targets, &target);
}

/* ---- consent ---- */

struct run {
    struct str domain; /* where the record was found */
    const struct dns_answers *known;
    struct arena *arena;
    struct buf *room;
    struct dns_question question; /* with CONSENT_ASKS; its name lives in the room */
};

enum consent { CONSENT_NO, CONSENT_YES, CONSENT_ASKS, CONSENT_UNSURE };

static enum consent find_organisation(struct run *run, struct str name, struct str *out_domain)
{
    struct organisation found;

    switch (organisation_find(name, run->known, run->room, &found, &run->question)) {
    case ORGANISATION_ASKS:
        return CONSENT_ASKS;
    case ORGANISATION_TEMPERROR:
        return CONSENT_UNSURE;
    case ORGANISATION_FOUND:
        break;
    }
    *out_domain = found.domain;
    return CONSENT_YES;
}

/* Where the public suffix list sees two organisations nobody needs to walk: to ask for consent that
 * may not be needed harms nobody. */
static enum consent is_inside(struct run *run, struct str host)
{
    struct str ours;
    struct str theirs;

    if (str_equals(host, run->domain))
        return CONSENT_YES;
    struct str listed = organisation_by_list(host);
    if (listed.len == 0 || !str_equals(listed, organisation_by_list(run->domain)))
        return CONSENT_NO;
    enum consent state = find_organisation(run, run->domain, &ours);
    if (state == CONSENT_YES)
        state = find_organisation(run, host, &theirs);
    if (state != CONSENT_YES)
        return state;
    return str_equals(ours, theirs) ? CONSENT_YES : CONSENT_NO;
}

/* What a consent says of where to write instead. False: it is none. */
static bool parse_consent(struct str text, struct str *out_reports)
{
    struct tag_list tags;

    if (!dmarc_record_is_meant(text) || !tag_list_parse(text, &tags))
        return false;
    *out_reports = tag_list_get(&tags, "rua");
    return true;
}

/* With YES, where to write instead; empty: as it was asked for. */
static enum consent ask_consent(struct run *run, struct str host, struct str *out_instead)
{
    enum consent consent = CONSENT_NO;

    buf_reset(run->room);
    buf_add(run->room, run->domain);
    buf_add(run->room, STR("._report._dmarc."));
    buf_add(run->room, host);
    run->question = (struct dns_question){ buf_str(run->room), DNS_TXT };
    if (!dns_name_is_valid(run->question.name))
        return CONSENT_NO;
    const struct dns_answer *answer = dns_answers_find(run->known, run->question);
    if (answer == NULL)
        return CONSENT_ASKS;
    if (answer->status == DNS_FAILED)
        return CONSENT_UNSURE;
    *out_instead = STR_NONE;
    for (uint32_t i = 0; i < answer->record_count; i++) {
        struct str instead;
        if (!parse_consent(answer->record[i].data, &instead))
            continue;
        consent = CONSENT_YES;
        if (out_instead->len == 0)
            *out_instead = instead;
    }
    return consent;
}

/* Those that the host wants to be written to instead; only its own, or none at all. */
static void add_instead(struct run *run, struct str host, struct str instead,
                        struct report_targets *targets)
{
    struct report_targets others;

    report_targets_parse(instead, run->arena, &others);
    for (unsigned i = 0; i < others.count; i++)
        if (!str_equals(others.target[i].domain, host))
            return;
    for (unsigned i = 0; i < others.count; i++)
        add_target(targets, &others.target[i]);
}

static enum consent decide_target(struct run *run, const struct report_target *target,
                                  struct report_targets *targets)
{
    struct str instead = STR_NONE;
    enum consent consent = is_inside(run, target->domain);

    if (consent == CONSENT_NO)
        consent = ask_consent(run, target->domain, &instead);
    if (consent != CONSENT_YES)
        return consent;
    if (instead.len > 0)
        add_instead(run, target->domain, instead, targets);
    else
        add_target(targets, target);
    return consent;
}

bool report_targets_decide(const struct report_policy *policy, const struct dns_answers *known,
                           struct arena *arena, struct buf *room,
                           struct report_targets *out_targets, struct dns_question *out_question)
{
    struct run run = { .domain = policy->domain, .known = known, .arena = arena, .room = room };
    struct report_targets wanted;
    struct report_targets targets = { 0 };

    report_targets_parse(policy->record.reports, arena, &wanted);
    for (unsigned i = 0; i < wanted.count; i++) {
        switch (decide_target(&run, &wanted.target[i], &targets)) {
        case CONSENT_ASKS:
            *out_question = run.question;
            return false;
        case CONSENT_UNSURE:
            targets.is_unsure = true;
            break;
        case CONSENT_YES:
        case CONSENT_NO:
            break;
        }
    }
    *out_targets = targets;
    return true;
}
