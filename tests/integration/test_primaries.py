# SPDX-License-Identifier: ISC
"""Primaries of every kind get all (SPEC P4, P10): few extensions, slow, few sessions, short ones."""
import pytest

import peers


@pytest.mark.parametrize("announce", [(), ("--chunking",), ("--without", "PIPELINING"),
                                      ("--delay", "20"), ("--per-session", "3"),
                                      ("--sessions", "2")])
def test_every_kind_of_primary_gets_all(holdfast, sink, load, full, announce):
    primary = sink(*announce, start=False)
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    clients.run(count=full(2000, 200), sessions=10, per_session=10)
    primary.start()
    peers.wait_until(lambda: primary.count() >= len(clients.accepted()), 120, "all messages")
    peers.wait_until(lambda: node.held() == 0, what="the queue to be empty")
    peers.assert_each_once(clients.accepted(), primary.messages())
