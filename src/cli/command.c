/* SPDX-License-Identifier: ISC */
/* command.c: the tables; see command.h. */
#include "cli/command.h"

#include "base/check.h"

static const struct option_rule options[OPTION_COUNT] = {
    [OPTION_CONFIG] = { "config", "FILE", OPTION_LOCAL, NULL,
                        "the configuration; else HOLDFAST_CONFIG or "
                        "/etc/holdfast/holdfast.conf" },
    [OPTION_SOCKET] = { "socket", "PATH", OPTION_LOCAL, NULL,
                        "the control socket, if it is not the configured one" },
    [OPTION_HELP] = { "help", NULL, OPTION_LOCAL, NULL, "explain the command" },
    [OPTION_JSON] = { "json", NULL, OPTION_LOCAL, NULL, "answer in JSON" },
    [OPTION_DUMP] = { "dump", NULL, OPTION_LOCAL, NULL, "show the configuration in effect" },
    [OPTION_WATCH] = { "watch", NULL, OPTION_LOCAL, NULL, "show it again every two seconds" },
    [OPTION_PRIMARY] = { "primary", "HOST[:PORT][,...]", OPTION_LIST, "primary",
                         "where its mail goes, instead of its MX records; may be repeated" },
    [OPTION_HOLD] = { "hold", "TIME", OPTION_SETTING, "hold",
                      "how long mail waits for the primary; short for --set hold=TIME" },
    [OPTION_SET] = { "set", "KEY=VALUE", OPTION_PAIR, "set",
                     "a setting; KEY=default takes it back; may be repeated" },
    [OPTION_FORCE] = { "force", NULL, OPTION_FLAG, "force",
                       "even while mail is held for it, or with a list that lost much" },
    [OPTION_CRAM_MD5] = { "cram-md5", NULL, OPTION_FLAG, "cram_md5",
                          "for programs that know no other login (fetchmail): then it is kept "
                          "here as it is" },
    [OPTION_UNTIL] = { "until", "TIME", OPTION_TEXT, "until",
                       "2h, or 2026-11-22T06:00:00Z; without it until resumed" },
    [OPTION_DOMAIN] = { "domain", "DOMAIN", OPTION_TEXT, "domain", "only of this domain" },
    [OPTION_RECIPIENT] = { "recipient", "ADDRESS", OPTION_TEXT, "recipient",
                           "only for this recipient" },
    [OPTION_STATE] = { "state", "STATE", OPTION_TEXT, "state",
                       "of messages held, rescued or all; of recipients valid, invalid or doubt" },
    [OPTION_LIMIT] = { "limit", "COUNT", OPTION_NUMBER, "limit", "at most so many" },
    [OPTION_AFTER] = { "after", "POSITION", OPTION_TEXT, "after",
                       "the next page; the end of a page names it" },
    [OPTION_NEWEST] = { "newest", NULL, OPTION_FLAG, "newest", "newest first" },
    [OPTION_REPAIR] = { "repair", NULL, OPTION_LOCAL, NULL, "mend what can be mended" },
    [OPTION_DISCARD_DAMAGED] = { "discard-damaged", NULL, OPTION_LOCAL, NULL,
                                 "and give up messages that cannot be mended" },
    [OPTION_WITHOUT_MAIL] = { "without-mail", NULL, OPTION_LOCAL, NULL,
                              "only the configuration and the domains" },
    [OPTION_DELIVER] = { "deliver", NULL, OPTION_LOCAL, NULL,
                         "hand the mail over at once; without it all domains are paused" },
    [OPTION_REPLACE] = { "replace", NULL, OPTION_LOCAL, NULL,
                         "move aside what is in the data folder" },
    [OPTION_DNS_SERVER] = { "dns-server", "HOST:PORT", OPTION_LOCAL, NULL,
                            "whom to ask; else whom the machine asks" },
    [OPTION_IP] = { "ip", "ADDRESS", OPTION_LOCAL, NULL, "the client's address" },
    [OPTION_HELO] = { "helo", "NAME", OPTION_LOCAL, NULL, "the name in its HELO or EHLO" },
    [OPTION_FROM] = { "from", "ADDRESS", OPTION_LOCAL, NULL,
                      "the address in MAIL FROM; empty for <>" },
    [OPTION_AUTHSERV_ID] = { "authserv-id", "NAME", OPTION_LOCAL, NULL,
                             "in whose name; else the machine's" },
    [OPTION_LANGUAGE] = { "language", "LANGUAGE", OPTION_TEXT, "language",
                          "en or de; else that of the domain" },
    [OPTION_FILE] = { "file", "FILE", OPTION_LOCAL, NULL,
                      "take the text from this file; - is standard input" },
    [OPTION_RESET] = { "reset", NULL, OPTION_LOCAL, NULL, "back to the built-in text" },
    [OPTION_MATCH] = { "match", "TEXT", OPTION_TEXT, "match", "whose address has this in it" },
    [OPTION_INVALID] = { "invalid", NULL, OPTION_FLAG, "invalid", "there is no such recipient" },
    [OPTION_FORMAT] = { "format", "FORMAT", OPTION_LOCAL, NULL,
                        "csv, postfix, ldif or plain; else it is guessed" },
    [OPTION_DRY_RUN] = { "dry-run", NULL, OPTION_LOCAL, NULL, "only say what would change" },
    [OPTION_LDAP] = { "ldap", "URI", OPTION_LOCAL, NULL,
                      "ask this directory, with ldapsearch, instead of a file" },
    [OPTION_BASE] = { "base", "DN", OPTION_LOCAL, NULL, "where in it to look" },
    [OPTION_FILTER] = { "filter", "FILTER", OPTION_LOCAL, NULL,
                        "which entries; those with an address of the domain, if not given" },
    [OPTION_ATTRIBUTE] = { "attribute", "NAME", OPTION_LOCAL, NULL,
                           "where the addresses are; mail and proxyAddresses if not given" },
    [OPTION_BIND] = { "bind", "DN", OPTION_LOCAL, NULL, "who asks; nobody if not given" },
    [OPTION_PASSWORD_FILE] = { "password-file", "FILE", OPTION_LOCAL, NULL,
                               "the file that holds the password of who asks" },
    [OPTION_BACKUP] = { "backup", "HOST[:PORT]", OPTION_LOCAL, NULL,
                        "whom to call; without a port 366" },
    [OPTION_USER] = { "user", "DOMAIN", OPTION_LOCAL, NULL,
                      "the domain as whose holder to log in there" },
    [OPTION_SECRET_FILE] = { "secret-file", "FILE", OPTION_LOCAL, NULL,
                             "where the secret is that `holdfast domain secret` has made there" },
    [OPTION_CERTIFICATE] = { "certificate", "FILE", OPTION_LOCAL, NULL,
                             "by which to be known there (client-pin) instead of a secret, with "
                             "its key (PEM)" },
    [OPTION_DOMAINS] = { "domains", "DOMAIN,DOMAIN", OPTION_LOCAL, NULL,
                         "whose mail to fetch; without it all that the user may have" },
    [OPTION_SERVER] = { "server", "ADDRESS:PORT", OPTION_LOCAL, NULL,
                        "the local mail server; 127.0.0.1:25" },
    [OPTION_LINES] = { "lines", "COUNT", OPTION_LOCAL, NULL, "connections that wait at once; 2" },
    [OPTION_PIN] = { "pin", "key:HEX", OPTION_LOCAL, NULL,
                     "the backup's key or certificate, instead of its name" },
    [OPTION_CA] = { "ca", "FILE", OPTION_LOCAL, NULL,
                    "who may have signed its certificate, instead of public authorities (PEM)" },
    [OPTION_TLS_FROM_START] = { "tls-from-start", NULL, OPTION_LOCAL, NULL,
                                "TLS begins with the first octet, without STARTTLS" },
    [OPTION_LMTP] = { "lmtp", NULL, OPTION_LOCAL, NULL, "the local server speaks LMTP" },
    [OPTION_PROXY] = { "proxy", NULL, OPTION_LOCAL, NULL,
                       "tell it whose mail it is by the PROXY protocol, instead of XCLIENT" },
    [OPTION_NEW] = { "new", NULL, OPTION_FLAG, "new", "make another one; the old one ends" },
    [OPTION_FORGET] = { "forget", NULL, OPTION_FLAG, "forget",
                        "mail goes where it went before they were told" },
};

#define BIT(option) (UINT64_C(1) << OPTION_##option)
#define EVERY       (BIT(CONFIG) | BIT(SOCKET) | BIT(HELP))
#define NAME                                                                                       \
    {                                                                                              \
        {                                                                                          \
            "name", "DOMAIN", false                                                                \
        }                                                                                          \
    }
#define ID                                                                                         \
    {                                                                                              \
        {                                                                                          \
            "id", "ID", false                                                                      \
        }                                                                                          \
    }
#define ADDRESS                                                                                    \
    {                                                                                              \
        {                                                                                          \
            "address", "ADDRESS", false                                                            \
        }                                                                                          \
    }
#define CHANGE (BIT(PRIMARY) | BIT(HOLD) | BIT(SET) | BIT(JSON))
#define PART   (BIT(DOMAIN) | BIT(RECIPIENT) | BIT(JSON))

/* clang-format off */
static const struct command commands[] = {
    { "", "run", .run = run_run, .help = "run the node in the foreground" },
    { "", "check-config", .run = run_check_config, .options = BIT(DUMP),
      .help = "look for mistakes in the configuration" },
    { "", "check-sandbox", .run = run_check_sandbox, .options = BIT(JSON),
      .help = "prove what each role cannot do" },
    { "", "agent", .run = run_agent,
      .options = BIT(BACKUP) | BIT(USER) | BIT(SECRET_FILE) | BIT(CERTIFICATE) | BIT(DOMAINS) | BIT(SERVER) | BIT(LINES) | BIT(PIN) |
                 BIT(CA) | BIT(TLS_FROM_START) | BIT(LMTP) | BIT(PROXY),
      .help = "call the backup for mail, from beside a primary that nobody can connect to" },
    { "", "key", .run = run_key, .help = "make a key that kept mail is encrypted with" },
    { "", "status", "status", run_status, show_status, .options = BIT(JSON) | BIT(WATCH) | BIT(LIMIT),
      .help = "the node at a glance" },
    { "", "fsck", .run = run_fsck, .options = BIT(REPAIR) | BIT(DISCARD_DAMAGED) | BIT(JSON),
      .help = "look for damage in the data folder, while holdfast is stopped" },
    { "", "backup", .run = run_backup, .argument = { { NULL, "FOLDER", false } },
      .options = BIT(WITHOUT_MAIL) | BIT(JSON),
      .help = "copy mail, domains and configuration into a new folder" },
    { "", "restore", .run = run_restore, .argument = { { NULL, "FOLDER", false } },
      .options = BIT(DELIVER) | BIT(REPLACE) | BIT(JSON),
      .help = "put a backup into the data folder, while holdfast is stopped" },
    { "", "authcheck", .run = run_authcheck,
      .options = BIT(DNS_SERVER) | BIT(IP) | BIT(HELO) | BIT(FROM) | BIT(AUTHSERV_ID),
      .help = "who sent the message on standard input? (SPF, DKIM, DMARC, ARC)" },
    { "", "version", .run = run_version, .options = BIT(JSON), .help = "which version this is" },
    { "", "help", .run = run_help, .argument = { { NULL, "COMMAND", true }, { NULL, "SUBCOMMAND", true } },
      .help = "explain a command" },
    { "", "role", .run = run_role, .is_hidden = true, .help = "for the supervisor alone" },

    { "domain", "add", "domain.add", run_operation, show_domain, NAME, CHANGE, .help = "protect a domain" },
    { "domain", "set", "domain.set", run_operation, show_domain, NAME, CHANGE,
      .help = "change what was set for a domain" },
    { "domain", "show", "domain.show", run_operation, show_domain, NAME, BIT(JSON),
      .help = "all about one domain" },
    { "domain", "list", "domain.list", run_operation, show_domains,
      .options = BIT(JSON) | BIT(LIMIT) | BIT(AFTER), .help = "the protected domains" },
    { "domain", "remove", "domain.remove", run_operation, show_removed, NAME, BIT(FORCE) | BIT(JSON),
      .help = "protect a domain no longer; its mail stays" },
    { "domain", "pause", "domain.pause", run_operation, show_domain, NAME, BIT(UNTIL) | BIT(JSON),
      .help = "hold its mail back, go on accepting" },
    { "domain", "resume", "domain.resume", run_operation, show_domain, NAME, BIT(JSON),
      .help = "end the pause and hand over at once" },
    { "domain", "check", "domain.check", run_operation, show_check, NAME, BIT(JSON),
      .help = "where its mail would go now" },

    { "domain", "template", "domain.template", run_template, show_template,
      { { "name", "DOMAIN", false }, { "occasion", "OCCASION", false } },
      BIT(LANGUAGE) | BIT(FILE) | BIT(RESET) | BIT(JSON),
      .help = "show or change the text that people get on an occasion" },
    { "domain", "webhook-secret", "domain.webhook-secret", run_operation, show_secret, NAME,
      BIT(NEW) | BIT(JSON), .help = "what the posts of its webhook are signed with" },

    { "domain", "secret", "domain.secret", run_operation, show_secret, NAME, BIT(CRAM_MD5) | BIT(JSON),
      .help = "make the secret by which its primary logs in; the one before ends" },

    { "domain", "address", "domain.address", run_operation, show_address,
      { { "name", "DOMAIN", false }, { "addresses", "ADDRESS", true, true } },
      BIT(FORGET) | BIT(JSON),
      .help = "where its primary is now; it must show who it is before it gets mail there" },

    { "", "verify", "recipient.verify", run_verify, show_verify, ADDRESS, BIT(JSON),
      .help = "ask the primary whether it has a recipient" },
    { "recipient", "list", "recipient.list", run_operation, show_recipients,
      .options = BIT(DOMAIN) | BIT(STATE) | BIT(MATCH) | BIT(LIMIT) | BIT(AFTER) | BIT(JSON),
      .help = "what is known of a domain's recipients" },
    { "recipient", "show", "recipient.show", run_operation, show_recipient, ADDRESS, BIT(JSON),
      .help = "what is known of one recipient" },
    { "recipient", "pin", "recipient.pin", run_operation, show_recipient, ADDRESS,
      BIT(INVALID) | BIT(JSON), .help = "say for good that a recipient is there, or is not" },
    { "recipient", "forget", "recipient.forget", run_operation, show_forgotten, ADDRESS, BIT(JSON),
      .help = "forget what is known of a recipient" },
    { "recipient", "import", .run = run_import, .argument = { { NULL, "FILE", true } },
      .options = BIT(DOMAIN) | BIT(FORMAT) | BIT(DRY_RUN) | BIT(FORCE) | BIT(LDAP) | BIT(BASE) |
                 BIT(FILTER) | BIT(ATTRIBUTE) | BIT(BIND) | BIT(PASSWORD_FILE) | BIT(JSON),
      .help = "take a list of a domain's recipients" },

    { "queue", "list", "queue.list", run_operation, show_messages,
      .options = PART | BIT(STATE) | BIT(LIMIT) | BIT(AFTER) | BIT(NEWEST),
      .help = "held and rescued messages" },
    { "queue", "show", "queue.show", run_operation, show_message, ID, BIT(JSON),
      .help = "all about one message" },
    { "queue", "flush", "queue.flush", run_operation, show_flushed,
      { { "domain", "DOMAIN", true } }, BIT(JSON), .help = "try now, without waiting" },
    { "queue", "release", "queue.release", run_operation, show_settled, ID, PART,
      .help = "try rescued mail again" },
    { "queue", "bounce", "queue.bounce", run_operation, show_bounced, ID, PART,
      .help = "give a message up, and tell its sender" },
    { "queue", "discard", "queue.discard", run_operation, show_settled, ID, PART,
      .help = "delete a message for good" },
    { "queue", "export", "queue.export", run_export, .argument = ID,
      .help = "the content of a message, to standard output" },
};
/* clang-format on */

const struct option_rule *option_rule(enum option option)
{
    check((unsigned)option < OPTION_COUNT);
    return &options[option];
}

const struct command *command_next(size_t *cursor)
{
    if (*cursor >= sizeof commands / sizeof *commands)
        return NULL;
    return &commands[(*cursor)++];
}

bool command_takes(const struct command *command, enum option option)
{
    return ((EVERY | command->options) & UINT64_C(1) << option) != 0;
}

bool cli_has(const struct cli *cli, enum option option)
{
    return cli->value_count[option] > 0;
}

const char *cli_value(const struct cli *cli, enum option option)
{
    int count = cli->value_count[option];
    return count > 0 ? cli->value[option][count - 1] : NULL;
}
