/* SPDX-License-Identifier: ISC */
/* when.h: points in time as people write them. */
#pragma once

#include "base/clock.h"
#include "base/str.h"

/* A duration from now ("2h") or an RFC 3339 time; a time without zone is UTC. False if neither. */
bool when_parse(struct str text, struct now now, int64_t *out_wall_ms);
