/* SPDX-License-Identifier: ISC */
/* test_log.c: one event is one line, whatever a stranger puts into it. */
#include "testing.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
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

/* What reached the other end of the pipe that stands for descriptor 2. */
static size_t drain(int fd, struct buf *out)
{
    buf_reset(out);
    buf_reserve(out, 256 * 1024);
    ssize_t got = read(fd, out->ptr, 256 * 1024);
    out->len = got > 0 ? (size_t)got : 0;
    return out->len;
}

static void held_lines_go_out_together(void **state)
{
    struct buf got = { 0 };
    int fd[2];
    int stderr_fd = dup(STDERR_FILENO);

    (void)state;
    log_init("test", LOG_INFO);
    log_set_sink(NULL, NULL);
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    assert_true(dup2(fd[1], STDERR_FILENO) >= 0);
    log_hold();
    for (int i = 0; i < 100; i++)
        log_info("line", LOG_INT("number", i), LOG_STR("text", STR("0123456789012345678901234")));
    size_t early = drain(fd[0], &got);
    log_flush();
    size_t flushed = drain(fd[0], &got);
    bool is_whole = got.len > 0 && got.ptr[got.len - 1] == '\n';
    log_info("line", LOG_INT("number", 101));
    log_warn("trouble", LOG_INT("number", 102)); /* does not wait, nor does what was before it */
    size_t urgent = drain(fd[0], &got);
    ptrdiff_t first = str_find(buf_str(&got), '\n');
    bool has_both = first > 0 && (size_t)first + 1 < got.len;
    log_flush();
    size_t again = drain(fd[0], &got);
    (void)dup2(stderr_fd, STDERR_FILENO);
    (void)close(stderr_fd);
    (void)close(fd[0]);
    (void)close(fd[1]);
    buf_fini(&got);
    assert_int_equal(early, 0);
    assert_true(flushed > 100 * 60 && is_whole);
    assert_true(urgent > 0 && has_both);
    assert_int_equal(again, 0);
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
        cmocka_unit_test(held_lines_go_out_together), /* the last: this thread goes on holding */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
