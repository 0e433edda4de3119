/* SPDX-License-Identifier: ISC */
/* fuzz_authentication.c: a whole message and a whole DNS of an enemy: there is always a verdict,
 * the questions are bounded, and what we write about it is one field. Input: HELO, sender, message,
 * then answers, each ended by a NUL. */
#include "authenticate/authentication.h"
#include "base/check.h"
#include "stream_dns.h"
#include "wire/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* SPF; ten signatures; fifty seals and one message signature; DMARC: eight a walk, for the author,
 * SPF and ten signatures, and whether the author exists. */
enum { QUESTIONS_MAX = 133 + 10 + 51 + 8 * 12 + 3, PIECE = 5 };

/* Each line but the first is a continuation, and nothing is not text. */
static void check_one_field(struct str field)
{
    check(str_starts(field, STR("Authentication-Results: ")));
    check(field.len > 2 && str_ends_nocase(field, STR("\r\n")));
    for (size_t i = 0; i + 2 < field.len; i++) {
        check(field.ptr[i] != '\0');
        if (field.ptr[i] == '\r')
            check(field.ptr[i + 1] == '\n');
        if (field.ptr[i] == '\n')
            check(field.ptr[i - 1] == '\r' && field.ptr[i + 1] == '\t');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream_dns dns = { .left = str_of(data, size) };
    struct authentication_request request = { .authserv_id = STR("mx.example.net"),
                                              .now_s = 1795800000 };
    struct buf room = { 0 };
    struct buf field = { 0 };
    struct dns_question question;

    check(endpoint_from_ip(STR("192.0.2.1"), 0, &request.client));
    request.helo = stream_cut(&dns.left);
    request.sender = stream_cut(&dns.left);
    struct str message = stream_cut(&dns.left);
    if (request.helo.len + request.sender.len > 1000)
        return 0;
    struct authentication *authentication = authentication_new(&request);
    size_t header = content_header_size(message, 0);
    authentication_header(authentication, str_first(message, header));
    struct str body = str_skip(message, header + 2);
    for (size_t at = 0; at < body.len; at += PIECE)
        authentication_body(authentication, str_first(str_skip(body, at), PIECE));
    authentication_end(authentication);
    while (!authentication_decide(authentication, &room, &question)) {
        stream_dns_ask(&dns, question, &authentication->known);
        check(dns.asked <= QUESTIONS_MAX);
    }
    results_add_field(&field, &authentication->results);
    check_one_field(buf_str(&field));
    (void)authentication_proves_sender(authentication);
    authentication_free(authentication);
    buf_fini(&room);
    buf_fini(&field);
    return 0;
}
