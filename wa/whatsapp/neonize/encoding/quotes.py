"""The message that a reply quotes, as the recipient's phone shows it above the reply.

A quoted picture is a picture with its caption, a voice note one with its length. It is built from the message
as it came, or from what is recorded of it. The library's messages are arguments, so this module does not
import it.
"""

from __future__ import annotations

from typing import Any

from wa.whatsapp.neonize.encoding import kinds
from wa.whatsapp.transport import Quote

_PARTS = {
    "image": "imageMessage", "video": "videoMessage", "audio": "audioMessage", "voice": "audioMessage",
    "document": "documentMessage", "sticker": "stickerMessage", "location": "locationMessage",
    "contact": "contactMessage", "poll": "pollCreationMessage",
}  # fmt: skip
_TEXT = {"image": "caption", "video": "caption", "document": "caption", "location": "name",
         "contact": "displayName", "poll": "name"}  # fmt: skip
"""The field that the recorded text of a message is in, by its type."""
_DETAILS = {"mimetype": "mimetype", "seconds": "seconds", "size": "fileLength", "width": "width",
            "height": "height", "file_name": "fileName", "pages": "pageCount"}  # fmt: skip
"""The fields that hold the details of a file (`messages.details`)."""
_THUMBNAILS = ("JPEGThumbnail", "pngThumbnail", "thumbnail")
_FILE = ("URL", "directPath", "mediaKey", "mediaKeyTimestamp", "fileEncSHA256", "staticURL")
"""The fields by which anybody could fetch the file."""


def fill(quoted: Any, quote: Quote) -> None:
    """Fill the waE2E.Message `quoted` with what a reply quotes."""
    if not (quote.raw is not None and _from_raw(quoted, quote)):
        _from_record(quoted, quote)


def _from_raw(quoted: Any, quote: Quote) -> bool:
    """Copy the content of a message as it came. Return False if it cannot be read, or has none."""
    message = type(quoted)()
    try:
        message.MergeFromString(quote.raw)
    except Exception:  # a field may have been damaged, or be of another form in a newer library
        return False
    for field, value in message.ListFields():
        if field.name == "messageContextInfo":
            continue
        if field.message_type is None:
            setattr(quoted, field.name, value)
            return True
        part = getattr(quoted, field.name)
        part.CopyFrom(value)
        _clear(part, "contextInfo", *_THUMBNAILS, *(_FILE if getattr(part, "viewOnce", False) else ()))
        if quote.is_edited and quote.text and hasattr(part, "caption"):
            part.caption = quote.text
        return True
    return False


def _clear(part: Any, *names: str) -> None:
    for name in names:
        if name in part.DESCRIPTOR.fields_by_name:
            part.ClearField(name)


def _from_record(quoted: Any, quote: Quote) -> None:
    """Build a message of the same kind with its text and details."""
    if quote.kind not in _PARTS:
        quoted.conversation = quote.text or ""
        return
    part = getattr(quoted, _PARTS[quote.kind])
    part.SetInParent()
    if quote.kind == "voice":
        part.PTT = True
    details = quote.details or {}
    if "poll" in details:
        kinds.fill_poll(part, details["poll"])
        return
    if "location" in details:
        kinds.fill_place(part, details["location"])
        return
    for known, field in _DETAILS.items():
        if known in details and field in part.DESCRIPTOR.fields_by_name:
            setattr(part, field, details[known])
    if quote.kind in _TEXT and quote.text and quote.text != details.get("file_name"):
        setattr(part, _TEXT[quote.kind], quote.text)
    if quote.kind == "document" and not part.fileName:  # its name is the text of one without a caption
        part.fileName = quote.text or ""
