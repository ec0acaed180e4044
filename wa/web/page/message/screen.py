"""The screen of one message of a chat, with its reactions and votes, and the forms that change it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wa.connection.actions import changes
from wa.connection.context import Context
from wa.connection.programs.work import Work
from wa.errors import WaError
from wa.jids import show_jid
from wa.queue.kinds import forward as forwarding
from wa.record import messages, responses
from wa.record.changing import anywhere
from wa.record.changing.limits import EDIT_WITHIN
from wa.record.events import log
from wa.record.messages import moment
from wa.record.names import canonical, stored_name
from wa.store.database import Row
from wa.web.answers import Answer, status_of
from wa.web.api.actions.forward import Forward, send
from wa.web.api.actions.messages import change
from wa.web.page import chats, frame, render
from wa.web.page.forms import Form, new_key
from wa.web.page.render import View

_OFFERED = (
    ("👍", "Thumbs up"), ("❤️", "Heart"), ("😂", "Laughing"), ("😮", "Surprised"), ("😢", "Crying"),
    ("🙏", "Thank you"),
)  # fmt: skip
"""Emoji with a button of their own, and their names."""
_NEWEST = 50
"""Messages that the screen of a chat shows."""
_TRIED = {"react": "👍", "edit": "x", "delete": ""}


def found(context: Context, chat: str, number: str) -> Row:
    """Return the columns CHANGED of the message with this id in a chat. Raise WaError `not-found`."""
    jid = chats.jid_of(context, chat)
    if not number.isdigit():
        raise WaError("not-found", "there is no such message")
    row = anywhere.find(context.store, number)
    if canonical(context.store, row["chat_jid"]) != jid:
        raise WaError("not-found", "there is no such message in this chat")
    return row


def screen(
    context: Context, view: View, chat: str, number: str, form: Form, error: str | None = None,
    status: int = 200,
) -> Answer:  # fmt: skip
    """Return the screen; after an error, with what was typed."""
    store = context.store
    row = found(context, chat, number)
    jid = row["chat_jid"]
    about = messages.about(store, jid, row["message_id"])
    assert about is not None  # noqa: S101
    (shown,) = responses.counted(store, messages.with_reactions(store, [about]))
    name = stored_name(store, jid)
    mine = [each["emoji"] for each in shown["reactions"] if _is_me(context, each["sender"])]
    until = moment(row["timestamp"]) + EDIT_WITHIN
    values = {
        "title": "Message",
        "tab": "chats",
        "jid": jid,
        "name": show_jid(jid, name),
        "talk": chats.talk(context, [shown]),
        "path": f"/chats/{render.in_path(jid)}/message/{row['id']}",
        "back": _place(context, row),
        "reactions": [{**each, "who": _who(context, each["sender"])} for each in shown["reactions"]],
        "voters": _voters(context, shown.get("poll")),
        "can": {**{kind: _can(context, kind, row) for kind in _TRIED}, "forward": _can_forward(about)},
        "offered": _OFFERED,
        "mine": mine[0] if mine else None,
        "text": form["text"] or row["content"] or "",
        "until": f"{until.astimezone(context.settings.zone):%H:%M}",
        "form": form,
        "key": new_key(),
        "error": error,
    }
    return frame.page(context, replace(view, since=log.newest(store)), "message.html", status, **values)


def _can(context: Context, kind: str, row: Row) -> bool:
    """Return whether a message may be changed so now."""
    try:
        changes.check(kind, context.store, row, _TRIED[kind], context.now())
    except WaError:
        return False
    return True


def _can_forward(about: Row) -> bool:
    try:
        forwarding.check(about)
    except WaError:
        return False
    return True


def _is_me(context: Context, jid: str) -> bool:
    return jid == context.me


def _who(context: Context, jid: str) -> str:
    return "You" if _is_me(context, jid) else show_jid(jid, stored_name(context.store, jid))


def _voters(context: Context, poll: Row | None) -> list[dict[str, Any]]:
    """Return the options of a poll with the names of those who chose each."""
    return [
        {"name": each["name"], "names": [_who(context, jid) for jid in each["voters"]]}
        for each in (poll or {}).get("options", ())
    ]


def _place(context: Context, row: Row) -> str:
    """Return the address of a message in its chat, of an older one among those before it."""
    path = f"/chats/{render.in_path(row['chat_jid'])}"
    newest = messages.conversation(context.store, row["chat_jid"], _NEWEST)
    if all(each["id"] != row["id"] for each in newest):
        path += f"?before={row['timestamp']}~{row['id'] + 1}"
    return f"{path}#c{row['id']}"


async def act(work: Work, view: View, chat: str, number: str, form: Form) -> Answer:
    """Change a message as a form says, once for its key, and lead back to the chat."""
    if form["do"] == "forward":
        return await _forward(work, view, chat, number, form)
    kind, _, text = str(form["do"]).partition(" ")
    if form["do"] in ("react", "edit"):
        text = str(form["emoji"].strip() if kind == "react" else form["text"])
    if kind not in _TRIED:
        raise WaError("usage", "the form has been changed", "load the page again")

    def here(context: Context) -> Row:
        return found(context, chat, number)

    try:
        row, is_new = await change(work, kind, text, f"{form.key} {text}", here)
        if not is_new and not await work.read(lambda context: _is_so(context, kind, text, row)):
            await change(work, kind, text, None, here)  # from the same form, as the browser kept it
    except WaError as error:
        return await _again(work, view, chat, number, form, error)
    return await work.read(lambda context: render.moved(view, _place(context, here(context))))


def _is_so(context: Context, kind: str, text: str, row: Row) -> bool:
    """Return whether a message is as a form wanted it."""
    if kind == "react":
        return text == next(
            (each["emoji"] for each in row["reactions"] if _is_me(context, each["sender"])), ""
        )
    return kind == "delete" or row["content"] == text


async def _forward(work: Work, view: View, chat: str, number: str, form: Form) -> Answer:
    """Forward a message as a form says, once for its key, and lead to the chat that it goes to."""
    to = str(form["to"] or form["q"].strip())
    try:
        if not to:
            raise WaError("usage", "say to whom it goes", "a name, an alias or a number")
        body = Forward(to=[to])
        key = f"{form.key} {to}"
        (row,), _ = await send(work, lambda context: found(context, chat, number), body, key, "web")
    except WaError as error:
        return await _again(work, view, chat, number, form, error)
    return render.moved(view, f"/chats/{render.in_path(row['to_jid'])}", row=row["id"])


async def _again(work: Work, view: View, chat: str, number: str, form: Form, error: WaError) -> Answer:
    """Return the screen once more, with an error and what was typed."""
    told, status = render.said(error), status_of(error)
    return await work.read(lambda context: screen(context, view, chat, number, form, told, status))
