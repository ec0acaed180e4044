"""The content of a message in an exported chat: a text, a file, an omitted file, a deletion, a notice."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

from wa.imports.export_chat.language.phrases import (
    ATTACHED,
    DELETED,
    DELETED_BY,
    EDITED,
    ENCRYPTED,
    MISSED,
    OMITTED,
    WAITING,
)
from wa.imports.export_chat.language.words import plain
from wa.texts import MARKS, unmarked

LEFT_TO_RIGHT, RIGHT_TO_LEFT = "\u200e", "\u200f"
"""The marks that an iPhone puts before text that nobody typed; the second one in Arabic."""
TYPED = "\u034f"
"""A character without a shape (combining grapheme joiner) that `writing` puts around a text, and before
further lines, that somebody typed and that look like something else."""
_LONGEST_PHRASE = 300
_ANDROID_FILE = re.compile(r"(?P<file>[^\n]+) \((?P<word>[^\n]+)\)")
_OLD_FILE = re.compile(r"(?P<file>[^\n<>]+) <(?P<word>[^\n<>:]+)>")
_IPHONE_FILE = re.compile(r"<(?P<word>[^\n<>:：]{1,40})[:：]\s{0,4}(?P<file>[^\n<>]{1,300})>")
_PAGES = re.compile(r" • [^\n]*\Z")
"""`Report.pdf • 2 pages`"""
_NUMBER = re.compile(r"^[0-9]{8}-")
"""The number that an iPhone puts before the name of a file."""
_LOCATION = re.compile(
    r"(?:[^\s:：]+ ){0,3}[^\s:：]+ ?[:：]? ?https://maps\.google\.[a-z.]{2,6}/\?q=-?[0-9.]+,-?[0-9.]+"
    r"|[^\n]{1,300}: https://(?:[a-z]{1,9}\.)?foursquare\.com/v/\S+"
)
_NULL = "null"
"""What an Android phone of 2014 wrote for a file."""
_LONGEST_UNKNOWN = 60
_POLL = re.compile(
    r"[^\s:]+:\n[^\n]+(?:\n([^\s:]+): [^\n]+ \([^\n()\d]{0,20}\d+[^\n()\d]{0,20}\))(?:\n\1: [^\n]+)+"
)
"""`POLL:`, the question, and the options, each with its votes."""
_EXTENSION = re.compile(r"\.(\w{1,10})$")
_KIND_OF_EXTENSION = {
    extension: kind
    for kind, extensions in {
        "image": ("jpg", "jpeg", "png", "gif", "heic", "heif", "webp"),
        "video": ("mp4", "mov", "3gp", "m4v", "mkv", "avi", "webm"),
        "audio": ("mp3", "m4a", "aac", "amr", "ogg", "wav", "flac"),
        "voice": ("opus",),
        "contact": ("vcf",),
    }.items()
    for extension in extensions
}


class Content(NamedTuple):
    """The content of a message, without time and sender."""

    text: str | None
    """The text, or the caption of a file; None without one."""
    kind: str = "text"
    file: str | None = None
    """The name of the message's file in the export."""
    is_deleted: bool = False
    is_edited: bool = False


def content_of(
    raw: str,
    *,
    is_iphone: bool,
    files: Container[str] = (),
    mark: str = LEFT_TO_RIGHT,
    left_out: Container[str] = (),
) -> Content:
    """Return the content of the text behind a sender's name; `files` are the names of the exported files.

    An iPhone puts `mark` before what nobody typed. `left_out` are phrases of the file, in the form
    of `plain`, that stand for a file in a language that is not known.
    """
    before, _, ending = raw.rstrip(MARKS + " \n").rpartition("<")
    if ending.endswith(">") and plain(ending[:_LONGEST_PHRASE]) in EDITED:
        text = before.rstrip(MARKS + " \n")
        found = content_of(text, is_iphone=is_iphone, files=files, mark=mark, left_out=left_out)
        return found._replace(is_edited=True)
    if raw.startswith(TYPED):
        return Content(_as_typed(raw))
    text = raw.strip().lstrip(MARKS).rstrip()
    if not text:
        return Content(None, "other")
    is_generated = is_iphone and raw.lstrip().startswith(mark)
    first, _, rest = text.partition("\n")
    if len(first) <= _LONGEST_PHRASE:
        found_ = _replaced(first, rest, is_iphone=is_iphone) or _attached(text, first, rest, files)
        if found_:
            return found_
        if not rest and (is_generated or first.startswith("<")) and left_out and plain(first) in left_out:
            return Content(None, "other")
    end = max(text.rfind(LEFT_TO_RIGHT), text.rfind(RIGHT_TO_LEFT))
    if is_iphone and end >= 0 and (kind := OMITTED.get(plain(text[end : end + _LONGEST_PHRASE]))):
        return Content(_caption(_PAGES.sub("", unmarked(text[:end]).rstrip())), kind)
    if "https://" in text and _LOCATION.fullmatch(text):
        return Content(text, "location")
    if "\n" in text and _POLL.fullmatch(unmarked(text)):
        return Content(unmarked(text), "poll")
    if is_generated:
        return Content(unmarked(text), "system")
    return Content(text, "system" if ENCRYPTED.match(text) else "text")


def is_notice(raw: str, *, is_iphone: bool) -> bool:
    """Return whether the first line of a message shows that it is a notice of WhatsApp's own."""
    if is_iphone and (mark := raw.lstrip()[:1]) in (LEFT_TO_RIGHT, RIGHT_TO_LEFT):
        return content_of(raw, is_iphone=True, mark=mark).kind == "system"
    return bool(ENCRYPTED.match(raw))


def unknown_phrase(raw: str, *, is_iphone: bool) -> str | None:
    """Return a phrase, in the form of `plain`, that may stand for a file in a language that is not known."""
    if is_iphone != raw.startswith((LEFT_TO_RIGHT, RIGHT_TO_LEFT)) or len(raw) > _LONGEST_UNKNOWN:
        return None
    if not is_iphone and not (raw.startswith("<") and raw.rstrip().endswith(">") and " " in raw.strip()):
        return None
    found = content_of(raw, is_iphone=is_iphone, mark=raw[:1])
    is_known = found.kind not in ("system", "text") or found.is_deleted or bool(found.file)
    phrase = plain(raw)
    is_known = is_known or bool(ENCRYPTED.match(found.text or "") or MISSED.fullmatch(phrase))
    return None if is_known or not phrase else phrase


def _replaced(first: str, rest: str, *, is_iphone: bool) -> Content | None:
    """Return the content behind a phrase for a deleted message or a file left out; None for other text."""
    key = plain(first)
    is_bracketed = unmarked(first).startswith("<")
    kind = OMITTED.get(key)
    if kind and (is_bracketed or is_iphone or (kind == "location" and not rest)):
        return Content(_caption(rest), kind)
    if rest:
        return None
    if key in DELETED or DELETED_BY.fullmatch(key):
        return Content(None, is_deleted=True)
    if key in WAITING or (unmarked(first) == _NULL and not is_iphone):
        return Content(None, "other")
    return Content(first, "system") if not is_iphone and MISSED.fullmatch(key) else None


def _attached(text: str, first: str, rest: str, files: Container[str]) -> Content | None:
    bare = unmarked(first)
    for form, end in ((_ANDROID_FILE, ")"), (_OLD_FILE, ">")):
        found = form.fullmatch(bare) if bare.endswith(end) else None
        if found and _is_file(found, files):
            return _with_file(found["file"], rest)
    found = _IPHONE_FILE.search(text) if "<" in text else None
    if found and _is_file(found, files):
        before = _PAGES.sub("", unmarked(text[: found.start()])).rstrip()
        return _with_file(found["file"], f"{before}\n{text[found.end() :].lstrip()}")
    return None


def _with_file(name: str, caption: str) -> Content:
    """Return a file as content; the caption of a document without one is its name, as WhatsApp has it."""
    name = unmarked(name).strip()
    kind = kind_of_file(name)
    words = _caption(caption) or (_NUMBER.sub("", name) if kind == "document" else None)
    return Content(words, kind, name)


def _is_file(found: re.Match[str], files: Container[str]) -> bool:
    name = unmarked(found["file"]).strip()
    return name in files or (plain(found["word"]) in ATTACHED and bool(_EXTENSION.search(name)))


def kind_of_file(name: str) -> str:
    """Return a message's type by WhatsApp's name for its file: `IMG-…`, `00000012-PHOTO-….jpg`."""
    words = re.split(r"[-_. ]", name.upper())
    if "STK" in words or "STICKER" in words:
        return "sticker"
    if "PTT" in words:
        return "voice"
    extension = _EXTENSION.search(unmarked(name))
    return _KIND_OF_EXTENSION.get(extension[1].lower() if extension else "", "document")


def _caption(text: str) -> str | None:
    text = text.strip()
    return (_as_typed(text) if text.startswith(TYPED) else text.strip(MARKS).strip()) or None


def _as_typed(text: str) -> str:
    return text.removeprefix(TYPED).removesuffix(TYPED)
