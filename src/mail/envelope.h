/* SPDX-License-Identifier: ISC */
/* envelope.h: what SMTP says about a message beside its content.
 *
 * Made by the receiver when the content is complete, kept with the body in the
 * store, read again for delivery. Strings are borrowed from an arena or a buffer
 * that lives at least as long as the envelope.
 *
 * Encoded form, version 2 (little-endian, "counted" = u32 length + bytes):
 *   u8 version; 16 bytes id; u64 received_ms; u8 body_type; u8 flags;
 *   19 bytes client endpoint; counted helo, client_name, protocol, sender,
 *   envelope_id; u8 ret; u32 recipients; for each: counted address, counted
 *   original (ORCPT), u8 notify, u8 held back; if one is: the verdict why.
 * Version 3, of sealed content only: then 8 bytes id of the key, 24 bytes salt, u32 octets of
 * front. A reader refuses versions it does not know; new fields come at the end.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/cursor.h"
#include "base/endpoint.h"
#include "mail/message_id.h"
#include "mail/verdict.h"

enum body_type { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };

enum envelope_flag {
    ENVELOPE_SMTPUTF8 = 1,   /* RFC 6531 */
    ENVELOPE_REQUIRETLS = 2, /* RFC 8689 */
    ENVELOPE_PROVED = 4,     /* the sender is who he says he is: notices may go to him */
    ENVELOPE_OWN = 8,        /* we have written it */
    ENVELOPE_LAX = 16,       /* and it tells of failing TLS: it is to arrive all the same */
};

enum notify {
    NOTIFY_DEFAULT = 0,
    NOTIFY_NEVER = 1,
    NOTIFY_SUCCESS = 2,
    NOTIFY_FAILURE = 4,
    NOTIFY_DELAY = 8,
};

struct recipient {
    struct str address;  /* local@domain, domain in normal form */
    struct str original; /* ORCPT in xtext as it came, or empty */
    uint8_t notify;      /* enum notify bits */
    bool is_held_back;   /* not delivered until somebody has looked at it and released it */
    bool needs_proof;    /* nobody knows him: SPF or DKIM has to pass; false once it is stored */
};

enum {
    ENVELOPE_RECIPIENTS_MAX = 1000,
    ENVELOPE_TEXT_MAX = 2048, /* octets of each string: none is longer than a line of SMTP */
};
#define ENVELOPE_TIME_MAX INT64_C(253402300799999) /* the end of the year 9999, ms */

enum { SEAL_KEY_ID_SIZE = 8, SEAL_SALT_SIZE = 24 };
struct seal_mark { /* how the store has sealed the content; nobody else's business */
    bool is_sealed;
    uint8_t key_id[SEAL_KEY_ID_SIZE]; /* of the node's key */
    uint8_t salt[SEAL_SALT_SIZE];
    uint32_t front; /* octets of the front, as they were before */
};

struct envelope {
    struct message_id id;
    int64_t received_ms; /* Unix time at the end of the content */
    enum body_type body_type;
    uint8_t flags; /* enum envelope_flag */
    struct endpoint client;
    struct str helo;        /* as sent */
    struct str client_name; /* confirmed reverse name, or empty */
    struct str protocol;    /* SMTP, ESMTP, ESMTPS … (RFC 3848) */
    struct str sender;      /* MAIL FROM without brackets; empty for <> */
    struct str envelope_id; /* ENVID in xtext as it came, or empty */
    uint8_t ret;            /* 0 unsaid, 1 FULL, 2 HDRS */
    struct recipient *recipient;
    uint32_t recipient_count;
    struct verdict reason; /* why some are held back; undefined if none is */
    struct seal_mark seal;
};

bool envelope_holds_back(const struct envelope *envelope); /* a recipient, or more */
void envelope_encode(struct buf *out, const struct envelope *envelope);
/* The recipients' array comes from `arena`, the strings point into the cursor's bytes. False for an
 * unknown version, a cut record, a time before 1970 or what is above one of the limits: whoever
 * reads on may add to the time, and knows how large the parts get. */
bool envelope_decode(struct cursor *cursor, struct arena *arena, struct envelope *out_envelope);
/* The domain of a recipient: what is behind the last @. */
struct str recipient_domain(const struct recipient *recipient);
