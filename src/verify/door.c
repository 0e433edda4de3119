/* SPDX-License-Identifier: ISC */
/* door.c: see door.h. */
#include "verify/door.h"

#include "mail/domain.h"
#include "verify/client_name.h"

void door_policy_encode(struct buf *out, const struct door_policy *policy)
{
    buf_add_u8(out, (uint8_t)policy->helo_check);
    buf_add_u8(out, policy->needs_reverse_name);
    buf_add_u8(out, policy->dnsbl_threshold);
}

bool door_policy_decode(struct cursor *cursor, struct door_policy *out_policy)
{
    uint8_t helo = cursor_u8(cursor);

    out_policy->helo_check = (enum setting_helo)helo;
    out_policy->needs_reverse_name = cursor_u8(cursor) != 0;
    out_policy->dnsbl_threshold = cursor_u8(cursor);
    return cursor_ok(cursor) && helo <= HELO_STRICT;
}

/* ---- the greeting ---- */

static bool is_ours(const struct door_client *client, struct str name)
{
    bool ours = domain_equals(name, client->hostname) || domain_equals(name, client->domain);

    for (uint32_t i = 0; i < client->names->count; i++)
        ours = ours || domain_equals(name, client->names->item[i]);
    return ours;
}

/* A whole name, or the address in brackets (RFC 5321 4.1.3). */
static bool is_whole(struct str helo)
{
    struct endpoint endpoint;

    if (helo.len > 2 && helo.ptr[0] == '[' && helo.ptr[helo.len - 1] == ']') {
        struct str literal = str_first(str_skip(helo, 1), helo.len - 2);
        if (str_starts_nocase(literal, STR("IPv6:")))
            literal = str_skip(literal, 5);
        return endpoint_from_ip(literal, 0, &endpoint);
    }
    return domain_is_valid(helo) && str_find(helo, '.') >= 0;
}

static bool greets_wrongly(const struct door_policy *policy, const struct door_client *client,
                           struct verdict *out_verdict)
{
    if (policy->helo_check == HELO_ANY)
        return false;
    if (is_ours(client, client->helo)) {
        *out_verdict = verdict_make(550, 7, 1,
                                    STR("You greet with a name of ours; greet with the "
                                        "name of your own server"));
        return true;
    }
    if (policy->helo_check == HELO_STRICT && !is_whole(client->helo)) {
        *out_verdict = verdict_make(550, 7, 1,
                                    STR("You greet with half a name; greet with the "
                                        "whole name of your server"));
        return true;
    }
    return false;
}

/* ---- the reverse name ---- */

/* As client_name_decide(), with the verdict on a client that has none (RFC 7372 3.3). */
static bool decide_name(const struct door_client *client, const struct dns_answers *known,
                        struct buf *room, struct verdict *out_verdict,
                        struct dns_question *out_question)
{
    struct str name;

    if (!client_name_decide(client->endpoint, known, room, &name, out_question))
        return false;
    if (name.len > 0)
        return true;
    if (client_name_is_unsure(client->endpoint, known, room))
        *out_verdict = verdict_make(450, 7, 25,
                                    STR("The name of your address cannot be looked up "
                                        "now; please try again later"));
    else
        *out_verdict = verdict_make(550, 7, 25,
                                    STR("Your address has no name that leads back to "
                                        "it; ask your provider for one"));
    return true;
}

/* ---- blocklists (RFC 5782) ---- */

static void make_name(const struct door_client *client, const struct config_dnsbl *dnsbl,
                      struct buf *room)
{
    static const struct str suffix[] = { { "in-addr.arpa", 12 }, { "ip6.arpa", 8 } };

    buf_reset(room);
    dns_add_reverse_name(room, client->endpoint);
    room->len -= suffix[client->endpoint.family == ENDPOINT_IP6].len;
    buf_add(room, dnsbl->zone);
}

/* Other answers, such as those in 127.255.255.0/24, are about who asks. */
static bool is_listed(const struct config_dnsbl *dnsbl, const struct dns_answer *answer)
{
    for (uint32_t i = 0; answer->status == DNS_FOUND && i < answer->record_count; i++) {
        const uint8_t *octet = answer->record[i].address.address;
        if (octet[0] == 127 && octet[1] == 0 && octet[2] == 0 && octet[3] >= dnsbl->low &&
            octet[3] <= dnsbl->high)
            return true;
    }
    return false;
}

static bool decide_lists(const struct door_policy *policy, const struct door_client *client,
                         const struct dns_answers *known, struct buf *room,
                         struct verdict *out_verdict, struct dns_question *out_question)
{
    unsigned weight = 0;
    struct str first = STR_NONE;

    for (uint32_t i = 0; i < client->dnsbls->count; i++) {
        const struct config_dnsbl *dnsbl = &client->dnsbls->item[i];
        make_name(client, dnsbl, room);
        struct dns_question question = { buf_str(room), DNS_A };
        const struct dns_answer *answer = dns_answers_find(known, question);
        if (answer == NULL) {
            *out_question = question;
            return false;
        }
        if (!is_listed(dnsbl, answer))
            continue;
        weight += dnsbl->weight;
        first = first.len == 0 ? dnsbl->zone : first;
    }
    if (weight < policy->dnsbl_threshold)
        return true;
    buf_reset(room);
    endpoint_add_ip(room, client->endpoint);
    *out_verdict = verdict_format(554, 7, 1, "Your address %.*s is listed by %.*s; ask there why",
                                  STR_FMT(buf_str(room)), STR_FMT(first));
    return true;
}

bool door_decide(const struct door_policy *policy, const struct door_client *client,
                 const struct dns_answers *known, struct buf *room, struct verdict *out_verdict,
                 struct dns_question *out_question)
{
    *out_verdict = verdict_accept();
    if (client->is_trusted || greets_wrongly(policy, client, out_verdict))
        return true;
    if (policy->needs_reverse_name) {
        if (!decide_name(client, known, room, out_verdict, out_question))
            return false;
        if (out_verdict->fate != FATE_ACCEPT)
            return true;
    }
    if (policy->dnsbl_threshold == 0)
        return true;
    return decide_lists(policy, client, known, room, out_verdict, out_question);
}
