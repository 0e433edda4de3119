/* SPDX-License-Identifier: ISC */
/* test_changes.c: what filters make of a header, one row each. */
#include "testing.h"

#include "filter/changes.h"

#define A "A: 1\r\n"
#define B "B: 2\r\n"
#define C "A: 3\r\n"

static const struct {
    struct change change[3];
    unsigned count;
    const char *above, *below; /* what stands above ours, and what below */
} cases[] = {
    { { { 0 } }, 0, "", A B C },
    { { { CHANGE_ADD, 0, { "X", 1 }, { " y", 2 } } }, 1, "", A B C "X: y\r\n" },
    { { { CHANGE_INSERT, 0, { "X", 1 }, { " y", 2 } } }, 1, "X: y\r\n", A B C },
    { { { CHANGE_INSERT, 1, { "X", 1 }, { " y", 2 } } }, 1, "", "X: y\r\n" A B C },
    { { { CHANGE_INSERT, 2, { "X", 1 }, { " y", 2 } } }, 1, "", A "X: y\r\n" B C },
    { { { CHANGE_INSERT, 99, { "X", 1 }, { " y", 2 } } }, 1, "", A B C "X: y\r\n" },
    /* Ours is the first; behind another one that went in front of it, the second. */
    { { { CHANGE_INSERT, 0, { "X", 1 }, { " y", 2 } },
        { CHANGE_INSERT, 1, { "Z", 1 }, { "z", 1 } } },
      2,
      "X: y\r\nZ:z\r\n",
      A B C },
    { { { CHANGE_INSERT, 0, { "X", 1 }, { " y", 2 } },
        { CHANGE_INSERT, 2, { "Z", 1 }, { "z", 1 } } },
      2,
      "X: y\r\n",
      "Z:z\r\n" A B C },
    { { { CHANGE_SET, 1, { "a", 1 }, { " new", 4 } } }, 1, "", "a: new\r\n" B C },
    { { { CHANGE_SET, 2, { "A", 1 }, { " new", 4 } } }, 1, "", A B "A: new\r\n" },
    { { { CHANGE_SET, 2, { "A", 1 }, { "", 0 } } }, 1, "", A B },
    { { { CHANGE_SET, 1, { "A", 1 }, { "", 0 } }, { CHANGE_SET, 1, { "A", 1 }, { "", 0 } } },
      2,
      "",
      B },
    { { { CHANGE_SET, 3, { "A", 1 }, { "", 0 } } }, 1, "", A B C },
    { { { CHANGE_SET, 3, { "A", 1 }, { " 4", 2 } } }, 1, "", A B C "A: 4\r\n" },
    { { { CHANGE_INSERT, 0, { "X", 1 }, { " y", 2 } }, { CHANGE_SET, 1, { "X", 1 }, { "", 0 } } },
      2,
      "",
      A B C },
    /* Lines that continue a field begin with white space; an empty one would end the header. */
    { { { CHANGE_ADD, 0, { "X", 1 }, { " a\nb\r\n\r\n\tc\r\n", 12 } } },
      1,
      "",
      A B C "X: a\r\n\tb\r\n\tc\r\n" },
    { { { CHANGE_ADD, 0, { "X", 1 }, { " a\rb\0c", 6 } } }, 1, "", A B C "X: a b c\r\n" },
};

static void add_fields(struct buf *out, const struct header *header, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        buf_add(out, header->field[i].raw);
}

static void makes_the_changes_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = { 0 };
        struct changes changes = { 0 };
        struct filtered_header filtered = { 0 };
        struct buf above = { 0 };
        struct buf below = { 0 };

        header_parse(STR(A B C), &arena, &filtered.header);
        for (unsigned k = 0; k < cases[i].count; k++)
            assert_true(changes_add(&changes, &arena, &cases[i].change[k]));
        changes_apply(&changes, &arena, &filtered);
        add_fields(&above, &filtered.header, 0, filtered.above);
        add_fields(&below, &filtered.header, filtered.above, filtered.header.count);
        assert_buf(&above, cases[i].above);
        assert_buf(&below, cases[i].below);
        buf_fini(&above);
        buf_fini(&below);
        arena_fini(&arena);
    }
}

static void has_limits(void **state)
{
    static char large[CHANGES_OCTETS_MAX];
    struct change change = { CHANGE_ADD, 0, STR("X"), STR(" y") };
    struct arena arena = { 0 };
    struct changes changes = { 0 };
    (void)state;
    for (int i = 0; i < CHANGES_MAX; i++)
        assert_true(changes_add(&changes, &arena, &change));
    assert_false(changes_add(&changes, &arena, &change));
    changes.count = 0;
    change.value = str_of(large, sizeof large);
    assert_false(changes_add(&changes, &arena, &change));
    arena_fini(&arena);
}

static void a_name_is_a_name(void **state)
{
    static const struct str names[] = {
        { "", 0 }, { "X Y", 3 }, { "X:", 2 }, { "X\r\n", 3 }, { "\xc3\xa4", 2 }
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct change change = { CHANGE_ADD, 0, names[i], STR(" y") };
        struct arena arena = { 0 };
        struct changes changes = { 0 };
        assert_false(changes_add(&changes, &arena, &change));
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_the_changes_in_order),
        cmocka_unit_test(has_limits),
        cmocka_unit_test(a_name_is_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
