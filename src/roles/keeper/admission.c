/* SPDX-License-Identifier: ISC */
/* admission.c: may this recipient be served? What is looked at, and in which order.
 *
 *     is the domain ours?  ──▶ is mail taken now? ──▶ must a stranger come back? ──▶ is there room?
 *                                                              ──▶ is there such a recipient?
 *
 * The first that says no is heard. What was looked at that is not the same for everybody, or not
 * for long, keeps the receiver from keeping the answer.
 */
#include "base/log.h"
#include "roles/keeper/keeper.h"
#include "verify/relay.h"

struct admission {
    struct keeper *keeper;
    const struct keeper_peer *peer;
    const struct message_recipient_ask *ask;
    struct endpoint client;
    struct str domain;
    const struct domain_record *record; /* NULL: none of ours */
    struct route_status route;
    bool may_hold;
};

static int64_t value_of(const struct admission *admission, enum setting setting)
{
    return setting_value(&admission->record->settings,
                         &admission->keeper->process->config->defaults, setting);
}

static struct verdict yes(void)
{
    return verdict_make(250, 1, 5, STR("OK"));
}

/* While the primary is down nobody is made to wait; and the primary itself never. */
static bool is_stranger(const struct admission *admission)
{
    const struct route_status *route = &admission->route;

    for (uint32_t i = 0; i < route->target_count; i++)
        if (endpoint_same_address(route->target[i].endpoint, admission->client))
            return false;
    return route->state == ROUTE_STATE_UP;
}

static struct verdict look_at_relay(struct admission *admission)
{
    return relay_check(admission->keeper->directory, admission->ask->recipient);
}

/* Whose way to the primary is broken, although ours is not, comes here again and again. */
static struct verdict look_at_time(struct admission *admission)
{
    const struct message_recipient_ask *ask = admission->ask;
    struct keeper *keeper = admission->keeper;

    if (value_of(admission, SETTING_ACCEPT) != ACCEPT_WHEN_DOWN ||
        admission->route.state != ROUTE_STATE_UP)
        return yes();
    admission->may_hold = false;
    if (greylist_insists(keeper->insisting, admission->client, ask->sender, ask->recipient,
                         keeper_now(keeper).mono_ms))
        return yes();
    return verdict_make(451, 3, 2, STR("Our better MX is up; please deliver there"));
}

static struct verdict look_at_stranger(struct admission *admission)
{
    const struct message_recipient_ask *ask = admission->ask;
    struct keeper *keeper = admission->keeper;
    int64_t pause_ms = value_of(admission, SETTING_GREYLIST);
    int64_t wait_ms = 0;

    if (pause_ms == 0)
        return yes();
    admission->may_hold = false;
    if (!is_stranger(admission) ||
        greylist_lets_in(keeper->greylist, admission->client, ask->sender, ask->recipient, pause_ms,
                         keeper_now(keeper).mono_ms, &wait_ms))
        return yes();
    return verdict_format(451, 7, 1,
                          "We do not know you yet; please come back in %lld seconds, or try our "
                          "better MX",
                          (long long)((wait_ms + SECOND_MS - 1) / SECOND_MS));
}

static struct verdict look_at_room(struct admission *admission)
{
    enum quota_level level = keeper_quota(admission->keeper, admission->record);

    if (level != QUOTA_FREE)
        admission->may_hold = false;
    return level == QUOTA_FULL ? quota_refusal(admission->domain) : yes();
}

static struct verdict decide(struct admission *admission)
{
    static struct verdict (*const steps[])(struct admission *) = {
        look_at_relay, /* the others know the domain */
        look_at_time,
        look_at_stranger,
        look_at_room,
    };
    struct verdict verdict = yes();

    for (size_t i = 0; i < sizeof steps / sizeof *steps && verdict.fate == FATE_ACCEPT; i++)
        verdict = steps[i](admission);
    return verdict;
}

/* Whom the answer holds for, as far as the receiver may keep it: nothing but the domain was looked
 * at. */
static struct str holds_for(const struct admission *admission, const struct verdict *verdict)
{
    struct str recipient = admission->ask->recipient;
    ptrdiff_t at = str_find_last(recipient, '@');

    if (verdict->fate != FATE_ACCEPT || at < 0 || !admission->may_hold)
        return STR_NONE;
    return str_skip(recipient, (size_t)at);
}

void keeper_admission_answer(struct keeper *keeper, const struct admission_answer *answer)
{
    const struct keeper_peer *peer = keeper_peer_of_source(keeper, answer->source);
    const struct verdict *verdict = &answer->verdict;
    ptrdiff_t at = str_find_last(answer->recipient, '@');
    struct str domain = at >= 0 ? str_skip(answer->recipient, (size_t)at + 1) : STR_NONE;
    struct buf bytes = { 0 };

    if (peer == NULL)
        return;
    if (verdict->fate != FATE_ACCEPT)
        log_info("recipient_refused", LOG_STR("client", answer->client),
                 LOG_STR("from", answer->sender), LOG_STR("to", answer->recipient),
                 LOG_INT("code", verdict->code), LOG_STR("text", verdict_text(verdict)));
    verdict_encode(&bytes, verdict);
    channel_send(peer->channel, recipient_answer, .ticket = answer->ticket,
                 .verdict = buf_str(&bytes), .holds_for = answer->holds_for,
                 .size_max = keeper_size_max(keeper, domain), .needs_proof = answer->needs_proof,
                 .company = answer->company, .lacks = keeper_lacks(keeper, domain));
    buf_fini(&bytes);
}

/* The verifier answers, now or later. */
static void verify(const struct admission *admission)
{
    const struct message_recipient_ask *ask = admission->ask;
    const struct keeper_recipient_ask question = { .ticket = ask->ticket,
                                                   .domain = admission->domain,
                                                   .sender = ask->sender,
                                                   .recipient = ask->recipient,
                                                   .client = admission->client,
                                                   .may_hold = admission->may_hold };
    keeper_verify_for_receiver(admission->keeper, admission->peer, &question);
}

static void admit(struct admission *admission)
{
    const struct message_recipient_ask *ask = admission->ask;
    struct keeper *keeper = admission->keeper;
    struct buf client = { 0 };
    struct verdict verdict = decide(admission);

    if (verdict.fate == FATE_ACCEPT && keeper_verifies(keeper, admission->record)) {
        verify(admission);
        return;
    }
    endpoint_add_ip(&client, admission->client);
    const struct admission_answer answer = { .source = admission->peer->source,
                                             .ticket = ask->ticket,
                                             .verdict = verdict,
                                             .holds_for = holds_for(admission, &verdict),
                                             .client = buf_str(&client),
                                             .sender = ask->sender,
                                             .recipient = ask->recipient };
    keeper_admission_answer(keeper, &answer);
    buf_fini(&client);
}

bool keeper_admission_asked(struct keeper *keeper, struct keeper_peer *peer, struct cursor payload)
{
    struct message_recipient_ask ask;

    if (!message_get_recipient_ask(payload, &ask))
        return false;
    struct cursor cursor = cursor_over(ask.client);
    struct admission admission = {
        .keeper = keeper, .peer = peer, .ask = &ask, .client = endpoint_decode(&cursor)
    };
    ptrdiff_t at = str_find_last(ask.recipient, '@');
    if (!cursor_done(&cursor))
        return false;
    admission.domain = at >= 0 ? str_skip(ask.recipient, (size_t)at + 1) : STR_NONE;
    admission.record = directory_find_domain(keeper->directory, admission.domain);
    admission.may_hold = true;
    if (!schedule_status(keeper->schedule, admission.domain, keeper_now(keeper), &admission.route))
        admission.route = (struct route_status){ .state = ROUTE_STATE_DOWN };
    admit(&admission);
    return true;
}
