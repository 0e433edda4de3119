/* SPDX-License-Identifier: ISC */
/* text.h: what the command line says, in the reader's language.
 *
 * The English text is its own key; text_de.c holds the German one. A text that is
 * not in the catalogue stays English, as do the reasons that the keeper gives, the
 * states (up, down, held …) and everything in JSON: scripts read those.
 */
#pragma once

#include <stddef.h>

enum language { LANGUAGE_EN, LANGUAGE_DE };

struct text_pair {
    const char *english;
    const char *other;
};

/* By LC_ALL, LC_MESSAGES, LANG, the first that is set. */
enum language language_from_environment(void);
const char *text_in(enum language language, const char *english) __attribute__((format_arg(2)));
/* For tests. */
const struct text_pair *text_catalogue(enum language language, size_t *out_count);

extern const struct text_pair text_de[];
extern const size_t text_de_count;
