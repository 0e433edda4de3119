/* SPDX-License-Identifier: ISC */
/* recipient.c: RCPT, and the replies that wait for the host.
 *
 * Each RCPT becomes an entry of the queue, answered by us at once or by the host
 * some time later. Whatever stands answered at the head of the queue is said and
 * leaves it; only then does an accepted recipient join the transaction. So replies
 * keep the order of the commands, and nothing depends on the order of the answers.
 */
#include "receive/session_private.h"

#include <string.h>

#include "base/memory.h"
#include "mail/domain.h"
#include "wire/dsn_parameters.h"

static struct verdict path_refusal(enum smtp_path_fault fault)
{
    switch (fault) {
    case SMTP_PATH_KEYWORD:
        return verdict_make(501, 5, 4, STR("Syntax: RCPT TO:<address>"));
    case SMTP_PATH_ADDRESS:
        return verdict_make(501, 1, 3, STR("Malformed recipient address"));
    case SMTP_PATH_PARAMETER:
        return verdict_make(501, 5, 4, STR("Malformed RCPT parameter"));
    case SMTP_PATH_OK:
        break;
    }
    return verdict_accept();
}

/* What we write and ask comes from there, and is answered, or asked about, there (RFC 5321 4.5.1).
 */
static bool is_our_postmaster(const struct receive_settings *settings, struct str local,
                              struct str domain)
{
    return settings->postmaster.len > 0 && str_equals_nocase(local, STR("postmaster")) &&
           str_equals_nocase(domain, settings->hostname);
}

/* The address as everybody behind us shall see it: local part as it came, domain in normal form. */
static struct verdict write_address(const struct receive_session *session,
                                    const struct address *address, struct buf *out)
{
    const struct receive_settings *settings = session->settings;
    bool may_be_utf8 = (session->transaction.flags & ENVELOPE_SMTPUTF8) != 0;
    struct buf domain = { 0 };
    struct verdict verdict = verdict_accept();

    for (size_t i = 0; i < address->local.len && !may_be_utf8; i++)
        if ((unsigned char)address->local.ptr[i] >= 0x80)
            return verdict_make(553, 6, 7, STR("The address needs SMTPUTF8, said with MAIL"));
    if (address->domain.len == 0) {
        /* RFC 5321 4.5.1: ours, whatever domain */
        buf_add(out, settings->postmaster.len > 0 ? settings->postmaster : STR("postmaster"));
        return verdict;
    }
    if (address->domain.ptr[0] == '[')
        return verdict_make(550, 1, 2, STR("No mail for address literals here"));
    if (!domain_normalise(address->domain, &domain)) {
        verdict = verdict_make(501, 1, 3, STR("Malformed recipient domain"));
    } else if (is_our_postmaster(settings, address->local, buf_str(&domain))) {
        buf_add(out, settings->postmaster);
    } else {
        buf_add(out, address->local);
        buf_add_byte(out, '@');
        buf_add(out, buf_str(&domain));
    }
    if (out->len > ADDRESS_SIZE_MAX) /* A-labels are longer than UTF-8 */
        verdict = verdict_make(501, 1, 3, STR("Recipient address too long"));
    buf_fini(&domain);
    return verdict;
}

static struct verdict take_parameter(const struct receive_session *session,
                                     const struct smtp_parameter *parameter,
                                     struct recipient *recipient)
{
    bool may_be_utf8 = (session->transaction.flags & ENVELOPE_SMTPUTF8) != 0;

    if (str_equals_nocase(parameter->key, STR("NOTIFY"))) { /* RFC 3461 4.1 */
        if (!dsn_notify_parse(parameter->value, &recipient->notify))
            return verdict_make(
                501, 5, 4, STR("NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY with commas"));
    } else if (str_equals_nocase(parameter->key, STR("ORCPT"))) { /* RFC 3461 4.2 */
        if (!dsn_original_is_fine(parameter->value, may_be_utf8))
            return verdict_make(
                501, 5, 4,
                STR("ORCPT is type;xtext, such as rfc822;bob@example.org, of 500 characters "
                    "at most"));
        recipient->original = parameter->value;
    } else {
        return verdict_make(555, 5, 4, STR("RCPT parameter not offered here"));
    }
    return verdict_accept();
}

/* What can be said without the host: a refusal, or accepted so far, the address in *out and the
 * parameters, which lie in the argument, in *recipient. */
static struct verdict read_recipient(const struct receive_session *session, struct str argument,
                                     struct buf *out, struct recipient *recipient)
{
    struct smtp_path path;
    enum smtp_path_fault fault =
        smtp_path_parse(argument, STR("TO:"), ADDRESS_MAY_LACK_DOMAIN | ADDRESS_MAY_BE_UTF8, &path);

    if (fault != SMTP_PATH_OK)
        return path_refusal(fault);
    for (size_t i = 0; i < path.parameter_count; i++) {
        struct verdict verdict = take_parameter(session, &path.parameter[i], recipient);
        if (verdict.fate != FATE_ACCEPT)
            return verdict;
    }
    return write_address(session, &path.address, out);
}

static struct str put_bytes(char **at, struct str text)
{
    struct str copy = str_of(*at, text.len);

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

static struct pending_recipient *add_pending(struct receive_session *session,
                                             const struct recipient *recipient)
{
    struct pending_recipient *pending =
        memory_new(sizeof *pending + recipient->address.len + recipient->original.len);
    char *at = pending->bytes;

    pending->ticket = ++session->last_ticket;
    pending->deadline_ms = session->now.mono_ms + RECIPIENT_WAIT_MS;
    pending->recipient.notify = recipient->notify;
    pending->recipient.address = put_bytes(&at, recipient->address);
    pending->recipient.original = put_bytes(&at, recipient->original);
    list_append(&session->pending, &pending->link);
    session->pending_count++;
    return pending;
}

static void free_pending(struct receive_session *session, struct pending_recipient *pending)
{
    list_remove(&pending->link);
    session->pending_count--;
    memory_free(pending);
}

void recipients_free(struct receive_session *session)
{
    list_each_safe (link, &session->pending)
        free_pending(session, container_of(link, struct pending_recipient, link));
}

static void set_answer(struct pending_recipient *pending, struct verdict verdict, bool is_error)
{
    pending->answered = true;
    pending->is_error = is_error;
    pending->verdict = verdict;
}

static bool is_full(const struct receive_session *session)
{
    return session->transaction.recipient_count >= session->settings->recipients_max;
}

static struct verdict too_many(void)
{
    return verdict_make(452, 5, 3, STR("Too many recipients; send the others in a new message"));
}

void command_rcpt(struct receive_session *session, struct str argument)
{
    struct buf address = { 0 };
    struct recipient recipient = { 0 };
    struct verdict verdict = read_recipient(session, argument, &address, &recipient);

    recipient.address = buf_str(&address);
    struct pending_recipient *pending = add_pending(session, &recipient);
    if (verdict.fate != FATE_ACCEPT)
        set_answer(pending, verdict, true);
    else if (transaction_recipient(&session->transaction, recipient.address) != NULL)
        set_answer(pending, verdict_make(250, 1, 5, STR("Recipient OK")), false);
    else if (is_full(session))
        set_answer(pending, too_many(), false);
    else
        session->host->ask_recipient(session->context, pending->ticket, buf_str(&session->helo),
                                     session->transaction.sender, &recipient);
    buf_fini(&address);
    recipients_flush(session);
}

static struct str domain_of(const struct pending_recipient *pending)
{
    return recipient_domain(&pending->recipient);
}

static struct verdict too_large(const struct pending_recipient *pending)
{
    return verdict_format(552, 3, 4, "%.*s takes no message of more than %llu octets",
                          STR_FMT(domain_of(pending)), (unsigned long long)pending->terms.size_max);
}

/* What the message needs, and his primary is known not to do. */
static bool is_lacking(const struct receive_session *session,
                       const struct pending_recipient *pending, struct verdict *out_verdict)
{
    uint8_t lacks = session->transaction.flags & pending->terms.lacks;

    if (lacks & ENVELOPE_SMTPUTF8)
        *out_verdict = verdict_format(550, 6, 7, "The server of %.*s does not support SMTPUTF8",
                                      STR_FMT(domain_of(pending)));
    else if (lacks & ENVELOPE_REQUIRETLS)
        *out_verdict =
            verdict_format(550, 7, 30, "REQUIRETLS cannot be kept towards the server of %.*s",
                           STR_FMT(domain_of(pending)));
    return lacks != 0;
}

/* One of them who can have it all is enough to go on. */
static void raise_size_max(struct receive_session *session, uint64_t size_max)
{
    struct transaction *transaction = &session->transaction;

    if (size_max == 0)
        size_max = UINT64_MAX;
    if (size_max > transaction->size_max)
        transaction->size_max = size_max;
}

/* Adds an accepted recipient to the transaction, unless it is there already or there is no room. */
static void admit(struct receive_session *session, struct pending_recipient *pending)
{
    struct recipient *known =
        transaction_recipient(&session->transaction, pending->recipient.address);

    if (pending->verdict.fate != FATE_ACCEPT)
        return;
    if (known != NULL) { /* his terms are those of before: perhaps nobody was asked again */
        known->notify = dsn_notify_join(known->notify, pending->recipient.notify);
        return;
    }
    if (pending->terms.size_max > 0 && session->transaction.size > pending->terms.size_max) {
        pending->verdict = too_large(pending);
        return;
    }
    if (is_lacking(session, pending, &pending->verdict))
        return;
    if (is_full(session)) {
        pending->verdict = too_many();
        return;
    }
    raise_size_max(session, pending->terms.size_max);
    transaction_add(&session->transaction, &pending->recipient);
}

void recipients_flush(struct receive_session *session)
{
    struct link *first = NULL;

    /* reply_verdict() may close the session, which empties the queue. */
    while ((first = list_first(&session->pending)) != NULL) {
        struct pending_recipient *pending = container_of(first, struct pending_recipient, link);
        if (!pending->answered)
            return;
        admit(session, pending);
        struct verdict verdict = pending->verdict;
        bool is_error = pending->is_error;
        free_pending(session, pending);
        if (verdict.fate == FATE_REJECT && !is_error)
            reply_refuse_recipient(session);
        reply_verdict(session, &verdict, is_error);
    }
}

void receive_recipient_answer(struct receive_session *session, uint64_t ticket,
                              const struct verdict *verdict, struct receive_terms terms,
                              struct now now)
{
    session->now = now;
    list_each (link, &session->pending) {
        struct pending_recipient *pending = container_of(link, struct pending_recipient, link);
        if (pending->ticket == ticket && !pending->answered) {
            set_answer(pending, *verdict, false);
            pending->terms = terms;
            pending->recipient.needs_proof = terms.needs_proof;
            break; /* none has it: the answer came too late */
        }
    }
    recipients_flush(session);
    session_run(session, STR_NONE);
}

void recipients_expire(struct receive_session *session)
{
    list_each (link, &session->pending) {
        struct pending_recipient *pending = container_of(link, struct pending_recipient, link);
        if (!pending->answered && pending->deadline_ms <= session->now.mono_ms)
            set_answer(pending, verdict_make(451, 3, 0, STR("No answer in time; try again later")),
                       false);
    }
    recipients_flush(session);
}
