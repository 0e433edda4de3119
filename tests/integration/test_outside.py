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


# Of documentation (RFC 5737): a filter takes all of 127.0.0.0/8 for its own.
ALLOWED, STRANGER = "198.51.100.66", "198.51.100.77"


@pytest.fixture
def addresses():
    """Addresses of this machine, while the test runs."""
    tool = peers.program("ip")
    for address in (ALLOWED, STRANGER):
        done = subprocess.run([tool, "addr", "add", f"{address}/32", "dev", "lo"],
                              capture_output=True, check=False)
        if done.returncode != 0 and b"File exists" not in done.stderr:
            pytest.skip("takes the right to give this machine an address")
    yield
    for address in (ALLOWED, STRANGER):
        subprocess.run([tool, "addr", "del", f"{address}/32", "dev", "lo"], capture_output=True,
                       check=False)


@pytest.mark.usefixtures("addresses")
def test_the_primarys_filter_sees_the_original_client(holdfast, postfix, nsd):
    """Held during the outage, accepted by the primary afterwards. Its filter finds the client in our
    Received line, and what we say of SPF in the field above: pass, and fail for who may not send."""
    filter_ = peers.program("spamassassin")
    nsd.zone("sender.example", [f'@ IN TXT "v=spf1 ip4:{ALLOWED} -all"'])
    nsd.start()
    primary = postfix()
    node = holdfast({"example.org": primary.endpoint}, dns=f'servers = {{"{nsd.endpoint}"}}')
    names = {}
    for source in (ALLOWED, STRANGER):
        name, data = peers.message(sender="sender@sender.example")
        node.send(data, sender="sender@sender.example", source=source)
        names[name] = source
    assert node.held() == 2
    primary.start()
    peers.wait_until(lambda: primary.count() == 2, 60, "both in the mailbox")
    settings = [f"--cf={line}" for line in ("dns_available yes", f"dns_server {nsd.endpoint}",
                                            "skip_rbl_checks 1", "use_bayes 0", "use_razor2 0")]
    for name in names:
        (_, data), = primary.by_name()[name]
        report = subprocess.run([filter_, "-t", "-D", "spf,metadata", *settings], input=data,
                                capture_output=True, check=False,
                                timeout=100).stderr.decode(errors="replace")
        assert re.search(rf"X-Spam-Relays-External: \[ ip={names[name]} ", report), report
        assert re.search("re-using mfrom result from Authentication-Results header: "
                         f"{'pass' if names[name] == ALLOWED else 'fail'}", report), report
