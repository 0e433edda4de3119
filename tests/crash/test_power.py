# SPDX-License-Identifier: ISC
"""The power goes, under load: what got its 250 is on the disk (store.h, promise 1).

Each cycle: the file system is shut down without flushing its journal, everything of ours is killed,
the journal is replayed, the file system is checked, and we start again. The clients and the
primaries are other machines: they live on, and their records too.

The negative control is the same with a library (no_sync.c) that swallows syncs. It must lose mail.
"""
import time

import peers
import pytest
from campaign import Campaign, end_tree, seeded
from ledger import report

GIGABYTE = 1 << 30
PAUSE_S = 0.8  # of load at most, before the next cut


class Cuts:
    """A campaign on a disk whose power goes."""

    def __init__(self, node, disk, campaign, chance):
        self.node, self.disk, self.campaign, self.chance = node, disk, campaign, chance
        self.count = 0

    def cut(self):
        """The moment at which it happens is the random one."""
        time.sleep(self.chance.uniform(0, PAUSE_S))
        self.disk.cut()
        end_tree(self.node)
        self.campaign.ledger.moments.append(time.time())
        self.disk.restore()
        self.count += 1

    def figures(self):
        return {"cuts": self.count, **self.campaign.ledger.figures()}


@pytest.mark.plain  # quick to start, and nothing but the disk in doubt
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("is_sealed", [False, True], ids=["open", "sealed"])
def test_power_cuts_lose_nothing(holdfast, sink, load, disk, full, keys, is_sealed):
    seed, chance = seeded()
    node = holdfast(start=False, top="deliverers = 2\n",
                    sections=peers.encryption(keys) if is_sealed else "")
    cuts = Cuts(node, disk(node, 3 * GIGABYTE), Campaign(node, sink, load, chance), chance)
    cuts.campaign.start()
    began = time.monotonic()
    for number in range(full(25, 2) if is_sealed else full(50, 3)):
        if chance.random() < 0.3:
            cuts.campaign.flap()
        cuts.campaign.wait_for_progress()
        cuts.cut()
        node.start()
    seconds = time.monotonic() - began
    cuts.campaign.finish()
    report("power-sealed" if is_sealed else "power", {"seed": seed, "seconds": round(seconds, 1), **cuts.figures()})
    cuts.campaign.ledger.assert_kept()


@pytest.mark.plain
def test_without_syncs_power_cuts_lose_mail(holdfast, sink, load, disk):
    """The control: with the same cuts, a node whose syncs do nothing loses what it acknowledged."""
    seed, chance = seeded()
    node = holdfast(start=False)
    # Nothing may reach the disk by chance: the journal is not committed by the clock either.
    cuts = Cuts(node, disk(node, 3 * GIGABYTE, options="data=ordered,commit=300"),
                Campaign(node, sink, load, chance, clients=("small",)), chance)
    cuts.campaign.start()
    for each in cuts.campaign.sinks.values():
        each.stop()  # all is held
    cuts.campaign.wait_for_progress()
    node.stop()
    honest = set(cuts.campaign.clients["small"].accepted())
    node.env["LD_PRELOAD"] = str(peers.BUILD / "tests" / "crash" / "no_sync.so")
    node.start()
    cuts.campaign.wait_for_progress()
    cuts.cut()
    del node.env["LD_PRELOAD"]
    node.start()
    cuts.campaign.finish()
    lost = {name for name, _ in cuts.campaign.ledger.lost()}
    figures = {"seed": seed, **cuts.figures()}
    report("power-control", figures)
    assert lost, "a disk that forgets went unnoticed"
    assert not lost & honest, "what was synced before is there"
