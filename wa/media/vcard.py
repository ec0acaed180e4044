"""vCards 2.1, 3.0 and 4.0 as programs really write them (RFC 2426, RFC 6350, the vCard 2.1 specification).

Reading never gives up: a line that cannot be read becomes a Problem, and the rest
of its card is still read. A general vCard parser refused a third of the real
address books that we tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from wa.errors import WaError
from wa.media.vcard_dates import BIRTHDAYS, android_birthday, birthday_of, is_birthday_label
from wa.media.vcard_lines import Line, read_lines
from wa.store.fold import tidy
from wa.times import load_zone

PHONETIC = ("X-PHONETIC-LAST-NAME", "X-PHONETIC-FIRST-NAME", "X-PHONETIC-MIDDLE-NAME")
"""How a name is spoken, in parts, as phones write it (Japanese, Chinese)."""
_OURS = (
    "BEGIN", "END", "AGENT", "FN", "N", "ORG", "NICKNAME", "TEL", "X-ABLABEL", "CATEGORIES", "NOTE", "TZ",
    "X-FAVORITE", "X-ANDROID-CUSTOM", "X-TEL", "X-PHONE", "X-MOBILE", "X-WHATSAPP", "IMPP", "URL",
    "X-SOCIALPROFILE", "X-ABDATE", *BIRTHDAYS, *PHONETIC,
)  # fmt: skip
_OF_EVERYBODY = ("myContacts", "* myContacts")
"""The category that Google gives every contact."""
_ESCAPED = re.compile(r"\\([nN,;:\\])")

# Labels for the types that tell a person's numbers apart, in all three versions. The other types
# say what a number can do (voice, msg, text) or how it is written.
LABEL_OF_TYPE = {
    "cell": "mobile", "home": "home", "work": "work", "fax": "fax", "pager": "pager", "car": "car",
    "main": "main", "other": "other", "isdn": "isdn", "iphone": "iphone", "modem": "modem", "bbs": "bbs",
}  # fmt: skip
_LIKE_TEL = ("X-TEL", "X-PHONE", "X-MOBILE")
_WAID = r"\+?([1-9][\d\s().\-]{6,20})"
_ON_WHATSAPP = (
    ("X-WHATSAPP", re.compile(_WAID)),
    ("IMPP", re.compile(rf"whatsapp:(?://)?{_WAID}(?:@.*)?", re.IGNORECASE)),
    ("X-SOCIALPROFILE", re.compile(rf"whatsapp:(?://)?{_WAID}(?:@.*)?", re.IGNORECASE)),
    (
        "URL",
        re.compile(
            rf"https?://(?:wa\.me/|(?:api|web)\.whatsapp\.com/send/?\?phone=){_WAID}\b.*", re.IGNORECASE
        ),
    ),
)
"""Where programs write a number that is on WhatsApp, with its country code."""
_NO_LABEL = frozenset(("voice", "pref", "msg", "text", "video", "textphone", "internet", "x400", "pcs"))


@dataclass(frozen=True)
class Problem:
    """A line or card that could not be read, and why."""

    line: int
    """The number of the line, counted from 1."""
    card: str | None
    """The name on the card, if it has one."""
    reason: str


@dataclass
class Tel:
    """A number as it is written on a card."""

    text: str
    label: str | None = None
    waid: str | None = None
    """The number's digits as WhatsApp knows them: a parameter that WhatsApp writes into cards it sends."""
    is_preferred: bool = False
    line: int = 0
    group: str = ""


@dataclass
class Card:
    """The fields of a vCard that are imported and exported."""

    name: str = ""
    is_named: bool = True
    """False if the card has no name, and the number stands in for it."""
    parts: list[str] = field(default_factory=list)
    """The name in parts: family, given, middle, prefix and suffix; then how it is spoken, as PHONETIC."""
    tels: list[Tel] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    notes: str | None = None
    timezone: str | None = None
    birthdays: list[tuple[str, int]] = field(default_factory=list)
    """Birthdays as they are written, each with the number of its line."""
    is_favorite: bool = False
    line: int = 0
    problems: list[Problem] = field(default_factory=list)
    """Lines of the card that could not be read."""
    warnings: list[Problem] = field(default_factory=list)
    """Lines of the card whose encoding was guessed, or that may be cut off."""


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────


def read_cards(stream: BinaryIO, charset: str = "cp1252") -> Iterator[Card | Problem]:
    """Yield the cards of a file, and a problem for each run of lines that are no card.

    A line is read in its own CHARSET, else as UTF-8, else in the code page that
    another line of its card names, else in `charset`.
    """
    cards: list[list[Line]] = []  # the card being read, and the cards nested in it
    is_stray = is_agent = False
    for line in read_lines(stream, _OURS):
        what = line.value.strip().upper() if line.name in ("BEGIN", "END") else b""
        if (line.name, what) == ("BEGIN", b"VCARD"):
            if cards and not is_agent:
                yield _card(cards[0], charset, is_whole=False)
                cards = []
            cards.append([line])
            is_stray = is_agent = False
        elif (line.name, what) == ("END", b"VCARD") and cards:
            done = cards.pop()
            if not cards:  # a card inside another card is an agent's, not a contact's
                yield _card(done, charset)
        elif cards:
            is_agent = line.name == "AGENT" and not line.value.strip()
            cards[-1].append(line)
        elif not is_stray:
            is_stray = True  # reported once for all lines up to the next card
            yield Problem(line.number, None, "this is not part of a card")
    if cards:
        yield _cut_off(cards[0], charset)


def _cut_off(lines: list[Line], charset: str) -> Card:
    """Return a card that the end of the file cuts off, without a last line that may be incomplete."""
    last = lines[-1]
    if not last.is_ended and len(lines) > 1:
        lines = lines[:-1]
    card = _card(lines, charset, is_whole=False)
    card.problems.append(Problem(last.number, card.name or None, "the file ends in the middle of this card"))
    return card


def _card(lines: list[Line], charset: str, *, is_whole: bool = True) -> Card:
    charset = next((found for line in lines if (found := line.charset)), charset)
    card = Card(line=lines[0].number)
    problems: list[tuple[int, str]] = []
    warnings: list[tuple[int, str]] = [] if is_whole else [(card.line, "this card has no END:VCARD")]
    texts: dict[str, list[str]] = {}
    labels: dict[str, str] = {}
    dates: list[tuple[str, str, int]] = []
    is_folded_twice = any(line.shows_double_folding for line in lines if line.is_kept)
    for line in lines[1:]:
        line.is_folded_twice = is_folded_twice
        if not line.name:
            problems.append((line.number, "this line is not NAME:value"))
        elif line.is_kept and line.is_cut:
            problems.append((line.number, "this line is too long"))
        elif line.is_kept:
            text, is_guessed = _text_of(line, charset)
            if is_guessed:
                warnings.append((line.number, f"this line is not UTF-8; it was read as {charset}"))
            if line.name == "TEL":
                card.tels.append(_tel(line, _unescaped(text).strip()))
            elif tel := _tel_elsewhere(line, _unescaped(text).strip()):
                card.tels.append(tel)
            elif line.name in BIRTHDAYS and text.strip():
                card.birthdays.append((birthday_of(line, _unescaped(text).strip()), line.number))
            elif line.name == "X-ANDROID-CUSTOM" and (found := android_birthday(_fields(text))):
                card.birthdays.append((found, line.number))
            elif line.name == "X-ABDATE":
                dates.append((line.group, birthday_of(line, _unescaped(text).strip()), line.number))
            elif line.name == "X-ABLABEL":
                labels[line.group] = _apple_label(_unescaped(text).strip())
            elif text.strip():
                texts.setdefault(line.name, []).append(text)
    for tel in card.tels:
        tel.label = labels.get(tel.group) or tel.label
    card.birthdays += [(text, at) for group, text, at in dates if is_birthday_label(labels.get(group))]
    _fill(card, texts)
    card.problems = [Problem(number, card.name or None, reason) for number, reason in problems]
    card.warnings = [Problem(number, card.name or None, reason) for number, reason in warnings]
    return card


def _text_of(line: Line, charset: str) -> tuple[str, bool]:
    """Return the value of a line, still escaped, and whether its encoding was guessed."""
    raw = line.value
    if line.charset:
        return raw.decode(line.charset, "replace"), False
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
    # Text that is mostly valid UTF-8 is damaged UTF-8, not another encoding.
    damage = text.count("\ufffd")
    is_utf8 = sum(char > "\x7f" for char in text) > 2 * damage
    return (text, False) if is_utf8 else (raw.decode(charset, "replace"), True)


def _tel(line: Line, text: str) -> Tel:
    named = [value.lower() for value in line.param("TYPE")]
    bare = [value.lower() for value in line.param("")]
    types = named + [each for each in bare if each in LABEL_OF_TYPE]
    words = [LABEL_OF_TYPE.get(each, each) for each in types if each and each not in _NO_LABEL]
    return Tel(
        text,
        label=" ".join(dict.fromkeys(words)) or None,
        waid=next((each for each in line.param("WAID") if each.isascii() and each.isdigit()), None),
        is_preferred="pref" in named + bare or bool(line.param("PREF")),
        line=line.number,
        group=line.group or f"line {line.number}",
    )


def _tel_elsewhere(line: Line, text: str) -> Tel | None:
    """Return the number in a property of a program's own, or in an address on WhatsApp; None without one."""
    whatsapp = next((each for each in _ON_WHATSAPP if each[0] == line.name), None)
    if not whatsapp and line.name not in _LIKE_TEL:
        return None
    tel = _tel(line, text)
    if line.name == "X-MOBILE":
        tel.label = "mobile"
    if whatsapp:
        services = " ".join(line.param("X-SERVICE-TYPE") + line.param("TYPE")).lower()
        found = whatsapp[1].fullmatch(
            text if "whatsapp" not in services else f"whatsapp:{text.split(':')[-1]}"
        )
        tel.waid = re.sub(r"\D", "", found[1]) if found else None
    is_number = line.name in (*_LIKE_TEL, "X-WHATSAPP") and any(map(str.isdecimal, text))
    return tel if tel.waid or is_number else None


def _apple_label(label: str) -> str:
    """Return a label; a built-in one of Apple, such as `_$!<Mobile>!$_`, without its wrapping."""
    built_in = re.fullmatch(r"_\$!<(.*)>!\$_", label)
    return built_in[1].lower() if built_in else label


def _fill(card: Card, texts: dict[str, list[str]]) -> None:
    def first(name: str) -> str:
        return texts.get(name, [""])[0]

    parts = (_fields(first("N")) + [""] * 5)[:5]
    family, given, middle, prefix, suffix = parts
    parts += [tidy(_unescaped(first(name))) for name in PHONETIC]
    card.parts = parts if any(parts) else []
    assembled = " ".join(each for each in (prefix, given, middle, family, suffix) if each)
    organisation = ", ".join(each for each in _fields(first("ORG")) if each)
    number = next((tel.text for tel in card.tels if tel.text), "")
    card.name = tidy(_unescaped(first("FN"))) or tidy(assembled) or tidy(organisation)
    if not card.name:
        card.name, card.is_named = tidy(number), False
    android = [_fields(text) for text in texts.get("X-ANDROID-CUSTOM", [])]  # how Android writes a nickname
    nicknames = [fields[1] for fields in android if fields[0].endswith("/nickname") and fields[1:]]
    card.aliases = list(dict.fromkeys([*_listed(texts.get("NICKNAME", [])), *filter(None, nicknames)]))
    card.tags = [tag for tag in _listed(texts.get("CATEGORIES", [])) if tag not in _OF_EVERYBODY]
    card.notes = "\n\n".join(filter(None, (tidy(_unescaped(each)) for each in texts.get("NOTE", [])))) or None
    card.is_favorite = first("X-FAVORITE").strip() == "1"
    if zone := _unescaped(first("TZ")).strip():
        with suppress(WaError):  # an offset, which does not tell the time in summer
            card.timezone = str(load_zone(zone))


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], text)


def _fields(text: str) -> list[str]:
    return [tidy(_unescaped(part)) for part in _split(text, ";")]


def _listed(texts: list[str]) -> list[str]:
    found = (tidy(_unescaped(part)) for text in texts for part in _split(text, ","))
    return list(dict.fromkeys(filter(None, found)))


def _split(text: str, at: str) -> list[str]:
    """Split a text at each `at` that is not escaped."""
    if "\\" not in text:
        return text.split(at)
    return re.findall(rf"(?:^|{at})((?:\\.|[^\\{at}])*)", text, re.DOTALL)
