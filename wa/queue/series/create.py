"""Making a series: what the user typed, checked and stored with the row of its first date."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.jids import check_recipient
from wa.people import recipients
from wa.people.recipients import Recipient
from wa.queue import checks, compose, place, rows
from wa.queue.retired import spent
from wa.queue.series import occurrences, rules, table
from wa.queue.series.dates import MOST_COUNTED, Plan, dates, moment, skipped
from wa.record.names import canonical
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.open import bind_store
from wa.store.wake import wake_owner
from wa.times import describe, format_duration, load_zone, quoted
from wa.values import Value, replace
from wa.when import When, parse_when

_TYPED_AGAIN = ("message", "template", "rrule", "timezone", "count")
"""The columns that a command must repeat to be answered with the series of its key."""
_GAPS_WITHIN = timedelta(days=800)


class Timing(Value):
    """When a series sends: a plan of dates, a time of day and a zone.

    `until_local` is the end as wall-clock time. `of_contact` is whether the zone follows the contact's.
    """

    plan: Plan
    clock: time
    zone: ZoneInfo
    until_local: datetime | None = None
    of_contact: bool = False

    @property
    def columns(self) -> Row:
        """Return the columns of a series for its timing."""
        starts = datetime.combine(self.plan.first, self.clock)
        until = self.until_local
        return {
            "rrule": str(self.plan.rule),
            "timezone": str(self.zone),
            "zone_of_contact": self.of_contact,
            "starts_at_local": starts.isoformat(timespec="milliseconds"),
            "until_local": until.isoformat(timespec="milliseconds") if until else None,
            "count": self.plan.count,
            "without": json.dumps(sorted(day.isoformat() for day in self.plan.without)),
        }


def timing(
    every: str,
    at: str,
    now: datetime,
    zone: ZoneInfo,
    *,
    until: str | None = None,
    count: int | None = None,
    without: Iterable[str] = (),
    of_contact: bool = False,
) -> Timing:
    """Return the timing that the user typed; its first date is the first of the rule that is not before `at`.

    Raise WaError `usage` for what is refused: a rule that never happens, an end before the beginning.
    """
    rule = rules.parse(every)
    when = compose.read_at(at, now, zone, of_contact=of_contact)
    starts, zone = wall_of(when), when.zone
    plan = Plan(rule, starts.date(), without=read_days(without, now, zone))
    check_count(count)
    end = None if until is None else read_until(until, now, zone)
    if end is not None and end < starts:
        raise WaError("usage", f"--until {end:%Y-%m-%d %H:%M} is before --at {starts:%Y-%m-%d %H:%M}")
    last = table.last_date(end.isoformat() if end else None, starts.time())
    plan = replace(plan, last=last, count=count)
    first = next(dates(replace(plan, without=frozenset(), last=None, count=None), plan.first), None)
    if first is None:
        raise WaError("usage", f"{quoted(every)} never happens: it has no date in 100 years")
    plan = replace(plan, first=first)
    if occurrences.first_date(plan, starts.time(), str(zone), now) is None:
        raise WaError("usage", f"no date of {quoted(every)} is left between its start and its end")
    return Timing(plan, starts.time(), zone, end, of_contact)


def times(when: Timing, now: datetime) -> list[datetime]:
    """Return the next moments of a timing, at most five."""
    first = occurrences.first_date(when.plan, when.clock, str(when.zone), now)
    following = dates(when.plan, first) if first else ()
    return [moment(day, when.clock, when.zone) for day in islice(following, occurrences.SHOWN)]


def wall_of(when: When) -> datetime:
    """Return the wall-clock time of a time that was read, also one that the clock skips on its day."""
    return when.wall or when.moment.astimezone(when.zone).replace(tzinfo=None)


def read_until(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the wall-clock time of an end; a day without a time is meant to its last moment."""
    try:
        end = parse_when(f"{text} 23:59:59.999", now, zone)
    except WaError:
        end = parse_when(text, now, zone)
    return end.astimezone(zone).replace(tzinfo=None)


def read_days(texts: Iterable[str], now: datetime, zone: ZoneInfo) -> frozenset[date]:
    """Return the days that texts mean."""
    return frozenset(read_until(each, now, zone).date() for text in texts for each in text.split(","))


def check_count(count: int | None) -> None:
    """Raise WaError `usage` for a number of dates that is refused."""
    if count is not None and not 1 <= count <= MOST_COUNTED:
        raise WaError("usage", f"--count is a number from 1 to {MOST_COUNTED:,}", "leave it out for no end")


def schedule(
    store: Store,
    settings: Settings,
    to: Recipient,
    text: str,
    when: Timing,
    now: datetime,
    *,
    grace: timedelta | None = None,
    file: Path | Row | None = None,
    key: str | None = None,
    draft: bool = False,
    template: str | None = None,
    fields: Mapping[str, str] | None = None,
    created_from: str = "cli",
) -> Row:
    """Add a series, and wake the owner of the connection. Return the row of its newest date.

    `template` is the name of the template that the text is of, and `fields` are its fields beside those that
    every recipient has. Raise as `compose.one_part` and `add` do.
    """
    part = compose.one_part(store.home, text, file, key=key)
    bind_store(store, settings.transport)
    series = add(
        store,
        to,
        text,
        when,
        now,
        grace=settings.grace if grace is None else grace,
        key=key,
        file=part.file,
        draft=draft,
        template=template,
        fields=fields,
        created_from=created_from,
    )
    row = occurrences.current_row(store, series)
    assert row is not None  # noqa: S101
    checks.check_decided({**row, "idempotency_key": key})
    wake_owner(store.home.socket)
    return row


def add(
    store: Store,
    to: Recipient,
    text: str,
    when: Timing,
    now: datetime,
    *,
    grace: timedelta,
    key: str | None = None,
    file: Row | None = None,
    draft: bool = False,
    template: str | None = None,
    fields: Mapping[str, str] | None = None,
    created_from: str = "cli",
) -> Row:
    """Add a series and the row of its first date, in one transaction. Return the series.

    Return the series that already has this key. Raise WaError as `rows.enqueue` does.
    """
    checks.check_text(text, may_be_empty=file is not None)
    check_recipient(to.jid)
    if key == "":
        raise WaError("usage", "the key is empty", "leave --key out, or give it a text of your own")
    first = occurrences.first_date(when.plan, when.clock, str(when.zone), now)
    assert first is not None  # noqa: S101
    series: Row = {
        **(file or {"media_path": None}),
        **when.columns,
        "to_jid": to.jid,
        "to_phone": to.phone,
        "contact_name": to.name,
        "contact_id": recipients.contact_of(store, to),
        "message": text,
        "template": template,
        "fields": json.dumps(dict(fields), ensure_ascii=False) if fields else None,
        "grace": format_duration(max(grace, timedelta(seconds=1))),
        "is_draft": draft,
        "current": first.isoformat(),
        "created_from": created_from,
        "idempotency_key": key,
    }
    with store.write():
        if key is not None:
            if (known := table.by_key(store, key)) is not None:
                _check_key(store, known, series)
                return known
            checks.expect_unused(store, "scheduled_messages", key)
        place.keep(store, now)
        made = table.add(store, series, now)
        rows.add_row(store, occurrences.row_for(made, first, now), now)
        return made


def _check_key(store: Store, known: Row, series: Row) -> None:
    """Raise WaError unless the series of a key is what a command would make, and goes on."""
    spent.check_not_spent(known)
    key, series_id = known["idempotency_key"], known["id"]
    is_other = any(known[name] != series[name] for name in _TYPED_AGAIN if name in series)
    is_other |= not checks.same_file(known, series)
    is_other |= canonical(store, known["to_jid"]) != canonical(store, series["to_jid"])
    if is_other or known["starts_at_local"][10:] != series["starts_at_local"][10:]:
        raise WaError(
            "usage",
            f"the key {key!r} was used for another recipient, message, rule or time ({series_id})",
            "choose another key, or repeat the first command as it was",
        )
    if known["status"] == "ended" and known["ended_from"] is None:
        raise WaError(
            "wrong-state",
            f"the key {key!r} is that of {series_id}, which was cancelled",
            "choose another key",
        )


def remarks(series: Row, now: datetime) -> Sequence[str]:
    """Return in words what a user should know about the dates of a series: those skipped, and times moved."""
    plan, clock, zone = table.plan_of(series), table.clock_of(series), load_zone(series["timezone"])
    found = [words] if (words := skipped(plan)) else []
    since = max(plan.first, now.astimezone(zone).date())
    for day in dates(plan, since):
        if day > since + _GAPS_WITHIN:
            break
        at = moment(day, clock, zone)
        if at.astimezone(zone).replace(tzinfo=None) != datetime.combine(day, clock):
            skip = f"{clock:%H:%M} does not exist on {day.day} {day:%b %Y} in {zone}"
            found.append(f"{skip}: that one goes out {describe(at, zone, now)}")
            break
    return found
