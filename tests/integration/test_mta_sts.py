# SPDX-License-Identifier: ISC
"""The owner of a domain says on a web server which hosts take its mail, and that they have to prove who
they are (RFC 8461; FACTS 4.8). A real DNS, a real web server, a real primary, at ports 25 and 443 of
addresses of their own, which takes root."""
import hashlib
import http.server
import ssl
import threading

import pytest

import certificates
import peers

pytestmark = pytest.mark.skipif(not peers.IS_ROOT, reason="ports 25 and 443 take root")

MX, WEB = "127.0.11.1", "127.0.11.2"


def policy(mode="enforce", mx=("mx1.example.org",), max_age=86400):
    return "".join(["version: STSv1\r\n", f"mode: {mode}\r\n", *(f"mx: {name}\r\n" for name in mx),
                    f"max_age: {max_age}\r\n"])


class Web:
    """A web server that has a policy: `text`, sent as `kind` with `status`; `endless` and `silent` are
    what they say. `asked` has the paths."""

    def __init__(self, certificate, text="", status=200, kind="text/plain", endless=False,
                 silent=False, location=None):
        self.text, self.status, self.kind, self.location = text, status, kind, location
        self.endless, self.silent = endless, silent
        self.asked, self.ends = [], threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 (the library's name)
                web.asked.append((self.headers["Host"], self.path))
                web.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((WEB, 443), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        if self.silent:
            self.ends.wait(120)
            return
        handler.send_response(self.status)
        handler.send_header("Content-Type", self.kind)
        if self.location:
            handler.send_header("Location", self.location)
        handler.end_headers()
        handler.wfile.write(self.text.encode())
        while self.endless and not self.ends.is_set():
            try:
                handler.wfile.write(b"x: " + b"y" * 1000 + b"\r\n")
            except OSError:
                return

    def stop(self):
        self.ends.set()
        self.server.shutdown()
        self.server.server_close()


class Site:
    def __init__(self, nsd, web, server, node, authority):
        self.nsd, self.web, self.server, self.node = nsd, web, server, node
        self.authority = authority

    def said(self, word):
        return [line for line in self.server.commands if line.upper().startswith(word)]

    def wait_for_log(self, *words):
        peers.wait_until(lambda: any(all(word in line for word in words)
                                     for line in self.node.text().splitlines()), 40,
                         f"a line with {words}")

    def wait_for_state(self, state):
        peers.wait_until(lambda: self.node.state_of() == state, 40, f"the state {state}")

    def gets_nothing(self):
        assert not self.said("MAIL") and self.node.held() == 1


@pytest.fixture
def site(holdfast, nsd, state, recorder):
    """site(text, …) -> Site, with a message that waits. `shows`: the name in the primary's certificate,
    or None: it has none; `web_shows`: in the web server's; `signs`: the zone is; `lines` join it."""
    made = []

    def make(text=None, shows="mx1.example.org", web_shows="mta-sts.example.org", web_dates=None,
             other_authority=False, record="v=STSv1; id=one;", signs=False, lines=(), speed=1,
             lines_for=lambda certificate: (), **web_options):
        authority = certificates.Authority(state / "ca")
        strange = certificates.Authority(state / "strange")
        certificate = authority.issue(shows) if shows else None
        zone = ["@ IN MX 10 mx1", f"mx1 IN A {MX}", f"mta-sts IN A {WEB}", *lines,
                *lines_for(certificate)]
        if record:
            zone.append(f'_mta-sts IN TXT "{record}"')
        nsd.zone("example.org", zone)
        anchors = state / "anchors"
        anchors.write_text((nsd.sign("example.org") if signs else "") + "\n")
        nsd.start()
        issuer = strange if other_authority else authority
        web = Web(issuer.issue(web_shows, **(web_dates or {})), policy() if text is None else text,
                  **web_options)
        made.append(web)
        server = recorder(MX, port=25, certificate=certificate)
        node = holdfast(dns=f'servers = {{"{nsd.endpoint}"}}', trust_anchor=anchors,
                        sections=f'web {{ ca = "{authority.file}"\n local = yes }}', speed=speed)
        node.add("example.org")
        node.send(peers.message()[1])
        return Site(nsd, web, server, node, authority)
    yield make
    for web in made:
        web.stop()


# ---- a policy that is in force --------------------------------------------------------


def test_the_right_host_with_the_right_certificate(site):
    here = site()
    here.server.wait_for(1)
    assert here.server.ciphers
    assert here.web.asked == [("mta-sts.example.org", "/.well-known/mta-sts.txt")]
    here.wait_for_log("mta_sts_policy", "domain=example.org", "mode=enforce", "id=one")
    domain = here.node.domain()
    assert domain["route"]["targets"][0]["tls"] == "name"
    assert (domain["mta_sts"]["mode"], domain["mta_sts"]["id"]) == ("enforce", "one")
    assert "MTA-STS" in here.node.cli("domain", "show", "example.org").stdout


def test_a_star_names_hosts(site):
    here = site(policy(mx=["*.example.org"]))
    here.server.wait_for(1)
    assert here.node.domain()["route"]["targets"][0]["tls"] == "name"


@pytest.mark.parametrize("shows", ["mx2.example.org", None])
def test_a_host_that_does_not_prove_its_name(site, shows):
    here = site(shows=shows)
    here.wait_for_state("stranger")
    here.gets_nothing()


def test_a_host_that_the_policy_does_not_name(site):
    here = site(policy(mx=["mx2.example.org"]))
    here.wait_for_state("down")
    here.wait_for_log("no_route", "not-in-policy")
    assert not here.server.commands
    here.gets_nothing()


@pytest.mark.parametrize("form", [
    {"text": policy().replace("\r\n", "\n").rstrip()},
    {"text": "max_age: 9999999999\nmx:\t mx1.example.org. \nfoo: bar\nmode: enforce\nversion: STSv1\n"},
    {"kind": "Text/Plain ; charset=utf-8"},
    {"text": policy() + "".join(f"k{i}: {'v' * 50}\r\n" for i in range(1000))},
], ids=["LF and no end", "any order", "with charset", "much"])
def test_what_is_a_policy_in_other_words(site, form):
    """It is in force: so the host has to prove its name, and does not."""
    here = site(shows="other.example", **form)
    here.wait_for_state("stranger")
    here.gets_nothing()


@pytest.mark.parametrize("mode", ["testing", "none"])
def test_a_policy_that_demands_nothing(site, mode):
    here = site(policy(mode, mx=["mx2.example.org"]), shows="other.example")
    here.server.wait_for(1)
    here.wait_for_log("mta_sts_policy", f"mode={mode}")


# ---- with DNSSEC -------------------------------------------------------------------------


def tlsa(usage, certificate):
    digest = hashlib.sha256(certificate.spki()).hexdigest()
    return [f"_25._tcp.mx1 IN TLSA {usage} 1 1 {digest}"]


def test_a_secure_zone_without_records_of_keys(site):
    here = site(signs=True)
    here.server.wait_for(1)
    assert here.node.domain()["route"]["targets"][0]["tls"] == "name"


def test_a_secure_zone_and_a_host_without_name(site):
    here = site(policy(mx=["mx2.example.org"]), signs=True)
    here.wait_for_log("no_route", "not-in-policy")
    here.gets_nothing()


@pytest.mark.parametrize("mode", ["testing", "none"])
def test_a_secure_zone_and_a_policy_that_demands_nothing(site, mode):
    here = site(policy(mode, mx=["mx2.example.org"]), signs=True, shows="other.example")
    here.server.wait_for(1)


@pytest.mark.parametrize("named", ["mx1.example.org", "mx2.example.org"])
def test_a_usable_record_stands_above_the_policy(site, named):
    """DANE: the name in the certificate is another one, and the policy may name whom it likes."""
    here = site(policy(mx=[named]), shows="other.example", signs=True,
                lines_for=lambda made: tlsa(3, made))
    here.server.wait_for(1)
    assert here.node.domain()["route"]["targets"][0]["tls"] == "tlsa"


@pytest.mark.parametrize("shows,fits", [("mx1.example.org", True), ("other.example", False)])
def test_a_useless_record_and_a_policy(site, shows, fits):
    here = site(shows=shows, signs=True, lines_for=lambda made: tlsa(1, made))
    if fits:
        here.server.wait_for(1)
    else:
        here.wait_for_state("stranger")
        here.gets_nothing()


# ---- what is no policy ----------------------------------------------------------------


@pytest.mark.parametrize("problem,options", [
    ("sts-policy-invalid", {"text": "version: STSv1\r\nmode: enforce\r\n"}),
    ("sts-policy-invalid", {"kind": "text/html"}),
    ("sts-policy-fetch-error", {"endless": True}),
    ("sts-policy-fetch-error", {"status": 404}),
    ("sts-policy-fetch-error", {"status": 301,
                                "location": "https://mta-sts.example.org/elsewhere"}),
    ("sts-webpki-invalid", {"web_shows": "www.example.org"}),
    ("sts-webpki-invalid", {"other_authority": True}),
    ("sts-webpki-invalid", {"web_dates": {"begins": "20200101000000Z",
                                          "ends": "20200201000000Z"}}),
], ids=["half", "html", "endless", "absent", "redirected", "name", "authority", "expired"])
def test_what_is_no_policy_demands_nothing(site, problem, options):
    """The policy would keep the mail from this primary."""
    options = {"text": policy(mx=["mx2.example.org"]), **options}
    here = site(shows="other.example", **options)
    here.server.wait_for(1)
    here.wait_for_log("mta_sts_failed", f"problem={problem}", "using=none")
    assert here.node.domain()["mta_sts"]["problem"] == problem
    assert len(here.web.asked) <= 1


def test_a_web_server_that_says_nothing(site):
    """The mail waits for a minute, and then no more."""
    here = site(silent=True, shows="other.example")
    peers.wait_until(lambda: here.web.asked, 20, "the question")
    assert not here.said("MAIL")
    peers.wait_until(lambda: len(here.server.taken) == 1, 90, "the message")
    here.wait_for_log("mta_sts_failed", "problem=sts-policy-fetch-error")


@pytest.mark.parametrize("record", [None, "v=STSv2; id=one;", "v=STSv1;"])
def test_nothing_is_fetched_without_a_record(site, record):
    here = site(record=record, shows="other.example")
    here.server.wait_for(1)
    assert not here.web.asked


# ---- what is remembered -------------------------------------------------------------------


def test_a_policy_outlives_a_restart_and_its_web_server(site):
    """Its record and its web server are gone: it is in force all the same."""
    here = site(shows="mx1.example.org")
    here.server.wait_for(1)
    here.node.stop()
    here.web.stop()
    here.nsd.stop()
    here.nsd.zone("example.org", ["@ IN MX 10 mx9", f"mx9 IN A {MX}"])
    here.nsd.start()
    here.node.start()
    here.wait_for_log("no_route", "not-in-policy")
    here.node.send(peers.message()[1])
    here.wait_for_state("down")
    assert here.node.held() == 1 and len(here.server.taken) == 1


def test_another_policy_that_cannot_be_fetched_changes_nothing(site):
    here = site()
    here.server.wait_for(1)
    here.node.stop()
    here.web.status = 500
    here.nsd.stop()
    here.nsd.zone("example.org", ["@ IN MX 10 mx9", f"mx9 IN A {MX}", f"mta-sts IN A {WEB}",
                                  '_mta-sts IN TXT "v=STSv1; id=two;"'])
    here.nsd.start()
    here.node.start()
    here.wait_for_log("mta_sts_failed", "sts-policy-fetch-error", "the policy there was")
    here.wait_for_log("no_route", "not-in-policy")


def test_another_policy_takes_the_place_of_the_first(site):
    here = site()
    here.server.wait_for(1)
    here.node.stop()
    here.web.text = policy(mx=["mx9.example.org"])
    here.nsd.stop()
    here.nsd.zone("example.org", ["@ IN MX 10 mx1", f"mx1 IN A {MX}", f"mta-sts IN A {WEB}",
                                  '_mta-sts IN TXT "v=STSv1; id=two;"'])
    here.nsd.start()
    here.node.start()
    here.wait_for_log("mta_sts_policy", "id=two")
    here.wait_for_log("no_route", "not-in-policy")
