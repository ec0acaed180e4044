"""The data of the tool before this one: its JSON files, from a folder or a bucket.

    contacts.json      {"447700900123": {"name": …, "aliases": […], "phones": {"primary": …}, …}, …}
    scheduled.json     {"messages": [{"id": …, "to": …, "message": …, "scheduledTime": …, "status": …}, …]}
    jobs.json          [{"id": …, "recipients": […], "messageParts": […], "scheduledStartAt": …, …}, …]
    chats.json         {"447700900123@s.whatsapp.net": {"name": …, "messages": [{"message": …, …}, …]}, …}

Each may be a list, an object by id, or either inside an object. A record that
makes no sense is skipped and told; it costs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.imports.wajs.chats import ChatReader
from wa.imports.wajs.json_stream import Damaged, Readable, elements, events, next_batch, value
from wa.imports.wajs.records import RecordReader, Skip, Tally
from wa.people import edit as addressbook
from wa.store.database import Store
from wa.store.files import storage_error

FILES = ("contacts.json", "scheduled.json", "scheduled-messages.json", "jobs.json", "chats.json")
_BATCH = 100
"""Records a transaction, so that a listener beside it is not kept waiting."""


class Source(Protocol):
    """Where the files are."""

    refused: WaError | None
    """Why a file could not be looked at, where it may be that it is only absent."""

    def open(self, name: str) -> tuple[Readable, int] | None:
        """A file to read and its size in bytes; None where there is none."""


class Folder:
    """Files in a directory. Raises WaError `not-found` where there is none."""

    refused: WaError | None = None

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise WaError("not-found", f"there is no folder {path}", "--from names the folder with the files")
        self._path = path

    def open(self, name: str) -> tuple[Readable, int] | None:
        """A file to read and its size in bytes; None where there is none."""
        path = self._path / name
        try:
            size = path.stat().st_size
            return path.open("rb"), size
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            raise WaError("bad-data", f"{path} is a directory", "move it away") from None
        except OSError as error:
            raise storage_error(error, path) from error


@dataclass
class Migration:
    """One run: what it reads with, and what came of it."""

    store: Store
    now: datetime
    zone: ZoneInfo
    """In which times without a zone are read."""
    region: str | None
    grace: timedelta
    """How late what is pending may go out."""
    dry_run: bool = False
    tallies: list[Tally] = field(default_factory=list)

    @cached_property
    def _records(self) -> RecordReader:
        return RecordReader(self.store, self.now, self.zone, self.region, self.grace)

    @property
    def queued(self) -> int:
        """How many messages came in that are still to be sent."""
        return self._records.queued

    def find(self, source: Source) -> list[str]:
        """The names of the files that are there.

        Raises WaError `not-found` where there is none, `bad-data` where one is
        neither a list nor an object of JSON.
        """
        there = [name for name in FILES if _is_there(source, name)]
        if not there:
            raise source.refused or WaError(
                "not-found", f"none of {', '.join(FILES)} is there", "check the folder, or B2_PREFIX"
            )
        return there

    def run(self, source: Source, names: Iterable[str], progress: Progress) -> None:
        """Take the files; what came of it is in `tallies`, also where it ends in an error."""
        rehearsed = (*addressbook.TABLES, "scheduled_messages", "jobs", "state")
        with self.store.rehearse(*rehearsed) if self.dry_run else nullcontext():
            for name in names:
                self._take(source, name, progress)

    def _take(self, source: Source, name: str, progress: Progress) -> None:
        tally = Tally(name)
        self.tallies.append(tally)
        found = source.open(name)
        if found is None:  # gone since it was looked for
            return
        stream, size = found
        counted = _Counted(stream, progress.begin(name, size))
        try:
            if name == "chats.json":
                ChatReader(self.store, self.now, tally, dry_run=self.dry_run).read(events(counted))
            else:
                self._take_records(name, tally, counted)
        except Damaged as error:
            tally.skip(
                f"the file is damaged, and was read no further: {error}", f"after {tally.read} records"
            )
        finally:
            stream.close()

    def _take_records(self, name: str, tally: Tally, stream: Readable) -> None:
        reader = self._records
        take, wrapper = {
            "contacts.json": (reader.take_contact, "contacts"),
            "jobs.json": (reader.take_job, "jobs"),
        }.get(name, (reader.take_scheduled, "messages"))
        source = events(stream)
        records = ((key, value(source, first)) for key, first in elements(source, wrapper))
        while True:
            batch, damage = next_batch(records, _BATCH)
            with self.store.write():
                for key, record in batch:
                    try:
                        is_new = take(key, record, tally.reasons.add)
                    except Skip as reason:
                        tally.skip(str(reason), f"record {key}")
                        continue
                    tally.read += 1
                    tally.written += is_new
                    tally.already_there += not is_new
            if damage:
                raise damage
            if not batch:
                return


class Progress(Protocol):
    """Who is told how far a file has been read."""

    def begin(self, name: str, size: int) -> Tell:
        """A file begins; what is returned is called with the number of each further bytes."""


class Tell(Protocol):
    """What is told of bytes that were read."""

    def __call__(self, size: int, /) -> object: ...


class _Counted:
    """A file that tells how much of it was read."""

    def __init__(self, stream: Readable, tell: Tell) -> None:
        self._stream, self._tell = stream, tell

    def close(self) -> None:
        self._stream.close()

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._tell(len(piece))
        return piece


def _is_there(source: Source, name: str) -> bool:
    """Whether there is such a file. Raises WaError `bad-data` where it is neither a list nor an object."""
    found = source.open(name)
    if found is None:
        return False
    stream = found[0]
    try:
        start = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    finally:
        stream.close()
    if not start.startswith((b"{", b"[")):
        raise WaError(
            "bad-data",
            f"{name} is not a JSON object or list",
            "move it away, or mend it; nothing was written",
        )
    return True
