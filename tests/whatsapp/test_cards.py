"""Contact cards in messages, as phones and other programs write them."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from for_each import for_each
from relay.trust import installed_neonize

from wa.whatsapp.neonize.decoding.kinds import cards

_folder = str(installed_neonize() / "proto")
if _folder not in sys.path:  # without importing neonize itself, which would load the library
    sys.path.insert(0, _folder)
Message: Any = importlib.import_module("waE2E.WAWebProtobufsE2E_pb2").Message


def card(*fields: str, version: str = "3.0") -> str:
    """Return a vCard with these lines."""
    return "\n".join(["BEGIN:VCARD", f"VERSION:{version}", *fields, "END:VCARD"])


NADIA = card("FN:Nadia", "TEL;waid=447700900456:+44 7700 900456")


@for_each(
    ("name", "vcard", "shown", "numbers"),
    [
        ("Nadia", NADIA, "Nadia +44 7700 900456", ["447700900456"]),
        ("", NADIA, "Nadia +44 7700 900456", ["447700900456"]),
        ("Nadia at work", NADIA, "Nadia at work +44 7700 900456", ["447700900456"]),
        ("", card("N:Sample;Nadia;;;", "TEL:+447700900456"), "Nadia Sample +44 7700 900456",
         ["447700900456"]),
        ("", card("ORG:The shop", "TEL:+44 7700 900456"), "The shop +44 7700 900456", ["447700900456"]),
        ("", card("FN:Omar", "TEL:+44 7700 900457", "TEL:+44 7700 900458", "TEL:+44-7700-900457"),
         "Omar +44 7700 900457, +44 7700 900458", ["447700900457", "447700900458"]),
        ("Ann", card("FN:Ann", "TEL;waid=447700900459:07700 900459"), "Ann +44 7700 900459",
         ["447700900459"]),
        ("Ann", card("FN:Ann", "TEL:07700 900459"), "Ann 07700 900459", ["07700900459"]),
        ("Taxi", card("FN:Taxi", "TEL:ask at the desk"), "Taxi ask at the desk", []),
        ("Cy", card("FN:Cy", "TEL:+44 7700 900460,12"), "Cy +44 7700 900460", ["447700900460"]),
        ("", card("FN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:Zo=C3=AB", "TEL;CELL:+447700900461",
                  version="2.1"),
         "Zoë +44 7700 900461", ["447700900461"]),
        ("", card("TEL:+44 7700 900462"), "+44 7700 900462", ["447700900462"]),
        ("Nadia", "", "Nadia", []),
        ("Nadia", "no card at all", "Nadia", []),
        ("", card("FN:Cut", "TEL:+44 7700 900463").removesuffix("\nEND:VCARD"), "Cut +44 7700 900463",
         ["447700900463"]),
        ("Multi\nline\x1b[31m", card("FN:x"), "Multi line\x1b[31m", []),
    ],
)  # fmt: skip
def test_a_card_is_a_name_and_its_numbers(name: str, vcard: str, shown: str, numbers: list[str]) -> None:
    made = cards.contact(Message(contactMessage={"displayName": name, "vcard": vcard}).contactMessage)
    assert (made.kind, made.text) == ("contact", shown)
    assert [each["numbers"] for each in made.details["cards"]] == [numbers]


def test_a_card_of_nothing_is_still_a_message() -> None:
    made = cards.contact(Message(contactMessage={}).contactMessage)
    assert (made.kind, made.text, made.details) == ("contact", None, {})


def test_several_cards_in_one_are_a_line_each() -> None:
    both = f"{NADIA}\n{card('FN:Omar', 'TEL:+44 7700 900457')}"
    made = cards.contact(Message(contactMessage={"displayName": "2 contacts", "vcard": both}).contactMessage)
    assert made.text == "Nadia +44 7700 900456\nOmar +44 7700 900457"


def test_the_file_of_cards_is_named_for_them() -> None:
    one, omar = {"displayName": "Nadia", "vcard": NADIA}, {"vcard": card("FN:Omar")}
    several = Message(contactsArrayMessage={"contacts": [one, omar]})
    assert cards.cards_name(Message(contactMessage=one)) == "Nadia.vcf"
    assert cards.cards_name(several) == "2 contacts.vcf"
    assert cards.vcards(several).count(b"BEGIN:VCARD") == 2
    assert cards.vcards(Message(conversation="Hello")) == b""


def test_a_message_of_countless_cards_is_read_up_to_a_bound() -> None:
    """Nothing is recorded while it is read."""
    many, tel = 20_000, "TEL:+447700900123"
    one = Message(contactMessage={"vcard": (card("FN:Reem", tel) + "\n") * many})
    several = Message(contactsArrayMessage={"contacts": [{"displayName": "Reem", "vcard": card(tel)}] * many})
    unended = Message(contactMessage={"vcard": "BEGIN:VCARD\nFN:Reem\n" * many})
    numbers = Message(contactMessage={"vcard": card("FN:Reem", *(f"TEL:+447700{n:06}" for n in range(many)))})
    shown = [
        cards.contact(one.contactMessage),
        cards.contacts(several.contactsArrayMessage),
        cards.contact(unended.contactMessage),
    ]
    assert [len((each.text or "").splitlines()) for each in shown] == [cards.MOST_CARDS] * 3
    (reem,) = cards.contact(numbers.contactMessage).details["cards"]
    assert len(reem["numbers"]) == cards.MOST
    odd = card("TEL" + ";X" * 400_000 + ":+447700900123")
    assert (
        cards.contact(Message(contactMessage={"displayName": "Reem", "vcard": odd}).contactMessage).text
        == "Reem"
    )
