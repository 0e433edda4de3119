/* SPDX-License-Identifier: ISC */
/* roles.c: see roles.h. */
#include "roles/roles.h"

#include <stdio.h>

int roles_run(const char *config_path)
{
    (void)fprintf(stderr, "holdfast: this build has no roles to run with %s\n", config_path);
    return 1;
}

int roles_main(int argc, char **argv)
{
    (void)argv;
    return argc > 0 ? 1 : 2;
}
