/* SPDX-License-Identifier: ISC */
/* alert_mail.h: an event as mail to a person (SPEC N6). Pure. */
#pragma once

#include "notify/alert.h"

struct alert_mail {
    enum alert alert;
    const struct alert_facts *facts;
    struct str domain;
    struct str node;
    struct str contact; /* or empty */

    struct str from;
    struct str reply_to; /* or empty */
    struct str to;
    struct str message_id; /* with brackets */
    int64_t now_ms;
    enum language language;
    struct str own; /* the owner's template; empty: ours */
};

/* Header and text, CRLF. False: the owner's template has a mistake, and ours was taken. */
bool alert_mail_add(struct buf *out, const struct alert_mail *mail);
