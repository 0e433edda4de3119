/* SPDX-License-Identifier: ISC */
/* named_primary.h: a primary as its operator names it (SPEC D6).
 *
 *     mail.example.org                       by name; its addresses are looked up
 *     mail.example.org:2525                  at another port
 *     192.0.2.1:25, [2001:db8::1]:465        by address
 *     192.0.2.1:465,tls-from-start=yes       with settings of its own behind it, which stand in the
 *                                            place of its domain's: tls (but for dane, which is the
 *                                            domain's alone), tls-name, tls-pin, tls-from-start
 *     agent                                  it has no address and calls us
 */
#pragma once

#include "base/endpoint.h"
#include "mail/security.h"

enum { SMTP_PORT = 25 }; /* where none is said */

enum { NAMED_PRIMARY_PINS_MAX = 2 };

struct named_primary {
    struct str host;          /* as given; empty: its address is */
    struct endpoint endpoint; /* with port; of the family NONE where a name was given */
    uint16_t port;            /* not 0 */
    bool calls;               /* then nothing else counts */
    bool has_level, has_from_start;
    bool from_start;
    enum security_level level;
    struct str tls_name; /* empty: the domain's */
    struct security_pin pin[NAMED_PRIMARY_PINS_MAX];
    uint32_t pin_count; /* 0: the domain's */
    bool has_no_pins;   /* it was said so (tls-pin=none) */
};

enum named_primary_fault {
    NAMED_PRIMARY_FINE,
    NAMED_PRIMARY_NO_HOST, /* neither a name with a dot in it nor an address, or no port */
    NAMED_PRIMARY_NO_SETTING,
};

/* The strings point into the text. The name is not looked at. */
enum named_primary_fault named_primary_parse(struct str text, struct named_primary *out_primary);
/* Its one spelling into *out (which is reset first), names in normal form. */
enum named_primary_fault named_primary_normalise(struct str text, struct buf *out);
/* Named again without a word about pins, it keeps those that it had: the text, in its one spelling,
 * gets them if `before` is the same place. */
void named_primary_keep_pins(struct buf *text, struct str before);
/* A pin that was learned, to a text in its one spelling, if there is room for it. */
void named_primary_add_pin(struct buf *text, const struct security_pin *pin);
/* The text without its settings: for people. */
struct str named_primary_place(struct str text);
/* Is it the one that was named? `host` in normal form. */
bool named_primary_is(const struct named_primary *primary, struct str host,
                      struct endpoint endpoint);
