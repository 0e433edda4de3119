# SPDX-License-Identifier: ISC
"""Who sent this (SPEC A1 to A3, A8, R9): real DNS, signatures by another implementation."""
import base64
import re
import smtplib
import socket
import subprocess
import threading
import time

import pytest

import peers

pytestmark = pytest.mark.hostile

US = "mx2.example.net"
ALLOWED, STRANGER, PRIMARY = "127.0.0.66", "127.0.0.77", "127.0.0.1"
SENDER, AUTHOR = "sender@sender.example", "author@sender.example"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """A key pair: (file of the private one, text for the DNS)."""
    folder = tmp_path_factory.mktemp("key")
    private = folder / "private.pem"
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True,
                         capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-outform", "DER"],
                                  check=True, capture_output=True).stdout
    return private.read_bytes(), base64.b64encode(public).decode()


@pytest.fixture
def dns(nsd, key):
    """A sender that says who may send for it, signs, and wants the rest rejected."""
    text = f"v=DKIM1; k=rsa; p={key[1]}"
    pieces = " ".join(f'"{text[i:i + 200]}"' for i in range(0, len(text), 200))
    nsd.zone("sender.example", [f'@ IN TXT "v=spf1 ip4:{ALLOWED} -all"',
                                '_dmarc IN TXT "v=DMARC1; p=reject"',
                                f"test._domainkey IN TXT {pieces}"])
    nsd.zone("example.org", ['@ IN TXT "v=spf1 -all"', f"test._domainkey IN TXT {pieces}"])
    nsd.zone("example.net", [f"test._domainkey IN TXT {pieces}"])
    nsd.zone("example.com", ["@ IN A 192.0.2.1"])
    nsd.zone("0.0.127.in-addr.arpa", [])
    nsd.start()
    return nsd


@pytest.fixture
def node(holdfast, dns):
    """node(**settings of example.org): the primary is at PRIMARY, and down."""
    def make(port=None, **settings):
        made = holdfast({}, dns=f'servers = {{"{dns.endpoint}"}}')
        made.add("example.org", f"{PRIMARY}:{port or peers.free_port()}", **settings)
        return made
    return make


def letter(author=AUTHOR, extra=b"", body=b"Hello.\n"):
    return peers.message(sender=author, extra=extra, body=body)[1]


def signed(data, key, domain=b"sender.example"):
    dkim = pytest.importorskip("dkim")
    return dkim.sign(data, b"test", domain, key[0], include_headers=[b"from", b"subject"]) + data


def fields(content, name="authentication-results"):
    """The values of all fields with this name, unfolded, from the top."""
    head = content.split(b"\r\n\r\n", 1)[0].decode()
    head = re.sub(r"\r\n[ \t]+", " ", head)
    return [line.partition(":")[2].strip() for line in head.split("\r\n")
            if line.lower().startswith(name + ":")]


def result_of(node, source=ALLOWED, data=None, sender=SENDER, primary=None):
    """The Authentication-Results field with which the message comes to the primary."""
    node.send(data or letter(), sender=sender, source=source)
    return fields(primary.start().wait_for(1))


def refusal(node, **what):
    with pytest.raises(smtplib.SMTPDataError) as caught:
        node.send(what.pop("data", None) or letter(), **{"sender": SENDER, **what})
    return caught.value.smtp_code, caught.value.smtp_error.decode()


@pytest.fixture
def primary(recorder):
    return recorder(start=False)


def test_what_was_found_stands_above_our_trace(node, primary, key):
    there = node(primary.port)
    data = signed(letter(), key)
    (found,) = result_of(there, data=data, primary=primary)
    assert found.startswith(US + ";")
    assert "spf=pass" in found and "smtp.mailfrom=sender@sender.example" in found
    assert "dkim=pass" in found and "header.d=sender.example" in found
    assert "dmarc=pass" in found and "header.from=sender.example" in found
    names = [line.partition(":")[0] for line in
             primary.taken[-1].split(b"\r\n\r\n")[0].decode().split("\r\n") if line[0] not in " \t"]
    assert names[:2] == ["Authentication-Results", "Received"]
    assert primary.taken[-1].endswith(data)


def test_a_signature_survives_us(node, primary, key, dns):
    """Another implementation verifies it at the primary, with the same DNS."""
    there = node(primary.port)
    there.send(signed(letter(body=b"  spaces \t and\n.dots\n\n\n"), key), sender=SENDER,
               source=STRANGER)
    content = primary.start().wait_for(1)
    assert "dkim=pass" in fields(content)[0] and "spf=fail" in fields(content)[0]
    assert pytest.importorskip("dkim").verify(content, dnsfunc=dns.text_of)


SEALED = """
use Mail::DKIM::ARC::Verifier; use Mail::DKIM::DNS; use Net::DNS::Resolver;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$ARGV[0]], port => $ARGV[1]));
my $arc = Mail::DKIM::ARC::Verifier->new(); $arc->load(*STDIN); print $arc->result_detail;
"""


def test_a_seal_of_ours_convinces_others(holdfast, dns, key, recorder, state):
    """Two other implementations verify the chain, also the one that was sealed twice."""
    dkim = pytest.importorskip("dkim")
    perl = peers.program("perl")
    (state / "key.pem").write_bytes(key[0])
    primary = recorder()
    there = holdfast({}, dns=f'servers = {{"{dns.endpoint}"}}', sections=(
        f'sign {{ domain = "example.net" selector = "test" key = "{state / "key.pem"}" }}'))
    there.add("example.org", primary.endpoint, arc_seal="yes")
    there.send(letter(body=b"One.\n\n"), sender=SENDER, source=ALLOWED)
    once = primary.wait_for(1)
    there.send(once, sender=SENDER, source=ALLOWED)
    for instance, content in enumerate((once, primary.wait_for(2)), 1):
        assert len(fields(content, "arc-seal")) == instance
        assert f"cv={'none' if instance == 1 else 'pass'}" in fields(content, "arc-seal")[0]
        result, _, why = dkim.arc_verify(content, dnsfunc=dns.text_of)
        assert result == dkim.CV_Pass, why
        done = subprocess.run([perl, "-e", SEALED, dns.address, str(dns.port)], input=content,
                              capture_output=True, timeout=60, check=False)
        assert done.stdout.startswith(b"pass"), done
    assert content.startswith(b"ARC-Seal: ")


def test_an_unusable_key_costs_no_mail(holdfast, dns, recorder, state):
    (state / "key.pem").write_text("this is no key\n")
    primary = recorder()
    there = holdfast({}, dns=f'servers = {{"{dns.endpoint}"}}', sections=(
        f'sign {{ domain = "example.net" selector = "test" key = "{state / "key.pem"}" }}'))
    there.add("example.org", primary.endpoint, arc_seal="yes")
    there.send(letter(), sender=SENDER, source=ALLOWED)
    content = primary.wait_for(1)
    assert not fields(content, "arc-seal") and "spf=pass" in fields(content)[0]
    assert "sign_key_unusable" in there.text() and "not_sealed" in there.text()


def test_what_dmarc_rejects_is_refused(node):
    code, text = refusal(node(), source=STRANGER)
    assert code == 550 and text.startswith("5.7.1") and "DMARC" in text


def test_or_tagged(node, primary):
    (found,) = result_of(node(primary.port, dmarc_reject="tag"), source=STRANGER, primary=primary)
    assert "spf=fail" in found and "dmarc=fail" in found and "reject" in found


def test_or_held_for_review(node, primary):
    there = node(primary.port, dmarc_reject="hold")
    there.send(letter(), sender=SENDER, source=STRANGER)
    there.send(letter(), sender=SENDER, source=ALLOWED)
    assert "dmarc=pass" in fields(primary.start().wait_for(1))[0]
    (kept,) = there.json("queue", "list", "--state", "rescued")["messages"]
    assert "DMARC" in there.cli("queue", "show", kept["id"]).stdout
    there.stop()
    there.start()  # it is held back by what is on disk
    assert len(there.json("queue", "list", "--state", "rescued")["messages"]) == 1
    there.cli("queue", "release", kept["id"])
    assert "dmarc=fail" in fields(primary.wait_for(2))[0]


def test_spf_alone_may_refuse(node):
    """A domain of the sender without DMARC: its SPF failure is tagged, or refused if so set."""
    strict, data = node(spf_fail="refuse"), letter("author@example.com")
    code, text = refusal(strict, data=data, source=STRANGER)
    assert code == 550 and text.startswith("5.7.23")
    strict.cli("domain", "set", "example.org", "--set", "spf-fail=tag")
    strict.send(data, sender=SENDER, source=STRANGER)


def test_one_message_for_domains_that_differ(holdfast, dns, recorder):
    """Taken for the one that tags; held back for the one that would refuse."""
    primary = recorder()
    there = holdfast({}, dns=f'servers = {{"{dns.endpoint}"}}')
    there.add("example.org", primary.endpoint, dmarc_reject="refuse")
    there.add("example.net", primary.endpoint, dmarc_reject="tag")
    there.send(letter(), ["a@example.org", "b@example.net"], SENDER, source=STRANGER)
    primary.wait_for(1)
    (kept,) = there.json("queue", "list", "--state", "rescued")["messages"]
    assert kept["domain"] == "example.org"
    code, _ = refusal(there, recipients=["a@example.org"], source=STRANGER)
    assert code == 550


def test_without_checks_nothing_is_said(node, primary):
    assert result_of(node(primary.port, check_senders="no", own_sender="tag"), source=STRANGER,
                     primary=primary) == []


def test_nobody_else_speaks_in_our_name(node, primary):
    forged = (f"Authentication-Results: {US.upper()} 1; spf=pass\n"
              f"Authentication-Results:\n (a comment) {US}; dmarc=pass\n"
              "Authentication-Results: elsewhere.example; none\n").encode()
    found = result_of(node(primary.port), data=letter(extra=forged), primary=primary)
    assert len(found) == 2 and "spf=pass smtp" in found[0].replace(";", "").replace("  ", " ")
    assert found[1] == "elsewhere.example; none"
    assert primary.taken[-1].count(US.encode() + b";") == 1


# ---- the same question to another implementation ----


def words(text):
    """{spf: pass, dkim: …}: the method's results of an Authentication-Results field."""
    found = {}
    for method, result in re.findall(r"\b(spf|dkim|dmarc|arc)=(\w+)", text):
        found.setdefault(method, result)
    return found


@pytest.mark.parametrize("source", [ALLOWED, STRANGER])
@pytest.mark.parametrize("case", ["signed", "broken", "unsigned", "other signer", "no policy"])
def test_authcheck_agrees_with_authheaders_and_pyspf(dns, key, monkeypatch, case, source):
    """With a real name server; `holdfast authcheck` prints exactly one field."""
    spf = pytest.importorskip("spf")
    authheaders = pytest.importorskip("authheaders")
    monkeypatch.setattr(spf, "DNSLookup", lambda name, kind, *_, **__: dns.lookup(name, kind))

    def text_of(name, **_):  # it wants octets for DKIM, and text for DMARC
        found = dns.text_of(name)
        return found.decode() if isinstance(name, str) else found

    sender = "x@example.com" if case == "no policy" else SENDER
    data = letter("x@example.com" if case == "no policy" else AUTHOR)
    if case in ("signed", "broken"):
        data = signed(data, key)
    if case == "broken":
        data = data.replace(b"Hello", b"hello")
    if case == "other signer":
        data = signed(data, key, b"example.net")
    done = subprocess.run([peers.BUILD / "holdfast", "authcheck", "--dns-server", dns.endpoint,
                           "--ip", source, "--helo", "client.example", "--from", sender],
                          input=data, capture_output=True, check=True)
    ours = fields(done.stdout + b"\r\n\r\n")
    assert len(ours) == 1 and done.stdout.startswith(b"Authentication-Results:")
    theirs = authheaders.authenticate_message(
        data, US, spf=True, dkim=True, arc=True, dmarc=True, ip=source, mail_from=sender,
        helo="client.example", dnsfunc=text_of)
    got, wanted = words(ours[0]), words(theirs)
    if case in ("unsigned", "no policy"):
        assert got["dkim"] == "none"  # theirs says that a signature that is not there has failed
        del got["dkim"], wanted["dkim"]
    assert got == wanted, (ours, theirs)


# ---- strangers with our own addresses (R9) ----


def test_strangers_may_not_use_our_domain_as_sender(node):
    there = node()
    for sender in ("boss@example.org", "BOSS@Example.ORG"):
        code, text = refusal(there, sender=sender, source=STRANGER,
                             data=letter("boss@example.com"))
        assert code == 550 and text.startswith("5.7.1")


def test_but_those_who_sign_for_it(node, key):
    data = letter("boss@example.org")
    there = node()
    there.send(signed(data, key, b"example.org"), sender="boss@example.org", source=STRANGER)
    there.send(letter("boss@example.org"), sender="boss@example.org", source=PRIMARY)  # itself
    assert there.held() == 2


def test_or_if_the_domain_does_not_mind(node):
    node(own_sender="tag").send(letter("boss@example.org"), sender="boss@example.org",
                                source=STRANGER)


# ---- a DNS that does not answer ----


@pytest.mark.timeout(180 * peers.SLOWER)
@pytest.mark.parametrize("sender", ["x@attacker.example", "x@sender.example"])
def test_a_slow_dns_is_no_way_around_dmarc(holdfast, dns, key, sender):
    """Somebody else's From, and signatures whose keys are at name servers that keep silent: what
    the From domain wants is known all the same."""
    dkim = pytest.importorskip("dkim")
    slow = Forwarder(dns, b"attacker")
    data = letter()
    for number in range(3):
        data = dkim.sign(data, f"s{number}".encode(), b"attacker.example", key[0],
                         include_headers=[b"from"]) + data
    there = holdfast({"example.org": "127.0.0.1:1"}, dns=f'servers = {{"{slow.endpoint}"}}')
    code, text = refusal(there, data=data, sender=sender, source=STRANGER)
    slow.stop()
    assert code == 550 and "DMARC" in text
    assert there.held() == 0


class Forwarder:
    """Hands questions to a name server, and drops those with a word in them."""

    def __init__(self, server, word):
        self.server, self.word = server, word
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
                if not question:
                    return
                if self.word in question.lower():
                    continue
                with socket.socket(type=socket.SOCK_DGRAM) as asking:
                    asking.settimeout(2)
                    asking.sendto(question, (self.server.address, self.server.port))
                    self.socket.sendto(asking.recv(65535), client)
            except OSError:
                continue

    def stop(self):
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.socket.getsockname())


@pytest.mark.timeout(120 * peers.SLOWER)
def test_a_dead_dns_costs_no_mail(holdfast):
    """It is taken, and said to be unsure; only what must be proved is put off."""
    dead = socket.socket(type=socket.SOCK_DGRAM)  # takes questions, answers none
    dead.bind(("127.0.0.1", 0))
    there = holdfast({"example.org": "127.0.0.1:1"},
                     dns=f'servers = {{"127.0.0.1:{dead.getsockname()[1]}"}}')
    began = time.monotonic()
    there.send(letter(), sender=SENDER)
    assert time.monotonic() - began < 40
    (held,) = there.queue()
    assert held
    code, text = refusal(there, sender="boss@example.org", source=STRANGER)
    assert code == 451 and text.startswith("4.7.1")
    dead.close()
