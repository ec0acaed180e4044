"""Search beside hand-written SQL that knows how common the word is; figures beside a bare GROUP BY."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from bench import corpus
from bench.table import Row, at_most
from wa.record import messages
from wa.record.figures import exchange
from wa.record.messages import ROW
from wa.record.search import Filter, search
from wa.store.database import Store
from wa.store.fold import fold
from wa.store.paths import Home

LIMIT = 50
GOAL = 1.5
SECONDS = 6.0
"""Seconds for which one word may be measured."""

WORDS = (
    ("a rare word", corpus.RARE),
    ("a middling word", corpus.MIDDLING),
    ("a common word", corpus.COMMON),
    ("two characters, rare", corpus.RARE_TWO),
    ("two characters, common", corpus.COMMON_TWO),
    ("two Chinese characters, rare", corpus.RARE_CHINESE),
    ("two Chinese characters, common", corpus.COMMON_CHINESE),
    ("a word that nobody wrote", "zzyzx"),
)

_NEWEST = (
    f"SELECT {ROW} FROM messages m WHERE instr(fold(m.content), :word)"
    f" ORDER BY m.timestamp DESC, m.id DESC LIMIT {LIMIT}"
)
_INDEX = (
    f"SELECT {ROW} FROM messages m WHERE m.id IN (SELECT h.id FROM messages_fts f"
    " CROSS JOIN messages h ON h.id = f.rowid"
    " WHERE messages_fts MATCH :match AND instr(fold(h.content), :word)"
    f" ORDER BY h.timestamp DESC, h.id DESC LIMIT {LIMIT}) ORDER BY m.timestamp DESC, m.id DESC"
)
_TERMS = "SELECT term FROM messages_terms WHERE term >= ? AND term < ?"

_BY_MONTH = (
    "SELECT strftime('%Y-%m', timestamp, 'unixepoch', 'localtime'), is_from_me, status, count(*)"
    " FROM messages GROUP BY 1, 2, 3"
)
ROUNDS = 5
FIGURES_GOAL = 3.0

Query = Callable[[], list[Any]]


def by_newest(conn: sqlite3.Connection, word: str) -> Query:
    """Search the newest messages until there are enough hits: right for a common word."""
    return lambda: conn.execute(_NEWEST, {"word": word}).fetchall()


def by_index(conn: sqlite3.Connection, word: str) -> Query:
    """Ask the index for all hits: right for a rare word."""

    def run() -> list[Any]:
        if len(word) >= 3:
            terms, join = [word[i : i + 3] for i in range(len(word) - 2)], " AND "
        else:
            terms = [term for (term,) in conn.execute(_TERMS, [word, word + "\U0010ffff"])]
            join = " OR "
        match = join.join('"' + term.replace('"', '""') + '"' for term in terms)
        return conn.execute(_INDEX, {"word": word, "match": match or '"   "'}).fetchall()

    return run


def measure(home: Home, runs: int, tell: Callable[[str], None]) -> list[Row]:
    """Return the rows of the table."""
    store = Store(home)
    conn = sqlite3.connect(home.store, isolation_level=None)
    conn.create_function("fold", 1, fold, deterministic=True)
    count = store.value("SELECT count(*) FROM messages")
    rows = []
    for what, word in WORDS:
        tell(f"search: {what}")
        floors = (by_newest(conn, word), by_index(conn, word))
        ours, floor = _compare(lambda word=word: search(store, word, Filter(), LIMIT), floors, runs)  # type: ignore[misc]
        rows.append(at_most(f"search in {count:,}: {what}, p50", ours * 1000, floor * 1000, GOAL))
    tell("figures")
    rows.append(_figures(store, conn, count))
    conn.close()
    store.close()
    return rows


def _figures(store: Store, conn: sqlite3.Connection, count: int) -> Row:
    """Compare the figures of all messages with the counting alone."""
    zone, now = ZoneInfo("Europe/London"), messages.moment(corpus.NEWEST)
    days = corpus.SPAN // 86_400 + 1
    pairs = [
        (
            _seconds(lambda: [exchange.figures(store, now, zone, days=days, by="month")]),
            _seconds(lambda: conn.execute(_BY_MONTH).fetchall()),
        )
        for _ in range(ROUNDS)
    ]
    ours, floor = (median(each) * 1000 for each in zip(*pairs, strict=True))
    return at_most(f"wa stats of {count:,} messages, by month", ours, floor, FIGURES_GOAL)


def _compare(ours: Query, floors: tuple[Query, Query], runs: int) -> tuple[float, float]:
    """Return the median seconds of ours and of the quicker of the two others, measured in turns."""
    floor = min(floors, key=_seconds)
    if [row["id"] for row in ours()] != [row[0] for row in floor()]:
        raise RuntimeError("the two answers differ")
    deadline = time.monotonic() + SECONDS
    pairs = [(_seconds(ours), _seconds(floor))]
    while len(pairs) < runs and time.monotonic() < deadline:
        pairs.append((_seconds(ours), _seconds(floor)))
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def _seconds(query: Query) -> float:
    began = time.perf_counter()
    query()
    return time.perf_counter() - began
