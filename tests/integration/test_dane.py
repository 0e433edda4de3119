# SPDX-License-Identifier: ISC
"""The key that a primary has to show stands in the DNS (SPEC X3, FACTS 4.8): signed zones of a real
name server, and primaries at port 25 of addresses of their own, which takes root."""
import hashlib
import re
import socket
import socketserver
import struct
import threading

import pytest

import certificates
import peers

pytestmark = pytest.mark.skipif(not peers.IS_ROOT, reason="port 25 takes root")

MX1, MX2 = "127.0.10.1", "127.0.10.2"
HOSTS = [f"mx1 IN A {MX1}", f"mx2 IN A {MX2}"]


@pytest.fixture
def authority(state):
    return certificates.Authority(state / "ca")


def said(server, word):
    return [line for line in server.commands if line.upper().startswith(word)]


def tlsa(usage, selector, matching, certificate, host="mx1"):
    data = certificate.der() if selector == 0 else certificate.spki()
    if matching:
        data = hashlib.new({1: "sha256", 2: "sha512"}[matching], data).digest()
    return f"_25._tcp.{host} IN TLSA {usage} {selector} {matching} {data.hex()}"


@pytest.fixture
def site(holdfast, nsd, state, recorder):
    """site(lines, certificate) -> (node, primary at MX1): the zone is signed unless `signs` is false, and
    changed by `tamper` behind that, and asked for by `resolver`; a message waits for it."""
    def make(lines, certificate, signs=True, tamper=lambda text: text, mx="@ IN MX 10 mx1", resolver=None,
             **settings):
        nsd.zone("example.org", [mx, *HOSTS, *lines])
        anchors = state / "anchors"
        anchors.write_text((nsd.sign("example.org", tamper) if signs else "") + "\n")
        nsd.start()
        server = recorder(MX1, port=25, certificate=certificate)
        node = holdfast(dns=f'servers = {{"{(resolver or nsd).endpoint}"}}', trust_anchor=anchors)
        node.add("example.org", **settings)
        node.send(peers.message()[1])
        return node, server
    return make


def wait_for_state(node, state):
    peers.wait_until(lambda: node.state_of() == state, 40, f"the state {state}")


@pytest.mark.parametrize("usage,selector,matching", [(3, 1, 1), (3, 0, 1), (3, 1, 2), (3, 0, 2),
                                                     (3, 1, 0), (3, 0, 0)])
def test_a_record_for_the_certificate_itself(site, authority, usage, selector, matching):
    """DANE-EE: neither its name nor its time nor who signed it matters."""
    made = authority.issue("elsewhere.example", begins="20200101000000Z", ends="20200201000000Z")
    _, server = site([tlsa(usage, selector, matching, made)], made)
    server.wait_for(1)
    assert server.ciphers


@pytest.mark.parametrize("name,fits", [("mx1.example.org", True), ("example.org", True),
                                       ("mx2.example.org", False)])
def test_a_record_for_an_authority(site, authority, state, name, fits):
    """DANE-TA: who signed it, and the name of the host or of the domain."""
    made = authority.issue(name)
    chain = state / "chain.pem"
    chain.write_text(made.chain.read_text() + authority.file.read_text())
    node, server = site([tlsa(2, 0, 1, certificates.Certificate(authority.file, authority.key))],
                        certificates.Certificate(chain, made.key))
    if fits:
        server.wait_for(1)
    else:
        wait_for_state(node, "stranger")
        assert not said(server, "MAIL") and node.held() == 1


def test_another_key_than_the_record_says(site, authority):
    made, other = authority.issue("mx1.example.org"), authority.issue("mx1.example.org")
    node, server = site([tlsa(3, 1, 1, other)], made)
    wait_for_state(node, "stranger")
    assert not said(server, "MAIL") and node.held() == 1


def test_no_tls_where_there_is_a_record(site, authority):
    node, server = site([tlsa(3, 1, 1, authority.issue("mx1.example.org"))], None)
    wait_for_state(node, "stranger")
    assert "STARTTLS" in node.domain()["reason"]
    assert not said(server, "MAIL") and node.held() == 1


@pytest.mark.parametrize("record", ["0 1 1", "1 1 1", "3 1 9", "3 7 1"])
def test_records_of_no_use(site, authority, record):
    """Usages of web servers, and types that nobody knows: TLS is a must, with whomever."""
    made = authority.issue("mx1.example.org")
    line = tlsa(3, 1, 1, made).replace("TLSA 3 1 1", f"TLSA {record}")
    node, server = site([line], made)
    server.wait_for(1)
    assert server.ciphers


def test_records_of_no_use_and_no_tls(site, authority):
    line = tlsa(3, 1, 1, authority.issue("mx1.example.org")).replace("TLSA 3 1 1", "TLSA 1 1 1")
    node, server = site([line], None)
    wait_for_state(node, "down")
    assert "STARTTLS" in node.domain()["reason"]
    assert not said(server, "MAIL") and node.held() == 1


def test_bogus_records(site, authority):
    """Somebody has changed the record on its way: that is no permission to go without."""
    made = authority.issue("mx1.example.org")

    def change(text):
        return re.sub(r"(IN\s+TLSA\s+3 1 1 )(..)", lambda found: found[1] + ("00" if found[2] != "00"
                                                                             else "11"), text)
    node, server = site([tlsa(3, 1, 1, made)], made, tamper=change)
    wait_for_state(node, "down")
    peers.wait_until(lambda: "problem=untrusted" in node.text(), what="the log's line")
    assert not server.commands and node.held() == 1


def test_bogus_addresses(site, authority):
    made = authority.issue("mx1.example.org")
    node, server = site([tlsa(3, 1, 1, made)], made,
                        tamper=lambda text: text.replace(MX1, MX2))
    wait_for_state(node, "down")
    assert not server.commands and node.held() == 1


class Resolver:
    """Stands in front of a name server, and answers by itself what is asked about TLSA: with this code, and
    nothing that would prove it. Without a code it only hands on."""

    def __init__(self, nsd, code=None):
        self.code = code
        resolver = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                query, door = self.request
                name_ends = query.index(b"\0", 12) + 1
                code = resolver.code
                if code is not None and query[name_ends:name_ends + 2] == struct.pack(">H", 52):
                    answer = (query[:2] + struct.pack(">5H", 0x8180 | code, 1, 0, 0, 0) +
                              query[12:name_ends + 4])
                else:
                    with socket.socket(type=socket.SOCK_DGRAM) as upstream:
                        upstream.settimeout(peers.DEADLINE)
                        upstream.connect((nsd.address, nsd.port))
                        upstream.send(query)
                        answer = upstream.recv(65535)
                door.sendto(answer, self.client_address)

        class Server(socketserver.ThreadingUDPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", peers.free_port()), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def endpoint(self):
        return "{}:{}".format(*self.server.server_address)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("code", [0, 2, 3, 5], ids=["nothing there", "failed", "no such name", "refused"])
def test_a_dns_that_proves_nothing(site, authority, nsd, code):
    """Name servers that break over TLSA, and whoever wants the key not to be looked at: without a proof that
    there is no record, the host is not used (RFC 7672 2.1.2)."""
    resolver = Resolver(nsd, code)
    node, server = site([], authority.issue("mx1.example.org"), resolver=resolver)
    wait_for_state(node, "down")
    resolver.stop()
    assert "TLSA" in node.domain()["reason"]
    assert not server.commands and node.held() == 1


@pytest.mark.parametrize("is_known", [True, False], ids=["a key", "no key"])
def test_what_is_remembered_when_a_dns_proves_nothing(site, authority, nsd, is_known):
    """A key that was known serves on. That there was none is no proof that there is none now: whoever keeps the
    records from us would have the mail in the clear."""
    made = authority.issue("mx1.example.org")
    resolver = Resolver(nsd)
    node, server = site([tlsa(3, 1, 1, made)] if is_known else [], made, resolver=resolver)
    server.wait_for(1)
    node.stop()
    resolver.code = 2
    node.start()
    node.send(peers.message()[1])
    peers.wait_until(lambda: "problem=untrusted" in node.text(), what="the log's line")
    if is_known:
        server.wait_for(2)
    else:
        wait_for_state(node, "down")
        assert len(said(server, "MAIL")) == 1 and node.held() == 1
    resolver.stop()


def test_records_that_are_an_alias(site, authority):
    """One record for many hosts."""
    made, other = authority.issue("mx1.example.org"), authority.issue("mx1.example.org")
    shared = tlsa(3, 1, 1, other).replace("_25._tcp.mx1", "_dane")
    node, server = site([shared, "_25._tcp.mx1 IN CNAME _dane"], made)
    wait_for_state(node, "stranger")
    assert not said(server, "MAIL") and node.held() == 1


def test_malformed_records_beside_a_good_one(site, authority):
    """Half a digest, no certificate, one of a web server, and twenty keys that are others'."""
    made, other = authority.issue("mx1.example.org"), authority.issue("mx1.example.org")
    lines = ["_25._tcp.mx1 IN TLSA 3 1 1 0011", "_25._tcp.mx1 IN TLSA 3 0 0 30030201", tlsa(1, 1, 1, other)]
    lines += [f"_25._tcp.mx1 IN TLSA 2 1 1 {number:064x}" for number in range(20)]
    node, server = site([*lines, tlsa(3, 1, 1, made)], made)
    server.wait_for(1)
    assert node.domain()["route"]["targets"][0]["tls"] == "tlsa"


def test_records_in_an_unsigned_zone(site, authority):
    """They might be anybody's: no record, as far as trust goes."""
    made, other = authority.issue("mx1.example.org"), authority.issue("mx1.example.org")
    _, server = site([tlsa(3, 1, 1, other)], made, signs=False)
    server.wait_for(1)


@pytest.mark.parametrize("usage,fits", [(3, True), (3, False), (2, True)])
def test_a_host_that_is_an_alias(site, authority, state, usage, fits):
    """Its MX is an alias: the record stands at what that stands for, whose name is also shown."""
    made, other = authority.issue("mx1.example.org"), authority.issue("mx1.example.org")
    chain = state / "chain.pem"
    chain.write_text(made.chain.read_text() + authority.file.read_text())
    of = certificates.Certificate(authority.file, authority.key) if usage == 2 else made if fits else other
    node, server = site(["@ IN MX 5 mail", "mail IN CNAME mx1", tlsa(usage, 1, 1, of)],
                        certificates.Certificate(chain, made.key), mx="")
    if fits:
        server.wait_for(1)
        assert node.domain()["route"]["targets"][0]["tls"] == "tlsa"
    else:
        wait_for_state(node, "stranger")
        assert not said(server, "MAIL") and node.held() == 1


@pytest.mark.parametrize("fits", [True, False])
def test_an_alias_that_leads_out_of_what_is_signed(site, nsd, authority, fits):
    """The alias is signed, and so is its own record, though nobody signs where it leads (RFC 7672 2.2.2)."""
    made, other = authority.issue("mx1.example.org"), authority.issue("mx1.example.org")
    nsd.zone("example.com", [f"host IN A {MX1}"])
    record = tlsa(3, 1, 1, made if fits else other).replace("_25._tcp.mx1", "_25._tcp.mail")
    node, server = site(["@ IN MX 5 mail", "mail IN CNAME host.example.com.", record], made, mx="")
    if fits:
        server.wait_for(1)
        assert node.domain()["route"]["targets"][0]["tls"] == "tlsa"
    else:
        wait_for_state(node, "stranger")
        assert not said(server, "MAIL") and node.held() == 1


def test_a_pin_stands_above_the_record(site, authority):
    made, other = authority.issue("mx1.example.org"), authority.issue("mx1.example.org")
    node, server = site([tlsa(3, 1, 1, made)], made, tls_pin=f"key:{other.key_digest()}")
    wait_for_state(node, "stranger")
    assert not said(server, "MAIL") and node.held() == 1


# ---- tls = dane: the domain's holder wants it, whether the primary is named, found or told ----

@pytest.fixture
def known(state, holdfast, nsd):
    """known(records, primary, …) -> a node with mail for example.org, whose primary is known by its key in
    the DNS alone."""
    def make(records, primary="mx1.example.org", **settings):
        nsd.zone("example.org", ["@ IN MX 10 mx1", *HOSTS, *records])
        anchors = state / "anchors"
        anchors.write_text(nsd.sign("example.org") + "\n")
        nsd.start()
        node = holdfast(dns=f'servers = {{"{nsd.endpoint}"}}', trust_anchor=anchors,
                        defaults='tell-after = "0s"')
        node.add("example.org", primary, tls="dane", **settings)
        node.send(peers.message()[1])
        return node
    return make


@pytest.mark.parametrize("primary,settings", [("mx1.example.org", {}), ((), {}),
                                              (MX1, {"tls_name": "mx1.example.org"})],
                         ids=["named", "found", "address"])
def test_the_holder_wants_dane(known, recorder, authority, primary, settings):
    made = authority.issue("mx1.example.org")
    server = recorder(MX1, port=25, certificate=made)
    node = known([tlsa(3, 1, 1, made)], primary, **settings)
    server.wait_for(1)
    assert node.domain()["route"]["targets"][0]["tls"] == "tlsa"


def test_the_holder_wants_dane_and_a_stranger_answers(known, recorder, authority):
    server = recorder(MX1, port=25, certificate=authority.issue("mx1.example.org"))
    node = known([tlsa(3, 1, 1, authority.issue("mx1.example.org"))])
    wait_for_state(node, "stranger")
    assert not said(server, "MAIL") and node.held() == 1


@pytest.mark.parametrize("primary", ["mx1.example.org", (), MX1], ids=["named", "found", "address"])
def test_the_holder_wants_dane_and_there_is_no_record(known, recorder, authority, primary):
    """A host without a key gets nothing, not even a look; and once the wish is taken back, its mail."""
    server = recorder(MX1, port=25, certificate=authority.issue("mx1.example.org"))
    node = known([], primary)
    peers.wait_until(lambda: node.domain()["route_problem"] == "untrusted", what="the problem")
    assert "TLSA" in node.cli("domain", "show", "example.org").stdout
    assert not server.commands and node.held() == 1
    node.cli("domain", "set", "example.org", "--set", "tls=must")
    server.wait_for(1)


@pytest.mark.parametrize("fits", [True, False])
def test_a_told_address_shows_the_key_in_the_dns(known, recorder, authority, fits):
    """The primary is not where the DNS says; where it has said that it is, it has to show the key that the DNS
    names for its host (SPEC D1, D4)."""
    made = authority.issue("mx1.example.org")
    node = known([tlsa(3, 1, 1, made)])
    there = recorder(address="127.0.0.6", certificate=made if fits else authority.issue("mx1.example.org"))
    node.cli("domain", "address", "example.org", there.endpoint)
    if fits:
        there.wait_for(1)
        return
    peers.wait_until(lambda: node.domain()["address"]["addresses"][0]["state"] == "stranger",
                     what="a stranger there")
    assert not said(there, "MAIL") and node.held() == 1


def test_a_told_address_of_a_host_without_a_key(known, recorder, authority):
    """Nobody can be known there, until the DNS names a key."""
    node = known([])
    there = recorder(address="127.0.0.6", certificate=authority.issue("mx1.example.org"))
    node.cli("domain", "address", "example.org", there.endpoint)
    peers.wait_until(lambda: node.domain()["route_problem"] == "untrusted", what="the problem")
    assert node.domain()["address"]["addresses"][0]["state"] == "trying"
    assert not there.commands and node.held() == 1
