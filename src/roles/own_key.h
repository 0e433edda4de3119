/* SPDX-License-Identifier: ISC */
/* own_key.h: the key that the node signs with (configuration: sign), for the roles that do. */
#pragma once

#include "authenticate/signing.h"
#include "config/config.h"

struct own_key {
    struct signing_key key; /* NULL in it: none */
    struct buf domain, selector;
};

/* Before confinement. Mail goes on without one: that it cannot be used is logged. */
void own_key_read(struct own_key *own, const struct config *config);
void own_key_fini(struct own_key *own);
