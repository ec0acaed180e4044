"""Fixtures: `wa` and Baileys, linked to two people's accounts on one relay, who write to each other.

A module says `pytest_plugins = ["baileys_fixture"]` and asks for `scene`. The newest Baileys, with people
addressed by number, is the one of `make test`; the others, and hidden ids, have the mark `soak`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from baileys import NEWEST, OLDER, Baileys, baileys_modules, prepare
from linked import Device, memory_folder, past
from relay.driver import Person, Relay
from second_client import Scene

pytest_plugins = ["linked_fixture"]

CLIENTS = [
    pytest.param(
        (version, addressing),
        id=f"{version}-{addressing}",
        marks=[] if (version, addressing) == (NEWEST, "pn") else [pytest.mark.soak],
    )
    for version in (NEWEST, *OLDER)
    for addressing in ("pn", "lid")
]


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
            prepare(relay, client[0], modules)
            started.append(Baileys(relay, modules, Path(folder) / name, **options))
            return started[-1]

        try:
            yield start
        finally:
            for each in started:
                each.end()
            prepare(town, NEWEST, modules)
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
    # Baileys 6 keeps back for 20 s what it receives when no history comes, so Adam has one.
    adam = town.person("Adam", history=past(old_friend), addressing=addressing)
    eve = town.person("Eve", receipts=["delivered"])
    baileys = start_baileys("adam")
    baileys.link(adam)
    made = Scene(town, device, baileys, version, addressing, reem, adam, eve)
    made.comes({"text": "Hello Reem"})
    made.goes("Hello Adam")
    return made


@pytest.fixture
def fresh(scene: Scene, start_baileys: Callable[..., Baileys]) -> tuple[Baileys, Person]:
    """Another Baileys client and its person, for a test that may leave their sessions in disorder."""
    person = scene.relay.person("Fresh", history=past(scene.eve), addressing=scene.addressing)
    client = start_baileys(f"fresh-{person.number}")
    client.link(person)
    return client, person
