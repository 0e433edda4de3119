# SPDX-License-Identifier: ISC
"""Each message once (SPEC R6, H1): by thousands, by megabytes, and while roles are killed."""
import contextlib
import os
import signal
import time

import pytest

import peers


def drain(node, primary, clients, seconds=300):
    accepted = {}
    for each in clients:
        accepted.update(each.accepted())
    peers.wait_until(lambda: len(primary.messages()) >= len(accepted) and node.held() == 0,
                     seconds, "the drain", every=0.3)
    return accepted


def test_thousands_of_small_ones(holdfast, sink, load, full):
    primary = sink("--chunking", start=False)
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    clients.run(count=full(20000, 2000), sessions=50, per_session=20, size=4096)
    assert node.held() == len(clients.accepted())
    primary.start()
    accepted = drain(node, primary, [clients])
    peers.assert_each_once(accepted, primary.messages())


def test_large_ones(holdfast, sink, load, full):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    clients.run(count=full(200, 10), sessions=4, size=5_000_000, size_max=40_000_000, give_up=120)
    primary.start()
    accepted = drain(node, primary, [clients], 600)
    peers.assert_each_once(accepted, primary.messages())


def test_a_clean_restart_keeps_the_queue(holdfast, sink, load):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    clients.run(count=300, sessions=10, per_session=10)
    assert node.stop() == 0
    node.start()
    assert node.held() == len(clients.accepted())
    primary.start()
    peers.assert_each_once(drain(node, primary, [clients]), primary.messages())


def test_a_crash_of_all_keeps_the_queue(holdfast, sink, load):
    """kill -9 of everything while mail comes in: what got its 250 is there."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    for count in (150, 300, 450):
        clients.start(count=100000, sessions=20, per_session=20, give_up=60)
        peers.wait_until(lambda count=count: len(clients.accepted()) >= count, what="some 250s")
        node.crash()
        clients.process.stop()
        node.start()
        clients.name += "x"  # names stay unique; the log is the same
    primary.start()
    peers.assert_each_once(drain(node, primary, [clients]), primary.messages())


def kill_and_wait(node, name):
    """kill -9 of one role; returns when its successor is there."""
    peers.wait_until(lambda: name in node.pids(), what=f"a running {name}")
    before = node.pids()[name]
    with contextlib.suppress(ProcessLookupError):
        os.kill(before, signal.SIGKILL)

    def succeeded():
        with contextlib.suppress(AssertionError, KeyError):
            return node.pids()[name] not in (0, before)  # 0: between two lives
        return False
    peers.wait_until(succeeded, what=f"the next {name}")


@pytest.mark.parametrize("kind", ["receiver", "keeper", "deliverer", "resolver"])
def test_killing_a_role_under_load_loses_nothing(holdfast, sink, load, kind):
    """Mail comes in and goes out meanwhile. A message may be delivered twice only where the
    deliverer or keeper died between the primary's 250 and our record of it (SPEC H1)."""
    primary = sink()
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    clients.start(count=4000, sessions=10, per_session=10, give_up=60)
    for round_number in range(3):
        target = (round_number + 1) * 400
        peers.wait_until(lambda target=target: len(clients.accepted()) >= target, 120, "load")
        name = f"{kind}-1"
        kill_and_wait(node, name)
    clients.wait()
    accepted = drain(node, primary, [clients])
    restarted = {role["name"].split("-")[0] for role in node.status()["roles"] if role["restarts"]}
    assert restarted == {kind}, "the others live on"
    arrived = primary.messages()
    if kind in ("keeper", "deliverer"):
        doubled = {name: copies for name, copies in arrived.items() if len(copies) > 1}
        assert len(doubled) <= 3 * 2 * 20 * 8  # kills × deliverers' sessions × window
        assert all(len(set(copies)) == 1 for copies in doubled.values())
        arrived = {name: copies[:1] for name, copies in arrived.items()}
    peers.assert_each_once(accepted, arrived)


def test_a_clean_shutdown_says_421_and_loses_nothing(holdfast, sink, load):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    with node.connect() as idle:
        idle.hello()
        clients.start(count=100000, sessions=10, per_session=100, give_up=60)
        peers.wait_until(lambda: len(clients.accepted()) > 200, what="load")
        began = time.monotonic()
        assert node.stop(seconds=20) == 0
        assert time.monotonic() - began < 15 * peers.SLOWER
        assert idle.reply()[0] == 421
        assert idle.is_closed()
    clients.process.stop()
    node.start()
    primary.start()
    peers.assert_each_once(drain(node, primary, [clients]), primary.messages())


def test_a_message_in_doubt_is_asked_about_not_lost(holdfast, sink, load):
    """The primary takes the content and is gone without a word: it is sent again."""
    primary = sink("--say", "dot=drop", "--times", "dot=2", start=False)
    node = holdfast({"example.org": primary.endpoint}, defaults='retry-first = "30s"')
    clients = load(node.endpoint)
    clients.run(count=5, sessions=1)
    primary.start()
    accepted = drain(node, primary, [clients], 120)
    peers.assert_each_once(accepted, primary.messages())  # a doubt is no 250
