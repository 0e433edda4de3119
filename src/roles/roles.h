/* SPDX-License-Identifier: ISC */
/* roles.h: what main() may become beside a command that ends. */
#pragma once

int roles_run(const char *config_path);
int roles_main(int argc, char **argv);
