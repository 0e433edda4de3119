/* SPDX-License-Identifier: ISC */
/* control.c: the control socket, one caller at a time each.
 *
 * Who may speak: root, the user that the roles run as, and members of its group.
 * A caller's next request is looked at when the one before is answered.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "control/control.h"
#include "control/line.h"
#include "net/socket.h"
#include "roles/keeper/keeper.h"

enum {
    CALLERS_MAX = 64,
    GROUPS_MAX = 256,
    LISTENERS_MAX = 4,
};

struct keeper_control {
    struct keeper *keeper;
    struct control *control;
    int listener[LISTENERS_MAX];
    struct watch *watch[LISTENERS_MAX];
    unsigned listener_count;
    struct link callers;
    unsigned caller_count;
    uint64_t last_ticket;
    bool is_stopped;
};

struct caller {
    struct link link;
    struct keeper_control *owner;
    struct stream *stream;
    struct control_lines lines;
    uint64_t ticket; /* of the request under way; 0: none */
    bool wants_more; /* an answer of several lines waits until the last one is written */
    bool is_drained;
    bool has_ended; /* it says no more, but may still wait for its answer */
    bool is_over;   /* freed at the turn's end */
};

/* ---- callers ---- */

static void caller_free(struct caller *caller)
{
    struct keeper_control *owner = caller->owner;

    if (caller->ticket != 0 && owner->control != NULL)
        control_cancel(owner->control, caller->ticket);
    stream_free(caller->stream);
    control_lines_fini(&caller->lines);
    list_remove(&caller->link);
    owner->caller_count--;
    memory_free(caller);
}

static void on_input(void *context, struct str bytes)
{
    struct caller *caller = context;
    control_lines_feed(&caller->lines, bytes);
    if (caller->ticket != 0)
        stream_want_input(caller->stream, false);
}

static void on_end(void *context, int error)
{
    struct caller *caller = context;
    caller->has_ended = true;
    caller->is_over = error != 0;
}

static bool on_drained(void *context)
{
    struct caller *caller = context;
    caller->is_drained = true;
    return true;
}

static const struct stream_host stream_hooks = { .input = on_input,
                                                 .end = on_end,
                                                 .drained = on_drained };

static bool is_member(int fd, gid_t group)
{
    gid_t groups[GROUPS_MAX];
    socklen_t size = sizeof groups;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return false;
    for (size_t i = 0; i < size / sizeof groups[0]; i++)
        if (groups[i] == group)
            return true;
    return false;
}

static bool may_speak(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return false;
    bool may =
        peer.uid == 0 || peer.uid == geteuid() || peer.gid == getegid() || is_member(fd, getegid());
    if (!may)
        log_warn("control_refused", LOG_INT("uid", peer.uid), LOG_INT("pid", peer.pid));
    return may;
}

static void on_listener(void *context, unsigned what)
{
    struct keeper_control *owner = context;
    struct endpoint nobody;

    (void)what;
    for (unsigned i = 0; i < owner->listener_count; i++) {
        int fd = socket_accept(owner->listener[i], &nobody);
        if (fd < 0)
            continue;
        if (!may_speak(fd) || owner->caller_count >= CALLERS_MAX) {
            (void)close(fd);
            continue;
        }
        struct caller *caller = memory_new(sizeof *caller);
        caller->owner = owner;
        caller->lines.size_max = CONTROL_REQUEST_MAX;
        caller->stream = stream_new(owner->keeper->process->loop, &owner->keeper->process->streams,
                                    fd, &stream_hooks, caller);
        list_append(&owner->callers, &caller->link);
        owner->caller_count++;
    }
}

static struct caller *find_caller(const struct keeper_control *owner, uint64_t ticket)
{
    list_each (link, &owner->callers) {
        struct caller *caller = container_of(link, struct caller, link);
        if (caller->ticket == ticket)
            return caller;
    }
    return NULL;
}

/* ---- what the operations ask for ---- */

static void on_answer(void *context, uint64_t ticket, struct str line, bool more)
{
    struct keeper *keeper = context;
    struct caller *caller = find_caller(keeper->control, ticket);

    if (caller == NULL)
        return;
    stream_output(caller->stream, line);
    stream_output(caller->stream, STR("\n"));
    caller->is_drained = false;
    caller->wants_more = more;
    if (!more)
        caller->ticket = 0;
}

struct settling {
    struct keeper *keeper;
    struct entry after;
    struct buf domain;
    store_done *done;
    void *done_context;
};

static void on_settled(void *context, int error)
{
    struct settling *settling = context;
    struct keeper *keeper = settling->keeper;
    struct now now = keeper_now(keeper);

    if (error == 0 && settling->after.pending > 0)
        schedule_arrived(keeper->schedule, &settling->after, now);
    else if (error == 0)
        schedule_settled(keeper->schedule, settling->after.domain, settling->after.id, now);
    settling->done(settling->done_context, error);
    buf_fini(&settling->domain);
    memory_free(settling);
}

static void on_settle(void *context, const struct settlement *settlement, const struct entry *after,
                      store_done *done, void *done_context)
{
    struct keeper *keeper = context;
    struct settling *settling = memory_new(sizeof *settling);
    struct settlement stamped = *settlement;

    stamped.at_ms = keeper_mail_now(keeper).wall_ms;
    *settling = (struct settling){
        .keeper = keeper, .after = *after, .done = done, .done_context = done_context
    };
    buf_add(&settling->domain, after->domain);
    settling->after.domain = buf_str(&settling->domain);
    settling->after.since_ms = stamped.at_ms;
    log_info(
        "settled_by_operator", LOG_ID(settlement->id), LOG_STR("domain", settlement->domain),
        LOG_TEXT("outcome", settlement->outcome == OUTCOME_RELEASED ? "released" : "discarded"));
    store_settle(keeper->store, &stamped, on_settled, settling);
}

struct bouncing {
    struct keeper *keeper;
    struct settlement settlement;
    struct entry after;
    struct buf domain;
    struct buf why;
    control_bounced *done;
    void *done_context;
};

static void end_bouncing(struct bouncing *bouncing, int error)
{
    bouncing->done(bouncing->done_context, error, buf_str(&bouncing->why));
    memory_free((void *)(uintptr_t)bouncing->settlement.recipient);
    buf_fini(&bouncing->domain);
    buf_fini(&bouncing->why);
    memory_free(bouncing);
}

static void on_bounced(void *context, int error)
{
    struct bouncing *bouncing = context;
    struct keeper *keeper = bouncing->keeper;

    if (error == 0 && bouncing->after.pending == 0)
        schedule_settled(keeper->schedule, bouncing->after.domain, bouncing->after.id,
                         keeper_now(keeper));
    end_bouncing(bouncing, error);
}

static void on_sender_told(void *context, enum notice_end end, struct str why)
{
    struct bouncing *bouncing = context;

    if (end == NOTICE_CANCELLED) {
        end_bouncing(bouncing, -ECANCELED);
        return;
    }
    buf_add(&bouncing->why, why);
    bouncing->settlement.at_ms = keeper_mail_now(bouncing->keeper).wall_ms;
    log_info("settled_by_operator", LOG_ID(bouncing->settlement.id),
             LOG_STR("domain", bouncing->settlement.domain), LOG_TEXT("outcome", "bounced"));
    store_settle(bouncing->keeper->store, &bouncing->settlement, on_bounced, bouncing);
}

static void on_bounce(void *context, const struct settlement *settlement, const struct entry *after,
                      control_bounced *done, void *done_context)
{
    struct bouncing *bouncing = memory_new(sizeof *bouncing);

    *bouncing = (struct bouncing){ .keeper = context,
                                   .settlement = *settlement,
                                   .after = *after,
                                   .done = done,
                                   .done_context = done_context };
    buf_add(&bouncing->domain, settlement->domain);
    bouncing->settlement.domain = buf_str(&bouncing->domain);
    bouncing->after.domain = buf_str(&bouncing->domain);
    bouncing->settlement.recipient =
        memory_copy(settlement->recipient, settlement->count * sizeof *settlement->recipient);
    keeper_notices_bounce(context, &bouncing->settlement, on_sender_told, bouncing);
}

static void on_domain_changed(void *context, struct str domain)
{
    keeper_domain_changed(context, domain);
    keeper_tell_receivers(context);
}

static void on_domain_paused(void *context, struct str domain, int64_t paused_until_ms)
{
    struct keeper *keeper = context;
    schedule_pause(keeper->schedule, domain, paused_until_ms, keeper_now(keeper));
    keeper_addresses_domain_changed(keeper, domain);
}

static void on_wake(void *context, struct str domain)
{
    struct keeper *keeper = context;
    schedule_wake(keeper->schedule, domain, keeper_now(keeper));
}

static bool on_route_status(void *context, struct str domain, struct now now,
                            struct route_status *out_status)
{
    const struct keeper *keeper = context;
    return schedule_status(keeper->schedule, domain, now, out_status);
}

static const char *on_route_problem(void *context, struct str domain)
{
    return keeper_route_problem(context, domain);
}

static uint32_t on_line_count(void *context, struct str domain)
{
    return keeper_line_count(context, domain);
}

static bool on_policy_status(void *context, struct str domain, struct policy_status *out_status)
{
    return keeper_policy_status(context, domain, out_status);
}

static bool on_entry_status(void *context, struct str domain, struct message_id id, struct now now,
                            int64_t *out_next_ms, uint32_t *out_attempts, struct verdict *out_last)
{
    const struct keeper *keeper = context;
    return schedule_entry_status(keeper->schedule, domain, id, now, out_next_ms, out_attempts,
                                 out_last);
}

static void on_new_webhook_secret(void *context, struct str domain, directory_done *done,
                                  void *done_context)
{
    keeper_webhook_new_secret(context, domain, done, done_context);
}

static void on_new_secret(void *context, struct str domain, bool for_cram, struct buf *out_secret,
                          directory_done *done, void *done_context)
{
    keeper_new_secret(context, domain, for_cram, out_secret, done, done_context);
}

/* The supervisor's roster is JSON; its names live in `roster_names` until the next call. */
static size_t on_roles(void *context, struct control_role *out_role)
{
    const struct keeper *keeper = context;
    static char names[CONTROL_ROLES_MAX][32];
    json_t *roster = json_loadb(keeper->roster.ptr != NULL ? keeper->roster.ptr : "[]",
                                keeper->roster.ptr != NULL ? keeper->roster.len : 2, 0, NULL);
    size_t count = json_array_size(roster);

    if (count > CONTROL_ROLES_MAX)
        count = CONTROL_ROLES_MAX;
    for (size_t i = 0; i < count; i++) {
        const json_t *role = json_array_get(roster, i);
        const char *name = json_string_value(json_object_get(role, "name"));
        (void)snprintf(names[i], sizeof names[i], "%s", name != NULL ? name : "");
        out_role[i] = (struct control_role){
            .name = names[i],
            .pid = (pid_t)json_integer_value(json_object_get(role, "pid")),
            .started_ms = json_integer_value(json_object_get(role, "started_ms")),
            .restarts = (uint32_t)json_integer_value(json_object_get(role, "restarts")),
        };
    }
    json_decref(roster);
    return count;
}

static void on_verify(void *context, struct str domain, struct str address,
                      void (*done)(void *context, const struct verifier_answer *answer),
                      void *done_context)
{
    keeper_verify(context, domain, address, done, done_context);
}

static enum address_fate on_tell_addresses(void *context, const struct control_telling *telling,
                                           struct buf *out_why, directory_done *done,
                                           void *done_context)
{
    const struct address_telling told = { .domain = telling->domain,
                                          .endpoint = telling->endpoint,
                                          .count = telling->count,
                                          .teller = TELLER_OPERATOR };
    return keeper_address_tell(context, &told, out_why, done, done_context);
}

static bool on_forget_addresses(void *context, struct str domain, directory_done *done,
                                void *done_context)
{
    return keeper_addresses_forget(context, domain, done, done_context);
}

static const struct addresses *on_addresses(void *context, struct str domain)
{
    return keeper_addresses_of(context, domain);
}

static const struct control_host control_hooks = {
    .answer = on_answer,
    .settle = on_settle,
    .bounce = on_bounce,
    .domain_changed = on_domain_changed,
    .domain_paused = on_domain_paused,
    .wake = on_wake,
    .route_status = on_route_status,
    .route_problem = on_route_problem,
    .line_count = on_line_count,
    .policy_status = on_policy_status,
    .entry_status = on_entry_status,
    .new_webhook_secret = on_new_webhook_secret,
    .new_secret = on_new_secret,
    .tell_addresses = on_tell_addresses,
    .forget_addresses = on_forget_addresses,
    .addresses = on_addresses,
    .verify = on_verify,
    .roles = on_roles,
};

/* ---- life ---- */

void keeper_control_listen(struct keeper *keeper, int fd)
{
    if (keeper->control == NULL) {
        keeper->control = memory_new(sizeof *keeper->control);
        keeper->control->keeper = keeper;
        list_init(&keeper->control->callers);
    }
    struct keeper_control *owner = keeper->control;
    check(owner->listener_count < LISTENERS_MAX);
    unsigned i = owner->listener_count++;
    owner->listener[i] = fd;
    owner->watch[i] = watch_new(keeper->process->loop, fd, on_listener, owner);
}

void keeper_control_start(struct keeper *keeper)
{
    struct keeper_control *owner = keeper->control;
    struct control_setup setup = {
        .host = &control_hooks,
        .context = keeper,
        .config = keeper->process->config,
        .directory = keeper->directory,
        .store = keeper->store,
        .verifier = keeper->verifier,
        .started_ms = keeper_now(keeper).wall_ms,
    };

    if (owner == NULL)
        return;
    owner->control = control_new(&setup);
    for (unsigned i = 0; i < owner->listener_count; i++)
        watch_set(owner->watch[i], WATCH_READ);
}

void keeper_control_reload(struct keeper *keeper)
{
    if (keeper->control != NULL && keeper->control->control != NULL)
        control_set_config(keeper->control->control, keeper->process->config);
}

static void serve(struct caller *caller)
{
    struct keeper_control *owner = caller->owner;
    struct str line;

    if (caller->wants_more && caller->is_drained) {
        caller->is_drained = false;
        control_continue(owner->control, caller->ticket);
    }
    while (caller->ticket == 0 && !caller->is_over && control_lines_next(&caller->lines, &line)) {
        caller->ticket = ++owner->last_ticket;
        caller->wants_more = false;
        control_request(owner->control, caller->ticket, line, keeper_now(owner->keeper));
    }
    if (control_lines_too_long(&caller->lines) ||
        (caller->has_ended && caller->ticket == 0 && stream_pending(caller->stream) == 0))
        caller->is_over = true;
    stream_want_input(caller->stream, caller->ticket == 0);
}

void keeper_control_turn(struct keeper *keeper)
{
    struct keeper_control *owner = keeper->control;

    if (owner == NULL || owner->is_stopped)
        return;
    list_each_safe (link, &owner->callers) {
        struct caller *caller = container_of(link, struct caller, link);
        serve(caller);
        if (caller->is_over)
            caller_free(caller);
    }
}

void keeper_control_stop(struct keeper *keeper)
{
    struct keeper_control *owner = keeper->control;

    if (owner == NULL)
        return;
    owner->is_stopped = true;
    for (unsigned i = 0; i < owner->listener_count; i++)
        watch_set(owner->watch[i], 0);
}

void keeper_control_free(struct keeper *keeper)
{
    struct keeper_control *owner = keeper->control;

    if (owner == NULL)
        return;
    list_each_safe (link, &owner->callers)
        caller_free(container_of(link, struct caller, link));
    for (unsigned i = 0; i < owner->listener_count; i++) {
        watch_free(owner->watch[i]);
        (void)close(owner->listener[i]);
    }
    if (owner->control != NULL)
        control_free(owner->control);
    memory_free(owner);
    keeper->control = NULL;
}
