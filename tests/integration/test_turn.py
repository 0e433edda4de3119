# SPDX-License-Identifier: ISC
"""Whoever has mail waiting may ask for it (ETRN), and signs that a primary lives are seen (SPEC P8, P9)."""
import base64
import contextlib
import smtplib
import ssl
import time

import pytest

import peers

SLOW = {"probe_interval": "1h", "probe_interval_max": "1h", "probes_down": "1"}


@pytest.fixture
def away(holdfast):
    """A node with two messages for example.org, whose primary is away and is looked for once an
    hour; and the port on which it will be."""
    port = peers.free_port("127.0.0.5")
    node = holdfast()
    node.add("example.org", f"127.0.0.5:{port}", **SLOW)
    for _ in range(2):
        node.send(peers.message()[1])
    peers.wait_until(lambda: node.state_of() == "down", what="the primary's absence")
    return node, port


def secret_of(node, domain="example.org"):
    return node.json("domain", "secret", domain)["secret"]


@contextlib.contextmanager
def client(node, source="127.0.0.9", secure=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with smtplib.SMTP(node.address, node.port, timeout=peers.DEADLINE,
                      source_address=(source, 0)) as smtp:
        smtp.ehlo("client.example")
        if secure:
            smtp.starttls(context=context)
            smtp.ehlo("client.example")
        yield smtp


def ask(smtp, node):
    code, text = smtp.docmd("ETRN", node)
    return code, text.decode()


def test_the_primary_itself_asks(away, recorder):
    """From where the primary is known to be: it is tried at once, and told how much there is."""
    node, port = away
    server = recorder(address="127.0.0.5", port=port)
    with client(node, "127.0.0.5") as smtp:
        assert smtp.has_extn("etrn")
        assert ask(smtp, "example.org") == (253, "2.0.0 OK, 2 pending messages for node example.org started")
        server.wait_for(2)
        peers.wait_until(lambda: node.held() == 0, what="an empty queue")
        assert ask(smtp, "example.org")[0] == 251
        assert ask(smtp, "example.net")[0] == 459
        assert ask(smtp, "#queue")[0] == 459
        assert ask(smtp, "")[0] == 501


def test_strangers_learn_nothing(away, recorder):
    """A domain that is here and one that is not are the same to somebody who is neither."""
    node, port = away
    server = recorder(address="127.0.0.5", port=port)
    with client(node, "127.0.0.9") as smtp:
        here, there = ask(smtp, "example.org"), ask(smtp, "example.net")
        assert here[0] == 459 and here[1].replace("example.org", "") == there[1].replace("example.net", "")
    time.sleep(0.5)
    assert node.held() == 2 and not server.commands


def test_a_network_that_is_registered(away, recorder):
    node, port = away
    node.cli("domain", "set", "example.org", "--set", "wake-from=127.0.1.0/24,::1")
    with client(node, "127.0.0.9") as smtp:
        assert ask(smtp, "example.org")[0] == 459
    server = recorder(address="127.0.0.5", port=port)
    with client(node, "127.0.1.77") as smtp:
        assert ask(smtp, "@example.org")[0] == 253
    server.wait_for(2)


def test_a_secret(away, recorder):
    """AUTH over TLS, with the secret that was made last."""
    node, port = away
    with client(node, secure=True) as smtp:
        assert not smtp.has_extn("auth")
    old = secret_of(node)
    new = secret_of(node)
    assert old != new and len(new) == 40
    server = recorder(address="127.0.0.5", port=port)
    with client(node) as smtp:
        assert not smtp.has_extn("auth")
        plain = base64.b64encode(f"\0example.org\0{new}".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 530
    with client(node, secure=True) as smtp:
        assert smtp.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
        for user, secret in (("example.org", old), ("example.net", new), ("example.org", new + "0")):
            with pytest.raises(smtplib.SMTPAuthenticationError):
                smtp.login(user, secret)
        assert ask(smtp, "example.org")[0] == 459
        smtp.login("Example.ORG", new)
        assert ask(smtp, "example.net")[0] == 459
        assert ask(smtp, "example.org")[0] == 253
    server.wait_for(2)
    assert new not in node.text() and new.encode() not in b"".join(
        path.read_bytes() for path in node.data.rglob("*") if path.is_file())
    assert "login_failed" in node.text() and " login " in node.text()


def test_a_secret_outlives_a_restart_and_not_its_domain(away):
    node, _ = away
    secret = secret_of(node)
    node.stop()
    node.start()
    with client(node, secure=True) as smtp:
        smtp.login("example.org", secret)
    node.cli("domain", "remove", "example.org", "--force")
    with client(node, secure=True) as smtp:
        assert not smtp.has_extn("auth")


def test_a_paused_domain_is_not_started(away):
    node, _ = away
    node.cli("domain", "pause", "example.org")
    with client(node, "127.0.0.5") as smtp:
        assert ask(smtp, "example.org")[0] == 458


def test_a_connection_of_the_primary_wakes_its_mail(away, recorder):
    """Whatever it wanted: it lives, and gets what waits for it within a second (P9)."""
    node, port = away
    server = recorder(address="127.0.0.5", port=port)
    with client(node, "127.0.0.9"):
        pass
    began = time.monotonic()
    with client(node, "127.0.0.5"):
        server.wait_for(1)
        assert time.monotonic() - began < 1 * peers.SLOWER
    server.wait_for(2)
    assert "sign_of_life" in node.text()


def test_signs_are_awaited_again_when_it_goes_again(away, sink):
    node, port = away
    server = sink(address="127.0.0.5", port=port)
    with client(node, "127.0.0.5"):
        peers.wait_until(lambda: server.count() == 2, what="the held messages")
    peers.wait_until(lambda: node.state_of() == "up", what="the primary's return")
    count = node.text().count("sign_of_life")
    with client(node, "127.0.0.5"):
        pass
    server.stop()
    node.send(peers.message()[1])
    peers.wait_until(lambda: node.state_of() != "up", what="its absence")
    assert node.text().count("sign_of_life") == count
    server.start()

    def it_is_there():
        with client(node, "127.0.0.5"):
            return server.count() == 3
    peers.wait_until(it_is_there, every=0.2, what="the third message")


def test_while_the_keeper_is_away(away):
    """An answer comes, if only that there is none."""
    node, _ = away
    with client(node, "127.0.0.5") as smtp:
        node.crash_role("keeper-1")
        peers.wait_until(lambda: ask(smtp, "example.org")[0] == 253, what="the next keeper's answer")
