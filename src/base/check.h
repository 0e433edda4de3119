/* SPDX-License-Identifier: ISC */
/* check.h: what must be true, also in production.
 *
 * A failed check is a bug of ours, never the world's or a stranger's doing. It
 * logs where and what, and aborts the role; the supervisor starts it again.
 */
#pragma once

#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            check_failed(__FILE__, __LINE__, #condition);                                          \
    } while (0)

/* Said in this way, for cppcheck does not know the other. */
__attribute__((noreturn)) void check_failed(const char *file, int line, const char *condition);
