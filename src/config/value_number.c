/* SPDX-License-Identifier: ISC */
/* value_number.c: numbers with bounds and units, settings of domains; see value.h. */
#include "config/value.h"

#include <inttypes.h>

#include "config/unit.h"

static enum setting_unit unit_of(const struct config_item *item)
{
    return item->type == CONFIG_DURATION ? UNIT_DURATION
           : item->type == CONFIG_BYTES  ? UNIT_BYTES
                                         : UNIT_NUMBER;
}

static bool parse_bounded(const struct config_item *item, struct str text, int64_t *out_value,
                          struct buf *why)
{
    enum setting_unit unit = unit_of(item);

    if (!unit_parse(unit, text, out_value)) {
        buf_add_format(why, "%s", unit_example(unit));
        return false;
    }
    if (*out_value < item->min || *out_value > item->max) {
        buf_add(why, STR("a value between "));
        unit_add_text(why, unit, item->min);
        buf_add(why, STR(" and "));
        unit_add_text(why, unit, item->max);
        return false;
    }
    return true;
}

static bool parse_number(struct place place, struct str text, struct buf *why)
{
    int64_t value;
    bool ok = parse_bounded(place.item, text, &value, why);

    if (ok)
        *(int64_t *)place.at = value;
    return ok;
}

static void dump_number(const struct config_item *item, const void *at, struct buf *out)
{
    unit_add_text(out, unit_of(item), *(const int64_t *)at);
}

static void encode_number(const struct config_item *item, const void *at, struct buf *out)
{
    (void)item;
    buf_add_u64(out, (uint64_t) * (const int64_t *)at);
}

static bool decode_number(struct place place, struct cursor *cursor)
{
    int64_t value = (int64_t)cursor_u64(cursor);

    *(int64_t *)place.at = value;
    return cursor_ok(cursor) && value >= place.item->min && value <= place.item->max;
}

static bool parse_count(struct place place, struct str text, struct buf *why)
{
    int64_t value;
    bool ok = parse_bounded(place.item, text, &value, why);

    if (ok)
        *(uint32_t *)place.at = (uint32_t)value;
    return ok;
}

static void dump_count(const struct config_item *item, const void *at, struct buf *out)
{
    (void)item;
    buf_add_format(out, "%" PRIu32, *(const uint32_t *)at);
}

static void encode_count(const struct config_item *item, const void *at, struct buf *out)
{
    (void)item;
    buf_add_u32(out, *(const uint32_t *)at);
}

static bool decode_count(struct place place, struct cursor *cursor)
{
    uint32_t value = cursor_u32(cursor);

    *(uint32_t *)place.at = value;
    return cursor_ok(cursor) && value >= place.item->min && value <= place.item->max;
}

/* ---- settings of domains ---- */

/* As setting_parse(), but "write … instead" stands before the reason already. */
static bool parse_setting(struct place place, struct str text, struct buf *why)
{
    enum setting setting = place.item->setting;
    const struct setting_rule *rule = setting_rule(setting);
    struct config_item bounds = { .min = rule->min, .max = rule->max };
    struct buf unused = { 0 };
    int64_t value;
    bool ok = setting_parse(place.at, setting, text, &unused);

    buf_fini(&unused);
    if (ok)
        return true;
    if (setting_has_bounds(setting)) {
        bounds.type = rule->unit == UNIT_DURATION ? CONFIG_DURATION
                      : rule->unit == UNIT_BYTES  ? CONFIG_BYTES
                                                  : CONFIG_NUMBER;
        return parse_bounded(&bounds, text, &value, why);
    }
    buf_add(why, rule->unit == UNIT_WORD ? STR("one of ") : STR(""));
    setting_add_range(why, setting);
    return false;
}

static void dump_setting(const struct config_item *item, const void *at, struct buf *out)
{
    bool has_commas =
        setting_is_text(item->setting) || setting_rule(item->setting)->unit == UNIT_WORDS;

    if (has_commas)
        buf_add_byte(out, '"');
    setting_add_text(out, item->setting, NULL, at);
    if (has_commas)
        buf_add_byte(out, '"');
}

static void encode_setting(const struct config_item *item, const void *at, struct buf *out)
{
    const struct domain_settings *settings = at;

    buf_add_u8(out, settings->is_set[item->setting]);
    if (setting_is_text(item->setting))
        buf_add_counted(out, setting_text(NULL, settings, item->setting));
    else
        buf_add_u64(out, (uint64_t)settings->value[item->setting]);
}

static bool decode_setting(struct place place, struct cursor *cursor)
{
    struct domain_settings *settings = place.at;
    enum setting setting = place.item->setting;
    bool is_set = cursor_u8(cursor) != 0;
    bool is_fine = setting_is_text(setting)
                       ? setting_put_text(settings, setting, cursor_counted(cursor))
                       : setting_put_number(settings, setting, (int64_t)cursor_u64(cursor));

    settings->is_set[setting] = is_set && is_fine;
    return cursor_ok(cursor) && (is_fine || !is_set);
}

/* ---- the types ---- */

const struct value_type value_number = { false, parse_number, dump_number, encode_number,
                                         decode_number };
const struct value_type value_count = { false, parse_count, dump_count, encode_count,
                                        decode_count };
const struct value_type value_setting = { false, parse_setting, dump_setting, encode_setting,
                                          decode_setting };
