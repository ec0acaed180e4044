"""Contacts from files and into files: vCards, lists of aliases, JSON, CSV and plain text."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from wa.errors import WaError
from wa.people import contacts
from wa.people import edit as addressbook
from wa.people.edit import Person
from wa.people.skipped import Skipped
from wa.people.vcard import Card, Problem, Tel, read_cards, write_card
from wa.people.vcard_lines import is_text_encoding
from wa.phones import known_region, read_number
from wa.store.database import Row, Store
from wa.store.files import storage_error

_BATCH = 100
"""Cards a transaction, so that nobody waits for it."""
_SHOWN = 60
"""Characters of a bad line that are worth showing."""
CSV_COLUMNS = ("name", "phone", "phones", "aliases", "tags", "is_favorite", "notes", "timezone")


@dataclass
class Report:
    """What became of the cards or lines of an import."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: Skipped = field(default_factory=Skipped)
    problems: list[Row] = field(default_factory=list)
    """Each place that was skipped: file, line, card, reason."""
    warnings: list[Row] = field(default_factory=list)
    """What was taken, but may be wrong."""

    def count(self, outcome: str) -> None:
        """One more of `added`, `updated`, `unchanged`."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    def skip(self, file: str, problem: Problem, reason: str | None = None) -> None:
        """Something was left out; `reason` is the problem's where it names no text of the file."""
        self.skipped.add(reason or problem.reason, f"{file}:{problem.line}")
        self.problems.append(_place(file, problem))

    def warn(self, file: str, problem: Problem) -> None:
        """Something was taken with a doubt."""
        self.warnings.append(_place(file, problem))

    def row(self) -> Row:
        """Return the report as data."""
        return {**vars(self), **self.skipped.row()}


def _place(file: str, problem: Problem) -> Row:
    return {"file": file, "line": problem.line, "card": problem.card, "reason": problem.reason}


# ── In ──────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def opened(name: str, stdin: BinaryIO) -> Iterator[BinaryIO]:
    """A file to read, or standard input for `-`. Raises WaError `not-found`, `bad-data`, `storage-error`."""
    if name == "-":
        yield stdin
        return
    path = Path(name)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise WaError("not-found", f"there is no file {name}", None) from None
    except IsADirectoryError:
        raise WaError("bad-data", f"{name} is a directory", f"name the files in it: {name}/*") from None
    except OSError as error:
        raise storage_error(error, path) from error
    with file:
        yield file


def import_cards(
    store: Store,
    files: Sequence[str],
    stdin: BinaryIO,
    now: datetime,
    *,
    region: str | None,
    charset: str = "cp1252",
    dry_run: bool = False,
) -> Report:
    """Take the cards of files into the contacts. All files are looked at before anything is written.

    Raises WaError `bad-data` where no file has a card in it, `usage` for an
    unknown region or charset, and what `opened` raises.
    """
    if not is_text_encoding(charset):
        raise WaError("usage", f"{charset!r} is not an encoding", "such as cp1251 or iso-8859-7")
    if region and not known_region(region.upper()):
        raise WaError("usage", f"{region!r} is not a country", "use a two-letter country code such as GB")
    for file in files:
        with opened(file, stdin):
            pass
    report, has_cards = Report(), False
    with store.rehearse(*addressbook.TABLES) if dry_run else nullcontext():
        for file in files:
            with opened(file, stdin) as stream:
                cards = read_cards(stream, charset)
                start = list(islice(cards, 2))  # what is no card at all is one stray line
                if not any(isinstance(card, Card) for card in start):
                    report.skip(file, Problem(1, None, "there is no vCard in it"))
                    continue
                has_cards = True
                cards = chain(start, cards)
                while batch := list(islice(cards, _BATCH)):
                    with store.write():
                        for card in batch:
                            _import_card(store, file, card, report, region and region.upper(), now)
    if not has_cards:
        raise WaError(
            "bad-data", f"there is no vCard in {', '.join(files)}", "export one from an address book"
        )
    return report


def _import_card(
    store: Store, file: str, card: Card | Problem, report: Report, region: str | None, now: datetime
) -> None:
    if isinstance(card, Problem):
        report.skip(file, card)
        return
    for problem in card.problems:
        report.skip(file, problem)
    for problem in card.warnings:
        report.warn(file, problem)
    person, lines = _person(file, card, report, region)
    if not person.name:
        report.skip(file, Problem(card.line, None, "this card has neither a name nor a number"))
        return
    outcome, taken, other = addressbook.put(store, person, now)
    report.count(outcome)
    if other:
        report.warn(file, Problem(card.line, person.name, f"it has the number of {other}: they are one now"))
    for phone, owner in taken.items():
        problem = Problem(lines[phone], card.name, f"+{phone} is {owner}'s, and stays so")
        report.skip(file, problem, "the number is somebody else's, and stays so")


def _person(file: str, card: Card, report: Report, region: str | None) -> tuple[Person, dict[str, int]]:
    """What a card says, and in which line each number stands."""
    found: dict[str, Tel] = {}
    written: dict[str, str | None] = {}
    for tel in card.tels:
        if not tel.text and not tel.waid:
            continue
        written[tel.waid or tel.text] = None
        try:
            phone, doubt = read_number(f"+{tel.waid}" if tel.waid else tel.text, region)
        except ValueError as error:
            problem = Problem(tel.line, card.name or None, f"{tel.text[:_SHOWN]!r}: {error}")
            report.skip(file, problem, str(error))
            continue
        if doubt:
            report.warn(file, Problem(tel.line, card.name or None, f"{tel.text[:_SHOWN]!r}: {doubt}"))
        found.setdefault(phone, tel)
        written[tel.waid or tel.text] = phone
    phones = sorted(found, key=lambda phone: _how_unlikely_on_whatsapp(found[phone]))
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


def _how_unlikely_on_whatsapp(tel: Tel) -> tuple[bool, bool, bool, bool]:
    label = tel.label or ""
    return (
        not tel.waid,
        "fax" in label or "pager" in label,
        "mobile" not in label and "iphone" not in label,
        not tel.is_preferred,
    )


def import_aliases(
    store: Store, file: str, stdin: BinaryIO, now: datetime, *, region: str | None, dry_run: bool = False
) -> Report:
    """Take lines such as `Reem: Sister, Reemy, R`; `#` begins a comment. Raises what `opened` raises."""
    report = Report()
    with opened(file, stdin) as stream, store.rehearse(*addressbook.TABLES) if dry_run else nullcontext():
        known = contacts.directory(store)
        lines = enumerate(_text_lines(stream.read()), 1)
        while batch := list(islice(lines, _BATCH)):
            with store.write():
                for number, line in batch:
                    if line.strip() and not line.lstrip().startswith("#"):
                        _import_alias(store, file, number, line, report, known, region, now)
    return report


def _text_lines(raw: bytes) -> list[str]:
    try:
        return raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        is_wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return raw.decode("utf-16" if is_wide else "cp1252", "replace").splitlines()


def _import_alias(
    store: Store,
    file: str,
    number: int,
    line: str,
    report: Report,
    known: dict[str, set[int]],
    region: str | None,
    now: datetime,
) -> None:
    name, _, rest = (part.strip() for part in line.partition(":"))
    aliases = [each for each in rest.split(",") if each.strip()]
    if not name or not aliases:
        problem = Problem(number, None, f"{line[:_SHOWN]!r} is not `Name: alias, alias`")
        report.skip(file, problem, "it is not `Name: alias, alias`")
        return
    called = known.get(contacts.folded(name), set())
    if not called and (owner := contacts.by_phone(store, contacts.phone_in(name, region) or "")):
        called = {owner["id"]}
    if len(called) != 1:
        reason = "several contacts are called" if called else "there is no contact"
        report.skip(file, Problem(number, name, f"{reason} {name!r}"), f"{reason} of that name")
        return
    (contact,) = called
    before = contacts.get(store, contact)
    for alias in aliases:
        if known.get(contacts.folded(alias), set()) - {contact}:
            report.warn(
                file, Problem(number, name, f"{alias.strip()!r} is somebody else too, and so means neither")
            )
    try:
        changed = addressbook.change_words(store, contact, "aliases", aliases, now)
    except WaError as error:
        report.skip(file, Problem(number, name, error.message))
        return
    for alias in changed["aliases"]:
        known.setdefault(contacts.folded(alias), set()).add(contact)
    report.count("updated" if changed["aliases"] != before["aliases"] else "unchanged")


# ── Out ─────────────────────────────────────────────────────────────────────────────────────────────


def card_of(row: Row) -> Card:
    """A contact as a card, its main number marked as the one that WhatsApp knows."""
    tels = [
        Tel(f"+{each['phone']}", each["label"], each["phone"] if each["phone"] == row["phone"] else None)
        for each in row["phones"]
    ]
    return Card(
        row["name"],
        tels=tels,
        aliases=row["aliases"],
        tags=row["tags"],
        notes=row["notes"],
        timezone=row["timezone"],
        is_favorite=bool(row["is_favorite"]),
    )


def as_vcf(rows: Iterable[Row]) -> Iterator[str]:
    """Contacts as vCard 3.0."""
    return (write_card(card_of(row)) for row in rows)


def as_csv(rows: Iterable[Row]) -> Iterator[str]:
    """Contacts as CSV (RFC 4180); what there may be several of is joined with `; `."""

    def line(values: Iterable[object]) -> str:
        written = io.StringIO()
        csv.writer(written).writerow(values)
        return written.getvalue()

    yield line(CSV_COLUMNS)
    for row in rows:
        shown = {
            **row,
            "phones": "; ".join(each["phone"] for each in row["phones"]),
            "aliases": "; ".join(row["aliases"]),
            "tags": "; ".join(row["tags"]),
            "is_favorite": "yes" if row["is_favorite"] else "",
        }
        yield line(shown[name] for name in CSV_COLUMNS)


def as_txt(rows: Iterable[Row]) -> Iterator[str]:
    """Contacts a line each, for people."""
    for row in rows:
        phones = ", ".join(f"+{each['phone']}" for each in row["phones"])
        aliases = f" ({', '.join(row['aliases'])})" if row["aliases"] else ""
        yield " ".join(f"{row['name']}{aliases} {phones}".split()) + "\n"


FORMATS: dict[str, Callable[[Iterable[Row]], Iterator[str]]] = {
    "vcf": as_vcf,
    "csv": as_csv,
    "txt": as_txt,
}
