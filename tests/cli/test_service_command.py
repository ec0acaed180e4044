"""`wa service` prints files that a supervisor reads correctly, whatever characters the paths hold."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import WA
from crontab import unescaped_by_cron
from hypothesis import given
from hypothesis import strategies as st

from wa.cli.service_files import render

pytestmark = pytest.mark.no_home

MANAGERS = ("systemd", "pm2", "cron")
# The characters that a path may hold: all but control characters and lone surrogates.
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).map(lambda text: f"/{text}")


@pytest.mark.parametrize("backup", [False, True])
@pytest.mark.parametrize("manager", MANAGERS)
def test_the_file_goes_to_stdout_and_the_commands_to_type_to_stderr(shell, home, manager, backup):
    found = shell("service", manager, *(["--backup"] if backup else []), WA_TRANSPORT="neonize")
    assert found.code == 0, found.err
    for path in (WA, str(home.path)):
        assert path in found.out
    assert ("backup" in found.out) == backup
    assert "type next:" not in found.out
    typed = {"systemd": "systemctl --user enable --now wa.service", "pm2": "pm2 save", "cron": "crontab -e"}
    assert f"  {typed[manager]}" in found.err
    assert not home.path.exists(), "it makes no home"


@pytest.mark.parametrize("manager", MANAGERS)
def test_the_http_api_stands_beside_the_scheduler(wa, home, manager):
    found = wa("service", manager, "--serve", "--backup", "--json").json
    text = "".join(file["content"] for file in found["files"])
    assert text.count("run-scheduler") > 0
    assert f"{WA} serve" in text or f'"{WA}"' in text
    assert {"systemd": "ExecStart=", "pm2": 'args: ["serve"]', "cron": "@reboot"}[manager] in text
    if manager == "systemd":
        names = ["wa.service", "wa-serve.service", "wa-backup.service", "wa-backup.timer"]
        assert [file["name"] for file in found["files"]] == names
        assert any(
            "enable --now wa.service wa-serve.service wa-backup.timer" in each for each in found["next"]
        )
    assert "serve" not in "".join(each["content"] for each in wa("service", manager, "--json").json["files"])


@pytest.mark.parametrize("manager", MANAGERS)
def test_json_holds_the_same_files(wa, home, manager):
    found = wa("service", manager, "--backup", "--json")
    assert (found.code, found.err) == (0, "")
    value = found.json
    text = wa("service", manager, "--backup")
    assert value["manager"] == manager
    assert "\n".join(file["content"] for file in value["files"]) == text.out
    names = {
        "systemd": ["wa.service", "wa-backup.service", "wa-backup.timer"],
        "pm2": ["ecosystem.config.js"],
        "cron": ["crontab"],
    }
    assert [file["name"] for file in value["files"]] == names[manager]
    for step in value["next"]:
        assert f"  {step}\n" in text.err
    assert value["missing_settings"] == ["WA_TRANSPORT", "WA_TZ", "WA_SEND_SPACING"]
    assert value["settings_file"] == str(home.path / ".env")
    assert not home.path.exists()


@pytest.mark.parametrize("words", [["service"], ["service", "launchd"]])
def test_another_supervisor_is_wrong_usage(wa, words):
    found = wa(*words, "--json")
    assert (found.code, found.out, found.error["code"]) == (2, "", "usage")


# ── Which wa, home and settings ───────────────────────────────────────────────────────────────────


def test_the_file_names_the_wa_that_was_called(spawn, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/wa").symlink_to(WA)
    found = spawn("service", "cron", program=["../bin/wa"]).finish()
    assert f" {tmp_path}/bin/wa run-scheduler --once" in found.out
    found = spawn("service", "cron", program=[sys.executable, "-m", "wa"]).finish()
    assert f" {WA} run-scheduler --once" in found.out


def test_settings_of_the_environment_get_a_warning(wa, home):
    (line,) = [line for line in wa("service", "pm2").err.splitlines() if line.startswith("warning: ")]
    assert "WA_TRANSPORT, WA_TZ, WA_SEND_SPACING come from this environment" in line
    assert f"put them into {home.path / '.env'}" in line
    secret = wa("service", "pm2", B2_SECRET_ACCESS_KEY="hush", WA_TZ="", WA_SEND_SPACING="")
    assert "WA_TRANSPORT, B2_SECRET_ACCESS_KEY come" in secret.err
    assert "hush" not in secret.out + secret.err


def test_settings_that_are_in_the_home_s_file_too_get_no_warning(wa, home):
    home.prepare()
    (home.path / ".env").write_text("WA_TRANSPORT=loopback\nWA_TZ=Europe/Paris\nWA_SEND_SPACING=0\n")
    assert "warning: WA_TZ comes from this environment" in wa("service", "cron").err
    assert "warning" not in wa("service", "cron", WA_TZ="").err


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_named_env_file_is_named_in_the_service(shell, tmp_path, manager):
    (tmp_path / "cwd" / "my.env").write_text(f"WA_TRANSPORT=loopback\nWA_HOME={tmp_path}/named home\n")
    environ = ["env", "-u", "WA_HOME", "-u", "WA_TZ", "-u", "WA_TRANSPORT", "-u", "WA_SEND_SPACING", WA]
    found = shell("--env-file", "my.env", "service", manager, program=environ)
    assert found.code == 0, found.err
    assert "--env-file" in found.out
    assert str(tmp_path / "cwd" / "my.env") in found.out
    assert f"{tmp_path}/named home" in found.out
    assert "warning" not in found.err


def test_settings_from_a_pipe_get_a_warning(shell):
    piped = ["bash", "-c", 'exec "$0" --env-file <(echo WA_REGION=GB) service cron', WA]
    found = shell(program=piped)
    assert found.code == 0, found.err
    assert "WA_REGION" in found.err
    assert "--env-file" not in found.out


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x7fb", os.fsdecode(b"a\xffb")])
@pytest.mark.parametrize("manager", MANAGERS)
def test_a_path_that_no_file_can_hold_is_refused(shell, tmp_path, manager, name):
    found = shell("--json", "service", manager, WA_HOME=str(tmp_path / name))
    assert (found.code, found.out, found.error["code"]) == (2, "", "bad-setting")
    assert not (tmp_path / name).exists()


# ── Quoting ───────────────────────────────────────────────────────────────────────────────────────


@given(program=NAMES, home=NAMES)
def test_a_shell_reads_the_crontab_s_paths_as_they_are(program, home):
    text = render("cron", [program], Path(home), backup=True)["crontab"]
    commands = [line.split(maxsplit=5)[5] for line in text.split("\n") if line and not line.startswith("#")]
    once, backup = (shlex.split(unescaped_by_cron(command)) for command in commands)
    setting = f"WA_HOME={Path(home)}"
    log = str(Path(home) / "cron.log")
    assert once == ["umask", "077;", setting, program, "run-scheduler", "--once", "2>>", log]
    assert backup == [setting, program, "backup", ">", "/dev/null"]


@given(program=NAMES, home=NAMES)
def test_systemd_splits_the_words_of_the_unit_as_meant(program, home):
    unit = render("systemd", [program, "--env-file", "/a $b"], Path(home), backup=False)["wa.service"]
    lines = dict(line.split("=", 1) for line in unit.split("\n") if "=" in line and not line.startswith("#"))
    assert systemd_words(lines["Environment"]) == [f"WA_HOME={Path(home)}"]
    words = systemd_words(lines["ExecStart"])
    assert words[0].startswith(":/"), "no variables are expanded"
    words[0] = words[0][1:]
    if any(character in program for character in "\"'\\"):
        assert words.pop(0) == "/usr/bin/env", "systemd refuses such a program"
    assert words == [program, "--env-file", "/a $b", "run-scheduler"]


def systemd_words(text):
    """Split a value quoted in our way as systemd.syntax(7) does, and resolve %%."""
    words = shlex.split(text)  # in double quotes too, a backslash escapes only a quote and a backslash
    assert all("%" not in word.replace("%%", "") for word in words), "a specifier"
    return [word.replace("%%", "%") for word in words]


def test_javascript_reads_the_paths_as_they_are(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    home = Path('/h "q" it\'s `${x}` \\ </script> \u2028 é %')
    text = render("pm2", ["/usr/bin/wa", "--env-file", str(home)], home, backup=True)["ecosystem.config.js"]
    (tmp_path / "x.config.js").write_text(text, encoding="utf-8")
    script = f"console.log(JSON.stringify(require({json.dumps(str(tmp_path / 'x.config.js'))})))"
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)
    scheduler, backup = json.loads(done.stdout)["apps"]
    assert scheduler["env"] == backup["env"] == {"WA_HOME": str(home)}
    assert scheduler["args"] == ["--env-file", str(home), "run-scheduler"]
    assert backup["args"] == ["--env-file", str(home), "backup"]
    assert (backup["autorestart"], backup["cron_restart"]) == (False, "17 * * * *")
