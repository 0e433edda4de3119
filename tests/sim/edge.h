/* SPDX-License-Identifier: ISC */
/* edge.h: what stands where the product meets the kernel.
 *
 *   edge_loop.c     net/loop.h     loops that the world turns, one event at a time
 *   edge_worker.c   base/worker.h  helper threads whose jobs begin and end when the world says so
 *   edge_net.c      net/socket.h   connections between roles and peers, over socket pairs
 *   edge_kernel.c   clocks, chance, the disk, the directory's file, a failed check()
 *
 * The first two replace the product's files by defining the same functions; the
 * others stand before single functions (the linker's --wrap, see meson.build).
 * Nothing else of the product is changed: roles, stations, store, streams and
 * channels are the ones that are shipped.
 *
 * Descriptors below -1 name things that are no files: workers and listeners.
 */
#pragma once

#include "base/endpoint.h"
#include "net/loop.h"

/* ---- edge_loop.c ---- */

/* Before asking whether loops are ready: looks at every descriptor that is watched. */
void edge_look(void);
bool edge_is_ready(const struct loop *loop);
/* Calls what is ready: all of it, or one by chance. */
void edge_dispatch(struct loop *loop);
void edge_dispatch_one(struct loop *loop);
void edge_set_now(struct loop *loop);
/* The process is gone: closes what it watched, and forgets it. What it had in memory is lost to
 * everybody. */
void edge_kill(struct loop *loop);

/* ---- edge_worker.c ---- */

struct worker;
bool edge_worker_is_ready(int descriptor);
/* Belongs to the process that made it: its jobs run no more. */
void edge_worker_kill_all(void);
void edge_worker_set_slow(bool is_slow); /* the disk takes seconds */

/* ---- edge_net.c ---- */

void edge_pair(int out_fd[2]); /* as socketpair(2), with a bound that is the same everywhere */
/* Not yet connected: the descriptor is never ready. Then, with 0 or an error, it is. */
bool edge_is_connecting(int fd);
void edge_connected(int fd, uint64_t connection, int error);
/* A listener for a role; -1 ends. Connections wait in it until they are accepted. */
int edge_listener_new(void);
void edge_listener_connect(int listener, int fd, struct endpoint client);
bool edge_listener_is_ready(int listener);
void edge_listener_close(int listener); /* with what waits in it */
/* Who is called when a deliverer connects: the fd is the server's end; answer with
 * edge_connected(client_fd, connection, …). */
typedef void edge_called(struct endpoint to, int client_fd, uint64_t connection, int server_fd);
void edge_on_connect(edge_called *called);

/* ---- edge_kernel.c ---- */

struct fake_disk;
void edge_set_disk(struct fake_disk *disk, uint64_t segment_size, uint64_t large_body_size);
void edge_log_as(const char *process); /* whose lines follow */
