/* SPDX-License-Identifier: ISC */
/* scenario.h: one seed's story, from the first boot to the last account. */
#pragma once

/* Ends by world_fail() if a promise is broken. */
void scenario_play(void);
