/* SPDX-License-Identifier: ISC */
/* budget.h: so many of something in a span of time, for each of many names (SPEC V4, V9).
 *
 * Names are client networks and domains: who asks how often about addresses that are not there, and
 * how many strangers were believed. A span begins with its first use. Strangers make names, so
 * there is an end to them: what has not been used for longest is forgotten first.
 */
#pragma once

#include "base/clock.h"
#include "base/str.h"

enum { BUDGET_NAMES_MAX = 100000 };

struct budget;

struct budget *budget_new(int64_t span_ms);
void budget_free(struct budget *budget);
/* One more, at `now_ms` (monotonic)? False: there are `limit` already. */
bool budget_take(struct budget *budget, struct str name, uint32_t limit, int64_t now_ms);
/* It was none after all. */
void budget_return(struct budget *budget, struct str name, int64_t now_ms);
uint32_t budget_used(const struct budget *budget, struct str name, int64_t now_ms);
