/* SPDX-License-Identifier: ISC */
/* test_control.c: what each operation answers and what it asks of the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "control/fake.h"
#include "control/line.h"
#include "control/request.h"

static void ignore_line(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static int set_up(void **state)
{
    log_set_sink(ignore_line, NULL);
    *state = fake_new();
    return 0;
}

static int tear_down(void **state)
{
    fake_free(*state);
    return 0;
}

/* The answer (the last line of it) parsed. Quotation marks in requests are written '. */
static json_t *ask(struct fake *fake, const char *request)
{
    struct buf line = { 0 };

    buf_add(&line, str_from(request));
    for (size_t i = 0; i < line.len; i++)
        line.ptr[i] = line.ptr[i] == '\'' ? '"' : line.ptr[i];
    buf_reset(&fake->answers);
    control_request(fake->control, 7, buf_str(&line), fake_now());
    fake_turn(fake);
    buf_fini(&line);
    json_t *answer = json_loadb(fake->answers.ptr, fake->answers.len, 0, NULL);
    assert_non_null(answer);
    return answer;
}

static void assert_ok(struct fake *fake, const char *request)
{
    json_t *answer = ask(fake, request);
    if (!json_is_true(json_object_get(answer, "ok")))
        print_error("%.*s", STR_FMT(buf_str(&fake->answers)));
    assert_true(json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
}

static void assert_fails(struct fake *fake, const char *request, const char *code)
{
    json_t *answer = ask(fake, request);
    json_t *error = json_object_get(answer, "error");
    assert_true(json_is_false(json_object_get(answer, "ok")));
    assert_string_equal(json_string_value(json_object_get(error, "code")), code);
    assert_true(json_string_length(json_object_get(error, "text")) > 10);
    json_decref(answer);
}

static void assert_events(struct fake *fake, const char *expected)
{
    buf_add_byte(&fake->events, '\0');
    assert_string_equal(fake->events.ptr, expected);
    buf_reset(&fake->events);
}

static void assert_holds(const struct fake *fake, const char *part)
{
    if (memmem(fake->answers.ptr, fake->answers.len, part, strlen(part)) == NULL)
        print_error("%.*slacks: %s\n", STR_FMT(buf_str(&fake->answers)), part);
    assert_non_null(memmem(fake->answers.ptr, fake->answers.len, part, strlen(part)));
}

#define ADD                                                                                        \
    "{'op':'domain.add','name':'Example.ORG.','primary':['127.0.0.1:2526','Mail.example.org:26']," \
    "'set':{'hold':'3d','sessions':5}}"

static void refuses_what_it_does_not_understand(void **state)
{
    static const char *const cases[][2] = {
        { "", "bad-request" },
        { "[]", "bad-request" },
        { "{'op':'version'", "bad-request" },
        { "{'op':'version','op':'status'}", "bad-request" },
        { "{}", "unknown-operation" },
        { "{'op':5}", "unknown-operation" },
        { "{'op':'domain.ad','name':'x.org'}", "unknown-operation" },
        { "{'op':'version','name':'x'}", "unknown-argument" },
        { "{'op':'domain.add'}", "missing-argument" },
        { "{'op':'domain.add','name':'nodot'}", "bad-argument" },
        { "{'op':'domain.add','name':5}", "bad-argument" },
        { "{'op':'domain.add','name':'x.org','primary':'y'}", "bad-argument" },
        { "{'op':'domain.add','name':'x.org','primary':['y']}", "bad-primary" },
        { "{'op':'domain.add','name':'x.org','primary':[5]}", "bad-primary" },
        { "{'op':'domain.add','name':'x.org','primary':['y.org:0']}", "bad-primary" },
        { "{'op':'domain.add','name':'x.org','primary':['y.org:99999']}", "bad-primary" },
        { "{'op':'domain.add','name':'x.org','primary':['y.org,tls=dane']}", "bad-primary" },
        { "{'op':'domain.add','name':'x.org','primary':['','','','','','','','','']}",
          "bad-primary" },
        { "{'op':'domain.add','name':'x.org','set':{'hold':'1m'}}", "bad-setting" },
        { "{'op':'domain.add','name':'x.org','set':{'hold':[]}}", "bad-setting" },
        { "{'op':'domain.add','name':'x.org','set':{'holt':'1d'}}", "no-such-setting" },
        { "{'op':'domain.show','name':'x.org'}", "no-such-domain" },
        { "{'op':'domain.set','name':'x.org'}", "no-such-domain" },
        { "{'op':'domain.remove','name':'x.org'}", "no-such-domain" },
        { "{'op':'domain.pause','name':'x.org'}", "no-such-domain" },
        { "{'op':'domain.check','name':'x.org'}", "no-such-domain" },
        { "{'op':'queue.flush','domain':'x.org'}", "no-such-domain" },
        { "{'op':'queue.list','state':'lost'}", "bad-argument" },
        { "{'op':'queue.list','limit':0}", "bad-argument" },
        { "{'op':'queue.list','after':'x'}", "bad-argument" },
        { "{'op':'queue.list','recipient':'anna'}", "bad-argument" },
        { "{'op':'queue.show','id':'x'}", "bad-argument" },
        { "{'op':'queue.show','id':'01KAM0000000000000000000ZZ'}", "no-such-message" },
        { "{'op':'queue.release','id':'01KAM0000000000000000000ZZ'}", "no-such-message" },
        { "{'op':'queue.export','id':'01KAM0000000000000000000ZZ'}", "no-such-message" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(*state, cases[i][0], cases[i][1]);
    assert_events(*state, "");
}

static void suggests_what_was_meant(void **state)
{
    json_decref(ask(*state, "{'op':'domain.ad','name':'x.org'}"));
    assert_holds(*state, "did you mean domain.add?");
    json_decref(ask(*state, "{'op':'domain.add','name':'x.org','set':{'holt':'1d'}}"));
    assert_holds(*state, "did you mean hold?");
}

static void adds_a_domain_and_shows_it(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, ADD);
    assert_events(fake, "changed example.org\n");
    assert_fails(fake, ADD, "domain-exists");
    assert_ok(fake, "{'op':'domain.show','name':'EXAMPLE.org'}");
    assert_holds(fake, "\"primary\":[\"127.0.0.1:2526\",\"mail.example.org:26\"]");
    assert_holds(fake, "\"set\":{\"hold\":\"3d\",\"sessions\":\"5\"}");
    assert_holds(fake, "\"rescue\":\"30d\"");
    assert_holds(fake, "\"added\":\"2025-11-21T21:20:00.000Z\"");
    assert_holds(fake, "\"held\":1");
    assert_holds(fake, "\"state\":\"unknown\"");
}

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* What was learned of a primary is not lost because it is named once more. */
static void keeps_pins_of_a_primary_that_is_named_again(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, ADD);
    assert_ok(fake, "{'op':'domain.set','name':'example.org',"
                    "'primary':['mx.example.org,tls-pin=key:" HEX "','127.0.0.1:26']}");
    assert_ok(fake, "{'op':'domain.set','name':'example.org',"
                    "'primary':['127.0.0.1:26','MX.example.org,tls=must']}");
    assert_holds(fake, "\"primary\":[\"127.0.0.1:26\","
                       "\"mx.example.org,tls=must,tls-pin=key:" HEX "\"]");
    assert_ok(fake, "{'op':'domain.set','name':'example.org',"
                    "'primary':['127.0.0.1:26','mx.example.org,tls-pin=none']}");
    assert_holds(fake, "\"primary\":[\"127.0.0.1:26\",\"mx.example.org\"]");
}

static void changes_only_what_is_said(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, ADD);
    assert_fails(fake, "{'op':'domain.set','name':'example.org'}", "nothing-to-do");
    assert_ok(fake, "{'op':'domain.set','name':'example.org','set':{'hold':null}}");
    assert_holds(fake, "\"set\":{\"sessions\":\"5\"}");
    assert_holds(fake, "\"primary\":[\"127.0.0.1:2526\",\"mail.example.org:26\"]");
    assert_ok(fake, "{'op':'domain.set','name':'example.org','primary':[]}");
    assert_holds(fake, "\"primary\":[]");
    assert_holds(fake, "\"set\":{\"sessions\":\"5\"}");
    assert_events(fake, "changed example.org\nchanged example.org\nchanged example.org\n");
}

static void removing_is_refused_while_mail_is_held(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, ADD);
    assert_fails(fake, "{'op':'domain.remove','name':'example.org'}", "mail-held");
    assert_ok(fake, "{'op':'domain.remove','name':'example.org','force':true}");
    assert_events(fake, "changed example.org\nchanged example.org\n");
    assert_ok(fake, "{'op':'queue.list','domain':'example.org'}");
    assert_holds(fake, FAKE_HELD);
    assert_ok(fake, "{'op':'status'}");
    assert_holds(fake, "\"state\":\"removed\"");
}

static void pauses_for_a_while_or_until_resumed(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, ADD);
    assert_ok(fake, "{'op':'domain.pause','name':'example.org','until':'2h'}");
    assert_holds(fake, "\"paused\":\"2025-11-21T23:20:00.000Z\"");
    assert_ok(fake,
              "{'op':'domain.pause','name':'example.org','until':'2025-11-22T06:00:00+01:00'}");
    assert_holds(fake, "\"paused\":\"2025-11-22T05:00:00.000Z\"");
    assert_ok(fake, "{'op':'domain.pause','name':'example.org'}");
    assert_holds(fake, "\"paused\":true");
    assert_fails(fake, "{'op':'domain.pause','name':'example.org','until':'soon'}", "bad-time");
    assert_fails(fake, "{'op':'domain.pause','name':'example.org','until':'2001-01-01T00:00Z'}",
                 "bad-time");
    assert_ok(fake, "{'op':'domain.resume','name':'example.org'}");
    assert_holds(fake, "\"paused\":false");
    assert_holds(fake, "\"set\":{\"hold\":\"3d\",\"sessions\":\"5\"}");
    assert_events(fake, "changed example.org\npaused example.org 1763767200000\n"
                        "paused example.org 1763787600000\n"
                        "paused example.org 9223372036854775807\npaused example.org 0\n");
}

static void check_shows_the_route(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, ADD);
    assert_fails(fake, "{'op':'domain.check','name':'example.org'}", "no-route");
    fake->knows_routes = true;
    fake->route.state = ROUTE_STATE_DOWN;
    fake->route.reason = verdict_make(450, 4, 4, STR("best MX is us"));
    assert_ok(fake, "{'op':'domain.check','name':'example.org'}");
    assert_holds(fake, "\"problem\":\"no host is known");
    fake->route.plan_known = true;
    fake->route.target_count = 1;
    fake->route.target[0] = (struct route_target_status){ .host = STR("mail.example.org"),
                                                          .preference = 10,
                                                          .answers = true };
    assert_true(endpoint_from_text(STR("192.0.2.1:25"), 0, &fake->route.target[0].endpoint));
    assert_ok(fake, "{'op':'domain.check','name':'example.org'}");
    assert_holds(fake, "\"problem\":null");
    assert_holds(fake, "\"endpoint\":\"192.0.2.1:25\"");
}

static void lists_domains_in_pages(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, "{'op':'domain.add','name':'b.org'}");
    assert_ok(fake, "{'op':'domain.add','name':'a.org'}");
    assert_ok(fake, "{'op':'domain.add','name':'c.org'}");
    assert_ok(fake, "{'op':'domain.list','limit':2}");
    assert_holds(fake, "\"after\":\"b.org\"");
    assert_ok(fake, "{'op':'domain.list','limit':2,'after':'b.org'}");
    assert_holds(fake, "\"name\":\"c.org\"");
    assert_holds(fake, "\"after\":null");
}

static void tells_the_state_of_the_node(void **state)
{
    struct fake *fake = *state;

    fake->knows_routes = true;
    assert_ok(fake, ADD);
    assert_ok(fake, "{'op':'status'}");
    assert_holds(fake, "\"hostname\":\"mx2.example.net\"");
    assert_holds(fake, "\"name\":\"receiver-1\",\"pid\":42");
    assert_holds(fake, "\"uptime_s\":5");
    assert_holds(fake, "\"condition\":\"ok\"");
    assert_holds(fake, "\"routes\":{\"domains\":1,\"up\":1,\"shaky\":0,\"down\":0,\"half-up\":0,"
                       "\"blocked\":0,\"stranger\":0,\"paused\":0");
    assert_ok(fake, "{'op':'version'}");
    assert_holds(fake, HOLDFAST_VERSION);
}

static void lists_messages_in_pages(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, "{'op':'queue.list','limit':1}");
    assert_holds(fake, FAKE_HELD);
    assert_holds(fake, "\"last_answer\":\"450 4.2.0 greylisted\"");
    assert_holds(fake, "\"after\":\"1763750000000.1\"");
    assert_ok(fake, "{'op':'queue.list','limit':1,'after':'1763750000000.1'}");
    assert_holds(fake, FAKE_RESCUED);
    assert_holds(fake, "\"after\":null");
    assert_ok(fake, "{'op':'queue.list','state':'rescued','recipient':'dora@Example.ORG'}");
    assert_holds(fake, FAKE_RESCUED);
}

static void shows_a_message_with_hostile_bytes_escaped(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, "{'op':'queue.show','id':'" FAKE_HELD "'}");
    assert_holds(fake, "\"address\":\"Anna@example.org\",\"state\":\"held\"");
    assert_holds(fake, "\"address\":\"carl@example.net\",\"state\":\"rescued\"");
    assert_holds(fake, "evil\\\\x1b[2J\\\\xff");
    assert_holds(fake, "\"domain\":\"example.net\"");
}

static void releases_and_discards_per_domain(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, "{'op':'queue.release','id':'" FAKE_HELD "'}");
    assert_holds(fake, "\"recipients\":1");
    assert_events(fake, "settle 3 example.net 2 -> 1 pending 0 rescued\n");
    assert_ok(fake, "{'op':'queue.discard','id':'" FAKE_HELD "'}");
    assert_holds(fake, "\"recipients\":3");
    assert_events(fake, "settle 4 example.org 0 1 -> 0 pending 0 rescued\n"
                        "settle 4 example.net 2 -> 0 pending 0 rescued\n");
    assert_ok(fake, "{'op':'queue.discard','id':'" FAKE_HELD "','recipient':'bob@EXAMPLE.org'}");
    assert_events(fake, "settle 4 example.org 1 -> 1 pending 0 rescued\n");
    assert_ok(fake, "{'op':'queue.discard','id':'" FAKE_HELD "','domain':'example.net'}");
    assert_events(fake, "settle 4 example.net 2 -> 0 pending 0 rescued\n");
    assert_fails(fake, "{'op':'queue.release','id':'" FAKE_HELD "','domain':'example.org'}",
                 "nothing-to-do");
    assert_fails(fake, "{'op':'queue.discard','id':'" FAKE_HELD "','recipient':'anna@example.org'}",
                 "nothing-to-do");
    assert_events(fake, "");
}

static void bounces_per_domain_and_says_who_was_told(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, "{'op':'queue.bounce','id':'" FAKE_HELD "'}");
    assert_holds(fake, "\"recipients\":3");
    assert_holds(fake, "\"notices\":[{\"sent\":true,\"why\":null},{\"sent\":true,\"why\":null}]");
    assert_events(fake, "tell and settle 2 example.org 0 1 -> 0 pending 2 rescued\n"
                        "tell and settle 2 example.net 2 -> 0 pending 1 rescued\n");
    fake->why = STR("unproved");
    assert_ok(fake, "{'op':'queue.bounce','id':'" FAKE_HELD "','recipient':'bob@EXAMPLE.org'}");
    assert_holds(fake, "\"notices\":[{\"sent\":false,\"why\":\"unproved\"}]");
    assert_events(fake, "tell and settle 2 example.org 1 -> 1 pending 1 rescued\n");
    assert_fails(fake, "{'op':'queue.bounce','id':'" FAKE_HELD "','recipient':'anna@example.org'}",
                 "nothing-to-do");
    assert_events(fake, "");
}

static void flush_wakes_one_or_all(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, ADD);
    assert_ok(fake, "{'op':'queue.flush'}");
    assert_ok(fake, "{'op':'queue.flush','domain':'example.org'}");
    assert_events(fake, "changed example.org\nwake \nwake example.org\n");
}

static void exports_piece_by_piece(void **state)
{
    struct fake *fake = *state;

    assert_ok(fake, "{'op':'queue.export','id':'" FAKE_HELD "'}");
    assert_holds(fake, "\"size\":18");
    assert_true(fake->more);
    for (int pieces = 0; fake->more; pieces++) {
        assert_true(pieces < 10);
        control_continue(fake->control, 7);
        fake_turn(fake);
    }
    assert_holds(fake, "\"data\":\"U3ViamU=\"");
    assert_holds(fake, "\"done\":true");
    assert_int_equal(fake->open_readers, 0);
    control_continue(fake->control, 7); /* harmless */
}

static void a_cancelled_request_is_done_without_an_answer(void **state)
{
    static const char *const requests[] = {
        "{\"op\":\"queue.show\",\"id\":\"" FAKE_HELD "\"}",
        "{\"op\":\"queue.export\",\"id\":\"" FAKE_HELD "\"}",
        "{\"op\":\"queue.discard\",\"id\":\"" FAKE_HELD "\"}",
        "{\"op\":\"queue.list\"}",
        "{\"op\":\"domain.add\",\"name\":\"x.org\"}",
    };
    struct fake *fake = *state;

    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        control_request(fake->control, i, str_from(requests[i]), fake_now());
        control_cancel(fake->control, i);
        control_cancel(fake->control, i);
    }
    fake_turn(fake);
    assert_int_equal(fake->answers.len, 0);
    assert_int_equal(fake->open_readers, 0);
    assert_non_null(directory_find_domain(fake->directory, STR("x.org")));

    control_request(fake->control, 9, str_from(requests[1]), fake_now());
    fake_turn(fake);
    control_cancel(fake->control, 9);
    assert_int_equal(fake->open_readers, 0);
}

static void requests_may_outlive_the_control(void **state)
{
    struct fake *fake = *state;

    control_request(fake->control, 1, STR("{\"op\":\"queue.list\"}"), fake_now());
    control_request(fake->control, 2, STR("{\"op\":\"domain.add\",\"name\":\"x.org\"}"),
                    fake_now());
    control_request(fake->control, 3, STR("{\"op\":\"queue.discard\",\"id\":\"" FAKE_HELD "\"}"),
                    fake_now());
    control_request(fake->control, 4, STR("{\"op\":\"queue.show\",\"id\":\"" FAKE_HELD "\"}"),
                    fake_now());
    control_free(fake->control);
    fake->control = NULL;
    fake_turn(fake);
    assert_int_equal(fake->answers.len, 0);
}

static void every_operation_has_help(void **state)
{
    const char *name;
    const char *help;
    size_t cursor = 0;
    int count = 0;
    (void)state;
    while (control_next_operation(&cursor, &name, &help)) {
        assert_true(strlen(help) > 5);
        count++;
    }
    assert_int_equal(count, 33);
}

static void a_backup_keeps_files_until_its_end(void **state)
{
    struct fake *fake = *state;

    assert_fails(fake, "{'op':'backup.go-on','number':1}", "backup-expired");
    assert_fails(fake, "{'op':'backup.end'}", "backup-expired");
    json_t *answer = ask(fake, "{'op':'backup.begin'}");
    const json_t *file = json_array_get(json_object_get(answer, "files"), 0);
    assert_int_equal(json_integer_value(json_object_get(answer, "number")), 1);
    assert_string_equal(json_string_value(json_object_get(file, "name")), "00000001.seg");
    assert_int_equal(json_integer_value(json_object_get(file, "size")), 8192);
    json_decref(answer);
    assert_fails(fake, "{'op':'backup.begin'}", "backup-running");
    assert_ok(fake, "{'op':'backup.go-on','number':1}");
    assert_fails(fake, "{'op':'backup.end','number':2}", "backup-expired");
    assert_true(fake->is_pinned);
    assert_ok(fake, "{'op':'backup.end','number':1}");
    assert_false(fake->is_pinned);
    assert_ok(fake, "{'op':'backup.begin'}");
    fake->is_pinned = false; /* too long without a word */
    assert_fails(fake, "{'op':'backup.end','number':2}", "backup-expired");
}

static void understands_points_in_time(void **state)
{
    static const struct {
        const char *text;
        int64_t wall_ms; /* -1: refused */
    } cases[] = {
        { "2h", (FAKE_WALL_MS + 7200) * 1000LL },
        { "2025-11-21T21:20:00Z", FAKE_WALL_MS * 1000LL },
        { "2025-11-21 21:20", FAKE_WALL_MS * 1000LL },
        { "2025-11-21t21:20:00.999z", FAKE_WALL_MS * 1000LL },
        { "2025-11-21T22:20:00+01:00", FAKE_WALL_MS * 1000LL },
        { "2025-11-21T19:50:00-01:30", FAKE_WALL_MS * 1000LL },
        { "2024-02-29T00:00Z", 1709164800000 },
        { "2025-02-29T00:00Z", -1 },
        { "2025-13-01T00:00Z", -1 },
        { "2025-11-21T24:00Z", -1 },
        { "2025-11-21", -1 },
        { "2025-11-21T21:20:00Zulu", -1 },
        { "2025-11-21T21:20:00+1:00", -1 },
        { "99999w", -1 },
        { "tomorrow", -1 },
        { "", -1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t wall_ms = -1;
        bool ok = when_parse(str_from(cases[i].text), fake_now(), &wall_ms);
        assert_int_equal(ok, cases[i].wall_ms >= 0);
        assert_int_equal(wall_ms, cases[i].wall_ms);
    }
}

static void cuts_a_stream_into_lines(void **state)
{
    struct control_lines lines = { .size_max = 5 };
    struct str line;
    (void)state;
    control_lines_feed(&lines, STR("ab"));
    assert_false(control_lines_next(&lines, &line));
    control_lines_feed(&lines, STR("c\n\n12345\nx"));
    assert_true(control_lines_next(&lines, &line));
    assert_true(str_equals(line, STR("abc")));
    assert_true(control_lines_next(&lines, &line));
    assert_true(str_equals(line, STR("12345")));
    assert_false(control_lines_next(&lines, &line));
    assert_false(control_lines_too_long(&lines));
    control_lines_feed(&lines, STR("23456"));
    assert_false(control_lines_next(&lines, &line));
    assert_true(control_lines_too_long(&lines));
    control_lines_feed(&lines, STR("\n"));
    assert_false(control_lines_next(&lines, &line));
    assert_true(control_lines_too_long(&lines));
    control_lines_fini(&lines);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#define TEMPLATE(rest) "{'op':'domain.template-set','name':'example.org'," rest "}"

static void keeps_a_text_without_mistakes(void **state)
{
    assert_ok(*state, ADD);
    assert_ok(*state, "{'op':'domain.template','name':'example.org','occasion':'down'}");
    assert_holds(*state, "\"language\":\"en\",\"own\":false,\"text\":\"Subject: {domain}:");
    assert_ok(*state,
              TEMPLATE("'occasion':'down','language':'de','text':'Subject: Aus\\n\\n{reason}'"));
    assert_holds(*state, "\"own\":true,\"text\":\"Subject: Aus\\n\\n{reason}\"");
    assert_fails(*state,
                 TEMPLATE("'occasion':'down','language':'de',"
                          "'text':'Subject: Aus\\n\\nx {raeson}'"),
                 "bad-template");
    assert_holds(*state, "mistakes:\\nline 3, column 3: there is no {raeson}; write {reason}");
    assert_ok(*state, "{'op':'domain.set','name':'example.org','set':{'language':'de'}}");
    assert_ok(*state, "{'op':'domain.template','name':'example.org','occasion':'down'}");
    assert_holds(*state, "\"own\":true,\"text\":\"Subject: Aus");
    assert_ok(*state, TEMPLATE("'occasion':'down','text':''"));
    assert_holds(*state, "\"own\":false");
    assert_fails(*state, TEMPLATE("'occasion':'dwon','text':''"), "no-such-text");
    assert_holds(*state, "did you mean down?");
    assert_fails(*state, TEMPLATE("'occasion':'down','language':'fr','text':''"), "bad-argument");
    assert_fails(*state, "{'op':'domain.template','name':'example.net','occasion':'down'}",
                 "no-such-domain");
}

static void makes_a_secret_once_or_when_told(void **state)
{
    assert_ok(*state, "{'op':'domain.add','name':'example.net'}");
    buf_reset(&((struct fake *)*state)->events);
    assert_ok(*state, "{'op':'domain.webhook-secret','name':'example.net'}");
    assert_holds(*state, "\"secret\":\"first\"");
    assert_ok(*state, "{'op':'domain.webhook-secret','name':'example.net'}");
    assert_holds(*state, "\"secret\":\"first\"");
    assert_ok(*state, "{'op':'domain.webhook-secret','name':'example.net','new':true}");
    assert_holds(*state, "\"secret\":\"second\"");
    assert_ok(*state, "{'op':'domain.show','name':'example.net'}");
    assert_null(memmem(((struct fake *)*state)->answers.ptr, ((struct fake *)*state)->answers.len,
                       "\"second\"", 8));
}

static void addresses_are_told_shown_and_forgotten(void **state)
{
    struct fake *fake = *state;

    assert_fails(fake, "{'op':'domain.address','name':'example.com'}", "no-such-domain");
    assert_ok(fake, "{'op':'domain.add','name':'example.net'}");
    assert_ok(fake, "{'op':'domain.address','name':'example.net'}");
    assert_holds(fake, "\"address\":null");
    assert_fails(fake, "{'op':'domain.address','name':'example.net','addresses':['nowhere']}",
                 "bad-address");
    assert_fails(fake, "{'op':'domain.address','name':'example.net','addresses':[1]}",
                 "bad-address");
    assert_fails(fake, "{'op':'domain.address','name':'example.net','addresses':[]}",
                 "bad-address");
    assert_fails(fake,
                 "{'op':'domain.address','name':'example.net',"
                 "'addresses':['::1','::2','::3','::4','::5']}",
                 "bad-address");
    assert_fails(fake, "{'op':'domain.address','name':'example.net','addresses':['192.0.2.7:26']}",
                 "unprovable");
    assert_fails(fake,
                 "{'op':'domain.address','name':'example.net','addresses':['::1'],'forget':true}",
                 "bad-argument");
    assert_ok(fake, "{'op':'domain.address','name':'example.net',"
                    "'addresses':['192.0.2.7:25','2001:db8::7']}");
    assert_holds(fake, "\"news\":true");
    assert_holds(fake, "{\"address\":\"192.0.2.7:25\",\"state\":\"trying\"");
    assert_ok(fake, "{'op':'domain.address','name':'example.net',"
                    "'addresses':['192.0.2.7:25','2001:db8::7']}");
    assert_holds(fake, "\"news\":false");
    assert_ok(fake, "{'op':'domain.show','name':'example.net'}");
    assert_holds(fake, "\"address\":{\"told\":");
    assert_ok(fake, "{'op':'domain.address','name':'example.net','forget':true}");
    assert_holds(fake, "\"address\":null");
    assert_ok(fake, "{'op':'domain.address','name':'example.net','forget':true}");
}

static void shows_the_secret_of_a_domain_when_it_is_made(void **state)
{
    struct fake *fake = *state;

    assert_fails(fake, "{'op':'domain.secret','name':'example.net'}", "no-such-domain");
    assert_ok(fake, "{'op':'domain.add','name':'example.net'}");
    assert_ok(fake, "{'op':'domain.secret','name':'example.net'}");
    assert_holds(fake, "\"secret\":\"5ec2e7\"");
    assert_ok(fake, "{'op':'domain.show','name':'example.net'}");
    assert_null(memmem(fake->answers.ptr, fake->answers.len, "5ec2e7", 6));
}

static void warns_of_an_owner_who_would_not_read_it(void **state)
{
    struct fake *fake = *state;

    fake->knows_routes = true;
    fake->route.state = ROUTE_STATE_DOWN;
    assert_ok(fake, ADD);
    assert_holds(fake, "\"warnings\":[]");
    assert_ok(fake, "{'op':'domain.add','name':'example.net','set':{'owner':'a@example.net'}}");
    assert_holds(fake, "a@example.net is in the domain itself");
    assert_ok(fake, "{'op':'domain.set','name':'example.net','set':{'hold':'1d'}}");
    assert_holds(fake, "\"warnings\":[]"); /* once is enough */
    assert_ok(fake, "{'op':'domain.set','name':'example.net','set':{'owner':'a@example.org'}}");
    assert_holds(fake, "whose primary does not answer now");
    fake->route.state = ROUTE_STATE_UP;
    assert_ok(fake, "{'op':'domain.set','name':'example.net','set':{'owner':'a@example.org'}}");
    assert_holds(fake, "\"warnings\":[]");
    assert_ok(fake, "{'op':'domain.set','name':'example.net','set':{'owner':'a@x.example'}}");
    assert_holds(fake, "\"warnings\":[]");
    assert_ok(fake, "{'op':'domain.set','name':'example.net','set':{'owner':'none'}}");
    assert_holds(fake, "\"warnings\":[]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refuses_what_it_does_not_understand),
        TEST(suggests_what_was_meant),
        TEST(adds_a_domain_and_shows_it),
        TEST(keeps_a_text_without_mistakes),
        TEST(makes_a_secret_once_or_when_told),
        TEST(addresses_are_told_shown_and_forgotten),
        TEST(shows_the_secret_of_a_domain_when_it_is_made),
        TEST(warns_of_an_owner_who_would_not_read_it),
        TEST(keeps_pins_of_a_primary_that_is_named_again),
        TEST(changes_only_what_is_said),
        TEST(removing_is_refused_while_mail_is_held),
        TEST(pauses_for_a_while_or_until_resumed),
        TEST(check_shows_the_route),
        TEST(lists_domains_in_pages),
        TEST(tells_the_state_of_the_node),
        TEST(lists_messages_in_pages),
        TEST(shows_a_message_with_hostile_bytes_escaped),
        TEST(releases_and_discards_per_domain),
        TEST(bounces_per_domain_and_says_who_was_told),
        TEST(flush_wakes_one_or_all),
        TEST(exports_piece_by_piece),
        TEST(a_backup_keeps_files_until_its_end),
        TEST(a_cancelled_request_is_done_without_an_answer),
        TEST(requests_may_outlive_the_control),
        cmocka_unit_test(every_operation_has_help),
        cmocka_unit_test(understands_points_in_time),
        cmocka_unit_test(cuts_a_stream_into_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
