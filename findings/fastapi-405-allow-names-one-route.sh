#!/bin/sh
# FastAPI (with starlette) answers a method that a path does not take with 405 and an Allow header that names the methods
# of one of the path's functions alone: a path with a GET and a POST says "Allow: GET". Who asks what a resource can do
# (OPTIONS, an API gateway, a fuzzer that compares with the OpenAPI description of the same application) is told that
# nothing can be posted to it.
# What helps: a handler for status 405 that collects the methods of all routes that match the path.
# Version: fastapi 0.165.0, starlette 1.10.0
# Source: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6 ("The origin server MUST generate an Allow header field in
#   a 405 response containing a list of the target resource's currently supported methods")
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastapi==0.165.0 starlette==1.10.0 uvicorn==0.54.0
cat >"$folder/ask.py" <<'END'
import http.client
import socket
import threading
import time

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/items")
def items() -> list[str]:
    return []


@app.post("/items")
def add() -> str:
    return "added"


bound = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
running = threading.Thread(target=server.run, args=([bound],))
running.start()
while not server.started:
    time.sleep(0.01)
line = http.client.HTTPConnection("127.0.0.1", bound.getsockname()[1])
line.request("DELETE", "/items")
answer = line.getresponse()
print(answer.status, answer.headers["Allow"], ",".join(sorted(app.openapi()["paths"]["/items"])))
line.close()
server.should_exit = True
running.join()
END
seen=$("$folder/venv/bin/python" "$folder/ask.py")
echo "fastapi 0.165.0, DELETE of a path with GET and POST (status, Allow, methods in its OpenAPI description):"
echo "expected 405 with GET and POST in Allow, seen $seen"
[ "$seen" = '405 GET get,post' ]
