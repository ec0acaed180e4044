"""What is made of each field of WhatsApp's `Message`: one function a field.

`tests/whatsapp/test_fields.py` has an example of every field, and fails for one that is new in the library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wa.texts import counted
from wa.whatsapp.neonize.decoding.fields import Content, id_of, known, labelled, lines, text_of
from wa.whatsapp.neonize.decoding.kinds import business, cards, files, payments, places
from wa.whatsapp.neonize.decoding.kinds.plain import plain_text

Reader = Callable[[Any], Content]


def _words(read: Callable[[Any], str], label: str = "Business message") -> Reader:
    """Return a reader of a text; `label` stands in for an empty one."""
    return lambda part: Content("text", read(part) or label)


def _about(text: str, key: str, kind: str = "system") -> Reader:
    """Return a reader of a notice about the message that the field `key` names."""
    return lambda part: Content(kind, text, quoted_id=id_of(getattr(part, key)))


def _notice(text: str) -> Reader:
    return lambda _: Content("system", text)


def _said(key: str) -> Reader:
    """Return a reader of an answer to the message that the field `key` names."""
    return lambda part: Content("text", plain_text(part) or None, quoted_id=id_of(getattr(part, key)))


def _extended(part: Any) -> Content:
    link = known(
        url=text_of(part.matchedText), title=text_of(part.title), description=text_of(part.description)
    )
    return Content("text", text_of(part.text) or None, known(link=link))


def _poll(part: Any) -> Content:
    question, options = text_of(part.name), [text_of(each.optionName) for each in part.options]
    more = known(is_open=part.allowAddOption, choices=part.selectableOptionsCount)
    poll = {"question": question, "options": options, **more}
    return Content("poll", lines(question, *options) or None, {"poll": poll})


def _results(part: Any) -> Content:
    votes = [{"name": text_of(each.optionName), "votes": each.optionVoteCount} for each in part.pollVotes]
    text = lines(text_of(part.name), *(f"{each['name']}: {each['votes']}" for each in votes))
    return Content("poll", text or None, {"results": votes})


def _sticker_pack(part: Any) -> Content:
    text = lines(text_of(part.name), text_of(part.caption), text_of(part.packDescription))
    return Content("sticker", text or None, files.file_details(part))


def _album(part: Any) -> Content:
    counts = ((part.expectedImageCount, "picture"), (part.expectedVideoCount, "video"))
    shown = [counted(number, noun) for number, noun in counts if number]
    return Content("system", labelled("Album", ", ".join(shown)))


def _pin(part: Any) -> Content:
    text = "Unpinned a message" if part.type == 2 else "Pinned a message"
    return Content("system", text, quoted_id=id_of(part.key))


def _keep(part: Any) -> Content:
    text = "Let a disappearing message go" if part.keepType == 2 else "Kept a disappearing message"
    return Content("system", text, quoted_id=id_of(part.key))


def _music(part: Any) -> Content:
    song = part.embeddedMusic
    named = " – ".join(filter(None, (text_of(song.title), text_of(song.author))))
    return Content("text", lines(labelled("Music", named), text_of(part.songUri)))


def _chat(part: Any) -> Content:
    return Content("system", text_of(part.displayName) or "Chat")


def _status_notice(part: Any) -> Content:
    texts = {1: "Added to a status", 2: "Shared a status", 3: "Shared an answer to a status",
             4: "Answered a status of the group"}  # fmt: skip
    return Content("system", texts.get(part.type, "Status"), quoted_id=id_of(part.originalMessageKey))


def _group_call(part: Any) -> Content:
    return Content("system", lines("Live call", text_of(part.caption)))


READERS: dict[str, Reader] = {
    "conversation": lambda text: Content("text", text_of(text) or None),
    "extendedTextMessage": _extended,
    # Files
    "imageMessage": files.picture,
    "videoMessage": files.video,
    "ptvMessage": files.video_note,
    "audioMessage": files.audio,
    "documentMessage": files.document,
    "stickerMessage": files.sticker,
    "stickerPackMessage": _sticker_pack,
    "albumMessage": _album,
    # People and places
    "contactMessage": cards.contact,
    "contactsArrayMessage": cards.contacts,
    "locationMessage": places.place,
    "liveLocationMessage": places.live_place,
    "eventMessage": places.event,
    "eventInviteMessage": places.event_invite,
    "encEventResponseMessage": _about("Answered an invitation", "eventCreationMessageKey"),
    "scheduledCallCreationMessage": places.call_to_come,
    "scheduledCallEditMessage": _about("Cancelled a scheduled call", "key"),
    "groupInviteMessage": places.group_invite,
    "newsletterAdminInviteMessage": places.admin_invite,
    "newsletterFollowerInviteMessageV2": places.channel_invite,
    "requestPhoneNumberMessage": lambda _: Content("text", "Asks for your phone number"),
    # Businesses
    "templateMessage": _words(business.template),
    "highlyStructuredMessage": _words(business.structured),
    "templateButtonReplyMessage": _words(lambda part: text_of(part.selectedDisplayText), "Chose a button"),
    "buttonsMessage": _words(business.buttons),
    "buttonsResponseMessage": _words(lambda part: text_of(part.selectedDisplayText), "Chose a button"),
    "listMessage": _words(business.listed),
    "listResponseMessage": _words(business.choice, "Chose from a list"),
    "interactiveMessage": _words(business.interactive),
    "interactiveResponseMessage": _words(business.answer, "Answered a form"),
    "productMessage": _words(business.product, "Product"),
    "orderMessage": _words(business.order),
    # Money
    "invoiceMessage": payments.invoice,
    "sendPaymentMessage": payments.payment,
    "requestPaymentMessage": payments.request,
    "declinePaymentRequestMessage": payments.declined,
    "cancelPaymentRequestMessage": payments.cancelled,
    "paymentInviteMessage": payments.invitation,
    "paymentReminderMessage": payments.reminder,
    "splitPaymentMessage": payments.shared,
    "splitPaymentUpdateMessage": payments.shared_update,
    # Polls
    "pollCreationMessage": _poll,
    "pollCreationMessageV2": _poll,
    "pollCreationMessageV3": _poll,
    "pollCreationMessageV5": _poll,
    "pollCreationMessageV6": _poll,
    "pollResultSnapshotMessage": _results,
    "pollResultSnapshotMessageV3": _results,
    "pollUpdateMessage": _about("Voted in a poll", "pollCreationMessageKey"),
    "pollAddOptionMessage": _about("Added an option to a poll", "pollCreationMessageKey"),
    # About another message
    "commentMessage": _said("targetMessageKey"),
    "questionResponseMessage": _said("key"),
    "statusQuestionAnswerMessage": _said("key"),
    "statusQuotedMessage": _said("originalStatusID"),
    "statusStickerInteractionMessage": _about("Reacted to a status with a sticker", "key"),
    "statusNotificationMessage": _status_notice,
    "pinInChatMessage": _pin,
    "keepInChatMessage": _keep,
    "secretEncryptedMessage": _about("Changed a message (see the phone)", "targetMessageKey"),
    "encReactionMessage": _about("Reacted to a message (see the phone)", "targetMessageKey"),
    "encCommentMessage": _about("A comment: only the phone can show it", "targetMessageKey", "text"),
    # The rest
    "richResponseMessage": lambda part: Content("text", plain_text(part) or "An assistant's answer"),
    "musicMessage": _music,
    "conditionalRevealMessage": _notice("A message that will be shown later"),
    "messageHistoryBundle": _notice("Shared earlier messages of the group"),
    "messageHistoryNotice": _notice("Shared earlier messages of the group"),
    "stickerSyncRmrMessage": _notice("Stickers were synchronised"),
    "statusLinkPreviewMetadata": _notice("A link in a status"),
    "chat": _chat,
    "call": _notice("Call"),
    "callLogMesssage": _notice("Call"),  # more of it in `content`, which knows who rang
    "bcallMessage": _group_call,
}
