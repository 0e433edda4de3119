/* SPDX-License-Identifier: ISC */
/* test_content.c: how much content is asked for, and when. */
#include "testing.h"

#include <string.h>

#include "base/memory.h"
#include "deliver/client.h"

enum { LARGE = 1000 * 1000, UNSENT_MAX = 256 * 1024, PIECE = 64 * 1024 };

struct host {
    struct deliver_client *client;
    struct message_id id[DELIVER_WINDOW_MESSAGES]; /* asked for and not answered */
    uint64_t offset[DELIVER_WINDOW_MESSAGES];
    size_t size[DELIVER_WINDOW_MESSAGES];
    size_t count;
    uint64_t sent; /* octets since drained */
    uint64_t sent_ever;
    char *content;
};

static void host_send(void *context, struct str bytes)
{
    struct host *host = context;
    host->sent += bytes.len;
    host->sent_ever += bytes.len;
}

static void host_ready(void *context, const struct smtp_greeting *greeting, unsigned window)
{
    (void)context;
    (void)greeting;
    assert_int_equal(window, DELIVER_WINDOW_MESSAGES);
}

static void host_result(void *context, struct message_id id, const struct verdict *verdict,
                        uint32_t count, bool in_doubt)
{
    (void)context;
    (void)id;
    (void)verdict;
    (void)count;
    (void)in_doubt;
}

static void host_want_content(void *context, struct message_id id, uint64_t offset, size_t size)
{
    struct host *host = context;
    assert_true(size > 0 && size <= PIECE);
    assert_true(host->count < DELIVER_WINDOW_MESSAGES);
    host->id[host->count] = id;
    host->offset[host->count] = offset;
    host->size[host->count++] = size;
}

static void host_closed(void *context, enum deliver_close how, const struct verdict *verdict)
{
    (void)context;
    (void)how;
    (void)verdict;
}

static const struct deliver_host functions = { host_send, host_ready, host_result,
                                               host_want_content, host_closed };
static const struct deliver_settings settings = { .hostname = { "me.example", 10 } };
static const struct now now = { .mono_ms = 1 };

static void start(struct host *host)
{
    *host = (struct host){ .content = memory_new(LARGE) };
    for (size_t i = 0; i < LARGE; i++)
        host->content[i] = "a line\r\n"[i % 8];
    host->client = deliver_new(&settings, &functions, host, DELIVER_TLS_NO, now);
    deliver_feed(host->client, STR("220 mx\r\n"), now);
    deliver_feed(host->client, STR("250-mx\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 CHUNKING\r\n"),
                 now);
    deliver_drained(host->client, now);
    host->sent = host->sent_ever = 0;
}

static void stop(struct host *host)
{
    deliver_free(host->client);
    memory_free(host->content);
}

static void give(struct host *host, uint8_t number, uint64_t size)
{
    struct recipient recipient = { .address = STR("x@d") };
    struct delivery delivery = { .id = { { number } },
                                 .sender = STR("a@s"),
                                 .recipient = &recipient,
                                 .recipient_count = 1,
                                 .size = size };
    deliver_message(host->client, &delivery, now);
}

/* Answers everything that is asked for until nothing is any more. */
static void answer_all(struct host *host)
{
    while (host->count > 0) {
        struct message_id id = host->id[0];
        uint64_t offset = host->offset[0];
        size_t size = host->size[0];
        host->count--;
        for (size_t i = 0; i < host->count; i++) {
            host->id[i] = host->id[i + 1];
            host->offset[i] = host->offset[i + 1];
            host->size[i] = host->size[i + 1];
        }
        deliver_content(host->client, id, offset, str_of(host->content + offset, size), now);
    }
}

static void asks_for_more_only_when_drained(void **state)
{
    struct host host;
    unsigned rounds = 0;
    (void)state;
    start(&host);
    give(&host, 1, LARGE);
    for (; host.count > 0; rounds++) {
        answer_all(&host);
        assert_true(host.sent <= UNSENT_MAX + 1024);
        host.sent = 0;
        deliver_drained(host.client, now);
    }
    assert_true(host.sent_ever > LARGE && host.sent_ever < LARGE + 1024);
    assert_in_range(rounds, LARGE / UNSENT_MAX, LARGE / UNSENT_MAX + 3);
    stop(&host);
}

static void does_not_wait_between_small_messages(void **state)
{
    struct host host;
    (void)state;
    start(&host);
    for (unsigned i = 0; i < DELIVER_WINDOW_MESSAGES; i++)
        give(&host, (uint8_t)i, 4096);
    assert_int_equal(host.count, DELIVER_WINDOW_MESSAGES);
    answer_all(&host);
    assert_true(host.sent > DELIVER_WINDOW_MESSAGES * 4096);
    stop(&host);
}

/* Were the content of later messages counted against the first, it could wait for ever. */
static void does_not_starve_the_first_by_those_behind(void **state)
{
    struct host host;
    (void)state;
    start(&host);
    for (unsigned i = 0; i < DELIVER_WINDOW_MESSAGES; i++)
        give(&host, (uint8_t)i, PIECE * 2);
    while (host.count > 0) {
        answer_all(&host);
        deliver_drained(host.client, now);
    }
    assert_true(host.sent_ever > DELIVER_WINDOW_MESSAGES * PIECE * 2);
    stop(&host);
}

static void takes_content_that_comes_late_or_twice(void **state)
{
    struct host host;
    (void)state;
    start(&host);
    give(&host, 1, 100);
    struct message_id id = host.id[0], unknown = { { 9 } };
    uint64_t before = host.sent;
    deliver_content(host.client, unknown, 0, str_of(host.content, 100), now);
    deliver_content(host.client, id, 50, str_of(host.content + 50, 50), now); /* a gap */
    assert_int_equal(host.sent, before);
    deliver_content(host.client, id, 0, str_of(host.content, 60), now);
    deliver_content(host.client, id, 0, str_of(host.content, 60), now);
    deliver_content(host.client, id, 40, str_of(host.content + 40, 500), now); /* more than all */
    /* The content ends within a line, so a CRLF is added. */
    assert_int_equal(host.sent - before,
                     strlen("BDAT 60\r\n") + 60 + strlen("BDAT 42 LAST\r\n") + 42);
    uint64_t after = host.sent;
    deliver_content(host.client, id, 0, str_of(host.content, 100), now);
    assert_int_equal(host.sent, after);
    stop(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_more_only_when_drained),
        cmocka_unit_test(does_not_wait_between_small_messages),
        cmocka_unit_test(does_not_starve_the_first_by_those_behind),
        cmocka_unit_test(takes_content_that_comes_late_or_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
