"""`wa` under real supervisors: PM2 from npm, cron's bare environment, and the systemd unit."""

from __future__ import annotations

import configparser
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import REEM, WA, Result, is_connected, is_owned, wait_for
from crontab import unescaped_by_cron
from npm import npm_folder
from web_client import SECRET

from wa.store.locks import lock_holder
from wa.store.paths import Home

pytestmark = pytest.mark.console_script

ROOT = Path(__file__).parents[2]
AWKWARD = 'a b & %c $HOME 100% "q" it\'s \\% x'
"""The name of a folder with characters that shells, cron, systemd or JavaScript treat specially."""


def delivered(wa: Callable[..., Result]) -> list[str]:
    """Return the texts that the server accepted."""
    return [row["content"] for row in wa("loopback", "delivered", "--json").json]


def rows(wa: Callable[..., Result], status: str) -> list[str]:
    """Return the texts in the queue that have this status."""
    return [row["message"] for row in wa("schedule", "list", "--status", status, "--json").json]


def is_alive(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        state = subprocess.run(
            ["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
    except FileNotFoundError:
        return Path(f"/proc/{pid}").exists()
    return bool(state.strip()) and not state.strip().startswith("Z")


def awkward_program(folder: Path) -> str:
    """Return a path to this `wa` that has to be quoted."""
    place = folder / f"bin {AWKWARD}"
    place.mkdir(exist_ok=True)
    if not (place / "wa").exists():
        (place / "wa").symlink_to(WA)
    return str(place / "wa")


# ── Signals, as any supervisor sends them ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("delay", ["2", "60"], ids=["in hand", "hanging"])
def test_a_signal_ends_a_command_within_five_seconds_and_leaves_no_row_open(
    wa, spawn, home, number, code, delay
):
    wa("loopback", "fault", "ack-delay", delay)
    for each in range(3):
        assert wa("schedule", "add", REEM, f"message {each}", "--at", "in 0 seconds").code == 0
    started = time.monotonic()
    process = spawn("run-scheduler")
    begun = len(wait_for(lambda: delivered(wa), what="a message in hand"))
    began = time.monotonic()
    process.signal(number)
    result = process.finish()
    assert time.monotonic() - began < 5 + (began - started)  # this start shows how slow the machine is
    assert result.code == code, result.err
    assert "Traceback" not in result.err
    assert rows(wa, "sending") == []
    assert len(delivered(wa)) == len(rows(wa, "sent")) + len(rows(wa, "unknown")) == begun
    assert not is_owned(home)


# ── PM2 ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def pm2_program() -> str:
    """PM2 in the checkout's venv."""
    return str(npm_folder("pm2") / "node_modules/.bin/pm2")


class PM2:
    """A PM2 daemon; its apps have the settings of the test that starts them."""

    def __init__(self, program: str, home: Path) -> None:
        self._program, self._home = program, home
        self._seen = 0

    def __call__(self, *args: str, code: int = 0) -> str:
        home = str(self._home)
        more = {"PM2_HOME": home, "HOME": home, "PM2_DISABLE_VERSION_CHECK": "true", "NO_COLOR": "1"}
        done = subprocess.run(
            [self._program, *args],
            env={**os.environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def app(self, name: str = "wa-scheduler") -> dict[str, Any]:
        """Return what PM2 reports of an app."""
        apps = json.loads(self("jlist").splitlines()[-1])
        return next(each for each in apps if each["name"] == name)

    def pid(self, name: str = "wa-scheduler") -> int:
        """Return the process of an app, 0 without one; it takes a file of PM2 and not a process of node."""
        found = [path.read_text() for path in (self._home / "pids").glob(f"{name}-*.pid")]
        return int(*found) if found else 0

    def ends(self, name: str = "wa-scheduler") -> int:
        """Return how often an app of this test has ended, as PM2's log says."""
        return len(re.findall(rf"App \[{name}:\d+\] exited with code", self._log()[self._seen :]))

    def clear(self) -> None:
        """End all apps, and forget them."""
        if "starting in" in self._log()[self._seen :]:
            self("delete", "all")
        self._seen = len(self._log())

    def end(self) -> None:
        """End the daemon."""
        pid_file = self._home / "pm2.pid"
        daemon = int(pid_file.read_text()) if pid_file.exists() else 0
        self("kill")
        if daemon:
            wait_for(lambda: not is_alive(daemon), what="the end of PM2's daemon")

    def _log(self) -> str:
        path = self._home / "pm2.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def pm2_daemon(pm2_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PM2]:
    """PM2 with a home whose path is short enough for its sockets."""
    made = PM2(pm2_program, tmp_path_factory.mktemp("p"))
    yield made
    made.end()


@pytest.fixture
def pm2(pm2_daemon: PM2) -> Iterator[PM2]:
    """PM2 without apps."""
    yield pm2_daemon
    pm2_daemon.clear()


@pytest.fixture
def config(wa: Callable[..., Result], tmp_path: Path) -> str:
    """The path of a file for PM2, as `wa service` prints it."""
    path = tmp_path / "ecosystem.config.js"
    path.write_text(wa("service", "pm2").out, encoding="utf-8")
    return str(path)


def test_pm2_restarts_a_killed_process_and_scheduled_messages_go_out_once(wa, home, pm2, config):
    pm2("start", config)
    wait_for(lambda: is_connected(home), what="a scheduler")
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


def test_pm2_stops_a_process_cleanly_while_it_sends(wa, home, pm2, config):
    wa("loopback", "fault", "ack-delay", "2")  # less than the time for what is in hand
    pm2("start", config)
    wait_for(lambda: is_connected(home), what="a scheduler")
    pid = pm2.pid()
    texts = [f"message {each}" for each in range(8)]  # PM2 may take many seconds to stop a process
    for text in texts:
        assert wa("schedule", "add", REEM, text, "--at", "in 0 seconds").code == 0
    wait_for(lambda: delivered(wa), what="a message in hand")
    began = time.monotonic()
    pm2("stop", "wa-scheduler")
    assert not is_alive(pid)
    ended = time.monotonic()
    pm2("jlist")
    assert ended - began < 5 + 1 + (time.monotonic() - ended)  # plus the time that PM2 itself takes
    assert rows(wa, "sending") == []
    assert rows(wa, "unknown") == []
    gone = delivered(wa)
    assert gone == texts[: len(gone)] == sorted(rows(wa, "sent"))
    assert sorted(rows(wa, "pending")) == texts[len(gone) :]


def test_pm2_does_not_restart_a_process_that_ended_for_good(wa, tmp_path, pm2):
    faults = {"gone": ("logged-out", "on"), "banned": ("banned", "3600"), "control": ("outdated", "on")}
    for name, fault in faults.items():
        env = {"WA_HOME": str(tmp_path / name)}
        assert wa("loopback", "fault", *fault, **env).code == 0
        assert wa("schedule", "add", REEM, "Waits", "--at", "in 0 seconds", **env).code == 0
        path = tmp_path / f"{name}.config.js"
        path.write_text(wa("service", "pm2", **env).out.replace('"wa-scheduler"', f'"{name}"'))
        pm2("start", str(path))
    wait_for(lambda: pm2.ends("gone") and pm2.ends("banned"), what="their end")
    # Another process, which ends with 7, is restarted again and again meanwhile.
    seen = pm2.ends("control")
    wait_for(lambda: pm2.ends("control") >= max(seen + 2, 4), what="restarts")
    assert pm2.app("control")["pm2_env"]["restart_time"] >= 3
    for name, code in (("gone", 3), ("banned", 5)):
        app = pm2.app(name)
        assert app["pid"] == 0
        assert app["pm2_env"]["exit_code"] == code
        assert app["pm2_env"]["restart_time"] == 0
        assert rows(partial(wa, WA_HOME=str(tmp_path / name)), "pending") == ["Waits"]


def test_the_pm2_file_has_the_needed_settings(config):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = f"console.log(JSON.stringify(require({json.dumps(config)})))"
    found = json.loads(
        subprocess.run([node, "-e", script], capture_output=True, text=True, check=True).stdout
    )
    (app,) = found["apps"]
    assert app["args"] == ["run-scheduler"]
    assert app["autorestart"] is True
    assert sorted(app["stop_exit_codes"]) == [3, 5]
    assert app["kill_timeout"] >= 6000
    assert app["script"] == WA


@pytest.mark.soak
def test_pm2_makes_backups_with_awkward_paths(spawn, tmp_path, pm2):
    program, home = awkward_program(tmp_path), tmp_path / f"home {AWKWARD}"
    settings = {"WA_HOME": str(home)}
    made = spawn("service", "pm2", "--backup", program=[program], **settings).finish()
    assert made.code == 0, made.err
    path = tmp_path / "ecosystem.config.js"
    # every five seconds instead of every hour; PM2 ends the run before
    path.write_text(made.out.replace('"17 * * * *"', '"*/5 * * * * *"'), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != made.out
    pm2("start", str(path))
    wait_for(lambda: is_connected(Home(home)), what="a scheduler")
    wait_for(lambda: len(list((home / "backups").glob("whatsapp_*.zst"))) >= 2, what="two backups")
    assert spawn("schedule", "add", REEM, "Hello", "--at", "in 0 seconds", **settings).finish().code == 0

    def sent() -> bool:
        return '"sent": 1' in spawn("status", "--json", **settings).finish().out

    wait_for(sent, what="the message")
    assert pm2.app()["pm2_env"]["restart_time"] == 0


def answers(port: int, path: str = "/api/v1/status", secret: str = SECRET) -> int:
    """Return the status of an answer of the HTTP API, 0 without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"X-API-Secret": secret})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.mark.soak
def test_pm2_keeps_the_api_beside_the_scheduler(spawn, tmp_path, pm2, port):
    program, home = awkward_program(tmp_path), tmp_path / f"home {AWKWARD}"
    home.mkdir(mode=0o700)
    (home / ".env").write_text(f"WA_TRANSPORT=loopback\nAPI_SECRET={SECRET}\n")
    made = spawn("service", "pm2", "--serve", program=[program], WA_HOME=str(home)).finish()
    assert (made.code, "API_SECRET" in made.err) == (0, False), made.err
    path = tmp_path / "ecosystem.config.js"
    path.write_text(made.out.replace('"serve"]', f'"serve", "--port", "{port}"]'), encoding="utf-8")
    pm2("start", str(path))
    wait_for(lambda: answers(port) == 200, what="the API")
    wait_for(lambda: answers(port, "/health") == 200, what="the scheduler")
    before = pm2.pid("wa-serve")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: pm2.pid("wa-serve") not in (0, before), what="another")
    wait_for(lambda: answers(port) == 200, what="the API again")
    pid = pm2.pid("wa-serve")
    pm2("stop", "wa-serve")
    assert not is_alive(pid)
    assert pm2.app("wa-serve")["pm2_env"]["exit_code"] == 130  # PM2 stops with SIGINT
    assert pm2.app()["pm2_env"]["restart_time"] == 0


# ── cron ──────────────────────────────────────────────────────────────────────────────────────────


def cron_commands(crontab: str) -> list[str]:
    """Return the commands of a crontab as cron hands them to the shell."""
    lines = [line for line in crontab.splitlines() if not line.startswith("#")]
    return [unescaped_by_cron(line.split(maxsplit=5)[5]) for line in lines]


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


def test_cron_sends_with_the_settings_in_the_line(wa, home):
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


def test_the_crontab_lines_work_with_home_alone_in_the_environment(wa, spawn, tmp_path):
    program, home = awkward_program(tmp_path), tmp_path / f"home {AWKWARD}"
    home.mkdir(mode=0o700)
    (home / ".env").write_text("WA_TRANSPORT=loopback\nWA_SEND_SPACING=0\nSTORAGE_MODE=s3\n")
    there = {"WA_HOME": str(home)}
    assert wa("schedule", "add", REEM, "From cron", "--at", "in 0 seconds", **there).code == 0
    made = spawn("service", "cron", "--backup", program=[program], **there).finish()
    assert made.code == 0, made.err
    once, backup = cron_commands(made.out)
    for command in (once, backup, once):
        found = as_cron(command, HOME=str(tmp_path))
        log = (home / "cron.log").read_text()
        assert found.returncode == 0, log + found.stderr
        assert found.stdout == found.stderr == "", "cron would send mail"
        assert "1 sent" in log
    assert [row["content"] for row in wa("loopback", "delivered", "--json", **there).json] == ["From cron"]
    assert len(list((home / "backups").glob("whatsapp_*.zst"))) == 1
    assert stat.S_IMODE((home / "cron.log").stat().st_mode) == 0o600
    (check,) = [each for each in wa("doctor", "--json", **there).json if each["name"] == "home"]
    assert "cron.log" not in check["message"]


def test_the_crontab_line_of_the_api_works(wa, spawn, tmp_path, port):
    home = tmp_path / f"home {AWKWARD}"
    home.mkdir(mode=0o700)
    (home / ".env").write_text("WA_TRANSPORT=loopback\n")
    made = spawn(
        "service", "cron", "--serve", program=[awkward_program(tmp_path)], WA_HOME=str(home)
    ).finish()
    assert "there is no API_SECRET" in made.err
    (line,) = [line for line in made.out.splitlines() if line.startswith("@reboot ")]
    command = unescaped_by_cron(line.removeprefix("@reboot "))
    command = command.replace(" serve >", f" serve --port {port} >")
    server = spawn("-i", f"HOME={tmp_path}", "/bin/sh", "-c", f"{command} & echo $!", program=["env"])
    pid = int(server.popen.stdout.readline())
    try:
        wait_for(lambda: answers(port, "/ping") == 200, what="the API")
        assert answers(port) == 401
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not is_alive(pid), what="its end")
    assert (home / "cron.log").read_text() == ""


@pytest.mark.parametrize(
    ("faults", "code"),
    [([("refuse", "463")], 5), ([("receipts", "off"), ("ack-lost", "on")], 6), ([("logged-out", "on")], 3)],
    ids=["failed", "unknown", "logged out"],
)
def test_under_cron_the_exit_code_tells_the_outcome(wa, home, faults, code):
    for fault in faults:
        wa("loopback", "fault", *fault)
    assert wa("schedule", "add", REEM, "Hello", "--at", "in 0 seconds").code == 0
    found = as_cron(
        f"WA_HOME={shlex.quote(str(home.path))} WA_TRANSPORT=loopback {shlex.quote(WA)} run-scheduler --once"
    )
    assert found.returncode == code, found.stderr


# ── systemd ───────────────────────────────────────────────────────────────────────────────────────


UNITS = ["wa.service", "wa-serve.service", "wa-backup.service", "wa-backup.timer"]


@pytest.fixture
def units(spawn: Callable[..., Any], tmp_path: Path) -> Path:
    """A folder with the units for a `wa` and a home with awkward paths, put there as the command says."""
    home = tmp_path / f"home {AWKWARD}"
    made = spawn(
        "service", "systemd", "--serve", "--backup", program=[awkward_program(tmp_path)], WA_HOME=str(home)
    ).finish()
    (save,) = [line for line in made.err.splitlines() if "~/.config/systemd/user &&" in line]
    folder = tmp_path / ".config/systemd/user"
    folder.mkdir(parents=True)
    subprocess.run(["sh", "-c", save], env={**os.environ, "HOME": str(tmp_path)}, check=True)
    assert sorted(unit.name for unit in folder.iterdir()) == sorted(UNITS)
    assert "".join((folder / name).read_text() for name in UNITS) == made.out
    assert not home.exists()
    return folder


def parsed(unit: Path) -> configparser.ConfigParser:
    """Return the sections of a unit."""
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit, encoding="utf-8")
    return parser


def test_the_unit_has_the_needed_settings(units):
    unit = parsed(units / "wa.service")
    service = unit["Service"]
    assert service["ExecStart"].endswith(" run-scheduler")
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"].split() == ["3", "5"]
    assert int(service["TimeoutStopSec"]) >= 6
    assert service["UMask"] == "0077"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Install"]["WantedBy"] == "default.target"


def test_the_unit_of_the_api_has_the_needed_settings(units):
    unit = parsed(units / "wa-serve.service")
    service = unit["Service"]
    assert service["ExecStart"].endswith(" serve")
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "2")
    assert int(service["TimeoutStopSec"]) >= 6
    assert service["StandardOutput"] == "null"  # a link that logs in
    assert unit["Install"]["WantedBy"] == "default.target"


def test_the_backup_s_units_have_the_needed_settings(units):
    service, timer = parsed(units / "wa-backup.service"), parsed(units / "wa-backup.timer")
    assert service["Service"]["ExecStart"].endswith(" backup")
    assert service["Service"]["Type"] == "oneshot"
    assert "Install" not in service
    assert timer["Timer"]["OnCalendar"] == "*:17"
    assert timer["Timer"]["Persistent"] == "yes" or timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_systemd_accepts_the_units(units, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    files = sorted(map(str, units.iterdir()))
    found = subprocess.run(
        [analyze, "verify", "--user", "--man=no", *files],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in found.stderr.splitlines() if "wa.service" in line or "wa-" in line]
    assert complaints == []
    assert found.returncode == 0, found.stderr


def test_systemd_reads_awkward_paths_unchanged(units, tmp_path):
    """In test mode a user's systemd loads its units and prints what it has read; root may not do so."""
    systemd = Path("/lib/systemd/systemd")
    if not systemd.exists():
        pytest.skip("systemd is not installed")
    with tempfile.TemporaryDirectory() as temporary:
        place, runtime = Path(temporary), Path(temporary) / "run"
        place.chmod(0o755)
        runtime.mkdir(mode=0o700)
        shutil.copytree(units, place / "units")
        command = [str(systemd), "--test", "--user", "--unit=wa.service"]
        if os.geteuid() == 0:
            os.chown(runtime, 65534, 65534)
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": temporary,
            "SYSTEMD_UNIT_PATH": f"{place / 'units'}:",
            "XDG_RUNTIME_DIR": str(runtime),
        }
        found = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    section = found.stdout.partition("-> Unit wa.service:")[2].partition("-> Unit ")[0]
    lines = [line.strip() for line in section.splitlines()]
    assert f"Environment: WA_HOME={tmp_path / f'home {AWKWARD}'}" in lines, found.stdout[-500:] + found.stderr
    (command_line,) = [line for line in lines if line.startswith("Command Line: ")]
    words = shlex.split(command_line.removeprefix("Command Line: ").replace("\\$", "$"))
    assert words == ["/usr/bin/env", str(awkward_program(tmp_path)), "run-scheduler"]
