/* SPDX-License-Identifier: ISC */
/* self.c: is that host one of us?
 *
 * A connection to 0.0.0.0 or :: ends at this machine, so these two are us
 * whatever is listed. The rest of 127.0.0.0/8 is us as soon as one listener stands
 * on all addresses: nobody can list sixteen million of them. With listeners on
 * single addresses, another loopback address is another host, as it is in tests.
 */
#include "route/self.h"

#include <string.h>

#include "mail/domain.h"

static bool is_unspecified(struct endpoint endpoint)
{
    static const uint8_t zero[16];
    return memcmp(endpoint.address, zero, sizeof zero) == 0;
}

static bool is_listed(const struct endpoint *list, uint32_t count, struct endpoint endpoint)
{
    for (uint32_t i = 0; i < count; i++)
        if (endpoint_same_address(list[i], endpoint))
            return true;
    return false;
}

static bool listens_everywhere(const struct route_self *self)
{
    for (uint32_t i = 0; i < self->listener_count; i++)
        if (is_unspecified(self->listener[i]))
            return true;
    return false;
}

bool route_self_has_name(const struct route_self *self, struct str name)
{
    for (uint32_t i = 0; i < self->name_count; i++)
        if (domain_equals(self->name[i], name))
            return true;
    return false;
}

bool route_self_has_address(const struct route_self *self, struct endpoint endpoint)
{
    if (is_unspecified(endpoint) || is_listed(self->address, self->address_count, endpoint))
        return true;
    if (endpoint_is_loopback(endpoint) && listens_everywhere(self))
        return true;
    return is_listed(self->listener, self->listener_count, endpoint);
}

bool route_self_listens_at(const struct route_self *self, struct endpoint endpoint)
{
    for (uint32_t i = 0; i < self->listener_count; i++) {
        struct endpoint listener = self->listener[i];
        if (listener.port != endpoint.port)
            continue;
        if (endpoint_same_address(listener, endpoint))
            return true;
        if ((is_unspecified(listener) || is_unspecified(endpoint)) &&
            route_self_has_address(self, endpoint))
            return true;
    }
    return false;
}
