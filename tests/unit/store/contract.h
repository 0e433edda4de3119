/* SPDX-License-Identifier: ISC */
/* contract.h: what every driver of store.h must do, whatever it stands on. */
#pragma once

#include "store/rig.h"

struct contract_factory {
    struct rig *(*begin)(void *context); /* a rig with an empty store, opened */
    void (*end)(struct rig *rig);        /* store closed or not */
    void *context;
    uint64_t large; /* a size the driver keeps in another way, if it does */
};

/* Runs all tests; the result of cmocka_run_group_tests(). */
int contract_run(const char *name, const struct contract_factory *factory);
