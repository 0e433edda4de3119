# SPDX-License-Identifier: ISC
"""What senders are told of their mail (SPEC N1, N2, N4, N5, N7, N8, H3), with real DNS between a
sender's domain, us and a primary of many tempers; and that nobody else is told anything."""
import contextlib
import os
import random
import signal
import smtplib
import time

import pytest

import peers
from test_notices_form import groups_of, lint, parse, perl, text_of

pytestmark = pytest.mark.hostile

ALLOWED, STRANGER, TAKER = "127.0.0.66", "127.0.0.77", "127.0.0.29"
SENDER = "alice@sender.example"
NO_USER = "550 5.1.1 <nobody> No such user"
# A primary that refuses everybody is not believed (P5); these it takes.
SANE = {"postmaster@example.org": None, "bob@example.org": None}
SPEED = 300  # of a clock: an hour in twelve seconds


@pytest.fixture
def dns(nsd):
    """sender.example says who may send for it, and where its mail goes."""
    nsd.zone("sender.example", [f'@ IN TXT "v=spf1 ip4:{ALLOWED} -all"', "@ IN MX 10 mx",
                                f"mx IN A {TAKER}"])
    nsd.zone("example.org", ["@ IN A 192.0.2.1"])
    nsd.start()
    return nsd


@pytest.fixture
def taker(recorder):
    """Where the sender gets his mail: port 25."""
    if not peers.IS_ROOT:
        pytest.skip("needs root for port 25")
    made = recorder(TAKER, start=False)
    made.port = 25
    return made.start()


@pytest.fixture
def node(holdfast, dns):
    def make(primary, speed=1, **settings):
        made = holdfast(dns=f'servers = {{"{dns.endpoint}"}}', speed=speed,
                        top='log { level = "debug" }',
                        # Refusals come with the delivery here: who is not there is not asked about.
                        defaults='verify-recipients = "no"')
        made.dns = dns
        made.add("example.org", primary.endpoint, **settings)
        return made
    return make


def send(node, recipients="nobody@example.org", source=ALLOWED, extra=b"", subject="Hello",
         sender=SENDER, mail=(), rcpt=()):
    name, data = peers.message(subject, sender=sender, extra=extra)
    with smtplib.SMTP(node.address, node.port, "client.example", 60,
                      source_address=(source, 0)) as client:
        client.sendmail(sender, recipients, data, mail_options=list(mail), rcpt_options=list(rcpt))
    return name


def send_among_others(node, *recipients, **options):
    """The primary takes one before, and one after: what it refuses in between is believed."""
    send(node, "bob@example.org")
    send(node, *recipients, **options)
    send(node, "bob@example.org")


def send_at_last(node, *recipients):
    """To a node whose clock is so fast that it may not answer itself in time."""
    def is_taken():
        with contextlib.suppress(smtplib.SMTPException):
            return send(node, *recipients)
    peers.wait_until(is_taken, what="the message to be taken", every=0.5)


def rescued(node):
    return node.json("queue", "list", "--state", "rescued")["messages"]


def wait_for_rescue(node, count=1):
    return peers.wait_until(lambda: len(rescued(node)) >= count and rescued(node), 60,
                            f"{count} messages in the rescue store")


def events(node, name):
    return [line for line in node.text().splitlines() if f" {name} " in line]


def notice(taker, count=1):
    """The one with this number, from 1."""
    peers.wait_until(lambda: len(taker.taken) >= count, 60, f"{count} notices")
    return parse(taker.taken[count - 1])


# ---- failures ----


@pytest.mark.timeout(180 * peers.SLOWER)
def test_who_was_proved_is_told_of_a_refusal(node, recorder, taker, tmp_path):
    primary = recorder(refuse={"nobody@example.org": NO_USER})
    there = node(primary, contact="+49 30 12345")
    send(there, ["nobody@example.org", "bob@example.org"], extra=b"Content-Language: de\n",
         subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=", mail=["ENVID=QQ+2B1"],
         rcpt=["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;Nobody@example.org"])
    primary.wait_for(1)
    message = notice(taker)
    whole, nobody = groups_of(message)
    now = time.time()
    lint_now(groups_of(message))
    assert message["To"] == SENDER and message["Auto-Submitted"] == "auto-replied"
    assert "MAIL FROM:<>" in " ".join(taker.commands)
    assert whole["original-envelope-id"] == "QQ+1"
    assert whole["reporting-mta"] == "dns; mx2.example.net"
    assert nobody["final-recipient"] == "rfc822; nobody@example.org"
    assert nobody["original-recipient"] == "rfc822; Nobody@example.org"
    assert (nobody["action"], nobody["status"]) == ("failed", "5.1.1")
    assert nobody["diagnostic-code"] == "smtp; 550 5.1.1 <nobody> No such user"
    assert "remote-mta" in nobody
    import email.utils  # noqa: PLC0415
    for moment in (whole["arrival-date"], nobody["last-attempt-date"]):
        assert abs(email.utils.parsedate_to_datetime(moment).timestamp() - now) < 300
    assert message.get_payload(0)["Content-Language"] == "de"
    assert "Grüße" in text_of(message) and "nobody@example.org" in text_of(message)
    assert "bob@example.org" not in text_of(message)
    (kept,) = wait_for_rescue(there)
    assert kept["rescued"] == 1 and kept["pending"] == 0
    assert len(events(there, "notice_sent")) == 1 and "kind=failed" in events(there, "notice_sent")[0]

    path = tmp_path / "notice.eml"
    path.write_bytes(taker.taken[-1].replace(b"\r\n", b"\n"))
    (read,) = perl(["Sisimai"], "print Sisimai->dump($ARGV[0])", path=path)
    assert read["recipient"] == "nobody@example.org" and read["reason"] == "userunknown"
    read = perl(["Mail::DeliveryStatus::BounceParser", "JSON"], """
        local $/; my $bounce = Mail::DeliveryStatus::BounceParser->new(<STDIN>);
        print encode_json({ reasons => [ map { $_->get("std_reason") } $bounce->reports ] })
        """, text=path.read_bytes())
    assert read["reasons"] == ["user_unknown"]


def lint_now(groups):
    """As lint(), at any time."""
    dated = [{name: value for name, value in fields.items()
              if name not in ("arrival-date", "last-attempt-date", "will-retry-until")}
             for fields in groups]
    lint(dated)


@pytest.mark.timeout(180 * peers.SLOWER)
@pytest.mark.parametrize("what", ["forged", "null", "never", "switched off", "held back"])
def test_nobody_else_is_told_anything(node, recorder, taker, what):
    """And the mail lies in the rescue store all the same."""
    primary = recorder(refuse={"*": NO_USER, **SANE})
    there = node(primary, notify_failure="no" if what == "switched off" else "yes",
                 spf_fail="hold", own_sender="tag")
    if what == "forged":
        there.cli("domain", "set", "example.org", "--set", "spf-fail=tag")
    send_among_others(there, source=STRANGER if what in ("forged", "held back") else ALLOWED,
                      sender="" if what == "null" else SENDER,
                      rcpt=["NOTIFY=NEVER"] if what == "never" else ())
    wait_for_rescue(there)
    why = {"forged": "unproved", "null": "no_sender", "never": "unasked"}.get(what)
    if why:
        assert f"why={why}" in events(there, "notice_withheld")[0]
    # Whoever was told would be told before this one.
    primary.refuse["*"] = None
    primary.refuse["last@example.org"] = NO_USER
    there.cli("domain", "set", "example.org", "--set", "notify-failure=yes")
    send_among_others(there, "last@example.org")
    assert "last@example.org" in str(groups_of(notice(taker)))
    assert len(taker.taken) == 1


@pytest.mark.timeout(600 * peers.SLOWER)
def test_a_flood_of_forged_mail_is_answered_with_nothing(node, recorder, taker, full):
    """All to nobody, among other mail, while the primary is away; it comes back and refuses them."""
    primary = recorder(start=False, refuse={"*": NO_USER, **SANE})
    there = node(primary, spf_fail="tag")
    count = full(10000, 500)
    with smtplib.SMTP(there.address, there.port, "spam.example", 60,
                      source_address=(STRANGER, 0)) as client:
        for number in range(count):
            client.sendmail(f"victim{number}@sender.example", "nobody@example.org",
                            peers.message()[1])
            client.sendmail(f"victim{number}@sender.example", "bob@example.org",
                            peers.message()[1])
    assert there.held() == 2 * count
    primary.start()
    peers.wait_until(lambda: there.held() == 0, 300, "an empty queue", every=0.5)
    assert len(events(there, "notice_withheld")) == count
    assert not events(there, "notice_sent") and not taker.taken


@pytest.mark.timeout(180 * peers.SLOWER)
def test_mail_that_is_released_may_fail_again(node, recorder, taker):
    """One that was refused, one that was held back for its sender's SPF."""
    primary = recorder(refuse={"*": NO_USER, **SANE})
    there = node(primary, spf_fail="hold")
    send_among_others(there)
    notice(taker)
    (message,) = wait_for_rescue(there)
    send(there, "bob@example.org")
    there.cli("queue", "release", message["id"])
    send(there, "bob@example.org")
    notice(taker, 2)
    wait_for_rescue(there)
    primary.wait_for(4)
    primary.refuse["*"] = None
    there.cli("queue", "release", message["id"])
    primary.wait_for(5)
    peers.wait_until(lambda: not rescued(there), what="an empty rescue store")
    assert len(taker.taken) == 2


@pytest.mark.timeout(180 * peers.SLOWER)
def test_the_operator_gives_mail_up(node, recorder, taker):
    primary = recorder(start=False)
    there = node(primary, spf_fail="tag")
    send(there, "late@example.org")
    send(there, "forged@example.org", source=STRANGER)
    proved, forged = there.queue()
    answer = there.json("queue", "bounce", proved["id"])
    assert answer["recipients"] == 1 and answer["notices"] == [{"sent": True, "why": None}]
    fields = groups_of(notice(taker))[1]
    assert (fields["action"], fields["final-recipient"]) == ("failed", "rfc822; late@example.org")
    said = there.cli("queue", "bounce", forged["id"]).stdout
    assert "the sender is not told" in said and "proved" in said
    assert not there.queue() and len(wait_for_rescue(there, 2)) == 2
    again = there.json("queue", "bounce", proved["id"])  # as often as he likes
    assert again["notices"] == [{"sent": True, "why": None}]
    notice(taker, 2)


# ---- what is asked for goes on (N7) ----


@pytest.mark.timeout(120 * peers.SLOWER)
def test_a_primary_with_dsn_gets_what_was_asked_for(node, recorder, taker):
    primary = recorder(extensions=["DSN", "8BITMIME"])
    there = node(primary)
    with there.connect() as client:
        assert "DSN" in client.hello().split("\n")
    send(there, "bob@example.org", mail=["RET=HDRS", "ENVID=QQ+2B1"],
         rcpt=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob@example.org"])
    primary.wait_for(1)
    said = " | ".join(primary.commands)
    assert "RET=HDRS ENVID=QQ+2B1" in said
    assert "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob@example.org" in said
    assert not events(there, "notice_sent")


@pytest.mark.timeout(180 * peers.SLOWER)
def test_postfix_answers_what_was_asked_for(node, postfix, taker):
    """End to end: it says itself that it has delivered the message, with the sender's own ids."""
    primary = postfix(settings={"relayhost": f"[{TAKER}]", "default_transport": "discard"})
    primary.start()
    there = node(primary)
    name = send(there, "bob@example.org", mail=["ENVID=QQ314"],
                rcpt=["NOTIFY=SUCCESS", "ORCPT=rfc822;Bob@example.org"])
    peers.wait_until(lambda: name in primary.by_name(), what="the message at the primary")
    log = peers.wait_until(lambda: "delivery status notification" in primary.log.read_text()
                           and primary.log.read_text(), 60, "Postfix's notice")
    assert "sender delivery status notification" in log
    assert not events(there, "notice_sent")


@pytest.mark.timeout(120 * peers.SLOWER)
def test_a_primary_without_dsn_is_spoken_for(node, recorder, taker):
    """RFC 3461 5.2.2: relayed, told to who asked for success, if he was proved."""
    primary = recorder()
    there = node(primary, spf_fail="tag")
    send(there, "forged@example.org", source=STRANGER, rcpt=["NOTIFY=SUCCESS"])
    send(there, "quiet@example.org")
    send(there, "bob@example.org", rcpt=["NOTIFY=SUCCESS"])
    primary.wait_for(3)
    fields = groups_of(notice(taker))[1]
    assert (fields["action"], fields["status"][0]) == ("relayed", "2")
    assert fields["final-recipient"] == "rfc822; bob@example.org"
    assert len(events(there, "notice_sent")) == 1


# ---- time ----


@pytest.mark.plain
@pytest.mark.timeout(240 * peers.SLOWER)
def test_who_waits_is_told_and_told_of_the_end(node, recorder, taker):
    """Delayed at two ages; expired; what came in later has arrived after all."""
    primary = recorder(start=False)
    there = node(primary, speed=SPEED, hold="1h30m", notify_delay="20m,50m",
                 notify_arrived="yes", language="de", probe_interval="5m", spf_fail="tag")
    send(there, "late@example.org")
    send(there, "forged@example.org", source=STRANGER)
    send(there, "list@example.org", extra=b"List-Id: <x.example>\n")
    told = notice(taker)
    assert told["Subject"] == "Ihre Mail an example.org verspätet sich"
    fields = groups_of(told)[1]
    assert (fields["action"], fields["status"][0]) == ("delayed", "4")
    assert "will-retry-until" in fields and "diagnostic-code" in fields
    assert groups_of(notice(taker, 2))[1]["action"] == "delayed"
    ended = [groups_of(notice(taker, 2 + number))[1] for number in (1, 2)]
    assert {fields["action"] for fields in ended} == {"failed"}
    assert {fields["status"] for fields in ended} == {"4.4.7"}
    assert {fields["final-recipient"] for fields in ended} == {
        "rfc822; late@example.org", "rfc822; list@example.org"}
    assert len(wait_for_rescue(there, 3)) == 3
    assert sum("why=unproved" in line for line in events(there, "notice_withheld")) == 3
    assert sum("why=list" in line for line in events(there, "notice_withheld")) == 2

    send(there, "late2@example.org")
    assert groups_of(notice(taker, 5))[1]["action"] == "delayed"
    primary.start()
    arrived = notice(taker, 6)
    assert groups_of(arrived)[1]["action"] == "relayed"
    assert "late2@example.org" in text_of(arrived)
    send(there, "soon@example.org")
    primary.wait_for(2)
    assert len(events(there, "notice_sent")) == 6


@pytest.mark.plain
@pytest.mark.timeout(240 * peers.SLOWER)
def test_a_restart_neither_repeats_nor_forgets_a_delay(node, recorder, taker):
    primary = recorder(start=False)
    there = node(primary, speed=SPEED, notify_delay="20m,4h", probe_interval="5m")
    for number in range(20):
        send(there, f"user{number}@example.org")
    peers.wait_until(lambda: len(events(there, "notice_sent")) >= 5, 60, "notices")
    os.kill(there.pids()["keeper-1"], signal.SIGKILL)
    peers.wait_until(lambda: len(told_to(taker)) >= 20, 60, "a notice for each")
    send_at_last(there, "another@example.org")
    peers.wait_until(lambda: len(told_to(taker)) >= 21, 60, "one more")
    assert {len(ids) for ids in told_to(taker).values()} == {1}


# ---- killed in between ----


@pytest.mark.timeout(300 * peers.SLOWER)
def test_a_killed_keeper_tells_once(node, recorder, taker, full):
    """While a primary refuses, the keeper dies again and again: one notice for each message."""
    primary = recorder(start=False, refuse={"*": NO_USER, **SANE})
    there = node(primary, retry_first="30s")
    count = full(2000, 150)
    with smtplib.SMTP(there.address, there.port, "client.example", 60,
                      source_address=(ALLOWED, 0)) as client:
        for number in range(count):
            client.sendmail(SENDER, f"user{number}@example.org", peers.message()[1])
            client.sendmail(SENDER, "bob@example.org", peers.message()[1])
    dice = random.Random(4711)
    primary.start()
    for _ in range(full(40, 8)):
        time.sleep(dice.uniform(0.05, 0.4))  # the moment is what is being tried
        with contextlib.suppress(KeyError, ProcessLookupError):
            os.kill(there.pids()["keeper-1"], signal.SIGKILL)
        peers.wait_until(there.greets, 60, "the node")

    def is_done():
        send(there, "bob@example.org")  # twenty refused in a row, and nothing else, are too many
        return len(rescued_ids(there)) == count
    peers.wait_until(is_done, 150, "all to be refused", every=0.2)
    peers.wait_until(lambda: len(told_to(taker)) == count, 60, "a notice for each", every=1)
    assert {len(ids) for ids in told_to(taker).values()} == {1}


def told_to(taker):
    """{recipient: ids of his notices}; a copy that arrives twice has the same id."""
    found = {}
    for one in list(taker.taken):
        message = parse(one)
        found.setdefault(groups_of(message)[1]["final-recipient"], set()).add(message["Message-ID"])
    return found


def rescued_ids(node):
    found, after = set(), ()
    while True:
        page = node.json("queue", "list", "--state", "rescued", "--domain", "example.org",
                         "--limit", "1000", *after)
        found |= {message["id"] for message in page["messages"]}
        if not page["after"]:
            return found
        after = ("--after", page["after"])
