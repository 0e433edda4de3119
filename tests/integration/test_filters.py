# SPDX-License-Identifier: ISC
"""Filters that speak the milter protocol (SPEC A8): what they see, what they change, what they
refuse; and filters that hang, lie and die."""
import base64
import contextlib
import os
import re
import shutil
import signal
import smtplib
import socket
import struct
import subprocess
import threading

import pytest

import milter
import peers

SENDER = "sender@client.example"


@pytest.fixture
def filters():
    made = []

    def make(*where, **options):
        made.append(milter.Milter(*where, **options).start())
        return made[-1]

    yield make
    for filter_ in made:
        filter_.stop()


@pytest.fixture
def node(holdfast, recorder):
    """node(a=filter, b=filter, …, setting=…): all of them are asked, in this order."""
    def make(timeout="10s", domains=("example.org",), names=None, smtp="", binary=None, **options):
        chosen = {name: filter_ for name, filter_ in options.items()
                  if isinstance(filter_, milter.Milter) or hasattr(filter_, "where")}
        settings = {name: value for name, value in options.items() if name not in chosen}
        milters = ", ".join(f'"{name}={filter_.where}"' for name, filter_ in chosen.items())
        made = holdfast({}, smtp=smtp, **({"binary": binary} if binary else {}), sections=(
            f"filter {{ milters = {{{milters}}} timeout = {timeout} }}"))
        made.primary = recorder()
        for domain in domains:
            made.add(domain, made.primary.endpoint, check_senders="no",
                     filters=",".join(names or chosen), **settings)
        return made
    return make


def letter(body=b"Hello.\n", extra=b""):
    return peers.message(body=body, extra=extra, sender=SENDER)[1]


def refusal(node, data=None, **options):
    with pytest.raises(smtplib.SMTPDataError) as caught:
        node.send(data or letter(), **options)
    return caught.value.smtp_code, caught.value.smtp_error.decode()


def passed(node, data=None, count=1, **options):
    """The message as it comes to the primary: the header's lines, and the body."""
    node.send(data or letter(), **options)
    head, _, body = node.primary.wait_for(count).partition(b"\r\n\r\n")
    return re.sub(r"\r\n[ \t]+", " ", head.decode()).split("\r\n"), body


def test_a_filter_sees_the_client_and_the_whole_message(node, filters, state):
    filter_ = filters(state / "filter.sock", protocol=milter.LEADING_SPACE)
    there = node(a=filter_)
    _, body = passed(there, letter(body=b"One\n.two\n", extra=b"X-Folded: a\n\tb\n"),
                     recipients=["user@example.org", "other@example.org"])
    (seen,) = filter_.seen
    assert seen.connect == ("localhost", b"4127.0.0.1")
    assert seen.macros["j"] == "mx2.example.net" and seen.macros["{client_addr}"] == "127.0.0.1"
    assert seen.sender[0] == f"<{SENDER}>" and seen.macros["{mail_addr}"] == SENDER
    assert seen.recipients == ["<user@example.org>", "<other@example.org>"]
    assert ("X-Folded", " a\n\tb") in seen.headers
    assert "received" not in [name.lower() for name, _ in seen.headers]
    assert seen.body == body == b"One\r\n.two\r\n"
    assert seen.macros["i"] in there.text()
    assert re.sub("D", "", seen.commands) == "OCHMRRT" + "L" * len(seen.headers) + "NBEQ"


def test_a_filter_that_need_not_answer_is_not_waited_for(node, filters):
    filter_ = filters(protocol=milter.SILENT)
    _, body = passed(node(a=filter_), letter(body=b"x" * 60 + b"\n" + b"line\n" * 100000))
    assert filter_.seen[0].body == body and len(body) > 500000


def test_a_filter_changes_the_header(node, filters):
    filter_ = filters(answers={"E": (
        milter.add("X-Last", "added\n  folded") + milter.insert(1, "X-Second", "below ours") +
        milter.insert(0, "X-First", "top") + milter.change(1, "Subject", "[spam] test") +
        milter.change(2, "X-Twice", "") + milter.change(1, "X-New", "made") + milter.CONTINUE)})
    header, _ = passed(node(a=filter_), letter(extra=b"X-Twice: 1\nX-Twice: 2\n"))
    assert header[0] == "X-First: top"
    assert header[1].startswith("Received: from ")
    assert header[2] == "X-Second: below ours"
    assert "Subject: [spam] test" in header and "X-Twice: 1" in header
    assert "X-Twice: 2" not in header
    assert header[-2:] == ["X-Last: added folded", "X-New: made"]


def test_each_filter_sees_what_the_one_before_it_made(node, filters):
    first = filters(answers={"E": (milter.replace(b"new\nbody\n") + milter.insert(0, "X-A", "1") +
                                   milter.CONTINUE)})
    second = filters(answers={"E": milter.insert(0, "X-B", "2") + milter.CONTINUE})
    header, body = passed(node(a=first, b=second))
    assert header[:2] == ["X-B: 2", "X-A: 1"] and body == b"new\r\nbody\r\n"
    assert ("X-A", "1") in second.seen[0].headers and second.seen[0].body == b"new\r\nbody\r\n"


@pytest.mark.parametrize("size", [0, 100000, 12000000])
def test_a_new_body_of_any_size(node, filters, size):
    """Above 8 MB it, and the one before it, lie in files of their own."""
    line = b"0123456789abcdef" * 4 + b"\r\n"
    filter_ = filters(answers={"E": lambda connection: connection.sendall(
        milter.replace(line * (size // len(line))) + milter.CONTINUE)})
    if size == 0:
        filter_.answers["E"] = milter.packet(b"b") + milter.CONTINUE
    data = letter(body=b"old line of the body\n" * (11000000 // 21 if size else 3))
    _, body = passed(node(a=filter_), data)
    assert filter_.seen[0].body.count(b"old line") == (11000000 // 21 if size else 3)
    assert body == line * (size // len(line))


def test_a_refusal_is_said_in_the_filters_words(node, filters):
    filter_ = filters(answers={"E": milter.reply("550 5.7.1 This is 100%% spam")})
    there = node(a=filter_)
    assert refusal(there) == (550, "5.7.1 This is 100% spam")
    filter_.answers = {"C": milter.REJECT}
    assert refusal(there)[0] == 550
    filter_.answers = {"M": milter.TEMPFAIL}
    assert refusal(there)[0] == 451
    filter_.answers = {"R": milter.reply("450 4.7.1 Greylisted")}
    assert refusal(there) == (450, "4.7.1 Greylisted")
    assert there.held() == 0 and not there.primary.taken


@pytest.mark.parametrize("answer, reason", [
    (milter.quarantine("looks odd") + milter.CONTINUE, "looks odd"),
    (milter.DISCARD, "thrown away")])
def test_what_a_filter_wants_held_waits_for_the_operator(node, filters, answer, reason):
    there = node(a=filters(answers={"E": answer}))
    there.send(letter())
    (entry,) = there.json("queue", "list", "--state", "rescued")["messages"]
    assert reason in str(there.json("queue", "show", entry["id"]))
    assert not there.primary.taken
    there.cli("queue", "release", entry["id"])
    there.primary.wait_for(1)


def test_a_domain_may_have_refusals_tagged_or_held(node, filters):
    filter_ = filters(answers={"E": milter.reply("550 5.7.1 Virus (Eicar)")})
    there = node(a=filter_, filter_reject="tag")
    header, _ = passed(there, letter(extra=b"X-Holdfast-Filter: a=forged\n"))
    assert [line for line in header if "Filter" in line] == \
        [r"X-Holdfast-Filter: a=refused (550 Virus \(Eicar\))"]
    there.cli("domain", "set", "example.org", "--set", "filter-reject=hold")
    there.send(letter())
    assert len(there.json("queue", "list", "--state", "rescued")["messages"]) == 1


def test_one_recipient_is_refused_and_the_other_gets_it(node, filters):
    filter_ = filters()
    filter_.answers["R"] = lambda connection: connection.sendall(
        milter.REJECT if filter_.seen[-1].recipients[-1] == "<no@example.org>"
        else milter.CONTINUE)
    there = node(a=filter_)
    passed(there, recipients=["no@example.org", "user@example.org"])
    (entry,) = there.json("queue", "list", "--state", "rescued")["messages"]
    shown = there.json("queue", "show", entry["id"])
    assert "no@example.org" in str(shown)
    assert refusal(there, recipients=["no@example.org"])[0] == 550


def test_each_domain_has_its_own_filters(node, filters):
    refuses = filters(answers={"E": milter.REJECT})
    passes = filters()
    there = node(a=refuses, b=passes, domains=("example.org", "example.com"))
    there.cli("domain", "set", "example.org", "--set", "filters=b")
    there.cli("domain", "set", "example.com", "--set", "filters=a")
    passed(there, recipients=["user@example.org", "user@example.com"])
    assert refuses.seen[0].recipients == ["<user@example.com>"]
    assert passes.seen[0].recipients == ["<user@example.org>"]
    (entry,) = there.json("queue", "list", "--state", "rescued")["messages"]
    assert entry["domain"] == "example.com"
    assert refusal(there, recipients=["user@example.com"])[0] == 550
    bad = there.cli("domain", "set", "example.org", "--set", "filters=nobody", check=False)
    assert bad.returncode != 0 and "there is no filter nobody" in bad.stderr


def nonsense(connection):
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def endless(connection):
    """Progress, and never an end."""
    connection.settimeout(peers.DEADLINE * peers.SLOWER)
    try:
        while True:
            connection.sendall(milter.PROGRESS * 1000)
    except OSError:
        pass


def too_many(connection):
    connection.sendall(milter.add("X-Many", "x" * 1000) * 2000 + milter.CONTINUE)


TROUBLES = {
    "hangs": {"M": milter.hang}, "hangs at the end": {"E": milter.hang},
    "closes": {"H": milter.hang_up}, "closes at the end": {"E": milter.hang_up},
    "speaks HTTP": {"O": nonsense}, "talks for ever": {"E": endless},
    "says what is not in the protocol": {"L": milter.packet(b"Z")},
    "changes before the end": {"H": milter.add("X", "y")},
    "wants too many changes": {"E": too_many},
    "names no name": {"E": milter.add("X Y", "z") + milter.CONTINUE},
    "gives half a packet": {"E": milter.add("X", "y")[:-1]},
    "refuses with a good word": {"E": milter.reply("250 fine")},
    "has an old version": {"O": milter.packet(b"O", b"\0\0\0\1" + b"\0" * 8)},
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_filter_in_trouble_is_gone_and_mail_goes_on(node, filters, trouble):
    there = node(timeout="1s", a=filters(answers=TROUBLES[trouble]), b=filters())
    header, _ = passed(there)
    (mark,) = [line for line in header if line.startswith("X-Holdfast-Filter: ")]
    assert re.fullmatch(r"X-Holdfast-Filter: a=gone \([a-z, ]+\)", mark), mark
    assert "filter_gone" in there.text()
    assert not [line for line in header if line.startswith("X-Many")]


def test_what_happens_when_a_filter_is_gone_is_the_domains_choice(node, filters):
    filter_ = filters()
    there = node(a=filter_, filter_gone="defer")
    filter_.stop()
    assert refusal(there)[0] == 451
    there.cli("domain", "set", "example.org", "--set", "filter-gone=hold")
    there.send(letter())
    assert len(there.json("queue", "list", "--state", "rescued")["messages"]) == 1
    there.cli("domain", "set", "example.org", "--set", "filter-gone=tag")
    assert "X-Holdfast-Filter: a=gone (it cannot be reached)" in passed(there)[0]
    filter_.start() # and it comes back
    assert not [line for line in passed(there, count=2)[0] if "Filter" in line]


def test_half_a_new_body_is_no_message(node, filters):
    """The old one is gone by then: the client is asked to send it again."""
    def half(connection):
        connection.sendall(milter.replace(b"x" * 70000 + b"\r\n"))
        milter.hang_up(connection)

    filter_ = filters(answers={"E": half})
    there = node(a=filter_)
    code, text = refusal(there)
    assert code == 451 and "send it again" in text
    filter_.answers = {}
    assert passed(there)[1] == b"Hello.\r\n"


def test_a_new_body_has_the_limit_of_messages(node, filters):
    filter_ = filters(answers={"E": lambda connection: connection.sendall(
        milter.replace(b"0123456789abcde\n" * 10000) + milter.CONTINUE)})
    assert refusal(node(a=filter_, smtp="message-size = 100kB"))[0] == 451


def test_a_line_that_is_no_field_hides_nothing(node, filters):
    """Whoever reads mail takes the rest of the header for the body; so do filters."""
    filter_ = filters()
    data = letter(extra=b"this is no field\nX-Hidden: virus\n")
    header, body = passed(node(a=filter_), data)
    assert b"this is no field\r\n" in filter_.seen[0].body
    assert filter_.seen[0].body.endswith(b"X-Hidden: virus\r\n\r\n" + body) or \
        b"X-Hidden: virus\r\n" in filter_.seen[0].body
    assert "this is no field" in header and "X-Hidden: virus" in header


def test_more_messages_than_filters_may_have_at_once(node, filters, load):
    """They wait for their turn; nobody is lost."""
    filter_ = filters()
    there = node(a=filter_)
    report = load(there.endpoint).run(count=300, sessions=100,
                                            recipient="user@example.org")
    peers.wait_until(lambda: len(there.primary.taken) >= 300, what="all of them")
    assert len(filter_.seen) == 300, report


def test_the_keeper_dies_while_a_filter_thinks(node, filters):
    """The client gets no 250 for what nobody has."""
    thinks, goes_on = threading.Event(), threading.Event()

    def think(connection):
        thinks.set()
        goes_on.wait(peers.DEADLINE)
        connection.sendall(milter.CONTINUE)

    there = node(a=filters(answers={"E": think}))
    got = []
    client = threading.Thread(target=lambda: got.append(refusal(there)))
    client.start()
    assert thinks.wait(peers.DEADLINE)
    os.kill(there.pids()["keeper-1"], signal.SIGKILL)
    client.join(peers.DEADLINE)
    goes_on.set()
    assert got[0][0] == 451


def pid_of(node, role):
    (pid,) = [pid for name, pid in node.pids().items() if name.startswith(role)]
    return pid


@pytest.mark.parametrize("names", [["a"], ["b", "a"]])
def test_who_refuses_after_a_new_body_has_spoiled_the_old_one(node, filters, names):
    """Nothing is left that could be taken where a refusal is not the last word."""
    spoils = filters(answers={"E": milter.replace(b"new\n") + milter.add("X-A", "b") +
                              milter.REJECT})
    there = node(a=spoils, b=filters(), filter_reject="tag", names=names)
    code, text = refusal(there)
    assert code == 451 and "send it again" in text
    there.cli("domain", "set", "example.org", "--set", "filter-reject=refuse")
    assert refusal(there)[0] == 550
    assert not there.primary.taken


def test_a_reload_while_a_filter_thinks(node, filters):
    asked, goes_on = threading.Event(), threading.Event()

    def negotiate(connection):
        asked.set()
        goes_on.wait(peers.DEADLINE)
        connection.sendall(milter.packet(b"O", struct.pack("!III", 6, milter.ALL_ACTIONS, 0)))

    filter_ = filters(answers={"O": negotiate})
    there = node(a=filter_)
    client = threading.Thread(target=lambda: there.send(letter()))
    client.start()
    assert asked.wait(peers.DEADLINE)
    there.reload()
    goes_on.set()
    client.join(peers.DEADLINE)
    there.primary.wait_for(1)
    assert filter_.seen[0].macros["j"] == "mx2.example.net"


def test_a_piece_of_the_body_that_comes_late_is_not_the_next_filters(node, filters):
    keeper = []

    def dies(connection):
        """Once it has had a piece, and the next one is on its way."""
        os.kill(keeper[0], signal.SIGSTOP)
        connection.sendall(milter.CONTINUE)
        while len(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)) > 0:
            pass

    def dies_quietly(connection):
        with contextlib.suppress(BlockingIOError):
            dies(connection)
        milter.hang_up(connection)

    def goes_on(connection):
        os.kill(keeper[0], signal.SIGCONT)
        connection.sendall(milter.CONTINUE)

    second = filters(answers={"N": goes_on})
    there = node(a=filters(answers={"B": dies_quietly}), b=second)
    keeper.append(pid_of(there, "keeper"))
    body = b"".join(b"%07d\n" % i for i in range(40000))
    _, got = passed(there, letter(body=body))
    assert second.seen[0].body == got


def test_a_recipient_who_was_refused_stays_refused(node, filters):
    filter_ = filters(answers={"E": milter.hang_up})
    filter_.answers["R"] = lambda connection: connection.sendall(
        milter.reply("550 5.1.1 never") if filter_.seen[-1].recipients[-1] == "<no@example.org>"
        else milter.CONTINUE)
    there = node(a=filter_)
    passed(there, recipients=["no@example.org", "user@example.org"])
    (entry,) = there.json("queue", "list", "--state", "rescued")["messages"]
    assert "no@example.org" in str(there.json("queue", "show", entry["id"]))


def test_without_a_free_descriptor_the_filter_is_gone(node, filters, state):
    limited = state / "holdfast-with-few-descriptors"
    limited.write_text(f'#!/bin/sh\nulimit -n 40\nexec {peers.BUILD / "holdfast"} "$@"\n')
    limited.chmod(0o755)
    there = node(a=filters(), smtp="sessions-per-client = 500", binary=limited)
    with there.connect() as client, contextlib.ExitStack() as others:
        client.hello()
        for line in (f"MAIL FROM:<{SENDER}>", "RCPT TO:<user@example.org>", "DATA"):
            client.ask(line)
        while "accept_failed" not in there.text():
            others.enter_context(socket.create_connection((there.address, there.port), 5))
        client.write(letter())
        assert client.ask(".")[0] == 250
    assert "leash_broken" not in there.text() and "filter_gone" in there.text()


def test_turns_go_to_who_has_waited_longest(holdfast, recorder, filters):
    """Also when many end at once, as many others begin."""
    lock, let_go = threading.Lock(), threading.Event()
    thinking, most = [0], [0]

    def think(connection):
        with lock:
            thinking[0] += 1
            most[0] = max(most[0], thinking[0])
        if let_go.wait(peers.DEADLINE):
            barrier.wait(peers.DEADLINE)
        with lock:
            thinking[0] -= 1
        connection.sendall(milter.CONTINUE)

    barrier = threading.Barrier(30)  # those that come later wait for each other
    there = holdfast({}, top="receivers = 1", smtp="sessions-per-client = 500",
                     sections='filter { milters = {"a=%s"} timeout = 60s }'
                     % filters(answers={"E": think}).where)
    primary = recorder()
    there.add("example.org", primary.endpoint, check_senders="no", filters="a")
    clients = [threading.Thread(target=lambda: there.send(letter())) for _ in range(90)]
    for client in clients:
        client.start()
    peers.wait_until(lambda: thinking[0] == 50, what="fifty at once")
    receiver = pid_of(there, "receiver")
    os.kill(receiver, signal.SIGSTOP)  # all answers find it in one turn
    let_go.set()
    peers.wait_until(lambda: thinking[0] <= 20, what="thirty answers")
    os.kill(receiver, signal.SIGCONT)
    for client in clients:
        client.join(peers.DEADLINE * peers.SLOWER)
    primary.wait_for(90)
    assert most[0] == 50 and "filter_gone" not in there.text()


def test_a_line_that_is_no_field_lets_nobody_speak_in_our_name(node, filters):
    forged = ("this is no field\nX-Holdfast-Filter: a=passed\n"
              "Authentication-Results: mx2.example.net; dkim=pass\n").encode()
    header, _ = passed(node(a=filters()), letter(extra=forged))
    assert "this is no field" in header
    assert not [line for line in header if line.startswith(("X-Holdfast", "Authentication-"))]


@pytest.mark.parametrize("wants, there_is", [
    (milter.add("X-Spam", "yes"), b"buy\r\nX-Spam: yes\r\n"),
    (milter.replace(b"new\n"), b"buy\r\n\r\nnew\r\n")])
def test_a_header_that_does_not_end_swallows_nothing(node, filters, wants, there_is):
    there = node(a=filters(answers={"E": wants + milter.CONTINUE}))
    data = b"From: a@client.example\r\nSubject: buy"
    with there.connect() as client:
        client.hello()
        client.ask(f"MAIL FROM:<{SENDER}>")
        client.ask("RCPT TO:<user@example.org>")
        client.write(b"BDAT %d LAST\r\n" % len(data) + data)
        assert client.reply()[0] == 250
    assert there_is in there.primary.wait_for(1)


def test_those_who_wait_for_a_filter_keep_nobody_from_coming_in(holdfast, recorder, filters):
    """Whole messages leave memory."""
    filter_ = filters(answers={"E": milter.hang})
    there = holdfast({}, top="receivers = 1\nstore { memory = 16MB }", smtp="message-size = 10MB",
                     sections=f'filter {{ milters = {{"a={filter_.where}"}} timeout = 60s }}')
    primary = recorder()
    there.add("example.org", primary.endpoint, check_senders="no", filters="a")
    there.add("example.com", primary.endpoint, check_senders="no")
    large = letter(body=b"0123456789abcdef0123456789abcdef\n" * 220000)
    def come():
        with contextlib.suppress(smtplib.SMTPServerDisconnected):  # at the test's end
            there.send(large)

    clients = [threading.Thread(target=come, daemon=True) for _ in range(4)]
    for client in clients:
        client.start()
    peers.wait_until(lambda: sum("E" in seen.commands for seen in filter_.seen) == 4,
                     what="all of them to wait")
    there.send(letter(body=b"line\n" * 100000), "user@example.com")
    primary.wait_for(1)
    assert "filter_gone" not in there.text()


def test_a_refusal_in_time_counts_though_the_turn_is_late(node, filters):
    def answers(connection):
        receiver = pid_of(there, "receiver")
        os.kill(receiver, signal.SIGSTOP)
        connection.sendall(milter.reply("550 5.7.1 virus"))
        threading.Timer(1.5, os.kill, (receiver, signal.SIGCONT)).start()

    there = node(timeout="1s", a=filters(answers={"E": answers}))
    assert refusal(there)[0] == 550


def test_a_filter_that_is_not_configured_any_more(node, filters):
    there = node(a=filters())
    there.write_config(sections="filter { timeout = 5s }")
    there.reload()
    peers.wait_until(lambda: "filter_missing" in there.text(), what="the warning")
    there.cli("domain", "set", "example.org", "--set", "hold=3d")
    assert "X-Holdfast-Filter: a=gone (there is no such filter)" in passed(there)[0]


def test_a_filter_hears_macros_of_what_it_declines(node, filters):
    """It asks for nothing but the end, and is told all the same who sent what."""
    filter_ = filters(protocol=0x37f)
    passed(node(a=filter_))
    (seen,) = filter_.seen
    assert re.sub("D", "", seen.commands) == "OEQ"
    assert seen.macros["{client_addr}"] == "127.0.0.1" and seen.macros["{mail_addr}"] == SENDER
    assert seen.offered == 0x1ff  # libmilter lets no filter in that is not offered what it may want


# ---- those that people use --------------------------------------------------------------

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """(the private one, the DNS record of the public one)"""
    private = tmp_path_factory.mktemp("key") / "private.pem"
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-outform", "DER"],
                            check=True, capture_output=True).stdout
    text = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
    return private.read_bytes(), text


@pytest.fixture(scope="module")
def programs(key):
    """programs(peers.Rspamd, …): the same one for all tests that ask for the same."""
    state = peers.state_folder()
    dns = peers.Nsd(state / "dns")
    pieces = " ".join(f'"{key[1][i:i + 200]}"' for i in range(0, len(key[1]), 200))
    dns.zone("client.example", ['@ IN TXT "v=spf1 ip4:127.0.0.66 -all"',
                                f"test._domainkey IN TXT {pieces}"])
    dns.start()
    made = {}

    def make(kind, what=None, **options):
        name = f"{kind.__name__}{options}"
        if name not in made:
            made[name] = kind(state / str(len(made)), what or dns.endpoint, **options).start()
        return made[name]

    yield make
    for server in made.values():
        server.stop()
    dns.stop()
    shutil.rmtree(state, ignore_errors=True)


def test_rspamd_refuses_spam_and_marks_the_rest(node, programs):
    there = node(timeout="30s", rspamd=programs(peers.Rspamd))
    assert refusal(there, data=letter(body=GTUBE)) == (554, "5.7.1 Gtube pattern")
    header, _ = passed(there, source="127.0.0.77")
    (said,) = [line for line in header if line.startswith("X-Spamd-Result: ")]
    assert "R_SPF_FAIL" in said
    header, _ = passed(there, count=2, source="127.0.0.66")
    assert "R_SPF_ALLOW" in str([line for line in header if line.startswith("X-Spamd-Result: ")])


def test_opendkim_verifies_what_came_and_rspamd_what_opendkim_left(node, programs, key):
    dkim = pytest.importorskip("dkim")
    keys = {"test._domainkey.client.example": key[1]}
    there = node(timeout="30s", opendkim=programs(peers.OpenDkim, keys),
                 rspamd=programs(peers.Rspamd))
    data = letter(body=b"Signed.\n\n spaces  \n", extra=b"X-Folded: one\n  two\n")
    signed = dkim.sign(data, b"test", b"client.example", key[0], canonicalize=(b"simple", b"simple"),
                       include_headers=[b"from", b"subject", b"x-folded"]) + data
    header, _ = passed(there, signed, source="127.0.0.66")
    (found,) = [line for line in header if line.startswith("Authentication-Results: opendkim")]
    assert "dkim=pass" in found and "header.d=client.example" in found
    assert "R_DKIM_ALLOW" in str([line for line in header if line.startswith("X-Spamd-Result")])


def test_rspamd_at_the_primary_finds_the_original_client(holdfast, postfix, programs):
    """Held during an outage, judged there as if it had come straight."""
    rspamd = programs(peers.Rspamd, hops=1)
    primary = postfix(settings={"smtpd_milters": f"inet:{rspamd.where}",
                                "milter_default_action": "tempfail"})
    there = holdfast({"example.org": primary.endpoint}, defaults="check-senders = no")
    for source in ("127.0.0.66", "127.0.0.77"):
        there.send(letter(), source=source)
    primary.start()
    peers.wait_until(lambda: primary.count() == 2, 60, "both at the primary")
    said = {re.search(rb"client.example \(\S+ \[(127[0-9.]+)\]\)", content)[1].decode(): content
            for _, content in primary.delivered()}
    assert b"R_SPF_ALLOW" in said["127.0.0.66"] and b"R_SPF_FAIL" in said["127.0.0.77"]
