"""The reading of messages for figures: once, in the order of time, into counts.

A message of ours is answered when the other person writes after it; the time to the answer is that to the
first such message. Times and answers are those of chats with one person, for nobody in a group has to answer.
Notices, reactions, status posts and channels do not count.
"""

from __future__ import annotations

from array import array
from collections import defaultdict

from wa.jids import is_apart, is_group, is_person_or_group
from wa.store.database import Store
from wa.store.device import own_jid
from wa.times import from_iso

COUNTS = ("sent", "delivered", "read", "played", "answered", "received")
SENT, _DELIVERED, _READ, _PLAYED, _ANSWERED, RECEIVED = range(len(COUNTS))
QUARTER = 900
"""Seconds. The offsets of all zones are whole quarters of an hour, so a quarter is of one hour and day."""
_RECEIPTS = (
    "CASE WHEN m.is_from_me AND m.chat_jid NOT LIKE '%@g.us' THEN (SELECT min(r.at) || '|'"
    " || coalesce(min(CASE WHEN r.kind IN ('read', 'played') THEN r.at END), '') || '|'"
    " || iif(max(r.kind = 'played'), 'played', '') FROM receipts r WHERE r.message_id = m.message_id"
    " AND r.kind IN ('delivered', 'inactive', 'read', 'played')) END"
)
"""SQL for when a message of ours was first delivered and first read, as ISO texts, and if it was played."""
_SQL = (
    f"SELECT m.chat_jid, m.sender, m.timestamp, m.is_from_me, m.status, {_RECEIPTS}"
    " FROM messages m INDEXED BY {index} WHERE {where} m.timestamp >= :first AND m.timestamp < :end"
    " AND m.message_type NOT IN ('reaction', 'system') AND m.status IS NOT 'early'"
    " ORDER BY m.timestamp, m.id"
)

Counts = list[int]
"""A number for each of COUNTS."""


class _Chat:
    """What has happened in a chat up to the message that is being read."""

    def __init__(self, jid: str, me: str | None) -> None:
        self.is_apart = is_apart(jid)
        """Whether it holds status posts or is a channel, which do not count."""
        self.is_direct = is_person_or_group(jid) and not is_group(jid) and jid != me
        """Whether it is with one person."""
        self.unanswered: list[tuple[int, Counts, Counts]] = []
        """Our messages since theirs: the time, and the counts that an answer belongs to."""
        self.waits_since: int | None = None
        """The time of their first message since ours."""
        self.waiting = 0


class Tally:
    """The counts by quarter of an hour and by person, and what the medians are made of."""

    def __init__(self) -> None:
        self.by_quarter: defaultdict[int, Counts] = defaultdict(none)
        self.by_person: defaultdict[str, Counts] = defaultdict(none)
        self.chats: dict[str, _Chat] = {}
        self.to_delivery, self.to_reading, self.to_answer = array("q"), array("q"), array("q")
        """In seconds."""


def none() -> Counts:
    """Return counts of nothing."""
    return [0] * len(COUNTS)


def tallied(store: Store, chat: str | None, first: int, end: int, *, people: bool) -> Tally:
    """Read the messages of a span of Unix seconds, once and in order; with `people`, count by person too."""
    tally, me, nobody = Tally(), own_jid(store), none()
    chats, by_quarter, by_person = tally.chats, tally.by_quarter, tally.by_person
    index, where = ("messages_by_chat", "m.chat_jid = :chat AND") if chat else ("messages_by_time", "")
    sql = _SQL.format(index=index, where=where)
    found = store.execute(sql, {"chat": chat, "first": first, "end": end})
    for jid, sender, at, is_ours, status, receipts in found:
        within = chats.get(jid)
        if within is None:
            within = chats[jid] = _Chat(jid, me)
        if within.is_apart:
            continue
        quarter = by_quarter[at // QUARTER]
        person = by_person[jid if is_ours or within.is_direct else sender] if people else nobody
        if is_ours:
            for number in _told(tally, at, status, receipts):
                quarter[number] += 1
                person[number] += 1
            if within.is_direct:
                within.unanswered.append((at, quarter, person))
                within.waits_since, within.waiting = None, 0
        else:
            quarter[RECEIVED] += 1
            person[RECEIVED] += 1
            if within.is_direct:
                _answer(tally, within, at)
    return tally


def _told(tally: Tally, at: int, status: str, receipts: str | None) -> tuple[int, ...]:
    """Return which of the counts a message of ours belongs to; note how long its receipts took."""
    if not receipts:
        return _OF_STATUS.get(status, (SENT,))
    delivered, read, played = receipts.split("|")
    tally.to_delivery.append(max(_seconds(delivered) - at, 0))
    if not read:
        return _OF_STATUS.get(status, _OF_STATUS["delivered"])
    tally.to_reading.append(max(_seconds(read) - at, 0))
    return (*_OF_STATUS["read"], _PLAYED) if played else _OF_STATUS["read"]


_OF_STATUS = {"delivered": (SENT, _DELIVERED), "read": (SENT, _DELIVERED, _READ)}


def _seconds(iso: str) -> int:
    return int(from_iso(iso).timestamp())


def _answer(tally: Tally, chat: _Chat, at: int) -> None:
    """Note that the other person wrote: all messages of ours before are answered, and this one waits."""
    for sent_at, quarter, person in chat.unanswered:
        tally.to_answer.append(at - sent_at)
        quarter[_ANSWERED] += 1
        person[_ANSWERED] += 1
    chat.unanswered.clear()
    chat.waits_since = at if chat.waits_since is None else chat.waits_since
    chat.waiting += 1
