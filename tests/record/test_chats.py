"""Chats and messages as the commands show them, one for each person, and the listener."""

from __future__ import annotations

import json
import signal
import time

import pytest
import spooled
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock, is_connected, is_owned, own, wait_for
from query_plans import plans

from wa.connection import apply, spool
from wa.connection.context import system_now
from wa.record import chats, merge_chats, messages, search, write
from wa.record.events import told
from wa.record.search import Filter
from wa.store.condition import check
from wa.store.database import BATCH, Store
from wa.store.locks import lock_holder
from wa.values import replace
from wa.whatsapp.events import (
    ChatRead,
    Deleted,
    Edited,
    EphemeralSet,
    GroupInfo,
    JidMapped,
    MessageReceived,
    Named,
    Reacted,
    ReceiptReceived,
)
from wa.whatsapp.loopback.connection import LoopbackTransport
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback

CLOCK = FakeClock()
NOW = CLOCK()
AT = 1_795_000_000
"""11:06:40 on Wednesday 18 November 2026, in London too."""
LID = "100000000000123@lid"
GROUP = "1203630000000000001@g.us"


def from_reem(message_id="A", content="Hello", **fields):
    """Return a message from Reem."""
    return replace(MessageReceived(REEM_JID, message_id, REEM_JID, AT, content), **fields)


def from_adam(message_id="A", content="Hello", **fields):
    """Return a message from Adam."""
    return from_reem(message_id, content, **{"chat_jid": ADAM_JID, "sender": ADAM_JID, **fields})


def hidden(message_id="A", content="Hello", **fields):
    """Return a message from Reem under her hidden id."""
    return from_reem(message_id, content, **{"chat_jid": LID, "sender": LID, **fields})


def ours(message_id="A", content="Hello", **fields):
    """Return a message to Reem that we wrote on another device."""
    return from_reem(message_id, content, **{"sender": ACCOUNT.jid, "is_from_me": True, **fields})


@pytest.fixture
def put(store):
    """Apply events through the spool, as the owner does."""
    return spooled.putter(store, NOW)


@pytest.fixture
def server(home):
    """The server's side of the stand-in."""
    home.prepare()
    opened = Loopback(home)
    yield opened
    opened.close()


def record(store, count):
    """Hold the connection until there are so many messages."""
    own(system_now, lambda: store.value("SELECT count(*) FROM messages") == count)


def read_marks(server):
    """Return {message id: chat} of the messages whose senders were told that we read them."""
    return dict(server._db.execute("SELECT message_id, chat_jid FROM read_marks"))


# ── chats and unread ──────────────────────────────────────────────────────────────────────────────


def test_chats_come_newest_first_each_with_its_last_message(put, wa):
    put(
        from_reem("A", "first", timestamp=AT),
        from_adam("B", "second", timestamp=AT + 60),
        from_reem("C", "third", timestamp=AT + 120),
        from_reem("D", "older, came late", timestamp=AT - 60),
    )
    rows = wa("chats", "--json").json
    assert [(row["id"], row["last_message"], row["unread_count"]) for row in rows] == [
        (REEM_JID, "third", 3),
        (ADAM_JID, "second", 1),
    ]
    assert rows[0]["last_message_time"] == AT + 120
    assert rows[0]["is_group"] is False
    assert wa("chats").out.splitlines() == [
        "2026-11-18 11:08\t+447700900123\t3\tthird",
        "2026-11-18 11:07\t+447700900456\t1\tsecond",
    ]


def test_chats_lists_as_many_as_asked_for(put, wa):
    put(*[from_reem("A", chat_jid=f"4477009000{n:02}@s.whatsapp.net", timestamp=AT + n) for n in range(25)])
    assert len(wa("chats", "--json").json) == 20
    assert [row["last_message_time"] for row in wa("chats", "2", "--json").json] == [AT + 24, AT + 23]
    assert wa("chats", "0").code == 2


def test_our_own_last_message_is_marked_and_is_not_unread(put, wa):
    put(from_reem("A", "question"), ours("B", "answer", timestamp=AT + 9))
    (row,) = wa("chats", "--json").json
    assert (row["last_is_from_me"], row["unread_count"]) == (True, 0)
    assert wa("chats").out.endswith("\t\t→ answer\n")


def test_a_deleted_last_message_says_so(put, wa):
    put(from_reem("A", "first"), from_reem("B", "oops", timestamp=AT + 1), Deleted(REEM_JID, "B", AT + 2))
    assert "oops" not in wa("chats").out
    assert wa("chats").out.endswith("(deleted)\n")


def test_reactions_and_notices_are_not_the_last_message(put, wa):
    put(from_reem("A", "news"), from_reem("B", "…", message_type="system", timestamp=AT + 5))
    assert wa("chats", "--json").json[0]["last_message"] == "news"


def test_unread_lists_only_chats_with_unread_messages(put, wa):
    put(from_reem("A"), ours("C", chat_jid=ADAM_JID), from_adam("B"))
    with_reem, with_adam = wa("unread", "--json").json
    assert {with_reem["id"], with_adam["id"]} == {REEM_JID, ADAM_JID}
    wa("read", REEM, "--mark-read")
    assert [row["id"] for row in wa("unread", "--json").json] == [ADAM_JID]


def test_an_empty_list_is_not_an_error(wa):
    for command in (["chats"], ["unread"], ["groups"]):
        assert (wa(*command).code, wa(*command).out) == (0, "")
        assert wa(*command, "--json").json == []


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_contact_s_name_comes_before_the_push_name(put, wa):
    put(from_reem("A", push_name="Reemy ♥"))
    assert wa("chats", "--json").json[0]["name"] == "Reemy ♥"
    assert wa("contacts", "add", "Reem", REEM).code == 0
    put(from_reem("B", push_name="Reemy ♥♥"))
    assert wa("chats", "--json").json[0]["name"] == "Reem"
    row = wa("read", REEM, "--json").json[0]
    assert (row["chat_name"], row["sender_name"]) == ("Reem", "Reem")
    assert wa("search", "hello", "--json").json[0]["sender_name"] == "Reem"


def test_the_contact_s_name_is_shown_for_a_hidden_id_too(put, wa):
    wa("contacts", "add", "Reem", REEM)
    put(from_reem("A", chat_jid=GROUP, sender=LID), JidMapped(LID, REEM_JID))
    assert wa("read", GROUP, "--json").json[0]["sender_name"] == "Reem"


def test_a_chat_is_found_by_its_push_name(put, wa):
    put(from_reem("A", push_name="Reem Haddad"))
    for name in ("Reem Haddad", "reem haddad", "reem"):
        result = wa("read", name, "--json")
        assert result.code == 0, result.err
        assert len(result.json) == 1


def test_a_chat_is_found_by_a_push_name_that_arrived_before_its_first_message(put, wa):
    put(Named(REEM_JID, "Reem Haddad"), from_reem("A"))
    assert wa("read", "Reem Haddad").code == 0


def test_a_whole_name_wins_over_the_beginning_of_another(put, wa):
    put(
        from_reem("A", push_name="Ree"),
        from_reem("B", push_name="Ree"),
        from_adam("C", push_name="Reed"),
        from_adam("D", push_name="Reed"),
    )
    assert {row["chat_jid"] for row in wa("read", "ree", "--json").json} == {REEM_JID}
    result = wa("read", "re", "--json")
    assert (result.code, result.error["code"]) == (4, "ambiguous")


@pytest.mark.parametrize(
    ("chat", "code"),
    [("nobody", "not-found"), (ADAM, "not-found"), ("", "not-found"), ("x@nowhere", "not-found")],
)
def test_an_unknown_chat_is_not_found(put, wa, chat, code):
    put(from_reem("A", push_name="Reem"), from_reem("B", push_name="Reem"))
    result = wa("read", chat, "--json")
    assert (result.code, result.out, result.error["code"]) == (4, "", code)


# ── groups ────────────────────────────────────────────────────────────────────────────────────────


def test_groups_lists_names_and_members(put, wa):
    put(
        GroupInfo("1203630000000000002@g.us", "Work", ((ADAM_JID, "admin"),)),
        GroupInfo(GROUP, "family", ((REEM_JID, "admin"), (ADAM_JID, "member"))),
        from_reem("A", chat_jid=GROUP, push_name="Reem"),
    )
    found = wa("groups", "--json").json
    assert [group["name"] for group in found] == ["family", "Work"]
    assert found[0]["members"] == [
        {"member_jid": REEM_JID, "role": "admin", "name": "Reem"},
        {"member_jid": ADAM_JID, "role": "member", "name": None},
    ]
    assert wa("groups").out.splitlines()[0] == f"family\t{GROUP}\tReem (admin), +447700900456"


def test_a_group_is_a_chat_with_its_name(put, wa):
    put(GroupInfo(GROUP, "Family", ((REEM_JID, "member"),)), from_reem("A", chat_jid=GROUP, push_name="Reem"))
    (row,) = wa("chats", "--json").json
    assert (row["id"], row["name"], row["is_group"]) == (GROUP, "Family", True)
    assert wa("read", "family").out == "[2026-11-18 11:06] Family · Reem: Hello\n"


# ── read ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def talk(put):
    """Sixty messages, a minute apart; their ids are their minutes."""
    put(*[from_reem(f"{n:02}", f"message {n}", timestamp=AT + 60 * n) for n in range(60)])


@pytest.mark.parametrize(
    ("options", "first", "last"),
    [
        ([], 10, 59),
        (["3"], 57, 59),
        (["100"], 0, 59),
        (["--after", "2026-11-18 12:00"], 54, 59),
        (["--before", "2026-11-18 11:10"], 0, 3),
        (["2", "--before", "2026-11-18 11:10"], 2, 3),
        (["--after", "2026-11-18T11:08:40Z", "--before", "2026-11-18T11:10:40Z"], 2, 3),
    ],
)
def test_read_shows_the_newest_of_a_span_oldest_first(talk, wa, options, first, last):
    rows = wa("read", REEM, *options, "--json", now=CLOCK).json
    assert [int(row["message_id"]) for row in rows] == list(range(first, last + 1))


def test_a_span_without_messages_is_not_an_error(talk, wa):
    assert wa("read", REEM, "--after", "2026-11-19", "--json", now=CLOCK).json == []


def test_read_shows_edits_deletions_reactions_and_kinds(put, wa):
    put(
        from_reem("A", "Helo", push_name="Reem"),
        Edited(REEM_JID, "A", "Hello", AT + 1),
        Reacted(REEM_JID, "A", ACCOUNT.jid, "👍", AT + 2),
        from_reem("B", "oops", timestamp=AT + 60),
        Deleted(REEM_JID, "B", AT + 61),
        from_reem("C", "look", message_type="image", timestamp=AT + 120),
        from_reem("D", None, message_type="voice", timestamp=AT + 180),
        from_reem("E", "a reaction as a message", message_type="reaction", timestamp=AT + 181),
        ours("F", "two\nlines", timestamp=AT + 240),
    )
    assert wa("read", REEM).out.splitlines() == [
        "[2026-11-18 11:06] Reem: Hello (edited) 👍",
        "[2026-11-18 11:07] Reem: (deleted)",
        "[2026-11-18 11:08] Reem: [image] look",
        "[2026-11-18 11:09] Reem: [voice]",
        "[2026-11-18 11:10] → Reem: two",
        "    lines",
    ]
    rows = wa("read", REEM, "--json").json
    assert rows[0]["edited_at"] == "2026-11-18T11:06:41.000Z"
    assert rows[0]["reactions"] == [{"sender": ACCOUNT.jid, "emoji": "👍", "timestamp": AT + 2}]
    assert (rows[1]["content"], rows[1]["deleted_at"]) == (None, "2026-11-18T11:07:41.000Z")
    assert rows[4]["is_from_me"] is True


def test_read_shows_the_status_of_our_message(put, wa):
    put(
        ours("A"),
        ReceiptReceived(REEM_JID, ("A",), REEM_JID, "read", AT + 1),
    )
    assert wa("read", REEM, "--json").json[0]["status"] == "read"


def test_a_reply_names_the_message_it_answers(put, wa):
    put(from_reem("3A0001", "a question"), from_reem("3A0002", "another", timestamp=AT + 1))
    assert wa("send", REEM, "an answer", "--reply-to", "3A0002").code == 0
    answer = wa("read", REEM, "--json").json[-1]
    assert (answer["content"], answer["quoted_id"]) == ("an answer", "3A0002")
    result = wa("send", REEM, "x", "--reply-to", "3A", "--json")
    assert (result.code, result.error["code"]) == (4, "ambiguous")
    result = wa("send", REEM, "x", "--reply-to", "9Z", "--json")
    assert (result.code, result.error["code"]) == (4, "not-found")
    assert len(wa("loopback", "delivered", "--json").json) == 1


def test_reply_to_accepts_the_beginning_of_an_id(put, wa):
    put(from_reem("3A0001", "a question"))
    assert wa("send", REEM, "an answer", "--reply-to", "3A").code == 0
    assert wa("read", REEM, "--json").json[-1]["quoted_id"] == "3A0001"


def test_a_text_with_line_breaks_cannot_imitate_another_message(put, wa):
    put(from_reem("A", "hi\n[2026-11-18 11:06] Adam: \x1b[31mforged\u202e", push_name="Re\nem"))
    lines = wa("read", REEM).out.split("\n")
    assert lines == [
        "[2026-11-18 11:06] Re em: hi",
        "    [2026-11-18 11:06] Adam: [31mforged",
        "",
    ]


# ── --mark-read ───────────────────────────────────────────────────────────────────────────────────


def test_only_mark_read_sends_read_receipts(wa, server, store):
    server.say(
        [{"from": REEM_JID, "text": "one", "id": "A"}, {"from": ADAM_JID, "text": "x", "id": "X"}], NOW
    )
    server.say([{"from": REEM_JID, "text": "two", "id": "B"}], NOW)
    record(store, 3)
    assert wa("read", REEM, "--mark-read", "--json").code == 0
    assert read_marks(server) == {"A": REEM_JID, "B": REEM_JID}
    assert {row["id"]: row["unread_count"] for row in wa("chats", "--json").json} == {
        REEM_JID: 0,
        ADAM_JID: 1,
    }
    assert {row["status"] for row in wa("read", REEM, "--json").json} == {"read"}
    assert lock_holder(store.home.session_lock) is None


def test_mark_read_is_done_by_a_running_listener(wa, spawn, server, store, home):
    listener = spawn("listen", "--json")
    server.say([{"from": REEM_JID, "text": "one", "id": "A"}], NOW)
    wait_for(lambda: store.value("SELECT count(*) FROM messages") == 1)
    assert wa("read", REEM, "--mark-read").code == 0
    assert read_marks(server) == {"A": REEM_JID}
    assert store.value("SELECT unread_count FROM chats") == 0
    assert listener.popen.poll() is None
    assert is_owned(home)


def test_mark_read_sends_a_receipt_to_every_sender_of_a_group(wa, server, store):
    lines = [{"from": jid, "text": "x", "group": "Family", "id": jid[:12]} for jid in (REEM_JID, ADAM_JID)]
    server.say(lines, NOW)
    record(store, 2)
    assert wa("read", "Family", "--mark-read").code == 0
    assert set(read_marks(server)) == {REEM, ADAM}


def test_read_without_mark_read_sends_no_receipt(wa, server, store):
    server.say([{"from": REEM_JID, "text": "one", "id": "A"}], NOW)
    record(store, 1)
    wa("read", REEM)
    assert read_marks(server) == {}
    assert wa("unread", "--json").json


def test_mark_read_with_nothing_unread_needs_no_connection(wa, server, store):
    server.say([{"from": REEM_JID, "text": "one", "id": "A"}], NOW)
    record(store, 1)
    wa("read", REEM, "--mark-read")
    server.set_fault("logged-out", "on")
    assert wa("read", REEM, "--mark-read").code == 0


def test_mark_read_while_logged_out_changes_nothing(wa, server, store):
    server.say([{"from": REEM_JID, "text": "one", "id": "A"}], NOW)
    record(store, 1)
    server.set_fault("logged-out", "on")
    result = wa("read", REEM, "--mark-read")
    assert result.code == 3
    assert read_marks(server) == {}
    assert wa("unread", "--json").json[0]["unread_count"] == 1


def test_messages_that_were_not_shown_are_not_marked_as_read(wa, server, store):
    """The connection made for it brings more messages, which nobody has read."""
    server.say([{"from": REEM_JID, "text": "shown", "id": "A"}], NOW)
    record(store, 1)
    server.say([{"from": REEM_JID, "text": f"later {n}", "id": f"L{n}"} for n in range(30)], NOW)
    shown = wa("read", REEM, "--mark-read", "--json").json
    assert [row["message_id"] for row in shown] == ["A"]
    record(store, 31)
    assert read_marks(server) == {"A": REEM_JID}
    assert wa("unread", "--json").json[0]["unread_count"] == 30


# ── Joining the two chats of a person ─────────────────────────────────────────────────────────────


def everything(store):
    """Return (id, chat, sender, message id, content) of all messages, in the order of their storage."""
    return store.execute(
        "SELECT id, chat_jid, sender, message_id, content FROM messages ORDER BY id"
    ).fetchall()


def found(store, query):
    """Return the ids of the messages that a search finds."""
    return sorted(row["message_id"] for row in search.search(store, query, Filter(), 10_000))


def test_before_the_mapping_is_known_there_are_two_chats(store, put):
    put(from_reem("A"), hidden("B"))
    assert {row["id"] for row in chats.listing(store, 9)} == {REEM_JID, LID}


def test_a_mapping_joins_the_two_chats_of_a_person(store, put, wa):
    put(
        hidden("A", "one", timestamp=AT, push_name="Reem"),
        from_reem("B", "two", timestamp=AT + 1),
        ours("C", "three", timestamp=AT + 2, chat_jid=LID),
        JidMapped(LID, REEM_JID),
    )
    assert everything(store) == [
        (1, REEM_JID, REEM_JID, "A", "one"),
        (2, REEM_JID, REEM_JID, "B", "two"),
        (3, REEM_JID, ACCOUNT.jid, "C", "three"),
    ]
    (row,) = wa("chats", "--json").json
    assert (row["id"], row["name"], row["unread_count"]) == (REEM_JID, "Reem", 0)
    assert (row["last_message_time"], row["last_message"]) == (AT + 2, "three")
    assert [row["content"] for row in wa("read", REEM, "--json").json] == ["one", "two", "three"]
    assert [row["content"] for row in wa("read", LID, "--json").json] == ["one", "two", "three"]
    assert check(store) == []


@pytest.mark.parametrize(("of_lid", "of_number", "expected"), [(5, 9, (9, 90)), (9, 5, (9, 90))])
def test_joined_chats_have_the_timer_that_was_set_last(store, put, of_lid, of_number, expected):
    put(
        hidden("A"),
        from_reem("B"),
        EphemeralSet(LID, of_lid, 10 * of_lid),
        EphemeralSet(REEM_JID, of_number, 10 * of_number),
        JidMapped(LID, REEM_JID),
    )
    assert chats.ephemeral(store, REEM_JID) == expected


def test_an_older_timer_does_not_replace_a_newer_one(store, put):
    put(from_reem("A"), EphemeralSet(REEM_JID, 0, AT), EphemeralSet(REEM_JID, 9, AT - 1))
    assert chats.ephemeral(store, REEM_JID) == (0, AT)
    put(EphemeralSet(REEM_JID, 9, AT))
    assert chats.ephemeral(store, REEM_JID) == (9, AT)


def test_an_edit_that_arrives_with_the_mapping_is_not_lost(store, put):
    """The message, the mapping and the edit arrive at once."""
    put(
        hidden("A", "Helo"),
        hidden("B", "oops"),
        ours("C", chat_jid=LID),
        JidMapped(LID, REEM_JID),
        Edited(LID, "A", "Hello", AT + 1),
        Deleted(REEM_JID, "B", AT + 1),
        ReceiptReceived(REEM_JID, ("C",), REEM_JID, "read", AT + 1),
    )
    rows = store.rows("SELECT content, deleted_at, status FROM messages ORDER BY id")
    assert rows[0]["content"] == "Hello"
    assert rows[1]["deleted_at"]
    assert rows[2]["status"] == "read"


def test_a_mapping_for_a_chat_that_is_alone_renames_it(store, put, wa):
    put(hidden("A", push_name="Reem"), JidMapped(LID, REEM_JID))
    (row,) = wa("chats", "--json").json
    assert (row["id"], row["name"], row["unread_count"]) == (REEM_JID, "Reem", 1)
    assert wa("read", "Reem").code == 0


def test_of_two_copies_the_row_stored_first_stays(store, put):
    put(
        hidden("A", "double"),
        from_reem("A", "double"),
        from_reem("B", "twin"),
        hidden("B", "twin"),
        hidden("C", "single"),
        JidMapped(LID, REEM_JID),
    )
    rows = everything(store)
    assert [(row[0], row[3]) for row in rows] == [(1, "A"), (3, "B"), (5, "C")]
    assert {row[1] for row in rows} == {REEM_JID}
    assert found(store, "double") == ["A"]
    assert found(store, "twin") == ["B"]
    assert store.value("SELECT unread_count FROM chats WHERE id = ?", [REEM_JID]) == 3
    assert check(store) == []


@pytest.mark.parametrize("first", [hidden, from_reem])
def test_of_two_copies_the_newest_text_stays(store, put, first):
    """The edit reached only one of the two rows, the first or the second."""
    second = from_reem if first is hidden else hidden
    chat = second("A").chat_jid
    put(first("A", "Helo"), second("A", "Helo"), Edited(chat, "A", "Hello", AT + 5), JidMapped(LID, REEM_JID))
    assert [(row[0], row[4]) for row in everything(store)] == [(1, "Hello")]
    assert found(store, "hello") == ["A"]
    assert found(store, "helo") == []
    assert store.value("SELECT edited_at FROM messages") == "2026-11-18T11:06:45.000Z"
    assert check(store) == []


@pytest.mark.parametrize("first", [hidden, from_reem])
def test_of_two_copies_a_deleted_one_deletes_both(store, put, first):
    """A message that was deleted for everyone does not come back."""
    second = from_reem if first is hidden else hidden
    put(first("A", "oops"), second("A", "oops"), Deleted(second("A").chat_jid, "A", AT + 5))
    put(JidMapped(LID, REEM_JID))
    assert [(row[0], row[4]) for row in everything(store)] == [(1, None)]
    assert store.value("SELECT deleted_at FROM messages")
    assert found(store, "oops") == []
    assert check(store) == []


def test_of_two_copies_a_read_one_makes_both_read(store, put, wa):
    put(hidden("A"), from_reem("A"), ChatRead(REEM_JID), JidMapped(LID, REEM_JID))
    assert wa("chats", "--json").json[0]["unread_count"] == 0
    assert wa("unread", "--json").json == []


def test_reactions_and_receipts_move_along(store, put):
    put(
        ours("A", chat_jid=LID),
        Reacted(LID, "A", LID, "👍", AT + 1),
        ReceiptReceived(LID, ("A",), LID, "delivered", AT + 1),
        JidMapped(LID, REEM_JID),
        ReceiptReceived(LID, ("A",), LID, "read", AT + 2),
    )
    (row,) = messages.conversation(store, REEM_JID, 9)
    assert [each["emoji"] for each in row["reactions"]] == ["👍"]
    assert row["status"] == "read"
    assert store.value("SELECT count(*) FROM receipts WHERE chat_jid = ?", [LID]) == 0


def test_a_reaction_made_under_the_hidden_id_can_be_taken_back_after_the_join(store, put):
    put(
        hidden("A"),
        Reacted(LID, "A", LID, "👍", AT + 1),
        JidMapped(LID, REEM_JID),
        Reacted(REEM_JID, "A", REEM_JID, "", AT + 2),
    )
    (row,) = messages.conversation(store, REEM_JID, 9)
    assert row["reactions"] == []


def test_of_two_reactions_of_one_person_the_newer_survives_the_join(store, put):
    put(
        hidden("A"),
        from_reem("A"),
        Reacted(LID, "A", ADAM_JID, "👍", AT + 1),
        Reacted(REEM_JID, "A", ADAM_JID, "🎉", AT + 2),
        JidMapped(LID, REEM_JID),
    )
    (row,) = messages.conversation(store, REEM_JID, 9)
    assert [each["emoji"] for each in row["reactions"]] == ["🎉"]


def test_after_the_mapping_messages_to_either_land_in_one_chat(store, put):
    put(
        JidMapped(LID, REEM_JID), hidden("A"), from_reem("B"), hidden("B"), Edited(LID, "A", "edited", AT + 1)
    )
    assert [row[1:] for row in everything(store)] == [
        (REEM_JID, REEM_JID, "A", "edited"),
        (REEM_JID, REEM_JID, "B", "Hello"),
    ]
    assert [row["id"] for row in chats.listing(store, 9)] == [REEM_JID]


def test_a_mapping_that_comes_again_changes_nothing(store, put):
    put(hidden("A"), JidMapped(LID, REEM_JID), from_reem("B"))
    before = everything(store)
    put(JidMapped(LID, REEM_JID), JidMapped(LID, REEM_JID))
    assert everything(store) == before
    assert store.value("SELECT unread_count FROM chats") == 2


def test_finding_out_a_number_looks_at_the_rows_of_that_person_alone(store):
    found = plans(store, lambda: merge_chats.map_lid(store, LID, REEM_JID))
    assert len(found) > 4
    assert [sql for sql, plan in found.items() if "SCAN" in plan] == []


@pytest.mark.parametrize("whole", [0, 1])
def test_a_join_keeps_what_either_of_two_rows_of_a_message_has(store, put, whole):
    """A row of an import has no bytes to download its file by, and no secret."""
    has = {"raw": b"raw", "secret": b"s" * 32, "quoted_id": "Z"}
    put(hidden("A", **(has if whole == 0 else {})), from_reem("A", **(has if whole else {})))
    put(JidMapped(LID, REEM_JID))
    (row,) = store.rows("SELECT raw_proto AS raw, secret, quoted_id FROM messages")
    assert row == has


def test_a_send_to_a_hidden_id_goes_to_the_person(put, wa):
    put(hidden("A"), JidMapped(LID, REEM_JID))
    assert wa("send", LID, "an answer").code == 0
    assert wa("loopback", "delivered", "--json").json[0]["to_jid"] == REEM_JID
    assert [row["content"] for row in wa("read", REEM, "--json").json] == ["Hello", "an answer"]


def test_a_join_keeps_the_cursors_of_listeners_valid(store, put, wa):
    """Row ids neither change nor are used again, though duplicates are dropped, the newest row among them."""
    put(hidden("A"), from_adam("X"), from_reem("B"), hidden("B"))
    before = {row[3]: row[0] for row in everything(store)}
    cursor = messages.newest_id(store)
    put(JidMapped(LID, REEM_JID))
    assert {row[3]: row[0] for row in everything(store)} == {**before, "B": 3}
    assert messages.live_after(store, cursor) == []
    put(from_reem("C"))
    assert [row["message_id"] for row in messages.live_after(store, cursor)] == ["C"]
    out = wa("listen", "--since", "0", "--for", "1s", "--json", now=FakeClock()).out
    assert [json.loads(line)["message_id"] for line in out.splitlines()] == ["A", "X", "B", "C"]


@pytest.fixture
def split(store):
    """A person with 5,000 messages under the hidden id and 1,000 under the number, 500 of them duplicates."""
    with store.write(durable=False):
        for number in range(5_000):
            write.record(store, hidden(f"H{number}", f"text-{number}", timestamp=AT + number), "live", NOW)
        for number in range(500):
            write.record(store, from_reem(f"H{number}", f"text-{number}"), "live", NOW)
            write.record(store, from_reem(f"R{number}", "by number"), "live", NOW)
        merge_chats.map_lid(store, LID, REEM_JID)


def _check_joined(store):
    rows = everything(store)
    assert len(rows) == 5_500
    assert {row[1] for row in rows} == {REEM_JID}
    assert {row[2] for row in rows} == {REEM_JID}
    assert [row[0] for row in rows[:5_000]] == list(range(1, 5_001))
    (chat,) = chats.listing(store, 9)
    assert (chat["id"], chat["unread_count"], chat["last_message_time"]) == (REEM_JID, 5_500, AT + 4_999)
    assert found(store, "text-499") == ["H499", *[f"H499{n}" for n in range(10)]]
    assert check(store) == []


def test_a_large_join_is_done_in_short_transactions(store, split, monkeypatch):
    """No more message rows than a batch holds may change between two commits."""
    changed = [0]
    store.conn.set_trace_callback(lambda sql: _count(sql, changed))
    merge_chats.join_split_chats(store, NOW)
    store.conn.set_trace_callback(None)
    _check_joined(store)
    assert sum(changed) >= 5_000
    assert max(changed) <= BATCH


def _count(sql, changed):
    if sql.startswith("BEGIN"):
        changed.append(0)
    elif sql.startswith("UPDATE messages SET chat_jid"):
        changed[-1] += 1


@pytest.mark.parametrize(
    "batches", [pytest.param(1, marks=pytest.mark.soak), 4, pytest.param(10, marks=pytest.mark.soak)]
)
def test_a_join_that_was_killed_is_finished_by_the_next_run(store, split, batches):
    for _ in range(batches):
        merge_chats.move_some(store, LID, REEM_JID, NOW)
    assert store.value("SELECT count(*) FROM chats") == 2
    merge_chats.join_split_chats(store, NOW)
    _check_joined(store)


def test_the_next_owner_goes_on_with_a_join_that_was_killed(store, put, wa):
    """The mapping has been recorded, and WhatsApp will not send it again."""
    put(hidden("A"), from_reem("B"))
    with store.write():
        merge_chats.map_lid(store, LID, REEM_JID)
    own(system_now, lambda: len(chats.listing(store, 9)) == 1)
    assert [row["id"] for row in chats.listing(store, 9)] == [REEM_JID]
    assert {row[1] for row in everything(store)} == {REEM_JID}


def test_notes_to_ourselves_are_one_chat(store, server, wa):
    """Our own hidden id is known from the first connection on."""
    me = {"chat_jid": ACCOUNT.lid, "sender": ACCOUNT.lid}
    with store.write():
        write.record(store, from_reem("A", "a note", is_from_me=True, **me), "live", NOW)
    own(system_now, lambda: chats.listing(store, 9)[0]["id"] == ACCOUNT.jid)
    assert [row["id"] for row in chats.listing(store, 9)] == [ACCOUNT.jid]


def test_messages_stored_while_a_join_is_under_way_are_neither_lost_nor_doubled(store, split, home):
    """Another connection records messages between two batches."""
    other = Store(home)
    for number in range(4):
        merge_chats.move_some(store, LID, REEM_JID, NOW)
        with other.write():
            apply.apply_event(other, hidden(f"N{number}", "meanwhile"), NOW)
            apply.apply_event(other, hidden(f"H{4_990 + number}", "again"), NOW)
    other.close()
    merge_chats.join_split_chats(store, NOW)
    rows = store.rows("SELECT message_id, chat_jid FROM messages")
    assert len(rows) == len({row["message_id"] for row in rows}) == 5_504
    assert {row["chat_jid"] for row in rows} == {REEM_JID}
    assert store.value("SELECT unread_count FROM chats") == 5_504
    assert check(store) == []


# ── listen ────────────────────────────────────────────────────────────────────────────────────────


def lines_of(process):
    """Wait for the end of a `listen --json`; return the objects that it printed."""
    return [json.loads(line) for line in process.out.splitlines()]


def test_listen_prints_one_json_object_a_line(spawn, server, wa):
    listener = spawn("listen", "--json")
    server.say([{"from": REEM_JID, "text": "one\ntwo \x1b[31m", "id": "A", "name": "Reem"}], NOW)
    row = json.loads(listener.popen.stdout.readline())
    assert (row["message_id"], row["content"]) == ("A", "one\ntwo \x1b[31m")
    assert (row["chat_name"], row["is_from_me"], row["id"]) == ("Reem", False, 1)
    assert wa("send", REEM, "an answer").code == 0
    row = json.loads(listener.popen.stdout.readline())
    assert (row["content"], row["is_from_me"]) == ("an answer", True)
    receipt = json.loads(listener.popen.stdout.readline())
    assert (receipt["event"], receipt["kind"], receipt["row_id"]) == ("receipt", "delivered", row["id"])
    listener.signal(signal.SIGTERM)
    ended = listener.finish()
    assert (ended.code, ended.out) == (0, "")


def test_listen_prints_lines_for_people(spawn, server):
    listener = spawn("listen")
    server.say([{"from": REEM_JID, "text": "Hello", "timestamp": AT, "name": "Reem"}], NOW)
    assert listener.popen.stdout.readline() == "[2026-11-18 11:06] Reem: Hello\n"
    listener.signal(signal.SIGINT)
    assert listener.finish().code == 130


def test_listen_ends_after_its_time(wa, server):
    server.say([{"from": REEM_JID, "text": "Hello"}], NOW)
    out = wait_for(lambda: wa("listen", "--for", "1s", "--json").out)  # it may not be heard in one second
    assert [json.loads(line)["content"] for line in out.splitlines()] == ["Hello"]


@pytest.mark.parametrize(("since", "ids"), [(None, []), ("0", "ABC"), ("2", "C"), ("99", [])])
def test_listen_since_begins_after_that_message(put, wa, since, ids):
    put(from_reem("A"), from_adam("B"), from_reem("C"))
    options = ["--since", since] if since else []
    result = wa("listen", *options, "--for", "1s", "--json", now=CLOCK)
    assert [json.loads(line)["message_id"] for line in result.out.splitlines()] == list(ids)


def test_listen_prints_live_messages_only(store, wa):
    with store.write():
        for source in ("history", "import", "migration", "live"):
            write.record(store, from_reem(source), source, NOW)
        told.complete(store)
    result = wa("listen", "--since", "0", "--for", "1s", "--json", now=CLOCK)
    assert [json.loads(line)["message_id"] for line in result.out.splitlines()] == ["live"]


def test_history_does_not_count_as_unread(store):
    with store.write():
        write.record(store, from_reem("A"), "history", NOW)
    assert store.value("SELECT unread_count FROM chats") == 0


def test_a_listener_beside_another_prints_the_same(spawn, server, home, store):
    first = spawn("listen", "--json")
    wait_for(lambda: is_connected(home))
    second = spawn("listen", "--json")
    assert "standing by" in second.popen.stderr.readline()
    server.say([{"from": REEM_JID, "text": f"{number}"} for number in range(20)], NOW)
    wait_for(lambda: store.value("SELECT count(*) FROM messages") == 20)
    for _ in range(20):
        assert first.popen.stdout.readline() == second.popen.stdout.readline()


def test_a_standby_takes_over_within_two_seconds_of_a_kill(spawn, server, home, store):
    started = time.monotonic()
    first = spawn("listen", "--json")
    wait_for(lambda: is_connected(home))
    slowness = time.monotonic() - started
    second = spawn("listen", "--json")
    assert "standing by" in second.popen.stderr.readline()
    server.say([{"from": REEM_JID, "text": "before", "id": "A"}], NOW)
    assert json.loads(second.popen.stdout.readline())["message_id"] == "A"
    first.kill()
    server.say([{"from": REEM_JID, "text": "behind", "id": "B"}], NOW)
    wait_for(lambda: store.value("SELECT count(*) FROM messages") == 2, timeout=2 + slowness)
    assert is_owned(home)
    assert json.loads(second.popen.stdout.readline())["message_id"] == "B"


def test_status_says_which_process_holds_the_connection(spawn, home, wa):
    listener = spawn("listen")
    wait_for(lambda: lock_holder(home.session_lock))
    owner = wa("status", "--json").json["owner"]
    assert (owner["pid"], owner["command"]) == (listener.pid, "listen")
    listener.kill()
    assert wa("status", "--json").json["owner"] is None


def test_a_join_under_way_in_the_listener_leaves_readers_undisturbed(spawn, server, home, store, wa):
    """Messages come under a hidden id, then the mapping, while another process reads."""
    spawn("listen")
    wait_for(lambda: is_connected(home))
    said = [{"from": LID, "text": f"message {number}", "id": f"M{number}"} for number in range(300)]
    server.say([*said, {"from": LID, "phone": REEM, "text": "mapped", "id": "LAST"}], NOW)
    wait_for(lambda: [row["id"] for row in chats.listing(store, 9)] == [REEM_JID])
    wait_for(lambda: store.value("SELECT 1 FROM messages WHERE message_id = 'LAST'"))
    rows = wa("read", REEM, "1000", "--json").json
    assert [row["message_id"] for row in rows] == [*[f"M{number}" for number in range(300)], "LAST"]
    assert wa("status", "--json").json["spool"] == 0


def test_every_message_that_loopback_delivers_is_recorded(server, store, home):
    """Every form of `say` goes through the transport's own decoding."""
    decode = LoopbackTransport(home, system_now).decode
    server.say(
        [
            {"from": REEM_JID, "text": "Helo", "id": "A", "name": "Reem"},
            {"from": REEM_JID, "edit": "A", "text": "Hello"},
            {"from": ADAM_JID, "text": "to all", "group": "Family", "id": "B"},
            {"from": ACCOUNT.jid, "to": REEM_JID, "text": "from my phone", "id": "C"},
            {"from": REEM_JID, "receipt": "C", "text": "read"},
            {"from": REEM_JID, "react": "A", "text": "👍"},
        ],
        NOW,
    )
    for _, kind, payload in server.incoming(0):
        spooled.append(store, kind, payload, NOW)
    while spooled.apply_batch(store, decode, NOW):
        pass
    assert spool.stuck(store) == []
    mine = {row["message_id"]: row for row in messages.conversation(store, REEM_JID, 9)}
    assert mine["A"]["content"] == "Hello"
    assert [each["emoji"] for each in mine["A"]["reactions"]] == ["👍"]
    assert mine["C"]["status"] == "read"
    assert [group["name"] for group in chats.groups(store)] == ["Family"]


def test_reading_does_not_lock_the_store(put, store, wa):
    """Lists work while another process holds the write lock."""
    put(from_reem("A"))
    assert wa("read", REEM).code == 0
    store.execute("BEGIN IMMEDIATE")
    try:
        for command in (["chats"], ["unread"], ["groups"], ["read", REEM], ["search", "hello"]):
            assert wa(*command).code == 0
    finally:
        store.execute("ROLLBACK")
