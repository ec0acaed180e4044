"""The phrases that WhatsApp itself writes into an exported chat, in the languages of phones: see phrases.txt.

Phrases are compared in the form that `plain` returns. If a language is missing there, no message is
lost: its phrases are imported as texts, or as files left out if several people have them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from wa.imports.export_chat.language.words import UNSEEN, plain

_KINDS = ("other", "image", "video", "audio", "voice", "sticker", "document", "contact", "location")


def _sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for line in Path(__file__).with_name("phrases.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(name, []).extend(line.split("|"))
    return found


def _any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for plain phrases in which * stands for a name or a time."""
    return re.compile("|".join(re.escape(plain(each)).replace(r"\*", ".{1,60}") for each in phrases))


_PHRASES = _sections()
OMITTED = {plain(phrase): kind for kind in _KINDS for phrase in _PHRASES[kind]}
"""The phrases for a file that is not in the export, with its kind; `other` where the phrase does not say."""
ATTACHED = frozenset(map(plain, _PHRASES["attached"]))
DELETED = frozenset(map(plain, _PHRASES["deleted"]))
DELETED_BY = _any_of(_PHRASES["deleted by admin"])
EDITED = frozenset(map(plain, _PHRASES["edited"]))
WAITING = frozenset(map(plain, _PHRASES["waiting"]))
"""The phrases for a message that the phone itself had not received."""
MISSED = _any_of(_PHRASES["missed call"])
ENCRYPTED = re.compile(
    "|".join(re.escape(each).replace(r"\ ", r"\s+") for each in _PHRASES["encrypted"]), re.IGNORECASE
)
_TITLE_FORMS = [
    re.compile(re.escape(form).replace(r"\*", "(.+)").replace(r"\ ", "[ _]+"), re.IGNORECASE)
    for form in sorted(_PHRASES["titles"], key=len, reverse=True)
]
_COPY = re.compile(r"(?: ?\([0-9]+\)|[-_][0-9]{1,2}| copy)+$")


def titles(file_name: str) -> list[str]:
    """Return the chat's name in an exported file's name, as it is and without the number of a copy."""
    stem = UNSEEN.sub("", re.sub(r"\.(?:txt|zip)$", "", file_name.strip(), flags=re.IGNORECASE))
    stem = unicodedata.normalize("NFC", stem).strip()
    for form in _TITLE_FORMS:
        if found := form.fullmatch(stem):
            title = found[1].strip()
            return list(dict.fromkeys([title, _COPY.sub("", title).strip() or title]))
    return []
