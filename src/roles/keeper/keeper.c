/* SPDX-License-Identifier: ISC */
/* keeper.c: the role that owns what must last; see keeper.h. */
#include "roles/keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper/posts.h"

enum { QUIET_MS = 5 * SECOND_MS }; /* before a segment is compacted */

struct now keeper_now(const struct keeper *keeper)
{
    return loop_now(keeper->process->loop);
}

static const struct domain_settings *settings_of(const struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    return record != NULL ? &record->settings : NULL;
}

int64_t keeper_value(const struct keeper *keeper, struct str domain, enum setting setting)
{
    return setting_value(settings_of(keeper, domain), &keeper->process->config->defaults, setting);
}

struct str keeper_text(const struct keeper *keeper, struct str domain, enum setting setting)
{
    return setting_text(settings_of(keeper, domain), &keeper->process->config->defaults, setting);
}

struct now keeper_mail_now(const struct keeper *keeper)
{
    struct now now = keeper_now(keeper);
    return (struct now){ .mono_ms = now.mono_ms, .wall_ms = schedule_wall(keeper->schedule, now) };
}

/* ---- peers ---- */

struct keeper_peer *keeper_peer_of(struct keeper *keeper, const struct channel *channel)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (keeper->peer[i].channel == channel)
            return &keeper->peer[i];
    return NULL;
}

struct keeper_peer *keeper_some_deliverer(struct keeper *keeper)
{
    struct keeper_peer *best = NULL;
    uint64_t start = keeper->last_ticket++;

    for (unsigned i = 0; i < ROLE_PROCESSES_MAX && best == NULL; i++) {
        struct keeper_peer *peer = &keeper->peer[(start + i) % ROLE_PROCESSES_MAX];
        if (peer->channel != NULL && channel_peer(peer->channel) == ROLE_DELIVERER)
            best = peer;
    }
    return best;
}

struct channel *keeper_resolver(struct keeper *keeper)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (keeper->peer[i].channel != NULL &&
            channel_peer(keeper->peer[i].channel) == ROLE_RESOLVER)
            return keeper->peer[i].channel;
    return NULL;
}

static bool on_message(void *context, struct channel *channel, enum message_type type,
                       struct cursor payload)
{
    struct keeper *keeper = context;
    struct keeper_peer *peer = keeper_peer_of(keeper, channel);

    switch (channel_peer(channel)) {
    case ROLE_RECEIVER:
        return keeper_receiver_message(keeper, peer, type, payload);
    case ROLE_DELIVERER:
        return keeper_deliverer_message(keeper, peer, type, payload);
    case ROLE_RESOLVER:
        return keeper_resolver_message(keeper, type, payload);
    case ROLE_PORTAL:
        return type == MESSAGE_address_ask && keeper_portal_asked(keeper, peer, payload);
    case ROLE_SUPERVISOR:
    case ROLE_KEEPER:
    case ROLE_COUNT:
        break;
    }
    return false;
}

static void on_broken(void *context, struct channel *channel, const char *why)
{
    struct keeper *keeper = context;
    struct keeper_peer *peer = keeper_peer_of(keeper, channel);
    struct keeper_peer gone = *peer;

    log_info("peer_lost", LOG_TEXT("role", role_name(channel_peer(channel))),
             LOG_INT("index", channel_peer_index(channel)), LOG_TEXT("why", why));
    *peer = (struct keeper_peer){ 0 };
    check(keeper->dead_count < ROLE_PROCESSES_MAX);
    keeper->dead[keeper->dead_count++] = channel;
    if (keeper->intake == NULL)
        return; /* not started yet */
    if (channel_peer(channel) == ROLE_RECEIVER) {
        intake_drop_source(keeper->intake, gone.source);
        keeper_verify_drop_source(keeper, gone.source);
        keeper_lines_drop_source(keeper, gone.source);
        keeper_logins_drop_source(keeper, gone.source);
    } else if (channel_peer(channel) == ROLE_DELIVERER)
        keeper_deliverer_gone(keeper, &gone);
}

static const struct channel_host peer_host = { .message = on_message, .broken = on_broken };

/* Only where no call from a channel is under way. */
static void free_dead(struct keeper *keeper)
{
    while (keeper->dead_count > 0)
        channel_free(keeper->dead[--keeper->dead_count]);
}

/* Messages that arrive before the start wait in the socket: role.c turns the loop from then on. */
static void take_peer(void *state, enum role role, unsigned index, int fd)
{
    struct keeper *keeper = state;

    free_dead(keeper);
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        struct channel *old = keeper->peer[i].channel;
        if (old != NULL && channel_peer(old) == role && channel_peer_index(old) == index)
            channel_cut(old, "a new one came");
    }
    struct keeper_peer *peer = keeper_peer_of(keeper, NULL);
    check(peer != NULL); /* the supervisor starts fewer roles than that */
    peer->source = ++keeper->last_source;
    peer->channel = channel_new(ROLE_KEEPER, role, index, &peer_host, keeper);
    channel_attach(peer->channel, keeper->process->loop, fd);
    if (role == ROLE_RECEIVER && keeper->store != NULL)
        keeper_tell_health(keeper, peer);
    if (role == ROLE_RECEIVER && keeper->store != NULL)
        keeper_tell_awaited(keeper, peer);
    if (role == ROLE_RESOLVER)
        keeper_resolver_came(keeper);
}

/* ---- start ---- */

static void *create(struct role_process *process)
{
    struct keeper *keeper = memory_new(sizeof *keeper);

    keeper->process = process;
    keeper->spool_directory = -1;
    map_init(&keeper->sessions);
    map_init(&keeper->unfinished);
    map_init(&keeper->route_problems);
    map_init(&keeper->lookups);
    map_init(&keeper->questions);
    map_init(&keeper->own_routes);
    map_init(&keeper->awaited);
    map_init(&keeper->awaited_due);
    map_init(&keeper->client_pins);
    keeper_logins_init(keeper);
    keeper_lines_init(keeper);
    list_init(&keeper->lookups_due);
    list_init(&keeper->openings);
    list_init(&keeper->errands);
    return keeper;
}

static void take_listener(void *state, unsigned kind, int fd)
{
    check(kind == LISTENER_CONTROL);
    keeper_control_listen(state, fd);
}

/* The data folder becomes the working folder, which is also the root folder once we are confined as
 * another user. */
static int prepare(void *state)
{
    struct keeper *keeper = state;
    struct str data = keeper->process->config->data;
    char path[4096];

    role_want_descriptors();
    own_key_read(&keeper->sign, keeper->process->config);
    if (data.len >= sizeof path)
        return -ENAMETOOLONG;
    memcpy(path, data.ptr, data.len);
    path[data.len] = '\0';
    return chdir(path) < 0 ? -errno : 0;
}

static void on_helper(void *context, unsigned what)
{
    (void)what;
    (void)worker_collect(context);
}

static struct worker *helper_start(struct keeper *keeper, struct keeper_helper *helper)
{
    helper->worker = worker_new();
    helper->watch = watch_new(keeper->process->loop, worker_descriptor(helper->worker), on_helper,
                              helper->worker);
    watch_set(helper->watch, WATCH_READ);
    return helper->worker;
}

static void helper_end(struct keeper_helper *helper)
{
    watch_free(helper->watch);
    worker_free(helper->worker);
}

static int open_store(struct keeper *keeper)
{
    struct log_store_settings settings = {
        .segment_size = LOG_SEGMENT_SIZE,
        .large_body_size = LOG_LARGE_BODY_SIZE,
        .quiet_ms = QUIET_MS,
        .free_bytes_min = (uint64_t)keeper->process->config->store_free_min,
        .upkeep = helper_start(keeper, &keeper->upkeep),
    };

    keeper->spool_directory = open("spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (keeper->spool_directory < 0)
        return -errno;
    keeper->disk = disk_posix_open(keeper->spool_directory);
    int error = log_store_open(&settings, keeper->disk, helper_start(keeper, &keeper->commits),
                               clock_now(), &keeper->store);
    if (error == 0)
        keeper_encryption_start(keeper);
    return error;
}

static int open_directory(struct keeper *keeper)
{
    return directory_open("directory.db", helper_start(keeper, &keeper->records),
                          &keeper->directory);
}

static struct schedule_settings schedule_settings_of(const struct keeper *keeper)
{
    return (struct schedule_settings){ .probes_per_second = keeper->process->config->probe_budget,
                                       .defaults = &keeper->process->config->defaults };
}

void keeper_domain_changed(struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);

    keeper_recipients_domain_changed(keeper, record, domain);
    keeper_awaited_changed(keeper, domain);
    keeper_client_pins_changed(keeper, record, domain);
    keeper_addresses_domain_changed(keeper, domain);
    keeper_logins_domain_changed(keeper, record, domain);
    if (record != NULL) {
        schedule_put_route(keeper->schedule, record->name, &record->settings,
                           record->paused_until_ms, keeper_now(keeper));
        return;
    }
    keeper_alerts_forget(keeper, domain);
    keeper_posts_forget(keeper->webhooks, domain);
    keeper_posts_forget(keeper->tls_posts, domain);
    schedule_remove_route(keeper->schedule, domain, keeper_now(keeper));
    keeper_turns_look_for_secrets(keeper);
}

/* Its mail goes on as if the filter were gone. */
static void look_for_filters(const struct keeper *keeper, const struct domain_record *record)
{
    struct str names = setting_text(&record->settings, NULL, SETTING_FILTERS);
    struct str name = STR_NONE;

    while (str_cut(&names, ',', &name))
        if (name.len > 0 && config_find_milter(keeper->process->config, name) == NULL)
            log_warn("filter_missing", LOG_STR("domain", record->name), LOG_STR("filter", name),
                     LOG_TEXT("hint", "the configuration's filter { milters } does not have it"));
}

/* Mail of a domain that is listed no more still wants to go to its primary. */
static void add_routes(struct keeper *keeper)
{
    const struct domain_record *record;
    struct str domain;
    size_t cursor = 0;

    while ((record = directory_next_domain(keeper->directory, &cursor)) != NULL) {
        look_for_filters(keeper, record);
        keeper_domain_changed(keeper, record->name);
    }
    cursor = 0;
    while (store_next_domain(keeper->store, &cursor, &domain))
        if (directory_find_domain(keeper->directory, domain) == NULL)
            keeper_own_look(keeper, domain);
}

static int start(void *state)
{
    struct keeper *keeper = state;
    const struct config *config = keeper->process->config;
    int64_t began_ms = clock_now().mono_ms;
    int error = open_directory(keeper);

    if (error == 0)
        error = open_store(keeper);
    if (error != 0)
        return error;
    keeper->under_way = under_way_open("under-way");
    keeper->greylist = greylist_new();
    keeper->insisting = greylist_new();
    struct schedule_settings settings = schedule_settings_of(keeper);
    struct now now = clock_now();
    keeper->started_ms = now.mono_ms;
    keeper->intake =
        intake_new(keeper->store, (uint64_t)config->store_memory, &keeper_intake_host, keeper);
    keeper->handover = handover_new(keeper->store, &keeper_handover_host, keeper);
    keeper->schedule =
        schedule_new(&settings, &keeper_schedule_host, keeper, &keeper->process->random, now);
    keeper_quota_init(keeper);
    keeper_recipients_init(keeper);
    keeper_alerts_start(keeper);
    keeper_webhooks_start(keeper);
    keeper_policies_start(keeper);
    keeper_routes_configure(keeper);
    add_routes(keeper);
    keeper_addresses_start(keeper);
    keeper_recipients_start(keeper);
    keeper_turns_look_for_secrets(keeper);
    keeper_tell_receivers(keeper);
    keeper_control_start(keeper);
    keeper_reports_start(keeper);
    keeper_tls_reports_start(keeper);
    keeper_notices_start(keeper);
    struct store_totals totals;
    store_totals(keeper->store, STR_NONE, &totals);
    log_info("spool_open", LOG_INT("held", totals.held_count),
             LOG_INT("held_bytes", totals.held_bytes), LOG_INT("rescued", totals.rescued_count),
             LOG_INT("took_ms", clock_now().mono_ms - began_ms));
    return 0;
}

static void reload(void *state)
{
    struct keeper *keeper = state;
    struct schedule_settings settings = schedule_settings_of(keeper);

    if (keeper->schedule == NULL)
        return;
    schedule_set_settings(keeper->schedule, &settings, keeper_now(keeper));
    keeper_control_reload(keeper);
    keeper_routes_configure(keeper);
    add_routes(keeper);            /* who we are may have changed, and with it every route */
    keeper_tell_receivers(keeper); /* and what domains want */
}

/* ---- turns ---- */

static void watch_health(struct keeper *keeper)
{
    struct store_health health;

    store_health(keeper->store, &health);
    if (health.condition == keeper->condition)
        return;
    keeper->condition = health.condition;
    log_event(health.condition == STORE_OK ? LOG_INFO : LOG_ERROR, "store_condition",
              LOG_TEXT("condition", health.condition == STORE_OK     ? "ok"
                                    : health.condition == STORE_FULL ? "full"
                                                                     : "failing"),
              LOG_INT("free_bytes", health.free_bytes), LOG_INT("used_bytes", health.used_bytes));
    keeper_tell_receivers(keeper);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* True if a channel broke. */
static bool flush_channels(struct keeper *keeper)
{
    free_dead(keeper);
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (keeper->peer[i].channel != NULL)
            channel_flush(keeper->peer[i].channel);
    return keeper->dead_count > 0;
}

static int64_t turn(void *state, struct now now)
{
    struct keeper *keeper = state;

    if (schedule_deadline(keeper->schedule) <= now.mono_ms)
        schedule_tick(keeper->schedule, now);
    handover_turn(keeper->handover, keeper_mail_now(keeper));
    store_turn(keeper->store, now);
    intake_turn(keeper->intake);
    keeper_control_turn(keeper); /* may wake the scheduler, which may ask for what follows */
    keeper_reports_turn(keeper, now);
    keeper_tls_reports_turn(keeper, now);
    keeper_notices_turn(keeper, now);
    keeper_alerts_turn(keeper, now);
    keeper_posts_turn(keeper->webhooks, now);
    keeper_posts_turn(keeper->tls_posts, now);
    keeper_certificates_turn(keeper, now);
    keeper_own_turn(keeper, now);
    keeper_policies_turn(keeper, now);
    keeper_addresses_turn(keeper, now);
    keeper_routes_turn(keeper, now);
    keeper_schedule_turn(keeper, now);
    keeper_recipients_turn(keeper, now);
    keeper_turns_turn(keeper, now);
    keeper_lines_turn(keeper, now);
    watch_health(keeper);
    under_way_write(keeper->under_way);
    bool broke = flush_channels(keeper);
    if (broke || !list_is_empty(&keeper->lookups_due))
        return now.mono_ms; /* what was asked for since is seen to at once */
    int64_t deadline = store_deadline(keeper->store);
    deadline = sooner(deadline, schedule_deadline(keeper->schedule));
    deadline = sooner(deadline, handover_deadline(keeper->handover));
    deadline = sooner(deadline, keeper_own_deadline(keeper));
    deadline = sooner(deadline, keeper_notices_deadline(keeper));
    deadline = sooner(deadline, keeper_reports_deadline(keeper));
    deadline = sooner(deadline, keeper_tls_reports_deadline(keeper));
    deadline = sooner(deadline, keeper_posts_deadline(keeper->tls_posts));
    deadline = sooner(deadline, keeper_recipients_deadline(keeper));
    deadline = sooner(deadline, keeper_turns_deadline(keeper));
    deadline = sooner(deadline, keeper_lines_deadline(keeper));
    deadline = sooner(deadline, keeper_certificates_deadline(keeper));
    deadline = sooner(deadline, keeper_alerts_deadline(keeper));
    deadline = sooner(deadline, keeper_posts_deadline(keeper->webhooks));
    deadline = sooner(deadline, keeper_policies_deadline(keeper));
    deadline = sooner(deadline, keeper_addresses_deadline(keeper));
    return sooner(deadline, keeper_schedule_deadline(keeper));
}

/* ---- end ---- */

static void stop(void *state)
{
    struct keeper *keeper = state;
    keeper_control_stop(keeper);
    role_finished(keeper->process); /* destroy() closes everything durably */
}

static void roster(void *state, struct str roles)
{
    struct keeper *keeper = state;
    buf_reset(&keeper->roster);
    buf_add(&keeper->roster, roles);
}

static void close_stores(struct keeper *keeper)
{
    if (keeper->handover != NULL)
        handover_let_go(keeper->handover);
    if (keeper->store != NULL)
        store_close(keeper->store);
    handover_free(keeper->handover);
    keeper->handover = NULL; /* the scheduler goes later, and may let go of trials */
    under_way_close(keeper->under_way);
    greylist_free(keeper->greylist);
    greylist_free(keeper->insisting);
    if (keeper->directory != NULL)
        directory_close(keeper->directory);
    helper_end(&keeper->commits);
    helper_end(&keeper->upkeep);
    helper_end(&keeper->records);
    if (keeper->disk != NULL)
        disk_posix_close(keeper->disk);
}

static void destroy(void *state)
{
    struct keeper *keeper = state;

    keeper_lines_fini(keeper); /* what ends from here on needs none */
    keeper_control_free(keeper);
    keeper_reports_end(keeper);
    keeper_tls_reports_end(keeper);
    keeper_alerts_end(keeper);
    keeper_webhooks_end(keeper);
    keeper_policies_end(keeper);
    keeper_addresses_end(keeper);
    keeper_portal_end(keeper);
    intake_free(keeper->intake);
    close_stores(keeper);
    keeper_notices_free(keeper);
    keeper_reports_free(keeper);
    keeper_tls_reports_free(keeper);
    keeper_schedule_fini(keeper);
    keeper_routes_fini(keeper);
    keeper_own_fini(keeper);
    if (keeper->verifier != NULL) {
        keeper_recipients_fini(keeper);
        keeper_quota_fini(keeper);
    }
    if (keeper->schedule != NULL)
        schedule_free(keeper->schedule);
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        channel_free(keeper->peer[i].channel);
    free_dead(keeper);
    map_fini(&keeper->sessions);
    map_fini(&keeper->unfinished);
    keeper_turns_fini(keeper);
    keeper_client_pins_fini(keeper);
    keeper_logins_fini(keeper);
    map_fini(&keeper->route_problems);
    map_fini(&keeper->lookups);
    map_fini(&keeper->questions);
    buf_fini(&keeper->roster);
    buf_fini(&keeper->certificate_ends);
    seal_keys_wipe(&keeper->seal_keys);
    own_key_fini(&keeper->sign);
    memory_free(keeper);
}

const struct role_hooks keeper_hooks = {
    .create = create,
    .destroy = destroy,
    .listener = take_listener,
    .peer = take_peer,
    .prepare = prepare,
    .start = start,
    .reload = reload,
    .stop = stop,
    .roster = roster,
    .spool_keys = keeper_take_spool_keys,
    .certificate_ends = keeper_take_certificate_ends,
    .turn = turn,
};
