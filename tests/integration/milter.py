# SPDX-License-Identifier: ISC
"""milter.py: a filter that does what a test wants, in the milter protocol."""
import contextlib
import pathlib
import socket
import socketserver
import struct
import threading

import peers

ALL_ACTIONS, LEADING_SPACE = 0x1ff, 0x100000
SILENT = 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000


def packet(command, data=b""):
    return struct.pack("!I", len(data) + 1) + command + data


def text(*parts):
    return b"".join(part.encode() + b"\0" for part in parts)


def add(name, value):
    return packet(b"h", text(name, value))


def insert(index, name, value):
    return packet(b"i", struct.pack("!I", index) + text(name, value))


def change(index, name, value):
    return packet(b"m", struct.pack("!I", index) + text(name, value))


def replace(body):
    return b"".join(packet(b"b", body[i:i + 65535]) for i in range(0, len(body), 65535))


def reply(line):
    return packet(b"y", text(line))


def quarantine(reason):
    return packet(b"q", text(reason))


CONTINUE, ACCEPT, REJECT = packet(b"c"), packet(b"a"), packet(b"r")
TEMPFAIL, DISCARD, SKIP, PROGRESS = packet(b"t"), packet(b"d"), packet(b"s"), packet(b"p")


class Seen:
    """What one conversation told."""

    def __init__(self):
        self.commands, self.macros, self.headers = "", {}, []
        self.connect, self.helo, self.sender, self.recipients = None, None, None, []
        self.body, self.offered = b"", None

    def take(self, command, data):
        self.commands += command
        if command == "O":
            self.offered = struct.unpack("!III", data)[1]
        parts = [part.decode("latin-1") for part in data.split(b"\0")[:-1]]
        if command == "D":
            parts[0] = parts[0][1:]
            self.macros |= dict(zip(parts[::2], parts[1::2]))
        elif command == "C":
            name, _, rest = data.partition(b"\0")  # then family, port, address
            self.connect = (name.decode(), rest[:1] + rest[3:-1])
        elif command == "H":
            self.helo = parts[0]
        elif command == "M":
            self.sender = parts
        elif command == "R":
            self.recipients.append(parts[0])
        elif command == "L":
            self.headers.append((parts[0], parts[1]))
        elif command == "B":
            self.body += data


class Milter:
    """answers: {command: bytes, or a function of the socket}; what is not there goes on."""

    def __init__(self, where=None, protocol=0, answers=None):
        self.path = pathlib.Path(where) if where else None
        self.address = ("127.0.0.1", 0 if where else peers.free_port())
        self.protocol, self.answers = protocol, answers or {}
        self.seen = []
        self.server = None

    @property
    def where(self):
        return f"unix:{self.path}" if self.path else f"{self.address[0]}:{self.address[1]}"

    def start(self):
        filter_ = self

        class Session(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(ConnectionError):  # we may have had enough of it
                    self.talk()

            def talk(self):
                seen = Seen()
                filter_.seen.append(seen)
                stream = self.request.makefile("rb")
                while len(head := stream.read(4)) == 4:
                    (size,) = struct.unpack("!I", head)
                    data = stream.read(size)
                    command = chr(data[0])
                    seen.take(command, data[1:])
                    if command == "Q":
                        return
                    if command == "D":
                        continue
                    if command == "O":
                        answer = packet(b"O", struct.pack("!III", 6, ALL_ACTIONS, filter_.protocol))
                    else:
                        answer = CONTINUE if not self.is_silent(command) else b""
                    answer = filter_.answers.get(command, answer)
                    if callable(answer):
                        answer(self.request)
                    else:
                        self.request.sendall(answer)

            @staticmethod
            def is_silent(command):
                return filter_.protocol & SILENT == SILENT and command != "E"

        base = socketserver.ThreadingUnixStreamServer if self.path \
            else socketserver.ThreadingTCPServer
        kind = type("Server", (base,), {"allow_reuse_address": True, "daemon_threads": True,
                                        "request_queue_size": 64})
        self.server = kind(str(self.path) if self.path else self.address, Session)
        if self.path:
            self.path.chmod(0o600)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            if self.path:
                self.path.unlink(missing_ok=True)


def hang(connection):
    """Until the other side has enough."""
    connection.settimeout(peers.DEADLINE * peers.SLOWER)
    while connection.recv(4096):
        pass


def hang_up(connection):
    connection.shutdown(socket.SHUT_RDWR)
