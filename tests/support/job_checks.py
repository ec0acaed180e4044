"""What must hold of a job at every commit, whatever happens to the processes that send it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any


def wrong_columns(db: sqlite3.Connection) -> list[str]:
    """Return how the columns of jobs differ from a count over their rows, at one commit."""
    found = []
    db.row_factory = sqlite3.Row
    db.execute("BEGIN")
    try:
        for job in db.execute("SELECT * FROM jobs").fetchall():
            rows = db.execute("SELECT * FROM scheduled_messages WHERE job_id = ?", [job["id"]]).fetchall()
            expected = _expected(job, rows)
            found += [
                f"{name} is {job[name]} and not {value}"
                for name, value in expected.items()
                if job[name] != value
            ]
    finally:
        db.execute("ROLLBACK")
    return found


def _expected(job: sqlite3.Row, rows: list[sqlite3.Row]) -> dict[str, Any]:
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
    if job["status"] in ("pending", "running", "completed", "failed") and len(opened) > 1:
        expected["open rows"] = 1
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
