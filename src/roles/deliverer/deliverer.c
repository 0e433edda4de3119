/* SPDX-License-Identifier: ISC */
/* deliverer.c: the role that opens the sessions which the keeper asks for; see
 * deliverer.h.
 */
#include "roles/deliverer/deliverer.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

enum {
    ANCHORS_MAX = 8 << 20,
    CALLOUT_GREETING_MS = 10 * SECOND_MS, /* whoever asked is told something else before */
    CALLOUT_COMMAND_MS = 30 * SECOND_MS,
    GREETING_MS = 5 * MINUTE_MS, /* these: RFC 5321 4.5.3.2 */
    COMMAND_MS = 5 * MINUTE_MS,
    DATA_MS = 2 * MINUTE_MS,
    BLOCK_MS = 3 * MINUTE_MS,
    FINAL_MS = 10 * MINUTE_MS,
    LINE_GREETING_MS = 30 * SECOND_MS, /* who calls has a server at hand */
};

struct now deliverer_now(const struct deliverer *deliverer)
{
    return loop_now(deliverer->process->loop);
}

static void set_settings(struct deliverer *deliverer)
{
    deliverer->settings = (struct deliver_settings){
        .hostname = deliverer->process->config->hostname,
        .greeting_timeout_ms = GREETING_MS,
        .command_timeout_ms = COMMAND_MS,
        .data_timeout_ms = DATA_MS,
        .block_timeout_ms = BLOCK_MS,
        .final_timeout_ms = FINAL_MS,
    };
    deliverer->line_settings = deliverer->settings;
    deliverer->line_settings.greeting_timeout_ms = LINE_GREETING_MS;
    deliverer->callout_settings = deliverer->settings;
    deliverer->callout_settings.greeting_timeout_ms = CALLOUT_GREETING_MS;
    deliverer->callout_settings.command_timeout_ms = CALLOUT_COMMAND_MS;
}

static void *create(struct role_process *process)
{
    struct deliverer *deliverer = memory_new(sizeof *deliverer);
    deliverer->process = process;
    list_init(&deliverer->all);
    list_init(&deliverer->over);
    list_init(&deliverer->results);
    map_init(&deliverer->sessions);
    set_settings(deliverer);
    return deliverer;
}

static void free_over(struct deliverer *deliverer)
{
    while (!list_is_empty(&deliverer->over))
        session_free(container_of(list_first(&deliverer->over), struct session, over_link));
}

static void destroy(void *state)
{
    struct deliverer *deliverer = state;

    free_over(deliverer);
    web_free(deliverer->web);
    tls_client_free(deliverer->tls);
    for (uint32_t i = 0; i < deliverer->authority_count; i++) {
        buf_fini(&deliverer->authority[i].name);
        buf_fini(&deliverer->authority[i].anchors);
    }
    list_each_safe (link, &deliverer->all)
        session_free(container_of(link, struct session, link));
    list_each_safe (link, &deliverer->results) {
        struct result *result = container_of(link, struct result, link);
        log_warn("delivery_in_doubt", LOG_ID(result->id),
                 LOG_STR("domain", buf_str(&result->domain)),
                 LOG_TEXT("why", "the deliverer ended before the answer was settled"));
        result_free(result);
    }
    deliverer_free_dead(deliverer);
    channel_free(deliverer->keeper);
    map_fini(&deliverer->sessions);
    heap_fini(&deliverer->deadlines);
    memory_free(deliverer);
}

/* By whom web servers and mail servers are trusted. */
static void read_anchors(const struct deliverer *deliverer, struct buf *out)
{
    struct str path = deliverer->process->config->web_ca;
    struct buf name = { 0 };

    buf_add(&name, path);
    buf_add_byte(&name, '\0');
    int error = path.len > 0 ? file_read(name.ptr, ANCHORS_MAX, out) : 0;
    if (error != 0)
        log_warn("web_ca_unreadable", LOG_STR("path", path), LOG_TEXT("error", strerror(-error)),
                 LOG_TEXT("hint",
                          "no https server is posted to, and no mail server is known by its "
                          "name; install ca-certificates, or see web { ca } in the "
                          "configuration"));
    buf_fini(&name);
}

/* Those that domains name. One that cannot be read has signed nothing. */
static void read_authorities(struct deliverer *deliverer)
{
    const struct config_authorities *list = &deliverer->process->config->tls_authorities;

    for (uint32_t i = 0; i < list->count; i++) {
        struct buf path = { 0 };
        struct authority *authority = &deliverer->authority[deliverer->authority_count++];
        buf_add(&authority->name, list->item[i].name);
        buf_add(&path, list->item[i].path);
        buf_add_byte(&path, '\0');
        int error = file_read(path.ptr, ANCHORS_MAX, &authority->anchors);
        if (error != 0)
            log_warn("authority_unreadable", LOG_STR("name", list->item[i].name),
                     LOG_STR("path", list->item[i].path), LOG_TEXT("error", strerror(-error)),
                     LOG_TEXT("hint", "primaries that it should have signed get no mail"));
        buf_fini(&path);
    }
}

static int prepare(void *state)
{
    struct deliverer *deliverer = state;
    struct buf anchors = { 0 };

    role_want_descriptors();
    read_anchors(deliverer, &anchors);
    deliverer_web_open(deliverer, buf_str(&anchors));
    deliverer_tls_open(deliverer, buf_str(&anchors));
    read_authorities(deliverer);
    buf_fini(&anchors);
    return 0;
}

/* Sessions keep pointing at the settings; probes have their own. The hostname lives in the new
 * configuration. */
static void reload(void *state)
{
    struct deliverer *deliverer = state;

    set_settings(deliverer);
    list_each (link, &deliverer->all)
        container_of(link, struct session, link)->probe_settings.hostname =
            deliverer->settings.hostname;
}

static void take_line(void *state, uint64_t number, int error, int fd)
{
    deliverer_line_came(state, number, error == 0 ? fd : -1);
}

static void stop(void *state)
{
    struct deliverer *deliverer = state;

    list_each (link, &deliverer->all) {
        struct session *session = container_of(link, struct session, link);
        if (!session->is_over)
            session_quit(session);
    }
}

static void tick(struct deliverer *deliverer, struct now now)
{
    struct heap_node *node;

    while ((node = heap_take_due(&deliverer->deadlines, now.mono_ms)) != NULL) {
        struct session *session = container_of(node, struct session, deadline);
        if (session->is_over)
            continue;
        if (session->client == NULL) {
            session_connect_failed(session, -ETIMEDOUT);
            continue;
        }
        deliver_tick(session->client, now);
        session_serve(session);
    }
}

static int64_t turn(void *state, struct now now)
{
    struct deliverer *deliverer = state;

    tick(deliverer, now);
    if (deliverer->web != NULL)
        web_turn(deliverer->web, now);
    free_over(deliverer);
    if (deliverer->keeper != NULL)
        channel_flush(deliverer->keeper);
    role_has_keeper(deliverer->process, deliverer->keeper != NULL);
    deliverer_free_dead(deliverer);
    /* A keeper that died is started again for what we have to tell (supervisor/stopping.c). */
    if (deliverer->process->is_stopping && list_is_empty(&deliverer->all) &&
        list_is_empty(&deliverer->results))
        role_finished(deliverer->process);
    const struct heap_node *first = heap_first(&deliverer->deadlines);
    int64_t deadline_ms = first != NULL ? first->key : NEVER_MS;
    int64_t web_ms = deliverer->web != NULL ? web_deadline(deliverer->web) : NEVER_MS;
    return web_ms < deadline_ms ? web_ms : deadline_ms;
}

const struct role_hooks deliverer_hooks = {
    .create = create,
    .destroy = destroy,
    .peer = deliverer_take_peer,
    .prepare = prepare,
    .reload = reload,
    .line = take_line,
    .stop = stop,
    .turn = turn,
};
