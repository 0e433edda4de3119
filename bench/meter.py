# SPDX-License-Identifier: ISC
"""meter.py: what a run costs: processor time, disk, memory, and how noisy the machine was.

A server lives in a control group of its own, so that each of its processes counts, however short
it lives. The disk is counted as a whole, between two syncs: whatever else writes to it counts too,
which is why records and logs of the load lie in memory.
"""
import contextlib
import os
import pathlib
import re
import signal
import time


def control_groups():
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        words = line.split()
        if words[2] == "cgroup2":
            return pathlib.Path(words[1])
    raise SystemExit("bench: processor time is counted with cgroup v2, which is not mounted here")


class Group:
    """A control group: its processes, and the processor time of all that ever ran in it."""

    def __init__(self, name):
        self.path = control_groups() / f"holdfast-bench-{os.getpid()}-{name}"
        self.path.mkdir(exist_ok=True)

    def enter(self):
        """For the child, before it becomes another program."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def pids(self):
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]

    def is_populated(self):
        """Also with processes that are ending and in no list any more."""
        return "populated 1" in (self.path / "cgroup.events").read_text()

    def cpu_s(self):
        return int(re.search(r"usage_usec (\d+)", (self.path / "cpu.stat").read_text())[1]) / 1e6

    def pss(self):
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1]) * 1024
        return total

    def end(self, patience=15):
        """Waits for the processes to end; after a while, by force."""
        until = time.monotonic() + patience
        while self.is_populated():
            if time.monotonic() > until:
                for pid in self.pids():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def remove(self):
        self.end(0)
        with contextlib.suppress(OSError):
            self.path.rmdir()


def busy_s():
    """Processor time that the whole machine has used."""
    ticks = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    idle, waiting = ticks[3], ticks[4]
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def device_of(folder):
    number = os.stat(folder).st_dev
    link = f"/sys/dev/block/{os.major(number)}:{os.minor(number)}"
    return os.path.basename(os.path.realpath(link))


def disk_octets(device):
    for line in pathlib.Path("/proc/diskstats").read_text().splitlines():
        words = line.split()
        if words[2] == device:
            return int(words[9]) * 512
    return 0


class Meter:
    """Counts from its making on."""

    def __init__(self, folder, server, load):
        self.device, self.server, self.load = device_of(folder), server, load
        os.sync()
        self.start = self.read()

    def read(self):
        return {"at": time.time(), "server": self.server.cpu_s(), "load": self.load.cpu_s(),
                "machine": busy_s(), "disk": disk_octets(self.device)}

    def since(self):
        """noise: the share of the machine that neither the server nor the load used."""
        end = self.read()
        spent = {name: end[name] - self.start[name] for name in end}
        other = spent["machine"] - spent["server"] - spent["load"]
        room = max(spent["at"], 1e-6) * os.cpu_count()
        return {"seconds": spent["at"], "cpu_s": spent["server"], "load_cpu_s": spent["load"],
                "noise": max(0.0, other / room)}

    def disk_since(self):
        os.sync()
        return disk_octets(self.device) - self.start["disk"]


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    return re.search(r"^model name\s*: (.*)$", text, re.M)[1]


def machine():
    """One line that says where the figures come from."""
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    release = os.uname().release
    return (f"{os.cpu_count()} × {processor()}, {memory / (1 << 20):.0f} GiB, Linux {release}, "
            "server, load and primary on the same processors")
