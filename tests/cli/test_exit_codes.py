"""Every exit code and every error code, each provoked by a real cause, as text and as JSON."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
import typer
from conftest import ADAM, REEM, FakeClock, is_connected, is_owned, wait_for

from wa.cli import main as cli
from wa.connection import ask, deliver
from wa.connection.context import system_now
from wa.errors import EXIT_OF_CODE
from wa.record import chats
from wa.store.database import Store
from wa.store.locks import FileLock
from wa.whatsapp.loopback.connection import LoopbackTransport
from wa.whatsapp.loopback.server import Loopback
from wa.whatsapp.transport import Handlers

pytestmark = pytest.mark.console_script

pytest_plugins = ["relay_fixture"]

OFFLINE = ("loopback", "fault", "offline", "on")


def later(**delta):
    """Return a clock ahead of the system's."""
    return lambda: system_now() + timedelta(**delta)


def told(result, code, *, as_json, talk=False):
    """Check the form of an error; return its message and hint.

    `talk` allows other lines before it on stderr, as commands that go on for
    long write them.
    """
    assert result.code == EXIT_OF_CODE[code], (result.code, result.err)
    assert result.out == ""
    assert "Traceback" not in result.err
    lines = result.err.splitlines()
    if as_json:
        assert talk or len(lines) == 1, result.err
        found = json.loads(lines[-1])
        assert set(found) == {"error"}
        assert set(found["error"]) == {"code", "message", "hint"}
        assert found["error"]["code"] == code
        message, hint = found["error"]["message"], found["error"]["hint"]
    else:
        start = [number for number, line in enumerate(lines) if line.startswith("error: ")]
        assert len(start) == 1, result.err
        assert talk or code in ("rate-limit-exceeded", "still-queued") or start == [0], result.err
        message, *hints = lines[start[0] :]
        assert len(hints) <= 1, result.err
        assert all(line.startswith("hint: ") for line in hints), result.err
        message, hint = message.removeprefix("error: "), hints[0].removeprefix("hint: ") if hints else None
    assert message
    assert hint, f"no hint says what to do about: {message}"
    for command in re.findall(r"`(wa [^`]*)`", f"{message} {hint}"):
        assert is_command(command), f"the hint names a command that does not exist: {command}"
    return message, hint or ""


def is_command(line):
    """Return whether `line` begins with an existing command and arguments that it could have."""
    command = typer.main.get_command(cli.root)
    words = line.split()[1:]
    while words and hasattr(command, "list_commands"):
        name = words.pop(0)
        if name in cli.COMMANDS:
            command = command.get_command(_Context(), name)
        else:
            command = getattr(command, "commands", {}).get(name)
        if command is None:
            return False
    options = {name for each in command.params for name in each.opts}
    given = {word for word in words if word.startswith("--")}
    taken = sum(1 for each in command.params if not each.opts[0].startswith("-"))
    values = [word for word in words if not word.startswith("-")]
    return given <= options and len(values) <= taken + len(given)


class _Context:
    """The part of a context that the root group asks for: an object on loopback."""

    def find_object(self, kind):
        found = kind(environ={"WA_TRANSPORT": "loopback", "WA_TZ": "UTC", "WA_HOME": "/nonexistent"})
        found.values = dict(found.environ)
        return found


def interrupted(result):
    """Check the end of a command after Ctrl-C: it prints no error."""
    assert (result.code, result.out) == (130, "")
    assert "Traceback" not in result.err
    assert "error" not in result.err


@pytest.fixture(params=["text", "json"])
def form(request):
    """The two forms in which an error is printed."""
    return request.param


@pytest.fixture
def fails(wa, form):
    """Run a command that must end with an error code; return its message and hint."""

    def run(code, *args, talk=False, **options):
        as_json = form == "json"
        result = wa(*(("--json",) if as_json else ()), *args, **options)
        return told(result, code, as_json=as_json, talk=talk)

    return run


@pytest.fixture
def rows(wa):
    """Return all rows of the queue."""
    return lambda: wa("schedule", "list", "--status", "all", "--json").json


@pytest.fixture
def delivered(wa):
    """Return the texts that the stand-in has accepted."""
    return lambda: [row["content"] for row in wa("loopback", "delivered", "--json").json]


@pytest.fixture
def nothing_goes_out_later(wa, rows, delivered):
    """After a failed `send`: its row is settled, and no message goes out once the fault is cleared."""

    def check(*, status=("failed", "cancelled"), already=()):
        found = rows()
        assert all(row["status"] in status for row in found), found
        assert all(row["error_code"] for row in found if row["status"] == "failed")
        assert wa("loopback", "reset").code == 0
        assert wa("resume", now=later(hours=5)).code == 0
        assert wa("run-scheduler", "--once", now=later(hours=5)).code == 0
        assert delivered() == list(already)

    return check


# ── 0 and 1 ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "args",
    [
        ["status"],
        ["chats"],
        ["unread"],
        ["groups"],
        ["search", "nothing like it"],
        ["contacts", "list"],
        ["contacts", "search", "nobody"],
        ["schedule", "list"],
        ["schedule", "list", "--status", "failed"],
        ["loopback", "delivered"],
        ["db", "check"],
        ["db", "stats"],
        ["pause"],
        ["resume"],
    ],
)
def test_success_is_0_and_so_is_a_list_without_hits(wa, args):
    assert wa(*args).code == 0
    result = wa(*args, "--json")
    assert result.code == 0
    assert result.json is not None
    assert result.err == ""


def test_a_run_with_no_due_row_is_0(wa, store):
    result = wa("run-scheduler", "--once")
    assert (result.code, result.out) == (0, "")


def test_help_and_version_are_0(wa):
    for args in (["--help"], ["send", "--help"], ["schedule", "add", "-h"], ["--version"]):
        result = wa(*args)
        assert result.code == 0
        assert result.err == ""
        assert result.out


def test_a_bug_is_an_internal_error(fails, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("out of order")

    monkeypatch.setattr(chats, "listing", broken)
    message, _ = fails("internal", "chats")
    assert "out of order" in message


def test_a_bug_shows_its_traceback_only_with_v(spawn):
    broken = (
        "from wa.cli import main; from wa.record import chats\n"
        "chats.listing = lambda *a, **k: 1 / 0; main.main()"
    )
    program = [sys.executable, "-c", broken]
    quiet = spawn("chats", program=program).finish()
    loud = spawn("-v", "chats", program=program).finish()
    assert (quiet.code, loud.code) == (1, 1)
    assert "Traceback" not in quiet.err
    assert "ZeroDivisionError" in quiet.err
    assert "Traceback" in loud.err


# ── 2: usage, settings, states ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["chats", "--nonsense"],
        ["send"],
        ["schedule", "add", REEM, "Hello"],
        ["schedule", "add", REEM, "Hello", "--at", "03/04"],
        ["schedule", "add", REEM, "Hello", "--at", "2020-01-01 10:00"],
        ["schedule", "list", "--status", "lost"],
        ["schedule", "resolve", "x", "perhaps"],
        ["search", "x", "--type", "smell"],
        ["listen", "--for", "soon"],
        ["loopback", "fault", "gravity", "off"],
    ],
)
def test_wrong_arguments_are_usage(fails, args):
    fails("usage", *args)


def test_a_bad_setting_is_named_with_its_value(fails):
    message, hint = fails("bad-setting", "status", WA_DAILY_LIMIT="many")
    assert "WA_DAILY_LIMIT" in message
    assert "many" in message
    assert "WA_DAILY_LIMIT must be" in hint


def test_a_home_belongs_to_one_transport(wa, fails):
    assert wa("send", REEM, "Hello").code == 0
    message, hint = fails("bad-setting", "status", WA_TRANSPORT="neonize")
    assert "loopback" in message
    assert "WA_TRANSPORT=loopback" in hint


def test_a_command_on_a_row_in_the_wrong_state_is_wrong_state(wa, fails):
    sent = wa("send", REEM, "Hello", "--json").json["id"]
    for command in (
        ["cancel", sent],
        ["retry", sent],
        ["edit", sent, "--text", "x"],
        ["resolve", sent, "sent"],
    ):
        message, _ = fails("wrong-state", "schedule", *command)
        assert f"{sent} is sent" in message


# ── 3: no account, or no longer ours ──────────────────────────────────────────────────────────────


@pytest.mark.timeout(15)
def test_without_an_account_no_message_is_queued(wa, fails, tmp_path):
    unlinked = {"WA_TRANSPORT": "neonize", "WA_HOME": str(tmp_path / "unlinked")}
    fails("not-authorized", "send", REEM, "Hello", **unlinked)
    fails("not-authorized", "send", REEM, "Hello", "--no-wait", **unlinked)
    fails("not-authorized", "listen", "--for", "1s", **unlinked)
    fails("not-authorized", "run-scheduler", **unlinked)  # the lock must have been released
    assert wa("schedule", "list", "--status", "all", "--json", **unlinked).json == []
    fails("not-authorized", "run-scheduler", "--once", **unlinked)


def test_a_send_while_logged_out_is_not_authorized(wa, fails, rows, nothing_goes_out_later):
    wa("loopback", "fault", "logged-out", "on")
    fails("not-authorized", "send", REEM, "Hello")
    assert [(row["status"], row["error_code"]) for row in rows()] == [("failed", "not-authorized")]
    nothing_goes_out_later()


def test_logged_out_ends_the_scheduler_and_its_queue_stays(wa, fails, rows, delivered):
    wa("loopback", "fault", "logged-out", "on")
    wa("schedule", "add", REEM, "Later", "--at", "in 1 minute")
    fails("not-authorized", "run-scheduler", "--once", now=later(minutes=2))
    fails("not-authorized", "run-scheduler", talk=True)
    fails("not-authorized", "listen", talk=True)
    assert [row["status"] for row in rows()] == ["pending"]
    wa("loopback", "reset")
    assert wa("run-scheduler", "--once", now=later(minutes=2)).code == 0
    assert delivered() == ["Later"]


@pytest.mark.parametrize("command", [["listen"], ["run-scheduler"]])
def test_a_command_whose_session_is_replaced_ends_with_replaced(home, store, spawn, form, command):
    as_json = form == "json"
    process = spawn(*(("--json",) if as_json else ()), *command)
    wait_for(lambda: store.value("SELECT last_connected FROM device"))
    other = LoopbackTransport(home, system_now)
    other.connect(Handlers(lambda kind, payload: None, lambda signal: None, lambda number, jid: None))
    try:
        told(process.finish(timeout=10), "replaced", as_json=as_json, talk=True)
    finally:
        other.disconnect()


# ── 4: not found ──────────────────────────────────────────────────────────────────────────────────


def test_a_missing_row_or_chat_is_not_found(wa, fails):
    wa("contacts", "add", "Reem", REEM)
    for command in (["show"], ["cancel"], ["retry"], ["edit", "--text", "x"]):
        fails("not-found", "schedule", *command, "nope")
    fails("not-found", "schedule", "resolve", "nope", "sent")
    fails("not-found", "schedule", "show", "")
    fails("not-found", "read", "nobody at all")
    fails("not-found", "read", "reem")
    fails("not-found", "search", "x", "--chat", ADAM)


def test_an_answer_to_a_message_that_is_not_there_is_not_sent(wa, fails, rows):
    fails("not-found", "send", REEM, "Hello", "--reply-to", "3EB0NOPE")
    assert rows() == []


def test_two_matches_are_ambiguous_and_listed(wa, fails, rows):
    wa("contacts", "add", "Adam North", ADAM)
    wa("contacts", "add", "Adam South", REEM)
    message, _ = fails("ambiguous", "send", "adam", "Hello")
    assert "Adam North" in message
    assert "Adam South" in message
    assert rows() == []
    wa("schedule", "add", ADAM, "One", "--at", "in 1 hour")
    wa("schedule", "add", ADAM, "Two", "--at", "in 1 hour")
    ids = [row["id"] for row in rows()]
    message, _ = fails("ambiguous", "schedule", "cancel", ids[0][:3])
    assert all(each in message for each in ids)
    assert [row["status"] for row in rows()] == ["pending", "pending"]


def test_an_unknown_name_is_recipient_not_found(fails, rows):
    message, _ = fails("recipient-not-found", "send", "Nobody", "Hello")
    assert "Nobody" in message
    fails("recipient-not-found", "schedule", "add", "Nobody", "Hello", "--at", "in 1 hour")
    assert rows() == []


def test_a_number_that_is_not_on_whatsapp_is_recipient_not_found(wa, fails, rows, nothing_goes_out_later):
    wa("loopback", "fault", "not-on-whatsapp", REEM)
    fails("recipient-not-found", "send", REEM, "Hello")
    assert [(row["status"], row["error_code"]) for row in rows()] == [("failed", "recipient-not-found")]
    nothing_goes_out_later()


# ── 5: not sent ───────────────────────────────────────────────────────────────────────────────────


def test_a_refused_message_fails_at_once(wa, fails, rows, nothing_goes_out_later):
    wa("loopback", "fault", "refuse", "463")
    message, hint = fails("send-failed", "send", REEM, "Hello")
    assert "463" in message
    assert f"wa schedule retry {rows()[0]['id']}" in hint
    nothing_goes_out_later()


def test_the_scheduler_reports_that_a_message_failed(wa, rows):
    wa("loopback", "fault", "refuse", "463")
    wa("schedule", "add", REEM, "Later", "--at", "in 1 minute")
    result = wa("run-scheduler", "--once", now=later(minutes=2))
    assert (result.code, result.out) == (5, "")
    assert "1 failed" in result.err
    assert [row["error_code"] for row in rows()] == ["send-failed"]


def test_a_rate_limit_fails_the_send_and_brakes_the_next(wa, fails, rows, nothing_goes_out_later):
    wa("loopback", "fault", "refuse", "429")
    fails("rate-limit-exceeded", "send", REEM, "Hello")
    wa("loopback", "reset")
    assert wa("status", "--json").json["sending"] == "braked"
    fails("rate-limit-exceeded", "send", REEM, "Again")
    assert [row["error_code"] for row in rows()] == ["rate-limit-exceeded"] * 2
    nothing_goes_out_later()


def test_a_send_over_the_daily_limit_is_rate_limit_exceeded(
    wa, fails, rows, delivered, nothing_goes_out_later
):
    assert wa("send", REEM, "First", WA_DAILY_LIMIT="1").code == 0
    fails("rate-limit-exceeded", "send", REEM, "Second", WA_DAILY_LIMIT="1")
    assert sorted(row["status"] for row in rows()) == ["failed", "sent"]
    nothing_goes_out_later(status=("failed", "sent"), already=["First"])


def test_a_message_too_long_is_not_queued(wa, fails, rows, delivered):
    fails("message-too-long", "send", REEM, stdin="x" * 65_537)
    fails("message-too-long", "schedule", "add", REEM, "-", "--at", "in 1 hour", stdin="é" * 65_537)
    assert rows() == []
    assert wa("send", REEM, stdin="é" * 65_536 + "\n").code == 0
    assert delivered() == ["é" * 65_536]


def test_an_edit_cannot_make_a_message_too_long(wa, fails, rows):
    wa("schedule", "add", REEM, "Short", "--at", "in 1 hour")
    fails("message-too-long", "schedule", "edit", rows()[0]["id"], "--text", "x" * 65_537)
    assert [row["message"] for row in rows()] == ["Short"]


def test_a_ban_ends_the_send(wa, fails, rows, nothing_goes_out_later):
    wa("loopback", "fault", "banned", "3600")
    fails("temporary-ban", "send", REEM, "Hello")
    assert [row["error_code"] for row in rows()] == ["temporary-ban"]
    nothing_goes_out_later()


@pytest.mark.parametrize(
    "command", [["listen"], ["run-scheduler"], ["run-scheduler", "--once"], ["send", REEM, "x"]]
)
def test_no_command_connects_before_a_ban_ends(wa, fails, rows, delivered, monkeypatch, command):
    clock = FakeClock()
    wa("schedule", "add", REEM, "Later", "--at", "in 1 minute", now=clock)
    wa("loopback", "fault", "banned", "3600")
    clock.advance(minutes=5)
    told(wa("listen", now=clock), "temporary-ban", as_json=False, talk=True)
    wa("loopback", "reset")

    def connect(self, handlers):
        pytest.fail("connected before the end of the ban")

    with monkeypatch.context() as patch:
        patch.setattr(LoopbackTransport, "connect", connect)
        clock.advance(minutes=59)
        message, _ = fails("temporary-ban", *command, now=clock, talk=True)
    assert "13:05" in message
    assert delivered() == []
    clock.advance(minutes=2)
    assert wa("run-scheduler", "--once", now=clock).code == 0
    assert delivered() == ["Later"]


# ── 6: perhaps sent, or not yet ───────────────────────────────────────────────────────────────────


@pytest.fixture
def unknown(wa, monkeypatch):
    """Make the stand-in accept messages and never acknowledge them."""
    monkeypatch.setattr(deliver, "PROOF_SECONDS", 0.1)
    for name, value in (("ack-lost", "on"), ("ack-timeout", "0.1"), ("receipts", "off")):
        assert wa("loopback", "fault", name, value).code == 0


@pytest.mark.usefixtures("unknown")
def test_a_message_of_unknown_outcome_is_reported_and_never_sent_again(wa, fails, rows, delivered):
    _, hint = fails("unknown-outcome", "send", REEM, "Hello")
    row = rows()[0]
    assert row["status"] == "unknown"
    assert row["id"] in hint
    wa("loopback", "reset")
    assert wa("run-scheduler", "--once").code == 0
    assert wa("run-scheduler", "--once", now=later(hours=5)).code == 0
    assert delivered() == ["Hello"]
    for command in ("cancel", "retry"):
        fails("unknown-outcome", "schedule", command, row["id"])
    fails("unknown-outcome", "schedule", "edit", row["id"], "--text", "x")
    assert rows() == [row]


@pytest.mark.usefixtures("unknown")
def test_the_scheduler_reports_that_an_outcome_became_unknown(wa, delivered):
    wa("schedule", "add", REEM, "Later", "--at", "in 1 minute")
    result = wa("run-scheduler", "--once", now=later(minutes=2))
    assert (result.code, result.out) == (6, "")
    assert "1 unknown" in result.err
    assert delivered() == ["Later"]


@pytest.mark.parametrize("why", [OFFLINE, ("pause",)])
def test_a_message_still_queued_is_named_and_stays(wa, fails, rows, delivered, why):
    wa(*why)
    _, hint = fails("still-queued", "send", REEM, "Hello", "--wait", "0.3")
    row = rows()[0]
    assert row["status"] == "pending"
    assert row["id"] in hint
    wa("loopback", "reset")
    wa("resume")
    assert wa("run-scheduler", "--once", now=later(minutes=1)).code == 0
    assert delivered() == ["Hello"]


# ── 7: out of reach ───────────────────────────────────────────────────────────────────────────────


def test_the_scheduler_without_a_network_is_network_error(wa, fails, rows, monkeypatch):
    monkeypatch.setattr(deliver, "CONNECT_SECONDS", 0.3)
    wa("schedule", "add", REEM, "Later", "--at", "in 1 minute")
    wa(*OFFLINE)
    message, _ = fails("network-error", "run-scheduler", "--once", now=later(minutes=2))
    assert "offline" in message
    assert [row["status"] for row in rows()] == ["pending"]


@pytest.mark.parametrize("as_json", [False, True])
def test_marking_as_read_without_a_network_is_network_error(wa, monkeypatch, as_json):
    monkeypatch.setattr(ask, "REQUEST_SECONDS", 0.3)
    wa("loopback", "say", REEM, "Are you there?")
    wait_for(lambda: wa("listen", "--for", "1s").out)
    wa(*OFFLINE)
    result = wa("read", REEM, "--mark-read", *(["--json"] if as_json else []))
    if not as_json:
        result.out = ""  # the command may have printed the messages
    told(result, "network-error", as_json=as_json)
    wa("loopback", "reset")
    assert wa("unread", "--json").json[0]["unread_count"] == 1


def test_an_outdated_client_is_client_outdated(wa, fails, rows, nothing_goes_out_later):
    wa("loopback", "fault", "outdated", "on")
    fails("client-outdated", "send", REEM, "Hello")
    assert [row["error_code"] for row in rows()] == ["client-outdated"]
    fails("client-outdated", "listen", talk=True)
    nothing_goes_out_later()


def test_the_scheduler_beside_an_owner_that_does_not_send_is_in_use(
    wa, fails, rows, spawn, home, monkeypatch
):
    monkeypatch.setattr(deliver, "CONNECT_SECONDS", 0.3)
    wa("schedule", "add", REEM, "Later", "--at", "in 1 second")
    process = spawn("listen", "--no-send")
    wait_for(lambda: is_connected(home))
    message, _ = fails("in-use", "run-scheduler", "--once", now=later(seconds=5))
    assert str(process.pid) in message
    assert [row["status"] for row in rows()] == ["pending"]


def test_an_upgrade_waits_for_a_running_process(wa, fails, store, home):
    with store.write():
        store.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0002_queue'")
    session = FileLock(home.session_lock)
    assert session.acquire()
    _, hint = fails("in-use", "status")
    assert "restart the listener" in hint
    session.release()


def test_a_store_that_another_program_has_locked_is_in_use(wa, fails, home, monkeypatch):
    wa("status")
    monkeypatch.setitem(Store.__init__.__kwdefaults__, "busy_seconds", 0.1)
    other = sqlite3.connect(home.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    fails("in-use", "schedule", "add", REEM, "Hello", "--at", "in 1 hour")
    fails("in-use", "contacts", "add", "Reem", REEM)
    other.execute("ROLLBACK")
    other.close()
    assert wa("schedule", "list", "--json").json == []
    assert wa("contacts", "list", "--json").json == []


def test_a_home_that_cannot_be_made_is_storage_error(fails, tmp_path):
    (tmp_path / "file").write_text("not a directory")
    fails("storage-error", "status", WA_HOME=str(tmp_path / "file" / "home"))


# ── 8: bad data ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("line", ["not JSON", "[1]", '{"text": "nobody says it"}', '{"from": ', '"x"'])
def test_one_bad_json_line_refuses_all_lines(fails, home, line):
    said = f'{{"from": "{REEM}", "text": "fine"}}\n{line}\n'
    message, _ = fails("bad-data", "loopback", "say", "-", stdin=said)
    assert "line 2" in message
    with closing(Loopback(home)) as server:
        assert list(server.incoming(0)) == []


def test_a_damaged_store_is_corrupt(fails, home):
    home.prepare()
    home.store.write_bytes(b"This is not a database. " * 400)
    before = home.store.read_bytes()
    message, _ = fails("corrupt", "chats")
    assert str(home.store) in message
    fails("corrupt", "send", REEM, "Hello")
    assert home.store.read_bytes() == before


def test_a_store_from_a_newer_version_is_newer_version(wa, fails, store):
    with store.write():
        store.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('wa', 'm9999_x', '')"
        )
    fails("newer-version", "chats")
    fails("newer-version", "send", REEM, "Hello")
    assert store.value("SELECT count(*) FROM scheduled_messages") == 0


# ── With the real library ─────────────────────────────────────────────────────────────────────────


UNTIL_IT_SHOWS_A_CODE = """
import time, types
from wa.cli import main
from wa.cli.commands.link import _Screen
from wa.connection import pairing

show, shown = _Screen.show, []


def show_and_note(screen, event):
    show(screen, event)
    shown.append(event)


_Screen.show = show_and_note
pairing.time = types.SimpleNamespace(monotonic=lambda: time.monotonic() + 3600 * bool(shown))
main.main()
"""
"""`wa`, but the time for linking is over once a code is shown."""


@pytest.mark.parametrize("as_json", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_link_that_nobody_scans_is_pairing_failed(relay, spawn, memory_path, as_json):
    environment = {**relay.environment(), "WA_TRANSPORT": "neonize", "WA_HOME": str(memory_path / "home")}
    flags, program = ["--json"] if as_json else [], [sys.executable, "-c", UNTIL_IT_SHOWS_A_CODE]
    result = spawn("link", "--timeout", "50", *flags, program=program, **environment).finish()
    assert "2@" in result.out or "█" in result.out
    told(replace(result, out=""), "pairing-failed", as_json=as_json, talk=True)


# ── 130 and signals ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_command_does_not_change_its_exit_code(spawn, number):
    program = (
        "import os, sys\n"
        "from wa.cli import main as cli\n"
        "class Last:\n"  # one of the last objects to go, when signals have their first meaning again
        f"    def __del__(self, kill=os.kill, pid=os.getpid()): kill(pid, {int(number)})\n"
        "sys.last = Last()\n"
        f"sys.argv = ['wa', 'send', '{REEM}', 'Hello']\n"
        "cli.main()\n"
    )
    result = spawn(program=[sys.executable, "-c", program]).finish()
    assert (result.code, result.out) == (0, f"sent to +{REEM}\n"), result.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_send_that_is_interrupted_withdraws_its_message(
    wa, spawn, home, store, number, nothing_goes_out_later
):
    wa(*OFFLINE)
    process = spawn("send", REEM, "Hello")
    wait_for(lambda: is_owned(home) and store.value("SELECT 1 FROM scheduled_messages"))
    process.signal(number)
    interrupted(process.finish(timeout=5))
    assert store.value("SELECT status FROM scheduled_messages") == "cancelled"
    nothing_goes_out_later()


@pytest.mark.parametrize("command", [["listen"], ["listen", "--json"], ["run-scheduler"]])
def test_ctrl_c_ends_a_listener_with_130(spawn, store, command):
    process = spawn(*command)
    wait_for(lambda: store.value("SELECT last_connected FROM device"))
    process.signal(signal.SIGINT)
    interrupted(process.finish(timeout=5))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [("send", REEM), ("schedule", "add", REEM, "-", "--at", "in 1 hour")])
def test_a_signal_before_there_is_a_row_ends_with_130_and_writes_nothing(spawn, store, home, number, command):
    """0 would say that the message is sent, or queued."""
    pretend = (
        "import os, sys, threading\n"
        f"number = {int(number)}\n"
        "class Ear:\n"
        "    def isatty(self): return False\n"
        "    @property\n"
        "    def buffer(self): return self\n"
        "    def read(self): os.kill(os.getpid(), number); threading.Event().wait(30)\n"
        "sys.stdin = Ear()\n"
        "from wa.cli import main; main.main()"
    )
    result = spawn(*command, program=[sys.executable, "-c", pretend]).finish(timeout=20)
    interrupted(result)
    assert store.value("SELECT count(*) FROM scheduled_messages") == 0


@pytest.mark.parametrize("command", [["listen"], ["run-scheduler"]])
def test_a_sigterm_ends_a_command_with_0_within_5_seconds(spawn, store, command):
    process = spawn(*command)
    wait_for(lambda: store.value("SELECT last_connected FROM device"))
    ends_at_once(process)


@pytest.mark.parametrize("command", [["listen"], ["run-scheduler"], ["run-scheduler", "--once"]])
def test_a_sigterm_ends_a_command_without_a_network_with_0(wa, spawn, store, home, command):
    earlier = later(minutes=-1)
    wa("schedule", "add", REEM, "Due", "--at", "in 5 seconds", now=earlier)
    wa(*OFFLINE)
    process = spawn(*command)
    wait_for(lambda: is_owned(home))
    ends_at_once(process)
    assert store.value("SELECT status FROM scheduled_messages") == "pending"


def ends_at_once(process):
    """Send SIGTERM, and check that the process ends cleanly soon after."""
    started = time.monotonic()
    process.signal(signal.SIGTERM)
    result = process.finish(timeout=10)
    assert (result.code, result.out) == (0, "")
    assert time.monotonic() - started < 5
    assert "error:" not in result.err
    assert "Traceback" not in result.err


def test_a_standby_ends_with_0_too(spawn, home):
    first = spawn("listen")
    wait_for(lambda: is_connected(home))
    second = spawn("run-scheduler")
    line = second.popen.stderr.readline()
    assert "standing by" in line
    second.signal(signal.SIGTERM)
    assert second.finish(timeout=5).code == 0
    assert first.popen.poll() is None


def test_each_code_is_provoked_here():
    """A new code needs a test of its own."""
    with open(__file__, encoding="utf-8") as own:
        text = own.read()
    missing = [code for code in EXIT_OF_CODE if f'"{code}", ' not in text]
    assert missing == []
