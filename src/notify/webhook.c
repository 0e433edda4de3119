/* SPDX-License-Identifier: ISC */
/* webhook.c: see webhook.h. */
#include "notify/webhook.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"
#include "base/clock.h"
#include "wire/mime.h"

enum { TEXT_MAX = 500, DIGEST_SIZE = 32 };

/* ---- the body ---- */

static void put(json_t *object, const char *name, json_t *value)
{
    check(value != NULL && json_object_set_new(object, name, value) == 0);
}

/* What a stranger's server said is cleaned, so that it always is JSON. */
static json_t *text(struct str value)
{
    struct buf clean = { 0 };

    if (value.len == 0)
        return json_null();
    mime_add_clean_line(&clean, value, TEXT_MAX);
    json_t *json = json_stringn(clean.len > 0 ? clean.ptr : "", clean.len);
    buf_fini(&clean);
    return json;
}

static json_t *instant(int64_t wall_ms)
{
    struct buf iso = { 0 };

    if (wall_ms <= 0 || wall_ms == NEVER_MS)
        return json_null();
    clock_add_iso(&iso, wall_ms);
    json_t *json = json_stringn(iso.ptr, iso.len);
    buf_fini(&iso);
    return json;
}

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* The same facts that a text for people may name. */
static void put_facts(json_t *object, enum occasion occasion, const struct alert_facts *facts)
{
    const struct {
        enum placeholder placeholder;
        const char *name;
        json_t *value;
    } members[] = {
        { PLACEHOLDER_SINCE, "since", instant(facts->since_ms) },
        { PLACEHOLDER_LASTED, "lasted_s", number((uint64_t)facts->lasted_ms / SECOND_MS) },
        { PLACEHOLDER_HELD, "held", number(facts->held) },
        { PLACEHOLDER_OLDEST, "oldest", instant(facts->oldest_ms) },
        { PLACEHOLDER_UNTIL, "until", instant(facts->until_ms) },
        { PLACEHOLDER_DELIVERED, "delivered", number(facts->delivered) },
        { PLACEHOLDER_FAILURES, "failures", number(facts->failures) },
        { PLACEHOLDER_USED, "used", number(facts->used) },
        { PLACEHOLDER_QUOTA, "quota", number(facts->quota) },
        { PLACEHOLDER_PRIMARY, "primary", text(facts->primary) },
        { PLACEHOLDER_REASON, "reason", text(facts->reason) },
    };

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (placeholder_is_for(members[i].placeholder, occasion))
            put(object, members[i].name, members[i].value);
        else
            json_decref(members[i].value);
}

static int add_piece(const char *bytes, size_t len, void *context)
{
    buf_add_bytes(context, bytes, len);
    return 0;
}

void webhook_add_body(struct buf *out, const struct webhook_event *event)
{
    size_t before = out->len;
    json_t *object = json_object();

    put(object, "id", text(event->id));
    put(object, "event", json_string(alert_name(event->alert)));
    put(object, "domain", text(event->domain));
    put(object, "node", text(event->node));
    put(object, "at", instant(event->now_ms));
    put(object, "times", number(event->facts->times > 0 ? event->facts->times : 1));
    put_facts(object, alert_occasion(event->alert), event->facts);
    check(json_dump_callback(object, add_piece, out, JSON_COMPACT) == 0);
    json_decref(object);
    check(out->len - before <= WEBHOOK_BODY_MAX);
}

/* ---- the signature ---- */

void webhook_add_signature(struct buf *out, struct str secret, int64_t timestamp_s, struct str body)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct buf signed_text = { 0 };

    buf_add_format(&signed_text, "%" PRId64 ".", timestamp_s);
    buf_add(&signed_text, body);
    check(secret.len > 0 && secret.len <= INT32_MAX);
    check(HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const unsigned char *)signed_text.ptr,
               signed_text.len, digest, &size) != NULL);
    check(size == DIGEST_SIZE);
    buf_fini(&signed_text);
    buf_add(out, STR("sha256="));
    for (unsigned i = 0; i < size; i++)
        buf_add_format(out, "%02x", digest[i]);
}
