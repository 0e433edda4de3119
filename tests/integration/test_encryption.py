# SPDX-License-Identifier: ISC
"""Encryption at rest (SPEC H4): what lies in the data folder cannot be read, and arrives as it was.

That it does so whoever is killed, the campaigns in tests/crash show with keys, too.
"""
import json
import os
import subprocess

import pytest

import peers

CANARY = b"canary-7f3a91c2e5"
SPEED = 300  # an hour in twelve seconds


def holding(folder, what):
    """The files that hold it, also under another name's end."""
    return [path.name for path in folder.rglob("*") if path.is_file() and what in path.read_bytes()]


def canaries(folder):
    return holding(folder, CANARY)


def mail(name="a"):
    return peers.message(subject=f"{CANARY.decode()} {name}", body=CANARY + b" in the body\n" * 2000)


def warnings(node, *words):
    return " ".join(node.json(*words)["warnings"])


def wait_for_reason(node, word="encrypted"):
    """Until the oldest message has been tried and could not be read."""
    def is_told():
        message = node.queue()[0]
        return word in json.dumps(node.json("queue", "show", message["id"]))
    peers.wait_until(is_told, what="the reason why it waits")


def events(node, name):
    return [line for line in node.text().splitlines() if name in line]


@pytest.mark.parametrize("is_sealed", [True, False])
def test_what_is_kept_cannot_be_read(holdfast, sink, keys, is_sealed):
    """Neither what is in a segment, nor what has a file of its own, nor any other file."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint},
                    sections=peers.encryption(keys) if is_sealed else "")
    name, data = mail()
    large, large_data = peers.message(subject=CANARY.decode(), body=(CANARY + b"\n") * 600000)
    node.send(data)
    node.send(large_data)
    spool = [path.suffix for path in (node.data / "spool").iterdir()]
    assert ".body" in spool
    for end in (node.crash, node.start, node.stop):  # while it runs, and what each end leaves behind
        found = canaries(node.data)
        assert not found if is_sealed else {found_in.rpartition(".")[2] for found_in in found} >= {
            "seg", "body"}
        end()
    assert bool(canaries(node.data)) is not is_sealed
    primary.start()
    node.start()
    peers.wait_until(lambda: primary.count() == 2, 30, "both")
    assert {found.partition("@")[0] for found in primary.messages()} == {name, large}


def test_envelopes_stay_readable(holdfast, sink, keys):
    """As the manual says: who writes to whom, which fsck and a start without the key must know."""
    node = holdfast({"example.org": sink(start=False).endpoint}, sections=peers.encryption(keys))
    node.send(mail()[1])
    assert holding(node.data, b"user@example.org")


def test_a_domain_may_do_without(holdfast, sink, keys):
    """Its mail lies in the same segment, readable; the other's does not."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=peers.encryption(keys))
    node.add("open.example", primary.endpoint, encrypt="no")
    for to in ("user@example.org", ["user@example.org", "user@open.example"]):
        node.send(mail()[1], to)
    assert not canaries(node.data)  # one of them wants it encrypted: both get it
    name, data = peers.message(body=b"for all the world to see\n" * 1000)
    node.send(data, "user@open.example")
    assert not canaries(node.data)
    assert all(found.endswith(".seg") for found in holding(node.data, b"for all the world to see"))
    assert holding(node.data, b"for all the world to see") and holding(node.data, name.encode())
    primary.start()
    peers.wait_until(lambda: primary.count() == 4, 30, "all, one of them for each of its domains")


def test_mail_waits_for_its_key_and_arrives_once(holdfast, sink, keys):
    """The other mail of the domain goes on meanwhile; a reload with the key is enough."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=peers.encryption(keys))
    first = keys.read_text().strip()
    names = []
    for _ in range(25):  # more than a primary may defer in a row
        name, data = mail()
        node.send(data)
        names.append(name)
    node.stop()
    peers.write_keys(keys, peers.new_key())
    primary.start()
    node.start()
    wait_for_reason(node)
    other, data = mail("other")
    node.send(data)
    peers.wait_until(lambda: primary.count() == 1, 30, "the mail that can be read")
    assert [found.partition("@")[0] for found in primary.messages()] == [other]
    peers.wait_until(lambda: node.held() == 25, what="the end of the one that was taken")
    assert node.state_of() == "up"
    assert "encryption { keys }" in warnings(node, "status")
    assert "encryption { keys }" in warnings(node, "domain", "show", "example.org")
    missing = node.json("status")["store"]["missing_keys"]
    assert missing and f" key={missing} " in events(node, "key_missing")[0]
    node.env["LANG"] = "de_DE.UTF-8"
    shown = node.cli("status").stdout
    assert "Mail wartet auf Schlüssel" in shown and missing in shown
    del node.env["LANG"]
    assert len(events(node, "key_missing")) == 1
    done = node.cli("queue", "export", node.queue()[0]["id"], check=False)
    assert done.returncode != 0 and "key" in done.stderr

    peers.write_keys(keys, keys.read_text().strip(), first)
    node.reload()
    peers.wait_until(lambda: primary.count() == 26, 30, "what waited")
    assert sorted(found.partition("@")[0] for found in primary.messages()) == sorted([*names, other])
    peers.wait_until(lambda: node.held() == 0, what="an empty queue")
    assert warnings(node, "status") == ""


def test_a_key_is_followed_by_another(holdfast, sink, keys):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=peers.encryption(keys))
    old = keys.read_text().strip()
    new = peers.new_key()
    one, data = mail("one")
    node.send(data)
    node.stop()
    peers.write_keys(keys, new, old)
    primary.start()
    node.start()
    peers.wait_until(lambda: primary.count() == 1, 30, "mail under the old key")
    primary.stop()
    two, data = mail("two")
    node.send(data)
    node.stop()
    peers.write_keys(keys, new)  # the old one has done its work
    primary.start()
    node.start()
    peers.wait_until(lambda: primary.count() == 2, 30, "mail under the new key")
    assert {found.partition("@")[0] for found in primary.messages()} == {one, two}


@pytest.mark.plain
def test_mail_without_its_key_is_rescued_in_time_and_can_be_released(holdfast, sink, keys):
    primary = sink(start=False)
    node = holdfast(speed=SPEED, sections=peers.encryption(keys))
    node.add("example.org", primary.endpoint, hold="1h")
    first = keys.read_text().strip()
    name, data = mail()
    node.send(data)
    node.stop()
    peers.write_keys(keys, peers.new_key())
    node.start()
    peers.wait_until(lambda: node.held() == 0, 60, "the end of the holding time")
    rescued = node.json("queue", "list", "--state", "rescued")["messages"]
    assert len(rescued) == 1
    assert events(node, "notice_withheld") and not events(node, "notice_sent")

    peers.write_keys(keys, first)
    node.reload()
    primary.start()
    node.cli("queue", "release", rescued[0]["id"])
    peers.wait_until(lambda: primary.count() == 1, 30, "the released message")
    assert [found.partition("@")[0] for found in primary.messages()] == [name]


def test_what_can_never_be_read_again_can_be_discarded(holdfast, sink, keys):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=peers.encryption(keys))
    node.send(mail()[1])
    node.stop()
    peers.write_keys(keys, peers.new_key())
    node.start()
    node.cli("queue", "discard", node.queue()[0]["id"])
    assert node.held() == 0


def test_backup_restore_and_fsck_take_no_key(holdfast, sink, keys, state):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=peers.encryption(keys))
    name, data = mail()
    node.send(data)
    node.cli("backup", state / "copy", seconds=120)
    assert not canaries(state / "copy")
    assert not any(keys.read_bytes().strip() in path.read_bytes()
                   for path in (state / "copy").rglob("*") if path.is_file())
    node.stop()

    copy = holdfast(start=False, name="other")
    copy.cli("restore", state / "copy", "--deliver")
    assert not canaries(copy.data)
    done = copy.cli("fsck", "--json", seconds=120)
    answer = json.loads(done.stdout)
    assert answer["ok"] and answer["damages"] == 0 and answer["held"] == 1
    primary.start()
    copy.write_config(sections=peers.encryption(keys))
    copy.start()
    peers.wait_until(lambda: primary.count() == 1, 30, "the mail")
    assert [found.partition("@")[0] for found in primary.messages()] == [name]


@pytest.mark.parametrize("spoil, event", [
    (lambda path: path.unlink(), "encryption_keys_unreadable"),
    (lambda path: path.write_text("no key\n"), "encryption_keys_unusable"),
])
def test_without_usable_keys_no_mail_is_taken(holdfast, sink, keys, spoil, event):
    primary = sink()
    good = keys.read_text()
    spoil(keys)
    node = holdfast(sections=peers.encryption(keys))
    node.add("example.org", primary.endpoint)
    done = node.cli("check-config", check=False)
    assert "encryption keys" in done.stdout + done.stderr
    assert events(node, event)
    with pytest.raises(Exception, match="451"):
        node.send(mail()[1])
    keys.write_text(good)
    keys.chmod(0o600)
    node.reload()

    def is_taken():
        try:
            node.send(mail()[1])
        except Exception:  # the receivers have not heard of it yet
            return False
        return True

    peers.wait_until(is_taken, what="250")
    peers.wait_until(lambda: primary.count() == 1, 30, "the mail")


def test_keys_can_come_with_a_reload(holdfast, sink, keys):
    """To a node that runs, and is confined, without any."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint})
    node.send(peers.message(subject="not sealed")[1])
    node.write_config(sections=peers.encryption(keys))
    node.reload()
    name, data = mail()
    node.send(data)
    assert holding(node.data, b"not sealed") and not canaries(node.data)
    primary.start()
    peers.wait_until(lambda: primary.count() == 2, 30, "both")
    assert name in {found.partition("@")[0] for found in primary.messages()}


def test_keys_that_go_at_a_reload_are_kept(holdfast, sink, keys):
    """What the keeper has may be better than what is there; it says so, and goes on until it ends."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=peers.encryption(keys))
    good = keys.read_text()
    keys.unlink()
    node.reload()
    peers.wait_until(lambda: events(node, "encryption_keys_unusable"), what="the keeper's word")
    assert "put the file back" in " ".join(events(node, "encryption_keys_unreadable"))
    node.send(mail()[1])
    assert not canaries(node.data)
    peers.write_keys(keys, good.strip())
    node.reload()
    primary.start()
    peers.wait_until(lambda: primary.count() == 1, 30, "the mail")


def test_keys_that_others_can_read_are_warned_of(holdfast, keys):
    keys.chmod(0o644)
    node = holdfast(sections=peers.encryption(keys))
    assert events(node, "encryption_keys_exposed")
    done = node.cli("check-config", check=False)
    assert "chmod 600" in done.stdout + done.stderr


def test_a_key_can_be_made(holdfast, sink, state):
    primary = sink()
    node = holdfast(start=False)
    made = node.cli("key").stdout
    assert made != node.cli("key").stdout
    with open("/dev/full", "w", encoding="ascii") as full:  # half a key is none
        done = subprocess.run([str(node.binary), "key"], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1 and "not written" in done.stderr
    path = state / "made"
    path.write_text(made)
    os.chmod(path, 0o600)
    node.write_config(sections=peers.encryption(path))
    node.start({"example.org": primary.endpoint})
    node.send(mail()[1])
    peers.wait_until(lambda: primary.count() == 1, 30, "the mail")
