"""wa listen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.cli.show import change_line, message_line
from wa.queue import rows as queue
from wa.record import messages, responses
from wa.times import parse_duration

if TYPE_CHECKING:
    from wa.connection.owner import Owner

commands = typer.Typer()


@commands.command()
def listen(
    ctx: typer.Context,
    since: Annotated[
        int | None, typer.Option(min=0, max=2**62, metavar="ID", help="Begin after the message with this id.")
    ] = None,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="D", help="Stop after 90s, 15m, 6h …")
    ] = None,
    no_send: Annotated[bool, typer.Option("--no-send", help="Do not send scheduled messages.")] = False,
    as_json: Json = False,
) -> None:
    """Stay connected: record and print messages, send what is due.

    A second listener prints what the first one records, and takes over within
    two seconds when the first ends. --json prints one JSON object a line: a
    message is its row; a reaction, an edit and a deletion have "event".

    Example: wa listen --for 10m --json
    """
    from wa.connection import hold
    from wa.queue.send import Scope

    app = app_of(ctx)
    feed = _Feed(app, since)
    end = None if duration is None else time.monotonic() + parse_duration(duration).total_seconds()
    hold.serve(
        app.serving,
        "listen --no-send" if no_send else "listen",
        Scope.UNSCHEDULED if no_send else Scope.ALL,
        until=lambda owner: end is not None and time.monotonic() >= end,
        tick=feed.print_new,
        every=hold.STANDBY_SECONDS,
    )


class _Feed:
    """The output of `wa listen`: live messages and changes once any process has stored them, and warnings."""

    def __init__(self, app: App, since: int | None) -> None:
        self._app = app
        self._place = responses.place_of(app.store, since)
        self._awaited = messages.awaited(app.store)
        self._version = -1
        self._last_state: str | None = None
        self._unknown = 0

    def print_new(self, owner: Owner | None) -> None:
        """Print new messages; `hold.serve` calls this after each event."""
        from wa.connection.hold import describe_owner

        state = describe_owner(owner)
        if state is not None and state != self._last_state:
            self._last_state = state
            self._app.out.note(state)
        if (version := self._app.store.version()) == self._version:
            return
        self._version = version
        self._print_awaited()
        while told := responses.told_after(self._app.store, self._place):
            for place, row in told:
                line = change_line if "event" in row else message_line
                self._app.out.event(row, line(self._app, row))
                self._place = place
        self._warn()

    def _print_awaited(self) -> None:
        """Print messages that could not be read at first, and have come now.

        Such a message has the id of the row that stood for it, so only a listener that runs prints it.
        """
        awaited = messages.awaited(self._app.store)
        if gone := self._awaited - awaited:
            for row in messages.came(self._app.store, gone):
                self._app.out.event(row, message_line(self._app, row))
        self._awaited = awaited

    def _warn(self) -> None:
        unknown = queue.counts(self._app.store).get("unknown", 0)
        if unknown > self._unknown:
            self._app.out.note(f"{unknown} may have been sent or not: `wa schedule list --status unknown`")
        self._unknown = unknown
