# SPDX-License-Identifier: ISC
"""Mail reaches the right primary, over a line that nobody reads (SPEC X3, D1, D6, P3)."""
import datetime
import time

import pytest

import certificates
import peers


@pytest.fixture
def authority(state):
    return certificates.Authority(state / "ca")


def said(server, word):
    return [line for line in server.commands if line.upper().startswith(word)]


def held(node, count=1):
    for _ in range(count):
        node.send(peers.message()[1])


def wait_for_state(node, state, seconds=30):
    peers.wait_until(lambda: node.state_of() == state, seconds, f"the state {state}")


def test_what_is_offered_is_used(holdfast, recorder, authority):
    """May: over TLS where the primary offers it, whoever has signed its certificate; else as ever."""
    secure = recorder(certificate=authority.issue("anybody.example"))
    plain = recorder()
    node = holdfast({"example.org": secure.endpoint, "example.net": plain.endpoint})
    node.send(peers.message()[1], ["user@example.org"])
    node.send(peers.message()[1], ["user@example.net"])
    secure.wait_for(1)
    plain.wait_for(1)
    assert secure.ciphers and secure.ciphers[0][1] == "TLSv1.3"


@pytest.mark.parametrize("setting", ["must", "name"])
def test_nothing_is_said_in_the_clear(holdfast, recorder, setting):
    """A primary that does not offer STARTTLS hears no MAIL, neither from mail nor from questions."""
    server = recorder()
    node = holdfast()
    node.add("example.org", server.endpoint, tls=setting)
    held(node)
    wait_for_state(node, "stranger" if setting == "name" else "down")
    assert "STARTTLS" in node.domain()["reason"]
    assert node.held() == 1 and not said(server, "MAIL")


def test_a_handshake_that_fails_is_not_followed_by_plain_text(holdfast, recorder):
    """It says 220 to STARTTLS, and goes on in the clear: nobody tries again without TLS."""
    class Liar(peers.Recorder.Session):
        def secure(self):
            self.wfile.write(b"250 let us speak openly\r\n" * 3)

    server = recorder(start=False, certificate=certificates.Certificate("/none", "/none"))
    server.Session = Liar
    server.start()
    node = holdfast()
    node.add("example.org", server.endpoint, probe_interval="1s")
    held(node)
    wait_for_state(node, "down")
    assert "TLS" in node.domain()["reason"]
    assert node.held() == 1 and not said(server, "MAIL")


def days(count):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=count)
    return moment.strftime("%Y%m%d%H%M%SZ")


def test_what_stands_behind_220_is_no_answer(holdfast, recorder, authority):
    """Whoever is on the line adds a greeting to the answer to STARTTLS: it is not taken for one that came
    over TLS, and the session ends."""
    server = recorder(certificate=authority.issue("mail.example.org"),
                      starttls_reply=b"220 Go ahead\r\n250-evil.example\r\n250 SMTPUTF8\r\n")
    node = holdfast()
    node.add("example.org", server.endpoint, probe_interval="1s")
    held(node)
    wait_for_state(node, "down")
    assert "STARTTLS" in node.domain()["reason"]
    assert not server.commands and node.held() == 1


@pytest.fixture
def named(holdfast, recorder, authority):
    """named(certificate, **settings): a node that trusts the authority, wants the name
    mail.example.org, and has one message for a primary that shows this certificate."""
    def make(certificate, **settings):
        server = recorder(certificate=certificate)
        node = holdfast(sections=f'web {{ ca = "{authority.file}" }}')
        settings = {"tls": "name", "tls_name": "mail.example.org", **settings}
        node.add("example.org", server.endpoint, **settings)
        held(node)
        return node, server
    return make


def test_a_certificate_with_the_right_name(named, authority):
    _, server = named(authority.issue("mail.example.org"))
    server.wait_for(1)


@pytest.mark.parametrize("what,reason", [("expired", "expired"), ("early", "not yet valid"),
                                         ("other name", "mismatch"), ("other ca", "issuer certificate"),
                                         ("self-signed", "self-signed")])
def test_a_certificate_that_proves_nothing(named, authority, state, what, reason):
    """Expired, too early, another one's, signed by whom nobody trusts: a stranger, who hears nothing."""
    other = certificates.Authority(state / "other-ca")
    made = {"expired": lambda: authority.issue("mail.example.org", begins=days(-9), ends=days(-2)),
            "early": lambda: authority.issue("mail.example.org", begins=days(2), ends=days(9)),
            "other name": lambda: authority.issue("mail.example.net"),
            "other ca": lambda: other.issue("mail.example.org"),
            "self-signed": lambda: certificates.Certificate(other.file, other.key)}[what]()
    node, server = named(made)
    wait_for_state(node, "stranger")
    assert reason in node.domain()["reason"], node.domain()["reason"]
    assert node.held() == 1 and not said(server, "MAIL")


def test_an_authority_of_ones_own(holdfast, recorder, authority, state):
    """Named by the domain: whom it has signed gets mail; whom somebody signed whom others trust does not,
    nor anybody where its file is gone."""
    office = certificates.Authority(state / "office")
    mine = recorder(certificate=office.issue("mail.example.org"))
    other = recorder(certificate=authority.issue("mail.example.org"))
    node = holdfast(sections=f'web {{ ca = "{authority.file}" }}\n'
                             f'tls {{ authorities = {{"office={office.file}", "gone=/nowhere/ca.pem"}} }}')
    settings = {"tls_ca": "office", "tls_name": "mail.example.org"}
    node.add("example.org", mine.endpoint, **settings)
    node.add("example.net", other.endpoint, **settings)
    node.add("example.com", mine.endpoint, **{**settings, "tls_ca": "gone"})
    for domain in ("example.org", "example.net", "example.com"):
        node.send(peers.message()[1], [f"user@{domain}"])
    mine.wait_for(1)
    for domain in ("example.net", "example.com"):
        peers.wait_until(lambda domain=domain: node.state_of(domain) == "stranger", what="a stranger")
        assert node.held(domain) == 1
    assert not said(other, "MAIL") and "authority_unreadable" in node.text()
    refused = node.cli("domain", "set", "example.org", "--set", "tls-ca=nobody", check=False)
    assert refused.returncode != 0 and "no authority nobody" in refused.stderr


def test_a_pin_is_learned_at_first_use(holdfast, recorder, authority):
    """Where the domain wants it: the first key is its pin, and whoever comes with another one a stranger,
    until the pin is taken away."""
    first, second = authority.issue("one.example"), authority.issue("two.example")
    server = recorder(certificate=first)
    node = holdfast()
    node.add("example.org", server.endpoint, tls_learn="yes")
    held(node)
    server.wait_for(1)
    peers.wait_until(lambda: node.domain()["settings"].get("tls-pin"), what="the pin")
    assert f"key:{first.key_digest()}" in str(node.domain()["settings"]["tls-pin"])
    peers.wait_until(lambda: " delivered " in node.text(), what="the log's line")
    delivered = next(line for line in node.text().splitlines() if " delivered " in line)
    assert " tls=TLSv1.3/TLS_" in delivered
    server.stop()
    other = recorder(port=int(server.endpoint.split(":")[1]), certificate=second)
    node.stop()
    node.start()
    held(node)
    wait_for_state(node, "stranger")
    assert not said(other, "MAIL")
    node.cli("domain", "set", "example.org", "--set", "tls-pin=none")
    other.wait_for(1)
    assert node.text().count("pin_learned") == 2


def test_each_of_several_primaries_has_a_pin_to_learn(holdfast, recorder, authority):
    """The second one is not a stranger because the first has shown another key; who comes in its place is."""
    first = recorder(certificate=authority.issue("one.example"), extensions=["SIZE 12345"])
    second = recorder(address="127.0.0.36", certificate=authority.issue("two.example"))
    node = holdfast()
    node.add("example.org", [first.endpoint, second.endpoint], tls_learn="yes")
    held(node)
    first.wait_for(1)
    peers.wait_until(lambda: "tls-pin" in node.domain()["primary"][0], what="the first pin")
    with node.connect() as client:  # it is the same primary as before: what it takes is known
        client.hello()
        assert client.ask("MAIL FROM:<sender@client.example> SIZE=20000")[0] == 552
    peers.wait_until(lambda: node.domain()["sessions"] == 0, what="the session's end")
    first.stop()
    held(node)
    second.wait_for(1)
    peers.wait_until(lambda: "tls-pin" in node.domain()["primary"][1], what="the second pin")
    assert node.domain()["primary"][0].startswith(first.endpoint + ",tls-pin=key:")
    second.stop()
    other = recorder(address="127.0.0.36", port=int(second.endpoint.split(":")[1]),
                     certificate=authority.issue("three.example"))
    node.stop()
    node.start()
    held(node)
    wait_for_state(node, "stranger")
    assert not said(other, "MAIL") and node.text().count("pin_learned") == 2


def test_a_pin_that_changes_ends_sessions(holdfast, recorder, authority):
    """Nothing more goes over a session that was opened by another pin, though it is still there."""
    mine, other = authority.issue("any.example"), authority.issue("any.example")
    server = recorder(certificate=mine)
    node = holdfast()
    node.add("example.org", server.endpoint, tls_pin=f"key:{mine.key_digest()}")
    held(node)
    server.wait_for(1)
    node.cli("domain", "set", "example.org", "--set", f"tls-pin=key:{other.key_digest()}")
    held(node)
    wait_for_state(node, "stranger")
    assert node.held() == 1 and len(server.taken) == 1


@pytest.mark.parametrize("kind", ["key", "certificate"])
def test_a_pin(holdfast, recorder, authority, kind):
    """One of the pinned keys or certificates must be shown, whatever its name and whoever signed it;
    two stand for a renewal."""
    mine, other = authority.issue("any.example"), authority.issue("any.example")
    pin = {"key": lambda one: f"key:{one.key_digest()}",
           "certificate": lambda one: f"certificate:{one.digest()}"}[kind]
    server = recorder(certificate=mine)
    node = holdfast()
    node.add("example.org", server.endpoint, tls_pin=pin(other))
    held(node)
    wait_for_state(node, "stranger")
    assert not said(server, "MAIL")
    pins = f"{pin(other)},{pin(mine)}" if kind == "key" else pin(mine)
    node.cli("domain", "set", "example.org", "--set", f"tls-pin={pins}")
    server.wait_for(1)


def test_a_stranger_at_the_primarys_address(holdfast, recorder, sink, authority):
    """Somebody with a server that accepts everything has got the primary's address: he hears no MAIL, the
    owner is told, and when the primary is found at another address, it has everything within 10 s."""
    mine, other = authority.issue("mail.example.org"), authority.issue("mail.example.org")
    primary = recorder(address="127.0.0.31", certificate=mine)
    owner = recorder(address="127.0.0.32")
    node = holdfast(defaults='tell-after = "0s"')
    node.add("owner.example", owner.endpoint, verify_recipients="no")
    node.add("example.org", primary.endpoint, tls_pin=f"key:{mine.key_digest()}",
             owner="anna@owner.example", probe_interval="1s", probe_interval_up="10s")
    wait_for_state(node, "up")
    primary.stop()
    stranger = recorder(address="127.0.0.31", port=primary.port, certificate=other)
    held(node, 10)
    wait_for_state(node, "stranger", 60)
    told = owner.wait_for(1).decode()
    assert "example.org" in told
    plain = recorder(address="127.0.0.33")  # one without TLS is no less a stranger
    node.cli("domain", "address", "example.org", plain.endpoint)
    address = lambda: node.domain()["address"]["addresses"][0]
    peers.wait_until(lambda: address()["state"] == "stranger", what="the other stranger")
    assert "STARTTLS" in address()["last_answer"]
    assert not said(stranger, "MAIL") and not said(plain, "MAIL") and node.held() == 10
    moved = recorder(address="127.0.0.34", certificate=mine)
    began = time.monotonic()
    node.cli("domain", "address", "example.org", moved.endpoint)
    moved.wait_for(10)
    assert time.monotonic() - began < 10 * peers.SLOWER
    assert not said(stranger, "MAIL") and not said(plain, "MAIL")


def test_tls_from_the_first_octet(holdfast, recorder, authority):
    server = recorder(certificate=authority.issue("mail.example.org"), from_start=True)
    node = holdfast(sections=f'web {{ ca = "{authority.file}" }}')
    node.add("example.org", server.endpoint, tls="name", tls_name="mail.example.org",
             tls_from_start="yes")
    held(node)
    server.wait_for(1)
    assert server.ciphers


def test_each_primary_in_its_own_way(holdfast, recorder, authority):
    """Two primaries of one domain: a filter beside us that is spoken to in the clear, though it offers
    TLS, and behind it the server itself, over TLS from the first octet, by a name of its own."""
    beside = recorder(certificate=authority.issue("anybody.example"))
    far = recorder(address="127.0.0.35", certificate=authority.issue("mx2.example.org"), from_start=True)
    node = holdfast(sections=f'web {{ ca = "{authority.file}" }}')
    node.add("example.org", [f"{beside.endpoint},tls=no",
                             f"{far.endpoint},tls-name=MX2.example.org,tls-from-start=yes"],
             tls="name", tls_name="mail.example.org")
    assert node.domain()["primary"] == [f"{beside.endpoint},tls=no",
                                        f"{far.endpoint},tls-from-start=yes,tls-name=mx2.example.org"]
    held(node)
    beside.wait_for(1)
    assert not said(beside, "STARTTLS") and not beside.ciphers
    peers.wait_until(lambda: node.domain()["sessions"] == 0, what="the session's end")
    beside.stop()
    held(node)
    far.wait_for(1)
    assert far.ciphers
    node.cli("domain", "set", "example.org", "--primary", far.endpoint, "--set", "tls-from-start=yes")
    held(node)
    wait_for_state(node, "stranger")  # the name that it has to show is the domain's now
    assert node.held() == 1


def test_a_plain_server_where_tls_should_begin(holdfast, recorder):
    """It greets in the clear, where a handshake should be: nothing is said to it."""
    server = recorder()
    node = holdfast()
    node.add("example.org", server.endpoint, tls_from_start="yes", connect_timeout="2s")
    held(node)
    wait_for_state(node, "down")
    assert not said(server, "EHLO") and node.held() == 1


def test_postfix_with_tls(holdfast, postfix, authority):
    """A real primary, which demands TLS, and is known by its name."""
    made = authority.issue("mx1.example.org")
    primary = postfix(settings={"smtpd_tls_security_level": "encrypt",
                                "smtpd_tls_cert_file": made.chain, "smtpd_tls_key_file": made.key,
                                "smtpd_tls_loglevel": "1"})
    primary.start()
    node = holdfast(sections=f'web {{ ca = "{authority.file}" }}')
    node.add("example.org", primary.endpoint, tls="name", tls_name="mx1.example.org")
    held(node, 5)
    peers.wait_until(lambda: primary.count() == 5, what="five messages")
    assert "TLS connection established from" in primary.log.read_text()


def test_bad_pins_are_explained(holdfast):
    node = holdfast({"example.org": ()})
    done = node.cli("domain", "set", "example.org", "--set", "tls-pin=sha256:1234", check=False)
    assert done.returncode != 0 and "key:SHA256" in done.stderr
