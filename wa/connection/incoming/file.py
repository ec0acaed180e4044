"""An append-only file of events, which is in front of the store: no lock on the store delays an append.

The file begins with a header that names its generation, a random text. Each record is a mark, the
length, a CRC-32, the time of arrival, and the kind and payload. Zeros follow the last record: room that
is set aside beforehand, so that a full disk does not stop an append at once. What was appended outlives
a SIGKILL, for it is the kernel's; nothing is synced here.

One process at a time may append: the holder of the session lock.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wa.store.files import make_folder
from wa.values import Value

STEP = 1024 * 1024
"""Bytes set aside at a time; at least half as many are free in front of the next append."""
ANEW = 4 * 1024 * 1024
"""Bytes from which on a file is begun anew once all of it is recorded.

A smaller file stays: a restored backup finds in it what arrived since.
"""
DAMAGED = "damaged"
"""The kind of a stretch that cannot be read, which stands for the records that were in it."""
MOST_DAMAGED = 1024 * 1024
"""The most bytes of a damaged stretch that are kept."""
_SIGNATURE = b"wa spool 1 "
_HEADER = len(_SIGNATURE) + 16 + 1
_MARK = b"\xf5wa\xfa"
# mark, length of the body, CRC-32 of all behind it, Unix ms, length of the kind
_RECORD = struct.Struct("<4sIIqB")


class Record(Value):
    """An event, or a damaged stretch. `at` is in Unix milliseconds, `end` the offset behind it."""

    kind: str
    payload: bytes
    at: int
    end: int
    size: int
    """Bytes from its beginning to its end."""


class SpoolFile:
    """The file, opened by the one process that appends to it. Raise OSError when it cannot be opened.

    `end` is the offset behind the last whole record.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self.trouble: OSError | None = None
        make_folder(path.parent)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self.end = end_of(self._fd)
            self._room = os.fstat(self._fd).st_size
            self.generation = generation_of(self._fd)
            if self.end <= _HEADER:
                self._begin()
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Close the file. Nothing may be appended afterwards."""
        with self._lock:
            os.close(self._fd)
            self._fd = -1

    def append(self, kind: str, payload: bytes, at: int) -> None:
        """Append an event: once this has returned, a SIGKILL cannot lose it.

        While the file cannot be written, events wait in memory, and `trouble` is the reason.
        """
        name = kind.encode()
        body = name + payload
        rest = struct.pack("<qB", at, len(name))
        checked = zlib.crc32(body, zlib.crc32(rest, len(body)))
        record = b"".join((_MARK, struct.pack("<II", len(body), checked), rest, body))
        with self._lock:
            if self._waiting:
                self._waiting.append(record)
                self._write_waiting()
            else:
                try:
                    self._write(record)
                except OSError as error:
                    self.trouble = error
                    self._waiting.append(record)

    def write_waiting(self) -> bool:
        """Append the events that wait in memory. Return whether none is left."""
        with self._lock:
            self._write_waiting()
            return not self._waiting

    def _write_waiting(self) -> None:
        try:
            while self._waiting:
                self._write(self._waiting[0])
                self._waiting.popleft()
            self.trouble = None
        except OSError as error:
            self.trouble = error

    def _write(self, record: bytes) -> None:
        end = self.end + len(record)
        if end + STEP // 2 > self._room:
            self._set_aside(end + STEP)
        written = os.pwrite(self._fd, record, self.end)
        if written < len(record):  # the disk is full: leave no part of a record
            os.ftruncate(self._fd, self.end)
            self._room = self.end
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.end = end

    def _set_aside(self, size: int) -> None:
        """Take room on the disk up to `size` bytes, where the disk has it and the system can."""
        allocate = getattr(os, "posix_fallocate", None)  # macOS has none
        if allocate is not None:
            with suppress(OSError):  # the append itself tells whether there is room
                allocate(self._fd, self._room, size - self._room)
                self._room = size

    def begin_anew(self, end: int) -> bool:
        """Begin the file anew, under a new generation, if nothing was appended behind `end`."""
        with self._lock:
            if self.end != end or self._waiting:
                return False
            os.ftruncate(self._fd, 0)
            self._begin()
            return True

    def _begin(self) -> None:
        self.generation = os.urandom(8).hex()
        self.end = self._room = _HEADER
        with suppress(OSError):  # without its header the file is of no generation, and is read from the front
            os.pwrite(self._fd, _SIGNATURE + self.generation.encode() + b"\n", 0)
        self._set_aside(STEP)

    def sync(self) -> None:
        """Wait until all of the file is on the disk. Raise OSError."""
        os.fsync(self._fd)

    def is_in_place(self) -> bool:
        """Return whether the path still names this file."""
        try:
            there, held = os.stat(self._path), os.fstat(self._fd)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)

    def read(self, offset: int) -> Iterator[Record]:
        """Yield the records from an offset to the present end, one in memory at a time."""
        return records(self._fd, offset, self.end)

    def start(self, generation: str | None, offset: int) -> int:
        """Return where to read on, for a reader that stopped at an offset of a generation.

        A reader of another generation, or of a longer file (a copy, or a file after a power cut), begins
        at the front: an event that is recorded twice is harmless.
        """
        return start_of(self.generation, self.end, generation, offset)


def waiting(path: Path, known: str | None, offset: int) -> tuple[int, int]:
    """Return the number of records behind an offset of a generation, and the first one's time, 0 for none."""
    count, since = 0, 0
    with _opened(path) as fd:
        if fd is not None:
            end = end_of(fd)
            at = start_of(generation_of(fd), end, known, offset)
            while at < end:
                head = _head(fd, at, end)
                since = head[2] if head and not count else since
                at = at + _RECORD.size + head[0] if head else _next_whole(fd, at + 1, end)
                count += 1
    return count, since


def damage(path: Path, known: str | None, offset: int) -> int:
    """Return how many bytes behind an offset of a generation cannot be read; no process may append now."""
    with _opened(path) as fd:
        if fd is None:
            return 0
        end = end_of(fd)
        found = records(fd, start_of(generation_of(fd), end, known, offset), end)
        return sum(record.size for record in found if record.kind == DAMAGED)


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def start_of(generation: str, end: int, known: str | None, offset: int) -> int:
    """Return the offset at which a reader goes on; `SpoolFile.start`."""
    return offset if known == generation and _HEADER <= offset <= end else _HEADER


def generation_of(fd: int) -> str:
    """Return the name of a file's generation."""
    return os.pread(fd, _HEADER, 0)[len(_SIGNATURE) : -1].decode("ascii", "backslashreplace")


def end_of(fd: int) -> int:
    """Return the offset behind the last record, cut off or whole: only zeros follow."""
    size = os.fstat(fd).st_size
    at = min(_HEADER, size)
    while (head := _head(fd, at, size)) is not None:
        at += _RECORD.size + head[0]
    end = size  # records may follow a damaged stretch, and a cut-off record is followed by zeros
    while end > at:
        begin = max(at, end - STEP)
        found = os.pread(fd, end - begin, begin)
        if found != bytes(len(found)):  # forty times as fast as rstrip, which looks at each zero by itself
            return begin + len(found.rstrip(b"\0"))
        end = begin
    return at


def records(fd: int, offset: int, end: int) -> Iterator[Record]:
    """Yield the records between two offsets; a stretch that is damaged is a record of the kind DAMAGED."""
    while offset < end:
        record = _record(fd, offset, end)
        if record is None:
            record = _damaged(fd, offset, _next_whole(fd, offset + 1, end))
        yield record
        offset = record.end


def _head(fd: int, offset: int, end: int) -> tuple[int, int, int, int] | None:
    """Return length, CRC, time and length of the kind of the record at an offset; None if there is none."""
    head = os.pread(fd, _RECORD.size, offset)
    if len(head) < _RECORD.size or not head.startswith(_MARK):
        return None
    _, length, checked, at, name = _RECORD.unpack(head)
    return (length, checked, at, name) if name <= length <= end - offset - _RECORD.size else None


def _record(fd: int, offset: int, end: int) -> Record | None:
    head = _head(fd, offset, end)
    if head is None or not _is_whole(fd, offset, head):
        return None
    length, _, at, name = head
    body = os.pread(fd, length, offset + _RECORD.size)
    size = _RECORD.size + length
    return Record(body[:name].decode("utf-8", "replace"), body[name:], at, offset + size, size)


def _is_whole(fd: int, offset: int, head: tuple[int, int, int, int]) -> bool:
    length, checked, at, name = head
    found = zlib.crc32(struct.pack("<qB", at, name), length)
    begin = offset + _RECORD.size
    for part in range(begin, begin + length, STEP):
        found = zlib.crc32(os.pread(fd, min(STEP, begin + length - part), part), found)
    return found == checked


def _next_whole(fd: int, offset: int, end: int) -> int:
    """Return the offset of the next whole record, or the end."""
    while offset < end:
        found = os.pread(fd, min(STEP, end - offset), offset).find(_MARK)
        if found < 0:
            offset += STEP - len(_MARK) + 1
        else:
            offset += found
            head = _head(fd, offset, end)
            if head is not None and _is_whole(fd, offset, head):
                return offset
            offset += 1
    return end


def _damaged(fd: int, offset: int, end: int) -> Record:
    return Record(DAMAGED, os.pread(fd, min(end - offset, MOST_DAMAGED), offset), 0, end, end - offset)
