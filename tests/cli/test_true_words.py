"""What wa says is true: hints name what works, logs hold nothing of libraries, notes come once."""

from __future__ import annotations

import logging
import stat

import pytest
from conftest import REEM, FakeClock

from wa.connection.ask import failure_of


def test_two_v_log_what_wa_does_and_nothing_of_its_libraries(wa, capfd):
    told = wa("-vv", "send", REEM, "Hello")
    assert told.code == 0
    lines = [line for line in told.err.splitlines() if line]
    assert lines
    assert all(line.split()[2].startswith("wa.") for line in lines), lines
    for name in ("botocore.auth", "boto3", "urllib3.connectionpool", "asyncio"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)


@pytest.mark.no_home
@pytest.mark.parametrize("inside", ["media/x.jpg", "backups/y", ".env and src/z"])
def test_a_directory_that_is_no_home_keeps_its_mode(wa, home, inside):
    for name in inside.split(" and "):
        path = home.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    home.path.chmod(0o755)
    told = wa("status", "--json")
    assert (told.code, told.error["code"]) == (2, "bad-setting")
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o755
    assert not home.store.exists()


@pytest.mark.no_home
def test_an_empty_directory_and_one_with_settings_alone_become_a_home(wa, home):
    home.path.mkdir()
    (home.path / ".env").write_text("WA_GRACE=2h\n")
    home.path.chmod(0o755)
    assert wa("status").code == 0
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700


def test_the_hint_for_a_cancelled_message_names_what_works(wa):
    clock = FakeClock()
    row = wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour", "--json", now=clock).json
    wa("schedule", "cancel", row["id"], now=clock)
    told = wa("schedule", "retry", row["id"], "--json", now=clock)
    assert told.error["code"] == "wrong-state"
    assert told.error["hint"] == "`wa send` or `wa schedule add` makes a new one"


@pytest.mark.parametrize(
    ("codes", "hint"),
    [
        (["not-found"], "the phone may still have it; or ask for it to be sent again"),
        (["usage"], "--max-size lets larger files through"),
        (["not-found", "network-error"], "`wa download` again fetches what is missing"),
    ],
)
def test_the_hint_for_a_file_that_was_not_downloaded(codes, hint):
    failure = failure_of([{"code": code, "error": "…"} for code in codes])
    assert failure is not None
    assert failure.hint == hint


def test_an_imported_chat_without_a_name_is_named_by_its_number(wa, tmp_path):
    file = tmp_path / "_chat.txt"
    file.write_text("31/12/2023, 23:59 - Sam: Hello\n31/12/2023, 23:58 - Alex: Hello\n")
    done = wa("history", "import", str(file), "--chat", REEM, "--me", "Sam")
    assert "None" not in done.out + done.err
    assert done.out.startswith("+447700900123: 2 messages read"), done


def test_words_too_many_hint_at_quotes(wa):
    told = wa("send", "Nadia", "Sample", "Hello", "--json")
    assert (told.code, told.error["code"]) == (2, "usage")
    assert told.error["hint"].startswith(
        'put a name or text of several words in quotes, such as "Nadia Sample"'
    )


def test_an_alias_that_is_somebody_else_s_is_refused_without_force(wa):
    assert wa("contacts", "add", "Reem", REEM, "--alias", "Sis").code == 0
    assert wa("contacts", "add", "Zoe", "447700900789").code == 0
    for word in ("sís", "REEM"):
        told = wa("contacts", "alias", "Zoe", word, "--json")
        assert (told.code, told.error["code"]) == (2, "usage")
        assert "--force" in told.error["hint"]
        told = wa("contacts", "add", "Adam", "447700900456", "--alias", word, "--json")
        assert (told.code, told.error["code"]) == (2, "usage")
    assert wa("contacts", "alias", "Reem", "Sis", "Reemy").code == 0  # her own
    assert wa("contacts", "show", "Zoe", "--json").json["aliases"] == []
    assert wa("contacts", "alias", "Zoe", "Sis", "--force", "--json").json["aliases"] == ["Sis"]
    assert wa("contacts", "add", "Adam", "447700900456", "--alias", "Sis", "--force").code == 0
    assert wa("contacts", "alias", "Zoe", "Sis", "--remove", "--json").json["aliases"] == []
