"""A table of every field of WhatsApp's `Message`, with what is made of it.

The fields come from the library's own descriptor: a field that is new there fails until its row stands here.
"""

from __future__ import annotations

import importlib
import sys
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pytest
from for_each import for_each
from relay.trust import installed_neonize

from wa.connection.incoming.events import apply_event
from wa.store.database import Store
from wa.whatsapp.events import Edited, Event
from wa.whatsapp.neonize.decoding import decode as decoding

_folder = str(installed_neonize() / "proto")
if _folder not in sys.path:  # without importing neonize itself, which would load the library
    sys.path.insert(0, _folder)
N: Any = importlib.import_module("Neonize_pb2")
Message: Any = importlib.import_module("waE2E.WAWebProtobufsE2E_pb2").Message
Sync: Any = importlib.import_module("waHistorySync.WAWebProtobufsHistorySync_pb2")

FIELDS = [field.name for field in Message.DESCRIPTOR.fields]
ADAM = "447700900456@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
AT = 1_796_407_200  # 4 December 2026, 18:00 UTC
KEY = {"ID": "3A00"}
READ, UNREAD = "read", "received"


class Made(NamedTuple):
    """What is made of a message; None where there is no message of its own: keys, a reaction."""

    kind: str | None
    text: str | None = None
    status: str = UNREAD
    quoted: str | None = None


NOTHING = Made(None)
INSIDE = {"message": {"imageMessage": {"caption": "Inside"}}}
PICTURE = Made("image", "Inside")
NADIA = "BEGIN:VCARD\nVERSION:3.0\nFN:Nadia\nTEL;type=CELL;waid=447700900456:+44 7700 900456\nEND:VCARD"
OMAR = "BEGIN:VCARD\nVERSION:3.0\nFN:Omar\nTEL:+44 7700 900457\nTEL:+44 7700 900458\nEND:VCARD"
POLL = {"name": "What to drink?", "options": [{"optionName": "Tea"}, {"optionName": "Coffee"}]}
POLLED = Made("poll", "What to drink?\nTea\nCoffee")
URL_BUTTON = {"urlButton": {"displayText": "Track it", "URL": "https://example.com/t/1"}}
CALL_BUTTON = {"callButton": {"displayText": "Call us", "phoneNumber": "+44 7700 900123"}}
TEMPLATE = {"hydratedTitleText": "Your order", "hydratedContentText": "is on its way",
            "hydratedButtons": [URL_BUTTON, CALL_BUTTON]}  # fmt: skip
TEMPLATE_TEXT = "Your order\nis on its way\nTrack it: https://example.com/t/1\nCall us: +44 7700 900123"
FIVE_POUNDS = {"value": 5000, "offset": 1000, "currencyCode": "GBP"}
TIMER = {"type": "EPHEMERAL_SETTING", "ephemeralExpiration": 86_400}

TABLE: dict[str, tuple[Any, Made]] = {
    "conversation": ("Hello", Made("text", "Hello")),
    "extendedTextMessage": ({"text": "See https://example.com", "matchedText": "https://example.com",
                             "title": "A page"}, Made("text", "See https://example.com")),
    "imageMessage": ({"caption": "Look"}, Made("image", "Look")),
    "videoMessage": ({"caption": "Look", "seconds": 3}, Made("video", "Look")),
    "ptvMessage": ({"seconds": 3}, Made("video")),
    "audioMessage": ({"seconds": 3, "PTT": True}, Made("voice")),
    "documentMessage": ({"fileName": "menu.pdf", "caption": "The menu"}, Made("document", "The menu")),
    "stickerMessage": ({"mimetype": "image/webp"}, Made("sticker")),
    "stickerPackMessage": ({"name": "Cats"}, Made("sticker", "Cats")),
    "albumMessage": ({"expectedImageCount": 3, "expectedVideoCount": 1},
                     Made("system", "Album: 3 pictures, 1 video", READ)),
    "contactMessage": ({"displayName": "Nadia", "vcard": NADIA}, Made("contact", "Nadia +44 7700 900456")),
    "contactsArrayMessage": ({"displayName": "2 contacts", "contacts": [{"vcard": NADIA}, {"vcard": OMAR}]},
                             Made("contact", "Nadia +44 7700 900456\nOmar +44 7700 900457, +44 7700 900458")),
    "locationMessage": ({"name": "The park", "degreesLatitude": 51.5, "degreesLongitude": -0.1},
                        Made("location", "The park\n51.5, -0.1")),
    "liveLocationMessage": ({"caption": "On my way", "degreesLatitude": 51.5, "degreesLongitude": -0.1},
                            Made("location", "On my way\n51.5, -0.1")),
    # Events, calls, invitations
    "eventMessage": ({"name": "Picnic", "location": {"name": "The park"}, "startTime": AT,
                      "endTime": AT + 7200, "joinLink": "https://call.whatsapp.com/video/abc"},
                     Made("text", "Event: Picnic\nThe park\nStarts 2026-12-04 18:00 UTC\n"
                          "Ends 2026-12-04 20:00 UTC\nhttps://call.whatsapp.com/video/abc")),
    "eventInviteMessage": ({"eventTitle": "Picnic", "startTime": AT, "caption": "Come along"},
                           Made("text", "Event: Picnic\nCome along\nStarts 2026-12-04 18:00 UTC")),
    "encEventResponseMessage": ({"eventCreationMessageKey": KEY},
                                Made("system", "Answered an invitation", READ, "3A00")),
    "scheduledCallCreationMessage": ({"title": "Catching up", "callType": 2,
                                      "scheduledTimestampMS": AT * 1000},
                                     Made("text", "Scheduled video call: Catching up\n"
                                          "Starts 2026-12-04 18:00 UTC")),
    "scheduledCallEditMessage": ({"key": KEY, "editType": 1},
                                 Made("system", "Cancelled a scheduled call", READ, "3A00")),
    "groupInviteMessage": ({"groupName": "Walks", "groupJID": GROUP, "inviteCode": "abcd",
                            "inviteExpiration": AT, "caption": "Come along"},
                           Made("text", "Group invitation: Walks\nCome along\nInvite code: abcd\n"
                                "Until 2026-12-04 18:00 UTC")),
    "newsletterAdminInviteMessage": ({"newsletterName": "News", "inviteExpiration": AT},
                                     Made("text", "Invitation to be an admin of the channel: News\n"
                                          "Until 2026-12-04 18:00 UTC")),
    "newsletterFollowerInviteMessageV2": ({"newsletterName": "News", "caption": "Follow us"},
                                          Made("text", "Channel invitation: News\nFollow us")),
    "requestPhoneNumberMessage": ({}, Made("text", "Asks for your phone number")),
    "call": ({"callKey": b"x"}, Made("system", "Call", READ)),
    "callLogMesssage": ({"isVideo": True}, Made("system", "Video call", READ)),
    "bcallMessage": ({"caption": "Tonight"}, Made("system", "Live call\nTonight", READ)),
    # Businesses
    "templateMessage": ({"hydratedTemplate": TEMPLATE, "hydratedFourRowTemplate": TEMPLATE},
                        Made("text", TEMPLATE_TEXT)),
    "highlyStructuredMessage": ({"hydratedHsm": {"hydratedTemplate": TEMPLATE}}, Made("text", TEMPLATE_TEXT)),
    "templateButtonReplyMessage": ({"selectedDisplayText": "Yes"}, Made("text", "Yes")),
    "buttonsMessage": ({"contentText": "Sure?", "footerText": "The shop",
                        "buttons": [{"buttonText": {"displayText": "Yes"}}]},
                       Made("text", "Sure?\nThe shop\nYes")),
    "buttonsResponseMessage": ({"selectedDisplayText": "Yes"}, Made("text", "Yes")),
    "listMessage": ({"title": "Menu", "buttonText": "Choose", "sections": [
        {"title": "Hot", "rows": [{"title": "Tea", "description": "GBP 2.00"}]}]},
        Made("text", "Menu\nChoose\nHot\nTea: GBP 2.00")),
    "listResponseMessage": ({"title": "Tea", "description": "GBP 2.00"}, Made("text", "Tea\nGBP 2.00")),
    "interactiveMessage": ({"header": {"title": "Sale"}, "body": {"text": "Today"}, "nativeFlowMessage": {
        "buttons": [{"name": "cta_copy",
                     "buttonParamsJSON": '{"display_text": "Copy code", "copy_code": "SAVE20"}'}]}},
        Made("text", "Sale\nToday\nCopy code: SAVE20")),
    "interactiveResponseMessage": ({"body": {"text": "Fine"}}, Made("text", "Fine")),
    "productMessage": ({"product": {"title": "Cup", "description": "Blue", "priceAmount1000": 4500,
                                    "currencyCode": "GBP"}}, Made("text", "Cup\nBlue\nGBP 4.50")),
    "orderMessage": ({"orderTitle": "Two cups", "message": "Please", "itemCount": 2, "totalAmount1000": 9000,
                      "totalCurrencyCode": "GBP"},
                     Made("text", "Order: Two cups\nPlease\n2 items · GBP 9.00")),
    # Money
    "invoiceMessage": ({"note": "For the cups"}, Made("text", "Invoice: For the cups")),
    "sendPaymentMessage": ({"noteMessage": {"conversation": "Thanks"}, "requestMessageKey": KEY},
                           Made("text", "Payment\nThanks", quoted="3A00")),
    "requestPaymentMessage": ({"noteMessage": {"conversation": "Owed"}, "amount": FIVE_POUNDS},
                              Made("text", "Payment request: GBP 5.00\nOwed")),
    "declinePaymentRequestMessage": ({"key": KEY}, Made("text", "Declined a payment request", quoted="3A00")),
    "cancelPaymentRequestMessage": ({"key": KEY}, Made("text", "Cancelled a payment request", quoted="3A00")),
    "paymentInviteMessage": ({"serviceType": 3}, Made("text", "Invitation to payments by UPI")),
    "paymentReminderMessage": ({"description": "Rent", "amount": FIVE_POUNDS, "frequency": 3},
                               Made("text", "Payment reminder\nRent\nGBP 5.00 every month")),
    "splitPaymentMessage": ({"description": "Dinner", "totalAmount": FIVE_POUNDS},
                            Made("text", "Shared payment\nDinner\nGBP 5.00")),
    "splitPaymentUpdateMessage": ({"splitID": "1"}, Made("system", "A shared payment has changed", READ)),
    # Polls
    **{f"pollCreationMessage{version}": (POLL, POLLED) for version in ("", "V2", "V3", "V5", "V6")},
    "pollCreationMessageV4": ({"message": {"pollCreationMessage": POLL}}, POLLED),
    "pollResultSnapshotMessage": ({"name": "Votes", "pollVotes": [{"optionName": "Tea"}]},
                                  Made("poll", "Votes\nTea: 0")),
    "pollResultSnapshotMessageV3": ({"name": "Votes", "pollVotes": [{"optionName": "Tea"}]},
                                    Made("poll", "Votes\nTea: 0")),
    "pollUpdateMessage": ({"pollCreationMessageKey": KEY}, Made("system", "Voted in a poll", READ, "3A00")),
    "pollAddOptionMessage": ({"pollCreationMessageKey": KEY},
                             Made("system", "Added an option to a poll", READ, "3A00")),
    # About another message
    "reactionMessage": ({"key": KEY, "text": "👍"}, NOTHING),
    "encReactionMessage": ({"encPayload": b"x"},
                           Made("system", "Reacted to a message (see the phone)", READ)),
    "commentMessage": ({"message": {"conversation": "Well said"}, "targetMessageKey": KEY},
                       Made("text", "Well said", quoted="3A00")),
    "encCommentMessage": ({"encPayload": b"x"}, Made("text", "A comment: only the phone can show it")),
    "secretEncryptedMessage": ({"targetMessageKey": KEY, "encPayload": b"x"},
                               Made("system", "Changed a message (see the phone)", READ, "3A00")),
    "pinInChatMessage": ({"key": KEY, "type": 1}, Made("system", "Pinned a message", READ, "3A00")),
    "keepInChatMessage": ({"key": KEY, "keepType": 1},
                          Made("system", "Kept a disappearing message", READ, "3A00")),
    "questionResponseMessage": ({"key": KEY, "text": "An answer"}, Made("text", "An answer", quoted="3A00")),
    "statusQuestionAnswerMessage": ({"key": KEY, "text": "Mine"}, Made("text", "Mine", quoted="3A00")),
    "statusQuotedMessage": ({"originalStatusID": KEY, "text": "Mine"}, Made("text", "Mine", quoted="3A00")),
    "statusNotificationMessage": ({"originalMessageKey": KEY, "type": 2},
                                  Made("system", "Shared a status", READ, "3A00")),
    "statusStickerInteractionMessage": ({"key": KEY, "type": 1},
                                        Made("system", "Reacted to a status with a sticker", READ, "3A00")),
    # Messages in messages
    **dict.fromkeys((
        "ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension",
        "documentWithCaptionMessage", "editedMessage", "groupMentionedMessage", "botInvokeMessage",
        "lottieStickerMessage", "eventCoverImage", "statusMentionMessage",
        "pollCreationOptionImageMessage", "associatedChildMessage", "groupStatusMentionMessage",
        "statusAddYours", "groupStatusMessage", "groupStatusMessageV2", "limitSharingMessage",
        "botTaskMessage", "questionMessage", "botForwardedMessage", "questionReplyMessage",
        "newsletterAdminProfileMessage", "spoilerMessage", "newsletterAdminProfileStatusMessage",
        "botPlatformRegistrationSuccessMessage", "newsletterScheduledMessage", "acp2SettingMessage",
        "audioStickerMessage", "deviceSentMessage"), (INSIDE, PICTURE)),
    # What programs send
    "protocolMessage": (TIMER, Made("system", "Disappearing messages: 1 day", READ)),
    "placeholderMessage": ({"type": 0}, Made("other", "Only the phone can show this message")),
    "senderKeyDistributionMessage": ({"groupID": GROUP}, NOTHING),
    "fastRatchetKeySenderKeyDistributionMessage": ({"groupID": GROUP}, NOTHING),
    "groupRootKeyShare": ({"keys": [{"groupRootKey": b"x"}]}, NOTHING),
    "rootSecretDistributeMessage": ({}, NOTHING),
    "messageContextInfo": ({"messageSecret": b"x"}, NOTHING),
    "messageHistoryBundle": ({}, Made("system", "Shared earlier messages of the group", READ)),
    "messageHistoryNotice": ({}, Made("system", "Shared earlier messages of the group", READ)),
    "stickerSyncRmrMessage": ({"rmrSource": "x"}, Made("system", "Stickers were synchronised", READ)),
    # The rest
    "richResponseMessage": ({"submessages": [{"messageText": "I am a bot"}]}, Made("text", "I am a bot")),
    "musicMessage": ({"embeddedMusic": {"title": "A song", "author": "A band"},
                      "songUri": "https://example.com/song"},
                     Made("text", "Music: A song – A band\nhttps://example.com/song")),
    "conditionalRevealMessage": ({"encPayload": b"x"},
                                 Made("system", "A message that will be shown later", READ)),
    "statusLinkPreviewMetadata": ({"style": 1}, Made("system", "A link in a status", READ)),
    "chat": ({"displayName": "Nadia"}, Made("system", "Nadia", READ)),
}  # fmt: skip


def test_the_table_has_every_field_of_the_library_and_no_other() -> None:
    assert sorted(TABLE) == sorted(FIELDS)


def example_of(name: str) -> Any:
    """Return a message with this field alone."""
    value, _ = TABLE[name]
    content = Message(**{name: value})
    if not isinstance(value, str):
        getattr(content, name).SetInParent()
    return content


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_made_of_a_field(name: str, store: Store) -> None:
    content, (_, expected) = example_of(name), TABLE[name]
    now = datetime.fromtimestamp(AT, timezone.utc)
    with store.write():
        for event in live(content):
            apply_event(store, event, now)
    found = store.row(
        "SELECT message_type, content, status, quoted_id FROM messages WHERE message_id = '3A01'"
    )
    assert (Made(*found.values()) if found else NOTHING) == expected


def live(content: Any) -> list[Event]:
    """Return the events of a message that arrives now."""
    return decoding.message_events(arriving(content), lambda _: None)


@for_each("name", FIELDS)
def test_history_and_wrapped_messages_are_read_as_messages_that_arrive(name: str) -> None:
    content = example_of(name)
    expected = live(content)
    key = {"remoteJID": ADAM, "fromMe": False, "ID": "3A01"}
    info = {"key": key, "message": content, "messageTimestamp": AT}
    past = Sync.HistorySync(syncType=3, conversations=[{"ID": ADAM, "messages": [{"message": info}]}])
    *_, history = decoding.history(past, None, lambda _: None)
    assert [event for chat in history.chats for event in chat.messages] == expected
    wrapped = Message(ephemeralMessage={"message": {"groupMentionedMessage": {"message": content}}})
    if not name.startswith("viewOnce"):  # those say so in the details
        assert live(wrapped) == expected


@for_each("name", [name for name in FIELDS if TABLE[name][1].kind in ("text", "image", "contact")])
def test_an_edit_has_the_text_that_the_message_would_have(name: str) -> None:
    edit = Message(protocolMessage={"type": "MESSAGE_EDIT", "key": KEY, "editedMessage": example_of(name)})
    (event,) = live(edit)
    assert isinstance(event, Edited)
    assert (event.message_id, event.content) == ("3A00", TABLE[name][1].text)


def arriving(content: Any) -> Any:
    """Return a message as the library hands it over."""
    nobody = N.JID(User="", RawAgent=0, Device=0, Integrator=0, Server="", IsEmpty=True)
    user, server = ADAM.split("@")
    adam = N.JID(User=user, RawAgent=0, Device=0, Integrator=0, Server=server, IsEmpty=False)
    source = N.MessageSource(Chat=adam, Sender=adam, IsFromMe=False, IsGroup=False, SenderAlt=nobody,
                             RecipientAlt=nobody, BroadcastListOwner=nobody)  # fmt: skip
    event = N.Message()
    event.Info.MessageSource.CopyFrom(source)
    event.Info.ID, event.Info.Timestamp = "3A01", AT * 1000
    event.Message.CopyFrom(content)
    return event
