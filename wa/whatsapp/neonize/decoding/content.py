"""Decoding the content of a WhatsApp message: what it is, an edit, a deletion, a reaction, a better file.

The fields of `waE2E.Message` are read by name, so this module does not import the library.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from wa.jids import is_group, is_person_or_group
from wa.values import replace
from wa.whatsapp import notices
from wa.whatsapp.events import (
    Deleted,
    Edited,
    EphemeralSet,
    Event,
    MessageReceived,
    NothingToShow,
    OtherVersion,
    Reacted,
)
from wa.whatsapp.neonize.decoding.calls import call_log
from wa.whatsapp.neonize.decoding.fields import Content, bare_jid, known, seconds_of, text_of
from wa.whatsapp.neonize.decoding.kinds import versions
from wa.whatsapp.neonize.decoding.kinds.plain import plain_text
from wa.whatsapp.neonize.decoding.kinds.table import READERS
from wa.whatsapp.neonize.decoding.polls import option_in
from wa.whatsapp.neonize.decoding.sealed import sealed_in, with_secret
from wa.whatsapp.neonize.decoding.unavailable import stand_in

_WRAPPERS = ("FutureProofMessage", "DeviceSentMessage")
# fmt: off
_KEYS = ("senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "groupRootKeyShare",
         "rootSecretDistributeMessage")
_SILENT = frozenset({*_KEYS, "messageContextInfo"})
# Beginnings of the fields of a protocolMessage between our own devices; some of these hold keys.
_PEER = ("appState", "historySync", "initialSecurity", "lidMigration", "peerData", "sharedDevice")
# fmt: on


def events_of(message: Any, blank: MessageReceived, *, is_edit: bool = False) -> list[Event]:
    """Return the events in a message's content; `blank` has its chat, id, sender and time."""
    if message.conversation and not (is_edit or message.messageContextInfo.HasField("messageAssociation")):
        # Most messages are of this kind, and a history has hundreds of thousands.
        blank = with_secret(blank, [message])
        return [replace(blank, content=text_of(message.conversation), message_type="text")]
    layers = [*_layers(message)]
    *outer, inner = layers
    blank = with_secret(blank, layers)
    if sealed := sealed_in(inner, blank):
        return [sealed]
    if option := option_in(inner, blank):
        return [option]
    chat, target, at, edited = blank.chat_jid, blank.message_id, blank.timestamp, None
    reaction, protocol = inner.reactionMessage, inner.protocolMessage
    said_at = seconds_of(reaction.senderTimestampMS or protocol.timestampMS)
    at = min(said_at or at, at + 86_400)  # a sender's clock far ahead would override all later changes
    if inner.HasField("placeholderMessage"):
        return [stand_in(_message_of(inner, blank, {}), "phone_only")]
    if reaction.key.ID:
        return [Reacted(chat, text_of(reaction.key.ID), blank.sender, text_of(reaction.text), at)]
    # An unknown type counts as not set, and would then read as the default, a deletion.
    kind = protocol.Type.Name(protocol.type) if protocol.key.ID and protocol.HasField("type") else None
    if kind == "REVOKE":
        return [Deleted(chat, text_of(protocol.key.ID), at, blank.sender, blank.is_from_me)]
    parent, is_version, awaits_version = versions.belongs_to(layers)
    if kind == "MESSAGE_EDIT" and protocol.HasField("editedMessage"):
        *_, edited = _layers(protocol.editedMessage)
        target = parent if is_version and parent else text_of(protocol.key.ID)
    elif is_edit or any(each.HasField("editedMessage") for each in outer):
        edited = None if inner.HasField("protocolMessage") else inner
    details = known(
        view_once=any(field.name.startswith("viewOnce") for each in outer for field, _ in each.ListFields()),
        part_of="" if is_version else parent,
        awaits_version=awaits_version,
    )
    received = _message_of(edited or inner, blank, details)
    if is_version and not edited and (file := versions.file_alone(inner)):
        return [OtherVersion(parent, received, file)]
    if protocol.HasField("type") and protocol.type in (
        protocol.EPHEMERAL_SETTING,
        protocol.EPHEMERAL_SYNC_RESPONSE,  # tells a client that had an older setting, and is not shown
    ):
        set_at = seconds_of(protocol.ephemeralSettingTimestamp) or blank.timestamp
        timer = EphemeralSet(chat, protocol.ephemeralExpiration, min(set_at, blank.timestamp))
        is_shown = protocol.type == protocol.EPHEMERAL_SETTING
        return [received if is_shown else NothingToShow(chat, blank.message_id), timer]
    by = blank.sender, blank.is_from_me
    edits = [Edited(chat, target, received.content or "", at, *by, received.details)] if edited else []
    if target != blank.message_id:
        return [*edits]  # the original arrives by itself
    return [received, *edits, *_timer(inner, blank)]


def text_alone(message: Any) -> tuple[str | None, bytes | None]:
    """Return the text and the secret of a message that holds nothing else, as most do; (None, None) else."""
    if not (text := message.conversation):
        return None, None
    count = len(message.ListFields())
    if count == 1:
        return text_of(text), None
    about = message.messageContextInfo
    if count > 2 or not message.HasField("messageContextInfo") or about.HasField("messageAssociation"):
        return None, None
    return text_of(text), bytes(about.messageSecret) or None


def _timer(message: Any, blank: MessageReceived) -> list[Event]:
    """Return the chat's timer that a message carries. One that carries none does not say that it is off."""
    if not is_person_or_group(blank.chat_jid):
        return []
    for _, part in message.ListFields():
        about = getattr(part, "contextInfo", None)
        if about is None or not about.HasField("expiration"):
            continue
        set_at = seconds_of(about.ephemeralSettingTimestamp)
        if about.expiration or set_at:
            set_at = min(set_at or blank.timestamp, blank.timestamp)  # a clock may be ahead
            return [EphemeralSet(blank.chat_jid, about.expiration, set_at)]
    return []


def holds_keys(message: Any, from_me: bool) -> bool:
    """Return whether a message holds keys, or is one between our own devices."""
    for layer in _layers(message):
        if from_me and any(each.name.startswith(_PEER) for each, _ in layer.protocolMessage.ListFields()):
            return True
        fields = [field.name for field, _ in layer.ListFields()]
        # A field that the library does not know yet is not listed, but counts in ByteSize().
        if fields and _SILENT.issuperset(fields) and not _without(layer, _SILENT).ByteSize():
            return True
    return False


def _layers(message: Any) -> Iterator[Any]:
    """Yield a message, the message wrapped in it (disappearing, view once …), and so on inwards."""
    while message is not None:
        yield message
        parts = (part for _, part in message.ListFields() if hasattr(part, "DESCRIPTOR"))
        inside = (part for part in parts if part.DESCRIPTOR.name in _WRAPPERS and part.HasField("message"))
        message = next((part.message for part in inside), None)


def _message_of(message: Any, blank: MessageReceived, details: dict[str, Any]) -> MessageReceived:
    made, is_plain = _content(message)
    raw = None if is_plain else _without(message, _KEYS).SerializePartialToString() or None
    contexts = [part.contextInfo for _, part in message.ListFields() if hasattr(part, "contextInfo")]
    quoted = next((text_of(each.stanzaID) for each in contexts if each.stanzaID), made.quoted_id)
    mentions = [bare_jid(jid) for each in contexts for jid in each.mentionedJID]
    mentions += [bare_jid(group.groupJID) for each in contexts for group in each.groupMentions]
    # Some clients say only that a message was forwarded, and not how many times.
    forwarded = max((each.forwardingScore or each.isForwarded for each in contexts), default=0)
    about = known(mentions=[*dict.fromkeys(mentions)], forwarded=int(forwarded))
    text, details = made.text, {**made.details, **about, **details}
    if message.HasField("callLogMesssage"):
        log, in_group = message.callLogMesssage, is_group(blank.chat_jid)
        details["call"] = call_log(log, from_me=blank.is_from_me, in_group=in_group)
        text = notices.call(details["call"])
    return replace(
        blank, content=text, message_type=made.kind, quoted_id=quoted, raw=raw, details=details or None
    )


def _content(message: Any) -> tuple[Content, bool]:
    """Return what is made of a message, and whether it is text alone."""
    for field, value in message.ListFields():
        if (read := READERS.get(field.name)) is not None:
            return read(value), field.name in ("conversation", "extendedTextMessage")
        if (
            field.name == "protocolMessage"
            and value.HasField("type")
            and value.type == value.EPHEMERAL_SETTING
        ):
            return Content("system", notices.disappearing(value.ephemeralExpiration)), False
        if field.name == "protocolMessage":
            kind = value.Type.Name(value.type).replace("_", " ").capitalize()
            return Content("system", kind) if value.HasField("type") else Content("other"), False
        is_readable = field.name not in _SILENT and hasattr(value, "DESCRIPTOR")
        if is_readable and (text := plain_text(value)):
            return Content("text", text), False
    return Content("other"), False


def _without(message: Any, names: Collection[str]) -> Any:
    """Return a copy of a message without the named fields."""
    rest = type(message)()
    rest.CopyFrom(message)
    for name in [field.name for field, _ in message.ListFields() if field.name in names]:
        rest.ClearField(name)
    return rest
