/* SPDX-License-Identifier: ISC */
/* dyndns.c: the protocol that routers and their clients speak (dyndns2).
 *
 * A request names host names and addresses; the answer has a line for each name: a word, and after
 * "good" and "nochg" the addresses. The words are all that a client understands, so each of our
 * reasons has to become one of them:
 *
 *     good      taken                  nochg   the same as before
 *     badauth   wrong secret (401)     nohost  not a domain of who asks, or one that cannot be
 * proved notfqdn   no domain name         numhost more names than PORTAL_DOMAINS_MAX dnserr    not
 * an address that a mail server can have abuse     too often              911     not now; try
 * again later badagent  another method than GET (405)
 */
#include "mail/domain.h"
#include "portal/faces.h"

bool dyndns_is_for(const struct http_request *request)
{
    return str_equals(request->path, STR("/nic/update"));
}

static bool say(struct portal_answer *answer, unsigned status, const char *word)
{
    answer->status = status;
    buf_reset(&answer->body);
    buf_add(&answer->body, str_from(word));
    buf_add_byte(&answer->body, '\n');
    return false;
}

/* ---- the query ---- */

/* NULL, or the word by which it is refused. */
static const char *take_names(struct portal_wish *wish, struct str list)
{
    const char *refusal = NULL;
    struct buf name = { 0 };
    struct str one = STR_NONE;

    while (refusal == NULL && str_cut(&list, ',', &one)) {
        one = str_trim(one);
        if (one.len == 0)
            continue;
        buf_reset(&name);
        if (!domain_normalise(one, &name) || str_find(buf_str(&name), '.') <= 0)
            refusal = "notfqdn";
        else if (wish->domain_count == PORTAL_DOMAINS_MAX)
            refusal = "numhost";
        else
            wish->domain[wish->domain_count++] = arena_str(&wish->arena, buf_str(&name));
    }
    buf_fini(&name);
    return refusal;
}

static const char *take_addresses(struct portal_wish *wish, struct str list)
{
    struct str one = STR_NONE;

    while (str_cut(&list, ',', &one)) {
        one = str_trim(one);
        if (one.len == 0)
            continue;
        if (wish->endpoint_count == ADDRESSES_TOLD_MAX ||
            !endpoint_from_ip(one, 0, &wish->endpoint[wish->endpoint_count++]))
            return "dnserr";
    }
    return NULL;
}

static const char *take_pair(struct portal_wish *wish, struct str name, struct str value)
{
    if (str_equals(name, STR("hostname")))
        return take_names(wish, value);
    if (str_equals(name, STR("myip")) || str_equals(name, STR("myipv6")))
        return take_addresses(wish, value);
    return NULL; /* wildcard, mx, offline … mean nothing here */
}

static const char *read_query(struct portal_wish *wish, struct str query)
{
    const char *refusal = NULL;
    struct buf name = { 0 };
    struct buf value = { 0 };

    while (refusal == NULL && http_next_pair(&query, &name, &value))
        refusal = take_pair(wish, buf_str(&name), buf_str(&value));
    if (refusal == NULL && (query.len > 0 || wish->domain_count == 0))
        refusal = "notfqdn";
    buf_fini(&name);
    buf_fini(&value);
    return refusal;
}

bool dyndns_read(const struct http_request *request, struct endpoint client, bool has_login,
                 struct portal_wish *wish, struct portal_answer *answer)
{
    if (!str_equals(request->method, STR("GET"))) {
        answer->allow = "GET";
        return say(answer, 405, "badagent");
    }
    if (!has_login) {
        answer->wants_login = true;
        return say(answer, 401, "badauth");
    }
    const char *refusal = read_query(wish, request->query);
    if (refusal != NULL)
        return say(answer, 200, refusal);
    wish->deed = PORTAL_TELL;
    if (wish->endpoint_count == 0)
        wish->endpoint[wish->endpoint_count++] = client;
    return true;
}

/* ---- the answer ---- */

static const char *word_of(enum address_fate fate)
{
    static const char *const words[ADDRESS_FATES] = {
        [ADDRESS_TAKEN] = "good",       [ADDRESS_SAME] = "nochg",
        [ADDRESS_NO_DOMAIN] = "nohost", [ADDRESS_UNPROVABLE] = "nohost",
        [ADDRESS_BAD] = "dnserr",       [ADDRESS_TOO_OFTEN] = "abuse",
        [ADDRESS_DONE] = "911",         [ADDRESS_BAD_LOGIN] = "badauth",
        [ADDRESS_NOT_YOURS] = "nohost", [ADDRESS_FAILED] = "911",
    };
    return words[fate];
}

bool dyndns_told(const struct portal_wish *wish, const struct portal_outcome *outcome,
                 struct portal_answer *answer)
{
    if (outcome->fate == ADDRESS_BAD_LOGIN) { /* whatever was said of the others */
        answer->wants_login = true;
        return say(answer, 401, "badauth");
    }
    answer->status = 200;
    buf_add(&answer->body, str_from(word_of(outcome->fate)));
    for (uint32_t i = 0; outcome->fate <= ADDRESS_SAME && i < wish->endpoint_count; i++) {
        buf_add_byte(&answer->body, i == 0 ? ' ' : ',');
        endpoint_add_ip(&answer->body, wish->endpoint[i]);
    }
    buf_add_byte(&answer->body, '\n');
    return true;
}
