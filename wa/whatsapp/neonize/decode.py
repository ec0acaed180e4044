"""What the library for WhatsApp hands over, made into our events; its fields are known by name alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from wa.jids import USER_SERVER, is_lid, phone_of_jid, show_jid
from wa.whatsapp import transport
from wa.whatsapp.transport import (
    Account,
    Deleted,
    Edited,
    Event,
    HistoryChat,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
)

PhoneOf = Callable[[str], "str | None"]  # the phone JID that a hidden id stands for, where that is known
_Pairs = Iterable[tuple[str, str]]
_RECEIPTS = ("delivered", "inactive", "read", "played", "sender", "retry")
_PARTS = ("bootstrap", "recent", "full", "push_name", "on_demand")
_WRAPPERS = ("FutureProofMessage", "DeviceSentMessage")
# fmt: off
_KEYS = ("senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "groupRootKeyShare",
         "rootSecretDistributeMessage")
_SILENT = frozenset({*_KEYS, "messageContextInfo"})
# How the fields begin in which our own devices tell one another something in a protocolMessage: keys too.
_PEER = ("appState", "historySync", "initialSecurity", "lidMigration", "peerData", "sharedDevice")
_KINDS = {
    "image": "image", "video": "video", "ptv": "video", "audio": "audio", "document": "document",
    "sticker": "sticker", "stickerPack": "sticker", "location": "location", "liveLocation": "location",
    "contact": "contact", "contactsArray": "contact", "pollCreation": "poll", "pollResultSnapshot": "poll",
}
# How the fields end that people read, and those of them, and of the parts, that they do not.
_VISIBLE = ("address", "author", "body", "caption", "comment", "conversation", "description", "footer",
            "link", "message", "name", "note", "text", "title")
_HIDDEN = ("nnotations", "contextInfo", "correctAnswer", "elementName", "matchedText", "nativeFlowInfo",
           "nativeFlowMessage", "nativeFlowResponseMessage", "ileName")
_NOTICES = {
    "pollUpdate": "Voted in a poll", "pollAddOption": "Added an option to a poll", "album": "Album",
    "pinInChat": "Pinned or unpinned a message", "keepInChat": "Kept a disappearing message or let it go",
    "encEventResponse": "Answered an invitation", "secretEncrypted": "Changed a message (encrypted)",
}
_STUBS = {
    "GROUP_CREATE": "Created the group: {}", "GROUP_CHANGE_SUBJECT": "Named the group: {}",
    "GROUP_PARTICIPANT_ADD": "Added: {}", "GROUP_PARTICIPANT_REMOVE": "Removed: {}",
    "GROUP_PARTICIPANT_INVITE": "Joined by link: {}", "GROUP_PARTICIPANT_LEAVE": "Left: {}",
    "GROUP_PARTICIPANT_PROMOTE": "Made an admin: {}", "GROUP_PARTICIPANT_DEMOTE": "No longer an admin: {}",
    "CALL_MISSED_VOICE": "Missed voice call", "CALL_MISSED_VIDEO": "Missed video call",
}
# fmt: on


def account(device: Any) -> Account:
    """Who we are, as the library tells it."""
    return Account(jid_text(device.JID), jid_text(device.LID) or None, _name(device.PushName))


def is_secret(event: Any) -> bool:
    """Whether a message holds keys, or what our own devices tell one another: never to be kept."""
    from_me = event.Info.MessageSource.IsFromMe
    return (from_me and event.Info.Category == "peer") or _is_secret(event.Message, from_me)


def message_events(event: Any, phone_of: PhoneOf) -> list[Event]:
    """What a message says: a text, an edit, a reaction …; before it the hidden ids that it explains."""
    if is_secret(event):
        return []
    info, source = event.Info, event.Info.MessageSource
    chat, sender, from_me = jid_text(source.Chat), jid_text(source.Sender), source.IsFromMe
    if chat.endswith("@broadcast") and chat != "status@broadcast" and not from_me:
        chat = sender  # somebody's list of recipients: for us it is the chat with them
    at, name = _seconds(info.Timestamp), _name(info.Pushname)
    blank = MessageReceived(chat, _str(info.ID), sender, at, None, "system", from_me, name)
    return [*_mapped_by(source, phone_of), *_said(event.Message, blank, is_edit=event.IsEdit)]


def receipt_events(event: Any, phone_of: PhoneOf) -> list[Event]:
    """Word about our messages, or that we read a chat elsewhere."""
    source, kind = event.MessageSource, event.ReceiptType.Name(event.Type).lower()
    chat = jid_text(source.Chat)
    if kind == "read_self" or (kind == "read" and source.IsFromMe):  # without or with read receipts
        return [*_mapped_by(source, phone_of), transport.ChatRead(chat)]
    if kind not in _RECEIPTS or (kind == "played" and source.IsFromMe):
        return []
    ids, by = tuple(_str(each) for each in event.MessageIDs), jid_text(source.Sender) or chat
    at = _seconds(event.Timestamp)
    return [*_mapped_by(source, phone_of), transport.ReceiptReceived(chat, ids, by, kind, at)]


def undecryptable_events(event: Any, phone_of: PhoneOf) -> list[Event]:
    """Who the sender is, if it says so: the message itself comes again."""
    return _mapped_by(event.Info.MessageSource, phone_of)


def group_events(event: Any, phone_of: PhoneOf = lambda _: None) -> list[Event]:
    """A group's new name, and who came, went or has another role."""
    jid, name = jid_text(event.JID), _str(event.Name.Name)
    roles = ((event.Join, "member"), (event.Demote, "member"), (event.Promote, "admin"), (event.Leave, None))
    members = {jid_text(each): role for listed, role in roles for each in listed}
    named: list[Event] = [transport.GroupInfo(jid, name)] if name else []
    named = [*_mapped([], members, phone_of), *named]
    return [*named, transport.GroupChanged(jid, tuple(members.items()))] if members else named


def joined_group_events(event: Any) -> list[Event]:
    """A group that we came into."""
    return [*_mapped([(jid_text(event.Sender), jid_text(event.SenderPN))]), *group_info(event.GroupInfo)]


def group_info(info: Any) -> list[Event]:
    """A group as it is, after the hidden ids of its members."""
    pairs = [(jid_text(info.OwnerJID), jid_text(info.OwnerPN))]
    members: dict[str, str] = {}
    for each in info.Participants:
        jid, lid, phone = jid_text(each.JID), jid_text(each.LID), jid_text(each.PhoneNumber)
        pairs += [(lid, phone), (jid, phone), (lid, jid)]
        if not each.Error:  # else it was refused, and is not a member
            role = "superadmin" if each.IsSuperAdmin else "admin" if each.IsAdmin else "member"
            members[phone or jid or lid] = role
    name = _str(info.GroupName.Name) or None
    return [*_mapped(pairs), transport.GroupInfo(jid_text(info.JID), name, tuple(members.items()))]


def history(sync: Any, own_jid: str | None, phone_of: PhoneOf) -> list[Event]:
    """A part of the past, after the hidden ids and the names that it tells."""
    chats = tuple(_history_chat(each, own_jid) for each in sync.conversations if each.ID)
    pairs = [(each.lidJID, each.pnJID) for each in (*sync.phoneNumberToLidMappings, *sync.inlineContacts)]
    for each in sync.conversations:
        pairs += [(each.ID, each.pnJID), (each.ID, each.lidJID), (each.lidJID, each.pnJID)]
    said = (each for chat in chats for each in chat.messages)
    people = {chat.jid for chat in chats} | {getattr(each, "sender", "") for each in said}
    mapped = _mapped([(_plain(one), _plain(other)) for one, other in pairs], sorted(people), phone_of)
    names = [Named(_plain(each.ID), name) for each in sync.pushnames if (name := _name(each.pushname))]
    kind = sync.HistorySyncType.Name(sync.syncType).lower().removeprefix("initial_")
    progress = sync.progress if sync.HasField("progress") else None
    return [*mapped, *names, transport.History(kind if kind in _PARTS else "other", progress, chats)]


def _history_chat(chat: Any, own_jid: str | None) -> HistoryChat:
    jid, says_how = _plain(chat.ID), chat.HasField("endOfHistoryTransferType")  # 0 and 1: no more will come
    is_complete = chat.endOfHistoryTransferType in (0, 1) if says_how else chat.endOfHistoryTransfer
    messages = (each.message for each in chat.messages if each.message.key.ID)
    said = tuple(event for each in messages for event in _remembered(each, jid, own_jid))
    return HistoryChat(jid, _str(chat.name) or None, said, is_complete)


def _remembered(info: Any, chat: str, own_jid: str | None) -> list[Event]:
    """What one message of the past says; one that cannot be read does not take the others along."""
    key, me = info.key, own_jid or chat
    message_id, at, name = _str(key.ID), _seconds(info.messageTimestamp), _name(info.pushName)
    sender = me if key.fromMe else _plain(info.participant or key.participant) or chat
    blank = MessageReceived(chat, message_id, sender, at, None, "system", key.fromMe, name)
    try:
        said = _told(info, blank)
    except Exception:
        said = [replace(blank, message_type="other", raw=info.message.SerializePartialToString())]
    for each in info.reactions:
        by = me if each.key.fromMe else _plain(each.key.participant) or chat
        said.append(Reacted(chat, message_id, by, _str(each.text), _seconds(each.senderTimestampMS) or at))
    return said


def _told(info: Any, blank: MessageReceived) -> list[Event]:
    stub = info.StubType.Name(info.messageStubType) if info.messageStubType else ""
    if stub in ("REVOKE", "ADMIN_REVOKE"):
        gone_at = _seconds(info.revokeMessageTimestamp) or blank.timestamp
        return [Deleted(blank.chat_jid, blank.message_id, gone_at)]
    if info.message.ByteSize():
        return [] if _is_secret(info.message, blank.is_from_me) else _said(info.message, blank)
    if stub == "CIPHERTEXT":  # the phone could not read it; should it still come, its place must be free
        return []
    params = ", ".join(show_jid(_str(each)) for each in info.messageStubParameters)
    text, raw = _STUBS.get(stub, "").format(params).removesuffix(": ") or None, info.futureproofData or None
    return [replace(blank, content=text, message_type="other" if raw else "system", raw=raw)]


def _is_secret(message: Any, from_me: bool) -> bool:
    for layer in _layers(message):
        if from_me and any(each.name.startswith(_PEER) for each, _ in layer.protocolMessage.ListFields()):
            return True
        fields = [field.name for field, _ in layer.ListFields()]
        # A kind that the library does not know yet is not among the fields, but has its size.
        if fields and _SILENT.issuperset(fields) and not _without(layer, _SILENT).ByteSize():
            return True
    return False


def _layers(message: Any) -> Iterator[Any]:
    """A message, what is wrapped in it (to disappear, to be viewed once …), and so on inwards."""
    while message is not None:
        yield message
        parts = (part for _, part in message.ListFields() if hasattr(part, "DESCRIPTOR"))
        inside = (part for part in parts if part.DESCRIPTOR.name in _WRAPPERS and part.HasField("message"))
        message = next((part.message for part in inside), None)


def _said(message: Any, blank: MessageReceived, *, is_edit: bool = False) -> list[Event]:
    """What a message says; `blank` is what else is known of it."""
    *outer, inner = _layers(message)
    chat, target, at, edited = blank.chat_jid, blank.message_id, blank.timestamp, None
    reaction, protocol = inner.reactionMessage, inner.protocolMessage
    said_at = _seconds(reaction.senderTimestampMS or protocol.timestampMS)
    at = min(said_at or at, at + 86_400)  # a clock that is far ahead would outdo all that follows
    if reaction.key.ID:
        return [Reacted(chat, _str(reaction.key.ID), blank.sender, _str(reaction.text), at)]
    # An unknown type is no type, and reads as the first of them: a deletion.
    kind = protocol.Type.Name(protocol.type) if protocol.key.ID and protocol.HasField("type") else None
    if kind == "REVOKE":
        return [Deleted(chat, _str(protocol.key.ID), at, blank.sender, blank.is_from_me)]
    if kind == "MESSAGE_EDIT" and protocol.HasField("editedMessage"):
        *_, edited = _layers(protocol.editedMessage)
        target = _str(protocol.key.ID)
    elif is_edit or any(each.HasField("editedMessage") for each in outer):
        edited = None if inner.HasField("protocolMessage") else inner
    received = _received(edited or inner, blank)
    by = blank.sender, blank.is_from_me
    edits = [Edited(chat, target, received.content or "", at, *by)] if edited else []
    return [received, *edits] if target == blank.message_id else [*edits]  # else it comes by itself


def _received(message: Any, blank: MessageReceived) -> MessageReceived:
    kind, text, is_plain = _read(message)
    raw = None if is_plain else _without(message, _KEYS).SerializePartialToString() or None
    ids = (part.contextInfo.stanzaID for _, part in message.ListFields() if hasattr(part, "contextInfo"))
    quoted = next((_str(each) for each in ids if each), None)
    return replace(blank, content=text, message_type=kind, quoted_id=quoted, raw=raw)


def _read(message: Any) -> tuple[str, str | None, bool]:
    """A message's type, its text, and whether it is that text alone."""
    for field, value in message.ListFields():
        name = field.name.partition("Message")[0]
        if name in ("conversation", "extendedText"):
            return "text", _str(value if name == "conversation" else value.text) or None, True
        if name in _NOTICES:
            return "system", _NOTICES[name], False
        if name == "protocol":
            kind = value.Type.Name(value.type).replace("_", " ").capitalize()
            return ("system", kind, False) if value.HasField("type") else ("other", None, False)
        is_readable = field.name not in _SILENT and hasattr(value, "DESCRIPTOR")
        kind, text = _KINDS.get(name), _text(value) if is_readable else ""
        if kind or text:
            return "voice" if kind == "audio" and value.PTT else kind or "text", text or None, False
    return "other", None, False


def _text(part: Any) -> str:
    """What is there for people to read, in the order of the fields."""
    if part.DESCRIPTOR.name == "DocumentMessage":
        return _str(part.caption or part.fileName or part.title)
    lines = []
    for field, found in part.ListFields():
        if field.message_type and not field.name.endswith(_HIDDEN):
            lines += [_text(each) for each in ([found] if hasattr(found, "ListFields") else found)]
        elif isinstance(found, str | bytes) and field.name.lower().endswith(_VISIBLE):
            lines.append("" if field.name.endswith(_HIDDEN) or getattr(part, "contacts", 0) else _str(found))
    if hasattr(part, "degreesLatitude") and part.HasField("degreesLatitude"):
        lines.append(f"{round(part.degreesLatitude, 6)}, {round(part.degreesLongitude, 6)}")
    return "\n".join(filter(None, lines))


def _without(message: Any, names: Collection[str]) -> Any:
    """A copy of a message that lacks these fields."""
    rest = type(message)()
    rest.CopyFrom(message)
    for name in [field.name for field, _ in message.ListFields() if field.name in names]:
        rest.ClearField(name)
    return rest


def jid_text(jid: Any) -> str:
    """A JID as `user@server`, without its device; '' for an empty one."""
    return _plain(f"{_str(jid.User)}@{_str(jid.Server)}") if jid.User else ""


def _plain(jid: Any) -> str:
    """A JID's text without its device, and with the server's newer name."""
    user, at, server = _str(jid).partition("@")
    return user.partition(":")[0] + at + (USER_SERVER if server == "c.us" else server)


def _mapped_by(source: Any, phone_of: PhoneOf) -> list[Event]:
    """The hidden ids that the addresses of a message or receipt explain."""
    chat, sender = jid_text(source.Chat), jid_text(source.Sender)
    recipient = jid_text(source.RecipientAlt) if source.IsFromMe else ""
    return _mapped([(sender, jid_text(source.SenderAlt)), (chat, recipient)], (chat, sender), phone_of)


def _mapped(pairs: _Pairs, people: Iterable[str] = (), phone_of: PhoneOf = lambda _: None) -> list[Event]:
    """The pairs that are a hidden id and a phone JID, either first; then who else is known of `people`."""
    both = (each for pair in pairs for each in (pair, pair[::-1]))
    found = {lid: phone for lid, phone in both if is_lid(lid) and phone_of_jid(phone)}
    for jid in people:
        if is_lid(jid) and jid not in found and (known := phone_of(jid)):
            found[jid] = known
    return [JidMapped(lid, phone) for lid, phone in found.items()]


def _seconds(time: int) -> int:
    """Unix seconds, from seconds or milliseconds; 0 for what no clock shows."""
    seconds = time // 1000 if time > 10**11 else time  # in seconds the year 5138, in milliseconds 1973
    return seconds if 0 < seconds <= 10**11 else 0


def _name(text: Any) -> str | None:
    return None if (name := _str(text)) in ("", "-") else name


def _str(text: Any) -> str:
    """A text field, which is bytes where it is not UTF-8."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
