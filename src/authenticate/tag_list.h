/* SPDX-License-Identifier: ISC */
/* tag_list.h: "a=b; c=d" as DKIM, ARC and DMARC write it (RFC 6376 3.2). */
#pragma once

#include "base/buf.h"
#include "base/str.h"

enum { TAGS_MAX = 64 };

struct tag_list {
    struct {
        struct str name;  /* case matters */
        struct str value; /* without white space around it; folds within are still there */
    } tag[TAGS_MAX];
    unsigned count;
};

/* False: not a list of tags, a tag twice, or too many of them. */
bool tag_list_parse(struct str text, struct tag_list *out_list);
bool tag_list_has(const struct tag_list *list, const char *name);
struct str tag_list_get(const struct tag_list *list, const char *name); /* STR_NONE: not there */
/* Without any white space, folds included; for base64 and the like. */
void tag_add_packed(struct buf *out, struct str value);
/* Cuts the next of a list of words separated by `separator`, without white space around it. */
bool tag_cut_word(struct str *list, char separator, struct str *out_word);
/* Is it one of the words of a list that colons separate? */
bool tag_names(struct str list, struct str word);
/* The same for what may be written in whatever case, as the names of fields are. */
bool tag_names_nocase(struct str list, struct str word);
