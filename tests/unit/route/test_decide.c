/* SPDX-License-Identifier: ISC */
/* test_decide.c: every rule of route.h as a zone and the plan it must give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "mail/security.h"
#include "route/route.h"
#include "zone.h"

enum { LINES_MAX = 12 };

static struct endpoint endpoint(const char *text)
{
    struct endpoint parsed;
    assert_true(endpoint_from_text(str_from(text), 0, &parsed));
    return parsed;
}

struct wishes { /* of the domain's holder */
    const struct sts_policy *policy;
    bool demands_tlsa;
    struct str tlsa_name;
};

static void run_with(const char *const *zone, const struct route_self *self,
                     const char *const *primary, const struct wishes *wishes, uint64_t seed,
                     struct route_result *out_result)
{
    struct str given[4];
    struct route_request request = {
        .domain = STR("example.org"),
        .primary = given,
        .port = 25,
        .self = self,
        .policy = wishes->policy,
        .demands_tlsa = wishes->demands_tlsa,
        .tlsa_name = wishes->tlsa_name,
    };
    struct dns_answers known = { 0 };
    struct random random;
    unsigned asked = 0;

    while (primary[request.primary_count] != NULL) {
        given[request.primary_count] = str_from(primary[request.primary_count]);
        request.primary_count++;
    }
    random_from_seed(&random, seed);
    for (;;) {
        route_decide(&request, &known, &random, out_result);
        if (out_result->step != ROUTE_ASK)
            break;
        assert_null(dns_answers_find(&known, out_result->question)); /* nothing is asked twice */
        zone_answer(zone, out_result->question, &known);
        assert_in_range(++asked, 1, 250);
    }
    dns_answers_fini(&known);
}

static void run(const char *const *zone, const struct route_self *self, const char *const *primary,
                uint64_t seed, struct route_result *out_result)
{
    static const struct wishes none = { 0 };

    run_with(zone, self, primary, &none, seed, out_result);
}

/* "mx1.example.org=192.0.2.1:25/10 …", or "!problem". */
static void describe(const struct route_result *result, struct buf *out)
{
    if (result->step == ROUTE_NONE) {
        buf_add_format(out, "!%s", route_problem_name(result->problem));
        return;
    }
    for (uint32_t i = 0; i < result->plan.count; i++) {
        const struct route_target *target = &result->plan.target[i];
        buf_add_format(out, "%s%.*s=", i > 0 ? " " : "", STR_FMT(target->host));
        endpoint_add_text(out, target->endpoint);
        buf_add_format(out, "/%u", (unsigned)target->preference);
    }
}

struct rule {
    const char *name;
    const char *primary[4];
    const char *zone[LINES_MAX];
    const char *plan;
};

static const struct rule rules[] = {
    { "strictly better hosts only",
      { NULL },
      { "example.org MX 30 far.example.org", "example.org MX 10 mx1.example.org",
        "example.org MX 20 mx2.backup.example", "mx1.example.org A 192.0.2.1",
        "far.example.org A 192.0.2.9", "mx2.backup.example A 198.51.100.1" },
      "mx1.example.org=192.0.2.1:25/10" },
    { "equal to us by name is dropped",
      { NULL },
      { "example.org MX 10 mx1.example.org", "example.org MX 10 mx2.backup.example",
        "mx1.example.org A 192.0.2.1", "mx2.backup.example A 198.51.100.1" },
      "!best-is-us" },
    { "our name in any case, with a final dot",
      { NULL },
      { "example.org MX 10 MX2.Backup.Example.", "example.org MX 20 mx1.example.org",
        "mx1.example.org A 192.0.2.1" },
      "!best-is-us" },
    { "another name for our address is us",
      { NULL },
      { "example.org MX 10 mx1.example.org", "example.org MX 20 alias.example.org",
        "example.org MX 30 far.example.org", "mx1.example.org A 192.0.2.1",
        "alias.example.org A 198.51.100.1", "far.example.org A 192.0.2.9" },
      "mx1.example.org=192.0.2.1:25/10" },
    { "one of many addresses is enough to be us",
      { NULL },
      { "example.org MX 10 mixed.example.org", "mixed.example.org A 192.0.2.1",
        "mixed.example.org A 198.51.100.1" },
      "!best-is-us" },
    { "our IPv6 address is us",
      { NULL },
      { "example.org MX 10 six.example.org", "six.example.org AAAA 2001:db8::1" },
      "!best-is-us" },
    { "the other node of the cluster is us",
      { NULL },
      { "example.org MX 10 mx1.example.org", "example.org MX 20 other.example.org",
        "example.org MX 30 mx2.backup.example", "example.org MX 25 mx3.example.org",
        "mx1.example.org A 192.0.2.1", "other.example.org A 198.51.100.2",
        "mx3.example.org A 192.0.2.3" },
      "mx1.example.org=192.0.2.1:25/10" },
    { "us by address among equals cuts those before it too",
      { NULL },
      { "example.org MX 10 mx1.example.org", "example.org MX 10 alias.example.org",
        "mx1.example.org A 192.0.2.1", "alias.example.org A 198.51.100.1" },
      "!best-is-us" },
    { "we are not among the hosts: all are used",
      { NULL },
      { "example.org MX 10 mx1.example.org", "example.org MX 20 far.example.org",
        "mx1.example.org A 192.0.2.1", "far.example.org A 192.0.2.9" },
      "mx1.example.org=192.0.2.1:25/10 far.example.org=192.0.2.9:25/20" },
    { "IPv6 and IPv4 in turn, five at most",
      { NULL },
      { "example.org MX 10 mx1.example.org", "mx1.example.org AAAA 2001:db8::a",
        "mx1.example.org A 192.0.2.1" },
      "mx1.example.org=[2001:db8::a]:25/10 mx1.example.org=192.0.2.1:25/10" },
    { "no MX at all: the domain's own address",
      { NULL },
      { "example.org A 192.0.2.1" },
      "example.org=192.0.2.1:25/0" },
    { "no MX, and the address is ours", { NULL }, { "example.org A 198.51.100.1" }, "!best-is-us" },
    { "no MX, no address", { NULL }, { "example.org MX !nodata" }, "!no-address" },
    { "no MX, address unknown", { NULL }, { "example.org A !failed" }, "!dns-failed" },
    { "MX without address never falls back to A",
      { NULL },
      { "example.org MX 10 mx1.example.org", "example.org A 192.0.2.1" },
      "!no-address" },
    { "the better host has no address, we are next: not best, but nothing usable",
      { NULL },
      { "example.org MX 10 gone.example.org", "example.org MX 20 mx2.backup.example" },
      "!no-address" },
    { "a host without address is passed over",
      { NULL },
      { "example.org MX 10 gone.example.org", "example.org MX 20 mx1.example.org",
        "example.org MX 30 mx2.backup.example", "mx1.example.org A 192.0.2.1" },
      "mx1.example.org=192.0.2.1:25/20" },
    { "an address as MX target is no host",
      { NULL },
      { "example.org MX 10 192.0.2.1", "192.0.2.1 A 192.0.2.1" },
      "!no-address" },
    { "null MX", { NULL }, { "example.org MX 0 .", "example.org A 192.0.2.1" }, "!null-mx" },
    { "null MX beside another is not null MX",
      { NULL },
      { "example.org MX 0 .", "example.org MX 10 mx1.example.org", "mx1.example.org A 192.0.2.1" },
      "mx1.example.org=192.0.2.1:25/10" },
    { "the domain does not exist", { NULL }, { NULL }, "!no-domain" },
    { "the MX lookup failed",
      { NULL },
      { "example.org MX !failed", "example.org A 192.0.2.1" },
      "!dns-failed" },
    { "a worse host is unknown: the better one serves",
      { NULL },
      { "example.org MX 10 mx1.example.org", "example.org MX 20 odd.example.org",
        "example.org MX 30 far.example.org", "mx1.example.org A 192.0.2.1",
        "odd.example.org A !failed", "far.example.org A 192.0.2.9" },
      "mx1.example.org=192.0.2.1:25/10" },
    { "the best host is unknown and may be us",
      { NULL },
      { "example.org MX 10 odd.example.org", "example.org MX 20 far.example.org",
        "odd.example.org A !failed", "far.example.org A 192.0.2.9" },
      "!dns-failed" },
    { "an equal host is unknown and may be us",
      { NULL },
      { "example.org MX 10 mx1.example.org", "example.org MX 10 odd.example.org",
        "mx1.example.org A 192.0.2.1", "odd.example.org A !failed" },
      "!dns-failed" },
    { "one family failed, the other was found",
      { NULL },
      { "example.org MX 10 mx1.example.org", "mx1.example.org A 192.0.2.1",
        "mx1.example.org AAAA !failed" },
      "mx1.example.org=192.0.2.1:25/10" },
    { "unspecified address is this machine",
      { NULL },
      { "example.org MX 10 trap.example.org", "trap.example.org A 0.0.0.0" },
      "!best-is-us" },
    { "our listener's address is us whatever its port",
      { NULL },
      { "example.org MX 10 trap.example.org", "trap.example.org A 127.0.0.1" },
      "!best-is-us" },
    { "another loopback address is another host",
      { NULL },
      { "example.org MX 10 lab.example.org", "lab.example.org A 127.0.0.2" },
      "lab.example.org=127.0.0.2:25/10" },
    { "primaries in the order given",
      { "Far.Example.org:2526", "192.0.2.1", "[2001:db8::9]:26", NULL },
      { "far.example.org A 192.0.2.9" },
      "far.example.org=192.0.2.9:2526/0 192.0.2.1=192.0.2.1:25/1 "
      "2001:db8::9=[2001:db8::9]:26/2" },
    { "primaries are not looked up in MX",
      { "example.org", NULL },
      { "example.org MX 10 mx1.example.org", "example.org A 192.0.2.5",
        "mx1.example.org A 192.0.2.1" },
      "example.org=192.0.2.5:25/0" },
    { "a primary beside us on the same machine",
      { "127.0.0.1:2526", NULL },
      { NULL },
      "127.0.0.1=127.0.0.1:2526/0" },
    { "a primary that is our listener", { "127.0.0.1:2525", NULL }, { NULL }, "!best-is-us" },
    { "a primary that resolves to our listener is passed over",
      { "loop.example.org:2525", "192.0.2.1", NULL },
      { "loop.example.org A 127.0.0.1" },
      "192.0.2.1=192.0.2.1:25/1" },
    { "a primary by another name whose lookup failed is passed over",
      { "odd.example.org", "192.0.2.1", NULL },
      { "odd.example.org A !failed" },
      "192.0.2.1=192.0.2.1:25/1" },
    { "the only primary's lookup failed",
      { "odd.example.org", NULL },
      { "odd.example.org A !failed" },
      "!dns-failed" },
    { "the only primary has no address", { "gone.example.org", NULL }, { NULL }, "!no-address" },
    { "the same endpoint twice is one target",
      { "192.0.2.1", "mx1.example.org", NULL },
      { "mx1.example.org A 192.0.2.1" },
      "192.0.2.1=192.0.2.1:25/0" },
};

static struct route_self make_self(struct str name[2], struct endpoint address[3],
                                   struct endpoint listener[1])
{
    name[0] = STR("mx2.backup.example");
    name[1] = STR("mx3.backup.example");
    address[0] = endpoint("198.51.100.1");
    address[1] = endpoint("198.51.100.2");
    address[2] = endpoint("2001:db8::1");
    listener[0] = endpoint("127.0.0.1:2525");
    return (struct route_self){ .name = name,
                                .name_count = 2,
                                .address = address,
                                .address_count = 3,
                                .listener = listener,
                                .listener_count = 1 };
}

static void follows_every_rule(void **state)
{
    struct str name[2];
    struct endpoint address[3], listener[1];
    struct route_self self = make_self(name, address, listener);

    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        for (uint64_t seed = 0; seed < 8; seed++) {
            struct route_result result;
            struct buf got = { 0 };
            run(rules[i].zone, &self, rules[i].primary, seed, &result);
            describe(&result, &got);
            if (!str_equals(buf_str(&got), str_from(rules[i].plan)))
                fail_msg("%s: got %.*s", rules[i].name, (int)got.len, got.ptr);
            if (result.step == ROUTE_NONE)
                assert_int_equal(result.verdict.fate, FATE_DEFER); /* never returned */
            else
                route_plan_fini(&result.plan);
            buf_fini(&got);
        }
    }
}

static void a_listener_on_all_addresses_owns_every_loopback_address(void **state)
{
    static const char *const zone[] = { "example.org MX 10 lab.example.org",
                                        "lab.example.org A 127.0.0.77", NULL };
    static const char *const none[] = { NULL };
    static const char *const same_port[] = { "127.0.0.77:25", NULL };
    static const char *const other_port[] = { "127.0.0.77:2526", NULL };
    struct endpoint listener = endpoint("0.0.0.0:25");
    struct route_self self = { .listener = &listener, .listener_count = 1 };
    struct route_result result;

    (void)state;
    run(zone, &self, none, 1, &result);
    assert_int_equal(result.problem, ROUTE_BEST_IS_US);
    run(zone, &self, same_port, 1, &result);
    assert_int_equal(result.problem, ROUTE_BEST_IS_US);
    run(zone, &self, other_port, 1, &result);
    assert_int_equal(result.step, ROUTE_PLAN);
    route_plan_fini(&result.plan);
}

static void equal_hosts_share(void **state)
{
    static const char *const zone[] = {
        "example.org MX 10 a.example.org",
        "example.org MX 10 b.example.org",
        "example.org MX 10 c.example.org",
        "a.example.org A 192.0.2.1",
        "b.example.org A 192.0.2.2",
        "c.example.org A 192.0.2.3",
        NULL,
    };
    static const char *const none[] = { NULL };
    struct route_self self = { .name_count = 0 };
    unsigned first[3] = { 0 };

    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct route_result result;
        run(zone, &self, none, seed, &result);
        assert_int_equal(result.plan.count, 3);
        first[result.plan.target[0].endpoint.address[3] - 1]++;
        route_plan_fini(&result.plan);
    }
    for (size_t i = 0; i < 3; i++)
        assert_in_range(first[i], 870, 1130); /* 1000 ± 5 standard deviations */
}

static void many_hosts_leave_room_for_two_addresses_each(void **state)
{
    static const char *const none[] = { NULL };
    char line[100][64];
    const char *zone[101];
    size_t lines = 0;
    struct route_self self = { .name_count = 0 };
    struct route_result result;

    (void)state;
    for (int host = 0; host < 10; host++) {
        (void)snprintf(line[lines++], 64, "example.org MX %d h%d.example.org", host, host);
        for (int address = 0; address < 5; address++)
            (void)snprintf(line[lines++], 64, "h%d.example.org A 192.0.%d.%d", host, host, address);
    }
    for (size_t i = 0; i < lines; i++)
        zone[i] = line[i];
    zone[lines] = NULL;
    run(zone, &self, none, 1, &result);
    assert_int_equal(result.plan.count, ROUTE_TARGETS_MAX);
    for (uint32_t i = 0; i < ROUTE_TARGETS_MAX; i++)
        assert_int_equal(result.plan.target[i].preference, i / 2);
    route_plan_fini(&result.plan);
}

/* ---- what they have to show ---- */

static const struct {
    const char *zone[LINES_MAX];
    const char *trust; /* "host=level:records" of each target, or "!problem"; behind that "@name",
                        * if it is to be known by another one */
} trust_rules[] = {
    { { "+example.org MX 10 mx1.example.org", "+mx1.example.org A 192.0.2.1",
        "+_25._tcp.mx1.example.org TLSA 3 1 1", "+_25._tcp.mx1.example.org TLSA 1 1 1" },
      "mx1.example.org=tlsa:1" },
    { { "+example.org MX 10 mx1.example.org", "+mx1.example.org A 192.0.2.1",
        "+_25._tcp.mx1.example.org TLSA 1 1 1" },
      "mx1.example.org=must:0" },
    { { "+example.org MX 10 mx1.example.org", "+mx1.example.org A 192.0.2.1" },
      "mx1.example.org=may:0" },
    /* what is not validated means nothing, at any of the three places */
    { { "example.org MX 10 mx1.example.org", "+mx1.example.org A 192.0.2.1",
        "+_25._tcp.mx1.example.org TLSA 3 1 1" },
      "mx1.example.org=may:0" },
    { { "+example.org MX 10 mx1.example.org", "mx1.example.org A 192.0.2.1",
        "+_25._tcp.mx1.example.org TLSA !failed" },
      "mx1.example.org=may:0" },
    { { "+example.org MX 10 mx1.example.org", "+mx1.example.org A 192.0.2.1",
        "_25._tcp.mx1.example.org TLSA 3 1 1" },
      "mx1.example.org=may:0" },
    /* one whose records are not to be had is left out; with nobody left, mail waits */
    { { "+example.org MX 10 mx1.example.org", "+mx1.example.org A 192.0.2.1",
        "+_25._tcp.mx1.example.org TLSA !failed" },
      "!untrusted" },
    { { "+example.org MX 10 mx1.example.org", "+example.org MX 20 mx2.example.org",
        "+mx1.example.org A 192.0.2.1", "+mx2.example.org A 192.0.2.2",
        "+_25._tcp.mx1.example.org TLSA !failed", "+_25._tcp.mx2.example.org TLSA 2 0 1" },
      "mx2.example.org=tlsa:1" },
    /* an alias: the records of what it stands for, or else its own (RFC 7672 2.2.3) */
    { { "+example.org MX 10 mail.example.org", "+mail.example.org CNAME mx1.example.org",
        "+mx1.example.org A 192.0.2.1", "+_25._tcp.mx1.example.org TLSA 3 1 1",
        "+_25._tcp.mail.example.org TLSA 1 1 1" },
      "mail.example.org=tlsa:1@mx1.example.org" },
    { { "+example.org MX 10 mail.example.org", "+mail.example.org CNAME mx1.example.org",
        "+mx1.example.org A 192.0.2.1", "+_25._tcp.mail.example.org TLSA 2 1 1" },
      "mail.example.org=tlsa:1" },
    { { "+example.org MX 10 mail.example.org", "+mail.example.org CNAME mx1.example.org",
        "+mx1.example.org A 192.0.2.1", "+_25._tcp.mx1.example.org TLSA !failed",
        "+_25._tcp.mail.example.org TLSA 3 1 1" },
      "!untrusted" },
    { { "+example.org MX 10 mail.example.org", "mail.example.org CNAME mx1.example.org",
        "+mx1.example.org A 192.0.2.1", "+_25._tcp.mx1.example.org TLSA 3 1 1" },
      "mail.example.org=may:0" },
    /* an alias that is signed and leads to where nothing is: its own records (2.1.3, 2.2.2) */
    { { "+example.org MX 10 mail.example.org", "+mail.example.org CNAME mx1.example.org",
        "mx1.example.org A 192.0.2.1", "+_25._tcp.mx1.example.org TLSA 3 1 1",
        "+_25._tcp.mail.example.org TLSA 3 1 1", "+_25._tcp.mail.example.org TLSA 2 1 1" },
      "mail.example.org=tlsa:2" },
    { { "+example.org MX 10 mail.example.org", "+mail.example.org CNAME mx1.example.org",
        "mx1.example.org A 192.0.2.1", "+_25._tcp.mx1.example.org TLSA 3 1 1" },
      "mail.example.org=may:0" },
    { { "+example.org MX 10 mail.example.org", "mail.example.org CNAME mx1.example.org",
        "mx1.example.org A 192.0.2.1", "+_25._tcp.mail.example.org TLSA 3 1 1" },
      "mail.example.org=may:0" },
    { { "example.org MX 10 mail.example.org", "+mail.example.org CNAME mx1.example.org",
        "mx1.example.org A 192.0.2.1", "+_25._tcp.mail.example.org TLSA 3 1 1" },
      "mail.example.org=may:0" },
    /* a domain without MX is its own host */
    { { "+example.org A 192.0.2.1", "+_25._tcp.example.org TLSA 3 0 1" }, "example.org=tlsa:1" },
};

/* With tls = dane: "host=level:records@name", of primaries that are named, or of MX hosts. */
static const struct {
    const char *primary[4];
    const char *name; /* tls-name */
    const char *zone[LINES_MAX];
    const char *plan;
} dane_rules[] = {
    { { "mail.example.org", NULL },
      "",
      { "+mail.example.org A 192.0.2.1", "+_25._tcp.mail.example.org TLSA 3 1 1" },
      "mail.example.org=tlsa:1@mail.example.org" },
    { { "mail.example.org:2525", NULL },
      "", /* its own port's */
      { "+mail.example.org A 192.0.2.1", "+_25._tcp.mail.example.org TLSA 3 1 1",
        "+_2525._tcp.mail.example.org TLSA 2 1 1" },
      "mail.example.org=tlsa:1@mail.example.org" },
    { { "mail.example.org", NULL }, "", { "+mail.example.org A 192.0.2.1" }, "!untrusted" },
    { { "mail.example.org", NULL },
      "",
      { "mail.example.org A 192.0.2.1", "_25._tcp.mail.example.org TLSA 3 1 1" },
      "!untrusted" },
    { { "mail.example.org", NULL },
      "",
      { "+mail.example.org A 192.0.2.1", "+_25._tcp.mail.example.org TLSA 1 1 1" },
      "!untrusted" },
    { { "mail.example.org", NULL },
      "",
      { "+mail.example.org A 192.0.2.1", "+_25._tcp.mail.example.org TLSA !failed" },
      "!untrusted" },
    { { "mail.example.org", "far.example.org", NULL },
      "",
      { "+mail.example.org A 192.0.2.1", "+far.example.org A 192.0.2.2",
        "+_25._tcp.far.example.org TLSA 3 1 1" },
      "far.example.org=tlsa:1@far.example.org" },
    { { "mail.example.org", NULL },
      "",
      { "+mail.example.org CNAME host.example.org", "+host.example.org A 192.0.2.1",
        "+_25._tcp.host.example.org TLSA 3 1 1" },
      "mail.example.org=tlsa:1@host.example.org" },
    /* an address has no name, but by the word of its operator */
    { { "192.0.2.1", NULL }, "", { "+mail.example.org A 192.0.2.1" }, "!untrusted" },
    { { "192.0.2.1", NULL },
      "mail.example.org",
      { "+_25._tcp.mail.example.org TLSA 3 1 1" },
      "192.0.2.1=tlsa:1@mail.example.org" },
    { { "192.0.2.1", NULL },
      "mail.example.org",
      { "_25._tcp.mail.example.org TLSA 3 1 1" },
      "!untrusted" },
    { { "192.0.2.1,tls-name=mail.example.org", NULL },
      "other.example.org", /* what is said of the primary itself stands above */
      { "+_25._tcp.mail.example.org TLSA 3 1 1" },
      "192.0.2.1=tlsa:1@mail.example.org" },
    { { "dyn.example.net", NULL },
      "mail.example.org", /* nobody signs where it is now */
      { "dyn.example.net A 192.0.2.1", "+_25._tcp.mail.example.org TLSA 3 1 1" },
      "dyn.example.net=tlsa:1@mail.example.org" },
    /* hosts of MX records: those without a key are left out */
    { { NULL },
      "",
      { "+example.org MX 10 mail.example.org", "+example.org MX 20 far.example.org",
        "+mail.example.org A 192.0.2.1", "+far.example.org A 192.0.2.2",
        "+_25._tcp.far.example.org TLSA 3 1 1" },
      "far.example.org=tlsa:1@far.example.org" },
    { { NULL },
      "",
      { "example.org MX 10 mail.example.org", "+mail.example.org A 192.0.2.1",
        "+_25._tcp.mail.example.org TLSA 3 1 1" },
      "!untrusted" },
    { { NULL },
      "mail.example.org",
      { "example.org MX 10 dyn.example.net", "dyn.example.net A 192.0.2.1",
        "+_25._tcp.mail.example.org TLSA 2 1 1" },
      "dyn.example.net=tlsa:1@mail.example.org" },
};

static void add_demand(const struct route_target *target, struct buf *out)
{
    struct cursor cursor = cursor_over(target->security);
    struct security security;

    assert_true(security_decode(&cursor, &security) && cursor_done(&cursor));
    buf_add_format(out, "%.*s=%s:%u@%.*s", STR_FMT(target->host),
                   security_level_name(security.level), security.tlsa_count,
                   STR_FMT(security.name[0]));
}

static void demands_keys_where_the_domain_does(void **state)
{
    static const struct route_self nobody = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof dane_rules / sizeof *dane_rules; i++) {
        const struct wishes wishes = { .demands_tlsa = true,
                                       .tlsa_name = str_from(dane_rules[i].name) };
        struct route_result result;
        struct buf got = { 0 };
        run_with(dane_rules[i].zone, &nobody, dane_rules[i].primary, &wishes, i, &result);
        if (result.step == ROUTE_NONE)
            buf_add_format(&got, "!%s", route_problem_name(result.problem));
        for (uint32_t k = 0; result.step == ROUTE_PLAN && k < result.plan.count; k++)
            add_demand(&result.plan.target[k], &got);
        if (!str_equals(buf_str(&got), str_from(dane_rules[i].plan)))
            fail_msg("rule %zu: %.*s, not %s", i, STR_FMT(buf_str(&got)), dane_rules[i].plan);
        if (result.step == ROUTE_PLAN)
            route_plan_fini(&result.plan);
        buf_fini(&got);
    }
}

static void demands_what_the_dns_says(void **state)
{
    static const struct route_self nobody = { 0 };
    static const char *const no_primary[] = { NULL };
    (void)state;
    for (size_t i = 0; i < sizeof trust_rules / sizeof *trust_rules; i++) {
        struct route_result result;
        struct buf got = { 0 };
        run(trust_rules[i].zone, &nobody, no_primary, i, &result);
        if (result.step == ROUTE_NONE)
            buf_add_format(&got, "!%s", route_problem_name(result.problem));
        for (uint32_t k = 0; result.step == ROUTE_PLAN && k < result.plan.count; k++) {
            struct cursor cursor = cursor_over(result.plan.target[k].security);
            struct security security;
            assert_true(security_decode(&cursor, &security) && cursor_done(&cursor));
            buf_add_format(&got, "%.*s=%s:%u", STR_FMT(result.plan.target[k].host),
                           security_level_name(security.level), security.tlsa_count);
            if (security.name_count > 0 &&
                !str_equals(security.name[0], result.plan.target[k].host))
                buf_add_format(&got, "@%.*s", STR_FMT(security.name[0]));
        }
        if (!str_equals(buf_str(&got), str_from(trust_rules[i].trust)))
            fail_msg("rule %zu: %.*s", i, STR_FMT(buf_str(&got)));
        buf_fini(&got);
        if (result.step == ROUTE_PLAN)
            route_plan_fini(&result.plan);
    }
}

/* Two hosts, mx1 and mx2; what is left of them where the policy names some. */
static void obeys_the_policy(void **state)
{
    static const struct route_self nobody = { 0 };
    static const char *const no_primary[] = { NULL };
    static const struct {
        const char *zone[LINES_MAX];
        enum sts_mode mode;
        const char *names;
        const char *plan; /* "HOST=LEVEL " each; ? behind it: it is watched */
    } cases[] = {
#define TWO                                                                                        \
    "example.org MX 10 mx1.example.org", "example.org MX 20 mx2.example.org",                      \
        "mx1.example.org A 192.0.2.1", "mx2.example.org A 192.0.2.2"
        { { TWO }, STS_ENFORCE, "*.example.org", "mx1.example.org=name mx2.example.org=name " },
        { { TWO }, STS_ENFORCE, "mx2.example.org", "mx2.example.org=name " },
        { { TWO }, STS_ENFORCE, "example.org", "!not-in-policy" },
        { { TWO }, STS_TESTING, "example.org", "mx1.example.org=may mx2.example.org=may " },
        { { TWO }, STS_TESTING, "mx1.example.org", "mx1.example.org=may? mx2.example.org=may " },
        { { TWO }, STS_NONE, "mx1.example.org", "mx1.example.org=may mx2.example.org=may " },
        /* one is not named, of the other the DNS does not say what it has to show */
        { { "+example.org MX 10 mx1.example.org", "+example.org MX 20 mx2.example.org",
            "mx1.example.org A 192.0.2.1", "+mx2.example.org A 192.0.2.2",
            "+_25._tcp.mx2.example.org TLSA !failed" },
          STS_ENFORCE,
          "mx2.example.org",
          "!untrusted" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sts_policy policy = { .mode = cases[i].mode,
                                     .mx = { str_from(cases[i].names) },
                                     .mx_count = 1 };
        struct route_result result;
        struct buf got = { 0 };
        const struct wishes wishes = { .policy = &policy };
        run_with(cases[i].zone, &nobody, no_primary, &wishes, i, &result);
        if (result.step == ROUTE_NONE)
            buf_add_format(&got, "!%s", route_problem_name(result.problem));
        for (uint32_t k = 0; result.step == ROUTE_PLAN && k < result.plan.count; k++) {
            struct cursor cursor = cursor_over(result.plan.target[k].security);
            struct security security;
            assert_true(security_decode(&cursor, &security));
            buf_add_format(&got, "%.*s=%s%s ", STR_FMT(result.plan.target[k].host),
                           security_level_name(security.level), security.is_watched ? "?" : "");
        }
        if (!str_equals(buf_str(&got), str_from(cases[i].plan)))
            fail_msg("case %zu: %.*s", i, STR_FMT(buf_str(&got)));
        buf_fini(&got);
        if (result.step == ROUTE_PLAN)
            route_plan_fini(&result.plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_every_rule),
        cmocka_unit_test(a_listener_on_all_addresses_owns_every_loopback_address),
        cmocka_unit_test(equal_hosts_share),
        cmocka_unit_test(many_hosts_leave_room_for_two_addresses_each),
        cmocka_unit_test(demands_what_the_dns_says),
        cmocka_unit_test(demands_keys_where_the_domain_does),
        cmocka_unit_test(obeys_the_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
