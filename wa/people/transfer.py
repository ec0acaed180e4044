"""Import and export of contacts: vCards and lists of aliases in; vCards, CSV and plain text out."""

from __future__ import annotations

import codecs
import csv
import io
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.media.vcard import Card, Problem, Tel, read_cards
from wa.media.vcard_lines import is_text_encoding
from wa.media.vcard_writing import write_card
from wa.people import contacts, recipients
from wa.people.edit import change_words
from wa.people.from_cards import import_card
from wa.people.report import SHOWN, Report
from wa.phones import known_region
from wa.store.database import BATCH_SECONDS, Row, Store
from wa.store.files import storage_error
from wa.store.fold import fold_name

_READ = 1_000
"""The cards in memory."""
_BATCH = 100
"""Lines in one transaction, so that it is short."""
CSV_COLUMNS = ("name", "phone", "phones", "aliases", "tags", "is_favorite", "notes", "timezone", "birthday")


# ── In ──────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def opened(name: str, stdin: BinaryIO) -> Iterator[BinaryIO]:
    """Open a file, or for `-` standard input. Raise WaError `not-found`, `bad-data`, `storage-error`."""
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
    zone: ZoneInfo | None = None,
    dry_run: bool = False,
) -> Report:
    """Import the cards of files. Open all files before writing anything.

    Raise WaError `bad-data` if no file has a card, `usage` for an unknown region or charset, and as
    `opened` does.
    """
    if not is_text_encoding(charset):
        raise WaError("usage", f"{charset!r} is not an encoding", "such as cp1251 or iso-8859-7")
    if region and not known_region(region.upper()):
        raise WaError("usage", f"{region!r} is not a country", "use a two-letter country code such as GB")
    for file in files:
        with opened(file, stdin):
            pass
    report, has_cards = Report(), False
    with store.rehearse(*contacts.TABLES, empty=contacts.FOLLOWING) if dry_run else nullcontext():
        for file in files:
            with opened(file, stdin) as stream:
                cards = read_cards(stream, charset)
                start = list(islice(cards, 2))  # a file without any card yields one problem
                if not any(isinstance(card, Card) for card in start):
                    report.skip(file, Problem(1, None, "there is no vCard in it"))
                    continue
                has_cards = True
                cards = chain(start, cards)
                while batch := deque(islice(cards, _READ)):
                    while batch:
                        with store.write():
                            end = time.monotonic() + BATCH_SECONDS
                            while batch and time.monotonic() < end:
                                card = batch.popleft()
                                import_card(store, file, card, report, region and region.upper(), now, zone)
    if not has_cards:
        raise WaError(
            "bad-data", f"there is no vCard in {', '.join(files)}", "export one from an address book"
        )
    return report


def import_aliases(
    store: Store, file: str, stdin: BinaryIO, now: datetime, *, region: str | None, dry_run: bool = False
) -> Report:
    """Import lines such as `Reem: Sister, Reemy, R`; `#` begins a comment. Raise as `opened` does."""
    report = Report()
    with (
        opened(file, stdin) as stream,
        store.rehearse(*contacts.TABLES, empty=contacts.FOLLOWING) if dry_run else nullcontext(),
    ):
        known = recipients.directory(store)
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
        problem = Problem(number, None, f"{line[:SHOWN]!r} is not `Name: alias, alias`")
        report.skip(file, problem, "it is not `Name: alias, alias`")
        return
    try:
        before = recipients.find(store, name, region)
    except WaError as error:
        is_unclear = error.code == "ambiguous"
        reason = "several contacts have that name" if is_unclear else "no contact has that name"
        what = error.message if is_unclear else f"there is no contact {name!r}"
        report.skip(file, Problem(number, name, what), reason)
        return
    contact = before["id"]
    for alias in aliases:
        if known.get(fold_name(alias), set()) - {contact}:
            report.warn(
                file,
                Problem(
                    number, name, f"{alias.strip()!r} is a name of somebody else too, so it finds neither"
                ),
            )
    try:
        changed = change_words(store, contact, "aliases", aliases, now, force=True)
    except WaError as error:
        report.skip(file, Problem(number, name, error.message))
        return
    for alias in changed["aliases"]:
        known.setdefault(fold_name(alias), set()).add(contact)
    report.count("updated" if changed["aliases"] != before["aliases"] else "unchanged")


# ── Out ─────────────────────────────────────────────────────────────────────────────────────────────


def card_of(row: Row) -> Card:
    """Return a contact as a card; its main number is marked as the one that WhatsApp knows."""
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
        birthdays=[(row["birthday"], 0)] if row["birthday"] else [],
        is_favorite=bool(row["is_favorite"]),
        parts=row.get("name_parts", []),
    )


def as_vcf(rows: Iterable[Row]) -> Iterator[str]:
    """Yield contacts as vCard 3.0."""
    return (write_card(card_of(row)) for row in rows)


def as_csv(rows: Iterable[Row]) -> Iterator[str]:
    """Yield contacts as CSV (RFC 4180); several numbers, aliases or tags are joined with `; `."""

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
    """Yield a line of text for each contact."""
    for row in rows:
        phones = ", ".join(f"+{each['phone']}" for each in row["phones"])
        aliases = f" ({', '.join(row['aliases'])})" if row["aliases"] else ""
        yield " ".join(f"{row['name']}{aliases} {phones}".split()) + "\n"


FORMATS: dict[str, Callable[[Iterable[Row]], Iterator[str]]] = {
    "vcf": as_vcf,
    "csv": as_csv,
    "txt": as_txt,
}
