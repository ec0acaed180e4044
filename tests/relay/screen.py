"""What a phone shows of its chats: its messages, and what people did to them afterwards.

`Account.shown` has an entry for each message, by chat (a number, or the JID of a group) and id: `id`, `chat`,
`by` (a number), `at` (Unix seconds), `kind`, `text`, `expiration` (seconds, 0 without a timer), `forwarded`
(the score), `mentions` (numbers), `quoted` (an id), `view_once`, `edited`, `deleted` ("" or the number of who
did it), `reactions` (emoji by number); a `poll` with `votes` by number, a `location`, `cards`, a `file`.

What the phone ignores is in `Account.ignored`, with the reason. The server takes such messages, so each one
of a client is a finding. That phones look at keys as closely, and at whose right it is, is a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import ParseDict

from relay import files, polls
from relay.hub import Hub
from relay.labels import POLLS, unpack, unwrap
from relay.model import Account, now
from relay.wabin import GROUP, JID

EDITED_WITHIN = 15 * 60
"""The seconds after which people's phones ignore an edit."""
DELETED_WITHIN = 48 * 3600
"""The seconds after which they ignore a deletion."""
EDITABLE = ("conversation", "extendedTextMessage", "imageMessage", "videoMessage", "documentMessage")
UNSHOWN = ("messageContextInfo", "senderKeyDistributionMessage")
Entry = dict[str, Any]


class Ignored(Exception):
    """A phone does not do what a message asks for."""


def take(
    hub: Hub, account: Account, sender: Account, chat: str, message: Any, message_id: str, at: int = 0
) -> str:
    """Show a message on the phone of an account; return why the phone ignores it, empty if it does not."""
    at = at or now()
    content = unwrap(message)
    kind = next((field.name for field, _ in content.ListFields() if field.name not in UNSHOWN), "")
    try:
        if kind in CHANGES:
            CHANGES[kind](hub, account, sender, chat, content, at)
        elif kind:
            _show(hub, account, sender, chat, message, kind, message_id, at)
    except Ignored as why:
        account.ignored.append({"id": message_id, "from": sender.number, "chat": chat, "why": str(why)})
        return str(why)
    return ""


def entry_of(hub: Hub, account: Account, chat: str, message_id: str) -> Entry | None:
    """Return what a phone shows of a message, of its history too; None if it has none of that id."""
    entry = account.shown.get((chat, message_id))
    if entry is None:
        old = next((each for each in account.history if each["id"] == message_id), None)
        if old is None or chat_name(hub, JID.parse(old["chat"])) != chat:
            return None
        _take_old(hub, account, chat, old)
        entry = account.shown.get((chat, message_id))
    return entry


def chat_name(hub: Hub, jid: JID) -> str:
    """Return the name of a chat in `Account.shown`."""
    person = hub.find(jid)
    return person.number if person else str(jid.bare)


def entries(hub: Hub, account: Account, chat: str = "") -> list[Entry]:
    """Return what a phone shows, of one chat or of all, in order; files as `relay.files` describes them."""
    found = [each for each in account.shown.values() if chat in ("", each["chat"])]
    return [_plain(hub, each) for each in found]


def _plain(hub: Hub, entry: Entry) -> Entry:
    shown = {name: value for name, value in entry.items() if name not in ("message", "secret")}
    content = unwrap(hub.e2e.Message.FromString(entry["message"]))
    if not entry["deleted"] and (file := files.file_of(content)):
        shown["file"] = files.describe(hub, entry["kind"], file)
    return shown


def _show(
    hub: Hub, account: Account, sender: Account, chat: str, message: Any, kind: str, message_id: str, at: int
) -> None:
    wrappers, content = unpack(message)
    part = getattr(content, kind)
    context = getattr(part, "contextInfo", None)
    entry: Entry = {
        "id": message_id, "chat": chat, "by": sender.number, "at": at, "kind": kind, "text": _text(content),
        "expiration": context.expiration if context else 0,
        "forwarded": context.forwardingScore if context and context.isForwarded else 0,
        "mentions": [chat_name(hub, JID.parse(each)) for each in (context.mentionedJID if context else ())],
        "quoted": context.stanzaID if context else "",
        "view_once": bool(getattr(part, "viewOnce", False)) or any("viewOnce" in each for each in wrappers),
        "edited": False, "deleted": "", "reactions": {}, "message": message.SerializeToString(),
    }  # fmt: skip
    if kind in POLLS:
        options = [each.optionName for each in part.options]
        entry["secret"] = (message.messageContextInfo or content.messageContextInfo).messageSecret
        entry["poll"] = {
            "question": part.name, "options": options, "multi": part.selectableOptionsCount, "votes": {},
        }  # fmt: skip
        if not entry["secret"]:
            raise Ignored("a poll without a secret, in which nobody can vote")
    elif kind == "locationMessage":
        entry["location"] = [part.degreesLatitude, part.degreesLongitude, part.name, part.address]
    elif kind in ("contactMessage", "contactsArrayMessage"):
        cards = part.contacts if kind == "contactsArrayMessage" else [part]
        entry["cards"] = [[each.displayName, each.vcard] for each in cards]
    account.shown.setdefault((chat, message_id), entry)


def _text(content: Any) -> str:
    """Return the words of a message: a text, or the caption of a file."""
    part = files.file_of(content)
    return str(content.conversation or content.extendedTextMessage.text or getattr(part, "caption", ""))


def _reaction(hub: Hub, account: Account, sender: Account, chat: str, content: Any, at: int) -> None:
    entry = _target(hub, account, sender, chat, content.reactionMessage.key)
    if content.reactionMessage.text:
        entry["reactions"][sender.number] = content.reactionMessage.text
    else:
        entry["reactions"].pop(sender.number, None)


def _protocol(hub: Hub, account: Account, sender: Account, chat: str, content: Any, at: int) -> None:
    protocol, kinds = content.protocolMessage, hub.e2e.ProtocolMessage
    if protocol.type == kinds.EPHEMERAL_SETTING:
        account.timers[chat] = protocol.ephemeralExpiration
        return
    if protocol.type not in (kinds.REVOKE, kinds.MESSAGE_EDIT) or not protocol.HasField("key"):
        return  # what devices of one account say to one another
    entry = _target(hub, account, sender, chat, protocol.key)
    is_own, age = protocol.key.fromMe, at - entry["at"]
    if protocol.type == kinds.REVOKE:
        group = hub.groups.get(JID.parse(chat)) if chat.endswith(GROUP) else None
        if not is_own and (group is None or sender not in group.admins):
            raise Ignored("only admins of a group may delete what others wrote")
        if age > DELETED_WITHIN:
            raise Ignored(f"a message of {age} s ago is deleted")
        entry |= {"deleted": sender.number, "text": "", "reactions": {}}
        return
    if not is_own:
        raise Ignored("only its author may edit a message")
    if entry["kind"] not in EDITABLE:
        raise Ignored(f"a {entry['kind']} is edited")
    if age > EDITED_WITHIN:
        raise Ignored(f"a message of {age} s ago is edited")
    entry |= {"edited": True, "text": _text(unwrap(protocol.editedMessage))}


def _vote(hub: Hub, account: Account, sender: Account, chat: str, content: Any, at: int) -> None:
    update = content.pollUpdateMessage
    entry = _target(hub, account, sender, chat, update.pollCreationMessageKey)
    if "poll" not in entry:
        raise Ignored("a vote for what is no poll")
    poll, author = entry["poll"], hub.accounts[entry["by"]]
    digests = polls.open_vote(hub, entry["secret"], entry["id"], author, sender, update.vote)
    if digests is None:
        raise Ignored("the secret of the poll does not open the vote")
    by_digest = {polls.digest(each): each for each in poll["options"]}
    if unknown := [each.hex() for each in digests if each not in by_digest]:
        raise Ignored(f"a vote for {unknown}, which are no options")
    if poll["multi"] and len(digests) > poll["multi"]:
        raise Ignored(f"a vote for {len(digests)} of at most {poll['multi']} options")
    poll["votes"].pop(sender.number, None)
    if digests:
        poll["votes"][sender.number] = [by_digest[each] for each in digests]


CHANGES: dict[str, Callable[[Hub, Account, Account, str, Any, int], None]] = {
    "reactionMessage": _reaction,
    "protocolMessage": _protocol,
    "pollUpdateMessage": _vote,
}


def _target(hub: Hub, account: Account, sender: Account, chat: str, key: Any) -> Entry:
    """Return the message that a key names; `fromMe` and `remoteJID` are those of the sender."""
    entry = entry_of(hub, account, chat, key.ID)
    if entry is None:
        raise Ignored(f"the phone has no message {key.ID!r} in the chat")
    if entry["deleted"]:
        raise Ignored("the message was deleted")
    is_group = "@" in chat
    other = chat if is_group or sender is account else account.number
    if (named := chat_name(hub, JID.parse(key.remoteJID))) != other:
        raise Ignored(f"the key names the chat {named} in place of {other}")
    author = sender.number if key.fromMe else other
    if is_group and not key.fromMe:
        author = chat_name(hub, JID.parse(key.participant))
    if author != entry["by"]:
        raise Ignored(f"the key says that the message is by {author}, and it is by {entry['by']}")
    return entry


def _take_old(hub: Hub, account: Account, chat: str, old: dict[str, Any]) -> None:
    """Show a message of the history."""
    message = ParseDict(old.get("message", {"conversation": old.get("text", "")}), hub.e2e.Message())
    by = account if old["from_me"] else hub.find(JID.parse(old.get("sender") or old["chat"]))
    if by is not None:
        take(hub, account, by, chat, message, old["id"], old["t"])
