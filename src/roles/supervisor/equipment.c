/* SPDX-License-Identifier: ISC */
/* equipment.c: what a role is given over its leash.
 *
 * When it starts: the configuration, then what only such a role needs (listeners, certificates,
 * keys), channels to its peers (channels.c), and the word to run. From then on it is confined, and
 * what it has no hands to fetch is handed out to it again when it has changed.
 *
 * Descriptors stay ours as well: the next life of the role is given the same ones.
 */
#include "base/log.h"
#include "roles/spool_keys.h"
#include "roles/supervisor/private.h"

static int send_config(struct supervisor_child *child)
{
    struct buf bytes = { 0 };
    config_encode(child->supervisor->config, &bytes);
    int error = leash_send(&child->leash, -1, configure, .config = buf_str(&bytes));
    buf_fini(&bytes);
    return error;
}

/* ---- listeners ---- */

/* A receiver's own sockets, and those of the next one: should that one be in trouble, whoever waits
 * there is seen to. */
static int send_smtp_listeners(struct supervisor_child *child)
{
    const struct listeners *listeners = &child->supervisor->listeners;
    unsigned own = child->index - 1;
    unsigned next = (own + 1) % listeners->receivers;
    int error = 0;

    for (unsigned i = 0; i < listeners->count && error == 0; i++) {
        error = leash_send(&child->leash, listeners->socket[own][i], listener,
                           .kind = listeners->kind[i]);
        if (error == 0 && next != own)
            error = leash_send(&child->leash, listeners->socket[next][i], listener,
                               .kind = listeners->kind[i] | LISTENER_NEIGHBOUR);
    }
    return error;
}

static int send_portal_listeners(struct supervisor_child *child)
{
    const struct supervisor *supervisor = child->supervisor;
    const struct listeners *listeners = &supervisor->listeners;
    int error = 0;

    for (unsigned i = 0; i < listeners->portal_count && error == 0; i++)
        error = leash_send(&child->leash, listeners->portal[i], listener,
                           .kind = LISTENER_PORTAL |
                                   (supervisor->config->portal_tls ? LISTENER_SECURE : 0U));
    return error;
}

/* ---- certificates ---- */

static bool shows_certificates(const struct supervisor_child *child)
{
    return child->role == ROLE_RECEIVER || child->role == ROLE_PORTAL;
}

static int send_certificates(struct supervisor_child *child)
{
    const struct certificates *certificates = &child->supervisor->certificates;

    return leash_send(&child->leash, -1, certificates, .pairs = buf_str(&certificates->pairs),
                      .ticket_key = buf_str(&certificates->ticket_key),
                      .ticket_key_before = buf_str(&certificates->ticket_key_before));
}

void supervisor_hand_out_certificates(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct supervisor_child *child = &supervisor->child[i];
        if (shows_certificates(child) && supervisor_is_alive(child) &&
            send_certificates(child) != 0)
            supervisor_log_child(LOG_WARN, "certificates_not_handed_over", child);
    }
}

static int send_certificate_ends(struct supervisor_child *child)
{
    return leash_send(&child->leash, -1, certificate_ends,
                      .ends = buf_str(&child->supervisor->certificates.ends));
}

void supervisor_hand_out_certificate_ends(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct supervisor_child *child = &supervisor->child[i];
        if (child->role == ROLE_KEEPER && supervisor_is_alive(child) &&
            send_certificate_ends(child) != 0)
            supervisor_log_child(LOG_WARN, "certificate_ends_not_handed_over", child);
    }
}

/* ---- keys of the spool ---- */

/* Read anew for each keeper, and forgotten at once. */
static int send_spool_keys(struct supervisor_child *child)
{
    struct str path = child->supervisor->config->encryption_keys;
    struct buf file = { 0 };

    spool_keys_read(path, &file);
    int error = leash_send(&child->leash, -1, spool_keys, .file = buf_str(&file),
                           .is_wanted = path.len > 0);
    spool_keys_forget(&file);
    spool_keys_forget(&child->leash.out);
    return error;
}

void supervisor_hand_out_spool_keys(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct supervisor_child *child = &supervisor->child[i];
        if (child->role == ROLE_KEEPER && supervisor_is_alive(child) && send_spool_keys(child) != 0)
            supervisor_log_child(LOG_WARN, "spool_keys_not_handed_over", child);
    }
}

/* ---- all of it ---- */

static int send_by_role(struct supervisor_child *child)
{
    const struct listeners *listeners = &child->supervisor->listeners;
    int error = 0;

    if (child->role == ROLE_KEEPER && listeners->control >= 0)
        error = leash_send(&child->leash, listeners->control, listener, .kind = LISTENER_CONTROL);
    if (error == 0 && child->role == ROLE_KEEPER)
        error = send_spool_keys(child);
    if (error == 0 && child->role == ROLE_KEEPER)
        error = send_certificate_ends(child);
    if (child->role == ROLE_RECEIVER)
        error = send_smtp_listeners(child);
    if (error == 0 && child->role == ROLE_RECEIVER)
        error = leash_send(&child->leash, child->supervisor->board, board,
                           .slots = child->supervisor->config->receivers);
    if (child->role == ROLE_PORTAL)
        error = send_portal_listeners(child);
    if (error == 0 && shows_certificates(child))
        error = send_certificates(child);
    return error;
}

int supervisor_equip(struct supervisor_child *child)
{
    int error = send_config(child);
    if (error == 0)
        error = send_by_role(child);
    if (error != 0)
        return error;
    supervisor_join_peers(child);
    return leash_send(&child->leash, -1, run, .index = child->index);
}
