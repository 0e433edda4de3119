/* SPDX-License-Identifier: ISC */
/* fake_disk.h: a disk in memory that forgets what was not synced.
 *
 * Every file has what is on the medium and what is in the cache. A write goes to the
 * cache and is remembered; a sync brings it to the medium. Names are kept in the
 * same two ways. A power cut takes, of everything not synced, an arbitrary part to
 * the medium (writes in sectors of 512 bytes) and drops the rest.
 *
 * For one thread. No state outside of the disk.
 */
#pragma once

#include "base/random.h"
#include "store/log/disk.h"

struct fake_disk;

struct fake_disk *fake_disk_new(uint64_t seed);
void fake_disk_free(struct fake_disk *fake);
struct disk *fake_disk_use(struct fake_disk *fake);

/* The n-th of the calls that change something from now on (1: the next), and all after it, fail
 * with -EIO without effect, a write perhaps half done: the machine is dying. 0: not. */
void fake_disk_die_at(struct fake_disk *fake, uint64_t n);
bool fake_disk_is_dead(const struct fake_disk *fake);
/* Alive again, with what the medium had at a power cut. All handles are closed. */
void fake_disk_cut_power(struct fake_disk *fake);
/* The process that used it is gone, the machine is not: all handles are closed, nothing is lost,
 * what was not synced may still be. */
void fake_disk_close_all(struct fake_disk *fake);

/* The n-th write or sync from now on fails once with this error. A failed sync loses what was to be
 * synced, or brings it to the medium, without saying which. */
void fake_disk_fail_write(struct fake_disk *fake, uint64_t n, int error);
void fake_disk_fail_sync(struct fake_disk *fake, uint64_t n, int error);
/* Reads that touch these bytes of the file fail with -EIO; NULL: none do. */
void fake_disk_break(struct fake_disk *fake, const char *name, uint64_t offset, uint64_t size);
void fake_disk_fail_always(struct fake_disk *fake, int error);       /* writes and syncs; 0: ends */
void fake_disk_set_capacity(struct fake_disk *fake, uint64_t bytes); /* of all files */
void fake_disk_lie(struct fake_disk *fake, bool lies);            /* sync says 0 and does nothing */
void fake_disk_be_cold(struct fake_disk *fake, unsigned percent); /* of cached reads: -EAGAIN */

/* For tests that damage or look: what a file has in the cache; NULL: no such file. */
struct buf *fake_disk_file(struct fake_disk *fake, const char *name);
/* Makes what was done with fake_disk_file() durable. */
void fake_disk_put(struct fake_disk *fake, const char *name, struct str content);
unsigned fake_disk_forgotten(const struct fake_disk *fake);           /* files, all in all */
uint64_t fake_disk_written(const struct fake_disk *fake);             /* bytes, all in all */
unsigned fake_disk_count(struct fake_disk *fake, const char *ending); /* files so called */
