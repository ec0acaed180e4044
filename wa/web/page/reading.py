"""What a form shows while one types: people to choose from, the time in words, the text as it goes out."""

from __future__ import annotations

from wa.connection.context import Context
from wa.people.search import suggestions
from wa.queue.series import create
from wa.queue.series.rules import in_words
from wa.queue.templates import table as templates
from wa.times import describe
from wa.web.answers import Answer
from wa.web.page import render, schedule
from wa.web.page.forms import Form

_PEOPLE = 20


def people(context: Context, query: Form) -> Answer:
    """Return the people and groups that a text may mean, favourites first."""
    return render.part("people.html", people=suggestions(context.store, query["q"], _PEOPLE))


def time(context: Context, form: Form) -> Answer:
    """Return the time as it is read, in words, with the dates that follow; or why it cannot be read."""
    wish = schedule.Wish(form)
    if form["to"]:
        schedule.read_person(context, wish)
    if not wish.at:
        return render.part("reading.html", text=None, then=[], rule=None, error=None)
    schedule.read_time(context, wish)
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
    return render.part("reading.html", text=describe(moment, zone, now), then=then, rule=rule, error=None)


def preview(context: Context, form: Form) -> Answer:
    """Return the text of a template as it goes out, and a field for each value that it still needs."""
    if not form["template"]:
        return render.part("preview.html", text=None, wanted=[], form=form, error=None)
    template, wish = templates.get(context.store, form["template"]), schedule.Wish(form)
    if form["to"] or form["q"].strip():
        schedule.read_person(context, wish)
    if wish.at:
        schedule.read_time(context, wish)
    wish.errors.clear()
    schedule.read_text(context, wish)
    error = wish.errors.get("template") if wish.to else None
    wanted = schedule.wanted(context, template)
    return render.part(
        "preview.html", text=wish.text or template["text"], wanted=wanted, form=form, error=error
    )
