# SPDX-License-Identifier: ISC
"""bench.py: holdfast beside others, on the same machine, in turns. See README.md.

    script/bench                    everything (hours)
    script/bench accept drain       these scenarios
    script/bench --quick accept     few messages, one run: to see that it works
    script/bench --only KEY=VALUE   only cells whose plan says so (sessions=50, many=True …)
    script/bench --report           tables and pictures of what was measured before

Runs go into bench/results/results.jsonl, a line each; --out chooses another folder.
"""
import argparse
import dataclasses
import json
import pathlib
import sys
import time

import meter
import report
import scenarios
import servers

HERE = pathlib.Path(__file__).resolve().parent
KB = 1024


@dataclasses.dataclass
class Plan:
    """What one run does. Not every scenario looks at all of it."""

    cell: str
    messages: int = 10_000
    size: int = 4096
    sessions: int = 50
    many: bool = True  # messages per connection: all, or one
    patience: float = 200
    fill_at_once: int = 10_000
    settings: dict = dataclasses.field(default_factory=dict)  # {server: its own words}
    primary: tuple = ()
    chunking: bool = True
    held: int = 0
    warm: bool = False
    outage_s: float = 600
    sender: str = "sender@client.example"
    servers: tuple = ("holdfast", "postfix", "opensmtpd", "exim")
    slow: dict = dataclasses.field(default_factory=dict)  # {server: messages}

    def messages_of(self, server):
        return self.slow.get(server.name, self.messages)


def size_text(size):
    return f"{size // (KB * KB)} MB" if size >= KB * KB else f"{size // KB} KB"


def accept_plans():
    for size, messages, slow in ((4 * KB, 40_000, 1_500), (50 * KB, 10_000, 1_000),
                                 (5 * KB * KB, 100, 40)):
        for many in (True, False):
            for sessions in (50, 10, 200):
                if size > 1e6 and sessions != 10:
                    continue
                small = {"postfix": slow, "opensmtpd": slow, "exim": max(slow // 8, 20)}
                yield Plan(f"{size_text(size)}, {sessions} connections, "
                           f"{'many' if many else 'one'} per connection",
                           messages=messages if many else messages // 2, size=size,
                           sessions=sessions, many=many, slow=small,
                           servers=("floor", "holdfast", "unchecked", "postfix", "opensmtpd",
                                    "exim"))


def secure_plans():
    """TLS 1.3, sessions resumed; one message a connection is where the handshakes are."""
    for many in (False, True):
        yield Plan(f"4 KB over TLS, 50 connections, {'many' if many else 'one'} per connection",
                   messages=10_000, many=many, slow={"postfix": 1_500},
                   servers=("holdfast", "postfix"))


def pass_plans():
    for many in (True, False):
        yield Plan(f"4 KB, 50 connections, {'many' if many else 'one'} per connection",
                   messages=20_000, many=many,
                   slow={"postfix": 2_000, "opensmtpd": 300, "exim": 300}, patience=60)


def drain_plans():
    yield Plan("50,000 of 4 KB", messages=50_000, 
               slow={"postfix": 5_000, "opensmtpd": 300, "exim": 300})


def distant_plans():
    for chunking in (True, False):
        yield Plan(f"50 ms, 5 sessions, {'CHUNKING and ' if chunking else ''}PIPELINING",
                   messages=3_000, chunking=chunking,
                   settings={"holdfast": ("sessions=5",),
                             "postfix": ("relay_destination_concurrency_limit=5",)},
                   servers=("holdfast", "postfix"), slow={"postfix": 1_000})


def limited_plans():
    yield Plan("5 sessions at the primary, defaults", messages=10_000, servers=("holdfast", "postfix"),
               slow={"postfix": 5_000})
    for fixed in (4, 5, 6):
        yield Plan(f"5 sessions at the primary, fixed at {fixed}", messages=10_000,
                   servers=("holdfast",),
                   settings={"holdfast": (f"sessions={fixed}", f"sessions-start={fixed}")})


def held_plans():
    for count in (0, 1_000_000):
        yield Plan(f"{count:,} held", messages=40_000, held=count, servers=("holdfast",))


def senders_plans():
    """Signed mail, with all checks and without; the DNS has everything."""
    for many in (True, False):
        yield Plan(f"signed 4 KB, 50 connections, {'many' if many else 'one'} per connection",
                   messages=20_000 if many else 10_000, many=many,
                   slow={"postfix": 1_500, "filtered": 1_500},
                   servers=("holdfast", "unchecked", "filtered", "postfix"))


def recipients_plans():
    asks = ("smtpd_recipient_restrictions=reject_unverified_recipient",)
    for warm in (False, True):
        yield Plan("known, the primary is down" if warm else "never seen, the primary is up",
                   messages=20_000 if warm else 5_000, warm=warm, size=1024,
                   servers=("holdfast", "unverified", "postfix"),
                   settings={"postfix": asks, "holdfast": ("probe-interval-up=10s", "verify-recipients=yes"),
                             "unverified": ("probe-interval-up=10s",)},
                   slow={"postfix": 2_000 if warm else 300})


def outage_plans():
    yield Plan("10 minutes, 100 held", messages=100, patience=1_300)


SCENARIOS = {
    "accept": (scenarios.accept, accept_plans), "pass": (scenarios.passing, pass_plans),
    "drain": (scenarios.drain, drain_plans), "distant": (scenarios.distant, distant_plans),
    "limited": (scenarios.limited, limited_plans), "held": (scenarios.held, held_plans),
    "secure": (scenarios.secure, secure_plans),
    "senders": (scenarios.senders, senders_plans),
    "recipients": (scenarios.recipients, recipients_plans),
    "written": (scenarios.written, drain_plans), "outage": (scenarios.outage, outage_plans),
}
RUNS = {"outage": 1, "held": 3}
HOLDFAST_ONLY = ("written",)


def scaled(plan, server, quick):
    messages = plan.messages_of(server)
    if quick:
        return dataclasses.replace(plan, messages=max(messages // 20, 20), held=plan.held // 100,
                                   outage_s=min(plan.outage_s, 10), patience=60)
    return dataclasses.replace(plan, messages=messages)


def one_run(scenario, plan, server, args):
    """Again, once, if the machine was busy with something else."""
    run = SCENARIOS[scenario][0]
    for attempt in (1, 2):
        try:
            figures = run(server, scaled(plan, server, args.quick))
        except (RuntimeError, TimeoutError) as error:
            return {"rate": 0, "error": str(error)}
        finally:
            server.stop()
        if figures.get("noise", 0) < args.noise or attempt == 2:
            return {**figures, "attempt": attempt}
    return None


def chosen(plan, only):
    return all(str(getattr(plan, key)) == value for key, value in only)


def measure(scenario, args, results):
    """True unless a run failed."""
    plans = [plan for plan in SCENARIOS[scenario][1]() if chosen(plan, args.only)]
    runs = 1 if args.quick else args.runs or RUNS.get(scenario, 5)
    made, is_well = {}, True
    wanted = [name for plan in plans for name in plan.servers
              if (not args.server or name in args.server)
              and (scenario not in HOLDFAST_ONLY or name == "holdfast")]
    port = servers.peers.free_port()
    try:
        for name in dict.fromkeys(wanted):
            made[name] = servers.ALL[name](port)
        for number in range(runs):
            for plan in plans:
                for name in plan.servers:
                    if name not in made:
                        continue
                    figures = one_run(scenario, plan, made[name], args)
                    is_well = is_well and "error" not in figures
                    line = {"scenario": scenario, "cell": plan.cell, "server": name, "run": number,
                            "at": time.strftime("%FT%TZ", time.gmtime()), **figures}
                    line = {key: round(value, 5) if isinstance(value, float) else value
                            for key, value in line.items()}
                    results.write(json.dumps(line) + "\n")
                    results.flush()
                    print(f"{scenario}: {plan.cell}: {name}: {line.get('rate', 0):,.0f}/s"
                          f"{' ' + line['error'] if 'error' in line else ''}", file=sys.stderr)
    finally:
        for server in made.values():
            server.close()
    return is_well


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--server", action="append")
    parser.add_argument("--only", action="append", default=[], type=lambda text: text.split("=", 1))
    parser.add_argument("--noise", type=float, default=0.15)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "results")
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    servers.WORK.mkdir(parents=True, exist_ok=True)
    file = args.out / "results.jsonl"
    failed = []
    if not args.report:
        with file.open("a") as results:
            failed = [scenario for scenario in args.scenario or SCENARIOS
                      if not measure(scenario, args, results)]
    runs = report.read(file)
    text = "\n".join([f"# Measured on {meter.machine()}", "",
                      *(f"- {name}: {kind.about}" for name, kind in servers.ALL.items()), "",
                      report.table(runs)])
    (args.out / "tables.md").write_text(text)
    report.plots(runs, args.out)
    print(text)
    if failed:
        raise SystemExit(f"bench: runs failed, with the reason above: {' '.join(failed)}")


if __name__ == "__main__":
    main()
