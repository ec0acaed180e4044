"""Search with filters finds what reading every message finds, in whatever way it looks."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from conftest import ADAM_JID, REEM_JID, FakeClock

from wa.connection import apply
from wa.record import search
from wa.record.messages import END, TYPES, moment
from wa.record.search import Filter
from wa.store.fold import fold, searched
from wa.whatsapp.events import Deleted, JidMapped, MessageReceived

NOW = FakeClock()()
AT = 1_700_000_000
ME = "447700900999@s.whatsapp.net"
LIDS = ("100000000000123@lid", "100000000000999@lid")
"""Two hidden ids of Reem; the second becomes known after her messages."""
STRANGER = "100000000000555@lid"
GROUP = "1203630000000000001@g.us"
SENDERS = (REEM_JID, ADAM_JID, ME, *LIDS, STRANGER)
CHATS = (REEM_JID, ADAM_JID, GROUP)
WORDS = (
    "birthday", "BIRTHDAY", "café", "cafe\u0301", "straße", "день", "天气很好", "好", "今天", "가나다", "يوم",
    "مُدَرِّس", "दिन", "👍🏽", "100%", 'say "x"', "a", "ab", "q'z", "x\x01y", "İstanbul",
)  # fmt: skip
MESSAGES = 400


@pytest.fixture(scope="module")
def said():
    """Messages of several people, chats, types and scripts; many fall on one second."""
    dice = random.Random(19)

    def one(number):
        chat = dice.choice(CHATS)
        mine = dice.random() < 0.3
        sender = ME if mine else dice.choice(SENDERS) if chat == GROUP else chat
        kind = dice.choices(("text", "image", "document", "poll"), (85, 5, 5, 5))[0]
        details = {"file_name": f"{dice.choice(WORDS)}.pdf"} if kind == "document" else None
        text = " ".join(dice.choices(WORDS, k=dice.randrange(6))) or None
        at = AT + dice.randrange(MESSAGES // 2)
        return MessageReceived(chat, str(number), sender, at, text, kind, is_from_me=mine, details=details)

    return [one(number) for number in range(MESSAGES)]


@pytest.fixture
def filled(store, said):
    with store.write(durable=False):
        apply.apply_event(store, JidMapped(LIDS[0], REEM_JID), NOW)
        for event in said:
            apply.apply_event(store, event, NOW)
        for event in said[::17]:
            apply.apply_event(store, Deleted(event.chat_jid, event.message_id, event.timestamp + 9), NOW)
        apply.apply_event(store, JidMapped(LIDS[1], REEM_JID), NOW)
    return store


def read_all(store, query, narrowed, limit):
    """Return the ids of the messages that a search has to find, from reading all of them."""
    words = {fold(word) for word in query.split()} - {""}
    forms = {
        narrowed.sender,
        *(lid for lid, pn in store.execute("SELECT lid, pn FROM jid_aliases") if pn == narrowed.sender),
    }
    found = []
    for row in store.rows("SELECT * FROM messages ORDER BY timestamp DESC, id DESC"):
        text, at = searched(row["content"], row["details"]), moment(row["timestamp"])
        if (
            all(word in text for word in words)
            and narrowed.chat in (None, row["chat_jid"])
            and (narrowed.sender is None or row["sender"] in forms)
            and narrowed.message_type in (None, row["message_type"])
            and (narrowed.before is None or at < narrowed.before)
            and (narrowed.after is None or at >= narrowed.after)
            and (row["timestamp"], row["id"]) < narrowed.up_to
        ):
            found.append(row["id"])
    return found[:limit]


def a_query(dice):
    words = []
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        word = dice.choice(WORDS)
        start = dice.randrange(len(word))
        words.append(word[start : start + dice.choice((1, 2, 2, 3, 9))])
    query = dice.choice((" ", "  \n")).join(words)
    return query if any(fold(word) for word in query.split()) else "a"


def a_filter(dice):
    def maybe(value):
        return value if dice.random() < 0.35 else None

    def time():
        return moment(AT + dice.randrange(-2, MESSAGES // 2 + 2)) + timedelta(seconds=dice.choice((0, 0.5)))

    return Filter(
        chat=maybe(dice.choice((*CHATS, "447700900998@s.whatsapp.net"))),
        sender=maybe(dice.choice(SENDERS)),
        before=maybe(time()),
        after=maybe(time()),
        message_type=maybe(dice.choice(TYPES[:10])),
        up_to=maybe((AT + dice.randrange(MESSAGES // 2), dice.randrange(MESSAGES))) or END,
    )


@pytest.mark.parametrize("count", [250, pytest.param(2_000, marks=pytest.mark.soak)])
def test_every_filter_finds_what_reading_every_message_finds(filled, monkeypatch, count):
    dice = random.Random(count)
    hits = 0
    for _ in range(count):
        monkeypatch.setattr(search, "FEW", dice.choice((1, 5, 250)))
        monkeypatch.setattr(search, "FIRST", dice.choice((0, 3, 40, 2_000)))
        monkeypatch.setattr(search, "MOST_HITS", dice.choice((-1, 10, 100_000)))
        query, narrowed, limit = a_query(dice), a_filter(dice), dice.choice((1, 3, 10, 50, 1_000))
        found = [row["id"] for row in search.search(filled, query, narrowed, limit)]
        assert found == read_all(filled, query, narrowed, limit), (query, narrowed, limit)
        hits += len(found)
    assert hits > count


def test_an_empty_record_has_no_hits(store):
    dice = random.Random(1)
    for _ in range(40):
        assert search.search(store, a_query(dice), a_filter(dice), 50) == []
