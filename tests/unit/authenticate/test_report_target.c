/* SPDX-License-Identifier: ISC */
/* test_report_target.c: which addresses of a rua= may be written to (RFC 9990 4). */
#include "testing.h"

#include "authenticate/report_target.h"
#include "authenticate/zone.h"

/* "address<size address", and a question mark at the end if more may come. */
static struct str written(const struct report_targets *targets, struct buf *out)
{
    buf_reset(out);
    for (unsigned i = 0; i < targets->count; i++) {
        if (i > 0)
            buf_add_byte(out, ' ');
        buf_add(out, targets->target[i].address);
        if (targets->target[i].size_max != UINT64_MAX)
            buf_add_format(out, "<%llu", (unsigned long long)targets->target[i].size_max);
    }
    if (targets->is_unsure)
        buf_add(out, STR("?"));
    return buf_str(out);
}

static void reads_rua(void **state)
{
    static const struct {
        const char *rua;
        const char *targets;
    } cases[] = {
        { "", "" },
        { "mailto:a@example.com", "a@example.com" },
        { "MailTo:A@Example.COM", "A@example.com" },
        { " mailto:a@example.com , mailto:b@example.com", "a@example.com b@example.com" },
        { "mailto:a@example.com!10m", "a@example.com<10485760" },
        { "mailto:a@example.com!10M", "a@example.com<10485760" },
        { "mailto:a@example.com!5", "a@example.com<5" },
        { "mailto:a@example.com!1k,mailto:b@example.com!1g",
          "a@example.com<1024 b@example.com<1073741824" },
        { "mailto:a@example.com!1t", "a@example.com<1099511627776" },
        { "mailto:a@example.com!", "" },
        { "mailto:a@example.com!m", "" },
        { "mailto:a@example.com!10x", "" },
        { "mailto:a@example.com!-1", "" },
        { "mailto:a@example.com!99999999999999999999", "" },
        { "mailto:a@example.com!99999999999t", "" },
        { "mailto:a@example.com!10m!1", "" },
        { "mailto:a@example.com?subject=reports", "a@example.com" },
        { "mailto:a@example.com?subject=x!1k", "a@example.com<1024" },
        { "mailto:a%21b%2cc@example.com", "" }, /* no comma outside of quotes */
        { "mailto:a%21b@example.com", "a!b@example.com" },
        { "mailto:a%40example.com", "a@example.com" },
        { "mailto:%22a%2Cb%22@example.com", "\"a,b\"@example.com" },
        { "mailto:%22a%20b%22@example.com", "" },
        { "mailto:a%0d%0aBcc:x@example.com", "" },
        { "mailto:a%00@example.com", "" },
        { "mailto:a%4@example.com", "" },
        { "mailto:a%", "" },
        { "mailto:a%zz@example.com", "" },
        { "mailto:\xc3\xa4@example.com", "" },
        { "mailto:a@\xc3\xa4.example", "" },
        { "mailto:a@[192.0.2.1]", "" },
        { "mailto:a@192.0.2.1", "" },
        { "mailto:a", "" },
        { "mailto:", "" },
        { "mailto:<a@example.com>", "" },
        { "a@example.com", "" },
        { "https://example.com/reports,mailto:a@example.com", "a@example.com" },
        { "mailto:a@example.com!1k,mailto:a@EXAMPLE.com!1m", "a@example.com<1048576" },
        { "mailto:1@e.example,mailto:2@e.example,mailto:3@e.example,mailto:4@e.example,"
          "mailto:5@e.example,mailto:6@e.example",
          "1@e.example 2@e.example 3@e.example 4@e.example 5@e.example" },
    };
    struct report_targets targets;
    struct buf out = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = { 0 };
        report_targets_parse(str_from(cases[i].rua), &arena, &targets);
        if (!str_equals(written(&targets, &out), str_from(cases[i].targets)))
            fail_msg("%s: %.*s", cases[i].rua, STR_FMT(buf_str(&out)));
        arena_fini(&arena);
    }
    buf_fini(&out);
}

#define OURS                "\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=none\"}]"
#define CONSENT(name, text) "\"example.com._report._dmarc." name "\": [{\"TXT\": \"" text "\"}]"

static const struct test {
    const char *name;
    const char *zone;
    const char *domain;
    const char *rua;
    const char *targets;
    unsigned questions; /* at most */
} tests[] = {
    { "nobody", "{}", "example.com", "https://example.com/", "", 0 },
    { "itself", "{}", "example.com", "mailto:a@example.com", "a@example.com", 0 },
    { "its organisation", "{" OURS "}", "example.com", "mailto:a@in.example.com",
      "a@in.example.com", 3 },
    { "above it", "{" OURS "}", "mail.example.com", "mailto:a@example.com", "a@example.com", 3 },
    { "beside it", "{" OURS "}", "a.example.com", "mailto:a@b.example.com", "a@b.example.com", 4 },
    { "an organisation of its own within",
      "{" OURS ", \"_dmarc.own.example.com\": [{\"TXT\": \"v=DMARC1; p=none; psd=n\"}]}",
      "example.com", "mailto:a@own.example.com", "", 4 },
    { "which says yes",
      "{" OURS ", \"_dmarc.own.example.com\": [{\"TXT\": \"v=DMARC1; p=none; psd=n\"}]," CONSENT(
          "own.example.com", "v=DMARC1") "}",
      "example.com", "mailto:a@own.example.com", "a@own.example.com", 4 },
    { "a stranger", "{}", "example.com", "mailto:victim@example.net", "", 1 },
    { "looks like us", "{}", "example.com", "mailto:victim@badexample.com", "", 1 },
    { "a suffix is no organisation", "{}", "a.co.uk", "mailto:victim@b.co.uk", "", 1 },
    { "a stranger who wants them", "{" CONSENT("example.net", "v=DMARC1") "}", "example.com",
      "mailto:a@example.net!1k", "a@example.net<1024", 1 },
    { "with a semicolon", "{" CONSENT("example.net", "v=DMARC1;") "}", "example.com",
      "mailto:a@example.net", "a@example.net", 1 },
    { "v= is missing", "{" CONSENT("example.net", "p=none") "}", "example.com",
      "mailto:a@example.net", "", 1 },
    { "is no list of tags", "{" CONSENT("example.net", "v=DMARC1; x") "}", "example.com",
      "mailto:a@example.net", "", 1 },
    { "one of two says yes",
      "{\"example.com._report._dmarc.example.net\": [{\"TXT\": \"hello\"},"
      " {\"TXT\": \"v=DMARC1\"}]}",
      "example.com", "mailto:a@example.net", "a@example.net", 1 },
    { "wants them elsewhere",
      "{" CONSENT("example.net", "v=DMARC1; rua=mailto:b@example.net!2k") "}", "example.com",
      "mailto:a@example.net", "b@example.net<2048", 1 },
    { "two are one then", "{" CONSENT("example.net", "v=DMARC1; rua=mailto:b@example.net") "}",
      "example.com", "mailto:a@example.net,mailto:c@example.net", "b@example.net", 1 },
    { "with a third", "{" CONSENT("example.net", "v=DMARC1; rua=mailto:b@example.org") "}",
      "example.com", "mailto:a@example.net", "", 1 },
    { "partly with a third",
      "{" CONSENT("example.net", "v=DMARC1; rua=mailto:b@example.net,mailto:b@example.org") "}",
      "example.com", "mailto:a@example.net", "", 1 },
    { "in a way that we do not know",
      "{" CONSENT("example.net", "v=DMARC1; rua=https://example.net/") "}", "example.com",
      "mailto:a@example.net", "", 1 },
    { "an empty wish is none", "{" CONSENT("example.net", "v=DMARC1; rua=") "}", "example.com",
      "mailto:a@example.net", "a@example.net", 1 },
    { "nobody answers", "{\"example.com._report._dmarc.example.net\": [\"TIMEOUT\"]}",
      "example.com", "mailto:a@example.net,mailto:b@example.com", "b@example.com?", 1 },
    { "nobody knows whose it is", "{\"_dmarc.in.example.com\": [\"TIMEOUT\"]}", "example.com",
      "mailto:a@in.example.com", "?", 4 },
    { "too long a name", "{}",
      "a12345678901234567890123456789012345678901234567890123456789.example",
      "mailto:a@b12345678901234567890123456789012345678901234567890123456789"
      ".b12345678901234567890123456789012345678901234567890123456789"
      ".b12345678901234567890123456789012345678901234567890123456789.net",
      "", 0 },
};

static void expect(const struct test *test)
{
    struct report_policy policy = { .domain = str_from(test->domain),
                                    .record = { .reports = str_from(test->rua) } };
    struct dns_answers known = { 0 };
    struct arena arena = { 0 };
    struct buf room = { 0 };
    struct dns_question question;
    struct report_targets targets;
    json_t *zone = json_loads(test->zone, 0, NULL);
    unsigned asked = 0;

    assert_non_null(zone);
    while (!report_targets_decide(&policy, &known, &arena, &room, &targets, &question)) {
        if (++asked > test->questions)
            fail_msg("%s: asks for %.*s", test->name, STR_FMT(question.name));
        zone_ask(zone, question, &known);
    }
    if (!str_equals(written(&targets, &room), str_from(test->targets)))
        fail_msg("%s: %.*s", test->name, STR_FMT(buf_str(&room)));
    dns_answers_fini(&known);
    arena_fini(&arena);
    buf_fini(&room);
    json_decref(zone);
}

static void writes_only_to_who_wants_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        expect(&tests[i]);
}

/* As records about TLS have it, one by one. */
static void reads_one_address(void **state)
{
    struct arena arena = { 0 };
    struct report_target target;

    (void)state;
    assert_true(report_target_parse(STR("mailto:a%2Bb@Example.COM?subject=x"), &arena, &target));
    assert_str(target.address, STR("a+b@example.com"));
    assert_str(target.domain, STR("example.com"));
    assert_false(report_target_parse(STR("https://example.com/"), &arena, &target));
    assert_false(report_target_parse(STR("mailto:a@b%0D%0ABcc:c@d"), &arena, &target));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest list[] = {
        cmocka_unit_test(reads_one_address),
        cmocka_unit_test(reads_rua),
        cmocka_unit_test(writes_only_to_who_wants_it),
    };
    return cmocka_run_group_tests(list, NULL, NULL);
}
