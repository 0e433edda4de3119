# SPDX-License-Identifier: ISC
"""Damage at rest: bits flip, files end early or are gone, while nobody looks.

What is whole is delivered, whole. What is not is named in the log, and never delivered as if it
were. Index files and the checkpoint are there for speed only: without them nothing is lost.
"""
import json
import re

import peers
import pytest
import segments
from campaign import end_tree, seeded


class Held:
    """A node that held mail for a silent primary, and has ended."""

    def __init__(self, holdfast, sink, load, sections="", **options):
        self.primary = sink("--chunking", start=False)
        self.node = holdfast({"example.org": self.primary.endpoint}, sections=sections)
        self.clients = load(self.node.endpoint)
        self.clients.run(**{"count": 200, "sessions": 8, "per_session": 50, "size": 500,
                            "size_max": 20_000, **options})
        self.promised = self.clients.accepted()
        self.spool = self.node.data / "spool"
        self.logged = 0

    def crash(self):
        end_tree(self.node)
        return self

    def stop(self):
        assert self.node.stop() == 0
        return self

    def messages(self):
        return [record for record in segments.all_records(self.spool)
                if record.kind == segments.MESSAGE]

    def start(self):
        self.logged = len(self.node.text())
        self.node.start()
        peers.wait_until(lambda: self.lines("spool_open"), what="the keeper")

    def log(self):
        """Since the last start."""
        return self.node.text()[self.logged:]

    def lines(self, event):
        return [line for line in self.log().splitlines() if f" {event} " in line]

    def assert_delivers_all_but(self, names):
        """All but these arrive, whole and once; of these nothing does."""
        rest = {name: want for name, want in self.promised.items() if name not in names}
        self.primary.start()
        self.node.cli("queue", "flush", "example.org")
        peers.wait_until(lambda: self.primary.count() >= len(rest), 60, "the rest")
        peers.assert_each_once(rest, self.primary.messages())
        assert not set(names) & set(self.primary.messages())

    def unreadable(self):
        """The ids of the messages that somebody wanted to open, and could not."""
        lines = self.lines("message_damaged") + self.lines("message_unreadable")
        return {name for line in lines for name in re.findall(r" id=(\S+)", line)}

    def assert_names(self, records):
        """Each is named as damaged once its turn comes, which may be after the last whole one's."""
        peers.wait_until(lambda: self.unreadable() >= {record.id for record in records},
                         what="the damaged ones to be named")
        lines = self.lines("message_damaged")
        for record in records:
            assert any(f"id={record.id} " in line and offset_in(record) in line
                       for line in lines), record.id

    def assert_takes_mail(self):
        name, data = peers.message()
        self.node.send(data)
        peers.wait_until(lambda: f"{name}@client.example" in self.primary.messages(),
                         what="a new message")


@pytest.fixture
def held(holdfast, sink, load):
    return lambda **options: Held(holdfast, sink, load, **options)


def sure_messages(held):
    """Of batches that are known to have been acknowledged: all but the last. (Of the last, what
    cannot be read is a torn tail: scan.c.)"""
    messages = held.messages()
    assert len(messages) == len(held.promised)
    return [record for record in messages if record.batch < messages[-1].batch]


def offset_in(record):
    return f"segment={segments.number_of(record.file)} offset={record.offset}"


def test_flipped_bits_after_a_crash(held):
    """At random places of the contents, and of the records' heads."""
    held = held().crash()
    _, chance = seeded()
    messages = sure_messages(held)
    offsets = [record.offset for record in held.messages()]
    hit = chance.sample(range(len(messages)), 12)
    contents, heads = [messages[i] for i in hit[:6]], [messages[i] for i in hit[6:]]
    for record in contents:
        at = record.content_at + chance.randrange(len(record.content))
        segments.flip(record.file, at, chance.randrange(8))
    for record in heads:
        at = record.offset + chance.randrange(segments.RECORD.size + len(record.meta))
        segments.flip(record.file, at, chance.randrange(8))
    held.start()
    damage = held.lines("segment_damaged")
    for record in contents:
        assert any(f"{offset_in(record)} what=content" in line for line in damage), record.offset
    gone = {record.offset for record in heads}
    for record in heads:  # named by the next record that can be read
        after = next(at for at in offsets if at > record.offset and at not in gone)
        assert any(f"offset={after} " in line and "records before this are lost" in line
                   for line in damage), (record.offset, after)
    held.assert_delivers_all_but({record.name for record in contents + heads})
    peers.wait_until(lambda: held.node.held() == len(contents), what="only the damaged to be held")
    held.assert_names(contents)
    held.assert_takes_mail()


def test_flipped_bits_after_a_clean_stop(held):
    """The index files spare the start the reading: who opens the message finds the damage."""
    held = held().stop()
    _, chance = seeded()
    hit = chance.sample(held.messages(), 6)
    for record in hit[:3]:
        at = record.content_at + chance.randrange(len(record.content))
        segments.flip(record.file, at, chance.randrange(8))
    for record in hit[3:]:
        at = record.offset + chance.randrange(segments.RECORD.size + len(record.meta))
        segments.flip(record.file, at, chance.randrange(8))
    held.start()
    assert held.node.held() == len(held.promised)
    held.assert_delivers_all_but({record.name for record in hit})
    held.assert_names(hit)
    held.assert_takes_mail()


def test_flipped_bits_of_sealed_content(held, keys):
    """fsck finds them without a key; what is whole is opened and goes."""
    held = held(sections=peers.encryption(keys)).crash()
    _, chance = seeded()
    hit = chance.sample(sure_messages(held), 6)
    for record in hit:
        at = record.content_at + chance.randrange(len(record.content))
        segments.flip(record.file, at, chance.randrange(8))
    key = keys.read_bytes()
    keys.unlink()
    done = held.node.cli("fsck", "--json", check=False)
    assert done.returncode == 1
    found = {each["message"]["id"] for each in json.loads(done.stdout)["findings"] if each["kind"] == "content"}
    assert found == {record.id for record in hit}
    keys.write_bytes(key)
    held.start()
    held.primary.start()
    held.node.cli("queue", "flush", "example.org")
    arrived = held.primary.messages
    peers.wait_until(lambda: len(arrived()) >= len(held.promised) - len(hit), 60, "the rest")
    peers.assert_each_once({name: held.promised[name] for name in arrived()}, arrived())
    traces = {row[-1] for row in held.primary.rows("message")}
    assert not traces & found
    assert traces | found == {record.id for record in held.messages()}
    held.assert_names(hit)


@pytest.mark.plain  # much mail
@pytest.mark.parametrize("how", ["truncated", "flipped", "deleted"])
def test_the_file_of_a_large_message(held, how):
    """Content above 8 MiB lies in a file of its own."""
    held = held(count=4, sessions=1, size=8_500_000, size_max=9_000_000).crash()
    _, chance = seeded()
    path = chance.choice(sorted(held.spool.glob("*.body")))
    (name,) = {record.name for record in held.messages() if record.id == path.stem}
    size = path.stat().st_size
    if how == "truncated":
        segments.truncate(path, chance.randrange(size))
    elif how == "flipped":
        segments.flip(path, chance.randrange(size), chance.randrange(8))
    else:
        path.unlink()
    held.start()
    if how == "deleted":
        assert f"id={path.stem} file={path.name}" in held.lines("body_missing")[0]
    held.assert_delivers_all_but({name})
    peers.wait_until(lambda: path.stem in held.unreadable(), what="the damaged one to be named")
    peers.wait_until(lambda: held.node.held() == 1, what="only the damaged one to be held")
    held.assert_takes_mail()


def checkpoint_of(spool):
    return spool / "checkpoint"


def index_of(spool):
    return sorted(spool.glob("*.idx"))[0]


@pytest.mark.plain  # much mail
@pytest.mark.parametrize("file", [checkpoint_of, index_of], ids=["checkpoint", "index_file"])
@pytest.mark.parametrize("how", ["truncated", "flipped", "deleted"])
def test_what_is_there_for_speed_only(held, file, how):
    held = held(count=70, size=900_000, size_max=1_200_000).stop()  # more than a segment
    _, chance = seeded()
    path = file(held.spool)
    size = path.stat().st_size
    if how == "truncated":
        segments.truncate(path, chance.randrange(size))
    elif how == "flipped":
        segments.flip(path, chance.randrange(size), chance.randrange(8))
    else:
        path.unlink()
    held.start()
    assert held.lines("store_opened")[0].endswith("damaged=0 from=segments")
    if file == index_of:
        assert held.lines("index_file_unusable")
    if file == index_of or how != "deleted":
        assert held.lines("checkpoint_unusable")
    assert held.node.held() == len(held.promised)
    held.assert_delivers_all_but(())
    held.assert_takes_mail()


@pytest.mark.parametrize("end", [Held.crash, Held.stop], ids=["crash", "stop"])
def test_a_truncated_last_segment(held, end):
    held = end(held())
    _, chance = seeded()
    messages = held.messages()
    victim = chance.choice(messages[-60:])
    # A file that ends between two records looks like one that never had more.
    # One that ends in the padding has lost nothing of the message before it.
    end_of_content = victim.content_at + len(victim.content)
    at = chance.randrange(victim.offset + segments.RECORD.size, end_of_content)
    segments.truncate(victim.file, at)
    lost = {record.name for record in messages if record.offset >= victim.offset}
    held.start()
    held.assert_delivers_all_but(lost)
    held.assert_takes_mail()
    if end == Held.crash:  # it may have been under way: nobody can know that it was acknowledged
        assert f"{offset_in(victim)} " in held.lines("segment_torn")[0] + " "
    else:
        unread = {record.id for record in messages if record.name in lost}
        peers.wait_until(lambda: held.unreadable() >= unread, what="what is lost to be named")
        assert held.unreadable() == unread


def test_one_copy_of_a_segments_header_is_enough(held):
    held = held().crash()
    segments.zero(segments.files(held.spool)[0], 0, segments.HEADER_SIZE // 2)
    held.start()
    held.assert_delivers_all_but(())


@pytest.mark.parametrize("end", [Held.crash, Held.stop], ids=["crash", "stop"])
def test_a_segment_without_its_header_is_kept_for_a_person(held, end):
    held = end(held(count=70, size=900_000, size_max=1_200_000))
    first = segments.files(held.spool)[0]
    names = {record.name for record in held.messages() if record.file == first}
    assert 0 < len(names) < len(held.promised)
    content = first.read_bytes()[segments.HEADER_SIZE:]
    segments.zero(first, 0, segments.HEADER_SIZE)
    held.start()
    kept = first.with_suffix(".bad")
    assert f"file={first.name} kept_as={kept.name}" in held.lines("segment_unreadable")[0]
    assert kept.read_bytes()[segments.HEADER_SIZE:] == content
    held.assert_delivers_all_but(names)
    held.assert_takes_mail()
    assert kept.exists()
