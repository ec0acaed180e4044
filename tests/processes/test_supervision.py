"""Under real supervisors: PM2 from npm, cron's bare environment, and the systemd unit."""

from __future__ import annotations

import configparser
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import REEM, WA, Result, is_owned, wait_for

from wa.store.locks import lock_holder

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
UNIT = ROOT / "docs/wa.service"
CONFIG = ROOT / "ecosystem.config.js"
PM2_DIR = ROOT / ".venv/pm2"
PM2_VERSION = "pm2@7"
NPM_SECONDS = 240


def delivered(wa: Callable[..., Result]) -> list[str]:
    """The texts that the server accepted."""
    return [row["content"] for row in wa("loopback", "delivered", "--json").json]


def rows(wa: Callable[..., Result], status: str) -> list[str]:
    """The texts in the queue that have this status."""
    return [row["message"] for row in wa("schedule", "list", "--status", status, "--json").json]


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet waited for does not."""
    try:
        state = subprocess.run(
            ["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
    except FileNotFoundError:
        return Path(f"/proc/{pid}").exists()
    return bool(state.strip()) and not state.strip().startswith("Z")


# ── Signals, as any supervisor sends them ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("delay", ["1", "60"], ids=["in hand", "hanging"])
def test_a_signal_ends_it_within_five_seconds_and_leaves_nothing_open(wa, spawn, home, number, code, delay):
    wa("loopback", "fault", "ack-delay", delay)
    for each in range(3):
        assert wa("schedule", "add", REEM, f"message {each}", "--at", "in 0 seconds").code == 0
    started = time.monotonic()
    process = spawn("run-scheduler")
    wait_for(lambda: delivered(wa), what="a message in hand")
    began = time.monotonic()
    process.signal(number)
    result = process.finish()
    assert time.monotonic() - began < 5 + (began - started)  # which tells how slow the machine is
    assert result.code == code, result.err
    assert "Traceback" not in result.err
    assert rows(wa, "sending") == []
    assert len(delivered(wa)) == len(rows(wa, "sent")) + len(rows(wa, "unknown")) == 1
    assert not is_owned(home)


# ── PM2 ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def pm2_program() -> str:
    """PM2 in the checkout's venv, installed once by whichever test process comes first."""
    program = PM2_DIR / "node_modules/.bin/pm2"
    PM2_DIR.mkdir(parents=True, exist_ok=True)
    with (PM2_DIR / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _install_pm2()
    return str(program)


def _install_pm2() -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("PM2 cannot be had: npm is not installed")
    install = [npm, "install", "--prefix", str(PM2_DIR), "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            [*install, PM2_VERSION], capture_output=True, text=True, timeout=NPM_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"PM2 cannot be had: npm did not end in {NPM_SECONDS} s")
    if done.returncode:
        pytest.skip(f"PM2 cannot be had: {done.stderr.strip()[-300:]}")


class PM2:
    """A PM2 daemon of this test's own."""

    def __init__(self, program: str, home: Path) -> None:
        self._program = program
        self._environ = {
            **os.environ,
            "PM2_HOME": str(home),
            "HOME": str(home),
            "PM2_DISABLE_VERSION_CHECK": "true",
            "NO_COLOR": "1",
        }

    def __call__(self, *args: str, **env: str) -> str:
        done = subprocess.run(
            [self._program, *args],
            env={**self._environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def app(self, name: str = "wa-scheduler") -> dict[str, Any]:
        """What PM2 says of an app."""
        apps = json.loads(self("jlist").splitlines()[-1])
        return next(each for each in apps if each["name"] == name)

    def pid(self, name: str = "wa-scheduler") -> int:
        return int(self.app(name)["pid"])


@pytest.fixture
def pm2(pm2_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PM2]:
    """PM2 with a home whose path is short enough for its sockets; its daemon ends with the test."""
    home = tmp_path_factory.mktemp("p")
    pm2 = PM2(pm2_program, home)
    yield pm2
    pid_file = home / "pm2.pid"
    daemon = int(pid_file.read_text()) if pid_file.exists() else 0
    pm2("kill")
    if daemon:
        wait_for(lambda: not is_alive(daemon), what="the end of PM2's daemon")


def test_pm2_starts_it_again_after_sigkill_and_what_is_scheduled_goes_out_once(wa, home, pm2):
    pm2("start", str(CONFIG))
    wait_for(lambda: is_owned(home), what="a scheduler")
    before = pm2.pid()
    wait_for(lambda: (lock_holder(home.session_lock) or {}).get("pid") == before, what="its name in the lock")
    assert wa("schedule", "add", REEM, "Later", "--at", "in 2 seconds").code == 0
    assert wa("schedule", "add", REEM, "Now", "--at", "in 0 seconds").code == 0
    wait_for(lambda: rows(wa, "sent"), what="the message that is due")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: (lock_holder(home.session_lock) or {}).get("pid", before) != before, what="another")
    wait_for(lambda: rows(wa, "pending") == [] == rows(wa, "sending"), what="an empty queue")
    assert delivered(wa) == ["Now", "Later"]
    assert sorted(rows(wa, "sent")) == ["Later", "Now"]
    app = pm2.app()
    assert app["pid"] not in (0, before)
    assert app["pm2_env"]["restart_time"] == 1
    assert app["pm2_env"]["status"] == "online"


def test_pm2_stops_it_cleanly_with_a_message_in_hand(wa, home, pm2):
    wa("loopback", "fault", "ack-delay", "2")
    pm2("start", str(CONFIG))
    wait_for(lambda: is_owned(home), what="a scheduler")
    pid = pm2.pid()
    for each in range(3):
        assert wa("schedule", "add", REEM, f"message {each}", "--at", "in 0 seconds").code == 0
    wait_for(lambda: delivered(wa), what="a message in hand")
    began = time.monotonic()
    pm2("stop", "wa-scheduler")
    assert not is_alive(pid)
    ended = time.monotonic()
    pm2("jlist")
    assert ended - began < 5 + 1 + (time.monotonic() - ended)  # and the time that PM2 itself takes
    assert rows(wa, "sending") == []
    assert rows(wa, "unknown") == []
    assert delivered(wa) == rows(wa, "sent") == ["message 0"]
    assert rows(wa, "pending") == ["message 1", "message 2"]


@pytest.mark.parametrize(
    ("fault", "code"), [(("logged-out", "on"), 3), (("banned", "3600"), 5)], ids=["logged out", "banned"]
)
def test_pm2_does_not_start_it_again_where_that_would_be_wrong(wa, tmp_path, pm2, fault, code):
    wa("loopback", "fault", *fault)
    assert wa("schedule", "add", REEM, "Waits", "--at", "in 0 seconds").code == 0
    pm2("start", str(CONFIG))
    wait_for(lambda: pm2.pid() == 0, what="its end")
    # Another one, which ends with 7, is started again and again meanwhile.
    control = {"WA_HOME": str(tmp_path / "control")}
    assert wa("loopback", "fault", "outdated", "on", **control).code == 0
    other = tmp_path / "control.config.js"
    other.write_text(
        f"const found = require({json.dumps(str(CONFIG))}); found.apps[0].name = 'control';"
        " module.exports = found;"
    )
    pm2("start", str(other), **control)
    wait_for(lambda: pm2.app("control")["pm2_env"]["restart_time"] >= 3, what="restarts")
    app = pm2.app()
    assert app["pid"] == 0
    assert app["pm2_env"]["exit_code"] == code
    assert app["pm2_env"]["restart_time"] == 0
    assert rows(wa, "pending") == ["Waits"]


def test_the_pm2_file_says_what_it_must():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = f"console.log(JSON.stringify(require({json.dumps(str(CONFIG))})))"
    found = json.loads(
        subprocess.run([node, "-e", script], capture_output=True, text=True, check=True).stdout
    )
    (app,) = found["apps"]
    assert app["args"] == "run-scheduler"
    assert app["autorestart"] is True
    assert sorted(app["stop_exit_codes"]) == [3, 5]
    assert app["kill_timeout"] >= 6000
    assert Path(app["script"]) == ROOT / ".venv/bin/wa" or app["script"] == "wa"


# ── cron ────────────────────────────────────────────────────────────────────────────────────────────


def cron_command() -> str:
    """The command in the README's crontab line."""
    (line,) = re.findall(r"^```crontab\n(.+ run-scheduler .+)\n```", README, re.MULTILINE)
    return line.split(maxsplit=5)[5]


def as_cron(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command as cron does: /bin/sh, a bare environment, no terminal, nothing on stdin."""
    return subprocess.run(
        ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in env.items()), "/bin/sh", "-c", command],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )


def test_cron_with_its_settings_in_the_line(wa, home):
    assert wa("contacts", "add", "Zoë Example", REEM).code == 0
    assert wa("schedule", "add", "zoe", "Grüße 👋", "--at", "in 0 seconds").code == 0
    found = as_cron(
        f"WA_HOME={shlex.quote(str(home.path))} WA_TRANSPORT=loopback {shlex.quote(WA)} run-scheduler --once"
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout == ""
    assert "1 sent" in found.stderr
    assert delivered(wa) == ["Grüße 👋"]
    assert rows(wa, "sent") == ["Grüße 👋"]


def test_the_crontab_line_of_the_readme_with_nothing_but_home(wa, tmp_path):
    user = tmp_path / "user"
    data = user / ("Library/Application Support" if sys.platform == "darwin" else ".local/share") / "wa"
    data.mkdir(parents=True, mode=0o700)
    (data / ".env").write_text("WA_TRANSPORT=loopback\nWA_SEND_SPACING=0\nSTORAGE_MODE=s3\n")
    there = {"WA_HOME": str(data)}
    assert wa("schedule", "add", REEM, "From cron", "--at", "in 0 seconds", **there).code == 0
    command = cron_command().replace("/home/you/wa/.venv/bin/wa", shlex.quote(WA))
    command = command.replace("/home/you", shlex.quote(str(user)))
    found = as_cron(command, HOME=str(user))
    log = (user / "wa-cron.log").read_text()
    assert found.returncode == 0, log
    assert found.stdout == found.stderr == "", "cron would send mail"
    assert "1 sent" in log
    assert [row["content"] for row in wa("loopback", "delivered", "--json", **there).json] == ["From cron"]
    as_cron(command, HOME=str(user))
    assert len(wa("loopback", "delivered", "--json", **there).json) == 1


@pytest.mark.parametrize(
    ("faults", "code"),
    [([("refuse", "463")], 5), ([("receipts", "off"), ("ack-lost", "on")], 6), ([("logged-out", "on")], 3)],
    ids=["failed", "unknown", "logged out"],
)
def test_cron_learns_how_it_went_from_the_exit_code(wa, home, faults, code):
    for fault in faults:
        wa("loopback", "fault", *fault)
    assert wa("schedule", "add", REEM, "Hello", "--at", "in 0 seconds").code == 0
    found = as_cron(
        f"WA_HOME={shlex.quote(str(home.path))} WA_TRANSPORT=loopback {shlex.quote(WA)} run-scheduler --once"
    )
    assert found.returncode == code, found.stderr


# ── systemd ─────────────────────────────────────────────────────────────────────────────────────────


def installed_unit(tmp_path: Path) -> str:
    """The unit as the README's sed puts it in place for this checkout and user."""
    (command,) = re.findall(r"^(sed .+? docs/wa\.service) \|$", README, re.MULTILINE)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "USER": user}
    found = subprocess.run(
        ["sh", "-c", f"PWD={shlex.quote(str(ROOT))}; {command}"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout


def test_the_unit_has_what_it_needs():
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT, encoding="utf-8")
    service = parser["Service"]
    assert service["ExecStart"].endswith("/wa run-scheduler")
    assert service["ExecStart"].startswith("/")
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"].split() == ["3", "5"]
    assert int(service["TimeoutStopSec"]) >= 6
    assert service["UMask"] == "0077"
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    assert parser["Install"]["WantedBy"] == "multi-user.target"


def test_the_readme_puts_the_unit_in_place(tmp_path):
    unit = installed_unit(tmp_path)
    settings = [line for line in unit.splitlines() if line and not line.startswith("#")]
    assert f"ExecStart={ROOT}/.venv/bin/wa run-scheduler" in settings
    assert f"ReadWritePaths={tmp_path}" in settings
    assert not [line for line in settings if re.search(r"\byou\b", line)]


def test_systemd_accepts_the_unit(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = installed_unit(tmp_path).replace(f"{ROOT}/.venv/bin/wa", WA)
    (tmp_path / "wa.service").write_text(unit)
    found = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / "wa.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in found.stderr.splitlines() if "wa.service" in line]
    assert complaints == []
    assert found.returncode == 0, found.stderr
