/* SPDX-License-Identifier: ISC */
/* backup.c: a copy of the mail while it goes on.
 *
 *     {"op":"backup.begin"}             {"ok":true,"number":1,"span_s":120,"files":[
 *                                        {"name":"00000001.seg","size":81920},…]}
 *     {"op":"backup.go-on","number":1}  {"ok":true}, at least every span_s seconds
 *     {"op":"backup.end","number":1}    {"ok":true}
 *
 * The asker copies the files himself, from the spool's folder, each up to its size; what that
 * makes is the mail as it was at the begin (store.h). If an answer is not ok, the copy is of no
 * use: the pin has ended by itself, or another keeper has begun since.
 */
#include <errno.h>

#include "control/request.h"

enum { SPAN_S = 120 };

static void add_file(void *context, const char *name, uint64_t size)
{
    json_t *files = context;
    json_t *file = json_object();

    json_put(file, "name", json_string(name));
    json_put(file, "size", json_number(size));
    (void)json_array_append_new(files, file);
}

void operation_backup_begin(struct request *request)
{
    struct control *control = request->control;
    json_t *files = json_array();
    const struct store_pin_host host = { add_file, files };
    int error = store_pin(control->setup.store, SPAN_S * SECOND_MS, &host);

    if (error < 0)
        json_decref(files);
    if (error == -EBUSY) {
        request_fail(request, "backup-running",
                     "another backup is under way; wait until it has ended, or two minutes if it "
                     "was broken off");
        return;
    }
    if (error < 0) {
        request_fail(request, "no-files", "this store has no files to copy; use its own tools");
        return;
    }
    json_t *body = json_object();
    json_put(body, "number", json_number(++control->backup));
    json_put(body, "span_s", json_integer(SPAN_S));
    json_put(body, "files", files);
    request_answer(request, body);
}

/* The number is that of the backup whose files are still kept. */
static bool check_number(struct request *request)
{
    struct control *control = request->control;
    bool is_it = argument_number(request, "number", 0) == (int64_t)control->backup;

    if (is_it && store_pin_on(control->setup.store, SPAN_S * SECOND_MS))
        return true;
    request_fail(request, "backup-expired",
                 "the files of this backup are kept no longer, so that it may be incomplete; begin "
                 "another one");
    return false;
}

void operation_backup_go_on(struct request *request)
{
    if (check_number(request))
        request_answer(request, json_object());
}

void operation_backup_end(struct request *request)
{
    if (!check_number(request))
        return;
    store_unpin(request->control->setup.store);
    request_answer(request, json_object());
}
