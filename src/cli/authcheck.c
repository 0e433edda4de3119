/* SPDX-License-Identifier: ISC */
/* authcheck.c: `holdfast authcheck`: what a node would find out about a message, without a node.
 *
 * The message comes from standard input, client and envelope from the options. The DNS is asked
 * here, one question after the other, as the resolver role would ask it.
 */
#include <string.h>
#include <unbound.h>
#include <unistd.h>

#include "authenticate/authentication.h"
#include "cli/command.h"
#include "wire/content.h"
#include "wire/dns_packet.h"

enum { MESSAGE_MAX = 100 << 20, QUESTIONS_MAX = 500 };

struct inquiry {
    struct cli *cli;
    struct ub_ctx *unbound;
    struct authentication *authentication;
};

/* ---- the DNS ---- */

static int open_dns(struct inquiry *inquiry)
{
    const char *server = cli_value(inquiry->cli, OPTION_DNS_SERVER);
    struct endpoint endpoint;
    struct buf text = { 0 };
    int error;

    inquiry->unbound = ub_ctx_create();
    if (inquiry->unbound == NULL)
        return EXIT_REFUSED;
    (void)ub_ctx_set_option(inquiry->unbound, "use-syslog:", "no");
    (void)ub_ctx_set_option(inquiry->unbound, "do-not-query-localhost:", "no");
    (void)ub_ctx_debuglevel(inquiry->unbound, 0);
    if (server == NULL) {
        (void)ub_ctx_hosts(inquiry->unbound, "/etc/hosts");
        return ub_ctx_resolvconf(inquiry->unbound, "/etc/resolv.conf") == 0 ? EXIT_OK
                                                                            : EXIT_REFUSED;
    }
    if (!endpoint_from_text(str_from(server), 53, &endpoint)) {
        cli_say("--dns-server cannot be \"%s\"; write an address such as 192.0.2.53:53", server);
        return EXIT_USAGE;
    }
    endpoint_add_ip(&text, endpoint);
    buf_add_format(&text, "@%u", (unsigned)endpoint.port);
    buf_add_byte(&text, '\0');
    error = ub_ctx_set_fwd(inquiry->unbound, text.ptr);
    buf_fini(&text);
    return error == 0 ? EXIT_OK : EXIT_REFUSED;
}

static void ask(struct inquiry *inquiry, struct dns_question question)
{
    char name[DNS_NAME_MAX + 1];
    struct arena arena = { 0 };
    struct dns_answer answer = { .status = DNS_FAILED };
    struct ub_result *result = NULL;

    memcpy(name, question.name.ptr, question.name.len);
    name[question.name.len] = '\0';
    if (ub_resolve(inquiry->unbound, name, (int)question.type, 1, &result) == 0) {
        if (result->answer_packet != NULL && result->answer_len > 0 && !result->bogus)
            dns_packet_parse(str_of(result->answer_packet, (size_t)result->answer_len),
                             question.type, &arena, &answer);
        answer.secure = result->secure != 0;
        answer.bogus = result->bogus != 0;
        ub_resolve_free(result);
    }
    authentication_answer(inquiry->authentication, question, &answer);
    arena_fini(&arena);
}

/* ---- the message ---- */

/* With CRLF, whatever it had. */
static int read_message(struct buf *out)
{
    char piece[65536];
    ssize_t got;

    while ((got = read(STDIN_FILENO, piece, sizeof piece)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (piece[i] == '\n' && (out->len == 0 || out->ptr[out->len - 1] != '\r'))
                buf_add_byte(out, '\r');
            buf_add_byte(out, piece[i]);
        }
        if (out->len > MESSAGE_MAX) {
            cli_say("the message is larger than %d MB", MESSAGE_MAX >> 20);
            return EXIT_REFUSED;
        }
    }
    return got < 0 ? EXIT_REFUSED : EXIT_OK;
}

static void feed(struct authentication *authentication, struct str message)
{
    size_t size = content_header_size(message, 0);

    authentication_header(authentication, str_first(message, size));
    authentication_body(authentication, str_skip(message, size + 2));
    authentication_end(authentication);
}

static void print(struct cli *cli, const struct results *results)
{
    struct buf field = { 0 };

    results_add_field(&field, results);
    for (size_t i = 0; i < field.len; i++)
        if (field.ptr[i] != '\r')
            buf_add_byte(&cli->out, field.ptr[i]);
    buf_fini(&field);
}

static int judge(struct inquiry *inquiry)
{
    struct buf room = { 0 };
    struct dns_question question;

    for (unsigned i = 0; i < QUESTIONS_MAX; i++) {
        if (authentication_decide(inquiry->authentication, &room, &question)) {
            print(inquiry->cli, &inquiry->authentication->results);
            buf_fini(&room);
            return EXIT_OK;
        }
        ask(inquiry, question);
    }
    buf_fini(&room);
    cli_say("gave up after %d questions to the DNS", QUESTIONS_MAX);
    return EXIT_REFUSED;
}

/* ---- the whole ---- */

static bool read_request(struct cli *cli, char *hostname, size_t hostname_size,
                         struct authentication_request *out_request)
{
    const char *ip = cli_value(cli, OPTION_IP);
    const char *name = cli_value(cli, OPTION_AUTHSERV_ID);

    if (ip == NULL || !endpoint_from_ip(str_from(ip), 0, &out_request->client)) {
        cli_say("--ip must say the client's address, such as 192.0.2.7");
        return false;
    }
    if (gethostname(hostname, hostname_size) < 0)
        hostname[0] = '\0';
    hostname[hostname_size - 1] = '\0';
    out_request->authserv_id = str_from(name != NULL ? name : hostname);
    out_request->helo = str_from(cli_value(cli, OPTION_HELO));
    out_request->sender = str_from(cli_value(cli, OPTION_FROM));
    if (str_starts(out_request->sender, STR("<")) && str_ends_nocase(out_request->sender, STR(">")))
        out_request->sender = str_of(out_request->sender.ptr + 1, out_request->sender.len - 2);
    out_request->now_s = cli->now.wall_ms / 1000;
    return true;
}

int run_authcheck(struct cli *cli)
{
    struct authentication_request request = { 0 };
    struct inquiry inquiry = { .cli = cli };
    struct buf message = { 0 };
    char hostname[256];

    if (!read_request(cli, hostname, sizeof hostname, &request))
        return EXIT_USAGE;
    int status = open_dns(&inquiry);
    if (status == EXIT_OK)
        status = read_message(&message);
    if (status == EXIT_OK) {
        inquiry.authentication = authentication_new(&request);
        feed(inquiry.authentication, buf_str(&message));
        status = judge(&inquiry);
        authentication_free(inquiry.authentication);
    }
    if (inquiry.unbound != NULL)
        ub_ctx_delete(inquiry.unbound);
    buf_fini(&message);
    return status;
}
