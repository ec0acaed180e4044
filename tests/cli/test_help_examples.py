"""Every `Example:` of `--help` works when it is pasted into a home with the project's own samples."""

from __future__ import annotations

import glob
import json
import os
import shlex
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import Result, is_connected, wait_for

from wa.connection.context import system_now
from wa.queue import rows
from wa.store.database import Store

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import help_texts  # noqa: E402

pytestmark = pytest.mark.no_home

EXAMPLES = [(ctx.command_path, line) for ctx in help_texts.commands() for line in help_texts.examples(ctx)]
PREPARED = """
wa contacts import-vcf contacts/family.vcf contacts/friends.vcf
wa contacts import-aliases contacts/aliases.txt
wa send sister "Are you coming on Saturday?"
wa send omar --poll "Lunch?" --option Pizza --option Soup
wa loopback say sister "Yes, on Saturday at ten"
wa loopback say omar "Dinner at eight" --group Family
wa groups create "Garden party" 447700900123 447700900124
wa groups promote "Garden party" 447700900124
wa template add birthday "Happy birthday, {first}!"
wa backup
wa hooks add bot --exec cat
"""
"""The commands with which a user makes a home in which the examples work."""
QUEUED = {
    "wa schedule retry": {"status": "pending", "scheduledTime": "2024-12-25T10:00:00Z"},
    "wa schedule resolve": {"status": "in doubt", "scheduledTime": "2024-12-25T10:00:00Z"},
}
"""The message `a1b2c3` that examples need as `missed` or `unknown`, in the old tool's form.

`wa migrate-s3` brings it into the queue, and keeps its id.
"""
JOBS = {
    "wa jobs pause": {"status": "pending"},
    "wa jobs show": {"status": "paused"},
    "wa jobs resume": {"status": "paused"},
    "wa jobs cancel": {"status": "paused"},
    "wa jobs retry": {"status": "pending", "scheduledStartAt": "2024-12-25T10:00:00Z"},
}
"""The job `a1b2c3` that examples need, in the old tool's form; it comes in as `paused`."""
BY_HAND = {"wa schedule unhold": "held", "wa schedule approve": "draft"}
"""The status in which examples need the message `a1b2c3`, and that no old tool had."""
PENDING = {"status": "pending", "scheduledTime": "2099-12-25T10:00:00Z"}
ENDLESS = {"wa listen": [], "wa serve": ["--port", "0"]}
"""Commands whose example runs for a while, and options for a test, which ends it with SIGTERM."""
ASKED_ON_STDIN = {"wa mcp"}
"""Commands that speak a protocol on descriptors 0 and 1, and end with their input."""
NEEDS_A_PHONE = {"wa link": 2, "wa unlink": 3}
"""The exit codes of commands that need a phone. `tests/real/test_link.py` runs these against the relay."""
CHAT = """\
20/11/2026, 18:30 - Nadia Sample: Are we still on for Saturday?
20/11/2026, 18:31 - Me: Yes! Ten o'clock at the station.
"""


def words_of(line: str) -> list[str]:
    """Split a command line into words as a shell does, with `~` and `*` expanded."""
    words: list[str] = []
    for word in shlex.split(line):
        path = str(Path(word).expanduser()) if word.startswith("~") else word
        words += sorted(glob.glob(path)) if "*" in path else [path]
    return words


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this module, in which the first test makes the home that every test copies."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(autouse=True)
def owner_only() -> Iterator[None]:
    """Set the umask so that files are for their owner alone, as the console script does."""
    mask = os.umask(0o077)
    yield
    os.umask(mask)


@pytest.fixture
def paste(
    wa: Callable[..., Result], prepared: Path, home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Result]:
    """Run a command line in a copy of the prepared home, in the folder of the samples."""
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("contacts").mkdir()
    for name in ("family.vcf", "friends.vcf", "aliases.txt"):
        shutil.copy(ROOT / "contacts" / name, "contacts")
    Path("backups").mkdir()
    Path("WhatsApp Chat with Nadia Sample.txt").write_text(CHAT)

    def run(line: str) -> Result:
        return wa(*words_of(line)[1:])

    if not (prepared / "home").exists():
        for line in PREPARED.strip().splitlines():
            done = run(line)
            assert done.code == 0, (line, done.err)
        wait_for(lambda: run("wa listen --for 1s") and "on Saturday at ten" in run("wa read sister").out)
        shutil.copytree(home.path, prepared / "home", ignore=shutil.ignore_patterns("*.sock"))
        shutil.rmtree(home.path)
    shutil.copytree(prepared / "home", home.path)
    assert run("wa resume").code == 0  # a copied home sends nothing before
    return run


@pytest.mark.parametrize(("path", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_works_when_it_is_pasted(paste, spawn, home, path, line):
    row = {"id": "1735168500123_a1b2c3", "to": "447700900123", "message": "Happy birthday!"}
    Path("backups/scheduled.json").write_text(json.dumps([{**row, **QUEUED.get(path, PENDING)}]))
    if path in JOBS:
        parts = [{"orderIndex": 0, "text": "Hello"}]
        job = {"id": "job_1735132800001_a1b2c3", "recipients": ["447700900123"], "messageParts": parts}
        Path("backups/scheduled.json").unlink()
        Path("backups/jobs.json").write_text(
            json.dumps([{**job, "scheduledStartAt": "2099-12-25T10:00:00Z", **JOBS[path]}])
        )
    if "a1b2c3" in line:
        assert paste("wa migrate-s3 --from backups/").code == 0
        assert paste("wa resume").code == 0
    if path == "wa db restore-archive":
        assert paste("wa db prune --older-than 0d --yes").code == 0
    if path == "wa groups join":
        with closing(sqlite3.connect(home.loopback)) as server, server:
            server.execute("INSERT INTO groups VALUES ('1203630000000000001@g.us', 'Choir')")
            server.execute("INSERT INTO members VALUES ('1203630000000000001@g.us', ?)", [row["to"]])
            code = line.rpartition("/")[2]
            server.execute("INSERT INTO invitations VALUES (?, '1203630000000000001@g.us', 0)", [code])
    if path in ("wa edit", "wa delete"):  # only what we wrote ourselves
        assert paste('wa send nadia "See you at ten"').code == 0
    if path in BY_HAND:
        with closing(Store(home)) as store, store.write():
            rows.update(store, row["id"], system_now(), status=BY_HAND[path])
    if path in ENDLESS:
        process = spawn(*words_of(line)[1:], *ENDLESS[path])
        if path == "wa serve":
            assert process.popen.stdout.readline().startswith("serving on http://127.0.0.1:")
        else:
            wait_for(lambda: is_connected(home), what="the connection")
        process.signal(signal.SIGTERM)
        assert process.finish().code == 0
        return
    done = spawn(*words_of(line)[1:]).finish() if path in ASKED_ON_STDIN else paste(line)
    assert done.code == NEEDS_A_PHONE.get(path, 0), done.out + done.err
