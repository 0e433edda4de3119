/* SPDX-License-Identifier: ISC */
/* milter_answer.c: what a filter says; see milter.h.
 *
 * A word about what it was told last, at the end preceded by the changes that it wants. While it
 * thinks it may say that it is still there.
 */
#include "filter/milter_private.h"

#define NONSENSE "it said what makes no sense"

/* ---- fields of a packet ---- */

static bool cut_u32(struct str *data, uint32_t *out_n)
{
    uint32_t n = 0;

    if (data->len < 4)
        return false;
    for (size_t i = 0; i < 4; i++)
        n = n << 8 | (uint8_t)data->ptr[i];
    *data = str_skip(*data, 4);
    *out_n = n;
    return true;
}

static bool cut_text(struct str *data, struct str *out_text)
{
    return str_find(*data, '\0') >= 0 && str_cut(data, '\0', out_text);
}

/* ---- verdicts ---- */

/* "550 5.7.1 Spam", of several lines the first; a percent sign stands there twice. */
static bool read_verdict(struct str data, struct verdict *out_verdict)
{
    struct str text = STR_NONE;
    struct buf plain = { 0 };
    uint64_t code = 0;

    if (!cut_text(&data, &text) || text.len < 4 || !str_to_u64(str_first(text, 3), 599, &code) ||
        code < 400 || (text.ptr[3] != ' ' && text.ptr[3] != '-'))
        return false;
    text = str_skip(text, 4);
    for (size_t i = 0; i < text.len && text.ptr[i] != '\r' && text.ptr[i] != '\n'; i++) {
        if (text.ptr[i] == '%' && i + 1 < text.len && text.ptr[i + 1] == '%')
            i++;
        buf_add_byte(&plain, text.ptr[i]);
    }
    *out_verdict = verdict_from_reply((uint16_t)code, buf_str(&plain));
    buf_fini(&plain);
    return true;
}

static bool is_last_recipient(const struct milter *milter)
{
    for (uint32_t i = 0; i < milter->result.recipient_count; i++)
        if (milter->mail->is_shown[i] &&
            (i >= milter->index || milter->result.recipient[i] == MILTER_PASSED))
            return false;
    return true;
}

/* Of a single recipient, who was told last; one who cannot be served now makes the whole message
 * wait, for only that can be said at its end. */
static void refuse(struct milter *milter, struct verdict verdict)
{
    bool is_for_now = verdict.fate == FATE_DEFER;

    milter->result.verdict = verdict;
    if (milter->step == STEP_RCPT && !is_for_now) {
        milter->result.recipient[milter->index - 1] = MILTER_REFUSED;
        if (!is_last_recipient(milter)) {
            milter_go_on(milter);
            return;
        }
    }
    milter_end(milter, is_for_now ? MILTER_DEFERRED : MILTER_REFUSED);
}

static void hold(struct milter *milter, struct str reason)
{
    milter->result.verdict = verdict_make(550, 7, 1, reason);
    milter_end(milter, MILTER_TO_HOLD);
}

static void pass(struct milter *milter)
{
    if (milter->wants_quarantine) {
        milter->result.verdict = milter->quarantine;
        milter_end(milter, MILTER_TO_HOLD);
    } else {
        milter_end(milter, MILTER_PASSED);
    }
}

/* Go on with the next step; at the end, that is that. */
static void go_on(struct milter *milter)
{
    if (milter->step == STEP_END) {
        pass(milter);
        return;
    }
    bool is_repeated =
        milter->step == STEP_RCPT || milter->step == STEP_HEADER || milter->step == STEP_BODY;
    if (!is_repeated)
        milter->step++, milter->index = 0;
    milter_go_on(milter);
}

/* ---- the negotiation ---- */

static void negotiate(struct milter *milter, struct str data)
{
    uint32_t version = 0;
    uint32_t actions = 0;
    uint32_t protocol = 0;

    if (!cut_u32(&data, &version) || !cut_u32(&data, &actions) || !cut_u32(&data, &protocol) ||
        version < 2) {
        milter_break(milter, "it spoke no milter protocol");
        return;
    }
    milter->protocol = protocol & MILTER_OFFERED;
    if (version < 4) /* it does not know DATA */
        milter->protocol |= MILTER_NO_DATA;
    go_on(milter);
}

/* ---- changes ---- */

/* Without the space that stands behind the colon, unless that was agreed on. */
static bool add_change(struct milter *milter, enum change_kind kind, struct str data)
{
    struct change change = { .kind = kind };
    struct buf value = { 0 };

    if ((kind != CHANGE_ADD && !cut_u32(&data, &change.index)) || !cut_text(&data, &change.name) ||
        !cut_text(&data, &change.value))
        return false;
    if ((milter->protocol & MILTER_LEADING_SPACE) == 0 &&
        (change.value.len > 0 || kind != CHANGE_SET))
        buf_add(&value, STR(" "));
    buf_add(&value, change.value);
    change.value = buf_str(&value);
    bool is_fine = changes_add(&milter->result.changes, &milter->arena, &change);
    buf_fini(&value);
    return is_fine;
}

static bool replace_body(struct milter *milter, struct str data)
{
    struct buf body = { 0 };

    (void)content_decode(&milter->decoder, data, &body);
    milter->new_octets += body.len;
    bool is_fine = milter->new_octets <= milter->mail->body_max;
    milter->result.replaces_body = true;
    if (is_fine)
        milter->host->replace_body(milter->context, buf_str(&body));
    buf_fini(&body);
    return is_fine;
}

static bool quarantine(struct milter *milter, struct str data)
{
    struct str reason = STR_NONE;

    if (!cut_text(&data, &reason))
        return false;
    milter->wants_quarantine = true;
    milter->quarantine =
        verdict_make(550, 7, 1, reason.len > 0 ? reason : STR("A filter wants it looked at"));
    return true;
}

/* He does not get it, but it is not lost. */
static bool remove_recipient(struct milter *milter, struct str data)
{
    struct str address = STR_NONE;

    if (!cut_text(&data, &address))
        return false;
    if (str_starts(address, STR("<")) && str_ends_nocase(address, STR(">")))
        address = str_first(str_skip(address, 1), address.len - 2);
    for (uint32_t i = 0; i < milter->result.recipient_count; i++) {
        if (!milter->mail->is_shown[i] ||
            !str_equals_nocase(milter->mail->envelope->recipient[i].address, address))
            continue;
        milter->result.recipient[i] = MILTER_TO_HOLD;
        milter->result.verdict =
            verdict_make(550, 7, 1, STR("A filter took the recipient off the message"));
    }
    return true;
}

/* True: it was one, whether it made sense or not. */
static bool take_change(struct milter *milter, char command, struct str data)
{
    bool is_fine = true;

    switch (command) {
    case 'h':
        is_fine = add_change(milter, CHANGE_ADD, data);
        break;
    case 'i':
        is_fine = add_change(milter, CHANGE_INSERT, data);
        break;
    case 'm':
        is_fine = add_change(milter, CHANGE_SET, data);
        break;
    case 'b':
        is_fine = replace_body(milter, data);
        break;
    case 'q':
        is_fine = quarantine(milter, data);
        break;
    case '-':
        is_fine = remove_recipient(milter, data);
        break;
    case '+': /* further recipients, or another sender */
    case '2':
    case 'e':
        milter->result.overstepped++;
        break;
    default:
        return false;
    }
    if (!is_fine)
        milter_break(milter, "it wanted changes that make no sense, or too many");
    return true;
}

/* ---- */

static void take_word(struct milter *milter, char command, struct str data)
{
    struct verdict verdict;

    switch (command) {
    case 'c':
        go_on(milter);
        break;
    case 'a':
        pass(milter);
        break;
    case 's':
        if (milter->step != STEP_BODY) {
            milter_break(milter, NONSENSE);
            break;
        }
        milter->skips_body = true;
        milter_go_on(milter);
        break;
    case 'r':
        refuse(milter, verdict_make(550, 7, 1, STR("A filter refuses this message")));
        break;
    case 't':
    case 'f': /* it closes its door */
    case '4':
        refuse(milter, verdict_make(451, 7, 1, STR("Please try again later")));
        break;
    case 'y':
        if (read_verdict(data, &verdict))
            refuse(milter, verdict);
        else
            milter_break(milter, NONSENSE);
        break;
    case 'd':
        hold(milter, STR("A filter wants it thrown away"));
        break;
    default:
        milter_break(milter, NONSENSE);
        break;
    }
}

void milter_take(struct milter *milter, char command, struct str data)
{
    if (command == 'p') /* it is still thinking; there is an end to that, which others watch */
        return;
    if (!milter->awaits_answer) {
        milter_break(milter, "it spoke without having been asked");
        return;
    }
    if (milter->step == STEP_END && take_change(milter, command, data))
        return;
    milter->awaits_answer = false;
    if (milter->step != STEP_NEGOTIATE)
        take_word(milter, command, data);
    else if (command == 'O')
        negotiate(milter, data);
    else
        milter_break(milter, "it spoke no milter protocol");
}
