/* SPDX-License-Identifier: ISC */
/* security.h: what a host has to show before it gets mail.
 *
 * Decided before a connection is opened (route/, and the settings of the domain), and looked at
 * within the handshake (net/tls.h). It is never less the second time: what fails is tried again
 * later, and in the same way.
 */
#pragma once

#include "base/buf.h"
#include "base/cursor.h"

enum security_level {
    SECURITY_CLEAR, /* TLS is not used */
    SECURITY_MAY,   /* used where it is offered, with whomever */
    SECURITY_MUST,  /* nothing is said in the clear, but with whomever */
    SECURITY_NAME,  /* the certificate has one of the names, and somebody trusted has signed it */
    SECURITY_TLSA,  /* it matches one of the records (RFC 7672); where none can be used, as MUST */
    SECURITY_LEVELS
};

enum {
    SECURITY_DIGEST_SIZE = 32,
    SECURITY_NAMES_MAX = 4,
    SECURITY_TLSA_MAX = 32, /* some name every key of their authority: twenty and more */
    SECURITY_PINS_MAX = 4,
};

struct security_tlsa { /* RFC 6698 2.1 */
    uint8_t usage, selector, matching;
    struct str data;
};

struct security_pin {       /* SHA-256 */
    bool is_of_certificate; /* else of its public key (SPKI) */
    uint8_t digest[SECURITY_DIGEST_SIZE];
};

/* What a peer has shown: the digest of its key, then that of its certificate. */
enum { SECURITY_SHOWN_SIZE = 2 * SECURITY_DIGEST_SIZE };

struct security {
    enum security_level level;
    bool from_start; /* TLS from the first octet, without STARTTLS */
    bool is_watched; /* below NAME: what it shows is held against names and authorities, and told,
                      * but it need not show it (MTA-STS, mode testing) */
    struct str name[SECURITY_NAMES_MAX]; /* the first is who is asked for, and the base of TLSA */
    uint32_t name_count;
    struct security_tlsa tlsa[SECURITY_TLSA_MAX];
    uint32_t tlsa_count;
    struct security_pin pin[SECURITY_PINS_MAX]; /* one must match, whatever the level */
    uint32_t pin_count;
    struct str authority; /* whom to trust instead of the public ones, by name; empty: those */
};

void security_encode(struct buf *out, const struct security *security);
/* The strings point into the cursor's octets. False: malformed. */
bool security_decode(struct cursor *cursor, struct security *out_security);
const char *security_level_name(enum security_level level); /* "clear", "may", "must" … */

/* "key:HEX" or "certificate:HEX", of 64 digits; colons between them are let pass. */
bool security_pin_parse(struct str text, struct security_pin *out_pin);
void security_pin_add_text(struct buf *out, const struct security_pin *pin);
/* What is there already, or has no room, is left out. */
void security_add_pin(struct security *security, const struct security_pin *pin);
/* Those in a list with commas between them; what is none is left out, too. */
void security_add_pins(struct security *security, struct str list);
/* Is it what the pin says? Not if nothing was shown. */
bool security_pin_is_shown(const struct security_pin *pin, struct str shown);
