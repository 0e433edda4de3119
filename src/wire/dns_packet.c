/* SPDX-License-Identifier: ISC */
/* dns_packet.c: see dns_packet.h. The C library's parser does the reading. */
#include "wire/dns_packet.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

#include "mail/domain.h"

enum { TTL_MAX_S = 24 * 3600 };

/* The compressed name that fills the record's data from `start` into the arena; "." stays ".". */
static bool get_name(const ns_msg *message, const ns_rr *rr, size_t start, struct arena *arena,
                     struct str *out_name)
{
    char text[NS_MAXDNAME];
    struct buf name = { 0 };

    if (ns_rr_rdlen(*rr) <= start)
        return false;
    int used = ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message),
                                  ns_rr_rdata(*rr) + start, text, sizeof text);
    if (used < 0 || (size_t)used != ns_rr_rdlen(*rr) - start)
        return false;
    bool good = true;
    if (text[0] == '\0' || strcmp(text, ".") == 0)
        *out_name = STR(".");
    else if ((good = domain_normalise(str_from(text), &name)))
        *out_name = arena_str(arena, buf_str(&name));
    buf_fini(&name);
    return good;
}

static bool get_address(const ns_rr *rr, struct endpoint *out_address)
{
    bool four = ns_rr_type(*rr) == ns_t_a;
    size_t size = four ? 4 : 16;

    if (ns_rr_rdlen(*rr) != size)
        return false;
    out_address->family = four ? ENDPOINT_IP4 : ENDPOINT_IP6;
    memcpy(out_address->address, ns_rr_rdata(*rr), size);
    return true;
}

/* The strings of a TXT record, joined. */
static bool get_text(const ns_rr *rr, struct arena *arena, struct str *out_text)
{
    struct str rest = str_of(ns_rr_rdata(*rr), ns_rr_rdlen(*rr));
    struct buf text = { 0 };
    bool good = true;

    while (rest.len > 0 && good) {
        size_t len = (unsigned char)rest.ptr[0];
        good = len < rest.len;
        if (good) {
            buf_add(&text, str_first(str_skip(rest, 1), len));
            rest = str_skip(rest, len + 1);
        }
    }
    if (good)
        *out_text = arena_str(arena, text.len > 0 ? buf_str(&text) : STR(""));
    buf_fini(&text);
    return good;
}

static bool get_record(const ns_msg *message, const ns_rr *rr, struct arena *arena,
                       struct dns_record *out_record)
{
    const unsigned char *data = ns_rr_rdata(*rr);

    switch ((int)ns_rr_type(*rr)) {
    case ns_t_a:
    case ns_t_aaaa:
        return get_address(rr, &out_record->address);
    case ns_t_ptr:
        return get_name(message, rr, 0, arena, &out_record->name);
    case ns_t_mx:
        if (ns_rr_rdlen(*rr) < 2)
            return false;
        out_record->preference = (uint16_t)ns_get16(data);
        return get_name(message, rr, 2, arena, &out_record->name);
    case ns_t_txt:
        return get_text(rr, arena, &out_record->data);
    default:
        out_record->data = arena_str(arena, str_of(data, ns_rr_rdlen(*rr)));
        return true;
    }
}

/* The name that the record has, into the arena; empty if it is none of ours. */
static struct str owner_of(const ns_rr *rr, struct arena *arena)
{
    struct buf name = { 0 };
    struct str owner = STR_NONE;

    if (domain_normalise(str_from(ns_rr_name(*rr)), &name))
        owner = arena_str(arena, buf_str(&name));
    buf_fini(&name);
    return owner;
}

/* DNS_NODATA only if there is no record of the type: an MX that cannot be read must not make the
 * domain look as if it had none (RFC 5321 5.1). */
static enum dns_status collect(ns_msg *message, enum dns_type type, struct arena *arena,
                               struct dns_answer *answer)
{
    int count = ns_msg_count(*message, ns_s_an);
    enum dns_status status = DNS_NODATA;
    bool is_alias = false;
    ns_rr rr;

    answer->record = arena_new(arena, DNS_RECORDS_MAX * sizeof *answer->record);
    answer->ttl_s = TTL_MAX_S;
    for (int i = 0; i < count && answer->record_count < DNS_RECORDS_MAX; i++) {
        struct dns_record record = { 0 };
        if (ns_parserr(message, ns_s_an, i, &rr) < 0)
            return DNS_FAILED;
        if (ns_rr_ttl(rr) < answer->ttl_s)
            answer->ttl_s = ns_rr_ttl(rr);
        if (ns_rr_type(rr) == ns_t_cname)
            is_alias = true;
        if ((int)ns_rr_type(rr) != (int)type)
            continue;
        if (get_record(message, &rr, arena, &record))
            answer->record[answer->record_count++] = record;
        if (is_alias && answer->canonical.len == 0)
            answer->canonical = owner_of(&rr, arena);
        status = answer->record_count > 0 ? DNS_FOUND : DNS_FAILED;
    }
    return status;
}

void dns_packet_parse(struct str packet, enum dns_type type, struct arena *arena,
                      struct dns_answer *out_answer)
{
    ns_msg message;

    *out_answer = (struct dns_answer){ .status = DNS_FAILED };
    if (packet.len == 0 || packet.len > UINT16_MAX ||
        ns_initparse((const unsigned char *)packet.ptr, (int)packet.len, &message) < 0 ||
        !ns_msg_getflag(message, ns_f_qr)) /* a question answers nothing */
        return;
    int rcode = ns_msg_getflag(message, ns_f_rcode);
    if (rcode == ns_r_nxdomain) {
        out_answer->status = DNS_NO_NAME;
    } else if (rcode == ns_r_noerror) {
        struct dns_answer found = { 0 };
        found.status = collect(&message, type, arena, &found);
        if (found.status != DNS_FAILED)
            *out_answer = found;
    }
}
