"""The import of the old tool's contacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from wa.imports.wajs.fields import Complain, Skip, a_list, an_object, text, texts
from wa.jids import phone_in
from wa.people.birthday_texts import read_birthday
from wa.people.from_cards import import_person
from wa.people.person import Person
from wa.phones import read_numbers
from wa.store.database import Row, Store
from wa.store.fold import tidy


def import_contact(
    store: Store, key: str | int, record: Any, complain: Complain, *, region: str | None, now: datetime
) -> bool:
    """Import a contact; return whether anything in it is new. Raise Skip."""
    record = an_object(record)
    phones: dict[str, str | None] = {}
    written: dict[str, str | None] = {}
    for number, label in _numbers_of(record).items():
        found = _read(number, region)
        written[number] = " ".join(found) or None
        if not found:
            complain("a number of it cannot be read", f"{number} of record {key}")
        for phone in found:
            phones.setdefault(phone, label)
    if not phones and isinstance(key, str):  # in the old tool the key of a contact is its number
        phones = dict.fromkeys(_read(key, region))
        written[key] = " ".join(phones) or None
        if not phones and any(map(str.isdigit, key)):
            complain("a number of it cannot be read", f"{key}")
    person = Person(
        tidy(text(record, "name")),
        phones,
        [tidy(each) for each in texts(record, "aliases")],
        [tidy(each) for each in texts(record, "tags")],
        any(record.get(name) in (True, 1) for name in ("favorite", "is_favorite", "isFavorite")),
        tidy(text(record, "notes", "")) or None,
        is_chosen=True,  # the user is used to these names
        numbers_as_written=written,
    )
    if not person.name:
        raise Skip("it has no name")
    if born := text(record, "birthday", ""):
        try:
            person.birthday = read_birthday(born, now.date())
        except ValueError as error:
            complain("a birthday of it cannot be read", f"{born} of {person.name} {error}")
    outcome = import_person(store, person, now)
    for phone, owner in outcome.taken.items():
        complain("a number of it is somebody else's, and stays so", f"+{phone} of {person.name}: {owner}")
    return outcome.kind != "unchanged"


def _read(text: str, region: str | None) -> list[str]:
    """Return the numbers in a text, without pauses, extensions and service codes."""
    if phone := phone_in(text, region):
        return [phone]
    try:
        return [phone for phone, _ in read_numbers(text, region)]
    except ValueError:
        return []


def _numbers_of(record: Row) -> dict[str, str | None]:
    """Return the numbers of a contact as they are written, with a label where there is one."""
    found: dict[str, str | None] = {}
    given = record.get("phones") or {}
    if isinstance(given, dict):
        for name, number in given.items():
            found.setdefault(_as_number(number), None if name in ("primary", "secondary") else name)
        given = []
    for number in [*a_list(given), *a_list(record.get("numbers") or []), record.get("phone")]:
        found.setdefault(_as_number(number), None)
    found.pop("", None)
    return found


def _as_number(found: Any) -> str:
    if isinstance(found, (str, int)) and not isinstance(found, bool):
        return str(found)
    if found is None:
        return ""
    raise Skip("a number of it is not a string")
