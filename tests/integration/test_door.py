# SPDX-License-Identifier: ISC
"""The door (SPEC R8): greetings, blocklists in a real DNS, greylisting, limits."""
import pytest

import peers

pytestmark = pytest.mark.hostile

STRANGER = "127.0.0.77"


@pytest.fixture
def dns(nsd):
    nsd.zone("bl.example", ["77.0.0.127 IN A 127.0.0.4", "78.0.0.127 IN A 127.0.0.4"])
    nsd.zone("wl.example", ["78.0.0.127 IN A 127.0.0.200"])
    nsd.start()
    return nsd


@pytest.fixture
def node(holdfast, dns):
    """node(sections, smtp, **settings of example.org); the primary is down."""
    def make(sections="", smtp="", primary="127.0.0.1:1", **settings):
        made = holdfast({}, dns=f'servers = {{"{dns.endpoint}"}}', sections=sections, smtp=smtp)
        made.add("example.org", primary, **settings)
        return made
    return make


def answer_to(node, line="RCPT TO:<user@example.org>", helo="client.example", source=STRANGER,
              sender="a@client.example"):
    with node.connect(source=source) as client:
        assert client.reply()[0] == 220
        assert client.ask(f"EHLO {helo}")[0] == 250
        assert client.ask(f"MAIL FROM:<{sender}>")[0] == 250
        return client.ask(line)


def test_who_greets_as_us_is_refused(node):
    there = node()
    for helo in ("mx2.example.net", "EXAMPLE.ORG"):
        code, text = answer_to(there, helo=helo)
        assert code == 550 and "name of ours" in str(text)
    assert 'recipient_refused client=127.0.0.77 helo=EXAMPLE.ORG' in there.text()
    assert answer_to(there, helo="halfname")[0] == 250
    there.cli("domain", "set", "example.org", "--set", "helo-check=strict")
    assert answer_to(there, helo="halfname")[0] == 550
    assert answer_to(there, helo="whole.example")[0] == 250


def test_a_reverse_name_may_be_needed(node):
    there = node(reverse_dns="no")
    assert answer_to(there)[0] == 250
    there.cli("domain", "set", "example.org", "--set", "reverse-dns=yes")
    code, text = answer_to(there)  # libunbound itself says that 127.0.0.0/8 has no names
    assert code == 550 and "5.7.25" in str(text)


def test_blocklists_are_asked_for_domains_that_care(node):
    there = node('dnsbl { zones = {"bl.example=127.0.0.2-11*2", "wl.example"} }')
    code, text = answer_to(there)
    assert code == 554 and "listed by bl.example" in str(text)
    assert answer_to(there, source="127.0.0.79")[0] == 250
    there.cli("domain", "set", "example.org", "--set", "dnsbl-threshold=3")
    assert answer_to(there)[0] == 250
    assert answer_to(there, source="127.0.0.78")[0] == 554  # on both
    there.cli("domain", "set", "example.org", "--set", "dnsbl-threshold=0")
    assert answer_to(there, source="127.0.0.78")[0] == 250


def test_strangers_wait_while_the_primary_is_up(node, sink):
    primary = sink()
    there = node(primary=primary.endpoint, greylist="2s", probe_interval_up="10s",
                 probes_down="1")
    peers.wait_until(lambda: there.state_of() == "up", what="the primary to be seen up")
    code, text = answer_to(there)
    assert code == 451 and "come back in" in str(text)
    peers.wait_until(lambda: answer_to(there)[0] == 250, 10, "the end of the pause", every=0.5)
    assert answer_to(there, sender="b@client.example")[0] == 451  # it has earned nothing else
    primary.stop()
    peers.wait_until(lambda: there.state_of() == "down", 60, "the primary to be seen down")
    assert answer_to(there, sender="c@client.example")[0] == 250


def test_a_network_has_its_limits(node):
    there = node(smtp="recipients-per-minute = 3 connections-per-minute = 6")
    with there.connect(source="127.0.5.1") as client:
        assert client.reply()[0] == 220
        client.ask("EHLO client.example")
        client.ask("MAIL FROM:<a@client.example>")
        codes = [client.ask(f"RCPT TO:<u{n}@example.org>")[0] for n in range(5)]
    assert codes == [250, 250, 250, 450, 450]
    greetings = []
    for _ in range(6):
        with there.connect(source="127.0.5.2") as client:
            greetings.append(client.reply()[0])
    assert greetings == [220] * 5 + [421]
    with there.connect(source="127.0.6.1") as client:  # another network
        assert client.reply()[0] == 220


def test_who_cannot_wait_for_the_greeting_is_let_go(node):
    there = node(smtp='greet-delay = "2s"')
    with there.connect(source=STRANGER) as client:
        client.say("EHLO client.example")
        assert client.reply()[0] == 554
    assert answer_to(there)[0] == 250
