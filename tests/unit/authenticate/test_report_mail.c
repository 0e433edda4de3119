/* SPDX-License-Identifier: ISC */
/* test_report_mail.c: the message around a report, and that the report can be got out of it. */
#include "testing.h"

#include <zlib.h>

#include "authenticate/report_mail.h"
#include "base/base64.h"

static struct report_mail usual(void)
{
    return (struct report_mail){
        .from = STR("reports@mx.example.net"),
        .to = STR("dmarc@example.com"),
        .message_id = STR("<1795886400.example.com@mx.example.net>"),
        .date_s = 1795886400,
        .submitter = STR("mx.example.net"),
        .domain = STR("example.com"),
        .id = STR("1795886400.example.com"),
        .begin_s = 1795800000,
        .end_s = 1795886399,
        .xml = STR("<feedback>\n</feedback>\n"),
    };
}

/* Index behind `mark`. */
static size_t behind(struct str text, struct str mark)
{
    for (size_t i = 0; i + mark.len <= text.len; i++)
        if (str_starts(str_skip(text, i), mark))
            return i + mark.len;
    fail_msg("no %.*s", STR_FMT(mark));
    return 0;
}

/* The attachment's octets, its lines looked at. */
static void take_attachment(struct str message, struct buf *out)
{
    struct str rest = str_skip(message, behind(message, STR(".xml.gz\"\r\n\r\n")));
    struct buf joined = { 0 };
    struct str line;

    while (str_cut(&rest, '\n', &line) && !str_starts(line, STR("--"))) {
        assert_true(line.len > 1 && line.len <= 77 && line.ptr[line.len - 1] == '\r');
        buf_add(&joined, str_first(line, line.len - 1));
    }
    assert_str(line, STR("--=_report--\r"));
    assert_true(base64_decode(out, buf_str(&joined)));
    buf_fini(&joined);
}

static void unpack(struct str packed, struct buf *out)
{
    z_stream stream = { 0 };
    char room[512];
    int state = Z_OK;

    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)packed.ptr;
    stream.avail_in = (uInt)packed.len;
    while (state == Z_OK) {
        stream.next_out = (Bytef *)room;
        stream.avail_out = sizeof room;
        state = inflate(&stream, Z_NO_FLUSH);
        buf_add_bytes(out, room, sizeof room - stream.avail_out);
    }
    assert_int_equal(state, Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    (void)inflateEnd(&stream);
}

static void says_what_it_carries(void **state)
{
    struct report_mail mail = usual();
    struct buf out = { 0 };

    (void)state;
    assert_true(report_mail_add(&out, &mail));
    struct str head = str_first(buf_str(&out), behind(buf_str(&out), STR(".xml.gz\"\r\n\r\n")));
    assert_str(head,
               STR("From: <reports@mx.example.net>\r\n"
                   "To: <dmarc@example.com>\r\n"
                   "Subject: Report Domain: example.com\r\n"
                   " Submitter: mx.example.net\r\n"
                   " Report-ID: <1795886400.example.com>\r\n"
                   "Date: Sat, 28 Nov 2026 17:20:00 +0000\r\n"
                   "Message-ID: <1795886400.example.com@mx.example.net>\r\n"
                   "Auto-Submitted: auto-generated\r\n"
                   "MIME-Version: 1.0\r\n"
                   "Content-Type: multipart/mixed; boundary=\"=_report\"\r\n"
                   "\r\n"
                   "--=_report\r\n"
                   "Content-Type: text/plain; charset=us-ascii\r\n"
                   "\r\n"
                   "A DMARC aggregate report about mail that gave\r\n"
                   "example.com\r\n"
                   "or a domain below it as its author's, as mx.example.net\r\n"
                   "saw it from Fri, 27 Nov 2026 17:20:00 +0000\r\n"
                   "to Sat, 28 Nov 2026 17:19:59 +0000.\r\n"
                   "\r\n"
                   "The domain's DMARC record asks for such reports (rua=); without it, none"
                   " are sent.\r\n"
                   "The attachment is XML in the form of RFC 9990, made to be read by a"
                   " program.\r\n"
                   "--=_report\r\n"
                   "Content-Type: application/gzip\r\n"
                   "Content-Transfer-Encoding: base64\r\n"
                   "Content-Disposition: attachment;\r\n"
                   "\tfilename=\"mx.example.net!example.com!1795800000!1795886399.xml.gz\"\r\n"
                   "\r\n"));
    buf_reset(&out);
    mail.unique = STR("7f3a");
    assert_true(report_mail_add(&out, &mail));
    (void)behind(buf_str(&out), STR("!1795886399!7f3a.xml.gz\""));
    buf_fini(&out);
}

static void carries_it_whole(void **state)
{
    static const size_t sizes[] = { 0, 1, 56, 57, 58, 100000 };
    struct report_mail mail = usual();
    struct buf xml = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct buf out = { 0 };
        struct buf again = { 0 };
        struct buf packed = { 0 };
        struct buf unpacked = { 0 };
        uint32_t x = 1;
        buf_reset(&xml);
        while (xml.len < sizes[i]) {
            x = x * 1664525 + 1013904223;
            buf_add_byte(&xml, (char)(x >> 24));
        }
        mail.xml = buf_str(&xml);
        assert_true(report_mail_add(&out, &mail));
        take_attachment(buf_str(&out), &packed);
        unpack(buf_str(&packed), &unpacked);
        assert_int_equal(unpacked.len, sizes[i]);
        assert_str(buf_str(&unpacked), mail.xml);
        assert_true(report_mail_add(&again, &mail));
        assert_str(buf_str(&again), buf_str(&out));
        buf_fini(&out);
        buf_fini(&again);
        buf_fini(&packed);
        buf_fini(&unpacked);
    }
    buf_fini(&xml);
}

static void lets_nobody_write_lines(void **state)
{
    struct report_mail mail[10];
    struct buf out = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(mail); i++)
        mail[i] = usual();
    mail[0].to = STR("a@example.com>\r\nBcc: <b@example.com");
    mail[1].to = STR("");
    mail[2].from = STR("a b@example.com");
    mail[3].domain = STR("example.com\"");
    mail[4].domain = STR_NONE;
    mail[5].submitter = STR("mx!example");
    mail[6].id = STR("a>");
    mail[7].unique = STR("a!b");
    mail[8].message_id = STR("<a@b>\n");
    mail[9].domain = STR("\xc3\xa4.example");
    for (size_t i = 0; i < COUNT_OF(mail); i++)
        if (report_mail_add(&out, &mail[i]) || out.len > 0)
            fail_msg("%zu", i);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_it_carries),
        cmocka_unit_test(carries_it_whole),
        cmocka_unit_test(lets_nobody_write_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
