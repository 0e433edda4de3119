# SPDX-License-Identifier: ISC
"""holdfast agent: beside a primary that nobody can connect to (SPEC D3)."""
import contextlib
import os
import pathlib
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import threading
import time

import pytest

import certificates
import peers
import test_lines
import test_tls

PRIMARY = "127.0.0.5"


class Agent:
    """One agent, beside the server that is given."""

    def __init__(self, state, node, secret, server, *options, trust=(), name="agent", binary=None):
        self.home = pathlib.Path(state)
        self.home.mkdir(parents=True, exist_ok=True)
        self.name, self.node = name, node
        self.secret_file = self.home / f"{name}.secret"
        self.secret_file.write_text(secret + "\n")
        self.secret_file.chmod(0o600)
        self.log = self.home / f"{name}.log"
        self.log.touch()
        self.command = [str(binary or node.binary), "agent", "--backup", f"127.0.0.1:{node.plain}", "--user",
                        "example.org", "--secret-file", str(self.secret_file), "--server", server,
                        *(trust or ("--pin", pin_of(node))), *options]
        self.process = None

    def start(self, waits=True):
        self.process = peers.Process(self.command, self.log)
        if waits:
            self.wait_for("agent_waits")
        return self

    def wait_for(self, event, count=1):
        peers.wait_until(lambda: self.text().count(f" {event} ") >= count or not self.process.is_running(),
                         what=f"{event} of the agent")
        assert self.process.is_running(), self.text()

    def stop(self, sig=signal.SIGTERM):
        return self.process.stop(sig)

    def text(self):
        return self.log.read_text(errors="replace")


def pin_of(node):
    """The key that the node shows."""
    pem = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{node.port}"],
                         input=b"", capture_output=True, check=False).stdout
    der = subprocess.run("openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum", shell=True,
                         input=pem, capture_output=True, check=True).stdout
    return "key:" + der.decode().split()[0]


def key_of(chain):
    der = subprocess.run(f"openssl x509 -in {chain} -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum",
                         shell=True, capture_output=True, check=True).stdout
    return "key:" + der.decode().split()[0]


@pytest.fixture
def authority(state):
    return certificates.Authority(state / "ca")


@pytest.fixture
def node(holdfast, authority):
    ports = peers.free_port("127.0.0.1"), peers.free_port("127.0.0.1")
    node = holdfast(sections=test_lines.LISTEN % ports + test_tls.tls(authority.issue("mx2.example.net")))
    node.plain, node.secure = ports
    node.add("example.org", "agent")
    return node


@pytest.fixture
def agent(node, tmp_path):
    """make(server, …): an agent of example.org, ended with the test."""
    agents = []
    secret = test_lines.secret_of(node)

    def make(server, *options, start=True, **more):
        more.setdefault("name", f"agent-{len(agents)}")
        made = Agent(tmp_path / "agent", node, more.pop("secret", secret), server, *options, **more)
        agents.append(made)
        return made.start() if start else made
    yield make
    for made in agents:
        if made.process is not None:
            with contextlib.suppress(Exception):
                made.stop(signal.SIGKILL)
            print(made.text())


def test_mail_is_at_the_local_server_within_two_seconds(node, agent, recorder):
    server = recorder(address=PRIMARY)
    assert "the primary has not called" in node.cli("domain", "show", "example.org").stdout
    agent(server.endpoint)
    assert re.search("^lines +[12] from the primary$", node.cli("domain", "show", "example.org").stdout, re.M)
    for count in range(1, 4):
        node.send(peers.message()[1])
        began = time.monotonic()
        server.wait_for(count)
        assert time.monotonic() - began < 2 * peers.SLOWER
    peers.wait_until(lambda: node.held() == 0, what="an empty queue")
    assert node.state_of() == "up"


def drained(node, name="example.org"):
    peers.wait_until(lambda: node.held(name) == 0, peers.DEADLINE * 2, "an empty queue")


def test_the_local_server_comes_and_goes(node, agent, sink):
    """Nobody calls while nobody could take what comes."""
    server = sink(address=PRIMARY, start=False)
    beside = agent(server.endpoint, start=False).start(waits=False)
    beside.wait_for("server_away")
    assert "line_came" not in node.text()
    node.send(peers.message()[1])
    server.start()
    beside.wait_for("agent_waits")
    drained(node)
    server.stop()
    node.send(peers.message()[1])
    beside.wait_for("server_away", 2)
    peers.wait_until(lambda: node.state_of() != "up", what="the state")
    server.start()
    drained(node)
    assert server.count() == 2


def test_many_once_over_several_lines(node, agent, sink, load, full):
    """Held, then all of it, in more than one session, once each."""
    server = sink("--chunking", address=PRIMARY)
    clients = load(node.endpoint)
    clients.run(count=full(10000, 1000), sessions=10, per_session=50)
    agent(server.endpoint, "--lines", "4")
    drained(node)
    peers.assert_each_once(clients.accepted(), server.messages())
    assert server.connections() > 1


@pytest.mark.parametrize("victim", ["receiver-1", "deliverer-1", "keeper-1", "agent"])
def test_whoever_is_killed_nothing_is_lost(node, agent, sink, load, victim, full):
    server = sink(address=PRIMARY)
    clients = load(node.endpoint)
    clients.run(count=full(2000, 400), sessions=10, per_session=50)
    beside = agent(server.endpoint)
    for cut in range(3):
        goal = server.count() + 50
        peers.wait_until(lambda goal=goal: server.count() >= goal or node.held() == 0, what="some mail")
        if victim == "agent":
            beside.stop(signal.SIGKILL)
            beside.start()
        else:
            node.crash_role(victim)
    drained(node)
    arrived = server.messages()
    doubled = sum(len(copies) > 1 for copies in arrived.values())
    assert doubled <= 3 * 2 * 8, "kills, lines, and what may be under way on each"
    assert doubled <= node.text().count("delivery_in_doubt")
    peers.assert_each_once(clients.accepted(), {name: copies[:1] for name, copies in arrived.items()})


def test_the_node_starts_again(node, agent, recorder):
    server = recorder(address=PRIMARY)
    beside = agent(server.endpoint)
    node.stop()
    beside.wait_for("backup_away")
    node.start()
    node.send(peers.message()[1])
    server.wait_for(1)
    drained(node)


def test_a_wrong_secret_and_a_wrong_backup(node, agent, recorder, tmp_path):
    """Who does not know the secret gets nothing, and who is not the backup does not hear it."""
    server = recorder(address=PRIMARY)
    node.send(peers.message()[1])
    wrong = agent(server.endpoint, start=False, secret="0" * 40).start(waits=False)
    wrong.wait_for("backup_refuses")
    assert "535 " in wrong.text() and "--secret-file" in wrong.text()
    stranger = agent(server.endpoint, start=False, trust=("--pin", "key:" + "0" * 64)).start(waits=False)
    stranger.wait_for("backup_stranger")
    unknown = agent(server.endpoint, start=False, trust=("--ca", str(pathlib.Path(__file__))))
    unknown.start(waits=False)
    unknown.wait_for("backup_stranger")
    assert node.text().count("login_failed") >= 1 and " login " not in node.text()
    assert node.held() == 1 and not server.commands


def test_by_name_and_authority(holdfast, authority, tmp_path, recorder):
    """The backup's certificate, as its name and an authority of one's own have it."""
    ports = peers.free_port("127.0.0.1"), peers.free_port("127.0.0.1")
    node = holdfast({"example.org": "agent"}, sections=test_lines.LISTEN % ports +
                    test_tls.tls(authority.issue("localhost")))
    node.plain, node.secure = ports
    server = recorder(address=PRIMARY)
    beside = Agent(tmp_path / "agent", node, test_lines.secret_of(node), server.endpoint, "--tls-from-start",
                   trust=("--ca", str(authority.file)))
    beside.command[beside.command.index("--backup") + 1] = f"localhost:{node.secure}"
    try:
        beside.start()
        node.send(peers.message()[1])
        server.wait_for(1)
    finally:
        beside.stop()


def test_by_a_key_of_its_own(node, agent, authority, recorder, tmp_path):
    """No secret anywhere: the domain has registered the key that the agent shows."""
    server = recorder(address=PRIMARY)
    made, other = authority.issue("agent.example"), authority.issue("other.example")
    both = [tmp_path / "agent.pem", tmp_path / "other.pem"]
    for path, one in zip(both, (made, other)):
        path.write_text(pathlib.Path(one.chain).read_text() + pathlib.Path(one.key).read_text())
        path.chmod(0o600)
    node.cli("domain", "set", "example.org", "--set", f"client-pin={key_of(made.chain)}")

    def by(path, **more):
        beside = agent(server.endpoint, start=False, **more)
        at = beside.command.index("--secret-file")
        beside.command[at:at + 2] = ["--certificate", str(path)]
        return beside
    stranger = by(both[1]).start(waits=False)
    stranger.wait_for("backup_refuses")
    stranger.stop()
    by(both[0]).start()
    node.send(peers.message()[1])
    server.wait_for(1)
    drained(node)
    useless = by(__file__)
    useless.process = peers.Process(useless.command, useless.log)
    assert useless.process.child.wait(peers.DEADLINE) == 2 and "certificate_unusable" in useless.text()


def test_two_agents_for_one_domain(node, agent, recorder):
    """The second is told so, and comes to its turn when the first is gone."""
    first, second = recorder(address=PRIMARY), recorder(address="127.0.0.6")
    one = agent(first.endpoint)
    other = agent(second.endpoint, start=False).start(waits=False)
    other.wait_for("backup_busy")
    assert "another caller" in other.text()
    node.send(peers.message()[1])
    first.wait_for(1)
    one.stop()
    node.send(peers.message()[1])
    second.wait_for(1)
    drained(node)
    assert len(first.taken) == len(second.taken) == 1


def test_several_domains(node, agent, recorder):
    """Whose holder says so are fetched by one agent; no others."""
    node.add("example.net", "agent", login="example.org")
    node.add("example.com", "agent")
    server = recorder(address=PRIMARY)
    for domain in ("example.org", "example.net", "example.com"):
        node.send(peers.message()[1], f"user@{domain}")
    agent(server.endpoint)
    server.wait_for(2)
    drained(node)
    drained(node, "example.net")
    assert node.held("example.com") == 1
    greedy = agent(server.endpoint, "--domains", "example.org,example.com", start=False).start(waits=False)
    greedy.wait_for("backup_refuses")
    assert "450 " in greedy.text() and "example.com" in greedy.text()


class Thinking(list):
    """Of a server that has the message and has not said so, until it is let."""

    def __init__(self):
        super().__init__()
        self.may_answer = threading.Event()

    def append(self, content):
        super().append(content)
        self.may_answer.wait(peers.DEADLINE)


def test_an_agent_that_is_told_to_stop(node, agent, recorder):
    """What is under way comes to its end; nothing is left in doubt."""
    server = recorder(address=PRIMARY, start=False)
    server.taken = thinking = Thinking()
    server.start()
    beside = agent(server.endpoint, "--lines", "2")
    node.send(peers.message()[1])
    server.wait_for(1)
    beside.process.child.send_signal(signal.SIGTERM)
    beside.wait_for("stopping")
    with pytest.raises(subprocess.TimeoutExpired):
        beside.process.child.wait(2)
    thinking.may_answer.set()
    assert beside.process.child.wait(peers.DEADLINE) == 0
    drained(node)
    assert len(server.taken) == 1 and "delivery_in_doubt" not in node.text()
    idle = agent(server.endpoint)
    began = time.monotonic()
    assert idle.stop() == 0 and time.monotonic() - began < peers.SLOWER


def test_a_pause_ends_while_he_waits(node, agent, recorder):
    """Whoever waits waits for that, too."""
    node.cli("domain", "pause", "example.org", "--until", "3s")
    server = recorder(address=PRIMARY)
    agent(server.endpoint)
    node.send(peers.message()[1])
    server.wait_for(1)
    drained(node)
    node.cli("domain", "pause", "example.org")
    node.send(peers.message()[1])
    node.cli("domain", "resume", "example.org")
    server.wait_for(2)
    drained(node)


def test_a_list_of_domains_that_is_none(node):
    for words in ("example.org,,example.com", "example.org,", ",", "no domain"):
        done = subprocess.run([str(peers.BUILD / "holdfast"), "agent", "--backup", "127.0.0.1", "--user",
                               "example.org", "--secret-file", "/dev/null", "--domains", words],
                              capture_output=True, text=True, timeout=peers.DEADLINE)
        assert done.returncode == 2 and "--domains" in done.stderr


def test_many_domains(node, agent, recorder):
    """All that are its own, be they a hundred."""
    names = [f"d{count}.example" for count in range(100)]
    for name in names:
        node.add(name, "agent", login="example.org")
    server = recorder(address=PRIMARY)
    agent(server.endpoint, "--lines", "1")
    node.send(peers.message()[1], [f"user@{name}" for name in names])
    peers.wait_until(lambda: node.text().count(" delivered ") == len(names), peers.DEADLINE * 2, "all of them")


def test_domains_take_turns(node, agent, sink):
    """What comes for one is not kept waiting by much mail of another that has all the lines."""
    node.add("example.net", "agent", login="example.org")
    server = sink("--delay", "100", address=PRIMARY)
    for _ in range(300):
        node.send(peers.message()[1])
    agent(server.endpoint, "--lines", "1")
    peers.wait_until(lambda: server.count() > 0, what="the first")
    node.send(peers.message()[1], "user@example.net")
    peers.wait_until(lambda: node.held("example.net") == 0, what="the other domain's")
    assert node.held() > 100, "most of the first domain's wait"


@pytest.mark.plain
def test_an_agent_that_stops_reading(node, agent, sink, load):
    """It holds up nobody but itself, and costs a bounded amount of memory."""
    server = sink("--chunking", address=PRIMARY)
    node.cli("domain", "set", "example.org", "--set", "verify-recipients=no")
    beside = agent(server.endpoint)
    node.add("example.net", (other := sink(address="127.0.0.6")).endpoint)
    before = node.pss()
    beside.process.child.send_signal(signal.SIGSTOP)
    clients = load(node.endpoint)
    clients.run(count=60, sessions=6, size=1_000_000, size_max=1_000_000)
    node.send(peers.message()[1], "user@example.net")
    peers.wait_until(lambda: other.count() == 1, what="the other domain's mail")
    assert node.pss() - before < 64 << 20
    beside.process.child.send_signal(signal.SIGCONT)
    drained(node)
    peers.assert_each_once(clients.accepted(), server.messages())


def test_who_waits_is_asked_again_when_the_secret_changes(node, agent, recorder):
    """A line that waits is worth no more than the secret by which it was opened."""
    server = recorder(address=PRIMARY)
    beside = agent(server.endpoint)
    test_lines.secret_of(node)
    beside.wait_for("backup_refuses")
    node.send(peers.message()[1])
    peers.wait_until(lambda: node.held() == 1, what="the message")
    assert not server.taken


def test_an_old_login_gets_nothing(node):
    """Not on the connection that it was made on, either, be it turned round for a look or not yet."""
    secret = test_lines.secret_of(node)
    waiting, idle = (test_lines.Caller(node, "example.org", secret) for _ in range(2))
    waiting.put("ATRN example.org WAIT=old")
    peers.wait_until(lambda: "line_came" in node.text(), what="the line")
    test_lines.secret_of(node)
    if waiting.reply()[:3] in ("421", "451"):
        with contextlib.suppress(EOFError, OSError):
            assert waiting.reply().startswith("421 ")
    else:
        assert waiting.file.read() in (b"", b"QUIT\r\n"), "nothing for who is no longer the primary"
    with contextlib.suppress(EOFError, OSError):
        assert idle.reply().startswith("421 ")
    for caller in (waiting, idle):
        with pytest.raises((EOFError, OSError)):
            caller.say("ATRN example.org WAIT=old")


def test_what_changes_nothing_of_a_login_ends_none(node):
    """Neither a reload nor another setting; the secret does, and the setting login for who called."""
    secret = test_lines.secret_of(node)
    node.add("example.net", "agent", login="example.org")
    idle = test_lines.Caller(node, "example.org", secret)
    node.reload()
    node.cli("domain", "set", "example.org", "--set", "hold=4d")
    assert idle.say("NOOP").startswith("250 ")
    node.cli("domain", "set", "example.org", "--set", "client-pin=key:" + "00" * 32)
    with contextlib.suppress(EOFError, OSError):
        assert idle.reply().startswith("421 ")


def test_an_agent_that_waits_rests(node, agent, recorder):
    """Waiting costs no processor."""
    beside = agent(recorder(address=PRIMARY).endpoint)

    def ticks():
        fields = pathlib.Path(f"/proc/{beside.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    began, before = time.monotonic(), ticks()
    peers.wait_until(lambda: time.monotonic() - began > 17, what="longer than a connection may take")
    assert ticks() - before < 100


def test_a_server_that_only_hangs_up(node, agent, recorder):
    """Somebody accepts for it and closes: the backup is not called twenty times a second."""
    with socket.create_server((PRIMARY, 0)) as listener:
        def hang_up():
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()
        threading.Thread(target=hang_up, daemon=True).start()
        node.send(peers.message()[1])
        beside = agent(f"{PRIMARY}:{listener.getsockname()[1]}", start=False).start(waits=False)
        beside.wait_for("server_away")
        began, before = time.monotonic(), node.text().count(" login ")
        peers.wait_until(lambda: time.monotonic() - began > 5, what="five seconds")
        assert node.text().count(" login ") - before < 12
        listener.shutdown(socket.SHUT_RDWR)


class FalseBackup:
    """Logs in whoever calls, and turns him round at once; then `then(line)` is done to him."""

    def __init__(self, certificate, then):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.chain, certificate.key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.then, self.calls = then, 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                self.converse(self.listener.accept()[0])

    def converse(self, connection):
        with contextlib.suppress(OSError), self.context.wrap_socket(connection, server_side=True) as line, \
                line.makefile("rb") as said:
            self.calls += 1
            line.sendall(b"220 backup.example\r\n")
            for answer in (b"250-backup.example\r\n250-AUTH PLAIN\r\n250 ATRN WAIT\r\n", b"235 Welcome\r\n"):
                said.readline()
                line.sendall(answer)
            said.readline()
            self.then(line)

    def agent(self, authority, folder, server):
        """An agent with one line that calls it."""
        secret, log = folder / "secret", folder / "agent.log"
        secret.write_text("0" * 40)
        log.touch()
        return peers.Process([str(peers.BUILD / "holdfast"), "agent", "--backup",
                              f"localhost:{self.listener.getsockname()[1]}", "--tls-from-start",
                              "--ca", str(authority.file), "--user", "example.org", "--lines", "1",
                              "--secret-file", str(secret), "--server", "%s:%d" % server], log)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_a_backup_that_floods_it(tmp_path, authority):
    """While the local server does not let it in, the agent takes no more than a little."""
    most, sent, crowd, is_over = 128 << 20, [], [], threading.Event()

    with socket.create_server((PRIMARY, 0), backlog=0) as server:
        def flood(line):
            for _ in range(4):
                crowd.append(socket.socket())
                crowd[-1].setblocking(False)
                crowd[-1].connect_ex(server.getsockname())
            line.sendall(b"250 OK\r\n")
            line.settimeout(3)
            try:
                while len(sent) << 16 < most:
                    line.sendall(b"x" * (1 << 16))
                    sent.append(1)
            finally:
                is_over.set()
        backup = FalseBackup(authority.issue("localhost"), flood)
        process = backup.agent(authority, tmp_path, server.getsockname())
        try:
            assert is_over.wait(peers.DEADLINE)
            assert 0 < len(sent) << 16 < most // 4
        finally:
            process.stop()
            backup.close()
            for one in crowd:
                one.close()


def test_a_backup_that_only_hangs_up(tmp_path, authority, recorder):
    """It turns round whoever calls, and is gone: it is not called a hundred times a second."""
    server = recorder(address=PRIMARY)
    backup = FalseBackup(authority.issue("localhost"), lambda line: line.sendall(b"250 OK\r\n"))
    process = backup.agent(authority, tmp_path, (server.address, server.port))
    try:
        peers.wait_until(lambda: backup.calls > 0, what="a call")
        began = time.monotonic()
        peers.wait_until(lambda: time.monotonic() - began > 5, what="five seconds")
        assert backup.calls < 12
    finally:
        process.stop()
        backup.close()


def test_recipients_are_asked_for_over_the_line(node, agent, primary):
    """A primary that nobody can connect to is asked all the same whether it has a recipient."""
    node.cli("domain", "set", "example.org", "--set", "callout-limit=30s")
    server = primary("anna", address=PRIMARY)
    agent(server.endpoint)
    peers.wait_until(lambda: node.state_of() == "up", what="the line's proof")
    assert node.send(peers.message()[1], "anna@example.org") in (None, {})
    with pytest.raises(Exception, match="550"):
        node.send(peers.message()[1], "nobody@example.org")
    drained(node)


def test_the_local_server_sees_the_true_client(node, agent, postfix):
    """XCLIENT passes through to a Postfix that takes it from the agent."""
    server = postfix(address=PRIMARY, settings={"smtpd_authorized_xclient_hosts": "127.0.0.0/8"})
    server.start()
    node.cli("domain", "set", "example.org", "--set", "xclient=yes", "--set", "verify-recipients=no")
    agent(server.endpoint)
    for source in ("127.0.0.41", "127.0.0.42"):
        node.send(peers.message()[1], source=source)
    peers.wait_until(lambda: server.count() == 2, what="both")
    assert "client=unknown[127.0.0.41]" in server.log.read_text()
    assert "client=unknown[127.0.0.42]" in server.log.read_text()


def test_by_the_proxy_protocol(node, agent, postfix):
    """A server that wants PROXY headers: the connection is the client's, version 2."""
    server = postfix(address=PRIMARY, settings={"smtpd_upstream_proxy_protocol": "haproxy",
                                                "smtpd_peername_lookup": "no"})
    server.start()
    node.cli("domain", "set", "example.org", "--set", "xclient=yes", "--set", "verify-recipients=no")
    agent(server.endpoint, "--proxy")
    for source in ("127.0.0.41", "127.0.0.42", "127.0.0.41"):
        node.send(peers.message()[1], source=source)
    peers.wait_until(lambda: server.count() == 3, what="all three")
    text = server.log.read_text()
    assert "client=unknown[127.0.0.41]" in text and "client=unknown[127.0.0.42]" in text


def test_by_the_proxy_protocol_over_ipv6(node, agent, postfix):
    """The client has an address of another family than the server: it is the client's that is told, or the
    server would take it for the agent, and trust it."""
    server = postfix(address=PRIMARY, settings={"smtpd_upstream_proxy_protocol": "haproxy",
                                                "smtpd_peername_lookup": "no", "inet_protocols": "all"})
    server.start()
    own, inside = f'"{node.address}:{node.port}"', f'"[::1]:{peers.free_port("::1")}"'
    node.stop()
    node.config.write_text(node.config.read_text().replace(own, f"{own}, {inside}"))
    node.start()
    node.cli("domain", "set", "example.org", "--set", "xclient=yes", "--set", "verify-recipients=no")
    agent(server.endpoint, "--proxy")
    with smtplib.SMTP("::1", int(inside.rpartition(":")[2].strip('"'))) as client:
        client.sendmail("a@client.example", ["user@example.org"], "Subject: six\r\n\r\nHello\r\n")
    peers.wait_until(lambda: server.count() == 1, what="the message")
    assert "client=unknown[::1]" in server.log.read_text()


def test_by_lmtp(node, agent, postfix):
    """Dovecot alone, without a mail server: LMTP, one recipient a transaction, each with his answer."""
    dovecot = postfix(address=PRIMARY).dovecot
    dovecot.start()
    node.cli("domain", "set", "example.org", "--set", "verify-recipients=no")
    agent(f"{dovecot.address}:{dovecot.port}", "--lmtp")
    node.send(peers.message()[1], ["anna@example.org", "otto@example.org", "ida@example.org"])
    peers.wait_until(lambda: dovecot.count() == 3, what="all three")
    drained(node)
    assert {name for name, _ in dovecot.delivered()} == {f"{one}@example.org" for one in ("anna", "otto", "ida")}


def test_a_node_that_nobody_can_call(holdfast):
    """Who looks is told what is missing."""
    node = holdfast({"example.org": "agent"})
    peers.wait_until(lambda: node.state_of() != "up", what="the route")
    assert "neither listen atrn nor listen atrns" in node.cli("domain", "check", "example.org").stdout


class LmtpServer:
    """One that answers RCPT or the final dot as `says` has it, for each recipient."""

    def __init__(self):
        self.says, self.asked, self.taken = {}, [], []
        self.listener = socket.create_server((PRIMARY, 0))
        self.endpoint = f"{PRIMARY}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.converse, args=(self.listener.accept()[0],), daemon=True).start()

    def converse(self, connection):
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 lmtp.example LMTP\r\n")
            for line in lines:
                verb, reply = line[:4].upper(), b"250 2.0.0 OK"
                if verb == b"RCPT":
                    self.asked.append(line.partition(b"<")[2].partition(b"@")[0].decode())
                elif verb == b"DATA":
                    connection.sendall(b"354 Go on\r\n")
                    for _ in iter(lines.readline, b".\r\n"):
                        pass
                    reply = self.says.get(self.asked[-1], reply)
                    if reply.startswith(b"2"):
                        self.taken.append(self.asked[-1])
                connection.sendall(reply + b"\r\n")
                if verb == b"QUIT":
                    return


def test_a_full_mailbox_holds_up_nobody_else(node, agent):
    """Over LMTP each recipient has a transaction of his own: who is deferred is tried again when the
    others have had theirs, and not in front of them for ever."""
    server = LmtpServer()
    server.says = {"anna": b"452 4.2.2 Mailbox full", "ida": b"452 4.2.2 Mailbox full"}
    node.cli("domain", "set", "example.org", "--set", "verify-recipients=no")
    node.send(peers.message()[1], [f"{name}@example.org" for name in ("anna", "otto", "ida", "emil")])
    agent(server.endpoint, "--lmtp")
    peers.wait_until(lambda: len(server.taken) == 2 and len(server.asked) == 4, what="the two that have room")
    assert sorted(server.taken) == ["emil", "otto"]
    number = node.queue()[0]["id"]

    def shown():
        return node.ask("queue.show", id=number)["message"]
    peers.wait_until(lambda: shown()["routes"][0]["next_try"], what="the pause before they are tried again")
    assert [one["state"] for one in shown()["recipients"]] == ["held", "gone", "held", "gone"]
    assert shown()["routes"][0]["last_answer"] == "452 4.2.2 Mailbox full"
    assert len(server.asked) == 4, "each once"
    server.says.clear()
    peers.wait_until(lambda: node.cli("queue", "flush", "example.org") and node.held() == 0, what="an empty queue")
    assert sorted(server.taken) == ["anna", "emil", "ida", "otto"]


# ---- behind NAT ------------------------------------------------------------------------


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


class Home:
    """A network of its own behind a router that translates addresses: out it goes, in it does not."""

    WORLD, INSIDE = "10.213.77", "10.214.77"

    def __init__(self):
        if not peers.IS_ROOT:
            raise peers.Missing("networks of one's own need root")
        peers.program("nft")
        mark = os.getpid() % 100000
        self.router, self.home, self.world = f"hf-router-{mark}", f"hf-home-{mark}", f"hfw{mark}"
        if ip("netns", "add", self.router, check=False).returncode != 0:
            raise peers.Missing("this machine makes no network namespaces")
        ip("netns", "add", self.home)
        ip("link", "add", self.world, "type", "veth", "peer", "name", "out", "netns", self.router)
        ip("-n", self.router, "link", "add", "in", "type", "veth", "peer", "name", "out", "netns", self.home)
        ip("addr", "add", f"{self.WORLD}.1/24", "dev", self.world)
        ip("link", "set", self.world, "up")
        for where, device, address in ((self.router, "out", f"{self.WORLD}.2/24"),
                                       (self.router, "in", f"{self.INSIDE}.1/24"),
                                       (self.home, "out", f"{self.INSIDE}.2/24")):
            ip("-n", where, "addr", "add", address, "dev", device)
            ip("-n", where, "link", "set", device, "up")
            ip("-n", where, "link", "set", "lo", "up")
        ip("-n", self.home, "route", "add", "default", "via", f"{self.INSIDE}.1")
        self.at(self.router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.at(self.router, "nft", "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; };"
                " add rule ip nat out oifname out masquerade")

    @staticmethod
    def at(where, *words):
        subprocess.run(["ip", "netns", "exec", where, *words], check=True, capture_output=True)

    def cut(self):
        ip("-n", self.router, "link", "set", "out", "down")

    def join(self, address):
        """The line is back, at another address, as providers do."""
        ip("-n", self.router, "addr", "flush", "dev", "out")
        ip("-n", self.router, "addr", "add", f"{self.WORLD}.{address}/24", "dev", "out")
        ip("-n", self.router, "link", "set", "out", "up")

    def close(self):
        for word in (("netns", "del", self.home), ("netns", "del", self.router), ("link", "del", self.world)):
            ip(*word, check=False)


@pytest.fixture
def home():
    made = Home()
    yield made
    made.close()


@pytest.mark.plain
def test_behind_nat_and_after_an_hour_without_a_line(home, holdfast, authority, state, load):
    """Two seconds while all is well; an outage of an hour, and another address behind it: all of it, once."""
    port = peers.free_port("127.0.0.1")
    node = holdfast(address="127.0.0.1", speed=120, sections=test_tls.tls(authority.issue("mx2.example.net")) +
                    f'\nlisten atrn {{ address = {{"{home.WORLD}.1:{port}"}} }}')
    node.plain = port
    node.add("example.org", "agent", verify_recipients="no")
    server = peers.Sink(state / "sinks", address=PRIMARY, port=2525)
    server.log.touch()
    inside = ["ip", "netns", "exec", home.home]
    beside = Agent(state / "agent", node, test_lines.secret_of(node), server.endpoint)
    beside.command = [*inside, *beside.command]
    beside.command[beside.command.index("--backup") + 1] = f"{home.WORLD}.1:{port}"
    server.process = peers.Process([*inside, str(peers.TOOLS / "sink"), "--listen", server.endpoint, "--log",
                                    str(server.log)], server.log.with_suffix(".out"))
    try:
        beside.start()
        assert ip("route", "get", f"{home.INSIDE}.2", check=False).stdout.find(home.world) < 0, "no way in"
        for count in range(1, 4):
            node.send(peers.message()[1])
            began = time.monotonic()
            peers.wait_until(lambda count=count: server.count() == count, what="the message")
            assert time.monotonic() - began < 2 * peers.SLOWER
        home.cut()
        clients = load(node.endpoint)
        clients.run(count=100, sessions=2, per_session=10)
        peers.wait_until(lambda: node.state_of() == "down", 90, "the outage to be seen")
        began = time.monotonic()
        peers.wait_until(lambda: time.monotonic() - began > 30, 40, "an hour of the node's")
        home.join(7)
        peers.wait_until(lambda: node.held() == 0, 90, "an empty queue")
        peers.assert_each_once(clients.accepted(), server.messages())
        assert server.count() == 103
        assert "delivery_in_doubt" not in node.text()
    finally:
        beside.stop(signal.SIGKILL)
        server.stop()
        print(beside.text())
