"""A person from a card or from the user, and the comparison with a stored contact."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from wa.errors import WaError
from wa.phones import parse_phone
from wa.store.database import Row
from wa.store.fold import fold_name, tidy


@dataclass
class Person:
    """The fields of a person. Numbers are international digits, the main one first."""

    name: str
    phones: dict[str, str | None] = field(default_factory=dict)
    """Labels by number."""
    aliases: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    is_favorite: bool = False
    notes: str | None = None
    timezone: str | None = None
    birthday: str | None = None
    """As `wa.people.birthday_texts` stores it."""
    is_named: bool = True
    """False where the name is only a number."""
    is_chosen: bool = False
    """Whether the user chose the name, and no import may change it."""
    name_parts: list[str] = field(default_factory=list)
    """The name in the parts of a card, for the card that is written of it."""
    numbers_as_written: dict[str, str | None] = field(default_factory=dict)
    """The number, or numbers with a space between, that each text was read as; it depends on the region."""


def checked_phone(text: str, region: str | None) -> str:
    """Return the international digits of a number that somebody typed. Raise WaError `usage`."""
    digits = parse_phone(text, region)
    if digits is None:
        raise WaError("usage", f"{text!r} is not a phone number", "write it as 447700900123")
    return digits


def checked_name(text: str) -> str:
    """Return a name without space around it. Raise WaError `usage` when nothing is left."""
    name = tidy(text)
    if not fold_name(name):
        raise WaError("usage", "the name is empty", 'wa contacts add "Reem" 447700900123')
    return name


def is_number(name: str) -> bool:
    """Return whether a name is only a phone number."""
    return re.fullmatch(r"[\d\s+().\-/]+", name) is not None


def united(words: list[str], more: Iterable[str]) -> list[str]:
    """Return both lists as one; words that differ only in case and accents count as the same."""
    known = {fold_name(word) for word in words}
    found = list(words)
    for word in more:
        if fold_name(word) not in known:
            known.add(fold_name(word))
            found.append(word)
    return found


def additions(row: Row, person: Person, *, keep_name: bool) -> Row:
    """Return the columns, with new values, to which a person adds something in a contact's row."""
    changes: Row = {}
    aliases = list(person.aliases)
    if person.is_named and person.name != row["name"]:
        other = person.name
        if not keep_name:
            changes["name"], other = person.name, row["name"]
        if not is_number(other):
            aliases = [other, *aliases]
    name = fold_name(str(changes.get("name", row["name"])))
    own = [each for each in row["aliases"] if "name" not in changes or fold_name(each) != name]
    aliases = united(own, (each for each in aliases if fold_name(each) != name))
    if aliases != row["aliases"]:
        changes["aliases"] = json.dumps(aliases, ensure_ascii=False)
    if (tags := united(row["tags"], person.tags)) != row["tags"]:
        changes["tags"] = json.dumps(tags, ensure_ascii=False)
    if person.notes and f"\n\n{person.notes}\n\n" not in f"\n\n{row['notes']}\n\n":
        changes["notes"] = f"{row['notes']}\n\n{person.notes}" if row["notes"] else person.notes
    if person.is_favorite and not row["is_favorite"]:
        changes["is_favorite"] = True
    if person.timezone and not row["timezone"]:
        changes["timezone"] = person.timezone
    if person.birthday:
        from wa.people.birthday_texts import fuller  # most commands need no birthdays

        if (better := fuller(row["birthday"] or person.birthday, person.birthday)) != row["birthday"]:
            changes["birthday"] = better
    return changes


def names_agree(row: Row, person: Person) -> bool:
    """Return whether a name of one contains a name of the other, such as Zoe and Zoë Sample."""
    if is_number(row["name"]) or not person.is_named:
        return True  # one of the two has no name to compare
    ours = [set(fold_name(name).split()) for name in (row["name"], *row["aliases"])]
    theirs = [set(fold_name(name).split()) for name in (person.name, *person.aliases)]
    return any(a and b and (a <= b or b <= a) for a in ours for b in theirs)


def mobiles_differ(row: Row, person: Person) -> bool:
    """Return whether each has a mobile that the other lacks, as John Smith and John Smith Jr. have."""
    if fold_name(row["name"]) == fold_name(person.name):
        return False
    ours = {each["phone"] for each in row["phones"] if "mobile" in (each["label"] or "")}
    theirs = {phone for phone, label in person.phones.items() if "mobile" in (label or "")}
    return bool(ours and theirs and not ours & theirs)
