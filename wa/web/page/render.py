"""Templates filled in: screens and parts of them, and the words for times, numbers and errors on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.jids import is_group, phone_of_jid, show_jid
from wa.phones import spaced
from wa.queue.checks import MAX_TEXT
from wa.texts import clean, one_line
from wa.times import MONTHS, WEEKDAYS
from wa.web.access import Refused
from wa.web.answers import Answer
from wa.web.page import static

if TYPE_CHECKING:
    from jinja2 import Environment

HTML = "text/html; charset=utf-8"
TO_ALERT = {"HX-Retarget": "#alert", "HX-Reswap": "innerHTML", "HX-Reselect": ".note"}
"""Headers with which an answer to a script is shown above the screen, which stays as it is."""
THEMES = {"light": "Light", "dark": "Dark"}
"""The themes that one can choose; without a choice it is the device's."""
THEME_COOKIE = "wa_theme"
LONGEST_SHOWN = 20_000
"""The most characters of a text that one row shows."""
_LONGEST_NAME = 80
"""The most characters of a name in the middle of a sentence."""
_FOR_TERMINALS = re.compile(r"`|--[a-z]")
"""What marks a hint as one about the command line."""


class Typed(str):
    """A text that the user typed, which a field of a form shows again exactly as it is."""


@dataclass(frozen=True)
class View:
    """What a request says about how its answer is to look."""

    path: str
    """The path and query of the screen."""
    theme: str | None = None
    is_part: bool = False
    """Whether a script of the page asked, which puts a part of a screen in its place."""
    since: int = 0
    """The place in the log of events behind which things happen that the screen does not show yet."""


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # a server without a browser is smaller

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_harmless,
    )
    made.globals.update(asset=static.address, most=MAX_TEXT, themes=THEMES)
    made.filters.update(
        line=one_line, brief=brief, number=number, address=address, short=shortened, url=in_path
    )
    return made


def _harmless(value: Any) -> Any:
    """Return a value for a template: texts of others without characters that turn what stands beside them."""
    if isinstance(value, str) and not (isinstance(value, Typed) or hasattr(value, "__html__")):
        return clean(value)
    return value


def part(name: str, status: int = 200, /, **values: Any) -> Answer:
    """Return an answer with a filled-in template."""
    text = _templates().get_template(name).render(values)
    return Answer(status, text.encode("utf-8", "replace"), kind=HTML)


def moved(view: View, path: str, **query: str) -> Answer:
    """Return the answer that leads to another screen after something was done."""
    where = path + (f"?{urlencode(query)}" if query else "")
    if view.is_part:
        return Answer(200, b"", {"HX-Redirect": where}, HTML)
    return Answer(303, b"", {"Location": where}, HTML)


def said(error: WaError | Refused) -> str:
    """Return an error as a sentence, with what to do; hints about the command line are left out."""
    message = re.sub(r"--(?=[a-z])", "", error.message)
    text = message[:1].upper() + message[1:]
    text += "" if text.endswith((".", "?", "!")) else "."
    if error.hint and not _FOR_TERMINALS.search(error.hint) and not error.hint.startswith("wa "):
        text += f" {error.hint[:1].upper()}{error.hint[1:]}"
        text += "" if text.endswith((".", "?", "!")) else "."
    return text


# ── Words ───────────────────────────────────────────────────────────────────────────────────────────


def number(phone: str | None) -> str:
    """Return a phone number as people write it."""
    return spaced(phone) if phone else ""


def address(jid: str, name: str | None = None) -> str:
    """Return to whom a message for a JID goes: the number, or the group by its name."""
    if phone := phone_of_jid(jid):
        return number(phone)
    return f"the group {name or jid}" if is_group(jid) else show_jid(jid, name)


def shortened(text: str | None) -> str:
    """Return a text, cut where it would make the page slow."""
    text = text or ""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text):,} characters)"


def brief(name: str) -> str:
    """Return a name for the middle of a sentence, on one line and cut where it is no name any more."""
    name = one_line(name)
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def in_path(text: str) -> str:
    """Return a text as a part of a path."""
    return quote(text, safe="@")


def when(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return a moment for a row of a list: `Today 18:30`, `Tue 1 Dec 09:00`, `24 Dec 2027 10:00`."""
    return f"{day(moment, zone, now)} {moment.astimezone(zone):%H:%M}"


def day(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return the day of a moment: `Today`, `Tue 1 Dec`, `24 Dec 2027`."""
    local, today = moment.astimezone(zone).date(), now.astimezone(zone).date()
    near = {0: "Today", 1: "Tomorrow", -1: "Yesterday"}.get((local - today).days)
    if near:
        return near
    text = f"{local.day} {MONTHS[local.month - 1][:3]}"
    if abs(local - today) < timedelta(days=180):
        return f"{WEEKDAYS[local.weekday()][:3]} {text}"
    return f"{text} {local.year}"
