"""The members of groups: the table `group_members`, which this module alone writes.

Functions that write join the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from wa.errors import WaError
from wa.record import chats
from wa.record.names import canonical, shown_as
from wa.store.database import Store
from wa.store.device import own_jids

_CHANGES = "group_changes"
"""The key in the table `state` of what `changes` returns."""


def role(store: Store, group: str, member: str) -> str | None:
    """Return the role of a member of a group, None for somebody who is no member as far as is known."""
    sql = "SELECT role FROM group_members WHERE chat_jid = ? AND member_jid = ?"
    found: str | None = store.value(sql, [group, member])
    return found


def changes(store: Store) -> int:
    """Return a number that grows with each change of the members of a group."""
    return int(store.state().get(_CHANGES, 0))


def _count_change(store: Store) -> None:
    store.set_state(_CHANGES, changes(store) + 1)


def check_in(store: Store, group: str) -> None:
    """Raise WaError `wrong-state` for a group that we have left, or were removed from, as far as is known."""
    if chats.has_left(store, group):
        raise WaError(
            "wrong-state",
            f"you are no longer in the group {shown_as(store, group)}",
            "`wa groups --refresh` asks WhatsApp how it is now",
        )


def replace(store: Store, group: str, members: Iterable[tuple[str, str]], now: datetime) -> bool:
    """Replace the members of a group, given as (JID, role). Return whether others are members now.

    Those who were not in the list before joined at some time up to now; unless there was no list.
    """
    sql = "SELECT member_jid, since FROM group_members WHERE chat_jid = ?"
    before = {row["member_jid"]: row["since"] for row in store.rows(sql, [group])}
    joined = int(now.timestamp()) if before else None
    store.execute("DELETE FROM group_members WHERE chat_jid = ?", [group])
    after = {canonical(store, member): role for member, role in members}
    for member, role in after.items():
        since = before.get(member, joined)
        store.insert("group_members", {"chat_jid": group, "member_jid": member, "role": role, "since": since})
    if after and (me := own_jids(store)):
        chats.note_left(store, group, now, is_in=not me.isdisjoint(after))
    is_changed = set(before) != set(after)
    if is_changed:
        _count_change(store)
    return is_changed


def _set_role(store: Store, group: str, member: str, role: str | None, since: int) -> None:
    """Store a member's role in a group, new ones `since` a time (Unix seconds); None: the member has left."""
    key = {"chat": group, "member": canonical(store, member), "role": role, "since": since}
    if role is None:
        store.execute("DELETE FROM group_members WHERE chat_jid = :chat AND member_jid = :member", key)
    else:
        store.execute(
            "INSERT INTO group_members (chat_jid, member_jid, role, since)"
            " VALUES (:chat, :member, :role, :since) ON CONFLICT DO UPDATE SET role = excluded.role",
            key,
        )


def note(store: Store, group: str, members: Iterable[tuple[str, str | None]], at: datetime) -> None:
    """Store changes of a group's members as (JID, role); the role is None for somebody who left."""
    me = own_jids(store)
    _count_change(store)
    for member, new_role in members:
        _set_role(store, group, member, new_role, int(at.timestamp()))
        if canonical(store, member) in me:
            chats.note_left(store, group, at, is_in=new_role is not None)


def rename(store: Store, lid: str, pn: str) -> None:
    """Replace a hidden id by the phone JID among the members of groups."""
    store.execute("UPDATE OR IGNORE group_members SET member_jid = ? WHERE member_jid = ?", [pn, lid])
    store.execute("DELETE FROM group_members WHERE member_jid = ?", [lid])
