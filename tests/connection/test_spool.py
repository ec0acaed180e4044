"""The file of the spool: whole, cut off, damaged, of another generation, on a full disk, and large."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys

import pytest
import spooled
from conftest import HELPERS, REEM, REEM_JID, is_connected, own, wait_for
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from wa.connection import spool
from wa.connection.context import system_now
from wa.connection.incoming import file
from wa.connection.incoming.file import DAMAGED, SpoolFile
from wa.connection.spool import Spool
from wa.store.locks import FileLock
from wa.times import to_iso
from wa.whatsapp.loopback.connection import LoopbackTransport

NOW = system_now()
AT = 1_790_000_000


def said(number, size=0):
    """Return a message of Reem as the stand-in writes it."""
    text = f"line {number}" + "x" * size
    event = {
        "chat_jid": REEM_JID,
        "message_id": f"M{number:07}",
        "sender": REEM_JID,
        "timestamp": AT + number,
    }
    return json.dumps({**event, "content": text}).encode()


def put(home, numbers, size=0):
    """Append messages; return the offset of the end of each."""
    ends = []
    with spooled.opened(home) as opened:
        for number in numbers:
            opened.append("message", said(number, size), NOW)
            ends.append(opened.live.file.end)
    return ends


def record_all(store):
    """Record the spool; return the numbers of the messages in the store."""
    decode = LoopbackTransport(store.home, system_now).decode
    while spooled.apply_batch(store, decode, NOW):
        pass
    return [int(row["message_id"][1:]) for row in store.rows("SELECT message_id FROM messages ORDER BY id")]


def read(path):
    """Return the (kind, payload) pairs in a file."""
    opened = SpoolFile(path)
    try:
        return [(record.kind, record.payload) for record in opened.read(opened.start(None, 0))]
    finally:
        opened.close()


# ── What is appended is read ──────────────────────────────────────────────────────────────────────


@settings(max_examples=examples(30))
@given(
    st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=300) | st.just(b"\0" * 200)), max_size=20),
    st.integers(1, 5),
)
def test_events_are_read_as_they_were_appended_by_several_processes(tmp_path, events, at_once):
    path = tmp_path / "any"
    path.unlink(missing_ok=True)
    for begin in range(0, len(events), at_once):
        opened = SpoolFile(path)
        for kind, payload in events[begin : begin + at_once]:
            opened.append(kind, payload, 0)
        opened.close()
    assert read(path) == events


def test_the_file_is_for_its_owner_alone_and_has_room_set_aside(home):
    put(home, [1])
    assert home.spool.stat().st_mode & 0o777 == 0o600
    assert home.spool.stat().st_blocks * 512 >= file.STEP


def test_the_time_of_arrival_is_kept(home, store):
    with spooled.opened(home) as opened:
        opened.append("odd", b"", NOW)
    record_all(store)
    assert store.value("SELECT received_at FROM stuck") == to_iso(NOW)


# ── Damage ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("missing", [1, 10, 60, "all but 3"])
def test_a_record_that_is_cut_off_is_left_out_and_reported(home, store, wa, missing):
    ends = put(home, range(5))
    keep = ends[3] + 3 if missing == "all but 3" else ends[4] - missing
    os.truncate(home.spool, keep)
    assert spool.damage(store) == keep - ends[3]
    found = {check["name"]: check for check in json.loads(wa("doctor", "--json").out)}
    assert not found["records"]["ok"]
    assert "cannot be read" in found["records"]["message"]
    put(home, [9])
    assert record_all(store) == [0, 1, 2, 3, 9]
    assert f"{keep - ends[3]:,} bytes" in spool.stuck(store)[0]
    assert wa("status", "--json").json["spool"] == 1
    found = {check["name"]: check for check in json.loads(wa("doctor", "--json").out)}
    assert not found["records"]["ok"]


def test_an_owner_that_begins_to_append_during_a_look_is_no_damage(home, store, monkeypatch):
    put(home, range(2))
    lock, look = FileLock(home.session_lock), file.damage

    def append_and_look(path, *place):
        assert lock.acquire()
        monkeypatch.setattr(file, "damage", look)
        os.truncate(path, len(path.read_bytes().rstrip(b"\0")) - 3)
        found = look(path, *place)
        assert found
        return found

    monkeypatch.setattr(file, "damage", append_and_look)
    assert spool.damage(store) == 0
    lock.release()
    assert spool.damage(store) > 0


def test_a_record_that_a_kill_cut_off_in_the_room_set_aside_is_left_out_and_reported(home, store):
    ends = put(home, range(5))
    with home.spool.open("r+b") as opened:
        opened.seek(ends[4] - 10)
        opened.write(b"\0" * 10)
    put(home, [9])
    assert record_all(store) == [0, 1, 2, 3, 9]
    assert len(spool.stuck(store)) == 1


@pytest.mark.parametrize("seed", range(10))
def test_what_is_whole_behind_damaged_bytes_is_recorded(home, store, seed):
    chance = random.Random(seed)
    ends = put(home, range(20))
    hit = sorted(chance.sample(range(20), 3))
    with home.spool.open("r+b") as opened:
        for number in hit:
            begin = ends[number - 1] if number else ends[0] - (ends[1] - ends[0])
            opened.seek(chance.randrange(begin, ends[number]))
            opened.write(bytes([chance.randrange(256)]) * chance.randint(1, 8))
    found = set(record_all(store))
    beside = {number + 1 for number in hit}  # eight bytes may reach into the next record
    assert set(range(20)) - set(hit) - beside <= found
    assert not found - set(range(20))
    if len(found) < 20:
        assert spool.stuck(store)


def test_a_damaged_header_loses_no_event(home, store):
    put(home, range(5))
    with home.spool.open("r+b") as opened:
        opened.write(os.urandom(20))
    assert record_all(store) == [0, 1, 2, 3, 4]
    put(home, [5])
    assert record_all(store) == [0, 1, 2, 3, 4, 5]


def test_a_file_of_garbage_is_reported_and_stops_nothing(home, store):
    home.spool.write_bytes(os.urandom(5000))
    put(home, [1])
    assert record_all(store) == [1]
    assert len(spool.stuck(store)) == 1


def test_damaged_bytes_are_kept_and_not_tried_again(home, store, wa):
    put(home, range(2))
    with home.spool.open("r+b") as opened:
        opened.seek(60)
        opened.write(b"\xff" * 4)
    record_all(store)
    assert wa("listen", "--for", "1s").code == 0
    assert store.value("SELECT count(*) FROM stuck WHERE kind = ?", [DAMAGED]) == 1
    assert b"line" in store.value("SELECT payload FROM stuck")


# ── Generations and copies ────────────────────────────────────────────────────────────────────────


def test_a_file_is_begun_anew_when_all_of_it_is_recorded_and_it_is_large(home, store):
    before = 0
    for start in range(0, 600, 100):
        put(home, range(start, start + 100), size=10_000)
        assert len(record_all(store)) == start + 100
        before = max(before, home.spool.stat().st_size)
    assert before < 2 * file.ANEW
    assert spool.count(store) == 0


def test_a_small_file_stays_and_a_store_from_before_finds_in_it_what_came_since(home, store, tmp_path):
    put(home, range(3))
    assert record_all(store) == [0, 1, 2]
    put(home, range(3, 6))
    copy = tmp_path / "copy.db"
    store.execute("VACUUM INTO ?", [str(copy)])
    record_all(store)
    store.close()
    os.replace(copy, home.store)
    for ending in ("-wal", "-shm"):
        home.store.with_name(f"wa.db{ending}").unlink(missing_ok=True)
    store.__init__(home)
    assert record_all(store) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("place", [{"generation": "another"}, {"offset": 10**9}, {"offset": 3}, {}])
def test_a_store_that_is_not_of_this_file_records_all_of_it(home, store, place):
    put(home, range(3))
    assert record_all(store) == [0, 1, 2]
    state = store.state()["spool"]
    store.execute("DELETE FROM messages")
    store.set_state("spool", {**state, **place} if place else None)
    assert record_all(store) == [0, 1, 2]


def test_an_event_that_arrives_before_the_file_is_begun_anew_is_not_lost(home):
    with spooled.opened(home) as opened:
        live = opened.live.file
        opened.append("message", b"one", NOW)
        end, generation = live.end, live.generation
        opened.append("message", b"two", NOW)
        assert not live.begin_anew(end)
        assert live.begin_anew(live.end)
        assert live.generation != generation
        opened.append("message", b"three", NOW)
    assert read(home.spool) == [("message", b"three")]


def test_a_spool_that_is_removed_under_its_owner_ends_it(home, wa, spawn):
    process = spawn("listen", "--json")
    wait_for(lambda: is_connected(home) and home.spool.exists())
    home.spool.unlink()
    ended = process.finish(10)
    assert (ended.code, ended.error["code"]) == (7, "storage-error")
    wa("loopback", "say", REEM, "since")
    own(system_now, lambda: wa("read", REEM).code == 0)
    assert [row["content"] for row in wa("read", REEM, "--json").json] == ["since"]


# ── A disk that is full ───────────────────────────────────────────────────────────────────────────


def test_events_wait_in_memory_in_order_while_the_file_cannot_be_written(home, monkeypatch):
    write, is_full = os.pwrite, [False]

    def pwrite(fd, data, offset):
        if is_full[0]:
            raise OSError(errno.ENOSPC, "full")
        return write(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    opened = Spool(home)
    for number in range(6):
        is_full[0] = number in (2, 3)
        opened.append("message", b"%d" % number, NOW)
        assert (opened.trouble is not None) == is_full[0]
    opened.close()
    assert [payload for _, payload in read(home.spool)] == [b"%d" % number for number in range(6)]


# ── Size ──────────────────────────────────────────────────────────────────────────────────────────

RECORD_ALL = """
import re, sys
import spooled
from wa.connection.context import system_now
from wa.connection import spool
from wa.store.open import open_store
from wa.store.paths import Home
from wa.whatsapp.loopback.connection import LoopbackTransport
from pathlib import Path

home = Home(Path(sys.argv[1]))
store, reader = open_store(home), LoopbackTransport(home, system_now)
waiting = spool.count(store)
with spooled.opened(home) as opened:
    while spooled.apply.apply_batch(store, opened, reader, system_now()):
        pass
print(waiting, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.parametrize(
    "count",
    [2000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
    ids=["20 MB", "1 GB"],
)
def test_a_large_spool_is_recorded_in_batches_in_flat_memory(home, store, count):
    """The same thousand messages come again and again, so that the store stays small."""
    put(home, (number % 1000 for number in range(count)), size=10_000)
    assert home.spool.stat().st_size > count * 10_000
    ran = subprocess.run(
        [sys.executable, "-c", RECORD_ALL, str(home.path)],
        env={**os.environ, "PYTHONPATH": HELPERS},
        capture_output=True,
        text=True,
        check=True,
    )
    waiting, megabytes = map(int, ran.stdout.split())
    sys.stdout.write(f"{megabytes} MB\n")
    assert waiting == count
    assert megabytes < 90
    assert store.value("SELECT count(*) FROM messages") == 1000
    assert spool.count(store) == 0
    assert home.spool.stat().st_size <= 2 * file.STEP
