"""wa download."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wa.cli.options import Chat, Json, app_of, chat_of
from wa.cli.show import shown_time
from wa.errors import WaError
from wa.record import messages

commands = typer.Typer()


@commands.command()
def download(
    ctx: typer.Context,
    chat: Chat,
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help=f"{', '.join(messages.FILES)}, or all; may be left out.")
    ] = "all",
    limit: Annotated[
        int | None,
        typer.Argument(
            metavar="N", min=1, max=1_000_000, help="At most this many of the newest files, or 10."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder to put the files into.")] = None,
    max_size: Annotated[
        float, typer.Option(metavar="MB", min=0.001, help="Skip files larger than this many megabytes.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """Download the newest files and contact cards of a chat.

    Cards become .vcf files. What is already here is not downloaded again. Without
    --out, files go into media/ in WA_HOME. WhatsApp keeps files for some weeks; the
    command names those that are gone, and downloads the others.

    Example: wa download nadia image 20 --out ~/Pictures
    """
    from wa.connection import ask

    app = app_of(ctx)
    if limit is None and re.fullmatch("[1-9][0-9]{0,5}", kind):
        kind, limit = "all", int(kind)
    if kind not in ("all", *messages.FILES):
        raise WaError("usage", f"{kind!r} is not a kind of file", f"kinds: {', '.join(messages.FILES)}, all")
    found = chat_of(app, chat)
    wanted = None if kind == "all" else kind
    rows = ask.fetch(app.context, found.jid, wanted, limit or 10, folder=out, most=int(max_size * 1_000_000))

    def cells(row: Mapping[str, Any]) -> list[object]:
        return [shown_time(app, row["timestamp"]), row["message_type"], row["path"] or f"({row['error']})"]

    app.out.table(rows, ["time", "kind", "file"], cells, "no files there")
    if failure := ask.failure_of(rows):
        raise failure
