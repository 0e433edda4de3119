/* SPDX-License-Identifier: ISC */
/* trouble.h: what goes wrong, and what people do, beside senders and primaries. */
#pragma once

#include <stdint.h>

enum { SCENARIO_DOMAINS_MAX = 4 };

void trouble_start(unsigned domains, int64_t until_ms);
void trouble_end(void); /* disk and clock are well from now on, and nothing more comes */

void trouble_keeper_began(void);

/* scenario.c: the domain as it was added at first. */
void scenario_add_domain(unsigned number);
