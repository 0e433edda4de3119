/* SPDX-License-Identifier: ISC */
/* test_lines.c: which session goes over which line (schedule/lines.h). */
#include "testing.h"

#include "schedule/lines.h"

struct fixture {
    struct lines *lines;
    struct now now;
    struct buf events;
};

static void on_want(void *context, uint64_t line)
{
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "want(%u) ", (unsigned)line);
}

static void on_open(void *context, uint64_t session, uint64_t line)
{
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "open(%u %u) ", (unsigned)session, (unsigned)line);
}

static void on_fail(void *context, uint64_t session, bool has_others)
{
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "fail(%u%s) ", (unsigned)session, has_others ? " full" : "");
}

static void on_end(void *context, uint64_t line)
{
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "end(%u) ", (unsigned)line);
}

static void on_dismiss(void *context, uint64_t line)
{
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "dismiss(%u) ", (unsigned)line);
}

static void on_came(void *context, struct str domain, int64_t away_ms)
{
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "came(%.*s", STR_FMT(domain));
    if (away_ms != NEVER_MS)
        buf_add_format(&fixture->events, " %d", (int)away_ms);
    buf_add(&fixture->events, STR(") "));
}

static void on_gone(void *context, struct str domain)
{
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "gone(%.*s) ", STR_FMT(domain));
}

static const struct lines_host host = { .want = on_want,
                                        .open = on_open,
                                        .fail = on_fail,
                                        .end = on_end,
                                        .dismiss = on_dismiss,
                                        .came = on_came,
                                        .gone = on_gone };

static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){ .now = { .mono_ms = 1000 } };
    fixture->lines = lines_new(&host, fixture);
}

static void end(struct fixture *fixture)
{
    lines_free(fixture->lines);
    buf_fini(&fixture->events);
}

static void expect(struct fixture *fixture, const char *want)
{
    assert_str(buf_str(&fixture->events), str_from(want));
    buf_reset(&fixture->events);
}

/* `domains` with blanks between them. */
static enum line_welcome offer(struct fixture *fixture, uint64_t line, const char *instance,
                               const char *domains)
{
    struct str domain[8];
    struct str list = str_from(domains);
    struct line_offer offered = {
        .line = line, .caller = STR("example.org"), .instance = str_from(instance), .domain = domain
    };

    while (str_cut(&list, ' ', &domain[offered.domain_count]))
        offered.domain_count++;
    return lines_offer(fixture->lines, &offered, fixture->now);
}

static void wait(struct fixture *fixture, int64_t ms)
{
    fixture->now.mono_ms += ms;
    lines_tick(fixture->lines, fixture->now);
    for (uint64_t session; lines_overdue(fixture->lines, fixture->now, &session);)
        buf_add_format(&fixture->events, "yield(%u) ", (unsigned)session);
}

/* He has come for what there is: turned round at once, one session after another, and let go. */
static void a_caller_who_has_come(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture);
    assert_int_equal(offer(&fixture, 1, "", "a.example b.example"), LINE_WELCOME);
    expect(&fixture, "came(a.example) came(b.example) want(1) ");
    lines_ask(fixture.lines, 11, STR("a.example"), false, fixture.now);
    lines_ask(fixture.lines, 12, STR("b.example"), false, fixture.now);
    expect(&fixture, "");
    lines_up(fixture.lines, 1, fixture.now);
    expect(&fixture, "open(11 1) ");
    lines_session_over(fixture.lines, 11, true, fixture.now);
    expect(&fixture, "open(12 1) ");
    assert_int_equal(lines_deadline(fixture.lines), NEVER_MS);
    lines_session_over(fixture.lines, 12, true, fixture.now);
    wait(&fixture, 499);
    expect(&fixture, "");
    assert_int_equal(lines_deadline(fixture.lines), fixture.now.mono_ms + 1);
    wait(&fixture, 1);
    expect(&fixture, "end(1) gone(a.example) gone(b.example) ");
    assert_false(lines_serve(fixture.lines, STR("a.example")));
    lines_down(fixture.lines, 1, fixture.now);
    expect(&fixture, "");
    end(&fixture);
}

/* He waits until a session needs him, and is kept for a while. */
static void a_caller_who_waits(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture);
    assert_int_equal(offer(&fixture, 1, "x", "a.example"), LINE_WELCOME);
    assert_int_equal(offer(&fixture, 2, "x", "a.example"), LINE_WELCOME);
    expect(&fixture, "came(a.example) ");
    wait(&fixture, HOUR_MS);
    expect(&fixture, "");
    lines_ask(fixture.lines, 11, STR("a.example"), false, fixture.now);
    expect(&fixture, "want(1) ");
    lines_up(fixture.lines, 1, fixture.now);
    expect(&fixture, "open(11 1) ");
    lines_ask(fixture.lines, 12, STR("a.example"), false, fixture.now);
    expect(&fixture, "want(2) ");
    lines_ask(fixture.lines, 13, STR("a.example"), false, fixture.now);
    expect(&fixture, "fail(13 full) "); /* there are no more lines than that */
    lines_ask(fixture.lines, 14, STR("a.example"), true, fixture.now);
    expect(&fixture, ""); /* it has time */
    lines_session_over(fixture.lines, 11, true, fixture.now);
    expect(&fixture, "open(12 1) ");
    lines_up(fixture.lines, 2, fixture.now);
    expect(&fixture, "open(14 2) ");
    lines_session_over(fixture.lines, 14, true, fixture.now);
    wait(&fixture, 20 * SECOND_MS);
    expect(&fixture, "end(2) ");
    assert_int_equal(offer(&fixture, 3, "x", "a.example"), LINE_WELCOME);
    lines_down(fixture.lines, 2, fixture.now);
    expect(&fixture, "");
    assert_int_equal(lines_count(fixture.lines, STR("a.example")), 2);
    end(&fixture);
}

/* A session that did not end well takes its line with it, and who waits hears that there is none.
 */
static void a_line_breaks(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture);
    lines_ask(fixture.lines, 10, STR("a.example"), true, fixture.now);
    expect(&fixture, "fail(10) ");
    assert_int_equal(offer(&fixture, 1, "x", "a.example"), LINE_WELCOME);
    lines_ask(fixture.lines, 11, STR("a.example"), false, fixture.now);
    lines_up(fixture.lines, 1, fixture.now);
    lines_ask(fixture.lines, 12, STR("a.example"), true, fixture.now);
    expect(&fixture, "came(a.example) want(1) open(11 1) ");
    lines_session_over(fixture.lines, 11, false, fixture.now);
    expect(&fixture, "end(1) fail(12) gone(a.example) ");
    lines_down(fixture.lines, 1, fixture.now);
    fixture.now.mono_ms += 3000;
    assert_int_equal(offer(&fixture, 2, "x", "a.example"), LINE_WELCOME);
    expect(&fixture, "came(a.example 3000) ");
    lines_ask(fixture.lines, 13, STR("a.example"), false, fixture.now);
    lines_down(fixture.lines, 2, fixture.now); /* before it was turned round */
    expect(&fixture, "want(2) fail(13) gone(a.example) ");
    assert_int_equal(offer(&fixture, 3, "", "a.example"), LINE_WELCOME);
    expect(&fixture, "came(a.example) want(3) "); /* he has asked: however short it was */
    end(&fixture);
}

/* A session that nobody needs any more gives up its place, or its line. */
static void a_session_thinks_better_of_it(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture);
    assert_int_equal(offer(&fixture, 1, "x", "a.example"), LINE_WELCOME);
    lines_ask(fixture.lines, 11, STR("a.example"), false, fixture.now);
    lines_session_over(fixture.lines, 11, true, fixture.now);
    lines_up(fixture.lines, 1, fixture.now);
    expect(&fixture, "came(a.example) want(1) ");
    lines_ask(fixture.lines, 12, STR("a.example"), false, fixture.now);
    expect(&fixture, "open(12 1) ");
    lines_session_over(fixture.lines, 99, true, fixture.now);
    lines_up(fixture.lines, 99, fixture.now);
    lines_down(fixture.lines, 99, fixture.now);
    expect(&fixture, "");
    end(&fixture);
}

/* What should have turned it round did not: its caller is to call again, and who waited for it gets
 * another. */
static void a_line_that_is_not_turned_round(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture);
    assert_int_equal(offer(&fixture, 1, "x", "a.example"), LINE_WELCOME);
    assert_int_equal(offer(&fixture, 2, "x", "a.example"), LINE_WELCOME);
    lines_ask(fixture.lines, 11, STR("a.example"), false, fixture.now);
    expect(&fixture, "came(a.example) want(1) ");
    assert_int_equal(lines_deadline(fixture.lines), fixture.now.mono_ms + 30 * SECOND_MS);
    wait(&fixture, 30 * SECOND_MS);
    expect(&fixture, "dismiss(1) want(2) ");
    lines_up(fixture.lines, 1, fixture.now);
    expect(&fixture, "");
    wait(&fixture, 30 * SECOND_MS);
    expect(&fixture, "dismiss(2) fail(11) gone(a.example) ");
    lines_down(fixture.lines, 1, fixture.now);
    lines_down(fixture.lines, 2, fixture.now);
    expect(&fixture, "");
    end(&fixture);
}

static void one_caller_at_a_time(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture);
    assert_int_equal(offer(&fixture, 1, "x", "a.example b.example a.example"), LINE_WELCOME);
    expect(&fixture, "came(a.example) came(b.example) ");
    assert_int_equal(offer(&fixture, 2, "y", "b.example"), LINE_SERVED);
    assert_int_equal(offer(&fixture, 2, "", "c.example a.example"), LINE_SERVED);
    assert_int_equal(offer(&fixture, 2, "y", "c.example"), LINE_WELCOME);
    for (uint64_t line = 3; line < 3 + LINES_OF_CALLER_MAX - 1; line++)
        assert_int_equal(offer(&fixture, line, "x", "a.example"), LINE_WELCOME);
    assert_int_equal(offer(&fixture, 99, "x", "a.example"), LINE_TOO_MANY);
    assert_int_equal(offer(&fixture, 20, "", "d.example"), LINE_WELCOME);
    assert_int_equal(offer(&fixture, 21, "", "d.example"), LINE_SERVED); /* himself, a moment ago */
    lines_down(fixture.lines, 20, fixture.now);
    assert_int_equal(offer(&fixture, 21, "", "d.example"), LINE_WELCOME);
    end(&fixture);
}

/* His secret is another one, or the domain is another one's. */
static void who_may_have_it_changes(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture);
    assert_int_equal(offer(&fixture, 1, "x", "a.example"), LINE_WELCOME);
    assert_int_equal(offer(&fixture, 2, "x", "a.example b.example"), LINE_WELCOME);
    lines_ask(fixture.lines, 11, STR("a.example"), false, fixture.now);
    lines_up(fixture.lines, 1, fixture.now);
    expect(&fixture, "came(a.example) came(b.example) want(1) open(11 1) ");
    lines_dismiss(fixture.lines, STR("c.example"), fixture.now);
    expect(&fixture, "");
    lines_dismiss(fixture.lines, STR("b.example"), fixture.now);
    expect(&fixture, "dismiss(2) gone(b.example) ");
    lines_dismiss(fixture.lines, STR("example.org"), fixture.now); /* as whom he has called */
    expect(&fixture, "end(1) gone(a.example) ");
    lines_session_over(fixture.lines, 11, true, fixture.now);
    lines_down(fixture.lines, 1, fixture.now);
    lines_down(fixture.lines, 2, fixture.now);
    expect(&fixture, "");
    end(&fixture);
}

/* One with much mail does not keep the others waiting for ever. */
static void they_take_turns(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture);
    assert_int_equal(offer(&fixture, 1, "", "a.example b.example"), LINE_WELCOME);
    lines_up(fixture.lines, 1, fixture.now);
    lines_ask(fixture.lines, 11, STR("a.example"), false, fixture.now);
    expect(&fixture, "came(a.example) came(b.example) want(1) open(11 1) ");
    wait(&fixture, 60000); /* nobody else wants it */
    expect(&fixture, "");
    lines_ask(fixture.lines, 12, STR("b.example"), false, fixture.now);
    assert_int_equal(lines_deadline(fixture.lines), fixture.now.mono_ms + 1000);
    wait(&fixture, 1000);
    expect(&fixture, "yield(11) ");
    wait(&fixture, 1000); /* it is asked once */
    expect(&fixture, "");
    lines_session_over(fixture.lines, 11, true, fixture.now);
    lines_ask(fixture.lines, 13, STR("a.example"), false, fixture.now);
    expect(&fixture, "open(12 1) ");
    wait(&fixture, 4999);
    expect(&fixture, "");
    wait(&fixture, 1000);
    expect(&fixture, "yield(12) ");
    lines_session_over(fixture.lines, 12, true, fixture.now);
    expect(&fixture, "open(13 1) ");
    assert_int_equal(lines_deadline(fixture.lines), NEVER_MS);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_caller_who_has_come),
        cmocka_unit_test(a_caller_who_waits),
        cmocka_unit_test(a_line_breaks),
        cmocka_unit_test(a_session_thinks_better_of_it),
        cmocka_unit_test(a_line_that_is_not_turned_round),
        cmocka_unit_test(one_caller_at_a_time),
        cmocka_unit_test(who_may_have_it_changes),
        cmocka_unit_test(they_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
