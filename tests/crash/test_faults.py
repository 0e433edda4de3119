# SPDX-License-Identifier: ISC
"""Faults of the machine while we work: a full disk, a failing disk, a clock that jumps.

Nothing acknowledged is lost, each has its name in the log and its reply, and what can go on goes on.
"""
import contextlib
import errno
import mmap
import os
import smtplib
import struct

import peers
import pytest
from campaign import NEVER, Campaign, end_tree, seeded
from ledger import report

MEGABYTE = 1 << 20
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Orders:
    """To bad_disk.c, preloaded into the node: its disk fails, its clock jumps."""

    LAYOUT = struct.Struct("<iiq")
    FAILED = struct.Struct("<I")
    SIZE = 24

    def __init__(self, node):
        path = node.state / "orders"
        path.write_bytes(bytes(self.SIZE))
        with path.open("r+b") as file:
            self.page = mmap.mmap(file.fileno(), self.SIZE)
        self.environment = {"LD_PRELOAD": str(peers.BUILD / "tests" / "crash" / "bad_disk.so"),
                            "BAD_DISK": str(path)}

    def give(self, write=0, sync=0, ahead_ms=0):
        self.LAYOUT.pack_into(self.page, 0, write, sync, ahead_ms)

    @property
    def failed(self):
        return self.FAILED.unpack_from(self.page, self.LAYOUT.size)[0]


@contextlib.contextmanager
def under_orders(node):
    """Supervisor and roles obey; the command line does not."""
    orders = Orders(node)
    start = node.start

    def start_with_orders(*words, **options):
        plain = node.env
        node.env = {**plain, **orders.environment}
        try:
            # Domains are added by the command line, once all is up.
            start(seconds=options.get("seconds", peers.DEADLINE))
        finally:
            node.env = plain
        for name, primaries in dict(*words).items():
            node.add(name, primaries)
        return node

    node.start = start_with_orders
    yield orders
    node.start = start


# ---- a full disk ----


def fill(folder):
    """Takes all room that is left; returns the file that holds it."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        while True:
            free = os.statvfs(folder)
            room = free.f_bavail * free.f_frsize
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, max(room, 4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC
                return filler


@pytest.mark.plain
def test_a_disk_that_gets_full_in_the_middle_of_a_message(holdfast, sink, load, disk):
    primary = sink("--chunking", start=False)
    node = holdfast(start=False, sections="store { free-min = 8MB }\n")
    disk(node, 600 * MEGABYTE)
    node.start({"example.org": primary.endpoint})
    first = load(node.endpoint, "first")
    first.run(count=100, sessions=5, per_session=20)

    spool = node.data / "spool"
    peers.wait_until(lambda: len([*spool.glob("*.seg")]) == 3 and not [*spool.glob("*.new")],
                     what="spare segments: their making must not give room back later")

    name, data = peers.message(body=b"A long story.\n" * 1_000_000)
    with node.connect() as client:
        client.hello()
        for line in ("MAIL FROM:<sender@client.example>", "RCPT TO:<user@example.org>"):
            assert client.ask(line)[0] == 250
        assert client.ask("DATA")[0] == 354
        half = len(data) * 3 // 4
        client.write(data[:half])
        filler = fill(node.data)
        client.write(data[half:])
        code, text = client.ask(".")
        assert (code, text[:5]) == (452, "4.3.1"), text

    # What has room already is used up; then nobody is promised anything.
    rest = load(node.endpoint, "rest")
    rest.start(count=NEVER, sessions=4, per_session=1000, size=900_000, refusals=10)
    rest.wait()
    assert {row[2] for row in rest.rows("refused")} == {"452"}
    assert "condition=full" in node.text()
    with pytest.raises(smtplib.SMTPSenderRefused) as refusal:
        node.send(peers.message()[1])
    assert refusal.value.smtp_code == 452

    promised = {**first.accepted(), **rest.accepted()}
    assert node.held() == len(promised)
    primary.start()
    node.cli("queue", "flush", "example.org")
    peers.wait_until(lambda: node.held() == 0, 120, "the drain of a full disk")
    peers.assert_each_once(promised, primary.messages())
    assert f"{name}@client.example" not in primary.messages()

    filler.unlink()
    name, data = peers.message()

    def is_taken():
        with contextlib.suppress(smtplib.SMTPException):
            node.send(data)
            return True
        return False

    peers.wait_until(is_taken, what="mail to be welcome again")
    peers.wait_until(lambda: f"{name}@client.example" in primary.messages(), what="its delivery")
    report("disk-full", {"promised": len(promised), "delivered": len(promised), "lost": 0})


# ---- a failing disk ----


@pytest.mark.plain
@pytest.mark.parametrize("what", ["write", "sync"])
@pytest.mark.parametrize("dies", [False, True], ids=["recovers", "and_dies"])
def test_a_disk_that_fails_for_a_while(holdfast, sink, load, what, dies):
    """451 while it fails; afterwards mail flows again. In the second case everything is killed
    while the disk fails, and starts on a good one."""
    seed, chance = seeded()
    node = holdfast(start=False)
    with under_orders(node) as orders:
        campaign = Campaign(node, sink, load, chance, clients=("small", "both"))
        campaign.start()
        campaign.wait_for_progress()
        orders.give(**{what: errno.EIO})
        clients = campaign.clients["small"]
        peers.wait_until(lambda: len(clients.rows("refused")) > 20, what="451s")
        assert orders.failed > 0
        for event in ("store_failed at=", "store_condition condition=failing",
                      "segment_abandoned segment="):
            peers.wait_until(lambda event=event: event in node.text(), what=event)
        if dies:
            end_tree(node)
            orders.give()
            node.start()
        else:
            orders.give()
            peers.wait_until(lambda: "store_recovered" in node.text(), what="store_recovered")
        campaign.wait_for_progress()
        end_tree(node)  # what is readable of the failed batch is not taken for mail, or not lost
        node.start()
        campaign.finish()
        codes = {row[2] for each in campaign.clients.values() for row in each.rows("refused")}
        figures = {"seed": seed, "failed_calls": orders.failed, "codes": sorted(codes),
                   **campaign.ledger.figures()}
        report(f"eio-{what}-{'dies' if dies else 'recovers'}", figures)
        campaign.ledger.assert_kept()
        # Whoever pipelines RCPT and DATA behind a MAIL that was refused makes errors, in the end too
        # many for one session.
        assert {"451"} <= codes <= {"451", "421"}


# ---- a clock that jumps ----


@pytest.mark.plain
@pytest.mark.parametrize("restart", [False, True], ids=["running", "between_two_runs"])
def test_a_clock_that_jumps(holdfast, sink, restart):
    """A day back, then ten days ahead of the truth, with mail that is held for five: none of it
    expires, and the queue keeps its order."""
    primary = sink("--chunking", start=False)
    node = holdfast(start=False)
    sent = []

    def jump(ahead_ms):
        if restart:
            node.stop()
        orders.give(ahead_ms=ahead_ms)
        if restart:
            node.start()

    def send():
        name, data = peers.message()
        node.send(data)
        sent.append((name, peers.digest_of(data)))
        queue = node.queue()
        assert len(queue) == len(sent), node.text()[-2000:]
        assert [message["id"] for message in queue[:-1]] == known, "a new one comes last"
        known.append(queue[-1]["id"])

    known = []
    with under_orders(node) as orders:
        node.start({"example.org": primary.endpoint})
        for ahead_ms in (0, -DAY_MS, 10 * DAY_MS, 0, 10 * DAY_MS):
            jump(ahead_ms)
            for _ in range(2):
                send()
        assert " expired " not in node.text()
        primary.start()
        node.cli("queue", "flush", "example.org")
        peers.wait_until(lambda: primary.count() == len(sent), what="the drain")
        arrived = {name.partition("@")[0]: copies for name, copies in primary.messages().items()}
        peers.assert_each_once(dict(sent), arrived)
