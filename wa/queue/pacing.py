"""The pace of sending: pause, ban, brake, clock, disk, daily limit and spacing.

All commands share one pace, which is stored in the table `state`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from wa.queue import place, rows
from wa.queue.series import queued
from wa.record import messages
from wa.record.events import log
from wa.settings import Settings
from wa.store.database import Store
from wa.texts import counted
from wa.times import describe, format_duration, from_iso, to_iso
from wa.values import Value

LATE = timedelta(minutes=1)
"""A message that is sent later than this after its time is late."""
BURST_GAP = timedelta(minutes=5)
"""Sends less than this apart are one burst. A message that waits only for others of its burst is not late."""
CLOCK_SLACK = timedelta(minutes=5)
DISK_RETRY = timedelta(minutes=1)
BRAKE_FIRST, BRAKE_MOST = 15 * 60, 4 * 3600


class Block(Value):
    """The reason why nothing is sent now, and the moment when that ends (None: when the user acts)."""

    reason: str
    until: datetime | None
    text: str


def pause(store: Store, now: datetime) -> None:
    """Stop all sending; pending rows stay pending."""
    with store.write():
        before = store.state().get("paused")
        store.set_state("paused", {**(before or {}), "at": to_iso(now)})
        if before is None:
            _tell(store, "paused", None, now)


def _tell(store: Store, reason: str, until: datetime | None, now: datetime) -> None:
    """Tell programs that sending stops, until a moment or (None) until the user lets it go on."""
    data = {"status": "paused", "reason": reason, "until": to_iso(until) if until else None}
    log.add(store, "queue", now, data)


def resume(store: Store, now: datetime) -> int:
    """Allow sending again, and trust the clock: stored moments in the future count as now.

    In a copied home, due messages from before it was copied become `unknown`. Return their number.
    """
    from wa.queue.jobs import restore as jobs  # what makes rows is loaded where there are any
    from wa.queue.series import occurrences

    doubtful = 0
    with store.write():
        store.set_state("paused", None)
        if (made_here := place.take_over(store, now)) is not None:
            doubtful = rows.doubt(store, made_here, now)
            jobs.doubt(store, made_here, now)
        occurrences.catch_up(store, now)
        jobs.catch_up(store, now)
        rows.clamp_claims(store, now)
        newest = _newest_moment(store)
        if newest and newest > now:
            store.set_state("clock_trusted_to", to_iso(newest))
    return doubtful


def pause_text(store: Store, state: dict[str, Any]) -> str | None:
    """Return in words why all sending is paused: by the user, by a restore, in a copied home; or None."""
    if place.is_copy(state, store.home):
        return f"this home was copied or moved to another disk: {place.what_to_do()}"
    return "nothing goes out until `wa resume`" if "paused" in state else None


def word(block: Block | None) -> str:
    """Return the state of sending in one word: `on`, `paused` or `braked`."""
    if block is None or block.reason == "spacing":
        return "on"
    return "paused" if block.reason == "paused" else "braked"


def rebase(store: Store, now: datetime) -> None:
    """Count stored moments that lie in the future as now, so that a clock set back stops nothing."""
    rows.recent(store, 1)  # a damaged queue is an error also when no row of it is looked for
    is_a_job_ahead = _is_a_job_ahead(store, now)
    if not _ahead(store, now) and not is_a_job_ahead and not rows.any_from_the_future(store, now):
        return
    with store.write():
        for key, known in _ahead(store, now).items():  # looked at again: a brake may have come, or gone
            store.set_state(key, {**known, "at": to_iso(now)})
        series = queued.series_from_the_future(store, now)
        rows.revive_from_the_future(store, now)
        if series:
            from wa.queue.series import occurrences

            occurrences.rewind(store, series, now)
        if is_a_job_ahead:
            from wa.queue.jobs import restore as jobs

            jobs.rewind(store, now)


def _ahead(store: Store, now: datetime) -> dict[str, Any]:
    """Return what is stored of the spacing and the brake, by key, if its moment lies in the future."""
    state = store.state()
    return {
        key: state[key] for key in ("pacing", "brake") if key in state and from_iso(state[key]["at"]) > now
    }


def _is_a_job_ahead(store: Store, now: datetime) -> bool:
    """Return whether there is a job, and it derived something while the clock was ahead."""
    unfinished = "SELECT 1 FROM jobs WHERE status IN ('pending', 'running', 'paused') LIMIT 1"
    if store.value(unfinished) is None:
        return False
    from wa.queue.jobs import restore as jobs

    return jobs.is_ahead(store, now)


def blocked(
    store: Store, now: datetime, settings: Settings, state: dict[str, Any] | None = None
) -> Block | None:
    """Return what keeps all messages from being sent at `now`, or None; `state` is what `store` holds."""
    state = store.state() if state is None else state
    if text := pause_text(store, state):
        return Block("paused", None, text)
    if "ban" in state and (ban := ban_end(store, now)):
        return Block(
            "ban", ban, f"WhatsApp has banned this account until {describe(ban, settings.zone, now)}"
        )
    if "brake" in state:
        until = from_iso(state["brake"]["at"]) + timedelta(seconds=state["brake"]["seconds"])
        if until > now:
            return Block(
                "brake",
                until,
                f"WhatsApp asked for a rest; sending goes on at {describe(until, settings.zone, now)}",
            )
    if (newest := _newest_moment(store)) and newest > now + CLOCK_SLACK:
        trusted = state.get("clock_trusted_to")
        if trusted is None or newest > from_iso(trusted):
            return Block(
                "clock",
                newest - CLOCK_SLACK,
                f"the clock is {format_duration(whole(newest - now))} behind what is stored;"
                " set it right, or `wa resume` if it is right; else sending goes on at"
                f" {describe(newest - CLOCK_SLACK, settings.zone, now)}",
            )
    if not store.home.has_room():
        return Block("disk", now + DISK_RETRY, "the disk is full; sending waits for room")
    return _pacing(store, state, now, settings)


def whole(span: timedelta) -> timedelta:
    """Return a span in whole seconds, at least one."""
    return timedelta(seconds=max(1, int(span.total_seconds())))


def _pacing(store: Store, state: dict[str, Any], now: datetime, settings: Settings) -> Block | None:
    if settings.daily_limit is not None:
        day = timedelta(days=1)
        oldest = store.value(
            "SELECT claimed_at FROM scheduled_messages WHERE claimed_at > :since"
            " AND status IN ('sending', 'sent', 'unknown') ORDER BY claimed_at DESC LIMIT 1 OFFSET :skip",
            {"since": to_iso(now - day), "skip": settings.daily_limit - 1},
        )
        if oldest is not None:
            until = min(from_iso(oldest), now) + day
            return Block(
                "daily-limit",
                until,
                f"in 24 hours {counted(settings.daily_limit, 'message')} went out; the next may go at"
                f" {describe(until, settings.zone, now)}",
            )
    pacing = state.get("pacing")
    if pacing and settings.send_spacing:
        at = from_iso(pacing["at"])
        until = at + timedelta(seconds=pacing["gap"])
        if at <= now < until:
            return Block("spacing", until, "")
    return None


def _newest_moment(store: Store) -> datetime | None:
    """Return the latest stored moment at which a message was sent or received."""
    sent = store.value("SELECT max(claimed_at) FROM scheduled_messages WHERE claimed_at IS NOT NULL")
    received = store.value(
        "SELECT timestamp FROM messages WHERE source = 'live' ORDER BY timestamp DESC LIMIT 1"
    )
    moments = [from_iso(sent)] if sent else []
    if received is not None:
        moments.append(messages.moment(received))
    return max(moments, default=None)


def ban_end(store: Store, now: datetime) -> datetime | None:
    """Return when WhatsApp's ban ends, or None if there is none."""
    ban = store.state().get("ban")
    until = from_iso(ban["until"]) if ban else None
    return until if until and until > now else None


def note_send(store: Store, now: datetime, settings: Settings, state: dict[str, Any]) -> None:
    """Start the spacing that follows a send, in the transaction of the claim; `state` is as it was before."""
    import random  # `wa status` reads the pace, and makes none

    gap = settings.send_spacing * random.uniform(0.75, 1.25)  # noqa: S311
    began = _burst_began(state, now, settings)
    store.set_state("pacing", {"at": to_iso(now), "gap": gap, "since": to_iso(began)})


def _burst_began(state: dict[str, Any], now: datetime, settings: Settings) -> datetime:
    """Return when the present burst of sends began, or `now` if there is none."""
    pacing = state.get("pacing")
    longest = max(BURST_GAP, timedelta(seconds=2 * settings.send_spacing))
    if pacing and timedelta() <= now - from_iso(pacing["at"]) <= longest:
        return from_iso(pacing["since"])
    return now


def is_late(store: Store, due: datetime, now: datetime, settings: Settings) -> bool:
    """Return whether a message missed its time, and not because it waited for others of its burst."""
    return min(now, _burst_began(store.state(), now, settings)) - due > LATE


def brake(store: Store, now: datetime) -> None:
    """Stop all sending after an answer 429, for twice as long as the last time."""
    before = store.state().get("brake")
    seconds = min(BRAKE_MOST, before["seconds"] * 2) if before else BRAKE_FIRST
    store.set_state("brake", {"at": to_iso(now), "seconds": seconds})
    _tell(store, "brake", now + timedelta(seconds=seconds), now)


def release_brake(store: Store) -> None:
    """Start with a short stop at the next answer 429, after a message was sent."""
    store.set_state("brake", None)


def ban(store: Store, now: datetime, seconds: int) -> None:
    """Store the end of a ban of `seconds`: no process connects before."""
    until = now + timedelta(seconds=seconds)
    with store.write():
        store.set_state("ban", {"until": to_iso(until)})
        _tell(store, "ban", until, now)
