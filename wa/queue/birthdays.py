"""Birthday series: a yearly series for each contact with a birthday, once however often it is asked for.

The idempotency key of a series names its contact: `birthday:17`. A series that was cancelled keeps it,
so that it is not made again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, time
from itertools import islice

from wa.errors import WaError
from wa.people.birthday_texts import stored
from wa.people.birthdays import birthday_of, with_birthday
from wa.people.recipients import Recipient, resolve
from wa.queue import rows, states
from wa.queue.series import change, create, occurrences, queued, table
from wa.queue.series.create import Timing
from wa.queue.series.dates import moment
from wa.queue.series.rules import Rule
from wa.queue.templates import table as templates
from wa.queue.templates import values
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.open import bind_store
from wa.store.rewrites import merge_contacts
from wa.store.wake import wake_owner
from wa.times import from_iso, load_zone, quoted, to_iso
from wa.when import read_time_of_day

_BATCH = 25
"""Contacts in one transaction, so that it is short."""
_FAULTS = 5
"""The most people who are named in one error."""
_PREFIX = "birthday:"
_WENT = ("sending", "sent", "unknown")
"""The statuses of a row whose message went out, or may have."""


def schedule(
    store: Store,
    settings: Settings,
    template: str,
    at: str,
    now: datetime,
    *,
    tag: str | None = None,
    draft: bool = False,
    dry_run: bool = False,
) -> list[Row]:
    """Make a series for each contact with a birthday that has none; let the others follow the birthday.

    Return a row for each contact with a birthday, and for each series whose contact was removed or has no
    birthday any more: `contact_id`, `name`, `birthday`, `what` (`added`, `moved`, `unchanged`, `held`,
    `cancelled`, `no number`), `series` (its id), `scheduled_at` (its next time), `text` (of that), `note`.
    Raise WaError `usage` for a time that is none and, with their names, for people who lack a field,
    before anything is stored; `not-found` for an unknown template.
    """
    clock = read_time_of_day(at)
    if clock is None:
        raise WaError("usage", f"{quoted(at)} is not a time of day", 'type for example "09:00" or "9am"')
    wish = _Wish(store, settings, templates.get(store, template), clock, now, draft=draft)
    people = list(with_birthday(store, tag))
    wish.check(people)
    if dry_run:
        return sorted([*map(wish.plan, people), *wish.astray()], key=_in_order)
    bind_store(store, settings.transport)
    with store.write():
        told = [wish.hold(each) for each in wish.astray()]
    left = iter(people)
    while batch := list(islice(left, _BATCH)):
        with store.write():
            # Read again: they may have been changed, or merged, since they were listed.
            known = [birthday_of(store, each["id"]) for each in batch]
            told += [wish.carry_out(each) for each in known if each is not None]
    wake_owner(store.home.socket)
    return sorted(told, key=_in_order)


def _in_order(row: Row) -> tuple[bool, str, str]:
    return row["scheduled_at"] is None, row["scheduled_at"] or "", row["name"]


def rule_for(birthday: str) -> Rule:
    """Return the yearly rule for a stored birthday; for 29 February the last day of February."""
    month, day, _ = stored(birthday)
    return Rule("YEARLY", month_days=(-1 if (month, day) == (2, 29) else day,), months=(month,))


class _Wish:
    """The wish for birthday series with a template at a time of day."""

    def __init__(
        self, store: Store, settings: Settings, template: Row, clock: time, now: datetime, *, draft: bool
    ) -> None:
        self._store, self._settings, self._template = store, settings, template
        self._clock, self._now, self._draft = clock, now, draft
        self._astray: dict[str, list[Row]] = defaultdict(list)
        """By JID, the series that have lost their contact."""

    def check(self, people: Sequence[Row]) -> None:
        """Raise WaError `usage`, with their names, if people who get a series lack a field."""
        faults = []
        for contact in people:
            if self._what(contact)[0] == "added":
                try:
                    self._first(contact, self._timing(contact))
                except WaError as error:
                    if error.code != "usage":
                        raise
                    faults.append(error.message)
        if faults:
            more = f"; and {len(faults) - _FAULTS} more" if faults[_FAULTS:] else ""
            hint = "choose a template without it, or with --tag the people"
            raise WaError("usage", "; ".join(faults[:_FAULTS]) + more, hint)

    def plan(self, contact: Row) -> Row:
        """Return what is to be done for a contact."""
        what, series, note = self._what(contact)
        told = _told(contact, what, note, series)
        if what == "added":
            return {**told, "series": None, **self._first(contact, self._timing(contact))}
        if what == "moved":
            return {**told, "scheduled_at": to_iso(_due(self._timing(contact, series)))}
        if what == "unchanged" and series:
            return {**told, "scheduled_at": next(iter(self._upcoming(series)), None)}
        return told

    def carry_out(self, contact: Row) -> Row:
        """Do what is to be done for a contact, in the caller's transaction. Return it as `plan` does."""
        told, series = self.plan(contact), self._what(contact)[1]
        if told["what"] == "added":
            if series:
                self._set_aside(series)
            return {**told, "series": self._add(contact)["id"]}
        if told["what"] == "moved" and series:
            timing = self._timing(contact, series)
            first = datetime.combine(timing.plan.first, timing.clock)
            rule = str(timing.plan.rule)
            change.edit(self._store, self._settings, series["id"], self._now, at=f"{first}", every=rule)
            told["scheduled_at"] = next(iter(self._upcoming(table.get(self._store, series["id"]))), None)
        return self.hold(told)

    def hold(self, told: Row) -> Row:
        """Hold a series that is to be held, in the caller's transaction."""
        if told["what"] == "held" and table.get(self._store, told["series"])["status"] == "active":
            change.hold(self._store, told["series"], self._now)
        return told

    def astray(self) -> list[Row]:
        """Return what is to be done for the series whose contact was removed or has no birthday any more."""
        found = self._store.rows(
            "SELECT s.id, c.id AS contact FROM series s"
            " LEFT JOIN contacts c ON c.id = CAST(substr(s.idempotency_key, ?) AS INTEGER)"
            " WHERE s.idempotency_key >= ? AND s.idempotency_key < ? AND c.birthday IS NULL"
            " AND s.status != 'ended'",
            [len(_PREFIX) + 1, _PREFIX, _PREFIX[:-1] + ";"],
        )
        told = []
        for row in found:
            series = table.get(self._store, row["id"])
            self._astray[series["to_jid"]].append(series)
            why = "no birthday is known any more" if row["contact"] else "no contact any more"
            contact = {"id": row["contact"], "name": series["contact_name"], "birthday": None}
            note = f"{why}; `wa schedule cancel {row['id']} --series` ends it"
            told.append(_told(contact, "held", note, series))
        return told

    def _what(self, contact: Row) -> tuple[str, Row | None, str | None]:
        """Return what is to be done for a contact, its series if it has one, and a note."""
        series = table.by_key(self._store, _key(contact["id"]))
        phones = {each["phone"] for each in contact["phones"]}
        # A contact that is removed leaves its id to the next one.
        is_of_another = series and series["created_at"] < contact["created_at"]
        if series is None or (is_of_another and series["to_phone"] not in phones):
            return ("added" if phones else "no number"), series, None
        if series["status"] == "ended":
            return "cancelled", series, None
        if series["to_phone"] not in phones:
            note = f"+{series['to_phone']} is not a number of this contact any more"
            return "held", series, f"{note}; `wa schedule edit {series['id']} --to` gives it another"
        is_moved = str(rule_for(contact["birthday"])) != series["rrule"]
        return ("moved" if is_moved else "unchanged"), series, "held" * (series["status"] == "held") or None

    def _timing(self, contact: Row, series: Row | None = None) -> Timing:
        """Return the timing for a contact from the next date on; a series keeps its time of day and zone."""
        clock = table.clock_of(series) if series else self._clock
        zone = series["timezone"] if series else contact["timezone"] or str(self._settings.zone)
        rule = str(rule_for(contact["birthday"]))
        return create.timing(rule, clock.isoformat(), self._now, load_zone(zone), of_contact=True)

    def _first(self, contact: Row, timing: Timing) -> Row:
        """Return the first time of a timing, and the text of then. Raise WaError for an empty field."""
        local = datetime.combine(timing.plan.first, timing.clock)
        text = values.text_for(self._store, self._template["text"], self._recipient(contact), local)
        return {"scheduled_at": to_iso(_due(timing)), "text": text}

    def _add(self, contact: Row) -> Row:
        to = self._recipient(contact)
        series = create.add(
            self._store,
            to,
            self._template["text"],
            self._timing(contact),
            self._now,
            grace=self._settings.grace,
            key=_key(contact["id"]),
            draft=self._draft,
            template=self._template["name"],
        )
        for other in self._astray[to.jid]:
            _skip_what_went(self._store, series, other, self._now)
        return series

    def _recipient(self, contact: Row) -> Recipient:
        return resolve(self._store, "+" + (contact["phone"] or contact["phones"][0]["phone"]), None, None)

    def _upcoming(self, series: Row) -> list[str]:
        return occurrences.upcoming(self._store, series, self._now, 1)

    def _set_aside(self, series: Row) -> None:
        """Free the key of a series whose contact was removed, and hold it."""
        self.hold({"what": "held" if series["status"] != "ended" else "", "series": series["id"]})
        table.update(self._store, series["id"], self._now, idempotency_key=f"{_PREFIX}removed:{series['id']}")


def _due(timing: Timing) -> datetime:
    return moment(timing.plan.first, timing.clock, timing.zone)


def _key(contact: int) -> str:
    return f"{_PREFIX}{contact}"


def _told(contact: Row, what: str, note: str | None, series: Row | None) -> Row:
    return {
        "contact_id": contact["id"],
        "name": contact["name"],
        "birthday": contact["birthday"],
        "what": what,
        "series": series["id"] if series else None,
        "scheduled_at": None,
        "text": None,
        "note": note,
    }


def _skip_what_went(store: Store, series: Row, other: Row, now: datetime) -> None:
    """Cancel the rows of a series for dates on which another series of the same person has sent."""
    for row in queued.open_of_series(store, series["id"]):
        twin = queued.of_date(store, other["id"], rows.get(store, row["id"])["occurrence"])
        if row["status"] in rows.OPEN and twin and rows.get(store, twin)["status"] in _WENT:
            states.cancel(store, row["id"], now)


@merge_contacts.part
def _one_series(store: Store, gone: int, kept: int) -> None:
    """Leave two contacts that become one the series of the one that stays, or the one that has not ended."""
    lost, ours = table.by_key(store, _key(gone)), table.by_key(store, _key(kept))
    if lost is None:
        return
    now = from_iso(lost["updated_at"])
    if ours is None or (ours["status"] == "ended" and lost["status"] != "ended"):
        ours, lost = lost, ours
    if lost:
        table.update(store, lost["id"], now, idempotency_key=f"{_PREFIX}merged:{lost['id']}")
        if lost["status"] != "ended":
            try:
                change.cancel(store, lost["id"], now)
            except WaError as error:
                if error.code != "unknown-outcome":  # a row of it is being sent; it has ended all the same
                    raise
        _skip_what_went(store, ours, lost, now)
    table.update(store, ours["id"], now, idempotency_key=_key(kept), contact_id=kept)
