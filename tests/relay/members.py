"""Whom a group does not take, and why: the codes beside a participant in the server's answer.

Users of clients report them for adding: 401 somebody who blocked the adder, 403 one whom only contacts may
add (with the code of an invitation), 404 a number that is not on WhatsApp, 408 one who left the group by
themselves, 409 a member. For the other changes, 403 and 404 are a guess.
"""

from __future__ import annotations

import secrets

from relay.hub import Hub
from relay.model import Account, Group, now
from relay.refused import Refused, forbidden
from relay.wabin import JID, Attr, Node, node

BLOCKED, BY_INVITATION, UNKNOWN, HAS_LEFT, IS_MEMBER = 401, 403, 404, 408, 409
INVITED_SECONDS = 3 * 86_400


def sort_out(
    hub: Hub, group: Group | None, me: Account, asked: Node, action: str
) -> tuple[list[Account], list[Node]]:
    """Return the people of a query whom the group takes, and nodes with an error for the others."""
    found: list[Account] = []
    refused: list[Node] = []
    for each in asked.all("participant"):
        jid = each.jid("jid")
        person = hub.find(jid)
        code = _code(group, me, person, action)
        if code == 0 and person:
            found.append(person)
            continue
        about: dict[str, Attr] = {"jid": person.lid if person else jid, "error": code}
        about |= {"phone_number": person.pn} if person else {}
        refused.append(node("participant", about))
    return found, refused


def invite(hub: Hub, group: Group, refused: list[Node]) -> list[Node]:
    """Add <add_request> to the nodes of people whom nobody may add: by its code they may join."""
    for each in refused:
        person = hub.find(each.jid("jid"))
        if person and person not in group.members and each.attrs["error"] == BY_INVITATION:
            code = group.invitations[person.number] = secrets.token_urlsafe(16)
            each.content = [node("add_request", {"code": code, "expiration": now() + INVITED_SECONDS})]
    return refused


def accept(group: Group, me: Account, asked: Node) -> None:
    """Check the code of an invitation by which somebody wants to join; raise Refused if it is none."""
    if me in group.members:
        raise Refused(409, "conflict")
    if not asked.text("code") or group.invitations.pop(me.number, "") != asked.text("code"):
        raise Refused(406, "not-acceptable")
    if int(asked.text("expiration") or 0) < now():
        raise Refused(410, "gone")
    inviter = asked.attrs.get("admin")
    if not isinstance(inviter, JID) or inviter.bare not in {
        jid for each in group.admins for jid in (each.lid, each.pn)
    }:
        raise forbidden()


def _code(group: Group | None, me: Account, person: Account | None, action: str) -> int:
    if person is None:
        return UNKNOWN
    if action != "add":
        if group is None or person not in group.members:
            return UNKNOWN
        return BY_INVITATION if person is group.creator or (person is me and action == "remove") else 0
    if group and person in group.members:
        return IS_MEMBER
    if me.number in person.profile.blocked:
        return BLOCKED
    if group and person.number in group.left:
        return HAS_LEFT
    allowed = person.profile.privacy["groupadd"]
    is_known = me.number in person.contacts
    return 0 if allowed == "all" or (allowed == "contacts" and is_known) else BY_INVITATION
