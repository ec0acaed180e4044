"""Settings come only from the environment, the named env file and the home's own `.env`."""

from __future__ import annotations

import json
import os
import sqlite3
import sys

import pytest
from conftest import WA

from wa.settings import NAMES

pytestmark = pytest.mark.no_home

NOTICE = "the .env in this directory is not read"


def limit_in_force(wa, *options, **env):
    """Return the daily limit that counts: a malformed one is named in the error that it provokes."""
    error = wa(*options, "status", **env).err
    return error.split("WA_DAILY_LIMIT='")[1].split("'")[0] if "WA_DAILY_LIMIT='" in error else None


def sources(wa, *options, **env):
    """Return where each setting comes from, as `wa doctor --json` says."""
    checks = wa(*options, "doctor", "--json", **env).json
    (found,) = [each for each in checks if each["name"] == "sources"]
    return found["settings"]


@pytest.fixture
def near(tmp_path):
    """The path of `.env` in the current directory; the file does not exist yet."""
    return tmp_path / "cwd" / ".env"


@pytest.fixture
def named(tmp_path):
    """The path of a file to be named as env file; the file does not exist yet."""
    return tmp_path / "named.env"


def unreadable(path):
    """Make a file that nobody can read, not even root."""
    if os.geteuid() == 0:
        path.symlink_to("/proc/self/mem")  # its first page is never mapped
    else:
        path.write_text("WA_TZ=UTC\n")
        path.chmod(0)


# ── Which source wins ─────────────────────────────────────────────────────────────────────────────


def test_the_environment_wins_over_the_named_file_which_wins_over_the_home_s(wa, home, named):
    home.prepare()
    (home.path / ".env").write_text("WA_DAILY_LIMIT=home\n")
    assert limit_in_force(wa) == "home"
    named.write_text("WA_DAILY_LIMIT=named\n")
    assert limit_in_force(wa) == "home"
    assert limit_in_force(wa, WA_ENV_FILE=str(named)) == "named"
    assert limit_in_force(wa, "--env-file", str(named)) == "named"
    assert limit_in_force(wa, "--env-file", str(named), WA_DAILY_LIMIT="environment") == "environment"


def test_the_option_wins_over_the_variable(wa, named, tmp_path):
    named.write_text("WA_DAILY_LIMIT=option\n")
    (tmp_path / "other.env").write_text("WA_DAILY_LIMIT=variable\n")
    assert limit_in_force(wa, "--env-file", str(named), WA_ENV_FILE=str(tmp_path / "other.env")) == "option"
    assert limit_in_force(wa, "--env-file", str(named), WA_ENV_FILE="/nonexistent") == "option"


def test_an_empty_value_counts_as_unset_and_hides_weaker_sources(wa, home, named):
    home.prepare()
    (home.path / ".env").write_text("WA_DAILY_LIMIT=home\n")
    named.write_text("WA_DAILY_LIMIT=\n")
    assert limit_in_force(wa, "--env-file", str(named)) is None
    assert limit_in_force(wa, WA_DAILY_LIMIT="") is None
    assert sources(wa, WA_DAILY_LIMIT="")["WA_DAILY_LIMIT"] == "default"
    assert limit_in_force(wa, WA_ENV_FILE="") == "home"


def test_a_named_file_may_name_the_home(wa, home, named, tmp_path, monkeypatch):
    monkeypatch.delenv("WA_HOME")
    named.write_text(f'WA_HOME="{tmp_path}/other home"\nWA_TRANSPORT=loopback\n')
    assert wa("--env-file", str(named), "status").code == 0
    assert (tmp_path / "other home" / "wa.db").exists()
    assert not home.path.exists()


@pytest.mark.skipif(sys.platform == "darwin", reason="the default home depends on HOME alone there")
def test_the_default_home_s_file_may_name_another_home_and_a_supervisor_is_told_of_both(shell, tmp_path):
    default = tmp_path / "data" / "wa"
    default.mkdir(parents=True, mode=0o700)
    (default / ".env").write_text(f"WA_HOME={tmp_path}/other\nWA_TRANSPORT=loopback\n")
    unset = ["env", "-u", "WA_HOME", "-u", "WA_TRANSPORT", "-u", "WA_TZ", "-u", "WA_SEND_SPACING"]
    program = [*unset, f"XDG_DATA_HOME={tmp_path}/data", WA]
    assert shell("pause", program=program).code == 0
    assert (tmp_path / "other" / "wa.db").exists()

    found = shell("service", "cron", program=program)

    assert f" WA_HOME={tmp_path}/other {WA} --env-file {default}/.env run-scheduler --once" in found.out
    assert "warning" not in found.err


def test_a_process_reads_a_named_file_relative_to_where_it_starts(shell, tmp_path):
    (tmp_path / "cwd" / "my.env").write_text("\ufeffWA_DAILY_LIMIT=relative\n", encoding="utf-8")
    for found in (shell("--env-file", "my.env", "status"), shell("status", WA_ENV_FILE="my.env")):
        assert found.code == 2
        assert "WA_DAILY_LIMIT='relative'" in found.err
    assert shell("--env-file=~/my.env", "doctor", HOME=str(tmp_path / "cwd")).code == 2


def test_a_named_file_may_be_a_pipe(shell, tmp_path):
    pipe = ["bash", "-c", 'exec "$0" --env-file <(echo WA_DAILY_LIMIT=piped) status', WA]
    found = shell(program=pipe)
    assert "WA_DAILY_LIMIT='piped'" in found.err


# ── A named file that cannot be used ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", ["option", "variable"])
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("fault", ["missing", "directory", "not UTF-8", "malformed", "unreadable"])
def test_a_named_file_that_cannot_be_used_is_refused(wa, named, home, fault, form, by):
    if fault == "directory":
        named.mkdir()
    elif fault == "not UTF-8":
        named.write_bytes(b"WA_TZ=\xff\n")
    elif fault == "malformed":
        named.write_text("WA_TZ=UTC\nWA_GRACE='6h\n")
    elif fault == "unreadable":
        unreadable(named)
    options = ["--json"] if form == "json" else []
    found = (
        wa("--env-file", str(named), *options, "status")
        if by == "option"
        else wa(*options, "status", WA_ENV_FILE=str(named))
    )
    assert (found.code, found.out) == (2, "")
    if form == "json":
        assert found.error["code"] == "bad-setting"
        assert str(named) in found.error["message"]
    else:
        assert found.err.startswith("error: ")
        assert str(named) in found.err.splitlines()[0]
        assert found.err.splitlines()[1].startswith("hint: ")
    assert not home.path.exists()


@pytest.mark.parametrize("name", ["", "a\0b", "~nobody-of-that-name/x"])
def test_a_named_file_whose_name_is_no_path_is_refused(wa, name):
    found = wa("--json", "--env-file", name, "status")
    assert (found.code, found.error["code"]) == (2, "bad-setting")
    assert "--env-file" in found.error["message"]


@pytest.mark.parametrize("by", ["option", "home"])
def test_a_file_that_is_too_large_for_settings_is_refused(wa, home, named, by):
    path = named if by == "option" else home.path / ".env"
    words = ["--env-file", str(path), "status"] if by == "option" else ["status"]
    home.prepare()
    path.write_bytes(b"#" * 1024 * 1024)
    assert wa(*words).code == 0
    path.write_bytes(b"#" * 1024 * 1024 + b"\n")
    found = wa("--json", *words)
    assert (found.code, found.error["code"]) == (2, "bad-setting")
    assert f"{path}: it is larger than 1 MB" in found.error["message"]


# ── A .env in the current directory ───────────────────────────────────────────────────────────────


def test_a_env_file_in_the_current_directory_is_not_read(shell, near, tmp_path, home):
    near.write_text(f"WA_DAILY_LIMIT=stranger\nWA_HOME={tmp_path}/elsewhere\nB2_BUCKET=stranger\n")
    found = shell("status")
    assert found.code == 0
    assert "stranger" not in found.out + found.err
    assert (home.path / "wa.db").exists()
    assert not (tmp_path / "elsewhere").exists()


def test_the_notice_about_it_is_printed_once_in_each_home(shell, near, tmp_path):
    near.write_text("STORAGE_MODE=s3\nB2_BUCKET=mine\nWA_TZ=UTC\nB2_PREFIX=x/\n")
    (line,) = shell("status").err.splitlines()
    assert NOTICE in line
    assert "it names B2_BUCKET, B2_PREFIX:" in line  # WA_TZ is set in the environment too
    assert "`wa --env-file .env`" in line
    assert str(tmp_path / "home" / ".env") in line
    assert shell("status").err == ""
    second = {"WA_HOME": str(tmp_path / "second")}
    assert shell("status", "--json", **second).err == "", "a program may read the error there"
    (again,) = shell("status", **second).err.splitlines()
    assert NOTICE in again


def test_shell_completion_prints_no_notice(shell, wa, near):
    assert wa("contacts", "add", "Reem", "447700900123").code == 0
    near.write_text("B2_BUCKET=mine\n")
    found = shell(_WA_COMPLETE="complete_bash", COMP_WORDS="wa read Re", COMP_CWORD="2")
    assert "Reem" in found.out
    assert found.err == ""
    assert NOTICE in shell("status").err


def test_doctor_prints_the_notice_each_time(wa, near):
    near.write_text("B2_BUCKET=mine\n")
    for _ in range(2):
        text = wa("doctor").out
        assert NOTICE in text
        assert "hint: read it with `wa --env-file .env`, or move it to " in text
        (check,) = [each for each in wa("doctor", "--json").json if each["name"] == "sources"]
        assert NOTICE in check["message"]
        assert "wa --env-file .env" in check["hint"]
        assert check["ok"] is True
    near.unlink()
    assert NOTICE not in wa("doctor").out


@pytest.mark.parametrize(
    "content",
    [
        "STORAGE_MODE=s3\nPORT=3002\nWA_COLOUR=green\n",
        "WA_TZ=Asia/Tokyo\nWA_TRANSPORT=neonize\n",  # set in the environment
        "B2_BUCKET=\n",
        "# B2_BUCKET=mine\n",
        "",
    ],
    ids=["unknown names", "set already", "empty value", "comment", "empty file"],
)
def test_a_file_that_would_set_nothing_gets_no_notice(wa, near, content):
    near.write_text(content)
    assert wa("status").err == ""
    assert NOTICE not in wa("doctor").out


def test_a_file_that_is_read_gets_no_notice(wa, near, home, monkeypatch):
    near.write_text("B2_PREFIX=mine/\n")
    assert wa("--env-file", ".env", "status").err == ""
    home.prepare()
    (home.path / ".env").write_text("B2_PREFIX=mine/\n")  # moved there, and a copy left
    assert wa("status").err == ""
    (home.path / ".env").write_text("B2_PREFIX=other/\n")
    monkeypatch.chdir(home.path)
    assert wa("status").err == ""
    assert NOTICE not in wa("doctor").out


@pytest.mark.parametrize("form", ["malformed", "not UTF-8", "directory", "unreadable", "dead link", "pipe"])
def test_an_unreadable_file_breaks_no_command(shell, near, form):
    if form == "malformed":
        near.write_text('B2_BUCKET\nWA_GRACE="6h\n=\n')
    elif form == "not UTF-8":
        near.write_bytes(b"\xff\xfe\x00B2")
    elif form == "directory":
        near.mkdir()
    elif form == "unreadable":
        unreadable(near)
    elif form == "dead link":
        near.symlink_to("/nonexistent/.env")
    else:
        os.mkfifo(near)
    found = shell("status")
    assert (found.code, found.err) == (0, "")
    assert shell("doctor").code == 0


def test_the_readable_names_of_a_malformed_file_are_in_the_notice(wa, near):
    near.write_bytes(b'OTHER \xff\nB2_BUCKET=mine\nWA_GRACE="6h\n')
    assert "it names B2_BUCKET:" in wa("status").err


def test_no_home_is_made_for_the_notice(shell, near, home):
    near.write_text("B2_BUCKET=mine\n")
    for command in (["--version"], ["contacts", "--help"], ["run-scheduler", "--once"], ["service", "cron"]):
        assert NOTICE not in shell(*command, WA_TRANSPORT="neonize").err
    assert not home.path.exists()


def test_no_notice_is_printed_while_the_store_cannot_be_written(wa, near, home):
    assert wa("status").err == ""
    near.write_text("B2_BUCKET=mine\n")
    with sqlite3.connect(home.store, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        found = wa("status")  # the command does not wait for the lock either
        assert (found.code, found.err) == (0, "")
        other.execute("ROLLBACK")
    other.close()
    assert NOTICE in wa("status").err


def test_of_many_processes_one_prints_the_notice(spawn, wa, near):
    assert wa("status").err == ""
    near.write_text("B2_BUCKET=mine\n")
    processes = [spawn("chats") for _ in range(6)]
    told = [process.finish().err for process in processes]
    # A process that finds the store locked by another prints no notice and leaves it to a later one.
    assert sum(NOTICE in text for text in told) == 1
    assert wa("status").err == ""


# ── Where each setting came from ──────────────────────────────────────────────────────────────────


def test_doctor_says_where_each_setting_came_from(wa, home, named):
    home.prepare()
    (home.path / ".env").write_text("WA_GRACE=2h\nWA_REGION=GB\nWA_DAILY_LIMIT=9\n")
    named.write_text("WA_REGION=US\nWA_QUIET_HOURS=22:00-08:00\n")
    found = sources(wa, "--env-file", str(named), WA_DAILY_LIMIT="5")
    assert set(found) == {"WA_HOME", *NAMES}
    assert {name: source for name, source in found.items() if source != "default"} == {
        "WA_HOME": "environment",
        "WA_TRANSPORT": "environment",
        "WA_TZ": "environment",
        "WA_SEND_SPACING": "environment",
        "WA_DAILY_LIMIT": "environment",
        "WA_REGION": str(named),
        "WA_QUIET_HOURS": str(named),
        "WA_GRACE": str(home.path / ".env"),
    }
    text = wa("--env-file", str(named), "doctor").out
    (line,) = [line for line in text.splitlines() if line.startswith("ok  sources")]
    assert "WA_HOME, WA_TRANSPORT, WA_TZ, WA_SEND_SPACING from the environment" in line
    assert f"WA_REGION, WA_QUIET_HOURS from {named}" in line
    assert f"WA_DAILY_LIMIT, WA_GRACE from {home.path / '.env'}" in line
    assert "all others by default" in line


def test_doctor_says_where_a_malformed_setting_came_from(wa, home):
    home.prepare()
    (home.path / ".env").write_text("WA_GRACE=soon\n")
    (home.path / ".env").chmod(0o600)
    found = wa("doctor")
    assert found.code == 2
    assert f"WA_GRACE from {home.path / '.env'}" in found.out


def test_doctor_prints_no_secret(wa, home):
    home.prepare()
    secrets = {"B2_SECRET_ACCESS_KEY": "hush-secret", "B2_ACCESS_KEY_ID": "hush-id"}
    (home.path / ".env").write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    more = {"B2_BUCKET": "b", "B2_S3_ENDPOINT": "http://127.0.0.1:1"}
    for found in (wa("doctor", **more), wa("doctor", "--json", **more)):
        assert "B2_SECRET_ACCESS_KEY" in found.out
        assert "hush" not in found.out + found.err


# ── migrate-s3 ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", ["root", "command"])
def test_migrate_s3_reads_the_old_tool_s_env_file(shell, tmp_path, place):
    old = tmp_path / "old"
    old.mkdir()
    (old / "contacts.json").write_text(json.dumps({"447700900123": {"name": "Reem"}}))
    (old / ".env").write_text(f"STORAGE_MODE=local\nWA_HOME={tmp_path}/from-old\nexport WA_TZ='Asia/Tokyo'\n")
    option, command = ["--env-file", f"{old}/.env"], ["migrate-s3", "--from", str(old), "--dry-run"]
    words = [*option, *command] if place == "root" else [*command[:1], *option, *command[1:]]
    environ = {name: value for name, value in os.environ.items() if name != "WA_HOME"}
    found = shell(*words, program=["env", "-u", "WA_HOME", WA], **environ)
    assert found.code == 0, found.err
    assert (tmp_path / "from-old" / "wa.db").exists()
    assert "contacts.json" in found.out


def test_migrate_s3_finds_the_bucket_through_the_old_tool_s_env_file(wa, named):
    named.write_text(
        "B2_BUCKET=old\nB2_S3_ENDPOINT=http://127.0.0.1:9\nB2_ACCESS_KEY_ID=i\nB2_SECRET_ACCESS_KEY=s\n"
    )
    assert wa("migrate-s3", "--json").error["code"] == "bad-setting"
    found = wa("migrate-s3", "--json", "--env-file", str(named))
    assert found.error["code"] in ("network-error", "storage-error")
    assert "127.0.0.1:9" in found.error["message"] or "old" in found.error["message"]
