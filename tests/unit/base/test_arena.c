/* SPDX-License-Identifier: ISC */
/* test_arena.c: alignment, zeroes, copies, and what a reset keeps. */
#include "testing.h"

#include <stdalign.h>
#include <string.h>

#include "base/arena.h"
#include "base/random.h"

static void gives_aligned_zeroes(void **state)
{
    struct arena arena = { 0 };
    struct random random;
    (void)state;
    random_from_seed(&random, 3);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2000; i++) {
            size_t size = random_below(&random, i % 50 == 0 ? 20000 : 100);
            char *bytes = arena_new(&arena, size);
            assert_int_equal((uintptr_t)bytes % alignof(max_align_t), 0);
            for (size_t at = 0; at < size; at++)
                assert_int_equal(bytes[at], 0);
            memset(bytes, 0xff, size); /* dirties it for the next round */
        }
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void copies_text(void **state)
{
    struct arena arena = { 0 };
    char text[] = "text";
    (void)state;
    struct str copy = arena_str(&arena, str_from(text));
    memset(text, 'x', 4);
    assert_str(copy, STR("text"));
    assert_null(arena_str(&arena, STR_NONE).ptr);
    assert_non_null(arena_str(&arena, STR("")).ptr); /* empty is not absent */
    arena_fini(&arena);
}

/* A connection's arena must not stay as large as its largest transaction was. */
static void keeps_little_after_a_reset(void **state)
{
    struct arena arena = { 0 };
    (void)state;
    arena_reset(&arena);
    assert_int_equal(arena_size(&arena), 0);
    (void)arena_new(&arena, 10);
    (void)arena_new(&arena, 50 * 1024 * 1024);
    assert_true(arena_size(&arena) > 50 * 1024 * 1024);
    arena_reset(&arena);
    assert_true(arena_size(&arena) <= 64 * 1024);
    (void)arena_new(&arena, 50 * 1024 * 1024);
    arena_reset(&arena);
    assert_true(arena_size(&arena) <= 64 * 1024);
    arena_fini(&arena);
    assert_int_equal(arena_size(&arena), 0);
}

static void uses_its_block_again(void **state)
{
    struct arena arena = { 0 };
    (void)state;
    void *first = arena_new(&arena, 100);
    arena_reset(&arena);
    assert_ptr_equal(arena_new(&arena, 100), first);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_zeroes),
        cmocka_unit_test(copies_text),
        cmocka_unit_test(keeps_little_after_a_reset),
        cmocka_unit_test(uses_its_block_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
