"""What the queue still needs of the record: messages that may not be pruned, files that stay."""

from __future__ import annotations

from collections.abc import Sequence

from wa.queue.jobs.table import UNFINISHED
from wa.store.database import Row, Store
from wa.store.rewrites import file_needed, still_needed

_OPEN = "status NOT IN ('sent', 'cancelled')"
"""SQL for rows that may still go out: of those that failed or were missed, the user may retry any."""


@still_needed.part
def _keep_messages(store: Store, rows: Sequence[Row], needed: set[int]) -> None:
    """Keep messages of ours that may have been sent, and messages that are answered by one that waits."""
    sql = (
        "SELECT 1 FROM scheduled_messages INDEXED BY queue_by_message"
        " WHERE message_id = :message_id AND status IN ('sending', 'unknown')"
        " UNION ALL SELECT 1 FROM scheduled_messages INDEXED BY queue_quoted"
        f" WHERE quoted_id = :message_id AND {_OPEN} LIMIT 1"
    )
    needed.update(
        row["id"] for row in rows if store.value(sql, {"message_id": row["message_id"]}) is not None
    )


@file_needed.part
def _keep_file(store: Store, path: str, needed: set[str]) -> None:
    marks = ", ".join(f"'{status}'" for status in UNFINISHED)
    sql = (
        "SELECT 1 FROM scheduled_messages INDEXED BY queue_media"
        f" WHERE media_path = :path AND {_OPEN}"
        " UNION ALL SELECT 1 FROM series WHERE media_path = :path AND status != 'ended'"
        f" UNION ALL SELECT 1 FROM jobs WHERE status IN ({marks}) AND instr(message_parts, :path) LIMIT 1"
    )
    if store.value(sql, {"path": path}) is not None:
        needed.add(path)
