"""The status of a home, as data for `wa status`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wa.backup import history as backup
from wa.connection import spool
from wa.connection.context import Context
from wa.queue import pacing
from wa.queue import rows as queue
from wa.record import messages
from wa.store.database import Row
from wa.store.device import linked_account
from wa.store.locks import lock_holder
from wa.times import to_iso


@dataclass(frozen=True)
class Status:
    """The status of a home. `values` is the output of `--json`; the rest is for people.

    `backup_at` is the moment of the last good backup, `waiting` the number of backups
    that wait for upload, `trouble` the error of the last run of the backup, and `stuck`
    the reasons why events cannot be recorded.
    """

    values: dict[str, Any]
    backup_at: datetime | None
    waiting: int
    trouble: str | None
    stuck: list[str]


def status_of(context: Context) -> Status:
    """Return the account, the owner of the connection, the queue, and the last message and backup."""
    store = context.store
    holder = lock_holder(context.home.session_lock)
    block = pacing.blocked(store, context.now(), context.settings)
    newest = messages.newest_time(store)
    saved = backup.describe(store)
    values = {
        "account": _account(context),
        "owner": None if holder is None else {key: holder.get(key) for key in ("pid", "command", "since")},
        "sending": pacing.word(block),
        "sending_note": block.text if block and block.reason != "spacing" else None,
        "queue": queue.counts(store),
        "spool": spool.count(store),
        "last_message_at": to_iso(messages.moment(newest)) if newest is not None else None,
        "last_backup_at": to_iso(saved["last_at"]) if saved["last_at"] else None,
    }
    return Status(values, saved["last_at"], saved["waiting"], saved["trouble"], spool.stuck(store))


def _account(context: Context) -> Row | None:
    linked = linked_account(context.store)
    if linked is None and context.settings.transport == "loopback":
        account = context.transport.account()
        if account is not None:
            return {"jid": account.jid, "lid": account.lid, "push_name": account.push_name}
    return linked
