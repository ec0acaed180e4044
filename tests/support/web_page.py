"""A browser without scripts: it logs in, keeps its cookies, reads pages and sends the forms on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

from web_client import ORIGIN, SECRET, Client, Reply

_EMPTY = {"input", "meta", "link", "br", "img", "source", "hr"}


@dataclass
class Form:
    """A form of a page: its fields as they are filled in, and its buttons as (name, value, label)."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    """It reads forms, and the text that a person sees."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text = ""
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._form: Form | None = None
        self._select: str | None = None
        self._chosen: str | None = None
        self._area: str | None = None
        self._button: tuple[str, str] | None = None
        self._said = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag == "form":
            self._form = Form(given.get("action", ""))
            self.forms.append(self._form)
        if self._form is None:
            return
        if tag == "input" and "name" in given and given.get("type") not in ("checkbox", "radio", "file"):
            self._form.fields.append((given["name"], given.get("value", "")))
        elif tag == "input" and "checked" in given:
            self._form.fields.append((given["name"], given.get("value", "on")))
        elif tag == "select":
            self._select, self._chosen = given["name"], None
        elif tag == "option" and ("selected" in given or self._chosen is None):
            self._chosen = given.get("value", "")
        elif tag == "textarea":
            self._area, self._said = given["name"], ""
        elif tag == "button":
            self._button, self._said = (given.get("name", ""), given.get("value", "")), ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif self._form is None:
            return
        elif tag == "select" and self._select is not None:
            self._form.fields.append((self._select, self._chosen or ""))
            self._select = None
        elif tag == "textarea" and self._area is not None:
            self._form.fields.append((self._area, self._said.removeprefix("\n")))
            self._area = None
        elif tag == "button" and self._button is not None:
            self._form.buttons.append((*self._button, self._said.strip()))
            self._button = None

    def handle_data(self, data: str) -> None:
        self.text += data
        self._said += data


@dataclass
class Page:
    """What a browser shows: the status and headers of the answer, and what is in it."""

    reply: Reply
    path: str

    def __post_init__(self) -> None:
        reader = _Reader()
        reader.feed(self.html)
        self.forms, self.tags = reader.forms, reader.tags
        self.text = " ".join(reader.text.split())

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.reply.status

    @property
    def html(self) -> str:
        """The page as it was sent."""
        return self.reply.body.decode()

    def form(self, button: str, near: str = "") -> Form:
        """Return the first form that has a button with this label and `near` in its action."""
        for form in self.forms:
            if near in form.action and any(label == button for _, _, label in form.buttons):
                return form
        raise AssertionError(f"no button {button!r} in {[form.buttons for form in self.forms]}")


class Browser:
    """A browser that has logged in."""

    def __init__(self, api: Client, secret: str = SECRET) -> None:
        self.api = api
        self.cookies: dict[str, str] = {}
        self.page = self.send("/login", [("secret", secret), ("next", "/")])

    def open(self, path: str, **headers: str) -> Page:
        """Open a page, and follow where it leads."""
        return self._ask("GET", path, None, headers)

    def send(self, path: str, fields: list[tuple[str, str]], **headers: str) -> Page:
        """Send a form, and follow where it leads."""
        return self._ask("POST", path, urlencode(fields).encode(), headers)

    def send_file(self, path: str, fields: dict[str, str], name: str, content: bytes) -> Page:
        """Send a form with a file, and follow where it leads; a browser sends an empty part for no file."""
        parts = [f'name="{field}"\r\n\r\n{text}'.encode() for field, text in fields.items()]
        kind = "Content-Type: application/octet-stream"
        parts.append(f'name="file"; filename="{name}"\r\n{kind}\r\n\r\n'.encode() + content)
        begin = b"--limit\r\nContent-Disposition: form-data; "
        body = b"".join(begin + part + b"\r\n" for part in parts) + b"--limit--\r\n"
        return self._ask("POST", path, body, {"content_type": "multipart/form-data; boundary=limit"})

    def press(self, button: str, near: str = "", **typed: str) -> Page:
        """Fill in the form with a button on the present page, and press the button."""
        form = self.page.form(button, near)
        name, value, _ = next(each for each in form.buttons if each[2] == button)
        fields = [(each, typed.pop(each, text)) for each, text in form.fields]
        fields += [*typed.items(), *([(name, value)] if name else [])]
        return self.send(form.action, fields)

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Page:
        for _ in range(5):
            given = {"accept": "text/html", "cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
            if method == "POST":
                given["origin"] = ORIGIN
                given["referer"] = ORIGIN + getattr(getattr(self, "page", None), "path", "/")
            reply = self.api(method, path, secret=None, raw=body or b"", **given, **headers)
            for name, text in reply.headers:
                if name == "set-cookie":
                    key, _, value = text.partition(";")[0].partition("=")
                    self.cookies[key] = value
            if reply.status != 303:
                break
            method, body, path = "GET", None, urljoin(path, reply.header("location") or "/")
            path = path.partition("#")[0]
        self.page = Page(reply, path)
        return self.page
