# SPDX-License-Identifier: ISC
"""The manual pages, held against the built binary.

Every command with its options, every configuration item with its bounds and its default, and
every setting of a domain stand in docs/man; the events of the log that are listed there exist.
The binary is asked, so that the tables in the sources may change their form.
"""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("HOLDFAST_BUILD", TOP / "build")) / "holdfast"
PAGES = TOP / "docs" / "man"
COMMANDS, CONFIG = PAGES / "holdfast.8", PAGES / "holdfast.conf.5"
OF_ALL = {"config", "socket", "help"}  # described once, for every command

needs_binary = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


def holdfast(*words):
    env = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
    return subprocess.run([BINARY, *words], env={**env, "LANG": "C"}, text=True,
                          capture_output=True, timeout=30, check=False)


def heads(page):
    """[(section, words of the .It line without macros)] of the page, in its order."""
    found, section = [], ""
    for line in page.read_text().splitlines():
        if line.startswith((".Sh ", ".Ss ")):
            section = line[4:]
        elif line.startswith(".It "):
            found.append((section, " ".join(plain(line[4:]))))
    return found


def plain(line):
    """mdoc's words as they are read: without the macros' names, `Fl \\-x` as --x."""
    line = re.sub(r"\bFl (?:\\-|-)", "--", line).replace(r"\&", "")
    line = re.sub(r" Ns (?:Oo |Op )?: Ns ", ":", line)
    line = re.sub(r"\b(?:Cm|Ar|Oo|Oc|Op|Pq|Em|No|Pa|Ql|Ns|Ev|Dv)\b", " ", line)
    return re.sub(r" ,", ",", " ".join(line.split())).split()


def listed(text):
    """The names of `holdfast help`'s lines: ["domain add", "queue flush", …]."""
    names = re.findall(r"^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?: \[?[A-Z]| {2,})", text, re.M)
    assert len(names) > 10, text
    return names


def options_of(command):
    return re.findall(r"^  --([a-z0-9-]+)", holdfast("help", *command.split()).stdout, re.M)


def items(tmp_path):
    """{(section, name): its default as the file would say it}"""
    config = tmp_path / "holdfast.conf"
    config.write_text('hostname = "mx2.example.net"\n')
    dump = holdfast("check-config", "--config", str(config), "--dump")
    assert dump.returncode == 0, dump.stderr
    found, section = {}, ""
    for line in dump.stdout.splitlines():
        if match := re.fullmatch(r"(\w.*) \{", line):
            section = match[1]
        elif match := re.fullmatch(r" *([a-z-]+) = (.*)", line):
            found[section, match[1]] = match[2]
    assert len(found) > 20
    return found


def bounds(tmp_path, names):
    """{(section, name): "LEAST to MOST"}, from what is said to values far too large."""
    found = {}
    for number, value in enumerate(("4000000000", "5000000w", "9000000TB")):
        config = tmp_path / f"{number}.conf"
        lines, where = [], {}
        for section, name in names:
            if section.startswith("listen "):  # each may be there once, and has no numbers
                continue
            where[len(lines) + 1] = section, name
            lines.append(f"{section} {{ {name} = {value} }}" if section else f"{name} = {value}")
        config.write_text("\n".join(lines) + "\n")
        said = holdfast("check-config", "--config", str(config)).stderr
        for line, least, most in re.findall(r":(\d+): .* between (\S+) and (\S+) instead", said):
            found[where[int(line)]] = f"{least} to {most}"
    assert len(found) > 20
    return found


def head_of(section, name):
    """The .It line of an item; sections of the file are sections of the page."""
    title = {"": "ITEMS AT THE TOP", "defaults": "DEFAULTS AND DOMAIN SETTINGS"}
    wanted = title.get(section, section.upper())
    return next((text for where, text in heads(CONFIG)
                 if where == wanted and text.split(" ")[0] == name), None)


@needs_binary
def test_every_command_is_described():
    told = [text for _, text in heads(COMMANDS)]
    missing = [name for name in listed(holdfast("help").stdout)
               if not any(re.match(rf"{name}( |$)", text) for text in told)]
    assert not missing, f"{COMMANDS.name} lacks {missing}"


@needs_binary
def test_every_option_is_described():
    told = [text for _, text in heads(COMMANDS)]
    missing = []
    for command in listed(holdfast("help").stdout):
        head = next((text for text in told if re.match(rf"{command}( |$)", text)), "")
        for option in options_of(command):
            if option not in OF_ALL and f"--{option}" not in head.split():
                missing.append(f"{command} --{option}")
            if not any(text.split(" ")[0] == f"--{option}" for text in told):
                missing.append(f"--{option} in the list of options")
    assert not missing, f"{COMMANDS.name} lacks {sorted(set(missing))}"


@needs_binary
def test_every_item_is_described(tmp_path):
    missing = [key for key in items(tmp_path) if head_of(*key) is None]
    assert not missing, f"{CONFIG.name} lacks {missing}"


@needs_binary
def test_no_item_is_invented(tmp_path):
    known = {name for _, name in items(tmp_path)}
    sections = {section.upper() for section, _ in items(tmp_path)} | {"ITEMS AT THE TOP"}
    extra = [text.split(" ")[0] for where, text in heads(CONFIG)
             if where in sections or where.startswith("DEFAULTS")]
    assert set(extra) <= known, f"holdfast does not know {set(extra) - known}"


@needs_binary
def test_defaults_and_bounds_are_true(tmp_path):
    defaults = items(tmp_path)
    wrong = []
    for key, default in defaults.items():
        head = head_of(*key) or ""
        if re.fullmatch(r"\w+", default) and not re.search(rf"default {default}\b", head):
            wrong.append(f"{key}: default {default}")
    for key, range_ in bounds(tmp_path, defaults).items():
        if not re.search(rf" {range_}\b", head_of(*key) or ""):
            wrong.append(f"{key}: {range_}")
    assert not wrong, f"{CONFIG.name} should say {wrong}"


@needs_binary
def test_every_setting_is_described():
    text = holdfast("help", "domain", "add").stdout
    settings = re.findall(r"^  ([a-z-]+) +\S+ … \S+, \S+$", text, re.M)
    assert len(settings) > 10, text
    missing = [name for name in settings if head_of("defaults", name) is None]
    assert not missing, f"{CONFIG.name} lacks {missing}"


def test_listed_events_exist():
    sources = "\n".join(path.read_text() for path in (TOP / "src").rglob("*.c"))
    events = [event for where, text in heads(COMMANDS) if where == "LOG"
              for event in text.replace(",", " ").split()]
    assert len(events) > 20
    unknown = [event for event in events if f'"{event}"' not in sources]
    assert not unknown, f"{COMMANDS.name} lists events that nobody logs: {unknown}"


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_is_content():
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", COMMANDS, CONFIG], text=True,
                          capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout
