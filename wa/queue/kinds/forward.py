"""Forwarding: a message of a chat made into a message to others, as it is stored here."""

from __future__ import annotations

from pathlib import Path

from wa.errors import WaError
from wa.queue.compose import Part
from wa.queue.kinds import made
from wa.record import messages, polls
from wa.store.database import Row
from wa.store.paths import Home

WITH_FILE = messages.FILES
"""The types of messages whose file is forwarded."""
_KEPT = (
    "size", "mimetype", "seconds", "width", "height", "pages", "gif", "video_note", "file_name", "cards",
    "location", "mentions",
)  # fmt: skip
"""What is said of a message that is true of a copy too."""


def check(row: Row) -> None:
    """Raise WaError `wrong-state` unless a message, as `messages.about` returns it, can be forwarded."""
    kind, details = row["message_type"], row["details"] or {}
    if row["deleted_at"]:
        raise _no("this message is deleted")
    if messages.is_stand_in(row):
        raise _no("only the phone can show this message")
    if details.get("view_once"):
        raise _no("this message can be viewed once, and is not forwarded")
    if kind in messages.SILENT:
        raise _no("this is a notice, which cannot be forwarded")
    is_known = kind in ("text", "location", "poll", *WITH_FILE)
    is_whole = {
        "text": lambda: bool((row["content"] or "").strip()),
        "location": lambda: _place_of(row) is not None,
        "poll": lambda: polls.is_asked(row) and bool(polls.options_of(row)),
    }
    if not is_known or not is_whole.get(kind, lambda: True)():
        raise _no(f"not all of this message is known here (it is of the type {kind})")


def _no(why: str) -> WaError:
    return WaError("wrong-state", why, "`wa read CHAT` shows the messages; `wa send` writes a new one")


def part_of(home: Home, row: Row, file: Path | None) -> Part:
    """Return a copy of a message that `check` lets pass; `file` is its file, which is copied into the home.

    Raise WaError `bad-data` for a file that cannot be sent, and `storage-error`.
    """
    kind, known = row["message_type"], row["details"] or {}
    details = {name: known[name] for name in _KEPT if name in known}
    details["forwarded"] = int(known.get("forwarded") or 0) + 1
    text = row["content"] or ""
    if kind == "poll":
        question, options = polls.question_of(row), polls.options_of(row)
        choices = (known.get("poll") or {}).get("choices")
        details["poll"] = {
            "question": question,
            "options": options,
            **({"choices": choices} if choices else {}),
        }
        text = "\n".join([question, *options])
    elif kind == "location":
        details["location"] = _place_of(row)
    if file is None:
        return Part(text, None, None, None if kind == "text" else kind, details)
    if kind in ("audio", "voice", "sticker") or (kind == "document" and text == known.get("file_name")):
        text = ""
    return Part(text, _keep(home, kind, file, known), None, None, details)


def _keep(home: Home, kind: str, file: Path, known: Row) -> Row:
    """Copy the file of a message into the home; without a name of its own it is `image.jpg` or so."""
    from wa.media import outgoing, stickers

    if kind == "sticker":
        stickers.look_at(file)
    cards = known.get("cards")
    name = known.get("file_name") or (made.name_of_cards(cards) if cards else f"{kind}{file.suffix}")
    where, _ = outgoing.keep(home, file)
    return {"media_path": where, "media_type": kind, "file_name": name}


def _place_of(row: Row) -> Row | None:
    where: Row | None = (row["details"] or {}).get("location") or made.place_in(row["content"] or "")
    return where
