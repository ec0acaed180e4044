"""The wire log: a message is marked before it leaves, and without a mark the process ends at once."""

from __future__ import annotations

import ctypes

import pytest

from wa.whatsapp.neonize import wire_log
from wa.whatsapp.neonize.wire_log import WireLog
from wa.whatsapp.transport import Handlers

STANZA = b'<message to="447700900123@s.whatsapp.net" id="3EB0AA" type="text"></message>Client/Send'


def logged(line: bytes, mark, last_words=lambda error: None) -> None:
    """Let the library log one line."""
    log = WireLog(None, Handlers(lambda kind, payload: None, lambda signal: None, mark), last_words)
    buffer = ctypes.create_string_buffer(line, len(line))
    log(ctypes.addressof(buffer), len(line))


def test_only_messages_are_marked():
    marked = []
    logged(STANZA, lambda *mark: marked.append(mark))
    logged(b'<iq to="s.whatsapp.net" id="1"></iq>Client/Send', lambda *mark: marked.append(mark))
    assert marked == [("3EB0AA", "447700900123@s.whatsapp.net")]


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
