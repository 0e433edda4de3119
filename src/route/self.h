/* SPDX-License-Identifier: ISC */
/* self.h: is that host one of us? */
#pragma once

#include "route/route.h"

bool route_self_has_name(const struct route_self *self, struct str name);
/* For hosts from MX: by address alone, whatever the port. */
bool route_self_has_address(const struct route_self *self, struct endpoint endpoint);
/* For static primaries: only where we listen at this address and port. */
bool route_self_listens_at(const struct route_self *self, struct endpoint endpoint);
