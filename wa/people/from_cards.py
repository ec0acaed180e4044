"""The import of cards into contacts, and its report.

The digest of an imported card is stored: the same card never changes anything
again. A name from a card does not count as chosen by the user.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from wa.media.vcard import Card, Problem, Tel
from wa.people import contacts
from wa.people.birthday_texts import birthday_in, fuller, in_words, is_same_day, read_birthday
from wa.people.person import Person, additions, mobiles_differ, names_agree
from wa.people.report import SHOWN, Report
from wa.phones import read_numbers
from wa.store.database import Row, Store
from wa.store.rewrites import contact_changed


@dataclass
class Outcome:
    """The result of the import of one person."""

    kind: str
    """`added`, `updated` or `unchanged`."""
    taken: dict[str, str]
    """The numbers that stay with another contact: {number: name}."""
    merged_into: str | None = None
    """The name of the contact that the person was merged into, if it differs."""
    birthday: str | None = None
    """The birthday that the contact got."""
    other_birthday: str | None = None
    """A different birthday of the contact: the one that it had, else the one that stays."""


def import_card(
    store: Store,
    file: str,
    card: Card | Problem,
    report: Report,
    region: str | None,
    now: datetime,
    zone: ZoneInfo | None = None,
) -> None:
    """Import one card, or report why it cannot be read; in the caller's transaction."""
    if isinstance(card, Problem):
        report.skip(file, card)
        return
    for problem in card.problems:
        report.skip(file, problem)
    for problem in card.warnings:
        report.warn(file, problem)
    person, lines = _person_of(file, card, report, region)
    if not person.name:
        report.skip(file, Problem(card.line, None, "this card has neither a name nor a number"))
        return
    person.birthday = _birthday_of(file, card, report, now, zone)
    outcome = import_person(store, person, now)
    report.count(outcome.kind)
    report.birthdays += outcome.birthday is not None
    if outcome.kind != "unchanged" and not card.birthdays and birthday_in(card.notes, now.date()):
        report.birthdays_in_notes += 1
    if outcome.merged_into:
        told = f"it has the number of {outcome.merged_into}: they are one now"
        report.warn(file, Problem(card.line, person.name, told))
    if outcome.other_birthday and person.birthday:
        new, other = in_words(person.birthday), in_words(outcome.other_birthday)
        told = f"its birthday was {other} until now" if outcome.birthday else f"not taken, {other} stays"
        report.warn(file, Problem(card.line, person.name, f"birthday {new}: {told}"))
    for phone, owner in outcome.taken.items():
        problem = Problem(lines[phone], card.name, f"+{phone} is {owner}'s, and stays so")
        report.skip_number(file, problem, "the number is somebody else's, and stays so")


def _birthday_of(file: str, card: Card, report: Report, now: datetime, zone: ZoneInfo | None) -> str | None:
    """Return the birthday on a card. Report what cannot be read; that does not count as skipped."""
    found = None
    for text, line in card.birthdays:
        try:
            birthday = read_birthday(text, now.astimezone(zone or timezone.utc).date(), zone)
        except ValueError as error:
            told = f"the birthday {text[:SHOWN]!r} {error}; it was left out"
            report.warn(file, Problem(line, card.name or None, told))
            continue
        found = fuller(found, birthday) if found and is_same_day(found, birthday) else found or birthday
    return found


def _person_of(file: str, card: Card, report: Report, region: str | None) -> tuple[Person, dict[str, int]]:
    """Return the person on a card, and the line of each number. Report numbers that cannot be read."""
    found: dict[str, Tel] = {}
    written: dict[str, str | None] = {}
    for tel in card.tels:
        if not tel.text and not tel.waid:
            continue
        written[tel.waid or tel.text] = None
        try:
            read = read_numbers(f"+{tel.waid}" if tel.waid else tel.text, region)
        except ValueError as error:
            problem = Problem(tel.line, card.name or None, f"{tel.text[:SHOWN]!r}: {error}")
            report.skip_number(file, problem, str(error))
            continue
        for phone, doubt in read:
            if doubt:
                report.warn(file, Problem(tel.line, card.name or None, f"{tel.text[:SHOWN]!r}: {doubt}"))
            first = found.setdefault(phone, tel)
            first.waid = first.waid or tel.waid
        written[tel.waid or tel.text] = " ".join(phone for phone, _ in read)
    phones = sorted(found, key=lambda phone: _less_likely_on_whatsapp(found[phone]))
    name = card.name
    if not card.is_named:
        name = f"+{phones[0]}" if phones else ""
    person = Person(
        name,
        {phone: found[phone].label for phone in phones},
        card.aliases,
        card.tags,
        card.is_favorite,
        card.notes,
        card.timezone,
        is_named=card.is_named,
        name_parts=card.parts if card.is_named else [],
        numbers_as_written=written,
    )
    return person, {phone: tel.line for phone, tel in found.items()}


def _less_likely_on_whatsapp(tel: Tel) -> tuple[bool, bool, bool, bool]:
    label = tel.label or ""
    return (
        not tel.waid,
        "fax" in label or "pager" in label,
        "mobile" not in label and "iphone" not in label,
        not tel.is_preferred,
    )


# ── Persons into contacts ───────────────────────────────────────────────────────────────────────────


def import_person(store: Store, person: Person, now: datetime) -> Outcome:
    """Import a person, in the caller's transaction."""
    written = _content(person, phones=None, numbers_as_written=list(person.numbers_as_written))
    digest, as_written = _digest(_content(person)), _digest(written)
    if (known := contacts.of_card(store, digest)) is not None:
        contacts.keep_name_parts(store, known, person)
        return Outcome("unchanged", _of_others(store, person, known))
    if person.birthday and (known := contacts.of_card(store, _digest(_content(person, birthday=None)))):
        outcome = _with_birthday_alone(store, person, known, now)
        contacts.add_card(store, known, digest, as_written, person)
        return outcome
    misread: set[str] = set()
    if person.numbers_as_written:
        known, misread = _reread(store, person, as_written)
    same = _contacts_of(store, person, known)
    if same:
        number = same[0]
        row = contacts.get(store, number)
        for other in same[1:]:
            contacts.absorb(store, number, other, now)
        before = misread.union(contacts.numbers_of(store, number))
        outcome = _bring_up_to_date(store, number, person, now)
        outcome.merged_into = None if names_agree(row, person) else row["name"]
        if same[1:]:
            outcome.kind = "updated"
        if outcome.kind == "updated":
            lost = before.difference(contacts.numbers_of(store, number))
            contact_changed.run(store, number, lost, now)
    else:
        taken = _of_others(store, person, None)
        free = {phone: label for phone, label in person.phones.items() if phone not in taken}
        number = contacts.insert(store, replace(person, phones=free), now)
        outcome = Outcome("added", taken, birthday=person.birthday)
    contacts.add_card(store, number, digest, as_written, person)
    contacts.keep_name_parts(store, number, person)
    outcome.taken = _of_others(store, person, number)
    for phone in outcome.taken:
        contacts.share_phone(store, number, phone)
    return outcome


def _with_birthday_alone(store: Store, person: Person, number: int, now: datetime) -> Outcome:
    """Give a contact the birthday of a card that is otherwise known, and change nothing else."""
    outcome = Outcome("unchanged", _of_others(store, person, number))
    outcome.birthday, outcome.other_birthday = _new_birthday(store, contacts.get(store, number), person)
    if outcome.birthday:
        outcome.kind = "updated"
        contacts.update(store, number, {"birthday": outcome.birthday}, now)
    return outcome


def _new_birthday(store: Store, row: Row, person: Person) -> tuple[str | None, str | None]:
    """Return the birthday that a contact gets from a card, and a different one: the old, or what stays.

    A card that says the same as an earlier one is not news: the user changed or removed the birthday
    since. A corrected card counts, unless the user gave the birthday.
    """
    new, old = person.birthday, row["birthday"]
    on_cards = contacts.card_birthdays(store, row["id"]) if new else set()
    if not new or new == old or new in on_cards:
        return None, None
    if not old:
        return new, None
    if is_same_day(old, new):
        return (new if fuller(old, new) != old else None), None
    return (new if old in on_cards else None), old


def _reread(store: Store, person: Person, as_written: str) -> tuple[int | None, set[str]]:
    """Return the contact of a card imported before; remove and return numbers that are now read otherwise."""
    known: int | None = None
    misread: set[str] = set()
    for row in store.rows("SELECT contact_id, numbers FROM contact_cards WHERE as_written = ?", [as_written]):
        known = row["contact_id"]
        for written, before in json.loads(row["numbers"]).items():
            if read := person.numbers_as_written.get(written):
                for phone in set((before or "").split()) - set(read.split()):
                    contacts.remove_phone(store, row["contact_id"], phone)
                    misread.add(phone)
    return known, misread


def _content(person: Person, **but: object) -> Row:
    """Return the fields of a person for a digest; without a birthday it is that of earlier versions."""
    content = {**vars(person), **but}
    del content["name_parts"]
    if not content["birthday"]:
        del content["birthday"]
    return content


def _digest(content: Row) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _contacts_of(store: Store, person: Person, known: int | None) -> list[int]:
    """Return the ids of the contacts of this person; the first is the one to keep.

    A card is merged into a contact if they share a number, and either it is the main number of
    both, or one name contains the other and they have no two different mobiles: several people
    share a landline. A number that a card of a contact had counts as shared, though it is another
    contact's. Further contacts are merged into the first only if their names agree with the card's
    and the user chose none of them. A card without numbers of its own is that of the contact without
    a number that has exactly its name.
    """
    owners = [owner["id"] for phone in person.phones if (owner := contacts.by_phone(store, phone))]
    numbers = {*owners, *(number for phone in person.phones for number in contacts.sharers(store, phone))}
    found = []
    for number in sorted(numbers - {known}):
        row, is_chosen = contacts.get(store, number), contacts.is_settled(store, number)
        agrees = names_agree(row, person) and not mobiles_differ(row, person)
        if agrees or (row["phone"] == next(iter(person.phones)) and not (is_chosen and person.is_chosen)):
            found.append((not is_chosen, not agrees, number))
    found.sort()
    has_own = len(owners) < len(person.phones) or (person.numbers_as_written and not person.phones)
    if known is None and not found and not has_own:
        known = contacts.without_number(store, person.name)
    first = [known] if known is not None else [number for *_, number in found[:1]]
    others = [number for may_merge, differs, number in found if may_merge and not differs]
    return first + [number for number in others if number not in first]


def _of_others(store: Store, person: Person, number: int | None) -> dict[str, str]:
    owners = {phone: contacts.by_phone(store, phone) for phone in person.phones}
    return {phone: owner["name"] for phone, owner in owners.items() if owner and owner["id"] != number}


def _bring_up_to_date(store: Store, number: int, person: Person, now: datetime) -> Outcome:
    """Bring a contact up to date with a person."""
    row = contacts.get(store, number)
    is_chosen = contacts.is_settled(store, number)
    birthday, other_birthday = _new_birthday(store, row, person)
    changes = additions(row, replace(person, birthday=None), keep_name=is_chosen)
    if birthday:
        changes["birthday"] = birthday
    if person.is_chosen and not is_chosen:
        contacts.settle(store, number)
    labels = {each["phone"]: each["label"] for each in row["phones"]}
    is_changed = False
    for phone, label in person.phones.items():
        if phone not in labels:
            is_changed |= contacts.add_phone(store, number, phone, label)
        elif label and label != labels[phone]:
            contacts.set_label(store, phone, label)
            is_changed = True
    taken = _of_others(store, person, number)
    mine = next((phone for phone in person.phones if phone not in taken), None)
    # WhatsApp is on mobiles: a mobile replaces a landline as the main number, unless the user chose that.
    better = not is_chosen and "mobile" in (person.phones.get(mine or "") or "")
    if mine and (row["phone"] is None or (better and "mobile" not in (labels.get(row["phone"]) or ""))):
        changes["phone"] = mine
    if changes or is_changed:
        contacts.update(store, number, changes, now)
    kind = "updated" if changes or is_changed else "unchanged"
    return Outcome(kind, {}, birthday=birthday, other_birthday=other_birthday)
