"""The query plans of the statements that a function runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wa.store.database import Store


def plans(store: Store, act: Callable[[], Any]) -> dict[str, str]:
    """Return the queries and updates that `act` runs, each with its query plan."""
    ran: list[str] = []
    store.conn.set_trace_callback(ran.append)
    try:
        act()
    finally:
        store.conn.set_trace_callback(None)
    queries = [sql for sql in ran if sql.startswith(("SELECT", "UPDATE"))]
    return {sql: " | ".join(row[3] for row in store.execute(f"EXPLAIN QUERY PLAN {sql}")) for sql in queries}
