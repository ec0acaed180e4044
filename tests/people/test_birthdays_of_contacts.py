"""Birthdays from address books and from the user: imported, changed, merged, exported and listed."""

from __future__ import annotations

import csv
import io
import sqlite3
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import ADAM, REEM, FakeClock
from vcard_cases import ADAM_TEL, REEM_TEL, Imported, Wa, card, dump, import_file

from wa.store.paths import Home

WHOLE, YEARLESS = "1985-01-15", "--01-15"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-11-28T12:00:00")


@pytest.fixture
def take(wa: Wa, tmp_path: Path, clock: FakeClock) -> Any:
    """Import cards."""

    def run(*cards: str, **env: str) -> Imported:
        return import_file(wa, tmp_path / "people.vcf", "".join(cards), now=clock, **env)

    return run


@pytest.fixture
def do(wa: Wa, clock: FakeClock) -> Any:
    """Run a `wa contacts` command that succeeds; return its JSON."""

    def run(*args: str, **env: str) -> Any:
        result = wa("contacts", *args, "--json", now=clock, **env)
        assert result.code == 0, result.err
        return result.json

    return run


def reem(*lines: str) -> str:
    """Return Reem's card with further lines."""
    return card("FN:Reem", f"TEL;CELL:{REEM_TEL}", *lines)


# ── Imported ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lines", "birthday"),
    [
        (["BDAY:1985-01-15"], WHOLE),
        (["BDAY:19850115"], WHOLE),
        (["BDAY;VALUE=date:1985-01-15"], WHOLE),
        (["BDAY;VALUE=DATE-TIME:1985-01-15T00:00:00Z"], WHOLE),
        (["BDAY;VALUE=date-and-or-time:19850115"], WHOLE),
        (["BDAY;VALUE=date-and-or-time:--0115"], YEARLESS),
        (["BDAY:--01-15"], YEARLESS),
        (["BDAY;VALUE=text:15 January 1985"], WHOLE),
        (["BDAY;VALUE=text:January 15\\, 1985"], WHOLE),
        (["BDAY;VALUE=text;LANGUAGE=de:15. Januar"], YEARLESS),
        (["BDAY;X-APPLE-OMIT-YEAR=1604:1604-01-15"], YEARLESS),
        (["BDAY;X-APPLE-OMIT-YEAR=1604;VALUE=date:16040115"], YEARLESS),
        (["BDAY;value=date;x-apple-omit-year=1900:1900-01-15"], YEARLESS),
        (["BDAY:1604-01-15"], YEARLESS),
        (["BDAY;CALSCALE=gregorian:1985-01-15"], WHOLE),
        (["BDAY;ENCODING=QUOTED-PRINTABLE:1985=2D01=2D15"], WHOLE),
        (["bday:1985-01-15"], WHOLE),
        (["item1.BDAY:1985-01-15", "item1.X-ABLabel:birthday"], WHOLE),
        (["item3.X-ABDATE;type=pref:1985-01-15", "item3.X-ABLabel:Birthday"], WHOLE),
        (["item3.X-ABLabel:_$!<Birthday>!$_", "item3.X-ABDATE;VALUE=date:1604-01-15"], YEARLESS),
        (["item3.X-ABDATE:1985-01-15", "item3.X-ABLabel:_$!<Anniversary>!$_"], None),
        (["X-ANDROID-CUSTOM:vnd.android.cursor.item/contact_event;1985-01-15;3;;;;;;;;;;;;;"], WHOLE),
        (["X-ANDROID-CUSTOM:vnd.android.cursor.item/contact_event;1985-01-15;1;;;;;;;;;;;;;"], None),
        (["X-BIRTHDAY:1985-01-15"], WHOLE),
        (["ANNIVERSARY:1985-01-15", "X-ANNIVERSARY:1985-01-15"], None),
        (["BDAY:"], None),
        (["BDAY:unknown", "BDAY:1985-01-15"], WHOLE),
        (["BDAY:--01-15", "BDAY;VALUE=text:15 January 1985"], WHOLE),
        (['BDAY:["1985-01-15"]'], WHOLE),
    ],
)
def test_a_birthday_on_a_card_is_taken(take: Any, lines: list[str], birthday: str | None) -> None:
    found = take(reem(*lines))
    assert (found.code, found.named("Reem")["birthday"]) == (0, birthday)
    assert found.report["birthdays"] == (birthday is not None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("BDAY:0000-00-00", "no day"),
        ("BDAY:unknown", "not a date"),
        ("BDAY:2085-01-15", "in the future"),
        ("BDAY:1985-04-31", "no 31 April"),
        ("BDAY:03/04/1985", "4 March 1985 or 3 April 1985"),
        ("BDAY;CALSCALE=chinese:1985-01-15", "not a date"),
    ],
)
def test_a_birthday_that_cannot_be_read_is_reported_and_the_person_imported(
    take: Any, wa: Wa, tmp_path: Path, line: str, reason: str
) -> None:
    data = reem("NOTE:x", line)
    found = take(data)
    assert (found.code, found.report["skipped"], found.report["birthdays"]) == (0, 0, 0)
    assert (found.named("Reem")["birthday"], found.report["added"]) == (None, 1)
    (told,) = found.told_of(6)
    assert reason in told
    shown = wa("contacts", "import-vcf", str(tmp_path / "people.vcf"))
    assert "people.vcf:6: the birthday" in shown.err


def test_a_moment_at_which_a_day_begins_in_the_users_zone_is_that_day(take: Any) -> None:
    data = reem("BDAY:1985-01-14T23:00:00Z")
    assert take(data, WA_TZ="Europe/Berlin").named("Reem")["birthday"] == WHOLE


def test_an_import_says_how_many_birthdays_it_took(wa: Wa, tmp_path: Path) -> None:
    path = tmp_path / "people.vcf"
    path.write_text(reem("BDAY:1985-01-15") + card("FN:Adam", f"TEL:{ADAM_TEL}", "BDAY:--0116"))
    first, second = (wa("contacts", "import-vcf", str(path)).out for _ in range(2))
    assert first.strip().endswith("2 added, 0 updated, 0 unchanged, 0 skipped, 2 birthdays")
    assert "birthday" not in second


def test_a_card_of_an_earlier_version_brings_its_birthday_and_nothing_else(
    take: Any, do: Any, home: Home
) -> None:
    """Versions before this one did not read birthdays. What the user changed since stays as it is."""
    take(reem("NOTE:likes tea", f"TEL;WORK:{ADAM_TEL}"))
    do("edit", "Reem", "--notes", "", "--remove-phone", ADAM)
    found = take(reem("NOTE:likes tea", f"TEL;WORK:{ADAM_TEL}", "BDAY:1985-01-15"))
    assert (found.report["updated"], found.report["birthdays"]) == (1, 1)
    row = found.named("Reem")
    assert (row["birthday"], row["notes"], [each["phone"] for each in row["phones"]]) == (WHOLE, None, [REEM])
    before = dump(home)
    assert take(reem("NOTE:likes tea", f"TEL;WORK:{ADAM_TEL}", "BDAY:1985-01-15")).report["unchanged"] == 1
    assert dump(home) == before


@pytest.mark.parametrize(
    ("first", "second", "kept", "told"),
    [
        ("1985-01-15", "1985-01-16", "1985-01-16", "was 15 January 1985 until now"),
        ("1985-01-15", "--01-15", "1985-01-15", ""),
        ("--01-15", "1985-01-15", "1985-01-15", ""),
        ("--01-15", "--01-16", "--01-16", "was 15 January until now"),
    ],
)
def test_a_changed_card_corrects_the_birthday(
    take: Any, first: str, second: str, kept: str, told: str
) -> None:
    take(reem(f"BDAY:{first}"))
    found = take(reem(f"BDAY:{second}", "NOTE:new"))
    assert found.named("Reem")["birthday"] == kept
    assert any(told in reason for reason in found.told_of(1)) if told else not found.told_of(1)
    assert found.report["birthdays"] == (kept != first)


def test_a_birthday_that_the_user_gave_stays(take: Any, do: Any) -> None:
    do("add", "Reem", REEM, "--birthday", "16 Jan 1985")
    found = take(reem("BDAY:1985-01-15"))
    assert found.named("Reem")["birthday"] == "1985-01-16"
    assert "16 January 1985 stays" in found.told_of(1)[0]
    take(reem("BDAY:--0116"))
    assert do("show", "Reem")["birthday"] == "1985-01-16"


def test_a_birthday_that_the_user_corrected_or_removed_stays_so(take: Any, do: Any) -> None:
    take(reem("BDAY:1985-01-15"))
    for birthday, kept in (("16 Jan 1985", "1985-01-16"), ("", None)):
        do("edit", "Reem", "--birthday", birthday)
        found = take(reem("BDAY:1985-01-15", f"NOTE:{kept}"))
        assert (found.named("Reem")["birthday"], found.report["birthdays"]) == (kept, 0)


def test_a_dry_run_counts_birthdays_and_takes_none(wa: Wa, tmp_path: Path) -> None:
    path = tmp_path / "people.vcf"
    path.write_text(reem("BDAY:1985-01-15"))
    assert wa("contacts", "import-vcf", str(path), "--dry-run", "--json").json["birthdays"] == 1
    assert wa("contacts", "list", "--json").json == []


# ── Typed, shown, merged ──────────────────────────────────────────────────────────────────────────


def test_a_birthday_is_given_shown_and_removed(wa: Wa, do: Any, clock: FakeClock) -> None:
    assert do("add", "Reem", REEM, "--birthday", "15 Jan")["birthday"] == YEARLESS
    assert "birthday  15 January\n" in wa("contacts", "show", "Reem", now=clock).out
    assert do("edit", "Reem", "--birthday", "15 January 1985")["birthday"] == WHOLE
    assert "birthday  15 January 1985 (41 years old)\n" in wa("contacts", "show", "Reem", now=clock).out
    assert do("edit", "Reem", "--notes", "x")["birthday"] == WHOLE
    assert do("edit", "Reem", "--birthday", "")["birthday"] is None


@pytest.mark.parametrize("command", [("add", "Adam"), ("edit", "Reem")])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("03/04", "two ways: 4 March or 3 April"),
        ("31 April", "no 31 April"),
        ("2030-01-01", "future"),
        ("soon", "not a date"),
    ],
)
def test_a_typed_birthday_that_is_none_is_usage(
    wa: Wa, do: Any, home: Home, command: tuple[str, str], text: str, told: str
) -> None:
    do("add", "Reem", REEM)
    before = dump(home)
    result = wa("contacts", *command, "--birthday", text, "--json")
    assert (result.code, result.error["code"]) == (2, "usage")
    assert told in result.error["message"]
    assert dump(home) == before


@pytest.mark.parametrize(
    ("one", "other", "kept", "note"),
    [
        ("", "15 Jan", YEARLESS, ""),
        ("15 Jan", "", YEARLESS, ""),
        ("15 Jan", "15 Jan 1985", WHOLE, ""),
        ("16 Jan", "15 Jan 1985", WHOLE, "birthday 15 January 1985 is kept, 16 January is not"),
        ("15 Jan 1985", "16 Jan 1985", WHOLE, "birthday 15 January 1985 is kept, 16 January 1985 is not"),
    ],
)
def test_a_merge_keeps_the_fuller_birthday_and_names_the_other(
    wa: Wa, do: Any, one: str, other: str, kept: str, note: str
) -> None:
    do("add", "Reem", REEM, "--birthday", one)
    do("add", "R. Haddad", ADAM, "--birthday", other)
    result = wa("contacts", "merge", "Reem", "R. Haddad", "--json")
    assert (result.code, result.json["birthday"], result.err.strip()) == (0, kept, note)


def test_a_birthday_in_notes_is_offered_and_not_taken(wa: Wa, do: Any, take: Any, tmp_path: Path) -> None:
    notes = "Birthday: Jan 15"
    hint = 'the notes of Reem tell a birthday, 15 January: wa contacts edit 1 --birthday "15 January"'
    for command in (["add", "Reem", REEM, "--notes", notes], ["show", "Reem"], ["birthdays"]):
        result = wa("contacts", *command)
        assert (result.code, hint in result.err) == (0, True), command
    assert do("show", "Reem")["birthday"] is None
    do("edit", "1", "--birthday", "15 January")
    assert "hint" not in wa("contacts", "birthdays").err
    path = tmp_path / "adam.vcf"
    path.write_text(card("FN:Adam", f"TEL:{ADAM_TEL}", "NOTE:Birthday: Jan 15"))
    first, second = (wa("contacts", "import-vcf", str(path)).err for _ in range(2))
    assert ("wa contacts birthdays" in first, "birthday" in second) == (True, False)


# ── Exported ──────────────────────────────────────────────────────────────────────────────────────


def test_birthdays_are_the_same_after_export_and_import(wa: Wa, do: Any, tmp_path: Path) -> None:
    do("add", "Reem", REEM, "--birthday", "15 Jan 1985")
    do("add", "Adam", ADAM, "--birthday", "29 Feb")
    exported = wa("contacts", "export").out
    assert "BDAY:1985-01-15\r\n" in exported
    assert "BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29\r\n" in exported
    fresh = {"WA_HOME": str(tmp_path / "fresh")}
    assert wa("contacts", "import-vcf", "-", "--json", stdin=exported, **fresh).json["birthdays"] == 2
    assert wa("contacts", "export", **fresh).out == exported
    rows = list(csv.DictReader(io.StringIO(wa("contacts", "export", "--format", "csv").out)))
    assert {row["name"]: row["birthday"] for row in rows} == {"Reem": WHOLE, "Adam": "--02-29"}
    assert {row["birthday"] for row in wa("contacts", "export", "--format", "json").json} == {
        WHOLE,
        "--02-29",
    }


# ── Listed ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def people(do: Any) -> None:
    """Seven people, two without a birthday within a month of 28 November 2026."""
    for name, birthday in [
        ("Today", "28 Nov 1990"), ("Zoë", "--12-28"), ("adam", "28 Dec 2000"), ("Late", "29 Dec"),
        ("Past", "27 Nov 1985"), ("Leap", "29 Feb 1988"), ("None", ""),
    ]:  # fmt: skip
        do("add", name, "--birthday", birthday)


@pytest.mark.usefixtures("people")
def test_birthdays_that_come_are_listed_by_date(wa: Wa, do: Any, clock: FakeClock) -> None:
    found = [
        (row["name"], row["date"], row["weekday"], row["in_days"], row["age"]) for row in do("birthdays")
    ]
    assert found == [
        ("Today", "2026-11-28", "Saturday", 0, 36),
        ("adam", "2026-12-28", "Monday", 30, 26),
        ("Zoë", "2026-12-28", "Monday", 30, None),
    ]
    assert [row["name"] for row in do("birthdays", "--days", "0")] == ["Today"]
    names = [row["name"] for row in do("birthdays", "--days", "366")]
    assert names == ["Today", "adam", "Zoë", "Late", "Leap", "Past"]
    assert wa("contacts", "birthdays", now=clock).out.splitlines() == [
        "Sat 28 Nov 2026\ttoday\t36\tToday",
        "Mon 28 Dec 2026\tin 30 days\t26\tadam",
        "Mon 28 Dec 2026\tin 30 days\t\tZoë",
    ]
    assert do("birthdays")[0]["birthday"] == "1990-11-28"
    assert wa("contacts", "birthdays", "--days", "-1").code == 2


@pytest.mark.usefixtures("people")
def test_the_29th_of_february_is_listed_on_the_28th_in_other_years(do: Any, clock: FakeClock) -> None:
    clock.at = datetime(2027, 2, 27, 12, tzinfo=timezone.utc)
    (leap,) = do("birthdays")
    assert (leap["date"], leap["age"], leap["birthday"]) == ("2027-02-28", 39, "1988-02-29")
    clock.at = datetime(2028, 2, 28, 12, tzinfo=timezone.utc)
    assert do("birthdays")[0]["date"] == "2028-02-29"


@pytest.mark.usefixtures("people")
def test_today_is_that_of_the_users_zone(do: Any, clock: FakeClock) -> None:
    clock.at = datetime(2026, 11, 27, 18, tzinfo=timezone.utc)
    assert do("birthdays", "--days", "0", WA_TZ="Asia/Tokyo")[0]["name"] == "Today"
    assert do("birthdays", "--days", "0", WA_TZ="America/New_York")[0]["name"] == "Past"


def test_birthdays_are_found_by_an_index(do: Any, home: Home) -> None:
    do("add", "Reem", REEM)
    db = sqlite3.connect(home.store)
    sql = "EXPLAIN QUERY PLAN SELECT id FROM contacts c WHERE c.birthday IS NOT NULL"
    assert "contacts_birthday" in str(list(db.execute(sql)))
    db.close()
