/* SPDX-License-Identifier: ISC */
/* mta_sts.c: see mta_sts.h. */
#include "wire/mta_sts.h"

#include "mail/domain.h"
#include "wire/txt_fields.h"

enum { AGE_DIGITS = 10 };

/* ---- the record ---- */

static bool is_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!ascii_is_alnum(id.ptr[i]))
            return false;
    return id.len > 0 && id.len <= STS_ID_MAX;
}

static bool take_field(struct str name, struct str value, struct str *id)
{
    if (!str_equals(name, STR("id")))
        return txt_field_is_extension(value);
    if (id->ptr != NULL || !is_id(value))
        return false;
    *id = value;
    return true;
}

bool sts_record_parse(struct str text, struct str *out_id)
{
    struct str fields = STR_NONE;
    struct str name = STR_NONE;
    struct str value = STR_NONE;
    struct str id = STR_NONE;
    enum txt_field field = TXT_FIELDS_BAD;

    if (!txt_fields_open(text, STR("v=STSv1"), &fields))
        return false;
    while ((field = txt_fields_next(&fields, &name, &value)) == TXT_FIELD)
        if (!take_field(name, value, &id))
            return false;
    if (field == TXT_FIELDS_BAD || id.ptr == NULL)
        return false;
    *out_id = id;
    return true;
}

/* ---- the policy ---- */

struct reading { /* what was there; of what may be there once, the first counts */
    bool has_version, has_mode, has_age;
    struct sts_policy *policy;
};

static bool take_version(struct reading *reading, struct str value)
{
    if (reading->has_version)
        return true;
    reading->has_version = true;
    return str_equals(value, STR("STSv1"));
}

static bool take_mode(struct reading *reading, struct str value)
{
    static const struct {
        struct str name;
        enum sts_mode mode;
    } modes[] = {
        { { "none", 4 }, STS_NONE },
        { { "testing", 7 }, STS_TESTING },
        { { "enforce", 7 }, STS_ENFORCE },
    };

    if (reading->has_mode)
        return true;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (str_equals(value, modes[i].name)) {
            reading->policy->mode = modes[i].mode;
            reading->has_mode = true;
        }
    return reading->has_mode;
}

static bool take_age(struct reading *reading, struct str value)
{
    uint64_t age = 0;

    if (reading->has_age)
        return true;
    if (value.len > AGE_DIGITS || !str_to_u64(value, UINT64_MAX, &age))
        return false;
    reading->policy->max_age_s = age < STS_MAX_AGE_MAX_S ? (uint32_t)age : STS_MAX_AGE_MAX_S;
    reading->has_age = true;
    return true;
}

static bool take_mx(struct reading *reading, struct str value)
{
    struct sts_policy *policy = reading->policy;
    struct str name = str_starts(value, STR("*.")) ? str_skip(value, 2) : value;

    if (!domain_is_valid(name))
        return false;
    if (policy->mx_count < STS_MX_MAX)
        policy->mx[policy->mx_count++] = value;
    return true;
}

/* Whatever people may read, in UTF-8. */
static bool is_extension(struct str name, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return txt_field_is_name(name) && value.len > 0;
}

static bool take_line(struct reading *reading, struct str line)
{
    static const struct {
        struct str name;
        bool (*take)(struct reading *reading, struct str value);
    } fields[] = {
        { { "version", 7 }, take_version },
        { { "mode", 4 }, take_mode },
        { { "max_age", 7 }, take_age },
        { { "mx", 2 }, take_mx },
    };
    struct str name = STR_NONE;

    if (str_find(line, ':') < 0 || !str_cut(&line, ':', &name))
        return false;
    struct str value = str_trim(line);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (str_equals(name, fields[i].name))
            return fields[i].take(reading, value);
    return is_extension(name, value);
}

bool sts_policy_parse(struct str text, struct sts_policy *out_policy)
{
    struct sts_policy policy = { 0 };
    struct reading reading = { .policy = &policy };
    struct str line = STR_NONE;

    if (text.len > STS_POLICY_MAX)
        return false;
    while (text.len > 0 && str_cut(&text, '\n', &line)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len > 0 && !take_line(&reading, line))
            return false;
    }
    *out_policy = policy;
    return reading.has_version && reading.has_mode && reading.has_age &&
           (policy.mode == STS_NONE || policy.mx_count > 0);
}

const char *sts_mode_name(enum sts_mode mode)
{
    static const char *const names[] = { "none", "testing", "enforce" };
    return names[mode];
}

void sts_policy_add_text(struct buf *out, const struct sts_policy *policy)
{
    buf_add_format(out, "version: STSv1\nmode: %s\nmax_age: %u\n", sts_mode_name(policy->mode),
                   (unsigned)policy->max_age_s);
    for (uint32_t i = 0; i < policy->mx_count; i++)
        buf_add_format(out, "mx: %.*s\n", STR_FMT(policy->mx[i]));
}

bool sts_is_media_type(struct str type)
{
    struct str name = STR_NONE;

    return str_cut(&type, ';', &name) && str_equals_nocase(str_trim(name), STR("text/plain"));
}

/* ---- hosts ---- */

/* A star stands for one label, the first (RFC 8461 4.1). Names that end with a dot, as they do in
 * zones, are let pass as policies: then they must name somebody, too. */
static bool matches(struct str pattern, struct str host)
{
    if (!str_starts(pattern, STR("*.")))
        return domain_equals(pattern, host);
    ptrdiff_t dot = str_find(host, '.');
    return dot > 0 && domain_equals(str_skip(host, (size_t)dot + 1), str_skip(pattern, 2));
}

bool sts_policy_names(const struct sts_policy *policy, struct str host)
{
    for (uint32_t i = 0; i < policy->mx_count; i++)
        if (matches(policy->mx[i], host))
            return true;
    return false;
}
