/* SPDX-License-Identifier: ISC */
/* test_security.c: pins as people write them, and all of it as octets. */
#include "testing.h"

#include "mail/security.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void pins_are_read_as_they_are_printed_elsewhere(void **state)
{
    static const struct {
        const char *text;
        bool is_fine;
    } cases[] = {
        { "key:" HEX, true },
        { "certificate:" HEX, true },
        { " KEY:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
          "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF ",
          true },
        { HEX, false },
        { "key:", false },
        { "", false },
        { "name:" HEX, false },
        { "key:" HEX "00", false },
        { "key:0" HEX, false },
        { "key:0:0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", false },
        { "key:g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", false },
        { "key:112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct security_pin pin;
        struct buf text = { 0 };
        assert_int_equal(security_pin_parse(str_from(cases[i].text), &pin), cases[i].is_fine);
        if (!cases[i].is_fine)
            continue;
        security_pin_add_text(&text, &pin);
        assert_str(buf_str(&text),
                   pin.is_of_certificate ? STR("certificate:" HEX) : STR("key:" HEX));
        buf_fini(&text);
    }
}

static struct security some(void)
{
    struct security security = { .level = SECURITY_TLSA, .from_start = true, .is_watched = true };

    security.name[security.name_count++] = STR("mx.example.org");
    security.name[security.name_count++] = STR("example.org");
    security.tlsa[security.tlsa_count++] = (struct security_tlsa){ 3, 1, 1, STR("digest") };
    security_add_pins(&security, STR("key:" HEX ",nonsense,certificate:" HEX));
    security.authority = STR("office");
    return security;
}

static void it_travels_as_octets(void **state)
{
    struct security before = some();
    struct security after;
    struct buf bytes = { 0 };
    struct buf again = { 0 };
    (void)state;
    assert_int_equal(before.pin_count, 2);
    security_encode(&bytes, &before);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    assert_true(security_decode(&cursor, &after));
    assert_true(cursor_done(&cursor));
    security_encode(&again, &after);
    assert_str(buf_str(&again), buf_str(&bytes));
    for (size_t len = 0; len < bytes.len; len++) {
        cursor = cursor_over(str_first(buf_str(&bytes), len));
        assert_false(security_decode(&cursor, &after));
    }
    static const struct {
        size_t at;
        char value;
    } bad[] = { { 0, 2 }, { 1, SECURITY_LEVELS }, { 2, 4 }, { 3, SECURITY_NAMES_MAX + 1 } };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char kept = bytes.ptr[bad[i].at];
        bytes.ptr[bad[i].at] = bad[i].value;
        cursor = cursor_over(buf_str(&bytes));
        assert_false(security_decode(&cursor, &after));
        bytes.ptr[bad[i].at] = kept;
    }
    buf_fini(&bytes);
    buf_fini(&again);
}

/* Plans that were kept before somebody was watched. */
static void each_bit_is_one_thing(void **state)
{
    struct security after;
    struct buf bytes = { 0 };
    (void)state;
    for (unsigned bits = 0; bits < 4; bits++) {
        struct security before = { .level = SECURITY_MAY,
                                   .from_start = (bits & 1) != 0,
                                   .is_watched = (bits & 2) != 0 };
        buf_reset(&bytes);
        security_encode(&bytes, &before);
        assert_int_equal(bytes.ptr[2], bits);
        struct cursor cursor = cursor_over(buf_str(&bytes));
        assert_true(security_decode(&cursor, &after));
        assert_int_equal(after.from_start, before.from_start);
        assert_int_equal(after.is_watched, before.is_watched);
    }
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pins_are_read_as_they_are_printed_elsewhere),
        cmocka_unit_test(it_travels_as_octets),
        cmocka_unit_test(each_bit_is_one_thing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
