/* SPDX-License-Identifier: ISC */
/* stream_dns.c: see stream_dns.h. */
#include "stream_dns.h"

#include "base/check.h"
#include "mail/domain.h"

struct str stream_cut(struct str *left)
{
    struct str piece = STR_NONE;
    (void)str_cut(left, '\0', &piece);
    return piece;
}

static bool make_record(struct str line, enum dns_type type, struct dns_record *out_record)
{
    *out_record = (struct dns_record){ 0 };
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        return endpoint_from_ip(line, 0, &out_record->address) &&
               (out_record->address.family == ENDPOINT_IP4) == (type == DNS_A);
    case DNS_MX:
    case DNS_PTR:
        out_record->name = line;
        return domain_is_valid(line);
    case DNS_TXT:
    case DNS_TLSA:
    case DNS_CNAME:
        break;
    }
    out_record->data = line;
    return true;
}

void stream_dns_ask(struct stream_dns *dns, struct dns_question question, struct dns_answers *known)
{
    struct dns_record record[DNS_RECORDS_MAX];
    struct dns_answer answer = { .status = DNS_NO_NAME, .record = record };
    struct str piece = stream_cut(&dns->left);
    struct str line;

    dns->asked++;
    check(dns_name_is_valid(question.name));
    check(dns_answers_find(known, question) == NULL); /* nobody asks twice */
    if (piece.len > 0 && piece.ptr[0] == '!')
        answer.status = DNS_FAILED;
    else if (piece.len > 0 && piece.ptr[0] == '0')
        answer.status = DNS_NODATA;
    piece = str_skip(piece, 1);
    while (piece.len > 0 && answer.record_count < DNS_RECORDS_MAX && str_cut(&piece, '\n', &line))
        if (make_record(line, question.type, &record[answer.record_count]))
            answer.record_count++;
    if (answer.record_count > 0)
        answer.status = DNS_FOUND;
    dns_answers_add(known, question, &answer);
}
