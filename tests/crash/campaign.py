# SPDX-License-Identifier: ISC
"""campaign.py: a node among primaries that come and go, under load that does not end.

Three domains with a primary each. Three groups of clients: small mail for one domain; small mail
for two domains at once (one message, two entries); large mail, above the size from which a content
gets a file of its own.
"""
import contextlib
import os
import pathlib
import random
import signal
import time

import peers
from ledger import Ledger

DOMAINS = ("one.example", "two.example", "three.example")
CLIENTS = {
    "small": {"domains": DOMAINS[:1], "sessions": 10, "per_session": 50, "pause": 40,
              "size": 1_000, "size_max": 100_000},
    "both": {"domains": DOMAINS[1:], "sessions": 10, "per_session": 50, "pause": 40,
             "size": 1_000, "size_max": 100_000},
    "large": {"domains": DOMAINS[:1], "sessions": 1, "per_session": 3, "pause": 1000,
              "size": 8_500_000, "size_max": 12_000_000},
}
NEVER = 10 ** 9


def seeded():
    """Chance that can be had again: HOLDFAST_SEED."""
    seed = int(os.environ.get("HOLDFAST_SEED", random.randrange(10 ** 6)))
    print(f"HOLDFAST_SEED={seed}")
    return seed, random.Random(seed)


def roles_of(supervisor):
    """{pid: role} of the supervisor's children that have become what they are to be."""
    found = {}
    with contextlib.suppress(OSError):
        children = pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
        for pid in map(int, children.split()):
            with contextlib.suppress(OSError):
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if len(words) > 3 and words[1] == b"role":
                    found[pid] = words[2].decode()
    return found


def end(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end_tree(node):
    """kill -9 of the supervisor and all of its roles; returns when they are gone."""
    supervisor = node.process.pid
    os.kill(supervisor, signal.SIGSTOP)  # it starts nobody meanwhile
    roles = roles_of(supervisor)
    for pid in [supervisor, *roles]:
        end(pid)
    node.process.child.wait(peers.DEADLINE)
    node.process.stop()  # closes the log
    node.process = None
    for pid in roles:
        peers.wait_until(lambda pid=pid: peers.has_ended(pid), what="the roles' end", every=0.005)


class Campaign:
    def __init__(self, node, sink, load, chance, clients=("small", "both", "large")):
        self.node, self.chance = node, chance
        self.sinks = {domain: sink("--chunking", start=False) for domain in DOMAINS}
        self.clients = {name: load(node.endpoint, name) for name in clients}
        self.ledger = Ledger()

    def start(self):
        for sink in self.sinks.values():
            sink.start()
        self.node.start({domain: sink.endpoint for domain, sink in self.sinks.items()})
        for name, clients in self.clients.items():
            options = dict(CLIENTS[name])
            domains = options.pop("domains")
            clients.start(count=NEVER, give_up=120 * peers.SLOWER,
                          recipient=[f"user@{domain}" for domain in domains], **options)

    def flap(self):
        """One primary goes, or comes back."""
        domain = self.chance.choice(DOMAINS)
        sink = self.sinks[domain]
        if sink.process is None:
            sink.start()
            self.ask_for(domain)
        else:
            sink.stop()

    def ask_for(self, domain):
        """Somebody tells the node that the primary is back; it may be too dead to hear it."""
        self.node.cli("queue", "flush", domain, check=False)

    def progress(self):
        """Bytes of records of 250s and of deliveries: grows while all goes well."""
        return (sum(clients.log.stat().st_size for clients in self.clients.values()
                    if clients.log.exists()),
                sum(sink.log.stat().st_size for sink in self.sinks.values()))

    def wait_for_progress(self):
        """Mail comes in; and goes out, where a primary is there."""
        accepted, delivered = self.progress()
        peers.wait_until(lambda: self.progress()[0] > accepted, what="mail to come in")
        if all(sink.process is None for sink in self.sinks.values()):
            return
        for domain, sink in self.sinks.items():
            if sink.process is not None:
                self.ask_for(domain)
        peers.wait_until(lambda: self.progress()[1] > delivered, what="mail to go out")

    def wait_for_all_clients(self):
        """A 250 for each group. Large mail needs more time than there is between two kills."""
        before = {name: len(clients.accepted()) for name, clients in self.clients.items()}
        for name, clients in self.clients.items():
            peers.wait_until(lambda clients=clients, name=name: len(clients.accepted()) > before[name], 60,
                             f"a 250 for {name}", every=0.2)

    def finish(self, seconds=300):
        """The load ends, the primaries are there, all is handed over; the ledger is filled."""
        for clients in self.clients.values():
            assert clients.process.is_running(), f"{clients.name}: no 250 for too long"
            clients.process.stop()
        for sink in self.sinks.values():
            if sink.process is None:
                sink.start()
        asked = 0

        def is_drained():
            nonlocal asked
            with contextlib.suppress(AssertionError):  # the keeper may just be coming back
                held = {domain: self.node.held(domain) for domain in DOMAINS}
                if time.monotonic() - asked > 1:
                    asked = time.monotonic()
                    for domain, count in held.items():
                        if count > 0:
                            self.ask_for(domain)
                return not any(held.values())
            return False

        peers.wait_until(is_drained, seconds, "the drain", every=0.1)
        for name, clients in self.clients.items():
            self.ledger.promises(clients, CLIENTS[name]["domains"])
        for domain, sink in self.sinks.items():
            self.ledger.arrivals(sink, domain)
        self.ledger.log(self.node.text())
