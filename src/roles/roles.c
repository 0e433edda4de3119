/* SPDX-License-Identifier: ISC */
/* roles.c: the doors that the command line uses; see roles.h. */
#include "roles/roles.h"

#include <stdio.h>

#include "roles/role.h"
#include "roles/sandbox.h"

int roles_main(int argc, char **argv)
{
    enum role role;
    uint64_t index;

    if (argc != 4 || !role_from_name(str_from(argv[2]), &role) || role == ROLE_SUPERVISOR ||
        !str_to_u64(str_from(argv[3]), UINT16_MAX, &index)) {
        (void)fputs("holdfast: roles are started by `holdfast run`, not by hand\n", stderr);
        return 2;
    }
    return role_run(role, (unsigned)index);
}

int roles_check_sandbox(const struct config *config, bool as_json)
{
    return sandbox_report(config, as_json);
}
