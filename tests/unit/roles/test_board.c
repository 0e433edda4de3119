/* SPDX-License-Identifier: ISC */
/* Receivers count their sessions apart and see them together. */
#include "testing.h"

#include <unistd.h>

#include "roles/board.h"
#include "roles/messages.h"

static void receivers_see_the_sum(void **state)
{
    int fd = board_make();
    struct board *first = NULL;
    struct board *second = NULL;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(board_open(fd, 0, &first), 0);
    assert_int_equal(board_open(fd, 1, &second), 0);
    board_set(first, 3);
    board_set(second, 4);
    assert_int_equal(board_sum(first), 7);
    assert_int_equal(board_sum(second), 7);
    board_set(first, 1);
    assert_int_equal(board_sum(second), 5);
    board_close(second);
    assert_int_equal(board_sum(first), 1);
    board_close(first);
    board_close(NULL);
    assert_int_equal(close(fd), 0);
}

/* The number that a dead receiver left behind counts until its successor begins, with zero. */
static void a_successor_begins_with_zero(void **state)
{
    int fd = board_make();
    struct board *dead = NULL;
    struct board *successor = NULL;

    (void)state;
    assert_int_equal(board_open(fd, 5, &dead), 0);
    board_set(dead, 100);
    assert_int_equal(board_open(fd, 5, &successor), 0);
    assert_int_equal(board_sum(successor), 0);
    board_close(successor);
    board_close(dead);
    assert_int_equal(close(fd), 0);
}

/* `receivers` may be as many as there may be processes at all. */
static void the_last_receiver_has_a_slot(void **state)
{
    int fd = board_make();
    struct board *board = NULL;

    (void)state;
    assert_int_equal(board_open(fd, ROLE_PROCESSES_MAX - 1, &board), 0);
    board_set(board, 9);
    assert_int_equal(board_sum(board), 9);
    board_close(board);
    assert_int_equal(close(fd), 0);
}

static void nothing_but_a_board_is_opened(void **state)
{
    struct board *board = NULL;

    (void)state;
    assert_true(board_open(-1, 0, &board) < 0);
    assert_null(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receivers_see_the_sum),
        cmocka_unit_test(a_successor_begins_with_zero),
        cmocka_unit_test(the_last_receiver_has_a_slot),
        cmocka_unit_test(nothing_but_a_board_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
