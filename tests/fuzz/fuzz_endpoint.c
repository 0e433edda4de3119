/* SPDX-License-Identifier: ISC */
/* fuzz_endpoint.c: text that is taken for an address has one spelling, and that one leads back;
 * nineteen bytes that are taken are written back. */
#include "base/check.h"
#include "base/cursor.h"
#include "base/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_endpoint(struct endpoint endpoint)
{
    struct endpoint back;
    struct buf text = { 0 };

    endpoint_add_text(&text, endpoint);
    check(text.len <= ENDPOINT_TEXT_MAX);
    check(endpoint_from_text(buf_str(&text), 1, &back));
    check(endpoint_equals(endpoint, back));
    buf_reset(&text);
    endpoint_add_ip(&text, endpoint);
    check(endpoint_from_ip(buf_str(&text), endpoint.port, &back));
    check(endpoint_equals(endpoint, back));
    struct endpoint network = endpoint_network(endpoint);
    check(endpoint_equals(network, endpoint_network(network)));
    buf_fini(&text);
}

static void check_code(struct str bytes)
{
    struct cursor cursor = cursor_over(bytes);
    struct buf again = { 0 };
    struct endpoint endpoint = endpoint_decode(&cursor);

    if (cursor_ok(&cursor)) {
        endpoint_encode(&again, endpoint);
        check(str_equals(buf_str(&again), str_first(bytes, again.len)));
    }
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    struct endpoint endpoint;

    if (endpoint_from_text(text, 25, &endpoint)) {
        check(endpoint.port != 0);
        check_endpoint(endpoint);
    }
    if (endpoint_from_ip(text, 25, &endpoint))
        check_endpoint(endpoint);
    check_code(text);
    return 0;
}
