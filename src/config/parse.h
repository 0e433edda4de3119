/* SPDX-License-Identifier: ISC */
/* parse.h: what parse.c and complain.c share; private to them. */
#pragma once

#include <confuse.h>

#include "config/schema.h"

/* A last line of ours; see parse.c. */
#define CONFIG_END_MARK "end-of-configuration"

struct parse {
    struct str name; /* of the file, for messages */
    struct config *config;
    struct config_lines *lines;
    struct config_problems *problems;
    bool reached_end;
};

struct binding {
    void *stored; /* first: libconfuse writes its pointer here */
    struct parse *parse;
};

struct parse *parse_of(const cfg_t *cfg);
/* "listen smtp" is section "listen" with the title "smtp"; "dns" has no title. */
struct str parse_first_word(struct str section);
/* The section as people write it: "", "dns", "listen smtp". */
void parse_add_section(struct buf *out, cfg_t *cfg);

/* libconfuse's own complaints, in our words. */
void complain(cfg_t *cfg, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/* `listen` with a title that is not known. */
void complain_of_title(struct parse *parse, cfg_t *cfg);
/* The file ends where it must not. */
void complain_of_end(struct parse *parse);
