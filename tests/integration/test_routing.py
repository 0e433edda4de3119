# SPDX-License-Identifier: ISC
"""Where mail goes (SPEC P6, P7, H7, Z7), with a real name server and primaries at port 25.

MX hosts are found at port 25 of addresses of their own within 127.0.0.0/8: this takes root.
"""
import socket

import pytest

import peers

pytestmark = pytest.mark.skipif(not peers.IS_ROOT, reason="port 25 takes root")

US, PRIMARY, SECOND, PEER, OTHER = (f"127.0.9.{n}" for n in (1, 2, 3, 4, 5))
HOSTS = [f"us IN A {US}", f"mx1 IN A {PRIMARY}", f"mx2 IN A {SECOND}", f"peer IN A {PEER}",
         f"other IN A {OTHER}"]


@pytest.fixture
def site(holdfast, sink, nsd):
    """site(zone lines) -> (node, {address: sink at its port 25, not started})."""
    def make(lines, zone="example.org", names='names = {"us.example.org"}'):
        nsd.zone(zone, [*lines, *HOSTS])
        nsd.start()
        hosts = {ip: sink(address=ip, port=25, start=False)
                 for ip in (PRIMARY, SECOND, PEER, OTHER)}
        node = holdfast({zone: ()}, address=US, port=25, hostname="us.example.org", top=names,
                        dns=f'servers = {{"{nsd.endpoint}"}}')
        return node, hosts
    return make


def idle(*sinks):
    assert [server.endpoint for server in sinks if server.connections()] == []


def test_only_better_hosts_are_tried(site, load):
    """MX 10 primary, 20 us, 20 peer, 30 other: all the mail and every attempt for the primary."""
    node, hosts = site(["@ IN MX 10 mx1", "@ IN MX 20 us", "@ IN MX 20 peer", "@ IN MX 30 other"])
    hosts[PEER].start()
    hosts[OTHER].start()
    clients = load(node.endpoint)
    clients.run(count=20, sessions=2)
    peers.wait_until(lambda: node.state_of() == "down", 40, "the primary to be seen down")
    idle(hosts[PEER], hosts[OTHER])
    hosts[PRIMARY].start()
    peers.wait_until(lambda: hosts[PRIMARY].count() == 20, 15, "all mail at the primary")
    idle(hosts[PEER], hosts[OTHER])


def test_we_are_known_by_address_too(site):
    """An MX name that is not ours, but leads to our address, is us all the same."""
    node, hosts = site(["@ IN MX 10 alias", f"alias IN A {US}", "@ IN MX 20 other"])
    hosts[OTHER].start()
    node.send(peers.message()[1])
    wait_for_no_route(node)
    assert node.held() == 1
    idle(hosts[OTHER])


def wait_for_no_route(node, domain="example.org"):
    """The domain's route was asked for and there is none; `domain show` says why."""
    peers.wait_until(lambda: node.domain(domain).get("route_problem"), 20, "the route's verdict")


def test_best_is_us_is_held_and_never_looped(site):
    node, hosts = site(["@ IN MX 10 us", "@ IN MX 20 peer"])
    hosts[PEER].start()
    node.send(peers.message()[1])
    wait_for_no_route(node)
    assert node.domain()["route_problem"] == "best-is-us"
    assert node.held() == 1
    idle(hosts[PEER])


def test_equal_primaries_share(site, load):
    node, hosts = site(["@ IN MX 10 mx1", "@ IN MX 10 mx2", "@ IN MX 20 us"])
    hosts[PRIMARY].start()
    hosts[SECOND].start()
    peers.wait_until(lambda: all(target["answers"] for target in node.domain()["route"]["targets"]),
                     20, "both to be known to answer")
    clients = load(node.endpoint)
    clients.run(count=600, sessions=10, per_session=5)
    peers.wait_until(lambda: hosts[PRIMARY].count() + hosts[SECOND].count() >= 600, 30, "all mail")
    assert min(hosts[PRIMARY].count(), hosts[SECOND].count()) > 60  # one in ten, at the least


def test_the_second_takes_over(site):
    node, hosts = site(["@ IN MX 10 mx1", "@ IN MX 15 mx2", "@ IN MX 20 us"])
    hosts[SECOND].start()
    node.send(peers.message()[1])
    peers.wait_until(lambda: hosts[SECOND].count() == 1, 20, "mail at the second primary")


def test_null_mx_is_held(site):
    node, _ = site(["@ IN MX 0 ."])
    node.send(peers.message()[1])
    wait_for_no_route(node)
    assert node.domain()["route_problem"] == "null-mx"
    assert node.held() == 1


def test_no_mx_means_the_domains_own_address(site):
    node, hosts = site([f"@ IN A {PRIMARY}"])
    hosts[PRIMARY].start()
    node.send(peers.message()[1])
    peers.wait_until(lambda: hosts[PRIMARY].count() == 1, 15, "mail at the implicit MX")


def test_an_alias_is_followed(site):
    """A CNAME as MX target is wrong (RFC 2181 10.3), but mail is not lost over it."""
    node, hosts = site(["@ IN MX 10 alias", "alias IN CNAME mx1", "@ IN MX 20 us"])
    hosts[PRIMARY].start()
    node.send(peers.message()[1])
    peers.wait_until(lambda: hosts[PRIMARY].count() == 1, 15, "mail behind the alias")


@pytest.mark.parametrize("is_silent", [False, True], ids=["refuses", "is silent"])
def test_dead_dns_leaves_the_last_known_route(site, nsd, is_silent):
    """The name server dies, holdfast is started anew: mail still finds the primary (Z7)."""
    node, hosts = site(["@ IN MX 10 mx1", "@ IN MX 20 us"])
    hosts[PRIMARY].start()
    node.send(peers.message()[1])
    peers.wait_until(lambda: hosts[PRIMARY].count() == 1, 15, "the first message")
    peers.wait_until(lambda: node.held() == 0, what="its settlement")
    assert node.stop() == 0
    nsd.stop()
    with socket.socket(type=socket.SOCK_DGRAM) as hole:
        if is_silent:
            hole.bind((nsd.address, nsd.port))
        node.start()
        node.send(peers.message()[1])
        peers.wait_until(lambda: hosts[PRIMARY].count() == 2, 60, "mail by the last known route")


def test_a_primary_that_was_named_is_not_passed_over(site):
    """The DNS says nothing of the host that the operator has named: the one that the MX records named before is
    no primary any more (D6)."""
    node, hosts = site(["@ IN MX 10 mx1", "@ IN MX 20 us"])
    hosts[PRIMARY].start()
    node.send(peers.message()[1])
    peers.wait_until(lambda: hosts[PRIMARY].count() == 1, 15, "the first message")
    node.cli("domain", "set", "example.org", "--primary", "new.elsewhere.example")
    wait_for_no_route(node)
    node.send(peers.message()[1])
    assert node.domain()["route_problem"] == "dns-failed"
    node.cli("queue", "flush", "example.org", check=False)
    peers.wait_until(lambda: node.text().count("problem=dns-failed") >= 2, 40, "a second look")
    assert node.held() == 1 and hosts[PRIMARY].count() == 1


def test_dead_dns_leaves_a_named_primary_with_what_it_has_to_show(site, nsd):
    """Its address was found before, and serves on; what the owner demands meanwhile, it has to show."""
    node, hosts = site(["@ IN MX 20 us", f"mail 1 IN A {PRIMARY}"])
    node.cli("domain", "set", "example.org", "--primary", "mail.example.org")
    hosts[PRIMARY].start()
    node.send(peers.message()[1])
    peers.wait_until(lambda: hosts[PRIMARY].count() == 1, 20, "the first message")
    nsd.stop()

    def is_silent():
        node.cli("domain", "set", "example.org", "--set", "hold=4d")  # it is asked again
        return node.domain().get("route_problem") == "dns-failed"
    peers.wait_until(is_silent, 20, "the address to be known no more")
    node.send(peers.message()[1])
    peers.wait_until(lambda: hosts[PRIMARY].count() == 2, 20, "mail at the address that was known")
    node.cli("domain", "set", "example.org", "--set", "tls-pin=key:" + 64 * "a")
    node.send(peers.message()[1])
    peers.wait_until(lambda: node.state_of() == "stranger", 40, "the state stranger")
    assert node.held() == 1 and hosts[PRIMARY].count() == 2


def test_dead_dns_makes_pins_no_more(site, nsd):
    """What a primary has to show by itself is added once, however often its plan is made anew."""
    node, hosts = site(["@ IN MX 20 us", f"mail 1 IN A {PRIMARY}"])
    hosts[PRIMARY].start()
    node.cli("domain", "set", "example.org", "--primary",
             "mail.example.org,tls-pin=key:" + 64 * "a" + ",tls-pin=key:" + 64 * "b")
    node.send(peers.message()[1])
    peers.wait_until(lambda: node.state_of() == "stranger", 20, "the state stranger")
    nsd.stop()

    def is_silent():
        node.cli("domain", "set", "example.org", "--set", "hold=4d")  # it is asked again
        return node.text().count("problem=dns-failed") >= 8
    peers.wait_until(is_silent, 60, "eight plans")
    assert "role_ended" not in node.text() and hosts[PRIMARY].count() == 0


def test_dead_dns_without_a_past_holds(holdfast, sink):
    """Nobody ever answered: held, not refused, not returned."""
    node = holdfast({"example.org": ()}, dns=f'servers = {{"127.0.0.1:{peers.free_port()}"}}')
    node.send(peers.message()[1])
    assert node.held() == 1


def test_a_static_primary_that_is_us_is_no_primary(holdfast):
    """Our own listener as the primary would be a loop (P6)."""
    node = holdfast()
    node.cli("domain", "add", "example.org", "--primary", node.endpoint, check=False)
    if node.cli("domain", "show", "example.org", check=False).returncode == 0:
        node.send(peers.message()[1])
        wait_for_no_route(node)
        assert node.held() == 1


def test_a_changed_primary_is_used_at_once(holdfast, sink):
    """H7: stored mail knows no host; it goes where the domain points now."""
    old, new = sink(start=False), sink()
    node = holdfast({"example.org": old.endpoint})
    node.send(peers.message()[1])
    assert node.held() == 1
    node.cli("domain", "set", "example.org", "--primary", new.endpoint)
    peers.wait_until(lambda: new.count() == 1, 10, "mail at the new primary")
    assert old.connections() == 0
