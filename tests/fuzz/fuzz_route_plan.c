/* SPDX-License-Identifier: ISC */
/* fuzz_route_plan.c: a plan that can be read is within its bounds and survives a second trip. */
#include "base/check.h"
#include "route/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct route_plan plan, again;
    struct buf bytes = { 0 };
    struct buf back = { 0 };

    if (!route_plan_decode(str_of(data, size), &plan))
        return 0;
    check(plan.count > 0 && plan.count <= ROUTE_TARGETS_MAX);
    check(plan.ttl_s >= 60 && plan.ttl_s <= 3600);
    route_plan_encode(&bytes, &plan);
    check(route_plan_decode(buf_str(&bytes), &again));
    check(again.count == plan.count);
    route_plan_encode(&back, &again);
    check(str_equals(buf_str(&bytes), buf_str(&back)));
    for (uint32_t i = 0; i < plan.count; i++)
        check(plan.target[i].endpoint.port != 0 && plan.target[i].host.len <= DNS_NAME_MAX);
    buf_fini(&back);
    route_plan_fini(&plan);
    route_plan_fini(&again);
    buf_fini(&bytes);
    return 0;
}
