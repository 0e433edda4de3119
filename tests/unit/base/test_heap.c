/* SPDX-License-Identifier: ISC */
/* test_heap.c: against a model that looks at every node. */
#include "testing.h"

#include "base/heap.h"
#include "base/random.h"

enum { NODES = 300 };

static const struct heap_node *least(const struct heap_node *node)
{
    const struct heap_node *found = NULL;
    for (size_t i = 0; i < NODES; i++)
        if (node[i].index != 0 && (found == NULL || node[i].key < found->key))
            found = &node[i];
    return found;
}

static void assert_same_as_model(const struct heap *heap, const struct heap_node *node)
{
    const struct heap_node *want = least(node);
    size_t count = 0;
    for (size_t i = 0; i < NODES; i++)
        count += node[i].index != 0;
    assert_int_equal(heap->count, count);
    if (want == NULL)
        assert_null(heap_first(heap));
    else
        assert_true(heap_first(heap)->key == want->key);
}

static void agrees_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct heap heap = { 0 };
        struct heap_node node[NODES] = { 0 };
        struct random random;
        random_from_seed(&random, seed);
        for (int step = 0; step < 3000; step++) {
            struct heap_node *any = &node[random_below(&random, NODES)];
            uint64_t what = random_below(&random, 10);
            int64_t key = (int64_t)random_below(&random, 200) - 100; /* many equal ones */
            if (what < 6)
                heap_put(&heap, any, key);
            else if (what < 8)
                heap_remove(&heap, any);
            else if (heap_take_due(&heap, key) == NULL)
                assert_true(heap.count == 0 || heap_first(&heap)->key > key);
            assert_same_as_model(&heap, node);
        }
        heap_fini(&heap);
    }
}

static void gives_everything_back_in_order(void **state)
{
    struct heap heap = { 0 };
    struct heap_node node[NODES] = { 0 };
    struct random random;
    (void)state;
    random_from_seed(&random, 7);
    for (size_t i = 0; i < NODES; i++)
        heap_put(&heap, &node[i], (int64_t)random_u64(&random));
    int64_t before = INT64_MIN;
    for (size_t i = 0; i < NODES; i++) {
        struct heap_node *first = heap_take_due(&heap, INT64_MAX);
        assert_non_null(first);
        assert_true(first->key >= before);
        assert_int_equal(first->index, 0);
        before = first->key;
    }
    assert_null(heap_take_due(&heap, INT64_MAX));
    heap_fini(&heap);
}

static void takes_only_what_is_due(void **state)
{
    struct heap heap = { 0 };
    struct heap_node node = { 0 };
    (void)state;
    assert_null(heap_first(&heap));
    heap_remove(&heap, &node); /* in none: harmless */
    heap_put(&heap, &node, 10);
    assert_null(heap_take_due(&heap, 9));
    assert_ptr_equal(heap_take_due(&heap, 10), &node);
    assert_null(heap_take_due(&heap, 10));
    heap_put(&heap, &node, 5);
    heap_put(&heap, &node, 7); /* moved, not added twice */
    assert_int_equal(heap.count, 1);
    heap_remove(&heap, &node);
    heap_remove(&heap, &node);
    assert_int_equal(heap.count, 0);
    heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_model),
        cmocka_unit_test(gives_everything_back_in_order),
        cmocka_unit_test(takes_only_what_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
