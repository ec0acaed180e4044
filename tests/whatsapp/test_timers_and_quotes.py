"""Messages of disappearing chats, and the message that a reply quotes."""

from __future__ import annotations

import pytest
from for_each import for_each
from test_decoding import (
    AT,
    E2E,
    GROUP,
    ME,
    NOBODY,
    REEM,
    Message,
    N,
    Protocol,
    Sync,
    Web,
    decode,
    jid,
    source,
)

from wa.whatsapp.events import EphemeralSet, GroupInfo, History, NothingToShow
from wa.whatsapp.neonize.decoding import decode as decoding
from wa.whatsapp.neonize.decoding import groups
from wa.whatsapp.neonize.encoding import quotes
from wa.whatsapp.transport import Quote

DAY, WEEK = 86_400, 604_800


def timers(events):
    """Return the timers among events, as (seconds, set at)."""
    return [(event.seconds, event.timestamp) for event in events if isinstance(event, EphemeralSet)]


def about(**fields):
    """Return the context of a message."""
    return E2E.ContextInfo(**fields)


@for_each(
    ("context", "expected"),
    [
        ({"expiration": DAY, "ephemeralSettingTimestamp": AT - 9}, [(DAY, AT - 9)]),
        ({"expiration": DAY}, [(DAY, AT)]),
        ({"expiration": DAY, "ephemeralSettingTimestamp": AT + 999}, [(DAY, AT)]),
        ({"expiration": DAY, "ephemeralSettingTimestamp": (AT - 9) * 1000}, [(DAY, AT - 9)]),
        ({"expiration": 0, "ephemeralSettingTimestamp": AT - 9}, [(0, AT - 9)]),
        ({"expiration": 0}, []),
        ({"stanzaID": "Q"}, []),
    ],
)
@for_each("field", ["extendedTextMessage", "imageMessage", "audioMessage", "contactMessage"])
def test_a_message_carries_the_timer_of_its_chat(field, context, expected):
    message = Message()
    getattr(message, field).contextInfo.CopyFrom(about(**context))
    assert timers(decode(message)) == expected
    wrapped = Message(ephemeralMessage=E2E.FutureProofMessage(message=message))
    assert timers(decode(wrapped)) == expected


def test_a_status_post_sets_no_timer():
    message = Message(extendedTextMessage=E2E.ExtendedTextMessage(contextInfo=about(expiration=DAY)))
    assert timers(decode(message, source("status@broadcast", REEM))) == []


@pytest.mark.parametrize(("set_at", "expected"), [(0, AT), (AT - 5, AT - 5), (AT + 500, AT)])
def test_the_setting_has_its_time(set_at, expected):
    protocol = Protocol(
        type="EPHEMERAL_SETTING", ephemeralExpiration=WEEK, ephemeralSettingTimestamp=set_at or None
    )
    assert timers(decode(Message(protocolMessage=protocol))) == [(WEEK, expected)]


def test_the_answer_to_a_client_with_an_older_timer_is_a_timer_and_no_message():
    protocol = Protocol(
        type="EPHEMERAL_SYNC_RESPONSE", ephemeralExpiration=WEEK, ephemeralSettingTimestamp=AT - 5
    )
    events = decode(Message(protocolMessage=protocol))
    assert events == [NothingToShow(REEM, "3A01"), EphemeralSet(REEM, WEEK, AT - 5)]


def conversation(*messages, **fields):
    """Decode a part of the history with one chat; return the chat."""
    chat = Sync.Conversation(ID=REEM, **fields)
    for number, message in enumerate(messages):
        key = {"remoteJID": REEM, "fromMe": False, "ID": f"3A{number}"}
        chat.messages.add(message=Web.WebMessageInfo(key=key, messageTimestamp=AT + number, message=message))
    sync = Sync.HistorySync(syncType="RECENT", conversations=[chat])
    *_, history = decoding.history(sync, ME, NOBODY.get)
    assert isinstance(history, History)
    return history.chats[0]


def text(seconds, set_at):
    """Return a text with a timer."""
    context = about(expiration=seconds, ephemeralSettingTimestamp=set_at)
    return Message(extendedTextMessage=E2E.ExtendedTextMessage(text="Hello", contextInfo=context))


def test_the_newest_timer_of_a_chat_of_the_history_counts():
    older, newer = text(DAY, AT - 9), text(WEEK, AT - 5)
    assert timers(conversation(newer, older).messages) == [(WEEK, AT - 5)]
    told = {"ephemeralExpiration": 0, "ephemeralSettingTimestamp": AT}
    assert timers(conversation(older, newer, **told).messages) == [(0, AT)]
    told["ephemeralSettingTimestamp"] = AT - 7
    assert timers(conversation(older, newer, **told).messages) == [(WEEK, AT - 5)]
    assert timers(conversation(ephemeralExpiration=DAY).messages) == [(DAY, 0)]
    assert timers(conversation().messages) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (N.GroupEphemeral(IsEphemeral=True, DisappearingTimer=DAY), DAY),
        (N.GroupEphemeral(IsEphemeral=False, DisappearingTimer=DAY), 0),
        (None, None),
    ],
)
def test_a_group_has_its_timer(told, expected):
    info = N.GroupInfo(JID=jid(GROUP), GroupEphemeral=told)
    assert groups.group_info(info) == [GroupInfo(GROUP, None, (), expected)]


# ── Quotes ────────────────────────────────────────────────────────────────────────────────────────


def quoted(**fields):
    """Return what a reply holds of the message that it quotes."""
    message = Message()
    quotes.fill(message, Quote("3A01", REEM, **fields))
    return message


PICTURE = E2E.ImageMessage(
    caption="the cake", mimetype="image/jpeg", width=320, URL="https://x.example/f", directPath="/f",
    mediaKey=b"key", JPEGThumbnail=b"small", contextInfo=about(stanzaID="EARLIER"),
)  # fmt: skip


def test_a_picture_is_quoted_as_it_came_without_thumbnail_and_its_own_quote():
    message = Message(
        imageMessage=PICTURE, messageContextInfo=E2E.MessageContextInfo(messageSecret=b"s" * 32)
    )
    found = quoted(text="the cake", kind="image", raw=message.SerializeToString())
    expected = E2E.ImageMessage()
    expected.CopyFrom(PICTURE)
    expected.ClearField("JPEGThumbnail")
    expected.ClearField("contextInfo")
    assert found == Message(imageMessage=expected)


def test_a_caption_that_was_edited_is_quoted_as_it_is_now():
    raw = Message(imageMessage=PICTURE).SerializeToString()
    found = quoted(text="the pie", kind="image", raw=raw, is_edited=True)
    assert found.imageMessage.caption == "the pie"


def test_what_may_be_seen_once_is_quoted_without_the_way_to_it():
    once = E2E.ImageMessage()
    once.CopyFrom(PICTURE)
    once.viewOnce = True
    found = quoted(kind="image", raw=Message(imageMessage=once).SerializeToString()).imageMessage
    assert (found.viewOnce, found.mediaKey, found.directPath, found.URL) == (True, b"", "", "")


@for_each(
    ("kind", "text", "details", "expected"),
    [
        ("text", "Hello", None, {"conversation": "Hello"}),
        ("text", None, None, {"conversation": ""}),
        ("system", "Missed voice call", None, {"conversation": "Missed voice call"}),
        ("image", None, None, {"imageMessage": {}}),
        ("image", "the cake", {"mimetype": "image/png", "width": 9, "size": 7},
         {"imageMessage": {"caption": "the cake", "mimetype": "image/png", "width": 9, "fileLength": 7}}),
        ("video", "a film", {"seconds": 4}, {"videoMessage": {"caption": "a film", "seconds": 4}}),
        ("voice", None, {"seconds": 3}, {"audioMessage": {"PTT": True, "seconds": 3}}),
        ("audio", None, {"seconds": 3}, {"audioMessage": {"seconds": 3}}),
        ("document", "a.pdf", {"file_name": "a.pdf"}, {"documentMessage": {"fileName": "a.pdf"}}),
        ("document", "read it", {"file_name": "a.pdf", "pages": 2},
         {"documentMessage": {"fileName": "a.pdf", "caption": "read it", "pageCount": 2}}),
        ("document", "a.pdf", None, {"documentMessage": {"fileName": "a.pdf", "caption": "a.pdf"}}),
        ("sticker", None, None, {"stickerMessage": {}}),
        ("location", "At the sea", None, {"locationMessage": {"name": "At the sea"}}),
        ("contact", "Nadia", None, {"contactMessage": {"displayName": "Nadia"}}),
        ("poll", "Lunch?", None, {"pollCreationMessage": {"name": "Lunch?"}}),
        ("other", None, None, {"conversation": ""}),
    ],
)  # fmt: skip
def test_a_message_without_its_form_is_quoted_by_what_is_recorded(kind, text, details, expected):
    wanted = Message()
    for field, value in expected.items():
        if isinstance(value, str):
            wanted.conversation = value
        else:
            part = getattr(wanted, field)
            part.SetInParent()
            for name, each in value.items():
                setattr(part, name, each)
    assert quoted(kind=kind, text=text, details=details) == wanted


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xff\xff", b"\xd2\x7d\x03abc"], ids=["empty", "damaged", "unknown"]
)
def test_a_form_that_cannot_be_read_is_quoted_by_what_is_recorded(raw):
    assert quoted(kind="image", text="the cake", raw=raw) == Message(
        imageMessage=E2E.ImageMessage(caption="the cake")
    )
