# SPDX-License-Identifier: ISC
"""The 7-bit form of messages (wire/to_7bit.h) against Python's own reading of them: what people see
is the same before and after, and nothing is above 127 after."""
import email
import email.policy
import subprocess

import pytest

import peers

TOOL = peers.BUILD / "tests" / "tools" / "to_7bit"
WRITTEN, FINE, IMPOSSIBLE = 0, 3, 4
CRLF = b"\r\n"


def convert(data, piece=65536):
    done = subprocess.run([str(TOOL), str(piece)], input=data, capture_output=True, check=False)
    assert done.returncode in (WRITTEN, FINE, IMPOSSIBLE), done.stderr
    return done.returncode, done.stdout


def leaves(data):
    """What each part is, and its octets."""
    parsed = email.message_from_bytes(data)
    found = []
    for part in parsed.walk():
        if part.is_multipart():
            found.append((part.get_content_type(), None))
        else:
            found.append((part.get_content_type(), part.get_payload(decode=True)))
    return found


def files():
    folders = [peers.TESTDATA / "corpus", peers.TESTDATA / "mime"]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip("no test data")
    return sorted(path for folder in folders for path in folder.rglob("*")
                  if path.is_file() and path.suffix not in (".json", ".md"))


def with_crlf(data):
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")


def test_nothing_is_lost_by_conversion():
    seen = {WRITTEN: 0, FINE: 0, IMPOSSIBLE: 0}
    for path in files():
        data = with_crlf(path.read_bytes())
        status, out = convert(data)
        seen[status] += 1
        is_high = any(octet > 127 for octet in data)
        assert (status == FINE) == (not is_high), path
        if status != WRITTEN:
            continue
        assert max(out) < 128, path
        before, after = leaves(data), leaves(out)
        assert before == after, path
    print(seen)
    assert seen[WRITTEN] > 5


def test_however_it_is_cut(full):
    step = full(5, 25)
    for path in files()[::step]:
        data = with_crlf(path.read_bytes())
        if len(data) > 100_000:
            continue
        whole = convert(data)
        for piece in (1, 7, 1000):
            assert convert(data, piece) == whole, path
