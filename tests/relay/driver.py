"""The relay as tests use it: its process, the people on it, and real clients in processes of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fork_server import Forked

from relay.hub import FINDINGS, FINDINGS_FILE
from relay.lines import LineProcess
from relay.people import Person
from relay.trust import client_environment

TESTS = Path(__file__).parent.parent
FIRST_NUMBER = 447_700_900_000
STARTS_WITHIN = 30.0
ENDS_WITHIN = 30.0
ANSWERED_WITHIN = 10.0
"""The seconds in which a client answers a phone that could not decrypt a message."""
__all__ = ["TESTS", "Client", "Person", "Relay"]


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
        """Cut every connection and forget every account; fail if a finding would be forgotten unread."""
        self.check_messages()
        self.call("clear")
        self._made = 0

    def save(self, path: Path) -> None:
        """Write accounts, groups and files to a file."""
        self.call("save", path=str(path))

    def load(self, path: Path) -> None:
        """Cut every connection, and go back to what `save` wrote; fail if a finding would be forgotten."""
        self.check_messages()
        self.call("load", path=str(path))

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

    def groups(self) -> dict[str, str]:
        """Return the subjects of all groups, by JID."""
        return dict(self.call("groups")["groups"])

    def group_join(self, group: str, person: Person) -> None:
        """Join by the invite code, or ask an admin to be taken in."""
        self.call("group_join", group=group, number=person.number)

    def group_decide(self, group: str, by: Person, action: str, person: Person) -> None:
        """Take in who asked to join ("approve"), or not ("reject")."""
        self.call("group_decide", group=group, by=by.number, action=action, number=person.number)

    def group_state(self, group: str) -> dict[str, Any]:
        """Return the server's state of a group: subject, members, admins, requests, code, settings."""
        return self.call("group_state", group=group)

    def group_subject(self, group: str, by: Person, subject: str) -> None:
        """Rename a group."""
        self.call("group_subject", group=group, by=by.number, subject=subject)

    def group_setting(self, group: str, by: Person, tag: str, body: str = "", **attrs: str) -> None:
        """Change a setting of a group by the phone of a member; `relay.groups.SETTINGS` has the tags."""
        self.call("group_setting", group=group, by=by.number, tag=tag, attrs=attrs, body=body)

    @property
    def unhandled(self) -> dict[str, int]:
        """Return the stanzas that the relay had no answer to, since it was cleared."""
        return dict(self.call("state")["unhandled"])

    @property
    def refused(self) -> list[str]:
        """Return the hosts that the proxy refused to clients, since the start."""
        return list(self.call("state")["refused"])

    def addressing(self, one: Person, other: Person, form: str | None) -> None:
        """Set the form of addresses in the conversation of two people: "lid", "pn" or "sent"."""
        self.call("addressing", one=one.number, other=other.number, form=form)

    @property
    def routed(self) -> list[dict[str, Any]]:
        """Return the messages that were passed on or refused, with the devices that each reached."""
        return list(self.call("state")["routed"])

    @property
    def unacknowledged(self) -> list[str]:
        """Return the ids of the clients' messages that were neither accepted nor refused."""
        return [each["id"] for each in self.routed if each["outcome"] == ""]

    def take_rejected(self) -> list[dict[str, Any]]:
        """Return the messages that were refused as malformed, and forget them: a test expected them."""
        return list(self.call("take_findings", names=["rejected"])["rejected"])

    def take_stale(self) -> list[dict[str, Any]]:
        """Return the accepted messages that left out a device, and forget them: a test expected them."""
        return list(self.call("take_findings", names=["stale"])["stale"])

    def take_misdirected(self) -> list[dict[str, Any]]:
        """Return the receipts, calls and typing notices that fit nobody, and forget them."""
        return list(self.call("take_findings", names=["misdirected"])["misdirected"])

    def take_ignored(self) -> list[dict[str, Any]]:
        """Return what phones did not do although a client asked for it, and forget it."""
        return list(self.call("take_findings", names=["ignored"])["ignored"])

    def take_mislabelled(self) -> list[dict[str, Any]]:
        """Return the messages whose labels do not fit their content, and forget them."""
        return list(self.call("take_findings", names=["mislabelled"])["mislabelled"])

    def take_unhandled(self, match: str) -> dict[str, int]:
        """Return the stanzas with this text that the relay had no answer to, and forget them."""
        return dict(self.call("take_unhandled", match=match)["unhandled"])

    def take_undecrypted(self) -> list[dict[str, Any]]:
        """Return the messages that a phone could not decrypt and did not get again, and forget them."""
        return list(self.call("undecrypted", forget=True)["undecrypted"])

    def check_messages(self) -> None:
        """Raise AssertionError, once, for all that no test should cause.

        These are the lists of `relay.hub.FINDINGS`, and messages that a phone could not decrypt, if the
        client did not answer the request for them. Of a relay that was stopped, the lists are those that it
        left.
        """
        if self.process is None:
            left = json.loads((self.state / FINDINGS_FILE).read_text())
            assert not any(left.values()), left
            return
        found = self.call("take_findings", names=FINDINGS)
        assert not any(found.values()), found
        deadline = time.monotonic() + ANSWERED_WITHIN
        while self.call("undecrypted")["undecrypted"] and time.monotonic() < deadline:
            time.sleep(0.02)
        undecrypted = self.take_undecrypted()
        assert not undecrypted, {"undecrypted": undecrypted}

    def environment(self) -> dict[str, str]:
        """Return the environment in which a process with neonize reaches this relay and no other host."""
        return client_environment(self.folder, self.ports["proxy"])


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
