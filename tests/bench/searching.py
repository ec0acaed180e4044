"""Search beside the best of hand-written plans in SQL; figures beside a bare GROUP BY."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from zoneinfo import ZoneInfo

from bench import corpus
from bench.plans import LIMIT, Plans, Query
from bench.subjects import Subject, Worker, each
from bench.table import Goal, Row, at_most, compared
from bench.turns import Tell, in_turns
from wa.record import messages
from wa.record.figures import exchange
from wa.record.search import Filter, search
from wa.store.database import Store
from wa.store.fold import fold
from wa.store.paths import Home

REPEATS = 3
"""Times that each query is measured; its median counts."""
SECONDS = 25.0
"""Seconds after which no further query of a class is measured."""
P50, P95, FILTERED, FIGURES = at_most(1.2), at_most(2.0), at_most(1.5), at_most(3.0)
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
FILTER_WORDS = (
    corpus.RARE, corpus.MIDDLING, corpus.COMMON, corpus.COMMON_TWO, corpus.COMMON_CHINESE,
)  # fmt: skip
DAY = 86_400
_LATIN = re.compile("[a-z]{3,}")
_CHINESE = re.compile("[\u4e00-\u9fff]{2}")
_BY_MONTH = (
    "SELECT strftime('%Y-%m', timestamp, 'unixepoch', 'localtime'), is_from_me, status, count(*)"
    " FROM messages GROUP BY 1, 2, 3"
)

Class = tuple[str, Goal, list[Query]]


class Searching:
    """A store that is searched by our functions."""

    def __init__(self, path: str) -> None:
        self._store = Store(Home(Path(path)))

    def search(self, words: list[str], filters: dict[str, Any]) -> tuple[float, list[int]]:
        """Return the seconds of a search and the ids of its hits."""
        after = filters.get("after")
        narrowed = Filter(**{**filters, "after": messages.moment(after) if after else None})
        query = " ".join(words)
        began = time.perf_counter()
        found = search(self._store, query, narrowed, LIMIT)
        return time.perf_counter() - began, [row["id"] for row in found]

    def figures(self) -> float:
        """Return the seconds of the figures of all messages."""
        now, days = messages.moment(corpus.NEWEST), corpus.SPAN // DAY + 1
        began = time.perf_counter()
        exchange.figures(self._store, now, ZoneInfo("Europe/London"), days=days, by="month")
        return time.perf_counter() - began

    def close(self) -> None:
        """Close the store."""
        self._store.close()


def measure(subjects: list[Subject], queries: int, rounds: int, tell: Tell) -> list[Row]:
    """Return the rows of the table, for so many queries of each class."""
    home = subjects[0].home("big")
    workers: dict[str, Worker] = each(
        subjects, lambda one: Worker(one, "bench.searching:Searching", path=one.home("big").path)
    )
    plans = Plans(home)
    rows = []
    for what, goal, asked in _classes(plans, queries):
        tell(f"search: {what}")
        rows += _rows(f"search in {plans.count():,}: {what}", goal, _measured(workers, plans, asked))
    tell("figures")
    rows.append(_figures(workers, home, plans.count(), rounds))
    for worker in workers.values():
        worker.close()
    plans.close()
    return rows


def _classes(plans: Plans, count: int) -> Iterator[Class]:
    """Yield each class of queries: its name, its goal for the median, and its queries."""
    for what, word in WORDS:
        yield what, P50, [Query((word,))] * count
    texts = plans.texts("length(content) > 20", 40 * count)
    latin = [words for text in texts if len(words := _LATIN.findall(fold(text))) >= 2][:count]
    yield "a word of any message", P50, [Query((max(words, key=len),)) for words in latin]
    yield "two words of any message", P50, [Query(tuple(words[:2])) for words in latin]
    pairs = [found for text in texts if (found := _CHINESE.search(text))][:count]
    yield "two Chinese characters of any message", P50, [Query((pair.group(),)) for pair in pairs]
    chats = [{"chat": chat} for chat in plans.spread("chat_jid", count // 5)]
    people = [{"sender": one} for one in plans.spread("sender", count // 5)]
    kinds = [{"message_type": kind} for kind in ("text", "image", "voice", "system")]
    after = [{"after": corpus.NEWEST - days * DAY} for days in (2, 30, 365, 1_500)]
    yield "--chat", FILTERED, _filtered(chats)
    yield "--from", FILTERED, _filtered(people)
    yield "--type", FILTERED, _filtered(kinds)
    yield "--after", FILTERED, _filtered(after)
    yield "--chat --after", FILTERED, _filtered(_both(chats, after))[:: max(1, len(chats) // 2)]
    yield "--from --type", FILTERED, _filtered(_both(people, kinds))[:: max(1, len(people) // 2)]
    yield "--from --after", FILTERED, _filtered(_both(people, after))[:: max(1, len(people) // 2)]


def _both(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**a, **b} for a, b in product(one, other)]


def _filtered(filters: list[dict[str, Any]]) -> list[Query]:
    return [Query((word,), narrowed) for narrowed, word in product(filters, FILTER_WORDS)]


def _measured(workers: dict[str, Worker], plans: Plans, asked: list[Query]) -> dict[str, list[float]]:
    """Return the milliseconds of each query: of each checkout, and of the best plan, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in (*workers, "floor")}
    deadline = time.monotonic() + SECONDS
    best = {}
    for query in asked:
        key = (query.words, str(query.filters))
        if key not in best:
            best[key] = plans.best(query)
        plan, ids = best[key]
        args = {"words": query.words, "filters": query.filters}
        for name, worker in workers.items():
            if worker.do("search", **args)[1] != ids:
                raise RuntimeError(f"{name} answers {query} otherwise than plain SQL")
        cases: dict[str, Callable[[], float]] = {
            name: lambda worker=worker: worker.do("search", **args)[0]  # type: ignore[misc] # noqa: B023
            for name, worker in workers.items()
        }
        found = in_turns({**cases, "floor": lambda: _seconds(plan)}, REPEATS, warm=False)  # noqa: B023
        for name, values in found.items():
            taken[name].append(median(values) * 1000)
        if time.monotonic() > deadline:
            break
    return taken


def _rows(what: str, goal: Goal, taken: dict[str, list[float]]) -> list[Row]:
    """Return the rows of the median query and of a slow one."""
    count = f"{len(taken['floor'])} queries"
    slow = {name: [_p95(values)] for name, values in taken.items()}
    middle = {name: [median(values)] for name, values in taken.items()}
    each_query = compared(what, "ms", taken["ours"], taken["floor"])
    name = f"{what}, p50"
    row = compared(name, "ms", middle["ours"], middle["floor"], middle.get("beside"), goal, note=count)
    return [
        replace(row, spread=each_query.spread, rounds=each_query.rounds),
        compared(f"{what}, p95", "ms", slow["ours"], slow["floor"], slow.get("beside"), P95),
    ]


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[18] if len(values) > 1 else values[0]


def _figures(workers: dict[str, Worker], home: Home, count: int, rounds: int) -> Row:
    """Compare the figures of all messages with the counting alone."""
    conn = sqlite3.connect(home.store)
    cases: dict[str, Callable[[], float]] = {
        name: lambda worker=worker: 1000 * worker.do("figures")  # type: ignore[misc]
        for name, worker in workers.items()
    }
    taken = in_turns(
        {**cases, "floor": lambda: 1000 * _seconds(lambda: conn.execute(_BY_MONTH).fetchall())}, rounds
    )
    conn.close()
    what = f"wa stats of {count:,} messages, by month"
    return compared(what, "ms", taken["ours"], taken["floor"], taken.get("beside"), FIGURES)


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
