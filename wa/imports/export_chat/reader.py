"""Reading the text of WhatsApp's "Export chat" into messages. Every phone writes dates in its own way.

    31/12/2023, 23:59 - Nadia: Happy new year!                  Android
    [31.12.23, 23:59:58] Nadia: Happy new year!                 iPhone

A file is read twice: `survey` finds its form, and `read` makes messages of its lines. A line without a header
belongs to the message before it. Lines whose header has another form than most are messages if their times
lie between those of the messages around them, as in a second export behind the first; otherwise somebody
quoted them. They stay in the text then, and are reported.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from wa.imports.export_chat.content import TYPED, Content, content_of
from wa.imports.export_chat.header import Header, header_of, sender_of
from wa.imports.export_chat.lookalikes import is_alike, is_damaged, is_quotation
from wa.imports.export_chat.survey import FileFormat, family_of
from wa.texts import MARKS

LONGEST = 65_536
"""The most characters in one message, WhatsApp's own limit."""
_OTHERWISE = "it begins like a message in another form, and was taken for text"
_MOST_QUOTED = 200
"""The most messages in another form that somebody may have quoted in one."""
_SLACK = timedelta(minutes=1)
"""The time that a message may be earlier than the one before it: one of them may have no seconds."""


class Message(NamedTuple):
    """A message of the file."""

    line: int
    at: datetime
    """The time that the wall clock showed, without a zone."""
    sender: str | None
    """None for a notice of WhatsApp's own."""
    content: Content
    has_seconds: bool


class NoMessage(NamedTuple):
    """Lines that are no message, and the reason."""

    line: int
    reason: str
    text: str
    is_message: bool = True


@dataclass
class _Begun:
    """A message whose lines are being read."""

    line: int
    at: datetime
    sender: str | None
    is_iphone: bool
    has_seconds: bool
    whole: str
    """The line with its header."""
    parts: list[str]
    size: int = 0

    def add(self, line: str) -> None:
        """Add a further line."""
        self.size += len(line)
        if self.size <= 2 * LONGEST:
            self.parts.append(line.removeprefix(TYPED).rstrip("\r\n"))


@dataclass
class _Reader:
    """The state between two lines."""

    form: FileFormat
    files: Container[str]
    begun: _Begun | None = None
    others: list[_Begun] = field(default_factory=list)
    """The messages in another form behind `begun`."""
    is_skipping: bool = False
    """Whether the present lines belong to a message that cannot be read."""

    def take(self, number: int, line: str) -> Iterator[Message | NoMessage]:
        """Yield what ends with a line."""
        found_ = header_of(line)
        header = found_.of_year(self.form.year) if found_ else None
        order = self.form.orders.get(family_of(header.style)) if header else None
        clock = header.time(self.form.vocabulary) if header else None
        day = header.day(order, self.form.latest, self.form.vocabulary) if header and order else None
        is_quoted = is_quotation(line, header) and (header is None or header.style != self.form.style)
        found = None
        if header and day and clock and not is_quoted:
            found = self._begun(number, line, header, datetime.combine(day, clock))
        is_main = header is not None and header.style == self.form.style
        if found and (is_main or found.sender is not None or not self._is_damaged(line)):
            if is_main:
                yield from self.settle(found.at)
                self.begun, self.is_skipping = found, False
            else:
                self.others.append(found)
                if len(self.others) > _MOST_QUOTED:
                    yield from self._as_messages()
        elif not is_quoted and self._is_damaged(line):
            yield from self.settle(None)
            if self.begun:
                yield self._message(self.begun)
            self.begun, self.is_skipping = None, True
            yield NoMessage(number, "its date or time cannot be read", line.strip())
        else:
            if not self.is_skipping and (header or is_quoted or is_alike(line, self.form.names)):
                reason = _OTHERWISE if is_quoted else self._reason(header, order)
                yield NoMessage(number, reason, line.strip(), False)
            yield from self._text(number, line)

    def _is_damaged(self, line: str) -> bool:
        """Return whether a line begins like one of this file, with no date and time that can be read."""
        is_iphone = line.lstrip(MARKS + " ").startswith("[")
        return (self.form.style.is_iphone or not is_iphone) and is_damaged(line, self.form.names)

    def _reason(self, header: Header | None, order: str | None) -> str:
        if header and order and header.day(order, date.max, self.form.vocabulary):
            return "it is dated in the future, and was taken for text"
        return "it begins like a message, and was taken for text"

    def _begun(self, number: int, line: str, header: Header, at: datetime) -> _Begun:
        rest = line[header.end :].rstrip("\r\n")
        sender, text = sender_of(rest, self.form.known, self.form.names)
        style = header.style
        return _Begun(number, at, sender, style.is_iphone, style.has_seconds, line, [text], len(text))

    def _text(self, number: int, line: str) -> Iterator[NoMessage]:
        if self.others:
            self.others[-1].add(line)
        elif self.begun:
            self.begun.add(line)
        elif not self.is_skipping and line.strip(MARKS + " \r\n\t"):
            yield NoMessage(number, "it stands before the first message", line.strip(), False)

    def settle(self, after: datetime | None) -> Iterator[Message | NoMessage]:
        """Yield the messages that end before the next one, which is at `after`, or with the file."""
        if self.others and self._are_messages(after):
            yield from self._as_messages()
        for other in self.others:
            if self.begun is None:
                yield NoMessage(other.line, "it stands before the first message", other.whole.strip(), False)
                continue
            yield NoMessage(other.line, _OTHERWISE, other.whole.strip(), False)
            for each in (other.whole, *other.parts[1:]):
                self.begun.add(each)
        self.others = []
        if after and self.begun:
            yield self._message(self.begun)
            self.begun = None

    def _as_messages(self) -> Iterator[Message | NoMessage]:
        for each in (self.begun, *self.others[:-1]):
            if each:
                yield self._message(each)
        self.begun, self.others, self.is_skipping = self.others[-1], [], False

    def _are_messages(self, after: datetime | None) -> bool:
        """Return whether lines in another form are messages, and no quotations in the one before them."""
        before = self.begun.at if self.begun else None
        around = [before or self.others[0].at], [after or self.others[-1].at]
        times = [*around[0], *(each.at for each in self.others), *around[1]]
        is_in_order = all(one - other <= _SLACK for one, other in zip(times, times[1:], strict=False))
        senders = {each.sender for each in self.others}
        unknown = senders - {None, *self.form.names}
        if before and after:
            return is_in_order and senders != {None}
        return senders != {None} and (is_in_order or not unknown)

    def end(self) -> Iterator[Message | NoMessage]:
        """Yield what ends with the file."""
        yield from self.settle(None)
        if self.begun:
            yield self._message(self.begun)

    def _message(self, begun: _Begun) -> Message | NoMessage:
        if begun.size > 2 * LONGEST:
            return NoMessage(begun.line, "it is longer than a message can be", begun.parts[0])
        text = "\n".join(begun.parts)
        found = Content(text.strip(MARKS + " \n\t") or None, "system")
        if begun.sender is not None:
            form = self.form
            found = content_of(
                text, is_iphone=begun.is_iphone, files=self.files, mark=form.mark, left_out=form.left_out
            )
        if len(found.text or "") > LONGEST:
            return NoMessage(begun.line, "it is longer than a message can be", begun.parts[0])
        sender = None if found.kind == "system" else begun.sender
        return Message(begun.line, begun.at, sender, found, begun.has_seconds)


def read(lines: Iterable[str], form: FileFormat, files: Container[str] = ()) -> Iterator[Message | NoMessage]:
    """Yield the messages of a file in its order; `files` are the names of the exported files."""
    reader = _Reader(form, files)
    for number, line in enumerate(lines, 1):
        yield from reader.take(number, line)
    yield from reader.end()
