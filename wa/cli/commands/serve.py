"""wa serve."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from wa.cli.options import Json, app_of
from wa.errors import WaError

commands = typer.Typer()
_NEEDS = ("fastapi", "prometheus_client", "python_multipart", "uvicorn")
"""The packages of the extra that it cannot do without."""


@commands.command()
def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(metavar="H", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 takes a free one.")
    ] = 3002,
    as_json: Json = False,
) -> None:
    """Serve the HTTP API and the web page.

    It needs the extra `web`, and runs beside whatever holds the connection. It sends nothing
    itself: `wa run-scheduler` or `wa listen` does. Without API_SECRET it serves this machine
    alone, and prints a link for a browser.

    Example: wa serve --port 3002
    """
    app = app_of(ctx)
    if missing := [name for name in _NEEDS if find_spec(name) is None]:
        message = f"wa serve needs the extra `web`: {missing[0]} is not installed"
        raise WaError("usage", message, f"in the checkout of wa: {sys.executable} -m pip install '.[web]'")
    import secrets

    from wa.queue.attention import sweep_uploads
    from wa.web.config import parse_config
    from wa.web.processes import listening
    from wa.web.standalone import become

    config = parse_config(app.values, host)
    if not app.read_only:
        sweep_uploads(app.store)
    elif config.secret is None:
        message = "a read-only `wa serve` needs API_SECRET: nobody can log in by a link, which is stored"
        raise WaError("bad-setting", message, "set API_SECRET to 20 characters or more, for programs to send")
    app.store.close()  # it is made or upgraded now, or says why not, before anything answers
    bound = listening(host, port)
    key = secrets.token_urlsafe(24) if config.secret is None else None
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{bound.getsockname()[1]}"
    path = f"/login?key={key}" if key else ""
    app.out.event({"event": "serving", "url": address + path}, f"serving on {address}")
    if key:
        app.out.line(f"log in within ten minutes, once: {address}{path}")
    become(bound, host, app.home, app.settings, app.values, key, app.verbose)
