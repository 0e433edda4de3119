# SPDX-License-Identifier: ISC
"""What others see of us: both families of addresses (SPEC R11), and a Received field that filters
can read (SPEC A7)."""
import re
import smtplib
import subprocess

import pytest

import peers


def test_mail_comes_and_goes_over_ipv6(holdfast, recorder):
    primary = recorder("::1")
    inside = peers.free_port("::1")
    node = holdfast(start=False, name="six")
    text = node.config.read_text()
    own = f"{node.address}:{node.port}"
    node.config.write_text(text.replace(f'"{own}"', f'"{own}", "[::1]:{inside}"'))
    node.start({"example.org": primary.endpoint})
    with smtplib.SMTP("::1", inside) as client:
        client.sendmail("a@client.example", ["user@example.org"], "Subject: six\r\n\r\nHello\r\n")
    peers.wait_until(lambda: primary.taken, 15, "the message at the primary")
    assert b"[IPv6:::1]" in primary.taken[0]
    assert primary.taken[0].endswith(b"\r\nHello\r\n")


@pytest.mark.parametrize("helo", ["mail.client.example", "[127.0.0.7]", "odd)(;\"name"])
def test_spamassassin_recovers_the_client(holdfast, sink, helo):
    filter_ = peers.program("spamassassin")
    node = holdfast({"example.org": sink(start=False).endpoint})
    with node.connect(source="127.0.0.7") as client:
        assert client.reply()[0] == 220
        assert client.ask(f"EHLO {helo}")[0] == 250
        for line in ("MAIL FROM:<a@client.example>", "RCPT TO:<user@example.org>"):
            assert client.ask(line)[0] == 250
        assert client.ask("DATA")[0] == 354
        client.write(b"From: a@client.example\r\nSubject: hello\r\n\r\nHello\r\n.\r\n")
        assert client.reply()[0] == 250
    message = node.cli("queue", "export", node.queue()[0]["id"]).stdout
    report = subprocess.run([filter_, "-D", "metadata", "-L"], input=message, text=True,
                            capture_output=True, check=True, timeout=60).stderr
    found = re.search(r"X-Spam-Relays-(?:Un)?[Tt]rusted: \[ ip=(\S+) rdns=(\S*) helo=(\S+) "
                      r"by=(\S+) .*? id=(\S+) ", report)
    assert found, report
    assert found[1] == "127.0.0.7"
    assert found[4] == "mx2.example.net"
    assert re.fullmatch(r"[0-9A-Z]{26}", found[5])
