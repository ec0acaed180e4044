"""Fixtures: a relay without accounts, shared by all tests of a process; and real clients of it.

A test module that needs them says `pytest_plugins = ["relay_fixture"]` and asks for `relay`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from relay.driver import Client, Relay


@pytest.fixture(scope="session")
def relay_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of trust roots and the patched library, for every relay of this process."""
    return tmp_path_factory.mktemp("relay")


@pytest.fixture(scope="session")
def running_relay(relay_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """The relay that tests share."""
    relay = Relay(relay_folder, tmp_path_factory.mktemp("relay_state"))
    relay.start()
    yield relay
    try:
        relay.check_messages()
    finally:
        relay.stop()


@pytest.fixture(autouse=True)
def messages_reach_someone(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test nothing may be left that `Relay.check_messages` finds.

    A test that provokes a finding takes what it expected, with `relay.take_rejected` and the like.
    """
    shared: Relay | None = None
    if "running_relay" in request.fixturenames:
        shared = request.getfixturevalue("running_relay")
    yield
    if shared:
        shared.check_messages()


@pytest.fixture
def relay(running_relay: Relay) -> Iterator[Relay]:
    """The relay without accounts; after the test the proxy must not have refused any other host."""
    running_relay.clear()
    yield running_relay
    assert running_relay.refused == []


@pytest.fixture
def own_relay(relay_folder: Path, tmp_path: Path) -> Iterator[Relay]:
    """A relay for one test alone, which may stop and start it."""
    relay = Relay(relay_folder, tmp_path / "relay_state")
    relay.start()
    yield relay
    try:
        if relay.process is not None:
            relay.check_messages()
    finally:
        relay.stop()
    relay.check_messages()


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A folder in memory if possible, because a session database waits mostly for its disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def clients(memory_path: Path) -> Iterator[Callable[..., Client]]:
    """Start a real client: `clients(relay, "reem")`; the same name has the same session database."""
    with ExitStack() as stack:

        def start(relay: Relay, name: str, *options: str) -> Client:
            client = Client(relay, memory_path / f"{name}.db", *options)
            stack.callback(client.kill)
            return client

        yield start
