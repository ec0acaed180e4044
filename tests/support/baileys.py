"""Baileys, a second and independent implementation of WhatsApp's protocol, as a client of the relay.

No file of it is changed: its pinned Noise root is replaced in memory, and its guard refuses each socket to
anything but 127.0.0.1. It reaches the relay's proxy by `https-proxy-agent`, for its web socket and uploads,
and by `undici`, for its downloads; `npm_locks` has their versions and hashes.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from npm import npm_folder
from relay.crypto import KeyPair
from relay.driver import ENDS_WITHIN, STARTS_WITHIN, Person, Relay
from relay.lines import Event, LineProcess

HERE = Path(__file__).parent
NEWEST = "7.0.0-rc14"
OLDEST = "6.17.16"
"""A version with token dictionary 2, although it is later than 6.7.24 by its number."""
OLDER = ("6.7.24", OLDEST)
LATE_SECONDS = 0.15
"""Seconds after the handshake within which Baileys 6 loses what the server says."""
WORDS = """
const { SINGLE_BYTE_TOKENS: single, DOUBLE_BYTE_TOKENS: double } = require(process.argv[1])
JSON.stringify({ single, double })
"""
"""A program that prints the token dictionary in a file of Baileys 6."""
OLDEST_NODE = 20
SEES_WITHIN = 40.0
"""Seconds; Baileys 6 keeps back for 20 what it receives after it has connected."""
STATUS = {"ERROR": 0, "PENDING": 1, "SERVER_ACK": 2, "DELIVERY_ACK": 3, "READ": 4, "PLAYED": 5}
"""The statuses of a message, as its protocol numbers them."""
UNSHOWN = ("messageContextInfo", "senderKeyDistributionMessage")
Message = dict[str, Any]


def baileys_modules(version: str = NEWEST) -> Path:
    """Return a folder with this version in `node_modules`; skip the test without npm or a new enough node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Baileys cannot run: node is not installed")
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"\d+", found)[0]) < OLDEST_NODE:
        pytest.skip(f"Baileys cannot run: it needs node {OLDEST_NODE} or newer, and this is {found.strip()}")
    return npm_folder(f"baileys-{version}")


def prepare(relay: Relay, version: str, modules: Path) -> None:
    """Make the relay understand a version: its token dictionary, and how late it is with its keys."""
    relay.call("first_frame_delay", seconds=LATE_SECONDS if version in OLDER else 0)
    if version != OLDEST:
        return
    file = modules / "node_modules/baileys/lib/WABinary/constants.js"
    words = subprocess.run(["node", "-p", WORDS, file], capture_output=True, text=True, check=True).stdout
    relay.call("dictionary", version=2, **json.loads(words))


class Baileys(LineProcess):
    """A Baileys client in a process of its own; `baileys_client.mjs` has its commands.

    `state` is the folder of its keys. A bare client counts messages, and prints none of them; a full one asks
    for the whole history.
    """

    def __init__(
        self, relay: Relay, modules: Path, state: Path, *, bare: bool = False, full: bool = False
    ) -> None:
        root = KeyPair((relay.folder / "trust/noise_root.key").read_bytes()).public.hex()
        options = {"modules": str(modules), "state": str(state), "root": root, "bare": bare, "full": full}
        guard, program = (str(HERE / name) for name in ("baileys_guard.cjs", "baileys_client.mjs"))
        self._refused = Path(f"{state}.refused")
        # with this option node reads SSL_CERT_FILE, so the relay's CA is the only one that it trusts
        command = ["node", "--use-openssl-ca", "-r", guard, program, json.dumps(options)]
        with Path(f"{state}.err").open("a") as err:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
                env={**relay.environment(), "GUARD_REFUSED": str(self._refused)},
            )
        super().__init__(process, STARTS_WITHIN)

    @property
    def refused(self) -> list[str]:
        """Return what the guard refused since the first start with this state."""
        return self._refused.read_text().splitlines() if self._refused.exists() else []

    def link(self, person: Person) -> None:
        """Pair by QR code with the account of a person who has a history; return when all is synchronized."""
        self.post("connect")
        person.scan(self.wait("connection", lambda event: event.get("qr"))["qr"])
        self.wait("synced")

    def connect(self) -> None:
        """Connect with an existing session; return when the client is caught up."""
        mark = len(self.events)
        self.do("connect")
        self.wait("connection", lambda event: event.get("connection") == "open", after=mark)
        self.wait("connection", lambda event: event.get("receivedPendingNotifications"), after=mark)

    def close(self) -> None:
        """Disconnect."""
        self.do("close")

    def send(self, to: str, content: dict[str, Any], **options: Any) -> Message:
        """Send what Baileys calls a content, such as {"text": "Hello"}; return the message."""
        return dict(self.do("send", to=to, content=content, options=options))

    def say(self, to: str, text: str, **options: Any) -> str:
        """Send a text; return its id."""
        return str(self.send(to, {"text": text}, **options)["key"]["id"])

    def message(self, message_id: str, after: int = 0) -> Message:
        """Wait for a message with a content; return it, with `key` and `message` as in the protocol."""

        def is_it(event: Event) -> bool:
            return event["key"]["id"] == message_id and bool(event.get("message"))

        return self.wait("message", is_it, SEES_WITHIN, after)

    def received(self, after: int = 0) -> list[str]:
        """Return the ids of what others sent, in order, each as often as it came with a content."""
        return [
            event["key"]["id"]
            for event in self.events[after:]
            if event["event"] == "message" and event.get("message") and not event["key"].get("fromMe")
        ]

    def updates(self, name: str) -> list[Event]:
        """Return the data of all events of this name, in order; a list of updates is taken apart."""
        found = [event["data"] for event in self.events if event["event"] == name]
        return [each for data in found for each in (data if isinstance(data, list) else [data])]

    def status(self, message_id: str) -> int:
        """Return the highest status that this client has seen of a message: a value of `STATUS`.

        It comes with the message itself when the receipt is there first.
        """
        sent = [event for event in self.events if event["event"] == "message"]
        sent += [{"key": each["key"], **each["update"]} for each in self.updates("messages.update")]
        found = [each.get("status") for each in sent if each["key"]["id"] == message_id]
        return max((int(each) for each in found if each), default=STATUS["ERROR"])

    def sha256(self, message_id: str) -> str:
        """Download the file of a message; return its digest in hexadecimal."""
        return str(self.do("download", id=message_id))

    def read(self, ids: Iterable[str]) -> None:
        """Tell the senders that these messages were read."""
        self.do("read", ids=list(ids))

    def call(self, name: str, *args: Any) -> Any:
        """Call another method of the library's socket."""
        return self.do("call", name=name, args=list(args))

    def end(self) -> None:
        """End the process."""
        assert self.process.stdin
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.process.stdin.close()
            self.process.wait(ENDS_WITHIN)
        self.kill()


def content_of(message: Message) -> tuple[str, Any]:
    """Return kind and content of a message: ("imageMessage", {…}), ("conversation", "Hello")."""
    (found,) = ((name, each) for name, each in message["message"].items() if name not in UNSHOWN)
    return found


def encoded(data: bytes) -> dict[str, str]:
    """Return bytes as a part of a content."""
    return {"base64": base64.b64encode(data).decode()}
