"""Files in messages: what the sender says of them, and the fields that a download needs."""

from __future__ import annotations

from typing import Any

from wa.whatsapp.neonize.decoding.fields import Content, known, text_of

_FILES = ("ImageMessage", "VideoMessage", "AudioMessage", "DocumentMessage", "StickerMessage",
          "StickerPackMessage")  # fmt: skip
_FOREIGN = ("Message", "ContextInfo", "MessageContextInfo")
"""Parts whose files are those of another message: of a quoted one, of a note."""


def picture(part: Any) -> Content:
    """Return the content of a picture."""
    return Content("image", text_of(part.caption) or None, file_details(part))


def video(part: Any) -> Content:
    """Return the content of a video, or of a moving picture that is sent as one."""
    moving = known(gif=part.gifPlayback)
    return Content("video", text_of(part.caption) or None, {**file_details(part), **moving})


def video_note(part: Any) -> Content:
    """Return the content of a video note: a short round video that is recorded in the chat."""
    return Content("video", text_of(part.caption) or None, {**file_details(part), "video_note": True})


def audio(part: Any) -> Content:
    """Return the content of a recording, or of another file of sound."""
    return Content("voice" if part.PTT else "audio", None, file_details(part))


def document(part: Any) -> Content:
    """Return the content of a document: its caption, or its name if it has none."""
    name = text_of(part.fileName or part.title)
    return Content("document", text_of(part.caption) or name or None, file_details(part))


def sticker(part: Any) -> Content:
    """Return the content of a sticker."""
    return Content("sticker", None, file_details(part))


def file_details(part: Any) -> dict[str, Any]:
    """Return what the sender says of a file: size in bytes, length in seconds, width and height in pixels."""

    def said(name: str) -> Any:
        return getattr(part, name, None)

    return known(
        file_name=text_of(said("fileName") or said("title") or ""),
        size=said("fileLength"),
        mimetype=text_of(said("mimetype") or ""),
        seconds=said("seconds"),
        width=said("width"),
        height=said("height"),
        pages=said("pageCount"),
        view_once=said("viewOnce"),
    )


def file_in(message: Any) -> Any | None:
    """Return the part of a message that describes its file, or the picture above a text; None without."""
    for field, part in message.ListFields():
        if field.message_type is None or field.message_type.name in _FOREIGN or hasattr(part, "add"):
            continue
        if field.message_type.name in _FILES:
            return part
        if (inside := file_in(part)) is not None:
            return inside
    return None


def file_of(message: Any) -> tuple[int, str, str | None]:
    """Return size in bytes, MIME type and name of a message's file; 0, '' and None without a file."""
    if (part := file_in(message)) is None:
        return 0, "", None
    details, name = file_details(part), text_of(getattr(part, "name", ""))
    named = details.get("file_name") or (f"{name}.zip" if name else None)  # a pack of stickers is a ZIP file
    return details.get("size", 0), details.get("mimetype", ""), named
