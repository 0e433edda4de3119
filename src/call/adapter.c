/* SPDX-License-Identifier: ISC */
/* adapter.c: see adapter.h. */
#include "call/adapter.h"

#include <string.h>

#include "base/memory.h"
#include "wire/smtp_command.h"

enum { LINE_MAX = 4096, GREETING_MAX = 16 * 1024 };

enum adapter_mode {
    ADAPTER_COMMANDS,
    ADAPTER_AFTER_DATA, /* content follows if the server says 354 */
    ADAPTER_CONTENT,
};

struct adapter {
    struct adapter_settings settings;
    const struct adapter_host *host;
    void *context;
    enum adapter_mode mode;
    bool is_broken;
    struct buf command;  /* the part of a line that has come from the backup */
    struct buf reply;    /* … from the server, … */
    struct buf greeting; /* … and the lines of the reply to EHLO */
    bool awaits_greeting;
    bool awaits_recipient;
    bool has_recipient; /* one that was accepted */
    unsigned code;      /* of the server's last reply */
    unsigned end;       /* how much of CRLF.CRLF has come */
};

struct adapter *adapter_new(const struct adapter_settings *settings,
                            const struct adapter_host *host, void *context)
{
    struct adapter *adapter = memory_new(sizeof *adapter);

    adapter->settings = *settings;
    adapter->host = host;
    adapter->context = context;
    return adapter;
}

void adapter_free(struct adapter *adapter)
{
    if (adapter == NULL)
        return;
    buf_fini(&adapter->command);
    buf_fini(&adapter->reply);
    buf_fini(&adapter->greeting);
    memory_free(adapter);
}

static void breaks(struct adapter *adapter, const char *why)
{
    if (!adapter->is_broken)
        adapter->host->broken(adapter->context, why);
    adapter->is_broken = true;
}

/* ---- the backup's commands ---- */

/* "ADDR=192.0.2.1 PORT=4711", "ADDR=IPV6:2001:db8::1", "ADDR=[UNAVAILABLE]" */
static struct endpoint client_of(struct str attributes)
{
    struct endpoint client = { 0 };
    struct str word = STR_NONE;
    struct str address = STR_NONE;
    uint64_t port = 0;

    while (str_cut(&attributes, ' ', &word)) {
        struct str key = STR_NONE;
        bool has_value = str_cut(&word, '=', &key) && word.ptr != NULL;
        if (has_value && str_equals_nocase(key, STR("ADDR")))
            address = word;
        else if (has_value && str_equals_nocase(key, STR("PORT")))
            (void)str_to_u64(word, UINT16_MAX, &port);
    }
    if (str_equals_nocase(str_first(address, 5), STR("IPV6:")))
        address = str_skip(address, 5);
    if (!endpoint_from_ip(address, (uint16_t)port, &client))
        return (struct endpoint){ 0 };
    return client;
}

static void pass_on(const struct adapter *adapter, struct str verb, struct str line)
{
    struct buf whole = { 0 };

    buf_add(&whole, verb);
    buf_add(&whole, line);
    buf_add(&whole, STR("\r\n"));
    adapter->host->to_server(adapter->context, buf_str(&whole));
    buf_fini(&whole);
}

static void run_command(struct adapter *adapter, struct str line)
{
    struct smtp_command command = smtp_command_parse(line);
    struct str rest = str_skip(line, command.name.len);
    bool is_xclient = str_equals_nocase(command.name, STR("XCLIENT"));

    if (command.verb == SMTP_RCPT && adapter->settings.is_lmtp && adapter->has_recipient) {
        adapter->host->to_backup(adapter->context, STR("452 4.5.3 One recipient at a time\r\n"));
        return;
    }
    adapter->awaits_recipient = command.verb == SMTP_RCPT;
    if (command.verb == SMTP_MAIL || command.verb == SMTP_RSET || command.verb == SMTP_EHLO ||
        is_xclient)
        adapter->has_recipient = false;
    if (is_xclient && adapter->settings.is_proxied) {
        buf_reset(&adapter->reply);
        adapter->host->reconnect(adapter->context, client_of(command.argument));
        return;
    }
    adapter->awaits_greeting = command.verb == SMTP_EHLO;
    if (command.verb == SMTP_DATA) {
        adapter->mode = ADAPTER_AFTER_DATA;
        adapter->code = 0;
    }
    if (command.verb == SMTP_EHLO && adapter->settings.is_lmtp)
        pass_on(adapter, STR("LHLO"), rest);
    else
        pass_on(adapter, command.name, rest);
}

/* How much of the bytes belongs to the content: up to its end, if that is there. */
static size_t content_length(struct adapter *adapter, struct str bytes)
{
    static const char mark[] = "\r\n.\r\n";

    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] == mark[adapter->end])
            adapter->end++;
        else
            adapter->end = bytes.ptr[i] == '\r' ? 1 : 0;
        if (mark[adapter->end] == '\0') {
            adapter->mode = ADAPTER_COMMANDS;
            return i + 1;
        }
    }
    return bytes.len;
}

static struct str take_content(struct adapter *adapter, struct str bytes)
{
    size_t len = content_length(adapter, bytes);

    adapter->host->to_server(adapter->context, str_first(bytes, len));
    return str_skip(bytes, len);
}

static struct str take_command(struct adapter *adapter, struct str bytes)
{
    ptrdiff_t end = str_find(bytes, '\n');
    struct str part = end >= 0 ? str_first(bytes, (size_t)end) : bytes;

    if (adapter->command.len + part.len > LINE_MAX) {
        breaks(adapter, "the backup's command is too long");
        return STR_NONE;
    }
    buf_add(&adapter->command, part);
    if (end < 0)
        return STR_NONE;
    struct str line = buf_str(&adapter->command);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line = str_first(line, line.len - 1);
    run_command(adapter, line);
    buf_reset(&adapter->command);
    return str_skip(bytes, (size_t)end + 1);
}

void adapter_from_backup(struct adapter *adapter, struct str bytes)
{
    while (bytes.len > 0 && !adapter->is_broken) {
        if (adapter->mode == ADAPTER_AFTER_DATA) {
            adapter->mode = adapter->code == 354 ? ADAPTER_CONTENT : ADAPTER_COMMANDS;
            adapter->end = 2; /* the command's end: content may begin with its own */
        }
        bytes = adapter->mode == ADAPTER_CONTENT ? take_content(adapter, bytes)
                                                 : take_command(adapter, bytes);
    }
}

/* ---- the server's replies ---- */

static bool is_dropped(const struct adapter *adapter, struct str offer)
{
    static const struct str lock_step[] = {
        { "PIPELINING", 10 }, { "CHUNKING", 8 }, { "BINARYMIME", 10 }, { "STARTTLS", 8 }
    };
    struct str keyword = STR_NONE;

    (void)str_cut(&offer, ' ', &keyword);
    for (size_t i = 0; i < sizeof lock_step / sizeof *lock_step; i++)
        if (str_equals_nocase(keyword, lock_step[i]))
            return true;
    return adapter->settings.is_proxied && str_equals_nocase(keyword, STR("XCLIENT"));
}

static void add_offer(struct buf *out, struct buf *last, struct str offer)
{
    if (last->len > 0) {
        buf_add(out, STR("250-"));
        buf_add(out, buf_str(last));
        buf_add(out, STR("\r\n"));
    }
    buf_reset(last);
    buf_add(last, offer);
}

/* What was offered, but for what is dropped, and with what we add. */
static void offer(struct adapter *adapter)
{
    struct str lines = buf_str(&adapter->greeting);
    struct str line = STR_NONE;
    struct buf out = { 0 };
    struct buf last = { 0 };

    while (str_cut(&lines, '\n', &line))
        if (line.len > 0 && !is_dropped(adapter, line))
            add_offer(&out, &last, line);
    if (adapter->settings.is_proxied)
        add_offer(&out, &last, STR("XCLIENT ADDR PORT"));
    if (adapter->settings.is_lmtp)
        add_offer(&out, &last, STR("LIMITS RCPTMAX=1"));
    buf_add(&out, STR("250 "));
    buf_add(&out, buf_str(&last));
    buf_add(&out, STR("\r\n"));
    adapter->host->to_backup(adapter->context, buf_str(&out));
    buf_reset(&adapter->greeting);
    buf_fini(&out);
    buf_fini(&last);
}

static void take_greeting_line(struct adapter *adapter, struct str line, bool is_last)
{
    if (adapter->greeting.len + line.len > GREETING_MAX) {
        breaks(adapter, "the server's greeting is too long");
        return;
    }
    buf_add(&adapter->greeting, str_skip(line, 4));
    buf_add_byte(&adapter->greeting, '\n');
    if (!is_last)
        return;
    adapter->awaits_greeting = false;
    offer(adapter);
}

static void take_reply_line(struct adapter *adapter, struct str line)
{
    uint64_t code = 0;
    bool is_last = line.len < 4 || line.ptr[3] != '-';

    if (line.len < 3 || !str_to_u64(str_first(line, 3), 599, &code)) {
        breaks(adapter, "the server does not speak SMTP");
        return;
    }
    if (adapter->awaits_greeting && code == 250) {
        take_greeting_line(adapter, line, is_last);
        return;
    }
    adapter->host->to_backup(adapter->context, line);
    adapter->host->to_backup(adapter->context, STR("\r\n"));
    if (!is_last)
        return;
    adapter->code = (unsigned)code;
    adapter->awaits_greeting = false;
    if (adapter->awaits_recipient && code / 100 == 2)
        adapter->has_recipient = true;
    adapter->awaits_recipient = false;
}

void adapter_from_server(struct adapter *adapter, struct str bytes)
{
    while (bytes.len > 0 && !adapter->is_broken) {
        ptrdiff_t end = str_find(bytes, '\n');
        struct str part = end >= 0 ? str_first(bytes, (size_t)end) : bytes;
        if (adapter->reply.len + part.len > LINE_MAX) {
            breaks(adapter, "the server's reply is too long");
            return;
        }
        buf_add(&adapter->reply, part);
        if (end < 0)
            return;
        struct str line = buf_str(&adapter->reply);
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line = str_first(line, line.len - 1);
        take_reply_line(adapter, line);
        buf_reset(&adapter->reply);
        bytes = str_skip(bytes, (size_t)end + 1);
    }
}

/* ---- PROXY ---- */

static void add_port(struct buf *out, uint16_t port)
{
    buf_add_byte(out, (char)(port >> 8));
    buf_add_byte(out, (char)(port & 0xff));
}

/* The server, as somebody of this family sees it. */
static struct endpoint seen_from(enum endpoint_family family, struct endpoint server)
{
    struct endpoint loopback = { .family = family, .port = server.port };

    if (server.family == family)
        return server;
    if (family == ENDPOINT_IP4)
        loopback.address[0] = 127;
    loopback.address[family == ENDPOINT_IP4 ? 3 : 15] = 1;
    return loopback;
}

void adapter_add_proxy_header(struct buf *out, struct endpoint client, struct endpoint server)
{
    static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
    bool is_known = client.family == ENDPOINT_IP4 || client.family == ENDPOINT_IP6;
    struct endpoint seen = seen_from(client.family, server);
    size_t size = client.family == ENDPOINT_IP4 ? 4 : 16;
    uint16_t len = is_known ? (uint16_t)(2 * size + 4) : 0;

    buf_add_bytes(out, signature, sizeof signature - 1);
    buf_add_byte(out, is_known ? 0x21 : 0x20); /* version 2: PROXY, or LOCAL */
    buf_add_byte(out, !is_known ? 0x00 : client.family == ENDPOINT_IP4 ? 0x11 : 0x21); /* TCP */
    add_port(out, len);
    if (!is_known)
        return;
    buf_add_bytes(out, client.address, size);
    buf_add_bytes(out, seen.address, size);
    add_port(out, client.port);
    add_port(out, seen.port);
}
