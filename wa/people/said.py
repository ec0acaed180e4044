"""What a message says, as text for people: its content, or what stands in place of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from wa.record.messages import EDIT, mentioned
from wa.record.names import with_names
from wa.store.database import Store
from wa.texts import one_line
from wa.whatsapp.moments import in_zone


def said(
    store: Store, row: Mapping[str, Any], time: Callable[[datetime], str], part: str | None = None
) -> str:
    """Return the text to show for a message's content, or for a `part` of it; whom it mentions is named.

    `time` returns a moment as text in the zone of the reader.
    """
    if row.get("deleted_at"):
        return "(deleted)"
    kind, details = row["message_type"], row.get("details") or {}
    text = in_zone(part if part is not None else row["content"] or "", details, time)
    if part is None and row.get("poll"):
        text = _tally(row["poll"])
    text = with_names(store, text, mentioned(dict(row)), is_notice=kind == "system")
    if kind == "text" or "call" in details or row.get("unavailable") not in (None, EDIT):
        return text
    is_name = kind == "document" and details.get("file_name") == row["content"]
    told = [*_facts(kind, details), "" if is_name else text]
    return " ".join(filter(None, (f"[{_label(kind, details)}]", " · ".join(filter(None, told)))))


def said_last(store: Store, chat: Mapping[str, Any], time: Callable[[datetime], str]) -> str:
    """Return the text to show for the last message of a chat, as `chats.listing` has it."""
    last = {"content": chat["last_message"], "message_type": chat["last_message_type"] or "text"}
    last |= {"deleted_at": chat["last_deleted_at"], "unavailable": chat["last_unavailable"]}
    last["details"] = {**chat["last_details"], "mentions": chat["last_mentions"]}
    if chat["last_message_type"] == "system":  # of the notices, calls alone are shown here
        last["details"]["call"] = True
    return said(store, last, time)


def _label(kind: str, details: Mapping[str, Any]) -> str:
    """Return what a message that is no text is called."""
    return "video note" if details.get("video_note") else "live location" if details.get("live") else kind


def _facts(kind: str, details: Mapping[str, Any]) -> list[str]:
    """Return what is told of a message's file: its length, or a document's name and size."""
    told = ["view once"] if details.get("view_once") else []
    if kind == "document":
        told.append(one_line(details.get("file_name")))
        told.append(_size(details["size"]) if "size" in details else "")
    elif "seconds" in details:
        told.append(_length(details["seconds"]))
    return told


def _length(seconds: int) -> str:
    """Return a length as `0:07` or `1:02:03`."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _size(size: int) -> str:
    """Return a number of bytes as `120 KB` or `2.1 MB`."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{math.ceil(size / 1e3)} KB"


def _tally(poll: Mapping[str, Any]) -> str:
    """Return a poll's question and options, each with the number of its votes."""
    counts = [f"{each['name']}: {each['votes']}" for each in poll["options"]]
    if poll["unknown_votes"]:
        counts.append(f"(an option that is not known here): {poll['unknown_votes']}")
    return "\n".join([poll["question"], *counts])
