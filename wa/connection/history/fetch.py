"""Older messages of a chat that a command asks the phone for, part by part."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import timedelta

from wa.connection import requests
from wa.connection.ask import REQUEST_SECONDS
from wa.connection.context import Context
from wa.connection.hold import serve
from wa.connection.owner import Owner
from wa.errors import Terminated, WaError
from wa.jids import check_recipient
from wa.queue.send import Scope
from wa.record import history_sync, messages
from wa.record.retention import ledger
from wa.store.database import Row
from wa.texts import counted
from wa.times import to_iso

PHONE_SECONDS = 60.0
"""Seconds that the command waits for an answer of the phone."""
ABANDONED_SECONDS = 120.0
"""Seconds after which nobody waits for an answer any more: the command was killed."""
FETCH = "fetch-history"
ShowProgress = Callable[[], AbstractContextManager[Callable[[int], object]]]


def fetch(context: Context, chat: str, most: int, show: ShowProgress) -> Row:
    """Ask the phone for up to `most` messages of a chat that are older than the oldest here.

    `show` makes the context in which a function shows the number of messages of each answer. Return how
    many came (`received`), how many of them were new (`added`), and whether the phone has no older ones
    (`complete`). Raise WaError `network-error` without an answer, and `bad-data` for one that cannot be
    read; then ask again.
    """
    context.check_linked()
    check_recipient(chat)
    store = context.store
    before = messages.count_of(store, chat)
    asking = _Asking(context, chat, most)
    _ = context.transport  # now, for it moves the descriptors of the terminal on which progress is shown
    try:
        with show() as asking.tell:
            serve(context, "history fetch", Scope.WAITED, asking.over)
    except BaseException as error:
        status = "cancelled" if isinstance(error, KeyboardInterrupt | Terminated) else "interrupted"
        why = error.message if isinstance(error, WaError) else None
        with suppress(sqlite3.Error), store.write():
            history_sync.end_asking(store, chat, status, context.now(), why)
        came = f"{counted(asking.received, 'older message')} came before that;"
        came += " the same command goes on from there"
        if asking.received and isinstance(error, WaError):
            raise WaError(error.code, f"{error.message}; {came}", error.hint) from error
        if asking.received:
            context.note(came)
        raise
    return {
        "chat_jid": chat,
        "received": asking.received,
        "added": messages.count_of(store, chat) - before,
        "complete": asking.is_all,
        "oldest": (ledger.oldest_of(store, chat) or {}).get("timestamp"),
        "status": history_sync.checkpoint(store, chat)["status"],
    }


class _Asking:
    """Asking for older messages of a chat, part by part; `is_all` is whether the phone has no more."""

    def __init__(self, context: Context, chat: str, most: int) -> None:
        self._context, self._chat, self._most = context, chat, most
        self.tell: Callable[[int], object] = int
        self.received, self.is_all = 0, False
        self._numbers: list[int] = []
        self._is_asked = False
        self._before: Row = {}
        self._oldest: Row | None = None
        begun = history_sync.checkpoint(context.store, chat).get("status")
        self._resumes = begun in ("interrupted", "cancelled")

    def over(self, owner: Owner | None) -> bool:
        """Ask, or look for the answer. Return whether no more is to come; raise WaError."""
        store = self._context.store
        if not self._numbers:
            self._ask()
        if not self._is_asked and not requests.are_open(store, FETCH, self._numbers):
            ((_, error),) = requests.results(store, FETCH, self._numbers)
            if error is not None:
                raise error
            self._is_asked = True
            self._wait(PHONE_SECONDS)
        found = history_sync.checkpoint(store, self._chat)
        if found["status"] == "interrupted":
            raise WaError("bad-data", f"the answer cannot be read: {found['error_message']}", "try again")
        if found["answers"] == self._before["answers"] and found["status"] == "in_progress":
            if time.monotonic() > self._deadline:
                raise self._silence()
            return False
        came = found["messages_synced"] - self._before["messages_synced"]
        self.received += came
        self.tell(came)
        oldest = ledger.oldest_of(store, self._chat)
        self.is_all = found["status"] == "completed" or oldest == self._oldest
        if self.is_all or self.received >= self._most:
            with store.write():
                history_sync.end_asking(store, self._chat, "completed", self._context.now())
            return True
        self._ask()
        return False

    def _ask(self) -> None:
        store, now = self._context.store, self._context.now()
        self._oldest = ledger.oldest_of(store, self._chat)
        percent = min(99, 100 * self.received // self._most)
        wanted = {
            "chat_jid": self._chat,
            "max_messages": self._most - self.received,
            "resume": self._resumes,
            "requested_by": f"wa history fetch (pid {os.getpid()})",
            "requested_at": to_iso(now),
        }
        with store.write():
            until = now + timedelta(seconds=ABANDONED_SECONDS)
            history_sync.ask(store, self._chat, percent, until, now)
            self._before = history_sync.checkpoint(store, self._chat)
            expires = now + timedelta(seconds=REQUEST_SECONDS)
            self._numbers = requests.put(store, FETCH, [wanted], expires)
        self._is_asked = False
        self._wait(REQUEST_SECONDS)
        self._context.wake_owner()

    def _wait(self, seconds: float) -> None:
        self._patience, self._deadline = seconds, time.monotonic() + seconds

    def _silence(self) -> WaError:
        if not self._is_asked:
            return WaError("network-error", "WhatsApp could not be reached", "the same command tries again")
        return WaError(
            "network-error",
            f"the phone has not answered within {self._patience:g} seconds",
            "open WhatsApp on the phone and try again; it is unknown whether phones answer this at all",
        )
