/* SPDX-License-Identifier: ISC */
/* map.c: see map.h. */
#include "base/map.h"

#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/memory.h"

struct map_slot {
    char *name; /* NULL: free */
    size_t len;
    uint64_t hash;
    void *value;
};

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

/* SipHash-2-4 (Aumasson, Bernstein 2012). */
uint64_t siphash(const uint64_t key[2], struct str bytes)
{
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                      key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
    size_t whole = bytes.len & ~(size_t)7;
    uint64_t last = (uint64_t)bytes.len << 56;

    for (size_t at = 0; at < whole; at += 8) {
        uint64_t word;
        memcpy(&word, bytes.ptr + at, 8);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    for (size_t at = whole; at < bytes.len; at++)
        last |= (uint64_t)(unsigned char)bytes.ptr[at] << (8 * (at - whole));
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *map)
{
    *map = (struct map){ 0 };
    check(getrandom(map->key, sizeof map->key, 0) == (ssize_t)sizeof map->key);
}

void map_fini(struct map *map)
{
    for (size_t i = 0; i < map->cap; i++)
        memory_free(map->slot[i].name);
    memory_free(map->slot);
    *map = (struct map){ 0 };
}

/* The slot that holds the name, or the free one where it would go. */
static size_t seek(const struct map *map, struct str name, uint64_t hash)
{
    size_t at = hash & (map->cap - 1);
    while (map->slot[at].name != NULL) {
        const struct map_slot *slot = &map->slot[at];
        if (slot->hash == hash && str_equals(str_of(slot->name, slot->len), name))
            break;
        at = (at + 1) & (map->cap - 1);
    }
    return at;
}

void *map_find(const struct map *map, struct str name)
{
    if (map->count == 0)
        return NULL;
    size_t at = seek(map, name, siphash(map->key, name));
    return map->slot[at].name != NULL ? map->slot[at].value : NULL;
}

static void grow(struct map *map)
{
    struct map_slot *old = map->slot;
    size_t old_cap = map->cap;

    map->cap = old_cap > 0 ? old_cap * 2 : 16;
    map->slot = memory_new(map->cap * sizeof *map->slot);
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].name != NULL)
            map->slot[seek(map, str_of(old[i].name, old[i].len), old[i].hash)] = old[i];
    memory_free(old);
}

void *map_put(struct map *map, struct str name, void *value)
{
    check(value != NULL);
    if (map->count + 1 > map->cap / 4 * 3)
        grow(map);
    uint64_t hash = siphash(map->key, name);
    struct map_slot *slot = &map->slot[seek(map, name, hash)];
    void *before = slot->value;
    if (slot->name == NULL) {
        slot->name = memory_copy(name.ptr, name.len);
        slot->len = name.len;
        slot->hash = hash;
        map->count++;
    }
    slot->value = value;
    return before;
}

/* Closes the gap, so that no tombstones are needed. */
static void close_gap(struct map *map, size_t gap)
{
    size_t mask = map->cap - 1;
    for (size_t at = (gap + 1) & mask; map->slot[at].name != NULL; at = (at + 1) & mask) {
        size_t home = map->slot[at].hash & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            map->slot[gap] = map->slot[at];
            map->slot[at] = (struct map_slot){ 0 };
            gap = at;
        }
    }
}

void *map_remove(struct map *map, struct str name)
{
    if (map->count == 0)
        return NULL;
    size_t at = seek(map, name, siphash(map->key, name));
    if (map->slot[at].name == NULL)
        return NULL;
    void *value = map->slot[at].value;
    memory_free(map->slot[at].name);
    map->slot[at] = (struct map_slot){ 0 };
    map->count--;
    close_gap(map, at);
    return value;
}

void *map_next(const struct map *map, size_t *cursor, struct str *out_name)
{
    while (*cursor < map->cap) {
        const struct map_slot *slot = &map->slot[(*cursor)++];
        if (slot->name == NULL)
            continue;
        if (out_name != NULL)
            *out_name = str_of(slot->name, slot->len);
        return slot->value;
    }
    return NULL;
}
