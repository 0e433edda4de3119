/* SPDX-License-Identifier: ISC */
/* test_spf_suite.c: the suite of RFC 7208 (testdata/spf), each case by name. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "authenticate/spf.h"
#include "authenticate/zone.h"

enum { QUESTIONS_MAX = 200, CASES = 203 };

static struct str text_of(const json_t *object, const char *key)
{
    return str_from(json_string_value(json_object_get(object, key)));
}

static bool is_wanted(const json_t *wanted, const char *got)
{
    if (json_is_string(wanted))
        return strcmp(json_string_value(wanted), got) == 0;
    for (size_t i = 0; i < json_array_size(wanted); i++)
        if (strcmp(json_string_value(json_array_get(wanted, i)), got) == 0)
            return true;
    return false;
}

static bool explains(const json_t *test, const struct spf_verdict *verdict)
{
    const json_t *wanted = json_object_get(test, "explanation");
    if (wanted == NULL || verdict->result != SPF_FAIL)
        return true;
    struct str text = str_from(json_string_value(wanted));
    if (str_equals(text, STR("DEFAULT")))
        return verdict->explanation.len == 0;
    return str_equals(text, verdict->explanation);
}

static struct spf_request request_of(const json_t *test)
{
    struct spf_request request = { .helo = text_of(test, "helo"), .receiver = STR("unknown") };
    struct str sender = text_of(test, "mailfrom");
    ptrdiff_t at = str_find_last(sender, '@');

    assert_true(endpoint_from_ip(text_of(test, "host"), 0, &request.client));
    if (at >= 0)
        request.sender_local = str_first(sender, (size_t)at);
    request.sender_domain = sender.len > 0 ? str_skip(sender, (size_t)(at + 1)) : request.helo;
    return request;
}

static bool passes(const char *name, const json_t *zone, const json_t *test)
{
    struct dns_answers known = { 0 };
    struct buf room = { 0 };
    struct spf_request request = request_of(test);
    struct spf_verdict verdict;
    struct dns_question question;
    unsigned questions = 0;

    while (!spf_decide(&request, &known, &room, &verdict, &question)) {
        assert_true(++questions < QUESTIONS_MAX);
        zone_ask(zone, question, &known);
    }
    bool is_right = is_wanted(json_object_get(test, "result"), spf_result_name(verdict.result)) &&
                    explains(test, &verdict);
    if (!is_right) {
        char *wanted = json_dumps(json_object_get(test, "result"), JSON_ENCODE_ANY);
        print_error("%s: %s instead of %s, \"%.*s\"\n", name, spf_result_name(verdict.result),
                    wanted, STR_FMT(verdict.explanation));
        free(wanted);
    }
    dns_answers_fini(&known);
    buf_fini(&room);
    return is_right;
}

static void all_cases(void **state)
{
    json_t *suite = testdata_json("spf/rfc7208/rfc7208-tests.json");
    unsigned cases = 0;
    unsigned failed = 0;

    (void)state;
    if (suite == NULL)
        skip();
    for (size_t i = 0; i < json_array_size(suite); i++) {
        const json_t *scenario = json_array_get(suite, i);
        const char *name;
        json_t *test;
        json_object_foreach(json_object_get(scenario, "tests"), name, test)
        {
            cases++;
            failed += passes(name, json_object_get(scenario, "zonedata"), test) ? 0 : 1;
        }
    }
    json_decref(suite);
    print_message("%u cases, %u failed\n", cases, failed);
    assert_int_equal(failed, 0);
    assert_int_equal(cases, CASES);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(all_cases) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
