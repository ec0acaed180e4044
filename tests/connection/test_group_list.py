"""The list of our groups, and what WhatsApp tells of a group while the list is on its way."""

from __future__ import annotations

from contextlib import closing

import pytest
from conftest import ADAM, REEM

from wa.connection.actions.answers import MOST_LOOKS
from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event
from wa.store.database import Store
from wa.whatsapp.events import GroupChanged
from wa.whatsapp.loopback import calls
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback


@pytest.mark.parametrize(("removals", "asked"), [(0, 1), (1, 2), (9, MOST_LOOKS)])
def test_a_list_that_is_older_than_what_was_told_meanwhile_is_asked_for_again(
    wa, home, monkeypatch, removals, asked
):
    group = wa("groups", "create", "Family", REEM, ADAM, "--json").json["id"]
    listed, lists = calls.Calls.groups, []

    def remove_us():
        """Let an admin remove us; the recorder is told of it and commits before the list is recorded."""
        with closing(Loopback(home)) as server, server._write():
            server._db.execute("DELETE FROM members WHERE member_jid = ?", [ACCOUNT.jid])
        with closing(Store(home)) as recorder, recorder.write():
            removal = GroupChanged(group, ((ACCOUNT.jid, None),), int(system_now().timestamp()))
            apply_event(recorder, removal, system_now())

    def groups(transport):
        lists.append(listed(transport))
        if len(lists) <= removals:
            remove_us()
        return lists[-1]

    monkeypatch.setattr(calls.Calls, "groups", groups)
    (found,) = wa("groups", "--refresh", "--json").json
    members = {each["member_jid"] for each in found["members"]}
    assert bool(found["left_at"]) == (ACCOUNT.jid not in members) == (removals > 0)
    assert len(lists) == asked
