/* SPDX-License-Identifier: ISC */
/* address.c: where a domain's primary is said to be now. The operator needs no secret; who answers
 * at an address has to show as much as for anybody. */
#include <string.h>

#include "base/check.h"
#include "base/printable.h"
#include "control/request.h"

static json_t *json_address(const struct told_address *address, struct now now)
{
    json_t *json = json_object();
    bool is_due = !address->is_asked && address->next_ms != NEVER_MS;
    int64_t wait_ms = address->next_ms > now.mono_ms ? address->next_ms - now.mono_ms : 0;

    json_put(json, "address", json_endpoint(address->endpoint));
    json_put(json, "state", json_string(address_state_name(address->state)));
    json_put(json, "since", json_time(address->since_ms));
    json_put(json, "tries", json_integer(address->tries));
    json_put(json, "next", json_time(is_due ? now.wall_ms + wait_ms : 0));
    json_put(json, "last_answer", json_verdict(&address->last));
    return json;
}

json_t *json_addresses(const struct addresses *addresses, struct now now)
{
    if (addresses == NULL)
        return json_null();
    json_t *json = json_object();
    json_t *told = json_array();
    json_t *used = json_array();

    for (uint32_t i = 0; i < addresses->told_count; i++)
        (void)json_array_append_new(told, json_address(&addresses->told[i], now));
    for (uint32_t i = 0; i < addresses->used_count; i++)
        (void)json_array_append_new(used, json_endpoint(addresses->used[i]));
    json_put(json, "told", json_time(addresses->told_ms));
    json_put(json, "addresses", told);
    json_put(json, "used", used);
    json_put(json, "used_since", json_time(addresses->used_ms));
    return json;
}

static int add_piece(const char *piece, size_t size, void *out)
{
    buf_add_bytes(out, piece, size);
    return 0;
}

void control_add_addresses(struct buf *out, const struct addresses *addresses, struct now now)
{
    json_t *json = json_addresses(addresses, now);

    check(json_dump_callback(json, add_piece, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0);
    json_decref(json);
}

/* ---- the operation ---- */

static void show(struct request *request, bool is_new)
{
    const struct control_setup *setup = &request->control->setup;
    struct str domain = buf_str(&request->domain);
    json_t *body = json_object();

    json_put(body, "name", json_text(domain));
    json_put(body, "news", json_boolean(is_new));
    json_put(body, "address",
             json_addresses(setup->host->addresses(setup->context, domain), request->now));
    request_answer(request, body);
}

static void on_kept(void *context, int error)
{
    struct request *request = context;

    if (request_was_kept(request, error))
        show(request, argument_value(request, "news") != NULL);
}

static bool take_address(struct request *request, const json_t *value, struct endpoint *out)
{
    struct str text = { json_string_value(value), json_string_length(value) };
    struct buf shown = { 0 };

    if (json_is_string(value) && endpoint_from_text(text, 0, out))
        return true;
    printable_add_quoted(&shown, text);
    request_fail(request, "bad-address",
                 "%.*s is no address; write 192.0.2.7, 192.0.2.7:25, 2001:db8::7 or "
                 "[2001:db8::7]:25",
                 STR_FMT(buf_str(&shown)));
    buf_fini(&shown);
    return false;
}

static void tell(struct request *request, const json_t *list)
{
    const struct control_setup *setup = &request->control->setup;
    struct endpoint endpoint[ADDRESSES_TOLD_MAX];
    struct control_telling telling = { .domain = buf_str(&request->domain),
                                       .endpoint = endpoint,
                                       .count = (uint32_t)json_array_size(list) };
    struct buf why = { 0 };

    if (json_array_size(list) == 0 || json_array_size(list) > ADDRESSES_TOLD_MAX) {
        request_fail(request, "bad-address", "give one address, or %d at most", ADDRESSES_TOLD_MAX);
        return;
    }
    for (uint32_t i = 0; i < telling.count; i++)
        if (!take_address(request, json_array_get(list, i), &endpoint[i]))
            return;
    enum address_fate fate =
        setup->host->tell_addresses(setup->context, &telling, &why, on_kept, request);
    if (fate == ADDRESS_TAKEN)
        json_put(request->arguments, "news", json_true());
    else if (fate != ADDRESS_SAME)
        request_fail(request, address_fate_name(fate), "%.*s", STR_FMT(buf_str(&why)));
    buf_fini(&why);
}

void operation_domain_address(struct request *request)
{
    const struct control_setup *setup = &request->control->setup;
    const json_t *list = argument_value(request, "addresses");

    if (request_find_domain(request) == NULL)
        return;
    if (list != NULL && argument_flag(request, "forget")) {
        request_fail(request, "bad-argument", "tell of addresses, or have them forgotten");
        return;
    }
    if (list != NULL)
        tell(request, list);
    else if (!argument_flag(request, "forget") ||
             !setup->host->forget_addresses(setup->context, buf_str(&request->domain), on_kept,
                                            request))
        show(request, false);
}
