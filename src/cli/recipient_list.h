/* SPDX-License-Identifier: ISC */
/* recipient_list.h: lists of recipients as others write them: one a line, CSV, a Postfix map's
 * source, LDIF (SPEC V7). Private to cli/.
 *
 * A list is as good as who made it: what is no address is counted and named, and the rest is read.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum list_format { LIST_GUESS, LIST_PLAIN, LIST_CSV, LIST_POSTFIX, LIST_LDIF };

enum {
    LIST_FAULTS_MAX = 10,         /* that are named; the others are counted */
    LIST_LINE_MAX = 4096,         /* octets; a longer line is a fault */
    LIST_ADDRESSES_MAX = 1000000, /* more are faults */
};

struct list_fault {
    unsigned line;   /* 1 is the first */
    struct str text; /* printable, cut */
};

struct recipient_list {   /* {0} is empty */
    struct arena arena;   /* owns all texts but … */
    struct str attribute; /* … this: of LDIF, beside those that usually hold addresses */
    struct str
        *address; /* local@domain in lower case, the domain in normal form; sorted, each once */
    size_t count, cap;
    size_t others;     /* addresses of other domains */
    size_t catch_alls; /* "@domain" */
    size_t faults;
    struct list_fault fault[LIST_FAULTS_MAX];
};

bool list_format_from_name(struct str name,
                           enum list_format *out_format); /* csv postfix ldif plain */
/* Reads all of `text`; the list keeps nothing of it. */
void recipient_list_read(struct recipient_list *list, struct str text, enum list_format format,
                         struct str domain);
void recipient_list_fini(struct recipient_list *list);

/* Where ldapsearch (ldap-utils) looks; empty texts are left out. The password is the first line of
 * the file; no attribute means mail and proxyAddresses. */
struct list_ldap {
    struct str uri, base, filter, attribute, bind, password_file;
};
/* Runs it, without a shell, for a minute at most; LDIF into *out. 0 or a negative errno; *why says
 * what to do. */
int recipient_list_ldap(const struct list_ldap *ldap, struct buf *out, struct buf *why);
