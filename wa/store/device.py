"""The linked account: the one row of the table `device`, which this module alone writes."""

from __future__ import annotations

from datetime import datetime

from wa.store.database import Row, Store
from wa.store.rewrites import Restore, carry_over
from wa.times import to_iso


def linked_account(store: Store) -> Row | None:
    """Return jid, lid and push_name of the linked account; None when no account is linked."""
    return store.row("SELECT jid, lid, push_name FROM device WHERE id = 1 AND linked_at IS NOT NULL")


def last_account(store: Store) -> Row | None:
    """Return jid, lid and push_name of the account linked now or last; None before the first linking."""
    return store.row("SELECT jid, lid, push_name FROM device WHERE id = 1")


def own_jid(store: Store) -> str | None:
    """Return the JID of the account linked now or last; None before the first linking."""
    return (last_account(store) or {}).get("jid")


def own_jids(store: Store) -> set[str]:
    """Return all addresses of the account linked now or last; none before the first linking."""
    account = last_account(store) or {}
    return {account[each] for each in ("jid", "lid") if account.get(each)}


def keep_account(store: Store, jid: str, lid: str | None, push_name: str | None, now: datetime) -> None:
    """Store the account that connected just now; the caller holds the transaction."""
    store.execute(
        "INSERT INTO device VALUES (1, :jid, :lid, :name, :at, :at) ON CONFLICT (id) DO UPDATE SET"
        " jid = :jid, lid = :lid, push_name = coalesce(:name, push_name), last_connected = :at,"
        " linked_at = coalesce(linked_at, :at)",
        {"jid": jid, "lid": lid, "name": push_name, "at": to_iso(now)},
    )


def rename_account(store: Store, jid: str, push_name: str) -> None:
    """Store the push name of an account, if the account is ours; the caller holds the transaction."""
    store.execute("UPDATE device SET push_name = ? WHERE jid = ?", [push_name, jid])


def forget_account(store: Store) -> None:
    """Note that no account is linked any more; the caller holds the transaction."""
    store.execute("UPDATE device SET linked_at = NULL")


@carry_over.part
def _stay_linked(restore: Restore) -> None:
    """Keep the account that is linked here. The backup's account is not linked: its keys are not here."""
    is_linked = f"SELECT 1 FROM {restore.known}.device WHERE linked_at IS NOT NULL"
    if restore.db.execute(is_linked).fetchone():
        restore.take_over("device")
    else:
        restore.db.execute("UPDATE main.device SET linked_at = NULL")
