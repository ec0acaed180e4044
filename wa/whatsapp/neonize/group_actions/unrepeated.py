"""A query that is sent once, though the library sends every query again when the connection was cut.

A group would be made twice, and whoever has left a group would be told that leaving was refused. The library
logs a line before it waits for the new connection, and goes on when the call that takes the line returns. For
such a query that call returns only once the client has ended; nothing is sent any more then.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from wa.whatsapp.transport import SendError

T = TypeVar("T")
CALL_SECONDS = 85.0
"""Seconds that a query may take; the library itself gives up after 75."""
_QUERY = re.compile(rb'<iq\b(?=[^>]*? type="set")(?=[^>]*? xmlns="(?:w:g2|blocklist)")[^>]*? id="([^"]+)"')
_REPEATS = re.compile(rb"(\S+) \(info query\) was interrupted by websocket disconnection")


class Unrepeated:
    """The query of one client that is under way and must not be repeated; there is one at a time."""

    def __init__(self, ended: threading.Event) -> None:
        """`ended` is set when the client has ended."""
        self._ended = ended
        self._outcome: queue.SimpleQueue[tuple[bool, Any]] | None = None
        self._sent: bytes | None = None

    def do(self, call: Callable[[], T]) -> T:
        """Return what a call of the library returns, or raise its error.

        Raise SendError if the connection was cut before the answer, or if the answer takes too long.
        """
        self._outcome, self._sent = outcome, _ = queue.SimpleQueue[tuple[bool, Any]](), None

        def run() -> None:
            try:
                outcome.put((True, call()))
            except BaseException as error:
                outcome.put((False, error))

        threading.Thread(target=run, name="neonize-query", daemon=True).start()
        try:
            is_good, found = outcome.get(timeout=CALL_SECONDS)
        except queue.Empty:
            is_good, found = False, SendError("WhatsApp did not answer")
        finally:
            self._outcome = None
        if not is_good:
            raise found
        return cast("T", found)

    def note_sent(self, line: bytes) -> None:
        """Note the query that is about to leave, by the line of the library's log."""
        if self._outcome is not None and (found := _QUERY.search(line)):
            self._sent = found[1]

    def note_cut(self, line: bytes) -> None:
        """Let the call end, and keep the library from repeating the query, if the line says that it would."""
        outcome = self._outcome
        if self._sent is None or (found := _REPEATS.search(line)) is None:
            return
        if found[1].endswith(self._sent):  # before it are bytes of the field
            if outcome is not None:
                outcome.put((False, SendError("the connection was cut before WhatsApp answered")))
            self._ended.wait()
