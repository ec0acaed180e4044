"""The calls of the transport about groups and blocked people. Each change is one query, and not repeated.

A group names its members by hidden id or by number. Changes name them as the group does, so the group is
asked for first; until then nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from wa.jids import is_lid
from wa.whatsapp.events import Event, GroupsListed
from wa.whatsapp.groups import GroupAction, GroupAnswer
from wa.whatsapp.neonize.client import Client
from wa.whatsapp.neonize.decoding.fields import jid_text, text_of
from wa.whatsapp.neonize.decoding.groups import group_info
from wa.whatsapp.neonize.errors import query_error
from wa.whatsapp.neonize.library import library
from wa.whatsapp.transport import NotSent, Refused, SendError

T = TypeVar("T")
LINK = "https://chat.whatsapp.com/"
NO_MEMBER = 403


class GroupCalls:
    """The part of the transport that does something with groups, and blocks people."""

    def _connected(self) -> Client:
        """Return the client. Raise NotConnected."""
        raise NotImplementedError

    def groups(self) -> list[Event]:
        """Return the groups we are in, with their members; Transport.groups."""
        found = _read(self._connected().native.get_joined_groups)
        jids = tuple(jid_text(each.JID) for each in found)
        return [*(event for each in found for event in group_info(each)), GroupsListed(jids)]

    def manage_group(self, action: GroupAction) -> GroupAnswer:
        """Do something with a group; Transport.manage_group."""
        client = self._connected()
        if action.kind == "create":
            return _create(client, action)
        if action.kind == "join":
            return _join(client, action.code)
        if action.kind in ("add", "remove", "promote", "demote"):
            return _change_members(client, action)
        native, group = client.native, library().jid(action.group_jid)
        if action.kind == "rename":
            _do(client, lambda: native.set_group_name(group, action.name))
        elif action.kind == "leave":
            _do(client, lambda: native.leave_group(group))
        else:
            link = _do(client, lambda: native.get_group_invite_link(group, action.kind == "renew"))
            return GroupAnswer(action.group_jid, code=link.removeprefix(LINK))
        return GroupAnswer(action.group_jid)

    def block(self, jid: str, is_blocked: bool) -> None:
        """Block a person, or unblock; Transport.block."""
        client = self._connected()
        action = library().blocklist_action("block" if is_blocked else "unblock")
        _do(client, lambda: client.native.update_blocklist(library().jid(jid), action), jid)

    def blocked(self) -> list[str]:
        """Return the people whom we have blocked; Transport.blocked."""
        found = _read(self._connected().native.get_blocklist)
        return [jid_text(each) for each in found.JIDs]


def _create(client: Client, action: GroupAction) -> GroupAnswer:
    asked = {client.lid_of(jid) or jid: jid for jid in action.people}
    people = [library().jid(each) for each in asked]
    made = _do(client, lambda: client.native.create_group(action.name, people))
    refused = _refused(asked, made.Participants)
    return GroupAnswer(jid_text(made.JID), refused, events=tuple(group_info(made)))


def _change_members(client: Client, action: GroupAction) -> GroupAnswer:
    lib, group = library(), library().jid(action.group_jid)
    now = _first(lambda: client.native.get_group_info(group))
    known = {form: jid_text(each.JID) for each in now.Participants for form in _forms(each)}
    by_lid = any(is_lid(form) for form in known.values())
    asked = {known.get(jid) or (by_lid and client.lid_of(jid)) or jid: jid for jid in action.people}
    people, change = [lib.jid(each) for each in asked], lib.participant_change(action.kind)
    told = _do(client, lambda: client.native.update_group_participants(group, people, change))
    return GroupAnswer(action.group_jid, _refused(asked, told))


def _join(client: Client, code: str) -> GroupAnswer:
    native = client.native
    about = _first(lambda: native.get_group_info_from_link(code))
    group = _do(client, lambda: native.join_group_with_link(code))
    jid, name = jid_text(group), text_of(about.GroupName.Name) or None
    try:
        return GroupAnswer(
            jid, events=tuple(group_info(_read(lambda: native.get_group_info(group)))), name=name
        )
    except Refused as error:  # we are no member: an admin has to agree first
        return GroupAnswer(jid, is_waiting=error.status == NO_MEMBER, name=name)
    except SendError:
        return GroupAnswer(jid, name=name)


def _refused(asked: Mapping[str, str], told: Any) -> tuple[tuple[str, int], ...]:
    """Return the people, by the JIDs that were asked about, for whom it was refused, and the codes."""
    codes = {form: int(each.Error) for each in told for form in _forms(each)}
    found = {jid: codes.get(sent, codes.get(jid)) for sent, jid in asked.items()}
    return tuple((jid, code or 0) for jid, code in found.items() if code != 0)


def _forms(member: Any) -> set[str]:
    return {jid_text(each) for each in (member.JID, member.LID, member.PhoneNumber)} - {""}


def _do(client: Client, call: Callable[[], T], jid: str = "") -> T:
    """Let the library change something, once. Raise SendError."""
    try:
        return client.unrepeated.do(call)
    except library().client.NeonizeError as error:
        raise query_error(str(error), jid) from None


def _read(call: Callable[[], T]) -> T:
    """Let the library ask for something. Raise SendError."""
    try:
        return call()
    except library().client.NeonizeError as error:
        raise query_error(str(error)) from None


def _first(call: Callable[[], T]) -> T:
    """Ask for what has to be known before a change. Raise Refused or NotSent: nothing was changed."""
    try:
        return _read(call)
    except SendError as error:
        if isinstance(error, NotSent) or (isinstance(error, Refused) and error.status < 500):
            raise
        raise NotSent(str(error)) from None
