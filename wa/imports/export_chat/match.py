"""Matching the messages of an exported chat with those that are stored already, from whatever source.

An export has less than the store: Android's times have no seconds, an edited message has its
newest text, and a phrase may stand for a file. So messages with equal texts are matched first, and
then messages that can only be the same. Each stored message is matched once; the matched ones are
kept in a table on disk, for a chat may have millions.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from wa.imports.export_chat.reader import Message
from wa.jids import is_group, phone_of_jid
from wa.record.messages import MADE_UP
from wa.record.retention import ledger, like
from wa.store.database import Store
from wa.texts import comparable

OF_A_MINUTE, OF_A_SECOND = f"{MADE_UP}min-", f"{MADE_UP}sec-"
"""The beginnings of made-up ids, for times to the minute and times to the second."""
_MINUTE = 60
_TOLD_OTHERWISE = ("document", "location", "contact", "poll")
"""Types of messages whose text in an export differs from the stored text."""


class Item(NamedTuple):
    """The compared fields of a message of the file."""

    message: Message
    starts: tuple[int, ...]
    """Its time in Unix seconds; two times if the wall clock showed it twice."""
    is_mine: bool
    sender: str
    text: str
    """The text as `comparable` returns it."""

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The first and last second at which the same message may be stored."""
        early, late = (1, 1) if self.message.has_seconds else (0, _MINUTE - 1)
        return [(start - early, start + late) for start in self.starts]


@dataclass
class Stored:
    """The compared fields of a stored message."""

    number: int
    timestamp: int
    is_mine: bool
    sender: str
    content: str | None
    kind: str
    is_edited: bool
    is_deleted: bool
    media_path: str | None
    digest: int | None = None
    """A digest of the text of a message that was pruned, of which the ledger has no more."""
    is_free: bool = True

    def __post_init__(self) -> None:
        self.text = comparable(self.content) if self.digest is None else "…" * bool(self.digest)

    @property
    def is_pruned(self) -> bool:
        """Whether the message is not stored any more, and is not to be stored again."""
        return self.digest is not None

    def says(self, text: str) -> bool:
        """Return whether its text is the same as one that `comparable` returned."""
        return self.text == text if self.digest is None else self.digest == ledger.digest_of(text)


class Matcher:
    """A context manager that matches the messages of one chat; only one at a time on a connection."""

    def __init__(self, store: Store, chat: str) -> None:
        self._store, self._chat = store, chat

    def __enter__(self) -> Matcher:
        self._store.execute("CREATE TEMP TABLE matched (id INTEGER PRIMARY KEY)")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._store.execute("DROP TABLE matched")

    def forget(self) -> None:
        """Match all stored messages again: what follows in the file may repeat what came before."""
        self._store.execute("DELETE FROM matched")

    def exclude(self, numbers: Iterable[int]) -> None:
        """Do not match these stored messages again."""
        self._store.conn.executemany(
            "INSERT OR IGNORE INTO matched VALUES (?)", ((each,) for each in numbers)
        )

    def match(self, items: Sequence[Item]) -> list[Stored | None]:
        """Return for each message of the file the same message in the store, or None."""
        near: dict[tuple[int, bool], list[Stored]] = defaultdict(list)
        for row in self._near(items):
            near[row.timestamp // _MINUTE, row.is_mine].append(row)
        found: list[Stored | None] = [None] * len(items)
        if not near:
            return found
        for fits in (_is_alike, _is_changed):
            for number, item in enumerate(items):
                if found[number] is None:
                    found[number] = self._best(item, near, fits)
        self.exclude(row.number for row in found if row)
        return found

    def _near(self, items: Sequence[Item]) -> list[Stored]:
        """Return the stored messages near the times of these items."""
        spans = sorted({span for item in items for span in item.spans})
        rows = self._store.execute(
            "SELECT DISTINCT m.id, m.timestamp, m.is_from_me, m.sender, m.content, m.message_type,"
            " m.edited_at IS NOT NULL, m.deleted_at IS NOT NULL, m.media_path FROM json_each(?) t"
            " CROSS JOIN messages m ON m.chat_jid = ? AND m.timestamp BETWEEN t.value ->> 0 AND t.value ->> 1"
            " WHERE m.status IS NOT 'early' AND m.message_type != 'reaction'"
            " AND NOT EXISTS (SELECT 1 FROM matched WHERE matched.id = m.id)",
            [json.dumps(spans), self._chat],
        )
        found = [Stored(number, time, bool(mine), *rest) for number, time, mine, *rest in rows]
        pruned = like.near(self._store, self._chat, spans)
        is_matched = "SELECT 1 FROM matched WHERE id = ?"
        return found + [
            Stored(
                each.key, each.timestamp, each.is_mine, each.sender, None, each.kind, each.is_edited,
                each.is_deleted, None, each.text,
            )
            for each in pruned
            if each.kind != "reaction" and self._store.value(is_matched, [each.key]) is None
        ]  # fmt: skip

    def _best(
        self, item: Item, near: dict[tuple[int, bool], list[Stored]], fits: Callable[[Item, Stored], bool]
    ) -> Stored | None:
        spans = item.spans
        rows = [
            row
            for minute in sorted({at // _MINUTE for span in spans for at in span})
            for row in near.get((minute, item.is_mine), ())
            if row.is_free
            and any(early <= row.timestamp <= late for early, late in spans)
            and _may_be_of(item, row)
            and fits(item, row)
        ]
        if not rows or (fits is _is_changed and item.message.content.is_edited and len(rows) > 1):
            return None
        best = min(rows, key=lambda row: _distance(item, row))
        best.is_free = False
        return best


def _distance(item: Item, row: Stored) -> tuple[bool, bool, int, int]:
    """Return a sort key that is smaller the more alike a message and a stored one are."""
    seconds = min(abs(row.timestamp - start) for start in item.starts)
    return row.sender != item.sender, row.kind != item.message.content.kind, seconds, row.number


def _may_be_of(item: Item, row: Stored) -> bool:
    """Return whether both may have the same sender: not if both senders have numbers, and these differ."""
    ours, theirs = phone_of_jid(item.sender), phone_of_jid(row.sender)
    return item.is_mine or ours is None or theirs is None or ours == theirs


def _is_alike(item: Item, row: Stored) -> bool:
    """Return whether the texts are equal. Two empty texts are equal if neither message is of type `text`."""
    content = item.message.content
    if (content.kind == "system") != (row.kind == "system") or content.is_deleted != row.is_deleted:
        return False
    return row.says(item.text) and (
        bool(item.text) or content.is_deleted or "text" not in (content.kind, row.kind)
    )


def _is_changed(item: Item, row: Stored) -> bool:
    """Return whether the stored message may have been edited, deleted, or exported without its file."""
    content = item.message.content
    if "system" in (content.kind, row.kind):
        return False
    if content.is_deleted or row.is_deleted or row.is_edited:
        return True
    if "text" in (content.kind, row.kind):
        return content.is_edited and content.kind == row.kind
    return not (item.text and row.text) or (content.kind == row.kind and content.kind in _TOLD_OTHERWISE)


def made_up_ids(store: Store, chat: str, items: Sequence[Item]) -> list[str]:
    """Return ids of the messages, the same in every export of the chat; equal messages get different ids."""
    bases, in_group, ids = [], is_group(chat), []
    for item in items:
        name = item.message.sender if in_group and not item.is_mine else None
        known = json.dumps([chat, item.starts[0], item.is_mine, name, item.text]).encode()
        prefix = OF_A_SECOND if item.message.has_seconds else OF_A_MINUTE
        bases.append(prefix + hashlib.sha256(known).hexdigest()[:24])
    stored = store.execute(
        "SELECT value, (SELECT count(*) FROM messages WHERE chat_jid = ?"
        " AND message_id > value || '-' AND message_id < value || '.') FROM json_each(?)",
        [chat, json.dumps([*dict.fromkeys(bases)])],
    )
    used, is_any_pruned = dict(stored.fetchall()), not ledger.is_empty(store)
    for base in bases:
        while is_any_pruned and ledger.has(store, chat, f"{base}-{used[base]}"):
            used[base] += 1
        ids.append(f"{base}-{used[base]}")
        used[base] += 1
    return ids
