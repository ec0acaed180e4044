"""The names of people, and the phone JIDs of hidden ids: `push_names` and `jid_aliases`."""

from __future__ import annotations

from wa.jids import is_lid
from wa.store.database import Store
from wa.store.rewrites import join_chats

OWN_NAME = "coalesce(saved_name, nullif(name, ''))"
"""SQL (on `push_names`) for a person's name in our phone's address book, else the name the person chose."""

# ── In queries ──────────────────────────────────────────────────────────────────────────────────────


def our_name_of(jid: str) -> str:
    """Return SQL for our contact's name for the JID that the SQL `jid` yields."""
    person = f"coalesce((SELECT pn FROM jid_aliases WHERE lid = {jid}), {jid})"
    return (
        "(SELECT known.name FROM contact_phones p JOIN contacts known ON known.id = p.contact_id"
        f" WHERE p.phone = replace({person}, '@s.whatsapp.net', ''))"
    )


def their_name_of(jid: str) -> str:
    """Return SQL for the name in our phone's address book, else the one that the person or group chose."""
    return (
        f"coalesce((SELECT coalesce(own.saved_name, nullif(own.name, '')) FROM push_names own"
        f" WHERE own.jid = {jid}),"
        f" (SELECT named.name FROM chats named WHERE named.id = {jid}))"
    )


def name_of(jid: str) -> str:
    """Return SQL for the name to show for a JID: our contact's, else the push name, else the chat's."""
    return f"coalesce({our_name_of(jid)}, {their_name_of(jid)})"


# ── One at a time; writing joins the caller's transaction ───────────────────────────────────────────


def canonical(store: Store, jid: str) -> str:
    """Return the phone JID that a hidden id stands for, if it is known; any other JID unchanged."""
    if not is_lid(jid):
        return jid
    return store.value("SELECT pn FROM jid_aliases WHERE lid = ?", [jid]) or jid


def map_lid(store: Store, lid: str, pn: str) -> bool:
    """Store which phone JID a hidden id stands for; return whether that is new."""
    if store.value("SELECT 1 FROM jid_aliases WHERE lid = ? AND pn = ?", [lid, pn]):
        return False
    store.execute(
        "INSERT INTO jid_aliases VALUES (?, ?) ON CONFLICT (lid) DO UPDATE SET pn = excluded.pn", [lid, pn]
    )
    return True


def set_name(store: Store, jid: str, name: str, *, is_saved: bool = False) -> None:
    """Store the name that a person chose, or with `is_saved` the one in our phone's address book."""
    column = "saved_name" if is_saved else "name"
    store.execute(
        "INSERT INTO push_names (jid, name, saved_name) VALUES (:jid, '', NULL) ON CONFLICT DO NOTHING",
        {"jid": jid},
    )
    store.execute(f"UPDATE push_names SET {column} = ? WHERE jid = ?", [name, jid])


def add_name(store: Store, jid: str, name: str) -> None:
    """Store the name that a person chose, unless a name is stored already."""
    store.insert("push_names", {"jid": jid, "name": name}, ignore=True)


@join_chats.part
def _join_names(store: Store, lid: str, pn: str) -> None:
    """Move the name stored for a hidden id to the phone JID, unless that has a name of its own."""
    store.execute("UPDATE OR IGNORE push_names SET jid = ? WHERE jid = ?", [pn, lid])
