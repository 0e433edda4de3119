/* SPDX-License-Identifier: ISC */
/* test_base64.c: the vectors of RFC 4648 section 10, and what is not base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base64.h"

static void follows_the_rfc_vectors(void **state)
{
    static const char *const vectors[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct buf text = { 0 };
        struct buf bytes = { 0 };
        base64_add(&text, str_from(vectors[i][0]));
        assert_true(str_equals(buf_str(&text), str_from(vectors[i][1])));
        assert_true(base64_decode(&bytes, buf_str(&text)));
        assert_true(str_equals(buf_str(&bytes), str_from(vectors[i][0])));
        buf_fini(&text);
        buf_fini(&bytes);
    }
}

static void refuses_what_is_malformed(void **state)
{
    static const char *const wrong[] = { "Z",        "Zg",   "Zg=",  "Zh==", "Zm9=",
                                         "Zg==Zg==", "Z===", "====", "Zm 9", "Zm9v\n" };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct buf bytes = { 0 };
        assert_false(base64_decode(&bytes, str_from(wrong[i])));
        assert_int_equal(bytes.len, 0);
        buf_fini(&bytes);
    }
}

static void carries_every_byte(void **state)
{
    struct buf bytes = { 0 };
    struct buf text = { 0 };
    struct buf back = { 0 };
    (void)state;
    for (int i = 0; i < 256; i++)
        buf_add_byte(&bytes, (char)i);
    base64_add(&text, buf_str(&bytes));
    assert_true(base64_decode(&back, buf_str(&text)));
    assert_true(str_equals(buf_str(&bytes), buf_str(&back)));
    buf_fini(&bytes);
    buf_fini(&text);
    buf_fini(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_rfc_vectors),
        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(carries_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
