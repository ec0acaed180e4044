"""What a form asks for, read field by field; and what is shown of it while one types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from wa.connection.context import Context
from wa.connection.programs import asked
from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.people.search import suggestions
from wa.queue import checks, compose
from wa.queue.series import create
from wa.queue.series.rules import in_words
from wa.queue.templates import table as templates
from wa.queue.templates.values import text_for, values_for
from wa.store.database import Row
from wa.times import describe, parse_duration
from wa.web.answers import Answer
from wa.web.page import render
from wa.web.page.forms import Form
from wa.web.page.render import said

SET = "set."
"""How the names of fields that fill a template begin."""
_PEOPLE = 20

T = TypeVar("T")


@dataclass
class Wish:
    """What a form asks for, as far as it can be read; `errors` are sentences by the names of fields."""

    form: Form
    errors: dict[str, str] = field(default_factory=dict)
    has_file: bool = False
    to: Recipient | None = None
    zone: ZoneInfo | None = None
    remark: str | None = None
    """What a change of the clock does to the time."""
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
    when = wish.read("at", lambda: compose.read_at(at, now, found, of_contact=name == "contact"))
    if when is not None:
        wish.moment, wish.zone, wish.remark = when.moment, when.zone, when.remark()
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
        wish.text = wish.read("text", lambda: _checked(text, may_be_empty=wish.has_file))
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


def _checked(text: str, *, may_be_empty: bool) -> str:
    checks.check_text(text, may_be_empty=may_be_empty)
    return text


def wish_of(context: Context, form: Form, *, now: bool, has_file: bool) -> Wish:
    """Return what a form asks for; with `now`, its time does not matter."""
    wish = Wish(form, has_file=has_file)
    read_person(context, wish)
    if not now:
        read_time(context, wish)
    read_text(context, wish)
    return wish


def wanted(context: Context, template: Row) -> list[str]:
    """Return the fields of a template that nobody has a value for, so that the form has to ask."""
    known = values_for(context.store, Recipient("", None, None), context.now())
    return [name for name in template["fields"] if name not in known]


# ── While one types ─────────────────────────────────────────────────────────────────────────────────


def people(context: Context, query: Form) -> Answer:
    """Return the people and groups that a text may mean, favourites first."""
    return render.part("people.html", people=suggestions(context.store, query["q"], _PEOPLE))


def time(context: Context, form: Form) -> Answer:
    """Return the time as it is read, in words, with the dates that follow; or why it cannot be read."""
    wish = Wish(form)
    if form["to"]:
        read_person(context, wish)
    if not wish.at:
        return render.part("reading.html", text=None, then=[], rule=None, error=None)
    read_time(context, wish)
    errors = {name: text for name, text in wish.errors.items() if name != "q"}
    if errors or wish.moment is None or wish.zone is None:
        error = next(iter(errors.values()), "This time cannot be read.")
        return render.part("reading.html", text=None, then=[], rule=None, error=error)
    now, zone, moment = context.now(), wish.zone, wish.moment
    then: list[str] = []
    rule = None
    if wish.timing:
        times = create.times(wish.timing, now)
        moment, then = times[0], [render.day(each, zone, now) for each in times[1:]]
        rule = f"every {in_words(wish.timing.plan.rule)}"
    text = describe(moment, zone, now)
    if wish.remark and not wish.timing:
        text += f": {wish.remark}"
    return render.part("reading.html", text=text, then=then, rule=rule, error=None)


def preview(context: Context, form: Form) -> Answer:
    """Return the text of a template as it goes out, and a field for each value that it still needs."""
    if not form["template"]:
        return render.part("preview.html", text=None, wanted=[], form=form, error=None)
    template, wish = templates.get(context.store, form["template"]), Wish(form)
    if form["to"] or form["q"].strip():
        read_person(context, wish)
    if wish.at:
        read_time(context, wish)
    wish.errors.clear()
    read_text(context, wish)
    error = wish.errors.get("template") if wish.to else None
    asked_for = wanted(context, template)
    return render.part(
        "preview.html", text=wish.text or template["text"], wanted=asked_for, form=form, error=error
    )
