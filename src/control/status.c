/* SPDX-License-Identifier: ISC */
/* status.c: the node at a glance. */
#include "control/request.h"

enum { DOMAINS_DEFAULT = 50, DOMAINS_MAX = 1000 };

void operation_version(struct request *request)
{
    json_t *body = json_object();

    json_put(body, "name", json_string("holdfast"));
    json_put(body, "version", json_string(HOLDFAST_VERSION));
    request_answer(request, body);
}

static json_t *json_role(const struct control_role *role, struct now now)
{
    json_t *json = json_object();
    int64_t uptime_ms = now.wall_ms - role->started_ms;

    json_put(json, "name", json_string(role->name));
    json_put(json, "pid", role->pid > 0 ? json_integer(role->pid) : json_null());
    json_put(json, "started", json_time(role->started_ms));
    json_put(json, "uptime_s", json_integer(uptime_ms > 0 ? uptime_ms / SECOND_MS : 0));
    json_put(json, "restarts", json_integer(role->restarts));
    return json;
}

static json_t *json_roles(struct request *request)
{
    const struct control_setup *setup = &request->control->setup;
    struct control_role role[CONTROL_ROLES_MAX];
    size_t count = setup->host->roles(setup->context, role);
    json_t *json = json_array();

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(json, json_role(&role[i], request->now));
    return json;
}

static json_t *json_store(const struct store *store)
{
    static const char *const conditions[] = { "ok", "full", "failing" };
    struct store_health health;
    struct store_totals totals;
    json_t *json = json_object();

    store_health(store, &health);
    store_totals(store, STR_NONE, &totals);
    json_put(json, "condition", json_string(conditions[health.condition]));
    json_put(json, "problem",
             health.condition == STORE_OK ? json_null() : json_verdict(&health.verdict));
    json_put(json, "missing_keys", json_text(health.missing_keys));
    json_put(json, "free_bytes", json_number(health.free_bytes));
    json_put(json, "used_bytes", json_number(health.used_bytes));
    json_put(json, "arriving_bytes", json_number(store_memory(store)));
    json_put(json, "held", json_number(totals.held_count));
    json_put(json, "held_bytes", json_number(totals.held_bytes));
    json_put(json, "oldest_held", json_time(totals.oldest_held_ms));
    json_put(json, "rescued", json_number(totals.rescued_count));
    json_put(json, "rescued_bytes", json_number(totals.rescued_bytes));
    return json;
}

/* What is encrypted with them waits, and nobody but the operator can help. */
json_t *json_key_warnings(const struct request *request)
{
    struct store_health health;
    json_t *warnings = json_array();

    store_health(request->control->setup.store, &health);
    if (health.missing_keys.len > 0)
        (void)json_array_append_new(
            warnings,
            json_string("mail waits for keys that are missing; put them back into the file that "
                        "encryption { keys } names, behind the first one, and reload; status "
                        "names them"));
    return warnings;
}

struct overview {
    struct request *request;
    json_t *listed;
    int64_t room; /* for that many more in `listed` */
    uint64_t domains;
    uint64_t in_state[ROUTE_STATES];
    uint64_t unknown;
    bool left_out;
};

/* Those that need attention: not up, or with mail. */
static void look_at(struct overview *overview, struct str name)
{
    const struct control_setup *setup = &overview->request->control->setup;
    struct route_status status;
    struct store_totals totals;
    bool is_up = false;

    overview->domains++;
    if (setup->host->route_status(setup->context, name, overview->request->now, &status)) {
        overview->in_state[status.state]++;
        is_up = status.state == ROUTE_STATE_UP;
    } else {
        overview->unknown++;
    }
    store_totals(setup->store, name, &totals);
    if (is_up && totals.held_count == 0)
        return;
    if (overview->room == 0) {
        overview->left_out = true;
        return;
    }
    overview->room--;
    (void)json_array_append_new(overview->listed, json_domain_summary(overview->request, name));
}

static void look_at_all(struct overview *overview)
{
    const struct control_setup *setup = &overview->request->control->setup;
    const struct domain_record *record;
    struct str name;
    size_t cursor = 0;

    while ((record = directory_next_domain(setup->directory, &cursor)) != NULL)
        look_at(overview, record->name);
    cursor = 0;
    while (store_next_domain(setup->store, &cursor, &name))
        if (directory_find_domain(setup->directory, name) == NULL && overview->room > 0) {
            overview->room--;
            (void)json_array_append_new(overview->listed,
                                        json_domain_summary(overview->request, name));
        }
}

static json_t *json_routes(const struct overview *overview)
{
    json_t *json = json_object();

    json_put(json, "domains", json_number(overview->domains));
    for (int i = 0; i < ROUTE_STATES; i++)
        json_put(json, control_state_name((enum route_state)i), json_number(overview->in_state[i]));
    json_put(json, "unknown", json_number(overview->unknown));
    return json;
}

void operation_status(struct request *request)
{
    const struct control_setup *setup = &request->control->setup;
    int64_t limit = argument_number(request, "limit", DOMAINS_DEFAULT);
    struct overview overview = { .request = request, .listed = json_array() };
    json_t *body = json_object();

    overview.room = limit < DOMAINS_MAX ? limit : DOMAINS_MAX;
    look_at_all(&overview);
    json_put(body, "version", json_string(HOLDFAST_VERSION));
    json_put(body, "hostname", json_text(setup->config->hostname));
    json_put(body, "time", json_time(request->now.wall_ms));
    json_put(body, "started", json_time(setup->started_ms));
    json_put(body, "roles", json_roles(request));
    json_put(body, "store", json_store(setup->store));
    json_put(body, "warnings", json_key_warnings(request));
    json_put(body, "routes", json_routes(&overview));
    json_put(body, "domains", overview.listed);
    json_put(body, "domains_left_out", json_boolean(overview.left_out));
    request_answer(request, body);
}
