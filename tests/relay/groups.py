"""Groups: what happens to them, and the notices of it (`w:gp2`)."""

from __future__ import annotations

import os
import secrets

from relay import deliveries
from relay.devicelist import addresses
from relay.hub import Hub
from relay.model import Account, Group, now
from relay.notices import notification, tell
from relay.refused import Refused
from relay.wabin import GROUP, JID, LID, Attr, Node, node

SETTINGS = {
    "announcement": "announce", "not_announcement": "announce",
    "locked": "locked", "unlocked": "locked",
    "ephemeral": "ephemeral", "not_ephemeral": "ephemeral",
    "member_add_mode": "member_add_mode", "membership_approval_mode": "approval",
}  # fmt: skip
"""The nodes that change a setting, and the field of the group."""


def create(hub: Hub, subject: str, creator: Account, members: list[Account], *settings: Node) -> Group:
    """Make a group with its creator as superadmin; notify every member, the creator too."""
    people = [creator, *(member for member in members if member is not creator)]
    group = Group(JID(f"1203630{len(hub.groups):011d}", GROUP), subject, creator, people, [creator])
    for each in settings:
        setattr(group, SETTINGS[each.tag], _value(each))
    hub.groups[group.jid] = group
    announce(hub, group, creator, people, node("create", {"type": "new"}, describe(group)))
    return group


def change(
    hub: Hub, group: Group, by: Account, action: str, people: list[Account], **more: Attr
) -> list[Node]:
    """Add, remove, promote or demote; return the <participant> nodes of the reply.

    Those who are added get the whole group in place of the change.
    """
    told, new = list(group.members), []
    if action == "add":
        new = [each for each in people if each not in group.members]
        group.members += new
        group.left -= {each.number for each in new}
    elif action == "remove":
        group.members = [each for each in group.members if each not in people]
        group.admins = [each for each in group.admins if each not in people]
        group.left |= {each.number for each in people if each is by}
        deliveries.forget_keys(hub, [jid for each in people for jid in addresses(each, LID)], group.jid)
    elif action == "promote":
        group.admins += [each for each in people if each not in group.admins]
    elif action == "demote":
        group.admins = [each for each in group.admins if each not in people]
    else:
        raise ValueError(f"unknown change {action!r}")
    shown = [_participant(group, each) for each in people]
    announce(hub, group, by, told, node(action, _versions() | more, *shown))
    announce(hub, group, by, new, node("create", more, describe(group)))
    if action == "remove" and group.members and not group.admins:
        change(hub, group, by, "promote", group.members[:1])  # that it is the oldest member is a guess
    return shown


def rename(hub: Hub, group: Group, by: Account, subject: str) -> None:
    """Give a group another subject."""
    group.subject, group.named_by, group.named_at = subject, by, now()
    attrs: dict[str, Attr] = {"subject": subject, "s_t": now(), "s_o": by.lid, "s_o_pn": by.pn}
    announce(hub, group, by, group.members, node("subject", attrs))


def describe_as(hub: Hub, group: Group, by: Account, asked: Node) -> None:
    """Give a group another description; the id of the one before is checked, as the server is said to do."""
    if asked.text("prev") != group.topic_id:
        raise Refused(409, "conflict")
    group.topic = asked.data("body").decode()
    group.topic_id = asked.text("id") if group.topic else ""
    group.topic_by, group.topic_at = by, now()
    told = asked.child("body") or node("delete")
    announce(hub, group, by, group.members, node("description", {"id": asked.text("id")}, told))


def set_to(hub: Hub, group: Group, by: Account, asked: Node) -> None:
    """Change a setting, which is named by one of the nodes in SETTINGS."""
    setattr(group, SETTINGS[asked.tag], _value(asked))
    versions = _versions() if SETTINGS[asked.tag] == "announce" else {}
    announce(hub, group, by, group.members, Node(asked.tag, versions | asked.attrs, asked.content))


def renew_code(hub: Hub, group: Group, by: Account) -> None:
    """Revoke the invite code; the group has another one."""
    group.old_codes.add(group.code)
    group.code = secrets.token_urlsafe(16)
    announce(hub, group, by, group.members, node("invite", {"code": group.code}))


def join(hub: Hub, group: Group, me: Account) -> Node:
    """Join by the invite code, or wait for an admin's approval; return the reply."""
    if me in group.members:
        raise Refused(409, "conflict")
    if not group.approval:
        change(hub, group, me, "add", [me], reason="invite")
        return node("group", {"jid": group.jid})
    group.requests[me.number] = now()
    asked = node("requested_user", {"jid": me.lid, "phone_number": me.pn})
    told = node("created_membership_requests", {"request_method": "invite_link"}, asked)
    announce(hub, group, me, group.admins, told)
    return node("membership_approval_request", {"jid": group.jid})


def describe(group: Group, with_members: bool = True) -> Node:
    """Return the <group> node, with its members by hidden id and their numbers."""
    attrs: dict[str, Attr] = {
        "id": group.jid.user,
        "subject": group.subject,
        "creation": group.created,
        "creator": group.creator.lid,
        "creator_pn": group.creator.pn,
        "s_t": group.named_at or group.created,
        "s_o": (group.named_by or group.creator).lid,
        "addressing_mode": "lid",
        "p_v_id": "1",
        "a_v_id": "1",
        "size": len(group.members),
    }
    people = [_participant(group, member) for member in group.members] if with_members else []
    return node("group", attrs, *_topic(group), *_settings(group), *people)


def announce(hub: Hub, group: Group, by: Account, whom: list[Account], what: Node) -> None:
    """Tell members that something has happened to a group."""
    who: dict[str, Attr] = {"participant": by.lid, "participant_pn": by.pn, "notify": by.name}
    for member in whom:
        tell(hub, member, notification("w:gp2", group.jid, what, **who))


def _topic(group: Group) -> list[Node]:
    if not group.topic:
        return []
    by: dict[str, Attr] = {}
    if group.topic_by:
        by = {"participant": group.topic_by.lid, "participant_pn": group.topic_by.pn}
    attrs: dict[str, Attr] = {"id": group.topic_id, "t": group.topic_at}
    return [node("description", attrs | by, node("body", {}, group.topic.encode()))]


def _settings(group: Group) -> list[Node]:
    """Return the nodes of the settings that are on."""
    named = [node(tag) for tag, on in (("announcement", group.announce), ("locked", group.locked)) if on]
    if group.ephemeral:
        named.append(node("ephemeral", {"expiration": group.ephemeral}))
    if group.approval:
        named.append(node("membership_approval_mode", {}, node("group_join", {"state": "on"})))
    return [*named, node("member_add_mode", {}, group.member_add_mode.encode())]


def _value(asked: Node) -> bool | int | str:
    """Return the value that a node in SETTINGS gives to its field."""
    if asked.tag == "ephemeral":
        return int(asked.text("expiration") or "0")
    if asked.tag == "member_add_mode":
        return asked.content.decode() if isinstance(asked.content, bytes) else "admin_add"
    if asked.tag == "membership_approval_mode":
        return (asked.child("group_join") or asked).text("state") == "on"
    return asked.tag in ("announcement", "locked")


def _versions() -> dict[str, Attr]:
    return {"prev_v_id": os.urandom(4).hex(), "v_id": os.urandom(4).hex()}


def _participant(group: Group, member: Account) -> Node:
    rank = "superadmin" if member is group.creator else "admin"
    kind = rank if member in group.admins else ""
    return node("participant", {"jid": member.lid, "phone_number": member.pn, "type": kind})
