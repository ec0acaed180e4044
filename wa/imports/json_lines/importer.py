"""Messages from `wa export --format jsonl`: each becomes the row again that it was.

A message that is stored already, under its id or as the same message of an older import, stays as it is. In
a home that never told anybody of a message, the rows keep their numbers; in any other, they get new ones, and
none counts as live, for a program that listens would take it for news.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

from wa.imports.export_chat.match import OF_A_MINUTE, OF_A_SECOND
from wa.imports.json_lines.line import Line, Unusable, read
from wa.imports.progress import Advance, ShowProgress, no_progress
from wa.media.received import copy_to
from wa.people.skipped import Skipped
from wa.record import chats, messages, names, polls, responses, write
from wa.record.events import log
from wa.record.export.files import folder_of, name_of
from wa.record.retention import ledger, like
from wa.store.database import BATCH, Row, Store
from wa.store.files import explained

_LONGEST = 16 * 1024**2
"""The most bytes of a line that are read as one."""


def is_json_lines(file: Path) -> bool:
    """Return whether a file begins as JSON Lines do; False for one that cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
    except OSError:
        return False


def import_lines(
    store: Store, file: Path, now: datetime, *, dry_run: bool, progress: ShowProgress = no_progress
) -> Row:
    """Import the messages of a file, and return the report. Raise WaError `storage-error`."""
    with explained(file), progress() as bars:
        tell = bars.begin(file.name, file.stat().st_size)
        taken = _Importer(store, folder_of(file), now, dry_run, log.newest(store) == 0)
        for batch in _batches(taken.lines(file, tell)):
            with nullcontext() if dry_run else store.write(durable=False):
                taken.take(batch)
    return {
        "file": str(file),
        "chats": len(taken.chats),
        "read": taken.read,
        "added": taken.added,
        "already_there": taken.read - taken.added,
        **({"pruned": taken.pruned} if taken.pruned else {}),
        "media": {"taken": taken.files},
        **taken.skipped.row(),
    }


def _batches(found: Iterator[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in found:
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


@dataclass
class _Importer:
    store: Store
    folder: Path
    """The folder with the copies of files that `--media` made."""
    now: datetime
    is_dry: bool
    keeps_numbers: bool
    read: int = 0
    added: int = 0
    files: int = 0
    pruned: int = 0
    skipped: Skipped = field(default_factory=Skipped)
    chats: set[str] = field(default_factory=set)
    _named: set[str] = field(default_factory=set)

    def lines(self, file: Path, tell: Advance) -> Iterator[Line]:
        """Yield the messages of a file; note the lines that hold none."""
        with file.open("rb") as opened:
            number = 0
            while text := opened.readline(_LONGEST):
                number += 1
                is_whole = len(text) < _LONGEST or text.endswith(b"\n")
                tell(len(text))
                try:
                    if not is_whole:
                        _skip_line(opened, tell)
                        raise Unusable("it is too long")
                    if text.strip(b"\xef\xbb\xbf \t\r\n"):
                        found = read(text.removeprefix(b"\xef\xbb\xbf"))
                        self.read += 1
                        yield found
                except Unusable as error:
                    self.skipped.add(str(error), f"line {number}")

    def take(self, batch: list[Line]) -> None:
        """Store the messages of a batch that are not stored yet, in the caller's transaction."""
        matched: set[int] = set()
        new: dict[tuple[str, str], Line] = {}
        for line in batch:
            row = line.row
            row["chat_jid"] = names.canonical(self.store, row["chat_jid"])
            row["sender"] = names.canonical(self.store, row["sender"])
            self.chats.add(row["chat_jid"])
            if not self._is_here(row, matched):
                new.setdefault((row["chat_jid"], row["message_id"]), line)
        self.added += len(new)
        if not self.is_dry:
            self._store(list(new.values()))

    def _is_here(self, row: Row, matched: set[int]) -> bool:
        """Return whether a message is stored; under a made-up id, it then gets its own."""
        chat, message_id = row["chat_jid"], row["message_id"]
        if messages.is_stored(self.store, chat, message_id):
            return True
        if ledger.has(self.store, chat, message_id):
            self.pruned += 1
            return True
        if not row["message_id"].startswith(messages.MADE_UP):
            return (
                write.fill_in_id(self.store, row) if not self.is_dry else messages.has_like(self.store, row)
            ) or ledger.has_like(self.store, row, is_dry=self.is_dry)
        late = (
            59
            if row["message_id"].startswith(OF_A_MINUTE)
            else 1
            if row["message_id"].startswith(OF_A_SECOND)
            else 0
        )
        found = [*messages.alike(self.store, row, late), *like.alike(self.store, row, late)]
        number = next((each for each in found if each not in matched), None)
        matched.update([] if number is None else [number])
        return number is not None

    def _store(self, lines: list[Line]) -> None:
        for line in lines:
            row = line.row
            if row["media_path"]:
                row["media_path"] = self._file(row)
            if not (self.keeps_numbers and messages.is_free(self.store, row["id"])):
                del row["id"]
                row["source"] = "import" if row["source"] == "live" else row["source"]
        write.put_back(self.store, [line.row for line in lines])
        for line in lines:
            self._name(line)
            self._answers(line)
        for chat in {line.row["chat_jid"] for line in lines}:
            chats.bring_up(self.store, chat, self.now)

    def _file(self, row: Row) -> str:
        """Return the path of a message's file in the home, where its copy beside the export is put."""
        copy = self.folder / name_of(row)
        path: str = row["media_path"]
        if copy.is_file() and not copy.is_symlink():
            there = self.store.home.path / path
            path = str(copy_to(copy, there.parent, there.name).relative_to(self.store.home.path))
            self.files += 1
        return path

    def _name(self, line: Line) -> None:
        """Store the names of chat and sender unless they have one."""
        chat, sender = line.row["chat_jid"], line.row["sender"]
        for jid, name in ((chat, line.chat_name), (sender, line.sender_name)):
            if jid in self._named:
                continue
            self._named.add(jid)
            if jid == chat:
                chats.ensure(self.store, chat, self.now)
            if name and names.stored_name(self.store, jid) is None:
                if jid == chat:
                    chats.add_name(self.store, chat, name)
                else:
                    names.add_name(self.store, jid, name)

    def _answers(self, line: Line) -> None:
        """Store reactions and votes. A vote of before has no time: one that comes later counts."""
        key = {"chat_jid": line.row["chat_jid"], "message_id": line.row["message_id"]}
        for each in line.reactions:
            sender = {"sender": names.canonical(self.store, each["sender"])}
            responses.react(self.store, key | sender, each["emoji"], each["timestamp"])
        for at, (voter, choices) in enumerate(_votes(line)):
            vote = {"chat_jid": key["chat_jid"], "poll_id": key["message_id"], "voter": voter}
            polls.vote(self.store, vote, choices, line.row["timestamp"] * 1000 + at)


def _votes(line: Line) -> Iterator[tuple[str, list[str]]]:
    """Yield voters, each with the options voted for, in the order in which they voted, as far as it is known.

    Somebody with a made-up address stands for each vote whose option was not known.
    """
    order: TopologicalSorter[str] = TopologicalSorter()
    chosen: dict[str, list[str]] = {}
    for option in line.options:
        for voter in option["voters"]:
            order.add(voter)
            chosen.setdefault(voter, []).append(polls.digest(option["name"]))
        for earlier, later in pairwise(option["voters"]):
            order.add(later, earlier)
    try:
        voters: list[str] = list(order.static_order())
    except CycleError:
        voters = list(chosen)
    yield from ((voter, chosen[voter]) for voter in voters)
    for number in range(line.unknown_votes):
        yield f"{number}@unknown", [polls.digest(polls.UNKNOWN)]


def _skip_line(opened: Any, tell: Advance) -> None:
    while text := opened.readline(_LONGEST):
        tell(len(text))
        if text.endswith(b"\n"):
            return
