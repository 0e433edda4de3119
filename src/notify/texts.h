/* SPDX-License-Identifier: ISC */
/* texts.h: our texts for people; private to the room. */
#pragma once

#include "notify/template.h"

extern const char *const template_texts[OCCASION_COUNT][LANGUAGE_COUNT]; /* templates */
