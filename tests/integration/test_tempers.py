# SPDX-License-Identifier: ISC
"""Primaries that defer, break off or drop (SPEC P4, P12) get all in the end, each message once."""
import pytest

import peers

pytestmark = pytest.mark.hostile


@pytest.mark.plain
@pytest.mark.parametrize("temper, times", [
    ("mail=451 4.7.1 Greylisted", "mail=1"), ("rcpt=450 4.2.1 Later", "rcpt=2"),
    ("dot=451 4.3.0 Later", "dot=2"), ("data=drop", "data=1"), ("content=drop", "content=1"),
    ("banner=421 4.3.2 Starting", "banner=2"), ("ehlo=drop", "ehlo=1"),
])
def test_a_moody_primary_gets_all_in_the_end(holdfast, sink, load, temper, times):
    """What is deferred or breaks off is tried again; nothing is lost, nothing comes twice."""
    primary = sink("--say", temper, "--times", times, start=False)
    node = holdfast({"example.org": primary.endpoint}, defaults='retry-first = "30s"', speed=6)
    clients = load(node.endpoint)
    clients.run(count=20, sessions=2)
    primary.start()
    peers.wait_until(lambda: primary.count() >= 20, 100, "all messages")
    peers.assert_each_once(clients.accepted(), primary.messages())


def test_one_that_is_always_answered_with_421_waits_alone(holdfast, sink):
    """It ends each session in which it comes; no other mail waits for it, and it is not tried without a pause."""
    primary = sink("--say", "dot=421 4.7.0 Not this one", "--from", "poison@*", start=False)
    node = holdfast({"example.org": primary.endpoint})
    for number in range(20):
        node.send(peers.message()[1], sender=f"{'poison' if number % 7 == 3 else 'x'}@client.example")
    primary.start()
    peers.wait_until(lambda: primary.count() == 17, 20, "all others")
    peers.wait_until(lambda: all(int(row["attempts"]) == 1 for row in node.queue()), 20,
                     "the three to wait for a time of their own")
    assert len(primary.rows("doubt")) <= 3 * 5


def test_a_reload_while_a_probe_waits_for_the_greeting(holdfast, primary):
    """It goes on with the name of the new configuration; the old one is gone."""
    there = primary("user", start=False)
    there.pause_s = 2
    node = holdfast({"example.org": there.endpoint})
    node.send(peers.message()[1])
    there.start()
    peers.wait_until(lambda: there.sockets, what="the probe")
    node.reload()
    peers.wait_until(lambda: len(there.taken) == 1, what="the message")
    assert any("EHLO mx2.example.net" in line for line in there.dialogues[-1])
