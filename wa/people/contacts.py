"""Contacts: the one module that writes `contacts`, their numbers and their cards.

Functions that write join the caller's transaction. `is_settled` marks a contact whose name or main
number the user chose: no import changes these any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from wa.errors import WaError
from wa.people.person import Person, additions, is_number, united
from wa.store.database import Row, Store
from wa.store.fold import fold
from wa.store.rewrites import merge_contacts
from wa.times import to_iso

TABLES = ("contacts", "contact_phones", "contact_cards", "shared_numbers")
"""The tables that an import writes; a dry run writes to copies of them."""
FOLLOWING = ("job_recipients", "scheduled_messages", "series")
"""Further tables that a merge of two contacts writes; none of them has rows in a dry run."""
_WITH_PHONES = (
    "SELECT c.id, c.phone, c.name, c.aliases, c.tags, c.is_favorite, c.notes, c.timezone, c.birthday,"
    " c.created_at, c.updated_at, (SELECT json_group_array(json_object('phone', p.phone, 'label', p.label))"
    " FROM contact_phones p WHERE p.contact_id = c.id) AS phones FROM contacts c"
)
_NOT_SHOWN = "*[\x01-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]*"
_FAVOURITES_FIRST = "ORDER BY c.is_favorite DESC, fold(c.name), c.id"

# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────


def read(store: Store, where: str = "", params: Iterable[object] = ()) -> Iterator[Row]:
    """Yield contacts (table c), favourites first, then by name; each with its numbers, the main one first."""
    for row in store.stream(f"{_WITH_PHONES} {where} {_FAVOURITES_FIRST}", list(params)):
        for name in ("aliases", "tags", "phones"):
            row[name] = [] if row[name] == "[]" else json.loads(row[name])
        if len(row["phones"]) > 1:
            row["phones"].sort(key=lambda each: (each["phone"] != row["phone"], each["phone"]))
        yield row


def get(store: Store, number: int) -> Row:
    """Return a contact by its id. Raise WaError `not-found`."""
    for row in read(store, "WHERE c.id = ?", [number]):
        return row
    raise WaError("not-found", f"there is no contact {number} any more", "wa contacts list")


def listing(store: Store, tag: str | None = None, *, favorites: bool = False) -> Iterator[Row]:
    """Yield all contacts, or those with a tag, or the favourites."""
    where, params = ["true"], []
    if tag is not None:
        where.append("EXISTS (SELECT 1 FROM json_each(c.tags) t WHERE fold(t.value) = ?)")
        params.append(fold(tag.strip()))
    if favorites:
        where.append("c.is_favorite")
    return read(store, f"WHERE {' AND '.join(where)}", params)


def beginning(store: Store, text: str) -> Iterator[Row]:
    """Yield the contacts whose name begins with a text, and those with characters that are not shown."""
    return read(store, "WHERE substr(c.name, 1, length(?1)) = ?1 OR c.name GLOB ?2", [text, _NOT_SHOWN])


def page(store: Store, limit: int, skip: int) -> list[Row]:
    """Return up to `limit` contacts, in the order of `listing`, leaving out the first `skip`."""
    # Sorted by themselves first: what belongs to each is looked up for those of the page alone.
    ids = f"SELECT c.id FROM contacts c {_FAVOURITES_FIRST} LIMIT ? OFFSET ?"
    return list(read(store, f"WHERE c.id IN ({ids})", [limit, skip]))


def by_phone(store: Store, phone: str) -> Row | None:
    """Return id, name and timezone of the contact that has a number."""
    return store.row(
        "SELECT c.id, c.name, c.timezone FROM contact_phones p JOIN contacts c ON c.id = p.contact_id"
        " WHERE p.phone = ?",
        [phone],
    )


def sharers(store: Store, phone: str) -> list[int]:
    """Return the ids of the contacts whose cards have a number that is another contact's."""
    rows = store.execute("SELECT contact_id FROM shared_numbers WHERE phone = ?", [phone])
    return [number for (number,) in rows]


def of_card(store: Store, digest: str) -> int | None:
    """Return the id of the contact into which the card with this digest was imported."""
    number: int | None = store.value("SELECT contact_id FROM contact_cards WHERE digest = ?", [digest])
    return number


def without_number(store: Store, name: str) -> int | None:
    """Return the id of the oldest contact without a number that has exactly this name."""
    number: int | None = store.value(
        "SELECT id FROM contacts INDEXED BY contacts_without_phone"
        " WHERE phone IS NULL AND name = ? ORDER BY id LIMIT 1",
        [name],
    )
    return number


def numbers_of(store: Store, number: int) -> list[str]:
    """Return all numbers of a contact."""
    rows = store.rows("SELECT phone FROM contact_phones WHERE contact_id = ?", [number])
    return [row["phone"] for row in rows]


def is_settled(store: Store, number: int) -> bool:
    """Return whether the user chose the name or the main number of a contact."""
    return bool(store.value("SELECT is_settled FROM contacts WHERE id = ?", [number]))


# ── Writing ─────────────────────────────────────────────────────────────────────────────────────────


def insert(store: Store, person: Person, now: datetime) -> int:
    """Add a contact. Return its id."""
    at = to_iso(now)
    row: Row = {
        "phone": next(iter(person.phones), None),
        "name": person.name,
        "aliases": json.dumps(united([], person.aliases), ensure_ascii=False),
        "tags": json.dumps(united([], person.tags), ensure_ascii=False),
        "is_favorite": person.is_favorite,
        "notes": person.notes or None,
        "timezone": person.timezone,
        "birthday": person.birthday,
        "is_settled": person.is_chosen,
        "created_at": at,
        "updated_at": at,
    }
    number = store.insert("contacts", row)
    assert number is not None  # noqa: S101
    for phone, label in person.phones.items():
        add_phone(store, number, phone, label)
    return number


def update(store: Store, number: int, changes: Row, now: datetime) -> None:
    """Change columns of a contact."""
    store.update("contacts", number, {**changes, "updated_at": to_iso(now)})


def settle(store: Store, number: int) -> None:
    """Protect the name and the main number of a contact from imports."""
    store.execute("UPDATE contacts SET is_settled = 1 WHERE id = ?", [number])


def keep_name_parts(store: Store, number: int, person: Person) -> None:
    """Keep the name of a contact in the parts of a card, as long as that is the contact's name."""
    if person.name_parts:
        parts = json.dumps({"name": person.name, "parts": person.name_parts}, ensure_ascii=False)
        where = "id = ? AND name = ? AND name_parts IS NOT ?"
        store.execute(
            f"UPDATE contacts SET name_parts = ? WHERE {where}", [parts, number, person.name, parts]
        )


def with_name_parts(store: Store, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield contacts with `name_parts`, the parts of their names on a card; [] if that had another name."""
    for row in rows:
        found = store.value("SELECT name_parts FROM contacts WHERE id = ?", [row["id"]])
        kept = json.loads(found) if found else {}
        yield {**row, "name_parts": kept["parts"] if kept.get("name") == row["name"] else []}


def absorb(store: Store, number: int, other: int, now: datetime) -> None:
    """Move all data of the contact `other` into the contact `number`, and remove `other`."""
    gone = get(store, other)
    merge_contacts.run(store, other, number)
    delete(store, other)
    row = get(store, number)
    person = Person(
        gone["name"],
        aliases=gone["aliases"],
        tags=gone["tags"],
        is_favorite=bool(gone["is_favorite"]),
        notes=gone["notes"],
        timezone=gone["timezone"],
        birthday=gone["birthday"],
        is_named=not is_number(gone["name"]),
    )
    changes = additions(row, person, keep_name=True)
    if row["phone"] is None and gone["phone"]:
        changes["phone"] = gone["phone"]
    update(store, number, changes, now)


@merge_contacts.part
def _merge_numbers_and_cards(store: Store, gone: int, kept: int) -> None:
    for table in ("contact_phones", "contact_cards", "shared_numbers"):
        store.execute(f"UPDATE OR IGNORE {table} SET contact_id = ? WHERE contact_id = ?", [kept, gone])


def add_phone(store: Store, number: int, phone: str, label: str | None) -> bool:
    """Give a contact a number, unless a contact has it already. Return whether it was free."""
    row = {"phone": phone, "contact_id": number, "label": label}
    return store.insert("contact_phones", row, ignore=True) is not None


def set_label(store: Store, phone: str, label: str) -> None:
    """Store the label of a number, such as `mobile`."""
    store.execute("UPDATE contact_phones SET label = ? WHERE phone = ?", [label, phone])


def share_phone(store: Store, number: int, phone: str) -> None:
    """Store that a card of a contact has a number that is another contact's."""
    store.insert("shared_numbers", {"phone": phone, "contact_id": number}, ignore=True)


def remove_phone(store: Store, number: int, phone: str) -> None:
    """Remove a number from a contact. If it was the main number, the contact has none then."""
    store.execute("DELETE FROM contact_phones WHERE phone = ? AND contact_id = ?", [phone, number])
    store.execute("UPDATE contacts SET phone = NULL WHERE id = ? AND phone = ?", [number, phone])


def add_card(store: Store, number: int, digest: str, as_written: str, person: Person) -> None:
    """Store that a card was imported into a contact: its digests, and what it was read as."""
    card = {"digest": digest, "as_written": as_written, "contact_id": number, "birthday": person.birthday}
    store.insert("contact_cards", {**card, "numbers": json.dumps(person.numbers_as_written)})


def card_birthdays(store: Store, number: int) -> set[str]:
    """Return the birthdays on the cards that were imported into a contact."""
    rows = store.execute("SELECT birthday FROM contact_cards WHERE contact_id = ?", [number])
    return {birthday for (birthday,) in rows if birthday}


def delete(store: Store, number: int) -> None:
    """Remove a contact, with its numbers and cards."""
    store.execute("DELETE FROM contacts WHERE id = ?", [number])
