"""Contacts as the user adds, changes and merges them. Each function is one transaction."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from wa.errors import WaError
from wa.people import contacts
from wa.people.birthday_texts import typed_birthday
from wa.people.person import Person, checked_name, checked_phone, united
from wa.people.recipients import expect_free
from wa.store.database import Row, Store
from wa.store.fold import fold_name, tidy
from wa.store.rewrites import contact_changed, contact_removed
from wa.times import load_zone


def add(
    store: Store,
    name: str,
    phones: Iterable[str],
    now: datetime,
    *,
    region: str | None,
    aliases: Iterable[str] = (),
    tags: Iterable[str] = (),
    notes: str | None = None,
    timezone: str | None = None,
    birthday: str | None = None,
    today: date | None = None,
    is_favorite: bool = False,
    force: bool = False,
) -> Row:
    """Add a contact; the first number is its main one. Return its row.

    Raise WaError `usage` for an empty name, an invalid number, zone or birthday, a number of another
    contact, and, without `force`, an alias that is somebody else's name.
    """
    person = Person(
        checked_name(name),
        dict.fromkeys(checked_phone(each, region) for each in phones),
        list(filter(None, map(tidy, aliases))),
        list(filter(None, map(tidy, tags))),
        is_favorite,
        tidy(notes or ""),
        str(load_zone(timezone)) if timezone else None,
        typed_birthday(birthday, today or now.date()) if birthday else None,
        is_chosen=True,
    )
    with store.write():
        if not force:
            expect_free(store, person.aliases, None)
        for phone in person.phones:
            _expect_free(store, phone, None)
        number = contacts.insert(store, person, now)
    return contacts.get(store, number)


def edit(
    store: Store,
    number: int,
    now: datetime,
    *,
    region: str | None,
    name: str | None = None,
    phones: Sequence[str] = (),
    without: Sequence[str] = (),
    notes: str | None = None,
    timezone: str | None = None,
    birthday: str | None = None,
    today: date | None = None,
) -> Row:
    """Change a contact. Return its row.

    The last of `phones` becomes its main number, the numbers `without` are removed, and so are notes,
    a zone and a birthday given as "". Raise WaError `usage` when nothing is to change and as `add` does, and
    `not-found` for a number to remove that is not the contact's.
    """
    changes: Row = {}
    if name is not None:
        changes["name"] = checked_name(name)
    if notes is not None:
        changes["notes"] = tidy(notes) or None
    if timezone is not None:
        changes["timezone"] = str(load_zone(timezone)) if timezone else None
    if birthday is not None:
        changes["birthday"] = typed_birthday(birthday, today or now.date()) if birthday.strip() else None
    new = [checked_phone(each, region) for each in phones]
    gone = [checked_phone(each, region) for each in without]
    with store.write():
        row = contacts.get(store, number)
        known = {each["phone"] for each in row["phones"]}
        if stranger := next((each for each in gone if each not in known), None):
            raise WaError(
                "not-found", f"+{stranger} is not a number of {row['name']}", f"wa contacts show {number}"
            )
        if not (changes or new or gone):
            raise WaError(
                "usage", "there is nothing to change", "give --name, --phone, --notes, --tz or --birthday"
            )
        _edit(store, row, changes, new, gone, now)
    return contacts.get(store, number)


def _edit(
    store: Store, row: Row, changes: Row, phones: Iterable[str], without: Iterable[str], now: datetime
) -> None:
    number, before = row["id"], {each["phone"] for each in row["phones"]}
    main = row["phone"]
    for main in phones:
        _expect_free(store, main, number)
        contacts.add_phone(store, number, main, None)
    for phone in without:
        contacts.remove_phone(store, number, phone)
    rest = contacts.get(store, number)["phones"]
    if main not in {each["phone"] for each in rest}:  # the main number was removed
        rest.sort(key=lambda each: "mobile" not in (each["label"] or ""))
        main = rest[0]["phone"] if rest else None
    if "name" in changes or phones:
        contacts.settle(store, number)
    changes = {name: value for name, value in {**changes, "phone": main}.items() if value != row[name]}
    after = {each["phone"] for each in rest}
    if changes or before != after:
        contacts.update(store, number, changes, now)
        contact_changed.run(store, number, before - after, now)


def save(
    store: Store,
    number: int,
    now: datetime,
    *,
    region: str | None,
    phones: Sequence[str],
    aliases: Iterable[str],
    tags: Iterable[str],
    is_favorite: bool,
    today: date,
    **changes: str | None,
) -> Row:
    """Make a contact what a form says: these numbers, the first its main one, these aliases and tags.

    `changes`, and what is raised, is as in `edit`. All of it is one transaction.
    """
    wanted = list(dict.fromkeys(checked_phone(each, region) for each in phones))
    with store.write():
        row = contacts.get(store, number)
        gone = [f"+{each['phone']}" for each in row["phones"] if each["phone"] not in wanted]
        new = [f"+{each}" for each in reversed(wanted)]  # whole numbers, whatever the region
        edit(store, number, now, region=region, phones=new, without=gone, today=today, **changes)
        for column, words in (("aliases", aliases), ("tags", tags)):
            given = [word for word in map(tidy, words) if fold_name(word)]
            kept = {fold_name(word) for word in given}
            known = {fold_name(word) for word in row[column]}
            if dropped := [word for word in row[column] if fold_name(word) not in kept]:
                change_words(store, number, column, dropped, now, remove=True)
            if added := [word for word in given if fold_name(word) not in known]:
                change_words(store, number, column, added, now)
        set_favorite(store, number, is_favorite, now)
    return contacts.get(store, number)


def set_favorite(store: Store, number: int, is_favorite: bool, now: datetime) -> Row:
    """Make a contact a favourite, or an ordinary one again. Return its row."""
    with store.write():
        if bool(contacts.get(store, number)["is_favorite"]) != is_favorite:
            contacts.update(store, number, {"is_favorite": is_favorite}, now)
    return contacts.get(store, number)


def change_words(
    store: Store,
    number: int,
    column: str,
    words: Iterable[str],
    now: datetime,
    *,
    remove: bool = False,
    force: bool = False,
) -> Row:
    """Add or remove words of the column `aliases` or `tags`. Return the contact's row.

    Raise WaError `usage` for an invalid word and, without `force`, for a new alias that is somebody else's
    name.
    """
    wanted = [word for word in map(tidy, words) if fold_name(word)]
    if not wanted:
        raise WaError("usage", "there is nothing to add or remove", f"give the {column}")
    useless = [word for word in wanted if fold_name(word) == "me" or re.fullmatch(r"\+?[\d ]{7,}", word)]
    if column == "aliases" and useless and not remove:
        raise WaError(
            "usage", f"{useless[0]!r} cannot be an alias", "an alias is a word, not a number or `me`"
        )
    with store.write():
        row = contacts.get(store, number)
        if column == "aliases" and not (remove or force):
            expect_free(store, wanted, number)
        if remove:
            gone = {fold_name(word) for word in wanted}
            found = [word for word in row[column] if fold_name(word) not in gone]
        else:
            found = united(row[column], wanted)
        if found != row[column]:
            contacts.update(store, number, {column: json.dumps(found, ensure_ascii=False)}, now)
    return contacts.get(store, number)


def annotate(
    store: Store,
    number: int,
    now: datetime,
    *,
    add: Mapping[str, Sequence[str]],
    remove: Mapping[str, Sequence[str]],
    notes: str | None = None,
    is_favorite: bool | None = None,
) -> Row:
    """Change what is noted about a contact, and neither its name nor its numbers. Return its row.

    `add` and `remove` are words of the columns `aliases` and `tags`. All of it is one transaction. Raise
    WaError `usage` when nothing is to change, and as `change_words` does.
    """
    if not any((*add.values(), *remove.values(), notes is not None, is_favorite is not None)):
        raise WaError("usage", "there is nothing to change", "give aliases, tags, notes or favorite")
    with store.write():
        for words, is_removal in ((remove, True), (add, False)):
            for column, given in words.items():
                if given:
                    change_words(store, number, column, given, now, remove=is_removal)
        if notes is not None:
            edit(store, number, now, region=None, notes=notes)
        if is_favorite is not None:
            set_favorite(store, number, is_favorite, now)
    return contacts.get(store, number)


def remove(store: Store, number: int) -> None:
    """Remove a contact. Its chat and messages stay. Raise WaError `not-found`."""
    with store.write():
        contacts.get(store, number)
        contact_removed.run(store, number)
        contacts.delete(store, number)


def merge(store: Store, number: int, other: int, now: datetime) -> Row:
    """Merge the contact `other` into the contact `number`. No data is lost; its name becomes an alias."""
    if number == other:
        raise WaError("usage", "both are the same contact", "name two contacts")
    with store.write():
        contacts.absorb(store, number, other, now)
        contacts.settle(store, number)
    return contacts.get(store, number)


def _expect_free(store: Store, phone: str, number: int | None) -> None:
    owner = contacts.by_phone(store, phone)
    if owner and owner["id"] != number:
        raise WaError(
            "usage", f"+{phone} is {owner['name']}'s already", "wa contacts show, edit or merge changes that"
        )
