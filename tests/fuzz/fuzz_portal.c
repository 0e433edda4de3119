/* SPDX-License-Identifier: ISC */
/* fuzz_portal.c: whatever a client of the web sends: what is read is a part of it and within its
 * bounds, the same however the octets are cut; a wish is whole, and an answer is HTTP and JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mail/domain.h"
#include "portal/portal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const struct portal_answer *answer)
{
    struct buf out = { 0 };

    check(answer->status >= 200 && answer->status < 600);
    portal_answer_add(&out, answer, true, true);
    const char *end = memmem(out.ptr, out.len, "\r\n\r\n", 4);
    check(end != NULL && (size_t)(out.ptr + out.len - (end + 4)) == answer->body.len);
    if (answer->is_json) {
        json_t *body = json_loadb(answer->body.ptr, answer->body.len, 0, NULL);
        check(json_is_object(body));
        json_decref(body);
    }
    buf_fini(&out);
}

static void check_wish(const struct portal_wish *wish)
{
    struct portal_answer answer = { 0 };
    bool goes_on = true;

    check(wish->domain_count > 0 && wish->domain_count <= PORTAL_DOMAINS_MAX);
    check(wish->endpoint_count <= ADDRESSES_TOLD_MAX);
    check((wish->endpoint_count > 0) == (wish->deed == PORTAL_TELL));
    for (uint32_t i = 0; i < wish->endpoint_count; i++)
        check(wish->endpoint[i].family != ENDPOINT_NONE);
    for (uint32_t i = 0; i < wish->domain_count && goes_on; i++) {
        const struct portal_outcome outcome = { (enum address_fate)(i % ADDRESS_FATES), wish->user,
                                                STR("null") };
        check(domain_is_valid(wish->domain[i]));
        goes_on = portal_told(wish, wish->domain[i], &outcome, &answer);
    }
    check_answer(&answer);
    portal_answer_fini(&answer);
}

static void use(const struct http_request *request)
{
    struct endpoint client = { .family = ENDPOINT_IP4, .address = { 192, 0, 2, 7 } };
    struct portal_wish wish;
    struct portal_answer answer = { 0 };

    (void)http_forwarded_for(request, &client);
    if (portal_read(request, client, &wish, &answer)) {
        check_wish(&wish);
        portal_wish_fini(&wish);
    } else {
        check_answer(&answer);
    }
    portal_answer_fini(&answer);
}

/* Of all that was there, the shortest part that is understood is understood in the same way. */
static void check_parts(struct str bytes, unsigned status, size_t whole)
{
    struct http_request request;

    if (status == 200)
        check(http_request_read(str_first(bytes, whole - 1), &request) == 0);
    if (status == 200)
        check(http_request_read(str_first(bytes, whole), &request) == 200 && request.size == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_of(data, size);
    struct http_request request;

    for (int i = 0; i < 8; i++) {
        unsigned status = http_request_read(bytes, &request);
        if (status != 200) {
            check(status == 0 || strcmp(http_reason(status), "Other") != 0);
            check(status != 0 || bytes.len < HTTP_REQUEST_MAX + 2);
            return 0;
        }
        check(request.size <= bytes.len && request.size > 0);
        check(request.field_count <= HTTP_FIELDS_MAX && request.body.len <= HTTP_BODY_MAX);
        check_parts(bytes, status, request.size);
        use(&request);
        bytes = str_skip(bytes, request.size);
    }
    return 0;
}
