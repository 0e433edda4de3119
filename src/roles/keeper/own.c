/* SPDX-License-Identifier: ISC */
/* own.c: mail that we write ourselves.
 *
 * It is stored as any other and goes the same way: to the primary, where its domain is protected
 * here, else to the hosts that its MX records name. For those domains there are routes that no
 * directory knows: they come with the first message and go when nothing of it is left. Its envelope
 * says whose it is, so that after a restart it is told from the mail of a domain that was removed,
 * which stays where it is.
 *
 * Reports about TLS are lax: they are to arrive though TLS fails, for that is what they tell of
 * (RFC 8460 3). A route that nothing else waits for is lax, too: its hosts have to show nothing,
 * and hear of them in the clear where a handshake fails. The first other mail for the domain makes
 * it strict, before it may go, and for as long as there is the route.
 *
 * What nobody takes within its holding time, or is refused, lies in the rescue store for a day.
 */
#include <errno.h>

#include "base/log.h"
#include "base/memory.h"
#include "mail/domain.h"
#include "roles/keeper/keeper.h"

enum { SWEEP_MS = MINUTE_MS, OWN_ROUTES_MAX = 5000 };

struct own_route {
    struct buf domain;
    bool is_lax;
    bool is_clear; /* and a handshake has failed */
};

/* A stranger's server is not watched as a primary is: it is tried again after 10, 20, 40 minutes …
 * and then every three hours (RFC 5321 4.5.4.1), until the mail is too old. */
static struct domain_settings own_settings(bool is_lax)
{
    static const struct {
        enum setting setting;
        int64_t value;
    } values[] = {
        { SETTING_HOLD, 2LL * DAY_MS },
        { SETTING_RESCUE, DAY_MS },
        { SETTING_SESSIONS, 2 },
        { SETTING_SESSIONS_START, 1 },
        { SETTING_PROBE_INTERVAL, 10LL * MINUTE_MS },
        { SETTING_PROBE_INTERVAL_MAX, 3LL * HOUR_MS },
        { SETTING_PROBE_INTERVAL_UP, DAY_MS },
        { SETTING_CONNECT_TIMEOUT, 30LL * SECOND_MS },
        { SETTING_RETRY_FIRST, 10LL * MINUTE_MS },
        { SETTING_RETRY_MAX, 4LL * HOUR_MS },
    };
    struct domain_settings settings = { 0 };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        (void)setting_put_number(&settings, values[i].setting, values[i].value);
    if (is_lax) /* RFC 8460 5.5 */
        (void)setting_put_number(&settings, SETTING_HOLD, DAY_MS);
    (void)setting_put_text(&settings, SETTING_NOTIFY_DELAY, STR("none"));
    return settings;
}

static struct own_route *find_route(const struct keeper *keeper, struct str domain)
{
    return map_find(&keeper->own_routes, domain);
}

bool keeper_own_has_route(const struct keeper *keeper, struct str domain)
{
    return find_route(keeper, domain) != NULL;
}

static void put_route(struct keeper *keeper, const struct own_route *route)
{
    struct domain_settings settings = own_settings(route->is_lax);

    schedule_put_route(keeper->schedule, buf_str(&route->domain), &settings, 0, keeper_now(keeper));
}

/* No session that was opened while it was lax has anything of it any more. */
static void make_strict(struct keeper *keeper, struct own_route *route)
{
    route->is_lax = false;
    schedule_remove_route(keeper->schedule, buf_str(&route->domain), keeper_now(keeper));
    put_route(keeper, route);
}

static void add_route(struct keeper *keeper, struct str domain, bool is_lax)
{
    struct own_route *route = find_route(keeper, domain);

    if (route != NULL && route->is_lax && !is_lax)
        make_strict(keeper, route);
    if (route != NULL)
        return;
    route = memory_new(sizeof *route);
    buf_add(&route->domain, domain);
    route->is_lax = is_lax;
    (void)map_put(&keeper->own_routes, domain, route);
    put_route(keeper, route);
    if (keeper->own_sweep_ms == 0)
        keeper->own_sweep_ms = keeper_now(keeper).mono_ms + SWEEP_MS;
}

/* ---- lax ones ---- */

bool keeper_own_is_lax(const struct keeper *keeper, struct str domain)
{
    const struct own_route *route = find_route(keeper, domain);

    return route != NULL && route->is_lax &&
           directory_find_domain(keeper->directory, domain) == NULL;
}

/* The name, which nobody looks at, tells its targets from those of others, whose sessions count. */
struct security keeper_own_lax_security(const struct keeper *keeper, struct str domain,
                                        struct str host)
{
    const struct own_route *route = find_route(keeper, domain);
    bool is_clear = route->is_clear ||
                    setting_value(NULL, &keeper->process->config->defaults, SETTING_TLS) == TLS_NO;

    return (struct security){ .level = is_clear ? SECURITY_CLEAR : SECURITY_MAY,
                              .name = { host },
                              .name_count = 1 };
}

void keeper_own_tls_failed(struct keeper *keeper, struct str domain)
{
    struct own_route *route = find_route(keeper, domain);

    if (route == NULL || route->is_clear)
        return;
    route->is_clear = true;
    keeper_route_ask(keeper, domain);
}

static void route_free(struct keeper *keeper, struct own_route *route)
{
    (void)map_remove(&keeper->own_routes, buf_str(&route->domain));
    buf_fini(&route->domain);
    memory_free(route);
}

/* A domain that is protected now has a route of its own, which is not ours to take away. */
static void sweep(struct keeper *keeper)
{
    struct own_route *route;
    size_t cursor = 0;

    while ((route = map_next(&keeper->own_routes, &cursor, NULL)) != NULL) {
        struct store_totals totals;
        struct str domain = buf_str(&route->domain);
        bool is_listed = directory_find_domain(keeper->directory, domain) != NULL;
        store_totals(keeper->store, domain, &totals);
        if (!is_listed && totals.held_count + totals.rescued_count > 0)
            continue;
        if (!is_listed)
            schedule_remove_route(keeper->schedule, domain, keeper_now(keeper));
        route_free(keeper, route);
        cursor = 0;
    }
}

void keeper_own_turn(struct keeper *keeper, struct now now)
{
    if (keeper->own_sweep_ms == 0 || now.mono_ms < keeper->own_sweep_ms)
        return;
    sweep(keeper);
    keeper->own_sweep_ms = keeper->own_routes.count > 0 ? now.mono_ms + SWEEP_MS : 0;
}

int64_t keeper_own_deadline(const struct keeper *keeper)
{
    return keeper->own_sweep_ms != 0 ? keeper->own_sweep_ms : NEVER_MS;
}

void keeper_own_fini(struct keeper *keeper)
{
    struct own_route *route;
    size_t cursor = 0;

    while ((route = map_next(&keeper->own_routes, &cursor, NULL)) != NULL) {
        route_free(keeper, route);
        cursor = 0;
    }
    map_fini(&keeper->own_routes);
}

/* ---- sending ---- */

struct own_message {
    struct keeper *keeper;
    struct buf domain;
    struct message_id id;
    struct entry entry;
    bool is_lax;
    own_done *done;
    void *context;
};

static void message_free(struct own_message *message)
{
    buf_fini(&message->domain);
    memory_free(message);
}

static enum own_fate fate_of(int error)
{
    switch (error) {
    case 0:
        return OWN_STORED;
    case -EEXIST:
        return OWN_STORED_BEFORE;
    case -ECANCELED:
        return OWN_CANCELLED;
    default:
        return OWN_BUSY;
    }
}

static void tell_fate(const struct own_message *message, int error)
{
    if (message->done != NULL)
        message->done(message->context, fate_of(error));
}

static void on_stored(void *context, int error)
{
    struct own_message *message = context;
    struct keeper *keeper = message->keeper;
    struct str domain = buf_str(&message->domain);

    if (error != 0) {
        if (error != -EEXIST || message->done == NULL)
            log_error("own_mail_not_stored", LOG_ID(message->id), LOG_STR("domain", domain),
                      LOG_INT("error", -error));
        tell_fate(message, error);
        message_free(message);
        return;
    }
    log_info("own_mail", LOG_ID(message->id), LOG_STR("domain", domain),
             LOG_INT("size", message->entry.size));
    if (directory_find_domain(keeper->directory, domain) == NULL)
        add_route(keeper, domain, message->is_lax);
    message->entry.domain = domain;
    schedule_arrived(keeper->schedule, &message->entry, keeper_now(keeper));
    tell_fate(message, 0);
    message_free(message);
}

struct message_id keeper_own_new_id(struct keeper *keeper)
{
    return message_id_new(keeper_mail_now(keeper).wall_ms, &keeper->process->random);
}

void keeper_own_sign(const struct keeper *keeper, struct str mail, int64_t now_s, struct buf *out)
{
    const struct signing_key *key = &keeper->sign.key;

    if (key->key == NULL || !signing_add_mail(key, mail, now_s, out))
        buf_add(out, mail);
}

/* Mail of others for this domain waits here, which was removed: it must not find a way out. */
static bool has_mail_of_others(const struct keeper *keeper, struct str domain)
{
    struct store_totals totals;

    if (directory_find_domain(keeper->directory, domain) != NULL ||
        keeper_own_has_route(keeper, domain))
        return false;
    store_totals(keeper->store, domain, &totals);
    return totals.held_count + totals.rescued_count > 0;
}

static void store_mail(struct keeper *keeper, struct own_message *message,
                       const struct own_mail *mail, struct str address)
{
    int64_t wall_ms = keeper_mail_now(keeper).wall_ms;
    struct recipient recipient = { .address = address };
    struct envelope envelope = {
        .id = message->id,
        .received_ms = wall_ms,
        .body_type = mail->body_type,
        .flags = (uint8_t)(ENVELOPE_OWN | (mail->needs_utf8 ? ENVELOPE_SMTPUTF8 : 0) |
                           (mail->is_lax ? ENVELOPE_LAX : 0)),
        .helo = keeper->process->config->hostname,
        .protocol = STR("local"),
        .sender = mail->sender,
        .recipient = &recipient,
        .recipient_count = 1,
    };
    struct store_upload *upload = store_upload_open(keeper->store, message->id);

    store_upload_write(upload, mail->content);
    message->entry = (struct entry){ .id = message->id,
                                     .state = ENTRY_HELD,
                                     .since_ms = wall_ms,
                                     .size = mail->content.len,
                                     .pending = 1 };
    store_append(keeper->store, upload, &envelope, STR_NONE, on_stored, message);
}

enum own_fate keeper_own_send(struct keeper *keeper, struct message_id id,
                              const struct own_mail *mail)
{
    struct own_message *message = memory_new(sizeof *message);
    ptrdiff_t at = str_find_last(mail->recipient, '@');
    struct buf address = { 0 };

    message->keeper = keeper;
    message->id = id;
    message->is_lax = mail->is_lax;
    message->done = mail->done;
    message->context = mail->context;
    bool is_fine =
        at > 0 && domain_normalise(str_skip(mail->recipient, (size_t)at + 1), &message->domain);
    bool is_closed = !is_fine || has_mail_of_others(keeper, buf_str(&message->domain));
    if (is_closed || keeper->own_routes.count >= OWN_ROUTES_MAX) {
        bool is_unsure = is_fine && keeper->own_looks > 0;
        log_warn("own_mail_not_sent", LOG_STR("to", mail->recipient),
                 LOG_TEXT("why",
                          is_fine ? "there is no way for it at the moment" : "that is no address"));
        message_free(message);
        return is_closed && !is_unsure ? OWN_NO_WAY : OWN_BUSY;
    }
    buf_add(&address, str_first(mail->recipient, (size_t)at + 1));
    buf_add(&address, buf_str(&message->domain));
    store_mail(keeper, message, mail, buf_str(&address));
    buf_fini(&address);
    return OWN_STORED;
}

/* ---- after a restart ----
 *
 * Whose the first message is that waits for a domain, says whose all of them are. The route is lax
 * if each one is; where there are many, nobody looks at all of them. */

enum { LOOK_MAX = 50 };

struct look {
    struct keeper *keeper;
    struct buf domain;
    struct message_id id[LOOK_MAX];
    uint32_t count, at;
    bool may_be_lax;
};

static void look_free(struct look *look)
{
    look->keeper->own_looks--;
    buf_fini(&look->domain);
    memory_free(look);
}

static void end_look(struct look *look, bool is_own, bool is_lax)
{
    struct str domain = buf_str(&look->domain);

    if (is_own)
        add_route(look->keeper, domain, is_lax);
    else
        log_warn("mail_of_unlisted_domain", LOG_STR("domain", domain),
                 LOG_TEXT("hint", "add the domain again, or see `holdfast queue list`"));
    look_free(look);
}

static void on_opened(void *context, int error, struct store_reader *reader,
                      const struct stored_message *message);

static void look_at_next(struct look *look)
{
    store_open(look->keeper->store, look->id[look->at++], STR_NONE, on_opened, look);
}

static void on_opened(void *context, int error, struct store_reader *reader,
                      const struct stored_message *message)
{
    struct look *look = context;

    if (error == -ECANCELED) { /* we are closing */
        look_free(look);
        return;
    }
    uint8_t flags = error == 0 ? message->envelope.flags : 0;
    bool is_own = look->at > 1 || (flags & ENVELOPE_OWN) != 0;
    bool is_lax = look->may_be_lax && (flags & ENVELOPE_LAX) != 0;
    if (error == 0)
        store_reader_close(reader);
    if (is_lax && look->at < look->count)
        look_at_next(look);
    else
        end_look(look, is_own, is_lax);
}

static void on_listed(void *context, int error, const struct store_listing *listing)
{
    struct look *look = context;

    if (error != 0 || listing->count == 0) {
        look_free(look);
        return;
    }
    look->count = listing->count < LOOK_MAX ? listing->count : LOOK_MAX;
    look->may_be_lax = !listing->more;
    for (uint32_t i = 0; i < look->count; i++)
        look->id[i] = listing->entry[i].id;
    look_at_next(look);
}

void keeper_own_look(struct keeper *keeper, struct str domain)
{
    struct look *look = memory_new(sizeof *look);
    struct store_query query = { .limit = LOOK_MAX };

    if (keeper_own_has_route(keeper, domain)) {
        memory_free(look);
        return;
    }
    look->keeper = keeper;
    keeper->own_looks++;
    buf_add(&look->domain, domain);
    query.domain = buf_str(&look->domain);
    store_list(keeper->store, &query, on_listed, look);
}
