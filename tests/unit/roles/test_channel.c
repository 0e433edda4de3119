/* SPDX-License-Identifier: ISC */
/* Frames over memory: whole, in pieces, and from a peer that does not keep to the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "roles/channel.h"

struct seen {
    unsigned messages;
    unsigned broken;
    uint64_t ticket;
    char bytes[64];
    bool refuse;
};

static bool on_message(void *context, struct channel *channel, enum message_type type,
                       struct cursor payload)
{
    struct seen *seen = context;
    struct message_content_data data;

    (void)channel;
    seen->messages++;
    if (type == MESSAGE_content_data) {
        assert_true(message_get_content_data(payload, &data));
        seen->ticket = data.ticket;
        assert_true(data.bytes.len < sizeof seen->bytes);
        memcpy(seen->bytes, data.bytes.ptr, data.bytes.len);
        seen->bytes[data.bytes.len] = '\0';
    }
    return !seen->refuse;
}

static void on_broken(void *context, struct channel *channel, const char *why)
{
    struct seen *seen = context;
    (void)channel;
    assert_non_null(why);
    seen->broken++;
}

static const struct channel_host host = { .message = on_message, .broken = on_broken };

static void carries_messages_in_any_split(void **state)
{
    (void)state;
    struct channel *sender = channel_new(ROLE_RECEIVER, ROLE_KEEPER, 1, &host, NULL);
    channel_send(sender, content_data, .ticket = 7, .bytes = STR("hello"));
    channel_send(sender, content_abort, .ticket = 8);
    struct str wire = channel_pending(sender);

    for (size_t split = 0; split <= wire.len; split++) {
        struct seen seen = { 0 };
        struct channel *taker = channel_new(ROLE_KEEPER, ROLE_RECEIVER, 1, &host, &seen);
        channel_feed(taker, str_first(wire, split));
        channel_feed(taker, str_skip(wire, split));
        assert_int_equal(seen.messages, 2);
        assert_int_equal(seen.broken, 0);
        assert_int_equal(seen.ticket, 7);
        assert_string_equal(seen.bytes, "hello");
        channel_free(taker);
    }
    channel_taken(sender, wire.len);
    assert_int_equal(channel_pending(sender).len, 0);
    channel_free(sender);
}

/* What was sent and what is pending keep their order however the kernel takes it, and a channel
 * that is never empty does not grow. */
static void a_channel_that_is_never_empty_gives_memory_back(void **state)
{
    static char piece[60 * 1024];
    struct channel *sender = channel_new(ROLE_RECEIVER, ROLE_KEEPER, 1, &host, NULL);
    uint64_t next = 0;
    size_t size = 0;

    (void)state;
    channel_send(sender, content_data, .ticket = 0, .bytes = str_of(piece, sizeof piece));
    size = channel_pending(sender).len;
    for (uint64_t ticket = 1; ticket <= 2000; ticket++) {
        channel_send(sender, content_data, .ticket = ticket, .bytes = str_of(piece, sizeof piece));
        assert_int_equal(channel_pending(sender).len, 2 * size);
        struct message_content_data data;
        struct str frame = str_first(channel_pending(sender), size);
        assert_true(message_get_content_data(cursor_over(str_skip(frame, 8)), &data));
        assert_int_equal(data.ticket, next++);
        channel_taken(sender, size);
    }
    assert_true(channel_memory(sender) < 8 * 1024 * 1024);
    channel_free(sender);
}

static void cuts_off_who_says_what_is_not_its_to_say(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t size;
        uint16_t type;
    } frames[] = {
        { "a receiver that opens a session", 8, MESSAGE_session_open },
        { "an unknown type", 0, 999 },
        { "type zero", 0, 0 },
        { "a frame above its limit", 1 << 30, MESSAGE_content_data },
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct seen seen = { 0 };
        struct channel *taker = channel_new(ROLE_KEEPER, ROLE_RECEIVER, 1, &host, &seen);
        struct buf bytes = { 0 };
        buf_add_u32(&bytes, frames[i].size);
        buf_add_u16(&bytes, frames[i].type);
        buf_add_u16(&bytes, 0);
        buf_add_u64(&bytes, 0);
        channel_feed(taker, buf_str(&bytes));
        channel_feed(taker, buf_str(&bytes));
        assert_int_equal(seen.messages, 0);
        assert_int_equal(seen.broken, 1);
        assert_true(channel_is_broken(taker));
        buf_fini(&bytes);
        channel_free(taker);
    }
}

static void cuts_off_whose_message_makes_no_sense(void **state)
{
    (void)state;
    struct seen seen = { .refuse = true };
    struct channel *sender = channel_new(ROLE_RECEIVER, ROLE_KEEPER, 1, &host, NULL);
    struct channel *taker = channel_new(ROLE_KEEPER, ROLE_RECEIVER, 1, &host, &seen);

    channel_send(sender, content_abort, .ticket = 1);
    channel_send(sender, content_abort, .ticket = 2);
    channel_feed(taker, channel_pending(sender));
    assert_int_equal(seen.messages, 1);
    assert_int_equal(seen.broken, 1);
    channel_free(sender);
    channel_free(taker);
}

/* Its successor is here, and its own end was not noticed yet: what it still says would be heard as
 * the successor's. */
static void hears_nothing_of_whom_it_has_cut(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    struct channel *sender = channel_new(ROLE_RECEIVER, ROLE_KEEPER, 1, &host, NULL);
    struct channel *taker = channel_new(ROLE_KEEPER, ROLE_RECEIVER, 1, &host, &seen);

    channel_send(sender, content_abort, .ticket = 8);
    channel_cut(taker, "a new one came");
    assert_int_equal(seen.broken, 1);
    channel_feed(taker, channel_pending(sender));
    channel_feed(taker, STR("\xff\xff\xff\xff\xff\xff\xff\xff"));
    channel_cut(taker, "again");
    assert_int_equal(seen.messages, 0);
    assert_int_equal(seen.broken, 1);
    channel_send(taker, content_taken, .ticket = 8);
    assert_int_equal(channel_pending(taker).len, 0);
    channel_free(sender);
    channel_free(taker);
}

static void refuses_payloads_that_are_cut_or_too_long(void **state)
{
    (void)state;
    struct message_content_data data = { .ticket = 3, .bytes = STR("abc") };
    struct message_content_data out;
    struct buf bytes = { 0 };

    message_put_content_data(&bytes, &data);
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(message_get_content_data(cursor_over(str_first(buf_str(&bytes), len)), &out));
    assert_true(message_get_content_data(cursor_over(buf_str(&bytes)), &out));
    buf_add_byte(&bytes, 'x');
    assert_false(message_get_content_data(cursor_over(buf_str(&bytes)), &out));
    buf_fini(&bytes);
}

/* The table is the wall between roles: nobody but the supervisor configures, nobody but the keeper
 * opens sessions, and a receiver hears nothing of deliveries. */
static void table_keeps_roles_apart(void **state)
{
    (void)state;
    for (int type = MESSAGE_NONE + 1; type < MESSAGE_COUNT; type++) {
        enum message_type message = (enum message_type)type;
        assert_non_null(message_name(message));
        assert_false(message_is_allowed(message, ROLE_RECEIVER, ROLE_DELIVERER));
        assert_false(message_is_allowed(message, ROLE_DELIVERER, ROLE_RECEIVER));
        assert_false(message_is_allowed(message, ROLE_RECEIVER, ROLE_RECEIVER));
    }
    assert_false(message_is_allowed(MESSAGE_configure, ROLE_RECEIVER, ROLE_KEEPER));
    assert_false(message_is_allowed(MESSAGE_stop, ROLE_RECEIVER, ROLE_KEEPER));
    assert_false(message_is_allowed(MESSAGE_session_open, ROLE_RECEIVER, ROLE_KEEPER));
    assert_true(message_is_allowed(MESSAGE_session_open, ROLE_KEEPER, ROLE_DELIVERER));
}

/* A role was replaced before its end was noticed: that comes later, and is no news. */
static void tells_once_that_it_was_cut(void **state)
{
    struct seen seen = { 0 };
    struct channel *sender = channel_new(ROLE_RECEIVER, ROLE_KEEPER, 1, &host, NULL);
    struct channel *taker = channel_new(ROLE_KEEPER, ROLE_RECEIVER, 1, &host, &seen);

    (void)state;
    channel_send(sender, content_abort, .ticket = 8);
    channel_cut(taker, "a new one came");
    assert_int_equal(seen.broken, 1);
    assert_true(channel_is_broken(taker));
    channel_feed(taker, channel_pending(sender));
    channel_cut(taker, "it is gone");
    assert_int_equal(seen.broken, 1);
    assert_int_equal(seen.messages, 0);
    channel_free(taker);
    channel_free(sender);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_messages_in_any_split),
        cmocka_unit_test(a_channel_that_is_never_empty_gives_memory_back),
        cmocka_unit_test(cuts_off_who_says_what_is_not_its_to_say),
        cmocka_unit_test(cuts_off_whose_message_makes_no_sense),
        cmocka_unit_test(hears_nothing_of_whom_it_has_cut),
        cmocka_unit_test(refuses_payloads_that_are_cut_or_too_long),
        cmocka_unit_test(table_keeps_roles_apart),
        cmocka_unit_test(tells_once_that_it_was_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
