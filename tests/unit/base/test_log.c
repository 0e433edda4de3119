/* SPDX-License-Identifier: ISC */
/* test_log.c: one event is one line, whatever a stranger puts into it. */
#include "testing.h"

#include "base/log.h"

struct lines {
    struct buf last;
    unsigned count;
};

static void keep(void *context, struct str line)
{
    struct lines *lines = context;
    buf_reset(&lines->last);
    buf_add(&lines->last, str_skip(line, 25)); /* the time is not ours to predict */
    lines->count++;
}

static int begin(void **state)
{
    static struct lines lines;
    lines = (struct lines){ 0 };
    log_init("test", LOG_INFO);
    log_set_sink(keep, &lines);
    *state = &lines;
    return 0;
}

static int end(void **state)
{
    struct lines *lines = *state;
    buf_fini(&lines->last);
    log_set_sink(NULL, NULL);
    return 0;
}

static void writes_fields_in_order(void **state)
{
    struct lines *lines = *state;
    log_info("accepted", LOG_TEXT("id", "01K"), LOG_INT("size", -4096), LOG_STR("n", STR("x")));
    assert_str(buf_str(&lines->last), STR("test info accepted id=01K size=-4096 n=x"));
    log_error("failed", LOG_INT("errno", INT64_MIN));
    assert_str(buf_str(&lines->last), STR("test error failed errno=-9223372036854775808"));
}

static void quotes_what_comes_from_outside(void **state)
{
    const struct {
        struct str text;
        struct str want;
    } cases[] = {
        { STR("plain<a@b>"), STR("plain<a@b>") },
        { STR(""), STR("\"\"") },
        { STR_NONE, STR("\"\"") },
        { STR("two words"), STR("\"two words\"") },
        { STR("a=b"), STR("\"a=b\"") },
        { STR("say \"hi\""), STR("\"say \\\"hi\\\"\"") },
        { STR("back\\slash"), STR("\"back\\\\slash\"") },
        { STR("x\r\n2026 forged"), STR("\"x\\u000d\\u000a2026 forged\"") },
        { STR("nul\0esc\x1b[2J"), STR("\"nul\\u0000esc\\u001b[2J\"") },
        { STR("\x7f\x80\x9b\xff"), STR("\"\\u007f\\u0080\\u009b\\u00ff\"") },
    };
    struct lines *lines = *state;
    struct buf want = { 0 };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        log_info("event", LOG_STR("f", cases[i].text));
        buf_reset(&want);
        buf_add(&want, STR("test info event f="));
        buf_add(&want, cases[i].want);
        assert_str(buf_str(&lines->last), buf_str(&want));
    }
    buf_fini(&want);
}

static void keeps_to_its_level(void **state)
{
    struct lines *lines = *state;
    enum log_level level = LOG_INFO;
    log_debug("quiet", LOG_INT("n", 1));
    assert_int_equal(lines->count, 0);
    assert_true(log_level_from(STR("debug"), &level));
    log_set_level(level);
    log_debug("heard", LOG_INT("n", 1));
    assert_int_equal(lines->count, 1);
    assert_true(log_level_from(STR("error"), &level));
    log_set_level(level);
    log_warn("quiet", LOG_INT("n", 1));
    assert_int_equal(lines->count, 1);
    assert_false(log_level_from(STR("loud"), &level));
    assert_false(log_level_from(STR(""), &level));
    assert_int_equal(level, LOG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_fields_in_order, begin, end),
        cmocka_unit_test_setup_teardown(quotes_what_comes_from_outside, begin, end),
        cmocka_unit_test_setup_teardown(keeps_to_its_level, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
