/* SPDX-License-Identifier: ISC */
/* fuzz_config_code.c: the configuration as it crosses the leash. What decodes is encoded the same
 * way twice, and can be dumped. */
#include "base/check.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_config(const struct config *config)
{
    struct config *again = NULL;
    struct buf once = { 0 };
    struct buf twice = { 0 };
    struct buf changes = { 0 };

    config_encode(config, &once);
    struct cursor cursor = cursor_over(buf_str(&once));
    check(config_decode(&cursor, &again) && cursor_done(&cursor));
    config_encode(again, &twice);
    check(str_equals(buf_str(&once), buf_str(&twice)));
    config_restart_needed(config, again, &changes);
    check(changes.len == 0);
    config_dump(config, &changes);
    config_free(again);
    buf_fini(&once);
    buf_fini(&twice);
    buf_fini(&changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(str_of(data, size));
    struct config *config = NULL;

    if (config_decode(&cursor, &config)) {
        check_config(config);
        config_free(config);
    }
    return 0;
}
