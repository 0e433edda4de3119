/* SPDX-License-Identifier: ISC */
/* askers.c: who has asked the verifier, and waits for its word.
 *
 *     a receiver, about a recipient ─────────▶ its ticket is answered, if it is still there
 *     somebody else in here, who asks anew ──▶ answered(), perhaps from within
 *     the scheduler: does the primary take
 *     those that it has? (a control) ────────▶ keeper_controlled()
 *
 * Each has a number, by which the verifier names it. It is answered once, and is gone then; with a
 * receiver go all that it has asked.
 */
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper/recipients.h"
#include "verify/verifier.h"

enum { COMPANY_MAX = 32 }; /* as many addresses as may be long fit into the answer */

struct pending { /* an asker */
    uint64_t asker;
    uint32_t source; /* of the receiver's channel; 0: it is not one */
    uint64_t ticket;
    bool may_hold;
    bool is_control;                      /* nobody waits but the scheduler */
    struct buf client, sender, recipient; /* of a control, the domain alone */
    keeper_verified *answered;
    void *context;
};

static struct str asker_key(const uint64_t *asker)
{
    return str_of(asker, sizeof *asker);
}

static void pending_free(struct keeper *keeper, struct pending *pending)
{
    (void)map_remove(&keeper->verifications, asker_key(&pending->asker));
    buf_fini(&pending->client);
    buf_fini(&pending->sender);
    buf_fini(&pending->recipient);
    memory_free(pending);
}

static struct pending *add_pending(struct keeper *keeper)
{
    struct pending *pending = memory_new(sizeof *pending);

    pending->asker = ++keeper->last_asker;
    (void)map_put(&keeper->verifications, asker_key(&pending->asker), pending);
    return pending;
}

/* ---- answers ---- */

/* Whoever asks about one who is known hears of some others too, and need not ask about them. */
static void add_company(struct keeper *keeper, struct str recipient, struct buf *out)
{
    struct str company[COMPANY_MAX];
    ptrdiff_t at = str_find_last(recipient, '@');
    size_t count = verifier_company(keeper->verifier, str_skip(recipient, (size_t)at + 1),
                                    keeper_mail_now(keeper), company, COMPANY_MAX);

    for (size_t i = 0; i < count; i++) {
        buf_add(out, company[i]);
        buf_add_byte(out, '\0');
    }
}

static void send_answer(struct keeper *keeper, struct pending *pending,
                        const struct verifier_answer *answer)
{
    struct str recipient = buf_str(&pending->recipient);
    bool holds = pending->may_hold && answer->holds;
    struct buf company = { 0 };

    if (holds && !answer->is_suspect)
        add_company(keeper, recipient, &company);
    const struct admission_answer admission = {
        .source = pending->source,
        .ticket = pending->ticket,
        .verdict = answer->verdict,
        .holds_for = holds ? recipient : STR_NONE,
        .client = buf_str(&pending->client),
        .sender = buf_str(&pending->sender),
        .recipient = recipient,
        .needs_proof = answer->needs_proof,
        .company = buf_str(&company),
    };
    keeper_admission_answer(keeper, &admission);
    buf_fini(&company);
    if (answer->is_suspect)
        log_info("recipient_on_suspicion", LOG_STR("client", buf_str(&pending->client)),
                 LOG_STR("from", buf_str(&pending->sender)), LOG_STR("to", recipient));
}

/* What an answer says of the primary itself. */
static enum control_answer control_of(const struct verifier_answer *answer)
{
    switch (answer->reading) {
    case READING_VALID:
    case READING_FULL:
        return CONTROL_TAKEN;
    case READING_INVALID:
    case READING_UNSURE:
    case READING_REFUSED:
    case READING_UNWELCOME:
        return CONTROL_REFUSED;
    case READING_LATER: /* of who need not be there, a refusal is read so */
        return answer->said.code >= 500 ? CONTROL_ABSENT : CONTROL_UNKNOWN;
    case READING_ANYTHING:
    case READING_NOT_TRIED:
    case READING_SILENT:
        break;
    }
    return CONTROL_UNKNOWN;
}

void keeper_asker_answered(struct keeper *keeper, uint64_t asker,
                           const struct verifier_answer *answer)
{
    struct pending *pending = map_find(&keeper->verifications, asker_key(&asker));

    if (pending == NULL)
        return;
    if (pending->is_control)
        keeper_controlled(keeper, buf_str(&pending->recipient), control_of(answer));
    else if (pending->source != 0)
        send_answer(keeper, pending, answer);
    else
        pending->answered(pending->context, answer);
    pending_free(keeper, pending);
}

/* ---- questions ---- */

void keeper_verify_for_receiver(struct keeper *keeper, const struct keeper_peer *peer,
                                const struct keeper_recipient_ask *ask)
{
    struct verifier_answer answer;
    struct pending *pending = add_pending(keeper);
    struct buf network = { 0 };

    pending->source = peer->source;
    pending->ticket = ask->ticket;
    pending->may_hold = ask->may_hold;
    endpoint_add_ip(&pending->client, ask->client);
    buf_add(&pending->sender, ask->sender);
    buf_add(&pending->recipient, ask->recipient);
    endpoint_encode(&network, endpoint_network(ask->client));
    const struct verifier_question question = { .asker = pending->asker,
                                                .domain = ask->domain,
                                                .network = buf_str(&network),
                                                .address = ask->recipient };
    if (verifier_ask(keeper->verifier, &question, keeper_mail_now(keeper), &answer))
        keeper_asker_answered(keeper, question.asker, &answer);
    buf_fini(&network);
}

void keeper_verify(struct keeper *keeper, struct str domain, struct str address,
                   keeper_verified *answered, void *context)
{
    struct verifier_answer answer;
    struct pending *pending = add_pending(keeper);

    pending->answered = answered;
    pending->context = context;
    const struct verifier_question question = {
        .asker = pending->asker, .domain = domain, .address = address, .is_forced = true
    };
    if (verifier_ask(keeper->verifier, &question, keeper_mail_now(keeper), &answer))
        keeper_asker_answered(keeper, question.asker, &answer);
}

void keeper_verify_drop_source(struct keeper *keeper, uint32_t source)
{
    struct pending *pending;
    size_t cursor = 0;

    while ((pending = map_next(&keeper->verifications, &cursor, NULL)) != NULL) {
        if (pending->source != source)
            continue;
        verifier_forget_asker(keeper->verifier, pending->asker);
        pending_free(keeper, pending);
        cursor = 0;
    }
}

void keeper_control_ask(struct keeper *keeper, struct str domain)
{
    struct pending *pending = add_pending(keeper);
    struct verifier_answer nothing = { .reading = READING_SILENT };

    pending->is_control = true;
    buf_add(&pending->recipient, domain);
    if (!verifier_ask_control(keeper->verifier, domain, pending->asker, keeper_mail_now(keeper)))
        keeper_asker_answered(keeper, pending->asker, &nothing);
}

/* ---- beginning and end ---- */

void keeper_askers_init(struct keeper *keeper)
{
    map_init(&keeper->verifications);
}

void keeper_askers_fini(struct keeper *keeper)
{
    static const struct verifier_answer nothing = { .reading = READING_SILENT };
    struct pending *pending;
    size_t cursor = 0;

    while ((pending = map_next(&keeper->verifications, &cursor, NULL)) != NULL) {
        if (pending->answered != NULL)
            pending->answered(pending->context, &nothing);
        pending_free(keeper, pending);
        cursor = 0;
    }
    map_fini(&keeper->verifications);
}
