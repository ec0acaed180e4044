"""Bulk work: the same record as one event at a time, with more memory only while it lasts."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import spooled
from conftest import ADAM_JID, REEM_JID, FakeClock

from wa.connection import apply
from wa.connection.spool import HISTORY
from wa.record import merge_chats, search_index
from wa.record.events import told
from wa.store.database import Store
from wa.store.open import open_store
from wa.store.paths import Home
from wa.whatsapp.events import (
    Deleted,
    Edited,
    Event,
    GroupInfo,
    History,
    HistoryChat,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
    ReceiptReceived,
)

NOW = FakeClock()()
AT = 1_700_000_000
LID, GROUP, ME = "100000000000123@lid", "1203630000000000001@g.us", "12025550100@s.whatsapp.net"
FIRST: tuple[Event, ...] = (
    JidMapped(LID, ADAM_JID),
    GroupInfo(GROUP, "Football", ((REEM_JID, "member"), (ADAM_JID, "admin"), (ME, "member"))),
    ReceiptReceived(REEM_JID, ("A1", "A2", "A3"), REEM_JID, "read", AT),
    ReceiptReceived(GROUP, ("A1", "A5", "A9"), REEM_JID, "delivered", AT),
)
TABLES = ("messages", "chats", "reactions", "receipts", "events", "push_names", "group_members")
TEXTS = ("Hello", "Grüße ß", "今天 vv", "", None, "a", "İstanbul\x07", "straße 1\n2")


def message(pick: random.Random, chat: str) -> MessageReceived:
    """Return a message of some kind: few ids, so that some come twice, or after what changes them."""
    mine = pick.random() < 0.4
    sender = ME if mine else pick.choice([REEM_JID, LID, ADAM_JID]) if chat == GROUP else chat
    details = pick.choice([None, None, {"file_name": "Menu £.pdf"}, {"cards": [{"numbers": ["+44 7700"]}]}])
    kind, away = pick.choice([("text", None), ("document", None), ("system", None), ("other", "waiting")])
    return MessageReceived(
        chat, f"A{pick.randrange(60)}", sender, AT + pick.randrange(9), pick.choice(TEXTS), kind, mine,
        "Reem" if sender == REEM_JID else None, raw=b"x", details=details, unavailable=away,
    )  # fmt: skip


def other(pick: random.Random, chat: str) -> Event:
    """Return a change of a message that is here, comes in the same part, or comes later."""
    about, by = f"A{pick.randrange(90)}", pick.choice([chat, REEM_JID])
    return pick.choice(
        [
            Edited(chat, about, "Edited ß", AT + pick.randrange(99), by),
            Deleted(chat, about, AT + 9, by),
            Reacted(chat, about, by, "👍", AT),
            MessageReceived(chat, f"B{about}", ME, AT, "mine", is_from_me=True),
        ]
    )


def parts(seed: int) -> list[list[tuple[str, list[Event]]]]:
    """Return the parts of a history: for each chat its messages, then the rest."""
    pick = random.Random(seed)

    def chat(jid: str) -> tuple[str, list[Event]]:
        found = [message(pick, jid) for _ in range(pick.randrange(30))]
        return jid, [*found, *(other(pick, jid) for _ in range(pick.randrange(9)))]

    return [[chat(jid) for jid in (REEM_JID, LID, GROUP)] for _ in range(4)]


def at_once(store: Store, part: list[tuple[str, list[Event]]]) -> None:
    chats = tuple(HistoryChat(jid, None, tuple(events), is_complete=False) for jid, events in part)
    spooled.append(store, HISTORY, b"part", NOW)
    spooled.record_all(store, lambda kind, payload: [Named(REEM_JID, "R"), History("other", 1, chats)], NOW)
    assert spooled.stuck(store) == []


def one_by_one(store: Store, part: list[tuple[str, list[Event]]]) -> None:
    for event in (Named(REEM_JID, "R"), *(each for _, events in part for each in events)):
        with store.write():
            apply.apply_event(store, event, NOW, "history")
            told.complete(store)
    with store.write():
        for jid, _ in part:
            apply.chats.ensure(store, apply.canonical(store, jid), NOW)


def record(store: Store) -> dict[str, list[str]]:
    """Return all that is recorded, with the trigrams of each message, but for the numbers of the rows."""
    store.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, messages_fts, instance)")
    found = {
        "words": store.rows(
            "SELECT m.chat_jid, m.message_id, w.term FROM words w LEFT JOIN messages m ON m.id = w.doc"
        ),
        **{name: store.rows(f"SELECT * FROM {name}") for name in TABLES},
    }
    for row in (*found["messages"], *found["events"]):
        row.pop("id"), row.pop("row_id", None)
    return {name: sorted(map(str, rows)) for name, rows in found.items()}


@pytest.mark.parametrize("seed", range(4))
def test_a_part_of_the_history_leaves_the_record_that_its_events_leave_one_by_one(
    store: Store, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "HISTORY_STEP", 40)
    home = Home(tmp_path / "other")
    home.prepare()
    other_store = open_store(home)
    for each, way in ((store, at_once), (other_store, one_by_one)):
        for event in FIRST:
            with each.write():
                apply.apply_event(each, event, NOW)
        merge_chats.join_split_chats(each, NOW)
        for part in parts(seed):
            way(each, part)
    assert record(store) == record(other_store)
    assert search_index.strayed(store) == (0, 0)
    other_store.close()


def test_bulk_work_has_more_memory_only_while_it_lasts_and_leaves_no_log_to_others(store: Store) -> None:
    def settings() -> list[int]:
        return [store.value(f"PRAGMA {name}") for name in ("cache_size", "wal_autocheckpoint")]

    before = settings()
    with store.bulk():
        assert settings() == [-32_000, 4_000]
        with store.write(durable=False):
            store.set_state("filler", "x" * 6_000_000)
        assert store.home.store.stat().st_size < 6_000_000  # all of it is in the log so far
    assert settings() == before
    assert store.home.store.stat().st_size > 6_000_000


def test_the_texts_of_a_transaction_are_written_to_the_index_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "HISTORY_STEP", 10)
    texts = [f"text {number}" for number in range(30)]
    said = tuple(MessageReceived(REEM_JID, text, ME, AT, text, is_from_me=True) for text in texts)
    part = History("recent", 1, (HistoryChat(REEM_JID, "Reem", said, is_complete=False),))
    spooled.append(store, HISTORY, b"part", NOW)
    spooled.record_all(store, lambda kind, payload: [part], NOW)
    assert store.value("SELECT count(*) FROM messages") == 30
    assert store.value("SELECT count(DISTINCT segid) FROM messages_fts_idx") == 1
