"""Chat sessions: when they end, what is in them, and that one which has ended is never handed out."""

from __future__ import annotations

import json
import multiprocessing
import sys
import threading
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from conftest import ADAM_JID, REEM, REEM_JID, FakeClock, delivered, wait_for

from wa.connection.incoming.events import apply_event, keep_account
from wa.errors import WaError
from wa.hooks import sessions, table
from wa.people.recipients import Recipient
from wa.queue import outcomes, rows, states
from wa.record.events import log
from wa.store.database import Store
from wa.store.rewrites import join_chats
from wa.times import to_iso
from wa.whatsapp.events import Deleted, Edited, MessageReceived
from wa.whatsapp.loopback.lines import ACCOUNT

UTC = ZoneInfo("UTC")
ZONES = ("Europe/London", "America/New_York", "Asia/Kolkata")
NOW = FakeClock()()


def hook_of(store, mode="duration:24h", name="bot"):
    """Add a hook with sessions; return it."""
    return table.add(store, name, {"exec": "true", "session": mode}, NOW)


def said(store, text, number="A", sender=REEM_JID, chat=None):
    """Record a message; return its row as an event holds it."""
    message = MessageReceived(chat or sender, number, sender, int(NOW.timestamp()), text)
    with store.write():
        apply_event(store, message, NOW)
    rows_of = [json.loads(line["data"]) for line in log.after(store, 0, types=["message"])]
    return next(row for row in rows_of if (row["message_id"], row["chat_jid"]) == (number, chat or sender))


def say(store, hook, text, now, number="A", zone=UTC, **who):
    """Return the session after a message."""
    row = said(store, text, number, **who)
    with store.write():
        found = sessions.say(store, hook, row, now, zone)
    return None if found is None else sessions.handed_out(found)


def talk(session):
    """Return roles and contents of a session."""
    return [(each["role"], each["content"]) for each in session["context"]]


# ── When it ends ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("mode", "begun", "ends"),
    [
        ("time:02:00", "2026-11-20T22:00", "2026-11-21T02:00"),
        ("time:02:00", "2026-11-20T03:00", "2026-11-21T02:00"),
        ("time:02:00", "2026-11-20T02:00", "2026-11-21T02:00"),
        ("time:02:00", "2026-11-20T01:59", "2026-11-20T02:00"),
        ("same_day", "2026-11-20T09:00", "2026-11-21T00:00"),
        ("same_day", "2026-11-20T00:00", "2026-11-21T00:00"),
        ("duration:24h", "2026-11-20T09:00", "2026-11-21T09:00"),
    ],
)
def test_a_session_ends_when_its_mode_says(zone, mode, begun, ends):
    here = ZoneInfo(zone)
    start = datetime.fromisoformat(begun).replace(tzinfo=here)
    assert sessions.parse(mode).end(start, here) == datetime.fromisoformat(ends).replace(tzinfo=here)


@pytest.mark.parametrize(
    ("zone", "mode", "begun", "ends"),
    [
        # the hour from 1 to 2 does not exist on this night
        ("Europe/London", "time:01:30", "2026-03-28T22:00+00:00", "2026-03-29T01:00+00:00"),
        ("Europe/London", "time:02:00", "2026-03-28T22:00+00:00", "2026-03-29T01:00+00:00"),
        ("America/New_York", "time:02:00", "2026-03-08T01:00-05:00", "2026-03-08T03:00-04:00"),
        # it is 1:30 twice on this night: the first ends it
        ("Europe/London", "time:01:30", "2026-10-24T22:00+01:00", "2026-10-25T01:30+01:00"),
        ("Europe/London", "duration:24h", "2026-10-24T22:00+01:00", "2026-10-25T21:00+00:00"),
        ("America/New_York", "same_day", "2026-10-31T23:30-04:00", "2026-11-01T00:00-04:00"),
        ("America/New_York", "time:02:00", "2026-11-01T01:30-04:00", "2026-11-01T02:00-05:00"),
    ],
)
def test_a_session_ends_right_across_clock_changes(zone, mode, begun, ends):
    start = datetime.fromisoformat(begun).astimezone(timezone.utc)
    assert sessions.parse(mode).end(start, ZoneInfo(zone)) == datetime.fromisoformat(ends)


@pytest.mark.parametrize(
    "text",
    ["time:25:00", "time:2:00", "time:02:60", "time:", "duration:", "duration:0s", "duration:soon", "", "on",
     "same_day,", "same_day,idle", "same_day,idle:0s", "same_day,idle:60s,idle:1h", "off,idle:60s",
     "duration:9999d"],
)  # fmt: skip
def test_what_is_no_mode_is_usage(text, wa):
    with pytest.raises(WaError) as refused:
        sessions.parse(text)
    assert refused.value.code == "usage"
    assert wa("hooks", "add", "bot", "--exec", "true", "--session", text, "--json").error["code"] == "usage"


def test_a_pause_ends_it_first_and_the_chat_with_oneself_has_one_by_itself(store):
    hook = hook_of(store, "duration:24h,idle:10m")
    first = say(store, hook, "one", NOW)
    again = say(store, hook, "two", NOW + timedelta(minutes=9), "B")
    assert (again["session_id"], talk(again)) == (
        first["session_id"],
        [("user", "one"), ("user", "two")],
    )
    new = say(store, hook, "three", NOW + timedelta(minutes=19), "C")
    assert talk(new) == [("user", "three")]
    with store.write():
        keep_account(store, ACCOUNT, NOW)
    plain = hook_of(store, name="mine")
    say(store, plain, "x", NOW, "D", sender=ACCOUNT.jid)
    kept = say(store, plain, "y", NOW + timedelta(seconds=59), "E", sender=ACCOUNT.jid)
    ended = say(store, plain, "z", NOW + timedelta(seconds=119), "F", sender=ACCOUNT.jid)
    assert [talk(kept), talk(ended)] == [[("user", "x"), ("user", "y")], [("user", "z")]]


def test_one_that_began_while_the_clock_was_ahead_is_over(store):
    hook = hook_of(store)
    say(store, hook, "from the future", NOW + timedelta(days=400))
    assert talk(say(store, hook, "now", NOW, "B")) == [("user", "now")]


# ── What is in it ───────────────────────────────────────────────────────────────────────────────────


def test_each_hook_person_and_chat_has_its_own(store):
    one, two = hook_of(store), hook_of(store, name="other")
    group = "120363000000000001@g.us"
    for hook in (one, two):
        say(store, hook, "a", NOW, "A")
        say(store, hook, "b", NOW, "B", sender=ADAM_JID)
        say(store, hook, "c", NOW, "C", chat=group)
    found = sessions.listing(store, NOW)
    shown = {(row["hook"], row["user_jid"], row["chat_jid"], talk(row)[0][1]) for row in found}
    apart = ((REEM_JID, REEM_JID, "a"), (ADAM_JID, ADAM_JID, "b"), (REEM_JID, group, "c"))
    assert shown == {(name, *rest) for name in ("bot", "other") for rest in apart}
    assert sessions.clear(store, group) == 2
    assert sessions.clear(store) == 4


def test_edits_and_deletions_change_it_and_a_second_hand_over_does_not(store):
    hook = hook_of(store)
    say(store, hook, "one", NOW, "A")
    say(store, hook, "two", NOW, "B")
    at = int(NOW.timestamp()) + 5
    with store.write():
        apply_event(store, Edited(REEM_JID, "A", "one, edited", at, REEM_JID), NOW)
        apply_event(store, Deleted(REEM_JID, "B", at, REEM_JID), NOW)
    row = said(store, "three", "C")
    for _ in range(2):
        with store.write():
            found = sessions.handed_out(sessions.say(store, hook, row, NOW, UTC))
        assert talk(found) == [("user", "one, edited"), ("user", "three")]


def test_what_was_deleted_leaves_it_at_once(store):
    say(store, hook_of(store), "a secret", NOW)
    with store.write():
        apply_event(store, Deleted(REEM_JID, "A", int(NOW.timestamp()) + 1, REEM_JID), NOW)
    assert store.value("SELECT context FROM chat_sessions") == "[]"


def test_a_reply_joins_when_it_is_sent(store, wa):
    hook = hook_of(store)
    say(store, hook, "one", NOW, "A")
    row_id = wa("send", REEM, "an answer", "--no-wait", "--json", WA_HOOK=f"{hook['id']}:1").json["id"]
    assert talk(say(store, hook, "two", NOW + timedelta(seconds=1), "B"))[-1] == ("user", "two")
    sent = NOW + timedelta(seconds=2)
    with store.write():
        store.execute("UPDATE scheduled_messages SET created_at = ?", [to_iso(NOW)])
        states.end(store, row_id, sent, status="sent", sent_at=to_iso(sent))
    found = say(store, hook, "three", NOW + timedelta(seconds=3), "C")
    assert talk(found) == [("user", "one"), ("user", "two"), ("assistant", "an answer"), ("user", "three")]
    assert rows.get(store, row_id)["status"] == "sent"


def test_a_reply_that_we_edit_or_delete_follows_too(store):
    hook = hook_of(store)
    say(store, hook, "one", NOW, "A")
    at = NOW + timedelta(seconds=1)
    with store.write():
        for number in ("R1", "R2", "R3"):
            row = rows.enqueue(
                store, Recipient(REEM_JID, REEM, None), number, at, at, grace=timedelta(hours=1)
            )
            rows.change(store, row["id"], at, hook_id=hook["id"])
            outcomes.mark_sent(store, row["id"], at, number, acknowledged=int(at.timestamp()))
        apply_event(store, Edited(REEM_JID, "R1", "R1, edited", int(at.timestamp()), is_from_me=True), at)
        apply_event(store, Deleted(REEM_JID, "R2", int(at.timestamp()), is_from_me=True), at)
    found = say(store, hook, "two", at + timedelta(seconds=1), "B")
    replies = [("assistant", "R1, edited"), ("assistant", "R3")]
    assert talk(found) == [("user", "one"), *replies, ("user", "two")]
    with store.write():
        apply_event(store, Deleted(REEM_JID, "R3", int(at.timestamp()), is_from_me=True), at)
    assert "R3" not in store.value("SELECT context FROM chat_sessions")


def test_it_is_cut_to_its_newest_entries_and_bytes(store):
    hook = hook_of(store)
    for number in range(60):
        found = say(store, hook, f"text {number}", NOW, f"M{number}")
    assert [text for _, text in talk(found)] == [f"text {number}" for number in range(10, 60)]
    found = say(store, hook, "ü" * 30_000, NOW, "long")
    assert len(json.dumps(found["context"], ensure_ascii=False).encode()) <= sessions.MOST_BYTES
    assert talk(found)[-1] == ("user", "ü" * 30_000)


def test_a_hidden_id_that_becomes_a_number_takes_its_session_along(store):
    hook, lid = hook_of(store), "100000000000123@lid"
    say(store, hook, "one", NOW, "A", sender=lid)
    with store.write():
        join_chats.run(store, lid, REEM_JID)
    (row,) = sessions.listing(store, NOW)
    assert (row["user_jid"], row["chat_jid"], talk(row)) == (REEM_JID, REEM_JID, [("user", "one")])


def test_one_that_has_ended_is_never_handed_out(home, store):
    """Two connections read and write at once, while the time goes on past the end of many sessions."""
    hook = hook_of(store, "duration:60s")
    row = said(store, "text")
    wrong = []

    def work(begin):
        mine = Store(home)
        for number in range(500):
            now = NOW + timedelta(seconds=begin + number * 7)
            with mine.write():
                found = sessions.say(mine, hook, {**row, "message_id": f"{begin}.{number}"}, now, UTC)
            if not found["created_at"] <= to_iso(now) < found["expires_at"]:
                wrong.append((found, now))
        mine.close()

    threads = [threading.Thread(target=work, args=(begin,)) for begin in (0, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def _many_turns(home, hook, row, begin, wrong):
    mine = Store(home)
    for number in range(5_000):
        now = NOW + timedelta(seconds=begin + number * 7)
        with mine.write(durable=False):
            found = sessions.say(mine, hook, {**row, "message_id": f"{begin}.{number}"}, now, UTC)
        if not found["created_at"] <= to_iso(now) < found["expires_at"]:
            wrong.put(found["session_id"])
    mine.close()


@pytest.mark.soak
def test_of_two_processes_none_is_handed_one_that_has_ended(home, store):
    """10,000 reads and writes, interleaved."""
    hook, row = hook_of(store, "duration:60s"), said(store, "text")
    store.close()  # a connection must not live on in a fork
    context = multiprocessing.get_context("fork")
    wrong = context.SimpleQueue()
    work = [context.Process(target=_many_turns, args=(home, hook, row, begin, wrong)) for begin in (0, 3)]
    for process in work:
        process.start()
    for process in work:
        process.join()
    assert [process.exitcode for process in work] == [0, 0]
    assert wrong.empty()


# ── End to end ──────────────────────────────────────────────────────────────────────────────────────


def test_a_program_gets_the_conversation_so_far(wa, spawn, home, tmp_path):
    path = tmp_path / "bot.py"
    path.write_text(
        "import json, sys\n"
        "talk = json.load(sys.stdin)['data']['session']['context']\n"
        "print(len(talk), talk[-1]['content'], [each['role'][0] for each in talk])",
        encoding="utf-8",
    )
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0
    command = f"{sys.executable} {path}"
    assert wa("hooks", "add", "bot", "--exec", command, "--session", "time:02:00").code == 0
    spawn("run-scheduler", WA_SEND_SPACING="0")
    for number in range(3):
        wa("loopback", "say", REEM, f"text {number}")
        wait_for(lambda: len(delivered(home)) > number)  # noqa: B023
    assert delivered(home) == [
        "1 text 0 ['u']",
        "3 text 1 ['u', 'a', 'u']",
        "5 text 2 ['u', 'a', 'u', 'a', 'u']",
    ]
    (row,) = wa("sessions", "list", "--json").json
    assert (row["hook"], row["user_jid"], len(row["context"])) == ("bot", REEM_JID, 5)
    assert "assistant: 1 text 0 ['u']" in wa("sessions", "show", REEM).out
    assert wa("sessions", "clear", REEM, "--json").json == {"cleared": 1}
    assert wa("sessions", "list", "--json").json == []
