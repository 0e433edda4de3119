/* SPDX-License-Identifier: ISC */
/* test_map.c: against a table that holds each name's value; SipHash by its authors' vectors. */
#include "testing.h"

#include <string.h>

#include "base/map.h"
#include "base/random.h"

enum { NAMES = 500 };

/* Names of all lengths, the empty one and such with NUL bytes among them. */
static struct str name_of(size_t i, char text[16])
{
    if (i == 0)
        return STR_NONE;
    if (i == 1)
        return STR("\0");
    if (i == 2)
        return STR("\0\0");
    return str_of(text, (size_t)snprintf(text, 16, "%zu", i * i * 2654435761u % 1000003));
}

static void agrees_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct map map;
        void *model[NAMES] = { 0 };
        int value[NAMES];
        size_t count = 0;
        struct random random;
        char text[16];

        map_init(&map);
        random_from_seed(&random, seed);
        for (int step = 0; step < 5000; step++) {
            size_t i = random_below(&random, NAMES);
            struct str name = name_of(i, text);
            if (random_below(&random, 2) == 0) {
                void *next = &value[random_below(&random, NAMES)];
                assert_ptr_equal(map_put(&map, name, next), model[i]);
                count += model[i] == NULL;
                model[i] = next;
            } else {
                assert_ptr_equal(map_remove(&map, name), model[i]);
                count -= model[i] != NULL;
                model[i] = NULL;
            }
            assert_int_equal(map.count, count);
            if (step % 100 == 0)
                for (size_t k = 0; k < NAMES; k++)
                    assert_ptr_equal(map_find(&map, name_of(k, text)), model[k]);
        }
        map_fini(&map);
    }
}

/* Every name shares its way with others at this load; whatever is removed, the rest stays found. */
static void closes_gaps(void **state)
{
    char text[16];
    int value;
    (void)state;
    for (size_t gone = 0; gone < 12; gone++) {
        struct map map;
        map_init(&map);
        for (size_t i = 0; i < 12; i++) /* 12 of 16: as full as it gets */
            assert_null(map_put(&map, name_of(i, text), &value));
        assert_int_equal(map.cap, 16);
        assert_ptr_equal(map_remove(&map, name_of(gone, text)), &value);
        for (size_t i = 0; i < 12; i++)
            assert_ptr_equal(map_find(&map, name_of(i, text)), i == gone ? NULL : &value);
        map_fini(&map);
    }
}

static void walks_over_each_once(void **state)
{
    struct map map;
    int value[NAMES] = { 0 };
    char text[16];
    size_t cursor = 0;
    struct str name;
    int *found;
    (void)state;
    map_init(&map);
    assert_null(map_next(&map, &cursor, NULL));
    assert_null(map_find(&map, STR("x")));
    assert_null(map_remove(&map, STR("x")));
    for (size_t i = 0; i < NAMES; i++)
        (void)map_put(&map, name_of(i, text), &value[i]);
    for (cursor = 0; (found = map_next(&map, &cursor, &name)) != NULL;) {
        assert_str(name, name_of((size_t)(found - value), text));
        (*found)++;
    }
    for (size_t i = 0; i < NAMES; i++)
        assert_int_equal(value[i], 1);
    map_fini(&map);
}

static void copies_its_names(void **state)
{
    struct map map;
    char name[] = "name";
    int value;
    (void)state;
    map_init(&map);
    (void)map_put(&map, str_from(name), &value);
    memset(name, 'x', 4);
    assert_ptr_equal(map_find(&map, STR("name")), &value);
    map_fini(&map);
}

/* The first of the reference implementation's vectors_sip64: key 00…0f, input 00 01 02 …. */
static void hashes_as_siphash_says(void **state)
{
    static const uint64_t want[] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
        0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
        0x93f5f5799a932462, 0x9e0082df0ba9e4b0,
    };
    const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    const char input[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    (void)state;
    for (size_t len = 0; len < COUNT_OF(want); len++)
        assert_true(siphash(key, str_of(input, len)) == want[len]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_model),  cmocka_unit_test(closes_gaps),
        cmocka_unit_test(walks_over_each_once),   cmocka_unit_test(copies_its_names),
        cmocka_unit_test(hashes_as_siphash_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
