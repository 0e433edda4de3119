/* SPDX-License-Identifier: ISC */
/* The intake answers 250 when, and only when, the store says that it is durable. */
#include "testing.h"

#include <errno.h>
#include <string.h>

#include "spool/hand_store.h"
#include "spool/intake.h"

struct heard {
    unsigned answers;
    struct verdict verdict;
    struct intake_key key;
    uint64_t taken;
    unsigned arrived;
    struct entry entry[4];
    char domain[4][32];
};

static void on_taken(void *context, struct intake_key key, uint64_t octets)
{
    struct heard *heard = context;
    heard->key = key;
    heard->taken += octets;
}

static void on_answer(void *context, struct intake_key key, const struct verdict *verdict)
{
    struct heard *heard = context;
    heard->key = key;
    heard->answers++;
    heard->verdict = *verdict;
}

static void on_arrived(void *context, const struct entry *entry)
{
    struct heard *heard = context;
    assert_true(heard->arrived < 4);
    heard->entry[heard->arrived] = *entry;
    memcpy(heard->domain[heard->arrived], entry->domain.ptr, entry->domain.len);
    heard->domain[heard->arrived++][entry->domain.len] = '\0';
}

static bool on_may_bring(void *context, const struct envelope *envelope)
{
    (void)context;
    return (envelope->flags & ENVELOPE_OWN) == 0;
}

static const struct intake_host host = {
    .taken = on_taken, .may_bring = on_may_bring, .answer = on_answer, .arrived = on_arrived
};

struct scene {
    struct hand_store store;
    struct heard heard;
    struct intake *intake;
    struct random random;
};

#define RECEIVED_MS INT64_C(1795297249123)

static void scene_open(struct scene *scene)
{
    *scene = (struct scene){ 0 };
    hand_store_init(&scene->store);
    random_from_seed(&scene->random, 1);
    scene->intake = intake_new(&scene->store.base, 1000, &host, &scene->heard);
}

static struct message_id put(struct scene *scene, struct intake_key key, const char *const *to,
                             uint32_t count)
{
    struct recipient recipient[4] = { 0 };
    struct envelope envelope = { .received_ms = 5, /* says the receiver */
                                 .recipient = recipient,
                                 .recipient_count = count };
    struct buf bytes = { 0 };

    envelope.id = message_id_new(1000, &scene->random);
    envelope.sender = STR("a@b.example");
    for (uint32_t i = 0; i < count; i++)
        recipient[i].address = str_from(to[i]);
    assert_true(intake_open(scene->intake, key, envelope.id));
    assert_true(intake_write(scene->intake, key, STR("Received: x\r\n\r\nhello\r\n")));
    envelope_encode(&bytes, &envelope);
    assert_true(
        intake_commit(scene->intake, key, buf_str(&bytes), STR_NONE, STR_NONE, RECEIVED_MS));
    buf_fini(&bytes);
    return envelope.id;
}

static const struct intake_key first = { .source = 1, .ticket = 7 };
static const struct intake_key second = { .source = 2, .ticket = 7 };

static void answers_250_only_when_durable(void **state)
{
    static const char *const to[] = { "x@one.example" };
    struct scene scene;

    (void)state;
    scene_open(&scene);
    struct message_id id = put(&scene, first, to, 1);
    assert_int_equal(scene.heard.answers, 0);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_APPEND);
    assert_true(message_id_equals(asked.id, id));
    asked.done(asked.context, 0);
    assert_int_equal(scene.heard.answers, 1);
    assert_int_equal(scene.heard.verdict.code, 250);
    assert_int_equal(scene.heard.key.ticket, 7);
    assert_int_equal(scene.heard.arrived, 1);
    assert_int_equal(scene.heard.entry[0].size, 22);
    assert_true(scene.heard.entry[0].since_ms == RECEIVED_MS); /* not the receiver's time */
    intake_free(scene.intake);
}

/* What a receiver may not bring breaks the rules, and is not stored. */
static void brings_what_it_may_not(struct envelope envelope)
{
    struct recipient recipient = { .address = STR("x@one.example") };
    struct buf bytes = { 0 };
    struct scene scene;

    scene_open(&scene);
    envelope.id = message_id_new(1000, &scene.random);
    envelope.recipient = &recipient;
    envelope.recipient_count = 1;
    envelope_encode(&bytes, &envelope);
    assert_true(intake_open(scene.intake, first, envelope.id));
    assert_false(
        intake_commit(scene.intake, first, buf_str(&bytes), STR_NONE, STR_NONE, RECEIVED_MS));
    assert_int_equal(scene.store.asked_count, 0);
    buf_fini(&bytes);
    intake_free(scene.intake);
}

static void a_receiver_brings_no_mail_of_our_own(void **state)
{
    (void)state;
    brings_what_it_may_not((struct envelope){ .flags = ENVELOPE_OWN });
}

/* It would be taken for content that the store has sealed, and nobody could read it. */
static void a_receiver_seals_nothing(void **state)
{
    (void)state;
    brings_what_it_may_not((struct envelope){ .seal = { .is_sealed = true } });
}

/* For filters. */
static void what_was_uploaded_can_be_read_and_begun_anew(void **state)
{
    struct buf read = { 0 };
    struct scene scene;

    (void)state;
    scene_open(&scene);
    struct message_id id = message_id_new(1000, &scene.random);
    assert_false(intake_read(scene.intake, first, 0, 10, &read));
    assert_false(intake_restart(scene.intake, first));
    assert_true(intake_open(scene.intake, first, id));
    assert_true(intake_write(scene.intake, first, STR("hello")));
    assert_true(intake_read(scene.intake, first, 2, 10, &read));
    assert_int_equal(read.len, 3);
    assert_false(intake_read(scene.intake, first, 0, INTAKE_READ_MAX + 1, &read));
    scene.store.is_unreadable = true;
    assert_true(intake_read(scene.intake, first, 0, 10, &read));
    assert_int_equal(read.len, 3); /* nothing more */
    scene.store.is_unreadable = false;
    assert_true(intake_restart(scene.intake, first));
    assert_true(intake_read(scene.intake, first, 0, 10, &read));
    assert_int_equal(read.len, 3);
    buf_fini(&read);
    intake_free(scene.intake);
}

static void says_what_went_wrong(void **state)
{
    static const struct {
        int error;
        uint16_t code;
        unsigned arrived;
    } cases[] = { { 0, 250, 1 },    { -EEXIST, 250, 0 }, { -ENOSPC, 452, 0 },
                  { -EIO, 451, 0 }, { -EROFS, 451, 0 },  { -ECANCELED, 451, 0 } };
    static const char *const to[] = { "x@one.example" };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scene scene;
        scene_open(&scene);
        (void)put(&scene, first, to, 1);
        struct hand_asked asked = hand_store_take(&scene.store, HAND_APPEND);
        asked.done(asked.context, cases[i].error);
        assert_int_equal(scene.heard.verdict.code, cases[i].code);
        assert_int_equal(scene.heard.arrived, cases[i].arrived);
        intake_free(scene.intake);
    }
}

static void tells_of_each_domain_once(void **state)
{
    static const char *const to[] = { "x@one.example", "y@two.example", "z@one.example" };
    struct scene scene;

    (void)state;
    scene_open(&scene);
    (void)put(&scene, first, to, 3);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_APPEND);
    asked.done(asked.context, 0);
    assert_int_equal(scene.heard.arrived, 2);
    assert_string_equal(scene.heard.domain[0], "one.example");
    assert_int_equal(scene.heard.entry[0].pending, 2);
    assert_string_equal(scene.heard.domain[1], "two.example");
    assert_int_equal(scene.heard.entry[1].pending, 1);
    intake_free(scene.intake);
}

/* Credit is a promise about memory: who does not wait for it is cut off. */
static void refuses_content_ahead_of_credit(void **state)
{
    static char piece[INTAKE_AHEAD_MAX];
    struct scene scene;
    struct message_id id = { { 1 } };

    (void)state;
    scene_open(&scene);
    assert_true(intake_open(scene.intake, first, id));
    assert_true(intake_write(scene.intake, first, str_of(piece, sizeof piece)));
    assert_false(intake_write(scene.intake, first, STR("x")));
    intake_turn(scene.intake);
    assert_int_equal(scene.heard.taken, sizeof piece);
    assert_true(intake_write(scene.intake, first, STR("x")));
    intake_free(scene.intake);
}

static void refuses_receivers_that_break_the_rules(void **state)
{
    struct scene scene;
    struct message_id id = { { 1 } };

    (void)state;
    scene_open(&scene);
    assert_false(intake_write(scene.intake, first, STR("x")));
    assert_false(intake_abort(scene.intake, first));
    assert_false(intake_commit(scene.intake, first, STR("x"), STR_NONE, STR_NONE, 0));
    assert_true(intake_open(scene.intake, first, id));
    assert_false(intake_open(scene.intake, first, id));
    assert_false(intake_commit(scene.intake, first, STR("no envelope"), STR_NONE, STR_NONE, 0));
    assert_true(intake_open(scene.intake, second, id)); /* another source's ticket of that number */
    intake_free(scene.intake);
    assert_int_equal(scene.store.open_uploads, 0);
}

/* The intake goes before the store, which answers what it knows while it closes. */
static void questions_may_outlive_the_intake(void **state)
{
    static const int errors[] = { 0, -ENOENT, -ECANCELED };

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct scene scene;
        scene_open(&scene);
        intake_ask(scene.intake, first, (struct message_id){ { 1 } });
        intake_free(scene.intake);
        struct hand_asked asked = hand_store_take(&scene.store, HAND_ASK);
        asked.done(asked.context, errors[i]);
        assert_int_equal(scene.heard.answers, 0);
    }
}

/* Above its budget the oldest upload alone goes on, so that half-arrived ones cannot wait for each
 * other for ever. */
static void gives_credit_to_the_oldest_alone_when_memory_is_short(void **state)
{
    struct scene scene;
    struct message_id id = { { 1 } };

    (void)state;
    scene_open(&scene);
    assert_true(intake_open(scene.intake, first, id));
    assert_true(intake_open(scene.intake, second, id));
    scene.store.memory = 5000;
    assert_true(intake_write(scene.intake, first, STR("0123456789")));
    assert_true(intake_write(scene.intake, second, STR("01234")));
    intake_turn(scene.intake);
    assert_int_equal(scene.heard.taken, 10);
    assert_int_equal(scene.heard.key.source, 1);
    assert_true(intake_abort(scene.intake, first));
    intake_turn(scene.intake);
    assert_int_equal(scene.heard.taken, 15);
    assert_int_equal(scene.heard.key.source, 2);
    intake_free(scene.intake);
}

static void drops_a_source_that_is_gone(void **state)
{
    static const char *const to[] = { "x@one.example" };
    struct scene scene;
    struct message_id id = { { 1 } };

    (void)state;
    scene_open(&scene);
    (void)put(&scene, first, to, 1); /* committed: is stored, and nobody hears of it */
    assert_true(intake_open(scene.intake, (struct intake_key){ 1, 8 }, id));
    assert_true(intake_open(scene.intake, second, id));
    intake_drop_source(scene.intake, 1);
    assert_int_equal(scene.store.open_uploads, 1);
    assert_true(intake_write(scene.intake, second, STR("x")));
    struct hand_asked asked = hand_store_take(&scene.store, HAND_APPEND);
    asked.done(asked.context, 0);
    assert_int_equal(scene.heard.answers, 0);
    assert_int_equal(scene.heard.arrived, 1);
    intake_free(scene.intake);
}

static void commits_may_end_after_the_intake(void **state)
{
    static const char *const to[] = { "x@one.example" };
    struct scene scene;

    (void)state;
    scene_open(&scene);
    (void)put(&scene, first, to, 1);
    intake_free(scene.intake);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_APPEND);
    asked.done(asked.context, -ECANCELED);
    assert_int_equal(scene.heard.answers, 0);
}

static void in_doubt_only_stored_is_250(void **state)
{
    static const struct {
        int error;
        uint16_t code;
    } cases[] = { { 0, 250 }, { -ENOENT, 451 }, { -EIO, 451 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scene scene;
        struct message_id id = { { 9 } };
        scene_open(&scene);
        intake_ask(scene.intake, second, id);
        struct hand_asked asked = hand_store_take(&scene.store, HAND_ASK);
        asked.done(asked.context, cases[i].error);
        assert_int_equal(scene.heard.verdict.code, cases[i].code);
        assert_int_equal(scene.heard.key.source, 2);
        intake_free(scene.intake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_250_only_when_durable),
        cmocka_unit_test(a_receiver_brings_no_mail_of_our_own),
        cmocka_unit_test(a_receiver_seals_nothing),
        cmocka_unit_test(what_was_uploaded_can_be_read_and_begun_anew),
        cmocka_unit_test(says_what_went_wrong),
        cmocka_unit_test(tells_of_each_domain_once),
        cmocka_unit_test(refuses_content_ahead_of_credit),
        cmocka_unit_test(refuses_receivers_that_break_the_rules),
        cmocka_unit_test(questions_may_outlive_the_intake),
        cmocka_unit_test(gives_credit_to_the_oldest_alone_when_memory_is_short),
        cmocka_unit_test(drops_a_source_that_is_gone),
        cmocka_unit_test(commits_may_end_after_the_intake),
        cmocka_unit_test(in_doubt_only_stored_is_250),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
