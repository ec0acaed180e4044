"""Messages from WhatsApp's own "Export chat": each is stored once, however often it is imported.

An export has no ids. A message counts as stored already if a stored message has the same chat,
direction, text and minute; if the file has seconds, the times may differ by one second (`match`
has the details). Every other message gets an id made of these, which begins with
`messages.MADE_UP`: if WhatsApp sends the message later, it replaces the imported row.

The sender of a notice of WhatsApp's own is the chat. An export does not tell when a message was
edited or deleted, so that gets the time of the message. A stored message that was deleted on the
phone stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.imports.export_chat.archive import Export, Unusable, opened
from wa.imports.export_chat.match import Item, Matcher, Stored, made_up_ids
from wa.imports.export_chat.moments import moments
from wa.imports.export_chat.participants import Participants, People, find_chat, identify, name_of_chat
from wa.imports.export_chat.reader import Message, NoMessage, read
from wa.imports.export_chat.survey import ORDERS, FileFormat, Survey
from wa.imports.pace import Pace
from wa.imports.progress import ShowProgress, no_progress
from wa.jids import phone_in
from wa.people.skipped import Skipped
from wa.record import chats, messages, names, write
from wa.store.database import Row, Store
from wa.texts import comparable
from wa.times import to_iso
from wa.whatsapp.events import MessageReceived

_AHEAD = timedelta(days=2)
"""The time that a date may lie in the future, for clocks that are wrong."""
_FIRST = 3
"""The lines that are shown for each reason why lines were left out."""
_BACK = timedelta(hours=6)
"""The time by which messages of one export may go back: longer than any change of clocks or zones."""
_WORDS = ("text", "system", "location", "poll")
"""Types of messages that have no file."""


@dataclass
class Report:
    """The report on the messages of a file."""

    file: str
    chat_jid: str
    chat_name: str | None
    date_order: str
    participants: list[Row]
    read: int = 0
    added: int = 0
    left_out: int = 0
    pruned: int = 0
    """Messages that were pruned, which count as already there."""
    media: Row = field(default_factory=lambda: {"taken": 0, "missing": 0, "omitted": 0})
    """Files: copied out of the ZIP; named in the text but not available; left out by the phone."""
    first: int | None = None
    last: int | None = None
    skipped: Skipped = field(default_factory=lambda: Skipped(_FIRST))
    """The messages that were left out, and the faults of imported ones."""

    def row(self) -> Row:
        """Return the report as data. `read` is the sum of `added`, `already_there` and messages left out."""
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
            **({"pruned": self.pruned} if self.pruned else {}),
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
    """Import the messages of an exported chat, .txt or .zip, and return the report.

    Times are wall-clock times in `zone`; an hour that the clock showed twice is
    read as the first. `me` is our name in the file, or `-` if we wrote nothing in it.
    Raise WaError `not-found` for a missing file or an unknown chat, `ambiguous`,
    `bad-data` for a file that is no export or whose dates are not in `date_order`,
    `usage` if the order of dates or our own name cannot be known, or a ZIP has several chats, and
    `storage-error`; only in the last case, messages may have been stored.
    """
    if date_order not in (None, *ORDERS):
        raise WaError("usage", f"{date_order!r} is not an order of dates", f"use one of {', '.join(ORDERS)}")
    people = People(store, region, own_jid)
    with opened(file) as export, progress() as bars:
        jid = find_chat(store, people, chat, export.titles, region)
        lines = export.lines(bars.begin(f"looking at {file.name}", export.size))
        latest = (now.astimezone(zone) + _AHEAD).date()
        form = Survey(lines, str(file), latest, people.with_colon(me, *export.titles)).form(date_order)
        found = identify(store, people, jid, export.titles, form.names, me, str(file))
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
    """The import of one file into one chat."""

    store: Store
    export: Export
    form: FileFormat
    participants: Participants
    report: Report
    zone: ZoneInfo
    now: datetime
    is_dry: bool
    pace: Pace = field(default_factory=Pace)

    def run(self, tell: Callable[[int], object]) -> None:
        """Store the messages of the file, one batch in a transaction."""
        found = read(self.export.lines(tell), self.form, self.export.files)
        with Matcher(self.store, self.participants.chat) as matcher, self.store.bulk():
            newest: datetime | None = None
            for batch in _batches(self._messages(found), self.pace):
                if (
                    newest and batch[0].at < newest - _BACK
                ):  # a second export begins, perhaps of the same messages
                    matcher.forget()
                newest = batch[-1].at
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
            with self.pace.batch(len(items)), self.store.write(durable=False):
                rows = matcher.match(items)
                numbers = self._add([item for item, row in zip(items, rows, strict=True) if row is None])
                matcher.exclude(number for number in numbers if number)
                for item, row in zip(items, rows, strict=True):
                    is_changed = row and (row.is_edited or row.is_deleted or row.is_pruned)
                    if row and item.message.content.is_edited and not is_changed:
                        self._edit(item, row)
            self.report.added += len(numbers) - numbers.count(None)
        self.report.pruned += sum(row.is_pruned for row in rows if row)
        new = iter(numbers)
        places = [(row.number, row.media_path) if row else (next(new), None) for row in rows]
        self._take_files(
            (item.message, number, path)
            for item, (number, path), row in zip(items, places, rows, strict=True)
            if item.message.content.file and not (row and row.is_pruned)
        )

    def _item(self, message: Message) -> Item:
        starts = moments(message.at, self.zone)
        is_mine, sender = self.participants.is_me(message.sender), self.participants.jid_of(message.sender)
        return Item(message, starts, is_mine, sender, comparable(message.content.text))

    def _count(self, items: list[Item]) -> None:
        times = [item.starts[0] for item in items]
        self.report.first = min(times if self.report.first is None else [*times, self.report.first])
        self.report.last = max(times if self.report.last is None else [*times, self.report.last])
        for content in (item.message.content for item in items):
            self.report.media["omitted"] += not (content.file or content.is_deleted or content.kind in _WORDS)

    def _add(self, items: list[Item]) -> list[int | None]:
        """Store new messages; return the row id of each, None if its made-up id was stored already."""
        if not items:
            return []
        self._name_chat()
        before = messages.newest_id(self.store)
        ids = made_up_ids(self.store, self.participants.chat, items)
        events = [
            MessageReceived(
                self.participants.chat, message_id, item.sender, item.starts[0], item.message.content.text,
                message_type=item.message.content.kind, is_from_me=item.is_mine,
            )
            for item, message_id in zip(items, ids, strict=True)
        ]  # fmt: skip
        write.record_many(self.store, events, "import", self.now)
        stored = dict(
            self.store.execute("SELECT message_id, id FROM messages WHERE id > ?", [before]).fetchall()
        )
        for item, message_id in zip(items, ids, strict=True):
            content = item.message.content
            if content.is_edited or content.is_deleted:
                at = to_iso(messages.moment(item.starts[0]))
                edited_at, deleted_at = at if content.is_edited else None, at if content.is_deleted else None
                changed = {"edited_at": edited_at, "deleted_at": deleted_at}
                write.change(self.store, stored.get(message_id), changed)
        return [stored.get(message_id) for message_id in ids]

    def _name_chat(self) -> None:
        """Store the chat, its name if none is known, and the names of people with a made-up address."""
        chat, name = self.participants.chat, self.report.chat_name
        chats.ensure(self.store, chat, self.now)
        if name and not phone_in(name, None):
            chats.add_name(self.store, chat, name)
        while self.participants.made_up:
            jid, name = self.participants.made_up.popitem()
            names.add_name(self.store, jid, name)

    def _edit(self, item: Item, row: Stored) -> None:
        """Replace the text of a stored message that was edited since."""
        text = row.content if item.text == row.text else item.message.content.text
        stored = {"id": row.number, "content": row.content, "unavailable": None}
        write.edit(self.store, stored, text, messages.moment(row.timestamp))

    def _take_files(self, wanted: Iterable[tuple[Message, int | None, str | None]]) -> None:
        """Copy files out of the ZIP for messages whose file is not stored yet."""
        taken = []
        for message, number, path in wanted:
            content = message.content
            if path and (self.store.home.path / path).is_file():
                continue
            if not content.file or content.file not in self.export.files:
                self.report.media["missing"] += 1
                continue
            if number and not self.is_dry:
                try:
                    taken.append((number, self.export.extract(self.store.home, content.file), content.kind))
                except Unusable as error:
                    self.report.media["missing"] += 1
                    self.report.skipped.add(str(error), content.file)
                    continue
            self.report.media["taken"] += 1
        if taken:
            with self.store.write(durable=False):
                write.attach_files(self.store, taken)


def _batches(found: Iterable[Message], pace: Pace) -> Iterator[list[Message]]:
    """Yield batches of messages, one a transaction; if possible, messages of one minute are in one batch."""
    batch: list[Message] = []
    for message in found:
        is_full = len(batch) >= pace.rows
        is_nearly = len(batch) >= pace.rows * 3 // 4
        if (
            (batch and message.at < batch[-1].at - _BACK)
            or is_full
            or (is_nearly and message.at.replace(second=0) != batch[-1].at.replace(second=0))
        ):
            yield batch
            batch = []
        batch.append(message)
    if batch:
        yield batch
