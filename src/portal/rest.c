/* SPDX-License-Identifier: ISC */
/* rest.c: the same for programs: paths, methods, JSON. docs/api.yaml says what it is. */
#include <jansson.h>
#include <string.h>

#include "base/check.h"
#include "base/printable.h"
#include "mail/domain.h"
#include "portal/faces.h"

enum { RETRY_AFTER_S = 600 };

#define DOMAINS "/api/v1/domains/"
#define ADDRESS "/address"

bool rest_is_for(const struct http_request *request)
{
    struct str path = request->path;
    struct str end = STR(ADDRESS);

    return str_starts(path, STR(DOMAINS)) && path.len > sizeof DOMAINS - 1 + end.len &&
           str_equals(str_skip(path, path.len - end.len), end);
}

static int add_piece(const char *piece, size_t size, void *out)
{
    buf_add_bytes(out, piece, size);
    return 0;
}

/* Takes the object. */
static void set_body(struct portal_answer *answer, json_t *body)
{
    buf_reset(&answer->body);
    check(json_dump_callback(body, add_piece, &answer->body, JSON_COMPACT) == 0);
    buf_add_byte(&answer->body, '\n');
    answer->is_json = true;
    json_decref(body);
}

/* What is no UTF-8 is shown escaped. */
static json_t *json_of(struct str text)
{
    struct buf shown = { 0 };

    printable_add(&shown, text);
    json_t *json = json_stringn(shown.len > 0 ? shown.ptr : "", shown.len);
    buf_fini(&shown);
    check(json != NULL);
    return json;
}

void rest_refuse(struct portal_answer *answer, unsigned status, const char *code, struct str text)
{
    json_t *error = json_object();
    json_t *body = json_object();

    check(json_object_set_new(error, "code", json_string(code)) == 0);
    check(json_object_set_new(error, "text", json_of(text)) == 0);
    check(json_object_set_new(body, "error", error) == 0);
    answer->status = status;
    set_body(answer, body);
}

static bool refuse(struct portal_answer *answer, unsigned status, const char *code, struct str text)
{
    rest_refuse(answer, status, code, text);
    return false;
}

/* ---- requests ---- */

static bool read_domain(const struct http_request *request, struct portal_wish *wish,
                        struct portal_answer *answer)
{
    struct str path = str_skip(request->path, sizeof DOMAINS - 1);
    struct buf name = { 0 };
    struct buf domain = { 0 };
    bool is_fine = http_decode(str_first(path, path.len - (sizeof ADDRESS - 1)), false, &name) &&
                   domain_normalise(buf_str(&name), &domain) && str_find(buf_str(&domain), '.') > 0;

    if (is_fine)
        wish->domain[wish->domain_count++] = arena_str(&wish->arena, buf_str(&domain));
    buf_fini(&name);
    buf_fini(&domain);
    return is_fine || refuse(answer, 404, "no-such-domain", STR("this is no domain's name"));
}

static bool read_deed(const struct http_request *request, struct portal_wish *wish,
                      struct portal_answer *answer)
{
    static const struct {
        const char *method;
        enum portal_deed deed;
    } deeds[] = { { "GET", PORTAL_SHOW }, { "PUT", PORTAL_TELL }, { "DELETE", PORTAL_FORGET } };

    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        if (!str_equals(request->method, str_from(deeds[i].method)))
            continue;
        wish->deed = deeds[i].deed;
        return true;
    }
    answer->allow = "GET, PUT, DELETE";
    return refuse(answer, 405, "bad-method", STR("use GET, PUT or DELETE"));
}

/* "application/json", whatever its parameters: not what a page of the web can make a browser send.
 */
static bool is_json(const struct http_request *request)
{
    struct str type = http_find(request, STR("Content-Type"));
    struct str media = STR_NONE;

    (void)str_cut(&type, ';', &media);
    return str_equals_nocase(str_trim(media), STR("application/json"));
}

static bool read_port(const json_t *body, uint16_t *out_port, struct portal_answer *answer)
{
    const json_t *port = json_object_get(body, "port");

    *out_port = 0;
    if (port == NULL)
        return true;
    if (!json_is_integer(port) || json_integer_value(port) < 1 || json_integer_value(port) > 65535)
        return refuse(answer, 422, "bad-port", STR("\"port\" must be a number from 1 to 65535"));
    *out_port = (uint16_t)json_integer_value(port);
    return true;
}

static bool read_addresses(const json_t *body, uint16_t port, struct portal_wish *wish,
                           struct portal_answer *answer)
{
    const json_t *list = json_object_get(body, "addresses");
    size_t count = json_array_size(list);

    if (count == 0 || count > ADDRESSES_TOLD_MAX)
        return refuse(answer, 422, "bad-address",
                      STR("\"addresses\" must be a list of one to four addresses"));
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(list, i);
        struct str text = { json_string_value(one), json_string_length(one) };
        if (!json_is_string(one) ||
            !endpoint_from_ip(text, port, &wish->endpoint[wish->endpoint_count++]))
            return refuse(answer, 422, "bad-address",
                          STR("an address must be written as 192.0.2.7 or 2001:db8::7; its port "
                              "goes into \"port\""));
    }
    return true;
}

static bool has_others(const json_t *body)
{
    size_t known = json_object_get(body, "addresses") != NULL;

    known += json_object_get(body, "port") != NULL;
    return json_object_size(body) > known;
}

static bool take_body(const json_t *body, struct portal_wish *wish, struct portal_answer *answer)
{
    uint16_t port;

    if (!json_is_object(body))
        return refuse(
            answer, 400, "bad-request",
            STR("the body must be a JSON object such as {\"addresses\":[\"192.0.2.7\"]}"));
    if (has_others(body))
        return refuse(answer, 422, "unknown-member",
                      STR("there is nothing but \"addresses\" and \"port\""));
    return read_port(body, &port, answer) && read_addresses(body, port, wish, answer);
}

static bool read_body(const struct http_request *request, struct portal_wish *wish,
                      struct portal_answer *answer)
{
    if (wish->deed != PORTAL_TELL)
        return true;
    if (!is_json(request))
        return refuse(answer, 415, "bad-type", STR("send Content-Type: application/json"));
    json_t *body = json_loadb(request->body.len > 0 ? request->body.ptr : "", request->body.len,
                              JSON_REJECT_DUPLICATES, NULL);
    bool is_fine = take_body(body, wish, answer);
    json_decref(body);
    return is_fine;
}

bool rest_read(const struct http_request *request, bool has_login, struct portal_wish *wish,
               struct portal_answer *answer)
{
    if (!read_deed(request, wish, answer))
        return false;
    if (!has_login) {
        answer->wants_login = true;
        return refuse(answer, 401, "bad-login",
                      STR("log in (HTTP Basic) with the domain and its secret"));
    }
    return read_domain(request, wish, answer) && read_body(request, wish, answer);
}

/* ---- answers ---- */

static unsigned status_of(enum address_fate fate)
{
    static const unsigned statuses[ADDRESS_FATES] = {
        [ADDRESS_TAKEN] = 202, /* who answers there has yet to show who he is */
        [ADDRESS_SAME] = 200,      [ADDRESS_NO_DOMAIN] = 404, [ADDRESS_UNPROVABLE] = 409,
        [ADDRESS_BAD] = 422,       [ADDRESS_TOO_OFTEN] = 429, [ADDRESS_DONE] = 200,
        [ADDRESS_BAD_LOGIN] = 401, [ADDRESS_NOT_YOURS] = 403, [ADDRESS_FAILED] = 503,
    };
    return statuses[fate];
}

bool rest_told(const struct portal_wish *wish, struct str domain,
               const struct portal_outcome *outcome, struct portal_answer *answer)
{
    unsigned status = status_of(outcome->fate);

    answer->wants_login = status == 401;
    if (status == 429)
        answer->retry_after_s = RETRY_AFTER_S;
    if (status >= 400)
        return refuse(answer, status, address_fate_name(outcome->fate), outcome->text);
    json_t *state = json_loadb(outcome->state.ptr != NULL ? outcome->state.ptr : "",
                               outcome->state.len, JSON_DECODE_ANY, NULL);
    json_t *body = json_object();
    check(json_object_set_new(body, "domain", json_of(domain)) == 0);
    if (wish->deed == PORTAL_TELL)
        check(json_object_set_new(body, "news", json_boolean(outcome->fate == ADDRESS_TAKEN)) == 0);
    check(json_object_set_new(body, "address", state != NULL ? state : json_null()) == 0);
    answer->status = status;
    set_body(answer, body);
    return false;
}
