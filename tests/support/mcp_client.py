"""An agent of the tests: the official client of `mcp`, and a `wa mcp` process that it starts.

The client takes 0.8 s to import, which the processes that run other tests are spared.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from anyio.from_thread import BlockingPortal, start_blocking_portal
from fork_server import READ_AT_START, Forked

if TYPE_CHECKING:
    from mcp.client.client import Client

WA = str(Path(sys.executable).parent / "wa")


@dataclass
class Answer:
    """The answer of a tool: its structured content, whether it is an error, and its text."""

    value: Any
    is_error: bool
    text: str

    def __getitem__(self, name: str) -> Any:
        assert not self.is_error, self.text
        return self.value[name]

    @property
    def code(self) -> str:
        """Return the code of the error."""
        assert self.is_error, self.text
        assert self.value == json.loads(self.text)
        assert self.value["error"].keys() == {"code", "message", "hint"}
        return str(self.value["error"]["code"])


@dataclass
class Agent:
    """A client that is connected to a server of its own."""

    portal: BlockingPortal
    client: Client
    pid: int

    def __call__(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool."""
        return self.portal.call(self.ask, tool, arguments)

    async def ask(self, tool: str, arguments: dict[str, Any]) -> Answer:
        """Call a tool within the client's loop."""
        result = await self.client.call_tool(tool, arguments)
        (text,) = result.content
        assert text.type == "text"
        return Answer(result.structured_content, result.is_error, text.text)

    def tools(self) -> dict[str, Any]:
        """Return the tools by name."""
        return {tool.name: tool for tool in self.portal.call(self.client.list_tools).tools}

    def kill(self) -> None:
        """Send SIGKILL to the server."""
        os.kill(self.pid, signal.SIGKILL)


@contextmanager
def agent(folder: Path, *args: str, **env: str) -> Iterator[Agent]:
    """Start `wa mcp ARGS` with the settings of this process, as a client of this user would."""
    from mcp import StdioServerParameters
    from mcp.client.client import Client
    from mcp.client.stdio import stdio_client

    settings = {name: text for name, text in os.environ.items() if name.startswith(("WA_", *READ_AT_START))}
    server = StdioServerParameters(command=WA, args=["mcp", *args], env={**settings, **env})
    failure: BaseException | None = None
    started: list[int] = []

    class Server(Forked):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self.pid)

    with (
        open(folder / "mcp.log", "a") as log,
        patch("subprocess.Popen", Server),
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(stdio_client(server, errlog=log))) as client,
    ):
        try:
            yield Agent(portal, client, started[0])
        except BaseException as error:
            failure = error  # the client would raise it within groups of groups
    if failure is not None:
        raise failure
