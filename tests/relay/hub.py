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
FINDINGS = (
    "rejected", "lost", "stale", "misdirected", "unanswered", "ignored", "mislabelled", "unhandled", "errors",
)  # fmt: skip
"""The lists that have to be empty after a test, unless the test expected an entry and took it."""
FINDINGS_FILE = "findings.json"
"""The file with the findings of a relay that was stopped, in its folder of state."""
QR_CODES = 6
SETTINGS = ("dictionaries", "first_frame_delay")
RECORDS = ("ids", "routed", "calls")


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
        self.said: deque[dict[str, Any]] = deque(maxlen=LINES_KEPT)
        """The stanzas of clients that are logged in: from (a number), tag, attrs, and the tags inside."""
        self.unhandled: dict[str, int] = {}
        """The stanzas that the relay has no answer to, and how often each came."""
        self.errors: list[str] = []
        """The exceptions that were raised inside the relay."""
        self.routed: deque[dict[str, Any]] = deque(maxlen=LINES_KEPT)
        self.ids: dict[str, str] = {}
        """The number of the account that first used a message id, by id."""
        self.rejected: list[dict[str, Any]] = []
        """The clients' messages that were refused because they are malformed: id, from, to, code, why."""
        self.lost: list[dict[str, Any]] = []
        """The clients' messages that were acknowledged without an error and reached nobody."""
        self.stale: list[dict[str, Any]] = []
        """The accepted messages that left out a device of the chat, or named another list by their phash."""
        self.misdirected: list[dict[str, Any]] = []
        """Receipts, steps of calls and typing notices that were taken and fit nobody: from, why, stanza."""
        self.unanswered: list[dict[str, Any]] = []
        """The clients' messages that got no acknowledgement, although no fault asked for that."""
        self.ignored: list[dict[str, Any]] = []
        """What phones were asked for by clients' messages and did not do: number, id, from, chat, why."""
        self.mislabelled: list[dict[str, Any]] = []
        """The clients' messages whose labels do not fit their content: id, from, why."""
        self.calls: dict[str, set[str]] = {}
        """The numbers of the people who were told of a call, by its id."""
        self.pairings_refused = 0
        self.qr_codes = QR_CODES
        self.unpaired_failure: dict[str, Any] = {}

    def findings(self) -> dict[str, list[Any]]:
        """Return what no test should cause: FINDINGS, undecrypted messages, and hosts that were refused."""
        found = {name: list(getattr(self, name)) for name in FINDINGS}
        return found | {"undecrypted": self.undecrypted(), "refused": self.refused}

    def undecrypted(self) -> list[dict[str, Any]]:
        """Return the messages that phones could not decrypt and did not get again: number, id, error."""
        return [
            {"number": account.number, "id": message_id, "error": entry.get("error", "")}
            for account in self.accounts.values()
            for message_id, entry in account.undecrypted.items()
        ]

    def save(self, path: Path) -> None:
        """Save the state that a restart must not lose."""
        kept = ("accounts", "groups", "media", "kept", "media_auths", "addressing", "refused")
        state = {name: getattr(self, name) for name in (*kept, *SETTINGS, *RECORDS, *FINDINGS)}
        path.write_bytes(pickle.dumps(state))

    def load(self, path: Path) -> None:
        """Load the state that `save` wrote, if any; refused hosts are added to those of this relay."""
        if path.exists():
            state = pickle.loads(path.read_bytes())
            self.refused += state.pop("refused")
            vars(self).update(state)

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
        device.told.add(stanza.text("id"))
        if device.conn and device.active:
            self.background(device.conn.send(stanza))

    def background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine in the background."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.note_error(error, "a task in the background")

    def later(self, seconds: float, work: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine after some seconds."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            await work

        self.background(wait())

    def log(self, way: str, conn: Connection, stanza: Node) -> None:
        """Note a stanza in the logs that tests may read."""
        self.lines.append(f"{time.time():.3f} {way} {conn} {stanza}")
        if way == "<<" and conn.device:
            attrs = {name: str(value) for name, value in stanza.attrs.items()}
            number, inside = conn.device.account.number, [each.tag for each in stanza]
            self.said.append({"from": number, "tag": stanza.tag, "attrs": attrs, "inside": inside})

    def note_unhandled(self, what: str) -> None:
        """Note a stanza that the relay had no answer to, so that tests notice."""
        self.unhandled[what] = self.unhandled.get(what, 0) + 1

    def note_misdirected(self, device: Device, stanza: Node, why: str) -> None:
        """Note a stanza of a client that was acknowledged, although it fits nobody."""
        if self.accounts.get(device.account.number) is not device.account:
            return  # all was forgotten while it was being acknowledged
        self.misdirected.append({"from": str(device.lid), "why": why, "stanza": str(stanza)})

    def note_ignored(self, account: Account, sender: Account, record: dict[str, Any], why: str) -> None:
        """Note what a phone does not do, although a client's message in its inbox asks for it."""
        about = {"number": account.number, "id": record["id"], "from": sender.number}
        self.ignored.append(about | {"chat": record["chat"], "why": why})

    def note_error(self, error: BaseException, where: str) -> None:
        """Note an exception inside the relay: no client may cause one."""
        self.errors.append(f"{error!r} at {where}")
