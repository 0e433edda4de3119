/* SPDX-License-Identifier: ISC */
/* test_dialogues.c: what a client says, what it hears, what the host is asked to do.
 *
 * A dialogue is a row of bursts; between two of them the client waits for all it
 * is owed. Each is held whole, octet by octet, octet by octet with the host's
 * answers in between, and cut once at each place. All must sound the same.
 */
#include "receive/dialogue.h"

enum { BURSTS_MAX = 10 };

struct dialogue_case {
    const char *name;
    const char *say[BURSTS_MAX];
    const char *hear; /* behind the banner */
    const char *events;
    const char *body; /* of the last content */
};

#define EHLO   "EHLO c.example\r\n"
#define HELO   "HELO c.example\r\n"
#define FROM   "MAIL FROM:<a@b.example>\r\n"
#define TO     "RCPT TO:<c@d.example>\r\n"
#define COMMIT "open commit(ESMTP c.example <a@b.example> c@d.example) "

static const struct dialogue_case cases[] = {
    { "one message, step by step",
      { EHLO, FROM, TO, "DATA\r\n", "hi\r\n.\r\n", "QUIT\r\n" },
      HELLO SENDER_OK RCPT_OK GO_ON STORED BYE,
      COMMIT "close ",
      "hi\r\n" },
    { "one message, pipelined",
      { EHLO, FROM TO "DATA\r\n", "..hi\r\n.\r\nQUIT\r\n" },
      HELLO SENDER_OK RCPT_OK GO_ON STORED BYE,
      COMMIT "close ",
      ".hi\r\n" },
    { "the next message's commands behind this one's content",
      { EHLO, FROM TO "DATA\r\n", "1\r\n.\r\n" FROM TO "DATA\r\n", "2\r\n.\r\nQUIT\r\n" },
      HELLO SENDER_OK RCPT_OK GO_ON STORED SENDER_OK RCPT_OK GO_ON STORED BYE,
      COMMIT COMMIT "close ",
      "2\r\n" },
    { "an empty message",
      { EHLO, FROM TO "DATA\r\n", ".\r\n" },
      HELLO SENDER_OK RCPT_OK GO_ON STORED,
      COMMIT,
      "" },
    { "HELO without pipelining",
      { HELO, FROM, TO, "DATA\r\n", "hi\r\n.\r\nQUIT\r\n" },
      "250 mx.example\r\n" SENDER_OK RCPT_OK GO_ON STORED BYE,
      "open commit(SMTP c.example <a@b.example> c@d.example) close ",
      "hi\r\n" },
    { "verbs in any case, blanks in harmless places",
      { "ehlo  c.example \r\n", "mail from: <a@b.example> \r\n", "Rcpt To: c@d.example\r\n",
        "data \r\n", "hi\r\n.\r\n", "quit\r\n" },
      HELLO SENDER_OK RCPT_OK GO_ON STORED BYE,
      COMMIT "close ",
      "hi\r\n" },
    { "null sender, postmaster without domain, domain in capitals, one given twice",
      { EHLO,
        "MAIL FROM:<> BODY=8BITMIME SIZE=1000\r\nRCPT TO:<PostMaster>\r\n"
        "RCPT TO:<C@D.EXAMPLE.>\r\nRCPT TO:<C@d.example>\r\nRCPT TO:<c@d.example>\r\n",
        "DATA\r\n", ".\r\n" },
      HELLO SENDER_OK RCPT_OK RCPT_OK RCPT_OK RCPT_OK GO_ON STORED,
      "open commit(ESMTP c.example 8bit <> postmaster C@d.example c@d.example) ",
      "" },
    { "only the accepted recipients are kept",
      { EHLO,
        FROM "RCPT TO:<bad@d.example>\r\n" TO "RCPT TO:<later@d.example>\r\n"
             "RCPT TO:<x@d.example>\r\nDATA\r\n",
        ".\r\n" },
      HELLO SENDER_OK NO_SUCH RCPT_OK "450 4.2.0 Come again\r\n" RCPT_OK GO_ON STORED,
      "open commit(ESMTP c.example <a@b.example> c@d.example x@d.example) ",
      "" },
    { "no recipient is left: DATA is refused, RSET clears",
      { EHLO, FROM "RCPT TO:<bad@d.example>\r\nDATA\r\n", "RSET\r\n" FROM "NOOP\r\n" },
      HELLO SENDER_OK NO_SUCH "554 5.5.1 No valid recipients\r\n250 2.0.0 OK\r\n" SENDER_OK
                              "250 2.0.0 OK\r\n",
      "",
      "" },
    { "too many recipients",
      { EHLO, FROM "RCPT TO:<1@d.example>\r\nRCPT TO:<2@d.example>\r\nRCPT TO:<3@d.example>\r\n"
                   "RCPT TO:<4@d.example>\r\nRCPT TO:<5@d.example>\r\nRCPT TO:<6@d.example>\r\n"
                   "RCPT TO:<5@d.example>\r\n" },
      HELLO SENDER_OK RCPT_OK RCPT_OK RCPT_OK RCPT_OK RCPT_OK
      "452 4.5.3 Too many recipients; send the others in a new message\r\n" RCPT_OK,
      "",
      "" },
    { "commands that change nothing",
      { EHLO, "NOOP a b\r\nVRFY a\r\nEXPN a\r\nHELP\r\nVRFY\r\nRSET\r\nRSET x\r\nQUIT x\r\n" },
      HELLO
      "250 2.0.0 OK\r\n252 2.5.0 Cannot say; send a message and see\r\n"
      "502 5.5.1 Command not offered here\r\n"
      "214 2.0.0 EHLO HELO STARTTLS AUTH ETRN MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n"
      "501 5.5.4 Syntax: VRFY address\r\n250 2.0.0 OK\r\n"
      "501 5.5.4 RSET takes no argument\r\n501 5.5.4 QUIT takes no argument\r\n",
      "",
      "" },
    { "commands that are unknown or not offered",
      { EHLO, "SAML FROM:<a@b.example>\r\nAUTH PLAIN\r\nTURN\r\nFOO\r\n\r\n" },
      HELLO "502 5.5.1 Command not offered here\r\n502 5.5.1 Command not offered here\r\n"
            "502 5.5.1 Command not offered here\r\n500 5.5.1 Unknown command\r\n"
            "500 5.5.1 Unknown command\r\n",
      "",
      "" },
    { "before EHLO",
      { FROM, TO, "DATA\r\n", "RSET\r\n", "EHLO\r\n", "HELO a b\r\n", EHLO },
      "503 5.5.1 Say EHLO first\r\n503 5.5.1 Say EHLO first\r\n503 5.5.1 Say EHLO first\r\n"
      "250 2.0.0 OK\r\n501 5.5.4 Say EHLO or HELO with your host name\r\n"
      "501 5.5.4 Say EHLO or HELO with your host name\r\n" HELLO,
      "",
      "" },
    { "out of sequence",
      { EHLO, TO, "DATA\r\n", FROM FROM, EHLO TO },
      HELLO "503 5.5.1 Say MAIL first\r\n503 5.5.1 Say MAIL first\r\n" SENDER_OK
            "503 5.5.1 There is a transaction already; end it with RSET\r\n"
            "503 5.5.0 Data sent before it was its turn; closing\r\n",
      "close ",
      "" },
    { "EHLO ends a transaction",
      { EHLO, FROM, EHLO, TO },
      HELLO SENDER_OK HELLO "503 5.5.1 Say MAIL first\r\n",
      "",
      "" },
    { "bad MAIL",
      { EHLO,
        "MAIL\r\nMAIL FROM:\r\nMAIL FROM:<a\r\nMAIL FROM:<a@b.example> SIZE=\r\n"
        "MAIL FROM:<a@b.example> SIZE\r\nMAIL FROM:<a@b.example> SIZE=x\r\n"
        "MAIL FROM:<a@b.example> SIZE=1001\r\nMAIL FROM:<a@b.example> BODY=BINARYMIME\r\n",
        "MAIL FROM:<a@b.example> SMTPUTF8=1\r\nMAIL FROM:<a@b.example> REQUIRETLS\r\n"
        "MAIL FROM:<a@b.example> HOLDFOR=1\r\nMAIL FROM:<a@b.example> BODY=7BIT BODY=7BIT\r\n"
        "MAIL FROM:<\xc3\xbc@b.example>\r\nMAIL FROM:<\xff@b.example>\r\n",
        TO },
      HELLO "501 5.5.4 Syntax: MAIL FROM:<address>\r\n501 5.1.7 Malformed sender address\r\n"
            "501 5.1.7 Malformed sender address\r\n501 5.5.4 Malformed MAIL parameter\r\n"
            "501 5.5.4 Bad SIZE\r\n501 5.5.4 Bad SIZE\r\n"
            "552 5.3.4 Message exceeds the size limit\r\n501 5.5.4 Bad BODY\r\n"
            "501 5.5.4 SMTPUTF8 takes no value\r\n"
            "555 5.5.4 REQUIRETLS is offered over TLS alone\r\n"
            "555 5.5.4 MAIL parameter not offered here\r\n501 5.5.4 Malformed MAIL parameter\r\n"
            "553 5.6.7 The sender's address needs the parameter SMTPUTF8\r\n"
            "501 5.1.7 Malformed sender address\r\n503 5.5.1 Say MAIL first\r\n",
      "",
      "" },
    { "bad RCPT",
      { EHLO, FROM,
        "RCPT\r\nRCPT TO:<>\r\nRCPT TO:<c>\r\nRCPT TO:<c@d..example>\r\n" TO
        "RCPT TO:<c@[192.0.2.1]>\r\nRCPT TO:<c@d.example> HOLDFOR=60\r\n"
        "RCPT TO:<\xc3\xbc@d.example>\r\nRCPT TO:<c@d.example> =\r\n"
        "RCPT TO:<c@\xc3\xbc.example>\r\n",
        "DATA\r\n", ".\r\n" },
      HELLO SENDER_OK "501 5.5.4 Syntax: RCPT TO:<address>\r\n"
                      "501 5.1.3 Malformed recipient address\r\n"
                      "501 5.1.3 Malformed recipient address\r\n"
                      "501 5.1.3 Malformed recipient address\r\n" RCPT_OK
                      "550 5.1.2 No mail for address literals here\r\n"
                      "555 5.5.4 RCPT parameter not offered here\r\n"
                      "553 5.6.7 The address needs SMTPUTF8, said with MAIL\r\n"
                      "501 5.5.4 Malformed RCPT parameter\r\n" RCPT_OK GO_ON STORED,
      "open commit(ESMTP c.example <a@b.example> c@d.example c@xn--tda.example) ",
      "" },
    { "mail that is internationalized (RFC 6531), and a primary that takes none",
      { EHLO,
        "MAIL FROM:<\xc3\xbc@\xc3\xbc.example> SMTPUTF8\r\n" TO "RCPT TO:<plain@d.example>\r\n"
        "RCPT TO:<\xe2\x82\xac@\xc3\xbc.example>\r\nRCPT TO:<\xff@d.example>\r\n",
        "DATA\r\n", ".\r\n", FROM "RCPT TO:<plain@d.example>\r\nQUIT\r\n" },
      HELLO SENDER_OK RCPT_OK
      "550 5.6.7 The server of d.example does not support SMTPUTF8\r\n" RCPT_OK
      "501 5.1.3 Malformed recipient address\r\n" GO_ON STORED SENDER_OK RCPT_OK
      "221 2.0.0 Bye\r\n",
      "open commit(UTF8SMTP c.example <\xc3\xbc@\xc3\xbc.example> c@d.example "
      "\xe2\x82\xac@xn--tda.example) close ",
      "" },
    { "a declared size that the primary of a recipient does not take (RFC 1870)",
      { EHLO, "MAIL FROM:<a@b.example> SIZE=21\r\nRCPT TO:<small@d.example>\r\n" TO "DATA\r\n",
        "0123456789012345678\r\n.\r\nMAIL FROM:<a@b.example> SIZE=20\r\n"
        "RCPT TO:<small@d.example>\r\nQUIT\r\n" },
      HELLO SENDER_OK
      "552 5.3.4 d.example takes no message of more than 20 octets\r\n" RCPT_OK GO_ON STORED
          SENDER_OK RCPT_OK BYE,
      COMMIT "close ",
      "0123456789012345678\r\n" },
    { "a size that was not declared, and no recipient's primary takes",
      { EHLO, FROM "RCPT TO:<small@d.example>\r\nDATA\r\n",
        "0123456789012345678\r\n.\r\n" FROM "RCPT TO:<small@d.example>\r\nBDAT 21 LAST\r\n",
        "012345678901234567\r\nx" FROM "RCPT TO:<small@d.example>\r\n" TO "BDAT 21 LAST\r\n",
        "012345678901234567\r\nx" },
      HELLO SENDER_OK RCPT_OK GO_ON
      "552 5.3.4 Message exceeds the size limit\r\n" SENDER_OK RCPT_OK
      "552 5.3.4 Message exceeds the size limit\r\n" SENDER_OK RCPT_OK RCPT_OK STORED,
      "open abort open commit(ESMTP c.example <a@b.example> small@d.example c@d.example) ",
      "012345678901234567\r\nx" },
    { "what is asked for about notices is kept (RFC 3461)",
      { EHLO,
        "MAIL FROM:<a@b.example> ret=hdrs ENVID=QQ+2B314 SIZE=5\r\n"
        "RCPT TO:<c@d.example> NOTIFY=success,DELAY ORCPT=rfc822;Bob+2B@example.org\r\n"
        "RCPT TO:<e@d.example> NOTIFY=NEVER\r\nRCPT TO:<f@d.example>\r\n"
        "RCPT TO:<g@d.example> ORCPT=utf-8;\\x{FC}@d.example NOTIFY=FAILURE\r\n"
        "DATA\r\n",
        "hi\r\n.\r\n" FROM TO "DATA\r\n", ".\r\n" },
      HELLO SENDER_OK RCPT_OK RCPT_OK RCPT_OK RCPT_OK GO_ON STORED SENDER_OK RCPT_OK GO_ON STORED,
      "open commit(ESMTP c.example <a@b.example> ret=2 envid=QQ+2B314"
      " c@d.example/10/rfc822;Bob+2B@example.org e@d.example/1 f@d.example"
      " g@d.example/4/utf-8;\\x{FC}@d.example) " COMMIT,
      "" },
    { "who is named twice with different wishes has both",
      { EHLO,
        "MAIL FROM:<a@b.example> RET=FULL\r\n"
        "RCPT TO:<c@d.example> NOTIFY=NEVER\r\nRCPT TO:<c@d.example> NOTIFY=SUCCESS\r\n" TO,
        "DATA\r\n", ".\r\n" },
      HELLO SENDER_OK RCPT_OK RCPT_OK RCPT_OK GO_ON STORED,
      "open commit(ESMTP c.example <a@b.example> ret=1 envid= c@d.example/14) ",
      "" },
    { "bad wishes about notices",
      { EHLO,
        "MAIL FROM:<a@b.example> RET=ALL\r\nMAIL FROM:<a@b.example> ENVID=a+0\r\n"
        "MAIL FROM:<a@b.example> ENVID\r\nMAIL FROM:<a@b.example> RET=FULL RET=HDRS\r\n",
        FROM "RCPT TO:<c@d.example> NOTIFY\r\nRCPT TO:<c@d.example> NOTIFY=NEVER,DELAY\r\n"
             "RCPT TO:<c@d.example> ORCPT=bob@example.org\r\n"
             "RCPT TO:<c@d.example> ORCPT=rfc822;a+0Ab\r\n"
             "RCPT TO:<c@d.example> NOTIFY=DELAY NOTIFY=DELAY\r\nDATA\r\n" },
      HELLO "501 5.5.4 RET is either FULL or HDRS\r\n"
            "501 5.5.4 ENVID must be xtext, of 100 characters at most\r\n"
            "501 5.5.4 ENVID must be xtext, of 100 characters at most\r\n"
            "501 5.5.4 Malformed MAIL parameter\r\n" SENDER_OK
            "501 5.5.4 NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY with commas\r\n"
            "501 5.5.4 NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY with commas\r\n"
            "501 5.5.4 ORCPT is type;xtext, such as rfc822;bob@example.org, of 500 characters at "
            "most\r\n"
            "501 5.5.4 ORCPT is type;xtext, such as rfc822;bob@example.org, of 500 characters at "
            "most\r\n"
            "501 5.5.4 Malformed RCPT parameter\r\n554 5.5.1 No valid recipients\r\n",
      "",
      "" },
    { "bad line ends are told and do not hang",
      { EHLO, "NOOP\nNOOP\r\nNO\rOP\r\nNOOP\r\r\n\nNOOP\r\n" },
      HELLO "500 5.5.2 Bare CR or LF in a command; end lines with CRLF\r\n250 2.0.0 OK\r\n"
            "500 5.5.2 Bare CR or LF in a command; end lines with CRLF\r\n"
            "500 5.5.2 Bare CR or LF in a command; end lines with CRLF\r\n"
            "500 5.5.2 Bare CR or LF in a command; end lines with CRLF\r\n250 2.0.0 OK\r\n",
      "",
      "" },
    { "a client of bare LFs is heard out, and nothing it says is done",
      { "EHLO c\nMAIL FROM:<a@b.example>\n" },
      "500 5.5.2 Bare CR or LF in a command; end lines with CRLF\r\n"
      "500 5.5.2 Bare CR or LF in a command; end lines with CRLF\r\n",
      "",
      "" },
    { "no variant of the end ends the data",
      { EHLO, FROM TO "DATA\r\n",
        "1\n.\nRSET\r\n2\r\n.\nRSET\r\n3\n.\r\nRSET\r\n4\r.\r\nRSET\r\n5\r\n.\rRSET\r\n.\r\n" },
      HELLO SENDER_OK RCPT_OK GO_ON STORED,
      COMMIT,
      "1\r\n.\r\nRSET\r\n2\r\n\r\nRSET\r\n3\r\n.\r\nRSET\r\n4.\r\nRSET\r\n5\r\nRSET\r\n" },
    { "BDAT in one chunk",
      { EHLO, FROM TO "BDAT 9 LAST\r\n.\r\nbody\r\nQUIT\r\n" },
      HELLO SENDER_OK RCPT_OK STORED BYE,
      COMMIT "close ",
      ".\r\nbody\r\n" },
    { "BDAT in several chunks, a line end and a bare CR across them",
      { EHLO, FROM TO "BDAT 2\r\na\rBDAT 3\r\n\nb\rBDAT 1\r\ncBDAT 0 LAST\r\nQUIT\r\n" },
      HELLO SENDER_OK RCPT_OK CHUNK_OK CHUNK_OK CHUNK_OK STORED BYE,
      COMMIT "close ",
      "a\r\nbc" },
    { "BDAT 0 LAST is an empty message",
      { EHLO, FROM TO "BDAT 0 LAST\r\n" },
      HELLO SENDER_OK RCPT_OK STORED,
      COMMIT,
      "" },
    { "BDAT messages in a row",
      { EHLO, FROM TO "BDAT 1 LAST\r\n1RSET\r\n" FROM TO "BDAT 1 LAST\r\n2QUIT\r\n" },
      HELLO SENDER_OK RCPT_OK STORED "250 2.0.0 OK\r\n" SENDER_OK RCPT_OK STORED BYE,
      COMMIT COMMIT "close ",
      "2" },
    { "BDAT without MAIL swallows its octets",
      { "BDAT 6\r\nRSET\r\n", EHLO, "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n" },
      "503 5.5.1 BDAT without MAIL\r\n" HELLO "503 5.5.1 BDAT without MAIL\r\n250 2.0.0 OK\r\n",
      "",
      "" },
    { "BDAT LAST without recipients ends the transaction",
      { EHLO, FROM "RCPT TO:<bad@d.example>\r\nBDAT 6 LAST\r\nQUIT\r\n" FROM },
      HELLO SENDER_OK NO_SUCH "554 5.5.1 No valid recipients\r\n" SENDER_OK,
      "",
      "" },
    { "after a failed BDAT others fail until RSET",
      { EHLO, FROM "BDAT 6\r\nQUIT\r\n" TO "DATA\r\n", "BDAT 6\r\nQUIT\r\n" FROM "RSET\r\n" FROM },
      HELLO SENDER_OK "554 5.5.1 No valid recipients\r\n"
                      "503 5.5.1 The transaction has failed; end it with RSET\r\n"
                      "503 5.5.1 The transaction has failed; end it with RSET\r\n"
                      "503 5.5.1 The transaction has failed; end it with RSET\r\n"
                      "503 5.5.1 The transaction has failed; end it with RSET\r\n"
                      "250 2.0.0 OK\r\n" SENDER_OK,
      "",
      "" },
    { "a failed BDAT ends with LAST too",
      { EHLO, FROM "BDAT 1\r\nxBDAT 1 LAST\r\nx" FROM },
      HELLO SENDER_OK "554 5.5.1 No valid recipients\r\n"
                      "503 5.5.1 The transaction has failed; end it with RSET\r\n" SENDER_OK,
      "",
      "" },
    { "a BDAT whose size is unknown ends the session",
      { EHLO, FROM TO "BDAT x\r\nQUIT\r\n" },
      HELLO SENDER_OK RCPT_OK "501 5.5.4 Syntax: BDAT size [LAST]; closing, for where the chunk "
                              "ends cannot be known\r\n",
      "close ",
      "" },
    { "DATA, RCPT and MAIL do not go with BDAT",
      { EHLO, FROM TO "BDAT 3\r\n\r\nxDATA\r\n", TO FROM "RSET\r\n" FROM },
      HELLO SENDER_OK RCPT_OK CHUNK_OK
      "503 5.5.1 After BDAT only BDAT goes on\r\n"
      "503 5.5.1 After BDAT only BDAT goes on\r\n"
      "503 5.5.1 There is a transaction already; end it with RSET\r\n"
      "250 2.0.0 OK\r\n" SENDER_OK,
      "open abort ",
      "\r\nx" },
};

enum split { WHOLE, OCTETS, OCTETS_AND_ANSWERS, CUT };

static void say_burst(struct dialogue *dialogue, struct str burst, enum split split, size_t *cut)
{
    if (split == WHOLE) {
        dialogue_feed(dialogue, burst);
    } else if (split == CUT) {
        size_t first = *cut < burst.len ? *cut : burst.len;
        *cut -= first;
        dialogue_feed(dialogue, str_first(burst, first));
        dialogue_feed(dialogue, str_skip(burst, first));
    } else {
        for (size_t i = 0; i < burst.len && !dialogue->closed; i++) {
            dialogue_feed(dialogue, str_first(str_skip(burst, i), 1));
            if (split == OCTETS_AND_ANSWERS)
                dialogue_settle(dialogue);
        }
    }
    dialogue_settle(dialogue);
}

static bool is_out_of_turn(const struct dialogue_case *this)
{
    return strstr(this->hear, "503 5.5.0") != NULL;
}

static void hold(const struct dialogue_case *this, enum split split, size_t cut)
{
    struct dialogue dialogue;
    size_t at = cut;
    dialogue_prepare(&dialogue);
    dialogue_start(&dialogue);
    dialogue_name(&dialogue);
    expect_heard(&dialogue, BANNER);
    for (size_t i = 0; i < BURSTS_MAX && this->say[i] != NULL; i++)
        say_burst(&dialogue, str_from(this->say[i]), split, &at);
    bool good = str_equals(buf_str(&dialogue.wire), str_from(this->hear)) &&
                str_equals(buf_str(&dialogue.events), str_from(this->events)) &&
                str_equals(dialogue_body(&dialogue), str_from(this->body));
    if (!good)
        fail_msg("%s (split %d, cut %zu)\nheard:\n%.*s\nevents: %.*s\nbody:\n%.*s", this->name,
                 (int)split, cut, STR_FMT(buf_str(&dialogue.wire)),
                 STR_FMT(buf_str(&dialogue.events)), STR_FMT(dialogue_body(&dialogue)));
    dialogue_end(&dialogue);
}

static void sound_the_same_in_any_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = 0;
        hold(&cases[i], WHOLE, 0);
        if (is_out_of_turn(&cases[i]))
            continue; /* whether octets come too early is a matter of the split */
        for (size_t burst = 0; burst < BURSTS_MAX && cases[i].say[burst] != NULL; burst++)
            size += strlen(cases[i].say[burst]);
        for (size_t cut = 1; cut < size; cut++)
            hold(&cases[i], CUT, cut);
        hold(&cases[i], OCTETS, 0);
        hold(&cases[i], OCTETS_AND_ANSWERS, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sound_the_same_in_any_split) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
