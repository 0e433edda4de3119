/* SPDX-License-Identifier: ISC */
/* test_verifier.c: recipients asked about at a primary that is a table of words. */
#include "testing.h"

#include <string.h>

#include "verify/verifier.h"

#define WHO   "a@example.org"
#define OTHER "b@example.org"
#define LIMIT 20 /* unknown-per-network */

enum { ASKED_MAX = 200 };

struct word { /* what the primary says of an address */
    const char *address;
    enum probe_stage stage;
    uint16_t code;
    const char *text;
};

struct fixture {
    struct verifier *verifier;
    struct random random;
    struct now now;
    struct domain_settings settings;
    const struct word *words; /* the first that fits; address NULL: any */
    uint64_t inquiry[ASKED_MAX];
    char address[ASKED_MAX][64];
    unsigned asked, told;
    unsigned answered, recipients_changed, memory_changed, voided;
    uint64_t last_asker;
    struct verifier_answer answer;
    unsigned events[VERIFIER_USERS_BACK + 1];
};

static void on_answered(void *context, uint64_t asker, const struct verifier_answer *answer)
{
    struct fixture *fixture = context;

    fixture->answered++;
    fixture->last_asker = asker;
    fixture->answer = *answer;
}

static void on_inquire(void *context, uint64_t inquiry, struct str domain, struct str address)
{
    struct fixture *fixture = context;

    assert_str(domain, STR("example.org"));
    assert_true(fixture->asked < ASKED_MAX);
    fixture->inquiry[fixture->asked] = inquiry;
    (void)snprintf(fixture->address[fixture->asked++], 64, "%.*s", STR_FMT(address));
}

static void on_changed(void *context, const struct known_recipient *recipient, bool is_gone)
{
    struct fixture *fixture = context;
    (void)recipient;
    (void)is_gone;
    fixture->recipients_changed++;
}

static void on_memory(void *context, struct str domain)
{
    struct fixture *fixture = context;
    (void)domain;
    fixture->memory_changed++;
}

static void on_void(void *context, struct str domain)
{
    struct fixture *fixture = context;
    (void)domain;
    fixture->voided++;
}

static void on_event(void *context, struct str domain, enum verifier_event event,
                     const struct verdict *said)
{
    struct fixture *fixture = context;
    (void)domain;
    (void)said;
    fixture->events[event]++;
}

static const struct verifier_host host = {
    .answered = on_answered,
    .inquire = on_inquire,
    .recipient_changed = on_changed,
    .memory_changed = on_memory,
    .answers_void = on_void,
    .event = on_event,
};

static void put(struct fixture *fixture)
{
    verifier_put_domain(fixture->verifier, STR("example.org"), &fixture->settings, NULL,
                        fixture->now);
}

static void primary_is(struct fixture *fixture, bool is_up)
{
    verifier_set_primary(fixture->verifier, STR("example.org"), is_up, STR("192.0.2.1:25"),
                         fixture->now);
}

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    random_from_seed(&fixture->random, 1);
    fixture->now = (struct now){ .mono_ms = 1000000, .wall_ms = 1700000000000 };
    fixture->verifier = verifier_new(&host, fixture, &fixture->random);
    put(fixture);
    primary_is(fixture, true);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    verifier_free(fixture->verifier);
    test_free(fixture);
    return 0;
}

static void pass(struct fixture *fixture, int64_t ms)
{
    fixture->now.mono_ms += ms;
    fixture->now.wall_ms += ms;
    verifier_tick(fixture->verifier, fixture->now);
}

/* The primary says its word on all that it was asked. */
static void primary_speaks(struct fixture *fixture)
{
    while (fixture->told < fixture->asked) {
        unsigned i = fixture->told++;
        const struct word *word = fixture->words;
        while (word->address != NULL && strcmp(word->address, fixture->address[i]) != 0)
            word++;
        struct verdict verdict = verdict_from_reply(word->code, str_from(word->text));
        verifier_told(fixture->verifier, fixture->inquiry[i], word->stage, &verdict, fixture->now);
    }
}

/* The code that is answered; 0: none yet. */
static unsigned ask_from(struct fixture *fixture, const char *network, const char *address)
{
    static uint64_t last_asker;
    uint64_t asker = ++last_asker;
    struct verifier_answer answer = { 0 };
    struct verifier_question question = { .asker = asker,
                                          .domain = STR("example.org"),
                                          .network = str_from(network),
                                          .address = str_from(address) };

    unsigned before = fixture->answered;
    if (verifier_ask(fixture->verifier, &question, fixture->now, &answer)) {
        fixture->answer = answer;
        return answer.verdict.code;
    }
    if (fixture->words != NULL)
        primary_speaks(fixture);
    return fixture->answered > before ? fixture->answer.verdict.code : 0;
}

static unsigned ask(struct fixture *fixture, const char *address)
{
    return ask_from(fixture, "192.0.2.0/24", address);
}

#define YES     250, "2.1.5 fine"
#define NO_USER 550, "5.1.1 no such user"

static const struct word knows_a_and_b[] = {
    { WHO, PROBE_RCPT, YES },
    { OTHER, PROBE_RCPT, YES },
    { NULL, PROBE_RCPT, NO_USER },
};
static const struct word knows_nobody[] = { { NULL, PROBE_RCPT, NO_USER } };

/* Both are known, and that not everybody is taken. */
static void learn_both(struct fixture *fixture)
{
    fixture->words = knows_a_and_b;
    assert_int_equal(ask(fixture, WHO), 250);
    assert_int_equal(ask(fixture, OTHER), 250);
    primary_speaks(fixture);
}

static void the_primary_is_asked_once_and_remembered(void **state)
{
    struct fixture *fixture = *state;

    learn_both(fixture);
    unsigned asked = fixture->asked;
    for (int i = 0; i < 100; i++)
        assert_int_equal(ask(fixture, i % 2 ? WHO : "A@example.org"), 250);
    assert_true(fixture->answer.holds);
    assert_int_equal(ask(fixture, "x@example.org"), 550);
    assert_int_equal(ask(fixture, "x@example.org"), 550);
    assert_int_equal(fixture->asked, asked + 1);
}

static void who_asks_at_the_same_time_shares_the_answer(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(fixture, "x@example.org"), 0);
    assert_int_equal(fixture->asked, 1);
    fixture->words = knows_nobody;
    primary_speaks(fixture);
    assert_int_equal(fixture->answered, 5);
    assert_int_equal(fixture->answer.verdict.code, 550);
}

static void a_new_mailbox_is_found_after_five_minutes(void **state)
{
    static const struct word knows_x[] = { { NULL, PROBE_RCPT, YES } };
    struct fixture *fixture = *state;

    learn_both(fixture);
    assert_int_equal(ask(fixture, "x@example.org"), 550);
    fixture->words = knows_x;
    pass(fixture, 5 * MINUTE_MS - 1);
    assert_int_equal(ask(fixture, "x@example.org"), 550);
    pass(fixture, 1);
    assert_int_equal(ask(fixture, "x@example.org"), 250);
}

static void while_it_is_down_memory_decides(void **state)
{
    struct fixture *fixture = *state;

    learn_both(fixture);
    assert_int_equal(ask(fixture, "x@example.org"), 550);
    primary_is(fixture, false);
    pass(fixture, 30LL * DAY_MS); /* the clock stands still */
    assert_int_equal(ask(fixture, WHO), 250);
    assert_true(fixture->answer.holds);
    assert_int_equal(ask(fixture, "x@example.org"), 550);
    assert_int_equal(ask(fixture, "never@example.org"), 250);
    assert_true(fixture->answer.is_suspect);
    assert_false(fixture->answer.holds);
}

static void suspects_have_a_budget(void **state)
{
    struct fixture *fixture = *state;

    assert_true(setting_put_number(&fixture->settings, SETTING_SUSPECTS_PER_NETWORK, 3));
    assert_true(setting_put_number(&fixture->settings, SETTING_SUSPECTS_PER_DOMAIN, 5));
    put(fixture);
    primary_is(fixture, false);
    assert_int_equal(ask(fixture, "a1@example.org"), 250);
    assert_int_equal(ask(fixture, "a2@example.org"), 250);
    assert_int_equal(ask(fixture, "a3@example.org"), 250);
    assert_int_equal(ask(fixture, "a4@example.org"), 450);
    for (int i = 0; i < 10; i++) /* who is counted is not counted again */
        assert_int_equal(ask(fixture, "A1@example.org"), 250);
    assert_int_equal(ask_from(fixture, "198.51.100.0/24", "a5@example.org"), 250);
    assert_int_equal(ask_from(fixture, "198.51.100.0/24", "a6@example.org"), 250);
    assert_int_equal(ask_from(fixture, "198.51.100.0/24", "a7@example.org"), 450);
    pass(fixture, HOUR_MS);
    assert_int_equal(ask(fixture, "a4@example.org"), 250);
}

static void suspects_can_be_sent_away(void **state)
{
    static const struct {
        enum setting_suspects setting;
        unsigned code;
    } cases[] = { { SUSPECTS_ACCEPT, 250 }, { SUSPECTS_DEFER, 450 }, { SUSPECTS_REFUSE, 550 } };
    struct fixture *fixture = *state;

    primary_is(fixture, false);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(setting_put_number(&fixture->settings, SETTING_SUSPECTS, cases[i].setting));
        put(fixture);
        assert_int_equal(ask(fixture, "x@example.org"), cases[i].code);
    }
}

static void a_dictionary_is_answered_twenty_times(void **state)
{
    struct fixture *fixture = *state;
    unsigned refused = 0;
    unsigned later = 0;

    fixture->words = knows_a_and_b;
    for (int i = 0; i < 10000; i++) {
        char address[64];
        (void)snprintf(address, sizeof address, "word%d@example.org", i);
        unsigned code = ask(fixture, address);
        refused += code == 550;
        later += code == 450;
    }
    assert_int_equal(refused + later, 10000);
    assert_in_range(refused, LIMIT - 2, LIMIT);
    assert_true(fixture->asked <= LIMIT);
    assert_int_equal(ask_from(fixture, "198.51.100.0/24", WHO), 250);
}

static void a_valid_answer_returns_the_credit(void **state)
{
    struct fixture *fixture = *state;
    static const struct word everybody[] = { { NULL, PROBE_RCPT, YES } };

    learn_both(fixture);
    fixture->words = everybody;
    for (int i = 0; i < 3 * LIMIT; i++) {
        char address[64];
        (void)snprintf(address, sizeof address, "person%d@example.org", i);
        assert_int_equal(ask(fixture, address), 250);
    }
}

/* A hundred at once, of one network: twenty questions are open, the others wait for theirs. */
static void who_has_many_questions_open_waits_with_the_next(void **state)
{
    static const struct word everybody[] = { { "person99@example.org", PROBE_RCPT, NO_USER },
                                             { NULL, PROBE_RCPT, YES } };
    struct fixture *fixture = *state;

    learn_both(fixture);
    fixture->words = NULL;
    unsigned answered = fixture->answered;
    for (int i = 0; i < 100; i++) {
        char address[64];
        (void)snprintf(address, sizeof address, "person%d@example.org", i);
        assert_int_equal(ask(fixture, address), 0);
    }
    assert_true(fixture->asked - fixture->told <= LIMIT);
    fixture->words = everybody;
    primary_speaks(fixture);
    assert_int_equal(fixture->answered - answered, 100);
    assert_int_equal(fixture->answer.verdict.code, 550); /* the last one */
    fixture->words = NULL;
    for (int i = 0; i < 100; i++) { /* and with a primary that goes away */
        char address[64];
        (void)snprintf(address, sizeof address, "other%d@example.org", i);
        assert_int_equal(ask(fixture, address), 0);
    }
    primary_is(fixture, false);
    assert_int_equal(fixture->answered - answered, 200);
    assert_true(fixture->answer.is_suspect);
}

static void a_slow_primary_is_not_waited_for_longer_than_its_limit(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, "x@example.org"), 0);
    pass(fixture, 6 * SECOND_MS - 1);
    assert_int_equal(fixture->answered, 0);
    pass(fixture, 1);
    assert_int_equal(fixture->answered, 1);
    assert_int_equal(fixture->answer.verdict.code, 450);
    fixture->words = knows_nobody; /* its word comes late, and is remembered */
    primary_speaks(fixture);
    assert_int_equal(fixture->answered, 1);
    unsigned asked = fixture->asked;
    assert_int_equal(ask(fixture, "x@example.org"), 0); /* as slowly as the primary itself */
    pass(fixture, 2 * SECOND_MS);
    assert_int_equal(fixture->answer.verdict.code, 550);
    assert_int_equal(fixture->asked, asked);
}

static void a_primary_that_goes_away_makes_suspects(void **state)
{
    static const struct word silent[] = { { NULL, PROBE_CONNECT, 451, "4.4.1 no answer" } };
    struct fixture *fixture = *state;

    fixture->words = silent;
    assert_int_equal(ask(fixture, "x@example.org"), 250);
    assert_true(fixture->answer.is_suspect);
    assert_int_equal(fixture->events[VERIFIER_SILENT], 1);
}

static void a_bare_refusal_needs_a_control(void **state)
{
    static const struct word bare[] = { { WHO, PROBE_RCPT, YES },
                                        { OTHER, PROBE_RCPT, YES },
                                        { NULL, PROBE_RCPT, 550, "no" } };
    struct fixture *fixture = *state;

    learn_both(fixture);
    fixture->words = bare;
    pass(fixture, 2 * MINUTE_MS);
    unsigned asked = fixture->asked;
    assert_int_equal(ask(fixture, "x@example.org"), 550);
    assert_int_equal(fixture->asked, asked + 2); /* it, and one that is known */
    assert_int_equal(ask(fixture, "y@example.org"), 550);
    assert_int_equal(fixture->asked, asked + 4); /* it may have begun to refuse us since */
}

static void a_primary_that_refuses_us_is_told_from_one_that_refuses_him(void **state)
{
    static const struct word banned[] = { { NULL, PROBE_RCPT, 550, "5.7.1 go away" } };
    static const struct word strict[] = { { WHO, PROBE_RCPT, YES },
                                          { OTHER, PROBE_RCPT, YES },
                                          { NULL, PROBE_RCPT, 550, "5.7.1 not for him" } };
    struct fixture *fixture = *state;

    learn_both(fixture);
    fixture->words = strict;
    assert_int_equal(ask(fixture, "x@example.org"), 550);
    assert_int_equal(fixture->events[VERIFIER_UNWELCOME], 0);

    fixture->words = banned;
    pass(fixture, 2 * MINUTE_MS);
    assert_int_equal(ask(fixture, "y@example.org"), 250);
    assert_true(fixture->answer.is_suspect);
    assert_int_equal(fixture->events[VERIFIER_UNWELCOME], 1);
    unsigned asked = fixture->asked;
    assert_int_equal(ask(fixture, WHO), 250);
    assert_int_equal(ask(fixture, "z@example.org"), 250);
    assert_int_equal(fixture->asked, asked); /* it is left alone */

    fixture->words = knows_a_and_b;
    pass(fixture, 16 * MINUTE_MS);
    primary_speaks(fixture);
    assert_int_equal(fixture->events[VERIFIER_WELCOME], 1);
    assert_int_equal(ask(fixture, "z@example.org"), 550);
}

static void a_door_that_is_shut_is_about_us(void **state)
{
    static const struct word shut[] = { { NULL, PROBE_GREETING, 554, "5.7.1 blocked" } };
    struct fixture *fixture = *state;

    learn_both(fixture);
    fixture->words = shut;
    assert_int_equal(ask(fixture, "x@example.org"), 250);
    assert_true(fixture->answer.is_suspect);
    assert_int_equal(fixture->events[VERIFIER_UNWELCOME], 1);
    assert_int_equal(ask(fixture, WHO), 250);
}

static void a_dead_user_database_refuses_and_forgets_nobody(void **state)
{
    struct fixture *fixture = *state;

    fixture->words = knows_a_and_b;
    learn_both(fixture);
    static const struct word with_c[] = { { NULL, PROBE_RCPT, YES } };
    fixture->words = with_c;
    assert_int_equal(ask(fixture, "c@example.org"), 250);

    fixture->words = knows_nobody;
    pass(fixture, 8LL * DAY_MS); /* those who are known are asked about again */
    assert_int_equal(ask(fixture, "x@example.org"), 451);
    assert_int_equal(fixture->events[VERIFIER_USERS_GONE], 1);
    assert_int_equal(ask(fixture, WHO), 250);
    assert_int_equal(ask(fixture, OTHER), 250);
    assert_int_equal(ask(fixture, "c@example.org"), 250);
    assert_int_equal(ask(fixture, "y@example.org"), 451);

    fixture->words = with_c;
    pass(fixture, MINUTE_MS);
    primary_speaks(fixture);
    assert_int_equal(fixture->events[VERIFIER_USERS_BACK], 1);
    fixture->words = knows_a_and_b;
    (void)ask(fixture, "x@example.org");
    pass(fixture, 2 * SECOND_MS); /* as slowly as its last word came */
    assert_int_equal(fixture->answer.verdict.code, 550);
}

static void a_primary_that_takes_all_is_asked_once(void **state)
{
    static const struct word everybody[] = { { NULL, PROBE_RCPT, YES } };
    struct fixture *fixture = *state;
    struct verifier_status status;

    fixture->words = everybody;
    assert_int_equal(ask(fixture, WHO), 250);
    primary_speaks(fixture);
    assert_int_equal(fixture->asked, 2); /* and somebody whom nobody knows */
    for (int i = 0; i < 50; i++) {
        char address[64];
        (void)snprintf(address, sizeof address, "any%d@example.org", i);
        assert_int_equal(ask(fixture, address), 250);
    }
    assert_int_equal(fixture->asked, 2);
    assert_true(verifier_status(fixture->verifier, STR("example.org"), fixture->now, &status));
    assert_true(status.takes_all);
    assert_int_equal(status.valid, 1);
}

static void what_a_primary_tolerates_is_not_exceeded(void **state)
{
    struct fixture *fixture = *state;

    assert_true(setting_put_number(&fixture->settings, SETTING_CALLOUT_REFUSALS, 4));
    put(fixture);
    learn_both(fixture);
    fixture->words = knows_a_and_b;
    unsigned refused = fixture->told - 2;
    for (int i = 0; i < 100; i++) {
        char network[32];
        char address[64];
        (void)snprintf(network, sizeof network, "10.%d.0.0/16", i);
        (void)snprintf(address, sizeof address, "word%d@example.org", i);
        refused += ask_from(fixture, network, address) == 550;
    }
    assert_int_equal(refused, 4);
    assert_int_equal(ask(fixture, "last@example.org"), 450);
    pass(fixture, 10LL * MINUTE_MS);
    assert_int_equal(ask(fixture, "last@example.org"), 550);
}

static void deliveries_teach(void **state)
{
    struct fixture *fixture = *state;
    struct verdict taken = verdict_accept();
    struct verdict refused = verdict_from_reply(550, STR("5.1.1 who?"));

    verifier_delivered(fixture->verifier, STR("Seen@example.org"), &taken, fixture->now);
    verifier_delivered(fixture->verifier, STR("gone@example.org"), &refused, fixture->now);
    assert_int_equal(ask(fixture, "seen@example.org"), 250);
    assert_int_equal(ask(fixture, "gone@example.org"), 550);
    assert_int_equal(fixture->asked, 0);
}

static void who_is_refused_after_all_is_told_to_the_host(void **state)
{
    struct fixture *fixture = *state;

    learn_both(fixture);
    unsigned voided = fixture->voided;
    verifier_learn(fixture->verifier, STR(WHO), READING_INVALID, PINNED, fixture->now);
    assert_int_equal(fixture->voided, voided + 1);
    assert_int_equal(ask(fixture, WHO), 550);
}

static void the_postmaster_is_always_there(void **state)
{
    struct fixture *fixture = *state;

    fixture->words = knows_nobody;
    assert_int_equal(ask(fixture, "Postmaster@example.org"), 250);
    assert_int_equal(fixture->asked, 0);
}

static void nothing_is_left_when_a_domain_goes(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, "x@example.org"), 0);
    verifier_remove_domain(fixture->verifier, STR("example.org"), fixture->now);
    assert_int_equal(fixture->answered, 1);
    assert_int_equal(fixture->answer.verdict.code, 450);
    fixture->words = knows_a_and_b;
    primary_speaks(fixture); /* too late */
    assert_int_equal(fixture->answered, 1);
}

static void who_has_gone_is_not_answered(void **state)
{
    struct fixture *fixture = *state;
    struct verifier_answer answer;
    struct verifier_question question = { .asker = UINT64_MAX,
                                          .domain = STR("example.org"),
                                          .network = STR("n"),
                                          .address = STR("x@example.org") };

    assert_false(verifier_ask(fixture->verifier, &question, fixture->now, &answer));
    verifier_forget_asker(fixture->verifier, UINT64_MAX);
    fixture->words = knows_a_and_b;
    primary_speaks(fixture);
    pass(fixture, MINUTE_MS);
    assert_int_equal(fixture->answered, 0);
}

static void a_control_can_be_asked_for(void **state)
{
    struct fixture *fixture = *state;

    learn_both(fixture);
    unsigned answered = fixture->answered;
    assert_true(verifier_ask_control(fixture->verifier, STR("example.org"), 77777, fixture->now));
    primary_speaks(fixture);
    assert_int_equal(fixture->answered, answered + 1);
    assert_int_equal(fixture->last_asker, 77777);
    assert_int_equal(fixture->answer.reading, READING_VALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_primary_is_asked_once_and_remembered),
        TEST(who_asks_at_the_same_time_shares_the_answer),
        TEST(a_new_mailbox_is_found_after_five_minutes),
        TEST(while_it_is_down_memory_decides),
        TEST(suspects_have_a_budget),
        TEST(suspects_can_be_sent_away),
        TEST(a_dictionary_is_answered_twenty_times),
        TEST(a_valid_answer_returns_the_credit),
        TEST(who_has_many_questions_open_waits_with_the_next),
        TEST(a_slow_primary_is_not_waited_for_longer_than_its_limit),
        TEST(a_primary_that_goes_away_makes_suspects),
        TEST(a_bare_refusal_needs_a_control),
        TEST(a_primary_that_refuses_us_is_told_from_one_that_refuses_him),
        TEST(a_door_that_is_shut_is_about_us),
        TEST(a_dead_user_database_refuses_and_forgets_nobody),
        TEST(a_primary_that_takes_all_is_asked_once),
        TEST(what_a_primary_tolerates_is_not_exceeded),
        TEST(deliveries_teach),
        TEST(who_is_refused_after_all_is_told_to_the_host),
        TEST(the_postmaster_is_always_there),
        TEST(nothing_is_left_when_a_domain_goes),
        TEST(who_has_gone_is_not_answered),
        TEST(a_control_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
