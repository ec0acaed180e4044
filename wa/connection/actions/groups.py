"""Doing something with a group, and blocking people.

The arguments are those of a `GroupAction`; to block and to unblock, `jid`.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from wa.connection.actions.action import Action
from wa.connection.incoming.events import apply_event
from wa.errors import WaError
from wa.record.groups import limits, members, outcomes
from wa.record.names import canonical
from wa.store.database import Row, Store
from wa.store.device import own_jid
from wa.whatsapp.events import Event, GroupChanged, GroupInfo
from wa.whatsapp.groups import GroupAction, GroupAnswer
from wa.whatsapp.transport import Refused, Transport

KINDS = ("create", "rename", "add", "remove", "promote", "demote", "leave", "invite", "renew", "join")
_LOOK = "`wa groups` asks WhatsApp how it is now"
_ROLES = {"add": "member", "remove": None, "promote": "admin", "demote": "member"}
"""The role that a change gives to a member."""


def _prepare(store: Store, args: Row, secret: bytes, now: datetime) -> GroupAction:
    action = GroupAction(**{**args, "people": tuple(args["people"])})
    if action.group_jid:
        limits.check_group(store, action.kind, action.group_jid)
    return action


def _call(transport: Transport, action: GroupAction) -> GroupAnswer:
    return transport.manage_group(action)


def _record(store: Store, args: Row, answer: GroupAnswer, now: datetime) -> Row:
    """Change the group here as it is on WhatsApp. Return its JID, whom it did not take, its code."""
    for event in [*answer.events, *_changes(store, args, answer, now)]:
        apply_event(store, event, now)
    return {
        "jid": answer.group_jid,
        "refused": {canonical(store, jid): code for jid, code in answer.refused},
        "code": answer.code,
        "is_waiting": answer.is_waiting,
        "name": answer.name,
    }


def _changes(store: Store, args: Row, answer: GroupAnswer, now: datetime) -> list[Event]:
    """Return what was done, as the events that WhatsApp sends of it to others; none for a new group.

    Of that the answer has all.
    """
    kind, group, at = args["kind"], answer.group_jid, int(now.timestamp())
    me, refused = own_jid(store) or "", dict(answer.refused)
    if kind == "rename":
        return [GroupInfo(group, args["name"])]
    if kind == "leave":
        return [GroupChanged(group, ((me, None),), at)]
    if kind == "join" and not answer.events and not answer.is_waiting:
        return [GroupInfo(group, answer.name), GroupChanged(group, ((me, "member"),), at)]
    if kind not in _ROLES:
        return []
    changed: list[tuple[str, str | None]] = []
    for jid in args["people"]:
        code, role = refused.get(jid), members.role(store, group, jid)
        if code is None:
            changed.append((jid, _ROLES[kind]))
        elif code == outcomes.ALREADY and kind == "add" and role is None:
            changed.append((jid, "member"))
        elif code == outcomes.NO_MEMBER and kind != "add" and role is not None:
            changed.append((jid, None))
    return [GroupChanged(group, tuple(changed), at)] if changed else []


def _refusal(kind: str, refused: Refused) -> WaError | None:
    return outcomes.refusal(kind, refused.status)


def managing(kind: str) -> Action:
    """Return how something of one of KINDS is done with a group."""
    return Action(_prepare, _call, _record, refusal=partial(_refusal, kind), look=_LOOK)


def _blocking(is_blocked: bool) -> Action:
    def call(transport: Transport, jid: str) -> None:
        transport.block(jid, is_blocked)

    def record(store: Store, args: Row, answer: None, now: datetime) -> Row:
        return args

    return Action(lambda store, args, *_: str(args["jid"]), call, record, look="`wa block` lists the blocked")


BLOCK, UNBLOCK = _blocking(True), _blocking(False)
