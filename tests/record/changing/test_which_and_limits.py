"""MSG: the message that a user means; what may be done with it; and what is one emoji."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import ADAM_JID, REEM_JID, FakeClock

from wa.connection.incoming.events import apply_event, keep_account
from wa.errors import WaError
from wa.record import merge_chats, messages
from wa.record.changing import emoji, limits, which
from wa.store.database import Row, Store
from wa.whatsapp.events import Account, Deleted, Edited, GroupInfo, JidMapped, MessageReceived

NOW = FakeClock()()
ME = "12025550100@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
LID = "100000000000042@lid"


@pytest.fixture
def said(store: Store) -> Callable[..., Row]:
    """Record a message, and return it as `which.find` does."""

    def say(message_id: str, chat: str = REEM_JID, sender: str = "", ago: float = 60, **more: Any) -> Row:
        at = int((NOW - timedelta(seconds=ago)).timestamp())
        more = {"content": f"text of {message_id}", "is_from_me": sender == ME, **more}
        with store.write():
            apply_event(store, MessageReceived(chat, message_id, sender or chat, at, **more), NOW)
        return messages.find(store, chat, message_id) or {}

    with store.write():
        keep_account(store, Account(ME, "100000000000100@lid", "Me"), NOW)
    return say


def refusal(call: Callable[[], object]) -> tuple[str, str] | None:
    """Return the code and the words of the WaError that a call raises; None if it raises none."""
    try:
        call()
    except WaError as error:
        return error.code, error.message
    return None


def test_a_message_is_named_by_its_id_its_beginning_or_its_place_from_the_end(store: Store, said) -> None:
    said("3EB0AA01", ago=50)
    said("3EB0AB02", ago=40)
    said("3EB0AB02FF", ago=30)
    said("3a77", ago=20)
    said("NOTICE", ago=10, message_type="system")
    said("3EB0CC", chat=ADAM_JID, ago=5)
    with store.write():
        apply_event(store, Deleted(REEM_JID, "3EB0AB02FF", int(NOW.timestamp())), NOW)

    def found(msg: str) -> str:
        try:
            return which.id_of(store, REEM_JID, msg)
        except WaError as error:
            return error.code

    cases = {
        "3EB0AA01": "3EB0AA01",
        "3EB0AA": "3EB0AA01",
        "3EB0AB02": "3EB0AB02",  # whole, though another begins so
        "3eb0aa": "3EB0AA01",
        "3A77": "3a77",
        " 3EB0AA01 ": "3EB0AA01",
        "notice": "NOTICE",
        "last": "3a77",  # no notice
        "LAST": "3a77",
        "last:1": "3a77",
        "last:2": "3EB0AB02FF",  # a tombstone
        "last:4": "3EB0AA01",
        "last:5": "not-found",
        "last:9999999": "not-found",
        "3EB0AB": "ambiguous",
        "3eb0": "ambiguous",
        "3EB0CC": "not-found",  # of another chat
        "3EB0ZZ": "not-found",
        "%": "not-found",
        "_EB0AA01": "not-found",
        "": "usage",
        "  ": "usage",
        "last:0": "usage",
        "last:-1": "usage",
        "last:x": "usage",
        "last:": "usage",
        "last:٣": "usage",
        "last 3": "usage",
        "last:99999999999999999999": "usage",
    }
    assert {msg: found(msg) for msg in cases} == cases
    with pytest.raises(WaError, match="3EB0AA01, 3EB0AB02, 3EB0AB02FF"):
        which.find(store, REEM_JID, "3eb0")


def test_nobody_takes_the_place_of_the_last_message_by_the_id_of_one(store: Store, said) -> None:
    said("last:2", ago=50)
    said("last", ago=40)
    said("A1", ago=30)
    assert which.id_of(store, REEM_JID, "last") == "A1"
    assert which.id_of(store, REEM_JID, "last:2") == "last"


def test_a_chat_is_one_under_both_of_its_addresses(store: Store, said) -> None:
    said("A1", chat=LID)
    assert which.id_of(store, LID, "last") == "A1"
    with store.write():
        apply_event(store, JidMapped(LID, REEM_JID), NOW)
    merge_chats.join_split_chats(store, NOW)
    assert {which.find(store, chat, "A1")["chat_jid"] for chat in (LID, REEM_JID)} == {REEM_JID}


def test_what_may_be_edited(store: Store, said) -> None:
    own, quarter = said("A1", sender=ME, ago=15 * 60), "wrong-state"
    limits.check_edit(store, own, NOW)
    limits.check_edit(store, said("A2", sender=ME, ago=-7200), NOW)  # the clock was set back
    limits.check_edit(store, said("A3", chat=ME, sender=ME), NOW)
    cases = {
        "15m1s old": said("B1", sender=ME, ago=15 * 60 + 1),
        "its author": said("B2"),
        "the type image": said("B3", sender=ME, message_type="image"),
    }
    for words, row in cases.items():
        code, message = refusal(lambda row=row: limits.check_edit(store, row, NOW)) or ("", "")
        assert (code, words in message) == (quarter, True), message


def test_what_may_be_deleted(store: Store, said) -> None:
    def set_roles(role: str) -> None:
        with store.write():
            members = ((ME, role), (REEM_JID, "superadmin"))
            apply_event(store, GroupInfo(GROUP, "Book club", members), NOW)

    two_days = 48 * 3600
    set_roles("member")
    limits.check_delete(store, said("A1", sender=ME, ago=two_days, message_type="image"), NOW)
    theirs = said("A2", chat=GROUP, sender=REEM_JID)
    limits.check_delete(store, said("A3", chat=GROUP, sender=ME), NOW)
    for row, words in [
        (said("B1", sender=ME, ago=two_days + 1), "2d1s old"),
        (said("B2"), "only its author can"),
        (theirs, "only its author or an admin"),
    ]:
        code, message = refusal(lambda row=row: limits.check_delete(store, row, NOW)) or ("", "")
        assert (code, words in message) == ("wrong-state", True), message
    set_roles("admin")
    limits.check_delete(store, theirs, NOW)
    assert refusal(lambda: limits.check_delete(store, said("B2"), NOW))  # no right in another chat
    old = said("A4", chat=GROUP, sender=REEM_JID, ago=two_days + 1)
    assert refusal(lambda: limits.check_delete(store, old, NOW))


def test_what_is_no_message_cannot_be_changed(store: Store, said) -> None:
    with store.write():
        apply_event(store, GroupInfo(GROUP, "Book club", ((REEM_JID, "member"),)), NOW)
        apply_event(store, Edited(REEM_JID, "EARLY", "Hello", 1_700_000_000, REEM_JID), NOW)
    gone = said("A1", sender=ME)
    with store.write():
        apply_event(store, Deleted(REEM_JID, "A1", int(NOW.timestamp()), is_from_me=True), NOW)
    cases = {
        "deleted": which.find(store, REEM_JID, gone["message_id"]),
        "a notice": said("A2", sender=ME, message_type="system"),
        "without the id": said("migrated-sec-1", sender=ME),
        "has not arrived": which.find(store, REEM_JID, "EARLY"),
        "cannot read": said("A3", sender=ME, unavailable="waiting"),
        "no longer in the group Book club": said("A4", chat=GROUP, sender=ME),
        "Status": said("A5", chat="status@broadcast", sender=ME),
        "channel": said("A6", chat="120363000000000009@newsletter"),
    }
    for check in (limits.check_react, limits.check_edit, limits.check_delete):
        for words, row in cases.items():
            code, message = refusal(lambda row=row, check=check: check(store, row, NOW)) or ("", "")
            wanted = "usage" if words in ("Status", "channel") else "wrong-state"
            assert (code, words in message) == (wanted, True), message
    limits.check_react(store, said("B1", ago=10**8), NOW)
    limits.check_react(store, said("B2", unavailable=messages.EDIT), NOW)


def test_one_emoji_is_whatever_phones_show_as_one() -> None:
    one = (
        "👍 👍🏽 ❤ ❤️ ❤︎ 1️⃣ #⃣ 🇬🇧 👨\u200d👩\u200d👧\u200d👦 👨🏽\u200d💻"
        " 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
        " 🏳️\u200d🌈 🏳\u200d🌈 © ™ ☺️ ⭐ 🫩 🧑🏻\u200d❤️\u200d💋\u200d🧑🏿 🀄 🅰️ 🈁 ㊗️ ♂ ⚕️ 🟰 \U0001fadf"
    )
    none = [
        "word", "ok", "1", "#", "→", "☭", "👍👍", "👍 ", " 👍", "👍\n", "🇬", "🇬🇧🇬🇧", "👨\u200d", "\u200d",
        "\ufe0f", "👍🏽👍", ":thumbsup:", "a👍", "<3", ".", "é", "你", "1️⃣2️⃣", "👍" * 50,
        "\u200d".join("👍" * 50),
    ]  # fmt: skip
    assert [text for text in ["", *one.split(" ")] if refusal(lambda text=text: emoji.check(text))] == []
    assert [text for text in none if not refusal(lambda text=text: emoji.check(text))] == []
