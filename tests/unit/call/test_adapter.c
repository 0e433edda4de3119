/* SPDX-License-Identifier: ISC */
/* test_adapter.c: between the backup and a server that wants LMTP or PROXY (call/adapter.h). */
#include "testing.h"

#include "call/adapter.h"

struct fixture {
    struct adapter *adapter;
    struct buf server, backup, events;
};

static void on_to_server(void *context, struct str bytes)
{
    struct fixture *fixture = context;
    buf_add(&fixture->server, bytes);
}

static void on_to_backup(void *context, struct str bytes)
{
    struct fixture *fixture = context;
    buf_add(&fixture->backup, bytes);
}

static void on_reconnect(void *context, struct endpoint client)
{
    struct fixture *fixture = context;
    buf_add(&fixture->events, STR("reconnect("));
    endpoint_add_text(&fixture->events, client);
    buf_add(&fixture->events, STR(") "));
}

static void on_broken(void *context, const char *why)
{
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "broken(%s) ", why);
}

static const struct adapter_host host = { .to_server = on_to_server,
                                          .to_backup = on_to_backup,
                                          .reconnect = on_reconnect,
                                          .broken = on_broken };

static void begin(struct fixture *fixture, bool is_lmtp, bool is_proxied)
{
    const struct adapter_settings settings = { is_lmtp, is_proxied };
    *fixture = (struct fixture){ 0 };
    fixture->adapter = adapter_new(&settings, &host, fixture);
}

static void end(struct fixture *fixture)
{
    adapter_free(fixture->adapter);
    buf_fini(&fixture->server);
    buf_fini(&fixture->backup);
    buf_fini(&fixture->events);
}

/* What the backup says, and what the server hears of it; and the other way round. */
static void backup(struct fixture *fixture, const char *says, const char *heard)
{
    adapter_from_backup(fixture->adapter, str_from(says));
    assert_str(buf_str(&fixture->server), str_from(heard));
    buf_reset(&fixture->server);
}

static void server(struct fixture *fixture, const char *says, const char *heard)
{
    adapter_from_server(fixture->adapter, str_from(says));
    assert_str(buf_str(&fixture->backup), str_from(heard));
    buf_reset(&fixture->backup);
}

static void events(struct fixture *fixture, const char *want)
{
    assert_str(buf_str(&fixture->events), str_from(want));
    buf_reset(&fixture->events);
}

static void one_recipient_at_a_time(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, true, false);
    server(&fixture, "220 lmtp\r\n", "220 lmtp\r\n");
    backup(&fixture, "EHLO mx\r\n", "LHLO mx\r\n");
    server(&fixture, "250-lmtp\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n",
           "250-lmtp\r\n250-8BITMIME\r\n250 LIMITS RCPTMAX=1\r\n");
    backup(&fixture, "MAIL FROM:<>\r\n", "MAIL FROM:<>\r\n");
    server(&fixture, "250 OK\r\n", "250 OK\r\n");
    backup(&fixture, "RCPT TO:<nobody@x>\r\n", "RCPT TO:<nobody@x>\r\n");
    server(&fixture, "550 No\r\n", "550 No\r\n");
    backup(&fixture, "rcpt TO:<a@x>\r\n", "rcpt TO:<a@x>\r\n");
    server(&fixture, "250 OK\r\n", "250 OK\r\n");
    backup(&fixture, "RCPT TO:<b@x>\r\n", "");
    server(&fixture, "", "452 4.5.3 One recipient at a time\r\n");
    backup(&fixture, "DATA\r\n", "DATA\r\n");
    server(&fixture, "354 Go\r\n", "354 Go\r\n");
    backup(&fixture, "RCPT TO:<not a command>\r\n.\r", "RCPT TO:<not a command>\r\n.\r");
    backup(&fixture, "\nRSET\r\n", "\nRSET\r\n");
    server(&fixture, "250 Taken\r\n250 OK\r\n", "250 Taken\r\n250 OK\r\n");
    backup(&fixture, "MAIL FROM:<>\r\n", "MAIL FROM:<>\r\n");
    server(&fixture, "250 OK\r\n", "250 OK\r\n");
    backup(&fixture, "RCPT TO:<b@x>\r\n", "RCPT TO:<b@x>\r\n");
    events(&fixture, "");
    end(&fixture);
}

/* 354 was not said: what follows is a command again. */
static void data_is_refused(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, true, false);
    backup(&fixture, "DATA\r\n", "DATA\r\n");
    server(&fixture, "554 No\r\n", "554 No\r\n");
    backup(&fixture, "EHLO again\r\n", "LHLO again\r\n");
    end(&fixture);
}

/* A dot that ends nothing, and one that is the whole content. */
static void where_content_ends(void **state)
{
    static const struct {
        const char *content;
    } cases[] = {
        { ".\r\n" },           { "a\r\n..\r\n.\r\n" },   { "a.\r\n\r\n.\r\n" },
        { "a\n.\n\r\n.\r\n" }, { "a\r\n.\rb\r\n.\r\n" }, { "a\r\r\n.\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture fixture;
        begin(&fixture, true, false);
        backup(&fixture, "DATA\r\n", "DATA\r\n");
        server(&fixture, "354 Go\r\n", "354 Go\r\n");
        for (const char *at = cases[i].content; *at != '\0'; at++) /* an octet at a time */
            adapter_from_backup(fixture.adapter, str_of(at, 1));
        backup(&fixture, "", cases[i].content);
        backup(&fixture, "EHLO mx\r\n", "LHLO mx\r\n");
        end(&fixture);
    }
}

static void each_client_has_a_connection(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, false, true);
    server(&fixture, "220 mx1\r\n", "220 mx1\r\n");
    backup(&fixture, "EHLO mx\r\n", "EHLO mx\r\n");
    server(&fixture, "250-mx1\r\n250-XCLIENT NAME ADDR\r\n250 PIPELINING\r\n",
           "250-mx1\r\n250 XCLIENT ADDR PORT\r\n");
    backup(&fixture, "XCLIENT ADDR=192.0.2.1 PORT=4711\r\n", "");
    events(&fixture, "reconnect(192.0.2.1:4711) ");
    server(&fixture, "220 mx1 again\r\n", "220 mx1 again\r\n");
    backup(&fixture, "XCLIENT PORT=[UNAVAILABLE] ADDR=IPV6:2001:db8::1\r\n", "");
    events(&fixture, "reconnect([2001:db8::1]:0) ");
    backup(&fixture, "XCLIENT ADDR=[UNAVAILABLE]\r\n", "");
    events(&fixture, "reconnect(none:0) ");
    end(&fixture);
}

static void what_makes_no_sense_ends_the_line(void **state)
{
    struct fixture fixture;
    struct buf much = { 0 };
    (void)state;
    for (int i = 0; i < 5000; i++)
        buf_add_byte(&much, 'x');
    begin(&fixture, true, true);
    adapter_from_backup(fixture.adapter, buf_str(&much));
    events(&fixture, "broken(the backup's command is too long) ");
    adapter_from_backup(fixture.adapter, buf_str(&much));
    adapter_from_server(fixture.adapter, buf_str(&much));
    events(&fixture, "");
    end(&fixture);
    begin(&fixture, true, true);
    adapter_from_server(fixture.adapter, buf_str(&much));
    events(&fixture, "broken(the server's reply is too long) ");
    end(&fixture);
    begin(&fixture, true, true);
    server(&fixture, "hello\r\n", "");
    events(&fixture, "broken(the server does not speak SMTP) ");
    end(&fixture);
    buf_fini(&much);
}

/* As haproxy's protocol has it, octet by octet. */
static void the_header_of_a_connection(void **state)
{
    static const char four[] =
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\x7f\x00\x00\x05"
        "\x12\x67\x00\x19";
    static const char six[] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24"
                              "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                              "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
                              "\x12\x67\x00\x19";
    static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    struct endpoint client, to;
    struct buf header = { 0 };
    (void)state;
    assert_true(endpoint_from_text(STR("192.0.2.1:4711"), 0, &client));
    assert_true(endpoint_from_text(STR("127.0.0.5:25"), 0, &to));
    adapter_add_proxy_header(&header, client, to);
    assert_str(buf_str(&header), str_of(four, sizeof four - 1));
    buf_reset(&header);
    assert_true(endpoint_from_text(STR("[2001:db8::1]:4711"), 0, &client));
    adapter_add_proxy_header(&header, client, to); /* of another family */
    assert_str(buf_str(&header), str_of(six, sizeof six - 1));
    buf_reset(&header);
    assert_true(endpoint_from_text(STR("[::1]:25"), 0, &to));
    adapter_add_proxy_header(&header, client, to);
    assert_str(buf_str(&header), str_of(six, sizeof six - 1));
    buf_reset(&header);
    assert_true(endpoint_from_text(STR("192.0.2.1:4711"), 0, &client));
    assert_true(endpoint_from_text(STR("[2001:db8::5]:25"), 0, &to));
    adapter_add_proxy_header(&header, client, to);
    assert_int_equal(header.len, 16 + 12);
    assert_memory_equal(header.ptr + 16, "\xc0\x00\x02\x01\x7f\x00\x00\x01", 8);
    buf_reset(&header);
    adapter_add_proxy_header(&header, (struct endpoint){ 0 }, to);
    assert_str(buf_str(&header), str_of(local, sizeof local - 1));
    buf_fini(&header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_recipient_at_a_time),
        cmocka_unit_test(data_is_refused),
        cmocka_unit_test(where_content_ends),
        cmocka_unit_test(each_client_has_a_connection),
        cmocka_unit_test(what_makes_no_sense_ends_the_line),
        cmocka_unit_test(the_header_of_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
