/* SPDX-License-Identifier: ISC */
/* test_dns_packet.c: answers built by hand, byte by byte, read as values. */
#include "testing.h"

#include <string.h>

#include "wire/dns_packet.h"

enum {
    NAME_AT = 12, /* of the question's name: all owners point there */
    TYPE_CNAME = 5,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
};

static void put_u16(struct buf *out, unsigned number)
{
    buf_add_byte(out, (char)(number >> 8));
    buf_add_byte(out, (char)number);
}

static void put_name(struct buf *out, const char *name)
{
    struct str rest = str_from(name);
    struct str label;
    while (str_cut(&rest, '.', &label) && label.len > 0) {
        buf_add_u8(out, (uint8_t)label.len);
        buf_add(out, label);
    }
    buf_add_u8(out, 0);
}

static void put_pointer(struct buf *out, unsigned to)
{
    put_u16(out, 0xc000u | to);
}

static void begin(struct buf *out, const char *name, enum dns_type type, unsigned rcode,
                  unsigned count)
{
    buf_reset(out);
    put_u16(out, 4711);
    put_u16(out, 0x8180u | rcode);
    put_u16(out, 1);
    put_u16(out, count);
    put_u16(out, 0);
    put_u16(out, 0);
    put_name(out, name);
    put_u16(out, type);
    put_u16(out, 1);
}

static void put_record(struct buf *out, unsigned owner, unsigned type, unsigned ttl_s,
                       struct str data)
{
    put_pointer(out, owner);
    put_u16(out, type);
    put_u16(out, 1);
    put_u16(out, ttl_s >> 16);
    put_u16(out, ttl_s & 0xffff);
    put_u16(out, (unsigned)data.len);
    buf_add(out, data);
}

/* The preference, a label, and a pointer to the question's name. */
static void put_mx(struct buf *out, unsigned preference, const char *label, unsigned ttl_s)
{
    struct buf data = { 0 };
    put_u16(&data, preference);
    buf_add_u8(&data, (uint8_t)strlen(label));
    buf_add(&data, str_from(label));
    put_pointer(&data, NAME_AT);
    put_record(out, NAME_AT, DNS_MX, ttl_s, buf_str(&data));
    buf_fini(&data);
}

struct fixture {
    struct buf packet;
    struct arena arena;
    struct dns_answer answer;
};

static void parse(struct fixture *fixture, enum dns_type type)
{
    dns_packet_parse(buf_str(&fixture->packet), type, &fixture->arena, &fixture->answer);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ 0 };
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    buf_fini(&fixture->packet);
    arena_fini(&fixture->arena);
    return 0;
}

static void reads_compressed_names_in_normal_form(void **state)
{
    struct fixture *fixture = *state;
    begin(&fixture->packet, "Example.ORG", DNS_MX, 0, 2);
    put_mx(&fixture->packet, 10, "MX1", 300);
    put_mx(&fixture->packet, 20, "mx2", 60);
    parse(fixture, DNS_MX);
    assert_int_equal(fixture->answer.status, DNS_FOUND);
    assert_int_equal(fixture->answer.record_count, 2);
    assert_int_equal(fixture->answer.ttl_s, 60); /* the shortest */
    assert_int_equal(fixture->answer.canonical.len, 0);
    assert_int_equal(fixture->answer.record[0].preference, 10);
    assert_str(fixture->answer.record[0].name, STR("mx1.example.org"));
    assert_int_equal(fixture->answer.record[1].preference, 20);
    assert_str(fixture->answer.record[1].name, STR("mx2.example.org"));
}

static void follows_a_chain_of_aliases(void **state)
{
    static const char address[4] = { (char)192, 0, 2, 7 };
    struct fixture *fixture = *state;
    struct buf target = { 0 };

    begin(&fixture->packet, "www.example.org", DNS_A, 0, 3);
    put_name(&target, "one.example.net");
    put_record(&fixture->packet, NAME_AT, TYPE_CNAME, 900, buf_str(&target));
    unsigned one_at = (unsigned)(fixture->packet.len - target.len);
    buf_reset(&target);
    put_name(&target, "two.example.net");
    put_record(&fixture->packet, one_at, TYPE_CNAME, 30, buf_str(&target));
    unsigned two_at = (unsigned)(fixture->packet.len - target.len);
    put_record(&fixture->packet, two_at, DNS_A, 600, str_of(address, sizeof address));
    buf_fini(&target);

    parse(fixture, DNS_A);
    assert_int_equal(fixture->answer.status, DNS_FOUND);
    assert_str(fixture->answer.canonical, STR("two.example.net"));
    assert_int_equal(fixture->answer.ttl_s, 30); /* of the whole chain */
    assert_int_equal(fixture->answer.record_count, 1);
    struct endpoint want;
    assert_true(endpoint_from_ip(STR("192.0.2.7"), 0, &want));
    assert_true(endpoint_equals(fixture->answer.record[0].address, want));
}

static void knows_the_root_of_a_null_mx(void **state)
{
    struct fixture *fixture = *state;
    begin(&fixture->packet, "example.org", DNS_MX, 0, 1);
    put_record(&fixture->packet, NAME_AT, DNS_MX, 300, str_of("\0\0\0", 3));
    parse(fixture, DNS_MX);
    assert_int_equal(fixture->answer.status, DNS_FOUND);
    assert_int_equal(fixture->answer.record[0].preference, 0);
    assert_str(fixture->answer.record[0].name, STR("."));
}

static void joins_the_strings_of_a_text(void **state)
{
    struct fixture *fixture = *state;
    begin(&fixture->packet, "example.org", DNS_TXT, 0, 3);
    put_record(&fixture->packet, NAME_AT, DNS_TXT, 300, STR("\6v=spf1\0\5 -all"));
    put_record(&fixture->packet, NAME_AT, DNS_TXT, 300, str_of("\0", 1));
    put_record(&fixture->packet, NAME_AT, DNS_TXT, 300, STR("\11cut off"));
    parse(fixture, DNS_TXT);
    assert_int_equal(fixture->answer.status, DNS_FOUND);
    assert_int_equal(fixture->answer.record_count, 2);
    assert_str(fixture->answer.record[0].data, STR("v=spf1 -all"));
    assert_str(fixture->answer.record[1].data, STR(""));
}

static void reads_both_kinds_of_address(void **state)
{
    static const char six[16] = { 0x20, 0x01, 0x0d, (char)0xb8, [15] = 0x25 };
    struct fixture *fixture = *state;
    struct endpoint want;

    begin(&fixture->packet, "mx.example.org", DNS_AAAA, 0, 2);
    put_record(&fixture->packet, NAME_AT, DNS_A, 300, str_of(six, 4)); /* was not asked for */
    put_record(&fixture->packet, NAME_AT, DNS_AAAA, 300, str_of(six, sizeof six));
    parse(fixture, DNS_AAAA);
    assert_int_equal(fixture->answer.record_count, 1);
    assert_true(endpoint_from_ip(STR("2001:db8::25"), 0, &want));
    assert_true(endpoint_equals(fixture->answer.record[0].address, want));
}

static void tells_nothing_from_nobody_and_failure(void **state)
{
    struct fixture *fixture = *state;

    begin(&fixture->packet, "example.org", DNS_MX, 0, 0);
    parse(fixture, DNS_MX);
    assert_int_equal(fixture->answer.status, DNS_NODATA);
    begin(&fixture->packet, "example.org", DNS_MX, RCODE_NXDOMAIN, 0);
    parse(fixture, DNS_MX);
    assert_int_equal(fixture->answer.status, DNS_NO_NAME);
    begin(&fixture->packet, "example.org", DNS_MX, RCODE_SERVFAIL, 0);
    parse(fixture, DNS_MX);
    assert_int_equal(fixture->answer.status, DNS_FAILED);
}

/* What libunbound hands back where no server answered. */
static void a_question_is_no_answer(void **state)
{
    struct fixture *fixture = *state;

    begin(&fixture->packet, "example.org", DNS_TXT, 0, 0);
    fixture->packet.ptr[2] = (char)(fixture->packet.ptr[2] & 0x7f); /* QR */
    parse(fixture, DNS_TXT);
    assert_int_equal(fixture->answer.status, DNS_FAILED);
}

static void fails_on_every_cut(void **state)
{
    struct fixture *fixture = *state;
    begin(&fixture->packet, "example.org", DNS_MX, 0, 1);
    put_mx(&fixture->packet, 10, "mx1", 300);
    for (size_t len = 0; len < fixture->packet.len; len++) {
        dns_packet_parse(str_first(buf_str(&fixture->packet), len), DNS_MX, &fixture->arena,
                         &fixture->answer);
        assert_int_equal(fixture->answer.status, DNS_FAILED);
        assert_int_equal(fixture->answer.record_count, 0);
    }
}

/* Were it DNS_NODATA, the mail would go to the domain's own address instead of waiting. */
static void an_mx_that_cannot_be_read_is_not_no_mx(void **state)
{
    static const struct {
        const char *what;
        struct str data;
    } cases[] = {
        { "no data", { "", 0 } },
        { "only a preference", { "\0\12", 2 } },
        { "a name that points at itself", { "\0\12\300\53", 4 } },
        { "a name behind the packet", { "\0\12\377\377", 4 } },
        { "an address instead of a name", { "\0\12\003192\0010\0012\0011\0", 13 } },
        { "a blank in the name", { "\0\12\3a b\0", 7 } },
        { "bytes behind the name", { "\0\12\2mx\0rest", 10 } },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(&fixture->packet, "example.org", DNS_MX, 0, 1);
        put_record(&fixture->packet, NAME_AT, DNS_MX, 300, cases[i].data);
        parse(fixture, DNS_MX);
        if (fixture->answer.status != DNS_FAILED)
            fail_msg("%s: status %d", cases[i].what, (int)fixture->answer.status);
        begin(&fixture->packet, "example.org", DNS_MX, 0, 2);
        put_record(&fixture->packet, NAME_AT, DNS_MX, 300, cases[i].data);
        put_mx(&fixture->packet, 20, "good", 300);
        parse(fixture, DNS_MX);
        if (fixture->answer.status == DNS_FOUND) /* the other one is still good */
            assert_int_equal(fixture->answer.record_count, 1);
        else
            assert_int_equal(fixture->answer.status, DNS_FAILED);
    }
}

static void keeps_no_more_records_than_it_promises(void **state)
{
    struct fixture *fixture = *state;
    begin(&fixture->packet, "example.org", DNS_MX, 0, DNS_RECORDS_MAX + 5);
    for (unsigned i = 0; i < DNS_RECORDS_MAX + 5; i++)
        put_mx(&fixture->packet, i, "mx", 300);
    parse(fixture, DNS_MX);
    assert_int_equal(fixture->answer.record_count, DNS_RECORDS_MAX);
}

static void bounds_the_time_to_live(void **state)
{
    struct fixture *fixture = *state;
    begin(&fixture->packet, "example.org", DNS_MX, 0, 1);
    put_mx(&fixture->packet, 10, "mx", 30u * 24 * 3600);
    parse(fixture, DNS_MX);
    assert_int_equal(fixture->answer.ttl_s, 24 * 3600);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(reads_compressed_names_in_normal_form),
        TEST(follows_a_chain_of_aliases),
        TEST(knows_the_root_of_a_null_mx),
        TEST(joins_the_strings_of_a_text),
        TEST(reads_both_kinds_of_address),
        TEST(tells_nothing_from_nobody_and_failure),
        TEST(a_question_is_no_answer),
        TEST(fails_on_every_cut),
        TEST(an_mx_that_cannot_be_read_is_not_no_mx),
        TEST(keeps_no_more_records_than_it_promises),
        TEST(bounds_the_time_to_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
