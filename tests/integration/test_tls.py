# SPDX-License-Identifier: ISC
"""TLS towards clients (SPEC R4, R10): certificates by name, renewed while sessions go on."""
import contextlib
import datetime
import shutil
import smtplib
import socket
import ssl
import subprocess
import threading
import warnings

import pytest

import certificates
import peers

pytestmark = pytest.mark.hostile


@pytest.fixture
def authority(state):
    return certificates.Authority(state / "ca")


def tls(*made):
    chains = ", ".join(f'"{one.chain}"' for one in made)
    keys = ", ".join(f'"{one.key}"' for one in made)
    return f"tls {{ certificate = {{{chains}}} key = {{{keys}}} }}"


def anybody():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    """A client that has said EHLO, and perhaps STARTTLS and EHLO again."""

    def __init__(self, node, context=None, name=None, port=None, session=None):
        self.smtp = smtplib.SMTP(timeout=peers.DEADLINE * peers.SLOWER)
        if port:
            raw = socket.create_connection((node.address, port), peers.DEADLINE * peers.SLOWER)
            self.smtp.sock = context.wrap_socket(raw, server_hostname=name, session=session)
            assert self.smtp.getreply()[0] == 220
        else:
            self.smtp.connect(node.address, node.port)
        self.smtp.ehlo("client.example")
        if context is not None and not port:
            code, _ = self.smtp.docmd("STARTTLS")
            assert code == 220
            self.smtp.sock = context.wrap_socket(self.smtp.sock, server_hostname=name,
                                                 session=session)
            self.smtp.file = None
            self.smtp.ehlo("client.example")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.smtp.close()

    def shown(self):
        """The DER of the certificate that the server has shown."""
        return self.smtp.sock.getpeercert(binary_form=True)

    def send(self):
        code, _ = self.smtp.mail("sender@client.example")
        assert code == 250
        assert self.smtp.rcpt("user@example.org")[0] == 250
        return self.smtp.data(peers.message()[1])


def test_a_client_that_checks_us(holdfast, recorder, authority):
    """Python's ssl trusts the CA and finds our name; what we took arrives, and says how it came."""
    target = recorder()
    made = authority.issue("mx2.example.net")
    node = holdfast({"example.org": target.endpoint}, sections=tls(made))
    with Client(node, authority.trusting(), "mx2.example.net") as client:
        assert not client.smtp.has_extn("starttls")
        assert client.shown() == made.der()
        assert client.send()[0] == 250
    received = target.wait_for(1).split(b"\r\n\tfor")[0].decode()
    assert "(using TLSv1.3 with cipher TLS_" in received and "with ESMTPS id" in received
    node.send(peers.message()[1])
    target.wait_for(2)
    accepted = [line.split(" tls=")[1] for line in node.text().splitlines() if " accepted " in line]
    assert accepted[0].startswith("TLSv1.3/TLS_") and accepted[1] == '""'


def test_each_name_has_its_certificate(holdfast, authority):
    """SNI, in any case; a wildcard; who asks for nobody we know gets the first; and a name may have
    two certificates of different kinds."""
    first, kin = authority.issue("mx2.example.net"), authority.issue("mx2.example.net", kind="rsa")
    other, wild = authority.issue("a.example.com", "b.example.com"), authority.issue("*.wild.example")
    node = holdfast(sections=tls(first, kin, other, wild))
    for name, shown in (("mx2.example.net", first), ("b.example.COM", other),
                        ("any.wild.example", wild), ("nobody.example", first), (None, first)):
        with Client(node, anybody(), name) as client:
            assert client.shown() == shown.der(), name
    rsa = anybody()
    rsa.maximum_version = ssl.TLSVersion.TLSv1_2
    rsa.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with Client(node, rsa, "mx2.example.net") as client:
        assert client.shown() == kin.der()


def test_tls_from_the_first_octet(holdfast, authority):
    port = peers.free_port()
    node = holdfast({"example.org": ()}, sections=tls(authority.issue("mx2.example.net")) +
                    f'\nlisten smtps {{ address = {{"127.0.0.1:{port}"}} }}')
    with Client(node, authority.trusting(), "mx2.example.net", port=port) as client:
        assert client.send()[0] == 250
    with peers.Raw("127.0.0.1", port) as raw:  # who speaks plain SMTP there gets no answer in SMTP
        raw.say("EHLO client.example")
        assert raw.is_closed()
    peers.wait_until(lambda: "tls_failed" in node.text(), what="the log's line")


def test_without_a_certificate_we_make_one(holdfast):
    node = holdfast({"example.org": ()})
    with Client(node, anybody(), "mx2.example.net") as client:
        first = client.shown()
        assert client.send()[0] == 250
    node.reload()
    with Client(node, anybody(), "mx2.example.net") as client:
        assert client.shown() == first


def test_bad_files_do_not_take_away_what_there_is(holdfast, authority):
    """At the start, one of our own is shown; at a reload, what there was stays. The log says why."""
    good, bad = authority.issue("mx2.example.net"), authority.issue("mx2.example.net")
    key = bad.key.read_bytes()
    bad.key.write_bytes(good.key.read_bytes())
    node = holdfast(sections=tls(bad))
    with Client(node, anybody(), "mx2.example.net") as client:
        assert client.shown() not in (good.der(), bad.der())
    assert f"certificate_unusable file={bad.chain} why=\"certificate and key do not belong" in node.text()
    bad.key.write_bytes(key)
    node.reload()
    with Client(node, anybody(), "mx2.example.net") as client:
        assert client.shown() == bad.der()
    node.write_config(sections=tls(good))
    good.chain.write_text("nothing of use")
    node.reload()
    with Client(node, anybody(), "mx2.example.net") as client:
        assert client.shown() == bad.der()


def test_a_bad_file_keeps_no_other_from_being_renewed(holdfast, authority):
    """Of two certificates one is renewed while the other's file is of no use: the new one is shown, and of the other
    what there was."""
    first, second = authority.issue("mx2.example.net"), authority.issue("b.example.com")
    node = holdfast(sections=tls(first, second))
    old, renewed = second.der(), authority.issue("mx2.example.net")
    second.chain.write_text("nothing of use")
    first.chain.write_bytes(renewed.chain.read_bytes())
    first.key.write_bytes(renewed.key.read_bytes())
    node.reload()
    for name, shown in (("mx2.example.net", renewed.der()), ("b.example.com", old)):
        with Client(node, anybody(), name) as client:
            assert client.shown() == shown, name
    assert f"certificate_unusable file={second.chain}" in node.text()


def test_the_end_of_a_certificate_is_announced(holdfast, authority):
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=10)
    late, early = authority.issue("mx2.example.net"), \
        authority.issue("old.example.net", ends=soon.strftime("%Y%m%d%H%M%SZ"))
    node = holdfast(sections=tls(late, early))
    assert f"certificate_ends file={early.chain} days=9" in node.text()
    assert f"certificate_ends file={late.chain}" not in node.text()
    node.reload()
    assert node.text().count("certificate_ends") == 1


def ends_in(**span):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**span)
    return end.strftime("%Y%m%d%H%M%SZ")


def test_the_postmaster_is_told_of_it_by_mail(holdfast, recorder, authority):
    """Once a step, also over a restart; of a renewed one anew; in the node's language."""
    target = recorder()
    fine, soon = authority.issue("mx2.example.net"), authority.issue("a.example.net", ends=ends_in(days=10))
    node = holdfast({"example.org": target.endpoint}, top='postmaster = "anna@example.org"', sections=tls(fine, soon))
    told = target.wait_for(1).decode()
    assert "To: <anna@example.org>" in told and "Subject: mx2.example.net: a certificate ends soon" in told
    assert f"\r\n\r\n{soon.chain}\r\nis good until " in told
    peers.wait_until(lambda: node.held() == 0, what="the first one's end")
    node.stop()
    node.start()
    node.reload()
    over = authority.issue("a.example.net", begins="20200101000000Z", ends=ends_in(seconds=-5))
    shutil.copy(over.chain, soon.chain)
    shutil.copy(over.key, soon.key)
    node.write_config(top='postmaster = "anna@example.org"', sections=tls(fine, soon) + "\ndefaults { language = de }")
    node.reload()
    assert "Subject: mx2.example.net: ein Zertifikat ist abgelaufen" in target.wait_for(2).decode()
    assert node.text().count(" own_mail ") == 2


def test_nothing_survives_starttls(holdfast):
    """What stands behind STARTTLS in the clear is not taken for a command within TLS."""
    node = holdfast({"example.org": ()})
    with node.connect() as raw:
        raw.hello()
        raw.write(b"STARTTLS\r\nMAIL FROM:<evil@client.example>\r\n")
        assert raw.reply()[0] == 503 and raw.is_closed()
    with node.connect() as raw:
        raw.hello()
        assert raw.ask("STARTTLS")[0] == 220
        raw.say("MAIL FROM:<evil@client.example>")  # no handshake
        assert raw.is_closed()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_are_refused(holdfast):
    node = holdfast()
    context = anybody()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError), Client(node, context, "mx2.example.net"):
        pass
    context = anybody()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Client(node, context, "mx2.example.net") as client:
        assert client.smtp.sock.version() == "TLSv1.2"
    context.set_ciphers("AES128-SHA")  # no forward secrecy
    with pytest.raises(ssl.SSLError), Client(node, context, "mx2.example.net"):
        pass


def test_sessions_are_resumed_by_every_receiver(holdfast, authority):
    """Tickets of one are good for all of them, for the next process, and after a renewal."""
    made = authority.issue("mx2.example.net")
    node = holdfast(top="receivers = 3", sections=tls(made))
    context = authority.trusting()
    with Client(node, context, "mx2.example.net") as client:
        session = client.smtp.sock.session
    resumed = 0
    for turn in range(30):
        if turn == 15:
            node.reload()
            node.crash_role("receiver-1")
        with Client(node, context, "mx2.example.net", session=session) as client:
            resumed += client.smtp.sock.session_reused
    assert resumed == 30


def test_renewing_certificates_drops_nobody(holdfast, sink, authority, full):
    """Sessions that are under way go on while certificates change under them again and again."""
    target = sink()
    made = [authority.issue("mx2.example.net") for _ in range(2)]
    live = certificates.Certificate(authority.folder / "live.pem", authority.folder / "live.key")
    shutil.copy(made[0].chain, live.chain)
    shutil.copy(made[0].key, live.key)
    node = holdfast({"example.org": target.endpoint}, top="receivers = 2", sections=tls(live))
    over, stored, failed, seen = threading.Event(), [0], [], set()

    def work():
        try:
            while not over.is_set():
                with Client(node, authority.trusting(), "mx2.example.net") as client:
                    seen.add(client.shown())
                    for _ in range(5):
                        code, text = client.send()
                        assert code == 250, text
                        stored[0] += 1
        except (AssertionError, OSError, smtplib.SMTPException) as error:
            failed.append(repr(error))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for turn in range(full(40, 8)):
        before = stored[0]
        shutil.copy(made[(turn + 1) % 2].chain, live.chain)
        shutil.copy(made[(turn + 1) % 2].key, live.key)
        node.reload()
        peers.wait_until(lambda before=before: failed or stored[0] >= before + 20, what="more mail")
    over.set()
    for thread in threads:
        thread.join()
    assert not failed
    assert seen == {one.der() for one in made}


def test_swaks(holdfast):
    node = holdfast({"example.org": ()})
    done = subprocess.run([peers.program("swaks"), "--server", node.endpoint, "--from",
                           "a@client.example", "--to", "user@example.org", "--tls"],
                          capture_output=True, text=True, timeout=60 * peers.SLOWER, check=False)
    assert done.returncode == 0 and "TLS started with cipher TLSv1.3" in done.stdout


def test_half_a_handshake_costs_nothing_for_long(holdfast):
    """Who stops in the middle of it is let go, and others do not notice."""
    node = holdfast({"example.org": ()}, smtp='command-timeout = "2s"')
    with contextlib.ExitStack() as stack:
        stuck = []
        for _ in range(20):
            raw = stack.enter_context(node.connect())
            raw.hello()
            assert raw.ask("STARTTLS")[0] == 220
            raw.write(b"\x16\x03\x01\x02\x00\x01\x00")
            stuck.append(raw)
        with Client(node, anybody(), "mx2.example.net") as client:
            assert client.send()[0] == 250
        assert all(raw.is_closed() for raw in stuck)
