/* SPDX-License-Identifier: ISC */
/* filters.h: a message that is shown to filters; private to filters.c, which knows all that it is
 * shown to, and one_filter.c, which speaks with one of them at a time.
 */
#pragma once

#include "filter/milter.h"
#include "roles/receiver/receiver.h"

enum { RECEIVER_FILTERS_MAX = 16 }; /* of a message; what is beyond is not asked */

struct filtering {
    struct connection *connection;
    struct arena arena;
    struct str name[RECEIVER_FILTERS_MAX];
    unsigned count;
    unsigned next; /* the one that it speaks with, or will */
    int64_t until_ms;
    struct filtered_header filtered;
    struct buf body_start; /* what is in the header and is no field, with the empty line */
    struct buf marks;

    /* With one filter: one_filter.c. */
    struct link queue; /* receiver->filter_queue, while it waits for its turn */
    bool has_turn;
    bool is_asked;
    bool is_to_ask_again;
    bool is_last_call;
    struct heap_node deadline;
    int64_t end_ms;   /* of its time */
    uint64_t ticket;  /* of its connection; 0: it is here, or will not come */
    const char *gone; /* why it did not come */
    struct stream *stream;
    struct milter *milter;
    struct milter_mail mail;
    bool *is_shown; /* to it, of each recipient; as many as the envelope has */
    bool wants_body;
    uint64_t want; /* names the piece that was asked for; 0: none was */
    uint64_t wanted_at;
    size_t wanted_size;
    bool has_new_body;
    struct buf new_body; /* what the keeper does not have yet */
};

/* Goes to the next one. False: it waits for its turn, and the connection is looked after then. */
bool receiver_filter_begin(struct filtering *filtering);
/* All that it will say. Until then the connection is looked after when it has. */
bool receiver_filter_has_spoken(const struct filtering *filtering);
/* Its texts live until it is left. */
struct milter_result receiver_filter_result(const struct filtering *filtering);
/* `is_clean`: it hears that we are done, before the connection closes. */
void receiver_filter_leave(struct filtering *filtering, bool is_clean);
