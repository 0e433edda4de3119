/* SPDX-License-Identifier: ISC */
/* check.c: the last words of a role that found itself wrong. */
#include "base/check.h"

#include <stdlib.h>

#include "base/log.h"

void check_failed(const char *file, int line, const char *condition)
{
    log_error("check_failed", LOG_TEXT("file", file), LOG_INT("line", line),
              LOG_TEXT("condition", condition));
    abort();
}
