# SPDX-License-Identifier: ISC
"""segments.py: reads a node's segments as src/store/log/format.h describes them.

Written from that description, and not from the code, so that it may judge it.
"""
import dataclasses
import pathlib
import re
import struct

HEADER_SIZE = 4096
RECORD = struct.Struct("<IBBHQQHHIII")
MESSAGE = 1
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclasses.dataclass
class Record:
    file: pathlib.Path
    offset: int
    kind: int
    batch: int
    meta: bytes
    content: bytes
    size: int  # with padding

    @property
    def content_at(self):
        return self.offset + RECORD.size + len(self.meta)

    @property
    def end(self):
        return self.offset + self.size

    @property
    def id(self):
        """Of a message, as in the log: 128 bits in Crockford's base 32."""
        number = int.from_bytes(self.meta[13:29], "big")
        return "".join(LETTERS[number >> shift & 31] for shift in range(125, -1, -5))

    @property
    def name(self):
        """Of a message: what its client called it."""
        return re.search(rb"^X-Load-Id: (\S+)", self.front, re.M)[1].decode()

    @property
    def front(self):
        """Of a message: the beginning of its content, which is the end of the meta."""
        size = int.from_bytes(self.meta[8:12], "little")
        return self.meta[len(self.meta) - size:]


def number_of(file):
    return int(file.stem)


def files(spool):
    return sorted(pathlib.Path(spool).glob("*.seg"))


def records(file):
    """Of the file's present use, in order."""
    data = file.read_bytes()
    generation = data[16:24]
    at = HEADER_SIZE
    while at + RECORD.size <= len(data):
        _, kind, _, _, _, batch, _, _, meta, content, _ = RECORD.unpack_from(data, at)
        if data[at + 8:at + 16] != generation:
            return
        begin = at + RECORD.size
        size = (RECORD.size + meta + content + 7) // 8 * 8
        yield Record(file, at, kind, batch, data[begin:begin + meta],
                     data[begin + meta:begin + meta + content], size)
        at += size


def all_records(spool):
    return [record for file in files(spool) for record in records(file)]


def flip(file, offset, bit):
    with file.open("r+b") as handle:
        handle.seek(offset)
        byte = handle.read(1)[0]
        handle.seek(offset)
        handle.write(bytes([byte ^ 1 << bit]))


def zero(file, offset, size):
    with file.open("r+b") as handle:
        handle.seek(offset)
        handle.write(bytes(size))


def truncate(file, size):
    with file.open("r+b") as handle:
        handle.truncate(size)
