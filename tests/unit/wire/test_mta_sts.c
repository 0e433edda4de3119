/* SPDX-License-Identifier: ISC */
/* test_mta_sts.c: RFC 8461's own examples, and others' cases where they are. */
#include "testing.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "wire/mta_sts.h"

#define POLICY                                                                                     \
    "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: "    \
    "604800\r\n"

static void reads_the_record(void **state)
{
    struct str id;
    (void)state;
    assert_true(sts_record_parse(STR("v=STSv1; id=20160831085700Z;"), &id));
    assert_str(id, STR("20160831085700Z"));
    assert_false(sts_record_parse(STR("v=STSv1; id=a; id=b"), &id));
    assert_false(sts_record_parse(STR("v=spf1 -all"), &id));
    assert_false(sts_record_parse(STR(""), &id));
    assert_false(sts_record_parse(STR(" v=STSv1; id=a"), &id));
}

static void reads_the_policy(void **state)
{
    struct sts_policy policy;
    (void)state;
    assert_true(sts_policy_parse(STR(POLICY), &policy));
    assert_int_equal(policy.mode, STS_ENFORCE);
    assert_int_equal(policy.max_age_s, 604800);
    assert_int_equal(policy.mx_count, 2);
    assert_true(sts_policy_names(&policy, STR("mail.example.com")));
    assert_true(sts_policy_names(&policy, STR("mx1.example.net")));
    assert_false(sts_policy_names(&policy, STR("example.net")));
    assert_false(sts_policy_names(&policy, STR("a.mx1.example.net")));
    assert_false(sts_policy_names(&policy, STR("mail.example.com.evil.example")));
    assert_true(
        sts_policy_parse(STR("version: STSv1\nmode: none\nmax_age: 9999999999\n"), &policy));
    assert_int_equal(policy.max_age_s, STS_MAX_AGE_MAX_S);
    assert_true(sts_policy_parse(STR("version: STSv1\nmode: testing\nmode: enforce\nmax_age: 1\n"
                                     "max_age: 2\nmx: a.example\n"),
                                 &policy)); /* the first counts */
    assert_int_equal(policy.mode, STS_TESTING);
    assert_int_equal(policy.max_age_s, 1);
}

static void names_may_end_with_a_dot(void **state)
{
    struct sts_policy policy;
    (void)state;
    assert_true(sts_policy_parse(STR("version: STSv1\nmode: enforce\nmax_age: 1\n"
                                     "mx: mail.example.com.\nmx: *.example.net.\n"),
                                 &policy));
    assert_true(sts_policy_names(&policy, STR("mail.example.com")));
    assert_true(sts_policy_names(&policy, STR("mx1.example.net")));
    assert_false(sts_policy_names(&policy, STR("mail.example")));
    assert_false(sts_policy_names(&policy, STR("example.net")));
}

static void a_policy_has_an_end(void **state)
{
    struct sts_policy policy;
    struct buf text = { 0 };
    (void)state;
    buf_add(&text, STR(POLICY));
    for (int i = 0; i < 1000; i++)
        buf_add_format(&text, "mx: mx%d.example.org\n", i);
    assert_true(sts_policy_parse(buf_str(&text), &policy));
    assert_int_equal(policy.mx_count, STS_MX_MAX);
    while (text.len <= STS_POLICY_MAX)
        buf_add(&text, STR("more: and more\n"));
    assert_false(sts_policy_parse(buf_str(&text), &policy));
    buf_fini(&text);
}

/* ---- others' cases ---- */

static json_t *vectors(void)
{
    const char *folder = getenv("HOLDFAST_TESTDATA");
    char name[4096];

    if (folder == NULL)
        return NULL;
    (void)snprintf(name, sizeof name, "%s/mta-sts/vectors.json", folder);
    return json_load_file(name, 0, NULL);
}

static struct str text_of(const json_t *object, const char *member)
{
    return str_from(json_string_value(json_object_get(object, member)));
}

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

static void agrees_with_others(void **state)
{
    json_t *all = vectors();
    const json_t *one;
    size_t index;
    unsigned records = 0, policies = 0, matches = 0;
    (void)state;
    if (all == NULL)
        skip();
    json_array_foreach(json_object_get(all, "record"), index, one)
    {
        struct str id;
        if (sts_record_parse(text_of(one, "in"), &id) !=
            json_is_true(json_object_get(one, "valid")))
            fail_msg("record %zu", index);
        records++;
    }
    json_array_foreach(json_object_get(all, "policy"), index, one)
    {
        struct sts_policy policy;
        if (sts_policy_parse(text_of(one, "in"), &policy) !=
            json_is_true(json_object_get(one, "valid")))
            fail_msg("policy %zu", index);
        policies++;
    }
    /* Patterns are ASCII, or the policy is none: others' leniency towards other letters is not
     * ours.
     */
    json_array_foreach(json_object_get(all, "mx_match"), index, one)
    {
        struct str mx = text_of(one, "mx");
        struct str pattern = text_of(one, "pattern");
        struct sts_policy policy = { .mx = { pattern }, .mx_count = 1 };
        if (!is_ascii(mx) || !is_ascii(pattern))
            continue;
        if (sts_policy_names(&policy, mx) != json_is_true(json_object_get(one, "match")))
            fail_msg("match %zu", index);
        matches++;
    }
    printf("%u records, %u policies, %u matches\n", records, policies, matches);
    json_decref(all);
}

static void keeps_what_it_understood(void **state)
{
    struct sts_policy policy;
    struct buf kept = { 0 };
    (void)state;
    assert_true(sts_policy_parse(STR("version: STSv1\r\nx: y\r\nmode: testing\r\nmx: a.example\r\n"
                                     "mx: *.b.example\r\nmax_age: 9999999999\r\n"),
                                 &policy));
    sts_policy_add_text(&kept, &policy);
    assert_true(str_equals(buf_str(&kept), STR("version: STSv1\nmode: testing\nmax_age: 31557600\n"
                                               "mx: a.example\nmx: *.b.example\n")));
    buf_fini(&kept);
}

static void a_policy_is_plain_text(void **state)
{
    static const struct {
        struct str type;
        bool is_it;
    } cases[] = {
        { { "text/plain", 10 }, true },    { { "Text/Plain; charset=utf-8", 25 }, true },
        { { "text/plain ;x", 13 }, true }, { { "text/html", 9 }, false },
        { { "text/plainer", 12 }, false }, { { "", 0 }, false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (sts_is_media_type(cases[i].type) != cases[i].is_it)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_record),         cmocka_unit_test(reads_the_policy),
        cmocka_unit_test(names_may_end_with_a_dot), cmocka_unit_test(a_policy_has_an_end),
        cmocka_unit_test(keeps_what_it_understood), cmocka_unit_test(a_policy_is_plain_text),
        cmocka_unit_test(agrees_with_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
