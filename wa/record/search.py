"""Search in messages, by any part of any word, in any script, without regard to case and accents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from wa.errors import WaError
from wa.record.messages import END, FILES, PAD, ROW, Place, mentioned, shown, span
from wa.record.names import with_names
from wa.store.database import Row, Store
from wa.store.fold import fold
from wa.values import Value

CANDIDATES = 2_500
"""The most hits of the index that are sorted at the first try."""
SCAN = 10_000
"""The number of newest messages that are read for a common word."""
MOST_CANDIDATES = 60_000
"""The most hits of the index that are sorted if these messages were not enough."""


class Filter(Value):
    """The messages to which a search is limited."""

    chat: str | None = None
    sender: str | None = None
    before: datetime | None = None
    after: datetime | None = None
    message_type: str | None = None
    up_to: Place = END
    """The place before which the messages are."""


_FILE_FIELDS = (b'"mediaKey"', b'"vcard"')
"""What a message of the tool before this one, which is stored as JSON, needs for its file."""
_HAS_CARD = """instr(m.raw_proto, CAST('"vcard"' AS BLOB))"""


def search(store: Store, query: str, narrowed: Filter, limit: int) -> list[Row]:
    """Return messages that contain every word of `query`, newest first, each with a `snippet`.

    The index finds rare words. A common word has too many hits to sort: then this reads the newest
    messages and, only if these are not enough, more hits of the index, or all messages.
    """
    words = sorted({fold(word) for word in query.split()} - {""}, key=len, reverse=True)
    if not words:
        raise WaError("usage", "there is nothing to search for", "give a word, or a part of one")
    where, params = _filters(narrowed)
    params.update({f"w{i}": word for i, word in enumerate(words)}, limit=limit)
    hit = " AND ".join(f"instr(searched(m.content, m.details), :w{i})" for i in range(len(words)))
    newest = "ORDER BY m.timestamp DESC, m.id DESC LIMIT :limit"
    ids = _candidates(store, words, CANDIDATES)
    if ids is None:
        found = shown(
            store,
            f"SELECT {ROW} FROM messages m WHERE m.timestamp >= coalesce((SELECT timestamp FROM messages"
            f" ORDER BY timestamp DESC LIMIT 1 OFFSET {SCAN}), 0){where} AND {hit} {newest}",
            params,
        )
        if len(found) < limit:
            ids = _candidates(store, words, MOST_CANDIDATES)
            if ids is None:
                found = shown(
                    store, f"SELECT {ROW} FROM messages m WHERE true{where} AND {hit} {newest}", params
                )
    if ids is not None:
        params["ids"] = json.dumps(ids)
        found = shown(
            store,
            f"SELECT {ROW} FROM messages m WHERE m.id IN (SELECT m.id FROM json_each(:ids) j"
            f" CROSS JOIN messages m ON m.id = j.value WHERE {hit}{where} {newest}) {newest}",
            params,
        )
    for row in found:
        is_notice = row["message_type"] == "system"
        text = with_names(store, row["content"], mentioned(row), is_notice=is_notice)
        row["snippet"] = snippet(text, words)
    return found


def _candidates(store: Store, words: Sequence[str], most: int) -> list[int] | None:
    """Return the ids of messages that may contain all the words; None if there are too many."""
    terms = [match for word in words if (match := _match(store, word, most))]
    if not terms:
        return None
    ids = [
        number
        for (number,) in store.execute(
            "SELECT rowid FROM messages_fts WHERE messages_fts MATCH ? LIMIT ?",
            [" AND ".join(terms), most + 1],
        )
    ]
    return ids if len(ids) <= most else None


def _match(store: Store, word: str, most: int) -> str | None:
    """Return a full-text query that matches every message with this word; None if it matches too many."""
    if len(word) >= 3:
        return " AND ".join(map(_quoted, sorted({word[i : i + 3] for i in range(len(word) - 2)})))
    found, hits = [], 0
    for term, messages in store.execute(
        "SELECT term, doc FROM messages_terms WHERE term >= ? AND term < ?", [word, word + chr(0x10FFFF)]
    ):
        found.append(_quoted(term))
        hits += messages
        if hits > 3 * most:  # a message may have several hits
            return None
    return "(" + (" OR ".join(found) or _quoted((word + PAD)[:3])) + ")"


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'


def _filters(narrowed: Filter) -> tuple[str, dict[str, Any]]:
    where, params = span(narrowed.before, narrowed.after)
    if narrowed.up_to != END:
        where += " AND (m.timestamp, m.id) < (:time, :number)"
        params.update(time=narrowed.up_to[0], number=narrowed.up_to[1])
    for name, condition in (
        ("chat", "m.chat_jid = :chat"),
        ("sender", "(m.sender = :sender OR m.sender IN (SELECT lid FROM jid_aliases WHERE pn = :sender))"),
        ("message_type", "m.message_type = :message_type"),
    ):
        if (value := getattr(narrowed, name)) is not None:
            where += f" AND {condition}"
            params[name] = value
    return where, params


def find_in_chat(store: Store, chat: str, message_id: str) -> str:
    """Return the id of a chat's message from its beginning. Raise WaError `not-found`, `ambiguous`."""
    ids = [
        row["message_id"]
        for row in store.rows(
            "SELECT message_id FROM messages WHERE chat_jid = :chat AND message_id >= :id"
            " AND message_id < :id || char(0x10ffff) ORDER BY message_id LIMIT 2",
            {"chat": chat, "id": message_id},
        )
    ]
    if not ids:
        raise WaError(
            "not-found", f"no message {message_id!r} in that chat", "`wa read CHAT --json` shows ids"
        )
    if len(ids) > 1 and ids[0] != message_id:
        raise WaError(
            "ambiguous", f"{message_id!r} fits several messages: {', '.join(ids)}", "give more of it"
        )
    return str(ids[0])


def files(store: Store, chat: str, kind: str | None, limit: int) -> list[Row]:
    """Return the newest messages of a chat that have a file, the oldest of them first."""
    kinds = ", ".join(f"'{each}'" for each in FILES)  # as in the index
    found = shown(
        store,
        f"SELECT {ROW} FROM messages m INDEXED BY messages_files WHERE m.chat_jid = :chat"
        f" AND m.message_type IN ({kinds}) AND (:kind IS NULL OR m.message_type = :kind)"
        " AND (m.message_type != 'contact' OR m.media_path IS NOT NULL OR"
        f" (m.raw_proto IS NOT NULL AND (m.source != 'migration' OR {_HAS_CARD})))"
        " AND m.deleted_at IS NULL ORDER BY m.timestamp DESC, m.id DESC LIMIT :limit",
        {"chat": chat, "kind": kind, "limit": limit},
    )
    return found[::-1]


def with_file(store: Store, number: int) -> Row:
    """Return the columns that a download of a message's file needs. Raise WaError `not-found` without one."""
    row = store.row("SELECT raw_proto, timestamp, message_type, source FROM messages WHERE id = ?", [number])
    raw = row["raw_proto"] if row else None
    if row is None or raw is None or (raw.startswith(b"{") and not any(each in raw for each in _FILE_FIELDS)):
        raise WaError(
            "not-found", "the file cannot be downloaded", "its message came without the keys of the file"
        )
    return row


def kept_file(store: Store, number: int) -> Row | None:
    """Return media_path (in the home) and file_name, the sender's, of a message that is not deleted.

    None without a file that is in the home.
    """
    return store.row(
        "SELECT media_path, details ->> '$.file_name' AS file_name FROM messages"
        " WHERE id = ? AND deleted_at IS NULL AND media_path IS NOT NULL",
        [number],
    )


def snippet(text: str, words: Sequence[str], width: int = 70) -> str:
    """Return the part of `text` around the first of the folded `words`, on one line."""
    flat = " ".join(text.split())
    if len(flat) <= width:
        return flat
    start = next((i for i in _positions(flat, words)), 0)
    left = max(0, min(start - width // 3, len(flat) - width))
    part = flat[left : left + width]
    return ("…" if left else "") + part + ("…" if left + width < len(flat) else "")


def _positions(text: str, words: Sequence[str]) -> Iterator[int]:
    """Yield the positions in `text` where a word begins. The folded text may be longer or shorter."""
    if text.isascii():
        yield from (at for word in words if (at := fold(text).find(word)) >= 0)
        return
    folded, origin = "", []
    for i, char in enumerate(text):
        part = fold(char)
        folded += part
        origin.extend([i] * len(part))
    for word in words:
        at = folded.find(word)
        if at >= 0:
            yield origin[at]
