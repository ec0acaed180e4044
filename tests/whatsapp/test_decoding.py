"""Decoding the library's events: every kind of message, and kinds that later versions may add."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from for_each import for_each
from relay.trust import installed_neonize

from wa.record.messages import LAST_SECOND, TYPES
from wa.values import replace
from wa.whatsapp.events import (
    FOREVER,
    ChatRead,
    ChatSet,
    Deleted,
    Edited,
    Event,
    GroupChanged,
    GroupInfo,
    History,
    JidMapped,
    MessageReceived,
    Named,
    NothingToShow,
    OtherVersion,
    Reacted,
    ReceiptReceived,
)
from wa.whatsapp.neonize.decoding import content as content_of
from wa.whatsapp.neonize.decoding import decode as decoding
from wa.whatsapp.neonize.decoding import groups, stubs
from wa.whatsapp.neonize.decoding.fields import jid_text
from wa.whatsapp.neonize.decoding.kinds.table import READERS
from wa.whatsapp.neonize.wire_log import ViewOnce

_folder = str(installed_neonize() / "proto")
if _folder not in sys.path:  # without importing neonize itself, which would load the library
    sys.path.insert(0, _folder)
N: Any = importlib.import_module("Neonize_pb2")
E2E: Any = importlib.import_module("waE2E.WAWebProtobufsE2E_pb2")
Web: Any = importlib.import_module("waWeb.WAWebProtobufsWeb_pb2")
Sync: Any = importlib.import_module("waHistorySync.WAWebProtobufsHistorySync_pb2")
Message: Any = E2E.Message
Protocol: Any = E2E.ProtocolMessage

ME, MY_LID = "447700900999@s.whatsapp.net", "999000111222@lid"
REEM, REEM_LID = "447700900123@s.whatsapp.net", "100200300400@lid"
ADAM, ADAM_LID = "447700900456@s.whatsapp.net", "500600700800@lid"
GROUP = "120363000000000001@g.us"
AT = 1_700_000_000
FIELDS = list(Message.DESCRIPTOR.fields)
WRAPPERS = [
    field.name for field in FIELDS if field.message_type and field.message_type.name == "FutureProofMessage"
]
REPLIES = [
    field.name
    for field in FIELDS
    if field.message_type and "contextInfo" in field.message_type.fields_by_name
]
KEYS = {"groupID": GROUP, "axolotlSenderKeyDistributionMessage": b"key"}
UNKNOWN = b"\xd2\x7d\x03abc"  # field 2010, which no version of the library has
NOBODY: dict[str, str] = {}
WAITS = "Waiting for this message: if it does not come, the phone can show it"


def jid(text: str, device: int = 0) -> Any:
    """Return a JID as the library has it; '' is the empty JID."""
    user, _, server = text.partition("@")
    return N.JID(User=user, RawAgent=0, Device=device, Integrator=0, Server=server, IsEmpty=not text)


def source(chat: str = REEM, sender: str = "", *, me: bool = False, alt: str = "", to: str = "") -> Any:
    """Return the source of a message: sender and chat."""
    return N.MessageSource(
        Chat=jid(chat),
        Sender=jid(sender or chat, device=3),
        IsFromMe=me,
        IsGroup=chat.endswith("@g.us"),
        SenderAlt=jid(alt),
        RecipientAlt=jid(to),
        BroadcastListOwner=jid(""),
    )


def message(content: Any = None, where: Any = None, *, is_edit: bool = False, **info: Any) -> Any:
    """Return a message as an event, encoded and decoded again as a real event is."""
    known = {"ID": "3A01", "Pushname": "Reem", "Timestamp": AT * 1000, "Category": "", "ServerID": 0}
    rest = {"Type": "text", "Multicast": False, "MediaType": "", "Edit": ""}
    flags = ("IsEphemeral", "IsViewOnce", "IsViewOnceV2", "IsViewOnceV2Extension", "IsDocumentWithCaption")
    event = N.Message(
        Info=N.MessageInfo(MessageSource=where or source(), **(known | rest | info)),
        IsLottieSticker=False,
        IsEdit=is_edit,
        UnavailableRequestID="",
        RetryCount=0,
        **dict.fromkeys(flags, False),
    )
    if content is not None:
        event.Message.CopyFrom(content)
    return N.Message.FromString(event.SerializeToString())


def decode(content: Any, where: Any = None, **info: Any) -> list[Event]:
    """Return the events of a message, where no hidden id is known."""
    return decoding.message_events(message(content, where, **info), NOBODY.get)


def received(content: Any, where: Any = None, **info: Any) -> MessageReceived:
    """Return the one MessageReceived that decoding gives."""
    (event,) = decode(content, where, **info)
    assert isinstance(event, MessageReceived)
    return event


def text(words: str = "Hello") -> Any:
    """Return a plain text message."""
    return Message(conversation=words)


def with_unknown(content: Any) -> Any:
    """Return the same message with a field of a later version."""
    return type(content).FromString(content.SerializeToString() + UNKNOWN)


# ── JIDs ──────────────────────────────────────────────────────────────────────────────────────────


@for_each(
    ("given", "expected"),
    [
        (jid(REEM, device=12), REEM),
        (jid(REEM_LID, device=1), REEM_LID),
        (jid(GROUP), GROUP),
        (jid("447700900123-1600000000@g.us"), "447700900123-1600000000@g.us"),
        (jid("status@broadcast"), "status@broadcast"),
        (jid("120363000000000009@newsletter"), "120363000000000009@newsletter"),
        (jid("447700900123@c.us"), REEM),
        (jid(""), ""),
        (jid("@s.whatsapp.net"), ""),
        (N.JID(), ""),
    ],
)
def test_a_jid_is_user_and_server(given, expected):
    assert jid_text(given) == expected


# ── Secrets ───────────────────────────────────────────────────────────────────────────────────────

PEER = {
    "appStateSyncKeyShare": E2E.AppStateSyncKeyShare(keys=[E2E.AppStateSyncKey()]),
    "appStateSyncKeyRequest": E2E.AppStateSyncKeyRequest(),
    "appStateFatalExceptionNotification": E2E.AppStateFatalExceptionNotification(),
    "peerDataOperationRequestMessage": E2E.PeerDataOperationRequestMessage(),
    "peerDataOperationRequestResponseMessage": E2E.PeerDataOperationRequestResponseMessage(),
    "initialSecurityNotificationSettingSync": E2E.InitialSecurityNotificationSettingSync(),
    "historySyncNotification": E2E.HistorySyncNotification(),
    "lidMigrationMappingSyncMessage": E2E.LIDMigrationMappingSyncMessage(),
    "sharedDeviceContactHashKeyShare": E2E.SharedDeviceContactHashKeyShare(),
}
OWN = source(ME, me=True)


@for_each("name", PEER)
@for_each("wrapper", [None, "deviceSentMessage", "ephemeralMessage"])
def test_messages_between_our_devices_are_secret(name, wrapper):
    content = Message(protocolMessage=Protocol(**{name: PEER[name]}))
    if wrapper:
        content = Message(**{wrapper: {"message": content}})
    assert decoding.is_secret(message(content, OWN))
    assert decode(content, OWN) == []
    assert not decoding.is_secret(message(content, source()))


def test_an_unknown_message_between_our_devices_is_secret():
    content = with_unknown(Message(protocolMessage=with_unknown(Protocol())))
    assert decoding.is_secret(message(content, OWN, Category="peer"))
    assert not decoding.is_secret(message(content, OWN))


@for_each(
    ("content", "expected"),
    [
        (Message(senderKeyDistributionMessage=KEYS), True),
        (Message(fastRatchetKeySenderKeyDistributionMessage=KEYS), True),
        (Message(senderKeyDistributionMessage=KEYS, messageContextInfo={"messageSecret": b"s"}), True),
        (Message(messageContextInfo={"messageSecret": b"s"}), True),
        (Message(groupRootKeyShare={"keys": [{"groupRootKey": b"key"}]}), True),
        (Message(deviceSentMessage={"message": Message(senderKeyDistributionMessage=KEYS)}), True),
        (Message(senderKeyDistributionMessage=KEYS, conversation="Hello"), False),
        (Message(senderKeyDistributionMessage=KEYS, ephemeralMessage={"message": text()}), False),
        (with_unknown(Message(senderKeyDistributionMessage=KEYS)), False),
        (with_unknown(Message(messageContextInfo={"messageSecret": b"s"})), False),
        (Message(), False),
        (None, False),
        (text(), False),
    ],
)
def test_a_message_of_keys_alone_is_secret(content, expected):
    event = message(content, source(GROUP, REEM))
    assert decoding.is_secret(event) is expected
    assert bool(decoding.message_events(event, NOBODY.get)) is not expected


def test_keys_beside_something_else_are_not_in_the_bytes_kept():
    content = Message(senderKeyDistributionMessage=KEYS, imageMessage={"caption": "A picture"})
    content.messageContextInfo.messageSecret = b"needed for votes and reactions"
    kept = Message.FromString(received(with_unknown(content)).raw)
    assert [field.name for field, _ in kept.ListFields()] == ["imageMessage", "messageContextInfo"]
    assert kept.SerializeToString().endswith(UNKNOWN)
    assert b"key" not in received(with_unknown(Message(senderKeyDistributionMessage=KEYS))).raw


# ── Kinds of messages ─────────────────────────────────────────────────────────────────────────────

PLACE = {"degreesLatitude": 51.50072912, "degreesLongitude": -0.12462534}
OPTIONS = [{"optionName": "Tea"}, {"optionName": "Coffee"}]
POLL = {"name": "What to drink?", "options": OPTIONS, "correctAnswer": {"optionName": "Tea"}}
TEMPLATE = {"hydratedTitleText": "Your order", "hydratedContentText": "is on its way", "templateID": "7"}
INVITE = {"groupJID": GROUP, "groupName": "Walks", "caption": "Come along", "inviteCode": "abcd"}
FLOW = {"buttons": [{"name": "cta_url"}]}
TIMER = {"type": Protocol.EPHEMERAL_SETTING, "ephemeralExpiration": 604_800}


@for_each(
    ("field", "value", "kind", "content"),
    [
        ("conversation", "Hello ✓", "text", "Hello ✓"),
        ("conversation", "", "text", None),
        ("extendedTextMessage", {"text": "See https://example.com", "title": "A page"}, "text",
         "See https://example.com"),
        ("extendedTextMessage", {}, "text", None),
        ("imageMessage", {"caption": "A picture"}, "image", "A picture"),
        ("imageMessage", {"annotations": [{"location": {"name": "Here"}}]}, "image", None),
        ("videoMessage", {"caption": "A film"}, "video", "A film"),
        ("videoMessage", {}, "video", None),
        ("ptvMessage", {"seconds": 3}, "video", None),
        ("audioMessage", {"seconds": 3}, "audio", None),
        ("audioMessage", {"seconds": 3, "PTT": True}, "voice", None),
        ("documentMessage", {"fileName": "plan.pdf", "title": "plan"}, "document", "plan.pdf"),
        ("documentMessage", {"fileName": "plan.pdf", "caption": "The plan"}, "document", "The plan"),
        ("stickerMessage", {"mimetype": "image/webp"}, "sticker", None),
        ("stickerPackMessage", {"name": "Cats", "stickers": [{"fileName": "1.webp"}]}, "sticker", "Cats"),
        ("locationMessage", {**PLACE, "name": "Westminster", "address": "London"}, "location",
         "Westminster\nLondon\n51.500729, -0.124625"),
        ("locationMessage", {"name": "Somewhere"}, "location", "Somewhere"),
        ("liveLocationMessage", {**PLACE, "caption": "On my way"}, "location",
         "On my way\n51.500729, -0.124625"),
        ("contactMessage", {"displayName": "Adam", "vcard": "BEGIN:VCARD"}, "contact", "Adam"),
        ("contactsArrayMessage", {"displayName": "2 contacts", "contacts":
         [{"displayName": "Adam"}, {"displayName": "Zoe"}]}, "contact", "Adam\nZoe"),
        ("contactsArrayMessage", {"displayName": "2 contacts"}, "contact", "2 contacts"),
        *((f"pollCreationMessage{version}", POLL, "poll", "What to drink?\nTea\nCoffee")
          for version in ("", "V2", "V3", "V5", "V6")),
        ("pollCreationMessageV4", {"message": {"pollCreationMessage": POLL}}, "poll",
         "What to drink?\nTea\nCoffee"),
        ("pollResultSnapshotMessage", {"name": "Votes", "pollVotes": OPTIONS}, "poll",
         "Votes\nTea: 0\nCoffee: 0"),
        ("groupInviteMessage", INVITE, "text",
         "Group invitation: Walks\nCome along\nInvite code: abcd"),
        ("newsletterAdminInviteMessage", {"newsletterName": "News"}, "text",
         "Invitation to be an admin of the channel: News"),
        ("templateMessage", {"hydratedTemplate": TEMPLATE}, "text", "Your order\nis on its way"),
        ("templateMessage", {"hydratedFourRowTemplate": TEMPLATE}, "text", "Your order\nis on its way"),
        ("highlyStructuredMessage", {"hydratedHsm": {"hydratedTemplate": TEMPLATE}, "elementName": "x"},
         "text", "Your order\nis on its way"),
        ("templateButtonReplyMessage", {"selectedDisplayText": "Yes", "selectedID": "1"}, "text", "Yes"),
        ("buttonsMessage", {"contentText": "Sure?", "footerText": "The shop",
         "buttons": [{"buttonID": "1", "buttonText": {"displayText": "Yes"}}]}, "text",
         "Sure?\nThe shop\nYes"),
        ("buttonsResponseMessage", {"selectedDisplayText": "Yes", "selectedButtonID": "1"}, "text", "Yes"),
        ("listMessage", {"title": "Menu", "description": "Choose",
         "sections": [{"title": "Hot", "rows": [{"title": "Tea", "rowID": "1"}]}]}, "text",
         "Menu\nChoose\nHot\nTea"),
        ("listResponseMessage", {"title": "Tea", "singleSelectReply": {"selectedRowID": "1"}}, "text", "Tea"),
        ("interactiveMessage", {"header": {"title": "Sale"}, "body": {"text": "Today"},
         "footer": {"text": "The shop"}, "nativeFlowMessage": FLOW}, "text", "Sale\nToday\nThe shop"),
        ("interactiveMessage", {"nativeFlowMessage": FLOW}, "text", "Business message"),
        ("interactiveResponseMessage", {"body": {"text": "Fine"}}, "text", "Fine"),
        ("productMessage", {"product": {"title": "Cup", "description": "Blue"}, "body": "New"}, "text",
         "Cup\nBlue\nNew"),
        ("orderMessage", {"orderTitle": "Two cups", "message": "Please"}, "text", "Order: Two cups\nPlease"),
        ("invoiceMessage", {"note": "For the cups"}, "text", "Invoice: For the cups"),
        ("sendPaymentMessage", {"noteMessage": {"conversation": "Thanks"}}, "text", "Payment\nThanks"),
        ("requestPaymentMessage", {"noteMessage": {"extendedTextMessage": {"text": "Owed"}}}, "text",
         "Payment request\nOwed"),
        ("eventMessage", {"name": "Picnic", "location": {"name": "The park"}}, "text",
         "Event: Picnic\nThe park"),
        ("scheduledCallCreationMessage", {"title": "Catching up"}, "text",
         "Scheduled call: Catching up"),
        ("commentMessage", {"message": {"conversation": "Well said"}}, "text", "Well said"),
        ("questionResponseMessage", {"text": "An answer"}, "text", "An answer"),
        ("richResponseMessage", {"submessages": [{"messageText": "I am a bot"}]}, "text", "I am a bot"),
        ("pollUpdateMessage", {"pollCreationMessageKey": {"ID": "3A00"}}, "system", "Voted in a poll"),
        ("pinInChatMessage", {"type": 1}, "system", "Pinned a message"),
        ("keepInChatMessage", {"keepType": 1}, "system", "Kept a disappearing message"),
        ("secretEncryptedMessage", {"encPayload": b"x"}, "system", "Changed a message (see the phone)"),
        ("albumMessage", {"expectedImageCount": 3}, "system", "Album: 3 pictures"),
        ("protocolMessage", {"type": Protocol.SHARE_PHONE_NUMBER}, "system", "Share phone number"),
        ("protocolMessage", {"type": Protocol.REVOKE}, "system", "Revoke"),
        ("protocolMessage", {}, "other", None),
        ("protocolMessage", {"key": {"ID": "3A00"}}, "other", None),
        ("reactionMessage", {}, "other", None),
        ("encReactionMessage", {"encPayload": b"x"}, "system", "Reacted to a message (see the phone)"),
        ("placeholderMessage", {"type": 0}, "other", "Only the phone can show this message"),
        ("ephemeralMessage", {}, "other", None),
        ("call", {"callKey": b"x"}, "system", "Call"),
    ],
)  # fmt: skip
def test_every_kind_has_its_type_and_its_text(field, value, kind, content):
    given = Message(**{field: value})
    event = received(given)
    assert (event.message_type, event.content) == (kind, content)
    assert kind in TYPES
    if field in ("conversation", "extendedTextMessage"):
        assert event.raw is None
    elif field != "pollCreationMessageV4":
        assert Message.FromString(event.raw) == given


def test_a_text_has_its_chat_sender_and_time():
    assert received(text(), source(GROUP, REEM)) == MessageReceived(
        GROUP, "3A01", REEM, AT, "Hello", "text", False, "Reem"
    )


def test_our_own_message_from_another_device_is_in_the_chat_with_its_recipient():
    event = received(Message(deviceSentMessage={"destinationJID": REEM, "message": text()}),
                     source(REEM, ME, me=True))  # fmt: skip
    assert (event.chat_jid, event.sender, event.is_from_me, event.content) == (REEM, ME, True, "Hello")


@pytest.mark.parametrize("name", ["", "-"])
def test_a_push_name_that_is_empty_or_a_dash_is_none(name):
    assert received(text(), Pushname=name).push_name is None


def test_a_field_of_a_later_version_is_kept_as_bytes():
    event = received(with_unknown(Message()))
    assert (event.message_type, event.content, event.raw) == ("other", None, UNKNOWN)


def test_an_empty_message_is_still_a_message():
    assert received(None) == MessageReceived(REEM, "3A01", REEM, AT, None, "other", False, "Reem")


def test_a_text_that_is_not_utf_8_is_read():
    content = Message.FromString(b"\x0a\x03a\xffb")
    assert received(content).content == "a�b"


@for_each("name", [name for name in WRAPPERS if name != "editedMessage"])
def test_the_message_inside_a_wrapper_is_decoded(name):
    picture = Message(imageMessage={"caption": "Inside", "contextInfo": {"stanzaID": "3A00"}})
    event = received(Message(**{name: {"message": {"ephemeralMessage": {"message": picture}}}}))
    assert (event.message_type, event.content, event.quoted_id) == ("image", "Inside", "3A00")
    assert Message.FromString(event.raw) == picture


@for_each("name", REPLIES)
def test_a_reply_names_the_quoted_message(name):
    content = Message()
    getattr(content, name).contextInfo.stanzaID = "3A00"
    assert received(content).quoted_id == "3A00"


def test_the_library_has_the_fields_that_we_name():
    names = {field.name for field in FIELDS}
    assert set(READERS) <= names
    assert names >= content_of._SILENT
    assert {*stubs._WORDS, *stubs._SWITCHES, *stubs._CALLS} <= set(Web.WebMessageInfo.StubType.keys())


VALUES = {"STRING": "ü", "BYTES": b"\xff", "BOOL": True, "DOUBLE": 1.5, "FLOAT": 1.5}
TYPE_NAMES = {number: name.removeprefix("TYPE_") for name, number in vars(FIELDS[0].__class__).items()
              if name.startswith("TYPE_")}  # fmt: skip


def fill(part: Any, chance: random.Random, depth: int = 3) -> None:
    """Give a part of a message random values."""
    for field in part.DESCRIPTOR.fields:
        if chance.random() < 0.5:
            continue
        at = getattr(part, field.name)
        if field.message_type:
            if depth:
                fill(at.add() if field.is_repeated else at, chance, depth - 1)
            continue
        number = chance.choice(field.enum_type.values).number if field.enum_type else chance.randrange(2**31)
        value = VALUES.get(TYPE_NAMES[field.type], number)
        if field.is_repeated:
            at.append(value)
        else:
            setattr(part, field.name, value)


def contents(field: Any) -> Iterator[Any]:
    """Return messages that have only this field: empty, and with random values."""
    if field.message_type is None:
        yield Message(**{field.name: "Hello"})
        return
    empty = Message()
    getattr(empty, field.name).SetInParent()
    yield empty
    for seed in range(10):
        content = Message()
        getattr(content, field.name).SetInParent()
        fill(getattr(content, field.name), random.Random(seed))
        yield content


@for_each("field", FIELDS)
@for_each("where", [source(), source(GROUP, ME, me=True)])
def test_no_message_is_lost(field, where):
    event = message(where=where)
    for content in contents(field):
        event.Message.CopyFrom(content)
        events = decoding.message_events(event, NOBODY.get)
        assert bool(events) is not decoding.is_secret(event)
        for each in map(itself, events):
            assert 0 < each.timestamp <= LAST_SECOND
            if isinstance(each, MessageReceived):
                assert each.message_type in TYPES
                assert each.raw or each.message_type == "text"
        (past_chat,) = decoding.history(part(past(content)), ME, NOBODY.get)[-1].chats
        assert all(itself(each).chat_jid == REEM for each in past_chat.messages)


def itself(event: Any) -> Any:
    """Return the message of an event with another version of a file, else the event."""
    return event.message if isinstance(event, OtherVersion) else event


# ── Second uploads ────────────────────────────────────────────────────────────────────────────────

FIRST = {
    "messageAssociation": {"associationType": "HD_IMAGE_DUAL_UPLOAD", "parentMessageKey": {"ID": "3A00"}}
}
BETTER = {"caption": "the cake", "fileLength": 4000, "contextInfo": {"pairedMediaType": "HD_IMAGE_CHILD"}}
MOVING = {"associationType": "MOTION_PHOTO", "parentMessageKey": {"ID": "3A00"}}


@for_each(
    ("content", "of"),
    [
        (
            {"messageContextInfo": FIRST, "associatedChildMessage": {"message": {"imageMessage": BETTER}}},
            "3A00",
        ),
        (
            {"associatedChildMessage": {"message": {"imageMessage": BETTER, "messageContextInfo": FIRST}}},
            "3A00",
        ),
        ({"messageContextInfo": FIRST, "imageMessage": {"fileLength": 4000}}, "3A00"),
        (
            {"messageContextInfo": {"messageAssociation": MOVING}, "videoMessage": {"fileLength": 4000}},
            "3A00",
        ),
        (
            {
                "imageMessage": {
                    **BETTER,
                    "contextInfo": {"pairedMediaType": "HD_IMAGE_CHILD", "stanzaID": "3AFF"},
                }
            },
            "",
        ),
    ],
)
def test_a_second_upload_belongs_to_the_first(content, of):
    (event,) = decode(Message(**content))
    assert isinstance(event, OtherVersion)
    assert (event.of, event.message.message_id, event.message.details["size"]) == (of, "3A01", 4000)
    file = Message.FromString(event.file)
    assert [field.name for field, _ in file.ListFields()] in (["imageMessage"], ["videoMessage"])
    assert not file.imageMessage.HasField("contextInfo")


def test_a_first_upload_says_that_another_follows():
    context = {"pairedMediaType": "SD_IMAGE_PARENT"}
    assert received(Message(imageMessage={"contextInfo": context})).details == {"awaits_version": True}


def test_the_edit_of_a_second_upload_is_one_of_the_first():
    child = Message(associatedChildMessage={"message": {"imageMessage": {"caption": "Better"}}})
    content = edit("3A99", editedMessage=child)
    content.messageContextInfo.CopyFrom(Message(messageContextInfo=FIRST).messageContextInfo)
    assert decode(content) == [Edited(REEM, "3A00", "Better", AT + 2, REEM)]


def test_a_picture_of_an_album_says_so():
    album = {"associationType": "MEDIA_ALBUM", "parentMessageKey": {"ID": "3A00"}}
    for content in (
        Message(imageMessage={}, messageContextInfo={"messageAssociation": album}),
        Message(associatedChildMessage={
            "message": {"imageMessage": {}, "messageContextInfo": {"messageAssociation": album}}}),
    ):  # fmt: skip
        event = received(content)
        assert (event.message_type, event.quoted_id, event.details) == ("image", None, {"part_of": "3A00"})


# ── Edits, deletions, reactions ───────────────────────────────────────────────────────────────────


def edit(target: str = "3A00", words: str = "Hello again", at: int = AT * 1000 + 2500, **more: Any) -> Any:
    """Return an edit with the newer text of a message."""
    key = {"ID": target, "fromMe": True, "remoteJID": REEM}
    kind = Protocol.MESSAGE_EDIT
    return Message(
        protocolMessage={"type": kind, "key": key, "editedMessage": text(words), "timestampMS": at, **more}
    )


def test_an_edit_comes_bare_or_wrapped():
    expected = [Edited(REEM, "3A00", "Hello again", AT + 2, REEM)]
    assert decode(edit()) == expected
    assert decode(edit(), is_edit=True) == expected
    assert decode(Message(editedMessage={"message": edit()})) == expected
    both = Message(deviceSentMessage={"message": {"ephemeralMessage": {"message": edit()}}})
    assert decode(both) == expected


def test_an_edit_may_remove_a_caption():
    wrapped = Message(ephemeralMessage={"message": {"imageMessage": {"caption": "Better"}}})
    assert decode(edit(editedMessage=wrapped)) == [Edited(REEM, "3A00", "Better", AT + 2, REEM)]
    assert decode(edit(editedMessage=Message(imageMessage={}))) == [Edited(REEM, "3A00", "", AT + 2, REEM)]


@for_each(("said", "expected"), [(0, AT), (-5, AT), (AT * 1000 - 60_000, AT - 60),
                                                (2**62, AT), (AT * 2000, AT + 86_400)])  # fmt: skip
def test_an_edit_from_a_phone_with_a_wrong_clock_does_not_outdate_later_edits(said, expected):
    assert decode(edit(at=said))[0].timestamp == expected


@pytest.mark.parametrize(
    ("content", "is_edit"), [(text(), True), (Message(editedMessage={"message": text()}), False)]
)
def test_an_edit_whose_message_is_unknown_gives_the_message_too(content, is_edit):
    message_received = MessageReceived(REEM, "3A01", REEM, AT, "Hello", "text", False, "Reem")
    assert decode(content, is_edit=is_edit) == [message_received, Edited(REEM, "3A01", "Hello", AT, REEM)]


def test_a_deletion_names_the_message():
    content = Message(protocolMessage={"type": Protocol.REVOKE, "key": {"ID": "3A00", "fromMe": True}})
    assert decode(content) == [Deleted(REEM, "3A00", AT, REEM)]
    assert decode(Message(ephemeralMessage={"message": content})) == [Deleted(REEM, "3A00", AT, REEM)]


def test_a_type_of_a_later_version_is_not_a_deletion():
    protocol = Protocol.FromString(Protocol(key={"ID": "3A00"}).SerializeToString() + b"\x10\x7f")
    assert received(Message(protocolMessage=protocol)).message_type == "other"


@pytest.mark.parametrize("emoji", ["👍", ""])
def test_a_reaction_is_that_of_the_sender(emoji):
    content = Message(
        reactionMessage={"key": {"ID": "3A00"}, "text": emoji, "senderTimestampMS": AT * 1000 - 1}
    )
    assert decode(content, source(GROUP, ADAM)) == [Reacted(GROUP, "3A00", ADAM, emoji, AT - 1)]


# ── Hidden ids ────────────────────────────────────────────────────────────────────────────────────


@for_each(
    ("where", "expected"),
    [
        (source(REEM_LID, alt=REEM), [JidMapped(REEM_LID, REEM)]),
        (source(REEM, alt=REEM_LID), [JidMapped(REEM_LID, REEM)]),
        (source(GROUP, REEM_LID, alt=REEM), [JidMapped(REEM_LID, REEM)]),
        (source(REEM_LID, MY_LID, me=True, alt=ME, to=REEM),
         [JidMapped(MY_LID, ME), JidMapped(REEM_LID, REEM)]),
        (source(REEM, ME, me=True, to=REEM_LID), [JidMapped(REEM_LID, REEM)]),
        (source(REEM, ME, to=REEM_LID), []),
        (source(GROUP, ME, me=True, to=REEM_LID), []),
        (source(REEM), []),
        (source(REEM_LID), []),
        (source(REEM, alt=ADAM), []),
        (source(REEM_LID, alt=ADAM_LID), []),
        (source(REEM_LID, alt=GROUP), []),
        (source(GROUP, alt=REEM_LID), []),
    ],
)  # fmt: skip
def test_a_message_maps_hidden_ids_before_it_is_received(where, expected):
    *mapped, last = decode(text(), where)
    assert mapped == expected
    assert last.chat_jid == jid_text(where.Chat)
    undecryptable = N.UndecryptableMessage(Info=N.MessageInfo(MessageSource=where))
    assert decoding.undecryptable_events(undecryptable, NOBODY.get) == expected


def unread(where: Any = None, hide: bool = False, **info: Any) -> list[Event]:
    """Return the events of a message that the library could not read."""
    known = {"ID": "3A01", "Timestamp": AT * 1000, "Category": "", "MediaType": "", "Edit": ""}
    event = N.UndecryptableMessage(
        Info=N.MessageInfo(MessageSource=where or source(), **(known | info)), IsUnavailable=True
    )
    event.DecryptFailMode = event.DECRYPT_FAIL_HIDE if hide else event.DECRYPT_FAIL_SHOW
    told = ViewOnce().say(N.UndecryptableMessage, event.SerializePartialToString())
    return decoding.undecryptable_events(N.UndecryptableMessage.FromString(told), NOBODY.get)


def test_something_stands_for_a_message_that_cannot_be_read():
    waits = MessageReceived(REEM, "3A01", REEM, AT, WAITS, "other", unavailable="waiting")
    assert unread() == [waits]
    assert unread(hide=True) == unread(Edit="1") == unread(source(ME, me=True), Category="peer") == []
    (ours,) = unread(source(REEM, ME, me=True))
    assert (ours.is_from_me, ours.unavailable) == (True, "waiting")


def test_what_the_log_says_of_a_view_once_message_reaches_its_event():
    log = ViewOnce()
    log.note(b'\x0a\x50Unavailable message 3A01 from 100200300400@lid (type: "view_once")')
    log.note(b'\x0a\x50Unavailable message 3A02 from 100200300400@lid (type: "")')
    kinds = {}
    for each in ("3A01", "3A02"):
        info = N.MessageInfo(MessageSource=source(), ID=each, Timestamp=AT, MediaType="", Edit="")
        given = N.UndecryptableMessage(Info=info, IsUnavailable=True).SerializePartialToString()
        event = N.UndecryptableMessage.FromString(log.say(N.UndecryptableMessage, given))
        (found,) = decoding.undecryptable_events(event, NOBODY.get)
        kinds[each] = found.unavailable
    assert kinds == {"3A01": "view_once", "3A02": "waiting"}


def test_a_message_on_request_that_is_none_to_read_takes_away_what_stands_for_it():
    reaction = Message(reactionMessage={"key": {"ID": "3A00"}, "text": "👍"})
    for asked in ({"RetryCount": 1}, {"UnavailableRequestID": "R"}):
        event = message(reaction)
        for name, value in asked.items():
            setattr(event, name, value)
        reacted, gone = decoding.message_events(event, NOBODY.get)
        assert isinstance(reacted, Reacted)
        assert gone == NothingToShow(REEM, "3A01")
        event.Message.CopyFrom(text())
        assert len(decoding.message_events(event, NOBODY.get)) == 1
    assert len(decode(reaction)) == 1


def test_an_unknown_hidden_id_is_asked_for_once():
    asked: list[str] = []

    def phone_of(lid: str) -> str | None:
        asked.append(lid)
        return {REEM_LID: REEM}.get(lid)

    event = message(text(), source(REEM_LID, MY_LID, me=True, alt=ME))
    first, second, said = decoding.message_events(event, phone_of)
    assert (first, second) == (JidMapped(MY_LID, ME), JidMapped(REEM_LID, REEM))
    assert said.chat_jid == REEM_LID
    assert asked == [REEM_LID]
    assert len(decoding.message_events(message(text(), source(ADAM_LID)), phone_of)) == 1


@for_each(
    ("where", "chat"),
    [
        (source("status@broadcast", REEM), "status@broadcast"),
        (source("1600000000@broadcast", REEM), REEM),
        (source("1600000000@broadcast", ME, me=True), "1600000000@broadcast"),
        (source("120363000000000009@newsletter"), "120363000000000009@newsletter"),
        (source("867051314767696@bot"), "867051314767696@bot"),
    ],
)
def test_chats_of_other_kinds_have_their_jid(where, chat):
    assert received(text(), where).chat_jid == chat


# ── Receipts ──────────────────────────────────────────────────────────────────────────────────────


def receipt(kind: str, where: Any, at: int = AT) -> Any:
    """Return a receipt as an event."""
    return N.Receipt(MessageSource=where, MessageIDs=["3A01", "3A02"], Timestamp=at,
                     Type=N.Receipt.ReceiptType.Value(kind))  # fmt: skip


@for_each("kind", ["DELIVERED", "INACTIVE", "READ", "PLAYED", "SENDER", "RETRY"])
@for_each("at", [AT, AT * 1000 + 7])
def test_a_receipt_has_its_reader_and_time(kind, at):
    events = decoding.receipt_events(receipt(kind, source(GROUP, REEM_LID, alt=REEM), at), NOBODY.get)
    expected = ReceiptReceived(GROUP, ("3A01", "3A02"), REEM_LID, kind.lower(), AT)
    assert events == [JidMapped(REEM_LID, REEM), expected]


@for_each(
    ("kind", "me", "expected"),
    [
        ("READ_SELF", True, [ChatRead(REEM, ("3A01", "3A02"))]),
        ("READ", True, [ChatRead(REEM, ("3A01", "3A02"))]),
        ("PLAYED", True, []),
        ("PLAYED_SELF", True, []),
        ("SERVER_ERROR", False, []),
        ("PEER_MSG", True, []),
        ("HISTORY_SYNC", True, []),
    ],
)
def test_a_receipt_of_our_own_device_or_of_another_type_gives_only_chat_reads(kind, me, expected):
    assert decoding.receipt_events(receipt(kind, source(REEM, ME, me=me)), NOBODY.get) == expected


def test_every_type_of_receipt_is_decoded():
    for kind in N.Receipt.ReceiptType.keys():  # noqa: SIM118
        events = decoding.receipt_events(receipt(kind, source()), {REEM_LID: REEM}.get)
        assert all(isinstance(each, ReceiptReceived | ChatRead) for each in events)


# ── Groups ────────────────────────────────────────────────────────────────────────────────────────


def of_group(event: Any) -> list[Event]:
    """Return what a change of a group changes, without the lines that tell it."""
    return [each for each in groups.group_events(event, None) if not isinstance(each, MessageReceived)]


def test_changes_of_a_group_s_name_and_members_are_decoded():
    event = N.GroupInfoEvent(JID=jid(GROUP), Notify="", Timestamp=AT, Name=N.GroupName(Name="Walks"))
    assert of_group(event) == [GroupInfo(GROUP, "Walks")]
    event.ClearField("Name")
    assert of_group(event) == []
    event.Delete.Deleted = True
    assert of_group(event) == []
    event.Join.extend([jid(REEM), jid(ADAM_LID)])
    event.Promote.append(jid(ADAM_LID))
    event.Leave.append(jid(ME))
    assert of_group(event) == [GroupChanged(GROUP, ((REEM, "member"), (ADAM_LID, "admin"), (ME, None)), AT)]
    demoted = N.GroupInfoEvent(JID=jid(GROUP), Demote=[jid(REEM)])
    assert of_group(demoted) == [GroupChanged(GROUP, ((REEM, "member"),))]


def member(shown: str, lid: str = "", phone: str = "", **more: Any) -> Any:
    """Return a member of a group."""
    return N.GroupParticipant(JID=jid(shown), LID=jid(lid), PhoneNumber=jid(phone), **more)


def test_a_group_and_its_members_are_decoded():
    info = N.GroupInfo(
        JID=jid(GROUP),
        OwnerJID=jid(MY_LID),
        OwnerPN=jid(ME),
        GroupName=N.GroupName(Name="Walks"),
        Participants=[
            member(MY_LID, MY_LID, ME, IsAdmin=True, IsSuperAdmin=True),
            member(REEM, REEM_LID, "", IsAdmin=True),
            member(ADAM_LID, ADAM_LID, ""),
            member("700@lid", "700@lid", "12025550123@s.whatsapp.net", Error=403),
        ],
    )
    expected = [
        JidMapped(MY_LID, ME),
        JidMapped(REEM_LID, REEM),
        JidMapped("700@lid", "12025550123@s.whatsapp.net"),
        GroupInfo(GROUP, "Walks", ((ME, "superadmin"), (REEM, "admin"), (ADAM_LID, "member"))),
    ]
    assert groups.group_info(info) == expected
    joined = N.JoinedGroup(GroupInfo=info, Sender=jid(ADAM_LID), SenderPN=jid(ADAM))
    assert groups.joined_group_events(joined, None, NOBODY.get) == [JidMapped(ADAM_LID, ADAM), *expected]
    assert groups.group_info(N.GroupInfo(JID=jid(GROUP))) == [GroupInfo(GROUP, None, ())]


# ── History ───────────────────────────────────────────────────────────────────────────────────────


def past(content: Any = None, *, chat: str = REEM, me: bool = False, by: str = "", **more: Any) -> Any:
    """Return a message of the history as a phone sends it."""
    info = Web.WebMessageInfo(key={"remoteJID": chat, "fromMe": me, "ID": "3A01", "participant": by})
    info.messageTimestamp = AT
    if content is not None:
        info.message.CopyFrom(content)
    for name, value in more.items():
        at = getattr(info, name)
        at.extend(value) if isinstance(value, list) else setattr(info, name, value)
    return info


def part(*messages: Any, chat: str = REEM, kind: str = "RECENT", **more: Any) -> Any:
    """Return a part of the history with one chat."""
    sync = Sync.HistorySync(syncType=Sync.HistorySync.HistorySyncType.Value(kind), progress=40)
    conversation = sync.conversations.add(ID=chat, **more)
    for each in messages:
        conversation.messages.add().message.CopyFrom(each)
    return sync


def told(*messages: Any, chat: str = REEM, own: str | None = ME) -> list[Event]:
    """Return the events of messages of the history."""
    *_, found = decoding.history(part(*messages, chat=chat), own, NOBODY.get)
    assert isinstance(found, History)
    return list(found.chats[0].messages)


@for_each(
    ("kind", "given", "expected"),
    [
        ("INITIAL_BOOTSTRAP", {"archived": True}, [ChatSet(REEM, is_archived=True)]),
        ("FULL", {"pinned": AT, "archived": False}, [ChatSet(REEM, is_archived=False, is_pinned=True)]),
        ("RECENT", {"pinned": 0, "muteEndTime": 0}, [ChatSet(REEM, is_pinned=False, muted_until=0)]),
        ("RECENT", {"muteEndTime": AT}, [ChatSet(REEM, muted_until=AT)]),
        ("RECENT", {"muteEndTime": 1000 * AT + 7}, [ChatSet(REEM, muted_until=AT)]),
        ("RECENT", {"muteEndTime": 2**64 - 1}, [ChatSet(REEM, muted_until=FOREVER)]),
        ("RECENT", {"muteEndTime": 1000 * FOREVER}, [ChatSet(REEM, muted_until=FOREVER)]),
        ("RECENT", {"unreadCount": 2}, []),
        ("ON_DEMAND", {"archived": True}, []),
    ],
)  # fmt: skip
def test_the_history_says_how_the_phone_lists_a_chat(kind, given, expected):
    *_, found = decoding.history(part(kind=kind, **given), ME, NOBODY.get)
    assert list(found.chats[0].messages) == expected


STUBS = Web.WebMessageInfo.StubType


@for_each(
    ("given", "chat", "expected"),
    [
        (past(text(), pushName="Reem"), REEM,
         [MessageReceived(REEM, "3A01", REEM, AT, "Hello", push_name="Reem")]),
        (past(text(), me=True), REEM, [MessageReceived(REEM, "3A01", ME, AT, "Hello", is_from_me=True)]),
        (past(text(), by=ADAM), GROUP, [MessageReceived(GROUP, "3A01", ADAM, AT, "Hello")]),
        (past(text(), participant="447700900456:7@s.whatsapp.net"), GROUP,
         [MessageReceived(GROUP, "3A01", ADAM, AT, "Hello")]),
        (past(text(), messageTimestamp=2**63), REEM, [MessageReceived(REEM, "3A01", REEM, 0, "Hello")]),
        (past(edit()), REEM, [Edited(REEM, "3A00", "Hello again", AT + 2, REEM)]),
        (past(Message(editedMessage={"message": edit("3A01")})), REEM,
         [MessageReceived(REEM, "3A01", REEM, AT, "Hello again"),
          Edited(REEM, "3A01", "Hello again", AT + 2, REEM)]),
        (past(messageStubType=STUBS.Value("REVOKE"), revokeMessageTimestamp=AT + 9), REEM,
         [Deleted(REEM, "3A01", AT + 9)]),
        (past(messageStubType=STUBS.Value("ADMIN_REVOKE")), GROUP, [Deleted(GROUP, "3A01", AT)]),
        (past(messageStubType=STUBS.Value("CIPHERTEXT")), REEM,
         [MessageReceived(REEM, "3A01", REEM, AT, WAITS, "other", unavailable="waiting")]),
        (past(futureproofData=UNKNOWN, messageStubType=STUBS.Value("FUTUREPROOF")), REEM,
         [MessageReceived(REEM, "3A01", REEM, AT, None, "other", raw=UNKNOWN)]),
        (past(), REEM, [MessageReceived(REEM, "3A01", REEM, AT, None, "system")]),
        (past(Message(senderKeyDistributionMessage=KEYS), by=ADAM), GROUP, []),
        (past(Message(protocolMessage={"appStateSyncKeyShare": {}}), me=True), ME, []),
    ],
)  # fmt: skip
def test_messages_of_the_history_are_decoded(given, chat, expected):
    assert told(given, chat=chat) == expected


@for_each(
    ("stub", "params", "content"),
    [
        ("GROUP_CREATE", ["Walks"], "Created the group: Walks"),
        ("GROUP_CREATE", [], "Created the group"),
        ("GROUP_CHANGE_SUBJECT", ["{0} at @ five: {}"], "Named the group: {0} at @ five: {}"),
        ("GROUP_PARTICIPANT_ADD", [REEM, ADAM_LID], "Added: @447700900123, @500600700800"),
        ("GROUP_PARTICIPANT_LEAVE", [REEM], "Left: @447700900123"),
        ("GROUP_PARTICIPANT_INVITE", [REEM], "Joined by link: @447700900123"),
        ("CALL_MISSED_VOICE", [], "Missed voice call"),
        ("E2E_ENCRYPTED", [], "Messages are end-to-end encrypted"),
    ],
)
def test_system_messages_of_the_history_are_decoded(stub, params, content):
    given = past(messageStubType=STUBS.Value(stub), messageStubParameters=params, by=ADAM)
    (event,) = told(given, chat=GROUP)
    assert isinstance(event, MessageReceived)
    assert replace(event, details=None) == MessageReceived(GROUP, "3A01", ADAM, AT, content, "system")


@for_each("stub", [value for value in STUBS.values() if value])
def test_every_system_message_is_read(stub):
    assert len(told(past(messageStubType=stub, messageStubParameters=["a", "b"]))) == 1


def test_reactions_of_the_history_come_after_their_message():
    reactions = [
        Web.Reaction(
            key={"fromMe": True, "ID": "3AFF"}, text="👍", senderTimestampMS=(AT + 3600 * 48) * 1000
        ),
        Web.Reaction(key={"participant": ADAM_LID}, text="❤"),
    ]
    said, *reacted = told(past(text(), by=REEM, reactions=reactions), chat=GROUP)
    assert said.content == "Hello"
    assert reacted == [
        Reacted(GROUP, "3A01", ME, "👍", AT + 3600 * 48),
        Reacted(GROUP, "3A01", ADAM_LID, "❤", AT),
    ]
    assert told(past(text(), me=True), own=None)[0].sender == REEM


def test_a_message_that_cannot_be_read_is_left_out_alone(monkeypatch):
    said = decoding.events_of

    def broken(content: Any, *args: Any) -> list[Event]:
        if content.extendedTextMessage.text == "broken":
            raise ValueError("what is this?")
        return said(content, *args)

    monkeypatch.setattr(decoding, "events_of", broken)
    bad = Message(extendedTextMessage={"text": "broken"})
    first, second = told(past(bad), past(text()))
    assert first == MessageReceived(REEM, "3A01", REEM, AT, None, "other", raw=bad.SerializeToString())
    assert second.content == "Hello"
    nameless = past(bad)
    nameless.key.ID = ""
    assert [each.content for each in told(nameless, past(text()))] == ["Hello"]


def test_a_part_of_the_history_gives_hidden_ids_and_names_first():
    lid_chat = past(text(), chat=ADAM_LID)
    sync = part(
        past(text()), past(text(), me=True), kind="INITIAL_BOOTSTRAP", lidJID=REEM_LID, name="Reem A."
    )
    sync.conversations.add(ID=ADAM_LID).messages.add().message.CopyFrom(lid_chat)
    sync.conversations.add(ID="300@lid", pnJID="12025550123@s.whatsapp.net")
    sync.conversations.add(ID=GROUP, name="Walks").messages.add().message.CopyFrom(past(text(), by="400@lid"))
    sync.phoneNumberToLidMappings.add(pnJID="447700900777@s.whatsapp.net", lidJID="777@lid")
    sync.phoneNumberToLidMappings.add(pnJID="", lidJID="778@lid")
    for name in ("Reem", "-", ""):
        sync.pushnames.add(ID=REEM, pushname=name)
    known = {ADAM_LID: ADAM, "400@lid": "12025550124@s.whatsapp.net", REEM_LID: "wrong"}
    *before, found = decoding.history(sync, ME, known.get)
    assert before == [
        JidMapped("777@lid", "447700900777@s.whatsapp.net"),
        JidMapped(REEM_LID, REEM),
        JidMapped("300@lid", "12025550123@s.whatsapp.net"),
        JidMapped("400@lid", "12025550124@s.whatsapp.net"),
        JidMapped(ADAM_LID, ADAM),
        Named(REEM, "Reem"),
    ]
    assert (found.kind, found.progress) == ("bootstrap", 40)
    assert [(chat.jid, chat.name, len(chat.messages)) for chat in found.chats] == [
        (REEM, "Reem A.", 2), (ADAM_LID, None, 1), ("300@lid", None, 0), (GROUP, "Walks", 1)
    ]  # fmt: skip


@for_each(
    ("kind", "expected"),
    [
        ("INITIAL_BOOTSTRAP", "bootstrap"),
        ("RECENT", "recent"),
        ("FULL", "full"),
        ("PUSH_NAME", "push_name"),
        ("ON_DEMAND", "on_demand"),
        ("INITIAL_STATUS_V3", "other"),
        ("NON_BLOCKING_DATA", "other"),
    ],
)
def test_each_type_of_history_part_has_its_kind(kind, expected):
    sync = part(kind=kind)
    sync.ClearField("progress")
    (found,) = decoding.history(sync, ME, NOBODY.get)
    assert (found.kind, found.progress) == (expected, None)


@for_each(
    ("ending", "expected"),
    [
        ({}, False),
        ({"endOfHistoryTransfer": True}, True),
        ({"endOfHistoryTransferType": 0}, True),
        ({"endOfHistoryTransferType": 1}, True),
        ({"endOfHistoryTransferType": 2, "endOfHistoryTransfer": True}, False),
    ],
)
def test_a_chat_is_complete_when_the_phone_says_so(ending, expected):
    *_, found = decoding.history(part(**ending), ME, NOBODY.get)
    assert found.chats[0].is_complete is expected
