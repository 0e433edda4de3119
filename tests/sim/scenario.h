/* SPDX-License-Identifier: ISC */
/* scenario.h: one seed's story, from the first boot to the last account. */
#pragma once

struct config;

/* Ends by world_fail() if a promise is broken. */
void scenario_play(void);
/* Of a machine with one to three receivers and one or two deliverers. */
struct config *scenario_config(void);
