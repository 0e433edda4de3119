# SPDX-License-Identifier: ISC
"""What an operator does: check, reload, pause, flush, look (SPEC H2, H6, O2, X2)."""
import ctypes
import json
import os
import signal
import socket
import threading

import pytest

import peers

SYS_PIDFD_GETFD = 438
LEASH_FD = 3  # roles/leash.h


def test_the_sandbox_forbids_what_it_must(holdfast, sink):
    """Each role, in its own sandbox, tries what it may not: it must fail (SPEC X2)."""
    node = holdfast({"example.org": sink().endpoint})
    done = node.cli("check-sandbox", "--json", check=False, seconds=60)
    report = json.loads(done.stdout)
    roles = {role["role"]: role["checks"] for role in report["roles"]}
    assert {"receiver", "keeper", "deliverer", "resolver"} <= {name.split("-")[0] for name in roles}
    wrong = [(name, check["call"], check["expected"], check["result"])
             for name, checks in roles.items() for check in checks
             if check["result"] != check["expected"]]
    assert wrong == []
    for name, checks in roles.items():
        calls = {check["call"].split(" ")[0] for check in checks if check["expected"] == "denied"}
        assert {"open", "exec", "fork", "ptrace"} <= calls, name
    receiver = next(checks for name, checks in roles.items() if name.startswith("receiver"))
    keeper = next(checks for name, checks in roles.items() if name.startswith("keeper"))
    for checks in (receiver, keeper):
        assert "connect" in {check["call"] for check in checks if check["expected"] == "denied"}
    assert done.returncode == 0


@pytest.mark.skipif(not peers.IS_ROOT, reason="only root changes its user")
def test_roles_are_not_root(holdfast, sink):
    node = holdfast({"example.org": sink().endpoint})
    peers.wait_until(lambda: " ready hostname=" in node.text(), what="all roles")
    for name, pid in node.pids().items():
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        if name == "supervisor":
            continue
        assert "0" not in fields["Uid"].split("\t"), name
        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0, name
        assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", name


def test_pause_holds_and_resume_drains_at_once(holdfast, sink):
    primary = sink()
    node = holdfast({"example.org": primary.endpoint})
    peers.wait_until(lambda: node.state_of() == "up", what="its first look")
    node.cli("domain", "pause", "example.org")
    assert node.state_of() == "paused"
    before = primary.connections()
    for _ in range(3):
        node.send(peers.message()[1])
    assert node.held() == 3
    assert primary.connections() == before
    node.cli("domain", "resume", "example.org")
    peers.wait_until(lambda: primary.count() == 3, 5, "the drain")


def test_pause_survives_a_restart(holdfast, sink):
    primary = sink()
    node = holdfast({"example.org": primary.endpoint})
    node.cli("domain", "pause", "example.org", "--until", "2h")
    assert node.stop() == 0
    node.start()
    assert node.state_of() == "paused"
    node.send(peers.message()[1])
    assert node.held() == 1 and primary.count() == 0


def test_flush_wakes_the_drain_within_a_second(holdfast, sink):
    """SPEC P8, P9, with a probe interval that would take an hour."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, defaults='probe-interval = "1h"')
    node.send(peers.message()[1])
    peers.wait_until(lambda: node.state_of() != "up", 20, "the failure to be seen")
    primary.start()
    node.cli("queue", "flush", "example.org")
    peers.wait_until(lambda: primary.count() == 1, 2, "the message")


def test_reload_under_load_drops_no_session(holdfast, sink, load):
    """SPEC O2: SIGHUP. The old sessions go on, new ones see the new settings."""
    primary = sink()
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    with node.connect() as old:
        old.hello()
        clients.start(count=2000, sessions=10, per_session=20)
        for size in (2, 3, 4):
            node.write_config(smtp=f'message-size = "{size}MB"')
            node.reload()
        assert old.ask("NOOP")[0] == 250
        report = clients.wait()
        assert (report["ok"], report["lost"], report["refused"]) == (2000, 0, 0)
    with node.connect() as new:
        assert f"SIZE {4 * 1000 * 1000}" in new.hello() or f"SIZE {4 * 1024 * 1024}"
    peers.wait_until(lambda: primary.count() >= 2000, 60, "all mail")
    peers.assert_each_once(clients.accepted(), primary.messages())


def test_a_bad_configuration_changes_nothing_at_reload(holdfast, sink):
    node = holdfast({"example.org": sink().endpoint})
    pids = node.pids()
    good = node.config.read_text()
    node.config.write_text(good + "\nno such thing = 1\n")
    before = node.text().count("\n")
    os.kill(node.process.pid, signal.SIGHUP)
    peers.wait_until(lambda: node.text().count("\n") > before, what="a word about it")
    peers.wait_until(lambda: "reload_refused" in node.text(), what="the refusal")
    node.send(peers.message()[1])
    node.config.write_text(good)
    assert node.pids() == pids


@pytest.mark.parametrize("text, line, words", [
    ('data = "/var/lib/x"\nlisten smtp { address = {"127.0.0.1:25"} }\n', None, "hostname"),
    ('hostname = "not a name"\ndata = "/x"\nlisten smtp { address = {"127.0.0.1:25"} }\n', 1, ""),
    ('hostname = "a.example"\ndata = "relative"\nlisten smtp { address = {"127.0.0.1:25"} }\n', 2,
     "data"),
    ('hostname = "a.example"\ndata = "/x"\nlisten smtp { address = {"nonsense"} }\n', 3, ""),
    ('hostname = "a.example"\ndata = "/x"\nlisten smtp { address = {"127.0.0.1:25"} }\n'
     'smtp { sessions = many }\n', 4, "sessions"),
    ('hostname = "a.example"\ndata = "/x"\nlisten smtp { address = {"127.0.0.1:25"} }\n'
     'defaults { hold = "1s" }\n', 4, "hold"),
    ('hostname = "a.example"\ndata = "/x"\nlisten smtp {\n', None, ""),
])
def test_check_config_names_file_line_and_remedy(holdfast, state, text, line, words):
    node = holdfast(start=False)
    file = state / "bad.conf"
    file.write_text(text)
    done = node.cli("check-config", "--config", file, check=False)
    said = done.stderr + done.stdout
    assert done.returncode != 0
    assert str(file) in said and words in said, said
    if line is not None:
        assert f"{file}:{line}" in said, said


def test_check_config_likes_a_good_one(holdfast):
    node = holdfast(start=False)
    done = node.cli("check-config", "--config", node.config)
    assert done.returncode == 0


def test_domains_are_data(holdfast, sink):
    """Added, shown, changed, removed while it runs; kept over a restart."""
    primary = sink()
    node = holdfast({"example.org": primary.endpoint})
    node.add("Example.COM.", primary.endpoint, hold="3d")
    names = {domain["name"] for domain in listed(node)}
    assert names == {"example.org", "example.com"}
    assert node.cli("domain", "add", "no such name", check=False).returncode != 0
    assert node.cli("domain", "set", "example.com", "--set", "hold=91d", check=False).returncode != 0
    assert node.stop() == 0
    node.start()
    assert {domain["name"] for domain in listed(node)} == names
    node.cli("domain", "remove", "example.com")
    with node.connect() as client:
        client.hello()
        client.ask("MAIL FROM:<a@b.example>")
        assert client.ask("RCPT TO:<u@example.com>")[0] == 550
        assert client.ask("RCPT TO:<u@example.org>")[0] == 250


def listed(node):
    found = node.json("domain", "list")
    return found if isinstance(found, list) else found["domains"]


def test_a_session_hears_of_changed_domains_at_once(holdfast, sink):
    """What a receiver knows of a domain holds only until the domain changes (SPEC X1)."""
    node = holdfast({"example.org": sink().endpoint})
    with node.connect() as client:
        client.hello()
        for present in (True, True, False, False, True, True):
            if present != bool(node.json("domain", "list")["domains"]):
                words = ("add", "example.org", "--primary", "127.0.0.1:1") if present else \
                    ("remove", "example.org")
                node.cli("domain", *words)
            for name in ("one", "two"):
                client.ask("MAIL FROM:<sender@client.example>")
                code, _ = client.ask(f"RCPT TO:<{name}@example.org>")
                assert code == (250 if present else 550)
                client.ask("RSET")


def test_a_domain_with_mail_is_not_removed_by_mistake(holdfast, sink):
    node = holdfast({"example.org": sink(start=False).endpoint})
    node.send(peers.message()[1])
    done = node.cli("domain", "remove", "example.org", check=False)
    assert done.returncode != 0
    assert node.held() == 1


def test_the_queue_is_shown_exported_and_discarded(holdfast, sink):
    node = holdfast({"example.org": sink(start=False).endpoint})
    _, data = peers.message(body=b"look at me\n.\n")
    node.send(data, ["a@example.org", "b@example.org"], sender="me@client.example")
    row, = node.queue()
    assert row["domain"] == "example.org"
    shown = node.cli("queue", "show", row["id"]).stdout
    for word in ("me@client.example", "a@example.org", "b@example.org"):
        assert word in shown
    exported = node.cli("queue", "export", row["id"]).stdout.encode()
    assert peers.body_of(exported) == peers.body_of(data)
    node.cli("queue", "discard", row["id"])
    peers.wait_until(lambda: node.held() == 0, what="the discarded message to be gone")
    assert node.cli("queue", "show", "0" * 26, check=False).returncode != 0


def test_only_one_at_a_time(holdfast, sink, state):
    """A second node on the same data refuses to start, and the first goes on."""
    node = holdfast({"example.org": sink().endpoint})
    second = peers.Process([str(node.binary), "run", "--config", str(node.config)],
                           state / "second.log", env=node.env)
    peers.wait_until(lambda: not second.is_running(), what="the second one's end")
    assert second.child.returncode != 0
    node.send(peers.message()[1])


def test_a_receiver_that_stands_still_keeps_nobody_waiting(holdfast, sink):
    """Each receiver has a socket of its own, and looks after its neighbour's."""
    node = holdfast({"example.org": sink().endpoint}, top="receivers = 2\n")
    frozen = node.pids()["receiver-1"]
    os.kill(frozen, signal.SIGSTOP)
    try:
        clients = [node.connect(timeout=10) for _ in range(20)]
        for client in clients:
            client.hello()
    finally:
        os.kill(frozen, signal.SIGCONT)
    for client in clients:
        client.socket.close()


def let_go_of_leash(pid):
    """As if the role had done so itself: its end of the leash (leash.h) is taken over, and shut."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    leash = libc.syscall(SYS_PIDFD_GETFD, process, LEASH_FD, 0)
    os.close(process)
    assert leash >= 0, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=leash) as taken:
        taken.shutdown(socket.SHUT_RDWR)


@pytest.mark.plain
def test_who_lets_go_of_the_supervisor_is_ended(holdfast, sink):
    """A role that stands still, and has no leash any more: nobody will ever hear of it again."""
    node = holdfast({"example.org": sink().endpoint}, top="receivers = 2\n")
    stuck = node.pids()["receiver-1"]
    os.kill(stuck, signal.SIGSTOP)
    let_go_of_leash(stuck)
    peers.wait_until(lambda: node.pids().get("receiver-1") not in (None, stuck), what="another receiver")
    assert node.text().count("role_killed role=receiver index=1") == 1
    node.send(peers.message()[1])


@pytest.mark.plain
@pytest.mark.parametrize("name", ["keeper-1", "resolver-1", "deliverer-1", "receiver-1"])
def test_who_stands_still_is_started_again(holdfast, sink, name):
    """It lives, and does nothing: the supervisor asks, and does not wait for ever."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, top="watchdog = 3s\n")
    peers.wait_until(lambda: " ready hostname=" in node.text(), what="all of them")
    node.send(peers.message()[1])
    stuck = node.pids()[name]
    os.kill(stuck, signal.SIGSTOP)
    peers.wait_until(lambda: f"role_stuck role={name[:-2]} index=1 pid={stuck}" in node.text(), what="the alarm")
    peers.wait_until(node.greets, what="the greeting")
    primary.start()
    peers.wait_until(lambda: node.text().count("role_ready role=" + name[:-2]) == 2, what="the next one")
    node.cli("queue", "flush", "example.org")
    peers.wait_until(lambda: primary.count() == 1, what="the message")
    assert node.text().count("role_stuck") == 1


@pytest.mark.plain
def test_who_never_gets_ready_is_started_again(holdfast):
    node = holdfast(start=False, top="watchdog = 3s\ndeliverers = 16\n")  # there is time to catch one
    node.process = peers.Process([str(node.binary), "run", "--config", str(node.config)], node.log, env=node.env)
    peers.wait_until(lambda: "role_started role=deliverer index=16 " in node.text(), what="the last one", every=0.001)
    line = next(line for line in node.text().splitlines() if "role_started role=deliverer index=16 " in line)
    os.kill(int(line.split("pid=")[1]), signal.SIGSTOP)
    peers.wait_until(lambda: "role_stuck role=deliverer index=16 " in node.text(), what="the alarm")
    peers.wait_until(lambda: "role_ready role=deliverer index=16 " in node.text(), what="another one")
    peers.wait_until(lambda: " ready hostname=" in node.text(), what="all of them")


@pytest.mark.plain
def test_the_watchdog_waits_for_nobody_in_vain(holdfast, sink):
    """Where the clock runs a thousand times faster, nobody is taken for dead."""
    primary = sink()
    node = holdfast({"example.org": primary.endpoint}, speed=1000)
    for _ in range(50):
        node.send(peers.message()[1])
    peers.wait_until(lambda: primary.count() == 50, what="all of it")
    assert "role_stuck" not in node.text()


def test_an_address_is_not_shared_with_others(holdfast, sink):
    """Another node's listeners would get every other connection."""
    node = holdfast({"example.org": sink().endpoint})
    other = holdfast(start=False, name="other", port=node.port)
    second = peers.Process([str(other.binary), "run", "--config", str(other.config)],
                           other.state / "second.log", env=other.env)
    peers.wait_until(lambda: not second.is_running(), what="the second one's end")
    assert "cannot listen" in second.text()
    assert second.child.returncode != 0


@pytest.mark.plain
def test_an_address_that_will_be_free_in_a_moment(holdfast):
    """A receiver of a life that has ended by force may still have it."""
    node = holdfast(start=False)
    with socket.create_server((node.address, node.port)) as other:
        release = threading.Timer(1, other.close)
        release.start()
        node.start()
        release.join()
    assert "cannot listen" not in node.text()


def test_as_many_roles_as_may_be_asked_for(holdfast, sink):
    """Every limit on the way (slots, channels, children) holds what the configuration allows."""
    node = holdfast({"example.org": sink(start=False).endpoint},
                    top="receivers = 64\ndeliverers = 16")
    peers.wait_until(lambda: len(node.pids()) == 64 + 16 + 2, 30, "all roles")
    for _ in range(20):
        node.send(peers.message()[1])
    assert node.held() == 20
    assert "role_ended" not in node.text()
