"""How a command gets something done by the owner: by being it, or by waiting for whoever is."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from wa.connection import requests
from wa.connection.context import Context
from wa.connection.errors import banned
from wa.connection.owner import Owner
from wa.errors import Terminated, WaError
from wa.media import received
from wa.queue import pacing
from wa.queue import rows as schedule
from wa.queue import send as outbox
from wa.queue.send import Scope as Scope  # part of what `serve` is asked
from wa.store.database import Row
from wa.store.locks import FileLock, describe_holder, lock_holder
from wa.times import describe, to_iso

LOOK_SECONDS = 0.02
"""How often a command that waits looks for its result."""
STANDBY_SECONDS = 0.25
"""How often a listener beside another one looks whether it is alone now, and for what is new."""
PROOF_SECONDS = 3.0
"""How long a sender waits for a receipt that settles an unknown outcome."""
CONNECT_SECONDS = 60.0
REQUEST_SECONDS = 30.0
DOWNLOAD_SECONDS = 120.0
UNSETTLED = timedelta(hours=24)
SENDS_SCHEDULED = ("listen", "run-scheduler", "run-scheduler --once")

T = TypeVar("T")
Watch = Callable[[Owner | None], T]


@contextmanager
def stop_signals(stop: Callable[[BaseException], None]) -> Iterator[None]:
    """For a while, SIGTERM and Ctrl-C ask for a clean end instead of making a sudden one."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop(KeyboardInterrupt() if number == signal.SIGINT else Terminated())

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, on_signal) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def serve(
    context: Context,
    command: str,
    scope: Scope,
    until: Watch[bool],
    tick: Watch[None] | None = None,
    every: float = LOOK_SECONDS,
) -> None:
    """Hold the connection until `until(owner)`, or, while another process holds it, stand by (owner None).

    `tick(owner)` is called after whatever happened. Raises WaError where the
    connection ends for good, KeyboardInterrupt and Terminated.
    """
    transport, lock = context.transport, FileLock(context.home.session_lock)
    asked: list[BaseException] = []
    stopped = threading.Event()
    owner: Owner | None = None

    def stop(error: BaseException) -> None:
        asked.append(error)
        stopped.set()
        if owner is not None:
            owner.stop()

    with stop_signals(stop):
        while not stopped.is_set() and not until(None):
            if lock.acquire():
                owner = Owner(context.home, context.settings, transport, context.now, lock, command, scope)
                owner.run(lambda own: stopped.is_set() or until(own), tick)
                break
            if tick is not None:
                tick(None)
            stopped.wait(every)
    if asked:
        raise asked[0]


def describe_owner(owner: Owner | None) -> str | None:
    """The state of the connection, in words; None while the first attempt is under way."""
    if owner is None:
        return "another wa process holds the connection; standing by"
    if owner.connected:
        return "connected"
    return f"not connected: {owner.trouble}; trying again" if owner.trouble else None


def deliver(context: Context, row_id: str, wait: float) -> Row:
    """Wait until a row is sent, up to `wait` seconds; the row.

    When this raises anything but `unknown-outcome` and `still-queued`, nothing
    of the row can go out later: it was withdrawn before any claim.
    """
    pacing.rebase(context.store, context.now())
    schedule.start_waiting(context.store, row_id, context.now() + timedelta(seconds=wait), context.now())
    context.wake_owner()
    waiting = _Waiting(context, row_id, wait)
    try:
        serve(context, "send", Scope.WAITED, waiting.over)
    except (KeyboardInterrupt, Terminated):
        row = schedule.give_up(context.store, row_id, context.now(), None)
        if row["status"] != "cancelled":
            return _outcome(row)
        context.note("nothing was sent; the message was withdrawn")
        raise KeyboardInterrupt from None
    except WaError as error:
        row = schedule.give_up(context.store, row_id, context.now(), error)
        if row["status"] != "failed" or row["error_code"] != error.code:
            return _outcome(row)
        raise
    block = pacing.blocked(context.store, context.now(), context.settings)
    return _outcome(schedule.stop_waiting(context.store, row_id, context.now()), block.text if block else "")


class _Waiting:
    """Whether the wait for one row is over."""

    def __init__(self, context: Context, row_id: str, wait: float) -> None:
        self._context = context
        self._row_id = row_id
        self._deadline = time.monotonic() + wait
        self._proof_deadline: float | None = None
        self._told: str | None = None

    def over(self, owner: Owner | None) -> bool:
        """Whether there is nothing left to wait for. Raises WaError where waiting cannot help."""
        row = schedule.get(self._context.store, self._row_id)
        left = self._deadline - time.monotonic()
        if row["status"] == "unknown":  # a receipt may be on its way
            if self._proof_deadline is None:
                self._proof_deadline = time.monotonic() + min(PROOF_SECONDS, max(left, 0))
            return time.monotonic() >= self._proof_deadline
        if row["status"] not in ("pending", "sending"):
            return True
        if row["status"] == "pending":
            self._watch_blocks(left)
        return left <= 0

    def _watch_blocks(self, left: float) -> None:
        """Give up at once where waiting cannot help; say so where the user can."""
        context = self._context
        block = pacing.blocked(context.store, context.now(), context.settings)
        if block is None or block.reason == "spacing":
            return
        if block.reason == "ban":
            raise WaError("temporary-ban", block.text, "wait until then")
        until = block.until if block.reason in ("brake", "daily-limit") else None
        if until and (until - context.now()).total_seconds() > left:
            raise WaError("rate-limit-exceeded", block.text, "`wa schedule add … --at` queues it for later")
        if block.text != self._told:
            self._told = block.text
            context.note(block.text)


def _outcome(row: Row, waits_for: str = "") -> Row:
    """The row when it was sent, else the error that says what became of it."""
    row_id, status, why = row["id"], row["status"], row["error_message"]
    if status == "sent":
        return row
    if status in ("unknown", "sending"):
        raise WaError(
            "unknown-outcome",
            f"{row_id} may have been sent: {why or 'it was not acknowledged in time'}",
            f"look at the chat, then `wa schedule resolve {row_id} sent|failed`",
        )
    if status == "pending":
        raise WaError(
            "still-queued",
            f"{row_id} is not sent yet, and stays queued" + (f": {waits_for}" if waits_for else ""),
            f"a listener or run-scheduler sends it; `wa schedule cancel {row_id}` withdraws it",
        )
    hint = f"`wa schedule retry {row_id}` tries again"
    if row["error_code"] == "recipient-not-found":
        hint = "check the number; it has to be on WhatsApp"
    raise WaError(row["error_code"] or "send-failed", f"not sent: {why or status}", hint)


def send_due(context: Context) -> list[str]:
    """Send what is due and settle what can be settled, once; the statuses that came of it.

    Where another process that sends scheduled messages holds the connection,
    waits until it has done so. Raises WaError `network-error`, `in-use`.
    """
    now = context.now()
    pacing.rebase(context.store, now)
    if outbox.has_due(context.store, now) and (ban := pacing.ban_end(context.store, now)):
        raise banned(describe(ban, context.settings.zone, now))
    if _nothing_to_send(context) and not outbox.is_unsettled(context.store, now - UNSETTLED):
        return []
    context.wake_owner()
    deadline = time.monotonic() + CONNECT_SECONDS

    def over(owner: Owner | None) -> bool:
        late = time.monotonic() > deadline
        if owner is None:
            holder = lock_holder(context.home.session_lock)
            if late and holder is not None and holder.get("command") not in SENDS_SCHEDULED:
                raise WaError(
                    "in-use",
                    f"{describe_holder(holder)} holds the connection",
                    "let it send too (without --no-send), or stop it",
                )
            quiet = holder is not None and _is_quiet(context)
            if late and holder is not None and not quiet:
                raise WaError(
                    "network-error",
                    f"{describe_holder(holder)} has not sent what is due",
                    "`wa status` tells what keeps it; the queue stays as it is",
                )
            return quiet
        if not owner.caught_up:
            if late:
                why = owner.trouble or "no answer"
                raise WaError(
                    "network-error", f"no connection to WhatsApp: {why}", "the queue stays as it is"
                )
            return False
        return _is_quiet(context)

    serve(context, "run-scheduler --once", Scope.ALL, over)
    return outbox.outcomes_since(context.store, now)


def _is_quiet(context: Context) -> bool:
    """Whether nothing is being sent, and nothing could be by waiting a little."""
    if outbox.sending_ids(context.store):
        return False
    return _nothing_to_send(context)


def _nothing_to_send(context: Context) -> bool:
    """Whether nothing is due, or nothing may be sent for longer than the pause between two sends."""
    block = pacing.blocked(context.store, context.now(), context.settings)
    return not outbox.has_due(context.store, context.now()) or (
        block is not None and block.reason != "spacing"
    )


def refresh_groups(context: Context) -> WaError | None:
    """Ask WhatsApp for our groups where what is known is stale. Return why they could not be had, if so."""
    if context.settings.transport == "loopback" or context.me is None:
        return None
    if requests.groups_are_stale(context.store, context.now()):
        try:
            ask(context, "groups", {}, "groups")
        except WaError as error:
            return error
    return None


def ask(context: Context, kind: str, args: dict[str, Any], command: str) -> None:
    """Have the owner do something, or do it ourselves. Raises WaError `network-error`."""
    for _, error in ask_each(context, kind, [args], command, REQUEST_SECONDS):
        if error is not None:
            hint = "nothing was changed; try again"
            raise WaError("network-error", "WhatsApp could not be reached", hint) from error


def ask_each(
    context: Context, kind: str, wishes: Sequence[dict[str, Any]], command: str, seconds: float
) -> list[tuple[dict[str, Any], WaError | None]]:
    """Have the owner do several things, or do them ourselves: for each its result, or why it was not done.

    `seconds` is how long each may take. Raises WaError where the connection ends for good.
    """
    store, begin = context.store, context.now()
    expires = to_iso(begin + timedelta(seconds=seconds * len(wishes)))
    with store.write():
        numbers = [
            store.insert("requests", {"kind": kind, "args": json.dumps(wish), "expires_at": expires})
            for wish in wishes
        ]
    if not numbers:
        return []
    context.wake_owner()
    deadline = time.monotonic() + seconds * len(wishes)
    wanted = {"first": numbers[0], "last": numbers[-1], "kind": kind}
    of_these = "FROM requests WHERE id BETWEEN :first AND :last AND kind = :kind"

    def over(owner: Owner | None) -> bool:
        waiting = store.value(f"SELECT 1 {of_these} AND status = 'pending' LIMIT 1", wanted)
        return waiting is None or time.monotonic() > deadline

    serve(context, command, Scope.WAITED, over)
    rows = {row["id"]: row for row in store.rows(f"SELECT id, status, result {of_these}", wanted)}
    return [_result(rows[number]) for number in numbers if number is not None]


def fetch(context: Context, rows: Sequence[Row], folder: Path | None, most: int) -> list[Row]:
    """Have the files of messages fetched, those that are not there yet, and copied to `folder`.

    Each row comes back with `path`, or with `error` and its `code`. `most` is how many bytes a file may have.
    """
    missing = [row for row in rows if not _is_there(context, row)]
    wishes = [{"number": row["id"], "most": most} for row in missing]
    results = dict(
        zip(
            (row["id"] for row in missing),
            ask_each(context, "download", wishes, "download", DOWNLOAD_SECONDS),
            strict=True,
        )
    )
    done = []
    for row in rows:
        found, error = results.get(row["id"], ({"media_path": row["media_path"]}, None))
        path = None if error else context.home.path / found["media_path"]
        if path is not None and folder is not None:
            path = received.copy_to(path, folder)
        done.append(
            {
                **row,
                "media_path": found.get("media_path"),
                "path": str(path) if path else None,
                "error": error.message if error else None,
                "code": error.code if error else None,
            }
        )
    return done


def _is_there(context: Context, row: Row) -> bool:
    return bool(row["media_path"]) and (context.home.path / row["media_path"]).is_file()


def _result(row: Row) -> tuple[dict[str, Any], WaError | None]:
    result = json.loads(row["result"] or "{}")
    if row["status"] == "done":
        return result, None
    code, why = result.get("code", "network-error"), result.get("message", "WhatsApp could not be reached")
    return result, WaError(code, why, "try again" if code == "network-error" else None)
