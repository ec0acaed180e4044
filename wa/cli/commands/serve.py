"""wa serve."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from wa.cli.options import Json, app_of
from wa.errors import WaError

commands = typer.Typer()


@commands.command()
def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(metavar="H", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 takes a free one.")
    ] = 3002,
    as_json: Json = False,
) -> None:
    """Serve the HTTP API, beside whatever holds the connection.

    It needs the extra `wa[web]`. It sends nothing itself: `wa run-scheduler` or `wa listen`
    does. Without API_SECRET it serves this machine alone, and prints a link for a browser.

    Example: wa serve --port 3002
    """
    app = app_of(ctx)
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise WaError(
            "usage",
            f"wa serve needs the extra wa[web]: {error.name} is not installed",
            "pip install 'wa[web]'",
        ) from None
    from wa.web import server
    from wa.web.access import Link
    from wa.web.config import parse_config

    config = parse_config(app.values, host)
    _ = app.store  # makes or upgrades it, or says why not, before anything answers
    bound = server.listening(host, port)
    link = Link(time.monotonic()) if config.secret is None else None
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{bound.getsockname()[1]}"

    def ready() -> None:
        path = f"/login?key={link.key}" if link else ""
        app.out.event({"event": "serving", "url": address + path}, f"serving on {address}")
        if link:
            app.out.line(f"log in within ten minutes, once: {address}{path}")

    server.run(bound, host, app.home, app.settings, config, app.now, link, ready)
