/* SPDX-License-Identifier: ISC */
/* From an entry to a session and back: who is chosen, what is settled, and when the scheduler may
 * know. */
#include "testing.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "spool/hand_store.h"
#include "spool/handover.h"

struct heard {
    unsigned deliveries;
    uint32_t recipients;
    uint32_t recipient[8];
    size_t content;
    unsigned pieces;
    unsigned failed_contents;
    unsigned settled;
    struct handover_result result;
    char domain[32];
    unsigned lost;
    unsigned believed;
    bool is_known;
    uint32_t told_count;
    bool told_envelope;
    struct handover_telling *telling;
};

static void on_deliver(void *context, uint64_t session, const struct handover_message *message)
{
    struct heard *heard = context;
    assert_int_equal(session, 5);
    heard->deliveries++;
    heard->recipients = message->envelope->recipient_count;
    for (uint32_t i = 0; i < heard->recipients && i < 8; i++)
        heard->recipient[i] = message->recipient[i];
    heard->content = message->content.len;
}

static void on_content(void *context, uint64_t session, struct message_id id, struct str bytes)
{
    struct heard *heard = context;
    (void)session;
    (void)id;
    heard->pieces += bytes.len > 0;
}

static void on_content_failed(void *context, uint64_t session, struct message_id id)
{
    struct heard *heard = context;
    (void)session;
    (void)id;
    heard->failed_contents++;
}

static void on_settled(void *context, const struct handover_result *result)
{
    struct heard *heard = context;
    heard->settled++;
    heard->result = *result;
    memcpy(heard->domain, result->domain.ptr, result->domain.len);
    heard->domain[result->domain.len] = '\0';
}

static void on_believed(void *context, const struct handover_result *result)
{
    struct heard *heard = context;
    heard->believed++;
    heard->result = *result;
}

static bool on_is_known(void *context, struct str recipient, const struct verdict *verdict)
{
    struct heard *heard = context;
    (void)verdict;
    assert_string_equal(recipient.ptr, "d@one.example");
    return heard->is_known;
}

static const struct handover_host host = { .deliver = on_deliver,
                                           .content = on_content,
                                           .content_failed = on_content_failed,
                                           .settled = on_settled,
                                           .believed = on_believed,
                                           .is_known = on_is_known };

/* Who tells somebody of refusals first. */
static bool on_tell(void *context, const struct handover_answers *answers,
                    struct handover_telling *telling)
{
    struct heard *heard = context;

    heard->told_count = answers->count;
    heard->told_envelope = answers->envelope != NULL;
    assert_true(str_equals(answers->domain, STR("one.example")));
    assert_int_equal(answers->session, answers->is_believed ? 0 : 5);
    if (!answers->is_believed)
        return false;
    assert_true(str_equals(answers->remote, STR("mx1.example")));
    heard->telling = telling;
    return true;
}

static const struct handover_host telling_host = { .deliver = on_deliver,
                                                   .content = on_content,
                                                   .content_failed = on_content_failed,
                                                   .tell = on_tell,
                                                   .settled = on_settled,
                                                   .believed = on_believed,
                                                   .is_known = on_is_known };

struct scene {
    struct hand_store store;
    struct heard heard;
    struct handover *handover;
    struct recipient recipient[4];
    enum recipient_state state[4];
    struct stored_message message;
    struct entry entry;
    struct now now;
};

/* Three recipients of one.example (the second one gone) and one of two.example. */
static void scene_open(struct scene *scene)
{
    static const char *const to[] = { "a@one.example", "b@one.example", "c@two.example",
                                      "d@one.example" };
    *scene = (struct scene){ .now = { .mono_ms = 1000, .wall_ms = 5000 } };
    hand_store_init(&scene->store);
    scene->handover = handover_new(&scene->store.base, &host, &scene->heard);
    for (int i = 0; i < 4; i++)
        scene->recipient[i].address = str_from(to[i]);
    scene->state[1] = RECIPIENT_GONE;
    scene->message = (struct stored_message){ .size = 10, .recipient_state = scene->state };
    scene->message.envelope.recipient = scene->recipient;
    scene->message.envelope.recipient_count = 4;
    scene->entry = (struct entry){ .id = { { 3 } }, .domain = STR("one.example"), .pending = 2 };
}

static void scene_close(struct scene *scene)
{
    handover_free(scene->handover);
    assert_int_equal(scene->store.open_readers, 0);
    assert_int_equal(scene->store.asked_count, 0);
}

static void deliver(struct scene *scene)
{
    handover_dispatch(scene->handover, 5, &scene->entry, 0);
    struct hand_asked asked = hand_store_take(&scene->store, HAND_OPEN);
    asked.opened(asked.context, 0, hand_store_reader(&scene->store), &scene->message);
    asked = hand_store_take(&scene->store, HAND_READ);
    assert_int_equal(asked.size, 10);
    asked.read_done(asked.context, 0, STR("0123456789"));
}

static void hands_out_who_still_waits(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    assert_int_equal(scene.heard.deliveries, 1);
    assert_int_equal(scene.heard.recipients, 2);
    assert_int_equal(scene.heard.recipient[0], 0);
    assert_int_equal(scene.heard.recipient[1], 3);
    assert_int_equal(scene.heard.content, 10);
    handover_session_gone(scene.handover, 5, NULL, NULL);
    scene_close(&scene);
}

/* As long as there are others. */
static void passes_over_who_had_his_turn(void **state)
{
    static const struct {
        uint32_t pass_over, recipients, first;
    } cases[] = { { 1, 1, 3 }, { 2, 2, 0 }, { 1000, 2, 0 } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct scene scene;
        scene_open(&scene);
        handover_dispatch(scene.handover, 5, &scene.entry, cases[i].pass_over);
        struct hand_asked asked = hand_store_take(&scene.store, HAND_OPEN);
        asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
        asked = hand_store_take(&scene.store, HAND_READ);
        asked.read_done(asked.context, 0, STR("0123456789"));
        assert_int_equal(scene.heard.recipients, cases[i].recipients);
        assert_int_equal(scene.heard.recipient[0], cases[i].first);
        if (i > 0) {
            handover_session_gone(scene.handover, 5, NULL, NULL);
            scene_close(&scene);
            continue;
        }
        struct verdict verdict = verdict_make(250, 1, 1, STR("one")); /* he is not the last one */
        const uint32_t last = 3;
        handover_answer(scene.handover, 5, scene.entry.id, scene.entry.domain, STR("mx1.example"),
                        &last, &verdict, 1, scene.now);
        asked = hand_store_take(&scene.store, HAND_SETTLE);
        scene.state[3] = RECIPIENT_GONE;
        asked.done(asked.context, 0);
        asked = hand_store_take(&scene.store, HAND_OPEN);
        asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
        assert_int_equal(scene.heard.result.left, 1);
        scene_close(&scene);
    }
}

static void answer_at(struct scene *scene, uint16_t first, uint16_t second, enum stage stage)
{
    static const uint32_t recipient[] = { 0, 3 };
    struct verdict verdict[] = { verdict_make(first, 1, 1, STR("one")),
                                 verdict_make(second, 2, 2, STR("two")) };
    verdict[1].stage = (uint8_t)stage;
    handover_answer(scene->handover, 5, scene->entry.id, scene->entry.domain, STR("mx1.example"),
                    recipient, verdict, 2, scene->now);
}

static void answer(struct scene *scene, uint16_t first, uint16_t second)
{
    answer_at(scene, first, second, STAGE_RECIPIENT);
}

static void tells_the_scheduler_when_it_is_durable(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    answer(&scene, 250, 250);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
    assert_int_equal(asked.outcome, OUTCOME_DELIVERED);
    assert_int_equal(asked.count, 2);
    assert_int_equal(scene.heard.settled, 0);
    asked.done(asked.context, 0);
    assert_int_equal(scene.heard.settled, 1);
    assert_int_equal(scene.heard.result.session, 5);
    assert_int_equal(scene.heard.result.left, 0);
    assert_string_equal(scene.heard.domain, "one.example");
    scene_close(&scene);
}

static void refuse_one(struct scene *scene)
{
    deliver(scene);
    answer(scene, 250, 550);
    struct hand_asked asked = hand_store_take(&scene->store, HAND_SETTLE);
    assert_int_equal(asked.outcome, OUTCOME_DELIVERED);
    assert_int_equal(asked.count, 1);
    assert_int_equal(asked.recipient[0], 0);
    asked.done(asked.context, 0);
    scene->state[0] = RECIPIENT_GONE;
    asked = hand_store_take(&scene->store, HAND_OPEN);
    asked.opened(asked.context, 0, hand_store_reader(&scene->store), &scene->message);
    assert_int_equal(scene->heard.settled, 1);
}

/* One taken, one refused for good: the refused one waits, and the scheduler hears of it. */
static void refused_recipients_are_on_trial(void **state)
{
    struct scene scene;

    (void)state;
    for (int known = 0; known < 2; known++) {
        scene_open(&scene);
        scene.heard.is_known = known;
        refuse_one(&scene);
        assert_int_equal(scene.heard.result.left, 1);
        assert_int_equal(scene.heard.result.taken, 1);
        assert_int_equal(scene.heard.result.accepted, 1);
        assert_int_equal(scene.heard.result.deferred, 0);
        assert_int_equal(scene.heard.result.refused, 1);
        assert_int_equal(scene.heard.result.refused_known, known);
        assert_int_equal(scene.heard.result.refusal.code, 550);
        assert_int_equal(scene.heard.result.refusal.stage, STAGE_RECIPIENT);
        scene_close(&scene);
    }
}

/* It is no word of the primary's, so nobody has to be sane for it. */
static void what_we_refuse_is_settled_at_once(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    answer_at(&scene, 250, 550, STAGE_OURS);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
    assert_int_equal(asked.outcome, OUTCOME_DELIVERED);
    assert_int_equal(asked.recipient[0], 0);
    asked.done(asked.context, 0);
    asked = hand_store_take(&scene.store, HAND_SETTLE);
    assert_int_equal(asked.outcome, OUTCOME_RESCUED);
    assert_int_equal(asked.count, 1);
    assert_int_equal(asked.recipient[0], 3);
    asked.done(asked.context, 0);
    scene.state[0] = scene.state[3] = RECIPIENT_GONE;
    asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
    assert_int_equal(scene.heard.settled, 1);
    assert_int_equal(scene.heard.result.left, 0);
    assert_int_equal(scene.heard.result.refused, 0);
    scene_close(&scene);
}

/* It is rescued with the primary's words; that the disk fails once does not matter. */
static void what_is_believed_is_rescued(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    refuse_one(&scene);
    handover_believe(scene.handover, scene.entry.id, scene.entry.domain, scene.now);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
    assert_int_equal(asked.outcome, OUTCOME_RESCUED);
    assert_int_equal(asked.count, 1);
    assert_int_equal(asked.recipient[0], 3);
    assert_int_equal(asked.reason.code, 550);
    asked.done(asked.context, -EIO);
    scene.now.mono_ms += 1000;
    handover_turn(scene.handover, scene.now);
    asked = hand_store_take(&scene.store, HAND_SETTLE);
    assert_int_equal(asked.outcome, OUTCOME_RESCUED);
    assert_int_equal(asked.recipient[0], 3);
    asked.done(asked.context, 0);
    scene.state[3] = RECIPIENT_RESCUED;
    assert_int_equal(scene.heard.believed, 0);
    asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
    assert_int_equal(scene.heard.believed, 1);
    assert_int_equal(scene.heard.settled, 1);
    assert_int_equal(scene.heard.result.left, 0);
    assert_int_equal(scene.heard.result.refused, 1);
    scene_close(&scene);
}

/* Forgotten, tried again, or left when all ends: nothing is settled. */
static void what_is_doubted_is_not_settled(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    refuse_one(&scene);
    handover_doubt(scene.handover, scene.entry.id, STR("two.example"));
    handover_doubt(scene.handover, scene.entry.id, scene.entry.domain);
    handover_doubt(scene.handover, scene.entry.id, scene.entry.domain);
    scene_close(&scene);
    scene_open(&scene);
    refuse_one(&scene);
    deliver(&scene);
    assert_int_equal(scene.heard.recipients, 1);
    assert_int_equal(scene.heard.recipient[0], 3);
    handover_let_go(scene.handover);
    scene_close(&scene);
}

static void nothing_is_believed_before_somebody_is_told(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    handover_free(scene.handover);
    scene.handover = handover_new(&scene.store.base, &telling_host, &scene.heard);
    deliver(&scene);
    answer(&scene, 250, 550);
    assert_int_equal(scene.heard.told_count, 2);
    assert_true(scene.heard.told_envelope);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
    assert_int_equal(asked.outcome, OUTCOME_DELIVERED);
    asked.done(asked.context, 0);
    asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
    assert_null(scene.heard.telling);

    handover_believe(scene.handover, scene.entry.id, scene.entry.domain, scene.now);
    assert_int_equal(scene.heard.told_count, 1);
    assert_true(scene.heard.told_envelope);
    assert_int_equal(scene.store.asked_count, 0);
    handover_told(scene.handover, scene.heard.telling);
    asked = hand_store_take(&scene.store, HAND_SETTLE);
    assert_int_equal(asked.outcome, OUTCOME_RESCUED);
    asked.done(asked.context, -EIO); /* is settled again, but nobody told again */
    scene.heard.told_count = 0;
    scene.now.mono_ms += SECOND_MS;
    handover_turn(scene.handover, scene.now);
    asked = hand_store_take(&scene.store, HAND_SETTLE);
    asked.done(asked.context, 0);
    asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, -ENOENT, NULL, NULL);
    assert_int_equal(scene.heard.told_count, 0);
    assert_int_equal(scene.heard.believed, 1);
    scene_close(&scene);
}

/* An answer to an earlier keeper's delivery; and the end while somebody is being told. */
static void who_is_told_is_decided_for_each_answer(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    handover_free(scene.handover);
    scene.handover = handover_new(&scene.store.base, &telling_host, &scene.heard);
    answer(&scene, 250, 250);
    assert_int_equal(scene.heard.told_count, 2);
    assert_false(scene.heard.told_envelope);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
    asked.done(asked.context, 0);
    asked = hand_store_take(&scene.store, HAND_OPEN); /* it may have passed over some */
    asked.opened(asked.context, -ENOENT, NULL, NULL);
    assert_int_equal(scene.heard.settled, 1);
    deliver(&scene);
    answer(&scene, 451, 550);
    asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
    handover_believe(scene.handover, scene.entry.id, scene.entry.domain, scene.now);
    assert_non_null(scene.heard.telling);
    scene_close(&scene);
}

static void deferred_recipients_are_left(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    answer(&scene, 451, 452);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
    assert_int_equal(scene.heard.result.left, 2);
    assert_int_equal(scene.heard.result.deferred, 2);
    assert_int_equal(scene.heard.result.verdict.code, 451);
    scene_close(&scene);
}

static void count_line(void *context, struct str line)
{
    int *lines = context;
    (void)line;
    ++*lines;
}

/* SPEC H1: nothing twice. Until the settlement is durable the scheduler hears nothing, so the
 * message is not handed out again. It is said once, however long the disk fails. */
static void repeats_a_settlement_that_failed(void **state)
{
    struct scene scene;
    int lines = 0;

    (void)state;
    log_set_sink(count_line, &lines);
    scene_open(&scene);
    deliver(&scene);
    answer(&scene, 250, 250);
    for (int i = 0; i < 3; i++) {
        struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
        asked.done(asked.context, -EIO);
        assert_int_equal(scene.heard.settled, 0);
        handover_turn(scene.handover, scene.now);
        assert_int_equal(scene.store.asked_count, 0);
        scene.now.mono_ms = handover_deadline(scene.handover);
        handover_turn(scene.handover, scene.now);
    }
    struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
    asked.done(asked.context, 0);
    assert_int_equal(scene.heard.settled, 1);
    assert_true(scene.heard.result.was_answered);
    assert_true(handover_deadline(scene.handover) == NEVER_MS);
    assert_int_equal(lines, 1);
    log_set_sink(NULL, NULL);
    scene_close(&scene);
}

static void on_lost(void *context, struct message_id id)
{
    struct heard *heard = context;
    assert_int_equal(id.bytes[0], 3);
    heard->lost++;
}

/* A route was taken away and put back, and knows nothing of an answer that the disk would not take:
 * the entry, which still lies in the store, is not handed out again before that is settled. */
static void what_is_being_settled_is_held_back(void **state)
{
    struct scene scene;

    (void)state;
    log_set_sink(count_line, &(int){ 0 });
    scene_open(&scene);
    deliver(&scene);
    answer(&scene, 250, 250);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
    asked.done(asked.context, -EIO);
    handover_dispatch(scene.handover, 6, &scene.entry, 0);
    handover_dispatch(scene.handover, 7, &scene.entry, 0);
    assert_int_equal(scene.store.asked_count, 0);
    handover_session_gone(scene.handover, 7, on_lost, &scene.heard); /* it need not wait for it */
    assert_int_equal(scene.heard.lost, 0); /* what is under way is the answer */
    scene.now.mono_ms = handover_deadline(scene.handover);
    handover_turn(scene.handover, scene.now);
    asked = hand_store_take(&scene.store, HAND_SETTLE);
    assert_int_equal(scene.store.asked_count, 0);
    asked.done(asked.context, 0);
    assert_int_equal(scene.heard.settled, 1);
    asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, -ENOENT, NULL, NULL);
    assert_int_equal(scene.heard.settled, 2);
    assert_int_equal(scene.heard.result.session, 6);
    assert_int_equal(scene.heard.result.left, 0);
    log_set_sink(NULL, NULL);
    scene_close(&scene);
}

/* The same, while it is out with a session of the route from before. */
static void what_is_out_is_held_back(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    handover_dispatch(scene.handover, 6, &scene.entry, 0);
    handover_dispatch(scene.handover, 7, &scene.entry, 0);
    assert_int_equal(scene.store.asked_count, 0);
    answer(&scene, 250, 451);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
    assert_int_equal(scene.store.asked_count, 0);
    asked.done(asked.context, 0);
    asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
    assert_int_equal(scene.heard.settled, 1);
    struct hand_asked next = hand_store_take(&scene.store, HAND_OPEN);
    assert_int_equal(scene.store.asked_count, 0); /* one after the other */
    next.opened(next.context, -ENOENT, NULL, NULL);
    next = hand_store_take(&scene.store, HAND_OPEN);
    handover_session_gone(scene.handover, 7, NULL, NULL);
    next.opened(next.context, -ENOENT, NULL, NULL);
    assert_int_equal(scene.heard.settled, 2);
    scene_close(&scene);
}

/* Its session is gone: it is as free as before. */
static void what_came_back_is_given_out(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    handover_dispatch(scene.handover, 6, &scene.entry, 0);
    handover_session_gone(scene.handover, 5, NULL, NULL);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, -ENOENT, NULL, NULL);
    assert_int_equal(scene.heard.result.session, 6);
    scene_close(&scene);
}

/* What the store has forgotten needs no settlement, and must not be tried for ever. */
static void what_the_store_has_forgotten_is_settled(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    answer(&scene, 250, 250);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_SETTLE);
    asked.done(asked.context, -ENOENT);
    assert_int_equal(scene.heard.settled, 1);
    assert_int_equal(scene.heard.result.left, 0);
    scene_close(&scene);
}

static void recipients_that_cannot_be_counted_are_not_forgotten(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    answer(&scene, 451, 452);
    struct hand_asked asked = hand_store_take(&scene.store, HAND_OPEN);
    asked.opened(asked.context, -EIO, NULL, NULL);
    assert_int_equal(scene.heard.result.left, 2);
    assert_int_equal(scene.heard.result.deferred, 2);
    scene_close(&scene);
}

/* One piece at a time: the store reads no more than that from one reader. */
static void a_second_wish_for_content_is_refused(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    assert_true(handover_want(scene.handover, 5, scene.entry.id, 0, 4));
    assert_false(handover_want(scene.handover, 5, scene.entry.id, 4, 4));
    struct hand_asked asked = hand_store_take(&scene.store, HAND_READ);
    asked.read_done(asked.context, 0, STR("0123"));
    assert_int_equal(scene.heard.pieces, 1);
    handover_session_gone(scene.handover, 5, NULL, NULL);
    scene_close(&scene);
}

/* The store frees its readers when it closes: none may be closed later. */
static void lets_go_before_the_store_closes(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    deliver(&scene);
    assert_int_equal(scene.store.open_readers, 1);
    handover_let_go(scene.handover);
    assert_int_equal(scene.store.open_readers, 0);
    scene_close(&scene);
}

static void what_is_gone_or_unreadable_does_not_block(void **state)
{
    static const struct {
        int error;
        uint32_t left;
        const char *why;
    } cases[] = { { -ENOENT, 0, "" },
                  { -EIO, 1, "The stored message cannot be read" },
                  { -ENOKEY, 1, "The key that the message is encrypted with is missing" } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct scene scene;
        scene_open(&scene);
        handover_dispatch(scene.handover, 5, &scene.entry, 0);
        struct hand_asked asked = hand_store_take(&scene.store, HAND_OPEN);
        asked.opened(asked.context, cases[i].error, NULL, NULL);
        assert_int_equal(scene.heard.deliveries, 0);
        assert_int_equal(scene.heard.settled, 1);
        assert_false(scene.heard.result.was_answered);
        assert_int_equal(scene.heard.result.left, cases[i].left);
        assert_int_equal(scene.heard.result.is_unreadable, cases[i].left > 0);
        assert_int_equal(scene.heard.result.deferred, 0);
        if (cases[i].left > 0)
            assert_true(
                str_equals(verdict_text(&scene.heard.result.verdict), str_from(cases[i].why)));
        scene_close(&scene);
    }
}

/* At every stage of reading: the session goes away, the store answers later. */
static void a_session_may_go_while_the_store_reads(void **state)
{
    (void)state;
    for (int stage = 0; stage < 3; stage++) {
        struct scene scene;
        struct hand_asked asked;
        scene_open(&scene);
        handover_dispatch(scene.handover, 5, &scene.entry, 0);
        if (stage > 0) {
            asked = hand_store_take(&scene.store, HAND_OPEN);
            asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
        }
        if (stage > 1) {
            asked = hand_store_take(&scene.store, HAND_READ);
            asked.read_done(asked.context, 0, STR("0123456789"));
            assert_true(handover_want(scene.handover, 5, scene.entry.id, 4, 100));
        }
        handover_session_gone(scene.handover, 5, on_lost, &scene.heard);
        assert_int_equal(scene.heard.lost, 1);
        if (stage == 0) {
            asked = hand_store_take(&scene.store, HAND_OPEN);
            asked.opened(asked.context, 0, hand_store_reader(&scene.store), &scene.message);
        } else {
            asked = hand_store_take(&scene.store, HAND_READ);
            asked.read_done(asked.context, 0, STR("456789"));
        }
        assert_int_equal(scene.heard.settled, 0);
        scene_close(&scene);
    }
}

static void gives_pieces_on_demand(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene);
    assert_false(handover_want(scene.handover, 5, scene.entry.id, 0, 10));
    deliver(&scene);
    assert_false(handover_want(scene.handover, 5, scene.entry.id, 11, 10));
    assert_true(handover_want(scene.handover, 5, scene.entry.id, 4, 1u << 30));
    struct hand_asked asked = hand_store_take(&scene.store, HAND_READ);
    assert_int_equal(asked.offset, 4);
    assert_int_equal(asked.size, HANDOVER_PIECE_MAX);
    asked.read_done(asked.context, 0, STR("456789"));
    assert_int_equal(scene.heard.pieces, 1);
    assert_true(handover_want(scene.handover, 5, scene.entry.id, 4, 6));
    asked = hand_store_take(&scene.store, HAND_READ);
    asked.read_done(asked.context, -EIO, STR_NONE);
    assert_int_equal(scene.heard.failed_contents, 1);
    handover_session_gone(scene.handover, 5, NULL, NULL);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_who_still_waits),
        cmocka_unit_test(passes_over_who_had_his_turn),
        cmocka_unit_test(tells_the_scheduler_when_it_is_durable),
        cmocka_unit_test(refused_recipients_are_on_trial),
        cmocka_unit_test(what_we_refuse_is_settled_at_once),
        cmocka_unit_test(what_is_believed_is_rescued),
        cmocka_unit_test(what_is_doubted_is_not_settled),
        cmocka_unit_test(nothing_is_believed_before_somebody_is_told),
        cmocka_unit_test(who_is_told_is_decided_for_each_answer),
        cmocka_unit_test(deferred_recipients_are_left),
        cmocka_unit_test(repeats_a_settlement_that_failed),
        cmocka_unit_test(what_is_being_settled_is_held_back),
        cmocka_unit_test(what_is_out_is_held_back),
        cmocka_unit_test(what_came_back_is_given_out),
        cmocka_unit_test(what_the_store_has_forgotten_is_settled),
        cmocka_unit_test(recipients_that_cannot_be_counted_are_not_forgotten),
        cmocka_unit_test(a_second_wish_for_content_is_refused),
        cmocka_unit_test(lets_go_before_the_store_closes),
        cmocka_unit_test(what_is_gone_or_unreadable_does_not_block),
        cmocka_unit_test(a_session_may_go_while_the_store_reads),
        cmocka_unit_test(gives_pieces_on_demand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
