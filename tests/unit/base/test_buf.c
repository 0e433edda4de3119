/* SPDX-License-Identifier: ISC */
/* test_buf.c: bytes that grow. */
#include "testing.h"

#include <string.h>

static void grows_and_keeps_what_was_added(void **state)
{
    struct buf buf = { 0 };
    (void)state;
    for (unsigned i = 0; i < 100000; i++)
        buf_add_byte(&buf, (char)(i % 251));
    assert_int_equal(buf.len, 100000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal((unsigned char)buf.ptr[i], i % 251);
    buf_fini(&buf);
    assert_int_equal(buf.len, 0);
    buf_add(&buf, STR("usable again"));
    assert_str(buf_str(&buf), STR("usable again"));
    buf_fini(&buf);
}

static void adds_nothing_from_nothing(void **state)
{
    struct buf buf = { 0 };
    (void)state;
    buf_add(&buf, STR_NONE);
    buf_add_bytes(&buf, NULL, 0);
    buf_add_format(&buf, "%s", "");
    buf_consume(&buf, 0);
    assert_int_equal(buf.len, 0);
    buf_fini(&buf);
}

static void consumes_at_the_front(void **state)
{
    struct buf buf = { 0 };
    (void)state;
    buf_add(&buf, STR("EHLO a\r\nMAIL"));
    buf_consume(&buf, 8);
    assert_str(buf_str(&buf), STR("MAIL"));
    buf_consume(&buf, 4);
    assert_int_equal(buf.len, 0);
    buf_add(&buf, STR("x"));
    assert_str(buf_str(&buf), STR("x"));
    size_t cap = buf.cap;
    buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.cap, cap);
    buf_fini(&buf);
}

/* Lengths around the places where the buffer must grow for the format's final zero. */
static void formats_at_every_length(void **state)
{
    char text[300];
    (void)state;
    for (int len = 0; len < (int)sizeof text; len++) {
        struct buf buf = { 0 };
        memset(text, 'x', sizeof text);
        buf_add_format(&buf, "%.*s", len, text);
        buf_add_format(&buf, "%d", 42);
        assert_int_equal(buf.len, len + 2);
        assert_memory_equal(buf.ptr + len, "42", 2);
        buf_fini(&buf);
    }
}

static void writes_numbers_little_endian(void **state)
{
    struct buf buf = { 0 };
    (void)state;
    buf_add_u8(&buf, 0x01);
    buf_add_u16(&buf, 0x0302);
    buf_add_u32(&buf, 0x07060504);
    buf_add_u64(&buf, 0x0f0e0d0c0b0a0908);
    buf_add_counted(&buf, STR("ab"));
    assert_str(buf_str(&buf), STR("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
                                  "\x02\0\0\0ab"));
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_what_was_added),
        cmocka_unit_test(adds_nothing_from_nothing),
        cmocka_unit_test(consumes_at_the_front),
        cmocka_unit_test(formats_at_every_length),
        cmocka_unit_test(writes_numbers_little_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
