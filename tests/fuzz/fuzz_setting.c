/* SPDX-License-Identifier: ISC */
/* fuzz_setting.c: values that people write: settings of a domain, durations, points in time,
 * base64. What is taken lies within its bounds and can be written and read again. */
#include "base/base64.h"
#include "base/check.h"
#include "config/settings.h"
#include "control/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_setting(enum setting setting, struct str text)
{
    const struct setting_rule *rule = setting_rule(setting);
    struct buf why = { 0 };
    struct buf written = { 0 };
    struct domain_settings settings = { 0 };
    struct domain_settings again = { 0 };

    if (setting_parse(&settings, setting, text, &why)) {
        int64_t value = settings.value[setting];
        check(setting_is_text(setting) || (value >= rule->min && value <= rule->max));
        check(why.len == 0);
        setting_add_text(&written, setting, &settings, NULL);
        check(setting_parse(&again, setting, buf_str(&written), &why));
        check(again.value[setting] == value &&
              (!setting_is_text(setting) || str_equals(setting_text(&settings, NULL, setting),
                                                       setting_text(&again, NULL, setting))));
    } else {
        check(why.len > 0);
        for (size_t i = 0; i < why.len; i++)
            check((uint8_t)why.ptr[i] >= ' ' && why.ptr[i] != 0x7f);
    }
    buf_fini(&why);
    buf_fini(&written);
}

static void try_times(struct str text)
{
    static const struct now now = { .mono_ms = 1, .wall_ms = 1763760000000 };
    struct buf written = { 0 };
    int64_t ms = 0;
    int64_t again = 0;

    if (duration_parse(text, &ms)) {
        check(ms >= 0);
        duration_add_text(&written, ms);
        check(duration_parse(buf_str(&written), &again) && again == ms);
        buf_reset(&written);
    }
    if (when_parse(text, now, &ms)) {
        check(ms > -DAY_MS && ms < INT64_C(253402300800000) + DAY_MS); /* until the year 9999 */
        clock_add_iso(&written, ms < 0 ? 0 : ms);
        check(when_parse(buf_str(&written), now, &again));
    }
    buf_fini(&written);
}

static void try_base64(struct str text)
{
    struct buf bytes = { 0 };
    struct buf again = { 0 };

    if (base64_decode(&bytes, text)) {
        base64_add(&again, buf_str(&bytes));
        check(str_equals(buf_str(&again), text));
    } else {
        check(bytes.len == 0);
    }
    buf_reset(&again);
    buf_reset(&bytes);
    base64_add(&again, text);
    check(base64_decode(&bytes, buf_str(&again)) && str_equals(buf_str(&bytes), text));
    buf_fini(&bytes);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);

    for (int i = 0; i < SETTING_COUNT; i++)
        try_setting((enum setting)i, text);
    try_times(text);
    try_base64(text);
    return 0;
}
