/* SPDX-License-Identifier: ISC */
/* command.c: MAIL and RCPT with the parameters this server understands, and BDAT.
 *
 * A parameter is sent only if its extension was offered. What that means for the
 * message is decided elsewhere (transaction.c) before it comes here; here the
 * parameter is simply left out.
 */
#include "deliver/conversation.h"

/* DSN parameters (RFC 3461 4) hold xtext: no space, no control character. */
static bool has_only(struct str text, unsigned char least)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < least || c == 0x7f)
            return false;
    }
    return true;
}

/* A path without <>, controls and spaces outside of quotes cannot run into what follows it. */
static bool is_safe_path(struct str path)
{
    bool is_quoted = false;

    if (!has_only(path, ' '))
        return false;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (is_quoted && c == '\\')
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && (c == '<' || c == '>' || c == ' '))
            return false;
    }
    return !is_quoted;
}

bool command_is_safe(const struct delivery *delivery)
{
    if (!is_safe_path(delivery->sender) || !has_only(delivery->envelope_id, '!'))
        return false;
    for (uint32_t i = 0; i < delivery->recipient_count; i++) {
        const struct recipient *recipient = &delivery->recipient[i];
        if (!is_safe_path(recipient->address) || !has_only(recipient->original, '!'))
            return false;
    }
    return true;
}

static void add_number(struct buf *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buf_add_bytes(out, digits + at, sizeof digits - at);
}

static void add_sender_dsn(struct buf *out, const struct delivery *delivery)
{
    static const char *const ret[] = { "", " RET=FULL", " RET=HDRS" };

    if (delivery->ret < sizeof ret / sizeof ret[0])
        buf_add(out, str_from(ret[delivery->ret]));
    if (delivery->envelope_id.len > 0) {
        buf_add(out, STR(" ENVID="));
        buf_add(out, delivery->envelope_id);
    }
}

void command_add_mail(struct buf *out, const struct delivery *delivery, unsigned extensions)
{
    buf_add(out, STR("MAIL FROM:<"));
    buf_add(out, delivery->sender);
    buf_add(out, STR(">"));
    if ((extensions & EXTENSION_SIZE) && delivery->size > 0) {
        buf_add(out, STR(" SIZE="));
        add_number(out, delivery->size);
    }
    if (delivery->body_type == BODY_8BITMIME && (extensions & EXTENSION_8BITMIME))
        buf_add(out, STR(" BODY=8BITMIME"));
    if (delivery->body_type == BODY_BINARYMIME)
        buf_add(out, STR(" BODY=BINARYMIME"));
    if (delivery->flags & ENVELOPE_SMTPUTF8)
        buf_add(out, STR(" SMTPUTF8"));
    if (delivery->flags & ENVELOPE_REQUIRETLS)
        buf_add(out, STR(" REQUIRETLS"));
    if (extensions & EXTENSION_DSN)
        add_sender_dsn(out, delivery);
    buf_add(out, STR("\r\n"));
}

static void add_notify(struct buf *out, uint8_t notify)
{
    static const struct {
        enum notify bit;
        const char *word;
    } words[] = { { NOTIFY_SUCCESS, "SUCCESS" },
                  { NOTIFY_FAILURE, "FAILURE" },
                  { NOTIFY_DELAY, "DELAY" } };
    const char *before = " NOTIFY=";

    if (notify & NOTIFY_NEVER) { /* stands alone, RFC 3461 4.1 */
        buf_add(out, STR(" NOTIFY=NEVER"));
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!(notify & words[i].bit))
            continue;
        buf_add(out, str_from(before));
        buf_add(out, str_from(words[i].word));
        before = ",";
    }
}

void command_add_rcpt(struct buf *out, const struct recipient *recipient, unsigned extensions)
{
    buf_add(out, STR("RCPT TO:<"));
    buf_add(out, recipient->address);
    buf_add(out, STR(">"));
    if (extensions & EXTENSION_DSN) {
        add_notify(out, recipient->notify);
        if (recipient->original.len > 0) {
            buf_add(out, STR(" ORCPT="));
            buf_add(out, recipient->original);
        }
    }
    buf_add(out, STR("\r\n"));
}

void command_add_bdat(struct buf *out, size_t size, bool is_last)
{
    buf_add(out, STR("BDAT "));
    add_number(out, size);
    buf_add(out, is_last ? STR(" LAST\r\n") : STR("\r\n"));
}
