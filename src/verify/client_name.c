/* SPDX-License-Identifier: ISC */
/* client_name.c: see client_name.h. */
#include "verify/client_name.h"

enum { NAMES_TRIED_MAX = 3 }; /* an address may have thousands; its owner chose how many */

static bool holds(const struct dns_answer *answer, struct endpoint client)
{
    for (uint32_t i = 0; answer->status == DNS_FOUND && i < answer->record_count; i++)
        if (endpoint_same_address(answer->record[i].address, client))
            return true;
    return false;
}

bool client_name_decide(struct endpoint client, const struct dns_answers *known, struct buf *room,
                        struct str *out_name, struct dns_question *out_question)
{
    buf_reset(room);
    dns_add_reverse_name(room, client);
    struct dns_question question = { .name = buf_str(room), .type = DNS_PTR };
    const struct dns_answer *names = dns_answers_find(known, question);

    if (names == NULL) {
        *out_question = question;
        return false;
    }
    *out_name = STR_NONE;
    question.type = client.family == ENDPOINT_IP4 ? DNS_A : DNS_AAAA;
    for (uint32_t i = 0; i < names->record_count && i < NAMES_TRIED_MAX; i++) {
        question.name = names->record[i].name;
        const struct dns_answer *addresses = dns_answers_find(known, question);
        if (addresses == NULL) {
            *out_question = question;
            return false;
        }
        if (holds(addresses, client)) {
            *out_name = question.name;
            return true;
        }
    }
    return true;
}

static bool has_failed(const struct dns_answers *known, struct dns_question question)
{
    const struct dns_answer *answer = dns_answers_find(known, question);
    return answer != NULL && answer->status == DNS_FAILED;
}

bool client_name_is_unsure(struct endpoint client, const struct dns_answers *known,
                           struct buf *room)
{
    enum dns_type type = client.family == ENDPOINT_IP4 ? DNS_A : DNS_AAAA;

    buf_reset(room);
    dns_add_reverse_name(room, client);
    struct dns_question question = { buf_str(room), DNS_PTR };
    const struct dns_answer *names = dns_answers_find(known, question);
    bool is_unsure = has_failed(known, question);

    for (uint32_t i = 0; names != NULL && i < names->record_count && i < NAMES_TRIED_MAX; i++)
        is_unsure |= has_failed(known, (struct dns_question){ names->record[i].name, type });
    return is_unsure;
}
