/* SPDX-License-Identifier: ISC */
/* test_dot_stuff.c: content as it leaves. Every case is fed in every pair of splits. */
#include "testing.h"

#include "base/random.h"
#include "wire/dot_stuff.h"

static void add_piece(struct buf *out, struct dot_stuff *stuff, struct str piece)
{
    for (;;) {
        struct str run = dot_stuff_next(stuff, &piece);
        if (run.len == 0)
            break;
        buf_add(out, run);
    }
    assert_int_equal(piece.len, 0);
}

static void assert_leaves_as(struct str content, bool keeps_dots, struct str want)
{
    for (size_t a = 0; a <= content.len; a++)
        for (size_t b = a; b <= content.len; b++) {
            struct dot_stuff stuff = { .keeps_dots = keeps_dots };
            struct buf out = { 0 };
            add_piece(&out, &stuff, str_first(content, a));
            add_piece(&out, &stuff, str_first(str_skip(content, a), b - a));
            add_piece(&out, &stuff, str_skip(content, b));
            buf_add(&out, dot_stuff_end(&stuff));
            assert_str(buf_str(&out), want);
            buf_fini(&out);
        }
}

static void doubles_dots_and_mends_line_ends(void **state)
{
    static const struct {
        const char *content, *data, *chunk;
    } cases[] = {
        { "", ".\r\n", "" },
        { "a\r\n", "a\r\n.\r\n", "a\r\n" },
        { "a", "a\r\n.\r\n", "a\r\n" },
        { ".\r\n", "..\r\n.\r\n", ".\r\n" },
        { ".", "..\r\n.\r\n", ".\r\n" },
        { "..", "...\r\n.\r\n", "..\r\n" },
        { "a.b\r\n.c\r\n", "a.b\r\n..c\r\n.\r\n", "a.b\r\n.c\r\n" },
        { "\r\n\r\n", "\r\n\r\n.\r\n", "\r\n\r\n" },
        { "\r\n.\r\n.\r\n", "\r\n..\r\n..\r\n.\r\n", "\r\n.\r\n.\r\n" },
        { "a\nb\rc", "a\r\nb\r\nc\r\n.\r\n", "a\r\nb\r\nc\r\n" },
        { "\r", "\r\n.\r\n", "\r\n" },
        { "\n", "\r\n.\r\n", "\r\n" },
        { "\n\r", "\r\n\r\n.\r\n", "\r\n\r\n" },
        { "\r\r\n", "\r\n\r\n.\r\n", "\r\n\r\n" },
        { "\n\n", "\r\n\r\n.\r\n", "\r\n\r\n" },
        { "a\r\r", "a\r\n\r\n.\r\n", "a\r\n\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_leaves_as(str_from(cases[i].content), false, str_from(cases[i].data));
        assert_leaves_as(str_from(cases[i].content), true, str_from(cases[i].chunk));
    }
}

/* Each way in which an end of data has been smuggled (SPEC R7). */
static void leaves_no_second_end_of_data(void **state)
{
    static const char *const smuggled[] = {
        "a\n.\nMAIL\r\n",       "a\n.\r\nMAIL\r\n", "a\r\n.\nMAIL\r\n",
        "a\r.\rMAIL\r\n",       "a\r.\r\nMAIL\r\n", "a\r\n.\rMAIL\r\n",
        "a\r\n\r.\r\nMAIL\r\n", "a\n.\rMAIL\r\n",   "a\r\r\n.\r\nMAIL\r\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(smuggled); i++) {
        struct dot_stuff stuff = { 0 };
        struct buf out = { 0 };
        add_piece(&out, &stuff, str_from(smuggled[i]));
        for (size_t at = 0; at < out.len; at++) {
            assert_true(out.ptr[at] != '\n' || (at > 0 && out.ptr[at - 1] == '\r'));
            assert_true(out.ptr[at] != '\r' || at + 1 == out.len || out.ptr[at + 1] == '\n');
            assert_false(str_starts(str_skip(buf_str(&out), at), STR("\r\n.\r\n")));
        }
        buf_fini(&out);
    }
}

static void gives_clean_content_back_in_one_run(void **state)
{
    struct buf content = { 0 };
    struct dot_stuff stuff = { 0 };
    (void)state;
    while (content.len < 64 * 1024)
        buf_add(&content, STR("A line of ordinary length, as they are. No dot begins it.\r\n"));
    struct str left = buf_str(&content);
    struct str run = dot_stuff_next(&stuff, &left);
    assert_ptr_equal(run.ptr, content.ptr);
    assert_int_equal(run.len, content.len);
    assert_int_equal(left.len, 0);
    buf_fini(&content);
}

/* An octet at a time and all at once must come to the same. */
static void does_not_depend_on_the_split(void **state)
{
    static const char letters[] = "\r\n..a";
    struct random random;
    (void)state;
    random_from_seed(&random, 1);
    for (int round = 0; round < 2000; round++) {
        struct buf content = { 0 }, whole = { 0 }, single = { 0 };
        struct dot_stuff at_once = { .keeps_dots = round % 2 }, slowly = at_once;
        size_t len = round == 0 ? 20000 : random_below(&random, 40);
        for (size_t i = 0; i < len; i++)
            buf_add_byte(&content, letters[random_below(&random, 5)]);
        add_piece(&whole, &at_once, buf_str(&content));
        for (size_t i = 0; i < content.len; i++)
            add_piece(&single, &slowly, str_of(content.ptr + i, 1));
        buf_add(&whole, dot_stuff_end(&at_once));
        buf_add(&single, dot_stuff_end(&slowly));
        assert_str(buf_str(&single), buf_str(&whole));
        buf_fini(&content);
        buf_fini(&whole);
        buf_fini(&single);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_dots_and_mends_line_ends),
        cmocka_unit_test(leaves_no_second_end_of_data),
        cmocka_unit_test(gives_clean_content_back_in_one_run),
        cmocka_unit_test(does_not_depend_on_the_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
