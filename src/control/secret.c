/* SPDX-License-Identifier: ISC */
/* secret.c: the secret by which a domain's holder logs in, to get his mail (ETRN, ATRN). It is
 * shown once, when it is made; of those before nobody knows more than that they have ended. */
#include <string.h>

#include "control/request.h"

static void wipe_body(struct request *request)
{
    json_decref(request->body);
    request->body = NULL;
}

static void on_kept(void *context, int error)
{
    struct request *request = context;
    json_t *body = request->body;

    if (request->control == NULL || error < 0)
        wipe_body(request);
    if (request->control == NULL) {
        request_free(request);
    } else if (error < 0) {
        request_fail_errno(request, error);
    } else {
        request->body = NULL;
        request_answer(request, body);
    }
}

void operation_domain_secret(struct request *request)
{
    const struct control_setup *setup = &request->control->setup;
    struct buf secret = { 0 };

    if (request_find_domain(request) == NULL)
        return;
    request->body = json_object();
    setup->host->new_secret(setup->context, buf_str(&request->domain),
                            argument_flag(request, "cram_md5"), &secret, on_kept, request);
    json_put(request->body, "name", json_text(buf_str(&request->domain)));
    json_put(request->body, "secret", json_text(buf_str(&secret)));
    explicit_bzero(secret.ptr, secret.cap);
    buf_fini(&secret);
}
