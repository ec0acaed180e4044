"""Hand-written plans in SQL for one search, of which the fastest is the floor."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wa.record.messages import ROW
from wa.store.fold import fold
from wa.store.paths import Home

LIMIT = 50
_STEPS = 2_000
"""Instructions of SQLite between two looks at the clock."""
_ORDER = f"ORDER BY m.timestamp DESC, m.id DESC LIMIT {LIMIT}"
_TERMS = "SELECT term FROM messages_terms WHERE term >= ? AND term < ?"
_COLUMNS = {"chat": "chat_jid", "sender": "sender", "message_type": "message_type"}

Plan = Callable[[], list[int]]


@dataclass(frozen=True)
class Query:
    """A search: its words, and its filters: chat, sender, message_type, after (Unix seconds)."""

    words: tuple[str, ...]
    filters: dict[str, Any] = field(default_factory=dict)


class Plans:
    """The plans for searches in one store."""

    def __init__(self, home: Home) -> None:
        self._conn = sqlite3.connect(home.store, isolation_level=None)
        self._conn.create_function("fold", 1, fold, deterministic=True)

    def best(self, query: Query) -> tuple[Plan, list[int]]:
        """Return the fastest plan and its answer. A plan that is slower than another is given up."""
        best, found, least = None, list[int](), float("inf")
        plans = (self._by_index(query), self._by_filter(query), self._by_time(query))
        for plan in (*plans, *plans):  # the first time warms the caches
            began = time.perf_counter()
            deadline = began + 2 * least
            self._conn.set_progress_handler(lambda end=deadline: time.perf_counter() > end, _STEPS)
            try:
                ids = plan()
            except sqlite3.OperationalError as error:
                if "interrupted" not in str(error):
                    raise
                continue
            finally:
                self._conn.set_progress_handler(None, 0)
            if (took := time.perf_counter() - began) < least:
                best, found, least = plan, ids, took
        assert best is not None
        return best, found

    def _by_time(self, query: Query) -> Plan:
        """Read all messages, the newest first, until there are enough: for a common word."""
        where, params = _conditions(query, column="+m.{}")
        return self._plan(f"SELECT {ROW} FROM messages m WHERE {where} {_ORDER}", params)

    def _by_filter(self, query: Query) -> Plan:
        """Read the messages that the filters leave, by whatever index SQLite chooses: for a small chat."""
        where, params = _conditions(query, column="m.{}")
        return self._plan(f"SELECT {ROW} FROM messages m WHERE {where} {_ORDER}", params)

    def _by_index(self, query: Query) -> Plan:
        """Ask the full-text index for all hits: for a rare word."""
        where, params = _conditions(query, column="m.{}", alias="h")
        sql = (
            f"SELECT {ROW} FROM messages m WHERE m.id IN (SELECT h.id FROM messages_fts f"
            f" CROSS JOIN messages h ON h.id = f.rowid WHERE messages_fts MATCH :match AND {where}"
            f" {_ORDER.replace('m.', 'h.')}) ORDER BY m.timestamp DESC, m.id DESC"
        )
        return self._plan(sql, params, query.words)

    def _plan(self, sql: str, params: dict[str, Any], words: tuple[str, ...] = ()) -> Plan:
        def run() -> list[int]:
            match = {"match": " AND ".join(map(self._match, words))} if words else {}
            return [row[0] for row in self._conn.execute(sql, {**params, **match}).fetchall()]

        return run

    def _match(self, word: str) -> str:
        """Return the query of the full-text index for a word of any length."""
        if len(word) >= 3:
            terms, join = sorted({word[i : i + 3] for i in range(len(word) - 2)}), " AND "
        else:
            found = self._conn.execute(_TERMS, [word, word + "\U0010ffff"])
            terms, join = [term for (term,) in found] or ["   "], " OR "
        return "(" + join.join('"' + term.replace('"', '""') + '"' for term in terms) + ")"

    def texts(self, chosen: str, count: int) -> list[str]:
        """Return texts of messages spread over the store that fit an SQL condition."""
        sql = f"SELECT content FROM messages WHERE {chosen} ORDER BY id * 7919 % 10007, id LIMIT ?"
        return [text for (text,) in self._conn.execute(sql, [count])]

    def spread(self, column: str, count: int) -> list[str]:
        """Return values of a column, from that with the most messages to one with few."""
        sql = f"SELECT {column} FROM messages GROUP BY 1 ORDER BY count(*) DESC"
        values = [value for (value,) in self._conn.execute(sql)]
        step = max(1, (len(values) - 1) // max(1, count - 1))
        return values[::step][:count]

    def count(self) -> int:
        """Return the number of messages."""
        return int(self._conn.execute("SELECT count(*) FROM messages").fetchone()[0])

    def close(self) -> None:
        """Close the connection."""
        self._conn.close()


def _conditions(query: Query, column: str, alias: str = "m") -> tuple[str, dict[str, Any]]:
    """Return the WHERE of a search; `column` may keep SQLite from an index on a filter's column."""
    parts, params = [], dict[str, Any]()
    for name, value in query.filters.items():
        if name == "after":
            parts.append(f"{alias}.timestamp >= :after")
        else:
            parts.append(f"{column.format(_COLUMNS[name]).replace('m.', alias + '.')} = :{name}")
        params[name] = value
    for number, word in enumerate(query.words):
        parts.append(f"instr(fold({alias}.content), :w{number})")
        params[f"w{number}"] = word
    return " AND ".join(parts), params
