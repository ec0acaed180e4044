"""Decoding calls: the steps that the server tells, and the line about a call that a chat has."""

from __future__ import annotations

from typing import Any

from wa.jids import GROUP_SERVER
from wa.whatsapp.events import Account, CallTold, Event
from wa.whatsapp.neonize.decoding.fields import PhoneOf, bare_jid, jid_text, mapped, seconds_of, text_of

STEPS = {"call-offer": "offer", "call-notice": "offer", "call-accept": "accept", "call-end": "end"}
"""The step of a call, by the event's kind in the spool."""
# fmt: off
_OUTCOMES = {
    "CONNECTED": "answered", "MISSED": "missed", "FAILED": "failed", "REJECTED": "declined",
    "ACCEPTED_ELSEWHERE": "elsewhere", "ONGOING": "ongoing", "SILENCED_BY_DND": "missed",
    "SILENCED_UNKNOWN_CALLER": "missed",
}
# fmt: on
_KINDS = {"SCHEDULED_CALL": "scheduled", "VOICE_CHAT": "chat"}


def call_events(step: str, event: Any, own: Account | None, phone_of: PhoneOf) -> list[Event]:
    """Return a step of a call, after the hidden id that it explains; nothing for a call of ours."""
    meta, about = event.basicCallMeta, {each.name: each for each in event.data.Attrs}
    caller = jid_text(meta.callCreator) or jid_text(getattr(meta, "from"))
    number = jid_text(meta.callCreatorAlt)
    if not caller or not meta.callID or (own and {caller, number} & {own.jid, own.lid}):
        return []
    group = about.get("group-jid")
    chat = (jid_text(group.jid) or bare_jid(group.text)) if group else ""
    is_video = getattr(event, "media", "") == "video" or any(each.Tag == "video" for each in event.data.Nodes)
    told = CallTold(
        text_of(meta.callID),
        chat if chat.endswith("@" + GROUP_SERVER) else caller,
        caller,
        step,
        seconds_of(meta.timestamp),
        is_video,
        text_of(getattr(event, "reason", "")),
    )
    return [*mapped([(caller, number)], [caller], phone_of), told]


def call_log(log: Any, *, from_me: bool, in_group: bool) -> dict[str, Any]:
    """Return what a phone's line about a call says, in the form of `notices.call`."""
    outcome = _OUTCOMES.get(log.CallOutcome.Name(log.callOutcome), "answered")
    if from_me and outcome == "missed":
        outcome = "unanswered"
    call: dict[str, Any] = {"outcome": outcome, "video": log.isVideo}
    if in_group:
        call["group"] = True
    if log.durationSecs:
        call["seconds"] = int(log.durationSecs)
    if kind := _KINDS.get(log.CallType.Name(log.callType)):
        call["kind"] = kind
    return call
