"""The worker of one hook: it hands over the events of the log, in order within a chat, and notes the outcome.

What is known of an event is in the store before and after each attempt, so that a kill at any moment leaves
each event handed over, or to be handed over again.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from wa.as_json import to_json
from wa.hooks import alert, bursts, deliveries, program, replies, sessions, table, webhook
from wa.hooks.program import Result
from wa.hooks.serving.backlog import AGAIN_MOST, Backlog, Known
from wa.record.events import log as events
from wa.record.events import told
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.paths import Home
from wa.store.wake import wake_owner
from wa.times import from_iso, to_iso

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Programs of one hook that run at a time, each for another chat; a web address gets one event at a time."""
STARTS = 3
"""Runs that may end with the end of wa itself; after that, the event is set aside."""
AGAIN_FIRST, GIVE_UP = timedelta(seconds=5), timedelta(hours=24)
"""The time to the second attempt, which doubles up to AGAIN_MOST, and that after which there is none."""
LOOK_SECONDS = 0.5
"""Seconds to wait for a store that is locked, and the most between two looks at what is due."""
_MOVING = ("status", "reason", "cursor", "missed", "updated_at")
"""Columns of a hook that change while it works."""


class Worker:
    """A thread that serves one hook, until `stop`."""

    def __init__(self, home: Home, settings: Settings, now: Callable[[], datetime], hook: Row) -> None:
        self.hook = dict(hook)
        self._home, self._settings, self._now = home, settings, now
        self._backlog = Backlog(self.hook)
        self._results: deque[tuple[int, Result]] = deque()
        self._work, self._ending = threading.Event(), webhook.Ending()
        self._thread = threading.Thread(target=self._run, name=f"hook {hook['name']}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def follow(self, hook: Row) -> bool:
        """Look at the log soon. Return False if another worker has to: the hook was edited, or this died."""
        if self._is_edited(hook) or not self.is_alive:
            return False
        self._work.set()
        return True

    @property
    def is_alive(self) -> bool:
        """Whether it works, and has not died."""
        return self._thread.is_alive()

    def is_done_up_to(self, newest: int) -> bool:
        """Return whether all events up to a place are handed over, or are to be handed over later."""
        return self.hook["status"] != "active" or self._backlog.is_empty_up_to(newest)

    def stop(self) -> None:
        """Ask for the end: programs that run are ended, and their events handed over again later."""
        self._ending.set()
        self._work.set()

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            store = Store(self._home, busy_seconds=LOOK_SECONDS)
        except (OSError, sqlite3.Error):
            return
        try:
            is_taken_up = False
            while not self._ending.is_set() or self._backlog.running():
                self._work.clear()
                try:
                    if not is_taken_up:
                        with store.write():
                            deliveries.take_up(store, self.hook["id"], self._now())
                        is_taken_up = True
                    self._step(store)
                except sqlite3.OperationalError as error:  # locked or full: what is not noted comes again
                    log.info("hook %s waits for the store: %s", self.hook["name"], error)
                self._work.wait(self._backlog.pause(self._now(), LOOK_SECONDS))
        except Exception as error:  # the runner begins it again
            log.warning("hook %s has stopped: %s", self.hook["name"], error)
            log.info("it stopped here", exc_info=True)
        finally:
            store.close()

    def _step(self, store: Store) -> None:
        while self._results:
            number, result = self._results[0]
            self._settle(store, number, result)
            self._results.popleft()
        if not self._look(store) or self._ending.is_set():
            return
        now = self._now()
        self._backlog.fill(store, now)
        room = (AT_ONCE if self.hook["exec"] else 1) - self._backlog.running()
        for number, known in self._backlog.due(now):
            if room <= 0 or not self._look(store):
                return
            room -= self._begin(store, number, known)

    def _is_edited(self, hook: Row) -> bool:
        return any(self.hook[name] != hook[name] for name in hook if name not in _MOVING)

    def _look(self, store: Store) -> bool:
        """Note the hook's status. Return whether the hook is there, active and not edited.

        The runner learns these a moment later, and what was settled just now may have stopped the hook.
        """
        found = table.by_id(store, self.hook["id"])
        self.hook["status"] = found["status"] if found else None
        return found is not None and found["status"] == "active" and not self._is_edited(found)

    def _begin(self, store: Store, number: int, known: Known) -> bool:
        """Begin to hand over an event, on a thread of its own. Return whether that was begun."""
        now = self._now()
        hook_id, is_over = self.hook["id"], False
        self._backlog.begin(known)
        found = [events.get(store, each) for each in known.numbers]
        lines = [line for line in found if line is not None]
        if lines:
            self._word(store, number, known, lines)
        elif known.text:
            told_of = json.loads(known.text)
            line = {**told_of, "data": to_json(told_of["data"])}
            known.is_late = told.is_late(line, now, timedelta(seconds=self.hook["max_age"]))
            known.text = deliveries.text_now(store, hook_id, number, known.text)
        gone = len(found) - len(lines) if lines or not known.text else 0
        known.numbers = [line["id"] for line in lines]
        with store.write(durable=False):
            if gone:  # deleted before they could be handed over
                table.note_missed(store, hook_id, 0, gone)
            if known.text:
                kind = json.loads(known.text)["type"]
                about = {"id": number, "type": kind, "chat_jid": known.chat or None}
                others = [each for each in known.numbers if each != number]
                known.delivery = deliveries.begin(store, hook_id, about, now, others)
                if lines and kind == "message" and self.hook["session"] != sessions.OFF:
                    self._add_session(store, known, now)
                is_over = known.delivery["starts"] > STARTS
            if is_over:
                why = f"wa itself ended {STARTS} times while this was handed over"
                deliveries.end(store, known.delivery, now, "failed", error=why, event=known.text)
                self._backlog.pass_on(store, number)
        if is_over or not known.text:
            del self._backlog.known[number]
            return False
        known.is_running = True
        threading.Thread(target=self._hand_over, args=(number, known), daemon=True).start()
        return True

    def _word(self, store: Store, number: int, known: Known, lines: list[Row]) -> None:
        """Write what is handed over, from its lines of the log."""
        age = timedelta(seconds=self.hook["max_age"])
        known.is_late = told.is_late(lines[-1], self._now(), age)
        if len(lines) > 1 or (self.hook["settle"] and lines[0]["type"] == "message"):
            known.text = bursts.event_of(store, number, lines, late=known.is_late)
        else:
            known.text = events.event_of(lines[0], late=known.is_late)

    def _add_session(self, store: Store, known: Known, now: datetime) -> None:
        """Add the conversation so far to an event, in the caller's transaction."""
        event = json.loads(known.text)
        for message in bursts.messages_of(event["data"]):
            row = sessions.say(store, self.hook, message, now, self._settings.zone)
            if row is not None:
                event["data"]["session"] = sessions.handed_out(row)
        known.text = to_json(event)

    def _hand_over(self, number: int, known: Known) -> None:
        hook = self.hook
        try:
            if self._is_to_myself:
                result = Result(alert.words(self._settings, json.loads(known.text)["data"], self._now()))
            elif hook["exec"]:
                extra = {"WA_HOOK": f"{hook['id']}:{number}", "WA_HOME": str(self._home.path)}
                result = program.run(hook["exec"], known.text, hook["timeout"], extra, self._ending)
            else:
                to, seconds = (hook["webhook"], hook["secret"]), hook["timeout"]
                result = webhook.post(*to, number, known.text, seconds, self._now(), self._ending)
        except Exception as error:  # a bug of ours is an outcome too
            log.info("hook %s", hook["name"], exc_info=True)
            result = Result(error=f"{type(error).__name__}: {error}")
        self._results.append((number, result))
        self._work.set()

    def _settle(self, store: Store, number: int, result: Result) -> None:
        """Note the outcome of an attempt, the reply and the place of the hook, in one transaction."""
        known, now, hook = self._backlog.known[number], self._now(), self.hook
        with store.write():
            if not deliveries.is_current(store, known.delivery):  # another worker has taken over
                self._ending.set()
                known.is_running = False
                return
            row_id, why = self._answer(store, number, known, result, now)
            again = self._again_at(known, now) if result.again else None
            if again is not None:
                kept = deliveries.text_now(store, hook["id"], number, known.text) if known.is_old else None
                at = to_iso(again)
                deliveries.end(store, known.delivery, now, "waiting", error=why, next_at=at, event=kept)
            else:
                kept = deliveries.text_now(store, hook["id"], number, known.text) if result.error else None
                deliveries.end(
                    store, known.delivery, now, "failed" if result.error else "done", error=why,
                    output=result.output or None, row_id=row_id, event=kept,
                )  # fmt: skip
                self._backlog.pass_on(store, number)
            if result.gone:
                table.change(store, hook["id"], now, status="paused", reason="the receiver is gone (410)")
        known.is_running, known.not_before = False, again
        if again is None:
            del self._backlog.known[number]
        if row_id is not None:
            wake_owner(self._home.socket)

    def _answer(
        self, store: Store, number: int, known: Known, result: Result, now: datetime
    ) -> tuple[str | None, str | None]:
        """Queue what a program printed for a message. Return the id of the row, or None and why not."""
        hook, text = self.hook, result.output.strip()
        if result.error is not None or not text:
            return None, result.error
        if self._is_to_myself:
            return replies.notify(store, self._settings, hook, number, text, now)
        if not hook["exec"] or known.delivery["type"] != "message" or hook["is_alert"]:
            return None, None
        message, late = bursts.readable(json.loads(known.text)["data"]), known.is_late
        return replies.reply(store, self._settings, hook, number, message, text, now, late=late)

    @property
    def _is_to_myself(self) -> bool:
        """Whether what it hears becomes a message to oneself."""
        return not self.hook["exec"] and not self.hook["webhook"]

    def _again_at(self, known: Known, now: datetime) -> datetime | None:
        """Return when an event is handed over again; None when that was tried for long enough."""
        if now - from_iso(known.delivery["first_at"]) >= GIVE_UP:
            return None
        doubled: timedelta = AGAIN_FIRST * 2 ** min(known.delivery["attempts"] - 1, 12)
        return now + min(AGAIN_MOST, doubled)
