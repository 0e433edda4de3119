/* SPDX-License-Identifier: ISC */
/* schema.h: every item of the configuration file, in one table.
 *
 * Reading, checking, dumping, handing to the roles and documenting all walk this
 * table; an item that is added here is known everywhere. The items of
 * `defaults { }` are taken from the table of settings (settings.h).
 */
#pragma once

#include <stddef.h>

#include "config/config.h"

enum config_type {
    CONFIG_WORD,        /* struct str: letters, digits, . _ - */
    CONFIG_PATH,        /* struct str: absolute, or empty where min is 0 */
    CONFIG_SENDER,      /* as MAILBOX; or <> */
    CONFIG_MAILBOX,     /* struct str: local@domain, the domain in normal form; may be empty */
    CONFIG_DOMAIN,      /* struct str: a name with a dot, normal form */
    CONFIG_DRIVER,      /* struct str: a store's name */
    CONFIG_BOOL,        /* bool */
    CONFIG_COUNT,       /* uint32_t */
    CONFIG_NUMBER,      /* int64_t */
    CONFIG_BYTES,       /* int64_t */
    CONFIG_DURATION,    /* int64_t, ms */
    CONFIG_LEVEL,       /* enum log_level */
    CONFIG_DOMAINS,     /* struct config_strings */
    CONFIG_PATHS,       /* struct config_strings, each as PATH */
    CONFIG_ADDRESSES,   /* struct config_endpoints, port 0 */
    CONFIG_ENDPOINTS,   /* struct config_endpoints */
    CONFIG_DNSBLS,      /* struct config_dnsbls */
    CONFIG_MILTERS,     /* struct config_milters */
    CONFIG_AUTHORITIES, /* struct config_authorities */
    CONFIG_SETTING,     /* struct domain_settings, one of its values */
    CONFIG_TYPE_COUNT
};

enum { CONFIG_NAME_MAX = 32, CONFIG_ITEMS_MAX = 160 };

struct config_item {
    const char *section; /* "" at the top, else "dns", "listen smtp" */
    const char *name;    /* with hyphens; the file may write underscores */
    enum config_type type;
    size_t offset;        /* in struct config */
    int64_t min, max;     /* of numbers; a path may be empty if min is 0 */
    const char *fallback; /* as the file would say it, list items separated by spaces; NULL: must
                           * be given or follows from others */
    const char *help;     /* one line */
    bool takes_restart;
    bool may_be_empty;    /* a word or a domain */
    uint16_t port;        /* of endpoints written without one; 0: it must be written */
    enum setting setting; /* CONFIG_SETTING */
};

size_t config_item_count(void);
struct config_item config_item_at(size_t index);
/* The place of the item's value within a struct config. */
void *config_place(struct config *config, const struct config_item *item);
const void *config_place_of(const struct config *config, const struct config_item *item);

/* ---- value.c: what can be done with a value, by type ---- */

bool config_type_is_list(enum config_type type);
/* Reads one value (of a list: one more item). Else says in *why what to write instead. */
bool config_value_parse(struct config *config, const struct config_item *item, struct str text,
                        struct buf *why);
/* As in the file: 5d, "text", {"a", "b"}. */
void config_value_dump(const struct config *config, const struct config_item *item,
                       struct buf *out);
void config_value_encode(const struct config *config, const struct config_item *item,
                         struct buf *out);
bool config_value_decode(struct config *config, const struct config_item *item,
                         struct cursor *cursor);
void config_value_set_fallback(struct config *config, const struct config_item *item);

/* ---- parse.c, check.c: the steps of config_load_text() ---- */

/* Where each item was given; 0: it was not. */
struct config_lines {
    int line[CONFIG_ITEMS_MAX];
};

void config_parse(struct str name, struct str text, struct config *config,
                  struct config_lines *lines, struct config_problems *problems);
void config_check(struct str name, struct config *config, const struct config_lines *lines,
                  struct config_problems *problems);
/* What only the file system can tell; warnings. */
void config_check_files(struct str name, const struct config *config,
                        struct config_problems *problems);

/* Adds "NAME:LINE: …" (without the line number if it is 0). */
void config_error(struct config_problems *problems, struct str name, int line, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
void config_warning(struct config_problems *problems, struct str name, int line, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));
