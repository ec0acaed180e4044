"""A picture and its second upload in better quality: one message, whatever order and way they come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import spooled
from conftest import REEM, REEM_JID, FakeClock
from query_plans import plans

from wa.record import messages
from wa.store.database import Row, Store
from wa.whatsapp.events import Deleted, Edited, MessageReceived, OtherVersion

NOW = FakeClock()()
AT = 1_795_000_000
GROUP = "1203630000000000001@g.us"
ADAM_JID = "447700900456@s.whatsapp.net"
Run = Callable[..., Any]
Put = Callable[..., None]


@pytest.fixture
def put(store: Store) -> Put:
    """Record live events, each in a transaction of its own."""
    return spooled.applier(store, NOW)


def picture(
    message_id: str = "SD", chat: str = REEM_JID, sender: str = REEM_JID, **more: Any
) -> MessageReceived:
    """Return a picture."""
    details = {"size": 10, "width": 100, **more.pop("details", {})}
    fields = {"raw": b"first", "details": details, "content": "the cake", **more}
    return MessageReceived(
        chat, message_id, sender, AT, message_type=fields.pop("message_type", "image"), **fields
    )


def better(of: str = "SD", **more: Any) -> OtherVersion:
    """Return a picture in better quality."""
    details = {"size": 1000, "width": 4000, "mimetype": "image/jpeg"}
    message = picture("HD", content=None, details=details, raw=b"whole", **more)
    return OtherVersion(of, message, b"+better")


def row(store: Store) -> Row:
    """Return the only message."""
    (found,) = store.rows("SELECT * FROM messages")
    return found


def test_a_better_version_is_no_second_message(store: Store, put: Put, wa: Run) -> None:
    put(picture(), better(), better())
    assert (row(store)["raw_proto"], row(store)["content"]) == (b"first+better", "the cake")
    (shown,) = wa("read", REEM, "--json").json
    about = {"size": 1000, "width": 4000, "mimetype": "image/jpeg", "version_id": "HD"}
    assert (shown["message_id"], shown["details"]) == ("SD", about)
    assert store.value("SELECT unread_count FROM chats") == 1


def test_a_better_version_that_comes_first_is_the_message(store: Store, put: Put) -> None:
    put(better(), picture())
    found = row(store)
    assert (found["message_id"], found["raw_proto"], found["status"]) == ("SD", b"whole", "received")


@pytest.mark.parametrize("message_id", ["SD", "HD"])
def test_edits_and_deletions_may_name_either(store: Store, put: Put, message_id: str) -> None:
    put(picture(), better(), Edited(REEM_JID, message_id, "our cake", AT + 1, REEM_JID))
    assert row(store)["content"] == "our cake"
    put(Deleted(REEM_JID, "SD", AT + 2, REEM_JID), Deleted(REEM_JID, "HD", AT + 2, REEM_JID))
    assert row(store)["deleted_at"]
    assert row(store)["raw_proto"] is None


def test_a_picture_of_another_person_is_not_replaced(store: Store, put: Put) -> None:
    put(picture(chat=GROUP), better(chat=GROUP, sender=ADAM_JID))
    rows = store.rows("SELECT message_id, sender, raw_proto FROM messages ORDER BY id")
    assert [tuple(each.values()) for each in rows] == [("SD", REEM_JID, b"first"), ("HD", ADAM_JID, b"whole")]


def test_the_film_of_a_moving_picture_is_kept_beside_the_picture(store: Store, put: Put) -> None:
    put(picture(), better(message_type="video"))
    assert row(store)["raw_proto"] == b"first+better"
    assert (row(store)["message_type"], messages.conversation(store, REEM_JID, 9)[0]["details"]["size"]) == (
        "image", 10,
    )  # fmt: skip


def test_a_version_that_names_no_message_belongs_to_the_oldest_that_waits_for_one(
    store: Store, put: Put
) -> None:
    waits = {"details": {"awaits_version": True}}
    put(picture("1"), picture("2", **waits), picture("3", **waits), better(of=""))
    ids = store.rows("SELECT message_id, raw_proto FROM messages ORDER BY id")
    assert [tuple(each.values()) for each in ids] == [
        ("1", b"first"),
        ("2", b"first+better"),
        ("3", b"first"),
    ]
    put(
        OtherVersion("", picture("HD3", raw=b"whole"), b"+better"),
        OtherVersion("", picture("HD4"), b"+better"),
    )
    assert [each["message_id"] for each in store.rows("SELECT message_id FROM messages")] == [
        "1",
        "2",
        "3",
        "HD4",
    ]


def test_a_file_that_is_here_already_stays_as_it_is(store: Store, put: Put) -> None:
    put(picture())
    with store.write():
        store.execute("UPDATE messages SET media_path = 'media/cake.jpg'")
    put(better())
    assert row(store)["raw_proto"] == b"first"
    assert messages.conversation(store, REEM_JID, 9)[0]["details"]["version_id"] == "HD"


def test_an_edit_changes_what_the_details_say(store: Store, put: Put) -> None:
    put(picture(message_type="text", details={"starts_at": "2026-12-04T18:00:00.000Z"}))
    later = {"starts_at": "2026-12-04T19:00:00.000Z"}
    put(Edited(REEM_JID, "SD", "at seven", AT + 1, REEM_JID, details=later))
    (found,) = messages.conversation(store, REEM_JID, 9)
    assert found["details"] == {"size": 10, "width": 100, **later}


def test_versions_are_found_by_index(store: Store, put: Put) -> None:
    put(picture(), better())
    found = plans(store, lambda: messages.find(store, REEM_JID, "HD"))
    assert any("messages_version (chat_jid=? AND <expr>=?)" in plan for plan in found.values()), found
    found = plans(store, lambda: put(better(of="")))
    assert any(
        "messages_by_chat (chat_jid=? AND timestamp>? AND timestamp<?)" in p for p in found.values()
    ), found
