"""Address books over time: an export can be imported, a repeat changes nothing, your own edits stay."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import stat
import tempfile
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import vobject
from conftest import ADAM, REEM, FakeClock
from examples import examples
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from vcard_cases import (
    ADAM_TEL,
    MADE_UP,
    REAL_FILES,
    REEM_TEL,
    Imported,
    Wa,
    card,
    dump,
    import_file,
    numbers,
)
from vobject.icalendar import stringToTextValues

from wa.people import contacts
from wa.store.database import Store
from wa.store.paths import Home
from wa.store.rewrites import contact_changed, merge_contacts

ZOE = "12025550123"
ZOE_TEL = "+1 202 555 0123"
OWN = ("id", "created_at", "updated_at")
"""The fields of a contact that differ between homes."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def take(wa: Wa, tmp_path: Path, clock: FakeClock) -> Any:
    """Import cards, a day later each time."""

    def run(*cards: str, options: tuple[str, ...] = ()) -> Imported:
        clock.advance(days=1)
        return import_file(wa, tmp_path / "people.vcf", "".join(cards), *options, now=clock)

    return run


@pytest.fixture
def do(wa: Wa, clock: FakeClock) -> Any:
    """Run a `wa contacts` command that succeeds, a day later each time; return its output."""

    def run(*args: str) -> Any:
        clock.advance(days=1)
        result = wa("contacts", *args, "--json", now=clock)
        assert result.code == 0, result.err
        return result.json

    return run


def people(wa: Wa, **env: str) -> list[dict[str, Any]]:
    """Return all contacts, without the fields that differ between homes."""
    found = wa("contacts", "list", "--json", **env).json
    return sorted(
        ({name: value for name, value in row.items() if name not in OWN} for row in found),
        key=lambda row: json.dumps(row, sort_keys=True),
    )


# ── Export and import again ───────────────────────────────────────────────────────────────────────

PLAIN = "ab zA,;\\:\"'=<>%{}-_^&|é ßλЖשﷺעمر漢😀👩\u200d👧\u0301"
LINE_ENDS = "\n\r\t\x0b\x0c\x1c\x85\u2028\u2029\u00a0"
NUMBERS = [f"44770090{n:04}" for n in range(0, 1000, 7)] + [f"120255501{n:02}" for n in range(0, 100, 3)]
LABELS = [None, "mobile", "home", "work", "Büro", "a,b;c\\d", "Mum’s ☎"]
ZONES = [None, "Europe/London", "Asia/Kolkata", "America/Argentina/Buenos_Aires"]


def texts(alphabet: str, most: int = 12) -> st.SearchStrategy[str]:
    """Return a strategy for short texts; they begin with a letter where they may not be empty."""
    return st.builds("{}{}".format, st.sampled_from("ZRعא😀"), st.text(alphabet, max_size=most))


def persons(alphabet: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for one person, as `contacts add` takes them."""
    return st.fixed_dictionaries(
        {
            "name": texts(alphabet, 90),
            "phones": st.lists(st.sampled_from(NUMBERS), max_size=3, unique=True),
            "labels": st.lists(st.sampled_from(LABELS), min_size=3, max_size=3),
            "aliases": st.lists(texts(alphabet), max_size=3),
            "tags": st.lists(texts(alphabet), max_size=2),
            "notes": st.none() | texts(alphabet, 200),
            "zone": st.sampled_from(ZONES),
            "favorite": st.booleans(),
        }
    )


def alone(persons: list[dict[str, Any]]) -> bool:
    """Return whether no two people have a number or a name in common."""
    phones = [phone for each in persons for phone in each["phones"]]
    names = [" ".join(each["name"].split()) for each in persons]
    return len(phones) == len(set(phones)) and len(names) == len(set(names))


def books(alphabet: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return a strategy for a few people who share neither number nor name."""
    return st.lists(persons(alphabet), min_size=1, max_size=3).filter(alone)


ODD = {
    "name": "Haddad, Reem; \\n \\, “Zoë”",
    "phones": [REEM, ZOE],
    "labels": ["a,b;c\\d", None, None],
    "aliases": ["a,b", "c;d", "e\\f", "\\n", "עמר", "=C3=A9", "x\ny"],
    "tags": ["one,two", "three;four", " "],
    "notes": "first\nsecond\n\n third \\n; END:VCARD\nBEGIN:VCARD\nTEL:+447700900999 😀" + "é" * 90,
    "zone": "Europe/London",
    "favorite": True,
}
BARE = {
    "name": "Nobody",
    "phones": [],
    "labels": [None] * 3,
    "aliases": [],
    "tags": [],
    "notes": None,
    "zone": None,
    "favorite": False,
}


def add_all(wa: Wa, store_path: Path, book: list[dict[str, Any]]) -> None:
    """Put people into the home that is in force, each number with its label."""
    labels = []
    for person in book:
        args = [f"--alias={each}" for each in person["aliases"]]
        args += [f"--tag={each}" for each in person["tags"]]
        args += [f"--notes={person['notes']}"] if person["notes"] is not None else []
        args += [f"--tz={person['zone']}"] if person["zone"] else []
        args += ["--favorite"] if person["favorite"] else []
        result = wa("contacts", "add", "--force", *args, "--json", "--", person["name"], *person["phones"])
        assert result.code == 0, result.err
        assert numbers(result.json)[:1] == person["phones"][:1]
        labels += zip(person["labels"], person["phones"], strict=False)
    db = sqlite3.connect(store_path)
    with db:
        db.executemany("UPDATE contact_phones SET label = ? WHERE phone = ?", labels)
    db.close()


thorough = settings(
    max_examples=examples(45),
    phases=[Phase.explicit, Phase.generate],  # an example is a few people, and small as it is
)


@thorough
@given(books(PLAIN + LINE_ENDS))
@example([ODD, BARE])
def test_contacts_are_the_same_after_export_and_import(
    wa: Wa, tmp_path: Path, book: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as name, pytest.MonkeyPatch.context() as patch:
        home = Path(name) / "home"
        patch.setenv("WA_HOME", str(home))
        add_all(wa, home / "wa.db", book)
        exported = wa("contacts", "export")
        assert exported.code == 0, exported.err
        before = wa("contacts", "list", "--json").json
        again = wa("contacts", "import-vcf", "-", "--json", stdin=exported.out)
        assert (again.code, again.json["added"], again.json["updated"]) == (0, 0, 0), again.json
        assert wa("contacts", "list", "--json").json == before
        fresh = {"WA_HOME": str(Path(name) / "fresh")}
        copied = wa("contacts", "import-vcf", "-", "--json", stdin=exported.out, **fresh)
        assert (copied.code, copied.json["added"]) == (0, len(book)), copied.json
        assert people(wa, **fresh) == people(wa)
        assert wa("contacts", "export", **fresh).code == 0


@settings(thorough, max_examples=examples(30))
@given(books(PLAIN))
@example([ODD, BARE])
def test_other_programs_read_the_exported_cards(wa: Wa, tmp_path: Path, book: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as name, pytest.MonkeyPatch.context() as patch:
        home = Path(name) / "home"
        patch.setenv("WA_HOME", str(home))
        add_all(wa, home / "wa.db", book)
        exported = wa("contacts", "export").out
        rows = wa("contacts", "list", "--json").json
    check_lines(exported)
    cards = {each.fn.value: each for each in vobject.readComponents(exported)}
    assert set(cards) == {row["name"] for row in rows}
    for row in rows:
        found = cards[row["name"]]
        assert found.version.value == "3.0"
        assert found.n.value is not None
        digits = [re.sub(r"\D", "", each.value) for each in found.contents.get("tel", [])]
        assert digits == numbers(row)
        assert all(each.value.startswith("+") for each in found.contents.get("tel", []))
        assert [each.value for each in found.contents.get("note", [])] == [row["notes"]] * bool(row["notes"])
        tags = [tag for each in found.contents.get("categories", []) for tag in each.value]
        assert set(row["tags"]) <= set(tags)
        assert nicknames(exported)[row["name"]] == row["aliases"]


@pytest.mark.parametrize("region", ["GB", "DE"])
def test_all_files_of_these_tests_are_the_same_after_export_and_import(
    wa: Wa, home: Home, tmp_path: Path, region: str
) -> None:
    files = [str(path) for path in (*REAL_FILES, *MADE_UP.values()) if path.name != "Empty.vcf"]
    options = ["--region", region]
    assert wa("contacts", "import-vcf", *files, *options).code == 8
    before = dump(home)
    again = wa("contacts", "import-vcf", *files, *options, "--json").json
    assert (again["added"], again["updated"]) == (0, 0)
    assert dump(home) == before
    exported = wa("contacts", "export").out
    back = wa("contacts", "import-vcf", "-", "--json", stdin=exported)
    assert (back.json["added"], back.json["updated"], back.json["problems"]) == (0, 0, [])
    fresh = {"WA_HOME": str(tmp_path / "fresh")}
    copied = wa("contacts", "import-vcf", "-", "--json", stdin=exported, **fresh)
    assert (copied.code, copied.json["problems"], copied.json["unchanged"]) == (0, [], 0)
    assert people(wa, **fresh) == people(wa)
    assert wa("contacts", "export", **fresh).out == exported


def check_lines(exported: str) -> None:
    """Check the lines against RFC 2426: CRLF, at most 75 octets, no character cut in two."""
    assert exported.endswith("\r\n")
    lines = exported.split("\r\n")
    for line in lines:
        assert len(line.encode()) <= 75, line
        assert "\n" not in line
        assert "\r" not in line
    for line in lines[:-1]:
        assert re.match(r"[ \t]|[A-Za-z0-9.-]+[;:]", line), line


def nicknames(exported: str) -> dict[str, list[str]]:
    """Return all nicknames by name: vobject itself keeps only the first of a line."""
    found: dict[str, list[str]] = {}
    given: list[str] = []
    for text, _ in vobject.base.getLogicalLines(io.StringIO(exported)):
        line = vobject.base.textLineToContentLine(text)
        if line.name == "BEGIN":
            given, name = [], ""
        elif line.name == "FN":
            (name,) = stringToTextValues(line.value, listSeparator="\0")
        elif line.name == "NICKNAME":
            given += stringToTextValues(line.value)
        elif line.name == "END":
            found[name] = given
    return found


def test_an_empty_address_book_is_exported_as_an_empty_file(wa: Wa) -> None:
    for form in ("vcf", "txt"):
        result = wa("contacts", "export", "--format", form)
        assert (result.code, result.out) == (0, ""), form
    assert wa("contacts", "export", "--format", "json").json == []
    assert list(csv.DictReader(io.StringIO(wa("contacts", "export", "--format", "csv").out))) == []


# ── Exports ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def three(wa: Wa, do: Any) -> list[dict[str, Any]]:
    """Three people: one with everything, one with a number, one with a name alone."""
    notes = 'Likes "figs",\nhates; olives'
    do(
        "add", "Reem Haddad", REEM, ADAM, "--alias", "Sister", "--alias", "a,b", "--tag", "Family",
        "--notes", notes, "--tz", "Europe/London", "--favorite",
    )  # fmt: skip
    do("add", "Zoë Example", ZOE)
    do("add", "عمر")
    return wa("contacts", "list", "--json").json


def test_export_as_json_has_every_field(wa: Wa, three: list[dict[str, Any]]) -> None:
    assert wa("contacts", "export", "--format", "json").json == three
    assert {row["name"]: (row["phone"], row["is_favorite"]) for row in three} == {
        "Reem Haddad": (REEM, True),
        "Zoë Example": (ZOE, False),
        "عمر": (None, False),
    }


def test_export_as_csv_is_read_by_a_csv_reader(wa: Wa, three: list[dict[str, Any]]) -> None:
    result = wa("contacts", "export", "--format", "csv")
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(result.out, newline=""))}
    assert set(rows) == {"Reem Haddad", "Zoë Example", "عمر"}
    assert rows["Reem Haddad"]["phone"].lstrip("+'") == REEM
    assert rows["Reem Haddad"]["notes"].replace("\r\n", "\n") == 'Likes "figs",\nhates; olives'
    assert any(ADAM in value for value in rows["Reem Haddad"].values())
    assert "Sister" in rows["Reem Haddad"]["aliases"]
    assert "Family" in rows["Reem Haddad"]["tags"]
    assert rows["عمر"]["phone"] == ""
    assert all(None not in row for row in rows.values())


@pytest.mark.usefixtures("three")
def test_export_as_text_has_a_line_for_each(wa: Wa) -> None:
    lines = wa("contacts", "export", "--format", "txt").out.splitlines()
    assert len(lines) == 3
    (reem,) = [line for line in lines if "Reem Haddad" in line]
    assert REEM in reem
    assert any("عمر" in line for line in lines)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("form", ["vcf", "json", "csv", "txt"])
def test_an_exported_file_has_the_same_content_as_stdout(wa: Wa, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"people.{form}"
    path.write_text("old")
    path.chmod(0o644)
    result = wa("contacts", "export", "--format", form, "--out", str(path), "--force")
    assert result.code == 0, result.err
    assert path.read_bytes() == wa("contacts", "export", "--format", form).out.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == sorted([path, tmp_path / "home", tmp_path / "cwd"])


@pytest.mark.usefixtures("three")
def test_a_new_file_is_for_its_owner_alone(wa: Wa, tmp_path: Path) -> None:
    path = tmp_path / "people.vcf"
    assert wa("contacts", "export", "--out", str(path)).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.usefixtures("three")
def test_a_reader_of_the_old_file_goes_on_reading_it(wa: Wa, tmp_path: Path) -> None:
    path = tmp_path / "people.vcf"
    path.write_text("old")
    with path.open() as file:
        assert wa("contacts", "export", "--out", str(path), "--force").code == 0
        assert file.read() == "old"


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("where", ["cwd", "nowhere/people.vcf", "home/wa.db/people.vcf"])
def test_export_to_a_place_that_cannot_be_written_is_storage_error(
    wa: Wa, tmp_path: Path, where: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = wa("contacts", "export", "--out", str(tmp_path / where), "--json")
    assert result.code not in (0, 1)
    assert result.out == ""
    assert result.error["code"] != "internal"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("three")
def test_a_pipe_in_the_place_of_a_file_is_not_replaced(wa: Wa, tmp_path: Path) -> None:
    """Root could otherwise replace /dev/null with `--out /dev/null`."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        result = wa("contacts", "export", "--out", str(path))
        assert stat.S_ISFIFO(path.stat().st_mode)
        assert result.code not in (0, 1) or os.read(reader, 11) == b"BEGIN:VCARD"
    finally:
        os.close(reader)


def test_an_unknown_format_is_usage(wa: Wa) -> None:
    result = wa("contacts", "export", "--format", "xlsx", "--json")
    assert (result.code, result.error["code"]) == (2, "usage")


@pytest.mark.usefixtures("three")
def test_a_process_exports_to_stdout(shell: Any) -> None:
    result = shell("contacts", "export")
    assert result.code == 0
    assert result.out.count("BEGIN:VCARD") == 3


# ── Which card is which contact ───────────────────────────────────────────────────────────────────

REEM_CARD = card("FN:Reem", f"TEL;CELL:{REEM_TEL}")


def names_of(contact: dict[str, Any]) -> set[str]:
    """Return the name and aliases of a contact."""
    return {contact["name"], *contact["aliases"]}


def test_the_same_number_is_the_same_person(take: Any) -> None:
    take(REEM_CARD)
    found = take(card("FN:Reem", "TEL;WORK:00447700900123", f"TEL;HOME:{ADAM_TEL}"))
    (reem,) = found.people
    assert (found.report["added"], found.report["updated"]) == (0, 1)
    assert set(numbers(reem)) == {REEM, ADAM}
    assert reem["phone"] == REEM
    assert take(REEM_CARD).people == [reem]


def test_two_cards_with_one_number_in_one_import_are_one_person(take: Any) -> None:
    found = take(REEM_CARD, card("FN:Reem Haddad", f"TEL:{REEM_TEL}", f"TEL:{ADAM_TEL}"))
    (reem,) = found.people
    assert set(numbers(reem)) == {REEM, ADAM}
    assert names_of(reem) == {"Reem", "Reem Haddad"}


def test_a_name_without_a_number_is_one_person(take: Any) -> None:
    first = take(card("FN:Omar"))
    assert first.report["added"] == 1
    assert take(card("FN:Omar"), card("FN:Omar")).report["added"] == 0
    found = take(card("FN:Omar", "NOTE:plumber"), card("FN:Omar Sharif"))
    assert (found.report["added"], found.report["updated"]) == (1, 1)
    assert found.named("Omar")["notes"] == "plumber"
    assert found.names == ["Omar", "Omar Sharif"]


def test_one_name_with_two_numbers_is_two_people(take: Any, do: Any) -> None:
    do("add", "Reem", ADAM)
    found = take(REEM_CARD)
    assert found.report["added"] == 1
    assert [(each["name"], numbers(each)) for each in sorted(found.people, key=numbers)] == [
        ("Reem", [REEM]),
        ("Reem", [ADAM]),
    ]


def test_a_changed_card_updates_its_contact(take: Any) -> None:
    take(REEM_CARD)
    later = card(
        "FN:Reem Haddad",
        f"TEL;CELL:{REEM_TEL}",
        "NOTE:new",
        "NICKNAME:Sis",
        "CATEGORIES:Work",
        "TZ:Asia/Kolkata",
    )
    found = take(later)
    assert (found.code, found.report["added"], found.report["updated"]) == (0, 0, 1)
    (reem,) = found.people
    assert reem["name"] == "Reem Haddad"
    assert set(reem["aliases"]) == {"Reem", "Sis"}
    assert (reem["notes"], reem["tags"], reem["timezone"]) == ("new", ["Work"], "Asia/Kolkata")
    assert reem["updated_at"] > reem["created_at"]
    again = take(later)
    assert (again.report["updated"], again.people) == (0, [reem])


def test_notes_are_appended_once(take: Any) -> None:
    take(card("FN:Reem", f"TEL:{REEM_TEL}", "NOTE:one"))
    take(card("FN:Reem", f"TEL:{REEM_TEL}", "NOTE:two"))
    for _ in range(2):
        found = take(
            card("FN:Reem", f"TEL:{REEM_TEL}", "NOTE:one"), card("FN:Reem", f"TEL:{REEM_TEL}", "NOTE:two")
        )
        assert found.report["updated"] == 0
        assert found.named("Reem")["notes"].split() == ["one", "two"]


def test_a_note_that_is_a_part_of_another_word_is_new(take: Any) -> None:
    take(card("FN:Reem", f"TEL:{REEM_TEL}", "NOTE:Someone said: nothing"))
    notes = take(card("FN:Reem", f"TEL:{REEM_TEL}", "NOTE:one")).named("Reem")["notes"]
    assert notes.split() == ["Someone", "said:", "nothing", "one"]


def test_tags_and_aliases_are_united(take: Any) -> None:
    take(card("FN:Reem", f"TEL:{REEM_TEL}", "NICKNAME:Sis,Reemy", "CATEGORIES:Family"))
    found = take(card("FN:Reem", f"TEL:{REEM_TEL}", "NICKNAME:Reemy,R", "CATEGORIES:Work,Family"))
    (reem,) = found.people
    assert sorted(reem["aliases"]) == ["R", "Reemy", "Sis"]
    assert sorted(reem["tags"]) == ["Family", "Work"]


@pytest.mark.parametrize("together", [True, False])
def test_two_names_of_one_number_settle_at_once(take: Any, home: Home, together: bool) -> None:
    mum = card("FN:Mum", f"TEL;CELL:{REEM_TEL}", "NOTE:one", "TZ:Europe/London")
    mother = card("FN:Mother Dear", f"TEL;WORK:{REEM_TEL}", "NOTE:two", "TZ:Asia/Kolkata")
    if together:
        take(mum, mother)
    else:
        take(mum)
        take(mother)
    before = dump(home)
    for cards in ((mum, mother), (mother, mum), (mum,), (mother,), (mother, mother, mum, mother)):
        found = take(*cards)
        assert (found.report["added"], found.report["updated"]) == (0, 0), cards
        assert dump(home) == before
    (contact,) = found.people
    assert names_of(contact) == {"Mum", "Mother Dear"}


CROSSED = [
    card("FN:Reem", f"TEL:{REEM_TEL}", "NOTE:one"),
    card("FN:Reem Haddad", f"TEL:{REEM_TEL}", f"TEL:{ADAM_TEL}", "NICKNAME:Sis"),
    card("FN:R. Haddad", f"TEL:{ADAM_TEL}", "CATEGORIES:Family"),
    card("FN:Omar", "NOTE:plumber"),
]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
def test_cards_that_overlap_settle_in_any_order(take: Any, home: Home, order: tuple[int, ...]) -> None:
    for number in order:
        take(CROSSED[number])
    before = dump(home)
    for other in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)):
        for number in other:
            assert take(CROSSED[number]).report["updated"] == 0
    take(*CROSSED)
    found = take(*CROSSED[::-1])
    assert dump(home) == before
    assert sorted(phone for each in found.people for phone in numbers(each)) == sorted([REEM, ADAM])


def test_people_who_share_a_number_stay_two(take: Any, home: Home) -> None:
    first = card("FN:Reem Haddad", f"TEL;HOME:{REEM_TEL}", f"TEL;CELL:{ADAM_TEL}")
    second = card("FN:Zoë Example", f"TEL;CELL:{ZOE_TEL}", f"TEL;HOME:{REEM_TEL}")
    take(first)
    found = take(second)
    assert found.names == ["Reem Haddad", "Zoë Example"]
    assert numbers(found.named("Zoë Example")) == [ZOE]
    assert set(numbers(found.named("Reem Haddad"))) == {REEM, ADAM}
    assert found.told_of(5)
    before = dump(home)
    for cards in ((second,), (first, second), (second, first)):
        assert take(*cards).report["updated"] == 0
        assert dump(home) == before


@pytest.mark.parametrize(
    ("name", "numbers_of_card"),
    [("Reem", [REEM_TEL, ZOE_TEL]), ("HADDÁD", [REEM_TEL, ZOE_TEL]), ("Somebody", [ADAM_TEL])],
    ids=["a part of the name", "another part", "the main number of both"],
)
def test_cards_that_share_a_number_and_a_part_of_the_name_are_one_person(
    take: Any, name: str, numbers_of_card: list[str]
) -> None:
    take(card("FN:Reem Haddad", f"TEL;HOME:{REEM_TEL}", f"TEL;CELL:{ADAM_TEL}"))
    found = take(card(f"FN:{name}", *(f"TEL:{each}" for each in numbers_of_card)))
    (contact,) = found.people
    assert names_of(contact) == {"Reem Haddad", name}
    assert len(numbers(contact)) == len({REEM, ADAM} | {ZOE if ZOE_TEL in numbers_of_card else REEM})


def test_a_person_with_only_the_landline_of_another_stays_apart(take: Any) -> None:
    take(card("FN:Jane Doe", f"TEL;CELL:{ADAM_TEL}", f"TEL;HOME:{REEM_TEL}"))
    found = take(card("FN:John Roe", f"TEL;HOME:{REEM_TEL}"))
    assert found.names == ["Jane Doe", "John Roe"]
    assert numbers(found.named("John Roe")) == []
    assert found.told_of(4)


BOB = card("FN:Bob", f"TEL;CELL:{ADAM_TEL}", f"TEL;HOME:{REEM_TEL}")


@pytest.mark.parametrize(
    "changes",
    [
        [["NOTE:likes tea"], ["NOTE:likes tea and cake"], ["NICKNAME:Nan", "NOTE:likes cake"]],
        [["TEL;TYPE=WORK:+44 7700 900456"], ["CATEGORIES:family"], []],
        [[f"TEL;CELL:{ZOE_TEL}"], [], ["NOTE:back to the landline"]],
    ],
    ids=["notes", "another taken number", "a number of her own for a while"],
)
def test_a_card_with_numbers_of_others_alone_is_one_contact(take: Any, changes: list[list[str]]) -> None:
    take(BOB, card("FN:Anna", f"TEL;HOME:{REEM_TEL}"))
    for lines in changes:
        found = take(BOB, card("FN:Anna", f"TEL;HOME:{REEM_TEL}", *lines))
        assert found.names == ["Anna", "Bob"]
        assert found.report["added"] == 0
    assert take(BOB, card("FN:Anna", f"TEL;HOME:{REEM_TEL}", *changes[-1])).report["unchanged"] == 2


def test_a_card_with_numbers_of_others_is_that_of_the_contact_without_a_number(take: Any, do: Any) -> None:
    do("add", "Anna")
    found = take(BOB, card("FN:Anna", f"TEL;HOME:{REEM_TEL}", "NOTE:likes tea"))
    assert found.names == ["Anna", "Bob"]
    assert found.named("Anna")["notes"] == "likes tea"


def test_others_with_the_number_of_a_household_stay_apart(take: Any) -> None:
    found = take(BOB, *(card(f"FN:{name}", f"TEL;HOME:{REEM_TEL}") for name in ("Anna", "Zoë", "Cy")))
    assert found.names == ["Anna", "Bob", "Cy", "Zoë"]


def test_a_merged_contact_keeps_the_numbers_that_its_cards_share(take: Any, do: Any) -> None:
    take(BOB, card("FN:Anna", f"TEL;HOME:{REEM_TEL}"))
    do("add", "Annie Example", ZOE)
    do("merge", "Annie Example", "Anna")
    found = take(BOB, card("FN:Anna", f"TEL;HOME:{REEM_TEL}", "NOTE:likes tea"))
    assert found.names == ["Annie Example", "Bob"]


def test_a_contact_with_one_number_alone_gets_the_others_of_its_card(take: Any) -> None:
    take(REEM_CARD)
    found = take(card("FN:Zoë", f"TEL:{REEM_TEL}", f"TEL:{ZOE_TEL}"))
    (contact,) = found.people
    assert names_of(contact) == {"Reem", "Zoë"}
    assert set(numbers(contact)) == {REEM, ZOE}


def test_a_name_that_is_only_a_number_is_replaced(take: Any) -> None:
    take(card(f"TEL:{REEM_TEL}"))
    found = take(REEM_CARD)
    assert found.people[0]["name"] == "Reem"
    assert take(card(f"TEL:{REEM_TEL}")).people[0]["name"] == "Reem"


# ── Your own edits stay ───────────────────────────────────────────────────────────────────────────

FULL = card(
    "FN:Reem Haddad",
    f"TEL;WORK:{REEM_TEL}",
    f"TEL;HOME:{ADAM_TEL}",
    "NICKNAME:Sis",
    "CATEGORIES:Work",
    "NOTE:from the phone",
    "TZ:Asia/Kolkata",
)


def test_a_name_the_user_chose_stays(take: Any, do: Any) -> None:
    do("add", "My Reem", REEM)
    (reem,) = take(FULL).people
    assert reem["name"] == "My Reem"
    assert {"Reem Haddad", "Sis"} <= set(reem["aliases"])
    assert numbers(reem)[0] == REEM


def test_a_name_you_changed_stays(take: Any, do: Any) -> None:
    take(FULL)
    do("edit", "Reem Haddad", "--name", "My Reem")
    for cards in (FULL, card("FN:Reem H.", f"TEL:{REEM_TEL}"), FULL):
        assert take(cards).people[0]["name"] == "My Reem"


def test_a_name_you_gave_stays_when_a_card_had_it_too(take: Any, do: Any) -> None:
    do("add", "Reem", REEM)
    take(REEM_CARD)
    (reem,) = take(card("FN:Reem Haddad", f"TEL:{REEM_TEL}")).people
    assert (reem["name"], reem["aliases"]) == ("Reem", ["Reem Haddad"])


def test_a_name_you_gave_back_stays(take: Any, do: Any) -> None:
    take(REEM_CARD)
    take(card("FN:Reem Haddad", f"TEL:{REEM_TEL}"))
    do("edit", REEM, "--name", "Reem")
    (reem,) = take(card("FN:R. Haddad", f"TEL:{REEM_TEL}")).people
    assert reem["name"] == "Reem"
    assert "R. Haddad" in reem["aliases"]


def test_a_name_of_figures_that_you_gave_stays(take: Any, do: Any) -> None:
    do("add", "007", REEM)
    (james,) = take(card("FN:James", f"TEL:{REEM_TEL}")).people
    assert (james["name"], james["aliases"]) == ("007", ["James"])


def test_two_people_you_named_stay_two(take: Any, do: Any) -> None:
    """A card of a household must not join the people who live there."""
    do("add", "Mum", REEM)
    do("add", "Dad", ADAM)
    found = take(card("FN:Parents", f"TEL:{REEM_TEL}", f"TEL:{ADAM_TEL}"))
    assert (found.owner(REEM)["name"], found.owner(ADAM)["name"]) == ("Mum", "Dad")


def test_a_name_you_gave_wins_over_one_that_was_imported(take: Any, do: Any) -> None:
    take(card("FN:R. Haddad", f"TEL:{ADAM_TEL}"))
    do("add", "My Reem", REEM)
    found = take(card("FN:R. Haddad", f"TEL:{REEM_TEL}", f"TEL:{ADAM_TEL}"))
    assert found.owner(REEM)["name"] == "My Reem"


def test_every_field_you_set_stays(take: Any, do: Any, home: Home) -> None:
    take(FULL)
    do("edit", "Reem Haddad", "--name", "My Reem", "--notes", "mine", "--tz", "Europe/London")
    do("alias", "My Reem", "Reemy")
    do("tag", "My Reem", "Close")
    do("favorite", "My Reem")
    do("edit", "My Reem", "--phone", ADAM)
    (before,) = [do("show", "My Reem")]
    (after,) = take(FULL).people
    assert after["name"] == "My Reem"
    assert "Reemy" in after["aliases"]
    assert "Close" in after["tags"]
    assert after["is_favorite"] is True
    assert "mine" in after["notes"]
    assert after["timezone"] == "Europe/London"
    assert (after["phone"], numbers(after)[0]) == (ADAM, ADAM)
    settled = dump(home)
    assert take(FULL).report["updated"] == 0
    assert dump(home) == settled
    assert before["created_at"] == after["created_at"]


def test_a_label_stays_when_a_card_has_none(take: Any) -> None:
    take(FULL)
    (reem,) = take(card("FN:Reem Haddad", f"TEL:{REEM_TEL}")).people
    assert {each["phone"]: each["label"] for each in reem["phones"]} == {REEM: "work", ADAM: "home"}


def test_a_removed_contact_comes_back_only_by_importing_its_card(take: Any, do: Any) -> None:
    take(FULL)
    do("remove", "Reem Haddad")
    assert take(card("FN:Zoë", f"TEL:{ZOE_TEL}")).names == ["Zoë"]
    assert take(FULL).names == ["Reem Haddad", "Zoë"]


# ── Two into one ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def two(do: Any) -> None:
    """Two entries of one person."""
    do("add", "Reem", REEM, "--alias", "Sister", "--tag", "Family", "--notes", "one")
    do("add", "R. Haddad", ADAM, ZOE, "--alias", "Reemy", "--tag", "Work", "--notes", "two", "--favorite")


@pytest.mark.usefixtures("two")
def test_merge_keeps_everything_of_both(do: Any) -> None:
    merged = do("merge", "Reem", "R. Haddad")
    assert do("list") == [merged]
    assert (merged["name"], merged["phone"], numbers(merged)[0]) == ("Reem", REEM, REEM)
    assert set(numbers(merged)) == {REEM, ADAM, ZOE}
    assert set(merged["aliases"]) == {"Sister", "Reemy", "R. Haddad"}
    assert set(merged["tags"]) == {"Family", "Work"}
    assert merged["notes"].split() == ["one", "two"]
    assert merged["is_favorite"] is True
    assert do("show", "r. haddad")["id"] == merged["id"]
    assert do("show", ADAM)["id"] == merged["id"]


@pytest.mark.usefixtures("two")
def test_merge_keeps_the_name_and_number_of_the_first_contact(do: Any) -> None:
    merged = do("merge", ADAM, "Sister")
    assert (merged["name"], merged["phone"]) == ("R. Haddad", ADAM)
    assert "Reem" in merged["aliases"]
    assert merged["notes"].split() == ["two", "one"]


def test_merge_gives_a_number_to_a_contact_without_one(do: Any) -> None:
    do("add", "Omar")
    do("add", "Omar Sharif", REEM)
    merged = do("merge", "omar", "Omar Sharif")
    assert (merged["name"], merged["phone"]) == ("Omar", REEM)


@pytest.mark.usefixtures("two")
def test_merge_says_in_words_what_it_did(wa: Wa) -> None:
    result = wa("contacts", "merge", "Reem", "R. Haddad")
    assert (result.code, len(result.out.splitlines())) == (0, 1)
    assert "Reem" in result.out


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("pair", "code"),
    [
        (("Reem", "Reem"), 2),
        (("Reem", "Sister"), 2),
        (("Reem", "nobody"), 4),
        (("nobody", "Reem"), 4),
        (("R", "Reem"), 4),
    ],
)
def test_a_contact_cannot_be_merged_with_itself_or_a_stranger(
    wa: Wa, home: Home, pair: tuple[str, str], code: int
) -> None:
    before = dump(home)
    result = wa("contacts", "merge", *pair, "--json")
    assert (result.code, result.out) == (code, "")
    assert dump(home) == before


def test_an_import_does_not_split_a_merged_contact(take: Any, do: Any, home: Home) -> None:
    one, other = card("FN:Reem", f"TEL:{REEM_TEL}"), card("FN:Zoë Example", f"TEL:{ZOE_TEL}", "NOTE:n")
    take(one, other)
    do("merge", "Reem", "Zoë Example")
    before = dump(home)
    for cards in ((one, other), (other, one), (other,)):
        found = take(*cards)
        assert (found.report["added"], found.report["updated"]) == (0, 0)
    assert dump(home) == before


def test_the_name_you_chose_in_a_merge_stays(take: Any, do: Any) -> None:
    take(card("FN:Reem", f"TEL:{REEM_TEL}"), card("FN:Work Desk", f"TEL:{ZOE_TEL}"))
    do("merge", "Reem", "Work Desk")
    (reem,) = take(card("FN:Work Desk", f"TEL:{ZOE_TEL}", "NOTE:third floor")).people
    assert (reem["name"], reem["aliases"], reem["notes"]) == ("Reem", ["Work Desk"], "third floor")


# ── Files of aliases ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def aliases(wa: Wa, tmp_path: Path, do: Any) -> Any:
    """Import a file of aliases; Reem and Zoë are there."""
    do("add", "Reem", REEM)
    do("add", "Zoë Example", ZOE, "--alias", "Z")

    def run(data: str | bytes, *options: str) -> Any:
        path = tmp_path / "aliases.txt"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return wa("contacts", "import-aliases", str(path), *options)

    return run


def aliases_of(wa: Wa, who: str) -> set[str]:
    """Return the aliases of a contact."""
    return set(wa("contacts", "show", who, "--json").json["aliases"])


@pytest.mark.parametrize(
    "data",
    [
        "Reem: Sister, Reemy, R\nZoë Example: Zozo\n",
        "Reem:Sister,Reemy,R\nZoë Example:Zozo",
        "# family\n\n  Reem :  Sister ,Reemy,,R,\n\n#\n  # more\nZoë Example: Zozo\n",
        "Reem: Sister, Reemy, R\r\nZoë Example: Zozo\r\n",
        "\ufeffReem: Sister, Reemy, R\nZoë Example: Zozo\n",
        "reem: Sister\nREEM: Reemy\nReem: R\nzoe example: Zozo\n",
        "447700900123: Sister, Reemy, R\nz: Zozo\n",
    ],
    ids=["plain", "no spaces", "comments", "crlf", "bom", "in parts", "by number and alias"],
)
def test_a_file_of_aliases_adds_them(wa: Wa, home: Home, aliases: Any, data: str) -> None:
    result = aliases(data)
    assert result.code == 0, result.err
    assert aliases_of(wa, REEM) == {"Sister", "Reemy", "R"}
    assert aliases_of(wa, ZOE) == {"Z", "Zozo"}
    before = dump(home)
    assert aliases(data).code == 0
    assert dump(home) == before


def test_a_dry_run_of_aliases_writes_nothing(home: Home, aliases: Any) -> None:
    before = dump(home)
    assert aliases("Reem: Sister\n", "--dry-run").code == 0
    assert aliases("Nobody: Sister\n", "--dry-run").code == 8
    assert dump(home) == before


@pytest.mark.parametrize(
    "line",
    ["Nobody: Somebody", "no colon here", ": Nameless", "Z Example: x"],
    ids=["unknown", "no colon", "no name", "not a name"],
)
def test_a_bad_line_of_aliases_is_named_and_skipped(wa: Wa, aliases: Any, line: str) -> None:
    result = aliases(f"Reem: Sister\n{line}\nZoë Example: Zozo\n")
    assert result.code == 8
    assert any("aliases.txt:2: " in each for each in result.err.splitlines()), result.err
    assert "aliases.txt:1" not in result.err
    assert aliases_of(wa, REEM) == {"Sister"}
    assert aliases_of(wa, ZOE) == {"Z", "Zozo"}


def test_aliases_find_people_as_every_command_does(wa: Wa, aliases: Any, do: Any) -> None:
    """A unique beginning is enough; a number may be written with spaces."""
    assert aliases("ree: Sister\n+44 7700 900123: Reemy\n").code == 0
    assert aliases_of(wa, REEM) == {"Sister", "Reemy"}
    do("add", "Reemus", ADAM)
    assert "Reemus" in aliases("reem: R\nree: X\n").err
    assert aliases_of(wa, REEM) == {"Sister", "Reemy", "R"}


def test_numbers_without_a_country_code_are_summed(wa: Wa, tmp_path: Path) -> None:
    """Persons and numbers are counted apart."""
    file = tmp_path / "people.vcf"
    cards = [f"BEGIN:VCARD\nVERSION:3.0\nFN:P{n}\nTEL:07700 900{n:03}\nEND:VCARD\n" for n in range(100, 400)]
    file.write_text("".join(cards) + "BEGIN:VCARD\nVERSION:3.0\nNOTE:x\nEND:VCARD\n")
    told = wa("contacts", "import-vcf", str(file))
    assert told.code == 8
    assert told.out.strip() == "300 added, 0 updated, 0 unchanged, 1 skipped; 300 numbers left out"
    lines = told.err.strip().splitlines()
    assert len(lines) == 5
    assert "people.vcf:4: '07700 900100': it has no country code" in lines[0]
    assert lines[3].startswith("… and 297 more numbers: it has no country code; say --region GB")
    row = wa("contacts", "import-vcf", str(file), "--json").json
    assert (row["skipped"], row["numbers_skipped"], len(row["problems"])) == (301, 300, 301)
    assert row["problems"][0].keys() == {"file", "line", "card", "reason"}


def test_a_bad_line_of_aliases_is_in_the_json(aliases: Any) -> None:
    result = aliases("Reem: Sister\nNobody: Somebody\n", "--json")
    assert result.code == 8
    (problem,) = result.json["problems"]
    assert problem["line"] == 2
    assert "Nobody" in problem["reason"]


def test_an_alias_for_one_of_two_is_named_and_skipped(wa: Wa, aliases: Any, do: Any) -> None:
    do("add", "Reem", ADAM)
    result = aliases("Reem: Sister\n")
    assert result.code == 8
    assert "aliases.txt:1: " in result.err
    assert aliases_of(wa, REEM) == aliases_of(wa, ADAM) == set()


def test_reasons_for_skipped_aliases_are_sentences_without_names(aliases: Any, do: Any) -> None:
    do("add", "Reem", ADAM)
    found = aliases("Reem: Sister\nNobody: x\nno colon here\n", "--json").json["reasons"]
    assert [each["reason"] for each in found] == [
        "several contacts have that name",
        "no contact has that name",
        "it is not `Name: alias, alias`",
    ]


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\xff\xfe\0", bytes(range(128, 256))])
def test_a_file_of_aliases_that_is_not_text_is_refused(home: Home, aliases: Any, data: bytes) -> None:
    before = dump(home)
    result = aliases(data, "--json")
    assert result.code == 8
    assert dump(home) == before


def test_a_missing_file_of_aliases_is_not_found(wa: Wa, tmp_path: Path) -> None:
    for path, code in ((tmp_path / "missing.txt", 4), (tmp_path, 8)):
        result = wa("contacts", "import-aliases", str(path), "--json")
        assert (result.code, result.out) == (code, "")


def test_an_empty_file_of_aliases_changes_nothing(aliases: Any) -> None:
    assert aliases("").code == 0
    assert aliases("# nothing\n").code == 0


def test_aliases_by_file_survive_an_import(take: Any, wa: Wa, aliases: Any) -> None:
    aliases("Reem: Sister\n")
    take(FULL.replace("Reem Haddad", "Reem"))
    assert "Sister" in aliases_of(wa, REEM)


def test_a_dry_run_copies_every_table_that_a_merge_of_contacts_writes(
    do: Any, clock: FakeClock, store: Store
) -> None:
    """A dry run merges contacts in copies: a merge that wrote another table would change it."""
    written: set[str] = set()

    def note(action: int, table: str | None, *_: str | None) -> int:
        if action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE):
            written.add(str(table))
        return sqlite3.SQLITE_OK

    do("add", "Reem", REEM)
    do("add", "Adam", ADAM)
    for rewrite in (merge_contacts, contact_changed):
        rewrite.parts()
    store.conn.set_authorizer(note)
    with store.write():
        contact_changed.run(store, 1, {REEM}, clock())
        merge_contacts.run(store, 1, 2)
    store.conn.set_authorizer(None)
    assert {"contact_phones", "job_recipients"} <= written
    assert written <= {*contacts.TABLES, *contacts.FOLLOWING}


def test_a_dry_run_that_merges_contacts_leaves_the_recipients_of_jobs(
    take: Any, do: Any, store: Store
) -> None:
    for name, phone in (("Reem", REEM), ("Reem Haddad", ADAM)):
        take(card(f"FN:{name}", f"TEL:+{phone}"))
    ids = [row["id"] for row in do("list")]
    for number, contact in enumerate(ids):
        row = {"job_id": "j", "number": number, "to_jid": f"{number}@lid", "contact_id": contact}
        store.insert("job_recipients", row)
    both = card("FN:Reem Haddad", f"TEL:{REEM_TEL}", f"TEL:{ADAM_TEL}")
    found = take(both, options=("--dry-run",))
    assert found.names == ["Reem", "Reem Haddad"]
    sql = "SELECT contact_id FROM job_recipients ORDER BY number"
    assert [row["contact_id"] for row in store.rows(sql)] == ids
    assert take(both).names == ["Reem Haddad"]
    assert len({row["contact_id"] for row in store.rows(sql)}) == 1
