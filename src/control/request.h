/* SPDX-License-Identifier: ISC */
/* request.h: one request on its way to its answer; private to control/.
 *
 * A request belongs to its operation from the call of run() until the operation
 * answers it with request_answer() or request_fail(), which free it. Store
 * callbacks get the request as their context; it outlives its control, so that a
 * late callback finds it.
 */
#pragma once

#include <jansson.h>

#include "control/control.h"
#include "control/when.h"

struct control {
    struct control_setup setup;
    struct link requests;
    uint64_t backup;     /* number of the last one begun; backup.c */
    struct link imports; /* struct import.link; import.c */
    uint64_t last_import;
};

struct export;
struct settling;

struct request {
    struct link link;
    struct control *control; /* NULL: gone, nothing may be answered */
    uint64_t ticket;
    bool is_cancelled;
    struct now now;
    json_t *arguments;    /* checked against the operation's table row */
    struct buf domain;    /* the argument "name" or "domain" in normal form, empty if not given */
    struct message_id id; /* the argument "id" */
    void (*go_on)(struct request *request); /* set while it waits for control_continue() */
    struct export *export;                  /* export.c */
    struct settling *settling;              /* settle.c */
    json_t *body;                           /* of an answer that is being made; recipient.c */
};

/* ---- answers ---- */

/* Takes `body` (an object), adds "ok", frees the request. */
void request_answer(struct request *request, json_t *body);
/* The same, once all that was changed in the directory before is durable. */
void request_answer_kept(struct request *request, json_t *body);
/* One line of several. Takes `body`. */
void request_answer_part(struct request *request, json_t *body);
/* `code` is stable; the text says what happened and what to do next. */
void request_fail(struct request *request, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* For a store's or directory's errno. */
void request_fail_errno(struct request *request, int error);
/* What the directory says of a change. False: it could not be kept, or nobody waits for the answer
 * any more; the request is gone. */
bool request_was_kept(struct request *request, int error);
/* False: nobody is interested any more; free it with request_free(). */
bool request_is_wanted(const struct request *request);
void request_free(struct request *request);

/* ---- arguments ---- */

struct str argument_text(const struct request *request, const char *name); /* or STR_NONE */
bool argument_flag(const struct request *request, const char *name);
int64_t argument_number(const struct request *request, const char *name, int64_t fallback);
json_t *argument_value(const struct request *request, const char *name); /* borrowed, or NULL */

/* ---- JSON from our values ---- */

json_t *json_text(struct str text);                  /* never NULL: what is no UTF-8 is escaped */
json_t *json_time(int64_t wall_ms);                  /* null for 0 and NEVER_MS */
json_t *json_verdict(const struct verdict *verdict); /* "450 4.2.0 text", or null */
json_t *json_id(struct message_id id);
void json_put(json_t *object, const char *name, json_t *value); /* takes the value */
json_t *json_number(uint64_t number);

/* ---- operations, by file ---- */

void operation_version(struct request *request); /* status.c */
void operation_status(struct request *request);
json_t *json_key_warnings(const struct request *request); /* an array */
void operation_domain_add(struct request *request);       /* domain.c */
void operation_domain_set(struct request *request);
void operation_domain_show(
    struct request *request); /* domain.c: the domain that the request names; NULL after having
                                 answered that there is none. */
const struct domain_record *request_find_domain(struct request *request);

/* domain_show.c */
const char *control_state_name(enum route_state state);
json_t *json_state(enum route_state state);
void operation_domain_list(struct request *request);
void operation_domain_check(struct request *request);
void operation_domain_remove(struct request *request);
void operation_domain_pause(struct request *request);
void operation_domain_resume(struct request *request);
void operation_domain_template(struct request *request); /* tell.c */
void operation_domain_template_set(struct request *request);
void operation_domain_webhook_secret(struct request *request);
void operation_domain_secret(struct request *request);
void operation_domain_address(struct request *request); /* address.c */
void operation_queue_list(struct request *request);     /* queue.c */
void operation_queue_flush(struct request *request);
void operation_queue_show(struct request *request);
void operation_queue_release(struct request *request); /* settle.c */
void operation_queue_bounce(struct request *request);
void operation_queue_discard(struct request *request);
void operation_queue_export(struct request *request); /* export.c */
void operation_backup_begin(struct request *request); /* backup.c */
void operation_backup_go_on(struct request *request);
void operation_backup_end(struct request *request);
void operation_recipient_list(struct request *request); /* recipient.c */
void operation_recipient_show(struct request *request);
void operation_recipient_pin(struct request *request);
void operation_recipient_forget(struct request *request);
void operation_recipient_verify(struct request *request);
json_t *json_recipients(const struct request *request, struct str domain);
void operation_recipient_import_begin(struct request *request); /* import.c */
void operation_recipient_import_part(struct request *request);
void operation_recipient_import_end(struct request *request);
void control_free_imports(struct control *control);
void request_free_export(struct request *request);
void request_free_settling(struct request *request);

/* domain_show.c */
const char *control_state_name(enum route_state state);
json_t *json_state(enum route_state state);
json_t *json_route(const struct route_status *status);
json_t *json_endpoint(struct endpoint endpoint);
/* address.c */
json_t *json_addresses(const struct addresses *addresses, struct now now); /* null for NULL */
json_t *json_domain_summary(struct request *request, struct str name);
json_t *json_domain(struct request *request, const struct domain_record *record);
