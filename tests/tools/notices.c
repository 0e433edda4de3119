/* SPDX-License-Identifier: ISC */
/* notices.c: writes a notice of each kind into a folder, for other programs to read.
 *
 *     notices FOLDER
 *
 * test_notices_form.py knows what the messages below must look like to them.
 */
#include <stdio.h>

#include "base/check.h"
#include "notify/notice.h"

struct story {
    const char *name;
    enum notice_kind kind;
    const char *sender;
    uint8_t flags; /* besides ENVELOPE_PROVED */
    uint8_t ret;
    const char *envelope_id;
    const char *content;
    struct {
        const char *address, *original;
        uint16_t code; /* 0: there was no answer */
        const char *answer, *remote;
        bool is_expired;
    } recipient[2];
    const char *template; /* the owner's, or NULL */
};

#define MAIL                                                                                       \
    "Date: Sat, 28 Nov 2026 18:19:00 +0100\r\n"                                                    \
    "From: Alice <alice@sender.example>\r\n"                                                       \
    "To: bob@example.org\r\n"                                                                      \
    "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n"                                                     \
    "Message-ID: <1@sender.example>\r\n"

#define EVIL "x\r\nEvil: yes\r\n\r\n--=_n1mx2examplenet--\r\nEvil: yes"

/* clang-format off */
static const struct story stories[] = {
    { .name = "unknown", .kind = NOTICE_FAILED, .sender = "alice@sender.example",
      .envelope_id = "QQ+2B314", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "bob@example.org", "rfc822;Bob+2BX@example.org", 550, "5.1.1 No such user", "mx.example.org" } } },
    { .name = "full-german", .kind = NOTICE_FAILED, .sender = "alice@sender.de", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "bob@example.org", "", 552, "5.2.2 Mailbox is over its quota", "mx.example.org" } } },
    { .name = "refused", .kind = NOTICE_FAILED, .sender = "alice@sender.example", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "bob@example.org", "", 550, "5.7.1 Message rejected due to its content, which is said at such length "
                       "that it takes more than one line of a header field to say it", "mx.example.org" } } },
    { .name = "expired-german", .kind = NOTICE_FAILED, .sender = "alice@sender.at", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "bob@example.org", "", 451, "4.4.1 No answer from mx.example.org", "", true } } },
    { .name = "several", .kind = NOTICE_FAILED, .sender = "alice@sender.example", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "bob@example.org", "", 550, "5.1.1 No such user", "mx.example.org" },
                     { "carol@example.org", "", 552, "5.2.2 Mailbox full", "mx.example.org" } } },
    { .name = "whole", .kind = NOTICE_FAILED, .sender = "alice@sender.example", .ret = 1,
      .content = MAIL "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
                 "\r\nGr\xc3\xbc\xc3\x9f" "e.\r\n",
      .recipient = { { "bob@example.org", "", 550, "5.1.1 No such user", "mx.example.org" } } },
    { .name = "delayed", .kind = NOTICE_DELAYED, .sender = "alice@sender.example", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "bob@example.org", "", 451, "4.4.1 No answer", "" } } },
    { .name = "delayed-german", .kind = NOTICE_DELAYED, .sender = "alice@sender.example",
      .content = MAIL "Content-Language: de\r\n\r\nHallo.\r\n",
      .recipient = { { "bob@example.org", "", 0, "", "" } } },
    { .name = "relayed", .kind = NOTICE_RELAYED, .sender = "alice@sender.example", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "bob@example.org", "", 250, "2.0.0 Ok", "mx.example.org" } } },
    { .name = "arrived-german", .kind = NOTICE_ARRIVED, .sender = "alice@sender.ch", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "bob@example.org", "", 250, "2.0.0 Ok", "mx.example.org" } } },
    { .name = "utf8", .kind = NOTICE_FAILED, .sender = "j\xc3\xb6rg@sender.example", .flags = ENVELOPE_SMTPUTF8,
      .content = "From: j\xc3\xb6rg@sender.example\r\nSubject: Gr\xc3\xbc\xc3\x9f" "e\r\n\r\nHello.\r\n",
      .recipient = { { "d\xc3\xb6rte@example.org", "utf-8;D\\x{F6}rte@example.org", 550, "5.1.1 No such user", "mx.example.org" } } },
    { .name = "utf8-not-spoken", .kind = NOTICE_FAILED, .sender = "alice@sender.example", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "d\xc3\xb6rte@example.org", "", 550, "5.1.1 No such user", "mx.example.org" } } },
    { .name = "own-words", .kind = NOTICE_FAILED, .sender = "alice@sender.example", .content = MAIL "\r\nHello.\r\n",
      .recipient = { { "bob@example.org", "", 550, "5.1.1 No such user", "mx.example.org" } },
      .template = "Subject: Sorry, \xc3\xa4\n\n{recipients}? Call {contact}.\n" },
    { .name = "evil", .kind = NOTICE_FAILED, .sender = "alice@sender.example", .envelope_id = EVIL,
      .content = "Message-ID: <x@y>\r\n Evil\r\nSubject: =?utf-8?Q?a=0D=0AEvil:_yes?=\r\nX: \xff\r\n"
                 "--=_n1mx2examplenet--\r\n\r\n" EVIL,
      .recipient = { { EVIL, "rfc822;" EVIL, 550, "5.1.1 " EVIL, EVIL } } },
};
/* clang-format on */

static void write_story(const char *folder, const struct story *story)
{
    struct recipient recipient[2] = { 0 };
    struct notice_outcome outcome[2] = { 0 };
    struct verdict verdict[2];
    struct notice_texts own = { 0 };
    struct envelope envelope = { .received_ms = 1795886400000,
                                 .flags = ENVELOPE_PROVED | story->flags,
                                 .helo = STR("out.sender.example"),
                                 .sender = str_from(story->sender),
                                 .envelope_id = str_from(story->envelope_id),
                                 .ret = story->ret,
                                 .recipient = recipient };

    for (uint32_t i = 0; i < 2 && story->recipient[i].address != NULL; i++) {
        verdict[i] =
            verdict_from_reply(story->recipient[i].code, str_from(story->recipient[i].answer));
        recipient[i] = (struct recipient){ .address = str_from(story->recipient[i].address),
                                           .original = str_from(story->recipient[i].original) };
        recipient[i].notify = story->kind == NOTICE_RELAYED ? NOTIFY_SUCCESS : NOTIFY_DEFAULT;
        outcome[i] = (struct notice_outcome){
            .recipient = i,
            .verdict = story->recipient[i].code != 0 ? &verdict[i] : NULL,
            .is_reply = story->recipient[i].remote[0] != '\0',
            .is_expired = story->recipient[i].is_expired,
            .remote = str_from(story->recipient[i].remote),
            .last_attempt_ms = 1795886460000,
        };
        envelope.recipient_count++;
    }
    check(endpoint_from_ip(STR("192.0.2.9"), 0, &envelope.client));
    struct notice notice = { .kind = story->kind,
                             .envelope = &envelope,
                             .content = str_from(story->content),
                             .outcome = outcome,
                             .outcome_count = envelope.recipient_count,
                             .domain = STR("example.org"),
                             .contact = STR("+49 30 12345"),
                             .own = &own,
                             .node = STR("mx2.example.net"),
                             .from = STR("postmaster@mx2.example.net"),
                             .from_name = STR("Mail delivery"),
                             .message_id = STR("<n1@mx2.example.net>"),
                             .now_ms = 1795886500000,
                             .until_ms = 1796318400000,
                             .returned_max = (size_t)64 * 1024 };
    for (size_t i = 0; i < OCCASION_FIRST_FOR_OWNER; i++)
        own.text[i][LANGUAGE_EN] = str_from(story->template);

    char path[4096];
    struct buf out = { 0 };
    struct notice_made made;
    check(notice_add(&out, &notice, &made) == MAY_NOTIFY && !made.own_is_bad);
    (void)snprintf(path, sizeof path, "%s/%s.eml", folder, story->name);
    FILE *file = fopen(path, "wb");
    check(file != NULL && fwrite(out.ptr, 1, out.len, file) == out.len);
    check(fclose(file) == 0);
    buf_fini(&out);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fputs("usage: notices FOLDER\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++)
        write_story(argv[1], &stories[i]);
    return 0;
}
