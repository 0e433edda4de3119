/* SPDX-License-Identifier: ISC */
/* test_content.c: what of the octets behind DATA and BDAT is content, and where it ends.
 *
 * Every case is decoded in one piece, octet by octet, and cut at each place: the
 * answer must be the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "wire/content.h"

struct outcome {
    struct buf content;
    size_t taken;
    bool complete;
    bool bare;
};

static void decode_piece(struct content_decoder *decoder, struct str piece, struct outcome *outcome)
{
    if (content_is_complete(decoder) || piece.len == 0)
        return;
    char *exact = malloc(piece.len); /* so that ASan sees a look behind the end */
    assert_non_null(exact);
    memcpy(exact, piece.ptr, piece.len);
    size_t before = outcome->content.len;
    size_t taken = content_decode(decoder, str_of(exact, piece.len), &outcome->content);
    assert_true(taken <= piece.len);
    assert_true(taken == piece.len || content_is_complete(decoder));
    assert_true(outcome->content.len - before <= 2 * taken + 2);
    outcome->taken += taken;
    free(exact);
}

static struct outcome decode(struct str text, size_t first, size_t rest, bool dotted)
{
    struct content_decoder decoder =
        dotted ? content_decoder_for_data() : content_decoder_for_chunks();
    struct outcome outcome = { 0 };

    decode_piece(&decoder, str_first(text, first), &outcome);
    for (size_t at = first; at < text.len; at += rest)
        decode_piece(&decoder, str_first(str_skip(text, at), rest), &outcome);
    outcome.complete = content_is_complete(&decoder);
    if (!dotted)
        content_end_chunks(&decoder);
    outcome.bare = decoder.bare;
    return outcome;
}

static void expect(struct str text, size_t first, size_t rest, bool dotted,
                   const struct outcome *want)
{
    struct outcome got = decode(text, first, rest, dotted);

    if (!str_equals(buf_str(&got.content), buf_str(&want->content)) || got.taken != want->taken ||
        got.complete != want->complete || got.bare != want->bare)
        fail_msg("\"%.*s\" cut at %zu, then by %zu: got \"%.*s\" taken %zu complete %d bare %d",
                 STR_FMT(text), first, rest, STR_FMT(buf_str(&got.content)), got.taken,
                 got.complete, got.bare);
    buf_fini(&got.content);
}

static void expect_in_any_split(struct str text, bool dotted, const struct outcome *want)
{
    expect(text, text.len, 1, dotted, want);
    expect(text, 0, 1, dotted, want);
    for (size_t cut = 1; cut < text.len; cut++)
        expect(text, cut, text.len, dotted, want);
}

#define CASE(in, out, is_complete, is_bare)                                                        \
    {                                                                                              \
        { in, sizeof(in) - 1 }, { out, sizeof(out) - 1 }, is_complete, is_bare                     \
    }

struct content_case {
    struct str in, out;
    bool complete, bare;
};

static void run_cases(const struct content_case *cases, size_t count, bool dotted)
{
    for (size_t i = 0; i < count; i++) {
        struct outcome want = { .taken = cases[i].in.len,
                                .complete = cases[i].complete,
                                .bare = cases[i].bare };
        buf_add(&want.content, cases[i].out);
        expect_in_any_split(cases[i].in, dotted, &want);
        buf_fini(&want.content);
    }
}

static void decodes_data(void **state)
{
    static const struct content_case cases[] = {
        CASE("", "", false, false),
        CASE(".\r\n", "", true, false),
        CASE("a\r\n.\r\n", "a\r\n", true, false),
        CASE("\r\n.\r\n", "\r\n", true, false),
        CASE("a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n", true, false),
        CASE("..\r\n.\r\n", ".\r\n", true, false),
        CASE("..a\r\n.b\r\n...\r\n.\r\n", ".a\r\nb\r\n..\r\n", true, false),
        CASE("a.\r\nb..\r\n.\r\n", "a.\r\nb..\r\n", true, false),
        CASE(". \r\n.\r\n", " \r\n", true, false),
        CASE("a\0b\r\n.\r\n", "a\0b\r\n", true, false),
        CASE("\xff\x80\r\n.\r\n", "\xff\x80\r\n", true, false),
        CASE("a\r\n.\r", "a\r\n", false, false),
        CASE("a\r\n.", "a\r\n", false, false),
        CASE("a\r", "a", false, false),
        CASE("a\nb\r\n.\r\n", "a\r\nb\r\n", true, true),
        CASE("a\rb\r\n.\r\n", "ab\r\n", true, true),
        CASE("a\r\r\n.\r\n", "a\r\n", true, true),
        CASE("\r\r\nb\r\n.\r\n", "\r\nb\r\n", true, true),
        CASE("\n\n\n", "\r\n\r\n\r\n", false, true),
    };
    (void)state;
    run_cases(cases, sizeof cases / sizeof *cases, true);
}

/* What other servers have taken for an end (SMTP smuggling). Behind each comes a command that must
 * stay text; the true end comes last. */
static void no_variant_of_the_end_ends(void **state)
{
#define SMUGGLED         "RSET\r\n"
#define VARIANT(in, out) CASE("x" in SMUGGLED ".\r\n", "x" out SMUGGLED, true, true)
    static const struct content_case cases[] = {
        VARIANT("\n.\n", "\r\n.\r\n"),
        VARIANT("\n.\r\n", "\r\n.\r\n"),
        VARIANT("\r\n.\n", "\r\n\r\n"),
        VARIANT("\r.\r\n", ".\r\n"),
        VARIANT("\r\n.\r", "\r\n"),
        VARIANT("\r.\r", "."),
        VARIANT("\r.\n", ".\r\n"),
        VARIANT("\n.\r", "\r\n."),
        VARIANT("\r\n.\r\r\n", "\r\n\r\n"),
        VARIANT("\r\r\n.\n", "\r\n\r\n"),
        VARIANT("\n\r.\r\n", "\r\n.\r\n"),
        VARIANT("\r\n\r.\r\n", "\r\n.\r\n"),
        VARIANT("\r\n.\r.\r\n", "\r\n.\r\n"),
        VARIANT("\r\n\n.\r\n", "\r\n\r\n.\r\n"),
        VARIANT("\n.\r\r\n", "\r\n.\r\n"),
        VARIANT("\r\n.\n.\r\n", "\r\n\r\n.\r\n"),
        VARIANT("\r\n..\n.\n", "\r\n.\r\n.\r\n"),
    };
    static const struct content_case with_nul[] = {
        CASE("x\r\n.\0\r\nRSET\r\n.\r\n", "x\r\n\0\r\nRSET\r\n", true, false),
        CASE("x\r\n\0.\r\nRSET\r\n.\r\n", "x\r\n\0.\r\nRSET\r\n", true, false),
        CASE("x\0\r\n.\r\0\nRSET\r\n.\r\n", "x\0\r\n\0\r\nRSET\r\n", true, true),
    };
    (void)state;
    run_cases(cases, sizeof cases / sizeof *cases, true);
    run_cases(with_nul, sizeof with_nul / sizeof *with_nul, true);
}

static void leaves_what_follows_the_end(void **state)
{
    struct content_decoder decoder = content_decoder_for_data();
    struct buf out = { 0 };
    (void)state;

    assert_int_equal(content_decode(&decoder, STR("a\r\n.\r\nQUIT\r\n"), &out), 6);
    assert_true(content_is_complete(&decoder));
    buf_fini(&out);
}

static void chunks_know_no_dots(void **state)
{
    static const struct content_case cases[] = {
        CASE("", "", false, false),
        CASE("a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", false, false),
        CASE("..a\r\n", "..a\r\n", false, false),
        CASE("no end", "no end", false, false),
        CASE("a\nb", "a\r\nb", false, true),
        CASE("a\n.\r\n", "a\r\n.\r\n", false, true),
        CASE("a\rb", "ab", false, true),
        CASE("a\r", "a", false, true),
        CASE("\0\0", "\0\0", false, false),
    };
    (void)state;
    run_cases(cases, sizeof cases / sizeof *cases, false);
}

static void long_lines_pass_unchanged(void **state)
{
    struct buf text = { 0 };
    (void)state;

    for (size_t len = 1020; len < 1030; len++) {
        buf_reset(&text);
        for (size_t i = 0; i < len; i++)
            buf_add_byte(&text, 'x');
        buf_add(&text, STR("\r\n..\r\n.\r\n"));
        struct outcome got = decode(buf_str(&text), text.len, 1, true);
        assert_true(got.complete && !got.bare);
        assert_int_equal(got.content.len, len + 2 + 3);
        buf_fini(&got.content);
    }
    buf_fini(&text);
}

/* Texts of the octets that matter, in random order: all splits agree, every CR has its LF and every
 * LF its CR, and text that was clean is not touched. */
static void random_texts_hold_the_invariants(void **state)
{
    static const char alphabet[] = "\r\n\r\n..a";
    struct random random;
    (void)state;

    random_from_seed(&random, 1);
    for (int round = 0; round < 3000; round++) {
        char text[12];
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = alphabet[random_below(&random, sizeof alphabet - 1)];
        for (int dotted = 0; dotted <= 1; dotted++) {
            struct outcome want = decode(str_of(text, sizeof text), sizeof text, 1, dotted);
            const char *out = want.content.ptr;
            for (size_t i = 0; i < want.content.len; i++) {
                assert_true(out[i] != '\n' || (i > 0 && out[i - 1] == '\r'));
                assert_true(out[i] != '\r' || (i + 1 < want.content.len && out[i + 1] == '\n'));
            }
            expect_in_any_split(str_of(text, sizeof text), dotted, &want);
            buf_fini(&want.content);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_data),
        cmocka_unit_test(no_variant_of_the_end_ends),
        cmocka_unit_test(leaves_what_follows_the_end),
        cmocka_unit_test(chunks_know_no_dots),
        cmocka_unit_test(long_lines_pass_unchanged),
        cmocka_unit_test(random_texts_hold_the_invariants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
