/* SPDX-License-Identifier: ISC */
/* deferral.h: what a 4yz answer asks of us (SPEC P12, FACTS 4.3). */
#pragma once

#include "base/random.h"
#include "mail/verdict.h"

enum deferral_kind {
    DEFERRAL_ORDINARY,
    DEFERRAL_GREYLIST,   /* the primary is well and wants to see us again */
    DEFERRAL_RATE,       /* there was too much from us at once */
    DEFERRAL_RECIPIENTS, /* 452 4.5.3: too many recipients in this transaction */
};

struct deferral {
    enum deferral_kind kind;
    int64_t hint_ms; /* "come back in …"; 0: it did not say */
};

struct deferral deferral_read(const struct verdict *verdict);
/* How long to wait after the `attempts`th attempt (1, 2, …). */
int64_t deferral_wait(struct deferral deferral, uint32_t attempts, int64_t first_ms, int64_t max_ms,
                      struct random *random);
