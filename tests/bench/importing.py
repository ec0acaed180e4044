"""Importing other programs' files: the old tool's chats, an "Export chat", and an address book."""

from __future__ import annotations

import io
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from itertools import count, islice
from pathlib import Path
from typing import Any

import legacy_data

from bench import corpus, heavy
from bench.processes import in_pipe, peak_megabytes
from bench.subjects import Subject
from bench.table import Goal, Row, at_least, at_most, compared
from bench.turns import Tell, in_turns
from wa.connection.context import system_now
from wa.record.messages import PAD
from wa.store.fold import fold
from wa.store.paths import Home
from wa.times import to_iso

MIGRATED, EXPORTED, CARDS, PEAK = at_least(0.9), at_least(2.5, "change"), at_least(0.7), at_most(150, "ours")
ALONE = at_least(25_000, "ours")
"""Lines of an "Export chat" a second, where no other checkout is beside."""
THUMBNAIL = 1_000
"""Characters of the small picture that the old tool kept of a message."""
BATCH = 500
_MESSAGE = (
    "INSERT INTO messages (id, chat_jid, message_id, sender, content, timestamp, is_from_me, message_type,"
    " status, source, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'migration', ?)"
)
_TEXT = "INSERT INTO messages_fts (rowid, folded) VALUES (?, ?)"
_CHAT = (
    "INSERT INTO chats (id, is_group, last_message_time, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET last_message_time = max(last_message_time, excluded.last_message_time)"
)
_LINE = re.compile(r"\[(\d\d)/(\d\d)/(\d{4}), (\d\d):(\d\d):(\d\d)\] ([^:]+): (.*)")
OTHER = heavy.phone(3)

Rows = Iterable[tuple[Any, ...]]


def migrated(
    subjects: list[Subject], scratch: Path, size: int, peak: int, rounds: int, tell: Tell
) -> list[Row]:
    """Measure `migrate-s3` of a chats.json of `size` bytes in turns; its peak once, with `peak` bytes."""
    folder = scratch / "old-chats"
    folder.mkdir()
    path = folder / "chats.json"
    messages = legacy_data.write_chats_of_size(path, size, thumbnail=THUMBNAIL)
    tell(f"migrate-s3: {messages:,} messages")
    args = ("migrate-s3", "--from", str(folder))
    taken = _rates(subjects, args, lambda home: _by_hand(home, _old_rows(path)), messages, rounds)
    what = f"migrate-s3: {messages:,} messages, {size / 1e6:,.0f} MB"
    rows = [_compared(what, taken, MIGRATED)]
    tell("migrate-s3: memory")
    legacy_data.write_chats_of_size(path, peak, thumbnail=THUMBNAIL)
    found = {}
    for subject in subjects:
        home = _new(subject)
        found[subject.name] = [peak_megabytes((subject.wa, *args), home.path)]
    path.unlink()
    what = f"migrate-s3: {peak / 1e6:,.0f} MB, memory at the peak"
    return [*rows, compared(what, "MB", found["ours"], None, found.get("beside"), PEAK)]


def exported(subjects: list[Subject], scratch: Path, lines: int, rounds: int, tell: Tell) -> list[Row]:
    """Measure the import of an "Export chat" of `lines` lines, beside a pattern and executemany."""
    tell(f"Export chat: {lines:,} lines")
    path = scratch / "WhatsApp Chat with Reem.txt"
    texts = ((event.content or "…") for chunk in corpus.Corpus(lines).chunks(lines) for event in chunk)
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            at = datetime.fromtimestamp(corpus.NEWEST - corpus.SPAN // lines * (lines - number), timezone.utc)
            file.write(f"[{at:%d/%m/%Y, %H:%M:%S}] {'Me' if number % 5 < 2 else 'Reem'}: {text}\n")
    args = ("history", "import", str(path), "--chat", OTHER, "--me", "Me")
    taken = _rates(subjects, args, lambda home: _by_hand(home, _lines(path)), lines, rounds)
    path.unlink()
    goal = EXPORTED if "beside" in taken else ALONE
    return [_compared(f"Export chat: {lines:,} lines", taken, goal)]


def cards(subjects: list[Subject], scratch: Path, number: int, rounds: int, tell: Tell) -> list[Row]:
    """Measure the import of an address book, beside vobject's parser alone."""
    tell(f"vCards: {number:,}")
    path = scratch / "people.vcf"
    path.write_bytes("".join(map(_card, range(number))).encode())
    args = ("contacts", "import-vcf", str(path), "--region", "GB")
    taken = _rates(subjects, args, lambda _: _vobject(path), number, rounds)
    return [_compared(f"vCards: {number:,}, vobject's parser as floor", taken, CARDS)]


_made = count()


def _new(subject: Subject) -> Home:
    home = subject.home(f"import-{next(_made)}")
    subject.call("bench.homes:empty", path=home.path)
    return home


def _rates(
    subjects: list[Subject], args: tuple[str, ...], by_hand: Callable[[Home], float], size: int, rounds: int
) -> dict[str, list[float]]:
    """Return how much a second whole processes and the floor did, each time in a new home."""
    cases: dict[str, Callable[[], float]] = {"floor": lambda: size / by_hand(_new(subjects[0]))}
    for subject in subjects:
        cases[subject.name] = lambda one=subject: size / in_pipe((one.wa, *args), _new(one).path).seconds  # type: ignore[misc]
    return in_turns(cases, rounds)


def _compared(what: str, taken: dict[str, list[float]], goal: Goal) -> Row:
    return compared(what, "/s", taken["ours"], taken["floor"], taken.get("beside"), goal)


def _by_hand(home: Home, rows: Rows) -> float:
    """Return the seconds for the same rows with only the parser and sqlite3 at its default settings."""
    conn = sqlite3.connect(home.store, isolation_level=None)
    conn.execute("PRAGMA synchronous=NORMAL")
    at = to_iso(system_now())
    began = time.perf_counter()
    numbered = enumerate(rows, 1)
    while batch := [(number, *row, at) for number, row in islice(numbered, BATCH)]:
        newest: dict[str, int] = {}
        for row in batch:
            newest[row[1]] = max(newest.get(row[1], 0), row[5])
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany(_MESSAGE, batch)
        conn.executemany(_TEXT, [(row[0], fold(row[4]) + PAD) for row in batch if row[4]])
        conn.executemany(_CHAT, [(jid, jid.endswith("@g.us"), last, at, at) for jid, last in newest.items()])
        conn.execute("COMMIT")
    seconds = time.perf_counter() - began
    conn.close()
    return seconds


def _old_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a chats.json, from a parser that does not save memory."""
    import ijson

    number = 0
    with path.open("rb") as file:
        for chat, content in ijson.kvitems(file, ""):
            for message in content["messages"]:
                number += 1
                yield _old_row(number, chat, message)


def _old_row(number: int, chat: str, message: dict[str, Any]) -> tuple[Any, ...]:
    stamp = message["timestamp"]
    text = message.get("message", message.get("text"))
    mine = next(message[name] for name in ("isFromMe", "fromMe", "is_from_me") if name in message)
    raw = message.get("rawMessage")
    key = raw["key"] if raw else {"id": f"{number:032x}"}
    sender = "me" if mine else key.get("participant", chat)
    at = int(stamp["low"] if isinstance(stamp, dict) else stamp)
    status = "sent" if mine else "read"
    return chat, key["id"], sender, text, at, mine, message["messageType"], status


def _lines(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of an "Export chat" of which the form of the dates is known."""
    chat = f"{OTHER}@s.whatsapp.net"
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            found = _LINE.match(line)
            assert found
            day, month, year, hour, minute, second = map(int, found.groups()[:6])
            at = int(datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp())
            mine = found[7] == "Me"
            yield chat, f"{number:032x}", "me" if mine else chat, found[8], at, mine, "text", "read"


def _vobject(path: Path) -> float:
    """Return the seconds to parse the file, and no more, with vobject."""
    import vobject

    text = path.read_text(encoding="utf-8")
    began = time.perf_counter()
    for _ in vobject.readComponents(io.StringIO(text, newline="")):
        pass
    return time.perf_counter() - began


def _card(number: int) -> str:
    """Return a card as a phone exports it: a number reserved for fiction, and other usual fields."""
    person = legacy_data.names(legacy_data.CONTACTS)[number % legacy_data.CONTACTS]
    first, last = person.split(" ", 1)
    if number < 1_000:
        phone = f"07700 900{number:03}"
    else:
        phone = f"+1 {201 + (number - 1_000) // 100:03} 555 01{number % 100:02}"
    lines = [
        "BEGIN:VCARD",
        "VERSION:3.0",
        f"FN:{person} {number}",
        f"N:{last} {number};{first};;;",
        f"TEL;TYPE=CELL:{phone}",
        f"EMAIL;TYPE=INTERNET:person{number}@example.com",
    ]
    if number % 2:
        lines += [f"ORG:Example Ltd;Department {number % 40}", "CATEGORIES:friends,football"]
    if number % 5 == 0:
        lines.append(f"NOTE:Met at the harbour\\, with {first}\\nand asked\r\n  for the recipe of the soup")
    if number % 10 == 0:
        lines.append("ADR;TYPE=HOME:;;1 Example Street;Exampleton;;EX1 1MP;United Kingdom")
    return "\r\n".join([*lines, "END:VCARD", ""])
