"""`wa react`, `wa edit`, `wa delete`: what one types and sees, and what is refused first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import ADAM, REEM, REEM_JID, FakeClock, Result

from wa.connection.actions.table import ACTIONS
from wa.connection.incoming.events import apply_event, keep_account
from wa.queue import pacing
from wa.store.database import Store
from wa.store.paths import Home
from wa.whatsapp.events import Deleted, EphemeralSet, GroupInfo, JidMapped, MessageReceived
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback
from wa.whatsapp.transport import Change

Run = Callable[..., Result]
GROUP = "120363000000000001@g.us"
LID = "100000000000042@lid"
HELLO, OWN = "3EB0AA01", "3EB0BB02"


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only a test moves."""
    return FakeClock()


@pytest.fixture
def run(wa: Run, clock: FakeClock) -> Run:
    """Run a command at the time of the clock, some seconds after the last one."""

    def at(*args: str, **more: Any) -> Result:
        clock.advance(seconds=5)
        return wa(*args, now=clock, **more)

    return at


@pytest.fixture
def say(store: Store, clock: FakeClock) -> Callable[..., None]:
    """Record messages, as if they had arrived."""

    def record(message_id: str, text: str = "Hello", chat: str = REEM_JID, **more: Any) -> None:
        sender = more.pop("sender", ACCOUNT.jid if more.get("is_from_me") else chat)
        event = MessageReceived(chat, message_id, sender, int(clock().timestamp()), text, **more)
        with store.write():
            apply_event(store, event, clock())

    with store.write():
        keep_account(store, ACCOUNT, clock())
    return record


@pytest.fixture
def changes(home: Home) -> Iterator[Callable[[], list[tuple[str, str, str]]]]:
    """Return what the stand-in accepted: kind, message and text of each."""
    server = Loopback(home)
    yield lambda: [(row["kind"], row["about"], row["content"]) for row in server.changes()]
    server.close()


def test_a_reaction_an_edit_and_a_deletion_are_accepted_once_and_then_stored(run, say, changes) -> None:
    say(HELLO, "Are you coming?", push_name="Reem")
    say(OWN, "Yess", is_from_me=True)

    assert run("react", REEM, "last:2", "👍").out == "reacted 👍 to a message from Reem: Are you coming?\n"
    assert run("edit", REEM, "last", "-", stdin="Yes,\nat ten\n").out == (
        "edited your message to Reem: Yes, at ten\n"
    )
    shown = run("read", REEM).out
    assert "Are you coming? 👍" in shown
    assert "Yes,\n    at ten (edited)" in shown
    assert run("react", REEM, HELLO.lower(), "").out.startswith("took back your reaction to a message from")
    run("react", REEM, OWN, "🎉")
    row = run("delete", REEM, OWN[:5], "--json").json
    [kept] = [each for each in run("read", REEM, "--json").json if each["message_id"] == OWN]
    assert row == kept
    assert (row["content"], row["is_from_me"], bool(row["deleted_at"])) == (None, True, True)
    assert row["reactions"] == [], "phones show none of a deleted message"

    assert changes() == [
        ("react", HELLO, "👍"),
        ("edit", OWN, "Yes,\nat ten"),
        ("react", HELLO, ""),
        ("react", OWN, "🎉"),
        ("delete", OWN, ""),
    ]
    assert [row["kind"] for row in run("loopback", "changes", "--json").json] == [
        each[0] for each in changes()
    ]
    [reaction] = run("react", REEM, HELLO, "❤️", "--json").json["reactions"]
    assert (reaction["emoji"], reaction["sender"]) == ("❤️", ACCOUNT.jid)


def test_the_row_of_the_queue_tells_what_became_of_its_message(run) -> None:
    row = run("send", REEM, "Helo", "--json").json
    run("edit", REEM, "last", "Hello")
    assert "edited          2026-11-20 12:00: Hello\n" in run("schedule", "show", row["id"]).out
    run("delete", REEM, "last")
    shown = run("schedule", "show", row["id"]).out
    assert ("deleted         2026-11-20 12:00" in shown, "edited" in shown) == (True, False)


def test_what_is_wrong_is_refused_and_nothing_is_asked(run, say, changes, store, clock) -> None:
    say(HELLO, is_from_me=True)
    clock.advance(minutes=10)
    say(OWN, "A card", is_from_me=True, message_type="contact")
    say("3EB0AB", "Another")
    say("GONE")
    say("OF-ADAM", chat=f"{ADAM}@s.whatsapp.net")
    with store.write():
        apply_event(store, Deleted(REEM_JID, "GONE", 0), clock())
        apply_event(store, GroupInfo(GROUP, "Walks", ((REEM_JID, "admin"),)), clock())
    say("LEFT", chat=GROUP, sender=REEM_JID)
    refused = {
        ("react", REEM, "last:2", "nice"): (2, "usage"),
        ("react", REEM, "last:2", "👍👍"): (2, "usage"),
        ("react", REEM, "OF-ADAM", "👍"): (4, "not-found"),
        ("react", REEM, "NOBODY", "👍"): (4, "not-found"),
        ("react", REEM, "3EB0A", "👍"): (4, "ambiguous"),
        ("react", REEM, "", "👍"): (2, "usage"),
        ("react", "447700900999", "last", "👍"): (4, "not-found"),
        ("react", REEM, "last", "👍"): (2, "wrong-state"),  # a tombstone
        ("react", "Walks", "last", "👍"): (2, "wrong-state"),
        ("edit", REEM, HELLO, "  "): (2, "usage"),
        ("edit", REEM, HELLO, "x" * 65_537): (5, "message-too-long"),
        ("edit", REEM, OWN, "x"): (2, "wrong-state"),
        ("edit", REEM, "3EB0AB", "x"): (2, "wrong-state"),
        ("edit", REEM, "last:0", "x"): (2, "usage"),
        ("delete", REEM, "3EB0AB"): (2, "wrong-state"),
        ("delete", REEM, "GONE"): (2, "wrong-state"),
    }
    found = {}
    for args in refused:
        done = run(*args, "--json")
        found[args] = (done.code, done.error["code"])
        assert done.out == ""
    assert found == refused
    clock.advance(minutes=10)
    late = run("edit", REEM, HELLO, "Too late")
    assert late.code == 2
    assert "old, and can be edited within 15m only" in late.err
    clock.advance(hours=48)
    assert run("delete", REEM, HELLO).code == 2
    assert changes() == []
    assert store.value("SELECT count(*) FROM requests") == 0


def test_nothing_is_changed_while_sending_is_paused_or_braked_or_the_clock_is_wrong(
    run, say, changes, store, clock
) -> None:
    say(HELLO, is_from_me=True)
    run("pause")
    paused = run("react", REEM, "last", "👍")
    assert (paused.code, "sending is paused" in paused.err) == (2, True)
    run("resume")
    with store.write():
        pacing.brake(store, clock())
    assert run("delete", REEM, "last").code == 5
    with store.write():
        pacing.release_brake(store)
    clock.advance(hours=-3)
    behind = run("edit", REEM, "last", "Hi", "--json")
    assert (behind.code, behind.error["code"], "behind" in behind.error["message"]) == (
        2,
        "wrong-state",
        True,
    )
    assert changes() == []
    run("resume")  # the clock is right, and the message's time is wrong
    assert run("edit", REEM, "last", "Hi").code == 0


def test_refusals_of_the_server_and_a_number_that_is_gone_change_nothing(run, say, changes) -> None:
    say(HELLO, is_from_me=True)
    faults = {
        ("refuse", "463"): (5, "send-failed"),
        ("refuse", "479"): (5, "send-failed"),
        ("not-on-whatsapp", REEM): (4, "recipient-not-found"),
        ("refuse", "503"): (6, "unknown-outcome"),
        ("refuse", "429"): (5, "rate-limit-exceeded"),
    }
    found = {}
    for fault in faults:
        run("loopback", "fault", *fault)
        done = run("delete", REEM, HELLO, "--json")
        found[fault] = (done.code, done.error["code"])
        run("loopback", "reset")
    assert found == faults
    assert changes() == []
    [row] = run("read", REEM, "--json").json
    assert row["deleted_at"] is None
    assert "WhatsApp asked for a rest" in run("status").out


def test_an_edit_keeps_whom_it_mentions_and_the_chat_s_timer(store, clock, say) -> None:
    with store.write():
        apply_event(store, JidMapped(LID, REEM_JID), clock())
        apply_event(store, EphemeralSet(GROUP, 86400, 1_700_000_000), clock())
    people = {"mentions": [LID, f"{ADAM}@s.whatsapp.net"]}
    text = f"@{LID.partition('@')[0]} and @{ADAM}"
    say(OWN, text, chat=GROUP, is_from_me=True, details=people)
    made = prepared(store, clock, "edit", GROUP, OWN, f"only @{REEM}")
    assert (made.text, made.details) == (f"only @{REEM}", {"mentions": [REEM_JID]})
    assert made.timer
    assert made.timer.seconds == 86400
    made = prepared(store, clock, "edit", GROUP, OWN, f"only @{LID.partition('@')[0]}")
    assert (made.text, made.details) == (f"only @{REEM}", {"mentions": [REEM_JID]})
    assert prepared(store, clock, "edit", GROUP, OWN, "nobody").details == {"mentions": []}


def test_an_edit_mentions_others_and_no_longer_whom_it_does_not_name(run, say, changes) -> None:
    run("contacts", "add", "Adam Sample", ADAM)
    say(OWN, f"Ask @{REEM}", is_from_me=True, details={"mentions": [REEM_JID]})
    assert run("edit", REEM, "last", "Ask @adam", "--mention", "adam").code == 0
    [row] = run("read", REEM, "--json").json
    assert (row["content"], row["details"]["mentions"]) == (f"Ask @{ADAM}", [f"{ADAM}@s.whatsapp.net"])
    assert changes() == [("edit", OWN, f"Ask @{ADAM}")]
    assert run("edit", REEM, "last", f"Ask @{REEM} and @{ADAM}", "--mention", REEM).code == 0
    assert run("read", REEM, "--json").json[0]["details"]["mentions"] == [f"{ADAM}@s.whatsapp.net", REEM_JID]
    assert run("edit", REEM, "last", "nobody").code == 0
    assert run("read", REEM, "--json").json[0]["details"]["mentions"] == []


def prepared(store: Store, clock: FakeClock, kind: str, chat: str, message_id: str, text: str = "") -> Change:
    """Return the change that the owner would hand to the transport."""
    args = {"chat": chat, "message_id": message_id, "text": text}
    change = ACTIONS[kind].prepare(store, args, b"secret", clock())
    assert isinstance(change, Change)
    return change


def test_our_message_in_a_group_is_edited_here_too_whatever_address_we_had_there(
    run, say, store, clock
) -> None:
    with store.write():
        members = ((ACCOUNT.jid, "member"), (REEM_JID, "admin"))
        apply_event(store, GroupInfo(GROUP, "Walks", members), clock())
    say(OWN, "Helo", chat=GROUP, sender="100000000000777@lid", is_from_me=True)
    assert run("edit", "Walks", "last", "Hello", "--json").json["content"] == "Hello"


def test_the_key_says_whose_message_it_is(store, clock, say) -> None:
    with store.write():
        members = ((ACCOUNT.jid, "admin"), (REEM_JID, "member"), (LID, "member"))
        apply_event(store, GroupInfo(GROUP, "Walks", members), clock())
    say("A", chat=LID, sender=ACCOUNT.lid, is_from_me=True)  # by the phone, to somebody known by hidden id
    say("B", chat=GROUP, sender=ACCOUNT.lid, is_from_me=True)
    say("C", chat=GROUP, sender=REEM_JID)
    say("D", chat=GROUP, sender=LID)
    keys = {
        name: prepared(store, clock, "delete", chat, name).key
        for name, chat in {"A": LID, "B": GROUP, "C": GROUP, "D": GROUP}.items()
    }
    assert [key.is_from_me for key in keys.values()] == [True, True, False, False]
    assert [(key.chat_jid, key.sender) for key in keys.values()][2:] == [(GROUP, REEM_JID), (GROUP, LID)]
    assert keys["A"].chat_jid == LID
