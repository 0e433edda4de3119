/* SPDX-License-Identifier: ISC */
/* test_seal.c: what was sealed opens where it was sealed, and nothing else does. */
#include "testing.h"

#include <string.h>

#include "base/buf.h"
#include "store/sealed/seal.h"

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct seal_keys keys_of(const char *text)
{
    struct seal_keys keys;
    const char *why = NULL;

    assert_true(seal_keys_parse(str_from(text), &keys, &why));
    return keys;
}

static struct seal begin(const struct seal_keys *keys, struct seal_mark *mark)
{
    const struct message_id id = { { 1 } };
    struct seal seal;

    seal_mark_draw(mark, keys);
    assert_true(seal_begin(&seal, keys, id, mark));
    return seal;
}

static const struct seal_place only = { SEAL_BODY, 0, true };

static bool opens(const struct seal *seal, struct seal_place place, struct str sealed)
{
    struct buf plain = { 0 };
    bool is_open = seal_open_piece(seal, place, sealed, &plain);

    assert_true(is_open || plain.len == 0);
    buf_fini(&plain);
    return is_open;
}

static void reads_key_files(void **state)
{
    static const struct {
        const char *text;
        uint32_t count; /* 0: it is refused */
    } cases[] = {
        { KEY_A, 1 },       { "# new\n" KEY_A "\n\n  " KEY_B " \n", 2 },
        { "", 0 },          { "# nothing else\n", 0 },
        { KEY_A "0", 0 },   { "0" KEY_A, 0 },
        { "g" KEY_A, 0 },   { KEY_A "\n" KEY_A, 0 },
        { KEY_A "\nx", 0 },
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seal_keys keys;
        const char *why = NULL;
        assert_int_equal(seal_keys_parse(str_from(cases[i].text), &keys, &why), cases[i].count > 0);
        assert_int_equal(keys.count, cases[i].count);
        assert_true((why == NULL) == (cases[i].count > 0));
    }
}

static void makes_keys_that_it_reads(void **state)
{
    struct buf text = { 0 };
    struct seal_keys keys;
    const char *why = NULL;
    (void)state;

    for (int i = 0; i < SEAL_KEYS_MAX; i++)
        seal_key_make(&text);
    assert_true(seal_keys_parse(buf_str(&text), &keys, &why));
    assert_int_equal(keys.count, SEAL_KEYS_MAX);
    seal_key_make(&text);
    assert_false(seal_keys_parse(buf_str(&text), &keys, &why));
    buf_fini(&text);
}

static void notices_each_changed_octet_and_each_cut(void **state)
{
    struct seal_keys keys = keys_of(KEY_A);
    struct seal_mark mark;
    struct seal seal = begin(&keys, &mark);
    struct buf sealed = { 0 };
    (void)state;

    seal_piece(&seal, only, STR("Subject: x\r\n\r\nHello\r\n"), &sealed);
    assert_true(opens(&seal, only, buf_str(&sealed)));
    for (size_t i = 0; i < sealed.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            sealed.ptr[i] = (char)(sealed.ptr[i] ^ (1 << bit));
            assert_false(opens(&seal, only, buf_str(&sealed)));
            sealed.ptr[i] = (char)(sealed.ptr[i] ^ (1 << bit));
        }
        assert_false(opens(&seal, only, str_first(buf_str(&sealed), i)));
    }
    assert_true(opens(&seal, only, buf_str(&sealed)));
    buf_fini(&sealed);
}

static void opens_in_its_place_alone(void **state)
{
    static const struct seal_place others[] = {
        { SEAL_FRONT, 1, false }, { SEAL_BODY, 0, false },          { SEAL_BODY, 2, false },
        { SEAL_BODY, 1, true },   { SEAL_BODY, 1ull << 32, false },
    };
    const struct seal_place place = { SEAL_BODY, 1, false };
    struct seal_keys keys = keys_of(KEY_A);
    struct seal_mark mark;
    struct seal seal = begin(&keys, &mark);
    struct buf sealed = { 0 };
    (void)state;

    seal_piece(&seal, place, STR("x"), &sealed);
    assert_true(opens(&seal, place, buf_str(&sealed)));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(opens(&seal, others[i], buf_str(&sealed)));
    buf_fini(&sealed);
}

static void belongs_to_its_message(void **state)
{
    struct seal_keys keys = keys_of(KEY_A);
    struct seal_keys rotated = keys_of(KEY_B "\n" KEY_A);
    struct seal_keys other = keys_of(KEY_B);
    const struct message_id id = { { 1 } };
    const struct message_id other_id = { { 2 } };
    struct seal_mark mark;
    struct seal_mark again;
    struct seal seal = begin(&keys, &mark);
    struct seal reader;
    struct buf sealed = { 0 };
    (void)state;

    seal_piece(&seal, only, STR("x"), &sealed);
    assert_true(seal_begin(&reader, &rotated, id, &mark)); /* a key that seals no more opens */
    assert_true(opens(&reader, only, buf_str(&sealed)));
    seal_mark_draw(&again, &rotated);
    assert_memory_equal(again.key_id, rotated.key[0].id, SEAL_KEY_ID_SIZE);
    assert_false(seal_begin(&reader, &other, id, &mark));
    assert_true(seal_begin(&reader, &keys, other_id, &mark));
    assert_false(opens(&reader, only, buf_str(&sealed)));
    reader = begin(&keys, &again); /* the same message with other content */
    assert_memory_not_equal(again.salt, mark.salt, SEAL_SALT_SIZE);
    assert_false(opens(&reader, only, buf_str(&sealed)));
    mark.salt[0] ^= 1;
    assert_true(seal_begin(&reader, &keys, id, &mark));
    assert_false(opens(&reader, only, buf_str(&sealed)));
    buf_fini(&sealed);
}

static void knows_its_sizes(void **state)
{
    static const uint64_t sizes[] = {
        0, 1, SEAL_PIECE - 1, SEAL_PIECE, SEAL_PIECE + 1, 2 * SEAL_PIECE, 5 * SEAL_PIECE + 7
    };
    struct seal_keys keys = keys_of(KEY_A);
    struct seal_mark mark;
    struct seal seal = begin(&keys, &mark);
    uint64_t size = 0;
    (void)state;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf plain = { 0 };
        struct buf sealed = { 0 };
        for (uint64_t k = 0; k < sizes[i]; k++)
            buf_add_byte(&plain, 'x');
        seal_part(&seal, SEAL_BODY, buf_str(&plain), &sealed);
        assert_int_equal(sealed.len, seal_size(sizes[i]));
        assert_true(seal_plain_size(sealed.len, &size));
        assert_int_equal(size, sizes[i]);
        buf_fini(&plain);
        buf_fini(&sealed);
    }
    assert_false(seal_plain_size(0, &size));
    assert_false(seal_plain_size(SEAL_TAG - 1, &size));
    assert_false(seal_plain_size(SEAL_PIECE + SEAL_TAG + 1, &size));
    assert_false(seal_plain_size(SEAL_PIECE + 2 * SEAL_TAG, &size)); /* an empty second piece */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_key_files),
        cmocka_unit_test(makes_keys_that_it_reads),
        cmocka_unit_test(notices_each_changed_octet_and_each_cut),
        cmocka_unit_test(opens_in_its_place_alone),
        cmocka_unit_test(belongs_to_its_message),
        cmocka_unit_test(knows_its_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
