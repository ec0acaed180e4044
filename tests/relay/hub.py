"""The state of the relay, and what every part of it does: find accounts, queue stanzas, note them."""

from __future__ import annotations

import asyncio
import importlib
import pickle
import sys
import time
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relay.crypto import KeyPair
from relay.model import Account, Device, Group, key_of
from relay.trust import installed_neonize, noise_certificates
from relay.wabin import JID, LID, NEWEST, NEWEST_DICTIONARY, PN, Node

if TYPE_CHECKING:
    from relay.connection import Connection

LINES_KEPT = 5000
FINDINGS = ("rejected", "lost", "stale")
"""The lists of what no test should cause unawares."""
QR_CODES = 6


SETTINGS = ("dictionaries", "first_frame_delay")


class Hub:
    """Accounts, groups, media and connections; one for each relay."""

    def __init__(self, trust: Path) -> None:
        self.static = KeyPair()
        self.certificates = noise_certificates(trust, self.static.public)
        folder = str(installed_neonize() / "proto")
        if folder not in sys.path:  # without importing neonize itself, which would load the library
            sys.path.insert(0, folder)
        self.e2e: Any = importlib.import_module("waE2E.WAWebProtobufsE2E_pb2")
        self.hist: Any = importlib.import_module("waHistorySync.WAWebProtobufsHistorySync_pb2")
        self.web: Any = importlib.import_module("waWeb.WAWebProtobufsWeb_pb2")
        self.retry: Any = importlib.import_module("waMmsRetry.WAMmsRetry_pb2")
        self.action: Any = importlib.import_module("waSyncAction.WAWebProtobufSyncAction_pb2")
        self.registration: Any = importlib.import_module("waCompanionReg.WAWebProtobufsCompanionReg_pb2")
        self.sync: Any = importlib.import_module("waServerSync.WAWebProtobufsServerSync_pb2")
        self.adv: Any = importlib.import_module("waAdv.WAAdv_pb2")
        self.dictionaries = {NEWEST: NEWEST_DICTIONARY}
        """The token dictionaries of clients, by version."""
        self.first_frame_delay = 0.0
        """Seconds between a handshake and the first frame; Baileys 6 loses a frame that comes at once."""
        self.conns: set[Connection] = set()
        self.refused: list[str] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.clear()

    def clear(self) -> None:
        """Forget everything but the hosts that the proxy refused."""
        self.accounts: dict[str, Account] = {}
        self._by_lid: dict[str, Account] = {}
        self.groups: dict[JID, Group] = {}
        self.addressing: dict[frozenset[str], str] = {}
        """The form of addresses in a conversation, by the numbers of its two people."""
        self.media: dict[str, bytes] = {}
        self.kept: dict[str, bytes] = {}
        self.media_auths: dict[str, tuple[str, float]] = {}
        """The rights to upload that were given out: the account's number, and the Unix time of the end."""
        self.uploads: list[dict[str, Any]] = []
        """The uploads that were answered or cut: number, kind, bytes, status; 0 is one that has no answer."""
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.unhandled: dict[str, int] = {}
        self.routed: deque[dict[str, Any]] = deque(maxlen=LINES_KEPT)
        self.ids: dict[str, str] = {}
        """The number of the account that first used a message id, by id."""
        self.rejected: list[dict[str, Any]] = []
        """The clients' messages that were refused because they are malformed: id, from, to, code, why."""
        self.lost: list[dict[str, Any]] = []
        """The clients' messages that were acknowledged without an error and reached nobody."""
        self.stale: list[dict[str, Any]] = []
        """The accepted messages that left out a device of the chat, or named another list by their phash."""
        self.pairings_refused = 0
        self.qr_codes = QR_CODES
        self.unpaired_failure: dict[str, Any] = {}

    def save(self, path: Path) -> None:
        """Save the state that a restart must not lose."""
        kept = ("accounts", "groups", "media", "kept", "media_auths", "addressing", *SETTINGS, *FINDINGS)
        state = {name: getattr(self, name) for name in kept}
        path.write_bytes(pickle.dumps(state))

    def load(self, path: Path) -> None:
        """Load the state that `save` wrote, if any."""
        if path.exists():
            vars(self).update(pickle.loads(path.read_bytes()))

    def find(self, jid: JID) -> Account | None:
        """Return the account of an address, by number or by hidden id."""
        if jid.server in (PN, "c.us"):
            return self.accounts.get(jid.user)
        if jid.server != LID:
            return None
        if jid.user not in self._by_lid:
            self._by_lid = {each.lid.user: each for each in self.accounts.values()}
        return self._by_lid.get(jid.user)

    def find_device(self, jid: JID) -> Device | None:
        """Return the linked device of an address."""
        account = self.find(jid)
        return account.devices.get(jid.device) if account else None

    def push(self, device: Device, stanza: Node) -> None:
        """Queue a stanza until the device acknowledges it, and send it if the device is connected."""
        device.pending[key_of(stanza.tag, stanza, "from")] = stanza
        if device.conn and device.active:
            self.background(device.conn.send(stanza))

    def background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine in the background."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def later(self, seconds: float, work: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine after some seconds."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            await work

        self.background(wait())

    def log(self, way: str, conn: Connection, stanza: Node) -> None:
        """Note a stanza in the log that tests may read."""
        self.lines.append(f"{time.time():.3f} {way} {conn} {stanza}")

    def note_unhandled(self, what: str) -> None:
        """Note a stanza that the relay had no answer to, so that tests notice."""
        self.unhandled[what] = self.unhandled.get(what, 0) + 1
