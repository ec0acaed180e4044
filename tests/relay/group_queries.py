"""The clients' queries about groups (`w:g2`), and who may change what.

The codes of refusals are those that whatsmeow has names for, never compared with real servers: 401 for the
invite code of a group whose admin one is not, 403 for what only members or admins may do, 404 for a group
that does not exist, 406 for an invite code that nobody gave out, 410 for a revoked one.
"""

from __future__ import annotations

from relay import groups, members
from relay.hub import Hub
from relay.model import Account, Group
from relay.refused import Refused, Unknown, forbidden, not_found
from relay.wabin import GROUP_SERVER, JID, Attr, Node, node

MEMBER_CHANGES = ("add", "remove", "promote", "demote")
FREE_UNLESS_LOCKED = ("ephemeral", "not_ephemeral", "subject", "description")
"""What every member may change in a group that is not locked; other settings are for admins."""


def answer(hub: Hub, me: Account, query: Node) -> list[Node]:
    """Return the answer to a query about groups."""
    to = query.attrs.get("to")
    if to == GROUP_SERVER:
        return _of_server(hub, me, query)
    if not isinstance(to, JID):
        raise Unknown
    if invited := query.child("accept"):
        group = _known(hub, to)
        members.accept(group, me, invited)
        groups.change(hub, group, me, "add", [me], reason="invite")
        return []
    if query.child("query", "add_request"):
        return [groups.describe(_known(hub, to))]
    group = _group_of(hub, me, to)
    if query.child("query"):
        return [groups.describe(group)]
    if query.text("type") == "get":
        return _asked_of(hub, group, me, query)
    return _change_asked(hub, group, me, query)


def _of_server(hub: Hub, me: Account, query: Node) -> list[Node]:
    """Answer what is asked of the server of groups, not of a group."""
    if wanted := query.child("create"):
        people, refused = members.sort_out(hub, None, me, wanted, "add")
        settings = [each for each in wanted if each.tag in groups.SETTINGS]
        group = groups.create(hub, wanted.text("subject"), me, people, *settings)
        made = groups.describe(group)
        return [Node(made.tag, made.attrs, [*made, *members.invite(hub, group, refused)])]
    if query.child("participating"):
        mine = [each for each in hub.groups.values() if me in each.members]
        return [node("groups", {}, *map(groups.describe, mine))]
    if leave := query.child("leave"):
        for each in leave.all("group"):
            groups.change(hub, _group_of(hub, me, each.attrs.get("id")), me, "remove", [me])
        return [node("leave", {}, *leave)]
    if invite := query.child("invite"):
        group = _invited(hub, invite.text("code"))
        is_asked = query.text("type") == "get"
        return [groups.describe(group, with_members=False) if is_asked else groups.join(hub, group, me)]
    raise Unknown


def _asked_of(hub: Hub, group: Group, me: Account, query: Node) -> list[Node]:
    """Answer what is asked of a group by a member."""
    if query.child("invite"):
        if me not in group.admins:
            raise Refused(401, "not-authorized")
        return [node("invite", {"code": group.code})]
    if query.child("membership_approval_requests"):
        _admin(group, me)
        waiting = [
            node("membership_approval_request", {"jid": hub.accounts[number].lid, "request_time": at})
            for number, at in group.requests.items()
        ]
        return [node("membership_approval_requests", {}, *waiting)]
    for tag in ("sub_groups", "linked_groups_participants"):  # no group of the relay is part of a community
        if query.child(tag):
            return [node(tag)]
    raise Unknown


def _change_asked(hub: Hub, group: Group, me: Account, query: Node) -> list[Node]:
    asked = next(iter(query), Node(""))
    if asked.tag in MEMBER_CHANGES:
        return [node(asked.tag, {}, *_members_changed(hub, group, me, asked))]
    if group.locked or asked.tag not in FREE_UNLESS_LOCKED:
        _admin(group, me)
    if asked.tag == "subject":
        subject = asked.content.decode() if isinstance(asked.content, bytes) else ""
        groups.rename(hub, group, me, subject)
    elif asked.tag == "description":
        groups.describe_as(hub, group, me, asked)
    elif asked.tag in groups.SETTINGS:
        groups.set_to(hub, group, me, asked)
    elif asked.tag == "invite":
        groups.renew_code(hub, group, me)
        return [node("invite", {"code": group.code})]
    elif asked.tag == "membership_requests_action":
        return [node(asked.tag, {}, *(_decided(hub, group, me, each) for each in asked))]
    else:
        raise Unknown
    return []


def _members_changed(hub: Hub, group: Group, me: Account, asked: Node) -> list[Node]:
    """Change members; return their nodes, with an error for those whom the group does not take."""
    if asked.tag != "add" or group.member_add_mode == "admin_add":
        _admin(group, me)
    found, refused = members.sort_out(hub, group, me, asked, asked.tag)
    changed = groups.change(hub, group, me, asked.tag, found) if found else []
    return [*changed, *members.invite(hub, group, refused)]


def _decided(hub: Hub, group: Group, me: Account, asked: Node) -> Node:
    """Approve of people who asked to join, or reject them."""
    wanted = [hub.find(each.jid("jid")) for each in asked.all("participant")]
    people = [each for each in wanted if each and group.requests.pop(each.number, None)]
    if asked.tag == "approve" and people:
        groups.change(hub, group, me, "add", people, reason="invite")
    return node(asked.tag, {}, *(node("participant", {"jid": each.lid}) for each in people))


def _invited(hub: Hub, code: str) -> Group:
    """Return the group of an invite code."""
    for group in hub.groups.values():
        if code == group.code:
            return group
        if code in group.old_codes:
            raise Refused(410, "gone")
    raise Refused(406, "not-acceptable")


def _admin(group: Group, me: Account) -> None:
    if me not in group.admins:
        raise forbidden()


def _known(hub: Hub, jid: Attr | None) -> Group:
    group = hub.groups.get(jid) if isinstance(jid, JID) else None
    if group is None:
        raise not_found()
    return group


def _group_of(hub: Hub, me: Account, jid: Attr | None) -> Group:
    group = _known(hub, jid)
    if me not in group.members:
        raise forbidden()
    return group
