"""The birthdays of contacts: those that come, and those that only notes tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta

from wa.people.birthday_texts import age_on, birthday_in, in_words, next_date
from wa.people.contacts import read
from wa.store.database import Row, Store
from wa.store.fold import fold
from wa.times import WEEKDAYS


def with_birthday(store: Store, tag: str | None = None) -> Iterator[Row]:
    """Yield the contacts that have a birthday, or those of them with a tag."""
    for row in read(store, "WHERE c.birthday IS NOT NULL"):
        if tag is None or fold(tag.strip()) in map(fold, row["tags"]):
            yield row


def birthday_of(store: Store, number: int) -> Row | None:
    """Return a contact as `with_birthday` does; None if it was removed, or has no birthday."""
    return next(read(store, "WHERE c.id = ? AND c.birthday IS NOT NULL", [number]), None)


def upcoming(store: Store, today: date, days: int) -> list[Row]:
    """Return the contacts whose birthday is within so many days from today on, the next ones first.

    Each row has `date` (ISO), `weekday`, `in_days`, and `age`, which is None where the year is not known.
    """
    near = {f"{today + timedelta(ahead):%m-%d}" for ahead in range(min(days, 366) + 1)}
    near.add("02-29")  # in other years, another day
    found = []
    where = "WHERE c.birthday IS NOT NULL AND substr(c.birthday, -5) IN (SELECT value FROM json_each(?))"
    for row in read(store, where, [json.dumps(sorted(near))]):
        day = next_date(row["birthday"], today)
        ahead = (day - today).days
        if ahead <= days:
            age = age_on(row["birthday"], day)
            found.append(
                {
                    **row,
                    "date": day.isoformat(),
                    "weekday": WEEKDAYS[day.weekday()],
                    "in_days": ahead,
                    "age": age,
                }
            )
    return sorted(found, key=lambda row: (row["date"], not row["is_favorite"], fold(row["name"]), row["id"]))


def offers(store: Store, today: date) -> Iterator[str]:
    """Yield a hint for each contact without a birthday whose notes tell one."""
    for row in read(store, "WHERE c.birthday IS NULL AND c.notes IS NOT NULL"):
        if hint := offer(row, today):
            yield hint


def offer(row: Row, today: date) -> str | None:
    """Return the hint that takes a birthday from a contact's notes, None if they tell none or it has one."""
    told = None if row["birthday"] else birthday_in(row["notes"], today)
    if told is None:
        return None
    day = in_words(told)
    return (
        f'the notes of {row["name"]} tell a birthday, {day}: wa contacts edit {row["id"]} --birthday "{day}"'
    )
