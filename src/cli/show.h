/* SPDX-License-Identifier: ISC */
/* show.h: small pieces for answers; private to show_*.c. Members that lack or have another type
 * than expected show as nothing, so that an older or newer keeper does no harm. */
#pragma once

#include "cli/command.h"
#include "cli/table.h"

struct str show_text(const json_t *object, const char *member);
int64_t show_number(const json_t *object, const char *member);
/* Milliseconds since the time in the member, or until it; false if there is none. */
bool show_age(const struct cli *cli, const json_t *object, const char *member, int64_t *out_ms);
const char *show_color(struct str state); /* of a route, a store or a message */

/* Cells. */
void cell_text(struct table *table, const json_t *object, const char *member);
void cell_state(struct table *table, const json_t *object, const char *member);
void cell_number(struct table *table, const json_t *object, const char *member);
void cell_size(struct table *table, const json_t *object, const char *member);
void cell_age(struct table *table, const struct cli *cli, const json_t *object, const char *member);
/* "in 5s", "now", "-" */
void cell_until(struct table *table, const struct cli *cli, const json_t *object,
                const char *member);

/* "name          text" lines; nothing for an empty text. */
void line_text(struct cli *cli, const char *name, struct str text);
void line_member(struct cli *cli, const char *name, const json_t *object, const char *member);
void line_name(struct cli *cli, const char *name); /* the beginning of such a line */
/* A sentence that is in the catalogue. */
void show_sentence(struct cli *cli, const char *text);
