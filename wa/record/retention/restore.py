"""Restoring an archive: its messages are stored again as they were, and leave the ledger.

The whole file is checked first. What is stored already stays; so a restore that was killed goes on when it is
run again, and one that is repeated changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from wa.errors import WaError
from wa.record import chats, messages, polls, responses, write
from wa.record.names import canonical
from wa.record.retention import archive, ledger, lines
from wa.record.retention.checked import Checker
from wa.record.retention.lock import alone
from wa.store.database import Row, Store
from wa.store.paths import Home
from wa.store.rewrites import Shelf, old_rows
from wa.times import to_iso

BATCH = 100
"""Rows that are restored in one transaction at most."""
_CHANGED = ("edited_at", "deleted_at", "details", "raw_proto", "secret", "unavailable", "message_type")


def _age_of(row: Row) -> tuple[bool, str]:
    """Return what is higher the newer a form of a message is."""
    return row["deleted_at"] is not None, row["edited_at"] or ""


def find(home: Home, text: str) -> Path:
    """Return the archive that a text names: a path, the name of one in WA_HOME/archive, or `latest`.

    Raise WaError `not-found`.
    """
    if text == "latest":
        newest = max(home.archive.glob("pruned_*.jsonl.gz"), default=None)
        if newest is None:
            raise WaError("not-found", f"there is no archive in {home.archive}", "`wa db prune` makes them")
        return newest
    inside = home.archive / text
    return inside if inside.exists() and not Path(text).exists() else Path(text)


@dataclass
class Restoring:
    """A run: what it has restored so far."""

    store: Store
    path: Path
    now: datetime
    advance: Callable[[int], object] = lambda count: None
    """Called with the number of lines restored since the last call."""
    read: int = field(default=0, init=False)
    restored: int = field(default=0, init=False)
    rows: dict[str, int] = field(default_factory=dict, init=False)
    _checker: Checker = field(init=False)
    _shelves: dict[str, Shelf] = field(default_factory=dict, init=False)

    def check(self) -> int:
        """Return the number of rows in the archive. Raise WaError `bad-data` for one that is not whole."""
        found: list[Shelf] = []
        old_rows.run(self.store, found, to_iso(self.now), 0)
        self._shelves = {shelf.table: shelf for shelf in found}
        self._checker = Checker(self.store, list(self._shelves))
        count = 0
        for line in archive.read(self.path, self.store):
            self._parsed(line)
            count += 1
        return count

    def run(self) -> Row:
        """Restore an archive that was checked, and return the report. Raise WaError `in-use`."""
        with alone(self.store.home):
            found = archive.read(self.path, self.store)
            for _, batch in lines.batches(found, BATCH, lines.type_and_size):
                self._take([self._parsed(line) for line in batch])
        return {
            "archive": str(self.path),
            "messages": self.restored,
            "already_there": self.read - self.restored,
            "rows": self.rows,
        }

    def _parsed(self, line: bytes) -> Row:
        """Return what a line holds. Raise Unusable for a line that cannot be stored here."""
        try:
            found = lines.parsed(line)
            self._checker.check(found)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise archive.Unusable(self.path, f"a line of it is no row of ours ({error})") from error
        return found

    def _take(self, batch: list[Row]) -> None:
        with self.store.write(durable=False):
            touched: set[str] = set()
            for found in batch:
                if found["type"] == lines.MESSAGE:
                    self.read += 1
                    if chat := self._take_message(*lines.taken_apart(found)):
                        touched.add(chat)
                else:
                    row, _ = lines.taken_apart(found)
                    is_new = self._shelves[found["type"]].put_back(self.store, row)
                    self.rows[found["type"]] = self.rows.get(found["type"], 0) + is_new
            for chat in touched:
                chats.bring_up(self.store, chat, self.now)
        self.advance(len(batch))

    def _take_message(self, row: Row, answers: dict[str, list[Row]]) -> str | None:
        """Store a message unless it is stored; return its chat if it was not."""
        store = self.store
        row["chat_jid"] = canonical(store, row["chat_jid"])
        row["sender"] = canonical(store, row["sender"])
        key = {name: row[name] for name in ("chat_jid", "message_id")}
        stored = messages.find(store, row["chat_jid"], row["message_id"])
        if stored is None:
            self.restored += 1
            if not messages.is_free(store, row["id"]):
                del row["id"]  # with a new number, a live message would be news to a listener
                row["source"] = "import" if row["source"] == "live" else row["source"]
            write.put_back(store, [row])
            ledger.remove(store, [row])
        elif _age_of(row) > _age_of(stored):  # an older form of it was restored before
            write.replace_text(store, stored, row["content"])
            write.change(store, stored["id"], {name: row[name] for name in _CHANGED if name in row})
        for each in answers["reactions"]:
            sender = canonical(store, each["sender"])
            responses.react(store, key | {"sender": sender}, each["emoji"], each["timestamp"])
        for each in answers["receipts"]:
            responses.add_receipt(store, key | {name: each[name] for name in ("recipient", "kind", "at")})
        for each in answers["votes"]:
            voter = {"voter": canonical(store, each["voter"]), "poll_id": row["message_id"]}
            choices = json.loads(each["choices"])
            polls.vote(store, {"chat_jid": row["chat_jid"], **voter}, choices, each["said_at"])
        return str(row["chat_jid"]) if stored is None else None
