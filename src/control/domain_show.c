/* SPDX-License-Identifier: ISC */
/* domain_show.c: a domain and its route as JSON. */
#include "control/request.h"
#include "mail/security.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

/* The scheduler's words; stations do not call each other. */
const char *control_state_name(enum route_state state)
{
    static const char *const names[ROUTE_STATES] = { "up",      "shaky",    "down",  "half-up",
                                                     "blocked", "stranger", "paused" };
    return names[state];
}

json_t *json_state(enum route_state state)
{
    return json_string(control_state_name(state));
}

json_t *json_endpoint(struct endpoint endpoint)
{
    struct buf text = { 0 };

    endpoint_add_text(&text, endpoint);
    json_t *json = json_text(buf_str(&text));
    buf_fini(&text);
    return json;
}

/* What the host has to show, in a word: "may", "tlsa, pinned"; null where it is not known. */
static json_t *json_security(struct str bytes)
{
    struct cursor cursor = cursor_over(bytes);
    struct security security;
    struct buf text = { 0 };

    if (!security_decode(&cursor, &security))
        return json_null();
    buf_add(&text, str_from(security_level_name(security.level)));
    buf_add(&text, security.pin_count > 0 ? STR(", pinned") : STR(""));
    json_t *json = json_text(buf_str(&text));
    buf_fini(&text);
    return json;
}

static json_t *json_target(const struct route_target_status *target)
{
    json_t *json = json_object();

    json_put(json, "host", json_text(target->host));
    json_put(json, "endpoint", json_endpoint(target->endpoint));
    json_put(json, "preference", json_integer(target->preference));
    bool has_called = target->endpoint.family == ENDPOINT_LINE; /* it was his choice */
    json_put(json, "tls", has_called ? json_null() : json_security(target->security));
    json_put(json, "answers", json_boolean(target->answers));
    json_put(json, "last_tried", json_time(target->last_tried_ms));
    json_put(json, "last_answer", json_verdict(&target->verdict));
    return json;
}

json_t *json_route(const struct route_status *status)
{
    json_t *json = json_object();
    json_t *targets = json_array();

    for (uint32_t i = 0; i < status->target_count; i++)
        (void)json_array_append_new(targets, json_target(&status->target[i]));
    json_put(json, "state", json_state(status->state));
    json_put(json, "since", json_time(status->state_since_ms));
    json_put(json, "reason", json_verdict(&status->reason));
    json_put(json, "plan_known", json_boolean(status->plan_known));
    json_put(json, "plan_is_old", json_boolean(status->plan_is_old));
    json_put(json, "sessions", json_integer(status->sessions));
    json_put(json, "sessions_allowed", json_integer(status->sessions_allowed));
    json_put(json, "in_flight", json_integer(status->in_flight));
    json_put(json, "deferred", json_number(status->deferred));
    json_put(json, "on_trial", json_number(status->on_trial));
    json_put(json, "breaker_tripped", json_time(status->is_tripped ? status->tripped_ms : 0));
    json_put(json, "delivered", json_number(status->delivered));
    json_put(json, "attempts", json_number(status->attempts));
    json_put(json, "next_probe", json_time(status->next_probe_ms));
    json_put(json, "targets", targets);
    return json;
}

static void put_totals(json_t *json, const struct store *store, struct str name)
{
    struct store_totals totals;

    store_totals(store, name, &totals);
    json_put(json, "held", json_number(totals.held_count));
    json_put(json, "held_bytes", json_number(totals.held_bytes));
    json_put(json, "oldest_held", json_time(totals.oldest_held_ms));
    json_put(json, "rescued", json_number(totals.rescued_count));
    json_put(json, "rescued_bytes", json_number(totals.rescued_bytes));
}

/* false, true (until resumed) or the time of its end. A pause that has ended is none. */
static json_t *json_pause(int64_t paused_until_ms, struct now now)
{
    if (paused_until_ms <= now.wall_ms)
        return json_false();
    return paused_until_ms == NEVER_MS ? json_true() : json_time(paused_until_ms);
}

json_t *json_domain_summary(struct request *request, struct str name)
{
    const struct control_setup *setup = &request->control->setup;
    const struct domain_record *record = directory_find_domain(setup->directory, name);
    struct route_status status;
    json_t *json = json_object();

    json_put(json, "name", json_text(name));
    if (record == NULL) { /* removed with force; its mail is still here */
        json_put(json, "state", json_string("removed"));
    } else if (setup->host->route_status(setup->context, name, request->now, &status)) {
        json_put(json, "state", json_state(status.state));
        json_put(json, "since", json_time(status.state_since_ms));
        json_put(json, "reason", json_verdict(&status.reason));
        json_put(json, "sessions", json_integer(status.sessions));
        json_put(json, "next_probe", json_time(status.next_probe_ms));
    } else {
        json_put(json, "state", json_string("unknown"));
    }
    const char *problem = setup->host->route_problem(setup->context, name);
    json_put(json, "route_problem", problem != NULL ? json_string(problem) : json_null());
    json_put(json, "lines", json_integer(setup->host->line_count(setup->context, name)));
    if (record != NULL)
        json_put(json, "paused", json_pause(record->paused_until_ms, request->now));
    put_totals(json, setup->store, name);
    return json;
}

static json_t *json_setting(enum setting setting, const struct domain_settings *own,
                            const struct domain_settings *defaults)
{
    struct buf text = { 0 };

    setting_add_text(&text, setting, own, defaults);
    json_t *json = json_text(buf_str(&text));
    buf_fini(&text);
    return json;
}

/* "set": what the domain says; "settings": what is in effect. */
static void put_settings(json_t *json, const struct request *request,
                         const struct domain_settings *settings)
{
    const struct domain_settings *defaults = &request->control->setup.config->defaults;
    json_t *set = json_object();
    json_t *effective = json_object();

    for (int i = 0; i < SETTING_COUNT; i++) {
        enum setting setting = (enum setting)i;
        const char *name = setting_rule(setting)->name;
        if (settings->is_set[i])
            json_put(set, name, json_setting(setting, settings, NULL));
        json_put(effective, name, json_setting(setting, settings, defaults));
    }
    json_put(json, "set", set);
    json_put(json, "settings", effective);
}

/* Of a domain whose hosts come from MX records: the policy that is in force (MTA-STS), and what
 * went wrong when it was looked at last; null: nobody has looked. */
static json_t *json_policy(const struct control_setup *setup, const struct domain_record *record)
{
    struct policy_status status;

    if (record->primary_count > 0 ||
        !setup->host->policy_status(setup->context, record->name, &status))
        return json_null();
    json_t *json = json_object();
    json_put(json, "mode",
             status.is_in_force ? json_string(sts_mode_name(status.policy.mode)) : json_null());
    json_put(json, "id", status.is_in_force ? json_text(status.id) : json_null());
    json_put(json, "expires", json_time(status.expires_ms));
    json_put(json, "problem",
             status.failure != POLICY_FINE && status.failure != POLICY_NO_RECORD
                 ? json_string(policy_failure_name(status.failure))
                 : json_null());
    return json;
}

json_t *json_domain(struct request *request, const struct domain_record *record)
{
    const struct control_setup *setup = &request->control->setup;
    const struct known_route *known = directory_find_route(setup->directory, record->name);
    struct route_status status;
    json_t *json = json_domain_summary(request, record->name);
    json_t *primaries = json_array();

    for (uint32_t i = 0; i < record->primary_count; i++)
        (void)json_array_append_new(primaries, json_text(record->primary[i]));
    json_put(json, "added", json_time(record->added_ms));
    json_put(json, "primary", primaries);
    json_put(json, "route_seen", json_time(known != NULL ? known->seen_ms : 0));
    json_put(json, "mta_sts", json_policy(setup, record));
    json_put(json, "address",
             json_addresses(setup->host->addresses(setup->context, record->name), request->now));
    put_settings(json, request, &record->settings);
    if (setup->host->route_status(setup->context, record->name, request->now, &status))
        json_put(json, "route", json_route(&status));
    json_put(json, "recipients", json_recipients(request, record->name));
    return json;
}

/* Pages: those behind "after" by name, at most "limit". */
void operation_domain_list(struct request *request)
{
    struct directory *directory = request->control->setup.directory;
    struct str after = argument_text(request, "after");
    int64_t limit = argument_number(request, "limit", LIST_DEFAULT);
    const struct domain_record *record;
    const struct domain_record *last = NULL;
    size_t cursor = 0;
    json_t *body = json_object();
    json_t *domains = json_array();

    limit = limit < LIST_MAX ? limit : LIST_MAX;
    while ((record = directory_next_domain(directory, &cursor)) != NULL) {
        if (str_compare(record->name, after) <= 0)
            continue;
        if (limit-- == 0)
            break;
        (void)json_array_append_new(domains, json_domain_summary(request, record->name));
        last = record;
    }
    json_put(body, "domains", domains);
    json_put(body, "after", record != NULL && last != NULL ? json_text(last->name) : json_null());
    request_answer(request, body);
}
