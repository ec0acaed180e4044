"""Finding the contact, recipient or chat that a word means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeVar

from wa.errors import WaError
from wa.jids import (
    STATUS,
    check_recipient,
    is_group,
    jid_of_phone,
    parse_jid,
    phone_in,
    phone_of_jid,
    show_jid,
)
from wa.people.contacts import by_phone, get
from wa.phones import parse_phone
from wa.record import chats
from wa.record.groups import members
from wa.record.names import canonical
from wa.store.database import Row, Store
from wa.store.fold import fold, fold_name, may_have
from wa.values import Value

Key = TypeVar("Key", int, str)
_NAMES = (
    "SELECT id, name FROM contacts"
    " UNION ALL SELECT c.id, a.value FROM contacts c, json_each(c.aliases) a WHERE c.aliases != '[]'"
)
_MAY_FIT = f"SELECT * FROM ({_NAMES}) WHERE {may_have('name')}"
"""SQL for the names that may have the folded `:part` in them: few are left to be folded here."""


class Recipient(Value):
    """The person or group that a message is for."""

    jid: str
    phone: str | None
    name: str | None


def resolve(store: Store, text: str, region: str | None, me: str | None) -> Recipient:
    """Return the recipient that `text` means: `me`, a JID, a number, a name or alias or its unique beginning.

    Raise WaError `recipient-not-found`, `ambiguous`, `not-authorized` (for `me` before linking),
    `usage` (a national number and no region; a status, a broadcast list, a channel), `wrong-state` (a group
    that we have left).
    """
    found = resolve_address(store, text, region, me)
    check_recipient(found.jid)
    if is_group(found.jid):
        members.check_in(store, found.jid)
    return found


def resolve_address(store: Store, text: str, region: str | None, me: str | None) -> Recipient:
    """Return what `text` means as `resolve` does, be it a status, a broadcast list or a channel."""
    jid = _jid_or_number(store, text.strip(), region, me)
    jid = canonical(store, jid or _resolve_name(store, text.strip()))
    return Recipient(jid, phone_of_jid(jid), name_for(store, jid))


def resolve_chat(store: Store, text: str, region: str | None, me: str | None) -> Recipient:
    """Return the chat that `text` means; the name that a person or group chose counts too, and `status`.

    Raise WaError `recipient-not-found`, `ambiguous`, `not-authorized` and `usage` as `resolve` does, and
    `not-found` when there is no such chat.
    """
    is_status = fold(text.strip()) == "status" and not _people(store, fold_name(text), exact=True)
    try:
        found = resolve_address(store, STATUS if is_status else text, region, me)
    except WaError as error:
        needle = fold_name(text)
        if error.code != "recipient-not-found" or _without_number(store, needle, exact=True):
            raise  # the word is the whole name of a contact without a number: no chat by a beginning then
        jid = _chat_by_name(store, text, exact=True) or _chat_by_name(store, text, exact=False)
        if jid is None:
            raise WaError("not-found", f"there is no chat {text!r}", "`wa chats` lists them") from None
        found = Recipient(jid, phone_of_jid(jid), None)
    if not store.value("SELECT 1 FROM chats WHERE id = ?", [found.jid]):
        if is_status:
            hint = "`wa listen` records them as they come"
            raise WaError("not-found", "there are no status posts yet", hint)
        who = found.name or show_jid(found.jid)
        raise WaError("not-found", f"there is no chat with {who}", "`wa chats` lists them")
    return found


def find(store: Store, text: str, region: str | None, *, exact: bool = False) -> Row:
    """Return the contact that a name, alias, number, id, or the unique beginning of a name means.

    With `exact`, a beginning is not enough. Raise WaError `not-found` and `ambiguous`.
    """
    found = _people(store, fold_name(text), exact=True)
    named = {
        key: shown for key, shown in found.items() if fold_name(get(store, key)["name"]) == fold_name(text)
    }
    found = named if len(named) == 1 else found  # a name wins over somebody else's alias
    if not found and (phone := phone_in(text, region)) and (owner := by_phone(store, phone)):
        found = {owner["id"]: owner["name"]}
    if not found and text.isascii() and text.isdigit():
        sql = "SELECT id, name FROM contacts WHERE id = CAST(:id AS INTEGER) AND CAST(id AS TEXT) = :id"
        rows = store.rows(sql, {"id": text})
        found = {row["id"]: row["name"] for row in rows}
    number = _only(found or _people(store, fold_name(text), exact=False), text)
    if number is None or (exact and not found):
        whole = " (the whole name is needed)" if number else ""
        raise WaError(
            "not-found",
            f"there is no contact {text!r}{whole}",
            "`wa contacts search` looks for part of a name",
        )
    return get(store, number)


def others_called(store: Store, word: str, number: int | None) -> list[str]:
    """Return the names of all contacts with this name or alias except the one with the id `number`."""
    ids = _people(store, fold_name(word), exact=True)
    return [get(store, other)["name"] for other in ids if other != number]


def expect_free(store: Store, aliases: Iterable[str], number: int | None) -> None:
    """Raise WaError `usage` for an alias that is a name of a contact other than the one with this id."""
    for alias in aliases:
        if others := others_called(store, alias, number):
            raise WaError(
                "usage",
                f"{alias!r} is a name of {', '.join(others)}: as an alias too, it would find neither",
                "choose another alias, or give --force",
            )


def directory(store: Store) -> dict[str, set[int]]:
    """Return the ids of the contacts by each name and alias, folded as `fold_name` does."""
    found: dict[str, set[int]] = {}
    for number, name in store.execute(_NAMES):
        found.setdefault(fold_name(name), set()).add(number)
    return found


def timezone_of(store: Store, person: Recipient) -> str | None:
    """Return the time zone that is stored for a recipient."""
    contact = by_phone(store, person.phone) if person.phone else None
    zone: str | None = contact["timezone"] if contact else None
    return zone


def contact_of(store: Store, to: Recipient) -> int | None:
    """Return the id of the contact that has a recipient's number."""
    contact = by_phone(store, to.phone) if to.phone else None
    return contact["id"] if contact else None


def name_for(store: Store, jid: str) -> str | None:
    """Return our own name for a JID: the contact's, or the group's."""
    if is_group(jid):
        name: str | None = store.value("SELECT name FROM chats WHERE id = ?", [jid])
        return name
    contact = by_phone(store, phone_of_jid(jid) or "")
    return str(contact["name"]) if contact else None


# ── Looking up ──────────────────────────────────────────────────────────────────────────────────────


def _jid_or_number(store: Store, text: str, region: str | None, me: str | None) -> str | None:
    if fold(text) == "me":
        if me is None:
            raise WaError("not-authorized", "no account is linked, so there is no `me`", "name somebody else")
        return me
    try:
        if jid := parse_jid(text):
            return jid
        phone = parse_phone(text, region)
    except WaError:  # it may still be a name
        if _only(_exact(store, fold_name(text)), text):
            return None
        raise
    return jid_of_phone(phone) if phone else None


def _resolve_name(store: Store, text: str) -> str:
    needle = fold_name(text)
    found = _exact(store, needle)
    # A contact of exactly that name, even without a number, comes before names that begin with it.
    numberless = {} if found else _without_number(store, needle, exact=True)
    if not found and not numberless:
        found = {**_contacts(store, needle, exact=False), **_groups(store, needle, exact=False)}
        numberless = _without_number(store, needle, exact=False)
    if jid := _only({**found, **numberless}, text):
        if jid in numberless:
            raise WaError(
                "recipient-not-found",
                f"no number is known for {numberless[jid]}",
                "wa contacts edit NAME --phone 447700900123",
            )
        return jid
    raise WaError(
        "recipient-not-found",
        f"nobody is called {text!r}, and it is not a phone number or an address",
        "`wa contacts search` looks for part of a name; a number needs its country code",
    )


def _saved(store: Store, needle: str) -> dict[str, str]:
    """Return the JIDs that our phone's address book has under exactly this name.

    A name that a person chose is no address: anybody may choose any name.
    """
    rows = store.execute("SELECT jid, saved_name FROM push_names WHERE saved_name IS NOT NULL")
    return {canonical(store, jid): name for jid, name in rows if fold_name(name) == needle}


def _without_number(store: Store, needle: str, *, exact: bool) -> dict[str, str]:
    """Return the names by id of the contacts without a number that have such a name or alias."""
    found = _people(store, needle, exact=exact)
    without = store.execute("SELECT id FROM contacts WHERE phone IS NULL")
    return {str(number): found[number] for (number,) in without if number in found}


def _chat_by_name(store: Store, text: str, *, exact: bool) -> str | None:
    needle = fold(text.strip().removeprefix("~"))
    condition = "fold(name) = :needle" if exact else "instr(fold(name), :needle) = 1"
    sql = f"SELECT id, name FROM chats WHERE name IS NOT NULL AND :needle != '' AND {condition}"
    return _only({row["id"]: row["name"] for row in store.rows(sql, {"needle": needle})}, text)


def _exact(store: Store, needle: str) -> dict[str, str]:
    """Return the names by JID of the contacts with such a name or alias; of groups where no contact has it.

    A stranger may name a group after anybody.
    """
    if found := _contacts(store, needle, exact=True):
        return found
    if _without_number(store, needle, exact=True):
        return {}
    return _saved(store, needle) or _groups(store, needle, exact=True)


def _contacts(store: Store, needle: str, *, exact: bool) -> dict[str, str]:
    """Return the names by JID of the contacts with a number that have such a name or alias."""
    found = {}
    for number, shown in _people(store, needle, exact=exact).items():
        if phone := store.value("SELECT phone FROM contacts WHERE id = ?", [number]):
            found[jid_of_phone(phone)] = shown
    return found


def _groups(store: Store, needle: str, *, exact: bool) -> dict[str, str]:
    """Return the names by JID of the groups that have such a name; those we have left if no other has it."""
    rows = store.execute("SELECT id, name FROM chats WHERE is_group AND name IS NOT NULL")
    found = {jid: f"{name} ({jid})" for jid, name in rows if _fits(fold_name(name), needle, exact=exact)}
    return found and ({jid: name for jid, name in found.items() if not chats.has_left(store, jid)} or found)


def _people(store: Store, needle: str, *, exact: bool) -> dict[int, str]:
    """Return the names by id of the contacts that have such a name or alias."""
    part = {"part": max(needle.split(), key=len, default="")}
    names = store.execute(_MAY_FIT, part)
    found = {number for number, name in names if _fits(fold_name(name), needle, exact=exact)}
    rows = store.execute(
        "SELECT id, name, phone FROM contacts WHERE id IN (SELECT value FROM json_each(?))",
        [json.dumps(list(found))],
    )
    return {
        number: f"{name} ({'+' + phone if phone else f'no number, id {number}'})"
        for number, name, phone in rows
    }


def _fits(name: str, needle: str, *, exact: bool) -> bool:
    return bool(needle) and (name == needle if exact else name.startswith(needle))


def _only(found: Mapping[Key, str], text: str) -> Key | None:
    """Return the only key, None if there is none. Raise WaError `ambiguous`, with all names, for several."""
    if len(found) > 1:
        shown = sorted(found.values())
        more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
        raise WaError(
            "ambiguous",
            f"{text!r} may be {', '.join(shown[:5])}{more}",
            "give the whole name, the number, or the id",
        )
    return next(iter(found), None)
