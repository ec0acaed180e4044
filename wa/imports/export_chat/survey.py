"""The first reading of an exported chat: the forms of its headers, the order of dates, the participants.

A file has one form of header, or two if somebody put two exports into one file. Lines whose form differs
a little (no comma, a year of another length) are of the same family, and have the same order of dates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from itertools import combinations

from wa.errors import WaError
from wa.imports.export_chat.content import LEFT_TO_RIGHT, RIGHT_TO_LEFT, is_notice, unknown_phrase
from wa.imports.export_chat.header import Header, header_of, loose_name, sender_of
from wa.imports.export_chat.language.dates import unread_calendar
from wa.imports.export_chat.language.words import Vocabulary
from wa.imports.export_chat.shape import Style
from wa.texts import MARKS

ORDERS = ("dmy", "mdy", "ymd")
"""The orders that day, month and year of a date may have."""
_RARE = 10
"""Rule a date order out only if at least 10 times more headers fit another one: text that merely looks
like a header is rarer than that."""
_STRAYS = 4
"""Rule a date order out only if time goes back at least 4 times more often in it than in another."""
_ESTABLISHED = 20
"""The headers of another form are no quotations if there is one to each 20 of the main form."""
_NEAR = timedelta(days=200)
"""The most days between the last date with a year and the first without, by which the year is known."""
_MOST_NAMES = 5000
_MOST_FORMS = 50
Family = tuple[bool, bool, bool, str]


def family_of(style: Style) -> Family:
    """Return the part of a style that is the same for headers of one family."""
    return style.is_iphone, style.is_date_first, style.has_dash, style.mark


@dataclass(frozen=True)
class FileFormat:
    """The form of a file."""

    style: Style
    """The form of most headers."""
    order: str
    orders: dict[Family, str]
    """The order of dates in each family of headers."""
    latest: date
    known: Collection[str]
    names: Counter[str]
    """The participants, with the number of messages of each."""
    vocabulary: Vocabulary
    mark: str
    """The invisible mark before text that nobody typed."""
    left_out: Collection[str]
    """Phrases for files that are not in the export, in a language that is not known."""
    year: int | None
    """The year of dates that have none."""


@dataclass
class _Group:
    """The headers of one family."""

    styles: Counter[Style] = field(default_factory=Counter)
    counts: Counter[frozenset[str]] = field(default_factory=Counter)
    """The number of headers that are a date in exactly these orders."""
    examples: dict[frozenset[str], str] = field(default_factory=dict)
    unlike: dict[tuple[str, str], tuple[str, Header]] = field(default_factory=dict)
    """The first header that two orders read as different days."""
    names: dict[tuple[Style, str], Counter[str]] = field(default_factory=dict)
    """The senders, by form and order."""
    back: Counter[str] = field(default_factory=Counter)
    """The number of times that time goes back by more than a day, by order."""
    newest: dict[str, date] = field(default_factory=dict)

    def possible(self) -> list[str]:
        """Return the orders that are not ruled out by dates that are impossible in them."""
        left = [order for order in ORDERS if not any(self._beats(other, order) for other in ORDERS)]
        is_korean = any(style.is_korean for style in self.styles)
        return ["ymd"] if is_korean and "ymd" in left else left

    def likeliest(self, left: list[str]) -> list[str]:
        """Return those orders in which time goes back least; one if all others read the same days."""
        if len(left) > 1 and not any(style.is_east_asian for style in self.styles):
            left = [order for order in left if order != "ymd"]
        least = min((self.back[order] for order in left), default=0)
        left = [order for order in left if self.back[order] <= _STRAYS * least + 1]
        return left if any(pair in self.unlike for pair in combinations(left, 2)) else left[:1]

    def _beats(self, one: str, other: str) -> bool:
        """Return whether so many headers fit only the order `one` that `other` is ruled out."""
        only = [
            sum(count for can, count in self.counts.items() if a in can and b not in can)
            for a, b in ((one, other), (other, one))
        ]
        return only[0] * _RARE > only[1]


class Survey:
    """The form of a file, and its participants. Raise WaError `bad-data` if no line has a header."""

    def __init__(self, lines: Iterable[str], name: str, latest: date, known: Collection[str] = ()) -> None:
        self._name, self._latest, self._known = name, latest, known
        self._groups: dict[Family, _Group] = {}
        self._vocabulary = Vocabulary()
        self._words: set[str] = set()
        self._marks: Counter[str] = Counter()
        self._phrases: dict[str, Counter[str]] = {}
        self._loose: Counter[str] = Counter()
        """Names with no space behind their colon."""
        self._newest: date | None = None
        self._dated: tuple[object, ...] | None = None
        """What the header of the line before tells of its day."""
        self._days: dict[str, date] = {}
        """That day, for each order of day, month and year in which it can be read."""
        self._year: int | None = None
        """The year of dates that have none."""
        unread: tuple[int, str, Header] | None = None
        for number, line in enumerate(lines, 1):
            if (header := header_of(line)) and not self._take(number, line, header):
                unread = unread or (number, line, header)
        if not self._groups:
            raise self._nothing(unread)

    def _nothing(self, unread: tuple[int, str, Header] | None) -> WaError:
        hint = "give the file that WhatsApp made: open the chat on the phone, More, Export chat"
        if unread is None:
            what = f"no line of {self._name} begins like a message: 31/12/2023, 23:59 - Name: text"
            return WaError("bad-data", what, hint)
        number, line, header = unread
        what = f"line {number} of {self._name} ({_shown(line, header)})"
        if calendar := unread_calendar(header.days, header.era):
            what = f"{what} has a date of the {calendar} calendar, which cannot be read for sure"
            hint = "choose the Gregorian calendar on the phone, and export the chat again"
            return WaError("bad-data", what, hint)
        return WaError("bad-data", f"{what} has no date that can be read", hint)

    def _take(self, number: int, line: str, header: Header) -> bool:
        """Learn from a header; return False if its date is impossible in every order."""
        if not header.has_year:
            header = header.of_year(self._year_of(header))
        dated = header.style, header.days, header.era, header.words
        days = self._days
        if dated != self._dated:  # the date of most lines is that of the line before
            day = partial(header.day, latest=self._latest, vocabulary=self._vocabulary)
            days = {order: found for order in ORDERS if (found := day(order))}
        if not days:
            return False
        family = family_of(header.style)
        if family not in self._groups and len(self._groups) == _MOST_FORMS:
            return True
        group = self._groups.setdefault(family, _Group())
        can = frozenset(days)
        group.styles[header.style] += 1
        group.counts[can] += 1
        if dated != self._dated:
            self._dated, self._days = dated, days
            self._newest = max(self._newest or date.min, *days.values())
            self._words.update(header.words, (each for each in header.days if not each.isdigit()))
            shown = _shown(line, header)
            group.examples.setdefault(can, f"line {number} ({shown})")
            for one, other in combinations(days, 2):
                if days[one] != days[other]:
                    group.unlike.setdefault((one, other), (shown, header))
        rest = line[header.end :].rstrip("\r\n")
        sender, text = sender_of(rest, self._known)
        if sender is None:
            self._loose[loose_name(rest)] += len(self._loose) < _MOST_NAMES
        elif not is_notice(text, is_iphone=header.style.is_iphone):
            _count(group, header.style, sender, days)  # notices are not in the order of time
        if sender:
            self._learn_phrase(sender, text, header.style)
        return True

    def _year_of(self, header: Header) -> int | None:
        """Return the year of dates without one: that after the newest before them, if it is near enough."""
        if self._year is None and self._newest:
            year = self._newest.year + 1
            days = (header.of_year(year).day(order, self._latest, self._vocabulary) for order in ORDERS)
            if any(day and day - self._newest < _NEAR for day in days):
                self._year = year
        return self._year

    def _learn_phrase(self, sender: str, text: str, style: Style) -> None:
        if style.is_iphone and text[:1] in (LEFT_TO_RIGHT, RIGHT_TO_LEFT):
            self._marks[text[0]] += 1
        phrase = unknown_phrase(text, is_iphone=style.is_iphone)
        if phrase and (phrase in self._phrases or len(self._phrases) < _MOST_NAMES):
            senders = self._phrases.setdefault(phrase, Counter())
            senders[sender] += sender in senders or len(senders) < 2

    def form(self, asked: str | None) -> FileFormat:
        """Return the form of the file. Raise WaError `usage` if its dates can be read in several orders.

        Raise `bad-data` if they cannot be read in the order `asked`, or in no order.
        """
        families = sorted(self._groups, key=lambda each: -self._groups[each].styles.total())
        main = self._groups[families[0]]
        order = asked if asked in main.possible() else self._order(main, asked, families[1:])
        orders = {families[0]: order}
        for family in families[1:]:
            possible = self._groups[family].possible()
            found = [order] if order in possible else self._groups[family].likeliest(possible)
            if len(found) == 1:
                orders[family] = found[0]
        ((style, most),) = main.styles.most_common(1)
        names: Counter[str] = Counter()
        for family, found_order in orders.items():
            for each, count in self._groups[family].styles.items():
                is_quoted = each.is_iphone and not each.has_seconds and each != style
                if count * _ESTABLISHED >= most and not is_quoted:
                    names.update(self._groups[family].names.get((each, found_order), {}))
        names.update({name: count for name, count in self._loose.items() if name and count > 1 and not names})
        mark = max((LEFT_TO_RIGHT, RIGHT_TO_LEFT), key=lambda each: self._marks[each])
        left_out = {phrase for phrase, senders in self._phrases.items() if len(senders) > 1}
        return FileFormat(
            style, order, orders, self._latest, self._known, names,
            Vocabulary(self._words), mark, left_out, self._year,
        )  # fmt: skip

    def _order(self, main: _Group, asked: str | None, others: list[Family]) -> str:
        """Return the order of dates in the headers of the main form."""
        left = main.possible()
        if asked:
            line = next(shown for can, shown in main.examples.items() if asked not in can)
            what = f"{self._name}, {line} is not a date in the order {asked}"
            raise WaError("bad-data", what, "leave --date-order out")
        if not left:
            line = next(iter(main.examples.values()))
            what = f"the dates in {self._name} contradict one another, from {line} on"
            raise WaError("bad-data", what, "import one export at a time")
        found = main.likeliest(left)
        for group in (self._groups[each] for each in others):
            if (
                len(found) > 1
                and len(likely := group.likeliest(group.possible())) == 1
                and likely[0] in found
            ):
                found = likely
        if len(found) == 1:
            return found[0]
        shown, header = next(main.unlike[pair] for pair in combinations(found, 2) if pair in main.unlike)
        day = partial(header.day, latest=self._latest, vocabulary=self._vocabulary)
        read = [f"--date-order {each} reads it as {at.day} {at:%B %Y}" for each in found if (at := day(each))]
        message = f"the dates in {self._name} can be read in {len(read)} ways: {shown!r}"
        raise WaError("usage", message, ", ".join(read))


def _shown(line: str, header: Header) -> str:
    return line[: header.end].strip(MARKS + " -")


def _count(group: _Group, style: Style, sender: str, days: dict[str, date]) -> None:
    for order, day in days.items():
        names = group.names.get((style, order))
        if names is None:
            names = group.names[style, order] = Counter()
        if sender in names or len(names) < _MOST_NAMES:
            names[sender] += 1
        if (newest := group.newest.get(order)) != day:
            group.back[order] += newest is not None and day < newest - timedelta(days=1)
            group.newest[order] = day
