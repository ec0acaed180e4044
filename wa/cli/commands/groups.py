"""groups: list, create, rename, add, remove, promote, demote, leave, invite, join."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wa.cli.completion import complete_contact, complete_group
from wa.cli.context import App
from wa.cli.options import Json, address, app_of
from wa.jids import show_jid
from wa.record import chats
from wa.record.groups import outcomes, which
from wa.store.database import Row
from wa.texts import counted

if TYPE_CHECKING:
    from wa.connection.actions.managing import Wanted

commands = typer.Typer()
groups = typer.Typer()
commands.add_typer(groups, name="groups")

Group = Annotated[
    str,
    typer.Argument(
        metavar="GROUP",
        help="The name or JID of a group.",
        autocompletion=lambda ctx, incomplete: complete_group(ctx, incomplete),
    ),
]
Who = Annotated[
    list[str],
    typer.Argument(
        metavar="WHO...",
        help="People: names, aliases, phone numbers or JIDs.",
        autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
    ),
]


@groups.callback(invoke_without_command=True)
def listing(
    ctx: typer.Context,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask WhatsApp for the list now, however new it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the groups and their members, or change one.

    It asks WhatsApp again for a list that is older than a day.

    Example: wa groups
    """
    if ctx.invoked_subcommand is not None:
        return
    from wa.connection.ask import refresh_groups

    def cells(row: Mapping[str, Any]) -> list[object]:
        members = ", ".join(map(_member, row["members"]))
        left = "you are not in it any more" if row["left_at"] else ""
        return [row["name"] or row["id"], row["id"], "; ".join(filter(None, (left, members)))]

    app = app_of(ctx)
    if refresh:
        app.context.require_account()
    if trouble := refresh_groups(app.context, at_once=refresh):
        if refresh:
            raise trouble
        app.out.note(f"as last known: {trouble.message}")
    app.out.table(chats.groups(app.store), ["group", "id", "members"], cells, "no groups yet")


def _member(row: Mapping[str, Any]) -> str:
    """Return the name of a group's member, and that they are an admin if so."""
    return show_jid(row["member_jid"], row["name"]) + ("" if row["role"] == "member" else " (admin)")


@groups.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new group.")],
    who: Who,
    as_json: Json = False,
) -> None:
    """Make a group with people in it.

    It says for each of them whether they were added, and why not.

    Example: wa groups create "Garden party" 447700900123 447700900124
    """
    from wa.connection.actions import managing

    app = app_of(ctx)
    row = _do(app, managing.create(app.context, name, _people(app, who)))
    _told(app, "create", row, f"made the group {row['name']} ({row['id']})")


@groups.command()
def rename(
    ctx: typer.Context,
    group: Group,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new name.")],
    as_json: Json = False,
) -> None:
    """Give a group another name.

    Example: wa groups rename "Garden party" "Summer party"
    """
    from wa.connection.actions import managing

    app = app_of(ctx)
    row = _do(app, managing.rename(app.context, _group(app, group), name))
    app.out.success(row, f"the group is called {row['name']} now")


@groups.command()
def add(ctx: typer.Context, group: Group, who: Who, as_json: Json = False) -> None:
    """Add people to a group.

    Example: wa groups add "Garden party" 447700900125
    """
    _change(app_of(ctx), "add", group, who)


@groups.command()
def remove(ctx: typer.Context, group: Group, who: Who, as_json: Json = False) -> None:
    """Remove people from a group, as its admin.

    Example: wa groups remove "Garden party" 447700900123
    """
    _change(app_of(ctx), "remove", group, who)


@groups.command()
def promote(ctx: typer.Context, group: Group, who: Who, as_json: Json = False) -> None:
    """Make members of a group admins, as its admin.

    Example: wa groups promote "Garden party" 447700900123
    """
    _change(app_of(ctx), "promote", group, who)


@groups.command()
def demote(ctx: typer.Context, group: Group, who: Who, as_json: Json = False) -> None:
    """Take the rights of admins from members of a group.

    Example: wa groups demote "Garden party" 447700900124
    """
    _change(app_of(ctx), "demote", group, who)


@groups.command()
def leave(ctx: typer.Context, group: Group, as_json: Json = False) -> None:
    """Leave a group; its messages stay here.

    Example: wa groups leave "Garden party"
    """
    from wa.connection.actions import managing

    app = app_of(ctx)
    row = _do(app, managing.leave(app.context, _group(app, group)))
    app.out.success(row, f"you have left the group {row['name'] or row['id']}; its messages stay here")


@groups.command()
def invite(
    ctx: typer.Context,
    group: Group,
    renew: Annotated[
        bool, typer.Option("--renew", help="Make a new link; the one before is not valid any more.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the link by which anybody can join a group.

    Example: wa groups invite "Garden party"
    """
    from wa.connection.actions import managing

    app = app_of(ctx)
    row = _do(app, managing.invite(app.context, _group(app, group), is_new=renew))
    app.out.success(row, row["link"])


@groups.command()
def join(
    ctx: typer.Context,
    link: Annotated[str, typer.Argument(metavar="LINK", help="The link of an invitation, or its code.")],
    as_json: Json = False,
) -> None:
    """Join a group by the link of an invitation.

    Example: wa groups join https://chat.whatsapp.com/AbCdEfGhIjKlMnOpQrStUv
    """
    from wa.connection.actions import managing

    app = app_of(ctx)
    row = _do(app, managing.join(app.context, link))
    name = row["name"] or row["id"]
    if row["is_waiting"]:
        app.out.success(row, f"asked to join the group {name}; an admin of it has to agree")
    else:
        app.out.success(row, f"joined the group {name}, with {counted(len(row['members']), 'member')}")


def _do(app: App, wanted: Wanted) -> Row:
    from wa.connection.actions import managing

    return managing.do(app.context, wanted, "groups")


def _group(app: App, text: str) -> str:
    """Return the JID of the group for the argument GROUP, after a look at whether our groups are known."""
    from wa.connection.ask import refresh_groups

    if trouble := refresh_groups(app.context):
        raise trouble
    found: str = which.find(app.store, text)["id"]
    return found


def _people(app: App, who: list[str]) -> list[str]:
    return [address(app, each).jid for each in who]


def _change(app: App, kind: str, group: str, who: list[str]) -> None:
    """Change the members of a group, and tell what became of each."""
    from wa.connection.actions import managing

    people = _people(app, who)
    wanted = managing.change_members(app.context, kind, _group(app, group), people)
    _told(app, kind, _do(app, wanted), "")


def _told(app: App, kind: str, row: Row, note: str) -> None:
    """Print what became of each person. Raise WaError if nothing was done for anybody."""

    def cells(each: Mapping[str, Any]) -> list[object]:
        return [show_jid(each["jid"], each["name"]), outcomes.done(kind) if each["done"] else each["why"]]

    if app.json:
        app.out.success(row, note)
    else:
        with app.out.even_unheard(note):
            if note:
                app.out.note(note)
            app.out.table(row["results"], ["who", "what became of it"], cells, "")
    if failure := outcomes.failure_of(kind, row["results"]):
        raise failure
