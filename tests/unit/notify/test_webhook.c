/* SPDX-License-Identifier: ISC */
/* test_webhook.c: what is posted, how it is signed, where it may go and how often it is tried. */
#include "testing.h"

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "notify/webhook.h"

static void the_body_has_the_facts_of_its_event(void **state)
{
    const struct alert_facts facts = { .since_ms = 1795886400000,
                                       .held = 12,
                                       .times = 2,
                                       .delivered = 5,
                                       .reason = STR("451 4.4.1 \"no\x01 answer\"\xff") };
    const struct webhook_event event = { .alert = ALERT_DOWN,
                                         .facts = &facts,
                                         .id = STR("01K"),
                                         .domain = STR("example.org"),
                                         .node = STR("mx2.example.net"),
                                         .now_ms = 1795886460123 };
    struct buf out = { 0 };
    (void)state;
    webhook_add_body(&out, &event);
    assert_buf(&out, "{\"id\":\"01K\",\"event\":\"down\",\"domain\":\"example.org\","
                     "\"node\":\"mx2.example.net\",\"at\":\"2026-11-28T17:21:00.123Z\","
                     "\"times\":2,\"since\":\"2026-11-28T17:20:00.000Z\",\"held\":12,"
                     "\"oldest\":null,\"primary\":null,"
                     "\"reason\":\"451 4.4.1 \\\"no? answer\\\"?\"}");
    buf_fini(&out);
}

/* However much a server says. */
static void a_body_stays_small(void **state)
{
    char much[4000];
    const struct alert_facts facts = { .reason = { much, sizeof much },
                                       .primary = { much, sizeof much } };
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (int alert = 0; alert < ALERT_COUNT; alert++) {
            const struct webhook_event event = { .alert = (enum alert)alert,
                                                 .facts = &facts,
                                                 .id = STR("01K"),
                                                 .domain = { much, 253 },
                                                 .node = { much, 253 } };
            struct buf out = { 0 };
            memset(much, byte, sizeof much);
            webhook_add_body(&out, &event);
            json_t *json = json_loadb(out.ptr, out.len, 0, NULL);
            assert_non_null(json);
            json_decref(json);
            buf_fini(&out);
        }
}

/* By Python: hmac.new(b"key", b"1795886460.{}", "sha256"). */
static void the_signature_is_hmac_sha256(void **state)
{
    struct buf one = { 0 };
    struct buf other = { 0 };
    (void)state;
    webhook_add_signature(&one, STR("key"), 1795886460, STR("{}"));
    assert_buf(&one, "sha256=030b2fcdcc467527929fc16ad28908274f7743c1a94be0f69aae5af098256ac5");
    webhook_add_signature(&other, STR("key"), 1795886461, STR("{}"));
    assert_false(str_equals(buf_str(&one), buf_str(&other)));
    buf_reset(&other);
    webhook_add_signature(&other, STR("kez"), 1795886460, STR("{}"));
    assert_false(str_equals(buf_str(&one), buf_str(&other)));
    buf_fini(&one);
    buf_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_body_has_the_facts_of_its_event),
        cmocka_unit_test(a_body_stays_small),
        cmocka_unit_test(the_signature_is_hmac_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
