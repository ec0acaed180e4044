"""The newer of the system's zone rules and those of the package tzdata counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tzdata
from conftest import REEM, WA

PACKAGE = Path(tzdata.__file__).parent / "zoneinfo"
SHOW = """
import sys
from datetime import datetime
from wa.zones import choose_rules, rules_text
from wa.times import load_zone
choose_rules()
print(rules_text())
for name in sys.argv[1:]:
    print(datetime(2026, 12, 25, 10, tzinfo=load_zone(name)).utcoffset())
"""


@pytest.fixture
def system(tmp_path):
    """Rules of a system in which Vancouver has Tokyo's time, and Here/Alone is known to the system alone."""

    def make(version: str | None) -> Path:
        for name in ("America/Vancouver", "Here/Alone"):
            path = tmp_path / "zoneinfo" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((PACKAGE / "Asia/Tokyo").read_bytes())
        if version is not None:
            (tmp_path / "zoneinfo" / "tzdata.zi").write_text(f"# version {version}\n# This zic input\n")
        return tmp_path / "zoneinfo"

    return make


def shown(folder: Path, *names: str) -> list[str]:
    """Return the lines that SHOW prints in a process whose system rules are in `folder`."""
    env = {**os.environ, "PYTHONTZPATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", SHOW, *names], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("version", ["2020a", None])
def test_newer_rules_of_the_package_count_and_names_of_the_system_alone_are_known(system, version):
    text, vancouver, alone = shown(system(version), "America/Vancouver", "Here/Alone")
    assert text.startswith(f"rules {tzdata.IANA_VERSION} of the package tzdata")
    assert vancouver.startswith("-1 day")
    assert alone == "9:00:00"


def test_newer_rules_of_the_system_count_and_names_of_the_package_alone_are_known(system):
    text, vancouver, utc = shown(system("2999b"), "America/Vancouver", "UTC")
    assert text.startswith("rules 2999b of the system")
    assert (vancouver, utc) == ("9:00:00", "0:00:00")


def queue_by(folder: Path, *args: str) -> Any:
    """Run `wa schedule ARGS --json` in a process whose system rules are in `folder`."""
    env = {**os.environ, "PYTHONTZPATH": str(folder)}
    done = subprocess.run([WA, "schedule", *args, "--json"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_pending_messages_keep_their_wall_time_when_the_rules_change(system, store):
    at = ("--tz", "America/Vancouver", "--grace", "2h")
    before = system("2998a")
    row = queue_by(before, "add", REEM, "Hello", "--at", "2036-12-25 10:00", *at)
    assert row["scheduled_at"] == "2036-12-25T01:00:00.000Z"  # 10:00 in Tokyo
    moved = queue_by(before, "edit", row["id"], "--at", "2036-12-25 11:00")
    assert moved["scheduled_at"] == "2036-12-25T02:00:00.000Z"
    other = queue_by(before, "add", REEM, "By London", "--at", "2036-12-25 10:00", "--tz", "Europe/London")

    (before / "America/Vancouver").write_bytes((PACKAGE / "America/New_York").read_bytes())
    (before / "tzdata.zi").write_text("# version 2999b\n")
    for _ in range(2):
        first, second = sorted(queue_by(before, "list"), key=lambda each: each["message"], reverse=True)
        assert first["scheduled_at"] == "2036-12-25T16:00:00.000Z"  # 11:00 in New York
        assert first["expires_at"] == "2036-12-25T18:00:00.000Z"
        assert second["scheduled_at"] == other["scheduled_at"]


def test_doctor_shows_which_rules_count(wa):
    found = next(each for each in wa("doctor", "--json").json if each["name"] == "zones")
    assert str(tzdata.IANA_VERSION) in found["message"]
