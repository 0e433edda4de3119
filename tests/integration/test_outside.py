# SPDX-License-Identifier: ISC
"""What others see of us: both families of addresses (SPEC R11), and a Received field that filters
can read (SPEC A7), and the client itself, for who takes XCLIENT (SPEC A5)."""
import re
import smtplib
import socketserver
import subprocess
import threading

import pytest

import peers

pytestmark = pytest.mark.hostile


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


class SpfPolicy:
    """What Postfix asks about each recipient (SMTPD_POLICY_README), answered by pyspf: its own check."""

    def __init__(self, spf):
        self.seen = seen = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                asked = {}
                for line in self.rfile:
                    name, _, value = line.decode().rstrip("\n").partition("=")
                    if name:
                        asked[name] = value
                        continue
                    result, _ = spf.check2(asked["client_address"], asked["sender"],
                                           asked["helo_name"])
                    seen.append((asked["client_address"], asked["helo_name"], result))
                    action = "DUNNO" if result == "pass" else f"550 5.7.23 SPF says {result}"
                    self.wfile.write(f"action={action}\n\n".encode())
                    asked = {}

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def service(self):
        return f"inet:127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def policy(nsd, monkeypatch):
    spf = pytest.importorskip("spf")
    monkeypatch.setattr(spf, "DNSLookup", lambda name, kind, *_, **__: nsd.lookup(name, kind))
    nsd.zone("sender.example", ["@ IN TXT \"v=spf1 ip4:127.0.0.41 ip4:127.0.0.42 -all\""])
    nsd.start()
    made = SpfPolicy(spf)
    yield made
    made.stop()


@pytest.mark.parametrize("helo,said", [("a+b=c", "a+2Bb+3Dc"), ("[192.0.2.1]", "[192.0.2.1]"),
                                       ("[UNAVAILABLE]", "[UNAVAILABLE]"), ("x" * 250, "x" * 250)],
                         ids=["signs", "literal", "word", "many signs"])
def test_strangers_words_in_xclient(holdfast, recorder, helo, said):
    """Whatever a client greets with, over IPv6 too, is one value in a line of its own."""
    primary = recorder(extensions=["XCLIENT NAME ADDR PORT PROTO HELO"])
    node = holdfast(address="::1", defaults='verify-recipients = "no"', start=False)
    node.config.write_text(node.config.read_text().replace("::1:", "[::1]:"))
    node.start()
    node.add("example.org", primary.endpoint, xclient="yes")
    with node.connect() as client:
        client.reply()
        for line in (f"EHLO {helo}", "MAIL FROM:<a@client.example>", "RCPT TO:<user@example.org>", "DATA"):
            assert client.ask(line)[0] in (250, 354)
        client.write(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert client.reply()[0] == 250
    primary.wait_for(1)
    lines = [line for line in primary.commands if line.startswith("XCLIENT")]
    assert lines[0].split(" ")[2] == f"HELO={said}" and lines[0].endswith(" ADDR=IPV6:::1")
    assert all(len(line) <= 510 for line in lines)


@pytest.mark.parametrize("verdict,code", [("REJECT", "554 5.7.1"), ("DEFER", "450 4.7.1")])
def test_postfix_denies_a_client(holdfast, postfix, verdict, code):
    """It does so before HELO: the message of that client gets the answer, and the others arrive."""
    primary = postfix(settings={
        "smtpd_authorized_xclient_hosts": "127.0.0.0/8", "smtpd_delay_reject": "no",
        "smtpd_client_restrictions": f"check_client_access inline:{{127.0.0.41={verdict}}}"})
    node = holdfast()
    node.add("example.org", primary.endpoint, xclient="yes", verify_recipients="no", sessions="1",
             sessions_start="1")
    names = {}
    for source in ("127.0.0.42", "127.0.0.41", "127.0.0.42", "127.0.0.42"):
        name, data = peers.message()
        node.send(data, source=source)
        names[name] = source
    primary.start()
    peers.wait_until(lambda: primary.count() == 3, what="the other client's")
    assert {names[name] for name in primary.by_name()} == {"127.0.0.42"}
    peers.wait_until(lambda: f'reply="{code} ' in node.text(), what="the answer")
    assert node.domain()["route"]["deferred"] == (verdict == "DEFER")


@pytest.mark.parametrize("xclient", ["yes", "no"])
def test_postfix_checks_the_original_client(holdfast, postfix, policy, xclient):
    """With XCLIENT the primary's own SPF check sees who brought the message to us, each of two clients
    in one session; without, it sees us, and refuses."""
    primary = postfix(settings={
        "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
        "smtpd_recipient_restrictions": f"check_policy_service {policy.service}"})
    node = holdfast()
    node.add("example.org", primary.endpoint, xclient=xclient, verify_recipients="no", sessions="1",
             sessions_start="1")
    for source in ("127.0.0.41", "127.0.0.42", "127.0.0.41"):
        node.send(peers.message(sender="sender@sender.example")[1], sender="sender@sender.example",
                  source=source)
    assert node.held() == 3
    primary.start()
    if xclient == "no":
        peers.wait_until(lambda: policy.seen, what="the question")
        assert {(address, result) for address, _, result in policy.seen} == {("127.0.0.1", "fail")}
        assert primary.count() == 0
        return
    peers.wait_until(lambda: primary.count() == 3, what="three messages")
    assert sorted({address for address, _, _ in policy.seen}) == ["127.0.0.41", "127.0.0.42"]
    assert {result for _, _, result in policy.seen} == {"pass"}
    assert all(helo for _, helo, _ in policy.seen)
