"""The import of messages from the old tool's chats.json: read as a stream, each recorded once.

The old tool kept ids of media messages only. Any other message is identified by its chat,
second, direction and text, and by the number of equal messages before it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from tempfile import TemporaryFile
from typing import Any

from wa.imports.pace import Pace
from wa.imports.wajs.fields import Skip
from wa.imports.wajs.json_stream import Event, Unreadable, elements, inside, next_batch, value
from wa.imports.wajs.messages import OldMessage, read_message
from wa.imports.wajs.report import FileReport
from wa.imports.wajs.wa_messages import chat_of, is_person, jid_of, pair_of
from wa.record import chats, merge_chats, names, write
from wa.record.events import told
from wa.record.names import canonical
from wa.record.retention import ledger, like
from wa.store.database import BATCH, Row, Store
from wa.store.device import own_jid
from wa.whatsapp.events import MessageReceived

_OTHER_PARTS = ("labels", "labelAssociations", "presences", "groupMetadata", "state")
"""Parts of a store of Baileys that have no messages."""
_NO_CHAT = "it is neither a chat nor a message"


class ChatImport:
    """The import of chats into the store, counted in a report."""

    def __init__(self, store: Store, now: datetime, report: FileReport, *, dry_run: bool) -> None:
        self._store, self._now, self._report, self._dry_run = store, now, report, dry_run
        self._matched: Counter[tuple[int, bool]] = Counter()
        """The number of messages that match stored ones edited or deleted since, by second and direction."""
        self._pace = Pace(2 * BATCH)
        self._number = 0
        """The number of the present message in the file."""
        self._me = own_jid(store) or "me"
        self._chats: set[str] = set()
        """The chats of the file, for their number."""
        self._alone: list[Row] = []
        """Messages that stand by themselves, in no chat."""
        self._is_split = False
        """Whether the phone number behind a hidden id became known."""

    def take(self, source: Iterator[Event]) -> None:
        """Import all chats. Raise Damaged if the file is; the messages before the damage are imported."""
        # Counts of each signature in a chat so far; on disk, for a chat may have millions of messages.
        self._store.execute("CREATE TEMP TABLE occurrences (signature INTEGER PRIMARY KEY, n INTEGER)")
        keys = "chat TEXT, id TEXT, PRIMARY KEY (chat, id)"
        self._store.execute(f"CREATE TEMP TABLE counted ({keys}) WITHOUT ROWID")
        try:
            self._report.chats = 0
            try:
                for key, first in elements(source, "chats"):
                    self._take_part(source, str(key), first)
            finally:
                self._take_alone()
            if self._is_split:
                merge_chats.join_split_chats(self._store, self._now)
        finally:
            self._store.execute("DROP TABLE occurrences")
            self._store.execute("DROP TABLE counted")

    def _take_part(self, source: Iterator[Event], key: str, first: Event) -> None:
        """Import a chat, or all messages or all people of a whole store of Baileys."""
        if key == "messages" and first[0] in ("start_map", "start_array"):
            for each, begin in inside(source, first):
                self._take_chat(source, str(each), begin)
        elif key == "contacts" and first[0] in ("start_map", "start_array"):
            for _, begin in inside(source, first):
                self._take_person(value(source, begin))
        elif key in _OTHER_PARTS:
            value(source, first)
        else:
            self._take_chat(source, key, first)

    def _take_chat(self, source: Iterator[Event], key: str, first: Event) -> None:
        if first[0] == "start_array":  # a list of messages, with the chat's id as its key
            taken = self._number
            self._take_messages(key, (value(source, each) for _, each in inside(source, first)))
            if jid_of(key) or taken < self._number:
                self._count(key)
            else:
                self._report.skip(_NO_CHAT, key)
        elif first[0] != "start_map":
            self._report.skip("a chat is not an object", key)
        else:
            self._take_fields(source, key, first)

    def _take_fields(self, source: Iterator[Event], key: str, first: Event) -> None:
        known: Row = {}
        taken = self._number
        with TemporaryFile("w+", encoding="utf-8") as aside:
            for name, begin in inside(source, first):
                if name in ("messages", "array") and begin[0] in ("start_array", "start_map"):
                    records = (value(source, each) for _, each in inside(source, begin))
                    if "id" in known or jid_of(key):
                        self._take_messages(known.get("id", key), records)
                    else:  # in a list of chats, the id of a chat may come after its messages
                        aside.writelines(json.dumps(each, default=_plain) + "\n" for each in records)
                elif name == "messages" and begin[1] is not None:
                    self._report.skip("the messages of a chat are not a list", key)
                else:
                    known[str(name)] = value(source, begin)
            if chat_of(known):
                self._put_aside(known)
                return
            chat = known["id"] if isinstance(known.get("id"), str) else key
            aside.seek(0)
            self._take_messages(chat, map(json.loads, aside))
        self._count(chat)
        if jid_of(chat) is None and taken == self._number:
            self._report.skip(_NO_CHAT, key)
        self._name(chat, known.get("name") or known.get("alias") or known.get("subject"))

    def _count(self, chat: Any) -> None:
        self._chats.add(jid_of(chat) or str(chat))
        self._report.chats = len(self._chats)

    def _put_aside(self, record: Row) -> None:
        """Keep a message that stands by itself until there are enough of them for a transaction."""
        self._alone.append(record)
        if len(self._alone) >= BATCH:
            self._take_alone()

    def _take_alone(self) -> None:
        """Record the messages that were put aside."""
        records, self._alone = self._alone, []
        for chat, found in groupby(sorted(records, key=_chat_of), _chat_of):
            self._count(chat)
            self._take_messages(chat, iter(list(found)))

    def _take_person(self, record: Any) -> None:
        """Store the names and addresses of a person in a store of Baileys."""
        if self._dry_run or not isinstance(record, dict) or not (jid := jid_of(record.get("id"))):
            return
        others = [jid_of(record.get(name)) for name in ("lid", "phoneNumber", "jid")]
        pairs = [pair for other in others for pair in pair_of(jid, other, self._me)]
        if not is_person(jid):
            return
        with self._store.write(durable=False):
            self._map(pairs)
            for name in ("name", "notify", "verifiedName"):
                if isinstance(record.get(name), str) and record[name].strip():
                    names.add_name(self._store, canonical(self._store, jid), record[name].strip())

    def _map(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Store which phone numbers hidden ids stand for."""
        for lid, pn in pairs:
            if canonical(self._store, lid) != pn:
                merge_chats.map_lid(self._store, lid, pn)
                self._is_split = self._is_split or merge_chats.is_split(self._store, lid)

    def _take_messages(self, chat: Any, records: Iterator[Any]) -> None:
        """Record one chat's messages. Raise Damaged if the file is; the messages before it are recorded."""
        self._store.execute("DELETE FROM occurrences")
        self._matched.clear()
        while True:
            batch, damage = next_batch(records, self._pace.rows)
            self._take_batch(chat, batch)
            if damage:
                raise damage
            if not batch:
                return

    def _take_batch(self, chat: Any, records: Sequence[Any]) -> None:
        jid = jid_of(chat)
        found: list[OldMessage] = []
        for record in records:
            self._number += 1
            try:
                if jid is None:
                    raise Skip("its chat is not an address of WhatsApp's")
                found.append(read_message(record, jid, self._me))
            except Skip as reason:
                self._report.skip(str(reason), f"message {self._number} of the file, in chat {chat}")
        if jid is None or not found:
            return
        self._report.read += len(found)
        with self._pace.batch(len(found)), self._store.write(durable=False):
            if not self._dry_run:
                self._map({pair for each in found for pair in each.same})
            new = self._record(canonical(self._store, jid), jid, found)
        self._report.written += new
        self._report.already_there += len(found) - new

    def _record(self, chat: str, named: str, found: list[OldMessage]) -> int:
        """Record the messages that are not stored yet; return their number."""
        new = self._new_events(chat, named, found)
        if self._dry_run:
            return self._count_new(new)
        for sender, name in {(each.sender, each.push_name) for each in found if not each.is_from_me}:
            if name and is_person(sender):
                names.add_name(self._store, canonical(self._store, sender), name)
        count = write.record_many(self._store, new, "migration", self._now) if new else 0
        told.complete(self._store)
        return count

    def _new_events(self, chat: str, named: str, found: list[OldMessage]) -> list[MessageReceived]:
        """Return the messages of a batch whose signatures are not stored yet."""
        stored, changed = self._stored(chat, found)
        pruned, changed_before = self._pruned(chat, found)
        changed += changed_before
        new = []
        for message, ordinal in zip(found, self._ordinals(found), strict=True):
            at, is_mine, text = message.signature
            gone = pruned[at, is_mine, ledger.digest_of(text)] if pruned else 0
            known = stored.get(message.signature, 0) + gone
            if message.message_id is None and ordinal < known:
                continue  # it is stored from another source, or an earlier run
            when = at, is_mine
            if message.message_id is None and changed and changed[when] > self._matched[when]:
                self._matched[when] += 1  # it was edited or deleted since
                continue
            new.append(message.event(chat, named, ordinal))
        return new

    def _ordinals(self, found: list[OldMessage]) -> list[int]:
        """Return for each message the number of equal messages of the chat before it."""
        keys = [each.signature_key for each in found]
        marks = ",".join("?" * len(keys))
        sql = f"SELECT signature, n FROM occurrences WHERE signature IN ({marks})"
        before = Counter(dict(self._store.execute(sql, keys)))
        ordinals = []
        for key in keys:
            ordinals.append(before[key])
            before[key] += 1
        self._store.conn.executemany(
            "INSERT INTO occurrences VALUES (?, ?) ON CONFLICT (signature) DO UPDATE SET n = excluded.n",
            before.items(),
        )
        return ordinals

    def _stored(
        self, chat: str, found: list[OldMessage]
    ) -> tuple[Counter[tuple[int, bool, str]], Counter[tuple[int, bool]]]:
        """Return the number of stored messages of each signature, and of those that were changed since."""
        times = json.dumps(sorted({each.timestamp for each in found if each.message_id is None}))
        rows = self._store.execute(
            "SELECT timestamp, is_from_me, coalesce(content, ''),"
            " edited_at IS NOT NULL OR deleted_at IS NOT NULL FROM json_each(?) t"
            " CROSS JOIN messages m ON m.chat_jid = ? AND m.timestamp = t.value"
            " WHERE m.status IS NOT 'early'",
            [times, chat],
        ).fetchall()
        same = Counter((time, bool(mine), text) for time, mine, text, is_changed in rows if not is_changed)
        return same, Counter((time, bool(mine)) for time, mine, _, is_changed in rows if is_changed)

    def _pruned(
        self, chat: str, found: list[OldMessage]
    ) -> tuple[Counter[tuple[int, bool, int]], Counter[tuple[int, bool]]]:
        """Return what `_stored` returns of pruned messages, with digests of their texts."""
        times = sorted({each.timestamp for each in found if each.message_id is None})
        near = like.near(self._store, chat, [(time, time) for time in times])
        changed = [each for each in near if each.is_edited or each.is_deleted]
        same = Counter((each.timestamp, each.is_mine, each.text) for each in near if each not in changed)
        return same, Counter((each.timestamp, each.is_mine) for each in changed)

    def _count_new(self, new: list[MessageReceived]) -> int:
        """Return the number of these messages that a run other than a dry run would write."""
        pairs = [
            (each.chat_jid, each.message_id)
            for each in new
            if not self._store.value(
                "SELECT 1 FROM messages WHERE chat_jid = ? AND message_id = ?",
                [each.chat_jid, each.message_id],
            )
            and not ledger.has(self._store, each.chat_jid, each.message_id)
        ]
        sql = "INSERT OR IGNORE INTO counted VALUES (?, ?)"
        return self._store.conn.executemany(sql, pairs).rowcount if pairs else 0

    def _name(self, chat: str, name: Any) -> None:
        """Store a chat, and its name unless it has one."""
        jid = jid_of(chat)
        if jid is None or self._dry_run:
            return
        with self._store.write(durable=False):
            jid = canonical(self._store, jid)
            chats.ensure(self._store, jid, self._now)
            if isinstance(name, str) and name.strip():
                chats.add_name(self._store, jid, name.strip())


def _chat_of(record: Row) -> str:
    return chat_of(record) or ""


def _plain(found: Any) -> Any:
    """Return a value for json.dumps() in place of one that it cannot write: a Decimal or an Unreadable."""
    return str(found) if isinstance(found, Unreadable) else float(found)
