"""The relay as tests use it: its process, the people on it, and real clients in processes of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fork_server import Forked

from relay.lines import LineProcess
from relay.trust import client_environment

TESTS = Path(__file__).parent.parent
FIRST_NUMBER = 447_700_900_000
STARTS_WITHIN = 30.0
ENDS_WITHIN = 10.0


class Relay:
    """A relay process; `folder` has trust roots and the patched library, `state` the data for a restart."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder, self.state = folder, state
        self.process: subprocess.Popen[bytes] | None = None
        self.ports: dict[str, int] = {}
        self._made = 0
        state.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start the relay, on its earlier ports if it ran before."""
        command = [sys.executable, "-m", "relay", str(self.folder), str(self.state)]
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        with (self.state / "relay.log").open("ab") as log:
            self.process = Forked(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
            )
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError((self.state / "relay.log").read_text())
        self.ports = json.loads(line)

    def stop(self) -> None:
        """End the relay; it keeps its accounts."""
        if self.process is None:
            return
        try:
            self.process.communicate(timeout=ENDS_WITHIN)  # this closes the relay's stdin
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        self.process = None

    def restart(self) -> None:
        """Stop and start the relay, on the same ports and with the same accounts."""
        self.stop()
        self.start()

    def call(self, endpoint: str, **args: Any) -> dict[str, Any]:
        """Call the control API; `relay.control.Api` has the endpoints."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["control"], timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", f"/{endpoint}", json.dumps(args))
            reply = connection.getresponse()
            out: dict[str, Any] = json.loads(reply.read())
        if reply.status != 200:
            raise RuntimeError(f"{endpoint}: {out['error']}")
        return out

    def clear(self) -> None:
        """Cut every connection and forget every account."""
        self.call("clear")
        self._made = 0

    def person(self, name: str, number: str = "", **settings: Any) -> Person:
        """Add an account, with the next free number if none is given; `relay.model` has the settings."""
        taken = self.call("state")["accounts"]
        while not number or (self._made and number in taken):
            number = str(FIRST_NUMBER + self._made)
            self._made += 1
        made = self.call("account", number=number, name=name, **settings)
        return Person(self, number, name, made["pn"], made["lid"])

    def group(self, subject: str, creator: Person, *members: Person) -> str:
        """Make a group by the phone of `creator`; return its JID."""
        numbers = [member.number for member in members]
        return str(self.call("group", subject=subject, creator=creator.number, members=numbers)["jid"])

    def group_change(self, group: str, by: Person, action: str, *members: Person) -> None:
        """Add, remove, promote or demote a person by the phone of a member."""
        numbers = [member.number for member in members]
        self.call("group_change", group=group, by=by.number, action=action, members=numbers)

    def group_subject(self, group: str, by: Person, subject: str) -> None:
        """Rename a group."""
        self.call("group_subject", group=group, by=by.number, subject=subject)

    @property
    def unhandled(self) -> dict[str, int]:
        """Return the stanzas that the relay had no answer to, since it was cleared."""
        return dict(self.call("state")["unhandled"])

    @property
    def refused(self) -> list[str]:
        """Return the hosts that the proxy refused to clients, since the start."""
        return list(self.call("state")["refused"])

    def environment(self) -> dict[str, str]:
        """Return the environment in which a process with neonize reaches this relay and no other host."""
        return client_environment(self.folder, self.ports["proxy"])


@dataclass(frozen=True)
class Person:
    """A person with a phone played by the relay, and perhaps linked devices, which are real clients."""

    relay: Relay
    number: str
    name: str
    pn: str
    lid: str

    def scan(self, qr: str, spoil: bool = False) -> None:
        """Scan a QR code; `spoil` makes it a pairing that the client has to refuse."""
        self.relay.call("scan", number=self.number, qr=qr, spoil=spoil)

    def enter(self, code: str) -> bool:
        """Type in a pairing code; return whether it was right."""
        return bool(self.relay.call("enter", number=self.number, code=code)["right"])

    def set(self, **settings: Any) -> None:
        """Change settings: name, addressing, mapped, receipts, history, chunk, contacts."""
        self.relay.call("account", number=self.number, **settings)

    def send(self, to: Person | str, text: str = "", id: str = "", **message: Any) -> str:
        """Send a text, or any waE2E.Message as its JSON fields, to a person or a group; return its id."""
        chat = to if isinstance(to, str) else to.number
        content = message or {"conversation": text}
        return str(self.relay.call("send", sender=self.number, to=chat, message=content, id=id)["id"])

    def send_many(self, to: Person | str, texts: Iterable[str]) -> list[str]:
        """Send many texts at once, in order; return their ids."""
        chat = to if isinstance(to, str) else to.number
        return list(self.relay.call("send_many", sender=self.number, to=chat, texts=list(texts))["ids"])

    def send_file(self, to: Person | str, data: bytes, field: str = "imageMessage", **about: Any) -> str:
        """Send a file; `about` holds caption, mimetype, fileName as the message has them."""
        chat = to if isinstance(to, str) else to.number
        sent = self.relay.call(
            "send_file", sender=self.number, to=chat, data=data.hex(), field=field, **about
        )
        return str(sent["id"])

    def receipt(self, to: Person, ids: Iterable[str], kind: str, group: str = "") -> None:
        """Tell `to` that its messages were "delivered", "read" or "played"."""
        self.relay.call("receipt", sender=self.number, to=to.number, ids=list(ids), kind=kind, group=group)

    def inbox(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the messages that the phone could decrypt, and receipts, in order, from index `after` on."""
        return list(self.relay.call("inbox", number=self.number, after=after)["inbox"])

    def texts(self, after: int = 0) -> list[str]:
        """Return the texts that the phone received, in order."""
        return [entry["text"] for entry in self.inbox(after) if entry.get("text")]

    def share_history(self) -> None:
        """Send the history once more to the linked devices."""
        self.relay.call("history", number=self.number)

    def fault(self, **faults: Any) -> None:
        """Set faults, or clear them with None; `relay.control.Api.do_fault` has the list."""
        self.relay.call("fault", number=self.number, **faults)

    def drop(self, code: int = 0) -> None:
        """Cut the connections of the linked devices, or end them with a stream error."""
        self.relay.call("drop", number=self.number, code=code)

    def replaced(self) -> None:
        """End the connections as if the devices had connected elsewhere."""
        self.relay.call("replaced", number=self.number)

    def unlink(self, how: str = "stream") -> None:
        """Log the linked devices out; they learn it now ("stream") or at the next login ("silent")."""
        self.relay.call("unlink", number=self.number, how=how)

    def stall(self, on: bool = True) -> None:
        """Keep the sockets open and answer nothing."""
        self.relay.call("stall", number=self.number, on=on)

    def devices(self) -> dict[str, dict[str, Any]]:
        """Return the linked devices: connected, active, pending, prekeys."""
        return dict(self.relay.call("state")["accounts"][self.number]["devices"])


class Client(LineProcess):
    """A real neonize client in a process of its own; `relay.real_client.Commands` has its commands."""

    def __init__(self, relay: Relay, database: Path, *options: str) -> None:
        environment = relay.environment()
        environment["PYTHONPATH"] += os.pathsep + str(TESTS)
        command = [sys.executable, "-m", "relay.real_client", str(database), str(database) + ".log", *options]
        process = Forked(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        super().__init__(process, STARTS_WITHIN)

    def link(self, person: Person) -> None:
        """Connect for the first time and be scanned by a phone; return when the client is caught up."""
        self.post("connect")
        person.scan(self.wait("qr")["qr"])
        self.wait("OfflineSyncCompleted")
        self.wait("Connected")

    def connect(self) -> None:
        """Connect with an existing session; return when the client is caught up."""
        mark = len(self.events)
        self.post("connect")
        self.wait("OfflineSyncCompleted", after=mark)
        self.wait("Connected", after=mark)

    def texts(self, after: int = 0) -> list[str]:
        """Return the received texts, in order."""
        return [each["text"] for each in self.events[after:] if each["event"] == "Message" and each["text"]]

    def end(self) -> int:
        """Disconnect, wait for received events, stop, exit; return the exit status."""
        self.do("finish")
        self._write({"rid": 0, "do": "exit"})
        self.process.wait(ENDS_WITHIN)
        self.kill()
        return self.process.returncode
