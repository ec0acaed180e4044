"""Messages and series of a contact that is changed or merged.

A message goes to the number that it was made for. When that is no longer a number of the contact, it is held.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from wa.people import contacts
from wa.queue import rows
from wa.queue.series import queued, table
from wa.settings import end_of_grace
from wa.store.database import Row, Store
from wa.store.rewrites import contact_changed, contact_removed, merge_contacts
from wa.times import from_iso, load_zone, resolve_wall, to_iso


@contact_changed.part
def _follow_contact(store: Store, number: int, lost: Collection[str], now: datetime) -> None:
    """Hold what is for a number that the contact has lost just now: what was released since stays so."""
    contact = contacts.get(store, number)
    for series in table.of_contact(store, number):
        if contact["timezone"] and series["zone_of_contact"]:
            table.update(store, series["id"], now, timezone=contact["timezone"])
        if series["to_phone"] in lost and series["status"] == "active":
            table.update(store, series["id"], now, status="held")
    for row in queued.open_of_contact(store, number):
        if row["to_phone"] in lost and row["status"] == "pending":
            why = f"+{row['to_phone']} is no longer a number of {contact['name']}"
            changes = {"status": "held", "error_code": "renumbered", "error_message": why, "not_before": None}
            rows.update(store, row["id"], now, **changes)
        if contact["timezone"] and row["zone_of_contact"] and row["local_at"]:
            rows.update(store, row["id"], now, **_in_zone(row, contact["timezone"]))


def _in_zone(row: Row, name: str) -> Row:
    """Return the changes that move a row to the same wall-clock time in another zone."""
    due = resolve_wall(datetime.fromisoformat(row["local_at"]), load_zone(name))
    grace = from_iso(row["expires_at"]) - from_iso(row["scheduled_at"]) if row["expires_at"] else timedelta()
    return {"timezone": name, "scheduled_at": to_iso(due), "expires_at": to_iso(end_of_grace(due, grace))}


@merge_contacts.part
def _merge_messages(store: Store, gone: int, kept: int) -> None:
    """Give what is for the contact that goes to the one that stays."""
    rows.set_contact(store, gone, kept)
    table.set_contact(store, gone, kept)


@contact_removed.part
def _keep_messages(store: Store, number: int) -> None:
    """Leave what is for the contact to its number."""
    rows.set_contact(store, number, None)
    table.set_contact(store, number, None)
