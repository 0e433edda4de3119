/* SPDX-License-Identifier: ISC */
/* config.h: the node's configuration, checked.
 *
 *     hostname = "mx2.example.net"
 *     data     = "/var/lib/holdfast"
 *     user     = "holdfast"
 *     names    = {"backup.example.net"}          # other names MX records may call us by
 *     postmaster = "admin@example.org"           # of a domain that is protected here
 *     addresses = {"192.0.2.7"}                  # addresses we are reached at from outside (NAT)
 *     listen smtp { address = {"0.0.0.0:25", "[::]:25"} }
 *     tls { certificate = {"/etc/holdfast/cert.pem"}  key = {"/etc/holdfast/key.pem"} }
 *     dns   { servers = {"127.0.0.1:53"}  trust-anchor = "/usr/share/dns/root.key" }
 *     store { driver = "log" }
 *     smtp  { message-size = "50MB"  sessions = 1000 … }
 *     filter { milters = {"rspamd=unix:/run/rspamd/milter.sock"} }
 *     web { ca = "/etc/ssl/certs/ca-certificates.crt" }
 *     schedule { probe-budget = 200 }
 *     defaults { hold = "5d"  … }
 *     log   { level = "info" }
 *
 * Items have hyphens in their names; underscores are understood too. The table of
 * items is in schema.c; what is left out gets the table's fallback.
 *
 * Only the supervisor reads the file. It hands each role the parts it may know,
 * encoded (config_encode), when the role starts and again at a reload. A struct
 * config owns its strings (arena) and is constant once checked.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/cursor.h"
#include "base/endpoint.h"
#include "base/log.h"
#include "config/settings.h"

enum { CONFIG_LIST_MAX = 64 };

struct config_strings {
    struct str item[CONFIG_LIST_MAX];
    uint32_t count;
};

struct config_endpoints {
    struct endpoint item[CONFIG_LIST_MAX];
    uint32_t count;
};

/* A blocklist in the DNS (RFC 5782): "zone=127.0.0.LOW-HIGH*WEIGHT". */
struct config_dnsbl {
    struct str zone;
    uint8_t low, high; /* of the last octet of answers that count */
    uint8_t weight;
};

enum { CONFIG_DNSBL_MAX = 16 };

struct config_dnsbls {
    struct config_dnsbl item[CONFIG_DNSBL_MAX];
    uint32_t count;
};

/* A filter that speaks the milter protocol: "NAME=unix:/PATH" or "NAME=ADDRESS:PORT". */
struct config_milter {
    struct str name;
    struct str path;          /* of its socket; empty: */
    struct endpoint endpoint; /* it listens there */
};

enum { CONFIG_MILTERS_MAX = 16 };

struct config_milters {
    struct config_milter item[CONFIG_MILTERS_MAX];
    uint32_t count;
};

/* Somebody who signs certificates of primaries: "NAME=/PATH". */
struct config_authority {
    struct str name;
    struct str path; /* of his certificates, PEM */
};

enum { CONFIG_AUTHORITIES_MAX = 16 };

struct config_authorities {
    struct config_authority item[CONFIG_AUTHORITIES_MAX];
    uint32_t count;
};

struct config {
    struct arena arena;

    struct str hostname;               /* our name in banner, EHLO, Received; normal form */
    struct str data;                   /* absolute path of the data folder */
    struct str user;                   /* runs the roles when started as root; "holdfast" */
    struct str postmaster;             /* whom <postmaster> means (RFC 5321 4.5.1); empty: nobody */
    struct config_strings names;       /* other names of ours, normal form (SPEC P6) */
    struct config_endpoints addresses; /* other addresses of ours; port 0 */
    struct str control;                /* path of the control socket; default DATA/control.sock */
    uint32_t receivers;                /* role processes; 0: one less than processors, 1 to 8 */
    uint32_t deliverers;               /* role processes; 1 */
    int64_t watchdog;                  /* ms that a role may be silent; 0: for ever; 1 m */

    struct config_endpoints listen_smtp;
    struct config_endpoints listen_smtps;  /* with TLS from the first octet */
    struct config_endpoints listen_atrn;   /* where primaries without an address call (RFC 2645) */
    struct config_endpoints listen_atrns;  /* the same with TLS from the first octet */
    struct config_endpoints listen_portal; /* HTTP; empty: there is no portal */
    bool portal_tls;                       /* over TLS from the first octet; false */

    struct config_strings tls_certificate; /* paths; empty: one of our own making */
    struct config_strings tls_key; /* paths, one for each; empty: they are in the same files */
    struct config_authorities tls_authorities; /* that domains may name instead of public ones */

    struct str encryption_keys; /* path; empty: what is kept is not encrypted */

    struct config_endpoints dns_servers; /* empty: the system's resolv.conf */
    struct str dns_trust_anchor;         /* path; empty: no validation */

    struct str sign_domain;   /* d= of what we sign; empty: nothing is signed */
    struct str sign_selector; /* s= */
    struct str sign_key;      /* path of the private key, PEM */

    struct str store_driver; /* "log" */
    int64_t store_free_min;  /* bytes of the disk to leave free; 256 MB */
    int64_t store_memory;    /* bytes of content not yet durable; 256 MB */

    int64_t smtp_message_size;         /* bytes, announced as SIZE; 50 MB */
    int64_t smtp_header_size;          /* bytes of a message's header; 256 KB */
    uint32_t smtp_recipients;          /* per transaction; 100 … ENVELOPE_RECIPIENTS_MAX, 1000 */
    uint32_t smtp_sessions;            /* at once, all receivers together; 2000 */
    uint32_t smtp_sessions_per_client; /* at once per client network, of those; 50 */
    uint32_t smtp_errors;              /* bad commands before we hang up; 20 */
    int64_t smtp_command_timeout;      /* ms of silence between commands; 5 min */
    int64_t smtp_data_timeout;         /* ms of silence within content; 3 min */
    int64_t smtp_session_timeout;  /* ms for a whole transaction's commands, slow senders; 30 min */
    int64_t smtp_data_rate_min;    /* octets a second below which content is cut off, after a grace
                                    * of a minute; 100 */
    bool smtp_bare_newline_reject; /* false: normalise (SPEC R7) */
    bool smtp_chunking;            /* announce CHUNKING; true */
    bool smtp_binarymime;          /* announce BINARYMIME; false */
    int64_t smtp_greet_delay;      /* ms before the greeting; who speaks before is let go; 0 */
    int64_t smtp_tarpit;           /* ms by which replies to who makes many mistakes wait; 1 s */
    uint32_t smtp_connections_per_minute; /* of a client network; 0: no limit */
    uint32_t smtp_recipients_per_minute;  /* of a client network; 0: no limit */
    struct config_dnsbls dnsbl_zones;

    struct config_milters filter_milters;
    int64_t filter_timeout; /* ms that one filter may take for one message; 30 s */

    struct str callout_sender; /* "<>": empty; empty: postmaster@hostname (V10) */

    bool report_dmarc;       /* aggregate reports are sent; false */
    bool report_tls;         /* reports about TLS are sent; false */
    struct str report_from;  /* their sender; must be there if they are */
    int64_t report_interval; /* ms between them, on the clock in UTC; 1 d */

    bool web_local; /* policies may be fetched from this machine's own addresses, reports about TLS
                     * be posted to those and to private ones, and owners tell of both; false */
    struct str web_ca; /* path; certificates by which web servers are trusted; empty: none is */

    struct domain_settings defaults;
    int64_t probe_budget; /* probes a second per node; 200 (P1) */

    enum log_level log_level;
};

/* What is wrong with a configuration, for people: "FILE:LINE: what is wrong; write … instead". One
 * line each. */
struct config_problems {
    struct buf text;
    unsigned errors;
    unsigned warnings;
};
void config_problems_fini(struct config_problems *problems);

/* Reads and checks the file. 0, or -EINVAL with problems->errors > 0, or the errno of opening it
 * (described in problems too). Warnings do not fail. */
int config_load(const char *path, struct config **out_config, struct config_problems *problems);
/* The same for a text in memory, which `name` names in messages; looks at no file. */
int config_load_text(struct str name, struct str text, struct config **out_config,
                     struct config_problems *problems);
void config_free(struct config *config);
/* NULL: there is no filter of that name. */
const struct config_milter *config_find_milter(const struct config *config, struct str name);
const struct config_authority *config_find_authority(const struct config *config, struct str name);
/* The effective configuration in the file's own syntax, every value spelled out. */
void config_dump(const struct config *config, struct buf *out);

/* For the channel to the roles. A decoded config lives by itself. */
void config_encode(const struct config *config, struct buf *out);
bool config_decode(struct cursor *cursor, struct config **out_config);
/* What of `next` differs from `current` and takes a restart (data, user, listeners, DNS, store,
 * number of roles), as a comma-separated list; empty if a reload does it all. */
void config_restart_needed(const struct config *current, const struct config *next,
                           struct buf *out);
/* Gives `next` the values of `current` for all that takes a restart: a role that starts anew works
 * with the same folders, user and listeners as the others. */
void config_keep(const struct config *current, struct config *next);
