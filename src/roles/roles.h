/* SPDX-License-Identifier: ISC */
/* roles.h: what the command line starts. */
#pragma once

#include "config/config.h"

/* `holdfast run`: the supervisor, until it is told to stop. The process's exit status. */
int roles_run(const char *config_path);
/* The hidden `holdfast role NAME INDEX` that the supervisor executes; the whole command line. */
int roles_main(int argc, char **argv);
/* `holdfast check-sandbox`. */
int roles_check_sandbox(const struct config *config, bool as_json);
