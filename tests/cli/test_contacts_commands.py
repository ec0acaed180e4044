"""`wa contacts`: each command in words and in JSON, which contact a name means, and the search."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ADAM, REEM, FakeClock
from vcard_cases import Wa, card, dump, numbers

from wa.store.database import Store
from wa.store.paths import Home

ZOE = "12025550123"
OMAR = "447700900789"
FREE = "447700900001"
FIELDS = {
    "id",
    "phone",
    "name",
    "aliases",
    "tags",
    "is_favorite",
    "notes",
    "timezone",
    "created_at",
    "updated_at",
    "phones",
}
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def do(wa: Wa) -> Any:
    """Run a `wa contacts` command that succeeds; return the JSON that it printed."""
    clock = FakeClock()

    def run(*args: str) -> Any:
        clock.advance(minutes=1)
        result = wa("contacts", *args, "--json", now=clock)
        assert (result.code, result.err) == (0, ""), result.err
        return result.json

    return run


@pytest.fixture
def book(do: Any) -> None:
    """Reem with every field, Zoë, Omar in Arabic script, and Nadia without a number."""
    do(
        "add", "Reem Haddad", REEM, ADAM, "--alias", "Sister", "--alias", "Reemy", "--tag", "Family",
        "--notes", "Likes figs", "--tz", "Europe/London", "--favorite",
    )  # fmt: skip
    do("add", "Zoë Example", ZOE, "--tag", "Work", "--tag", "Family")
    do("add", "عمر", OMAR)
    do("add", "Nadia")


@pytest.fixture
def refused(wa: Wa, home: Home) -> Any:
    """Run a `wa contacts` command that must be refused, in JSON and in words; return its error."""

    def run(code: str, status: int, *args: str) -> dict[str, Any]:
        before = dump(home)
        result = wa("contacts", *args, "--json")
        assert (result.code, result.out) == (status, ""), (args, result.out, result.err)
        assert result.error["code"] == code
        as_text = wa("contacts", *args)
        assert (as_text.code, as_text.out) == (status, "")
        assert as_text.err.startswith(f"error: {result.error['message']}")
        assert dump(home) == before
        error: dict[str, Any] = result.error
        return error

    return run


def found(wa: Wa, *args: str) -> list[str]:
    """Return the names that a search finds, in their order."""
    result = wa("contacts", "search", *args, "--json")
    assert result.code == 0, result.err
    return [row["name"] for row in result.json]


# ── add ───────────────────────────────────────────────────────────────────────────────────────────


def test_add_stores_every_field(do: Any) -> None:
    row = do(
        "add", "Reem", "+44 7700 900123", ADAM, "--alias", "Sister", "--alias", "Reemy", "--tag", "Family",
        "--notes", "two\nlines", "--tz", "Asia/Kolkata", "--favorite",
    )  # fmt: skip
    assert set(row) >= FIELDS
    assert isinstance(row["id"], int)
    assert (row["name"], row["phone"], row["notes"]) == ("Reem", REEM, "two\nlines")
    assert (row["timezone"], row["is_favorite"]) == ("Asia/Kolkata", True)
    assert (set(row["aliases"]), row["tags"]) == ({"Sister", "Reemy"}, ["Family"])
    assert row["phones"] == [{"phone": REEM, "label": None}, {"phone": ADAM, "label": None}]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["created_at"])
    assert row["created_at"] == row["updated_at"]
    assert do("show", "Reem") == row
    assert do("list") == [row]


def test_add_stores_a_name_without_a_number(do: Any) -> None:
    row = do("add", "Nadia")
    assert (row["phone"], row["phones"], row["aliases"], row["tags"]) == (None, [], [], [])
    assert (row["notes"], row["timezone"], row["is_favorite"]) == (None, None, False)


def test_add_says_in_words_what_it_stored(wa: Wa) -> None:
    for args, shown in ((["Reem", REEM, ADAM], REEM), (["Nadia"], "Nadia")):
        result = wa("contacts", "add", *args)
        assert (result.code, result.err) == (0, "")
        assert len(result.out.splitlines()) == 1
        assert shown in result.out
        assert "None" not in result.out


@pytest.mark.parametrize(
    "args",
    [
        ["", FREE],
        [" \t", FREE],
        ["X", "call me"],
        ["X", "07700 900001"],
        ["X", FREE, "555"],
        ["X", FREE, REEM],
        ["X", FREE, "--tz", "Nowhere/Else"],
    ],
)
@pytest.mark.usefixtures("book")
def test_add_refuses_bad_values(wa: Wa, home: Home, args: list[str]) -> None:
    before = dump(home)
    result = wa("contacts", "add", *args, "--json")
    assert (result.code, result.out) == (2, "")
    assert dump(home) == before


def test_a_number_given_twice_to_add_is_stored_once(do: Any) -> None:
    assert numbers(do("add", "Reem", REEM, "+44 7700 900123")) == [REEM]


def test_add_takes_a_national_number_with_a_region(wa: Wa) -> None:
    result = wa("contacts", "add", "Reem", "07700 900123", "--json", WA_REGION="GB")
    assert result.json["phone"] == REEM


# ── list and show ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("book")
def test_list_has_favourites_first_then_by_name(wa: Wa, do: Any) -> None:
    rows = do("list")
    assert [row["name"] for row in rows] == ["Reem Haddad", "Nadia", "Zoë Example", "عمر"]
    assert all(set(row) >= FIELDS for row in rows)
    lines = wa("contacts", "list").out.splitlines()
    assert len(lines) == 4
    assert len({line.count("\t") for line in lines}) == 1
    for text in ("Reem Haddad", REEM, ADAM, "Sister"):
        assert text in lines[0]
    assert "None" not in lines[1]


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--tag", "Family"], ["Reem Haddad", "Zoë Example"]),
        (["--tag", "Work"], ["Zoë Example"]),
        (["--tag", "Fam"], []),
        (["--tag", "nothing"], []),
        (["--favorites"], ["Reem Haddad"]),
        (["--favorites", "--tag", "Family"], ["Reem Haddad"]),
        (["--favorites", "--tag", "Work"], []),
    ],
)
def test_list_is_narrowed_by_its_options(wa: Wa, do: Any, options: list[str], names: list[str]) -> None:
    assert [row["name"] for row in do("list", *options)] == names
    assert len(wa("contacts", "list", *options).out.splitlines()) == len(names)


def test_an_empty_address_book_is_no_error(wa: Wa, do: Any) -> None:
    for command in (["list"], ["search", "reem"], ["list", "--favorites"]):
        assert do(*command) == []
        result = wa("contacts", *command)
        assert (result.code, result.out) == (0, "")


@pytest.mark.usefixtures("book")
def test_show_prints_every_field_in_words(wa: Wa) -> None:
    result = wa("contacts", "show", "reem")
    assert (result.code, result.err) == (0, "")
    for text in ("Reem Haddad", REEM, ADAM, "Sister", "Reemy", "Family", "Likes figs", "Europe/London"):
        assert text in result.out, text
    assert "None" not in wa("contacts", "show", "Nadia").out


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    ("who", "name"),
    [
        ("Reem Haddad", "Reem Haddad"),
        ("reem haddad", "Reem Haddad"),
        ("REEM", "Reem Haddad"),
        ("sister", "Reem Haddad"),
        ("sis", "Reem Haddad"),
        (REEM, "Reem Haddad"),
        ("+44 7700 900123", "Reem Haddad"),
        ("00447700900456", "Reem Haddad"),
        (f"{ADAM}@s.whatsapp.net", "Reem Haddad"),
        ("zoe example", "Zoë Example"),
        ("ZOË", "Zoë Example"),
        ("z", "Zoë Example"),
        ("عمر", "عمر"),
        ("عم", "عمر"),
        ("nad", "Nadia"),
    ],
)
def test_a_name_number_or_alias_means_the_contact(do: Any, who: str, name: str) -> None:
    assert do("show", who)["name"] == name


@pytest.mark.usefixtures("book")
def test_an_id_means_the_contact(do: Any) -> None:
    for row in do("list"):
        assert do("show", str(row["id"])) == row


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize("who", ["nobody", "eem", FREE, "999999", "0", "", " ", "x@nowhere", "-", "🎉"])
def test_a_text_that_fits_no_contact_is_not_found(wa: Wa, who: str) -> None:
    result = wa("contacts", "show", "--json", "--", who)
    assert (result.code, result.out) == (4, "")
    assert result.error["code"] in ("not-found", "recipient-not-found")


@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["edit", "--name", "X"],
        ["remove"],
        ["alias", "X"],
        ["alias", "X", "--remove"],
        ["tag", "X"],
        ["favorite"],
        ["merge", "Nadia"],
    ],
)
@pytest.mark.usefixtures("book")
def test_every_command_refuses_a_name_that_is_unknown_or_ambiguous(
    refused: Any, do: Any, command: list[str]
) -> None:
    name, *rest = command
    refused("not-found", 4, name, "nobody", *rest)
    do("add", "Reema", FREE)
    message = refused("ambiguous", 4, name, "ree", *rest)["message"]
    assert "Reem Haddad" in message
    assert "Reema" in message


@pytest.mark.usefixtures("book")
def test_the_error_for_two_contacts_of_one_name_shows_their_numbers(wa: Wa, do: Any, refused: Any) -> None:
    do("add", "Reem Haddad", FREE)
    message = refused("ambiguous", 4, "show", "reem haddad")["message"]
    assert REEM in message
    assert FREE in message
    assert do("show", FREE)["phone"] == FREE


def test_the_error_for_two_contacts_without_a_number_shows_their_ids(do: Any, refused: Any) -> None:
    ids = {str(do("add", "Nadia")["id"]) for _ in range(2)}
    message = refused("ambiguous", 4, "show", "nadia")["message"]
    assert all(each in message for each in ids)
    for each in ids:
        assert str(do("show", each)["id"]) == each


def test_a_whole_name_wins_over_a_beginning(do: Any) -> None:
    do("add", "Ann", REEM)
    do("add", "Anna", ADAM, "--alias", "Annie")
    assert do("show", "ann")["phone"] == REEM
    assert do("show", "annie")["phone"] == ADAM


def test_a_text_that_fits_two_names_of_one_contact_is_not_ambiguous(do: Any) -> None:
    do("add", "Reem", REEM, "--alias", "Reemy", "--alias", "Reem")
    assert do("show", "ree")["phone"] == REEM


# ── edit ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("book")
def test_edit_changes_only_the_named_fields(do: Any) -> None:
    before = do("show", "reem")
    row = do("edit", "reem", "--name", "Reem H.", "--notes", "new", "--tz", "Asia/Kolkata")
    assert row == {
        **before,
        "name": "Reem H.",
        "notes": "new",
        "timezone": "Asia/Kolkata",
        "updated_at": row["updated_at"],
    }
    assert row["updated_at"] > before["updated_at"]
    cleared = do("edit", REEM, "--notes", "", "--tz", "")
    assert (cleared["name"], cleared["notes"], cleared["timezone"]) == ("Reem H.", None, None)


@pytest.mark.usefixtures("book")
def test_edit_phone_makes_the_main_number(do: Any) -> None:
    row = do("edit", "reem", "--phone", FREE)
    assert (row["phone"], numbers(row)[0]) == (FREE, FREE)
    assert set(numbers(row)) == {FREE, REEM, ADAM}
    row = do("edit", "reem", "--phone", ADAM)
    assert (row["phone"], numbers(row)[0]) == (ADAM, ADAM)
    assert set(numbers(row)) == {FREE, REEM, ADAM}
    assert do("edit", "nadia", "--phone", "+44 7700 900002")["phone"] == "447700900002"


@pytest.mark.usefixtures("book")
def test_edit_removes_numbers(do: Any) -> None:
    row = do("edit", "reem", "--remove-phone", "+44 7700 900123")
    assert (row["phone"], numbers(row)) == (ADAM, [ADAM])
    assert do("add", "Somebody", REEM)["phone"] == REEM
    row = do("edit", "reem haddad", "--remove-phone", ADAM)
    assert (row["phone"], row["phones"]) == (None, [])


@pytest.mark.usefixtures("book")
def test_edit_replaces_a_number(do: Any) -> None:
    row = do("edit", "zoe", "--phone", FREE, "--remove-phone", ZOE)
    assert (row["phone"], numbers(row)) == (FREE, [FREE])


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--name", ""],
        ["--name", "  "],
        ["--phone", "555"],
        ["--phone", ZOE],
        ["--phone", FREE, "--phone", ZOE],
        ["--tz", "Nowhere/Else"],
        ["--name", "X", "--tz", "Nowhere/Else"],
    ],
    ids=str,
)
def test_edit_refuses_bad_values(refused: Any, options: list[str]) -> None:
    refused("usage", 2, "edit", "reem", *options)


@pytest.mark.usefixtures("book")
def test_edit_says_whose_number_it_is(refused: Any) -> None:
    assert "Zoë Example" in refused("usage", 2, "edit", "reem", "--phone", ZOE)["message"]


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize("phone", [ZOE, FREE])
def test_edit_removes_no_number_of_somebody_else(wa: Wa, home: Home, phone: str) -> None:
    before = dump(home)
    result = wa("contacts", "edit", "reem", "--remove-phone", phone, "--json")
    assert result.code in (2, 4)
    assert result.out == ""
    assert dump(home) == before


# ── remove, alias, tag, favorite ──────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("book")
def test_remove_deletes_the_contact_and_its_numbers(wa: Wa, do: Any, refused: Any, home: Home) -> None:
    row = do("show", "sister")
    assert do("remove", "sister")["id"] == row["id"]
    assert [each["name"] for each in do("list")] == ["Nadia", "Zoë Example", "عمر"]
    assert [phone for phone in dump(home)["contact_phones"] if REEM in phone or ADAM in phone] == []
    refused("not-found", 4, "remove", "sister")
    result = wa("contacts", "remove", "nadia")
    assert (result.code, result.err, len(result.out.splitlines())) == (0, "", 1)
    assert "Nadia" in result.out


@pytest.mark.usefixtures("book")
def test_alias_adds_and_removes_aliases(wa: Wa, do: Any) -> None:
    row = do("alias", "zoe", "Zozo", "Boss ☕")
    assert set(row["aliases"]) == {"Zozo", "Boss ☕"}
    assert do("show", "boss")["id"] == row["id"]
    assert set(do("alias", "boss ☕", "Zozo", "New")["aliases"]) == {"Zozo", "Boss ☕", "New"}
    assert set(do("alias", "zoe", "boss ☕", "New", "--remove")["aliases"]) == {"Zozo"}
    result = wa("contacts", "alias", "zoe", "Z")
    assert (result.code, result.err, len(result.out.splitlines())) == (0, "", 1)


@pytest.mark.usefixtures("book")
def test_the_same_alias_twice_is_there_once(do: Any) -> None:
    assert do("alias", "zoe", "Zozo", "Zozo")["aliases"] == ["Zozo"]
    assert do("alias", "zoe", "Zozo")["aliases"] == ["Zozo"]
    assert len(do("alias", "zoe", "zozo")["aliases"]) == 1


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize("command", ["alias", "tag"])
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_alias_or_tag_is_not_added(wa: Wa, home: Home, command: str, empty: str) -> None:
    result = wa("contacts", command, "zoe", empty)
    assert result.code in (0, 2)
    assert wa("contacts", "show", "zoe", "--json").json["aliases"] == []
    assert wa("contacts", "show", "zoe", "--json").json["tags"] in (["Work", "Family"], ["Family", "Work"])


@pytest.mark.usefixtures("book")
def test_tag_adds_and_removes_tags(wa: Wa, do: Any) -> None:
    assert set(do("tag", "nadia", "Family", "Old friends")["tags"]) == {"Family", "Old friends"}
    assert len(do("list", "--tag", "Family")) == 3
    assert do("tag", "nadia", "Family", "--remove")["tags"] == ["Old friends"]
    assert len(do("list", "--tag", "Family")) == 2
    result = wa("contacts", "tag", "nadia", "X")
    assert (result.code, result.err, len(result.out.splitlines())) == (0, "", 1)


@pytest.mark.usefixtures("book")
def test_favorite_sets_and_clears_the_mark(wa: Wa, do: Any) -> None:
    assert do("favorite", "zoe")["is_favorite"] is True
    assert do("favorite", "zoe")["is_favorite"] is True
    assert [row["name"] for row in do("list", "--favorites")] == ["Reem Haddad", "Zoë Example"]
    assert do("favorite", "reem", "--off")["is_favorite"] is False
    assert [row["name"] for row in do("list")][0] == "Zoë Example"
    result = wa("contacts", "favorite", "reem")
    assert (result.code, result.err, len(result.out.splitlines())) == (0, "", 1)


def test_a_command_that_changes_nothing_leaves_updated_at_unchanged(do: Any) -> None:
    before = do("add", "Reem", REEM, "--alias", "Sis", "--tag", "Family", "--favorite")
    for command in (["alias", "Reem", "Sis"], ["tag", "Reem", "Family"], ["favorite", "Reem"]):
        assert do(*command) == before


@pytest.mark.parametrize(
    "args",
    [
        ["alias", "zoe"],
        ["tag", "zoe"],
        ["show"],
        ["merge", "zoe"],
        ["remove"],
        ["add"],
        ["import-vcf"],
        ["import-aliases"],
        ["nothing"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("book")
def test_a_missing_argument_is_usage(wa: Wa, args: list[str]) -> None:
    result = wa("contacts", *args, "--json")
    assert (result.code, result.out, result.error["code"]) == (2, "", "usage")


def test_every_command_has_help_with_an_example(wa: Wa) -> None:
    for command in (
        "list", "search", "show", "add", "edit", "remove", "alias", "tag", "favorite", "merge", "import-vcf",
        "import-aliases", "export",
    ):  # fmt: skip
        result = wa("contacts", command, "--help")
        assert result.code == 0
        assert f"Example: wa contacts {command}" in result.out, command


# ── search ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("reem", "Reem Haddad"),
        ("REEM HADDAD", "Reem Haddad"),
        ("sister", "Reem Haddad"),
        ("900123", "Reem Haddad"),
        ("+44 7700 900123", "Reem Haddad"),
        ("900-456", "Reem Haddad"),
        ("0456", "Reem Haddad"),
        ("figs", "Reem Haddad"),
        ("addad", "Reem Haddad"),
        ("haddad reem", "Reem Haddad"),
        ("reem figs", "Reem Haddad"),
        ("haddad 900123", "Reem Haddad"),
        ("zoe", "Zoë Example"),
        ("ZOË", "Zoë Example"),
        ("zoe\u0308", "Zoë Example"),
        ("work", "Zoë Example"),
        ("عمر", "عمر"),
        ("عم", "عمر"),
        ("nadia", "Nadia"),
        (" nadia ", "Nadia"),
    ],
)
def test_search_finds(wa: Wa, text: str, name: str) -> None:
    assert found(wa, text) == [name]
    lines = wa("contacts", "search", text).out.splitlines()
    assert len(lines) == 1
    assert name in lines[0]


@pytest.mark.usefixtures("book")
def test_search_looks_in_tags(wa: Wa) -> None:
    assert found(wa, "family") == ["Reem Haddad", "Zoë Example"]


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize("text", ["nobody", "reem zoe", "999", "%", "_", "*", '"', "'", "\\", "🎉"])
def test_search_without_a_match_is_empty(wa: Wa, text: str) -> None:
    assert found(wa, text) == []


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_search_does_not_crash(wa: Wa, text: str) -> None:
    result = wa("contacts", "search", text, "--json")
    assert result.code in (0, 2)
    assert "Traceback" not in result.err


def test_search_takes_special_characters_literally(wa: Wa, do: Any) -> None:
    for number, name in enumerate(
        ("100%", "a_b", "C++", "🎉 Party", "O'Neil", "back\\slash", "夏目漱石", "ß")
    ):
        do("add", name, f"44770090000{number}")
    for text, name in (
        ("%", "100%"),
        ("_", "a_b"),
        ("++", "C++"),
        ("🎉", "🎉 Party"),
        ("o'n", "O'Neil"),
        ("\\", "back\\slash"),
        ("漱石", "夏目漱石"),
        ("ss", "ß"),
    ):
        assert name in found(wa, text), text
        assert found(wa, text)[0] == name


LONG_NAME = "Maximilian"


@pytest.mark.parametrize(
    "text",
    [
        "Maxjmilian",
        "Maximlian",
        "Maxximilian",
        "Maxmiilian",
        "aximilian",
        "Maximiliann",
        "maximiliam",
        "amximilian",
    ],
)
def test_a_typo_in_a_long_name_finds_it(wa: Wa, do: Any, text: str) -> None:
    do("add", LONG_NAME, REEM)
    do("add", "Reem", ADAM)
    assert found(wa, text) == [LONG_NAME]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Nadia Sample", "nadja"),
        ("Nadia Sample", "sapmle"),
        ("Anna Catherine", "anna katherine"),
        ("Zoë Müller", "muler"),
        ("Владимир", "владимер"),
        ("Charlotte", "charlote"),
        ("Theresa", "thersea"),
    ],
)
def test_a_typo_in_a_part_of_a_name_finds_it(wa: Wa, do: Any, name: str, text: str) -> None:
    do("add", name, REEM)
    assert found(wa, text) == [name]


def test_a_typo_in_an_alias_finds_it(wa: Wa, do: Any) -> None:
    do("add", "R", REEM, "--alias", "Grandmother")
    assert found(wa, "grandmohter") == ["R"]


def test_a_very_different_name_is_not_found_as_a_typo(wa: Wa, do: Any) -> None:
    do("add", "Maximilian", REEM)
    do("add", "Reem", ADAM)
    for text in ("Maksymilian", "Minimalian", "Room", "Maxxxmilian"):
        assert found(wa, text) == [], text


def test_the_best_match_comes_first(wa: Wa, do: Any) -> None:
    names = ["Martin", "Martina", "Jo Smartinez"]
    for number, name in enumerate(reversed(names)):
        do("add", name, f"44770090000{number}")
    assert found(wa, "martin") == names
    do("favorite", "Jo Smartinez")
    assert found(wa, "martin") == names


def test_names_spelled_otherwise_are_shown_only_without_another_match(wa: Wa, do: Any) -> None:
    for number, name in enumerate(("Marten", "Jo Smartinez", "Martin")):
        do("add", name, f"44770090000{number}")
    do("favorite", "Marten")
    assert found(wa, "martin") == ["Martin", "Jo Smartinez"]
    do("remove", "Martin")
    do("remove", "Jo Smartinez")
    assert found(wa, "martin") == ["Marten"]


def test_favourites_come_first_among_equals(wa: Wa, do: Any) -> None:
    for number, name in enumerate(("Anna One", "Anna Two", "Anna Three", "Susanna")):
        do("add", name, f"44770090000{number}")
    do("favorite", "Anna Two")
    do("favorite", "Susanna")
    assert found(wa, "anna") == ["Anna Two", "Anna One", "Anna Three", "Susanna"]


def test_an_alias_is_as_good_as_a_name(wa: Wa, do: Any) -> None:
    do("add", "Sisterhood", REEM)
    do("add", "Zoë", ADAM, "--alias", "Sister")
    assert found(wa, "sister") == ["Zoë", "Sisterhood"]


def test_a_whole_word_wins_over_a_part(wa: Wa, do: Any) -> None:
    do("add", "Bananas Rosemary", REEM)
    do("add", "Mary Example", ADAM)
    assert found(wa, "mary") == ["Mary Example", "Bananas Rosemary"]


def test_search_finds_no_typos_in_numbers(wa: Wa, do: Any) -> None:
    do("add", "Reem", REEM)
    assert found(wa, "447700900124") == []


def test_ten_thousand_contacts_are_searched_and_listed(wa: Wa, store: Store) -> None:
    people = [
        (n, f"447700900{n:03}" if n < 1000 else None, f"Person {n:05}", f'["p{n}"]', None)
        for n in range(9_998)
    ]
    people += [(9_998, None, "Maximilian", "[]", None), (9_999, None, "Zoë Needle", "[]", "hay")]
    with store.write():
        store.conn.executemany(
            "INSERT INTO contacts (id, phone, name, aliases, notes, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, '2026-11-20T12:00:00.000Z', '2026-11-20T12:00:00.000Z')",
            people,
        )
        store.execute(
            "INSERT INTO contact_phones (phone, contact_id)"
            " SELECT phone, id FROM contacts WHERE phone NOT NULL"
        )
    assert len(wa("contacts", "list", "--json").json) == 10_000
    assert found(wa, "needle") == ["Zoë Needle"]
    assert found(wa, "zoe hay") == ["Zoë Needle"]
    assert found(wa, "maxmilian") == ["Maximilian"]
    assert found(wa, "Person 04711")[0] == "Person 04711"
    assert found(wa, "p4711") == ["Person 04711"]
    assert found(wa, "+447700900471") == ["Person 00471"]
    assert found(wa, "0900471") == ["Person 00471"]
    assert len(found(wa, "person")) == 9_998
    assert wa("contacts", "show", "person 09997", "--json").json["phone"] is None
    result = wa("contacts", "show", "person", "--json")
    assert (result.code, result.error["code"]) == (4, "ambiguous")
    assert len(result.error["message"]) < 1000


# ── Odd names ─────────────────────────────────────────────────────────────────────────────────────

NASTY = "Re\x1b[31mem\x07\x9b \u202egnirts\u2066 \r\nerror: lost\t|\u2028end"


def test_control_characters_are_harmless(wa: Wa, do: Any) -> None:
    do("add", NASTY, REEM, "--alias", NASTY, "--tag", NASTY, "--notes", NASTY)
    for args in (
        ["list"],
        ["search", "gnirts"],
        ["show", REEM],
        ["alias", REEM, "\x1b[2J"],
        ["tag", REEM, "\x1b[2J"],
        ["favorite", REEM],
        ["edit", REEM, "--name", NASTY + "2"],
        ["export", "--format", "txt"],
        ["remove", REEM],
        ["add", NASTY, REEM],
        ["merge", REEM, REEM],
    ):
        result = wa("contacts", *args)
        assert result.code == (2 if args[0] == "merge" else 0), (args, result.err)
        text = result.out + result.err
        assert DANGEROUS.search(text) is None, args
        if args[0] not in ("show", "merge"):
            assert len(result.out.splitlines()) == 1, args
            assert len(re.split("[\n\x85\u2028\u2029]", result.out)) == 2, args
        assert "Traceback" not in text


def test_a_note_cannot_imitate_another_field(wa: Wa, do: Any) -> None:
    """Its further lines are indented, or stand below all fields after an empty line."""
    do("add", "Reem", REEM, "--notes", "x\nnumbers   +12025550199\nname: Bank", "--tag", "Family")
    fields = wa("contacts", "show", "Reem").out.split("\n\n")[0].splitlines()
    assert not [line for line in fields if line.startswith(("numbers   +1202", "name: Bank"))]
    assert any("Family" in line for line in fields)


def test_very_long_names_are_stored_and_found(wa: Wa, do: Any) -> None:
    name = "Reem " * 2_000 + "end"
    row = do("add", name, REEM, "--alias", "a" * 10_000, "--notes", "n" * 100_000)
    assert row["name"] == name
    assert name in wa("contacts", "list").out
    assert do("show", "reem")["id"] == row["id"]
    assert found(wa, "a" * 10_000) == [name]
    assert found(wa, "b" * 10_000) == []


def test_a_name_that_looks_like_an_id_is_a_name(do: Any, refused: Any) -> None:
    first = do("add", "Reem", REEM)
    second = do("add", str(first["id"]), ADAM)
    assert do("show", ADAM)["id"] == second["id"]
    assert do("show", "Reem")["id"] == first["id"]
    assert do("show", str(second["id"]))["id"] == second["id"]


def test_a_name_that_looks_like_an_option_is_a_name(do: Any, wa: Wa) -> None:
    assert wa("contacts", "add", "--", "--name", REEM).code == 0
    assert wa("contacts", "show", "--json", "--", "--name").json["phone"] == REEM


# ── At the same time ──────────────────────────────────────────────────────────────────────────────


def test_eight_processes_that_add_aliases_at_once_lose_none(spawn: Any, do: Any) -> None:
    do("add", "Reem", REEM)
    started = [spawn("contacts", "alias", "Reem", f"A{number}") for number in range(8)]
    assert [process.finish().code for process in started] == [0] * 8
    assert sorted(do("show", "Reem")["aliases"]) == [f"A{number}" for number in range(8)]


def test_one_number_added_by_many_is_added_once(spawn: Any, do: Any) -> None:
    do("list")
    started = [spawn("contacts", "add", f"Name {number}", REEM) for number in range(6)]
    codes = sorted(process.finish().code for process in started)
    assert codes == [0, 2, 2, 2, 2, 2]
    assert len(do("list")) == 1


def test_two_imports_at_once_add_each_person_once(spawn: Any, do: Any, tmp_path: Path) -> None:
    path = tmp_path / "people.vcf"
    path.write_text("".join(card(f"FN:Person {n}", f"TEL:+447700900{n:03}") for n in range(300)))
    started = [spawn("contacts", "import-vcf", str(path), "--json") for _ in range(3)]
    results = [process.finish() for process in started]
    assert [result.code for result in results] == [0] * 3, [result.err for result in results]
    assert sum(result.json["added"] for result in results) == 300
    rows = do("list")
    assert sorted(numbers(row)[0] for row in rows) == [f"447700900{n:03}" for n in range(300)]


def test_a_pipe_that_is_closed_is_no_error(spawn: Any, do: Any) -> None:
    for number in range(5):
        do("add", "Reem", f"44770090000{number}", "--notes", "n" * 50_000)
    listing = spawn("contacts", "list", "--json")
    listing.popen.stdout.close()
    assert listing.popen.wait(timeout=60) in (0, 141, -13)
    assert "Traceback" not in listing.popen.stderr.read()
    listing.popen.stdout = None


@pytest.mark.parametrize(
    "command",
    [
        ["contacts", "add", "Adam"],
        ["contacts", "edit", "Reem", "--phone"],
        ["send", "--no-wait"],
        ["schedule", "add", "--at", "in 2 hours"],
    ],
)
@pytest.mark.parametrize(
    ("number", "what"),
    [
        ("+447700900456p123456", "a pause"),
        ("447700900456,,12", "a pause"),
        ("+447700900456 ext. 12", "an extension"),
        ("*31#+447700900456", "a service code"),
        ("+447700900456 / +447700900789", "a second number"),
    ],
)
def test_a_typed_number_with_more_than_itself_is_usage(
    wa: Wa, home: Home, command: list[str], number: str, what: str
) -> None:
    wa("contacts", "add", "Reem", REEM)
    wa("send", REEM, "Hello", "--no-wait")
    before = dump(home)
    words = [number] if command[0] == "contacts" else [number, "Hello"]
    result = wa(*command, *words, "--json")
    assert (result.code, result.error["code"]) == (2, "usage")
    assert what in result.error["message"]
    assert "447700900456" in result.error["hint"]
    assert dump(home) == before
