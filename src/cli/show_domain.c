/* SPDX-License-Identifier: ISC */
/* show_domain.c: status and domains for people. */
#include "cli/show.h"

#include "base/printable.h"

/* ---- tables of domains ---- */

static void print_domains(struct cli *cli, const json_t *domains)
{
    struct table table = { .heading = { "DOMAIN", "STATE", "SINCE", ">HELD", ">SIZE", "OLDEST",
                                        ">RESCUED", "NEXT PROBE", "REASON" },
                           .use_color = cli->use_color,
                           .language = cli->language };
    const json_t *domain;
    size_t i;

    json_array_foreach(domains, i, domain)
    {
        cell_text(&table, domain, "name");
        cell_state(&table, domain, "state");
        cell_age(&table, cli, domain, "since");
        cell_number(&table, domain, "held");
        cell_size(&table, domain, "held_bytes");
        cell_age(&table, cli, domain, "oldest_held");
        cell_number(&table, domain, "rescued");
        cell_until(&table, cli, domain, "next_probe");
        cell_text(&table, domain, "reason");
    }
    table_print(&table, &cli->out);
}

void show_domains(struct cli *cli, const json_t *answer)
{
    const json_t *domains = json_object_get(answer, "domains");
    struct str after = show_text(answer, "after");
    struct buf shown = { 0 };

    if (json_array_size(domains) == 0) {
        show_sentence(cli, "no domain is protected yet; `holdfast domain add example.org` "
                           "begins\n");
        return;
    }
    print_domains(cli, domains);
    printable_add(&shown, after);
    if (after.len > 0)
        buf_add_format(&cli->out,
                       text_in(cli->language, "more: holdfast domain list --after %.*s\n"),
                       STR_FMT(buf_str(&shown)));
    buf_fini(&shown);
}

/* ---- status ---- */

static void print_roles(struct cli *cli, const json_t *roles)
{
    struct table table = { .heading = { "ROLE", ">PID", "UP FOR", ">RESTARTS" },
                           .use_color = cli->use_color,
                           .language = cli->language };
    const json_t *role;
    size_t i;

    json_array_foreach(roles, i, role)
    {
        cell_text(&table, role, "name");
        cell_number(&table, role, "pid");
        cell_age(&table, cli, role, "started");
        cell_number(&table, role, "restarts");
    }
    table_print(&table, &cli->out);
}

static void print_amount(struct cli *cli, const char *name, const json_t *store, const char *count,
                         const char *bytes)
{
    line_name(cli, name);
    buf_add_format(&cli->out, text_in(cli->language, "%lld messages, "),
                   (long long)show_number(store, count));
    human_add_size(&cli->out, show_number(store, bytes));
    buf_add_byte(&cli->out, '\n');
}

static void print_store(struct cli *cli, const json_t *store)
{
    struct str condition = show_text(store, "condition");
    const char *color = cli->use_color ? show_color(condition) : NULL;

    line_name(cli, "store");
    buf_add(&cli->out, str_from(color));
    printable_add(&cli->out, condition);
    buf_add(&cli->out, color != NULL ? STR(COLOR_RESET ", ") : STR(", "));
    human_add_size(&cli->out, show_number(store, "used_bytes"));
    show_sentence(cli, " used, ");
    human_add_size(&cli->out, show_number(store, "free_bytes"));
    show_sentence(cli, " free\n");
    line_member(cli, "", store, "problem");
    line_member(cli, "missing keys", store, "missing_keys");
    print_amount(cli, "held", store, "held", "held_bytes");
    print_amount(cli, "rescued", store, "rescued", "rescued_bytes");
}

static void print_routes(struct cli *cli, const json_t *routes)
{
    static const char *const states[] = { "up",      "shaky",    "down",   "half-up",
                                          "blocked", "stranger", "paused", "unknown" };

    line_name(cli, "domains");
    buf_add_format(&cli->out, text_in(cli->language, "%lld protected"),
                   (long long)show_number(routes, "domains"));
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (show_number(routes, states[i]) > 0)
            buf_add_format(&cli->out, ", %lld %s", (long long)show_number(routes, states[i]),
                           states[i]);
    buf_add_byte(&cli->out, '\n');
}

static void print_warnings(struct cli *cli, const json_t *answer)
{
    const json_t *warning;
    size_t i;

    json_array_foreach(json_object_get(answer, "warnings"), i, warning)
        line_text(cli, "warning", str_from(text_in(cli->language, json_string_value(warning))));
}

void show_status(struct cli *cli, const json_t *answer)
{
    const json_t *domains = json_object_get(answer, "domains");
    int64_t uptime_ms;

    print_warnings(cli, answer);
    line_member(cli, "holdfast", answer, "version");
    line_member(cli, "hostname", answer, "hostname");
    if (show_age(cli, answer, "started", &uptime_ms)) {
        line_name(cli, "up for");
        human_add_span(&cli->out, uptime_ms);
        buf_add_byte(&cli->out, '\n');
    }
    print_store(cli, json_object_get(answer, "store"));
    print_routes(cli, json_object_get(answer, "routes"));
    buf_add_byte(&cli->out, '\n');
    print_roles(cli, json_object_get(answer, "roles"));
    if (json_array_size(domains) == 0)
        return;
    buf_add_byte(&cli->out, '\n');
    print_domains(cli, domains);
    if (json_is_true(json_object_get(answer, "domains_left_out")))
        show_sentence(cli, "and more; `holdfast domain list` shows all\n");
}

/* ---- one domain ---- */

static void print_settings(struct cli *cli, const json_t *domain)
{
    struct table table = { .heading = { "SETTING", "VALUE", "FROM" },
                           .use_color = cli->use_color,
                           .language = cli->language };
    json_t *settings = json_object_get(domain, "settings");
    const json_t *set = json_object_get(domain, "set");
    const char *name;
    const json_t *value;

    json_object_foreach(settings, name, value)
    {
        table_add(&table, str_from(name));
        cell_text(&table, settings, name);
        table_add(&table, json_object_get(set, name) != NULL ? STR("domain") : STR("node"));
    }
    table_print(&table, &cli->out);
}

static void print_targets(struct cli *cli, const json_t *route)
{
    struct table table = { .heading = { "TARGET", "ADDRESS", ">PREFERENCE", "TLS", "ANSWERS",
                                        "TRIED", "LAST ANSWER" },
                           .use_color = cli->use_color,
                           .language = cli->language };
    const json_t *target;
    size_t i;

    json_array_foreach(json_object_get(route, "targets"), i, target)
    {
        bool answers = json_is_true(json_object_get(target, "answers"));
        cell_text(&table, target, "host");
        cell_text(&table, target, "endpoint");
        cell_number(&table, target, "preference");
        cell_text(&table, target, "tls");
        table_add_colored(&table, answers ? STR("yes") : STR("no"),
                          answers ? COLOR_GOOD : COLOR_BAD);
        cell_age(&table, cli, target, "last_tried");
        cell_text(&table, target, "last_answer");
    }
    table_print(&table, &cli->out);
}

static void print_trials(struct cli *cli, const json_t *route)
{
    struct str tripped = show_text(route, "breaker_tripped");

    if (tripped.len > 0) {
        line_name(cli, "breaker");
        buf_add_format(&cli->out,
                       text_in(cli->language, "tripped since %s: it refuses what it should take\n"),
                       tripped.ptr);
    }
    if (show_number(route, "on_trial") > 0) {
        line_name(cli, "on trial");
        buf_add_format(&cli->out,
                       text_in(cli->language, "%lld refused, which is not believed yet\n"),
                       (long long)show_number(route, "on_trial"));
    }
}

static void print_route(struct cli *cli, const json_t *route)
{
    line_member(cli, "reason", route, "reason");
    print_trials(cli, route);
    line_name(cli, "sessions");
    buf_add_format(&cli->out, text_in(cli->language, "%lld open, %lld allowed\n"),
                   (long long)show_number(route, "sessions"),
                   (long long)show_number(route, "sessions_allowed"));
    line_name(cli, "delivered");
    buf_add_format(
        &cli->out, text_in(cli->language, "%lld messages, %lld deferred, %lld attempts\n\n"),
        (long long)show_number(route, "delivered"), (long long)show_number(route, "deferred"),
        (long long)show_number(route, "attempts"));
    if (json_is_true(json_object_get(route, "plan_is_old")))
        show_sentence(cli, "DNS does not answer; these are the targets known before\n");
    print_targets(cli, route);
}

static void print_primaries(struct cli *cli, const json_t *primaries)
{
    const json_t *primary;
    size_t i;

    if (json_array_size(primaries) == 0)
        line_text(cli, "primary", str_from(text_in(cli->language, "from the MX records")));
    json_array_foreach(primaries, i, primary)
        line_text(cli, i == 0 ? "primary" : "", str_from(json_string_value(primary)));
}

/* In a line, where there is something to say. */
static void print_policy(struct cli *cli, const json_t *policy)
{
    struct str mode = show_text(policy, "mode");
    struct str problem = show_text(policy, "problem");

    if (mode.len == 0 && problem.len == 0)
        return;
    line_name(cli, "MTA-STS");
    if (mode.len > 0)
        buf_add_format(&cli->out, text_in(cli->language, "%.*s, until %.*s"), STR_FMT(mode),
                       STR_FMT(show_text(policy, "expires")));
    else
        buf_add(&cli->out, str_from(text_in(cli->language, "none")));
    if (problem.len > 0)
        buf_add_format(&cli->out, " (%.*s)", STR_FMT(problem));
    buf_add_byte(&cli->out, '\n');
}

/* Of a primary that calls. */
static void print_lines(struct cli *cli, const json_t *domain)
{
    const json_t *primary = json_array_get(json_object_get(domain, "primary"), 0);
    bool calls =
        json_is_string(primary) && str_equals(str_from(json_string_value(primary)), STR("agent"));
    long long count = (long long)show_number(domain, "lines");

    if (count == 0 && !calls)
        return;
    line_name(cli, "lines");
    buf_add_format(&cli->out,
                   text_in(cli->language, count > 0 ? "%lld from the primary\n"
                                                    : "%lld, the primary has not called\n"),
                   count);
}

/* Where the primary is said to be, in a line each. */
static void print_address(struct cli *cli, const json_t *address)
{
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(address, "addresses"), i, one)
    {
        struct str last = show_text(one, "last_answer");
        line_name(cli, i == 0 ? "address" : "");
        printable_add(&cli->out, show_text(one, "address"));
        buf_add_format(&cli->out, text_in(cli->language, ", %.*s since %.*s"),
                       STR_FMT(show_text(one, "state")), STR_FMT(show_text(one, "since")));
        if (last.len > 0 && !str_equals(show_text(one, "state"), STR("proved"))) {
            buf_add(&cli->out, STR(" ("));
            printable_add(&cli->out, last);
            buf_add_byte(&cli->out, ')');
        }
        buf_add_byte(&cli->out, '\n');
    }
    json_array_foreach(json_object_get(address, "used"), i, one)
        line_text(cli, i == 0 ? "used" : "", str_from(json_string_value(one)));
}

void show_address(struct cli *cli, const json_t *answer)
{
    const json_t *address = json_object_get(answer, "address");

    line_member(cli, "domain", answer, "name");
    if (address == NULL || json_is_null(address)) {
        line_text(cli, "address", str_from(text_in(cli->language, "none was told")));
        return;
    }
    line_member(cli, "told", address, "told");
    print_address(cli, address);
}

static void print_pause(struct cli *cli, const json_t *domain)
{
    const json_t *paused = json_object_get(domain, "paused");

    if (json_is_true(paused))
        line_text(cli, "paused",
                  str_from(text_in(cli->language, "until `holdfast domain resume`")));
    else if (json_is_string(paused))
        line_text(cli, "paused until", str_from(json_string_value(paused)));
}

void show_domain(struct cli *cli, const json_t *answer)
{
    const json_t *domain = json_object_get(answer, "domain");
    const json_t *route = json_object_get(domain, "route");

    print_warnings(cli, answer);
    line_member(cli, "domain", domain, "name");
    line_member(cli, "state", domain, "state");
    print_pause(cli, domain);
    print_primaries(cli, json_object_get(domain, "primary"));
    print_lines(cli, domain);
    print_address(cli, json_object_get(domain, "address"));
    print_policy(cli, json_object_get(domain, "mta_sts"));
    line_member(cli, "added", domain, "added");
    print_amount(cli, "held", domain, "held", "held_bytes");
    print_amount(cli, "rescued", domain, "rescued", "rescued_bytes");
    if (route != NULL)
        print_route(cli, route);
    buf_add_byte(&cli->out, '\n');
    print_settings(cli, domain);
}

void show_check(struct cli *cli, const json_t *answer)
{
    const json_t *route = json_object_get(answer, "route");
    struct str problem = show_text(answer, "problem");

    line_member(cli, "domain", answer, "name");
    line_member(cli, "state", route, "state");
    line_text(cli, "problem", problem.len > 0 ? problem : str_from(text_in(cli->language, "none")));
    print_route(cli, route);
}

void show_removed(struct cli *cli, const json_t *answer)
{
    (void)answer;
    buf_add_format(
        &cli->out,
        text_in(cli->language, "%s is no longer protected; mail for it is refused from now on\n"),
        cli->argument[0]);
}
