/* SPDX-License-Identifier: ISC */
#include "testing.h"

#include "base/clock.h"
#include "notify/post.h"

static void pauses_grow_to_an_hour(void **state)
{
    static const int minutes[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(minutes); i++)
        assert_int_equal(post_pause(i + 1), minutes[i] * MINUTE_MS);
    assert_int_equal(post_pause(UINT32_MAX), HOUR_MS);
}

static void what_waits_reads_back(void **state)
{
    const struct post_waiting waiting = { 1, 2, 3, STR("{}") };
    struct post_waiting read;
    struct buf bytes = { 0 };
    (void)state;
    post_waiting_encode(&bytes, &waiting);
    assert_true(post_waiting_decode(buf_str(&bytes), &read));
    assert_int_equal(read.made_ms, 1);
    assert_int_equal(read.next_ms, 2);
    assert_int_equal(read.tries, 3);
    assert_str(read.octets, STR("{}"));
    for (size_t len = 0; len < bytes.len - 1; len++)
        assert_false(post_waiting_decode(str_first(buf_str(&bytes), len), &read));
    bytes.ptr[7] = (char)0x80;
    assert_false(post_waiting_decode(buf_str(&bytes), &read));
    buf_fini(&bytes);
}

static void too_much_is_not_taken(void **state)
{
    struct post_waiting waiting = { 1, 2, 3, STR_NONE };
    struct buf octets = { 0 };
    struct buf bytes = { 0 };

    (void)state;
    while (octets.len < POST_OCTETS_MAX)
        buf_add_byte(&octets, 'x');
    waiting.octets = buf_str(&octets);
    post_waiting_encode(&bytes, &waiting);
    assert_true(post_waiting_decode(buf_str(&bytes), &waiting));
    buf_add_byte(&bytes, 'x');
    assert_false(post_waiting_decode(buf_str(&bytes), &waiting));
    buf_fini(&octets);
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_to_an_hour),
        cmocka_unit_test(what_waits_reads_back),
        cmocka_unit_test(too_much_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
