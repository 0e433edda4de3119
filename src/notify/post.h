/* SPDX-License-Identifier: ISC */
/* post.h: what is to be posted to a web server, as it waits: in a file, and for how long. */
#pragma once

#include "base/buf.h"

enum {
    POST_LIFE_MS = 24 * 60 * 60 * 1000,
    POST_OCTETS_MAX = 224 * 1024, /* what is larger is not kept */
};

/* How long to wait after so many tries: a minute, doubled up to an hour. */
int64_t post_pause(uint32_t tries);

struct post_waiting {
    int64_t made_ms; /* these two: Unix time */
    int64_t next_ms;
    uint32_t tries;
    struct str octets;
};
void post_waiting_encode(struct buf *out, const struct post_waiting *waiting);
bool post_waiting_decode(struct str bytes, struct post_waiting *out_waiting); /* borrows */
