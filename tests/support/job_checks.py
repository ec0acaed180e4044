"""What must hold of a job at every commit, whatever happens to the processes that send it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from wa.queue import outcomes, send
from wa.queue.jobs import table
from wa.queue.send import Scope
from wa.settings import parse_settings
from wa.whatsapp.transport import Accepted, Evidence, SendError


def wrong_columns(db: sqlite3.Connection) -> list[str]:
    """Return how the columns of jobs differ from a count over their rows, at one commit."""
    found = []
    db.execute("BEGIN")
    try:
        for job in _dicts(db, "SELECT * FROM jobs", []):
            rows = _dicts(db, "SELECT * FROM scheduled_messages WHERE job_id = ?", [job["id"]])
            expected = _expected(job, rows)
            in_line = [row for row in rows if row["status"] in ("pending", "sending") and not row["job_turn"]]
            if len(in_line) > 1:
                found.append("more than one row is open")
            found += [
                f"{name} is {job[name]} and not {value}"
                for name, value in expected.items()
                if job[name] != value
            ]
    finally:
        db.execute("ROLLBACK")
    return found


def _dicts(db: sqlite3.Connection, sql: str, params: list[Any]) -> list[dict[str, Any]]:
    cursor = db.execute(sql, params)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor]


def _expected(job: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    size, people = len(json.loads(job["message_parts"])), len(json.loads(job["recipients"]))
    statuses: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        statuses[row["recipient_index"]].append(row["status"])
    expected: dict[str, Any] = {
        "recipients_sent": sum(each == ["sent"] * size for each in statuses.values()),
        "recipients_failed": sum(bool({"failed", "missed"} & set(each)) for each in statuses.values()),
    }
    opened = [row for row in rows if row["status"] in ("pending", "sending") and row["job_turn"] is None]
    if opened and job["status"] != "cancelled":
        first = min(opened, key=lambda row: int(row["recipient_index"]))
        expected["current_recipient_index"] = first["recipient_index"]
        expected["current_part_index"] = first["part_index"]
    if job["status"] in ("completed", "failed"):
        expected |= {"current_recipient_index": people, "current_part_index": 0}
    return expected


class Reader(threading.Thread):
    """A thread that reads one commit after the other, and keeps what is wrong."""

    def __init__(self, store: Path) -> None:
        super().__init__(daemon=True)
        self._store, self._ending = store, threading.Event()
        self.wrong: list[str] = []
        self.commits = 0

    def run(self) -> None:
        """Read until `end`."""
        db = sqlite3.connect(f"{self._store.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30)
        seen = -1
        while not self._ending.wait(0.001):
            if (version := db.execute("PRAGMA data_version").fetchone()[0]) != seen:
                seen, self.commits = version, self.commits + 1
                self.wrong += wrong_columns(db)
        db.close()

    def end(self) -> None:
        """Stop, and fail if a commit was wrong."""
        self._ending.set()
        self.join()
        assert not self.wrong, self.wrong[:5]
        assert self.commits


def parts_received(delivered: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the texts that each address got, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in delivered:
        found[row["to_jid"]].append(row["content"])
    return found


# ── Sending in this process ──


def settings(**given):
    values = {"WA_TRANSPORT": "loopback", "WA_TZ": "Europe/London", "WA_SEND_SPACING": "0", **given}
    return parse_settings(values, lambda: "UTC")


PLAIN = settings()


def answer(store, claim, clock, result=None, evidence=None):
    """End an attempt with a result of the server; without one, it accepts the message."""
    if type(result) is SendError:  # it left, and was not acknowledged
        send.mark_wire(store, f"3EB0{claim.id}", claim.message.to_jid, clock.at)
    result = result or Accepted(f"3EB0{claim.id}", int(clock.at.timestamp()))
    return outcomes.settle(store, claim.id, result, lambda *_: evidence, clock.at)


def claim(store, clock, how=PLAIN):
    return send.claim(store, clock.at, how, Scope.ALL)


def run(store, clock, how=PLAIN, results=(), hours=48):
    """Send what goes out in the next hours; return (seconds from the start, number, text) of each message."""
    start, sent, results = clock.at, [], iter(results)
    while clock.at < start + timedelta(hours=hours):
        taken = claim(store, clock, how)
        if taken:
            sent.append((int((clock.at - start).total_seconds()), taken.message.to_jid, taken.message.text))
            result = next(results, None)
            answer(store, taken, clock, result, Evidence(sent=None, message_id=f"3EB0{taken.id}"))
            assert_cursor(store)
            continue
        seconds = send.seconds_to_next(store, clock.at, how, Scope.ALL)
        if seconds is None:
            break
        clock.advance(seconds=max(seconds, 0.001))
    return sent


def assert_cursor(store):
    """Check that the columns of each job are what a count over its rows yields."""
    wrong = wrong_columns(store.conn)
    assert not wrong, wrong


def rows(store):
    """Return recipient, part and status of each row, in order."""
    return [
        tuple(row.values())
        for row in store.rows(
            "SELECT recipient_index AS r, part_index AS p, status FROM scheduled_messages ORDER BY r, p"
        )
    ]


def job_row(store, job_id):
    return table.head(store, job_id)
