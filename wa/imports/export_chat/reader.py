"""Reading the text of WhatsApp's "Export chat" into messages. Every phone writes dates in its own way.

    31/12/2023, 23:59 - Nadia: Happy new year!                  Android
    [31.12.23, 23:59:58] Nadia: Happy new year!                 iPhone

A file is read twice. `Survey` finds the form of its first header (brackets, separators, seconds),
the order of day and month, and the participants. `read` then makes messages of the lines: a line
without a header like the first belongs to the message before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations

from wa.errors import WaError
from wa.imports.export_chat.content import TYPED, Content, content_of, is_notice
from wa.imports.export_chat.header import Header, Style, day_of, header_of, sender_of
from wa.texts import MARKS

ORDERS = ("dmy", "mdy", "ymd")
"""The orders that day, month and year of a date may have."""
LONGEST = 65_536
"""The most characters in one message, WhatsApp's own limit."""
_RARE = 10
"""Rule a date order out only if at least 10 times more headers fit another one: text that merely looks
like a header is rarer than that."""
_STRAYS = 4
"""Rule a date order out only if time goes back at least 4 times more often in it than in another."""
_MOST_NAMES = 5000

# ── The first reading: the date order and the names ─────────────────────────────────────────────────


class Survey:
    """The form of a file, and its participants. Raise WaError `bad-data` if no line has a header."""

    def __init__(self, lines: Iterable[str], name: str, latest: date, known: Collection[str] = ()) -> None:
        self._name, self._latest, self._known = name, latest, known
        style: Style | None = None
        self._counts: Counter[frozenset[str]] = Counter()
        """The number of headers that are a date in exactly these orders."""
        self._examples: dict[frozenset[str], str] = {}
        self._unlike: dict[tuple[str, str], tuple[str, Header]] = {}
        """The first header that two orders read as different days."""
        self._names: dict[str, Counter[str]] = {order: Counter() for order in ORDERS}
        self._back: Counter[str] = Counter()
        """The number of times that time goes back by more than a day, by order."""
        self._newest: dict[str, date] = {}
        for number, line in enumerate(lines, 1):
            header = header_of(line)
            if header and style in (None, header.style) and self._take(number, line, header):
                style = header.style
        if style is None:
            raise WaError(
                "bad-data",
                f"no line of {name} begins like a message: 31/12/2023, 23:59 - Name: text",
                "give the file that WhatsApp made: open the chat on the phone, More, Export chat",
            )
        self._style: Style = style

    def _take(self, number: int, line: str, header: Header) -> bool:
        """Learn from a header; return False if its date is impossible in every order."""
        days = {order: day for order in ORDERS if (day := day_of(header.days, order, self._latest))}
        if not days:
            return False
        can = frozenset(days)
        self._counts[can] += 1
        shown = line[: header.end].strip(MARKS + " -")
        self._examples.setdefault(can, f"line {number} ({shown})")
        for one, other in combinations(days, 2):
            if days[one] != days[other]:
                self._unlike.setdefault((one, other), (shown, header))
        sender, text = sender_of(line[header.end :], self._known)
        if sender is not None and not is_notice(text, is_iphone=header.style.is_iphone):
            self._count(sender, days)  # notices are not in the order of time
        return True

    def _count(self, sender: str, days: dict[str, date]) -> None:
        for order, day in days.items():
            names = self._names[order]
            if sender in names or len(names) < _MOST_NAMES:
                names[sender] += 1
            self._back[order] += day < self._newest.get(order, day) - timedelta(days=1)
            self._newest[order] = day

    def form(self, asked: str | None) -> FileFormat:
        """Return the form of the file. Raise WaError `usage` if its dates can be read in several orders.

        Raise `bad-data` if they cannot be read in the order `asked`, or in no order.
        """
        left = [order for order in ORDERS if not any(self._beats(other, order) for other in ORDERS)]
        if asked and asked not in left:
            line = next(shown for can, shown in self._examples.items() if asked not in can)
            what = f"{self._name}, {line} is not a date in the order {asked}"
            raise WaError("bad-data", what, "leave --date-order out")
        if not left:
            line = next(iter(self._examples.values()))
            what = f"the dates in {self._name} contradict one another, from {line} on"
            raise WaError("bad-data", what, "import one export at a time")
        order = asked or self._likeliest(left)
        return FileFormat(self._style, order, self._latest, self._known, self._names[order])

    def _likeliest(self, left: list[str]) -> str:
        """Return the possible order in which time goes back least. Raise WaError `usage` for several."""
        if len(left) > 1 and not self._style.is_east_asian:
            left = [order for order in left if order != "ymd"]
        least = min(self._back[order] for order in left)
        left = [order for order in left if self._back[order] <= _STRAYS * least + 1]
        unlike = next((pair for pair in combinations(left, 2) if pair in self._unlike), None)
        if unlike is None:
            return left[0]
        raise self._ambiguous(left, *self._unlike[unlike])

    def _beats(self, one: str, other: str) -> bool:
        """Return whether so many headers fit only the order `one` that `other` is ruled out."""
        only = [
            sum(count for can, count in self._counts.items() if a in can and b not in can)
            for a, b in ((one, other), (other, one))
        ]
        return only[0] * _RARE > only[1]

    def _ambiguous(self, orders: list[str], shown: str, header: Header) -> WaError:
        read = [
            f"--date-order {order} reads it as {day.day} {day:%B %Y}"
            for order in orders
            if (day := day_of(header.days, order, self._latest))
        ]
        message = f"the dates in {self._name} can be read in {len(read)} ways: {shown!r}"
        return WaError("usage", message, ", ".join(read))


# ── Messages ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class FileFormat:
    """The form of a file."""

    style: Style
    order: str
    latest: date
    known: Collection[str]
    names: Counter[str]
    """The participants, with the number of messages of each."""

    @property
    def has_seconds(self) -> bool:
        """Whether times have seconds."""
        return self.style.has_seconds


@dataclass(frozen=True)
class Message:
    """A message of the file."""

    line: int
    at: datetime
    """The time that the wall clock showed, without a zone."""
    sender: str | None
    """None for a notice of WhatsApp's own."""
    content: Content


@dataclass(frozen=True)
class NoMessage:
    """Lines that are no message, and the reason."""

    line: int
    reason: str
    text: str
    is_message: bool = True


def read(lines: Iterable[str], form: FileFormat, files: Container[str] = ()) -> Iterator[Message | NoMessage]:
    """Yield the messages of a file in its order; `files` are the names of the exported files."""
    begun: tuple[int, datetime, str | None] | None = None
    parts: list[str] = []
    size = 0
    for number, line in enumerate(lines, 1):
        header = header_of(line)
        day = day_of(header.days, form.order, form.latest) if header and header.style == form.style else None
        if header and day:
            if begun:
                yield _message(begun, parts, size, form, files)
            sender, text = sender_of(line[header.end :].rstrip("\r\n"), form.known)
            begun, parts, size = (number, datetime.combine(day, header.clock), sender), [text], len(text)
        elif not begun:
            if line.strip(MARKS + " \r\n\t"):
                yield NoMessage(number, "it stands before the first message", line.strip(), False)
        else:
            if header and header.style == form.style and day_of(header.days, form.order, date.max):
                yield NoMessage(
                    number, "it is dated in the future, and was taken for text", line.strip(), False
                )
            size += len(line)
            if size <= 2 * LONGEST:
                parts.append(line.removeprefix(TYPED).rstrip("\r\n"))
    if begun:
        yield _message(begun, parts, size, form, files)


def _message(
    begun: tuple[int, datetime, str | None],
    parts: list[str],
    size: int,
    form: FileFormat,
    files: Container[str],
) -> Message | NoMessage:
    number, at, sender = begun
    if size > 2 * LONGEST:
        return NoMessage(number, "it is longer than a message can be", parts[0])
    text = "\n".join(parts)
    if sender is None:
        return Message(number, at, None, Content(text.strip(MARKS + " \n\t") or None, "system"))
    found = content_of(text, is_iphone=form.style.is_iphone, files=files)
    if len(found.text or "") > LONGEST:
        return NoMessage(number, "it is longer than a message can be", parts[0])
    return Message(number, at, None if found.kind == "system" else sender, found)
