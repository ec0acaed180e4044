"""What commands say and take that a new user would expect."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from conftest import REEM, REEM_JID, FakeClock

from wa.cli.commands.link import _Screen
from wa.cli.context import App
from wa.media.received import keep
from wa.record import write
from wa.texts import counted
from wa.whatsapp.events import MessageReceived

NOW = FakeClock("2026-11-28T18:00:00")
CODE = "2@" + "x" * 230


class Shown(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def link_on(monkeypatch):
    """Show QR codes on a terminal of a size, as `wa link` does; return what it shows."""

    def show(columns: int, lines: int, *codes: str) -> str:
        shown = Shown()
        monkeypatch.setattr(sys, "stdout", shown)
        monkeypatch.setattr(sys, "stderr", shown)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(lines))
        screen = _Screen(App())
        for code in codes:
            screen.show({"event": "qr", "code": code})
        return shown.getvalue()

    return show


def test_a_terminal_too_small_for_the_code_is_told(link_on):
    told = link_on(80, 24, CODE)
    assert "▀" not in told
    assert "the code needs a terminal of 61 columns and 33 lines, and this one has 80 and 24" in told
    assert "`wa link --phone N`" in told
    assert "and this one has 60 and 40" in link_on(60, 40, CODE)
    fits = link_on(61, 33, CODE)
    assert "▀" in fits
    assert "needs" not in fits


def test_a_new_code_leaves_nothing_of_the_one_before(link_on):
    """The lines that the code and its caption take are gone up, and all below is cleared."""
    told = link_on(80, 40, CODE, CODE[:60])
    first, up, second = told.partition("\x1b[32A\x1b[J")
    assert up
    assert first.count("\n") == 32
    assert "▀" in second
    told = link_on(62, 40, CODE, CODE)  # the caption takes two lines
    assert "\x1b[33A\x1b[J" in told
    told = link_on(80, 24, CODE, CODE)
    assert "\x1b[2A\x1b[J" in told


@pytest.mark.parametrize(
    ("number", "noun", "verb", "said"),
    [
        (0, "message", "", "0 messages"),
        (1, "message", "", "1 message"),
        (1200, "message", "", "1,200 messages"),
        (1, "event", "wait", "1 event waits"),
        (2, "event", "wait", "2 events wait"),
    ],
)
def test_one_is_no_plural(number, noun, verb, said):
    assert counted(number, noun, verb) == said


def test_one_message_is_told_as_one(wa, tmp_path):
    assert wa("send", REEM, "Hello").code == 0
    assert ": 1 message, " in wa("backup").out
    assert " is good (here): 1 message\n" in wa("backup", "verify", "latest").out
    done = wa("export", REEM, "--out", str(tmp_path / "one.jsonl"))
    assert done.out.startswith("1 message of 1 chat written to ")
    assert "1 message read, 0 added" in wa("history", "import", str(tmp_path / "one.jsonl")).out


def test_download_takes_a_number_alone(wa, home, store):
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0
    for number in range(3):
        path = keep(home, b"%PDF-1.7", "application/pdf", "document", NOW(), f"plan {number}.pdf")
        with store.write():
            event = MessageReceived(
                REEM_JID, f"A{number}", REEM_JID, 1_795_000_000 + number, None, "document"
            )
            write.record(store, event, "live", NOW())
            store.execute("UPDATE messages SET media_path = ? WHERE message_id = ?", [path, f"A{number}"])
    rows = wa("download", "reem", "2", "--json").json
    assert [Path(row["path"]).name for row in rows] == ["plan 1.pdf", "plan 2.pdf"]
    assert len(wa("download", "reem", "--json").json) == 3
    for wrong in (["0"], ["2", "2"], ["pictures"], ["9" * 30]):
        assert wa("download", "reem", *wrong, "--json").error["code"] == "usage"


def test_a_file_that_we_sent_is_downloaded_under_its_name(wa, tmp_path):
    plan = tmp_path / "The plan.pdf"
    plan.write_bytes(b"%PDF-1.7 ")
    picture = tmp_path / "IMG_1.jpg"
    picture.write_bytes(bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9"))
    for file in (plan, picture):
        assert wa("send", REEM, "--file", str(file), now=NOW).code == 0
    rows = wa("download", REEM, "--out", str(tmp_path / "out"), "--json").json
    names = [Path(row["path"]).name for row in rows]
    assert names == ["The plan.pdf", "20261128-180000-image.jpg"]
    assert Path(rows[0]["path"]).read_bytes() == plan.read_bytes()
    again = wa("download", REEM, "--out", str(tmp_path / "out"), "--json").json
    assert [row["path"] for row in again] == [row["path"] for row in rows]


def test_restore_without_a_name_asks_for_one(wa):
    assert wa("send", REEM, "Hello").code == 0
    assert wa("backup").code == 0
    done = wa("backup", "restore", "--json")
    assert (done.code, done.error["code"]) == (2, "usage")
    assert "`wa backup restore latest`" in done.error["hint"]
    assert wa("status", "--json").json["sending"] == "on"


def test_export_of_contacts_replaces_nothing_without_force(wa, tmp_path):
    out = tmp_path / "people.vcf"
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0
    assert wa("contacts", "export", "--out", str(out)).code == 0
    before = out.read_text()
    assert wa("contacts", "add", "Adam Sample", "447700900456").code == 0
    done = wa("contacts", "export", "--out", str(out), "--json")
    assert (done.code, done.error["code"], out.read_text()) == (2, "usage", before)
    assert "--force" in done.error["hint"]
    assert wa("contacts", "export", "--out", str(out), "--force").code == 0
    assert "Adam Sample" in out.read_text()


def test_doctor_remarks_on_a_zone_and_a_region_that_were_never_set(wa, monkeypatch):
    def settings() -> dict[str, str | None]:
        return next(each for each in wa("doctor", "--json").json if each["name"] == "settings")

    monkeypatch.setenv("WA_REGION", "GB")
    assert settings()["hint"] is None
    monkeypatch.delenv("WA_REGION")
    assert "WA_REGION was never set" in (settings()["hint"] or "")
    monkeypatch.delenv("WA_TZ")
    told = settings()
    assert "WA_TZ was never set" in (told["hint"] or "")
    assert told["ok"]
    lines = wa("doctor", terminal=(80, 24)).out.splitlines()
    assert max(len(line) for line in lines if "/" not in line) <= 80
