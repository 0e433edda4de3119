/* SPDX-License-Identifier: ISC */
/* test_client_name.c: a reverse name counts only if it leads back; one question at a time. */
#include "testing.h"

#include "verify/client_name.h"

struct fixture {
    struct dns_answers known;
    struct buf room;
    struct str name;
    struct dns_question question;
};

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
    dns_answers_fini(&fixture->known);
    buf_fini(&fixture->room);
    return 0;
}

static struct endpoint ip(const char *text)
{
    struct endpoint endpoint;
    assert_true(endpoint_from_ip(str_from(text), 0, &endpoint));
    return endpoint;
}

static void know_names(struct fixture *fixture, const char *reverse, const char *const *names)
{
    struct dns_record record[8] = { 0 };
    struct dns_answer answer = { .status = DNS_FOUND, .record = record };
    struct dns_question question = { .name = str_from(reverse), .type = DNS_PTR };

    for (; names[answer.record_count] != NULL; answer.record_count++)
        record[answer.record_count].name = str_from(names[answer.record_count]);
    dns_answers_add(&fixture->known, question, &answer);
}

static void know_address(struct fixture *fixture, const char *name, const char *address)
{
    struct dns_record record = { .address = ip(address) };
    struct dns_answer answer = { .status = DNS_FOUND, .record = &record, .record_count = 1 };
    enum dns_type type = record.address.family == ENDPOINT_IP4 ? DNS_A : DNS_AAAA;
    dns_answers_add(&fixture->known, (struct dns_question){ str_from(name), type }, &answer);
}

static void know_nothing_of(struct fixture *fixture, const char *name, enum dns_type type,
                            enum dns_status status)
{
    const struct dns_answer answer = { .status = status };
    dns_answers_add(&fixture->known, (struct dns_question){ str_from(name), type }, &answer);
}

static bool decide(struct fixture *fixture, const char *client)
{
    struct endpoint endpoint = ip(client);
    endpoint.port = 40000; /* the client's port says nothing */
    return client_name_decide(endpoint, &fixture->known, &fixture->room, &fixture->name,
                              &fixture->question);
}

static void assert_asks(struct fixture *fixture, const char *client, const char *name,
                        enum dns_type type)
{
    assert_false(decide(fixture, client));
    assert_str(fixture->question.name, str_from(name));
    assert_int_equal(fixture->question.type, type);
}

static void believes_a_name_that_leads_back(void **state)
{
    static const char *const names[] = { "mail.example.org", NULL };
    struct fixture *fixture = *state;

    assert_asks(fixture, "192.0.2.7", "7.2.0.192.in-addr.arpa", DNS_PTR);
    know_names(fixture, "7.2.0.192.in-addr.arpa", names);
    assert_asks(fixture, "192.0.2.7", "mail.example.org", DNS_A);
    know_address(fixture, "mail.example.org", "192.0.2.7");
    assert_true(decide(fixture, "192.0.2.7"));
    assert_str(fixture->name, STR("mail.example.org"));
}

static void asks_for_the_client_s_own_kind_of_address(void **state)
{
    static const char reverse[] =
        "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    static const char *const names[] = { "mail.example.org", NULL };
    struct fixture *fixture = *state;

    assert_asks(fixture, "2001:db8::7", reverse, DNS_PTR);
    know_names(fixture, reverse, names);
    assert_asks(fixture, "2001:db8::7", "mail.example.org", DNS_AAAA);
    know_address(fixture, "mail.example.org", "2001:db8::7");
    assert_true(decide(fixture, "2001:db8::7"));
    assert_str(fixture->name, STR("mail.example.org"));
}

static void does_not_believe_a_name_of_somebody_else(void **state)
{
    static const char *const names[] = { "bank.example.com", NULL };
    struct fixture *fixture = *state;

    know_names(fixture, "7.2.0.192.in-addr.arpa", names);
    know_address(fixture, "bank.example.com", "198.51.100.1");
    assert_true(decide(fixture, "192.0.2.7"));
    assert_int_equal(fixture->name.len, 0);
}

static void goes_on_to_the_next_name(void **state)
{
    static const char *const names[] = { "gone.example.org", "broken.example.org",
                                         "mail.example.org", NULL };
    struct fixture *fixture = *state;

    know_names(fixture, "7.2.0.192.in-addr.arpa", names);
    know_nothing_of(fixture, "gone.example.org", DNS_A, DNS_NO_NAME);
    assert_asks(fixture, "192.0.2.7", "broken.example.org", DNS_A);
    know_nothing_of(fixture, "broken.example.org", DNS_A, DNS_FAILED);
    assert_asks(fixture, "192.0.2.7", "mail.example.org", DNS_A);
    know_address(fixture, "mail.example.org", "192.0.2.7");
    assert_true(decide(fixture, "192.0.2.7"));
    assert_str(fixture->name, STR("mail.example.org"));
}

static void tries_no_more_than_three_names(void **state)
{
    static const char *const names[] = { "a.example", "b.example", "c.example", "d.example", NULL };
    struct fixture *fixture = *state;

    know_names(fixture, "7.2.0.192.in-addr.arpa", names);
    for (unsigned i = 0; i < 3; i++) {
        assert_asks(fixture, "192.0.2.7", names[i], DNS_A);
        know_nothing_of(fixture, names[i], DNS_A, DNS_NODATA);
    }
    assert_true(decide(fixture, "192.0.2.7"));
    assert_int_equal(fixture->name.len, 0);
}

static void has_no_name_where_the_reverse_is_missing(void **state)
{
    static const enum dns_status statuses[] = { DNS_NODATA, DNS_NO_NAME, DNS_FAILED };
    static const char *const reverse[] = { "1.2.0.192.in-addr.arpa", "2.2.0.192.in-addr.arpa",
                                           "3.2.0.192.in-addr.arpa" };
    static const char *const clients[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3" };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        know_nothing_of(fixture, reverse[i], DNS_PTR, statuses[i]);
        fixture->name = STR("left over");
        assert_true(decide(fixture, clients[i]));
        assert_int_equal(fixture->name.len, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(believes_a_name_that_leads_back),
        TEST(asks_for_the_client_s_own_kind_of_address),
        TEST(does_not_believe_a_name_of_somebody_else),
        TEST(goes_on_to_the_next_name),
        TEST(tries_no_more_than_three_names),
        TEST(has_no_name_where_the_reverse_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
