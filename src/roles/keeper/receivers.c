/* SPDX-License-Identifier: ISC */
/* receivers.c: what receivers ask of the keeper. */
#include "authenticate/policy.h"
#include "base/log.h"
#include "filter/policy.h"
#include "receive/session.h"
#include "roles/keeper/keeper.h"
#include "verify/door.h"

_Static_assert((int)RECEIVE_WINDOW <= (int)INTAKE_AHEAD_MAX, "a session may use its whole window");

static void answer(const struct keeper_peer *peer, uint64_t ticket, const struct verdict *verdict)
{
    struct buf bytes = { 0 };
    verdict_encode(&bytes, verdict);
    channel_send(peer->channel, content_answer, .ticket = ticket, .verdict = buf_str(&bytes));
    buf_fini(&bytes);
}

/* ---- what the intake says ---- */

const struct keeper_peer *keeper_peer_of_source(const struct keeper *keeper, uint32_t source)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (keeper->peer[i].channel != NULL && keeper->peer[i].source == source)
            return &keeper->peer[i];
    return NULL;
}

static void on_taken(void *context, struct intake_key key, uint64_t octets)
{
    const struct keeper_peer *peer = keeper_peer_of_source(context, key.source);
    if (peer != NULL)
        channel_send(peer->channel, content_taken, .ticket = key.ticket, .octets = octets);
}

static void on_answer(void *context, struct intake_key key, const struct verdict *verdict)
{
    const struct keeper_peer *peer = keeper_peer_of_source(context, key.source);
    if (peer != NULL)
        answer(peer, key.ticket, verdict);
}

/* Mail of our own is ours to write, and the ways that it has to the world are for nothing else. */
static bool on_may_bring(void *context, const struct envelope *envelope)
{
    struct keeper *keeper = context;

    if (envelope->flags & ENVELOPE_OWN)
        return false;
    for (uint32_t i = 0; keeper->own_routes.count > 0 && i < envelope->recipient_count; i++) {
        struct str domain = recipient_domain(&envelope->recipient[i]);
        if (keeper_own_has_route(keeper, domain) &&
            directory_find_domain(keeper->directory, domain) == NULL)
            return false;
    }
    keeper_note_unsure(keeper, envelope);
    return true;
}

static void on_arrived(void *context, const struct entry *entry)
{
    struct keeper *keeper = context;

    if (directory_find_domain(keeper->directory, entry->domain) == NULL) /* removed since RCPT */
        log_warn("mail_of_unlisted_domain", LOG_ID(entry->id), LOG_STR("domain", entry->domain),
                 LOG_TEXT("hint", "it is held; add the domain again, or discard it"));
    schedule_arrived(keeper->schedule, entry, keeper_now(keeper));
    keeper_quota_took(keeper, entry->domain);
}

const struct intake_host keeper_intake_host = {
    .taken = on_taken, .answer = on_answer, .may_bring = on_may_bring, .arrived = on_arrived
};

/* ---- what receivers say ---- */

void keeper_tell_health(struct keeper *keeper, struct keeper_peer *peer)
{
    struct store_health health;
    struct buf bytes = { 0 };

    store_health(keeper->store, &health);
    struct verdict verdict = health.condition == STORE_OK ? verdict_accept() : health.verdict;
    verdict_encode(&bytes, &verdict);
    channel_send(peer->channel, health, .verdict = buf_str(&bytes),
                 .size_max = keeper_size_max_of_any(keeper), .has_logins = keeper->has_logins,
                 .has_cram = keeper->has_cram, .has_client_pins = keeper->client_pins.count > 0);
    buf_fini(&bytes);
}

void keeper_tell_receivers(struct keeper *keeper)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        struct channel *channel = keeper->peer[i].channel;
        if (channel != NULL && channel_peer(channel) == ROLE_RECEIVER)
            keeper_tell_health(keeper, &keeper->peer[i]);
    }
}

static void add_primaries(const struct keeper *keeper, struct str domain, struct policy *policy)
{
    struct route_status status;

    if (!schedule_status(keeper->schedule, domain, keeper_now(keeper), &status))
        return;
    for (uint32_t i = 0; i < status.target_count && i < POLICY_PRIMARIES_MAX; i++)
        policy->primary[policy->primary_count++] = status.target[i].endpoint;
}

static struct policy policy_of(const struct keeper *keeper, struct str domain)
{
    const struct domain_settings *defaults = &keeper->process->config->defaults;
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    struct policy policy = { 0 };

    if (record == NULL)
        return policy;
    const struct domain_settings *own = &record->settings;
    policy.is_protected = true;
    policy.checks_senders = setting_value(own, defaults, SETTING_CHECK_SENDERS) != 0;
    policy.seals = setting_value(own, defaults, SETTING_ARC_SEAL) != 0;
    policy.dmarc_reject = (enum setting_action)setting_value(own, defaults, SETTING_DMARC_REJECT);
    policy.spf_fail = (enum setting_action)setting_value(own, defaults, SETTING_SPF_FAIL);
    policy.own_sender = (enum setting_action)setting_value(own, defaults, SETTING_OWN_SENDER);
    add_primaries(keeper, record->name, &policy);
    return policy;
}

static struct door_policy door_policy_of(const struct keeper *keeper, struct str domain)
{
    const struct domain_settings *defaults = &keeper->process->config->defaults;
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    const struct domain_settings *own = record != NULL ? &record->settings : NULL;

    return (struct door_policy){
        .helo_check = (enum setting_helo)setting_value(own, defaults, SETTING_HELO_CHECK),
        .needs_reverse_name = setting_value(own, defaults, SETTING_REVERSE_DNS) != 0,
        .dnsbl_threshold = (uint8_t)setting_value(own, defaults, SETTING_DNSBL_THRESHOLD),
    };
}

static struct filter_policy filter_policy_of(const struct keeper *keeper, struct str domain)
{
    const struct domain_settings *defaults = &keeper->process->config->defaults;
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    struct filter_policy policy = { 0 };

    if (record == NULL)
        return policy;
    const struct domain_settings *own = &record->settings;
    struct str names = setting_text(own, defaults, SETTING_FILTERS);
    policy.reject = (enum setting_action)setting_value(own, defaults, SETTING_FILTER_REJECT);
    policy.gone = (enum setting_gone)setting_value(own, defaults, SETTING_FILTER_GONE);
    policy.names.len = (uint8_t)names.len;
    for (size_t i = 0; i < names.len; i++)
        policy.names.bytes[i] = names.ptr[i];
    return policy;
}

static bool take_policy_ask(struct keeper *keeper, const struct keeper_peer *peer,
                            struct cursor payload)
{
    struct message_policy_ask message;
    struct buf bytes = { 0 };
    struct buf door_bytes = { 0 };
    struct buf filter_bytes = { 0 };

    if (!message_get_policy_ask(payload, &message))
        return false;
    struct policy policy = policy_of(keeper, message.domain);
    struct door_policy door = door_policy_of(keeper, message.domain);
    policy_encode(&bytes, &policy);
    struct filter_policy filters = filter_policy_of(keeper, message.domain);
    door_policy_encode(&door_bytes, &door);
    filter_policy_encode(&filter_bytes, &filters);
    channel_send(peer->channel, policy_answer, .ticket = message.ticket, .policy = buf_str(&bytes),
                 .door = buf_str(&door_bytes), .filters = buf_str(&filter_bytes));
    buf_fini(&filter_bytes);
    buf_fini(&bytes);
    buf_fini(&door_bytes);
    return true;
}

static bool take_commit(struct keeper *keeper, const struct keeper_peer *peer,
                        struct cursor payload)
{
    struct message_content_commit message;

    if (!message_get_content_commit(payload, &message))
        return false;
    return intake_commit(
        keeper->intake, (struct intake_key){ .source = peer->source, .ticket = message.ticket },
        message.envelope, message.front, message.tls, keeper_mail_now(keeper).wall_ms);
}

/* For filters. */
static bool take_want(struct keeper *keeper, const struct keeper_peer *peer, struct cursor payload)
{
    struct message_content_want message;
    struct intake_key key = { .source = peer->source };
    struct buf bytes = { 0 };

    if (!message_get_content_want(payload, &message))
        return false;
    key.ticket = message.ticket;
    bool is_fine = intake_read(keeper->intake, key, message.offset, message.octets, &bytes);
    if (is_fine)
        channel_send(peer->channel, content_piece, .ticket = message.ticket, .want = message.want,
                     .bytes = buf_str(&bytes));
    buf_fini(&bytes);
    return is_fine;
}

bool keeper_receiver_message(struct keeper *keeper, struct keeper_peer *peer,
                             enum message_type type, struct cursor payload)
{
    struct message_content_open open;
    struct message_content_data data;
    struct message_content_abort abort_;
    struct message_content_restart restart;
    struct message_content_whole whole;
    struct message_report_row row;
    struct message_doubt_ask doubt;
    struct intake_key key = { .source = peer->source };

    switch (type) {
    case MESSAGE_recipient_ask:
        return keeper_admission_asked(keeper, peer, payload);
    case MESSAGE_login_ask:
        return keeper_login_asked(keeper, peer, payload);
    case MESSAGE_turn_ask:
        return keeper_turn_asked(keeper, peer, payload);
    case MESSAGE_line_offer:
        return keeper_line_offered(keeper, peer, payload);
    case MESSAGE_line_up:
        return keeper_line_is_up(keeper, peer, payload);
    case MESSAGE_line_down:
        return keeper_line_is_down(keeper, peer, payload);
    case MESSAGE_sign_of_life:
        return keeper_life_seen(keeper, payload);
    case MESSAGE_policy_ask:
        return take_policy_ask(keeper, peer, payload);
    case MESSAGE_content_open:
        if (!message_get_content_open(payload, &open))
            return false;
        key.ticket = open.ticket;
        return intake_open(keeper->intake, key, open.id);
    case MESSAGE_content_data:
        if (!message_get_content_data(payload, &data))
            return false;
        key.ticket = data.ticket;
        return intake_write(keeper->intake, key, data.bytes);
    case MESSAGE_report_row:
        return message_get_report_row(payload, &row) && keeper_reports_take(keeper, row.row);
    case MESSAGE_content_want:
        return take_want(keeper, peer, payload);
    case MESSAGE_content_whole:
        if (!message_get_content_whole(payload, &whole))
            return false;
        key.ticket = whole.ticket;
        return intake_whole(keeper->intake, key);
    case MESSAGE_content_restart:
        if (!message_get_content_restart(payload, &restart))
            return false;
        key.ticket = restart.ticket;
        return intake_restart(keeper->intake, key);
    case MESSAGE_content_commit:
        return take_commit(keeper, peer, payload);
    case MESSAGE_content_abort:
        if (!message_get_content_abort(payload, &abort_))
            return false;
        key.ticket = abort_.ticket;
        return intake_abort(keeper->intake, key);
    case MESSAGE_doubt_ask:
        if (!message_get_doubt_ask(payload, &doubt))
            return false;
        key.ticket = doubt.ticket;
        log_info("stored_asked", LOG_ID(doubt.id));
        intake_ask(keeper->intake, key, doubt.id);
        return true;
    default:
        return false;
    }
}
