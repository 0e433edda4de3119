/* SPDX-License-Identifier: ISC */
/* dsn_parameters.h: what a client asks for with NOTIFY, ORCPT, RET and ENVID (RFC 3461 4).
 *
 * Values are kept as they came: they go on to the next host, or into a notice, in the same form.
 */
#pragma once

#include "mail/envelope.h"

enum {
    DSN_ORIGINAL_MAX = 500, /* octets of ORCPT's value, RFC 3461 4.2 */
    DSN_ENVELOPE_ID_MAX = 100,
};

/* "NEVER", or some of SUCCESS, FAILURE and DELAY with commas between them. */
bool dsn_notify_parse(struct str value, uint8_t *out_notify); /* enum notify bits */
bool dsn_ret_parse(struct str value, uint8_t *out_ret);       /* 1 FULL, 2 HDRS */
/* xtext for printable ASCII: what is neither could not be said in a notice. */
bool dsn_envelope_id_is_fine(struct str value);
/* "type;xtext", or "utf-8;" and the form of it that has no octet above 127 (RFC 6533 3); with
 * SMTPUTF8 also the one that has. */
bool dsn_original_is_fine(struct str value, bool may_be_utf8);

/* A recipient that was given twice: each wish counts, NEVER is none. */
uint8_t dsn_notify_join(uint8_t a, uint8_t b);
