/* SPDX-License-Identifier: ISC */
/* directory.h: what the node knows beside the mail itself.
 *
 * Domains with their settings, last-known-good routes, and what was learned of their recipients.
 * Small and relational: SQLite on one node, the same tables in PostgreSQL in a
 * cluster, in SQL that both understand.
 *
 * Domains and routes are in memory for reading, so that no RCPT waits for a disk (the recipients
 * are in verify/recipient_cache.h, which is given them once, at the start); a change is made in
 * memory at once and told durable by done(). done() never comes from inside the call that asked. A
 * change that could not be written (done() with an error) stays in effect until the next start.
 * Strings handed out live until the next change of that record or directory_close().
 */
#pragma once

#include "base/clock.h"
#include "base/worker.h"
#include "config/settings.h"
#include "mail/known_recipient.h"

struct directory;

typedef void directory_done(void *context, int error); /* 0 or a negative errno */

enum { DIRECTORY_PRIMARIES_MAX = 8 };

struct domain_record {
    struct str name;                             /* normal form */
    struct str primary[DIRECTORY_PRIMARIES_MAX]; /* as mail/named_primary.h has it, in order; none:
                                                  * from MX */
    uint32_t primary_count;
    struct domain_settings settings; /* what was set; see config/settings.h for defaults */
    int64_t added_ms;
    int64_t paused_until_ms; /* Unix time; 0: not paused; NEVER_MS: until resumed */
};

/* A route as it was last seen good, for when DNS is dead (SPEC Z7). */
struct known_route {
    struct str domain;
    int64_t seen_ms; /* Unix time of the last good answer */
    struct str plan; /* encoded by route/ */
};

/* What a part of the program wants to know again after a restart: `kind` is the part's word, `name`
 * tells its facts of one domain apart. They go with the domain. */
struct domain_fact {
    struct str kind, domain, name;
    struct str value; /* bytes; never empty */
};

/* Opens or creates the file; blocks; before the role serves anybody. A file that is damaged is set
 * aside under another name, logged, and a new one begun with what could still be read: mail goes on
 * (FACTS 4.20). -EPROTO: written by a later version; left alone. */
int directory_open(const char *path, struct worker *worker, struct directory **out_directory);
/* Blocks until everything is durable; collects from the worker meanwhile, so that other jobs'
 * done() may be called too. */
void directory_close(struct directory *directory);

const struct domain_record *directory_find_domain(const struct directory *directory,
                                                  struct str name);
/* Calls with *cursor = 0, 1, …, sorted by name; NULL at the end. */
const struct domain_record *directory_next_domain(const struct directory *directory,
                                                  size_t *cursor);
/* Adds or replaces; copies what it is given. */
void directory_put_domain(struct directory *directory, const struct domain_record *record,
                          directory_done *done, void *context);
void directory_remove_domain(struct directory *directory, struct str name, directory_done *done,
                             void *context);

const struct known_route *directory_find_route(const struct directory *directory,
                                               struct str domain);
void directory_put_route(struct directory *directory, const struct known_route *route,
                         directory_done *done, void *context);

/* STR_NONE: there is none. */
struct str directory_find_fact(const struct directory *directory, struct str kind,
                               struct str domain, struct str name);
/* Calls with *cursor = 0, 1, …: every fact, of whatever kind; NULL at the end. Not while changing
 * them. */
const struct domain_fact *directory_next_fact(const struct directory *directory, size_t *cursor);
/* Adds or replaces; copies what it is given. An empty value takes the fact away. */
void directory_put_fact(struct directory *directory, const struct domain_fact *fact,
                        directory_done *done, void *context);

struct directory_recipient_reader { /* what is handed over lives during the call */
    void (*recipient)(void *context, const struct known_recipient *recipient);
    void (*memory)(void *context, const struct domain_memory *memory);
    void *context;
};
/* All that is kept of recipients, those confirmed longest ago first; blocks; before the role serves
 * anybody. What cannot be read is learned again. */
int directory_read_recipients(struct directory *directory,
                              const struct directory_recipient_reader *reader);
/* Adds or replaces; copied. Nobody waits for it: what is lost with the power is learned again. What
 * a person has said of recipients is not: directory_settle() tells when it is durable. */
void directory_put_recipient(struct directory *directory, const struct known_recipient *recipient);
void directory_remove_recipient(struct directory *directory, struct str address);
void directory_put_memory(struct directory *directory, const struct domain_memory *memory);

/* Tells when all that was put and removed before is durable, or that the last of it is not. */
void directory_settle(struct directory *directory, directory_done *done, void *context);
