"""Answers about people (`usync`): registered numbers, hidden ids, devices, texts, disappearing messages."""

from __future__ import annotations

from collections.abc import Callable

from relay.connection import Connection
from relay.devicelist import key_index_list
from relay.hub import Hub
from relay.model import Account
from relay.profile_queries import disappearing_node, picture_id
from relay.refused import Unknown
from relay.wabin import JID, Attr, Node, node

NOBODY_HAS = ("business", "bot", "username")
"""What may be asked of people, and none of them has; `contact` is answered for each number."""


def answer(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Answer for each person what was asked; an unknown number gets no lid or devices (a guess)."""
    usync = query.child("usync")
    if usync is None:
        raise Unknown
    wanted = [each.tag for each in usync.child("query") or ()]
    for each in wanted:
        if each not in (*ABOUT, *NOBODY_HAS, "contact"):
            hub.note_unhandled(f"usync protocol {each}")
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
    return node("user", attrs, *children, *(_about(hub, account, wanted) if account else []))


def _about(hub: Hub, account: Account, wanted: list[str]) -> list[Node]:
    return [part for name in wanted if name in ABOUT and (part := ABOUT[name](hub, account))]


def _picture(account: Account) -> Node | None:
    picture = account.profile.picture
    return node("picture", {"id": picture_id(picture)}) if picture else None


def _devices(hub: Hub, account: Account) -> Node:
    linked = [node("device", {"id": each, "key-index": each}) for each in account.devices]
    signed = [key_index_list(hub, account)] if linked else []
    return node("devices", {}, node("device-list", {}, node("device", {"id": 0}), *linked), *signed)


def _status(account: Account) -> Node:
    return node("status", {"t": account.profile.about_at}, account.profile.about.encode())


ABOUT: dict[str, Callable[[Hub, Account], Node | None]] = {
    "lid": lambda hub, account: node("lid", {"val": account.lid}),
    "devices": _devices,
    "status": lambda hub, account: _status(account),
    "picture": lambda hub, account: _picture(account),
    "disappearing_mode": lambda hub, account: disappearing_node(account),
}
"""What is answered about a person, by protocol."""
