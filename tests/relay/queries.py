"""Answers to <iq>: keys, people, app state, media connections, settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from relay import groups, keys, media, pairing, phone_settings, syncd
from relay.connection import Connection
from relay.devicelist import key_index_list
from relay.hub import Hub
from relay.model import Device, now
from relay.refused import Refused, Unknown, not_found
from relay.wabin import JID, SERVER, Attr, Node, node

Answer = Callable[[Hub, Connection, Node], list[Node]]
PRIVACY = ("groupadd", "last", "status", "profile", "readreceipts", "online", "calladd")


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
    reply: dict[str, Attr] = {"from": query.attrs.get("to", SERVER), "id": query.text("id"), "type": "result"}
    try:
        await conn.send(node("iq", reply, *await _dispatch(hub, conn, query, space)))
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


async def _dispatch(hub: Hub, conn: Connection, query: Node, space: str) -> list[Node]:
    if link := query.child("link_code_companion_reg"):
        return [_pairing_code(hub, conn, link)] if link.text("stage") == "companion_hello" else []
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


def _nothing(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    return []


def _not_found(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    raise not_found()


def _people(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Namespace "usync": devices, hidden ids and such; an unknown number gets no lid or devices (a guess)."""
    usync = query.child("usync")
    if usync is None:
        raise Unknown
    wanted = [each.tag for each in usync.child("query") or ()]
    users = [_person(hub, user, wanted) for user in usync.child("list") or ()]
    attrs: dict[str, Attr] = {name: usync.text(name) for name in ("sid", "mode", "context")}
    result = node("result", {}, *map(node, wanted))
    return [node("usync", attrs | {"index": "0", "last": "true"}, result, Node("list", {}, users))]


def _person(hub: Hub, user: Node, wanted: list[str]) -> Node:
    asked = user.attrs.get("jid")
    number = user.data("contact").decode().split("@")[0].lstrip("+")
    children: list[Node] = []
    attrs: dict[str, Attr] = {}
    if isinstance(asked, JID):
        account, attrs["jid"] = hub.find(asked), asked
    else:
        account = hub.accounts.get(number)
        attrs["pn_jid"] = JID(number)
        if account:
            attrs["jid"] = account.lid
        children.append(node("contact", {"type": "in" if account else "out"}, user.data("contact")))
    if account and "lid" in wanted:
        children.append(node("lid", {"val": account.lid}))
    if account and "devices" in wanted:
        linked = [node("device", {"id": each, "key-index": each}) for each in account.devices]
        devices = node("device-list", {}, node("device", {"id": 0}), *linked)
        signed = [key_index_list(hub, account)] if linked else []
        children.append(node("devices", {}, devices, *signed))
    if account and "status" in wanted:
        children.append(node("status", {"t": now()}, b"an account of the relay"))
    return node("user", attrs, *children)


def _media_connection(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    return [media.connection(hub, _device(conn).account)]


def _app_state(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Namespace "w:sync:app:state"; the phone reads what devices write, and what does not verify is noted."""
    device = _device(conn)
    if phone_settings.NAME not in device.account.collections:
        phone_settings.publish(hub, device.account)
    out = syncd.answer(hub, device, query)
    try:
        phone_settings.read(hub, device.account)
    except ValueError as exc:
        hub.note_unhandled(f"app state: {exc}")
    return out


def _privacy(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    if query.child("tokens"):
        return [node("tokens")]
    return [node("privacy", {}, *(node("category", {"name": name, "value": "all"}) for name in PRIVACY))]


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
    return groups.answer(hub, _device(conn).account, query)


ANSWERS: dict[str, Answer] = {
    "encrypt": keys.answer,
    "usync": _people,
    "passive": _nothing,
    "w:m": _media_connection,
    "w:g2": _groups,
    "w:sync:app:state": _app_state,
    "privacy": _privacy,
    "blocklist": lambda hub, conn, query: [node("list", {"dhash": "0"})],
    "md": _companions,
    "w:p": _nothing,
    "urn:xmpp:ping": _nothing,
    "urn:xmpp:whatsapp:push": _nothing,
    "urn:xmpp:whatsapp:dirty": _nothing,
    "abt": lambda hub, conn, query: [node("props", {"protocol": 1, "hash": "0"})],
    "w": lambda hub, conn, query: [node("props")],
    "w:profile:picture": _not_found,
}
