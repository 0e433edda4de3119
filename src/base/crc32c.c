/* SPDX-License-Identifier: ISC */
/* crc32c.c: by the processor's instruction where it has one, by table elsewhere. */
#include "base/crc32c.h"

#include <string.h>

static uint32_t by_table(uint32_t crc, struct str bytes)
{
    /* Reflected polynomial 0x82f63b78, four bits at a time. */
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.ptr[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t start, struct str bytes)
{
    uint64_t crc = start;
    size_t at = 0;
    for (; at + 8 <= bytes.len; at += 8) {
        uint64_t word;
        memcpy(&word, bytes.ptr + at, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    for (; at < bytes.len; at++)
        crc = _mm_crc32_u8((uint32_t)crc, (unsigned char)bytes.ptr[at]);
    return (uint32_t)crc;
}

static uint32_t update(uint32_t crc, struct str bytes)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, bytes) : by_table(crc, bytes);
}
#else
static uint32_t update(uint32_t crc, struct str bytes)
{
    return by_table(crc, bytes);
}
#endif

uint32_t crc32c(uint32_t crc, struct str bytes)
{
    return ~update(~crc, bytes);
}
