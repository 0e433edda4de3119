/* SPDX-License-Identifier: ISC */
/* line.h: the stream of a control socket, cut into lines.
 *
 * Requests and answers are JSON objects, one per line, ended by a newline. A line
 * longer than the limit ends the stream: nothing after it can be understood.
 */
#pragma once

#include "base/buf.h"

enum {
    CONTROL_REQUEST_MAX = 1 << 20,
    CONTROL_ANSWER_MAX = 64 << 20,
};

struct control_lines {
    struct buf buf;
    size_t size_max;  /* of a line without its newline; set by the owner */
    size_t taken;     /* bytes at the front that were handed out */
    size_t looked_at; /* of those behind, without a newline */
};

void control_lines_fini(struct control_lines *lines);
void control_lines_feed(struct control_lines *lines, struct str bytes);
/* The next whole line, without newline; valid until the next feed. Empty lines are passed over. */
bool control_lines_next(struct control_lines *lines, struct str *out_line);
/* A line is too long, whole or not; ask when control_lines_next() said no. */
bool control_lines_too_long(const struct control_lines *lines);
