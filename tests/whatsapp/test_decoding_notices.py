"""Decoding what happens beside messages: changes of groups, calls, timers; the same words live and past."""

from __future__ import annotations

from typing import Any

import pytest
from for_each import for_each
from test_decoding import (
    ADAM,
    ADAM_LID,
    AT,
    GROUP,
    ME,
    MY_LID,
    REEM,
    REEM_LID,
    STUBS,
    Message,
    N,
    Protocol,
    decode,
    jid,
    past,
    received,
    source,
    told,
)

from wa.whatsapp import notices
from wa.whatsapp.events import Account, CallTold, EphemeralSet, Event, JidMapped, MessageReceived
from wa.whatsapp.neonize.decoding import calls, groups, stubs
from wa.whatsapp.neonize.decoding import decode as decoding

OWN = Account(ME, MY_LID)
KNOWN = {ADAM_LID: ADAM, REEM_LID: REEM}
DAY = 86_400


def change(by: str = ADAM_LID, **fields: Any) -> Any:
    """Return a change of a group as an event of the library."""
    return N.GroupInfoEvent(JID=jid(GROUP), Notify="", Sender=jid(by), Timestamp=AT, **fields)


def lines(event: Any) -> list[MessageReceived]:
    """Return the lines that tell a change."""
    return [each for each in groups.group_events(event, OWN, KNOWN.get) if isinstance(each, MessageReceived)]


def asked(tag: str, *children: Any, data: bytes = b"") -> Any:
    """Return a part of a notification that the library does not know."""
    return N.Node(Tag=tag, Nodes=children, Bytes=data, Nil=False)


def attribute(name: str, **value: Any) -> Any:
    return N.NodeAttrs(name=name, **value)


PEOPLE = [jid(REEM_LID), jid(ADAM_LID)]
NAMES = "@100200300400, @500600700800"

DEEP = '{"id": ' + "[" * 2000


@for_each(
    ("fields", "stub", "params", "words"),
    [
        ({"Name": N.GroupName(Name="Walks {0}")}, "GROUP_CHANGE_SUBJECT", ["Walks {0}"],
         "Named the group: Walks {0}"),
        ({"Name": N.GroupName(Name="17:30 @ the pier")}, "GROUP_CHANGE_SUBJECT", ["17:30 @ the pier"],
         "Named the group: 17:30 @ the pier"),
        ({"Topic": N.GroupTopic(Topic='{"id": "100200300400@lid"}')}, "GROUP_CHANGE_DESCRIPTION",
         ['{"id": "100200300400@lid"}'], 'Changed the description: {"id": "100200300400@lid"}'),
        ({"Topic": N.GroupTopic(Topic=DEEP)}, "GROUP_CHANGE_DESCRIPTION", [DEEP],
         f"Changed the description: {DEEP}"),
        ({"Topic": N.GroupTopic(Topic="On foot")}, "GROUP_CHANGE_DESCRIPTION", ["On foot"],
         "Changed the description: On foot"),
        ({"Topic": N.GroupTopic(TopicDeleted=True)}, "GROUP_CHANGE_DESCRIPTION", [],
         "Changed the description"),
        ({"Locked": N.GroupLocked(isLocked=True)}, "GROUP_CHANGE_RESTRICT", ["on"],
         "Only admins can change the group"),
        ({"Announce": N.GroupAnnounce(IsAnnounce=False)}, "GROUP_CHANGE_ANNOUNCE", ["off"],
         "Everybody can send messages"),
        ({"Ephemeral": N.GroupEphemeral(IsEphemeral=True, DisappearingTimer=DAY)},
         "CHANGE_EPHEMERAL_SETTING", [str(DAY)], "Disappearing messages: 1 day"),
        ({"Ephemeral": N.GroupEphemeral(IsEphemeral=False)}, "CHANGE_EPHEMERAL_SETTING", ["0"],
         "Disappearing messages: off"),
        ({"Delete": N.GroupDelete(Deleted=True)}, "GROUP_DELETE", [], "Deleted the group"),
        ({"NewInviteLink": "https://chat.whatsapp.com/secret"}, "GROUP_CHANGE_INVITE_LINK", ["secret"],
         "Reset the invite link"),
        ({"Join": PEOPLE}, "GROUP_PARTICIPANT_ADD", [REEM_LID, ADAM_LID], f"Added: {NAMES}"),
        ({"Join": [jid(ADAM_LID)], "JoinReason": "invite"}, "GROUP_PARTICIPANT_INVITE", [ADAM_LID],
         "Joined by link: @500600700800"),
        ({"Leave": PEOPLE}, "GROUP_PARTICIPANT_REMOVE", [REEM_LID, ADAM_LID], f"Removed: {NAMES}"),
        ({"Leave": [jid(ADAM_LID)]}, "GROUP_PARTICIPANT_LEAVE", [ADAM_LID], "Left: @500600700800"),
        ({"Promote": [jid(REEM_LID)]}, "GROUP_PARTICIPANT_PROMOTE", [REEM_LID],
         "Made an admin: @100200300400"),
        ({"Demote": [jid(REEM_LID)]}, "GROUP_PARTICIPANT_DEMOTE",
         ['{"id": "100200300400@lid"}'], "No longer an admin: @100200300400"),
        ({"UnknownChanges": [asked("created_membership_requests",
          N.Node(Tag="requested_user", Attrs=[attribute("jid", jid=jid(REEM_LID))], Bytes=b"", Nil=False))]},
         "GROUP_MEMBERSHIP_JOIN_APPROVAL_REQUEST", [REEM_LID], "Asked to join: @100200300400"),
        ({"UnknownChanges": [asked("membership_approval_mode",
          N.Node(Tag="group_join", Attrs=[attribute("state", text="on")], Bytes=b"", Nil=False))]},
         "GROUP_MEMBERSHIP_JOIN_APPROVAL_MODE", ["on"], "Admins approve new members"),
        ({"UnknownChanges": [asked("member_add_mode", data=b"admin_add")]}, "GROUP_MEMBER_ADD_MODE",
         ["admin_add"], "Only admins can add members"),
    ],
)  # fmt: skip
def test_a_change_of_a_group_is_told_live_as_in_the_history(fields, stub, params, words):
    (live,) = lines(change(**fields))
    (before,) = told(past(messageStubType=STUBS.Value(stub), messageStubParameters=params, by=ADAM_LID),
                     chat=GROUP)  # fmt: skip
    assert isinstance(before, MessageReceived)
    assert (live.content, live.details) == (before.content, before.details) == (words, live.details)
    assert (live.chat_jid, live.sender, live.timestamp) == (GROUP, ADAM_LID, AT)
    assert (live.message_type, live.is_from_me) == ("system", False)


def test_a_change_has_the_same_id_each_time_it_is_told_and_another_one_else():
    (first,), (again,) = lines(change(Join=PEOPLE)), lines(change(Join=PEOPLE))
    (other,) = lines(change(Leave=PEOPLE))
    assert first == again
    assert first.message_id != other.message_id


@pytest.mark.parametrize(
    ("param", "text"),
    [
        ("Ask: reem@example.org", "Ask: reem@example.org"),
        ('{"id": ' + "[" * 5000, '{"id": ' + "[" * 5000),
        ('{"id": "Reem \\ud83c"}', "Reem ?"),
    ],
)
def test_what_is_no_address_is_shown_as_it_is_written(param, text):
    assert stubs.words("COMMUNITY_LINK_SUB_GROUP", [param]) == (f"Linked with: {text}", None)


def test_our_own_change_is_from_us():
    (line,) = lines(change(by=MY_LID, Promote=[jid(REEM)]))
    assert line.is_from_me


def test_the_people_of_a_change_are_known_before_it_is_told():
    first, second, *_ = groups.group_events(change(Join=[jid(REEM_LID)]), OWN, KNOWN.get)
    assert [first, second] == [JidMapped(REEM_LID, REEM), JidMapped(ADAM_LID, ADAM)]


def test_a_picture_of_a_group_is_told_and_that_of_a_person_is_not():
    def told_of(where: str, *, gone: bool) -> list[Event]:
        event = N.Picture(JID=jid(where), Author=jid(ADAM), Timestamp=AT, Remove=gone)
        return decoding.decode("picture", event, OWN, KNOWN.get)

    contents = [each.content for gone in (False, True) for each in told_of(GROUP, gone=gone)]
    assert contents == ["Changed the picture", "Removed the picture"]
    assert told_of(REEM, gone=False) == []


@pytest.mark.parametrize(
    ("fields", "words", "at"),
    [
        ({"Type": "new"}, "Created the group: Walks", AT - DAY),
        ({"Reason": "invite"}, "Joined by link: @447700900999", 0),
        ({}, "Added: @447700900999", 0),
    ],
)
def test_a_group_that_we_come_into_is_told(fields, words, at):
    info = N.GroupInfo(JID=jid(GROUP), GroupName=N.GroupName(Name="Walks", NameSetAt=AT - DAY))
    event = N.JoinedGroup(GroupInfo=info, Sender=jid(ADAM_LID), SenderPN=jid(ADAM), **fields)
    *_, line = decoding.decode("group-joined", event, OWN, KNOWN.get)
    assert (line.content, line.timestamp, line.sender) == (words, at, ADAM_LID)


# ── Timers ────────────────────────────────────────────────────────────────────────────────────────


@for_each(
    ("seconds", "words"),
    [
        (0, "off"),
        (DAY, "1 day"),
        (7 * DAY, "7 days"),
        (90 * DAY, "90 days"),
        (43_200, "12 hours"),
        (61, "61 seconds"),
    ],
)
def test_a_timer_is_told_and_set(seconds, words):
    content = Message(protocolMessage={"type": Protocol.EPHEMERAL_SETTING, "ephemeralExpiration": seconds})
    line, timer = decode(content)
    assert isinstance(line, MessageReceived)
    assert (line.content, line.message_type) == (f"Disappearing messages: {words}", "system")
    assert timer == EphemeralSet(REEM, seconds, AT)


def test_the_timer_of_a_group_is_set():
    event = change(Ephemeral=N.GroupEphemeral(IsEphemeral=True, DisappearingTimer=7 * DAY))
    assert EphemeralSet(GROUP, 7 * DAY, AT) in groups.group_events(event, OWN, KNOWN.get)


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────────


@for_each(
    ("log", "me", "words"),
    [
        ({"callOutcome": "MISSED"}, False, "Missed voice call"),
        ({"callOutcome": "MISSED", "isVideo": True}, False, "Missed video call"),
        ({"callOutcome": "SILENCED_UNKNOWN_CALLER"}, False, "Missed voice call"),
        ({"callOutcome": "MISSED"}, True, "Voice call, not answered"),
        ({"callOutcome": "REJECTED"}, False, "Declined voice call"),
        ({"callOutcome": "ACCEPTED_ELSEWHERE"}, False, "Voice call, answered on another device"),
        ({"callOutcome": "CONNECTED", "durationSecs": 125}, True, "Voice call, 2:05"),
        ({"callOutcome": "ONGOING", "callType": "VOICE_CHAT"}, False, "Voice chat, going on"),
        ({"callOutcome": "FAILED", "isVideo": True}, False, "Failed video call"),
        ({"callOutcome": "MISSED", "callType": "SCHEDULED_CALL"}, False, "Missed scheduled voice call"),
    ],
)
def test_a_phone_s_line_about_a_call_says_what_became_of_it(log, me, words):
    line = received(Message(callLogMesssage=log), source(REEM, ME if me else REEM, me=me))
    assert (line.content, line.message_type) == (words, "system")
    in_group = received(Message(callLogMesssage={"callOutcome": "MISSED"}), source(GROUP, REEM))
    assert in_group.content == "Missed group voice call"


@for_each(
    ("stub", "words"),
    [
        ("CALL_MISSED_VOICE", "Missed voice call"),
        ("CALL_MISSED_VIDEO", "Missed video call"),
        ("CALL_MISSED_GROUP_VOICE", "Missed group voice call"),
        ("CALL_MISSED_GROUP_VIDEO", "Missed group video call"),
        ("SILENCED_UNKNOWN_CALLER_VIDEO", "Missed video call"),
    ],
)
def test_a_call_of_the_history_has_the_same_words(stub, words):
    (line,) = told(past(messageStubType=STUBS.Value(stub)))
    assert isinstance(line, MessageReceived)
    assert line.content == notices.call(line.details["call"]) == words
    assert line.details["call"]["outcome"] == "missed"


def step(kind: Any, caller: str = ADAM_LID, *children: str, group: str = "", **more: Any) -> Any:
    """Return a step of a call as an event of the library."""
    meta = {"from": jid(caller), "timestamp": AT, "callCreator": jid(caller, device=2), "callID": "CALL1"}
    attrs = [attribute("group-jid", jid=jid(group))] if group else []
    nodes = [N.Node(Tag=tag, Bytes=b"", Nil=False) for tag in children]
    data = N.Node(Tag="offer", Attrs=attrs, Nodes=nodes, Bytes=b"", Nil=False)
    return kind(basicCallMeta=N.BasicCallMeta(callCreatorAlt=jid(ADAM), **meta), data=data, **more)


@for_each(
    ("kind", "event", "expected"),
    [
        ("call-offer", step(N.CallOffer), CallTold("CALL1", ADAM_LID, ADAM_LID, "offer", AT)),
        ("call-offer", step(N.CallOffer, ADAM_LID, "audio", "video"),
         CallTold("CALL1", ADAM_LID, ADAM_LID, "offer", AT, True)),
        ("call-notice", step(N.CallOfferNotice, media="video", type="group", group=GROUP),
         CallTold("CALL1", GROUP, ADAM_LID, "offer", AT, True)),
        ("call-accept", step(N.CallAccept), CallTold("CALL1", ADAM_LID, ADAM_LID, "accept", AT)),
        ("call-end", step(N.CallTerminate, reason="timeout"),
         CallTold("CALL1", ADAM_LID, ADAM_LID, "end", AT, reason="timeout")),
    ],
)  # fmt: skip
def test_the_steps_of_a_call_are_decoded(kind, event, expected):
    assert kind in calls.STEPS
    assert decoding.decode(kind, event, OWN, KNOWN.get) == [JidMapped(ADAM_LID, ADAM), expected]


def test_a_call_of_ours_is_not_told():
    assert decoding.decode("call-end", step(N.CallTerminate, MY_LID), OWN, KNOWN.get) == []


# ── Mentions ──────────────────────────────────────────────────────────────────────────────────────


def test_a_message_has_the_addresses_of_those_whom_it_mentions():
    context = {
        "mentionedJID": ["500600700800:7@lid", "447700900123@hosted"],
        "groupMentions": [{"groupJID": GROUP, "groupSubject": "Walks"}],
    }
    content = Message(extendedTextMessage={"text": "@500600700800 come", "contextInfo": context})
    assert received(content).details == {"mentions": [ADAM_LID, REEM, GROUP]}
    assert received(Message(conversation="nobody")).details is None
