"""Other people's text on a real terminal, in a pipe and in JSON: harmless and complete, no line imitated."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata
from contextlib import closing
from itertools import pairwise

import pytest
from conftest import ADAM, REEM, REEM_JID, WA, Result, own
from fork_server import Forked

from wa.connection.context import system_now
from wa.whatsapp.loopback.server import Loopback

pytestmark = pytest.mark.console_script

NASTY = (
    "\x1b[31mred\x1b[0m \x1b[2J\x1b[1;1H top \x1b[8mhidden "
    "\x1b]52;c;cm0gLXJm\x07 clip \x1b]0;title\x1b\\ \x1bP+q544e\x1b\\ dcs \x1b[6n ask \x1bc reset "
    "\x9b31m c1 \x9d52;c;eA==\x9c \x90dcs\x9c \x08\x08\x08back \x07bell \x0b\x0c \x0e\x0f \x7f del \x00nul "
    "\u202egnirts\u202c \u202d \u2066iso\u2069 \u2067 \u2068 \u202a \u202b end"
)
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
STYLE = re.compile("\x1b\\[[0-9;]*m")
THEIR_STYLE = ("\x1b[31m", "\x1b[8m")


class Terminal:
    """Run commands on a pseudo-terminal of a given width."""

    def __init__(self, columns=100):
        self.columns = columns

    def run(self, *args, program=(WA,), timeout=60, typed="", kind=Forked, then=None, **env):
        """Run a command, and type a text; return its exit code, and all that the terminal shows.

        It is a fork, unless `kind` says otherwise. `then` is called after the first output.
        """
        ours, theirs = pty.openpty()
        try:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, self.columns, 0, 0))
            clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
            process = kind(
                [*program, *args],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**clean, "TERM": "xterm-256color", **env},
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        os.write(ours, typed.encode())
        shown, deadline = b"", time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                if not select.select([ours], [], [], 0.2)[0]:
                    continue
                try:
                    data = os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
                if not data:
                    break
                if then is not None and not shown:
                    then()
                shown += data
            return Result(process.wait(timeout=60), shown.decode("utf-8").replace("\r\n", "\n"), "")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(ours)


def harmless(text):
    """Check that no escape code moves the cursor, hides, colours or reverses text."""
    assert not any(style in text for style in THEIR_STYLE)
    left = DANGEROUS.search(STYLE.sub("", text))
    assert left is None, f"{left!r} in {text!r}"


def plain(text):
    """Check that the text has no escape codes, not even our own styles."""
    assert "\x1b" not in text
    assert DANGEROUS.search(text) is None


def width(line):
    """Return the number of cells that a line takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in line)


def test_a_job_is_watched_until_it_is_over(wa, spawn, home):
    people = ["--to", REEM, "--to", ADAM]
    job_id = wa("jobs", "add", *people, "--part", "one", "--part", "two", "--gap", "1s", "--json").json["id"]
    watched = Terminal(80).run("jobs", "show", job_id, "--watch", then=lambda: spawn("run-scheduler"))
    assert watched.code == 0
    text = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", watched.out)
    assert "running" in text
    assert "completed  2 of 2 sent" in text
    assert "messages: 4 sent" in text
    assert max(width(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize(
    ("typed", "says", "jobs"), [("n\n", "nothing is sent", 0), ("y\n", "0 of 2 sent", 1)]
)
def test_a_message_to_a_tag_is_shown_and_asked_about_on_a_terminal(wa, typed, says, jobs):
    for name, phone in (("Reem Sample", REEM), ("Adam Sample", ADAM)):
        assert wa("contacts", "add", name, phone, "--tag", "family").code == 0
    asked = Terminal(80).run("send", "--tag", "family", "Hi {first}", typed=typed)
    assert asked.code == 0
    for each in ("Hi Reem", "Hi Adam", "2 recipients", "Send it to 2 people? [y/N]", says):
        assert each in asked.out
    assert len(wa("jobs", "list", "--json").json) == jobs


@pytest.fixture
def say(home):
    """Deliver messages to us, given as lines of `wa loopback say -`."""

    def put(*lines):
        home.prepare()
        server = Loopback(home)
        server.say([{"from": REEM_JID, **line} for line in lines], system_now())
        server.close()

    return put


@pytest.fixture
def record(home, say):
    """Deliver messages to us, and record them."""

    def put(*lines):
        say(*lines)
        with closing(Loopback(home)) as server:
            own(system_now, lambda: not server.incoming(0))

    return put


@pytest.fixture
def nasty(wa, record):
    """A contact, a group, messages and queue rows, all full of escape sequences."""
    argument = NASTY.replace("\0", "")
    assert wa("contacts", "add", "Reem " + argument, REEM, "--alias", argument).code == 0
    record(
        {"text": NASTY, "id": "3A01"},
        {"text": "group", "group": "Family " + NASTY, "from": "447700900789@s.whatsapp.net", "name": NASTY},
        {"text": "\x1b[31m", "react": "3A01"},
    )
    assert wa("schedule", "add", REEM, "-", "--at", "in 1 hour", stdin=NASTY).code == 0


COMMANDS = (
    ["chats"],
    ["unread"],
    ["groups"],
    ["read", REEM],
    ["search", "gnirts"],
    ["contacts", "list"],
    ["contacts", "search", "reem"],
    ["schedule", "list"],
    ["status"],
    ["listen", "--since", "0", "--for", "1s"],
)


# ── Harmless ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("nasty")
def test_other_people_s_text_is_harmless_on_a_terminal(wa):
    terminal = Terminal(200)
    for command in COMMANDS:
        result = terminal.run(*command)
        assert result.code == 0, (command, result.out)
        harmless(result.out)
        if command[0] != "status":
            assert "gnirts" in result.out or "Reem" in result.out, command
    row = wa("schedule", "list", "--json").json[0]["id"]
    for command in (
        ["schedule", "show", row],
        ["schedule", "edit", row, "--at", "in 2 hours"],
        ["schedule", "cancel", row],
        ["send", REEM, "Hello"],
        ["loopback", "delivered"],
    ):
        result = terminal.run(*command)
        assert result.code == 0, (command, result.out)
        harmless(result.out)


@pytest.mark.usefixtures("nasty")
def test_other_people_s_text_is_harmless_in_errors(wa):
    wa("contacts", "add", "Reem \x1b[31m two", ADAM)
    terminal = Terminal()
    for command in (
        ["send", "Reem", "ambiguous"],
        ["send", "\x1b[31m nobody \u202e", "x"],
        ["contacts", "add", "x", REEM],
        ["schedule", "show", "\x1b[31m"],
        ["schedule", "add", REEM, "x", "--at", "\x1b[31m \x9b31m"],
        ["\x1b[31m"],
        ["chats", "--\x1b[31m"],
        ["chats", "\x1b[31m"],
        ["loopback", "fault", "\x1b[31m", "on"],
    ):
        result = terminal.run(*command)
        assert result.code in (2, 4), (command, result.out)
        harmless(result.out)
        assert "error: " in result.out


@pytest.mark.usefixtures("nasty")
def test_other_people_s_text_is_plain_in_a_pipe(wa):
    for command in COMMANDS:
        result = wa(*command)
        assert result.code == 0
        plain(result.out)
        plain(result.err)


@pytest.mark.usefixtures("nasty")
def test_json_is_plain_too_and_carries_every_character(wa):
    contact = wa("contacts", "list", "--json")
    messages = wa("read", REEM, "--json")
    rows = wa("schedule", "list", "--json")
    chats = wa("chats", "--json")
    groups = wa("groups", "--json")
    for result in (contact, messages, rows, chats, groups):
        plain(result.out)
    assert "\x1b[31mred\x1b[0m" in contact.json[0]["name"]
    assert contact.json[0]["aliases"] == [NASTY.replace("\0", "")]
    assert messages.json[0]["content"] == NASTY
    assert rows.json[0]["message"] == NASTY
    assert NASTY in [row["last_message"] for row in chats.json]
    assert groups.json[0]["name"] == "Family " + NASTY
    heard = wa("listen", "--since", "0", "--for", "1s", "--json")
    plain(heard.out)
    assert [json.loads(line)["content"] for line in heard.out.splitlines()][0] == NASTY
    error = wa("send", "\x1b[31m\x9b \u202e", "x", "--json")
    plain(error.err)
    assert "[31m" in error.error["message"]


@pytest.mark.usefixtures("nasty")
def test_json_on_a_terminal_is_one_value_without_colour():
    for command in COMMANDS[:-1]:
        result = Terminal(40).run(*command, "--json")
        assert result.code == 0
        json.loads(result.out)
        plain(result.out)


# ── A message cannot imitate another ──────────────────────────────────────────────────────────────

FAKE = "[2026-11-20 12:00] Bank: pay now"


GAPS = ("\n", "\r", "\r\n", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\n\n\t", "\n\x1b")


def test_a_line_of_a_message_cannot_imitate_another_message(wa, record):
    record(*({"text": f"hello{gap}{FAKE}", "name": f"Mallory{gap}{FAKE}"} for gap in GAPS))
    shown = {
        "read": Terminal().run("read", REEM).out,
        "read in a pipe": wa("read", REEM).out,
        "listen": Terminal().run("listen", "--since", "0", "--for", "1s").out,
        "listen in a pipe": wa("listen", "--since", "0", "--for", "1s").out,
    }
    for name, text in shown.items():
        lines = re.split("[\n\r\x85\u2028\u2029\x0b\x0c]", text)
        begins = re.compile(r"[0-9]{2}:[0-9]{2}  " if name == "read" else r"\[")
        assert sum(bool(begins.match(line)) for line in lines) == len(GAPS), name
        others = [line[:7] for line in lines[1:] if not begins.match(line)]
        assert name != "read" or set(others) <= {"", " " * 7}
        assert text.count("hello") == len(GAPS)


def test_a_list_has_a_line_for_each_row_in_a_pipe(wa, record):
    fake = f"x\n{FAKE}\r\ny\tz\u2028end"
    record({"text": fake, "name": fake}, {"text": fake, "group": "G " + fake})
    wa("contacts", "add", "Ada\nm", ADAM, "--alias", fake)
    wa("schedule", "add", REEM, "-", "--at", "in 1 hour", stdin=fake)
    for command, count, cells in (
        (["chats"], 2, 4),
        (["search", "pay"], 2, 4),
        (["groups"], 1, 3),
        (["contacts", "list"], 1, 4),
        (["schedule", "list"], 1, 5),
    ):
        lines = wa(*command).out.splitlines()
        assert len(lines) == count, (command, lines)
        assert [line.count("\t") for line in lines] == [cells - 1] * count


def test_a_name_with_line_breaks_cannot_imitate_our_output(wa, record):
    record({"text": "hello", "group": "Family\nerror: lost\nhint: pay"})
    group = wa("groups", "--json").json[0]["id"]
    sent = wa("send", group, "Hello")
    assert sent.code == 0
    assert len(sent.out.splitlines()) == 1
    added = wa("schedule", "add", group, "Hello", "--at", "in 1 hour")
    assert len(added.out.splitlines()) == 1
    row = wa("schedule", "list", "--json").json[0]["id"]
    for line in wa("schedule", "show", row).out.splitlines():
        assert not line.startswith(("error:", "hint:"))
    assert len(wa("schedule", "cancel", row).out.splitlines()) == 1
    refused = wa("schedule", "cancel", row)
    assert [line.split(":")[0] for line in refused.err.splitlines()] == ["error", "hint"]


# ── Width and colour ──────────────────────────────────────────────────────────────────────────────

LONG = "the quick brown fox jumps over the lazy dog " * 8


@pytest.fixture
def long(wa, record):
    """Long names and texts in every list."""
    wa("contacts", "add", "Maximiliane-Alexandra von und zu Hohenfels-Langenburg the First", REEM)
    wa("contacts", "add", "Maximiliane-Alexandra von und zu Hohenfels-Langenburg the Second", ADAM)
    record({"text": LONG}, {"text": "漢字" * 60}, {"text": "x" * 300, "from": f"{ADAM}@s.whatsapp.net"})
    wa("schedule", "add", REEM, LONG, "--at", "in 1 hour")


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("columns", [40, 80, 160])
def test_a_table_fits_the_terminal(columns):
    terminal = Terminal(columns)
    for command in (["chats"], ["search", "o"], ["contacts", "list"], ["schedule", "list"]):
        result = terminal.run(*command)
        assert result.code == 0, result.out
        widest = max(map(width, STYLE.sub("", result.out).split("\n")))
        assert widest <= columns, command
        if columns == 160 and command != ["contacts", "list"]:
            assert widest > 80, command


@pytest.mark.usefixtures("long")
def test_a_pipe_gets_everything_untruncated(wa, shell):
    for result in (wa("chats"), shell("chats", COLUMNS="20")):
        assert len(result.out.splitlines()) == 2
        assert "漢字" * 60 in result.out or LONG.strip() in result.out
        assert "x" * 300 in result.out
        assert "Hohenfels-Langenburg the Second" in result.out
        plain(result.out)
    assert LONG.strip() in wa("schedule", "list").out
    assert "…" not in wa("schedule", "list").out


@pytest.mark.usefixtures("long")
def test_names_that_begin_alike_are_shown_whole_in_an_error(wa):
    error = Terminal(60).run("send", "Maximiliane", "Hello")
    assert error.code == 4
    flat = error.out.replace("\n", " ")
    assert "the First" in flat
    assert "the Second" in flat


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("columns", [60, 80])
def test_ids_and_numbers_to_type_again_are_never_cut(wa, columns):
    listed = Terminal(columns).run("contacts", "list").out
    assert f"+{REEM}" in listed
    assert f"+{ADAM}" in listed
    row = wa("schedule", "list", "--json").json[0]["id"]
    short = row.partition("_")[2]
    assert short in Terminal(columns).run("schedule", "list").out
    assert wa("schedule", "show", short, "--json").json["id"] == row
    yearly = ("--at", "2027-05-06 09:00", "--every", "year", "--json")
    row = wa("schedule", "add", REEM, LONG, *yearly).json["series_id"]
    listed = Terminal(columns).run("schedule", "series").out
    assert row.partition("_")[2] in listed
    assert "2027-05-06 09:00" in listed


@pytest.mark.usefixtures("long")
def test_states_and_times_are_shown_whole_on_80_columns(wa):
    assert wa("schedule", "add", REEM, LONG, "--at", "25 dec 10:00", "--every", "25 dec").code == 0
    assert wa("jobs", "add", "--to", REEM, "--part", LONG, "--at", "25 dec 10:00").code == 0
    for command, states in ((["schedule", "series"], "active"), (["jobs", "list"], "0 of 1")):
        shown = STYLE.sub("", Terminal(80).run(*command).out)
        assert "-12-25 10:00 " in shown
        assert f" {states} " in shown


@pytest.mark.parametrize("columns", [60, 80])
def test_the_paragraphs_of_a_help_text_are_broken_where_the_terminal_ends(columns):
    shown = STYLE.sub("", Terminal(columns).run("schedule", "edit", "--help").out)
    text = [line.strip() for line in shown.split("Example:")[0].splitlines() if line.strip()]
    for line, following in pairwise(text[2:]):
        assert len(line) + len(following.split()[0]) > columns - 5, line


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}, {"LC_ALL": "C"}])
def test_commands_work_on_terminals_without_colour(env):
    for command in (["chats"], ["contacts", "list"], ["read", REEM, "5"], ["--help"]):
        result = Terminal(80).run(*command, **env)
        assert result.code == 0, result.out
        assert "Traceback" not in result.out
        assert not re.search("\x1b\\[(3|4|9|10)[0-9]", result.out), "no colour"
        if env.get("TERM") == "dumb":
            assert "\x1b" not in result.out
        if command != ["--help"]:
            assert "Maximiliane" in result.out or REEM in result.out or "…" in result.out


@pytest.mark.parametrize("command", [["chats"], ["contacts", "list"], ["schedule", "list"], ["groups"]])
def test_an_empty_list_says_so_on_a_terminal_and_nothing_in_a_pipe(wa, command):
    assert Terminal().run(*command, kind=subprocess.Popen).out.strip()
    result = wa(*command)
    assert (result.code, result.out) == (0, "")


def test_a_send_without_text_on_a_terminal_does_not_wait_for_typing():
    result = Terminal().run("send", REEM)
    assert result.code == 2
    assert "there is no text" in result.out


# ── Output that cannot be written ─────────────────────────────────────────────────────────────────


@pytest.fixture
def many(store):
    """More chats than a pipe holds."""
    with store.write():
        for number in range(3000):
            at = "2026-11-20T12:00:00.000Z"
            jid = f"{447700900000 + number}@s.whatsapp.net"
            row = {"id": jid, "name": "x" * 100, "last_message_time": number}
            store.insert("chats", {**row, "created_at": at, "updated_at": at})


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    "command",
    ["chats 3000", "chats 3000 --json", "--help", "status", "status --json", "listen --since 0 --for 1s"],
)
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_closed_pipe_is_no_error(spawn, command, reader):
    script = f'"$0" {command} | {reader} >/dev/null; echo "${{PIPESTATUS[0]}}"'
    result = spawn(program=["bash", "-c", script, WA]).finish()
    assert result.out.strip() == "0"
    assert "Traceback" not in result.err
    assert "Exception" not in result.err
    assert "error" not in result.err


def test_output_that_cannot_be_written_is_an_error(spawn, home):
    script = '"$0" {} >/dev/full; echo "$?"'
    for command in ("status", "chats --json", "contacts add Reem 447700900123"):
        result = spawn(program=["bash", "-c", script.format(command), WA]).finish()
        assert result.out.strip() == "7", (command, result.err)
        assert "Traceback" not in result.err
        assert "No space left" in result.err
        assert str(home.path) not in result.err, "it is not the home that has no room"


@pytest.mark.no_home
@pytest.mark.parametrize("command", ["--version", "--help", "contacts --help", ""])
def test_help_that_cannot_be_written_is_an_error_and_makes_no_home(spawn, home, command):
    result = spawn(program=["bash", "-c", f'"$0" {command} >/dev/full; echo "$?"', WA]).finish()
    assert result.out.strip() == "7"
    assert "cannot write the output: No space left" in result.err
    assert not home.path.exists()


@pytest.mark.parametrize("to", ["2>/dev/full", "2>&1 >/dev/null | true"])
@pytest.mark.parametrize(("command", "code"), [("send nobody x", "4"), ("nonsense --json", "2")])
def test_an_error_that_cannot_be_written_keeps_its_exit_code(spawn, command, code, to):
    script = f'"$0" {command} {to}; echo "${{PIPESTATUS[0]}}"'
    assert spawn(program=["bash", "-c", script, WA]).finish().out.strip() == code


def test_a_sent_message_stays_sent_when_the_output_cannot_be_written(spawn, wa):
    script = '"$0" send 447700900123 Hello >/dev/full; echo "$?"'
    result = spawn(program=["bash", "-c", script, WA]).finish()
    assert [row["status"] for row in wa("schedule", "list", "--status", "all", "--json").json] == ["sent"]
    assert result.out.strip() == "0", "any other code would say that nothing went out"


@pytest.mark.parametrize("options", ["", "--json", "--no-wait", "--no-wait --json"])
@pytest.mark.parametrize("nobody", [">/dev/full", "| true"])
def test_all_files_are_sent_when_the_output_cannot_be_written(spawn, wa, tmp_path, options, nobody):
    names = ["one.txt", "three.txt", "two.txt"]
    for name in names:
        (tmp_path / name).write_text(name)
    files = " ".join(f"--file {tmp_path / name}" for name in names)
    script = f'"$0" send 447700900123 {options} {files} {nobody}; echo "${{PIPESTATUS[0]}}"'
    result = spawn(program=["bash", "-c", script, WA]).finish()
    rows = wa("schedule", "list", "--status", "all", "--json").json
    status = "pending" if "--no-wait" in options else "sent"
    assert sorted((row["file_name"], row["status"]) for row in rows) == [(name, status) for name in names]
    assert result.out.strip() == "0"
    assert "error" not in result.err
    assert ("warning" in result.err) == (nobody == ">/dev/full")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_do_not_break_a_command(spawn, closed):
    for command in ("status", "send 447700900123 Hello", "nonsense"):
        script = f'"$0" {command} {closed}; echo "$?" >&3'
        result = spawn(program=["bash", "-c", f"exec 3>&1; {script}", WA]).finish()
        wanted = "2" if command == "nonsense" else "0"
        assert result.out.splitlines()[-1:] == [wanted], (command, result.out, result.err)
        assert "Traceback" not in result.err
