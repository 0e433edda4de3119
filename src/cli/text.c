/* SPDX-License-Identifier: ISC */
/* text.c: see text.h. */
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

enum language language_from_environment(void)
{
    static const char *const variables[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        if (value != NULL && value[0] != '\0')
            return strncmp(value, "de", 2) == 0 ? LANGUAGE_DE : LANGUAGE_EN;
    }
    return LANGUAGE_EN;
}

const struct text_pair *text_catalogue(enum language language, size_t *out_count)
{
    *out_count = language == LANGUAGE_DE ? text_de_count : 0;
    return text_de;
}

const char *text_in(enum language language, const char *english)
{
    size_t count;
    const struct text_pair *pairs = text_catalogue(language, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].english, english) == 0)
            return pairs[i].other;
    return english;
}
