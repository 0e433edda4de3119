/* SPDX-License-Identifier: ISC */
/* memory.h: heap memory that is there or ends the role.
 *
 * None of these returns NULL. That is honest only because everything a stranger
 * can make larger has a limit that is checked before memory is asked for.
 */
#pragma once

#include <stddef.h>

void *memory_new(size_t size) __attribute__((malloc, returns_nonnull)); /* zero-filled */
void *memory_resize(void *old, size_t size) __attribute__((returns_nonnull));
void memory_free(void *block); /* NULL is fine */
void *memory_copy(const void *bytes, size_t size) __attribute__((returns_nonnull));
