/* SPDX-License-Identifier: ISC */
/* zone.c: see zone.h. */
#include "authenticate/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { CNAMES_MAX = 10 };

json_t *testdata_json(const char *path)
{
    const char *folder = getenv("HOLDFAST_TESTDATA");
    char name[4096];
    json_error_t error;

    if (folder == NULL)
        return NULL;
    (void)snprintf(name, sizeof name, "%s/%s", folder, path);
    return json_load_file(name, JSON_ALLOW_NUL, &error);
}

static const json_t *find_name(const json_t *zone, struct str name)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)zone, key,
                        value) if (str_equals_nocase(str_from(key), name)) return value;
    return NULL;
}

static const char *type_name(enum dns_type type)
{
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_AAAA:
        return "AAAA";
    case DNS_MX:
        return "MX";
    case DNS_PTR:
        return "PTR";
    case DNS_TXT:
        return "TXT";
    case DNS_TLSA:
    case DNS_CNAME:
        return "TLSA";
    }
    return "";
}

static bool has_type(const json_t *entries, const char *type)
{
    for (size_t i = 0; i < json_array_size(entries); i++)
        if (json_object_get(json_array_get(entries, i), type) != NULL)
            return true;
    return false;
}

static struct str joined(const json_t *value, struct arena *arena)
{
    struct buf text = { 0 };

    if (json_is_string(value))
        buf_add_bytes(&text, json_string_value(value), json_string_length(value));
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *part = json_array_get(value, i);
        buf_add_bytes(&text, json_string_value(part), json_string_length(part));
    }
    struct str copy = arena_str(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

/* As the resolver would give it: lower case, no final dot; the root is ".". */
static struct str normal(struct str name, struct arena *arena)
{
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    char *copy = arena_new(arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        copy[i] = ascii_lower(name.ptr[i]);
    return name.len > 0 ? str_of(copy, name.len) : STR(".");
}

/* False: what the resolver would leave out. */
static bool make_record(enum dns_type type, const json_t *value, struct arena *arena,
                        struct dns_record *out_record)
{
    *out_record = (struct dns_record){ 0 };
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        return endpoint_from_ip(joined(value, arena), 0, &out_record->address);
    case DNS_MX:
        out_record->preference = (uint16_t)json_integer_value(json_array_get(value, 0));
        out_record->name = normal(joined(json_array_get(value, 1), arena), arena);
        return true;
    case DNS_PTR:
        out_record->name = normal(joined(value, arena), arena);
        return true;
    case DNS_TXT:
    case DNS_TLSA:
    case DNS_CNAME:
        out_record->data = joined(value, arena);
        return !str_equals(out_record->data, STR("NONE"));
    }
    return false;
}

static struct dns_answer answer_from(const json_t *entries, enum dns_type type, const char *wanted,
                                     struct arena *arena)
{
    struct dns_answer answer = { .status = DNS_NODATA };
    bool times_out = false;

    answer.record = arena_new(arena, (json_array_size(entries) + 1) * sizeof *answer.record);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        times_out = times_out || json_is_string(entry);
        const json_t *value = json_object_get(entry, wanted);
        if (value != NULL && make_record(type, value, arena, &answer.record[answer.record_count]))
            answer.record_count++;
    }
    if (answer.record_count > 0)
        answer.status = DNS_FOUND;
    else if (times_out)
        answer.status = DNS_FAILED;
    return answer;
}

struct dns_answer zone_answer(const json_t *zone, struct dns_question question, struct arena *arena)
{
    struct str name = question.name;

    for (unsigned hop = 0; hop < CNAMES_MAX; hop++) {
        const json_t *entries = find_name(zone, name);
        if (entries == NULL)
            return (struct dns_answer){ .status = DNS_NO_NAME };
        const char *wanted = type_name(question.type);
        if (question.type == DNS_TXT && !has_type(entries, "TXT"))
            wanted = "SPF";
        if (has_type(entries, wanted) || !has_type(entries, "CNAME"))
            return answer_from(entries, question.type, wanted, arena);
        for (size_t i = 0; i < json_array_size(entries); i++) {
            const json_t *target = json_object_get(json_array_get(entries, i), "CNAME");
            if (target != NULL)
                name = normal(joined(target, arena), arena);
        }
    }
    return (struct dns_answer){ .status = DNS_FAILED };
}

void zone_ask(const json_t *zone, struct dns_question question, struct dns_answers *known)
{
    struct arena arena = { 0 };
    struct dns_answer answer = zone_answer(zone, question, &arena);

    dns_answers_add(known, question, &answer);
    arena_fini(&arena);
}
