/* SPDX-License-Identifier: ISC */
/* fuzz_call.c: a backup that says anything to who calls it, and then anything to the local server
 * behind an adapter, which may answer anything. The first octet chooses what the adapter does; then
 * an octet says who speaks, and how much. */
#include "base/check.h"
#include "base/clock.h"
#include "call/adapter.h"
#include "call/call.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    bool is_over, is_turned, must_secure, is_broken;
    size_t said;
};

static void on_send(void *context, struct str bytes)
{
    struct world *world = context;
    check(!world->is_over && !world->is_turned);
    world->said += bytes.len;
}

static void on_start_tls(void *context)
{
    struct world *world = context;
    check(!world->is_over && !world->must_secure);
    world->must_secure = true;
}

static void on_waits(void *context)
{
    const struct world *world = context;
    check(!world->is_over && !world->is_turned);
}

static void on_turned(void *context, struct str rest)
{
    struct world *world = context;
    check(!world->is_over && !world->is_turned);
    world->is_turned = true;
    world->said += rest.len;
}

static void on_over(void *context, enum call_end how, struct str why)
{
    struct world *world = context;
    check(!world->is_over && why.len > 0 && how <= CALL_STRANGER);
    world->is_over = true;
}

static const struct call_host call_hooks = { .send = on_send,
                                             .start_tls = on_start_tls,
                                             .waits = on_waits,
                                             .turned = on_turned,
                                             .over = on_over };

static void on_octets(void *context, struct str bytes)
{
    struct world *world = context;
    check(!world->is_broken);
    world->said += bytes.len;
}

static void on_reconnect(void *context, struct endpoint client)
{
    const struct world *world = context;
    struct buf header = { 0 };

    check(!world->is_broken);
    adapter_add_proxy_header(&header, client, client);
    check(header.len == 16 || header.len == 28 || header.len == 52);
    buf_fini(&header);
}

static void on_broken(void *context, const char *why)
{
    struct world *world = context;
    check(!world->is_broken && why != NULL);
    world->is_broken = true;
}

static const struct adapter_host adapter_hooks = {
    .to_server = on_octets, .to_backup = on_octets, .reconnect = on_reconnect, .broken = on_broken
};

static void adapt(struct str input, unsigned mode)
{
    const struct adapter_settings settings = { (mode & 2) != 0, (mode & 4) != 0 };
    struct world world = { 0 };
    struct adapter *adapter = adapter_new(&settings, &adapter_hooks, &world);

    while (input.len > 0) {
        unsigned octet = (unsigned char)input.ptr[0];
        struct str bytes = str_first(str_skip(input, 1), octet & 0x7f);
        if (octet & 0x80)
            adapter_from_server(adapter, bytes);
        else
            adapter_from_backup(adapter, bytes);
        input = str_skip(input, 1 + bytes.len);
    }
    adapter_free(adapter);
}

static void call(struct str input, bool is_secure)
{
    const struct call_settings settings = {
        .hostname = STR("home"), .user = STR("user"), .secret = STR("secret"), .instance = STR("i")
    };
    struct world world = { 0 };
    struct now now = { .mono_ms = 1 };
    struct call *talk = call_new(&settings, &call_hooks, &world, is_secure, now);

    while (input.len > 0 && !world.is_turned) {
        struct str bytes = str_first(str_skip(input, 1), (unsigned char)input.ptr[0]);
        call_feed(talk, bytes, now);
        if (world.must_secure && !world.is_over)
            call_secured(talk, now);
        input = str_skip(input, 1 + bytes.len);
    }
    now.mono_ms = call_deadline(talk) == NEVER_MS ? now.mono_ms : call_deadline(talk);
    if (!world.is_turned)
        call_tick(talk, now);
    check(!world.is_over || call_deadline(talk) == NEVER_MS);
    call_free(talk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] & 8)
        adapt(str_of(data + 1, size - 1), data[0]);
    else
        call(str_of(data + 1, size - 1), (data[0] & 1) != 0);
    return 0;
}
