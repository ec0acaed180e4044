"""The wire log: a message is marked before it leaves, and without a mark the process ends at once."""

from __future__ import annotations

import ctypes
import importlib
import sys

import pytest
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
