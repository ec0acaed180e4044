"""Bad input is refused with one line of error and one line of what to do, and nothing is written."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import time
from datetime import datetime

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, WA, is_connected, wait_for

from wa.errors import EXIT_OF_CODE
from wa.store.open import open_store
from wa.store.paths import Home

TABLES = (
    "contacts",
    "contact_phones",
    "chats",
    "messages",
    "scheduled_messages",
    "requests",
    "stuck",
    "wire",
    "state",
)


def dump(home):
    """Return all that a command could have written: our tables and the stand-in's."""
    found = {}
    if home.store.exists():
        with sqlite3.connect(home.store) as db:
            found.update({table: db.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES})
        db.close()
    if home.loopback.exists():
        with sqlite3.connect(home.loopback) as db:
            for table in ("delivered", "incoming", "faults"):
                found[table] = db.execute(f"SELECT * FROM {table}").fetchall()
        db.close()
    return found


@pytest.fixture
def refused(wa, home):
    """Run a command that must be refused with a code, as text and as JSON; return its message and hint."""

    def run(code, *args, **options):
        before = dump(home)
        as_text, as_json = wa(*args, **options), wa("--json", *args, **options)
        assert dump(home) == before
        for result in (as_text, as_json):
            assert result.code == EXIT_OF_CODE[code], (args, result.code, result.err)
            assert result.out == ""
            assert "Traceback" not in result.err
        lines = as_text.err.splitlines()
        assert [line.split(": ")[0] for line in lines] == ["error", "hint"], (args, as_text.err)
        told = [line.split(": ", 1)[1] for line in lines]
        error = json.loads(as_json.err)["error"]
        assert error["code"] == code
        same = re.sub(r"argument \d+", "argument", error["message"])
        assert [same, error["hint"]] == [re.sub(r"argument \d+", "argument", text) for text in told]
        return error["message"], error["hint"]

    assert wa("contacts", "add", "Reem", REEM, "--alias", "Sister").code == 0
    assert wa("loopback", "delivered").code == 0
    store = open_store(home)
    with store.write():
        store.set_state("transport", "loopback")
    store.close()
    return run


# ── Texts ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["", " ", "\n", " \t\r\n ", "\u00a0", "\u2003\u2028"])
def test_an_empty_text_is_refused(refused, wa, text):
    refused("usage", "send", REEM, text)
    refused("usage", "send", REEM, stdin=text)
    refused("usage", "send", REEM, "-", stdin=text)
    refused("usage", "schedule", "add", REEM, text, "--at", "in 1 hour")
    refused("usage", "schedule", "add", REEM, "-", "--at", "in 1 hour", stdin=text)
    row = wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour", "--json").json
    refused("usage", "schedule", "edit", row["id"], "--text", text)


@pytest.mark.parametrize(
    "data", [b"\xff", b"caf\xe9", b"Hello \xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"x" * 9999 + b"\xfe"]
)
def test_standard_input_that_is_not_utf8_is_refused(refused, data):
    message, _ = refused("usage", "send", REEM, stdin=data)
    assert "UTF-8" in message
    refused("usage", "schedule", "add", REEM, "-", "--at", "in 1 hour", stdin=data)


@pytest.mark.parametrize(
    "args",
    [
        ["send", REEM, "caf\udce9"],
        ["send", "caf\udce9", "Hello"],
        ["schedule", "add", REEM, "\udcff", "--at", "in 1 hour"],
        ["contacts", "add", "Zo\udceb", ADAM],
        ["search", "\udcff"],
        ["loopback", "say", REEM, "\udcff"],
        ["\udcff"],
    ],
)
def test_an_argument_that_is_not_utf8_is_refused(refused, args):
    message, _ = refused("usage", *args)
    assert "UTF-8" in message


def test_a_process_refuses_an_argument_that_is_not_utf8(spawn, store):
    raw = "import os, sys; os.execv(sys.argv[1], [b'wa', b'send', b'447700900123', b'caf\\xe9'])"
    result = spawn(WA, program=[sys.executable, "-c", raw]).finish()
    assert result.code == 2
    assert "UTF-8" in result.err
    assert store.value("SELECT count(*) FROM scheduled_messages") == 0


@pytest.mark.parametrize(
    "text", ["one\0two", "one\r\ntwo", "one\rtwo", "\x1b[31mred", "one\x85two", "\ufeffbom"]
)
def test_control_characters_on_standard_input_arrive_whole(wa, text):
    sent = wa("send", REEM, "--json", stdin=text)
    assert sent.code == 0
    assert sent.json["message"] == text
    assert [row["content"] for row in wa("loopback", "delivered", "--json").json] == [text]
    assert [row["content"] for row in wa("read", REEM, "--json").json] == [text]
    shown = wa("read", REEM).out
    assert not set(shown) & set("\0\r\x1b\x85")


def test_one_line_break_at_the_end_of_standard_input_is_removed(wa):
    assert wa("send", REEM, "--json", stdin="one\ntwo\n\n").json["message"] == "one\ntwo\n"


def test_loopback_say_with_one_wrong_line_delivers_no_line(refused):
    fine = json.dumps({"from": REEM, "text": "fine"}).encode()
    for wrong in (
        b"{",
        b"[]",
        b'{"text": "x"}',
        b"\xff\xfe",
        b'{"from": "' + REEM.encode() + b'", "text": "\xe9"}',
    ):
        refused("bad-data", "loopback", "say", "-", stdin=fine + b"\n" + wrong + b"\n" + fine)


# ── Recipients ────────────────────────────────────────────────────────────────────────────────────

NOBODY = [
    "123",
    "4" * 30,
    "+",
    "++447700900123",
    "44770090012٣",
    "447700900123@example.org",
    "447700900123@",
    "@s.whatsapp.net",
    "@",
    "447700900123@s.whatsapp.net@g.us",
    "12@s.whatsapp.net",
    f"{'4' * 30}@s.whatsapp.net",
    "reem@s.whatsapp.net",
    "44 7700@s.whatsapp.net",
    "120363@g.us.example.org",
    "abc@g.us",
    "x@lid",
    "@broadcast",
    "everybody@broadcast",
    "!",
    "%",
    "_",
    "Ree_",
    "reemm",
    "",
    " ",
]


@pytest.mark.parametrize("to", NOBODY)
def test_an_impossible_address_is_refused(refused, to):
    refused("recipient-not-found", "send", to, "Hello")
    refused("recipient-not-found", "schedule", "add", to, "Hello", "--at", "in 1 hour")


@pytest.mark.parametrize("phone", ["", "123", "4" * 30, "Reem", "447700900123@g.us", "+", "12.5e9"])
def test_a_contact_needs_a_number(refused, phone):
    refused("usage", "contacts", "add", "Somebody", phone)


@pytest.mark.parametrize("name", ["", " ", "\t\n"])
def test_a_contact_needs_a_name(refused, name):
    refused("usage", "contacts", "add", name, ADAM)


def test_a_national_number_needs_a_region(refused, wa):
    _, hint = refused("usage", "send", "07700 900456", "Hello")
    assert "WA_REGION" in hint
    refused("usage", "contacts", "add", "Adam", "07700 900456")
    sent = wa("send", "07700 900456", "Hello", "--json", WA_REGION="GB")
    assert sent.json["to_jid"] == ADAM_JID


def test_a_number_belongs_to_one_contact(refused):
    message, _ = refused("usage", "contacts", "add", "Somebody else", f"+{REEM}")
    assert "Reem" in message


def test_a_name_of_two_contacts_is_ambiguous(refused, wa):
    assert wa("contacts", "add", "REEM", ADAM).code == 0
    for to in ("Reem", "reem", " rEEM "):
        message, _ = refused("ambiguous", "send", to, "Hello")
        assert f"+{REEM}" in message
        assert f"+{ADAM}" in message
        refused("ambiguous", "schedule", "add", to, "Hello", "--at", "in 1 hour")
        refused("ambiguous", "read", to)
    assert wa("send", "sister", "Hello", "--json").json["to_jid"] == REEM_JID


def test_the_beginning_of_two_names_is_ambiguous(refused, wa):
    wa("contacts", "add", "Reema", ADAM)
    wa("contacts", "add", "Amira", "12025550123")
    refused("ambiguous", "send", "ree", "Hello")
    assert wa("send", "reem", "Exact", "--json").json["to_jid"] == REEM_JID
    assert wa("send", "ami", "Unique", "--json").json["to_phone"] == "12025550123"


@pytest.mark.parametrize("row_id", ["", "nope", "%", "_", "\\", "' OR 1=1 --"])
def test_an_id_that_no_row_has_is_not_found(refused, wa, row_id):
    wa("schedule", "add", REEM, "Hello", "--at", "in 1 hour")
    for command in ("show", "cancel", "retry"):
        refused("not-found", "schedule", command, "--", row_id)
    refused("not-found", "schedule", "edit", "--text", "x", "--", row_id)
    refused("not-found", "schedule", "resolve", "--", row_id, "sent")


# ── Times, counts and keys ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "rest",
    [
        [],
        ["--at"],
        ["--at", ""],
        ["--at", "   "],
        ["--at", "whenever"],
        ["--at", "03/04"],
        ["--at", "2020-01-01 10:00"],
        ["--at", "25:00"],
        ["--at", "in -1 hours"],
        ["--at", "in 99999999 weeks"],
        ["--at", "9" * 40],
        ["--at", "in 1 hour", "--tz", "Mars/Base"],
        ["--at", "in 1 hour", "--tz", "../../etc/passwd"],
        ["--at", "in 1 hour", "--grace", "-1h"],
        ["--at", "in 1 hour", "--grace", "6"],
        ["--at", "in 1 hour", "--grace", "99999999999w"],
        ["--at", "in 1 hour", "--grace", ""],
        ["--at", "in 1 hour", "--tz", ""],
    ],
)
def test_a_time_that_makes_no_sense_is_refused(refused, rest):
    refused("usage", "schedule", "add", REEM, "Hello", *rest)


@pytest.mark.parametrize("number", ["-1", "0", "1.5", "many", "", "9" * 30])
def test_a_count_that_makes_no_sense_is_refused(refused, wa, number):
    wa("send", REEM, "Hello")
    refused("usage", "chats", "--", number)
    refused("usage", "read", "--", REEM, number)
    refused("usage", "search", "x", "--limit", number)


@pytest.mark.parametrize("seconds", ["-1", "-0.5", "soon", "", "nan", "inf", "1e400", "90s"])
def test_a_wait_that_makes_no_sense_is_refused(refused, seconds):
    refused("usage", "send", REEM, "Hello", "--wait", seconds)


@pytest.mark.parametrize(
    "args",
    [
        ["listen", "--for", "-5s"],
        ["listen", "--for", "5"],
        ["listen", "--for", ""],
        ["listen", "--since", "-1", "--for", "1s"],
        ["listen", "--since", "x", "--for", "1s"],
        ["listen", "--since", "9" * 30, "--for", "1s"],
        ["loopback", "fault", "ack-delay", "-3"],
        ["loopback", "fault", "ack-delay", "nan"],
        ["loopback", "fault", "ack-delay"],
        ["loopback", "fault", "refuse", "-1"],
        ["loopback", "fault", "refuse", "4.5"],
        ["loopback", "fault", "offline", "perhaps"],
        ["loopback", "fault", "not-on-whatsapp"],
        ["search", ""],
        ["search", "  "],
        ["search", "x", "--after", "03/04"],
        ["search", "x", "--after", ""],
        ["read", "me", "--before", "whenever"],
    ],
)
@pytest.mark.timeout(15)
def test_other_values_that_make_no_sense_are_refused(refused, wa, args):
    wa("send", "me", "Hello")
    refused("usage", *args)


def test_a_key_stands_for_one_message(refused, wa):
    first = wa("send", REEM, "Hello", "--key", "k", "--json").json
    assert wa("send", REEM, "Hello", "--key", "k", "--json").json["id"] == first["id"]
    refused("usage", "send", REEM, "Goodbye", "--key", "k")
    refused("usage", "send", ADAM, "Hello", "--key", "k")
    refused("usage", "schedule", "add", ADAM, "Hello", "--at", "in 1 hour", "--key", "k")


# ── The command line ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["backup", "now"],
        ["--nonsense"],
        ["chats", "--nonsense"],
        ["chats", "5", "6"],
        ["schedule", "nonsense"],
        ["schedule", "list", "all", "more"],
        ["contacts", "remove", "Reem", "Adam"],
        ["db", "vacate"],
        ["send", REEM, "Hello", "there"],
        ["send", REEM, "--wait"],
        ["send", REEM, "-5"],
        ["schedule", "edit", "x"],
        ["schedule", "list", "--status"],
        ["listen", "--exec", "true", "--webhook", "https://example.org"],
        ["run-scheduler", "--twice"],
        ["loopback", "fault", "gravity", "off"],
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(refused, args):
    code = "not-found" if args == ["schedule", "edit", "x"] else "usage"
    refused(code, *args)


def test_json_may_stand_before_and_after_the_command(wa):
    wa("contacts", "add", "Reem", REEM)
    for command in (["contacts", "list"], ["status"], ["schedule", "list"], ["db", "stats"]):
        before, after = wa("--json", *command), wa(*command, "--json")
        assert (before.code, after.code) == (0, 0)
        assert before.json == after.json
    for args in (["--json", "chats", "x"], ["chats", "--json", "x"], ["chats", "x", "--json"]):
        result = wa(*args)
        assert (result.code, result.out) == (2, "")
        assert result.error["code"] == "usage"


@pytest.mark.parametrize("args", [["--json"], ["--json", "schedule"], ["--json", "contacts"]])
def test_without_a_command_json_gets_an_error_and_no_help(wa, args):
    result = wa(*args)
    assert (result.code, result.out) == (2, "")
    assert json.loads(result.err)["error"]["code"] == "usage"


@pytest.mark.parametrize("args", [[], ["schedule"], ["contacts"], ["db"], ["loopback"]])
def test_without_a_command_the_help_is_shown(wa, args):
    result = wa(*args)
    assert result.code == 0 or (result.code == 2 and result.out == "")
    assert "Commands" in result.out or "--help" in result.err


def test_an_argument_after_two_dashes_is_no_option(wa):
    assert wa("send", "--", REEM, "-v").code == 0
    sent = wa("send", REEM, "--", "--json")
    assert sent.code == 0
    assert sent.out.startswith("sent to")
    failed = wa("send", "Nobody", "--", "--json")
    assert failed.err.startswith("error: ")
    delivered = wa("loopback", "delivered", "--json").json
    assert [row["content"] for row in delivered] == ["-v", "--json"]


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────

NONSENSE = [
    ("WA_TRANSPORT", "whatsapp", "neonize or loopback"),
    ("WA_TRANSPORT", "LOOPBACK", "neonize or loopback"),
    ("WA_TZ", "Mars/Base", "IANA"),
    ("WA_TZ", "../../etc/passwd", "IANA"),
    ("WA_TZ", "/etc/passwd", "IANA"),
    ("WA_REGION", "GBR", "two-letter"),
    ("WA_REGION", "XX", "two-letter"),
    ("WA_REGION", "44", "two-letter"),
    ("WA_SEND_SPACING", "fast", "seconds"),
    ("WA_SEND_SPACING", "-1", "seconds"),
    ("WA_SEND_SPACING", "nan", "seconds"),
    ("WA_SEND_SPACING", "inf", "seconds"),
    ("WA_SEND_SPACING", "1e9", "seconds"),
    ("WA_DAILY_LIMIT", "0", "whole number"),
    ("WA_DAILY_LIMIT", "-5", "whole number"),
    ("WA_DAILY_LIMIT", "1.5", "whole number"),
    ("WA_DAILY_LIMIT", "٣", "whole number"),
    ("WA_DAILY_LIMIT", "9" * 30, "whole number"),
    ("WA_GRACE", "6", "6h"),
    ("WA_GRACE", "-1h", "6h"),
    ("WA_GRACE", "soon", "6h"),
    ("WA_GRACE", "9" * 30 + "w", "6h"),
    ("WA_QUIET_HOURS", "night", "22:00-08:00"),
    ("WA_QUIET_HOURS", "22:00", "22:00-08:00"),
    ("WA_QUIET_HOURS", "25:00-08:00", "22:00-08:00"),
    ("WA_QUIET_HOURS", "22:00-08:60", "22:00-08:00"),
    ("WA_QUIET_HOURS", "08:00-08:00", "22:00-08:00"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), NONSENSE)
def test_a_setting_that_makes_no_sense_is_refused(refused, name, value, allowed):
    for command in (["send", REEM, "Hello"], ["loopback", "delivered"]):
        message, hint = refused("bad-setting", *command, **{name: value})
        assert name in message
        assert value in message
        assert name in hint
        assert allowed in hint


def test_a_region_may_be_in_lower_case_and_an_empty_setting_counts_as_unset(wa):
    assert wa("send", "07700 900123", "Hello", WA_REGION="gb").code == 0
    empty = {name: "" for name, _, _ in NONSENSE if name != "WA_TRANSPORT"}
    assert wa("status", **empty).code == 0


def test_unknown_settings_are_ignored(wa, tmp_path):
    (tmp_path / "old.env").write_text("STORAGE_MODE=s3\nWA_COLOUR=green\nexport OTHER='x y'\n# note\n\n")
    result = wa("--env-file", str(tmp_path / "old.env"), "status", STORAGE_MODE="local", WA_NONSENSE="1")
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("where", ["named", "home"])
@pytest.mark.parametrize(
    "content",
    [
        b"WA_GRACE=\xff\xfe\n",
        b'WA_GRACE="6h\n',
        b"WA_DAILY_LIMIT 5\n",
        b"WA_DAILY_LIMIT: 5\n",
        b"WA_GRACE 6h\nX=1\n",
        b"B2_BUCKET\n",
    ],
)
def test_a_malformed_env_file_is_refused(refused, home, tmp_path, where, content):
    path = {"named": tmp_path / "cwd" / "named.env", "home": home.path / ".env"}[where]
    path.write_bytes(content)
    named = {"WA_ENV_FILE": "named.env"} if where == "named" else {}
    message, _ = refused("bad-setting", "status", **named)
    assert str(path) in message
    refused("bad-setting", "loopback", "delivered", **named)


# ── The home ──────────────────────────────────────────────────────────────────────────────────────


def test_a_home_that_is_a_file_is_refused(refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    message, _ = refused("bad-setting", "status", WA_HOME=str(tmp_path / "file"))
    assert "WA_HOME" in message
    refused("storage-error", "status", WA_HOME=str(tmp_path / "file" / "below"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_home_with_files_that_are_not_ours_is_refused(refused, tmp_path):
    crowd = tmp_path / "crowd"
    crowd.mkdir()
    (crowd / "thesis.txt").write_text("mine")
    crowd.chmod(0o755)
    message, _ = refused("bad-setting", "send", REEM, "Hello", WA_HOME=str(crowd))
    assert "WA_HOME" in message
    assert crowd.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in crowd.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("value", ["~nobody-of-that-name/wa", "a\0b"])
def test_a_home_that_is_no_path_is_refused(refused, value):
    message, _ = refused("bad-setting", "status", WA_HOME=value)
    assert "WA_HOME" in message


@pytest.mark.parametrize("length", [300, 5000])
def test_a_home_with_a_name_too_long_for_the_file_system_is_refused(refused, tmp_path, length):
    refused("storage-error", "status", WA_HOME=str(tmp_path / ("x" * length)))


@pytest.mark.parametrize(
    "name", ["with space", "名前 ü ß", 'quo\'te "and" more', "new\nline", "-rf", "per%cent?#&"]
)
def test_a_home_with_an_unusual_name_works(wa, spawn, tmp_path, name):
    env = {"WA_HOME": str(tmp_path / name)}
    assert wa("send", REEM, "Hello", **env).code == 0
    assert wa("db", "check", **env).out == "ok\n"
    assert wa("loopback", "delivered", "--json", **env).json[0]["content"] == "Hello"
    assert {"wa.db", "loopback.db"} <= {path.name for path in (tmp_path / name).iterdir()}


def test_a_home_whose_path_is_too_long_for_a_socket_works(wa, spawn, tmp_path):
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    env = {"WA_HOME": str(deep)}
    assert wa("send", REEM, "First", **env).code == 0
    started = time.monotonic()
    listener = spawn("listen", **env)
    wait_for(lambda: is_connected(Home(deep)))
    slowness = time.monotonic() - started
    for text in ("Second", "Third"):
        row = wa("send", REEM, text, "--wait", "30", "--json", **env)
        assert row.code == 0, row.err
        taken = datetime.fromisoformat(row.json["sent_at"].rstrip("Z"))
        made = datetime.fromisoformat(row.json["created_at"].rstrip("Z"))
        assert (taken - made).total_seconds() < 5 + slowness  # it looks every second, and beats every ten
    wa("loopback", "say", REEM, "An answer", **env)
    wait_for(lambda: wa("search", "answer", "--json", **env).json)
    assert listener.popen.poll() is None
    assert [row["content"] for row in wa("loopback", "delivered", "--json", **env).json] == [
        "First",
        "Second",
        "Third",
    ]
