"""Groups and blocked people, for commands and programs: what is asked of the owner, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence

from wa.connection import ask
from wa.connection.actions import asking
from wa.connection.context import Context
from wa.errors import WaError
from wa.jids import check_recipient, is_group
from wa.record import chats
from wa.record.groups import limits, outcomes
from wa.record.names import canonical, shown_as, stored_name
from wa.store.database import Row

LINK = "https://chat.whatsapp.com/"
COMMAND = "groups"


def create(context: Context, name: str, people: Sequence[str]) -> Row:
    """Make a group. Return its row, with `results` for each of the people (JIDs)."""
    store = context.store
    name = limits.checked_name(name)
    others = limits.others_than_us(store, limits.checked_people(store, people), context.me)
    done = _ask(context, "create", name=name, people=others)
    return _row(context, done, "create", others)


def change_members(context: Context, kind: str, group: str, people: Sequence[str]) -> Row:
    """`add`, `remove`, `promote` or `demote` people. Return the group's row, with `results` for each."""
    store = context.store
    people = limits.checked_people(store, people)
    limits.check_group(store, kind, group)
    asked, needless = limits.sort_out(store, kind, group, people)
    done = _ask(context, kind, group, people=asked)
    return _row(context, done, kind, people, needless)


def rename(context: Context, group: str, name: str) -> Row:
    """Give a group another name. Return its row."""
    name = limits.checked_name(name)
    limits.check_group(context.store, "rename", group)
    return _row(context, _ask(context, "rename", group, name=name))


def leave(context: Context, group: str) -> Row:
    """Leave a group. Return its row."""
    limits.check_group(context.store, "leave", group)
    return _row(context, _ask(context, "leave", group))


def invite(context: Context, group: str, *, is_new: bool) -> Row:
    """Return a group's row with the `link` of its invitation, of a new one that ends the one before."""
    kind = "renew" if is_new else "invite"
    limits.check_group(context.store, kind, group)
    done = _ask(context, kind, group)
    return {**_row(context, done), "link": LINK + done["code"]}


def join(context: Context, text: str) -> Row:
    """Join the group of an invitation's link or code. Return its row, with `is_waiting` for an admin."""
    done = _ask(context, "join", code=limits.checked_code(text))
    return {**_row(context, done), "is_waiting": done["is_waiting"]}


def _ask(
    context: Context,
    kind: str,
    group: str = "",
    *,
    name: str = "",
    people: Sequence[str] = (),
    code: str = "",
) -> Row:
    args = {"kind": kind, "group_jid": group, "name": name, "people": list(people), "code": code}
    return asking.act(context, f"group-{kind}", args, COMMAND)


def _row(
    context: Context,
    done: Row,
    kind: str = "",
    people: Sequence[str] = (),
    needless: dict[str, tuple[int, str]] | None = None,
) -> Row:
    """Return the row of a group as it is now, with what became of each of the people."""
    row = chats.group(context.store, done["jid"]) or {"id": done["jid"], "name": done["name"], "members": []}
    return {**row, "results": outcomes.results(context.store, kind, people, done["refused"], needless or {})}


def block(context: Context, jid: str, *, is_blocked: bool) -> Row:
    """Block a person, or unblock. Return jid and name, and `is_blocked`."""
    if is_group(jid):
        hint = "`wa groups leave` leaves it"
        raise WaError(
            "usage", f"{shown_as(context.store, jid)} is a group, and only people are blocked", hint
        )
    check_recipient(jid)
    if jid == context.me:
        raise WaError("usage", "this is you", "name somebody else")
    asking.act(context, "block" if is_blocked else "unblock", {"jid": jid}, "block")
    return {**_person(context, jid), "is_blocked": is_blocked}


def blocked(context: Context) -> list[Row]:
    """Return jid and name of the people whom we have blocked, as WhatsApp says now, by name."""
    ((done, error),) = ask.ask_each(context, "blocked", [{}], "block", ask.REQUEST_SECONDS)
    if error is not None:
        raise error
    people = [_person(context, jid) for jid in done["jids"]]
    return sorted(people, key=lambda row: (str(row["name"] or "~"), str(row["jid"])))


def _person(context: Context, jid: str) -> Row:
    jid = canonical(context.store, jid)
    return {"jid": jid, "name": stored_name(context.store, jid)}
