/* SPDX-License-Identifier: ISC */
/* request.c: words and options as the members of a request. */
#include <string.h>

#include "base/check.h"
#include "base/printable.h"
#include "cli/command.h"

/* NULL after having said why. */
static json_t *make_text(const char *text, struct buf *why)
{
    json_t *value = json_string(text);

    if (value == NULL) {
        printable_add_quoted(why, str_from(text));
        buf_add(why, STR(" is not UTF-8"));
    }
    return value;
}

/* The operation checks what the values mean; here they only must be text. */
static bool put_text(json_t *request, const char *member, const char *text, struct buf *why)
{
    json_t *value = make_text(text, why);

    if (value == NULL)
        return false;
    check(json_object_set_new(request, member, value) == 0);
    return true;
}

static json_t *member_of(json_t *request, const char *member, json_t *(*make)(void))
{
    json_t *value = json_object_get(request, member);

    if (value == NULL) {
        value = make();
        check(json_object_set_new(request, member, value) == 0);
    }
    return value;
}

static bool put_number(json_t *request, const char *member, const char *text, struct buf *why)
{
    uint64_t number;

    if (!str_to_u64(str_from(text), INT32_MAX, &number) || number == 0) {
        buf_add_format(why, "--%s must be a number above 0", member);
        return false;
    }
    check(json_object_set_new(request, member, json_integer((json_int_t)number)) == 0);
    return true;
}

static bool put_pair(json_t *request, const char *member, const char *text, struct buf *why)
{
    const char *equals = strchr(text, '=');
    char key[64] = { 0 };

    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof key) {
        printable_add_quoted(why, str_from(text));
        buf_add(why, STR(" is no setting; write --set KEY=VALUE such as --set hold=5d"));
        return false;
    }
    memcpy(key, text, (size_t)(equals - text));
    json_t *name = make_text(key, why);
    if (name == NULL)
        return false;
    json_decref(name);
    return put_text(member_of(request, member, json_object), key, equals + 1, why);
}

static bool put_item(json_t *request, const char *member, const char *text, struct buf *why)
{
    json_t *value = make_text(text, why);

    if (value == NULL)
        return false;
    check(json_array_append_new(member_of(request, member, json_array), value) == 0);
    return true;
}

/* --primary mx goes back to the MX records: an empty list. */
static bool put_primary(json_t *request, const char *member, const char *text, struct buf *why)
{
    if (strcmp(text, "mx") != 0)
        return put_item(request, member, text, why);
    (void)member_of(request, member, json_array);
    return true;
}

static bool put_option(json_t *request, const struct option_rule *rule, const char *text,
                       struct buf *why)
{
    switch (rule->kind) {
    case OPTION_LOCAL:
        return true;
    case OPTION_TEXT:
        return put_text(request, rule->member, text, why);
    case OPTION_FLAG:
        check(json_object_set_new(request, rule->member, json_true()) == 0);
        return true;
    case OPTION_NUMBER:
        return put_number(request, rule->member, text, why);
    case OPTION_LIST:
        return put_primary(request, rule->member, text, why);
    case OPTION_PAIR:
        return put_pair(request, rule->member, text, why);
    case OPTION_SETTING:
        return put_text(member_of(request, "set", json_object), rule->member, text, why);
    }
    return false;
}

static bool put_argument(json_t *request, const struct cli *cli, int index, struct buf *why)
{
    int last = index < ARGUMENTS_MAX ? index : ARGUMENTS_MAX - 1;
    const char *member = cli->command->argument[last].member;

    if (cli->command->argument[last].is_list)
        return put_item(request, member, cli->argument[index], why);
    return put_text(request, member, cli->argument[index], why);
}

json_t *cli_request(const struct cli *cli, struct buf *why)
{
    json_t *request = json_object();
    bool ok = true;

    check(json_object_set_new(request, "op", json_string(cli->command->operation)) == 0);
    for (int i = 0; ok && i < cli->argument_count; i++)
        ok = put_argument(request, cli, i, why);
    for (int i = 0; ok && i < OPTION_COUNT; i++)
        for (int k = 0; ok && k < cli->value_count[i]; k++)
            ok = put_option(request, option_rule((enum option)i), cli->value[i][k], why);
    if (ok)
        return request;
    json_decref(request);
    return NULL;
}
