"""Our messages in a group: `delivered` and `read` mean everybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import spooled
from conftest import ADAM_JID, REEM_JID, FakeClock

from wa.connection.incoming.events import keep_account
from wa.queue import outcomes
from wa.store.database import Store
from wa.whatsapp.events import (
    Account,
    GroupChanged,
    GroupInfo,
    JidMapped,
    MessageReceived,
    ReceiptReceived,
)

NOW = FakeClock()()
AT = int(NOW.timestamp()) - 1000
GROUP = "1203630000000000001@g.us"
ME, MY_LID = "447700900999@s.whatsapp.net", "900000000000999@lid"
ADAM_LID = "100000000000123@lid"
SARA = "447700900777@s.whatsapp.net"
EVERYBODY = ((ME, "member"), (REEM_JID, "admin"), (ADAM_JID, "member"))

Put = Callable[..., None]


@pytest.fixture
def put(store: Store) -> Put:
    """Apply events as the owner does; we are a linked account."""
    with store.write():
        keep_account(store, Account(ME, MY_LID, "Me"), NOW)
    return spooled.applier(store, NOW)


def ours(message_id: str = "A", after: int = 0) -> MessageReceived:
    """Return a message of ours in the group."""
    return MessageReceived(GROUP, message_id, ME, AT + after, "Hello", is_from_me=True)


def receipt(kind: str, by: str, *message_ids: str) -> ReceiptReceived:
    """Return a receipt by a member."""
    return ReceiptReceived(GROUP, message_ids or ("A",), by, kind, AT + 20)


def status(store: Store, message_id: str = "A") -> str:
    """Return the status of a message."""
    return str(store.value("SELECT status FROM messages WHERE message_id = ?", [message_id]))


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        ([], "sent"),
        ([("delivered", REEM_JID)], "sent"),
        ([("delivered", REEM_JID), ("delivered", ADAM_JID)], "delivered"),
        ([("read", REEM_JID)], "sent"),
        ([("read", REEM_JID), ("inactive", ADAM_JID)], "delivered"),
        ([("read", REEM_JID), ("read", ADAM_JID)], "read"),
        ([("read", REEM_JID), ("played", ADAM_JID)], "read"),
        ([("read", REEM_JID), ("delivered", ADAM_JID), ("sender", ME)], "delivered"),
        ([("delivered", REEM_JID), ("retry", ADAM_JID)], "sent"),
        ([("read", REEM_JID), ("read", ADAM_LID)], "read"),
        ([("read", SARA), ("read", ADAM_JID)], "sent"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_delivered_and_read_mean_everybody(store, put, receipts, expected, is_first):
    told = [receipt(kind, by) for kind, by in receipts]
    put(GroupInfo(GROUP, "Walks", EVERYBODY), JidMapped(ADAM_LID, ADAM_JID))
    put(*told, ours()) if is_first else put(ours(), *told)
    assert status(store) == expected


def test_a_receipt_under_a_hidden_id_counts_when_its_number_is_found_out(store, put):
    members = ((MY_LID, "member"), (REEM_JID, "admin"), (ADAM_LID, "member"))
    put(GroupInfo(GROUP, "Walks", members), ours(), receipt("read", ADAM_LID))
    put(JidMapped(ADAM_LID, ADAM_JID), receipt("read", REEM_JID))
    assert status(store) == "read"


def test_without_the_list_of_members_nothing_is_claimed_until_it_comes(store, put):
    put(ours(), receipt("read", REEM_JID), receipt("read", ADAM_JID))
    assert status(store) == "sent"
    put(GroupChanged(GROUP, ((REEM_JID, "admin"),), AT - 5), receipt("played", REEM_JID))
    assert status(store) == "sent"
    put(GroupInfo(GROUP, "Walks", EVERYBODY))
    assert status(store) == "read"


def test_who_left_holds_nothing_back(store, put):
    put(GroupInfo(GROUP, "Walks", EVERYBODY), ours(), receipt("read", REEM_JID))
    assert status(store) == "sent"
    put(GroupChanged(GROUP, ((ADAM_JID, None),), AT + 30))
    assert status(store) == "read"


def test_who_is_not_in_a_newer_list_holds_nothing_back(store, put):
    put(GroupInfo(GROUP, "Walks", EVERYBODY), ours(), receipt("read", REEM_JID))
    put(GroupInfo(GROUP, "Walks", EVERYBODY[:2]))
    assert status(store) == "read"


@pytest.mark.parametrize("by_list", [True, False])
def test_who_joined_later_is_not_waited_for(store, put, by_list):
    put(GroupInfo(GROUP, "Walks", EVERYBODY), ours("A"))
    later = NOW + timedelta(seconds=1)
    put(
        GroupInfo(GROUP, "Walks", (*EVERYBODY, (SARA, "member")))
        if by_list
        else GroupChanged(GROUP, ((SARA, "member"),), int(later.timestamp())),
        now=later,
    )
    put(ours("B", 2000))
    put(receipt("read", REEM_JID, "A", "B"), receipt("read", ADAM_JID, "A", "B"))
    assert (status(store, "A"), status(store, "B")) == ("read", "sent")
    put(receipt("read", SARA, "B"))
    assert status(store, "B") == "read"


def test_a_new_role_is_no_new_member(store, put):
    put(GroupInfo(GROUP, "Walks", EVERYBODY), ours())
    put(GroupChanged(GROUP, ((ADAM_JID, "admin"),), AT + 10), receipt("read", REEM_JID))
    assert status(store) == "sent"


def test_a_group_of_ourselves_has_nobody_to_read(store, put):
    put(GroupInfo(GROUP, "Walks", EVERYBODY[:1]), ours(), receipt("sender", ME))
    assert status(store) == "sent"


def test_a_status_never_goes_back(store, put):
    put(GroupInfo(GROUP, "Walks", EVERYBODY), ours(), receipt("read", REEM_JID), receipt("read", ADAM_JID))
    put(GroupInfo(GROUP, "Walks", (*EVERYBODY, (SARA, "member"))), receipt("delivered", SARA))
    assert status(store) == "read"


def test_any_receipt_is_a_proof_and_who_sent_one_is_kept(store, put, wa):
    put(GroupInfo(GROUP, "Walks", EVERYBODY), ours(), receipt("read", REEM_JID))
    assert outcomes.messages.is_confirmed(store, GROUP, "A")
    rows = store.rows("SELECT recipient, kind FROM receipts")
    assert rows == [{"recipient": REEM_JID, "kind": "read"}]
    put(MessageReceived(GROUP, "B", REEM_JID, AT + 1, "Hi"), receipt("delivered", ADAM_JID))
    mine, hers = wa("read", GROUP, "--json").json
    assert mine["receipts"] == {"delivered": 2, "read": 1, "members": 2}
    assert hers["receipts"] is None


def test_a_chat_of_two_needs_one_receipt(store, put):
    put(MessageReceived(REEM_JID, "A", ME, AT, "Hello", is_from_me=True))
    put(ReceiptReceived(REEM_JID, ("A",), REEM_JID, "delivered", AT))
    assert status(store) == "delivered"
