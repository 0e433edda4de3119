/* SPDX-License-Identifier: ISC */
/* notice.c: see notice.h. */
#include "notify/notice.h"

#include "base/check.h"
#include "notify/when.h"
#include "wire/content.h"
#include "wire/encoded_word.h"
#include "wire/mime.h"

enum { RECIPIENTS_SHOWN = 20, SUBJECT_SHOWN = 200, RET_FULL = 1 };

/* What stands where there is nothing to say. */
static const struct {
    const char *contact, *no_answer, *no_end, *no_subject, *secret;
} phrases[LANGUAGE_COUNT] = {
    [LANGUAGE_EN] = { "the recipient, by telephone or in another way",
                      "none; it could not be reached", "further notice", "(none)",
                      "(not repeated, because your message was to travel encrypted only)" },
    [LANGUAGE_DE] = { "die Empfängerin oder der Empfänger, am besten telefonisch",
                      "nichts; er war nicht zu erreichen", "auf Weiteres", "(keiner)",
                      "(nicht wiederholt, weil Ihre Nachricht nur verschlüsselt reisen sollte)" },
};

/* Nobody was to read it on its way there (RFC 8689 5), and the way back may be open to all. */
static bool is_secret(const struct envelope *envelope)
{
    return (envelope->flags & ENVELOPE_REQUIRETLS) != 0;
}

/* ---- which text ---- */

static bool is_code(const struct verdict *verdict, uint8_t subject, uint8_t detail)
{
    return verdict->enhanced[0] != 0 && verdict->enhanced[1] == subject &&
           verdict->enhanced[2] == detail;
}

/* There is no such address, or no longer. */
static bool is_unknown(const struct verdict *verdict)
{
    static const uint8_t details[] = { 1, 2, 3, 6, 10 }; /* x.1.y */

    for (size_t i = 0; i < sizeof details; i++)
        if (is_code(verdict, 1, details[i]))
            return true;
    return is_code(verdict, 2, 1);
}

static enum occasion occasion_of_failure(const struct notice_outcome *outcome)
{
    const struct verdict *verdict = outcome->verdict;

    if (outcome->is_expired)
        return OCCASION_EXPIRED;
    if (verdict == NULL)
        return OCCASION_FAILED;
    if (is_unknown(verdict))
        return OCCASION_UNKNOWN_RECIPIENT;
    if (is_code(verdict, 2, 2) || (verdict->enhanced[0] == 0 && verdict->code == 552))
        return OCCASION_MAILBOX_FULL;
    if (outcome->is_reply && verdict->enhanced[0] != 0 && verdict->enhanced[1] == 7)
        return OCCASION_REFUSED; /* by rules of the primary's, which was asked */
    return OCCASION_FAILED;
}

enum occasion notice_occasion(enum notice_kind kind, const struct notice_outcome *outcome,
                              uint32_t count)
{
    static const enum occasion fixed[] = {
        [NOTICE_DELAYED] = OCCASION_DELAYED,
        [NOTICE_FAILED] = OCCASION_FAILED,
        [NOTICE_RELAYED] = OCCASION_RELAYED,
        [NOTICE_ARRIVED] = OCCASION_ARRIVED,
    };

    check(count > 0);
    if (kind != NOTICE_FAILED)
        return fixed[kind];
    enum occasion occasion = occasion_of_failure(&outcome[0]);
    for (uint32_t i = 1; i < count; i++)
        if (occasion_of_failure(&outcome[i]) != occasion)
            return OCCASION_FAILED;
    return occasion;
}

/* ---- its values ---- */

struct told { /* those that the notice is about */
    struct notice_outcome *outcome;
    uint32_t count;
};

static const struct recipient *recipient_of(const struct notice *notice,
                                            const struct notice_outcome *outcome)
{
    check(outcome->recipient < notice->envelope->recipient_count);
    return &notice->envelope->recipient[outcome->recipient];
}

/* Those that want it; the reason why one does not, if none does. */
static enum may_notify pick_outcomes(const struct notice *notice, struct arena *arena,
                                     struct told *told)
{
    enum may_notify why = MAY_NOT_UNASKED;

    told->count = 0;
    told->outcome = arena_new(arena, notice->outcome_count * sizeof *told->outcome);
    for (uint32_t i = 0; i < notice->outcome_count; i++) {
        enum may_notify of = may_notify_of(notice->kind, recipient_of(notice, &notice->outcome[i]));
        if (of == MAY_NOTIFY)
            told->outcome[told->count++] = notice->outcome[i];
        else
            why = of;
    }
    return told->count > 0 ? MAY_NOTIFY : why;
}

static struct str keep(struct arena *arena, struct buf *buf)
{
    struct str kept = arena_str(arena, buf_str(buf));
    buf_fini(buf);
    return kept;
}

static void add_more(struct buf *out, enum language language, uint32_t left_out)
{
    if (left_out == 0)
        return;
    buf_add_byte(out, '\n');
    if (language == LANGUAGE_DE)
        buf_add_format(out, "und %u weitere", left_out);
    else
        buf_add_format(out, "and %u more", left_out);
}

static struct str list_recipients(const struct notice *notice, const struct told *told,
                                  enum language language, struct arena *arena)
{
    uint32_t shown = told->count < RECIPIENTS_SHOWN ? told->count : RECIPIENTS_SHOWN;
    struct buf out = { 0 };

    for (uint32_t i = 0; i < shown; i++) {
        buf_add(&out, i > 0 ? STR("\n") : STR(""));
        mime_add_clean_line(&out, recipient_of(notice, &told->outcome[i])->address, SUBJECT_SHOWN);
    }
    add_more(&out, language, told->count - shown);
    return keep(arena, &out);
}

static bool is_same_answer(const struct verdict *a, const struct verdict *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->code == b->code && str_equals(verdict_text(a), verdict_text(b));
}

static void add_answer(struct buf *out, const struct notice_outcome *outcome,
                       enum language language)
{
    if (outcome->verdict == NULL) {
        buf_add(out, str_from(phrases[language].no_answer));
        return;
    }
    if (outcome->is_reply && outcome->remote.len > 0) {
        mime_add_clean_line(out, outcome->remote, SUBJECT_SHOWN);
        buf_add(out, STR(": "));
    }
    verdict_add_line(out, outcome->verdict);
}

/* Once if it was the same for all, else one after the other. */
static struct str list_answers(const struct notice *notice, const struct told *told,
                               enum language language, struct arena *arena)
{
    struct buf out = { 0 };
    uint32_t shown = 0;

    add_answer(&out, &told->outcome[0], language);
    for (uint32_t i = 0; i < told->count; i++)
        if (!is_same_answer(told->outcome[i].verdict, told->outcome[0].verdict))
            shown = told->count;
    if (shown > 0)
        buf_reset(&out);
    shown = shown < RECIPIENTS_SHOWN ? shown : RECIPIENTS_SHOWN;
    for (uint32_t i = 0; i < shown; i++) {
        buf_add(&out, i > 0 ? STR("\n") : STR(""));
        mime_add_clean_line(&out, recipient_of(notice, &told->outcome[i])->address, SUBJECT_SHOWN);
        buf_add(&out, STR(": "));
        add_answer(&out, &told->outcome[i], language);
    }
    return keep(arena, &out);
}

static struct str subject_of(const struct header *header, enum language language,
                             struct arena *arena)
{
    const struct header_field *field = header_find(header, STR("Subject"));
    struct buf decoded = { 0 };
    struct buf out = { 0 };

    if (field != NULL)
        encoded_word_decode(&decoded, str_first(field->value, 4 * SUBJECT_SHOWN));
    mime_add_clean_line(&out, str_trim(buf_str(&decoded)), SUBJECT_SHOWN);
    if (str_trim(buf_str(&out)).len == 0)
        buf_add(&out, str_from(phrases[language].no_subject));
    buf_fini(&decoded);
    return keep(arena, &out);
}

static struct str when(struct arena *arena, enum language language, int64_t wall_ms, int offset)
{
    struct buf out = { 0 };
    when_add(&out, language, wall_ms, offset);
    return keep(arena, &out);
}

static struct template_values make_values(const struct notice *notice, const struct told *told,
                                          const struct header *header, enum language language,
                                          struct arena *arena)
{
    struct template_values values = { 0 };
    struct str *value = values.value;
    int offset = when_offset(header);

    value[PLACEHOLDER_DOMAIN] = notice->domain;
    value[PLACEHOLDER_NODE] = notice->node;
    value[PLACEHOLDER_CONTACT] =
        notice->contact.len > 0 ? notice->contact : str_from(phrases[language].contact);
    value[PLACEHOLDER_SENDER] = notice->envelope->sender;
    value[PLACEHOLDER_RECIPIENTS] = list_recipients(notice, told, language, arena);
    value[PLACEHOLDER_SUBJECT] = is_secret(notice->envelope) ? str_from(phrases[language].secret)
                                                             : subject_of(header, language, arena);
    value[PLACEHOLDER_RECEIVED] = when(arena, language, notice->envelope->received_ms, offset);
    value[PLACEHOLDER_UNTIL] = notice->until_ms > 0
                                   ? when(arena, language, notice->until_ms, offset)
                                   : str_from(phrases[language].no_end);
    value[PLACEHOLDER_REASON] = list_answers(notice, told, language, arena);
    return values;
}

/* ---- the message ---- */

static struct dsn_recipient *make_recipients(const struct notice *notice, const struct told *told,
                                             struct arena *arena)
{
    static const enum dsn_action action[] = {
        [NOTICE_DELAYED] = DSN_DELAYED,
        [NOTICE_FAILED] = DSN_FAILED,
        [NOTICE_RELAYED] = DSN_RELAYED,
        [NOTICE_ARRIVED] = DSN_RELAYED, /* that it is in the mailbox is for others to say */
    };
    struct dsn_recipient *made = arena_new(arena, told->count * sizeof *made);

    for (uint32_t i = 0; i < told->count; i++) {
        const struct notice_outcome *outcome = &told->outcome[i];
        const struct recipient *recipient = recipient_of(notice, outcome);
        made[i] = (struct dsn_recipient){ .address = recipient->address,
                                          .original = recipient->original,
                                          .action = action[notice->kind],
                                          .verdict = outcome->verdict,
                                          .is_reply = outcome->is_reply,
                                          .is_expired = outcome->is_expired,
                                          .remote = outcome->remote,
                                          .last_attempt_ms = outcome->last_attempt_ms,
                                          .will_retry_until_ms = notice->until_ms };
    }
    return made;
}

static enum may_notify write_notice(struct buf *out, const struct notice *notice,
                                    const struct told *told, const struct header *header,
                                    struct arena *arena, struct notice_made *out_made)
{
    const struct envelope *envelope = notice->envelope;
    struct message_id_text log_id = message_id_to_text(envelope->id);
    struct notice_made made = { .recipients = told->count };
    struct buf subject = { 0 };
    struct buf words = { 0 };

    made.language = language_of(header, envelope->sender, notice->fallback);
    made.occasion = notice_occasion(notice->kind, told->outcome, told->count);
    struct template_values values = make_values(notice, told, header, made.language, arena);
    made.own_is_bad = !template_fill(
        notice->own != NULL ? notice->own->text[made.occasion][made.language] : STR_NONE,
        made.occasion, made.language, &values, &subject, &words);
    struct dsn dsn = {
        .from = notice->from,
        .from_name = notice->from_name,
        .to = envelope->sender,
        .subject = buf_str(&subject),
        .message_id = notice->message_id,
        .date_ms = notice->now_ms,
        .language = str_from(language_tag(made.language)),
        .words = buf_str(&words),
        .may_be_utf8 = (envelope->flags & ENVELOPE_SMTPUTF8) != 0,
        .reporting_mta = notice->node,
        .envelope_id = envelope->envelope_id,
        .arrival_ms = envelope->received_ms,
        .helo = envelope->helo,
        .client = envelope->client,
        .log_id = str_from(log_id.text),
        .recipient = make_recipients(notice, told, arena),
        .recipient_count = told->count,
        .content = notice->content,
        /* RFC 3461 4.3: only a failure has it all. */
        .returns_whole = envelope->ret == RET_FULL && notice->kind == NOTICE_FAILED,
        .returned_max = is_secret(envelope) ? 0 : notice->returned_max,
    };
    bool is_written = dsn_add(out, &dsn, &made.form);
    buf_fini(&subject);
    buf_fini(&words);
    if (!is_written)
        return MAY_NOT_BE_WRITTEN;
    *out_made = made;
    return MAY_NOTIFY;
}

enum may_notify notice_add(struct buf *out, const struct notice *notice,
                           struct notice_made *out_made)
{
    struct arena arena = { 0 };
    struct header header;
    struct told told;

    header_parse(str_first(notice->content, content_header_size(notice->content, 0)), &arena,
                 &header);
    enum may_notify may = may_notify_sender(notice->kind, notice->envelope, &header);
    if (may == MAY_NOTIFY)
        may = pick_outcomes(notice, &arena, &told);
    if (may == MAY_NOTIFY)
        may = write_notice(out, notice, &told, &header, &arena, out_made);
    arena_fini(&arena);
    return may;
}
