/* SPDX-License-Identifier: ISC */
/* fuzz_dns_packet.c: what comes of a packet from anywhere keeps the promises of dns.h: names are
 * names, counts and times are bounded, and the answer travels the channel unchanged. The first byte
 * chooses the type that was asked for. */
#include "base/check.h"
#include "mail/domain.h"
#include "wire/dns_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANNEL_SIZE_MAX = 128 * 1024 }; /* of the message dns_answer */

static void check_record(const struct dns_record *record, enum dns_type type)
{
    switch ((int)type) {
    case DNS_A:
        check(record->address.family == ENDPOINT_IP4 && record->address.port == 0);
        return;
    case DNS_AAAA:
        check(record->address.family == ENDPOINT_IP6 && record->address.port == 0);
        return;
    case DNS_MX:
    case DNS_PTR:
        check(str_equals(record->name, STR(".")) || domain_is_valid(record->name));
        check(record->name.len <= DNS_NAME_MAX);
        return;
    }
}

static void check_channel(const struct dns_answer *answer, struct arena *arena)
{
    struct buf bytes = { 0 };
    struct buf again = { 0 };
    struct dns_answer back;

    dns_answer_encode(&bytes, answer);
    check(bytes.len < CHANNEL_SIZE_MAX);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    check(dns_answer_decode(&cursor, arena, &back) && cursor_done(&cursor));
    dns_answer_encode(&again, &back);
    check(str_equals(buf_str(&bytes), buf_str(&again)));
    buf_fini(&bytes);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = { DNS_A,    DNS_PTR,  DNS_MX,   DNS_TXT,
                                           DNS_AAAA, DNS_TLSA, DNS_CNAME };
    struct arena arena = { 0 };
    struct dns_answer answer;

    if (size == 0)
        return 0;
    enum dns_type type = types[data[0] % (sizeof types / sizeof *types)];
    dns_packet_parse(str_of(data + 1, size - 1), type, &arena, &answer);
    check((answer.status == DNS_FOUND) == (answer.record_count > 0));
    check(answer.record_count <= DNS_RECORDS_MAX);
    for (uint32_t i = 0; i < answer.record_count; i++)
        check_record(&answer.record[i], type);
    check_channel(&answer, &arena);
    arena_fini(&arena);
    return 0;
}
