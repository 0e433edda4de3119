/* SPDX-License-Identifier: ISC */
/* test_arc_suite.c: the validation cases of the ARC test suite (testdata/arc), each by name. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "authenticate/arc.h"
#include "authenticate/letter.h"
#include "authenticate/zone.h"

enum { CASES = 86 };

/* {"name": "text"} becomes {"name": [{"TXT": "text"}]}. */
static json_t *zone_of(const json_t *records)
{
    json_t *zone = json_object();
    const char *name;
    json_t *text;

    json_object_foreach((json_t *)(uintptr_t)records, name, text)
        json_object_set_new(zone, name, json_pack("[{s:O}]", "TXT", text));
    return zone;
}

static enum arc_result validate(struct str text, const json_t *zone, const char **out_why)
{
    struct arena arena = { 0 };
    struct dns_answers known = { 0 };
    struct body_hashes hashes = { 0 };
    struct buf room = { 0 };
    struct dns_question question;
    struct letter letter;
    struct header header;
    struct arc arc;

    letter_make(text, &letter);
    header_parse(letter.header, &arena, &header);
    arc_header(&arc, &header, &hashes);
    body_hashes_add(&hashes, letter.body);
    body_hashes_end(&hashes);
    while (!arc_decide(&arc, &hashes, &known, &room, &question))
        zone_ask(zone, question, &known);
    enum arc_result result = arc.result;
    *out_why = arc.why;
    arc_fini(&arc);
    body_hashes_fini(&hashes);
    dns_answers_fini(&known);
    arena_fini(&arena);
    buf_fini(&room);
    letter_fini(&letter);
    return result;
}

/* The suite says nothing of a chain whose seal says that it had failed before: it has. */
static bool is_wanted(struct str wanted, enum arc_result result)
{
    if (wanted.len == 0)
        return result == ARC_FAIL;
    return str_equals_nocase(wanted, str_from(arc_result_name(result)));
}

static bool passes(const char *name, const json_t *test, const json_t *zone)
{
    const char *why;
    struct str text = str_from(json_string_value(json_object_get(test, "message")));
    struct str wanted = str_from(json_string_value(json_object_get(test, "cv")));
    enum arc_result result = validate(text, zone, &why);

    if (is_wanted(wanted, result))
        return true;
    print_error("%s: %s instead of %.*s (%s)\n", name, arc_result_name(result), STR_FMT(wanted),
                why != NULL ? why : "");
    return false;
}

static void all_cases(void **state)
{
    json_t *suite = testdata_json("arc/arc-validation-part1.json");
    unsigned cases = 0;
    unsigned failed = 0;

    (void)state;
    if (suite == NULL)
        skip();
    for (size_t i = 0; i < json_array_size(suite); i++) {
        const json_t *scenario = json_array_get(suite, i);
        json_t *zone = zone_of(json_object_get(scenario, "txt-records"));
        const char *name;
        json_t *test;
        json_object_foreach(json_object_get(scenario, "tests"), name, test)
        {
            cases++;
            failed += passes(name, test, zone) ? 0 : 1;
        }
        json_decref(zone);
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
