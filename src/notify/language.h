/* SPDX-License-Identifier: ISC */
/* language.h: German or English?
 *
 * Whoever wrote says it, with more or less certainty; the first that says something counts:
 *   1. Content-Language (RFC 3282): the language of what was written;
 *   2. Accept-Language (RFC 3282): the better liked of ours;
 *   3. a charset in which nobody writes German, of its text or subject (Cyrillic, Chinese …):
 *      English;
 *   4. the sender's top-level domain: .de, .at, .ch and .li: German;
 *   5. what the caller thinks.
 * A message in a third language is answered in English.
 */
#pragma once

#include "wire/header.h"

enum language { LANGUAGE_EN, LANGUAGE_DE };
enum { LANGUAGE_COUNT = LANGUAGE_DE + 1 };

const char *language_tag(enum language language); /* en de */
/* `sender` is an address. Of a field, 500 octets are looked at. */
enum language language_of(const struct header *header, struct str sender, enum language fallback);
