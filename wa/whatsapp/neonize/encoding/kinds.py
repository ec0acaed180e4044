"""Building polls, places and contact cards for the WhatsApp library, and what is said of a sticker."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wa.errors import WaError
from wa.media import stickers
from wa.media.vcard import Card, read_cards
from wa.whatsapp.transport import NotSent, Outgoing

_CARD = re.compile(rb"(?ims)^[^\w\n]*(BEGIN:VCARD\r?\n.*?^END:VCARD)\s*?(?:\r?\n|\Z)")
"""A card, perhaps behind a mark of Unicode; a name in it may have these words too."""


def _poll(proto: Any, message: Outgoing) -> Any:
    # Phones use pollCreationMessageV3 for one choice, which the library labels as a text for the server.
    fill_poll(proto.pollCreationMessage, (message.details or {})["poll"])
    return proto.pollCreationMessage


def fill_poll(part: Any, about: Mapping[str, Any]) -> None:
    """Fill in question and options of a poll, and how many one may choose: 0 is any number."""
    part.name, part.selectableOptionsCount = about["question"], about.get("choices", 0)
    for option in about["options"]:
        part.options.add().optionName = option


def _place(proto: Any, message: Outgoing) -> Any:
    fill_place(proto.locationMessage, (message.details or {})["location"])
    return proto.locationMessage


def fill_place(part: Any, where: Mapping[str, Any]) -> None:
    """Fill in a place: its name, address and coordinates."""
    part.degreesLatitude, part.degreesLongitude = where["latitude"], where["longitude"]
    for field in ("name", "address"):
        if field in where:
            setattr(part, field, where[field])


def _contacts(proto: Any, message: Outgoing) -> Any:
    """Build the cards of a file: one is a message of its own, several are a list."""
    try:
        data = message.file.read_bytes() if message.file is not None else b""
    except OSError as error:
        raise NotSent(f"the file cannot be read: {error}") from error
    found = _CARD.findall(data) or [data]
    if len(found) == 1:
        _fill_card(proto.contactMessage, found[0])
        return proto.contactMessage
    part = proto.contactsArrayMessage
    part.displayName = f"{len(found)} contacts"
    for card in found:
        _fill_card(part.contacts.add(), card)
    return part


def _fill_card(part: Any, card: bytes) -> None:
    read = next((each for each in read_cards(io.BytesIO(card)) if isinstance(each, Card)), None)
    part.displayName, part.vcard = (read.name if read else ""), card.decode("utf-8", "replace").strip()


BUILT: Mapping[str, Callable[[Any, Outgoing], Any]] = {
    "poll": _poll,
    "location": _place,
    "contact": _contacts,
}
"""For each type without a file to upload, a function that fills a message and returns its part."""


def describe_sticker(part: Any, path: Path) -> None:
    """Fill in what a sticker's header says: its size, and whether it moves."""
    try:
        about = stickers.look_at(path)
    except WaError:  # one that is forwarded may be of another form
        return
    part.width, part.height, part.isAnimated = about.width or 0, about.height or 0, about.is_animated
