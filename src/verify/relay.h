/* SPDX-License-Identifier: ISC */
/* relay.h: whose mail do we take? (SPEC X1)
 *
 * Only that of domains which the directory lists. Everybody else is told so, and
 * nothing is ever relayed to a place that a client chose.
 */
#pragma once

#include "mail/verdict.h"
#include "store/directory/directory.h"

/* `recipient` is local@domain in normal form, or "postmaster" without a domain. */
struct verdict relay_check(const struct directory *directory, struct str recipient);
