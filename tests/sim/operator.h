/* SPDX-License-Identifier: ISC */
/* operator.h: who speaks over the control socket. */
#pragma once

#include "base/str.h"

/* Sends one request on a connection of its own. What comes of it is traced; with `again`, it is
 * repeated until the answer is not an error of the moment (the keeper is away). */
void operator_say(struct str request, bool again);
