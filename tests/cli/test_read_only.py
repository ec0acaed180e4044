"""`wa --read-only` and `WA_READ_ONLY=1`: each of all commands either only looks, or is refused first."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import stat
import sys
from pathlib import Path

import pytest
from conftest import is_connected, wait_for
from web_client import SECRET

from wa.connection.context import system_now
from wa.hooks.table import add as add_hook
from wa.queue.templates import table as templates
from wa.store.database import Store
from wa.store.paths import Home

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import help_texts  # noqa: E402

READ_ONLY = {"WA_READ_ONLY": "1"}
LOOKS = """
status
doctor
chats 5
chats --channels
unread
groups
read sister 20
poll sister {poll}
search saturday --from sister
export sister --format html
export --all
stats sister --days 90
history status
schedule list
schedule list --status all
schedule show {row}
schedule series
template list
template show birthday
jobs list
jobs show {job}
contacts list
contacts search sister
contacts show sister
contacts birthdays
contacts export --format csv
service systemd --backup --serve
backup list
backup verify latest
backup keygen
db stats
db check
serve --port 0
mcp
hooks list
hooks show bot --secret
sessions list
sessions show sister
loopback delivered
loopback changes
"""
"""A line for each command that only looks. A line here is one that must do so."""
REHEARSES = """
send sister --template birthday --dry-run
schedule add sister --template birthday --at "tomorrow 9am" --dry-run
schedule birthdays --template birthday --dry-run
jobs add --title Hello --to sister --part Hi --dry-run
contacts import-vcf {root}/contacts/friends.vcf --dry-run
contacts import-aliases {folder}/aliases.txt --dry-run
history import {folder}/chat.jsonl --dry-run
db prune --older-than 1d --dry-run
backup prune --dry-run
migrate-s3 --from {folder} --dry-run
"""
"""Lines that only tell what would be done."""
CHANGES = """
groups --refresh
read sister --mark-read
read sister --seen
export sister --out {folder}/out.jsonl
contacts export --out {folder}/out.vcf
backup keygen --to {folder}/key.txt
db check --repair
send sister Hello
contacts import-vcf {root}/contacts/friends.vcf
"""
"""Lines of commands that look otherwise. All commands that are in no list change something too."""


def paths_of(lines):
    """Return the commands that lines run, as `wa schedule list`."""
    return {help_texts.parse(f"wa {line}") for line in lines}


def all_lines(home: Path, folder: Path):
    """Return the lines that look, and those that must be refused; every command of `wa` is in one."""
    with Store_at(home) as store:
        row = store.value("SELECT id FROM scheduled_messages WHERE status = 'pending' AND job_id IS NULL")
        job = store.value("SELECT id FROM jobs")
        poll = store.value("SELECT message_id FROM messages WHERE message_type = 'poll'")
    named = {"poll": poll, "row": row, "job": job, "root": ROOT, "folder": folder}
    looks, changes = (
        [line.format(**named) for line in text.splitlines() if line] for text in (LOOKS + REHEARSES, CHANGES)
    )
    looking = paths_of(looks)
    commands = [ctx for ctx in help_texts.commands() if help_texts.does_something(ctx)]
    for ctx in commands:
        if ctx.command_path not in looking:
            example = help_texts.examples(ctx)
            assert example, f"{ctx.command_path} has no example"
            changes += [line.removeprefix("wa ") for line in example]
    assert looking | paths_of(changes) == {ctx.command_path for ctx in commands}
    return looks, changes


class Store_at:
    """The store of a home, for a block."""

    def __init__(self, path: Path) -> None:
        self._store = Store(Home(path))

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def bytes_of(path: Path, *without: str):
    """Return each file of a directory with its time, mode and content, but the shared memory of SQLite."""
    found = {}
    for each in sorted(path.rglob("*")):
        kept = each.lstat()
        if each.name.endswith("-shm") or each.name in without:
            continue
        content = hashlib.sha256(each.read_bytes()).hexdigest() if stat.S_ISREG(kept.st_mode) else None
        changed = None if each.is_dir() else kept.st_mtime_ns
        found[str(each.relative_to(path))] = (oct(kept.st_mode), changed, content)
    return found


def change_counter(path: Path) -> int:
    """Return how often the main file of a database was changed (sqlite.org/fileformat.html, 1.3.7)."""
    return int.from_bytes(path.read_bytes()[24:28], "big")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder of this module, in which the first test makes the home that the others copy."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(autouse=True)
def owner_only():
    """Set the umask so that files are for their owner alone, as the console script does."""
    mask = os.umask(0o077)
    yield
    os.umask(mask)


@pytest.fixture
def lived_in(wa, home, prepared, tmp_path):
    """A home in which people wrote, with contacts, a queue, a job, a hook, a backup and their files."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "aliases.txt").write_text("Nadia: Nady")
    (folder / "contacts.json").write_text('[{"name": "Omar Sample", "phone": "447700900777"}]')
    if not (prepared / "home").exists():
        for line in (
            "contacts add Nadia 447700900123 --alias sister --birthday 1985-01-15",
            'loopback say sister "Yes, on Saturday at ten"',
            'loopback say 447700900456 "Dinner at eight" --group Family',
            'send sister "Are you coming on Saturday?"',
            'send sister --poll "Where?" --option Park --option Home',
            'schedule add sister "Good morning" --at "in 9 days"',
            'jobs add --title Hello --to sister --part Hi --at "in 9 days"',
            "backup",
        ):
            done = wa(*shlex.split(line))
            assert done.code == 0, (line, done.err)
        with Store_at(home.path) as store:
            templates.put(store, "birthday", "Happy birthday, {first}!", system_now())
            add_hook(store, "bot", {"webhook": "https://example.org/hook"}, system_now())
        shutil.copytree(home.path, prepared / "home", ignore=shutil.ignore_patterns("*.sock"))
    shutil.rmtree(home.path)
    shutil.copytree(prepared / "home", home.path)
    exported = wa("export", "--all", WA_READ_ONLY="1")
    assert exported.code == 0
    (folder / "chat.jsonl").write_text(exported.out)
    return folder


def run_line(wa, spawn, line):
    """Run a command line; one that serves until it is stopped is stopped, or has an empty input."""
    words = shlex.split(line)
    if words[0] not in ("serve", "mcp"):
        return wa(*words, **READ_ONLY)
    process = spawn(*words, API_SECRET=SECRET, **READ_ONLY)
    if words[0] == "serve":
        assert process.popen.stdout.readline().startswith("serving on http://127.0.0.1:")
        process.signal(signal.SIGTERM)
    return process.finish()


def test_each_of_all_commands_looks_or_is_refused_and_no_file_changes(wa, spawn, home, lived_in):
    looks, changes = all_lines(home.path, lived_in)
    before, counted, files = bytes_of(home.path), change_counter(home.store), bytes_of(lived_in)

    for line in looks:
        done = run_line(wa, spawn, line)
        assert done.code == 0, (line, done.err)
        assert bytes_of(home.path) == before, line
    for line in changes:
        done = wa("--json", *shlex.split(line), **READ_ONLY)
        assert (done.code, done.out, done.error["code"]) == (2, "", "usage"), (line, done.err)
        assert "read-only" in done.error["message"], line
        assert bytes_of(home.path) == before, line

    assert change_counter(home.store) == counted
    assert bytes_of(lived_in) == files


def test_it_looks_beside_a_listener_which_goes_on(wa, spawn, home, lived_in):
    assert wa("resume").code == 0  # a copied home sends nothing before
    assert wa("hooks", "pause", "bot").code == 0  # it would try again and again to reach its address
    listener = spawn("listen", "--json")
    with Store_at(home.path) as store:  # all that it writes at its start
        wait_for(lambda: is_connected(home) and "groups_at" in store.state())
    wa("loopback", "say", "sister", "And on Sunday?")
    wait_for(lambda: "And on Sunday?" in wa("read", "sister", **READ_ONLY).out)
    looks, changes = all_lines(home.path, lived_in)
    beats = ("session.lock", "spool")  # the listener writes these
    before = bytes_of(home.path, *beats)

    for line in (*looks, *changes):
        if line.partition(" ")[0] not in ("serve", "mcp"):
            assert wa(*shlex.split(line), **READ_ONLY).code == (0 if line in looks else 2), line
    assert bytes_of(home.path, *beats) == before

    wa("loopback", "say", "sister", "Or on Monday?")
    wait_for(lambda: "Or on Monday?" in wa("read", "sister", **READ_ONLY).out)
    assert wa("send", "sister", "Sunday is fine").code == 0
    assert listener.popen.poll() is None


def test_what_the_stand_in_accepted_is_shown_and_its_file_not_made(wa, home):
    assert wa("loopback", "delivered", "--json", **READ_ONLY).json == []
    assert not home.loopback.exists()
    assert wa("send", "447700900123", "Hello").code == 0
    assert [row["content"] for row in wa("loopback", "delivered", "--json", **READ_ONLY).json] == ["Hello"]


def test_failed_messages_stay_unseen_when_they_are_only_looked_at(wa, home):
    wa("loopback", "fault", "refuse", "463")
    assert wa("send", "447700900123", "Hello").code == 5

    assert "failed" in wa("schedule", "list", "--status", "failed", **READ_ONLY).out
    assert wa("status", "--json", **READ_ONLY).json["unseen"] == {"failed": 1}


@pytest.mark.no_home
@pytest.mark.parametrize(("line", "code"), [("chats", 3), ("backup list", 3), ("send 447700900123 Hi", 2)])
def test_no_home_is_made(wa, home, line, code):
    done = wa(*line.split(), **READ_ONLY)

    assert done.code == code
    assert code == 2 or f"there is no home of wa at {home.path}" in done.err
    assert not home.path.exists()


@pytest.mark.no_home
def test_no_store_is_made_in_an_empty_home(wa, home):
    home.path.mkdir(mode=0o700)

    assert wa("chats", **READ_ONLY).code == 3
    assert list(home.path.iterdir()) == []


def test_an_older_store_is_not_upgraded(wa, home, store):
    store.execute("DELETE FROM _sqlite_migrations WHERE rowid = (SELECT max(rowid) FROM _sqlite_migrations)")
    store.close()
    before = bytes_of(home.path)

    done = wa("chats", "--json", **READ_ONLY)

    assert (done.code, done.error["code"]) == (2, "usage")
    assert "must be upgraded first" in done.error["message"]
    assert bytes_of(home.path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_read(wa, home):
    home.path.chmod(0o500)
    try:
        assert wa("chats", **READ_ONLY).code == 0
    finally:
        home.path.chmod(0o700)


@pytest.mark.parametrize(
    "args", [["--read-only", "send"], ["send", "--read-only"], ["backup", "--read-only", "prune"]]
)
def test_the_option_stands_before_or_behind_the_command(wa, args):
    done = wa(*args, *(["447700900123", "Hello"] if "send" in args else []))
    assert (done.code, "read-only" in done.err) == (2, True)


@pytest.mark.parametrize("value", ["0", "off", "No", "false", ""])
def test_it_can_be_switched_off(wa, value):
    assert wa("template", "add", "hi", "Hello", WA_READ_ONLY=value).code == 0


@pytest.mark.parametrize("value", ["on", "YES", " true "])
def test_it_is_switched_on_in_words(wa, value):
    assert wa("template", "add", "hi", "Hello", WA_READ_ONLY=value).code == 2


def test_a_malformed_value_is_an_error_of_every_command(wa):
    for line in ("chats", "send 447700900123 Hi"):
        done = wa("--json", *line.split(), WA_READ_ONLY="maybe")
        assert (done.code, done.error["code"]) == (2, "bad-setting")
        assert "WA_READ_ONLY='maybe'" in done.error["message"]


def test_a_file_cannot_set_it_and_doctor_says_so(wa, home, tmp_path):
    named = tmp_path / "named.env"
    for file in (home.path / ".env", named):
        file.write_text("WA_READ_ONLY=1\n")

    assert wa("--env-file", str(named), "template", "add", "hi", "Hello").code == 0
    found = json.loads(wa("--env-file", str(named), "doctor", "--json").out)
    (sources,) = [each for each in found if each["name"] == "sources"]
    assert sources["settings"]["WA_READ_ONLY"] == "default"
    for file in (home.path / ".env", named):
        assert f"WA_READ_ONLY in {file} is ignored" in sources["message"]
    assert sources["ok"]


def test_a_server_without_a_secret_is_refused_for_nobody_could_log_in(wa):
    done = wa("serve", "--port", "0", **READ_ONLY)
    assert (done.code, "API_SECRET" in done.err) == (2, True)
