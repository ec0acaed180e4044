"""Contact cards in messages: `Nadia +44 7700 900456`, a card a line."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from wa.media.vcard import Card, Tel, read_cards
from wa.phones import read_numbers, spaced
from wa.whatsapp.neonize.decoding.fields import Content, lines, text_of

MOST, MOST_CARDS = 1_000, 500
"""The most numbers and cards of a message that are shown. WhatsApp's apps send 257 contacts at most."""
LONGEST = 250_000
"""The most characters of a message's cards that are read: nothing is recorded meanwhile."""


@dataclass
class _Room:
    """What may still be read of a message's cards."""

    characters: int = LONGEST
    cards: int = MOST_CARDS
    numbers: int = MOST

    def read(self, written: str) -> list[Card]:
        """Return the cards with a name or number in a text, as far as there is room for them."""
        text, found = written[: self.characters], list[Card]()
        for card in islice(read_cards(io.BytesIO(f"{text}\n".encode())), self.cards):
            if isinstance(card, Card) and (card.name or card.tels):
                del card.tels[self.numbers :]
                self.numbers -= len(card.tels)
                found.append(card)
        self.characters -= len(text)
        self.cards -= max(1, len(found))
        return found


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
    names = [name for name, _ in _people(parts[0], _Room()) if name] if len(parts) == 1 else []
    return f"{names[0]}.vcf" if names else f"{len(parts)} contacts.vcf"


def _parts(message: Any) -> list[Any]:
    single = [message.contactMessage] if message.HasField("contactMessage") else []
    return [*single, *message.contactsArrayMessage.contacts]


def _content(parts: Iterable[Any], name: str) -> Content:
    people, room = list[tuple[str, list[str]]](), _Room()
    for part in islice(parts, MOST_CARDS):
        people += _people(part, room)
    shown = lines(*(" ".join(filter(None, (name, ", ".join(numbers)))) for name, numbers in people))
    cards = [
        {"name": name or None, "numbers": [*filter(None, map(_digits, numbers))]} for name, numbers in people
    ]
    return Content("contact", shown or name or None, {"cards": cards} if people else {})


def _people(part: Any, room: _Room) -> list[tuple[str, list[str]]]:
    """Return names and numbers on a card; more than one where the sender has put several into it."""
    said = " ".join(text_of(part.displayName).split())
    cards = room.read(text_of(part.vcard))
    if len(cards) < 2:
        return [(said or _name(cards), _numbers(cards))] if said or cards else []
    return [(_name([card]), _numbers([card])) for card in cards]


def _digits(number: str) -> str:
    return "".join(filter(str.isdecimal, number))


def _name(cards: list[Card]) -> str:
    return cards[0].name if cards and cards[0].is_named else ""


def _numbers(cards: list[Card]) -> list[str]:
    tels = (tel for card in cards for tel in card.tels)
    return list(dict.fromkeys(filter(None, (number for tel in tels for number in _read(tel)))))


def _read(tel: Tel) -> list[str]:
    """Return the numbers in a value in international form where that is known, else as they are written."""
    if tel.waid:
        return [spaced(tel.waid)]
    try:
        return [spaced(number) for number, _ in read_numbers(tel.text, None)]
    except ValueError:  # a national number, a short code, a word
        return [" ".join(tel.text.removeprefix("tel:").split())]
