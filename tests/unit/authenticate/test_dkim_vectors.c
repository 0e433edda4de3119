/* SPDX-License-Identifier: ISC */
/* test_dkim_vectors.c: the signed messages of testdata/dkim, with the verdicts that their authors
 * expect. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authenticate/dkim.h"
#include "authenticate/letter.h"
#include "authenticate/zone.h"

enum { RFC8463_S = 1528637909 };

/* The verdicts one after the other: "pass fail". */
static void verify(struct str text, const json_t *zone, struct buf *out)
{
    struct arena arena = { 0 };
    struct dns_answers known = { 0 };
    struct body_hashes hashes = { 0 };
    struct letter letter;
    struct header header;
    struct dkim dkim;
    struct buf room = { 0 };
    struct dns_question question;

    letter_make(text, &letter);
    header_parse(letter.header, &arena, &header);
    dkim_header(&dkim, &header, RFC8463_S, &hashes);
    for (size_t at = 0; at < letter.body.len; at += 7) /* as it may come */
        body_hashes_add(&hashes, str_first(str_skip(letter.body, at), 7));
    body_hashes_end(&hashes);
    while (!dkim_decide(&dkim, &hashes, &known, &room, &question))
        zone_ask(zone, question, &known);
    for (unsigned i = 0; i < dkim.count; i++) {
        buf_add_format(out, i == 0 ? "%s" : " %s", dkim_result_name(dkim.verdict[i].result));
        if (getenv("VERBOSE") != NULL && dkim.verdict[i].why != NULL)
            print_message("%.*s: %s\n", STR_FMT(dkim.verdict[i].domain), dkim.verdict[i].why);
    }
    dkim_fini(&dkim);
    body_hashes_fini(&hashes);
    dns_answers_fini(&known);
    arena_fini(&arena);
    buf_fini(&room);
    letter_fini(&letter);
}

static void expect(const char *name, struct str text, const json_t *zone, const char *wanted)
{
    struct buf got = { 0 };

    verify(text, zone, &got);
    if (!str_equals(buf_str(&got), str_from(wanted)))
        fail_msg("%s: %.*s instead of %s", name, STR_FMT(buf_str(&got)), wanted);
    buf_fini(&got);
}

static void add_txt(json_t *zone, struct str name, struct str text)
{
    char key[256];
    json_t *entries;

    (void)snprintf(key, sizeof key, "%.*s", STR_FMT(name));
    entries = json_object_get(zone, key);
    if (entries == NULL) {
        entries = json_array();
        json_object_set_new(zone, key, entries);
    }
    if (str_equals(text, STR("TEMPERROR")))
        json_array_append_new(entries, json_string("TIMEOUT"));
    else if (!str_equals(text, STR("PERMERROR")))
        json_array_append_new(entries, json_pack("{s:s%}", "TXT", text.ptr, text.len));
}

/* ---- chasquid ---- */

/* A file may hold nothing but the name of another one. */
static bool read_linked(const char *path, struct buf *out)
{
    char other[128];

    if (!testdata_read(path, out))
        return false;
    if (out->len > 64 || memchr(out->ptr, '\n', out->len) != NULL)
        return true;
    (void)snprintf(other, sizeof other, "dkim/chasquid/%.*s", STR_FMT(buf_str(out)));
    buf_reset(out);
    return testdata_read(other, out);
}

/* "name: text", long lines broken with a backslash. */
static json_t *read_zone(const char *path)
{
    struct buf file = { 0 };
    struct buf joined = { 0 };
    json_t *zone = json_object();
    struct str line;

    if (!read_linked(path, &file))
        return zone;
    for (size_t i = 0; i < file.len; i++) {
        if (i + 1 < file.len && file.ptr[i] == '\\' && file.ptr[i + 1] == '\n')
            i++;
        else
            buf_add_byte(&joined, file.ptr[i]);
    }
    struct str rest = buf_str(&joined);
    while (str_cut(&rest, '\n', &line)) {
        ptrdiff_t colon = str_find(line, ':');
        if (colon > 0)
            add_txt(zone, str_first(line, (size_t)colon),
                    str_trim(str_skip(line, (size_t)colon + 1)));
    }
    buf_fini(&file);
    buf_fini(&joined);
    return zone;
}

static void chasquid(void **state)
{
    static const struct {
        const char *name;
        const char *wanted;
    } vector[] = {
        { "01-rfc8463", "pass pass" },
        /* chasquid stops at five; all seven are good */
        { "02-too_many_headers", "pass pass pass pass pass pass pass" },
        { "03-bad_message", "" }, /* a header that is none: no signature in it */
        { "04-bad_dkim_signature_header", "permerror" },
        { "05-dns_temp_error", "temperror pass" },
        { "06-dns_perm_error", "permerror pass" },
        { "07-algo_mismatch", "pass pass" },
        { "08-our_signature", "pass pass pass" },
        { "09-limited_body", "pass pass pass" },
        { "10-strict_domain_check_pass", "pass pass" },
        { "11-strict_domain_check_fail", "permerror" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof vector / sizeof vector[0]; i++) {
        char path[128];
        struct buf text = { 0 };
        (void)snprintf(path, sizeof path, "dkim/chasquid/%s.msg", vector[i].name);
        if (!read_linked(path, &text))
            skip();
        (void)snprintf(path, sizeof path, "dkim/chasquid/%s.dns", vector[i].name);
        json_t *zone = read_zone(path);
        expect(vector[i].name, buf_str(&text), zone, vector[i].wanted);
        json_decref(zone);
        buf_fini(&text);
    }
}

/* ---- dkimpy ---- */

static const char rfc8032_key[] =
    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

static void add_file(json_t *zone, const char *name, const char *path)
{
    struct buf text = { 0 };
    assert_true(testdata_read(path, &text));
    while (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    add_txt(zone, str_from(name), buf_str(&text));
    buf_fini(&text);
}

static void dkimpy_case(const char *message, const char *key_file, const char *wanted)
{
    char path[128];
    struct buf text = { 0 };

    (void)snprintf(path, sizeof path, "dkim/dkimpy/%s", message);
    if (!testdata_read(path, &text))
        skip();
    json_t *zone = json_object();
    add_txt(zone, STR("brisbane._domainkey.football.example.com"), str_from(rfc8032_key));
    (void)snprintf(path, sizeof path, "dkim/dkimpy/%s", key_file);
    add_file(zone, "test._domainkey.football.example.com", path);
    expect(message, buf_str(&text), zone, wanted);
    json_decref(zone);
    buf_fini(&text);
}

static void dkimpy(void **state)
{
    (void)state;
    dkimpy_case("rfc6376.signed.msg", "test.txt", "pass pass");
    /* What is wrong with the key touches only the signature that asks for it. */
    dkimpy_case("rfc6376.signed.msg", "badversion.txt", "pass permerror");
    dkimpy_case("rfc6376.signed.msg", "badk.txt", "pass permerror");
    dkimpy_case("rfc6376.signed.msg", "test_tlsrpt.txt", "pass permerror");
    dkimpy_case("rfc6376.signed.msg", "test_bad.txt", "pass permerror");
    dkimpy_case("rfc6376.msg", "test.txt", "");
    dkimpy_case("test_nofrom.message", "test.txt", "");
}

/* ---- Stalwart ---- */

/* "NAME text" lines, an empty line, the message. */
static void stalwart(void **state)
{
    (void)state;
    for (unsigned number = 1; number <= 6; number++) {
        char path[128];
        struct buf file = { 0 };
        struct str line;

        (void)snprintf(path, sizeof path, "dkim/stalwart/%03u.txt", number);
        if (!testdata_read(path, &file))
            skip();
        json_t *zone = json_object();
        struct str rest = buf_str(&file);
        while (str_cut(&rest, '\n', &line) && line.len > 0) {
            ptrdiff_t space = str_find(line, ' ');
            assert_true(space > 0);
            add_txt(zone, str_first(line, (size_t)space), str_skip(line, (size_t)space + 1));
        }
        expect(path, rest, zone, number == 1 || number == 3 ? "pass pass" : "pass");
        json_decref(zone);
        buf_fini(&file);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(chasquid),
        cmocka_unit_test(dkimpy),
        cmocka_unit_test(stalwart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
