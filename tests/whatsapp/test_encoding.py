"""A message that is built for the library says what is recorded of it: read again, it is the same."""

from __future__ import annotations

from types import SimpleNamespace

from for_each import for_each
from test_decoding import E2E

from wa.queue.kinds import made
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.neonize.decoding.content import events_of
from wa.whatsapp.neonize.encoding import message as encoding
from wa.whatsapp.neonize.encoding import quotes
from wa.whatsapp.transport import Outgoing, Quote, Timer

CHAT = "447700900123@s.whatsapp.net"
CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{}\r\nTEL;waid={}:+{}\r\nEND:VCARD\r\n"
DAY = 86_400


def read_again(**about):
    """Return the message that a phone gets of one that we send."""
    outgoing = Outgoing(CHAT, secret=b"s" * 32, **about)
    proto = encoding.build(SimpleNamespace(e2e=E2E), None, outgoing)
    return proto, events_of(proto, MessageReceived(CHAT, "M1", CHAT, 1, None))[0]


@for_each(
    "message",
    [
        made.poll("Lunch?", ["Pizza", "Soup"], None),
        made.poll("Lunch?", ["Pizza", "Soup", "Rice"], 2),
        made.location("-33.9,18.4", None),
        made.location("-33.918861,18.4233", "Cape Town"),
    ],
)
@for_each("forwarded", [0, 1, 7])
@for_each("timer", [None, Timer(DAY, 5)])
def test_what_is_built_is_read_as_it_is_recorded(message, forwarded, timer):
    details = {**message.details, **({"forwarded": forwarded} if forwarded else {})}
    proto, found = read_again(text=message.text, kind=message.kind, details=details, timer=timer)
    assert (found.message_type, found.content, found.details) == (message.kind, message.text, details)
    assert found.secret == b"s" * 32
    (part,) = [value for field, value in proto.ListFields() if field.name != "messageContextInfo"]
    assert part.contextInfo.expiration == (DAY if timer else 0)


@for_each("people", [["Nadia"], ["Nadia", "Zoë", "Al"]])
def test_cards_are_read_as_they_were_written(tmp_path, people):
    numbers = [f"44770090045{number}" for number in range(len(people))]
    cards = [CARD.format(name, number, number) for name, number in zip(people, numbers, strict=True)]
    (tmp_path / "cards.vcf").write_bytes("".join(cards).encode())
    _, found = read_again(text="", kind="contact", file=tmp_path / "cards.vcf")
    assert [(each["name"], each["numbers"]) for each in found.details["cards"]] == [
        (name, [number]) for name, number in zip(people, numbers, strict=True)
    ]


def test_a_forwarded_text_and_one_that_a_client_only_calls_forwarded():
    _, found = read_again(text="Hello", details={"forwarded": 3})
    assert (found.content, found.details) == ("Hello", {"forwarded": 3})
    proto = E2E.Message()
    proto.extendedTextMessage.text = "Hello"
    proto.extendedTextMessage.contextInfo.isForwarded = True
    (event,) = events_of(proto, MessageReceived(CHAT, "M1", CHAT, 1, None))
    assert event.details == {"forwarded": 1}


@for_each("message", [made.poll("Lunch?", ["Pizza", "Soup"], 2), made.location("1,2", "Home")])
def test_our_poll_or_place_is_quoted_as_it_is(message):
    quoted = E2E.Message()
    quotes.fill(quoted, Quote("M1", CHAT, message.text, message.kind, None, message.details))
    (event,) = events_of(quoted, MessageReceived(CHAT, "M1", CHAT, 1, None))
    assert (event.content, event.details) == (message.text, message.details)
