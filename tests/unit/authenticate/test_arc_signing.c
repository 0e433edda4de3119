/* SPDX-License-Identifier: ISC */
/* test_arc_signing.c: the signing cases of the ARC test suite (testdata/arc): our seals are those
 * that it expects, octet for octet. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "authenticate/letter.h"
#include "authenticate/signing.h"
#include "authenticate/zone.h"

enum { CASES = 9 };

static struct str text_of(const json_t *object, const char *key)
{
    return str_from(json_string_value(json_object_get(object, key)));
}

static json_t *zone_of(const json_t *records)
{
    json_t *zone = json_object();
    const char *name;
    json_t *text;

    json_object_foreach((json_t *)(uintptr_t)records, name, text)
        json_object_set_new(zone, name, json_pack("[{s:O}]", "TXT", text));
    return zone;
}

/* What the fields of a set say, without white space. */
static void pack(struct str text, struct buf *out)
{
    buf_reset(out);
    tag_add_packed(out, text);
    while (out->len > 0 && out->ptr[out->len - 1] == ';')
        out->len--;
}

static bool is_field(const struct header *header, const char *name, struct str wanted)
{
    struct buf got = { 0 };
    struct buf packed = { 0 };
    const struct header_field *field = header_find(header, str_from(name));

    pack(wanted, &packed);
    if (field != NULL)
        pack(field->value, &got);
    bool is_same = str_equals(buf_str(&got), buf_str(&packed));
    if (!is_same)
        print_error("%s: %.*s\n   instead of %.*s\n", name, STR_FMT(buf_str(&got)),
                    STR_FMT(buf_str(&packed)));
    buf_fini(&got);
    buf_fini(&packed);
    return is_same;
}

static bool matches(struct str set, const json_t *test)
{
    struct arena arena = { 0 };
    struct header header;

    header_parse(set, &arena, &header);
    bool is_right = is_field(&header, "ARC-Seal", text_of(test, "AS")) &
                    is_field(&header, "ARC-Message-Signature", text_of(test, "AMS")) &
                    is_field(&header, "ARC-Authentication-Results", text_of(test, "AAR"));
    arena_fini(&arena);
    return is_right;
}

/* "i=1; lists.example.org; …" without the instance, which is ours to say. */
static void add_results(struct buf *out, struct str said)
{
    ptrdiff_t end = str_find(said, ';');
    struct str rest = str_trim(str_skip(said, (size_t)end + 1));

    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '\n')
            buf_add(out, STR("\r\n "));
        else
            buf_add_byte(out, rest.ptr[i]);
    }
    while (out->len > 0 && (out->ptr[out->len - 1] == ' ' || out->ptr[out->len - 1] == '\n' ||
                            out->ptr[out->len - 1] == '\r'))
        out->len--;
}

static bool passes(const json_t *scenario, const json_t *test, const json_t *zone)
{
    struct arena arena = { 0 };
    struct dns_answers known = { 0 };
    struct body_hashes hashes = { 0 };
    struct buf room = { 0 };
    struct buf results = { 0 };
    struct buf set = { 0 };
    struct dns_question question;
    struct letter letter;
    struct header header;
    struct arc arc;
    struct signing_key key;

    letter_make(text_of(test, "message"), &letter);
    header_parse(letter.header, &arena, &header);
    arc_header(&arc, &header, &hashes);
    int body = body_hashes_want(&hashes, CANONICAL_RELAXED, UINT64_MAX);
    body_hashes_add(&hashes, letter.body);
    body_hashes_end(&hashes);
    while (!arc_decide(&arc, &hashes, &known, &room, &question))
        zone_ask(zone, question, &known);
    assert_true(signing_key_read(text_of(scenario, "privatekey"), text_of(scenario, "domain"),
                                 text_of(scenario, "sel"), &key));
    struct signing signing = {
        .header = &header,
        .names = text_of(test, "sig-headers"),
        .body_hash = str_of(hashes.item[body]->value, BODY_HASH_SIZE),
        .now_s = json_integer_value(json_object_get(test, "t")),
    };
    add_results(&results, text_of(test, "AAR"));
    assert_true(signing_add_arc(&key, &signing, &arc, buf_str(&results), &set));
    bool is_right = matches(buf_str(&set), test);
    signing_key_fini(&key);
    arc_fini(&arc);
    body_hashes_fini(&hashes);
    dns_answers_fini(&known);
    arena_fini(&arena);
    buf_fini(&room);
    buf_fini(&results);
    buf_fini(&set);
    letter_fini(&letter);
    return is_right;
}

static void all_cases(void **state)
{
    json_t *suite = testdata_json("arc/arc-sign-part1.json");
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
            if (passes(scenario, test, zone))
                continue;
            print_error("%s\n", name);
            failed++;
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
