/* SPDX-License-Identifier: ISC */
/* fuzz_spf.c: whatever the DNS says, SPF ends: with a bounded number of questions, each a name that
 * can be asked for. Input: address, HELO, local part and domain of the sender, then answers. */
#include "authenticate/spf.h"
#include "base/check.h"
#include "stream_dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Eleven policies, ten MX with ten hosts each, the client's names and their addresses, an
 * explanation. */
enum { QUESTIONS_MAX = 11 + 10 * 11 + 1 + 10 + 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream_dns dns = { .left = str_of(data, size) };
    struct dns_answers known = { 0 };
    struct buf room = { 0 };
    struct spf_verdict verdict;
    struct dns_question question;
    struct spf_request request = { .receiver = STR("mx.example.net"), .now_s = 1795800000 };

    if (!endpoint_from_ip(stream_cut(&dns.left), 0, &request.client))
        return 0;
    request.helo = stream_cut(&dns.left);
    request.sender_local = stream_cut(&dns.left);
    request.sender_domain = stream_cut(&dns.left);
    if (request.helo.len + request.sender_local.len + request.sender_domain.len > 1000)
        return 0; /* a command line is shorter */
    while (!spf_decide(&request, &known, &room, &verdict, &question)) {
        stream_dns_ask(&dns, question, &known);
        check(dns.asked <= QUESTIONS_MAX);
    }
    check(spf_result_name(verdict.result) != NULL);
    check(verdict.explanation.len == 0 || verdict.result == SPF_FAIL);
    dns_answers_fini(&known);
    buf_fini(&room);
    return 0;
}
