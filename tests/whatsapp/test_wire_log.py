"""The wire log: a message is marked before it leaves, and without a mark the process ends at once."""

from __future__ import annotations

import ctypes
import importlib
import sys
import threading

import pytest
from conftest import wait_for
from relay.trust import installed_neonize

from wa.whatsapp.neonize import wire_log
from wa.whatsapp.neonize.wire_log import WireLog
from wa.whatsapp.transport import Handlers

_folder = str(installed_neonize() / "proto")
if _folder not in sys.path:  # without importing neonize itself, which would load the library
    sys.path.insert(0, _folder)
LogEntry = importlib.import_module("Neonize_pb2").LogEntry
STANZA = b'<message to="447700900123@s.whatsapp.net" id="3EB0AA" type="text"></message>Client/Send'


def logged(line: bytes, mark=lambda *mark: None, last_words=lambda error: None, lost=None) -> None:
    """Let the library log one line; the reasons of lost parts of the history go to the list `lost`."""
    handlers = Handlers(lambda kind, payload: None, lambda signal: None, mark)
    log = WireLog(LogEntry, handlers, last_words, [].append if lost is None else lost.append)
    buffer = ctypes.create_string_buffer(line, len(line))
    log(ctypes.addressof(buffer), len(line))


def test_only_messages_are_marked():
    marked = []
    logged(STANZA, lambda *mark: marked.append(mark))
    logged(b'<iq to="s.whatsapp.net" id="1"></iq>Client/Send', lambda *mark: marked.append(mark))
    assert marked == [("3EB0AA", "447700900123@s.whatsapp.net")]


@pytest.mark.parametrize("reason", ["no zlib", "failed to download: " + "x" * 500])
def test_a_lost_part_of_the_history_is_told_with_its_reason(reason):
    lost = []
    for level, text in (("ERROR", f"Failed to download history sync: {reason}"), ("WARN", "Failed")):
        entry = LogEntry(Message=text, Level=level, Name="Client")
        logged(entry.SerializeToString(), lost=lost)
    assert lost == [reason.encode()]


def test_what_other_people_write_is_no_lost_part_of_the_history():
    lost = []
    text = '<message notify="Failed to download history sync: me"/>'
    logged(LogEntry(Message=text, Level="DEBUG", Name="Client/Recv").SerializeToString(), lost=lost)
    said = "Unavailable message 3A from Failed to download history sync: me"
    logged(LogEntry(Message=said, Level="WARN", Name="Client").SerializeToString(), lost=lost)
    assert lost == []


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_mark_that_fails_ends_the_process_with_a_reason(monkeypatch, is_heard):
    told = []

    def fail(*_):
        raise OSError("No space left on device")

    def last_words(error):
        told.append(error)
        if not is_heard:
            raise BrokenPipeError

    def end(code):
        raise SystemExit(code)

    monkeypatch.setattr(wire_log.os, "_exit", end)
    with pytest.raises(SystemExit) as ended:
        logged(STANZA, fail, last_words)
    assert ended.value.code == 7
    (error,) = told
    assert (error.code, bool(error.hint)) == ("storage-error", True)
    assert error.message.endswith("the message's mark could not be stored: No space left on device")


# ── Messages in hand ──────────────────────────────────────────────────────────────────────────────


class Library:
    """The library's threads: one that decrypts messages, and one that hands them over when told to."""

    def __init__(self, turnstile):
        self.turnstile = turnstile
        self.decrypted = 0

    def decrypt(self, count):
        """Start to decrypt messages; each is logged first."""
        line = LogEntry(Message="Decrypting message from 1@lid", Level="DEBUG", Name="Client")
        data = line.SerializeToString()
        log = WireLog(LogEntry, None, lambda error: None, lambda reason: None, self.turnstile)

        def run():
            for _ in range(count):
                buffer = ctypes.create_string_buffer(data, len(data))
                log(ctypes.addressof(buffer), len(data))
                self.decrypted += 1

        thread = threading.Thread(target=run)
        thread.start()
        return thread


def test_the_library_decrypts_no_more_than_two_messages_that_are_not_kept(monkeypatch):
    monkeypatch.setattr(wire_log, "IN_HAND_SECONDS", 60.0)
    library = Library(wire_log.Turnstile())
    thread = library.decrypt(10)
    for kept in range(9):
        wanted = min(10, kept + wire_log.MOST_IN_HAND)
        wait_for(lambda wanted=wanted: library.decrypted == wanted)
        thread.join(0.01)
        assert library.decrypted == wanted
        library.turnstile.leave()
    thread.join()


def test_messages_of_which_no_event_tells_hold_up_nothing(monkeypatch):
    monkeypatch.setattr(wire_log, "IN_HAND_SECONDS", 0.001)
    library = Library(wire_log.Turnstile())
    library.decrypt(100).join(10)
    assert library.decrypted == 100


def test_events_without_a_line_of_their_own_let_no_more_messages_through(monkeypatch):
    monkeypatch.setattr(wire_log, "IN_HAND_SECONDS", 60.0)
    library = Library(wire_log.Turnstile())
    for _ in range(5):
        library.turnstile.leave()
    thread = library.decrypt(3)
    wait_for(lambda: library.decrypted == wire_log.MOST_IN_HAND)
    thread.join(0.01)
    assert library.decrypted == wire_log.MOST_IN_HAND
    library.turnstile.leave()
    thread.join()
