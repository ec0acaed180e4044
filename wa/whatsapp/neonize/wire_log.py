"""The library's log, which alone tells of a message about to be sent or decrypted, and of lost history."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from wa.errors import WaError
from wa.whatsapp.errors import unmarked
from wa.whatsapp.neonize.group_actions.unrepeated import Unrepeated
from wa.whatsapp.transport import Handlers

log = logging.getLogger(__name__)

_LOST = "Failed to download history sync: "
"""The beginning of the line for a part of the history that could not be downloaded or read.

No event tells of it.
"""
_DECRYPTS = b"Decrypting message from "
"""The beginning of the line that is logged right before a message is decrypted."""
MOST_IN_HAND = 2
"""Messages that the library may have decrypted, and so acknowledged, before they are kept."""
IN_HAND_SECONDS = 0.05
"""Seconds after which a message in hand counts as one of which no event tells, such as a duplicate."""
_VIEW_ONCE = re.compile(rb'Unavailable message (\S+) from [^\n]*\(type: "view_once"\)')
_SAYS_VIEW_ONCE = b"\x0a\x0b\x4a\x09view_once"
"""What adds Info.MediaType "view_once" to an encoded UndecryptableMessage: protobuf joins encodings so."""
MOST_VIEW_ONCE = 1000
_STANZA = re.compile(r'<message\b(?=[^>]*? id="([^"]+)")(?=[^>]*? to="([^"]+)")')


class Turnstile:
    """Lets the library decrypt the next message when few earlier ones wait to be kept.

    The library acknowledges a message when it has decrypted it, and holds up to a hundred for us: a kill
    loses those. On a busy machine it would decrypt them much faster than they are handed over.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._in_hand = 0

    def enter(self) -> None:
        """Wait until fewer than MOST_IN_HAND messages are in hand, at most IN_HAND_SECONDS."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._in_hand < MOST_IN_HAND, IN_HAND_SECONDS):
                self._in_hand = 0
            self._in_hand += 1

    def leave(self) -> None:
        """Note that a message is kept."""
        with self._changed:
            self._in_hand = max(0, self._in_hand - 1)
            self._changed.notify()


class ViewOnce:
    """The view-once messages of the library's log. The event that follows does not say what they are."""

    def __init__(self) -> None:
        self._ids: deque[str] = deque(maxlen=MOST_VIEW_ONCE)

    def note(self, line: bytes) -> None:
        """Note the message of a line of the log, if the line is about a view-once message."""
        if found := _VIEW_ONCE.search(line):
            self._ids.append(found[1].decode("utf-8", "replace"))

    def say(self, kind: Any, payload: bytes) -> bytes:
        """Return the payload of an UndecryptableMessage, with its MediaType if it is a view-once message."""
        is_view_once = bool(self._ids) and kind.FromString(payload).Info.ID in self._ids
        return payload + _SAYS_VIEW_ONCE if is_view_once else payload


class WireLog:
    """A callback for each line of the library's log; the library waits until the call returns.

    The library logs every stanza right before it writes the frame. Stanzas other than
    messages cost nothing here, and only the id and the recipient of a message are stored.
    `on_lost` is called with the reason for each part of the history that is lost. Before each message
    that the library decrypts, it waits at the `turnstile`. `view_once` notes the view-once messages, and
    `unrepeated` the query that must not be sent again.
    """

    def __init__(
        self,
        entry: Any,
        handlers: Handlers | None,
        on_fatal: Callable[[WaError], None],
        on_lost: Callable[[bytes], None],
        turnstile: Turnstile | None = None,
        view_once: ViewOnce | None = None,
        unrepeated: Unrepeated | None = None,
    ) -> None:
        self._entry = entry
        self._handlers = handlers
        self._on_fatal = on_fatal
        self._on_lost = on_lost
        self._turnstile = turnstile or Turnstile()
        self._view_once = view_once or ViewOnce()
        self._unrepeated = unrepeated or Unrepeated(threading.Event())
        self._marking = threading.Lock()

    def __call__(self, binary: int, size: int) -> None:
        """Mark a message that is about to be sent; pass other lines on to the log."""
        data = ctypes.string_at(binary, size)
        if data.endswith(b"/Send"):
            found = _STANZA.search(data.decode("utf-8", "replace")) if b"<message" in data else None
            if found is not None:
                self._mark(found[1], found[2])
            self._unrepeated.note_sent(data)
        elif b"DEBUG" not in data[-40:]:
            self._tell(data)
        elif _DECRYPTS in data[: len(_DECRYPTS) + 8]:  # behind the field's tag and length
            self._turnstile.enter()
        else:
            self._unrepeated.note_cut(data)

    def _tell(self, data: bytes) -> None:
        self._view_once.note(data)
        may_be_lost = _LOST.encode() in data[: len(_LOST) + 8]
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
