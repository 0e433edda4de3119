/* SPDX-License-Identifier: ISC */
/* test_config.c: what a configuration file may say, and what is answered to one that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"

static const char full[] = "# a comment\n"
                           "hostname = \"MX2.example.net.\"\n"
                           "data     = \"/srv/mail\"\n"
                           "user     = mail\n"
                           "names    = {\"backup.example.net\", \"mx3.example.net\"}\n"
                           "addresses = {\"192.0.2.7\", \"2001:db8::7\"}\n"
                           "receivers = 4\n"
                           "listen smtp { address = {\"127.0.0.1:2525\", \"[::1]:2525\"} }\n"
                           "listen portal { address = {\"192.0.2.7:443\"} tls = yes }\n"
                           "dns { servers = {\"127.0.0.1\", \"127.0.0.2:5353\"}\n"
                           "      trust_anchor = \"\" }\n"
                           "store { driver = \"log\" free-min = 1GB }\n"
                           "smtp { message-size = \"20MB\" sessions = 100 chunking = no\n"
                           "       command_timeout = 2m }\n"
                           "schedule { probe-budget = 10 }\n"
                           "filter { milters = {\"rspamd=unix:/run/rspamd/milter.sock\",\n"
                           "                    \"clamav=127.0.0.1:7357\"} }\n"
                           "tls { authorities = {\"office=/etc/holdfast/ca.pem\"} }\n"
                           "defaults { hold = \"3d\" retry-first = 1m\n"
                           "           filters = \"clamav, rspamd\" tls-ca = office\n"
                           "           wake-from = \"192.0.2.0/28, 2001:db8::25\" }\n"
                           "log { level = debug }\n";

static struct config *load(const char *text)
{
    struct config_problems problems = { 0 };
    struct config *config = NULL;

    int rc = config_load_text(STR("test.conf"), str_from(text), &config, &problems);
    if (rc != 0) {
        buf_add_byte(&problems.text, '\0');
        print_error("%s", problems.text.ptr);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(problems.errors, 0);
    config_problems_fini(&problems);
    return config;
}

static void assert_str(struct str text, const char *expected)
{
    if (!str_equals(text, str_from(expected)))
        print_error("is:        %.*s\nexpected:  %s\n", STR_FMT(text), expected);
    assert_true(str_equals(text, str_from(expected)));
}

static void assert_endpoint(struct endpoint endpoint, const char *expected)
{
    struct buf text = { 0 };
    endpoint_add_text(&text, endpoint);
    assert_str(buf_str(&text), expected);
    buf_fini(&text);
}

static void assert_full(const struct config *config)
{
    assert_str(config->hostname, "mx2.example.net");
    assert_str(config->data, "/srv/mail");
    assert_str(config->user, "mail");
    assert_int_equal(config->names.count, 2);
    assert_str(config->names.item[1], "mx3.example.net");
    assert_int_equal(config->addresses.count, 2);
    assert_int_equal(config->addresses.item[0].port, 0);
    assert_int_equal(config->receivers, 4);
    assert_int_equal(config->deliverers, 1);
    assert_int_equal(config->listen_smtp.count, 2);
    assert_endpoint(config->listen_smtp.item[1], "[::1]:2525");
    assert_endpoint(config->listen_portal.item[0], "192.0.2.7:443");
    assert_true(config->portal_tls);
    assert_endpoint(config->dns_servers.item[0], "127.0.0.1:53");
    assert_endpoint(config->dns_servers.item[1], "127.0.0.2:5353");
    assert_int_equal(config->dns_trust_anchor.len, 0);
    assert_str(config->control, "/srv/mail/control.sock");
    assert_int_equal(config->store_free_min, 1000000000);
    assert_int_equal(config->smtp_message_size, 20000000);
    assert_int_equal(config->smtp_sessions, 100);
    assert_int_equal(config->smtp_command_timeout, 2 * MINUTE_MS);
    assert_false(config->smtp_chunking);
    assert_false(config->smtp_bare_newline_reject);
    assert_int_equal(config->probe_budget, 10);
    assert_int_equal(setting_value(NULL, &config->defaults, SETTING_HOLD), 3LL * DAY_MS);
    assert_int_equal(setting_value(NULL, &config->defaults, SETTING_RETRY_FIRST), MINUTE_MS);
    assert_int_equal(config->filter_milters.count, 2);
    assert_str(config_find_milter(config, STR("rspamd"))->path, "/run/rspamd/milter.sock");
    assert_endpoint(config_find_milter(config, STR("clamav"))->endpoint, "127.0.0.1:7357");
    assert_null(config_find_milter(config, STR("other")));
    assert_str(setting_text(NULL, &config->defaults, SETTING_FILTERS), "clamav,rspamd");
    assert_int_equal(config->tls_authorities.count, 1);
    assert_str(config_find_authority(config, STR("office"))->path, "/etc/holdfast/ca.pem");
    assert_null(config_find_authority(config, STR("other")));
    assert_str(setting_text(NULL, &config->defaults, SETTING_TLS_CA), "office");
    assert_str(setting_text(NULL, &config->defaults, SETTING_WAKE_FROM),
               "192.0.2.0/28,2001:db8::25");
    assert_int_equal(config->log_level, LOG_DEBUG);
}

static void reads_every_section(void **state)
{
    struct config *config = load(full);
    (void)state;
    assert_full(config);
    config_free(config);
}

static void a_host_name_is_enough(void **state)
{
    struct config *config = load("hostname = mx2.example.net");
    (void)state;
    assert_str(config->data, "/var/lib/holdfast");
    assert_str(config->user, "holdfast");
    assert_str(config->store_driver, "log");
    assert_str(config->dns_trust_anchor, "/usr/share/dns/root.key");
    assert_int_equal(config->listen_smtp.count, 2);
    assert_endpoint(config->listen_smtp.item[0], "0.0.0.0:25");
    assert_endpoint(config->listen_smtp.item[1], "[::]:25");
    assert_int_equal(config->dns_servers.count, 0);
    assert_int_equal(config->receivers, 0);
    assert_int_equal(config->smtp_message_size, 50000000);
    assert_int_equal(config->smtp_data_rate_min, 100);
    assert_true(config->smtp_chunking);
    assert_int_equal(config->log_level, LOG_INFO);
    assert_false(config->defaults.is_set[SETTING_HOLD]);
    config_free(config);
}

/* In these, line 1 is a good host name. */
static void says_where_and_what_to_write_instead(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        { "hostnam = a.b\n", "test.conf:2: unknown name \"hostnam\"; did you mean \"hostname\"?" },
        { "dns { server = \"1.1.1.1\" }",
          "test.conf:2: unknown name \"server\" in section dns; did you mean \"servers\"?" },
        { "dns { colour = 1 }", "test.conf:2: unknown name \"colour\" in section dns; known here "
                                "are servers, trust-anchor" },
        { "\nhouse { certificate = \"/x\" }",
          "test.conf:3: unknown name \"house\"; known here are hostname, data, user, names, "
          "postmaster, "
          "addresses, control, receivers, deliverers, watchdog, listen smtp, listen smtps, listen "
          "atrn, "
          "listen atrns, listen portal, tls, encryption, dns, sign, "
          "store, smtp, dnsbl, filter, callout, report, web, schedule, "
          "log, defaults" },
        { "tls { certificate = {\"/a.pem\", \"/b.pem\"} key = \"/a.key\" }",
          "test.conf:2: tls has 2 certificates and 1 keys; write one key for each, or none if they "
          "are in the same files" },
        { "tls { certificate = {\"a.pem\"} }",
          "test.conf:2: certificate cannot be \"a.pem\"; write an absolute path such as "
          "/var/lib/holdfast instead" },
        { "listen submission { address = {\"0.0.0.0:587\"} }",
          "test.conf:2: section listen \"submission\" is not known; write listen smtp, "
          "smtps, atrn, atrns or portal instead" },
        { "listen pop3 {\n}", "test.conf:3: section listen \"pop3\" is not known; write listen "
                              "smtp, smtps, atrn, atrns or portal instead" },
        { "listen portal { address = {\"127.0.0.1:2580\", \"192.0.2.7:80\"} }",
          "test.conf:2: listen portal 192.0.2.7:80 would take secrets in the clear; write tls = "
          "yes, "
          "or address = {\"127.0.0.1:80\"} with a proxy in front that speaks TLS" },
        { "listen portal { address = \"[::]:443\" tls = no }",
          "test.conf:2: listen portal [::]:443 would take secrets in the clear; write tls = yes, "
          "or address = {\"127.0.0.1:443\"} with a proxy in front that speaks TLS" },
        { "listen { address = \"0.0.0.0:25\" }",
          "test.conf:2: section listen lacks what to listen for; write listen smtp { … } instead" },
        { "listen smtp { address = {\"0.0.0.0:25\",\n\"0.0.0.0:25\"} }",
          "test.conf:3: address cannot be \"0.0.0.0:25\"; write each address only once instead" },
        { "listen smtp { address = \"127.0.0.1\" }",
          "test.conf:2: address cannot be \"127.0.0.1\"; write the port behind the address, such "
          "as 192.0.2.7:25 or [2001:db8::7]:25 instead" },
        { "listen smtp { address = \"localhost:25\" }",
          "test.conf:2: address cannot be \"localhost:25\"; write an address with a port such as "
          "192.0.2.7:25 or [2001:db8::7]:25 instead" },
        { "listen smtp { address = {} }",
          "test.conf:2: listen smtp has no address; write address = "
          "{\"0.0.0.0:25\"} instead" },
        { "listen smtp { }\nlisten smtp { }",
          "test.conf:3: found duplicate title 'smtp'; write name = value or section { name = value "
          "} instead" },
        { "addresses = {\"192.0.2.7:25\"}",
          "test.conf:2: addresses cannot be \"192.0.2.7:25\"; write an address such as 192.0.2.7 "
          "or 2001:db8::7 instead" },
        { "names = {\"local host\"}", "test.conf:2: names cannot be \"local host\"; write a full "
                                      "host name such as mx2.example.net instead" },
        { "hostname = x.example", "test.conf:2: hostname is given twice, first in line 1; write it "
                                  "once instead" },
        { "dns { servers = {\"1.1.1.1\"}\nservers = {\"9.9.9.9\"} }",
          "test.conf:3: servers is given twice, first in line 2; write it once instead" },
        { "data = \"var\"", "test.conf:2: data cannot be \"var\"; write an absolute path such as "
                            "/var/lib/holdfast instead" },
        { "data = \"\"", "test.conf:2: data cannot be \"\"; write an absolute path such as "
                         "/var/lib/holdfast instead" },
        { "user = \"a b\"", "test.conf:2: user cannot be \"a b\"; write a name of letters, digits "
                            "and . _ - instead" },
        { "receivers = many",
          "test.conf:2: receivers cannot be \"many\"; write a whole number such as 20 instead" },
        { "receivers = 65",
          "test.conf:2: receivers cannot be \"65\"; write a value between 0 and 64 instead" },
        { "store { driver = \"postgresql\" }",
          "test.conf:2: driver cannot be \"postgresql\"; write log instead" },
        { "smtp { message-size = 5GB }", "test.conf:2: message-size cannot be \"5GB\"; write a "
                                         "value between 64kB and 2GB instead" },
        { "smtp { command-timeout = 5 }",
          "test.conf:2: command-timeout cannot be \"5\"; write a duration such as 90s, 1h30m or 5d "
          "instead" },
        { "smtp { chunking = maybe }",
          "test.conf:2: chunking cannot be \"maybe\"; write yes or no instead" },
        { "smtp { sessions = 10\nsessions-per-client = 20 }",
          "test.conf:3: sessions-per-client is above sessions; write at most 10 instead" },
        { "smtp { message-size = 500MB }", "test.conf:2: store memory is below smtp message-size; "
                                           "write at least the same instead" },
        { "defaults { hold = 1m }",
          "test.conf:2: hold cannot be \"1m\"; write a value between 1h and 90d instead" },
        { "defaults { holt = 5d }",
          "test.conf:2: unknown name \"holt\" in section defaults; did you mean \"hold\"?" },
        { "defaults { retry-first = 2h }", "test.conf: defaults: retry-first is above retry-max; "
                                           "write a smaller one instead" },
        { "filter { milters = {\"none=127.0.0.1:1\"} }",
          "test.conf:2: milters cannot be \"none=127.0.0.1:1\"; write a filter such as "
          "rspamd=unix:/run/rspamd/milter.sock or clamav=127.0.0.1:7357 instead" },
        { "filter { milters = {\"a=unix:relative\"} }",
          "test.conf:2: milters cannot be \"a=unix:relative\"; write a filter such as "
          "rspamd=unix:/run/rspamd/milter.sock or clamav=127.0.0.1:7357 instead" },
        { "filter { milters = {\"a=127.0.0.1:1\", \"a=127.0.0.1:2\"} }",
          "test.conf:2: milters cannot be \"a=127.0.0.1:2\"; write each name once instead" },
        { "tls { authorities = {\"office=ca.pem\"} }",
          "test.conf:2: authorities cannot be \"office=ca.pem\"; write an authority such as "
          "office=/etc/holdfast/office-ca.pem instead" },
        { "tls { authorities = {\"a=/a\", \"a=/b\"} }",
          "test.conf:2: authorities cannot be \"a=/b\"; write each name once instead" },
        { "defaults { tls-ca = office }",
          "test.conf: defaults: there is no authority office; write tls { authorities = "
          "{\"office=/PATH\"} } too" },
        { "defaults { wake-from = \"192.0.2.1/24\" }",
          "test.conf:2: wake-from cannot be \"192.0.2.1/24\"; write none, or networks such as "
          "192.0.2.0/28,2001:db8::25 (8) instead" },
        { "defaults { filters = \"clam av\" }",
          "test.conf:2: filters cannot be \"clam av\"; write none, NAME,NAME,... (8) instead" },
        { "filter { milters = {\"a=127.0.0.1:1\"} }\ndefaults { filters = \"b\" }",
          "test.conf:2: defaults: there is no filter b; write filter { milters = "
          "{\"b=unix:/PATH\"} } too" },
        { "report { dmarc = yes }",
          "test.conf:2: reports have a sender; write report { from = \"dmarc@mx2.example.net\" } "
          "too" },
        { "report { tls = yes }", "test.conf:2: reports have a sender; write report { from = "
                                  "\"tls@mx2.example.net\" } too" },
        { "report { tls = yes from = \"tls@mx2.example.net\" }",
          "test.conf:2: reports about TLS are signed; write sign { domain = \"mx2.example.net\" "
          "selector = … key = … } too" },
        { "report { tls = yes from = \"tls@mx2.example.net\" }\n"
          "sign { domain = \"ple.net\" selector = s key = \"/k\" }",
          "test.conf:2: reports about TLS are signed for the domain of their sender; write report "
          "{ from = \"tls@ple.net\" } instead" },
        { "log { level = loud }",
          "test.conf:2: level cannot be \"loud\"; write debug, info, warn or error instead" },
        { "data \"/srv\"", "test.conf:2: missing equal sign after option 'data'; write name = "
                           "value or section { name = value } instead" },
        { "data = \"/srv\" }", "test.conf:2: unexpected closing brace; write name = value or "
                               "section { name = value } instead" },
        { "dns {\n", "test.conf: the file ends within section dns; write } behind its last line" },
        { "/* dns\n", "test.conf: the file ends within a comment or a string; close it with */ or "
                      "\"" },
        { "data = \"/srv\n", "test.conf: the file ends within a comment or a string; close it with "
                             "*/ or \"" },
        { "user = \"\x1b[2J\"", "test.conf:2: user cannot be \"\\x1b[2J\"; write a name of "
                                "letters, digits and . _ - instead" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_problems problems = { 0 };
        struct config *config = NULL;
        struct buf text = { 0 };

        buf_add_format(&text, "hostname = mx2.example.net\n%s", cases[i].text);
        assert_int_equal(config_load_text(STR("test.conf"), buf_str(&text), &config, &problems),
                         -EINVAL);
        assert_null(config);
        problems.text.len -= 1; /* the newline */
        assert_str(buf_str(&problems.text), cases[i].problem);
        assert_int_equal(problems.errors, 1);
        config_problems_fini(&problems);
        buf_fini(&text);
    }
}

static void needs_a_full_host_name(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        { "", "test.conf: hostname is missing; write hostname = \"mx2.example.net\" with the name "
              "your MX record points to\n" },
        { "hostname = a.example\npostmaster = me",
          "test.conf:2: postmaster cannot be \"me\"; write an address such as admin@example.org "
          "instead\n" },
        { "hostname = localhost", "test.conf:1: hostname cannot be \"localhost\"; write a full "
                                  "host name such as mx2.example.net instead\n" },
        { "hostname = x.example..", "test.conf:1: hostname cannot be \"x.example..\"; write a full "
                                    "host name such as mx2.example.net instead\n" },
        { "hostname = 192.0.2.1", "test.conf:1: hostname cannot be \"192.0.2.1\"; write a full "
                                  "host name such as mx2.example.net instead\n" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_problems problems = { 0 };
        struct config *config = NULL;
        assert_int_equal(
            config_load_text(STR("test.conf"), str_from(cases[i].text), &config, &problems),
            -EINVAL);
        assert_str(buf_str(&problems.text), cases[i].problem);
        config_problems_fini(&problems);
    }
}

static void reports_all_wrong_values_at_once(void **state)
{
    struct config_problems problems = { 0 };
    struct config *config = NULL;
    (void)state;
    assert_int_equal(config_load_text(STR("f"), STR("hostname = x\ndata = y\nreceivers = z\n"),
                                      &config, &problems),
                     -EINVAL);
    assert_int_equal(problems.errors, 3);
    config_problems_fini(&problems);
}

static void what_is_dumped_reads_back_the_same(void **state)
{
    struct config *config = load(full);
    struct buf dump = { 0 };
    struct buf again = { 0 };
    struct buf changes = { 0 };
    (void)state;
    config_dump(config, &dump);
    buf_add_byte(&dump, '\0');
    struct config *read_back = load(dump.ptr);
    assert_full(read_back);
    config_dump(read_back, &again);
    assert_true(str_equals(buf_str(&again), str_first(buf_str(&dump), dump.len - 1)));
    config_restart_needed(config, read_back, &changes);
    assert_int_equal(changes.len, 0);
    config_free(config);
    config_free(read_back);
    buf_fini(&dump);
    buf_fini(&again);
}

static void roles_get_what_was_loaded(void **state)
{
    struct config *config = load(full);
    struct config *decoded = NULL;
    struct buf bytes = { 0 };
    (void)state;
    config_encode(config, &bytes);
    config_free(config);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    assert_true(config_decode(&cursor, &decoded));
    assert_true(cursor_done(&cursor));
    for (size_t len = 0; len < bytes.len; len++) {
        struct config *cut = NULL;
        struct cursor part = cursor_over(str_first(buf_str(&bytes), len));
        assert_false(config_decode(&part, &cut));
        assert_null(cut);
    }
    buf_fini(&bytes);
    assert_full(decoded);
    config_free(decoded);
}

static void names_what_takes_a_restart(void **state)
{
    static const struct {
        const char *text, *needed;
    } cases[] = {
        { "hostname = mx9.example.net", "" },
        { "hostname = mx2.example.net\nlog { level = debug } smtp { sessions = 99 }", "" },
        { "hostname = mx2.example.net\ndefaults { hold = 1d }", "" },
        { "hostname = mx2.example.net\nuser = mail\nlisten smtp { address = \"[::1]:25\" }",
          "user, listen smtp address" },
        { "hostname = mx2.example.net\ndns { servers = \"127.0.0.2:53\" } store { memory = 99MB }",
          "dns servers, store memory" },
        { "hostname = mx2.example.net\ndata = /srv", "data, control" },
    };
    struct config *current = load("hostname = mx2.example.net");
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config *next = load(cases[i].text);
        struct buf needed = { 0 };
        config_restart_needed(current, next, &needed);
        assert_str(buf_str(&needed), cases[i].needed);
        buf_reset(&needed);
        config_keep(current, next);
        config_restart_needed(current, next, &needed);
        assert_str(buf_str(&needed), "");
        buf_fini(&needed);
        config_free(next);
    }
    config_free(current);
}

static void refuses_what_is_no_configuration(void **state)
{
    struct config_problems problems = { 0 };
    struct config *config = NULL;
    char *large = malloc(300000);
    (void)state;
    memset(large, '#', 300000);
    assert_int_equal(config_load_text(STR("f"), str_of(large, 300000), &config, &problems),
                     -EINVAL);
    free(large);
    assert_int_equal(config_load_text(STR("f"), str_of("a\0b", 3), &config, &problems), -EINVAL);
    assert_str(buf_str(&problems.text), "f: this is larger than 256 KiB; is it the right file?\n"
                                        "f: this holds a zero byte; is it the right file?\n");
    config_problems_fini(&problems);
}

static void reads_a_file_and_warns_of_a_missing_anchor(void **state)
{
    char path[] = "/tmp/holdfast-config-XXXXXX";
    static const char text[] = "hostname = mx2.example.net\ndns { trust-anchor = \"/nowhere/a\" }";
    struct config_problems problems = { 0 };
    struct config *config = NULL;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    (void)close(fd);
    assert_int_equal(config_load(path, &config, &problems), 0);
    assert_int_equal(problems.errors, 0);
    assert_int_equal(problems.warnings, 1);
    config_free(config);
    config_problems_fini(&problems);
    (void)unlink(path);

    assert_int_equal(config_load(path, &config, &problems), -ENOENT);
    assert_int_equal(problems.errors, 1);
    config_problems_fini(&problems);
    assert_int_equal(config_load("/tmp", &config, &problems), -EISDIR);
    config_problems_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_section),
        cmocka_unit_test(a_host_name_is_enough),
        cmocka_unit_test(says_where_and_what_to_write_instead),
        cmocka_unit_test(needs_a_full_host_name),
        cmocka_unit_test(reports_all_wrong_values_at_once),
        cmocka_unit_test(what_is_dumped_reads_back_the_same),
        cmocka_unit_test(roles_get_what_was_loaded),
        cmocka_unit_test(names_what_takes_a_restart),
        cmocka_unit_test(refuses_what_is_no_configuration),
        cmocka_unit_test(reads_a_file_and_warns_of_a_missing_anchor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
