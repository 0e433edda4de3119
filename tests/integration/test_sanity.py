# SPDX-License-Identifier: ISC
"""A refusal is believed only of a primary that is sane (SPEC P3, P5)."""
import re

import pytest

import peers


def hold(node, count, domain="example.org", sender="sender@client.example"):
    for _ in range(count):
        node.send(peers.message()[1], f"user@{domain}", sender=sender)


# Pauses of minutes are waited for: the clock runs faster.
SPEED = 6


def trips(node, domain, state="tripped"):
    return len(re.findall(rf"breaker domain={domain} state={state}", node.text()))


@pytest.mark.plain
def test_550_to_everything_after_the_return_settles_nothing(holdfast, sink):
    """Two that lost their minds, with much mail and with little: nothing leaves the queue, the
    breaker is told, and when they are well again everything arrives by itself."""
    unknown = sink("--say", "rcpt=550 5.1.1 No such user", start=False)
    filtering = sink("--say", "dot=554 5.7.1 Spam", start=False)
    little = sink("--say", "rcpt=550 5.1.1 No such user", start=False)
    node = holdfast({"example.org": unknown.endpoint, "example.com": filtering.endpoint,
                     "example.net": little.endpoint},
                    # Else mail for who is not known would wait after four refusals.
                    defaults='retry-first = "30s" refusals = 0', speed=SPEED)
    hold(node, 40)
    hold(node, 40, "example.com")
    hold(node, 2, "example.net")
    for primary in (unknown, filtering, little):
        primary.start()
    for domain in ("example.org", "example.com"):
        peers.wait_until(lambda domain=domain: trips(node, domain), 30, "the breaker")
        assert node.domain(domain)["route"]["breaker_tripped"] is not None
    assert len(filtering.rows("doubt")) == 5
    # It goes on for longer than the first pause: a canary is tried, and refused.
    peers.wait_until(lambda: len(filtering.rows("doubt")) == 6, 45, "the first canary")
    for domain, count in (("example.org", 40), ("example.com", 40), ("example.net", 2)):
        assert node.held(domain) == count
        assert int(node.domain(domain)["rescued"]) == 0

    for primary in (unknown, filtering, little):
        primary.stop()
        primary.start("--without", "SIZE")
    for domain, primary, count in (("example.org", unknown, 40), ("example.com", filtering, 40),
                                   ("example.net", little, 2)):
        peers.wait_until(lambda domain=domain: node.held(domain) == 0, 120, "the drain")
        assert primary.count() == count
        assert int(node.domain(domain)["rescued"]) == 0
        assert trips(node, domain) == trips(node, domain, "closed")
    assert "refusal_believed" not in node.text()


def test_one_refused_among_many_is_rescued_soon(holdfast, sink):
    """554 for spam at the final dot, from a primary that takes the rest."""
    primary = sink("--say", "dot=554 5.7.1 Spam", "--from", "spammer@*", start=False)
    node = holdfast({"example.org": primary.endpoint})
    hold(node, 5)
    hold(node, 1, sender="spammer@client.example")
    hold(node, 30)
    primary.start()
    peers.wait_until(lambda: node.held() == 0, 20, "a verdict on each of them")
    assert primary.count() == 35
    assert len(primary.rows("doubt")) in (1, 2)
    entry, = node.json("queue", "list", "--state", "rescued")["messages"]
    assert "Spam" in str(node.json("queue", "show", entry["id"]))
    assert trips(node, "example.org") == 0


@pytest.mark.plain
def test_who_refuses_us_at_the_door_is_blocked_and_gets_all_later(holdfast, sink):
    primary = sink("--say", "banner=554 5.7.1 You are on a list", "--times", "banner=2",
                   start=False)
    node = holdfast({"example.org": primary.endpoint}, speed=SPEED)
    hold(node, 3)
    primary.start()
    peers.wait_until(lambda: node.state_of() == "blocked", 20, "the state")
    assert "You are on a list" in str(node.domain()["reason"])
    hold(node, 3)  # mail is taken in all the while
    assert node.held() == 6
    assert re.search(r" warn route_state .*to=blocked reason=.*on a list", node.text())
    assert "blocked" in node.cli("status").stdout
    peers.wait_until(lambda: primary.count() == 6, 90, "all of it")
    assert node.state_of() == "up"


@pytest.mark.plain
@pytest.mark.parametrize("temper", ["mail=451 4.3.2 Busy", "banner=450 4.3.2 Busy"])
def test_who_answers_and_defers_everything_is_half_up(holdfast, sink, temper):
    point = temper.split("=")[0]
    primary = sink("--say", temper, "--times", f"{point}={21 if point == 'mail' else 4}",
                   start=False)
    node = holdfast({"example.org": primary.endpoint}, defaults='retry-first = "30s"', speed=SPEED)
    hold(node, 30)
    primary.start()
    peers.wait_until(lambda: node.state_of() == "half-up", 40, "the state")
    peers.wait_until(lambda: node.held() == 0, 90, "all of it")
    assert primary.count() == 30
    assert node.state_of() == "up"
