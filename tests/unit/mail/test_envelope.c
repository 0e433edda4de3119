/* SPDX-License-Identifier: ISC */
/* test_envelope.c: what was written is read back; what was cut or bent is refused. */
#include "testing.h"

#include <string.h>

#include "base/memory.h"
#include "mail/envelope.h"

static struct envelope example(struct recipient recipient[2])
{
    struct envelope envelope = {
        .received_ms = 1795297249123,
        .body_type = BODY_8BITMIME,
        .flags = ENVELOPE_SMTPUTF8 | ENVELOPE_REQUIRETLS,
        .helo = STR("client.example"),
        .protocol = STR("ESMTP"),
        .sender = STR("a@b.example"),
        .envelope_id = STR("QQ+2B1"),
        .ret = 2,
        .recipient = recipient,
        .recipient_count = 2,
    };
    for (int i = 0; i < MESSAGE_ID_SIZE; i++)
        envelope.id.bytes[i] = (uint8_t)(i * 17);
    assert_true(endpoint_from_text(STR("[2001:db8::1]:4711"), 0, &envelope.client));
    recipient[0] = (struct recipient){ STR("x@example.org"), STR("rfc822;x@example.org"),
                                       NOTIFY_FAILURE | NOTIFY_DELAY };
    recipient[1] = (struct recipient){ STR("\"a@b\"@example.org"), STR_NONE, NOTIFY_NEVER };
    recipient[1].needs_proof = true;
    return envelope;
}

static void assert_same(const struct envelope *got, const struct envelope *want)
{
    assert_true(message_id_equals(got->id, want->id));
    assert_true(got->received_ms == want->received_ms);
    assert_int_equal(got->body_type, want->body_type);
    assert_int_equal(got->flags, want->flags);
    assert_true(endpoint_equals(got->client, want->client));
    assert_str(got->helo, want->helo);
    assert_str(got->client_name, want->client_name);
    assert_str(got->protocol, want->protocol);
    assert_str(got->sender, want->sender);
    assert_str(got->envelope_id, want->envelope_id);
    assert_int_equal(got->ret, want->ret);
    assert_int_equal(got->recipient_count, want->recipient_count);
    for (uint32_t i = 0; i < want->recipient_count; i++) {
        assert_str(got->recipient[i].address, want->recipient[i].address);
        assert_str(got->recipient[i].original, want->recipient[i].original);
        assert_int_equal(got->recipient[i].notify, want->recipient[i].notify);
        assert_int_equal(got->recipient[i].needs_proof, want->recipient[i].needs_proof);
    }
}

static void reads_back_what_was_written(void **state)
{
    struct recipient recipient[2];
    struct envelope want = example(recipient);
    struct envelope got;
    struct arena arena = { 0 };
    struct buf bytes = { 0 };
    (void)state;
    envelope_encode(&bytes, &want);
    buf_add(&bytes, STR("a later version's field"));
    struct cursor cursor = cursor_over(buf_str(&bytes));
    assert_true(envelope_decode(&cursor, &arena, &got));
    assert_same(&got, &want);
    assert_str(cursor.left, STR("a later version's field"));

    struct envelope empty = { 0 };
    buf_reset(&bytes);
    envelope_encode(&bytes, &empty);
    cursor = cursor_over(buf_str(&bytes));
    assert_true(envelope_decode(&cursor, &arena, &got));
    assert_same(&got, &empty);
    arena_fini(&arena);
    buf_fini(&bytes);
}

/* What is made of it later is built on these limits. */
/* What is not sealed is written as it always was, so that an older version reads it. */
static void says_how_the_content_is_sealed(void **state)
{
    struct recipient recipient[2];
    struct envelope want = example(recipient);
    struct envelope got;
    struct arena arena = { 0 };
    struct buf open = { 0 };
    struct buf sealed = { 0 };
    (void)state;
    envelope_encode(&open, &want);
    assert_int_equal(open.ptr[0], 2);
    want.seal = (struct seal_mark){ .is_sealed = true, .front = 0x01020304 };
    memset(want.seal.key_id, 0xa1, sizeof want.seal.key_id);
    memset(want.seal.salt, 0xb2, sizeof want.seal.salt);
    envelope_encode(&sealed, &want);
    assert_int_equal(sealed.ptr[0], 3);
    assert_int_equal(sealed.len, open.len + SEAL_KEY_ID_SIZE + SEAL_SALT_SIZE + 4);
    assert_memory_equal(sealed.ptr + 1, open.ptr + 1, open.len - 1);

    struct cursor cursor = cursor_over(buf_str(&sealed));
    assert_true(envelope_decode(&cursor, &arena, &got));
    assert_true(cursor_done(&cursor));
    assert_same(&got, &want);
    assert_true(got.seal.is_sealed);
    assert_memory_equal(got.seal.key_id, want.seal.key_id, sizeof got.seal.key_id);
    assert_memory_equal(got.seal.salt, want.seal.salt, sizeof got.seal.salt);
    assert_int_equal(got.seal.front, 0x01020304);

    cursor = cursor_over(buf_str(&open));
    assert_true(envelope_decode(&cursor, &arena, &got));
    assert_false(got.seal.is_sealed);
    for (size_t size = open.len; size < sealed.len; size++) {
        cursor = cursor_over(str_first(buf_str(&sealed), size));
        assert_false(envelope_decode(&cursor, &arena, &got));
    }
    arena_fini(&arena);
    buf_fini(&open);
    buf_fini(&sealed);
}

static void refuses_what_is_beyond_the_limits(void **state)
{
    static char text[ENVELOPE_TEXT_MAX + 1];
    const struct {
        int64_t received_ms;
        size_t helo, address, original;
        bool is_good;
    } cases[] = {
        { 0, ENVELOPE_TEXT_MAX, ENVELOPE_TEXT_MAX, ENVELOPE_TEXT_MAX, true },
        { ENVELOPE_TIME_MAX, 0, 1, 0, true },
        { ENVELOPE_TIME_MAX + 1, 0, 1, 0, false },
        { -1, 0, 1, 0, false },
        { 0, ENVELOPE_TEXT_MAX + 1, 1, 0, false },
        { 0, 0, ENVELOPE_TEXT_MAX + 1, 0, false },
        { 0, 0, 1, ENVELOPE_TEXT_MAX + 1, false },
    };
    struct arena arena = { 0 };
    struct buf bytes = { 0 };
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct recipient recipient = { .address = str_of(text, cases[i].address),
                                       .original = str_of(text, cases[i].original) };
        struct envelope envelope = { .received_ms = cases[i].received_ms,
                                     .helo = str_of(text, cases[i].helo),
                                     .recipient = &recipient,
                                     .recipient_count = 1 };
        buf_reset(&bytes);
        envelope_encode(&bytes, &envelope);
        struct cursor cursor = cursor_over(buf_str(&bytes));
        assert_int_equal(envelope_decode(&cursor, &arena, &envelope), cases[i].is_good);
    }
    arena_fini(&arena);
    buf_fini(&bytes);
}

static void refuses_every_cut(void **state)
{
    struct recipient recipient[2];
    struct envelope want = example(recipient);
    struct arena arena = { 0 };
    struct buf bytes = { 0 };
    (void)state;
    envelope_encode(&bytes, &want);
    for (size_t len = 0; len < bytes.len; len++) {
        struct envelope got = { .ret = 99 };
        char *exact = memory_copy(bytes.ptr, len);
        struct cursor cursor = cursor_over(str_of(exact, len));
        assert_false(envelope_decode(&cursor, &arena, &got));
        assert_int_equal(got.ret, 99); /* left alone */
        memory_free(exact);
    }
    arena_fini(&arena);
    buf_fini(&bytes);
}

static void believes_no_count(void **state)
{
    struct envelope envelope = { 0 };
    struct recipient *many = memory_new((ENVELOPE_RECIPIENTS_MAX + 1) * sizeof *many);
    struct arena arena = { 0 };
    struct buf bytes = { 0 };
    (void)state;
    envelope.recipient = many;
    for (uint32_t more = 0; more < 2; more++) {
        envelope.recipient_count = ENVELOPE_RECIPIENTS_MAX + more;
        buf_reset(&bytes);
        envelope_encode(&bytes, &envelope);
        struct cursor cursor = cursor_over(buf_str(&bytes));
        struct envelope got;
        assert_int_equal(envelope_decode(&cursor, &arena, &got), more == 0);
    }
    envelope.recipient_count = 0;
    buf_reset(&bytes);
    envelope_encode(&bytes, &envelope);
    memset(bytes.ptr + bytes.len - 4, 0xff, 4);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    struct envelope got;
    assert_false(envelope_decode(&cursor, &arena, &got));
    assert_true(arena_size(&arena) < 1024 * 1024);
    memory_free(many);
    arena_fini(&arena);
    buf_fini(&bytes);
}

static void refuses_what_it_does_not_know(void **state)
{
    struct recipient recipient[2];
    struct envelope want = example(recipient);
    struct envelope got;
    struct arena arena = { 0 };
    struct buf bytes = { 0 };
    (void)state;
    envelope_encode(&bytes, &want);
    bytes.ptr[0] = 1; /* version */
    struct cursor cursor = cursor_over(buf_str(&bytes));
    assert_false(envelope_decode(&cursor, &arena, &got));
    bytes.ptr[0] = 2;
    bytes.ptr[25] = 3; /* body type */
    cursor = cursor_over(buf_str(&bytes));
    assert_false(envelope_decode(&cursor, &arena, &got));
    bytes.ptr[25] = 0;
    bytes.ptr[27] = 7; /* address family */
    cursor = cursor_over(buf_str(&bytes));
    assert_false(envelope_decode(&cursor, &arena, &got));
    arena_fini(&arena);
    buf_fini(&bytes);
}

static void finds_the_recipients_domain(void **state)
{
    (void)state;
    assert_str(recipient_domain(&(struct recipient){ .address = STR("\"a@b\"@example.org") }),
               STR("example.org"));
    assert_str(recipient_domain(&(struct recipient){ .address = STR("postmaster") }), STR(""));
    assert_str(recipient_domain(&(struct recipient){ .address = STR("a@") }), STR(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_written),
        cmocka_unit_test(says_how_the_content_is_sealed),
        cmocka_unit_test(refuses_what_is_beyond_the_limits),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(believes_no_count),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(finds_the_recipients_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
