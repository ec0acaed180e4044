"""The import of cards into contacts, and its report.

The digest of an imported card is stored: the same card never changes anything
again. A name from a card does not count as chosen by the user.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import datetime

from wa.media.vcard import Card, Problem, Tel
from wa.people import contacts
from wa.people.person import Person, additions, mobiles_differ, names_agree
from wa.people.skipped import Skipped
from wa.phones import read_numbers
from wa.store.database import Row, Store

SHOWN = 60
"""Characters of a bad line that are shown."""


@dataclass
class Report:
    """The report of an import: counts of outcomes, and the places with problems or warnings."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: Skipped = field(default_factory=Skipped)
    problems: list[Row] = field(default_factory=list)
    """The places that were skipped: file, line, card, reason."""
    warnings: list[Row] = field(default_factory=list)
    """The places that were imported but may be wrong, in the same form."""

    def count(self, outcome: str) -> None:
        """Count one more `added`, `updated` or `unchanged`."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    def skip(self, file: str, problem: Problem, reason: str | None = None) -> None:
        """Report a skipped place. `reason` groups the counts if the problem's own reason quotes the file."""
        self.skipped.add(reason or problem.reason, f"{file}:{problem.line}")
        self.problems.append(_place(file, problem))

    def warn(self, file: str, problem: Problem) -> None:
        """Report a place that was imported but may be wrong."""
        self.warnings.append(_place(file, problem))

    def row(self) -> Row:
        """Return the report as data."""
        return {**vars(self), **self.skipped.row()}


def _place(file: str, problem: Problem) -> Row:
    return {"file": file, "line": problem.line, "card": problem.card, "reason": problem.reason}


def import_card(
    store: Store, file: str, card: Card | Problem, report: Report, region: str | None, now: datetime
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
    outcome, taken, other = import_person(store, person, now)
    report.count(outcome)
    if other:
        report.warn(file, Problem(card.line, person.name, f"it has the number of {other}: they are one now"))
    for phone, owner in taken.items():
        problem = Problem(lines[phone], card.name, f"+{phone} is {owner}'s, and stays so")
        report.skip(file, problem, "the number is somebody else's, and stays so")


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
            report.skip(file, problem, str(error))
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


def import_person(store: Store, person: Person, now: datetime) -> tuple[str, dict[str, str], str | None]:
    """Import a person, in the caller's transaction.

    Return `added`, `updated` or `unchanged`; the numbers that stay with another contact
    ({number: name}); and the name of the contact that the person was merged into, if it differs.
    """
    written = {**vars(person), "phones": None, "numbers_as_written": list(person.numbers_as_written)}
    digest, as_written = _digest(vars(person)), _digest(written)
    known: int | None = store.value("SELECT contact_id FROM contact_cards WHERE digest = ?", [digest])
    if known is not None:
        return "unchanged", _of_others(store, person, known), None
    if person.numbers_as_written:
        known = _reread(store, person, as_written)
    same = _contacts_of(store, person, known)
    other_name = None
    if same:
        number = same[0]
        row = contacts.get(store, number)
        other_name = None if names_agree(row, person) else row["name"]
        for other in same[1:]:
            contacts.absorb(store, number, other, now)
        outcome = "updated" if _bring_up_to_date(store, number, person, now) or same[1:] else "unchanged"
    else:
        taken = _of_others(store, person, None)
        free = {phone: label for phone, label in person.phones.items() if phone not in taken}
        outcome, number = "added", contacts.insert(store, replace(person, phones=free), now)
    contacts.add_card(store, number, digest, as_written, person.numbers_as_written)
    taken = _of_others(store, person, number)
    for phone in taken:
        contacts.share_phone(store, number, phone)
    return outcome, taken, other_name


def _reread(store: Store, person: Person, as_written: str) -> int | None:
    """Return the contact of a card imported before; remove numbers that are now read differently."""
    known: int | None = None
    for row in store.rows("SELECT contact_id, numbers FROM contact_cards WHERE as_written = ?", [as_written]):
        known = row["contact_id"]
        for written, before in json.loads(row["numbers"]).items():
            if read := person.numbers_as_written.get(written):
                for phone in set((before or "").split()) - set(read.split()):
                    contacts.remove_phone(store, row["contact_id"], phone)
    return known


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


def _bring_up_to_date(store: Store, number: int, person: Person, now: datetime) -> bool:
    """Bring a contact up to date with a person. Return whether that changed anything."""
    row = contacts.get(store, number)
    is_chosen = contacts.is_settled(store, number)
    changes = additions(row, person, keep_name=is_chosen)
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
    return bool(changes) or is_changed
