# SPDX-License-Identifier: ISC
"""ledger.py: what was promised against what arrived.

A promise is a message that got its 250, for each domain it was addressed to. In the end every
promise is kept at that domain's primary, with the very body that was sent. A message may arrive
where nobody was promised anything (the client was gone before it heard our answer): that is no
fault. It may arrive twice only where somebody died between the primary's 250 and our record of it
(SPEC H1), and then our log says `delivery_in_doubt` for it; the next keeper's, if all died at once
(roles/keeper/under_way.h).

A power cut alone takes that list's last seconds with it. Such a copy is counted on its own
(`unseen`), and it must have been under way at a cut: from the primary's 250 to the cut there was no
keeper, or not for as long as it takes to note an answer.
"""
import dataclasses
import datetime
import json
import pathlib
import re

import peers

REPORTS = peers.TOP / "build" / "reports"
IN_SOCKET_S = 0.5 * peers.SLOWER  # the primary may read the last bytes after their sender's death
NOTING_S = 1.0 * peers.SLOWER  # from a primary's 250 to our record of it, while a keeper is there

# The second: what the primary answered could not be written down, the disk fails.
DOUBT = re.compile(r" (?:delivery_in_doubt|settle_failed) (?:.* )?id=(\S+)")
KEEPER = re.compile(r"^(\S+) \S+ \S+ (role_ready|role_ended) role=keeper", re.M)


@dataclasses.dataclass
class Arrival:
    digest: tuple  # (sha256, size) of the body
    at: float      # Unix time
    trace: str     # our id of it


class Ledger:
    def __init__(self):
        self.promised = {}  # (name, domain): (sha256, size)
        self.arrived = {}   # (name, domain): [Arrival]
        self.doubted = set()
        self.moments = []   # Unix times of power cuts
        self.keepers = []   # (from, to) in Unix time: a keeper was there

    def promises(self, clients, domains):
        """Each of the clients' messages has a recipient in each of the domains."""
        for name, want in clients.accepted().items():
            for domain in domains:
                self.promised[name, domain] = want

    def arrivals(self, sink, domain):
        for _, name, digest, size, _, recipients, at, trace in sink.rows("message"):
            assert all(each.endswith("@" + domain) for each in recipients.split(",")), recipients
            self.arrived.setdefault((name, domain), []).append(
                Arrival((digest, int(size)), int(at) / 1000, trace))

    def log(self, text):
        self.doubted.update(DOUBT.findall(text))
        events = [(datetime.datetime.fromisoformat(at).timestamp(), what)
                  for at, what in KEEPER.findall(text)]
        events += [(moment, "role_ended") for moment in self.moments]
        since = None
        for at, what in sorted(events):
            if what == "role_ready":
                since = at
            elif since is not None:
                self.keepers.append((since, at))
                since = None

    def lost(self):
        return [key for key in self.promised if key not in self.arrived]

    def damaged(self):
        """Arrived otherwise than it was sent. Of what nobody was promised the copies are equal."""
        return [key for key, copies in self.arrived.items()
                if {copy.digest for copy in copies} != {self.promised.get(key, copies[0].digest)}]

    def twice(self):
        return {key: copies for key, copies in self.arrived.items() if len(copies) > 1}

    def unlogged(self):
        return {key: copies for key, copies in self.twice().items()
                if not any(copy.trace in self.doubted for copy in copies)}

    def was_under_way(self, at, moment):
        kept = sum(max(0.0, min(moment, end) - max(at, begin)) for begin, end in self.keepers)
        return at <= moment + IN_SOCKET_S and kept < NOTING_S

    def was_unseen(self, copies):
        """Was each of them but the last under way at a power cut?"""
        return all(any(self.was_under_way(copy.at, moment) for moment in self.moments)
                   for copy in copies[:-1])

    def figures(self):
        twice, unlogged = self.twice(), self.unlogged()
        return {
            "acked": len({name for name, _ in self.promised}),
            "promises": len(self.promised),
            "delivered": len(self.arrived),
            "lost": len(self.lost()),
            "damaged": len(self.damaged()),
            "duplicates": sum(len(copies) - 1 for copies in twice.values()),
            "duplicated": len(twice),
            "duplicated_and_logged_in_doubt": len(twice) - len(unlogged),
            "duplicated_unseen": sum(self.was_unseen(copies) for copies in unlogged.values()),
        }

    def assert_kept(self):
        lost, damaged = self.lost(), self.damaged()
        assert not lost, f"{len(lost)} of {len(self.promised)} lost: {lost[:5]}"
        assert not damaged, f"{len(damaged)} damaged: {damaged[:5]}"
        silent = {key: copies for key, copies in self.unlogged().items()
                  if not self.was_unseen(copies)}
        assert not silent, f"{len(silent)} came twice without a word: {list(silent.items())[:3]}"


def report(name, figures):
    """On the screen, and in build/reports/ for whoever quotes it."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    pathlib.Path(REPORTS / f"crash-{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(f"\n{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))
