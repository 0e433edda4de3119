/* SPDX-License-Identifier: ISC */
/* milter.c: what a filter is told; see milter.h.
 *
 * One step at a time, and the next only after the answer, unless the filter has said that it gives
 * none. A packet is its length (u32, big-endian), a letter, data; texts end with NUL. Macros come
 * right before what they belong to.
 */
#include <string.h>

#include "base/memory.h"
#include "filter/milter_private.h"

enum { VERSION = 6 };

/* ---- packets ---- */

static void add_u32(struct buf *out, uint32_t n)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_byte(out, (char)(n >> shift & 0xff));
}

static size_t begin(struct milter *milter, char command)
{
    size_t at = milter->out.len;

    add_u32(&milter->out, 0);
    buf_add_byte(&milter->out, command);
    return at;
}

static void end(struct milter *milter, size_t at)
{
    uint32_t size = (uint32_t)(milter->out.len - at - 4);

    for (int i = 0; i < 4; i++)
        milter->out.ptr[at + (size_t)i] = (char)(size >> (24 - 8 * i) & 0xff);
}

/* A NUL would end it too early. */
static void add_text(struct milter *milter, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        buf_add_byte(&milter->out, text.ptr[i] == '\0' ? '?' : text.ptr[i]);
    buf_add_byte(&milter->out, '\0');
}

static void add_macro(struct milter *milter, const char *name, struct str value)
{
    add_text(milter, str_from(name));
    add_text(milter, value);
}

/* ---- the steps: each says its next words, or false if it has none left ---- */

static bool say_version(struct milter *milter)
{
    size_t at = begin(milter, 'O');

    add_u32(&milter->out, VERSION);
    add_u32(&milter->out, MILTER_ACTIONS);
    add_u32(&milter->out, MILTER_OFFERED);
    end(milter, at);
    return true;
}

static struct str client_name(const struct milter *milter)
{
    struct str name = milter->mail->envelope->client_name;
    return name.len > 0 ? name : STR("unknown");
}

/* "name [192.0.2.1]", as Sendmail's $_ has it. */
static void add_client(struct milter *milter, struct str ip)
{
    struct buf text = { 0 };

    buf_add_format(&text, "%.*s [%.*s]", STR_FMT(client_name(milter)), STR_FMT(ip));
    add_macro(milter, "_", buf_str(&text));
    buf_fini(&text);
}

static void tell_connect(struct milter *milter)
{
    size_t at = begin(milter, 'D');
    struct buf address = { 0 };
    struct buf port = { 0 };

    endpoint_add_ip(&address, milter->mail->envelope->client);
    struct str ip = buf_str(&address);
    buf_add_byte(&milter->out, 'C');
    add_macro(milter, "j", milter->mail->hostname);
    add_client(milter, ip);
    add_macro(milter, "{daemon_name}", milter->mail->hostname);
    add_macro(milter, "v", STR("holdfast"));
    add_macro(milter, "{client_addr}", ip);
    add_macro(milter, "{client_name}", client_name(milter));
    add_macro(milter, "{client_ptr}", client_name(milter));
    buf_add_format(&port, "%u", milter->mail->envelope->client.port);
    add_macro(milter, "{client_port}", buf_str(&port));
    end(milter, at);
    buf_fini(&address);
    buf_fini(&port);
}

static bool say_connect(struct milter *milter)
{
    const struct envelope *envelope = milter->mail->envelope;
    struct buf ip = { 0 };
    struct buf name = { 0 };

    endpoint_add_ip(&ip, envelope->client);
    bool is_v6 = str_find(buf_str(&ip), ':') >= 0;
    buf_add_format(&name, "[%.*s]", STR_FMT(buf_str(&ip)));
    size_t at = begin(milter, 'C');
    add_text(milter, envelope->client_name.len > 0 ? envelope->client_name : buf_str(&name));
    buf_add_byte(&milter->out, is_v6 ? '6' : '4');
    buf_add_byte(&milter->out, (char)(envelope->client.port >> 8));
    buf_add_byte(&milter->out, (char)(envelope->client.port & 0xff));
    add_text(milter, buf_str(&ip));
    end(milter, at);
    buf_fini(&ip);
    buf_fini(&name);
    return true;
}

static bool say_helo(struct milter *milter)
{
    size_t at = begin(milter, 'H');

    add_text(milter, milter->mail->envelope->helo);
    end(milter, at);
    return true;
}

static void add_address(struct milter *milter, struct str address)
{
    buf_add_byte(&milter->out, '<');
    buf_add(&milter->out, address);
    add_text(milter, STR(">"));
}

static struct str host_of(struct str address)
{
    ptrdiff_t at = str_find_last(address, '@');
    return at >= 0 ? str_skip(address, (size_t)at + 1) : STR("");
}

static void say_id(struct milter *milter, char command)
{
    struct message_id_text id = message_id_to_text(milter->mail->envelope->id);
    size_t at = begin(milter, 'D');

    buf_add_byte(&milter->out, command);
    add_macro(milter, "i", str_from(id.text));
    end(milter, at);
}

static void tell_mail(struct milter *milter)
{
    const struct envelope *envelope = milter->mail->envelope;
    struct message_id_text id = message_id_to_text(envelope->id);
    size_t at = begin(milter, 'D');

    buf_add_byte(&milter->out, 'M');
    add_macro(milter, "i", str_from(id.text));
    add_macro(milter, "{mail_addr}", envelope->sender);
    add_macro(milter, "{mail_host}", host_of(envelope->sender));
    add_macro(milter, "{mail_mailer}", STR("smtp"));
    end(milter, at);
}

static bool say_mail(struct milter *milter)
{
    const struct envelope *envelope = milter->mail->envelope;
    size_t at = begin(milter, 'M');

    add_address(milter, envelope->sender);
    if (envelope->body_type == BODY_8BITMIME)
        add_text(milter, STR("BODY=8BITMIME"));
    end(milter, at);
    return true;
}

static bool say_recipient(struct milter *milter)
{
    const struct envelope *envelope = milter->mail->envelope;

    while (milter->index < envelope->recipient_count && !milter->mail->is_shown[milter->index])
        milter->index++;
    if (milter->index == envelope->recipient_count)
        return false;
    struct str address = envelope->recipient[milter->index++].address;
    size_t at = begin(milter, 'D');
    buf_add_byte(&milter->out, 'R');
    add_macro(milter, "{rcpt_addr}", address);
    add_macro(milter, "{rcpt_host}", host_of(address));
    add_macro(milter, "{rcpt_mailer}", STR("smtp"));
    end(milter, at);
    at = begin(milter, 'R');
    add_address(milter, address);
    end(milter, at);
    return true;
}

static void tell_data(struct milter *milter)
{
    say_id(milter, 'T');
}

static bool say_data(struct milter *milter)
{
    end(milter, begin(milter, 'T'));
    return true;
}

/* Lines within it end with LF alone, and without the space behind the colon, as Sendmail gives
 * them; with it, if the filter has asked for that. */
static void add_value(struct milter *milter, struct str value)
{
    bool keeps_space = (milter->protocol & MILTER_LEADING_SPACE) != 0;

    while (value.len > 0 && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r'))
        value.len--;
    if (!keeps_space && value.len > 0 && value.ptr[0] == ' ')
        value = str_skip(value, 1);
    value = str_first(value, MILTER_VALUE_MAX);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] != '\r')
            buf_add_byte(&milter->out, value.ptr[i] == '\0' ? '?' : value.ptr[i]);
    buf_add_byte(&milter->out, '\0');
}

static bool say_field(struct milter *milter)
{
    const struct header *header = milter->mail->header;

    if (milter->index == header->count)
        return false;
    const struct header_field *field = &header->field[milter->index++];
    size_t at = begin(milter, 'L');
    add_text(milter, str_first(field->name, MILTER_CHUNK_MAX - MILTER_VALUE_MAX - 2));
    add_value(milter, field->value);
    end(milter, at);
    return true;
}

static void tell_end_of_header(struct milter *milter)
{
    say_id(milter, 'N');
}

static bool say_end_of_header(struct milter *milter)
{
    end(milter, begin(milter, 'N'));
    return true;
}

static void say_chunk(struct milter *milter, struct str bytes)
{
    size_t at = begin(milter, 'B');

    buf_add(&milter->out, bytes);
    end(milter, at);
    milter->offset += bytes.len;
}

static uint64_t size_shown(const struct milter *milter)
{
    return milter->mail->body_start.len + milter->mail->body_size;
}

/* What is not here is asked for; milter_body() goes on. */
static bool say_body(struct milter *milter)
{
    struct str start = str_skip(milter->mail->body_start, (size_t)milter->offset);
    uint64_t left = size_shown(milter) - milter->offset;

    if (milter->skips_body || left == 0)
        return false;
    if (milter->offset < milter->mail->body_start.len) {
        say_chunk(milter, str_first(start, MILTER_CHUNK_MAX));
        return true;
    }
    milter->awaits_body = true;
    milter->host->want_body(milter->context, milter->offset - milter->mail->body_start.len,
                            left < MILTER_CHUNK_MAX ? (size_t)left : MILTER_CHUNK_MAX);
    return true;
}

static void tell_end(struct milter *milter)
{
    say_id(milter, 'E');
}

static bool say_end(struct milter *milter)
{
    end(milter, begin(milter, 'E'));
    return true;
}

static const struct {
    void (*tell)(
        struct milter *milter); /* its macros, which a filter gets that declines the rest */
    bool (*say)(struct milter *milter);
    uint32_t unwanted, silent; /* the bits by which a filter declines it, or does not answer */
    bool is_repeated;
} steps[STEP_OVER] = {
    [STEP_NEGOTIATE] = { NULL, say_version, 0, 0, false },
    [STEP_CONNECT] = { tell_connect, say_connect, MILTER_NO_CONNECT, MILTER_SILENT_CONNECT, false },
    [STEP_HELO] = { NULL, say_helo, MILTER_NO_HELO, MILTER_SILENT_HELO, false },
    [STEP_MAIL] = { tell_mail, say_mail, MILTER_NO_MAIL, MILTER_SILENT_MAIL, false },
    [STEP_RCPT] = { NULL, say_recipient, MILTER_NO_RCPT, MILTER_SILENT_RCPT, true },
    [STEP_DATA] = { tell_data, say_data, MILTER_NO_DATA, MILTER_SILENT_DATA, false },
    [STEP_HEADER] = { NULL, say_field, MILTER_NO_HEADER, MILTER_SILENT_HEADER, true },
    [STEP_END_OF_HEADER] = { tell_end_of_header, say_end_of_header, MILTER_NO_END_OF_HEADER,
                             MILTER_SILENT_END_OF_HEADER, false },
    [STEP_BODY] = { NULL, say_body, MILTER_NO_BODY, MILTER_SILENT_BODY, true },
    [STEP_END] = { tell_end, say_end, 0, 0, false },
};

static void next_step(struct milter *milter)
{
    milter->step++;
    milter->index = 0;
}

static void flush(struct milter *milter)
{
    if (milter->out.len > 0)
        milter->host->send(milter->context, buf_str(&milter->out));
    buf_reset(&milter->out);
}

/* Says what can be said without having been answered. */
void milter_go_on(struct milter *milter)
{
    while (milter->step != STEP_OVER && !milter->awaits_answer && !milter->awaits_body) {
        enum milter_step step = milter->step;
        bool is_declined = (milter->protocol & steps[step].unwanted) != 0;
        if (steps[step].tell != NULL)
            steps[step].tell(milter);
        if (is_declined || !steps[step].say(milter)) {
            next_step(milter);
            continue;
        }
        milter->awaits_answer =
            !milter->awaits_body && (milter->protocol & steps[step].silent) == 0;
        if (!steps[step].is_repeated && !milter->awaits_answer)
            next_step(milter);
    }
    flush(milter);
}

void milter_body(struct milter *milter, struct str bytes)
{
    uint64_t left = size_shown(milter) - milter->offset;

    if (!milter->awaits_body || milter->step == STEP_OVER)
        return;
    milter->awaits_body = false;
    if (bytes.len != (left < MILTER_CHUNK_MAX ? left : MILTER_CHUNK_MAX)) {
        milter_break(milter, "the body could not be read");
        return;
    }
    say_chunk(milter, bytes);
    milter->awaits_answer = (milter->protocol & MILTER_SILENT_BODY) == 0;
    milter_go_on(milter);
}

/* ---- beginning and end ---- */

struct milter *milter_new(const struct milter_mail *mail, const struct milter_host *host,
                          void *context)
{
    struct milter *milter = memory_new(sizeof *milter);
    uint32_t count = mail->envelope->recipient_count;

    milter->mail = mail;
    milter->host = host;
    milter->context = context;
    milter->decoder = content_decoder_for_chunks();
    milter->result.outcome = MILTER_OPEN;
    milter->result.recipient = arena_new(&milter->arena, count * sizeof(enum milter_outcome));
    milter->result.recipient_count = count;
    for (uint32_t i = 0; i < count; i++)
        milter->result.recipient[i] = MILTER_PASSED;
    milter_go_on(milter);
    return milter;
}

void milter_free(struct milter *milter)
{
    if (milter == NULL)
        return;
    buf_fini(&milter->in);
    buf_fini(&milter->out);
    arena_fini(&milter->arena);
    memory_free(milter);
}

/* Says good-bye. */
void milter_end(struct milter *milter, enum milter_outcome outcome)
{
    milter->step = STEP_OVER;
    milter->awaits_answer = milter->awaits_body = false;
    milter->result.outcome = outcome;
    end(milter, begin(milter, 'Q'));
    flush(milter);
}

void milter_break(struct milter *milter, const char *why)
{
    if (milter->step == STEP_OVER)
        return;
    milter->step = STEP_OVER;
    milter->awaits_answer = milter->awaits_body = false;
    milter->result.outcome = MILTER_BROKEN;
    milter->result.why = why;
}

static uint32_t packet_size(struct str bytes)
{
    uint32_t size = 0;

    for (size_t i = 0; i < 4; i++)
        size = size << 8 | (uint8_t)bytes.ptr[i];
    return size;
}

void milter_feed(struct milter *milter, struct str bytes)
{
    size_t taken = 0;

    if (milter->step == STEP_OVER)
        return;
    buf_add(&milter->in, bytes);
    while (milter->step != STEP_OVER && milter->in.len - taken >= 4) {
        struct str left = str_skip(buf_str(&milter->in), taken);
        uint32_t size = packet_size(left);
        if (size == 0 || size > MILTER_PACKET_MAX) {
            milter_break(milter, "it spoke no milter protocol");
            break;
        }
        if (left.len - 4 < size)
            break;
        taken += 4 + size;
        milter_take(milter, left.ptr[4], str_first(str_skip(left, 5), size - 1));
    }
    buf_consume(&milter->in, taken);
}

const struct milter_result *milter_result(const struct milter *milter)
{
    return &milter->result;
}
