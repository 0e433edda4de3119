/* SPDX-License-Identifier: ISC */
/* test_named_primary.c: how an operator names a primary, and what may stand behind it. */
#include "testing.h"

#include "mail/named_primary.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void has_one_spelling(void **state)
{
    static const struct {
        const char *given, *kept;
        enum named_primary_fault fault;
    } cases[] = {
        { "Mail.Example.org.", "mail.example.org", NAMED_PRIMARY_FINE },
        { "mail.example.org:26", "mail.example.org:26", NAMED_PRIMARY_FINE },
        { "b\303\274cher.example:26", "xn--bcher-kva.example:26", NAMED_PRIMARY_FINE },
        { "192.0.2.1", "192.0.2.1", NAMED_PRIMARY_FINE },
        { "192.0.2.1:25", "192.0.2.1:25", NAMED_PRIMARY_FINE },
        { "[2001:db8::1]:465", "[2001:db8::1]:465", NAMED_PRIMARY_FINE },
        { "2001:db8::1", "2001:db8::1", NAMED_PRIMARY_FINE },
        { "AGENT", "agent", NAMED_PRIMARY_FINE },
        { "[2001:db8::1]:465,tls-from-start=yes", "[2001:db8::1]:465,tls-from-start=yes",
          NAMED_PRIMARY_FINE },
        { "mail.example.org,tls-name=MX.example.org.,tls=name",
          "mail.example.org,tls=name,tls-name=mx.example.org", NAMED_PRIMARY_FINE },
        { "192.0.2.1,tls-pin=KEY:" HEX ",tls-pin=certificate:" HEX ",tls=must",
          "192.0.2.1,tls=must,tls-pin=key:" HEX ",tls-pin=certificate:" HEX, NAMED_PRIMARY_FINE },
        { "192.0.2.1,tls=no,tls=must,tls-from-start=no", "192.0.2.1,tls=must,tls-from-start=no",
          NAMED_PRIMARY_FINE },
        { "", "", NAMED_PRIMARY_NO_HOST },
        { "mail", "", NAMED_PRIMARY_NO_HOST },
        { ":25", "", NAMED_PRIMARY_NO_HOST },
        { ",tls=no", "", NAMED_PRIMARY_NO_HOST },
        { "192.0.2.1:0", "", NAMED_PRIMARY_NO_HOST },
        { "192.0.2.1:x", "", NAMED_PRIMARY_NO_HOST },
        { "mail.example.org:", "", NAMED_PRIMARY_NO_HOST },
        { "mail.example.org:65536", "", NAMED_PRIMARY_NO_HOST },
        { "mail.example.org:25:25", "", NAMED_PRIMARY_NO_HOST },
        { "mail example.org", "", NAMED_PRIMARY_NO_HOST },
        { "mail.example.org,", "", NAMED_PRIMARY_NO_SETTING },
        { "mail.example.org,tls", "", NAMED_PRIMARY_NO_SETTING },
        { "mail.example.org,tls=", "", NAMED_PRIMARY_NO_SETTING },
        { "mail.example.org,tls=dane", "", NAMED_PRIMARY_NO_SETTING },
        { "mail.example.org,tls=clear", "", NAMED_PRIMARY_NO_SETTING },
        { "mail.example.org,tls-from-start=1", "", NAMED_PRIMARY_NO_SETTING },
        { "mail.example.org,tls-name=", "", NAMED_PRIMARY_NO_SETTING },
        { "mail.example.org,tls-name=a b", "", NAMED_PRIMARY_NO_SETTING },
        { "mail.example.org,tls=no,,tls=no", "", NAMED_PRIMARY_NO_SETTING },
        { "mail.example.org,192.0.2.1", "", NAMED_PRIMARY_NO_SETTING },
        { "192.0.2.1,tls-pin=key:12", "", NAMED_PRIMARY_NO_SETTING },
        { "192.0.2.1,tls-pin=key:" HEX ",tls-pin=key:" HEX ",tls-pin=key:" HEX, "",
          NAMED_PRIMARY_NO_SETTING },
        { "agent,tls=no", "", NAMED_PRIMARY_NO_SETTING },
    };
    struct buf kept = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(named_primary_normalise(str_from(cases[i].given), &kept), cases[i].fault);
        if (cases[i].fault == NAMED_PRIMARY_FINE)
            assert_str(buf_str(&kept), str_from(cases[i].kept));
    }
    buf_fini(&kept);
}

static void settings_are_its_own(void **state)
{
    struct named_primary primary;

    (void)state;
    assert_int_equal(named_primary_parse(STR("192.0.2.1:465"), &primary), NAMED_PRIMARY_FINE);
    assert_false(primary.has_level || primary.has_from_start || primary.tls_name.len > 0);
    assert_int_equal(
        named_primary_parse(STR("192.0.2.1:465,tls-from-start=no,tls=no,tls-name=x.org"), &primary),
        NAMED_PRIMARY_FINE);
    assert_true(primary.has_level && primary.level == SECURITY_CLEAR);
    assert_true(primary.has_from_start && !primary.from_start);
    assert_str(primary.tls_name, STR("x.org"));
    assert_str(named_primary_place(STR("192.0.2.1:465,tls=no")), STR("192.0.2.1:465"));
    assert_str(named_primary_place(STR("192.0.2.1:465")), STR("192.0.2.1:465"));
}

static void pins_are_added_while_there_is_room(void **state)
{
    struct security_pin pin;
    struct buf text = { 0 };

    (void)state;
    buf_add(&text, STR("mx.example.org,tls-name=x.org"));
    assert_true(security_pin_parse(STR("key:" HEX), &pin));
    named_primary_keep_pins(&text, STR("mx.example.org:26,tls-pin=key:" HEX)); /* another place */
    assert_str(buf_str(&text), STR("mx.example.org,tls-name=x.org"));
    for (int i = 0; i < 3; i++)
        named_primary_add_pin(&text, &pin);
    assert_str(buf_str(&text),
               STR("mx.example.org,tls-pin=key:" HEX ",tls-pin=key:" HEX ",tls-name=x.org"));
    named_primary_keep_pins(&text, STR("mx.example.org,tls-pin=key:" HEX));
    assert_true(text.len > 100);
    buf_fini(&text);
}

static bool is(const char *named, const char *host, const char *endpoint)
{
    struct named_primary primary;
    struct endpoint at;

    assert_int_equal(named_primary_parse(str_from(named), &primary), NAMED_PRIMARY_FINE);
    assert_true(endpoint_from_text(str_from(endpoint), SMTP_PORT, &at));
    return named_primary_is(&primary, str_from(host), at);
}

static void is_known_by_its_name_or_address_and_port(void **state)
{
    (void)state;
    assert_true(is("mail.example.org,tls=no", "mail.example.org", "192.0.2.1:25"));
    assert_false(is("mail.example.org:26,tls=no", "mail.example.org", "192.0.2.1:25"));
    assert_false(is("mail.example.org", "mx.example.org", "192.0.2.1:25"));
    assert_true(is("192.0.2.1", "192.0.2.1", "192.0.2.1:25"));
    assert_false(is("192.0.2.1:26", "192.0.2.1", "192.0.2.1:25"));
    assert_false(is("192.0.2.2", "192.0.2.1", "192.0.2.1:25"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_one_spelling),
        cmocka_unit_test(settings_are_its_own),
        cmocka_unit_test(pins_are_added_while_there_is_room),
        cmocka_unit_test(is_known_by_its_name_or_address_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
