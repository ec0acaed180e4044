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

COUNTS = ("sent", "delivered", "read", "played", "answered", "received")
SENT, _PLAYED, _ANSWERED, RECEIVED = 0, 3, 4, 5
QUARTER = 900
"""Seconds. The offsets of all zones are whole quarters of an hour, so a quarter is of one hour and day."""
_STEP = (
    "CASE WHEN NOT m.is_from_me THEN 0 WHEN m.status = 'read' THEN 3 WHEN m.status = 'delivered' THEN 2"
    " ELSE 1 END"
)
"""SQL for how many of the first three counts a message belongs to; 0 for one of others."""
_LONGEST = 2**30
"""Seconds, more than 30 years: two times and a flag fit into one integer, which is quicker than columns."""
_READ_AT = "min(CASE WHEN r.kind IN ('read', 'played') THEN r.at END)"
_RECEIPTS = (
    "CASE WHEN m.is_from_me AND m.status IN ('delivered', 'read') AND m.chat_jid NOT LIKE '%@g.us' THEN"
    f" (SELECT min(max(strftime('%s', min(r.at)) - m.timestamp, 0), {_LONGEST - 1})"
    f" + {_LONGEST} * coalesce(min(max(strftime('%s', {_READ_AT}) - m.timestamp, 0) + 1, {_LONGEST - 1}), 0)"
    f" + {_LONGEST**2} * max(r.kind = 'played') FROM receipts r WHERE r.message_id = m.message_id"
    " AND r.kind IN ('delivered', 'inactive', 'read', 'played')) END"
)
"""SQL for the receipts of a message of ours to one person, in one integer: the seconds to delivery, those to
reading and one more (0: not read), and whether it was played."""
_SQL = (
    f"SELECT m.chat_jid, {{sender}}, m.timestamp, {_STEP}, {_RECEIPTS}"
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
        self.waiting = 0
        """The number of their messages since ours."""
        self.waits_since = 0
        """The time of the first of these."""


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
    """Read the messages of a span of Unix seconds, once and in order; with `people`, count by person too.

    There may be millions: the loop does little for each, and nothing for what is not asked for.
    """
    tally, me = Tally(), own_jid(store)
    chats, by_quarter, by_person = tally.chats, tally.by_quarter, tally.by_person
    index, where = ("messages_by_chat", "m.chat_jid = :chat AND") if chat else ("messages_by_time", "")
    sql = _SQL.format(sender="m.sender" if people else "NULL", index=index, where=where)
    found = store.execute(sql, {"chat": chat, "first": first, "end": end})
    quarter, person = none(), none()
    end_of_quarter = 0
    for jid, sender, at, step, receipts in found:
        within = chats.get(jid)
        if within is None:
            within = chats[jid] = _Chat(jid, me)
        if within.is_apart:
            continue
        if at >= end_of_quarter:
            quarter = by_quarter[at // QUARTER]
            end_of_quarter = (at // QUARTER + 1) * QUARTER
        if people:
            person = by_person[jid if step or within.is_direct else sender]
        if step:
            for number in range(step):
                quarter[number] += 1
                person[number] += 1
            if receipts is not None:
                _receive(tally, receipts, quarter, person)
            if within.is_direct:
                within.unanswered.append((at, quarter, person))
                within.waiting = 0
        else:
            quarter[RECEIVED] += 1
            person[RECEIVED] += 1
            if within.unanswered:
                _answer(tally, within, at)
            if not within.waiting:
                within.waits_since = at
            within.waiting += 1
    return tally


def _receive(tally: Tally, receipts: int, quarter: Counts, person: Counts) -> None:
    """Note how long the receipts of a message took, and that it was played."""
    tally.to_delivery.append(receipts % _LONGEST)
    if read := receipts // _LONGEST % _LONGEST:
        tally.to_reading.append(read - 1)
        if receipts >= _LONGEST**2:
            quarter[_PLAYED] += 1
            person[_PLAYED] += 1


def _answer(tally: Tally, chat: _Chat, at: int) -> None:
    """Note that the other person wrote: all messages of ours before are answered."""
    for sent_at, quarter, person in chat.unanswered:
        tally.to_answer.append(at - sent_at)
        quarter[_ANSWERED] += 1
        person[_ANSWERED] += 1
    chat.unanswered.clear()
