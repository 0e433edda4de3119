/* SPDX-License-Identifier: ISC */
/* command.h: the tables of commands and options; private to cli/.
 *
 * Most commands are an operation of control/ with its arguments: the tables say
 * which word or option becomes which member of the request, and who shows the
 * answer. The rest have a function of their own.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/text.h"

enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

enum option {
    OPTION_CONFIG,
    OPTION_SOCKET,
    OPTION_HELP,
    OPTION_JSON,
    OPTION_DUMP,
    OPTION_WATCH,
    OPTION_PRIMARY,
    OPTION_HOLD,
    OPTION_SET,
    OPTION_FORCE,
    OPTION_UNTIL,
    OPTION_DOMAIN,
    OPTION_RECIPIENT,
    OPTION_STATE,
    OPTION_LIMIT,
    OPTION_AFTER,
    OPTION_NEWEST,
    OPTION_REPAIR,
    OPTION_DISCARD_DAMAGED,
    OPTION_WITHOUT_MAIL,
    OPTION_DELIVER,
    OPTION_REPLACE,
    OPTION_DNS_SERVER,
    OPTION_IP,
    OPTION_HELO,
    OPTION_FROM,
    OPTION_AUTHSERV_ID,
    OPTION_LANGUAGE,
    OPTION_FILE,
    OPTION_RESET,
    OPTION_NEW,
    OPTION_CRAM_MD5,
    OPTION_MATCH,
    OPTION_INVALID,
    OPTION_FORMAT,
    OPTION_DRY_RUN,
    OPTION_LDAP,
    OPTION_BASE,
    OPTION_FILTER,
    OPTION_ATTRIBUTE,
    OPTION_BIND,
    OPTION_PASSWORD_FILE,
    OPTION_BACKUP,
    OPTION_USER,
    OPTION_SECRET_FILE,
    OPTION_CERTIFICATE,
    OPTION_DOMAINS,
    OPTION_SERVER,
    OPTION_LINES,
    OPTION_PIN,
    OPTION_CA,
    OPTION_TLS_FROM_START,
    OPTION_LMTP,
    OPTION_PROXY,
    OPTION_FORGET,
    OPTION_COUNT
};

/* How an option becomes a member of the request. */
enum option_kind {
    OPTION_LOCAL, /* not at all */
    OPTION_TEXT,
    OPTION_FLAG,
    OPTION_NUMBER,
    OPTION_LIST,
    OPTION_PAIR,    /* KEY=VALUE into an object */
    OPTION_SETTING, /* a setting of that name */
};

struct option_rule {
    const char *name;  /* without the hyphens */
    const char *value; /* what stands behind it in help; NULL: nothing does */
    enum option_kind kind;
    const char *member; /* of the request */
    const char *help;
};

enum {
    ARGUMENTS_MAX = 2,
    ARGUMENT_WORDS_MAX = 8, /* that arguments may be: the last may be several words */
    VALUES_MAX = 16
};

struct cli;

struct command {
    const char *group; /* "domain", "queue" or "" */
    const char *name;
    const char *operation; /* of control/; NULL: run() does it all */
    int (*run)(struct cli *cli);
    void (*show)(struct cli *cli, const json_t *answer);
    struct {
        const char *member; /* of the request */
        const char *shown;
        bool is_optional;
        bool is_list; /* the last alone: all that follows */
    } argument[ARGUMENTS_MAX];
    uint64_t options; /* bits 1 << enum option, beside those every command takes */
    bool is_hidden;
    const char *help;
};

/* One call of the program. */
struct cli {
    const struct command *command;
    const char *argument[ARGUMENT_WORDS_MAX];
    int argument_count;
    const char *value[OPTION_COUNT][VALUES_MAX];
    int value_count[OPTION_COUNT];
    int argc; /* as main() got them */
    char **argv;

    struct buf out; /* printed at the end, or by cli_flush() */
    bool use_color;
    enum language language;
    struct now now;
};

const struct option_rule *option_rule(enum option option);
/* Calls with *cursor = 0, 1, …; NULL at the end. */
const struct command *command_next(size_t *cursor);
bool command_takes(const struct command *command, enum option option);
bool cli_has(const struct cli *cli, enum option option);
const char *cli_value(const struct cli *cli, enum option option); /* the last given, or NULL */

/* parse.c: 0, or EXIT_USAGE after having said why. Without a command, cli->command stays NULL. */
int cli_parse(struct cli *cli, int argc, char **argv, struct buf *why);
/* request.c: the request's members from words and options; NULL with the reason in *why. */
json_t *cli_request(const struct cli *cli, struct buf *why);

/* ask.c */
struct connection;
/* The path of the control socket into *out; 0 or EXIT_USAGE after having said why. */
int cli_socket_path(const struct cli *cli, struct buf *out);
const char *cli_config_path(const struct cli *cli);
/* 0 or an exit status after having said why. */
int connection_open(const struct cli *cli, struct connection **out_client);
void connection_close(struct connection *client);
/* Sends the request (takes it); connection_read() then gives the answers, one a call. */
int connection_send(struct connection *client, json_t *request);
int connection_read(struct connection *client, json_t **out_answer);
/* One request, one answer. */
int cli_ask(const struct cli *cli, json_t *request, json_t **out_answer);

/* run.c */
/* The request of the command line, or NULL after having said why. */
json_t *cli_make_request(const struct cli *cli);
/* Asks (takes the request), shows the answer; an exit status. */
int cli_run_request(struct cli *cli, json_t *request);
/* EXIT_OK, or EXIT_REFUSED if it is a refusal (which is said where it is read). */
int cli_show_answer(struct cli *cli, const json_t *answer);
/* commands of their own */
int run_run(struct cli *cli);
int run_role(struct cli *cli);
int run_help(struct cli *cli);
int run_version(struct cli *cli);
int run_check_config(struct cli *cli);
int run_check_sandbox(struct cli *cli);
int run_operation(struct cli *cli);
int run_status(struct cli *cli);
int run_export(struct cli *cli);

/* template.c */
int run_template(struct cli *cli);

/* recipients.c */
int run_verify(struct cli *cli);
int run_import(struct cli *cli);
void show_verify(struct cli *cli, const json_t *answer);
void show_recipients(struct cli *cli, const json_t *answer);
void show_recipient(struct cli *cli, const json_t *answer);
void show_forgotten(struct cli *cli, const json_t *answer);

/* authcheck.c */
int run_authcheck(struct cli *cli);

/* fsck.c, backup.c, restore.c: for the data folder */
int run_fsck(struct cli *cli);
int run_agent(struct cli *cli);
int run_key(struct cli *cli);
int run_backup(struct cli *cli);
int run_restore(struct cli *cli);

/* show_*.c: answers for people */
void show_status(struct cli *cli, const json_t *answer);
void show_domain(struct cli *cli, const json_t *answer);
void show_domains(struct cli *cli, const json_t *answer);
void show_check(struct cli *cli, const json_t *answer);
void show_template(struct cli *cli, const json_t *answer);
void show_address(struct cli *cli, const json_t *answer);
void show_secret(struct cli *cli, const json_t *answer);
void show_removed(struct cli *cli, const json_t *answer);
void show_messages(struct cli *cli, const json_t *answer);
void show_message(struct cli *cli, const json_t *answer);
void show_flushed(struct cli *cli, const json_t *answer);
void show_settled(struct cli *cli, const json_t *answer);
void show_bounced(struct cli *cli, const json_t *answer);

/* help.c */
void help_all(enum language language, struct buf *out);
/* False: there is no such command. */
bool help_about(enum language language, const char *group_or_name, const char *name,
                struct buf *out);

/* For people, to standard error, with "holdfast: " in front. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A file, or with "-" standard input. False after having said why: it cannot be read, or it is
 * larger. */
bool cli_read_file(const char *path, size_t size_max, struct buf *out);
void cli_flush(struct cli *cli);
/* False with errno: not everything was written. */
bool cli_write(FILE *file, struct str bytes);
