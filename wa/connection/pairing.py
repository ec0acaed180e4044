"""Pairing in a child process, because the library has no call that ends a pairing.

The parent holds the session lock and shares it with the child, which keeps it if the parent dies
and ends soon after. The child prints each event of the pairing as a line of JSON, and appends
messages that arrive meanwhile, above all the history, to the spool.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wa.connection.context import system_now
from wa.connection.spool import HISTORY, Spool
from wa.errors import WaError
from wa.store.files import storage_error
from wa.store.locks import FileLock
from wa.store.paths import Home
from wa.whatsapp.errors import end_of_connection
from wa.whatsapp.neonize.decoding.decode import HISTORY_DAMAGED
from wa.whatsapp.neonize.people import PEOPLE
from wa.whatsapp.signals import Banned, CaughtUp, Connected, Disconnected, Signal
from wa.whatsapp.transport import ConnectFailed, Handlers

QUIET_SECONDS = 2.0
"""Seconds without an event, once the child is caught up, after which the history counts as complete."""
FIRST_SECONDS = 10.0
"""Seconds that the child waits for the first part of the history."""
CAUGHT_UP_SECONDS = 60.0
"""Seconds that the child waits for the end of the history."""
ORPHAN_SECONDS = 5.0
"""The most seconds that a child whose parent is dead stays to spool more events."""


def paired_events(
    home: Home, lock: FileLock, phone: str | None, full: bool, timeout: float
) -> Iterator[dict[str, Any]]:
    """Pair in a child process, and yield its events until it has caught up.

    Raise WaError `pairing-failed` and `network-error` after `timeout` seconds, and the child's own errors.
    """
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
        [sys.executable, "-m", "wa.connection.pairing", options],
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
                    changed.wait(0.2)  # so that a signal does not wait longer
                if not lines or not lines[0]:
                    return
                event = lines.pop(0)
            if event["event"] == "paired":  # the history may take long
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


class _Child:
    """The child's side of a pairing."""

    def __init__(self, home: Home, out: int) -> None:
        from wa.whatsapp.neonize.connection import NeonizeTransport

        self._out, self._home = out, home
        self._spool = Spool(home)
        self._transport = NeonizeTransport(home)
        self._last = time.monotonic()
        self._history_came = self._is_paired = False
        self._caught_up = threading.Event()

    def run(self, phone: str | None, full: bool) -> None:
        """Pair, stay connected until the history has arrived, and disconnect."""
        handlers = Handlers(self._keep, self._on_signal, lambda message_id, jid: None)
        self._transport.pair(handlers, self._tell, phone, full)
        self._caught_up.wait()
        begin = time.monotonic()
        while time.monotonic() - self._last < QUIET_SECONDS or (
            not self._history_came and time.monotonic() - begin < FIRST_SECONDS
        ):
            if time.monotonic() - begin > CAUGHT_UP_SECONDS:
                break
            time.sleep(0.05)
        self._transport.disconnect()
        if not self._spool.write_waiting() and self._spool.trouble is not None:
            self.fail(storage_error(self._spool.trouble, self._home.spool))
        self._tell({"event": "caught-up"})

    def end_with_parent(self) -> None:
        """End when the parent is gone, but spool all arriving events first: WhatsApp sends none twice."""
        os.read(0, 1)  # the parent writes nothing: this call returns when the parent is gone
        if self._is_paired:
            deadline = time.monotonic() + ORPHAN_SECONDS
            while time.monotonic() - self._last < 1 and time.monotonic() < deadline:
                time.sleep(0.05)
            self._transport.disconnect()
        os._exit(1)

    def _keep(self, kind: str, payload: bytes) -> None:
        self._spool.append(kind, payload, system_now())
        if kind != PEOPLE:  # these events come from our own polling
            self._last = time.monotonic()
        self._history_came = self._history_came or kind in (HISTORY, HISTORY_DAMAGED)

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
        elif not isinstance(signal, Disconnected):  # the library restores a lost connection
            self.fail(end_of_connection(signal))

    def _tell(self, event: dict[str, Any]) -> None:
        if event["event"] == "login":
            self._on_login(event["status"])
            return
        with suppress(OSError):  # the parent is gone
            os.write(self._out, (json.dumps(event) + "\n").encode())

    def _on_login(self, status: str) -> None:
        """Fail unless the pairing succeeded: the library reports its end only here."""
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
        """Send the parent the error, and end the process: nothing else ends the library now."""
        self._tell({"event": "failed", "code": error.code, "message": error.message, "hint": error.hint})
        os._exit(error.exit_status)


def main() -> None:
    """Run the child process: `python -m wa.connection.pairing OPTIONS`."""
    os.umask(0o077)
    options = json.loads(sys.argv[1])
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    child = _Child(Home(Path(options["home"])), out)
    threading.Thread(target=child.end_with_parent, daemon=True).start()
    try:
        child.run(options["phone"], options["full"])
    except WaError as error:
        child.fail(error)
    except ConnectFailed as error:
        why = f"WhatsApp cannot be reached: {error}"
        child.fail(WaError("network-error", why, "check the connection, then run `wa link` again"))
    except Exception as error:  # noqa: BLE001
        child.fail(WaError("pairing-failed", f"{type(error).__name__}: {error}", "run `wa link` again"))
    os._exit(0)


if __name__ == "__main__":
    main()
