"""Small cards with one oddity each, beside real files; and helpers that import them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import Result

from wa.store.paths import Home

Wa = Callable[..., Result]

_FOLDER = Path(__file__).parents[2] / "vcards"
MADE_UP = {path.stem: path for path in sorted((_FOLDER / "made_up").glob("*.vcf"))}
REAL_FILES = sorted(set(_FOLDER.rglob("*.vcf")) - set(MADE_UP.values()))
REEM_TEL = "+44 7700 900123"
ADAM_TEL = "+44 7700 900456"


def card(*lines: str, version: str = "3.0", eol: str = "\r\n") -> str:
    """Return a card with these lines in it."""
    return "".join(f"{line}{eol}" for line in ("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD"))


ADAM_CARD = card("FN:Adam", f"TEL:{ADAM_TEL}")
"""A sound card, which has to be imported whatever card is beside it."""


def dump(home: Home | Path) -> dict[str, list[Any]]:
    """Return every row of every table, without the times at which the tables were made."""
    path = home.store if isinstance(home, Home) else home / "wa.db"
    if not path.exists():
        return {}
    db = sqlite3.connect(path)
    try:
        names = [
            name
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            if "migrations" not in name
        ]
        return {name: sorted(map(repr, db.execute(f'SELECT * FROM "{name}"'))) for name in names}
    finally:
        db.close()


def numbers_in(home: Home) -> set[str]:
    """Return every number that any contact has."""
    db = sqlite3.connect(home.store)
    try:
        return {phone for (phone,) in db.execute("SELECT phone FROM contact_phones")}
    finally:
        db.close()


@dataclass
class Imported:
    """The result of an import: its report, and the contacts afterwards."""

    code: int
    report: dict[str, Any]
    people: list[dict[str, Any]]
    err: str = field(repr=False)

    def named(self, name: str) -> dict[str, Any]:
        """Return the one contact with this name."""
        (found,) = [each for each in self.people if each["name"] == name]
        return found

    def owner(self, phone: str) -> dict[str, Any]:
        """Return the one contact with this number."""
        (found,) = [each for each in self.people if phone in numbers(each)]
        return found

    @property
    def names(self) -> list[str]:
        """Return the names of all contacts."""
        return sorted(each["name"] for each in self.people)

    def told_of(self, line: int) -> list[str]:
        """Return the reasons reported for this line, whether it was skipped or only doubted."""
        every = self.report["problems"] + self.report["warnings"]
        return [each["reason"] for each in every if each["line"] == line]


def numbers(contact: dict[str, Any]) -> list[str]:
    """Return a contact's numbers, the main number first."""
    return [each["phone"] for each in contact["phones"]]


def import_file(wa: Wa, path: Path, data: bytes | str, *options: str, **env: Any) -> Imported:
    """Write a file, import it, and return the result."""
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    result = wa("contacts", "import-vcf", str(path), *options, "--json", **env)
    assert result.code in (0, 8), result.err
    assert "Traceback" not in result.err
    listed = wa("contacts", "list", "--json", **{key: env[key] for key in ("WA_HOME",) if key in env})
    assert listed.code == 0, listed.err
    return Imported(result.code, result.json, listed.json, result.err)


# ── A second parser for the lines with numbers ────────────────────────────────────────────────────


@dataclass(frozen=True)
class TelLine:
    """A line with a number: where its first physical line is, and its value."""

    line: int
    value: str

    @property
    def digits(self) -> int:
        """Return how many digits the value has."""
        return sum(c.isdigit() for c in self.value)


_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


def tel_lines(data: bytes) -> list[TelLine]:
    """Return the TEL lines of a file, unfolded; for counting, not for reading names."""
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "latin-1")
    logical: list[tuple[int, str]] = []
    for number, line in enumerate(re.split("\r*\n|\r", data.decode(encoding)), start=1):
        if line[:1] in (" ", "\t") and logical:
            start, text = logical[-1]
            logical[-1] = (start, text + line[1:])
        else:
            logical.append((number, line))
    found = []
    for number, text in logical:
        if match := re.match(r"(?i)(?:[\w-]+\.)?TEL(?:;[^:]*)?:(.*)", text):
            found.append(TelLine(number, match[1]))
    return found
