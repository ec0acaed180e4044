"""Run the relay: `python -m relay FOLDER STATE`; it prints its ports as JSON and serves until stdin closes.

FOLDER gets the trust roots and the patched copy of neonize, which relays may share; STATE holds one relay's
accounts from one run to the next.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from relay.server import Server
from relay.trust import prepare


async def main(folder: Path, state: Path) -> None:
    """Serve until our parent closes our stdin, then keep the accounts."""
    prepare(folder)
    server = Server(folder / "trust", state)
    sys.stdout.write(json.dumps(await server.start()) + "\n")
    sys.stdout.flush()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    await server.end()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
