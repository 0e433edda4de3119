# SPDX-License-Identifier: ISC
"""holdfast agent: beside a primary that nobody can connect to (SPEC D3)."""
import contextlib
import pathlib
import signal
import subprocess
import time

import pytest

import certificates
import peers
import test_lines

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


@pytest.fixture
def node(holdfast):
    ports = peers.free_port("127.0.0.1"), peers.free_port("127.0.0.1")
    node = holdfast(sections=test_lines.LISTEN % ports)
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
    agent(server.endpoint)
    for count in range(1, 4):
        node.send(peers.message()[1])
        began = time.monotonic()
        server.wait_for(count)
        assert time.monotonic() - began < 2 * peers.SLOWER
    peers.wait_until(lambda: node.held() == 0, what="an empty queue")
    assert node.state_of() == "up"
