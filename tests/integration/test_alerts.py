# SPDX-License-Identifier: ISC
"""The owner is told (SPEC N3, N6): by mail outside of the domain and by webhook, when its primary
goes, comes back, and has got what was held."""
import contextlib
import email
import email.policy
import hashlib
import hmac
import http.server
import itertools
import json
import os
import signal
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

import pytest

import peers

OWNER_MX = "127.0.0.19"
QUICK = 'probe-interval = 1s probes-down = 1 tell-after = 1s'


class Hook:
    """A web server that keeps what it is told, and answers as it is told to."""

    def __init__(self, address="127.0.0.1", certificate=None):
        self.taken, self.statuses, self.address = [], [], address
        self.port = peers.free_port(address)
        self.certificate = certificate
        self.server = None

    def start(self):
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.statuses.pop(0) if hook.statuses else 204
                hook.taken.append((status, dict(self.headers), body, self.path))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{hook.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((self.address, self.port), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    @property
    def url(self):
        return f"http://{self.address}:{self.port}/hook/s3cr3t-in-the-path"

    def events(self):
        """[(event, its members)] of what was taken with 2xx."""
        told = [json.loads(body) for status, _, body, _ in self.taken if status < 300]
        return [(event["event"], event) for event in told]

    def wait_for(self, name, seconds=60):
        return peers.wait_until(lambda: dict(self.events()).get(name), seconds, f"the event {name}")


@pytest.fixture
def hook():
    made = []

    def make(start=True, **options):
        made.append(Hook(**options))
        return made[-1].start() if start else made[-1]

    yield make
    for server in made:
        server.stop()


def own_address():
    """One that is not of the loopback; or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("198.51.100.1", 9))  # nothing is sent
        return probe.getsockname()[0]
    return None


@pytest.fixture
def dns(nsd):
    nsd.zone("owner.example", ["@ IN MX 10 mx", f"mx IN A {OWNER_MX}"])
    nsd.zone("hooks.example", ["web IN A 127.0.0.1", "far IN A 169.254.169.254"])
    nsd.zone("own.example", [f"{name} IN A {own_address() or '192.0.2.1'}"
                             for name in ("tls", "other")])
    nsd.start()
    return nsd


@pytest.fixture
def owner(recorder):
    """Where the owner reads his mail: port 25."""
    if not peers.IS_ROOT:
        pytest.skip("needs root for port 25")
    made = recorder(OWNER_MX, start=False)
    made.port = 25
    return made.start()


@pytest.fixture
def node(holdfast, dns):
    def make(sections="", defaults=QUICK, speed=1):
        return holdfast(dns=f'servers = {{"{dns.endpoint}"}}', defaults=defaults,
                        sections=sections, speed=speed)
    return make


def signature_of(secret, headers, body):
    signed = headers["X-Holdfast-Timestamp"].encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def secret_of(node, domain="example.org"):
    return node.cli("domain", "webhook-secret", domain).stdout.strip()


def mails(owner):
    """{event: the message}"""
    found = {}
    for content in owner.taken:
        message = email.message_from_bytes(content, policy=email.policy.default)
        found[message["X-Holdfast-Event"].split(";")[0]] = message
    return found


def wait_for_state(node, state):
    peers.wait_until(lambda: node.state_of() == state, what=f"the state {state}")


@pytest.mark.timeout(240 * peers.SLOWER)
def test_an_outage_is_told_from_its_beginning_to_its_end(node, owner, hook, sink):
    there, web, primary = node(), hook(), sink()
    there.add("example.org", primary.endpoint, owner="anna@owner.example", webhook=web.url)
    wait_for_state(there, "up")
    primary.stop()
    began = time.monotonic()
    for _ in range(3):
        there.send(peers.message()[1])
    down = web.wait_for("down", 170)
    peers.wait_until(lambda: "down" in mails(owner), 170, "the mail")
    assert time.monotonic() - began < 180 * peers.SLOWER
    assert down["domain"] == "example.org" and down["node"] == "mx2.example.net"
    assert down["held"] >= 1 and down["times"] == 1 and down["primary"] and down["reason"]
    message = mails(owner)["down"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"] == "<anna@owner.example>" or "anna@owner.example" in message["To"]
    assert message["Date"] and message["Message-ID"] and not message.defects
    assert "example.org" in message["Subject"] and "Messages held: " in message.get_content()
    primary.start()
    back = web.wait_for("back")
    assert back["lasted_s"] >= 1
    drained = web.wait_for("drained")
    assert drained["delivered"] == 3 and drained["failures"] == 0 and drained["held"] == 0
    peers.wait_until(lambda: {"down", "back", "drained"} <= set(mails(owner)), 60, "three mails")
    assert "Messages handed over: 3" in mails(owner)["drained"].get_content()
    assert [name for name, _ in web.events()] == ["down", "back", "drained"]


def codes(node, *names):
    """The replies to RCPT for these of example.org."""
    with peers.Raw(node.address, node.port) as client:
        client.hello()
        assert client.ask("MAIL FROM:<somebody@client.example>")[0] == 250
        found = [client.ask(f"RCPT TO:<{name}@example.org>")[0] for name in names]
        client.ask("QUIT")
    return found


@pytest.mark.plain
@pytest.mark.timeout(240 * peers.SLOWER)
def test_a_dead_user_database_is_told_and_forgets_nobody(node, hook, postfix, tmp_path):
    """A table of users that is empty for a while: Postfix says 550 5.1.1 to everybody."""
    users = tmp_path / "users"
    tmp_path.chmod(0o755)
    known = [f"user{number}" for number in range(6)]
    users.write_text("".join(f"{name}@example.org ok\n" for name in known))
    primary = postfix(settings={"virtual_mailbox_maps": f"texthash:{users}"})
    primary.start()
    there, web = node(speed=5), hook()
    there.add("example.org", primary.endpoint, webhook=web.url)
    wait_for_state(there, "up")
    assert codes(there, *known, "nobody") == [250] * 6 + [550]
    there.send(peers.message()[1], "user0@example.org")
    peers.wait_until(lambda: primary.count() == 1, what="a delivery")

    users.rename(tmp_path / "away")
    users.write_text("")
    primary.run("reload")
    number = itertools.count()  # what is known of the primary is believed for a minute
    peers.wait_until(lambda: codes(there, f"new{next(number)}") == [451], 40, "doubt", every=4)
    gone = web.wait_for("users-gone")
    assert gone["domain"] == "example.org"
    assert codes(there, *known, "strange", "stranger") == [250] * 6 + [451] * 2
    for name in known:
        there.send(peers.message()[1], f"{name}@example.org")
    peers.wait_until(lambda: " refused " in there.text(), what="a refusal of what was accepted")
    listed = there.json("recipient", "list", "--domain", "example.org")["recipients"]
    assert {entry["address"] for entry in listed if entry["state"] != "invalid"} >= {
        f"{name}@example.org" for name in known}
    assert there.held() == 6 and int(there.domain()["rescued"]) == 0

    (tmp_path / "away").rename(users)
    primary.run("reload")
    peers.wait_until(lambda: there.held() == 0, 120, "the drain")
    peers.wait_until(lambda: primary.count() == 7, what="all of it at Dovecot")
    assert int(there.domain()["rescued"]) == 0
    peers.wait_until(lambda: codes(there, f"new{next(number)}") == [550], 60, "trust", every=5)


@pytest.mark.plain
@pytest.mark.timeout(240 * peers.SLOWER)
def test_ten_minutes_of_550_after_an_outage_settle_nothing_and_are_told(node, hook, sink):
    """Nobody is known, so nobody knows better: but all of them, and the postmaster?"""
    there, web = node(speed=20), hook()
    primary = sink("--say", "rcpt=550 5.1.1 No such user", start=False)
    there.add("example.org", primary.endpoint, webhook=web.url)
    for number in range(20):
        there.send(peers.message()[1], f"user{number}@example.org")
    primary.start()
    began = time.monotonic()
    told = web.wait_for("breaker")
    assert told["domain"] == "example.org" and "postmaster" in told["reason"]
    peers.wait_until(lambda: time.monotonic() - began >= 30, 40, "ten minutes", every=1)
    assert there.held() == 20 and int(there.domain()["rescued"]) == 0
    primary.stop()
    primary.start("--without", "SIZE")
    peers.wait_until(lambda: there.held() == 0, 90, "the drain, by itself")
    assert primary.count() == 20 and int(there.domain()["rescued"]) == 0
    assert not [event for event, _ in web.events() if event == "refused"]
    assert there.text().count("state=tripped") == 1


@pytest.mark.timeout(240 * peers.SLOWER)
@pytest.mark.parametrize("ban", ["banner=554 5.7.1 You are banned", "banner=421 4.7.1 Banned",
                                 "mail=550 5.7.1 You are banned"])
def test_a_ban_is_told_and_no_known_recipient_suffers(node, hook, sink, ban):
    there, web = node(), hook()
    primary = sink()
    there.add("example.org", primary.endpoint, webhook=web.url)
    wait_for_state(there, "up")
    there.send(peers.message()[1], "anna@example.org")
    peers.wait_until(lambda: primary.count() == 1, what="a delivery")
    primary.stop()
    primary.start("--say", ban)
    began = time.monotonic()
    for _ in range(3):
        there.send(peers.message()[1], "anna@example.org")
    peers.wait_until(lambda: {name for name, _ in web.events()} & {"blocked", "half-up", "down"}, 170,
                     "the alarm")
    assert time.monotonic() - began < 180 * peers.SLOWER
    assert codes(there, "anna") == [250]
    assert int(there.domain()["rescued"]) == 0 and primary.count() == 1


@pytest.mark.timeout(240 * peers.SLOWER)
def test_a_post_is_signed_and_nothing_secret_is_logged(node, hook):
    there, web = node(), hook()
    there.add("example.org", "127.0.0.1:1", webhook=web.url)
    web.wait_for("down")
    _, headers, body, path = web.taken[0]
    secret = secret_of(there)
    assert len(secret) == 64
    assert headers["X-Holdfast-Signature"] == signature_of(secret, headers, body)
    assert headers["X-Holdfast-Signature"] != signature_of("f" * 64, headers, body)
    assert headers["X-Holdfast-Signature"] != signature_of(secret, headers, body + b" ")
    assert abs(int(headers["X-Holdfast-Timestamp"]) - time.time()) < 60
    assert headers["X-Holdfast-Id"] == json.loads(body)["id"]
    assert headers["Content-Type"] == "application/json"
    assert path == "/hook/s3cr3t-in-the-path"
    assert secret_of(there) == secret
    other = there.cli("domain", "webhook-secret", "example.org", "--new").stdout.strip()
    assert other != secret and secret_of(there) == other
    assert secret not in json.dumps(there.domain())
    log = there.text()
    assert secret not in log and other not in log and "s3cr3t" not in log


@pytest.mark.timeout(300 * peers.SLOWER)
@pytest.mark.plain
def test_a_webhook_that_is_down_is_tried_again_across_a_crash(node, hook):
    """Not taken, then dead; then all is killed; in the end it is taken once, under the same id."""
    there, web = node(speed=5), hook()
    web.statuses = [503]
    there.add("example.org", "127.0.0.1:1", webhook=web.url)
    peers.wait_until(lambda: " webhook_failed " in there.text(), what="the first try")
    web.stop()
    there.crash()
    there.start()
    web.start()
    peers.wait_until(lambda: web.events(), 100, "the event")
    ids = {json.loads(body)["id"] for _, _, body, _ in web.taken}
    assert [status for status, *_ in web.taken] == [503, 204] and len(ids) == 1
    os.kill(there.pids()["keeper-1"], signal.SIGKILL)
    peers.wait_until(lambda: there.text().count("spool_open") == 3, what="the next keeper")
    wait_for_state(there, "down")
    # It was told, and is not told again: what begins later is told alone.
    there.add("example.net", "127.0.0.1:1", webhook=web.url)
    peers.wait_until(lambda: len(web.events()) > 1, what="another event")
    assert [event["domain"] for _, event in web.events()] == ["example.org", "example.net"]


@pytest.mark.timeout(240 * peers.SLOWER)
def test_what_ends_a_post_and_what_is_not_followed(node, hook):
    there, gone, moved = node(), hook(), hook()
    gone.statuses, moved.statuses = [410], [302]
    there.add("gone.example", "127.0.0.1:1", webhook=gone.url)
    there.add("moved.example", "127.0.0.1:1", webhook=moved.url)
    peers.wait_until(lambda: " webhook_given_up " in there.text(), what="the end of a post")
    line = next(line for line in there.text().splitlines() if " webhook_given_up " in line)
    assert "gone.example" in line and "status=410" in line
    peers.wait_until(lambda: " webhook_failed " in there.text(), what="the try")
    assert [path for _, _, _, path in moved.taken] == ["/hook/s3cr3t-in-the-path"]


@pytest.fixture
def authority(state):
    """A certificate for tls.own.example, and the authority's own."""
    folder = state / "tls"
    folder.mkdir()

    def run(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-days", "2", "-subj", "/CN=test authority")
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "web.key", "-out", "web.csr",
        "-subj", "/CN=tls.own.example")
    (folder / "san").write_text("subjectAltName=DNS:tls.own.example\n")
    run("x509", "-req", "-in", "web.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-out", "web.pem", "-days", "2", "-extfile", "san")
    folder.chmod(0o755)
    return folder


@pytest.mark.timeout(240 * peers.SLOWER)
def test_https_is_checked_against_the_anchors(node, hook, authority):
    """By its name, at an address that is not this machine alone."""
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but the loopback")
    web = hook(address=address, certificate=(authority / "web.pem", authority / "web.key"))
    there = node(sections=f'web {{ ca = "{authority}/ca.pem" }}')
    there.add("example.org", "127.0.0.1:1", webhook=f"https://tls.own.example:{web.port}/hook")
    event = web.wait_for("down")
    assert event["domain"] == "example.org" and web.taken[0][1]["Host"].startswith("tls.own.")
    there.add("example.net", "127.0.0.1:1", webhook=f"https://other.own.example:{web.port}/hook")
    peers.wait_until(lambda: " webhook_failed " in there.text(), what="the refusal")
    assert "other.own.example" in there.text() and len(web.taken) == 1


@pytest.mark.timeout(240 * peers.SLOWER)
def test_tls_to_a_literal_address(node, hook, state):
    """With a certificate for the address, by an authority that is trusted; and by none."""
    folder = state / "tls"
    folder.mkdir()
    folder.chmod(0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                    "web.key", "-out", "web.pem", "-days", "2", "-subj", "/CN=web", "-addext",
                    "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True)
    web = hook(certificate=(folder / "web.pem", folder / "web.key"))
    url = f"https://127.0.0.1:{web.port}/hook"
    trusting = node(sections=f'web {{ ca = "{folder}/web.pem" }}')
    trusting.add("example.org", "127.0.0.1:1", webhook=url)
    web.wait_for("down")
    trusting.stop()
    trusting.write_config(sections="")
    before = len(web.taken)
    trusting.start()
    trusting.add("example.net", "127.0.0.1:1", webhook=url)
    peers.wait_until(lambda: " webhook_failed " in trusting.text(), what="the try")
    assert "certificate" in trusting.text() and len(web.taken) == before


@pytest.mark.timeout(240 * peers.SLOWER)
def test_metadata_and_this_machine_are_not_posted_to_by_name(node, hook):
    there, web = node(), hook()
    there.add("far.example", "127.0.0.1:1", webhook="https://far.hooks.example/latest/meta-data")
    there.add("near.example", "127.0.0.1:1", webhook=f"https://web.hooks.example:{web.port}/")
    peers.wait_until(lambda: there.text().count("nothing is posted to its address") == 2,
                     what="two refusals")
    assert not web.taken


@pytest.mark.timeout(240 * peers.SLOWER)
def test_texts_of_the_owner(node, owner, state, sink):
    there, primary = node(), sink()
    there.add("example.org", primary.endpoint, owner="anna@owner.example", language="de")
    wait_for_state(there, "up")
    shown = there.cli("domain", "template", "example.org", "down").stdout
    assert shown.startswith("Subject: {domain}: Ihr Mailserver ist nicht erreichbar\n\n")
    text = state / "text"
    text.write_text("Subject: Der Server ist weg\n\nSeit {since} fehlt {primray}.\nEnde {\n")
    refused = there.cli("domain", "template", "example.org", "down", "--file", text, check=False)
    assert refused.returncode == 1
    assert "line 3, column 20: there is no {primray}; write {primary} instead" in refused.stderr
    assert "line 4, column 6: this brace is not closed" in refused.stderr
    text.write_text("Subject: Der Server ist weg\n\nSeit {since} fehlt {primary}; schöne Grüße\n")
    there.cli("domain", "template", "example.org", "down", "--file", text)
    assert there.cli("domain", "template", "example.org", "down").stdout == text.read_text()
    primary.stop()
    there.send(peers.message()[1])
    peers.wait_until(lambda: "down" in mails(owner), 60, "the mail")
    message = mails(owner)["down"]
    assert message["Subject"] == "Der Server ist weg"
    assert "schöne Grüße" in message.get_content() and message["Content-Language"] == "de"
    # Somebody damages what is stored: ours takes its place.
    there.stop()
    with contextlib.closing(sqlite3.connect(there.data / "directory.db")) as database, database:
        database.execute("UPDATE domain_fact SET value = ? WHERE kind = 'template'",
                         (b"Subject: x\n\n{nonsense",))
        database.execute("DELETE FROM domain_fact WHERE kind = 'alerts'")
    owner.taken.clear()
    there.start()
    peers.wait_until(lambda: "down" in mails(owner), 60, "the mail")
    assert "Ihr Mailserver ist nicht erreichbar" in mails(owner)["down"]["Subject"]
    assert " template_unusable " in there.text()
    there.cli("domain", "template", "example.org", "down", "--reset")
    assert there.cli("domain", "template", "example.org", "down").stdout == shown


@pytest.mark.timeout(240 * peers.SLOWER)
def test_the_table_says_who_is_told(node, owner, hook, sink):
    there, web, primary = node(), hook(), sink()
    there.add("example.org", primary.endpoint, owner="anna@owner.example", webhook=web.url,
              tell_down="none", tell_back="none", tell_drained="webhook")
    wait_for_state(there, "up")
    primary.stop()
    there.send(peers.message()[1])
    wait_for_state(there, "down")
    primary.start()
    peers.wait_until(lambda: there.held() == 0, 60, "the drain")
    assert {name for name, _ in web.events()} <= {"drained"} and not owner.taken
    said = there.cli("domain", "set", "example.org", "--set", "owner=x@example.org")
    assert "x@example.org is in the domain itself" in said.stdout
    with pytest.raises(smtplib.SMTPRecipientsRefused):  # the way to the owner is for nothing else
        there.send(peers.message()[1], "anna@owner.example")


@pytest.mark.plain
def test_the_end_of_the_holding_time_is_told_before_it_comes(holdfast, hook, sink):
    """An hour in twelve seconds; its last fifth is told, once."""
    primary, web = sink(start=False), hook()
    there = holdfast(speed=300)
    there.add("example.org", primary.endpoint, hold="1h", webhook=web.url)
    there.send(peers.message()[1])
    down = web.wait_for("down")
    event = web.wait_for("near-expiry", 60)
    assert down["held"] == 1 and event["held"] == 1 and down["at"] < event["at"] < event["until"]
    peers.wait_until(lambda: there.held() == 0, 60, "the end of the holding time")
    refused = web.wait_for("refused", 60)  # nobody knows who sent it: the owner is told
    assert refused["failures"] == 1
    assert [name for name, _ in web.events()] == ["down", "near-expiry", "refused"]
