/* SPDX-License-Identifier: ISC */
/* test_under_way.c: what the next keeper finds when this one ended without a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "roles/keeper/under_way.h"

static char path[] = "/tmp/holdfast-under-way-XXXXXX";

static struct message_id id_of(uint8_t number)
{
    struct message_id id = { { 1, 2, 3 } };
    id.bytes[15] = number;
    return id;
}

static int begin(void **state)
{
    (void)state;
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    return fd < 0 || close(fd) < 0 || unlink(path) < 0;
}

static int end(void **state)
{
    (void)state;
    (void)unlink(path);
    return 0;
}

/* As if the keeper were killed: a second list opens what the first has written. */
static struct under_way *next_keeper(void)
{
    return under_way_open(path);
}

static unsigned left(struct under_way *list, uint8_t *out_number)
{
    struct message_id id;
    unsigned count = 0;
    while (under_way_left(list, &id))
        out_number[count++] = id.bytes[15];
    return count;
}

static void names_what_was_under_way(void **state)
{
    struct under_way *list = under_way_open(path);
    uint8_t number[8];

    (void)state;
    assert_false(under_way_was_cut_off(list));
    under_way_add(list, id_of(1));
    under_way_add(list, id_of(2));
    under_way_add(list, id_of(3));
    under_way_remove(list, id_of(2));
    under_way_write(list);
    under_way_add(list, id_of(4)); /* has not left */

    struct under_way *next = next_keeper();
    assert_true(under_way_was_cut_off(next));
    assert_int_equal(left(next, number), 2);
    assert_int_equal(number[0], 1);
    assert_int_equal(number[1], 3);
    under_way_write(next);
    struct under_way *third = next_keeper();
    assert_true(under_way_was_cut_off(third));
    assert_int_equal(left(third, number), 0);
    under_way_close(third);
    under_way_close(next);
    under_way_close(list);
}

/* Killed again before anybody asked: still there. */
static void forgets_nothing_that_was_not_asked_for(void **state)
{
    struct under_way *list = under_way_open(path);
    uint8_t number[8];

    (void)state;
    under_way_add(list, id_of(1));
    under_way_add(list, id_of(2));
    under_way_remove(list, id_of(1));
    under_way_write(list);
    struct under_way *next = next_keeper();
    under_way_add(next, id_of(9));
    under_way_write(next);
    struct under_way *third = next_keeper();
    assert_int_equal(left(third, number), 2);
    assert_int_equal(number[0] + number[1], 2 + 9);
    under_way_close(third);
    under_way_close(next);
    under_way_close(list);
}

static void a_message_of_two_domains_counts_twice(void **state)
{
    struct under_way *list = under_way_open(path);
    uint8_t number[8];

    (void)state;
    under_way_add(list, id_of(1));
    under_way_add(list, id_of(1));
    under_way_remove(list, id_of(1));
    under_way_remove(list, id_of(7)); /* nobody said so */
    under_way_write(list);
    struct under_way *next = next_keeper();
    assert_int_equal(left(next, number), 1);
    under_way_close(next);
    under_way_close(list);
}

static void a_clean_end_leaves_nothing(void **state)
{
    struct under_way *list = under_way_open(path);
    uint8_t number[8];

    (void)state;
    under_way_add(list, id_of(1));
    under_way_remove(list, id_of(1));
    under_way_close(list);
    struct under_way *next = next_keeper();
    assert_false(under_way_was_cut_off(next));
    assert_int_equal(left(next, number), 0);
    under_way_close(next);
}

static void more_than_it_can_list_does_no_harm(void **state)
{
    struct under_way *list = under_way_open(path);

    (void)state;
    for (uint32_t i = 0; i < UNDER_WAY_SLOTS + 10; i++) {
        struct message_id id = { { 0 } };
        memcpy(id.bytes, &i, sizeof i);
        id.bytes[15] = 1;
        under_way_add(list, id);
    }
    under_way_write(list);
    for (uint32_t i = 0; i < UNDER_WAY_SLOTS + 10; i++) {
        struct message_id id = { { 0 } };
        memcpy(id.bytes, &i, sizeof i);
        id.bytes[15] = 1;
        under_way_remove(list, id);
    }
    under_way_close(list);
}

static void a_strange_file_is_begun_anew(void **state)
{
    FILE *file = fopen(path, "w");
    uint8_t number[8];

    (void)state;
    assert_non_null(file);
    assert_true(fputs("HFUNDRWY what is this? It is longer than a head.", file) >= 0);
    assert_int_equal(fclose(file), 0);
    struct under_way *list = under_way_open(path);
    assert_false(under_way_was_cut_off(list));
    assert_int_equal(left(list, number), 0);
    under_way_add(list, id_of(5));
    under_way_write(list);
    struct under_way *next = next_keeper();
    assert_int_equal(left(next, number), 1);
    under_way_close(next);
    under_way_close(list);
    list = under_way_open("/nowhere/at/all");
    under_way_add(list, id_of(5));
    under_way_write(list);
    under_way_close(list);
}

/* A message that is out for two domains is two. */
static void names_it_as_often_as_it_was_said(void **state)
{
    struct under_way *list = under_way_open(path);
    uint8_t number[8] = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++)
        under_way_add(list, id_of(1));
    under_way_remove(list, id_of(1));
    under_way_write(list);
    struct under_way *next = next_keeper();
    assert_int_equal(left(next, number), 2);
    assert_int_equal(number[0], 1);
    assert_int_equal(number[1], 1);
    under_way_remove(list, id_of(1));
    under_way_remove(list, id_of(1));
    under_way_remove(list, id_of(1)); /* there is nothing to take back */
    under_way_close(next);
    under_way_close(list);
}

int main(void)
{
#define LIST(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        LIST(names_what_was_under_way),
        LIST(forgets_nothing_that_was_not_asked_for),
        LIST(a_message_of_two_domains_counts_twice),
        LIST(names_it_as_often_as_it_was_said),
        LIST(a_clean_end_leaves_nothing),
        LIST(more_than_it_can_list_does_no_harm),
        LIST(a_strange_file_is_begun_anew),
    };
#undef LIST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
