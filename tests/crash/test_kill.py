# SPDX-License-Identifier: ISC
"""kill -9 at random moments, under load: what got its 250 arrives, whoever died (SPEC H1)."""
import collections
import time

import peers
import pytest
from campaign import Campaign, end, end_tree, roles_of, seeded
from ledger import report

VICTIMS = ("keeper", "receiver", "deliverer", "tree")
PAUSE_S = 0.25  # at most, before the next one


def choose(node, chance):
    """(who, pid): a random one of those that live just now."""
    alive = roles_of(node.process.pid)
    kinds = [kind for kind in VICTIMS if kind == "tree" or kind in alive.values()]
    kind = chance.choice(kinds)
    pid = node.process.pid
    if kind != "tree":
        pid = chance.choice(sorted(pid for pid, role in alive.items() if role == kind))
    return kind, pid


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("is_sealed", [False, True], ids=["open", "sealed"])
def test_kills_at_random_lose_nothing(holdfast, sink, load, full, keys, is_sealed):
    kills = full(250, 10) if is_sealed else full(500, 20)
    seed, chance = seeded()
    node = holdfast(start=False, top="receivers = 2\ndeliverers = 2\n",
                    sections=peers.encryption(keys) if is_sealed else "")
    campaign = Campaign(node, sink, load, chance)
    campaign.start()
    deaths = []
    began = time.monotonic()
    for number in range(kills):
        time.sleep(chance.uniform(0, PAUSE_S))  # the random moment itself, not a wait for anything
        if chance.random() < 0.15:
            campaign.flap()
        kind, pid = choose(node, chance)
        if kind == "tree":
            end_tree(node)
            node.start()
        else:
            end(pid)
        deaths.append(kind)
        if number % 5 == 4:
            campaign.wait_for_progress()
        if number % 25 == 24:
            campaign.wait_for_all_clients()
    seconds = time.monotonic() - began
    campaign.finish()
    drained = time.monotonic() - began - seconds
    killed = collections.Counter(deaths)
    figures = {"seed": seed, "kills": dict(killed), "seconds": round(seconds, 1),
               "drain_seconds": round(drained, 1),
               **campaign.ledger.figures()}
    report("kill-sealed" if is_sealed else "kill", figures)
    campaign.ledger.assert_kept()
    assert figures["acked"] > kills, "that was no load"
