# SPDX-License-Identifier: ISC
"""The holding time (SPEC H2, H3), in the real binary: its clock runs three hundred times faster."""
import pytest

import peers

SPEED = 300  # an hour in twelve seconds


@pytest.mark.plain
def test_what_waited_too_long_is_rescued_and_can_be_released(holdfast, sink):
    primary = sink(start=False)
    node = holdfast(speed=SPEED)
    node.add("example.org", primary.endpoint, hold="1h")
    name, data = peers.message()
    node.send(data, ["a@example.org", "b@example.org"])
    assert node.held() == 1

    peers.wait_until(lambda: node.held() == 0, 60, "the end of the holding time")
    rescued = node.json("queue", "list", "--state", "rescued")["messages"]
    assert [message["domain"] for message in rescued] == ["example.org"]
    assert primary.count() == 0
    shown = node.json("queue", "show", rescued[0]["id"])
    assert "Holding time is over" in str(shown)

    primary.start()
    node.cli("queue", "release", rescued[0]["id"])
    peers.wait_until(lambda: primary.count() == 1, 15, "the released message")
    assert [found.partition("@")[0] for found in primary.messages()] == [name]
    assert "a@example.org" in primary.rows("message")[0][5]
    assert "b@example.org" in primary.rows("message")[0][5]
    peers.wait_until(lambda: node.ask("queue.list", state="all")["messages"] == [],
                     what="an empty queue")
