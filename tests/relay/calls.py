"""Calls as the server tells them: no sound, only who rings, answers, declines and hangs up.

The attributes that clients read (call-id, call-creator, caller_pn, group-jid, reason, media) are known from
clients; the content of an offer is a guess.
"""

from __future__ import annotations

import os
from typing import Any

from relay import receipts
from relay.connection import Connection
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.wabin import JID, Attr, Node, node

STEPS = ("offer", "offer_notice", "preaccept", "relaylatency", "transport", "accept", "reject", "terminate")
"""The steps of a call, each a child of <call>."""
BY_CALLEE = ("preaccept", "accept", "reject")
VERSION: dict[str, Attr] = {"platform": "android", "version": "2.25.30.78"}


def tell(hub: Hub, account: Account, to: Account, step: str, call_id: str = "", **about: Any) -> str:
    """Tell the linked devices of `to` a step of a call, as the phone of `account` makes it; return its id.

    `about` are `video` (whether it is a video call), `group` (a JID) and attributes of the step.
    """
    if step not in STEPS:
        raise ValueError(f"unknown step of a call: {step!r}")
    call_id = call_id or os.urandom(16).hex().upper()
    is_video, group = bool(about.pop("video", False)), about.pop("group", "")
    creator = to if step in BY_CALLEE else account
    attrs: dict[str, Attr] = {"call-id": call_id, "call-creator": creator.lid, "caller_pn": creator.pn}
    if group:
        attrs["group-jid"] = JID.parse(group)
    if step == "offer_notice":
        attrs |= {"media": "video" if is_video else "audio", "type": "group" if group else "1on1"}
    made = node(step, attrs | about, *_content(step, is_video))
    hub.calls.setdefault(call_id, set()).update({account.number, to.number})
    who: dict[str, Attr] = {"from": account.lid, "id": os.urandom(10).hex().upper(), "t": now()}
    for device in to.devices.values():
        hub.push(device, node("call", who | {"notify": account.name} | VERSION, made))
    return call_id


def _content(step: str, is_video: bool) -> list[Node]:
    if step == "relaylatency":
        return [node("te", {"latency": "33554461"}, os.urandom(6))]
    if step not in ("offer", "accept", "preaccept"):
        return []
    sound = [node("audio", {"enc": "opus", "rate": rate}) for rate in (8000, 16000)]
    picture = [node("video", {"enc": "vp8", "dec": "vp8", "orientation": "0"})] if is_video else []
    return [*sound, *picture, node("net", {"medium": "3"}), node("encopt", {"keygen": "2"})]


async def on_call(hub: Hub, conn: Connection, device: Device, stanza: Node) -> None:
    """Acknowledge a step of a call that a client makes, such as <reject>, and tell it to the other side."""
    to, step = stanza.jid("to"), next(iter(stanza), Node(""))
    attrs: dict[str, Attr] = {"class": "call", "id": stanza.text("id"), "from": to, "type": step.tag}
    await conn.send(node("ack", attrs))
    account = hub.find(to)
    if account is None:
        hub.note_misdirected(device, stanza, "nobody has the address")
        return
    known = hub.calls.get(step.text("call-id"), set())
    if step.tag not in STEPS or not {device.account.number, account.number} <= known:
        hub.note_misdirected(device, stanza, "these two have no such call")
    account.inbox.append({"call": step.tag, "id": step.text("call-id"), "from": device.account.number})
    who: dict[str, Attr] = {"from": receipts.sender_jid(hub, device, to), "id": stanza.text("id"), "t": now()}
    for each in account.devices.values():
        hub.push(each, Node("call", who, stanza.content))
