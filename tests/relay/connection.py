"""One websocket of a client: frames, the Noise handshake, and how a connection ends."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import websockets
from websockets.asyncio.server import ServerConnection

from relay import wabin
from relay.crypto import KeyPair, NoiseServer
from relay.hub import Hub
from relay.model import Device
from relay.protobuf import Fields, pack, unpack
from relay.wabin import Node

HEADER = b"WA\x06"
"""The begin of a connection; the version of the client's token dictionary is the byte behind it."""
ROUTED = b"ED\0\1"
"""The begin of a connection that was told where to go: behind it are 3 bytes of length and that."""
LINGER, LINGER_LAST = 1.0, 10.0
"""Seconds for which a connection stays open after a goodbye, and after one that is the client's last."""
AGAIN = ("500", "503")
"""The reasons of a failed login after which clients connect again when the server has closed."""
STALL_POLL = 0.1


@dataclass
class CodeRequest:
    """A client that waits for its pairing code to be typed into a phone."""

    number: str
    wrapped: bytes
    ref: bytes
    ephemeral: KeyPair = field(default_factory=KeyPair)
    secret: bytes = b""
    done: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class HandshakeRefused(Exception):
    """A client that the relay cannot talk with."""


class Connection:
    """A client's connection, before and after its login."""

    def __init__(self, hub: Hub, socket: ServerConnection) -> None:
        self.hub, self.socket = hub, socket
        self.device: Device | None = None
        self.refs: list[str] = []
        self.full_history = False
        self.code: CodeRequest | None = None
        self.pairing: Device | None = None
        self.noise_public = b""
        self.routing_info = b""
        """What an <edge_routing> told the client, which it says when it connects again."""
        self.closing = False
        """The last stanza was sent: later stanzas of the client are not answered."""
        self.stalled = False
        """The socket stays open, and no byte is read or sent."""
        self._buffer = b""
        self._received = self._sent = 0

    async def handshake(self) -> Fields:
        """Run Noise XX as the responder; return the ClientPayload.

        HandshakeMessage{clientHello=2, serverHello=3, clientFinish=4}; the hellos {ephemeral=1, static=2,
        payload=3}. Raise HandshakeRefused for a client with an unknown header or token dictionary.
        """
        header = await self._header()
        noise, ephemeral = NoiseServer(header), KeyPair()
        client_ephemeral = unpack(unpack(await self._frame()).data(2)).data(1)
        noise.mix_hash(client_ephemeral)
        noise.mix_hash(ephemeral.public)
        noise.mix_key(ephemeral.agree(client_ephemeral))
        static = noise.encrypt(self.hub.static.public)
        noise.mix_key(self.hub.static.agree(client_ephemeral))
        certificates = noise.encrypt(self.hub.certificates)
        hello = pack(f3=pack(f1=ephemeral.public, f2=static, f3=certificates))
        await self.socket.send(len(hello).to_bytes(3, "big") + hello)
        finish = unpack(unpack(await self._frame()).data(4))
        self.noise_public = noise.decrypt(finish.data(1))
        noise.mix_key(ephemeral.agree(self.noise_public))
        payload = unpack(noise.decrypt(finish.data(2)))
        self._reading, self._writing = noise.finish()
        await asyncio.sleep(self.hub.first_frame_delay)
        return payload

    async def _header(self) -> bytes:
        """Return the client's header, after what it was told by <edge_routing>, if anything."""
        if (begin := await self._take(len(ROUTED))) == ROUTED:
            self.routing_info = await self._take(int.from_bytes(await self._take(3), "big"))
            begin = await self._take(len(ROUTED))
        dictionary = self.hub.dictionaries.get(begin[-1])
        if not begin.startswith(HEADER) or dictionary is None:
            raise HandshakeRefused(f"a client with the header {begin!r}: the relay has no such dictionary")
        self._dictionary = dictionary
        return begin

    async def receive(self) -> Node:
        """Return the next stanza."""
        frame = await self._frame()
        while self.stalled:
            await asyncio.sleep(STALL_POLL)
        data = self._reading.decrypt(self._received.to_bytes(12, "big"), frame, None)
        self._received += 1
        stanza = wabin.decode(data, self._dictionary)
        self.hub.log("<<", self, stanza)
        return stanza

    async def send(self, stanza: Node) -> None:
        """Send a stanza, unless the connection is stalled, closed or closing."""
        if self.stalled or self.closing:
            return
        self.hub.log(">>", self, stanza)
        frame = self._writing.encrypt(self._sent.to_bytes(12, "big"), wabin.encode(stanza), None)
        self._sent += 1  # no await between taking the counter and queueing the frame
        with contextlib.suppress(websockets.ConnectionClosed):
            await self.socket.send(len(frame).to_bytes(3, "big") + frame)

    async def drop(self, goodbye: Node | None = None) -> None:
        """End the connection: with a last stanza (`goodbye`), or as a failing network does.

        After a goodbye it lingers: whatsmeow handles stanzas on a queue that it abandons when the socket
        closes, so a <stream:error> with the close right behind it can be lost. A client that will not come
        back closes by itself, and has more time for that: on a busy machine it may read both at once.
        """
        if goodbye is None:
            self.closing = True
            self.socket.transport.abort()
            return
        await self.send(goodbye)
        self.closing = True
        comes_back = goodbye.child("conflict") is None and goodbye.text("reason") in ("", *AGAIN)
        self.hub.later(LINGER if comes_back else LINGER_LAST, self.socket.close())

    def __str__(self) -> str:
        return str(self.device.pn) if self.device else "unpaired"

    async def _frame(self) -> bytes:
        """Return the next frame, after its 3 bytes of length; it may span or share websocket messages."""
        return await self._take(int.from_bytes(await self._take(3), "big"))

    async def _take(self, size: int) -> bytes:
        """Return the next bytes that the client sent."""
        while len(self._buffer) < size:
            self._buffer += await self._read()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def _read(self) -> bytes:
        data = await self.socket.recv()
        return data if isinstance(data, bytes) else data.encode()
