# SPDX-License-Identifier: ISC
"""scenarios.py: one run each: a fresh server, a load, what it cost.

Each function gets a server and a plan (messages, octets, connections …) and returns figures. Every
message that was acknowledged is looked for at the primary where one is there: a run in which one is
missing, damaged or doubled has failed.
"""
import base64
import contextlib
import json
import os
import pathlib
import re
import subprocess
import time

import meter
import servers
from servers import peers

RECORDS = pathlib.Path("/dev/shm")  # what load and sink write down costs no disk


class Load:
    """tests/peers/load.c in a group of its own."""

    count = 0

    def __init__(self, group):
        self.group = group
        self.logs = []

    def start(self, to, messages, size, sessions, many, recipient="user%lu@example.org", options=()):
        Load.count += 1
        name = f"load{os.getpid()}x{Load.count}"
        log = RECORDS / f"holdfast-bench-{name}.log"
        log.unlink(missing_ok=True)
        self.logs.append(log)
        command = [peers.TOOLS / "load", "--to", to, "--log", log, "--prefix", name, "--count",
                   str(messages), "--size", str(size), "--sessions", str(sessions), "--per-session",
                   "1000000000" if many else "1", "--recipient", recipient, "--same-body",
                   "--lockstep", "--give-up", "120", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=self.group.enter)
        return self

    def wait(self):
        output = self.process.communicate()[0]
        report = json.loads(output.splitlines()[-1])
        if self.process.returncode != 0:
            raise RuntimeError(f"the load gave up: {report}")
        return report

    def promised(self):
        """{id: (hash, size)} of what was answered with 250, by all loads of this run."""
        found = {}
        for log in self.logs:
            for line in log.read_text().splitlines():
                if line.startswith("ok "):
                    _, name, digest, size = line.split()
                    found[name] = (digest, size)
        return found

    def forget(self):
        for log in self.logs:
            log.unlink(missing_ok=True)


class Primary:
    """tests/peers/sink.c: the primary that comes back."""

    def __init__(self, group, port, *options):
        self.group, self.port, self.options = group, port, options
        self.log = RECORDS / f"holdfast-bench-sink-{port}.log"
        self.process = None

    def start(self):
        self.log.unlink(missing_ok=True)
        command = [peers.TOOLS / "sink", "--listen", f"127.0.0.1:{self.port}", "--log", self.log,
                   "--crc", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=self.group.enter)
        self.process.stdout.readline()
        self.began = time.time()
        return self

    def lines(self):
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def wait_for(self, count, patience):
        """Until it has `count` messages. Connections stand in its log too, so whole lines are looked
        at only once there are enough."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if self.lines() >= count and self.log.read_bytes().count(b"message ") >= count:
                return True
            time.sleep(0.05)
        return False

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def rows(self, *words):
        return [line.split(" ") for line in self.log.read_text().splitlines()
                if line.split(" ", 1)[0] in words]

    def judge(self, promised):
        """What became of each, and when the first and the last came."""
        arrived, times = {}, []
        for _, name, digest, size, _, _, at, *_ in self.rows("message"):
            arrived.setdefault(name, []).append((digest, size))
            times.append(int(at) / 1000)
        missing = sum(name not in arrived for name in promised)
        damaged = sum(want not in arrived.get(name, [want]) for name, want in promised.items())
        doubled = sum(len(copies) - 1 for copies in arrived.values())
        open_now = [int(row[1]) for row in self.rows("connect")]
        figures = {"arrived": len(arrived), "missing": missing, "damaged": damaged,
                   "doubled": doubled, "connections": len(open_now),
                   "at_once": max(open_now, default=0), "turned_away": len(self.rows("refused"))}
        if times:
            span = max(max(times) - min(times), 0.001)
            figures |= {"first_s": min(times) - self.began, "last_s": max(times) - self.began,
                        "rate": (len(times) - 1) / span if len(times) > 1 else 0}
        return figures


@contextlib.contextmanager
def load_of():
    group = meter.Group("load")
    load = Load(group)
    try:
        yield load
    finally:
        load.forget()
        group.remove()


def costs(spent, count):
    return {"cpu_ms": spent["cpu_s"] * 1000 / count, "load_cpu_ms": spent["load_cpu_s"] * 1000 / count,
            "noise": spent["noise"]}


def accept(server, plan):
    """The primary is down: durable acceptance."""
    with load_of() as load:
        server.fresh()
        counter = meter.Meter(servers.WORK, server.group, load.group)
        report = load.start(server.endpoint, plan.messages, plan.size, plan.sessions,
                            plan.many).wait()
        spent = counter.since()
        server.rest()
        disk = counter.disk_since()
    return {"rate": report["ok"] / report["seconds"], **costs(spent, plan.messages),
            **{f"answer_{name}_ms": value for name, value in report["answer_ms"].items()},
            "disk": disk / plan.messages}


def secure(server, plan):
    """As accept(), over TLS, each connection going on with the session of the one before."""
    server.certificate = servers.make_certificate(servers.WORK / "certificate.pem")
    try:
        with load_of() as load:
            server.fresh()
            counter = meter.Meter(servers.WORK, server.group, load.group)
            report = load.start(server.endpoint, plan.messages, plan.size, plan.sessions, plan.many,
                                options=["--tls"]).wait()
            spent = counter.since()
    finally:
        server.certificate = None
    # The first connection of each client has nothing to go on with.
    if not plan.many and report["resumed"] < 0.9 * (report["connections"] - plan.sessions):
        raise RuntimeError(f"{server.name} let too few sessions be resumed: {report}")
    return {"rate": report["ok"] / report["seconds"], **costs(spent, plan.messages),
            "resumed": report["resumed"] / report["connections"],
            **{f"answer_{name}_ms": value for name, value in report["answer_ms"].items()}}


class SignedMail:
    """A body, a signature for it, and a name server that knows the key."""

    def __init__(self, folder, size):
        import dkim  # noqa: PLC0415 (python3-dkim; nothing else here needs it)
        folder.mkdir(parents=True, exist_ok=True)
        self.body, self.head = folder / "body", folder / "head"
        key = folder / "key.pem"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-outform", "DER"],
                                check=True, capture_output=True).stdout
        body = b"A line of text, as there are many in a letter of this length.\r\n" * (size // 63)
        self.body.write_bytes(body)
        self.head.write_bytes(dkim.sign(b"From: <sender@client.example>\r\n\r\n" + body, b"test",
                                        b"client.example", key.read_bytes(),
                                        canonicalize=(b"relaxed", b"relaxed"),
                                        include_headers=[b"from"]))
        text = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
        pieces = " ".join(f'"{text[i:i + 200]}"' for i in range(0, len(text), 200))
        self.nsd = peers.Nsd(folder / "dns", "127.0.0.153", 53)  # resolv.conf knows no port
        self.nsd.zone("client.example", ['@ IN TXT "v=spf1 ip4:127.0.0.0/8 -all"',
                                         '_dmarc IN TXT "v=DMARC1; p=reject"',
                                         f"test._domainkey IN TXT {pieces}"])
        self.nsd.zone("in-addr.arpa", [])

    def options(self):
        return ["--body", str(self.body), "--head", str(self.head)]


def warm_up(server, load, plan, options):
    """The DNS is in caches, and the processes run: the pause keeps all sessions open at once."""
    load.start(server.endpoint, 2 * plan.sessions, plan.size, plan.sessions, True,
               options=[*options, "--pause", "5000"]).wait()
    server.rest()


def senders(server, plan):
    """Accept and hold of signed mail; what the checks cost a server that has been running."""
    mail = SignedMail(servers.WORK / "signed", plan.size)
    mail.nsd.start()
    server.dns = mail.nsd.endpoint
    try:
        with load_of() as load:
            server.fresh()
            warm_up(server, load, plan, mail.options())
            counter = meter.Meter(servers.WORK, server.group, load.group)
            report = load.start(server.endpoint, plan.messages, plan.size, plan.sessions, plan.many,
                                options=mail.options()).wait()
            spent = counter.since()
            found = server.example()
        for pattern in server.evidence:
            if not re.search(pattern, found, re.M):
                raise RuntimeError(f"{server.name} did not check: no {pattern} in {found[:2000]}")
        return {"rate": report["ok"] / report["seconds"], **costs(spent, plan.messages)}
    finally:
        mail.nsd.stop()
        server.dns = ""


def recipients(server, plan):
    """To each recipient one message, while the primary is asked about him (cold); or again, with the
    primary down, when he is remembered (warm)."""
    with load_of() as load:
        server.settings = plan.settings.get(server.name, ())
        primary = Primary(load.group, server.primary_port, "--say", "rcpt=550 5.1.1 No such user",
                          "--match", "holdfast-asks-*").start()  # who takes all need not be asked
        server.fresh()
        server.await_primary(True)
        try:
            if plan.warm:
                load.start(server.endpoint, plan.messages, plan.size, plan.sessions, True).wait()
                primary.wait_for(plan.messages, plan.patience)
                primary.stop()
                server.await_primary(False)
            counter = meter.Meter(servers.WORK, server.group, load.group)
            report = load.start(server.endpoint, plan.messages, plan.size, plan.sessions,
                                True, options=["--refusals", "1000000"]).wait()
            spent = counter.since()
        finally:
            primary.stop()
            server.settings = ()
    return {"rate": report["ok"] / report["seconds"], "refused": report.get("refused", 0),
            **costs(spent, plan.messages)}


def passing(server, plan):
    """The primary is up: from client to primary."""
    with load_of() as load:
        primary = Primary(load.group, server.primary_port).start()
        server.fresh()
        counter = meter.Meter(servers.WORK, server.group, load.group)
        began = time.time()
        report = load.start(server.endpoint, plan.messages, plan.size, plan.sessions,
                            plan.many).wait()
        primary.wait_for(plan.messages, plan.patience)
        spent = counter.since()
        primary.stop()
        figures = primary.judge(load.promised())
    through = primary.began + figures.get("last_s", 0) - began
    return {**figures, "rate": figures["arrived"] / through,
            "accepted": report["ok"] / report["seconds"], **costs(spent, plan.messages)}


def fill(server, load, plan):
    """In runs of 10,000, so that what is slow in storing is not measured in draining."""
    left = plan.messages
    while left > 0:
        some = min(left, plan.fill_at_once)
        load.start(server.endpoint, some, plan.size, 50, True).wait()
        server.rest()
        left -= some


def hand_over(server, load, plan, primary):
    """The primary returns; what the operator types is typed, again where once is not enough."""
    counter = meter.Meter(servers.WORK, server.group, load.group)
    primary.start()
    until = time.monotonic() + plan.patience
    while True:
        server.flush()
        if primary.wait_for(plan.messages, 10) or time.monotonic() > until:
            break
    spent = counter.since()
    primary.stop()
    figures = primary.judge(load.promised())
    return {**figures, **costs(spent, max(figures["arrived"], 1))}


def drain(server, plan):
    """Many held; the primary returns."""
    with load_of() as load:
        server.fresh()
        fill(server, load, plan)
        return hand_over(server, load, plan, Primary(load.group, server.primary_port))


def limited(server, plan):
    """A primary that takes a while for each message and turns more than 5 sessions away."""
    with load_of() as load:
        server.settings = plan.settings.get(server.name, ())
        server.fresh()
        fill(server, load, plan)
        primary = Primary(load.group, server.primary_port, "--sessions", "5", "--delay", "5",
                          *plan.primary)
        figures = hand_over(server, load, plan, primary)
        server.settings = ()
    attempts = figures["connections"] + figures["turned_away"] + figures["arrived"]
    return {**figures, "deferred": figures["turned_away"] / attempts}


class DistantPostfix:
    """A real Postfix that throws away what it takes, at the other end of a line."""

    def __init__(self, state, port, chunking):
        settings = {"virtual_transport": "discard:", "in_flow_delay": 0}
        if not chunking:
            settings["smtpd_discard_ehlo_keywords"] = "chunking"
        self.postfix = peers.Postfix(state, settings=settings)
        self.postfix.dovecot.process = self  # nobody is there, nor needed
        self.port = port
        self.line = None

    def start(self, delay_ms):
        self.postfix.start()
        self.line = subprocess.Popen(
            [peers.TOOLS / "line", "--listen", f"127.0.0.1:{self.port}", "--to",
             self.postfix.endpoint, "--delay", str(delay_ms)], stdout=subprocess.PIPE, text=True)
        self.line.stdout.readline()
        self.began = time.time()

    def taken(self):
        return self.postfix.log.read_bytes().count(b" status=sent")

    def stop(self):
        if self.line is not None:
            self.line.terminate()
            self.line.wait()
        self.postfix.run("stop")


def distant(server, plan):
    """50 ms there and back, five sessions, a real Postfix as the primary."""
    with load_of() as load:
        server.settings = plan.settings.get(server.name, ())
        server.fresh()
        fill(server, load, plan)
        state = servers.WORK / "distant"
        subprocess.run(["rm", "-rf", state], check=True)
        primary = DistantPostfix(state, server.primary_port, plan.chunking)
        primary.start(25)
        server.flush()
        until = time.monotonic() + plan.patience
        first = None
        while time.monotonic() < until:
            taken = primary.taken()
            if taken > 0 and first is None:
                first, first_taken = time.time(), taken
            if taken >= plan.messages:
                break
            time.sleep(0.02)
        last = time.time()
        primary.stop()
        server.settings = ()
    return {"rate": (taken - first_taken) / max(last - first, 0.001), "arrived": taken,
            "missing": max(plan.messages - taken, 0), "doubled": max(taken - plan.messages, 0),
            "first_s": first - primary.began, "seconds": last - first}


def held(server, plan):
    """With so many held already: the rate and the answers of 200 clients; start and memory."""
    with load_of() as load:
        server.fresh()
        if plan.held > 0:
            load.start(server.endpoint, plan.held, plan.size, 50, True).wait()
            server.rest()
        rate = load.start(server.endpoint, plan.messages, plan.size, 50, True).wait()
        crowd = load.start(server.endpoint, plan.messages, plan.size, 200, True).wait()
        memory = server.group.pss()
        server.stop()
        began = time.monotonic()
        server.start()
        start = time.monotonic() - began
        return {"rate": rate["ok"] / rate["seconds"], "crowd_rate": crowd["ok"] / crowd["seconds"],
                **{f"answer_{name}_ms": value for name, value in crowd["answer_ms"].items()},
                "pss": memory, "start_s": start}


def outage(server, plan):
    """A hundred held, the primary away for minutes; nobody types anything."""
    with load_of() as load:
        server.fresh()
        load.start(server.endpoint, plan.messages, plan.size, 10, False).wait()
        time.sleep(plan.outage_s)
        primary = Primary(load.group, server.primary_port).start()
        primary.wait_for(plan.messages, plan.patience)
        primary.stop()
        return primary.judge(load.promised())


def zero_filled(server):
    """Octets that segments were filled with ahead: those of every file that is there, for files are
    made full and used again."""
    return sum(file.stat().st_blocks * 512 for file in (server.node.data / "spool").glob("*.seg"))


def written(server, plan):
    """Octets that reach the disk for each octet of mail, accepted and settled. What segments are
    filled with ahead of their first use is shown apart."""
    with load_of() as load:
        server.fresh()
        server.rest()
        counter = meter.Meter(servers.WORK, server.group, load.group)
        before = zero_filled(server)
        load.start(server.endpoint, plan.messages, plan.size, 50, True).wait()
        server.rest()
        filling = zero_filled(server) - before
        accepted = counter.disk_since() - filling
        primary = Primary(load.group, server.primary_port).start()
        primary.wait_for(plan.messages, plan.patience)
        server.rest()
        both = counter.disk_since() - filling
        primary.stop()
        mail = plan.messages * plan.size
        return {**primary.judge(load.promised()), "accepted": accepted / mail, "both": both / mail,
                "filling": filling / mail}
