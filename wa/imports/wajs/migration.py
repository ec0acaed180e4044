"""The migration from the tool before this one: the import of its JSON files, from a folder or a bucket.

    contacts.json      {"447700900123": {"name": …, "aliases": […], "phones": {"primary": …}, …}, …}
    scheduled.json     {"messages": [{"id": …, "to": …, "message": …, "scheduledTime": …, "status": …}, …]}
    jobs.json          [{"id": …, "recipients": […], "messageParts": […], "scheduledStartAt": …, …}, …]
    chats.json         {"447700900123@s.whatsapp.net": {"name": …, "messages": [{"message": …, …}, …]}, …}

Each file may be a list, an object by id, or one of these inside an object. An
invalid record is skipped and reported; the others are imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from itertools import chain, islice
from typing import Any

from wa.errors import WaError
from wa.imports.progress import Progress, ShowProgress
from wa.imports.wajs.chats import ChatImport
from wa.imports.wajs.contacts import import_contact
from wa.imports.wajs.fields import Complain, Skip
from wa.imports.wajs.files import Counted, Source, find
from wa.imports.wajs.jobs import JobImport
from wa.imports.wajs.json_stream import Damaged, Event, elements, events, next_batch, value
from wa.imports.wajs.report import FileReport, cells_of
from wa.imports.wajs.scheduled import ScheduledImport
from wa.people import contacts
from wa.settings import Settings
from wa.store.database import Store
from wa.store.open import bind_store
from wa.store.wake import wake_owner
from wa.texts import counted

_BEGINNING = 40
"""Events of a file by which it is known whether it holds records at all."""
_BATCH = 100
"""Records in one transaction, so that a listener at the same time does not wait long."""
_CACHE = 16_000
"""KiB of pages in memory, beside the messages of a batch, which may have small pictures."""
_JOBS = 4
"""Jobs in one transaction: each may have hundreds of rows."""
_NOT_READ = ("series", "events")
_REHEARSED = (*contacts.TABLES, "scheduled_messages", "jobs", "job_recipients", "state")

Take = Callable[[str | int, Any, Complain], bool]
"""Stores a record, given its key or number; returns whether it is new. Raises Skip."""


def migrate(
    store: Store,
    settings: Settings,
    source: Source,
    now: datetime,
    *,
    dry_run: bool,
    progress: ShowProgress,
    note: Callable[[str], None],
) -> list[FileReport]:
    """Import the old tool's files, and return a report for each.

    Pause sending if a message was imported that is still to be sent. Records
    stored before an error stay stored, and `note` is called with their number.
    Raise WaError as `find` does, and `storage-error`.
    """
    names = find(source)
    if not dry_run:
        bind_store(store, settings.transport)
    run = _Run(store, settings, now, dry_run=dry_run)
    try:
        with progress() as bars:
            run.take(source, names, bars)
    except WaError:
        for report in run.reports:
            note("  ".join(map(str, cells_of(report.row()))))
        raise
    finally:
        if run.scheduled.pending and not dry_run:
            wake_owner(store.home.socket)
            waiting = f"{run.scheduled.pending} still to be sent, so sending is paused"
            note(f"{waiting}: stop the old scheduler, then `wa resume`")
        if run.jobs.unfinished and not dry_run:
            came = f"{counted(run.jobs.unfinished, 'unfinished job')} came in paused"
            note(
                f"{came}: stop the old scheduler, settle with `wa schedule resolve` what"
                " `wa schedule list --status unknown` shows, then `wa jobs resume ID` goes on"
            )
    return run.reports


class _Run:
    """One migration: the importers of the files, and the reports."""

    def __init__(self, store: Store, settings: Settings, now: datetime, *, dry_run: bool) -> None:
        self._store, self._now, self._dry_run = store, now, dry_run
        zone, region = settings.zone, settings.region
        self.reports: list[FileReport] = []
        self.scheduled = ScheduledImport(store, now, zone, region, settings.grace)
        self.jobs = JobImport(store, now, zone, region)
        self._takes: dict[str, tuple[Take, str]] = {
            "contacts.json": (partial(import_contact, store, region=region, now=now), "contacts"),
            "scheduled.json": (self.scheduled.take, "messages"),
            "scheduled-messages.json": (self.scheduled.take, "messages"),
            "jobs.json": (self.jobs.take, "jobs"),
        }
        """By file, the function that imports a record, and the key under which the records may be."""

    def take(self, source: Source, names: list[str], progress: Progress) -> None:
        """Import the files; `reports` has the counts, also after an error."""
        with self._store.rehearse(*_REHEARSED, empty=_NOT_READ) if self._dry_run else nullcontext():
            for name in names:
                self._take_file(source, name, progress)

    def _take_file(self, source: Source, name: str, progress: Progress) -> None:
        report = FileReport(name)
        self.reports.append(report)
        found = source.open(name)
        if found is None:  # removed since `find` found it
            return
        stream, size = found
        read = events(Counted(stream, progress.begin(name, size)))
        begun: set[str] = set()
        parsed: Iterator[Event] = chain(_noted(islice(read, _BEGINNING), begun), read)
        try:
            if name == "chats.json":
                with self._store.bulk(_CACHE):
                    ChatImport(self._store, self._now, report, dry_run=self._dry_run).take(parsed)
            else:
                self._take_records(name, report, parsed)
            if not report.read and begun == {"scalar"}:
                report.skip("it holds no records, but something else", "the whole file")
        except Damaged as error:
            reason = f"the file is damaged, and was read no further: {error}"
            report.skip(reason, f"after {report.read} records")
        finally:
            stream.close()

    def _take_records(self, name: str, report: FileReport, source: Iterator[Event]) -> None:
        take, wrapper = self._takes[name]
        records = ((key, value(source, first)) for key, first in elements(source, wrapper))
        while True:
            batch, damage = next_batch(records, _JOBS if wrapper == "jobs" else _BATCH)
            with self._store.write():
                for key, record in batch:
                    try:
                        is_new = take(key, record, report.reasons.add)
                    except Skip as reason:
                        report.skip(str(reason), f"record {key}")
                    else:
                        report.take(is_new=is_new)
            if damage:
                raise damage
            if not batch:
                return


def _noted(source: Iterable[Event], begun: set[str]) -> Iterator[Event]:
    """Yield events; note in `begun` whether there are scalars, or lists and objects within the first."""
    for number, (kind, scalar) in enumerate(source):
        if number and kind in ("start_map", "start_array"):
            begun.add("container")
        elif kind not in ("start_map", "start_array", "end_map", "end_array", "map_key"):
            begun.add("scalar")
        yield kind, scalar
