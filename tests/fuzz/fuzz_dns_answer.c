/* SPDX-License-Identifier: ISC */
/* fuzz_dns_answer.c: what the decoder takes, it writes back byte by byte. */
#include "base/check.h"
#include "wire/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(str_of(data, size));
    struct arena arena = { 0 };
    struct dns_answer answer;
    struct buf bytes = { 0 };

    if (dns_answer_decode(&cursor, &arena, &answer)) {
        dns_answer_encode(&bytes, &answer);
        check(str_equals(buf_str(&bytes), str_first(str_of(data, size), size - cursor.left.len)));
    }
    buf_fini(&bytes);
    arena_fini(&arena);
    return 0;
}
