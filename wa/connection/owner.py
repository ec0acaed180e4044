"""The owner of the connection: it records events, sends due messages and answers requests.

It has five threads. The transport's thread appends raw events to the spool, and the applier records them.
The sender sends the queue, a fourth thread answers other commands, and the main thread does the rest.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from wa.connection.actions import once
from wa.connection.incoming.events import keep_account
from wa.connection.incoming.recorder import BUSY_SECONDS, Patience, Recorder
from wa.queue import outcomes, pacing, send
from wa.queue.send import Claim, Scope
from wa.record import history_sync, merge_chats
from wa.settings import Settings
from wa.store.database import Store
from wa.store.device import forget_account
from wa.store.locks import FileLock, Heartbeat
from wa.store.open import explain, fault_of
from wa.store.paths import Home
from wa.store.wake import Stop, WakeSocket
from wa.times import describe, to_iso
from wa.whatsapp.errors import banned, end_of_connection, unmarked
from wa.whatsapp.signals import OF_THE_LINE, Banned, CaughtUp, Connected, Disconnected, LoggedOut, Signal
from wa.whatsapp.transport import Accepted, ConnectFailed, Handlers, NotSent, SendError, Transport

log = logging.getLogger(__name__)

LOOK_EVERY = 15 * 60.0
"""Seconds after which the sender looks at the queue even if nothing woke it."""
HEARTBEAT = 10.0
"""Seconds between two heartbeats, which are written to the session lock's file."""
LOOK_AGAIN = 1.0
"""Seconds after which the main thread looks at its deadlines and the store even if nothing woke it."""
TELL_EVERY = 0.02
"""The least seconds between two outcomes of which the main thread is told, while more messages follow."""
RECONNECT_FIRST, RECONNECT_MOST = 0.2, 30.0
"""Seconds before the first attempt to reconnect, and the most seconds before a later one."""
LET_GO_SECONDS = 20.0
"""Seconds after which the connection is closed while arriving events can be written nowhere."""
FINISH_SECONDS, CUT_SECONDS = 3.0, 1.0
"""Seconds for what is in hand after a request to stop, before and after the disconnect."""
DRAIN_SECONDS = 1.0
"""Seconds for which arrived events are still recorded after a request to stop."""
SWITCH = 0.0001
"""Seconds that a thread runs before another may, instead of 0.005, so that events are spooled soon."""
MARKS_KEPT = timedelta(days=30)
"""The age at which wire marks are deleted."""


class Owner:
    """The owner of the connection and of the session lock while `run` runs.

    `caught_up` is whether the server has handed over all events that waited there,
    `trouble` the reason why the last attempt to connect failed, and `settled` the ids
    of rows whose attempt is over, for the caller to report.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        transport: Transport,
        now: Callable[[], datetime],
        lock: FileLock,
        command: str,
        scope: Scope,
    ) -> None:
        self.home = home
        self.caught_up = self.connected = False
        self.settled: deque[str] = deque()
        self._settings, self._transport, self._now, self._scope = settings, transport, now, scope
        self._heart = Heartbeat(lock, command, scope.name.lower(), to_iso(now()))
        self._recorder = Recorder(home, transport, now, lambda: self._socket.wake(), self._failed)
        self._recorder.tells_line = scope is not Scope.WAITED
        self._store = Store(home, busy_seconds=BUSY_SECONDS)
        self._mark_store = Store(home, any_thread=True, busy_seconds=BUSY_SECONDS)
        self._socket, self._patience = WakeSocket(home.socket), Patience()
        self._send_store: Store | None = None
        self._signals: deque[Signal] = deque()
        self._connect_at: float | None = 0.0
        self.trouble: str | None = None
        self._stopping, self._cut, self._held = Stop(), threading.Event(), threading.Event()
        self._is_let_go, self._failed_connects = False, 0
        self._error: BaseException | None = None
        self._send_work, self._request_work = threading.Event(), threading.Event()
        self._sender = self._thread("sender", self._send_loop)
        self._requests = self._thread("requests", self._request_loop)
        self._next_beat = self._next_watch = 0.0
        self._next_tell, self._seen, self._clock_offset, self._is_changed = 0.0, -1, 0.0, False

    # ── The main thread ─────────────────────────────────────────────────────────────────────────────

    def run(self, until: Callable[[Owner], bool], tick: Callable[[Owner], None] | None = None) -> None:
        """Work until `until(self)` is true or `stop` is called; call `tick(self)` when there may be news.

        Raise the error that ended the work, if any: WaError, or the error that `stop` was called with.
        """
        try:
            self._begin()
            is_woken = True
            while not self._stopping.is_set() and not until(self):
                is_changed = self._look_after()
                if tick is not None and (is_woken or is_changed):
                    tick(self)
                is_woken, is_asked = self._socket.wait(self._pause())
                if is_asked:
                    self._nudge()
        except sqlite3.Error as error:
            self.stop(error)
        finally:
            self._finish()
        if tick is not None:
            tick(self)
        if self._error is not None:
            raise self._error

    def stop(self, error: BaseException | None = None) -> None:
        """Ask the main thread to end the work, with or without an error. Any thread may call this."""
        self._error = self._error or error
        self._stopping.set()
        self._socket.wake()

    def _failed(self, error: BaseException) -> None:
        """End the work with a thread's error, unless it is about to end and the store cannot be written."""
        if not (self._stopping.is_set() and isinstance(error, sqlite3.OperationalError)):
            self.stop(error)

    def _begin(self) -> None:
        sys.setswitchinterval(SWITCH)
        now = self._now()
        self._clock_offset = now.timestamp() - time.monotonic()
        self._beat()
        self._patience.insist(lambda: self._settle_the_past(now), self._stopping)
        if not self._stopping.is_set():
            self._recorder.start()
            self._sender.start()
            self._requests.start()

    def _settle_the_past(self, now: datetime) -> None:
        pacing.rebase(self._store, now)
        self.settled.extend(outcomes.settle_dead(self._store, self._transport.evidence, now))
        once.settle_dead(self._store, self._transport.evidence, now)
        self._recorder.spool.retry_stuck(self._store)
        with self._store.write():
            history_sync.interrupt(self._store, "interrupted", now)
        send.prune_marks(self._store, now - MARKS_KEPT)

    def _look_after(self) -> bool:
        """Do what is due. Return whether the store has changed."""
        while self._signals and self._patience.attempt(lambda: self._on_signal(self._signals[0])):
            self._signals.popleft()
        if self._connect_at is not None and not self._is_let_go and time.monotonic() >= self._connect_at:
            self._connect()
        if time.monotonic() >= self._next_watch:
            self._next_watch = time.monotonic() + LOOK_AGAIN
            self._watch_files()
            if self._is_changed:
                self._is_changed = False
                self._request_work.set()
        if time.monotonic() >= self._next_beat:
            self._beat()
            self._watch_clock()
            self._request_work.set()  # some of it is due after a time
        if is_changed := (version := self._store.version()) != self._seen:  # a writer may fail to wake us
            self._seen, self._is_changed = version, True
            self._send_work.set()
        return is_changed

    def _pause(self) -> float:
        if self._signals:
            return LOOK_AGAIN if self._patience.is_tried else 0.0
        if self._connect_at is None or self._is_let_go:
            return LOOK_AGAIN
        return min(LOOK_AGAIN, self._connect_at - time.monotonic())

    def _nudge(self) -> None:
        """Look at the queue and the requests at once: another process has added to them."""
        self._look_for_work()
        if self._connect_at is not None:
            self._connect_at = min(self._connect_at, time.monotonic() + RECONNECT_FIRST)

    def _look_for_work(self) -> None:
        self._send_work.set()
        self._request_work.set()

    def _beat(self) -> None:
        self._next_beat = time.monotonic() + HEARTBEAT
        self._heart.beat(to_iso(self._now()))

    def _watch_clock(self) -> None:
        """Wake the sender when the clock has been set."""
        offset = self._now().timestamp() - time.monotonic()
        self._patience.attempt(lambda: pacing.rebase(self._store, self._now()))
        if abs(offset - self._clock_offset) > 1:
            self._send_work.set()
        self._clock_offset = offset

    # ── The connection ──────────────────────────────────────────────────────────────────────────────

    def _connect(self) -> None:
        self._connect_at = None
        if ban := pacing.ban_end(self._store, self._now()):
            self.stop(banned(describe(ban, self._settings.zone, self._now())))
            return
        try:
            self._transport.connect(Handlers(self._recorder.keep, self._notify, self._mark, self._release))
        except ConnectFailed as error:
            self._disconnected(str(error))

    def _disconnected(self, reason: str) -> None:
        log.info("no connection: %s", reason)
        self.connected = False
        seconds = min(RECONNECT_MOST, RECONNECT_FIRST * 2 ** min(self._failed_connects, 10))
        self._failed_connects += 1
        self._connect_at = time.monotonic() + seconds * random.uniform(0.75, 1.25)  # noqa: S311
        self.trouble = reason
        self._socket.wake()
        self._heart.line("offline", reason, to_iso(self._now()))
        self._recorder.tell_line("offline", reason)

    def _watch_files(self) -> None:
        """End when the store or the spool is lost; close the connection while neither can be written."""
        if fault := self._recorder.fault(self._store):
            self.stop(fault)
        lets_go = self._recorder.seconds_unwritten() > LET_GO_SECONDS
        if lets_go and not self._is_let_go:
            self._transport.disconnect()
            for told in [each for each in self._signals.copy() if isinstance(each, OF_THE_LINE)]:
                self._signals.remove(told)  # by the line that is closed now: it no longer holds
            self._disconnected(f"what arrives cannot be stored: {self._recorder.spool.trouble}")
        self._is_let_go = lets_go

    def _notify(self, event: Signal) -> None:
        self._signals.append(event)
        self._socket.wake()

    def _on_signal(self, event: Signal) -> None:
        log.info("%s", event)
        if isinstance(event, Connected):
            self._failed_connects, self._connect_at = 0, None
            with self._store.write():
                keep_account(self._store, event.account, self._now())
            merge_chats.join_split_chats(self._store, self._now())
            self.connected = True
            self._heart.line("connected", None, to_iso(self._now()))
            self._recorder.tell_line("connected", None)
            self._look_for_work()
        elif isinstance(event, CaughtUp):
            self.caught_up = True
            self._request_work.set()
        elif isinstance(event, Disconnected):
            self._disconnected(event.reason)
        elif isinstance(event, Banned):
            pacing.ban(self._store, self._now(), event.seconds)
            until = self._now() + timedelta(seconds=event.seconds)
            self.stop(banned(describe(until, self._settings.zone, self._now())))
        else:
            if isinstance(event, LoggedOut):
                with self._store.write():
                    forget_account(self._store)
            self.stop(end_of_connection(event))

    # ── Requests of other commands ──────────────────────────────────────────────────────────────────

    def _request_loop(self) -> None:
        """Answer requests, on a thread of their own, for some take long."""
        store, patience = Store(self.home, busy_seconds=BUSY_SECONDS), Patience()
        answerer = once.Answerer(store, self._transport, self._settings, self._now, self._stopping)
        try:
            while not self._stopping.is_set():
                self._request_work.wait()
                self._request_work.clear()
                if self.caught_up and self.connected and self._scope is not Scope.WAITED:
                    patience.insist(answerer.refresh_groups, self._stopping)
                while self.connected and patience.insist(answerer.answer, self._stopping):
                    self._socket.wake()
            Patience().insist(answerer.record, self._cut)
        finally:
            store.close()

    # ── Sending ─────────────────────────────────────────────────────────────────────────────────────

    def _mark(self, message_id: str, to_jid: str) -> None:
        """Commit a wire mark; the transport calls this on the sender's thread or on its own thread."""
        store = self._send_store if threading.current_thread() is self._sender else self._mark_store
        assert store is not None  # noqa: S101
        patience = Patience()
        try:
            patience.insist(partial(send.mark_wire, store, message_id, to_jid, self._now()), self._stopping)
        except sqlite3.Error as error:
            raise unmarked(error, is_waited_for=self._scope is Scope.WAITED) from error
        if patience.is_tried:  # the process ends while the store is locked: the frame must not leave
            self._held.set()
            threading.Event().wait()

    def _release(self, secret: bytes) -> None:
        """Raise NotSent if the row of an attempt was withdrawn while its file was uploaded."""
        store = self._send_store
        assert store is not None  # noqa: S101
        if not Patience().insist(lambda: send.release(store, secret, self._now()), self._cut):
            raise NotSent("it was withdrawn while its file was uploaded")

    def _send_loop(self) -> None:
        store = self._send_store = Store(self.home, busy_seconds=BUSY_SECONDS)
        patience = Patience()
        try:
            claim = None
            while claim is not None or not self._stopping.is_set():
                if claim is None:
                    claim = patience.insist(lambda: self._wait_for_work(store), self._stopping)
                else:
                    claim = self._send_one(store, claim)
        finally:
            store.close()

    def _wait_for_work(self, store: Store) -> Claim | None:
        """Sleep until a row is due or the sender is woken. Return the claimed row, or None."""
        self._send_work.clear()
        seconds = 0.0 if self._stopping.is_set() else None  # what was cleared may have told it to end
        if self.connected and seconds is None:
            seconds = send.seconds_to_next(store, self._now(), self._settings, self._scope)
            if seconds == 0:
                return send.claim(store, self._now(), self._settings, self._scope)
        self._send_work.wait(LOOK_EVERY if seconds is None else min(seconds, LOOK_EVERY))
        return None

    def _send_one(self, store: Store, claim: Claim) -> Claim | None:
        """Send a claimed row and record the outcome. Return the next row, claimed in the same commit."""
        result: Accepted | SendError
        log.info("%s goes to %s", claim.id, claim.message.to_jid)
        log.debug("%s says %r", claim.id, claim.message.text)
        try:
            result = self._transport.send(claim.message)
        except SendError as error:
            result = error
        except Exception as error:  # the message may still have been sent
            result = SendError(f"{type(error).__name__}: {error}")
        log.info("%s: %s", claim.id, result)
        following = Patience().insist(lambda: self._settle(store, claim, result), self._cut)
        self.settled.append(claim.id)
        if following is None or time.monotonic() >= self._next_tell:
            self._next_tell = time.monotonic() + TELL_EVERY
            self._socket.wake()
        return following

    def _settle(self, store: Store, claim: Claim, result: Accepted | SendError) -> Claim | None:
        if not isinstance(result, Accepted):
            outcomes.settle(store, claim.id, result, self._transport.evidence, self._now())
            return None
        with store.write():
            outcomes.settle(store, claim.id, result, self._transport.evidence, self._now())
            if self.connected and not self._stopping.is_set():
                return send.claim(store, self._now(), self._settings, self._scope)
        return None

    # ── The end ─────────────────────────────────────────────────────────────────────────────────────

    def _thread(self, name: str, loop: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(loop,), name=name, daemon=True)

    def _guard(self, loop: Callable[[], None]) -> None:
        """Run a thread's loop. An error that ends the loop ends the owner with that error."""
        try:
            loop()
        except BaseException as error:
            self._failed(error)

    def _finish(self) -> None:
        """Finish what is in hand, claim no more, record the spool; what hangs keeps the lock to the end."""
        for each in (self._stopping, self._send_work, self._request_work):
            each.set()
        deadline = time.monotonic() + FINISH_SECONDS
        for thread in (self._sender, self._requests):
            while thread.is_alive() and not self._held.is_set() and time.monotonic() < deadline:
                thread.join(0.05)
        self._transport.disconnect()
        self._recorder.tell_line("none", str(self._error) if self._error else None)
        has_recorded = self._recorder.finish(DRAIN_SECONDS)
        self._cut.set()
        for thread in (self._sender, self._requests):
            if thread.ident is not None:
                thread.join(CUT_SECONDS)
        for used in (self._store, self._mark_store, self._socket):
            used.close()
        if isinstance(self._error, sqlite3.Error):
            self._error = fault_of(self._store) or explain(self._error, self.home)
        if has_recorded and not any(each.is_alive() for each in (self._sender, self._requests)):
            self._heart.end(self._error, to_iso(self._now()))
