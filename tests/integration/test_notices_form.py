# SPDX-License-Identifier: ISC
"""Notices (SPEC N2, N4, N7) as other programs read them: Python's email, a lint of RFC 3464, and
two libraries that take bounces apart for a living."""
import email
import email.policy
import email.utils
import json
import re
import subprocess

import pytest

import peers

NOTICES = peers.BUILD / "tests" / "tools" / "notices"
NAMES = ("unknown", "full-german", "refused", "expired-german", "several", "whole", "delayed",
         "delayed-german", "relayed", "arrived-german", "utf8", "utf8-not-spoken", "own-words", "evil")
ACTIONS = {"failed": "45", "delayed": "4", "relayed": "2", "delivered": "2"}


@pytest.fixture(scope="module")
def notices(tmp_path_factory):
    """{name: octets}, written by tests/tools/notices.c"""
    folder = tmp_path_factory.mktemp("notices")
    subprocess.run([NOTICES, folder], check=True)
    return {path.stem: path.read_bytes() for path in folder.glob("*.eml")}


def parse(octets):
    return email.message_from_bytes(octets, policy=email.policy.SMTPUTF8)


def text_of(message):
    return message.get_payload(0).get_content()


def groups_of(message):
    """[the message's fields, a recipient's, another's …], each a dict by lower-case name."""
    part = message.get_payload(1)
    kind = part.get_content_type()
    assert kind in ("message/delivery-status", "message/global-delivery-status")
    raw = part.as_bytes().partition(b"\r\n\r\n")[2].decode("utf-8" if "global" in kind else "ascii")
    groups = []
    for group in re.split(r"\r\n\r\n", raw.strip("\r\n")):
        fields = {}
        for line in re.sub(r"\r\n(?=[ \t])", "", group).split("\r\n"):
            name, colon, value = line.partition(":")
            assert colon and re.fullmatch(r"[A-Za-z-]+", name), line
            assert name.lower() not in fields, f"twice: {line}"
            fields[name.lower()] = value.strip()
        groups.append(fields)
    return groups


def lint(groups):
    """RFC 3464 2.2 and 2.3."""
    whole, *recipients = groups
    assert set(whole) <= {"original-envelope-id", "reporting-mta", "dsn-gateway", "received-from-mta",
                          "arrival-date"}
    assert re.fullmatch(r"dns; \S+", whole["reporting-mta"])
    assert recipients
    for fields in recipients:
        assert {"final-recipient", "action", "status"} <= set(fields)
        assert set(fields) <= {"original-recipient", "final-recipient", "action", "status", "remote-mta",
                               "diagnostic-code", "last-attempt-date", "final-log-id",
                               "will-retry-until"}
        for name in {"original-recipient", "final-recipient"} & set(fields):
            assert re.fullmatch(r"(rfc822|utf-8); \S.*", fields[name]), fields[name]
        assert fields["status"][0] in ACTIONS[fields["action"]]
        assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", fields["status"])
        assert re.fullmatch(r"(smtp|x-holdfast); \d{3} .*", fields.get("diagnostic-code", "smtp; 250 x"))
        assert "will-retry-until" not in fields or fields["action"] == "delayed"
    for fields in groups:
        for name in {"arrival-date", "last-attempt-date", "will-retry-until"} & set(fields):
            assert email.utils.parsedate_to_datetime(fields[name]).year == 2026


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_report(notices, name):
    octets = notices[name]
    message = parse(octets)
    for line in octets.split(b"\r\n"):
        assert len(line) <= 998 and b"\r" not in line and b"\n" not in line
    assert octets.endswith(b"--\r\n")
    if name not in ("utf8", "whole"):
        assert octets.isascii()
    assert not [part.defects for part in message.walk() if part.defects]
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert len(message.get_payload()) == 3
    for field in ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"):
        assert len(message.get_all(field)) == 1, field
    assert message["Auto-Submitted"] == "auto-replied"
    assert message.get_payload(0).get_content_type() == "text/plain"
    lint(groups_of(message))


def test_the_fields_say_what_happened(notices):
    message = parse(notices["unknown"])
    whole, bob = groups_of(message)
    assert message["To"] == "alice@sender.example" and message["In-Reply-To"] == "<1@sender.example>"
    assert whole == {"original-envelope-id": "QQ+314", "reporting-mta": "dns; mx2.example.net",
                     "received-from-mta": "dns; out.sender.example ([192.0.2.9])",
                     "arrival-date": "Sat, 28 Nov 2026 17:20:00 +0000"}
    assert bob["original-recipient"] == "rfc822; Bob+X@example.org"
    assert bob["final-recipient"] == "rfc822; bob@example.org"
    assert (bob["action"], bob["status"]) == ("failed", "5.1.1")
    assert bob["remote-mta"] == "dns; mx.example.org"
    assert bob["diagnostic-code"] == "smtp; 550 5.1.1 No such user"
    assert "subject: =?utf-8?q?" in message.get_payload(2).as_string().lower()
    expired = groups_of(parse(notices["expired-german"]))[1]
    assert (expired["action"], expired["status"]) == ("failed", "4.4.7")
    assert expired["diagnostic-code"] == "x-holdfast; 451 4.4.1 No answer from mx.example.org"
    assert groups_of(parse(notices["delayed"]))[1]["will-retry-until"].startswith("Thu, 3 Dec 2026")
    long = groups_of(parse(notices["refused"]))[1]["diagnostic-code"]
    assert long.endswith("to say it")


def test_the_words_are_for_people(notices):
    english = parse(notices["delayed"])
    german = parse(notices["delayed-german"])
    assert english["Subject"] == "Your mail to example.org is delayed"
    assert german["Subject"] == "Ihre Mail an example.org verspätet sich"
    assert german.get_payload(0)["Content-Language"] == "de"
    assert "You will hear from us" in text_of(english) and "+49 30 12345" in text_of(english)
    assert "Donnerstag, 3. Dezember 2026, 18:20 Uhr (UTC+1)" in text_of(german)
    assert "Betreff:   Grüße\n" in text_of(german).replace("\r\n", "\n")
    assert "Postfach ist kein Platz" in text_of(parse(notices["full-german"]))
    assert "bob@example.org" in text_of(parse(notices["several"]))
    own = parse(notices["own-words"])
    assert own["Subject"] == "Sorry, ä"
    assert text_of(own).split() == "bob@example.org? Call +49 30 12345.".split()


def test_what_was_asked_for_comes_back(notices):
    whole = parse(notices["whole"]).get_payload(2)
    assert whole.get_content_type() == "message/rfc822"
    assert whole.get_payload(0).get_content().strip() == "Grüße."
    headers = parse(notices["unknown"]).get_payload(2)
    assert headers.get_content_type() == "text/rfc822-headers"
    assert "Hello" not in headers.get_payload()


def test_smtputf8_is_answered_in_kind(notices):
    message = parse(notices["utf8"])
    assert "jörg@sender.example" in message["To"]
    assert message.get_payload(1).get_content_type() == "message/global-delivery-status"
    assert message.get_payload(2).get_content_type() == "message/global-headers"
    fields = groups_of(message)[1]
    assert fields["original-recipient"] == "utf-8; Dörte@example.org"
    assert fields["final-recipient"] == "utf-8; dörte@example.org"
    old = groups_of(parse(notices["utf8-not-spoken"]))[1]
    assert old["final-recipient"] == r"utf-8; d\x{F6}rte@example.org"


def test_strangers_write_no_fields(notices):
    message = parse(notices["evil"])
    for part in message.walk():
        assert "Evil" not in part
    assert len(groups_of(message)) == 2
    assert message["In-Reply-To"] is None


def perl(modules, program, path=None, text=None):
    uses = [f"-M{module}" for module in modules]
    if subprocess.run(["perl", *uses, "-e", "1"], capture_output=True).returncode != 0:
        pytest.skip(f"needs Perl's {modules[0]}")
    done = subprocess.run(["perl", *uses, "-e", program, *([path] if path else [])], input=text,
                          check=True, capture_output=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name, reasons", [
    ("unknown", {"bob@example.org": ("userunknown", "5.1.1")}),
    ("full-german", {"bob@example.org": ("mailboxfull", "5.2.2")}),
    ("several", {"bob@example.org": ("userunknown", "5.1.1"), "carol@example.org": ("mailboxfull", "5.2.2")}),
    ("expired-german", {"bob@example.org": ("expired", "4.4.1")}),  # it believes the answer more
    ("delayed", {"bob@example.org": (None, "4.4.1")}),
])
def test_sisimai_understands_it(notices, tmp_path, name, reasons):
    path = tmp_path / "notice.eml"
    path.write_bytes(notices[name].replace(b"\r\n", b"\n"))
    read = perl(["Sisimai"], "print Sisimai->dump($ARGV[0])", path=path)
    assert {one["recipient"] for one in read} == set(reasons)
    for one in read:
        reason, status = reasons[one["recipient"]]
        assert one["deliverystatus"] == status
        assert reason is None or one["reason"] == reason
        assert one["addresser"].startswith("alice@")


@pytest.mark.parametrize("name, address, reason", [
    ("unknown", "Bob+X@example.org", "user_unknown"),  # whom the sender had written to
    ("full-german", "bob@example.org", "over_quota"),
    ("several", "bob@example.org", "user_unknown"),
])
def test_bounceparser_understands_it(notices, name, address, reason):
    read = perl(["Mail::DeliveryStatus::BounceParser", "JSON"], """
        local $/; my $bounce = Mail::DeliveryStatus::BounceParser->new(<STDIN>);
        print encode_json({ is_bounce => $bounce->is_bounce ? 1 : 0, addresses => [ $bounce->addresses ],
                            reasons => [ map { $_->get("std_reason") } $bounce->reports ] })
        """, text=notices[name].replace(b"\r\n", b"\n"))
    assert read["is_bounce"] == 1
    assert address in read["addresses"] and reason in read["reasons"]
