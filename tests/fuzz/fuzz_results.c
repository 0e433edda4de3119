/* SPDX-License-Identifier: ISC */
/* fuzz_results.c: who claims to be us is found however the name is dressed up: what is no claim
 * stays none with a comment in front, and the same for what is one. */
#include "authenticate/results.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str ours = { "mx.example.net", 14 };
    struct buf dressed = { 0 };
    struct str value = str_of(data, size);

    bool claims = results_claims(value, ours);
    buf_add(&dressed, STR(" (a (b\\)) c)\r\n\t"));
    buf_add(&dressed, value);
    check(results_claims(buf_str(&dressed), ours) == claims);
    buf_fini(&dressed);
    return 0;
}
