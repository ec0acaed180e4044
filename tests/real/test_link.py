"""Linking and unlinking, `status` and `doctor`, as the user of a fresh home meets them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import termios
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import segno
from conftest import WA, wait_for
from linked import DAY, ENDS_WITHIN, Device, children, is_running, memory_folder, past
from segno import consts, encoder

from wa.cli.terminal import picture
from wa.store.locks import FileLock

pytest_plugins = ["linked_fixture"]


@pytest.fixture
def fresh(town, memory_path):
    """A home that was never linked."""
    made = Device(town, memory_path / "home")
    yield made
    made.end()
    town.call("qr_codes", count=6)


@pytest.fixture
def person(town, old_friend):
    """A person with a phone and a history, so that linking knows when it is complete."""
    return town.person("Sara", history=past(old_friend))


def show_code(device, *args, **options):
    """Start linking; return the command and its QR code."""
    command = device.start("link", "--json", *args, **options)
    return command, command.event(lambda event: event["event"] == "qr")["code"]


def assert_nothing_is_left(device, *pids):
    """Check that no process, lock, unpaired connection or account is left."""
    wait_for(lambda: not any(map(is_running, pids)), what="the end of the processes")
    wait_for(lambda: not device.is_held, what="the end of the lock")
    wait_for(lambda: device.relay.call("state")["unpaired"] == 0, what="the end of the connection")
    assert device.json("status")["account"] is None


# ── A link that succeeds: made once, checked by the tests that follow ─────────────────────────────


@pytest.fixture(scope="module")
def first_link(town, old_friend):
    """A home linked with --full-history under umask 022: device, person, output."""
    history = past(old_friend, 5) + past(old_friend, 2, age=3 * 365 * DAY)
    reem = town.person("Reem", history=history, chunk=3)
    with memory_folder() as folder:
        made = Device(town, Path(folder) / "home")
        try:
            yield made, reem, made.link(reem, "--full-history", options={"umask": 0o022})
        finally:
            made.end()


@pytest.fixture(scope="module")
def kept(first_link, town, tmp_path_factory):
    """The home and the relay's accounts as they were after linking."""
    device, *_ = first_link
    folder = tmp_path_factory.mktemp("kept")
    town.save(folder / "accounts")
    shutil.copytree(device.home.path, folder / "home")
    return folder


@pytest.fixture
def linked(first_link, kept, town):
    """The same home, its connection held by no process, and as it was if a test has broken the link."""
    device, reem, events = first_link
    if not device.home.session.exists() or not reem.devices():
        town.load(kept / "accounts")
        shutil.rmtree(device.home.path)
        shutil.copytree(kept / "home", device.home.path)
    yield first_link
    reem.fault(refuse_login=None)
    device.end()


def test_each_step_of_linking_is_a_line_of_json(first_link):
    _, reem, events = first_link
    assert [event["event"] for event in events] == ["qr", "paired", "caught-up"]
    assert (events[1]["jid"], events[1]["lid"]) == (reem.pn, reem.lid)
    assert "push_name" in events[1]
    assert events[2]["messages"] == 7


def test_after_linking_the_phone_lists_the_device_and_no_process_holds_the_connection(linked):
    device, reem, _ = linked
    (found,) = reem.devices().values()
    assert not found["connected"]
    assert found["full_history"]
    assert not device.is_held


def test_the_history_from_the_phone_is_recorded(linked, old_friend):
    device, _, _ = linked
    said = device.chat(old_friend)
    assert [row["content"] for row in said][-1] == "old 0 of Old Friend"
    assert len(said) == 7
    (chat,) = device.json("history", "status")
    assert (chat["messages"], chat["status"]) == (7, "completed")
    (listed,) = device.json("chats")
    assert (listed["name"], listed["unread_count"]) == ("Old Friend", 0)
    assert [row["content"] for row in device.json("search", "old 4")] == ["old 4 of Old Friend"]


def test_no_other_user_can_read_the_files_of_linking(linked):
    device, _, _ = linked
    paths = [device.home.path, *device.home.path.rglob("*")]
    assert device.home.session in paths
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) & 0o077 for path in paths}
    assert not any(modes.values()), modes


def test_status_and_doctor_know_the_account(linked):
    device, reem, _ = linked
    account = device.json("status")["account"]
    assert (account["jid"], account["lid"]) == (reem.pn, reem.lid)
    checks = {each["name"]: each for each in device.json("doctor")}
    assert all(each["ok"] for each in checks.values())
    assert reem.number in checks["session"]["message"]


def test_our_own_name_is_known_after_the_first_connection(linked):
    device, reem, _ = linked
    device.ok("groups")
    wait_for(lambda: device.json("status")["account"]["push_name"] == "Reem", what="our name")


def test_linking_a_linked_home_is_refused(linked):
    device, reem, _ = linked
    done = device.run("link", "--json")
    assert (done.code, done.out, done.error["code"]) == (2, "", "wrong-state")
    assert reem.number in done.error["message"]
    assert "unlink" in done.error["hint"]
    assert len(reem.devices()) == 1


def test_unlinking_is_refused_while_a_listener_holds_the_connection(linked):
    device, reem, _ = linked
    listener = device.listen()
    done = device.run("unlink", "--json")
    assert (done.code, done.out, done.error["code"]) == (7, "", "in-use")
    assert "listen" in done.error["message"]
    assert listener.stop().code == 0
    assert len(reem.devices()) == 1


# ── Linking, other ways ───────────────────────────────────────────────────────────────────────────


def test_a_device_is_linked_by_a_code_that_is_typed_into_the_phone(fresh, person):
    command = fresh.start("link", "--phone", f"+{person.number}")
    code = command.wait(lambda: re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}", command.out), "the code")[0]
    assert person.enter(code)
    done = command.finish()
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    assert f"linked to +{person.number}" in " ".join(done.out.split())
    (found,) = person.devices().values()
    assert not found["full_history"]
    fresh.ok("send", "me", "a note to myself")
    assert person.texts() == ["a note to myself"]


def test_a_wrong_code_links_no_device(fresh, person):
    command = fresh.start("link", "--phone", person.number, "--json", "--timeout", "8")
    code = command.event(lambda event: event["event"] == "code")["code"]
    assert not person.enter(code[:-1] + ("2" if code[-1] == "1" else "1"))
    done = command.finish()
    assert (done.code, done.error["code"]) == (3, "pairing-failed")
    assert person.devices() == {}
    assert_nothing_is_left(fresh, command.pid)


def test_a_refused_pairing_code_is_pairing_failed(fresh, person):
    person.fault(refuse_code={"code": 429})
    done = fresh.run("link", "--phone", person.number, "--json")
    assert (done.code, done.error["code"]) == (3, "pairing-failed")
    assert "429" in done.error["message"]


@pytest.mark.parametrize("phone", ["", "12", "Reem", "07700 900123"])
def test_an_impossible_number_is_refused_before_asking_for_a_code(fresh, phone):
    done = fresh.run("link", "--phone", phone, "--json")
    assert (done.code, done.out, done.error["code"]) == (2, "", "usage")


def test_a_spoilt_pairing_is_refused_and_the_next_one_succeeds(fresh, person):
    command, code = show_code(fresh)
    person.scan(code, spoil=True)
    done = command.finish()
    assert (done.code, done.error["code"]) == (3, "pairing-failed")
    assert_nothing_is_left(fresh, command.pid)
    assert person.devices() == {}
    assert fresh.link(person)[-1] == {"event": "caught-up", "messages": 1}


def test_linking_ends_when_the_codes_run_out(fresh):
    fresh.relay.call("qr_codes", count=0)
    done = fresh.run("link", "--json")
    assert (done.code, done.error["code"]) == (3, "pairing-failed")
    assert "ran out" in done.error["message"]
    assert_nothing_is_left(fresh)


@pytest.mark.soak
def test_the_first_code_is_replaced_after_a_minute(fresh):
    """The library gives the first of six codes a minute, and every other code 20 seconds."""
    begin = time.monotonic()
    command, first = show_code(fresh, "--timeout", "120")
    command.event(lambda event: event["event"] == "qr" and event["code"] != first, 90)
    assert time.monotonic() - begin > 55


@pytest.mark.soak
def test_linking_ends_when_nobody_scans_the_code_in_time(fresh):
    done = fresh.run("link", "--timeout", "8")
    assert done.code == 3
    assert "\nerror: nobody linked this device within 8 seconds\nhint: " in done.err
    assert_nothing_is_left(fresh)


def test_linking_ends_when_the_connection_is_cut(fresh):
    command, _ = show_code(fresh)
    fresh.relay.call("drop_unpaired")
    done = command.finish()
    assert done.code in (3, 7)
    assert done.error["hint"]
    assert_nothing_is_left(fresh, command.pid)


def test_linking_with_an_outdated_client_is_client_outdated(fresh):
    fresh.relay.call("refuse_unpaired", reason=405)
    done = fresh.run("link", "--json")
    assert (done.code, done.error["code"]) == (7, "client-outdated")
    assert_nothing_is_left(fresh)


def test_linking_without_a_network_is_network_error(fresh, nowhere):
    done = fresh.run("link", "--json", **nowhere)
    assert (done.code, done.out, done.error["code"]) == (7, "", "network-error")
    assert_nothing_is_left(fresh)


def test_linking_to_a_silent_server_is_network_error(fresh, silence):
    begin = time.monotonic()
    done = fresh.run("link", "--json", "--timeout", "2", **silence.settings)
    assert (done.code, done.out, done.error["code"]) == (7, "", "network-error")
    assert time.monotonic() - begin < 30


# ── Interrupted ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 0, marks=pytest.mark.soak),
        (signal.SIGKILL, -9),
        pytest.param(signal.SIGHUP, -1, marks=pytest.mark.soak),
    ],
)
def test_a_signal_to_the_command_ends_its_child_too(fresh, number, code):
    command, _ = show_code(fresh)
    (child,) = children(command.pid)
    done = command.stop(number)
    assert (done.code, done.err) == (code, "")
    assert_nothing_is_left(fresh, command.pid, child)
    assert "qr" in show_code(fresh)[0].out  # the next link begins


def test_ctrl_c_in_a_terminal_reaches_both_processes(fresh):
    command, _ = show_code(fresh, options={"start_new_session": True})
    (child,) = children(command.pid)
    os.killpg(command.pid, signal.SIGINT)
    done = command.finish(ENDS_WITHIN)
    assert (done.code, done.err) == (130, "")
    assert_nothing_is_left(fresh, command.pid, child)


def test_a_second_link_at_once_is_in_use(fresh):
    command, _ = show_code(fresh)
    second = fresh.run("link", "--json")
    assert (second.code, second.out, second.error["code"]) == (7, "", "in-use")
    assert "link" in second.error["message"]
    assert command.popen.poll() is None


def test_a_kill_while_the_history_arrives_loses_no_message(fresh, town, person):
    friend = town.person("Friend")
    person.set(history=past(friend, 300), chunk=50)
    command, code = show_code(fresh)
    person.scan(code)
    command.event(lambda event: event["event"] == "paired")
    command.kill()
    wait_for(lambda: not fresh.is_held, what="the end of the child")
    listener = fresh.listen()

    def recorded():
        found = fresh.run("read", friend.number, "1000", "--json")
        return found.code == 0 and len(found.json) == 300

    listener.wait(recorded, "all of the past")
    assert fresh.json("history", "status")[0]["messages"] == 300


# ── A damaged session, another account ────────────────────────────────────────────────────────────


JUNK = b"this is not a database" * 100


@pytest.fixture
def junk(fresh):
    """A home whose session database is not a database."""
    fresh.home.prepare()
    fresh.home.session.write_bytes(JUNK)
    fresh.home.session.chmod(0o600)
    yield fresh
    assert fresh.home.session.read_bytes() == JUNK


@pytest.mark.parametrize("command", ["link", "unlink", "listen"])
def test_a_session_that_is_no_database_is_reported_as_damaged(junk, command):
    done = junk.run(command, "--json")
    assert (done.code, done.out, done.error["code"]) == (8, "", "corrupt")
    assert "session.db" in done.error["message"]
    assert "wa link" in done.error["hint"]


def test_doctor_reports_a_damaged_session(junk):
    done = junk.run("doctor", "--json")
    assert (done.code, failed(done)["session"]["code"]) == (8, "corrupt")


def test_a_session_that_is_damaged_later_is_reported_as_damaged(linked):
    device, reem, _ = linked
    kept = device.home.session.read_bytes()
    device.home.session.write_bytes(JUNK)
    try:
        for args in (("send", reem.number, "Hello"), ("listen",), ("unlink",)):
            done = device.run(*args, "--json")
            assert (done.code, done.out, done.error["code"]) == (8, "", "corrupt"), args
        assert "Hello" not in device.ok("schedule", "list")
    finally:
        device.home.session.write_bytes(kept)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write whatever the mode says")
def test_a_session_that_cannot_be_written_is_an_error(linked):
    device, _, _ = linked
    device.home.session.chmod(0o400)
    try:
        done = device.run("groups", "--json")
        assert done.code == 7
    finally:
        device.home.session.chmod(0o600)


def test_doctor_reports_a_session_that_others_can_read(linked):
    device, _, _ = linked
    device.home.session.chmod(0o644)
    try:
        done = device.run("doctor", "--json")
        assert (done.code, failed(done)["home"]["code"]) == (7, "storage-error")
        assert "session.db" in failed(done)["home"]["message"]
        assert "chmod" in failed(done)["home"]["hint"]
    finally:
        device.home.session.chmod(0o600)


def test_a_home_with_an_empty_session_is_not_linked(fresh, person):
    fresh.home.prepare()
    fresh.home.session.touch(0o644)
    assert fresh.run("listen", "--json").error["code"] == "not-authorized"
    fresh.link(person)


@pytest.mark.soak
def test_a_home_may_be_linked_to_another_account(fresh, town, person, old_friend):
    fresh.link(person)
    fresh.ok("schedule", "add", person.number, "for later", "--at", "in 2 hours", note="will send it")

    person.unlink("silent")  # on the phone; we do not know of it yet
    done = fresh.run("listen", "--json", "--for", "20s")
    assert (done.code, done.out, json.loads(done.err.splitlines()[-1])["error"]["code"]) == (
        3,
        "",
        "not-authorized",
    )
    found = fresh.json("status")
    assert (found["account"], found["owner"], found["queue"]) == (None, None, {"pending": 1})

    events = fresh.link(person)
    assert [event["event"] for event in events] == ["qr", "paired", "caught-up"]
    found = fresh.json("status")
    assert (found["sending"], found["queue"]) == ("on", {"pending": 1})
    group = town.group("Family", person, old_friend)
    assert [row["left_at"] for row in fresh.json("groups")] == [None]

    fresh.ok("unlink")
    other = town.person("Other", history=past(old_friend))
    events = fresh.link(other)
    assert [event["event"] for event in events] == ["qr", "paired", "paused", "caught-up"]
    found = fresh.json("status")
    assert (found["account"]["jid"], found["sending"]) == (other.pn, "paused")
    assert found["queue"] == {"pending": 1}
    assert [(row["id"], bool(row["left_at"])) for row in fresh.json("groups")] == [(group, True)]
    done = fresh.run("send", person.number, "Hello", "--wait", "1")
    assert done.code == 6
    assert "wa resume" in done.err
    assert person.texts() == []


# ── The QR code on a terminal ─────────────────────────────────────────────────────────────────────

STYLE = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(device, look):
    """Run `wa link` in a terminal and call `look` with the output so far; return output and exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 120, 0, 0))
    environment = {**device.environment(), "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES"):  # of the terminal on which the tests run
        environment.pop(name, None)
    args = [WA, "link", "--timeout", "15"]
    process = subprocess.Popen(args, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while data := _read(ours):
            shown += data
            look(shown.decode(errors="ignore").replace("\r\n", "\n"))
        return shown.decode(), process.wait(ENDS_WITHIN)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def cells(line):
    """Return the characters of a line, each with its colours (foreground, background)."""
    colours, found = (None, None), []
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not part.startswith("\x1b"):
            found += [(each, colours) for each in part]
            continue
        codes = part[2:-1]
        if codes in ("", "0"):
            colours = (None, None)
        ink, paper = re.search(r"38;5;(\d+)", codes), re.search(r"48;5;(\d+)", codes)
        colours = (ink[1] if ink else colours[0], paper[1] if paper else colours[1])
    return found


def modules(shown, is_dark_terminal):
    """Return the rows of a drawn QR code, True where a module is dark."""
    paper, ink = (True, False) if is_dark_terminal else (False, True)  # where no colour is set
    dark = {"16": True, "0": True, "231": False, "15": False, "7": False}
    rows = []
    for line in shown.split("\n"):
        drawn = cells(line)
        if len(drawn) < 25 or not all(each in "▀▄█ " for each, _ in drawn):
            continue
        upper, lower = [], []
        for character, (front, back) in drawn:
            front, back = dark.get(front, ink), dark.get(back, paper)
            upper.append(front if character in "▀█" else back)
            lower.append(front if character in "▄█" else back)
        rows += [upper, lower]
    return rows


def cropped(rows):
    """Return rows without their light border."""
    while rows and not any(rows[0]):
        rows = rows[1:]
    while rows and not any(rows[-1]):
        rows = rows[:-1]
    columns = [number for number in range(len(rows[0])) if any(row[number] for row in rows)]
    return [row[columns[0] : columns[-1] + 1] for row in rows]


def text_of(drawn):
    """Return the text of an undamaged QR code in byte mode."""
    size = len(drawn)
    version = (size - 17) // 4
    mask = sum((drawn[8][2 + bit] ^ (0b101 >> (2 - bit) & 1)) << (2 - bit) for bit in range(3))
    is_masked = encoder.get_data_mask_functions(is_micro=False)[mask]
    empty = encoder.make_matrix(size, size)
    encoder.add_finder_patterns(empty, size, size)
    encoder.add_alignment_patterns(empty, size, size)
    bits = []
    for right in [*range(size - 1, 6, -2), 5, 3, 1]:
        upwards = (right & 2 == 0) ^ (right < 6)
        for row in range(size - 1, -1, -1) if upwards else range(size):
            for column in (right, right - 1):
                if empty[row][column] == 2:
                    bits.append(drawn[row][column] ^ bool(is_masked(row, column)))
    bits = bits[: len(bits) // 8 * 8]
    words = [
        sum(bit << 7 - at for at, bit in enumerate(bits[begin : begin + 8]))
        for begin in range(0, len(bits), 8)
    ]
    sizes = [
        info.num_data for info in consts.ECC[version][consts.ERROR_LEVEL_L] for _ in range(info.num_blocks)
    ]
    blocks, words = [[] for _ in sizes], iter(words)
    for at in range(max(sizes)):
        for block, length in zip(blocks, sizes, strict=True):
            if at < length:
                block.append(next(words))
    said = int.from_bytes(bytes(sum(blocks, [])), "big")
    total, wide = 8 * sum(sizes), 16 if version >= 10 else 8
    assert said >> (total - 4) == 0b0100, "bytes"
    length = said >> (total - 4 - wide) & ((1 << wide) - 1)
    return (
        (said >> (total - 4 - wide - 8 * length) & ((1 << 8 * length) - 1)).to_bytes(length, "big").decode()
    )


def matrix_of(text):
    """Return the modules of its code, as the library draws it."""
    return [[bool(each) for each in row] for row in segno.make_qr(text, error="l").matrix]


@pytest.mark.parametrize("is_dark", [True, False], ids=["dark", "light"])
def test_the_code_on_a_terminal_can_be_scanned(fresh, person, is_dark):
    drawn = []

    def scan(shown):
        if not drawn and "Linked devices" in shown:
            drawn.extend(cropped(modules(shown, is_dark)))
            person.scan(text_of(drawn), spoil=True)

    shown, code = on_terminal(fresh, scan)
    assert drawn == matrix_of(text_of(drawn))
    assert (code, "pairing was refused" in shown) == (3, True)


@pytest.mark.parametrize("is_dark", [True, False], ids=["dark", "light"])
def test_the_code_has_a_quiet_zone_on_all_sides(is_dark):
    text = "https://wa.me/settings/linked_devices#2@" + "x" * 200
    rows = modules(picture(text, colours=True), is_dark)
    assert len({len(row) for row in rows}) == 1
    around = [*rows[:2], rows[-1], *(row[:2] + row[-2:] for row in rows)]
    assert not any(map(any, around))
    assert cropped(rows) == matrix_of(text)


def test_the_code_in_a_pipe_has_no_escape_codes():
    drawn = picture("https://wa.me/settings/linked_devices#2@x", colours=False)
    assert "\x1b" not in drawn
    wanted = matrix_of("https://wa.me/settings/linked_devices#2@x")
    assert cropped(modules(drawn, is_dark_terminal=False)) == wanted


# ── Unlinking ─────────────────────────────────────────────────────────────────────────────────────


def test_unlinking_without_a_network_is_network_error(linked, nowhere):
    device, reem, _ = linked
    done = device.run("unlink", "--json", **nowhere)
    assert (done.code, done.out, done.error["code"]) == (7, "", "network-error")
    assert not done.error["message"].endswith(": ")
    assert device.json("status")["account"]["jid"] == reem.pn
    assert len(reem.devices()) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_unlinking_can_be_interrupted(linked, silence, number, code):
    device, reem, _ = linked
    command = device.start("unlink", **silence.settings)
    silence.wait_for_a_knock()
    assert command.stop(number).code == code
    assert not device.is_held
    assert device.json("status")["account"]["jid"] == reem.pn


@pytest.mark.parametrize(
    ("failure", "exit_code", "code"),
    [
        ({"reason": 402, "code": 101, "expire": 3600}, 5, "temporary-ban"),
        ({"reason": 405}, 7, "client-outdated"),
    ],
    ids=["banned", "outdated"],
)
def test_a_device_whose_login_is_refused_stays_linked(linked, failure, exit_code, code):
    device, reem, _ = linked
    reem.fault(refuse_login=failure)
    done = device.run("unlink", "--json")
    reem.fault(refuse_login=None)
    with closing(sqlite3.connect(device.home.store)) as db, db:  # a ban is remembered until its end
        db.execute("DELETE FROM state WHERE key = 'ban'")
    assert device.home.session.exists()
    assert (done.code, done.out, done.error["code"]) == (exit_code, "", code)


def test_unlinking_tells_the_phone_and_forgets_the_keys(linked):
    device, reem, _ = linked
    assert device.json("unlink") == {"unlinked": reem.pn}
    assert reem.devices() == {}
    assert not list(device.home.path.glob("session.db*"))
    assert device.json("status")["account"] is None
    for args in (("send", reem.number, "Hello"), ("listen",), ("unlink",)):
        refused = device.run(*args, "--json")
        assert (refused.code, refused.out, refused.error["code"]) == (3, "", "not-authorized"), args
    assert len(device.json("search", "old")) == 7


def test_a_device_that_was_removed_on_the_phone_can_be_unlinked(linked):
    device, reem, _ = linked
    reem.unlink("silent")
    assert device.json("unlink") == {"unlinked": reem.pn}
    assert not device.home.session.exists()
    assert device.json("status")["account"] is None


# ── doctor ────────────────────────────────────────────────────────────────────────────────────────


def failed(done):
    """Return the checks that failed, by name."""
    return {each["name"]: each for each in done.json if not each["ok"]}


@pytest.fixture
def unlinked(running_relay, memory_path):
    """A home that was never linked, for tests that need no connection."""
    made = Device(running_relay, memory_path / "home")
    yield made
    made.end()


def change(device, sql, *params):
    """Change rows of the store."""
    with sqlite3.connect(device.home.store) as db:
        db.execute(sql, params)
    db.close()


def remember(device, **state):
    """Set values of table `state`."""
    device.ok("status")
    for key, value in state.items():
        change(device, "INSERT OR REPLACE INTO state VALUES (?, ?)", key, json.dumps(value))


def test_doctor_says_what_to_do_in_a_home_without_an_account(unlinked):
    done = unlinked.run("doctor", "--json")
    assert (done.code, done.err) == (3, "")
    assert failed(done)["session"] | {"message": ""} == {
        "name": "session", "ok": False, "message": "", "hint": "wa link", "code": "not-authorized",
    }  # fmt: skip
    told = unlinked.run("doctor").out
    assert "NO  session" in told
    assert "    hint: wa link" in told


def iso(**ahead):
    return (datetime.now(timezone.utc) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_doctor_reports_a_ban_and_a_brake(unlinked):
    remember(unlinked, ban={"until": iso(hours=2)})
    assert failed(unlinked.run("doctor", "--json"))["sending"]["code"] in (
        "temporary-ban",
        "rate-limit-exceeded",
    )
    remember(unlinked, ban=None, brake={"at": iso(), "seconds": 900})
    assert failed(unlinked.run("doctor", "--json"))["sending"]["code"] == "rate-limit-exceeded"


def test_doctor_reports_messages_of_unknown_outcome(unlinked):
    unlinked.ok("status")
    unlinked.ok("schedule", "add", "447700900123", "Hello", "--at", "in 2 hours", note="will send it")
    change(unlinked, "UPDATE scheduled_messages SET status = 'unknown'")
    assert "resolve" in failed(unlinked.run("doctor", "--json"))["sending"]["hint"]


def test_doctor_reports_a_clock_that_is_behind(unlinked):
    unlinked.ok("status")
    change(
        unlinked,
        "INSERT INTO messages (chat_jid, message_id, sender, timestamp, is_from_me, message_type, status,"
        " source, created_at) VALUES ('447700900123@s.whatsapp.net', 'A', '447700900123@s.whatsapp.net', ?,"
        " 0, 'text', 'received', 'live', '')",
        int(time.time()) + 3600,
    )
    found = failed(unlinked.run("doctor", "--json"))
    assert "timedatectl" in found["clock"]["hint"]


def test_doctor_reports_events_that_could_not_be_recorded(unlinked):
    unlinked.ok("status")
    change(
        unlinked,
        "INSERT INTO stuck (kind, payload, received_at, error)"
        " VALUES ('message', x'00', '', 'ValueError: odd')",
    )
    assert "ValueError: odd" in failed(unlinked.run("doctor", "--json"))["records"]["message"]
    assert unlinked.json("status")["spool"] == 1


def test_doctor_reports_an_owner_without_heartbeat(unlinked):
    unlinked.ok("status")
    lock = FileLock(unlinked.home.session_lock)
    assert lock.acquire()
    about = {"pid": os.getpid(), "command": "listen", "since": iso(hours=-1), "heartbeat": iso(minutes=-5)}
    lock.write(about)
    try:
        found = failed(unlinked.run("doctor", "--json"))
        assert found["connection"]["code"] == "in-use"
        lock.write({**about, "heartbeat": iso()})
        assert "connection" not in failed(unlinked.run("doctor", "--json"))
    finally:
        lock.release()


def test_doctor_reports_a_damaged_store(unlinked):
    unlinked.ok("status")
    change(unlinked, "PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(unlinked.home.store.read_bytes())
    for page in range(20, len(data) // 4096, 3):
        data[page * 4096 : page * 4096 + 100] = os.urandom(100)
    unlinked.home.store.write_bytes(data)
    done = unlinked.run("doctor", "--json")
    if done.out:
        assert failed(done)["database"]["code"] == "corrupt"
    else:
        assert (done.code, done.error["code"]) == (8, "corrupt")


def test_doctor_reports_a_storage_that_does_not_answer(unlinked):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = unlinked.run(
            "doctor", "--json",
            B2_BUCKET="wa", B2_S3_ENDPOINT=f"http://127.0.0.1:{port}",
            B2_ACCESS_KEY_ID="id", B2_SECRET_ACCESS_KEY="secret", NO_PROXY="127.0.0.1",
        )  # fmt: skip
    assert failed(done)["storage"]["code"] in ("network-error", "storage-error")


def test_doctor_reports_a_bad_setting_and_goes_on(unlinked):
    done = unlinked.run("doctor", "--json", WA_TZ="Middle/Earth")
    if done.out:
        assert failed(done)["settings"]["code"] == "bad-setting"
    else:
        assert done.error["code"] == "bad-setting"
    assert done.code == 2


def test_status_names_the_process_that_holds_the_connection(linked):
    device, _, _ = linked
    listener = device.listen()
    owner = device.json("status")["owner"]
    assert (owner["pid"], owner["command"]) == (listener.pid, "listen")
    assert listener.stop().code == 0
    assert device.json("status")["owner"] is None
