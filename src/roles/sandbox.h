/* SPDX-License-Identifier: ISC */
/* sandbox.h: who may do what (SPEC X2).
 *
 * One table in sandbox.c gives each role its rights. sandbox_enter() takes away
 * all others, for good: own user and root directory when started as root, no new
 * privileges, Landlock where the kernel has it, and a seccomp filter under which
 * whatever is not granted fails with EPERM.
 */
#pragma once

#include "config/config.h"
#include "roles/messages.h"

/* 0 or a negative errno: then the role must not serve. */
int sandbox_enter(enum role role, const struct config *config);

/* Enters the sandbox of each role in a child of its own, tries there what must fail and what must
 * work, and reports as text or JSON to standard output. 0 if all is as the table says. */
int sandbox_report(const struct config *config, bool as_json);
