"""wa listen."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from wa.cli.context import App
from wa.cli.options import Json, app_of
from wa.cli.show import change_line, message_line
from wa.errors import WaError
from wa.queue import rows as queue
from wa.record.events import told
from wa.store.database import Row
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
    exec_: Annotated[
        str | None,
        typer.Option("--exec", metavar="CMD", help="Run this for each message; what it prints is the reply."),
    ] = None,
    webhook: Annotated[str | None, typer.Option(metavar="URL", help="Post each message there.")] = None,
    no_send: Annotated[bool, typer.Option("--no-send", help="Do not send scheduled messages.")] = False,
    as_json: Json = False,
) -> None:
    """Stay connected: record and print messages, send what is due.

    A second listener prints what the first one records, and takes over within
    two seconds when the first ends. --json prints one JSON object a line: a
    message is its row; edits, deletions, reactions, receipts and the state of
    the connection have "event".

    --exec and --webhook are a hook for as long as this runs; it may run beside
    others. `wa hooks add` makes one that stays.

    Example: wa listen --for 10m --json
    """
    from wa.connection import hold
    from wa.queue.send import Scope

    app = app_of(ctx)
    feed = _Feed(app, since)
    length = math.inf if duration is None else parse_duration(duration).total_seconds()

    @cache
    def end() -> float:
        """Return when to stop, reckoned from the first call: on a slow machine, loading takes a second."""
        return time.monotonic() + length

    with _own_hook(app, exec_, webhook) as heard:
        hold.serve(
            app.serving,
            "listen --no-send" if no_send else "listen",
            Scope.UNSCHEDULED if no_send else Scope.ALL,
            until=lambda owner: time.monotonic() >= end(),
            tick=feed.print_new,
            every=hold.STANDBY_SECONDS,
            heard=heard,
        )


@contextmanager
def _own_hook(app: App, command: str | None, address: str | None) -> Iterator[Callable[[], None] | None]:
    """Serve a hook of this listener's own while it runs. Yield what is to be called for each change."""
    if command is None and address is None:
        yield None
        return
    from wa.hooks import program, table, webhook
    from wa.hooks.serving.runner import Runner

    if command is not None and address is not None:
        raise WaError("usage", "a hook is a program or an address", "give --exec or --webhook")
    if command is not None:
        program.split(command)
    if address is not None:
        webhook.check(address, allow_http=False)
    values = {"exec": command, "webhook": address, "holder": os.getpid()}
    row = table.add(app.store, f"listen {os.getpid()}", values, app.now())
    try:
        with Runner(app.home, app.settings, app.now, row["id"]) as runner:
            yield runner.look
    finally:
        table.remove(app.store, row["name"])


class _Feed:
    """The output of `wa listen`: what the log of events tells, whatever process writes it, and warnings."""

    def __init__(self, app: App, since: int | None) -> None:
        self._app = app
        self._since = since
        self._place = told.place_of(app.store, since, app.now())
        self._version = -1
        self._is_lost = False
        self._last_state: str | None = None
        self._unknown = 0

    def print_new(self, owner: Owner | None) -> None:
        """Print what is new; `hold.serve` calls this after each event."""
        from wa.connection.hold import describe_owner

        state = describe_owner(owner)
        if state is not None and state != self._last_state:
            self._last_state = state
            self._app.out.note(state)
        if (version := self._app.store.version()) == self._version:
            return
        self._version = version
        if self._since is not None:
            for row in told.before_the_log(self._app.store, self._since, self._place):
                self._print(row)
            self._since = None
        while found := told.after(self._app.store, self._place):
            for place, row in found:
                self._print(row)
                self._place = place
        self._warn()

    def _print(self, row: Row) -> None:
        """Print one line of the log; for people, receipts and the connection are left out.

        Of the connection, a program is told when it is lost, and when it is back.
        """
        event = row.get("event")
        if event == "connection":
            was_lost, self._is_lost = self._is_lost, row["state"] == "offline"
            if not (was_lost or self._is_lost):
                return
        if self._app.json:
            self._app.out.event(row, "")
        elif event not in ("receipt", "connection"):
            self._app.out.event(row, (change_line if event else message_line)(self._app, row))

    def _warn(self) -> None:
        unknown = queue.counts(self._app.store).get("unknown", 0)
        if unknown > self._unknown:
            self._app.out.note(f"{unknown} may have been sent or not: `wa schedule list --status unknown`")
        self._unknown = unknown
