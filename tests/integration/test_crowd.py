# SPDX-License-Identifier: ISC
"""Many, slow and rude clients: bounded memory, and service for the others."""
import contextlib
import socket
import ssl
import threading
import time

import pytest

import peers

pytestmark = pytest.mark.hostile


def crowd(node, count, networks=50):
    """Opens sessions from many client networks, each as far as it gets."""
    open_sockets = []
    for i in range(count):
        client = socket.socket()
        client.bind((f"127.1.{i % networks}.1", 0))
        client.settimeout(peers.DEADLINE)
        client.connect((node.address, node.port))
        open_sockets.append(client)
    return open_sockets


@pytest.mark.plain
def test_a_thousand_sessions_in_bounded_memory(holdfast, sink, load):
    """1,000 sessions stand idle in the middle of things; others are served; memory stays low."""
    node = holdfast({"example.org": sink().endpoint},
                    smtp="sessions = 1100 sessions-per-client = 100")
    before = node.pss()
    clients = crowd(node, 1000)
    try:
        for client in clients:
            assert client.recv(1000).startswith(b"220")
        for i, client in enumerate(clients):
            if i % 4 == 1:
                client.sendall(b"EHLO idle.example\r\n")
            elif i % 4 == 2:
                client.sendall(b"EHLO idle.example\r\nMAIL FROM:<a@b.example>\r\n")
            elif i % 4 == 3:
                client.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.org>\r\n"
                               b"DATA\r\nSubject: unfinished\r\n\r\n" + b"x" * 900 + b"\r\n")
        load(node.endpoint).run(count=200, sessions=5)
        growth = node.pss() - before
        assert growth < 1000 * 64 * 1024, f"{growth // 1000} kB for 1,000 sessions"
    finally:
        for client in clients:
            client.close()


@pytest.mark.plain
def test_sessions_over_tls_in_bounded_memory(holdfast, sink, load):
    """300 of them, in the middle of things."""
    node = holdfast({"example.org": sink().endpoint},
                    smtp="sessions = 400 sessions-per-client = 100")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.ExitStack() as stack:
        def secured(client):
            client.recv(1000)
            client.sendall(b"EHLO idle.example\r\n")
            client.recv(1000)
            client.sendall(b"STARTTLS\r\n")
            assert client.recv(1000).startswith(b"220")
            client = stack.enter_context(context.wrap_socket(client))
            client.sendall(b"EHLO idle.example\r\n")
            assert client.recv(1000).startswith(b"250")
            return client
        secured(crowd(node, 1)[0])  # what the first one brings along stays
        before = node.pss()
        for i, client in enumerate([secured(client) for client in crowd(node, 300)]):
            if i % 2 == 1:
                client.sendall(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n")
                client.sendall(b"Subject: unfinished\r\n\r\n" + b"x" * 900 + b"\r\n")
        load(node.endpoint).run(count=200, sessions=5)
        growth = node.pss() - before
        assert growth < 300 * 64 * 1024, f"{growth // 1000} kB for 300 sessions"
    print(f"{growth / 300 / 1024:.0f} KiB a session")


def test_too_many_sessions_get_421(holdfast, sink):
    node = holdfast({"example.org": sink().endpoint}, top="receivers = 1",
                    smtp="sessions = 20 sessions-per-client = 5")
    with contextlib.ExitStack() as stack:
        mine = [stack.enter_context(node.connect(source="127.2.0.1")) for _ in range(6)]
        codes = [client.reply()[0] for client in mine]
        assert codes.count(220) == 5 and codes.count(421) == 1
        other = stack.enter_context(node.connect(source="127.3.0.1"))
        assert other.reply()[0] == 220


def test_a_flood_from_one_network_leaves_room(holdfast, sink, load):
    node = holdfast({"example.org": sink().endpoint},
                    smtp="sessions = 100 sessions-per-client = 20")
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            with contextlib.suppress(OSError), node.connect(source="127.2.0.1") as client:
                client.say("EHLO flood", "NOOP", "NOOP")
                client.reply()
    threads = [threading.Thread(target=flood, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        report = load(node.endpoint).run(count=100, sessions=5, **{"from": "127.3.0.1"})
        assert report["ok"] == 100
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_who_talks_before_the_banner_is_sent_away(holdfast, sink):
    """RFC 5321 3.1: a client waits for the greeting. Either we never see it or we refuse it."""
    node = holdfast({"example.org": sink().endpoint})
    with node.connect() as client:
        client.write(b"EHLO early.example\r\nMAIL FROM:<a@b.example>\r\n"
                     b"RCPT TO:<u@example.org>\r\nDATA\r\nx\r\n.\r\n")
        codes = []
        with contextlib.suppress(ConnectionError):
            while True:
                code, _ = client.reply()
                codes.append(code)
                if code == 0:
                    break
    assert 354 not in codes
    assert node.held() == 0


def test_slow_clients_are_cut_off(holdfast, sink):
    """SPEC R8: a byte now and then does not keep a session for ever."""
    node = holdfast({"example.org": sink().endpoint},
                    smtp='command-timeout = "2s" session-timeout = "10s"')
    with node.connect() as silent, node.connect() as dripping:
        silent.hello()
        dripping.hello()
        began = time.monotonic()
        assert silent.reply()[0] == 421
        with contextlib.suppress(ConnectionError):
            dripping.socket.settimeout(0.5)
            while time.monotonic() - began < 30 * peers.SLOWER:
                dripping.write(b"N")  # a command that never ends
                with contextlib.suppress(socket.timeout):
                    if dripping.reply()[0] in (0, 421, 500):
                        break
        assert time.monotonic() - began < 30 * peers.SLOWER


def test_an_endless_command_line_is_bounded(holdfast, sink):
    node = holdfast({"example.org": sink().endpoint})
    with node.connect() as client:
        client.hello()
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                client.write(b"x" * 10000)
            client.say("")
            assert client.reply()[0] in (0, 421, 500)
    node.send(peers.message()[1])


def test_bad_commands_end_the_session(holdfast, sink):
    node = holdfast({"example.org": sink().endpoint}, smtp="errors = 5")
    with node.connect() as client:
        client.hello()
        codes = []
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                client.say("WHAT IS THIS")
                codes.append(client.reply()[0])
    assert codes[0] == 500
    assert 421 in codes or 0 in codes
    assert len([code for code in codes if code == 500]) <= 5


def test_a_reset_in_the_middle_leaves_nothing(holdfast, sink):
    node = holdfast({"example.org": sink(start=False).endpoint})
    for cut in ("EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<u@example.org>", "DATA"):
        with node.connect() as client:
            client.hello()
            for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<u@example.org>", "DATA"):
                client.ask(line)
                if line == cut:
                    break
            client.write(b"half a message\r\n")
    with node.connect() as client:
        assert client.hello()
    assert node.held() == 0
