# SPDX-License-Identifier: ISC
"""TLS-RPT (RFC 8460): the owners of domains are told what came of TLS on the way to them, by mail and by
web. A real DNS, real web servers, real primaries, at ports 25 and 443 of addresses of their own, which
takes root."""
import base64
import contextlib
import datetime
import email
import gzip
import hashlib
import http.server
import json
import ssl
import threading

import pytest

import certificates
import peers

pytestmark = [pytest.mark.skipif(not peers.IS_ROOT, reason="ports 25 and 443 take root"),
              pytest.mark.timeout(240 * peers.SLOWER)]

MX, WEB, TAKER, COLLECTOR = "127.0.12.1", "127.0.12.2", "127.0.12.3", "127.0.12.4"
MAIL, POST = "mailto:tls@reports.example", "https://collector.example/v1/tls?for=us"


# ---- what a report has to be ---------------------------------------------------------------------

RESULTS = {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired",
           "certificate-not-trusted", "validation-failure", "tlsa-invalid", "dnssec-invalid",
           "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"}


def moment(text):
    assert text.endswith("Z")
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def has_form(thing, needs, may=()):
    """{name: type}: those that have to be there, and those that may; no others."""
    assert set(needs) <= set(thing) <= set(needs) | set(may), thing
    for name, kind in {**needs, **dict(may)}.items():
        assert name not in thing or isinstance(thing[name], kind), (name, thing)


def conforms(report):
    """RFC 8460 4.4, field by field."""
    has_form(report, {"organization-name": str, "date-range": dict, "contact-info": str,
                      "report-id": str, "policies": list})
    has_form(report["date-range"], {"start-datetime": str, "end-datetime": str})
    assert moment(report["date-range"]["start-datetime"]) < moment(report["date-range"]["end-datetime"])
    assert report["policies"]
    for one in report["policies"]:
        has_form(one, {"policy": dict, "summary": dict}, {"failure-details": list})
        policy, summary = one["policy"], one["summary"]
        has_form(policy, {"policy-type": str, "policy-domain": str},
                 {"policy-string": list, "mx-host": list})
        assert policy["policy-type"] in ("tlsa", "sts", "no-policy-found")
        assert all(isinstance(line, str) for line in policy.get("policy-string", []))
        has_form(summary, {"total-successful-session-count": int, "total-failure-session-count": int})
        sessions = 0
        for detail in one.get("failure-details", []):
            has_form(detail, {"result-type": str, "failed-session-count": int},
                     {"sending-mta-ip": str, "receiving-mx-hostname": str, "receiving-ip": str,
                      "receiving-mx-helo": str, "additional-information": str,
                      "failure-reason-code": str})
            assert detail["result-type"] in RESULTS and detail["failed-session-count"] > 0
            if not detail["result-type"].startswith("sts-"):
                sessions += detail["failed-session-count"]
        assert sessions == summary["total-failure-session-count"]
    return report


def report_in(content):
    """(the message, its JSON)"""
    message = email.message_from_bytes(content)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    words, attached = message.get_payload()
    assert words.get_content_type() == "text/plain"
    assert attached.get_content_type() == "application/tlsrpt+gzip"
    return message, conforms(json.loads(gzip.decompress(attached.get_payload(decode=True))))


def sums(reports):
    """{(policy type, result): sessions}, over all of them."""
    found = {}
    for report in reports:
        for one in report["policies"]:
            kind = one["policy"]["policy-type"]
            good = one["summary"]["total-successful-session-count"]
            for result, count in [("success", good),
                                  *((detail["result-type"], detail["failed-session-count"])
                                    for detail in one.get("failure-details", []))]:
                if count:
                    found[kind, result] = found.get((kind, result), 0) + count
    return found


# ---- peers ---------------------------------------------------------------------------------------


class Web:
    """Has policies, and takes reports: `posted` has (path, type, body). `temper` is "endless", "silent",
    or a status."""

    def __init__(self, address, certificate, policy="", temper=201):
        self.policy, self.temper = policy, temper
        self.posted, self.ends = [], threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 (the library's name)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write(web.policy.encode())

            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.posted.append((self.path, self.headers["Content-Type"], body))
                with contextlib.suppress(OSError):
                    web.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 443), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        if self.temper == "silent":
            self.ends.wait(120)
            return
        handler.send_response(200 if self.temper == "endless" else self.temper)
        handler.end_headers()
        while self.temper == "endless" and not self.ends.is_set():
            handler.wfile.write(b"y" * 1000)

    def stop(self):
        self.ends.set()
        self.server.shutdown()
        self.server.server_close()


class Counting(peers.Recorder):
    """Knows how often somebody began a handshake. `breaks`: and hangs up then."""

    def __init__(self, *words, breaks=False, **options):
        super().__init__(*words, **options)
        counting = self
        self.begun = 0

        class Session(peers.Recorder.Session):
            def secure(self):
                counting.begun += 1
                if breaks:
                    raise ConnectionError
                super().secure()
        self.Session = Session


class Site:
    def __init__(self, **parts):
        self.__dict__.update(parts)

    def reports(self):
        """Of both kinds, each once."""
        found = [report_in(content)[1] for content in self.taker.taken]
        found += [conforms(json.loads(gzip.decompress(body))) for _, _, body in self.collector.posted]
        assert all(report["policies"][0]["policy"]["policy-domain"] == "example.org"
                   for report in found)
        return list({report["report-id"]: report for report in found}.values())

    def sums(self):
        return sums(self.reports())

    def policies(self):
        return [one["policy"] for report in self.reports() for one in report["policies"]]

    def details(self):
        return [detail for report in self.reports() for one in report["policies"]
                for detail in one.get("failure-details", [])]

    def wait(self, kind, result, count=1):
        peers.wait_until(lambda: self.sums().get((kind, result), 0) >= count, 90,
                         f"{count} times {result} under {kind}")

    def wait_for_log(self, *words):
        peers.wait_until(lambda: any(all(word in line for word in words)
                                     for line in self.node.text().splitlines()), 100,
                         f"a line with {words}")


@pytest.fixture
def site(holdfast, nsd, state):
    """site(…) -> Site. `rua`: what the domain asks for; `policy`: its MTA-STS policy; `shows`: the name in
    the primary's certificate, or None; `signs`: its zone is; `keys`: lines of it, from the certificate;
    `taker_keys`: the same of who takes reports by mail."""
    made = []

    def make(rua=MAIL, policy=None, shows="mx1.example.org", dates=None, signs=False,
             keys=lambda certificate: (), taker_shows=None, taker_keys=None, taker_breaks=False,
             temper=201, interval="5s", breaks=False, settings=None, defaults="", sends=True):
        authority = certificates.Authority(state / "ca")
        certificate = authority.issue(shows, **(dates or {})) if shows else None
        taker_certificate = authority.issue(taker_shows) if taker_shows else None
        key = state / "dkim.key"
        certificates.openssl("genrsa", "-out", key, "2048")
        public = certificates.openssl("rsa", "-in", key, "-pubout", "-outform", "DER")
        text = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        nsd.zone("mx2.example.net", [f"one._domainkey IN TXT {strings(text)}"])
        zone = ["@ IN MX 10 mx1", f"mx1 IN A {MX}", f"mta-sts IN A {WEB}", *keys(certificate)]
        zone += [f'_smtp._tls IN TXT {strings(f"v=TLSRPTv1; rua={rua}")}'] if rua else []
        zone += ['_mta-sts IN TXT "v=STSv1; id=one;"'] if policy else []
        nsd.zone("example.org", zone)
        nsd.zone("reports.example", ["@ IN MX 10 mx", f"mx IN A {TAKER}",
                                     *(taker_keys(taker_certificate) if taker_keys else ())])
        nsd.zone("collector.example", [f"@ IN A {COLLECTOR}"])
        anchors = state / "anchors"
        anchors.write_text("".join(nsd.sign(name) + "\n" for name, wanted in
                                   [("example.org", signs), ("reports.example", taker_keys)] if wanted)
                           + "\n")
        nsd.start()
        web = Web(WEB, authority.issue("mta-sts.example.org"), policy or "")
        collector = Web(COLLECTOR, authority.issue("collector.example"), temper=temper)
        primary = Counting(MX, port=25, certificate=certificate, breaks=breaks).start()
        taker = Counting(TAKER, port=25, certificate=taker_certificate, breaks=taker_breaks).start()
        made.extend([web, collector, primary, taker])
        node = holdfast(dns=f'servers = {{"{nsd.endpoint}"}}', trust_anchor=anchors, sections=f"""
web {{ ca = "{authority.file}"
 local = yes }}
sign {{ domain = "mx2.example.net" selector = one key = "{key}" }}
report {{ tls = yes from = "tls@mx2.example.net" interval = {interval} }}""", defaults=defaults)
        node.add("example.org", **(settings or {}))
        if sends:
            node.send(peers.message()[1])
        return Site(nsd=nsd, web=web, collector=collector, primary=primary, taker=taker, node=node,
                    authority=authority, certificate=certificate)
    yield make
    for peer in made:
        peer.stop()


def policy(mode, *mx):
    return "\r\n".join(["version: STSv1", f"mode: {mode}", *(f"mx: {name}" for name in mx),
                        "max_age: 86400", ""])


def strings(text):
    """Of a TXT record: none is longer than 255 octets."""
    return " ".join(f'"{text[at:at + 200]}"' for at in range(0, len(text), 200))


def tlsa(certificate, host="mx1"):
    digest = hashlib.sha256(certificate.spki()).hexdigest()
    return [f"_25._tcp.{host} IN TLSA 3 1 1 {digest}"]


# ---- by mail -------------------------------------------------------------------------------------


def test_a_report_comes_by_mail_and_is_signed(site):
    import dkim  # noqa: PLC0415 (a package of Debian's)
    here = site()
    here.primary.wait_for(1)
    here.wait("no-policy-found", "success")
    content = here.taker.taken[0]
    message, report = report_in(content)
    assert dkim.verify(content, dnsfunc=here.nsd.text_of)
    signed = message["DKIM-Signature"].partition(" h=")[2].partition(";")[0].split(":")
    assert {"from", "to", "subject", "date", "tls-report-domain", "tls-report-submitter"} <= set(signed)
    assert "l=" not in message["DKIM-Signature"]
    assert message["From"] == "<tls@mx2.example.net>" and message["To"] == "<tls@reports.example>"
    assert message["TLS-Report-Domain"] == "example.org"
    assert message["TLS-Report-Submitter"] == "mx2.example.net"
    assert message["TLS-Required"] == "No"
    assert report["report-id"] in message["Subject"]
    attached = message.get_payload()[1].get_filename()
    assert attached.startswith("mx2.example.net!example.org!") and attached.endswith(".json.gz")
    assert report["contact-info"] == "tls@mx2.example.net"
    assert report["policies"][0]["policy"] == {"policy-type": "no-policy-found",
                                               "policy-domain": "example.org"}


def test_as_many_sessions_are_told_as_there_were(site):
    """As the primary counts them; and those to who takes reports are none of them."""
    here = site()
    here.primary.wait_for(1)
    for _ in range(3):
        here.node.send(peers.message()[1])
    here.primary.wait_for(4)
    here.node.stop()
    here.node.start()
    here.node.send(peers.message()[1])
    here.primary.wait_for(5)
    peers.wait_until(lambda: sum(here.sums().values()) >= here.primary.begun, 90, "all sessions")
    assert here.sums() == {("no-policy-found", "success"): here.primary.begun}
    reports_taken = len(here.taker.taken)
    assert reports_taken == len(here.reports())  # none twice


def test_failures_are_told_as_often_as_they_were(site):
    here = site(policy=policy("enforce", "mx1.example.org"), shows="other.example")
    peers.wait_until(lambda: here.primary.begun >= 1, 40, "a handshake")
    here.wait("sts", "certificate-host-mismatch")
    peers.wait_until(lambda: here.sums()["sts", "certificate-host-mismatch"] == here.primary.begun, 90,
                     "as many as there were")
    assert set(here.sums()) == {("sts", "certificate-host-mismatch")}
    one = here.policies()[0]
    assert one["mx-host"] == ["mx1.example.org"]
    assert "mode: enforce" in one["policy-string"] and one["policy-string"][0] == "version: STSv1"
    detail = here.details()[0]
    assert detail["receiving-mx-hostname"] == "mx1.example.org"
    assert detail["receiving-ip"] == MX and detail["sending-mta-ip"].startswith("127.0.")
    assert not here.primary.taken


# ---- each kind of failure ------------------------------------------------------------------------


@pytest.mark.parametrize("kind,result,options", [
    ("sts", "certificate-expired", {"policy": policy("enforce", "mx1.example.org"),
                                    "dates": {"begins": "20200101000000Z",
                                              "ends": "20200201000000Z"}}),
    ("sts", "starttls-not-supported", {"policy": policy("enforce", "mx1.example.org"),
                                       "shows": None}),
    ("sts", "validation-failure", {"policy": policy("enforce", "mx2.example.org")}),
    ("sts", "validation-failure", {"policy": policy("enforce", "mx1.example.org"), "breaks": True}),
    ("no-policy-found", "sts-policy-invalid", {"policy": "version: STSv1\r\nmode: enforce\r\n"}),
    ("no-policy-found", "starttls-not-supported", {"shows": None}),
    ("tlsa", "validation-failure", {"signs": True, "keys": lambda made: [
        "_25._tcp.mx1 IN TLSA 3 1 1 " + "00" * 32]}),
], ids=["expired", "starttls", "unnamed", "broken", "invalid", "clear", "tlsa"])
def test_what_went_wrong_is_told(site, kind, result, options):
    here = site(**options)
    here.wait(kind, result)
    if kind == "tlsa":
        assert here.policies()[0]["policy-string"] == ["3 1 1 " + "00" * 32]
        assert here.policies()[0]["mx-host"] == ["mx1.example.org"]


def test_a_key_that_fits_is_a_success(site):
    here = site(shows="other.example", signs=True, keys=tlsa)
    here.primary.wait_for(1)
    here.wait("tlsa", "success")


def test_a_policy_that_is_being_tested(site):
    """The mail arrives, and the owner learns that it would not."""
    here = site(policy=policy("testing", "mx1.example.org"), shows="other.example")
    here.primary.wait_for(1)
    assert here.primary.ciphers
    here.wait("sts", "certificate-host-mismatch")
    assert "mode: testing" in here.policies()[0]["policy-string"]


def test_a_policy_that_is_being_tested_and_is_obeyed(site):
    here = site(policy=policy("testing", "*.example.org"))
    here.primary.wait_for(1)
    here.wait("sts", "success")
    assert set(here.sums()) == {("sts", "success")}


def test_a_policy_that_is_being_tested_and_forgets_a_host(site):
    here = site(policy=policy("testing", "mx2.example.org"))
    here.primary.wait_for(1)
    here.wait("sts", "validation-failure")
    assert "name this host" in here.details()[0]["failure-reason-code"]


# ---- by web --------------------------------------------------------------------------------------


def test_a_report_is_posted(site):
    here = site(rua=POST)
    here.wait("no-policy-found", "success")
    path, kind, body = here.collector.posted[0]
    assert path == "/v1/tls?for=us" and kind == "application/tlsrpt+gzip"
    conforms(json.loads(gzip.decompress(body)))
    here.wait_for_log("tls_report_posted", "domain=example.org")
    assert not here.taker.taken


def test_who_takes_none_is_asked_again_later(site):
    """And after a restart of the keeper, too."""
    here = site(rua=POST, temper=503)
    here.wait_for_log("tls_report_failed", "status=503")
    here.node.crash()
    here.collector.temper = 204
    here.node.start()
    here.wait_for_log("tls_report_posted", "tries=2")
    posted = [json.loads(gzip.decompress(body))["report-id"] for _, _, body in here.collector.posted]
    assert posted.count(posted[0]) > 1  # the same, though others may have come between


def test_two_ways_at_once(site):
    here = site(rua=f"{MAIL},{POST}")
    peers.wait_until(lambda: here.taker.taken and here.collector.posted, 90, "both")
    by_mail = report_in(here.taker.taken[0])[1]
    by_web = json.loads(gzip.decompress(here.collector.posted[0][2]))
    assert by_mail == by_web


# ---- what survives -------------------------------------------------------------------------------


def test_what_was_counted_outlives_the_keeper(site):
    here = site(interval="20s")
    here.primary.wait_for(1)
    here.node.stop()
    begun = here.primary.begun
    here.node.start()
    here.wait("no-policy-found", "success", begun)
    # Another may begin meanwhile, and is told of in the next one.
    peers.wait_until(lambda: here.sums() == {("no-policy-found", "success"): here.primary.begun}, 60,
                     "a report of the last session")


# ---- strangers -----------------------------------------------------------------------------------


def test_a_hostile_record_does_no_harm(site):
    """Schemes that nobody should follow, passwords, and more places than anybody needs."""
    many = ",".join(f"mailto:r{i}@reports.example" for i in range(20))
    here = site(rua="ftp://collector.example/,file:///etc/passwd,javascript:alert(1),"
                    f"http://collector.example/plain,https://me:secret@collector.example/,{many}")
    here.wait("no-policy-found", "success")
    here.wait_for_log("tls_report ", "r3@reports.example")
    first = {report_in(content)[0]["To"] for content in here.taker.taken}
    assert first <= {f"<r{i}@reports.example>" for i in range(5)}
    assert not here.collector.posted
    assert not here.node.complaints()


@pytest.mark.parametrize("record", [None, "mailto:a@reports.example\\013\\010Bcc: x", "mailto:"])
def test_who_does_not_ask_properly_is_told_nothing(site, record):
    here = site(rua=record)
    here.primary.wait_for(1)
    here.wait_for_log("tls_reports_told", "reports=0")
    assert not here.taker.taken and "tls_report " not in here.node.text()


def test_an_endless_answer_is_cut_off(site):
    here = site(rua=POST, temper="endless")
    here.wait_for_log("tls_report_posted")


def test_a_silent_server_holds_nobody_up(site):
    here = site(rua=f"{POST},{MAIL}", temper="silent")
    here.taker.wait_for(1)
    here.wait_for_log("tls_report_failed")


def test_nothing_goes_to_a_private_network(site):
    here = site(rua="https://192.168.7.7/,https://[::1]/," + MAIL, sends=False)
    here.node.write_config(sections=here.node.parts["sections"].replace("local = yes", "local = no"))
    here.node.reload()
    here.node.send(peers.message()[1])
    here.wait("no-policy-found", "success")
    here.wait_for_log("tls_report_failed", "nothing is posted to its address")


# ---- though TLS fails ----------------------------------------------------------------------------


def test_a_report_arrives_where_no_other_mail_would(site):
    """Its key is not the one that the DNS says. Other mail of ours does not go there, not even on the way
    that the report has just taken."""
    here = site(taker_shows="mx.reports.example", taker_keys=lambda made: [
        "_25._tcp.mx IN TLSA 3 1 1 " + "00" * 32],
        defaults="probe-interval = 1s probes-down = 1 tell-after = 1s",
        settings={"owner": "me@reports.example"})
    here.wait("no-policy-found", "success")
    assert here.taker.ciphers
    here.primary.stop()  # its owner is to hear of that
    peers.wait_until(lambda: here.node.domain()["route"]["sessions"] == 0, what="the last session's end")
    here.node.send(peers.message()[1])
    here.wait_for_log("route_state", "domain=reports.example", "to=stranger")
    assert all(b"tlsrpt" in content for content in here.taker.taken)
    assert here.node.queue("reports.example")
    here.node.stop()
    here.node.start()  # it stays so
    here.wait_for_log("route_state", "domain=reports.example", "to=stranger")
    assert all(b"tlsrpt" in content for content in here.taker.taken)


def test_a_report_waits_with_what_it_is_allowed(site):
    """Who takes it is away, and holdfast ends: it is as lax as it was."""
    here = site(taker_shows="mx.reports.example", taker_keys=lambda made: [
        "_25._tcp.mx IN TLSA 3 1 1 " + "00" * 32])
    here.taker.stop()
    here.wait_for_log("own_mail ", "domain=reports.example")
    here.node.crash()
    here.taker.start()
    here.node.start()
    here.wait("no-policy-found", "success")


def test_a_report_arrives_though_the_handshake_fails(site):
    here = site(taker_shows="mx.reports.example", taker_breaks=True)
    here.wait("no-policy-found", "success")
    assert here.taker.begun >= 1 and not here.taker.ciphers


def test_nobody_is_told_unless_the_operator_wants_it(site):
    here = site(sends=False)
    here.node.stop()
    (here.node.data / "tls-reports").unlink(missing_ok=True)  # of a probe
    here.node.write_config(sections=here.node.parts["sections"].replace("tls = yes", "tls = no"))
    here.node.start()
    here.node.send(peers.message()[1])
    here.primary.wait_for(1)
    here.node.stop()
    assert not (here.node.data / "tls-reports").exists()
