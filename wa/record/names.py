"""The names of people, and the phone JIDs of hidden ids: `push_names` and `jid_aliases`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from wa.jids import LID_SERVER, USER_SERVER, is_group, is_lid, show_jid
from wa.store.database import Row, Store
from wa.store.rewrites import join_chats

OWN_NAME = "coalesce(saved_name, nullif(name, ''))"
"""SQL (on `push_names`) for a person's name in our phone's address book, else the name the person chose."""

# ── In queries ──────────────────────────────────────────────────────────────────────────────────────


def person_of(jid: str) -> str:
    """Return SQL for the phone JID behind the JID that the SQL `jid` yields; for any other JID, itself."""
    return (
        f"CASE WHEN {jid} GLOB '*@lid' THEN coalesce((SELECT pn FROM jid_aliases WHERE lid = {jid}), {jid})"
        f" ELSE {jid} END"
    )


def our_name_of(jid: str) -> str:
    """Return SQL for our contact's name for the JID that the SQL `jid` yields."""
    return (
        "(SELECT known.name FROM contact_phones p JOIN contacts known ON known.id = p.contact_id"
        f" WHERE p.phone = replace({person_of(jid)}, '@s.whatsapp.net', ''))"
    )


def their_name_of(jid: str) -> str:
    """Return SQL for the name in our phone's address book, else the one that the person or group chose."""
    return (
        f"coalesce((SELECT coalesce(own.saved_name, nullif(own.name, '')) FROM push_names own"
        f" WHERE own.jid = {person_of(jid)}),"
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


def forms(store: Store, jid: str) -> list[str]:
    """Return a person's addresses as far as they are known: this one, the phone JID and hidden ids."""
    pn = canonical(store, jid)
    return list(dict.fromkeys([jid, pn, *aliases_of(store, pn)]))


def may_be_of_one(store: Store, first: Row, second: Row) -> bool:
    """Return whether two messages of a chat may be of one person: of different ones if these are known so.

    Both sides of a chat, and all members of a group, can send a message with an id that they have seen.
    """
    if bool(first["is_from_me"]) != bool(second["is_from_me"]):
        return False
    senders = [canonical(store, row["sender"]) for row in (first, second)]
    is_same_form = is_lid(senders[0]) == is_lid(senders[1])
    return not (is_group(first["chat_jid"]) and is_same_form and senders[0] != senders[1])


def shown_as(store: Store, jid: str) -> str:
    """Return a person, group or other chat as text for people: a name, else a number, never a hidden id."""
    jid = canonical(store, jid)
    return show_jid(jid, stored_name(store, jid))


_MENTION = re.compile(r"@([0-9]{5,32}(?:-[0-9]{5,20})?)(?:@g\.us|@lid)?(?![0-9])")
_OLD_PERSON = re.compile(r"(?<![@0-9])([0-9]{5,20})@lid")
"""How notices named people with a hidden id, before they named all people as mentions do."""


def with_names(store: Store, text: str, mentioned: Sequence[str], *, is_notice: bool) -> str:
    """Return a text with names in place of the addresses that it mentions: `@Nadia`, in a notice `Nadia`.

    An address counts that is in `mentioned`, or that belongs to somebody whose name is known.
    """
    listed = {jid.partition("@")[0]: jid for jid in mentioned}

    def name(match: re.Match[str]) -> str:
        known = listed.get(match[1]) or _named(store, match[1])
        if known is None:
            return match[0]
        is_me = is_notice and store.value("SELECT 1 FROM device WHERE ?1 IN (jid, lid)", [known])
        return "you" if is_me else "@" * (not is_notice) + shown_as(store, known)

    text = _MENTION.sub(name, text)
    return _OLD_PERSON.sub(lambda old: shown_as(store, old[0]), text) if is_notice else text


def with_numbers(store: Store, text: str, mentioned: Iterable[str]) -> str:
    """Return a text with numbers in place of the hidden ids that it mentions, where these are known."""
    for jid in mentioned:
        if is_lid(jid) and (known := canonical(store, jid)) != jid:
            user, phone = jid.partition("@")[0], known.partition("@")[0]
            text = re.sub(rf"@{user}(?![0-9])", f"@{phone}", text)
    return text


def _named(store: Store, user: str) -> str | None:
    """Return the JID of the person with this hidden id or number, if a name is known."""
    jids = (f"{user}@{server}" for server in (LID_SERVER, USER_SERVER))
    return next((jid for jid in jids if stored_name(store, canonical(store, jid))), None)


def aliases_of(store: Store, pn: str) -> list[str]:
    """Return the hidden ids that stand for a phone JID."""
    return [row["lid"] for row in store.rows("SELECT lid FROM jid_aliases WHERE pn = ?", [pn])]


def stored_name(store: Store, jid: str) -> str | None:
    """Return the name to show for a JID; None if none is known."""
    name: str | None = store.value(f"SELECT {name_of(':jid')}", {"jid": jid})
    return name


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
def join_names(store: Store, lid: str, pn: str) -> None:
    """Move the name stored for a hidden id to the phone JID, unless that has a name of its own."""
    store.execute("UPDATE OR IGNORE push_names SET jid = ? WHERE jid = ?", [pn, lid])
