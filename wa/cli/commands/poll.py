"""wa poll."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from wa.cli.context import App
from wa.cli.options import Chat, Json, Message, app_of, chat_of
from wa.errors import WaError
from wa.record import messages, polls
from wa.record.names import shown_as
from wa.store.database import Row
from wa.store.device import own_jid
from wa.texts import counted

_BAR = 10
"""Columns of the bar of an option that all have chosen."""
commands = typer.Typer()


@commands.command()
def poll(
    ctx: typer.Context,
    chat: Chat,
    message: Message,
    as_json: Json = False,
) -> None:
    """Show a poll: who voted for what.

    The newest vote of a person counts.

    Example: wa poll omar last
    """
    from wa.record.changing import which

    app = app_of(ctx)
    found = chat_of(app, chat)
    row = messages.about(app.store, found.jid, which.id_of(app.store, found.jid, message))
    if row is None or row.get("poll") is None:
        raise WaError(
            "wrong-state", f"this message is {_other(row)}", "`wa read CHAT` shows which messages are polls"
        )
    if app.json:
        (row,) = messages.with_reactions(app.store, [row])
        app.out.result(row, "")
        return
    _show(app, row)


def _other(row: Row | None) -> str:
    """Return what a message is that is no poll."""
    if row is not None and row["deleted_at"]:
        return "deleted"
    kind = row["message_type"] if row else "other"
    return (
        "the result of a poll, without its votes" if kind == "poll" else f"no poll: it is of the type {kind}"
    )


def _show(app: App, row: Row) -> None:
    """Print question, options with their votes, and how many people voted."""
    store, about, is_drawn = app.store, row["poll"], app.out.on_terminal
    me, lost = own_jid(store), list(dict.fromkeys(polls.unknown_voters(store, row)))
    everybody = {each for option in about["options"] for each in option["voters"]} | set(lost)

    def cells(option: Mapping[str, Any]) -> list[object]:
        share = len(option["voters"]) / max(1, len(everybody))
        names = ["me" if jid == me else shown_as(store, jid) for jid in option["voters"]]
        bar = [("█" * round(share * _BAR)).ljust(_BAR)] if is_drawn else []
        return [option["name"], option["votes"], f"{share:.0%}", *bar, ", ".join(names)]

    options = list(about["options"])
    if lost:
        options.append({"name": f"({polls.UNKNOWN})", "votes": about["unknown_votes"], "voters": lost})
    app.out.heading(about["question"])
    app.out.table(options, ["option", "votes", "share", *([""] if is_drawn else []), "who"], cells, "")
    choices = ((row["details"] or {}).get("poll") or {}).get("choices")
    voted = {0: "nobody has", 1: "one person has"}.get(len(everybody), f"{len(everybody):,} people have")
    app.out.note(f"{voted} voted" + (f"; one may choose {counted(choices, 'option')}" if choices else ""))
