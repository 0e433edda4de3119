/* SPDX-License-Identifier: ISC */
/* rows.h: rows of reports for tests. */
#pragma once

#include "authenticate/report_row.h"

/* Of a message by `domain` under p=quarantine, taken from `source`, which proved another domain. */
struct report_row row_make(const char *domain, const char *source);
