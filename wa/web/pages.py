"""The bare pages for a browser: logging in, and what is running. They have no scripts and no styles."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from wa.web.answers import Answer

_HTML = "text/html; charset=utf-8"
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>wa</title></head>
<body><main>
<h1>wa</h1>
{body}
</main></body>
</html>
"""
_FORM = """<form method="post" action="/login">
<p><label>Secret
<input type="password" name="secret" required autofocus autocomplete="current-password"></label></p>
<p><button>Log in</button></p>
</form>"""
_HOME = """<p>wa {state}.</p>
<p>The API is described at <a href="/openapi.json">/openapi.json</a>.</p>
<form method="post" action="/logout"><p><button>Log out</button></p></form>
<p><a href="/login">Log in</a></p>"""


def login(status: int = 200, note: str = "") -> Answer:
    """Return the page with the form to log in, with a note about what went wrong."""
    said = f"<p role=alert>{escape(note)}</p>\n" if note else ""
    return Answer(status, _PAGE.format(body=said + _FORM).encode(), kind=_HTML)


def front(state: str) -> Answer:
    """Return the page at /, which tells in a word how things are."""
    return Answer(200, _PAGE.format(body=_HOME.format(state=escape(state))).encode(), kind=_HTML)


def field(form: bytes, name: str) -> str | None:
    """Return a field of a form or a query as text; None if it is not there once."""
    try:
        found = parse_qs(form.decode("ascii"), strict_parsing=bool(form), max_num_fields=20).get(name, [])
    except ValueError:
        return None
    return found[0] if len(found) == 1 else None
