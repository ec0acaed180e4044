"""Places, events and calls to come, and invitations to them, to groups and to channels."""

from __future__ import annotations

from typing import Any

from wa.whatsapp.moments import spoken
from wa.whatsapp.neonize.decoding.fields import Content, bare_jid, iso_times, known, labelled, lines, text_of


def place(part: Any) -> Content:
    """Return the content of a place: its name, address and coordinates."""
    return Content("location", place_text(part) or None, {**known(live=part.isLive), **_where(part)})


def live_place(part: Any) -> Content:
    """Return the content of a place that its sender's phone keeps up to date."""
    return Content(
        "location", lines(text_of(part.caption), _degrees(part)) or None, {"live": True, **_where(part)}
    )


def _where(part: Any) -> dict[str, Any]:
    """Return where a place is, for `messages.details`."""
    if not part.HasField("degreesLatitude"):
        return {}
    named = known(name=text_of(getattr(part, "name", "")), address=text_of(getattr(part, "address", "")))
    return {"location": {"latitude": part.degreesLatitude, "longitude": part.degreesLongitude, **named}}


def place_text(part: Any) -> str:
    """Return a place as text."""
    said = (part.name, part.address, part.comment, part.URL)
    return lines(*map(text_of, said), _degrees(part))


def _degrees(part: Any) -> str:
    has = part.HasField("degreesLatitude")
    return f"{round(part.degreesLatitude, 6)}, {round(part.degreesLongitude, 6)}" if has else ""


def event(part: Any) -> Content:
    """Return the content of an event: its name, what it is about, place, time and link."""
    what = "Call" if part.isScheduleCall else "Event"
    text = lines(
        labelled(what, text_of(part.name)),
        "Cancelled" if part.isCanceled else "",
        text_of(part.description),
        place_text(part.location),
        *spoken(_times(part)),
        text_of(part.joinLink),
    )
    return Content("text", text, _times(part))


def event_invite(part: Any) -> Content:
    """Return the content of an invitation to an event of another chat."""
    text = lines(
        labelled("Event", text_of(part.eventTitle)),
        "Cancelled" if part.isCanceled else "",
        text_of(part.caption),
        *spoken(_times(part)),
        text_of(part.callLink),
    )
    return Content("text", text, _times(part))


def _times(part: Any) -> dict[str, str]:
    return iso_times(starts_at=part.startTime, ends_at=part.endTime)


def call_to_come(part: Any) -> Content:
    """Return the content of a call that somebody scheduled."""
    kind = {1: "voice ", 2: "video "}.get(part.callType, "")
    label = f"Scheduled {kind}call"
    times = iso_times(starts_at=part.scheduledTimestampMS)
    return Content("text", lines(labelled(label, text_of(part.title)), *spoken(times)), times)


def group_invite(part: Any) -> Content:
    """Return the content of an invitation to a group."""
    label = "Community invitation" if part.groupType == 1 else "Group invitation"
    return _invite(
        label, part.groupName, part.groupJID, part, text_of(part.inviteCode), part.inviteExpiration
    )


def admin_invite(part: Any) -> Content:
    """Return the content of an invitation to be an admin of a channel."""
    label = "Invitation to be an admin of the channel"
    return _invite(label, part.newsletterName, part.newsletterJID, part, until=part.inviteExpiration)


def channel_invite(part: Any) -> Content:
    """Return the content of an invitation to follow a channel."""
    return _invite("Channel invitation", part.newsletterName, part.newsletterJID, part)


def _invite(label: str, name: Any, jid: Any, part: Any, code: str = "", until: int = 0) -> Content:
    times, name = iso_times(expires_at=until), text_of(name)
    text = lines(
        labelled(label, name),
        text_of(part.caption),
        code and f"Invite code: {code}",
        *spoken(times),
    )
    return Content("text", text, {**known(invited_to=bare_jid(jid), invite_code=code), **times})
