/* SPDX-License-Identifier: ISC */
/* sender.c: MAIL, and the life of a transaction. */
#include "receive/session_private.h"

#include <string.h>

#include "wire/dsn_parameters.h"
#include "wire/xtext.h"

struct mail_options { /* what the parameters of MAIL say */
    enum body_type body_type;
    uint8_t flags; /* enum envelope_flag */
    uint8_t ret;
    struct str envelope_id;
    uint64_t size;
};

/* Each returns the refusal, or STR_NONE. */
static struct str take_size(const struct receive_session *session, struct str value,
                            struct mail_options *options)
{
    if (!str_to_u64(value, UINT64_MAX, &options->size))
        return STR("501 5.5.4 Bad SIZE");
    if (options->size > session->settings->message_size_max)
        return STR("552 5.3.4 Message exceeds the size limit");
    return STR_NONE;
}

static struct str take_body(const struct receive_session *session, struct str value,
                            struct mail_options *options)
{
    const struct receive_settings *settings = session->settings;

    if (str_equals_nocase(value, STR("8BITMIME")))
        options->body_type = BODY_8BITMIME;
    else if (str_equals_nocase(value, STR("BINARYMIME")) && settings->chunking &&
             settings->binarymime)
        options->body_type = BODY_BINARYMIME;
    else if (!str_equals_nocase(value, STR("7BIT")))
        return STR("501 5.5.4 Bad BODY");
    return STR_NONE;
}

static struct str take_ret(const struct receive_session *session, struct str value,
                           struct mail_options *options)
{
    (void)session;
    return dsn_ret_parse(value, &options->ret) ? STR_NONE
                                               : STR("501 5.5.4 RET is either FULL or HDRS");
}

static struct str take_envelope_id(const struct receive_session *session, struct str value,
                                   struct mail_options *options)
{
    (void)session;
    options->envelope_id = value;
    return dsn_envelope_id_is_fine(value)
               ? STR_NONE
               : STR("501 5.5.4 ENVID must be xtext, of 100 characters at most");
}

static struct str take_utf8(const struct receive_session *session, struct str value,
                            struct mail_options *options)
{
    (void)session;
    options->flags |= ENVELOPE_SMTPUTF8;
    return value.ptr == NULL ? STR_NONE : STR("501 5.5.4 SMTPUTF8 takes no value");
}

/* Over a connection that anybody can read it would come too late (RFC 8689 4). */
static struct str take_require_tls(const struct receive_session *session, struct str value,
                                   struct mail_options *options)
{
    options->flags |= ENVELOPE_REQUIRETLS;
    if (session->tls.len == 0)
        return STR("555 5.5.4 REQUIRETLS is offered over TLS alone");
    return value.ptr == NULL ? STR_NONE : STR("501 5.5.4 REQUIRETLS takes no value");
}

/* Who gave the message to the client, as far as he says. Nobody who logs in here is trusted with
 * that, so it counts as "<>", which is nothing; but where AUTH is offered it has to be taken. */
static struct str take_auth(const struct receive_session *session, struct str value,
                            struct mail_options *options)
{
    struct buf text = { 0 };

    (void)options;
    login_add_mechanisms(session, &text);
    bool is_offered = text.len > 0;
    buf_reset(&text);
    bool is_fine = value.len > 0 && xtext_decode(&text, value);
    buf_fini(&text);
    if (!is_offered)
        return STR("555 5.5.4 AUTH is not offered here and now");
    return is_fine ? STR_NONE : STR("501 5.5.4 AUTH is xtext, or <>");
}

static const struct {
    struct str key;
    struct str (*take)(const struct receive_session *session, struct str value,
                       struct mail_options *options);
} mail_parameters[] = {
    { { "SIZE", 4 }, take_size },               /* RFC 1870 6 */
    { { "BODY", 4 }, take_body },               /* RFC 6152 2 */
    { { "RET", 3 }, take_ret },                 /* RFC 3461 4.3 */
    { { "ENVID", 5 }, take_envelope_id },       /* RFC 3461 4.4 */
    { { "SMTPUTF8", 8 }, take_utf8 },           /* RFC 6531 3.4 */
    { { "REQUIRETLS", 10 }, take_require_tls }, /* RFC 8689 2 */
    { { "AUTH", 4 }, take_auth },               /* RFC 4954 5 */
};

static struct str take_parameter(const struct receive_session *session,
                                 const struct smtp_parameter *parameter,
                                 struct mail_options *options)
{
    for (size_t i = 0; i < sizeof mail_parameters / sizeof *mail_parameters; i++)
        if (str_equals_nocase(parameter->key, mail_parameters[i].key))
            return mail_parameters[i].take(session, parameter->value, options);
    return STR("555 5.5.4 MAIL parameter not offered here");
}

static struct str path_refusal(enum smtp_path_fault fault)
{
    switch (fault) {
    case SMTP_PATH_OK:
        return STR_NONE;
    case SMTP_PATH_KEYWORD:
        return STR("501 5.5.4 Syntax: MAIL FROM:<address>");
    case SMTP_PATH_ADDRESS:
        return STR("501 5.1.7 Malformed sender address");
    case SMTP_PATH_PARAMETER:
        return STR("501 5.5.4 Malformed MAIL parameter");
    }
    return STR_NONE;
}

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

/* Reads the argument; returns the refusal, or STR_NONE. */
static struct str read_mail(const struct receive_session *session, struct str argument,
                            struct smtp_path *path, struct mail_options *options)
{
    struct str refusal = path_refusal(
        smtp_path_parse(argument, STR("FROM:"), ADDRESS_MAY_BE_NULL | ADDRESS_MAY_BE_UTF8, path));

    if (refusal.ptr != NULL)
        return refusal;
    for (size_t i = 0; i < path->parameter_count && refusal.ptr == NULL; i++)
        refusal = take_parameter(session, &path->parameter[i], options);
    if (refusal.ptr == NULL && !(options->flags & ENVELOPE_SMTPUTF8) &&
        !is_ascii(path->address.whole))
        refusal = STR("553 5.6.7 The sender's address needs the parameter SMTPUTF8");
    return refusal;
}

void command_mail(struct receive_session *session, struct str argument)
{
    struct smtp_path path;
    struct mail_options options = { .body_type = BODY_7BIT };
    struct str refusal = read_mail(session, argument, &path, &options);

    if (refusal.ptr != NULL) {
        reply_error(session, refusal);
        return;
    }
    if (session->refusal.fate != FATE_ACCEPT) {
        reply_verdict(session, &session->refusal, false);
        return;
    }
    session->transaction.sender = arena_str(&session->transaction.arena, path.address.whole);
    session->transaction.body_type = options.body_type;
    session->transaction.flags = options.flags;
    session->transaction.ret = options.ret;
    session->transaction.size = options.size;
    session->transaction.envelope_id = arena_str(&session->transaction.arena, options.envelope_id);
    session_enter(session, SESSION_MAIL);
    reply_say(session, STR("250 2.1.0 Sender OK"));
}

struct recipient *transaction_recipient(const struct transaction *transaction, struct str address)
{
    for (uint32_t i = 0; i < transaction->recipient_count; i++)
        if (str_equals(transaction->recipient[i].address, address))
            return &transaction->recipient[i];
    return NULL;
}

static void make_room(struct transaction *transaction)
{
    if (transaction->recipient_count < transaction->recipient_cap)
        return;
    uint32_t cap = transaction->recipient_cap > 0 ? 2 * transaction->recipient_cap : 4;
    struct recipient *recipient = arena_new(&transaction->arena, cap * sizeof *recipient);
    if (transaction->recipient_count > 0)
        memcpy(recipient, transaction->recipient, transaction->recipient_count * sizeof *recipient);
    transaction->recipient = recipient;
    transaction->recipient_cap = cap;
}

void transaction_add(struct transaction *transaction, const struct recipient *recipient)
{
    struct arena *arena = &transaction->arena;

    make_room(transaction);
    transaction->recipient[transaction->recipient_count++] =
        (struct recipient){ .address = arena_str(arena, recipient->address),
                            .original = arena_str(arena, recipient->original),
                            .notify = recipient->notify,
                            .needs_proof = recipient->needs_proof };
}

void transaction_reset(struct receive_session *session)
{
    struct arena arena = session->transaction.arena;

    content_abandon(session);
    session->content = (struct content){ 0 };
    if (arena_size(&arena) > IDLE_BUFFER_MAX)
        arena_fini(&arena);
    else
        arena_reset(&arena);
    session->transaction = (struct transaction){ .arena = arena };
}
