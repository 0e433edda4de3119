/* SPDX-License-Identifier: ISC */
/* test_recipient_cache.c: what is known of a domain's addresses, told as stories: a row is a
 * moment, what happens then, and what an asker hears. */
#include "testing.h"

#include "verify/recipient_cache.h"

static const struct recipient_limits limits = {
    .refresh_ms = 7LL * DAY_MS,
    .expiry_ms = 31LL * DAY_MS,
    .negative_expiry_ms = 3LL * DAY_MS,
};
static const int64_t begin_ms = 1700000000000;

struct kept {
    unsigned changed, gone;
    struct known_recipient last;
};

static void on_changed(void *context, const struct known_recipient *recipient, bool is_gone)
{
    struct kept *kept = context;

    kept->changed += !is_gone;
    kept->gone += is_gone;
    kept->last = *recipient;
}

static const struct recipient_cache_host host = { .changed = on_changed };

enum what { LEARN, LOOK, GOES, COMES };

struct moment {
    int64_t at_ms;
    enum what what;
    const char *address;
    enum reading reading;
    enum known_answer answer; /* LOOK */
};

static void tell_story(const struct moment *moment, size_t count)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = recipient_cache_new(&host, &kept);
    bool is_up = true;

    for (size_t i = 0; i < count; i++) {
        int64_t now_ms = begin_ms + moment[i].at_ms;
        struct str address = str_from(moment[i].address);
        switch (moment[i].what) {
        case LEARN:
            recipient_cache_learn(cache, address, moment[i].reading, LEARNED_BY_PROBE, now_ms);
            break;
        case LOOK:
            assert_int_equal(recipient_cache_look(cache, address, is_up, &limits, now_ms),
                             moment[i].answer);
            break;
        case GOES:
        case COMES:
            is_up = moment[i].what == COMES;
            recipient_cache_set_reachable(cache, is_up, now_ms);
            break;
        }
    }
    recipient_cache_free(cache);
}

#define MIN ((int64_t)MINUTE_MS)
#define DAY ((int64_t)DAY_MS)
#define A   "a@example.org"
#define B   "b@example.org"
#define C   "c@example.org"

static void five_days_of_outage_age_nothing(void **state)
{
    static const struct moment story[] = {
        { 0, LEARN, A, READING_VALID, 0 },
        { 0, LEARN, B, READING_INVALID, 0 },
        { 6 * DAY, LOOK, A, 0, KNOWN_VALID },
        { 6 * DAY, LEARN, B, READING_INVALID, 0 },
        { 6 * DAY, GOES, NULL, 0, 0 },
        { 46 * DAY, LOOK, A, 0, KNOWN_VALID }, /* forty days later */
        { 46 * DAY, LOOK, B, 0, KNOWN_INVALID },
        { 46 * DAY, LOOK, C, 0, KNOWN_NOTHING },
        { 46 * DAY, COMES, NULL, 0, 0 },
        { 46 * DAY + DAY / 2, LOOK, A, 0, KNOWN_VALID },
        { 47 * DAY + 1, LOOK, A, 0, KNOWN_VALID_STALE }, /* the seventh of its own days */
        { 71 * DAY, LOOK, A, 0, KNOWN_NOTHING },
    };
    (void)state;
    tell_story(story, COUNT_OF(story));
}

static void a_new_mailbox_is_found_after_five_minutes(void **state)
{
    static const struct moment story[] = {
        { 0, LEARN, A, READING_INVALID, 0 },     { 5 * MIN - 1, LOOK, A, 0, KNOWN_INVALID },
        { 5 * MIN, LOOK, A, 0, KNOWN_NOTHING }, /* asked again */
        { 5 * MIN, LEARN, A, READING_VALID, 0 }, { 5 * MIN, LOOK, A, 0, KNOWN_VALID },
    };
    (void)state;
    tell_story(story, COUNT_OF(story));
}

static void one_refusal_makes_nobody_invalid_who_was_valid_lately(void **state)
{
    static const struct moment story[] = {
        { 0, LEARN, A, READING_VALID, 0 },
        { DAY, LEARN, A, READING_INVALID, 0 },
        { DAY, LOOK, A, 0, KNOWN_VALID },
        { DAY + MIN, LEARN, A, READING_INVALID, 0 }, /* the same moment */
        { DAY + MIN, LOOK, A, 0, KNOWN_VALID },
        { DAY + 5 * MIN, LOOK, A, 0, KNOWN_VALID_STALE },
        { DAY + 6 * MIN, LEARN, A, READING_INVALID, 0 },
        { DAY + 6 * MIN, LOOK, A, 0, KNOWN_INVALID },
        { DAY + 7 * MIN, LEARN, A, READING_VALID, 0 },
        { DAY + 7 * MIN, LOOK, A, 0, KNOWN_VALID },
        { 40 * DAY, LEARN, A, READING_INVALID, 0 }, /* long ago */
        { 40 * DAY, LOOK, A, 0, KNOWN_INVALID },
    };
    (void)state;
    tell_story(story, COUNT_OF(story));
}

static void a_dead_user_database_teaches_nothing(void **state)
{
    static const struct moment story[] = {
        { 0, LEARN, A, READING_VALID, 0 },
        { 0, LEARN, B, READING_VALID, 0 },
        { 0, LEARN, C, READING_VALID, 0 },
        { DAY, LEARN, A, READING_INVALID, 0 },
        { DAY + MIN, LEARN, B, READING_INVALID, 0 },
        { DAY + 2 * MIN, LOOK, "new@example.org", 0, KNOWN_NOTHING },
        { DAY + 2 * MIN, LEARN, C, READING_INVALID, 0 },
        { DAY + 3 * MIN, LOOK, "new@example.org", 0, KNOWN_DEAD },
        { DAY + 20 * MIN, LEARN, A, READING_INVALID, 0 }, /* again, and again nothing is learned */
        { DAY + 20 * MIN, LEARN, "new@example.org", READING_INVALID, 0 },
        { DAY + 20 * MIN, LOOK, A, 0, KNOWN_VALID_STALE },
        { DAY + 20 * MIN, LOOK, "new@example.org", 0, KNOWN_DEAD },
        { DAY + 30 * MIN, LEARN, B, READING_VALID, 0 }, /* it is back */
        { DAY + 30 * MIN, LEARN, "new@example.org", READING_INVALID, 0 },
        { DAY + 30 * MIN, LOOK, "new@example.org", 0, KNOWN_INVALID },
        { DAY + 30 * MIN, LOOK, A, 0, KNOWN_VALID_STALE },
    };
    static const struct moment slowly[] = {
        /* three in a year is life */
        { 0, LEARN, A, READING_VALID, 0 },
        { 0, LEARN, B, READING_VALID, 0 },
        { 0, LEARN, C, READING_VALID, 0 },
        { DAY, LEARN, A, READING_INVALID, 0 },
        { 2 * DAY, LEARN, B, READING_INVALID, 0 },
        { 3 * DAY, LEARN, C, READING_INVALID, 0 },
        { 3 * DAY, LOOK, "new@example.org", 0, KNOWN_NOTHING },
    };
    (void)state;
    tell_story(story, COUNT_OF(story));
    tell_story(slowly, COUNT_OF(slowly));
}

/* A, B and C are refused at once. */
static struct recipient_cache *dead_cache(struct kept *kept)
{
    static const char *const names[] = { A, B, C };
    struct recipient_cache *cache = recipient_cache_new(&host, kept);

    for (size_t i = 0; i < COUNT_OF(names); i++)
        recipient_cache_learn(cache, str_from(names[i]), READING_VALID, LEARNED_BY_PROBE, begin_ms);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        recipient_cache_learn(cache, str_from(names[i]), READING_INVALID, LEARNED_BY_PROBE,
                              begin_ms + DAY);
    assert_true(recipient_cache_is_dead(cache));
    return cache;
}

static void a_list_does_not_bring_a_dead_database_back(void **state)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = dead_cache(&kept);
    (void)state;
    recipient_cache_learn(cache, STR(A), READING_VALID, LEARNED_FROM_LIST, begin_ms + DAY);
    recipient_cache_learn(cache, STR(B), READING_VALID, LEARNED_FROM_LIST, begin_ms + DAY);
    recipient_cache_learn(cache, STR(C), READING_VALID, LEARNED_FROM_LIST, begin_ms + DAY);
    assert_true(recipient_cache_is_dead(cache));
    assert_true(recipient_cache_doubtful(cache).len > 0);
    recipient_cache_learn(cache, STR(A), READING_VALID, LEARNED_BY_PROBE, begin_ms + DAY);
    assert_false(recipient_cache_is_dead(cache));
    recipient_cache_free(cache);
}

/* Else nobody would be left whom the primary could be asked about, and it would stay so. */
static void a_database_is_not_dead_without_a_doubt(void **state)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = dead_cache(&kept);
    (void)state;
    recipient_cache_forget(cache, STR(A));
    assert_true(recipient_cache_is_dead(cache));
    recipient_cache_learn(cache, STR(B), READING_VALID, PINNED, begin_ms + DAY);
    assert_true(recipient_cache_is_dead(cache));
    recipient_cache_learn(cache, STR(C), READING_INVALID, PINNED, begin_ms + DAY);
    assert_false(recipient_cache_is_dead(cache));
    recipient_cache_free(cache);
}

static void what_says_nothing_teaches_nothing(void **state)
{
    static const enum reading readings[] = { READING_ANYTHING, READING_UNSURE,    READING_REFUSED,
                                             READING_LATER,    READING_NOT_TRIED, READING_UNWELCOME,
                                             READING_SILENT };
    struct kept kept = { 0 };
    struct recipient_cache *cache = recipient_cache_new(&host, &kept);
    (void)state;
    recipient_cache_learn(cache, STR(A), READING_VALID, LEARNED_BY_PROBE, begin_ms);
    for (size_t i = 0; i < COUNT_OF(readings); i++) {
        recipient_cache_learn(cache, STR(A), readings[i], LEARNED_BY_PROBE, begin_ms + DAY);
        recipient_cache_learn(cache, STR(B), readings[i], LEARNED_BY_PROBE, begin_ms + DAY);
    }
    assert_int_equal(kept.changed, 1);
    assert_int_equal(recipient_cache_look(cache, STR(A), true, &limits, begin_ms + DAY),
                     KNOWN_VALID);
    assert_int_equal(recipient_cache_look(cache, STR(B), true, &limits, begin_ms + DAY),
                     KNOWN_NOTHING);
    recipient_cache_free(cache);
}

static void the_operator_has_the_last_word(void **state)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = recipient_cache_new(&host, &kept);
    (void)state;
    recipient_cache_learn(cache, STR(A), READING_VALID, PINNED, begin_ms);
    recipient_cache_learn(cache, STR(B), READING_INVALID, PINNED, begin_ms);
    recipient_cache_learn(cache, STR(A), READING_INVALID, LEARNED_BY_PROBE, begin_ms + DAY);
    recipient_cache_learn(cache, STR(B), READING_VALID, LEARNED_BY_DELIVERY, begin_ms + DAY);
    recipient_cache_sweep(cache, &limits, begin_ms + 400 * DAY);
    assert_int_equal(recipient_cache_look(cache, STR(A), true, &limits, begin_ms + 400 * DAY),
                     KNOWN_VALID);
    assert_int_equal(recipient_cache_look(cache, STR(B), true, &limits, begin_ms + 400 * DAY),
                     KNOWN_INVALID);
    recipient_cache_learn(cache, STR(A), READING_INVALID, PINNED, begin_ms + 400 * DAY);
    assert_int_equal(recipient_cache_look(cache, STR(A), false, &limits, begin_ms + 400 * DAY),
                     KNOWN_INVALID);
    recipient_cache_free(cache);
}

static void a_domain_that_takes_all_needs_no_asking(void **state)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = recipient_cache_new(&host, &kept);
    (void)state;
    recipient_cache_learn_catch_all(cache, true, begin_ms);
    assert_int_equal(recipient_cache_look(cache, STR(A), true, &limits, begin_ms + DAY),
                     KNOWN_VALID);
    assert_int_equal(recipient_cache_look(cache, STR(A), true, &limits, begin_ms + 8 * DAY),
                     KNOWN_NOTHING);
    recipient_cache_learn_catch_all(cache, false, begin_ms + 8 * DAY);
    assert_int_equal(recipient_cache_look(cache, STR(A), true, &limits, begin_ms + 8 * DAY),
                     KNOWN_NOTHING);
    recipient_cache_free(cache);
}

static void a_control_was_valid_lately_and_is_another(void **state)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = recipient_cache_new(&host, &kept);
    (void)state;
    assert_int_equal(recipient_cache_control(cache, STR(A), begin_ms).len, 0);
    recipient_cache_learn(cache, STR(A), READING_VALID, LEARNED_BY_PROBE, begin_ms);
    recipient_cache_learn(cache, STR(C), READING_VALID, LEARNED_FROM_LIST, begin_ms);
    assert_int_equal(recipient_cache_control(cache, STR(A), begin_ms).len, 0);
    assert_str(recipient_cache_control(cache, STR(B), begin_ms), STR(A));
    assert_int_equal(recipient_cache_control(cache, STR(B), begin_ms + 31 * DAY).len, 0);
    recipient_cache_free(cache);
}

static void what_strangers_make_up_has_an_end(void **state)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = recipient_cache_new(&host, &kept);
    (void)state;
    recipient_cache_learn(cache, STR(A), READING_VALID, LEARNED_BY_PROBE, begin_ms);
    for (int i = 0; i < RECIPIENT_CACHE_INVALID_MAX + 10; i++) {
        struct buf name = { 0 };
        buf_add_format(&name, "x%d@example.org", i);
        recipient_cache_learn(cache, buf_str(&name), READING_INVALID, LEARNED_BY_PROBE,
                              begin_ms + i);
        buf_fini(&name);
    }
    assert_in_range(recipient_cache_count(cache, false), RECIPIENT_CACHE_INVALID_MAX / 2,
                    RECIPIENT_CACHE_INVALID_MAX);
    assert_int_equal(kept.gone, RECIPIENT_CACHE_INVALID_MAX / 2);
    assert_int_equal(recipient_cache_count(cache, true), 1);
    recipient_cache_sweep(cache, &limits, begin_ms + 32 * DAY);
    assert_int_equal(recipient_cache_count(cache, false) + recipient_cache_count(cache, true), 0);
    recipient_cache_free(cache);
}

/* Who gets mail all the time is not written down all the time. */
static void what_is_no_news_is_not_kept_again(void **state)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = recipient_cache_new(&host, &kept);
    (void)state;
    for (int i = 0; i < 1000; i++)
        recipient_cache_learn(cache, STR(A), READING_VALID, LEARNED_BY_DELIVERY, begin_ms + i);
    assert_int_equal(kept.changed, 1);
    recipient_cache_learn(cache, STR(A), READING_FULL, LEARNED_BY_DELIVERY, begin_ms + 1000);
    assert_int_equal(kept.changed, 2);
    recipient_cache_learn(cache, STR(A), READING_FULL, LEARNED_BY_DELIVERY,
                          begin_ms + 2LL * HOUR_MS);
    assert_int_equal(kept.changed, 3);
    recipient_cache_free(cache);
}

static void what_was_kept_comes_back(void **state)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = recipient_cache_new(&host, &kept);
    (void)state;
    recipient_cache_set_reachable(cache, false, begin_ms);
    recipient_cache_set_reachable(cache, true, begin_ms + 5 * DAY);
    recipient_cache_learn(cache, STR(A), READING_FULL, LEARNED_BY_DELIVERY, begin_ms + 5 * DAY);
    assert_true(kept.last.is_full && kept.last.valid_ms == begin_ms);
    struct recipient_cache *again = recipient_cache_new(&host, &kept);
    struct domain_memory memory = { 0 };
    recipient_cache_save(cache, &memory);
    recipient_cache_recall(again, &memory);
    recipient_cache_restore(again, &kept.last);
    assert_int_equal(recipient_cache_look(again, STR(A), true, &limits, begin_ms + 6 * DAY),
                     KNOWN_VALID);
    assert_true(recipient_cache_clock(again, begin_ms + 6 * DAY) == begin_ms + DAY);
    recipient_cache_free(again);
    recipient_cache_free(cache);
}

/* Each time the next ones, until all had their turn; never who is to be asked about. */
static void company_comes_in_turn(void **state)
{
    struct kept kept = { 0 };
    struct recipient_cache *cache = recipient_cache_new(&host, &kept);
    struct str company[3];
    (void)state;
    assert_int_equal(recipient_cache_company(cache, true, &limits, begin_ms, company, 2), 0);
    recipient_cache_learn(cache, STR(A), READING_VALID, LEARNED_BY_PROBE, begin_ms);
    recipient_cache_learn(cache, STR(B), READING_VALID, LEARNED_BY_PROBE, begin_ms + 4 * DAY);
    recipient_cache_learn(cache, STR(C), READING_VALID, LEARNED_BY_PROBE, begin_ms + 4 * DAY);
    recipient_cache_learn(cache, STR("no@example.org"), READING_INVALID, LEARNED_BY_PROBE,
                          begin_ms + 4 * DAY);
    assert_int_equal(recipient_cache_company(cache, true, &limits, begin_ms, company, 2), 2);
    assert_str(company[0], STR(A));
    assert_str(company[1], STR(B));
    assert_int_equal(recipient_cache_company(cache, true, &limits, begin_ms, company, 3), 3);
    assert_str(company[0], STR(C));
    assert_str(company[1], STR(A));
    assert_str(company[2], STR(B));
    recipient_cache_forget(cache, STR(C)); /* whose turn it was */
    assert_int_equal(recipient_cache_company(cache, true, &limits, begin_ms, company, 1), 1);
    assert_str(company[0], STR(A));
    assert_int_equal(recipient_cache_company(cache, true, &limits, begin_ms + 8 * DAY, company, 3),
                     1);
    assert_str(company[0], STR(B)); /* the other one's refresh is due */
    assert_int_equal(recipient_cache_company(cache, false, &limits, begin_ms + 8 * DAY, company, 3),
                     2);
    recipient_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_days_of_outage_age_nothing),
        cmocka_unit_test(a_new_mailbox_is_found_after_five_minutes),
        cmocka_unit_test(one_refusal_makes_nobody_invalid_who_was_valid_lately),
        cmocka_unit_test(a_dead_user_database_teaches_nothing),
        cmocka_unit_test(a_list_does_not_bring_a_dead_database_back),
        cmocka_unit_test(a_database_is_not_dead_without_a_doubt),
        cmocka_unit_test(what_says_nothing_teaches_nothing),
        cmocka_unit_test(the_operator_has_the_last_word),
        cmocka_unit_test(a_domain_that_takes_all_needs_no_asking),
        cmocka_unit_test(a_control_was_valid_lately_and_is_another),
        cmocka_unit_test(what_strangers_make_up_has_an_end),
        cmocka_unit_test(what_is_no_news_is_not_kept_again),
        cmocka_unit_test(what_was_kept_comes_back),
        cmocka_unit_test(company_comes_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
