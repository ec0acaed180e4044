"""The frame around every screen, with its status line: whether messages arrive and go out, since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wa.connection.context import Context
from wa.connection.status import line_of
from wa.errors import WaError
from wa.queue import attention, pacing
from wa.times import from_iso
from wa.web.access import Refused
from wa.web.answers import Answer, status_of
from wa.web.page import render
from wa.web.page.forms import Form
from wa.web.page.render import HTML, TO_ALERT, View, part, said

_OF_A_BLOCK = {"paused": "paused", "brake": "braked", "ban": "braked"}


def page(context: Context | None, view: View, name: str, status: int = 200, /, **values: Any) -> Answer:
    """Return an answer with a whole screen in its frame; the context is None where there is no store."""
    if view.is_part and status < 500:  # browsers note other answers to scripts as errors on the console
        status = 200
    return part(name, status, view=view, line=line_of_screen(context) if context else None, **values)


def trouble(
    error: WaError | Refused, view: View, form: Form | None = None, file: str | None = None
) -> Answer:
    """Return the screen for an error. A form can be sent again from there, with its file by that name."""
    status = error.status if isinstance(error, Refused) else status_of(error)
    if view.is_part:
        told = part("alert.html", text=said(error), link=None)
        return Answer(status if status >= 500 else 200, told.body, TO_ALERT, HTML)
    can_repeat = form is not None and status in (500, 503)
    values = {"title": "It did not work", "tab": "", "text": said(error)}
    repeat = repeated(form, file) if form and can_repeat else None
    return page(None, view, "trouble.html", status, repeat=repeat, **values)


def repeated(form: Form, file: str | None) -> dict[str, Any]:
    """Return what a screen needs to send a form again; of a file, a browser keeps nothing but its name."""
    fields = [(name, text) for name in form for text in form.all(name)]
    return {"fields": fields, "file": file}


# ── The status line ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class StatusLine:
    """The status line: `state` names its sign and colour; `can` is what its button does."""

    state: str
    word: str
    more: str
    can: str | None
    note: str | None = None
    """A sentence for the top of the queue, where something keeps messages from going out."""


def line_of_screen(context: Context) -> StatusLine:
    """Return the status line."""
    store, settings, now = context.store, context.settings, context.now()
    line, block = line_of(context.home, now), pacing.blocked(store, now, settings)
    first = attention.page(store, ("pending",), 1)[0]
    more = f"next {_clock(context, from_iso(first[0]['scheduled_at']), now)}" if first else ""
    since = f" since {_clock(context, from_iso(line.since), now)}" if line.since else ""
    nobody = line.nobody_sends(scheduled=True)
    if block and block.reason == "paused":
        return StatusLine(
            "paused", "Paused", "nothing goes out", "resume", "Sending is paused. Messages wait."
        )
    if line.owner is None:
        note = "Nothing is running that sends. On the server, `wa listen` does, `wa service` keeps it so."
        if line.reason:
            note = f"{line.reason[:1].upper()}{line.reason[1:]}. {note}"
        return StatusLine("offline", f"Nobody there{since}", more, None, note)
    if line.state != "connected":
        word = "Connecting" if line.state == "connecting" else f"Offline{since}"
        why = f"No connection to WhatsApp{since}" + (f": {line.reason}" if line.reason else "")
        return StatusLine(
            "offline", word, more, "pause", f"{why}. Messages wait, and go out when it is back."
        )
    if block and block.reason in _OF_A_BLOCK:
        until = f" until {_clock(context, block.until, now)}" if block.until else ""
        return StatusLine(_OF_A_BLOCK[block.reason], f"Resting{until}", more, "pause", block.text)
    if nobody:
        return StatusLine("offline", "Nobody sends", more, None, f"{nobody[0][:1].upper()}{nobody[0][1:]}.")
    hurdle = block.text if block and block.reason in ("clock", "disk") else None
    if hurdle:
        return StatusLine("braked", "Waiting", more, "pause", hurdle)
    return StatusLine("connected", "Connected", more, "pause")


def _clock(context: Context, moment: datetime, now: datetime) -> str:
    """Return a moment, with its day unless that is today."""
    text = render.when(moment, context.settings.zone, now)
    return text.removeprefix("Today ")


def line_part(context: Context) -> Answer:
    """Return the line alone."""
    return part("line.html", line=line_of_screen(context))


def change_line(context: Context, verb: str) -> None:
    """Pause or resume all sending."""
    from wa.connection import ask

    if verb == "pause":
        ask.pause(context)
    else:
        ask.resume(context)
