/* SPDX-License-Identifier: ISC */
/* test_call.c: a primary calls its backup (call/call.h). */
#include "testing.h"

#include "call/call.h"

struct fixture {
    struct call *call;
    struct now now;
    struct buf said, events;
};

static void on_send(void *context, struct str bytes)
{
    struct fixture *fixture = context;
    buf_add(&fixture->said, bytes);
}

static void on_start_tls(void *context)
{
    struct fixture *fixture = context;
    buf_add(&fixture->events, STR("tls "));
}

static void on_waits(void *context)
{
    struct fixture *fixture = context;
    buf_add(&fixture->events, STR("waits "));
}

static void on_turned(void *context, struct str rest)
{
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "turned(%.*s) ", STR_FMT(rest));
}

static void on_over(void *context, enum call_end end, struct str why)
{
    static const char *const name[] = { [CALL_LOST] = "lost",
                                        [CALL_LATER] = "later",
                                        [CALL_REFUSED] = "refused",
                                        [CALL_STRANGER] = "stranger" };
    struct fixture *fixture = context;
    buf_add_format(&fixture->events, "%s(%.*s) ", name[end], STR_FMT(why));
}

static const struct call_host host = { .send = on_send,
                                       .start_tls = on_start_tls,
                                       .waits = on_waits,
                                       .turned = on_turned,
                                       .over = on_over };

static const struct call_settings settings = { .hostname = { "home", 4 },
                                               .user = { "user", 4 },
                                               .secret = { "secret", 6 },
                                               .domains = { "a.example,b.example", 19 },
                                               .instance = { "i1", 2 } };

static void begin(struct fixture *fixture, bool is_secure)
{
    *fixture = (struct fixture){ .now = { .mono_ms = 1000 } };
    fixture->call = call_new(&settings, &host, fixture, is_secure, fixture->now);
}

static void end(struct fixture *fixture)
{
    call_free(fixture->call);
    buf_fini(&fixture->said);
    buf_fini(&fixture->events);
}

static void hear(struct fixture *fixture, const char *bytes)
{
    call_feed(fixture->call, str_from(bytes), fixture->now);
}

static void expect(struct fixture *fixture, const char *said, const char *events)
{
    assert_str(buf_str(&fixture->said), str_from(said));
    assert_str(buf_str(&fixture->events), str_from(events));
    buf_reset(&fixture->said);
    buf_reset(&fixture->events);
}

#define OFFERS "250-mx\r\n250-AUTH LOGIN PLAIN\r\n250-ATRN WAIT\r\n250 ENHANCEDSTATUSCODES\r\n"

static void from_the_banner_to_the_turn(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, false);
    hear(&fixture, "220 mx ESMTP\r\n");
    expect(&fixture, "EHLO home\r\n", "");
    hear(&fixture, "250-mx\r\n250-START");
    hear(&fixture, "TLS\r\n250 ATRN WAIT\r\n");
    expect(&fixture, "STARTTLS\r\n", "");
    hear(&fixture, "220 2.0.0 Go ahead\r\n");
    expect(&fixture, "", "tls ");
    call_secured(fixture.call, fixture.now);
    expect(&fixture, "EHLO home\r\n", "");
    hear(&fixture, OFFERS);
    expect(&fixture, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "");
    hear(&fixture, "235 2.7.0 Welcome\r\n");
    expect(&fixture, "ATRN a.example,b.example WAIT=i1\r\n", "waits ");
    assert_int_equal(call_deadline(fixture.call), NEVER_MS);
    hear(&fixture, "250 2.0.0 OK now reversing the connection\r\nEHLO mx\r\n");
    expect(&fixture, "", "turned(EHLO mx\r\n) ");
    end(&fixture);
}

/* The secret goes to nobody who has not shown, over TLS, who he is. */
static void the_secret_is_kept(void **state)
{
    static const struct {
        bool is_secure;
        const char *greeting, *said, *events;
    } cases[] = {
        { false, "250-mx\r\n250 AUTH PLAIN\r\n", "", "stranger(It offers no STARTTLS) " },
        { true, "250-mx\r\n250 ATRN WAIT\r\n", "",
          "refused(Nobody can log in there: no domain has a secret) " },
        { true, "250-mx\r\n250-ATRN\r\n250 AUTH PLAIN\r\n", "",
          "stranger(It offers no ATRN WAIT; is this where primaries call?) " },
        { true, "250-mx\r\n250-ATRN WAIT\r\n250 AUTH LOGIN\r\n", "",
          "refused(Nobody can log in there: no domain has a secret) " },
        { true, "502 What\r\n", "", "refused(502 What) " },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture fixture;
        begin(&fixture, cases[i].is_secure);
        hear(&fixture, "220 mx\r\n");
        expect(&fixture, "EHLO home\r\n", "");
        hear(&fixture, cases[i].greeting);
        expect(&fixture, cases[i].said, cases[i].events);
        hear(&fixture, OFFERS); /* nothing follows */
        expect(&fixture, "", "");
        end(&fixture);
    }
}

static void what_the_backup_may_say(void **state)
{
    static const struct {
        const char *to_auth, *to_atrn, *events;
    } cases[] = {
        { "535 5.7.8 Wrong\r\n", NULL, "refused(535 Wrong) " },
        { "454 4.7.0 Later\r\n", NULL, "later(454 Later) " },
        { "250 Hm\r\n", NULL, "lost(Its answer to AUTH makes no sense) " },
        { "235 Yes\r\n", "450 4.7.1 b.example is not yours\r\n",
          "waits refused(450 b.example is not yours) " },
        { "235 Yes\r\n", "451 4.3.0 Another one\r\n", "waits later(451 Another one) " },
        { "235 Yes\r\n", "421 4.3.2 Shutting down\r\n", "waits later(421 Shutting down) " },
        { "235 Yes\r\n", "what?\r\n", "waits lost(It does not speak SMTP) " },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture fixture;
        begin(&fixture, true);
        hear(&fixture, "220 mx\r\n" OFFERS);
        buf_reset(&fixture.said);
        hear(&fixture, cases[i].to_auth);
        if (cases[i].to_atrn != NULL)
            hear(&fixture, cases[i].to_atrn);
        buf_reset(&fixture.said);
        expect(&fixture, "", cases[i].events);
        end(&fixture);
    }
}

/* Who has no secret is known by the certificate that TLS has shown. */
static void by_a_certificate(void **state)
{
    static const struct call_settings keyed = { .hostname = { "home", 4 },
                                                .user = { "a.example", 9 },
                                                .instance = { "i1", 2 } };
    struct fixture fixture = { .now = { .mono_ms = 1000 } };
    (void)state;
    fixture.call = call_new(&keyed, &host, &fixture, true, fixture.now);
    hear(&fixture, "220 mx\r\n250-mx\r\n250-AUTH PLAIN LOGIN EXTERNAL\r\n250 ATRN WAIT\r\n");
    expect(&fixture, "EHLO home\r\nAUTH EXTERNAL YS5leGFtcGxl\r\n", "");
    hear(&fixture, "235 Yes\r\n");
    expect(&fixture, "ATRN WAIT=i1\r\n", "waits ");
    end(&fixture);
    fixture = (struct fixture){ .now = { .mono_ms = 1000 } };
    fixture.call = call_new(&keyed, &host, &fixture, true, fixture.now);
    hear(&fixture, "220 mx\r\n" OFFERS);
    expect(&fixture, "EHLO home\r\n",
           "refused(Nobody is known there by a certificate (client-pin)) ");
    end(&fixture);
}

static void nothing_comes(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, true);
    fixture.now.mono_ms += MINUTE_MS - 1;
    call_tick(fixture.call, fixture.now);
    expect(&fixture, "", "");
    fixture.now.mono_ms++;
    assert_int_equal(call_deadline(fixture.call), fixture.now.mono_ms);
    call_tick(fixture.call, fixture.now);
    expect(&fixture, "", "lost(It does not answer) ");
    call_lost(fixture.call);
    expect(&fixture, "", "");
    end(&fixture);
    begin(&fixture, false);
    fixture.now.mono_ms += MINUTE_MS;
    call_tick(fixture.call, fixture.now);
    expect(&fixture, "", "lost(It says nothing; does its port begin with TLS (tls-from-start)?) ");
    end(&fixture);
    begin(&fixture, false);
    hear(&fixture, "220 mx\r\n250 STARTTLS\r\n");
    expect(&fixture, "EHLO home\r\n",
           "stranger(It offers no STARTTLS) "); /* it names itself first */
    end(&fixture);
    begin(&fixture, false);
    hear(&fixture, "220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 Go\r\n250 I am the backup\r\n");
    expect(&fixture, "EHLO home\r\nSTARTTLS\r\n", "tls lost(It speaks on behind STARTTLS) ");
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_the_banner_to_the_turn),
        cmocka_unit_test(the_secret_is_kept),
        cmocka_unit_test(what_the_backup_may_say),
        cmocka_unit_test(by_a_certificate),
        cmocka_unit_test(nothing_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
