"""Answers to <iq>: each namespace has a part of the server that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from relay import group_queries, keys, media, mex, pairing, phone_settings, profile_queries, syncd, usync
from relay.connection import Connection
from relay.hub import Hub
from relay.model import Device
from relay.refused import Refused, Unknown, not_found
from relay.wabin import SERVER, Attr, Node, node

Answer = Callable[[Hub, Connection, Node], list[Node]]


async def answer(
    hub: Hub, conn: Connection, query: Node, active: Callable[[Device], Awaitable[None]]
) -> None:
    """Answer a query; `active` is called when a device says that it is active."""
    if query.text("type") in ("result", "error"):
        if query.text("id") == pairing.PAIR_SUCCESS:
            await pairing.confirm(hub, conn, query)
        return
    space = query.text("xmlns")
    if conn.device and space in conn.device.account.faults.get("hang_iq", {}).get("spaces", []):
        return
    fault = _fault(conn, query, space)
    if fault and not fault.get("done", True):
        await _misbehave(hub, conn, query, fault, None)
        return
    reply: dict[str, Attr] = {"from": query.attrs.get("to", SERVER), "id": query.text("id"), "type": "result"}
    try:
        answered = node("iq", reply, *await _dispatch(hub, conn, query, space))
        if fault:
            await _misbehave(hub, conn, query, fault, answered)
            return
        await conn.send(answered)
    except Refused as exc:
        if isinstance(exc, Unknown):
            hub.note_unhandled(f"iq {space}: {query}")
        error = node("error", {"code": exc.code, "text": exc.text})
        await conn.send(node("iq", reply | {"type": "error"}, error))
    if space == "passive" and query.child("active") and conn.device:
        await active(conn.device)
    link = query.child("link_code_companion_reg")
    if link and link.text("stage") == "companion_finish":
        await pairing.finish(hub, conn, link)


def _fault(conn: Connection, query: Node, space: str) -> dict[str, Any] | None:
    """Return the fault "iq" of an account, if it is for such a query."""
    account = conn.device.account if conn.device else None
    fault = account.faults.get("iq") if account else None
    if account is None or fault is None or fault["space"] != space:
        return None
    if fault.get("tag", "") not in ("", *(each.tag for each in query)):
        return None
    return account.take_fault("iq")


async def _misbehave(
    hub: Hub, conn: Connection, query: Node, fault: dict[str, Any], answered: Node | None
) -> None:
    """Answer with an error, late or not at all, or cut the connection; `answered` is for what was done."""
    how = fault["how"]
    if how == "refuse":
        attrs: dict[str, Attr] = {"from": query.attrs.get("to", SERVER), "id": query.text("id")}
        error = node("error", {"code": fault["code"], "text": "a fault of the relay"})
        await conn.send(node("iq", attrs | {"type": "error"}, error))
    elif how == "cut":
        await conn.drop()
    elif how == "late" and answered:
        hub.later(float(fault["seconds"]), conn.send(answered))


async def _dispatch(hub: Hub, conn: Connection, query: Node, space: str) -> list[Node]:
    if link := query.child("link_code_companion_reg"):
        if link.text("stage") == "companion_hello":
            return [_pairing_code(hub, conn, link)]
        if link.text("stage") == "companion_finish":
            return []
        raise Unknown
    known = ANSWERS.get(space)
    if known is None:
        raise Unknown
    return known(hub, conn, query)


def _pairing_code(hub: Hub, conn: Connection, link: Node) -> Node:
    """Give out a ref for a pairing code; a number that nobody has is refused (a guess)."""
    account = hub.find(link.jid("jid"))
    if account is None:
        raise not_found()
    if fault := account.take_fault("refuse_code"):
        raise Refused(fault["code"], "rate-overlimit" if fault["code"] == 429 else "refused")
    return pairing.hello(conn, link)


def _nothing(*known: str) -> Answer:
    """Return what answers a query that holds one of these nodes, or nothing, with nothing."""

    def answer(hub: Hub, conn: Connection, query: Node) -> list[Node]:
        if any(each.tag not in known for each in query):
            raise Unknown
        return []

    return answer


def _media_connection(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    return [media.connection(hub, _device(conn).account)]


def _app_state(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Namespace "w:sync:app:state"; the phone reads what devices write, and what does not verify is noted."""
    device = _device(conn)
    out = syncd.answer(hub, device, query)
    try:
        phone_settings.read(hub, device.account)
    except ValueError as exc:
        hub.note_unhandled(f"app state: {exc}")
    return out


def _companions(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Namespace "md" of a linked client: its own logout."""
    if query.child("remove-companion-device") is None:
        raise Unknown
    hub.later(0.2, pairing.unlink(hub, _device(conn), "silent"))  # after the reply is sent
    return []


def _device(conn: Connection) -> Device:
    if conn.device is None:
        raise Refused(401, "not-authorized")
    return conn.device


def _groups(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    return group_queries.answer(hub, _device(conn).account, query)


def _clean(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Namespace "urn:xmpp:whatsapp:dirty": a device has seen what had changed."""
    cleaned = query.child("clean")
    if cleaned is None:
        raise Unknown
    _device(conn).dirty.pop(cleaned.text("type"), None)
    return []


ANSWERS: dict[str, Answer] = {
    "encrypt": keys.answer,
    "usync": usync.answer,
    "passive": _nothing("active", "passive"),
    "w:m": _media_connection,
    "w:g2": _groups,
    "w:sync:app:state": _app_state,
    "privacy": profile_queries.privacy,
    "blocklist": profile_queries.blocklist,
    "status": profile_queries.status,
    "disappearing_mode": profile_queries.disappearing_mode,
    "w:profile:picture": profile_queries.picture,
    "w:biz": lambda hub, conn, query: [node("business_profile", {"v": "244"})],  # nobody is a business
    "w:mex": mex.answer,
    "bot": lambda hub, conn, query: [node("bot", {"v": "2"}, node("section", {"type": "all"}))],
    "md": _companions,
    "w:p": _nothing("ping"),
    "w:stats": _nothing("add"),
    "urn:xmpp:ping": _nothing("ping"),
    "urn:xmpp:whatsapp:push": _nothing("config"),
    "urn:xmpp:whatsapp:dirty": _clean,
    "abt": lambda hub, conn, query: [node("props", {"protocol": 1, "hash": "0"})],
    "w": lambda hub, conn, query: [node("props")],
}
