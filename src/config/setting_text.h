/* SPDX-License-Identifier: ISC */
/* setting_text.h: settings that are texts, by unit; private to config/. */
#pragma once

#include "config/settings.h"

/* Adds the text in its one spelling ("none" is empty); false if it is not of the unit, or too long:
 * what was added then is of no use. */
bool setting_text_normalise(const struct setting_rule *rule, struct str text, struct buf *out);
/* "none, NAME,NAME,... (8)" */
void setting_text_add_range(struct buf *out, const struct setting_rule *rule);
