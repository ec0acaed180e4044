"""Scheduling: the form for a new message, the form for one that is not sent yet, and their bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from wa.connection.context import Context
from wa.connection.programs import asked
from wa.errors import WaError
from wa.jids import show_jid
from wa.people.recipients import Recipient
from wa.queue import attention, checks, compose, rows
from wa.queue.series import create
from wa.queue.templates import table as templates
from wa.queue.templates.values import text_for, values_for
from wa.store.database import Row
from wa.times import from_iso, parse_duration, parse_when
from wa.web.answers import Answer, status_of
from wa.web.api import messages, schedule
from wa.web.page import frame, render
from wa.web.page.forms import Form, new_key
from wa.web.page.render import View, said
from wa.web.page.rows import shown

RULES = (
    ("", "Never"),
    ("day", "Every day"),
    ("weekday", "Every working day"),
    ("week", "Every week"),
    ("2 weeks", "Every two weeks"),
    ("month", "Every month"),
    ("year", "Every year"),
)
"""The rules to choose from; any other is typed."""
FIELDS = ("to", "q", "template", "text", "at", "moment", "every", "rule", "until", "count", "tz", "grace")
SET = "set."
"""How the names of fields that fill a template begin."""
_ALREADY = 3

T = TypeVar("T")


@dataclass
class Wish:
    """What a form asks for, as far as it can be read; `errors` are sentences by the names of fields."""

    form: Form
    errors: dict[str, str] = field(default_factory=dict)
    to: Recipient | None = None
    zone: ZoneInfo | None = None
    moment: datetime | None = None
    timing: create.Timing | None = None
    text: str | None = None

    @property
    def at(self) -> str:
        """The time as it was typed, else as it was picked."""
        return self.form["at"].strip() or self.form["moment"]

    @property
    def every(self) -> str:
        """The rule as it was typed, else as it was chosen."""
        return self.form["rule"].strip() or self.form["every"]

    @property
    def given(self) -> dict[str, str]:
        """The values for fields of the template."""
        names = [name for name in self.form if name.startswith(SET)]
        return {name.removeprefix(SET): self.form[name] for name in names if self.form[name].strip()}

    def read(self, name: str, act: Callable[[], T]) -> T | None:
        """Return what `act` returns; note its error for a field of the form."""
        try:
            return act()
        except WaError as error:
            self.errors.setdefault(name, said(error))
            return None


def read_person(context: Context, wish: Wish) -> None:
    """Read to whom it goes: the one that was picked, else the name or number that was typed."""
    word = wish.form["to"] or wish.form["q"].strip()
    if not word:
        wish.errors["q"] = "Say to whom it goes: a name, an alias or a number."
        return
    wish.to = wish.read("q", lambda: asked.recipient(context, word))


def read_time(context: Context, wish: Wish) -> None:
    """Read when it goes out, and how it is repeated."""
    now, name = context.now(), wish.form["tz"].strip() or None
    zone = context.settings.zone
    if name != "contact" or wish.to:
        someone = wish.to or Recipient("", None, None)
        wish.zone = wish.read("tz", lambda: compose.zone_for(context.store, someone, name, zone))
    if wish.form["grace"].strip():
        wish.read("grace", lambda: parse_duration(wish.form["grace"].strip()))
    if not wish.at:
        wish.errors["at"] = 'Say when, for example "tomorrow 9am" or "25 dec 10:00".'
    if not wish.at or wish.zone is None:
        return
    at, found = wish.at, wish.zone
    wish.moment = wish.read("at", lambda: parse_when(at, now, found))
    count = _count(wish)
    if wish.moment and wish.every and "count" not in wish.errors:
        until = wish.form["until"].strip() or None
        make = lambda: create.timing(wish.every, at, now, found, until=until, count=count)  # noqa: E731
        wish.timing = wish.read("until" if until else "every", make)
    elif not wish.every and (wish.form["until"].strip() or wish.form["count"].strip()):
        wish.errors["every"] = "An end is for what repeats: choose how often, or leave the end empty."


def _count(wish: Wish) -> int | None:
    text = wish.form["count"].strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text)):
        wish.errors["count"] = "How often is a whole number, or empty for no end."
        return None
    return int(text)


def read_text(context: Context, wish: Wish) -> None:
    """Read what it says: the text, or a template filled in for the recipient."""
    name, text = wish.form["template"], wish.form["text"]
    if not name:
        wish.text = wish.read("text", lambda: _checked(text))
        return
    if text.strip():
        wish.errors["template"] = "There are a text and a template: empty the text, or choose no template."
        return
    to, now = wish.to or Recipient("", None, None), context.now()
    local = ((wish.timing and create.times(wish.timing, now)[0]) or wish.moment or now).astimezone(
        wish.zone or context.settings.zone
    )

    def fill() -> str:
        return text_for(context.store, templates.get(context.store, name)["text"], to, local, wish.given)

    wish.text = wish.read("template", fill)


def _checked(text: str) -> str:
    checks.check_text(text)
    return text


def read(context: Context, form: Form, *, now: bool = False) -> Wish:
    """Return what a form asks for; with `now`, its time does not matter."""
    wish = Wish(form)
    read_person(context, wish)
    if not now:
        read_time(context, wish)
    read_text(context, wish)
    return wish


# ── A new message ───────────────────────────────────────────────────────────────────────────────────


def screen(
    context: Context, view: View, form: Form, errors: dict[str, str] | None = None, status: int = 200
) -> Answer:
    """Return the form, as far as it is filled in, with what is wrong beside each field."""
    store = context.store
    found, _ = attention.page(store, ("pending",), _ALREADY)
    known = list(templates.listing(store))
    chosen = next((row for row in known if row["name"] == form["template"]), None)
    values = {
        "title": "Schedule",
        "tab": "schedule",
        "form": form,
        "errors": errors or {},
        "key": form.key,
        "templates": known,
        "rules": RULES,
        "wanted": wanted(context, chosen) if chosen else [],
        "zone": str(context.settings.zone),
        "already": [shown(context, row) for row in found],
        "waiting": rows.counts(store).get("pending", 0),
    }
    return frame.page(context, view, "schedule.html", status, **values)


def wanted(context: Context, template: Row) -> list[str]:
    """Return the fields of a template that nobody has a value for, so that the form has to ask."""
    known = values_for(context.store, Recipient("", None, None), context.now())
    return [name for name in template["fields"] if name not in known]


def prefilled(context: Context, query: Form) -> Form:
    """Return the form for a link: to somebody, or as a copy of a row of the queue."""
    fields = {name: query.all(name) for name in FIELDS if name in query}
    if query["copy"]:
        row = rows.get(context.store, query["copy"])
        fields.update(to=[row["to_jid"]], text=[row["message"]])
    if fields.get("to"):
        person = asked.recipient(context, fields["to"][0])
        fields["q"] = [person.name or render.address(person.jid)]
    return Form(fields)


def add(context: Context, view: View, form: Form) -> Answer:
    """Queue what a form asks for, once for its key; else return the form with what is wrong."""
    verb = form["do"] if form["do"] in ("now", "draft") else "add"
    wish = read(context, form, now=verb == "now")
    if wish.errors:
        return screen(context, view, form, wish.errors, 422)
    assert wish.to  # noqa: S101
    words = (
        {"template": form["template"], "set": wish.given} if form["template"] else {"text": str(form["text"])}
    )
    try:
        if verb == "now":
            body = messages.Send.model_validate({"to": wish.to.jid, **words})
            row, _ = messages.queue(context, body, form.key, "web")
        else:
            row, _ = schedule.make(context, _body(wish, words, draft=verb == "draft"), form.key, "web")
    except WaError as error:
        return screen(context, view, form, {"": said(error)}, status_of(error))
    return render.moved(view, "/", said="added" if verb == "add" else verb, id=row["id"])


def _body(wish: Wish, words: dict[str, Any], *, draft: bool) -> schedule.Add:
    assert wish.to  # noqa: S101
    given = {name: wish.form[name].strip() for name in ("until", "tz", "grace") if wish.form[name].strip()}
    if wish.every:
        given["every"] = wish.every
    count = {"count": int(wish.form["count"])} if wish.every and wish.form["count"].strip() else {}
    plain = {name: str(text) for name, text in given.items()}
    to_make = {"to": wish.to.jid, "at": str(wish.at), "draft": draft, **words, **plain, **count}
    return schedule.Add.model_validate(to_make)


# ── A message that is not sent yet ──────────────────────────────────────────────────────────────────


def edit_screen(
    context: Context,
    view: View,
    row_id: str,
    form: Form | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Answer:
    """Return the form for a row of the queue."""
    row = rows.get(context.store, row_id)
    if form is None:
        local = from_iso(row["scheduled_at"]).astimezone(compose.zone_of(row, context.settings))
        at = f"{local:%Y-%m-%d %H:%M}" + (f":{local:%S}" if local.second else "")
        who = row["contact_name"] or show_jid(row["to_jid"])
        given = {"q": who, "to": row["to_jid"], "text": row["message"], "at": at, "tz": row["timezone"] or ""}
        form = Form({name: [text] for name, text in {**given, "key": new_key()}.items()})
    values = {"title": "Edit", "tab": "queue", "form": form, "errors": errors or {}, "key": form.key}
    return frame.page(context, view, "edit.html", status, row=shown(context, row), **values)


def edit(context: Context, view: View, row_id: str, form: Form) -> Answer:
    """Change a row as a form says; what stands in it as before is left alone."""
    row = rows.get(context.store, row_id)
    wish = Wish(form)
    read_person(context, wish)
    changes: dict[str, Any] = {}
    if form["text"] != form["text_before"]:
        changes["text"] = str(form["text"])
        wish.read("text", lambda: checks.check_text(changes["text"], may_be_empty=bool(row["media_path"])))
    if form["tz"].strip() and form["tz"].strip() != (row["timezone"] or ""):
        changes["tz"] = form["tz"].strip()
    if wish.at and wish.at != form["at_before"]:
        changes["at"] = str(wish.at)
        now, settings = context.now(), context.settings
        zone = wish.read(
            "tz",
            lambda: compose.zone_for(
                context.store,
                wish.to or Recipient("", None, None),
                changes.get("tz"),
                compose.zone_of(row, settings),
            ),
        )
        wish.read("at", lambda: parse_when(wish.at, now, zone or settings.zone))
    if wish.to and wish.to.jid != row["to_jid"]:
        changes["to"] = wish.to
    if wish.errors:
        return edit_screen(context, view, row_id, form, wish.errors, 422)
    if changes:
        try:
            compose.edit(context.store, context.settings, row_id, context.now(), **changes)
        except WaError as error:
            return edit_screen(context, view, row_id, form, {"": said(error)}, status_of(error))
    return render.moved(view, "/", said="edited", id=row_id)
