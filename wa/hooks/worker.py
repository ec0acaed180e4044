"""The worker of one hook: it hands over the events of the log, in order within a chat, and notes the outcome.

What is known of an event is in the store before and after each attempt, so that a kill at any moment leaves
each event handed over, or to be handed over again. In memory are the ids of at most MOST_KNOWN events.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wa.as_json import to_json
from wa.hooks import alert, deliveries, program, replies, sessions, table, wanted, webhook
from wa.hooks.program import Result
from wa.record.events import log as events
from wa.record.events import told
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.paths import Home
from wa.store.wake import wake_owner
from wa.times import from_iso, to_iso

log = logging.getLogger(__name__)

MOST_KNOWN, AT_A_TIME = 500, 100
"""Events that a worker knows of and has not handed over; when there are fewer, it reads on, so many lines."""
AT_ONCE = 4
"""Programs of one hook that run at a time, each for another chat; a web address gets one event at a time."""
STARTS = 3
"""Runs that may end with the end of wa itself; after that, the event is set aside."""
AGAIN_FIRST, AGAIN_MOST, GIVE_UP = timedelta(seconds=5), timedelta(hours=1), timedelta(hours=24)
"""The time to the second attempt, which doubles up to the most, and the time after which there is none."""
LOOK_SECONDS = 0.5
"""Seconds to wait for a store that is locked, and the most between two looks at what is due."""
_MOVING = ("status", "reason", "cursor", "missed", "updated_at")
"""Columns of a hook that change while it works."""
LAZY = 200
"""Events that do not concern a hook which it passes before that is noted."""


@dataclass
class _Known:
    """An event that is to be handed over."""

    chat: str
    not_before: datetime | None = None
    is_running: bool = False
    delivery: Row = field(default_factory=dict)
    is_late: bool = False
    text: str = ""
    """The event as JSON: while it is handed over, and of one that was set aside before."""
    is_old: bool = False
    """Whether it was set aside before."""


class Worker:
    """A thread that serves one hook, until `stop`."""

    def __init__(self, home: Home, settings: Settings, now: Callable[[], datetime], hook: Row) -> None:
        self.hook = dict(hook)
        self._home, self._settings, self._now = home, settings, now
        self._known: dict[int, _Known] = {}
        self._read_to = self._noted_to = hook["cursor"]
        self._results: deque[tuple[int, Result]] = deque()
        self._work, self._ending = threading.Event(), webhook.Ending()
        self._thread = threading.Thread(target=self._run, name=f"hook {hook['name']}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def follow(self, hook: Row) -> bool:
        """Look at the log soon. Return False if another worker has to: the hook was edited, or this died."""
        is_edited = any(self.hook[name] != hook[name] for name in hook if name not in _MOVING)
        if is_edited or not self._thread.is_alive():
            return False
        self.hook["status"] = hook["status"]
        self._work.set()
        return True

    def is_done_up_to(self, newest: int) -> bool:
        """Return whether all events up to a place are handed over, or are to be handed over later."""
        left = any(each.is_running or each.not_before is None for each in list(self._known.values()))
        return self.hook["status"] != "active" or (self._read_to >= newest and not left)

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
            while not self._ending.is_set() or any(each.is_running for each in self._known.values()):
                self._work.clear()
                try:
                    if not is_taken_up:
                        with store.write():
                            deliveries.take_up(store, self.hook["id"], self._now())
                        is_taken_up = True
                    self._step(store)
                except sqlite3.OperationalError as error:  # locked or full: what is not noted comes again
                    log.info("hook %s waits for the store: %s", self.hook["name"], error)
                self._work.wait(LOOK_SECONDS)
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
        if self.hook["status"] != "active" or self._ending.is_set():
            return
        while len(self._known) < MOST_KNOWN and self._read_on(store):
            pass
        self._try_failed_again(store)
        running, begun = sum(each.is_running for each in self._known.values()), set[str]()
        most = AT_ONCE if self.hook["exec"] else 1
        for number, each in list(self._known.items()):
            if running >= most:
                return
            is_first = each.chat not in begun
            begun.add(each.chat)
            if is_first and not each.is_running and self._is_due(each):
                running += self._begin(store, number, each)

    def _is_due(self, known: _Known) -> bool:
        """Return whether an event may be handed over; at a time too far away too: the clock was set back."""
        now, at = self._now(), known.not_before
        return at is None or not now < at <= now + AGAIN_MOST

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────────

    def _read_on(self, store: Store) -> bool:
        """Read the next lines of the log. Return whether there may be more."""
        hook, oldest = self.hook, events.oldest(store)
        newest = events.newest(store)
        first = newest + 1 if oldest is None else oldest
        if first > self._read_to + 1 and not self._known:
            with store.write():
                table.note_missed(store, hook["id"], first - 1, first - 1 - self._read_to)
            self._read_to = first - 1
        lines = events.after(store, self._read_to, AT_A_TIME, types=hook["events"])
        settled = deliveries.settled_behind(store, hook["id"], self._read_to) if lines else set()
        again = deliveries.waiting(store, hook["id"]) if lines else {}
        for line in lines:
            if line["id"] not in settled and wanted.is_wanted(store, hook, line):
                at = again.get(line["id"])
                self._known[line["id"]] = _Known(line["chat_jid"] or "", from_iso(at) if at else None)
        is_full = len(lines) == AT_A_TIME
        self._read_to = lines[-1]["id"] if is_full else max(newest, self._read_to, *(e["id"] for e in lines))
        if not self._known and self._read_to - self._noted_to >= LAZY:
            with store.write(durable=False):
                self._pass(store)
        return is_full

    def _try_failed_again(self, store: Store) -> None:
        """Take up an event that was set aside, and that the user wants to be tried again."""
        found = deliveries.next_failed(store, self.hook["id"], self._now())
        if found is not None and found["event_id"] not in self._known:
            again = _Known(found["chat_jid"] or "", text=found["event"], is_old=True)
            self._known[found["event_id"]] = again

    def _pass(self, store: Store, done: int | None = None) -> None:
        """Note that the hook is done with `done`, and all before the first that is left."""
        left = [number for number, each in self._known.items() if not each.is_old and number != done]
        place = min(left) - 1 if left else self._read_to
        table.pass_to(store, self.hook["id"], place)
        self._noted_to = max(place, self._noted_to)

    # ── Handing over ────────────────────────────────────────────────────────────────────────────────

    def _begin(self, store: Store, number: int, known: _Known) -> bool:
        """Begin to hand over an event, on a thread of its own. Return whether that was begun."""
        now = self._now()
        line = None if known.is_old else events.get(store, number)
        if line is not None:
            known.is_late = told.is_late(line, now, timedelta(seconds=self.hook["max_age"]))
            known.text = events.event_of(line, late=known.is_late)
        elif not known.text:  # deleted before it could be handed over
            del self._known[number]
            with store.write():
                table.note_missed(store, self.hook["id"], 0, 1)
            return False
        else:
            known.is_late = True
            known.text = deliveries.text_now(store, self.hook["id"], number, known.text)
        about = line or {"id": number, "type": json.loads(known.text)["type"], "chat_jid": known.chat or None}
        with store.write(durable=False):
            known.delivery = deliveries.begin(store, self.hook["id"], about, now)
            if line is not None and line["type"] == "message" and self.hook["session"] != sessions.OFF:
                self._add_session(store, known, now)
            if known.delivery["starts"] > STARTS:
                why = f"wa itself ended {STARTS} times while this was handed over"
                deliveries.end(store, known.delivery, now, "failed", error=why, event=known.text)
                self._pass(store, number)
        if known.delivery["starts"] > STARTS:
            del self._known[number]
            return False
        known.is_running = True
        threading.Thread(target=self._hand_over, args=(number, known), daemon=True).start()
        return True

    def _add_session(self, store: Store, known: _Known, now: datetime) -> None:
        """Add the conversation so far to an event, in the caller's transaction."""
        event = json.loads(known.text)
        row = sessions.say(store, self.hook, event["data"], now, self._settings.zone)
        if row is not None:
            event["data"]["session"] = sessions.handed_out(row)
            known.text = to_json(event)

    def _hand_over(self, number: int, known: _Known) -> None:
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
        known, now, hook = self._known[number], self._now(), self.hook
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
                self._pass(store, number)
            if result.gone:
                table.change(store, hook["id"], now, status="paused", reason="the receiver is gone (410)")
        known.is_running, known.not_before = False, again
        if again is None:
            del self._known[number]
        if row_id is not None:
            wake_owner(self._home.socket)

    def _answer(
        self, store: Store, number: int, known: _Known, result: Result, now: datetime
    ) -> tuple[str | None, str | None]:
        """Queue what a program printed for a message. Return the id of the row, or None and why not."""
        hook, text = self.hook, result.output.strip()
        if result.error is not None or not text:
            return None, result.error
        if self._is_to_myself:
            return replies.notify(store, self._settings, hook, number, text, now)
        if not hook["exec"] or known.delivery["type"] != "message" or hook["is_alert"]:
            return None, None
        message, late = json.loads(known.text)["data"], known.is_late
        return replies.reply(store, self._settings, hook, number, message, text, now, late=late)

    @property
    def _is_to_myself(self) -> bool:
        """Whether what it hears becomes a message to oneself."""
        return not self.hook["exec"] and not self.hook["webhook"]

    def _again_at(self, known: _Known, now: datetime) -> datetime | None:
        """Return when an event is handed over again; None when that was tried for long enough."""
        if now - from_iso(known.delivery["first_at"]) >= GIVE_UP:
            return None
        doubled: timedelta = AGAIN_FIRST * 2 ** min(known.delivery["attempts"] - 1, 12)
        return now + min(AGAIN_MOST, doubled)
