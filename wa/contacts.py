"""People: their names, aliases and numbers, and whom a command means by a name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from wa.errors import WaError
from wa.messages import canonical
from wa.phone import is_group, jid_of_phone, parse_jid, parse_phone, phone_of_jid, show_jid
from wa.store import Row, Store, fold
from wa.when import to_iso


@dataclass(frozen=True)
class Recipient:
    """Whom a message is for."""

    jid: str
    phone: str | None
    name: str | None


def add(
    store: Store,
    name: str,
    phone: str,
    aliases: Iterable[str],
    region: str | None,
    now: datetime,
    timezone: str | None = None,
) -> Row:
    """Add a person. Raises WaError `usage` for a bad or a known number, or no name."""
    name = " ".join(name.split())
    if not name:
        raise WaError("usage", "the name is empty", 'wa contacts add "Reem" 447700900123')
    digits = parse_phone(phone, region)
    if digits is None:
        raise WaError("usage", f"{phone!r} is not a phone number", "write it as 447700900123")
    with store.write():
        if owner := _by_phone(store, digits):
            raise WaError("usage", f"+{digits} is {owner['name']}'s already", "wa contacts search " + digits)
        at = to_iso(now)
        row: Row = {"phone": digits, "name": name, "timezone": timezone, "created_at": at, "updated_at": at}
        row["aliases"] = json.dumps(sorted({alias.strip() for alias in aliases} - {""}), ensure_ascii=False)
        number = store.insert("contacts", row)
        store.insert("contact_phones", {"phone": digits, "contact_id": number})
    return _read(store, "WHERE id = ?", [number])[0]


def listing(store: Store) -> list[Row]:
    """All contacts, favourites first, then by name."""
    return sorted(_read(store, ""), key=lambda row: (not row["is_favorite"], fold(row["name"])))


def search(store: Store, text: str) -> list[Row]:
    """Contacts with `text` in name, alias, number, tag or note: exact, then prefix, then any part."""
    needle = fold(text.strip())
    digits = "".join(c for c in needle if c.isdigit())
    number = digits if digits and not any(c.isalpha() for c in needle) else None
    ranked = []
    for row in listing(store):
        words = [row["name"], *row["aliases"], *row["tags"], row["notes"] or ""]
        rank = min((_rank(fold(word), needle) for word in words), default=9)
        if number:
            rank = min(rank, *(_rank(phone, number) for phone in row["phones"]), 9)
        if rank < 9:
            ranked.append((rank, row))
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]


def _rank(word: str, needle: str) -> int:
    if word == needle:
        return 0
    if word.startswith(needle):
        return 1
    return 2 if needle in word else 9


def _read(store: Store, where: str, params: Iterable[object] = ()) -> list[Row]:
    rows = store.rows(f"SELECT * FROM contacts {where}", list(params))
    for row in rows:
        row["aliases"], row["tags"] = json.loads(row["aliases"]), json.loads(row["tags"])
        found = store.rows("SELECT phone FROM contact_phones WHERE contact_id = ?", [row["id"]])
        row["phones"] = [each["phone"] for each in found]
    return rows


def _by_phone(store: Store, phone: str) -> Row | None:
    return store.row(
        "SELECT c.id, c.name, c.timezone FROM contact_phones p JOIN contacts c ON c.id = p.contact_id"
        " WHERE p.phone = ?",
        [phone],
    )


def timezone_of(store: Store, person: Recipient) -> str | None:
    """The zone that was noted for somebody."""
    contact = _by_phone(store, person.phone) if person.phone else None
    zone: str | None = contact["timezone"] if contact else None
    return zone


def name_for(store: Store, jid: str) -> str | None:
    """Our own name for a JID: the contact's, or the group's."""
    if is_group(jid):
        name: str | None = store.value("SELECT name FROM chats WHERE id = ?", [jid])
        return name
    contact = _by_phone(store, phone_of_jid(jid) or "")
    return str(contact["name"]) if contact else None


def resolve(store: Store, text: str, region: str | None, me: str | None) -> Recipient:
    """Whom `text` means: `me`, a JID, a phone number, a name or alias, or the unique beginning of one.

    Raises WaError `recipient-not-found`, `ambiguous`, `not-authorized` (for
    `me` before linking), `usage` (a national number and no region).
    """
    jid = _resolve_address(store, text.strip(), region, me)
    jid = canonical(store, jid or _resolve_name(store, text.strip(), region))
    return Recipient(jid, phone_of_jid(jid), name_for(store, jid))


def resolve_chat(store: Store, text: str, region: str | None, me: str | None) -> Recipient:
    """The chat that `text` means, also by the name its people gave themselves.

    Raises WaError as `resolve` does, and `not-found` where there is no such chat.
    """
    try:
        found = resolve(store, text, region, me)
    except WaError as error:
        if error.code != "recipient-not-found":
            raise
        jid = _chat_by_name(store, text, exact=True) or _chat_by_name(store, text, exact=False)
        if jid is None:
            raise WaError("not-found", f"there is no chat {text!r}", "`wa chats` lists them") from None
        found = Recipient(jid, phone_of_jid(jid), None)
    if not store.value("SELECT 1 FROM chats WHERE id = ?", [found.jid]):
        who = found.name or show_jid(found.jid)
        raise WaError("not-found", f"there is no chat with {who}", "`wa chats` lists them")
    return found


def _chat_by_name(store: Store, text: str, *, exact: bool) -> str | None:
    needle = fold(text.strip())
    condition = "fold(name) = :needle" if exact else "instr(fold(name), :needle) = 1"
    sql = f"SELECT id, name FROM chats WHERE name IS NOT NULL AND :needle != '' AND {condition}"
    return _only({row["id"]: row["name"] for row in store.rows(sql, {"needle": needle})}, text)


def _resolve_address(store: Store, text: str, region: str | None, me: str | None) -> str | None:
    if fold(text) == "me":
        if me is None:
            raise WaError("not-authorized", "no account is linked, so there is no `me`", "name somebody else")
        return me
    if jid := parse_jid(text):
        return jid
    try:
        phone = parse_phone(text, region)
    except WaError:  # perhaps a name all the same
        if _only(_names(store, fold(text), exact=True), text):
            return None
        raise
    return jid_of_phone(phone) if phone else None


def _resolve_name(store: Store, text: str, region: str | None) -> str:
    needle = fold(text)
    jid = None
    if needle:
        jid = _only(_names(store, needle, exact=True), text) or _only(
            _names(store, needle, exact=False), text
        )
    if jid is None:
        raise WaError(
            "recipient-not-found",
            f"nobody is called {text!r}, and it is not a phone number or an address",
            "`wa contacts search` looks for part of a name; a number needs its country code",
        )
    return jid


def _names(store: Store, needle: str, *, exact: bool) -> dict[str, str]:
    """JIDs and shown names of the contacts and groups with such a name or alias."""
    found: dict[str, str] = {}
    names = store.execute(
        "SELECT id, name, name, phone FROM contacts UNION ALL"
        " SELECT c.id, a.value, c.name, c.phone FROM contacts c, json_each(c.aliases) a UNION ALL"
        " SELECT id, name, name, NULL FROM chats WHERE is_group AND name IS NOT NULL"
    )
    for key, name, shown, phone in names:
        folded = fold(name)
        if folded == needle or (not exact and folded.startswith(needle)):
            jid = jid_of_phone(phone) if phone else str(key)
            found[jid] = f"{shown} ({show_jid(jid)})"
    return found


def _only(found: dict[str, str], text: str) -> str | None:
    if len(found) > 1:
        shown = sorted(found.values())
        more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
        raise WaError(
            "ambiguous", f"{text!r} may be {', '.join(shown[:5])}{more}", "give the whole name, or the number"
        )
    return next(iter(found), None)
