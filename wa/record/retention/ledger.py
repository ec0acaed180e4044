"""The ledger of pruned messages, which keeps them from coming back: the tables `pruned` and `pruned_people`.

WhatsApp's history, an import, an edit or a receipt may bring a message again that was pruned. The ledger has
about 80 bytes for each: digests of its id and its text, its time and sender. Time and text are for
imports whose messages have no ids. No message is both in the store and in the ledger.

Functions that write join the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from wa.jids import is_group, phone_of_jid
from wa.record import messages
from wa.record.messages import END, MADE_UP, TYPES, Place, is_stand_in
from wa.record.names import canonical
from wa.store.database import BATCH, Row, Store
from wa.store.rewrites import Restore, carry_over, join_chats
from wa.texts import comparable

if TYPE_CHECKING:
    from wa.whatsapp.events import MessageReceived

MINE, EDITED, DELETED, _STAND_IN, _MADE_UP, _MINUTE, _SECOND = (1 << bit for bit in range(7))
TYPE = 8
"""The flags have the number of the message's type from this bit on."""
_IS_MADE_UP = f"flags & {_MADE_UP}"
"""SQL, as in the index of such messages."""
_OF_CHAT = "chat IN (SELECT number FROM pruned_people WHERE jid = :chat)"


def key_of(message_id: str) -> int:
    """Return the digest of a message's id: a number below 0."""
    return -1 - (_digest(message_id, 8) >> 1)


def digest_of(text: str | None) -> int:
    """Return a digest of a text, without what an exported chat changes; 0 for an empty one."""
    found = comparable(text)
    return (_digest(found, 6) or 1) if found else 0


def _digest(text: str, size: int) -> int:
    """Return a digest of so many bytes as a number."""
    from hashlib import blake2b  # it loads OpenSSL, 3 MB that a home without pruned messages need not have

    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=size).digest(), "big")


# ── What was pruned ─────────────────────────────────────────────────────────────────────────────────


def add(store: Store, rows: Iterable[Row]) -> None:
    """Note that messages, rows with the columns CHANGED in the order of their times, are pruned."""
    numbers: dict[str, int] = {}
    oldest: dict[int, tuple[str, int, int, int]] = {}

    def number(jid: str) -> int:
        if jid not in numbers:
            numbers[jid] = number_of(store, jid)
        return numbers[jid]

    noted: list[tuple[int, int, int | None, int | None, int, int]] = []
    for row in rows:
        chat = number(row["chat_jid"])
        # An edit or deletion that came before its message has a time of its own.
        at = None if row["status"] == "early" else row["timestamp"]
        text = digest_of(row["content"])
        noted.append((chat, key_of(row["message_id"]), at, number(row["sender"]), text, _flags_of(row)))
        if version := _version_of(row):
            noted.append((chat, key_of(version), None, None, 0, 0))
        if at is not None and not row["message_id"].startswith(MADE_UP):
            oldest.setdefault(chat, (row["message_id"], at, row["is_from_me"], chat))
    store.conn.executemany("INSERT OR REPLACE INTO pruned VALUES (?, ?, ?, ?, ?, ?)", noted)
    store.conn.executemany(
        "UPDATE pruned_people SET oldest_id = ?1, oldest_at = ?2, oldest_is_mine = ?3"
        " WHERE number = ?4 AND (oldest_at IS NULL OR oldest_at > ?2)",
        oldest.values(),
    )


def remove(store: Store, rows: Iterable[Row]) -> None:
    """Forget that messages, rows with chat_jid, message_id and details, are pruned: they are stored again."""
    keys = [
        {"chat": row["chat_jid"], "key": key_of(each)}
        for row in rows
        for each in (row["message_id"], _version_of(row))
        if each
    ]
    store.conn.executemany(f"DELETE FROM pruned WHERE {_OF_CHAT} AND key = :key", keys)


def count(store: Store) -> int:
    """Return the number of pruned messages."""
    return int(store.value("SELECT count(*) FROM pruned"))


def rename(store: Store, lid: str, pn: str) -> None:
    """Replace a hidden id by the phone JID. Several numbers may then stand for one person."""
    store.execute("UPDATE pruned_people SET jid = ? WHERE jid = ?", [pn, lid])


def number_of(store: Store, jid: str) -> int:
    """Return the number of a chat or sender; a new one gets one."""
    found = store.value("SELECT min(number) FROM pruned_people WHERE jid = ?", [jid])
    return int(found or store.insert("pruned_people", {"jid": jid}) or 0)


def _version_of(row: Row) -> str | None:
    version: str | None = json.loads(row["details"] or "{}").get("version_id")
    return version


def _flags_of(row: Row) -> int:
    message_id = row["message_id"]
    found = (
        (MINE, row["is_from_me"]),
        (EDITED, row["edited_at"]),
        (DELETED, row["deleted_at"]),
        (_STAND_IN, is_stand_in(row)),
        (_MADE_UP, message_id.startswith(MADE_UP)),
        (_MINUTE, message_id.startswith(f"{MADE_UP}min-")),
        (_SECOND, message_id.startswith(f"{MADE_UP}sec-")),
    )
    return sum(flag for flag, is_set in found if is_set) | TYPES.index(row["message_type"]) << TYPE


# ── Whether a message was pruned ────────────────────────────────────────────────────────────────────


def is_empty(store: Store) -> bool:
    """Return whether nothing was pruned."""
    return store.value("SELECT 1 FROM pruned LIMIT 1") is None


def has(store: Store, chat: str, message_id: str) -> bool:
    """Return whether a message was pruned."""
    return _value(store, "flags", chat, message_id) is not None


def place_of(store: Store, chat: str, message_id: str) -> Place | None:
    """Return the place behind which a pruned message stood; None if it is not known to be pruned."""
    at = _value(store, "timestamp", chat, message_id)
    return None if at is None else (at, END[1])


def _value(store: Store, column: str, chat: str, message_id: str) -> int | None:
    """Return a column of what is kept of a pruned message; None if it was not pruned."""
    sql = f"SELECT {column} FROM pruned WHERE {_OF_CHAT} AND key = :key"
    if is_empty(store):
        return None
    found: int | None = store.value(sql, {"chat": chat, "key": key_of(message_id)})
    return found


def without_pruned(store: Store, events: Sequence[MessageReceived], source: str) -> Sequence[MessageReceived]:
    """Return the messages that were not pruned.

    What stood for a message that could not be read was not the message itself: that may come. An import has
    looked for messages without an id by itself.
    """
    if is_empty(store):
        return events
    sql = f"SELECT 1 FROM pruned INDEXED BY pruned_made_up WHERE {_IS_MADE_UP} LIMIT 1"
    by_text = source not in ("import", "migration") and store.value(sql) is not None
    chats = {jid: canonical(store, jid) for jid in {event.chat_jid for event in events}}
    known = {jid for jid, chat in chats.items() if _is_known(store, chat)}
    return [
        event
        for event in events
        if event.chat_jid not in known or not _is_away(store, event, by_text=by_text)
    ]


def _is_known(store: Store, jid: str) -> bool:
    return store.value("SELECT 1 FROM pruned_people WHERE jid = ?", [jid]) is not None


def _is_away(store: Store, event: MessageReceived, *, by_text: bool) -> bool:
    chat = canonical(store, event.chat_jid)
    if keeps_away(store, chat, event.message_id, is_stand_in=event.unavailable is not None):
        return True
    row = {name: getattr(event, name) for name in ("message_id", "timestamp", "content", "is_from_me")}
    return by_text and has_like(store, {**row, "chat_jid": chat, "sender": canonical(store, event.sender)})


def keeps_away(store: Store, chat: str, message_id: str, *, is_stand_in: bool) -> bool:
    """Return whether a message was pruned, and not only what stood for it because it could not be read."""
    flags = _value(store, "flags", chat, message_id)
    if flags is not None and flags & _STAND_IN and not is_stand_in:
        remove(store, [{"chat_jid": chat, "message_id": message_id, "details": None}])
        return False
    return flags is not None


def has_like(store: Store, row: Row, *, is_dry: bool = False) -> bool:
    """Return whether a message was pruned that had a made-up id; unless `is_dry`, it gets the id of `row`."""
    near = store.rows(
        "SELECT chat, key, timestamp, flags, text, (SELECT jid FROM pruned_people WHERE number = sender)"
        f" AS sender FROM pruned INDEXED BY pruned_made_up WHERE {_OF_CHAT} AND {_IS_MADE_UP}"
        " AND timestamp >= :at - 59 AND timestamp <= :at + 1",
        {"chat": row["chat_jid"], "at": row["timestamp"]},
    )
    text = digest_of(row["content"]) if near else 0
    alike = [each for each in near if each["text"] == text and _may_be(each, row)]
    if not alike or is_dry:
        return bool(alike)
    best = min(alike, key=lambda each: (each["sender"] != row["sender"], _seconds_between(each, row)))
    store.execute(
        f"UPDATE OR REPLACE pruned SET key = :new, flags = flags & ~{_MADE_UP | _MINUTE | _SECOND}"
        " WHERE chat = :chat AND key = :key",
        {"new": key_of(row["message_id"]), "chat": best["chat"], "key": best["key"]},
    )
    return True


def _seconds_between(pruned: Row, row: Row) -> int:
    return abs(int(pruned["timestamp"]) - int(row["timestamp"]))


def _may_be(pruned: Row, row: Row) -> bool:
    """Return whether a message that was pruned with a made-up id may be another one, by all but its text.

    Its time may be less exact. In a group, its sender is another one if both have numbers that differ.
    """
    time, at, flags = pruned["timestamp"], row["timestamp"], pruned["flags"]
    phones = {phone_of_jid(pruned["sender"]), phone_of_jid(row["sender"])}
    return (
        bool(time == at or (flags & _MINUTE and time < at) or (flags & _SECOND and time >= at - 1))
        and bool(flags & MINE) == bool(row["is_from_me"])
        and not flags & DELETED
        and (not is_group(row["chat_jid"]) or None in phones or len(phones) == 1)
    )


def oldest_of(store: Store, chat: str) -> Row | None:
    """Return message_id, timestamp and is_from_me of a chat's oldest message that is or was here.

    The real ids of made-up ones are not known.
    """
    pruned = store.row(
        "SELECT oldest_id AS message_id, oldest_at AS timestamp, oldest_is_mine AS is_from_me"
        " FROM pruned_people WHERE jid = ? AND oldest_at IS NOT NULL ORDER BY oldest_at LIMIT 1",
        [chat],
    )
    stored = messages.oldest_of(store, chat)
    found = [row for row in (pruned, stored) if row]
    return min(found, key=lambda row: row["timestamp"], default=None)


# ── Other chats, other stores ───────────────────────────────────────────────────────────────────────


@join_chats.part
def _join_pruned(store: Store, lid: str, pn: str) -> None:
    rename(store, lid, pn)


@carry_over.part
def _carry_over(restore: Restore) -> None:
    """Keep away what the present store has pruned, but not what is in the backup: it was asked for."""
    db, known = restore.db, restore.known
    store = Store.over(db)
    if restore.columns("pruned"):
        db.execute("CREATE TEMP TABLE numbered (theirs INTEGER PRIMARY KEY, ours INTEGER NOT NULL)")
        people = db.execute(f"SELECT number, jid FROM {known}.pruned_people").fetchall()
        ours = [(number, number_of(store, jid)) for number, jid in people]
        db.executemany("INSERT INTO temp.numbered VALUES (?, ?)", ours)
        if reach := restore.columns("pruned_people", but=("number", "jid")):
            db.execute(
                f"UPDATE main.pruned_people SET ({reach}) = (SELECT {reach} FROM {known}.pruned_people k JOIN"
                " temp.numbered n ON n.theirs = k.number WHERE n.ours = main.pruned_people.number)"
                " WHERE number IN (SELECT ours FROM temp.numbered)"
            )
        db.execute(
            "INSERT OR IGNORE INTO main.pruned (chat, key, timestamp, sender, text, flags)"
            " SELECT c.ours, p.key, p.timestamp, s.ours, p.text, p.flags"
            f" FROM {known}.pruned p JOIN temp.numbered c ON c.theirs = p.chat"
            " LEFT JOIN temp.numbered s ON s.theirs = p.sender"
        )
        db.execute("DROP TABLE temp.numbered")
    place = 0
    while not is_empty(store) and (rows := _next_of(store, place)):
        remove(store, rows)
        place = rows[-1]["id"]


def _next_of(store: Store, place: int) -> list[Row]:
    """Return the next messages, behind an id, of the chats of which messages were pruned."""
    return store.rows(
        "SELECT id, chat_jid, message_id, details FROM messages NOT INDEXED WHERE id > ?"
        " AND chat_jid IN (SELECT jid FROM pruned_people) ORDER BY id LIMIT ?",
        [place, BATCH],
    )
