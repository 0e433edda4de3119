# SPDX-License-Identifier: ISC
"""DMARC aggregate reports (SPEC O3): the owners of domains are told how mail in their name fared,
if the operator wants that; and mail of our own finds its way."""
import base64
import contextlib
import email
import gzip
import os
import smtplib
import xml.etree.ElementTree

import pytest

import certificates
import peers

pytestmark = pytest.mark.hostile

TAKER = "127.0.0.9"
ALLOWED, STRANGER = "127.0.0.66", "127.0.0.77"


@pytest.fixture
def dns(nsd):
    nsd.zone("sender.example", [f'@ IN TXT "v=spf1 ip4:{ALLOWED} -all"',
                                '_dmarc IN TXT "v=DMARC1; p=reject; '
                                'rua=mailto:agg@reports.example,mailto:no@silent.example"'])
    nsd.zone("reports.example", ["@ IN MX 10 mx", f"mx IN A {TAKER}",
                                 'sender.example._report._dmarc IN TXT "v=DMARC1"'])
    nsd.zone("silent.example", ["@ IN MX 10 mx", f"mx IN A {TAKER}"])  # it has not asked for any
    nsd.zone("example.org", ["@ IN A 192.0.2.1"])
    nsd.start()
    return nsd


@pytest.fixture
def taker(recorder):
    """Where reports.example takes its mail: port 25."""
    if not peers.IS_ROOT:
        pytest.skip("needs root for port 25")
    made = recorder(TAKER, start=False)
    made.port = 25
    return made


@pytest.fixture
def node(holdfast, dns):
    def make(words='dmarc = yes from = "dmarc@mx2.example.net" interval = 5s'):
        return holdfast({"example.org": "127.0.0.1:1"}, dns=f'servers = {{"{dns.endpoint}"}}',
                        sections=f"report {{ {words} }}")
    return make


def send(node, source, sender="x@sender.example"):
    data = peers.message(sender=sender)[1]
    with contextlib.suppress(smtplib.SMTPDataError):
        node.send(data, sender=sender, source=source)
        return True
    return False


def report_in(content):
    """(the message, its XML)"""
    message = email.message_from_bytes(content)
    (part,) = [part for part in message.walk() if part.get_content_type() == "application/gzip"]
    root = xml.etree.ElementTree.fromstring(gzip.decompress(part.get_payload(decode=True)))
    for element in root.iter():  # without name spaces
        element.tag = element.tag.rpartition("}")[2]
    return message, root


def rows(root):
    """[(source, count, disposition, dkim, spf)]"""
    found = []
    for row in root.iter("row"):
        evaluated = row.find("policy_evaluated")
        found.append((row.findtext("source_ip"), int(row.findtext("count")),
                      evaluated.findtext("disposition"), evaluated.findtext("dkim"),
                      evaluated.findtext("spf")))
    return sorted(found)


@pytest.mark.timeout(180 * peers.SLOWER)
def test_a_domain_is_told_how_its_mail_fared(node, taker):
    """Once for a period, where it wants it, and whom it concerns has agreed."""
    there = node()
    taker.start()
    assert send(there, ALLOWED) and send(there, ALLOWED) and not send(there, STRANGER)
    assert send(there, STRANGER, "x@nobody.example")  # has no policy
    # The three may lie in two periods.
    peers.wait_until(lambda: sum(row[1] for content in taker.taken
                                 for row in rows(report_in(content)[1])) >= 3, 90, "the report")
    message, root = report_in(taker.taken[0])
    told = sorted(row for content in taker.taken for row in rows(report_in(content)[1]))
    assert {(row[0], *row[2:]) for row in told} == {
        (ALLOWED, "pass", "fail", "pass"), (STRANGER, "reject", "fail", "fail")}
    assert "dmarc@mx2.example.net" in message["From"]
    assert "agg@reports.example" in message["To"]
    assert "Report Domain: sender.example" in message["Subject"].replace("\r\n", "")
    assert root.find(".//policy_published/p").text == "reject"
    assert "silent.example" not in there.text()


@pytest.mark.timeout(180 * peers.SLOWER)
def test_what_was_counted_outlives_a_restart(node, taker):
    there = node('dmarc = yes from = "dmarc@mx2.example.net" interval = 20s')
    taker.start()
    assert send(there, ALLOWED)
    there.stop()
    there.start()
    peers.wait_until(lambda: taker.taken, 90, "the report")
    assert rows(report_in(taker.taken[0])[1]) == [(ALLOWED, 1, "pass", "fail", "pass")]


@pytest.mark.timeout(180 * peers.SLOWER)
def test_a_report_waits_for_who_is_down(node, taker):
    """It is stored as other mail is, and after a crash it still finds its way."""
    there = node()
    assert send(there, ALLOWED)
    peers.wait_until(lambda: " own_mail " in there.text(), 60, "the report to be written")
    there.crash()
    there.start()
    taker.start()

    def has_come():
        there.cli("queue", "flush")
        return taker.taken
    peers.wait_until(has_come, 60, "the report", every=1)
    assert len(rows(report_in(taker.taken[0])[1])) == 1
    with pytest.raises(smtplib.SMTPRecipientsRefused):  # its way is for nothing else
        there.send(peers.message()[1], "agg@reports.example", source=ALLOWED)


@pytest.mark.timeout(180 * peers.SLOWER)
def test_a_report_is_signed_if_there_is_a_key(node, taker, state):
    import dkim  # noqa: PLC0415 (a package of Debian's)
    key = state / "dkim.key"
    certificates.openssl("genrsa", "-out", key, "2048")
    public = certificates.openssl("rsa", "-in", key, "-pubout", "-outform", "DER")
    there = node('dmarc = yes from = "dmarc@mx2.example.net" interval = 5s }\n'
                 f'sign {{ domain = "mx2.example.net" selector = one key = "{key}"')
    taker.start()
    assert send(there, ALLOWED)
    peers.wait_until(lambda: taker.taken, 90, "the report")
    assert report_in(taker.taken[0])[0]["DKIM-Signature"]
    text = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    assert dkim.verify(taker.taken[0], dnsfunc=lambda *_, **__: text)


def test_nobody_is_told_unless_the_operator_wants_it(node, taker):
    there = node("dmarc = no interval = 5s")
    taker.start()
    assert send(there, ALLOWED)
    assert not os.path.exists(there.data / "reports")
    assert not taker.taken
    there.write_config(sections="report { dmarc = yes }")
    refused = there.cli("check-config", check=False)
    assert refused.returncode != 0 and "reports have a sender" in refused.stderr + refused.stdout
