"""Contact cards in messages: `Nadia +44 7700 900456`, a card a line."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from wa.media.vcard import Card, Tel, read_cards
from wa.phones import read_numbers, spaced
from wa.whatsapp.neonize.decoding.fields import Content, lines, text_of

MOST = 1_000
"""The most numbers of a card that are shown."""


def contact(part: Any) -> Content:
    """Return the content of a message with one card."""
    return _content([part], "")


def contacts(part: Any) -> Content:
    """Return the content of a message with several cards; its own name stands in if none can be read."""
    return _content(part.contacts, text_of(part.displayName))


def vcards(message: Any) -> bytes:
    """Return the cards of a message as they were sent; b'' without any."""
    written = (text_of(part.vcard).strip() for part in _parts(message))
    return b"".join(f"{card}\r\n".encode() for card in written if card)


def cards_name(message: Any) -> str:
    """Return a file name for the cards of a message."""
    parts = _parts(message)
    names = [name for part in parts for name, _ in _people(part) if name]
    return f"{names[0]}.vcf" if len(parts) == 1 and names else f"{len(parts)} contacts.vcf"


def _parts(message: Any) -> list[Any]:
    single = [message.contactMessage] if message.HasField("contactMessage") else []
    return [*single, *message.contactsArrayMessage.contacts]


def _content(parts: Iterable[Any], name: str) -> Content:
    people = [person for part in parts for person in _people(part)]
    shown = lines(*(" ".join(filter(None, (name, ", ".join(numbers)))) for name, numbers in people))
    cards = [
        {"name": name or None, "numbers": [*filter(None, map(_digits, numbers))]} for name, numbers in people
    ]
    return Content("contact", shown or name or None, {"cards": cards} if people else {})


def _people(part: Any) -> list[tuple[str, list[str]]]:
    """Return names and numbers on a card; more than one where the sender has put several into it."""
    said = " ".join(text_of(part.displayName).split())
    read = read_cards(io.BytesIO(f"{text_of(part.vcard)}\n".encode()))
    cards = [card for card in read if isinstance(card, Card) and (card.name or card.tels)]
    if len(cards) < 2:
        return [(said or _name(cards), _numbers(cards))] if said or cards else []
    return [(_name([card]), _numbers([card])) for card in cards]


def _digits(number: str) -> str:
    return "".join(filter(str.isdecimal, number))


def _name(cards: list[Card]) -> str:
    return cards[0].name if cards and cards[0].is_named else ""


def _numbers(cards: list[Card]) -> list[str]:
    tels = (tel for card in cards for tel in card.tels[:MOST])
    return list(dict.fromkeys(filter(None, (number for tel in tels for number in _read(tel)))))


def _read(tel: Tel) -> list[str]:
    """Return the numbers in a value in international form where that is known, else as they are written."""
    if tel.waid:
        return [spaced(tel.waid)]
    try:
        return [spaced(number) for number, _ in read_numbers(tel.text, None)]
    except ValueError:  # a national number, a short code, a word
        return [" ".join(tel.text.removeprefix("tel:").split())]
