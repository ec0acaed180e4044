"""Reading address books as phones and mail programs really export them, with their oddities."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from conftest import ADAM, REEM, WA, FakeClock
from vcard_cases import (
    ADAM_CARD,
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
    numbers_in,
    tel_lines,
)

from wa.store.paths import Home

THIRD = "447700900789"
READABLE = [path for path in REAL_FILES if path.name != "Empty.vcf"]
PATHS = [str(path) for path in READABLE]
PROBLEM = {"file", "line", "card", "reason"}


@pytest.fixture
def take(wa: Wa, tmp_path: Path) -> Any:
    """Import one file's bytes: `take(card("FN:Reem"), "--region", "GB")`."""

    def run(data: bytes | str, *options: str, **env: Any) -> Imported:
        return import_file(wa, tmp_path / "people.vcf", data, *options, **env)

    return run


def international(value: str, region: str) -> tuple[str | None, bool]:
    """Return a number as digits, and whether its country's numbering plan has numbers of that length."""
    try:
        number = phonenumbers.parse(re.sub("^00", "+", value), region)
    except phonenumbers.NumberParseException:
        return None, False
    digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
    length = phonenumbers.is_possible_number_with_reason(number)
    return digits, length == phonenumbers.ValidationResult.IS_POSSIBLE


# ── Files of real programs ────────────────────────────────────────────────────────────────────────


def test_all_real_files_are_present() -> None:
    assert len(REAL_FILES) == 46
    for folder in {path.parent for path in REAL_FILES}:
        assert (folder / "LICENSE.txt").exists()


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_a_real_file_is_read(wa: Wa, tmp_path: Path, home_at: Callable[[Path], Home], path: Path) -> None:
    last = len(path.read_bytes().splitlines()) + 1
    for region in ("DE", "US", None):
        options = ["--region", region] if region else []
        own = {"WA_HOME": str(home_at(tmp_path / f"home-{region}").path)}
        result = wa("contacts", "import-vcf", str(path), *options, "--json", **own)
        assert result.code in (0, 8), result.err
        assert "Traceback" not in result.err
        report = result.json
        assert report["added"] or report["problems"]
        assert (result.code == 8) == bool(report["skipped"])
        assert (result.code == 8) == bool(report["problems"])
        for problem in report["problems"] + report["warnings"]:
            assert set(problem) >= PROBLEM
            assert Path(problem["file"]).name == path.name
            assert 1 <= problem["line"] <= last
            assert problem["reason"].strip()
        again = wa("contacts", "import-vcf", str(path), *options, "--json", **own)
        assert (again.code, again.json["added"], again.json["updated"]) == (result.code, 0, 0)


def test_99_of_100_numbers_are_imported(wa: Wa, home: Home) -> None:
    result = wa("contacts", "import-vcf", *PATHS, "--region", "DE", "--json")
    assert result.code == 8, result.err
    there = numbers_in(home)
    wanted = [
        (path.name, each.value)
        for path in READABLE
        for each in tel_lines(path.read_bytes())
        if each.digits >= 5
    ]
    assert len(wanted) == 100
    missing = [pair for pair in wanted if international(pair[1], "DE")[0] not in there]
    assert len(missing) <= len(wanted) // 100, missing


@pytest.mark.parametrize("region", ["DE", "US"])
def test_every_number_is_imported_or_named(wa: Wa, home: Home, region: str) -> None:
    report = wa("contacts", "import-vcf", *PATHS, "--region", region, "--json").json
    named = {(Path(each["file"]).name, each["line"]) for each in report["problems"]}
    there = numbers_in(home)
    lost, refused = [], []
    for path in READABLE:
        for each in tel_lines(path.read_bytes()):
            digits, possible = international(each.value, region)
            if possible and each.digits >= 5 and digits not in there:
                refused.append((path.name, each))
            abroad = re.sub(
                r"\D", "", each.value
            )  # a number too long for the region may be a number of another region
            if not {digits, abroad} & there and each.value.strip() and (path.name, each.line) not in named:
                lost.append((path.name, each))
    assert refused == []
    assert lost == []


def test_without_a_region_the_national_numbers_are_named(wa: Wa, home: Home) -> None:
    report = wa("contacts", "import-vcf", *PATHS, "--json").json
    named = {(Path(each["file"]).name, each["line"]) for each in report["problems"]}
    there = numbers_in(home)
    assert "4912345 6789".replace(" ", "") in there  # +49 1234 56789
    for path in READABLE:
        for each in tel_lines(path.read_bytes()):
            plain = each.value.removeprefix("tel:").strip()
            if 5 <= each.digits < 11 and not plain.startswith(("+", "00")):
                assert (path.name, each.line) in named, (path.name, each)


def test_a_second_import_of_everything_changes_nothing(wa: Wa, home: Home) -> None:
    clock = FakeClock()
    first = wa("contacts", "import-vcf", *PATHS, "--region", "DE", "--json", now=clock).json
    assert first["added"] > 1000
    before = dump(home)
    for paths in (PATHS, PATHS[::-1], PATHS[7:] + PATHS[:7]):
        clock.advance(days=1)
        again = wa("contacts", "import-vcf", *paths, "--region", "DE", "--json", now=clock).json
        assert (again["added"], again["updated"]) == (0, 0)
        assert again["skipped"] == first["skipped"]
        assert dump(home) == before


def test_files_imported_one_by_one_and_again_change_nothing(wa: Wa, home: Home) -> None:
    for path in PATHS:
        assert wa("contacts", "import-vcf", path, "--region", "US").code in (0, 8)
    before = dump(home)
    for path in PATHS[::-1]:
        report = wa("contacts", "import-vcf", path, "--region", "US", "--json").json
        assert (report["added"], report["updated"]) == (0, 0), path
    assert dump(home) == before


def test_a_dry_run_writes_nothing(wa: Wa, home: Home, tmp_path: Path) -> None:
    wa("contacts", "add", "Reem", REEM, "--alias", "Sister")
    before = dump(home)
    tried = wa("contacts", "import-vcf", *PATHS, "--region", "DE", "--dry-run", "--json")
    assert dump(home) == before
    done = wa("contacts", "import-vcf", *PATHS, "--region", "DE", "--json")
    assert (tried.code, tried.json) == (done.code, done.json)


def test_a_dry_run_in_a_fresh_home_writes_nothing(wa: Wa, tmp_path: Path) -> None:
    tried, fresh = tmp_path / "tried", tmp_path / "fresh"
    result = wa("contacts", "import-vcf", *PATHS, "--region", "DE", "--dry-run", WA_HOME=str(tried))
    assert result.code == 8
    wa("contacts", "list", WA_HOME=str(fresh))
    there, empty = dump(tried), dump(fresh)
    assert there in ({}, empty)
    assert not any(rows for name, rows in there.items() if name.startswith("contact"))


@pytest.mark.parametrize(
    ("file", "encoding"),
    [
        ("BenchmarksCurrentVersion_Ukrainian", "cp1251"),
        ("AnsiFilterExamples_Greek", "cp1253"),
        ("BenchmarksCurrentVersion_German", "cp1252"),
        ("MultiAnsiFilterTests_Murks", "cp1252"),
        ("Utf-8_Ukrainian", "utf-8"),
        ("Utf-8_Greek", "utf-8"),
        ("Utf-8_Hebrew", "utf-8"),
        ("AnsiFilterExamples_utf-8", "utf-8"),
    ],
)
def test_names_of_real_files_keep_their_own_script(wa: Wa, file: str, encoding: str) -> None:
    (path,) = [path for path in REAL_FILES if path.stem == file]
    (line,) = [line for line in path.read_bytes().splitlines() if line.startswith(b"FN:")]
    wa("contacts", "import-vcf", str(path))
    (contact,) = wa("contacts", "list", "--json").json
    assert contact["name"] == " ".join(line[3:].decode(encoding).split())


def test_a_real_file_in_utf_16_is_read(wa: Wa) -> None:
    (path,) = [path for path in REAL_FILES if path.stem == "MultiAnsiFilterTests_v3Utf16Bom"]
    wa("contacts", "import-vcf", str(path), "--region", "DE")
    people = wa("contacts", "list", "--json").json
    assert {"Folker Kinzel", "KMS Außenstelle"} <= {each["name"] for each in people}


def test_numbers_with_more_than_a_number_are_read_up_to_it(wa: Wa) -> None:
    result = wa("contacts", "import-vcf", str(MADE_UP["pauses"]), "--region", "GB", "--json")
    found = {row["name"]: sorted(numbers(row)) for row in wa("contacts", "list", "--json").json}
    assert found == {
        "Calling Card": ["447700900144"], "Pause Pat": ["442079460045"], "Pin Pia": ["447700900146"],
        "Wait Will": ["447700900147"], "Hash Hal": ["447700900148"], "Ext Eve": ["442079460049"],
        "Uri Una": ["442079460050"], "Ctx Cy": ["442079460051"], "Clir": ["447700900157"],
        "Two Tom": ["447700900152", "447700900153"], "Or Ola": ["447700900154", "447700900155"],
        "Sms Sue": ["447700900156"], "Ussd": [], "Lrm": ["447700900158"], "Full width": ["447700900159"],
        "Arabic digits": ["447700900160"], "Letters": ["18005559675"],
        "X-phones": [f"44770090016{n}" for n in range(1, 6)],
    }  # fmt: skip
    assert [each["card"] for each in result.json["problems"]] == ["Ussd"]


def test_a_landline_shared_by_two_people_gives_two_contacts_however_often_it_is_imported(wa: Wa) -> None:
    for number in (1, 2, 3, 3):
        wa("contacts", "import-vcf", str(MADE_UP[f"shared-landline-{number}"]))
    found = wa("contacts", "list", "--json").json
    assert [row["name"] for row in found] == ["Anna Sample-Ray", "Bob Sample"]
    assert "likes tea and cake" in found[0]["notes"]


# ── One oddity each ───────────────────────────────────────────────────────────────────────────────

MOBILE = {"phone": REEM, "label": "mobile"}


@pytest.mark.parametrize(
    ("lines", "label"),
    [
        (["item1.TEL:+44 7700 900123", "item1.X-ABLabel:_$!<Mobile>!$_"], "mobile"),
        (["item1.X-ABLabel:_$!<Mobile>!$_", "item1.TEL:+44 7700 900123"], "mobile"),
        (["item1.TEL:+44 7700 900123", "ITEM1.X-ABLABEL:_$!<Home>!$_"], "home"),
        (["item7.TEL:+44 7700 900123", "item1.X-ABLabel:other", "item7.X-ABLabel:Büro"], "Büro"),
        (["item1.TEL;type=pref:+44 7700 900123", "item1.X-ABLabel:Mum\\, at work"], "Mum, at work"),
        (["TEL;TYPE=CELL:+44 7700 900123"], "mobile"),
        (["TEL;TYPE=cell:+44 7700 900123"], "mobile"),
        (["TEL;CELL:+44 7700 900123"], "mobile"),
        (["tel;type=Cell:+44 7700 900123"], "mobile"),
        (['TEL;TYPE="cell,voice":+44 7700 900123'], "mobile"),
        (["TEL;TYPE=cell,voice:+44 7700 900123"], "mobile"),
        (["TEL;TYPE=VOICE;TYPE=CELL;TYPE=pref:+44 7700 900123"], "mobile"),
        (["TEL;CELL;PREF;VOICE:+44 7700 900123"], "mobile"),
        (["TEL;HOME;VOICE:+44 7700 900123"], "home"),
        (["TEL;TYPE=WORK,VOICE:+44 7700 900123"], "work"),
        (["TEL:+44 7700 900123"], None),
        (["TEL;TYPE=:+44 7700 900123"], None),
        (["TEL;:+44 7700 900123"], None),
        (['TEL;X-NOTE="a:b;c";TYPE=HOME:+44 7700 900123'], "home"),
    ],
    ids=lambda value: "|".join(value) if isinstance(value, list) else str(value),
)
def test_a_number_keeps_its_label(take: Any, lines: list[str], label: str | None) -> None:
    found = take(card("FN:Reem", *lines))
    assert (found.code, found.report["added"]) == (0, 1)
    assert found.named("Reem")["phones"] == [{"phone": REEM, "label": label}]
    assert found.named("Reem")["phone"] == REEM


@pytest.mark.parametrize(
    "line",
    [
        "TEL:+447700900123",
        "TEL:00447700900123",
        "TEL:0044 7700 900123",
        "TEL:447700900123",
        "TEL:+44 (0)7700 900123",
        "TEL:+44.7700.900.123",
        "TEL:+44 7700\u00a0900123",
        "TEL:\u202a+44 7700 900123\u202c",
        "TEL:+٤٤٧٧٠٠٩٠٠١٢٣",
        "TEL:+44 7700 900123 ext. 7",
        "TEL;VALUE=uri:tel:+44-7700-900123",
        "TEL;VALUE=uri:tel:+44-7700-900123;ext=7",
        "TEL;VALUE=URI;TYPE=cell:TEL:+44-7700-900123",
        "TEL;VALUE=text:+44 7700 900123",
        "TEL;waid=447700900123:07700 900123",
        "TEL;type=CELL;waid=447700900123:+44 7700 900123",
        "item1.TEL;waid=447700900123:+44 7700 900999",
        "TEL;WAID=447700900123:+44 7700 900999",
        "TEL;ENCODING=QUOTED-PRINTABLE:=2B44=207700=20900123",
    ],
)
def test_a_number_in_any_form_is_read(take: Any, line: str) -> None:
    found = take(card("FN:Reem", line, version="4.0" if "VALUE" in line else "3.0"))
    assert (found.code, found.report["problems"]) == (0, [])
    assert numbers(found.named("Reem")) == [REEM]


NATIONAL = card("FN:Reem", "TEL:07700 900123") + ADAM_CARD


@pytest.mark.parametrize("value", ["07700 900123", "(07700) 900-123", "7700900123", "07700900123"])
def test_a_national_number_needs_a_region(take: Any, tmp_path: Path, value: str) -> None:
    data = NATIONAL.replace("07700 900123", value)
    without = take(data)
    assert (without.code, without.report["skipped"]) == (8, 1)
    assert without.names == ["Adam", "Reem"]
    assert without.named("Reem")["phone"] is None
    assert without.told_of(4)
    for region in ("GB", "gb"):
        own = str(tmp_path / region)
        assert numbers(take(data, "--region", region, WA_HOME=own).named("Reem")) == [REEM]


def test_a_region_given_later_duplicates_no_contact(take: Any) -> None:
    take(NATIONAL)
    found = take(NATIONAL, "--region", "GB")
    assert found.names == ["Adam", "Reem"]
    assert numbers(found.named("Reem")) == [REEM]


def test_a_region_left_out_later_duplicates_no_contact(take: Any) -> None:
    take(NATIONAL, "--region", "GB")
    found = take(NATIONAL)
    assert found.names == ["Adam", "Reem"]
    assert numbers(found.named("Reem")) == [REEM]


def test_the_region_may_come_from_the_settings(take: Any) -> None:
    found = take(card("FN:Reem", "TEL:07700 900123"), WA_REGION="GB")
    assert found.code == 0
    assert numbers(found.named("Reem")) == [REEM]


def test_the_option_wins_over_the_setting(take: Any) -> None:
    found = take(card("FN:Reem", "TEL:(202) 555-0123"), "--region", "US", WA_REGION="GB")
    assert numbers(found.named("Reem")) == ["12025550123"]


def test_two_people_of_one_name_stay_two_when_a_region_is_given_later(take: Any) -> None:
    data = card("FN:Reem", "TEL:07700 900123") + card("FN:Reem", "TEL:07700 900456")
    take(data)
    for _ in range(2):
        found = take(data, "--region", "GB")
        assert sorted(numbers(each) for each in found.people) == [[REEM], [ADAM]]


def test_imports_with_and_without_a_region_in_turn_change_nothing(take: Any, home: Home) -> None:
    data = NATIONAL + card("FN:Zoë", "TEL:(202) 555-0123", "TEL:+447700900789")
    take(data, "--region", "GB")
    take(data)
    before = take(data, "--region", "US").people
    for options in ([], ["--region", "GB"], ["--region", "US"]):
        found = take(data, *options)
        assert (found.report["added"], found.report["updated"]) == (0, 0), options
        assert found.people == before
    assert [each["name"] for each in before].count("Reem") == 1


@pytest.mark.parametrize("region", ["XX", "england", "44"])
def test_an_unknown_region_is_refused(wa: Wa, home: Home, region: str) -> None:
    result = wa("contacts", "import-vcf", PATHS[0], "--region", region, "--json")
    assert (result.code, result.out) == (2, "")
    assert not any(rows for name, rows in dump(home).items() if name.startswith("contact"))


@pytest.mark.parametrize("value", ["2025550123", "99999999999", "123456789012345678", "555", "call me", "+"])
def test_without_a_region_an_ambiguous_number_is_skipped(take: Any, value: str) -> None:
    found = take(card("FN:Reem", f"TEL:{value}", f"TEL:{ADAM_TEL}"))
    assert (found.code, found.report["skipped"]) == (8, 1)
    assert found.told_of(4)
    assert numbers(found.named("Reem")) == [ADAM]


def test_a_doubtful_number_is_imported_with_a_warning(take: Any) -> None:
    found = take(NATIONAL, "--region", "GB")
    assert (found.code, found.report["problems"]) == (0, [])
    assert numbers(found.named("Reem")) == [REEM]
    assert [each["line"] for each in found.report["warnings"]] == [4]


def test_several_numbers_in_one_card_are_kept_with_their_labels(take: Any) -> None:
    found = take(
        card("FN:Reem", f"TEL;CELL:{REEM_TEL}", f"TEL;WORK:{ADAM_TEL}", "TEL;HOME:+447700900789", "TEL:bad")
    )
    (reem,) = found.people
    assert set(numbers(reem)) == {REEM, ADAM, THIRD}
    assert {each["label"] for each in reem["phones"]} == {"mobile", "work", "home"}
    assert reem["phone"] == numbers(reem)[0]
    assert found.told_of(7)


def test_two_numbers_in_one_line_are_both_read(take: Any) -> None:
    lines = ["TEL;CELL:+447700900123 / +447700900456", "TEL;WORK:07700 900789\\n020 7946 0123"]
    found = take(card("FN:Reem", *lines), "--region", "GB")
    assert (found.code, found.named("Reem")["phone"]) == (0, REEM)
    assert {each["phone"]: each["label"] for each in found.named("Reem")["phones"]} == {
        REEM: "mobile", ADAM: "mobile", THIRD: "work", "442079460123": "work"
    }  # fmt: skip
    assert take(card("FN:Reem", *lines), "--region", "GB").report["unchanged"] == 1


def test_a_number_that_was_read_with_its_pause_is_corrected_by_the_next_import(take: Any, home: Home) -> None:
    """A store of a version that took the digits behind a pause into the number."""
    data = card("FN:Reem", "TEL;CELL:+447700900123p12")
    take(data)
    db = sqlite3.connect(home.store)
    for table in ("contacts", "contact_phones"):
        db.execute(f"UPDATE {table} SET phone = '44770090012312'")
    db.execute("UPDATE contact_cards SET digest = 'old', numbers = replace(numbers, '0123\"', '012312\"')")
    db.commit()
    db.close()
    found = take(data)
    assert numbers(found.named("Reem")) == [REEM]
    assert found.named("Reem")["phone"] == REEM


def test_what_is_no_number_is_named(take: Any) -> None:
    found = take(card("FN:Reem", f"TEL:{'1' * 30}", "TEL:*100#", "TEL:+44 7700 900ABC", f"TEL:{ADAM_TEL}"))
    assert (found.code, numbers(found.named("Reem"))) == (8, [ADAM])
    for line, reason in [(4, "30 digits"), (5, "service code"), (6, "letters")]:
        assert reason in found.told_of(line)[0]


@pytest.mark.parametrize(
    "line",
    [
        "X-MOBILE:+447700900123", "X-TEL;CELL:+447700900123", "X-PHONE;CELL:+44 7700 900123",
        "IMPP:whatsapp:+447700900123", "IMPP;X-SERVICE-TYPE=WhatsApp:x-apple:447700900123",
        "X-WHATSAPP:447700900123", "URL:https://wa.me/447700900123",
        "URL:https://api.whatsapp.com/send?phone=447700900123&text=Hi",
        "X-SOCIALPROFILE;type=whatsapp:+44 7700 900123",
    ],
)  # fmt: skip
def test_a_number_in_another_property_is_read(take: Any, line: str) -> None:
    found = take(card("FN:Reem", f"TEL;HOME:{ADAM_TEL}", line))
    assert (found.code, found.named("Reem")["phone"]) == (0, REEM)
    assert numbers(found.named("Reem")) == [REEM, ADAM]


@pytest.mark.parametrize(
    "line", ["URL:https://example.org/447700900456", "IMPP:skype:447700900456", "X-QQ:447700900456"]
)
def test_a_number_that_is_no_phone_number_is_not_read(take: Any, line: str) -> None:
    assert numbers(take(card("FN:Reem", f"TEL:{REEM_TEL}", line)).named("Reem")) == [REEM]


def test_one_number_written_twice_is_one_number(take: Any) -> None:
    found = take(card("FN:Reem", f"TEL;CELL:{REEM_TEL}", "TEL;WORK:00447700900123"))
    assert (found.code, numbers(found.named("Reem"))) == (0, [REEM])


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["FN:Reem Haddad", "N:X;Y;;;"], "Reem Haddad"),
        (["FN:", "N:Haddad;Reem;;;"], "Reem Haddad"),
        (["N:Haddad;Reem;;;"], "Reem Haddad"),
        (["N:;Reem;;;"], "Reem"),
        (["N:Haddad"], "Haddad"),
        (["FN: ", "N:;;;;", "ORG:Example Bakery"], "Example Bakery"),
        (["ORG:Example Bakery;"], "Example Bakery"),
        (["fn:Reem Haddad"], "Reem Haddad"),
        (["FN;CHARSET=UTF-8:Zoë"], "Zoë"),
        (["FN:Haddad\\, Reem"], "Haddad, Reem"),
        (["FN: Reem Haddad \t"], "Reem Haddad"),
        (["FN:Re", " em"], "Reem"),
        (["FN:Re", "\tem"], "Reem"),
        (["FN:☎ عمر 🎉"], "☎ عمر 🎉"),
        (["FN;LANGUAGE=ar;ALTID=1:عمر"], "عمر"),
        (["PROFILE:VCARD", "FN:Reem"], "Reem"),
    ],
)
def test_a_card_gives_the_name(take: Any, lines: list[str], name: str) -> None:
    found = take(card(*lines, f"TEL:{REEM_TEL}"))
    assert found.names == [name]
    assert found.code == 0


def test_a_number_alone_is_its_own_name(take: Any) -> None:
    found = take(card(f"TEL:{REEM_TEL}"))
    (contact,) = found.people
    assert (found.code, numbers(contact)) == (0, [REEM])
    assert "".join(c for c in contact["name"] if c.isdigit()) == REEM


def test_a_name_without_a_number_is_imported(take: Any) -> None:
    found = take(card("FN:Reem", "EMAIL:reem@example.org"))
    assert (found.code, found.report["added"]) == (0, 1)
    assert (found.people[0]["phone"], found.people[0]["phones"]) == (None, [])


def test_a_card_without_name_and_number_is_skipped(take: Any) -> None:
    found = take(card("EMAIL:reem@example.org") + ADAM_CARD)
    assert (found.code, found.report["skipped"], found.report["added"]) == (8, 1, 1)
    assert found.names == ["Adam"]
    (problem,) = found.report["problems"]
    assert 1 <= problem["line"] <= 4


def test_all_other_fields_are_imported(take: Any) -> None:
    found = take(
        card(
            "FN:Reem",
            f"TEL:{REEM_TEL}",
            "NICKNAME:Sister,Reemy\\, the first",
            "CATEGORIES:Family,At work\\, upstairs",
            "NOTE:Likes figs\\; hates\\nolives\\, black ones\\N\\\\o/",
            "TZ:Europe/London",
        )
    )
    reem = found.named("Reem")
    assert set(reem["aliases"]) == {"Sister", "Reemy, the first"}
    assert set(reem["tags"]) == {"Family", "At work, upstairs"}
    assert reem["notes"] == "Likes figs; hates\nolives, black ones\n\\o/"
    assert reem["timezone"] == "Europe/London"
    assert reem["is_favorite"] is False


@pytest.mark.parametrize("zone", ["-05:00", "+0100", "EST", "", "Nowhere/Else", "../../etc/passwd"])
def test_an_unknown_time_zone_is_left_out(take: Any, zone: str) -> None:
    found = take(card("FN:Reem", f"TEL:{REEM_TEL}", f"TZ:{zone}"))
    assert found.named("Reem")["timezone"] in (None, "EST" if zone == "EST" else None)


# ── Encodings ─────────────────────────────────────────────────────────────────────────────────────

QUOTED = {
    "soft breaks": ["FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Zo=C3=AB M=C3=\r\n=BCl=\r\nler"],
    "a break inside a letter": ["FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Zo=C3=\r\n=AB M=C3=BCller"],
    "short form": ["FN;QUOTED-PRINTABLE;CHARSET=UTF-8:Zo=C3=AB M=C3=BCller"],
    "lower case": ["fn;charset=utf-8;encoding=quoted-printable:Zo=c3=ab M=c3=bcller"],
    "windows-1252": ["FN;CHARSET=windows-1252;ENCODING=QUOTED-PRINTABLE:Zo=EB M=FC=\r\nller"],
    "latin-1": ["FN;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:Zo=EB M=FCller"],
    "no charset": ["FN;ENCODING=QUOTED-PRINTABLE:Zo=C3=AB M=C3=BCller"],
    "no charset, 1252": ["FN;ENCODING=QUOTED-PRINTABLE:Zo=EB M=FCller"],
    "unknown charset": ["FN;CHARSET=murks;ENCODING=QUOTED-PRINTABLE:Zo=C3=AB M=C3=BCller"],
    "name parts": ["N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCl=\r\nler;Zo=C3=AB;;;"],
    "folded as well": ["FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Zo=C3=AB=\r\n M=C3=BCller"],
}


@pytest.mark.parametrize("name", QUOTED)
def test_a_quoted_printable_name_is_read(take: Any, name: str) -> None:
    found = take(card(*QUOTED[name], f"TEL:{REEM_TEL}", version="2.1") + ADAM_CARD)
    assert found.code == 0, found.report
    assert found.names == ["Adam", "Zoë Müller"]
    assert found.named("Zoë Müller")["phone"] == REEM


def test_a_soft_break_before_text_that_looks_like_a_line_is_read(take: Any) -> None:
    note = "NOTE;ENCODING=QUOTED-PRINTABLE:one=0D=0A=\r\nTEL:+447700900789=0D=0A=\r\nFN:two"
    found = take(card("FN:Reem", note, f"TEL:{REEM_TEL}", version="2.1") + ADAM_CARD)
    assert found.names == ["Adam", "Reem"]
    assert numbers(found.named("Reem")) == [REEM]
    assert found.named("Reem")["notes"].split() == ["one", "TEL:+447700900789", "FN:two"]


@pytest.mark.parametrize("encoding", ["ENCODING=BASE64", "BASE64", "ENCODING=b"])
@pytest.mark.parametrize("folded", [True, False])
def test_the_equals_sign_at_the_end_of_a_picture_is_no_soft_break(
    take: Any, encoding: str, folded: bool
) -> None:
    photo = f"PHOTO;JPEG;{encoding}:/9j/4AAQSkZJRgABAQAA\r\n{' ' if folded else ''}AQABAAA="
    found = take(card("FN:Reem", photo, f"TEL:{REEM_TEL}", version="2.1") + ADAM_CARD)
    assert found.names == ["Adam", "Reem"]
    assert numbers(found.named("Reem")) == [REEM]


def test_a_soft_break_at_the_end_of_a_card_damages_no_other_card(take: Any) -> None:
    note = "NOTE;ENCODING=QUOTED-PRINTABLE:cut off=C3="
    found = take(card("FN:Reem", f"TEL:{REEM_TEL}", note, version="2.1") + ADAM_CARD)
    assert found.names == ["Adam", "Reem"]
    assert found.named("Reem")["notes"].startswith("cut off")


def test_a_soft_break_at_the_end_of_the_file_damages_no_card(take: Any) -> None:
    data = ADAM_CARD + card("FN:Reem", f"TEL:{REEM_TEL}", version="2.1").replace(
        "END:VCARD\r\n", "NOTE;ENCODING=QUOTED-PRINTABLE:cut off=C3="
    )
    found = take(data)
    assert found.names == ["Adam", "Reem"]
    assert numbers(found.named("Reem")) == [REEM]


@pytest.mark.parametrize(
    "behind",
    [
        "TEL;CELL:+447700900123",
        "TEL;CELL:+447700900123\r\nPHOTO;ENCODING=BASE64;JPEG:/9j/4AAQ\r\n /9j=",
        "PHOTO;ENCODING=BASE64;JPEG:/9j/4AAQSkZJ\r\nAQABAAA=\r\n\r\nTEL;CELL:+447700900123",
        "item1.TEL;PREF:+447700900123\r\nitem1.X-ABLabel:mobile",
        "X-ANDROID-CUSTOM:x\r\nTEL;CELL:+447700900123",
        "\r\nTEL;CELL:+447700900123",
    ],
)
@pytest.mark.parametrize("name", ["FN", "N", "NOTE", "X-CUSTOM"])
def test_an_equals_sign_at_the_end_of_a_value_swallows_no_line(take: Any, name: str, behind: str) -> None:
    line = f"{name};ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:=5A=6F=C3=AB="
    found = take(card(line, behind, "TITLE:x", "ORG:Zoë", version="2.1") + ADAM_CARD)
    assert (found.code, found.names) == (0, ["Adam", "Zoë"])
    assert numbers(found.named("Zoë")) == [REEM]


@pytest.mark.parametrize(
    "behind", ["TEL;CELL:+447700900123", "TEL:+447700900123", "TITLE:x\r\nTEL:+447700900123"]
)
def test_a_note_that_ends_in_a_line_break_and_an_equals_sign_swallows_no_line(take: Any, behind: str) -> None:
    note = "NOTE;ENCODING=QUOTED-PRINTABLE:one=0D=0A=\r\ntwo=0D=0A="
    found = take(card("FN:Reem", note, behind, version="2.1") + ADAM_CARD)
    assert (found.code, found.names) == (0, ["Adam", "Reem"])
    assert numbers(found.named("Reem")) == [REEM]
    assert found.named("Reem")["notes"].split() == ["one", "two"]


def test_an_equals_sign_at_the_end_of_a_lower_case_line_swallows_no_line(take: Any) -> None:
    lines = ["fn;encoding=quoted-printable:Zo=C3=AB=", f"tel;cell:{REEM_TEL}"]
    found = take(card(*lines, version="2.1"))
    assert numbers(found.named("Zoë")) == [REEM]


def test_a_sentence_that_goes_on_behind_a_soft_break_is_no_line(take: Any) -> None:
    note = "NOTE;ENCODING=QUOTED-PRINTABLE:ring the =\r\nTel: 12345 =\r\nnote: twice"
    found = take(card("FN:Reem", note, f"TEL:{REEM_TEL}", version="2.1"))
    assert found.named("Reem")["notes"] == "ring the Tel: 12345 note: twice"
    assert numbers(found.named("Reem")) == [REEM]


FOLDED_TWICE = {
    "inside a letter": ["FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=97=D0=\r\n =BE=D1=8F=\r\n =21"],
    "shown by another line": [
        "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:;=D0=97=D0=\r\n =BE=D1=8F;;;",
        "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=97=D0=BE=\r\n =D1=8F=21",
    ],
    "a tab": ["FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=97=D0=BE=\r\n\t=D1=8F=21"],
    "without a soft break": ["FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=97=D0\r\n =BE=D1=8F=21"],
    "in another charset": ["FN;CHARSET=SHIFT_JIS;ENCODING=QUOTED-PRINTABLE:=83]=83=\r\n C=83=\r\n =84=21"],
    "other spaces as =20": [
        "NOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=97=20=D0=\r\n =97",
        "FN;CHARSET=windows-1251;ENCODING=QUOTED-PRINTABLE:=C7=\r\n =EE=\r\n =FF=21",
    ],
}


@pytest.mark.parametrize("name", FOLDED_TWICE)
def test_a_name_that_is_folded_twice_is_read(take: Any, name: str) -> None:
    found = take(card(*FOLDED_TWICE[name], f"TEL:{REEM_TEL}", version="2.1") + ADAM_CARD)
    assert found.code == 0, found.report
    assert found.owner(REEM)["name"] == ("ゾイヤ!" if "SHIFT" in FOLDED_TWICE[name][0] else "Зоя!")


TWO = card("FN:Zoë عمر Ωμέγα 😀", f"TEL:{REEM_TEL}") + ADAM_CARD


@pytest.mark.parametrize(
    "data",
    [
        TWO.encode(),
        TWO.encode("utf-8-sig"),
        TWO.encode("utf-16"),
        b"\xff\xfe" + TWO.encode("utf-16-le"),
        b"\xfe\xff" + TWO.encode("utf-16-be"),
        card("FN:Zoë عمر Ωμέγα 😀", f"TEL:{REEM_TEL}").encode("utf-8-sig") + ADAM_CARD.encode("utf-8-sig"),
        b"\xef\xbb\xbf\r\n\r\n" + TWO.encode(),
    ],
    ids=["utf-8", "bom", "utf-16", "utf-16-le", "utf-16-be", "two files in one", "empty lines first"],
)
def test_unicode_with_and_without_a_byte_order_mark_is_read(take: Any, data: bytes) -> None:
    found = take(data)
    assert found.code == 0, found.report
    assert found.names == ["Adam", "Zoë عمر Ωμέγα 😀"]


SCRIPTS = [
    ("iso-8859-1", "Zoë Müller"),
    ("windows-1252", "Zoë – Müller"),
    ("windows-1251", "Віталій Кличко"),
    ("windows-1253", "Βαγγέλης Παπαθανασίου"),
    ("windows-1255", "אפרים קישון"),
    ("windows-1256", "عمر الشريف"),
    ("koi8-r", "Анна Каренина"),
    ("shift_jis", "夏目漱石"),
]


@pytest.mark.parametrize(("charset", "name"), SCRIPTS)
def test_a_code_page_named_in_the_line_is_used(take: Any, charset: str, name: str) -> None:
    data = card(f"FN;CHARSET={charset}:{name}", f"TEL:{REEM_TEL}", version="2.1").encode(charset)
    found = take(data + ADAM_CARD.encode())
    assert found.code == 0, found.report
    assert found.names == sorted(["Adam", name])


@pytest.mark.parametrize(("charset", "name"), SCRIPTS[:6])
def test_a_code_page_named_in_another_line_is_used(take: Any, charset: str, name: str) -> None:
    label = f"LABEL;CHARSET={charset};ENCODING=QUOTED-PRINTABLE:=41"
    data = card(f"FN:{name}", label, f"TEL:{REEM_TEL}", version="2.1").encode(charset)
    found = take(data + ADAM_CARD.encode())
    assert found.names == sorted(["Adam", name])


@pytest.mark.parametrize(("charset", "name"), SCRIPTS[:6])
def test_a_code_page_named_by_charset_is_used(take: Any, charset: str, name: str) -> None:
    data = card(f"FN:{name}", f"TEL:{REEM_TEL}", version="2.1").encode(charset)
    assert take(data + ADAM_CARD.encode(), "--charset", charset).names == sorted(["Adam", name])


@pytest.mark.parametrize(("charset", "name"), SCRIPTS)
def test_a_code_page_that_is_not_named_damages_no_number_and_no_other_card(
    take: Any, charset: str, name: str
) -> None:
    """The letters can only be guessed; the number and the next card are imported."""
    data = card(f"FN:{name}", f"TEL:{REEM_TEL}", version="2.1").encode(charset)
    found = take(data + ADAM_CARD.encode())
    assert found.owner(REEM)["name"].strip()
    assert found.owner(ADAM)["name"] == "Adam"
    if charset in ("iso-8859-1", "windows-1252"):
        assert found.owner(REEM)["name"] == name


def test_each_card_has_an_encoding_of_its_own(take: Any) -> None:
    found = take(
        card("FN:Zoë", f"TEL:{REEM_TEL}").encode()
        + card("FN:Søren", f"TEL:{ADAM_TEL}").encode("latin-1")
        + card("FN;CHARSET=windows-1251:Анна", "TEL:+447700900789").encode("cp1251")
    )
    assert found.names == sorted(["Zoë", "Søren", "Анна"])


def test_a_line_folded_inside_a_character_is_read(take: Any) -> None:
    name = "Zoë Ω 😀".encode()
    for cut in range(1, len(name)):
        line = b"FN:" + name[:cut] + b"\r\n " + name[cut:]
        data = card("FN:?", f"TEL:{REEM_TEL}").encode().replace(b"FN:?", line)
        found = take(data + ADAM_CARD.encode())
        assert found.owner(REEM)["name"] == "Zoë Ω 😀", cut
        assert found.code == 0


@pytest.mark.parametrize("eol", ["\n", "\r", "\r\n", "\r\r\n", "\n\n"], ids=repr)
def test_any_line_ending_is_read(take: Any, eol: str) -> None:
    data = card("FN:Reem", f"TEL:{REEM_TEL}", eol=eol) + card("FN:Adam", f"TEL:{ADAM_TEL}", eol=eol)
    found = take(data)
    assert found.code == 0, found.report
    assert (found.names, found.owner(REEM)["name"]) == (["Adam", "Reem"], "Reem")


# ── Broken files ──────────────────────────────────────────────────────────────────────────────────

REEM_CARD = card("FN:Reem", f"TEL:{REEM_TEL}")


@pytest.mark.parametrize(
    "data",
    [
        REEM_CARD.lower().replace("reem", "Reem") + ADAM_CARD,
        REEM_CARD.rstrip() + ADAM_CARD,
        REEM_CARD + ADAM_CARD.replace("END:VCARD\r\n", ""),
        REEM_CARD.replace("END:VCARD\r\n", "") + ADAM_CARD,
        REEM_CARD.replace("END:VCARD", "END:VCARD  ").replace("BEGIN:VCARD", "BEGIN: VCARD") + ADAM_CARD,
        REEM_CARD.replace("VERSION:3.0\r\n", "") + ADAM_CARD,
        "From: me@example.org\r\nSubject: here they are\r\n\r\n" + REEM_CARD + "and\r\n\r\n" + ADAM_CARD,
        REEM_CARD + "END:VCARD\r\n" + ADAM_CARD,
        REEM_CARD + card() + "\r\n" * 50 + ADAM_CARD,
        REEM_CARD.replace("VERSION:3.0", "VERSION:9.7") + ADAM_CARD,
        REEM_CARD + ADAM_CARD + "\x1a",
    ],
    ids=[
        "lower case",
        "no line end between two",
        "last without an end",
        "begin inside",
        "spaces",
        "no version",
        "a mail around",
        "two ends",
        "an empty one between",
        "unknown version",
        "an end of file mark",
    ],
)
def test_a_broken_card_does_not_damage_its_neighbours(take: Any, data: str) -> None:
    found = take(data)
    assert found.names == ["Adam", "Reem"]
    assert (found.owner(REEM)["name"], found.owner(ADAM)["name"]) == ("Reem", "Adam")


def test_a_number_that_is_cut_off_is_not_another_number(take: Any) -> None:
    found = take(REEM_CARD + "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Adam\r\nTEL:+44 7700")
    assert found.names == ["Adam", "Reem"]
    assert found.named("Adam")["phone"] is None
    assert found.code == 8
    assert found.told_of(9)


def test_a_last_line_that_may_be_cut_off_is_taken_or_named(take: Any) -> None:
    found = take(REEM_CARD + ADAM_CARD.replace("\r\nEND:VCARD\r\n", ""))
    assert found.names == ["Adam", "Reem"]
    assert numbers(found.named("Adam")) == [ADAM] or (found.code, bool(found.told_of(9))) == (8, True)


def test_a_line_without_a_colon_is_reported(take: Any) -> None:
    found = take(card("FN:Reem", "this is no line", f"TEL:{REEM_TEL}") + ADAM_CARD)
    assert (found.code, found.report["skipped"]) == (8, 1)
    (problem,) = found.report["problems"]
    assert problem["line"] == 4
    assert numbers(found.named("Reem")) == [REEM]
    assert found.names == ["Adam", "Reem"]


def test_a_number_without_a_colon_is_reported(take: Any) -> None:
    found = take(card("FN:Reem", "TEL;CELL +447700900789", f"TEL:{REEM_TEL}"))
    assert (found.code, numbers(found.named("Reem"))) == (8, [REEM])
    assert found.told_of(4)


def test_a_number_without_a_colon_after_an_unknown_property_is_reported(take: Any) -> None:
    found = take(card("FN:Reem", "EMAIL:r@example.org", "TEL;CELL +447700900789", f"TEL:{REEM_TEL}"))
    assert (found.code, numbers(found.named("Reem"))) == (8, [REEM])
    assert found.told_of(5)


def test_the_line_of_a_problem_is_that_of_the_file(take: Any) -> None:
    data = card("FN:Re", " em", "NOTE:a", "  b", "  c", "", "TEL:07700", " 900123", eol="\r\n") + ADAM_CARD
    assert take(data).told_of(9)
    assert take(data.replace("\r\n", "\n")).told_of(9)
    assert take(data.replace("\r\n", "\r")).told_of(9)
    assert take(data.encode("utf-16")).told_of(9)


def test_a_card_inside_a_card_is_another_person(take: Any) -> None:
    inner = card("FN:Agent", "TEL:+447700900789", version="2.1")
    data = card("FN:Reem", "AGENT:\r\n" + inner.rstrip(), f"TEL:{REEM_TEL}", version="2.1") + ADAM_CARD
    found = take(data)
    assert numbers(found.named("Reem")) == [REEM]
    assert numbers(found.named("Adam")) == [ADAM]
    assert set(found.names) <= {"Adam", "Agent", "Reem"}


def test_an_agent_written_as_text_is_another_person(take: Any) -> None:
    agent = "AGENT:BEGIN:VCARD\\nFN:Agent\\nTEL:+447700900789\\nEND:VCARD\\n"
    found = take(card("FN:Reem", agent, f"TEL:{REEM_TEL}") + ADAM_CARD)
    assert numbers(found.named("Reem")) == [REEM]
    assert numbers(found.named("Adam")) == [ADAM]


@pytest.mark.parametrize(
    "lines",
    [["KIND:group", "MEMBER:urn:uuid:1"], ["X-ADDRESSBOOKSERVER-KIND:group", "MEMBER:urn:uuid:1"]],
    ids=["4.0", "apple"],
)
def test_a_card_of_a_group_has_no_number(take: Any, lines: list[str]) -> None:
    found = take(card("FN:Friends", "N:Friends;;;;", *lines, version="4.0") + ADAM_CARD)
    assert set(found.names) - {"Friends"} == {"Adam"}
    assert [each["phone"] for each in found.people if each["name"] == "Friends"] in ([], [None])


@pytest.mark.parametrize(
    "where",
    [
        "NOTE",
        pytest.param("X-BLOB", marks=pytest.mark.soak),
        pytest.param("PHOTO;ENCODING=b;TYPE=JPEG", marks=pytest.mark.soak),
    ],
)
def test_an_enormous_line_does_not_stop_the_import(take: Any, where: str) -> None:
    found = take(card("FN:Reem", f"{where}:{'QUJD' * 1_500_000}", f"TEL:{REEM_TEL}") + ADAM_CARD)
    assert found.names == ["Adam", "Reem"]
    assert numbers(found.named("Reem")) == [REEM]


def test_an_enormous_name_is_imported(take: Any, wa: Wa) -> None:
    found = take(card(f"FN:{'Reem ' * 20_000}", f"TEL:{REEM_TEL}") + ADAM_CARD)
    assert found.owner(REEM)["name"].startswith("Reem")
    assert found.owner(ADAM)["name"] == "Adam"


def test_a_thousand_numbers_in_one_card_are_imported(take: Any) -> None:
    found = take(card("FN:Reem", *(f"TEL:+447700900{n:03}" for n in range(1000))))
    assert len(set(numbers(found.named("Reem")))) == 1000


@pytest.mark.parametrize(
    "data",
    [
        card("FN:Re\0em", f"TEL:{REEM_TEL}").encode(),
        card("FN:Reem", "NOTE:\0\0\0", f"TEL:{REEM_TEL}").encode(),
        card("FN:Reem", f"TEL:{REEM_TEL}\0").encode(),
        card("FN:Reem", f"TEL:{REEM_TEL}").encode() + b"\0" * 5000,
    ],
    ids=["name", "note", "number", "end"],
)
def test_nul_bytes_are_ignored(take: Any, data: bytes) -> None:
    found = take(data + ADAM_CARD.encode())
    assert found.owner(REEM)["name"].replace("\0", "").replace(" ", "") == "Reem"
    assert found.owner(ADAM)["name"] == "Adam"


def test_every_single_byte_may_be_wrong(take: Any) -> None:
    """Whatever value one byte gets, the next card is imported."""
    data = card("FN:Reem", f"TEL;CELL:{REEM_TEL}", "NOTE:x").encode()
    for at in range(0, len(data), 3):
        broken = data[:at] + b"\xff" + data[at + 1 :]
        found = take(ADAM_CARD.encode() + broken)
        assert found.owner(ADAM)["name"].startswith("Adam"), at


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("bom", b"\xef\xbb\xbf"),
        ("blank", b"\r\n \r\n"),
        ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 40),
        ("json", b'[{"name": "Reem", "phone": "447700900123"}]'),
        ("html", b"<!doctype html><html><body>BEGIN: here</body></html>"),
        ("text", "Reem: 447700900123\nTEL:+447700900123\n".encode("utf-16")),
        ("calendar", b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"),
        ("sqlite", b"SQLite format 3\0" + bytes(4096)),
        ("zip", b"PK\x03\x04" + bytes(range(256))),
    ],
)
def test_a_file_that_is_no_address_book_is_refused(
    wa: Wa, home: Home, tmp_path: Path, name: str, data: bytes
) -> None:
    wa("contacts", "add", "Reem", REEM)
    before = dump(home)
    path = tmp_path / f"{name}.vcf"
    path.write_bytes(data)
    result = wa("contacts", "import-vcf", str(path), "--json")
    assert (result.code, result.out, result.error["code"]) == (8, "", "bad-data")
    assert path.name in result.error["message"]
    as_text = wa("contacts", "import-vcf", str(path))
    assert (as_text.code, as_text.out) == (8, "")
    assert as_text.err.startswith("error: ")
    assert wa("contacts", "import-vcf", "-", "--json", stdin=data).code == 8
    assert dump(home) == before


def test_the_real_file_that_is_empty_is_refused(wa: Wa) -> None:
    (path,) = set(REAL_FILES) - set(READABLE)
    result = wa("contacts", "import-vcf", str(path), "--json")
    assert (result.code, result.error["code"]) == (8, "bad-data")


def test_a_missing_file_is_not_found(wa: Wa, home: Home, tmp_path: Path) -> None:
    good = tmp_path / "good.vcf"
    good.write_text(ADAM_CARD)
    result = wa("contacts", "import-vcf", str(good), str(tmp_path / "missing.vcf"), "--json")
    assert (result.code, result.out, result.error["code"]) == (4, "", "not-found")
    assert "missing.vcf" in result.error["message"]


def test_a_directory_is_refused(wa: Wa, home: Home, tmp_path: Path) -> None:
    result = wa("contacts", "import-vcf", str(tmp_path), "--json")
    assert (result.code, result.out, result.error["code"]) == (8, "", "bad-data")
    assert wa("contacts", "list", "--json").json == []


def test_an_import_without_a_file_is_usage(wa: Wa) -> None:
    assert wa("contacts", "import-vcf").code == 2


# ── The report ────────────────────────────────────────────────────────────────────────────────────


def test_standard_input_is_imported(wa: Wa) -> None:
    result = wa("contacts", "import-vcf", "-", "--json", stdin=TWO.encode("utf-16"))
    assert (result.code, result.json["added"]) == (0, 2)
    assert len(wa("contacts", "list", "--json").json) == 2


def test_a_process_imports_its_standard_input(shell: Any) -> None:
    result = shell("contacts", "import-vcf", "-", "--json", stdin=REEM_CARD + card("FN:Adam", "TEL:07700"))
    assert result.code == 8
    assert result.json["added"] == 2
    assert result.json["problems"][0]["line"] == 9


def test_the_report_counts_contacts_and_names_problems(wa: Wa, tmp_path: Path) -> None:
    wa("contacts", "add", "Adam", ADAM)
    (tmp_path / "a.vcf").write_text(REEM_CARD + ADAM_CARD)
    (tmp_path / "b.vcf").write_text(
        card("FN:Zoë", "TEL:0770", "no colon") + card("NOTE:x") + card("FN:Adam", f"TEL:{ADAM_TEL}", "NOTE:y")
    )
    files = [str(tmp_path / "a.vcf"), str(tmp_path / "b.vcf")]
    result = wa("contacts", "import-vcf", *files, "--json")
    report = result.json
    assert result.code == 8
    assert {name: report[name] for name in ("added", "skipped")} == {"added": 2, "skipped": 3}
    assert report["updated"] == 1
    where = [(Path(each["file"]).name, each["line"]) for each in report["problems"]]
    assert [name for name, _ in where] == ["b.vcf"] * 3
    lines = sorted(line for _, line in where)
    assert lines[:2] == [4, 5]
    assert 7 <= lines[2] <= 10
    again = wa("contacts", "import-vcf", *files, "--json").json
    assert (again["added"], again["updated"], again["skipped"]) == (0, 0, 3)
    assert again["unchanged"] >= 3
    assert again["problems"] == report["problems"]


def test_the_report_is_printed_in_words(wa: Wa, tmp_path: Path) -> None:
    path = tmp_path / "people.vcf"
    path.write_text(REEM_CARD + card("FN:Zoë", "TEL:0770", "no \x1b[31m colon"))
    result = wa("contacts", "import-vcf", str(path))
    assert result.code == 8
    assert len(result.out.splitlines()) == 1
    assert "2" in result.out
    lines = result.err.splitlines()
    for number in (9, 10):
        (line,) = [line for line in lines if f"{path.name}:{number}: " in line]
        assert line.split(f"{path.name}:{number}: ")[1].strip()
    assert "\x1b" not in result.err + result.out


def test_an_import_without_problems_prints_one_line(wa: Wa, tmp_path: Path) -> None:
    path = tmp_path / "people.vcf"
    path.write_text(REEM_CARD)
    result = wa("contacts", "import-vcf", str(path))
    assert (result.code, result.err) == (0, "")
    assert len(result.out.splitlines()) == 1


def test_a_name_with_escape_sequences_is_harmless(wa: Wa, tmp_path: Path) -> None:
    path = tmp_path / "people.vcf"
    path.write_bytes(card("FN:Re\x1b[31mem\x9b\u202e", f"TEL:{REEM_TEL}", "NICKNAME:\x1b]0;x\x07").encode())
    wa("contacts", "import-vcf", str(path))
    for command in (["list"], ["show", REEM], ["search", REEM], ["export", "--format", "txt"]):
        result = wa("contacts", *command)
        assert result.code == 0, result.err
        assert not set(result.out) & set("\x1b\x07\x9b\u202e"), command


# ── Size ──────────────────────────────────────────────────────────────────────────────────────────

MEASURED = """
import os, subprocess, sys
started = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(started.pid, 0)
print(used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("folded", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_an_import_of_many_pictures_needs_little_memory(spawn: Any, tmp_path: Path, folded: bool) -> None:
    picture = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UH" * 1400
    if folded:
        picture = "\r\n ".join(picture[at : at + 74] for at in range(0, len(picture), 74))
    path = tmp_path / "pictures.vcf"
    with path.open("w", newline="") as file:
        for number in range(200):
            photo = f"PHOTO;ENCODING=b;TYPE=JPEG:{picture}"
            file.write(card(f"FN:Person {number}", photo, f"TEL:+447700900{number:03}"))
    assert path.stat().st_size > 19_000_000
    run = [sys.executable, "-c", MEASURED, WA]
    result = spawn("contacts", "import-vcf", str(path), "--json", program=run).finish()
    assert result.code == 0, result.err
    assert result.json["added"] == 200
    assert int(result.err.splitlines()[-1]) < 150 * 2**20


def test_a_name_in_parts_is_written_as_it_was_read(wa, tmp_path: Path) -> None:
    """A phone that imports our card sorts and greets by the parts of the name."""
    card = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Sample\\, Jr;Nadia;Maria;Dr.;MBE\r\nFN:Dr. Nadia M. Sample\r\n"
        "X-PHONETIC-LAST-NAME:Zampl\r\nX-PHONETIC-FIRST-NAME:Naadia\r\nTEL;TYPE=CELL:+447700900321\r\n"
        "END:VCARD\r\n"
    )
    path = tmp_path / "one.vcf"
    path.write_text(card)
    assert wa("contacts", "import-vcf", str(path)).code == 0
    parts = [
        "N:Sample\\, Jr;Nadia;Maria;Dr.;MBE",
        "X-PHONETIC-LAST-NAME:Zampl",
        "X-PHONETIC-FIRST-NAME:Naadia",
    ]
    exported = wa("contacts", "export").out
    assert [line for line in parts if line not in exported.splitlines()] == []

    fresh = {"WA_HOME": str(tmp_path / "fresh")}
    path.write_text(exported)
    assert wa("contacts", "import-vcf", str(path), **fresh).code == 0
    assert wa("contacts", "export", **fresh).out == exported
    assert wa("contacts", "import-vcf", str(path), "--json", **fresh).json["unchanged"] == 1

    # with another name, the parts of the old one are no longer true
    assert wa("contacts", "edit", "Dr. Nadia M. Sample", "--name", "Nadia New").code == 0
    assert "N:;Nadia New;;;" in wa("contacts", "export").out.splitlines()
    assert "name_parts" not in wa("contacts", "list", "--json").json[0]
