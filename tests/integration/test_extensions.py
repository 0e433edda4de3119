# SPDX-License-Identifier: ISC
"""Each keyword that EHLO announces does what its RFC says (SPEC R4), and what the primary lacks is
converted, mirrored, or told to the sender. Clients are raw sockets."""
import email
import smtplib

import pytest

import certificates
import peers
import test_notices
from test_notices import notice, send
from test_notices_form import groups_of
from test_tls import anybody

pytestmark = pytest.mark.hostile

dns, node, taker = test_notices.dns, test_notices.node, test_notices.taker  # fixtures

ALL = ["8BITMIME", "SMTPUTF8", "DSN", "PIPELINING"]
EIGHT_BIT = ("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Transfer-Encoding: 8bit\r\n\r\n"
             "Grüße, and enough of plain words around it.\r\n").encode()


@pytest.fixture
def primary(recorder):
    return recorder(extensions=ALL)


@pytest.fixture
def there(holdfast, primary):
    return holdfast({"example.org": primary.endpoint}, smtp="recipients = 100\nbinarymime = \"yes\"",
                    defaults='verify-recipients = "no"')


def keywords(client):
    return {line.split()[0]: line.split()[1:] for line in client.hello().split("\n")[1:]}


def deliver(client, mail="", rcpt="", data=b"Subject: x\r\n\r\nx\r\n", to="user@example.org"):
    assert client.ask(f"MAIL FROM:<sender@client.example> {mail}".rstrip())[0] == 250
    assert client.ask(f"RCPT TO:<{to}> {rcpt}".rstrip())[0] == 250
    assert client.ask("DATA")[0] == 354
    client.write(data + b".\r\n")
    return client.reply()[0]


def test_what_is_announced(there):
    with there.connect() as client:
        announced = keywords(client)
    assert set(announced) == {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "STARTTLS", "ETRN", "CHUNKING",
                              "BINARYMIME", "LIMITS", "ENHANCEDSTATUSCODES"}


def test_pipelining(there, primary):
    """RFC 2920: a whole transaction at once, its replies in order."""
    with there.connect() as client:
        client.hello()
        client.say("MAIL FROM:<a@client.example>", "RCPT TO:<one@example.org>", "RCPT TO:<@>",
                   "RCPT TO:<two@example.org>", "DATA")
        assert [client.reply()[0] for _ in range(5)] == [250, 250, 501, 250, 354]
        client.write(b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
        assert [client.reply()[0] for _ in range(2)] == [250, 221]
    primary.wait_for(1)


def test_size(there):
    """RFC 1870: what is announced is what is held to."""
    with there.connect() as client:
        size = int(keywords(client)["SIZE"][0])
        assert client.ask(f"MAIL FROM:<a@client.example> SIZE={size + 1}")[0] == 552
        assert client.ask(f"MAIL FROM:<a@client.example> SIZE={size}")[0] == 250


def test_eight_bits(there, primary):
    """RFC 6152: octet for octet, and said so again."""
    with there.connect() as client:
        client.hello()
        assert deliver(client, "BODY=8BITMIME", data=EIGHT_BIT) == 250
    assert primary.wait_for(1).endswith(EIGHT_BIT)
    assert "BODY=8BITMIME" in primary.commands[0]


def test_internationalized(there, primary):
    """RFC 6531: addresses and header in UTF-8; without the parameter there are none."""
    data = "From: Jörg <jörg@bücher.example>\r\nSubject: Grüße\r\n\r\nx\r\n".encode()
    with there.connect() as client:
        client.hello()
        assert client.ask("MAIL FROM:<jörg@bücher.example>")[0] == 553
        assert client.ask("MAIL FROM:<jörg@bücher.example> SMTPUTF8 BODY=8BITMIME")[0] == 250
        assert client.ask("RCPT TO:<usér@example.org>")[0] == 250
        assert client.ask("DATA")[0] == 354
        client.write(data + b".\r\n")
        assert client.reply()[0] == 250
    taken = primary.wait_for(1)
    assert taken.endswith(data) and b"with UTF8SMTP id" in taken
    assert primary.commands[0].startswith("MAIL FROM:<jörg@bücher.example> ")
    assert "SMTPUTF8" in primary.commands[0]
    assert "RCPT TO:<usér@example.org>" in primary.commands


def test_an_original_recipient_in_utf8(there, primary):
    """RFC 6533 3: with SMTPUTF8 it may be octets above 127, and reaches the primary like that."""
    original = "ORCPT=utf-8;jörg@bücher.example"
    with there.connect() as client:
        client.hello()
        client.ask("MAIL FROM:<a@client.example>")
        assert client.ask(f"RCPT TO:<user@example.org> {original}")[0] == 501
        client.ask("RSET")
        assert deliver(client, "SMTPUTF8", original) == 250
    primary.wait_for(1)
    assert primary.commands[1] == f"RCPT TO:<user@example.org> {original}"


def test_status_codes(there):
    """RFC 2034: replies to everything but greetings have one."""
    with there.connect() as client:
        client.hello()
        for line in ("MAIL FROM:<a@client.example>", "RCPT TO:<u@example.org>",
                     "RCPT TO:<u@elsewhere.example>", "NOOP", "VRFY x", "NONSENSE", "RSET", "QUIT"):
            code, text = client.ask(line)
            assert text.split()[0].split(".")[0] == str(code)[0], line


def test_dsn(there, primary):
    """RFC 3461: all four reach a primary that knows them, as they were said."""
    with there.connect() as client:
        client.hello()
        assert deliver(client, "RET=HDRS ENVID=QQ+2B1",
                       "NOTIFY=FAILURE,DELAY ORCPT=rfc822;Bob+2Bx@example.org") == 250
        assert client.ask("MAIL FROM:<a@client.example> RET=SOME")[0] == 501
    primary.wait_for(1)
    assert "RET=HDRS ENVID=QQ+2B1" in primary.commands[0]
    assert primary.commands[1].endswith("NOTIFY=FAILURE,DELAY ORCPT=rfc822;Bob+2Bx@example.org")


def test_chunking_and_binary(there, primary):
    """RFC 3030: chunks make the content; what has no lines becomes base64 for who takes lines."""
    octets = b"a\nb\r\0\xff" * 10
    with there.connect() as client:
        client.hello()
        assert client.ask("MAIL FROM:<a@client.example> BODY=BINARYMIME")[0] == 250
        assert client.ask("RCPT TO:<user@example.org>")[0] == 250
        assert client.ask("DATA")[0] == 503
        header = (b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                  b"Content-Transfer-Encoding: binary\r\n\r\n")
        client.write(b"BDAT %d\r\n" % len(header) + header)
        assert client.reply()[0] == 250
        client.write(b"BDAT %d LAST\r\n" % len(octets) + octets)
        assert client.reply()[0] == 250
    parsed = email.message_from_bytes(primary.wait_for(1))
    assert parsed["Content-Transfer-Encoding"] == "base64"
    assert parsed.get_payload(decode=True) == octets


def test_binary_with_words_in_utf8(there, primary):
    """The header stays as it is for a primary that takes it (SMTPUTF8); what has no lines becomes base64."""
    content = ("Subject: Grüße\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
               "Content-Transfer-Encoding: binary\r\n\r\n").encode() + b"a\nb\r\0\xff"
    with there.connect() as client:
        client.hello()
        assert client.ask("MAIL FROM:<jörg@client.example> SMTPUTF8 BODY=BINARYMIME")[0] == 250
        assert client.ask("RCPT TO:<user@example.org>")[0] == 250
        client.write(b"BDAT %d LAST\r\n" % len(content) + content)
        assert client.reply()[0] == 250
    got = primary.wait_for(1)
    assert "Subject: Grüße".encode() in got
    assert email.message_from_bytes(got).get_payload(decode=True) == b"a\nb\r\0\xff"
    assert [line for line in primary.commands if "BODY=8BITMIME SMTPUTF8" in line]


def test_limits(there):
    """RFC 9422: so many recipients, and not one more."""
    with there.connect() as client:
        assert keywords(client)["LIMITS"] == ["RCPTMAX=100"]
        client.ask("MAIL FROM:<a@client.example>")
        codes = [client.ask(f"RCPT TO:<u{i}@example.org>")[0] for i in range(101)]
    assert codes == [250] * 100 + [452]


@pytest.fixture
def secure(state):
    """A client over TLS."""
    def make(where):
        client = smtplib.SMTP(where.address, where.port, "client.example", 60)
        client.ehlo()
        client.starttls(context=anybody())
        client.ehlo()
        return client
    return make


def test_requiretls_is_for_tls_alone(there, secure):
    """RFC 8689; STARTTLS is RFC 3207's."""
    with there.connect() as client:
        assert "REQUIRETLS" not in keywords(client)
        assert client.ask("MAIL FROM:<a@client.example> REQUIRETLS")[0] == 555
    with secure(there) as client:
        assert client.has_extn("requiretls") and not client.has_extn("starttls")
        assert client.docmd("MAIL FROM:<a@client.example> REQUIRETLS")[0] == 250


@pytest.mark.parametrize("offers,tls", [(True, "name"), (False, "name"), (True, "must")])
def test_requiretls_to_the_primary(holdfast, recorder, state, secure, offers, tls):
    """It has to offer it, and to show who it is; or the sender hears so while he is there."""
    authority = certificates.Authority(state / "ca")
    primary = recorder(extensions=["REQUIRETLS"] if offers else ["HELP"],
                       certificate=authority.issue("mail.example.org"))
    there = holdfast(sections=f'web {{ ca = "{authority.file}" }}',
                     defaults='verify-recipients = "no"')
    there.add("example.org", primary.endpoint, tls=tls, tls_name="mail.example.org")
    peers.wait_until(lambda: there.state_of() == "up", what="its greeting")
    is_fine = offers and tls == "name"
    with secure(there) as client:
        assert client.docmd("MAIL FROM:<a@client.example> REQUIRETLS")[0] == 250
        code, text = client.docmd("RCPT TO:<user@example.org>")
        assert (code, text[:6]) == ((250, b"2.1.5 ") if is_fine else (550, b"5.7.30"))
        if is_fine:
            assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
            primary.wait_for(1)
            assert primary.commands[0].endswith(" REQUIRETLS")


# ---- what the primary lacks ----


def test_seven_bits(holdfast, recorder):
    """Without 8BITMIME: converted, and only where it has to be."""
    primary = recorder(extensions=["PIPELINING"])
    there = holdfast({"example.org": primary.endpoint}, defaults='verify-recipients = "no"')
    plain = b"Subject: plain\r\n\r\n=C3=A4 as it is\r\n"
    with there.connect() as client:
        client.hello()
        assert deliver(client, "BODY=8BITMIME", data=EIGHT_BIT) == 250
        first = primary.wait_for(1)
        assert deliver(client, "BODY=8BITMIME", data=plain) == 250
    assert max(first) < 128
    before, after = email.message_from_bytes(EIGHT_BIT), email.message_from_bytes(first)
    assert after["Content-Transfer-Encoding"] == "quoted-printable"
    assert before.get_payload(decode=True) == after.get_payload(decode=True)
    assert primary.wait_for(2).endswith(plain)
    assert not any("BODY" in line for line in primary.commands)


def test_utf8_is_refused_at_rcpt(holdfast, recorder):
    """What is known of a primary outlives a restart; of one that never greeted nothing is known."""
    primary = recorder(extensions=["8BITMIME"])
    there = holdfast({"example.org": primary.endpoint, "example.net": "127.0.0.1:1"},
                     defaults='verify-recipients = "no"')
    peers.wait_until(lambda: there.state_of() == "up", what="its greeting")
    primary.stop()
    for _ in range(2):
        with there.connect() as client:
            client.hello()
            client.ask("MAIL FROM:<a@client.example> SMTPUTF8")
            assert client.ask("RCPT TO:<user@example.net>")[0] == 250
            code, text = client.ask("RCPT TO:<user@example.org>")
            assert (code, text.split()[0]) == (550, "5.6.7")
            client.ask("RSET")
            client.ask("MAIL FROM:<a@client.example>")
            assert client.ask("RCPT TO:<user@example.org>")[0] == 250
        there.stop()
        there.start()


@pytest.mark.timeout(120 * peers.SLOWER)
@pytest.mark.parametrize("what,status", [("utf8", "5.6.7"), ("header", "5.6.3")])
def test_the_sender_is_told(node, recorder, taker, what, status):
    """Taken while nothing was known of the primary; it cannot have it, and its sender hears why."""
    primary = recorder(extensions=["PIPELINING"], start=False)
    there = node(primary)
    if what == "utf8":
        send(there, "bob@example.org", mail=["SMTPUTF8", "ENVID=QQ7"], rcpt=["ORCPT=rfc822;B@example.org"])
    else:
        send(there, "bob@example.org", extra="X-Name: Jörg\n".encode(), mail=["BODY=8BITMIME", "ENVID=QQ7"],
             rcpt=["ORCPT=rfc822;B@example.org"])
    primary.start()
    message, fields = groups_of(notice(taker))
    assert (fields["action"], fields["status"]) == ("failed", status)
    assert fields["original-recipient"] == "rfc822; B@example.org"
    assert message["original-envelope-id"] == "QQ7"
    assert not primary.taken and there.state_of() == "up"


def test_a_primary_that_takes_so_many_in_a_session(holdfast, recorder):
    """RFC 9422, MAILMAX: the others go in the next session, and do not wait."""
    primary = recorder(extensions=["PIPELINING", "LIMITS MAILMAX=3"], start=False)
    there = holdfast({"example.org": primary.endpoint}, defaults='verify-recipients = "no"')
    for _ in range(100):
        there.send(peers.message()[1])
    primary.start()
    primary.wait_for(100)
    assert there.domain()["route"]["deferred"] == 0


# ---- with Postfix ----


@pytest.mark.timeout(180 * peers.SLOWER)
def test_postfix_that_lacks_things(holdfast, postfix):
    primary = postfix(settings={"smtpd_discard_ehlo_keywords": "8bitmime, smtputf8, dsn, chunking"})
    primary.start()
    there = holdfast({"example.org": primary.endpoint}, defaults='verify-recipients = "no"')
    peers.wait_until(lambda: there.state_of() == "up", what="its greeting")
    name, data = peers.message("eight bits")
    data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, _, _ = data.partition(b"\r\n\r\n")
    with there.connect() as client:
        client.hello()
        assert deliver(client, "BODY=8BITMIME RET=FULL ENVID=Q", "NOTIFY=NEVER",
                       data=head + b"\r\n" + EIGHT_BIT) == 250
        client.ask("MAIL FROM:<a@client.example> SMTPUTF8")
        assert client.ask("RCPT TO:<user@example.org>")[1].startswith("5.6.7")
    peers.wait_until(lambda: name in primary.by_name(), what="it")
    arrived = primary.by_name()[name][0][1]
    assert max(arrived) < 128
    assert email.message_from_bytes(arrived).get_payload(decode=True).decode().startswith("Grüße")


@pytest.mark.timeout(180 * peers.SLOWER)
def test_postfix_with_smtputf8(holdfast, postfix):
    """Its mailboxes take none, so it is asked what it has taken and from whom."""
    primary = postfix(settings={"smtputf8_enable": "yes", "virtual_transport": "discard:"})
    primary.start()
    there = holdfast({"example.org": primary.endpoint}, defaults='verify-recipients = "no"')
    _, data = peers.message("utf8")
    data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    with there.connect() as client:
        client.hello()
        assert client.ask("MAIL FROM:<jörg@client.example> SMTPUTF8")[0] == 250
        assert client.ask("RCPT TO:<user@example.org>")[0] == 250
        assert client.ask("DATA")[0] == 354
        client.write("X-Name: Jörg\r\n".encode() + data + b".\r\n")
        assert client.reply()[0] == 250
    log = peers.wait_until(lambda: "status=sent" in primary.log.read_text()
                           and primary.log.read_text(), 60, "it")
    assert "from=<jörg@client.example>" in log and "to=<user@example.org>" in log
