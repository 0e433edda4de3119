/* SPDX-License-Identifier: ISC */
/* test_door.c: who is let in, by what a domain wants and the DNS knows; and strangers who wait. */
#include "testing.h"

#include <string.h>

#include "base/cursor.h"
#include "verify/door.h"
#include "verify/greylist.h"

static const struct config_strings names = { .item = { { "mx9.example.net", 15 } }, .count = 1 };
static const struct config_dnsbls none;

static struct endpoint ip(const char *text)
{
    struct endpoint endpoint;
    assert_true(endpoint_from_ip(str_from(text), 0, &endpoint));
    return endpoint;
}

static struct door_client client_from(const char *address, const char *helo)
{
    return (struct door_client){ .endpoint = ip(address),
                                 .helo = str_from(helo),
                                 .hostname = STR("mx2.example.net"),
                                 .names = &names,
                                 .domain = STR("example.org"),
                                 .dnsbls = &none };
}

/* ---- greetings ---- */

static unsigned code_for_helo(enum setting_helo check, const char *helo, bool is_trusted)
{
    struct door_policy policy = { .helo_check = check };
    struct door_client client = client_from("192.0.2.1", helo);
    struct dns_answers known = { 0 };
    struct dns_question question;
    struct buf room = { 0 };
    struct verdict verdict;

    client.is_trusted = is_trusted;
    assert_true(door_decide(&policy, &client, &known, &room, &verdict, &question));
    buf_fini(&room);
    return verdict.code;
}

static void looks_at_greetings(void **state)
{
    static const struct {
        const char *helo;
        unsigned any, not_ours, strict;
    } cases[] = {
        { "mail.client.example", 250, 250, 250 },
        { "MX2.example.net.", 250, 550, 550 },
        { "mx9.Example.net", 250, 550, 550 },
        { "example.org", 250, 550, 550 },
        { "mail.example.org", 250, 250, 250 },
        { "localhost", 250, 250, 550 },
        { "192.0.2.1", 250, 250, 550 },
        { "[192.0.2.1]", 250, 250, 250 },
        { "[IPv6:2001:db8::1]", 250, 250, 250 },
        { "[192.0.2.300]", 250, 250, 550 },
        { "[]", 250, 250, 550 },
        { "a b", 250, 250, 550 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(code_for_helo(HELO_ANY, cases[i].helo, false), cases[i].any);
        assert_int_equal(code_for_helo(HELO_NOT_OURS, cases[i].helo, false), cases[i].not_ours);
        assert_int_equal(code_for_helo(HELO_STRICT, cases[i].helo, false), cases[i].strict);
        assert_int_equal(code_for_helo(HELO_STRICT, cases[i].helo, true), 250);
    }
}

/* ---- the DNS ---- */

struct record {
    const char *name;
    enum dns_type type;
    const char *value; /* NULL: no answer came */
};

/* Answers what is in the table; everything else does not exist. */
static unsigned decide(const struct door_policy *policy, const struct door_client *client,
                       const struct record *table, unsigned *out_asked)
{
    struct dns_answers known = { 0 };
    struct dns_question question;
    struct buf room = { 0 };
    struct verdict verdict;

    *out_asked = 0;
    while (!door_decide(policy, client, &known, &room, &verdict, &question)) {
        struct dns_record record = { 0 };
        struct dns_answer answer = { .status = DNS_NO_NAME, .record = &record };
        assert_true(++*out_asked < 50);
        for (const struct record *row = table; row->name != NULL; row++) {
            if (!str_equals(question.name, str_from(row->name)) || question.type != row->type)
                continue;
            answer.status = row->value != NULL ? DNS_FOUND : DNS_FAILED;
            answer.record_count = row->value != NULL;
            if (row->value != NULL && row->type == DNS_PTR)
                record.name = str_from(row->value);
            else if (row->value != NULL)
                record.address = ip(row->value);
        }
        dns_answers_add(&known, question, &answer);
    }
    dns_answers_fini(&known);
    buf_fini(&room);
    return verdict.code;
}

static void may_want_a_reverse_name(void **state)
{
    static const struct record good[] = {
        { "1.2.0.192.in-addr.arpa", DNS_PTR, "mail.client.example" },
        { "mail.client.example", DNS_A, "192.0.2.1" },
        { 0 },
    };
    static const struct record astray[] = {
        { "1.2.0.192.in-addr.arpa", DNS_PTR, "mail.client.example" },
        { "mail.client.example", DNS_A, "192.0.2.2" },
        { 0 },
    };
    static const struct record dead[] = { { "1.2.0.192.in-addr.arpa", DNS_PTR, NULL }, { 0 } };
    static const struct record unsure[] = {
        { "1.2.0.192.in-addr.arpa", DNS_PTR, "mail.client.example" },
        { "mail.client.example", DNS_A, NULL },
        { 0 },
    };
    static const struct record nothing[] = { { 0 } };
    struct door_policy policy = { .needs_reverse_name = true };
    struct door_client client = client_from("192.0.2.1", "client.example");
    unsigned asked;

    (void)state;
    assert_int_equal(decide(&policy, &client, good, &asked), 250);
    assert_int_equal(decide(&policy, &client, astray, &asked), 550);
    assert_int_equal(decide(&policy, &client, nothing, &asked), 550);
    assert_int_equal(decide(&policy, &client, dead, &asked), 450);
    assert_int_equal(decide(&policy, &client, unsure, &asked), 450);
    policy.needs_reverse_name = false;
    assert_int_equal(decide(&policy, &client, nothing, &asked), 250);
    assert_int_equal(asked, 0);
}

static void adds_up_blocklists(void **state)
{
    static const struct config_dnsbls lists = {
        .item = { { { "one.example", 11 }, 2, 11, 2 }, { { "two.example", 11 }, 2, 254, 1 } },
        .count = 2,
    };
    static const struct {
        const char *one, *two;
        unsigned threshold;
        unsigned code;
    } cases[] = {
        { "127.0.0.2", "", 1, 554 },
        { "127.0.0.2", "", 3, 250 },
        { "127.0.0.2", "127.0.0.4", 3, 554 },
        { "127.0.0.12", "", 1, 250 },      /* out of its range */
        { "127.255.255.254", "", 1, 250 }, /* "do not ask like this" */
        { "127.5.0.2", "", 1, 250 },       /* another kind of answer */
        { "192.0.2.7", "", 1, 250 },
        { NULL, "127.0.0.2", 1, 554 },
        { NULL, NULL, 1, 250 },
        { "127.0.0.2", "127.0.0.2", 0, 250 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool has_one = cases[i].one == NULL || cases[i].one[0] != '\0';
        bool has_two = cases[i].two == NULL || cases[i].two[0] != '\0';
        const struct record table[] = {
            { has_one ? "1.2.0.192.one.example" : "-", DNS_A, has_one ? cases[i].one : NULL },
            { has_two ? "1.2.0.192.two.example" : "-", DNS_A, has_two ? cases[i].two : NULL },
            { 0 },
        };
        struct door_policy policy = { .dnsbl_threshold = (uint8_t)cases[i].threshold };
        struct door_client client = client_from("192.0.2.1", "client.example");
        unsigned asked;
        client.dnsbls = &lists;
        assert_int_equal(decide(&policy, &client, table, &asked), cases[i].code);
        assert_int_equal(asked, cases[i].threshold > 0 ? 2 : 0);
    }
}

static void asks_for_ipv6_by_nibble(void **state)
{
    static const struct config_dnsbls lists = {
        .item = { { { "one.example", 11 }, 2, 11, 1 } },
        .count = 1,
    };
    static const struct record table[] = {
        { "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.one.example", DNS_A,
          "127.0.0.2" },
        { 0 },
    };
    struct door_policy policy = { .dnsbl_threshold = 1 };
    struct door_client client = client_from("2001:db8::1", "client.example");
    unsigned asked;

    (void)state;
    client.dnsbls = &lists;
    assert_int_equal(decide(&policy, &client, table, &asked), 554);
}

static void survives_the_channel(void **state)
{
    struct door_policy policy = { HELO_STRICT, true, 7 };
    struct door_policy again;
    struct buf bytes = { 0 };

    (void)state;
    door_policy_encode(&bytes, &policy);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    assert_true(door_policy_decode(&cursor, &again));
    assert_int_equal(again.helo_check, HELO_STRICT);
    assert_true(again.needs_reverse_name);
    assert_int_equal(again.dnsbl_threshold, 7);
    bytes.ptr[0] = HELO_STRICT + 1;
    cursor = cursor_over(buf_str(&bytes));
    assert_false(door_policy_decode(&cursor, &again));
    buf_fini(&bytes);
}

/* ---- strangers ---- */

static bool comes(struct greylist *greylist, const char *address, const char *recipient,
                  int64_t now_ms)
{
    int64_t wait_ms = 0;
    bool is_in = greylist_lets_in(greylist, ip(address), STR("a@client.example"),
                                  str_from(recipient), 5 * MINUTE_MS, now_ms, &wait_ms);
    assert_true(is_in || (wait_ms > 0 && wait_ms <= 5 * MINUTE_MS));
    return is_in;
}

static void strangers_wait_once(void **state)
{
    struct greylist *greylist = greylist_new();
    const char *to = "user@example.org";

    (void)state;
    assert_false(comes(greylist, "192.0.2.1", to, 1000));
    assert_false(comes(greylist, "192.0.2.1", to, 1000 + 5 * MINUTE_MS - 1));
    assert_true(comes(greylist, "192.0.2.99", to, 1000 + 5 * MINUTE_MS)); /* same network */
    assert_true(comes(greylist, "192.0.2.1", to, 10 * DAY_MS));
    assert_false(comes(greylist, "192.0.3.1", to, 10 * DAY_MS));
    /* What it earned is for this path alone. */
    assert_false(comes(greylist, "192.0.2.1", "other@example.org", 10 * DAY_MS));
    greylist_free(greylist);
}

static void strangers_are_forgotten(void **state)
{
    struct greylist *greylist = greylist_new();
    const char *to = "user@example.org";

    (void)state;
    assert_false(comes(greylist, "192.0.2.1", to, 1000));
    assert_false(comes(greylist, "192.0.2.1", to, 1001 + GREYLIST_WINDOW_MS)); /* too late */
    assert_true(comes(greylist, "192.0.2.1", to, 1001 + GREYLIST_WINDOW_MS + 5 * MINUTE_MS));
    assert_false(comes(greylist, "192.0.2.1", to, GREYLIST_WINDOW_MS + GREYLIST_KNOWN_MS + DAY_MS));
    greylist_free(greylist);
}

static void remembers_only_so_many(void **state)
{
    struct greylist *greylist = greylist_new();
    char to[32];

    (void)state;
    assert_false(comes(greylist, "192.0.2.1", "first@example.org", 1000));
    for (int i = 0; i < GREYLIST_PATHS_MAX / 2 - 10; i++) {
        (void)snprintf(to, sizeof to, "u%d@example.org", i);
        assert_false(comes(greylist, "192.0.2.1", to, 2000));
    }
    assert_true(comes(greylist, "192.0.2.1", "first@example.org", 1000 + 5 * MINUTE_MS));
    for (int i = 0; i < 2 * GREYLIST_PATHS_MAX; i++) {
        (void)snprintf(to, sizeof to, "v%d@example.org", i);
        assert_false(comes(greylist, "192.0.2.1", to, 2000 + 5 * MINUTE_MS));
    }
    assert_false(comes(greylist, "192.0.2.1", "first@example.org", 1000 + 11 * MINUTE_MS));
    greylist_free(greylist);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_at_greetings),      cmocka_unit_test(may_want_a_reverse_name),
        cmocka_unit_test(adds_up_blocklists),      cmocka_unit_test(asks_for_ipv6_by_nibble),
        cmocka_unit_test(survives_the_channel),    cmocka_unit_test(strangers_wait_once),
        cmocka_unit_test(strangers_are_forgotten), cmocka_unit_test(remembers_only_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
