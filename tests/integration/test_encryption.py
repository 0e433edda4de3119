# SPDX-License-Identifier: ISC
"""Encryption at rest (SPEC H4): what lies in the data folder cannot be read, and arrives as it was."""
import json
import os
import secrets

import pytest

import peers

CANARY = b"canary-7f3a91c2e5"
SPEED = 300  # an hour in twelve seconds


def new_key():
    return secrets.token_hex(32)


def write_keys(path, *keys):
    path.write_text("".join(key + "\n" for key in keys))
    path.chmod(0o600)
    return path


@pytest.fixture(name="keys")
def keys_(state):
    return write_keys(state / "keys", new_key())


def sealed(keys):
    return f'encryption {{ keys = "{keys}" }}'


def canaries(folder):
    """The files that hold one, also under another name's end."""
    return [path.name for path in folder.rglob("*") if path.is_file() and CANARY in path.read_bytes()]


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
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=sealed(keys) if is_sealed else "")
    name, data = mail()
    large, large_data = peers.message(subject=CANARY.decode(), body=(CANARY + b"\n") * 600000)
    node.send(data)
    node.send(large_data)
    assert bool(canaries(node.data)) is not is_sealed
    node.crash()
    assert bool(canaries(node.data)) is not is_sealed
    primary.start()
    node.start()
    peers.wait_until(lambda: primary.count() == 2, 30, "both")
    assert {found.partition("@")[0] for found in primary.messages()} == {name, large}


def test_a_domain_may_do_without(holdfast, sink, keys):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=sealed(keys))
    node.add("open.example", primary.endpoint, encrypt="no")
    node.send(mail()[1])
    assert not canaries(node.data)
    node.send(mail()[1], "user@open.example")
    assert canaries(node.data)
    primary.start()
    peers.wait_until(lambda: primary.count() == 2, 30, "both")


def test_mail_waits_for_its_key_and_arrives_once(holdfast, sink, keys):
    """The other mail of the domain goes on meanwhile; a reload with the key is enough."""
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=sealed(keys))
    first = keys.read_text().strip()
    names = []
    for _ in range(25):  # more than a primary may defer in a row
        name, data = mail()
        node.send(data)
        names.append(name)
    node.stop()
    write_keys(keys, new_key())
    primary.start()
    node.start()
    wait_for_reason(node)
    other, data = mail("other")
    node.send(data)
    peers.wait_until(lambda: primary.count() == 1, 30, "the mail that can be read")
    assert [found.partition("@")[0] for found in primary.messages()] == [other]
    assert node.held() == 25
    assert node.state_of() == "up"
    assert "encryption { keys }" in warnings(node, "status")
    assert "encryption { keys }" in warnings(node, "domain", "show", "example.org")
    assert len(events(node, "key_missing")) == 1
    done = node.cli("queue", "export", node.queue()[0]["id"], check=False)
    assert done.returncode != 0 and "key" in done.stderr

    write_keys(keys, keys.read_text().strip(), first)
    node.reload()
    peers.wait_until(lambda: primary.count() == 26, 30, "what waited")
    assert sorted(found.partition("@")[0] for found in primary.messages()) == sorted([*names, other])
    peers.wait_until(lambda: node.held() == 0, what="an empty queue")
    assert warnings(node, "status") == ""


def test_a_key_is_followed_by_another(holdfast, sink, keys):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=sealed(keys))
    old = keys.read_text().strip()
    new = new_key()
    one, data = mail("one")
    node.send(data)
    node.stop()
    write_keys(keys, new, old)
    primary.start()
    node.start()
    peers.wait_until(lambda: primary.count() == 1, 30, "mail under the old key")
    primary.stop()
    two, data = mail("two")
    node.send(data)
    node.stop()
    write_keys(keys, new)  # the old one has done its work
    primary.start()
    node.start()
    peers.wait_until(lambda: primary.count() == 2, 30, "mail under the new key")
    assert {found.partition("@")[0] for found in primary.messages()} == {one, two}


@pytest.mark.plain
def test_mail_without_its_key_is_rescued_in_time_and_can_be_released(holdfast, sink, keys):
    primary = sink(start=False)
    node = holdfast(speed=SPEED, sections=sealed(keys))
    node.add("example.org", primary.endpoint, hold="1h")
    first = keys.read_text().strip()
    name, data = mail()
    node.send(data)
    node.stop()
    write_keys(keys, new_key())
    node.start()
    peers.wait_until(lambda: node.held() == 0, 60, "the end of the holding time")
    rescued = node.json("queue", "list", "--state", "rescued")["messages"]
    assert len(rescued) == 1
    assert events(node, "notice_withheld") and not events(node, "notice_sent")

    write_keys(keys, first)
    node.reload()
    primary.start()
    node.cli("queue", "release", rescued[0]["id"])
    peers.wait_until(lambda: primary.count() == 1, 30, "the released message")
    assert [found.partition("@")[0] for found in primary.messages()] == [name]


def test_what_can_never_be_read_again_can_be_discarded(holdfast, sink, keys):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=sealed(keys))
    node.send(mail()[1])
    node.stop()
    write_keys(keys, new_key())
    node.start()
    node.cli("queue", "discard", node.queue()[0]["id"])
    assert node.held() == 0


def test_backup_restore_and_fsck_take_no_key(holdfast, sink, keys, state):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=sealed(keys))
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
    copy.write_config(sections=sealed(keys))
    copy.start()
    peers.wait_until(lambda: primary.count() == 1, 30, "the mail")
    assert [found.partition("@")[0] for found in primary.messages()] == [name]


def test_a_keeper_that_is_killed_loses_nothing(holdfast, sink, load, keys):
    primary = sink(start=False)
    node = holdfast({"example.org": primary.endpoint}, sections=sealed(keys))
    clients = load(node.endpoint)
    clients.start(count=3000, sessions=5, per_session=20, give_up=60)
    peers.wait_until(lambda: len(clients.accepted()) > 200, what="some 250s")
    node.crash_role("keeper-1")
    peers.wait_until(lambda: len(clients.accepted()) > 600, 60, "some more 250s")
    primary.start()
    peers.wait_until(lambda: primary.count() > 100, 60, "some deliveries")
    clients.process.stop()
    node.crash()
    node.start()
    peers.wait_until(lambda: node.held() == 0, 120, "the drain")
    assert set(clients.accepted()) <= set(primary.messages())


@pytest.mark.parametrize("spoil, event", [
    (lambda path: path.unlink(), "encryption_keys_unreadable"),
    (lambda path: path.write_text("no key\n"), "encryption_keys_unusable"),
])
def test_without_usable_keys_no_mail_is_taken(holdfast, sink, keys, spoil, event):
    primary = sink()
    good = keys.read_text()
    spoil(keys)
    node = holdfast(sections=sealed(keys))
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


def test_keys_that_others_can_read_are_warned_of(holdfast, keys):
    keys.chmod(0o644)
    node = holdfast(sections=sealed(keys))
    assert events(node, "encryption_keys_exposed")
    done = node.cli("check-config", check=False)
    assert "chmod 600" in done.stdout + done.stderr


def test_a_key_can_be_made(holdfast, sink, state):
    primary = sink()
    node = holdfast(start=False)
    made = node.cli("key").stdout
    assert made != node.cli("key").stdout
    path = state / "made"
    path.write_text(made)
    os.chmod(path, 0o600)
    node.write_config(sections=sealed(path))
    node.start({"example.org": primary.endpoint})
    node.send(mail()[1])
    peers.wait_until(lambda: primary.count() == 1, 30, "the mail")
