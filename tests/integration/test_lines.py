# SPDX-License-Identifier: ISC
"""Primaries without an address call for their mail (ATRN, RFC 2645; SPEC D2, D3)."""
import base64
import contextlib
import os
import pathlib
import select
import signal
import socket
import ssl
import threading

import pytest

import peers
import test_turn

pytestmark = pytest.mark.hostile

LISTEN = """
listen atrn { address = {"127.0.0.1:%d"} }
listen atrns { address = {"127.0.0.1:%d"} }
"""


@pytest.fixture
def node(holdfast):
    """A node with example.org, whose primary calls; nobody has."""
    ports = peers.free_port("127.0.0.1"), peers.free_port("127.0.0.1")
    node = holdfast(sections=LISTEN % ports)
    node.plain, node.secure = ports
    node.add("example.org", "agent")
    return node


def carry(line, server):
    """Octets from each to the other, until one of them ends; then both end."""
    ends = {line: server, server: line}
    with contextlib.suppress(OSError), line, server:
        while True:
            ready, _, _ = select.select(list(ends), [], [])
            for end in ready:
                octets = end.recv(65536)
                while isinstance(end, ssl.SSLSocket) and end.pending():
                    octets += end.recv(65536)
                if not octets:
                    return
                ends[end].sendall(octets)


class Caller:
    """A primary that calls: a client on our port, whose connection is then spliced to its server."""

    def __init__(self, node, user, secret, tls=True):
        raw = socket.create_connection(("127.0.0.1", node.secure if tls else node.plain), timeout=peers.DEADLINE)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(raw) if tls else raw
        self.file = self.socket.makefile("rb")
        self.reply()
        self.greeting = self.say("EHLO caller.example")
        if user is not None:
            plain = base64.b64encode(f"\0{user}\0{secret}".encode()).decode()
            assert self.say(f"AUTH PLAIN {plain}").startswith("235"), "logged in"

    def reply(self):
        lines = []
        while not lines or lines[-1][3:4] == "-":
            line = self.file.readline().decode()
            if not line:
                raise EOFError("".join(lines))
            lines.append(line)
        return "".join(lines)

    def put(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def say(self, line):
        self.put(line)
        return self.reply()

    def splice(self, address):
        """Passes octets on between the line and the server there, until one of them ends."""
        server = socket.create_connection(address, timeout=peers.DEADLINE)
        thread = threading.Thread(target=carry, args=(self.socket, server), daemon=True)
        thread.start()
        return thread

    def close(self):
        self.socket.close()


def secret_of(node, domain="example.org"):
    return test_turn.secret_of(node, domain)


def test_mail_is_handed_over_on_the_callers_connection(node, recorder):
    secret = secret_of(node)
    for _ in range(3):
        node.send(peers.message()[1])
    server = recorder(address="127.0.0.5")
    caller = Caller(node, "example.org", secret)
    assert "ATRN" in caller.greeting and "PIPELINING" not in caller.greeting
    assert caller.say("ATRN example.org").startswith("250 ")
    thread = caller.splice((server.address, server.port))
    server.wait_for(3)
    thread.join(peers.DEADLINE)
    assert not thread.is_alive(), "QUIT when there is nothing more"
    assert node.held() == 0
    caller = Caller(node, "example.org", secret)
    assert caller.say("ATRN").startswith("453 ")


def test_who_calls_again_is_tried_again(node, primary):
    """However his server has received us the last time: he may have mended it, and it is he who calls."""
    secret = secret_of(node)
    node.cli("domain", "set", "example.org", "--set", "verify-recipients=no")
    node.send(peers.message()[1])
    server = primary("user", address="127.0.0.5")
    server.says["banner"] = "554 5.7.1 Go away"
    for state in ("blocked", "up"):
        caller = Caller(node, "example.org", secret)
        assert caller.say("ATRN example.org").startswith("250 ")
        caller.splice((server.address, server.port)).join(peers.DEADLINE)
        peers.wait_until(lambda state=state: node.state_of() == state, what=f"the state {state}")
        server.says.clear()
        peers.wait_until(lambda: node.domain()["lines"] == 0, what="the line's end")
    assert len(server.taken) == 1 and node.held() == 0


# ---- fetchmail -------------------------------------------------------------------------


class Fetchmail:
    """fetchmail in its ODMR mode, which passes on to a server of ours what it is handed."""

    def __init__(self, state, node, secret, server, domains=("example.org",)):
        self.home = pathlib.Path(state) / "fetchmail"
        self.home.mkdir(exist_ok=True)
        self.rc = self.home / "fetchmailrc"
        self.rc.write_text(
            f'poll 127.0.0.1 service {node.secure} protocol odmr timeout 30 no envelope\n'
            f'  user "example.org" password "{secret}" ssl no sslcertck\n'
            f'  fetchdomains {",".join(domains)} smtphost {server.address}/{server.port}\n')
        self.rc.chmod(0o600)
        self.process = None

    def start(self):
        log = self.home / "fetchmail.log"
        log.touch()
        command = [peers.program("fetchmail"), "-f", str(self.rc), "--nodetach", "--pidfile", str(self.home / "pid"), "-v"]
        self.process = peers.Process(command, log, env={**os.environ, "HOME": str(self.home)})
        return self

    def wait(self):
        return self.process.child.wait(peers.DEADLINE * 4)

    def text(self):
        return (self.home / "fetchmail.log").read_text(errors="replace")


@pytest.fixture
def mailbag(node, sink, load):
    """A node that holds mail for example.org, the secret that fetchmail needs, and its server."""
    def fill(count):
        secret = node.json("domain", "secret", "example.org", "--cram-md5")["secret"]
        clients = load(node.endpoint)
        clients.run(count=count, sessions=10, per_session=50)
        return secret, sink(address="127.0.0.5"), clients.accepted()
    return fill


def test_fetchmail_takes_what_there_is(node, mailbag, tmp_path, full):
    """ODMR over TLS, by CRAM-MD5: all of it, once each."""
    secret, server, accepted = mailbag(full(1000, 100))
    fetchmail = Fetchmail(tmp_path, node, secret, server).start()
    assert fetchmail.wait() == 0, fetchmail.text()
    peers.assert_each_once(accepted, server.messages())
    assert node.held() == 0
    assert Fetchmail(tmp_path, node, secret, server).start().wait() in (0, 1), "nothing is no mistake"
    assert "You have no mail" in fetchmail.text()


def test_fetchmail_is_cut_and_comes_again(node, mailbag, tmp_path, full):
    """Killed in the middle, again and again: nothing is lost, and what was in doubt, one message a
    time at most, is all that may come twice."""
    secret, server, accepted = mailbag(full(1000, 100))
    cuts = 5
    for cut in range(cuts):
        fetchmail = Fetchmail(tmp_path, node, secret, server).start()
        goal = server.count() + len(accepted) // 8
        peers.wait_until(lambda goal=goal: server.count() >= goal, peers.DEADLINE * 2, "some mail")
        fetchmail.process.stop(signal.SIGKILL)
        peers.wait_until(lambda cut=cut: node.text().count("line_gone") == cut + 1, what="the line's end")
    assert Fetchmail(tmp_path, node, secret, server).start().wait() == 0
    arrived = server.messages()
    doubled = {name for name, copies in arrived.items() if len(copies) > 1}
    assert len(doubled) <= node.text().count("delivery_in_doubt") <= cuts
    peers.assert_each_once(accepted, {name: copies[:1] for name, copies in arrived.items()})
    assert node.held() == 0
