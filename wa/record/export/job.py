"""One export: which messages it takes, read chat by chat and a batch at a time, and what it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from zoneinfo import ZoneInfo

from wa.record.messages import ROW, START, moment, shown, span, with_reactions
from wa.record.responses import counted
from wa.store.database import BATCH, Row, Store

Say = Callable[[Row], str]
"""Returns the text to show to people for a message."""
_WITHOUT_REACTIONS = "m.message_type != 'reaction'"


@dataclass
class Job:
    """An export of one chat or, without one, of all; `after` and `before` limit the time."""

    store: Store
    zone: ZoneInfo
    say: Say
    chat: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    advance: Callable[[int], object] = lambda count: None
    """Called with the number of messages written since the last call."""
    file_of: Callable[[Row], str | None] = lambda row: None
    """Copies a message's file beside the export; returns its path there, None without one."""
    messages: int = field(default=0, init=False)
    chats: int = field(default=0, init=False)

    def total(self) -> int:
        """Return about how many messages there are to export, for a progress bar."""
        where, params = span(self.before, self.after)
        of_chat = "m.chat_jid = :chat" if self.chat else "true"
        sql = f"SELECT count(*) FROM messages m WHERE {of_chat}{where}"
        return int(self.store.value(sql, {**params, "chat": self.chat}))

    def each_chat(self) -> Iterator[tuple[str, Iterator[Row]]]:
        """Yield each chat that has such messages, with its messages, the oldest first.

        The messages are in the form of `wa read --json`, and have to be read before the next chat.
        """
        for chat in [self.chat] if self.chat else self._chat_ids():
            rows = self._messages_of(chat)
            if first := next(rows, None):
                self.chats += 1
                yield chat, chain([first], rows)

    def _chat_ids(self) -> Iterator[str]:
        last = ""
        while found := self.store.rows(
            "SELECT id FROM chats WHERE id > ? ORDER BY id LIMIT ?", [last, BATCH]
        ):
            yield from (row["id"] for row in found)
            last = found[-1]["id"]

    def _messages_of(self, chat: str) -> Iterator[Row]:
        where, params = span(self.before, self.after)
        sql = (
            f"SELECT {ROW} FROM messages m WHERE m.chat_jid = :chat AND {_WITHOUT_REACTIONS}{where}"
            " AND (m.timestamp, m.id) > (:time, :number) ORDER BY m.timestamp, m.id LIMIT :limit"
        )
        place = START
        while True:
            batch = {**params, "chat": chat, "time": place[0], "number": place[1], "limit": BATCH}
            rows = counted(self.store, with_reactions(self.store, shown(self.store, sql, batch)))
            if not rows:
                return
            yield from rows
            self.messages += len(rows)
            self.advance(len(rows))
            place = (rows[-1]["timestamp"], rows[-1]["id"])

    def time(self, row: Row) -> datetime:
        """Return the moment of a message, in the zone of the export."""
        return moment(row["timestamp"]).astimezone(self.zone)
