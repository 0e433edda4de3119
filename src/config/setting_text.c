/* SPDX-License-Identifier: ISC */
/* setting_text.c: see setting_text.h.
 *
 * No text has a character that the configuration file's syntax would read as something else.
 */
#include "config/setting_text.h"

#include "base/check.h"
#include "base/printable.h"
#include "base/network.h"
#include "base/url.h"
#include "mail/address.h"
#include "mail/domain.h"
#include "mail/security.h"

/* ---- lists of names ---- */

bool setting_is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_')
            return false;
    return name.len > 0 && name.len <= SETTING_NAME_MAX && !str_equals_nocase(name, STR("none"));
}

static bool has_name(struct str list, struct str name)
{
    struct str one = STR_NONE;

    while (str_cut(&list, ',', &one))
        if (str_equals(one, name))
            return true;
    return false;
}

/* Without blanks; false if one is no name, is there twice, or they are too many. */
static bool add_names(struct str text, struct buf *out)
{
    struct str one = STR_NONE;
    unsigned count = 0;

    while (str_cut(&text, ',', &one)) {
        one = str_trim(one);
        if (!setting_is_name(one) || has_name(buf_str(out), one) || ++count > SETTING_NAMES_MAX)
            return false;
        buf_add(out, count > 1 ? STR(",") : STR(""));
        buf_add(out, one);
    }
    return true;
}

/* ---- durations ---- */

/* Each within the bounds, and longer than the one before. */
static bool add_durations(const struct setting_rule *rule, struct str text, struct buf *out)
{
    struct str one = STR_NONE;
    int64_t last_ms = rule->min - 1;
    unsigned count = 0;

    while (str_cut(&text, ',', &one)) {
        int64_t ms;
        if (!duration_parse(str_trim(one), &ms) || ms <= last_ms || ms > rule->max ||
            ++count > SETTING_DURATIONS_MAX)
            return false;
        buf_add(out, count > 1 ? STR(",") : STR(""));
        duration_add_text(out, ms);
        last_ms = ms;
    }
    return true;
}

/* ---- a line for people, an address, a URL ---- */

static bool needs_quoting(struct str text)
{
    return str_find(text, '"') >= 0 || str_find(text, '\\') >= 0 || str_find(text, '$') >= 0;
}

/* Printable, and nothing that means something in the configuration's strings. */
static bool add_line(struct str text, struct buf *out)
{
    struct buf shown = { 0 };

    printable_add(&shown, text);
    bool is_fine = str_equals(buf_str(&shown), text) && !needs_quoting(text);
    if (is_fine)
        buf_add(out, text);
    buf_fini(&shown);
    return is_fine;
}

static bool add_mailbox(struct str text, struct buf *out)
{
    struct address address;
    struct buf domain = { 0 };
    bool is_fine = !needs_quoting(text) && address_parse(text, 0, &address) &&
                   domain_normalise(address.domain, &domain) && str_find(buf_str(&domain), '.') > 0;

    if (is_fine) {
        buf_add(out, address.local);
        buf_add_byte(out, '@');
        buf_add(out, buf_str(&domain));
    }
    buf_fini(&domain);
    return is_fine;
}

/* In the clear nothing leaves this machine. */
static bool add_url(struct str text, struct buf *out)
{
    struct url url;

    buf_add(out, text);
    return url_parse(text, &url) && !needs_quoting(text) &&
           (url.is_tls || (url.is_address && endpoint_is_loopback(url.endpoint)));
}

/* ---- pins ---- */

static bool add_pins(struct str text, struct buf *out)
{
    struct str one = STR_NONE;
    struct security_pin pin;
    unsigned count = 0;

    while (str_cut(&text, ',', &one)) {
        if (!security_pin_parse(one, &pin) || ++count > SECURITY_PINS_MAX)
            return false;
        buf_add(out, count > 1 ? STR(",") : STR(""));
        security_pin_add_text(out, &pin);
    }
    return true;
}

/* ---- networks ---- */

static bool add_networks(struct str text, struct buf *out)
{
    struct str one = STR_NONE;
    struct network_range network;
    unsigned count = 0;

    while (str_cut(&text, ',', &one)) {
        if (!network_parse(str_trim(one), &network) || ++count > SETTING_NETWORKS_MAX)
            return false;
        buf_add(out, count > 1 ? STR(",") : STR(""));
        network_add_text(out, network);
    }
    return true;
}

/* ---- all of them ---- */

static bool add_text(const struct setting_rule *rule, struct str text, struct buf *out)
{
    switch (rule->unit) {
    case UNIT_NAMES:
        return add_names(text, out);
    case UNIT_DURATIONS:
        return add_durations(rule, text, out);
    case UNIT_LINE:
        return add_line(text, out);
    case UNIT_MAILBOX:
        return add_mailbox(text, out);
    case UNIT_URL:
        return add_url(text, out);
    case UNIT_PINS:
        return add_pins(text, out);
    case UNIT_NAME:
        buf_add(out, text);
        return setting_is_name(text);
    case UNIT_NETWORKS:
        return add_networks(text, out);
    case UNIT_HOST:
        return domain_normalise(text, out) && str_find(buf_str(out), '.') > 0;
    case UNIT_NUMBER:
    case UNIT_DURATION:
    case UNIT_BYTES:
    case UNIT_WORD:
    case UNIT_WORDS:
        break;
    }
    return false;
}

bool setting_text_normalise(const struct setting_rule *rule, struct str text, struct buf *out)
{
    text = str_trim(text);
    if (text.len == 0 || str_equals_nocase(text, STR("none")))
        return true;
    return text.len <= SETTING_TEXT_MAX && add_text(rule, text, out) &&
           out->len <= SETTING_TEXT_MAX;
}

void setting_text_add_range(struct buf *out, const struct setting_rule *rule)
{
    switch (rule->unit) {
    case UNIT_NAMES:
        buf_add_format(out, "none, NAME,NAME,... (%d)", SETTING_NAMES_MAX);
        break;
    case UNIT_DURATIONS:
        buf_add_format(out, "none, TIME,TIME,... (%d, growing, ", SETTING_DURATIONS_MAX);
        duration_add_text(out, rule->min);
        buf_add(out, STR(" … "));
        duration_add_text(out, rule->max);
        buf_add(out, STR(")"));
        break;
    case UNIT_LINE:
        buf_add_format(out, "none, or a line of %d octets without \" \\ $", SETTING_TEXT_MAX);
        break;
    case UNIT_MAILBOX:
        buf_add(out, STR("none, or an address such as admin@example.com"));
        break;
    case UNIT_URL:
        buf_add(out, STR("none, an https URL, or an http URL of this machine such as "
                         "http://127.0.0.1:8080/"));
        break;
    case UNIT_PINS:
        buf_add(out,
                STR("none, key:SHA256 or certificate:SHA256 in 64 digits (0-9 a-f), two at most"));
        break;
    case UNIT_NAME:
        buf_add(out, STR("none, or a name"));
        break;
    case UNIT_NETWORKS:
        buf_add_format(out, "none, or networks such as 192.0.2.0/28,2001:db8::25 (%d)",
                       SETTING_NETWORKS_MAX);
        break;
    case UNIT_HOST:
        buf_add(out, STR("none, or a name such as mail.example.com"));
        break;
    case UNIT_NUMBER:
    case UNIT_DURATION:
    case UNIT_BYTES:
    case UNIT_WORD:
    case UNIT_WORDS:
        break;
    }
}
