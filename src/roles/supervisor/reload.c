/* SPDX-License-Identifier: ISC */
/* reload.c: the configuration is read again (SIGHUP), and with it certificates and keys.
 *
 * It is taken whole or not at all. What takes a restart stays as it is, and is named in the log.
 */
#include "base/log.h"
#include "roles/place.h"
#include "roles/supervisor/private.h"

static void log_problems(struct str text)
{
    struct str line = STR_NONE;
    while (str_cut(&text, '\n', &line))
        if (line.len > 0)
            log_warn("config_problem", LOG_STR("text", line));
}

static void hand_out_config(struct supervisor *supervisor)
{
    struct buf bytes = { 0 };
    config_encode(supervisor->config, &bytes);
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct supervisor_child *child = &supervisor->child[i];
        if (supervisor_is_alive(child) &&
            leash_send(&child->leash, -1, reload, .config = buf_str(&bytes)) != 0)
            supervisor_log_child(LOG_WARN, "config_not_handed_over", child);
    }
    buf_fini(&bytes);
}

void supervisor_on_hangup(void *context, int number)
{
    struct supervisor *supervisor = context;
    struct config_problems problems = { 0 };
    struct config *next = NULL;
    struct buf needs_restart = { 0 };

    bool is_serving = supervisor->is_ready && supervisor->stop_stage == 0;

    (void)number;
    if (is_serving)
        place_notify("RELOADING=1");
    int error = config_load(supervisor->config_path, &next, &problems);
    log_problems(buf_str(&problems.text));
    if (error != 0) {
        log_error("reload_refused", LOG_TEXT("file", supervisor->config_path),
                  LOG_INT("errors", problems.errors));
    } else {
        place_fill_in(next);
        config_restart_needed(supervisor->config, next, &needs_restart);
        if (needs_restart.len > 0)
            log_warn("reload_incomplete", LOG_STR("takes_a_restart", buf_str(&needs_restart)));
        config_keep(supervisor->config, next);
        place_fill_in(next); /* once more: the listeners are those that there were */
        config_free(supervisor->config);
        supervisor->config = next;
        log_set_level(next->log_level);
        hand_out_config(supervisor);
        if (certificates_read(&supervisor->certificates, next))
            supervisor_hand_out_certificates(supervisor);
        supervisor_hand_out_certificate_ends(supervisor);
        supervisor_hand_out_spool_keys(supervisor);
        log_info("reloaded", LOG_TEXT("file", supervisor->config_path));
    }
    if (is_serving)
        place_notify("READY=1");
    buf_fini(&needs_restart);
    config_problems_fini(&problems);
}
