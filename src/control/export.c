/* SPDX-License-Identifier: ISC */
/* export.c: the content of a message, piece by piece.
 *
 *     {"ok":true,"more":true,"size":123456}
 *     {"ok":true,"more":true,"data":"base64 of at most 48 KiB"}   as many as it takes
 *     {"ok":true,"done":true}
 *
 * Each piece is read when the one before has been written (control_continue), so
 * a slow reader costs one piece of memory.
 *
 *     OPENING -> WAITING <-> READING          any -> freed
 */
#include <errno.h>

#include "base/base64.h"
#include "base/memory.h"
#include "control/request.h"

enum { PIECE_SIZE = 48 * 1024 }; /* a multiple of 3: padding only in the last */

struct export
{
    struct store_reader *reader;
    uint64_t size;
    uint64_t offset;
};

void request_free_export(struct request *request)
{
    if (request->export == NULL)
        return;
    if (request->export->reader != NULL)
        store_reader_close(request->export->reader);
    memory_free(request->export);
}

static void read_on(struct request *request);

static void piece_read(void *context, int error, struct str bytes)
{
    struct request *request = context;
    struct buf text = { 0 };

    if (!request_is_wanted(request)) {
        request_free(request);
        return;
    }
    if (error < 0 || bytes.len == 0) {
        request_fail_errno(request, error < 0 ? error : -EIO);
        return;
    }
    request->export->offset += bytes.len;
    json_t *body = json_object();
    base64_add(&text, bytes);
    json_put(body, "data", json_text(buf_str(&text)));
    buf_fini(&text);
    request->go_on = read_on;
    request_answer_part(request, body);
}

static void read_on(struct request *request)
{
    struct export *export = request->export;

    if (export->offset >= export->size) {
        json_t *body = json_object();
        json_put(body, "done", json_true());
        request_answer(request, body);
        return;
    }
    store_read(export->reader, export->offset, PIECE_SIZE, piece_read, request);
}

static void opened(void *context, int error, struct store_reader *reader,
                   const struct stored_message *message)
{
    struct request *request = context;

    if (error == 0) {
        request->export = memory_new(sizeof *request->export);
        request->export->reader = reader;
        request->export->size = message->size;
    }
    if (!request_is_wanted(request)) {
        request_free(request);
        return;
    }
    if (error < 0) {
        request_fail_errno(request, error);
        return;
    }
    json_t *body = json_object();
    json_put(body, "size", json_number(message->size));
    request->go_on = read_on;
    request_answer_part(request, body);
}

void operation_queue_export(struct request *request)
{
    store_open(request->control->setup.store, request->id, STR_NONE, opened, request);
}
