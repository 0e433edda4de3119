/* SPDX-License-Identifier: ISC */
/* board.c: see board.h. */
#include "roles/board.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "roles/messages.h"

enum { SLOTS = ROLE_PROCESSES_MAX, BOARD_SIZE = 4096 };
_Static_assert(SLOTS * sizeof(atomic_uint) <= BOARD_SIZE, "a slot for every receiver");

struct board {
    atomic_uint *slot;
    unsigned own;
};

int board_make(void)
{
    int fd = memfd_create("holdfast-sessions", MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, BOARD_SIZE) < 0) {
        int error = -errno;
        (void)close(fd);
        return error;
    }
    return fd;
}

int board_open(int fd, unsigned own, struct board **out_board)
{
    check(own < SLOTS);
    void *page = mmap(NULL, BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        return -errno;
    struct board *board = memory_new(sizeof *board);
    board->slot = page;
    board->own = own;
    board_set(board, 0);
    *out_board = board;
    return 0;
}

void board_close(struct board *board)
{
    if (board == NULL)
        return;
    board_set(board, 0);
    (void)munmap(board->slot, BOARD_SIZE);
    memory_free(board);
}

void board_set(struct board *board, uint32_t sessions)
{
    atomic_store_explicit(&board->slot[board->own], sessions, memory_order_relaxed);
}

uint32_t board_sum(const struct board *board)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < SLOTS; i++)
        sum += atomic_load_explicit(&board->slot[i], memory_order_relaxed);
    return sum;
}
