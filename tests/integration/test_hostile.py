# SPDX-License-Identifier: ISC
"""What must not get through (SPEC R7, X1): smuggling, relaying, broken framing.

Each smuggling variant goes the whole way to a real Postfix: exactly one message arrives.
"""
import contextlib

import pytest

import peers

pytestmark = pytest.mark.hostile

OPEN = ("MAIL FROM:<a@client.example>", "RCPT TO:<user@example.org>", "DATA")
SMUGGLED = b"MAIL FROM:<evil@client.example>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n" \
           b"Subject: smuggled\r\n\r\nevil\r\n.\r\n"
ENDS = {"lf_dot_lf": b"\n.\n", "lf_dot_crlf": b"\n.\r\n", "crlf_dot_lf": b"\r\n.\n",
        "cr_dot_cr": b"\r.\r", "crlf_dot_cr": b"\r\n.\r", "cr_dot_crlf": b"\r.\r\n",
        "lf_dot_cr": b"\n.\r", "crlf_nul_dot_crlf": b"\r\n\0.\r\n", "crlf_dot_nul": b"\r\n.\0\r\n",
        "crcrlf": b"\r\r\n.\r\r\n", "dot_space": b"\r\n. \r\n"}


def transaction(client):
    client.hello()
    for line in OPEN:
        code, text = client.ask(line)
        assert code in (250, 354), text


@pytest.mark.parametrize("bare", ["normalise", "reject"])
def test_no_smuggling_to_a_real_primary(holdfast, postfix, bare):
    primary = postfix()
    primary.start()
    node = holdfast({"example.org": primary.endpoint},
                    smtp="bare-newline-reject = true" if bare == "reject" else "")
    taken = []
    for name, end in ENDS.items():
        with node.connect() as client:
            transaction(client)
            client.write(f"X-Test-Id: {name}\r\nSubject: outer\r\n\r\nbody".encode() + end
                         + SMUGGLED)
            codes = []
            with contextlib.suppress(ConnectionError):
                client.say("QUIT")
                while (code := client.reply()[0]) not in (0, 221):
                    codes.append(code)
            # One answer for one message; the rest of what was sent was its content. Only the final
            # CRLF.CRLF of the smuggled part ended it.
            assert 354 not in codes, name
            assert codes.count(250) <= 1, name
            if 250 in codes:
                taken.append(name)
    _, data = peers.message(subject="last")
    node.send(data)
    peers.wait_until(lambda: primary.count() >= len(taken) + 1, 20, "all mail")
    primary.stop()
    arrived = list(primary.delivered())
    assert len(arrived) == len(taken) + 1
    assert not [mailbox for mailbox, _ in arrived if mailbox != "user@example.org"]
    if bare == "reject":
        assert "lf_dot_lf" not in taken and "cr_dot_cr" not in taken


def test_dots_arrive_as_they_were(holdfast, postfix):
    """Inside and outside: lines of dots are doubled and undoubled, never lost, never an end."""
    primary = postfix()
    primary.start()
    node = holdfast({"example.org": primary.endpoint})
    body = b".\n..\n...\n.x\nx.\n\n.\n. \n"
    name, data = peers.message(body=body)
    node.send(data)
    peers.wait_until(lambda: primary.count() == 1, 10, "the message")
    assert peers.body_of(primary.by_name()[name][0][1]) == body


def test_chunks_may_hold_anything(holdfast, sink):
    """BDAT: a dot line and a lone CRLF.CRLF are content, over any cut of the chunks."""
    primary = sink("--chunking")
    node = holdfast({"example.org": primary.endpoint})
    _, data = peers.message(body=b"one\n.\nQUIT\n.\n.\n")
    for size in (1, 2, 3, 7, len(data)):
        with node.connect() as client:
            assert "CHUNKING" in client.hello()
            client.say("MAIL FROM:<a@b.example>", "RCPT TO:<u@example.org>")
            assert client.reply()[0] == client.reply()[0] == 250
            pieces = [data[i:i + size] for i in range(0, len(data), size)]
            for i, piece in enumerate(pieces):
                last = " LAST" if i + 1 == len(pieces) else ""
                client.write(f"BDAT {len(piece)}{last}\r\n".encode() + piece)
                assert client.reply()[0] == 250
    peers.wait_until(lambda: primary.count() == 5, 15, "all of them")
    assert {(row[2], int(row[3])) for row in primary.rows("message")} == {peers.digest_of(data)}


@pytest.mark.parametrize("bdat", ["BDAT", "BDAT x LAST", "BDAT -1 LAST", "BDAT 5 FIRST",
                                  "BDAT 99999999999999999999 LAST", "BDAT 5 LAST LAST"])
def test_wrong_bdat_is_refused(holdfast, sink, bdat):
    node = holdfast({"example.org": sink(start=False).endpoint})
    with node.connect() as client:
        client.hello()
        for line in OPEN[:2]:
            assert client.ask(line)[0] == 250
        code, _ = client.ask(bdat)
        assert code == 0 or code >= 400
    assert node.held() == 0


def test_bdat_without_a_recipient_takes_nothing(holdfast, sink):
    """RFC 3030 2: the chunk is read and dropped, so that its bytes are no commands."""
    node = holdfast({"example.org": sink(start=False).endpoint})
    with node.connect() as client:
        client.hello()
        assert client.ask("MAIL FROM:<a@b.example>")[0] == 250
        client.write(b"BDAT 6 LAST\r\nQUIT\r\n")
        assert client.reply()[0] in (503, 554)
        assert client.ask("NOOP")[0] == 250
    assert node.held() == 0


@pytest.mark.parametrize("recipient", [
    "user@example.com", "user%example.com@mx2.example.net", "user@example.org.evil.example",
    "@example.org:user@example.com", "user@[127.0.0.1]", "\"user@example.com\"@mx2.example.net",
    "example.com!user", "user@sub.example.org",
])
def test_no_relay_for_strangers(holdfast, sink, recipient):
    primary = sink()
    node = holdfast({"example.org": primary.endpoint})
    with node.connect() as client:
        client.hello()
        assert client.ask("MAIL FROM:<user@example.org>")[0] == 250
        code, text = client.ask(f"RCPT TO:<{recipient}>")
        assert code >= 500, text
        if code == 550:
            assert text[:5] in ("5.7.1", "5.1.2")  # not our domain; an address literal
        assert client.ask("DATA")[0] in (503, 554)
    assert node.held() == 0 and primary.count() == 0


def test_postmaster_needs_no_domain(holdfast, sink):
    """RFC 5321 4.5.1; `postmaster` says who that is."""
    primary = sink()
    node = holdfast({"example.org": primary.endpoint}, top='postmaster = "admin@example.org"')
    with node.connect() as client:
        client.hello()
        for line in ("MAIL FROM:<a@client.example>", "RCPT TO:<Postmaster>",
                     "RCPT TO:<postmaster@mx2.example.net>"):  # whom our questions come from
            assert client.ask(line)[0] == 250
        assert client.ask("RCPT TO:<other@mx2.example.net>")[0] == 550
        assert client.ask("DATA")[0] == 354
        client.write(b"Subject: help\r\n\r\nHello\r\n.\r\n")
        assert client.reply()[0] == 250
    peers.wait_until(lambda: primary.count() == 1, 15, "the postmaster's mail")
    assert primary.rows("message")[0][5] == "admin@example.org"


def test_foreign_domains_get_550_571(holdfast, sink):
    node = holdfast({"example.org": sink().endpoint})
    with node.connect() as client:
        client.hello()
        client.ask("MAIL FROM:<a@b.example>")
        code, text = client.ask("RCPT TO:<u@example.com>")
        assert (code, text[:5]) in ((550, "5.7.1"), (550, "5.1.2"))


def test_nul_and_eight_bits_come_through_unharmed_or_not_at_all(holdfast, sink):
    primary = sink()
    node = holdfast({"example.org": primary.endpoint})
    _, data = peers.message(body=bytes(range(128, 256)) + b"\n")
    node.send(data, options=["BODY=8BITMIME"])
    peers.wait_until(lambda: primary.count() == 1, 10, "the 8-bit message")
    assert list(primary.messages().values())[0] == [peers.digest_of(data)]
    with node.connect() as client:
        transaction(client)
        client.write(b"Subject: nul\r\n\r\na\0b\r\n.\r\n")
        assert client.reply()[0] in (250, 550, 554)
    with node.connect() as client:
        client.hello()
        code, _ = client.ask(b"MAIL FROM:<a\0@b.example>")
        assert code >= 500


def test_long_lines_arrive_whole(holdfast, sink):
    """A line over 998 octets breaks RFC 5322, but folding it would break its signature."""
    primary = sink()
    node = holdfast({"example.org": primary.endpoint})
    _, data = peers.message(body=b"x" * 200000 + b"\n")
    node.send(data)
    peers.wait_until(lambda: primary.count() == 1, 10, "the message")
    assert list(primary.messages().values())[0] == [peers.digest_of(data)]


def test_too_large_is_said_before_the_content(holdfast, sink):
    node = holdfast({"example.org": sink(start=False).endpoint}, smtp='message-size = "1MB"')
    with node.connect() as client:
        text = client.hello()
        size = int(next(word for word in text.split("\n") if word.startswith("SIZE")).split()[1])
        code, text = client.ask(f"MAIL FROM:<a@b.example> SIZE={size + 1}")
        assert (code, text[:5]) == (552, "5.3.4")
        assert client.ask(f"MAIL FROM:<a@b.example> SIZE={size}")[0] == 250
        assert client.ask("RCPT TO:<u@example.org>")[0] == 250
        assert client.ask("DATA")[0] == 354
        with contextlib.suppress(ConnectionError):
            client.write((b"x" * 998 + b"\r\n") * (size // 1000 + 10) + b".\r\n")
            assert client.reply()[0] in (0, 552)
    assert node.held() == 0


def test_commands_after_data_wait_for_their_turn(holdfast, sink):
    """What is sent behind DATA before its 354 is content or refused, never a second transaction."""
    node = holdfast({"example.org": sink(start=False).endpoint})
    with node.connect() as client:
        client.hello()
        client.say(*OPEN)
        codes = [client.reply()[0] for _ in OPEN]
        assert codes == [250, 250, 354]
        client.write(b"Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<a@b.example>\r\nRSET\r\nQUIT\r\n")
        assert [client.reply()[0] for _ in range(4)] == [250, 250, 250, 221]
    assert node.held() == 1
