#!/bin/sh
# A server of mcp 2 on stdio that reads its requests from a file or a pipe does what the last ones ask, and answers none
# of them: at the end of the input the library cancels what is still to be answered, while a tool that is a plain
# function runs on in its thread to the end. Who asks `server < requests > answers` finds neither an answer nor an
# error, takes the request for lost, and asks again: the note below is then written down twice.
# What helps: keep the server's stdin open until the answer is there ((cat requests; sleep 1) | server), and a key
# that makes a repeated request harmless.
# Version: mcp 2.3.0
# Source: https://www.jsonrpc.org/specification#response_object ("the Server MUST reply with a Response"); the protocol
#   closes a server's input to end it, and then waits for its exit:
#   https://modelcontextprotocol.io/specification/2025-06-18/basic/lifecycle#shutdown; known upstream as
#   https://github.com/modelcontextprotocol/python-sdk/issues/2678
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q mcp==2.3.0
cd "$folder"
cat >server.py <<'END'
import time

from mcp.server.mcpserver import MCPServer

server = MCPServer("notes", log_level="CRITICAL")


@server.tool()
def note(text: str) -> str:
    """Write a note down."""
    time.sleep(0.2)
    with open("notes", "a") as notes:
        notes.write(text + "\n")
    return "written down"


server.run()
END
cat >requests <<'END'
{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"pipe","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"note","arguments":{"text":"milk"}}}
END
venv/bin/python server.py <requests >answers
(cat requests; sleep 3) | venv/bin/python server.py >answers-later
echo "mcp 2.3.0, a request to note milk, and the end of the input: expected 1 answer with its result, seen"
echo "$(grep -c 'written down' answers || true), with $(head -n 1 notes) noted; with the input held open: $(grep -c 'written down' answers-later)"
! grep -q 'written down' answers && [ "$(cat notes)" = "$(printf 'milk\nmilk')" ] && grep -q 'written down' answers-later
