"""Does a test fail when sending is wrong? Each fault of `seeded_faults` fails its test, for its reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HELPERS
from seeded_faults import FAULTS, WIRE_FAULTS, Fault, WireFault

import wa

ROOT = Path(__file__).parents[2]
TESTS_FAILED = 1
"""The exit code of pytest when it ran all tests and some failed; 2 to 5 are faults of the run itself."""


@pytest.fixture
def copied(tmp_path):
    """A copy of the package, alone in its folder."""
    shutil.copytree(
        Path(wa.__file__).parent, tmp_path / "copy" / "wa", ignore=shutil.ignore_patterns("*.pyc")
    )
    return tmp_path / "copy" / "wa"


def run(copied, *tests, **env):
    """Run tests with a copy of the package; return the finished process.

    The script of pytest is started, and not the module, which would put the working directory, with the
    package as it is, before the copy.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "WA_"))}
    path = os.pathsep.join([str(copied.parent), HELPERS])
    script = str(Path(sys.executable).with_name("pytest"))
    options = [
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "seeded_wire",
        "--basetemp",
        str(copied.parent / "tmp"),
    ]
    return subprocess.run(
        [sys.executable, script, *options, *tests],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.soak
def test_all_named_tests_pass_with_a_sound_copy(copied):
    tests = dict.fromkeys(fault.test for fault in [*FAULTS, *WIRE_FAULTS])
    done = run(copied, *tests)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_in_our_source_fails_its_test(copied, fault: Fault):
    path = copied / fault.file
    path.write_text(path.read_text().replace(fault.old, fault.new))
    ruff = Path(sys.executable).with_name("ruff")
    names = [ruff, "check", "--isolated", "--select", "F821,E9", path]
    checked = subprocess.run(names, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert_fails(run(copied, fault.test), fault.says)


@pytest.mark.soak
@pytest.mark.parametrize("fault", WIRE_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_on_the_wire_fails_its_test(copied, fault: WireFault):
    late = {"SEEDED_AFTER_LINKS": "1"} if fault.after_links else {}
    assert_fails(run(copied, fault.test, SEEDED_MISTAKE=fault.mistake, **late), fault.says)


def assert_fails(done, says):
    """Check that a test failed in its body or in the check of what reached whom, and for the reason wanted.

    That reason is in the lines that pytest marks: the statement that failed, or the message of its exception.
    """
    assert done.returncode == TESTS_FAILED, done.stdout[-3000:] + done.stderr[-3000:]
    assert "ERROR at setup" not in done.stdout, done.stdout[-3000:]
    marked = [line for line in done.stdout.splitlines() if line.startswith((">  ", "E  "))]
    assert any(says in line for line in marked), [says, *marked]


def test_the_faults_fit_the_source_and_name_tests_that_exist():
    """A fault whose text has changed would be no fault, and no run would say so."""
    for fault in FAULTS:
        assert (Path(wa.__file__).parent / fault.file).read_text().count(fault.old) == 1, fault.name
    for each in [*FAULTS, *WIRE_FAULTS]:
        file, *_, test = each.test.partition("[")[0].split("::")
        places = [ROOT / file, ROOT / "tests" / "support" / "transport_contract.py"]
        assert any(f"def {test}(" in path.read_text() for path in places), each.name


def test_the_faults_are_enough():
    assert len(FAULTS) >= 20
    assert len(FAULTS) + len(WIRE_FAULTS) >= 30
    names = [fault.name for fault in [*FAULTS, *WIRE_FAULTS]]
    assert len(set(names)) == len(names)
