"""wa link and unlink."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of, finite
from wa.jids import phone_of_jid
from wa.texts import counted

commands = typer.Typer()


@commands.command()
def link(
    ctx: typer.Context,
    phone: Annotated[
        str | None,
        typer.Option("--phone", metavar="N", help="Show a code to type on the phone with this number."),
    ] = None,
    full_history: Annotated[
        bool, typer.Option("--full-history", help="Ask the phone for its whole history.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(min=1, max=3600, metavar="S", help="Give up after this many seconds.", callback=finite),
    ] = 120,
    as_json: Json = False,
) -> None:
    """Link this device to your WhatsApp account.

    On the phone: Settings, Linked devices, Link a device; then scan the QR code
    that appears here. With --phone, choose "Link with phone number instead" on
    the phone and type the code. The phone then sends the last months of its
    history, or all of it with --full-history.

    Example: wa link
    """
    from wa.connection.link import link as link_device

    app = app_of(ctx)
    link_device(app.context, phone, full_history, timeout, _Screen(app).show)


class _Screen:
    """The display of linking; on a terminal each QR code is drawn over the one before."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lines = 0

    def show(self, event: dict[str, Any]) -> None:
        """Show an event of linking."""
        out, kind = self._app.out, event["event"]
        if kind == "qr" and not self._app.json:
            from wa.cli.terminal import columns_of, picture

            drawn = picture(event["code"], colours=out.on_terminal)
            how = "scan this with the phone: Settings, Linked devices, Link a device"
            lines = picture(event["code"], colours=False).splitlines()
            wide, high = columns_of(lines[1]), len(lines) + 2  # the caption, and the line of the cursor
            has = out.size
            if out.on_terminal and (has.columns < wide or has.lines < high):
                drawn = ""
                how = (
                    f"the code needs a terminal of {wide} columns and {high} lines, and this one has"
                    f" {has.columns} and {has.lines}: make it larger, or use `wa link --phone N`"
                )
            self._lines = out.picture(drawn, how, self._lines)
            return
        came = counted(event.get("messages", 0), "message")
        text = {
            "code": f"type this code on the phone: {event.get('code')}",
            "paired": f"linked to +{phone_of_jid(event.get('jid') or '')}",
            "paused": "sending is paused, for this home was linked to another account: `wa resume` resumes",
            "caught-up": f"{came} recorded; `wa listen` records what follows",
        }.get(kind, "")
        out.event(event, text)


@commands.command()
def unlink(ctx: typer.Context, as_json: Json = False) -> None:
    """Log this device out and delete its keys. Recorded messages and the queue stay.

    Example: wa unlink
    """
    from wa.connection.link import unlink as unlink_device

    app = app_of(ctx)
    account = unlink_device(app.context)
    out = f"unlinked from +{phone_of_jid(account['jid'])}; what is recorded stays"
    app.out.success({"unlinked": account["jid"]}, out)
