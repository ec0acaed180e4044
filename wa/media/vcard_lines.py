"""The lines of a vCard file: line ends, folding and encodings, as programs write them (RFC 6350 §3.2)."""

from __future__ import annotations

import codecs
import quopri
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

_CHUNK = 65_536
_LONGEST = 1_000_000
"""The most bytes of a line that are kept: a photo may be longer, a name never is."""
_BREAK = re.compile(rb"\r{1,3}\n|\n|\r(?!\Z)")  # some programs write \r\r\n
_HEAD = re.compile(rb"[ \t]*(?:([\w-]+)\.)?([A-Za-z][\w-]*)((?:;(?:\"[^\"]*\"|[^\":])*)?):", re.ASCII)
_BETWEEN = re.compile(rb"(?i)(?<=\AEND:VCARD)(?=BEGIN:VCARD)")
"""The place where two files were joined if the first had no line end."""
_PROPERTY = re.compile(
    rb"(?:[\w-]+\.)?(FN|N|NICKNAME|PHOTO|BDAY|ANNIVERSARY|GENDER|ADR|LABEL|TEL|EMAIL|MAILER|IMPP|LANG|TZ|GEO|TITLE|"
    rb"ROLE|LOGO|AGENT|ORG|MEMBER|RELATED|CATEGORIES|NOTE|PRODID|REV|SORT-STRING|SOUND|UID|URL|CLASS|KEY|FBURL|SOURCE|"
    rb"CALURI|CALADRURI|VERSION|NAME|PROFILE|KIND|XML|CLIENTPIDMAP|BIRTHPLACE|X-[\w-]+)(;[^:]*)?:",
    re.IGNORECASE,
)
"""The beginning of a line with a property of any version. Text that only looks like one is rare."""
_REPEATED = ("TEL", "EMAIL", "ADR", "LABEL", "URL", "IMPP")
"""Properties that a card may have several times."""
_LINE_END = 4
"""The last bytes that are kept of a line without its value: they show how it is continued."""
_LINE_BREAK = re.compile(rb"=0[AD]=\Z", re.IGNORECASE)
_PARAM = re.compile(r';\s*([^;:="]*)(?:=((?:"[^"]*"|[^";])*))?')


def is_text_encoding(name: str) -> bool:
    """Return whether a name is that of a text encoding, and not of base64 or the like."""
    try:
        return isinstance(b"\xe9".decode(name, "replace"), str)
    except (LookupError, ValueError):  # UnicodeError is a ValueError
        return False


@dataclass
class Line:
    """A logical line, unfolded. Its value is not decoded yet."""

    number: int
    """The number of its first line in the file, counted from 1."""
    group: str = ""
    name: str = ""
    """In capitals; empty where the line is not `name:value` at all."""
    params: str = ""
    is_kept: bool = True
    is_cut: bool = False
    """Whether the line was too long to be kept whole."""
    is_ended: bool = True
    """False for a last line without a line end: the file may have been cut off in it."""
    parts: list[bytes] = field(default_factory=list)
    is_folded_twice: bool = False
    """Whether a space at the begin of a line behind a soft line break is folding, and no text."""
    _length: int = 0
    _is_upper: bool = True
    """Whether the name is written in capitals, as it is in most files."""
    _is_before_gap: bool = False
    """Whether an empty line followed a soft line break."""
    _breaks: list[int] = field(default_factory=list)
    """The indexes of the parts that follow a soft line break."""

    def continues(self, text: bytes, seen: Collection[str]) -> bool:
        """Return whether the next line of the file belongs to this one.

        `seen` are the names of the properties that the card has had so far.
        """
        if text.rstrip().upper() in (b"BEGIN:VCARD", b"END:VCARD"):
            return False
        if text[:1] in (b" ", b"\t"):
            return True
        if self._is_soft:
            return not self._ends_before(text, seen)
        # A further line of a picture whose lines the program did not fold.
        return bool(text) and self._is_base64 and not _HEAD.match(text)

    @property
    def _is_quoted_printable(self) -> bool:
        return bool(self.params) and "QUOTED-PRINTABLE" in self.params.upper()

    @property
    def _is_base64(self) -> bool:
        return (
            bool(self.params)
            and not self.is_kept
            and any(each.upper() in ("B", "BASE64") for each in (*self.param("ENCODING"), *self.param("")))
        )

    @property
    def _is_soft(self) -> bool:
        return self._is_quoted_printable and self.parts[-1].endswith(b"=")

    def _ends_before(self, text: bytes, seen: Collection[str]) -> bool:
        """Return whether the `=` at the end is no soft line break, since a property begins behind it.

        A note may quote a card, with an encoded line break before each soft one. A line of it has no
        parameters, ends in a soft break too, or repeats a property of which a card has one.
        """
        begun = _PROPERTY.match(text)
        if not begun or begun[1].isupper() != self._is_upper:
            return False
        if self._is_before_gap or begun[2] or not _LINE_BREAK.search(self.parts[-1]):
            return True
        name = begun[1].decode().upper()
        return not text.endswith(b"=") and (name in _REPEATED or name not in seen)

    def add(self, text: bytes, is_cut: bool) -> None:
        """Add the next line of the file to this one."""
        is_soft = self._is_soft
        if is_soft and not text:  # an empty line: some programs double each line end
            self._is_before_gap = True
            return
        if is_soft and self.is_kept:
            self.parts[-1] = self.parts[-1][:-1]
            self._breaks.append(len(self.parts))
        else:
            text = text[1:]
        self._is_before_gap = False
        self._length += len(text)
        self.is_cut |= is_cut or self._length > _LONGEST
        if self.is_kept and not self.is_cut:
            self.parts.append(text)
        else:
            self.parts[-1:] = [text[-_LINE_END:]]

    @property
    def shows_double_folding(self) -> bool:
        """Return whether this line cannot be read unless it is folded twice: softly, and with a space.

        The space is inside a character then, or the program writes its other spaces as `=20`.
        """
        starts = [self.parts[at][:1] for at in self._breaks]
        if not starts or not all(start in (b" ", b"\t") for start in starts):
            return False
        decoder = codecs.getincrementaldecoder(self.charset or "utf-8")("replace")
        for at, part in enumerate(self.parts):
            if at in self._breaks and decoder.getstate()[0]:
                return True
            decoder.decode(quopri.decodestring(part))
        whole = b"".join(self.parts).partition(b":")[2]
        return b"\t" in starts or (b"=20" in whole and whole.count(b" ") == len(starts))

    def param(self, name: str) -> list[str]:
        """Return the values of a parameter; for ``""``, the values that vCard 2.1 writes without a name."""
        found: list[str] = []
        if not self.params:
            return found
        for key, value in _PARAM.findall(self.params):
            key, value = key.strip().upper(), value.replace('"', "")
            if key == name and value:
                found += [each.strip() for each in value.split(",")]
            elif not name and not value:
                found.append(key)
        return found

    @property
    def charset(self) -> str | None:
        """The codec that the line names; None for UTF-8 or none."""
        if "CHARSET" not in self.params.upper():
            return None
        for name in filter(is_text_encoding, self.param("CHARSET")):
            codec = codecs.lookup(name).name
            # Text that is declared as Latin-1 is in fact Windows-1252, which has a few more characters.
            return {"utf-8": None, "ascii": None, "iso8859-1": "cp1252"}.get(codec, codec)
        return None

    @property
    def value(self) -> bytes:
        """The bytes after the name and the parameters."""
        parts = self.parts
        if self.is_folded_twice:
            parts = [
                part[1:] if at in self._breaks and part[:1] in b" \t" else part
                for at, part in enumerate(parts)
            ]
        whole = b"".join(parts)
        match = _HEAD.match(whole)
        raw = whole[match.end() :] if match else b""
        return quopri.decodestring(raw.rstrip(b"=")) if self._is_quoted_printable else raw


def read_lines(stream: BinaryIO, kept: Collection[str]) -> Iterator[Line]:
    """Yield the logical lines of a file; lines of other properties than `kept` lack their values."""
    line: Line | None = None
    seen: set[str] = set()
    for number, (whole, is_cut, is_ended) in enumerate(_physical(_pieces(stream)), 1):
        for text in _BETWEEN.split(whole.removeprefix(codecs.BOM_UTF8)):
            if line and line.continues(text, seen):
                line.add(text, is_cut)
                continue
            if line:
                yield line
            line = _begun(number, text, is_cut, kept) if text.strip() else None
            if line and line.name == "BEGIN":
                seen = set()
            seen.update((line.name,) if line else ())
        if line:
            line.is_ended = is_ended
    if line:
        yield line


def _begun(number: int, text: bytes, is_cut: bool, kept: Collection[str]) -> Line:
    head = _HEAD.match(text)
    if not head:
        return Line(number, is_cut=is_cut, parts=[text])
    group, name = (head[1] or b"").decode().lower(), head[2].decode().upper()
    line = Line(number, group, name, head[3].decode("utf-8", "replace"), name in kept, is_cut)
    line._is_upper = head[2].isupper()
    line.parts = [text if line.is_kept else text[-_LINE_END:]]
    return line


def _physical(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool, bool]]:
    """Yield the lines of a file without their ends, whether each was too long, and whether it had an end."""
    rest, is_cut = b"", False
    for piece in pieces:
        *lines, rest = _BREAK.split(rest + piece)
        for line in lines:
            yield line, is_cut, True
            is_cut = False
        if len(rest) > _LONGEST:
            rest, is_cut = rest[:1000] + rest[-1:], True
    for line in rest.splitlines(keepends=True):
        yield line.rstrip(b"\r"), is_cut, line.endswith(b"\r")


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of a file in pieces, without a byte order mark; UTF-16 and UTF-32 become UTF-8."""
    piece = stream.read(_CHUNK)
    wide = _wide_encoding(piece)
    decoder = codecs.getincrementaldecoder(wide)("replace") if wide else None
    while piece:
        yield decoder.decode(piece).encode("utf-8", "replace") if decoder else piece.replace(b"\0", b"")
        piece = stream.read(_CHUNK)


def _wide_encoding(start: bytes) -> str | None:
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Without a byte order mark, zeros between the letters of BEGIN:VCARD show the encoding.
    start = start[:64]
    for name, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if len(zeros) > 4 and zeros.count(0) == len(zeros):
            return name
    return None
