"""`wa --home DIR`: another home, and so another account, for one command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import REEM, delivered

from wa.store.paths import Home

pytestmark = pytest.mark.no_home


@pytest.mark.parametrize("args", [["--home", "{}", "contacts", "list"], ["contacts", "list", "--home", "{}"]])
def test_it_stands_before_or_behind_the_command_and_wins(wa, home, tmp_path, args):
    other, named = tmp_path / "other", tmp_path / "named.env"
    named.write_text(f"WA_HOME={tmp_path / 'third'}\n")

    assert wa("--env-file", str(named), *(each.format(other) for each in args)).code == 0

    assert (other / "wa.db").is_file()
    assert not home.path.exists()
    assert not (tmp_path / "third").exists()


def test_it_may_be_relative_or_of_the_user(wa, home, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))

    for typed, made in (("here", Path.cwd() / "here"), ("~/work", tmp_path / "me" / "work")):
        assert wa("--home", typed, "chats").code == 0
        assert (made / "wa.db").is_file()
    assert not home.path.exists()


def test_what_is_no_directory_is_told(wa, home, tmp_path):
    (tmp_path / "file").touch()
    for typed, words in (
        ("", "--home='' is not valid"),
        ("  ", "--home"),
        (str(tmp_path / "file"), "is a file"),
    ):
        for line in (["--home", typed, "chats"], ["--read-only", "chats", "--home", typed]):
            done = wa("--json", *line)
            assert (done.code, done.error["code"]) == (2, "bad-setting"), line
            assert words in done.error["message"]
    assert not home.path.exists()


def test_two_accounts_beside_each_other(spawn, shell, tmp_path):
    homes = [Home(tmp_path / name) for name in ("private", "work")]
    options = [["--home", str(each.path)] for each in homes]
    for home, listener in zip(homes, [spawn(*each, "listen", "--json") for each in options], strict=True):
        sent = shell("--home", str(home.path), "send", REEM, f"From {home.path.name}")
        assert sent.code == 0, sent.err
        assert listener.popen.poll() is None

    assert [delivered(home) for home in homes] == [["From private"], ["From work"]]


def test_service_and_doctor_name_it(wa, tmp_path):
    other = str(tmp_path / "other")
    files = wa("--home", other, "service", "systemd", "--json").json
    assert f'Environment="WA_HOME={other}"' in files["files"][0]["content"] or f"WA_HOME={other}" in str(
        files
    )
    assert any(f"WA_HOME={other}" in step for step in files["next"])
    checks = json.loads(wa("--home", other, "doctor", "--json").out)
    (sources,) = [each for each in checks if each["name"] == "sources"]
    assert sources["settings"]["WA_HOME"] == "command line"
    assert "WA_HOME from the command line" in sources["message"]


def test_the_program_of_a_hook_works_in_the_same_home(shell, tmp_path):
    other = ["--home", str(tmp_path / "other")]
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nprintf %s "$WA_HOME"\n')
    program.chmod(0o700)

    assert shell(*other, "hooks", "add", "bot", "--exec", str(program)).code == 0
    tried = shell(*other, "hooks", "test", "bot", "--json")

    assert tried.json["output"] == str(tmp_path / "other")
    assert os.environ["WA_HOME"] != str(tmp_path / "other")
