/* SPDX-License-Identifier: ISC */
/* gzip.h: octets, packed (RFC 1952), without a time of their own or a name: the same input makes
 * the same output. Takes some 10 ms for a megabyte.
 */
#pragma once

#include "base/buf.h"

void gzip_add(struct buf *out, struct str bytes);
