/* SPDX-License-Identifier: ISC */
/* logins.c: who has logged in, through which receiver, and until when that holds.
 *
 * A receiver is believed no login that it has not had from us: whoever took one over could else
 * fetch the mail of every domain. (By a certificate, AUTH EXTERNAL, it is the receiver that says
 * what was shown.)
 *
 * A login holds as long as its receiver lives and nothing of what it rests on has changed: the
 * secret, the setting client-pin, that the domain is here. Then its connections are ended; and
 * where the setting login has changed, whoever has called for the domain's mail is to call again.
 */
#include "base/memory.h"
#include "roles/keeper/keeper.h"

struct login {
    uint32_t source;
    struct buf user;
};

struct holder { /* of a domain: what it was told about who that is */
    struct buf text;
};

static struct buf key_of(uint32_t source, struct str user)
{
    struct buf key = { 0 };

    buf_add_u32(&key, source);
    buf_add(&key, user);
    return key;
}

static void remove_login(struct keeper *keeper, struct login *login)
{
    struct buf key = key_of(login->source, buf_str(&login->user));

    (void)map_remove(&keeper->logins, buf_str(&key));
    buf_fini(&login->user);
    memory_free(login);
    buf_fini(&key);
}

void keeper_login_add(struct keeper *keeper, uint32_t source, struct str user)
{
    struct buf key = key_of(source, user);

    if (map_find(&keeper->logins, buf_str(&key)) == NULL) {
        struct login *login = memory_new(sizeof *login);
        login->source = source;
        buf_add(&login->user, user);
        (void)map_put(&keeper->logins, buf_str(&key), login);
    }
    buf_fini(&key);
}

bool keeper_login_holds(const struct keeper *keeper, uint32_t source, struct str user)
{
    struct buf key = key_of(source, user);
    bool holds = map_find(&keeper->logins, buf_str(&key)) != NULL;

    buf_fini(&key);
    return holds;
}

void keeper_logins_drop_source(struct keeper *keeper, uint32_t source)
{
    struct login *login;
    size_t cursor = 0;

    while ((login = map_next(&keeper->logins, &cursor, NULL)) != NULL) {
        if (login->source != source)
            continue;
        remove_login(keeper, login);
        cursor = 0;
    }
}

void keeper_logins_end(struct keeper *keeper, struct str domain)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        const struct keeper_peer *peer = &keeper->peer[i];
        if (peer->channel == NULL || channel_peer(peer->channel) != ROLE_RECEIVER)
            continue;
        struct buf key = key_of(peer->source, domain);
        struct login *login = map_find(&keeper->logins, buf_str(&key));
        if (login != NULL) {
            remove_login(keeper, login);
            channel_send(peer->channel, logins_void, .domain = domain);
        }
        buf_fini(&key);
    }
    keeper_lines_dismiss(keeper, domain);
}

static struct buf holder_of(const struct keeper *keeper, const struct domain_record *record)
{
    const struct domain_settings *defaults = &keeper->process->config->defaults;
    struct buf text = { 0 };

    buf_add_counted(&text, keeper_login_of(keeper, record));
    buf_add_counted(&text, setting_text(&record->settings, defaults, SETTING_CLIENT_PIN));
    return text;
}

static void holder_free(struct holder *holder)
{
    if (holder == NULL)
        return;
    buf_fini(&holder->text);
    memory_free(holder);
}

void keeper_logins_domain_changed(struct keeper *keeper, const struct domain_record *record,
                                  struct str domain)
{
    const struct holder *before = map_find(&keeper->holders, domain);
    struct buf text = { 0 };

    if (record == NULL) {
        holder_free(map_remove(&keeper->holders, domain));
        keeper_logins_end(keeper, domain);
        return;
    }
    text = holder_of(keeper, record);
    if (before != NULL && str_equals(buf_str(&before->text), buf_str(&text))) {
        buf_fini(&text);
        return;
    }
    struct holder *holder = memory_new(sizeof *holder);
    holder->text = text;
    holder_free(map_put(&keeper->holders, domain, holder));
    keeper_logins_end(keeper, domain);
}

void keeper_logins_init(struct keeper *keeper)
{
    map_init(&keeper->logins);
    map_init(&keeper->holders);
}

void keeper_logins_fini(struct keeper *keeper)
{
    struct login *login;
    struct holder *holder;
    size_t cursor = 0;

    while ((login = map_next(&keeper->logins, &cursor, NULL)) != NULL) {
        buf_fini(&login->user);
        memory_free(login);
    }
    cursor = 0;
    while ((holder = map_next(&keeper->holders, &cursor, NULL)) != NULL)
        holder_free(holder);
    map_fini(&keeper->logins);
    map_fini(&keeper->holders);
}
