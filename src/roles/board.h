/* SPDX-License-Identifier: ISC */
/* board.h: how many sessions all receivers have together.
 *
 * A page of shared memory with a number for each receiver, which that receiver
 * alone writes. The supervisor makes it and hands it to every receiver, so that a
 * limit holds for all of them although the kernel deals connections out unevenly.
 * A receiver that dies leaves a stale number; its successor begins with zero.
 */
#pragma once

#include <stdint.h>

struct board;

int board_make(void); /* a descriptor, or a negative errno */
/* 0 or a negative errno. `own` is the writer's slot (from 0). The descriptor stays the caller's. */
int board_open(int fd, unsigned own, struct board **out_board);
void board_close(struct board *board); /* NULL is fine; the slot goes to zero */
void board_set(struct board *board, uint32_t sessions);
uint32_t board_sum(const struct board *board);
