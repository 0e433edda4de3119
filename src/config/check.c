/* SPDX-License-Identifier: ISC */
/* check.c: what one value alone cannot tell. */
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "config/schema.h"

struct checking {
    struct str name;
    struct config *config;
    const struct config_lines *lines;
    struct config_problems *problems;
};

static int line_of(const struct checking *checking, size_t offset)
{
    for (size_t i = 0; i < config_item_count(); i++)
        if (config_item_at(i).offset == offset)
            return checking->lines->line[i];
    return 0;
}

#define LINE(checking, member) line_of((checking), offsetof(struct config, member))

/* Given, even if wrongly, needs no second complaint. */
static void check_hostname(struct checking *checking)
{
    if (checking->config->hostname.len == 0 && LINE(checking, hostname) == 0)
        config_error(checking->problems, checking->name, 0,
                     "hostname is missing; write hostname = \"mx2.example.net\" with the name "
                     "your MX record points to");
}

static void check_control(struct checking *checking)
{
    struct config *config = checking->config;
    struct buf path = { 0 };

    if (config->control.len == 0) {
        buf_add_format(&path, "%.*s/control.sock", STR_FMT(config->data));
        config->control = arena_str(&config->arena, buf_str(&path));
    }
    if (config->control.len > 107) /* sizeof sun_path less the final zero; unix(7) */
        config_error(checking->problems, checking->name,
                     LINE(checking, control) > 0 ? LINE(checking, control) : LINE(checking, data),
                     "the control socket's path is longer than 107 octets; write control = "
                     "\"/run/holdfast/control.sock\" instead");
    buf_fini(&path);
}

static void check_listeners(struct checking *checking)
{
    const struct config_endpoints *list = &checking->config->listen_smtp;

    if (list->count == 0)
        config_error(checking->problems, checking->name, LINE(checking, listen_smtp),
                     "listen smtp has no address; write address = {\"0.0.0.0:25\"} instead");
}

/* Secrets go over it. */
static void check_portal(struct checking *checking)
{
    const struct config_endpoints *list = &checking->config->listen_portal;

    for (uint32_t i = 0; i < list->count && !checking->config->portal_tls; i++) {
        struct buf text = { 0 };
        if (endpoint_is_loopback(list->item[i]))
            continue;
        endpoint_add_text(&text, list->item[i]);
        config_error(checking->problems, checking->name, LINE(checking, listen_portal),
                     "listen portal %.*s would take secrets in the clear; write tls = yes, or "
                     "address = {\"127.0.0.1:%u\"} with a proxy in front that speaks TLS",
                     STR_FMT(buf_str(&text)), list->item[i].port);
        buf_fini(&text);
    }
}

static void check_sessions(struct checking *checking)
{
    const struct config *config = checking->config;

    if (config->smtp_sessions_per_client > config->smtp_sessions)
        config_error(checking->problems, checking->name,
                     LINE(checking, smtp_sessions_per_client) > 0
                         ? LINE(checking, smtp_sessions_per_client)
                         : LINE(checking, smtp_sessions),
                     "sessions-per-client is above sessions; write at most %u instead",
                     config->smtp_sessions);
}

/* One message must fit, else it could never be taken. */
static void check_memory(struct checking *checking)
{
    const struct config *config = checking->config;

    if (config->store_memory < config->smtp_message_size)
        config_error(checking->problems, checking->name,
                     LINE(checking, store_memory) > 0 ? LINE(checking, store_memory)
                                                      : LINE(checking, smtp_message_size),
                     "store memory is below smtp message-size; write at least the same instead");
}

static void check_tls(struct checking *checking)
{
    const struct config *config = checking->config;

    if (config->tls_key.count > 0 && config->tls_key.count != config->tls_certificate.count)
        config_error(checking->problems, checking->name, LINE(checking, tls_key),
                     "tls has %u certificates and %u keys; write one key for each, or none if they "
                     "are in the same files",
                     config->tls_certificate.count, config->tls_key.count);
}

static void check_sign(struct checking *checking)
{
    const struct config *config = checking->config;
    int said = (config->sign_domain.len > 0) + (config->sign_selector.len > 0) +
               (config->sign_key.len > 0);

    if (said != 0 && said != 3)
        config_error(checking->problems, checking->name, LINE(checking, sign_domain),
                     "sign takes domain, selector and key together; write all three instead");
    if (said == 0 && setting_value(NULL, &config->defaults, SETTING_ARC_SEAL) != 0)
        config_error(checking->problems, checking->name, 0,
                     "defaults: arc-seal takes a key; write sign { domain = … selector = … "
                     "key = … } too");
}

/* A name without a socket would be a filter that is always gone. */
static void check_filters(struct checking *checking)
{
    const struct config *config = checking->config;
    struct str names = setting_text(NULL, &config->defaults, SETTING_FILTERS);
    struct str name = STR_NONE;

    while (str_cut(&names, ',', &name))
        if (name.len > 0 && config_find_milter(config, name) == NULL)
            config_error(checking->problems, checking->name, LINE(checking, filter_milters),
                         "defaults: there is no filter %.*s; write filter { milters = "
                         "{\"%.*s=unix:/PATH\"} } too",
                         STR_FMT(name), STR_FMT(name));
}

/* A name without a file would be an authority that has signed nothing. */
static void check_authorities(struct checking *checking)
{
    const struct config *config = checking->config;
    struct str name = setting_text(NULL, &config->defaults, SETTING_TLS_CA);

    if (name.len > 0 && config_find_authority(config, name) == NULL)
        config_error(checking->problems, checking->name, LINE(checking, tls_authorities),
                     "defaults: there is no authority %.*s; write tls { authorities = "
                     "{\"%.*s=/PATH\"} } too",
                     STR_FMT(name), STR_FMT(name));
}

/* DMARC's alignment, without the list of public suffixes. */
static bool is_within(struct str domain, struct str parent)
{
    return str_ends_nocase(domain, parent) &&
           (domain.len == parent.len || domain.ptr[domain.len - parent.len - 1] == '.');
}

/* Nobody heeds one that its sender has not signed (RFC 8460 3). */
static void check_tls_reports(struct checking *checking)
{
    const struct config *config = checking->config;
    struct str from = config->report_from;
    struct str domain = str_skip(from, (size_t)(str_find_last(from, '@') + 1));

    if (!config->report_tls || from.len == 0)
        return;
    if (config->sign_key.len == 0)
        config_error(checking->problems, checking->name, LINE(checking, report_tls),
                     "reports about TLS are signed; write sign { domain = \"%.*s\" selector = … "
                     "key = … } too",
                     STR_FMT(domain));
    else if (!is_within(domain, config->sign_domain))
        config_error(checking->problems, checking->name, LINE(checking, report_tls),
                     "reports about TLS are signed for the domain of their sender; write report "
                     "{ from = \"tls@%.*s\" } instead",
                     STR_FMT(config->sign_domain));
}

static void check_reports(struct checking *checking)
{
    const struct config *config = checking->config;

    if ((config->report_dmarc || config->report_tls) && config->report_from.len == 0)
        config_error(checking->problems, checking->name,
                     config->report_dmarc ? LINE(checking, report_dmarc)
                                          : LINE(checking, report_tls),
                     "reports have a sender; write report { from = \"%s@%.*s\" } too",
                     config->report_dmarc ? "dmarc" : "tls", STR_FMT(config->hostname));
    check_tls_reports(checking);
}

static void check_retry(struct checking *checking)
{
    const struct domain_settings *defaults = &checking->config->defaults;

    if (setting_value(NULL, defaults, SETTING_RETRY_FIRST) >
        setting_value(NULL, defaults, SETTING_RETRY_MAX))
        config_error(checking->problems, checking->name, 0,
                     "defaults: retry-first is above retry-max; write a smaller one instead");
    if (setting_value(NULL, defaults, SETTING_SESSIONS_START) >
        setting_value(NULL, defaults, SETTING_SESSIONS))
        config_error(checking->problems, checking->name, 0,
                     "defaults: sessions-start is above sessions; write a smaller one instead");
}

void config_check(struct str name, struct config *config, const struct config_lines *lines,
                  struct config_problems *problems)
{
    static void (*const checks[])(struct checking *) = {
        check_hostname,    check_control, check_listeners, check_portal,
        check_sessions,    check_memory,  check_sign,      check_tls,
        check_authorities, check_filters, check_reports,   check_retry,
    };
    struct checking checking = { name, config, lines, problems };

    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        checks[i](&checking);
}

/* By whoever asks; an empty path is none. */
static bool is_readable(struct str file)
{
    struct buf path = { 0 };

    buf_add(&path, file);
    buf_add_byte(&path, '\0');
    bool readable = path.len == 1 || access(path.ptr, R_OK) == 0;
    buf_fini(&path);
    return readable;
}

static bool is_exposed(struct str file)
{
    struct buf path = { 0 };

    buf_add(&path, file);
    buf_add_byte(&path, '\0');
    bool is_open = path.len > 1 && file_is_exposed(path.ptr);
    buf_fini(&path);
    return is_open;
}

static void warn_of_files(struct str name, const struct config_strings *files,
                          struct config_problems *problems)
{
    for (uint32_t i = 0; i < files->count; i++)
        if (!is_readable(files->item[i]))
            config_warning(problems, name, 0,
                           "tls file %.*s cannot be read; a certificate of our own making would be "
                           "shown instead",
                           STR_FMT(files->item[i]));
}

void config_check_files(struct str name, const struct config *config,
                        struct config_problems *problems)
{
    if (!is_readable(config->sign_key))
        config_warning(problems, name, 0,
                       "sign key %.*s cannot be read; nothing would be sealed or signed",
                       STR_FMT(config->sign_key));
    if (!is_readable(config->encryption_keys))
        config_warning(problems, name, 0,
                       "encryption keys %.*s cannot be read; no mail would be taken; put back the "
                       "file that there was, or make one with `holdfast key`",
                       STR_FMT(config->encryption_keys));
    else if (is_exposed(config->encryption_keys))
        config_warning(
            problems, name, 0,
            "encryption keys %.*s can be read by others than root; chown root and chmod 600 it",
            STR_FMT(config->encryption_keys));
    warn_of_files(name, &config->tls_certificate, problems);
    warn_of_files(name, &config->tls_key, problems);
    if (!is_readable(config->dns_trust_anchor))
        config_warning(problems, name, 0,
                       "dns trust-anchor %.*s cannot be read, DNS answers would not be validated; "
                       "install the package dns-root-data or write \"\" instead",
                       STR_FMT(config->dns_trust_anchor));
}
