# SPDX-License-Identifier: ISC
"""Greylisting and rate limits are waited for, and no jail takes note of us (SPEC P12). The
primaries are Postfix, greylisting is postgrey, the jails are those that Debian's fail2ban brings."""
import re

import pytest

import peers

JAIL = 5  # failures within ten minutes


def hold(node, count):
    for number in range(count):
        node.send(peers.message()[1], f"user{number}@example.org")


def assert_free(primary):
    for mode in ("normal", "more"):
        assert peers.jailed(primary.log, mode) < JAIL, mode


@pytest.fixture
def postgrey(state):
    made = peers.Postgrey(state / "postgrey", 20).start()
    yield made
    made.stop()


def test_the_jail_would_see_us(holdfast, postfix):
    """The control: a primary that knows nobody, and whoever asks it for many."""
    primary = postfix(settings={"virtual_mailbox_maps": "", "smtpd_reject_unlisted_recipient":
                                "yes", "smtpd_recipient_restrictions":
                                "reject_unlisted_recipient"})
    primary.start()
    with peers.Raw(primary.address, primary.port) as client:
        client.hello()
        for number in range(6):
            client.ask("MAIL FROM:<a@client.example>")
            client.ask(f"RCPT TO:<nobody{number}@nowhere.example>")
            client.ask("RSET")
        client.ask("QUIT")
    peers.wait_until(lambda: primary.log.read_text().count("NOQUEUE: reject") >= 6, what="the log")
    assert peers.jailed(primary.log, "normal") >= JAIL


def test_an_outage_and_a_drain_put_nobody_in_jail(holdfast, postfix):
    """Ordinary mail, many probes before and after."""
    primary = postfix()
    node = holdfast({"example.org": primary.endpoint}, defaults='probe-interval = "1s"\n'
                    'probe-interval-up = "10s"')
    hold(node, 100)
    primary.start()
    peers.wait_until(lambda: primary.count() == 100, 60, "all messages")
    connects = primary.log.read_text().count(": connect from")
    peers.wait_until(lambda: primary.log.read_text().count(": connect from") > connects, 30,
                     "a probe while it is quiet")
    assert_free(primary)


def test_postgrey_is_waited_for(holdfast, postfix, postgrey):
    primary = postfix(settings={"smtpd_recipient_restrictions": postgrey.restriction})
    node = holdfast({"example.org": primary.endpoint}, defaults='retry-first = "30s"')
    hold(node, 40)
    primary.start()
    peers.wait_until(lambda: primary.count() == 40, 120, "all messages")
    log = primary.log.read_text()
    assert len(re.findall("NOQUEUE: reject: .*Greylisted", log)) <= 2 * 40
    assert node.state_of() == "up" and "half-up" not in node.text()
    assert int(node.domain()["rescued"]) == 0
    assert_free(primary)


def test_a_rate_limit_is_waited_for(holdfast, postfix):
    """Postfix counts by the minute; whoever goes on at once is told so for each message."""
    primary = postfix(settings={"smtpd_client_message_rate_limit": 20,
                                "smtpd_client_event_limit_exceptions": ""})
    node = holdfast({"example.org": primary.endpoint})
    hold(node, 35)
    primary.start()
    peers.wait_until(lambda: primary.count() == 35, 150, "all messages")
    complaints = node.text().count("Error: too much mail")
    assert 1 <= complaints <= 25  # what was under way when it said so first
    assert "half-up" not in node.text() and "breaker" not in node.text()
    assert_free(primary)


def test_a_limit_of_connections_is_waited_for(holdfast, postfix):
    primary = postfix(settings={"smtpd_client_connection_rate_limit": 3,
                                "smtpd_client_event_limit_exceptions": ""})
    node = holdfast({"example.org": primary.endpoint})
    hold(node, 200)
    primary.start()
    peers.wait_until(lambda: primary.count() == 200, 120, "all messages")
    assert_free(primary)


@pytest.mark.plain
def test_a_pause_before_the_greeting_is_waited_for(holdfast, primary):
    """Servers that make everybody wait, against spam: longer than a probe waits for one that may be dead."""
    there = primary("user", start=False)
    there.pause_s = 4  # 24 s by the node's clock
    node = holdfast({"example.org": there.endpoint}, speed=6)
    node.send(peers.message()[1])
    there.start()
    peers.wait_until(lambda: len(there.taken) == 1, 30, "the message")
    assert node.state_of() == "up"
