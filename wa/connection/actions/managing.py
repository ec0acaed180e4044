"""Groups and blocked people, for commands and programs: what is asked of the owner, and what it answers.

Each function but `do` checks what is wanted, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wa.connection import ask
from wa.connection.actions import asking
from wa.connection.context import Context
from wa.errors import WaError
from wa.jids import check_recipient, is_group
from wa.record import chats
from wa.record.groups import limits, outcomes
from wa.record.names import canonical, shown_as, stored_name
from wa.store.database import Row
from wa.values import Value

LINK = "https://chat.whatsapp.com/"


class Wanted(Value):
    """What is wanted of the owner: the kind of the action and its arguments."""

    kind: str
    args: Row
    answer: Callable[[Context, Row], Row]
    """Returns the row for the user, from the result of the action."""


def do(context: Context, wanted: Wanted, command: str) -> Row:
    """Have it done by the owner, or become that for `command`. Return its row. Raise as `asking.act` does."""
    return wanted.answer(context, asking.act(context, wanted.kind, wanted.args, command))


def create(context: Context, name: str, people: Sequence[str]) -> Wanted:
    """Make a group: its row, with `results` for each of the people (JIDs)."""
    store = context.store
    name = limits.checked_name(name)
    others = limits.others_than_us(store, limits.checked_people(store, people), context.me)
    return _of_group("create", name=name, people=others, told=others)


def change_members(context: Context, kind: str, group: str, people: Sequence[str]) -> Wanted:
    """`add`, `remove`, `promote` or `demote` people: the group's row, with `results` for each."""
    store = context.store
    people = limits.checked_people(store, people)
    limits.check_group(store, kind, group)
    asked, needless = limits.sort_out(store, kind, group, people)
    return _of_group(kind, group, people=asked, told=people, needless=needless)


def rename(context: Context, group: str, name: str) -> Wanted:
    """Give a group another name: its row."""
    name = limits.checked_name(name)
    limits.check_group(context.store, "rename", group)
    return _of_group("rename", group, name=name)


def leave(context: Context, group: str) -> Wanted:
    """Leave a group: its row."""
    limits.check_group(context.store, "leave", group)
    return _of_group("leave", group)


def invite(context: Context, group: str, *, is_new: bool) -> Wanted:
    """A group's row with the `link` of its invitation, of a new one that ends the one before."""
    kind = "renew" if is_new else "invite"
    limits.check_group(context.store, kind, group)
    return _of_group(kind, group, more=lambda done: {"link": LINK + done["code"]})


def join(context: Context, text: str) -> Wanted:
    """Join the group of an invitation's link or code: its row, with `is_waiting` for an admin."""
    code = limits.checked_code(text)
    return _of_group("join", code=code, more=lambda done: {"is_waiting": done["is_waiting"]})


def _of_group(
    kind: str,
    group: str = "",
    *,
    name: str = "",
    people: Sequence[str] = (),
    code: str = "",
    told: Sequence[str] = (),
    needless: dict[str, tuple[int, str]] | None = None,
    more: Callable[[Row], Row] = lambda done: {},
) -> Wanted:
    """Return what is wanted of a group; its answer has what became of each of the people `told`."""

    def answer(context: Context, done: Row) -> Row:
        jid = done["jid"]
        row = chats.group(context.store, jid) or {"id": jid, "name": done["name"], "members": []}
        results = outcomes.results(context.store, kind, told, done["refused"], needless or {})
        return {**row, "results": results, **more(done)}

    args = {"kind": kind, "group_jid": group, "name": name, "people": list(people), "code": code}
    return Wanted(f"group-{kind}", args, answer)


def block(context: Context, jid: str, *, is_blocked: bool) -> Wanted:
    """Block a person, or unblock: jid and name, and `is_blocked`."""
    if is_group(jid):
        hint = "`wa groups leave` leaves it"
        raise WaError(
            "usage", f"{shown_as(context.store, jid)} is a group, and only people are blocked", hint
        )
    check_recipient(jid)
    if jid == context.me:
        raise WaError("usage", "this is you", "name somebody else")
    return Wanted(
        "block" if is_blocked else "unblock",
        {"jid": jid},
        lambda context, done: {**_person(context, jid), "is_blocked": is_blocked},
    )


def blocked(context: Context) -> list[Row]:
    """Return the people whom we have blocked, as WhatsApp says now, in the form of `people`."""
    ((done, error),) = ask.ask_each(context, "blocked", [{}], "block", ask.REQUEST_SECONDS)
    if error is not None:
        raise error
    return people(context, done["jids"])


def people(context: Context, jids: Sequence[str]) -> list[Row]:
    """Return jid and name of each of these people, by name."""
    found = [_person(context, jid) for jid in jids]
    return sorted(found, key=lambda row: (str(row["name"] or "~"), str(row["jid"])))


def _person(context: Context, jid: str) -> Row:
    jid = canonical(context.store, jid)
    return {"jid": jid, "name": stored_name(context.store, jid)}
