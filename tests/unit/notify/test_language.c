/* SPDX-License-Identifier: ISC */
/* test_language.c: German or English. */
#include "testing.h"

#include "notify/language.h"

static void the_first_that_says_something_counts(void **state)
{
    static const struct {
        const char *header, *sender;
        enum language want; /* where nothing is said, the opposite of the fallback would be wrong */
        bool says_nothing;
    } cases[] = {
        { "", "a@example.org", 0, true },
        { "", "a@example.de", LANGUAGE_DE, false },
        { "", "a@example.AT", LANGUAGE_DE, false },
        { "", "a@example.ch.", LANGUAGE_DE, false },
        { "", "a@example.li", LANGUAGE_DE, false },
        { "", "a@de.example.com", 0, true },
        { "", "a@example.xde", 0, true },
        { "", "", 0, true },
        { "Content-Language: de\r\n", "a@example.com", LANGUAGE_DE, false },
        { "content-language:\r\n de-CH\r\n", "a@example.com", LANGUAGE_DE, false },
        { "Content-Language: en\r\n", "a@example.de", LANGUAGE_EN, false },
        { "Content-Language: en-GB, de\r\n", "a@example.de", LANGUAGE_EN, false },
        { "Content-Language: fr, de\r\n", "a@example.fr", LANGUAGE_DE, false },
        { "Content-Language: fr\r\n", "a@example.ch", LANGUAGE_EN, false },
        { "Content-Language: \r\n", "a@example.ch", LANGUAGE_DE, false },
        { "Content-Language: den\r\n", "a@example.ch", LANGUAGE_EN, false },
        { "Content-Language: en\r\nAccept-Language: de\r\n", "a@b.de", LANGUAGE_EN, false },
        { "Accept-Language: de-DE, en-US\r\n", "a@example.com", LANGUAGE_DE, false },
        { "Accept-Language: en-US, de-DE\r\n", "a@example.de", LANGUAGE_EN, false },
        { "Accept-Language: en;q=0.5, de;q=0.8\r\n", "a@example.com", LANGUAGE_DE, false },
        { "Accept-Language: de;q=0.55, en;q=0.6\r\n", "a@example.de", LANGUAGE_EN, false },
        { "Accept-Language: de;q=0, en;q=0\r\n", "a@example.com", 0, true },
        { "Accept-Language: de;q=x, en; q=0.1\r\n", "a@example.de", LANGUAGE_EN, false },
        { "Accept-Language: fr, it\r\n", "a@example.ch", LANGUAGE_DE, false },
        { "Accept-Language: ,;,=;q,\r\n", "a@example.com", 0, true },
        { "Content-Type: text/plain; charset=koi8-r\r\n", "a@example.de", LANGUAGE_EN, false },
        { "Content-Type: text/plain;\r\n\tcharset=\"GB2312\"\r\n", "a@b.de", LANGUAGE_EN, false },
        { "Content-Type: text/plain; charset=iso-8859-1\r\n", "a@b.de", LANGUAGE_DE, false },
        { "Content-Type: text/plain; charset=\r\n", "a@b.com", 0, true },
        { "Subject: =?iso-2022-jp?B?x?=\r\n", "a@example.de", LANGUAGE_EN, false },
        { "Subject: =?utf-8?B?x?=\r\n", "a@example.de", LANGUAGE_DE, false },
        { "Subject: =?\r\n", "a@example.com", 0, true },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int fallback = 0; fallback < LANGUAGE_COUNT; fallback++) {
            struct arena arena = { 0 };
            struct header header;
            header_parse(str_from(cases[i].header), &arena, &header);
            enum language want = cases[i].says_nothing ? (enum language)fallback : cases[i].want;
            enum language got =
                language_of(&header, str_from(cases[i].sender), (enum language)fallback);
            if (got != want)
                fail_msg("%s%s: %s", cases[i].header, cases[i].sender, language_tag(got));
            arena_fini(&arena);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_says_something_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
