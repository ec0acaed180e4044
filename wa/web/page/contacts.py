"""Contacts: the list, search, and the form to add, change and remove one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import islice
from typing import Any

from wa.connection.context import Context
from wa.errors import WaError
from wa.people import birthdays, contacts, edit
from wa.people.birthday_texts import in_words, typed_birthday
from wa.people.person import checked_name, checked_phone
from wa.people.search import search
from wa.store.database import Row
from wa.times import MONTHS, load_zone
from wa.web.answers import Answer, status_of
from wa.web.page import frame, render
from wa.web.page.forms import Form
from wa.web.page.render import View, said

_PAGE = 50
_FAVOURITES = 30
_SOON = 30
"""Days for which birthdays are shown ahead."""


def screen(context: Context, view: View, query: Form) -> Answer:
    """Return the contacts, favourites and birthdays first; or those that a search finds."""
    store, words = context.store, query["q"]
    values: dict[str, Any] = {
        "title": "Contacts",
        "tab": "contacts",
        "q": words,
        "favourites": [],
        "soon": [],
    }
    after = query.number("after")
    if words.strip():
        found = search(store, words)[after : after + _PAGE + 1]
    else:
        found = contacts.page(store, _PAGE + 1, after)
    values["rows"] = [_row(row) for row in found[:_PAGE]]
    values["more"] = after + _PAGE if len(found) > _PAGE else None
    if not words.strip() and not after:
        values["favourites"] = [
            _row(row) for row in islice(contacts.listing(store, favorites=True), _FAVOURITES)
        ]
        values["soon"] = [_birthday(row) for row in birthdays.upcoming(store, _today(context), _SOON)]
    return frame.page(context, view, "contacts.html", **values)


def _today(context: Context) -> date:
    return context.now().astimezone(context.settings.zone).date()


def _row(row: Row) -> dict[str, Any]:
    parts = [*row["aliases"], *row["tags"]]
    if len(row["phones"]) > 1:
        parts.append(f"{len(row['phones'])} numbers")
    if row["birthday"]:
        parts.append(f"birthday {in_words(row['birthday'])}")
    return {**row, "say": " · ".join(parts)}


def _birthday(row: Row) -> dict[str, Any]:
    day = date.fromisoformat(row["date"])
    age = f", turns {row['age']}" if row["age"] is not None else ""
    return {**row, "when": f"{row['weekday'][:3]} {day.day} {MONTHS[day.month - 1][:3]}{age}"}


# ── One contact ─────────────────────────────────────────────────────────────────────────────────────


def form_screen(
    context: Context,
    view: View,
    number: int | None,
    form: Form | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Answer:
    """Return the form for a contact, or for a new one; filled in as it was typed, if it was."""
    row = contacts.get(context.store, number) if number is not None else None
    given = form if form is not None else _filled(row)
    phones = [each for each in given.all("phone") if each.strip()]
    values = {
        "title": row["name"] if row else "New contact",
        "tab": "contacts",
        "row": row,
        "form": given,
        "phones": [*phones, ""],
        "main": given.number("main"),
        "errors": errors or {},
        "key": given.key,
        "zone": str(context.settings.zone),
    }
    return frame.page(context, view, "contact.html", status, **values)


def _filled(row: Row | None) -> Form:
    if row is None:
        return Form({})
    given = {name: [row[name] or ""] for name in ("name", "timezone", "notes")}
    given.update({name: [", ".join(row[name])] for name in ("aliases", "tags")})
    given["birthday"] = [in_words(row["birthday"]) if row["birthday"] else ""]
    given["phone"] = [render.number(each["phone"]) for each in row["phones"]]
    given["favourite"] = ["on"] if row["is_favorite"] else []
    return Form(given)


def save(context: Context, view: View, number: int | None, form: Form) -> Answer:
    """Add or change a contact, as its form says; else return the form with what is wrong."""
    if number is not None and form["do"] == "remove":
        edit.remove(context.store, number)
        return render.moved(view, "/contacts")
    if number is not None and form["do"] in ("favourite", "ordinary"):
        edit.set_favorite(context.store, number, form["do"] == "favourite", context.now())
        return render.moved(view, f"/contacts/{number}")
    errors, phones = _wrong(context, form)
    if errors:
        return form_screen(context, view, number, form, errors, 422)
    before = _filled(contacts.get(context.store, number) if number is not None else None)
    words = {name: _words(form[name], before[name], number, name, context) for name in ("aliases", "tags")}
    texts: dict[str, Any] = {
        name: str(form[name]).strip() for name in ("name", "notes", "timezone", "birthday")
    }
    region, now, today = context.settings.region, context.now(), _today(context)
    options: dict[str, Any] = {**words, "is_favorite": "favourite" in form, "region": region, "today": today}
    try:
        if number is None:
            row = edit.add(context.store, texts.pop("name"), phones, now, **options, **texts)
        else:
            row = edit.save(context.store, number, now, phones=phones, **options, **texts)
    except WaError as error:
        field = "aliases" if "alias" in error.message or "is a name of" in error.message else ""
        return form_screen(context, view, number, form, {field: said(error)}, status_of(error))
    return render.moved(view, f"/contacts/{row['id']}", saved="yes")


def _words(text: str, before: str, number: int | None, name: str, context: Context) -> list[str]:
    """Return the words between commas; unchanged, they are what they were, commas in them too."""
    if number is not None and text == before:
        found: list[str] = contacts.get(context.store, number)[name]
        return found
    return [each.strip() for each in text.split(",") if each.strip()]


def _wrong(context: Context, form: Form) -> tuple[dict[str, str], list[str]]:
    """Return what is wrong by field, and the numbers that are right, the main one first."""
    errors: dict[str, str] = {}
    phones = []
    given = [each for each in form.all("phone") if each.strip()]
    for place, text in enumerate(given):
        try:
            phones.append("+" + checked_phone(text, context.settings.region))
        except WaError as error:
            errors[f"phone-{place}"] = said(error)
    checks: dict[str, Callable[[], object]] = {
        "name": lambda: checked_name(form["name"]),
        "timezone": lambda: load_zone(form["timezone"].strip()) if form["timezone"].strip() else None,
        "birthday": lambda: (
            typed_birthday(form["birthday"], _today(context)) if form["birthday"].strip() else None
        ),
    }
    for name, check in checks.items():
        try:
            check()
        except WaError as error:
            errors[name] = said(error)
    main = form.number("main")
    return errors, phones[main : main + 1] + phones[:main] + phones[main + 1 :]
