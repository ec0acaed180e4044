"""Finding messages: any part of any word, in any script, whatever the case or accents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wa.errors import WaError
from wa.messages import PAD, ROW, span
from wa.store import Row, Store, fold

SCAN = 5_000
"""How many of the newest messages a search looks through before it asks the index."""
CANDIDATES = 20_000
"""Hits up to which the index's answer is sorted; of more, the newest are found sooner by looking."""


@dataclass(frozen=True)
class Filter:
    """What a search is narrowed to."""

    chat: str | None = None
    sender: str | None = None
    before: datetime | None = None
    after: datetime | None = None
    message_type: str | None = None


def search(store: Store, query: str, narrowed: Filter, limit: int) -> list[Row]:
    """Messages that contain every word of `query`, newest first, each with a `snippet`.

    The newest are looked through first: that alone finds a common word. The
    index has the rare ones. What is common, but not among the newest, is
    again found soonest by looking.
    """
    words = sorted({fold(word) for word in query.split()} - {""}, key=len, reverse=True)
    if not words:
        raise WaError("usage", "there is nothing to search for", "give a word, or a part of one")
    where, params = _filters(narrowed)
    params.update({f"w{i}": word for i, word in enumerate(words)}, limit=limit)
    hit = " AND ".join(f"instr(fold(m.content), :w{i})" for i in range(len(words)))
    newest = "ORDER BY m.timestamp DESC, m.id DESC"
    found = store.rows(
        f"SELECT {ROW} FROM (SELECT * FROM messages m WHERE true{where} {newest} LIMIT {SCAN}) m"
        f" WHERE {hit} {newest} LIMIT :limit",
        params,
    )
    if len(found) < limit:
        found = _search_index(store, words, f"{where} AND {hit} {newest} LIMIT :limit", params)
    for row in found:
        row["snippet"] = snippet(row["content"], words)
    return found


def _search_index(store: Store, words: Sequence[str], rest: str, params: dict[str, Any]) -> list[Row]:
    params["match"] = " AND ".join(_match(store, word) for word in words)
    candidates = f"SELECT rowid FROM messages_fts WHERE messages_fts MATCH :match LIMIT {CANDIDATES + 1}"
    if store.value(f"SELECT count(*) FROM ({candidates})", params) <= CANDIDATES:
        return store.rows(f"SELECT {ROW} FROM messages m WHERE m.id IN ({candidates}){rest}", params)
    return store.rows(f"SELECT {ROW} FROM messages m WHERE true{rest}", params)


def _match(store: Store, word: str) -> str:
    """A full-text query that no message with this word escapes."""
    if len(word) >= 3:
        terms = sorted({word[i : i + 3] for i in range(len(word) - 2)})
        return " AND ".join(map(_quoted, terms))
    like = store.execute(
        "SELECT term FROM messages_terms WHERE term >= ? AND term < ?", [word, word + chr(0x10FFFF)]
    )
    return "(" + (" OR ".join(_quoted(term) for (term,) in like) or _quoted((word + PAD)[:3])) + ")"


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'


def _filters(narrowed: Filter) -> tuple[str, dict[str, Any]]:
    where, params = span(narrowed.before, narrowed.after)
    for name, condition in (
        ("chat", "m.chat_jid = :chat"),
        ("sender", "(m.sender = :sender OR m.sender IN (SELECT lid FROM jid_aliases WHERE pn = :sender))"),
        ("message_type", "m.message_type = :message_type"),
    ):
        if (value := getattr(narrowed, name)) is not None:
            where += f" AND {condition}"
            params[name] = value
    return where, params


def snippet(text: str, words: Sequence[str], width: int = 70) -> str:
    """The part of `text` around the first of the folded `words`, on one line."""
    flat = " ".join(text.split())
    start = next((i for i in _positions(flat, words)), 0)
    left = max(0, min(start - width // 3, len(flat) - width))
    part = flat[left : left + width]
    return ("…" if left else "") + part + ("…" if left + width < len(flat) else "")


def _positions(text: str, words: Sequence[str]) -> Iterator[int]:
    """Where in `text` (not in its folded form, which may be longer or shorter) a word begins."""
    folded, origin = "", []
    for i, char in enumerate(text):
        part = fold(char)
        folded += part
        origin.extend([i] * len(part))
    for word in words:
        at = folded.find(word)
        if at >= 0:
            yield origin[at]
