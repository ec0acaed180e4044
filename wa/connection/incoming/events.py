"""Recording one event: what each kind of event changes in the store."""

from __future__ import annotations

import json
import logging
from datetime import datetime

from wa.connection.incoming import versions, waiting
from wa.connection.incoming.pruned import is_of_pruned
from wa.jids import is_group
from wa.queue import outcomes
from wa.record import (
    calls,
    chats,
    history_sync,
    merge_chats,
    messages,
    polls,
    reads,
    responses,
    write,
)
from wa.record.events import told
from wa.record.groups import members
from wa.record.names import canonical
from wa.record.retention import ledger
from wa.store import device
from wa.store.database import Row, Store
from wa.times import to_iso
from wa.values import replace
from wa.whatsapp.events import (
    Account,
    CallTold,
    ChatRead,
    ChatSet,
    Deleted,
    Edited,
    EphemeralSet,
    Event,
    GroupChanged,
    GroupInfo,
    GroupsListed,
    HistoryDamaged,
    JidMapped,
    MessageReceived,
    Named,
    NothingToShow,
    OptionAdded,
    OtherVersion,
    Reacted,
    ReceiptReceived,
    Voted,
)
from wa.whatsapp.sealed import Sealed

log = logging.getLogger(__name__)


def apply_event(store: Store, event: Event, now: datetime, source: str = "live") -> None:
    """Record one event, and what is told of it, in the caller's transaction.

    `source` says how it came, as in `messages`; of the past, nothing is told.
    """
    _record(store, event, now, source)
    if source == "live":
        told.complete(store)


def _record(store: Store, event: Event, now: datetime, source: str) -> None:
    if isinstance(event, MessageReceived):
        _message(store, event, now, source)
    elif is_of_pruned(store, event):
        return
    elif isinstance(event, OtherVersion):
        _add_version(store, event, now, source)
    elif isinstance(event, NothingToShow):
        waiting.take_away(store, canonical(store, event.chat_jid), event.message_id)
    elif isinstance(event, Edited):
        _edit(store, event, now, source)
    elif isinstance(event, Deleted):
        _delete(store, event, now, source)
    elif isinstance(event, Reacted):
        _react(store, event, now, source)
    elif isinstance(event, Sealed):
        _seal(store, event, source)
    elif isinstance(event, Voted):
        _vote(store, event, now, source)
    elif isinstance(event, OptionAdded):
        _add_option(store, event, now, source)
    elif isinstance(event, ReceiptReceived):
        _receipt(store, event, now, source)
    elif isinstance(event, ChatRead):
        reads.read_elsewhere(store, event, now)
    elif isinstance(event, JidMapped):
        merge_chats.map_lid(store, event.lid, event.pn)
    elif isinstance(event, Named):
        chats.name_person(store, event.jid, event.name, is_saved=event.is_saved)
        if not event.is_saved:
            device.rename_account(store, event.jid, event.name)
    elif isinstance(event, GroupChanged):
        _change_group(store, event, now)
    elif isinstance(event, GroupInfo):
        _group(store, event, now)
    elif isinstance(event, GroupsListed):
        chats.note_joined(store, event.jids, now)
    elif isinstance(event, EphemeralSet):
        chats.ensure(store, chat := canonical(store, event.chat_jid), now)
        chats.set_ephemeral(store, chat, event.seconds, event.timestamp)
    elif isinstance(event, ChatSet):
        chats.set_apart(store, event, now, is_past=source != "live")
    elif isinstance(event, CallTold):
        calls.note(store, event, now)
    elif isinstance(event, HistoryDamaged):
        history_sync.note_damage(store, event.reason, now)


def keep_account(store: Store, account: Account, now: datetime) -> None:
    """Store the linked account and its names, in the caller's transaction."""
    device.keep_account(store, account.jid, account.lid, account.push_name, now)
    if account.lid:
        merge_chats.map_lid(store, account.lid, account.jid)
    if account.push_name:
        chats.name_person(store, account.jid, account.push_name)


def _message(store: Store, event: MessageReceived, now: datetime, source: str) -> None:
    if calls.is_known(store, event):  # the server told it already, step by step
        return
    if event.timestamp == 0:  # a notice whose time is not told
        event = replace(event, timestamp=int(now.timestamp()))
    number = write.record(store, event, source, now)
    if number is not None and source == "live":
        reads.arrived(store, event, number)
    waiting.wake(store, [event])
    if event.push_name and not event.is_from_me:
        chats.name_person(store, event.sender, event.push_name)
    if event.is_from_me:
        outcomes.prove_sent(store, [event.message_id], now)


def _add_version(store: Store, event: OtherVersion, now: datetime, source: str) -> None:
    """Add another version of a picture or video to its message, of which it is no second one."""
    new = event.message
    chat, details = canonical(store, new.chat_jid), new.details or {}
    if event.of:
        found = messages.find(store, chat, event.of)
    else:
        sender = canonical(store, new.sender)
        found = versions.awaiting(store, chat, sender, new.message_type, new.timestamp)
    if found is None or found["status"] == "early" or messages.is_stand_in(found):
        named = replace(new, message_id=event.of, details={**details, "version_id": new.message_id})
        _message(store, named if event.of else new, now, source)
    elif not wrote(store, new.sender, chat, found, is_from_me=new.is_from_me):
        _message(store, new, now, source)
    elif not found["deleted_at"]:
        versions.add(store, found, new.message_type, details, event.file, new.message_id)


def wrote(store: Store, by: str, chat: str, found: Row, *, is_from_me: bool) -> bool:
    """Return whether a message is of this person.

    The server does not check that: anybody in the chat could send an edit or a deletion. Of a message that
    has not arrived, the author is who changed it first.
    """
    if found["status"] == "early":
        return canonical(store, found["sender"]) == canonical(store, by)
    return bool(found["is_from_me"]) == is_from_me and (
        not is_group(chat) or found["sender"] == canonical(store, by)
    )


def _may_change(store: Store, event: Edited | Deleted, chat: str, found: Row) -> bool:
    """Return whether the message's author made a change, or a group admin deleted the message."""
    if event.by is None or wrote(store, event.by, chat, found, is_from_me=event.is_from_me):
        return True
    if isinstance(event, Deleted) and chats.is_admin(store, chat, canonical(store, event.by)):
        return True
    log.info("a change of a message by %s, who did not write it, is ignored", event.by)
    return False


def _edit(store: Store, event: Edited, now: datetime, source: str) -> None:
    """Store the newest text, in whatever order edits arrive."""
    chat = canonical(store, event.chat_jid)
    found = messages.find(store, chat, event.message_id)
    edited_at = messages.moment(event.timestamp)
    if found is None:
        by = canonical(store, event.by or chat)
        write.record_early(store, chat, event.message_id, event.content, event.timestamp, now, by)
    elif (
        not found["deleted_at"]
        and (found["edited_at"] or "") <= to_iso(edited_at)
        and _may_change(store, event, chat, found)
    ):
        write.edit(store, found, event.content, edited_at)
        if event.details:
            details = {**json.loads(found["details"] or "{}"), **event.details}
            write.change(store, found["id"], {"details": json.dumps(details, ensure_ascii=False)})
        told.tell(store, "edited", found, source, now)


def _delete(store: Store, event: Deleted, now: datetime, source: str) -> None:
    """Turn a message into a tombstone, with the time of its deletion."""
    chat = canonical(store, event.chat_jid)
    found = messages.find(store, chat, event.message_id)
    if found is None:
        by = canonical(store, event.by or chat)
        write.record_early(store, chat, event.message_id, None, event.timestamp, now, by)
    elif not found["deleted_at"] and _may_change(store, event, chat, found):
        write.delete(store, found, messages.moment(event.timestamp))
        told.tell(store, "deleted", found, source, now)


def _seal(store: Store, event: Sealed, source: str) -> None:
    """Keep a sealed message; it is opened when this transaction is over."""
    waiting.keep(store, event, source)
    if event.push_name and not event.is_from_me:
        chats.name_person(store, event.sender, event.push_name)


def _vote(store: Store, event: Voted, now: datetime, source: str) -> None:
    """Store a vote, and what it is for as a notice."""
    notice = event.notice
    chat, poll_id = canonical(store, notice.chat_jid), notice.quoted_id or ""
    key = {"chat_jid": chat, "poll_id": poll_id, "voter": canonical(store, notice.sender)}
    if not ledger.has(store, chat, poll_id):
        polls.vote(store, key, event.choices, event.said_at)
    _notice(store, notice, polls.words(messages.about(store, chat, poll_id), event.choices), now, source)


def _add_option(store: Store, event: OptionAdded, now: datetime, source: str) -> None:
    """Add an option to a poll that allows it, or by its author, and say so in a notice."""
    notice = event.notice
    chat = canonical(store, notice.chat_jid)
    found = messages.find(store, chat, notice.quoted_id or "")
    poll = messages.about(store, chat, notice.quoted_id or "")
    if found and poll and poll.get("poll") and event.option not in polls.options_of(poll):
        if not polls.is_open(poll) and not wrote(
            store, notice.sender, chat, found, is_from_me=notice.is_from_me
        ):
            log.info("an option added by %s to a poll that does not allow it is ignored", notice.sender)
            return
        write.edit_poll(store, found, polls.question_of(poll), [*polls.options_of(poll), event.option])
    _notice(store, notice, f"Added an option to a poll: {event.option}", now, source)


def _notice(store: Store, notice: MessageReceived, text: str, now: datetime, source: str) -> None:
    """Record a notice with this text, also in place of one that said less."""
    found = messages.find(store, canonical(store, notice.chat_jid), notice.message_id)
    if found is None:
        write.record(store, replace(notice, content=text), source, now)
    elif found["content"] != text and waiting.is_notice(store, found, vars(notice), notice.quoted_id):
        write.replace_text(store, found, text)
        told.tell(store, "message", found, source, now)


def _react(store: Store, event: Reacted, now: datetime, source: str) -> None:
    """Store a person's newest reaction to a message; an empty one removes it."""
    key = {
        "chat_jid": canonical(store, event.chat_jid),
        "message_id": event.message_id,
        "sender": canonical(store, event.sender),
    }
    if responses.react(store, key, event.emoji, event.timestamp) and source == "live":
        told.reacted(store, key, now)


def _receipt(store: Store, event: ReceiptReceived, now: datetime, source: str) -> None:
    chat, recipient = canonical(store, event.chat_jid), canonical(store, event.recipient)
    at = to_iso(messages.moment(event.timestamp))
    for message_id in event.message_ids:
        receipt = {
            "chat_jid": chat, "message_id": message_id, "recipient": recipient, "kind": event.kind, "at": at,
        }  # fmt: skip
        if ledger.has(store, chat, message_id):
            continue
        is_new = responses.add_receipt(store, receipt)
        write.update_status(store, chat, message_id)
        if is_new and source == "live":
            told.received(store, receipt, now)
    outcomes.prove_sent(store, event.message_ids, now)


def _group(store: Store, event: GroupInfo, now: datetime) -> None:
    chats.ensure(store, event.jid, now)
    if event.name is not None:
        chats.name_group(store, event.jid, event.name, now)
    if event.members is not None and members.replace(store, event.jid, event.members, now):
        write.update_group(store, event.jid, now)
    if event.ephemeral is not None and event.ephemeral != chats.ephemeral(store, event.jid)[0]:
        chats.set_ephemeral(store, event.jid, event.ephemeral, int(now.timestamp()))


def _change_group(store: Store, event: GroupChanged, now: datetime) -> None:
    chats.ensure(store, event.jid, now)
    at = messages.moment(event.timestamp) if event.timestamp else now
    members.note(store, event.jid, event.members, at)
    if any(role is None for _, role in event.members):  # nobody waits for those who left
        write.update_group(store, event.jid, now)
