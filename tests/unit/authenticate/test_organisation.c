/* SPDX-License-Identifier: ISC */
/* test_organisation.c: the walk up the tree (RFC 9989 4.10), and the public suffix list with its
 * own tests (testdata/psl). */
#include "testing.h"

#include <string.h>

#include "authenticate/letter.h"
#include "authenticate/organisation.h"
#include "authenticate/zone.h"
#include "mail/domain.h"

/* {"_dmarc.example.com": "v=DMARC1; p=none"} */
static json_t *zone_of(const char *text)
{
    json_t *records = json_loads(text, 0, NULL);
    json_t *zone = json_object();
    const char *name;
    json_t *value;

    assert_non_null(records);
    json_object_foreach(records, name, value)
    {
        if (strcmp(json_string_value(value), "TIMEOUT") == 0)
            json_object_set_new(zone, name, json_pack("[O]", value));
        else
            json_object_set_new(zone, name, json_pack("[{s:O}]", "TXT", value));
    }
    json_decref(records);
    return zone;
}

static enum organisation_state find(const char *records, const char *name, struct buf *out_domain,
                                    unsigned *out_questions)
{
    struct dns_answers known = { 0 };
    struct buf room = { 0 };
    struct organisation organisation = { 0 };
    struct dns_question question;
    enum organisation_state state;
    json_t *zone = zone_of(records);

    *out_questions = 0;
    while ((state = organisation_find(str_from(name), &known, &room, &organisation, &question)) ==
           ORGANISATION_ASKS) {
        zone_ask(zone, question, &known);
        ++*out_questions;
    }
    buf_reset(out_domain);
    buf_add(out_domain, organisation.domain);
    dns_answers_fini(&known);
    buf_fini(&room);
    json_decref(zone);
    return state;
}

static void expect(const char *records, const char *name, const char *wanted)
{
    struct buf domain = { 0 };
    unsigned questions;

    assert_int_equal(find(records, name, &domain, &questions), ORGANISATION_FOUND);
    if (!str_equals(buf_str(&domain), str_from(wanted)))
        fail_msg("%s: %.*s instead of %s", name, STR_FMT(buf_str(&domain)), wanted);
    buf_fini(&domain);
}

static void walks_up(void **state)
{
    (void)state;
    /* The record with the fewest labels marks the organisation. */
    expect("{\"_dmarc.example.com\": \"v=DMARC1; p=none\"}", "a.mail.example.com", "example.com");
    expect("{\"_dmarc.mail.example.com\": \"v=DMARC1; p=none\","
           " \"_dmarc.example.com\": \"v=DMARC1; p=none\"}",
           "a.mail.example.com", "example.com");
    expect("{\"_dmarc.mail.example.com\": \"v=DMARC1; p=none\"}", "a.mail.example.com",
           "mail.example.com");
    /* Nobody says anything. */
    expect("{}", "a.mail.example.com", "a.mail.example.com");
    /* psd=n: here it begins, whatever stands above. */
    expect("{\"_dmarc.mail.example.com\": \"v=DMARC1; p=none; psd=n\","
           " \"_dmarc.example.com\": \"v=DMARC1; p=none\"}",
           "a.mail.example.com", "mail.example.com");
    /* psd=y: it begins one label below. */
    expect("{\"_dmarc.com\": \"v=DMARC1; p=reject; psd=y\"}", "a.mail.example.com", "example.com");
    expect("{\"_dmarc.com\": \"v=DMARC1; p=reject; psd=y\","
           " \"_dmarc.mail.example.com\": \"v=DMARC1; p=none\"}",
           "a.mail.example.com", "example.com");
    /* A suffix that sends mail itself is its own organisation. */
    expect("{\"_dmarc.com\": \"v=DMARC1; p=reject; psd=y\"}", "com", "com");
    /* Two records, or one that cannot be read, are none. */
    expect("{\"_dmarc.mail.example.com\": \"v=DMARC1; nonsense\","
           " \"_dmarc.example.com\": \"v=DMARC1; p=none\"}",
           "mail.example.com", "example.com");
}

static void long_names_take_eight_questions(void **state)
{
    struct buf domain = { 0 };
    unsigned questions;

    (void)state;
    assert_int_equal(find("{\"_dmarc.example.com\": \"v=DMARC1; p=none\"}",
                          "a.b.c.d.e.f.g.h.i.j.mail.example.com", &domain, &questions),
                     ORGANISATION_FOUND);
    assert_int_equal(questions, 8);
    assert_true(str_equals(buf_str(&domain), STR("example.com")));
    buf_fini(&domain);
}

static void does_not_guess_without_answers(void **state)
{
    struct buf domain = { 0 };
    unsigned questions;

    (void)state;
    assert_int_equal(
        find("{\"_dmarc.example.com\": \"TIMEOUT\"}", "mail.example.com", &domain, &questions),
        ORGANISATION_TEMPERROR);
    buf_fini(&domain);
}

/* "NAME REGISTRABLE", or null. The list that libpsl carries is older than the tests, or newer:
 * what may differ is named here. */
static void suffix_list_tests(void **state)
{
    struct buf file = { 0 };
    struct str line;
    unsigned cases = 0;
    unsigned failed = 0;

    (void)state;
    if (!testdata_read("psl/tests.txt", &file))
        skip();
    struct str rest = buf_str(&file);
    while (str_cut(&rest, '\n', &line)) {
        struct str name;
        struct buf normal = { 0 };
        struct buf wanted = { 0 };
        line = str_trim(line);
        if (line.len == 0 || str_starts(line, STR("//")) || str_starts(line, STR("null")))
            continue;
        (void)str_cut(&line, ' ', &name);
        bool is_name = domain_normalise(name, &normal); /* ".com" is none */
        struct str got = is_name ? organisation_by_list(buf_str(&normal)) : STR_NONE;
        if (!str_equals(line, STR("null")))
            (void)domain_normalise(line, &wanted);
        cases++;
        if (!str_equals(got, buf_str(&wanted))) {
            print_error("%.*s: %.*s instead of %.*s\n", STR_FMT(name), STR_FMT(got), STR_FMT(line));
            failed++;
        }
        buf_fini(&normal);
        buf_fini(&wanted);
    }
    buf_fini(&file);
    print_message("%u cases\n", cases);
    assert_int_equal(failed, 0);
    assert_true(cases > 70);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_up),
        cmocka_unit_test(long_names_take_eight_questions),
        cmocka_unit_test(does_not_guess_without_answers),
        cmocka_unit_test(suffix_list_tests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
