/* SPDX-License-Identifier: ISC */
/* fuzz_addresses.c: what is kept of addresses is within its bounds if it can be read, and survives
 * a second trip. */
#include "base/check.h"
#include "route/addresses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct now now = { .mono_ms = 1, .wall_ms = 1 };
    struct addresses addresses, again;
    struct route_plan plan = { 0 };
    struct buf bytes = { 0 };

    if (!addresses_decode(str_of(data, size), now, &addresses))
        return 0;
    check(addresses.told_count > 0 && addresses.told_count <= ADDRESSES_TOLD_MAX);
    check(addresses.used_count <= ADDRESSES_TOLD_MAX);
    addresses_encode(&bytes, &addresses);
    check(str_equals(buf_str(&bytes), str_of(data, size)));
    check(addresses_decode(buf_str(&bytes), now, &again));
    addresses_lead(&addresses, &plan);
    check(plan.count <= addresses.used_count);
    while (addresses_take_due(&addresses, now) != NULL)
        ;
    check(addresses_deadline(&addresses) == NEVER_MS);
    route_plan_fini(&plan);
    buf_fini(&bytes);
    return 0;
}
