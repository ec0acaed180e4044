"""Linking this device to an account, in a process of its own: nothing from inside can end it.

The parent holds the session lock and gives it to the child, which keeps it if the parent
dies, and ends when it does. The child tells what happens, an object of JSON a line; what
arrives meanwhile, the past above all, it spools as the owner of the connection would.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from wa.connection import apply, spool
from wa.connection.context import Context, system_now
from wa.connection.hold import stop_signals
from wa.errors import WaError
from wa.jids import phone_of_jid
from wa.phones import parse_phone
from wa.queue import pacing
from wa.record import history_sync as history
from wa.store.database import Store
from wa.store.device import forget_account, own_jid
from wa.store.locks import FileLock, describe_holder, lock_holder
from wa.store.paths import Home
from wa.times import describe, to_iso
from wa.whatsapp.errors import banned, end_of_connection, not_linked
from wa.whatsapp.events import Account, Banned, CaughtUp, Connected, Disconnected, LoggedOut, Signal
from wa.whatsapp.neonize import session_db as session
from wa.whatsapp.neonize.people import PEOPLE
from wa.whatsapp.transport import ConnectFailed, Handlers, SendError, Transport

QUIET_SECONDS = 2.0
"""How long nothing must arrive before the child, once it is caught up, takes the past for recorded."""
FIRST_SECONDS = 10.0
"""How long it waits for the past to begin to arrive."""
CAUGHT_UP_SECONDS = 60.0
UNLINK_SECONDS = 30.0
ORPHAN_SECONDS = 5.0

Tell = Callable[[dict[str, Any]], None]


def link(context: Context, phone: str | None, full: bool, timeout: float, tell: Tell) -> None:
    """Link this device, and record what arrives meanwhile.

    `tell` is called with each event: qr, code, paired, paused (this home had
    another account), caught-up. With `phone` a code to type is asked for instead of
    a picture to scan; `full` asks for all of the past. Raises WaError
    `pairing-failed` after `timeout` seconds and where it was refused, `wrong-state`
    where an account is linked, `in-use`, and what a connection can end with.
    """
    if context.settings.transport == "loopback":
        raise WaError("wrong-state", "the loopback transport needs no linking", "unset WA_TRANSPORT to link")
    number = None if phone is None else parse_phone(phone, context.settings.region)
    if phone is not None and number is None:
        raise WaError("usage", f"{phone!r} is not a phone number", "with its country code: 447700900123")
    store = context.store
    linked = session.account(context.home)
    if linked is not None:
        raise WaError(
            "wrong-state",
            f"+{phone_of_jid(linked.jid)} is linked already",
            "`wa unlink` first, or set another WA_HOME",
        )
    lock = _lock(context, "link")
    try:
        context.bind()
        with stop_signals(_interrupt):
            for event in _paired(context.home, lock, number, full, timeout):
                if event["event"] == "caught-up":
                    event["messages"] = _record(context)
                tell(event)
                if event["event"] == "paired" and _keep_account(store, event, context):
                    tell({"event": "paused"})
    finally:
        lock.release()


def unlink(context: Context) -> dict[str, Any]:
    """Log this device out and forget its keys; the account it was.

    Raises WaError `not-authorized` where none is linked, `in-use`, and
    `network-error` where WhatsApp cannot be told.
    """
    if context.settings.transport == "loopback":
        raise not_linked()
    transport = context.transport
    account = transport.account()
    if account is None:  # the phone has logged us out, and nobody has noticed
        _forget(context)
        raise not_linked()
    if ban := pacing.ban_end(context.store, context.now()):
        raise banned(describe(ban, context.settings.zone, context.now()))
    lock = _lock(context, "unlink")
    try:
        with stop_signals(_interrupt):
            _log_out(context, transport)
    except (ConnectFailed, SendError) as error:
        raise _untold(str(error)) from error
    finally:
        transport.disconnect()
        lock.release()
    _record(context)
    _forget(context)
    return {"jid": account.jid, "lid": account.lid, "push_name": account.push_name}


def _log_out(context: Context, transport: Transport) -> None:
    """Tell WhatsApp; returns when it knows that this device is none of the account's any more."""
    signals: queue.Queue[Signal] = queue.Queue()
    transport.connect(Handlers(partial(_spool, context), signals.put, lambda message_id, jid: None))
    deadline = time.monotonic() + UNLINK_SECONDS
    reason = "no answer"
    while time.monotonic() < deadline:
        try:
            signal = signals.get(timeout=0.2)  # so that Ctrl-C is not kept waiting
        except queue.Empty:
            continue
        if isinstance(signal, Connected):
            transport.log_out()
            return
        if isinstance(signal, LoggedOut):
            return
        if isinstance(signal, Disconnected):
            reason = signal.reason
        elif isinstance(signal, Banned):
            pacing.ban(context.store, context.now(), signal.seconds)
            until = context.now() + timedelta(seconds=signal.seconds)
            raise banned(describe(until, context.settings.zone, context.now()))
        elif not isinstance(signal, CaughtUp):
            raise end_of_connection(signal)
    raise _untold(reason)


def _untold(reason: str) -> WaError:
    return WaError(
        "network-error",
        f"WhatsApp could not be told: {reason}",
        "try again; or remove the device on the phone (Linked devices), then `wa unlink`",
    )


def _interrupt(error: BaseException) -> None:
    raise error


def _spool(context: Context, kind: str, payload: bytes) -> None:
    store = Store(context.home)  # it belongs to the thread that calls
    try:
        spool.append(store, kind, payload, context.now())
    finally:
        store.close()


def _forget(context: Context) -> None:
    for name in ("session.db", "session.db-journal"):
        (context.home.path / name).unlink(missing_ok=True)
    with context.store.write():
        forget_account(context.store)
        history.interrupt(context.store, "cancelled", context.now())


def _lock(context: Context, command: str) -> FileLock:
    lock = FileLock(context.home.session_lock)
    if not lock.acquire():
        holder = lock_holder(context.home.session_lock) or {}
        raise WaError("in-use", f"{describe_holder(holder)} holds the connection", "stop it, then try again")
    now = to_iso(context.now())
    lock.write({"pid": os.getpid(), "command": command, "since": now, "heartbeat": now})
    return lock


def _keep_account(store: Store, event: dict[str, Any], context: Context) -> bool:
    """Remember whose account this home has; whether it was another's, so that sending is paused."""
    known = own_jid(store)
    is_other = known is not None and known != event["jid"]
    with store.write():
        apply.keep_account(store, Account(event["jid"], event["lid"], event["push_name"]), context.now())
    if is_other:
        pacing.pause(store, context.now())
    return is_other


def _record(context: Context) -> int:
    """Record what the child has spooled; how many messages there are."""
    transport = context.transport  # which is linked by now
    while apply.apply_batch(context.store, transport.decode, context.now()):
        pass
    return int(context.store.value("SELECT count(*) FROM messages"))


def _paired(
    home: Home, lock: FileLock, phone: str | None, full: bool, timeout: float
) -> Iterator[dict[str, Any]]:
    """The events of the child, until it has caught up."""
    paired = shown = False
    with _child(home, lock, phone, full, timeout) as events:
        for event in events:
            if event["event"] == "failed":
                raise WaError(event["code"], event["message"], event["hint"])
            if event["event"] == "paired":
                paired = True
            shown = shown or event["event"] in ("qr", "code")
            yield event
            if event["event"] == "caught-up":
                return
    if not shown:
        why = f"WhatsApp did not answer within {timeout:g} seconds"
        raise WaError("network-error", why, "check the connection, then run `wa link` again")
    if not paired:
        raise WaError(
            "pairing-failed",
            f"nobody linked this device within {timeout:g} seconds",
            "run `wa link` again, and on the phone choose Linked devices, then Link a device",
        )


@contextmanager
def _child(
    home: Home, lock: FileLock, phone: str | None, full: bool, timeout: float
) -> Iterator[Iterator[dict[str, Any]]]:
    options = json.dumps({"home": str(home.path), "phone": phone, "full": full})
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "wa.connection.link", options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=[lock.descriptor],
    )
    lines: list[dict[str, Any]] = []
    changed = threading.Condition()

    def read() -> None:
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            with changed:
                lines.append(json.loads(line))
                changed.notify()
        with changed:
            lines.append({})
            changed.notify()

    def events() -> Iterator[dict[str, Any]]:
        deadline = time.monotonic() + timeout
        while True:
            with changed:
                while not lines and time.monotonic() < deadline:
                    changed.wait(0.2)  # so that a signal is not kept waiting
                if not lines or not lines[0]:
                    return
                event = lines.pop(0)
            if event["event"] == "paired":  # what follows takes as long as it takes
                deadline += 2 * CAUGHT_UP_SECONDS
            yield event

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield events()
    finally:
        process.kill()
        process.wait()
        reader.join()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None  # noqa: S101
            pipe.close()


class _Pairing:
    """The child's side."""

    def __init__(self, home: Home, out: int) -> None:
        from wa.whatsapp.neonize.connection import NeonizeTransport

        self._out = out
        self._store = Store(home, any_thread=True)
        self._transport = NeonizeTransport(home)
        self._last = time.monotonic()
        self._past = self._is_paired = False
        self._caught_up = threading.Event()

    def run(self, phone: str | None, full: bool) -> None:
        """Pair, stay until the past has arrived, and leave cleanly."""
        handlers = Handlers(self._spool, self._on_signal, lambda message_id, jid: None)
        self._transport.pair(handlers, self._tell, phone, full)
        self._caught_up.wait()
        begin = time.monotonic()
        while time.monotonic() - self._last < QUIET_SECONDS or (
            not self._past and time.monotonic() - begin < FIRST_SECONDS
        ):
            if time.monotonic() - begin > CAUGHT_UP_SECONDS:
                break
            time.sleep(0.05)
        self._transport.disconnect()
        self._tell({"event": "caught-up"})

    def end_with_parent(self) -> None:
        """End when our parent is gone; but what WhatsApp has already sent us, it will not send again."""
        os.read(0, 1)  # it writes nothing: this returns when nobody can write any more
        if self._is_paired:
            deadline = time.monotonic() + ORPHAN_SECONDS
            while time.monotonic() - self._last < 1 and time.monotonic() < deadline:
                time.sleep(0.05)
            self._transport.disconnect()
        os._exit(1)

    def _spool(self, kind: str, payload: bytes) -> None:
        spool.append(self._store, kind, payload, system_now())
        if kind != PEOPLE:  # which is our own looking again
            self._last = time.monotonic()
        self._past = self._past or kind == spool.HISTORY

    def _on_signal(self, signal: Signal) -> None:
        if isinstance(signal, Connected):
            if self._is_paired:
                return
            self._is_paired, self._last = True, time.monotonic()
            account = signal.account
            about = {"jid": account.jid, "lid": account.lid, "push_name": account.push_name}
            self._tell({"event": "paired", **about})
        elif isinstance(signal, CaughtUp):
            self._last = time.monotonic()
            self._caught_up.set()
        elif isinstance(signal, Banned):
            self.fail(WaError("temporary-ban", "WhatsApp has banned this account", "wait until the ban ends"))
        elif not isinstance(signal, Disconnected):  # a dropped line comes back
            self.fail(end_of_connection(signal))

    def _tell(self, event: dict[str, Any]) -> None:
        if event["event"] == "login":
            self._on_login(event["status"])
            return
        with suppress(OSError):  # nobody listens any more
            os.write(self._out, (json.dumps(event) + "\n").encode())

    def _on_login(self, status: str) -> None:
        """How the attempt ended, in the library's words, which come in no other way."""
        if status == "success":
            return
        if status == "err-client-outdated":
            self.fail(
                WaError(
                    "client-outdated",
                    "WhatsApp no longer accepts this version of the client",
                    "upgrade wa (pip install -U wa), then link again",
                )
            )
        why = "the codes ran out" if status == "timeout" else f"the pairing was refused ({status})"
        self.fail(WaError("pairing-failed", why, "run `wa link` again"))

    def fail(self, error: WaError) -> None:
        """Tell our parent why there will be no link, and end: nothing else ends the library now."""
        self._tell({"event": "failed", "code": error.code, "message": error.message, "hint": error.hint})
        os._exit(error.exit_status)


def main() -> None:
    """The child process: `python -m wa.connection.link OPTIONS`."""
    os.umask(0o077)
    options = json.loads(sys.argv[1])
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    pairing = _Pairing(Home(Path(options["home"])), out)
    threading.Thread(target=pairing.end_with_parent, daemon=True).start()
    try:
        pairing.run(options["phone"], options["full"])
    except WaError as error:
        pairing.fail(error)
    except ConnectFailed as error:
        why = f"WhatsApp cannot be reached: {error}"
        pairing.fail(WaError("network-error", why, "check the connection, then run `wa link` again"))
    except Exception as error:  # noqa: BLE001
        pairing.fail(WaError("pairing-failed", f"{type(error).__name__}: {error}", "run `wa link` again"))
    os._exit(0)


if __name__ == "__main__":
    main()
