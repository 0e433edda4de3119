/* SPDX-License-Identifier: ISC */
/* story.h: an outage of five days, and what is known of recipients meanwhile. */
#pragma once

/* Ends by world_fail() if it does not come out as it should. */
void story_play(void);
