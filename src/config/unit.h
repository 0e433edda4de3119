/* SPDX-License-Identifier: ISC */
/* unit.h: numbers as people write them: 20, 5d, 1h30m, 50MB, 64KiB.
 *
 * Durations (settings.h) are kept in milliseconds and written in whole seconds or
 * more. Sizes: kB MB GB TB count in thousands, KiB MiB GiB TiB in 1024; letters
 * in either case, the B may be left out (10M is 10 MB).
 */
#pragma once

#include "config/settings.h"

bool bytes_parse(struct str text, int64_t *out_bytes);
void bytes_add_text(struct buf *out, int64_t bytes); /* exact: 50MB, 64KiB, 1234 */

bool unit_parse(enum setting_unit unit, struct str text, int64_t *out_value);
void unit_add_text(struct buf *out, enum setting_unit unit, int64_t value);
/* "write a duration such as 90s, 1h30m or 5d" without the first word. */
const char *unit_example(enum setting_unit unit);
