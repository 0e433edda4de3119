# SPDX-License-Identifier: ISC
"""Whoever has mail waiting may ask for it (ETRN), and signs that a primary lives are seen (SPEC P8, P9)."""
import base64
import contextlib
import smtplib
import ssl
import subprocess
import time

import pytest

import certificates
import peers

pytestmark = pytest.mark.hostile

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
def client(node, source="127.0.0.9", secure=False, shows=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if shows is not None:
        context.load_cert_chain(shows.chain, shows.key)
        secure = True
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


# ---- by certificate ----

@pytest.fixture
def authority(state):
    return certificates.Authority(state / "ca")


def external(smtp, domain=None):
    code, text = smtp.docmd("AUTH", "EXTERNAL " + (base64.b64encode(domain.encode()).decode() if domain else "="))
    return code, text.decode()


def register(node, *pins, domain="example.org"):
    node.cli("domain", "set", domain, "--set", "client-pin=" + (",".join(pins) or "none"))


def test_a_certificate_that_is_registered(away, recorder, authority):
    """Its key or itself: for ETRN without a login, and for AUTH EXTERNAL. What is not registered is told."""
    node, port = away
    mine, other = authority.issue("whoever.example"), authority.issue("whoever.example")
    with client(node, shows=mine) as smtp:  # nobody wants to see one
        assert not smtp.has_extn("auth") and smtp.docmd("AUTH", "EXTERNAL =")[0] == 502
    register(node, f"certificate:{other.digest()}", f"key:{mine.key_digest()}")
    with client(node, secure=True) as smtp:
        assert not smtp.has_extn("auth") and ask(smtp, "example.org")[0] == 459
    server = recorder(address="127.0.0.5", port=port)
    with client(node, shows=mine) as smtp:
        assert smtp.esmtp_features["auth"].split() == ["EXTERNAL"]
        assert ask(smtp, "example.net")[0] == 459
        assert ask(smtp, "example.org") == (253, "2.0.0 OK, 2 pending messages for node example.org started")
    server.wait_for(2)
    for said in (None, "Example.ORG"):
        with client(node, shows=other) as smtp:
            assert external(smtp, "example.net")[0] == 535
            assert external(smtp, said) == (235, "2.7.0 Welcome, example.org")
            assert external(smtp, said)[0] == 503
            assert ask(smtp, "example.org")[0] == 251
    register(node, f"key:{mine.key_digest()}")
    with client(node, shows=other) as smtp:
        code, text = external(smtp)
        assert code == 535 and f"key:{other.key_digest()}" in text
        assert external(smtp, "example.org")[0] == 535 and ask(smtp, "example.org")[0] == 459
    with client(node, shows=mine) as smtp:
        register(node)  # taken away while he is here
        assert ask(smtp, "example.org")[0] == 459


def test_a_certificate_of_several_domains(away, authority):
    """He says as which; and by `login` one may fetch the mail of another."""
    node, _ = away
    made = authority.issue("whoever.example")
    node.add("example.net", "127.0.0.5:2525")
    node.add("example.com", "127.0.0.5:2525", login="example.net")
    for domain in ("example.org", "example.net"):
        register(node, f"key:{made.key_digest()}", domain=domain)
    with client(node, shows=made) as smtp:
        code, text = external(smtp)
        assert code == 535 and "Several" in text
        assert external(smtp, "example.com")[0] == 535
        assert [ask(smtp, name)[0] for name in ("example.org", "example.net", "example.com")] == [253, 251, 251]
        assert external(smtp, "example.net")[0] == 235


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_that_is_resumed(away, authority, version):
    """It has the certificate that it was begun with; one from before clients were asked is not resumed."""
    node, _ = away
    made = authority.issue("whoever.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(made.chain, made.key)

    def call(session):
        with smtplib.SMTP(node.address, node.port, timeout=peers.DEADLINE, source_address=("127.0.0.9", 0)) as smtp:
            smtp.ehlo("client.example")
            assert smtp.docmd("STARTTLS")[0] == 220
            smtp.sock, smtp.file = context.wrap_socket(smtp.sock, session=session), None
            smtp.ehlo("client.example")
            return smtp.sock.session_reused, ask(smtp, "example.org")[0], smtp.sock.session

    assert (first := call(None))[:2] == (False, 459)
    assert call(first[2])[:2] == (True, 459)
    register(node, f"key:{made.key_digest()}")
    assert (second := call(first[2]))[:2] == (False, 253)
    assert call(second[2])[:2] == (True, 253)


def resident(node):
    """Of all receivers, KiB."""
    pids = subprocess.run(["pgrep", "-P", str(node.process.pid), "-f", "receiver"], capture_output=True, text=True,
                          check=True).stdout.split()
    return sum(int(line.split()[1]) for pid in pids for line in open(f"/proc/{pid}/status") if "VmRSS" in line)


def strange_certificates(authority, full):
    """(what is shown, whether it is let pass)."""
    yield authority.issue("old.example", begins="20200101000000Z", ends="20200201000000Z"), True
    yield authority.issue("young.example", begins="20400101000000Z", ends="20400201000000Z"), True
    yield authority.issue(*(f"name{i}.example" for i in range(300))), True
    yield authority.issue(*(f"a-long-name-of-nobody-{i}.example" for i in range(3000))), False  # 100 KB
    for count, is_fine in ((10, True), (11, False), (100, False)):
        one = authority.issue(f"chain{count}.example")
        one.chain.write_bytes(one.chain.read_bytes() * count)
        yield one, is_fine
    if full(True, False):
        one = certificates.Certificate(authority.folder / "rsa16k.pem", authority.folder / "rsa16k.key")
        certificates.openssl("genrsa", "-primes", "5", "-out", one.key, "16384")
        certificates.openssl("req", "-x509", "-new", "-key", one.key, "-out", one.chain, "-subj", "/CN=large.example")
        yield one, True


@pytest.mark.plain
@pytest.mark.timeout(300 * peers.SLOWER)
def test_strange_certificates(away, authority, full):
    """Expired, huge, or in long chains: they cost neither time nor memory, and others are served meanwhile."""
    node, _ = away
    register(node, f"key:{authority.issue('mine.example').key_digest()}")
    strange = list(strange_certificates(authority, full))
    before = resident(node)
    for one, is_fine in strange * 5:
        began = time.monotonic()
        if is_fine:
            with client(node, shows=one) as smtp:
                assert smtp.esmtp_features["auth"].split() == ["EXTERNAL"]
                code, text = external(smtp)
                assert code == 535 and f"key:{one.key_digest()}" in text
                assert ask(smtp, "example.org")[0] == 459
        else:
            with pytest.raises((ssl.SSLError, OSError, smtplib.SMTPException)), client(node, shows=one):
                pass
        assert time.monotonic() - began < 5 * peers.SLOWER
    assert resident(node) < before + 16 * 1024
    assert "tls_failed" in node.text()


@pytest.mark.timeout(120 * peers.SLOWER)
@pytest.mark.parametrize("has_one", [False, True])
def test_postfix_brings_mail_where_certificates_are_asked_for(away, postfix, authority, has_one):
    node, _ = away
    made = authority.issue("mx1.example.org")
    register(node, f"key:{made.key_digest()}")
    shows = {"smtp_tls_cert_file": made.chain, "smtp_tls_key_file": made.key} if has_one else {}
    server = postfix(settings={"relayhost": f"[{node.address}]:{node.port}", "smtp_tls_security_level": "encrypt",
                               "smtpd_relay_restrictions": "permit_mynetworks, reject",
                               "virtual_mailbox_domains": "", **shows})
    server.start()
    with smtplib.SMTP(server.address, server.port, timeout=peers.DEADLINE) as smtp:
        smtp.sendmail("sender@client.example", ["user@example.org"], peers.message()[1])
    peers.wait_until(lambda: node.held() == 3, what="Postfix's message")


def test_atrn_by_certificate(holdfast, recorder, authority):
    """A primary without an address, and without a secret."""
    port = peers.free_port("127.0.0.1")
    node = holdfast(sections=f'listen atrns {{ address = {{"127.0.0.1:{port}"}} }}')
    node.add("example.org", "agent")
    made = authority.issue("whoever.example")
    register(node, f"key:{made.key_digest()}")
    node.send(peers.message()[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(made.chain, made.key)
    with smtplib.SMTP_SSL("127.0.0.1", port, context=context, timeout=peers.DEADLINE) as smtp:
        smtp.ehlo("caller.example")
        assert smtp.docmd("ATRN", "example.org")[0] == 530
        assert external(smtp)[0] == 235
        assert smtp.docmd("ATRN", "example.org")[0] == 250


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
