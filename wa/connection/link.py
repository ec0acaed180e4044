"""Linking this device to an account, and unlinking it."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from wa.connection import apply, requests
from wa.connection.context import Context
from wa.connection.hold import stop_signals
from wa.connection.incoming.events import keep_account
from wa.connection.pairing import paired_events
from wa.connection.spool import Spool
from wa.errors import WaError
from wa.jids import phone_of_jid
from wa.phones import parse_phone
from wa.queue import pacing
from wa.record import history_sync as history
from wa.store.database import Store
from wa.store.device import forget_account, own_jid
from wa.store.locks import FileLock, describe_holder, lock_holder
from wa.times import describe, to_iso
from wa.whatsapp.errors import banned, end_of_connection, not_linked
from wa.whatsapp.events import Account
from wa.whatsapp.neonize import session_db as session
from wa.whatsapp.signals import Banned, CaughtUp, Connected, Disconnected, LoggedOut, Signal
from wa.whatsapp.transport import ConnectFailed, Handlers, SendError, Transport

UNLINK_SECONDS = 30.0

Tell = Callable[[dict[str, Any]], None]


def link(context: Context, phone: str | None, full: bool, timeout: float, tell: Tell) -> None:
    """Link this device, and record the messages that arrive meanwhile.

    `tell` is called with each event: qr, code, paired, paused (this home had another
    account), caught-up. With `phone`, a pairing code replaces the QR code; `full` asks
    for the whole history. Raise WaError `pairing-failed` after `timeout` seconds and
    when WhatsApp refuses, `wrong-state` when an account is linked already, `in-use`,
    and the errors that end a connection.
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
            for event in paired_events(context.home, lock, number, full, timeout):
                if event["event"] == "caught-up":
                    event["messages"] = _record(context)
                tell(event)
                if event["event"] == "paired" and _keep_account(store, event, context):
                    tell({"event": "paused"})
    finally:
        lock.release()


def unlink(context: Context) -> dict[str, Any]:
    """Log this device out and delete its keys. Return the account that it was linked to.

    Raise WaError `not-authorized` when no account is linked, `in-use`, and
    `network-error` when WhatsApp cannot be reached.
    """
    if context.settings.transport == "loopback":
        raise not_linked()
    transport = context.transport
    account = transport.account()
    if account is None:  # the phone has logged us out, and no command has noticed
        _forget(context)
        raise not_linked()
    if ban := pacing.ban_end(context.store, context.now()):
        raise banned(describe(ban, context.settings.zone, context.now()))
    lock = _lock(context, "unlink")
    spool = Spool(context.home)
    try:
        with stop_signals(_interrupt):
            _log_out(context, transport, spool)
    except (ConnectFailed, SendError) as error:
        raise _not_told(str(error)) from error
    finally:
        transport.disconnect()
        spool.close()
        lock.release()
    _record(context)
    _forget(context)
    return {"jid": account.jid, "lid": account.lid, "push_name": account.push_name}


def _log_out(context: Context, transport: Transport, spool: Spool) -> None:
    """Log out at WhatsApp, and return once the account no longer has this device."""
    signals: queue.Queue[Signal] = queue.Queue()
    handlers = Handlers(
        lambda kind, payload: spool.append(kind, payload, context.now()),
        signals.put,
        lambda message_id, jid: None,
    )
    transport.connect(handlers)
    deadline = time.monotonic() + UNLINK_SECONDS
    reason = "no answer"
    while time.monotonic() < deadline:
        try:
            signal = signals.get(timeout=0.2)  # so that Ctrl-C does not wait longer
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
    raise _not_told(reason)


def _not_told(reason: str) -> WaError:
    return WaError(
        "network-error",
        f"WhatsApp could not be told: {reason}",
        "try again; or remove the device on the phone (Linked devices), then `wa unlink`",
    )


def _interrupt(error: BaseException) -> None:
    raise error


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
    lock.write({"pid": os.getpid(), "command": command, "since": now})
    return lock


def _keep_account(store: Store, event: dict[str, Any], context: Context) -> bool:
    """Store the account of this home. If the home had another one, pause sending and return True."""
    known = own_jid(store)
    is_other = known is not None and known != event["jid"]
    with store.write():
        history.begin_anew(store)
        keep_account(store, Account(event["jid"], event["lid"], event["push_name"]), context.now())
        requests.doubt_groups(store)
    if is_other:
        pacing.pause(store, context.now())
    return is_other


def _record(context: Context) -> int:
    """Record the events that the child appended to the spool. Return the number of stored messages."""
    transport, spool = context.transport, Spool(context.home)
    try:
        while apply.apply_batch(context.store, spool, transport, context.now()):
            pass
    finally:
        spool.close()
    return int(context.store.value("SELECT count(*) FROM messages"))
