/* SPDX-License-Identifier: ISC */
/* schema.c: the table of items; see schema.h. */
#include "config/schema.h"

#include "base/check.h"
#include "base/clock.h"
#include "mail/envelope.h"

#define AT(member) offsetof(struct config, member)
#define SECONDS(n) ((int64_t)(n)*SECOND_MS)
#define MEGABYTE   1000000LL
#define TERABYTE   1000000000000LL
#define RESTART    .takes_restart = true

/* clang-format off */
static const struct config_item items[] = {
    { "", "hostname", CONFIG_DOMAIN, AT(hostname), .fallback = NULL,
      .help = "our name in banner, EHLO and Received" },
    { "", "data", CONFIG_PATH, AT(data), 1, .fallback = "/var/lib/holdfast", RESTART,
      .help = "folder of spool and directory" },
    { "", "user", CONFIG_WORD, AT(user), .fallback = "holdfast", RESTART,
      .help = "runs the roles when started as root" },
    { "", "names", CONFIG_DOMAINS, AT(names), .fallback = "",
      .help = "other names MX records may call us by" },
    { "", "postmaster", CONFIG_MAILBOX, AT(postmaster), .fallback = "",
      .help = "takes mail to <postmaster>; an address of a protected domain" },
    { "", "addresses", CONFIG_ADDRESSES, AT(addresses), .fallback = "",
      .help = "addresses we are reached at from outside (NAT)" },
    { "", "control", CONFIG_PATH, AT(control), .fallback = NULL, RESTART,
      .help = "socket for the command line; control.sock in the data folder" },
    { "", "receivers", CONFIG_COUNT, AT(receivers), 0, 64, "0", RESTART,
      .help = "processes that take mail in; 0 is one per processor, at most 8" },
    { "", "deliverers", CONFIG_COUNT, AT(deliverers), 1, 16, "1", RESTART,
      .help = "processes that hand mail over" },
    { "", "watchdog", CONFIG_DURATION, AT(watchdog), 0, SECONDS(3600), "1m",
      .help = "a process that does not answer for so long is started again; 0s: none is" },

    { "listen smtp", "address", CONFIG_ENDPOINTS, AT(listen_smtp), RESTART,
      .fallback = "0.0.0.0:25 [::]:25", .help = "addresses and ports to take mail at" },
    { "listen smtps", "address", CONFIG_ENDPOINTS, AT(listen_smtps), RESTART,
      .fallback = "", .help = "the same with TLS from the first octet; empty: none" },
    { "listen atrn", "address", CONFIG_ENDPOINTS, AT(listen_atrn), RESTART, .port = 366,
      .fallback = "", .help = "where primaries without an address call for mail (ATRN); empty: none" },
    { "listen atrns", "address", CONFIG_ENDPOINTS, AT(listen_atrns), RESTART, .port = 366,
      .fallback = "", .help = "the same with TLS from the first octet; empty: none" },
    { "listen portal", "address", CONFIG_ENDPOINTS, AT(listen_portal), RESTART,
      .fallback = "", .help = "addresses and ports of the web interface; empty: none" },
    { "listen portal", "tls", CONFIG_BOOL, AT(portal_tls), RESTART, .fallback = "no",
      .help = "with TLS; without it, only this machine's own addresses, for a proxy" },

    { "tls", "certificate", CONFIG_PATHS, AT(tls_certificate), 1, .fallback = "",
      .help = "files with certificates and their chains (PEM); empty: one of our own making" },
    { "tls", "key", CONFIG_PATHS, AT(tls_key), 1, .fallback = "",
      .help = "files with their private keys, in the same order; empty: they are in those" },
    { "tls", "authorities", CONFIG_AUTHORITIES, AT(tls_authorities), .fallback = "", RESTART,
      .help = "who signs certificates of primaries: NAME=/PATH of his own (PEM); domains name them" },

    { "encryption", "keys", CONFIG_PATH, AT(encryption_keys), 0, .fallback = "",
      .help = "file with the keys that seal kept mail, the first one new mail; empty: none" },

    { "dns", "servers", CONFIG_ENDPOINTS, AT(dns_servers), .fallback = "", .port = 53, RESTART,
      .help = "resolvers to ask; none: those of /etc/resolv.conf" },
    { "dns", "trust-anchor", CONFIG_PATH, AT(dns_trust_anchor), 0,
      .fallback = "/usr/share/dns/root.key", RESTART,
      .help = "file with the root's key; empty: no validation" },

    { "sign", "domain", CONFIG_DOMAIN, AT(sign_domain), .fallback = "", RESTART, .may_be_empty = true,
      .help = "domain that we sign for (ARC seals)" },
    { "sign", "selector", CONFIG_WORD, AT(sign_selector), .fallback = "", RESTART,
      .may_be_empty = true,
      .help = "selector under which its DNS has our public key" },
    { "sign", "key", CONFIG_PATH, AT(sign_key), 0, .fallback = "", RESTART,
      .help = "file with the private key (PEM, RSA or Ed25519)" },

    { "store", "driver", CONFIG_DRIVER, AT(store_driver), .fallback = "log", RESTART,
      .help = "what keeps the mail: log" },
    { "store", "free-min", CONFIG_BYTES, AT(store_free_min), 0, 10 * TERABYTE, "256MB", RESTART,
      .help = "room to leave on the disk" },
    { "store", "memory", CONFIG_BYTES, AT(store_memory), 16 * MEGABYTE, TERABYTE, "256MB",
      RESTART,
      .help = "content on its way to the disk, at most" },

    { "smtp", "message-size", CONFIG_BYTES, AT(smtp_message_size), 64000, 2000 * MEGABYTE, "50MB",
      .help = "largest message, announced as SIZE" },
    { "smtp", "header-size", CONFIG_BYTES, AT(smtp_header_size), 16000, 512000, "256KB",
      .help = "largest header of a message" },
    { "smtp", "recipients", CONFIG_COUNT, AT(smtp_recipients), 100, ENVELOPE_RECIPIENTS_MAX, "1000",
      .help = "recipients of one message" },
    { "smtp", "sessions", CONFIG_COUNT, AT(smtp_sessions), 1, 100000, "2000",
      .help = "sessions at once" },
    { "smtp", "sessions-per-client", CONFIG_COUNT, AT(smtp_sessions_per_client), 1, 100000, "50",
      .help = "of those, from one network (/24, /64)" },
    { "smtp", "errors", CONFIG_COUNT, AT(smtp_errors), 1, 1000, "20",
      .help = "bad commands before we hang up" },
    { "smtp", "command-timeout", CONFIG_DURATION, AT(smtp_command_timeout),
      SECONDS(1), SECONDS(3600), "5m", .help = "silence between commands" },
    { "smtp", "data-timeout", CONFIG_DURATION, AT(smtp_data_timeout),
      SECONDS(1), SECONDS(3600), "3m", .help = "silence within content" },
    { "smtp", "session-timeout", CONFIG_DURATION, AT(smtp_session_timeout),
      SECONDS(10), SECONDS(86400), "30m", .help = "time for all commands of a transaction" },
    { "smtp", "data-rate-min", CONFIG_BYTES, AT(smtp_data_rate_min), 0, MEGABYTE, "100",
      .help = "octets a second below which content is cut off" },
    { "smtp", "bare-newline-reject", CONFIG_BOOL, AT(smtp_bare_newline_reject),
      .fallback = "no", .help = "refuse content with line ends other than CRLF" },
    { "smtp", "chunking", CONFIG_BOOL, AT(smtp_chunking), .fallback = "yes",
      .help = "announce CHUNKING" },
    { "smtp", "binarymime", CONFIG_BOOL, AT(smtp_binarymime), .fallback = "no",
      .help = "announce BINARYMIME, if CHUNKING is; few primaries take it as it is" },
    { "smtp", "greet-delay", CONFIG_DURATION, AT(smtp_greet_delay), 0, SECONDS(30), "0s",
      .help = "pause before the greeting; who speaks before it is let go" },
    { "smtp", "tarpit", CONFIG_DURATION, AT(smtp_tarpit), 0, SECONDS(60), "1s",
      .help = "by this much replies wait after several refusals" },
    { "smtp", "connections-per-minute", CONFIG_COUNT, AT(smtp_connections_per_minute), 0, 1000000,
      "0", .help = "from one network, with each receiver; 0 is no limit" },
    { "smtp", "recipients-per-minute", CONFIG_COUNT, AT(smtp_recipients_per_minute), 0, 1000000,
      "0", .help = "from one network, with each receiver; 0 is no limit" },

    { "dnsbl", "zones", CONFIG_DNSBLS, AT(dnsbl_zones), .fallback = "",
      .help = "blocklists to ask: ZONE, ZONE=127.0.0.LOW-HIGH, ZONE*WEIGHT" },

    { "filter", "milters", CONFIG_MILTERS, AT(filter_milters), .fallback = "",
      .help = "filters to ask: NAME=unix:/PATH or NAME=ADDRESS:PORT; domains name them" },
    { "filter", "timeout", CONFIG_DURATION, AT(filter_timeout), SECONDS(1), SECONDS(120), "30s",
      .help = "time that one filter may take for one message" },

    { "callout", "sender", CONFIG_SENDER, AT(callout_sender), .fallback = "",
      .help = "who asks primaries about their recipients; <> for nobody; empty: our postmaster" },

    { "report", "dmarc", CONFIG_BOOL, AT(report_dmarc), .fallback = "no",
      .help = "tell domains how their mail fared here (DMARC aggregate reports)" },
    { "report", "tls", CONFIG_BOOL, AT(report_tls), .fallback = "no",
      .help = "tell domains how TLS fared on the way to them (TLS-RPT); takes sign, too" },
    { "report", "from", CONFIG_MAILBOX, AT(report_from), .fallback = "",
      .help = "sender of reports; SPF of its domain must allow us" },
    { "report", "interval", CONFIG_DURATION, AT(report_interval), SECONDS(5), SECONDS(86400),
      "1d", .help = "time that one report is about" },

    { "web", "ca", CONFIG_PATH, AT(web_ca), 0, .fallback = "/etc/ssl/certs/ca-certificates.crt",
      RESTART, .help = "certificates (PEM) by which web servers are trusted; empty: none is" },

    { "web", "local", CONFIG_BOOL, AT(web_local), .fallback = "no",
      .help = "policies may come from this machine's own addresses, reports go there, and primaries be "
              "told at them and at private ones (for tests)" },

    { "schedule", "probe-budget", CONFIG_NUMBER, AT(probe_budget), 1, 100000, "200",
      .help = "probes of primaries a second, all together" },

    { "log", "level", CONFIG_LEVEL, AT(log_level), .fallback = "info",
      .help = "least that is logged: debug, info, warn, error" },
};
/* clang-format on */

enum { ITEMS = sizeof items / sizeof *items };
_Static_assert(ITEMS + SETTING_COUNT <= CONFIG_ITEMS_MAX, "CONFIG_ITEMS_MAX is too small");

size_t config_item_count(void)
{
    return ITEMS + SETTING_COUNT;
}

struct config_item config_item_at(size_t index)
{
    check(index < config_item_count());
    if (index < ITEMS)
        return items[index];

    enum setting setting = (enum setting)(index - ITEMS);
    const struct setting_rule *rule = setting_rule(setting);
    return (struct config_item){
        .section = "defaults",
        .name = rule->name,
        .type = CONFIG_SETTING,
        .offset = AT(defaults),
        .min = rule->min,
        .max = rule->max,
        .fallback = "",
        .help = rule->help,
        .setting = setting,
    };
}

void *config_place(struct config *config, const struct config_item *item)
{
    return (char *)config + item->offset;
}

const void *config_place_of(const struct config *config, const struct config_item *item)
{
    return (const char *)config + item->offset;
}
