"""People: their names, aliases and numbers, and whom a command means by a name."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from wa.errors import WaError
from wa.jids import is_group, jid_of_phone, parse_jid, phone_of_jid, show_jid
from wa.phones import parse_phone
from wa.record.names import canonical
from wa.store.database import Row, Store
from wa.store.fold import fold

Key = TypeVar("Key", int, str)
_WITH_PHONES = (
    "SELECT c.id, c.phone, c.name, c.aliases, c.tags, c.is_favorite, c.notes, c.timezone, c.created_at,"
    " c.updated_at, (SELECT json_group_array(json_object('phone', p.phone, 'label', p.label))"
    " FROM contact_phones p WHERE p.contact_id = c.id) AS phones FROM contacts c"
)
_FAVOURITES_FIRST = "ORDER BY c.is_favorite DESC, fold(c.name), c.id"
_CALLED = (
    "SELECT id, name FROM contacts UNION ALL SELECT c.id, a.value FROM contacts c, json_each(c.aliases) a"
)
_MOST_WORDS = 30
_TYPO_FROM = 5
"""Letters a word needs so that one of them may be wrong: shorter ones are all alike."""


@dataclass(frozen=True)
class Recipient:
    """Whom a message is for."""

    jid: str
    phone: str | None
    name: str | None


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────


def read(store: Store, where: str = "", params: Iterable[object] = ()) -> Iterator[Row]:
    """Contacts (table c), favourites first, then by name; each with its numbers, the main one first."""
    cursor = store.execute(f"{_WITH_PHONES} {where} {_FAVOURITES_FIRST}", list(params))
    names = [column[0] for column in cursor.description]
    for values in cursor:
        row = dict(zip(names, values, strict=True))
        for name in ("aliases", "tags", "phones"):
            row[name] = json.loads(row[name])
        row["phones"].sort(key=lambda each: (each["phone"] != row["phone"], each["phone"]))
        yield row


def get(store: Store, number: int) -> Row:
    """One contact by its id. Raises WaError `not-found`."""
    for row in read(store, "WHERE c.id = ?", [number]):
        return row
    raise WaError("not-found", f"there is no contact {number} any more", "wa contacts list")


def listing(store: Store, tag: str | None = None, *, favorites: bool = False) -> Iterator[Row]:
    """All contacts, or those with a tag, or the favourites."""
    where, params = ["true"], []
    if tag is not None:
        where.append("EXISTS (SELECT 1 FROM json_each(c.tags) t WHERE fold(t.value) = ?)")
        params.append(fold(tag.strip()))
    if favorites:
        where.append("c.is_favorite")
    return read(store, f"WHERE {' AND '.join(where)}", params)


def by_phone(store: Store, phone: str) -> Row | None:
    """Whose number this is."""
    return store.row(
        "SELECT c.id, c.name, c.timezone FROM contact_phones p JOIN contacts c ON c.id = p.contact_id"
        " WHERE p.phone = ?",
        [phone],
    )


def timezone_of(store: Store, person: Recipient) -> str | None:
    """The zone that was noted for somebody."""
    contact = by_phone(store, person.phone) if person.phone else None
    zone: str | None = contact["timezone"] if contact else None
    return zone


def name_for(store: Store, jid: str) -> str | None:
    """Our own name for a JID: the contact's, or the group's."""
    if is_group(jid):
        name: str | None = store.value("SELECT name FROM chats WHERE id = ?", [jid])
        return name
    contact = by_phone(store, phone_of_jid(jid) or "")
    return str(contact["name"]) if contact else None


# ── Searching ───────────────────────────────────────────────────────────────────────────────────────


def search(store: Store, text: str) -> list[Row]:
    """Contacts with `text` in a name, alias, number, tag or note; the best match first.

    Exact comes before prefix, prefix before any part, that before every word
    somewhere, and where nothing has it, a word with one letter wrong;
    favourites come first among equals.
    """
    needle = folded(text)
    if not needle:
        return []
    digits = "".join(char for char in needle if char.isdecimal())
    # Without the 0 of a national number: how it is stored, whatever the country.
    number = digits.lstrip("0") if digits and not any(char.isalpha() for char in needle) else needle
    words = needle.split()[:_MOST_WORDS]
    phones = "(SELECT group_concat(p.phone) FROM contact_phones p WHERE p.contact_id = c.id)"
    hay = f"fold(c.name || c.aliases || c.tags || coalesce(c.notes, '') || coalesce({phones}, ''))"
    having = " AND ".join(f"instr({hay}, ?)" for _ in words)
    # What JSON escapes (quotes, backslashes) is not found in the column as it is, and looked for below.
    plain = not any(char in '"\\' for char in needle)
    where = f"WHERE ({having}) OR instr({phones}, ?)" if plain else ""
    ranked = [
        (rank, row)
        for row in read(store, where, [*words, number] if plain else [])
        if (rank := _rank(row, needle, words, number)) is not None
    ]
    if not ranked and any(len(word) >= _TYPO_FROM for word in words):
        rows = store.execute("SELECT id, name, aliases FROM contacts")
        near = [number for number, *names in rows if _is_nearly(folded(" ".join(names)), words)]
        return list(read(store, "WHERE c.id IN (SELECT value FROM json_each(?))", [json.dumps(near)]))
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]


def _rank(row: Row, needle: str, words: list[str], number: str) -> int | None:
    texts = [folded(each) for each in (row["name"], *row["aliases"], *row["tags"], row["notes"] or "")]
    phones = [each["phone"] for each in row["phones"]]
    if needle in texts or number in phones:
        return 0
    if any(each.startswith(needle) for each in texts) or any(each.startswith(number) for each in phones):
        return 1
    if any(needle in each for each in texts) or any(number in each for each in phones):
        return 2
    return 3 if all(any(word in each for each in (*texts, *phones)) for word in words) else None


def _is_nearly(text: str, words: list[str]) -> bool:
    names = re.findall(r"\w+", text)
    return all(
        word in text or (len(word) >= _TYPO_FROM and any(_one_off(word, name) for name in names))
        for word in words
    )


def _one_off(one: str, other: str) -> bool:
    """Whether one letter wrong, missing or too many, or two swapped, make the one the other."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[1::-1] == b[:2] and a[2:] == b[2:])


# ── Whom a word means ───────────────────────────────────────────────────────────────────────────────


def folded(text: str) -> str:
    """A name as it is compared: case, accents, spaces and what cannot be seen do not matter."""
    if not text.isascii():
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return " ".join(fold(text).split())


def find(store: Store, text: str, region: str | None, *, exact: bool = False) -> Row:
    """The contact that a name, an alias, a number, an id, or the unique beginning of a name means.

    With `exact`, no beginning will do. Raises WaError `not-found` and `ambiguous`.
    """
    found = _people(store, folded(text), exact=True)
    named = {key: shown for key, shown in found.items() if folded(get(store, key)["name"]) == folded(text)}
    found = named if len(named) == 1 else found  # a name wins over somebody else's alias
    if not found and (phone := phone_in(text, region)) and (owner := by_phone(store, phone)):
        found = {owner["id"]: owner["name"]}
    if not found and text.isascii() and text.isdigit():
        rows = store.rows("SELECT id, name FROM contacts WHERE CAST(id AS TEXT) = ?", [text])
        found = {row["id"]: row["name"] for row in rows}
    number = _only(found or _people(store, folded(text), exact=False), text)
    if number is None or (exact and not found):
        whole = " (the whole name is needed)" if number else ""
        raise WaError(
            "not-found",
            f"there is no contact {text!r}{whole}",
            "`wa contacts search` looks for part of a name",
        )
    return get(store, number)


def directory(store: Store) -> dict[str, set[int]]:
    """The ids of the contacts by each name and alias, as `folded`."""
    found: dict[str, set[int]] = {}
    for number, name in store.execute(_CALLED):
        found.setdefault(folded(name), set()).add(number)
    return found


def phone_in(text: str, region: str | None) -> str | None:
    """The number that a word is, alone or in a JID; None where it is none."""
    try:
        jid = parse_jid(text)
        return phone_of_jid(jid) if jid else parse_phone(text, region)
    except WaError:
        return None


def resolve(store: Store, text: str, region: str | None, me: str | None) -> Recipient:
    """Whom `text` means: `me`, a JID, a phone number, a name or alias, or the unique beginning of one.

    Raises WaError `recipient-not-found`, `ambiguous`, `not-authorized` (for
    `me` before linking), `usage` (a national number and no region).
    """
    jid = _resolve_address(store, text.strip(), region, me)
    jid = canonical(store, jid or _resolve_name(store, text.strip()))
    return Recipient(jid, phone_of_jid(jid), name_for(store, jid))


def resolve_chat(store: Store, text: str, region: str | None, me: str | None) -> Recipient:
    """The chat that `text` means, also by the name its people gave themselves.

    Raises WaError as `resolve` does, and `not-found` where there is no such chat.
    """
    try:
        found = resolve(store, text, region, me)
    except WaError as error:
        needle = folded(text)
        if error.code != "recipient-not-found" or _silent(store, needle, exact=True):
            raise  # it is not somebody whose own name only begins like that
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
    try:
        if jid := parse_jid(text):
            return jid
        phone = parse_phone(text, region)
    except WaError:  # perhaps a name all the same
        if _only(_names(store, folded(text), exact=True), text):
            return None
        raise
    return jid_of_phone(phone) if phone else None


def _resolve_name(store: Store, text: str) -> str:
    needle = folded(text)
    found = _names(store, needle, exact=True)
    # Who has no number is not passed over for somebody whose name only begins like that.
    silent = {} if found else _silent(store, needle, exact=True)
    if not found and not silent:
        found = _saved(store, needle)
    if not found and not silent:
        found = _names(store, needle, exact=False)
        silent = _silent(store, needle, exact=False)
    if jid := _only({**found, **silent}, text):
        if jid in silent:
            raise WaError(
                "recipient-not-found",
                f"no number is known for {silent[jid]}",
                "wa contacts edit NAME --phone 447700900123",
            )
        return jid
    raise WaError(
        "recipient-not-found",
        f"nobody is called {text!r}, and it is not a phone number or an address",
        "`wa contacts search` looks for part of a name; a number needs its country code",
    )


def _saved(store: Store, needle: str) -> dict[str, str]:
    """Whom our phone's address book has under exactly this name. How people call themselves is no address."""
    rows = store.execute("SELECT jid, saved_name FROM push_names WHERE saved_name IS NOT NULL")
    return {canonical(store, jid): name for jid, name in rows if folded(name) == needle}


def _silent(store: Store, needle: str, *, exact: bool) -> dict[str, str]:
    """The contacts without a number that have such a name or alias, by their id."""
    found = _people(store, needle, exact=exact)
    without = store.execute("SELECT id FROM contacts WHERE phone IS NULL")
    return {str(number): found[number] for (number,) in without if number in found}


def called(store: Store, word: str) -> list[Row]:
    """The contacts that have exactly this name or alias."""
    return [get(store, number) for number in _people(store, folded(word), exact=True)]


def _names(store: Store, needle: str, *, exact: bool) -> dict[str, str]:
    """JIDs and shown names of the contacts with a number, and of the groups, with such a name or alias."""
    found = {}
    for number, shown in _people(store, needle, exact=exact).items():
        if phone := store.value("SELECT phone FROM contacts WHERE id = ?", [number]):
            found[jid_of_phone(phone)] = shown
    for jid, name in store.execute("SELECT id, name FROM chats WHERE is_group AND name IS NOT NULL"):
        if _fits(folded(name), needle, exact=exact):
            found[jid] = f"{name} ({jid})"
    return found


def _people(store: Store, needle: str, *, exact: bool) -> dict[int, str]:
    """Ids and shown names of the contacts with such a name or alias."""
    found = {number for number, name in store.execute(_CALLED) if _fits(folded(name), needle, exact=exact)}
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
    if len(found) > 1:
        shown = sorted(found.values())
        more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
        raise WaError(
            "ambiguous",
            f"{text!r} may be {', '.join(shown[:5])}{more}",
            "give the whole name, the number, or the id",
        )
    return next(iter(found), None)
