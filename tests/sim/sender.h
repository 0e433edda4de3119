/* SPDX-License-Identifier: ISC */
/* sender.h: those who send us mail, with their habits. */
#pragma once

/* From now on until `until_ms` (true time) letters are sent, `count` in all, each until it is
 * told 250 or 5yz, or given up after some days. */
void senders_stop(void); /* no further tries */
void senders_start(unsigned domains, unsigned count, int64_t until_ms);
