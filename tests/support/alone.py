"""The main job with only the loopback interface: `unshare --net … -m alone FOLDER`, each command a process.

It prints as JSON: the network interfaces, the texts that arrived, and the hosts that the proxy refused.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from conftest import WA, wait_for
from relay.alone import raise_loopback
from relay.driver import Person, Relay


def main(folder: Path) -> None:
    """Link, listen, send, read."""
    raise_loopback()
    relay = Relay(folder, folder / "state")
    relay.start()
    env = {**os.environ, **relay.environment(), "WA_HOME": str(folder / "home"), "WA_TRANSPORT": "neonize"}
    try:
        reem, adam = relay.person("Reem"), relay.person("Adam")
        _link(env, reem)
        listener = subprocess.Popen(
            [WA, "listen"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        adam.send(reem, "far")
        wait_for(lambda: "far" in _run(env, "chats"), what="the message")
        _run(env, "send", adam.number, "near")
        listener.terminate()
        listener.communicate(timeout=10)
        relay.check_messages()
        interfaces = [name for _, name in socket.if_nameindex()]
        sys.stdout.write(json.dumps([interfaces, adam.texts(), relay.refused]) + "\n")
    finally:
        relay.stop()


def _link(env: dict[str, str], person: Person) -> None:
    link = subprocess.Popen([WA, "link", "--json"], env=env, stdout=subprocess.PIPE, text=True)
    assert link.stdout
    person.scan(json.loads(link.stdout.readline())["code"])
    link.communicate(timeout=60)
    assert link.returncode == 0


def _run(env: dict[str, str], *args: str) -> str:
    return subprocess.run([WA, *args], env=env, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
