/* SPDX-License-Identifier: ISC */
/* test_template.c: ours are good; the owner's are checked before they are used. */
#include "testing.h"

#include <string.h>

#include "notify/template.h"

static void ours_are_without_mistake(void **state)
{
    (void)state;
    for (int occasion = 0; occasion < OCCASION_COUNT; occasion++)
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            struct buf out = { 0 };
            struct str ours = template_builtin((enum occasion)occasion, (enum language)language);
            if (template_check(ours, (enum occasion)occasion, &out) != 0)
                fail_msg("%s: %.*s", occasion_name((enum occasion)occasion),
                         STR_FMT(buf_str(&out)));
            struct str line;
            while (str_cut(&ours, '\n', &line))
                if (line.len > 90) /* octets; of 80 characters */
                    fail_msg("%.*s", STR_FMT(line));
            buf_fini(&out);
        }
}

/* Whom to ask, what happened to which mail: a sender's text has it all. */
static void ours_say_what_a_sender_must_know(void **state)
{
    static const char *const wanted[] = { "{contact}",  "{recipients}", "{subject}",
                                          "{received}", "{domain}",     "{node}" };
    (void)state;
    for (int occasion = 0; occasion < OCCASION_FIRST_FOR_OWNER; occasion++)
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            struct str ours = template_builtin((enum occasion)occasion, (enum language)language);
            for (size_t i = 0; i < COUNT_OF(wanted); i++)
                if (memmem(ours.ptr, ours.len, wanted[i], strlen(wanted[i])) == NULL)
                    fail_msg("%s lacks %s", occasion_name((enum occasion)occasion), wanted[i]);
        }
}

static void names_go_both_ways(void **state)
{
    enum occasion found;

    (void)state;
    for (int i = 0; i < OCCASION_COUNT; i++) {
        assert_true(occasion_from_name(str_from(occasion_name((enum occasion)i)), &found));
        assert_int_equal(found, i);
    }
    assert_false(occasion_from_name(STR("Down"), &found));
    assert_false(occasion_from_name(STR(""), &found));
    for (int i = 0; i < PLACEHOLDER_COUNT; i++) {
        assert_non_null(placeholder_name((enum placeholder)i));
        assert_non_null(placeholder_help((enum placeholder)i));
    }
    assert_true(placeholder_is_for(PLACEHOLDER_QUOTA, OCCASION_QUOTA));
    assert_false(placeholder_is_for(PLACEHOLDER_QUOTA, OCCASION_DELAYED));
}

static void says_what_is_wrong_and_what_to_write(void **state)
{
    static const struct {
        const char *template, *problems;
    } cases[] = {
        { "Subject: x\n\ny\n", "" },
        { "subject:x\r\n\r\ny {domain} {{ } }}\r\n", "" },
        { "\xef\xbb\xbfSubject: x\ny", "" },
        { "Hello\n",
          "line 1, column 1: the first line has to be the subject; write \"Subject: Your mail to "
          "{domain} is delayed\" there, or the like\n" },
        { "Subject: \n\ny",
          "line 1, column 1: the first line has to be the subject; write \"Subject: Your mail to "
          "{domain} is delayed\" there, or the like\n" },
        { "Subject: x\n\n",
          "line 3, column 1: there is no text behind the subject; write it below an empty line\n" },
        { "Subject: {domian}\n\ny",
          "line 1, column 10: there is no {domian}; write {domain} instead\n" },
        { "Subject: x\n\nä {recipent}",
          "line 3, column 3: there is no {recipent}; write {recipients} instead\n" },
        { "Subject: x\n\n{quota}",
          "line 3, column 1: {quota} has no value in a text about \"relayed\"; known here are "
          "{domain}, {node}, {contact}, {sender}, {recipients}, {subject}, {received}, "
          "{reason}\n" },
        { "Subject: x\n\n{xyzzy\x1b}",
          "line 3, column 7: a control character; remove it\n"
          "line 3, column 1: there is no {xyzzy\\x1b}; known here are {domain}, {node}, "
          "{contact}, {sender}, {recipients}, {subject}, {received}, {reason}\n" },
        { "Subject: x\n\na { b\n}",
          "line 3, column 3: this brace is not closed in its line; write {name}, or {{ for a "
          "brace\n" },
        { "Subject: x\n\n{{{",
          "line 3, column 3: this brace is not closed in its line; write {name}, or {{ for a "
          "brace\n" },
        { "Subject: x\n\n{a{domain}",
          "line 3, column 1: this brace is not closed in its line; write {name}, or {{ for a "
          "brace\n" },
        { "Subject: x\n\na\xff", "line 3, column 2: this is no UTF-8; save the text as UTF-8\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = { 0 };
        unsigned count = template_check(str_from(cases[i].template), OCCASION_RELAYED, &out);
        assert_buf(&out, cases[i].problems);
        unsigned lines = 0;
        for (size_t j = 0; j < out.len; j++)
            lines += out.ptr[j] == '\n' ? 1 : 0;
        assert_int_equal(count, lines);
        assert_int_equal(template_check(str_from(cases[i].template), OCCASION_RELAYED, NULL),
                         count);
        buf_fini(&out);
    }
}

static void complaints_are_bounded(void **state)
{
    struct buf template = { 0 };
    struct buf out = { 0 };

    (void)state;
    buf_add(&template, STR("Subject: x\n\n"));
    while (template.len + 4 <= TEMPLATE_SIZE_MAX)
        buf_add(&template, STR("{x}\n"));
    assert_true(template_check(buf_str(&template), OCCASION_DOWN, &out) > TEMPLATE_PROBLEMS_MAX);
    assert_true(out.len < 10000);
    buf_reset(&out);
    while (template.len <= TEMPLATE_SIZE_MAX)
        buf_add_byte(&template, 'x');
    assert_int_equal(template_check(buf_str(&template), OCCASION_DOWN, &out), 1);
    assert_buf(&out, "the text has 8193 octets, 8192 are allowed; make it shorter\n");
    buf_fini(&template);
    buf_fini(&out);
}

static void fills_in_the_values(void **state)
{
    struct template_values values = { 0 };
    struct buf subject = { 0 };
    struct buf text = { 0 };

    (void)state;
    values.value[PLACEHOLDER_DOMAIN] = STR("example.org\r\nX: y");
    values.value[PLACEHOLDER_RECIPIENTS] = STR("a@example.org\nb@example.org");
    values.value[PLACEHOLDER_REASON] = STR("{domain}\x1b");
    assert_true(template_fill(STR("Subject: <{domain}>\n\nÄn: {recipients}.\n{reason} {{ }\n"),
                              OCCASION_DELAYED, LANGUAGE_EN, &values, &subject, &text));
    assert_buf(&subject, "<example.org X: y>");
    assert_buf(&text, "Än: a@example.org\r\n"
                      "    b@example.org.\r\n"
                      "{domain}? { }\r\n");
    buf_fini(&subject);
    buf_fini(&text);
}

static void gives_way_to_ours(void **state)
{
    struct template_values values = { 0 };
    struct buf subject = { 0 };
    struct buf text = { 0 };

    (void)state;
    values.value[PLACEHOLDER_DOMAIN] = STR("example.org");
    assert_false(template_fill(STR("Subject: {domain}\n\n{nonsense}\n"), OCCASION_DELAYED,
                               LANGUAGE_DE, &values, &subject, &text));
    assert_buf(&subject, "Ihre Mail an example.org verspätet sich");
    buf_reset(&subject);
    assert_true(template_fill(STR(""), OCCASION_DOWN, LANGUAGE_EN, &values, &subject, &text));
    assert_buf(&subject, "example.org: your mail server cannot be reached");
    buf_fini(&subject);
    buf_fini(&text);
}

static void what_is_made_is_bounded(void **state)
{
    static char room[3 * TEMPLATE_VALUE_MAX];
    struct template_values values = { 0 };
    struct buf template = { 0 };
    struct buf subject = { 0 };
    struct buf text = { 0 };

    (void)state;
    memset(room, '\n', sizeof room);
    for (int i = 0; i < PLACEHOLDER_COUNT; i++)
        values.value[i] = str_of(room, sizeof room);
    buf_add(&template, STR("Subject: {domain}{domain}\n\n"));
    while (template.len + 40 < TEMPLATE_SIZE_MAX)
        buf_add(&template, STR("{domain}"));
    assert_true(
        template_fill(buf_str(&template), OCCASION_DELAYED, LANGUAGE_EN, &values, &subject, &text));
    assert_true(subject.len <= 200 && text.len < (size_t)8 * TEMPLATE_TEXT_MAX);
    buf_fini(&template);
    buf_fini(&subject);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_are_without_mistake),
        cmocka_unit_test(ours_say_what_a_sender_must_know),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(says_what_is_wrong_and_what_to_write),
        cmocka_unit_test(complaints_are_bounded),
        cmocka_unit_test(fills_in_the_values),
        cmocka_unit_test(gives_way_to_ours),
        cmocka_unit_test(what_is_made_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
