# SPDX-License-Identifier: ISC
"""servers.py: what is measured, each as a private instance that holds mail for example.org.

Postfix, OpenSMTPD and Exim are Debian's packages, with the durability that they are shipped with.
They are unpacked, not installed (only one of them could be), and run in a mount namespace of their
own in which their files lie over the machine's. What differs from their defaults is said in
`about` and in the configuration, with the reason. None of them asks the DNS, except the filters of
`filtered`.

A server is given a fresh spool by wipe(), and leaves nothing behind after stop().
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "integration"))

import peers  # noqa: E402
from meter import Group  # noqa: E402

WORK = pathlib.Path(os.environ.get("HOLDFAST_BENCH_DIR", "/var/tmp/holdfast-bench"))
UNPACKED = WORK / "unpacked"

# The unpacked package over /usr, its configuration over /etc, its folders where it expects them.
IN_NAMESPACE = """
set -e
mount -t overlay overlay -o "lowerdir=$ROOT/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$STATE/etc:/etc" /etc
if [ -d "$STATE/varspool" ]; then mount --bind "$STATE/varspool" /var/spool; fi
if [ -d "$STATE/varlib" ]; then mount -t overlay overlay -o "lowerdir=$STATE/varlib:/var/lib" /var/lib; fi
if [ -d "$STATE/run" ]; then mount --bind "$STATE/run" /run; fi
exec "$@"
"""


def unpack(name, *packages):
    """The packages' files below one folder, which stays for the next time."""
    root = UNPACKED / name
    if (root / "done").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for package in packages:
        subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package],
                       cwd=root, check=True, capture_output=True)
        file = next(root.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg", "-x", file, root], check=True)
        file.unlink()
    for folder in ("lib", "lib64"):  # an overlay over /usr would miss them
        if (root / folder).is_dir():
            shutil.copytree(root / folder, root / "usr" / folder, symlinks=True, dirs_exist_ok=True)
    (root / "done").touch()
    return root


class Server:
    """One of them. `settings`: beyond what it always has, in its own words."""

    name = about = ""
    settings = ()
    dns = ""  # server to ask, ADDRESS:PORT
    certificate = None  # a file with chain and key: STARTTLS is offered
    evidence = ()  # what the header of a signed message shows once it was checked

    def __init__(self, primary_port):
        self.port = peers.free_port()
        self.primary = f"127.0.0.1:{primary_port}"
        self.primary_port = primary_port
        self.state = WORK / f"spool-{self.name}"
        self.group = Group(self.name)
        self.process = None

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.port}"

    def spawn(self, command, **options):
        with open(self.log_file(), "ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    preexec_fn=self.group.enter, start_new_session=True, **options)

    def log_file(self):
        return self.state / "output"

    def fresh(self):
        self.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(parents=True)
        self.state.chmod(0o755)
        self.log_file().unlink(missing_ok=True)
        self.wipe()
        self.start()

    def start(self):
        self.launch()
        peers.wait_until(self.greets, 120, f"{self.name}'s banner", every=0.005)

    def greets(self):
        with contextlib.suppress(OSError), peers.Raw("127.0.0.1", self.port, 5) as client:
            return client.reply()[0] == 220
        return False

    def stop(self):
        if self.group.pids():
            self.ask_to_stop()
        self.group.end()

    def close(self):
        self.stop()
        self.group.remove()
        shutil.rmtree(self.state, ignore_errors=True)

    def rest(self, patience=20):
        """Until it uses less than 3 % of a processor."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            before = self.group.cpu_s()
            time.sleep(1)
            if self.group.cpu_s() - before < 0.03:
                return

    def wipe(self):
        """Configuration and an empty spool below the state folder."""

    def launch(self):
        raise NotImplementedError

    def ask_to_stop(self):
        self.process.terminate()

    def flush(self):
        """What its operator types to have the queue tried now."""

    def await_primary(self, is_up):
        """Until it has noticed, if it watches the primary."""


def make_certificate(file):
    """Of the kind that is issued by default today, signed by nobody."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", "30", "-subj", "/CN=mx2.example.org", "-keyout", "-", "-out", "-"]
    made = subprocess.run(command, check=True, capture_output=True).stdout
    key = made.index(b"-----BEGIN PRIVATE KEY")
    file.write_bytes(made[key:] + made[:key])
    return file


class Floor(Server):
    """No server at all: the sink that the others deliver to takes the load itself."""

    name = "floor"
    about = "tests/peers/sink.c: stores nothing"

    def launch(self):
        self.process = self.spawn([peers.TOOLS / "sink", "--listen", self.endpoint, "--crc", "--log",
                                   "/dev/null"])


class Holdfast(Server):
    name = "holdfast"
    about = ("defaults, but recipients are verified in the scenario recipients alone: the load writes to "
             "thousands that nobody knows; one domain with a given primary")
    evidence = ("spf=pass", "dkim=pass", "dmarc=pass")

    def wipe(self):
        self.node = peers.Holdfast(self.state / "node", port=self.port,
                                   smtp='sessions-per-client = 2000',
                                   dns=f'servers = {{"{self.dns}"}}' if self.dns else "",
                                   sections=f'tls {{ certificate = "{self.certificate}" }}'
                                   if self.certificate else "")
        self.is_new = True

    def log_file(self):
        """In memory: the log belongs to the journal, the spool is what is measured."""
        return pathlib.Path(f"/dev/shm/holdfast-bench-{self.port}.log")

    def launch(self):
        self.process = self.spawn([self.node.binary, "run", "--config", self.node.config],
                                  env=self.node.env)
        if self.is_new:
            peers.wait_until(self.greets, what="holdfast's banner", every=0.005)
            settings = dict(setting.split("=") for setting in ("verify-recipients=no",
                                                               *self.settings))
            words = [word for name, value in settings.items()
                     for word in ("--set", f"{name}={value}")]
            self.node.cli("domain", "add", "example.org", "--primary", self.primary, *words)
            self.is_new = False

    def await_primary(self, is_up):
        peers.wait_until(lambda: self.node.state_of() == ("up" if is_up else "down"), 60,
                         "the primary's state")

    def example(self):
        """The content of one message that is held."""
        return self.node.cli("queue", "export", self.node.queue()[0]["id"]).stdout

    def close(self):
        super().close()
        self.log_file().unlink(missing_ok=True)


class Unverified(Holdfast):
    name = "unverified"
    about = "holdfast with verify-recipients = no (scenario recipients)"


class Unchecked(Holdfast):
    name = "unchecked"
    about = "holdfast without SPF, DKIM, DMARC and ARC, which of the others only filtered asks about here"
    settings = ("check-senders=no", "own-sender=tag")
    evidence = ()


class Unpacked(Server):
    """One that runs in a namespace of its own."""

    packages = ()

    def __init__(self, primary_port):
        super().__init__(primary_port)
        self.root = unpack(self.name, *self.packages)
        self.names = {**os.environ, "ROOT": str(self.root), "STATE": str(self.state)}

    def users(self, **ids):
        etc = self.state / "etc"
        etc.mkdir(exist_ok=True)
        for file in ("passwd", "group"):
            text = pathlib.Path("/etc", file).read_text()
            for name, number in ids.items():
                rest = f"{number}:{number}::/nonexistent:/usr/sbin/nologin" if file == "passwd" else \
                    f"{number}:"
                text = re.sub(rf"^{name}:.*\n", "", text, flags=re.M) + f"{name}:x:{rest}\n"
            (etc / file).write_text(text)

    def inside(self, *command):
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", IN_NAMESPACE, "sh", *command]

    def again(self, *command):
        """In the namespace of the one that runs."""
        return subprocess.run(["nsenter", "-t", str(self.main_pid()), "-m", "--", *command],
                              capture_output=True, text=True, check=False, timeout=120)

    def main_pid(self):
        return self.process.pid

    def ask_to_stop(self):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
            os.kill(self.main_pid(), 15)


class Postfix(Unpacked):
    name = "postfix"
    about = "Postfix 3.7: relay_domains and a static transport; no per-client limits, no DNS"
    packages = ("postfix", "libnsl2")
    more_users = {}
    more_services = ()
    more_settings = {}

    def wipe(self):
        config = self.state / "etc" / "postfix"
        self.users(postfix=7001, postdrop=7002, **self.more_users)
        shutil.copytree(self.root / "etc" / "postfix", config)
        shutil.copy(self.root / "usr/share/postfix/dynamicmaps.cf", config)
        for folder in ("spool", "data", "log"):
            (self.state / folder).mkdir()
        os.chown(self.state / "data", 7001, -1)
        more = dict(word.split("=") for word in self.settings)
        settings = {
            "compatibility_level": "3.6", "queue_directory": self.state / "spool",
            "data_directory": self.state / "data", "maillog_file": self.state / "log/maillog",
            "maillog_file_prefixes": self.state, "myhostname": "mx2.example.org",
            "mydestination": "", "local_recipient_maps": "", "alias_maps": "", "alias_database": "",
            "mynetworks": "127.0.0.127/32", "inet_protocols": "ipv4",
            "inet_interfaces": "127.0.0.1", "relay_domains": "example.org",
            "relay_recipient_maps": "", "smtpd_relay_restrictions": "reject_unauth_destination",
            "transport_maps": f"inline:{{example.org=relay:[127.0.0.1]:{self.primary_port}}}",
            "smtp_dns_support_level": "disabled", "smtp_host_lookup": "native",
            "smtpd_peername_lookup": "no", "biff": "no", "append_dot_mydomain": "no",
            # The load comes from one address.
            "smtpd_client_event_limit_exceptions": "127.0.0.0/8", **self.more_settings, **more,
        }
        if self.certificate:
            settings |= {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": self.certificate}
        (config / "main.cf").write_text("".join(f"{name} = {value}\n"
                                                for name, value in settings.items()))
        services = ["pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup",
                    "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr",
                    "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce",
                    "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce",
                    "verify unix - - n - 1 verify", "flush unix n - n 1000? 0 flush",
                    "proxymap unix - - n - - proxymap", "proxywrite unix - - n - 1 proxymap",
                    "smtp unix - - n - - smtp", "relay unix - - n - - smtp",
                    "showq unix n - n - - showq", "error unix - - n - - error",
                    "retry unix - - n - - error", "discard unix - - n - - discard",
                    "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache",
                    "postlog unix-dgram n - n - 1 postlogd", *self.more_services]
        (config / "master.cf").write_text(f"127.0.0.1:{self.port} inet n - n - - smtpd\n" +
                                          "\n".join(services) + "\n")

    def launch(self):
        self.spawn(self.inside("postfix", "start"), env=self.names).wait(60)

    def main_pid(self):
        return int((self.state / "spool/pid/master.pid").read_text())

    def flush(self):
        self.again("postqueue", "-f")

    def example(self):
        """The header of one message that is held."""
        queued = json.loads(self.again("postqueue", "-j").stdout.split("\n")[0])
        return self.again("postcat", "-qh", queued["queue_id"]).stdout


class Filtered(Postfix):
    """The filters are Debian's, installed, with the configuration that they are shipped with except
    where a line gives the reason. They keep silent (opendkim and opendmarc unless told to log), for
    the only log that they know is the machine's. opendmarc and policyd-spf ask whom /etc/resolv.conf
    names, at port 53."""

    name = "filtered"
    about = ("that Postfix with opendkim 2.11, opendmarc 1.4 and policyd-spf 3.0, which check what "
             "holdfast checks, except ARC; all their processes count, their logs are off")
    more_users = {"opendkim": 7006, "opendmarc": 7007, "policyd-spf": 7008}
    evidence = (r"^Received-SPF: Pass .*client-ip=", r"^Authentication-Results: \S+;\s+dkim=pass ",
                r"^Authentication-Results: \S+;\s+dmarc=pass ")
    configurations = {
        "opendkim": """
Mode v
UserID opendkim
# Postfix is another user.
UMask 000
Socket local:{folder}/socket
PidFile {folder}/pid
# By default 127.0.0.1, where the load is: its mail would be signed, not verified.
InternalHosts csl:192.0.2.1
# No TrustAnchorFile: the zones are not signed.
Nameservers {address}
""",
        "opendmarc": """
UserID opendmarc
UMask 000
Socket local:{folder}/socket
PidFile {folder}/pid
PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat
# Nobody; by default 127.0.0.1.
IgnoreHosts /dev/null
""",
        "policyd-spf": """
debugLevel = -1
TestOnly = 1
HELO_reject = Fail
Mail_From_reject = Fail
PermError_reject = False
TempError_Defer = False
# By default 127.0.0.0/8.
skip_addresses = 192.0.2.1
""",
    }

    def __init__(self, primary_port):
        super().__init__(primary_port)
        self.sockets = [self.state / name / "socket" for name in ("opendkim", "opendmarc")]
        self.more_services = ("policyd-spf unix - n n - 0 spawn user=policyd-spf "
                              f"argv=/usr/bin/policyd-spf {self.state}/policyd-spf/config",)
        self.more_settings = {
            "smtpd_recipient_restrictions": "check_policy_service unix:private/policyd-spf",
            "policyd-spf_time_limit": "3600",
            "smtpd_milters": ", ".join(f"unix:{socket}" for socket in self.sockets)}

    def wipe(self):
        super().wipe()
        address = self.dns.rpartition(":")[0]
        (self.state / "etc/resolv.conf").write_text(f"nameserver {address}\n")
        for name, text in self.configurations.items():
            folder = self.state / name
            folder.mkdir()
            (folder / "config").write_text(text.format(folder=folder, address=address))
            os.chown(folder, self.more_users[name], -1)

    def launch(self):
        self.filters = [self.spawn(self.inside(*command), env=self.names) for command in (
            ("opendkim", "-f", "-x", self.state / "opendkim/config"),
            ("opendmarc", "-f", "-c", self.state / "opendmarc/config"))]
        peers.wait_until(lambda: all(socket.exists() for socket in self.sockets), 20,
                         f"the sockets of the filters; see {self.log_file()}")
        super().launch()

    def ask_to_stop(self):
        super().ask_to_stop()
        for process in self.filters:
            process.terminate()


class OpenSmtpd(Unpacked):
    """It may wait in vain for a connection beyond its backlog of 5: the library raises it."""

    name = "opensmtpd"
    about = "OpenSMTPD 6.8: max-mails raised (100 a session), listen backlog raised (5); no sync"
    packages = ("opensmtpd", "libevent-2.1-7")

    def wipe(self):
        self.users(opensmtpd=7003, opensmtpq=7004)
        for folder in ("varspool/smtpd", "run", "varlib/opensmtpd/empty", "log"):
            (self.state / folder).mkdir(parents=True)
        (self.state / "varspool/smtpd").chmod(0o711)
        etc = self.state / "etc"
        (etc / "resolv.conf").write_text("lookup file\n")  # else it asks for the client's name first
        program = self.root / "usr/sbin/smtpctl"
        os.chown(program, -1, 7004)
        program.chmod(0o2755)
        (etc / "smtpd.conf").write_text(
            "smtp limit max-mails 1000000\n"
            f"listen on 127.0.0.1 port {self.port} hostname mx2.example.org\n"
            f'action "primary" relay host smtp://{self.primary}\n'
            'match from any for domain "example.org" action "primary"\n')

    def launch(self):
        backlog = TOP / "build" / "bench" / "backlog.so"
        self.process = self.spawn(
            self.inside("env", f"LD_PRELOAD={backlog}", "smtpd", "-d", "-f", "/etc/smtpd.conf"),
            env=self.names)

    def flush(self):
        """The route is disabled after failures, and held envelopes are passed over: again and again."""
        routes = self.again("smtpctl", "show", "routes").stdout
        for number in re.findall(r"^(\d+)\.", routes, re.M):
            self.again("smtpctl", "resume", "route", number)
        self.again("smtpctl", "schedule", "all")


class Exim(Unpacked):
    name = "exim"
    about = "Exim 4.96: -bd -q30m, split spool, smtp_accept_max and backlog raised, Debian's retry rule"
    packages = ("exim4-daemon-light", "exim4-base", "libgnutls-dane0", "libidn12")

    def wipe(self):
        self.users(**{"Debian-exim": 7005})
        for folder in ("etc/exim4", "spool", "log"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        for folder in ("spool", "log"):
            os.chown(self.state / folder, 7005, 7005)
        (self.state / "etc/exim4/exim4.conf").write_text(f"""
primary_hostname = mx2.example.org
spool_directory = {self.state}/spool
log_file_path = {self.state}/log/%slog
pid_file_path = {self.state}/exim.pid
local_interfaces = 127.0.0.1.{self.port}
domainlist relay_to_domains = example.org
tls_advertise_hosts =
keep_environment =
rfc1413_hosts =
host_lookup =
acl_smtp_rcpt = check_rcpt
split_spool_directory = true
smtp_accept_max = 300
smtp_connect_backlog = 1024
ignore_bounce_errors_after = 2d
timeout_frozen_after = 7d
begin acl
check_rcpt:
  accept domains = +relay_to_domains
  deny message = relay not permitted
begin routers
primary:
  driver = manualroute
  domains = +relay_to_domains
  transport = to_primary
  route_list = * 127.0.0.1
  self = send
  no_more
begin transports
to_primary:
  driver = smtp
  port = {self.primary_port}
  allow_localhost
  hosts_try_dane =
begin retry
* * F,2h,15m; G,16h,1h,1.5; F,4d,6h
""")

    def launch(self):
        self.spawn(self.inside("exim4", "-bd", "-q30m"), env=self.names).wait(60)

    def main_pid(self):
        return int((self.state / "exim.pid").read_text())

    def flush(self):
        self.again("exim4", "-qff")


ALL = {kind.name: kind for kind in (Floor, Holdfast, Unchecked, Unverified, Postfix, Filtered, OpenSmtpd,
                                       Exim)}
