/* SPDX-License-Identifier: ISC */
/* crc32c.h: the Castagnoli checksum (RFC 3720 12.1), for what lies on disk. */
#pragma once

#include "base/str.h"

/* Continues from `crc` (0 at the start). */
uint32_t crc32c(uint32_t crc, struct str bytes);
