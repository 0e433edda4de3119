/* SPDX-License-Identifier: ISC */
/* answer.c: our values as JSON, and the way of an answer to its asker. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/printable.h"
#include "control/request.h"

/* ---- values ---- */

json_t *json_text(struct str text)
{
    struct buf shown = { 0 };
    json_t *json = json_stringn(text.len > 0 ? text.ptr : "", text.len);

    if (json == NULL) {
        printable_add(&shown, text);
        json = json_stringn(shown.ptr, shown.len);
        buf_fini(&shown);
    }
    check(json != NULL);
    return json;
}

json_t *json_time(int64_t wall_ms)
{
    struct buf text = { 0 };

    if (wall_ms <= 0 || wall_ms == NEVER_MS)
        return json_null();
    clock_add_iso(&text, wall_ms);
    json_t *json = json_text(buf_str(&text));
    buf_fini(&text);
    return json;
}

json_t *json_verdict(const struct verdict *verdict)
{
    struct buf text = { 0 };

    if (verdict->code == 0 && verdict->text_len == 0)
        return json_null();
    if (verdict->code == 0)
        buf_add(&text, verdict_text(verdict));
    else
        verdict_add_line(&text, verdict);
    json_t *json = json_text(buf_str(&text));
    buf_fini(&text);
    return json;
}

json_t *json_id(struct message_id id)
{
    return json_text(str_from(message_id_to_text(id).text));
}

json_t *json_number(uint64_t number)
{
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

void json_put(json_t *object, const char *name, json_t *value)
{
    check(json_object_set_new(object, name, value) == 0);
}

/* ---- answers ---- */

static int add_piece(const char *bytes, size_t len, void *context)
{
    buf_add_bytes(context, bytes, len);
    return 0;
}

static void send(struct request *request, json_t *body, bool more)
{
    struct buf line = { 0 };

    if (request_is_wanted(request)) {
        const struct control_setup *setup = &request->control->setup;
        check(json_dump_callback(body, add_piece, &line, JSON_COMPACT) == 0);
        setup->host->answer(setup->context, request->ticket, buf_str(&line), more);
    }
    json_decref(body);
    buf_fini(&line);
}

bool request_is_wanted(const struct request *request)
{
    return request->control != NULL && !request->is_cancelled;
}

void request_free(struct request *request)
{
    list_remove(&request->link);
    request_free_export(request);
    request_free_settling(request);
    json_decref(request->arguments);
    json_decref(request->body);
    buf_fini(&request->domain);
    memory_free(request);
}

void request_answer(struct request *request, json_t *body)
{
    json_put(body, "ok", json_true());
    send(request, body, false);
    request_free(request);
}

void request_answer_part(struct request *request, json_t *body)
{
    json_put(body, "ok", json_true());
    json_put(body, "more", json_true());
    send(request, body, true);
}

void request_fail(struct request *request, const char *code, const char *format, ...)
{
    struct buf text = { 0 };
    json_t *body = json_object();
    json_t *error = json_object();
    va_list arguments;

    va_start(arguments, format);
    buf_add_vformat(&text, format, arguments);
    va_end(arguments);
    json_put(error, "code", json_string(code));
    json_put(error, "text", json_text(buf_str(&text)));
    json_put(body, "ok", json_false());
    json_put(body, "error", error);
    buf_fini(&text);
    send(request, body, false);
    request_free(request);
}

void request_fail_errno(struct request *request, int error)
{
    static const struct {
        int error;
        const char *code, *text;
    } failures[] = {
        { -ENOENT, "no-such-message",
          "there is no such message here any more; `holdfast queue list` shows what is held" },
        { -ENOKEY, "key-missing",
          "the key that it is encrypted with is missing; put it back into the file that "
          "encryption { keys } names, and reload" },
        { -ENOSPC, "disk-full", "the disk is full; make room and try again" },
        { -ECANCELED, "closing", "the keeper is closing; try again in a moment" },
        { -EROFS, "read-only", "the disk has become read-only; look at the system's log" },
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        if (failures[i].error == error) {
            request_fail(request, failures[i].code, "%s", failures[i].text);
            return;
        }
    }
    request_fail(request, "io-error", "the disk failed (%s); look at the log", strerror(-error));
}

bool request_was_kept(struct request *request, int error)
{
    bool is_asked = request->control != NULL;

    if (!is_asked)
        request_free(request);
    else if (error < 0)
        request_fail_errno(request, error);
    return is_asked && error >= 0;
}

static void on_kept(void *context, int error)
{
    struct request *request = context;

    if (!request_was_kept(request, error))
        return;
    json_t *body = request->body;
    request->body = NULL;
    request_answer(request, body);
}

void request_answer_kept(struct request *request, json_t *body)
{
    request->body = body;
    directory_settle(request->control->setup.directory, on_kept, request);
}

/* ---- arguments ---- */

json_t *argument_value(const struct request *request, const char *name)
{
    return json_object_get(request->arguments, name);
}

struct str argument_text(const struct request *request, const char *name)
{
    json_t *value = argument_value(request, name);

    if (!json_is_string(value))
        return STR_NONE;
    return str_of(json_string_value(value), json_string_length(value));
}

bool argument_flag(const struct request *request, const char *name)
{
    return json_is_true(argument_value(request, name));
}

int64_t argument_number(const struct request *request, const char *name, int64_t fallback)
{
    json_t *value = argument_value(request, name);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}
