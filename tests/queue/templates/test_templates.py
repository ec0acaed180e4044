"""Templates: their fields, what they stand for, and when they are filled in."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ADAM, REEM, delivered
from series_rows import queue, statuses

pytest_plugins = ["series_fixture"]

YEARLY = ("--at", "2026-12-25 10:00", "--every", "year")
ALL = "{name}|{first}|{alias}|{phone}|{date}|{time}|{weekday}|{age}|{place}|{{x}}|}}{{"


@pytest.fixture
def wa(wa: Any, clock: Any) -> Any:
    """Run commands by the clock of the test, in a home with Reem, who was born in 1997."""

    def run(*args: str, **options: Any) -> Any:
        return wa(*args, **{"now": clock, **options})

    birthday = ("--alias", "sis", "--birthday", "1997-12-25")
    assert run("contacts", "add", "Reem {name} 100%s", REEM, *birthday).code == 0
    return run


def test_every_field_is_filled_in_and_what_is_filled_in_is_no_template(wa, home):
    assert wa("template", "add", "all", ALL).code == 0
    row = wa("schedule", "add", REEM, *YEARLY[:2], "--template", "all", "--set", "place={age}", "--json").json
    assert row["message"] == "Reem {name} 100%s|Reem|sis|447700900123|2026-12-25|10:00|Friday|29|{age}|{x}|}{"
    assert row["template"] is None
    assert wa("send", REEM, "--template", "all", "--set", "place=Rome").code == 0
    [said] = delivered(home)
    assert said == "Reem {name} 100%s|Reem|sis|447700900123|2026-11-20|12:00|Friday|28|Rome|{x}|}{"


def test_who_was_born_on_29_february_is_a_year_older_on_the_28th_of_other_years_alone(wa):
    assert wa("contacts", "add", "Adam", ADAM, "--birthday", "2000-02-29").code == 0
    assert wa("template", "add", "age", "{age}").code == 0
    for day, age in {"2027-02-27": 26, "2027-02-28": 27, "2028-02-28": 27, "2028-02-29": 28}.items():
        row = wa("schedule", "add", ADAM, "--at", f"{day} 10:00", "--template", "age", "--json").json
        assert row["message"] == str(age), day


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{0}", "{ a}", "{{a}", "", " "]
)
def test_what_is_no_field_is_refused(wa, text):
    done = wa("template", "add", "t", text, "--json")
    assert (done.code, done.error["code"]) == (2, "usage")
    assert wa("template", "list", "--json").json == []


@pytest.mark.parametrize(
    "command", [("send",), ("schedule", "add", *YEARLY), ("schedule", "add", *YEARLY[:2])]
)
@pytest.mark.parametrize("field", ["alias", "age", "place", "nome"])
def test_an_empty_or_unknown_field_is_named_before_anything_is_stored(wa, store, command, field):
    wa("template", "add", "t", f"Hi {{{field}}}")
    done = wa(*command, ADAM, "--template", "t", "--json")
    assert (done.code, done.error["code"]) == (2, "usage")
    assert f"{{{field}}}" in done.error["message"]
    assert queue(store) == []
    assert store.value("SELECT count(*) FROM series") == 0


@pytest.mark.parametrize(
    "options",
    [
        ("Hello", "--template", "t"),
        ("Hello", "--set", "a=b"),
        ("--template", "t", "--set", "a"),
        ("--template", "t", "--set", "a.b=c"),
    ],
)
def test_options_that_do_not_fit_are_usage(wa, options, store):
    wa("template", "add", "t", "Hi {first}")
    for command in (("send", REEM), ("schedule", "add", REEM, *YEARLY[:2])):
        done = wa(*command, *options, "--json")
        assert (done.code, done.error["code"]) == (2, "usage")
    assert queue(store) == []
    missing = wa("send", REEM, "--template", "nothing", "--json")
    assert (missing.code, missing.error["code"]) == (4, "not-found")


def test_a_dry_run_prints_what_would_be_sent_and_stores_nothing(wa, store, home, tmp_path):
    wa("template", "add", "t", "Hi {first}, {age}")
    shown = wa("schedule", "add", REEM, *YEARLY, "--template", "t", "--dry-run", "--json").json
    assert (shown["message"], shown["scheduled_at"]) == ("Hi Reem, 29", "2026-12-25T10:00:00.000Z")
    assert len(shown["next"]) == 5
    text = wa("schedule", "add", REEM, *YEARLY[:2], "--template", "t", "--dry-run").out
    assert "Hi Reem, 29" in text
    assert "25 Dec 2026 10:00" in text
    (tmp_path / "a.txt").write_text("a")
    for options in (("--template", "t"), ("Plain",), ("--file", str(tmp_path / "a.txt"))):
        assert wa("send", REEM, *options, "--dry-run").code == 0
    assert queue(store) == []
    assert delivered(home) == []


def test_a_series_is_filled_in_at_each_of_its_dates(wa, store, home, go):
    wa("template", "add", "bday", "Happy birthday, {first}: {age}!")
    assert wa("schedule", "add", REEM, *YEARLY, "--template", "bday", "--json").json["template"] == "bday"
    go("2026-12-25T10:00")
    wa("contacts", "edit", "reem", "--name", "Reema")
    go("2027-12-25T10:00")
    wa("template", "add", "bday", "Again {age}, {first}")
    go("2028-12-25T10:00")
    expected = ["Happy birthday, Reem: 29!", "Happy birthday, Reema: 30!", "Again 31, Reema"]
    assert delivered(home) == expected
    sent = store.rows("SELECT message FROM scheduled_messages WHERE status = 'sent' ORDER BY occurrence")
    assert [row["message"] for row in sent] == expected


def test_a_date_that_cannot_be_filled_in_failed_and_the_series_goes_on(wa, store, home, go):
    wa("template", "add", "t", "{alias}, good morning from {place}")
    options = ("--at", "2026-11-21 09:00", "--every", "day", "--template", "t", "--set", "place=Rome")
    wa("schedule", "add", REEM, *options)
    wa("contacts", "alias", "reem", "sis", "--remove")
    go("2026-11-21T09:00")
    row = store.row("SELECT id, error_code, error_message FROM scheduled_messages WHERE status = 'failed'")
    assert row["error_code"] == "template"
    assert "{alias}" in row["error_message"]
    wa("contacts", "alias", "reem", "sister")
    go("2026-11-22T09:00")
    assert statuses(store) == {"2026-11-21": "failed", "2026-11-22": "sent", "2026-11-23": "pending"}
    assert wa("schedule", "retry", row["id"]).code == 0
    assert delivered(home) == ["sister, good morning from Rome"] * 2


def test_a_date_that_is_too_late_is_missed_whatever_its_fields(wa, store, go):
    wa("template", "add", "t", "Hi {alias}")
    wa("schedule", "add", REEM, "--at", "2026-11-21 09:00", "--every", "day", "--template", "t")
    wa("contacts", "alias", "reem", "sis", "--remove")
    go("2026-11-21T20:00")
    assert statuses(store)["2026-11-21"] == "missed"


def test_a_retry_that_cannot_be_filled_in_is_not_sent(wa, store, go, home):
    wa("template", "add", "t", "Hi {alias}")
    wa("schedule", "add", REEM, "--at", "2026-11-21 09:00", "--every", "day", "--template", "t")
    wa("contacts", "alias", "reem", "sis", "--remove")
    go("2026-11-21T09:00")
    done = wa(
        "schedule",
        "retry",
        store.value("SELECT id FROM scheduled_messages WHERE status = 'failed'"),
        "--json",
    )
    assert (done.code, done.error["code"]) == (5, "send-failed")
    assert delivered(home) == []


def test_one_date_may_have_a_text_of_its_own(wa, home, go):
    wa("template", "add", "t", "Hi {first}")
    row = wa(
        "schedule", "add", REEM, "--at", "2026-11-21 09:00", "--every", "day", "--template", "t", "--json"
    ).json
    wa("schedule", "edit", row["id"], "--text", "{as it is}")
    go("2026-11-21T09:00")
    go("2026-11-22T09:00")
    wa("schedule", "edit", row["series_id"], "--text", "Plain {text}")
    go("2026-11-23T09:00")
    assert delivered(home) == ["{as it is}", "Hi Reem", "Plain {text}"]


def test_a_template_that_a_series_uses_is_not_removed(wa):
    wa("template", "add", "t", "Hi {first}")
    row = wa("schedule", "add", REEM, *YEARLY, "--template", "t", "--json").json
    refused = wa("template", "remove", "t", "--json")
    assert (refused.code, refused.error["code"]) == (2, "wrong-state")
    assert row["series_id"] in refused.error["message"]
    wa("schedule", "cancel", row["series_id"])
    assert wa("template", "remove", "t", "--json").json["name"] == "t"
    assert wa("template", "remove", "t", "--json").error["code"] == "not-found"


def test_a_change_that_a_series_cannot_follow_is_told(wa):
    wa("template", "add", "t", "Hi {first} in {place}")
    row = wa("schedule", "add", REEM, *YEARLY, "--template", "t", "--set", "place=Rome", "--json").json
    assert wa("template", "add", "t", "Hi {first} in {place}, {age}").err == ""
    assert wa("contacts", "add", "Adam", ADAM).code == 0
    other = wa("schedule", "add", ADAM, *YEARLY, "--template", "t", "--set", "place=Oslo", "--set", "age=9")
    assert other.code == 0, other.err
    said = wa("template", "add", "t", "Hi {city}").err
    assert row["series_id"] in said
    assert "{city}" in said
    said = wa("template", "add", "t", "Hi {alias} in {place}, {age}").err
    assert row["series_id"] not in said, "Reem has an alias"
    assert said.count("no value for {alias}:") == 1


def test_templates_are_listed_and_shown(wa):
    wa("template", "add", "b", "Bye {first}")
    wa("template", "add", "a", "-", stdin="Hi {first}, {place}\nsecond line\n")
    listed = wa("template", "list", "--json").json
    assert [(row["name"], row["fields"]) for row in listed] == [("a", ["first", "place"]), ("b", ["first"])]
    assert set(listed[0]) == {"name", "text", "created_at", "updated_at", "fields"}
    assert wa("template", "show", "a").out == "Hi {first}, {place}\nsecond line\n"
    assert wa("template", "show", "none").code == 4


def test_born_on_29_february_is_older_on_the_28th_of_other_years(wa, store, clock):
    wa("contacts", "add", "Leap", ADAM, "--birthday", "2000-02-29")
    wa("template", "add", "t", "{age}")
    for at, age in (("2027-02-27", "26"), ("2027-02-28", "27"), ("2028-02-29", "28")):
        options = ("--at", f"{at} 10:00", "--template", "t", "--dry-run", "--json")
        assert wa("schedule", "add", ADAM, *options).json["message"] == age, at
