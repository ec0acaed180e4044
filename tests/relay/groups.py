"""Groups: the clients' queries (`w:g2`), and the notices of a change to members (`w:gp2`)."""

from __future__ import annotations

import os

from relay.hub import Hub
from relay.model import Account, Group, now
from relay.refused import Unknown, forbidden, not_found
from relay.wabin import GROUP, GROUP_SERVER, JID, Attr, Node, node

MEMBER_CHANGES = ("add", "remove", "promote", "demote")


def create(hub: Hub, subject: str, creator: Account, members: list[Account]) -> Group:
    """Make a group with its creator as superadmin; notify every member, the creator too."""
    people = [creator, *(member for member in members if member is not creator)]
    group = Group(JID(f"1203630{len(hub.groups):011d}", GROUP), subject, creator, people, [creator])
    hub.groups[group.jid] = group
    _tell(hub, group, creator, people, node("create", {"type": "new"}, describe(group)))
    return group


def change(hub: Hub, group: Group, by: Account, action: str, people: list[Account]) -> list[Node]:
    """Add, remove, promote or demote; return the <participant> nodes of the reply."""
    told = list(group.members)
    if action == "add":
        group.members += [each for each in people if each not in group.members]
        told = list(group.members)
    elif action == "remove":
        group.members = [each for each in group.members if each not in people]
        group.admins = [each for each in group.admins if each not in people]
    elif action == "promote":
        group.admins += [each for each in people if each not in group.admins]
    elif action == "demote":
        group.admins = [each for each in group.admins if each not in people]
    else:
        raise ValueError(f"unknown change {action!r}")
    version: dict[str, Attr] = {"prev_v_id": os.urandom(4).hex(), "v_id": os.urandom(4).hex()}
    shown = [_participant(group, each) for each in people]
    _tell(hub, group, by, told, node(action, version, *shown))
    return shown


def rename(hub: Hub, group: Group, by: Account, subject: str) -> None:
    """Give a group another subject."""
    group.subject = subject
    attrs: dict[str, Attr] = {"subject": subject, "s_t": now(), "s_o": by.lid, "s_o_pn": by.pn}
    _tell(hub, group, by, group.members, node("subject", attrs))


def describe(group: Group) -> Node:
    """Return the <group> node, with its members by hidden id and their numbers."""
    people = [_participant(group, member) for member in group.members]
    attrs: dict[str, Attr] = {
        "id": group.jid.user,
        "subject": group.subject,
        "creation": group.created,
        "creator": group.creator.lid,
        "creator_pn": group.creator.pn,
        "s_t": group.created,
        "s_o": group.creator.lid,
        "addressing_mode": "lid",
        "p_v_id": "1",
        "a_v_id": "1",
        "size": len(people),
    }
    topic = node("description", {"id": "1", "t": now()}, node("body", {}, group.topic.encode()))
    return node("group", attrs, *([topic] if group.topic else []), *people)


def answer(hub: Hub, me: Account, query: Node) -> list[Node]:
    """Return the answer to a query about groups."""
    to = query.attrs.get("to")
    if wanted := query.child("create"):
        found = [hub.find(each.jid("jid")) for each in wanted.all("participant")]
        group = create(hub, wanted.text("subject"), me, [each for each in found if each])
        return [describe(group)]
    if to == GROUP_SERVER and query.child("participating"):
        return [node("groups", {}, *(describe(each) for each in hub.groups.values() if me in each.members))]
    if leave := query.child("leave"):
        for each in leave.all("group"):
            change(hub, _group_of(hub, me, each.attrs.get("id")), me, "remove", [me])
        return [node("leave", {}, *leave)]
    if not isinstance(to, JID) or to == GROUP_SERVER:
        raise Unknown
    group = _group_of(hub, me, to)
    if query.child("query"):
        return [describe(group)]
    return _change_asked(hub, group, me, query)


def _change_asked(hub: Hub, group: Group, me: Account, query: Node) -> list[Node]:
    if subject := query.child("subject"):
        rename(hub, group, me, subject.content.decode() if isinstance(subject.content, bytes) else "")
        return []
    if topic := query.child("description"):
        group.topic = topic.data("body").decode()
        _tell(hub, group, me, group.members, topic)
        return []
    for action in MEMBER_CHANGES:
        if asked := query.child(action):
            if me not in group.admins:
                raise forbidden()
            found = [hub.find(each.jid("jid")) for each in asked.all("participant")]
            return [node(action, {}, *change(hub, group, me, action, [each for each in found if each]))]
    raise Unknown


def _group_of(hub: Hub, me: Account, jid: Attr | None) -> Group:
    group = hub.groups.get(jid) if isinstance(jid, JID) else None
    if group is None:
        raise not_found()
    if me not in group.members:
        raise forbidden()
    return group


def _participant(group: Group, member: Account) -> Node:
    kind = "superadmin" if member is group.creator else "admin" if member in group.admins else ""
    return node("participant", {"jid": member.lid, "phone_number": member.pn, "type": kind})


def _tell(hub: Hub, group: Group, by: Account, whom: list[Account], what: Node) -> None:
    attrs: dict[str, Attr] = {
        "from": group.jid,
        "type": "w:gp2",
        "id": os.urandom(8).hex(),
        "t": now(),
        "participant": by.lid,
        "participant_pn": by.pn,
        "notify": by.name,
    }
    for member in whom:
        for device in member.devices.values():
            hub.push(device, node("notification", attrs, what))
