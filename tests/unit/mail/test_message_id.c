/* SPDX-License-Identifier: ISC */
/* test_message_id.c: a name that sorts by time, in bytes and as text. */
#include "testing.h"

#include <string.h>

#include "mail/message_id.h"

static void text_goes_round(void **state)
{
    struct random random;
    (void)state;
    random_from_seed(&random, 1);
    for (int i = 0; i < 2000; i++) {
        struct message_id id = message_id_new((int64_t)(random_u64(&random) >> 16), &random);
        struct message_id_text text = message_id_to_text(id);
        struct message_id back;
        assert_int_equal(strlen(text.text), MESSAGE_ID_TEXT_SIZE);
        assert_true(message_id_from_text(str_from(text.text), &back));
        assert_true(message_id_equals(id, back));
        for (int k = 0; k < MESSAGE_ID_TEXT_SIZE; k++)
            text.text[k] = ascii_lower(text.text[k]);
        assert_true(message_id_from_text(str_from(text.text), &back));
        assert_true(message_id_equals(id, back));
    }
}

static void text_sorts_as_the_bytes_do(void **state)
{
    struct random random;
    (void)state;
    random_from_seed(&random, 2);
    for (int i = 0; i < 2000; i++) {
        int64_t at = (int64_t)random_below(&random, 1ull << 47);
        struct message_id a = message_id_new(at, &random);
        struct message_id b = message_id_new(at + (int64_t)random_below(&random, 3), &random);
        int order = message_id_compare(a, b);
        int text = strcmp(message_id_to_text(a).text, message_id_to_text(b).text);
        assert_int_equal((order > 0) - (order < 0), (text > 0) - (text < 0));
        struct message_id later = message_id_new(at + 3, &random);
        assert_true(message_id_compare(a, later) < 0);
    }
}

static void knows_the_ends(void **state)
{
    struct message_id id = { 0 };
    (void)state;
    assert_string_equal(message_id_to_text(id).text, "00000000000000000000000000");
    memset(id.bytes, 0xff, sizeof id.bytes);
    assert_string_equal(message_id_to_text(id).text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
}

/* The ULID specification's example time. */
static void begins_with_the_time(void **state)
{
    struct random random;
    (void)state;
    random_from_seed(&random, 3);
    struct message_id id = message_id_new(1469918176385, &random);
    assert_memory_equal(message_id_to_text(id).text, "01ARYZ6S41", 10);
}

static void refuses_other_texts(void **state)
{
    const struct str cases[] = {
        STR(""),
        STR("0000000000000000000000000"),
        STR("000000000000000000000000000"),
        STR("80000000000000000000000000"), /* 129 bits */
        STR("0000000000000000000000000U"),
        STR("0000000000000000000000000I"),
        STR("0000000000000000000000000-"),
        STR("0000000000000000000000000 "),
        STR("0000000000000000000000000\0"),
        STR("0000000000000000000000000\xff"),
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct message_id id = { .bytes = { 42 } };
        assert_false(message_id_from_text(cases[i], &id));
        assert_int_equal(id.bytes[0], 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_goes_round),     cmocka_unit_test(text_sorts_as_the_bytes_do),
        cmocka_unit_test(knows_the_ends),      cmocka_unit_test(begins_with_the_time),
        cmocka_unit_test(refuses_other_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
