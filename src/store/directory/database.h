/* SPDX-License-Identifier: ISC */
/* database.h: the directory's tables; private to store/directory/.
 *
 * Blocking calls, made by the owner before anybody is served and by the helper
 * thread afterwards, never by both at once.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "store/directory/directory.h"

struct database;

/* Besides the usual errno values */
enum {
    DATABASE_DAMAGED = -74, /* -EBADMSG: not a database, or what is in it contradicts itself */
    DATABASE_TOO_NEW = -71, /* -EPROTO: written by a later version of this program */
};

enum change_kind {
    CHANGE_PUT_DOMAIN,
    CHANGE_REMOVE_DOMAIN,
    CHANGE_PUT_ROUTE,
    CHANGE_PUT_RECIPIENT,
    CHANGE_REMOVE_RECIPIENT,
    CHANGE_PUT_MEMORY,
    CHANGE_PUT_FACT,
    CHANGE_NOTHING, /* somebody wants to know when what was before it is durable */
};

/* One change that is to become durable; owns what it says. */
struct change {
    struct link link;
    struct arena arena;
    enum change_kind kind;
    union {
        struct domain_record *domain; /* of a removal, the name alone; lives in the arena */
        struct known_route route;
        struct known_recipient recipient; /* of a removal, the address alone */
        struct domain_memory memory;
        struct domain_fact fact;
    };
    directory_done *done;
    void *context;
};

struct change *change_new(enum change_kind kind, directory_done *done, void *context);
void change_free(struct change *change); /* takes it off its list */
/* An empty record in the arena. */
struct domain_record *change_new_domain(struct change *change);
void change_copy_domain(struct arena *arena, const struct domain_record *from,
                        struct domain_record *out);
void change_copy_route(struct arena *arena, const struct known_route *from,
                       struct known_route *out);
void change_copy_recipient(struct arena *arena, const struct known_recipient *from,
                           struct known_recipient *out);
void change_copy_memory(struct arena *arena, const struct domain_memory *from,
                        struct domain_memory *out);
void change_copy_fact(struct arena *arena, const struct domain_fact *from, struct domain_fact *out);

/* Opens or creates, brings the tables to this version. With `check_all`, every page is looked at.
 */
int database_open(const char *path, bool check_all, struct database **out_database);
void database_close(struct database *database); /* NULL is fine */

struct database_reader {
    void (*domain)(void *context, const struct domain_record *record); /* valid during the call */
    void (*route)(void *context, const struct known_route *route);
    void (*fact)(void *context, const struct domain_fact *fact);
    void *context;
};
/* All that is there; on an error, what came before it has been handed over. */
int database_read(struct database *database, const struct database_reader *reader);
/* In order of confirmed_ms; or, of a damaged file, as they come, up to the first that cannot be
 * read.
 */
int database_read_recipients(struct database *database, bool in_order,
                             const struct directory_recipient_reader *reader);
/* All changes of the list in their order, in one transaction: every one is durable, or none. */
int database_write(struct database *database, const struct link *changes);
/* Gives the file another name, logged, which *out_path gets with an end of string. It must be
 * closed.
 */
int database_set_aside(const char *path, struct buf *out_path);

/* tables_recipients.c */
int table_put_recipient(struct database *database, const struct change *change);
int table_remove_recipient(struct database *database, const struct change *change);
int table_put_memory(struct database *database, const struct change *change);
int table_remove_recipients(struct database *database, struct str domain); /* all, and its memory */
