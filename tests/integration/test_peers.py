# SPDX-License-Identifier: ISC
"""The peers themselves, without holdfast: what the other tests rely on."""
import smtplib
import subprocess

import pytest

import peers


def test_postfix_hands_real_mail_to_dovecot(postfix):
    primary = postfix()
    primary.start()
    sent = {}
    for number, (_, data) in enumerate(peers.corpus()):
        if number % 20 == 0:
            name = f"n{number}"
            peers.send(primary.address, primary.port, "a@client.example", "user@example.org",
                       b"X-Test-Id: " + name.encode() + b"\r\n" + data)
            sent[name] = peers.body_of(data)
    peers.wait_until(lambda: primary.count() >= len(sent), what="the mail in its Maildir")
    arrived = primary.by_name()
    assert set(arrived) == set(sent)
    for name, body in sent.items():
        assert len(arrived[name]) == 1
        assert arrived[name][0][1].endswith(b"\n\n" + body)


def test_postfix_dies_and_returns(postfix):
    primary = postfix()
    for _ in range(2):
        primary.start()
        _, data = peers.message()
        peers.send(primary.address, primary.port, "a@client.example", "user@example.org", data)
        primary.stop()
        with pytest.raises(OSError):
            peers.send(primary.address, primary.port, "a@client.example", "user@example.org", data)
    primary.start()
    peers.wait_until(lambda: primary.count() == 2, what="both messages")


def test_swaks_reaches_postfix(postfix):
    primary = postfix()
    primary.start()
    done = subprocess.run([peers.program("swaks"), "--server", primary.address, "--port",
                           str(primary.port), "--from", "a@client.example", "--to",
                           "user@example.org", "--helo", "client.example"], check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    peers.wait_until(lambda: primary.count() == 1, what="the message")


def test_sink_and_load_agree(sink, load):
    server = sink("--chunking")
    clients = load(server.endpoint)
    clients.run(count=500, sessions=10, per_session=20)
    peers.assert_each_once(clients.accepted(), server.messages())
    assert len(clients.accepted()) == 500
    big = load(server.endpoint, "big")
    big.run(count=2, sessions=1, size=1000000, size_max=9000000)
    peers.assert_each_once(big.accepted(), server.messages())


def test_python_and_the_sink_count_alike(sink):
    server = sink()
    name, data = peers.message(body=b"one\n.two\n..\n\n.\n" + bytes(range(128, 256)) + b"\n")
    peers.send(server.address, server.port, "a@client.example", "u@example.org", data)
    assert server.messages() == {f"{name}@client.example": [peers.digest_of(data)]}


@pytest.mark.parametrize("options, error, code", [
    (("--say", "rcpt=550 5.1.1 No such user"), smtplib.SMTPRecipientsRefused, 550),
    (("--say", "rcpt=450 4.2.1 Later", "--match", "u@*"), smtplib.SMTPRecipientsRefused, 450),
    (("--say", "mail=451 4.3.2 Later"), smtplib.SMTPSenderRefused, 451),
    (("--say", "data=451 4.3.0 Later"), smtplib.SMTPDataError, 451),
    (("--say", "dot=554 5.6.0 Never"), smtplib.SMTPDataError, 554),
    (("--say", "data=drop"), smtplib.SMTPServerDisconnected, 0),
    (("--say", "dot=drop"), smtplib.SMTPServerDisconnected, 0),
    (("--say", "content=drop"), (smtplib.SMTPServerDisconnected, ConnectionError), 0),
    (("--say", "banner=554 5.3.2 Closed"), smtplib.SMTPConnectError, 554),
])
def test_sink_has_tempers(sink, options, error, code):
    server = sink(*options)
    with pytest.raises(error) as caught:
        peers.send(server.address, server.port, "a@client.example", "u@example.org",
                   peers.message()[1])
    if code:
        assert str(code) in str(caught.value)
    assert server.count() == 0


def test_sink_gets_over_its_temper(sink):
    server = sink("--say", "mail=451 4.7.1 Greylisted", "--times", "mail=2")
    for _ in range(2):
        with pytest.raises(smtplib.SMTPSenderRefused):
            peers.send(server.address, server.port, "a@b.example", "u@example.org",
                       peers.message()[1])
    peers.send(server.address, server.port, "a@b.example", "u@example.org", peers.message()[1])
    assert server.count() == 1


def test_sink_limits_sessions(sink):
    server = sink("--sessions", "2")
    with peers.Raw(server.address, server.port) as one, \
            peers.Raw(server.address, server.port) as two, \
            peers.Raw(server.address, server.port) as three:
        assert one.reply()[0] == 220
        assert two.reply()[0] == 220
        assert three.reply()[0] == 421
        assert three.is_closed()


def test_nsd_serves_zones(nsd):
    nsd.zone("example.org", ["@ IN MX 10 mx1", "mx1 IN A 127.0.0.2"])
    nsd.zone("example.com", ["@ IN MX 0 ."])
    nsd.start()
    assert nsd.knows("example.org") and nsd.knows("example.com")
    assert not nsd.knows("example.net")
