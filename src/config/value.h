/* SPDX-License-Identifier: ISC */
/* value.h: one type of configuration value; private to config/value*.c.
 *
 * parse() reads one value into its place (of a list: one more item) or says in
 * *why what to write instead. decode() checks bounds again: what comes over a
 * channel is not trusted to be what was sent.
 */
#pragma once

#include "config/schema.h"

struct place {
    struct config *config; /* its arena takes the strings */
    const struct config_item *item;
    void *at;
};

struct value_type {
    bool is_list;
    bool (*parse)(struct place place, struct str text, struct buf *why);
    void (*dump)(const struct config_item *item, const void *at, struct buf *out);
    void (*encode)(const struct config_item *item, const void *at, struct buf *out);
    bool (*decode)(struct place place, struct cursor *cursor);
};

/* value_text.c */
extern const struct value_type value_sender, value_mailbox, value_word, value_path, value_domain,
    value_driver, value_bool, value_level;
/* value_number.c */
extern const struct value_type value_number, value_count, value_setting;
/* value_list.c */
extern const struct value_type value_domains, value_paths, value_endpoints, value_dnsbls,
    value_milters, value_authorities;
