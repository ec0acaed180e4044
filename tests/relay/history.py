"""History syncs: an account's phone shares its history in parts, as HistorySync messages."""

from __future__ import annotations

import zlib
from typing import Any

from relay.hub import Hub
from relay.model import Account, now
from relay.wabin import JID

RECENT = 365 * 86_400
"""The age of history, in seconds, sent to a device that did not ask for all of it (a guess)."""
Message = dict[str, Any]


def parts(hub: Hub, account: Account, full: bool) -> list[Any]:
    """Return the sync after pairing: newest messages (INITIAL_BOOTSTRAP), then RECENT or FULL, then names.

    `progress` rises to 100 with the last part of messages; the order of kinds is a guess.
    """
    known = sorted(account.history, key=lambda message: -int(message["t"]))
    if not full:
        known = [message for message in known if message["t"] >= now() - RECENT]
    chunks = [known[at : at + account.chunk] for at in range(0, len(known), account.chunk)]
    kinds = ["INITIAL_BOOTSTRAP", *["FULL" if full else "RECENT"] * (len(chunks) - 1)]
    out = []
    for order, (kind, chunk) in enumerate(zip(kinds, chunks, strict=False), 1):
        part = _part(hub, kind, _by_chat(chunk))
        part.chunkOrder, part.progress = order, 100 * order // len(chunks)
        out.append(part)
    if names := _push_names(hub, account):
        out.append(names)
    return out


def compress(part: Any) -> bytes:
    """Return the bytes of the file, before encryption."""
    return zlib.compress(part.SerializeToString())


def _by_chat(messages: list[Message]) -> dict[str, list[Message]]:
    chats: dict[str, list[Message]] = {}
    for message in messages:
        chats.setdefault(message["chat"], []).append(message)
    return chats


def _part(hub: Hub, kind: str, chats: dict[str, list[Message]]) -> Any:
    part = hub.hist.HistorySync(syncType=hub.hist.HistorySync.HistorySyncType.Value(kind))
    for chat, messages in chats.items():
        conversation = part.conversations.add(ID=chat, name=messages[0].get("name", "") if messages else "")
        for message in messages:
            entry = conversation.messages.add(msgOrderID=message["t"]).message
            entry.key.remoteJID, entry.key.fromMe, entry.key.ID = chat, message["from_me"], message["id"]
            entry.messageTimestamp = message["t"]
            entry.message.conversation = message["text"]
            if message.get("sender"):
                entry.key.participant = entry.participant = message["sender"]
    return part


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
