"""Importing other programs' files: the old tool's chats, and address books."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import legacy_data

from bench.processes import WA, environment, seconds_of
from bench.table import Row, show
from wa.connection.context import system_now
from wa.record.messages import PAD
from wa.store.database import BATCH
from wa.store.fold import fold
from wa.store.open import open_store
from wa.store.paths import Home
from wa.times import to_iso

GOAL_MB = 150.0
THUMBNAIL = 1_000
"""Characters of the small picture that the old tool kept of a message."""
CALLER = """
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), time.perf_counter() - began, used.ru_maxrss)
"""
"""A program that runs a command and prints its exit code, seconds and peak memory. It is a small process,
because a child begins with the peak of its parent."""

_MESSAGE = (
    "INSERT INTO messages (id, chat_jid, message_id, sender, content, timestamp, is_from_me, message_type,"
    " status, source, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'migration', ?)"
)
_TEXT = "INSERT INTO messages_fts (rowid, folded) VALUES (?, ?)"
_CHAT = (
    "INSERT INTO chats (id, is_group, last_message_time, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET last_message_time = max(last_message_time, excluded.last_message_time)"
)


def measure(scratch: Path, size: int, cards: int, tell: Callable[[str], None]) -> list[Row]:
    """Return the rows of the table, for a chats.json of that many bytes and so many vCards."""
    return [*_chats(scratch, size, tell), _cards(scratch, cards, tell)]


# ── chats.json ────────────────────────────────────────────────────────────────────────────────────


def _chats(scratch: Path, size: int, tell: Callable[[str], None]) -> list[Row]:
    folder = scratch / "old-chats"
    folder.mkdir()
    tell(f"importing: writing a chats.json of {size / 1e6:,.0f} MB")
    count = legacy_data.write_chats_of_size(folder / "chats.json", size, thumbnail=THUMBNAIL)
    tell("importing: migrate-s3")
    seconds, megabytes = _run(_home(scratch / "migrated"), "migrate-s3", "--from", str(folder))
    tell("importing: the same rows by hand")
    least = _by_hand(_home(scratch / "by-hand"), folder / "chats.json")
    (folder / "chats.json").unlink()
    what = f"importing: migrate-s3, {size / 1e6:,.0f} MB"
    rate, floor = count / seconds, count / least
    return [
        Row(f"{what}, peak RSS", show(megabytes, "MB"), goal=f"< {GOAL_MB:g} MB", met=megabytes < GOAL_MB),
        Row(f"{what}, messages", f"{rate:,.0f} /s", f"{floor:,.0f} /s", f"{rate / floor:.2f}"),
    ]


def _home(path: Path) -> Home:
    """Make a home with a store."""
    home = Home(path)
    home.prepare()
    open_store(home).close()
    return home


def _run(home: Home, *args: str) -> tuple[float, float]:
    """Return the seconds and the peak MB of a whole `wa` process."""
    done = subprocess.run(
        [sys.executable, "-c", CALLER, WA, *args],
        env=environment(home.path),
        cwd=home.path,
        check=True,
        capture_output=True,
        text=True,
    )
    code, seconds, peak = done.stdout.split()
    if code != "0":
        raise RuntimeError(f"wa {args[0]} ended with {code}: {done.stderr[-500:]}")
    return float(seconds), int(peak) / (2**20 if sys.platform == "darwin" else 2**10)


def _by_hand(home: Home, path: Path) -> float:
    """Return the seconds for the same rows with only the parser and sqlite3."""
    conn = sqlite3.connect(home.store, isolation_level=None)
    conn.execute("PRAGMA synchronous=NORMAL")
    at = to_iso(system_now())
    began = time.perf_counter()
    numbered = enumerate(_messages(path), 1)
    while batch := list(islice(numbered, BATCH)):
        rows = [_row(number, chat, message, at) for number, (chat, message) in batch]
        newest: dict[str, int] = {}
        for row in rows:
            newest[row[1]] = max(newest.get(row[1], 0), row[5])
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany(_MESSAGE, rows)
        conn.executemany(_TEXT, [(row[0], fold(row[4]) + PAD) for row in rows if row[4]])
        conn.executemany(_CHAT, [(jid, jid.endswith("@g.us"), last, at, at) for jid, last in newest.items()])
        conn.execute("COMMIT")
    seconds = time.perf_counter() - began
    conn.close()
    return seconds


def _messages(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each message with its chat from a parser that does not save memory."""
    import ijson

    with path.open("rb") as file:
        for chat, content in ijson.kvitems(file, ""):
            for message in content["messages"]:
                yield chat, message


def _row(number: int, chat: str, message: dict[str, Any], at: str) -> tuple[Any, ...]:
    stamp = message["timestamp"]
    text = message.get("message", message.get("text"))
    mine = next(message[name] for name in ("isFromMe", "fromMe", "is_from_me") if name in message)
    raw = message.get("rawMessage")
    key = raw["key"] if raw else {"id": f"{number:032x}"}
    return (
        number,
        chat,
        key["id"],
        "me" if mine else key.get("participant", chat),
        text,
        int(stamp["low"] if isinstance(stamp, dict) else stamp),
        mine,
        message["messageType"],
        "sent" if mine else "read",
        at,
    )


# ── vCards ────────────────────────────────────────────────────────────────────────────────────────


def _cards(scratch: Path, count: int, tell: Callable[[str], None]) -> Row:
    tell(f"importing: {count:,} vCards")
    path = scratch / "people.vcf"
    path.write_bytes("".join(map(_card, range(count))).encode())
    home = _home(scratch / "people")
    seconds = seconds_of([WA, "contacts", "import-vcf", str(path), "--region", "GB"], home.path)
    stored = sqlite3.connect(home.store).execute("SELECT count(*) FROM contacts").fetchone()[0]
    if stored != count:
        raise RuntimeError(f"of {count} people {stored} are there")
    rate, floor = count / seconds, count / _vobject(path)
    what = f"importing: {count:,} vCards, vobject's parser as floor"
    return Row(what, f"{rate:,.0f} /s", f"{floor:,.0f} /s", f"{rate / floor:.2f}")


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
