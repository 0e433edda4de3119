/* SPDX-License-Identifier: ISC */
/* backlog.c: preloaded, gives a server a longer listen queue than it asks for.
 *
 * OpenSMTPD asks for 5: a burst of 50 connections would measure the kernel's retries, not it.
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

__attribute__((visibility("default"))) int listen(int fd, int n)
{
    (void)n; /* what it asks for */
    return (int)syscall(SYS_listen, fd, BACKLOG);
}
