"""The streams of a process: a log, descriptors that a library prints to, notes that wait for no reader."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
from contextlib import suppress
from typing import TextIO

from wa.texts import counted

FLUSH_SECONDS = 1.0


def log_to_stderr(verbose: int) -> None:
    """Log what wa does, not what its libraries do: they log secrets, such as signed requests."""
    import logging

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    log = logging.getLogger("wa")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)


def log_to(stream: TextIO) -> None:
    """Send the log, if there is one, to another stream."""
    import logging

    for handler in logging.getLogger("wa").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


def flush_soon() -> None:
    """Flush our streams, and leave a reader who does not read them after FLUSH_SECONDS."""

    def flush() -> None:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()

    flushing = threading.Thread(target=flush, daemon=True)
    flushing.start()
    flushing.join(FLUSH_SECONDS)


def moved(stream: TextIO, descriptor: int) -> TextIO:
    """Return the stream moved to a new descriptor; unchanged if it has no descriptor, or another one."""
    try:
        if stream.fileno() != descriptor:
            return stream
    except OSError:  # the stream has no descriptor
        return stream
    stream.flush()
    ours = os.fdopen(os.dup(descriptor), "w", encoding=stream.encoding, errors=stream.errors)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return ours


class Unwaiting(io.TextIOBase):
    """A stream that waits for no reader: it drops the text for which a pipe or terminal has no room.

    Once there is room again, it says how many lines are missing. Any thread may write.
    """

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        self._stream = stream  # it owns the descriptor
        self._descriptor = stream.fileno()
        # Of what poll(2) calls writable, a pipe takes PIPE_BUF bytes, and a terminal maybe a single one.
        self._step = 1 if stream.isatty() else select.PIPE_BUF
        self._room = select.poll()
        self._room.register(self._descriptor, select.POLLOUT)
        self._missing = 0
        self._one_at_a_time = threading.Lock()

    def write(self, text: str) -> int:
        """Write a text if there is room for it; return its length in any case."""
        with self._one_at_a_time:
            if self._missing and self._put(
                f"… {counted(self._missing, 'line')} missing here: nobody read them\n"
            ):
                self._missing = 0
            if self._missing or not self._put(text):
                self._missing += text.count("\n")
        return len(text)

    def _put(self, text: str) -> bool:
        """Write a text as far as there is room; return whether that was all of it."""
        data = text.encode(self._stream.encoding, "backslashreplace")
        for start in range(0, len(data), self._step):
            if not self._room.poll(0):
                return False
            os.write(self._descriptor, data[start : start + self._step])
        return True

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        return self._descriptor
