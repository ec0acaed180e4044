"""Birthday series: one for each contact, once however often it is asked for, on the right day."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ADAM, REEM, delivered

from wa.queue import birthdays

pytest_plugins = ["series_fixture"]

ZOE = "12025550123"


@pytest.fixture
def wa(wa: Any, clock: Any) -> Any:
    """Run commands by the clock of the test, in a home with a template."""

    def run(*args: str, **options: Any) -> Any:
        return wa(*args, **{"now": clock, **options})

    assert run("template", "add", "t", "Happy birthday, {first}!").code == 0
    return run


@pytest.fixture
def do(wa: Any) -> Any:
    """Run a `wa contacts` command that succeeds; return its JSON."""

    def run(*args: str) -> Any:
        result = wa("contacts", *args, "--json")
        assert result.code == 0, result.err
        return result.json

    return run


@pytest.fixture
def ask(wa: Any) -> Any:
    """Run `wa schedule birthdays`; return its rows by name."""

    def run(*options: str) -> dict[str, Any]:
        result = wa("schedule", "birthdays", "--template", "t", *options, "--json")
        assert result.code == 0, result.err
        return {row["name"]: row for row in result.json}

    return run


def series(store: Any) -> list[tuple[str, str, str, str]]:
    """Return number, key, rule and status of all series."""
    sql = "SELECT to_phone, idempotency_key, rrule, status FROM series ORDER BY created_at, id"
    return [tuple(row) for row in store.execute(sql)]


def open_rows(store: Any) -> list[tuple[str, str, str, str]]:
    """Return number, date, time in UTC and status of the rows that wait."""
    sql = (
        "SELECT to_phone, occurrence, scheduled_at, status FROM scheduled_messages"
        " WHERE status IN ('draft', 'pending', 'held') ORDER BY scheduled_at, to_phone"
    )
    return [tuple(row) for row in store.execute(sql)]


# ── Made once ─────────────────────────────────────────────────────────────────────────────────────


def test_everybody_with_a_birthday_and_a_number_gets_one_series(do: Any, ask: Any, store: Any) -> None:
    do("add", "Reem Haddad", REEM, "--birthday", "15 Jan 1985", "--tz", "Asia/Dubai")
    do("add", "Adam", ADAM, "--birthday", "20 Nov")
    do("add", "Zoë", "--birthday", "1 Mar")
    do("add", "Omar", ZOE)
    told = ask()
    assert {name: row["what"] for name, row in told.items()} == {
        "Reem Haddad": "added", "Adam": "added", "Zoë": "no number"
    }  # fmt: skip
    assert told["Reem Haddad"]["text"] == "Happy birthday, Reem!"
    assert told["Reem Haddad"]["scheduled_at"] == "2027-01-15T05:00:00.000Z"
    assert open_rows(store) == [
        (REEM, "2027-01-15", "2027-01-15T05:00:00.000Z", "pending"),
        (ADAM, "2027-11-20", "2027-11-20T09:00:00.000Z", "pending"),
    ]
    again = ask("--at", "18:00")
    assert {row["what"] for row in again.values()} == {"unchanged", "no number"}
    assert again["Reem Haddad"]["series"] == told["Reem Haddad"]["series"]
    assert len(series(store)) == len(open_rows(store)) == 2


def test_a_birthday_is_greeted_today_if_its_time_lies_ahead(do: Any, ask: Any, go: Any, home: Any) -> None:
    do("add", "Adam", ADAM, "--birthday", "20 Nov")
    assert ask("--at", "6pm")["Adam"]["scheduled_at"] == "2026-11-20T18:00:00.000Z"
    go("2026-11-20T18:00")
    assert delivered(home) == ["Happy birthday, Adam!"]


def test_the_age_is_that_of_each_year(wa: Any, do: Any, ask: Any, go: Any, home: Any) -> None:
    wa("template", "add", "t", "{age}")
    do("add", "Reem", REEM, "--birthday", "15 Jan 1985")
    ask()
    for year in (2027, 2028):
        go(f"{year}-01-15T09:00")
    assert delivered(home) == ["42", "43"]


def test_a_29th_of_february_is_the_28th_in_other_years(do: Any, ask: Any, store: Any, go: Any) -> None:
    do("add", "Reem", REEM, "--birthday", "29 Feb 1988")
    ask()
    days = []
    for year in range(2027, 2034):
        (row,) = open_rows(store)
        days.append(row[1])
        go(f"{row[1]}T09:00")
        assert row[1].startswith(str(year))
    assert [day[5:] for day in days] == ["02-28", "02-29", "02-28", "02-28", "02-28", "02-29", "02-28"]


def test_a_dry_run_says_who_gets_what_and_stores_nothing(wa: Any, do: Any, ask: Any, store: Any) -> None:
    do("add", "Reem", REEM, "--birthday", "15 Jan 1985")
    tried = ask("--dry-run")["Reem"]
    assert (tried["what"], tried["text"], tried["series"]) == ("added", "Happy birthday, Reem!", None)
    assert series(store) == open_rows(store) == []
    shown = wa("schedule", "birthdays", "--template", "t", "--dry-run")
    assert shown.out == "added\t2027-01-15 09:00\tReem\tHappy birthday, Reem!\n"
    assert "nothing was stored" in shown.err


def test_the_rows_of_a_dry_run_are_in_the_order_of_their_days(wa: Any, do: Any) -> None:
    do("add", "Adam", ADAM, "--birthday", "16 Jan")
    do("add", "Reem", REEM, "--birthday", "15 Jan")
    shown = wa("schedule", "birthdays", "--template", "t", "--dry-run")
    assert [line.split("\t")[2] for line in shown.out.splitlines()] == ["Reem", "Adam"]


def test_a_tag_chooses_and_drafts_wait_for_approval(do: Any, ask: Any, store: Any) -> None:
    do("add", "Reem", REEM, "--birthday", "15 Jan", "--tag", "Family")
    do("add", "Adam", ADAM, "--birthday", "16 Jan")
    assert list(ask("--tag", "family", "--draft")) == ["Reem"]
    assert [(row[0], row[3]) for row in open_rows(store)] == [(REEM, "draft")]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--template", "none"], 4, "no template"),
        (["--template", "t", "--at", "soon"], 2, "not a time of day"),
        (["--template", "t", "--at", "25 dec 10:00"], 2, "not a time of day"),
        (["--template", "aged"], 2, "Adam has no value for {age}"),
        ([], 2, "--template"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_stored(
    wa: Any, do: Any, store: Any, options: list[str], code: int, told: str
) -> None:
    wa("template", "add", "aged", "{age}!")
    do("add", "Reem", REEM, "--birthday", "15 Jan 1985")
    do("add", "Adam", ADAM, "--birthday", "16 Jan")
    result = wa("schedule", "birthdays", *options, "--json")
    assert (result.code, result.out) == (code, "")
    assert told in result.error["message"]
    assert series(store) == open_rows(store) == []


def test_ten_runs_at_once_make_one_series_for_each(do: Any, wa: Any, spawn: Any, store: Any) -> None:
    for number in range(40):
        do("add", f"Person {number}", f"447700900{number:03}", "--birthday", f"{number % 28 + 1} Jan")
    runs = [spawn("schedule", "birthdays", "--template", "t", "--json") for _ in range(10)]
    results = [run.finish() for run in runs]
    assert [result.code for result in results] == [0] * 10, [result.err for result in results]
    added = [row["name"] for result in results for row in result.json if row["what"] == "added"]
    assert sorted(added) == sorted(set(added))
    assert len(added) == len(series(store)) == len(open_rows(store)) == 40


# ── Followed ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def reem(do: Any, ask: Any) -> Any:
    """Reem, whose series is made; her id."""
    number = do("add", "Reem", REEM, "--birthday", "15 Jan")["id"]
    ask("--at", "18:30")
    return number


@pytest.mark.parametrize(
    ("corrected", "day"),
    [
        ("10 Jan 1985", "2027-01-10"),
        ("20 Nov", "2026-11-20"),
        ("19 Nov", "2027-11-19"),
        ("29 Feb", "2027-02-28"),
    ],
)
@pytest.mark.usefixtures("reem")
def test_a_corrected_birthday_moves_the_series_and_is_named(
    do: Any, ask: Any, store: Any, corrected: str, day: str
) -> None:
    do("edit", "Reem", "--birthday", corrected)
    assert ask("--dry-run")["Reem"]["what"] == "moved"
    assert open_rows(store)[0][1] == "2027-01-15"
    told = ask()["Reem"]
    assert (told["what"], told["scheduled_at"]) == ("moved", f"{day}T18:30:00.000Z")
    assert open_rows(store) == [(REEM, day, f"{day}T18:30:00.000Z", "pending")]
    assert (ask()["Reem"]["what"], len(series(store))) == ("unchanged", 1)


@pytest.mark.usefixtures("reem")
def test_a_year_that_becomes_known_moves_nothing(do: Any, ask: Any) -> None:
    do("edit", "Reem", "--birthday", "15 Jan 1985")
    assert ask()["Reem"]["what"] == "unchanged"


def test_a_series_that_was_cancelled_stays_so(wa: Any, do: Any, ask: Any, store: Any, reem: int) -> None:
    wa("schedule", "cancel", ask()["Reem"]["series"], "--series")
    do("edit", "Reem", "--birthday", "16 Jan")
    assert ask()["Reem"]["what"] == "cancelled"
    assert open_rows(store) == []
    assert [row[3] for row in series(store)] == ["ended"]


@pytest.mark.usefixtures("reem")
def test_the_series_of_a_number_that_is_no_longer_the_contacts_is_held_and_told(
    do: Any, ask: Any, store: Any
) -> None:
    do("edit", "Reem", "--phone", ADAM, "--remove-phone", REEM)
    told = ask()["Reem"]
    assert (told["what"], told["note"].startswith(f"+{REEM} is not a number")) == ("held", True)
    assert [row[3] for row in open_rows(store)] == ["held"]
    assert [row[0] for row in series(store)] == [REEM]


@pytest.mark.usefixtures("reem")
def test_another_number_of_the_contact_changes_nothing(do: Any, ask: Any, store: Any) -> None:
    do("edit", "Reem", "--phone", ADAM)
    assert ask()["Reem"]["what"] == "unchanged"
    assert [row[0] for row in open_rows(store)] == [REEM]


@pytest.mark.usefixtures("reem")
@pytest.mark.parametrize("command", [["remove", "Reem"], ["edit", "Reem", "--birthday", ""]])
def test_the_series_of_a_removed_contact_or_birthday_is_held_and_told(
    do: Any, ask: Any, store: Any, command: list[str]
) -> None:
    do(*command)
    for _ in range(2):
        told = ask()["Reem"]
        assert (told["what"], "any more" in told["note"]) == ("held", True)
        assert [row[3] for row in open_rows(store)] == ["held"]


def test_a_new_contact_with_the_id_of_a_removed_one_gets_a_series_of_its_own(
    do: Any, ask: Any, store: Any, clock: Any, reem: int
) -> None:
    do("remove", "Reem")
    clock.advance(minutes=1)
    assert do("add", "Adam", ADAM, "--birthday", "16 Jan")["id"] == reem
    assert ask()["Adam"]["what"] == "added"
    assert [(row[0], row[3]) for row in open_rows(store)] == [(REEM, "held"), (ADAM, "pending")]
    told = ask()
    assert (told["Adam"]["what"], len(series(store))) == ("unchanged", 2)


def test_a_contact_that_was_removed_and_is_added_again_is_greeted_once(
    do: Any, ask: Any, store: Any, clock: Any, go: Any, home: Any
) -> None:
    do("add", "Other", ZOE)
    do("add", "Reem", REEM, "--birthday", "20 Nov")
    ask("--at", "12:30")
    go("2026-11-20T12:30")
    do("remove", "Reem")
    do("add", "Someone", ADAM)
    do("add", "Reem", REEM, "--birthday", "20 Nov")
    ask("--at", "13:00")
    go("2026-11-20T13:00")
    assert delivered(home) == ["Happy birthday, Reem!"]
    assert [row[1] for row in open_rows(store) if row[3] == "pending"] == ["2027-11-20"]


# ── Merged ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def two(do: Any, ask: Any) -> None:
    """Two contacts of one person, each with a series at noon and a half on this day."""
    do("add", "Reem", REEM, "--birthday", "20 Nov")
    do("add", "R. Haddad", ADAM, "--birthday", "20 Nov")
    ask("--at", "12:30")


@pytest.mark.usefixtures("two")
def test_contacts_that_become_one_have_one_series(do: Any, ask: Any, store: Any, go: Any, home: Any) -> None:
    do("merge", "Reem", "R. Haddad")
    assert [row[0] for row in open_rows(store)] == [REEM]
    assert sorted(row[3] for row in series(store)) == ["active", "ended"]
    assert ask()["Reem"]["what"] == "unchanged"
    go("2026-11-20T12:30")
    assert delivered(home) == ["Happy birthday, Reem!"]


def test_the_series_of_a_contact_that_goes_becomes_that_of_the_other(do: Any, ask: Any, store: Any) -> None:
    do("add", "R. Haddad", ADAM, "--birthday", "15 Jan")
    ask()
    kept = do("add", "Reem", REEM)["id"]
    do("merge", "Reem", "R. Haddad")
    assert [row[:2] for row in series(store)] == [(ADAM, f"birthday:{kept}")]
    assert ask()["Reem"]["what"] == "unchanged"


@pytest.mark.usefixtures("two")
def test_a_series_that_goes_on_is_kept_when_the_other_was_cancelled(
    wa: Any, do: Any, ask: Any, store: Any
) -> None:
    wa("schedule", "cancel", ask()["Reem"]["series"], "--series")
    do("merge", "Reem", "R. Haddad")
    assert [row[0] for row in open_rows(store)] == [ADAM]
    assert ask()["Reem"]["what"] == "unchanged"


def test_who_was_greeted_under_one_number_is_not_greeted_under_the_other(
    do: Any, ask: Any, store: Any, go: Any, home: Any
) -> None:
    do("add", "R. Haddad", ADAM, "--birthday", "20 Nov")
    ask("--at", "12:30")
    go("2026-11-20T12:30")
    do("add", "Reem", REEM, "--birthday", "20 Nov")
    ask("--at", "13:00")
    do("merge", "Reem", "R. Haddad")
    go("2026-11-20T13:00")
    assert delivered(home) == ["Happy birthday, R.!"]
    assert [row[:2] for row in open_rows(store)] == [(REEM, "2027-11-20")]


def test_contacts_that_become_one_while_series_are_made_have_one(
    do: Any, ask: Any, store: Any, monkeypatch: Any
) -> None:
    do("add", "R. Haddad", ADAM, "--birthday", "15 Jan")
    do("add", "Reem", REEM, "--birthday", "15 Jan")
    bind = birthdays.bind_store

    def merge_and_bind(*args: Any) -> None:
        do("merge", "Reem", "R. Haddad")
        bind(*args)

    monkeypatch.setattr(birthdays, "bind_store", merge_and_bind)
    ask()
    assert [row[0] for row in open_rows(store)] == [REEM]


def test_an_import_that_merges_contacts_leaves_one_series(
    wa: Any, do: Any, ask: Any, store: Any, tmp_path: Any
) -> None:
    """A dry run of it changes no series."""
    path = tmp_path / "people.vcf"
    one, other = (
        f"BEGIN:VCARD\nFN:Reem\nTEL;CELL:+{phone}\nBDAY:--0115\nEND:VCARD\n" for phone in (REEM, ADAM)
    )
    path.write_text(one + other)
    wa("contacts", "import-vcf", str(path))
    ask()
    path.write_text(one.replace("BDAY", f"TEL;CELL:+{ADAM}\nBDAY"))
    assert wa("contacts", "import-vcf", str(path), "--dry-run").code == 0
    assert len(open_rows(store)) == 2
    assert wa("contacts", "import-vcf", str(path)).code == 0
    assert len(do("list")) == len(open_rows(store)) == 1
