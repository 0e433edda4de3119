/* SPDX-License-Identifier: ISC */
/* addresses.h: what the two files that look for primaries share.
 *
 *     told ──▶ a fact of the directory ──▶ a session: EHLO, STARTTLS, who are you? QUIT
 *     addresses.c                          address_probes.c
 *                                            └── it is he ──▶ the plan, and the drain is woken
 */
#pragma once

#include "base/heap.h"
#include "roles/keeper/keeper.h"

struct sought { /* a domain that addresses were told of */
    struct heap_node node;
    struct buf domain;
    struct addresses addresses;
    unsigned probes;
};

struct keeper_addresses {
    struct keeper *keeper;
    struct map domains; /* by name: struct sought */
    struct map probes;  /* by number: struct probe */
    struct heap deadlines;
    struct budget *told;
    uint64_t last_probe;
};

/* addresses.c */
struct sought *keeper_address_find(const struct keeper *keeper, struct str domain);
/* When it is looked at next. */
void keeper_address_plan(struct keeper_addresses *owner, struct sought *sought);
/* `done` may be NULL. */
void keeper_address_keep(struct keeper *keeper, const struct sought *sought, directory_done *done,
                         void *context);

/* address_probes.c */
/* Asks at those that are due, as far as it may be. In how many ms to look again, if not all were
 * asked; else 0. */
int64_t keeper_address_ask_due(struct keeper *keeper, struct sought *sought, struct now now);
void keeper_address_probes_fini(struct keeper *keeper);
