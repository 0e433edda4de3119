/* SPDX-License-Identifier: ISC */
/* fuzz_config.c: any text is a configuration or a list of problems, and a configuration survives
 * being dumped and read again. */
#include "base/check.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_dump(const struct config *config)
{
    struct config_problems problems = { 0 };
    struct config *again = NULL;
    struct buf dump = { 0 };
    struct buf changes = { 0 };

    config_dump(config, &dump);
    check(config_load_text(STR("dump"), buf_str(&dump), &again, &problems) == 0);
    config_restart_needed(config, again, &changes);
    check(changes.len == 0);
    config_free(again);
    buf_fini(&dump);
}

static void check_code(const struct config *config)
{
    struct config *again = NULL;
    struct buf bytes = { 0 };

    config_encode(config, &bytes);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    check(config_decode(&cursor, &again) && cursor_done(&cursor));
    config_free(again);
    buf_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_problems problems = { 0 };
    struct config *config = NULL;

    if (config_load_text(STR("fuzz"), str_of(data, size), &config, &problems) == 0) {
        check_dump(config);
        check_code(config);
        config_free(config);
    } else {
        check(problems.errors > 0);
    }
    config_problems_fini(&problems);
    return 0;
}
