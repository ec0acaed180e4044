"""A power cut while bulk and durable commits run: what was promised is there, and the spool has the rest.

A copy of the files alone would be what a killed process leaves, for the copy sees what the system has not
written to the disk yet. So the copy's log (WAL) is cut: at any place behind what SQLite had synced.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import spooled
from conftest import REEM_JID, FakeClock, wait_for

from wa.connection.spool import HISTORY
from wa.record import search_index
from wa.store.database import Store
from wa.store.paths import Home
from wa.whatsapp.events import Event, History, HistoryChat, MessageReceived

NOW = FakeClock()()
PARTS, SIZE = 60, 250
HEADER, FRAME = 32, 24 + 4096
BACKFILL_ATTEMPTED = 128
"""The place in the index of the log (`-shm`) of the number of frames that a checkpoint has begun to move."""
RECORDING = """
import sys
import test_power_cut as this
from wa.connection import apply
from wa.store import database

apply.BATCH_SECONDS, database._BULK_WAL = 0.01, 400
home = this.Home(this.Path(sys.argv[1]))
ours, bulk = database.Store(home), database.Store(home)
with this.spooled.opened(home) as spool:
    for number in range(10_000):
        apply.apply_batch(bulk, spool, this.spooled.Decoder(this.decode), this.NOW)
        if number % 3 == 0:
            with ours.write():
                ours.set_state("promised", number)
                is_synced = ours.value("PRAGMA synchronous") == 2
            print(number, int(is_synced), *this.log_of(home), flush=True)
"""
"""A program that records the history, and commits a number durably, in turns."""


def decode(kind: str, payload: bytes) -> list[Event]:
    """Return a part of the history."""
    texts = (f"{payload.decode()}-{each}" for each in range(SIZE))
    said = (MessageReceived(REEM_JID, text, REEM_JID, 1_700_000_000, f"text {text}") for text in texts)
    return [History("other", 1, (HistoryChat(REEM_JID, None, tuple(said), is_complete=False),))]


def log_of(home: Home) -> tuple[int, int]:
    """Return the salt of the log, which changes when the log begins anew, and the end of its last frame."""
    log = Path(f"{home.store}-wal").read_bytes()
    if len(log) < HEADER:
        return 0, len(log)
    salt, end = log[16:24], HEADER
    while log[end + 8 : end + 16] == salt:
        end += FRAME
    return int.from_bytes(salt, "big"), end


def interrupted(home: Home, copy: Home, after: int) -> tuple[int, int, int]:
    """Record until so many promises are made, and copy the files as they are at some moment after that.

    Return the last number promised, and between which ends of the copied log a power cut may leave it.
    """
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", RECORDING, home.path],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(after)]
        wait_for(lambda: list(log_of(home)) != [*map(int, told[-1].split()[2:])], what="a further batch")
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        shutil.copytree(home.path, copy.path, ignore=shutil.ignore_patterns("*.sock"))
    finally:
        process.kill()
        rest, _ = process.communicate()
    whole = [line for line in (*told, *rest.splitlines(keepends=True)) if line.endswith("\n")]
    number, is_synced, salt, synced = map(int, whole[-1].split())
    now, end = log_of(copy)
    (moved,) = struct.unpack_from("=I", Path(f"{copy.store}-shm").read_bytes(), BACKFILL_ATTEMPTED)
    return number, max(HEADER + moved * FRAME, synced if salt == now and is_synced else HEADER), end


@pytest.mark.parametrize(
    "after", [pytest.param(1, marks=pytest.mark.soak), 5, pytest.param(13, marks=pytest.mark.soak)]
)
def test_a_power_cut_takes_back_nothing_that_was_durable_and_no_message(
    store: Store, tmp_path: Path, after: int
) -> None:
    pick = random.Random(after)
    store.close()
    payloads = [(HISTORY, str(number).encode()) for number in range(PARTS)]
    spooled.append_all(store, payloads, NOW)
    copy = Home(tmp_path / "copy")
    number, least, end = interrupted(store.home, copy, after)
    for place in {least, end, *(pick.randint(least, end) for _ in range(3))}:
        cut = Home(tmp_path / f"cut-{place}")
        shutil.copytree(copy.path, cut.path, ignore=shutil.ignore_patterns("*-shm"))
        with Path(f"{cut.store}-wal").open("r+b") as log:
            log.truncate(place)
        found = Store(cut)
        assert found.value("PRAGMA integrity_check") == "ok"
        assert found.state()["promised"] >= number
        assert found.value("SELECT count(*) FROM messages") <= PARTS * SIZE
        spooled.record_all(found, decode, NOW)
        assert found.value("SELECT count(*) FROM messages") == PARTS * SIZE
        assert search_index.strayed(found) == (0, 0)
        found.close()
