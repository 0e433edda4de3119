/* SPDX-License-Identifier: ISC */
/* upkeep.c: see upkeep.h. */
#include "cli/upkeep.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct config *upkeep_config(const struct cli *cli)
{
    struct config_problems problems = { 0 };
    struct config *config = NULL;

    if (config_load(cli_config_path(cli), &config, &problems) != 0) {
        (void)cli_write(stderr, buf_str(&problems.text));
        config_free(config);
        config = NULL;
    }
    config_problems_fini(&problems);
    return config;
}

bool upkeep_enter(const struct config *config)
{
    struct buf path = { 0 };

    buf_add(&path, config->data);
    buf_add_byte(&path, '\0');
    bool ok = chdir(path.ptr) == 0;
    if (!ok)
        cli_say("%s: %s", path.ptr, strerror(errno));
    buf_fini(&path);
    return ok;
}
