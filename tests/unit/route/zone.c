/* SPDX-License-Identifier: ISC */
/* zone.c: see zone.h. */
#include "zone.h"

#include "base/check.h"

static const char *type_name(enum dns_type type)
{
    return type == DNS_MX      ? "MX"
           : type == DNS_CNAME ? "CNAME"
           : type == DNS_A     ? "A"
           : type == DNS_TLSA  ? "TLSA"
                               : "AAAA";
}

/* "3 1 1" */
static struct str tlsa_of(struct str text)
{
    static char room[16][35];
    static unsigned next;
    char *data = room[next++ % 16];

    check(text.len == 5);
    for (int i = 0; i < 3; i++)
        data[i] = (char)(text.ptr[2 * i] - '0');
    return str_of(data, 35);
}

static void add_record(struct dns_answer *answer, enum dns_type type, struct str data)
{
    struct dns_record *record = &answer->record[answer->record_count++];
    struct str head;
    uint64_t preference;

    if (type == DNS_TLSA) {
        record->data = tlsa_of(data);
        return;
    }
    if (type != DNS_MX) {
        check(endpoint_from_ip(data, 0, &record->address));
        return;
    }
    check(str_cut(&data, ' ', &head) && str_to_u64(head, UINT16_MAX, &preference));
    record->preference = (uint16_t)preference;
    record->name = data;
}

/* What the name is an alias of; empty: of none. */
static struct str alias_of(const char *const *zone, struct str alias, bool *out_secure)
{
    for (; *zone != NULL; zone++) {
        struct str data = str_from(*zone);
        struct str name, type;
        check(str_cut(&data, ' ', &name) && str_cut(&data, ' ', &type));
        *out_secure = name.ptr[0] == '+';
        if (str_equals(type, STR("CNAME")) && str_equals(str_skip(name, *out_secure), alias))
            return data;
    }
    *out_secure = true;
    return STR_NONE;
}

void zone_answer(const char *const *zone, struct dns_question question, struct dns_answers *answers)
{
    struct dns_record record[DNS_RECORDS_MAX] = { 0 };
    struct dns_answer answer = { .status = DNS_NO_NAME, .ttl_s = 600, .record = record };
    bool alias_is_secure = false;
    struct str alias = alias_of(zone, question.name, &alias_is_secure);
    struct str asked = alias.len > 0 ? alias : question.name;

    if (question.type == DNS_CNAME) {
        answer.status = alias.len > 0 ? DNS_FOUND : DNS_NODATA;
        answer.secure = alias.len > 0 && alias_is_secure;
        answer.record_count = alias.len > 0;
        dns_answers_add(answers, question, &answer);
        return;
    }
    for (; *zone != NULL; zone++) {
        struct str data = str_from(*zone);
        struct str name, type;
        check(str_cut(&data, ' ', &name) && str_cut(&data, ' ', &type));
        bool is_secure = name.ptr[0] == '+';
        name = str_skip(name, is_secure);
        if (!str_equals(name, asked))
            continue;
        if (answer.status == DNS_NO_NAME)
            answer.status = DNS_NODATA;
        answer.secure = is_secure && alias_is_secure;
        if (!str_equals(type, str_from(type_name(question.type))))
            continue;
        if (str_equals(data, STR("!failed")))
            answer.status = DNS_FAILED;
        else if (!str_equals(data, STR("!nodata"))) {
            answer.status = DNS_FOUND;
            answer.canonical = alias;
            add_record(&answer, question.type, data);
        }
    }
    dns_answers_add(answers, question, &answer);
}
