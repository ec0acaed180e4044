"""The control API for tests: POST /name with a JSON object gives a JSON object; `relay.driver` uses it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from relay import addressing, groups, media, pairing, phone_settings
from relay.account_api import AccountApi
from relay.hub import FINDINGS
from relay.model import Account, Device
from relay.net import Reply, Request
from relay.phone_api import Answer
from relay.wabin import JID, Node, node

SETTINGS = (
    "addressing", "migrated", "mapped", "receipts", "contacts", "channels", "device_notices",
    "history", "chunk", "chats", "more_history", "inline_history",
    "media_auth_seconds",
)  # fmt: skip
FAULTS = (
    "ack_error",
    "ack_delay",
    "never_ack",
    "drop_on_send",
    "refuse_login",
    "refuse_code",
    "corrupt",
    "swallow",
    "hang_iq",
    "iq",
    "wrong_device_hash",
    "mangle",
    "no_answer",
    "answer_delay",
    "damaged_history",
    "upload",
)


class Api(AccountApi):
    """All endpoints: each is a `do_…` method."""

    async def handle(self, request: Request) -> Reply:
        """Answer one request; an exception becomes an answer of status 400."""
        handler = getattr(self, "do_" + urlsplit(request.target).path.strip("/"), None)
        if handler is None:
            return Reply(404, b'{"error": "there is no such endpoint"}', "application/json")
        try:
            status, out = 200, await handler(**json.loads(request.body or b"{}"))
        except Exception as exc:  # reported to the test
            status, out = 400, {"error": f"{type(exc).__name__}: {exc}"}
        return Reply(status, json.dumps(out).encode(), "application/json")

    async def do_account(self, number: str, name: str = "", **settings: Any) -> Answer:
        """Register a number, or change its settings: those of `relay.model.Account` that tests may set."""
        account = self.hub.accounts.setdefault(number, Account(number, name or number))
        account.name = name or account.name
        for key, value in settings.items():
            if key not in SETTINGS:
                raise ValueError(f"unknown setting {key!r}")
            setattr(account, key, value)
        if account.collections:
            phone_settings.publish(self.hub, account)
        return {"pn": str(account.pn), "lid": str(account.lid)}

    async def do_scan(self, qr: str, number: str, spoil: bool = False) -> Answer:
        """Scan a QR code with the phone of a number."""
        device = await pairing.scan(self.hub, self._account(number), qr, spoil)
        return {"jid": str(device.pn)}

    async def do_enter(self, code: str, number: str) -> Answer:
        """Type a pairing code into the phone of a number."""
        return {"right": await pairing.enter(self.hub, self._account(number), code)}

    async def do_qr_codes(self, count: int) -> Answer:
        """Set how many QR codes the next unpaired client gets before it times out."""
        self.hub.qr_codes = count
        return {}

    async def do_refuse_unpaired(self, **failure: Any) -> Answer:
        """Answer the next unpaired client with <failure/>, such as `reason=405` for an outdated one."""
        self.hub.unpaired_failure = failure
        return {}

    async def do_group(self, subject: str, creator: str, members: list[str]) -> Answer:
        """Make a group."""
        people = [self._account(each) for each in members]
        return {"jid": str(groups.create(self.hub, subject, self._account(creator), people).jid)}

    async def do_group_change(self, group: str, by: str, action: str, members: list[str]) -> Answer:
        """Add, remove, promote or demote members, as the phone of `by`."""
        people = [self._account(each) for each in members]
        groups.change(self.hub, self.hub.groups[JID.parse(group)], self._account(by), action, people)
        return {}

    async def do_group_subject(self, group: str, by: str, subject: str) -> Answer:
        """Rename a group, as the phone of `by`."""
        groups.rename(self.hub, self.hub.groups[JID.parse(group)], self._account(by), subject)
        return {}

    async def do_group_setting(
        self, group: str, by: str, tag: str, attrs: dict[str, str] | None = None, body: str = ""
    ) -> Answer:
        """Change a setting of a group, as the phone of `by`: a node of `relay.groups.SETTINGS`."""
        asked = node(tag, dict(attrs or {}), *([body.encode()] if body else []))
        groups.set_to(self.hub, self.hub.groups[JID.parse(group)], self._account(by), asked)
        return {}

    async def do_group_state(self, group: str) -> Answer:
        """Return the server's state of a group."""
        known = self.hub.groups[JID.parse(group)]
        members, admins = [each.number for each in known.members], [each.number for each in known.admins]
        named = {"subject": known.subject, "topic": known.topic, "code": known.code}
        settings = {name: getattr(known, name) for name in set(groups.SETTINGS.values())}
        return named | settings | {"members": members, "admins": admins, "requests": list(known.requests)}

    async def do_state(self) -> Answer:
        """Return accounts and devices, unhandled stanzas, refused hosts and routed messages."""
        hub = self.hub
        people = {
            account.number: {
                "name": account.name,
                "faults": account.faults,
                "devices": {str(each.pn): _device_state(each) for each in account.devices.values()},
            }
            for account in hub.accounts.values()
        }
        return {
            "accounts": people,
            "connections": len(hub.conns),
            "unpaired": sum(conn.device is None for conn in hub.conns),
            "unhandled": hub.unhandled,
            "refused": hub.refused,
            "routed": list(hub.routed),
            "pairings_refused": hub.pairings_refused,
            "uploads": hub.uploads,
            "media_auths": sum(until > time.time() for _, until in hub.media_auths.values()),
            "media": {path: len(data) for path, data in hub.media.items()},
        }

    async def do_log(self, last: int = 200, match: str = "") -> Answer:
        """Return the last stanzas that contain a text, both ways."""
        return {"log": [line for line in self.hub.lines if match in line][-last:]}

    async def do_save(self, path: str) -> Answer:
        """Write accounts, groups and files to a file that `load` can read."""
        self.hub.save(Path(path))
        return {}

    async def do_load(self, path: str) -> Answer:
        """Cut every connection, and go back to the accounts, groups and files that `save` wrote."""
        await self.do_clear()
        self.hub.load(Path(path))
        return {}

    async def do_clear(self) -> Answer:
        """Cut every connection and forget every account, group and file."""
        for conn in list(self.hub.conns):
            await conn.drop()
        self.hub.clear()
        return {}

    async def do_fault(self, number: str, **faults: Any) -> Answer:
        """Set faults of an account; null clears one; {"count": n} in a fault limits how often it strikes.

        {"skip": n} lets it strike only after so many times at which it would have.
        ack_error={"code": 479}: refuse a message with <ack error=…>, and do not deliver it
        ack_delay={"seconds": 3}: deliver, and acknowledge late
        never_ack={}: deliver, and never acknowledge
        drop_on_send={"route": true}: cut the connection instead of acknowledging, the message routed or not
        refuse_login={"reason": 402, "code": 101, "expire": 3600}: <failure …/> at a login
        refuse_code={"code": 429}: refuse to give out a pairing code for that number
        corrupt={}: spoil the ciphertexts of a message, so that its recipients ask for a retry
        swallow={}: neither deliver a message nor acknowledge it
        hang_iq={"spaces": ["usync"]}: never answer queries of these namespaces, and do nothing for them
        iq={"space": "w:g2", "tag": "add", "how": "silence"}: do what a query of this namespace with this
            child asks for, but do not answer; or "how" is "late" (with "seconds"), "cut" the connection, or
            "refuse" (with "code"); with {"done": false} it is not done
        wrong_device_hash={}: notices of its devices have a hash that fits no list
        mangle={"how": "dropped"}: spoil a message on its way to the server, as a broken client would;
            `relay.broken_clients.MISTAKES` has the mistakes
        no_answer={}: the phone never answers what its linked devices ask
        answer_delay={"seconds": 3}: the phone answers that late
        damaged_history={"how": "missing", "kind": "RECENT", "part": 2}: the file of a part of the history is
            "missing", "truncated", has a wrong "hash", or is no "zlib" or no "protobuf"; of every part if
            neither `kind` nor `part` (chunkOrder) are given
        upload={"cut_after": 1000}: cut the connection after that many bytes of an uploaded file; or
            {"code": 507}: refuse it; {"mangle": true}: spoil it on its way; {"lose": true}: do not keep it;
            {"seconds": 60}: answer that late
        """
        account = self._account(number)
        for name, value in faults.items():
            if name not in FAULTS:
                raise ValueError(f"unknown fault {name!r}")
            account.faults.pop(name, None)
            if value is not None:
                account.faults[name] = value
        return {"faults": account.faults}

    async def do_undecrypted(self, forget: bool = False) -> Answer:
        """Return, and perhaps forget, what phones could not decrypt and did not get again."""
        found = self.hub.undecrypted()
        for account in self.hub.accounts.values() if forget else ():
            account.undecrypted.clear()
        return {"undecrypted": found}

    async def do_take_findings(self, names: list[str]) -> Answer:
        """Return what was noted in these lists of FINDINGS, and forget it."""
        taken = {}
        for name in names:
            if name not in FINDINGS:
                raise ValueError(f"unknown list {name!r}")
            taken[name] = list(getattr(self.hub, name))
            getattr(self.hub, name).clear()
        return taken

    async def do_take_unhandled(self, match: str) -> Answer:
        """Return the unhandled stanzas that contain a text, and forget them."""
        taken = [each for each in self.hub.unhandled if match in each]
        return {"unhandled": {each: self.hub.unhandled.pop(each) for each in taken}}

    async def do_addressing(self, one: str, other: str, form: str | None) -> Answer:
        """Set the form of addresses in a conversation: "lid", "pn", "sent"; null makes it each account's."""
        addressing.choose(self.hub, self._account(one), self._account(other), form)
        return {}

    async def do_drop(self, number: str, code: int = 0) -> Answer:
        """Cut the account's connections, as a network does, or end them with <stream:error code=…/>."""
        goodbye = node("stream:error", {"code": code}) if code else None
        return await self._end(number, goodbye)

    async def do_replaced(self, number: str) -> Answer:
        """End the account's connections as if each device had connected elsewhere."""
        return await self._end(
            number, node("stream:error", {"code": 440}, node("conflict", {"type": "replaced"}))
        )

    async def do_drop_unpaired(self) -> Answer:
        """Cut the connections of clients that wait to be paired."""
        hit = [conn for conn in self.hub.conns if conn.device is None]
        for conn in hit:
            await conn.drop()
        return {"dropped": len(hit)}

    async def do_stall(self, number: str, on: bool = True) -> Answer:
        """Stall the connections: they stay open, and no byte is read or sent until `on` is false."""
        for device in self._devices(number):
            if device.conn:
                device.conn.stalled = on
        return {}

    async def do_unlink(self, number: str, how: str = "stream") -> Answer:
        """Log the account's devices out: they learn it now ("stream") or at their next login ("silent")."""
        for device in self._devices(number):
            await pairing.unlink(self.hub, device, how)
        return {}

    async def do_media_auth(self, number: str) -> Answer:
        """Give out a right to upload, as an account's devices get it."""
        return {"auth": media.connection(self.hub, self._account(number)).text("auth")}

    async def do_expire_media_auths(self, number: str) -> Answer:
        """End every right to upload that an account's devices have, before its time."""
        return {"ended": media.expire(self.hub, self._account(number))}

    async def do_forget_media(self) -> Answer:
        """Answer 404 to downloads of all files uploaded so far."""
        self.hub.media.clear()
        return {}

    async def _end(self, number: str, goodbye: Node | None) -> Answer:
        hit = [device.conn for device in self._devices(number) if device.conn]
        for conn in hit:
            await conn.drop(goodbye)
        return {"dropped": len(hit)}


def _device_state(device: Device) -> dict[str, Any]:
    return {
        "connected": device.conn is not None,
        "active": device.active,
        "pending": len(device.pending),
        "prekeys": len(device.bundle.prekeys) if device.bundle else None,
        "full_history": device.full_history,
        "dirty": device.dirty,
        "routing_info": device.conn.routing_info.hex() if device.conn else "",
    }
