"""Groups that we have left, or were removed from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import spooled
from conftest import ADAM_JID, REEM_JID, FakeClock

from wa.connection.incoming.events import keep_account
from wa.record import chats
from wa.store.database import Store
from wa.whatsapp.events import Account, Event, GroupChanged, GroupInfo, GroupsListed

NOW = FakeClock()()
AT = int(NOW.timestamp())
GROUP, OTHER = "1203630000000000001@g.us", "1203630000000000002@g.us"
ME, MY_LID = "447700900999@s.whatsapp.net", "900000000000999@lid"
ALL = ((ME, "member"), (REEM_JID, "admin"), (ADAM_JID, "member"))
WITHOUT_US = ALL[1:]

Put = Callable[..., None]


@pytest.fixture
def put(store: Store) -> Put:
    """Apply events as the owner does; we are a linked account."""
    with store.write():
        keep_account(store, Account(ME, MY_LID, "Me"), NOW)
    return spooled.applier(store, NOW)


@pytest.mark.parametrize(
    ("told", "is_left"),
    [
        ([GroupInfo(GROUP, "Family", ALL)], False),
        ([GroupInfo(GROUP, "Family", WITHOUT_US)], True),
        ([GroupInfo(GROUP, "Family", ((MY_LID, "member"), (REEM_JID, "admin")))], False),
        ([GroupInfo(GROUP, "Family")], False),
        ([GroupInfo(GROUP, "Family", ())], False),
        ([GroupChanged(GROUP, ((ADAM_JID, None),), AT)], False),
        ([GroupInfo(GROUP, None, ALL), GroupChanged(GROUP, ((ADAM_JID, None),), AT)], False),
        ([GroupInfo(GROUP, None, ALL), GroupChanged(GROUP, ((ME, None),), AT)], True),
        ([GroupInfo(GROUP, None, ALL), GroupChanged(GROUP, ((MY_LID, None),), AT)], True),
        ([GroupChanged(GROUP, ((ME, None),), AT), GroupChanged(GROUP, ((ME, "member"),), AT)], False),
        ([GroupInfo(GROUP, None, WITHOUT_US), GroupInfo(GROUP, "Family", ALL)], False),
    ],
)
def test_we_have_left_a_group_whose_members_are_known_and_are_not_us(
    store: Store, put: Put, told: list[Event], is_left: bool
) -> None:
    put(*told)
    assert chats.has_left(store, GROUP) is is_left


def test_a_list_of_our_groups_tells_which_ones_we_have_left(store: Store, put: Put) -> None:
    put(GroupInfo(GROUP, "Family", ALL), GroupInfo(OTHER, "Work", ALL))
    spooled.applier(store, NOW + timedelta(seconds=1))(GroupsListed((OTHER,)), GroupInfo(OTHER, "Work", ALL))
    assert [chats.has_left(store, group) for group in (GROUP, OTHER)] == [True, False]


def test_we_are_in_a_listed_group_of_which_only_some_members_are_told(store: Store, put: Put) -> None:
    put(GroupInfo(GROUP, "Town", WITHOUT_US))
    assert chats.has_left(store, GROUP)
    put(GroupInfo(GROUP, "Town", WITHOUT_US), GroupsListed((GROUP,)))
    assert not chats.has_left(store, GROUP)


def test_a_group_that_we_left_after_our_groups_were_asked_for_is_left(store: Store, put: Put) -> None:
    put(GroupInfo(GROUP, "Family", ALL), GroupChanged(GROUP, ((ME, None),), AT + 5), GroupsListed((GROUP,)))
    assert chats.has_left(store, GROUP)


def test_a_group_that_changed_after_our_groups_were_asked_for_is_not_left(store: Store, put: Put) -> None:
    put(GroupInfo(GROUP, "Family", ALL), GroupsListed(()))
    assert not chats.has_left(store, GROUP)


def test_a_left_group_is_listed_with_the_time_of_that(store: Store, put: Put) -> None:
    put(GroupInfo(GROUP, "Family", ALL), GroupChanged(GROUP, ((ME, None),), AT - 60))
    (row,) = chats.groups(store)
    assert row["left_at"] == "2026-11-20T11:59:00.000Z"
    assert [each["member_jid"] for each in row["members"]] == [REEM_JID, ADAM_JID]
