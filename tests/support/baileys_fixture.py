"""Fixtures: `wa` and Baileys, linked to two people's accounts on one relay, who write to each other.

A module says `pytest_plugins = ["baileys_fixture"]` and asks for `scene`. The newest Baileys, with people
addressed by number, is the one of `make test`; the others, and hidden ids, have the mark `soak`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from baileys import NEWEST, OLDER, Baileys, Message, baileys_modules
from linked import Command, Device, memory_folder, past
from relay.driver import Person, Relay

pytest_plugins = ["linked_fixture"]

CLIENTS = [
    pytest.param((version, addressing), id=f"{version}-{addressing}", marks=marks)
    for version, addressing, marks in [
        (NEWEST, "pn", []),
        (NEWEST, "lid", pytest.mark.soak),
        *((version, addressing, pytest.mark.soak) for version in OLDER for addressing in ("pn", "lid")),
    ]
]


@dataclass(frozen=True)
class Scene:
    """Reem, to whose account `wa` is linked; Adam, to whose account Baileys is; Eve, who has a phone."""

    relay: Relay
    device: Device
    baileys: Baileys
    version: str
    addressing: str
    reem: Person
    adam: Person
    eve: Person

    @property
    def listener(self) -> Command:
        """Return the listener, which holds the connection of `wa` and logs what the library says."""
        return self.device.listening("-v")

    @property
    def to_reem(self) -> str:
        """Return the address by which Baileys writes to Reem."""
        return self.reem.pn if self.addressing == "pn" else self.reem.lid

    def comes(self, content: dict[str, Any], to: str = "", **options: Any) -> Message:
        """Send a content from Baileys; return its message when `wa listen` has printed it."""
        assert self.listener
        sent = self.baileys.send(to or self.to_reem, content, **options)
        self.printed(sent["key"]["id"])
        return sent

    def printed(self, message_id: str) -> dict[str, Any]:
        """Wait until `wa listen` has printed a message; return the line."""
        return dict(self.listener.event(lambda event: event["message_id"] == message_id))

    def goes(self, *args: str, to: str = "") -> Message:
        """Run `wa send` with these arguments; return the message as Baileys receives it."""
        row = self.device.json("send", to or self.adam.number, *args)
        assert row["status"] in ("sent", "delivered", "read"), row
        return self.baileys.message(row["message_id"])

    def row(self, message_id: str, chat: str = "") -> dict[str, Any]:
        """Return a message as `wa read` shows it."""
        rows = self.device.chat(chat or self.adam)
        return next(row for row in rows if row["message_id"] == message_id)


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The version of Baileys, and the form of the addresses that it meets and uses."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def start_baileys(town: Relay, client: tuple[str, str]) -> Iterator[Callable[..., Baileys]]:
    """Start a Baileys client: `start_baileys("adam")`; none of them may try to reach another host."""
    modules, started = baileys_modules(client[0]), []
    with memory_folder() as folder:

        def start(name: str, relay: Relay = town, **options: bool) -> Baileys:
            started.append(Baileys(relay, modules, Path(folder) / name, **options))
            return started[-1]

        try:
            yield start
        finally:
            for each in started:
                each.end()
        assert [each.refused for each in started] == [[]] * len(started)


@pytest.fixture(scope="module")
def scene(
    town: Relay,
    device: Device,
    reem: Person,
    old_friend: Person,
    client: tuple[str, str],
    start_baileys: Callable[..., Baileys],
) -> Scene:
    """Two linked clients that have talked a little."""
    version, addressing = client
    reem.set(addressing=addressing, receipts=["delivered"])  # `wa` itself says so only while it is online
    # Baileys waits 20 s for a history before it sends its own receipts.
    adam = town.person("Adam", history=past(old_friend), addressing=addressing)
    eve = town.person("Eve", receipts=["delivered"])
    baileys = start_baileys("adam")
    baileys.link(adam)
    made = Scene(town, device, baileys, version, addressing, reem, adam, eve)
    made.comes({"text": "Hello Reem"})
    made.goes("Hello Adam")
    return made
