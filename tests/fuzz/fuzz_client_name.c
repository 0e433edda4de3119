/* SPDX-License-Identifier: ISC */
/* fuzz_client_name.c: whatever the DNS says of a client, the questions end, and a name is believed
 * only if it leads back to the client.
 *
 * The input is a sequence of encoded answers; once they are used up the DNS fails. The first byte
 * chooses the client's family. */
#include "base/check.h"
#include "verify/client_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(struct dns_answers *known, struct dns_question question, struct cursor *cursor)
{
    struct arena arena = { 0 };
    struct dns_answer next;

    if (!dns_answer_decode(cursor, &arena, &next))
        next = (struct dns_answer){ .status = DNS_FAILED };
    dns_answers_add(known, question, &next);
    arena_fini(&arena);
}

static void check_name(struct str name, const struct dns_answers *known, struct endpoint client)
{
    struct dns_question question = { .name = name,
                                     .type = client.family == ENDPOINT_IP4 ? DNS_A : DNS_AAAA };
    const struct dns_answer *found = dns_answers_find(known, question);
    bool leads_back = false;

    check(found != NULL && found->status == DNS_FOUND);
    for (uint32_t i = 0; i < found->record_count; i++)
        leads_back = leads_back || endpoint_same_address(found->record[i].address, client);
    check(leads_back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(str_of(data, size));
    struct endpoint client = { .family = cursor_u8(&cursor) & 1 ? ENDPOINT_IP6 : ENDPOINT_IP4,
                               .address = { 192, 0, 2, 1 } };
    struct dns_answers known = { 0 };
    struct dns_question question;
    struct buf room = { 0 };
    struct str name = STR_NONE;

    for (int asked = 0; !client_name_decide(client, &known, &room, &name, &question); asked++) {
        check(asked <= 4);
        answer(&known, question, &cursor);
    }
    if (name.len > 0)
        check_name(name, &known, client);
    dns_answers_fini(&known);
    buf_fini(&room);
    return 0;
}
