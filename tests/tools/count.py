#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""count.py: adds up what the suites of script/test reported.

    count.py FOLDER

The folder holds *.testlog.json (meson), *.xml (pytest's junit) and *.counts (lines
"passed NAME" or "failed NAME"). Prints "PASSED FAILED SKIPPED". A cmocka program counts
as many as it has cases; one that ended without its summary counts as one failure more.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as tree


def from_program(record):
    text = record.get("stdout", "") + record.get("stderr", "")
    if record["result"] == "SKIP":
        return 0, 0, 1
    ok = record["result"] in ("OK", "EXPECTEDFAIL")
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", text))
    failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) test\(s\)", text))
    skipped = sum(int(n) for n in re.findall(r"\[  SKIPPED \] (\d+) test\(s\)", text))
    if passed == 0 and failed == 0:
        return (1, 0, 0) if ok else (0, 1, 0)
    if not ok and failed == 0:
        failed = 1
    return passed, failed, skipped


def from_meson(path):
    for line in path.read_text().splitlines():
        if line.strip():
            yield from_program(json.loads(line))


def from_junit(path):
    for suite in tree.parse(path).getroot().iter("testsuite"):
        total = int(suite.get("tests", 0))
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        yield total - bad - skipped, bad, skipped


def from_counts(path):
    for line in path.read_text().splitlines():
        word = line.split(" ", 1)[0]
        yield {"passed": (1, 0, 0), "failed": (0, 1, 0), "skipped": (0, 0, 1)}[word]


def main():
    folder = pathlib.Path(sys.argv[1])
    sums = [0, 0, 0]
    readers = (("*.testlog.json", from_meson), ("*.xml", from_junit), ("*.counts", from_counts))
    for pattern, reader in readers:
        for path in sorted(folder.glob(pattern)):
            for part in reader(path):
                sums = [a + b for a, b in zip(sums, part)]
    print(*sums)


main()
