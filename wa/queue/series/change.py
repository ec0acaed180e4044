"""Changing a series as a whole: it is ended, held, released and edited, with the row that waits.

Each function is one transaction, and returns the newest row of the series.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.jids import check_recipient
from wa.people import recipients
from wa.people.recipients import Recipient
from wa.queue import checks, compose, rows, states
from wa.queue.series import create, occurrences, queued, table
from wa.queue.series.dates import Plan, dates, moment, number_before
from wa.queue.series.rules import parse
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.times import load_zone, quoted
from wa.values import replace
from wa.when import When, read_time_of_day, read_when


def find(store: Store, text: str, *, series: bool = False) -> tuple[str | None, str | None]:
    """Return the id of the row, or else of the series, that a text means; with `series`, that of its series.

    Raise WaError `not-found` and `ambiguous`, and `wrong-state` for a row that belongs to no series.
    """
    found = store.ids_like("series", text) if text else []
    if found and (found[0] == text or text.startswith("s")):
        if len(found) > 1 and found[0] != text:
            raise WaError(
                "ambiguous", f"{text!r} fits several series: {', '.join(found)}", "give more of the id"
            )
        return None, found[0]
    try:
        row_id = rows.find(store, text)
    except WaError as error:
        if len(found) == 1 and error.code == "not-found":
            return None, found[0]
        raise
    if found and row_id != text:
        raise WaError("ambiguous", f"{text!r} fits {row_id} and {', '.join(found)}", "give more of the id")
    if not series:
        return row_id, None
    series_id = rows.get(store, row_id)["series_id"]
    if series_id is None:
        raise WaError("wrong-state", f"{row_id} belongs to no series", "leave --series out")
    return None, series_id


def cancel(store: Store, series_id: str, now: datetime) -> Row:
    """End a series, and cancel what of it is not sent yet.

    Raise WaError `wrong-state` for one that has ended, and `unknown-outcome`, when it has been ended, if one
    of its rows is being sent.
    """
    with store.write():
        series = _expect(store, series_id, "cancelled", ("active", "held"))
        table.update(store, series_id, now, status="ended", ended_from=None)
        waiting = queued.open_of_series(store, series_id)
        for row in waiting:
            if row["status"] != "sending":
                states.cancel(store, row["id"], now)
    if sending := [row["id"] for row in waiting if row["status"] == "sending"]:
        raise WaError(
            "unknown-outcome",
            f"{series_id} has ended, but {sending[0]} is being sent, and cannot be cancelled",
            f"wa schedule show {sending[0]}",
        )
    return _newest(store, series)


def hold(store: Store, series_id: str, now: datetime) -> Row:
    """Hold a series: its dates pass and are missed, until it is released."""
    with store.write():
        series = _expect(store, series_id, "held", ("active",))
        table.update(store, series_id, now, status="held")
        for row in queued.open_of_series(store, series_id):
            if row["status"] == "pending":
                states.hold(store, row["id"], now)
    return _newest(store, series)


def unhold(store: Store, series_id: str, now: datetime) -> Row:
    """Let a held series go on, with the row that waits."""
    with store.write():
        series = _expect(store, series_id, "released", ("held",))
        table.update(store, series_id, now, status="active")
        for row in queued.open_of_series(store, series_id):
            if row["status"] == "held":
                states.unhold(store, row["id"], now)
    return _newest(store, series)


def _expect(store: Store, series_id: str, verb: str, allowed: tuple[str, ...]) -> Row:
    series = table.get(store, series_id)
    if series["status"] not in allowed:
        raise WaError(
            "wrong-state",
            f"{series_id} is {series['status']} and cannot be {verb}",
            f"only {' or '.join(allowed)} series can be {verb}",
        )
    return series


def _newest(store: Store, series: Row) -> Row:
    row = occurrences.current_row(store, table.get(store, series["id"]))
    assert row is not None  # noqa: S101
    return row


# ── Editing ─────────────────────────────────────────────────────────────────────────────────────────


def edit(
    store: Store,
    settings: Settings,
    series_id: str,
    now: datetime,
    *,
    text: str | None = None,
    at: str | None = None,
    tz: str | None = None,
    to: Recipient | None = None,
    every: str | None = None,
    until: str | None = None,
    count: int | None = None,
    without: Iterable[str] = (),
) -> Row:
    """Change a series from its next date on: the first that has no row, or whose row is not sent yet.

    A time of day alone keeps the dates; `at` with a day begins the series anew on that day. A rule keeps
    the day from which intervals are counted. Raise WaError `wrong-state` for a series that has ended, and
    `usage` for what `create.timing` refuses, and if nothing is to change.
    """
    with store.write():
        series = _expect(store, series_id, "edited", ("active", "held"))
        changes: Row = {}
        if text is not None:
            checks.check_text(text, may_be_empty=series["media_path"] is not None)
            changes.update(message=text, template=None, fields=None)
        if to is not None:
            check_recipient(to.jid)
            changes.update(to_jid=to.jid, to_phone=to.phone, contact_name=to.name)
            changes["contact_id"] = recipients.contact_of(store, to)
            if series["zone_of_contact"] and tz is None:
                changes["timezone"] = recipients.timezone_of(store, to) or str(settings.zone)
        if tz is not None:
            person = to or Recipient(series["to_jid"], series["to_phone"], series["contact_name"])
            zone = compose.zone_for(store, person, tz, load_zone(series["timezone"]))
            changes.update(timezone=str(zone), zone_of_contact=tz == "contact")
        typed = [at, every, until, count, *without]
        if not changes and not any(each is not None for each in typed):
            raise WaError("usage", "there is nothing to change", "give --text, --at, --tz, --to or --every")
        row = occurrences.current_row(store, series)
        if "timezone" in changes or any(each is not None for each in typed):
            after = {**series, **changes}
            changes.update(_timing(store, after, row, now, at, every, until, count, without))
        _apply(store, series, row, changes, now)
    return _newest(store, series)


def _apply(store: Store, series: Row, row: Row | None, changes: Row, now: datetime) -> None:
    """Change a series, and its newest row if that is not sent yet."""
    day = changes.pop("current", None)
    is_open = row is not None and row["status"] in rows.OPEN
    table.update(store, series["id"], now, **changes, **({"current": day} if day and is_open else {}))
    if row is None or not is_open:
        return
    after = table.get(store, series["id"])
    fresh = occurrences.row_for(after, date.fromisoformat(day or row["occurrence"]), now)
    names = [name for name in changes if name in ("message", "template", "to_jid", "to_phone", "contact_id")]
    if "to_jid" in changes:
        names.append("contact_name")
    moved: Row = {}
    if day:
        names += ["occurrence", "scheduled_at", "expires_at", "local_at", "timezone", "zone_of_contact"]
        moved = {"not_before": None, "is_immediate": False}
    rows.update(store, row["id"], now, **{name: fresh[name] for name in names}, **moved)


def _timing(
    store: Store,
    series: Row,
    row: Row | None,
    now: datetime,
    at: str | None,
    every: str | None,
    until: str | None,
    count: int | None,
    without: Iterable[str],
) -> Row:
    """Return the changes of a series for new dates, times or ends; `current` is its next date."""
    zone, old = load_zone(series["timezone"]), table.plan_of(series)
    starts = datetime.fromisoformat(series["starts_at_local"])
    if at is not None:
        clock = read_time_of_day(at)
        starts = datetime.combine(starts, clock) if clock else create.wall_of(_when(at, now, zone))
    create.check_count(count)
    end = (
        create.read_until(until, now, zone).isoformat(timespec="milliseconds")
        if until
        else series["until_local"]
    )
    days = old.without | create.read_days(without, now, zone)
    plan = Plan(
        parse(every) if every else old.rule,
        starts.date(),
        last=table.last_date(end, starts.time()),
        without=days,
    )
    total = series["count"] if count is None else count
    counted, counted_from = series["counted"], old.counted_from
    is_anew = every is not None or plan.first != old.first
    if not is_anew:
        plan = replace(plan, count=None if total is None else total - counted, counted_from=counted_from)
    waiting = row["occurrence"] if row and row["status"] in rows.OPEN else None
    day = _next_free(store, series, plan, starts, waiting, now)
    if is_anew and day is not None:
        before = (
            date.fromisoformat(waiting)
            if waiting
            else date.fromisoformat(series["current"]) + timedelta(days=1)
        )
        counted, counted_from = counted + number_before(old, before), day
    if day is None or (total is not None and total <= counted):
        raise WaError("usage", "no date would be left", "`wa schedule cancel --series` ends the series")
    return {
        "rrule": str(plan.rule),
        "starts_at_local": starts.isoformat(timespec="milliseconds"),
        "until_local": end,
        "count": total,
        "counted": counted,
        "counted_from": counted_from.isoformat() if counted_from else None,
        "without": json.dumps(sorted(each.isoformat() for each in days)),
        "current": day.isoformat(),
    }


def _when(at: str, now: datetime, zone: ZoneInfo) -> When:
    when = read_when(at, now, zone)
    if when.zone.key != zone.key:
        message = f"{quoted(at)} names {when.zone}, and the zone of the series is {zone}"
        raise WaError("usage", message, "--tz gives the series another zone")
    return when


def _next_free(
    store: Store, series: Row, plan: Plan, starts: datetime, waiting: str | None, now: datetime
) -> date | None:
    """Return the first date ahead that has no row, or whose row waits."""
    zone = load_zone(series["timezone"])
    for day in dates(plan, max(plan.first, now.astimezone(zone).date())):
        is_free = day.isoformat() == waiting or queued.of_date(store, series["id"], day.isoformat()) is None
        if is_free and moment(day, starts.time(), zone) >= now:
            return day
    return None
