/* SPDX-License-Identifier: ISC */
/* recipients.c: what is known of recipients, for people; and a list of them, from a file or from an
 * LDAP directory, to the node. */
#include <unistd.h>

#include "base/check.h"
#include "cli/recipient_list.h"
#include "cli/show.h"
#include "config/settings.h"
#include "mail/domain.h"

enum { LIST_OCTETS_MAX = 64 * 1024 * 1024, PART = 5000 };

/* ---- showing ---- */

static void add_ago(struct buf *out, const json_t *known, const char *member)
{
    duration_add_text(out, show_number(known, member) * SECOND_MS);
}

void show_recipients(struct cli *cli, const json_t *answer)
{
    struct table table = { .heading = { "ADDRESS", "STATE", "LEARNED BY", ">CONFIRMED" },
                           .use_color = cli->use_color,
                           .language = cli->language };
    const json_t *list = json_object_get(answer, "recipients");
    struct str after = show_text(answer, "after");
    const json_t *known;
    size_t i;

    if (json_array_size(list) == 0) {
        show_sentence(cli, "no recipient is known\n");
        return;
    }
    json_array_foreach(list, i, known)
    {
        struct buf ago = { 0 };
        add_ago(&ago, known, "confirmed_s");
        cell_text(&table, known, "address");
        cell_state(&table, known, "state");
        cell_text(&table, known, "source");
        table_add(&table, buf_str(&ago));
        buf_fini(&ago);
    }
    table_print(&table, &cli->out);
    if (after.len > 0)
        buf_add_format(&cli->out, text_in(cli->language, "more: the same with --after %.*s\n"),
                       STR_FMT(after));
}

static void show_known(struct cli *cli, const json_t *known)
{
    struct buf ago = { 0 };

    if (!json_is_object(known)) {
        line_text(cli, "known", STR("no"));
        return;
    }
    line_member(cli, "state", known, "state");
    line_member(cli, "learned by", known, "source");
    add_ago(&ago, known, "since_s");
    line_text(cli, "for", buf_str(&ago));
    buf_reset(&ago);
    add_ago(&ago, known, "confirmed_s");
    line_text(cli, "confirmed ago", buf_str(&ago));
    buf_fini(&ago);
}

void show_recipient(struct cli *cli, const json_t *answer)
{
    line_member(cli, "address", answer, "address");
    show_known(cli, json_object_get(answer, "recipient"));
}

void show_forgotten(struct cli *cli, const json_t *answer)
{
    line_member(cli, "forgotten", answer, "address");
}

void show_verify(struct cli *cli, const json_t *answer)
{
    line_member(cli, "address", answer, "address");
    show_known(cli, json_object_get(answer, "known"));
    line_member(cli, "primary said", answer, "said");
    line_member(cli, "which means", answer, "reading");
    if (!json_is_true(json_object_get(answer, "asked")))
        line_text(cli, "primary said", STR("nothing: it cannot be asked now"));
    line_member(cli, "clients hear", answer, "verdict");
}

/* 0: it is there; 1: it is not; 2: nobody could say it. */
int run_verify(struct cli *cli)
{
    json_t *request = cli_make_request(cli);
    json_t *answer = NULL;

    if (request == NULL)
        return EXIT_USAGE;
    int status = cli_ask(cli, request, &answer);
    if (status != EXIT_OK)
        return status;
    status = cli_show_answer(cli, answer);
    struct str reading = show_text(answer, "reading");
    if (status == EXIT_OK && str_equals(reading, STR("invalid")))
        status = EXIT_REFUSED;
    else if (status == EXIT_OK && !str_equals(reading, STR("valid")) &&
             !str_equals(reading, STR("full")))
        status = EXIT_USAGE;
    json_decref(answer);
    return status;
}

/* ---- a list ---- */

static struct str value_or(const struct cli *cli, enum option option, const char *fallback)
{
    const char *value = cli_value(cli, option);
    return str_from(value != NULL ? value : fallback);
}

/* Who has an address of the domain, as most directories say it. */
static void add_default_filter(struct str domain, struct buf *out)
{
    buf_add_format(out, "(|(mail=*@%.*s)(proxyAddresses=smtp:*@%.*s))", STR_FMT(domain),
                   STR_FMT(domain));
}

static bool read_ldap(const struct cli *cli, struct str domain, struct buf *out)
{
    struct buf filter = { 0 };

    add_default_filter(domain, &filter);
    const struct list_ldap ldap = {
        .uri = value_or(cli, OPTION_LDAP, ""),
        .base = value_or(cli, OPTION_BASE, ""),
        .filter = cli_has(cli, OPTION_FILTER) ? value_or(cli, OPTION_FILTER, "") : buf_str(&filter),
        .attribute = value_or(cli, OPTION_ATTRIBUTE, ""),
        .bind = value_or(cli, OPTION_BIND, ""),
        .password_file = value_or(cli, OPTION_PASSWORD_FILE, ""),
    };
    struct buf why = { 0 };
    int error = recipient_list_ldap(&ldap, out, &why);

    if (error != 0)
        cli_say("%.*s", STR_FMT(buf_str(&why)));
    buf_fini(&why);
    buf_fini(&filter);
    return error == 0;
}

/* False after having said why. */
static bool read_list(const struct cli *cli, struct str domain, struct recipient_list *list)
{
    struct buf bytes = { 0 };
    bool is_ldap = cli_has(cli, OPTION_LDAP);
    enum list_format format = is_ldap ? LIST_LDIF : LIST_GUESS;
    const char *name = cli_value(cli, OPTION_FORMAT);

    if (name != NULL && !list_format_from_name(str_from(name), &format)) {
        cli_say("--format must be csv, postfix, ldif or plain");
        return false;
    }
    if (is_ldap == (cli->argument_count > 0)) {
        cli_say("a FILE, or --ldap URI --base DN? give one of them");
        return false;
    }
    bool is_read = is_ldap ? read_ldap(cli, domain, &bytes)
                           : cli_read_file(cli->argument[0], LIST_OCTETS_MAX, &bytes);
    list->attribute = value_or(cli, OPTION_ATTRIBUTE, "");
    if (is_read)
        recipient_list_read(list, buf_str(&bytes), format, domain);
    buf_fini(&bytes);
    return is_read;
}

static void say_what_was_left_out(const struct recipient_list *list)
{
    if (list->others > 0)
        cli_say("%zu addresses of other domains are left out", list->others);
    if (list->catch_alls > 0)
        cli_say("%zu lines that mean a whole domain are left out", list->catch_alls);
    for (size_t i = 0; i < list->faults && i < LIST_FAULTS_MAX; i++)
        cli_say("line %u is no address: %.*s", list->fault[i].line, STR_FMT(list->fault[i].text));
    if (list->faults > LIST_FAULTS_MAX)
        cli_say("and %zu lines more are none", list->faults - LIST_FAULTS_MAX);
}

/* NULL after having said why. */
static json_t *ask(struct cli *cli, struct connection *client, json_t *request)
{
    json_t *answer = NULL;

    if (connection_send(client, request) != EXIT_OK || connection_read(client, &answer) != EXIT_OK)
        return NULL;
    if (json_is_true(json_object_get(answer, "ok")))
        return answer;
    (void)cli_show_answer(cli, answer);
    json_decref(answer);
    return NULL;
}

static json_t *request_of(const char *operation)
{
    json_t *request = json_object();
    check(json_object_set_new(request, "op", json_string(operation)) == 0);
    return request;
}

static bool send_part(struct cli *cli, struct connection *client, json_int_t number,
                      const struct recipient_list *list, size_t from)
{
    json_t *request = request_of("recipient.import-part");
    json_t *addresses = json_array();

    for (size_t i = from; i < list->count && i < from + PART; i++)
        (void)json_array_append_new(addresses,
                                    json_stringn(list->address[i].ptr, list->address[i].len));
    check(json_object_set_new(request, "number", json_integer(number)) == 0);
    check(json_object_set_new(request, "addresses", addresses) == 0);
    json_t *answer = ask(cli, client, request);
    bool is_fine = answer != NULL;
    json_decref(answer);
    return is_fine;
}

static void show_progress(const struct cli *cli, size_t done, size_t count)
{
    if (cli->use_color && count > PART && isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r%3zu %% ", count > 0 ? done * 100 / count : 100);
}

static void show_some(struct cli *cli, const char *name, const json_t *list)
{
    const json_t *address;
    size_t i;

    json_array_foreach(list, i, address) line_text(
        cli, i == 0 ? name : "", str_of(json_string_value(address), json_string_length(address)));
}

static void show_difference(struct cli *cli, const json_t *answer)
{
    buf_add_format(&cli->out,
                   text_in(cli->language, "%lld new, %lld gone, %lld were known before\n"),
                   (long long)show_number(answer, "added"), (long long)show_number(answer, "gone"),
                   (long long)show_number(answer, "kept"));
    show_some(cli, "new", json_object_get(answer, "first_added"));
    show_some(cli, "gone", json_object_get(answer, "first_gone"));
    if (json_is_true(json_object_get(answer, "lost_too_much")))
        show_sentence(cli, "this list has lost so much that it takes --force\n");
    show_sentence(cli, json_is_true(json_object_get(answer, "done")) ? "the list is taken\n"
                                                                     : "nothing is changed\n");
}

static int end_import(struct cli *cli, struct connection *client, json_int_t number)
{
    json_t *request = request_of("recipient.import-end");

    check(json_object_set_new(request, "number", json_integer(number)) == 0);
    check(json_object_set_new(request, "dry_run", json_boolean(cli_has(cli, OPTION_DRY_RUN))) == 0);
    check(json_object_set_new(request, "force", json_boolean(cli_has(cli, OPTION_FORCE))) == 0);
    json_t *answer = ask(cli, client, request);
    if (answer == NULL)
        return EXIT_REFUSED;
    if (cli_has(cli, OPTION_JSON))
        (void)cli_show_answer(cli, answer);
    else
        show_difference(cli, answer);
    json_decref(answer);
    return EXIT_OK;
}

static int import_list(struct cli *cli, struct connection *client, struct str domain,
                       const struct recipient_list *list)
{
    json_t *request = request_of("recipient.import-begin");

    check(json_object_set_new(request, "domain", json_stringn(domain.ptr, domain.len)) == 0);
    json_t *answer = ask(cli, client, request);
    if (answer == NULL)
        return EXIT_REFUSED;
    json_int_t number = show_number(answer, "number");
    json_decref(answer);
    for (size_t i = 0; i < list->count; i += PART) {
        show_progress(cli, i, list->count);
        if (!send_part(cli, client, number, list, i))
            return EXIT_REFUSED;
    }
    return end_import(cli, client, number);
}

int run_import(struct cli *cli)
{
    struct recipient_list list = { 0 };
    struct connection *client = NULL;
    struct buf domain = { 0 };
    const char *name = cli_value(cli, OPTION_DOMAIN);
    int status = EXIT_USAGE;

    if (name == NULL || !domain_normalise(str_from(name), &domain)) {
        cli_say("whose recipients? say --domain DOMAIN");
    } else if (read_list(cli, buf_str(&domain), &list)) {
        say_what_was_left_out(&list);
        status = connection_open(cli, &client);
        if (status == EXIT_OK)
            status = import_list(cli, client, buf_str(&domain), &list);
        connection_close(client);
    }
    recipient_list_fini(&list);
    buf_fini(&domain);
    return status;
}
