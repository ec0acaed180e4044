"""The status of a home, as data for `wa status`: the line to WhatsApp, and whether anybody sends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from wa.backup import history as backup
from wa.connection import spool
from wa.connection.context import Context
from wa.hooks import table as hooks
from wa.queue import attention, pacing
from wa.queue import rows as queue
from wa.queue.jobs import table as jobs
from wa.record import messages
from wa.store.database import Row, Store
from wa.store.device import linked_account
from wa.store.locks import describe_holder, look
from wa.store.paths import Home
from wa.times import format_duration, from_iso, to_iso
from wa.values import Value

SILENT = timedelta(seconds=30)
"""The age of a heartbeat from which on the owner of the connection counts as stopped."""
CLOCK_SLACK = timedelta(minutes=5)
"""The time by which WhatsApp's clock may be ahead of ours."""

_START = "start `wa listen` or `wa run-scheduler`; `wa service` keeps one running"
_SLACK = {"connection_since": timedelta(), "last_message_at": CLOCK_SLACK, "last_backup_at": timedelta()}


class Line(Value):
    """The line to WhatsApp, as its owner describes it, or described it last.

    `state` is connected, connecting, offline, or none without an owner; `since` is ISO text, `reason` says
    why the line is down. `owner` is what the owner wrote into the session lock, None without an owner;
    `error` is the code and the hint of the error with which the last owner ended.
    """

    state: str
    since: str | None
    reason: str | None
    owner: dict[str, Any] | None
    is_silent: bool = False
    error: tuple[str, str | None] | None = None

    def nobody_sends(self, *, scheduled: bool) -> tuple[str, str] | None:
        """Return why nobody sends a message, and what to do; None if the owner does, or will.

        A message that is not `scheduled` was made to be sent at once.
        """
        if self.owner is None:
            return "nothing is running that will send it", _START
        if self.is_silent:
            return str(self.reason), _restart(self.owner)
        sends = self.owner.get("sends")
        if sends == "waited" or (sends == "unscheduled" and scheduled):
            return (
                f"{describe_holder(self.owner)} holds the connection, and will not send it",
                "start it without --no-send" if sends == "unscheduled" else _START,
            )
        return None


def _restart(owner: dict[str, Any]) -> str:
    return f"restart it: kill -9 {owner.get('pid')}, then start it again"


def line_of(home: Home, now: datetime) -> Line:
    """Return the state of the line at `now`."""
    owner, last = look(home.session_lock)
    if owner is None:
        if last.get("error"):
            reason = f"{describe_holder(last)} ended: {last['error']}"
            error = (last.get("code") or "internal", last.get("hint"))
            return Line("none", last["ended"], reason, None, error=error)
        if last and not last.get("ended"):
            return Line("none", last.get("heartbeat"), f"{describe_holder(last)} was killed", None)
        return Line("none", last.get("ended"), None, None)
    if beat := owner.get("heartbeat"):
        silent = now - from_iso(beat)
        if abs(silent) > SILENT:
            ago = f"has not answered for {format_duration(pacing.whole(silent))}"
            if silent < timedelta():
                ago = f"answered last at {beat}, which lies in the future"
            return Line("offline", beat, f"{describe_holder(owner)} {ago}", owner, is_silent=True)
    state = owner.get("connection", "connecting")
    return Line(state, owner.get("connection_since"), owner.get("connection_reason"), owner)


class Status(Value):
    """The status of a home. `values` is the output of `--json`; the rest is for people.

    `overdue` is why nobody sends what is overdue, and what to do. `backup_at` is the
    moment of the last good backup, `backup_ahead` that of one dated in the future,
    `waiting` the number of backups that wait for upload, `trouble` the error of the last
    run of the backup, and `stuck` the reasons why events cannot be recorded.
    """

    values: dict[str, Any]
    line: Line
    overdue: tuple[str, str] | None
    backup_at: datetime | None
    backup_ahead: datetime | None
    waiting: int
    trouble: str | None
    stuck: list[str]


def status_of(context: Context) -> Status:
    """Return the account, the owner of the connection, the queue, and the last message and backup."""
    store, now = context.store, context.now()
    line = line_of(context.home, now)
    block = pacing.blocked(store, now, context.settings)
    counts = queue.counts(store)
    newest = messages.newest_time(store)
    saved = backup.describe(store, now)
    owner = None if line.owner is None else {key: line.owner.get(key) for key in ("pid", "command", "since")}
    values: dict[str, Any] = {
        "account": _account(context),
        "owner": owner,
        "connection": line.state,
        "connection_since": line.since,
        "connection_reason": line.reason,
        "sending": pacing.word(block),
        "sending_note": block.text if block and block.reason != "spacing" else None,
        "queue": counts,
        "overdue": attention.overdue(store, now),
        "unseen": attention.unseen(store, counts),
        "paused_jobs": jobs.paused_with_reason(store),
        "resting_hooks": hooks.resting(store),
        "renumbered": attention.renumbered(store),
        "unknown_changes": _unknown_changes(store, now),
        "spool": spool.count(store),
        "last_message_at": to_iso(messages.moment(newest)) if newest is not None else None,
        "last_backup_at": to_iso(saved["last_at"]) if saved["last_at"] else None,
    }
    values["in_the_future"] = [name for name in _SLACK if values[name] and _is_ahead(name, values[name], now)]
    overdue = line.nobody_sends(scheduled=True) if values["overdue"] else None
    stuck = spool.stuck(store)
    return Status(
        values, line, overdue, saved["last_at"], saved["ahead"], saved["waiting"], saved["trouble"], stuck
    )


def _unknown_changes(store: Store, now: datetime) -> int:
    """Return the number of reactions, edits and the like that may have been done in the last day."""
    open_ones = "requests INDEXED BY requests_open WHERE status IN ('pending', 'doing', 'unknown')"
    sql = f"SELECT count(*) FROM {open_ones} AND status = 'unknown' AND claimed_at > ?"
    return int(store.value(sql, [to_iso(now - timedelta(days=1))]))


def _is_ahead(name: str, moment: str, now: datetime) -> bool:
    """Return whether a stored moment lies in the future: the clock is wrong, or was."""
    return from_iso(moment) > now + _SLACK[name]


def _account(context: Context) -> Row | None:
    linked = linked_account(context.store)
    if linked is None and context.settings.transport == "loopback":
        from wa.whatsapp.loopback.lines import ACCOUNT

        return {"jid": ACCOUNT.jid, "lid": ACCOUNT.lid, "push_name": ACCOUNT.push_name}
    return linked
