"""Fixtures: a home that is linked to an account on the relay, and people to talk to.

A module that says `pytest_plugins = ["linked_fixture"]` has a `device`: a home linked to the account of
`reem`, the same for all tests of the module. `newcomer` makes a person for one test.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from linked import Command, Device, Silence, memory_folder, past
from relay.driver import Person, Relay

pytest_plugins = ["relay_fixture"]


@pytest.fixture(scope="module")
def town(running_relay: Relay) -> Iterator[Relay]:
    """The relay, without accounts when the module begins."""
    running_relay.clear()
    yield running_relay
    running_relay.check_messages()
    assert running_relay.refused == []


@pytest.fixture(scope="module")
def old_friend(town: Relay) -> Person:
    """A person in the history."""
    return town.person("Old Friend")


@pytest.fixture(scope="module")
def reem(town: Relay, old_friend: Person) -> Person:
    """The person whose account the device is linked to."""
    return town.person("Reem", history=past(old_friend))


@pytest.fixture(scope="module")
def device(town: Relay, reem: Person) -> Iterator[Device]:
    """A home that is linked to the account of Reem."""
    with memory_folder() as folder:
        made = Device(town, Path(folder) / "home")
        try:
            made.link(reem)
            yield made
        finally:
            made.end()


@pytest.fixture
def listener(device: Device) -> Command:
    """A listener that holds the connection."""
    return device.listening()


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], str]:
    """Write a file to send; return its path."""

    def write(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


@pytest.fixture
def newcomer(town: Relay) -> Callable[..., Person]:
    """Make a person for one test, with a phone that shows what it received."""
    return lambda name, **settings: town.person(name, **{"receipts": ["delivered"], **settings})


@pytest.fixture
def adam(newcomer: Callable[..., Person]) -> Person:
    """A person to write to."""
    return newcomer("Adam")


@pytest.fixture
def nowhere() -> Iterator[dict[str, str]]:
    """Settings of a server that cannot be reached."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield {"HTTPS_PROXY": f"http://127.0.0.1:{taken.getsockname()[1]}"}


@pytest.fixture
def silence() -> Iterator[Silence]:
    """A server that accepts connections and never answers."""
    made = Silence()
    yield made
    made.close()
