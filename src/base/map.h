/* SPDX-License-Identifier: ISC */
/* map.h: finds a value by its name.
 *
 * A hash table from byte strings to pointers. Keys often come from strangers, so
 * the hash is SipHash-2-4 under a key that each map draws from the kernel. The
 * map copies its keys; values stay the caller's. Order of iteration is arbitrary.
 */
#pragma once

#include "base/str.h"

struct map_slot;

struct map {
    struct map_slot *slot; /* open addressing, linear probing */
    size_t count;
    size_t cap; /* a power of two, or 0 */
    uint64_t key[2];
};

void map_init(struct map *map);
void map_fini(struct map *map);                         /* frees the keys, not the values */
void *map_find(const struct map *map, struct str name); /* NULL if absent */
/* Adds or replaces; returns the value that was there before, or NULL. value is not NULL. */
void *map_put(struct map *map, struct str name, void *value);
void *map_remove(struct map *map, struct str name); /* the value that was there, or NULL */
/* Calls for *cursor = 0, 1, …: the next value or NULL at the end. Not while changing the map. */
void *map_next(const struct map *map, size_t *cursor, struct str *out_name);

uint64_t siphash(const uint64_t key[2], struct str bytes);
