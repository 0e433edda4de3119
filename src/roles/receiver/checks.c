/* SPDX-License-Identifier: ISC */
/* checks.c: finds out who sent a message before it may be stored.
 *
 * Header and body pass by here on their way to the keeper. When the content is complete, the
 * policies of the domains in the envelope are looked up, then what authentication asks of the DNS;
 * each of these steps is taken again from the beginning when an answer comes, for what is known
 * costs nothing. Filters come after that, for those who have nothing against the sender. Then the
 * message gets its front: what we found, our Received field, and the header without what others say
 * in our name.
 *
 * Nothing is told to the session from within its own calls: all of this happens at the turn's end.
 */
#include "base/check.h"
#include "base/log.h"
#include "mail/domain.h"
#include "roles/receiver/receiver.h"

/* For all of a message's questions together. RFC 7208 4.6.4 wants 20 s at least; clients wait for
 * ten minutes (RFC 5321 4.5.3.2.6). */
enum { DNS_WAIT_MS = 20 * SECOND_MS };

void receiver_checks_forget(struct connection *connection)
{
    struct checks *checks = &connection->checks;

    receiver_filters_forget(connection);
    receiver_policy_drop(connection->receiver, &checks->question);
    receiver_dns_forget(&checks->lookup);
    heap_remove(&connection->receiver->check_deadlines, &checks->deadline);
    authentication_free(checks->authentication);
    buf_fini(&checks->received);
    buf_fini(&checks->envelope_bytes);
    arena_fini(&checks->arena);
    *checks = (struct checks){ 0 };
}

/* ---- the content passes by ---- */

void receiver_checks_header(struct connection *connection, const struct envelope *envelope,
                            struct str received, struct str header)
{
    struct checks *checks = &connection->checks;
    struct authentication_request request = {
        .authserv_id = connection->receiver->settings.hostname,
        .client = envelope->client,
        .helo = envelope->helo,
        .sender = envelope->sender,
        .now_s = envelope->received_ms / SECOND_MS,
        .may_be_sealed = connection->receiver->sign.key.key != NULL,
    };

    receiver_checks_forget(connection);
    buf_add(&checks->received, received);
    checks->authentication = authentication_new(&request);
    authentication_header(checks->authentication, header);
}

void receiver_checks_body(struct connection *connection, struct str bytes)
{
    struct checks *checks = &connection->checks;

    checks->body_octets += bytes.len;
    if (!checks->has_separator) /* the empty line is no part of the body (RFC 6376 3.4) */
        bytes = str_skip(bytes, 2);
    checks->has_separator = true;
    authentication_body(checks->authentication, bytes);
}

static void on_answer(struct lookup *lookup, const struct dns_answer *answer)
{
    struct checks *checks = container_of(lookup, struct checks, lookup);

    authentication_answer(checks->authentication, lookup->question, answer);
    checks->is_due = true;
    receiver_touch(container_of(checks, struct connection, checks));
}

void receiver_checks_end(struct connection *connection, const struct envelope *envelope)
{
    struct checks *checks = &connection->checks;

    authentication_end(checks->authentication);
    envelope_encode(&checks->envelope_bytes, envelope);
    struct cursor cursor = cursor_over(buf_str(&checks->envelope_bytes));
    check(envelope_decode(&cursor, &checks->arena, &checks->envelope));
    checks->lookup.answered = on_answer;
    checks->is_due = true;
    receiver_touch(connection);
}

/* ---- what the domains want ---- */

/* NULL: it has been asked for. */
static const struct domain_policy *find_policy(struct connection *connection, struct str domain)
{
    struct checks *checks = &connection->checks;
    const struct domain_policy *policy = receiver_policy_find(connection->receiver, domain);

    if (policy == NULL) {
        receiver_policy_ask(connection, &checks->question, domain);
        return NULL;
    }
    struct domain_policy *copy = arena_new(&checks->arena, sizeof *copy);
    *copy = *policy;
    return copy;
}

static bool find_sender_policy(struct connection *connection)
{
    static const struct domain_policy nobodys;
    struct checks *checks = &connection->checks;
    struct str sender = checks->envelope.sender;
    ptrdiff_t at = str_find_last(sender, '@');
    struct buf domain = { 0 };

    if (checks->of_sender != NULL)
        return true;
    checks->of_sender = &nobodys;
    if (at >= 0 && domain_normalise(str_skip(sender, (size_t)at + 1), &domain))
        checks->of_sender = find_policy(connection, buf_str(&domain));
    buf_fini(&domain);
    return checks->of_sender != NULL;
}

/* Recipients of one domain share one. */
static bool find_recipient_policies(struct connection *connection)
{
    struct checks *checks = &connection->checks;
    const struct envelope *envelope = &checks->envelope;
    struct str last = STR_NONE;

    if (checks->policy == NULL)
        checks->policy =
            arena_new(&checks->arena, envelope->recipient_count * sizeof(struct domain_policy *));
    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        struct str domain = recipient_domain(&envelope->recipient[i]);
        if (i > 0 && checks->policy[i] == NULL && str_equals(domain, last))
            checks->policy[i] = checks->policy[i - 1];
        last = domain;
        if (checks->policy[i] == NULL)
            checks->policy[i] = find_policy(connection, domain);
        if (checks->policy[i] == NULL)
            return false;
    }
    return true;
}

static bool is_wanted(const struct checks *checks)
{
    const struct policy *of_sender = &checks->of_sender->sender;
    bool wanted = of_sender->is_protected && of_sender->own_sender != ACTION_TAG;

    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++)
        wanted |=
            checks->policy[i]->sender.checks_senders || checks->envelope.recipient[i].needs_proof;
    return wanted;
}

/* ---- what the DNS says ---- */

static void ask(struct connection *connection, struct dns_question question)
{
    struct receiver *receiver = connection->receiver;
    struct checks *checks = &connection->checks;
    int64_t now_ms = loop_now(receiver->process->loop).mono_ms;

    if (!heap_has(&checks->deadline))
        heap_put(&receiver->check_deadlines, &checks->deadline, now_ms + DNS_WAIT_MS);
    receiver_dns_ask(receiver, &checks->lookup, question);
}

void receiver_checks_expire(struct receiver *receiver, struct now now)
{
    struct heap_node *node;

    while ((node = heap_take_due(&receiver->check_deadlines, now.mono_ms)) != NULL) {
        struct checks *checks = container_of(node, struct checks, deadline);
        receiver_dns_forget(&checks->lookup);
        checks->is_late = checks->is_due = true;
        receiver_touch(container_of(checks, struct connection, checks));
    }
}

static bool authenticate(struct connection *connection)
{
    static const struct dns_answer failed = { .status = DNS_FAILED };
    struct receiver *receiver = connection->receiver;
    struct checks *checks = &connection->checks;
    struct dns_question question;
    struct buf room = { 0 };
    bool is_decided;

    while (!(is_decided = authentication_decide(checks->authentication, &room, &question))) {
        const struct dns_answer *answer = receiver_dns_find(receiver, question);
        if (answer == NULL && checks->is_late)
            answer = &failed;
        if (answer == NULL) {
            ask(connection, question);
            break;
        }
        authentication_answer(checks->authentication, question, answer);
    }
    buf_fini(&room);
    return is_decided;
}

/* ---- the end ---- */

static void log_judgement(const char *event, const struct checks *checks,
                          const struct verdict *reason)
{
    const struct envelope *envelope = &checks->envelope;
    struct buf client = { 0 };

    endpoint_add_ip(&client, envelope->client);
    log_info(event, LOG_ID(envelope->id), LOG_STR("client", buf_str(&client)),
             LOG_STR("from", envelope->sender), LOG_STR("to", envelope->recipient[0].address),
             LOG_INT("recipients", envelope->recipient_count), LOG_INT("code", reason->code),
             LOG_STR("text", verdict_text(reason)));
    buf_fini(&client);
}

static void judge_sender(struct checks *checks, bool is_authenticated)
{
    uint32_t count = checks->envelope.recipient_count;
    enum judgement more = JUDGED_GOOD;
    struct verdict why;

    checks->judgement = arena_new(&checks->arena, count * sizeof(enum judgement));
    checks->reason = verdict_accept();
    for (uint32_t i = 0; is_authenticated && i < count; i++) {
        if (i == 0 || checks->policy[i] != checks->policy[i - 1])
            more = policy_judge(&checks->policy[i]->sender, &checks->of_sender->sender,
                                checks->authentication, &why);
        judgement_add(&checks->judgement[i], more, &checks->reason, &why);
    }
}

static void judge_suspects(struct checks *checks)
{
    struct verdict why;

    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++)
        if (checks->envelope.recipient[i].needs_proof)
            judgement_add(&checks->judgement[i], policy_judge_suspect(checks->authentication, &why),
                          &checks->reason, &why);
}

/* Fills in what the envelope says of held back recipients. */
static enum judgement conclude(struct checks *checks)
{
    struct envelope *envelope = &checks->envelope;

    for (uint32_t i = 0; i < envelope->recipient_count; i++)
        envelope->recipient[i].is_held_back = checks->judgement[i] != JUDGED_GOOD;
    envelope->reason = checks->reason;
    return judgement_combine(checks->judgement, envelope->recipient_count);
}

bool receiver_checks_drops(const struct authentication *authentication,
                           const struct header_field *field)
{
    return filter_is_mark(field) || results_are_forged(field, authentication->request.authserv_id);
}

static void add_front(const struct checks *checks, bool is_authenticated, struct buf *front)
{
    const struct authentication *authentication = checks->authentication;
    const struct header *header = &authentication->header;

    if (checks->filtering != NULL)
        receiver_filters_add_top(checks->filtering, front);
    if (is_authenticated)
        results_add_field(front, &authentication->results);
    buf_add(front, buf_str(&checks->received));
    if (checks->filtering != NULL) {
        receiver_filters_add_rest(checks->filtering, front);
        return;
    }
    for (uint32_t i = 0; i < header->count; i++)
        if (!receiver_checks_drops(authentication, &header->field[i]))
            buf_add(front, header->field[i].raw);
}

static bool is_to_seal(const struct checks *checks)
{
    bool seals = false;

    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++)
        seals |= checks->policy[i]->sender.seals;
    return seals;
}

/* The very last change, so that it is about everything (RFC 8617 5.1). */
static void add_seal(const struct connection *connection, struct str front, struct buf *out)
{
    const struct checks *checks = &connection->checks;
    const struct signing_key *key = &connection->receiver->sign.key;
    struct arena arena = { 0 };
    struct header header;

    header_parse(front, &arena, &header);
    if (!authentication_add_seal(checks->authentication, key, &header, out))
        log_warn("not_sealed", LOG_ID(checks->envelope.id));
    arena_fini(&arena);
}

static void pass(struct connection *connection, bool is_authenticated)
{
    struct checks *checks = &connection->checks;
    struct buf found = { 0 };
    struct buf front = { 0 };

    if (envelope_holds_back(&checks->envelope))
        log_judgement("held_back", checks, &checks->envelope.reason);
    if (is_authenticated && authentication_proves_sender(checks->authentication))
        checks->envelope.flags |= ENVELOPE_PROVED;
    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++)
        checks->envelope.recipient[i].needs_proof = false;
    add_front(checks, is_authenticated, &found);
    if (is_authenticated && is_to_seal(checks))
        add_seal(connection, buf_str(&found), &front);
    buf_add(&front, buf_str(&found));
    receiver_content_pass(connection, &checks->envelope, buf_str(&front));
    buf_fini(&found);
    buf_fini(&front);
}

/* For the owner of the From domain; about what was decided for its sake, so a message that is put
 * off tells nothing. */
static void report(const struct connection *connection, enum judgement all)
{
    const struct receiver *receiver = connection->receiver;
    const struct checks *checks = &connection->checks;
    enum report_disposition disposition = all == JUDGED_TO_REFUSE ? REPORT_REJECT
                                          : envelope_holds_back(&checks->envelope)
                                              ? REPORT_QUARANTINE
                                              : REPORT_NONE;
    struct report_row row;
    struct buf bytes = { 0 };

    if (!receiver->process->config->report_dmarc || all == JUDGED_UNSURE ||
        !report_row_of(checks->authentication, disposition, &row))
        return;
    report_row_encode(&bytes, &row);
    channel_send(receiver->keeper, report_row, .row = buf_str(&bytes));
    buf_fini(&bytes);
}

static void decide(struct connection *connection)
{
    struct checks *checks = &connection->checks;

    if (!find_sender_policy(connection) || !find_recipient_policies(connection))
        return;
    bool is_authenticated = is_wanted(checks);
    if (is_authenticated && !authenticate(connection))
        return;
    if (checks->judgement == NULL) {
        judge_sender(checks, is_authenticated);
        if (is_authenticated)
            report(connection, conclude(checks));
        judge_suspects(checks);
    }
    if (conclude(checks) == JUDGED_GOOD && !receiver_filters_run(connection))
        return;
    if (conclude(checks) == JUDGED_GOOD) {
        pass(connection, is_authenticated);
        receiver_checks_forget(connection);
    } else {
        struct verdict reason = checks->reason;
        log_judgement("message_refused", checks, &reason);
        receiver_content_refuse(connection, &reason); /* the next message may begin in there */
    }
}

void receiver_checks_turn(struct connection *connection)
{
    if (!connection->checks.is_due)
        return;
    connection->checks.is_due = false;
    decide(connection);
}
