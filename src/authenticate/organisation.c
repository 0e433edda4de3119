/* SPDX-License-Identifier: ISC */
/* organisation.c: see organisation.h. */
#include "authenticate/organisation.h"

#include <libpsl.h>
#include <string.h>

#include "mail/domain.h"

enum { LABELS_WALKED_MAX = 8 };

static size_t count_labels(struct str name)
{
    size_t count = name.len > 0 ? 1 : 0;
    for (size_t i = 0; i < name.len; i++)
        count += name.ptr[i] == '.' ? 1 : 0;
    return count;
}

/* Without its first label; empty after the last. */
static struct str parent(struct str name)
{
    ptrdiff_t dot = str_find(name, '.');
    return dot < 0 ? STR_NONE : str_skip(name, (size_t)dot + 1);
}

static struct str last_labels(struct str name, size_t count)
{
    while (count_labels(name) > count)
        name = parent(name);
    return name;
}

/* The one record of a name; two are as none. */
static bool choose(const struct dns_answer *answer, struct dmarc_record *out_record)
{
    const struct str *text = NULL;

    for (uint32_t i = 0; i < answer->record_count; i++) {
        if (!dmarc_record_is_meant(answer->record[i].data))
            continue;
        if (text != NULL)
            return false;
        text = &answer->record[i].data;
    }
    return text != NULL && dmarc_record_parse(*text, out_record);
}

enum organisation_state organisation_own(struct str name, const struct dns_answers *known,
                                         struct buf *room, bool *out_has,
                                         struct dmarc_record *out_record,
                                         struct dns_question *out_question)
{
    buf_reset(room);
    buf_add(room, STR("_dmarc."));
    buf_add(room, name);
    struct dns_question question = { buf_str(room), DNS_TXT };

    *out_has = false;
    if (!dns_name_is_valid(question.name))
        return ORGANISATION_FOUND;
    const struct dns_answer *answer = dns_answers_find(known, question);
    *out_question = question;
    if (answer == NULL)
        return ORGANISATION_ASKS;
    if (answer->status == DNS_FAILED)
        return ORGANISATION_TEMPERROR;
    *out_has = choose(answer, out_record);
    return ORGANISATION_FOUND;
}

/* What one step of the walk says of the organisation. True: the walk ends. */
static bool take_step(struct organisation *found, struct str name, struct str below,
                      const struct dmarc_record *record)
{
    if (record->psd == DMARC_PSD_YES && below.len > 0) { /* the name itself may be a suffix */
        found->has_record = found->has_record && str_equals(found->domain, below);
        found->domain = below;
        found->suffix = name;
        found->suffix_record = *record;
        found->has_suffix = found->is_sure = true;
        return true;
    }
    found->domain = name;
    found->record = *record;
    found->has_record = true;
    found->is_sure = record->psd != DMARC_PSD_UNKNOWN;
    return found->is_sure;
}

/* As libpsl wants it. NULL: too long for a name, or none. */
static const char *terminated(struct str name, char room[DOMAIN_SIZE_MAX + 1])
{
    if (name.len == 0 || name.len > DOMAIN_SIZE_MAX)
        return NULL;
    memcpy(room, name.ptr, name.len);
    room[name.len] = '\0';
    return room;
}

static bool is_suffix(struct str name)
{
    char room[DOMAIN_SIZE_MAX + 1];
    const char *text = terminated(name, room);
    const psl_ctx_t *list = psl_builtin();

    return text != NULL && list != NULL && psl_is_public_suffix(list, text) != 0;
}

/* A question without an answer ends the walk only below what is known already: above it, and at a
 * public suffix, hardly anybody says anything. */
static bool may_miss(const struct organisation *found, struct str at)
{
    return found->has_record || is_suffix(at);
}

enum organisation_state organisation_find(struct str name, const struct dns_answers *known,
                                          struct buf *room, struct organisation *out_organisation,
                                          struct dns_question *out_question)
{
    struct organisation found = { .domain = name };
    struct str below = STR_NONE;
    struct str at = name;

    while (at.len > 0) {
        struct dmarc_record record;
        bool has;
        enum organisation_state state =
            organisation_own(at, known, room, &has, &record, out_question);
        if (state == ORGANISATION_ASKS || (state != ORGANISATION_FOUND && !may_miss(&found, at)))
            return state;
        if (has && below.len == 0) {
            found.has_own = true;
            found.own = record;
        }
        if (has && take_step(&found, at, below, &record))
            break;
        below = at;
        at = parent(at);
        if (below.ptr == name.ptr && count_labels(name) > LABELS_WALKED_MAX)
            at = last_labels(name, LABELS_WALKED_MAX - 1);
    }
    *out_organisation = found;
    return ORGANISATION_FOUND;
}

struct str organisation_by_list(struct str name)
{
    char room[DOMAIN_SIZE_MAX + 1];
    const char *text = terminated(name, room);
    const psl_ctx_t *list = psl_builtin();
    const char *domain = text != NULL && list != NULL ? psl_registrable_domain(list, text) : NULL;

    return domain != NULL ? str_skip(name, (size_t)(domain - text)) : STR_NONE;
}
