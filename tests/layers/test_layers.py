# SPDX-License-Identifier: ISC
"""The layers of ARCHITECTURE.md, held against the include lines of src/.

base < mail < wire, config < net, store < stations < roles < cli. A folder includes
itself and what stands to the left of it; wire and config do not include each other,
nor do net and store, nor the stations. exceptions.txt lists what may differ.
"""
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
STATIONS = ("receive", "verify", "authenticate", "filter", "spool", "route", "schedule", "deliver", "notify",
            "call", "control", "portal")
RANKS = (("base",), ("mail",), ("wire", "config"), ("net", "store"), STATIONS, ("roles",), ("cli",))
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
TOLD = pathlib.Path(__file__).with_name("exceptions.txt")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
CODE = {".c", ".h", ".py", ".sh", ".lua", ".sql"}


def tracked(*patterns):
    """Files of the repository, those not yet added included."""
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
                          *patterns], cwd=TOP, check=True, capture_output=True).stdout
    return sorted(TOP / name.decode() for name in out.split(b"\0")
                  if name and (TOP / name.decode()).is_file())


def includes():
    """(file, its room, room it includes, the include) for each line that names a room."""
    for path in tracked("src/*.c", "src/*.h", "src/**/*.c", "src/**/*.h"):
        parts = path.relative_to(TOP / "src").parts
        room = parts[0] if len(parts) > 1 else "cli"  # main.c stands on top of everything
        for target in INCLUDE.findall(path.read_text()):
            yield path.relative_to(TOP), room, target.split("/")[0], target


def exceptions():
    told = {}
    for number, line in enumerate(TOLD.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\w+) -> (\w+): (\S.*)", line)
        assert match, f"{TOLD.name}:{number}: write FROM -> TO: REASON"
        assert (match[1], match[2]) not in told, f"{TOLD.name}:{number}: listed twice"
        told[match[1], match[2]] = match[3]
    return told


def may_include(room, target):
    return room == target or RANK[target] < RANK[room]


def test_every_folder_has_a_layer():
    unknown = {path.name for path in (TOP / "src").iterdir() if path.is_dir()} - set(RANK)
    assert not unknown, f"give them a place in ARCHITECTURE.md and here: {unknown}"


def test_includes_are_written_from_src():
    bad = [f"{path}: {target}" for path, _, room, target in includes() if room not in RANK]
    assert not bad, "\n".join(bad)


def test_layers_hold():
    told = exceptions()
    bad = [f"{path} includes {target}: {room} may not look at {into}"
           for path, room, into, target in includes()
           if into in RANK and not may_include(room, into) and (room, into) not in told]
    assert not bad, "\n".join(bad)


def test_roles_speak_in_messages_alone():
    """Each folder of roles/ is one process. It knows of the others what roles/messages.def says."""
    bad = []
    for path, room, _, target in includes():
        home, of = path.parent.name, pathlib.PurePath(target).parent
        if room == "roles" and of.parts[:1] == ("roles",) and len(of.parts) > 1 and of.name != home:
            bad.append(f"{path} includes {target}")
    assert not bad, "\n".join(bad)


def test_exceptions_are_used():
    used = {(room, into) for _, room, into, _ in includes()}
    idle = [f"{a} -> {b}" for a, b in exceptions() if (a, b) not in used]
    assert not idle, f"{TOLD.name} lists what nobody includes: {idle}"


def test_exceptions_do_not_go_round():
    """An exception must not let two stations lean on each other."""
    told = exceptions()
    bad = [pair for pair in told if pair[::-1] in told]
    assert not bad, bad


def is_source(path):
    if path.suffix in CODE or path.name == "meson.build":
        return True
    if "corpus" in path.parts or path.suffix:
        return False
    return path.read_bytes()[:2] == b"#!"


def test_every_source_names_its_licence():
    bad = [str(path.relative_to(TOP)) for path in tracked()
           if is_source(path) and path.suffix != "" or path.parent.name in ("script", ".ci")
           if b"SPDX-License-Identifier: ISC" not in path.read_bytes()[:400]]
    # A meson.build of a few lines in a folder is covered by the one at the top.
    bad = [name for name in bad if not (name.endswith("meson.build") and name != "meson.build")]
    assert not bad, "\n".join(bad)


# Folders of one developer's machine have no place in the project.
MACHINE_PATH = re.compile(rb"(?<![\w.$}/])/(?:home/\w|root/\w|work/\w|mnt/\w|Users/\w|tmp/wt)")


def test_no_machine_paths():
    bad = [str(path.relative_to(TOP)) for path in tracked()
           if "corpus" not in path.parts and path != pathlib.Path(__file__).resolve()
           and MACHINE_PATH.search(path.read_bytes())]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("room, target, allowed", [
    ("mail", "base", True), ("base", "mail", False), ("wire", "config", False),
    ("store", "net", False), ("spool", "store", True), ("spool", "receive", False),
    ("roles", "deliver", True), ("roles", "cli", False), ("cli", "roles", True),
])
def test_the_rule_itself(room, target, allowed):
    assert may_include(room, target) == allowed
