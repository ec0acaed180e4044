"""Decoding the library's events into ours. Fields are read by name, without importing the library."""

from __future__ import annotations

from typing import Any

from wa.values import replace
from wa.whatsapp.events import (
    FOREVER,
    Account,
    ChatRead,
    ChatSet,
    Deleted,
    EphemeralSet,
    Event,
    History,
    HistoryChat,
    HistoryDamaged,
    MessageReceived,
    Named,
    Reacted,
    ReceiptReceived,
)
from wa.whatsapp.neonize.decoding import calls, groups, polls, stubs
from wa.whatsapp.neonize.decoding.content import events_of, holds_keys, text_alone
from wa.whatsapp.neonize.decoding.fields import (
    PhoneOf,
    bare_jid,
    jid_text,
    mapped,
    name_of,
    seconds_of,
    text_of,
)
from wa.whatsapp.neonize.decoding.unavailable import asked_for, stand_in, undecrypted

HISTORY_DAMAGED = "history-damaged"
"""The kind in the spool of a part of the history that could not be read; its payload is the reason."""
MOST_UNREAD = 2**31
"""The most messages that a chat may have unread; phones write -1 for one marked as unread by hand."""
OURS = ("history", *groups.KINDS, *calls.STEPS)
"""The kinds in the spool that can only be decoded by somebody who knows the linked account."""
_RECEIPTS = ("delivered", "inactive", "read", "played", "sender", "retry")
_SETTINGS = ("archived", "pinned", "muteEndTime")
"""The fields of a conversation of the history that say how the phone lists it."""
_ENDLESS = 10**14
"""The largest time that a mute may end, in milliseconds the year 5138; for ever is -1, unsigned, or 9999."""
_PARTS = ("bootstrap", "recent", "full", "push_name", "on_demand")
_LINKING = ("bootstrap", "recent", "full")
"""The parts that the phone sends after linking, newest messages first; `on_demand` are older messages."""


def decode(kind: str, event: Any, own: Account | None, phone_of: PhoneOf) -> list[Event]:
    """Return our events for an event of the library; `kind` is its kind in the spool."""
    if kind == "message":
        return message_events(event, phone_of)
    if kind == "receipt":
        return receipt_events(event, phone_of)
    if kind == "history":
        return history(event.Data, own.jid if own else None, phone_of)
    if kind in groups.KINDS:
        return groups.KINDS[kind](event, own, phone_of)
    if kind in calls.STEPS:
        return calls.call_events(calls.STEPS[kind], event, own, phone_of)
    return undecryptable_events(event, phone_of)


def account(device: Any) -> Account:
    """Return the linked account from the library's device."""
    return Account(jid_text(device.JID), jid_text(device.LID) or None, name_of(device.PushName))


def is_secret(event: Any) -> bool:
    """Return whether a message must not be stored: it holds keys, or is one between our own devices."""
    from_me = event.Info.MessageSource.IsFromMe
    return (from_me and event.Info.Category == "peer") or holds_keys(event.Message, from_me)


def message_events(event: Any, phone_of: PhoneOf) -> list[Event]:
    """Return the events in a message (a text, an edit, a reaction …), after the hidden ids it explains."""
    if is_secret(event):
        return []
    blank = _blank(event.Info)
    found = events_of(event.Message, blank, is_edit=event.IsEdit)
    return [*_mapped_by(event.Info.MessageSource, phone_of), *asked_for(event, blank, found)]


def _blank(info: Any) -> MessageReceived:
    """Return a message without its content: its chat, id, sender and time."""
    source = info.MessageSource
    chat, sender, from_me = jid_text(source.Chat), jid_text(source.Sender), source.IsFromMe
    if chat.endswith("@broadcast") and chat != "status@broadcast" and not from_me:
        chat = sender  # a broadcast list of the sender: for us it is the chat with that person
    at, name = seconds_of(info.Timestamp), name_of(info.Pushname)
    return MessageReceived(chat, text_of(info.ID), sender, at, None, "system", from_me, name)


def receipt_events(event: Any, phone_of: PhoneOf) -> list[Event]:
    """Return the receipts for our messages, or a ChatRead if we read a chat on another device."""
    source, kind = event.MessageSource, event.ReceiptType.Name(event.Type).lower()
    chat, ids = jid_text(source.Chat), tuple(text_of(each) for each in event.MessageIDs)
    if kind == "read_self" or (kind == "read" and source.IsFromMe):  # without or with read receipts
        return [*_mapped_by(source, phone_of), *([ChatRead(chat, ids)] if ids else [])]
    if kind not in _RECEIPTS or (kind == "played" and source.IsFromMe):
        return []
    by = jid_text(source.Sender) or chat
    at = seconds_of(event.Timestamp)
    return [*_mapped_by(source, phone_of), ReceiptReceived(chat, ids, by, kind, at)]


def undecryptable_events(event: Any, phone_of: PhoneOf) -> list[Event]:
    """Return what stands for a message that could not be read, after the hidden ids it explains."""
    return [*_mapped_by(event.Info.MessageSource, phone_of), *undecrypted(event, _blank(event.Info))]


def history(sync: Any, own_jid: str | None, phone_of: PhoneOf) -> list[Event]:
    """Return a part of the history, after the hidden ids and the names in it."""
    kind = sync.HistorySyncType.Name(sync.syncType).lower().removeprefix("initial_")
    chats = tuple(_history_chat(each, own_jid, kind) for each in sync.conversations if each.ID)
    pairs = [(each.lidJID, each.pnJID) for each in (*sync.phoneNumberToLidMappings, *sync.inlineContacts)]
    for each in sync.conversations:
        pairs += [(each.ID, each.pnJID), (each.ID, each.lidJID), (each.lidJID, each.pnJID)]
    messages = (each for chat in chats for each in chat.messages)
    people = {chat.jid for chat in chats} | {getattr(each, "sender", "") for each in messages}
    known = mapped([(bare_jid(one), bare_jid(other)) for one, other in pairs], sorted(people), phone_of)
    names = [Named(bare_jid(each.ID), name) for each in sync.pushnames if (name := name_of(each.pushname))]
    progress = sync.progress if sync.HasField("progress") else None
    return [*known, *names, History(kind if kind in _PARTS else "other", progress, chats)]


def damaged_history(reason: bytes) -> list[Event]:
    """Return the event of a part of the history that the library could not read."""
    return [HistoryDamaged(reason.decode("utf-8", "replace"))]


def _history_chat(chat: Any, own_jid: str | None, kind: str) -> HistoryChat:
    jid, says_how = bare_jid(chat.ID), chat.HasField("endOfHistoryTransferType")  # 0 and 1: no more will come
    is_complete = chat.endOfHistoryTransferType in (0, 1) if says_how else chat.endOfHistoryTransfer
    events: list[Event] = []
    timers: list[EphemeralSet] = []
    for each in chat.messages:
        for event in _history_message(each.message, jid, own_jid):
            if isinstance(event, EphemeralSet):
                timers.append(event)
            else:
                events.append(event)
    if chat.HasField("ephemeralExpiration"):
        set_at = seconds_of(chat.ephemeralSettingTimestamp)
        timers.append(EphemeralSet(jid, chat.ephemeralExpiration, set_at))
    events += sorted(timers, key=lambda event: event.timestamp)[-1:]  # the newest counts
    if kind in _LINKING and any(chat.HasField(name) for name in _SETTINGS):
        events.append(_setting(chat, jid))
    unread = _unread(chat) if kind in _LINKING else None
    return HistoryChat(jid, text_of(chat.name) or None, tuple(events), is_complete, unread)


def _setting(chat: Any, jid: str) -> ChatSet:
    """Return how the phone lists a conversation, as far as it tells."""
    archived, pinned, muted = (chat.HasField(name) for name in _SETTINGS)
    until = FOREVER if chat.muteEndTime > _ENDLESS else seconds_of(chat.muteEndTime)
    return ChatSet(
        jid,
        chat.archived if archived else None,
        chat.pinned > 0 if pinned else None,
        until if muted else None,
    )


def _unread(chat: Any) -> int | None:
    """Return how many messages of a conversation are unread, at least 1 if its user marked it so."""
    if chat.markedAsUnread or chat.unreadCount > MOST_UNREAD:
        return max(1, chat.unreadCount if chat.unreadCount <= MOST_UNREAD else 0)
    return chat.unreadCount if chat.HasField("unreadCount") else None


def _history_message(info: Any, chat: str, own_jid: str | None) -> list[Event]:
    """Return the events in one message of the history; an unreadable message gets the type `other`.

    A history has hundreds of thousands, and all but a few are a text alone: those take a short way.
    """
    key, me = info.key, own_jid or chat
    message_id, from_me = text_of(key.ID), key.fromMe
    if not message_id:
        return []
    at, name = seconds_of(info.messageTimestamp), name_of(info.pushName)
    said_by = None if from_me else info.participant or key.participant
    sender = me if from_me else bare_jid(said_by) if said_by else chat
    text, secret = (None, None) if info.messageStubType else text_alone(info.message)
    blank = MessageReceived(
        chat, message_id, sender, at, text, "system" if text is None else "text", from_me, name,
        secret=secret or bytes(info.messageSecret) or None,
    )  # fmt: skip
    events: list[Event]
    try:
        events = _history_content(info, blank) if text is None else [blank]
    except Exception:
        events = [replace(blank, message_type="other", raw=info.message.SerializePartialToString())]
    if not (info.reactions or info.pollUpdates or info.eventResponses):
        return events

    def sender_of(key: Any) -> str:
        return me if key.fromMe else bare_jid(key.participant) or chat

    for each in info.reactions:
        by, when = sender_of(each.key), seconds_of(each.senderTimestampMS) or at
        events.append(Reacted(chat, message_id, by, text_of(each.text), when))
    return [*events, *polls.told(info, blank, sender_of)]


def _history_content(info: Any, blank: MessageReceived) -> list[Event]:
    stub = info.StubType.Name(info.messageStubType) if info.messageStubType else ""
    if stub in ("REVOKE", "ADMIN_REVOKE"):
        gone_at = seconds_of(info.revokeMessageTimestamp) or blank.timestamp
        return [Deleted(blank.chat_jid, blank.message_id, gone_at)]
    if info.message.ByteSize():
        return [] if holds_keys(info.message, blank.is_from_me) else events_of(info.message, blank)
    if stub == "CIPHERTEXT":  # the phone could not read it either; the message itself may still arrive
        return [stand_in(blank, "waiting")]
    return [stubs.of_history(blank, stub, info)]


def _mapped_by(source: Any, phone_of: PhoneOf) -> list[Event]:
    """Return the hidden ids that the addresses of a message or receipt explain."""
    chat, sender = jid_text(source.Chat), jid_text(source.Sender)
    recipient = jid_text(source.RecipientAlt) if source.IsFromMe else ""
    return mapped([(sender, jid_text(source.SenderAlt)), (chat, recipient)], (chat, sender), phone_of)
