"""A relay and a client of it on a machine that has only loopback: `unshare --net … -m relay.alone FOLDER`.

It prints as JSON: the network interfaces, the texts that arrived, and the hosts that the proxy refused.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import sys
from pathlib import Path

from relay.driver import Client, Relay

SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def raise_loopback() -> None:
    """Bring up the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def main(folder: Path) -> None:
    """Bring loopback up, pair a client, and send."""
    raise_loopback()
    relay = Relay(folder, folder / "state")
    relay.start()
    reem, adam = relay.person("Reem"), relay.person("Adam")
    client = Client(relay, folder / "reem.db")
    try:
        client.link(reem)
        client.do("send", to=adam.number, text="near")
        relay.check_messages()
        interfaces = [name for _, name in socket.if_nameindex()]
        sys.stdout.write(json.dumps([interfaces, adam.texts(), relay.refused]) + "\n")
    finally:
        client.kill()
        relay.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
