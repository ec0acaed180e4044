"""Which contact a name, a number or a card means, however it is written."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ADAM, REEM, WA, FakeClock, Result, delivered, own
from query_plans import plans
from vcard_cases import REEM_TEL, Wa, card, dump, import_file

from wa.people.from_cards import import_person
from wa.people.person import Person
from wa.store.database import Store
from wa.store.paths import Home
from wa.whatsapp.loopback.server import Loopback

CLOCK = FakeClock()
ZOE = "12025550123"
NEW_YORK = "12125550123"
LANDLINE = "442079460123"
LANDLINE_TEL = "TEL;TYPE=HOME:+44 20 7946 0123"
OTHER_LANDLINE = "442079460456"
LRE, RLE, PDF, LRM, SHY = "\u202a", "\u202b", "\u202c", "\u200e", "\u00ad"

Take = Callable[..., Result]


@pytest.fixture
def take(wa: Wa, tmp_path: Path) -> Take:
    """Import cards; return the report."""

    def run(*cards: str, code: int = 0, options: tuple[str, ...] = ("--json",), **env: str) -> Result:
        path = tmp_path / "people.vcf"
        path.write_text("".join(cards), encoding="utf-8", newline="")
        result = wa("contacts", "import-vcf", str(path), *options, **env)
        assert result.code == code, (result.out, result.err)
        return result

    return run


def book(wa: Wa) -> dict[str, tuple[str | None, list[str]]]:
    """Return the main number and all numbers of each contact, by name; no two names are equal here."""
    rows = wa("contacts", "list", "--json").json
    found = {row["name"]: (row["phone"], sorted(each["phone"] for each in row["phones"])) for row in rows}
    assert len(found) == len(rows), rows
    return found


def reached(wa: Wa, home: Home, who: str, **env: str) -> str:
    """Return the number that a message for `who` goes to."""
    result = wa("send", who, "Hello", **env)
    assert result.code == 0, (who, result.err)
    server = Loopback(home)
    try:
        return str(list(server.delivered())[-1]["to_jid"]).removesuffix("@s.whatsapp.net")
    finally:
        server.close()


def refused(result: Result) -> str:
    """Return the code of the error."""
    assert result.code != 0, result.out
    return str(result.error["code"])


# ── Numbers ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("region", "text", "digits"),
    [
        ("US", "(212) 555-0123", NEW_YORK),
        ("US", "212-555-0123", NEW_YORK),
        ("US", "447700900123", REEM),
        ("GB", "7700 900123", REEM),
        ("GB", "07700 900123", REEM),
        ("GB", "447700900123", REEM),
        ("GB", "12025550123", ZOE),
    ],
)
def test_a_number_means_the_same_wherever_it_is_written(
    wa: Wa, take: Take, home: Home, store: Store, tmp_path: Path, region: str, text: str, digits: str
) -> None:
    assert reached(wa, home, text, WA_REGION=region) == digits
    take(card("FN:Card", f"TEL:{text}"), WA_REGION=region)
    assert book(wa) == {"Card": (digits, [digits])}
    assert wa("contacts", "remove", "Card").code == 0
    planned = {"to": text, "message": "Hi", "scheduledTime": "2026-12-24T10:00:00Z", "status": "pending"}
    files = {"contacts": {"a": {"name": "Old", "numbers": [text]}}, "scheduled": [planned]}
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    migrated = wa("migrate-s3", "--from", str(tmp_path), now=CLOCK, WA_REGION=region)
    assert migrated.code == 0, migrated.out
    assert book(wa) == {"Old": (digits, [digits])}
    assert store.value("SELECT to_phone FROM scheduled_messages WHERE message = 'Hi'") == digits
    assert wa("contacts", "remove", "Old").code == 0
    assert wa("contacts", "add", "Typed", text, WA_REGION=region).code == 0
    assert book(wa) == {"Typed": (digits, [digits])}


@pytest.mark.parametrize("sure", [[], [f"TEL;TYPE=CELL:{REEM_TEL}"]], ids=["alone", "with-another"])
def test_another_region_reads_the_numbers_of_a_card_anew(wa: Wa, take: Take, sure: list[str]) -> None:
    people = card("FN:Bob", "TEL;TYPE=CELL,PREF:(212) 555-0123", *sure)
    known = [REEM] if sure else []
    take(people, options=("--region", "GB"))
    (wrong, before) = book(wa)["Bob"]
    assert wrong != NEW_YORK
    take(people, options=(), code=8)
    assert book(wa) == {"Bob": (wrong, before)}
    take(people, options=("--region", "US"))
    after = book(wa)
    assert after["Bob"][1] == sorted([NEW_YORK, *known])
    assert (after["Bob"][0], list(after)) == (NEW_YORK, ["Bob"])
    take(people, options=(), code=8)
    assert book(wa) == after


# ── Cards ─────────────────────────────────────────────────────────────────────────────────────────

SENIOR = card("FN:John Smith", f"TEL;TYPE=CELL:{REEM_TEL}", LANDLINE_TEL)
JUNIOR = card("FN:John Smith Jr.", f"TEL;TYPE=CELL:+{ADAM}", LANDLINE_TEL)


@pytest.mark.parametrize("both", [(SENIOR, JUNIOR), (JUNIOR, SENIOR)], ids=["senior", "junior"])
@pytest.mark.parametrize("at_once", [True, False], ids=["one-file", "two-files"])
def test_two_people_with_one_landline_stay_two_contacts(
    wa: Wa, take: Take, home: Home, both: tuple[str, str], at_once: bool
) -> None:
    if at_once:
        take("".join(both), code=8)
    else:
        take(both[0])
        take(both[1], code=8)
    found = book(wa)
    assert {name: main for name, (main, _) in found.items()} == {"John Smith": REEM, "John Smith Jr.": ADAM}
    assert sorted(sum((phones for _, phones in found.values()), [])) == sorted([REEM, ADAM, LANDLINE])
    assert reached(wa, home, "John Smith Jr.") == ADAM
    assert reached(wa, home, "John Smith") == REEM


@pytest.mark.parametrize("is_jane_first", [True, False])
def test_a_person_with_only_the_shared_landline_stays_a_contact_of_their_own(
    wa: Wa, take: Take, home: Home, is_jane_first: bool
) -> None:
    jane = card("FN:Jane Smith", f"TEL;TYPE=CELL:{REEM_TEL}", LANDLINE_TEL)
    john = card("FN:John Smith", LANDLINE_TEL)
    for number, each in enumerate([jane, john] if is_jane_first else [john, jane]):
        take(each, code=8 * number)
    found = book(wa)
    assert sorted(found) == ["Jane Smith", "John Smith"]
    assert found["Jane Smith"][0] == REEM
    assert found["John Smith"] == ((None, []) if is_jane_first else (LANDLINE, [LANDLINE]))
    assert reached(wa, home, "Jane Smith") == REEM


def test_cards_of_one_name_and_text_with_two_whatsapp_numbers_are_two_contacts(wa: Wa, take: Take) -> None:
    take(*(card("FN:Ann", f"TEL;waid={phone}:+44 7700 900999") for phone in (REEM, ADAM)))
    rows = wa("contacts", "list", "--json").json
    assert sorted((row["name"], row["phone"]) for row in rows) == [("Ann", REEM), ("Ann", ADAM)]


@pytest.mark.parametrize("by", ["card", "chosen", "edited"])
def test_a_mobile_replaces_a_landline_unless_the_user_chose_that(wa: Wa, take: Take, by: str) -> None:
    if by == "chosen":
        assert wa("contacts", "add", "Ann", LANDLINE).code == 0
    else:
        take(card("FN:Ann", LANDLINE_TEL))
    if by == "edited":
        assert wa("contacts", "edit", "Ann", "--phone", OTHER_LANDLINE).code == 0
    take(card("FN:Ann", f"TEL;TYPE=CELL:{REEM_TEL}", LANDLINE_TEL))
    main, phones = book(wa)["Ann"]
    assert main == {"card": REEM, "chosen": LANDLINE, "edited": OTHER_LANDLINE}[by]
    assert {REEM, LANDLINE} <= set(phones)


@pytest.mark.parametrize("charset", ["hex", "base64", "idna", "undefined"])
def test_a_card_with_an_unknown_charset_is_imported(wa: Wa, take: Take, charset: str) -> None:
    said = take(card(f"FN;CHARSET={charset}:Zoë", f"TEL;CHARSET={charset}:+{ZOE}")).json
    assert (said["added"], said["skipped"], said["problems"]) == (1, 0, [])
    assert book(wa) == {"Zoë": (ZOE, [ZOE])}


@pytest.mark.parametrize("charset", ["base64", "hex", "nonsense"])
def test_an_unknown_charset_option_is_refused(take: Take, charset: str) -> None:
    said = take(card("FN:Ann", f"TEL:+{ZOE}"), options=("--charset", charset, "--json"), code=2)
    assert refused(said) == "usage"


def test_a_note_that_contains_vcard_lines_survives_export_and_import(wa: Wa, tmp_path: Path) -> None:
    marks = ("END:VCARD", "BEGIN:VCARD", "END:VCARD\nBEGIN:VCARD")
    notes = {f"{mark.split(':')[0]} {len(mark)} {n}": "x" * n + mark for mark in marks for n in range(64, 76)}
    cards = "".join(card(f"FN:{name}", "NOTE:" + note.replace("\n", "\\n")) for name, note in notes.items())
    assert len(import_file(wa, tmp_path / "in.vcf", cards).people) == len(notes)
    exported = wa("contacts", "export").out
    assert "\r\n END:VCARD\r\n" in exported
    env = {"WA_HOME": str(tmp_path / "other")}
    again = import_file(wa, tmp_path / "out.vcf", exported, **env)
    assert again.code == 0
    assert {row["name"]: row["notes"] for row in again.people} == notes


def test_a_note_that_contains_the_border_of_two_cards_survives(wa: Wa, tmp_path: Path) -> None:
    note = "so END:VCARDBEGIN:VCARD it is"
    assert wa("contacts", "add", "Ann", REEM, "--notes", note).code == 0
    exported = wa("contacts", "export").out
    again = import_file(wa, tmp_path / "out.vcf", exported, WA_HOME=str(tmp_path / "other"))
    assert (again.code, [row["notes"] for row in again.people]) == (0, [note])


def test_an_end_and_a_beginning_in_one_line_are_two_cards(wa: Wa, take: Take) -> None:
    said = take(card("FN:Ann", f"TEL:+{ZOE}").rstrip() + card("FN:Bob", f"TEL:+{REEM}"))
    assert said.json["problems"] == said.json["warnings"] == []
    assert book(wa) == {"Ann": (ZOE, [ZOE]), "Bob": (REEM, [REEM])}


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_contact_without_a_number_is_not_mistaken_for_a_longer_name(
    wa: Wa, home: Home, store: Store
) -> None:
    assert wa("contacts", "add", "Mum").code == 0
    assert wa("contacts", "add", "Ann").code == 0
    assert wa("contacts", "add", "Anna", ADAM).code == 0
    assert wa("loopback", "say", REEM, "Hello there", "--name", "Mumtaz").code == 0
    own(CLOCK, lambda: store.value("SELECT count(*) FROM messages"))
    assert [row["name"] for row in wa("chats", "--json").json] == ["Mumtaz"]
    assert wa("read", "Mumt", "--json").json
    for args in (["read", "Mum"], ["search", "hello", "--chat", "Mum"], ["send", "Mum", "x"]):
        assert refused(wa(*args, "--json")) == "recipient-not-found"
    assert refused(wa("send", "Ann", "For Ann alone", "--json")) == "recipient-not-found"
    assert delivered(home) == []
    assert reached(wa, home, "Anna") == ADAM


@pytest.mark.parametrize("name", ["Ann @ work", "ann@work", "@ann", "ann@example.com", "Ann@"])
def test_a_name_with_an_at_sign_can_be_written_to(wa: Wa, home: Home, name: str) -> None:
    assert wa("contacts", "add", name, REEM).code == 0
    assert reached(wa, home, name) == REEM
    assert reached(wa, home, f"{ADAM}@s.whatsapp.net") == ADAM
    assert refused(wa("send", "nobody@work", "x", "--json")) == "recipient-not-found"


@pytest.mark.parametrize(("before", "after"), [(LRE, PDF), (RLE, PDF), (LRM, ""), ("", LRM)])
def test_marks_of_text_direction_around_names_and_numbers_are_ignored(
    wa: Wa, take: Take, home: Home, before: str, after: str
) -> None:
    def wrapped(text: str) -> str:
        return before + text + after

    take(card(f"FN:{wrapped('Reem Sample')}", f"TEL:{wrapped(REEM_TEL)}", f"NICKNAME:{wrapped('Sis')}"))
    assert wa("contacts", "add", wrapped("Adam"), ADAM).code == 0
    assert sorted(book(wa)) == ["Adam", "Reem Sample"]
    assert book(wa)["Reem Sample"] == (REEM, [REEM])
    for who, digits in {"Reem Sample": REEM, "sis": REEM, "Adam": ADAM}.items():
        assert reached(wa, home, wrapped(who)) == digits
    assert reached(wa, home, "Adam") == ADAM


@pytest.mark.parametrize(
    "written", [f"{LRE}{REEM_TEL}{PDF}", f"{LRM}{REEM_TEL}", f"{REEM_TEL}{LRM}", f"+44 7700{SHY} 900123"]
)
def test_invisible_marks_in_a_pasted_number_are_ignored(wa: Wa, home: Home, written: str) -> None:
    assert reached(wa, home, written) == REEM
    assert wa("contacts", "add", "Reem", written).code == 0
    assert book(wa) == {"Reem": (REEM, [REEM])}
    assert wa("contacts", "show", written).code == 0


def test_a_soft_hyphen_in_a_name_is_ignored(wa: Wa, take: Take, home: Home) -> None:
    take(card(f"FN:Sam{SHY}ple", f"TEL:+44 7700{SHY}900123"))
    assert [phones for _, phones in book(wa).values()] == [[REEM]]
    assert reached(wa, home, "sample") == reached(wa, home, f"Sa{SHY}mple") == REEM


def test_remove_and_merge_want_the_whole_name(wa: Wa) -> None:
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0
    assert wa("contacts", "add", "Adam", ADAM).code == 0
    before = book(wa)
    for args in (["remove", "Ree"], ["merge", "Reem", "Adam"], ["merge", "Adam", "Reem"]):
        assert refused(wa("contacts", *args, "--json")) == "not-found"
    assert book(wa) == before
    assert wa("contacts", "merge", "reem sample", "Adam").code == 0
    assert wa("contacts", "remove", REEM).code == 0
    assert book(wa) == {}


def test_an_id_wins_over_the_beginning_of_a_name(wa: Wa) -> None:
    for name, phone in (("Reem", REEM), ("1st Floor", ADAM), ("2", ZOE)):
        assert wa("contacts", "add", name, phone).code == 0
    ids = {row["name"]: row["id"] for row in wa("contacts", "list", "--json").json}
    assert sorted(ids.values()) == [1, 2, 3]
    assert wa("contacts", "show", "1", "--json").json["name"] == "Reem"
    assert wa("contacts", "show", "1s", "--json").json["name"] == "1st Floor"
    assert wa("contacts", "show", "2", "--json").json["name"] == "2"
    assert wa("contacts", "remove", "1", "--json").json["name"] == "Reem"


@pytest.fixture
def aliases(wa: Wa, tmp_path: Path) -> Callable[..., Result]:
    """Import aliases from a file."""

    def run(*lines: str) -> Result:
        (tmp_path / "aliases.txt").write_text("\n".join(lines))
        return wa("contacts", "import-aliases", str(tmp_path / "aliases.txt"), "--json")

    return run


@pytest.mark.parametrize("who", ["Ree", "1"], ids=["beginning", "id"])
def test_a_file_of_aliases_finds_people_as_commands_do(
    wa: Wa, aliases: Callable[..., Result], who: str
) -> None:
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0
    assert aliases(f"{who}: Sis").code == 0
    assert wa("contacts", "list", "--json").json[0]["aliases"] == ["Sis"]
    assert wa("contacts", "add", "Reema Sample", ADAM).code == 0
    said = aliases("Reem: Nobody", "Nobody else: Sis")
    assert (said.code, said.json["skipped"], said.json["updated"]) == (8, 2, 0)


def test_an_alias_that_another_contact_has_is_a_warning(wa: Wa, aliases: Callable[..., Result]) -> None:
    assert wa("contacts", "add", "Reem", REEM, "--alias", "Sis").code == 0
    assert wa("contacts", "add", "Adam", ADAM).code == 0
    said = aliases("Adam: Brother, sis", "Reem: Brother, Sis")
    assert said.code == 0
    warned = [(each["line"], each["reason"].split("'")[1].lower()) for each in said.json["warnings"]]
    assert warned[:2] == [(1, "sis"), (2, "brother")]


# ── Many ──────────────────────────────────────────────────────────────────────────────────────────


def test_more_files_than_can_be_open(home: Home, store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "cards"
    folder.mkdir()
    for number in range(1_100):
        (folder / f"{number}.vcf").write_text(card(f"FN:Person {number}"))
    result = subprocess.run(
        [WA, "contacts", "import-vcf", *map(str, sorted(folder.iterdir())), "--json"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["added"] == store.value("SELECT count(*) FROM contacts") == 1_100


def test_a_card_without_a_number_is_looked_up_by_index(take: Take, store: Store) -> None:
    cards = [card(f"FN:Person {number}") for number in range(4_000)]
    assert take(*cards).json["added"] == 4_000
    assert take(*cards).json["unchanged"] == 4_000
    person = Person("Person 7", notes="New")
    with store.write():
        found = plans(store, lambda: import_person(store, person, CLOCK()))
    (plan,) = [plan for sql, plan in found.items() if "phone IS NULL" in sql and sql.startswith("SELECT")]
    assert "contacts_without_phone (name=?)" in plan
    assert not [sql for sql, plan in found.items() if "SCAN contacts" in plan]


# ── Telling ───────────────────────────────────────────────────────────────────────────────────────


def test_a_text_that_an_old_terminal_cannot_show_is_sent(
    wa: Wa, shell: Callable[..., Result], home: Home
) -> None:
    assert wa("contacts", "add", "Zoë 😀", ZOE).code == 0
    result = shell("send", "Zoë 😀", "Grüße 😀", PYTHONIOENCODING="ascii")
    assert (result.code, delivered(home)) == (0, ["Grüße 😀"])
    assert "Zo\\xeb" in result.out + result.err
    listed = shell("contacts", "list", PYTHONIOENCODING="ascii")
    assert (listed.code, "Zo\\xeb" in listed.out) == (0, True)


def test_an_export_to_a_link_keeps_the_link(wa: Wa, tmp_path: Path) -> None:
    assert wa("contacts", "add", "Reem", REEM).code == 0
    real, link = tmp_path / "real.vcf", tmp_path / "link.vcf"
    real.write_text("old")
    link.symlink_to(real.name)
    assert wa("contacts", "export", "--out", str(link), "--force").code == 0
    assert link.is_symlink()
    assert "FN:Reem" in real.read_text()
    assert sorted(path.name for path in tmp_path.iterdir() if "vcf" in path.name) == ["link.vcf", "real.vcf"]


def test_twenty_warnings_are_shown_and_json_has_all(wa: Wa, take: Take, tmp_path: Path) -> None:
    cards = [card(f"FN:Person {number}").replace("END:VCARD\r\n", "") for number in range(50)]
    cards.append(card("FN:Last"))
    said = take(*cards, options=("--dry-run",))
    shown = [line for line in said.err.splitlines() if line.startswith("warning:")]
    assert len([line for line in shown if "people.vcf:" in line]) == 20
    assert len(shown) == 21
    assert "30 more" in shown[-1]
    assert len(take(*cards).json["warnings"]) == 50


@pytest.mark.parametrize("to", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize("command", ["import-vcf", "migrate-s3"])
def test_the_result_is_printed_when_stderr_is_full(
    spawn: Callable[..., Any], home: Home, tmp_path: Path, to: str, command: str
) -> None:
    path = tmp_path / "people.vcf"
    path.write_text(card("FN:Ann", "TEL:none", f"TEL:+{ZOE}"))
    planned = {"to": REEM, "message": "Hi", "scheduledTime": "2099-12-24T10:00:00Z", "status": "pending"}
    (tmp_path / "scheduled.json").write_text(json.dumps([planned, 1]))
    args = {
        "import-vcf": f"contacts import-vcf '{path}'",
        "migrate-s3": f"migrate-s3 --from '{tmp_path}'",
    }[command]
    result = spawn(program=["sh", "-c", f"'{WA}' {args} --json {to}"]).finish()
    assert (result.code, result.err) == (8, "")
    said = result.json if command == "import-vcf" else result.json[0]
    assert said["skipped"] == 1
    assert dump(home)["contacts" if command == "import-vcf" else "scheduled_messages"]
