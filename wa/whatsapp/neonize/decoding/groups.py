"""Decoding what happens to groups: who is in them, and a line for each change in the words of the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wa.jids import is_group
from wa.whatsapp.events import (
    Account,
    EphemeralSet,
    Event,
    GroupChanged,
    GroupInfo,
    MessageReceived,
)
from wa.whatsapp.ids import notice_id
from wa.whatsapp.neonize.decoding.fields import PhoneOf, jid_text, mapped, seconds_of, text_of
from wa.whatsapp.neonize.decoding.stubs import words

_JOINED = {"invite": "GROUP_PARTICIPANT_INVITE", "linked_group_join": "GROUP_PARTICIPANT_LINKED_GROUP_JOIN"}
"""The kinds of a join, by the reason that the server gives; without a reason somebody added the person."""
_ASKED = {"created_membership_requests": "GROUP_MEMBERSHIP_JOIN_APPROVAL_REQUEST"}
_SWITCHED = {
    "membership_approval_mode": "GROUP_MEMBERSHIP_JOIN_APPROVAL_MODE",
    "member_add_mode": "GROUP_MEMBER_ADD_MODE",
}
Line = tuple[str, list[str]]  # the kind of a notice, as in the history, and its parameters


def group_events(event: Any, own: Account | None, phone_of: PhoneOf = lambda _: None) -> list[Event]:
    """Return a group's new name, its members who joined, left or have a new role, and a line for each."""
    jid, name = jid_text(event.JID), text_of(event.Name.Name)
    roles = ((event.Join, "member"), (event.Demote, "member"), (event.Promote, "admin"), (event.Leave, None))
    members = {jid_text(each): role for listed, role in roles for each in listed}
    by, at = jid_text(event.Sender), seconds_of(event.Timestamp)
    events: list[Event] = mapped([], [*members, by], phone_of)
    events += [GroupInfo(jid, name)] if name else []
    events += [GroupChanged(jid, tuple(members.items()), at)] if members else []
    if event.HasField("Ephemeral"):
        events.append(EphemeralSet(jid, _timer(event), at))
    return [*events, *(_notice(jid, by, at, own, *line) for line in _lines(event, by))]


def _lines(event: Any, by: str) -> Iterable[Line]:
    """Yield the changes that an event tells; it hardly ever tells more than one."""
    if event.HasField("Name"):
        yield "GROUP_CHANGE_SUBJECT", [text_of(event.Name.Name)]
    if event.HasField("Topic"):
        yield "GROUP_CHANGE_DESCRIPTION", [text_of(event.Topic.Topic)]
    if event.HasField("Locked"):
        yield "GROUP_CHANGE_RESTRICT", [_on(event.Locked.isLocked)]
    if event.HasField("Announce"):
        yield "GROUP_CHANGE_ANNOUNCE", [_on(event.Announce.IsAnnounce)]
    if event.HasField("Ephemeral"):
        yield "CHANGE_EPHEMERAL_SETTING", [str(_timer(event))]
    if event.HasField("Delete"):
        yield "GROUP_DELETE", []
    for kind, link in (("COMMUNITY_LINK_SUB_GROUP", "Link"), ("COMMUNITY_UNLINK_SUB_GROUP", "Unlink")):
        if event.HasField(link):
            yield kind, [text_of(getattr(event, link).Group.GroupName.Name)]
    if event.NewInviteLink:
        yield "GROUP_CHANGE_INVITE_LINK", []
    left = [jid_text(each) for each in event.Leave]
    joined = _JOINED.get(event.JoinReason, "GROUP_PARTICIPANT_ADD")
    people: tuple[tuple[str, list[str]], ...] = (
        (joined, [jid_text(each) for each in event.Join]),
        ("GROUP_PARTICIPANT_LEAVE" if left == [by] else "GROUP_PARTICIPANT_REMOVE", left),
        ("GROUP_PARTICIPANT_PROMOTE", [jid_text(each) for each in event.Promote]),
        ("GROUP_PARTICIPANT_DEMOTE", [jid_text(each) for each in event.Demote]),
    )
    yield from ((kind, who) for kind, who in people if who)
    for node in event.UnknownChanges:
        if node.Tag in _ASKED:
            yield _ASKED[node.Tag], [_attribute(each, "jid") for each in node.Nodes] or [by]
        elif node.Tag in _SWITCHED:
            state = next((_attribute(each, "state") for each in node.Nodes), text_of(node.Bytes))
            yield _SWITCHED[node.Tag], [state]


def _timer(event: Any) -> int:
    return int(event.Ephemeral.DisappearingTimer) if event.Ephemeral.IsEphemeral else 0


def _on(flag: bool) -> str:
    return "on" if flag else "off"


def _attribute(node: Any, name: str) -> str:
    """Return an attribute of a stanza's node as text, '' without one."""
    found = next((each for each in node.Attrs if each.name == name), None)
    if found is None:
        return ""
    return jid_text(found.jid) if found.HasField("jid") else text_of(found.text)


def _notice(group: str, by: str, at: int, own: Account | None, kind: str, params: list[str]) -> Event:
    text, details = words(kind, params)
    is_mine = own is not None and by in (own.jid, own.lid)
    number = notice_id(group, kind, by, at, *params)
    return MessageReceived(group, number, by or group, at, text, "system", is_mine, details=details)


def joined_group_events(event: Any, own: Account | None, phone_of: PhoneOf) -> list[Event]:
    """Return a group that we joined, with its members, and a line that tells so."""
    info, by = event.GroupInfo, jid_text(event.Sender) or jid_text(event.GroupInfo.OwnerJID)
    events = [*mapped([(jid_text(event.Sender), jid_text(event.SenderPN))]), *group_info(info)]
    jid, me = jid_text(info.JID), own.jid if own else ""
    if event.Type == "new":
        at = seconds_of(info.GroupName.NameSetAt)  # GroupCreated is a float of 32 bits, a minute off
        return [*events, _notice(jid, by, at, own, "GROUP_CREATE", [text_of(info.GroupName.Name)])]
    if not me:
        return events
    kind = _JOINED.get(event.Reason, "GROUP_PARTICIPANT_ADD")
    # The library does not hand over when that was, so the notice has the time at which it is recorded.
    return [*events, _notice(jid, by, 0, own, kind, [me])]


def group_info(info: Any) -> list[Event]:
    """Return a group with its members, after their hidden ids."""
    pairs = [(jid_text(info.OwnerJID), jid_text(info.OwnerPN))]
    members: dict[str, str] = {}
    for each in info.Participants:
        jid, lid, phone = jid_text(each.JID), jid_text(each.LID), jid_text(each.PhoneNumber)
        pairs += [(lid, phone), (jid, phone), (lid, jid)]
        if not each.Error:  # otherwise the person was refused, and is not a member
            role = "superadmin" if each.IsSuperAdmin else "admin" if each.IsAdmin else "member"
            members[phone or jid or lid] = role
    name = text_of(info.GroupName.Name) or None
    told = info.GroupEphemeral if info.HasField("GroupEphemeral") else None
    timer = None if told is None else int(told.DisappearingTimer) if told.IsEphemeral else 0
    return [*mapped(pairs), GroupInfo(jid_text(info.JID), name, tuple(members.items()), timer)]


def picture_events(event: Any, own: Account | None, phone_of: PhoneOf) -> list[Event]:
    """Return the line that tells that a group's picture was changed; nothing for a person's picture."""
    jid, by, at = jid_text(event.JID), jid_text(event.Author), seconds_of(event.Timestamp)
    if not is_group(jid):
        return []
    kind = "GROUP_CHANGE_ICON"
    return [*mapped([], [by], phone_of), _notice(jid, by, at, own, kind, ["gone"] if event.Remove else [])]


def channel_events(event: Any, own: Account | None, phone_of: PhoneOf) -> list[Event]:
    """Return a channel that we follow, with its name."""
    about = event.NewsletterMetadata
    return [GroupInfo(jid_text(about.ID), text_of(about.ThreadMeta.Name.Text) or None)]


KINDS: dict[str, Callable[[Any, Account | None, PhoneOf], list[Event]]] = {
    "group-change": group_events,
    "group-joined": joined_group_events,
    "picture": picture_events,
    "channel-joined": channel_events,
}
"""How each kind of event about groups and channels is decoded, by its kind in the spool."""
