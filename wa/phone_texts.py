"""Texts of address books in which phone numbers stand, with pauses, extensions, service codes and words.

`+447700900146p123456` dials a number, waits and dials digits. The number library takes those digits
as part of the number, which is then a stranger's. So the number is cut out here, before the library
sees it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

MOST_DIGITS = 15
"""The most digits of a number with its country code (ITU-T E.164)."""
_FEWEST = 7
"""The fewest digits that can be a second number, and not an extension or the end of the first one."""

_LONGEST = 300
"""The most characters of a text in which numbers are looked for."""

_SCHEME = re.compile(r"(?:tel|sms|smsto|mms|mmsto|callto|fax|modem|whatsapp)\s*:(?://)?", re.IGNORECASE)
_CONTEXT = re.compile(r";\s*phone-context\s*=\s*\"?(\+[\d().\-\s]+)", re.IGNORECASE)
"""The beginning of a local number in a URI (RFC 3966 §5.1.5)."""
_GAP = r"[\s().\-]*"
# `*31#` of GSM (3GPP TS 22.030) hides or shows the caller's number, and so does `*67` in North America.
_CODE = re.compile(rf"\s*(?:[*#]{{1,2}}\s*\d{{2,3}}\s*#|\*\d\d(?={_GAP}\+?\d(?:{_GAP}\d){{6}}))")
_RUN = re.compile(r"\s*\+?[\s(]*\d[\d\s().\-]*")
_PAUSE = re.compile(r"[,;*#~،]|(?:pause|pausa|wait)\b|[pwt]+[\s\d,;pwt*#().\-]*\Z", re.IGNORECASE)
_EXTENSION = re.compile(
    r"[\s(\[,;:.\-]*(?:x|xt|ext|extn|extension|extensión|extensão|anexo|ramal|int|interno|interior|durchwahl|dw|app|"
    r"apparat|nst|nebenstelle|klappe|kl|poste|toestel|tst|anknytning|ankn|lokalnummer|lokal|lok|alanumero|"
    r"wewnętrzny|wewn|wew|linka|klapka|mellék|dahili|dâhili|доб|добавочный|доп|внутр|внутренний|вн|εσωτερικό|"
    r"εσωτ|שלוחה|تحويلة|داخلي|内線|内线|分机|分機|转|轉|내선|구내|ต่อ)(?:[.:=#\s(\-]|(?=\d)|\Z)",
    re.IGNORECASE,
)
_LABEL = (
    r"(?:tel|telefon|telephone|téléphone|teléfono|telefone|telefono|phone|ph|cell|celular|mobile|mob|mobil|"
    r"móvil|cellulare|handy|natel|gsm|portable|home|work|office|fax|privat|private|büro|zuhause|maison|bureau|"
    r"casa|trabajo|ufficio|тел|моб|факс|дом|раб)\b"
)
_OR = (
    r"(?:or|oder|ou|o|u|of|eller|tai|lub|albo|nebo|alebo|vagy|sau|ili|или|або|чи|and|und|et|e|y|en|og|och|ja|i|ve|"
    r"veya|и|й|та|bzw\.?|resp\.?|ή|και|או|أو|و|或|または|또는|atau)"
)
_BETWEEN = re.compile(
    rf"[\n\r\t|&•\\]+|:::|(?<=[\d)\s]){_OR}(?=[\s(+\d])|(?<=[\d)])[\s,;/]*(?={_LABEL})"
    rf"|(?<=\d)[,;]\s+(?=0[1-9](?:{_GAP}\d){{7,12}}\s*(?:[,;]\s|\Z))",
    re.IGNORECASE,
)
"""Separators of two numbers in one field.

A comma and a semicolon are pauses, unless a label follows, a +, or a space and a whole number that
begins with one 0.
"""
_KEYS = {letter: str(digit) for digit, letters in enumerate(
    ("ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ"), 2) for letter in letters}  # fmt: skip


Test = Callable[[str], bool]


@dataclass(frozen=True)
class Written:
    """A number that stands in a text."""

    text: str
    """Its digits and punctuation alone, perhaps with `+`."""
    rest: str = ""
    """The kind of what was cut off: `a pause`, `an extension`, `a service code`; "" for nothing."""
    left_out: str = ""
    """The part of the text that was not read, if it is long enough to be a number too."""


def numbers_in(text: str, is_whole: Test, is_used: Test) -> list[Written]:
    """Return the numbers that stand in a text.

    `is_whole` tells whether a text has all digits of a number, `is_used` whether there is such a number.

    Raise ValueError, with the reason, if there is none, or none for sure.
    """
    if len(text) > _LONGEST:
        raise ValueError("it is too long for a phone number")
    text = plain(text)
    text, code = _without_code(_without_scheme(text))
    found: list[Written] = []
    for piece in _pieces(text, is_whole):
        if not found or (_count(piece) >= _FEWEST and is_whole(_head(piece))):
            found += _read(piece, is_whole, is_used)
        elif _count(piece):  # 020 7946 0123/4: another ending of the same number
            found[-1] = Written(found[-1].text, found[-1].rest or "another ending", piece.strip())
    if not found:
        raise ValueError("there is no number in it")
    if code:
        found[0] = Written(found[0].text, "a service code", found[0].left_out)
    if len(found) > 1:
        found[0] = Written(found[0].text, "a second number", found[0].left_out)
    return found


def plain(text: str) -> str:
    """Return a text with ASCII digits, plus and dashes, without marks of text direction."""
    if text.isascii():
        return text
    text = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    digits = (str(unicodedata.digit(char)) if char.isdecimal() else char for char in text)
    return re.sub("[\u2010-\u2015\u2212]", "-", "".join(digits))


def _count(text: str) -> int:
    return sum(map(str.isdecimal, text))


def _without_scheme(text: str) -> str:
    """Return the number of a URI such as `tel:7946-0051;phone-context=+44-20`; other texts unchanged."""
    scheme = _SCHEME.match(text.strip())
    if not scheme:
        return text
    number, *_ = unquote(text.strip()[scheme.end() :]).partition("?")
    context = _CONTEXT.search(number)
    number = number.split(";")[0]
    return number if context is None or "+" in number else f"{context[1]}-{number}"


def _without_code(text: str) -> tuple[str, bool]:
    """Return a text without the service codes before the number, and whether there were any."""
    rest = text
    while code := _CODE.match(rest):
        rest = rest[code.end() :]
    if rest.lstrip()[:1] in ("*", "#") or (rest != text and not _count(rest)):
        raise ValueError("it is a service code, not a phone number")
    return rest, rest != text


def _pieces(text: str, is_whole: Test) -> Iterator[str]:
    """Yield the parts of a text that may each be a number."""
    for part in _BETWEEN.split(text):
        yield from _at_slashes(part, is_whole) if "+" not in part[1:] else _at_pluses(part, is_whole)


def _at_pluses(text: str, is_whole: Test) -> Iterator[str]:
    """Yield the parts of a text that begin with `+`, and what stands before the first of them."""
    first, *rest = text.split("+")
    if 0 < _count(first) < _FEWEST and first.strip(" (") not in ("0", "00"):
        raise ValueError("it can be read in two ways")
    if _count(first) >= _FEWEST:
        yield from _at_slashes(first, is_whole)
    for number, each in enumerate(rest):
        if 0 < _count(each) < _FEWEST and number < len(rest) - 1:
            raise ValueError("it can be read in two ways")
        if each:
            yield from _at_slashes(f"+{each}", is_whole)


def _at_slashes(text: str, is_whole: Test) -> list[str]:
    """Return the numbers between slashes: 020 7946 0123/07700 900123; 030/23125012 is one number."""
    first, *parts = text.split("/")
    if all(_count(part) < _FEWEST for part in (first, *parts)):
        return ["-".join((first, *parts))]
    found = [first]
    for part in parts:
        if is_whole(_head(found[-1])):
            found.append(part)
        else:
            found[-1] += f"-{part}"
    return found


def _head(text: str) -> str:
    """Return the digits and punctuation at the beginning of a text, behind a label such as `Tel.`"""
    run = _RUN.match(_without_label(text))
    return run[0].rstrip(" (-.") if run else ""


def _without_label(text: str) -> str:
    """Return a text without the words before its number. Raise ValueError when they touch it: A1 234."""
    start = re.search(r"[+(]*\d", text)
    before = text[: start.start()] if start else ""
    if re.search(r"[^\W\d_]\Z", before) and not re.search(rf"\b{_LABEL}\Z", before, re.IGNORECASE):
        raise ValueError("there are letters in it")
    return text[len(before) :]


def _read(piece: str, is_whole: Test, is_used: Test) -> list[Written]:
    """Return the number in one part of a text, or two that only a space separates. Raise ValueError."""
    head = _head(piece)
    if not head:
        return []
    behind = _without_label(piece)
    behind = behind[behind.index(head) + len(head) :]
    rest = behind.lstrip(" (-.")
    if not rest or rest == ")":
        return [Written(each) for each in _apart(head, is_whole)]
    if rest.startswith("@s.whatsapp.net"):
        return [Written(f"+{head}")]
    if _EXTENSION.match(rest):
        return [Written(head, "an extension")]
    if _PAUSE.match(rest):
        return [Written(head, "a pause", rest if _count(rest) >= _FEWEST else "")]
    if spelt := _spelt(head, rest, is_whole, is_used):
        return [Written(spelt)]
    is_remark = behind[:1] in " (-:?!'\"" and _count(rest) < _FEWEST
    if is_remark and is_whole(head):  # 07700 900123 (Mum)
        return [Written(head, "", rest if _count(rest) else "")]
    raise ValueError(
        "there are letters in it" if re.search(r"[^\W\d_]", rest) else "it is not a phone number"
    )


def _spelt(head: str, rest: str, is_whole: Test, is_used: Test) -> str | None:
    """Return the digits of 1-800-FLOWERS on a phone's keys, if they make a number and are none without."""
    letters = re.sub(r"[\s\-.]", "", rest).upper()
    if len(re.findall("[A-Z]", letters)) < 3 or not re.fullmatch("[A-Z0-9]+", letters) or is_whole(head):
        return None
    spelt = head + "".join(_KEYS.get(char, char) for char in letters)
    return spelt if is_used(spelt) else None


def _apart(head: str, is_whole: Test) -> list[str]:
    """Return a number, or the two that it is made of if that can be in one way only."""
    if is_whole(head):
        return [head]
    cuts = [match.span() for match in re.finditer(r"\s+(?:-\s+)?", head)]
    pairs = [(head[:start], head[end:]) for start, end in cuts]
    pairs = [pair for pair in pairs if all(_count(each) >= _FEWEST and is_whole(each) for each in pair)]
    if len(pairs) == 1:
        return list(pairs[0])
    if (count := _count(head.lstrip("+( 0"))) > MOST_DIGITS:
        raise ValueError(f"it has {count} digits; a phone number has at most {MOST_DIGITS}")
    return [head]
