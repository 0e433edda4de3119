/* SPDX-License-Identifier: ISC */
/* endpoint.c: see endpoint.h. */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/check.h"
#include "base/cursor.h"

bool endpoint_same_address(struct endpoint a, struct endpoint b)
{
    return a.family == b.family && memcmp(a.address, b.address, sizeof a.address) == 0;
}

bool endpoint_equals(struct endpoint a, struct endpoint b)
{
    return endpoint_same_address(a, b) && a.port == b.port;
}

bool endpoint_is_loopback(struct endpoint endpoint)
{
    static const uint8_t six[16] = { [15] = 1 };
    if (endpoint.family == ENDPOINT_IP4)
        return endpoint.address[0] == 127;
    return endpoint.family == ENDPOINT_IP6 && memcmp(endpoint.address, six, sizeof six) == 0;
}

static struct endpoint inner_address(struct endpoint endpoint)
{
    static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
    struct endpoint inner = { .family = ENDPOINT_IP4, .port = endpoint.port };
    const uint8_t *address = endpoint.address;

    if (endpoint.family != ENDPOINT_IP6)
        return endpoint;
    if (memcmp(address, nat64, sizeof nat64) == 0)
        memcpy(inner.address, address + sizeof nat64, 4);
    else if (address[0] == 0x20 && address[1] == 0x02)
        memcpy(inner.address, address + 2, 4);
    else
        return endpoint;
    return inner;
}

static enum endpoint_reach reach4(const uint8_t *address)
{
    if (address[0] == 0 || (address[0] == 169 && address[1] == 254) || address[0] >= 224)
        return REACH_NOBODY;
    if (address[0] == 127)
        return REACH_LOOPBACK;
    if (address[0] == 10 || (address[0] == 172 && address[1] >= 16 && address[1] < 32) ||
        (address[0] == 192 && address[1] == 168) ||
        (address[0] == 192 && address[1] == 0 && address[2] == 0) || /* RFC 6890 */
        (address[0] == 198 && (address[1] & 0xfe) == 18) ||          /* RFC 2544 */
        (address[0] == 100 && address[1] >= 64 && address[1] < 128))
        return REACH_PRIVATE;
    return REACH_WORLD;
}

static enum endpoint_reach reach6(const uint8_t *address)
{
    static const uint8_t zero[15];
    static const uint8_t local_nat64[6] = { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }; /* RFC 8215 */

    if (memcmp(address, zero, 12) == 0) /* ::1, ::, and what once was for IPv4 (RFC 4291 2.5.5.1) */
        return memcmp(address, zero, sizeof zero) == 0 && address[15] == 1 ? REACH_LOOPBACK
                                                                           : REACH_NOBODY;
    if ((address[0] == 0xfe && address[1] >= 0x80) || address[0] == 0xff)
        return REACH_NOBODY; /* link-local, site-local, multicast */
    return (address[0] & 0xfe) == 0xfc || memcmp(address, local_nat64, sizeof local_nat64) == 0
               ? REACH_PRIVATE
               : REACH_WORLD;
}

enum endpoint_reach endpoint_reach(struct endpoint endpoint)
{
    struct endpoint inner = inner_address(endpoint);

    if (inner.family == ENDPOINT_IP4)
        return reach4(inner.address);
    return inner.family == ENDPOINT_IP6 ? reach6(inner.address) : REACH_NOBODY;
}

bool endpoint_from_ip(struct str text, uint16_t port, struct endpoint *out_endpoint)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    char zero_ended[INET6_ADDRSTRLEN];
    struct endpoint endpoint = { .port = port };

    if (text.len == 0 || text.len >= sizeof zero_ended || memchr(text.ptr, 0, text.len) != NULL)
        return false;
    memcpy(zero_ended, text.ptr, text.len);
    zero_ended[text.len] = '\0';
    if (inet_pton(AF_INET, zero_ended, endpoint.address) == 1) {
        endpoint.family = ENDPOINT_IP4;
    } else if (inet_pton(AF_INET6, zero_ended, endpoint.address) == 1) {
        endpoint.family = ENDPOINT_IP6;
        if (memcmp(endpoint.address, mapped, sizeof mapped) == 0) {
            memmove(endpoint.address, endpoint.address + 12, 4);
            memset(endpoint.address + 4, 0, 12);
            endpoint.family = ENDPOINT_IP4;
        }
    } else {
        return false;
    }
    *out_endpoint = endpoint;
    return true;
}

static bool port_from(struct str text, uint16_t *out_port)
{
    uint64_t port;
    if (!str_to_u64(text, UINT16_MAX, &port) || port == 0)
        return false;
    *out_port = (uint16_t)port;
    return true;
}

bool endpoint_from_text(struct str text, uint16_t default_port, struct endpoint *out_endpoint)
{
    uint16_t port = default_port;
    struct str ip = text;

    if (text.len > 0 && text.ptr[0] == '[') {
        ptrdiff_t close = str_find(text, ']');
        if (close < 0)
            return false;
        ip = str_first(str_skip(text, 1), (size_t)close - 1);
        struct str rest = str_skip(text, (size_t)close + 1);
        if (rest.len > 0 && (rest.ptr[0] != ':' || !port_from(str_skip(rest, 1), &port)))
            return false;
    } else if (str_find(text, ':') >= 0 && str_find(text, ':') == str_find_last(text, ':')) {
        ptrdiff_t colon = str_find(text, ':');
        ip = str_first(text, (size_t)colon);
        if (!port_from(str_skip(text, (size_t)colon + 1), &port))
            return false;
    }
    return endpoint_from_ip(ip, port, out_endpoint);
}

void endpoint_add_ip(struct buf *out, struct endpoint endpoint)
{
    char text[INET6_ADDRSTRLEN] = "none";
    if (endpoint.family == ENDPOINT_LINE)
        memcpy(text, "line", sizeof "line");
    else if (endpoint.family != ENDPOINT_NONE)
        check(inet_ntop(endpoint.family == ENDPOINT_IP4 ? AF_INET : AF_INET6, endpoint.address,
                        text, sizeof text) != NULL);
    buf_add(out, str_from(text));
}

void endpoint_add_text(struct buf *out, struct endpoint endpoint)
{
    bool six = endpoint.family == ENDPOINT_IP6;
    if (endpoint.family == ENDPOINT_LINE) {
        endpoint_add_ip(out, endpoint); /* there is no port */
        return;
    }
    if (six)
        buf_add_byte(out, '[');
    endpoint_add_ip(out, endpoint);
    buf_add_format(out, "%s:%u", six ? "]" : "", (unsigned)endpoint.port);
}

struct endpoint endpoint_network(struct endpoint endpoint)
{
    size_t keep = endpoint.family == ENDPOINT_IP4 ? 3 : 8;
    memset(endpoint.address + keep, 0, sizeof endpoint.address - keep);
    endpoint.port = 0;
    return endpoint;
}

struct endpoint endpoint_of_line(struct str name)
{
    struct endpoint endpoint = { .family = ENDPOINT_LINE };

    name = str_first(name, sizeof endpoint.address);
    if (name.len > 0)
        memcpy(endpoint.address, name.ptr, name.len);
    return endpoint;
}

struct endpoint endpoint_of_line_number(uint64_t number)
{
    struct endpoint endpoint = { .family = ENDPOINT_LINE };

    memcpy(endpoint.address, &number, sizeof number);
    return endpoint;
}

uint64_t endpoint_line_number(struct endpoint endpoint)
{
    uint64_t number = 0;

    if (endpoint.family == ENDPOINT_LINE)
        memcpy(&number, endpoint.address, sizeof number);
    return number;
}

void endpoint_encode(struct buf *out, struct endpoint endpoint)
{
    buf_add_u8(out, endpoint.family);
    buf_add_bytes(out, endpoint.address, sizeof endpoint.address);
    buf_add_u16(out, endpoint.port);
}

struct endpoint endpoint_decode(struct cursor *cursor)
{
    struct endpoint endpoint = { .family = cursor_u8(cursor) };
    struct str address = cursor_bytes(cursor, sizeof endpoint.address);
    if (address.len == sizeof endpoint.address)
        memcpy(endpoint.address, address.ptr, sizeof endpoint.address);
    endpoint.port = cursor_u16(cursor);
    if (endpoint.family != ENDPOINT_NONE && endpoint.family != ENDPOINT_LINE &&
        endpoint.family != ENDPOINT_IP4 && endpoint.family != ENDPOINT_IP6)
        cursor->failed = true;
    return cursor_ok(cursor) ? endpoint : (struct endpoint){ 0 };
}
