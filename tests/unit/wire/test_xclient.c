/* SPDX-License-Identifier: ISC */
/* test_xclient.c: commands as Postfix takes them. */
#include "testing.h"

#include "wire/xclient.h"

enum { ALL = XCLIENT_NAME | XCLIENT_ADDR | XCLIENT_PORT | XCLIENT_PROTO | XCLIENT_HELO };

static struct xclient client_at(const char *address)
{
    struct xclient who = { .name = STR("mail.client.example"),
                           .helo = STR("client.example"),
                           .is_extended = true };
    assert_true(endpoint_from_ip(str_from(address), 4711, &who.client));
    return who;
}

static void expect(unsigned attributes, const struct xclient *who, const char *want)
{
    struct buf got = { 0 };
    xclient_add_commands(&got, attributes, who);
    assert_str(buf_str(&got), str_from(want));
    buf_fini(&got);
}

static void says_what_the_server_takes(void **state)
{
    struct xclient who = client_at("192.0.2.7");
    (void)state;
    expect(ALL, &who,
           "XCLIENT NAME=mail.client.example HELO=client.example PROTO=ESMTP PORT=4711 "
           "ADDR=192.0.2.7\r\n");
    expect(XCLIENT_ADDR, &who, "XCLIENT ADDR=192.0.2.7\r\n");
    expect(XCLIENT_NAME | XCLIENT_HELO, &who, ""); /* without the address it would be a lie */
    who = client_at("2001:db8::7");
    expect(XCLIENT_ADDR | XCLIENT_PROTO, &who, "XCLIENT PROTO=ESMTP ADDR=IPV6:2001:db8::7\r\n");
    who.name = STR_NONE;
    who.helo = STR("a b=c+d\r\nQUIT");
    who.is_extended = false;
    expect(XCLIENT_ADDR | XCLIENT_NAME | XCLIENT_HELO | XCLIENT_PROTO, &who,
           "XCLIENT NAME=[UNAVAILABLE] HELO=a+20b+3Dc+2Bd+0D+0AQUIT PROTO=SMTP "
           "ADDR=IPV6:2001:db8::7\r\n");
}

static void lines_have_an_end(void **state)
{
    struct xclient who = client_at("192.0.2.7");
    struct buf name = { 0 };
    struct buf helo = { 0 };
    struct buf got = { 0 };
    struct str line;
    unsigned lines = 0;
    (void)state;
    for (int i = 0; i < 300; i++)
        buf_add_byte(&name, 'n');
    for (int i = 0; i < 300; i++)
        buf_add_byte(&helo, '=');
    who.name = buf_str(&name);
    who.helo = buf_str(&helo); /* three times as long in xtext: too long */
    xclient_add_commands(&got, ALL, &who);
    struct str left = buf_str(&got);
    while (str_cut(&left, '\n', &line) && line.len > 0) {
        assert_true(line.len <= 511);
        assert_true(str_starts(line, STR("XCLIENT ")));
        lines++;
    }
    assert_int_equal(lines, 1);
    buf_reset(&helo);
    buf_add(&helo, buf_str(&name));
    who.helo = buf_str(&helo);
    buf_reset(&got);
    xclient_add_commands(&got, ALL, &who);
    assert_int_equal(str_find(buf_str(&got), '\n') > 0, true);
    assert_true(str_ends_nocase(buf_str(&got), STR("ADDR=192.0.2.7\r\n")));
    buf_fini(&name);
    buf_fini(&helo);
    buf_fini(&got);
}

static void reads_what_is_taken(void **state)
{
    (void)state;
    assert_int_equal(xclient_attributes_parse(STR("NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN")),
                     ALL);
    assert_int_equal(xclient_attributes_parse(STR("addr")), XCLIENT_ADDR);
    assert_int_equal(xclient_attributes_parse(STR("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_server_takes),
        cmocka_unit_test(lines_have_an_end),
        cmocka_unit_test(reads_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
