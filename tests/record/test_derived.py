"""What is derived from messages is compared with them, and made anew."""

from __future__ import annotations

import sqlite3

import pytest
from conftest import ADAM_JID, REEM_JID, FakeClock

from wa.record import write
from wa.whatsapp.events import MessageReceived

NOW = FakeClock()()
AT = int(NOW.timestamp())
DAMAGES = {
    "1 message missing in the search index": "INSERT INTO messages_fts (messages_fts, rowid, folded)"
    " VALUES ('delete', 1, 'hello there' || char(10, 10))",
    "2 texts of no message in the search index; 1 chat with a wrong count of unread messages or time": (
        f"DELETE FROM messages WHERE chat_jid = '{REEM_JID}'"
    ),
    "1 chat with a wrong count of unread messages or time": "UPDATE chats SET unread_count = 9 WHERE id"
    f" = '{REEM_JID}'",
    "2 chats with a wrong count of unread messages or time": "UPDATE chats SET last_message_time = NULL",
}
ONE_CHAT = "1 chat with a wrong count of unread messages or time"
LOST = f"DELETE FROM chats WHERE id = '{ADAM_JID}'"


def put(store):
    with store.write():
        for number, (chat, text) in enumerate(
            [(REEM_JID, "Hello there"), (REEM_JID, "again"), (ADAM_JID, "Hi")]
        ):
            write.record(store, MessageReceived(chat, f"M{number}", chat, AT + number, text), "live", NOW)


@pytest.mark.parametrize(
    ("damage", "statement"),
    [*DAMAGES.items(), (ONE_CHAT, LOST)],
)
def test_what_is_not_as_the_messages_say_is_told_and_made_anew(wa, store, home, damage, statement):
    put(store)
    assert wa("db", "check").out == "ok\n"
    with sqlite3.connect(home.store) as db:
        db.execute(statement)
    db.close()
    told = wa("db", "check", "--json")
    assert (told.code, told.error["code"]) == (8, "corrupt")
    assert told.error["message"].endswith(f"does not agree with itself: {damage}")
    assert told.error["hint"].startswith("`wa db check --repair`")
    database = next(each for each in wa("doctor", "--json").json if each["name"] == "database")
    assert (database["ok"], damage in database["message"]) == (False, True)
    assert wa("db", "check", "--repair", "--json").json["repaired"] == damage.split("; ")
    assert wa("db", "check").code == 0
    there = store.value("SELECT count(*) FROM messages")
    assert len(wa("search", "h", "--json").json) == (2 if there == 3 else 1)
    chats = {row["id"]: row for row in wa("chats", "--json").json}
    assert (chats[ADAM_JID]["unread_count"], chats[ADAM_JID]["last_message_time"]) == (1, AT + 2)
    if there == 3:
        assert (chats[REEM_JID]["unread_count"], chats[REEM_JID]["last_message_time"]) == (2, AT + 1)


def test_a_time_later_than_that_of_the_newest_message_is_no_fault(wa, store):
    """The newest message may have been pruned."""
    put(store)
    with store.write():
        store.execute("UPDATE chats SET last_message_time = last_message_time + 99")
    assert wa("db", "check", "--repair", "--json").json == {"ok": True, "repaired": []}
