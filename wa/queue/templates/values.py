"""The values of the fields in a text: of the recipient, and of the time of the message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from wa.errors import WaError
from wa.jids import show_jid
from wa.people import contacts
from wa.people.birthday_texts import age_at
from wa.people.recipients import Recipient
from wa.queue import checks
from wa.queue.templates.fields import fill, missing, names_in
from wa.store.database import Store
from wa.times import WEEKDAYS


def values_for(store: Store, to: Recipient, local: datetime) -> dict[str, str]:
    """Return the fields that every recipient has; one that is not known is empty.

    `local` is the wall-clock time of the message.
    """
    known = contacts.by_phone(store, to.phone) if to.phone else None
    contact = contacts.get(store, known["id"]) if known else None
    name = contact["name"] if contact else to.name or ""
    return {
        "name": name,
        "first": name.split()[0] if name.split() else "",
        "alias": next(iter(contact["aliases"]), "") if contact else "",
        "phone": to.phone or "",
        "date": f"{local:%Y-%m-%d}",
        "time": f"{local:%H:%M}",
        "weekday": WEEKDAYS[local.weekday()],
        "age": _age(contact["birthday"] if contact else None, local.date()),
    }


def _age(birthday: str | None, day: date) -> str:
    """Return the age on a day, "" where it is not known and before the birth."""
    age = None if birthday is None else age_at(birthday, day)
    return "" if age is None or age < 0 else str(age)


def text_for(
    store: Store, text: str, to: Recipient, local: datetime, given: Mapping[str, str] | None = None
) -> str:
    """Return a text with its fields filled in for a recipient; `given` comes before what is known.

    Raise WaError `usage` for a field that is not known or is empty, and as `checks.check_text` does.
    """
    values = {**values_for(store, to, local), **(given or {})}
    if absent := missing(names_in(text), values):
        shown = " and ".join(f"{{{name}}}" for name in absent)
        who, known = to.name or show_jid(to.jid), ", ".join(f"{{{name}}}" for name in values)
        raise WaError("usage", f"{who} has no value for {shown}", f"--set gives one; there are {known}")
    filled = fill(text, values)
    checks.check_text(filled, may_be_empty=True)
    return filled
