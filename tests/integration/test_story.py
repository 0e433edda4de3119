# SPDX-License-Identifier: ISC
"""The story (SPEC R1, P2): the primary dies, mail is held, the primary returns, all is there."""
import time

import peers


def test_the_whole_corpus_goes_through_an_outage(holdfast, postfix):
    """675 real messages, byte for byte, each once; the first leaves within ten seconds."""
    primary = postfix()
    node = holdfast({"example.org": primary.endpoint})
    sent = {}
    for number, (_, data) in enumerate(peers.corpus()):
        name = f"c{number}"
        node.send(b"X-Test-Id: " + name.encode() + b"\r\n" + data, f"user{number % 7}@example.org")
        sent[name] = peers.body_of(data)
    assert node.held() == len(sent)
    assert node.queue()

    primary.start()
    returned = time.monotonic()
    peers.wait_until(lambda: primary.count() > 0, 10, "the first message")
    assert time.monotonic() - returned < 10 * peers.SLOWER
    peers.wait_until(lambda: primary.count() >= len(sent), 180, "all messages")
    peers.wait_until(lambda: node.held() == 0, what="the queue to be empty")
    primary.stop()

    arrived = primary.by_name()
    assert set(arrived) == set(sent)
    assert [name for name, copies in arrived.items() if len(copies) != 1] == []
    damaged = [name for name, body in sent.items()
               if not arrived[name][0][1].endswith(b"\n\n" + body)]
    assert damaged == []


def test_mail_passes_while_the_primary_is_up(holdfast, postfix):
    primary = postfix()
    primary.start()
    node = holdfast({"example.org": primary.endpoint})
    name, data = peers.message()
    node.send(data)
    peers.wait_until(lambda: primary.count() == 1, 10, "the message")
    (_, arrived), = primary.by_name()[name]
    assert arrived.endswith(b"\n\nHello.\n")
    assert b"by mx2.example.net" in arrived


def test_our_received_field_names_client_and_helo(holdfast, sink, postfix):
    """SPEC A7: from HELO ([IP]) by NODE with ESMTP id ID for <rcpt>; date."""
    primary = postfix()
    primary.start()
    node = holdfast({"example.org": primary.endpoint})
    name, data = peers.message()
    node.send(data)
    peers.wait_until(lambda: primary.count() == 1, 10, "the message")
    (_, arrived), = primary.by_name()[name]
    field = arrived.split(b"by mx2.example.net")[0].rsplit(b"Received:", 1)[1]
    rest = arrived.split(b"by mx2.example.net")[1].split(b"X-Test-Id")[0]
    assert b"from client.example" in field and b"[127.0.0.1]" in field
    assert b" with ESMTP id " in rest.replace(b"\n\t", b" ").replace(b"\n", b" ")
    assert b"for <user@example.org>" in rest


def test_many_recipients_get_one_copy_each(holdfast, postfix):
    primary = postfix()
    node = holdfast({"example.org": primary.endpoint})
    recipients = [f"r{i}@example.org" for i in range(120)]  # more than one transaction takes
    name, data = peers.message()
    node.send(data, recipients)
    assert node.held() == 1
    primary.start()
    peers.wait_until(lambda: primary.count() >= 120, 30, "all copies")
    peers.wait_until(lambda: node.held() == 0, what="the queue to be empty")
    assert sorted(mailbox for mailbox, _ in primary.by_name()[name]) == sorted(recipients)


def test_two_domains_two_fates(holdfast, sink):
    """One domain's dead primary holds nobody else's mail."""
    alive = sink()
    dead = sink(start=False)
    node = holdfast({"example.org": alive.endpoint, "example.com": dead.endpoint})
    name, data = peers.message()
    node.send(data, ["a@example.org", "b@example.com"])
    peers.wait_until(lambda: alive.count() == 1, 10, "the living domain's copy")
    peers.wait_until(lambda: node.held("example.org") == 0, what="its queue to be empty")
    assert node.held("example.com") == 1
    dead.start()
    peers.wait_until(lambda: dead.count() == 1, 10, "the other copy")
    assert [row[5] for row in dead.rows("message")] == ["b@example.com"]
    assert [row[5] for row in alive.rows("message")] == ["a@example.org"]


def test_a_refused_message_goes_to_the_rescue_store_and_back(holdfast, sink):
    """SPEC H3: a 5xx bounces nothing and loses nothing; the operator can have it tried again."""
    primary = sink("--say", "rcpt=550 5.1.1 No such user", "--match", "gone@*")
    node = holdfast({"example.org": primary.endpoint}, defaults='verify-recipients = "no"')
    name, data = peers.message()
    node.send(data, ["gone@example.org", "here@example.org"])
    peers.wait_until(lambda: primary.count() == 1, 10, "the good recipient's copy")
    peers.wait_until(lambda: node.held() == 0, what="a verdict on the other")
    domain = node.domain()
    assert int(domain["rescued"]) == 1
    identifier = node.json("queue", "list", "--domain", "example.org", "--state", "rescued")
    identifier = identifier if isinstance(identifier, list) else identifier["messages"]
    assert len(identifier) == 1
    exported = node.cli("queue", "export", identifier[0]["id"]).stdout.encode()
    assert peers.body_of(exported) == peers.body_of(data)
    primary.stop()
    primary.start("--without", "SIZE")  # now it knows everybody
    node.cli("queue", "release", identifier[0]["id"])
    peers.wait_until(lambda: primary.count() == 2, 15, "the released copy")
    assert primary.rows("message")[1][5] == "gone@example.org"
