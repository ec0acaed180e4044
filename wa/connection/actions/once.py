"""Answering requests: an action is done at most once, whatever happens meanwhile.

pending ─claim→ doing ─┬→ done      WhatsApp accepted it, and the store says so
   │                   ├→ failed    it was certainly not done
   ▼                   └→ unknown   it may have been done: it is not tried again
withdrawn (by its command)
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from wa.connection import requests
from wa.connection.actions import answers
from wa.connection.actions.action import Action, Proved
from wa.errors import WaError
from wa.queue import outcomes, pacing
from wa.record import messages
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.times import from_iso, to_iso
from wa.values import replace
from wa.whatsapp.ids import new_secret
from wa.whatsapp.transport import Accepted, Evidence, NotOnWhatsApp, NotSent, Refused, SendError, Transport

log = logging.getLogger(__name__)

SPACING = timedelta(seconds=1)
"""The least time between two actions, of all commands together."""
PROVABLE = timedelta(hours=24)
"""The age up to which a receipt still settles an action whose outcome is unknown."""
_BLOCKED = {
    "paused": ("wrong-state", "`wa resume` lets it go on"),
    "ban": ("temporary-ban", "wait until then"),
    "brake": ("rate-limit-exceeded", "try again then"),
    "clock": ("wrong-state", "`wa doctor` looks at the clock"),
    "disk": ("storage-error", "make room on the disk"),
}
"""The error, and what to do, for each reason why nothing is sent that holds for actions too."""


class Answerer:
    """Answers the requests of other commands, on one thread of the owner of the connection."""

    def __init__(
        self,
        store: Store,
        transport: Transport,
        settings: Settings,
        now: Callable[[], datetime],
        ending: threading.Event,
    ) -> None:
        self._store, self._transport, self._settings = store, transport, settings
        self._now, self._ending = now, ending
        self._unrecorded: Callable[[], None] | None = None
        """What is left to do of an action that was called while the store could not be written."""

    def answer(self) -> bool:
        """Answer the oldest open request. Return whether there was one.

        Raise sqlite3.OperationalError while the store cannot be written: call it again, and `record` first.
        """
        self.record()
        prove(self._store, self._now())
        requests.withdraw_expired(self._store, self._now())
        row = requests.oldest(self._store, self._now())
        if row is None:
            return False
        if requests.is_repeatable(row):
            answers.answer(self._store, self._transport, self._now(), row)
            return True
        if not self._wait_for_turn():
            return False
        self._act(row)
        self.record()
        return True

    def record(self) -> None:
        """Record the outcome of the last action, if it is not recorded yet. Raise as `answer` does."""
        if self._unrecorded is not None:
            self._unrecorded()
            self._unrecorded = None

    def refresh_groups(self) -> None:
        """Ask WhatsApp for our groups if those here may be out of date."""
        answers.refresh_groups(self._store, self._transport, self._now())

    def _wait_for_turn(self) -> bool:
        """Wait until the spacing after the last action is over. Return False if the process is to end."""
        last = self._store.state().get("acted_at")
        left = SPACING - (self._now() - from_iso(last)) if last else timedelta()
        if timedelta() < left:  # a moment in the future counts as now
            self._ending.wait(min(left, SPACING).total_seconds())
        return not self._ending.is_set()

    def _act(self, row: Row) -> None:
        """Claim an action, do it, and leave the recording of its outcome in `_unrecorded`."""
        from wa.connection.actions import table

        store, action = self._store, table.of(row["kind"])
        claimed = _claim(store, self._settings, row, action, self._now)
        if claimed is None:
            return
        try:
            answer = action.call(self._transport, claimed)
        except Exception as error:  # what is no SendError may still have been done
            fault = error if isinstance(error, SendError) else SendError(f"{type(error).__name__}: {error}")
            log.info("%s: %s", row["kind"], fault)
            ask = self._transport.evidence
            self._unrecorded = lambda: settle(store, row["id"], fault, ask, self._now())
        else:
            self._unrecorded = lambda: _record(store, row["id"], answer, self._now())


def _claim(store: Store, settings: Settings, row: Row, action: Action, clock: Callable[[], datetime]) -> Any:
    """Claim an action in one durable commit. Return what its call needs, None if it may not be done."""
    with store.write():
        now, secret = clock(), new_secret()
        if requests.status(store, row["id"]) != "pending":  # its command has withdrawn it
            return None
        try:
            if not requests.is_in_time(row, now):  # its command has given up, or is dead
                raise WaError("network-error", "nobody could do it in time", "nothing was changed; try again")
            expect_allowed(store, settings, now)
            prepared = action.prepare(store, requests.arguments(row), secret, now)
        except sqlite3.Error:  # the store cannot be read or written now
            raise
        except Exception as error:
            requests.end(store, row["id"], "failed", _told(_fault_of(error)))
            return None
        store.set_state("acted_at", to_iso(now))
        requests.claim(store, row["id"], now, secret, outcomes.newest_mark(store))
        return prepared


def _fault_of(error: Exception) -> WaError:
    """Return the error to tell. A fault of ours, or of what is stored, must not end the owner."""
    if isinstance(error, WaError):
        return error
    log.error("an action could not be prepared", exc_info=error)
    return WaError("internal", f"{type(error).__name__}: {error}", "nothing was changed")


def expect_allowed(store: Store, settings: Settings, now: datetime) -> None:
    """Raise WaError if nothing may be changed now: `wrong-state` while sending is paused, and others.

    With a wrong clock, nobody knows how old a message is. What spaces and counts messages does not count.
    """
    block = pacing.blocked(store, now, settings)
    if block is not None and block.reason in _BLOCKED:
        code, hint = _BLOCKED[block.reason]
        text = f"sending is paused: {block.text}" if block.reason == "paused" else block.text
        raise WaError(code, text, f"nothing was changed; {hint}")


def _record(store: Store, number: int, answer: Any, now: datetime) -> None:
    """Record that an action is done."""
    from wa.connection.actions import table

    row = requests.get(store, number)
    with store.write():
        try:
            with store.savepoint():
                if isinstance(answer, Proved) and _is_outdone(store, row):
                    result: Row = {}
                else:
                    result = table.of(row["kind"]).record(store, requests.arguments(row), answer, now)
        except sqlite3.OperationalError:  # the store cannot be written now
            raise
        except Exception:  # a bug of ours must not make anybody do it a second time
            log.exception("an action (%s) was done, and could not be recorded", row["kind"])
            result = {"unrecorded": True}
        message_id = answer.message_id if isinstance(answer, Accepted) else None
        requests.end(store, number, "done", result, message_id)


def settle(
    store: Store, number: int, error: SendError, ask: Callable[[bytes, list[str]], Evidence], now: datetime
) -> None:
    """Record the outcome of an action whose call raised an error, or whose process died.

    `ask` is for evidence, before the transaction, for that may take about a second.
    """
    from wa.connection.actions import table

    row = requests.get(store, number)
    action = table.of(row["kind"])
    if isinstance(error, NotSent) or (isinstance(error, Refused) and error.status < 500):
        with store.write():
            requests.end(store, number, "failed", _told(_refused(store, action, error, now)))
            if not action.is_message:  # what is known here may be out of date
                requests.doubt_groups(store)
        return
    found = _evidence(store, row, error, ask) if action.is_message else Evidence(sent=None)
    with store.write():
        if found.sent is False:
            fault = WaError("network-error", str(error), "nothing was changed; try again")
            requests.end(store, number, "failed", _told(fault))
            return
        fault = WaError("unknown-outcome", f"it may have been done: {error}", action.look)
        requests.end(store, number, "unknown", _told(fault), found.message_id)
        if not action.is_message:
            requests.doubt_groups(store)  # how it is now is asked of WhatsApp soon
        elif found.sent:
            _record(store, number, _proved(requests.get(store, number)), now)
    prove(store, now)


def _evidence(
    store: Store, row: Row, error: SendError, ask: Callable[[bytes, list[str]], Evidence]
) -> Evidence:
    """Return whether an action left as a message: not without a wire mark since its claim; else ask.

    A server that answered with an error of its own (5xx) may still have passed it on.
    """
    marks = outcomes.marks_after(store, row["wire_after"])
    if not marks:
        return Evidence(sent=False)
    found = ask(row["secret"], marks)
    return replace(found, sent=found.sent or None) if isinstance(error, Refused) else found


def _refused(store: Store, action: Action, error: SendError, now: datetime) -> WaError:
    """Return the error for an answer that says that nothing was done; in the caller's transaction."""
    if isinstance(error, Refused):
        if error.status == 429:
            pacing.brake(store, now)
            hint = "nothing was changed; sending rests for a while"
            return WaError("rate-limit-exceeded", str(error), hint)
        return action.refusal(error) or WaError("send-failed", str(error), "nothing was changed")
    if isinstance(error, NotOnWhatsApp):
        return WaError("recipient-not-found", str(error), "nothing was changed")
    return WaError("network-error", str(error), "nothing was changed; try again")


def settle_dead(store: Store, ask: Callable[[bytes, list[str]], Evidence], now: datetime) -> None:
    """Settle the actions of dead processes. The caller holds the session lock."""
    for row in requests.in_status(store, "doing"):
        settle(store, row["id"], SendError("the process that did it died before the answer"), ask, now)


def prove(store: Store, now: datetime) -> None:
    """Make the unknown actions `done` for which there is a receipt by now."""
    for row in requests.in_status(store, "unknown"):
        chat, is_new = json.loads(row["args"]).get("chat"), now - from_iso(row["claimed_at"]) < PROVABLE
        if row["message_id"] and is_new and messages.is_confirmed(store, chat, row["message_id"]):
            _record(store, row["id"], _proved(row), now)


def _proved(row: Row) -> Proved:
    return Proved(row["message_id"], int(from_iso(row["claimed_at"]).timestamp()))


def _is_outdone(store: Store, row: Row) -> bool:
    """Return whether a later action of the kind is done with the same message, as if this one came first."""
    about = json.loads(row["args"]).get("message_id")
    return about is not None and any(
        json.loads(each["args"]).get("message_id") == about for each in requests.done_after(store, row)
    )


def _told(error: WaError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "hint": error.hint}
