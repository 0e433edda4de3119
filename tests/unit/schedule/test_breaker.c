/* SPDX-License-Identifier: ISC */
/* When the breaker trips, and how long a canary waits. */
#include "testing.h"

#include "base/clock.h"
#include "schedule/breaker.h"

/* t taken, r refused, d disliked, u unknown; the number of the note that trips it, or 0. */
static size_t trips_at(const char *notes)
{
    struct breaker breaker = { 0 };

    for (size_t i = 0; notes[i] != '\0'; i++) {
        enum breaker_note note = notes[i] == 't'   ? BREAKER_TAKEN
                                 : notes[i] == 'r' ? BREAKER_REFUSED
                                 : notes[i] == 'd' ? BREAKER_DISLIKED
                                                   : BREAKER_UNKNOWN;
        if (breaker_note(&breaker, note, 0, 1000))
            return i + 1;
    }
    return 0;
}

static void trips_at_five_of_twenty(void **state)
{
    (void)state;
    assert_int_equal(trips_at("rrrr"), 0);
    assert_int_equal(trips_at("rrrrr"), 5);
    assert_int_equal(trips_at("rdrdr"), 5);
    assert_int_equal(trips_at("ddddd"), 5);
    assert_int_equal(trips_at("rtttrtttrtttrtttttttr"), 0); /* the first is 20 before the last */
    assert_int_equal(trips_at("rtttrtttrtttrttttttr"), 20); /* 19 */
    assert_int_equal(trips_at("rtttttrtttttrtttttrtttttrtttttrtttttrttttt"), 0); /* every sixth */
}

static void unknown_recipients_count_in_a_row_alone(void **state)
{
    (void)state;
    assert_int_equal(trips_at("uuuuuuuuuuuuuuuuuuu"), 0);
    assert_int_equal(trips_at("uuuuuuuuuuuuuuuuuuuu"), 20);
    assert_int_equal(trips_at("uuuuuuuuuutuuuuuuuuuuuuuuuuuuu"), 0);
    assert_int_equal(trips_at("uuuuuuuuuuuuuuurrrr"), 0);
    assert_int_equal(trips_at("uuuuuuuuuuuuuuuurrrr"), 20);
}

static void says_whether_anybody_was_known(void **state)
{
    struct breaker breaker = { 0 };

    (void)state;
    for (int i = 0; i < 20; i++)
        (void)breaker_note(&breaker, BREAKER_UNKNOWN, 0, 7);
    assert_true(breaker.is_tripped && breaker.was_unknown);
    assert_int_equal(breaker.tripped_ms, 7);
    assert_false(breaker_note(&breaker, BREAKER_REFUSED, 0, 8)); /* once is enough */
    breaker = (struct breaker){ 0 };
    for (int i = 0; i < 5; i++)
        (void)breaker_note(&breaker, BREAKER_REFUSED, 0, 7);
    assert_true(breaker.is_tripped && !breaker.was_unknown);
}

static void a_refused_control_is_enough_after_four_in_a_row(void **state)
{
    struct breaker breaker = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++)
        (void)breaker_note(&breaker, BREAKER_UNKNOWN, 0, 7);
    assert_false(breaker_doubt(&breaker, 8));
    (void)breaker_note(&breaker, BREAKER_TAKEN, 0, 8);
    (void)breaker_note(&breaker, BREAKER_UNKNOWN, 0, 8);
    assert_false(breaker_doubt(&breaker, 8));
    for (int i = 0; i < 3; i++)
        (void)breaker_note(&breaker, BREAKER_UNKNOWN, 0, 9);
    assert_true(breaker_doubt(&breaker, 10));
    assert_true(breaker.is_tripped && breaker.was_unknown);
    assert_int_equal(breaker.tripped_ms, 10);
    assert_false(breaker_doubt(&breaker, 11)); /* once is enough */
}

static uint32_t unknown_until_it_trips(struct breaker *breaker, uint32_t under_way)
{
    uint32_t count = 1;

    while (!breaker_note(breaker, BREAKER_UNKNOWN, under_way, 1))
        count++;
    return count;
}

static void bears_more_unknown_ones_of_who_was_found_sane(void **state)
{
    struct breaker breaker = { 0 };

    (void)state;
    assert_int_equal(unknown_until_it_trips(&breaker, 7), 34);
    breaker_close(&breaker);
    assert_int_equal(unknown_until_it_trips(&breaker, 0), 80);
    breaker_close(&breaker);
    assert_int_equal(unknown_until_it_trips(&breaker, 0), 320);
    for (int i = 0; i < 10; i++) {
        breaker_close(&breaker);
        (void)unknown_until_it_trips(&breaker, 0);
    }
    breaker_close(&breaker);
    assert_int_equal(unknown_until_it_trips(&breaker, 0), 20 * 4096);
    breaker_close(&breaker);
    for (int i = 0; i < 5; i++) /* it refuses those that it has: all is forgotten */
        (void)breaker_note(&breaker, BREAKER_REFUSED, 0, 1);
    breaker_close(&breaker);
    assert_int_equal(unknown_until_it_trips(&breaker, 0), 20);
    breaker_close(&breaker);
    for (int i = 0; i < 4; i++)
        (void)breaker_note(&breaker, BREAKER_UNKNOWN, 0, 1);
    assert_true(breaker_doubt(&breaker, 1)); /* and so it is if a control is refused */
    breaker_close(&breaker);
    assert_int_equal(unknown_until_it_trips(&breaker, 0), 80);
}

static void pauses_grow_until_twenty_went_well(void **state)
{
    static const int64_t wanted_s[] = { 30, 60, 120, 240, 300, 300 };
    struct breaker breaker = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof wanted_s / sizeof *wanted_s; i++)
        assert_int_equal(breaker_pause(&breaker), wanted_s[i] * SECOND_MS);
    breaker_close(&breaker);
    for (int i = 0; i < 19; i++)
        (void)breaker_note(&breaker, BREAKER_TAKEN, 0, 1);
    assert_int_equal(breaker_pause(&breaker), 300 * SECOND_MS);
    (void)breaker_note(&breaker, BREAKER_TAKEN, 0, 1);
    assert_int_equal(breaker_pause(&breaker), 30 * SECOND_MS);
}

static uint32_t until_it_trips(struct breaker *breaker, enum breaker_note note)
{
    uint32_t count = 1;

    while (!breaker_note(breaker, note, 0, 1))
        count++;
    return count;
}

static void bears_with_a_primary_that_filters(void **state)
{
    struct breaker breaker = { 0 };

    (void)state;
    for (uint32_t wanted = 5; wanted <= 20; wanted *= 2) {
        assert_int_equal(until_it_trips(&breaker, BREAKER_DISLIKED), wanted);
        (void)breaker_pause(&breaker);
        breaker_close(&breaker);
    }
    assert_int_equal(until_it_trips(&breaker, BREAKER_REFUSED), 5);
    (void)breaker_pause(&breaker);
    breaker_close(&breaker);
    for (int i = 0; i < 20; i++)
        (void)breaker_note(&breaker, BREAKER_TAKEN, 0, 1);
    assert_int_equal(until_it_trips(&breaker, BREAKER_DISLIKED), 5);
    for (int i = 0; i < 4; i++) /* three canaries were refused: it was broken */
        (void)breaker_pause(&breaker);
    breaker_close(&breaker);
    assert_int_equal(until_it_trips(&breaker, BREAKER_DISLIKED), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trips_at_five_of_twenty),
        cmocka_unit_test(unknown_recipients_count_in_a_row_alone),
        cmocka_unit_test(says_whether_anybody_was_known),
        cmocka_unit_test(a_refused_control_is_enough_after_four_in_a_row),
        cmocka_unit_test(bears_more_unknown_ones_of_who_was_found_sane),
        cmocka_unit_test(pauses_grow_until_twenty_went_well),
        cmocka_unit_test(bears_with_a_primary_that_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
