# SPDX-License-Identifier: ISC
"""fsck, backup and restore, with the real binary: damage is named and mended, and what a backup
promises is there in another place."""
import json
import os
import shutil

import pytest

import peers

HEADER = 4096


def segments(node):
    return sorted((node.data / "spool").glob("*.seg"))


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)  # keeps owner and rights


def fsck(node, *words):
    """(exit status, its answer)"""
    done = node.cli("fsck", "--json", *words, check=False, seconds=120)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def kinds(answer):
    """Of what is damaged; that a start would remove something is only a note."""
    return [finding["kind"] for finding in answer["findings"] if finding["damage"]]


def filled(holdfast, sink, load, count=60, **options):
    """A node with held mail, stopped; its primary, not started; what it took."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    clients.run(count=count, sessions=5, per_session=10, **options)
    assert node.stop() == 0
    return node, primary, clients


def place_of(node, text):
    """(segment, offset) of the octets."""
    for path in segments(node):
        at = path.read_bytes().find(text)
        if at >= 0:
            return path, at
    raise AssertionError(f"{text} is nowhere")


def test_a_node_that_runs_is_left_alone(holdfast):
    node = holdfast()
    done = node.cli("fsck", check=False)
    assert done.returncode == 2
    assert "stop it first" in done.stderr
    done = node.cli("restore", str(node.state), check=False)
    assert done.returncode != 0


def test_a_good_folder_is_clean(holdfast, sink, load):
    node, _, clients = filled(holdfast, sink, load)
    before = {path: path.stat().st_mtime_ns for path in (node.data / "spool").iterdir()}
    status, answer = fsck(node)
    assert status == 0
    assert answer["ok"] and answer["damages"] == 0 and not kinds(answer)
    assert answer["held"] == len(clients.accepted())
    assert sum(segment["live"] for segment in answer["segments"]) == answer["held"]
    assert before == {path: path.stat().st_mtime_ns for path in (node.data / "spool").iterdir()}
    assert not (node.data / "damaged").exists()
    done = node.cli("fsck")
    assert f"held {len(clients.accepted())}, " in done.stdout


def test_damage_is_named_and_mended(holdfast, sink, load):
    node, primary, clients = filled(holdfast, sink, load)
    node.start()
    _, data = peers.message("damaged", body=b"A line to be found and to be damaged.\n")
    node.send(data)
    node.send(peers.message("behind it")[1])
    node.stop()
    path, at = place_of(node, b"A line to be found")
    flip(path, at + 2)  # its content
    flip(path, 20)  # a copy of the header
    flip(node.data / "spool" / "checkpoint", 30)

    status, answer = fsck(node)
    assert status == 1
    assert sorted(kinds(answer)) == ["content", "header-copy", "shortcut"]
    told = next(finding for finding in answer["findings"] if finding["kind"] == "content")
    assert told["message"]["sender"] == "sender@client.example"
    assert told["message"]["recipients"] == ["user@example.org"]
    assert told["file"] == path.name

    done = node.cli("fsck", check=False)
    assert done.returncode == 1
    assert "--repair" in done.stdout and told["message"]["id"] in done.stdout

    status, answer = fsck(node, "--repair")
    assert status == 1, "a message is still damaged"
    assert answer["open"] == 1
    kept = node.data / "damaged" / f"{told['message']['id']}.eml"
    assert kept.stat().st_mode & 0o077 == 0
    assert len(kept.read_bytes()) == told["message"]["size"]
    assert b"to be damaged" in kept.read_bytes()

    status, answer = fsck(node, "--repair", "--discard-damaged")
    assert status == 0 and answer["held"] == len(clients.accepted()) + 1
    assert fsck(node)[0] == 0
    primary.start()
    node.start()
    peers.wait_until(lambda: node.held() == 0, what="the drain")
    peers.assert_each_once(clients.accepted(), primary.messages())


def test_a_segment_without_header_comes_back(holdfast, sink, load):
    """As a start left it: set aside as .bad, its mail not to be seen."""
    node, primary, clients = filled(holdfast, sink, load)
    path = segments(node)[0]
    with path.open("r+b") as file:
        file.write(bytes(HEADER))
    node.start()
    assert node.held() == 0
    node.stop()
    status, answer = fsck(node)
    assert status == 1 and "header" in kinds(answer)
    assert fsck(node, "--repair")[0] == 0
    primary.start()
    node.start()
    peers.wait_until(lambda: node.held() == 0 and primary.count() >= len(clients.accepted()),
                     what="the drain")
    peers.assert_each_once(clients.accepted(), primary.messages())


@pytest.mark.skipif(not peers.IS_ROOT, reason="needs root")
def test_owners_are_looked_at(holdfast, sink, load):
    node, _, _ = filled(holdfast, sink, load, count=5)
    os.chown(segments(node)[0], 0, 0)
    status, answer = fsck(node)
    assert status == 1 and kinds(answer)[0] == "owner"
    assert fsck(node, "--repair")[0] == 0
    assert segments(node)[0].stat().st_uid != 0


def test_a_damaged_directory_is_named(holdfast):
    node = holdfast({"example.org": ()})
    node.stop()
    flip(node.data / "directory.db", 4096 * 2 + 1)
    status, answer = fsck(node)
    assert status == 1 and kinds(answer) == ["directory"]


# ---- backup and restore ----------------------------------------------------------------


def other(holdfast, **options):
    return holdfast(start=False, name="other", **options)


def test_a_backup_under_load_has_what_was_accepted_before(holdfast, sink, load, state):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    clients.run(count=6, sessions=2, size=9_000_000, size_max=9_500_000, give_up=120)
    before = dict(clients.accepted())
    clients.name += "x"
    clients.start(count=100000, sessions=20, per_session=20, size=20000, give_up=60)
    peers.wait_until(lambda: len(clients.accepted()) >= len(before) + 500, what="some 250s")
    before = dict(clients.accepted())
    answer = json.loads(node.cli("backup", state / "copy", "--json", seconds=120).stdout)
    at_end = len(clients.accepted())
    clients.process.stop()
    assert answer["ok"] and at_end > len(before), "mail came in meanwhile"
    node.stop()

    copy = other(holdfast)
    told = json.loads(copy.cli("restore", state / "copy", "--deliver", "--json").stdout)
    assert told["ok"] and told["damages"] == 0 and not told["paused"]
    assert fsck(copy)[0] == 0
    primary.start()
    copy.start()
    peers.wait_until(lambda: copy.held() == 0, 120, "the drain")
    peers.assert_each_once(before, primary.messages())


def test_a_backup_while_mail_is_handed_over(holdfast, sink, load, state):
    """What was handed over before the backup's begin is not in it; what was still held is."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint})
    clients = load(node.endpoint)
    clients.run(count=2000, sessions=10, per_session=20, size=5000)
    primary.start()
    peers.wait_until(lambda: primary.count() > 300, what="the drain to begin")
    before = set(primary.messages())
    node.cli("backup", state / "copy", seconds=120)
    after = set(primary.messages())
    node.stop()
    primary.stop()

    copy = other(holdfast)
    copy.cli("restore", state / "copy", "--deliver")
    assert fsck(copy)[0] == 0
    primary.log.write_text("")
    primary.start()
    copy.start()
    peers.wait_until(lambda: copy.held() == 0, 120, "the drain")
    arrived = primary.messages()
    missing = set(clients.accepted()) - after - set(arrived)
    assert not missing, f"{len(missing)} are neither delivered nor in the backup"
    again = before & set(arrived)
    assert len(again) <= 20 * 8, "only what was on its way at the begin may come twice"


def test_restored_domains_wait_for_the_operator(holdfast, sink, load, state):
    node, primary, clients = filled(holdfast, sink, load)
    node.cli("backup", state / "copy")  # nothing runs
    manifest = json.loads((state / "copy" / "manifest.json").read_text())
    assert manifest["version"] == 1 and manifest["with_mail"]
    assert (state / "copy" / "holdfast.conf").read_text() == node.config.read_text()
    primary.start()
    copy = other(holdfast)
    assert "paused" in copy.cli("restore", state / "copy").stdout
    copy.start()
    assert copy.state_of() == "paused"
    assert copy.held() == len(clients.accepted())
    assert primary.count() == 0
    copy.cli("domain", "resume", "example.org")
    peers.wait_until(lambda: copy.held() == 0, what="the drain")
    peers.assert_each_once(clients.accepted(), primary.messages())


def test_a_folder_in_use_is_moved_aside_only_when_told(holdfast, sink, load, state):
    node, _, clients = filled(holdfast, sink, load)
    node.cli("backup", state / "copy")
    done = node.cli("restore", state / "copy", check=False)
    assert done.returncode == 1 and "--replace" in done.stderr
    assert fsck(node)[1]["held"] == len(clients.accepted())
    node.cli("restore", state / "copy", "--replace")
    assert fsck(node)[1]["held"] == len(clients.accepted())
    assert len(list(node.data.glob("spool.before-*/*.seg"))) > 0


def test_a_backup_that_is_not_whole_is_refused(holdfast, sink, load, state):
    node, _, _ = filled(holdfast, sink, load, count=5)
    node.cli("backup", state / "copy")
    copy = other(holdfast)
    segment = next((state / "copy" / "spool").glob("*.seg"))
    flip(segment, 5000)
    done = copy.cli("restore", state / "copy", check=False)
    assert done.returncode == 1 and segment.name in done.stderr
    assert [path.name for path in copy.data.iterdir() if path.name.startswith("directory")] == []
    assert list((copy.data / "spool").iterdir()) == []
    flip(segment, 5000)
    (state / "copy" / "manifest.json").rename(state / "copy" / "gone.json")
    assert copy.cli("restore", state / "copy", check=False).returncode == 1
    manifest = json.loads((state / "copy" / "gone.json").read_text())
    manifest["files"][0]["name"] = "spool/../../../evil"
    (state / "copy" / "manifest.json").write_text(json.dumps(manifest))
    assert copy.cli("restore", state / "copy", check=False).returncode == 1
    (state / "copy" / "manifest.json").unlink()
    (state / "copy" / "gone.json").rename(state / "copy" / "manifest.json")
    copy.cli("restore", state / "copy")
    assert fsck(copy)[0] == 0


def test_only_domains_and_configuration(holdfast, state):
    node = holdfast({"example.org": "127.0.0.1:2599"})
    node.cli("backup", state / "copy", "--without-mail")
    assert not (state / "copy" / "spool").exists()
    copy = other(holdfast)
    copy.cli("restore", state / "copy")
    copy.start()
    assert copy.domain()["primary"] == ["127.0.0.1:2599"]
    assert copy.state_of() != "paused", "without mail there is nothing to be decided"


def test_a_backup_goes_into_a_new_folder(holdfast, state):
    node = holdfast()
    node.cli("backup", state / "one")
    done = node.cli("backup", state / "one", check=False)
    assert done.returncode == 1 and "new folder" in done.stderr
    shutil.rmtree(state / "one")
    node.cli("backup", state / "one")
