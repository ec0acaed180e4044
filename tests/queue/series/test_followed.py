"""Messages of a contact that is renamed, renumbered, merged, removed or moves to another zone."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ADAM, REEM, delivered
from series_rows import DAILY, series_of

pytest_plugins = ["series_fixture"]
NEW = "447700900789"


@pytest.fixture
def wa(wa: Any, clock: Any) -> Any:
    """Run commands by the clock of the test, in a home with Reem."""

    def run(*args: str, **options: Any) -> Any:
        done = wa(*args, **{"now": clock, **options})
        assert done.code == 0, done.err
        return done

    run("contacts", "add", "Reem", REEM, "--tz", "Europe/London")
    return run


def once(wa: Any, *options: str) -> dict[str, Any]:
    row = wa("schedule", "add", "Reem", "Once", "--at", "2026-11-21 09:00", *options, "--json").json
    return dict(row)


def shown(wa: Any, row: dict[str, Any]) -> dict[str, Any]:
    return dict(wa("schedule", "show", row["id"], "--json").json)


def renumber(wa: Any) -> None:
    wa("contacts", "edit", "reem", "--phone", NEW, "--remove-phone", REEM)


def test_what_is_for_a_number_that_is_no_longer_the_contact_s_is_held_and_told(wa, add, go, home):
    row, series, draft = once(wa), add(*DAILY), once(wa, "--draft")
    renumber(wa)
    assert shown(wa, row)["status"] == "held"
    assert REEM in shown(wa, row)["error_message"]
    assert (shown(wa, series)["status"], shown(wa, series)["series"]["status"]) == ("held", "held")
    assert shown(wa, draft)["status"] == "draft"
    assert wa("status", "--json").json["renumbered"] == 2
    assert "no longer the contact's" in wa("status").out
    go("2026-11-21T09:00")
    assert delivered(home) == []
    wa("schedule", "unhold", row["id"])
    wa("schedule", "unhold", series["series_id"])
    assert shown(wa, row)["error_code"] is None
    wa("contacts", "edit", "reem", "--notes", "has moved", "--tz", "Europe/Paris")  # changes nothing of that
    go("2026-11-21T09:01")
    assert sorted(delivered(home)) == ["Good morning", "Once"]
    assert {each["to_phone"] for each in wa("schedule", "list", "--status", "sent", "--json").json} == {REEM}


def test_a_second_number_holds_nothing(wa, go, home):
    row = once(wa)
    wa("contacts", "edit", "reem", "--phone", NEW)
    assert shown(wa, row)["status"] == "pending"
    go("2026-11-21T09:00")
    assert delivered(home) == ["Once"]


def test_a_held_message_gets_the_new_number_by_an_edit(wa, home, go):
    row = once(wa)
    renumber(wa)
    edited = wa("schedule", "edit", row["id"], "--to", "reem", "--json").json
    assert (edited["to_phone"], edited["status"], edited["error_code"]) == (NEW, "held", None)
    assert wa("status", "--json").json["renumbered"] == 0


def test_a_contact_that_is_renamed_or_removed_gets_its_messages(wa, add, go, home):
    row = once(wa)
    add(*DAILY)
    wa("contacts", "edit", "reem", "--name", "Reema")
    assert shown(wa, row)["contact_name"] == "Reema"
    wa("contacts", "remove", "reema")
    go("2026-11-21T09:00")
    assert sorted(delivered(home)) == ["Good morning", "Once"]


def test_a_new_contact_with_the_id_of_a_removed_one_does_not_get_its_messages(wa, add, go, home):
    row = once(wa, "--tz", "contact")
    series = add(*DAILY)
    wa("contacts", "remove", "reem")
    wa("contacts", "add", "Adam", ADAM)
    wa("contacts", "edit", "adam", "--phone", NEW, "--remove-phone", ADAM, "--tz", "America/New_York")
    for each in (row, series):
        after = shown(wa, each)
        assert (after["status"], after["scheduled_at"]) == ("pending", each["scheduled_at"])
    go("2026-11-21T09:00")
    assert sorted(delivered(home)) == ["Good morning", "Once"]


def test_an_import_that_reads_a_number_otherwise_holds_what_was_for_the_old_one(wa, tmp_path, store):
    """A card without a country code, read with one region and then with another."""
    path = tmp_path / "people.vcf"
    path.write_text("BEGIN:VCARD\nFN:Zoe\nTEL:(202) 555-0123\nTZ:America/New_York\nEND:VCARD\n")
    assert wa("contacts", "import-vcf", str(path), "--region", "US").code == 0
    row = wa("schedule", "add", "zoe", "Once", "--at", "2026-11-21 09:00", "--json").json
    for options, status in ((["--dry-run"], "pending"), ([], "held")):
        assert wa("contacts", "import-vcf", str(path), "--region", "GB", *options).code == 0
        assert shown(wa, row)["status"] == status


def test_a_merged_contact_keeps_its_messages(wa, add, store, go, home):
    row = once(wa)
    add(*DAILY)
    wa("contacts", "add", "Reem Other", ADAM)
    wa("contacts", "merge", "Reem Other", "Reem")
    kept = store.value("SELECT id FROM contacts")
    assert series_of(store)["contact_id"] == kept
    assert shown(wa, row)["status"] == "pending"
    wa("contacts", "edit", str(kept), "--remove-phone", REEM)
    assert shown(wa, row)["status"] == "held"


def test_the_zone_of_the_contact_is_followed_where_it_was_asked_for(wa, store):
    theirs, mine = once(wa, "--tz", "contact"), once(wa)
    series = once(wa, "--tz", "contact", "--every", "day")
    wa("contacts", "edit", "reem", "--tz", "America/New_York")
    assert shown(wa, theirs)["scheduled_at"] == "2026-11-21T14:00:00.000Z"
    assert shown(wa, theirs)["expires_at"] == "2026-11-21T20:00:00.000Z"
    assert shown(wa, mine)["scheduled_at"] == "2026-11-21T09:00:00.000Z"
    after = shown(wa, series)
    assert after["next"][:2] == ["2026-11-21T14:00:00.000Z", "2026-11-22T14:00:00.000Z"]
    assert after["series"]["timezone"] == "America/New_York"
