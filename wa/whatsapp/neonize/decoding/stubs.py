"""What happened in a chat, in words: the notices that the history keeps, and the same ones live."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from wa.jids import GROUP_SERVER, LID_SERVER, USER_SERVER
from wa.values import replace
from wa.whatsapp import notices
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.neonize.decoding.fields import bare_jid, encodable, text_of

# fmt: off
_WORDS = {
    "GROUP_CREATE": "Created the group: {}", "GROUP_CHANGE_SUBJECT": "Named the group: {}",
    "GROUP_CHANGE_DESCRIPTION": "Changed the description: {}", "GROUP_DELETE": "Deleted the group",
    "GROUP_CHANGE_INVITE_LINK": "Reset the invite link",
    "GROUP_PARTICIPANT_ADD": "Added: {}", "GROUP_PARTICIPANT_REMOVE": "Removed: {}",
    "GROUP_PARTICIPANT_INVITE": "Joined by link: {}", "GROUP_PARTICIPANT_LEAVE": "Left: {}",
    "GROUP_PARTICIPANT_ACCEPT": "Joined by invitation: {}", "GROUP_V4_ADD_INVITE_SENT": "Invited: {}",
    "GROUP_PARTICIPANT_LINKED_GROUP_JOIN": "Joined from the community: {}",
    "GROUP_PARTICIPANT_ADD_REQUEST_JOIN": "Added: {}",
    "GROUP_PARTICIPANT_PROMOTE": "Made an admin: {}", "GROUP_PARTICIPANT_DEMOTE": "No longer an admin: {}",
    "GROUP_PARTICIPANT_CHANGE_NUMBER": "Changed the number: {}",
    "INDIVIDUAL_CHANGE_NUMBER": "Changed the number: {}",
    "GROUP_MEMBERSHIP_JOIN_APPROVAL_REQUEST": "Asked to join: {}",
    "GROUP_MEMBERSHIP_JOIN_APPROVAL_REQUEST_NON_ADMIN_ADD": "Asked to join: {}",
    "COMMUNITY_LINK_PARENT_GROUP": "Linked with: {}", "COMMUNITY_LINK_SIBLING_GROUP": "Linked with: {}",
    "COMMUNITY_LINK_SUB_GROUP": "Linked with: {}",
    "COMMUNITY_UNLINK_PARENT_GROUP": "No longer linked with: {}",
    "COMMUNITY_UNLINK_SIBLING_GROUP": "No longer linked with: {}",
    "COMMUNITY_UNLINK_SUB_GROUP": "No longer linked with: {}",
    "E2E_IDENTITY_CHANGED": "The security code changed", "E2E_DEVICE_CHANGED": "The security code changed",
    "E2E_ENCRYPTED": "Messages are end-to-end encrypted",
    "E2E_ENCRYPTED_NOW": "Messages are end-to-end encrypted",
    "PINNED_MESSAGE_IN_CHAT": "Pinned a message", "BLOCK_CONTACT": "Blocked or unblocked",
    "BROADCAST_CREATE": "Created the broadcast list: {}", "BROADCAST_ADD": "Added: {}",
    "BROADCAST_REMOVE": "Removed: {}", "OVERSIZED": "A message too large for this device",
    "CHANGE_USERNAME": "Changed the username", "CHANGE_LID": "Changed the number",
    "GROUP_BOUNCED": "The group could not be made", "GROUP_CREATE_FAILED": "The group could not be made",
}
_SWITCHES = {
    "GROUP_CHANGE_RESTRICT": ("Only admins can change the group", "Everybody can change the group"),
    "GROUP_CHANGE_ANNOUNCE": ("Only admins can send messages", "Everybody can send messages"),
    "GROUP_MEMBERSHIP_JOIN_APPROVAL_MODE": ("Admins approve new members", "New members need no approval"),
    "GROUP_MEMBER_ADD_MODE": ("Only admins can add members", "Everybody can add members"),
    "GROUP_CHANGE_ICON": ("Removed the picture", "Changed the picture"),
}
"""The words for a setting that is on, and that is off."""
_ON = ("on", "true", "1", "admin_add", "gone")
_CALLS: dict[str, dict[str, bool]] = {
    "CALL_MISSED_VOICE": {}, "CALL_MISSED_VIDEO": {"video": True},
    "CALL_MISSED_GROUP_VOICE": {"group": True}, "CALL_MISSED_GROUP_VIDEO": {"video": True, "group": True},
    "SILENCED_UNKNOWN_CALLER_AUDIO": {}, "SILENCED_UNKNOWN_CALLER_VIDEO": {"video": True},
}
# fmt: on
_TEXTS = ("GROUP_CREATE", "GROUP_CHANGE_SUBJECT", "GROUP_CHANGE_DESCRIPTION")
"""The kinds whose parameters are what somebody has written, whatever that looks like."""
_JID = re.compile(r"[0-9][0-9:.-]*@[a-z][a-z.]*")


def of_history(blank: MessageReceived, kind: str, info: Any) -> MessageReceived:
    """Return a notice of the history; what the phone itself did not know has the type `other`."""
    text, details = words(kind, [text_of(each) for each in info.messageStubParameters])
    if raw := info.futureproofData:
        return replace(blank, message_type="other", raw=raw)
    if kind == "CHANGE_EPHEMERAL_SETTING" and not info.messageStubParameters and info.ephemeralDuration:
        text = notices.disappearing(info.ephemeralDuration)
    return replace(blank, content=text, message_type="system", details=details)


def words(kind: str, params: Sequence[str]) -> tuple[str | None, dict[str, Any] | None]:
    """Return what a notice says, and what is known of it beside: a call, the people whom it names."""
    if kind in _CALLS:
        call = {"outcome": "missed", "video": False, **_CALLS[kind]}
        return notices.call(call), {"call": call}
    if kind in _SWITCHES:
        return _SWITCHES[kind][not (params and params[0] in _ON)], None
    if kind == "CHANGE_EPHEMERAL_SETTING" and params and params[0].isdecimal():
        return notices.disappearing(int(params[0][:10])), None
    named, people = [*params], []
    if kind not in _TEXTS:
        named = [_address(each) for each in params]
        people = [jid for jid in named if jid.partition("@")[2] in (USER_SERVER, LID_SERVER, GROUP_SERVER)]
    shown = ", ".join(notices.mention(each) if each in people else each for each in named if each)
    text = _WORDS.get(kind, kind.replace("_", " ").capitalize()).format(shown).removesuffix(": ")
    return text or None, {"mentions": people} if people and "@" in text else None


def _address(param: str) -> str:
    """Return the address in a parameter, which may be a JSON object; any other text unchanged."""
    if param.startswith("{"):
        try:
            about = json.loads(param)
            param = next(str(about[name]) for name in ("phoneNumber", "pn", "id", "jid") if about.get(name))
            param = encodable(param)
        except (ValueError, StopIteration, RecursionError):
            return param
    return bare_jid(param) if _JID.fullmatch(param) else param
