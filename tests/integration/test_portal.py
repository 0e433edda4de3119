# SPDX-License-Identifier: ISC
"""Addresses are told over the web: dyndns2 and JSON, by real clients, and by hostile ones (SPEC D4)."""
import base64
import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

import api
import certificates
import peers
from test_address import SLOW, addresses, said

pytestmark = pytest.mark.hostile


@pytest.fixture
def authority(state):
    return certificates.Authority(state / "ca")


@pytest.fixture
def mine(authority):
    return authority.issue("mail.example.org")


class Portal:
    """A node with a portal, and example.org, whose primary is away and known by its key."""

    def __init__(self, holdfast, mine, sections="", local="yes", tls=None):
        self.port = peers.free_port()
        tls_part = "tls = yes" if tls else ""
        files = f'tls {{ certificate = {{"{tls.chain}"}} key = {{"{tls.key}"}} }}' if tls else ""
        self.node = holdfast(sections=f'listen portal {{ address = {{"127.0.0.1:{self.port}"}} {tls_part} }}\n'
                             f"web {{ local = {local} }}\n{files}\n{sections}",
                             defaults='tell-after = "0s"')
        self.primary_port = peers.free_port("127.0.0.5")
        self.node.add("example.org", f"127.0.0.5:{self.primary_port}",
                      tls_pin=f"key:{mine.key_digest()}", **SLOW)
        self.secret = self.node.json("domain", "secret", "example.org")["secret"]
        self.tls = tls
        self.context = None

    def connect(self, timeout=peers.DEADLINE):
        if self.context is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout,
                                               context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def login(self, user="example.org", secret=None):
        pair = base64.b64encode(f"{user}:{secret or self.secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def ask(self, method, path, body=None, headers=None, connection=None):
        """Status, header, body of the answer."""
        client = connection or self.connect()
        fields = self.login() if headers is None else headers
        if body is not None:
            fields = {"Content-Type": "application/json", **fields}
        client.request(method, path, json.dumps(body) if isinstance(body, dict) else body, fields)
        answer = client.getresponse()
        content = answer.read().decode()
        if answer.headers["Content-Type"] == "application/json":
            content = json.loads(content)
            API.check(method, path, answer.status, content)
        return answer.status, answer.headers, content

    def update(self, query, **options):
        status, _, text = self.ask("GET", f"/nic/update?{query}", **options)
        return status, text.splitlines()

    @contextlib.contextmanager
    def raw(self, source=None):
        with socket.create_connection(("127.0.0.1", self.port), peers.DEADLINE,
                                      source_address=(source, 0) if source else None) as connection:
            yield connection


ADDRESS = "/api/v1/domains/example.org/address"
API = api.Api()


def test_dyndns2(holdfast, recorder, mine):
    """A GET of a router moves the primary, and its mail follows within a second (P9)."""
    portal = Portal(holdfast, mine)
    node = portal.node
    for _ in range(3):
        node.send(peers.message()[1])
    there = recorder(address="127.0.0.6", port=portal.primary_port, certificate=mine)
    began = time.monotonic()
    assert portal.update("hostname=example.org&myip=127.0.0.6") == (200, ["good 127.0.0.6"])
    there.wait_for(3)
    assert time.monotonic() - began < 1.5 * peers.SLOWER
    assert portal.update("hostname=example.org&myip=127.0.0.6") == (200, ["nochg 127.0.0.6"])
    assert portal.update("hostname=example.org,example.net&myip=127.0.0.6") == \
        (200, ["nochg 127.0.0.6", "nohost"])
    assert portal.update("hostname=nowhere&myip=127.0.0.6") == (200, ["notfqdn"])
    assert portal.update("hostname=example.org&myip=0.0.0.0") == (200, ["dnserr"])
    status, fields, text = portal.ask("GET", "/nic/update?hostname=example.org", headers={})
    assert status == 401 and "Basic" in fields["WWW-Authenticate"] and text == "badauth\n"
    wrong = portal.login(secret="0" * 40)
    assert portal.update("hostname=example.org", headers=wrong) == (401, ["badauth"])
    assert "login_failed" in node.text() and portal.secret not in node.text()


def test_where_the_client_is(holdfast, mine):
    """Without an address, his own; behind a proxy on this machine, as the proxy has seen him."""
    portal = Portal(holdfast, mine)
    assert portal.update("hostname=example.org") == (200, ["good 127.0.0.1"])
    headers = {**portal.login(), "X-Forwarded-For": "198.51.100.1, 127.0.0.77"}
    assert portal.update("hostname=example.org", headers=headers) == (200, ["good 127.0.0.77"])
    headers = {**portal.login(), "Forwarded": 'for="[::1]:4711"'}
    assert portal.update("hostname=example.org", headers=headers) == (200, ["good ::1"])


def test_owners_tell_of_the_world_alone(holdfast, mine):
    """Unless the node says otherwise, nobody makes it knock at its own doors, or at its neighbours'."""
    portal = Portal(holdfast, mine, local="no", sections='addresses = {"203.0.113.5"}')
    for address in ("203.0.113.5", "198.18.0.1", "127.0.0.6", "10.0.0.1", "192.168.1.1", "169.254.169.254", "fd00::1", "::1",
                    "64:ff9b::7f00:1"):
        assert portal.update(f"hostname=example.org&myip={address}") == (200, ["dnserr"]), address
    status, _, body = portal.ask("PUT", ADDRESS, {"addresses": ["10.0.0.1"]})
    assert status == 422 and "private" in body["error"]["text"]
    assert addresses(portal.node) == []


def test_json(holdfast, recorder, mine):
    portal = Portal(holdfast, mine)
    node = portal.node
    node.send(peers.message()[1])
    assert portal.ask("GET", ADDRESS)[::2] == (200, {"domain": "example.org", "address": None})
    there = recorder(address="127.0.0.6", certificate=mine)
    status, _, body = portal.ask("PUT", ADDRESS, {"addresses": ["127.0.0.6"], "port": there.port})
    assert status == 202 and body["news"] and body["address"]["addresses"][0]["address"] == there.endpoint
    there.wait_for(1)
    peers.wait_until(lambda: portal.ask("GET", ADDRESS)[2]["address"]["used"] == [there.endpoint],
                     what="the address in use")
    status, _, body = portal.ask("PUT", ADDRESS, {"addresses": ["127.0.0.6"], "port": there.port})
    assert status == 200 and not body["news"]
    assert portal.ask("DELETE", ADDRESS)[::2] == (200, {"domain": "example.org", "address": None})
    assert portal.ask("DELETE", ADDRESS)[0] == 200
    assert portal.ask("GET", ADDRESS, headers={})[0] == 401
    assert portal.ask("GET", "/api/v1/domains/example.net/address")[0] == 403
    assert portal.ask("POST", ADDRESS, {})[1]["Allow"] == "GET, PUT, DELETE"
    node.cli("domain", "set", "example.org", "--set", "tls-pin=default")
    status, _, body = portal.ask("PUT", ADDRESS, {"addresses": ["127.0.0.6"]})
    assert status == 409 and body["error"]["code"] == "unprovable" and "tls-pin" in body["error"]["text"]


def test_one_connection_many_requests(holdfast, mine):
    portal = Portal(holdfast, mine)
    client = portal.connect()
    for _ in range(5):
        assert portal.ask("GET", ADDRESS, connection=client)[0] == 200
    pair = portal.login()["Authorization"]
    request = f"GET {ADDRESS} HTTP/1.1\r\nHost: x\r\nAuthorization: {pair}\r\n\r\n".encode()
    with portal.raw() as connection:
        connection.sendall(request * 3)
        connection.shutdown(socket.SHUT_WR)
        answers = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          timeout=60 * peers.SLOWER, **options)


def needs(program):
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if not found:
        pytest.skip(f"{program} is not installed")
    return found


def test_curl(holdfast, recorder, mine):
    portal = Portal(holdfast, mine)
    portal.node.send(peers.message()[1])
    there = recorder(address="127.0.0.6", certificate=mine)
    done = run(needs("curl"), "-sS", "-u", f"example.org:{portal.secret}", "-X", "PUT",
               "-H", "Content-Type: application/json",
               "-d", json.dumps({"addresses": ["127.0.0.6"], "port": there.port}),
               f"http://127.0.0.1:{portal.port}{ADDRESS}")
    assert json.loads(done.stdout)["news"], done
    there.wait_for(1)


def test_ddclient(holdfast, recorder, mine, state):
    """As it is installed on many a router's neighbour; through a proxy it would be the same."""
    program = needs("ddclient")
    portal = Portal(holdfast, mine)
    portal.node.send(peers.message()[1])
    there = recorder(address="127.0.0.6", port=portal.primary_port, certificate=mine)
    config = state / "ddclient.conf"
    config.write_text(f"daemon=0\nssl=no\nprotocol=dyndns2\nserver=127.0.0.1:{portal.port}\n"
                      f"use=ip\nip=127.0.0.6\nlogin=example.org\npassword={portal.secret}\nexample.org\n")
    config.chmod(0o600)
    done = run(program, "-file", config, "-cache", state / "ddclient.cache", "-pid", state / "ddclient.pid",
               "-daemon=0", "-noquiet", "-verbose", "-foreground")
    assert "good" in done.stdout + done.stderr, done
    there.wait_for(1)


def test_inadyn(holdfast, recorder, mine, authority, state):
    """Over TLS, and it checks whom it speaks with."""
    program = needs("inadyn")
    portal = Portal(holdfast, mine, tls=authority.issue("localhost"))
    portal.node.send(peers.message()[1])
    there = recorder(address="127.0.0.6", port=portal.primary_port, certificate=mine)
    config = state / "inadyn.conf"
    config.write_text(f'verify-address = false\nca-trust-file = "{authority.file}"\n'
                      'custom holdfast {\n  ssl = true\n'
                      f'  username = example.org\n  password = {portal.secret}\n'
                      f'  ddns-server = "localhost:{portal.port}"\n'
                      '  ddns-path = "/nic/update?hostname=%h&myip=%i"\n'
                      '  hostname = example.org\n  checkip-command = "/bin/echo 127.0.0.6"\n}\n')
    config.chmod(0o600)
    done = run(program, "--once", "--force", "-n", "-f", config, "--cache-dir", state, "-l", "debug",
               "--no-pidfile")
    assert done.returncode == 0, done
    there.wait_for(1)


def test_tls_and_another_certificate(holdfast, mine, authority):
    """A reload shows the new one to who comes; who is there stays."""
    first, second = authority.issue("localhost"), authority.issue("localhost")
    portal = Portal(holdfast, mine, tls=first)
    portal.context = ssl.create_default_context(cafile=authority.file)
    portal.context.check_hostname = False

    def shown():
        client = portal.connect()
        client.connect()
        return client, client.sock.getpeercert(binary_form=True)

    before, der = shown()
    assert portal.ask("GET", ADDRESS, connection=before)[0] == 200
    for name in ("chain", "key"):
        pathlib.Path(getattr(first, name)).write_bytes(pathlib.Path(getattr(second, name)).read_bytes())
    portal.node.reload()
    peers.wait_until(lambda: shown()[1] != der, what="the other certificate")
    assert portal.ask("GET", ADDRESS, connection=before)[0] == 200
    with portal.raw() as connection:  # without TLS nobody is heard
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"HTTP/" not in b"".join(iter(lambda: connection.recv(4096), b""))


def test_the_clear_is_for_this_machine_alone(holdfast, state):
    node = holdfast(start=False)
    node.write_config(sections='listen portal { address = {"0.0.0.0:8080"} }')
    done = node.cli("check-config", check=False)
    assert done.returncode != 0 and "tls = yes" in done.stderr + done.stdout
    node.write_config(sections='listen portal { address = {"0.0.0.0:8080"} tls = yes }')
    assert node.cli("check-config", check=False).returncode == 0


def test_no_portal_without_a_listener(holdfast, mine):
    node = holdfast()
    assert "portal-1" not in node.pids()
    portal = Portal(lambda **options: holdfast(name="other", **options), mine)
    assert "portal-1" in portal.node.pids()


def test_kills_in_between(holdfast, recorder, mine):
    """kill -9 of keeper and portal: what was answered "good" holds; who asks while nobody answers waits."""
    portal = Portal(holdfast, mine)
    node = portal.node
    node.send(peers.message()[1])
    there = recorder(start=False, address="127.0.0.6", port=portal.primary_port, certificate=mine)
    assert portal.update("hostname=example.org&myip=127.0.0.6") == (200, ["good 127.0.0.6"])
    node.crash_role("keeper-1")
    node.crash_role("portal-1")
    assert addresses(node)[0][0] == there.endpoint
    there.start()
    there.wait_for(1)
    peers.wait_until(lambda: portal.update("hostname=example.org&myip=127.0.0.6")[1] == ["nochg 127.0.0.6"],
                     what="an answer")


def test_wrong_secrets_are_bounded(holdfast, mine):
    """Some are logged; then who shows wrong ones is sent away, and who has the right one is not."""
    portal = Portal(holdfast, mine)
    wrong = portal.login(secret="0" * 40)
    with concurrent.futures.ThreadPoolExecutor(25) as crowd:
        answers = list(crowd.map(lambda _: portal.update("hostname=example.org", headers=wrong), range(25)))
    assert answers.count((401, ["badauth"])) == 20 and answers.count((200, ["abuse"])) == 5
    began = time.monotonic()
    assert portal.ask("GET", ADDRESS, headers=wrong)[1]["Connection"] == "close"
    assert time.monotonic() - began > 0.9
    assert portal.node.text().count("login_failed") == 20
    assert portal.ask("GET", ADDRESS, headers=wrong)[0] == 429
    assert portal.ask("GET", ADDRESS)[0] == 200


def test_a_flood_of_updates_is_bounded(holdfast, recorder, mine, authority):
    portal = Portal(holdfast, mine)
    stranger = recorder(address="127.0.0.6", port=portal.primary_port,
                        certificate=authority.issue("mail.example.org"))
    words = [portal.update(f"hostname=example.org&myip=127.0.0.{6 + i % 2}")[1][0].split()[0]
             for i in range(40)]
    assert words[:2] == ["good", "good"] and words[-1] == "abuse"
    assert words.count("abuse") == 10
    assert portal.ask("PUT", ADDRESS, {"addresses": ["127.0.0.6"]})[1]["Retry-After"]
    assert not said(stranger, "MAIL") and portal.node.state_of() == "down"


HOSTILE = {
    "nothing": b"",
    "no HTTP": b"EHLO client.example\r\n\r\n",
    "half a request": b"GET / HT",
    "a header without end": b"GET / HTTP/1.1\r\nX: " + b"x" * 20000,
    "too many fields": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    "a large body": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 60000,
    "two lengths": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000001fc0303") + b"\0" * 600,
    "octets": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_request(holdfast, mine, what):
    portal = Portal(holdfast, mine)
    with portal.raw() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(HOSTILE[what])
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.1 5")
    assert portal.ask("GET", ADDRESS)[0] == 200


def test_slow_ones_and_many(holdfast, mine):
    """A request a whole life long, an octet at a time, is cut off; and there is an end to how many may
    be there at once, after which the others are served again."""
    portal = Portal(holdfast, mine)
    ended = []

    def drip():
        with contextlib.suppress(OSError), portal.raw() as connection:
            began = time.monotonic()
            with contextlib.suppress(OSError):
                for octet in b"GET / HTTP/1.1\r\nX: " + b"x" * 500:
                    connection.sendall(bytes([octet]))
                    time.sleep(0.2)
            ended.append(time.monotonic() - began)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    crowd = []
    for _ in range(600):
        crowd.append(socket.create_connection(("127.0.0.1", portal.port), peers.DEADLINE))
    refused = 0
    for connection in crowd[550:]:
        connection.settimeout(peers.DEADLINE)
        with contextlib.suppress(ConnectionError):
            refused += connection.recv(1) == b""
    assert refused > 0
    for connection in crowd:
        connection.close()

    def is_served():
        with contextlib.suppress(ConnectionError):  # until the portal has seen that they are gone
            return portal.ask("GET", ADDRESS)[0] == 200
        return False

    peers.wait_until(is_served, what="an answer")
    thread.join(60 * peers.SLOWER)
    assert ended and ended[0] < 30 * peers.SLOWER
