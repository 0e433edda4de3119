# SPDX-License-Identifier: ISC
"""peers.py: the others, as private instances, and holdfast itself.

Everything lives below one folder on a real disk, listens on 127.0.0.0/8 and is ended by
its process id. Nothing waits for a time to pass: it waits for an event, with a deadline.
The integration tests and script/demo use the same classes.
"""
import contextlib
import glob
import grp
import hashlib
import itertools
import json
import os
import pathlib
import pwd
import random
import re
import secrets
import shutil
import signal
import smtplib
import socket
import socketserver
import ssl
import struct
import subprocess
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD", TOP / "build"))
SANITIZED = TOP / "build-asan"
TOOLS = pathlib.Path(os.environ.get("HOLDFAST_TOOLS", TOP / "build" / "tests" / "peers"))
TESTDATA = pathlib.Path(os.environ.get("HOLDFAST_TESTDATA", TOP.parent / "shared" / "testdata"))
IS_ROOT = os.geteuid() == 0
DEADLINE = 30.0
SLOWER = float(os.environ.get("HOLDFAST_SLOWER", "1"))  # a busy machine multiplies deadlines


class Missing(Exception):
    """A part that this machine does not have; the test is skipped by name."""


def wait_until(predicate, seconds=DEADLINE, what="it", every=0.05):
    """Returns predicate()'s first true value; fails when it has not come in time."""
    end = time.monotonic() + seconds * SLOWER
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds * SLOWER:.0f} s for {what}")
        time.sleep(every)


def state_folder(prefix="holdfast-test-"):
    """A folder on a real disk that the roles' user may pass through."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix,
                                         dir=os.environ.get("HOLDFAST_TEST_DIR", "/var/tmp")))
    path.chmod(0o711)
    return path


_taken = set()


def free_port(address="127.0.0.1"):
    """A port that is free at the address now, and was not handed out before. Below the ports that
    the kernel gives to connections; test processes side by side have ranges of their own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(200):
        port = 12000 + worker * 5000 + random.randrange(5000)
        if port in _taken:
            continue
        with socket.socket(family) as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            _taken.add(port)
            return port
    raise RuntimeError("no free port")


def answers(address, port):
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


def superuser():
    """What to put before a command that only root may run."""
    if IS_ROOT:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True,
                                               check=False).returncode == 0:
        return ["sudo", "-n"]
    raise Missing("needs root or sudo without a password")


def program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


def has_ended(pid):
    """Gone, or dead and waiting for its parent to see it: its files and sockets are closed."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        process = pathlib.Path(f"/proc/{pid}")
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z" and len([*(process / "task").iterdir()]) == 1  # its threads too
    return True


class Process:
    """A foreground program with its output in a file."""

    def __init__(self, command, log, env=None, cwd=None):
        self.log = pathlib.Path(log)
        self.output = self.log.open("ab")
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output,
                                      stderr=subprocess.STDOUT, env=env, cwd=cwd,
                                      start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child.poll() is None

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self, sig=signal.SIGTERM, seconds=DEADLINE):
        """Ends it and returns its exit status; after the deadline, by force."""
        if self.is_running():
            self.child.send_signal(sig)
            try:
                self.child.wait(seconds * SLOWER)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(DEADLINE)
                raise
            finally:
                self.output.close()
        return self.child.returncode


# ---- messages --------------------------------------------------------------------------


def crlf(data):
    """As SMTP carries it: every line end is CRLF, the last line has one."""
    data = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def body_of(message):
    """What comes after the header block, with LF line ends."""
    plain = message.replace(b"\r\n", b"\n")
    at = plain.find(b"\n\n")
    return plain[at + 2:] if at >= 0 else b""


def corpus():
    """The real mail of testdata/corpus, as it would be sent: (name, bytes)."""
    folder = TESTDATA / "corpus"
    if not folder.is_dir():
        raise Missing("no testdata/corpus (HOLDFAST_TESTDATA)")
    for path in sorted(folder.glob("*/*.eml")):
        data = path.read_bytes()
        if data.startswith(b"From "):  # a mailbox's separator is no part of the mail
            data = data.split(b"\n", 1)[1]
        yield f"{path.parent.name}/{path.name}", crlf(data)


_numbers = itertools.count(1)


def message(subject="test", body=b"Hello.\n", sender="sender@client.example", extra=b""):
    """A small message with a name of its own: (name, bytes)."""
    name = f"{os.getpid()}-{next(_numbers)}"
    head = (f"From: <{sender}>\nSubject: {subject}\nMessage-Id: <{name}@client.example>\n"
            f"X-Test-Id: {name}\n").encode()
    return name, crlf(head + extra + b"\n" + body)


def new_key():
    """One that seals kept mail, as a line of the file of keys."""
    return secrets.token_hex(32)


def write_keys(path, *keys):
    path.write_text("".join(key + "\n" for key in keys))
    path.chmod(0o600)
    return path


def encryption(keys):
    """The section of the configuration."""
    return f'encryption {{ keys = "{keys}" }}'


def send(address, port, sender, recipients, data, options=(), timeout=60, source=None):
    """Sends bytes with CRLF line ends; the exceptions are smtplib's."""
    recipients = [recipients] if isinstance(recipients, str) else recipients
    with smtplib.SMTP(address, port, "client.example", timeout,
                      source_address=(source, 0) if source else None) as client:
        return client.sendmail(sender, recipients, data, mail_options=list(options))


class Raw:
    """A client that says exactly what it is told."""

    def __init__(self, address, port, timeout=DEADLINE, source=None):
        self.socket = socket.create_connection((address, port), timeout * SLOWER,
                                               source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, *lines):
        self.write(b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n"
                            for line in lines))

    def write(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next line without its end; b"" when the peer has closed."""
        while b"\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def reply(self):
        """(code, text of all lines); code 0 when the peer has closed."""
        text = []
        while True:
            line = self.line()
            if not line:
                return 0, "\n".join(text)
            text.append(line[4:].decode(errors="replace"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(text)

    def ask(self, line):
        self.say(line)
        return self.reply()

    def hello(self, name="client.example"):
        assert self.reply()[0] == 220
        code, text = self.ask(f"EHLO {name}")
        assert code == 250
        return text

    def is_closed(self):
        """Waits for the peer to close; whatever it says before is dropped."""
        with contextlib.suppress(ConnectionError):
            while self.line():
                pass
        return True


# ---- a primary: Postfix hands to Dovecot ----------------------------------------------


class Dovecot:
    """Takes mail by LMTP and keeps it in Maildirs."""

    def __init__(self, state, address="127.0.0.1"):
        self.state = pathlib.Path(state)
        self.address, self.port = address, free_port(address)
        self.mail = self.state / "mail"
        self.mail.mkdir(parents=True)
        self.prefix = superuser()
        user = pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.getuid())
        if IS_ROOT:
            os.chown(self.mail, user.pw_uid, user.pw_gid)
        self.config = self.state / "dovecot.conf"
        self.config.write_text(f"""
base_dir = {self.state}/run
state_dir = {self.state}/run
log_path = {self.state}/dovecot.log
protocols = lmtp
ssl = no
auth_username_chars =
first_valid_uid = {min(user.pw_uid, 1000)}
mail_location = maildir:{self.mail}/%u
mail_fsync = never
mail_uid = {user.pw_uid}
mail_gid = {user.pw_gid}
lda_mailbox_autocreate = yes
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={user.pw_uid} gid={user.pw_gid} home={self.mail}/%u allow_all_users=yes
}}
service lmtp {{
  inet_listener lmtp {{
    address = {address}
    port = {self.port}
  }}
  process_min_avail = 2
}}
service stats {{
  client_limit = 500
}}
""")
        self.process = None

    def start(self):
        self.process = Process([*self.prefix, program("dovecot"), "-F", "-c", str(self.config)],
                               self.state / "dovecot.out")
        wait_until(lambda: answers(self.address, self.port), what="Dovecot's LMTP")

    def stop(self):
        if self.process:
            if self.process.is_running() and self.prefix:
                subprocess.run([*self.prefix, "doveadm", "-c", str(self.config), "stop"],
                               check=False)
            self.process.stop()
            self.process = None

    def delivered(self):
        """Each delivered copy: (mailbox, bytes with LF line ends as it lies there)."""
        for path in sorted(self.mail.glob("*/new/*")) + sorted(self.mail.glob("*/cur/*")):
            yield path.parent.parent.name, path.read_bytes()

    def count(self):
        return sum(1 for _ in self.mail.glob("*/new/*")) + sum(1 for _ in self.mail.glob("*/cur/*"))


class Postfix:
    """The domain's real mail server. start() and stop() are its life and its death."""

    def __init__(self, state, domains=("example.org",), address="127.0.0.1", port=None,
                 settings=None):
        self.state = pathlib.Path(state)
        self.address, self.port = address, port or free_port(address)
        self.prefix = superuser()
        self.postfix = program("postfix")
        self.dovecot = Dovecot(self.state / "dovecot")
        self.config = self.state / "postfix"
        self.queue = self.state / "queue"
        self.log = self.state / "postfix.log"
        for folder in (self.config, self.queue, self.state / "postfix-data"):
            folder.mkdir(parents=True)
        owner = "postfix"
        if IS_ROOT:
            os.chown(self.state / "postfix-data", pwd.getpwnam(owner).pw_uid, -1)
        else:
            subprocess.run([*self.prefix, "chown", owner, str(self.state / "postfix-data")],
                           check=True)
            subprocess.run([*self.prefix, "chown", "root", str(self.queue)], check=True)
        main = {
            "compatibility_level": "3.6", "queue_directory": self.queue,
            "data_directory": self.state / "postfix-data", "mail_owner": owner,
            "maillog_file": self.log, "maillog_file_prefixes": "/",
            "myhostname": "mx1.example.org", "mydestination": "", "alias_maps": "",
            "local_recipient_maps": "", "mynetworks": "127.0.0.0/8", "inet_protocols": "ipv4",
            "inet_interfaces": "all", "smtpd_peername_lookup": "no",
            "virtual_mailbox_domains": " ".join(domains), "virtual_mailbox_maps": "static:ok",
            "virtual_transport": f"lmtp:inet:[{self.dovecot.address}]:{self.dovecot.port}",
            # Hand through what comes: no conversion, no limits, no folding.
            "message_size_limit": 0, "mailbox_size_limit": 0, "virtual_mailbox_limit": 0,
            "disable_mime_output_conversion": "yes", "lmtp_line_length_limit": 0,
            "lmtp_destination_recipient_limit": 1, "lmtp_destination_concurrency_limit": 10,
            "smtpd_client_connection_count_limit": 0, "enable_original_recipient": "no",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "smtpd_recipient_restrictions": "", "biff": "no", "queue_run_delay": "5s",
            "minimal_backoff_time": "5s", "in_flow_delay": 0, **(settings or {}),
        }
        (self.config / "main.cf").write_text(
            "".join(f"{name} = {value}\n" for name, value in main.items()))
        services = ["pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup",
                    "qmgr unix n - n 300 1 qmgr", "rewrite unix - - n - - trivial-rewrite",
                    "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
                    "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
                    "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap",
                    "error unix - - n - - error", "retry unix - - n - - error",
                    "discard unix - - n - - discard", "lmtp unix - - n - - lmtp",
                    "smtp unix - - n - - smtp",
                    "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache",
                    "showq unix n - n - - showq", "tlsmgr unix - - n 1000? 1 tlsmgr",
                    "postlog unix-dgram n - n - 1 postlogd"]
        (self.config / "master.cf").write_text(
            f"{self.address}:{self.port} inet n - n - 100 smtpd\n" + "\n".join(services) + "\n")

    def run(self, word):
        return subprocess.run([*self.prefix, self.postfix, "-c", str(self.config), word],
                              capture_output=True, text=True, check=False)

    def start(self):
        if self.dovecot.process is None:
            self.dovecot.start()
        done = self.run("start")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: answers(self.address, self.port), what="Postfix")

    def is_settled(self):
        """All that it took is with Dovecot."""
        return not any(file for folder in ("maildrop", "incoming", "active", "deferred")
                       for file in (self.queue / folder).glob("**/*") if file.is_file())

    def stop(self):
        """Dead: connections are refused. What it took is delivered before, for Postfix delivers
        twice what it was delivering when it was killed, and that would be counted against us."""
        wait_until(self.is_settled, what="Postfix's own queue to be empty")
        done = self.run("stop")
        assert done.returncode == 0 or "not running" in done.stderr, done.stderr
        wait_until(lambda: not answers(self.address, self.port), what="Postfix's end")

    def close(self):
        with contextlib.suppress(Exception):
            self.stop()
        self.dovecot.stop()

    @property
    def endpoint(self):
        return f"{self.address}:{self.port}"

    def delivered(self):
        return self.dovecot.delivered()

    def count(self):
        return self.dovecot.count()

    def by_name(self, header=b"X-Test-Id"):
        """{name: [(mailbox, bytes)]} of what has arrived, by the header that names it."""
        found = {}
        for mailbox, data in self.delivered():
            match = re.search(rb"^" + header + rb": *(\S+)", data, re.M | re.I)
            found.setdefault(match[1].decode() if match else None, []).append((mailbox, data))
        return found


class Postgrey:
    """Postfix's greylisting, as `check_policy_service` asks it."""

    def __init__(self, state, delay_s):
        self.state = pathlib.Path(state)
        self.state.mkdir(parents=True, exist_ok=True)
        self.program = program("postgrey")
        self.port, self.delay_s = free_port(), delay_s
        self.process = None
        if IS_ROOT:
            user = pwd.getpwnam("nobody")
            os.chown(self.state, user.pw_uid, user.pw_gid)

    @property
    def restriction(self):
        return f"check_policy_service inet:127.0.0.1:{self.port}"

    def start(self):
        user = pwd.getpwnam("nobody" if IS_ROOT else pwd.getpwuid(os.getuid()).pw_name)
        self.process = Process([self.program, f"--inet=127.0.0.1:{self.port}",
                                f"--delay={self.delay_s}", f"--dbdir={self.state}",
                                f"--user={user.pw_name}", f"--group={grp.getgrgid(user.pw_gid)[0]}",
                                f"--pidfile={self.state}/pid"], self.state / "postgrey.log")
        wait_until(lambda: answers("127.0.0.1", self.port), what="postgrey")
        return self

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None


def jailed(log, mode):
    """How many lines of Postfix's log are failures in fail2ban's stock jail."""
    done = subprocess.run([program("fail2ban-regex"), str(log), f"postfix[mode={mode}]"],
                          capture_output=True, text=True, check=True)
    return int(re.search(r"^Lines: .* (\d+) matched", done.stdout, re.M)[1])


# ---- a fast primary, many clients ------------------------------------------------------


class Sink:
    """tests/peers/sink.c: a primary with tempers that remembers everything."""

    def __init__(self, state, *options, address="127.0.0.1", port=None):
        self.state = pathlib.Path(state)
        self.state.mkdir(parents=True, exist_ok=True)
        self.address, self.port = address, port or free_port(address)
        self.options = list(options)
        self.log = self.state / f"sink-{address}-{self.port}.log"
        self.process = None

    @property
    def endpoint(self):
        return f"{self.address}:{self.port}"

    def start(self, *options):
        """With other options than before, if any are given."""
        if options:
            self.options = list(options)
        self.log.touch()
        self.process = Process([str(TOOLS / "sink"), "--listen", self.endpoint, "--log",
                                str(self.log), *self.options], self.log.with_suffix(".out"))
        wait_until(lambda: answers_or_dead(self), what=f"sink at {self.endpoint}")

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None

    def rows(self, *words):
        if not self.log.exists():
            return []
        rows = [line.split(" ") for line in whole_lines(self.log)]
        return [row for row in rows if row[0] in words]

    def messages(self):
        """{id: [(sha256 of the body, its size)]} of all that was answered with 250."""
        found = {}
        for _, name, digest, size, *_ in self.rows("message"):
            found.setdefault(name.strip("<>"), []).append((digest, int(size)))
        return found

    def count(self):
        return len(self.rows("message"))

    def connections(self):
        return len(self.rows("connect", "refused"))


class Recorder:
    """A primary that remembers every octet of what it takes, in `taken`, and each command.

    `extensions` are announced; `refuse` is {address: reply to RCPT}, all others are taken. With a
    `certificate` (certificates.py) it offers STARTTLS, or speaks TLS `from_start`; `ciphers` are those
    that were agreed on."""

    class Session(socketserver.StreamRequestHandler):
        def secure(self):
            certificate = self.server.certificate
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.chain, certificate.key)
            self.request = context.wrap_socket(self.request, server_side=True)
            self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
            self.server.ciphers.append(self.request.cipher())

        def handle(self):
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                if self.server.from_start:
                    self.secure()
                self.converse()

        def lines(self):
            while line := self.rfile.readline():
                yield line

        def converse(self):
            self.wfile.write(b"220 recorder.example ESMTP\r\n")
            content = None
            self.refused_all = False
            for line in self.lines():
                if content is not None and line != b".\r\n":
                    content.append(line[1:] if line.startswith(b".") else line)
                elif content is not None:
                    self.server.taken.append(b"".join(content))
                    content = None
                    self.wfile.write(b"250 2.0.0 Taken\r\n")
                elif line[:4].upper() == b"EHLO":
                    words = [b"recorder.example", *(word.encode() for word in self.server.extensions)]
                    if self.server.certificate and not isinstance(self.request, ssl.SSLSocket):
                        words.append(b"STARTTLS")
                    self.wfile.write(b"".join(b"250" + (b" " if word is words[-1] else b"-") + word
                                              + b"\r\n" for word in words))
                elif line[:8].upper() == b"STARTTLS":
                    self.wfile.write(self.server.starttls_reply)
                    if self.server.starttls_reply.startswith(b"220"):
                        self.secure()
                elif line[:4].upper() == b"DATA" and not self.refused_all:
                    content = []
                    self.wfile.write(b"354 Go on\r\n")
                elif line[:4].upper() == b"QUIT":
                    self.wfile.write(b"221 Bye\r\n")
                    return
                else:
                    self.wfile.write(self.reply_to(line))

        def reply_to(self, line):
            self.server.commands.append(line.rstrip(b"\r\n").decode())
            if line[:4].upper() == b"MAIL":
                self.refused_all = True
            if line[:4].upper() == b"RCPT":
                address = line.partition(b"<")[2].partition(b">")[0].decode()
                refusal = self.server.refuse.get(address, self.server.refuse.get("*"))
                if refusal:
                    return refusal.encode() + b"\r\n"
                self.refused_all = False
            if line[:4].upper() == b"DATA":
                return b"554 5.5.1 No valid recipients\r\n"
            return b"250 OK\r\n"

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    def __init__(self, address="127.0.0.1", port=None, extensions=(), refuse=None, certificate=None,
                 from_start=False, starttls_reply=b"220 2.0.0 Go ahead\r\n"):
        self.address, self.port = address, port or free_port(address)
        self.taken, self.commands, self.ciphers = [], [], []
        self.certificate, self.from_start = certificate, from_start
        self.starttls_reply = starttls_reply
        self.extensions, self.refuse = list(extensions), refuse if refuse is not None else {}
        self.server = None

    @property
    def endpoint(self):
        return f"[{self.address}]:{self.port}" if ":" in self.address \
            else f"{self.address}:{self.port}"

    def start(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        kind = type("Server", (self.Server,), {"address_family": family})
        self.server = kind((self.address, self.port), self.Session)
        self.server.taken, self.server.commands = self.taken, self.commands
        self.server.extensions, self.server.refuse = self.extensions, self.refuse
        self.server.certificate, self.server.from_start = self.certificate, self.from_start
        self.server.starttls_reply, self.server.ciphers = self.starttls_reply, self.ciphers
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def wait_for(self, count):
        """The last of so many messages."""
        wait_until(lambda: len(self.taken) >= count, what=f"{count} messages")
        return self.taken[-1]

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


class Primary:
    """A primary with users of its own, and moods: what `says` names, it answers there.

    says = {"rcpt": "550 5.7.1 No"}; points are banner, ehlo, mail, rcpt, dot. None: it hangs up; "…":
    it says nothing at all. `asked` holds every RCPT, `dialogues` every command of each connection. Who
    connects waits `pause_s` for the banner.
    """

    class Session(socketserver.StreamRequestHandler):
        def say(self, point, usual):
            words = self.server.primary.says.get(point, usual)
            if words is None:
                raise ConnectionAbortedError
            if words != "…":
                self.wfile.write(words.encode() + b"\r\n")

        def handle(self):
            with contextlib.suppress(OSError):
                self.talk(self.server.primary)

        def talk(self, primary):
            commands = []
            primary.dialogues.append(commands)
            primary.sockets.append(self.connection)
            time.sleep(primary.pause_s)
            self.say("banner", "220 primary.example ESMTP")
            taken = []
            for line in self.rfile:
                line = line.decode("latin-1").rstrip("\r\n")
                commands.append(line)
                verb = line[:4].upper()
                if verb in ("EHLO", "HELO"):
                    self.say("ehlo", primary.greeting)
                elif verb == "MAIL":
                    taken = []
                    self.say("mail", "250 2.1.0 OK")
                elif verb == "RCPT":
                    address = line.partition("<")[2].partition(">")[0]
                    primary.asked.append(address)
                    if address.lower() in primary.users:
                        taken.append(address)
                        self.say("rcpt", "250 2.1.5 OK")
                    else:
                        self.say("unknown", primary.unknown)
                elif verb == "DATA":
                    self.say("data", "354 Go on" if taken else "554 5.5.1 No valid recipients")
                    if taken and "data" not in primary.says:
                        content = b"".join(iter(self.rfile.readline, b".\r\n"))
                        self.say("dot", "250 2.0.0 Taken")
                        if "dot" not in primary.says:
                            primary.taken.append((taken, content))
                elif verb == "QUIT":
                    self.wfile.write(b"221 Bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 2.0.0 OK\r\n")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 100

    def __init__(self, *users, address="127.0.0.1", port=None):
        self.address, self.port = address, port or free_port(address)
        self.users = {f"{user}@example.org" for user in users}
        self.unknown = "550 5.1.1 No such user"
        self.greeting = "250-primary.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES"
        self.says, self.asked, self.dialogues, self.taken = {}, [], [], []
        self.sockets = []
        self.pause_s = 0
        self.server = None

    @property
    def endpoint(self):
        return f"{self.address}:{self.port}"

    def start(self):
        self.server = self.Server((self.address, self.port), self.Session)
        self.server.primary = self
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def hang_up(self):
        """On everybody; who comes again finds the mood of now."""
        for connection in self.sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.sockets.clear()

    def recipients(self):
        """Of all messages, each."""
        return [address for taken, _ in self.taken for address in taken]

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            self.hang_up()


def whole_lines(path):
    """Of a file that is being written: without a last line that is not complete yet."""
    return path.read_text().rpartition("\n")[0].split("\n")


def answers_or_dead(sink):
    """True once it listens; its own connection attempts must not stand in its log."""
    if not sink.process.is_running():
        raise RuntimeError(f"sink ended: {sink.process.text()}")
    return "ready" in sink.process.text()


class Load:
    """tests/peers/load.c: many clients. run() waits, start()/wait() do not."""

    def __init__(self, state, to, name="load"):
        self.state, self.to, self.name = pathlib.Path(state), to, name
        self.log = self.state / f"load-{name}.log"
        self.process = None

    def start(self, **options):
        # One recipient, unless the test says whom: nobody has seen them, and of strangers' a backup MX
        # takes so many an hour.
        options.setdefault("recipient", "user@example.org")
        words = [f"--{key.replace('_', '-')}={value}" for key, values in options.items()
                 for value in (values if isinstance(values, (list, tuple)) else [values])]
        self.process = Process([str(TOOLS / "load"), f"--to={self.to}", f"--log={self.log}",
                                f"--prefix={self.name}", *words], self.log.with_suffix(".out"))
        return self

    def wait(self, seconds=300):
        self.process.child.wait(seconds * SLOWER)
        return json.loads(self.process.text().splitlines()[-1])

    def run(self, seconds=300, **options):
        report = self.start(**options).wait(seconds)
        assert self.process.child.returncode == 0, report
        return report

    def rows(self, word):
        if not self.log.exists():
            return []
        return [line.split(" ") for line in whole_lines(self.log) if line.startswith(word + " ")]

    def accepted(self):
        """{id: (sha256, size)} of what was promised."""
        return {name: (digest, int(size)) for _, name, digest, size in self.rows("ok")}


def assert_each_once(accepted, arrived):
    """Every promised message is there, whole and once. Others may be: nobody promised them."""
    missing = [name for name in accepted if name not in arrived]
    damaged = [name for name, want in accepted.items() if want not in arrived.get(name, [want])]
    twice = [name for name in accepted if len(arrived.get(name, [])) > 1]
    assert not missing, f"{len(missing)} of {len(accepted)} lost: {missing[:5]}"
    assert not damaged, f"{len(damaged)} damaged: {damaged[:5]}"
    assert not twice, f"{len(twice)} came more than once: {twice[:5]}"


def digest_of(message_bytes):
    """As the sink counts: the body with CRLF line ends."""
    body = body_of(message_bytes).replace(b"\n", b"\r\n")
    return hashlib.sha256(body).hexdigest(), len(body)


# ---- DNS -------------------------------------------------------------------------------


class Nsd:
    """An authoritative name server for test zones."""

    def __init__(self, state, address="127.0.0.1", port=None):
        self.state = pathlib.Path(state)
        self.state.mkdir(parents=True, exist_ok=True)
        self.address, self.port = address, port or free_port(address)
        self.program = program("nsd")
        self.zones = {}
        self.process = None

    @property
    def endpoint(self):
        return f"{self.address}:{self.port}"

    def zone(self, name, lines):
        """Lines without SOA and NS; names are relative to the zone. Before start()."""
        self.zones[name] = (f"$ORIGIN {name}.\n$TTL 60\n"
                            "@ IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60\n"
                            "@ IN NS ns.invalid.\n" + "\n".join(lines) + "\n")

    def sign(self, name, tamper=lambda text: text):
        """Before start(): the zone is signed, and what tamper() makes of that is served. The line for
        the file of trust anchors."""
        keygen, signer = program("ldns-keygen"), program("ldns-signzone")
        made = subprocess.run([keygen, "-a", "ECDSAP256SHA256", "-k", name], cwd=self.state, check=True,
                              capture_output=True, text=True).stdout.strip()
        plain = self.state / f"{name}.unsigned"
        plain.write_text(self.zones[name])
        signed = self.state / f"{name}.signed"
        subprocess.run([signer, "-n", "-f", signed, plain, self.state / made], check=True,
                       capture_output=True)
        self.zones[name] = tamper(signed.read_text())
        return (self.state / f"{made}.key").read_text().split(";")[0].strip()

    def start(self):
        blocks = []
        for name, text in self.zones.items():
            file = self.state / f"{name}.zone"
            file.write_text(text)
            blocks.append(f'zone:\n  name: "{name}"\n  zonefile: "{file}"\n')
        config = self.state / "nsd.conf"
        config.write_text(f"""server:
  ip-address: {self.address}@{self.port}
  server-count: 1
  username: ""
  chroot: ""
  database: ""
  zonesdir: "{self.state}"
  pidfile: "{self.state}/nsd.pid"
  xfrdfile: "{self.state}/xfrd.state"
  xfrdir: "{self.state}"
  zonelistfile: "{self.state}/zone.list"
  cookie-secret-file: "{self.state}/cookies"
  logfile: "{self.state}/nsd.log"
remote-control:
  control-enable: no
""" + "".join(blocks))
        self.process = Process([self.program, "-d", "-c", str(config)], self.state / "nsd.out")
        wait_until(lambda: all(self.knows(name) for name in self.zones), what="NSD")

    def knows(self, zone):
        """Does it answer for the zone with authority?"""
        if not self.process.is_running():
            raise RuntimeError(f"nsd ended: {self.process.text()}")
        labels = b"".join(bytes([len(label)]) + label.encode() for label in zone.split("."))
        query = struct.pack(">6H", 4711, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 6, 1)
        with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(0.5)
            client.connect((self.address, self.port))
            client.send(query)
            answer = client.recv(4096)
            return answer[3] & 15 == 0 and answer[2] & 4 != 0
        return False

    def text_of(self, name, timeout=5):
        """Its TXT record, for others' verifiers."""
        import dns.message  # noqa: PLC0415 (not every test needs it)
        import dns.query  # noqa: PLC0415
        query = dns.message.make_query(name.decode() if isinstance(name, bytes) else name, "TXT")
        answer = dns.query.udp(query, self.address, timeout, self.port)
        return next((b"".join(item.strings) for found in answer.answer for item in found), b"")

    def lookup(self, name, kind, timeout=5):
        """Records as pyspf wants them."""
        import dns.message  # noqa: PLC0415
        import dns.query  # noqa: PLC0415
        query = dns.message.make_query(name, kind)
        answer = dns.query.udp(query, self.address, timeout, self.port)
        form = {"TXT": lambda item: list(item.strings), "A": lambda item: item.address,
                "AAAA": lambda item: item.address,
                "MX": lambda item: (item.preference, str(item.exchange).rstrip("."))}
        return [((name, kind), form[kind](item)) for found in answer.answer for item in found]

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None


# ---- holdfast --------------------------------------------------------------------------


class Rspamd:
    """As a milter that checks by itself, with a few of its modules."""

    def __init__(self, state, dns, hops=0):
        """`hops`: that many Received fields lead to the client: a backup MX stands in between."""
        self.state = pathlib.Path(state)
        self.state.mkdir(parents=True, exist_ok=True)
        self.program = program("rspamd")
        self.port = free_port()
        self.process = None
        relay = (f'external_relay {{ rules {{ BACKUP {{ strategy = "count"; '
                 f'count = {hops + 2}; }} }} }}'
                 if hops else "")
        (self.state / "rspamd.conf").write_text(f"""
options {{ pidfile = "{self.state}/pid"; tempdir = "{self.state}"; hs_cache_dir = "{self.state}";
  dns {{ nameserver = ["{dns}"]; timeout = 1s; retransmits = 2; }}
  filters = "dkim"; local_addrs = ["192.168.0.0/16"]; enable_test_patterns = true; }}
logging {{ type = "console"; level = "info"; }}
worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{self.port}"; milter = yes; timeout = 20s;
  count = 1; upstream "local" {{ default = yes; self_scan = yes; }} }}
actions {{ reject = 15; add_header = 6; }}
spf {{ check_local = true; min_cache_ttl = 1s; }}
dkim {{ check_local = true; }}
milter_headers {{ skip_local = false; use = ["x-spamd-result"]; }}
{relay}
modules {{ path = "/usr/share/rspamd/plugins/"; }}
lua = "/usr/share/rspamd/rules/rspamd.lua"
""")

    @property
    def where(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        insecure = ["--insecure"] if IS_ROOT else []
        self.process = Process([self.program, "-f", "-c", str(self.state / "rspamd.conf"),
                                *insecure], self.state / "rspamd.log")
        wait_until(lambda: answers("127.0.0.1", self.port), 60, "rspamd")
        return self

    def stop(self):
        if self.process:
            self.process.stop(signal.SIGTERM)
            self.process = None


class OpenDkim:
    """As a milter that verifies. It asks port 53 alone: what it would ask for stands in a file."""

    def __init__(self, state, keys):
        self.state = pathlib.Path(state)
        self.state.mkdir(parents=True, exist_ok=True)
        self.program = program("opendkim")
        self.port = free_port()
        self.process = None
        (self.state / "opendkim.conf").write_text(
            f"Socket inet:{self.port}@127.0.0.1\nMode v\nTestPublicKeys {self.state}/keys\n"
            "AlwaysAddARHeader yes\nAuthservID opendkim.example\nSyslog no\nDNSTimeout 5\n"
            f"InternalHosts 203.0.113.1\nPidFile {self.state}/pid\n")
        (self.state / "keys").write_text("".join(f"{name} {text}\n" for name, text in keys.items()))

    @property
    def where(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.process = Process([self.program, "-f", "-x", str(self.state / "opendkim.conf")],
                               self.state / "opendkim.log")
        wait_until(lambda: answers("127.0.0.1", self.port), what="opendkim")
        return self

    def stop(self):
        if self.process:
            self.process.stop(signal.SIGTERM)
            self.process = None


def clock(speed, ahead_days=0):
    """The environment of a program whose clock runs so many times faster, and is so far ahead."""
    if speed == 1 and ahead_days == 0:
        return {}
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not library:
        raise Missing("libfaketime is not installed")
    return {"LD_PRELOAD": library[0], "FAKETIME": f"+{ahead_days}d x{speed}", "FAKETIME_NO_CACHE": "1"}


class Holdfast:
    """One node. Its configuration, its process, its words."""

    def __init__(self, state, binary=None, address="127.0.0.1", port=None, hostname=None,
                 top="", smtp="", dns="", defaults="", sections="", speed=1, trust_anchor=""):
        """`speed`: its clock runs so many times faster (not with the address sanitizer, which
        wants to be the first library, as libfaketime does: such tests are marked `plain`)."""
        self.state = pathlib.Path(state)
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o711)
        self.speed, self.ahead_days = speed, 0
        self.binary = pathlib.Path(binary or BUILD / "holdfast")
        self.address, self.port = address, port or free_port(address)
        self.trust_anchor = trust_anchor
        self.hostname = hostname or "mx2.example.net"
        self.data = self.state / "data"
        self.config = self.state / "holdfast.conf"
        self.parts = {"top": top, "smtp": smtp, "dns": dns, "defaults": defaults,
                      "sections": sections}
        self.log = self.state / "holdfast.log"
        self.log.touch()
        self.process = None
        self.env = {**os.environ, "HOLDFAST_CONFIG": str(self.config)}
        # Roles have no ptrace, which the leak checker wants; leaks are the unit tests' matter.
        self.env["ASAN_OPTIONS"] = self.env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        self.data.mkdir(exist_ok=True)
        if IS_ROOT:
            user = pwd.getpwnam("nobody")
            os.chown(self.data, user.pw_uid, user.pw_gid)
        self.write_config()

    def write_config(self, **parts):
        """Other words for a part; the rest stays as it was."""
        self.parts.update(parts)
        user = 'user = "nobody"\n' if IS_ROOT else ""
        self.config.write_text(
            f'hostname = "{self.hostname}"\ndata = "{self.data}"\n{user}{self.parts["top"]}\n'
            f'listen smtp {{ address = {{"{self.address}:{self.port}"}} }}\n'
            f'smtp {{ {self.parts["smtp"]} }}\n'
            f'dns {{ trust-anchor = "{self.trust_anchor}"\n {self.parts["dns"]} }}\n'
            f'defaults {{ {self.parts["defaults"]} }}\n{self.parts["sections"]}\n')

    def start(self, domains=(), seconds=DEADLINE):
        """Up when it greets. `domains`: {name: primary or (primaries) or ()}, added then."""
        if not self.binary.exists():
            raise Missing(f"{self.binary} is not built")
        self.process = Process([str(self.binary), "run", "--config", str(self.config)], self.log,
                               env={**self.env, **clock(self.speed, self.ahead_days)})
        wait_until(self.greets, seconds, "holdfast's banner")
        for name, primaries in dict(domains).items():
            self.add(name, primaries)
        return self

    def greets(self):
        if not self.process.is_running():
            raise RuntimeError("holdfast ended:\n" + self.text()[-4000:])
        with contextlib.suppress(OSError), Raw(self.address, self.port, 5) as client:
            return client.reply()[0] == 220
        return False

    def stop(self, sig=signal.SIGTERM, seconds=DEADLINE):
        if self.process is None:
            return None
        status = self.process.stop(sig, seconds)
        self.process = None
        return status

    def crash(self):
        """kill -9 of all roles and the supervisor, at once."""
        pids = [self.process.pid, *self.pids().values()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.child.wait(DEADLINE)
        for pid in pids[1:]:
            wait_until(lambda pid=pid: has_ended(pid), what="the roles' end")
        self.process = None

    def crash_role(self, name):
        """kill -9 of one role; returns when the next one runs."""
        before = self.pids()[name]
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.pids().get(name, before) != before, what=f"the next {name}")

    def reload(self):
        """SIGHUP; returns once the supervisor has said what came of it."""
        before = self.text().count(" reload")
        os.kill(self.process.pid, signal.SIGHUP)
        wait_until(lambda: self.text().count(" reload") > before, what="the reload's log line")

    # -- its words

    # Only ask the node: with sanitizers a process takes longer to start than to do that.
    ASKING = {"domain", "queue", "recipient", "status"}

    def cli(self, *words, check=True, seconds=DEADLINE):
        is_slow = self.binary == SANITIZED / "holdfast" and words and words[0] in self.ASKING
        binary = BUILD / "holdfast" if is_slow else self.binary
        done = subprocess.run([str(binary), *map(str, words)], env=self.env, text=True,
                              capture_output=True, timeout=seconds * SLOWER, check=False)
        if check:
            assert done.returncode == 0, f"holdfast {words}: {done.stderr or done.stdout}"
        return done

    def json(self, *words):
        return json.loads(self.cli(*words, "--json").stdout)

    def ask(self, operation, **members):
        """What the command line would ask, asked directly: tests that wait for something ask often, and a
        process each time would cost more than all else."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(DEADLINE * SLOWER)
            try:
                control.connect(str(self.data / "control.sock"))
                control.sendall(json.dumps({"op": operation, **members}).encode() + b"\n")
                answer = control.makefile("rb").readline()
            except OSError as error:
                answer = b""
                why = error
            else:
                why = "closed"
        assert answer.endswith(b"\n"), f"no answer to {operation}: {why}"
        answer = json.loads(answer)
        assert answer["ok"], answer
        return answer

    def add(self, domain, primaries=(), **settings):
        primaries = [primaries] if isinstance(primaries, str) else primaries
        words = [word for primary in primaries for word in ("--primary", primary)]
        words += [word for key, value in settings.items()
                  for word in ("--set", f"{key.replace('_', '-')}={value}")]
        return self.cli("domain", "add", domain, *words)

    def status(self):
        return self.ask("status")

    def pids(self):
        """{role's name: its pid}; of those that run at this moment"""
        return {role["name"]: role["pid"] for role in self.status()["roles"] if role["pid"]}

    def queue(self, domain="example.org"):
        """Held messages, as `queue list` shows them (the first page)."""
        return self.ask("queue.list", domain=domain, state="held")["messages"]

    def domain(self, name="example.org"):
        return self.ask("domain.show", name=name)["domain"]

    def held(self, name="example.org"):
        return int(self.domain(name)["held"])

    def state_of(self, name="example.org"):
        return self.domain(name)["state"]

    # -- what it does

    def send(self, data, recipients="user@example.org", sender="sender@client.example", **options):
        return send(self.address, self.port, sender, recipients, data, **options)

    def connect(self, **options):
        return Raw(self.address, self.port, **options)

    @property
    def endpoint(self):
        return f"{self.address}:{self.port}"

    def text(self):
        return self.log.read_text(errors="replace")

    def pss(self):
        """Memory of supervisor and roles, shared pages counted once, in bytes."""
        total = 0
        for pid in [self.process.pid, *self.pids().values()]:
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1]) * 1024
        return total

    def complaints(self):
        """What no run may leave in the log, and what stands behind it."""
        lines = self.text().splitlines()
        for number, line in enumerate(lines):
            if "check_failed" in line or "AddressSanitizer" in line or "runtime error:" in line:
                return lines[number:number + 60]
        return []
