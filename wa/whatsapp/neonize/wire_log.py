"""What only the library's own log tells: a message is about to be sent, a part of the history is lost."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import threading
from collections.abc import Callable
from typing import Any

from wa.errors import WaError
from wa.whatsapp.errors import unmarked
from wa.whatsapp.transport import Handlers

log = logging.getLogger(__name__)

_LOST = "Failed to download history sync: "
"""The beginning of the line for a part of the history that could not be had or read; no event tells it."""
_STANZA = re.compile(r'<message\b(?=[^>]*? id="([^"]+)")(?=[^>]*? to="([^"]+)")')


class WireLog:
    """A callback for each line of the library's log; the library waits until the call returns.

    The library logs every stanza right before it writes the frame. Stanzas other than
    messages cost nothing here, and only the id and the recipient of a message are stored.
    `on_lost` is called with the reason for each part of the history that is lost.
    """

    def __init__(
        self,
        entry: Any,
        handlers: Handlers | None,
        on_fatal: Callable[[WaError], None],
        on_lost: Callable[[bytes], None],
    ) -> None:
        self._entry = entry
        self._handlers = handlers
        self._on_fatal = on_fatal
        self._on_lost = on_lost
        self._marking = threading.Lock()

    def __call__(self, binary: int, size: int) -> None:
        """Mark a message that is about to be sent; pass other lines on to the log."""
        data = ctypes.string_at(binary, size)
        if data.endswith(b"/Send"):
            found = _STANZA.search(data.decode("utf-8", "replace")) if b"<message" in data else None
            if found is not None:
                self._mark(found[1], found[2])
        elif b"DEBUG" not in data[-40:]:
            self._tell(data)

    def _tell(self, data: bytes) -> None:
        may_be_lost = _LOST.encode() in data[: len(_LOST) + 8]  # behind the field's tag and length
        if may_be_lost or log.isEnabledFor(logging.INFO):
            entry = self._entry.FromString(data)
            log.info("%s: %s", entry.Name, entry.Message)
            if entry.Message.startswith(_LOST):
                self._on_lost(entry.Message.removeprefix(_LOST).encode())

    def _mark(self, message_id: str, to_jid: str) -> None:
        try:
            with self._marking:
                assert self._handlers is not None  # noqa: S101
                self._handlers.mark(message_id, to_jid)
        except BaseException as error:  # the library would write the frame as soon as this returns
            fault = error if isinstance(error, WaError) else unmarked(error, is_waited_for=False)
            try:
                self._on_fatal(fault)
            finally:
                os._exit(fault.exit_status)
