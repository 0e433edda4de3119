# SPDX-License-Identifier: ISC
"""A primary without a fixed address says where it is, and is believed once it has shown who it is (SPEC D4, P9)."""
import socket
import time

import pytest

import certificates
import peers

pytestmark = pytest.mark.hostile

SLOW = {"probe_interval": "1h", "probe_interval_max": "1h", "probes_down": "1"}


@pytest.fixture
def authority(state):
    return certificates.Authority(state / "ca")


@pytest.fixture
def mine(authority):
    return authority.issue("mail.example.org")


def said(server, word):
    return [line for line in server.commands if line.upper().startswith(word)]


def addresses(node, domain="example.org"):
    told = node.domain(domain)["address"]
    return [(one["address"], one["state"]) for one in told["addresses"]] if told else []


def wait_for_address(node, state, seconds=peers.DEADLINE):
    peers.wait_until(lambda: addresses(node) and addresses(node)[0][1] == state, seconds,
                     f"an address that is {state}")


def away(holdfast, mine, count=2, **settings):
    """A node with mail for example.org, whose primary is known by its key and not where it was: it is
    looked for there once an hour."""
    node = holdfast(defaults='tell-after = "0s"')
    node.add("example.org", f"127.0.0.5:{peers.free_port('127.0.0.5')}",
             **{"tls_pin": f"key:{mine.key_digest()}", **SLOW, **settings})
    for _ in range(count):
        node.send(peers.message()[1])
    peers.wait_until(lambda: node.state_of() == "down", what="the primary's absence")
    return node


def test_mail_follows_the_primary(holdfast, recorder, mine):
    """At once; again from there to the next place; and what is told twice is no news, but is looked at."""
    node = away(holdfast, mine)
    there = recorder(address="127.0.0.6", certificate=mine)
    began = time.monotonic()
    answer = node.json("domain", "address", "example.org", there.endpoint)
    assert answer["news"] and answer["address"]["addresses"][0]["state"] == "trying"
    there.wait_for(2)
    assert time.monotonic() - began < 1.5 * peers.SLOWER
    assert addresses(node) == [(there.endpoint, "proved")]
    assert node.domain()["address"]["used"] == [there.endpoint]
    assert not node.json("domain", "address", "example.org", there.endpoint)["news"]
    elsewhere = recorder(address="127.0.0.7", certificate=mine)
    there.stop()
    node.cli("domain", "address", "example.org", elsewhere.endpoint)
    wait_for_address(node, "proved")
    node.send(peers.message()[1])
    elsewhere.wait_for(1)
    text = node.cli("domain", "address", "example.org").stdout
    assert elsewhere.endpoint in text and "proved" in text and there.endpoint not in text
    assert elsewhere.endpoint in node.cli("domain", "show", "example.org").stdout
    assert node.text().count("address_update") == 3 and "address_used" in node.text()


def test_nobody_is_moved_to_where_less_has_to_be_shown(holdfast, recorder, mine):
    """There is a second primary, of which the owner asks nothing: a stolen secret must not put it first."""
    usual = recorder(address="127.0.0.5", certificate=mine)
    second = recorder(address="127.0.0.6")
    node = holdfast()
    node.add("example.org", [f"{usual.endpoint},tls-pin=key:{mine.key_digest()}", f"{second.endpoint},tls=no"])
    done = node.cli("domain", "address", "example.org", second.endpoint, check=False)
    assert done.returncode != 0 and "told of the first" in done.stderr
    node.send(peers.message()[1])
    usual.wait_for(1)
    assert not said(second, "MAIL")


def test_a_primary_that_is_still_booting(holdfast, recorder, mine):
    """Nobody answers yet: it is tried again, soon."""
    node = away(holdfast, mine)
    there = recorder(start=False, address="127.0.0.6", certificate=mine)
    node.cli("domain", "address", "example.org", there.endpoint)
    peers.wait_until(lambda: "address_absent" in node.text(), what="the first try")
    there.start()
    there.wait_for(2)


def test_a_stranger_changes_nothing(holdfast, recorder, authority, mine):
    """He hears no MAIL, the owner is told, and mail goes on to where it went."""
    owner = recorder(address="127.0.0.32")
    usual = recorder(address="127.0.0.5", certificate=mine)
    stranger = recorder(address="127.0.0.6", certificate=authority.issue("mail.example.org"))
    node = holdfast(defaults='tell-after = "0s"')
    node.add("owner.example", owner.endpoint, verify_recipients="no")
    node.add("example.org", usual.endpoint, tls_pin=f"key:{mine.key_digest()}",
             owner="anna@owner.example")
    node.cli("domain", "address", "example.org", stranger.endpoint)
    wait_for_address(node, "stranger")
    told = owner.wait_for(1).decode()
    assert "new address" in told and stranger.endpoint in told
    node.send(peers.message()[1])
    usual.wait_for(1)
    assert not said(stranger, "MAIL") and node.domain()["address"]["used"] == []
    assert node.state_of() == "up"


def test_what_was_proved_is_looked_at_in_each_session(holdfast, recorder, authority, mine):
    """The address passes on to somebody else, as such addresses do."""
    node = away(holdfast, mine)
    there = recorder(address="127.0.0.6", certificate=mine)
    node.cli("domain", "address", "example.org", there.endpoint)
    there.wait_for(2)
    there.stop()
    stranger = recorder(address="127.0.0.6", port=there.port,
                        certificate=authority.issue("mail.example.org"))
    node.crash_role("deliverer-1")  # the session with him who was there ends with it
    node.send(peers.message()[1])
    node.cli("queue", "flush")
    peers.wait_until(lambda: "TLS" in str(node.domain()["route"]["targets"][0]["last_answer"]),
                     what="a look at who answers")
    assert not said(stranger, "MAIL") and node.held() == 1


def test_it_outlives_the_keeper(holdfast, recorder, mine):
    """kill -9 behind the answer: what was told is tried by the next one, what was proved is used."""
    node = away(holdfast, mine)
    there = recorder(start=False, address="127.0.0.6", certificate=mine)
    node.cli("domain", "address", "example.org", there.endpoint)
    node.crash()
    there.start()
    node.start()
    there.wait_for(2)
    wait_for_address(node, "proved")
    node.crash_role("keeper-1")
    assert addresses(node) == [(there.endpoint, "proved")]
    node.send(peers.message()[1])
    there.wait_for(3)


def test_nobody_is_believed_without_proof(holdfast, recorder, mine):
    """Where nothing is set by which the primary could be known; and no more, once nothing is."""
    node = away(holdfast, mine)
    there = recorder(address="127.0.0.6", certificate=mine)
    node.cli("domain", "set", "example.org", "--set", "tls-pin=default")
    refused = node.cli("domain", "address", "example.org", there.endpoint, check=False)
    assert refused.returncode == 1 and "tls-pin" in refused.stderr
    node.cli("domain", "set", "example.org", "--set", "tls-learn=yes")
    refused = node.cli("domain", "address", "example.org", there.endpoint, check=False)
    assert refused.returncode == 1 and "learned" in refused.stderr
    node.cli("domain", "set", "example.org", "--set", f"tls-pin=key:{mine.key_digest()}")
    node.cli("domain", "address", "example.org", there.endpoint)
    there.wait_for(2)
    node.cli("domain", "set", "example.org", "--set", "tls-pin=default", "--set", "tls-learn=no")
    peers.wait_until(lambda: [target["endpoint"] for target in node.domain()["route"]["targets"]]
                     == node.domain()["primary"], what="the plan without it")


def test_several_addresses(holdfast, recorder, authority, mine):
    """Each is looked at; those that are his are used."""
    node = away(holdfast, mine)
    there = recorder(address="127.0.0.6", certificate=mine)
    stranger = recorder(address="127.0.0.7", certificate=authority.issue("mail.example.org"))
    node.cli("domain", "address", "example.org", stranger.endpoint, there.endpoint)
    there.wait_for(2)
    assert addresses(node) == [(stranger.endpoint, "stranger"), (there.endpoint, "proved")]
    assert node.domain()["address"]["used"] == [there.endpoint] and not said(stranger, "MAIL")


def test_by_name_and_authority(holdfast, recorder, authority, mine, state):
    node = holdfast(sections=f'tls {{ authorities = {{"ours={authority.file}"}} }}')
    node.add("example.org", f"127.0.0.5:{peers.free_port('127.0.0.5')}", tls_ca="ours", **SLOW)
    there = recorder(address="127.0.0.6", certificate=mine)
    refused = node.cli("domain", "address", "example.org", there.endpoint, check=False)
    assert refused.returncode == 1 and "tls-name" in refused.stderr
    node.cli("domain", "set", "example.org", "--set", "tls-name=mail.example.org")
    node.send(peers.message()[1])
    node.cli("domain", "address", "example.org", there.endpoint)
    there.wait_for(1)


def test_postfix(holdfast, postfix, mine):
    """A real primary behind an address that changes: it boots after it has said where it is."""
    node = away(holdfast, mine, count=20)
    primary = postfix(settings={"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": mine.chain,
                                "smtpd_tls_key_file": mine.key})
    node.cli("domain", "address", "example.org", primary.endpoint)
    peers.wait_until(lambda: "address_absent" in node.text(), what="the first try")
    primary.start()
    began = time.monotonic()
    peers.wait_until(lambda: primary.count() == 20, what="twenty messages")
    assert time.monotonic() - began < 10 * peers.SLOWER and addresses(node) == [(primary.endpoint, "proved")]


def test_it_is_forgotten(holdfast, recorder, mine):
    node = away(holdfast, mine)
    there = recorder(address="127.0.0.6", certificate=mine)
    node.cli("domain", "address", "example.org", there.endpoint)
    there.wait_for(2)
    node.cli("domain", "address", "example.org", "--forget")
    assert node.domain()["address"] is None
    peers.wait_until(lambda: [target["endpoint"] for target in node.domain()["route"]["targets"]]
                     == node.domain()["primary"], what="the plan without it")
    assert "none was told" in node.cli("domain", "address", "example.org").stdout


def test_a_paused_domain_waits(holdfast, recorder, mine):
    node = away(holdfast, mine)
    there = recorder(address="127.0.0.6", certificate=mine)
    node.cli("domain", "pause", "example.org")
    node.cli("domain", "address", "example.org", there.endpoint)
    time.sleep(0.5)
    assert addresses(node) == [(there.endpoint, "trying")] and not there.ciphers
    node.cli("domain", "resume", "example.org")
    there.wait_for(2)


def test_addresses_that_lead_nowhere(holdfast, mine):
    node = away(holdfast, mine, count=1)
    for wrong in ("0.0.0.0", "255.255.255.255", "224.0.0.1", "169.254.169.254", "mail.example.org",
                  "192.0.2.7:0", node.endpoint):
        refused = node.cli("domain", "address", "example.org", wrong, check=False)
        assert refused.returncode == 1, wrong
    assert addresses(node) == []
    refused = node.cli("domain", "address", "example.net", "192.0.2.7", check=False)
    assert refused.returncode == 1 and "example.net" in refused.stderr


def test_a_silent_address_and_a_keeper_that_dies(holdfast, recorder, mine):
    """The next keeper asks anew, while the deliverer still has the old one's session on its hands."""
    node = away(holdfast, mine)
    with socket.create_server(("127.0.0.6", 0)) as silent:
        node.cli("domain", "address", "example.org", f"127.0.0.6:{silent.getsockname()[1]}")
        first = silent.accept()[0]
        node.crash_role("keeper-1")
        second = silent.accept()[0]
        assert first != second
        peers.wait_until(lambda: addresses(node), what="the keeper")
        assert "no sense" not in node.text(), "each session has a number of its own"


def test_who_calls_is_not_looked_for(holdfast, mine):
    """Its mail waits for its call: an address would be proved, and used for nothing."""
    node = holdfast()
    node.add("example.org", "agent", tls_pin=f"key:{mine.key_digest()}")
    refused = node.cli("domain", "address", "example.org", "127.0.0.6:25", check=False)
    assert refused.returncode == 1 and "calls for its mail" in refused.stderr
