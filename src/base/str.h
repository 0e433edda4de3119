/* SPDX-License-Identifier: ISC */
/* str.h: text that belongs to somebody else.
 *
 * A struct str borrows: pointer and length, no terminator, may hold NUL bytes.
 * It is valid as long as what it points into. Pass it by value. Letters are
 * compared and folded as ASCII, as the mail RFCs do, whatever the locale.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_NONE     ((struct str){ NULL, 0 })
/* For printf: printf("%.*s", STR_FMT(text)). */
#define STR_FMT(s) (int)(s).len, (s).ptr

struct str str_from(const char *text); /* NULL gives STR_NONE */
struct str str_of(const void *bytes, size_t len);

bool str_equals(struct str a, struct str b);
bool str_equals_nocase(struct str a, struct str b);
int str_compare(struct str a, struct str b); /* by bytes, shorter first */
bool str_starts(struct str text, struct str prefix);
bool str_starts_nocase(struct str text, struct str prefix);
bool str_ends_nocase(struct str text, struct str suffix);

/* From byte `start` on; past the end gives an empty str. */
struct str str_skip(struct str text, size_t start);
/* The first `len` bytes at most. */
struct str str_first(struct str text, size_t len);
/* Without spaces and tabs at both ends. */
struct str str_trim(struct str text);

/* Index of `byte`, or -1. */
ptrdiff_t str_find(struct str text, char byte);
ptrdiff_t str_find_last(struct str text, char byte);
/* Splits at the first `separator`: *out_head gets what is before it, *text what is after it.
 * Without a separator the head is the whole text and *text becomes empty with ptr NULL.
 * Returns false once *text is STR_NONE, so that a loop over the parts ends. */
bool str_cut(struct str *text, char separator, struct str *out_head);

/* Whole text as a decimal number without sign; false if it is not one or is above `max`. */
bool str_to_u64(struct str text, uint64_t max, uint64_t *out_number);

char ascii_lower(char c);
bool ascii_is_digit(char c);
bool ascii_is_alpha(char c);
bool ascii_is_alnum(char c);
bool ascii_is_hex(char c);
