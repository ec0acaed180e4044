"""The relay itself: sockets, logins, and the dispatch of stanzas to its parts."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.server import ServerConnection, serve

from relay import calls, media, notices, pairing, queries, receipts, routing
from relay.connection import Connection, HandshakeRefused
from relay.control import Api
from relay.hub import FINDINGS_FILE, Hub
from relay.model import Device, now
from relay.net import LOCAL, MEDIA_HOST, WEB_HOST, Reply, Request, serve_http, serve_proxy
from relay.trust import tls_context
from relay.wabin import Attr, Node, node

HANDSHAKE_WITHIN = 20.0
LARGEST_FRAME = 1 << 24
PORTS = ("proxy", "control", "web", "media")


class Server:
    """A relay with its listening sockets and the folder in which it keeps its state."""

    def __init__(self, trust: Path, state: Path) -> None:
        self.hub = Hub(trust)
        self.tls = tls_context(trust)
        self.state, self.ports_file = state / "accounts.pickle", state / "ports.json"
        self.findings_file = state / FINDINGS_FILE
        self.hub.load(self.state)
        self.findings_file.unlink(missing_ok=True)

    async def start(self) -> dict[str, int]:
        """Listen, on the ports of the last run if there was one; return the ports by name."""
        known = (
            json.loads(self.ports_file.read_text()) if self.ports_file.exists() else dict.fromkeys(PORTS, 0)
        )
        web = await serve(
            self.on_socket,
            LOCAL,
            known["web"],
            ssl=self.tls,
            max_size=LARGEST_FRAME,
            ping_interval=None,
            compression=None,
        )
        files = await serve_http(
            self.on_request, known["media"], self.tls, partial(media.cut_after, self.hub)
        )
        ports = {"web": _port(web), "media": _port(files)}
        routes = {f"{WEB_HOST}:443": ports["web"], f"{MEDIA_HOST}:443": ports["media"]}
        ports["proxy"] = _port(await serve_proxy(routes, known["proxy"], self.hub.refused.append))
        ports["control"] = _port(await serve_http(Api(self.hub).handle, known["control"]))
        self.ports_file.write_text(json.dumps(ports))
        return ports

    async def end(self) -> None:
        """Keep the accounts for a restart, and cut every connection: a client's goodbye takes 10 seconds."""
        self.hub.save(self.state)
        self.findings_file.write_text(json.dumps(self.hub.findings()))
        for conn in list(self.hub.conns):
            await conn.drop()

    async def on_request(self, request: Request) -> Reply:
        """Answer a request to the media host; an exception is noted and answered with 500."""
        try:
            return await media.answer(self.hub, request)
        except Exception as exc:
            self.hub.note_error(exc, f"{request.method} {request.target}")
            return Reply(500)

    async def on_socket(self, socket: ServerConnection) -> None:
        """Serve a client from its handshake to its end."""
        conn = Connection(self.hub, socket)
        self.hub.conns.add(conn)
        try:
            payload = await asyncio.wait_for(conn.handshake(), HANDSHAKE_WITHIN)
            # ClientPayload: username=1, device=18; a client without username wants to be paired
            if 1 in payload:
                await self.log_in(conn, str(payload.number(1)), payload.number(18))
            else:
                await pairing.offer(self.hub, conn, payload)
            while True:
                stanza = await conn.receive()
                if not conn.closing:
                    await self.try_stanza(conn, stanza)
        except HandshakeRefused as exc:
            self.hub.note_unhandled(f"handshake: {exc}")
        except (websockets.ConnectionClosed, asyncio.TimeoutError, EOFError):
            pass
        except Exception as exc:
            self.hub.note_error(exc, f"the connection of {conn}")
        finally:
            self.hub.conns.discard(conn)
            self.hub.log("--", conn, Node("closed"))
            if conn.device and conn.device.conn is conn:
                conn.device.conn, conn.device.active = None, False

    async def log_in(self, conn: Connection, number: str, device_id: int) -> None:
        """Log a linked device in; of two connections of one device the newer wins (conflict, replaced)."""
        account = self.hub.accounts.get(number)
        device = account.devices.get(device_id) if account else None
        if account is None or device is None or device.noise != conn.noise_public:
            await conn.drop(node("failure", {"reason": 401, "location": "frc"}))
            return
        if fault := account.take_fault("refuse_login"):
            failure = {name: value for name, value in fault.items() if name != "count"}
            await conn.drop(node("failure", failure))
            return
        if device.conn:
            await device.conn.drop(
                node("stream:error", {"code": 440}, node("conflict", {"type": "replaced"}))
            )
        conn.device, device.conn, device.active = device, conn, False
        about: dict[str, Any] = {"t": now(), "props": "2", "lid": device.lid, "creation": now() - 86_400}
        await conn.send(node("success", about | {"location": "frc"}))
        await notices.send_dirty(device)

    async def try_stanza(self, conn: Connection, stanza: Node) -> None:
        """Serve a stanza; an exception is noted, and the connection stays open."""
        try:
            await self.on_stanza(conn, stanza)
        except Exception as exc:
            self.hub.note_error(exc, str(stanza))

    async def on_stanza(self, conn: Connection, stanza: Node) -> None:
        """Pass a stanza to the part that handles its kind."""
        if stanza.tag == "iq":
            await queries.answer(self.hub, conn, stanza, self.on_active)
        elif conn.device is None:
            if stanza.tag not in ("ib", "ack"):
                self.hub.note_unhandled(f"before login: {stanza}")
        elif stanza.tag == "message":
            await routing.on_message(self.hub, conn, conn.device, stanza)
        elif stanza.tag == "receipt":
            await receipts.on_receipt(self.hub, conn, conn.device, stanza)
        elif stanza.tag == "ack":
            routing.settle(conn.device, stanza)
            if "error" in stanza.attrs:
                self.hub.note_unhandled(f"refused by the client: {stanza}")
        elif stanza.tag == "presence":
            conn.device.account.name = stanza.text("name") or conn.device.account.name
        elif stanza.tag == "call":
            await calls.on_call(self.hub, conn, conn.device, stanza)
        elif stanza.tag == "chatstate":
            await self.on_chat_state(conn.device, stanza)
        elif stanza.tag != "ib":
            self.hub.note_unhandled(str(stanza))

    async def on_active(self, device: Device) -> None:
        """Handle a device that says that it is active."""
        await routing.activate(self.hub, device)

    async def on_chat_state(self, device: Device, stanza: Node) -> None:
        """Pass on a typing notice, to a person or to the other members of a group."""
        to, me = stanza.jid("to"), device.account
        group, target = self.hub.groups.get(to), self.hub.find(to)
        if why := receipts.who_is_missing(self.hub, me, to):
            self.hub.note_misdirected(device, stanza, why)
            return
        who: dict[str, Attr] = {"from": receipts.sender_jid(self.hub, device, to).bare}
        people = [target] if target else []
        if group:
            who = {"from": to, "participant": device.lid.bare}
            people = [each for each in group.members if each is not me]
        for each in [device for person in people for device in person.devices.values()]:
            if each.conn and each.active:
                await each.conn.send(Node("chatstate", who, stanza.content))


def _port(server: Any) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])
