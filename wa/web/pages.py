"""Logging in by a browser: the form, and what a browser without a session is answered."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlsplit

from wa.errors import WaError
from wa.web import answers
from wa.web.access import Headers, Refused
from wa.web.answers import Answer
from wa.web.page import forms, frame, render, static
from wa.web.page.render import View

STATIC = static.PREFIX
"""How the paths of the files begin that the form to log in needs too."""
_FOR_PROGRAMS = "/api/"
_ENDED = (
    "Your session has ended, and nothing was done. Log in, then do it again: what you typed is still here."
)


def login(headers: Headers, status: int = 200, note: str = "", then: str = "/") -> Answer:
    """Return the page to log in, with a note about what went wrong; `then` is where it leads."""
    values = {"title": "Log in", "tab": None, "text": note, "next": then}
    return frame.page(None, _view(headers, "/login"), "login.html", status, **values)


def is_for_people(headers: Headers) -> bool:
    """Return whether a browser asks, for a person to look at the answer."""
    return "text/html" in (headers.text(b"accept") or "")


def without_session(headers: Headers, method: str, path: str, body: bytes) -> Answer:
    """Return what a browser is answered whose session has ended; what was typed into a form is not lost."""
    back = path if method == "GET" else _path_of(headers.text(b"referer"))
    is_script = headers.text(b"hx-request") == "true"
    if is_script:
        back = _path_of(headers.text(b"hx-current-url"))
    where = f"/login?next={quote(back)}"
    if is_script and (method == "GET" or (headers.text(b"hx-source") or "").endswith("#form")):
        told = render.part("alert.html", 401, text=_ENDED, link=where)
        return Answer(401, told.body, render.TO_ALERT, render.HTML)
    if is_script:
        return Answer(401, b"", {"HX-Redirect": where}, render.HTML)
    if method == "GET":
        return Answer(303, b"", {"Location": where}, render.HTML)
    form, file = forms.read_body(body, headers.text(b"content-type") or "")
    repeat = frame.repeated(form, file)
    values = {"title": "The session has ended", "tab": None, "back": back, "repeat": repeat}
    return frame.page(None, _view(headers, path), "ended.html", 401, **values)


def failed(headers: Headers, path: str, error: WaError | Refused) -> Answer:
    """Return the answer for an error: to a browser a page, to a program JSON."""
    if not is_for_people(headers) or path.startswith(_FOR_PROGRAMS):
        return answers.failed(error)
    view = View(path, cookie(headers, render.THEME_COOKIE), headers.text(b"hx-request") == "true")
    given = frame.trouble(error, view)
    return Answer(given.status, given.body, {**answers.failed(error).headers, **given.headers}, given.kind)


def own_path(text: str | None) -> str:
    """Return a path of ours that a form names to lead back to; the queue's for anything else."""
    if (
        text
        and text.startswith("/")
        and not text.startswith("//")
        and text.isprintable()
        and "\\" not in text
    ):
        return text
    return "/"


def field(form: bytes, name: str) -> str | None:
    """Return a field of a form or a query as text; None if it is not there once."""
    try:
        found = parse_qs(form.decode("ascii"), strict_parsing=bool(form), max_num_fields=20).get(name, [])
    except ValueError:
        return None
    return found[0] if len(found) == 1 else None


def cookie(headers: Headers, name: str) -> str | None:
    """Return a cookie of the browser; None without it."""
    try:
        jar = SimpleCookie("; ".join(each.decode("latin-1") for each in headers.all(b"cookie")))
    except CookieError:
        return None
    return jar[name].value or None if name in jar else None


def _path_of(address: str | None) -> str:
    found = urlsplit(address or "/")
    return own_path(found.path + (f"?{found.query}" if found.query else ""))


def _view(headers: Headers, path: str) -> View:
    return View(path, cookie(headers, render.THEME_COOKIE))
