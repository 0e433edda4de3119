/* SPDX-License-Identifier: ISC */
/* plan.h: how a plan is put together. */
#pragma once

#include "route/route.h"

/* Adds the target unless its endpoint is in already or the plan is full; copies name and security.
 */
void route_plan_add(struct route_plan *plan, struct str host, struct endpoint endpoint,
                    uint16_t preference, struct str security);
/* Into the bounds of one minute and one hour. */
uint32_t route_plan_ttl(uint32_t ttl_s);
