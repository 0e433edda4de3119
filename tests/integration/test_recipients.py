# SPDX-License-Identifier: ISC
"""Recipients are learned while the primary is up and remembered when it is down (SPEC V1–V10)."""
import concurrent.futures
import sqlite3
import time

import pytest

import peers

pytestmark = pytest.mark.hostile


def ask(node, *addresses, sender="somebody@client.example", source=None):
    """The reply to RCPT for each: [(code, text)]."""
    with peers.Raw(node.address, node.port, source=source) as client:
        client.hello()
        assert client.ask(f"MAIL FROM:<{sender}>")[0] == 250
        replies = [client.ask(f"RCPT TO:<{address}>") for address in addresses]
        client.ask("QUIT")
    return replies


def codes(node, *addresses, **options):
    return [code for code, *_ in ask(node, *addresses, **options)]


def up(node):
    peers.wait_until(lambda: node.state_of() == "up", what="the primary to be up")


def down(node):
    peers.wait_until(lambda: node.state_of() == "down", what="the primary to be down")


QUICK = 'probe-interval = "1s" probe-interval-up = "10s" probes-down = 1'


@pytest.mark.plain
def test_the_story_with_postfix(holdfast, postfix, nsd, recorder):
    """Only the domain is given: users are learned and remembered, across a crash and five days; their
    mail comes home, and of who was not there only a proved sender hears."""
    if not peers.IS_ROOT:
        pytest.skip("needs root for port 25")
    nsd.zone("sender.example", ['@ IN TXT "v=spf1 ip4:127.0.0.66 -all"', "@ IN MX 10 mx",
                                "mx IN A 127.0.0.39"])
    nsd.zone("example.org", ["@ IN A 192.0.2.1"])
    nsd.start()
    taker = recorder("127.0.0.39", start=False)
    taker.port = 25
    taker.start()
    primary = postfix(settings={"virtual_mailbox_maps":
                                "inline:{anna@example.org=ok, otto@example.org=ok}"})
    primary.start()
    node = holdfast(dns=f'servers = {{"{nsd.endpoint}"}}',
                    defaults=QUICK + ' hold = "10d" spf-fail = "tag"')
    node.add("example.org", primary.endpoint)
    up(node)
    assert codes(node, "anna@example.org", "otto@example.org", "nobody@example.org") == \
        [250, 250, 550]
    primary.stop()
    down(node)
    assert codes(node, "Anna@example.org", "nobody@example.org", "never@example.org") == \
        [250, 550, 250]
    for user, source in (("anna", "127.0.0.66"), ("otto", "127.0.0.77"), ("never", "127.0.0.66"),
                         ("never", "127.0.0.77")):
        peers.send(node.address, node.port, "alice@sender.example", f"{user}@example.org",
                   peers.message(subject=user, sender="alice@sender.example")[1], source=source)
    node.crash()
    node.ahead_days = 5
    node.start()
    down(node)
    assert codes(node, "anna@example.org", "nobody@example.org", "other@example.org") == \
        [250, 550, 250]
    assert node.held() == 4
    primary.start()
    peers.wait_until(lambda: node.held() == 0, 60, "the drain")
    peers.wait_until(lambda: primary.count() == 2, what="both messages at Dovecot")
    rescued = node.json("queue", "list", "--domain", "example.org", "--state", "rescued")
    assert len(rescued["messages"]) == 2
    peers.wait_until(lambda: "notice_withheld" in node.text(), what="the word on the forged one")
    taker.wait_for(1)
    notice = b"".join(taker.taken)
    assert b"Final-Recipient: rfc822; never@example.org" in notice and b"Action: failed" in notice
    assert node.text().count(" notice_sent ") == 1 and len(taker.taken) == 1


def test_a_question_is_polite(holdfast, primary):
    """EHLO, MAIL, RCPT, RSET, QUIT; never DATA; one for all who ask at once; the session is kept.

    A network may ask for twenty unknown ones in an hour, and the control is one of them."""
    server = primary("anna")
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK)
    up(node)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        said = list(pool.map(lambda _: codes(node, "nobody@example.org"), range(19)))
    assert said == [[550]] * 19
    assert codes(node, *["anna@example.org"] * 20, source="127.0.9.9") == [250] * 20
    assert server.asked.count("nobody@example.org") == 1
    assert server.asked.count("anna@example.org") == 1
    talks = [talk for talk in server.dialogues if any(line[:4] == "RCPT" for line in talk)]
    peers.wait_until(lambda: all(talk[-1] == "QUIT" for talk in talks), what="QUIT")
    for talk in talks:
        assert talk[0] == "EHLO mx2.example.net"
        assert {line[:4] for line in talk} <= {"EHLO", "MAIL", "RCPT", "RSET", "QUIT"}
        assert {line for line in talk if line[:4] == "MAIL"} == \
            {"MAIL FROM:<postmaster@mx2.example.net>"}
    assert len(talks) == 1


def test_the_empty_sender_can_be_chosen(holdfast, primary):
    server = primary("anna")
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK,
                    sections='callout { sender = "<>" }')
    up(node)
    assert codes(node, "anna@example.org") == [250]
    assert "MAIL FROM:<>" in sum(server.dialogues, [])


def size_of(client):
    """What EHLO says of SIZE."""
    return next(line.split()[1] for line in client.ask("EHLO client.example")[1].splitlines()
                if line.startswith("SIZE"))


def test_the_size_that_a_primary_takes_is_ours(holdfast, postfix, sink):
    """SPEC R5: learned from its greeting, also while it is down, and after a crash."""
    primary = postfix(settings={"message_size_limit": 20000})
    primary.start()
    node = holdfast({"example.org": primary.endpoint}, defaults=QUICK)
    up(node)

    def is_mirrored():
        with node.connect() as client:
            client.reply()
            size = size_of(client)
            return size == "20000" and client.ask("MAIL FROM:<a@client.example> SIZE=20001")[:2]
    assert peers.wait_until(is_mirrored, what="the size")[0] == 552
    primary.stop()
    down(node)
    node.crash()
    node.start()
    down(node)
    code, text = peers.wait_until(is_mirrored, what="the size")
    assert (code, "5.3.4" in text) == (552, True)

    other = sink()  # takes more: what counts is whose mail it is
    node.add("example.com", other.endpoint)
    peers.wait_until(lambda: node.state_of("example.com") == "up", what="the other")
    with node.connect() as client:
        client.reply()
        assert int(size_of(client)) > 20001
        assert client.ask("MAIL FROM:<a@client.example> SIZE=20001")[0] == 250
        code, text = client.ask("RCPT TO:<a@example.org>")
        assert (code, "example.org takes no message of more than 20000" in text) == (552, True)
        assert client.ask("RCPT TO:<a@example.com>")[0] == 250
        client.ask("RSET")
        assert client.ask("MAIL FROM:<a@client.example> SIZE=20000")[0] == 250
        assert client.ask("RCPT TO:<a@example.org>")[0] == 250
        client.ask("RSET")


def test_what_another_primary_takes_is_not_known(holdfast, postfix):
    """What the one before took is not asked of its successor, of whom nothing was heard yet."""
    def size(node):
        with node.connect() as client:
            client.reply()
            return int(size_of(client))
    before = postfix(settings={"message_size_limit": 20000})
    before.start()
    node = holdfast({"example.org": before.endpoint}, defaults=QUICK)
    peers.wait_until(lambda: size(node) == 20000, what="its size")
    node.cli("domain", "set", "example.org", "--set", "hold=4d")
    assert size(node) == 20000  # it is the same one still
    before.stop()
    node.cli("domain", "set", "example.org", "--primary", f"127.0.0.1:{peers.free_port()}")
    peers.wait_until(lambda: size(node) > 20000, what="that it is forgotten")
    node.crash()
    node.start()
    assert size(node) > 20000


def write_users(file, *names):
    """A table of Postfix; it is read anew when Postfix is told to."""
    file.write_text("".join(f"{name}@example.org ok\n" for name in names))
    return {"virtual_mailbox_maps": f"texthash:{file}"}


@pytest.mark.plain
def test_a_new_mailbox_is_found_after_five_minutes(holdfast, postfix, tmp_path):
    """Of a clock that runs sixty times faster: five seconds."""
    file = tmp_path / "users"
    tmp_path.chmod(0o755)
    primary = postfix(settings=write_users(file, "anna"))
    primary.start()
    node = holdfast({"example.org": primary.endpoint}, speed=60)
    up(node)
    # An answer has a tenth of a second by this clock: a busy machine needs more than one try.
    peers.wait_until(lambda: codes(node, "anna@example.org", "nina@example.org") == [250, 550], what="answers")
    began = time.monotonic()
    write_users(file, "anna", "nina")
    primary.run("reload")
    if codes(node, "nina@example.org") == [250]:  # a slow machine took five seconds to get here
        assert time.monotonic() - began >= 4.5
    peers.wait_until(lambda: codes(node, "nina@example.org") == [250], 15, "the mailbox",
                     every=1)
    assert 4.5 <= time.monotonic() - began


def test_a_dictionary_gets_twenty_answers(holdfast, primary, full):
    server = primary("anna")
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK)
    up(node)
    said = []
    for start in range(0, full(10000, 500), 100):
        said += codes(node, *[f"word{i}@example.org" for i in range(start, start + 100)])
    assert set(said) == {450, 550}
    assert said.count(550) <= 20
    assert len(server.asked) <= 20
    assert codes(node, "anna@example.org", source="127.0.9.9") == [250]


LIES = {
    "550 to all": {"rcpt": "550 5.7.1 Go away", "unknown": "550 5.7.1 Go away"},
    "bare 550 to all": {"rcpt": "550 no", "unknown": "550 no"},
    "554 at the banner": {"banner": "554 5.7.1 Blocked"},
    "421 at the banner": {"banner": "421 4.3.2 Busy"},
    "550 at MAIL": {"mail": "550 5.7.1 Blocked"},
    "hangs up at RCPT": {"rcpt": None, "unknown": None},
    "nonsense": {"rcpt": "hello", "unknown": "\x00\xff" * 100},
    "endless": {"rcpt": "250-" + "x" * 400 + "\r\n250-more" * 5000, "unknown": "250-x\r\n" * 5000},
    "4xx to all": {"rcpt": "450 4.2.0 Later", "unknown": "450 4.2.0 Later"},
}


@pytest.mark.parametrize("lie", LIES)
def test_whatever_a_primary_says_who_is_known_is_served(holdfast, primary, lie):
    """A ban, a lie, an accident: no known recipient is refused, and what is known stays."""
    server = primary("anna", "otto")
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK)
    up(node)
    assert codes(node, "anna@example.org", "otto@example.org") == [250, 250]
    server.says = LIES[lie]
    server.hang_up()
    assert codes(node, "new@example.org", "anna@example.org")[1] == 250
    said = codes(node, "new@example.org", "anna@example.org", "otto@example.org")
    assert said[1:] == [250, 250]
    assert said[0] in (250, 450)
    server.says = {}
    assert codes(node, "anna@example.org", "otto@example.org") == [250, 250]


def test_a_primary_that_refuses_us_is_known_to(holdfast, primary):
    server = primary("anna")
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK)
    up(node)
    assert codes(node, "anna@example.org") == [250]
    server.says = {"mail": "550 5.7.1 You are banned"}
    assert codes(node, "new@example.org", "anna@example.org") == [250, 250]
    peers.wait_until(lambda: "primary_refuses_us" in node.text(), what="the alarm")


def test_a_primary_that_hangs_is_not_waited_for(holdfast, primary):
    server = primary("anna")
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK + ' callout-limit = "1s"')
    up(node)
    server.says = {"unknown": "…"}
    began = time.monotonic()
    assert codes(node, "new@example.org") == [450]
    assert time.monotonic() - began < 5 * peers.SLOWER
    assert codes(node, "anna@example.org") in ([250], [450])


def test_mail_that_was_delivered_teaches(holdfast, primary):
    server = primary("anna", start=False)
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK)
    down(node)
    node.send(peers.message()[1], "anna@example.org")
    server.start()
    peers.wait_until(lambda: server.recipients() == ["anna@example.org"], what="the delivery")
    peers.wait_until(lambda: node.held() == 0, what="its record")
    server.stop()
    down(node)
    node.cli("domain", "set", "example.org", "--set", "suspects=refuse")
    assert codes(node, "anna@example.org", "nobody@example.org") == [250, 550]


def test_a_domain_that_takes_all_is_found_out(holdfast, sink):
    server = sink()
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK)
    up(node)
    assert codes(node, *[f"any{i}@example.org" for i in range(50)]) == [250] * 50
    node.cli("domain", "set", "example.org", "--set", "suspects=refuse")
    server.stop()
    down(node)
    assert codes(node, "whoever@example.org") == [250]


def test_damage_to_the_cache_is_mended(holdfast, primary):
    """Its pages are overwritten; acceptance goes on, and what was known is learned again."""
    server = primary("anna")
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK)
    up(node)
    assert codes(node, "anna@example.org") == [250]
    node.stop()
    path = node.data / "directory.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'recipient'") \
            .fetchone()[0]
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    node.start()
    peers.wait_until(lambda: "directory-rebuilt" in node.text(), what="the rebuilding")
    up(node)
    assert codes(node, "anna@example.org", "nobody@example.org") == [250, 550]


def test_suspects_of_proved_senders_alone(holdfast, nsd, recorder):
    """SPEC V4, the stricter mode: who is not known gets mail only from who is."""
    nsd.zone("sender.example", ['@ IN TXT "v=spf1 ip4:127.0.0.66 -all"'])
    nsd.zone("example.org", ["@ IN A 192.0.2.1"])
    nsd.start()
    nobody = {"*": "550 5.1.1 No such user", "known@example.org": None}
    primary = recorder(refuse=nobody)
    node = holdfast({"example.org": primary.endpoint}, dns=f'servers = {{"{nsd.endpoint}"}}',
                    defaults=QUICK + ' suspects = "prove" check-senders = "no"')
    up(node)
    node.send(peers.message()[1], "known@example.org")
    primary.wait_for(1)
    primary.stop()
    down(node)
    sender = "alice@sender.example"

    def send(recipients, source):
        return peers.send(node.address, node.port, sender, recipients,
                          peers.message(sender=sender)[1], source=source)
    send("new@example.org", "127.0.0.66")
    assert node.held() == 1
    with pytest.raises(peers.smtplib.SMTPDataError) as refused:
        send("other@example.org", "127.0.0.77")
    assert refused.value.smtp_code == 450 and b"answers for you" in refused.value.smtp_error
    with pytest.raises(peers.smtplib.SMTPDataError):  # the receiver knows him by now
        send("new@example.org", "127.0.0.77")
    assert node.held() == 1
    send("known@example.org", "127.0.0.77")
    send(["known@example.org", "third@example.org"], "127.0.0.77")  # the third is held back
    assert node.held() == 3
    primary.refuse = {}
    primary.start()
    peers.wait_until(lambda: node.held() == 0, what="the drain")
    primary.wait_for(4)
    rescued, = node.json("queue", "list", "--state", "rescued")["messages"]
    assert "third@example.org" in str(node.json("queue", "show", rescued["id"]))


def test_suspects_are_bounded(holdfast, primary):
    server = primary(start=False)
    node = holdfast({"example.org": server.endpoint},
                    defaults=QUICK + " suspects-per-network = 3 suspects-per-domain = 5")
    down(node)
    assert codes(node, *[f"s{i}@example.org" for i in range(5)]) == [250] * 3 + [450] * 2
    assert codes(node, *[f"t{i}@example.org" for i in range(5)], source="127.0.7.1") == \
        [250] * 2 + [450] * 3


def test_a_domain_at_its_quota_is_alone(holdfast, primary):
    """452 for its mail, and for no other's; told at four fifths; room again after the drain."""
    server = primary("user", start=False)
    node = holdfast({"example.org": server.endpoint, "example.net": server.endpoint}, defaults=QUICK)
    node.cli("domain", "set", "example.org", "--set", "quota-messages=10")
    for _ in range(10):
        node.send(peers.message()[1], "user@example.org")
    peers.wait_until(lambda: "level=near" in node.text() and "level=full" in node.text(),
                     what="the quota's words")
    assert codes(node, "user@example.org", "user@example.net") == [452, 250]
    server.users.add("user@example.net")
    server.start()
    peers.wait_until(lambda: node.held() == 0, what="the drain")
    assert codes(node, "user@example.org") == [250]
    node.cli("domain", "set", "example.net", "--set", "quota-per-hour=3")
    for _ in range(3):
        node.send(peers.message()[1], "user@example.net")
    assert codes(node, "user@example.net", "user@example.org") == [452, 250]


def test_mail_is_taken_only_while_the_primary_is_down(holdfast, primary):
    server = primary("anna")
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK + ' accept = "when-down"')
    up(node)
    began = time.monotonic()
    (code, text), = ask(node, "anna@example.org")
    assert code == 451 and text.startswith("4.3.2"), text
    assert time.monotonic() - began < peers.SLOWER
    server.stop()
    down(node)
    assert codes(node, "anna@example.org") == [250]


def recipients(node, *words):
    return {one["address"]: one for one in
            node.json("recipient", "list", "--domain", "example.org", *words)["recipients"]}


def test_the_operator_sees_asks_and_settles(holdfast, primary):
    server = primary("anna", "otto")
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK)
    up(node)
    said = node.json("verify", "anna@example.org")
    assert (said["reading"], said["accepted"], said["known"]) == ("valid", True, None)
    assert node.cli("verify", "nobody@example.org", check=False).returncode == 1
    known = recipients(node)
    assert {name: one["state"] for name, one in known.items()} == \
        {"anna@example.org": "valid", "nobody@example.org": "invalid"}
    assert known["anna@example.org"]["source"] == "probe"
    assert list(recipients(node, "--state", "invalid")) == ["nobody@example.org"]
    assert list(recipients(node, "--match", "ANN")) == ["anna@example.org"]
    node.cli("recipient", "pin", "nobody@example.org")
    assert codes(node, "nobody@example.org") == [250]
    node.cli("recipient", "pin", "anna@example.org", "--invalid")
    assert codes(node, "anna@example.org") == [550]
    node.cli("recipient", "forget", "anna@example.org")
    assert codes(node, "anna@example.org") == [250]
    assert node.domain()["recipients"]["asked"] is True
    server.stop()
    down(node)
    done = node.cli("verify", "new@example.org", check=False)
    assert done.returncode == 2 and "cannot be asked" in done.stdout, done.stdout


def test_a_list_is_compared_and_taken(holdfast, primary, state):
    server = primary(start=False)
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK + ' suspects = "refuse"')
    down(node)
    path = state / "list.csv"
    path.write_text("Name,Mail\n" + "".join(f'"U, {i}",u{i}@example.org\n' for i in range(10)))
    looked = node.json("recipient", "import", path, "--domain", "example.org", "--dry-run")
    assert (looked["added"], looked["gone"], looked["done"]) == (10, 0, False)
    assert codes(node, "u1@example.org") == [550]
    node.cli("recipient", "import", path, "--domain", "example.org")
    assert codes(node, "u1@example.org", "U9@example.org", "x@example.org") == [250, 250, 550]
    path.write_text("".join(f"u{i}@example.org OK\n" for i in range(6)))
    refused = node.cli("recipient", "import", path, "--domain", "example.org", check=False)
    assert refused.returncode == 1 and "--force" in refused.stderr, refused
    assert codes(node, "u9@example.org") == [250]
    node.cli("recipient", "import", path, "--domain", "example.org", "--force")
    node.crash()
    node.start()
    assert codes(node, "u1@example.org", "u9@example.org") == [250, 550]


@pytest.mark.plain
def test_a_list_of_a_hundred_thousand(holdfast, primary, state, full):
    count = full(200_000, 50_000)
    server = primary(start=False)
    node = holdfast({"example.org": server.endpoint}, defaults=QUICK)
    path = state / "list"
    path.write_text("".join(f"u{i}@example.org\n" for i in range(count)))
    began = time.monotonic()
    node.cli("recipient", "import", path, "--domain", "example.org", seconds=120)
    assert time.monotonic() - began < 20 * peers.SLOWER
    peers.wait_until(lambda: node.domain()["recipients"]["valid"] == count, what="all of them")
    node.stop()
    node.start(seconds=60)
    assert node.domain()["recipients"]["valid"] == count
    page = node.json("recipient", "list", "--domain", "example.org", "--limit", "10")
    assert len(page["recipients"]) == 10 and page["after"] == page["recipients"][-1]["address"]
