/* SPDX-License-Identifier: ISC */
/* keys.h: the file of keys that seal kept mail, and what becomes of it.
 *
 * Not every seed has one. What was sealed cannot be read while its key is away, and nothing comes
 * in where a keeper starts while the file is; neither may lose anything.
 */
#pragma once

#include <stdbool.h>

struct role_hooks;

void keys_init(bool are_wanted);
bool keys_are_wanted(void);
void keys_hand_over(const struct role_hooks *hooks, void *state); /* to a keeper, as on its leash */

/* Trouble; nothing happens where none are wanted. */
void keys_change(void); /* a new one seals */
void keys_go(void);     /* for a while: the file, or what is in it */
void keys_come_back(void);
