/* SPDX-License-Identifier: ISC */
/* test_list.c: order, removal while walking, and links that are in no list. */
#include "testing.h"

#include "base/list.h"

struct item {
    char name;
    struct link link;
};

static void assert_order(struct link *list, const char *want)
{
    size_t at = 0;
    list_each (link, list)
        assert_int_equal(container_of(link, struct item, link)->name, want[at++]);
    assert_int_equal(want[at], '\0');
}

static void keeps_order(void **state)
{
    struct link list;
    struct item item[] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' }, { .name = 'd' } };
    (void)state;
    list_init(&list);
    assert_true(list_is_empty(&list));
    assert_null(list_first(&list));
    list_append(&list, &item[1].link);
    list_append(&list, &item[3].link);
    list_prepend(&list, &item[0].link);
    list_insert_before(&item[3].link, &item[2].link);
    assert_order(&list, "abcd");
    assert_ptr_equal(list_first(&list), &item[0].link);
    list_remove(&item[1].link);
    list_remove(&item[1].link); /* harmless */
    assert_false(link_is_listed(&item[1].link));
    assert_true(link_is_listed(&item[2].link));
    assert_order(&list, "acd");
}

static void lets_go_of_links_while_walking(void **state)
{
    struct link list;
    struct item item[] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' } };
    size_t seen = 0;
    (void)state;
    list_init(&list);
    list_each_safe (link, &list)
        fail();
    for (size_t i = 0; i < COUNT_OF(item); i++)
        list_append(&list, &item[i].link);
    list_each_safe (link, &list) {
        list_remove(link);
        seen++;
    }
    assert_int_equal(seen, 3);
    assert_true(list_is_empty(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order),
        cmocka_unit_test(lets_go_of_links_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
