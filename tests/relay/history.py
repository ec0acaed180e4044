"""History syncs: an account's phone shares its history in parts, as HistorySync messages.

An entry of `Account.history` is a message, with `chat`, `id`, `from_me`, `t` (Unix seconds) and its content:
`text`, `message` (a waE2E.Message in protobuf's JSON), `file` ({"field", "data" in hex, caption …}) or `stub`
(a WebMessageInfo.StubType, with `params`). It may have `sender`, `name` (of the chat), `push`, `status`,
`reactions` ([{"text", "t", "by"}], by nobody: our own) and `more`, other fields of WebMessageInfo.
"""

from __future__ import annotations

import zlib
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from relay import files
from relay.hub import Hub
from relay.model import Account, now
from relay.wabin import JID

RECENT = 365 * 86_400
"""The age of history, in seconds, sent to a device that did not ask for all of it (a guess)."""
MILLISECONDS = 10**11
"""A time from which on it is in milliseconds: clients send either in a field that is named for these."""
Message = dict[str, Any]


def parts(hub: Hub, account: Account, full: bool) -> list[Any]:
    """Return the sync after pairing: newest messages (INITIAL_BOOTSTRAP), then RECENT or FULL, then names.

    An account without history sends an empty INITIAL_BOOTSTRAP, which clients wait for. `progress` rises to
    100 with the last part of messages; the order of kinds is a guess.
    """
    known = sorted(account.history, key=lambda message: -int(message["t"]))
    if not full:
        known = [message for message in known if message["t"] >= now() - RECENT]
    chunks = [known[at : at + account.chunk] for at in range(0, len(known), account.chunk)] or [[]]
    kinds = ["INITIAL_BOOTSTRAP", *["FULL" if full else "RECENT"] * (len(chunks) - 1)]
    out = []
    for order, (kind, chunk) in enumerate(zip(kinds, chunks, strict=True), 1):
        part = _part(hub, account, kind, chunk, account.chats if order == 1 else ())
        part.chunkOrder, part.progress = order, 100 * order // len(chunks)
        out.append(part)
    if names := _push_names(hub, account):
        out.append(names)
    for kind, more in account.more_history.items():
        number = _part(hub, account, kind, []).syncType
        part = next((part for part in out if part.syncType == number), None)
        if part is None:
            part = _part(hub, account, kind, [])
            out.append(part)
        ParseDict(more, part)
    return out


def older(hub: Hub, account: Account, request: Any) -> Any:
    """Return what a HistorySyncOnDemandRequest asks for: messages before the named one, newest first.

    It has no message when the phone knows no older one (a guess).
    """
    chat = hub.find(JID.parse(request.chatJID))

    def is_there(message: Message) -> bool:
        return message["chat"] == request.chatJID or (
            chat is not None and hub.find(JID.parse(message["chat"])) is chat
        )

    known = sorted(filter(is_there, account.history), key=lambda message: -int(message["t"]))
    ids = [message["id"] for message in known]
    if request.oldestMsgID in ids:
        known = known[ids.index(request.oldestMsgID) + 1 :]
    else:
        at = request.oldestMsgTimestampMS
        known = [each for each in known if each["t"] < (at // 1000 if at > MILLISECONDS else at)]
    found, rest = known[: request.onDemandMsgCount], known[request.onDemandMsgCount :]
    part = _part(hub, account, "ON_DEMAND", found, () if found else (request.chatJID,))
    ends = hub.hist.Conversation.EndOfHistoryTransferType
    part.conversations[0].endOfHistoryTransferType = ends.Value(
        "COMPLETE_ON_DEMAND_SYNC_BUT_MORE_MSG_REMAIN_ON_PRIMARY"
        if rest
        else "COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY"
    )
    part.chunkOrder, part.progress = 1, 100
    return part


def find(hub: Hub, account: Account, message_id: str) -> Any | None:
    """Return a message that the account's phone has, as WebMessageInfo: of its history, sent or received."""
    info = hub.web.WebMessageInfo()
    for entry in account.history:
        if entry["id"] == message_id:
            _fill(hub, info, entry)
            return info
    for other in hub.accounts.values():
        if message_id in other.sent:
            to, data, at = other.sent[message_id]
            chat = to if other is account or to in hub.groups else other.lid
            info.key.remoteJID, info.key.fromMe, info.key.ID = str(chat), other is account, message_id
            if to in hub.groups:
                info.key.participant = info.participant = str(other.lid)
            info.messageTimestamp, info.pushName = at, other.name
            info.message.ParseFromString(data)
            return info
    return None


def compress(part: Any) -> bytes:
    """Return the bytes of the file, before encryption."""
    return zlib.compress(part.SerializeToString())


def _part(hub: Hub, account: Account, kind: str, messages: list[Message], chats: Any = ()) -> Any:
    """Return a part with these messages, chat by chat, and with `chats` even if these have none in it."""
    part = hub.hist.HistorySync(syncType=hub.hist.HistorySync.HistorySyncType.Value(kind))
    by_chat: dict[str, list[Message]] = {}
    for message in messages:
        by_chat.setdefault(message["chat"], []).append(message)
    for chat in dict.fromkeys([*by_chat, *chats]):
        found = by_chat.get(chat, [])
        name = next((message["name"] for message in found if message.get("name")), "")
        conversation = part.conversations.add(ID=chat, name=name)
        ParseDict(account.chats.get(chat, {}), conversation)
        for message in found:
            _fill(hub, conversation.messages.add(msgOrderID=message["t"]).message, message)
    return part


def _fill(hub: Hub, info: Any, entry: Message) -> None:
    """Fill in a WebMessageInfo from an entry of the history. A file is put onto the media host once."""
    key = info.key
    key.remoteJID, key.fromMe, key.ID = entry["chat"], entry["from_me"], entry["id"]
    info.messageTimestamp = entry["t"]
    if entry.get("sender"):
        key.participant = info.participant = entry["sender"]
    if "file" in entry:
        about = dict(entry.pop("file"))
        field, data = about.pop("field"), bytes.fromhex(about.pop("data"))
        entry["message"] = MessageToDict(files.message_with(hub, field, data, about))
    if "message" in entry:
        ParseDict(entry["message"], info.message)
    elif "text" in entry:
        info.message.conversation = entry["text"]
    if "stub" in entry:
        info.messageStubType = info.StubType.Value(entry["stub"])
        info.messageStubParameters.extend(entry.get("params", []))
    if "status" in entry:
        info.status = info.Status.Value(entry["status"])
    info.pushName = entry.get("push", "")
    for number, each in enumerate(entry.get("reactions", [])):
        reaction = info.reactions.add(text=each["text"], senderTimestampMS=1000 * each["t"])
        reaction.key.remoteJID, reaction.key.ID = entry["chat"], f"{entry['id']}-R{number}"
        reaction.key.fromMe, reaction.key.participant = "by" not in each, each.get("by", "")
    ParseDict(entry.get("more", {}), info)


def _push_names(hub: Hub, account: Account) -> Any:
    """PUSH_NAME: the names that people of the history, or in a group of it, have given themselves."""
    people = {message.get("sender") or message["chat"] for message in account.history}
    found = {jid: hub.find(JID.parse(jid)) for jid in sorted(people)}
    part = hub.hist.HistorySync(syncType=hub.hist.HistorySync.HistorySyncType.Value("PUSH_NAME"))
    for jid, person in found.items():
        if person:
            part.pushnames.add(ID=jid, pushname=person.name)
    part.chunkOrder, part.progress = 1, 100
    return part if part.pushnames else None
