/* SPDX-License-Identifier: ISC */
/* milter_private.h: the conversation's own structures; private to milter*.c. */
#pragma once

#include "filter/milter.h"
#include "wire/content.h"

/* What a filter need not be told, need not answer, and may know: the bits of the protocol's
 * negotiation. */
enum milter_protocol {
    MILTER_NO_CONNECT = 0x1,
    MILTER_NO_HELO = 0x2,
    MILTER_NO_MAIL = 0x4,
    MILTER_NO_RCPT = 0x8,
    MILTER_NO_BODY = 0x10,
    MILTER_NO_HEADER = 0x20,
    MILTER_NO_END_OF_HEADER = 0x40,
    MILTER_SILENT_HEADER = 0x80,
    MILTER_NO_UNKNOWN = 0x100,
    MILTER_NO_DATA = 0x200,
    MILTER_SKIP = 0x400,
    MILTER_SILENT_CONNECT = 0x1000,
    MILTER_SILENT_HELO = 0x2000,
    MILTER_SILENT_MAIL = 0x4000,
    MILTER_SILENT_RCPT = 0x8000,
    MILTER_SILENT_DATA = 0x10000,
    MILTER_SILENT_UNKNOWN = 0x20000,
    MILTER_SILENT_END_OF_HEADER = 0x40000,
    MILTER_SILENT_BODY = 0x80000,
    MILTER_LEADING_SPACE = 0x100000, /* values as they stand behind the colon */
    MILTER_OFFERED = 0x1ff7ff,
};

/* What a filter may want to do: all that the protocol has, for libmilter lets no filter in that is
 * not offered what it may once want. Further recipients and another sender are passed over. */
enum { MILTER_ACTIONS = 0x1ff };

enum milter_step {
    STEP_NEGOTIATE,
    STEP_CONNECT,
    STEP_HELO,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_HEADER,
    STEP_END_OF_HEADER,
    STEP_BODY,
    STEP_END,
    STEP_OVER,
};

struct milter {
    const struct milter_mail *mail;
    const struct milter_host *host;
    void *context;
    struct arena arena;
    struct buf in;
    struct buf out; /* of one call, then sent */
    enum milter_step step;
    uint32_t protocol; /* enum milter_protocol */
    uint32_t index;    /* of the recipient or field that comes next */
    uint64_t offset;   /* in the body */
    bool awaits_answer;
    bool awaits_body;
    bool skips_body; /* the filter has seen enough */
    bool wants_quarantine;
    struct verdict quarantine;
    struct content_decoder decoder; /* of a new body */
    uint64_t new_octets;
    struct milter_result result;
};

/* milter.c */
void milter_end(struct milter *milter, enum milter_outcome outcome);
void milter_go_on(struct milter *milter);

/* milter_answer.c: one packet from the filter. */
void milter_take(struct milter *milter, char command, struct str data);
