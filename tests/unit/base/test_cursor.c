/* SPDX-License-Identifier: ISC */
/* test_cursor.c: reading what buf wrote; every cut is noticed, none is read past. */
#include "testing.h"

#include "base/cursor.h"
#include "base/memory.h"

static void write_all(struct buf *buf)
{
    buf_add_u8(buf, 0xfe);
    buf_add_u16(buf, 0xfedc);
    buf_add_u32(buf, 0xfedcba98);
    buf_add_u64(buf, 0xfedcba9876543210);
    buf_add_counted(buf, STR("text"));
    buf_add_counted(buf, STR(""));
    buf_add(buf, STR("raw"));
}

static void reads_back_what_was_written(void **state)
{
    struct buf buf = { 0 };
    (void)state;
    write_all(&buf);
    struct cursor cursor = cursor_over(buf_str(&buf));
    assert_int_equal(cursor_u8(&cursor), 0xfe);
    assert_int_equal(cursor_u16(&cursor), 0xfedc);
    assert_int_equal(cursor_u32(&cursor), 0xfedcba98);
    assert_true(cursor_u64(&cursor) == 0xfedcba9876543210);
    assert_str(cursor_counted(&cursor), STR("text"));
    assert_str(cursor_counted(&cursor), STR(""));
    assert_true(cursor_ok(&cursor));
    assert_false(cursor_done(&cursor));
    assert_str(cursor_bytes(&cursor, 3), STR("raw"));
    assert_true(cursor_done(&cursor));
    buf_fini(&buf);
}

static void fails_at_every_cut_and_stays_failed(void **state)
{
    struct buf buf = { 0 };
    (void)state;
    write_all(&buf);
    for (size_t len = 0; len < buf.len; len++) {
        char *exact = memory_copy(buf.ptr, len); /* so that ASan sees one byte too many */
        struct cursor cursor = cursor_over(str_of(exact, len));
        (void)cursor_u8(&cursor);
        (void)cursor_u16(&cursor);
        (void)cursor_u32(&cursor);
        (void)cursor_u64(&cursor);
        (void)cursor_counted(&cursor);
        (void)cursor_counted(&cursor);
        (void)cursor_bytes(&cursor, 3);
        assert_false(cursor_ok(&cursor));
        assert_false(cursor_done(&cursor));
        assert_int_equal(cursor_u8(&cursor), 0);
        assert_null(cursor_bytes(&cursor, 0).ptr);
        memory_free(exact);
    }
    buf_fini(&buf);
}

static void believes_no_length(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(STR("\xff\xff\xff\xff"
                                           "abc"));
    assert_null(cursor_counted(&cursor).ptr);
    assert_false(cursor_ok(&cursor));
    cursor = cursor_over(STR("abc"));
    assert_null(cursor_bytes(&cursor, SIZE_MAX).ptr);
    assert_false(cursor_ok(&cursor));
}

static void nothing_is_done_at_once(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(STR_NONE);
    assert_true(cursor_done(&cursor));
    assert_int_equal(cursor_bytes(&cursor, 0).len, 0);
    assert_true(cursor_done(&cursor));
    assert_int_equal(cursor_u64(&cursor), 0);
    assert_false(cursor_ok(&cursor));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_written),
        cmocka_unit_test(fails_at_every_cut_and_stays_failed),
        cmocka_unit_test(believes_no_length),
        cmocka_unit_test(nothing_is_done_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
