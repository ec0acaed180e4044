"""Contacts as they are made, changed, merged, imported and exported.

A card that was imported is remembered by its digest: the same card never changes
anything again, and a name that a card brought is not one that the user chose.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from wa.errors import WaError
from wa.people import contacts
from wa.people.contacts import folded
from wa.people.vcard import tidy
from wa.phones import parse_phone
from wa.store.database import Row, Store
from wa.times import to_iso

TABLES = ("contacts", "contact_phones", "contact_cards")
"""What everything here writes to."""


@dataclass
class Person:
    """What is to be known of somebody, with numbers as international digits, the main one first."""

    name: str
    phones: dict[str, str | None] = field(default_factory=dict)
    """Labels by number."""
    aliases: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    is_favorite: bool = False
    notes: str | None = None
    timezone: str | None = None
    is_named: bool = True
    """False where the name is only a number."""
    is_chosen: bool = False
    """Whether the user chose the name, and no import may change it."""
    numbers_as_written: dict[str, str | None] = field(default_factory=dict)
    """And as what each was read: a card is known again when they are read with another region."""


# ── By hand ─────────────────────────────────────────────────────────────────────────────────────────


def checked_phone(text: str, region: str | None) -> str:
    """The international digits of a number that somebody typed. Raises WaError `usage`."""
    digits = parse_phone(text, region)
    if digits is None:
        raise WaError("usage", f"{text!r} is not a phone number", "write it as 447700900123")
    return digits


def checked_name(text: str) -> str:
    """A name without space around it. Raises WaError `usage` where nothing is left."""
    name = tidy(text)
    if not folded(name):
        raise WaError("usage", "the name is empty", 'wa contacts add "Reem" 447700900123')
    return name


def add(store: Store, person: Person, now: datetime) -> Row:
    """Add somebody. Raises WaError `usage` for a number that is known, or no name."""
    person = replace(person, name=checked_name(person.name), is_chosen=True)
    with store.write():
        for phone in person.phones:
            _expect_free(store, phone, None)
        number = _insert(store, person, now)
    return contacts.get(store, number)


def edit(
    store: Store,
    number: int,
    changes: Row,
    now: datetime,
    *,
    phones: Sequence[str] = (),
    without: Iterable[str] = (),
) -> Row:
    """Change columns of a contact; the last of `phones` becomes its main number, `without` are taken away.

    Raises WaError `usage` for a number that is somebody else's.
    """
    with store.write():
        row = contacts.get(store, number)
        before = {each["phone"] for each in row["phones"]}
        for phone in phones:
            _expect_free(store, phone, number)
            store.insert("contact_phones", {"phone": phone, "contact_id": number}, ignore=True)
            changes = {**changes, "phone": phone}
        for phone in without:
            store.execute("DELETE FROM contact_phones WHERE phone = ? AND contact_id = ?", [phone, number])
        rest = contacts.get(store, number)["phones"]
        after = {each["phone"] for each in rest}
        if changes.get("phone", row["phone"]) not in after:  # the main number was taken away
            rest.sort(key=lambda each: "mobile" not in (each["label"] or ""))
            changes = {**changes, "phone": rest[0]["phone"] if rest else None}
        if "name" in changes or phones:
            _settle(store, number)
        changes = {name: value for name, value in changes.items() if value != row[name]}
        if changes or before != after:
            _update(store, number, changes, now)
    return contacts.get(store, number)


def change_words(
    store: Store, number: int, column: str, words: Iterable[str], now: datetime, *, remove: bool = False
) -> Row:
    """Add aliases or tags, or take them away. Raises WaError `usage` where there is none to add."""
    wanted = [word for word in map(tidy, words) if folded(word)]
    if not wanted:
        raise WaError("usage", "there is nothing to add or remove", f"give the {column}")
    useless = [word for word in wanted if folded(word) == "me" or re.fullmatch(r"\+?[\d ]{7,}", word)]
    if column == "aliases" and useless and not remove:
        raise WaError("usage", f"{useless[0]!r} means somebody else already", "choose a word")
    with store.write():
        row = contacts.get(store, number)
        if remove:
            gone = {folded(word) for word in wanted}
            found = [word for word in row[column] if folded(word) not in gone]
        else:
            found = _united(row[column], wanted)
        if found != row[column]:
            _update(store, number, {column: json.dumps(found, ensure_ascii=False)}, now)
    return contacts.get(store, number)


def remove(store: Store, number: int) -> None:
    """Forget a contact. Its chat and messages stay. Raises WaError `not-found`."""
    with store.write():
        contacts.get(store, number)
        store.execute("DELETE FROM contacts WHERE id = ?", [number])


def merge(store: Store, number: int, other: int, now: datetime) -> Row:
    """Let `other` go into a contact: nothing of it is lost, and its name becomes an alias."""
    if number == other:
        raise WaError("usage", "both are the same contact", "name two contacts")
    with store.write():
        _absorb(store, number, other, now)
        _settle(store, number)
    return contacts.get(store, number)


def _absorb(store: Store, number: int, other: int, now: datetime) -> None:
    gone = contacts.get(store, other)
    person = Person(
        gone["name"],
        aliases=gone["aliases"],
        tags=gone["tags"],
        is_favorite=bool(gone["is_favorite"]),
        notes=gone["notes"],
        timezone=gone["timezone"],
        is_named=not _is_number(gone["name"]),
    )
    for table in ("contact_phones", "contact_cards"):
        store.execute(f"UPDATE {table} SET contact_id = ? WHERE contact_id = ?", [number, other])
    store.execute("DELETE FROM contacts WHERE id = ?", [other])
    row = contacts.get(store, number)
    changes = _additions(row, person, keep_name=True)
    if row["phone"] is None and gone["phone"]:
        changes["phone"] = gone["phone"]
    _update(store, number, changes, now)


# ── From cards ──────────────────────────────────────────────────────────────────────────────────────


def put(store: Store, person: Person, now: datetime) -> tuple[str, dict[str, str], str | None]:
    """Take a card into the contacts, in the caller's transaction.

    Says `added`, `updated` or `unchanged`, which of its numbers stay with
    somebody else ({number: name}), and another name that the contact had or has.
    """
    written = {**vars(person), "phones": None, "numbers_as_written": list(person.numbers_as_written)}
    digest, as_written = _digest(vars(person)), _digest(written)
    known: int | None = store.value("SELECT contact_id FROM contact_cards WHERE digest = ?", [digest])
    if known is not None:
        return "unchanged", _taken(store, person, known), None
    if person.numbers_as_written:
        known = _read_anew(store, person, as_written)
    same = _same(store, person, known)
    other_name = None
    if same:
        number = same[0]
        row = contacts.get(store, number)
        other_name = None if _is_akin(row, person) else row["name"]
        for other in same[1:]:
            _absorb(store, number, other, now)
        outcome = "updated" if _apply(store, number, person, now) or same[1:] else "unchanged"
    else:
        taken = _taken(store, person, None)
        free = {phone: label for phone, label in person.phones.items() if phone not in taken}
        outcome, number = "added", _insert(store, replace(person, phones=free), now)
    card = {"digest": digest, "as_written": as_written, "contact_id": number}
    store.insert("contact_cards", {**card, "numbers": json.dumps(person.numbers_as_written)})
    return outcome, _taken(store, person, number), other_name


def _read_anew(store: Store, person: Person, as_written: str) -> int | None:
    """The contact of a card that came before, without the numbers that are read as others now."""
    known: int | None = None
    for row in store.rows("SELECT contact_id, numbers FROM contact_cards WHERE as_written = ?", [as_written]):
        known = row["contact_id"]
        for written, phone in json.loads(row["numbers"]).items():
            if phone and person.numbers_as_written.get(written) not in (None, phone):
                store.execute("DELETE FROM contact_phones WHERE phone = ? AND contact_id = ?", [phone, known])
                store.execute("UPDATE contacts SET phone = NULL WHERE id = ? AND phone = ?", [known, phone])
    return known


def _digest(content: Row) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _same(store: Store, person: Person, known: int | None) -> list[int]:
    """The contacts that a card is of, the one to keep first.

    A number that both have says so where it is the main one of both, or where
    one name is a part of the other: a landline has many owners. Several contacts
    are only made one where the name says so, and the user did not name them.
    """
    if known is None and not person.numbers_as_written and not person.phones:
        known = store.value(
            "SELECT id FROM contacts INDEXED BY contacts_without_phone"
            " WHERE phone IS NULL AND name = ? ORDER BY id LIMIT 1",
            [person.name],
        )
    numbers = {owner["id"] for phone in person.phones if (owner := contacts.by_phone(store, phone))}
    found = []
    for number in sorted(numbers - {known}):
        row, is_chosen = contacts.get(store, number), _is_chosen(store, number)
        is_akin = _is_akin(row, person) and not _have_own_mobiles(row, person)
        if is_akin or (row["phone"] == next(iter(person.phones)) and not (is_chosen and person.is_chosen)):
            found.append((not is_chosen, not is_akin, number))
    found.sort()
    first = [known] if known is not None else [number for *_, number in found[:1]]
    others = [number for may_merge, stranger, number in found if may_merge and not stranger]
    return first + [number for number in others if number not in first]


def _settle(store: Store, number: int) -> None:
    """Let no import change the name or the main number of a contact any more."""
    store.execute("UPDATE contacts SET is_settled = 1 WHERE id = ?", [number])


def _is_chosen(store: Store, number: int) -> bool:
    """Whether the user chose the name or the main number of a contact, and no import may change them."""
    return bool(store.value("SELECT is_settled FROM contacts WHERE id = ?", [number]))


def _is_akin(row: Row, person: Person) -> bool:
    """Whether one of the names of one is a part of one of the other's: Zoe, Zoë Sample."""
    if _is_number(row["name"]) or not person.is_named:
        return True  # one of them has no name that could speak against it
    ours = [set(folded(name).split()) for name in (row["name"], *row["aliases"])]
    theirs = [set(folded(name).split()) for name in (person.name, *person.aliases)]
    return any(a and b and (a <= b or b <= a) for a in ours for b in theirs)


def _have_own_mobiles(row: Row, person: Person) -> bool:
    """Whether each has another mobile for a main number, as John Smith and John Smith Jr. have."""
    if folded(row["name"]) == folded(person.name):
        return False
    ours = {each["phone"] for each in row["phones"] if "mobile" in (each["label"] or "")}
    theirs = {phone for phone, label in person.phones.items() if "mobile" in (label or "")}
    return bool(ours and theirs and not ours & theirs)


def _taken(store: Store, person: Person, number: int | None) -> dict[str, str]:
    owners = {phone: contacts.by_phone(store, phone) for phone in person.phones}
    return {phone: owner["name"] for phone, owner in owners.items() if owner and owner["id"] != number}


def _apply(store: Store, number: int, person: Person, now: datetime) -> bool:
    """Bring a contact up to date with a card; whether that changed anything."""
    row = contacts.get(store, number)
    is_chosen = _is_chosen(store, number)
    changes = _additions(row, person, keep_name=is_chosen)
    if person.is_chosen and not is_chosen:
        _settle(store, number)
    labels = {each["phone"]: each["label"] for each in row["phones"]}
    is_changed = False
    for phone, label in person.phones.items():
        if phone not in labels:
            new = {"phone": phone, "contact_id": number, "label": label}
            is_changed |= store.insert("contact_phones", new, ignore=True) is not None
        elif label and label != labels[phone]:
            store.execute("UPDATE contact_phones SET label = ? WHERE phone = ?", [label, phone])
            is_changed = True
    taken = _taken(store, person, number)
    mine = next((phone for phone in person.phones if phone not in taken), None)
    # WhatsApp is on mobiles: a landline gives way to one, unless the user put it there.
    better = not is_chosen and "mobile" in (person.phones.get(mine or "") or "")
    if mine and (row["phone"] is None or (better and "mobile" not in (labels.get(row["phone"]) or ""))):
        changes["phone"] = mine
    if changes or is_changed:
        _update(store, number, changes, now)
    return bool(changes) or is_changed


def _additions(row: Row, person: Person, *, keep_name: bool) -> Row:
    """The columns in which a card adds something to a contact."""
    changes: Row = {}
    aliases = list(person.aliases)
    if person.is_named and person.name != row["name"]:
        other = person.name
        if not keep_name:
            changes["name"], other = person.name, row["name"]
        if not _is_number(other):
            aliases = [other, *aliases]
    name = folded(str(changes.get("name", row["name"])))
    own = [each for each in row["aliases"] if "name" not in changes or folded(each) != name]
    aliases = _united(own, (each for each in aliases if folded(each) != name))
    if aliases != row["aliases"]:
        changes["aliases"] = json.dumps(aliases, ensure_ascii=False)
    if (tags := _united(row["tags"], person.tags)) != row["tags"]:
        changes["tags"] = json.dumps(tags, ensure_ascii=False)
    if person.notes and f"\n\n{person.notes}\n\n" not in f"\n\n{row['notes']}\n\n":
        changes["notes"] = f"{row['notes']}\n\n{person.notes}" if row["notes"] else person.notes
    if person.is_favorite and not row["is_favorite"]:
        changes["is_favorite"] = True
    if person.timezone and not row["timezone"]:
        changes["timezone"] = person.timezone
    return changes


def _united(words: list[str], more: Iterable[str]) -> list[str]:
    """Both, each once, whatever its case and accents."""
    known = {folded(word) for word in words}
    found = list(words)
    for word in more:
        if folded(word) not in known:
            known.add(folded(word))
            found.append(word)
    return found


def _is_number(name: str) -> bool:
    return re.fullmatch(r"[\d\s+().\-/]+", name) is not None


def _insert(store: Store, person: Person, now: datetime) -> int:
    at = to_iso(now)
    row: Row = {
        "phone": next(iter(person.phones), None),
        "name": person.name,
        "aliases": json.dumps(_united([], person.aliases), ensure_ascii=False),
        "tags": json.dumps(_united([], person.tags), ensure_ascii=False),
        "is_favorite": person.is_favorite,
        "notes": person.notes or None,
        "timezone": person.timezone,
        "is_settled": person.is_chosen,
        "created_at": at,
        "updated_at": at,
    }
    number = store.insert("contacts", row)
    assert number is not None  # noqa: S101
    for phone, label in person.phones.items():
        store.insert("contact_phones", {"phone": phone, "contact_id": number, "label": label})
    return number


def _update(store: Store, number: int, changes: Row, now: datetime) -> None:
    columns = ", ".join(f"{name} = :{name}" for name in (*changes, "updated_at"))
    params = {**changes, "updated_at": to_iso(now), "id": number}
    store.execute(f"UPDATE contacts SET {columns} WHERE id = :id", params)


def _expect_free(store: Store, phone: str, number: int | None) -> None:
    owner = contacts.by_phone(store, phone)
    if owner and owner["id"] != number:
        raise WaError(
            "usage", f"+{phone} is {owner['name']}'s already", "wa contacts show, edit or merge changes that"
        )
