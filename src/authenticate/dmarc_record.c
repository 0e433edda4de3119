/* SPDX-License-Identifier: ISC */
/* dmarc_record.c: see dmarc_record.h. */
#include "authenticate/dmarc_record.h"

#include "authenticate/tag_list.h"

static bool parse_policy(struct str text, enum dmarc_policy *out_policy)
{
    for (int i = DMARC_POLICY_NONE; i <= DMARC_POLICY_REJECT; i++) {
        if (!str_equals_nocase(text, str_from(dmarc_policy_name((enum dmarc_policy)i))))
            continue;
        *out_policy = (enum dmarc_policy)i;
        return true;
    }
    return false;
}

bool dmarc_record_is_meant(struct str text)
{
    struct str first;

    (void)str_cut(&text, ';', &first);
    ptrdiff_t equals = str_find(first, '=');
    return equals >= 0 && str_equals(str_trim(str_first(first, (size_t)equals)), STR("v")) &&
           str_equals(str_trim(str_skip(first, (size_t)equals + 1)), STR("DMARC1"));
}

static bool is_said(const struct tag_list *tags, const char *name, struct str value)
{
    return str_equals_nocase(tag_list_get(tags, name), value);
}

bool dmarc_record_parse(struct str text, struct dmarc_record *out_record)
{
    struct dmarc_record record = { 0 };
    struct tag_list tags;

    if (!dmarc_record_is_meant(text) || !tag_list_parse(text, &tags))
        return false;
    record.reports = tag_list_get(&tags, "rua");
    if (!parse_policy(tag_list_get(&tags, "p"), &record.policy)) {
        if (record.reports.len == 0)
            return false;
        record.policy = DMARC_POLICY_NONE; /* its owner at least wants reports */
    }
    if (!parse_policy(tag_list_get(&tags, "sp"), &record.below))
        record.below = record.policy;
    if (!parse_policy(tag_list_get(&tags, "np"), &record.below_not_there))
        record.below_not_there = record.below;
    record.is_spf_strict = is_said(&tags, "aspf", STR("s"));
    record.is_dkim_strict = is_said(&tags, "adkim", STR("s"));
    record.is_testing = is_said(&tags, "t", STR("y")) ||
                        (!tag_list_has(&tags, "t") && is_said(&tags, "pct", STR("0")));
    if (is_said(&tags, "psd", STR("y")))
        record.psd = DMARC_PSD_YES;
    else if (is_said(&tags, "psd", STR("n")))
        record.psd = DMARC_PSD_NO;
    *out_record = record;
    return true;
}

const char *dmarc_policy_name(enum dmarc_policy policy)
{
    static const char *const name[] = {
        [DMARC_POLICY_NONE] = "none",
        [DMARC_POLICY_QUARANTINE] = "quarantine",
        [DMARC_POLICY_REJECT] = "reject",
    };
    return name[policy];
}
