"""Scheduling: the form for a new message, the form for one that is not sent yet, and their bad input."""

from __future__ import annotations

from typing import Any

from wa.connection.context import Context
from wa.connection.programs import asked
from wa.errors import WaError
from wa.jids import show_jid
from wa.media.uploads import MOST_BYTES, Upload
from wa.people.recipients import Recipient
from wa.queue import attention, checks, compose, rows
from wa.queue.templates import table as templates
from wa.texts import one_line
from wa.times import from_iso
from wa.web.answers import Answer, status_of
from wa.web.api import messages, schedule
from wa.web.page import frame, reading, render
from wa.web.page.forms import Form, new_key
from wa.web.page.render import View, said
from wa.web.page.rows import shown
from wa.when import parse_when

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
_ALREADY = 3


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
        "wanted": reading.wanted(context, chosen) if chosen else [],
        "zone": str(context.settings.zone),
        "most_bytes": MOST_BYTES,
        "already": [shown(context, row) for row in found],
        "waiting": rows.counts(store).get("pending", 0),
    }
    return frame.page(context, view, "schedule.html", status, **values)


def prefilled(context: Context, query: Form) -> Form:
    """Return the form for a link: to somebody, or as a copy of a row of the queue."""
    fields = {name: query.all(name) for name in FIELDS if name in query}
    if query["copy"]:
        row = rows.get(context.store, query["copy"])
        fields.update(to=[row["to_jid"]], text=[row["message"]])
    if fields.get("to"):
        person = asked.recipient(context, fields["to"][0])
        fields["to"] = [person.jid]
        fields["q"] = [one_line(person.name or render.address(person.jid))]
    return Form(fields)


def add(context: Context, view: View, form: Form, file: Upload | None = None) -> Answer:
    """Queue what a form asks for, once for its key; else return the form with what is wrong."""
    verb = form["do"] if form["do"] in ("now", "draft") else "add"
    wish = reading.wish_of(context, form, now=verb == "now", has_file=file is not None)
    if wish.errors:
        if file and not view.is_part:  # no browser fills in a file again
            wish.errors["file"] = f"Choose the file again: {file.columns['file_name']}"
        return screen(context, view, form, wish.errors, 422)
    assert wish.to  # noqa: S101
    words = (
        {"template": form["template"], "set": wish.given} if form["template"] else {"text": str(form["text"])}
    )
    try:
        if verb == "now":
            body = messages.Send.model_validate({"to": wish.to.jid, **words})
            row, _ = messages.queue(context, body, form.key, "web", file)
        else:
            row, _ = schedule.make(context, _body(wish, words, draft=verb == "draft"), form.key, "web", file)
    except WaError as error:
        return screen(context, view, form, {"": said(error)}, status_of(error))
    return render.moved(view, "/", said="added" if verb == "add" else verb, id=row["id"])


def _body(wish: reading.Wish, words: dict[str, Any], *, draft: bool) -> schedule.Add:
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
        who = one_line(row["contact_name"] or show_jid(row["to_jid"]))
        given = {"q": who, "to": row["to_jid"], "text": row["message"], "at": at, "tz": row["timezone"] or ""}
        form = Form({name: [text] for name, text in {**given, "key": new_key()}.items()})
    values = {"title": "Edit", "tab": "queue", "form": form, "errors": errors or {}, "key": form.key}
    return frame.page(context, view, "edit.html", status, row=shown(context, row), **values)


def edit(context: Context, view: View, row_id: str, form: Form) -> Answer:
    """Change a row as a form says; what stands in it as before is left alone."""
    row = rows.get(context.store, row_id)
    wish = reading.Wish(form)
    reading.read_person(context, wish)
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
