"""The two linked clients of `baileys_fixture`, and what each has to see of the other."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from baileys import NEWEST, Baileys, Message
from conftest import wait_for
from linked import Command, Device
from relay.driver import Person, Relay
from relay.message_checks import INVALID

LOST_OF_CROSSING = 0.5
"""The part of the messages of Baileys 7 that may be unreadable when they cross others.

How many are is chance: there were 2 to 5 of 120 on an idle machine, and up to 9 on a busy one. The library or
the server has to have named the cause of each.
"""


@dataclass(frozen=True)
class Scene:
    """Three people: `wa` is linked to the account of Reem, Baileys to that of Adam, and Eve has a phone."""

    relay: Relay
    device: Device
    baileys: Baileys
    version: str
    addressing: str
    reem: Person
    adam: Person
    eve: Person

    def listening(self) -> Command:
        """Return the listener, started if it does not run; it logs what the library says."""
        return self.device.listening("-v")

    @property
    def to_reem(self) -> str:
        """Return the address by which Baileys writes to Reem."""
        return self.reem.pn if self.addressing == "pn" else self.reem.lid

    def comes(self, content: dict[str, Any], to: str = "", **options: Any) -> Message:
        """Send a content from Baileys; return its message when `wa listen` has printed it."""
        self.listening()
        sent = self.baileys.send(to or self.to_reem, content, **options)
        self.printed(sent["key"]["id"])
        return sent

    def printed(self, message_id: str) -> dict[str, Any]:
        """Wait until `wa listen` has printed a message; return the line."""
        return dict(self.listening().event(lambda event: event["message_id"] == message_id))

    def goes(self, *args: str, to: str = "") -> Message:
        """Run `wa send` with these arguments; return the message as Baileys receives it."""
        row = self.device.json("send", to or self.adam.number, *args)
        assert row["status"] in ("sent", "delivered", "read"), row
        return self.baileys.message(row["message_id"])

    def row(self, message_id: str, chat: str = "") -> dict[str, Any]:
        """Return a message as `wa read` shows it."""
        rows = self.device.chat(chat or self.adam)
        return next(row for row in rows if row["message_id"] == message_id)


def cross(scene: Scene, baileys: Baileys, to: Person, count: int) -> None:
    """Let `wa` and this client, of that person, write at the same time; each message has to arrive once.

    Each writes to the other once before that: the first message of Baileys 7 leaves out a device whose own
    first message comes in that moment.
    """
    scene.listening()
    scene.printed(baileys.say(scene.to_reem, "Hello"))
    baileys.message(scene.device.json("send", to.number, "Hello")["message_id"])
    commands, ids, mark = [], [], len(baileys.events)
    for number in range(count):
        text = f"crossing {number} of wa"
        commands.append(scene.device.start("send", to.number, text, "--no-wait", "--json"))
        ids.append(baileys.say(scene.to_reem, f"crossing {number} of Baileys"))
    sent = set(sent_ids(scene, [command.finish().json for command in commands]))
    wait_for(lambda: sent <= set(baileys.received(mark)), what="all of wa's messages")
    assert len(baileys.received(mark)) == count
    for stanza in scene.relay.take_unhandled('error="500"'):  # Baileys could not decrypt it, and asked again
        assert any(f'<ack id="{each}"' in stanza for each in sent), stanza
    wait_for(lambda: {*ids} <= printed(scene) | unreadable(scene, ids), what="all of Baileys' messages")
    assert {each["code"] for each in scene.relay.take_rejected()} <= {INVALID}
    lost = unreadable(scene, ids)
    most = count * LOST_OF_CROSSING if scene.version == NEWEST else 0
    told = {"old counter": repeated(scene) & {*ids}, "refused": refused(scene) & {*ids}}
    assert len(lost) <= most, {why: len(found) for why, found in told.items()}
    expected = [each for each in ids if each not in lost]
    lines = [message["message_id"] for message in scene.listening().messages]
    assert [lines.count(each) for each in expected] == [1] * len(expected)
    texts = {row["message_id"]: row["content"] for row in scene.device.json("read", to.number, "500")}
    assert [texts.get(each) for each in ids if each in expected] == [
        f"crossing {number} of Baileys" for number, each in enumerate(ids) if each in expected
    ]


def printed(scene: Scene) -> set[str]:
    """Return the ids of the messages that `wa listen` has printed."""
    return {message["message_id"] for message in scene.listening().messages}


def unreadable(scene: Scene, ids: Iterable[str]) -> set[str]:
    """Return those of Baileys' messages that `wa` cannot read, and which no answer repairs.

    Baileys 7 may use a message key twice when it sends while it receives: it reads a session, and writes it
    back after the other has changed it. The library takes the second message for a repetition of the first.
    And Baileys answers a request to send a message again with a stanza that the server refuses.
    """
    return (repeated(scene) | refused(scene)) & {*ids}


def repeated(scene: Scene) -> set[str]:
    """Return the ids of the messages that the library took for repetitions: their key was used before."""
    return set(re.findall(r"Ignoring message (\w+) .* old counter", scene.listening().err))


def refused(scene: Scene) -> set[str]:
    """Return the ids of the stanzas that the server refused."""
    return {each["id"] for each in scene.relay.routed if each["outcome"] == "refused"}


def sent_ids(scene: Scene, queued: Iterable[dict[str, Any]]) -> list[str]:
    """Wait until these rows of the queue are sent; return the ids of their messages, in order."""

    def rows() -> list[dict[str, Any]]:
        found = {row["id"]: row for row in scene.device.json("schedule", "list", "--status", "all")}
        return [found[each["id"]] for each in queued]

    wait_for(lambda: {row["status"] for row in rows()} == {"sent"}, what="the end of the queue")
    return [row["message_id"] for row in rows()]


def sha256(data: bytes) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(data).hexdigest()
