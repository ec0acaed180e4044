"""Search in messages, by any part of any word, in any script, without regard to case and accents."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from wa.errors import WaError
from wa.record.messages import END, FILES, PAD, ROW, Place, mentioned, shown
from wa.record.names import aliases_of, with_names
from wa.store.database import Row, Store
from wa.store.fold import fold
from wa.values import Value

FEW = 250
"""The hits of the index that are always looked up, and the messages that are read before the first choice."""
FIRST = 2_000
"""The hits that are looked up at once, unless there are fewer messages to read."""
MORE = 4
"""How many times as many messages as so far are read before each later choice."""
LISTED = 8
"""The most hits of the index that are listed for each message read so far; with a filter, a quarter of it."""
MOST_HITS = 100_000
"""The most hits that are looked up: their ids are in memory."""


class Filter(Value):
    """The messages to which a search is limited."""

    chat: str | None = None
    sender: str | None = None
    before: datetime | None = None
    after: datetime | None = None
    message_type: str | None = None
    up_to: Place = END
    """The place before which the messages are."""


_NEWEST = "ORDER BY m.timestamp DESC, m.id DESC"
_TEXT = "searched(m.content, m.details)"
"""SQL for the text of a message in which words are looked for."""
_QUICK_TEXT = (
    f"CASE WHEN m.details IS NOT NULL THEN {_TEXT}"
    " WHEN length(m.content) = length(CAST(m.content AS BLOB)) THEN lower(m.content)"
    " ELSE fold(m.content) END"
)
"""The same, quicker for ASCII, where control characters are not spaces: so for words without a space."""
_FILE_FIELDS = (b'"mediaKey"', b'"vcard"')
"""What a message of the tool before this one, which is stored as JSON, needs for its file."""
_HAS_CARD = """instr(m.raw_proto, CAST('"vcard"' AS BLOB))"""


def search(store: Store, query: str, narrowed: Filter, limit: int) -> list[Row]:
    """Return messages that contain every word of `query`, newest first, each with a `snippet`."""
    words = sorted({fold(word) for word in query.split()} - {""}, key=len, reverse=True)
    if not words:
        raise WaError("usage", "there is nothing to search for", "give a word, or a part of one")
    with store.reading():
        found = shown(
            store,
            f"SELECT {ROW} FROM messages m WHERE m.id IN (SELECT value FROM json_each(:ids)) {_NEWEST}",
            {"ids": json.dumps(_find(store, words, narrowed, limit))},
        )
        for row in found:
            is_notice = row["message_type"] == "system"
            text = with_names(store, row["content"] or "", mentioned(row), is_notice=is_notice)
            row["snippet"] = snippet(text, words)
    return found


def _find(store: Store, words: Sequence[str], narrowed: Filter, limit: int) -> list[int]:
    """Return the ids of the newest messages that contain all the words, at most `limit`.

    A rare word has few hits in the index, and all of them are looked up. A common word has too many: the
    messages are read instead, newest first. To look up a hit takes about as long as to read a message. So
    before each few messages, this compares the number of hits with that of the messages still to be read, at
    the rate at which messages were hits so far.
    """
    index, span, filters, params = _conditions(store, narrowed)
    source = f"messages m INDEXED BY {index} WHERE {span}"
    params.update({f"w{i}": word for i, word in enumerate(words)})
    text = _TEXT if any(" " in word for word in words) else _QUICK_TEXT
    hit = " AND ".join(f"instr({text}, :w{i})" for i in range(len(words)))
    # Of a message that a filter leaves out, the text is not compared: it takes half the time or less.
    hits_a_row, listed = (0.5, LISTED // 4) if filters else (1, LISTED)

    def in_hits(rows: float) -> int:
        """Return how many hits are looked up in the time that the next messages take, up to `rows`."""
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT :rows)"
        return int(store.value(sql, {**params, "rows": math.ceil(rows)}) * hits_a_row)

    ids: list[int] = []
    done, expected, tried = 0, FIRST, -1
    hits: tuple[int, str] | None = None
    while True:
        most = min(expected, max(FIRST, listed * done), MOST_HITS)
        if hits is None and most > tried:
            hits, tried = _hits(store, words, most), most
        params["limit"] = limit - len(ids)
        if hits is not None and (hits[0] <= FEW or hits[0] <= min(expected, in_hits(hits[0] / hits_a_row))):
            # Sorted before texts are compared, so that only those of the newest hits are.
            newest = (
                "SELECT m.id FROM json_each(:hits) j CROSS JOIN messages m ON m.id = j.value"
                f" WHERE {span}{filters} {_NEWEST} LIMIT -1"
            )
            sql = (
                f"SELECT m.id FROM ({newest}) n CROSS JOIN messages m ON m.id = n.id WHERE {hit} LIMIT :limit"
            )
            return ids + _numbers(store, sql, {**params, "hits": hits[1]})
        step = max(FEW, min(MORE * done, int(2 * expected / hits_a_row)))
        end = store.row(
            f"SELECT m.timestamp, m.id FROM {source} {_NEWEST} LIMIT 1 OFFSET :rows - 1",
            {**params, "rows": step},
        ) or {"timestamp": params["after"], "id": 0}
        ids += _numbers(
            store,
            f"SELECT m.id FROM {source} AND (m.timestamp, m.id) >= (:after, :last){filters} AND {hit}"
            f" {_NEWEST} LIMIT :limit",
            {**params, "after": end["timestamp"], "last": end["id"]},
        )
        if len(ids) >= limit or not end["id"]:
            return ids
        params.update(time=end["timestamp"], number=end["id"])
        done += step
        expected = int((limit - len(ids)) * done / max(1, len(ids)) * hits_a_row)


def _numbers(store: Store, sql: str, params: dict[str, Any]) -> list[int]:
    return [number for (number,) in store.execute(sql, params)]


def _conditions(store: Store, narrowed: Filter) -> tuple[str, str, str, dict[str, Any]]:
    """Return an index of messages, the conditions (of messages m) that it serves, the others, and parameters.

    The others begin with AND each.
    """
    time: float = narrowed.up_to[0]
    number = narrowed.up_to[1]
    if narrowed.before is not None and narrowed.before.timestamp() <= time:
        time, number = narrowed.before.timestamp(), 0
    params: dict[str, Any] = {"time": time, "number": number, "chat": narrowed.chat}
    params["after"] = narrowed.after.timestamp() if narrowed.after is not None else 0
    index, span = "messages_by_time", "m.timestamp >= :after AND (m.timestamp, m.id) < (:time, :number)"
    if narrowed.chat is not None:
        index, span = "messages_by_chat", f"m.chat_jid = :chat AND {span}"
    filters = ""
    if narrowed.message_type is not None:
        filters += " AND m.message_type = :type"
        params["type"] = narrowed.message_type
    if narrowed.sender is not None:
        forms = {
            f"sender{i}": jid for i, jid in enumerate([narrowed.sender, *aliases_of(store, narrowed.sender)])
        }
        filters += f" AND m.sender IN ({', '.join(f':{name}' for name in forms)})"
        params |= forms
    return index, span, filters, params


def _hits(store: Store, words: Sequence[str], most: int) -> tuple[int, str] | None:
    """Return number and ids (JSON) of the messages that may contain all the words; None for over `most`."""
    terms: list[str] = []
    for word in words:
        if len(word) >= 3:
            terms += map(_quoted, sorted({word[i : i + 3] for i in range(len(word) - 2)}))
        elif (term := _match_short(store, word, most)) is not None:
            terms.append(term)
    if not terms:
        return None
    number, ids = store.execute(
        "SELECT count(*), json_group_array(rowid) FROM"
        " (SELECT rowid FROM messages_fts WHERE messages_fts MATCH ? LIMIT ?)",
        [" AND ".join(terms), most + 1],
    ).fetchone()
    return (number, ids) if number <= most else None


def _match_short(store: Store, word: str, most: int) -> str | None:
    """Return a full-text query for messages with one or two characters; None if it matches too many."""
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
