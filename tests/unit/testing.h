/* SPDX-License-Identifier: ISC */
/* testing.h: cmocka with what it wants included before it, and a few words of our own. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"

/* Fails unless both texts are the same bytes; shows them where they are not. */
#define assert_str(got, want) assert_str_at((got), (want), __FILE__, __LINE__)

static inline void assert_str_at(struct str got, struct str want, const char *file, int line)
{
    if (str_equals(got, want))
        return;
    print_error("got \"%.*s\", want \"%.*s\"\n", STR_FMT(got), STR_FMT(want));
    _fail(file, line);
}

#define assert_buf(buf, want) assert_str_at(buf_str(buf), str_from(want), __FILE__, __LINE__)

#define COUNT_OF(table) (sizeof(table) / sizeof *(table))
