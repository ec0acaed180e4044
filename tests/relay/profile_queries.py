"""The clients' queries about an account: privacy, block list, text, picture, disappearing messages.

The account's other linked devices are told of each change. Whom else a real server tells is unknown; here,
those whose phone has the person in its address book are told of a new picture and of a new text.
"""

from __future__ import annotations

import hashlib
import os

from relay.connection import Connection
from relay.hub import Hub
from relay.model import Account, Device, Group, now
from relay.net import MEDIA_HOST
from relay.notices import notification, tell
from relay.profile import Profile
from relay.refused import Refused, Unknown, forbidden, not_found
from relay.wabin import GROUP, JID, Attr, Node, node

TOKEN_BYTES = 16


def privacy(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Answer namespace "privacy": who may see what, and the tokens that we give to people we write to."""
    device = _device(conn)
    if tokens := query.child("tokens"):
        for each in tokens:
            _give_token(hub, device.account, each)
        return [node("tokens")]
    held = device.account.profile.privacy
    if query.text("type") == "get":
        return [node("privacy", {}, *_categories(held))]
    asked = {each.text("name"): each.text("value") for each in query.child("privacy") or ()}
    if not asked or not asked.keys() <= held.keys():
        raise Refused(400, "bad-request")
    held |= asked
    _tell_own(hub, device, node("privacy", {}, *_categories(asked)))
    return [node("privacy", {}, *_categories(asked))]


def blocklist(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Answer namespace "blocklist": the people whose messages do not arrive."""
    device = _device(conn)
    blocked = device.account.profile.blocked
    if query.text("type") == "get":
        return [node("list", {"dhash": _list_hash(blocked)}, *_items(hub, blocked))]
    item = query.child("item")
    account = hub.find(item.jid("jid")) if item else None
    if item is None or account is None or item.text("action") not in ("block", "unblock"):
        raise Refused(400, "bad-request")
    block(hub, device.account, account, item.text("action"), device)
    return [node("list", {"dhash": _list_hash(blocked)}, *_items(hub, blocked))]


def block(hub: Hub, me: Account, other: Account, action: str, by: Device | None = None) -> None:
    """Block somebody or unblock them, by the phone or by a device; tell it to the account's other devices."""
    blocked = me.profile.blocked
    before = _list_hash(blocked)
    if other.number in blocked:
        blocked.remove(other.number)
    if action == "block":
        blocked.append(other.number)
    changed = node("item", {"jid": other.lid, "action": action})
    hashes: dict[str, Attr] = {"action": "modify", "dhash": _list_hash(blocked), "prev_dhash": before}
    for each in me.devices.values():
        if each is not by:
            hub.push(each, notification("account_sync", me.pn, node("blocklist", hashes, changed)))


def status(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Answer namespace "status": the text about oneself, and who sees one's status posts."""
    device = _device(conn)
    account = device.account
    if query.child("privacy"):
        return [node("privacy", {}, node("list", {"type": "contacts", "default": "true"}))]
    if query.text("type") != "set" or query.child("status") is None:
        raise Unknown
    account.profile.about, account.profile.about_at = query.data("status").decode(), now()
    for other in _who_know(hub, account):
        tell(hub, other, notification("status", account.pn, node("set", {}, query.data("status"))))
    return []


def disappearing_mode(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Answer namespace "disappearing_mode": the seconds after which messages of new chats disappear."""
    device = _device(conn)
    profile = device.account.profile
    if asked := query.child("disappearing_mode"):
        if not asked.text("duration").isdigit():
            raise Refused(400, "bad-request")
        profile.disappearing, profile.disappearing_at = int(asked.text("duration")), now()
        _tell_own(hub, device, disappearing_node(device.account))
        return []
    return [disappearing_node(device.account)]


def disappearing_node(account: Account) -> Node:
    """Return the <disappearing_mode> of an account."""
    profile = account.profile
    return node("disappearing_mode", {"duration": profile.disappearing, "t": profile.disappearing_at})


def picture(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Answer namespace "w:profile:picture": the picture of a person or of a group, given as `target`."""
    device = _device(conn)
    target = query.attrs.get("target", device.account.pn)
    owner = _owner(hub, target)
    if query.text("type") == "get":
        if not owner.picture:
            raise not_found()
        number, kind = picture_id(owner.picture), query.child("picture") or Node("picture")
        path = f"/pictures/{number}"
        hub.media[path] = owner.picture
        where: dict[str, Attr] = {"url": f"https://{MEDIA_HOST}{path}", "direct_path": path}
        return [node("picture", {"id": number, "type": kind.text("type")} | where)]
    if isinstance(target, JID) and target.server == GROUP:
        group = hub.groups[target]
        if device.account not in (group.admins if group.locked else group.members):
            raise forbidden()
    elif owner is not device.account.profile:
        raise forbidden()
    owner.picture = query.data("picture")
    _tell_of_picture(hub, device, target, owner.picture)
    return [node("picture", {"id": picture_id(owner.picture)})] if owner.picture else []


def _owner(hub: Hub, target: Attr) -> Profile | Group:
    """Return the person's profile, or the group, that has a picture."""
    if not isinstance(target, JID):
        raise Refused(400, "bad-request")
    if group := hub.groups.get(target):
        return group
    if account := hub.find(target):
        return account.profile
    raise not_found()


def _tell_of_picture(hub: Hub, device: Device, target: Attr, picture: bytes) -> None:
    account = device.account
    attrs: dict[str, Attr] = {"jid": target, "author": account.lid}
    change = node("set", attrs | {"id": picture_id(picture)}) if picture else node("delete", attrs)
    if isinstance(target, JID) and target.server == GROUP:
        for member in hub.groups[target].members:
            tell(hub, member, notification("picture", target, change))
        return
    for other in _who_know(hub, account):
        tell(hub, other, notification("picture", account.pn, change))
    _tell_own(hub, device, node("picture"))


def _give_token(hub: Hub, account: Account, asked: Node) -> None:
    """Give a person the token by which the server knows that we have written to them."""
    person = hub.find(asked.jid("jid"))
    if person is None:
        raise not_found()
    attrs: dict[str, Attr] = {"type": asked.text("type"), "t": asked.text("t")}
    token = node("tokens", {}, node("token", attrs, os.urandom(TOKEN_BYTES)))
    tell(hub, person, notification("privacy_token", account.pn, token, sender_lid=account.lid))


def _tell_own(hub: Hub, device: Device, change: Node) -> None:
    """Tell the account's other linked devices of a change."""
    for each in device.account.devices.values():
        if each is not device:
            hub.push(each, notification("account_sync", device.account.pn, change))


def _who_know(hub: Hub, account: Account) -> list[Account]:
    return [each for each in hub.accounts.values() if account.number in each.contacts]


def _categories(settings: dict[str, str]) -> list[Node]:
    return [node("category", {"name": name, "value": value}) for name, value in settings.items()]


def _items(hub: Hub, numbers: list[str]) -> list[Node]:
    return [node("item", {"jid": hub.accounts[each].lid}) for each in numbers]


def _list_hash(numbers: list[str]) -> str:
    """Return a hash of the block list; how the real server computes it is unknown."""
    return hashlib.sha256(",".join(sorted(numbers)).encode()).hexdigest()[:8]


def picture_id(picture: bytes) -> str:
    """Return the number by which clients know a picture."""
    return str(int.from_bytes(hashlib.sha256(picture).digest()[:4], "big"))


def _device(conn: Connection) -> Device:
    if conn.device is None:
        raise Refused(401, "not-authorized")
    return conn.device
