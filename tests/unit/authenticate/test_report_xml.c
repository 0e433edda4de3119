/* SPDX-License-Identifier: ISC */
/* test_report_xml.c: a report as its readers get it, and what strangers cannot do to it. */
#include "testing.h"

#include "authenticate/report_xml.h"
#include "authenticate/rows.h"

static const struct tally_limits plenty = { 100, 100, 1000000 };
static const struct report_about about = {
    .organisation = { "Example & Sons", 14 },
    .email = { "postmaster@mx.example.net", 25 },
    .id = { "1795800000.example.com", 22 },
    .end_s = 1795886399,
};

/* Without the generator, whose version changes. */
static struct str written(struct tally *report, struct buf *out)
{
    struct buf whole = { 0 };
    struct str line;

    report_xml_add(&whole, report, tally_first(report), &about);
    for (struct str rest = buf_str(&whole); str_cut(&rest, '\n', &line);) {
        if (line.len == 0 || str_starts(line, STR("    <generator>holdfast ")))
            continue;
        buf_add(out, line);
        buf_add_byte(out, '\n');
    }
    buf_fini(&whole);
    return buf_str(out);
}

static void writes_what_was_found(void **state)
{
    struct report_row row = row_make("example.com", "192.0.2.1");
    struct report_row other = row_make("example.com", "2001:db8::1");
    struct tally report;
    struct buf out = { 0 };

    (void)state;
    tally_init(&report, plenty, 1795800000);
    report_add(&report, &row);
    report_add(&report, &row);
    other.header_from = STR("mail.example.com");
    other.envelope_from = STR_NONE;
    other.has_null_sender = true;
    other.is_dkim_aligned = other.is_spf_aligned = true;
    other.disposition = REPORT_PASS;
    other.override = REPORT_AS_ASKED;
    other.signature_count = 0;
    report_add(&report, &other);
    tally_first(&report)->left_out = 3;
    assert_str(written(&report, &out), STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                           "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n"
                                           "  <version>1.0</version>\n"
                                           "  <report_metadata>\n"
                                           "    <org_name>Example &amp; Sons</org_name>\n"
                                           "    <email>postmaster@mx.example.net</email>\n"
                                           "    <report_id>1795800000.example.com</report_id>\n"
                                           "    <date_range>\n"
                                           "      <begin>1795800000</begin>\n"
                                           "      <end>1795886399</end>\n"
                                           "    </date_range>\n"
                                           "    <error>3 messages are left out: there was no room"
                                           " for more rows in this report.</error>\n"
                                           "  </report_metadata>\n"
                                           "  <policy_published>\n"
                                           "    <domain>example.com</domain>\n"
                                           "    <discovery_method>treewalk</discovery_method>\n"
                                           "    <p>quarantine</p>\n"
                                           "    <sp>quarantine</sp>\n"
                                           "    <np>reject</np>\n"
                                           "    <adkim>r</adkim>\n"
                                           "    <aspf>s</aspf>\n"
                                           "    <testing>n</testing>\n"
                                           "  </policy_published>\n"
                                           "  <record>\n"
                                           "    <row>\n"
                                           "      <source_ip>192.0.2.1</source_ip>\n"
                                           "      <count>2</count>\n"
                                           "      <policy_evaluated>\n"
                                           "        <disposition>none</disposition>\n"
                                           "        <dkim>fail</dkim>\n"
                                           "        <spf>fail</spf>\n"
                                           "        <reason>\n"
                                           "          <type>local_policy</type>\n"
                                           "        </reason>\n"
                                           "      </policy_evaluated>\n"
                                           "    </row>\n"
                                           "    <identifiers>\n"
                                           "      <header_from>example.com</header_from>\n"
                                           "      <envelope_from>bounce.example.net"
                                           "</envelope_from>\n"
                                           "    </identifiers>\n"
                                           "    <auth_results>\n"
                                           "      <dkim>\n"
                                           "        <domain>example.net</domain>\n"
                                           "        <selector>s1</selector>\n"
                                           "        <result>pass</result>\n"
                                           "      </dkim>\n"
                                           "      <spf>\n"
                                           "        <domain>bounce.example.net</domain>\n"
                                           "        <scope>mfrom</scope>\n"
                                           "        <result>pass</result>\n"
                                           "      </spf>\n"
                                           "    </auth_results>\n"
                                           "  </record>\n"
                                           "  <record>\n"
                                           "    <row>\n"
                                           "      <source_ip>2001:db8::1</source_ip>\n"
                                           "      <count>1</count>\n"
                                           "      <policy_evaluated>\n"
                                           "        <disposition>pass</disposition>\n"
                                           "        <dkim>pass</dkim>\n"
                                           "        <spf>pass</spf>\n"
                                           "      </policy_evaluated>\n"
                                           "    </row>\n"
                                           "    <identifiers>\n"
                                           "      <header_from>mail.example.com</header_from>\n"
                                           "      <envelope_from></envelope_from>\n"
                                           "    </identifiers>\n"
                                           "    <auth_results>\n"
                                           "      <spf>\n"
                                           "        <domain>bounce.example.net</domain>\n"
                                           "        <scope>mfrom</scope>\n"
                                           "        <result>pass</result>\n"
                                           "      </spf>\n"
                                           "    </auth_results>\n"
                                           "  </record>\n"
                                           "</feedback>\n"));
    tally_fini(&report);
    buf_fini(&out);
}

static void nobody_writes_elements(void **state)
{
    static const struct {
        struct str text;
        struct str written;
    } cases[] = {
        { { "", 0 }, { "", 0 } },
        { { "s1", 2 }, { "s1", 2 } },
        { { "</selector>", 11 }, { "&lt;/selector&gt;", 17 } },
        { { "&lt;\"'", 6 }, { "&amp;lt;&quot;&apos;", 20 } },
        { { "a\0b\tc\r\nd\x7f", 9 }, { "a?b?c??d?", 9 } },
        { { "\xc3\xa4", 2 }, { "\xc3\xa4", 2 } },
        { { "\xf0\x9f\x98\x80", 4 }, { "\xf0\x9f\x98\x80", 4 } },
        { { "\xc3", 1 }, { "?", 1 } },                /* cut in the middle */
        { { "\xc0\xbc", 2 }, { "??", 2 } },           /* a longer spelling of < */
        { { "\xed\xa0\x80", 3 }, { "???", 3 } },      /* a surrogate */
        { { "\xef\xbf\xbe", 3 }, { "?", 1 } },        /* U+FFFE */
        { { "\xf0\x9f\xbf\xbf", 4 }, { "?", 1 } },    /* U+1FFFF */
        { { "\xef\xb7\x90", 3 }, { "?", 1 } },        /* U+FDD0 */
        { { "\xc2\x85", 2 }, { "?", 1 } },            /* U+0085 */
        { { "\xf4\x90\x80\x80", 4 }, { "????", 4 } }, /* beyond the last */
    };
    struct buf out = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_reset(&out);
        report_xml_add_text(&out, cases[i].text);
        assert_str(buf_str(&out), cases[i].written);
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_was_found),
        cmocka_unit_test(nobody_writes_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
