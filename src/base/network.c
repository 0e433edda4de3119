/* SPDX-License-Identifier: ISC */
/* network.c: see network.h. */
#include "base/network.h"

#include <string.h>

#include "base/cursor.h"

static uint8_t prefix_max(struct endpoint endpoint)
{
    return endpoint.family == ENDPOINT_IP4 ? 32 : 128;
}

/* Of octet i, the bits within the prefix. */
static uint8_t mask(uint8_t prefix, unsigned i)
{
    if (prefix >= (i + 1) * 8)
        return 0xff;
    if (prefix <= i * 8)
        return 0;
    return (uint8_t)(0xffU << (8 - prefix % 8));
}

static bool is_whole(struct network_range network)
{
    if (network.prefix > prefix_max(network.first))
        return false;
    for (unsigned i = 0; i < sizeof network.first.address; i++)
        if ((network.first.address[i] & ~mask(network.prefix, i)) != 0)
            return false;
    return true;
}

bool network_parse(struct str text, struct network_range *out_network)
{
    ptrdiff_t slash = str_find(text, '/');
    struct str address = slash >= 0 ? str_first(text, (size_t)slash) : text;
    struct endpoint first;
    uint64_t prefix;

    if (!endpoint_from_ip(address, 0, &first))
        return false;
    prefix = prefix_max(first);
    if (slash >= 0 && !str_to_u64(str_skip(text, (size_t)slash + 1), prefix, &prefix))
        return false;
    *out_network = (struct network_range){ .first = first, .prefix = (uint8_t)prefix };
    return is_whole(*out_network);
}

void network_add_text(struct buf *out, struct network_range network)
{
    endpoint_add_ip(out, network.first);
    if (network.prefix < prefix_max(network.first))
        buf_add_format(out, "/%u", network.prefix);
}

struct network_range network_of_address(struct endpoint address)
{
    struct network_range network = { .first = address, .prefix = prefix_max(address) };

    network.first.port = 0;
    return network;
}

bool network_has(struct network_range network, struct endpoint address)
{
    if (address.family != network.first.family)
        return false;
    for (unsigned i = 0; i < sizeof address.address; i++)
        if ((address.address[i] & mask(network.prefix, i)) != network.first.address[i])
            return false;
    return true;
}

void network_encode(struct buf *out, struct network_range network)
{
    endpoint_encode(out, network.first);
    buf_add_u8(out, network.prefix);
}

struct network_range network_decode(struct cursor *cursor)
{
    struct network_range network = { .first = endpoint_decode(cursor) };

    network.prefix = cursor_u8(cursor);
    if (network.first.family == ENDPOINT_NONE || !is_whole(network))
        cursor->failed = true;
    return network;
}
