/* SPDX-License-Identifier: ISC */
/* test_tally.c: what is counted together, where it ends, and that it can be written down. */
#include "testing.h"

#include "base/tally.h"

static const struct tally_limits wide = { 100, 100, 1 << 20 };

static struct tally_line *only_line(const struct tally *tally, struct str name)
{
    const struct tally_subject *subject = tally_find(tally, name);

    assert_non_null(subject);
    assert_int_equal(subject->line_count, 1);
    return container_of(list_first(&subject->lines), struct tally_line, link);
}

static bool is_line(struct str name, struct str note, struct str bytes)
{
    assert_true(name.len == 1 && note.len < 10);
    return bytes.len < 100 && !str_equals(bytes, STR("bad"));
}

static void the_same_is_counted_together(void **state)
{
    struct tally tally;

    (void)state;
    tally_init(&tally, wide, 7);
    assert_null(tally_first(&tally));
    for (int i = 0; i < 3; i++)
        tally_add(&tally, STR("a"), STR_NONE, STR("x"), 1);
    tally_add(&tally, STR("b"), STR_NONE, STR("x"), 2);
    assert_int_equal(only_line(&tally, STR("a"))->count, 3);
    assert_int_equal(only_line(&tally, STR("b"))->count, 2);
    assert_str(only_line(&tally, STR("a"))->bytes, STR("x"));
    tally_add(&tally, STR("a"), STR_NONE, STR("x"), UINT64_MAX);
    assert_true(only_line(&tally, STR("a"))->count == UINT64_MAX);
    tally_drop(&tally, tally_first(&tally));
    assert_null(tally_find(&tally, STR("a")));
    assert_null(tally_next(&tally, tally_first(&tally)));
    tally_drop(&tally, tally_first(&tally));
    assert_int_equal(tally.size, 0);
    tally_fini(&tally);
}

static void there_is_an_end_to_it(void **state)
{
    struct tally tally;
    struct buf name = { 0 };

    (void)state;
    tally_init(&tally, (struct tally_limits){ 2, 3, 1 << 20 }, 0);
    for (int i = 0; i < 5; i++) {
        buf_reset(&name);
        buf_add_format(&name, "%d", i);
        tally_add(&tally, STR("a"), STR_NONE, buf_str(&name), 1);
        tally_add(&tally, buf_str(&name), STR_NONE, STR("x"), 1);
    }
    assert_int_equal(tally_find(&tally, STR("a"))->line_count, 3);
    assert_int_equal(tally_find(&tally, STR("a"))->left_out, 2);
    assert_int_equal(tally.subject_count, 2);
    assert_int_equal(tally.left_out, 4);
    tally_fini(&tally);
    tally_init(&tally, (struct tally_limits){ 1000, 1000, 2000 }, 0);
    for (int i = 0; i < 100; i++) {
        buf_reset(&name);
        buf_add_format(&name, "%d", i);
        tally_add(&tally, buf_str(&name), STR_NONE, STR("x"), 1);
        assert_true(tally.size <= 2000);
    }
    assert_true(tally.subject_count > 1);
    assert_int_equal(tally.left_out + tally.subject_count, 100);
    tally_fini(&tally);
    buf_fini(&name);
}

/* The last one, if there is room. */
static void a_note_stays_with_its_subject(void **state)
{
    struct tally tally;

    (void)state;
    tally_init(&tally, wide, 0);
    tally_add(&tally, STR("a"), STR("long note"), STR("x"), 1);
    tally_add(&tally, STR("a"), STR("note"), STR("y"), 1);
    assert_str(buf_str(&tally_first(&tally)->note), STR("note"));
    tally.limits.size_max = tally.size + 2;
    tally_add(&tally, STR("a"), STR("noted"), STR("z"), 1);
    assert_str(buf_str(&tally_first(&tally)->note), STR("noted"));
    tally_add(&tally, STR("a"), STR("note that is long"), STR("y"), 1);
    assert_str(buf_str(&tally_first(&tally)->note), STR("noted"));
    assert_int_equal(tally_first(&tally)->left_out, 1);
    tally_drop(&tally, tally_first(&tally));
    assert_int_equal(tally.size, 0);
    tally_fini(&tally);
}

static void fill(struct tally *tally)
{
    tally_init(tally, (struct tally_limits){ 2, 2, 1 << 20 }, 1795800000);
    tally_add(tally, STR("a"), STR("note"), STR("x"), 3);
    tally_add(tally, STR("a"), STR_NONE, STR("y"), 4);
    tally_add(tally, STR("a"), STR("note"), STR("z"), 5);
    tally_add(tally, STR("b"), STR_NONE, STR(""), 6);
    tally_add(tally, STR("c"), STR_NONE, STR("x"), 7);
}

static void it_reads_what_it_wrote(void **state)
{
    struct tally tally;
    struct tally again;
    struct buf bytes = { 0 };
    struct buf twice = { 0 };

    (void)state;
    fill(&tally);
    tally_encode(&bytes, &tally);
    assert_true(tally_decode(buf_str(&bytes), wide, is_line, &again));
    assert_int_equal(again.begin_s, 1795800000);
    assert_int_equal(again.left_out, 7);
    assert_int_equal(tally_find(&again, STR("a"))->left_out, 5);
    assert_int_equal(again.size, tally.size);
    tally_encode(&twice, &again);
    assert_str(buf_str(&twice), buf_str(&bytes));
    tally_fini(&again);
    assert_true(
        tally_decode(buf_str(&bytes), (struct tally_limits){ 1, 1, 1 << 20 }, is_line, &again));
    assert_int_equal(again.subject_count, 1);
    assert_int_equal(tally_find(&again, STR("a"))->left_out, 9);
    tally_fini(&again);
    for (size_t i = 0; i < bytes.len; i++)
        if (tally_decode(str_first(buf_str(&bytes), i), wide, is_line, &again))
            fail_msg("%zu", i);
    tally_add(&tally, STR("a"), STR_NONE, STR("x"), 1);
    tally_fini(&tally);
    buf_fini(&bytes);
    buf_fini(&twice);
}

static void it_believes_no_line_that_is_none(void **state)
{
    struct tally tally;
    struct tally again;
    struct buf bytes = { 0 };

    (void)state;
    tally_init(&tally, wide, 0);
    tally_add(&tally, STR("a"), STR_NONE, STR("bad"), 1);
    tally_encode(&bytes, &tally);
    assert_false(tally_decode(buf_str(&bytes), wide, is_line, &again));
    tally_fini(&tally);
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_counted_together),
        cmocka_unit_test(there_is_an_end_to_it),
        cmocka_unit_test(a_note_stays_with_its_subject),
        cmocka_unit_test(it_reads_what_it_wrote),
        cmocka_unit_test(it_believes_no_line_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
