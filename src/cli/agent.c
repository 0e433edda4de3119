/* SPDX-License-Identifier: ISC */
/* agent.c: `holdfast agent`: what it is told on the command line; the rest is roles/agent/agent.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/command.h"
#include "mail/domain.h"
#include "roles/agent/agent.h"

enum {
    SECRET_MAX = 255,
    ANCHORS_MAX = 8 << 20,
    BACKUP_PORT = 366, /* RFC 2645 */
    SERVER_PORT = 25,
    LINES_BY_ITSELF = 2,
};

#define PUBLIC_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

struct wishes { /* where the settings' texts live */
    struct agent_settings settings;
    char hostname[256];
    struct buf user, secret, anchors, certificate;
};

static bool refuse(const char *what, const char *hint)
{
    cli_say("%s; %s", what, hint);
    return false;
}

/* HOST, HOST:PORT, 192.0.2.1, [2001:db8::1]:PORT */
static bool take_backup(struct wishes *wishes, const char *text)
{
    struct agent_settings *settings = &wishes->settings;
    struct str host = str_from(text);
    ptrdiff_t colon = str_find_last(host, ':');
    uint64_t port = BACKUP_PORT;

    if (host.len > 0 && host.ptr[0] == '[') {
        ptrdiff_t close = str_find(host, ']');
        struct str rest = close > 0 ? str_skip(host, (size_t)close + 1) : STR_NONE;
        if (close < 0 || (rest.len > 0 && (rest.ptr[0] != ':' ||
                                           !str_to_u64(str_skip(rest, 1), UINT16_MAX, &port))))
            return false;
        host = str_first(str_skip(host, 1), (size_t)close - 1);
    } else if (colon >= 0 && colon == str_find(host, ':')) {
        if (!str_to_u64(str_skip(host, (size_t)colon + 1), UINT16_MAX, &port))
            return false;
        host = str_first(host, (size_t)colon);
    }
    settings->backup = host;
    settings->backup_port = (uint16_t)port;
    return host.len > 0 && host.len < 256 && port > 0;
}

/* None is fine: all that the holder may fetch. */
static bool are_domains(struct str list)
{
    struct str one = STR_NONE;

    if (str_ends_nocase(list, STR(",")))
        return false;
    while (list.len > 0 && str_cut(&list, ',', &one))
        if (!domain_is_valid(one))
            return false;
    return true;
}

static bool read_secret(struct wishes *wishes, const char *path)
{
    struct stat about;
    int error = file_read(path, SECRET_MAX + 2, &wishes->secret);
    struct str secret = str_trim(buf_str(&wishes->secret));

    while (secret.len > 0 &&
           (secret.ptr[secret.len - 1] == '\n' || secret.ptr[secret.len - 1] == '\r'))
        secret = str_first(secret, secret.len - 1);
    if (error != 0) {
        cli_say("%s: %s", path, strerror(-error));
        return false;
    }
    if (secret.len == 0 || secret.len > SECRET_MAX || str_find(secret, '\n') >= 0)
        return refuse("the file of the secret holds none",
                      "it is one line, as `holdfast domain secret` has shown it");
    if (stat(path, &about) == 0 && (about.st_mode & (S_IRGRP | S_IROTH)) != 0)
        cli_say("%s: others may read it; chmod 600 keeps it secret", path);
    wishes->settings.secret = secret;
    return true;
}

/* How it is known there: by a secret, or by a certificate. */
static bool take_login(const struct cli *cli, struct wishes *wishes)
{
    const char *secret = cli_value(cli, OPTION_SECRET_FILE);
    const char *certificate = cli_value(cli, OPTION_CERTIFICATE);

    if ((secret == NULL) == (certificate == NULL))
        return refuse("--secret-file or --certificate is missing, or both are there",
                      "the first holds the secret that `holdfast domain secret` has made on the "
                      "backup, the second a certificate that its domain has as client-pin");
    if (secret != NULL)
        return read_secret(wishes, secret);
    int error = file_read(certificate, ANCHORS_MAX, &wishes->certificate);
    if (error != 0) {
        cli_say("%s: %s", certificate, strerror(-error));
        return false;
    }
    wishes->settings.certificate =
        (struct tls_certificate){ buf_str(&wishes->certificate), buf_str(&wishes->certificate) };
    return true;
}

static bool take_trust(const struct cli *cli, struct wishes *wishes)
{
    struct security *security = &wishes->settings.security;
    const char *pin = cli_value(cli, OPTION_PIN);
    const char *ca = cli_value(cli, OPTION_CA);

    security->level = pin != NULL ? SECURITY_MUST : SECURITY_NAME;
    security->from_start = cli_has(cli, OPTION_TLS_FROM_START);
    security->name[security->name_count++] = wishes->settings.backup;
    if (pin != NULL)
        security_add_pins(security, str_from(pin));
    if (pin != NULL && security->pin_count == 0)
        return refuse("--pin is none", "it is key: or certificate: and 64 hexadecimal digits");
    if (pin != NULL)
        return true;
    int error = file_read(ca != NULL ? ca : PUBLIC_AUTHORITIES, ANCHORS_MAX, &wishes->anchors);
    if (error != 0) {
        cli_say("%s: %s; install ca-certificates, or give --ca or --pin",
                ca != NULL ? ca : PUBLIC_AUTHORITIES, strerror(-error));
        return false;
    }
    wishes->settings.anchors = buf_str(&wishes->anchors);
    return true;
}

static bool take_lines(const struct cli *cli, struct wishes *wishes)
{
    const char *text = cli_value(cli, OPTION_LINES);
    uint64_t lines = LINES_BY_ITSELF;

    if (text != NULL && (!str_to_u64(str_from(text), AGENT_LINES_MAX, &lines) || lines == 0))
        return refuse("--lines is out of bounds", "it is a number of 1 to 8");
    wishes->settings.lines = (unsigned)lines;
    return true;
}

static struct str text_or_none(const struct cli *cli, enum option option)
{
    const char *text = cli_value(cli, option);
    return text != NULL ? str_from(text) : STR_NONE;
}

static bool take_wishes(const struct cli *cli, struct wishes *wishes)
{
    struct agent_settings *settings = &wishes->settings;
    const char *backup = cli_value(cli, OPTION_BACKUP);
    struct str server = text_or_none(cli, OPTION_SERVER);

    if (backup == NULL || !take_backup(wishes, backup))
        return refuse("--backup is missing, or none", "say whom to call: HOST or HOST:PORT");
    if (!domain_normalise(text_or_none(cli, OPTION_USER), &wishes->user))
        return refuse("--user is missing, or none", "say as which domain's holder to log in");
    if (!endpoint_from_text(server.len > 0 ? server : STR("127.0.0.1"), SERVER_PORT,
                            &settings->server))
        return refuse("--server is none", "give an address, such as 127.0.0.1:25");
    settings->user = buf_str(&wishes->user);
    settings->domains = text_or_none(cli, OPTION_DOMAINS);
    if (!are_domains(settings->domains))
        return refuse("--domains is none",
                      "names with commas between them: example.org,example.net");
    settings->is_lmtp = cli_has(cli, OPTION_LMTP);
    settings->is_proxied = cli_has(cli, OPTION_PROXY);
    if (gethostname(wishes->hostname, sizeof wishes->hostname - 1) != 0 ||
        wishes->hostname[0] == '\0')
        memcpy(wishes->hostname, "agent", sizeof "agent");
    settings->hostname = str_from(wishes->hostname);
    return take_login(cli, wishes) && take_trust(cli, wishes) && take_lines(cli, wishes);
}

int run_agent(struct cli *cli)
{
    struct wishes wishes = { 0 };
    int status = take_wishes(cli, &wishes) ? agent_run(&wishes.settings) : EXIT_USAGE;

    buf_fini(&wishes.user);
    if (wishes.secret.ptr != NULL)
        explicit_bzero(wishes.secret.ptr, wishes.secret.cap);
    buf_fini(&wishes.secret);
    buf_fini(&wishes.anchors);
    if (wishes.certificate.ptr != NULL)
        explicit_bzero(wishes.certificate.ptr, wishes.certificate.cap);
    buf_fini(&wishes.certificate);
    return status;
}
