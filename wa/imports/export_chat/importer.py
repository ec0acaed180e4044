"""The past from WhatsApp's own "Export chat": each message stored once, however often it is imported.

An export has no ids. A message of it is one that is stored already when that
has the same chat, direction and text, and the same minute, or with seconds in
the file a time at most one second off; `chat_match` tells more. What is left
gets an id made of all that, which begins as `messages.MADE_UP`: should the
message itself come later by another way, it takes the place of the one here.

A notice of WhatsApp's own is from the chat itself. An edited or deleted message
is so since it was sent: an export does not say when. What was deleted elsewhere
and is stored here stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.imports.export_chat.archive import Export, Unusable, opened
from wa.imports.export_chat.content import likeness
from wa.imports.export_chat.match import Item, Matcher, Stored, made_up_ids
from wa.imports.export_chat.participants import Cast, People, cast, find_chat, name_of_chat
from wa.imports.export_chat.reader import ORDERS, Form, Message, NoMessage, Survey, read
from wa.imports.progress import ShowProgress, no_progress
from wa.people.contacts import phone_in
from wa.people.skipped import Skipped
from wa.record import chats, messages, names, write
from wa.store.database import BATCH, Row, Store
from wa.times import resolve_wall, to_iso
from wa.whatsapp.events import MessageReceived

_AHEAD = timedelta(days=2)
"""How far in the future a date may lie, for clocks that are wrong."""
_WORDS = ("text", "system", "location", "poll")
"""Kinds that are whole without a file."""


@dataclass
class Report:
    """What became of the messages of a file."""

    file: str
    chat_jid: str
    chat_name: str | None
    date_order: str
    participants: list[Row]
    read: int = 0
    added: int = 0
    left_out: int = 0
    media: Row = field(default_factory=lambda: {"taken": 0, "missing": 0, "omitted": 0})
    """Files: taken out of the ZIP; named, but not to be had; left out by the phone."""
    first: int | None = None
    last: int | None = None
    skipped: Skipped = field(default_factory=Skipped)
    """What was left out, or is wrong."""

    def row(self) -> Row:
        """The report as data: read is the sum of added, already there, and what was left out."""
        first, last = (None if at is None else to_iso(messages.moment(at)) for at in (self.first, self.last))
        return {
            "file": self.file,
            "chat_jid": self.chat_jid,
            "chat_name": self.chat_name,
            "date_order": self.date_order,
            "participants": self.participants,
            "read": self.read,
            "added": self.added,
            "already_there": self.read - self.added - self.left_out,
            "media": self.media,
            "first": first,
            "last": last,
            **self.skipped.row(),
        }


def import_chat(
    store: Store,
    file: Path,
    now: datetime,
    *,
    chat: str | None,
    me: str | None,
    date_order: str | None,
    zone: ZoneInfo,
    region: str | None,
    own_jid: str | None,
    dry_run: bool,
    progress: ShowProgress = no_progress,
) -> Row:
    """Take the messages of an exported chat, .txt or .zip, and return what became of them.

    Times are what the wall clock of `zone` showed; of an hour that came twice,
    the first. `me` is our name in the file, or `-` where we wrote nothing in it.
    Raises WaError: `not-found` for a missing file or a chat that nobody knows,
    `ambiguous`, `bad-data` for what is no export or has other dates than asked
    for, `usage` where it cannot be known how dates are to be read or which name
    is ours, and `storage-error`, before which alone something may be stored.
    """
    if date_order not in (None, *ORDERS):
        raise WaError("usage", f"{date_order!r} is not an order of dates", f"use one of {', '.join(ORDERS)}")
    people = People(store, region, own_jid)
    with opened(file) as export, progress() as bars:
        jid = find_chat(store, people, chat, export.titles, region)
        lines = export.lines(bars.begin(f"looking at {file.name}", export.size))
        latest = (now.astimezone(zone) + _AHEAD).date()
        form = Survey(lines, str(file), latest, people.with_colon(me, *export.titles)).form(date_order)
        found = cast(store, people, jid, export.titles, form.names, me, str(file))
        named = [
            {"name": name, "jid": found.jid_of(name), "is_me": found.is_me(name), "messages": count}
            for name, count in form.names.most_common()
        ]
        report = Report(str(file), jid, name_of_chat(store, jid, export.titles), form.order, named)
        importer = _Importer(store, export, form, found, report, zone, now, dry_run)
        importer.run(bars.begin(file.name, export.size))
    return report.row()


@dataclass
class _Importer:
    """Takes the messages of one file into one chat."""

    store: Store
    export: Export
    form: Form
    cast: Cast
    report: Report
    zone: ZoneInfo
    now: datetime
    is_dry: bool

    def run(self, tell: Callable[[int], object]) -> None:
        """Go through the file, a batch a transaction."""
        found = read(self.export.lines(tell), self.form, self.export.files)
        with Matcher(self.store, self.cast.chat, has_seconds=self.form.has_seconds) as matcher:
            for batch in _batches(self._messages(found)):
                self._take(batch, matcher)
        if self.export.damaged:
            self.report.skipped.add("some bytes are no text; \ufffd stands for them", "", self.export.damaged)
        for name in self.export.files.refused:
            self.report.skipped.add("the name of a file leads out of the ZIP", name)

    def _messages(self, found: Iterable[Message | NoMessage]) -> Iterator[Message]:
        for each in found:
            if isinstance(each, Message):
                self.report.read += 1
                yield each
            else:
                self.report.read += each.is_message
                self.report.left_out += each.is_message
                self.report.skipped.add(each.reason, f"line {each.line}: {each.text}")

    def _take(self, batch: list[Message], matcher: Matcher) -> None:
        items = [self._item(each) for each in batch]
        self._count(items)
        if self.is_dry:
            rows = matcher.match(items)
            numbers: list[int | None] = [None] * rows.count(None)
            self.report.added += len(numbers)
        else:
            with self.store.write(durable=False):
                rows = matcher.match(items)
                numbers = self._add([item for item, row in zip(items, rows, strict=True) if row is None])
                matcher.take(number for number in numbers if number)
                for item, row in zip(items, rows, strict=True):
                    if row and item.message.said.is_edited and not (row.is_edited or row.is_deleted):
                        self._edit(item, row)
            self.report.added += len(numbers) - numbers.count(None)
        new = iter(numbers)
        places = [(row.number, row.media_path) if row else (next(new), None) for row in rows]
        self._take_files(
            (item.message, number, path)
            for item, (number, path) in zip(items, places, strict=True)
            if item.message.said.file
        )

    def _item(self, message: Message) -> Item:
        starts = _moments(message.at, self.zone)
        is_mine, sender = self.cast.is_me(message.sender), self.cast.jid_of(message.sender)
        return Item(message, starts, is_mine, sender, likeness(message.said.text))

    def _count(self, items: list[Item]) -> None:
        times = [item.starts[0] for item in items]
        self.report.first = min(times if self.report.first is None else [*times, self.report.first])
        self.report.last = max(times if self.report.last is None else [*times, self.report.last])
        for said in (item.message.said for item in items):
            self.report.media["omitted"] += not (said.file or said.is_deleted or said.kind in _WORDS)

    def _add(self, items: list[Item]) -> list[int | None]:
        """Store new messages; the number of each, None where its made-up id was there already."""
        if not items:
            return []
        self._name_chat()
        before = messages.newest_id(self.store)
        ids = made_up_ids(self.store, self.cast.chat, items, has_seconds=self.form.has_seconds)
        events = [
            MessageReceived(
                self.cast.chat, message_id, item.sender, item.starts[0], item.message.said.text,
                message_type=item.message.said.kind, is_from_me=item.is_mine,
            )
            for item, message_id in zip(items, ids, strict=True)
        ]  # fmt: skip
        write.record_many(self.store, events, "import", self.now)
        stored = dict(
            self.store.execute("SELECT message_id, id FROM messages WHERE id > ?", [before]).fetchall()
        )
        for item, message_id in zip(items, ids, strict=True):
            said, at = item.message.said, to_iso(messages.moment(item.starts[0]))
            if said.is_edited or said.is_deleted:
                edited_at, deleted_at = at if said.is_edited else None, at if said.is_deleted else None
                write.note_changes(self.store, stored.get(message_id), edited_at, deleted_at)
        return [stored.get(message_id) for message_id in ids]

    def _name_chat(self) -> None:
        """Keep the chat, its name where none is known, and the names of who has a made-up address."""
        chat, name = self.cast.chat, self.report.chat_name
        chats.ensure(self.store, chat, self.now)
        if name and not phone_in(name, None):
            chats.add_name(self.store, chat, name)
        while self.cast.made_up:
            jid, name = self.cast.made_up.popitem()
            names.add_name(self.store, jid, name)

    def _edit(self, item: Item, row: Stored) -> None:
        """Take over the newer text of a message that is stored as it was before."""
        text = row.content if item.text == row.text else item.message.said.text
        stored = {"id": row.number, "content": row.content}
        write.edit(self.store, stored, text, messages.moment(row.timestamp))

    def _take_files(self, wanted: Iterable[tuple[Message, int | None, str | None]]) -> None:
        """Take the files of messages out of the ZIP that have none yet."""
        taken = []
        for message, number, path in wanted:
            said = message.said
            if path and (self.store.home.path / path).is_file():
                continue
            if not said.file or said.file not in self.export.files:
                self.report.media["missing"] += 1
                continue
            if number and not self.is_dry:
                try:
                    taken.append((number, self.export.take(self.store.home, said.file), said.kind))
                except Unusable as error:
                    self.report.media["missing"] += 1
                    self.report.skipped.add(str(error), said.file)
                    continue
            self.report.media["taken"] += 1
        if taken:
            with self.store.write(durable=False):
                write.attach_files(self.store, taken)


def _moments(at: datetime, zone: ZoneInfo) -> tuple[int, ...]:
    """When the wall clock of a zone showed a time, in Unix seconds: once, or twice."""
    first = int(resolve_wall(at, zone).timestamp())
    earlier, later = (at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if earlier is not None and later is not None and earlier > later:
        return first, first + int((earlier - later).total_seconds())
    return (first,)


def _batches(found: Iterable[Message]) -> Iterator[list[Message]]:
    """Messages in parts that a transaction may have, the same minute in one of them where it can be."""
    batch: list[Message] = []
    for message in found:
        is_full = len(batch) >= BATCH
        is_nearly = len(batch) >= BATCH * 3 // 4
        if is_full or (is_nearly and message.at.replace(second=0) != batch[-1].at.replace(second=0)):
            yield batch
            batch = []
        batch.append(message)
    if batch:
        yield batch
